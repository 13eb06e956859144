"""The open conversations of a capture, bounded in number and in time."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import nsmallest
from operator import attrgetter
from typing import Final

from .flow import End, Flow, Half, Piece
from .limits import CaptureLimits

__all__ = ["FlowTable"]

_LATEST: Final = attrgetter("time_ns")
_SHARE: Final = 16  # of the table is evicted at once, so that finding who is oldest costs little for each new flow


class FlowTable:
    """Finds the direction a packet belongs to by its key, and ends what has been quiet for too long.

    The capture's clock is the earlier of the last two packets' times, so that one wild time stamp ends nothing.
    """

    def __init__(self, transport: int, idle: int, limits: CaptureLimits, numbers: Iterator[int]) -> None:
        self._transport = transport
        self.idle = idle
        self._limits = limits
        self._numbers = numbers
        self.halves: dict[bytes, Half] = {}
        """Every direction that is followed, by its key."""
        self._flows: dict[Flow, None] = {}
        self.previous = 0
        """When the packet before this one was captured, whosever it was."""
        self._sweep_at = 0

    def __len__(self) -> int:
        return len(self._flows)

    def finish(self) -> list[Piece]:
        """The capture has ended: give out what is held and end every conversation, in the order of their numbers."""
        out: list[Piece] = []
        for flow in sorted({half.flow for half in self.halves.values()}, key=attrgetter("number")):
            self._close(flow, End.CAPTURE, out)
        return out

    def _open(self, key: bytes, time_ns: int, frame: int, out: list[Piece]) -> Half:
        """A new conversation whose first packet has this key."""
        if len(self._flows) >= self._limits.connections:
            for oldest in nsmallest(max(1, len(self._flows) // _SHARE), self._flows, key=_LATEST):
                self._close(oldest, End.EVICTED, out)
        flow = Flow(next(self._numbers), self._transport, key, time_ns, frame)
        self._flows[flow] = None
        for half in reversed(flow.halves):  # a packet to itself has the same key twice: the sender's half counts
            self.halves[half.key] = half
        return flow.halves[0]

    def _close(self, flow: Flow, how: End, out: list[Piece]) -> None:
        """End a conversation and forget it."""
        for half in flow.halves:
            if not half.ended:
                half.ended = True
                if flow.spoke:
                    out.append(Piece(half, flow.time_ns, flow.frame, b"", 0, flow.over or how))
        flow.closed = True
        self._forget(flow)

    def _forget(self, flow: Flow) -> None:
        self._flows.pop(flow, None)
        for half in flow.halves:
            if self.halves.get(half.key) is half:
                del self.halves[half.key]

    def _sweep(self, clock: int, out: list[Piece]) -> None:
        """End the conversations that have been quiet for too long, if it is time to look."""
        if clock < self._sweep_at:
            return
        self._sweep_at = clock + self.idle // 8
        for flow in [flow for flow in self._flows if clock - flow.time_ns > self.idle]:
            self._close(flow, End.TIMEOUT, out)
