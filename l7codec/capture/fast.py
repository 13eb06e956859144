"""The fast path: a packet that is Ethernet, IPv4 and TCP, whole, in a little-endian file, is read in two unpacks.

    pcap    | record header 16 |                    pcapng   | enhanced packet block, 28 |
            | destination, source 12 | 0800 | 45 | tos | total length | id | fragment | ttl | 6 | checksum |
            | addresses 8 and ports 4: the key as it stands | sequence | acknowledgement | words | flags | …

Anything else (another link layer, VLAN, IPv6, fragments, UDP, cut packets, the edge of the window, damage) takes the
plain path: the reader's `next` and the dissector. Both give the same segments, which a test holds them to. Two unpacks,
one in each byte order, beat one whose numbers must be swapped afterwards (0.66 against 0.72–0.86 µs a packet).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from .dissect import TCP, Dissector, Segment
from .link import ETHERNET
from .pcap import MAX_CAPTURED, PcapReader
from .pcapng import MAX_BLOCK, PcapngReader

__all__ = ["pcap_segments", "pcapng_segments", "plain_segments", "segments"]

_RECORD: Final = struct.Struct("<IIII").unpack_from
_BLOCK: Final = struct.Struct("<IIIIIII").unpack_from
_WORD: Final = struct.Struct("<I").unpack_from
_HEADERS: Final = struct.Struct(">12xHBxH2xHxBxx12sIIBB").unpack_from

_IPV4: Final = 0x0800
_NO_OPTIONS: Final = 0x45  # version 4, five words
_FRAGMENTED: Final = 0x3FFF  # more fragments, or an offset
_LEAST_WORDS: Final = 0x50  # five words of TCP header
_ETHERNET_SIZE: Final = 14
_TO_TCP: Final = 34  # Ethernet and IPv4 without options
_RECORD_SIZE: Final = 16
_ENHANCED: Final = 6
_BLOCK_SIZE: Final = 28
_SECOND: Final = 1_000_000_000

Wanted: TypeAlias = Callable[[int, bytes], bool]
"""Whether the segments of a direction, named by transport and key, are wanted (see `shard`)."""


def segments(reader: PcapReader | PcapngReader, dissector: Dissector, wanted: Wanted | None) -> Iterator[Segment]:
    """All TCP and UDP segments of a file, in file order, that `wanted` does not turn down."""
    if reader.order == "<" and isinstance(reader, PcapReader):
        if reader.header_size == _RECORD_SIZE and reader.interface.link_type == ETHERNET and not reader.swapped:
            return pcap_segments(reader, dissector, wanted)
    elif isinstance(reader, PcapngReader):
        return pcapng_segments(reader, dissector, wanted)
    return plain_segments(reader, dissector, wanted)


def plain_segments(reader: PcapReader | PcapngReader, dissector: Dissector, wanted: Wanted | None) -> Iterator[Segment]:
    """The same without the fast path."""
    while (packet := reader.next()) is not None:
        segment = dissector.segment(packet)
        if segment is not None and (wanted is None or wanted(segment[2], segment[3])):
            yield segment


def pcap_segments(reader: PcapReader, dissector: Dissector, wanted: Wanted | None) -> Iterator[Segment]:
    """The same for classic pcap, little-endian, Ethernet."""
    source = reader.source
    factor = reader.factor
    limit = min(reader.max_captured, MAX_CAPTURED)
    find = dissector.segment
    frame = reader.frame
    position = source.position
    window = source.window
    size = len(window)
    while True:
        try:
            seconds, fraction, captured, _ = _RECORD(window, position)
            start = position + _RECORD_SIZE
            kind, first, total, fragment, protocol, key, sequence, acknowledgement, words, flags = _HEADERS(
                window, start
            )
        except struct.error:
            end = size + 1  # the edge of the window
        else:
            end = start + captured
            stop = start + _ETHERNET_SIZE + total
            payload = start + _TO_TCP + (words >> 4 << 2)
            if (
                kind == _IPV4
                and first == _NO_OPTIONS
                and protocol == TCP
                and payload <= stop <= end <= size
                and words >= _LEAST_WORDS
                and not fragment & _FRAGMENTED
                and captured <= limit
            ):
                frame += 1
                position = end
                if wanted is None or wanted(TCP, key):
                    yield (
                        seconds * _SECOND + fraction * factor,
                        frame,
                        TCP,
                        key,
                        sequence,
                        acknowledgement,
                        flags,
                        window[payload:stop],
                        0,
                    )
                continue
        reader.frame = frame
        source.position = position
        packet = reader.next()
        if packet is None:
            return
        frame = reader.frame
        position = source.position
        window = source.window
        size = len(window)
        segment = find(packet)
        if segment is not None and (wanted is None or wanted(segment[2], segment[3])):
            yield segment


def pcapng_segments(reader: PcapngReader, dissector: Dissector, wanted: Wanted | None) -> Iterator[Segment]:
    """The same for pcapng: enhanced packet blocks of little-endian sections, Ethernet interfaces."""
    source = reader.source
    find = dissector.segment
    frame = reader.frame
    position = source.position
    window = source.window
    interfaces, count = reader.interfaces, len(reader.interfaces)
    clocks = _clocks(reader)
    while True:
        try:
            block, length, interface, high, low, captured, _ = _BLOCK(window, position)
            start = position + _BLOCK_SIZE
            kind, first, total, fragment, protocol, key, sequence, acknowledgement, words, flags = _HEADERS(
                window, start
            )
            after = position + length
            (again,) = _WORD(window, after - 4)
        except struct.error:
            pass  # the edge of the window, or a short block: the plain path knows which
        else:
            stop = start + _ETHERNET_SIZE + total
            payload = start + _TO_TCP + (words >> 4 << 2)
            if (
                block == _ENHANCED
                and kind == _IPV4
                and first == _NO_OPTIONS
                and protocol == TCP
                and payload <= stop <= start + captured <= after - 4
                and words >= _LEAST_WORDS
                and not fragment & _FRAGMENTED
                and length == again
                and not length & 3
                and length <= MAX_BLOCK
                and (clock := clocks.get(interface)) is not None
            ):
                frame += 1
                position = after
                if wanted is None or wanted(TCP, key):
                    yield (
                        ((high << 32) | low) * clock[0] + clock[1],
                        frame,
                        TCP,
                        key,
                        sequence,
                        acknowledgement,
                        flags,
                        window[payload:stop],
                        0,
                    )
                continue
        reader.frame = frame
        source.position = position
        packet = reader.next()
        if packet is None:
            return
        frame = reader.frame
        position = source.position
        window = source.window
        if reader.interfaces is not interfaces or len(interfaces) != count:
            interfaces, count = reader.interfaces, len(reader.interfaces)
            clocks = _clocks(reader)
        segment = find(packet)
        if segment is not None and (wanted is None or wanted(segment[2], segment[3])):
            yield segment


def _clocks(reader: PcapngReader) -> dict[int, tuple[int, int]]:
    """Interface number → (nanoseconds per unit, nanoseconds to add), for those the fast path can read."""
    if reader.order != "<":
        return {}
    return {
        interface.number: (_SECOND // interface.ticks, interface.offset * _SECOND)
        for interface in reader.interfaces
        if interface.link_type == ETHERNET and not _SECOND % interface.ticks
    }
