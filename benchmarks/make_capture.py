"""Writes a large capture of Redis traffic, the same bytes every time.

    python benchmarks/make_capture.py --megabytes 150 out.pcap
    python benchmarks/make_capture.py --megabytes 150 --pcapng out.pcapng

200 connections at a time, each with its handshake, commands and replies of mixed sizes (pipelined now and then), bare
acknowledgements, TCP time stamps, and an orderly end. Of 500 requests the capture misses one and has one twice, and of
500 replies in several segments one comes in reverse order.
"""

from __future__ import annotations

import argparse
import random
import struct
from collections.abc import Iterator

FIN, SYN, PSH, ACK = 1, 2, 8, 16
CONNECTIONS = 200
EXCHANGES = 400  # in a connection's life
MASK = 0xFFFF_FFFF

_PACKET = struct.Struct(">12sHBBHHHBBH4s4sHHIIBBHHH12s")
_MAC = b"\x02\0\0\0\0\1\x02\0\0\0\0\2"
_OPTIONS = b"\1\1\x08\x0a\0\1\2\3\0\1\2\3"


def packet(source: tuple[bytes, int], target: tuple[bytes, int], seq: int, ack: int, flags: int, data: bytes) -> bytes:
    """An Ethernet frame with an IPv4 TCP segment, as a Linux host captures it (checksums not filled in)."""
    head = _PACKET.pack(
        *(_MAC, 0x0800, 0x45, 0, 52 + len(data), seq & 0xFFFF, 0x4000, 64, 6, 0, source[0], target[0]),
        *(source[1], target[1], seq & MASK, ack & MASK, 0x80, flags, 502, 0, 0, _OPTIONS),
    )
    return head + data


def command(values: random.Random) -> tuple[bytes, bytes]:
    """A Redis command and the reply to it."""
    key = b"user:%06d" % values.randrange(10**6)
    size = values.choice((8, 8, 40, 200, 200, 896))
    value = (b"%08d" % values.randrange(10**8)) * (size // 8)
    if values.random() < 0.3:
        return b"*3\r\n$3\r\nSET\r\n$11\r\n%b\r\n$%d\r\n%b\r\n" % (key, size, value), b"+OK\r\n"
    return b"*2\r\n$3\r\nGET\r\n$11\r\n%b\r\n" % key, b"$%d\r\n%b\r\n" % (size, value)


def connection(number: int, values: random.Random) -> Iterator[bytes]:
    """The packets of one connection."""
    client = (bytes([10, 0, number >> 8 & 255, number & 255]), 32768 + number * 7 % 28000)
    server = (b"\x0a\1\0\1", 6379)
    at, back = values.randrange(2**32), values.randrange(2**32)
    yield packet(client, server, at, 0, SYN, b"")
    yield packet(server, client, back, at + 1, SYN | ACK, b"")
    at, back = at + 1, back + 1
    yield packet(client, server, at, back, ACK, b"")
    for _ in range(EXCHANGES):
        pairs = [command(values) for _ in range(values.choice((1, 1, 1, 4)))]
        asked, answered = b"".join(pair[0] for pair in pairs), b"".join(pair[1] for pair in pairs)
        luck = values.randrange(500)
        if luck:
            yield packet(client, server, at, back, PSH | ACK, asked)
            if luck == 1:
                yield packet(client, server, at, back, PSH | ACK, asked)
        at += len(asked)
        parts = [answered[i : i + 1448] for i in range(0, len(answered), 1448)]
        segments = []
        for part in parts:
            segments.append(packet(server, client, back, at, PSH | ACK, part))
            back += len(part)
        if luck == 2:
            segments.reverse()
        yield from segments
        if values.random() < 0.5:
            yield packet(client, server, at, back, ACK, b"")
    yield packet(client, server, at, back, FIN | ACK, b"")
    yield packet(server, client, back, at + 1, FIN | ACK, b"")
    yield packet(client, server, at + 1, back + 1, ACK, b"")


def packets(seed: int = 1) -> Iterator[bytes]:
    """Packets of many connections, interleaved, without an end."""
    values = random.Random(seed)
    number = CONNECTIONS
    live = [connection(n, values) for n in range(CONNECTIONS)]
    while True:
        index = values.randrange(CONNECTIONS)
        found = next(live[index], None)
        if found is None:
            live[index] = connection(number, values)
            number += 1
        else:
            yield found


def write(path: str, megabytes: int, pcapng: bool = False) -> int:
    """Write at least so many megabytes; returns the number of packets."""
    size, count, time = 0, 0, 1_700_000_000_000_000
    with open(path, "wb") as file:
        if pcapng:
            file.write(struct.pack("<IIIHHqI", 0x0A0D0D0A, 28, 0x1A2B3C4D, 1, 0, -1, 28))
            file.write(struct.pack("<IIHHII", 1, 20, 1, 0, 262_144, 20))
        else:
            file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, 1))
        for data in packets():
            time += 17
            if pcapng:
                padded = (len(data) + 3) & ~3
                total = padded + 32
                head = struct.pack("<IIIIIII", 6, total, 0, time >> 32, time & MASK, len(data), len(data))
                record = head + data.ljust(padded, b"\0") + struct.pack("<I", total)
            else:
                record = struct.pack("<IIII", time // 10**6, time % 10**6, len(data), len(data)) + data
            file.write(record)
            size += len(record)
            count += 1
            if size >= megabytes * 1_000_000:
                return count
    return count


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path")
    parser.add_argument("--megabytes", type=int, default=150)
    parser.add_argument("--pcapng", action="store_true")
    arguments = parser.parse_args()
    print(write(arguments.path, arguments.megabytes, arguments.pcapng), "packets")
