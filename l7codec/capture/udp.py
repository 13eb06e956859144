"""UDP (RFC 768): datagrams, named by the pair of addresses and ports they travel between."""

from __future__ import annotations

from collections.abc import Iterator

from .dissect import UDP
from .flow import End, Piece
from .limits import CaptureLimits
from .table import FlowTable

__all__ = ["UdpTable"]


class UdpTable(FlowTable):
    """Gives each datagram the number of its conversation."""

    def __init__(self, limits: CaptureLimits, numbers: Iterator[int]) -> None:
        super().__init__(UDP, limits.udp_idle, limits, numbers)

    def receive(self, time_ns: int, frame: int, key: bytes, payload: bytes, missing: int) -> list[Piece]:
        """A datagram; returns its piece, after the ends of conversations that have been quiet for too long."""
        out: list[Piece] = []
        clock = min(time_ns, self.previous)
        self.previous = time_ns
        if clock >= self._sweep_at:
            self._sweep(clock, out)
        half = self.halves.get(key)
        if half is not None and time_ns - half.flow.time_ns > self.idle:
            self._close(half.flow, End.TIMEOUT, out)
            half = None
        if half is None:
            half = self._open(key, time_ns, frame, out)
            half.known = half.peer.known = True
        flow = half.flow
        flow.time_ns = time_ns
        flow.frame = frame
        flow.spoke = True
        out.append(Piece(half, time_ns, frame, payload, 0, None, missing))
        return out
