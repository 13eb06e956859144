"""The ClientHello in one datagram, and nothing kept: for who only asks where a new connection wants to go."""

from __future__ import annotations

from typing import Final

from ...errors import BodyError
from ...message import Side
from .frames import skim
from .handshake import CryptoStream
from .header import long_header
from .protection import Keys, unseal
from .tls import ClientHello
from .versions import version_of

__all__ = ["peek"]

_LEAST: Final = 8
"""Bytes of a client's first destination connection id (RFC 9000 section 7.2)."""


def peek(datagram: bytes) -> ClientHello | None:
    """The ClientHello that a datagram's first packet holds whole; None where there is none, or only a part of one.

    No conversation is followed: a hello in several packets, or behind a Retry, is for a `QuicCodec`. Raises
    RemoteProtocolError for a header, and BodyError for a hello, that does not hold together; MissingExtra.
    """
    if not datagram or not datagram[0] & 0x80:
        return None
    header = long_header(datagram)
    version = version_of(header.version)
    if header.type != "initial" or not version.salt or len(header.dcid) < _LEAST:
        return None
    opened = unseal(datagram, 0, header.number, header.end, Keys(version, header.dcid, Side.CLIENT), -1)
    if opened is None:
        return None
    crypto, _, error = skim(opened[1])
    if error is not None:
        raise error
    stream = CryptoStream()
    for offset, data in crypto:
        stream.receive(offset, data)
    hello = stream.message()
    if stream.lost:
        raise BodyError("quic", 0, stream.lost)
    return None if hello is None else ClientHello(hello)
