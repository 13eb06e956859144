"""What the values of one body share: bytes, limits, and the three tables that references, types and classes index.

And the small forms that are read alike whether a value is wanted or skipped: ints, strings, types, class definitions.
"""

from __future__ import annotations

import struct
from typing import Any, Final

from ..errors import BodyError
from ..limits import Limits
from . import strings
from .scalars import ClassDefinition

USHORT: Final = struct.Struct(">H").unpack_from
INT: Final = struct.Struct(">i").unpack_from


class Context:
    """One body. Where its bytes end too soon, what is here raises IndexError or struct.error; the Reader says so."""

    __slots__ = ("classes", "data", "end", "limits", "objects", "protocol", "references", "skipped", "text", "types")

    def __init__(self, data: bytes, limits: Limits, protocol: str) -> None:
        self.data = data
        self.end = len(data)
        self.text = data.decode("latin-1")  # a slice of it that is ASCII is the string itself, at half the price
        self.limits = limits
        self.protocol = protocol
        self.objects: list[Any] = []
        """Lists, maps and objects in the order in which they begin; None: only skipped so far."""
        self.types: list[str] = []
        self.classes: list[ClassDefinition] = []
        self.references = 0
        """How many references have been read."""
        self.skipped: list[tuple[int, int, int, int]] = []
        """Values that were skipped and may be referred to: offset, and how long the tables were then."""

    def again(self) -> Context:
        """The same bytes with empty tables."""
        return Context(self.data, self.limits, self.protocol)

    def fail(self, offset: int, reason: str) -> BodyError:
        """The error to raise."""
        return BodyError(self.protocol, offset, reason)

    def integer(self, position: int) -> tuple[int, int]:
        """An int and where it ends."""
        data = self.data
        tag = data[position]
        if 0x80 <= tag < 0xC0:
            return tag - 0x90, position + 1
        if 0xC0 <= tag < 0xD0:
            return (tag - 0xC8 << 8) + data[position + 1], position + 2
        if 0xD0 <= tag < 0xD8:
            return (tag - 0xD4 << 16) + USHORT(data, position + 1)[0], position + 3
        if tag == 0x49:
            return INT(data, position + 1)[0], position + 5
        raise self.fail(position, f"an int is due, not tag {tag:02x}")

    def count(self, position: int, what: str) -> tuple[int, int]:
        """An int that counts what follows, each of at least one byte."""
        count, after = self.integer(position)
        if not 0 <= count <= self.end - after:
            raise self.fail(position, f"{count} {what} in {self.end - after} bytes")
        if count > self.limits.items:
            raise self.fail(position, f"{count} {what}; the limit is {self.limits.items}")
        return count, after

    def units(self, position: int, units: int) -> tuple[str, int]:
        """Text of so many UTF-16 units, and where it ends."""
        end = self.units_end(position, units)
        raw = self.data[position:end]
        try:
            return strings.decode(raw), end
        except ValueError:
            raise self.fail(position, "text that is not UTF-8") from None

    def units_end(self, position: int, units: int) -> int:
        """Where text of so many UTF-16 units ends."""
        try:
            return strings.text_end(self.data, position, units)
        except ValueError as error:
            raise self.fail(position, str(error)) from None

    def piece(self, position: int) -> tuple[int, int, bool]:
        """The head of a string, or of a chunk of one: units, where its text begins, and whether it is the last."""
        data = self.data
        tag = data[position]
        if tag < 0x20:
            return tag, position + 1, True
        if 0x30 <= tag < 0x34:
            return (tag - 0x30 << 8) + data[position + 1], position + 2, True
        if tag in (0x52, 0x53):
            return USHORT(data, position + 1)[0], position + 3, tag == 0x53
        raise self.fail(position, f"a string is due, not tag {tag:02x}")

    def string(self, position: int) -> tuple[str, int]:
        """A string in any form, and where it ends."""
        tag = self.data[position]
        if tag < 0x20:
            start = position + 1
            end = start + tag
        elif 0x30 <= tag < 0x34:
            start = position + 2
            end = start + (tag - 0x30 << 8) + self.data[position + 1]
        else:
            start = end = 0
        if start and end <= self.end:
            text = self.text[start:end]
            if text.isascii():
                return text, end
        units, position, last = self.piece(position)
        text, position = self.units(position, units)
        if last:
            return text, position
        pieces = [text]
        while not last:
            units, position, last = self.piece(position)
            text, position = self.units(position, units)
            pieces.append(text)
        text = "".join(pieces)
        return (strings.join_pairs(text) if strings.has_surrogates(text) else text), position

    def string_end(self, position: int) -> int:
        """Where a string ends, in any form."""
        last = False
        while not last:
            units, position, last = self.piece(position)
            position = self.units_end(position, units)
        return position

    def binary_piece(self, position: int) -> tuple[int, int, bool]:
        """The head of a binary, or of a chunk of one: where its bytes begin and end, and whether it is the last."""
        data = self.data
        tag = data[position]
        if 0x20 <= tag < 0x30:
            size, position, last = tag - 0x20, position + 1, True
        elif 0x34 <= tag < 0x38:
            size, position, last = (tag - 0x34 << 8) + data[position + 1], position + 2, True
        elif tag in (0x41, 0x42):
            size, position, last = USHORT(data, position + 1)[0], position + 3, tag == 0x42
        else:
            raise self.fail(position, f"the rest of a binary is due, not tag {tag:02x}")
        if position + size > self.end:
            raise IndexError
        return position, position + size, last

    def type(self, position: int) -> tuple[str, int]:
        """The type of a list or map, written out or by its number, and where it ends."""
        tag = self.data[position]
        if 0x90 <= tag < 0xC0 and tag - 0x90 < len(self.types):
            return self.types[tag - 0x90], position + 1
        if tag < 0x20 or 0x30 <= tag < 0x34 or tag in (0x52, 0x53):
            name, after = self.string(position)
            self.types.append(name)
            return name, after
        number, after = self.integer(position)
        if not 0 <= number < len(self.types):
            raise self.fail(position, f"type {number} of {len(self.types)}")
        return self.types[number], after

    def define(self, position: int) -> int:
        """Take up a class definition, behind its tag; where it ends."""
        data = self.data
        text = self.text
        name, position = self.string(position)
        count = data[position] - 0x90
        if 0 <= count < 0x30 and position + count < self.end:
            position += 1
        else:
            count, position = self.count(position, "fields")
        fields = []
        for _ in range(count):
            size = data[position]
            field = text[position + 1 : position + 1 + size]
            if size < 0x20 and field.isascii():
                position += 1 + size
            else:
                field, position = self.string(position)
            fields.append(field)
        self.classes.append(ClassDefinition(name, fields))
        return position

    def definition(self, position: int, number: int) -> ClassDefinition:
        """The class of this number, which stands at `position`."""
        if not 0 <= number < len(self.classes):
            raise self.fail(position, f"class {number} of {len(self.classes)}")
        return self.classes[number]

    def marks(self) -> tuple[int, int, int]:
        """How long the tables are."""
        return len(self.objects), len(self.types), len(self.classes)

    def cut(self, marks: tuple[int, int, int]) -> None:
        """Make the tables as long as they were."""
        objects, types, classes = marks
        del self.objects[objects:]
        del self.types[types:]
        del self.classes[classes:]
