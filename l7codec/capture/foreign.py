"""Names for what is not ours: protocols that other tools read, recognised only to say what a capture holds.

Nothing is decoded here. A name is given for what cannot well be anything else; all the rest is "unknown".
"""

from __future__ import annotations

import re
from typing import Final

from ..message import Side

__all__ = ["HTTP2", "UNKNOWN", "foreign_datagram", "foreign_stream", "over_http2"]

UNKNOWN: Final = "unknown"
HTTP2: Final = "http/2"

_TLS_HANDSHAKE: Final = re.compile(rb"\x16\x03[\x00-\x04]..[\x01\x02]", re.DOTALL)
"""A handshake record (RFC 8446 section 5.1) that holds a ClientHello or a ServerHello."""

_TLS_RECORD: Final = re.compile(rb"[\x14-\x17]\x03[\x01-\x03][\x00-\x48].", re.DOTALL)
"""Any record: where a capture begins in the middle of a connection. At most 2^14 + 2048 bytes (RFC 5246 6.2.3)."""

_HTTP1_REQUEST: Final = re.compile(rb"[A-Z]{3,16} [!-~]{1,4096} HTTP/1\.[01]\r?\n")
_HTTP1_RESPONSE: Final = re.compile(rb"HTTP/1\.[01] [1-5][0-9][0-9]")
_HTTP2_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

_TRIPLE: Final = re.compile(rb"tri-[a-z]|application/triple")
_GRPC: Final = re.compile(rb"application/grpc|\x1d\x75\xd0\x62\x0d\x26\x3d\x4c\x4d\x65\x64")
_TRIPLE_CODED: Final = re.compile(rb"[\x80-\xff]\x4d\x86[\x58-\x5b]")
"""What marks them among the headers of HTTP/2, as it is and in its Huffman code (RFC 7541 appendix B). Dubbo's Triple
is gRPC, with headers of its own whose names begin with `tri-`."""

_SSH: Final = re.compile(rb"SSH-(?:1\.[0-9]{1,2}|2\.0)-")

_QUIC_LONG: Final = re.compile(
    rb"[\xc0-\xff](?:\x00\x00\x00\x01|\x6b\x33\x43\xcf|\x00\x00\x00\x00|\xff\x00\x00.)", re.DOTALL
)
"""A long header of version 1 or 2 (RFC 9000, 9369), a version negotiation, or a draft's."""

_DNS: Final = re.compile(rb"..[\x00-\x0f\x80-\x8f][\x00-\xff]\x00[\x00\x01]", re.DOTALL)
_DNS_PORTS: Final = frozenset((53, 5353, 5355))


def foreign_stream(data: bytes, side: Side, start_known: bool = True) -> str:
    """What these first bytes of one side are: "tls", "http/1", "http/2", "grpc", "triple", "ssh", or "unknown".

    `start_known` says that they are the connection's first: in the middle of one less is enough for TLS.
    """
    if _TLS_HANDSHAKE.match(data) or (not start_known and _TLS_RECORD.match(data)):
        return "tls"
    if side is Side.CLIENT:
        if data.startswith(_HTTP2_PREFACE):
            return over_http2(data)
        if _HTTP1_REQUEST.match(data):
            return "http/1"
    elif _HTTP1_RESPONSE.match(data):
        return "http/1"
    return "ssh" if _SSH.match(data) else UNKNOWN


def over_http2(data: bytes) -> str:
    """What the client's bytes say is spoken over HTTP/2: "grpc", "triple" (Dubbo 3), or no more than "http/2"."""
    grpc = _GRPC.search(data) is not None
    if _TRIPLE.search(data) or (grpc and _TRIPLE_CODED.search(data)):
        return "triple"
    return "grpc" if grpc else HTTP2


def foreign_datagram(data: bytes, ports: tuple[int, int]) -> str:
    """What a datagram between these ports is: "quic", "dns", or "unknown"."""
    if _QUIC_LONG.match(data):
        return "quic"
    if not _DNS_PORTS.isdisjoint(ports) and _DNS.match(data):
        return "dns"
    return UNKNOWN
