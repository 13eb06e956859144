"""What the tests of QUIC share: the vectors of the RFCs, two addresses, an observer between them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from l7codec import Message
from l7codec.protocols.quic import QuicCodec

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[2] / "vectors" / "quic.json").read_text())
V1, V2 = 1, 0x6B3343CF
CLIENT, MOVED, SERVER = ("192.0.2.1", 40000), ("198.51.100.9", 41111), ("203.0.113.1", 443)
UP, DOWN = (CLIENT, SERVER), (SERVER, CLIENT)
UP_MOVED, DOWN_MOVED = (MOVED, SERVER), (SERVER, MOVED)


def octets(text: str) -> bytes:
    return bytes.fromhex(text)


def one(codec: QuicCodec, data: bytes | Message, path: object = UP) -> Message:
    """The only packet of a datagram."""
    (message,) = codec.decode_datagram(data.raw if isinstance(data, Message) else data, path)
    return message


def types(messages: list[Message]) -> list[object]:
    return [message.metadata["quic.packet_type"] for message in messages]
