"""Objects of Java's own classes, against what Java's `toString` said of them when they were recorded."""

from __future__ import annotations

import datetime
import decimal
from typing import Any

import pytest

from l7codec.hessian2 import JavaList, JavaObject, dumps, java, loads
from tests.hessian2.words import vectors

SILENT = {"sql Timestamp", "StackTraceElement", "byte", "short", "float", "char", "Calendar"}
"""Samples of other classes: `text` says None."""
THROWN = {"exception", "exception without a message", "exception with causes"}
# Caucho's library has no handles for java.time and writes the fields of the classes: those say None, too.
ROWS = [
    pytest.param(row, id=f"{library} {row['name']}")
    for library in ("lite", "caucho")
    for row in vectors(library)
    if "other" in row["values"][0]
]


@pytest.mark.parametrize("row", ROWS)
def test_what_java_says(row: dict[str, Any]) -> None:
    said = java.text(loads(row["data"]))
    if row["name"] in SILENT | THROWN:
        assert said is None
    else:
        assert said == row["values"][0]["text"].removeprefix("class ")


def test_there_are_enough() -> None:
    assert len([row for row in ROWS if row.values[0]["name"] not in SILENT | THROWN]) >= 25


@pytest.mark.parametrize("library", ["lite", "caucho"])
def test_exceptions(library: str) -> None:
    rows = {row["name"]: loads(row["data"]) for row in vectors(library) if row["name"] in THROWN}
    frames = [
        "org.example.Main.run(Main.java:42)",
        "org.example.Main$Inner.<init>(Main.java:7)",
        "jdk.internal.Thing.invoke0(Native Method)",
    ]
    simple = java.throwable(rows["exception"])
    assert simple == java.Throwable("java.lang.IllegalStateException", "broken 张", frames, [])
    silent = java.throwable(rows["exception without a message"])
    assert silent == java.Throwable("java.lang.NullPointerException", None, frames, [])
    caused = java.throwable(rows["exception with causes"])
    assert caused is not None
    assert caused.message == "no stock"
    assert [(cause.class_name, cause.message) for cause in caused.causes] == [
        ("java.lang.RuntimeException", "outer"),
        ("java.io.IOException", "disk"),
    ]
    assert rows["exception with causes"]["code"] == 42


def test_causes_in_a_circle() -> None:
    first, second = java.exception("A", "a"), java.exception("B", "b")
    first["cause"], second["cause"] = second, first
    found = java.throwable(loads(dumps(first)))
    assert found is not None
    assert [cause.class_name for cause in found.causes] == ["B"]


def test_many_causes_and_frames() -> None:
    error = java.exception("A")
    error["stackTrace"] = JavaList([None] * 1000)
    for _ in range(1000):
        outer = java.exception("A")
        outer["cause"] = error
        error = outer
    found = java.throwable(error)
    assert found is not None
    assert len(found.causes) == java.MOST


@pytest.mark.parametrize("value", [None, 1, "x", [], {}, JavaObject("A", {"x": 1})])
def test_other_values_say_nothing(value: Any) -> None:
    assert java.text(value) is None
    assert java.throwable(value) is None


@pytest.mark.parametrize("name", sorted(java._SAYERS))
def test_wrong_fields_say_nothing(name: str) -> None:
    for fields in ({}, {"value": []}, {"name": 7, "year": "x", "seconds": None}, {"mag": 1, "signum": 1}):
        found = java.text(JavaObject(f"org.example.{name}", fields))
        assert found is None or name == "Class"


def test_dates_agree_with_python() -> None:
    """Days to year, month and day: the one piece of arithmetic here."""
    for days in [*range(-1000, 40_000, 7), -719_162, 2_932_896]:
        date = datetime.date(1970, 1, 1) + datetime.timedelta(days)
        assert java._civil(days) == (date.year, date.month, date.day)


def test_made() -> None:
    assert java.text(java.enum("com.example.Color", "RED")) == "RED"
    assert java.text(java.big_decimal(decimal.Decimal("1.50"))) == "1.50"
