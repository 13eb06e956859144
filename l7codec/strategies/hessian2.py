"""Hypothesis strategies for Hessian2: values, graphs of values, and the many ways to write one.

    from l7codec.strategies import hessian2

    @given(hessian2.values())
    def test_my_code(value): ...

Hessian2 is a format of values, no protocol: there are no messages here.
"""

from __future__ import annotations

import struct
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from ..hessian2 import ClassDefinition, Date, JavaList, JavaLong, JavaMap, JavaObject
from ..hessian2 import strings as _strings

__all__ = ["encodings", "graphs", "hostile", "leaves", "texts", "trees", "values"]

_EDGES = [
    sign * base + step
    for base in (0, 0x10, 0x30, 0x80, 0x100, 0x800, 0x8000, 0x4_0000, 0x8000_0000, 2**63)
    for sign in (1, -1)
    for step in (-1, 0, 1)
]


def _ints(bits: int) -> SearchStrategy[int]:
    low, high = -(1 << bits - 1), (1 << bits - 1) - 1
    return st.sampled_from([edge for edge in _EDGES if low <= edge <= high]) | st.integers(low, high)


def texts(max_size: int = 40) -> SearchStrategy[str]:
    """Text with characters of every length, surrogates that stand alone among them; no two that would be a pair."""
    characters = st.characters() | st.sampled_from("aé張😀\ud83d\ude00\0\x7f\x80")
    mixed = st.text(characters, max_size=max_size).map(_strings.join_pairs)
    return st.text("abcXYZ 019", max_size=max_size) | mixed


def leaves() -> SearchStrategy[Any]:
    """Values that hold no others."""
    return st.one_of(
        st.none(),
        st.booleans(),
        _ints(32),
        _ints(64).map(JavaLong),
        st.floats(allow_nan=False) | _ints(32).map(float) | _ints(32).map(lambda thousandths: 0.001 * thousandths),
        texts(),
        st.binary(max_size=40),
        (_ints(64) | _ints(32).map(lambda minutes: minutes * 60_000)).map(Date),
    )


_NAMES = st.sampled_from(["a", "b", "c", "name", "value", "張", "$x", ""])
_CLASSES = st.sampled_from(["com.example.User", "com.example.Order", "A", "java.math.BigDecimal", ""])
_TYPES = st.sampled_from(["java.util.LinkedList", "[int", "[object", "", "java.util.TreeMap"])
_KEYS = texts(8) | _ints(32) | st.booleans() | st.none()


def _containers(parts: SearchStrategy[Any]) -> SearchStrategy[Any]:
    return st.one_of(
        st.lists(parts, max_size=12),
        st.dictionaries(_KEYS, parts, max_size=6),
        st.builds(JavaList, st.lists(parts, max_size=12), _TYPES),
        st.builds(JavaMap, st.lists(st.tuples(_KEYS | parts, parts), max_size=5), _TYPES),
        st.builds(JavaObject, _CLASSES, st.lists(st.tuples(_NAMES, parts), max_size=6)),
    )


def trees() -> SearchStrategy[Any]:
    """Values in which nothing comes twice."""
    return st.recursive(leaves(), _containers, max_leaves=20)


@st.composite
def graphs(draw: DrawFn) -> Any:
    """A container in which containers come more than once, and inside themselves."""
    made: list[Any] = [draw(_containers(st.nothing() | leaves())) for _ in range(draw(st.integers(1, 6)))]
    for _ in range(draw(st.integers(1, 10))):
        holder, part = draw(st.sampled_from(made)), draw(st.sampled_from(made))
        if isinstance(holder, list):
            holder.insert(draw(st.integers(0, len(holder))), part)
        elif isinstance(holder, dict):
            holder[draw(_KEYS)] = part
        elif isinstance(holder, JavaMap):
            holder.pairs.append((draw(_KEYS), part))
        elif holder.values:
            holder.values[draw(st.integers(0, len(holder.values) - 1))] = part
    return made[0]


def values() -> SearchStrategy[Any]:
    """Any value."""
    return trees() | graphs()


# -- the many ways to write one ---------------------------------------------------------------------------------------


@st.composite
def encodings(draw: DrawFn) -> tuple[Any, bytes]:
    """A value in which nothing comes twice, and bytes of it: any legal ones, few of them as Java would write."""
    value = draw(trees())
    return value, _Odd(draw).write(value)


class _Odd:
    """Writes in any form there is."""

    def __init__(self, draw: DrawFn) -> None:
        self.draw = draw
        self.out = bytearray()
        self.types: list[str] = []
        self.classes: list[ClassDefinition] = []

    def write(self, value: Any) -> bytes:
        self.put_value(value)
        return bytes(self.out)

    def one(self, *forms: bytes | None) -> None:
        self.out += self.draw(st.sampled_from([form for form in forms if form is not None]))

    def chance(self) -> bool:
        return self.draw(st.integers(0, 3)) == 0

    def put_value(self, value: Any) -> None:
        if self.chance():
            self.put_define(ClassDefinition("unused", ["x"]))  # a definition may stand before any value
        if isinstance(value, JavaObject):
            self.put_object(value)
        elif isinstance(value, list):
            self.put_list(value)
        elif isinstance(value, dict | JavaMap):
            self.put_map(value)
        elif isinstance(value, str):
            self.put_string(value)
        elif isinstance(value, bytes):
            self.put_binary(value)
        elif isinstance(value, JavaLong):
            self.put_long(value)
        elif isinstance(value, Date):
            self.put_date(value)
        elif isinstance(value, float):
            self.put_double(value)
        elif value is None or isinstance(value, bool):
            self.out += {None: b"N", True: b"T", False: b"F"}[value]
        else:
            self.put_int(value)

    def put_int(self, value: int) -> None:
        self.one(
            bytes([value + 0x90]) if -0x10 <= value < 0x30 else None,
            (value + 0xC800).to_bytes(2) if -0x800 <= value < 0x800 else None,
            (value + 0xD4_0000).to_bytes(3) if -0x4_0000 <= value < 0x4_0000 else None,
            struct.pack(">Bi", 0x49, value),
        )

    def put_long(self, value: int) -> None:
        self.one(
            bytes([value + 0xE0]) if -0x08 <= value < 0x10 else None,
            (value + 0xF800).to_bytes(2) if -0x800 <= value < 0x800 else None,
            (value + 0x3C_0000).to_bytes(3) if -0x4_0000 <= value < 0x4_0000 else None,
            struct.pack(">Bi", 0x59, value) if -(2**31) <= value < 2**31 else None,
            struct.pack(">Bq", 0x4C, value),
        )

    def put_double(self, value: float) -> None:
        whole = int(value) if abs(value) < 0x8000 and value.is_integer() and str(value) != "-0.0" else None
        thousandths = round(value * 1000) if abs(value) < 2e6 and str(value) != "-0.0" else None
        self.one(
            bytes([0x5B + whole]) if whole in (0, 1) else None,
            struct.pack(">Bb", 0x5D, whole) if whole is not None and -0x80 <= whole < 0x80 else None,
            struct.pack(">Bh", 0x5E, whole) if whole is not None else None,
            struct.pack(">Bi", 0x5F, thousandths) if thousandths is not None and 0.001 * thousandths == value else None,
            struct.pack(">Bd", 0x44, value),
        )

    def put_date(self, value: Date) -> None:
        minutes, rest = divmod(value.milliseconds, 60_000)
        self.one(
            struct.pack(">Bi", 0x4B, minutes) if not rest and -(2**31) <= minutes < 2**31 else None,
            struct.pack(">Bq", 0x4A, value.milliseconds),
        )

    def cuts(self, size: int) -> list[tuple[int, int]]:
        """Where pieces of something of this size begin and end."""
        marks = sorted(self.draw(st.lists(st.integers(0, size), max_size=2))) if self.chance() else []
        return list(zip([0, *marks], [*marks, size], strict=True))

    def put_string(self, value: str) -> None:
        units = _strings.split_pairs(value)
        pieces = self.cuts(len(units))
        for number, (start, end) in enumerate(pieces):
            text = units[start:end]
            if self.chance():  # UTF-8 of four bytes where a pair is whole
                raw = _strings.join_pairs(text).encode("utf-8", "surrogatepass")
            else:
                raw = text.encode("utf-8", "surrogatepass")
            size = len(text)
            if number < len(pieces) - 1:
                self.out += struct.pack(">BH", 0x52, size)
            else:
                self.one(
                    bytes([size]) if size < 0x20 else None,
                    (size + 0x3000).to_bytes(2) if size < 0x400 else None,
                    struct.pack(">BH", 0x53, size),
                )
            self.out += raw

    def put_binary(self, value: bytes) -> None:
        pieces = self.cuts(len(value))
        for number, (start, end) in enumerate(pieces):
            size = end - start
            if number < len(pieces) - 1:
                self.out += struct.pack(">BH", 0x41, size)
            else:
                self.one(
                    bytes([0x20 + size]) if size < 0x10 else None,
                    (size + 0x3400).to_bytes(2) if size < 0x400 else None,
                    struct.pack(">BH", 0x42, size),
                )
            self.out += value[start:end]

    def put_type(self, name: str) -> None:
        if name in self.types and not self.chance():
            self.put_int(self.types.index(name))
        else:
            self.types.append(name)
            self.put_string(name)

    def put_list(self, value: list[Any]) -> None:
        typed = value.type if isinstance(value, JavaList) else None
        size = len(value)
        form = self.draw(st.sampled_from(["short", "fixed", "variable"] if size < 8 else ["fixed", "variable"]))
        if form == "short":
            self.out.append((0x78 if typed is None else 0x70) + size)
        else:
            self.out += {"fixed": b"VX", "variable": b"UW"}[form][typed is None :][:1]
        if typed is not None:
            self.put_type(typed)
        if form == "fixed":
            self.put_int(size)
        for item in value:
            self.put_value(item)
        if form == "variable":
            self.out += b"Z"

    def put_map(self, value: dict[Any, Any] | JavaMap) -> None:
        typed = value.type if isinstance(value, JavaMap) else None
        self.out += b"H" if typed is None else b"M"
        if typed is not None:
            self.put_type(typed)
        for key, item in value.items():
            self.put_value(key)
            self.put_value(item)
        self.out += b"Z"

    def put_define(self, definition: ClassDefinition) -> None:
        self.classes.append(definition)
        self.out += b"C"
        self.put_string(definition.name)
        self.put_int(len(definition.fields))
        for field in definition.fields:
            self.put_string(field)

    def put_object(self, value: JavaObject) -> None:
        if value.definition not in self.classes or self.chance():
            self.put_define(value.definition)
        number = len(self.classes) - 1 - self.classes[::-1].index(value.definition)
        if number < 16 and not self.chance():
            self.out.append(0x60 + number)
        else:
            self.out += b"O"
            self.put_int(number)
        for item in value.values:
            self.put_value(item)


def hostile() -> list[bytes]:
    """Bytes that promise more than they hold, or make little into much."""
    huge = b"\x49\x7f\xff\xff\xff"
    negative = b"\x49\x80\x00\x00\x00"
    laughs = b"\x72\x01a" + b"".join(b"\x7a\x51" + bytes([0x90 + number]) for number in range(40)) + b"N"
    return [
        b"X" + huge,
        b"X" + negative,
        b"V\x01a" + huge,
        b"C\x01a" + huge,
        b"C\x01a" + negative,
        b"S\xff\xff",
        b"R\xff\xff",
        b"B\xff\xff",
        b"A\xff\xffx",
        b"\x1f",
        b"\x2f",
        b"\x33\xff\x80\x80\x80",
        b"Q\x90",
        b"\x79Q" + negative,
        b"\x79Q" + huge,
        b"\x79Q\x91",
        b"`",
        b"O" + negative,
        b"O" + huge,
        b"M\x90Z",
        b"V" + negative + b"\x90",
        b"Z",
        b"HNZ",
        b"z\x90Z",
        b"@",
        b"P",
        b"x" * 100,
        b"y" * 200_000,
        b"W" * 200_000,
        b"H" * 200_000,
        b"HN" * 100_000,
        b"C\x00\x91\x01a" + b"`" * 200_000,
        b"C\x00\x90" * 70_000,
        b"R\x00\x00" * 70_000,
        b"A\x00\x00" * 70_000,
        b"z" + b"\x01a" + laughs,
        b"W" + b"Q\x90" * 70_000,
        b"S\x40\x00" + b"\x80" * 70_000,
        b"S\x40\x00" + b"\xf0" * 70_000,
    ]
