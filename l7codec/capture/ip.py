"""IPv4 (RFC 791) and IPv6 with its extension headers (RFC 8200): from the network layer to the transport.

    IPv4, 20 to 60 bytes                        IPv6, 40 bytes
    | 4 | words | tos | total length    |       | 6 | class | flow label             |
    | identification | 0 D M offset 13  |       | payload length | next | hop limit   |
    | ttl | protocol | checksum         |       | source 16                            |
    | source 4                          |       | destination 16                       |
    | destination 4                     |       extension: | next | length in 8 bytes − 1 | …
    | options                           |       fragment:  | next | 0 | offset 13, 0 0 M | identification 4 |

A total length of 0 is what a network card's segmentation offload leaves: then the packet's own length counts. Checksums
are not verified: on the sending host the card fills them in after the capture.
"""

from __future__ import annotations

from struct import Struct
from typing import Final, NamedTuple

__all__ = ["Datagram", "ipv4", "ipv6"]

_IPV4: Final = Struct(">BxHHHxB2x").unpack_from
_IPV4_LEAST: Final = 20
_IPV6: Final = Struct(">HB").unpack_from
_IPV6_FIXED: Final = 40

_MORE: Final = 0x2000
_OFFSET: Final = 0x1FFF

_FRAGMENT: Final = 44
_AUTHENTICATION: Final = 51  # its length counts words of 4 bytes (RFC 4302)
_EXTENSIONS: Final = frozenset({0, 43, 60, 135, 139, 140})  # hop-by-hop, routing, destination, mobility, HIP, shim6


class Datagram(NamedTuple):
    """Where an IP header leads; `end` is where the payload ends on the wire, maybe behind the captured bytes."""

    protocol: int
    addresses: bytes
    """Source and destination, 4 or 16 bytes each, as on the wire."""
    start: int
    end: int
    fragment: tuple[bytes, int, bool] | None
    """Identification, offset in bytes, whether more follow; None for a whole datagram."""


def ipv4(data: bytes, offset: int, wire: int) -> Datagram | None:
    """Read the header at `offset` of a packet that was `wire` bytes long; None when it is malformed.

    Raises struct.error or IndexError when it is cut short.
    """
    first, total, identification, fragment, protocol = _IPV4(data, offset)
    size = (first & 15) << 2
    if first >> 4 != 4 or size < _IPV4_LEAST or 0 < total < size:
        return None
    start = offset + size
    end = offset + total if total else wire
    addresses = data[offset + 12 : offset + 20]
    if len(addresses) < 8:
        raise IndexError
    if not fragment & (_MORE | _OFFSET):
        return Datagram(protocol, addresses, start, end, None)
    mark = (identification.to_bytes(2, "big"), (fragment & _OFFSET) << 3, bool(fragment & _MORE))
    return Datagram(protocol, addresses, start, end, mark)


def ipv6(data: bytes, offset: int, wire: int) -> Datagram | None:
    """The same for IPv6; extension headers are walked, each of which takes at least 8 bytes."""
    payload, protocol = _IPV6(data, offset + 4)
    addresses = data[offset + 8 : offset + _IPV6_FIXED]
    if data[offset] >> 4 != 6:
        return None
    if len(addresses) < 32:
        raise IndexError
    start = offset + _IPV6_FIXED
    end = start + payload if payload else wire  # 0: jumbograms (RFC 2675) and segmentation offload
    fragment: tuple[bytes, int, bool] | None = None
    while True:
        if protocol in _EXTENSIONS:
            protocol, size = data[start], (data[start + 1] + 1) << 3
        elif protocol == _AUTHENTICATION:
            protocol, size = data[start], (data[start + 1] + 2) << 2
        elif protocol == _FRAGMENT:
            place = int.from_bytes(data[start + 2 : start + 4], "big")
            identification = data[start + 4 : start + 8]
            if len(identification) < 4:
                raise IndexError
            protocol, size = data[start], 8
            if place & 0xFFF9:  # otherwise "atomic" (RFC 6946): a whole datagram with a fragment header
                fragment = (identification, place & 0xFFF8, bool(place & 1))
                start += size
                break  # what follows in a later fragment is no header
        else:
            break
        start += size
    return Datagram(protocol, addresses, start, end, fragment) if start <= end else None
