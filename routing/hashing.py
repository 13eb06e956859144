"""XXH64, as Envoy hashes for consistent routing, and the mixing of one random number into many.

Algorithm: https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md (XXH64). The package `xxhash` (extra `xxhash`)
is used where it is installed, and gives the same digests some ten times faster.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable

__all__ = ["combine", "draw", "fast_xxh64", "xxh64", "xxh64_chain"]

_MASK = 0xFFFFFFFFFFFFFFFF
_P1 = 0x9E3779B185EBCA87
_P2 = 0xC2B2AE3D27D4EB4F
_P3 = 0x165667B19E3779F9
_P4 = 0x85EBCA77C2B2AE63
_P5 = 0x27D4EB2F165667C5
_GOLDEN = 0x9E3779B97F4A7C15


def _rotate(value: int, bits: int) -> int:
    return ((value << bits) | (value >> (64 - bits))) & _MASK


def _round(lane: int, word: int) -> int:
    return _rotate((lane + word * _P2) & _MASK, 31) * _P1 & _MASK


def xxh64(data: bytes, seed: int = 0) -> int:
    """The XXH64 digest of `data` as an unsigned 64-bit integer."""
    size = len(data)
    position = 0
    if size >= 32:
        lanes = [(seed + _P1 + _P2) & _MASK, (seed + _P2) & _MASK, seed & _MASK, (seed - _P1) & _MASK]
        while position + 32 <= size:
            for number in range(4):
                start = position + 8 * number
                lanes[number] = _round(lanes[number], int.from_bytes(data[start : start + 8], "little"))
            position += 32
        one, two, three, four = lanes
        digest = (_rotate(one, 1) + _rotate(two, 7) + _rotate(three, 12) + _rotate(four, 18)) & _MASK
        for lane in lanes:
            digest = ((digest ^ _round(0, lane)) * _P1 + _P4) & _MASK
    else:
        digest = (seed + _P5) & _MASK
    digest = (digest + size) & _MASK
    while position + 8 <= size:
        digest ^= _round(0, int.from_bytes(data[position : position + 8], "little"))
        digest = (_rotate(digest, 27) * _P1 + _P4) & _MASK
        position += 8
    if position + 4 <= size:
        digest ^= int.from_bytes(data[position : position + 4], "little") * _P1 & _MASK
        digest = (_rotate(digest, 23) * _P2 + _P3) & _MASK
        position += 4
    for byte in data[position:]:
        digest = _rotate(digest ^ (byte * _P5 & _MASK), 11) * _P1 & _MASK
    digest = ((digest ^ (digest >> 33)) * _P2) & _MASK
    digest = ((digest ^ (digest >> 29)) * _P3) & _MASK
    return digest ^ (digest >> 32)


def _library() -> Callable[[bytes, int], int]:
    try:
        digest_of = importlib.import_module("xxhash").xxh64_intdigest
    except ImportError:  # optional: the digests above are the same, only slower
        return xxh64

    def digest(data: bytes, seed: int = 0) -> int:
        return int(digest_of(data, seed))

    return digest


fast_xxh64 = _library()


def xxh64_chain(values: Iterable[bytes]) -> int:
    """Hash several values as Envoy does: each digest seeds the next, the first seed is 0."""
    digest = 0
    for value in values:
        digest = fast_xxh64(value, digest)
    return digest


def combine(earlier: int | None, digest: int) -> int:
    """Join the digests of two hash policies as Envoy does: ``rotl(earlier, 1) ^ digest``."""
    return digest if earlier is None else _rotate(earlier, 1) ^ digest


def draw(random: int, use: int) -> int:
    """Derive the 64-bit value of one use (weights, one mirror, one fault) from the caller's random number.

    SplitMix64's finalizer (Steele, Lea, Flood 2014): different uses are independent, so that a 5 % mirror does not
    always copy the same side of an 80/20 split.
    """
    value = (random + _GOLDEN * use) & _MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
    return value ^ (value >> 31)
