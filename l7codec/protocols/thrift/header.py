"""THeader: a frame with headers of its own before the message.

Specification: https://github.com/apache/thrift/blob/master/doc/specs/HeaderFormat.md

    length: 4 | 0F FF | flags: 2 | sequence id: 4 | header size in words: 2 | header | payload

    header     protocol id | transform count | transform ids | infos | zeros up to a multiple of four
    info 1     count | (name length | name | value length | value)*       headers of this message
    info 2     the same                                                   of all that follow on this connection
    payload    the message, each transform applied to it in turn

Numbers in the header are varints. Protocol ids: 0 binary, 1 JSON, 2 compact. Transforms: 1 zlib, 2 HMAC, 3 snappy,
4 QuickLZ, 5 zstd; only zlib is undone here. What follows an unknown info cannot be read, and is kept.
"""

from __future__ import annotations

import struct
import zlib
from typing import Final

from ...errors import BodyError, LocalProtocolError
from .compact import read_varint, write_varint

__all__ = ["MAGIC", "MOST_INFLATED", "Header", "inflate", "read_header", "write_header"]

MAGIC: Final = 0x0FFF
PROTOCOLS: Final = {0: "binary", 1: "json", 2: "compact"}
PROTOCOL_IDS: Final = {"binary": 0, "old_binary": 0, "json": 1, "compact": 2, "compact2": 2}
TRANSFORMS: Final = ("none", "zlib", "hmac", "snappy", "qlz", "zstd")

MOST_INFLATED: Final = 16 * 1024 * 1024
"""Bytes that a payload may inflate to: Apache Thrift's own limit. Stops a bomb, 50 MB from 49 kB."""

_FIXED: Final = struct.Struct(">IHHIH")

Pairs = list[tuple[bytes, bytes]]


class Header:
    """What stands in a frame before its payload."""

    __slots__ = ("flags", "headers", "id", "persistent", "protocol", "rest", "start", "transforms")

    def __init__(self, protocol: int = 0, id: int = 0, flags: int = 0) -> None:
        self.protocol = protocol
        self.id = id
        self.flags = flags
        self.transforms: list[int] = []
        self.headers: Pairs = []
        self.persistent: Pairs = []
        self.rest = b""  # infos that nobody knows
        self.start = 0  # of the payload, in the frame


def read_header(raw: bytes) -> Header:
    """The header of a whole frame. Raises BodyError."""
    try:
        return _read_header(raw)
    except (IndexError, struct.error):
        raise BodyError("thrift", len(raw), "the frame ends inside its header") from None


def _read_header(raw: bytes) -> Header:
    _, _, flags, id, words = _FIXED.unpack_from(raw)
    end = 14 + 4 * words
    if end > len(raw):
        raise BodyError("thrift", 12, f"a header of {4 * words} bytes does not fit into the frame")
    data = raw[:end]
    found = Header(0, id - (id >> 31 << 32), flags)
    found.start = end
    found.protocol, pos = read_varint(data, 14, 32)
    count, pos = read_varint(data, pos, 31)
    if count > end - pos:
        raise BodyError("thrift", pos, f"{count} transforms do not fit into the header")
    for _ in range(count):
        transform, pos = read_varint(data, pos, 31)
        found.transforms.append(transform)
    while pos < end and data[pos]:
        info = data[pos]
        if info > 2:
            found.rest = data[pos:]
            break
        pos = _read_pairs(data, pos + 1, found.headers if info == 1 else found.persistent)
    return found


def _read_pairs(data: bytes, pos: int, pairs: Pairs) -> int:
    count, pos = read_varint(data, pos, 31)
    if 2 * count > len(data) - pos:
        raise BodyError("thrift", pos, f"{count} headers do not fit")
    for _ in range(count):
        name, pos = _read_string(data, pos)
        value, pos = _read_string(data, pos)
        pairs.append((name, value))
    return pos


def _read_string(data: bytes, pos: int) -> tuple[bytes, int]:
    size, pos = read_varint(data, pos, 31)
    if size > len(data) - pos:
        raise BodyError("thrift", pos, f"a length of {size} bytes does not fit into the header")
    return data[pos : pos + size], pos + size


def inflate(header: Header, raw: bytes) -> bytes:
    """The payload with its transforms undone. Raises BodyError where one is unknown, or inflates to too much."""
    payload = raw[header.start :]
    left = MOST_INFLATED
    for transform in reversed(header.transforms):
        if transform != 1:
            name = TRANSFORMS[transform] if transform < len(TRANSFORMS) else "unknown"
            raise BodyError("thrift", 14, f"the payload is transformed by {transform} ({name}), which cannot be undone")
        inflater = zlib.decompressobj()
        try:
            payload = inflater.decompress(payload, left)
        except zlib.error as error:
            raise BodyError("thrift", header.start, f"the payload does not inflate: {error}") from None
        left -= len(payload)
        if inflater.unconsumed_tail or left <= 0:  # of all transforms together: there may be thousands
            raise BodyError("thrift", header.start, f"the payload inflates to more than {MOST_INFLATED} bytes")
        if not inflater.eof:
            raise BodyError("thrift", len(raw), "the deflated payload ends early")
    return payload


def deflate(header: Header, payload: bytes) -> bytes:
    """The payload with its transforms applied. Raises LocalProtocolError for those that cannot be."""
    for transform in header.transforms:
        if transform != 1:
            raise LocalProtocolError("thrift", 0, f"the transform {transform} cannot be applied")
        payload = zlib.compress(payload)
    return payload


def write_header(header: Header, payload: bytes) -> bytes:
    """The frame; `payload` is as it goes over the wire. Raises LocalProtocolError."""
    parts = [write_varint(header.protocol), write_varint(len(header.transforms))]
    parts += [write_varint(transform) for transform in header.transforms]
    for info, pairs in ((b"\1", header.headers), (b"\2", header.persistent)):
        if pairs:
            parts += [info, write_varint(len(pairs))]
            parts += [write_varint(len(text)) + text for pair in pairs for text in pair]
    block = b"".join([*parts, header.rest])
    block += b"\0" * (-len(block) % 4)
    if len(block) > 4 * 0xFFFF:
        raise LocalProtocolError("thrift", 0, f"headers of {len(block)} bytes do not fit into a frame")
    size = 10 + len(block) + len(payload)
    return _FIXED.pack(size, MAGIC, header.flags, header.id & 0xFFFFFFFF, len(block) // 4) + block + payload
