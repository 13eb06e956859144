"""IP addresses between bytes and canonical text (RFC 5952).

The one module that imports `socket`, for two functions that do no I/O: `ipaddress` does the same 16 times slower.
"""

from __future__ import annotations

from socket import AF_INET, AF_INET6, inet_ntop, inet_pton

__all__ = ["ipv4_bytes", "ipv4_text", "ipv6_bytes", "ipv6_text"]


def ipv4_text(data: bytes) -> str:
    """Dotted decimal of 4 bytes."""
    return inet_ntop(AF_INET, data)


def ipv6_text(data: bytes) -> str:
    """Canonical text of 16 bytes, RFC 5952."""
    return inet_ntop(AF_INET6, data)


def ipv4_bytes(text: str) -> bytes:
    """The 4 bytes of an address in dotted decimal. Raises ValueError for anything else."""
    return _bytes(AF_INET, text)


def ipv6_bytes(text: str) -> bytes:
    """The 16 bytes of an IPv6 address, RFC 4291 section 2.2, without a zone. Raises ValueError for anything else."""
    return _bytes(AF_INET6, text)


def _bytes(family: int, text: str) -> bytes:
    try:
        return inet_pton(family, text)
    except OSError:
        raise ValueError(f"{text!r} is not an IPv{4 if family == AF_INET else 6} address") from None
