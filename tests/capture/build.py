"""Builds captures byte by byte: files, link layers, IP and TCP, well-formed unless a test says otherwise."""

from __future__ import annotations

import io
import struct
from socket import AF_INET, AF_INET6, inet_pton

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND + 123_456_789
CLIENT, SERVER = ("10.0.0.1", 40112), ("10.0.0.2", 6379)
CLIENT6, SERVER6 = ("fd00::1", 40112), ("fd00::2", 6379)
FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32


class Dribble(io.RawIOBase):
    """A file that gives `size` bytes at a time, like a slow pipe."""

    def __init__(self, data: bytes, size: int = 1) -> None:
        self._data = io.BytesIO(data)
        self._size = size

    def read(self, size: int = -1) -> bytes:
        return self._data.read(min(size, self._size) if size >= 0 else self._size)


# Files


def pcap_header(order: str = "<", magic: int = 0xA1B2C3D4, link: int = 1, snap: int = 262_144, minor: int = 4) -> bytes:
    return struct.pack(order + "IHHiIII", magic, 2, minor, 0, 0, snap, link)


def record(
    data: bytes,
    time: int = START,
    length: int | None = None,
    *,
    order: str = "<",
    unit: int = 1000,
    captured: int | None = None,
    extra: bytes = b"",
) -> bytes:
    captured = len(data) if captured is None else captured
    head = (time // SECOND, time % SECOND // unit, captured, len(data) if length is None else length)
    return struct.pack(order + "IIII", *head) + extra + data


def pcap(*packets: bytes, link: int = 1, step: int = 1_000_000) -> bytes:
    """A nanosecond pcap of these packets, `step` nanoseconds apart."""
    records = [record(data, START + number * step, unit=1) for number, data in enumerate(packets)]
    return pcap_header(magic=0xA1B23C4D, link=link) + b"".join(records)


def block(kind: int, body: bytes, order: str = "<", total: int | None = None, trailer: int | None = None) -> bytes:
    body += bytes(-len(body) % 4)
    total = len(body) + 12 if total is None else total
    return (
        struct.pack(order + "II", kind, total) + body + struct.pack(order + "I", total if trailer is None else trailer)
    )


def option(code: int, value: bytes, order: str = "<", size: int | None = None) -> bytes:
    return struct.pack(order + "HH", code, len(value) if size is None else size) + value + bytes(-len(value) % 4)


def section(order: str = "<", major: int = 1, options: bytes = b"", length: int = -1) -> bytes:
    return block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, major, 0, length) + options, order)


def interface(link: int = 1, snap: int = 0, options: bytes = b"", order: str = "<") -> bytes:
    return block(1, struct.pack(order + "HHI", link, 0, snap) + options, order)


def enhanced(
    data: bytes,
    units: int = START // 1000,
    number: int = 0,
    length: int | None = None,
    order: str = "<",
    options: bytes = b"",
) -> bytes:
    head = (number, units >> 32, units & 0xFFFF_FFFF, len(data), len(data) if length is None else length)
    return block(6, struct.pack(order + "IIIII", *head) + data + bytes(-len(data) % 4) + options, order)


def simple(data: bytes, length: int | None = None, order: str = "<") -> bytes:
    return block(3, struct.pack(order + "I", len(data) if length is None else length) + data, order)


def obsolete(data: bytes, units: int = START // 1000, number: int = 0, order: str = "<") -> bytes:
    head = (number, 0, units >> 32, units & 0xFFFF_FFFF, len(data), len(data))
    return block(2, struct.pack(order + "HHIIII", *head) + data, order)


# Layers


def address(text: str) -> bytes:
    return inet_pton(AF_INET6 if ":" in text else AF_INET, text)


def ethernet(payload: bytes, kind: int = 0x0800, tags: tuple[int, ...] = ()) -> bytes:
    head = b"\x02\0\0\0\0\2\x02\0\0\0\0\1"
    for tag in tags:
        head += struct.pack(">HH", tag, 7)
    return head + struct.pack(">H", kind) + payload


def ipv4(
    payload: bytes,
    source: str = CLIENT[0],
    destination: str = SERVER[0],
    protocol: int = 6,
    *,
    total: int | None = None,
    fragment: int = 0,
    identification: int = 1,
    options: bytes = b"",
) -> bytes:
    size = 20 + len(options)
    total = size + len(payload) if total is None else total
    head = struct.pack(">BBHHHBBH", 0x40 | size >> 2, 0, total, identification, fragment, 64, protocol, 0)
    return head + address(source) + address(destination) + options + payload


def ipv6(
    payload: bytes,
    source: str = CLIENT6[0],
    destination: str = SERVER6[0],
    protocol: int = 6,
    length: int | None = None,
) -> bytes:
    length = len(payload) if length is None else length
    return struct.pack(">IHBB", 0x6000_0000, length, protocol, 64) + address(source) + address(destination) + payload


def tcp(
    payload: bytes = b"",
    sequence: int = 0,
    acknowledgement: int = 0,
    flags: int = ACK,
    source: int = CLIENT[1],
    destination: int = SERVER[1],
    *,
    options: bytes = b"",
    words: int | None = None,
) -> bytes:
    words = 5 + len(options) // 4 if words is None else words
    mask = 0xFFFF_FFFF
    head = struct.pack(
        ">HHIIBBHHH", source, destination, sequence & mask, acknowledgement & mask, words << 4, flags, 512, 0, 0
    )
    return head + options + payload


def udp(payload: bytes, source: int = 40112, destination: int = 8125, length: int | None = None) -> bytes:
    return struct.pack(">HHHH", source, destination, 8 + len(payload) if length is None else length, 0) + payload
