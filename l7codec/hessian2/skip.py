"""Past a value without making it. The tables are kept: objects are counted, types and classes taken up.

Containers of known length need no level of their own: an object of five fields is five more values to go.
"""

from __future__ import annotations

import functools
import re
from typing import Final

from .context import Context

SIZES: Final[tuple[int, ...]] = tuple(
    1 if tag in b"NTF\x5b\x5c" or 0x80 <= tag < 0xC0 or 0xD8 <= tag < 0xF0
    else 2 if tag == 0x5D or 0xC0 <= tag < 0xD0 or tag >= 0xF0
    else 3 if tag == 0x5E or 0x38 <= tag < 0x40 or 0xD0 <= tag < 0xD8
    else 5 if tag in b"IKY\x5f"
    else 9 if tag in b"DJL"
    else tag - 0x1F if 0x20 <= tag < 0x30
    else 0
    for tag in range(256)
)  # fmt: skip
"""How long a value is whose tag says so."""


# What needs no table and no level, as a pattern: text of up to 31 characters that is ASCII, and what its tag measures.
# Each tag begins one alternative and each alternative has one length, so that trying again never finds another way.
_SIMPLE: Final = b"(?:%b)" % b"|".join(
    [
        rb"[NTF\[\\\x00\x80-\xbf\xd8-\xef]",
        rb"[\x5d\xc0-\xcf\xf0-\xff][\x00-\xff]",
        rb"[\x5e\x38-\x3f\xd0-\xd7][\x00-\xff]{2}",
        rb"[IKY_][\x00-\xff]{4}",
        rb"[DJL][\x00-\xff]{8}",
        *[rb"\x%02x[\x00-\x7f]{%d}" % (size, size) for size in range(1, 0x20)],
    ]
)
_MANY: Final = 16  # values that are tried at once
_GROUPS: Final = (16, 4, 1)  # objects of one class that are tried at once
_FIELDS: Final = 24  # fields of one object that are tried at once


@functools.cache
def _values(count: int) -> re.Pattern[bytes]:
    """So many simple values, one after the other."""
    return re.compile(rb"%b{%d}+" % (_SIMPLE, count))


@functools.cache
def _objects(fields: int, count: int) -> re.Pattern[bytes]:
    """So many objects of one class (its tag comes again) whose fields are simple."""
    each = rb"%b{%d}+" % (_SIMPLE, fields)
    return re.compile(rb"([\x60-\x6f])%b(?:\1%b){%d}+" % (each, each, count - 1))


_ITEMS: Final = re.compile(rb"(?:%b){1,32}+" % _SIMPLE)
_PAIRS: Final = re.compile(rb"(?:%b){1,32}+" % (_SIMPLE * 2))
"""Simple values up to an end mark; in pairs, those of a map."""


def skip(context: Context, position: int) -> int:
    """Where the value at `position` ends.

    Agrees with what reading finds wherever the value can be read. Text is measured, not decoded, and depth costs
    nothing here: what is wrong in those ways only reading will tell.
    """
    data = context.data
    text = context.text
    classes = context.classes
    sizes = SIZES
    known = len(context.objects)
    objects = known
    left = 1  # values to go; 0 or less: so many went by since the container began that an end mark closes
    pairs = False  # that container is a map
    outside: list[tuple[int, bool]] = []
    luck = 2  # how often objects that follow one may be tried in vain: as often as they were there, and twice
    leads: dict[int, int] = {}  # of a class, how many of the first fields are likely to be simple
    found: re.Match[bytes] | None
    while True:
        tag = data[position]
        if tag < 0x20:
            position += 1
            if text[position : position + tag].isascii():
                position += tag
            else:
                position = context.units_end(position, tag)
        elif size := sizes[tag]:
            position += size
        elif tag >= 0x60 or tag in b"OVX":
            number = -1
            if 0x60 <= tag < 0x70:
                number = tag - 0x60
                if number >= len(classes):
                    raise context.fail(position, f"class {number} of {len(classes)}")
                count = len(classes[number].fields)
                position += 1
            elif tag >= 0x78:
                count = tag - 0x78
                position += 1
            elif tag == 0x4F:
                number, after = context.integer(position + 1)
                count = len(context.definition(position, number).fields)
                position = after
            elif tag >= 0x70:
                count = tag - 0x70
                position = context.type(position + 1)[1]
            elif tag == 0x56:
                position = context.type(position + 1)[1]
                count, position = context.count(position, "elements")
            else:  # 0x58
                count, position = context.count(position + 1, "elements")
            objects += 1
            if number >= 0 and count:
                lead = leads.get(number, min(count, _FIELDS))
                while lead and (found := _values(lead).match(data, position)) is None:
                    lead = leads[number] = lead * 3 // 4
                if lead and found is not None:
                    position = found.end()
                    count -= lead
                while not count and luck and left > _GROUPS[0] + 1 and data[position] == tag:
                    found = _objects(lead, _GROUPS[0]).match(data, position)
                    if found is None:
                        luck -= 1
                        break
                    position = found.end()
                    left -= _GROUPS[0]
                    objects += _GROUPS[0]
                    luck += 1
            elif number < 0 and count:
                tag = data[position]
                fields = len(classes[tag - 0x60].fields) if 0x60 <= tag < 0x60 + min(len(classes), 16) else 0
                if 0 < fields <= _FIELDS and leads.get(tag - 0x60, fields) == fields:
                    for group in _GROUPS:
                        pattern = _objects(fields, group)
                        while (
                            count >= group
                            and data[position] == tag
                            and (found := pattern.match(data, position)) is not None
                        ):
                            position = found.end()
                            count -= group
                            objects += group
            if left <= 0 and count:  # a level of its own: the end mark of what is outside must not close it
                outside.append((left, pairs))
                left, pairs = 1, False
            left += count
            if number < 0:
                while left > _MANY + 1 and (found := _values(_MANY).match(data, position)):
                    position = found.end()
                    left -= _MANY
        elif tag == 0x5A:
            if left > 0:
                raise context.fail(position, "an end mark where a value is due")
            if pairs and left & 1:
                raise context.fail(position, "a map ends behind a key")
            left, pairs = outside.pop()
            position += 1
        elif tag in b"HMUW":
            objects += 1
            position += 1
            if tag in b"MU":
                position = context.type(position)[1]
            keyed = tag in b"HM"
            simple, least = (_PAIRS, 64) if keyed else (_ITEMS, 32)
            while data[position] != 0x5A and (found := simple.match(data, position)):
                size, position = found.end() - position, found.end()
                if size < least:  # fewer than the pattern takes: the next one is not simple
                    break
            if data[position] != 0x5A:
                outside.append((left, pairs))
                left, pairs = 0, keyed
                continue
            position += 1
        elif tag == 0x43:
            position = context.define(position + 1)
            continue
        elif 0x30 <= tag < 0x34 or tag in b"RS":
            position = context.string_end(position)
        elif 0x34 <= tag < 0x38 or tag in b"AB":
            last = False
            while not last:
                _, position, last = context.binary_piece(position)
        elif tag == 0x51:
            number, after = context.integer(position + 1)
            if not 0 <= number < objects:
                raise context.fail(position, f"reference {number} of {objects}")
            position = after
        else:
            raise context.fail(position, f"no value begins with tag {tag:02x}")
        left -= 1
        while not left:
            if not outside:
                if position > context.end:
                    raise IndexError
                context.objects.extend([None] * (objects - known))
                return position
            left, pairs = outside.pop()
            left -= 1
