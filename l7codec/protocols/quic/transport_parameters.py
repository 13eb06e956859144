"""QUIC's transport parameters in the TLS handshake (RFC 9000 section 18): what each side grants the other."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ...errors import BodyError
from ...message import Metadata
from .versions import name_of
from .wire import pack_varint, read_varint

__all__ = ["FLAGS", "IDS", "INTEGERS", "VERSIONS", "describe", "pack", "read"]

INTEGERS: Final = {
    0x01: "max_idle_timeout",
    0x03: "max_udp_payload_size",
    0x04: "initial_max_data",
    0x05: "initial_max_stream_data_bidi_local",
    0x06: "initial_max_stream_data_bidi_remote",
    0x07: "initial_max_stream_data_uni",
    0x08: "initial_max_streams_bidi",
    0x09: "initial_max_streams_uni",
    0x0A: "ack_delay_exponent",
    0x0B: "max_ack_delay",
    0x0E: "active_connection_id_limit",
    0x20: "max_datagram_frame_size",  # RFC 9221
}
FLAGS: Final = {
    0x0C: "disable_active_migration",
    0x2AB2: "grease_quic_bit",  # RFC 9287
}
IDS: Final = {0x00: "original_destination_connection_id", 0x0F: "initial_source_connection_id"}
_SIZES: Final = {1: 0, 2: 1, 4: 2, 8: 3}
"""What the first two bits of an integer of so many bytes are (RFC 9000 table 4)."""

VERSIONS: Final = 0x11
"""version_information (RFC 9368): the version chosen, then those available."""

_INTEGER_KEYS: Final = {number: f"quic.tp.{name}" for number, name in INTEGERS.items()}
_FLAG_KEYS: Final = {number: f"quic.tp.{name}" for number, name in FLAGS.items()}


def read(data: bytes, position: int, end: int) -> list[tuple[int, bytes]]:
    """Number and value of each, in order, those that nobody knows included. Raises BodyError, also for one twice."""
    found: list[tuple[int, bytes]] = []
    seen: set[int] = set()
    start = position
    try:
        while position < end:
            start = position
            number = data[position]
            if number < 0x40:  # one byte, as nearly all are
                position += 1
            else:
                number, position = read_varint(data, position)
            length = data[position]
            if length < 0x40:
                position += 1
            else:
                length, position = read_varint(data, position)
            if position + length > end:
                raise IndexError
            if number in seen:  # section 7.4: a TRANSPORT_PARAMETER_ERROR
                raise BodyError("quic", start, f"transport parameter {number} comes twice")
            seen.add(number)
            found.append((number, data[position : position + length]))
            position += length
    except IndexError:
        raise BodyError("quic", start, "a transport parameter that is cut off") from None
    return found


def describe(parameters: Iterable[tuple[int, bytes]], metadata: Metadata) -> None:
    """Put what is known of them into metadata. Raises BodyError for a number that is none."""
    for number, value in parameters:
        key = _INTEGER_KEYS.get(number)
        if key is not None:
            metadata[key] = _integer(value, number)
        elif number in _FLAG_KEYS:
            metadata[_FLAG_KEYS[number]] = True
        elif number == VERSIONS and len(value) >= 4 and not len(value) % 4:
            listed = [int.from_bytes(value[at : at + 4], "big") for at in range(4, len(value), 4)]
            metadata["quic.available_versions"] = tuple(map(name_of, listed))


def _integer(value: bytes, number: int) -> int:
    size = len(value)
    if size not in _SIZES or value[0] >> 6 != _SIZES[size]:
        raise BodyError("quic", 0, f"transport parameter {number} is no number")
    return int.from_bytes(value, "big") & ((1 << (size * 8 - 2)) - 1)


def pack(parameters: Iterable[tuple[int, bytes | int]]) -> bytes:
    """Parameters as they stand in the extension; a value given as a number is written as one."""
    result = b""
    for number, value in parameters:
        data = pack_varint(value) if isinstance(value, int) else value
        result += pack_varint(number) + pack_varint(len(data)) + data
    return result
