"""The binary protocol: structs read and written.

Specification: https://github.com/apache/thrift/blob/master/doc/specs/thrift-binary-protocol.md

    struct     (type: 1 | id: 2 | value)* 00
    string     length: 4 | bytes
    list, set  type: 1 | count: 4 | values
    map        key type: 1 | value type: 1 | count: 4 | (key | value)*

All numbers are big-endian. Nothing recurses: what is open stands on a stack. A count allocates nothing before the
bytes that its elements need at least are known to be there.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, Final

from ...errors import BodyError, LocalProtocolError
from .values import (
    LIST_NAMES,
    SET_NAMES,
    Fields,
    Struct,
    StructLike,
    container_codes,
    fields_of,
    map_name,
    read_uuid,
    write_bytes,
    write_checked,
    write_uuid,
)

__all__ = ["FIXED", "LEAST", "read_struct", "write_struct"]

_ID: Final = struct.Struct(">h").unpack_from
_ID_BOOL: Final = struct.Struct(">h?").unpack_from
_ID_I8: Final = struct.Struct(">hb").unpack_from
_ID_I16: Final = struct.Struct(">hh").unpack_from
_ID_I32: Final = struct.Struct(">hi").unpack_from  # or a string's length
_ID_I64: Final = struct.Struct(">hq").unpack_from
_ID_DOUBLE: Final = struct.Struct(">hd").unpack_from
_ID_FLOAT: Final = struct.Struct(">hf").unpack_from
_SIZE: Final = struct.Struct(">i").unpack_from
_TYPE_COUNT: Final = struct.Struct(">Bi").unpack_from
_TYPES_COUNT: Final = struct.Struct(">BBi").unpack_from

_FORMATS: Final[dict[int, str]] = {2: "?", 3: "b", 4: "d", 6: "h", 8: "i", 10: "q", 19: "f"}
"""How `struct` names a type of fixed size, by code."""

LEAST: Final[dict[int, int]] = {2: 1, 3: 1, 4: 8, 6: 2, 8: 4, 10: 8, 11: 4, 12: 1, 13: 6, 14: 5, 15: 5, 16: 16, 19: 4}
"""Bytes that a value takes at least, by code."""

FIXED: Final[dict[int, int]] = {code: LEAST[code] for code in (2, 3, 4, 6, 8, 10, 16, 19)}
"""Bytes that a value takes, for types of fixed size."""

_ONE: Final = {code: struct.Struct(">" + format).unpack_from for code, format in _FORMATS.items()}
_PAIRS: Final = {
    (key << 8) | value: struct.Struct(">" + _FORMATS[key] + _FORMATS[value]).iter_unpack
    for key in _FORMATS
    for value in _FORMATS
}
"""The entries of a map from a fixed size to a fixed size."""


class Open:
    """A list, set or map that still waits for `left` values."""

    __slots__ = ("items", "left", "name", "types")

    def __init__(self, name: str, types: tuple[int, int], left: int) -> None:
        self.name = name
        self.types = types  # of the value that comes when `left` is even, and odd
        self.left = left
        self.items: list[Any] = []


def read_struct(data: bytes, start: int, depth: int) -> tuple[Struct | Fields, int]:
    """The struct at `start`, and where it ends. Raises BodyError."""
    try:
        fields, end = _read_struct(data, start, depth)
    except (IndexError, struct.error):
        raise BodyError("thrift", len(data), "the payload ends inside a value") from None
    return (Struct(fields) if type(fields) is dict else fields), end


def _read_struct(data: bytes, start: int, depth: int) -> tuple[Any, int]:
    pos = start
    end = len(data)
    stack: list[Any] = []  # what is open around `fields`: an Open, or of a struct (its fields, the field's id)
    fields: Any = {}
    while True:
        kind = data[pos]
        # By frequency: a chain is quicker than a table of functions.
        if kind == 11:
            id, size = _ID_I32(data, pos + 1)
            pos += 7
            if not 0 <= size <= end - pos:
                raise bad_size(size, pos - 4)
            value: Any = ("string", data[pos : pos + size])
            pos += size
        elif kind == 8:
            id, number = _ID_I32(data, pos + 1)
            value = ("i32", number)
            pos += 7
        elif kind == 10:
            id, number = _ID_I64(data, pos + 1)
            value = ("i64", number)
            pos += 11
        elif kind == 12:
            stack.append((fields, _ID(data, pos + 1)[0]))
            if len(stack) >= depth:
                raise too_deep(depth, pos)
            fields = {}
            pos += 3
            continue
        elif kind == 0 or 13 <= kind <= 15:
            done: Any
            if kind == 0:
                pos += 1
                done = fields if type(fields) is dict else Fields(fields)
            else:
                id = _ID(data, pos + 1)[0]
                stack.append((fields, id))
                done, pos = _container(data, pos + 3, end, kind)
                if type(done) is not tuple:
                    stack.append(done)
                    done = None
            # `done` is complete and may complete what holds it; or it is None, and a container has just been opened.
            value = None
            while stack:
                holder = stack[-1]
                if type(holder) is tuple:
                    fields, id = stack.pop()
                    value = done if type(done) is tuple else ("struct", done)
                    break
                items, left, types = holder.items, holder.left, holder.types
                if done is not None:
                    items.append(done)
                    left -= 1
                while left:
                    kind = types[left & 1]
                    if kind == 12:
                        break
                    if 13 <= kind <= 15:
                        done, pos = _container(data, pos, end, kind)
                        if type(done) is not tuple:
                            break
                    else:
                        done, pos = _scalar(data, pos, end, kind)
                    items.append(done)
                    left -= 1
                else:
                    stack.pop()
                    done = (holder.name, pairs_of(items) if holder.name[0] == "m" else items)
                    continue
                holder.left = left
                if len(stack) >= depth:
                    raise too_deep(depth, pos)
                if kind == 12:
                    fields = {}
                    break
                stack.append(done)
                done = None
            else:
                return done, pos
            if value is None:
                continue
        elif kind == 2:
            id, number = _ID_BOOL(data, pos + 1)
            value = ("bool", number)
            pos += 4
        elif kind == 4:
            id, number = _ID_DOUBLE(data, pos + 1)
            value = ("double", number)
            pos += 11
        elif kind == 6:
            id, number = _ID_I16(data, pos + 1)
            value = ("i16", number)
            pos += 5
        elif kind == 3:
            id, number = _ID_I8(data, pos + 1)
            value = ("i8", number)
            pos += 4
        elif kind == 16:
            id = _ID(data, pos + 1)[0]
            value = ("uuid", read_uuid(data, pos + 3))
            pos += 19
        elif kind == 19:
            id, number = _ID_FLOAT(data, pos + 1)
            value = ("float", number)
            pos += 7
        else:
            raise BodyError("thrift", pos, f"no type has the code {kind}")
        if id in fields:
            fields = repeat(fields, id, value)
        else:
            fields[id] = value


def _container(data: bytes, pos: int, end: int, kind: int) -> tuple[Any, int]:
    """A list, set or map, with its type if all in it is scalar, else open; and where reading goes on."""
    if kind == 13:
        return _map(data, pos, end)
    code, count = _TYPE_COUNT(data, pos)
    pos += 5
    name = LIST_NAMES[code] if kind == 15 else SET_NAMES[code]
    if count == 0:
        return (name, []), pos
    least = LEAST.get(code)
    if least is None or not 0 < count <= (end - pos) // least:
        raise bad_count(code, least, count, pos - 4)
    if code == 11:
        items: list[Any] = []
        for _ in range(count):
            size = _SIZE(data, pos)[0]
            pos += 4
            if not 0 <= size <= end - pos:
                raise bad_size(size, pos - 4)
            items.append(data[pos : pos + size])
            pos += size
        return (name, items), pos
    if code in _FORMATS:
        return (name, list(struct.unpack_from(f">{count}{_FORMATS[code]}", data, pos))), pos + count * least
    if code == 16:
        return (name, [read_uuid(data, at) for at in range(pos, pos + 16 * count, 16)]), pos + 16 * count
    return Open(name, (code, code), count), pos


def _map(data: bytes, pos: int, end: int) -> tuple[Any, int]:
    key, item, count = _TYPES_COUNT(data, pos)
    pos += 6
    name = map_name(key, item)
    if count == 0:
        return (name, []), pos
    least = LEAST.get(key, 0) + LEAST.get(item, 0) if key in LEAST and item in LEAST else None
    if least is None or not 0 < count <= (end - pos) // least:
        raise bad_count(item if key in LEAST else key, least, count, pos - 4)
    pairs = _PAIRS.get((key << 8) | item)
    if pairs is not None:
        size = count * least
        return (name, list(pairs(data[pos : pos + size]))), pos + size
    if 12 <= key <= 15 or 12 <= item <= 15:
        return Open(name, (key, item), 2 * count), pos
    entries = []
    for _ in range(count):
        left, pos = _scalar(data, pos, end, key)
        right, pos = _scalar(data, pos, end, item)
        entries.append((left, right))
    return (name, entries), pos


def _scalar(data: bytes, pos: int, end: int, kind: int) -> tuple[Any, int]:
    if kind == 11:
        size = _SIZE(data, pos)[0]
        pos += 4
        if not 0 <= size <= end - pos:
            raise bad_size(size, pos - 4)
        return data[pos : pos + size], pos + size
    if kind == 16:
        return read_uuid(data, pos), pos + 16
    return _ONE[kind](data, pos)[0], pos + FIXED[kind]


def pairs_of(items: list[Any]) -> list[Any]:
    return list(zip(items[::2], items[1::2], strict=True))


class _Repeating(Fields):
    """A struct that repeats a field id, while it is read: it takes every further field at its end."""

    __slots__ = ()

    def __contains__(self, id: object) -> bool:
        return True


def repeat(fields: Any, id: int, value: Any) -> _Repeating:
    """`fields` with one more field, the id of which is in it; what it returns has every id in it."""
    repeating = fields if isinstance(fields, _Repeating) else _Repeating(fields.items())
    repeating.append((id, value))
    return repeating


def bad_size(size: int, at: int) -> BodyError:
    return BodyError("thrift", at, f"a length of {size} bytes does not fit into the payload")


def bad_count(code: int, least: int | None, count: int, at: int) -> BodyError:
    if least is None:
        return BodyError("thrift", at, f"no type has the code {code}")
    return BodyError("thrift", at, f"{count} elements of at least {least} bytes do not fit into the payload")


def too_deep(depth: int, at: int) -> BodyError:
    return BodyError("thrift", at, f"nested deeper than the limit of {depth}")


# -- writing ----------------------------------------------------------------------------------------------------------

_FIELD: Final[dict[str, tuple[int, Callable[..., bytes]]]] = {
    "i32": (8, struct.Struct(">Bhi").pack),
    "i64": (10, struct.Struct(">Bhq").pack),
    "bool": (2, struct.Struct(">Bh?").pack),
    "double": (4, struct.Struct(">Bhd").pack),
    "i16": (6, struct.Struct(">Bhh").pack),
    "i8": (3, struct.Struct(">Bhb").pack),
    "float": (19, struct.Struct(">Bhf").pack),
}
"""Of the types of fixed size: the code, and what packs it with a field's id and the value."""

_STRING_FIELD: Final = struct.Struct(">BhI").pack
_BARE_FIELD: Final = struct.Struct(">Bh").pack
_LIST: Final = struct.Struct(">BI").pack
_MAP: Final = struct.Struct(">BBI").pack
_LENGTH: Final = struct.Struct(">I").pack
_STOP: Final = b"\0"


def write_struct(value: StructLike) -> bytes:
    """A struct's bytes. Raises LocalProtocolError for what is not of the shape that `values` describes."""
    return write_checked(_write_struct, value)


def _write_struct(fields: StructLike, put: Callable[[bytes], None]) -> None:
    fixed = _FIELD.get
    for id, (type, value) in fields_of(fields):
        if type == "string":
            if value.__class__ is not bytes:
                value = write_bytes(value)
            put(_STRING_FIELD(11, id, len(value)) + value)
            continue
        known = fixed(type)
        if known is not None:
            put(known[1](known[0], id, value))
        elif type == "struct":
            put(_BARE_FIELD(12, id))
            _write_struct(value, put)
        elif type == "uuid":
            put(_BARE_FIELD(16, id) + write_uuid(value))
        else:
            codes = container_codes(type)
            put(_BARE_FIELD(codes[0], id))
            _write_container(codes, value, put)
    put(_STOP)


def _write_container(codes: tuple[int, int, int], values: Any, put: Callable[[bytes], None]) -> None:
    kind, code, item_code = codes
    count = len(values)
    if kind == 13:
        put(_MAP(code, item_code, count))
        if count:
            write_key, write_item = _writer(code), _writer(item_code)
            for key, item in values:
                write_key(key, put)
                write_item(item, put)
        return
    format = _FORMATS.get(code)
    if format is not None and code != 2:
        put(struct.pack(f">BI{count}{format}", code, count, *values))
        return
    put(_LIST(code, count))
    if code == 11:
        for value in values:
            if value.__class__ is not bytes:
                value = write_bytes(value)
            put(_LENGTH(len(value)) + value)
    elif code == 12:
        for value in values:
            _write_struct(value, put)
    elif count:
        write = _writer(code)
        for value in values:
            write(value, put)


def _writer(code: int) -> Callable[[Any, Callable[[bytes], None]], None]:
    """What writes an element of a type."""
    found = _WRITERS.get(code)
    if found is None:
        raise LocalProtocolError("thrift", 0, f"no type has the code {code}")
    return found


def _write_element(value: Any, put: Callable[[bytes], None]) -> None:
    """A list, set or map in another one."""
    type, values = value
    _write_container(container_codes(type), values, put)


def _write_string(value: Any, put: Callable[[bytes], None]) -> None:
    octets = write_bytes(value)
    put(_LENGTH(len(octets)) + octets)


def _fixed_writer(pack: Callable[[Any], bytes]) -> Callable[[Any, Callable[[bytes], None]], None]:
    def write(value: Any, put: Callable[[bytes], None]) -> None:
        put(pack(value))

    return write


_WRITERS: Final[dict[int, Callable[[Any, Callable[[bytes], None]], None]]] = {
    **{code: _fixed_writer(struct.Struct(">" + format).pack) for code, format in _FORMATS.items()},
    11: _write_string,
    12: _write_struct,
    13: _write_element,
    14: _write_element,
    15: _write_element,
    16: lambda value, put: put(write_uuid(value)),
}
