"""hessian.js and python-hessian read what we write, and we read what they write: the same values."""

from __future__ import annotations

import datetime
import io
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from l7codec.hessian2 import Date, JavaList, JavaLong, JavaObject, dumps, loads
from l7codec.hessian2.graph import children, is_container

from .hessian2_values import Values

pytestmark = pytest.mark.interop

JS = Path(__file__).with_name("js") / "hessian2"
COUNT = 3000


def js_missing() -> str | None:
    if shutil.which("node") is None:
        return "no node"
    if not (JS / "node_modules").exists():
        return "hessian.js is not installed: bash tests/interop/js/install.sh"
    return None


@pytest.mark.skipif(js_missing() is not None, reason=str(js_missing()))
def test_values_through_hessian_js() -> None:
    """It reads our bytes and writes them anew in its own forms, which we read.

    To JavaScript all numbers are one kind: a long, or a double without a fraction, may come back as an int, and a
    long that a double cannot hold as text.
    """
    values = Values(8, "null bool int long double string binary date list map object shared").some(COUNT)
    text = "".join(f"{dumps(value).hex()}\n" for value in values)
    done = subprocess.run(
        ["node", "echo.js"], cwd=JS, input=text, capture_output=True, text=True, timeout=120, check=True
    )
    lines = done.stdout.splitlines()
    assert len(lines) == COUNT
    for value, line in zip(values, lines, strict=True):
        assert not line.startswith("error"), (value, json.loads(line[6:]))
        assert numbers_alike(loads(bytes.fromhex(line)), value)


def numbers_alike(one: Any, other: Any) -> bool:
    """Equal, where 1, 1.0 and the long 1 are."""
    if isinstance(one, JavaObject) and isinstance(other, JavaObject):
        return one.definition == other.definition and numbers_alike(one.values, other.values)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(numbers_alike, one, other))
    if hasattr(one, "items") and hasattr(other, "items"):
        ours, theirs = dict(one.items()), dict(other.items())
        return ours.keys() == theirs.keys() and all(numbers_alike(ours[key], theirs[key]) for key in ours)
    if isinstance(other, JavaLong) and abs(other) > 2**53:
        return one in (other, str(other))
    return bool(one == other)


def test_python_hessian_reads_what_we_write() -> None:
    """(Hessian 2 it only reads; it writes Hessian 1.)"""
    parser = pytest.importorskip("pyhessian.parser")
    compared = 0
    for value in Values(9, "null bool int long double string binary date list map object").some(COUNT):
        if beyond_it(value):
            continue
        compared += 1
        reader = parser.Parser()
        reader.version = 2
        reader._stream = io.BytesIO(dumps(value))
        assert theirs_alike(reader.read_object(), value)
    assert compared > COUNT // 2


def beyond_it(value: Any) -> bool:
    """What it is known to get wrong: characters outside the Basic Multilingual Plane, binaries in chunks."""
    if is_container(value):
        return any(map(beyond_it, children(value)))
    if isinstance(value, bytes):
        return len(value) > 4093
    return isinstance(value, str) and max(value, default="") > "\uffff"


def theirs_alike(theirs: Any, ours: Any) -> bool:
    if isinstance(ours, JavaObject):
        return type(theirs).__name__ == ours.class_name.rpartition(".")[2] and all(
            theirs_alike(getattr(theirs, name), part) for name, part in ours.fields
        )
    if isinstance(ours, JavaList | list):
        return len(theirs) == len(ours) and all(map(theirs_alike, theirs, ours))
    if isinstance(ours, dict):
        return theirs.keys() == ours.keys() and all(theirs_alike(theirs[key], ours[key]) for key in ours)
    if isinstance(ours, Date):
        moment = theirs if theirs.tzinfo else theirs.replace(tzinfo=datetime.UTC)
        return bool(abs(moment - ours.to_datetime()) < datetime.timedelta(milliseconds=1))
    if isinstance(ours, bytes):
        return bool(getattr(theirs, "value", theirs) == ours)
    return bool(theirs == ours)
