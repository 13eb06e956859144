"""The compact protocol: structs read and written.

Specification: https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md

    struct     (id delta: 4 bits, type: 4 bits | value)* 00              delta 0: the id follows, a zigzag varint
    bool       in a field: type 1 true, 2 false, no value; elsewhere a byte, 1 true, 2 (or 0) false
    integers   zigzag varints, but i8, which is a byte
    string     length: varint | bytes
    double     8 bytes, little-endian
    list, set  count: 4 bits, type: 4 bits | values                      count 15: the count follows, a varint
    map        count: varint | key type: 4 bits, value type: 4 bits | (key | value)*     count 0: no types

Version 2, which fbthrift writes, has doubles big-endian, and floats (type 13, in version 1 a uuid).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, Final

from ...errors import BodyError, LocalProtocolError
from .binary import Open, bad_count, bad_size, pairs_of, repeat, too_deep
from .values import (
    CONTAINERS,
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

__all__ = ["CODES", "read_struct", "read_varint", "write_struct", "write_varint", "zigzag"]

CODES: Final = {
    1: (0, 2, 2, 3, 6, 8, 10, 4, 11, 15, 14, 13, 12, 16, 254, 255),
    2: (0, 2, 2, 3, 6, 8, 10, 4, 11, 15, 14, 13, 12, 19, 254, 255),
}
"""By version: our codes of the sixteen types that four bits can tell. The last two are none, nor is the first."""

_NIBBLES: Final = {version: {code: nibble for nibble, code in enumerate(codes)} for version, codes in CODES.items()}
"""And back; a bool is 2."""

_LEAST: Final[dict[int, int]] = {code: {4: 8, 16: 16, 19: 4}.get(code, 1) for code in (*CODES[1][1:14], 19)}

_DOUBLE: Final = {1: struct.Struct("<d"), 2: struct.Struct(">d")}
_FLOAT: Final = struct.Struct(">f")
_ZIGZAG: Final = bytes([(byte >> 1) ^ (-(byte & 1) & 255) for byte in range(256)])
"""What a varint of one byte stands for, as a signed byte."""


def read_varint(data: bytes, pos: int, bits: int) -> tuple[int, int]:
    """The unsigned number at `pos`, and where it ends. Raises BodyError where it has more than `bits` bits."""
    number = shift = 0
    while True:
        byte = data[pos]
        pos += 1
        number |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            if number >> bits:
                raise BodyError("thrift", pos - 1, f"a number of more than {bits} bits")
            return number, pos
        if shift >= bits:
            raise BodyError("thrift", pos - 1, f"a number of more than {bits} bits")


def zigzag(number: int) -> int:
    """The signed number that an unsigned one stands for."""
    return (number >> 1) ^ -(number & 1)


def read_struct(data: bytes, start: int, depth: int, version: int = 1) -> tuple[Struct | Fields, int]:
    """The struct at `start`, and where it ends. Raises BodyError."""
    try:
        fields, end = _read_struct(data, start, depth, version)
    except (IndexError, struct.error):
        raise BodyError("thrift", len(data), "the payload ends inside a value") from None
    return (Struct(fields) if type(fields) is dict else fields), end


def _read_struct(data: bytes, start: int, depth: int, version: int) -> tuple[Any, int]:
    pos = start
    end = len(data)
    codes = CODES[version]
    stack: list[Any] = []  # what is open around `fields`: an Open, or of a struct (its fields, the field's id)
    fields: Any = {}
    id = 0
    while True:
        head = data[pos]
        pos += 1
        kind = head & 15
        if head > 15:
            id += head >> 4
            if id > 32767:
                raise BodyError("thrift", pos - 1, f"no field has the id {id}")
        elif kind:
            number, pos = read_varint(data, pos, 16)
            id = (number >> 1) ^ -(number & 1)
        if kind == 8:
            size = data[pos]
            pos += 1
            if size > 127:
                size, pos = read_varint(data, pos - 1, 31)
            if size > end - pos:
                raise bad_size(size, pos)
            value: Any = ("string", data[pos : pos + size])
            pos += size
        elif kind == 5:
            number = data[pos]
            pos += 1
            if number > 127:
                number, pos = read_varint(data, pos - 1, 32)
            value = ("i32", (number >> 1) ^ -(number & 1))
        elif kind == 6:
            number = data[pos]
            pos += 1
            if number > 127:
                number, pos = read_varint(data, pos - 1, 64)
            value = ("i64", (number >> 1) ^ -(number & 1))
        elif kind == 12:
            stack.append((fields, id))
            if len(stack) >= depth:
                raise too_deep(depth, pos - 1)
            fields = {}
            id = 0
            continue
        elif kind == 0 or 9 <= kind <= 11:
            done: Any
            if kind == 0:
                if head:
                    raise BodyError("thrift", pos - 1, f"{head:#04x} is neither a field nor a struct's end")
                done = fields if type(fields) is dict else Fields(fields)
            else:
                stack.append((fields, id))
                done, pos = _container(data, pos, end, codes[kind], version)
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
                        done, pos = _container(data, pos, end, kind, version)
                        if type(done) is not tuple:
                            break
                    else:
                        done, pos = _scalar(data, pos, end, kind, version)
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
                    id = 0
                    break
                stack.append(done)
                done = None
            else:
                return done, pos
            if value is None:
                continue
        elif kind <= 2:
            value = ("bool", kind == 1)
        elif kind == 7:
            value = ("double", _DOUBLE[version].unpack_from(data, pos)[0])
            pos += 8
        elif kind == 4:
            number, pos = read_varint(data, pos, 16)
            value = ("i16", (number >> 1) ^ -(number & 1))
        elif kind == 3:
            number = data[pos]
            value = ("i8", number - 256 if number > 127 else number)
            pos += 1
        elif kind == 13:
            if version == 1:
                value = ("uuid", read_uuid(data, pos))
                pos += 16
            else:
                value = ("float", _FLOAT.unpack_from(data, pos)[0])
                pos += 4
        else:
            raise BodyError("thrift", pos - 1, f"no type has the code {kind}")
        if id in fields:
            fields = repeat(fields, id, value)
        else:
            fields[id] = value


def _container(data: bytes, pos: int, end: int, kind: int, version: int) -> tuple[Any, int]:
    """A list, set or map, with its type if all in it is scalar, else open; and where reading goes on."""
    if kind == 13:
        return _map(data, pos, end, version)
    head = data[pos]
    pos += 1
    count = head >> 4
    if count == 15:
        count, pos = read_varint(data, pos, 31)
    code = CODES[version][head & 15]
    name = LIST_NAMES[code] if kind == 15 else SET_NAMES[code]
    if count == 0:
        return (name, []), pos
    least = _LEAST.get(code)
    if least is None or count * least > end - pos:
        raise bad_count(head & 15, least, count, pos)
    if code == 11:
        strings: list[Any] = []
        for _ in range(count):
            size = data[pos]
            pos += 1
            if size > 127:
                size, pos = read_varint(data, pos - 1, 31)
            if size > end - pos:
                raise bad_size(size, pos)
            strings.append(data[pos : pos + size])
            pos += size
        return (name, strings), pos
    if 6 <= code <= 10:
        first = data[pos : pos + count]
        if first.isascii():  # each a varint of one byte
            return (name, list(struct.unpack(f"{count}b", first.translate(_ZIGZAG)))), pos + count
        bits = 64 if code == 10 else 32 if code == 8 else 16
        numbers = []
        for _ in range(count):
            number = data[pos]
            pos += 1
            if number > 127:
                number, pos = read_varint(data, pos - 1, bits)
            numbers.append((number >> 1) ^ -(number & 1))
        return (name, numbers), pos
    if 12 <= code <= 15:
        return Open(name, (code, code), count), pos
    if code == 3:
        return (name, list(struct.unpack_from(f"{count}b", data, pos))), pos + count
    if code == 2:
        return (name, [byte == 1 for byte in data[pos : pos + count]]), pos + count
    items = []
    for _ in range(count):
        item, pos = _scalar(data, pos, end, code, version)
        items.append(item)
    return (name, items), pos


def _map(data: bytes, pos: int, end: int, version: int) -> tuple[Any, int]:
    count, pos = read_varint(data, pos, 31)
    if count == 0:
        return ("map<0,0>", []), pos
    types = data[pos]
    pos += 1
    key, item = CODES[version][types >> 4], CODES[version][types & 15]
    name = map_name(key, item)
    least = _LEAST[key] + _LEAST[item] if key in _LEAST and item in _LEAST else None
    if least is None or count * least > end - pos:
        raise bad_count(types & 15 if key in _LEAST else types >> 4, least, count, pos)
    if 12 <= key <= 15 or 12 <= item <= 15:
        return Open(name, (key, item), 2 * count), pos
    entries = []
    for _ in range(count):
        left, pos = _scalar(data, pos, end, key, version)
        right, pos = _scalar(data, pos, end, item, version)
        entries.append((left, right))
    return (name, entries), pos


def _scalar(data: bytes, pos: int, end: int, kind: int, version: int) -> tuple[Any, int]:
    """An element that is neither a struct nor a container."""
    if kind == 11:
        size, pos = read_varint(data, pos, 31)
        if size > end - pos:
            raise bad_size(size, pos)
        return data[pos : pos + size], pos + size
    if 6 <= kind <= 10:
        number, pos = read_varint(data, pos, 64 if kind == 10 else 32 if kind == 8 else 16)
        return (number >> 1) ^ -(number & 1), pos
    if kind == 3:
        number = data[pos]
        return number - 256 if number > 127 else number, pos + 1
    if kind == 2:
        return data[pos] == 1, pos + 1
    if kind == 4:
        return _DOUBLE[version].unpack_from(data, pos)[0], pos + 8
    if kind == 19:
        return _FLOAT.unpack_from(data, pos)[0], pos + 4
    return read_uuid(data, pos), pos + 16


# -- writing ----------------------------------------------------------------------------------------------------------

_RANGES: Final = {6: 1 << 15, 8: 1 << 31, 10: 1 << 63}
_SMALL: Final[tuple[bytes, ...]] = tuple([bytes((number,)) for number in range(128)])
_INTEGERS: Final[dict[str, tuple[int, int]]] = {"i32": (5, 1 << 31), "i64": (6, 1 << 63), "i16": (4, 1 << 15)}
"""Of types that are zigzag varints: their nibble, and the first number that is too big."""


def write_varint(number: int) -> bytes:
    """An unsigned number."""
    if number < 128:
        return _SMALL[number]
    octets = bytearray()
    while number > 127:
        octets.append(number & 127 | 128)
        number >>= 7
    octets.append(number)
    return bytes(octets)


_UNZIGZAG: Final = bytes([(byte << 1 if byte < 128 else ~((byte - 256) << 1)) & 255 for byte in range(256)])
"""A signed byte from -64 to 63 as a varint of one byte."""
_SHORT: Final[tuple[bytes, ...]] = tuple([_SMALL[_UNZIGZAG[byte & 255]] for byte in (*range(64), *range(-64, 0))])
"""The same by the number; negative ones are at the end, where Python looks for them."""


def _write_integer(number: int, bound: int) -> bytes:
    if -64 <= number < 64:
        return _SHORT[number]
    if not -bound <= number < bound:
        raise LocalProtocolError("thrift", 0, f"{number} does not fit into its type")
    number = number << 1 if number >= 0 else ~(number << 1)
    return _SMALL[number] if number < 128 else write_varint(number)


def write_struct(value: StructLike, version: int = 1) -> bytes:
    """A struct's bytes. Raises LocalProtocolError for what is not of the shape that `values` describes."""
    return write_checked(_Writer(version).struct, value)


class _Writer:
    """Writes values of one version of the protocol."""

    def __init__(self, version: int) -> None:
        self.nibbles = _NIBBLES[version]
        self.double = _DOUBLE[version].pack

    def struct(self, fields: StructLike, put: Callable[[bytes], None]) -> None:
        last = 0
        for id, (type, value) in fields_of(fields):
            integer = _INTEGERS.get(type)
            if type == "string":
                nibble = 8
            elif integer is not None:
                nibble = integer[0]
            elif type == "bool":
                nibble = 1 if value else 2
            else:
                codes = CODES_OF.get(type) or CONTAINERS.get(type) or container_codes(type)
                nibble = self._nibble(codes[0])
            delta = id - last
            last = id
            if 0 < delta < 16:
                head = _HEADS[delta << 4 | nibble]
            else:
                head = _HEADS[nibble] + _write_integer(id, 1 << 15)
            if integer is not None:
                put(head + _write_integer(value, integer[1]))
            elif type == "string":
                if value.__class__ is not bytes:
                    value = write_bytes(value)
                size = len(value)
                put(head + (_SMALL[size] if size < 128 else write_varint(size)) + value)
            elif type == "bool":
                put(head)
            else:
                put(head)
                if codes[0] == 12:
                    self.struct(value, put)
                elif 13 <= codes[0] <= 15:
                    self.container(codes, value, put)
                else:
                    self.scalar(codes[0], value, put)
        put(b"\0")

    def container(self, codes: tuple[int, int, int], values: Any, put: Callable[[bytes], None]) -> None:
        kind, code, item_code = codes
        count = len(values)
        if kind == 13:
            put(write_varint(count))
            if count:
                put(_HEADS[self._nibble(code) << 4 | self._nibble(item_code)])
                for key, item in values:
                    if code == 11:
                        self.string(key, put)
                    else:
                        self.element(code, key, put)
                    if item_code == 11:
                        self.string(item, put)
                    elif item_code in _RANGES:
                        put(_write_integer(item, _RANGES[item_code]))
                    else:
                        self.element(item_code, item, put)
            return
        nibble = self._nibble(code) if count else self.nibbles.get(code, 0)
        put(_HEADS[count << 4 | nibble] if count < 15 else _HEADS[0xF0 | nibble] + write_varint(count))
        if 6 <= code <= 10:
            if count and min(values) >= -64 and max(values) < 64:
                put(struct.pack(f"{count}b", *values).translate(_UNZIGZAG))
            else:
                bound = _RANGES[code]
                put(b"".join([_write_integer(value, bound) for value in values]))
        elif code == 12:
            for value in values:
                self.struct(value, put)
        elif code == 11:
            for value in values:
                self.string(value, put)
        elif code == 3:
            put(struct.pack(f"{count}b", *values))
        else:
            for value in values:
                self.element(code, value, put)

    def element(self, code: int, value: Any, put: Callable[[bytes], None]) -> None:
        if code == 12:
            self.struct(value, put)
        elif 13 <= code <= 15:
            type, values = value
            self.container(container_codes(type), values, put)
        else:
            self.scalar(code, value, put)

    def string(self, value: Any, put: Callable[[bytes], None]) -> None:
        """A length and the bytes."""
        if value.__class__ is not bytes:
            value = write_bytes(value)
        size = len(value)
        put((_SMALL[size] if size < 128 else write_varint(size)) + value)

    def scalar(self, code: int, value: Any, put: Callable[[bytes], None]) -> None:
        if code == 11:
            self.string(value, put)
        elif code in _RANGES:
            put(_write_integer(value, _RANGES[code]))
        elif code == 2:
            put(b"\1" if value else b"\2")
        elif code == 3:
            put(struct.pack("b", value))
        elif code == 4:
            put(self.double(value))
        elif code == 19:
            put(_FLOAT.pack(value))
        else:
            put(write_uuid(value))

    def _nibble(self, code: int) -> int:
        found = self.nibbles.get(code)
        if found is None or not 0 < found < 14:
            raise LocalProtocolError("thrift", 0, f"this version of the compact protocol has no type {code}")
        return found


_HEADS: Final = tuple([bytes((byte,)) for byte in range(256)])
CODES_OF: Final = {"i8": (3, 0, 0), "double": (4, 0, 0), "struct": (12, 0, 0), "uuid": (16, 0, 0), "float": (19, 0, 0)}
