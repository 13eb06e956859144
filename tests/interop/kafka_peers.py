"""Real Kafka peers: librdkafka's mock cluster, and a relay before a broker, which keeps every byte.

The mock cluster lives inside a confluent-kafka client and listens on the loopback interface; other clients may use it,
too. Brokers tell clients their addresses, and clients then go there directly: so the relay puts its own port in the
place of the broker's wherever a frame names the broker's host and port. That needs no codec, and changes no length.
"""

from __future__ import annotations

import contextlib
import re
import socket
import struct
import threading
from collections.abc import Iterator

from l7codec import Side

HOST = "127.0.0.1"
_PATIENCE = 20.0
_OFFERED = re.compile(rb"\0\0\0.\0.\0\x01\0.\0.\0\x02\0.\0.\0\x03\0.\0.", re.DOTALL)
"""Produce, Fetch, ListOffsets and Metadata in a broker's list of APIs: key, oldest and newest version of each."""

_OF_2_3 = struct.pack(">12h", 0, 0, 8, 1, 0, 11, 2, 0, 5, 3, 0, 8)


class Connection:
    """What went over one connection: `turns`, in order, each what one side wrote. `port` is the client's own."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.turns: list[tuple[Side, bytes]] = []

    def said(self, side: Side) -> bytes:
        """All that one side wrote."""
        return b"".join(data for who, data in self.turns if who is side)


class Relay:
    """Listens on `port`, passes everything on to the broker at `target`, and remembers it.

    `old`: clients are told that the broker knows no more than Kafka 2.3, the last whose messages tshark 4.0 can read.
    """

    def __init__(self, target: int, port: int = 0, *, old: bool = False) -> None:
        self.target = target
        self.old = old
        self.connections: list[Connection] = []
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server((HOST, port))
        self.port: int = self._listener.getsockname()[1]
        host = HOST.encode()
        plain, compact = struct.pack(">h", len(host)) + host, bytes((len(host) + 1,)) + host
        self._addresses = [
            (name + struct.pack(">i", target), name + struct.pack(">i", self.port)) for name in (plain, compact)
        ]
        self._run(self._accept)

    def _run(self, function, *arguments) -> None:
        thread = threading.Thread(target=function, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                client, address = self._listener.accept()
                server = socket.create_connection((HOST, self.target), _PATIENCE)
                server.settimeout(None)
                self._sockets += (client, server)
                connection = Connection(address[1])
                self.connections.append(connection)
                self._run(self._copy, connection, Side.CLIENT, client, server)
                self._run(self._copy, connection, Side.SERVER, server, client)

    def _copy(self, connection: Connection, side: Side, source: socket.socket, target: socket.socket) -> None:
        held = b""
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                if side is Side.SERVER:
                    frames, held = _whole_frames(held + data)
                    for theirs, ours in self._addresses:
                        frames = frames.replace(theirs, ours)
                    if self.old:
                        frames = _OFFERED.sub(_OF_2_3, frames)
                    data = frames
                if data:
                    connection.turns.append((side, data))
                    target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self._listener.close()
        for one in self._sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads[1:]:
            thread.join(_PATIENCE)
        for one in self._sockets:
            one.close()


def _whole_frames(data: bytes) -> tuple[bytes, bytes]:
    position = 0
    while len(data) - position >= 4:
        size = 4 + int.from_bytes(data[position : position + 4], "big")
        if size > len(data) - position:
            break
        position += size
    return data[:position], data[position:]


@contextlib.contextmanager
def relay(target: int, port: int = 0, *, old: bool = False) -> Iterator[Relay]:
    """A relay before the broker on port `target`; on any free port, or on this one."""
    running = Relay(target, port, old=old)
    try:
        yield running
    finally:
        running.close()


@contextlib.contextmanager
def mock_cluster() -> Iterator[int]:
    """The port of librdkafka's mock broker, alone in its cluster; it is there as long as its owner is."""
    from confluent_kafka import Producer

    owner = Producer({"bootstrap.servers": "none", "test.mock.num.brokers": 1, "log_level": 0})
    (broker,) = owner.list_topics(timeout=_PATIENCE).brokers.values()
    yield broker.port
    del owner
