r"""Many small messages at once, read off a window of bytes that is split at CR LF.

    *3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n     ─▶  *3  $3  SET  $1  k  $1  v
    +OK\r\n$5\r\nhello\r\n                        ─▶  +OK  $5  hello

A piece is what it seems to be when its length is the one announced; a string that holds a CR LF itself takes several.
What is not as plain as that is left to `Scan`, which alone decides what is right and wrong. This is where the speed
comes from: `python -m benchmarks decisions` compares it with one message at a time.
"""

from __future__ import annotations

import re
from binascii import crc_hqx
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Final

from ...message import Kind, Message, Metadata, Side
from .commands import COMMANDS, ONE_KEY, slot

__all__ = ["Batch", "read_command", "still_needs"]

CLIENT: Final = Side.CLIENT
SERVER: Final = Side.SERVER
REQUEST: Final = Kind.REQUEST
RESPONSE: Final = Kind.RESPONSE

# To look for a number in bytes takes a tenth of the time that looking for bytes does.
_CR: Final = 13
_LF: Final = 10
_BRACE: Final = 123


class Batch:
    """The messages at the front of a window: what has been read, and where reading stands."""

    __slots__ = ("data", "index", "messages", "position", "side", "stop", "tokens")

    def __init__(self, side: Side, data: bytes, start: int, size: int) -> None:
        window = data if len(data) <= size and not start else data[start : start + size]
        self.side = side
        self.data = data
        self.stop = start + len(window)
        """Where in `data` the window ends."""
        self.tokens = window.split(b"\r\n")
        self.tokens.pop()  # behind the last CR LF: the beginning of what has not come yet
        self.index = 0
        self.position = start
        """Where in `data` the next message begins; its first piece is `tokens[index]`."""
        self.messages: list[Message] = []

    def add(self, message: Message, end: int) -> None:
        """A message that was framed otherwise, and ends at `end`."""
        self.messages.append(message)
        self._stop(self.index + self.data.count(b"\r\n", self.position, end), end, False)

    def _stop(self, index: int, position: int, cut: bool) -> bool:
        self.index = index
        self.position = position
        return cut

    def read_commands(self, kind: Kind, describe: Callable[[Side, Sequence[bytes], bytes], Message]) -> bool:
        """Read commands until one is not plain (False) or is cut off by the window's end (True)."""
        side, tokens, data, index, position = self.side, self.tokens, self.data, self.index, self.position
        total = len(tokens)
        append = self.messages.append
        spans = _SPANS
        while index < total:
            head = tokens[index]
            count = _COUNTS[head]
            stop = index + 1 + 2 * count
            if count == 0:
                return self._stop(index, position, False)
            if stop > total:
                return self._stop(index, position, True)
            # Two and three arguments are most of all traffic; unrolled, they take half the time.
            if count == 3:
                _, line, name, key_line, key, value_line, value = tokens[index:stop]
                span, key_span, value_span = spans[line], spans[key_line], spans[value_line]
                if (
                    span != len(line) + len(name) + 4
                    or key_span != len(key_line) + len(key) + 4
                    or value_span != len(value_line) + len(value) + 4
                ):
                    return self._stop(index, position, False)
                end = position + 4 + span + key_span + value_span
            elif count == 2:
                _, line, name, key_line, key = tokens[index:stop]
                span, key_span = spans[line], spans[key_line]
                if span != len(line) + len(name) + 4 or key_span != len(key_line) + len(key) + 4:
                    return self._stop(index, position, False)
                end = position + 4 + span + key_span
            else:
                end = position + len(head) + 2
                for line, value in zip(tokens[index + 1 : stop : 2], tokens[index + 2 : stop : 2], strict=True):
                    span = spans[line]
                    if span != len(line) + len(value) + 4:
                        return self._stop(index, position, False)
                    end += span
                name = tokens[index + 2]
                key = tokens[index + 4] if count > 1 else b""
            known = _ONE_KEY.get(name)
            if known is not None and count > 1:
                try:
                    key_text = key.decode()
                except UnicodeDecodeError:
                    key_text = key.decode("utf-8", "surrogateescape")
                metadata: Metadata = {
                    "method": known[0],
                    "keys": (key_text,),
                    "redis.slot": slot(key) if _BRACE in key else crc_hqx(key, 0) & 0x3FFF,
                    "redis.write": known[1],
                }
                append(_plain(kind, side, metadata, data[position:end]))
            else:
                append(describe(side, tokens[index + 2 : stop : 2], data[position:end]))
            index, position = stop, end
        return self._stop(index, position, True)

    def read_replies(self, resp: int, depth: int, describe: Callable[[Side, bytes], Message]) -> bool:
        """Read replies, short ones, strings, numbers, arrays of them, until one is not plain, or is cut off (True)."""
        side, tokens, data, index, position = self.side, self.tokens, self.data, self.index, self.position
        ok: Metadata = {"status": "ok", "redis.resp": resp}
        described, append = ok.copy, self.messages.append
        size_of, short = _STRINGS.get, _SHORT_REPLIES.get
        start = position
        pieces = iter(tokens[index:] if index else tokens)
        try:
            for head in pieces:
                string = size_of(head)
                if string is not None:
                    size, span = string
                    end = position + span
                    if size != len(next(pieces)) and not _skip(pieces, data, position + len(head) + 2, end):
                        break
                    append(_plain(RESPONSE, side, described(), data[position:end]))
                    position = end
                    continue
                raw = short(head)
                if raw is not None:
                    append(_plain(RESPONSE, side, described(), raw))
                    position += len(raw)
                    continue
                kind = head[:1]
                if kind in _LINE:
                    if _LF in head or _CR in head:
                        break
                    end = position + len(head) + 2
                    if kind == b"-":
                        append(describe(side, data[position:end]))
                        position = end
                        continue
                else:
                    end = _end_of_values(head, pieces, data, position, depth)
                    if end < 0:
                        break
                append(_plain(RESPONSE, side, described(), data[position:end]))
                position = end
            else:
                return self._stop(len(tokens), position, True)
        except StopIteration:  # inside a message
            return self._stop(len(tokens), position, True)
        return self._stop(index + data.count(b"\r\n", start, position), position, False)


def plain_commands(data: bytes) -> Sequence[Message]:
    """The client's commands in a piece that is nothing but whole commands with one key, known ones; else ()."""
    tokens = data.split(b"\r\n")
    if tokens.pop():
        return ()
    total = len(tokens)
    messages: list[Message] = []
    index = position = 0
    lines = _LINES
    try:
        while index < total:
            # `lines` has the line that stands before a string of each length; IndexError: a long one.
            count = _COUNTS[tokens[index]]
            stop = index + 1 + 2 * count
            if count == 2:
                _, line, name, key_line, key = tokens[index:stop]
                end = position + 12 + len(line) + len(name) + len(key_line) + len(key)
            elif count == 3:
                _, line, name, key_line, key, value_line, value = tokens[index:stop]
                if lines[len(value)] != value_line:
                    return ()
                end = position + 16 + len(line) + len(name) + len(key_line) + len(key) + len(value_line) + len(value)
            else:
                return ()
            known = _ONE_KEY.get(name)
            if known is None or lines[len(name)] != line or lines[len(key)] != key_line:
                return ()
            try:
                key_text = key.decode()
            except UnicodeDecodeError:
                key_text = key.decode("utf-8", "surrogateescape")
            metadata: Metadata = {
                "method": known[0],
                "keys": (key_text,),
                "redis.slot": slot(key) if _BRACE in key else crc_hqx(key, 0) & 0x3FFF,
                "redis.write": known[1],
            }
            messages.append(_plain(REQUEST, CLIENT, metadata, data[position:end]))
            index, position = stop, end
    except (IndexError, ValueError):  # ValueError: cut off
        return ()
    return messages


def plain_replies(data: bytes, resp: int) -> Sequence[Message]:
    """The server's replies in a piece that is nothing but whole strings and short replies; else ()."""
    tokens = data.split(b"\r\n")
    if tokens.pop():
        return ()
    messages: list[Message] = []
    position = 0
    pieces = iter(tokens)
    for head in pieces:
        span = _REPLY_SPANS.get(head)
        if span is not None:
            if span != len(head) + len(next(pieces, b"")) + 4:
                return ()
        elif head in _PLAIN_REPLIES:
            span = len(head) + 2
        else:
            return ()
        end = position + span
        messages.append(_plain(RESPONSE, SERVER, {"status": "ok", "redis.resp": resp}, data[position:end]))
        position = end
    return messages if position == len(data) else ()


def read_command(data: bytes, position: int, stop: int) -> tuple[list[bytes], int] | None:
    """The arguments of the command at `position`, and where it ends; None where that takes a closer look."""
    line_end = data.find(b"\r\n", position, stop)
    count = _COUNTS[data[position:line_end]] if line_end > 0 else 0
    args = []
    position = line_end + 2
    for _ in range(count):
        line_end = data.find(b"\r\n", position, stop)
        span = _SPANS[data[position:line_end]] if line_end > 0 else 0
        position += span
        if not span or position > stop or data[position - 2 : position] != b"\r\n":
            return None
        args.append(data[line_end + 2 : position - 2])
    return (args, position) if count else None


def _plain(kind: Kind, side: Side, metadata: Metadata, raw: bytes) -> Message:
    """The same as `Message("redis", kind, side, metadata, raw)`, in two thirds of the time: no `__init__` is called."""
    message: Message = _new(Message)
    message.protocol = "redis"
    message.kind = kind
    message.side = side
    message.metadata = metadata
    message.raw = raw
    message.id = None
    message.missing = 0
    message.error = None
    message.request = None
    return message


_new: Final = object.__new__


def still_needs(data: bytes, start: int, window: int) -> tuple[int, bool]:
    """How many bytes the unfinished message at `start` has at least, and whether all of them are known to be its own.

    0 for whatever is not a string or an array of strings, or may be wrong or over a limit, which `window` is not.
    """
    position = start
    left = 1
    while left:
        line_end = data.find(b"\n", position)
        if line_end < 0:
            return (len(data) - start + 1, False) if len(data) - position < window else (0, False)
        line = data[position : line_end - 1]
        span = _SPANS[line]
        if data[line_end - 1] != 13 or not (span or position == start):
            break
        if span:
            position += span
            left -= 1
        else:
            left = _COUNTS[line]
            position = line_end + 1
        if position - start + 8 * left > window:
            break
        if position > len(data):
            return position - start, True
        if data[position - 2 : position] != b"\r\n":
            break
    return 0, False


def _end_of_values(head: bytes, pieces: Iterator[bytes], data: bytes, position: int, depth: int) -> int:
    """Where the string or array ends whose first line `head` begins at `position`; -1 where that takes a closer look.

    Raises StopIteration where it is cut off.
    """
    size_of = _STRINGS.get
    left = 1  # values still to come
    arrays = 0
    for line in chain((head,), pieces):
        string = size_of(line)
        if string is not None or (string := _size_and_span(line)):
            size, span = string
            position += span
            if size != len(next(pieces)) and not _skip(pieces, data, position - size - 2, position):
                return -1
        else:
            count = _COUNTS[line]
            if count:
                arrays += 1
                if arrays >= depth:  # too deep, perhaps
                    return -1
                left += count
            elif line not in _SHORT_REPLIES and (line[:1] not in _LINE or _LF in line or _CR in line):
                return -1
            position += len(line) + 2
        left -= 1
        if not left:
            return position
    raise StopIteration


def _size_and_span(line: bytes) -> tuple[int, int] | None:
    span = _SPANS[line]
    return (span - len(line) - 4, span) if span else None


def _skip(pieces: Iterator[bytes], data: bytes, start: int, end: int) -> bool:
    """Skip what is left of a string's pieces, the first of which is taken; False if it does not end in CR LF.

    It stands, with the CR LF behind it, between `start` and `end`. Raises StopIteration where it is cut off.
    """
    if end > len(data):
        raise StopIteration
    if data[end - 2 : end] != b"\r\n":
        return False
    for _ in range(data.count(b"\r\n", start, end) - 1):
        next(pieces)
    return True


class _Counts(dict[bytes, int]):
    """How many values follow a line that opens an array; 0 for any other line."""

    def __missing__(self, line: bytes) -> int:
        return int(line[1:]) if _COUNT.fullmatch(line) else 0


class _Spans(dict[bytes, int]):
    """How many bytes a string takes with its first line and both CR LF, by that line; 0 for any other line."""

    def __missing__(self, line: bytes) -> int:
        return int(line[1:]) + len(line) + 4 if _SIZE.fullmatch(line) else 0


_COUNT: Final = re.compile(rb"\*[1-9][0-9]{0,5}")
_SIZE: Final = re.compile(rb"\$(?:0|[1-9][0-9]{0,5})")
_ONE_KEY: Final = {name: (known.name, known.may_write) for name, known in COMMANDS.items() if known.shape == ONE_KEY}
_COUNTS: Final = _Counts({b"*%d" % count: count for count in range(1, 65)})
_STRINGS: Final = {b"$%d" % size: (size, size + len(b"$%d" % size) + 4) for size in range(512)}
_SPANS: Final = _Spans({b"$%d" % size: size + len(b"$%d" % size) + 4 for size in range(512)})
_SHORT_REPLIES: Final = {
    line: line + b"\r\n"
    for line in (b"+OK", b"+QUEUED", b"+PONG", b"$-1", b"*-1", b"*0", *(b":%d" % number for number in range(256)))
}
_LINE: Final = frozenset((b"+", b":", b"-"))
_LINES: Final = [b"$%d" % size for size in range(2048)]
_REPLY_SPANS: Final = {line: size + len(line) + 4 for size, line in enumerate(_LINES)}
_PLAIN_REPLIES: Final = frozenset(_SHORT_REPLIES) - {b"+QUEUED"}
