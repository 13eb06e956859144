"""CRC32C (Castagnoli), the checksum of RFC 3720 section 12.1 and RFC 9260 appendix A, one table look-up a byte.

Some 60 ns a byte: 2 µs for a header with IPv4 addresses, 4 ms for the longest header there can be (64 KiB). It is
computed only where a sender has put a checksum in, so that nothing faster is worth a dependency here.
"""

from __future__ import annotations

__all__ = ["crc32c"]

_POLYNOMIAL = 0x82F63B78  # 0x1EDC6F41 with its bits reversed: the register is shifted right


def _entry(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ (_POLYNOMIAL if byte & 1 else 0)
    return byte


_TABLE = tuple(_entry(byte) for byte in range(256))


def crc32c(data: bytes, crc: int = 0) -> int:
    """The checksum of `data`, or of what `crc` is the checksum of followed by `data`."""
    table = _TABLE
    crc ^= 0xFFFFFFFF
    for byte in data:
        crc = table[crc & 0xFF ^ byte] ^ crc >> 8
    return crc ^ 0xFFFFFFFF
