"""Past a value without making it. The tables are kept: objects are counted, types and classes taken up.

Containers of known length need no level of their own: an object of five fields is five more values to go.
"""

from __future__ import annotations

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


def skip(context: Context, position: int) -> int:
    """Where the value at `position` ends.

    Agrees with what reading finds wherever the value can be read. Text is measured, not decoded, and depth costs
    nothing here: what is wrong in those ways only reading will tell.
    """
    data = context.data
    text = context.text
    sizes = SIZES
    known = len(context.objects)
    objects = known
    left = 1  # values to go; 0 or less: so many went by since the container began that an end mark closes
    pairs = False  # that container is a map
    outside: list[tuple[int, bool]] = []
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
        elif tag == 0x43:
            position = context.define(position + 1)
            continue
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
            outside.append((left, pairs))
            left = 0
            pairs = tag in b"HM"
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
            if 0x60 <= tag < 0x70:
                count = len(context.definition(position, tag - 0x60).fields)
                position += 1
            elif tag == 0x4F:
                number, after = context.integer(position + 1)
                count = len(context.definition(position, number).fields)
                position = after
            elif 0x78 <= tag < 0x80:
                count = tag - 0x78
                position += 1
            elif 0x70 <= tag < 0x78:
                count = tag - 0x70
                position = context.type(position + 1)[1]
            elif tag == 0x56:
                position = context.type(position + 1)[1]
                count, position = context.count(position, "elements")
            elif tag == 0x58:
                count, position = context.count(position + 1, "elements")
            else:
                raise context.fail(position, f"no value begins with tag {tag:02x}")
            objects += 1
            if left > 0:
                left += count
            elif count:
                outside.append((left, pairs))
                left = count
                continue
        left -= 1
        while not left:
            if not outside:
                if position > context.end:
                    raise IndexError
                context.objects.extend([None] * (objects - known))
                return position
            left, pairs = outside.pop()
            left -= 1
