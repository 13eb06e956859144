"""From a file to its packets: `read_packets`."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from types import TracebackType
from typing import Generic, Self, TypeAlias, TypeVar

from .errors import CaptureWarning
from .files import CapturePath, open_source
from .packet import Packet
from .pcap import MAGICS, PcapReader
from .pcapng import MAGIC, PcapngReader
from .source import Source

__all__ = ["CaptureReader", "FileReader", "PacketReader", "open_reader", "read_packets"]

FileReader: TypeAlias = PcapReader | PcapngReader

Item = TypeVar("Item")


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


class CaptureReader(Generic[Item]):
    """An iterator over what is in a capture file, and what is worth knowing about the file; a context manager, too."""

    _items: Generator[Item, None, None]

    def __init__(self, path: CapturePath) -> None:
        self._source = open_source(path)
        self._reader = open_reader(self._source)

    @property
    def warnings(self) -> list[CaptureWarning]:
        """What was wrong with the file so far; empty when nothing was."""
        return self._source.warnings

    @property
    def offset(self) -> int:
        """Bytes of the (decompressed) file that were read so far: for progress."""
        return self._source.offset

    def __iter__(self) -> Iterator[Item]:
        return self._items  # the generator itself: one more around it would cost a tenth of the time

    def __next__(self) -> Item:
        return next(self._items)

    def close(self) -> None:
        """Close the file and give nothing more. Closing twice is fine."""
        self._items.close()
        self._source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class PacketReader(CaptureReader[Packet]):
    """The packets of a file."""

    def __init__(self, path: CapturePath) -> None:
        super().__init__(path)
        self._items = self._read()

    def _read(self) -> Generator[Packet, None, None]:
        while (packet := self._reader.next()) is not None:
            yield packet


def read_packets(path: CapturePath) -> PacketReader:
    """Open a capture file and give its packets in file order.

    `path` is a path, "-" for standard input, or an open binary file; gzip is undone. Raises CaptureError at once when
    the file cannot be opened or is no capture. Damage further on ends the packets early and is told in `warnings`.
    """
    return PacketReader(path)
