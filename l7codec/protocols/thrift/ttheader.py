"""TTHeader: Kitex' frame with headers, which looks like THeader and is not.

Specification: https://www.cloudwego.io/docs/kitex/reference/transport_protocol_ttheader/

    length: 4 | 10 00 | flags: 2 | sequence id: 4 | header size in words: 2 | header | payload

    header      protocol id: 1 | transform count: 1 | transform ids: 1 each | infos | zeros up to a multiple of four
    info 01     count: 2 | (name length: 2 | name | value length: 2 | value)*
    info 10     count: 2 | (key: 2 | value length: 2 | value)*                      keys that have a meaning: KEYS
    info 11     length: 2 | token                                                   for access control
    payload     the message, or a frame that holds it

Numbers are big-endian. Protocol ids: 0 binary, 2 and 3 compact, 4 Kitex' Protobuf, 10 and 11 bare structs of a stream.
An info 0 is padding, wherever it stands; one that nobody knows is an error.
"""

from __future__ import annotations

import struct
from typing import Final

from ...errors import BodyError, LocalProtocolError

__all__ = ["KEYS", "MAGIC", "STREAMING", "TTHeader", "read_ttheader", "write_ttheader"]

MAGIC: Final = 0x1000
STREAMING: Final = 2
"""The flag of frames that belong to a stream."""
PROTOCOLS: Final = {0: "binary", 2: "compact", 3: "compact"}
PROTOCOL_IDS: Final = {"binary": 0, "compact": 2}

KEYS: Final = {
    1: "transport_type",
    2: "log_id",
    3: "from_service",
    4: "from_cluster",
    5: "from_idc",
    6: "to_service",
    7: "to_cluster",
    8: "to_idc",
    9: "to_method",
    10: "env",
    11: "dest_address",
    12: "rpc_timeout",
    13: "read_timeout",
    14: "ring_hash_key",
    15: "ddp_tag",
    16: "with_mesh_header",
    17: "connect_timeout",
    18: "span_context",
    19: "short_connection",
    20: "from_method",
    21: "stress_tag",
    22: "msg_type",
    23: "http_content_type",
    24: "raw_ring_hash_key",
    25: "lb_type",
    26: "cluster_shard_id",
    27: "frame_type",
    28: "stream_timeout",
}
"""What the keys of an info 10 mean."""

_FIXED: Final = struct.Struct(">IHHIH")
_U16: Final = struct.Struct(">H")


class TTHeader:
    """What stands in a frame before its payload."""

    __slots__ = ("flags", "headers", "id", "numbered", "protocol", "start", "token", "transforms")

    def __init__(self, protocol: int = 0, id: int = 0, flags: int = 0) -> None:
        self.protocol = protocol
        self.id = id
        self.flags = flags
        self.transforms = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.numbered: list[tuple[int, bytes]] = []
        self.token: bytes | None = None
        self.start = 0  # of the payload, in the frame


def read_ttheader(raw: bytes) -> TTHeader:
    """The header of a whole frame. Raises BodyError."""
    try:
        return _read_ttheader(raw)
    except (IndexError, struct.error):
        raise BodyError("thrift", len(raw), "the frame ends inside its header") from None


def _read_ttheader(raw: bytes) -> TTHeader:
    _, _, flags, id, words = _FIXED.unpack_from(raw)
    end = 14 + 4 * words
    if end > len(raw):
        raise BodyError("thrift", 12, f"a header of {4 * words} bytes does not fit into the frame")
    data = raw[:end]
    found = TTHeader(data[14], id - (id >> 31 << 32), flags)
    found.start = end
    pos = 16 + data[15]
    if pos > end:
        raise BodyError("thrift", 15, f"{data[15]} transforms do not fit into the header")
    found.transforms = data[16:pos]
    while pos < end:
        info = data[pos]
        pos += 1
        if info == 0:
            continue
        if info == 0x11:
            found.token, pos = _read_string(data, pos)
            continue
        if info not in (1, 0x10):
            raise BodyError("thrift", pos - 1, f"no info has the number {info:#04x}")
        count = _U16.unpack_from(data, pos)[0]
        pos += 2
        for _ in range(count):
            if info == 1:
                name, pos = _read_string(data, pos)
                value, pos = _read_string(data, pos)
                found.headers.append((name, value))
            else:
                key = _U16.unpack_from(data, pos)[0]
                value, pos = _read_string(data, pos + 2)
                found.numbered.append((key, value))
    return found


def _read_string(data: bytes, pos: int) -> tuple[bytes, int]:
    end = pos + 2 + _U16.unpack_from(data, pos)[0]
    if end > len(data):
        raise BodyError("thrift", pos, f"a length of {end - pos - 2} bytes does not fit into the header")
    return data[pos + 2 : end], end


def write_ttheader(header: TTHeader, payload: bytes) -> bytes:
    """The frame. Raises LocalProtocolError."""
    try:
        parts = [bytes((header.protocol, len(header.transforms))), header.transforms]
        if header.token is not None:
            parts += [b"\x11", _write_string(header.token)]
        if header.numbered:
            parts += [b"\x10", _U16.pack(len(header.numbered))]
            parts += [_U16.pack(key) + _write_string(value) for key, value in header.numbered]
        if header.headers:
            parts += [b"\x01", _U16.pack(len(header.headers))]
            parts += [_write_string(text) for pair in header.headers for text in pair]
        block = b"".join(parts)
        block += b"\0" * (-len(block) % 4)
        size = 10 + len(block) + len(payload)
        head = _FIXED.pack(size, MAGIC, header.flags, header.id & 0xFFFFFFFF, len(block) // 4)
    except struct.error:
        raise LocalProtocolError("thrift", 0, "a header, or all of them, do not fit into a frame") from None
    return head + block + payload


def _write_string(value: bytes) -> bytes:
    return _U16.pack(len(value)) + value
