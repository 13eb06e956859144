"""IP datagrams put together from fragments: RFC 791 section 3.2, RFC 8200 section 4.5.

    id, offset 0, more        [0 ........ 1480)
    id, offset 2960, last                        [2960 .... 3500)     the last one tells the length
    id, offset 1480, more              [1480 ..... 2960)              complete: 3500 bytes

Overlaps: for IPv4 the first bytes win; for IPv6 a datagram with overlapping fragments is dropped (RFC 5722), exact
duplicates excepted.
"""

from __future__ import annotations

from typing import Final

from .intervals import Intervals
from .limits import CaptureLimits

__all__ = ["Fragments"]

MAX_DATAGRAM: Final = 65_535
"""RFC 791, RFC 8200: a total length is 16 bits. Attack: an offset near the end, the "ping of death"."""

_BASE_COST: Final = 512  # of an unfinished datagram, besides its pieces


class _Unfinished:
    __slots__ = ("bad", "pieces", "size", "time_ns")

    def __init__(self, time_ns: int) -> None:
        self.time_ns = time_ns
        self.size: int | None = None
        self.pieces: Intervals[None] = Intervals()
        self.bad = False

    @property
    def cost(self) -> int:
        return self.pieces.cost + _BASE_COST


class Fragments:
    """The unfinished datagrams of one capture."""

    __slots__ = ("_cost", "_limits", "_unfinished", "dropped")

    def __init__(self, limits: CaptureLimits) -> None:
        self._limits = limits
        self._unfinished: dict[bytes, _Unfinished] = {}
        self._cost = 0
        self.dropped = 0
        """Datagrams given up: too old, over the bound, or overlapping where that is forbidden."""

    @property
    def pending(self) -> int:
        """Datagrams that wait for fragments."""
        return len(self._unfinished)

    def add(
        self, key: bytes, time_ns: int, start: int, end: int, data: bytes, *, more: bool, strict: bool
    ) -> tuple[bytes, int] | None:
        """Add bytes [start, end) of the datagram `key`, of which `data` was captured.

        `key` holds addresses, protocol and identification. Returns the datagram's payload and its true length when it
        is complete: the payload ends at the first byte that no fragment has captured. `strict` is the IPv6 rule.
        """
        if end > MAX_DATAGRAM or end <= start:
            self.dropped += 1
            return None
        unfinished = self._unfinished.get(key)
        if unfinished is not None and time_ns - unfinished.time_ns > self._limits.fragment_time:
            self._drop(key)  # the identification is in use again
            unfinished = None
        if unfinished is None:
            unfinished = self._unfinished[key] = _Unfinished(time_ns)
            self._cost += unfinished.cost
        before = unfinished.cost
        pieces = unfinished.pieces
        if not (strict and pieces.holds(start, end)) and pieces.insert(start, end, data, None) and strict:
            unfinished.bad = True  # kept until it is complete or old, so that its rest makes no second datagram
        if not more and unfinished.size is None:
            unfinished.size = end
        if unfinished.size is not None:
            pieces.cut(unfinished.size)
        self._cost += unfinished.cost - before
        if pieces.covered == unfinished.size:
            del self._unfinished[key]
            self._cost -= unfinished.cost
            if unfinished.bad:
                self.dropped += 1
                return None
            return _join(pieces), unfinished.size
        while self._cost > self._limits.fragments:
            self._drop(next(iter(self._unfinished)))
        return None

    def _drop(self, key: bytes) -> None:
        self._cost -= self._unfinished.pop(key).cost
        self.dropped += 1


def _join(pieces: Intervals[None]) -> bytes:
    """The bytes up to the first that was not captured."""
    parts: list[bytes] = []
    for start, end, data, _ in pieces.pieces:
        parts.append(data)
        if len(data) < end - start:
            break
    return b"".join(parts)
