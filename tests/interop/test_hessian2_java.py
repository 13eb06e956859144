"""Java reads what we write, and we read what Java writes: the same values, and the same bytes.

bash tests/interop/jvm/hessian2/run.sh
"""

from __future__ import annotations

from typing import Any

import pytest

from l7codec.hessian2 import JavaObject, dumps, loads
from tests.hessian2.words import check, vectors

from .hessian2_java import LIBRARIES, echo, missing, record
from .hessian2_values import Values

pytestmark = [pytest.mark.jvm, pytest.mark.skipif(missing() is not None, reason=str(missing()))]

KINDS = "null bool int long double string binary date list object typed"
COUNT = 3000


@pytest.mark.parametrize("library", LIBRARIES)
def test_values_through_java(library: str) -> None:
    """Random values: what the library read, in its own words, is what we wrote; what it writes of that, we read."""
    values = Values(6, f"{KINDS} map").some(COUNT)
    wrong = []
    for value, (again, words) in zip(values, echo(library, map(dumps, values)), strict=True):
        if again is None:
            wrong.append((value, words))
            continue
        read = loads(again)
        if library == "caucho":  # keeps lists as they were
            assert comparable(read) == comparable(value)
    assert not wrong, wrong[:3]


def comparable(value: object) -> object:
    """Fields come in another order from Java than they went there."""
    if isinstance(value, JavaObject):
        return (value.class_name, sorted((name, repr(comparable(part))) for name, part in value.fields))
    if isinstance(value, list):
        return [comparable(part) for part in value]
    if hasattr(value, "items"):
        return sorted((repr(key), repr(comparable(part))) for key, part in value.items())
    return value


def test_the_same_bytes() -> None:
    """hessian-lite writes what it has read, byte for byte as we did (but for maps, whose order it forgets)."""
    values = Values(7, "null bool int long double string binary date typed").some(COUNT)
    written = [dumps(value) for value in values]
    for data, (again, words) in zip(written, echo("lite", written), strict=True):
        assert again == data, words
        check(loads(data), words)


def test_vectors_are_what_the_libraries_write() -> None:
    """The recorded vectors, again."""
    fresh: dict[str, list[Any]] = {library: [] for library in LIBRARIES}
    for row in record():
        fresh[row.pop("library")].append({**row, "data": bytes.fromhex(row["data"])})
    for library in LIBRARIES:
        assert fresh[library] == vectors(library)
