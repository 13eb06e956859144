"""From a file to the streams in it: `read_streams`, and `read_segments` one step before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import count
from types import TracebackType

from .dissect import TCP, Dissector, Segment
from .errors import CaptureWarning
from .fast import segments
from .files import CapturePath, open_source
from .flow import Piece
from .limits import DEFAULT_LIMITS, CaptureLimits
from .reader import open_reader
from .shard import Shard
from .tcp import TcpTable
from .udp import UdpTable

__all__ = ["StreamReader", "read_segments", "read_streams"]


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


def read_segments(
    path: CapturePath, *, tunnels: bool = False, limits: CaptureLimits = DEFAULT_LIMITS
) -> Iterator[Segment]:
    """Every TCP segment and UDP datagram as captured, as plain tuples: see `Segment`. Raises as `read_streams` does."""
    source, close = open_source(path)
    try:
        reader = open_reader(source)
    except BaseException:
        close()
        raise
    return _closing(segments(reader, Dissector(tunnels=tunnels, limits=limits), None), close)


class StreamReader:
    """An iterator of pieces, with what is worth knowing about the file; a context manager, too."""

    def __init__(
        self, path: CapturePath, *, tunnels: bool, limits: CaptureLimits, shard: tuple[int, int] | None
    ) -> None:
        own = Shard(*shard) if shard is not None else None
        self._source, self._close = open_source(path)
        try:
            reader = open_reader(self._source)
        except BaseException:
            self._close()
            raise
        self._dissector = Dissector(tunnels=tunnels, limits=limits)
        self._segments = segments(reader, self._dissector, None if own is None else own.wants)
        numbers = count(1)
        self._tcp = TcpTable(limits, numbers)
        self._udp = UdpTable(limits, numbers)
        self.frame = 0
        """The packet being worked on: the order in which pieces are given out, when workers' output is merged."""
        self._pieces = self._read()

    @property
    def warnings(self) -> list[CaptureWarning]:
        """What was wrong with the file so far; empty when nothing was."""
        return self._source.warnings

    @property
    def skipped(self) -> Counter[str]:
        """How many packets had no TCP or UDP in them, by reason; complete when the pieces have ended."""
        return self._dissector.skipped

    @property
    def offset(self) -> int:
        """Bytes of the (decompressed) file that were read so far: for progress."""
        return self._source.offset

    def _read(self) -> Iterator[Piece]:
        tcp = self._tcp.receive
        udp = self._udp.receive
        try:
            for time_ns, frame, transport, key, sequence, acknowledgement, flags, payload, missing in self._segments:
                self.frame = frame
                if transport == TCP:
                    yield from tcp(time_ns, frame, key, sequence, acknowledgement, flags, payload, missing)
                else:
                    yield from udp(time_ns, frame, key, payload, missing)
            self._dissector.finish()
            # Both tables end here, in the order in which their conversations began.
            yield from sorted(self._tcp.finish() + self._udp.finish(), key=_conversation)
        finally:
            self._close()

    def __iter__(self) -> Iterator[Piece]:
        return self._pieces

    def __next__(self) -> Piece:
        return next(self._pieces)

    def close(self) -> None:
        """Close the file; pieces end here. Closing twice is fine."""
        self._pieces = iter(())
        self._close()

    def __enter__(self) -> StreamReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _conversation(piece: Piece) -> int:
    return piece.flow.number


def _closing(found: Iterator[Segment], close: Callable[[], None]) -> Iterator[Segment]:
    try:
        yield from found
    finally:
        close()
