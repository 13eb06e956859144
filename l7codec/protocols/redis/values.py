r"""RESP values: Python data from bytes, and bytes from Python data.

Specification: https://redis.io/docs/latest/develop/reference/protocol-spec/ (RESP2 and RESP3), and for streamed types
https://github.com/redis/redis-specifications/blob/master/protocol/RESP3.md

    on the wire            in Python                    on the wire            in Python
    +OK                    "OK"                         #t  #f                 True, False
    -ERR text              Error("ERR", "text")         ,1.5  ,inf  ,nan       1.5, inf, nan
    :7                     7                            (7                     BigNumber("7")
    $5 hello               b"hello"                     !9 ERR text            Error("ERR", "text", blob=True)
    $-1  *-1  _            None                         =8 txt:text            Verbatim("txt", b"text")
    *2 …                   list                         %1 …                   dict, or Pairs
    ~2 …                   Set (a list)                 >2 …                   Push (a list)
    $? ;…  *? …  %? …      as if not streamed           |1 … value             Attributed({…}, value)

A map becomes a dict where its keys can be one: hashable, all different. Else it becomes Pairs, so that nothing is lost.
Written, None is `$-1` in RESP2 and `_` in RESP3; NULL_ARRAY writes `*-1`, and Streamed writes the streamed forms.
"""

from __future__ import annotations

import math
import re
from typing import Any, Final

from ...errors import BodyError, LocalProtocolError

__all__ = [
    "NULL_ARRAY",
    "Attributed",
    "BigNumber",
    "Error",
    "Pairs",
    "Push",
    "Set",
    "Streamed",
    "Verbatim",
    "pack_value",
    "read_value",
]


class _Value:
    """A value with named parts; two are equal if they are of one class and their parts are equal."""

    __slots__: tuple[str, ...] = ()

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self.__slots__)

    def __hash__(self) -> int:
        return hash((type(self), *(getattr(self, name) for name in self.__slots__)))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(repr(getattr(self, name)) for name in self.__slots__)})"


class Error(_Value):
    """An error reply: `type` is its first word ("ERR", "MOVED"), `message` the rest; `blob` in RESP3's binary form."""

    __slots__ = ("type", "message", "blob")  # noqa: RUF023  the order of the wire

    def __init__(self, type: str, message: str = "", blob: bool = False) -> None:
        self.type = type
        self.message = message
        self.blob = blob

    @classmethod
    def from_text(cls, text: str, blob: bool = False) -> Error:
        """From the whole line."""
        type, _, message = text.partition(" ")
        return cls(type, message, blob)

    def __str__(self) -> str:
        return f"{self.type} {self.message}" if self.message else self.type

    def to_plain(self) -> Any:
        """For JSON."""
        return {"$error": str(self)}


class BigNumber(_Value):
    """An integer of any size, kept as text: Python refuses to convert more than some 4,300 digits unasked."""

    __slots__ = ("text",)

    def __init__(self, text: str | int) -> None:
        self.text = str(text)

    def __int__(self) -> int:
        """Raises ValueError beyond Python's limit for conversions."""
        return int(self.text)

    def to_plain(self) -> Any:
        """For JSON."""
        return {"$big": self.text}


class Verbatim(_Value):
    """Text with a format of three characters, "txt" or "mkd"."""

    __slots__ = ("format", "text")

    def __init__(self, format: str, text: bytes) -> None:
        self.format = format
        self.text = text

    def to_plain(self) -> Any:
        """For JSON."""
        return {"$verbatim": self.format, "text": self.text}


class Attributed(_Value):
    """A value and what the server says about it."""

    __slots__ = ("attributes", "value")

    def __init__(self, attributes: Any, value: Any) -> None:
        self.attributes = attributes
        self.value = value

    def to_plain(self) -> Any:
        """For JSON."""
        return {"$attributes": self.attributes, "value": self.value}


class Streamed(_Value):
    """For writing only: bytes, a list, Set, dict or Pairs in the form whose length is not told beforehand.

    `pieces` says how a string is cut; what they leave over comes as one more.
    """

    __slots__ = ("pieces", "value")

    def __init__(self, value: Any, pieces: tuple[int, ...] = ()) -> None:
        self.value = value
        self.pieces = pieces


class Set(list[Any]):
    """A RESP3 set. A list: its elements need not be hashable, and a sender may repeat one."""

    def to_plain(self) -> Any:
        """For JSON."""
        return {"$set": list(self)}


class Push(list[Any]):
    """A RESP3 push; its first element says what kind."""

    def to_plain(self) -> Any:
        """For JSON."""
        return {"$push": list(self)}


class Pairs(list[tuple[Any, Any]]):
    """A map that cannot be a dict: a key is unhashable or repeated."""

    def to_plain(self) -> Any:
        """For JSON."""
        return {"$map": [list(pair) for pair in self]}


class _NullArray:
    """For writing only: the null array of RESP2."""

    def __repr__(self) -> str:
        return "NULL_ARRAY"


NULL_ARRAY: Final = _NullArray()

INTEGER = re.compile(rb"[+-]?[0-9]{1,19}")
BIG_NUMBER = re.compile(rb"[+-]?[0-9]+")
DOUBLE = re.compile(rb"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[+-]?inf|[+-]?nan", re.IGNORECASE)
"""As the specification has it, and what libc printed before Redis 7.2: `-nan`, `NAN`."""


def text(data: bytes) -> str:
    """Bytes from the wire as text; nothing is lost, nothing raises."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("utf-8", "surrogateescape")


def octets(value: str) -> bytes:
    """The bytes that `text` came from."""
    return value.encode("utf-8", "surrogateescape")


_DECORATED: Final = 0  # the kind of an _Open that holds attributes and waits for the value they speak of


class _Open:
    """An aggregate that still waits for `left` values; negative: until the end mark."""

    __slots__ = ("items", "kind", "left")

    def __init__(self, kind: int, left: int) -> None:
        self.kind = kind
        self.left = left
        self.items: list[Any] = []


def read_value(raw: bytes, start: int = 0) -> Any:
    """The value in `raw`, which is known to be framed well.

    Raises BodyError for a line that is not what its type says; framing does not look into those.
    """
    stack: list[_Open] = []
    position = start
    while True:
        end = raw.index(b"\r\n", position)
        kind = raw[position]
        line = raw[position + 1 : end]
        position = end + 2
        value: Any
        if kind in b"$!=":
            if line == b"-1":
                value = None
            elif line == b"?":
                value, position = _streamed_string(raw, position)
            else:
                size = int(line)
                value = _string(kind, raw[position : position + size])
                position += size + 2
        elif kind in b"*~>%|":
            if line == b"-1":
                value = None
            else:
                aggregate = _Open(kind, -1 if line == b"?" else int(line) * (2 if kind in b"%|" else 1))
                if aggregate.left or kind == 124:
                    stack.append(aggregate)
                    if not aggregate.left:
                        _decorate(aggregate)
                    continue
                value = _aggregate(aggregate)
        elif kind == 46:  # the end mark
            value = _aggregate(stack.pop())
        else:
            value = _scalar(kind, line, position)
        while stack:  # the value is complete, and may complete what holds it
            top = stack[-1]
            top.items.append(value)
            top.left -= 1
            if top.left:
                break
            if top.kind == 124:
                _decorate(top)
                break
            value = _aggregate(stack.pop())
        else:
            return value


def _decorate(attributes: _Open) -> None:
    attributes.items = [_mapping(attributes.items)]
    attributes.kind = _DECORATED
    attributes.left = 1


def _aggregate(done: _Open) -> Any:
    items = done.items
    if done.kind == 42:  # *
        return items
    if done.kind == 37:  # %
        return _mapping(items)
    if done.kind == 126:  # ~
        return Set(items)
    if done.kind == 62:  # >
        return Push(items)
    return Attributed(items[0], items[1])


def _mapping(items: list[Any]) -> Any:
    try:
        mapping = dict(zip(items[::2], items[1::2], strict=True))
    except TypeError:  # an unhashable key
        mapping = {}
    if 2 * len(mapping) == len(items):
        return mapping
    return Pairs(zip(items[::2], items[1::2], strict=True))


def _string(kind: int, data: bytes) -> Any:
    if kind == 36:  # $
        return data
    if kind == 33:  # !
        return Error.from_text(text(data), blob=True)
    return Verbatim(text(data[:3]), data[4:])


def _streamed_string(raw: bytes, position: int) -> tuple[bytes, int]:
    pieces: list[bytes] = []
    while True:
        end = raw.index(b"\r\n", position)
        size = int(raw[position + 1 : end])
        position = end + 2
        if size == 0:
            return b"".join(pieces), position
        pieces.append(raw[position : position + size])
        position += size + 2


def _scalar(kind: int, line: bytes, end: int) -> Any:
    """A value of one line, which ends at `end`."""
    if kind == 43:  # +
        return text(line)
    if kind == 45:  # -
        return Error.from_text(text(line))
    if kind == 58:  # :
        if INTEGER.fullmatch(line) and -(2**63) <= int(line) < 2**63:
            return int(line)
        raise _bad(line, "an integer of 64 bits", end)
    if kind == 95:  # _
        if not line:
            return None
        raise _bad(line, "nothing, as a null has it", end)
    if kind == 35:  # #
        if line in (b"t", b"f"):
            return line == b"t"
        raise _bad(line, "t or f", end)
    if kind == 44:  # ,
        if DOUBLE.fullmatch(line):
            return float(line)
        raise _bad(line, "a double", end)
    if BIG_NUMBER.fullmatch(line):
        return BigNumber(line.decode())
    raise _bad(line, "a big number", end)


def _bad(line: bytes, expected: str, end: int) -> BodyError:
    return BodyError("redis", end - len(line) - 2, f"{text(line[:40])!r} is not {expected}")


# -- writing ----------------------------------------------------------------------------------------------------------


def pack_value(value: Any, resp: int = 2) -> bytes:
    """A reply's bytes. `resp` 2 writes None as `$-1` and refuses what RESP2 has no type for.

    Raises LocalProtocolError for a value that has no form.
    """
    parts: list[bytes] = []
    todo = [value]
    while todo:
        item = todo.pop()
        if isinstance(item, _Raw):
            parts.append(item.data)
            continue
        if resp == 2 and _is_resp3(item):
            raise LocalProtocolError("redis", 0, f"RESP2 has no form for {type(item).__name__}")
        parts.append(_pack(item, todo, resp))
    return b"".join(parts)


def _is_resp3(value: Any) -> bool:
    if isinstance(value, Error):
        return value.blob
    return not isinstance(value, _RESP2) or isinstance(value, _RESP3_LISTS)


class _Raw:
    """Bytes to be written between values."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data


def _pack(value: Any, todo: list[Any], resp: int) -> bytes:
    """One value's bytes; what an aggregate holds goes on `todo`, last first."""
    if value is None:
        return b"$-1\r\n" if resp == 2 else b"_\r\n"
    if isinstance(value, bool):
        return (b"#t\r\n" if value else b"#f\r\n") if resp == 3 else b":%d\r\n" % value
    if isinstance(value, int):
        if not -(2**63) <= value < 2**63:
            raise LocalProtocolError("redis", 0, f"{value} has more than 64 bits: use BigNumber")
        return b":%d\r\n" % value
    if isinstance(value, bytes | bytearray | memoryview):
        return b"$%d\r\n%b\r\n" % (len(value), bytes(value))
    if isinstance(value, str):
        return b"+%b\r\n" % _line(value)
    if isinstance(value, float):
        return b",%b\r\n" % _double(value)
    if isinstance(value, Error):
        if value.blob:
            data = octets(str(value))
            return b"!%d\r\n%b\r\n" % (len(data), data)
        return b"-%b\r\n" % _line(str(value))
    if isinstance(value, BigNumber):
        if not BIG_NUMBER.fullmatch(value.text.encode()):
            raise LocalProtocolError("redis", 0, f"{value.text[:40]!r} is not a big number")
        return b"(%b\r\n" % value.text.encode()
    if isinstance(value, Verbatim):
        format = octets(value.format)
        if len(format) != 3:
            raise LocalProtocolError("redis", 0, f"a verbatim string's format has three bytes, not {value.format!r}")
        return b"=%d\r\n%b:%b\r\n" % (len(value.text) + 4, format, value.text)
    if isinstance(value, _NullArray):
        return b"*-1\r\n"
    if isinstance(value, Attributed):
        todo.append(value.value)
        return _pack_aggregate(b"|", value.attributes, todo)
    if isinstance(value, Streamed):
        return _pack_streamed(value, todo)
    return _pack_aggregate(_mark(value), value, todo)


_RESP2 = (type(None), bool, int, bytes, bytearray, memoryview, str, Error, list, tuple, _NullArray)
"""A bool is an integer in RESP2, as Redis itself has it."""
_RESP3_LISTS = (Set, Push, Pairs)


def _mark(value: Any) -> bytes:
    if isinstance(value, dict | Pairs):
        return b"%"
    if isinstance(value, Set | set | frozenset):
        return b"~"
    if isinstance(value, Push):
        return b">"
    if isinstance(value, list | tuple):
        return b"*"
    raise LocalProtocolError("redis", 0, f"no form for {type(value).__name__}")


def _contents(value: Any) -> list[Any]:
    if isinstance(value, dict):
        value = value.items()
    elif not isinstance(value, Pairs):
        return list(value)
    return [item for pair in value for item in pair]


def _pack_aggregate(mark: bytes, value: Any, todo: list[Any]) -> bytes:
    items = _contents(value)
    todo.extend(reversed(items))
    return b"%b%d\r\n" % (mark, len(items) // 2 if mark in b"%|" else len(items))


def _pack_streamed(streamed: Streamed, todo: list[Any]) -> bytes:
    value = streamed.value
    if not isinstance(value, bytes):
        mark = _mark(value)
        if mark == b">":
            raise LocalProtocolError("redis", 0, "a push cannot be streamed")
        todo.append(_Raw(b".\r\n"))
        todo.extend(reversed(_contents(value)))
        return mark + b"?\r\n"
    parts: list[bytes] = [b"$?\r\n"]
    position = 0
    for size in (*streamed.pieces, len(value)):
        piece = value[position : position + size]
        if piece:
            parts.append(b";%d\r\n%b\r\n" % (len(piece), piece))
        position += len(piece)
    parts.append(b";0\r\n")
    return b"".join(parts)


def _line(value: str) -> bytes:
    data = octets(value)
    if b"\r" in data or b"\n" in data:
        raise LocalProtocolError("redis", 0, "a simple string or error cannot hold a line break")
    return data


def _double(value: float) -> bytes:
    if math.isinf(value):
        return b"inf" if value > 0 else b"-inf"
    return b"nan" if math.isnan(value) else repr(value).encode()
