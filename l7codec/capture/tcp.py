"""TCP streams put together from segments: RFC 9293.

    | source port | destination port | sequence 4 | acknowledgement 4 | words 4 | … | C E U A P R S F | window | …

    SYN 99         [100 … 200)           [300 … 400)   FIN 400
                     given     hole          held        held          until the hole fills or is given up

A segment is given out as soon as everything before it was. A hole is given up, and reported as a gap, when it can no
longer fill: the receiver has acknowledged bytes behind it (so they arrived and the capture missed them), too much is
held behind it, it has been open too long, or the connection or the capture ends. Bytes that come after they were given
up are dropped, like retransmissions. Where segments overlap the first to be captured wins (see `intervals`).

What is not part of the stream: keep-alive and window probe bytes before the next expected one, the text in a RST
(RFC 9293 section 3.5.3), and urgent pointers. Bytes cut by the snap length are a gap at once: they were seen, and will
not come.

A connection begins with a SYN, or in the middle with the first data seen. A second SYN with another number begins a new
connection on the same ports. While the old one is open that waits for confirmation by a segment of either side, so
that one forged SYN splits nothing; so does a segment more than the largest window away (a connection whose SYN was not
captured).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from operator import attrgetter
from typing import Final

from .dissect import TCP, Segment
from .flow import NOTHING, End, Flow, Half, Piece
from .intervals import Intervals
from .limits import CaptureLimits
from .table import FlowTable

__all__ = ["ONLY_ACK", "TELLING", "TcpTable"]

_FIN: Final = 0x01
_SYN: Final = 0x02
_RST: Final = 0x04
_PSH: Final = 0x08
_ACK: Final = 0x10
TELLING: Final = _FIN | _SYN | _RST | _ACK
ONLY_ACK: Final = _ACK
"""Of the flags in `TELLING`: a segment that neither begins nor ends anything."""

_MASK: Final = 0xFFFF_FFFF
_SIGN: Final = 0x8000_0000

_WINDOW: Final = 1 << 30
"""The largest window, 65,535 << 14 (RFC 7323 section 2.3): nothing of the same connection is further away."""

_CONVERSATION: Final = attrgetter("half.flow.number")

_UNSCALED: Final = 65_535
"""What a SYN may be acknowledged with beyond itself: data in it (RFC 7413)."""


class TcpTable(FlowTable):
    """The TCP connections of a capture: segments in, pieces of streams out."""

    def __init__(self, limits: CaptureLimits, numbers: Iterator[int]) -> None:
        super().__init__(TCP, limits.tcp_idle, limits, numbers)
        self._waiting: dict[Half, None] = {}
        self._held = 0
        self._lingering: deque[Flow] = deque()
        self._tick = max(1, limits.hole_time // 2)
        self.tick_at = 0
        """From this time on it is time to look for what is too old; see `shard.Clock`."""
        self.late = 0
        """How many of the pieces last returned time alone brought about: they come first."""
        self.strays = 0
        """Segments with data that fitted no connection, and that nothing confirmed to begin a new one."""

    @property
    def held(self) -> int:
        """Bytes held behind holes, overhead included."""
        return self._held

    def receive(
        self,
        time_ns: int,
        frame: int,
        key: bytes,
        sequence: int,
        acknowledgement: int,
        flags: int,
        payload: bytes,
        missing: int,
    ) -> Sequence[Piece]:
        """A segment as `dissect.Segment` describes it; returns the pieces that it completes, of any connection.

        Without a key it is another worker's, and tells the time. Pieces that time alone brought about come in the
        order of their conversations.
        """
        out: list[Piece] = []
        clock = min(time_ns, self.previous)
        self.previous = time_ns
        if clock >= self.tick_at:
            self.tick_at = clock + self._tick
            self._expire(clock, out)
            out.sort(key=_CONVERSATION)
            self.late = len(out)
        if not key:
            return out
        self._receive((time_ns, frame, TCP, key, sequence, acknowledgement, flags, payload, missing), out)
        return out

    def _receive(self, segment: Segment, out: list[Piece]) -> None:
        time_ns, frame, _, key, sequence, acknowledgement, flags, payload, missing = segment
        size = len(payload) + missing
        half = self.halves.get(key)
        if half is not None and time_ns - half.flow.time_ns > self.idle:
            self._close(half.flow, End.TIMEOUT, out)
            half = None
        if half is None:
            if flags & _RST or not (flags & _SYN or size):
                return  # nothing to begin with: the rest of a connection that ended before the capture began
            half = self._open(key, time_ns, frame, out)
        elif self._renewed(half, segment, out):
            return
        flow = half.flow
        if flags & _SYN:
            sequence = (sequence + 1) & _MASK
            if not _belongs(half, sequence, acknowledgement, flags):
                self._replace(half, segment, out)
                return
            if not half.started:
                _start(half, sequence)
            half.known = True
            if not flow.certain:
                flow.certain = True
                flow.client = half.peer.index if flags & _ACK else half.index
        elif not half.started and (size or flags & _FIN) and not flags & _RST:
            if size == 1 and not flags & _PSH:  # as good as surely a keep-alive: its byte was sent before, or never
                sequence, payload, missing, size = (sequence + 1) & _MASK, b"", 0, 0
            _start(half, sequence)
        start = _absolute(half, sequence) if half.started else half.position
        foreign = start >= half.position if half.ended else abs(start - half.position) > _WINDOW
        if foreign and size and not flags & _RST:
            self._replace(half, segment, out)
            return
        flow.time_ns = time_ns
        flow.frame = frame
        if flags & _ACK:  # before the data: an answer that also shows that some of the question was missed
            half.acked = acknowledgement
            self._advance(half.peer, time_ns, out)
        if flags & _RST:
            if abs(start - half.position) <= _WINDOW:
                self._limit(half, max(start, half.position), End.RST, segment)
        elif half.started:
            if size and not half.ended:
                self._data(half, start, start + size, payload, time_ns, frame, out)
            if flags & _FIN and half.position <= start + size <= half.position + _WINDOW:
                self._limit(half, start + size, End.FIN, segment)
        self._advance(half, time_ns, out)
        self._settle(flow, out)
        while self._held > self._limits.held:
            oldest = next(iter(self._waiting))
            self._release(oldest, out)
            self._settle(oldest.flow, out)

    def _data(
        self, half: Half, start: int, end: int, payload: bytes, time_ns: int, frame: int, out: list[Piece]
    ) -> None:
        """Bytes [start, end) of a direction, of which `payload` was captured."""
        if half.limit is not None:
            end = min(end, half.limit[0])
            payload = payload[: max(0, end - start)]
        if start < half.position:
            payload = payload[half.position - start :]
            start = half.position
        if start >= end:
            return  # retransmitted, kept alive, or probed
        if start == half.position and not half.pending:
            half.candidate = None
            self._give(half, start, end, payload, time_ns, frame, out)
            return
        if half.pending is NOTHING:
            half.pending = Intervals()
        half.pending.insert(start, end, payload, (time_ns, frame))

    def _give(self, half: Half, start: int, end: int, data: bytes, time_ns: int, frame: int, out: list[Piece]) -> None:
        """Give out the bytes [start, end), of which `data` was captured; what lies before them is a gap."""
        gap = start - half.position
        half.position = end
        half.flow.spoke = True
        if frame >= half.frame:
            half.time_ns, half.frame = time_ns, frame
        if data or gap:
            out.append(Piece(half, half.time_ns, half.frame, data, gap))
        cut = end - start - len(data)
        if cut:
            out.append(Piece(half, half.time_ns, half.frame, b"", cut))

    def _drain(self, half: Half, out: list[Piece]) -> None:
        """Give out what is held up to the next hole, and the end when it is reached."""
        pending = half.pending
        while pending and pending.starts[0] == half.position:
            start, end, data, (time_ns, frame) = pending.pop()
            self._give(half, start, end, data, time_ns, frame, out)
        if half.limit is not None and half.position >= half.limit[0] and not half.ended:
            self._end(half, half.limit, out)

    def _advance(self, half: Half, time_ns: int, out: list[Piece]) -> None:
        """Give out what can be given, and give up the holes that cannot fill any more."""
        self._drain(half, out)
        while not half.ended:
            if half.pending:
                known, _, _, (since, _) = half.pending.pieces[0]
            elif half.limit is not None:
                known, _, since, _ = half.limit
            else:
                return
            acked = _absolute(half, half.peer.acked) if half.peer.acked >= 0 else half.position
            if not (
                known <= acked <= half.position + _WINDOW
                or half.pending.cost > self._limits.hole_bytes
                or time_ns - since > self._limits.hole_time
            ):
                return
            self._release(half, out)

    def _release(self, half: Half, out: list[Piece]) -> None:
        """Give up the hole in front of what is held, or of the end: what lies behind it comes out, after a gap."""
        if half.pending:
            start, end, data, (time_ns, frame) = half.pending.pop()
            self._give(half, start, end, data, time_ns, frame, out)
            self._drain(half, out)
        elif half.limit is not None:
            self._end(half, half.limit, out)

    def _limit(self, half: Half, position: int, how: End, segment: Segment) -> None:
        """A direction ends at `position`; the first to say so is believed."""
        if half.limit is None and not half.ended:
            half.limit = (position, how, segment[0], segment[1])
            if half.pending:
                half.pending.cut(position)
        if how is End.RST:
            half.flow.over = End.RST

    def _end(self, half: Half, limit: tuple[int, End, int, int], out: list[Piece]) -> None:
        """A direction is over, at its limit; what it lacks before that is a gap."""
        position, how, time_ns, frame = limit
        gap = position - half.position if half.position < position else 0
        half.ended = True
        half.pending = NOTHING
        half.position = position + (how is End.FIN)  # a FIN takes a sequence number
        last = out[-1] if out else None
        if last is not None and last.half is half and last.end is None and not gap and last.frame >= frame:
            last.end = how
            return
        if frame >= half.frame:
            half.time_ns, half.frame = time_ns, frame
        half.flow.spoke = True
        out.append(Piece(half, half.time_ns, half.frame, b"", gap, how))

    def _settle(self, flow: Flow, out: list[Piece]) -> None:
        """Bring the books in order after a segment that was not plain."""
        calm = flow.spoke and flow.over is None
        for half in flow.halves:
            self._held += half.pending.cost - half.cost
            half.cost = half.pending.cost
            if not half.ended and (half.pending or half.limit is not None):
                self._waiting.setdefault(half)
                calm = False
            else:
                self._waiting.pop(half, None)
            calm = calm and half.candidate is None
        for half in flow.halves:
            half.plain = calm and half.started and not half.ended
        if flow.halves[0].ended and flow.halves[1].ended:
            flow.closed = True
        if (flow.closed or flow.over is not None) and flow in self._flows:
            del self._flows[flow]
            self._lingering.append(flow)
            if len(self._lingering) > self._limits.lingering:
                self._close(self._lingering.popleft(), End.RST, out)

    def _close(self, flow: Flow, how: End, out: list[Piece]) -> None:
        for half in flow.halves:
            while not half.ended and (half.pending or half.limit is not None):
                self._release(half, out)
            self._waiting.pop(half, None)
            self._held -= half.cost
            half.cost = 0
            half.pending = NOTHING
        super()._close(flow, how, out)

    def _replace(self, half: Half, segment: Segment, out: list[Piece]) -> None:
        """The segment fits its connection badly: it begins a new one, at once when the old one is over."""
        flow = half.flow
        if half.ended or flow.over is not None or not flow.spoke:
            self._close(flow, End.REUSED, out)
            self._receive(segment, out)
        else:
            if segment[7]:
                self.strays += 1
            half.candidate = segment
            half.plain = half.peer.plain = False

    def _renewed(self, half: Half, segment: Segment, out: list[Piece]) -> bool:
        """Whether the segment confirms that a new connection has begun; then both are taken in there."""
        _, _, _, _, sequence, acknowledgement, flags, _, _ = segment
        if flags & _SYN:
            sequence = -1  # a SYN sent again confirms nothing
        if not flags & _ACK:
            acknowledgement = -1
        for candidate, number in ((half.candidate, sequence), (half.peer.candidate, acknowledgement)):
            if candidate is None or number < 0:
                continue
            _, _, _, _, first, _, opening, payload, missing = candidate
            size = len(payload) + missing
            first += bool(opening & _SYN)
            if (0 if opening & _SYN else size) <= (number - first) & _MASK <= size:
                if payload:
                    self.strays -= 1
                self._close(half.flow, End.REUSED, out)
                self._receive(candidate, out)
                self._receive(segment, out)
                return True
        return False

    def _expire(self, clock: int, out: list[Piece]) -> None:
        """Give up holes and forget connections that are too old."""
        for half in list(self._waiting):
            if half in self._waiting:
                self._advance(half, clock, out)
                self._settle(half.flow, out)
        while self._lingering and clock - self._lingering[0].time_ns > self._limits.tcp_linger:
            self._close(self._lingering.popleft(), End.RST, out)
        self._sweep(clock, out)


def _absolute(half: Half, sequence: int) -> int:
    """The position nearest to where the direction stands that this sequence number can mean."""
    return half.position + ((sequence - half.position + _SIGN) & _MASK) - _SIGN


def _start(half: Half, sequence: int) -> None:
    """A direction's first byte is at `sequence`."""
    half.started = True
    half.first = half.position = sequence


def _belongs(half: Half, begin: int, acknowledgement: int, flags: int) -> bool:
    """Whether a SYN, after which bytes begin at `begin`, is part of the connection that is known."""
    peer = half.peer
    if half.flow.over is not None and not flags & _ACK:
        return False  # after a reset it is a new attempt, even with the same number
    if half.started:
        return (half.first - begin) & _MASK == 0  # sent again, or captured after the data
    if not peer.started:
        return True
    if flags & _ACK:  # the answer to the peer's SYN, data in which it may acknowledge
        return not peer.known or (acknowledgement - peer.first) & _MASK <= _UNSCALED
    # Captured after the answer to it, or crossing the peer's own SYN (simultaneous open).
    return peer.acked in {-1, begin} or (peer.known and peer.position == peer.first)
