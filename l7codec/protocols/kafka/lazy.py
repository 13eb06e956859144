"""Arrays that are read when somebody looks at them, and arrays whose elements are all alike."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from .layout import FORMATS, SIZES, Struct

__all__ = ["Array", "Shapes"]


class Array(Sequence[Any]):
    """A read-only list of structs: framed and counted already, read when the first element is asked for.

    It equals a list of the same elements.
    """

    __slots__ = ("_at", "_data", "_items", "_length", "_read")

    def __init__(self, data: bytes, at: int, length: int, read: Callable[[bytes, int, int], list[Any]]) -> None:
        self._data = data
        self._at = at
        self._length = length
        self._read = read
        self._items: list[Any] | None = None

    def _all(self) -> list[Any]:
        items = self._items
        if items is None:
            items = self._items = self._read(self._data, self._at, self._length)
        return items

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: Any) -> Any:
        return self._all()[index]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._all())

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Array):
            return self._all() == other._all()
        return self._all() == other if isinstance(other, list) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # its elements can be changed

    def __repr__(self) -> str:
        return repr(self._all())

    def __reduce__(self) -> tuple[Any, ...]:
        return list, (self._all(),)  # the reader is generated: it does not travel


_MOST_SHAPES: Final = 64
"""Shapes of one kind of element for which a loop is compiled; each takes some 0.2 ms. A sender could invent any number."""
_MOST_NUMBERS: Final = 24
"""Numbers in one array of an element that a compiled loop reads."""


class Shapes:
    """Reads arrays whose elements are fixed fields and arrays of numbers, where all elements have equal lengths.

    The partitions of a Metadata response are such: error code, index, leader, epoch, and the numbers of three lists of
    brokers, which in a healthy cluster are equally long everywhere. That they are is seen from the columns of length
    bytes, without a look at each element; then all elements have one format.
    """

    __slots__ = ("_array", "_flexible", "_parts", "_readers", "_skips")

    def __init__(self, fields: Struct) -> None:
        self._flexible = fields.flexible
        self._parts: list[tuple[str, bool, str]] = [(one.name, one.array, FORMATS[one.type]) for one in fields.fields]
        self._readers: dict[tuple[int, ...], Callable[[bytes], list[Any]]] = {}
        self._skips: dict[tuple[int, ...], tuple[int, list[tuple[int, int]]]] = {}

    @classmethod
    def of(cls, fields: Struct) -> Shapes | None:
        """None where elements are not of that kind."""
        arrays = [one for one in fields.fields if one.array]
        fits = (
            arrays
            and not fields.tags
            and all(one.inner is None and one.type in SIZES and one.type not in ("uuid", "bool") for one in arrays)
            and not any(one.nullable for one in arrays)
            and all(one.array or one.type in SIZES for one in fields.fields)
        )
        return cls(fields) if fits else None

    def _shape(self, data: bytes, at: int) -> tuple[int, ...] | None:
        """The lengths of the first element's arrays; None where they are not plain."""
        found = []
        for _, array, code in self._parts:
            if not array:
                at += struct.calcsize(">" + code)
                continue
            if self._flexible:
                length = data[at] - 1
                at += 1
                if not 0 <= length < 127:
                    return None
            else:
                length = int.from_bytes(data[at : at + 4], "big", signed=True)
                at += 4
                if not 0 <= length < 256:
                    return None
            found.append(length)
            at += length * struct.calcsize(">" + code)
        return tuple(found)

    def _columns(self, shape: tuple[int, ...]) -> tuple[int, list[tuple[int, int]]]:
        """An element's size, and which bytes stand at which places of every element of this shape."""
        known = self._skips.get(shape)
        if known is not None:
            return known
        at = 0
        columns = []
        lengths = iter(shape)
        for _, array, code in self._parts:
            if array:
                length = next(lengths)
                if self._flexible:
                    columns.append((at, length + 1))
                    at += 1
                else:
                    columns += [(at, 0), (at + 1, 0), (at + 2, 0), (at + 3, length)]
                    at += 4
                at += length * struct.calcsize(">" + code)
            else:
                at += struct.calcsize(">" + code)
        if self._flexible:
            columns.append((at, 0))
            at += 1
        if len(self._skips) < 4 * _MOST_SHAPES:
            self._skips[shape] = at, columns
        return at, columns

    def skip(self, data: bytes, at: int, count: int) -> int:
        """Where `count` elements end; 0 where they must be looked at one by one."""
        shape = self._shape(data, at)
        if shape is None:
            return 0
        size, columns = self._columns(shape)
        end = at + size * count
        if end > len(data):
            return 0
        for place, byte in columns:
            if data[at + place : end : size].count(byte) != count:
                return 0
        return end

    def read(self, data: bytes, at: int, count: int) -> tuple[list[Any] | None, int]:
        """`count` elements and where they end; None where they must be read one by one."""
        end = self.skip(data, at, count)
        if not end:
            return None, at
        shape = self._shape(data, at) or ()
        reader = self._readers.get(shape)
        if reader is None:
            if len(self._readers) >= _MOST_SHAPES or max(shape) > _MOST_NUMBERS:
                return None, at
            reader = self._readers[shape] = self._make(shape)
        return reader(data[at:end]), end

    def _make(self, shape: tuple[int, ...]) -> Callable[[bytes], list[Any]]:
        codes = ">"
        names: list[str] = []
        values: list[str] = []
        lengths = iter(shape)
        for name, array, code in self._parts:
            if array:
                length = next(lengths)
                several = [f"v{len(names) + index}" for index in range(length)]
                codes += ("x" if self._flexible else "4x") + code * length
                names += several
                values.append(f'"{name}":[{",".join(several)}]')
            else:
                values.append(f'"{name}":v{len(names)}')
                names.append(f"v{len(names)}")
                codes += code
        codes += "x" * self._flexible
        heads = ",".join(names) + ","
        text = f"def f(d):\n return [{{{','.join(values)}}} for {heads} in I(d)]" if names else ""
        scope: dict[str, Any] = {"I": struct.Struct(codes).iter_unpack}
        exec(compile(text, "<kafka>", "exec"), scope)  # our own text
        made: Callable[[bytes], list[Any]] = scope["f"]
        return made
