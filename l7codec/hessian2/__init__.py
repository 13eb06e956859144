"""Hessian 2.0 values: Python data from bytes, and bytes from Python data. Usable without any protocol.

Specification: http://hessian.caucho.com/doc/hessian-serialization.html, and where Java differs, Java
(`com.caucho.hessian`, Dubbo's `hessian-lite`): tag 5f is an int of thousandths, not a 32-bit float.

    from l7codec import hessian2
    hessian2.loads(b"\\x03abc")                    # 'abc'
    hessian2.dumps([1, hessian2.JavaLong(1)])      # b'z\\x91\\xe1'

    on the wire                         in Python
    null, true, double                  None, bool, float
    int / long                          int / JavaLong, an int that stays a long
    string, binary                      str (a surrogate alone is kept), bytes
    date                                Date: milliseconds since 1970
    list                                list
    list with a type                    JavaList
    map                                 dict; JavaMap where its keys are unhashable or repeated
    map with a type                     JavaMap
    object, with its class              JavaObject
    reference                           the very object it refers to

A list or map that holds a reference, anywhere in it, is a JavaList or JavaMap too: see `values`.
"""

from __future__ import annotations

from typing import Any

from ..errors import BodyError
from ..limits import DEFAULT_LIMITS, Limits
from .graph import to_plain
from .read import Reader, read_one
from .values import ClassDefinition, Date, JavaList, JavaLong, JavaMap, JavaObject
from .write import Writer

__all__ = [
    "BodyError",
    "ClassDefinition",
    "Date",
    "JavaList",
    "JavaLong",
    "JavaMap",
    "JavaObject",
    "Reader",
    "Writer",
    "dumps",
    "loads",
    "to_plain",
]


def loads(data: bytes | bytearray | memoryview, *, limits: Limits = DEFAULT_LIMITS) -> Any:
    """The one value in `data`. Raises BodyError for bytes that are no value, or more than one."""
    return read_one(data if isinstance(data, bytes) else bytes(data), limits)


def dumps(value: Any) -> bytes:
    """The bytes of one value, in the forms that Java writes. Raises LocalProtocolError for what has none."""
    writer = Writer()
    writer.value(value)
    return writer.bytes()
