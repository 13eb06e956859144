"""CRC32C (Castagnoli), the checksum of RFC 3720 section 12.1 and RFC 9260 appendix A: PROXY headers, Kafka batches.

The package `crc32c`, written in C, does the work where it is installed. Without it, what is short goes byte by byte
(some 60 ns each: 2 µs for a PROXY header), and what is long in 128 lanes at once: the data is cut into 128 stretches of
equal length, one byte of each is taken in a step, and the 128 registers stand side by side in four byte strings. A
table look-up for all lanes is then one `bytes.translate`, an exclusive or one on big integers. A CRC is linear, so that
the lanes are joined by moving each over as many zero bytes as follow it. `python -m benchmarks crc32c` shows the gain.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TypeAlias

__all__ = ["crc32c", "pure_crc32c"]

_POLYNOMIAL = 0x82F63B78  # 0x1EDC6F41 with its bits reversed: the register is shifted right
_LANES = 128
_WORTH_IT = 1024  # bytes from which lanes are faster than single bytes
_AT_ONCE = _LANES << 17  # 16 MiB: bounds the copies that lanes take

_Shift: TypeAlias = "tuple[list[int], list[int], list[int], list[int]]"


def _entry(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ (_POLYNOMIAL if byte & 1 else 0)
    return byte


def _table() -> list[int]:
    """The entry of each byte: a CRC is linear, so that eight of them make all others."""
    table = [0]
    for bit in range(8):
        entry = _entry(1 << bit)
        table += [entry ^ other for other in table]
    return table


_TABLE = tuple(_table())
# The table's entries by their bytes, lowest first: what `translate` takes.
_PLANE0, _PLANE1, _PLANE2, _PLANE3 = (bytes(entry >> 8 * plane & 255 for entry in _TABLE) for plane in range(4))


def crc32c(data: bytes, crc: int = 0) -> int:
    """The checksum of `data`, or of what `crc` is the checksum of followed by `data`."""
    return (_native() or pure_crc32c)(data, crc)


@functools.lru_cache(maxsize=1)
def _native() -> Callable[[bytes, int], int] | None:
    """The package's function, loaded for the first checksum: it brings half of the standard library with it."""
    try:
        import crc32c as package
    except ImportError:
        return None
    found: Callable[[bytes, int], int] = package.crc32c
    return found


def pure_crc32c(data: bytes, crc: int = 0) -> int:
    """The same, always in Python."""
    crc ^= 0xFFFFFFFF
    position = 0
    while len(data) - position >= _WORTH_IT:
        crc = _in_lanes(data[position : position + _AT_ONCE], crc)
        position += _AT_ONCE
    table = _TABLE
    for byte in data[position:]:
        crc = table[crc & 0xFF ^ byte] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def _in_lanes(data: bytes, crc: int) -> int:
    """The register after `data`.

    A register that is not empty counts as if it were exclusive-ored into the first four bytes; then zero bytes before
    them change nothing, and fill up the first lane.
    """
    stretch = _stretch(len(data))
    head = (int.from_bytes(data[:4], "little") ^ crc).to_bytes(4, "little")
    lanes = b"".join((bytes(_LANES * stretch - len(data)), head, data[4:]))
    number = int.from_bytes
    zero = one = two = three = 0
    for offset in range(stretch):
        taken = (zero ^ number(lanes[offset::stretch], "little")).to_bytes(_LANES, "little")
        zero = one ^ number(taken.translate(_PLANE0), "little")
        one = two ^ number(taken.translate(_PLANE1), "little")
        two = three ^ number(taken.translate(_PLANE2), "little")
        three = number(taken.translate(_PLANE3), "little")
    t0, t1, t2, t3 = _shift(stretch)
    crc = 0
    for b0, b1, b2, b3 in zip(*(plane.to_bytes(_LANES, "little") for plane in (zero, one, two, three)), strict=True):
        crc = (
            t0[crc & 255]
            ^ t1[crc >> 8 & 255]
            ^ t2[crc >> 16 & 255]
            ^ t3[crc >> 24]
            ^ b0
            ^ b1 << 8
            ^ b2 << 16
            ^ b3 << 24
        )
    return crc


def _stretch(size: int) -> int:
    """How many bytes a lane gets: rounded up to four significant bits, so that few tables serve every length."""
    least = -(-size // _LANES)
    unit = max(least.bit_length() - 4, 0)
    return -(-least // (1 << unit)) << unit


@functools.lru_cache(64)
def _shift(count: int) -> _Shift:
    """What `count` zero bytes make of a register, as one table for each of its four bytes."""
    if count == 1:  # the lowest byte is looked up, the others move down
        return (list(_TABLE), list(range(256)), [byte << 8 for byte in range(256)], [byte << 16 for byte in range(256)])
    t0, t1, t2, t3 = _shift(count - count // 2)
    first, second, third, fourth = (
        [t0[crc & 255] ^ t1[crc >> 8 & 255] ^ t2[crc >> 16 & 255] ^ t3[crc >> 24] for crc in table]
        for table in _shift(count // 2)
    )
    return first, second, third, fourth
