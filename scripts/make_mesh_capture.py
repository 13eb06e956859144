"""Makes docs/captures/mesh.pcapng from real servers and clients on the loopback interface.

    python scripts/make_mesh_capture.py                needs haproxy, redis-server, tcpdump, and the right to capture

    redis-py ──▶ haproxy ── PROXY v2 ──▶ relay ── unix socket ──▶ redis-server    captured: the leg with PROXY
    redis-py, a raw socket ──▶ redis-server                                          captured
    AwesomeRPC client ──▶ AwesomeRPC server                                          captured
    http.client ──▶ http.server                                                      captured, and not ours to decode
    librdkafka, aiokafka ──▶ relay ──▶ librdkafka's mock cluster                     captured: what the clients see

redis-server does not take PROXY headers, so a relay made of this library takes them off.

Beside the capture, docs/captures/mesh.json says what the applications themselves sent and got: it is written by them,
not from the capture, and the tests hold what is decoded against it. A protocol that comes later adds its scene: a
function with `@scene`, a port in PORTS.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import http.client
import http.server
import json
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import redis
from redis.connection import Connection

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "docs" / "captures")]

import awesome  # noqa: E402  a file beside the capture

from l7codec import Side, Stream  # noqa: E402
from l7codec.capture import read_packets  # noqa: E402
from tests.interop.kafka_peers import mock_cluster, relay  # noqa: E402

HOST = "127.0.0.1"
PORTS = {"haproxy": 26601, "relay": 26602, "redis": 26603, "awesome": 26604, "http": 26605, "kafka": 26606}
CAPTURED = ("relay", "redis", "awesome", "http", "kafka")

HAPROXY = """
global
    maxconn 100
defaults
    mode tcp
    timeout connect 5s
    timeout client 30s
    timeout server 30s
frontend in
    bind {host}:{haproxy}
    default_backend out
backend out
    server relay {host}:{relay} send-proxy-v2 proxy-v2-options crc32c
"""

Scene = Callable[["Stage"], None]
SCENES: list[Scene] = []


def scene(function: Scene) -> Scene:
    """Add a scene to the capture; they run one after the other."""
    SCENES.append(function)
    return function


class Stage:
    """Where scenes play: addresses, and the record of what was said, by the client's own port."""

    def __init__(self) -> None:
        self.record: dict[int, dict[str, Any]] = {}

    def begin(self, port: int, scene: str, protocol: str, server: str) -> dict[str, Any]:
        """Open the record of a connection whose client has this port."""
        entry = {"scene": scene, "protocol": protocol, "server": server, "requests": [], "replies": []}
        self.record[port] = entry
        return entry

    def redis(self, scene: str, *, through: str = "haproxy", protocol: int = 2) -> redis.Redis:
        """A redis-py client with one connection that notes what it sends and reads."""
        stage = self

        class Noting(Connection):
            """Notes each command before it is packed, and each reply after it was read."""

            def _connect(self) -> socket.socket:
                connected: socket.socket = super()._connect()
                server = "relay" if through == "haproxy" else through
                self.entry = stage.begin(connected.getsockname()[1], scene, "redis", server)
                pack = self._command_packer.pack

                def noting(*args: Any) -> Any:
                    words = args[0].split() if isinstance(args[0], str) else [args[0]]
                    self.entry["requests"].append([_octets(arg) for arg in (*words, *args[1:])])
                    return pack(*args)

                self._command_packer.pack = noting
                return connected

            def read_response(self, *args: Any, **options: Any) -> Any:
                try:
                    reply = super().read_response(*args, **options)
                except redis.ResponseError as error:
                    self.entry["replies"].append({"error": str(error)})
                    raise
                self.entry["replies"].append({"error": str(reply)} if isinstance(reply, Exception) else {})
                return reply

        pool = redis.ConnectionPool(
            connection_class=Noting, host=HOST, port=PORTS[through], protocol=protocol, max_connections=1
        )
        return redis.Redis(connection_pool=pool)


def _octets(value: Any) -> str:
    """An argument's bytes as they go on the wire, in base64."""
    data = value if isinstance(value, bytes) else str(value).encode()
    return base64.b64encode(data).decode()


def _expect_error(call: Callable[[], Any]) -> None:
    try:
        call()
    except redis.ResponseError:
        return
    raise AssertionError("an error was due")


# -- scenes -----------------------------------------------------------------------------------------------------------


@scene
def plain_commands(stage: Stage) -> None:
    """RESP2 through haproxy: strings, numbers, hashes, lists, nulls, bytes that are no text, errors."""
    client = stage.redis("plain_commands")
    client.set("user:1", "Ada")
    client.set("user:2", "Grace", ex=60)
    client.get("user:1")
    client.get("user:nobody")
    client.mget("user:1", "user:2", "user:3")
    client.set("blob", bytes(range(256)))
    client.get("blob")
    client.set("größe:日本", "ü")
    client.set(b"\xff\xfe-key", "not UTF-8")
    client.incr("counter")
    client.hset("cart:{42}", mapping={"apples": "3", "pears": "5"})
    client.hgetall("cart:{42}")
    client.lpush("queue", "a", "b", "c")
    client.lrange("queue", 0, -1)
    _expect_error(lambda: client.incr("user:1"))
    _expect_error(lambda: client.lpush("user:1", "x"))
    client.config_get("maxmemory")
    client.set("control", "\x1b[31mred\x1b[0m\r\n\x07")
    client.get("\x1b]0;title\x07")
    client.delete("queue", "counter")
    client.connection_pool.disconnect()


@scene
def resp3(stage: Stage) -> None:
    """RESP3: HELLO 3, maps, sets, doubles, booleans."""
    client = stage.redis("resp3", protocol=3)
    client.hset("profile:7", mapping={"name": "Edsger", "city": "Rotterdam"})
    client.hgetall("profile:7")
    client.sadd("tags", "a", "b")
    client.smembers("tags")
    client.zadd("board", {"ada": 1.5, "grace": 2.5})
    client.zrange("board", 0, -1, withscores=True)
    client.zscore("board", "ada")
    client.get("user:nobody")
    _expect_error(lambda: client.execute_command("NOSUCHCOMMAND", "x"))
    client.connection_pool.disconnect()


@scene
def pipelines(stage: Stage) -> None:
    """Twenty commands in one go, and a value that takes several segments."""
    client = stage.redis("pipelines")
    pipe = client.pipeline(transaction=False)
    for number in range(10):
        pipe.set(f"item:{number}", "x" * (number * 7))
        pipe.get(f"item:{number}")
    pipe.execute()
    client.set("large", "0123456789" * 3_000)
    client.get("large")
    client.connection_pool.disconnect()


@scene
def transactions(stage: Stage) -> None:
    """MULTI and EXEC; WATCH; one that is discarded because a watched key changed."""
    client = stage.redis("transactions")
    pipe = client.pipeline(transaction=True)
    pipe.set("balance:a", 10).set("balance:b", 0).incrby("balance:b", 10).execute()
    other = stage.redis("transactions", through="redis")
    pipe = client.pipeline(transaction=True)
    pipe.watch("balance:a")
    other.set("balance:a", 99)
    pipe.multi()
    pipe.decrby("balance:a", 1)
    with contextlib.suppress(redis.WatchError):
        pipe.execute()
    client.connection_pool.disconnect()
    other.connection_pool.disconnect()


def _subscription(stage: Stage, name: str, protocol: int) -> None:
    client = stage.redis(name, protocol=protocol)
    listener = client.pubsub()
    listener.subscribe("news", "weather")
    listener.psubscribe("n*")
    for _ in range(3):
        listener.get_message(timeout=2)
    publisher = stage.redis(name, through="redis")
    publisher.publish("news", "first")
    publisher.publish("weather", "rain")
    for _ in range(3):
        listener.get_message(timeout=2)
    listener.unsubscribe("news")
    listener.get_message(timeout=2)
    listener.close()
    client.connection_pool.disconnect()
    publisher.connection_pool.disconnect()


@scene
def subscriptions(stage: Stage) -> None:
    """Publish and subscribe in RESP2."""
    _subscription(stage, "subscriptions", 2)


@scene
def subscriptions_resp3(stage: Stage) -> None:
    """The same in RESP3, where messages are pushes."""
    _subscription(stage, "subscriptions_resp3", 3)


@scene
def scripts(stage: Stage) -> None:
    """Lua: EVAL, EVALSHA of an unknown script, and of a known one; an error raised inside."""
    client = stage.redis("scripts", protocol=3)
    script = "return redis.call('INCRBY', KEYS[1], ARGV[1])"
    client.eval(script, 1, "hits", 5)
    _expect_error(lambda: client.evalsha("0" * 40, 1, "hits", 1))
    known = client.script_load(script)
    client.evalsha(known, 1, "hits", 2)
    _expect_error(lambda: client.eval("return redis.error_reply('MYERR by hand')", 0))
    client.connection_pool.disconnect()


@scene
def by_hand(stage: Stage) -> None:
    """What a person types: inline requests, straight to redis-server, some in pieces."""
    with socket.create_connection((HOST, PORTS["redis"])) as peer:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        entry = stage.begin(peer.getsockname()[1], "by_hand", "redis", "redis")
        for words in (["PING"], ["SET", "greeting", "hello"], ["GET", "greeting"], ["NOSUCH"]):
            entry["requests"].append([_octets(word) for word in words])
            line = (" ".join(words) + "\r\n").encode()
            peer.sendall(line[:3])
            time.sleep(0.02)
            peer.sendall(line[3:])
            reply = peer.recv(4096)
            entry["replies"].append({"error": reply[1:-2].decode()} if reply[:1] == b"-" else {})


@scene
def awesome_rpc(stage: Stage) -> None:
    """A declared protocol: pipelined requests, answered out of order, one with an error, and one that has no answer."""
    with socket.create_connection((HOST, PORTS["awesome"])) as peer:
        entry = stage.begin(peer.getsockname()[1], "awesome_rpc", "awesome", "awesome")
        calls = [("Orders.get", "17"), ("Orders.get", "18"), ("Stock.fail", ""), ("Orders.list", "x" * 3000)]
        data = b""
        for number, (name, payload) in enumerate(calls, 1):
            entry["requests"].append({"id": number, "name": name, "payload": payload})
            data += awesome.message(0, number, name, payload)
        entry["requests"].append({"id": 0, "name": "Audit.note", "payload": "no answer"})
        peer.sendall(data + awesome.message(2, 0, "Audit.note", "no answer"))
        replies = Stream(awesome.AwesomeRPC, Side.SERVER)
        while len(entry["replies"]) < len(calls):
            for message in replies.receive_data(peer.recv(65536)):
                entry["replies"].append({"id": message.id, "code": message.metadata["awesome.code"]})


@scene
def web(stage: Stage) -> None:
    """HTTP/1.1, which is told by name and not decoded."""
    connection = http.client.HTTPConnection(HOST, PORTS["http"])
    connection.connect()
    stage.begin(connection.sock.getsockname()[1], "web", "http/1", "http")
    connection.request("GET", "/orders/17")
    connection.getresponse().read()
    connection.close()


@scene
def kafka(stage: Stage) -> None:
    """Two clients produce with every compression, in a transaction, and read all of it as a group."""
    rows = [(None if index % 3 else f"order-{index}", f"{index} apples " * index) for index in range(8)]
    with mock_cluster() as broker, relay(broker, PORTS["kafka"]) as between:
        address = f"{HOST}:{PORTS['kafka']}"
        noted = {"produced": {}, "consumed": {}}
        for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
            noted["produced"][f"orders-{codec}"] = rows
        _librdkafka(address, noted)
        noted["produced"]["payments"] = [("card", "17 EUR")]
        asyncio.run(_aiokafka(address, noted))
        time.sleep(0.2)
        for connection in between.connections:
            stage.begin(connection.port, "kafka", "kafka", "kafka")
        stage.record[between.connections[0].port] |= noted


def _librdkafka(address: str, noted: dict[str, Any]) -> None:
    from confluent_kafka import Consumer, Producer

    for topic, rows in noted["produced"].items():
        packed = {"compression.type": topic.removeprefix("orders-"), "linger.ms": 20}
        producer = Producer({"bootstrap.servers": address, "client.id": "shop", **packed})
        for key, value in rows:
            producer.produce(topic, value, key, headers=[("scene", b"kafka")], partition=0)
        assert producer.flush(20) == 0
    settings = {"group.id": "packers", "auto.offset.reset": "earliest", "client.id": "packer"}
    consumer = Consumer({"bootstrap.servers": address, **settings})
    consumer.subscribe(list(noted["produced"]))
    left = sum(map(len, noted["produced"].values()))
    while left:
        for message in consumer.consume(left, 20):
            rows = noted["consumed"].setdefault(message.topic(), [])
            rows.append((message.key() and message.key().decode(), message.value().decode()))
            left -= 1
    consumer.commit(asynchronous=False)
    consumer.close()


async def _aiokafka(address: str, noted: dict[str, Any]) -> None:
    from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

    producer = AIOKafkaProducer(bootstrap_servers=address, transactional_id="till-1", client_id="till")
    await producer.start()
    async with producer.transaction():
        for key, value in noted["produced"]["payments"]:
            await producer.send_and_wait("payments", value.encode(), key.encode(), partition=0)
    await producer.stop()
    settings = {"group_id": "bookkeeping", "auto_offset_reset": "earliest", "client_id": "books"}
    consumer = AIOKafkaConsumer("payments", bootstrap_servers=address, **settings)
    await consumer.start()
    one = await asyncio.wait_for(consumer.getone(), 20)
    noted["consumed"]["payments"] = [(one.key.decode(), one.value.decode())]
    await consumer.stop()


# -- servers ----------------------------------------------------------------------------------------------------------


def _serve(name: str, handle: Callable[[socket.socket], None]) -> socket.socket:
    """Listen on a port; each connection is handled in a thread of its own."""
    listener = socket.create_server((HOST, PORTS[name]))

    def accept() -> None:
        with contextlib.suppress(OSError):  # closed: the capture is over
            while True:
                peer, _ = listener.accept()
                threading.Thread(target=handle, args=(peer,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return listener


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


def _relay(unix: str) -> Callable[[socket.socket], None]:
    """Take the PROXY header off, and pass on the rest."""

    def handle(peer: socket.socket) -> None:
        header = Stream("proxy", Side.CLIENT)
        while not header.codec.finished:
            for _ in header.receive_data(peer.recv(65536)):
                pass
        with socket.socket(socket.AF_UNIX) as inner:
            inner.connect(unix)
            inner.sendall(header.trailing_data)
            back = threading.Thread(target=_copy, args=(inner, peer), daemon=True)
            back.start()
            _copy(peer, inner)
            back.join()
        peer.close()

    return handle


def _awesome(peer: socket.socket) -> None:
    """Answer each request that came together with others in reverse order."""
    stream = Stream(awesome.AwesomeRPC, Side.CLIENT)
    while data := peer.recv(65536):
        requests = [message for message in stream.receive_data(data) if message.kind == "request"]
        for request in reversed(requests):
            name = f"{request.metadata['service']}.{request.metadata['method']}"
            code = 13 if name == "Stock.fail" else 0
            peer.sendall(awesome.message(1, request.id, name, f"{name}({request.body[:10]})", code))
    peer.close()


class _Web(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = b'{"order": 17}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


@contextlib.contextmanager
def _process(*command: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def _wait_for(port: int) -> None:
    for _ in range(100):
        with contextlib.suppress(OSError), socket.create_connection((HOST, port), 1):
            return
        time.sleep(0.05)
    raise TimeoutError(f"nobody listens on port {port}")


@contextlib.contextmanager
def _servers(folder: Path) -> Iterator[None]:
    unix = str(folder / "redis.sock")
    config = folder / "haproxy.cfg"
    config.write_text(HAPROXY.format(host=HOST, **PORTS))
    redis_server = ("redis-server", "--port", str(PORTS["redis"]), "--unixsocket", unix, "--save", "", "--bind", HOST)
    with contextlib.ExitStack() as stack:
        stack.enter_context(_process(*redis_server, "--dir", str(folder)))
        stack.enter_context(_process("haproxy", "-f", str(config)))
        web = http.server.ThreadingHTTPServer((HOST, PORTS["http"]), _Web)
        threading.Thread(target=web.serve_forever, daemon=True).start()
        stack.callback(web.shutdown)
        stack.enter_context(_serve("relay", _relay(unix)))
        stack.enter_context(_serve("awesome", _awesome))
        _wait_for(PORTS["redis"])
        _wait_for(PORTS["haproxy"])
        time.sleep(0.5)
        yield


# -- the capture ------------------------------------------------------------------------------------------------------


def write_pcapng(source: Path, target: Path) -> int:
    """Write a capture anew as pcapng with nanoseconds, and nothing about the machine it was made on.

    Returns the number of packets.
    """

    def block(kind: int, body: bytes) -> bytes:
        size = len(body) + 12
        return struct.pack("<II", kind, size) + body + struct.pack("<I", size)

    def option(code: int, value: bytes) -> bytes:
        return struct.pack("<HH", code, len(value)) + value + bytes(-len(value) % 4)

    count = 0
    with read_packets(source) as packets, target.open("wb") as file:
        file.write(block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)))
        options = option(2, b"lo") + option(9, b"\x09") + bytes(4)
        for packet in packets:
            if not count:
                file.write(block(1, struct.pack("<HHI", packet.link_type, 0, 262_144) + options))
            time_ns, data = packet.time_ns, packet.data
            head = struct.pack("<IIIII", 0, time_ns >> 32, time_ns & 0xFFFF_FFFF, len(data), packet.length)
            file.write(block(6, head + data + bytes(-len(data) % 4)))
            count += 1
    return count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "captures" / "mesh.pcapng")
    arguments = parser.parse_args()
    stage = Stage()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        raw = folder / "raw.pcap"
        ports = " or ".join(f"tcp port {PORTS[server]}" for server in CAPTURED)
        with _servers(folder):
            nano = "--time-stamp-precision=nano"
            with _process("tcpdump", "-i", "lo", "-U", "-s", "0", nano, "-Z", "root", "-w", str(raw), ports):
                time.sleep(1)
                for play in SCENES:
                    play(stage)
                    time.sleep(0.1)
                time.sleep(1)
        count = write_pcapng(raw, arguments.output)
    record = arguments.output.with_suffix(".json")
    rows = ",\n".join(f'"{port}": {json.dumps(entry)}' for port, entry in stage.record.items())
    record.write_text(f"{{\n{rows}\n}}\n")
    size = arguments.output.stat().st_size
    print(f"{arguments.output}: {count} packets, {size} bytes; {len(stage.record)} connections in {record.name}")


if __name__ == "__main__":
    main()
