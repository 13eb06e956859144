"""Where a message without a frame ends: resumable at any byte, without recursion.

What has been scanned is held, so that no byte is looked at twice however it comes. What is open stands on a stack: of
a struct the id of its last field, of a container how many values it still waits for, and of what types. A count
allocates nothing.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from typing import Final

from ...buffer import ReceiveBuffer
from ...errors import LimitExceeded
from ...limits import Limits
from . import binary, compact

__all__ = ["Scan", "scan_of"]

_I32: Final[Callable[..., tuple[int]]] = struct.Struct(">i").unpack_from
_TYPE_COUNT: Final = struct.Struct(">Bi").unpack_from
_TYPES_COUNT: Final = struct.Struct(">BBi").unpack_from

# What comes next, beside the values of what is open.
_HEAD: Final = 0
_ID: Final = 1
_VALUES: Final = 2


class _Open:
    """A list, set or map that still waits for `left` values: of type `even` while `left` is even, else of `odd`."""

    __slots__ = ("even", "left", "odd")

    def __init__(self, even: int, odd: int, left: int) -> None:
        self.even = even
        self.odd = odd
        self.left = left


class Scan:
    """How far one side's present message has been scanned."""

    __slots__ = ("_ahead", "_limits", "_stack", "_stage", "protocol")

    def __init__(self, limits: Limits, protocol: str) -> None:
        self.protocol = protocol
        self._limits = limits
        self._stack: list[_Open | None] = []  # None: a struct
        self._stage = _HEAD
        self._ahead = 0  # bytes that are known to belong to the message, and were not there yet

    def end(self, buffer: ReceiveBuffer) -> int | None:
        """Bytes from `position` to the message's end; None, after `hold` and `wait`, when more are needed.

        Raises RemoteProtocolError.
        """
        pos = buffer.position + self._ahead
        self._ahead = 0
        if self._stage != _VALUES:
            pos = self._head(buffer, pos)
            if pos < 0:
                return None
            self._stage = _VALUES
            self._stack.append(None)
        pos = self._values(buffer, pos)
        if pos < 0:
            return None
        self._stage = _HEAD
        return pos - buffer.position

    def _head(self, buffer: ReceiveBuffer, pos: int) -> int:
        """Behind the message's head; negative when it is not all there."""
        raise NotImplementedError

    def _values(self, buffer: ReceiveBuffer, pos: int) -> int:
        """Behind the message's struct; negative when it is not all there."""
        raise NotImplementedError

    def _pause(self, buffer: ReceiveBuffer, pos: int, need: int) -> int:
        """Go on at `pos`, which may lie behind what is there, when `need` bytes are."""
        there = len(buffer.data)
        if pos > there:
            self._ahead = pos - there
            buffer.hold(there - buffer.position)
            buffer.wait(self._ahead, counted=True)
        else:
            buffer.hold(pos - buffer.position)
            buffer.wait(need)
        return -1

    def _string(self, buffer: ReceiveBuffer, pos: int, size: int, at: int) -> int:
        """Behind a string that begins at `pos`; its length stands at `at`."""
        if size < 0:
            raise buffer.fail(f"a length of {size} bytes", at - buffer.position)
        if size > self._limits.value:
            raise buffer.exceed(f"{size} bytes are over the limit of {self._limits.value}", at - buffer.position)
        self._fits(buffer, pos + size, at)
        return pos + size

    def _count(self, buffer: ReceiveBuffer, pos: int, count: int, least: int | None, at: int) -> None:
        """Refuse at `at` a count of elements, which take `least` bytes each and begin at `pos`."""
        if count < 0:
            raise buffer.fail(f"a count of {count} elements", at - buffer.position)
        if count:
            if least is None:
                raise buffer.fail("elements of no type", at - buffer.position)
            if count > self._limits.items:
                raise buffer.exceed(
                    f"{count} elements are over the limit of {self._limits.items}", at - buffer.position
                )
            self._fits(buffer, pos + count * least, at)

    def _fits(self, buffer: ReceiveBuffer, pos: int, at: int) -> None:
        """Refuse at `at` a message that goes on to `pos` at least."""
        size = buffer.held + pos - buffer.position
        if size > self._limits.message:
            reason = f"a message of {size} bytes or more is over the limit of {self._limits.message}"
            raise buffer.exceed(reason, at - buffer.position)

    def _over(self, buffer: ReceiveBuffer, bound: int) -> LimitExceeded:
        """The error for a message that goes on behind `bound`, where the limit is."""
        reason = f"a message of more than the limit of {self._limits.message} bytes"
        return buffer.exceed(reason, bound - buffer.position)

    def _push(self, buffer: ReceiveBuffer, opened: _Open | None, at: int) -> None:
        if len(self._stack) >= self._limits.depth:
            raise buffer.exceed(f"nested deeper than the limit of {self._limits.depth}", at - buffer.position)
        self._stack.append(opened)


_FIELDS: Final = tuple(
    [3 + binary.FIXED.get(code, {11: 4, 12: 0, 13: 6, 14: 5, 15: 5}.get(code, -3)) for code in range(256)]
)
"""Bytes of a field of the binary protocol, by its type: of one whose size varies, those that tell it; 0: no type."""


class BinaryScan(Scan):
    """The binary protocol, strict or as it was before it had versions."""

    __slots__ = ("_old",)

    def __init__(self, limits: Limits, protocol: str) -> None:
        super().__init__(limits, protocol)
        self._old = protocol == "old_binary"

    def _head(self, buffer: ReceiveBuffer, pos: int) -> int:
        data = buffer.data
        if self._stage == _HEAD:
            size = 4 if self._old else 8
            if pos + size > len(data):
                return self._pause(buffer, pos, size)
            if not self._old and not 0 < data[pos + 3] < 5:
                raise buffer.fail(f"no message has the type {data[pos + 3]}", pos + 3 - buffer.position)
            pos += size
            pos = self._string(buffer, pos, _I32(data, pos - 4)[0], pos - 4)
            self._stage = _ID
        size = 5 if self._old else 4
        if pos + size > len(data):
            return self._pause(buffer, pos, size)
        if self._old and not 0 < data[pos] < 5:
            raise buffer.fail(f"no message has the type {data[pos]}", pos - buffer.position)
        return pos + size

    def _values(self, buffer: ReceiveBuffer, pos: int) -> int:
        data = buffer.data
        end = len(data)
        stack = self._stack
        fixed = binary.FIXED
        bound = self._limits.message - buffer.held + buffer.position
        while stack:
            if pos > bound:
                raise self._over(buffer, bound)
            top = stack[-1]
            if top is None:  # a field
                if pos >= end:
                    return self._pause(buffer, pos, 1)
                kind = data[pos]
                if kind == 0:
                    pos += 1
                    stack.pop()
                    continue
                size = _FIELDS[kind]
                if not size:
                    raise buffer.fail(f"no type has the code {kind}", pos - buffer.position)
                if pos + size > end:
                    return self._pause(buffer, pos, size)
                pos += size
                if kind == 11:
                    pos = self._string(buffer, pos, _I32(data, pos - 4)[0], pos - 4)
                elif kind == 12:
                    self._push(buffer, None, pos - 3)
                elif 13 <= kind <= 15:
                    pos = self._container(buffer, kind, pos)
                continue
            left = top.left
            while left:  # values of a container
                kind = top.odd if left & 1 else top.even
                if kind == 11:
                    if pos + 4 > end:
                        top.left = left
                        return self._pause(buffer, pos, 4)
                    pos = self._string(buffer, pos + 4, _I32(data, pos)[0], pos)
                elif kind in fixed:
                    if pos + fixed[kind] > end:
                        top.left = left
                        return self._pause(buffer, pos, fixed[kind])
                    pos += fixed[kind]
                else:
                    break
                left -= 1
            top.left = left
            if not left:
                stack.pop()
            elif kind == 12:
                top.left -= 1
                self._push(buffer, None, pos)
            else:
                size = 6 if kind == 13 else 5
                if pos + size > end:
                    return self._pause(buffer, pos, size)
                top.left -= 1
                pos = self._container(buffer, kind, pos + size)
        return pos

    def _container(self, buffer: ReceiveBuffer, kind: int, pos: int) -> int:
        """Behind the types and the count, which end at `pos`; or behind the whole container, if its size is known."""
        least = binary.LEAST
        if kind == 13:
            even, odd, count = _TYPES_COUNT(buffer.data, pos - 6)
            each = least[even] + least[odd] if even in least and odd in least else None
            values = 2 * count
        else:
            even, count = _TYPE_COUNT(buffer.data, pos - 5)
            odd, each, values = even, least.get(even), count
        self._count(buffer, pos, count, each, pos - 4)
        if each is None or not count:
            return pos
        if even in binary.FIXED and odd in binary.FIXED:
            return pos + int(count) * each
        self._push(buffer, _Open(even, odd, values), pos - 4)
        return pos


_BYTES: Final = {code: {4: 8, 16: 16, 19: 4}.get(code, 1) for code in binary.LEAST}
"""Bytes that a value of the compact protocol takes at least."""
_FIXED: Final = frozenset([2, 3, 4, 16, 19])
"""Of these types it takes no more."""
_NUMBERS: Final = {
    6: re.compile(rb"(?:[\x80-\xff]{0,1}+[\x00-\x7f]|[\x80-\xff]{2}[\x00-\x03])*+"),
    8: re.compile(rb"(?:[\x80-\xff]{0,3}+[\x00-\x7f]|[\x80-\xff]{4}[\x00-\x0f])*+"),
    10: re.compile(rb"(?:[\x80-\xff]{0,8}+[\x00-\x7f]|[\x80-\xff]{9}[\x00\x01])*+"),
}
"""As many numbers of a type as come, each of no more bits than the type has."""
_WINDOW: Final = 4096  # bytes looked at in one go
_HIGH: Final = bytes(range(128, 256))


class CompactScan(Scan):
    """The compact protocol, of version 1 or 2."""

    __slots__ = ("_codes",)

    def __init__(self, limits: Limits, protocol: str) -> None:
        super().__init__(limits, protocol)
        self._codes = compact.CODES[1 if protocol == "compact" else 2]

    def _head(self, buffer: ReceiveBuffer, pos: int) -> int:
        data = buffer.data
        end = len(data)
        if pos + 2 > end:
            return self._pause(buffer, pos, 2)
        if not 0 < data[pos + 1] >> 5 < 5:
            raise buffer.fail(f"no message has the type {data[pos + 1] >> 5}", pos + 1 - buffer.position)
        name = self._varint(buffer, pos + 2, 32)[1]
        if name:
            size, start = self._varint(buffer, name, 31)
            if start:
                return self._string(buffer, start, size, name)
        return self._pause(buffer, pos, end - pos + 1)

    def _values(self, buffer: ReceiveBuffer, pos: int) -> int:
        data = buffer.data
        end = len(data)
        stack = self._stack
        codes = self._codes
        bound = self._limits.message - buffer.held + buffer.position
        while stack:
            if pos > bound:
                raise self._over(buffer, bound)
            top = stack[-1]
            if top is None:  # a field
                if pos >= end:
                    return self._pause(buffer, pos, 1)
                head = data[pos]
                if head == 0:
                    pos += 1
                    stack.pop()
                    continue
                code = codes[head & 15]
                if code not in _BYTES:
                    raise buffer.fail(f"no type has the code {head & 15}", pos - buffer.position)
                start = pos + 1 if head > 15 else self._skip(buffer, pos + 1, 16)
                if not start:
                    return self._pause(buffer, pos, end - pos + 1)
                if code == 12:
                    self._push(buffer, None, pos)
                    pos = start
                    continue
                after = start if code == 2 else self._value(buffer, code, start)
                if not after:
                    return self._pause(buffer, pos, end - pos + 1)
                pos = after
                continue
            left = top.left
            while left:  # values of a container
                code = top.odd if left & 1 else top.even
                if 12 <= code <= 15:
                    break
                if code in _NUMBERS and top.even == top.odd and left > 1:
                    # In so many bytes there are no more numbers than that. Each ends in a byte below 128.
                    after = _NUMBERS[code].match(data, pos, pos + min(left, _WINDOW)).end()  # type: ignore[union-attr]
                    left -= len(data[pos:after].translate(None, _HIGH))
                    if after == pos:  # one that is cut off, or too long
                        after = self._value(buffer, code, pos)
                        left -= 1 if after else 0
                    if not after:
                        top.left = left
                        return self._pause(buffer, pos, end - pos + 1)
                    pos = after
                else:
                    after = self._value(buffer, code, pos)
                    if not after:
                        top.left = left
                        return self._pause(buffer, pos, end - pos + 1)
                    pos = after
                    left -= 1
                if pos > bound:
                    raise self._over(buffer, bound)
            top.left = left
            if not left:
                stack.pop()
            elif code == 12:
                top.left -= 1
                self._push(buffer, None, pos)
            else:
                after = self._value(buffer, code, pos)
                if not after:
                    return self._pause(buffer, pos, end - pos + 1)
                top.left -= 1
                pos = after
        return pos

    def _value(self, buffer: ReceiveBuffer, code: int, pos: int) -> int:
        """Behind a value, or what a container opens with; 0 when too few bytes are there to tell."""
        data = buffer.data
        if pos >= len(data):
            return 0
        if code == 11:
            size, start = self._varint(buffer, pos, 31)
            return self._string(buffer, start, size, pos) if start else 0
        if code == 8:
            return self._skip(buffer, pos, 32)
        if code == 10:
            return self._skip(buffer, pos, 64)
        if code == 6:
            return self._skip(buffer, pos, 16)
        if code == 13:
            return self._map(buffer, pos)
        if code >= 14 and code <= 15:
            return self._list(buffer, pos)
        after = pos + _BYTES[code]
        return after if after <= len(data) else 0

    def _list(self, buffer: ReceiveBuffer, pos: int) -> int:
        head = buffer.data[pos]
        count, start = head >> 4, pos + 1
        if count == 15:
            count, start = self._varint(buffer, pos + 1, 31)
            if not start:
                return 0
        code = self._codes[head & 15]
        least = _BYTES.get(code)
        self._count(buffer, start, count, least, pos)
        if least is None or not count:
            return start
        if code in _FIXED:
            return start + count * least
        self._push(buffer, _Open(code, code, count), pos)
        return start

    def _map(self, buffer: ReceiveBuffer, pos: int) -> int:
        data = buffer.data
        count, start = self._varint(buffer, pos, 31)
        if not start or not count:
            return start
        if start >= len(data):
            return 0
        types = data[start]
        key, item = self._codes[types >> 4], self._codes[types & 15]
        least = _BYTES[key] + _BYTES[item] if key in _BYTES and item in _BYTES else None
        self._count(buffer, start + 1, count, least, pos)
        self._push(buffer, _Open(key, item, 2 * count), pos)
        return start + 1

    def _varint(self, buffer: ReceiveBuffer, pos: int, bits: int) -> tuple[int, int]:
        """A number, and where it ends: 0 when it is not all there."""
        data = buffer.data
        number = shift = 0
        for at in range(pos, len(data)):
            byte = data[at]
            number |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                if number >> bits:
                    break
                return number, at + 1
            if shift >= bits:
                break
        else:
            return 0, 0
        raise buffer.fail(f"a number of more than {bits} bits", at - buffer.position)

    def _skip(self, buffer: ReceiveBuffer, pos: int, bits: int) -> int:
        """Behind a number; 0 when it is not all there."""
        data = buffer.data
        if pos < len(data) and data[pos] < 128:
            return pos + 1
        return self._varint(buffer, pos, bits)[1]


class JsonScan(Scan):
    """The JSON protocol: a message is an array, and ends where its bracket is closed."""

    __slots__ = ("_brackets", "_in_string")

    def __init__(self, limits: Limits, protocol: str) -> None:
        super().__init__(limits, protocol)
        self._brackets = bytearray()  # those that close what is open, innermost last
        self._in_string = False

    def end(self, buffer: ReceiveBuffer) -> int | None:
        """As for any Scan."""
        data = buffer.data
        end = len(data)
        pos = buffer.position
        bound = self._limits.message - buffer.held + pos
        while pos < end:
            found = (_STRING if self._in_string else _PLAIN).match(data, pos)
            pos = pos if found is None else found.end()
            if pos >= bound:
                raise self._over(buffer, bound)
            if pos == end or (self._in_string and data[pos] != 34):  # the latter is an escape that is cut in two
                break
            if data[pos] == 34:
                self._in_string = not self._in_string
            elif self._bracket(buffer, data[pos], pos):
                return pos + 1 - buffer.position
            pos += 1
        self._pause(buffer, pos, end - pos + 1)
        return None

    def _bracket(self, buffer: ReceiveBuffer, mark: int, pos: int) -> bool:
        """Take note of a bracket; whether it ends the message."""
        brackets = self._brackets
        if mark == 92:
            raise buffer.fail("an escape outside a string", pos - buffer.position)
        if mark in _CLOSING:
            if len(brackets) > 2 * self._limits.depth:  # an object and an array for each level
                reason = f"nested deeper than the limit of {self._limits.depth}"
                raise buffer.exceed(reason, pos - buffer.position)
            brackets.append(_CLOSING[mark])
        elif mark != brackets.pop():
            raise buffer.fail(f"{chr(mark)!r} closes what it does not open", pos - buffer.position)
        return not brackets


_CLOSING: Final = {91: 93, 123: 125}  # [] {}
_PLAIN: Final = re.compile(rb'[^"\[\]{}\\]*+')
_STRING: Final = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)


def scan_of(protocol: str, limits: Limits) -> Scan:
    """What finds the end of a message of this protocol."""
    if protocol == "json":
        return JsonScan(limits, protocol)
    if protocol in ("compact", "compact2"):
        return CompactScan(limits, protocol)
    return BinaryScan(limits, protocol)
