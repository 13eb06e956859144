"""Sharing one file between workers: each reads all of it and keeps its own conversations.

Both directions of a TCP connection belong to one worker. All UDP belongs to worker 0: a QUIC connection outlives its
addresses. Fragments need no rule: every worker puts all of them together (they are few) and then looks at the result.
"""

from __future__ import annotations

from typing import Final, Protocol
from zlib import crc32

from .dissect import TCP
from .flow import reverse

__all__ = ["Clock", "Shard", "flow_hash"]

_GOLDEN: Final = 2_654_435_769  # 2³² over the golden ratio: Knuth, volume 3, section 6.4

_REMEMBERED: Final = 1 << 16  # keys; the table is emptied when it is full


def flow_hash(key: bytes) -> int:
    """A number below 2¹⁶, the same for both directions and in every process (`hash` is not)."""
    # The multiplication mixes: a bit of a CRC alone is the parity of some input bits, and ports often count by twos.
    return (crc32(min(key, reverse(key))) * _GOLDEN & 0xFFFF_FFFF) >> 16


class Clock(Protocol):
    """What a worker must be told of the others' TCP packets: the time, so that what is given up because it is too old
    is given up at the same packet as without workers. Before `tick_at` it is enough to set `previous`.
    """

    previous: int
    tick_at: int


class Shard:
    """Which segments a worker keeps that is number `index` of `count`."""

    def __init__(self, index: int, count: int) -> None:
        if not 0 <= index < count:
            raise ValueError(f"shard {index} of {count}")
        self.tcp: dict[bytes, bool] = _Known(index, count)
        """Whether it keeps a TCP direction, by key: ask with `shard.tcp[key]`, which is never a KeyError."""
        self.udp = index == 0
        """Whether it keeps UDP."""

    def wants(self, transport: int, key: bytes) -> bool:
        """For a direction of either transport."""
        return self.tcp[key] if transport == TCP else self.udp


class _Known(dict[bytes, bool]):
    """Answers that were worked out before cost a dictionary look-up and no call: there is one for every packet."""

    def __init__(self, index: int, count: int) -> None:
        super().__init__()
        self._index = index
        self._count = count

    def __missing__(self, key: bytes) -> bool:
        if len(self) >= _REMEMBERED:
            self.clear()
        answer = self[key] = flow_hash(key) % self._count == self._index
        return answer
