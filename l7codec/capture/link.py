"""Link layers: from a LINKTYPE_ number (https://www.tcpdump.org/linktypes.html) to the network layer.

    Ethernet    | destination 6 | source 6 | type or length 2 |
    VLAN, QinQ  … type 8100/88a8/9100/9200 | tag 2 | type 2 |                    IEEE 802.1Q, 802.1ad
    LLC/SNAP    … length < 0600 | aa aa 03 | 00 00 00 | type 2 |                 RFC 1042
    PPPoE       … type 8864 | 11 | 00 | session 2 | length 2 | PPP protocol 2 |  RFC 2516
    MPLS        … type 8847/8848 | label 20 bits, class 3, bottom 1, ttl 8 | …   RFC 3032
    PPP         | [ff 03] | protocol 1 or 2 |                                    RFC 1661, 1662
    null        | address family 4, in the byte order of the capturing host |
    loop        | address family 4, big endian |
    SLL         | packet type 2 | ARPHRD 2 | address length 2 | address 8 | type 2 |
    SLL2        | type 2 | 0 2 | interface 4 | ARPHRD 2 | packet type 1 | address length 1 | address 8 |
    raw         the first four bits tell the version of IP

VLAN tags and labels are passed over: both directions of a connection often carry different ones.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import Final

__all__ = ["ETHERNET", "ETHERTYPE_ETHERNET", "ETHERTYPE_IPV4", "ETHERTYPE_IPV6", "LINK_TYPES", "network", "unwrap"]

ETHERTYPE_IPV4: Final = 0x0800
ETHERTYPE_IPV6: Final = 0x86DD
ETHERTYPE_ETHERNET: Final = 0x6558  # a whole Ethernet frame inside: "transparent Ethernet bridging", RFC 1701
_ETHERTYPE_PPPOE: Final = 0x8864
_VLAN: Final = frozenset({0x8100, 0x88A8, 0x9100, 0x9200})
_MPLS: Final = frozenset({0x8847, 0x8848})
_LEAST_ETHERTYPE: Final = 0x0600  # IEEE 802.3: below, the field is a length
_SNAP: Final = b"\xaa\xaa\x03\x00\x00\x00"
_UNKNOWN: Final = -1

_PPP: Final = {0x0021: ETHERTYPE_IPV4, 0x0057: ETHERTYPE_IPV6, 0x0281: 0x8847}
_FAMILIES: Final = {2: ETHERTYPE_IPV4} | dict.fromkeys((10, 24, 28, 30), ETHERTYPE_IPV6)  # Linux, and the BSDs' three
_VERSIONS: Final = {4: ETHERTYPE_IPV4, 6: ETHERTYPE_IPV6}

_u16: Final = Struct(">H").unpack_from
_u32: Final = Struct(">I").unpack_from


def network(link_type: int, data: bytes) -> tuple[int, int]:
    """The EtherType of what `data` carries and where it begins; -1 for a link type or protocol without one.

    Raises IndexError or struct.error when the link header is cut short.
    """
    handler = LINK_TYPES.get(link_type)
    return handler(data) if handler is not None else (_UNKNOWN, 0)


def unwrap(kind: int, data: bytes, offset: int) -> tuple[int, int]:
    """Go through tags, labels and PPPoE; the same results as `network`. Linear in the bytes: every turn takes some."""
    while True:
        if kind in _VLAN:
            (kind,) = _u16(data, offset + 2)
            offset += 4
        elif kind == ETHERTYPE_ETHERNET:
            (kind,) = _u16(data, offset + 12)
            offset += 14
        elif kind < _LEAST_ETHERTYPE:
            if kind == _UNKNOWN or data[offset : offset + 6] != _SNAP:
                return _UNKNOWN, offset
            (kind,) = _u16(data, offset + 6)
            offset += 8
            if kind < _LEAST_ETHERTYPE:
                return _UNKNOWN, offset
        elif kind == _ETHERTYPE_PPPOE:
            if data[offset] != 0x11 or data[offset + 1]:
                return _UNKNOWN, offset
            kind, offset = _ppp_protocol(data, offset + 6)
        elif kind in _MPLS:
            while not data[offset + 2] & 1:
                offset += 4
            offset += 4
            kind = _VERSIONS.get(data[offset] >> 4, _UNKNOWN)
        else:
            return kind, offset


def _ethernet(data: bytes) -> tuple[int, int]:
    (kind,) = _u16(data, 12)
    if kind == ETHERTYPE_IPV4:
        return kind, 14
    return unwrap(kind, data, 14)


def _ppp_protocol(data: bytes, offset: int) -> tuple[int, int]:
    if data[offset] & 1:  # protocol field compression, RFC 1661 section 6.5
        return _PPP.get(data[offset], _UNKNOWN), offset + 1
    (protocol,) = _u16(data, offset)
    return _PPP.get(protocol, _UNKNOWN), offset + 2


def _ppp(data: bytes) -> tuple[int, int]:
    kind, offset = _ppp_protocol(data, 2 if data[:2] == b"\xff\x03" else 0)
    return unwrap(kind, data, offset)


def _hdlc(data: bytes) -> tuple[int, int]:
    """PPP in HDLC-like framing; address 0f or 8f means Cisco's, with an EtherType (RFC 1547 section 4.3.1)."""
    if data[0] in {0x0F, 0x8F}:
        (kind,) = _u16(data, 2)
        return unwrap(kind, data, 4)
    return _ppp(data)


def _pppoe(data: bytes) -> tuple[int, int]:
    return unwrap(_ETHERTYPE_PPPOE, data, 0)


def _null(data: bytes) -> tuple[int, int]:
    (family,) = _u32(data, 0)
    if family > 0xFFFF:  # the other byte order: no address family is that large
        family = int.from_bytes(data[:4], "little")
    return _FAMILIES.get(family, _UNKNOWN), 4


def _raw(data: bytes) -> tuple[int, int]:
    return _VERSIONS.get(data[0] >> 4, _UNKNOWN), 0


def _sll(data: bytes) -> tuple[int, int]:
    (kind,) = _u16(data, 14)
    return unwrap(kind, data, 16)


def _sll2(data: bytes) -> tuple[int, int]:
    (kind,) = _u16(data, 0)
    return unwrap(kind, data, 20)


ETHERNET: Final = 1

LINK_TYPES: Final[dict[int, Callable[[bytes], tuple[int, int]]]] = {
    0: _null,
    ETHERNET: _ethernet,
    9: _ppp,
    12: _raw,  # DLT_RAW where it was written without translation
    14: _raw,  # the same on OpenBSD
    50: _hdlc,
    51: _pppoe,
    101: _raw,
    104: _hdlc,
    108: _null,
    113: _sll,
    228: _raw,
    229: _raw,
    276: _sll2,
}
