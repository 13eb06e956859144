"""Packets by their headers: RFC 8999 for every version, RFC 9000 section 17 and RFC 9369 section 3 for those known.

`long_header` reads one packet with a long header; a short one has nothing to read but what its receiver knows.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from ...errors import RemoteProtocolError
from .versions import NEGOTIATION, Layout, version_of
from .wire import read_varint

__all__ = [
    "GQUIC",
    "MAX_ID",
    "NEGOTIATED",
    "SHORTEST",
    "TAG",
    "UNKNOWN",
    "Header",
    "PublicHeader",
    "long_header",
    "public_header",
    "versions",
]

MAX_ID: Final = 20  # bytes of a connection id in versions 1 and 2 (RFC 9000 section 17.2)
TAG: Final = 16  # bytes of an AEAD's tag, and of a Retry's
SHORTEST: Final = 21  # of a packet with a short header: a byte, and what a sample needs (RFC 9001 section 5.4.2)

NEGOTIATED: Final = "version_negotiation"
UNKNOWN: Final = "unknown"
GQUIC: Final = "gquic"

_U32 = struct.Struct(">I").unpack_from


class Header(NamedTuple):
    """A packet with a long header. Offsets count from the datagram's first byte."""

    type: str
    version: int
    dcid: bytes
    scid: bytes
    token: tuple[int, int]
    """From where to where; (0, 0) where packets of this type have none."""
    number: int
    """Where the packet number stands, or the payload of a packet that has none."""
    end: int


def long_header(data: bytes, start: int = 0) -> Header:
    """The packet at `start`, whose first byte has its highest bit set.

    Raises RemoteProtocolError where it does not hold together: cut off, a connection id over 20 bytes in a version
    that forbids it, a length past the datagram.
    """
    try:
        (number,) = _U32(data, start + 1)
        version = version_of(number)
        if version.layout == Layout.NIBBLES:
            return _nibbles(data, start, number)
        position = start + 6 + data[start + 5]
        dcid = data[start + 6 : position]
        scid_end = position + 1 + data[position]
        scid = data[position + 1 : scid_end]
        if scid_end > len(data):
            raise IndexError
        if version.layout == Layout.INVARIANT:
            kind = NEGOTIATED if number == NEGOTIATION else UNKNOWN
            if number == NEGOTIATION and (len(data) - scid_end) % 4:
                raise RemoteProtocolError("quic", scid_end, "a list of versions that is no multiple of 4 bytes")
            return Header(kind, number, dcid, scid, (0, 0), scid_end, len(data))
    except (IndexError, struct.error):
        raise RemoteProtocolError("quic", start, "a long header that is cut off") from None
    try:
        return _full(data, start, number, version.types, dcid, scid, scid_end)
    except RemoteProtocolError:
        if version.layout == Layout.FULL:
            raise
        return Header(UNKNOWN, number, dcid, scid, (0, 0), scid_end, len(data))


def _full(
    data: bytes, start: int, number: int, types: tuple[str, ...], dcid: bytes, scid: bytes, position: int
) -> Header:
    """What follows the connection ids in a version whose packets are known (RFC 9000 section 17.2)."""
    if len(dcid) > MAX_ID or len(scid) > MAX_ID:
        at = start + 5 if len(dcid) > MAX_ID else start + 6 + len(dcid)
        raise RemoteProtocolError("quic", at, f"a connection id of {data[at]} bytes, over the limit of {MAX_ID}")
    kind = types[data[start] >> 4 & 3]
    token = (0, 0)
    try:
        if kind == "retry":
            version = version_of(number)
            if version.inline_odcid:
                odcid_end = position + 1 + data[position]
                if odcid_end > len(data):
                    raise IndexError
                return Header(kind, number, dcid, scid, (odcid_end, len(data)), position, len(data))
            if len(data) - position < TAG:
                raise RemoteProtocolError("quic", position, "a Retry too short for its integrity tag")
            return Header(kind, number, dcid, scid, (position, len(data) - TAG), len(data) - TAG, len(data))
        if kind == "initial":
            at = position
            length = data[position]
            position += 1
            if length >= 0x40:
                length, position = read_varint(data, at)
            if length:
                token = (position, position + length)
                position += length
                if position > len(data):
                    raise RemoteProtocolError("quic", at, f"a token of {length} bytes, past the datagram's end")
        at = position
        if data[position] >> 6 == 1:  # nearly always two bytes
            length = (data[position] & 0x3F) << 8 | data[position + 1]
            position += 2
        else:
            length, position = read_varint(data, position)
    except IndexError:
        raise RemoteProtocolError("quic", start, "a long header that is cut off") from None
    if position + length > len(data):
        raise RemoteProtocolError("quic", at, f"a length of {length} bytes, past the datagram's end")
    return Header(kind, number, dcid, scid, token, position, position + length)


def _nibbles(data: bytes, start: int, number: int) -> Header:
    """Q046, and drafts up to 21: a nibble each for the ids' lengths, 0 or 3 less than the length."""
    lengths = data[start + 5]
    dcid_length, scid_length = ((nibble + 3 if nibble else 0) for nibble in (lengths >> 4, lengths & 15))
    middle = start + 6 + dcid_length
    end = middle + scid_length
    if end > len(data):
        raise IndexError
    return Header(UNKNOWN, number, data[start + 6 : middle], data[middle:end], (0, 0), end, len(data))


def versions(data: bytes, header: Header) -> list[int]:
    """The list of a Version Negotiation packet (RFC 8999 section 6)."""
    return [_U32(data, position)[0] for position in range(header.number, header.end, 4)]


class PublicHeader(NamedTuple):
    """Google's QUIC up to Q043: a byte of flags, an 8-byte connection id, the version where the client names it."""

    dcid: bytes
    version: int
    reset: bool


def public_header(data: bytes) -> PublicHeader | None:
    """The header of a packet that only Google's QUIC sends, with the version, or to reset; else None.

    Flags: 01 version, 02 reset, 08 connection id of 8 bytes, 30 size of the packet number.
    """
    flags = data[0]
    if flags & 0xC8 != 0x08 or len(data) < 9:
        return None
    if flags & 2:
        return PublicHeader(data[1:9], 0, True) if data[9:13] == b"PRST" else None
    if flags & 1 and len(data) >= 13 and data[9:10] == b"Q" and data[10:13].isdigit():
        return PublicHeader(data[1:9], _U32(data, 9)[0], False)
    return None
