"""Arrays that are read when somebody looks at them, and arrays whose elements are all alike."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from . import records
from .layout import FORMATS, SIZES, Struct
from .records.batch import DECOMPRESSED

__all__ = ["Array", "Records", "Shapes"]


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


class Records(records.Records):
    """Records where they stand in a message: their bytes are cut out when somebody wants them. A router never does."""

    __slots__ = ("_from", "_message", "_to", "_whole")

    _whole: bytes  # not there until asked for
    limit = DECOMPRESSED

    def __init__(self, message: bytes, start: int, end: int) -> None:
        self._message = message
        self._from = start
        self._to = end

    @property
    def data(self) -> bytes:  # type: ignore[override]
        """The exact bytes."""
        try:
            return self._whole
        except AttributeError:
            self._whole = self._message[self._from : self._to]
            return self._whole

    @property
    def _start(self) -> int:  # type: ignore[override]
        return self._from


_MOST_SHAPES: Final = 64
"""Shapes of one kind of element for which a loop is compiled, in some 0.2 ms each: a sender could invent any number."""
_MOST_NUMBERS: Final = 24
"""Numbers in one array of an element that a compiled loop reads."""


class _Shape:
    """Elements with arrays of these lengths: how long one is, and which bytes stand where in every one."""

    __slots__ = ("columns", "reader", "shape", "size")

    def __init__(self, shape: tuple[int, ...], size: int, columns: list[tuple[int, int]]) -> None:
        self.shape = shape
        self.size = size
        self.columns = columns
        self.reader: Callable[[bytes], list[Any]] | None = None


def _fit(data: bytes, at: int, count: int, shape: _Shape) -> int:
    """Where `count` elements of this shape end; 0 where they are not all of it."""
    size = shape.size
    end = at + size * count
    if end > len(data):
        return 0
    for place, byte in shape.columns:
        if data[at + place : end : size].count(byte) != count:
            return 0
    return end


class Shapes:
    """Reads arrays whose elements are fixed fields and arrays of numbers, where all elements have equal lengths.

    The partitions of a Metadata response are such: error code, index, leader, epoch, and the numbers of three lists of
    brokers, which in a healthy cluster are equally long everywhere. That they are is seen from the columns of length
    bytes, without a look at each element; then all elements have one format.
    """

    __slots__ = ("_flexible", "_last", "_parts", "_readers", "_shapes")

    def __init__(self, fields: Struct) -> None:
        self._flexible = fields.flexible
        self._parts: list[tuple[str, bool, str]] = [(one.name, one.array, FORMATS[one.type]) for one in fields.fields]
        self._shapes: dict[tuple[int, ...], _Shape] = {}
        self._last: _Shape | None = None  # that of the elements before: most are alike
        self._readers = 0

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

    def _columns(self, shape: tuple[int, ...]) -> _Shape:
        known = self._shapes.get(shape)
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
        made = _Shape(shape, at, columns)
        if len(self._shapes) < 4 * _MOST_SHAPES:
            self._shapes[shape] = made
        return made

    def skip(self, data: bytes, at: int, count: int) -> int:
        """Where `count` elements end; 0 where they must be looked at one by one."""
        return self._alike(data, at, count)[1]

    # `_last` is read once: another thread may read a message of another shape meanwhile.

    def _alike(self, data: bytes, at: int, count: int) -> tuple[_Shape | None, int]:
        """The shape that `count` elements have, and where they end; 0 where not all have one."""
        last = self._last
        if last is not None and (end := _fit(data, at, count, last)):
            return last, end
        shape = self._shape(data, at)
        if shape is None:
            return None, 0
        found = self._columns(shape)
        if found is last:
            return None, 0
        self._last = found
        return found, _fit(data, at, count, found)

    def read(self, data: bytes, at: int, count: int) -> tuple[list[Any] | None, int]:
        """`count` elements and where they end; None where they must be read one by one."""
        last = self._last
        if last is not None and last.reader is not None:
            end = at + last.size * count
            if end <= len(data):
                values = last.reader(data[at:end])
                if len(values) == count:
                    return values, end
        found, end = self._alike(data, at, count)
        if found is None or not end:
            return None, at
        reader = found.reader
        if reader is None:
            if self._readers >= _MOST_SHAPES or max(found.shape) > _MOST_NUMBERS:
                return None, at
            self._readers += 1
            reader = found.reader = self._make(found.shape)
        return reader(data[at:end]), end

    def _make(self, shape: tuple[int, ...]) -> Callable[[bytes], list[Any]]:
        """A function that reads whole elements, and leaves out those whose arrays have other lengths."""
        codes = ">"
        names: list[str] = []
        values: list[str] = []
        tests: list[str] = []
        lengths = iter(shape)
        for name, array, code in self._parts:
            first = len(names)
            if array:
                length = next(lengths)
                codes += ("B" if self._flexible else "i") + code * length
                names += [f"v{first + index}" for index in range(1 + length)]
                tests.append(f"v{first}=={length + self._flexible}")
                values.append(f'"{name}":[{",".join(names[first + 1 :])}]')
            else:
                codes += code
                names.append(f"v{first}")
                values.append(f'"{name}":v{first}')
        if self._flexible:
            codes += "B"
            tests.append(f"v{len(names)}==0")
            names.append(f"v{len(names)}")
        text = f"def f(d):\n return [{{{','.join(values)}}} for {','.join(names)}, in I(d) if {' and '.join(tests)}]"
        scope: dict[str, Any] = {"I": struct.Struct(codes).iter_unpack}
        exec(compile(text, "<kafka>", "exec"), scope)  # our own text
        made: Callable[[bytes], list[Any]] = scope["f"]
        return made
