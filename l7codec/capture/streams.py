"""From a file to the streams in it: `read_streams`, and `read_segments` one step before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterator
from itertools import count

from .dissect import TCP, Dissector, Segment
from .fast import segments
from .files import CapturePath
from .flow import Piece
from .limits import DEFAULT_LIMITS, CaptureLimits
from .reader import CaptureReader, Item
from .shard import Shard
from .tcp import ONLY_ACK, TELLING, TcpTable
from .udp import UdpTable

__all__ = ["SegmentReader", "StreamReader", "read_segments", "read_streams"]


class _Dissecting(CaptureReader[Item]):
    """What both readers have in common: the way from the file to its segments."""

    def __init__(
        self, path: CapturePath, *, tunnels: bool, limits: CaptureLimits, shard: tuple[int, int] | None
    ) -> None:
        self._shard = None if shard is None else Shard(*shard)
        super().__init__(path)
        self._dissector = Dissector(tunnels=tunnels, limits=limits)

    @property
    def skipped(self) -> Counter[str]:
        """How many packets had no TCP or UDP in them, by reason; complete when everything was read."""
        return self._dissector.skipped


class SegmentReader(_Dissecting[Segment]):
    """The TCP segments and UDP datagrams of a file, as captured."""

    def __init__(
        self,
        path: CapturePath,
        *,
        tunnels: bool = False,
        limits: CaptureLimits = DEFAULT_LIMITS,
        shard: tuple[int, int] | None = None,
    ) -> None:
        super().__init__(path, tunnels=tunnels, limits=limits, shard=shard)
        self._items = segments(self._reader, self._dissector, self._shard)


class StreamReader(_Dissecting[Piece]):
    """The TCP streams of a file, put together, and its UDP datagrams."""

    def __init__(
        self,
        path: CapturePath,
        *,
        tunnels: bool = False,
        limits: CaptureLimits = DEFAULT_LIMITS,
        shard: tuple[int, int] | None = None,
    ) -> None:
        super().__init__(path, tunnels=tunnels, limits=limits, shard=shard)
        numbers = self._numbers()
        self._tcp = TcpTable(limits, numbers)
        self._udp = UdpTable(limits, numbers)
        self.frame = 0
        """The packet being worked on: the order in which pieces are given out, for merging the output of workers."""
        self.late = False
        """Whether the packet's time alone, not the packet, brings about what is given out now: that comes first, in the
        order of conversations."""
        self.ended = False
        """Whether all packets have been read: what comes now is what was still open."""
        self.openings: list[int] | None = None
        """Where a list is put here: `frame` at the time when each conversation was opened."""
        self._items = self._read()

    def _numbers(self) -> Iterator[int]:
        for number in count(1):
            if self.openings is not None:
                self.openings.append(self.frame)
            yield number

    @property
    def skipped(self) -> Counter[str]:
        """How many packets gave no bytes to any stream, by reason; complete when everything was read."""
        skipped = super().skipped
        if self._tcp.strays:
            skipped["tcp segment outside its connection"] = self._tcp.strays
        return skipped

    def _read(self) -> Generator[Piece, None, None]:
        table = self._tcp
        halves, idle, telling, only_ack = table.halves, table.idle, TELLING, ONLY_ACK
        tcp = table.receive
        udp = self._udp.receive
        for time_ns, frame, transport, key, sequence, acknowledgement, flags, payload, missing in segments(
            self._reader, self._dissector, self._shard, table
        ):
            self.frame = frame
            if transport == TCP:
                half = halves.get(key)
                if (
                    half is not None
                    and half.plain
                    and flags & telling == only_ack
                    and time_ns < table.tick_at
                    and not missing
                    and (not payload or (sequence - half.position) & 0xFFFF_FFFF == 0)
                    and time_ns - half.flow.time_ns <= idle
                ):
                    # The next segment in order, or a bare acknowledgement, of a connection where nothing waits: what
                    # follows is all that `receive` would do with it.
                    table.previous = time_ns
                    flow = half.flow
                    flow.time_ns = time_ns
                    flow.frame = frame
                    half.acked = acknowledgement
                    if payload:
                        half.position += len(payload)
                        yield Piece(half, time_ns, frame, payload)
                    continue
                pieces = tcp(time_ns, frame, key, sequence, acknowledgement, flags, payload, missing)
                if table.late:
                    self.late = True
                    yield from pieces[: table.late]
                    self.late = False
                    pieces = pieces[table.late :]
                    table.late = 0
                yield from pieces
            else:
                yield from udp(time_ns, frame, key, payload, missing)
        self.ended = True
        # Both tables end here, in the order in which their conversations began.
        yield from sorted(self._tcp.finish() + self._udp.finish(), key=_conversation)


def _conversation(piece: Piece) -> int:
    return piece.flow.number


def read_segments(
    path: CapturePath,
    *,
    tunnels: bool = False,
    limits: CaptureLimits = DEFAULT_LIMITS,
    shard: tuple[int, int] | None = None,
) -> SegmentReader:
    """Every TCP segment and UDP datagram as captured, as plain tuples: see `Segment`. Otherwise as `read_streams`."""
    return SegmentReader(path, tunnels=tunnels, limits=limits, shard=shard)


def read_streams(
    path: CapturePath,
    *,
    tunnels: bool = False,
    limits: CaptureLimits = DEFAULT_LIMITS,
    shard: tuple[int, int] | None = None,
) -> StreamReader:
    """Open a capture file and give its TCP streams, put together, and its UDP datagrams: pieces, in capture order.

    `path` is a path, "-" for standard input, or an open binary file; gzip is undone. `tunnels` looks into GTP-U,
    VXLAN, Geneve, GRE, ERSPAN and IP in IP. `shard=(i, n)` gives the i-th of n disjoint parts of the conversations.
    Raises CaptureError at once when the file cannot be opened or is no capture.
    """
    return StreamReader(path, tunnels=tunnels, limits=limits, shard=shard)
