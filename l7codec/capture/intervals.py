"""Pieces of a byte sequence that arrive in any order and overlap; at each byte the first to arrive wins.

    first    [aaaaaa]      [bbbb]
    then         [cccccccccccc]
    kept     [aaaaaa][cccc][bbbb]

First wins because what was seen first is, as a rule, what the receiver took: most stacks keep what they have queued.
An attacker who sends two versions of the same bytes is seen with one of them, always the same, however the packets
are cut.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import Generic, TypeVar

__all__ = ["OVERHEAD", "Intervals"]

Tag = TypeVar("Tag")

OVERHEAD = 256
"""What a piece costs besides its bytes, so that many tiny ones are bounded like few large ones."""


class Intervals(Generic[Tag]):
    """Disjoint pieces in order; a piece may be longer than its data, which then lacks its tail (snap length)."""

    __slots__ = ("cost", "covered", "pieces", "starts")

    def __init__(self) -> None:
        self.starts: list[int] = []
        self.pieces: list[tuple[int, int, bytes, Tag]] = []
        """(start, end, data, tag)"""
        self.cost = 0
        """Bytes held, with `OVERHEAD` for each piece."""
        self.covered = 0
        """How long the pieces are together."""

    def __len__(self) -> int:
        return len(self.pieces)

    def insert(self, start: int, end: int, data: bytes, tag: Tag) -> bool:
        """Add what is new of data that covers [start, end); whether any of it overlapped what was there."""
        origin = start
        overlapped = False
        index = bisect_right(self.starts, start)
        if index and self.pieces[index - 1][1] > start:
            start = self.pieces[index - 1][1]
            overlapped = True
        while start < end:
            following = self.starts[index] if index < len(self.starts) else end
            stop = min(following, end)
            if stop > start:
                part = data[start - origin : stop - origin]
                self.starts.insert(index, start)
                self.pieces.insert(index, (start, stop, part, tag))
                self.cost += len(part) + OVERHEAD
                self.covered += stop - start
                index += 1
            if stop == end:
                break
            overlapped = True
            start = self.pieces[index][1]
            index += 1
        return overlapped

    def holds(self, start: int, end: int) -> bool:
        """Whether just this piece is there already."""
        index = bisect_left(self.starts, start)
        return index < len(self.starts) and self.pieces[index][:2] == (start, end)

    def pop(self) -> tuple[int, int, bytes, Tag]:
        """Take the first piece out."""
        del self.starts[0]
        piece = self.pieces.pop(0)
        self.cost -= len(piece[2]) + OVERHEAD
        self.covered -= piece[1] - piece[0]
        return piece

    def cut(self, end: int) -> None:
        """Forget what lies at or behind `end`."""
        while self.pieces and self.pieces[-1][1] > end:
            del self.starts[-1]
            start, stop, data, tag = self.pieces.pop()
            self.cost -= len(data) + OVERHEAD
            self.covered -= stop - start
            if start < end:
                self.insert(start, end, data[: end - start], tag)
