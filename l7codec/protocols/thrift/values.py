"""The shape of a Thrift body: plain data that keeps every wire type.

Specification: https://github.com/apache/thrift/tree/master/doc/specs

A struct is a dict: field id → `(type, value)`, in the order of the wire. The type is written as an IDL writes it.

    {1: ("string", b"alice"), 2: ("i64", 42), 3: ("list<i32>", [1, 2, 3])}

    type                            value                          binary  compact   JSON
    "bool"                          bool                           2       1, 2      tf
    "i8" "i16" "i32" "i64"          int                            3 6 8 10  3 4 5 6 i8 i16 i32 i64
    "double"                        float                          4       7         dbl
    "float" (fbthrift)              float                          19      13        flt
    "string" (or IDL's binary)      bytes                          11      8         str
    "uuid"                          str, "xxxxxxxx-xxxx-…"         16      13        uid
    "struct"                        dict: id → (type, value)       12      12        rec
    "list<T>"                       list of values of T            15      9         lst
    "set<T>"                        list, in the order sent        14      10        set
    "map<K,V>"                      list of (key, value) tuples    13      11        map

T, K and V are one level deep. An element that is itself a list, set or map carries its own type, as on the wire:

    ("list<list>", [("list<i32>", [1]), ("list<i64>", [])])
    ("map<string,map>", [(b"a", ("map<i32,bool>", [(1, True)]))])

An element that is a struct is the dict alone: `("list<struct>", [{1: ("i32", 1)}])`. Sets and maps are lists since a
sender may repeat an element, and structs, sets and maps may be elements and keys. Types that only an empty container
can have are numbers: the compact protocol writes no types for an empty map, which becomes `("map<0,0>", [])`.

The body of a message is its outermost struct, a `Struct`: of a call or a oneway the arguments by their ids; of a reply
the result, `{0: …}`, or `{}` of a void function, or a declared exception under its id; of an exception
`{1: ("string", message), 2: ("i32", type)}`. Whoever writes a struct may give any mapping of that shape, and `str` for
`bytes`. A struct in which a field id is repeated, legal though no peer sends it, is a `Fields`: a list of
`(id, (type, value))`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias

from ...errors import LocalProtocolError
from ...message import octets

__all__ = ["CONTAINERS", "ELEMENTS", "Fields", "Struct", "StructLike", "TypedValue", "plain_struct", "plain_value"]

TypedValue: TypeAlias = "tuple[str, Any]"
"""A type as an IDL writes it, and a value of it."""

# The binary protocol's codes are ours, too, wherever a type is a number.
BOOL: Final = 2
I8: Final = 3
DOUBLE: Final = 4
I16: Final = 6
I32: Final = 8
I64: Final = 10
STRING: Final = 11
STRUCT: Final = 12
MAP: Final = 13
SET: Final = 14
LIST: Final = 15
UUID: Final = 16
FLOAT: Final = 19

NAMES: Final[Mapping[int, str]] = {
    BOOL: "bool",
    I8: "i8",
    DOUBLE: "double",
    I16: "i16",
    I32: "i32",
    I64: "i64",
    STRING: "string",
    STRUCT: "struct",
    MAP: "map",
    SET: "set",
    LIST: "list",
    UUID: "uuid",
    FLOAT: "float",
}
"""Code to the name of a type inside `<>`, and outside of it for all but containers."""

CODES: Final[Mapping[str, int]] = {name: code for code, name in NAMES.items()}

ELEMENT_NAMES: Final[tuple[str, ...]] = tuple([NAMES.get(code, str(code)) for code in range(256)])
"""What stands inside `<>`, by code; of codes that are no types, the number."""

LIST_NAMES: Final[tuple[str, ...]] = tuple([f"list<{name}>" for name in ELEMENT_NAMES])
SET_NAMES: Final[tuple[str, ...]] = tuple([f"set<{name}>" for name in ELEMENT_NAMES])

_MAPS: dict[int, str] = {
    (key << 8) | value: f"map<{NAMES[key]},{NAMES[value]}>" for key in sorted(NAMES) for value in sorted(NAMES)
}


def map_name(key: int, value: int) -> str:
    """The type of a map, by the codes of its keys and values."""
    return _MAPS.get((key << 8) | value) or f"map<{ELEMENT_NAMES[key]},{ELEMENT_NAMES[value]}>"


CONTAINERS: Final[Mapping[str, tuple[int, int, int]]] = {
    **{name: (LIST, code, 0) for code, name in enumerate(LIST_NAMES)},
    **{name: (SET, code, 0) for code, name in enumerate(SET_NAMES)},
    **{name: (MAP, codes >> 8, codes & 255) for codes, name in _MAPS.items()},
    "map<0,0>": (MAP, 0, 0),
}
"""A container's type to its code and those of its elements: of a map, keys and values."""

ELEMENTS: Final[frozenset[int]] = frozenset(NAMES)
"""The codes that elements can have; an empty container may announce others."""


def parse_type(name: str) -> tuple[int, int, int] | None:
    """The codes of a type: its own, and a container's elements'; None where no type is written so."""
    code = CODES.get(name)
    if code is not None:
        return None if code in (LIST, SET, MAP) else (code, 0, 0)
    found = CONTAINERS.get(name)
    if found is None and name.startswith("map<") and name.endswith(">"):
        key, _, value = name[4:-1].partition(",")
        try:
            return MAP, ELEMENT_NAMES.index(key), ELEMENT_NAMES.index(value)
        except ValueError:
            return None
    return found


class Struct(dict[int, TypedValue]):
    """A message's body: field id → `(type, value)`. A dict in all but how it reads as JSON."""

    __slots__ = ()

    def to_plain(self) -> Any:
        """For JSON: `{"1": {"string": "alice"}, "2": {"i64": 42}}`."""
        return plain_struct(self)


class Fields(list[tuple[int, TypedValue]]):
    """A struct that repeats a field id: `(id, (type, value))` in the order of the wire. Receivers take the last."""

    __slots__ = ()

    def to_plain(self) -> Any:
        """For JSON."""
        return plain_struct(self)


StructLike: TypeAlias = "Mapping[int, TypedValue] | Fields"


def fields_of(struct: StructLike) -> Iterable[tuple[int, TypedValue]]:
    """A struct's fields, in order."""
    return struct if isinstance(struct, Fields) else struct.items()


def read_uuid(data: bytes, start: int) -> str:
    """The 16 bytes at `start` as RFC 9562 writes them. Raises IndexError where they are not all there."""
    data[start + 15]
    digits = data[start : start + 16].hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def write_uuid(value: Any) -> bytes:
    """The 16 bytes of a uuid, from text, bytes or a `uuid.UUID`. Raises LocalProtocolError."""
    try:
        found = value if isinstance(value, bytes) else bytes.fromhex(str(value).replace("-", ""))
    except ValueError:
        found = b""
    if len(found) != 16:
        raise LocalProtocolError("thrift", 0, f"{value!r} is not a uuid")
    return found


def write_bytes(value: Any) -> bytes:
    """What a string or binary holds, from bytes or text. Raises LocalProtocolError."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return octets(value)
    if isinstance(value, bytearray | memoryview):
        return bytes(value)
    raise LocalProtocolError("thrift", 0, f"{value!r} is neither bytes nor text")


def container_codes(type: str) -> tuple[int, int, int]:
    """The codes of a container's type and of its elements. Raises LocalProtocolError for what is none."""
    found = CONTAINERS.get(type) or parse_type(type)
    if found is None or found[0] not in (LIST, SET, MAP):
        raise LocalProtocolError(
            "thrift", 0, f"{type!r} is not a type; those that are: l7codec.protocols.thrift.values"
        )
    return found


def write_checked(write: Callable[[Any, Callable[[bytes], None]], None], value: Any) -> bytes:
    """What `write` writes of `value`. Raises LocalProtocolError where it is not of the shape described above."""
    parts: list[bytes] = []
    try:
        write(value, parts.append)
    except (struct.error, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
        raise LocalProtocolError("thrift", 0, f"not a body of Thrift's: {error}") from None
    return b"".join(parts)


class _Typed:
    """A value whose type reads along with it as JSON; not before somebody asks, since values may be nested deeply."""

    __slots__ = ("type", "value")

    def __init__(self, type: str, value: Any) -> None:
        self.type = type
        self.value = value

    def to_plain(self) -> Any:
        return {self.type: plain_value(self.type, self.value)}


def plain_struct(struct: StructLike) -> Any:
    """A struct for JSON, one level: what is nested says itself how it reads (`to_plain`)."""
    if isinstance(struct, Fields):
        return {"$fields": [[id, _Typed(type, value)] for id, (type, value) in struct]}
    return {str(id): _Typed(type, value) for id, (type, value) in struct.items()}


def plain_value(type: str, value: Any) -> Any:
    """A value for JSON, one level; text where bytes are UTF-8."""
    kind, _, inner = type.partition("<")
    if not inner:
        return _element(kind, value)
    names = inner[:-1].split(",")
    if kind == "map":
        return [[_element(names[0], key), _element(names[1], item)] for key, item in value]
    return value if names[0] in _AS_THEY_ARE else [_element(names[0], item) for item in value]


_AS_THEY_ARE: Final = frozenset(["bool", "i8", "i16", "i32", "i64", "double", "float", "uuid"])


def _element(type: str, value: Any) -> Any:
    if type == "string":
        return _text(value)
    if type == "struct":
        return value if isinstance(value, Struct | Fields) else Struct(value)
    return _Typed(*value) if type in ("list", "set", "map") else value


def _text(value: bytes | str) -> bytes | str:
    """Strings and binary are one type on the wire. What is not UTF-8 gets the mark of bytes."""
    try:
        return value if isinstance(value, str) else value.decode()
    except UnicodeDecodeError:
        return value
