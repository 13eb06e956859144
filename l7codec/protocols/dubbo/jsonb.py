"""Bodies of JSONB, each value behind its length: what `fastjson2` writes, Dubbo 3's choice where it is there.

https://github.com/alibaba/fastjson2/wiki/jsonb_format_cn

    f0-2f 30-3f 40-47 48     int             49-78 79-7e    string
    d8-ef c8-d7 c0-c7 be bf  long            7f             symbol: a name that has a number, or its number
    b4-b7                    double, float   91             binary
    b8-bb                    decimal, big    92             a type, and a value of it
    af b0 b1                 null false true 93             reference, by path
    a7-ae                    times           94-a3 a4, a6   array, object; an object goes up to a5
"""

from __future__ import annotations

import codecs
import datetime
import struct
from collections.abc import Callable, Iterable
from typing import Any, Final

from ...errors import BodyError, LocalProtocolError
from ...hessian2 import Date, JavaList, JavaLong, JavaMap, JavaObject
from ...limits import Limits
from .separate import Separate

__all__ = ["JsonbValues", "write_jsonb"]

_I16: Final = struct.Struct(">h").unpack_from
_I32: Final = struct.Struct(">i").unpack_from
_U32: Final = struct.Struct(">I").unpack_from
_I64: Final = struct.Struct(">q").unpack_from
_F32: Final = struct.Struct(">f").unpack_from
_F64: Final = struct.Struct(">d").unpack_from

_OBJECT_END: Final = 0xA5
_SYMBOL: Final = 0x7F
_TYPED: Final = 0x92
_ARRAY, _OBJECT = False, True


class JsonbValues(Separate):
    """The values of one body, one after the other; references stay what they are: paths, `{"$ref": "$.a"}`."""

    __slots__ = ()

    def _bounds(self) -> tuple[int, int]:
        """Where the next value begins, and where it ends."""
        start = self.offset + 4
        if start > self._end:
            raise BodyError("dubbo", self._end, "the body ends before the value")
        length: int = _U32(self._data, self.offset)[0]
        if not 0 < length <= self._end - start:
            raise BodyError("dubbo", self.offset, f"a value of {length} bytes where {self._end - start} are left")
        return start, start + length

    def skip(self) -> None:
        """Go past the next value."""
        self.offset = self._bounds()[1]

    def value(self) -> Any:
        """Read the next value. Raises BodyError."""
        start, end = self._bounds()
        value = _Decoder(self._data[:end] if end < len(self._data) else self._data, self._limits).value(start)
        self.offset = end
        return value

    def string(self) -> str | None:
        """Read the next value, which must be text or null."""
        start, end = self._bounds()
        tag = self._data[start]
        if 0x49 <= tag <= 0x78 and end - start == tag - 0x48:
            self.offset = end
            return self._data[start + 1 : end].decode("latin-1")
        return self._text(self.value(), start)

    def integer(self) -> int | None:
        """Read the next value if it is an int; else None, and it stays."""
        if self.at_end:
            return None
        tag = self._data[self._bounds()[0]]
        if not (tag >= 0xF0 or tag <= 0x48 or tag in (0xBC, 0xBD)):
            return None
        value = self.value()
        return int(value)


class _Decoder:
    """One value. What is open stands on a stack: input never recurses."""

    def __init__(self, data: bytes, limits: Limits) -> None:
        self.data = data
        self.limits = limits
        self.symbols: dict[int, str] = {}

    def value(self, position: int) -> Any:
        """The value at `position`, which ends where the data does."""
        try:
            value, after = self._read(position)
        except (IndexError, struct.error):
            raise BodyError("dubbo", len(self.data), "the value goes on behind its last byte") from None
        if after != len(self.data):
            raise BodyError("dubbo", after, f"{len(self.data) - after} bytes after the value")
        return value

    def _fail(self, position: int, reason: str) -> BodyError:
        return BodyError("dubbo", position, reason)

    def _read(self, position: int) -> tuple[Any, int]:
        data = self.data
        items: list[Any] = []
        kind, left, type_of = _ARRAY, 1, None
        stack: list[tuple[bool, int, str | None, list[Any]]] = []
        type_name: str | None = None
        while True:
            tag = data[position]
            if kind is _OBJECT and not len(items) & 1 and tag == _OBJECT_END:
                position += 1
                left = 0
            elif tag == _TYPED and type_name is None:
                type_name, position = self._symbol(position + 1)
                continue
            elif tag == 0xA6 or 0x94 <= tag <= 0xA4:
                if len(stack) >= self.limits.depth:
                    raise self._fail(position, f"more than {self.limits.depth} levels deep")
                stack.append((kind, left, type_of, items))
                kind, type_of, type_name, items = tag == 0xA6, type_name, None, []
                left = -1 if kind is _OBJECT else tag - 0x94
                position += 1
                if tag == 0xA4:
                    left, position = self._integer(position)
                    if not 0 <= left <= len(data) - position:
                        raise self._fail(position, f"{left} elements in {len(data) - position} bytes")
                if left:
                    continue
            else:
                item, position = self._leaf(tag, position)
                plain = type_name is None or type(item) is bytes  # of bytes it only says that they are bytes
                items.append(item if plain else JavaObject(type_name or "", {"value": item}))
                type_name = None
                left -= 1 if kind is _ARRAY else 0
            while left == 0:
                if not stack:
                    return items[0], position
                done = _finish(kind, type_of, items)
                kind, left, type_of, items = stack.pop()
                items.append(done)
                left -= 1 if kind is _ARRAY else 0

    def _symbol(self, position: int) -> tuple[str, int]:
        """A name and the number that stands for it from now on; or the number."""
        tag = self.data[position]
        if tag >= 0xF0 or tag <= 0x48:
            number, position = self._integer(position)
            if number not in self.symbols:
                raise self._fail(position, f"symbol {number} has no name")
            return self.symbols[number], position
        name, position = self._text(position)
        number, position = self._integer(position)
        self.symbols[number] = name
        return name, position

    def _integer(self, position: int) -> tuple[int, int]:
        data = self.data
        tag = data[position]
        if tag < 0x30:
            return tag, position + 1
        if tag < 0x40:
            return (tag - 0x38 << 8) + data[position + 1], position + 2
        if tag < 0x48:
            return (tag - 0x44 << 16) + (data[position + 1] << 8) + data[position + 2], position + 3
        if tag == 0x48:
            return _I32(data, position + 1)[0], position + 5
        if tag >= 0xF0:
            return tag - 0x100, position + 1
        if tag == 0xBC:
            return _I16(data, position + 1)[0], position + 3
        if tag == 0xBD:
            return (data[position + 1] ^ 0x80) - 0x80, position + 2
        raise self._fail(position, f"an int is due, not tag {tag:02x}")

    def _long(self, position: int) -> tuple[int, int]:
        data = self.data
        tag = data[position]
        if 0xD8 <= tag < 0xF0:
            return tag - 0xE0, position + 1
        if 0xC8 <= tag < 0xD8:
            return (tag - 0xD0 << 8) + data[position + 1], position + 2
        if 0xC0 <= tag < 0xC8:
            return (tag - 0xC4 << 16) + (data[position + 1] << 8) + data[position + 2], position + 3
        if tag == 0xBF:
            return _I32(data, position + 1)[0], position + 5
        if tag == 0xBE:
            return _I64(data, position + 1)[0], position + 9
        return self._integer(position)

    def _sized(self, position: int) -> tuple[bytes, int]:
        """Bytes behind their number."""
        size, start = self._integer(position)
        if not 0 <= size <= len(self.data) - start:
            raise self._fail(position, f"{size} bytes where {len(self.data) - start} are left")
        return self.data[start : start + size], start + size

    def _text(self, position: int) -> tuple[str, int]:
        tag = self.data[position]
        if 0x49 <= tag <= 0x78:
            end = position + tag - 0x48
            if end > len(self.data):
                raise IndexError
            return self.data[position + 1 : end].decode("latin-1"), end
        encoding = _ENCODINGS.get(tag)
        if encoding is None:
            raise self._fail(position, f"text is due, not tag {tag:02x}")
        raw, end = self._sized(position + 1)
        try:
            return raw.decode(encoding, "surrogatepass" if encoding.startswith("utf") else "strict"), end
        except UnicodeDecodeError:
            raise self._fail(position, f"text that is not {encoding}") from None

    def _leaf(self, tag: int, position: int) -> tuple[Any, int]:
        data = self.data
        if tag < 0x49 or tag >= 0xF0 or tag in (0xBC, 0xBD):
            return self._integer(position)
        if tag < 0x7F:
            return self._text(position)
        if 0xBE <= tag < 0xF0:
            number, position = self._long(position)
            return JavaLong(number), position
        read = _LEAVES.get(tag)
        if read is not None:
            return read(self, data, position + 1)
        raise self._fail(position, f"no value begins with tag {tag:02x}")

    # -- leaves that are rarer; each gets the position behind the tag -----------------------------------------------

    def _name(self, data: bytes, position: int) -> tuple[Any, int]:
        return self._symbol(position)

    def _character(self, data: bytes, position: int) -> tuple[Any, int]:
        number, after = self._integer(position)
        if not 0 <= number <= 0xFFFF:
            raise self._fail(position, f"character {number}")
        return chr(number), after

    def _reference(self, data: bytes, position: int) -> tuple[Any, int]:
        path, position = self._text(position)
        return {"$ref": path}, position

    def _float_of_int(self, data: bytes, position: int) -> tuple[Any, int]:
        number, position = self._long(position)
        return float(number), position

    def _decimal(self, data: bytes, position: int) -> tuple[Any, int]:
        """A scale and an unscaled value: 2 and 1250 are 12.50."""
        scale, position = self._integer(position)
        if data[position] in (0xBA, 0xBB):
            unscaled, position = (self._big_long if data[position] == 0xBA else self._big)(data, position + 1)
        else:
            unscaled, position = self._long(position)
        return _java_number("java.math.BigDecimal", _scaled(str(unscaled), scale)), position

    def _decimal_of_long(self, data: bytes, position: int) -> tuple[Any, int]:
        number, position = self._long(position)
        return _java_number("java.math.BigDecimal", str(number)), position

    def _big_long(self, data: bytes, position: int) -> tuple[Any, int]:
        number, position = self._long(position)
        return number, position

    def _big(self, data: bytes, position: int) -> tuple[Any, int]:
        raw, after = self._sized(position)
        if len(raw) > 512:  # digits of longer ones take time that grows with their square
            raise self._fail(position, f"an integer of {len(raw)} bytes")
        return int.from_bytes(raw, "big", signed=True), after

    def _date(self, data: bytes, position: int) -> tuple[str, int]:
        year: int = _I16(data, position)[0]
        return f"{year:04d}-{data[position + 2]:02d}-{data[position + 3]:02d}", position + 4

    def _time(self, data: bytes, position: int) -> tuple[str, int]:
        hour, minute, second = data[position : position + 3]
        nanoseconds, after = self._integer(position + 3)
        fraction = f".{nanoseconds:09d}".rstrip("0") if nanoseconds else ""
        return f"{hour:02d}:{minute:02d}:{second:02d}{fraction}", after

    def _date_and_time(self, data: bytes, position: int) -> tuple[str, int]:
        date, position = self._date(data, position)
        if position + 3 > len(data):
            raise IndexError
        time, position = self._time(data, position)
        return f"{date}T{time}", position

    def _local_time(self, data: bytes, position: int) -> tuple[Any, int]:
        if position + 3 > len(data):
            raise IndexError
        return self._time(data, position)

    def _zoned(self, data: bytes, position: int) -> tuple[Any, int]:
        moment, position = self._date_and_time(data, position)
        zone, position = self._text(position)
        return f"{moment}[{zone}]", position

    def _instant(self, data: bytes, position: int) -> tuple[Any, int]:
        seconds, position = self._long(position)
        nanoseconds, position = self._integer(position)
        return f"{seconds}.{nanoseconds:09d}", position


def _scaled(digits: str, scale: int) -> str:
    """Java's `BigDecimal.toString` where the scale is an ordinary one."""
    sign, digits = ("-", digits[1:]) if digits.startswith("-") else ("", digits)
    if scale == 0:
        return sign + digits
    if not 0 < scale <= 100:
        return f"{sign}{digits}E{-scale:+d}"
    digits = digits.rjust(scale + 1, "0")
    return f"{sign}{digits[:-scale]}.{digits[-scale:]}"


def _java_number(class_name: str, text: str) -> JavaObject:
    """A number as Hessian has it, so that both read alike."""
    return JavaObject(class_name, {"value": text})


def _finish(kind: bool, type_name: str | None, items: list[Any]) -> Any:
    if kind is _ARRAY:
        return items if type_name is None else JavaList(items, type_name)
    names, values = items[::2], items[1::2]
    if all(isinstance(name, str) for name in names) and len(set(names)) == len(names):
        fields = dict(zip(names, values, strict=True))
        return fields if type_name is None else JavaObject(type_name, fields)
    return JavaMap(zip(names, values, strict=True), type_name)


_ENCODINGS: Final = {
    0x79: "latin-1",
    0x7A: "utf-8",
    0x7B: "utf-16",
    0x7C: "utf-16-le",
    0x7D: "utf-16-be",
    0x7E: "gb18030",
}

for _encoding in _ENCODINGS.values():
    codecs.lookup(_encoding)  # now: decoding must read no file, not even a module of Python's own

_Leaf = Callable[[_Decoder, bytes, int], tuple[Any, int]]


def _constant(value: Any) -> _Leaf:
    return lambda decoder, data, position: (value, position)


_LEAVES: Final[dict[int, _Leaf]] = {
    0x7F: _Decoder._name,
    0x90: _Decoder._character,
    0x91: lambda decoder, data, position: decoder._sized(position),
    0x93: _Decoder._reference,
    0xA7: _Decoder._local_time,
    0xA8: _Decoder._date_and_time,
    0xA9: _Decoder._date,
    0xAA: _Decoder._zoned,
    0xAB: lambda decoder, data, position: (Date(_I64(data, position)[0]), position + 8),
    0xAC: lambda decoder, data, position: (Date(_I32(data, position)[0] * 1000), position + 4),
    0xAD: lambda decoder, data, position: (Date(_I32(data, position)[0] * 60_000), position + 4),
    0xAE: _Decoder._instant,
    0xAF: _constant(None),
    0xB0: _constant(False),
    0xB1: _constant(True),
    0xB2: _constant(0.0),
    0xB3: _constant(1.0),
    0xB4: _Decoder._float_of_int,
    0xB5: lambda decoder, data, position: (_F64(data, position)[0], position + 8),
    0xB6: _Decoder._float_of_int,
    0xB7: lambda decoder, data, position: (_F32(data, position)[0], position + 4),
    0xB8: _Decoder._decimal_of_long,
    0xB9: _Decoder._decimal,
    0xBA: _Decoder._big_long,
    0xBB: _Decoder._big,
}


# -- writing --------------------------------------------------------------------------------------------------------


def write_jsonb(values: Iterable[Any]) -> bytes:
    """Values, each behind its length. Raises LocalProtocolError for what JSONB has no form for."""
    parts = []
    for value in values:
        out = bytearray()
        _Encoder(out).write(value)
        parts.append(len(out).to_bytes(4, "big") + out)
    return b"".join(parts)


class _Encoder:
    def __init__(self, out: bytearray) -> None:
        self.out = out
        self.symbols: dict[str, int] = {}

    def write(self, root: Any) -> None:
        """Write a value; what is still to be written stands on a stack."""
        out = self.out
        todo: list[Any] = [root]
        open_: set[int] = set()
        while todo:
            value = todo.pop()
            if type(value) is _End:
                out += value.mark
                open_.discard(value.of)
                continue
            if self._leaf(value):
                continue
            if id(value) in open_:
                raise LocalProtocolError("dubbo", 0, "JSONB is written without references; the value holds itself")
            open_.add(id(value))
            kind = getattr(value, "type", None)
            if isinstance(value, JavaObject):
                kind = value.class_name
            if isinstance(kind, str):
                out.append(_TYPED)
                self._type(kind)
            if isinstance(value, list | tuple):
                if len(value) < 16:
                    out.append(0x94 + len(value))
                else:
                    out.append(0xA4)
                    self._integer(len(value))
                todo.append(_End(b"", id(value)))
                todo.extend(reversed(value))
            elif isinstance(value, dict | JavaMap | JavaObject):
                out.append(0xA6)
                pairs = value.fields if isinstance(value, JavaObject) else value.items()
                todo.append(_End(b"\xa5", id(value)))
                for name, item in reversed(list(pairs)):
                    todo.append(item)
                    todo.append(name)
            else:
                raise LocalProtocolError("dubbo", 0, f"JSONB has no form for {type(value).__name__}")

    def _leaf(self, value: Any) -> bool:
        out = self.out
        if isinstance(value, str):
            self._text(value)
        elif value is None:
            out.append(0xAF)
        elif isinstance(value, bool):
            out.append(0xB1 if value else 0xB0)
        elif isinstance(value, JavaLong):
            self._long(value)
        elif isinstance(value, int):
            if -(1 << 31) <= value < 1 << 31:
                self._integer(value)
            else:
                self._long(value)
        elif isinstance(value, float):
            out.append(0xB5)
            out += struct.pack(">d", value)
        elif isinstance(value, bytes | bytearray | memoryview):
            out.append(0x91)
            self._integer(len(value))
            out += value
        elif isinstance(value, Date | datetime.datetime):
            out.append(0xAB)
            moment = value if isinstance(value, Date) else Date.from_datetime(value)
            out += struct.pack(">q", moment.milliseconds)
        else:
            return False
        return True

    def _type(self, name: str) -> None:
        number = self.symbols.get(name)
        if number is None:
            self._text(name)
            number = self.symbols[name] = len(self.symbols)
        self._integer(number)

    def _text(self, text: str) -> None:
        if text.isascii() and len(text) < 48:
            self.out.append(0x49 + len(text))
            self.out += text.encode()
            return
        raw = text.encode("utf-8", "surrogatepass")
        self.out.append(0x79 if text.isascii() else 0x7A)
        self._integer(len(raw))
        self.out += raw

    def _integer(self, value: int) -> None:
        if -16 <= value < 48:
            self.out.append(value & 0xFF)
        elif -2048 <= value < 2048:
            self.out += bytes((0x38 + (value >> 8), value & 0xFF))
        elif -262144 <= value < 262144:
            self.out += bytes((0x44 + (value >> 16), value >> 8 & 0xFF, value & 0xFF))
        else:
            self.out += struct.pack(">Bi", 0x48, value)

    def _long(self, value: int) -> None:
        if not -(1 << 63) <= value < 1 << 63:
            raise LocalProtocolError("dubbo", 0, f"{value} does not fit 64 bits")
        if -8 <= value < 16:
            self.out.append(0xE0 + value)
        elif -2048 <= value < 2048:
            self.out += bytes((0xD0 + (value >> 8), value & 0xFF))
        elif -262144 <= value < 262144:
            self.out += bytes((0xC4 + (value >> 16), value >> 8 & 0xFF, value & 0xFF))
        elif -(1 << 31) <= value < 1 << 31:
            self.out += struct.pack(">Bi", 0xBF, value)
        else:
            self.out += struct.pack(">Bq", 0xBE, value)


class _End:
    """Where a container that is being written ends."""

    __slots__ = ("mark", "of")

    def __init__(self, mark: bytes, of: int) -> None:
        self.mark = mark
        self.of = of
