"""The sixteen bytes before every message.

https://dubbo.apache.org/en/overview/reference/protocols/tcp/

    0      2        3        4             12            16
    +------+--------+--------+-------------+-------------+-----~-----+
    | DABB | flags  | status | request id  | body length |   body    |
    +------+--------+--------+-------------+-------------+-----~-----+
             80 request    of responses      at most 8 MB by default
             40 two-way
             20 event
             1f serialization
"""

from __future__ import annotations

import struct
from typing import Final

__all__ = [
    "EVENT",
    "HEADER",
    "HEADER_SIZE",
    "MAGIC",
    "OK",
    "REQUEST",
    "SERIALIZATIONS",
    "SERIALIZATION_IDS",
    "SERIALIZATION_MASK",
    "STATUSES",
    "TWO_WAY",
    "pack",
]

MAGIC: Final = 0xDABB
HEADER: Final = struct.Struct(">HBBqi")
HEADER_SIZE: Final = 16

REQUEST: Final = 0x80
TWO_WAY: Final = 0x40
EVENT: Final = 0x20
SERIALIZATION_MASK: Final = 0x1F

SERIALIZATIONS: Final[dict[int, str]] = {
    2: "hessian2",
    3: "java",
    4: "compactedjava",
    6: "fastjson",
    7: "nativejava",
    8: "kryo",
    9: "fst",
    10: "native-hessian",
    11: "avro",
    12: "protostuff",
    16: "gson",
    18: "jackson",
    21: "protobuf-json",
    22: "protobuf",
    23: "fastjson2",
    25: "kryo2",
    27: "msgpack",
    28: "fury",
    31: "custom",
}
"""Names by number: `org.apache.dubbo.common.serialize.Constants`, Dubbo 3.3."""

SERIALIZATION_IDS: Final[dict[str, int]] = {name: number for number, name in SERIALIZATIONS.items()}

OK: Final = 20
STATUSES: Final[dict[int, str]] = {
    20: "OK",
    25: "SERIALIZATION_ERROR",
    30: "CLIENT_TIMEOUT",
    31: "SERVER_TIMEOUT",
    35: "CHANNEL_INACTIVE",
    40: "BAD_REQUEST",
    50: "BAD_RESPONSE",
    60: "SERVICE_NOT_FOUND",
    70: "SERVICE_ERROR",
    80: "SERVER_ERROR",
    90: "CLIENT_ERROR",
    100: "SERVER_THREADPOOL_EXHAUSTED_ERROR",
}
"""Names by number: `org.apache.dubbo.remoting.exchange.Response`."""


def pack(flags: int, status: int, id: int, body: bytes) -> bytes:
    """A frame."""
    return HEADER.pack(MAGIC, flags, status, id, len(body)) + body
