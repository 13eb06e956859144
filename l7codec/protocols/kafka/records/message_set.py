"""Message sets, formats 0 and 1: what brokers before 0.11 speak, and newer ones keep on disk.

    offset int64 · size int32 · crc int32 (CRC-32 of what follows) · magic int8 · attributes int8 ·
    [format 1: timestamp int64] · key int32 length, −1 null · value the same

A message whose attributes name a compression holds another message set as its value, and stands for its messages. In
format 0 these have their own offsets; in format 1 they count from 0, and the outer message has the last one's.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator

from .rows import Failure, Row
from .varint import WireError

__all__ = ["HEAD", "least_size", "read_inner", "read_message", "write_message", "write_messages"]

HEAD = struct.Struct(">qiIbb")
"""Offset, size, crc, magic, attributes."""
_TIME = struct.Struct(">q")
_OFFSET = _TIME
_LEAST = {0: 14, 1: 22}  # of `size`: nothing but the fields
_COMPRESSED = 7


def least_size(magic: int) -> int:
    """The smallest `size` that a message can have."""
    return _LEAST[magic]


def read_message(data: bytes, start: int, end: int, magic: int) -> tuple[int, bytes | None, bytes | None]:
    """Timestamp, key and value of the message from `start` to `end`. Raises WireError."""
    position = start + HEAD.size
    timestamp = -1
    if magic:
        (timestamp,) = _TIME.unpack_from(data, position)
        position += 8
    key, position = _field(data, position, end - 4)
    value, position = _field(data, position, end)
    if position != end:
        raise WireError(position, f"{end - position} bytes are left over behind a message")
    return timestamp, key, value


def _field(data: bytes, position: int, end: int) -> tuple[bytes | None, int]:
    length = int.from_bytes(data[position : position + 4], "big", signed=True)
    position += 4
    if length == -1:
        return None, position
    if length < 0 or length > end - position:
        raise WireError(position - 4, f"a field of {length} bytes where {end - position} are left")
    return data[position : position + length], position + length


def read_inner(data: bytes, magic: int, outer_offset: int, fail: Failure) -> Iterator[Row]:
    """The messages of a compressed message, uncompressed. Raises what `fail` makes of a position and a reason.

    Offsets of format 1 count from what makes the last one the outer message's; all must be seen before the first is
    known.
    """
    try:
        spans, last = _spans(data, magic)
        # Some producers leave the outer offset 0, for the broker to set: then those inside stand as they are.
        base = max(outer_offset - last, 0) if magic else 0
        for start, end in spans:
            timestamp, key, value = read_message(data, start, end, magic)
            (offset,) = _OFFSET.unpack_from(data, start)
            yield key, value, (), timestamp, base + offset
    except WireError as error:
        raise fail(error.position, error.reason) from None


def _spans(data: bytes, magic: int) -> tuple[list[tuple[int, int]], int]:
    """Where each message begins and ends, and the offset that the last one bears."""
    spans: list[tuple[int, int]] = []
    offset = position = 0
    size = len(data)
    while position < size:
        if size - position < HEAD.size:
            raise WireError(position, "a message inside a compressed one ends early")
        offset, length, _, inner_magic, attributes = HEAD.unpack_from(data, position)
        if inner_magic != magic:
            raise WireError(position, f"a message of format {inner_magic} inside a compressed one of format {magic}")
        if attributes & _COMPRESSED:
            raise WireError(position, "a compressed message inside a compressed one")
        end = position + 12 + length
        if length < _LEAST[magic] or end > size:
            raise WireError(position, f"a message of {length} bytes where {size - position - 12} are left")
        spans.append((position, end))
        position = end
    if not spans:
        raise WireError(0, "a compressed message without messages in it")
    return spans, offset


def write_message(
    magic: int, offset: int, attributes: int, timestamp: int, key: bytes | None, value: bytes | None
) -> bytes:
    """One message."""
    parts = [bytes((magic, attributes))]
    if magic:
        parts.append(_TIME.pack(timestamp))
    for field in (key, value):
        parts.append((-1 if field is None else len(field)).to_bytes(4, "big", signed=True))
        if field is not None:
            parts.append(field)
    content = b"".join(parts)
    return struct.pack(">qiI", offset, len(content) + 4, zlib.crc32(content)) + content


def write_messages(rows: Iterable[Row], magic: int, base_offset: int = 0) -> bytes:
    """Messages, one after the other, their offsets counted from `base_offset`."""
    return b"".join(
        write_message(magic, offset - base_offset, 0, timestamp, key, value)
        for key, value, _, timestamp, offset in rows
    )
