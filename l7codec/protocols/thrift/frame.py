"""A whole message taken apart: what its transport put around it, and where the message itself is."""

from __future__ import annotations

import struct
from typing import Final

from ...errors import BodyError
from ...message import Message
from . import binary
from .envelope import Envelope, protocol_of, read_envelope
from .header import PROTOCOLS as HEADER_PROTOCOLS
from .header import Header, inflate, read_header
from .ttheader import PROTOCOLS as TTHEADER_PROTOCOLS
from .ttheader import STREAMING, TTHeader, read_ttheader
from .values import Fields, Struct

__all__ = ["DEPTH", "TRANSPORTS", "Opened", "open_frame", "open_message"]

TRANSPORTS: Final = ("unframed", "framed", "header", "ttheader", "twitter")

DEPTH: Final = 64
"""Levels of nesting, as Apache Thrift's TConfiguration has it."""

_LENGTH: Final = struct.Struct(">I").unpack_from


class Opened:
    """A message's parts."""

    __slots__ = ("data", "end", "framed", "head", "header", "opaque", "start", "transport", "wrong")

    def __init__(self, transport: str, data: bytes, start: int) -> None:
        self.transport = transport
        self.header: Header | TTHeader | Struct | None = None
        self.data = data
        """Where the message itself is: the bytes received, or what they inflate to."""
        self.start = start
        self.framed = False
        """A frame stands in the frame, around the message."""
        self.head: Envelope | None = None
        self.opaque = False
        """The payload is no message of a protocol that can be read, and rightly so."""
        self.wrong: BodyError | None = None


def open_message(message: Message) -> Opened:
    """The parts of a message that a codec has delivered."""
    said = message.metadata
    transport, protocol = said.get("thrift.transport"), said.get("thrift.protocol")
    return open_frame(message.raw, str(transport), protocol if isinstance(protocol, str) else None)


def open_frame(raw: bytes, transport: str, protocol: str | None = None, old: bool = False) -> Opened:
    """The parts of a message; `protocol` where it is known, `old` where a message without a version is one, too.

    Raises nothing: what is wrong stands in `wrong`.
    """
    opened = Opened(transport, raw, 0 if transport == "unframed" else 4)
    try:
        if transport == "header":
            opened.header = header = read_header(raw)
            opened.start = header.start
            protocol = protocol or HEADER_PROTOCOLS.get(header.protocol)
            if header.transforms:
                opened.data, opened.start = inflate(header, raw), 0
            if protocol == "compact":
                protocol = protocol_of(opened.data, opened.start) or protocol
        elif transport == "ttheader":
            opened.header = tt = read_ttheader(raw)
            opened.start = tt.start
            protocol = TTHEADER_PROTOCOLS.get(tt.protocol)
            opened.opaque = protocol is None or bool(tt.flags & STREAMING) or tt.start == len(raw)
            opened.framed = _is_framed(raw, tt.start) and not opened.opaque
            opened.start += 4 if opened.framed else 0
            protocol = protocol_of(raw, opened.start) or protocol
        elif transport == "twitter":
            struct, opened.start = binary.read_struct(raw, 4, DEPTH)
            opened.header = Struct(struct) if isinstance(struct, Fields) else struct
            protocol = "binary"
        if not opened.opaque:
            if protocol is None:
                protocol = protocol_of(opened.data, opened.start) or ("old_binary" if old else "binary")
            opened.head = read_envelope(opened.data, opened.start, protocol)
    except BodyError as error:
        opened.wrong = error
    return opened


def _is_framed(raw: bytes, start: int) -> bool:
    """Whether the payload that begins at `start` is a frame."""
    return len(raw) >= start + 6 and _LENGTH(raw, start)[0] == len(raw) - start - 4
