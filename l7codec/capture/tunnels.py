"""Packets inside packets, where the caller asked for it (`tunnels=True`).

    GTP-U   UDP 2152 | 001 1 0 E S PN | ff | length 2 | tunnel 4 | [sequence 2 | N-PDU | next] … | IP       TS 29.281
    VXLAN   UDP 4789 | 08 | 0 0 0 | network 3 | 0 | Ethernet                                           RFC 7348
    Geneve  UDP 6081 | 00 words 6 | O C 0 | type 2 | network 3 | 0 | options | Ethernet or IP           RFC 8926
    GRE     IP 47    | C R K S 0 … version 3 | type 2 | [checksum 4] [key 4] [sequence 4] | payload     RFC 2784, 2890
    ERSPAN  GRE 88be | [with a sequence number: header 8] | Ethernet; 22eb with 12 or 20 bytes        draft-foschiano
    IP in IP   IP 4, 41 | IP                                                                       RFC 2003, 4213

It is an option because a tunnel's port may as well carry something else. What does not look like the tunnel's header
is left as the UDP datagram it is. The inner addresses name the conversation; tunnel and network numbers do not, since
the two directions of one connection often travel under different ones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from .link import ETHERTYPE_ETHERNET, ETHERTYPE_IPV4, ETHERTYPE_IPV6

__all__ = ["GRE", "IP_IN_IP", "MAX_DEPTH", "gre", "udp"]

GRE: Final = 47
IP_IN_IP: Final = {4: ETHERTYPE_IPV4, 41: ETHERTYPE_IPV6}

MAX_DEPTH: Final = 8
"""Tunnels in tunnels. Linux: XMIT_RECURSION_LIMIT, 8. Attack: a packet of nothing but tunnel headers."""

_VERSIONS: Final = {4: ETHERTYPE_IPV4, 6: ETHERTYPE_IPV6}


def udp(port: int, data: bytes, offset: int) -> tuple[int, int] | None:
    """EtherType and place of what a datagram's payload at `offset` carries; None when it is no tunnel.

    Raises IndexError when the tunnel's header is cut short.
    """
    handler = _PORTS.get(port)
    return handler(data, offset) if handler is not None else None


def _gtp(data: bytes, offset: int) -> tuple[int, int] | None:
    flags = data[offset]
    if flags & 0xF0 != 0x30 or data[offset + 1] != 0xFF:
        return None
    offset += 8
    if flags & 0x07:
        following = data[offset + 3] if flags & 0x04 else 0
        offset += 4
        while following:
            size = data[offset] << 2
            if not size:
                return None
            following = data[offset + size - 1]
            offset += size
    kind = _VERSIONS.get(data[offset] >> 4)
    return None if kind is None else (kind, offset)


def _vxlan(data: bytes, offset: int) -> tuple[int, int] | None:
    if data[offset] != 0x08 or data[offset + 7]:
        return None
    return ETHERTYPE_ETHERNET, offset + 8


def _geneve(data: bytes, offset: int) -> tuple[int, int] | None:
    kind = (data[offset + 2] << 8) | data[offset + 3]
    if data[offset] >> 6 or kind not in {ETHERTYPE_ETHERNET, ETHERTYPE_IPV4, ETHERTYPE_IPV6}:
        return None
    return kind, offset + 8 + ((data[offset] & 0x3F) << 2)


_PORTS: Final[dict[int, Callable[[bytes, int], tuple[int, int] | None]]] = {
    2152: _gtp,
    4789: _vxlan,
    6081: _geneve,
    8472: _vxlan,  # the Linux kernel's default, older than the assignment
}

_ERSPAN2: Final = 0x88BE
_ERSPAN3: Final = 0x22EB


def gre(data: bytes, offset: int) -> tuple[int, int] | None:
    """EtherType and place of what a GRE packet carries; None for a version or payload that is not read."""
    flags = data[offset]
    kind = (data[offset + 2] << 8) | data[offset + 3]
    if flags & 0x40 or data[offset + 1] & 0x07:  # source routing (RFC 1701, deprecated); PPTP's version 1
        return None
    offset += 4 + 4 * bool(flags & 0x80) + 4 * bool(flags & 0x20) + 4 * bool(flags & 0x10)
    if kind == _ERSPAN2:
        return ETHERTYPE_ETHERNET, offset + 8 * bool(flags & 0x10)
    if kind == _ERSPAN3:
        return ETHERTYPE_ETHERNET, offset + (20 if data[offset + 11] & 1 else 12)
    return kind, offset
