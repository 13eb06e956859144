"""Bytes to values: a Reader is one context, whose objects, types and classes later values refer to.

http://hessian.caucho.com/doc/hessian-serialization.html

    00-1f 30-33 52 53   string            43             class definition; a value follows
    20-2f 34-37 41 42   binary            48 4d          map, map with type; to 5a
    38-3f 4c 59 d8-ff   long              4f 60-6f       object
    44 5b-5f            double            51             reference to a list, map or object
    46 54 4e            false true null   55 57          list, with type or without; to 5a
    49 80-d7            int               56 58 70-7f    list of known length, with type or without
    4a 4b               date              40 45 47 50    nothing
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, Final

from ..errors import BodyError
from ..limits import DEFAULT_LIMITS, Limits
from .context import INT, USHORT, Context
from .scalars import Date, JavaLong
from .skip import skip
from .values import JavaList, JavaMap, JavaObject

_MORE: Final = object()

_CONSTANTS: Final[dict[int, Any]] = {0x46: False, 0x4E: None, 0x54: True, 0x5B: 0.0, 0x5C: 1.0}

SMALL: Final[tuple[Any, ...]] = tuple(
    tag - 0x90 if 0x80 <= tag < 0xC0 else JavaLong(tag - 0xE0) if 0xD8 <= tag < 0xF0 else _CONSTANTS.get(tag, _MORE)
    for tag in range(256)
)
"""What a tag means that is a value by itself."""

PLAIN_DEPTH: Final = 64
"""Below so many levels, and around what lies there, every list and map is a JavaList or JavaMap: printing, comparing or
copying nested lists recurses, and the interpreter stops at some 1,000 levels; deepcopy uses three for each of ours."""

DICT_NUMBERS: Final = 1000
"""A map with more keys that are not text is a JavaMap: whoever chooses the numbers chooses how they collide in a dict.
Text is hashed with a secret. (msgpack refuses such keys for this reason, `strict_map_key`.)"""

# What an open container is. GRAPH is set once a reference was met inside it.
_ROOT, _OBJECT, _LIST, _TYPED_LIST, _MAP, _JAVA_MAP = range(6)
_GRAPH: Final = 8

_SHORT: Final = struct.Struct(">h").unpack_from
_LONG: Final = struct.Struct(">q").unpack_from
_DOUBLE: Final = struct.Struct(">d").unpack_from

Frame = tuple[list[Any], int, int, Any, int]
"""An open container: what it holds so far, how many are to come (negative: up to an end mark), what it is, itself, and
its number."""


class Reader:
    """The values of one body, one after the other.

        reader = Reader(body)
        name = reader.string()
        reader.skip()
        rest = reader.value()

    All share the tables, so that a later value may refer to an earlier one, whether that was read or only skipped.
    `offset` is where the next one begins. Raises BodyError with the offset at fault; asking again raises it again.
    """

    __slots__ = ("_context", "_start", "offset")

    def __init__(
        self,
        data: bytes | bytearray | memoryview,
        start: int = 0,
        end: int | None = None,
        limits: Limits = DEFAULT_LIMITS,
        protocol: str = "hessian2",
    ) -> None:
        """Read `data` from `start` to `end`; offsets count from the beginning of `data`, errors carry `protocol`."""
        if not isinstance(data, bytes) or (end is not None and end < len(data)):
            data = bytes(data[:end])
        self.offset = start
        self._start = start
        self._context = Context(data, limits, protocol)

    @property
    def at_end(self) -> bool:
        """Whether all bytes have been read."""
        return self.offset >= self._context.end

    @property
    def references(self) -> int:
        """How many references the values read so far hold. Values that share something had better be held by a
        JavaList or JavaMap than by a list or dict, which would go through the shared thing again for each."""
        return self._context.references

    @property
    def context(self) -> Context:
        """The tables as they are now, for a Writer that goes on from here."""
        return self._context

    def value(self) -> Any:
        """Read the next value."""
        context = self._context
        marks = context.marks()
        try:
            value, self.offset = _read(context, self.offset)
        except (IndexError, struct.error):
            context.cut(marks)
            raise context.fail(context.end, "the value goes on behind the last byte") from None
        except BodyError:
            context.cut(marks)
            raise
        return value

    def skip(self) -> None:
        """Go past the next value: many times faster than reading it. What is in it can still be referred to."""
        context = self._context
        marks = context.marks()
        start = self.offset
        try:
            self.offset = skip(context, start)
        except (IndexError, struct.error):
            context.cut(marks)
            raise context.fail(context.end, "the value goes on behind the last byte") from None
        except BodyError:
            context.cut(marks)
            raise
        if len(context.objects) > marks[0]:
            context.skipped.append((start, *marks))

    def string(self) -> str | None:
        """Read the next value, which must be a string or null."""
        context = self._context
        start = self.offset
        data = context.data
        try:
            tag = data[start]
            if tag < 0x20:
                end = start + 1 + tag
                text = context.text[start + 1 : end]
                if text.isascii() and end <= context.end:
                    self.offset = end
                    return text
            elif tag == 0x4E:
                self.offset = start + 1
                return None
            text, self.offset = context.string(start)
        except (IndexError, struct.error):
            raise context.fail(context.end, "the value goes on behind the last byte") from None
        return text


def read_one(data: bytes, limits: Limits) -> Any:
    """The one value in `data`."""
    context = Context(data, limits, "hessian2")
    try:
        value, end = _read(context, 0)
    except (IndexError, struct.error):
        raise context.fail(context.end, "the value goes on behind the last byte") from None
    if end < context.end:
        raise context.fail(end, f"{context.end - end} bytes after the value")
    return value


# -- one value ------------------------------------------------------------------------------------------------------


def _read(context: Context, position: int) -> tuple[Any, int]:
    """The value at `position` and where it ends. Open containers are on a stack of our own: input never recurses."""
    data = context.data
    text = context.text
    objects = context.objects
    classes = context.classes
    shallow = min(PLAIN_DEPTH, context.limits.depth + 1)
    small = SMALL
    more = _MORE
    add_object = objects.append
    new = JavaObject.__new__
    stack: list[Frame] = []
    # The innermost open container; a Frame once something opens inside it.
    items: list[Any] = []
    left = 1
    kind = _ROOT
    holder: Any = None
    number = -1
    append = items.append
    while True:
        tag = data[position]
        if tag < 0x20:
            position += 1
            end = position + tag
            value: Any = text[position:end]
            if value.isascii():
                position = end
            else:
                value, position = context.units(position, tag)
        elif (value := small[tag]) is not more:
            position += 1
        elif tag >= 0x80:
            if tag < 0xD0:
                value = (tag - 0xC8 << 8) + data[position + 1]
                position += 2
            elif tag < 0xD8:
                value = (tag - 0xD4 << 16) + (data[position + 1] << 8) + data[position + 2]
                position += 3
            else:
                value = JavaLong((tag - 0xF8 << 8) + data[position + 1])
                position += 2
        elif 0x60 <= tag < 0x70 or tag == 0x4F:
            start = position
            position += 1
            index = tag - 0x60
            if index < 0:
                index, position = context.integer(position)
            if not 0 <= index < len(classes):
                raise context.fail(start, f"class {index} of {len(classes)}")
            definition = classes[index]
            fields = range(len(definition.fields), 0, -1)
            short = -1 if tag == 0x4F else tag
            while True:
                held = new(JavaObject)
                held.definition = definition
                values: list[Any] = []
                held.values = values
                add_object(held)
                append = values.append
                due = 0
                # Most fields are short: they are read here, which saves most objects from becoming a Frame.
                for due in fields:  # noqa: B007  how many are left is used behind the loop
                    tag = data[position]
                    if tag < 0x20:
                        end = position + 1 + tag
                        value = text[position + 1 : end]
                        if not value.isascii():
                            break
                        append(value)
                        position = end
                    elif (value := small[tag]) is not more:
                        append(value)
                        position += 1
                    elif tag == 0x5F:
                        append(0.001 * INT(data, position + 1)[0])
                        position += 5
                    elif 0xC0 <= tag < 0xD0:
                        append((tag - 0xC8 << 8) + data[position + 1])
                        position += 2
                    elif tag == 0x44:
                        append(_DOUBLE(data, position + 1)[0])
                        position += 9
                    elif (rare := _RARE[tag]) is not None:
                        value, position = rare(context, position)
                        append(value)
                    else:
                        break
                else:
                    due = 0
                    if left != 1 and data[position] == short:  # and another one of this class
                        items.append(held)
                        left -= 1
                        position += 1
                        continue
                    append = items.append
                    value = held
                break
            if due:
                stack.append((items, left, kind, holder, number))
                items, left, kind, holder, number = values, due, _OBJECT, held, len(objects) - 1
                if len(stack) >= shallow:
                    items, kind, holder = _deep(context, stack, (items, left, kind, holder, number), position)
                continue
        elif (rare := _RARE[tag]) is not None:
            value, position = rare(context, position)
        elif tag == 0x5A:
            if left >= 0:
                raise context.fail(position, "an end mark where a value is due")
            if kind & 7 in (_MAP, _JAVA_MAP):
                holder = _close_map(context, position, (items, left, kind, holder, number))
            position += 1
            value = holder
            items, left, kind, holder, number = stack.pop()
            append = items.append
        elif tag == 0x51:
            index, after = context.integer(position + 1)
            if not 0 <= index < len(objects):
                raise context.fail(position, f"reference {index} of {len(objects)}")
            position = after
            context.references += 1
            items, kind, holder = _make_graph(objects, stack, (items, left, kind, holder, number))
            append = items.append
            value = objects[index]
            if value is None:
                _read_skipped(context)
                value = objects[index]
        elif tag == 0x43:
            position = context.define(position + 1)
            continue
        else:
            opened, position = _open(context, tag, position)
            value = opened[3]
            objects.append(value)
            if opened[1]:
                stack.append((items, left, kind, holder, number))
                items, left, kind, holder, number = opened
                if len(stack) >= shallow:
                    items, kind, holder = _deep(context, stack, opened, position)
                append = items.append
                continue
        append(value)
        left -= 1
        while not left:  # what is full goes into what holds it
            if not stack:
                if position > context.end:
                    raise IndexError
                return value, position
            value = holder
            items, left, kind, holder, number = stack.pop()
            append = items.append
            append(value)
            left -= 1


def _open(context: Context, tag: int, position: int) -> tuple[Frame, int]:
    """A list or map that begins with `tag`."""
    number = len(context.objects)
    position += 1
    if tag == 0x48:
        return ([], -1, _MAP, {}, number), position
    count = -1
    typed: str | None = None
    if tag == 0x4D:
        typed, position = context.type(position)
        return ([], -1, _JAVA_MAP, JavaMap((), typed), number), position
    if tag in b"UV" or 0x70 <= tag < 0x78:
        typed, position = context.type(position)
    elif tag not in b"WX" and not 0x78 <= tag < 0x80:
        raise context.fail(position - 1, f"no value begins with tag {tag:02x}")
    if tag >= 0x70:
        count = tag & 7
    elif tag in b"VX":
        count, position = context.count(position, "elements")
    if typed is None:
        items: list[Any] = []
        return (items, count, _LIST, items, number), position
    items = JavaList((), typed)
    return (items, count, _TYPED_LIST, items, number), position


def _close_map(context: Context, position: int, frame: Frame) -> Any:
    """A map whose end mark is at `position`: filled, or replaced where a dict would lose something."""
    items, _, kind, holder, number = frame
    if len(items) & 1:
        raise context.fail(position, "a map ends behind a key")
    keys = items[::2]
    pairs = zip(keys, items[1::2], strict=True)
    if kind & 7 == _JAVA_MAP:
        holder.pairs.extend(pairs)
        return holder
    if (
        len(keys) <= DICT_NUMBERS
        or sum([type(key) is not str and type(key) is not bytes for key in keys]) <= DICT_NUMBERS
    ):
        try:
            holder.update(pairs)
        except TypeError:  # an unhashable key
            pass
        else:
            if len(holder) == len(keys):
                return holder
    # Nobody has seen the dict: a reference to it, from inside, would have made it a JavaMap.
    holder = context.objects[number] = JavaMap(zip(keys, items[1::2], strict=True))
    return holder


def _numbers(keys: list[Any]) -> int:
    return sum([type(key) is not str and type(key) is not bytes for key in keys])


def _make_graph(objects: list[Any], stack: list[Frame], frame: Frame) -> tuple[list[Any], int, Any]:
    """Make what is open a part of a graph, now that a reference is met inside all of it.

    Nothing refers to a plain list or dict that is open: the reference would have been met inside, too. So each can be
    replaced. What encloses a container that is part of a graph already is so as well.
    """
    place = len(stack)
    while not frame[2] & _GRAPH:
        items, left, kind, holder, number = frame
        if kind == _LIST:
            items = holder = objects[number] = JavaList(items)
            kind = _TYPED_LIST
        elif kind == _MAP:
            holder = objects[number] = JavaMap()
            kind = _JAVA_MAP
        frame = (items, left, kind | _GRAPH, holder, number)
        if place == len(stack):
            inner = frame
        else:
            stack[place] = frame
        place -= 1
        if place < 0:
            break
        frame = stack[place]
    else:
        if place == len(stack):
            inner = frame
    return inner[0], inner[2], inner[3]


def _deep(context: Context, stack: list[Frame], frame: Frame, position: int) -> tuple[list[Any], int, Any]:
    """A container opens far down: too far, or so far that it and what encloses it must not be printed by recursion."""
    if len(stack) > context.limits.depth:
        raise context.fail(position, f"values nested more than {context.limits.depth} levels deep")
    if len(stack) < PLAIN_DEPTH:
        return frame[0], frame[2], frame[3]
    return _make_graph(context.objects, stack, frame)


def _read_skipped(context: Context) -> None:
    """Read, once, all that was skipped and may be referred to; the tables as they were then."""
    again = context.again()
    for start, objects, types, classes in context.skipped:
        again.objects.extend(context.objects[len(again.objects) : objects])
        again.types.extend(context.types[len(again.types) : types])
        again.classes.extend(context.classes[len(again.classes) : classes])
        _read(again, start)
        context.objects[objects : len(again.objects)] = again.objects[objects:]
    context.skipped.clear()


# -- values that hold no others ---------------------------------------------------------------------------------------


def _int(context: Context, position: int) -> tuple[Any, int]:
    return INT(context.data, position + 1)[0], position + 5


def _int_of_three(context: Context, position: int) -> tuple[Any, int]:
    high = context.data[position] - 0xD4 << 16
    return high + USHORT(context.data, position + 1)[0], position + 3


def _long_of_two(context: Context, position: int) -> tuple[Any, int]:
    return JavaLong((context.data[position] - 0xF8 << 8) + context.data[position + 1]), position + 2


def _long(context: Context, position: int) -> tuple[Any, int]:
    return JavaLong(_LONG(context.data, position + 1)[0]), position + 9


def _long_of_int(context: Context, position: int) -> tuple[Any, int]:
    return JavaLong(INT(context.data, position + 1)[0]), position + 5


def _long_of_three(context: Context, position: int) -> tuple[Any, int]:
    high = context.data[position] - 0x3C << 16
    return JavaLong(high + USHORT(context.data, position + 1)[0]), position + 3


def _double(context: Context, position: int) -> tuple[Any, int]:
    return _DOUBLE(context.data, position + 1)[0], position + 9


def _double_of_byte(context: Context, position: int) -> tuple[Any, int]:
    byte = context.data[position + 1]
    return float(byte - 256 if byte > 127 else byte), position + 2


def _double_of_short(context: Context, position: int) -> tuple[Any, int]:
    return float(_SHORT(context.data, position + 1)[0]), position + 3


def _double_of_thousandths(context: Context, position: int) -> tuple[Any, int]:
    return 0.001 * INT(context.data, position + 1)[0], position + 5


def _date(context: Context, position: int) -> tuple[Any, int]:
    return Date(_LONG(context.data, position + 1)[0]), position + 9


def _date_of_minutes(context: Context, position: int) -> tuple[Any, int]:
    return Date(INT(context.data, position + 1)[0] * 60_000), position + 5


def _binary(context: Context, position: int) -> tuple[Any, int]:
    start, end, last = context.binary_piece(position)
    if last:
        return context.data[start:end], end
    pieces = [context.data[start:end]]
    while not last:
        start, end, last = context.binary_piece(end)
        pieces.append(context.data[start:end])
    return b"".join(pieces), end


def _short_binary(context: Context, position: int) -> tuple[Any, int]:
    end = position + context.data[position] - 0x1F
    return context.data[position + 1 : end], end


_Read = Callable[[Context, int], tuple[Any, int]]
_BY_TAG: Final[dict[int, _Read]] = {
    0x44: _double,
    0x49: _int,
    0x4A: _date,
    0x4B: _date_of_minutes,
    0x4C: _long,
    0x59: _long_of_int,
    0x5D: _double_of_byte,
    0x5E: _double_of_short,
    0x5F: _double_of_thousandths,
    **dict.fromkeys((0x52, 0x53, *range(0x30, 0x34)), Context.string),
    **dict.fromkeys((0x41, 0x42, *range(0x34, 0x38)), _binary),
    **dict.fromkeys(range(0x20, 0x30), _short_binary),
    **dict.fromkeys(range(0x38, 0x40), _long_of_three),
    **dict.fromkeys(range(0xD0, 0xD8), _int_of_three),
    **dict.fromkeys(range(0xF0, 0x100), _long_of_two),
}
_RARE: Final = tuple(_BY_TAG.get(tag) for tag in range(256))
