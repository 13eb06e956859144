"""Sharing one file between workers: each reads all of it and keeps its own conversations.

Both directions of a TCP connection belong to one worker. All UDP belongs to worker 0: a QUIC connection outlives its
addresses. Fragments need no rule: every worker puts all of them together (they are few) and then looks at the result.
"""

from __future__ import annotations

from typing import Final
from zlib import crc32

from .dissect import TCP
from .flow import reverse

__all__ = ["Shard", "flow_hash"]

_REMEMBERED: Final = 1 << 16  # keys; the table is emptied when it is full


def flow_hash(key: bytes) -> int:
    """A 32-bit number, the same for both directions and in every process (`hash` is not)."""
    return crc32(min(key, reverse(key)))


class Shard:
    """Whether a worker, `index` of `count`, keeps a segment."""

    def __init__(self, index: int, count: int) -> None:
        if not 0 <= index < count:
            raise ValueError(f"shard {index} of {count}")
        self.index = index
        self.count = count
        self._known: dict[bytes, bool] = {}

    def wants(self, transport: int, key: bytes) -> bool:
        """For a direction, by its transport and key."""
        if transport != TCP:
            return self.index == 0
        answer = self._known.get(key)
        if answer is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            answer = self._known[key] = flow_hash(key) % self.count == self.index
        return answer
