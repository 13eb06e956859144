"""From a file to its packets: `read_packets`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import TracebackType
from typing import TypeAlias

from .errors import CaptureWarning
from .files import CapturePath, open_source
from .packet import Packet
from .pcap import MAGICS, PcapReader
from .pcapng import MAGIC, PcapngReader
from .source import Source

__all__ = ["FileReader", "PacketReader", "open_reader", "read_packets"]

FileReader: TypeAlias = PcapReader | PcapngReader


def open_reader(source: Source) -> FileReader:
    """The reader for these bytes, chosen by their first four. Raises CaptureError when there is none."""
    if not source.ensure(4):
        if source.warnings:  # the very first read failed, in the middle of a gzip header, say
            raise source.refuse(source.warnings[0].reason)
        raise source.refuse("the file is empty" if not source.remaining else "too short for a capture file")
    magic = source.window[:4]
    if magic == MAGIC:
        return PcapngReader(source)
    if magic in MAGICS:
        return PcapReader(source)
    raise source.refuse(f"neither pcap nor pcapng: it begins with {magic.hex(' ')}")


def read_packets(path: CapturePath) -> PacketReader:
    """Open a capture file and give its packets in file order.

    `path` is a path, "-" for standard input, or an open binary file; gzip is undone. Raises CaptureError at once when
    the file cannot be opened or is no capture. Damage further on ends the packets early and is told in `warnings`.
    """
    return PacketReader(path)


class PacketReader:
    """An iterator of packets; a context manager, too, for those who stop early."""

    def __init__(self, path: CapturePath) -> None:
        source, self._close = open_source(path)
        self._source = source
        try:
            self._next: Callable[[], Packet | None] = open_reader(source).next
        except BaseException:
            self._close()
            raise

    @property
    def warnings(self) -> list[CaptureWarning]:
        """What was wrong with the file so far; empty when nothing was."""
        return self._source.warnings

    @property
    def offset(self) -> int:
        """Bytes of the (decompressed) file that were read so far: for progress."""
        return self._source.offset

    def __iter__(self) -> Iterator[Packet]:
        return self

    def __next__(self) -> Packet:
        packet = self._next()
        if packet is None:
            self.close()
            raise StopIteration
        return packet

    def close(self) -> None:
        """Close the file; packets end here. Closing twice is fine."""
        self._next = _no_packet
        self._close()

    def __enter__(self) -> PacketReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _no_packet() -> None:
    """What a closed reader gives."""
