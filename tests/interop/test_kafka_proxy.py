"""`examples/kafka_proxy.py` with a real client and a cluster of several brokers, and where things go wrong.

With a real Apache Kafka broker and three clients: see `test_kafka_broker.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from l7codec import Conversation, Kind, Message, Side
from l7codec.protocols import kafka

from .kafka_proxied import EXAMPLE, HOST, example, free_ports, proxied

pytestmark = pytest.mark.interop

PATIENCE = 20.0
Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def test_a_cluster_of_three_brokers() -> None:
    """Every partition's leader is reached through the proxy, which gives the tenant its own names there."""
    from confluent_kafka import Consumer, Producer
    from confluent_kafka.admin import AdminClient

    owner = Producer({"bootstrap.servers": "none", "test.mock.num.brokers": 3, "log_level": 0})
    ports = sorted(broker.port for broker in owner.list_topics(timeout=PATIENCE).brokers.values())
    rows = [f"value {number}".encode() for number in range(40)]
    with proxied(*ports) as proxy:
        producer = Producer({"bootstrap.servers": proxy.address})
        for number, value in enumerate(rows):
            producer.produce("orders", value, str(number).encode())
        assert producer.flush(PATIENCE) == 0
        settings = {"group.id": "readers", "auto.offset.reset": "earliest"}
        consumer = Consumer({"bootstrap.servers": proxy.addresses[-1], **settings})
        consumer.subscribe(["orders"])
        found: list[bytes] = []
        while len(found) < len(rows):
            found += [one.value() for one in consumer.consume(len(rows) - len(found), PATIENCE)]
        consumer.close()
        assert sorted(found) == sorted(rows)
        own = AdminClient({"bootstrap.servers": proxy.address}).list_topics(timeout=PATIENCE)
        assert sorted(f"{one.host}:{one.port}" for one in own.brokers.values()) == sorted(proxy.addresses)
        assert "orders" in own.topics
    there = owner.list_topics(timeout=PATIENCE).topics
    assert "acme.orders" in there
    assert "orders" not in there
    leaders = {one.leader for one in there["acme.orders"].partitions.values()}
    assert len(leaders) > 1
    asked = [one for one in proxy.seen if one.metadata.get("method") == "JoinGroup" and one.side is Side.CLIENT]
    assert {one.metadata["group"] for one in asked} == {"readers"}


# -- one connection, both ends of which the test holds ----------------------------------------------------------------


class Talk:
    """A client's connection through the proxy, and the broker's end of it."""

    def __init__(self, proxy: Any, address: tuple[str, int], arrivals: asyncio.Queue[Any]) -> None:
        self.proxy = proxy
        self.address = address
        self._arrivals = arrivals
        self._writers: list[asyncio.StreamWriter] = []

    async def connect(self) -> Ends:
        """A new connection, as the client has it."""
        ends = await asyncio.open_connection(*self.address)
        self._writers.append(ends[1])
        return ends

    async def arrival(self) -> Ends:
        """The next connection, as the broker has it."""
        ends: Ends = await soon(self._arrivals.get())
        self._writers.append(ends[1])
        return ends

    async def close(self) -> None:
        for writer in self._writers:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


async def soon(what: Awaitable[Any]) -> Any:
    return await asyncio.wait_for(what, PATIENCE)


def talking(test: Callable[[Talk], Awaitable[None]]) -> None:
    """Run it with a proxy, and with a broker that does nothing by itself."""

    async def run() -> None:
        arrivals: asyncio.Queue[Any] = asyncio.Queue()

        async def arrived(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await arrivals.put((reader, writer))

        broker = await asyncio.start_server(arrived, HOST, 0)
        port = broker.sockets[0].getsockname()[1]
        proxy = example().TenantProxy({(HOST, 0): (HOST, port)}, "acme")
        (address,) = await proxy.start()
        talk = Talk(proxy, address, arrivals)
        try:
            await test(talk)
        finally:
            await soon(proxy.stop())
            await talk.close()
            broker.close()
        assert not proxy._connections

    asyncio.run(run())


METADATA = kafka.request("Metadata", {"topics": [{"name": "orders"}]}, version=5, id=7)
ANSWER = kafka.response("Metadata", {"topics": [{"name": "acme.orders"}]}, version=5, id=7)


async def frame(reader: asyncio.StreamReader) -> bytes:
    head = await soon(reader.readexactly(4))
    return bytes(head + await soon(reader.readexactly(int.from_bytes(head, "big"))))


def answer_to(request: Message, data: bytes) -> Message:
    """The response in these bytes, as a client reads it that has asked so."""
    conversation = Conversation("kafka")
    assert list(conversation.client.receive_data(request.raw))
    (message,) = conversation.server.receive_data(data)
    return message


def test_names_on_both_sides() -> None:
    async def test(talk: Talk) -> None:
        from_proxy, to_proxy = await talk.connect()
        to_proxy.write(METADATA.raw)
        from_client, to_client = await talk.arrival()
        assert b"\0\x0bacme.orders" in await frame(from_client)
        to_client.write(ANSWER.raw)
        (topic,) = answer_to(METADATA, await frame(from_proxy)).body["topics"]
        assert topic["name"] == "orders"

    talking(test)


def test_a_client_that_ends_first_still_gets_its_answer() -> None:
    async def test(talk: Talk) -> None:
        from_proxy, to_proxy = await talk.connect()
        to_proxy.write(METADATA.raw)
        to_proxy.write_eof()
        from_client, to_client = await talk.arrival()
        await frame(from_client)
        assert await soon(from_client.read()) == b""
        to_client.write(ANSWER.raw)
        await frame(from_proxy)
        to_client.close()
        assert await soon(from_proxy.read()) == b""

    talking(test)


@pytest.mark.parametrize(
    "wrong",
    [
        b"\xff\xff\xff\xff",  # no size
        bytes.fromhex("0000000e 0003 0001 00000007 ffff 00000005"),  # more topics than bytes
        bytes.fromhex("0000000a 0000 0063 00000007 ffff"),  # Produce 99: its topics cannot be given the prefix
    ],
)
def test_what_cannot_be_rewritten_ends_both_sides(wrong: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    async def test(talk: Talk) -> None:
        from_proxy, to_proxy = await talk.connect()
        from_client, _ = await talk.arrival()
        to_proxy.write(wrong)
        assert await soon(from_client.read()) == b""
        assert await soon(from_proxy.read()) == b""

    talking(test)
    assert ": closed: kafka: byte " in capsys.readouterr().out


def test_a_broker_that_answers_nonsense_ends_both_sides() -> None:
    async def test(talk: Talk) -> None:
        from_proxy, to_proxy = await talk.connect()
        to_proxy.write(METADATA.raw)
        from_client, to_client = await talk.arrival()
        await frame(from_client)
        to_client.write(bytes.fromhex("0000000c 00000007 00000000 7fffffff"))  # so many brokers in no bytes
        assert await soon(from_proxy.read()) == b""
        assert await soon(from_client.read()) == b""

    talking(test)


def test_a_broker_that_ends_first_takes_the_client_along_and_may_come_back() -> None:
    async def test(talk: Talk) -> None:
        for _ in range(2):
            from_proxy, to_proxy = await talk.connect()
            to_proxy.write(METADATA.raw)
            from_client, to_client = await talk.arrival()
            await frame(from_client)
            to_client.close()
            assert await soon(from_proxy.read()) == b""

    talking(test)


def test_a_broker_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    (port,) = free_ports(1)

    async def run() -> None:
        proxy = example().TenantProxy({(HOST, 0): (HOST, port)}, "acme")
        (address,) = await proxy.start()
        for _ in range(2):
            reader, writer = await asyncio.open_connection(*address)
            assert await soon(reader.read()) == b""
            writer.close()
        await soon(proxy.stop())

    asyncio.run(run())
    assert capsys.readouterr().out.count(f"{HOST}:{port}: closed: ") == 2


@pytest.mark.parametrize("side", Side)
def test_who_reads_slowly_is_waited_for(side: Side) -> None:
    """One end writes all it can while the other reads nothing: it is made to wait, and nothing is lost."""
    piece = {
        Side.CLIENT: kafka.request("Produce", {"acks": 0}, version=3, client_id="c" * 30_000).raw,
        Side.SERVER: kafka.response("SaslAuthenticate", {"auth_bytes": bytes(30_000)}, version=0).raw,
    }[side]
    enough = 40_000_000 // len(piece)

    async def test(talk: Talk) -> None:
        from_proxy, to_proxy = await talk.connect()
        from_client, to_client = await talk.arrival()
        reader, writer = (from_client, to_proxy) if side is Side.CLIENT else (from_proxy, to_client)
        written = 0

        async def write() -> None:
            nonlocal written
            for _ in range(enough):
                writer.write(piece)
                await writer.drain()
                written += 1

        writing = asyncio.create_task(write())
        before = -1
        while not written or before != written:
            before = written
            await asyncio.sleep(0.3)
        assert 0 < written < enough // 2  # what sockets hold on the way, and no more
        read = 0
        while read < enough * len(piece):
            read += len(await soon(reader.read(1 << 20)))
        await soon(writing)

    talking(test)


def test_versions_that_are_not_known_are_not_offered() -> None:
    ask = kafka.request("ApiVersions", {}, version=2, id=1)
    offers = [
        {"api_key": 0, "min_version": 0, "max_version": 99},
        {"api_key": 3, "min_version": 98, "max_version": 99},
        {"api_key": 12, "min_version": 0, "max_version": 2},
        {"api_key": 1000, "min_version": 0, "max_version": 1},
    ]

    async def test(talk: Talk) -> None:
        from_proxy, to_proxy = await talk.connect()
        to_proxy.write(ask.raw)
        from_client, to_client = await talk.arrival()
        await frame(from_client)
        to_client.write(kafka.response("ApiVersions", {"api_keys": offers}, version=2, id=1).raw)
        answer = answer_to(ask, await frame(from_proxy))
        assert [tuple(one.values()) for one in answer.body["api_keys"]] == [(0, 0, 13), (12, 0, 2)]

    talking(test)


def test_a_version_of_api_versions_that_is_not_known() -> None:
    """The broker may know it, and answer what could not be read: the client is told to ask in a version that is."""
    newest = kafka.api(18).versions.last
    asked = kafka.request("ApiVersions", {}, version=newest, id=1).raw
    newer = Message("kafka", Kind.REQUEST, Side.CLIENT, {}, asked[:6] + (newest + 1).to_bytes(2, "big") + asked[8:])

    async def test(talk: Talk) -> None:
        from_proxy, to_proxy = await talk.connect()
        from_client, _ = await talk.arrival()
        to_proxy.write(newer.raw)
        answer = answer_to(newer, await frame(from_proxy))
        assert answer.metadata["error.type"] == "UNSUPPORTED_VERSION"
        assert [(one["api_key"], one["max_version"]) for one in answer.body["api_keys"]] == [(18, newest)]
        to_proxy.write(asked)
        assert await frame(from_client) == asked

    talking(test)


def test_stop_does_not_wait_for_who_reads_nothing() -> None:
    piece = kafka.response("SaslAuthenticate", {"auth_bytes": bytes(30_000)}, version=0).raw

    async def test(talk: Talk) -> None:
        _, to_proxy = await talk.connect()
        _, to_client = await talk.arrival()
        to_proxy.transport.pause_reading()  # type: ignore[attr-defined]  # of a socket's transport, which it is
        to_client.write(piece * 1000)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(to_client.drain(), 1)
        await asyncio.wait_for(talk.proxy.stop(), example().PATIENCE / 2)
        to_proxy.transport.abort()
        to_client.transport.abort()

    talking(test)


def test_stop_ends_what_was_accepted_just_before() -> None:
    async def test(talk: Talk) -> None:
        with socket.create_connection(talk.address) as client:
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            await soon(talk.proxy.stop())
            reader, writer = await asyncio.open_connection(sock=client)
            with contextlib.suppress(ConnectionResetError):  # where it was not accepted yet
                assert await soon(reader.read()) == b""
            writer.close()

    talking(test)


def test_stop_ends_what_goes_on() -> None:
    async def test(talk: Talk) -> None:
        from_proxy, _ = await talk.connect()
        from_client, _ = await talk.arrival()
        await soon(talk.proxy.stop())
        assert await soon(from_proxy.read()) == b""
        assert await soon(from_client.read()) == b""
        with pytest.raises(OSError, match=r"[Cc]onnect"):
            await talk.connect()

    talking(test)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM to send")
def test_the_command() -> None:
    listen, broker = free_ports(2)
    command = [sys.executable, str(EXAMPLE), "--tenant", "acme", f"{HOST}:{listen}=kafka-1.example:{broker}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == f"{HOST}:{listen}: acme's part of kafka-1.example:{broker}\n"
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()  # else a failure would wait for its end
