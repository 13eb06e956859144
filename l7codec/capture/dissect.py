"""The plain path from a packet to its transport segment; `fast` is a shortcut through it for the most common packets.

packet ─ link ─▶ EtherType ─ ip ─▶ protocol ─▶ TCP or UDP ─▶ Segment
           ▲         ▲  └ fragments ┘   │
           └─────────┴──── tunnels ◀────┘
"""

from __future__ import annotations

import struct
from collections import Counter
from typing import Final, TypeAlias

from . import tunnels
from .fragments import Fragments
from .ip import ipv4, ipv6
from .limits import DEFAULT_LIMITS, CaptureLimits
from .link import ETHERTYPE_IPV4, ETHERTYPE_IPV6, LINK_TYPES, network, unwrap
from .packet import Packet

__all__ = ["TCP", "UDP", "Dissector", "Segment"]

TCP: Final = 6
UDP: Final = 17

Segment: TypeAlias = tuple[int, int, int, bytes, int, int, int, bytes, int]
"""(time_ns, frame, transport, key, sequence, acknowledgement, flags, payload, missing)

`transport` is 6 or 17; `key` source and destination address (4 or 16 bytes each), source and destination port, as they
stand on the wire: it names one direction. `missing` bytes follow the payload that were on the wire and not captured.
For UDP sequence, acknowledgement and flags are 0. A plain tuple: it is built once for every packet, and named ones
cost four times as much.
"""

_TCP: Final = struct.Struct(">4xIIBB").unpack_from
_TCP_LEAST: Final = 20
_UDP: Final = struct.Struct(">HHH").unpack_from
_UDP_HEADER: Final = 8


class Dissector:
    """Finds the TCP segment or UDP datagram in each packet; keeps unfinished fragments, counts what it passes over."""

    __slots__ = ("_fragments", "_skipped", "_tunnels")

    def __init__(self, *, tunnels: bool = False, limits: CaptureLimits = DEFAULT_LIMITS) -> None:
        self._fragments = Fragments(limits)
        self._tunnels = tunnels
        self._skipped: Counter[str] = Counter()

    @property
    def skipped(self) -> Counter[str]:
        """How many packets held no segment, by reason: "ethertype 0x0806", "ip protocol 1", "cut short", …

        Unfinished datagrams are counted once each, those that still wait for a fragment included.
        """
        skipped = self._skipped.copy()
        unfinished = self._fragments.dropped + self._fragments.pending
        if unfinished:
            skipped["unfinished ip datagram"] = unfinished
        return skipped

    def segment(self, packet: Packet) -> Segment | None:
        """The segment this packet holds or completes; None where it holds none."""
        try:
            found = self._find(packet)
        except (IndexError, struct.error):
            found = "cut short"
        if isinstance(found, str):
            self._skipped[found] += 1
            return None
        return found

    def _find(self, packet: Packet) -> Segment | str | None:
        """The segment, the reason why there is none, or None for a fragment."""
        data = packet.data
        wire = max(packet.length, len(data))
        kind, offset = network(packet.link_type, data)
        for _ in range(tunnels.MAX_DEPTH):
            if kind == ETHERTYPE_IPV4:
                datagram = ipv4(data, offset, wire)
            elif kind == ETHERTYPE_IPV6:
                datagram = ipv6(data, offset, wire)
            elif packet.link_type not in LINK_TYPES:
                return f"link type {packet.link_type}"
            else:
                return f"ethertype 0x{kind:04x}" if kind >= 0 else "no ip packet"
            if datagram is None:
                return "malformed ip header"
            protocol, addresses, offset, end, fragment = datagram
            if fragment is not None:
                identification, first, more = fragment
                whole = self._fragments.add(
                    b"%b%b%c" % (addresses, identification, protocol),
                    packet.time_ns,
                    first,
                    first + end - offset,
                    data[offset:end],
                    more=more,
                    strict=kind == ETHERTYPE_IPV6,
                )
                if whole is None:
                    return None
                data, end = whole
                offset = 0
            if protocol == TCP:
                return self._tcp(packet, addresses, data, offset, end)
            inner = None
            if protocol == UDP:
                inner = self._inner(data, offset) if self._tunnels else None
                if inner is None:
                    return self._udp(packet, addresses, data, offset, end)
            elif self._tunnels:
                if protocol == tunnels.GRE:
                    inner = tunnels.gre(data, offset)
                elif protocol in tunnels.IP_IN_IP:
                    inner = tunnels.IP_IN_IP[protocol], offset
            if inner is None:
                return f"ip protocol {protocol}"
            wire = end
            kind, offset = unwrap(inner[0], data, inner[1])
        return "too many tunnels"

    @staticmethod
    def _inner(data: bytes, offset: int) -> tuple[int, int] | None:
        """What a UDP datagram carries; the destination port tells, for answers (GTP-U) the source port."""
        source, destination, _ = _UDP(data, offset)
        start = offset + _UDP_HEADER
        try:
            return tunnels.udp(destination, data, start) or tunnels.udp(source, data, start)
        except IndexError:
            return None  # too short for the tunnel's header: an ordinary datagram on that port

    @staticmethod
    def _tcp(packet: Packet, addresses: bytes, data: bytes, offset: int, end: int) -> Segment | str:
        sequence, acknowledgement, words, flags = _TCP(data, offset)
        size = (words >> 4) << 2
        start = offset + size
        if size < _TCP_LEAST or start > end:
            return "malformed tcp header"
        payload = data[start:end]
        return (
            packet.time_ns,
            packet.frame,
            TCP,
            addresses + data[offset : offset + 4],
            sequence,
            acknowledgement,
            flags,
            payload,
            end - start - len(payload),
        )

    @staticmethod
    def _udp(packet: Packet, addresses: bytes, data: bytes, offset: int, end: int) -> Segment | str:
        _, _, length = _UDP(data, offset)
        if 0 < length < _UDP_HEADER or end < offset + _UDP_HEADER:
            return "malformed udp header"
        start = offset + _UDP_HEADER
        if length:  # 0: a jumbogram (RFC 2675 section 4) or segmentation offload
            end = min(end, offset + length)
        payload = data[start:end]
        return (
            packet.time_ns,
            packet.frame,
            UDP,
            addresses + data[offset : offset + 4],
            0,
            0,
            0,
            payload,
            end - start - len(payload),
        )
