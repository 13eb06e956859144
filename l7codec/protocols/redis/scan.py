r"""Where a RESP message ends: framing alone, resumable at any byte, without recursion.

Specification: https://redis.io/docs/latest/develop/reference/protocol-spec/ and, for attributes and streamed types,
https://github.com/redis/redis-specifications/blob/master/protocol/RESP3.md

    <type> <line> \r\n                      + - : _ # , (         one line
    <type> <length> \r\n <bytes> \r\n       $ ! =                 and $? … ;<length>\r\n<bytes>\r\n … ;0\r\n
    <type> <count> \r\n <values>            * ~ > | (pairs: % |)  and *? ~? %? <values> .\r\n

What has been scanned is held, so that no byte is looked at twice however it comes. A count allocates nothing.

Requests are arrays of bulk strings and nothing else; their errors bear redis-server's own words. We are stricter than
it in two points, because a proxy and its server must not disagree about where a message ends: a length ends in CR LF
(redis takes any byte for the LF), and so does a string (redis skips two bytes whatever they are).
"""

from __future__ import annotations

import re
from typing import Final

from ...buffer import ReceiveBuffer
from ...limits import Limits

__all__ = ["RESP3_TYPES", "Scan"]

RESP3_TYPES: Final = frozenset(b"_#,(!=%~>|")
"""First bytes of what RESP2 has no type for. A streamed string or aggregate is RESP3, too."""

_LENGTH: Final = re.compile(rb"0|[1-9][0-9]{0,18}")
_COUNT: Final = re.compile(rb"-?[1-9][0-9]{0,18}|0")
_INT_MAX: Final = 2**31 - 1

_AGGREGATES: Final = b"*~>%|"
_STRINGS: Final = b"$!="
_LINES: Final = b"+-:_#,("
_LONG_LINES: Final = b"+-("  # MONITOR shows whole values, and a script's error may be any length

# What an open aggregate on the stack waits for: so many values (>= 0), or, when streamed, one of these.
_VALUE_OR_END: Final = -1
_KEY_OR_END: Final = -2
_VALUE_OF_KEY: Final = -3
_PIECE: Final = -4  # of a streamed string

_LEAST_VALUE: Final = len("_\r\n")
_LEAST_ARGUMENT: Final = len("$0\r\n\r\n")


class Scan:
    """How far one side's present message has been scanned."""

    __slots__ = ("_limits", "_stack", "_string", "_verbatim", "resp3")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._stack: list[int] = []  # innermost last; empty between messages
        self._string = -1  # length of the string whose bytes come next, or -1
        self._verbatim = False  # it is one, and begins with a format
        self.resp3 = False
        """Something was seen that only RESP3 has."""

    def reset(self) -> None:
        """Forget the present message."""
        self._stack = []
        self._string = -1
        self._verbatim = False

    # -- requests -----------------------------------------------------------------------------------------------

    def command(self, buffer: ReceiveBuffer) -> int | None:
        """Bytes from `position` to the end of an array of bulk strings; None when more are needed."""
        start = position = buffer.position
        stack = self._stack
        if not stack:
            line = self._line(buffer, start, self._limits.line, "too big mbulk count string")
            if line is None:
                return None
            count = int(line[1:]) if _COUNT.fullmatch(line, 1) else _INT_MAX + 1
            if not -(2**63) <= count <= _INT_MAX:
                raise buffer.fail("invalid multibulk length")
            if count > self._limits.items:
                raise buffer.exceed(f"invalid multibulk length: {count} is over the limit of {self._limits.items}")
            stack.append(max(count, 0))  # *0 and *-1 are empty commands, which redis-server passes over
            position += len(line) + 2
            self._check_size(buffer, start, position, stack[0] * _LEAST_ARGUMENT)
        while stack[0]:
            if self._string < 0:
                line = self._line(buffer, position, self._limits.line, "too big bulk count string")
                if line is None:
                    return None
                if line[:1] != b"$":
                    raise buffer.fail(f"expected '$', got {_shown(line)}", position - start)
                size = int(line[1:]) if _LENGTH.fullmatch(line, 1) else -1
                self._open_string(buffer, size, "invalid bulk length", position)
                more = size + 2 + (stack[0] - 1) * _LEAST_ARGUMENT
                self._check_size(buffer, position, position + len(line) + 2, more)
                position += len(line) + 2
            end = self._string_end(buffer, position)
            if end is None:
                return None
            position = end
            stack[0] -= 1
        stack.clear()
        return position - buffer.position

    # -- replies ------------------------------------------------------------------------------------------------

    def reply(self, buffer: ReceiveBuffer) -> int | None:
        """Bytes from `position` to the end of a value of any type; None when more are needed."""
        data = buffer.data
        position = buffer.position
        stack = self._stack
        if not stack:
            stack.append(1)
        while True:
            if self._string >= 0:
                end = self._string_end(buffer, position)
                if end is None:
                    return None
                position = end
            while stack and stack[-1] == 0:
                stack.pop()
            if not stack:
                return position - buffer.position
            long = position < len(data) and data[position] in _LONG_LINES
            limit = self._limits.value if long else self._limits.line
            line = self._line(buffer, position, limit, "the line is too long")
            if line is None:
                return None
            self._value(buffer, line, position)
            position += len(line) + 2
            if buffer.held + position - buffer.position > self._limits.message:
                reason = f"a message of more than the limit of {self._limits.message} bytes"
                raise buffer.exceed(reason, position - buffer.position)

    def _value(self, buffer: ReceiveBuffer, line: bytes, position: int) -> None:
        """Take note of one line: a value, the beginning of one, or the end of a streamed one."""
        stack = self._stack
        at = position - buffer.position
        if not line:
            raise buffer.fail("an empty line where a type is expected", at)
        kind = line[0]
        waiting = stack[-1]
        if waiting == _PIECE:
            if kind != 59:  # ;
                raise buffer.fail(f"expected ';', got {_shown(line)}", at)
            size = int(line[1:]) if _LENGTH.fullmatch(line, 1) else -1
            if size == 0:
                stack.pop()
                return
            self._open_string(buffer, size, "invalid length of a streamed string's piece", position)
            self._check_size(buffer, position, position + len(line) + 2, size + 2)
            return
        if kind == 46 and len(line) == 1:  # .
            if waiting not in (_VALUE_OR_END, _KEY_OR_END):
                raise buffer.fail("an end mark where a value is expected", at)
            stack.pop()
            return
        if waiting > 0:
            stack[-1] = waiting - 1
        elif waiting != _VALUE_OR_END:
            stack[-1] = _VALUE_OF_KEY if waiting == _KEY_OR_END else _KEY_OR_END
        if kind in RESP3_TYPES:
            self.resp3 = True
        if kind in _AGGREGATES:
            self._aggregate(buffer, line, position)
        elif kind in _STRINGS:
            if line == b"$?":
                self._push(buffer, _PIECE, at)
            elif line != b"$-1":
                size = int(line[1:]) if _LENGTH.fullmatch(line, 1) else -1
                self._verbatim = kind == 61  # =
                if self._verbatim and size < len("txt:"):
                    size = -1
                self._open_string(buffer, size, "invalid bulk length", position)
                self._check_size(buffer, position, position + len(line) + 2, size + 2)
        elif kind not in _LINES:
            raise buffer.fail(f"expected a type, got {_shown(line)}", at)

    def _aggregate(self, buffer: ReceiveBuffer, line: bytes, position: int) -> None:
        at = position - buffer.position
        pairs = line[:1] in (b"%", b"|")
        if line == b"*-1":
            return
        if line in (b"*?", b"~?", b"%?"):
            self._push(buffer, _KEY_OR_END if pairs else _VALUE_OR_END, at)
            return
        if not _LENGTH.fullmatch(line, 1):
            raise buffer.fail("invalid multibulk length", at)
        count = int(line[1:])
        if count > self._limits.items:
            raise buffer.exceed(f"{count} elements are over the limit of {self._limits.items}", at)
        count *= 2 if pairs else 1
        if line[:1] == b"|":
            self._push(buffer, 1, at)  # the value that the attributes speak of
        self._push(buffer, count, at)
        self._check_size(buffer, position, position + len(line) + 2, count * _LEAST_VALUE)

    def _push(self, buffer: ReceiveBuffer, waits_for: int, at: int) -> None:
        if len(self._stack) > self._limits.depth:
            raise buffer.exceed(f"nested deeper than the limit of {self._limits.depth}", at)
        self._stack.append(waits_for)
        if waits_for < 0:
            self.resp3 = True

    # -- both ---------------------------------------------------------------------------------------------------

    def _line(self, buffer: ReceiveBuffer, position: int, limit: int, too_long: str) -> bytes | None:
        """The line at `position` without its CR LF; None, after `hold` and `wait`, when its end is not there."""
        data = buffer.data
        end = data.find(b"\n", position)
        if (end if end >= 0 else len(data)) - position > limit:
            raise buffer.exceed(too_long, position - buffer.position)
        if end < 0:
            buffer.hold(position - buffer.position)
            buffer.wait(limit + 1, delimiter=b"\n")
            return None
        line = data[position : end - 1] if end > position else b""
        if data[end - 1 : end] != b"\r" or end == position:
            raise buffer.fail("LF without CR", end - buffer.position)
        if 13 in line:  # ten times as fast as to look for b"\r"
            raise buffer.fail("CR without LF", position - buffer.position + line.index(b"\r"))
        return line

    def _open_string(self, buffer: ReceiveBuffer, size: int, invalid: str, position: int) -> None:
        if size < 0:
            raise buffer.fail(invalid, position - buffer.position)
        if size > self._limits.value:
            reason = f"{invalid}: {size} is over the limit of {self._limits.value}"
            raise buffer.exceed(reason, position - buffer.position)
        self._string = size

    def _string_end(self, buffer: ReceiveBuffer, position: int) -> int | None:
        """Behind the string whose bytes begin at `position`, and its CR LF; None when they are not all there."""
        data = buffer.data
        end = position + self._string
        if len(data) < end + 2:
            buffer.hold(position - buffer.position)
            buffer.wait(self._string + 2, counted=True)
            return None
        if buffer.hole is None:  # else filler may stand in for them
            if data[end] != 13 or data[end + 1] != 10:
                raise buffer.fail("a string is not followed by CR LF", end - buffer.position)
            if self._verbatim and data[position + 3] != 58:  # :
                raise buffer.fail("a verbatim string does not begin with its format", position - buffer.position)
        self._string = -1
        self._verbatim = False
        return end + 2

    def _check_size(self, buffer: ReceiveBuffer, position: int, seen: int, more: int) -> None:
        """Refuse at `position` a message that has `more` bytes at least behind what is `seen`."""
        size = buffer.held + seen - buffer.position + more
        if size > self._limits.message:
            reason = f"a message of {size} bytes or more is over the limit of {self._limits.message}"
            raise buffer.exceed(reason, position - buffer.position)


def _shown(line: bytes) -> str:
    """The first byte in quotes, as redis-server has it: what is no character of a line stands for itself, escaped."""
    first = line[:1] or b" "  # the CR at the line's end, which redis-server blanks out
    return f"'{first.decode('ascii', 'backslashreplace')}'"
