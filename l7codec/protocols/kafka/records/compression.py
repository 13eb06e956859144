"""What stands behind the codec number of a batch or a message: gzip, snappy, lz4, zstd; both ways, within a bound.

gzip comes with Python; the others need the extra `kafka` (the package cramjam). Nothing is allocated because a length
promises it: gzip is asked for no more than the bound, the others write into buffers that grow only once they are full.

Snappy comes in two dresses. Java's clients, kafka-python and aiokafka write snappy-java's stream: a magic, two version
numbers (big-endian, from Redpanda little-endian, and nobody reads them), then blocks, each after its length. librdkafka
writes one raw block. Both are read; the stream is written, which every client reads.

LZ4 is the frame format. What Kafka before 0.10 wrote (message format 0) has a wrong checksum in the frame's header: it
was computed from the frame's first byte on instead of behind the magic (KAFKA-3160). It is read, and written in format
0, where old brokers insist on it.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from typing import Any

from ....errors import MissingExtra

__all__ = ["GZIP", "LZ4", "NAMES", "NONE", "SNAPPY", "ZSTD", "CompressionError", "compress", "decompress", "number"]

NAMES = ("none", "gzip", "snappy", "lz4", "zstd")
"""By number, the lowest three bits of the attributes."""
NONE, GZIP, SNAPPY, LZ4, ZSTD = range(5)


class CompressionError(Exception):
    """The compressed bytes are wrong, or hold more than they may. Callers turn it into a BodyError."""


def number(name: str) -> int:
    """The number of a codec. Raises ValueError for a name that is none."""
    if name not in NAMES:
        raise ValueError(f"no compression is named {name!r}; there are {', '.join(NAMES)}")
    return NAMES.index(name)


def decompress(codec: int, data: bytes, limit: int, magic: int = 2) -> bytes:
    """What `data` holds, `limit` bytes at most. Raises CompressionError, MissingExtra."""
    if codec == GZIP:
        return _gunzip(data, limit)
    if codec == SNAPPY:
        return _unsnappy(data, limit)
    if codec == LZ4:
        return _bounded("lz4", _with_right_checksum(data) if magic == 0 else data, limit)
    if codec == ZSTD:
        return _bounded("zstd", data, limit)
    raise CompressionError(f"there is no compression number {codec}")


def compress(codec: int, data: bytes, magic: int = 2, level: int | None = None) -> bytes:
    """`data` compressed; `level` is the codec's own, snappy has none. Raises MissingExtra."""
    if codec == GZIP:
        packer = zlib.compressobj(zlib.Z_DEFAULT_COMPRESSION if level is None else level, zlib.DEFLATED, 31)
        return packer.compress(data) + packer.flush()
    if codec == SNAPPY:
        return _snappy(data)
    library = _cramjam(NAMES[codec])
    if codec == ZSTD:
        return bytes(library.zstd.compress(data, level))
    packer = library.lz4.Compressor(level=level, content_checksum=False, block_linked=False)  # as brokers demand it
    packer.compress(data)
    frame = bytes(packer.finish())
    return _with_wrong_checksum(frame) if magic == 0 else frame


def _cramjam(name: str) -> Any:
    try:
        import cramjam
    except ImportError:
        raise MissingExtra("kafka", f"{name} compression") from None
    return cramjam


def _too_much(limit: int) -> CompressionError:
    return CompressionError(f"it holds more than the {limit} bytes that may be decompressed")


# -- gzip (RFC 1952) --------------------------------------------------------------------------------------------------

_PIECE = 16 * 1024  # given to zlib at once: what lies behind a member's end is copied, and there may be many members


def _gunzip(data: bytes, limit: int) -> bytes:
    """All members of a gzip file."""
    parts = []
    left = limit
    position = 0
    while True:
        member = zlib.decompressobj(31)
        while not member.eof:
            if position >= len(data):
                raise CompressionError("gzip: it ends early")
            piece: bytes = data[position : position + _PIECE]
            position += len(piece)
            while piece and not member.eof:
                try:
                    part = member.decompress(piece, left + 1)
                except zlib.error as error:
                    raise CompressionError(f"gzip: {error}") from None
                left -= len(part)
                if left < 0:
                    raise _too_much(limit)
                parts.append(part)
                piece = member.unconsumed_tail
        position -= len(member.unused_data)
        if position >= len(data):
            return b"".join(parts)


# -- snappy -----------------------------------------------------------------------------------------------------------

_STREAM = b"\x82SNAPPY\x00"
_VERSIONS = struct.pack(">ii", 1, 1)
_BLOCK = 32 * 1024  # snappy-java's default
_DENSEST = 22  # bytes that one compressed byte can stand for: a copy of 64 bytes takes 3


def _unsnappy(data: bytes, limit: int) -> bytes:
    if data[: len(_STREAM)] != _STREAM:
        return _unsnappy_block(data, limit, limit)
    parts = []
    left = limit
    position = len(_STREAM) + len(_VERSIONS)
    while position < len(data):
        size = int.from_bytes(data[position : position + 4], "big")
        position += 4
        if size > len(data) - position:
            raise CompressionError("snappy: a block is longer than what is left")
        part = _unsnappy_block(data[position : position + size], left, limit)
        left -= len(part)
        parts.append(part)
        position += size
    return b"".join(parts)


def _unsnappy_block(data: bytes, left: int, limit: int) -> bytes:
    raw = _cramjam("snappy").snappy
    try:
        promised: int = raw.decompress_raw_len(data)
        if promised > left:
            raise _too_much(limit)
        if promised > _DENSEST * len(data):
            raise CompressionError(f"snappy: {len(data)} bytes cannot hold the {promised} they promise")
        return bytes(raw.decompress_raw(data))
    except _errors() as error:
        raise CompressionError(str(error)) from None


def _snappy(data: bytes) -> bytes:
    raw = _cramjam("snappy").snappy
    parts = [_STREAM, _VERSIONS]
    for position in range(0, len(data), _BLOCK):
        block = bytes(raw.compress_raw(data[position : position + _BLOCK]))
        parts += (len(block).to_bytes(4, "big"), block)
    return b"".join(parts)


# -- lz4 and zstd -----------------------------------------------------------------------------------------------------

_FIRST_GUESS = 16 * 1024
_GROWTH = 4
_FULL = "whole buffer"  # in cramjam's error where the output is longer than the buffer


def _bounded(name: str, data: bytes, limit: int) -> bytes:
    """Decompress into a buffer, a larger one as long as it proves too small: a third more work at the most."""
    into: Callable[[bytes, bytearray], int] = getattr(_cramjam(name), name).decompress_into
    size = min(max(_FIRST_GUESS, 8 * len(data)), limit)
    while True:
        buffer = bytearray(size)
        try:
            length = into(data, buffer)
            return bytes(memoryview(buffer)[:length])
        except _errors() as error:
            if _FULL not in str(error):
                raise CompressionError(f"{name}: {str(error).removeprefix(name + ': ')}") from None
        if size >= limit:
            raise _too_much(limit)
        size = min(size * _GROWTH, limit)


def _errors() -> tuple[type[Exception], ...]:
    return (_cramjam("").DecompressionError, ValueError, OverflowError)


_FRAME = b"\x04\x22\x4d\x18"


def _header_length(frame: bytes) -> int:
    """Where the checksum of an LZ4 frame's header stands; 0 if this is no frame."""
    if frame[:4] != _FRAME or len(frame) < 7:
        return 0
    flags = frame[4]
    length = 6 + (8 if flags & 8 else 0) + (4 if flags & 1 else 0)
    return length if length < len(frame) else 0


def _with_right_checksum(frame: bytes) -> bytes:
    at = _header_length(frame)
    return frame[:at] + bytes((_xxh32(frame[4:at]) >> 8 & 255,)) + frame[at + 1 :] if at else frame


def _with_wrong_checksum(frame: bytes) -> bytes:
    at = _header_length(frame)
    return frame[:at] + bytes((_xxh32(frame[:at]) >> 8 & 255,)) + frame[at + 1 :]


def _xxh32(data: bytes) -> int:
    """XXH32 with seed 0 of a frame's header: fewer than 16 bytes or little more, as the specification has it."""
    p1, p2, p3, p4, p5 = 2654435761, 2246822519, 3266489917, 668265263, 374761393
    mask = 0xFFFFFFFF
    position = 0
    if len(data) >= 16:
        lanes = [p1 + p2 & mask, p2, 0, -p1 & mask]
        while position + 16 <= len(data):
            for lane, word in enumerate(struct.unpack_from("<4I", data, position)):
                lanes[lane] = _rotate(lanes[lane] + word * p2 & mask, 13) * p1 & mask
            position += 16
        one, two, three, four = lanes
        total = _rotate(one, 1) + _rotate(two, 7) + _rotate(three, 12) + _rotate(four, 18)
    else:
        total = p5
    total = total + len(data) & mask
    while position + 4 <= len(data):
        total = _rotate(total + int.from_bytes(data[position : position + 4], "little") * p3 & mask, 17) * p4 & mask
        position += 4
    for byte in data[position:]:
        total = _rotate(total + byte * p5 & mask, 11) * p1 & mask
    total = (total ^ total >> 15) * p2 & mask
    total = (total ^ total >> 13) * p3 & mask
    return total ^ total >> 16


def _rotate(word: int, count: int) -> int:
    return (word << count | word >> 32 - count) & 0xFFFFFFFF
