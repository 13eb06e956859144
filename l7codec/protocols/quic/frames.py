"""The frames that Initials hold (RFC 9000 section 12.5): PADDING, PING, ACK, CRYPTO, CONNECTION_CLOSE."""

from __future__ import annotations

import re
from typing import Any, Final

from ...errors import BodyError
from .wire import pack_varint, read_varint

__all__ = ["ERRORS", "Crypto", "close_frame", "crypto_frame", "error_name", "frames", "skim"]

PADDING: Final = 0x00
PING: Final = 0x01
ACK: Final = 0x02
ACK_ECN: Final = 0x03
CRYPTO: Final = 0x06
CONNECTION_CLOSE: Final = 0x1C

Crypto = tuple[int, bytes]
"""Offset and data of a CRYPTO frame."""

ERRORS: Final = {  # RFC 9000 section 20.1, RFC 9368 section 10.2
    0x00: "NO_ERROR",
    0x01: "INTERNAL_ERROR",
    0x02: "CONNECTION_REFUSED",
    0x03: "FLOW_CONTROL_ERROR",
    0x04: "STREAM_LIMIT_ERROR",
    0x05: "STREAM_STATE_ERROR",
    0x06: "FINAL_SIZE_ERROR",
    0x07: "FRAME_ENCODING_ERROR",
    0x08: "TRANSPORT_PARAMETER_ERROR",
    0x09: "CONNECTION_ID_LIMIT_ERROR",
    0x0A: "PROTOCOL_VIOLATION",
    0x0B: "INVALID_TOKEN",
    0x0C: "APPLICATION_ERROR",
    0x0D: "CRYPTO_BUFFER_EXCEEDED",
    0x0E: "KEY_UPDATE_ERROR",
    0x0F: "AEAD_LIMIT_REACHED",
    0x10: "NO_VIABLE_PATH",
    0x11: "VERSION_NEGOTIATION_ERROR",
}

_padding = re.compile(rb"\0+").match


def error_name(code: int) -> str:
    """ "CONNECTION_REFUSED", "CRYPTO_ERROR alert 40", "0x1234"."""
    if 0x100 <= code <= 0x1FF:  # a TLS alert (RFC 9001 section 4.8)
        return f"CRYPTO_ERROR alert {code & 0xFF}"
    return ERRORS.get(code, f"0x{code:x}")


def skim(payload: bytes) -> tuple[list[Crypto], tuple[int, bytes] | None, BodyError | None]:
    """The CRYPTO frames of an Initial's payload, the code and reason of a CONNECTION_CLOSE, and what is wrong."""
    found: list[Crypto] = []
    position, end = 0, len(payload)
    try:
        while position < end:
            kind = payload[position]
            if kind == CRYPTO:
                offset, at = read_varint(payload, position + 1)
                length, at = read_varint(payload, at)
                position = at + length
                if position > end:
                    return found, None, _cut(at)
                found.append((offset, payload[at:position]))
            elif kind == PADDING:
                match = _padding(payload, position)
                position = match.end() if match else end
            elif kind == PING:
                position += 1
            elif kind in (ACK, ACK_ECN):
                position = _ack(payload, position)[0]
            elif kind == CONNECTION_CLOSE:
                position, code, _, reason = _close(payload, position)
                return found, (code, reason), None
            else:
                return found, None, _forbidden(kind, position)
    except IndexError:
        return found, None, _cut(position)
    return found, None, None


def frames(payload: bytes) -> list[dict[str, Any]]:
    """Every frame of an Initial's payload; a run of padding is one. Raises BodyError."""
    found: list[dict[str, Any]] = []
    position = 0
    try:
        while position < len(payload):
            kind = payload[position]
            if kind == PADDING:
                match = _padding(payload, position)
                end = match.end() if match else len(payload)
                found.append({"type": "padding", "length": end - position})
                position = end
            elif kind == PING:
                found.append({"type": "ping"})
                position += 1
            elif kind in (ACK, ACK_ECN):
                position, frame = _ack(payload, position)
                found.append(frame)
            elif kind == CRYPTO:
                offset, at = read_varint(payload, position + 1)
                length, at = read_varint(payload, at)
                position = at + length
                if position > len(payload):
                    raise IndexError
                found.append({"type": "crypto", "offset": offset, "data": payload[at:position]})
            elif kind == CONNECTION_CLOSE:
                position, code, frame_type, reason = _close(payload, position)
                found.append(
                    {
                        "type": "connection_close",
                        "error_code": code,
                        "frame_type": frame_type,
                        "reason": reason.decode("utf-8", "surrogateescape"),
                    }
                )
            else:
                raise _forbidden(kind, position)
    except IndexError:
        raise _cut(position) from None
    return found


def _ack(payload: bytes, position: int) -> tuple[int, dict[str, Any]]:
    """Section 19.3. No list is longer than the bytes that bear it."""
    ecn = payload[position] == ACK_ECN
    largest, position = read_varint(payload, position + 1)
    delay, position = read_varint(payload, position)
    count, position = read_varint(payload, position)
    first, position = read_varint(payload, position)
    ranges = [(largest - first, largest)]
    smallest = largest - first
    for _ in range(count):
        gap, position = read_varint(payload, position)
        length, position = read_varint(payload, position)
        highest = smallest - gap - 2
        smallest = highest - length
        ranges.append((smallest, highest))
    frame = {"type": "ack", "largest_acknowledged": largest, "ack_delay": delay, "ranges": ranges}
    if ecn:
        counts = []
        for _ in range(3):
            number, position = read_varint(payload, position)
            counts.append(number)
        frame["ecn_counts"] = counts
    return position, frame


def _close(payload: bytes, position: int) -> tuple[int, int, int, bytes]:
    """Section 19.19: where it ends, error code, frame type, reason."""
    code, position = read_varint(payload, position + 1)
    frame_type, position = read_varint(payload, position)
    length, position = read_varint(payload, position)
    if position + length > len(payload):
        raise IndexError
    return position + length, code, frame_type, payload[position : position + length]


def _cut(position: int) -> BodyError:
    return BodyError("quic", position, "a frame that runs over the payload's end")


def _forbidden(kind: int, position: int) -> BodyError:
    return BodyError("quic", position, f"a frame of type 0x{kind:02x}, which no Initial may hold")


def crypto_frame(offset: int, data: bytes) -> bytes:
    """A CRYPTO frame (section 19.6)."""
    return b"\x06" + pack_varint(offset) + pack_varint(len(data)) + data


def close_frame(code: int, reason: bytes, frame_type: int = 0) -> bytes:
    """A CONNECTION_CLOSE frame of the transport's (section 19.19)."""
    return b"\x1c" + pack_varint(code) + pack_varint(frame_type) + pack_varint(len(reason)) + reason
