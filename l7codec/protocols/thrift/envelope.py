"""What stands before a message's struct: its type, its method's name, its sequence id.

Specification: https://github.com/apache/thrift/blob/master/doc/specs/thrift-rpc.md and the protocols' own

    binary      80 01 | 00 | type | name length: 4 | name | sequence id: 4
    old_binary  name length: 4 | name | type | sequence id: 4
    compact     82 | type: 3 bits, version: 5 bits | sequence id: varint | name length: varint | name
    json        [1,"name",type,sequence id,

The version of the compact protocol is 1; fbthrift writes 2, which is `compact2` here.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from ...errors import BodyError, LocalProtocolError
from . import binary, compact, json_protocol
from .values import Fields, Struct, StructLike

__all__ = ["CALL", "EXCEPTION", "ONEWAY", "PROTOCOLS", "REPLY", "Envelope", "protocol_of", "read_envelope"]

CALL: Final = 1
REPLY: Final = 2
EXCEPTION: Final = 3
ONEWAY: Final = 4

TYPE_NAMES: Final = ("", "call", "reply", "exception", "oneway")

PROTOCOLS: Final = ("binary", "old_binary", "compact", "compact2", "json")

_STRICT: Final = struct.Struct(">HxBi").unpack_from
_I32: Final = struct.Struct(">i").unpack_from
_TYPE_ID: Final = struct.Struct(">Bi").unpack_from


class Envelope(NamedTuple):
    """A message's head."""

    protocol: str
    type: int
    name: bytes
    id: int
    start: int
    """Where in the data the struct begins."""


def protocol_of(data: bytes, start: int) -> str | None:
    """The protocol of the message at `start` by its first two bytes; None where it is none, or old."""
    first, second = data[start : start + 2].ljust(2, b"\0")
    if first == 0x80 and second == 1:
        return "binary"
    if first == 0x82:
        return {1: "compact", 2: "compact2"}.get(second & 31)
    return "json" if first == 0x5B else None


def read_envelope(data: bytes, start: int, protocol: str) -> Envelope:
    """The head of the message at `start`. Raises BodyError."""
    try:
        if protocol == "binary":
            found = _binary(data, start)
        elif protocol == "old_binary":
            found = _old_binary(data, start)
        elif protocol == "json":
            found = Envelope("json", *json_protocol.read_head(data, start))
        else:
            found = _compact(data, start, protocol)
    except (IndexError, struct.error):
        raise BodyError("thrift", len(data), "the payload ends inside a message's head") from None
    if not CALL <= found.type <= ONEWAY:
        raise BodyError("thrift", start, f"no message has the type {found.type}")
    return found


def _binary(data: bytes, start: int) -> Envelope:
    version, type, size = _STRICT(data, start)
    if version != 0x8001:
        raise BodyError("thrift", start, "no version of the binary protocol")
    name = _name(data, start + 8, size)
    end = start + 8 + size
    return Envelope("binary", type, name, _I32(data, end)[0], end + 4)


def _old_binary(data: bytes, start: int) -> Envelope:
    size = _I32(data, start)[0]
    name = _name(data, start + 4, size)
    end = start + 4 + size
    type, id = _TYPE_ID(data, end)
    return Envelope("old_binary", type, name, id, end + 5)


def _compact(data: bytes, start: int, protocol: str) -> Envelope:
    if data[start] != 0x82 or data[start + 1] & 31 != (1 if protocol == "compact" else 2):
        raise BodyError("thrift", start, "no version of the compact protocol")
    id, pos = compact.read_varint(data, start + 2, 32)
    size, pos = compact.read_varint(data, pos, 31)
    name = _name(data, pos, size)
    return Envelope(protocol, data[start + 1] >> 5, name, id - (id >> 31 << 32), pos + size)


def _name(data: bytes, start: int, size: int) -> bytes:
    if not 0 <= size <= len(data) - start:
        raise BodyError("thrift", start, f"a method's name of {size} bytes does not fit into the payload")
    return data[start : start + size]


def write_envelope(protocol: str, type: int, name: bytes, id: int) -> bytes:
    """A message's head, all that comes before its struct. Raises LocalProtocolError."""
    if not -(2**31) <= id < 2**31:
        raise LocalProtocolError("thrift", 0, f"a sequence id has 32 bits, {id} more")
    if protocol == "binary":
        return struct.pack(">HBBI", 0x8001, 0, type, len(name)) + name + struct.pack(">i", id)
    if protocol == "old_binary":
        return struct.pack(">I", len(name)) + name + struct.pack(">Bi", type, id)
    if protocol == "json":
        return json_protocol.write_head(type, name, id)
    version = 1 if protocol == "compact" else 2
    head = bytes((0x82, type << 5 | version)) + compact.write_varint(id & 0xFFFFFFFF)
    return head + compact.write_varint(len(name)) + name


def read_body(data: bytes, start: int, protocol: str, depth: int) -> tuple[Struct | Fields, int]:
    """The struct at `start`, behind a message's head, and where the message ends. Raises BodyError."""
    if protocol in ("binary", "old_binary"):
        return binary.read_struct(data, start, depth)
    if protocol == "json":
        return json_protocol.read_struct(data, start, depth)
    return compact.read_struct(data, start, depth, 1 if protocol == "compact" else 2)


def write_body(body: StructLike, protocol: str) -> bytes:
    """A struct as it stands behind a message's head, with all that ends the message. Raises LocalProtocolError."""
    if protocol in ("binary", "old_binary"):
        return binary.write_struct(body)
    if protocol == "json":
        return json_protocol.write_struct(body) + b"]"
    return compact.write_struct(body, 1 if protocol == "compact" else 2)
