"""Values to bytes, in the forms that Java writes, the shortest there are: those of Dubbo's `Hessian2Output`.

One value differs, on purpose: Java writes -0.0 as 0.0, and here it keeps its sign, in eight bytes.
"""

from __future__ import annotations

import datetime
import struct
from collections.abc import Iterator
from itertools import chain
from typing import Any, Final

from ..errors import LocalProtocolError
from . import strings
from .read import Reader
from .scalars import ClassDefinition, Date, JavaLong
from .values import JavaList, JavaMap, JavaObject

TEXT_CHUNK: Final = 0x8000
"""UTF-16 units in each chunk of a long string but the last: Java's."""

BINARY_CHUNK: Final = 4096 - 3
"""Bytes in each chunk of a long binary but the last: what fits the buffer of Dubbo's hessian-lite. (Caucho's is twice
as long.)"""

_INT: Final = struct.Struct(">Bi").pack
_LONG: Final = struct.Struct(">Bq").pack
_DOUBLE: Final = struct.Struct(">Bd").pack
_SHORT: Final = struct.Struct(">Bh").pack
_USHORT: Final = struct.Struct(">BH").pack

_BEGIN_CLASS: Final = 0x43
_BEGIN_LIST: Final = 0x58
_BEGIN_TYPED_LIST: Final = 0x56
_BEGIN_MAP: Final = 0x48
_BEGIN_TYPED_MAP: Final = 0x4D
_BEGIN_OBJECT: Final = 0x4F
_REFERENCE: Final = 0x51
_END: Final = 0x5A


class Writer:
    """Values of one body, one after the other; they share the tables.

        writer = Writer()
        writer.value("2.0.2")
        writer.value([1, 2])
        data = writer.bytes()

    What is the very same list, map or object twice is written once and then referred to; so are cycles. `after`: what
    is written will stand behind what that Reader has read or skipped. It uses the classes and types from there, and
    refers to nothing else in there: what such a value shares with earlier ones is written out.
    """

    __slots__ = ("_classes", "_definitions", "_kept", "_objects", "_out", "_references", "_types")

    def __init__(self, after: Reader | None = None) -> None:
        self._out = bytearray()
        self._references: dict[int, int] = {}
        self._kept: list[Any] = []  # what has a reference must live, else its id becomes another's
        self._definitions: dict[int, int] = {}
        self._classes: dict[ClassDefinition, int] = {}
        self._types: dict[str, int] = {}
        self._objects = 0
        if after is not None:
            context = after.context
            self._objects = len(context.objects)
            self._classes = {definition: number for number, definition in enumerate(context.classes)}
            self._types = {name: number for number, name in enumerate(context.types)}

    def bytes(self) -> bytes:
        """All that was written so far."""
        return bytes(self._out)

    def value(self, value: Any) -> None:
        """Write a value. Raises LocalProtocolError for what Hessian has no form for; then what was written is cut off
        in the middle, and the Writer of no more use.
        """
        out = self._out
        references = self._references
        stack: list[tuple[Iterator[Any], bool]] = []
        left: Iterator[Any] = iter((value,))
        open_end = False  # an end mark is due behind `left`
        while True:
            for item in left:
                kind = type(item)
                if kind is str:
                    size = len(item)
                    if size < 0x20 and item.isascii():
                        out.append(size)
                        out += item.encode()
                    else:
                        write_string(out, item)
                    continue
                if kind is int:
                    if -0x10 <= item < 0x30:
                        out.append(item + 0x90)
                    else:
                        write_int(out, item)
                    continue
                write = _LEAVES.get(kind)
                if write is not None:
                    write(out, item)
                    continue
                if kind not in _CONTAINERS:
                    kind, item = _known(item)
                    if kind not in _CONTAINERS:
                        _LEAVES[kind](out, item)
                        continue
                name = id(item)
                number = references.get(name)
                if number is not None:
                    out.append(_REFERENCE)
                    write_int(out, number)
                    continue
                references[name] = self._objects
                self._objects += 1
                self._kept.append(item)
                stack.append((left, open_end))
                left, open_end = self._begin(kind, item)
                break
            else:
                if open_end:
                    out.append(_END)
                if not stack:
                    return
                left, open_end = stack.pop()

    def _begin(self, kind: type, item: Any) -> tuple[Iterator[Any], bool]:
        """Write the head of a container; what is in it, and whether an end mark is due behind that."""
        out = self._out
        if kind is JavaObject:
            number = self._definitions.get(id(item.definition))
            if number is None:
                number = self._define(item.definition)
            if number < 0x10:
                out.append(0x60 + number)
            else:
                out.append(_BEGIN_OBJECT)
                write_int(out, number)
            return iter(item.values), False
        if kind is dict:
            out.append(_BEGIN_MAP)
            return chain.from_iterable(item.items()), True
        if kind is JavaMap:
            if item.type is None:
                out.append(_BEGIN_MAP)
            else:
                out.append(_BEGIN_TYPED_MAP)
                self._type(item.type)
            return chain.from_iterable(item.pairs), True
        typed = item.type if kind is JavaList else None
        size = len(item)
        if typed is None:
            out.append(0x78 + size if size < 8 else _BEGIN_LIST)
        else:
            out.append(0x70 + size if size < 8 else _BEGIN_TYPED_LIST)
            self._type(typed)
        if size >= 8:
            write_int(out, size)
        return iter(item), False

    def _type(self, name: str) -> None:
        number = self._types.get(name)
        if number is None:
            self._types[name] = len(self._types)
            write_string(self._out, name)
        else:
            write_int(self._out, number)

    def _define(self, definition: ClassDefinition) -> int:
        number = self._classes.get(definition)
        if number is None:
            number = self._classes[definition] = len(self._classes)
            out = self._out
            out.append(_BEGIN_CLASS)
            write_string(out, definition.name)
            write_int(out, len(definition.fields))
            for field in definition.fields:
                write_string(out, field)
        self._definitions[id(definition)] = number
        self._kept.append(definition)
        return number


# -- values that hold no others ---------------------------------------------------------------------------------------


def write_int(out: bytearray, value: int) -> None:
    """An int; one that needs more than 32 bits becomes a long."""
    if -0x10 <= value < 0x30:
        out.append(0x90 + value)
    elif -0x800 <= value < 0x800:
        out.append(0xC8 + (value >> 8))
        out.append(value & 0xFF)
    elif -0x40000 <= value < 0x40000:
        out.append(0xD4 + (value >> 16))
        out.append(value >> 8 & 0xFF)
        out.append(value & 0xFF)
    elif -0x8000_0000 <= value < 0x8000_0000:
        out += _INT(0x49, value)
    else:
        write_long(out, value)


def write_long(out: bytearray, value: int) -> None:
    """A long."""
    if -0x08 <= value < 0x10:
        out.append(0xE0 + value)
    elif -0x800 <= value < 0x800:
        out.append(0xF8 + (value >> 8))
        out.append(value & 0xFF)
    elif -0x40000 <= value < 0x40000:
        out.append(0x3C + (value >> 16))
        out.append(value >> 8 & 0xFF)
        out.append(value & 0xFF)
    elif -0x8000_0000 <= value < 0x8000_0000:
        out += _INT(0x59, value)
    elif -0x8000_0000_0000_0000 <= value < 0x8000_0000_0000_0000:
        out += _LONG(0x4C, value)
    else:
        raise LocalProtocolError("hessian2", 0, f"an int of {value.bit_length()} bits; Java's longest has 64")


def write_string(out: bytearray, text: str) -> None:
    """A string, in chunks where it is long; a chunk never ends in the first half of a surrogate pair."""
    raw = text.encode() if text.isascii() else strings.encode(text)
    size = strings.units_of(text)
    if size < 0x20:
        out.append(size)
    elif size < 0x400:
        out.append(0x30 + (size >> 8))
        out.append(size & 0xFF)
    elif size <= TEXT_CHUNK:
        out += _USHORT(0x53, size)
    else:
        units = strings.split_pairs(text)
        start = 0
        while len(units) - start > TEXT_CHUNK:
            end = start + TEXT_CHUNK
            if "\ud800" <= units[end - 1] <= "\udbff":
                end -= 1
            out += _USHORT(0x52, end - start)
            out += units[start:end].encode("utf-8", "surrogatepass")
            start = end
        _last_piece(out, units[start:])
        return
    out += raw


def _last_piece(out: bytearray, units: str) -> None:
    size = len(units)
    if size < 0x20:
        out.append(size)
    elif size < 0x400:
        out.append(0x30 + (size >> 8))
        out.append(size & 0xFF)
    else:
        out += _USHORT(0x53, size)
    out += units.encode("utf-8", "surrogatepass")


def _write_binary(out: bytearray, value: bytes | bytearray | memoryview) -> None:
    data = bytes(value)
    start = 0
    while len(data) - start > BINARY_CHUNK:
        out += _USHORT(0x41, BINARY_CHUNK)
        out += data[start : start + BINARY_CHUNK]
        start += BINARY_CHUNK
    size = len(data) - start
    if size < 0x10:
        out.append(0x20 + size)
    elif size < 0x400:
        out.append(0x34 + (size >> 8))
        out.append(size & 0xFF)
    else:
        out += _USHORT(0x42, size)
    out += data[start:]


def _write_double(out: bytearray, value: float) -> None:
    if -0x8000 <= value < 0x8000 and value == int(value):
        whole = int(value)
        if whole == 0 and str(value) == "-0.0":
            out += _DOUBLE(0x44, value)
        elif whole in (0, 1):
            out.append(0x5B + whole)
        elif -0x80 <= whole < 0x80:
            out.append(0x5D)
            out.append(whole & 0xFF)
        else:
            out += _SHORT(0x5E, whole)
        return
    if -2147483.7 < value < 2147483.7:
        thousandths = max(-0x8000_0000, min(int(value * 1000), 0x7FFF_FFFF))
        if 0.001 * thousandths == value:
            out += _INT(0x5F, thousandths)
            return
    out += _DOUBLE(0x44, value)


def _write_none(out: bytearray, value: None) -> None:
    out.append(0x4E)


def _write_bool(out: bytearray, value: bool) -> None:
    out.append(0x54 if value else 0x46)


def _write_date(out: bytearray, value: Date) -> None:
    milliseconds = value.milliseconds
    minutes, rest = divmod(milliseconds, 60_000)
    if not rest and -0x8000_0000 <= minutes < 0x8000_0000:
        out += _INT(0x4B, minutes)
    elif -0x8000_0000_0000_0000 <= milliseconds < 0x8000_0000_0000_0000:
        out += _LONG(0x4A, milliseconds)
    else:
        raise LocalProtocolError("hessian2", 0, "a date of more than 64 bits of milliseconds")


_LEAVES: Final[dict[type, Any]] = {
    type(None): _write_none,
    bool: _write_bool,
    str: write_string,
    int: write_int,
    JavaLong: write_long,
    float: _write_double,
    bytes: _write_binary,
    bytearray: _write_binary,
    memoryview: _write_binary,
    Date: _write_date,
}
_CONTAINERS: Final = frozenset((JavaObject, JavaList, JavaMap, list, tuple, dict))
_BASES: Final = (JavaObject, JavaList, JavaMap, list, tuple, dict, JavaLong, int, str, float, bytes, bytearray)


def _known(item: Any) -> tuple[type, Any]:
    """What an item of another type is written as: of a subclass, as what that derives from; a datetime as a Date."""
    if isinstance(item, datetime.datetime):
        try:
            return Date, Date.from_datetime(item)
        except ValueError as error:
            raise LocalProtocolError("hessian2", 0, str(error)) from None
    for base in _BASES:
        if isinstance(item, base):
            return base, item
    raise LocalProtocolError("hessian2", 0, f"Hessian has no form for {type(item).__name__}")
