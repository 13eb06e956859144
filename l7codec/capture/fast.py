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
from collections.abc import Generator
from typing import Final

from .dissect import TCP, Dissector, Segment
from .link import ETHERNET
from .pcap import MAX_CAPTURED, PcapReader
from .pcapng import PcapngReader
from .shard import Clock, Shard

__all__ = ["pcap_segments", "pcapng_segments", "plain_segments", "segments"]

_RECORD: Final = struct.Struct("<III").unpack_from
_BLOCK: Final = struct.Struct("<IIIIII").unpack_from
_NEXT_BLOCK: Final = struct.Struct("<IIIIIII").unpack_from  # with the length that ends the block before it
_HEADERS: Final = struct.Struct(">12xHBxH2xHxBxx12sIIBB").unpack_from

_IPV4: Final = 0x0800
_NO_OPTIONS: Final = 0x45  # version 4, five words
_FRAGMENTED: Final = 0x3FFF  # more fragments, or an offset
_ETHERNET_SIZE: Final = 14
_RECORD_SIZE: Final = 16
_ENHANCED: Final = 6
_BLOCK_SIZE: Final = 28
_SECOND: Final = 1_000_000_000

_NEVER: Final = 1 << 40
_PAYLOAD: Final = tuple(34 + (words >> 4 << 2) if words >> 4 >= 5 else _NEVER for words in range(256))
"""Where the payload begins in a frame, by the byte that holds TCP's header length: behind everything where that is
below five words, so that one comparison settles both."""


def segments(
    reader: PcapReader | PcapngReader, dissector: Dissector, shard: Shard | None, clock: Clock | None = None
) -> Generator[Segment, None, None]:
    """All TCP and UDP segments of a file, in file order, that the shard keeps.

    With a clock, also the times at which it ticks, by other workers' packets: TCP segments without a key.
    """
    if reader.order == "<" and isinstance(reader, PcapReader):
        if reader.header_size == _RECORD_SIZE and reader.interface.link_type == ETHERNET and not reader.swapped:
            return pcap_segments(reader, dissector, shard, clock)
    elif isinstance(reader, PcapngReader):
        return pcapng_segments(reader, dissector, shard, clock)
    return plain_segments(reader, dissector, shard, clock)


def plain_segments(
    reader: PcapReader | PcapngReader, dissector: Dissector, shard: Shard | None, clock: Clock | None = None
) -> Generator[Segment, None, None]:
    """The same without the fast path."""
    while (packet := reader.next()) is not None:
        segment = dissector.segment(packet)
        if segment is None:
            continue
        if shard is None or shard.wants(segment[2], segment[3]):
            yield segment
        elif clock is not None and segment[2] == TCP:
            if segment[0] < clock.tick_at:
                clock.previous = segment[0]
            else:
                yield _tick(segment[0], segment[1])


def pcap_segments(
    reader: PcapReader, dissector: Dissector, shard: Shard | None, clock: Clock | None = None
) -> Generator[Segment, None, None]:
    """The same for classic pcap, little-endian, Ethernet."""
    record, headers, payloads, tcp, ipv4 = _RECORD, _HEADERS, _PAYLOAD, TCP, _IPV4
    mine = None if shard is None else shard.tcp
    source = reader.source
    factor = reader.factor
    second = base = -1
    window, size = source.window, _trusted(source.window)
    position = source.position
    frame = reader.frame
    while True:
        try:
            seconds, fraction, captured = record(window, position)
            start = position + _RECORD_SIZE
            kind, first, total, fragment, protocol, key, sequence, acknowledgement, words, flags = headers(
                window, start
            )
        except struct.error:
            pass  # the edge of the window, or a short packet: the plain path knows which
        else:
            end = start + captured
            stop = start + _ETHERNET_SIZE + total
            payload = start + payloads[words]
            if (
                kind == ipv4
                and first == _NO_OPTIONS
                and protocol == tcp
                and payload <= stop <= end <= size
                and not fragment & _FRAGMENTED
            ):
                frame += 1
                position = end
                if seconds != second:
                    second, base = seconds, seconds * _SECOND
                time_ns = base + fraction * factor
                if mine is None or mine[key]:
                    yield (
                        time_ns,
                        frame,
                        tcp,
                        key,
                        sequence,
                        acknowledgement,
                        flags,
                        window[payload:stop],
                        0,
                    )
                elif clock is not None:
                    if time_ns < clock.tick_at:
                        clock.previous = time_ns
                    else:
                        yield _tick(time_ns, frame)
                continue
        reader.frame, source.position = frame, position
        packet = reader.next()
        if packet is None:
            return
        frame, position = reader.frame, source.position
        window, size = source.window, _trusted(source.window)
        segment = dissector.segment(packet)
        if segment is None:
            continue
        if shard is None or shard.wants(segment[2], segment[3]):
            yield segment
        elif clock is not None and segment[2] == TCP:
            if segment[0] < clock.tick_at:
                clock.previous = segment[0]
            else:
                yield _tick(segment[0], segment[1])


def _tick(time_ns: int, frame: int) -> Segment:
    """What another worker's packet is for this one, where the clock ticks."""
    return (time_ns, frame, TCP, b"", 0, 0, 0, b"", 0)


def _trusted(window: bytes) -> int:
    """How much of the window the fast path may read: all, unless a record in it could be longer than is allowed."""
    return len(window) if len(window) <= MAX_CAPTURED else 0


def pcapng_segments(
    reader: PcapngReader, dissector: Dissector, shard: Shard | None, clock: Clock | None = None
) -> Generator[Segment, None, None]:
    """The same for pcapng: enhanced packet blocks of little-endian sections, Ethernet interfaces."""
    following, headers, payloads, tcp, ipv4 = _NEXT_BLOCK, _HEADERS, _PAYLOAD, TCP, _IPV4
    mine = None if shard is None else shard.tcp
    source = reader.source
    interfaces, count, clocks = reader.interfaces, len(reader.interfaces), _clocks(reader)
    known = False
    current = upper = -1
    factor = base = 0
    window, size = source.window, _trusted(source.window)
    position = source.position
    frame = reader.frame
    while True:
        try:
            if not known:
                block, length, interface, high, low, captured = _BLOCK(window, position)
            start = position + _BLOCK_SIZE
            kind, first, total, fragment, protocol, key, sequence, acknowledgement, words, flags = headers(
                window, start
            )
            after = position + length
            again, block_, length_, interface_, high_, low_, captured_ = following(window, after - 4)
        except struct.error:
            pass  # the edge of the window, or a short block: the plain path knows which
        else:
            stop = start + _ETHERNET_SIZE + total
            payload = start + payloads[words]
            if (
                block == _ENHANCED
                and kind == ipv4
                and first == _NO_OPTIONS
                and protocol == tcp
                and payload <= stop <= start + captured < after <= size
                and length == again
                and not fragment & _FRAGMENTED
                and not length & 3
                and interface in clocks
            ):
                if interface != current or high != upper:
                    current, upper = interface, high
                    factor, base = clocks[interface]
                    base += (high << 32) * factor
                frame += 1
                position = after
                time_ns = base + low * factor
                block, length, interface, high, low, captured = block_, length_, interface_, high_, low_, captured_
                known = True
                if mine is None or mine[key]:
                    yield (
                        time_ns,
                        frame,
                        tcp,
                        key,
                        sequence,
                        acknowledgement,
                        flags,
                        window[payload:stop],
                        0,
                    )
                elif clock is not None:
                    if time_ns < clock.tick_at:
                        clock.previous = time_ns
                    else:
                        yield _tick(time_ns, frame)
                continue
        known = False
        reader.frame, source.position = frame, position
        packet = reader.next()
        if packet is None:
            return
        frame, position = reader.frame, source.position
        window, size = source.window, _trusted(source.window)
        if reader.interfaces is not interfaces or len(interfaces) != count:
            interfaces, count, clocks = reader.interfaces, len(reader.interfaces), _clocks(reader)
            current = -1
        segment = dissector.segment(packet)
        if segment is None:
            continue
        if shard is None or shard.wants(segment[2], segment[3]):
            yield segment
        elif clock is not None and segment[2] == TCP:
            if segment[0] < clock.tick_at:
                clock.previous = segment[0]
            else:
                yield _tick(segment[0], segment[1])


def _clocks(reader: PcapngReader) -> dict[int, tuple[int, int]]:
    """Interface number → (nanoseconds per unit, nanoseconds to add), for those the fast path can read."""
    if reader.order != "<":
        return {}
    return {
        interface.number: (_SECOND // interface.ticks, interface.offset * _SECOND)
        for interface in reader.interfaces
        if interface.link_type == ETHERNET and not _SECOND % interface.ticks
    }
