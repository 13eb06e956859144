"""The CRYPTO stream of one side's Initials, put together: out of order, overlapping, over several packets, bounded.

The first bytes that come for a place count. A receiver may treat others as an error (RFC 9000 section 2.2), and an
honest sender never changes them, so that nothing is gained by sending both.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Final

__all__ = ["LONGEST", "PIECES", "CryptoStream"]

LONGEST: Final = 65_536
"""Bytes from the beginning that are looked at. RFC 9000 section 7.5 has endpoints buffer 4,096 at least; a ClientHello
with a post-quantum key share takes 1,800. Stops a sender that never lets its ClientHello end."""

PIECES: Final = 64
"""Pieces behind a hole that are kept. Chrome cuts its ClientHello into a dozen and shuffles them. Stops thousands of
one-byte fragments, each of which would cost a look at all others."""


class CryptoStream:
    """Takes fragments, gives whole handshake messages. `lost` says why it has given up, if it has."""

    __slots__ = ("_datas", "_ready", "_starts", "held", "lost")

    def __init__(self) -> None:
        self._ready = bytearray()
        """From the beginning up to the first hole."""
        self._starts: list[int] = []
        self._datas: list[bytearray] = []
        self.held = 0
        self.lost = ""

    def receive(self, offset: int, data: bytes) -> None:
        """A CRYPTO frame's data."""
        ready = self._ready
        if self.lost or not data:
            return
        if offset + len(data) > LONGEST:
            self.give_up(f"a handshake of more than {LONGEST} bytes")
            return
        if offset > len(ready):
            self._keep(offset, data)
            return
        fresh = data[len(ready) - offset :] if offset < len(ready) else data
        if fresh:
            if self._starts:
                for start, part in self._missing(len(ready), fresh):
                    self._insert(start, part)
                self._join()
            else:
                ready += fresh
                self.held += len(fresh)

    def message(self) -> bytes | None:
        """The first handshake message, header included; None before it is whole."""
        ready = self._ready
        if len(ready) < 4:
            return None
        end = 4 + int.from_bytes(ready[1:4], "big")
        if end > LONGEST:
            self.give_up(f"a handshake message of {end - 4} bytes, over the limit of {LONGEST}")
            return None
        return bytes(ready[:end]) if len(ready) >= end else None

    def give_up(self, reason: str) -> None:
        """Let go of what is held, and take no more."""
        self.lost = reason
        self._ready = bytearray()
        self._starts, self._datas = [], []
        self.held = 0

    def _keep(self, offset: int, data: bytes) -> None:
        for start, part in self._missing(offset, data):
            self._insert(start, part)
        if len(self._starts) > PIECES:
            self.give_up(f"a handshake in more than {PIECES} pieces at once")

    def _missing(self, offset: int, data: bytes) -> list[tuple[int, bytes]]:
        """What of these bytes is not there yet."""
        starts, datas = self._starts, self._datas
        parts: list[tuple[int, bytes]] = []
        position, end = offset, offset + len(data)
        index = max(bisect_right(starts, offset) - 1, 0)
        while position < end and index < len(starts):
            start, stop = starts[index], starts[index] + len(datas[index])
            if start >= end:
                break
            if position < start:
                parts.append((position, data[position - offset : start - offset]))
            position = max(position, stop)
            index += 1
        if position < end:
            parts.append((position, data[position - offset :]))
        return parts

    def _insert(self, start: int, data: bytes) -> None:
        self.held += len(data)
        index = bisect_right(self._starts, start)
        if index and self._starts[index - 1] + len(self._datas[index - 1]) == start:
            self._datas[index - 1] += data
        else:
            self._starts.insert(index, start)
            self._datas.insert(index, bytearray(data))

    def _join(self) -> None:
        """Move what has become contiguous to the front."""
        ready = self._ready
        count = 0
        for start, data in zip(self._starts, self._datas, strict=True):
            if start != len(ready):
                break
            ready += data
            count += 1
        del self._starts[:count], self._datas[:count]
