"""Real clients with librdkafka's mock cluster: what went over the wire, decoded, is what the applications said.

kafka-python is not here: the mock answers its ApiVersions request in a form that it cannot read.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from l7codec import Conversation, Message, Side, encode
from l7codec.protocols.kafka import Records
from tests.capture.build import ethernet, ipv4, pcap, tcp

from .kafka_peers import HOST, Connection, Relay, mock_cluster, relay

pytestmark = pytest.mark.interop

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
PATIENCE = 20.0
ROWS = [
    (f"key-{index}".encode() if index % 3 else None, f"value {index} ".encode() * index, [("h", b"x"), ("n", None)])
    for index in range(1, 13)
]


@pytest.fixture(scope="module")
def cluster() -> Iterator[int]:
    with mock_cluster() as port:
        yield port


@pytest.fixture(scope="module")
def librdkafka(cluster: int) -> Relay:
    """Everything that librdkafka does in these tests, recorded."""
    from confluent_kafka import Consumer, Producer

    with relay(cluster) as between:
        address = f"{HOST}:{between.port}"
        for codec in CODECS:
            producer = Producer({"bootstrap.servers": address, "compression.type": codec, "linger.ms": 50})
            for key, value, headers in ROWS:
                producer.produce(f"rd-{codec}", value, key, headers=headers)
            assert producer.flush(PATIENCE) == 0
        producer = Producer({"bootstrap.servers": address, "transactional.id": "tx-1", "client.id": "shop"})
        producer.init_transactions(PATIENCE)
        producer.begin_transaction()
        producer.produce("rd-tx", b"in a transaction")
        producer.commit_transaction(PATIENCE)
        settings = {"group.id": "readers", "auto.offset.reset": "earliest", "session.timeout.ms": 6000}
        consumer = Consumer({"bootstrap.servers": address, **settings})
        consumer.subscribe([f"rd-{codec}" for codec in CODECS])
        left = len(CODECS) * len(ROWS)
        while left:
            messages = consumer.consume(left, PATIENCE)
            assert messages
            left -= len(messages)
        consumer.commit(asynchronous=False)
        consumer.close()
        del producer
    return between


@pytest.fixture(scope="module")
def aiokafka(cluster: int) -> Relay:
    """The same of aiokafka."""
    from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

    async def talk(address: str) -> None:
        for codec in CODECS:
            packed = None if codec == "none" else codec
            producer = AIOKafkaProducer(bootstrap_servers=address, compression_type=packed, linger_ms=50)
            await producer.start()
            await asyncio.gather(
                *[await producer.send(f"ak-{codec}", value, key, headers=headers) for key, value, headers in ROWS]
            )
            await producer.stop()
        producer = AIOKafkaProducer(bootstrap_servers=address, transactional_id="tx-2", client_id="store")
        await producer.start()
        async with producer.transaction():
            await producer.send_and_wait("ak-tx", b"in a transaction")
        await producer.stop()
        settings = {"group_id": "ak-readers", "auto_offset_reset": "earliest"}
        consumer = AIOKafkaConsumer(*[f"ak-{codec}" for codec in CODECS], bootstrap_servers=address, **settings)
        await consumer.start()
        for _ in range(len(CODECS) * len(ROWS)):
            await asyncio.wait_for(consumer.getone(), PATIENCE)
        await consumer.commit()
        await consumer.stop()

    with relay(cluster) as between:
        asyncio.run(talk(f"{HOST}:{between.port}"))
    return between


@pytest.fixture(params=["librdkafka", "aiokafka"])
def spoken(request: pytest.FixtureRequest) -> tuple[str, Relay]:
    between: Relay = request.getfixturevalue(request.param)
    return {"librdkafka": "rd", "aiokafka": "ak"}[request.param], between


def decoded(connection: Connection) -> list[Message]:
    conversation = Conversation("kafka")
    return [message for side, data in connection.turns for message in conversation.stream(side).receive_data(data)]


def said(between: Relay) -> list[Message]:
    return [message for connection in between.connections for message in decoded(connection)]


def of(messages: list[Message], method: str, side: Side) -> list[Message]:
    return [message for message in messages if message.side is side and message.metadata.get("method") == method]


def test_every_byte_is_in_a_message(spoken: tuple[str, Relay]) -> None:
    for connection in spoken[1].connections:
        messages = decoded(connection)
        for side in Side:
            assert b"".join(encode(one) for one in messages if one.side is side) == connection.said(side)


def test_every_message_decodes_and_is_paired(spoken: tuple[str, Relay]) -> None:
    for message in said(spoken[1]):
        if message.side is Side.SERVER:
            assert message.request is not None
            if message.error is not None:  # what the mock answers to a version of ApiVersions that it does not know
                assert message.metadata["method"] == "ApiVersions"
                continue
        assert message.error is None
        assert message.body is not None


def test_produced_records(spoken: tuple[str, Relay]) -> None:
    """What applications gave to `send` is what the Produce requests hold."""
    peer, between = spoken
    found: dict[str, list[Any]] = {}
    packed: dict[str, set[str]] = {}
    for message in of(said(between), "Produce", Side.CLIENT):
        for topic in message.body["topic_data"]:
            for partition in topic["partition_data"]:
                records = partition["records"]
                assert isinstance(records, Records)
                records.verify()
                rows = found.setdefault(topic["name"], [])
                rows += [(one.key, one.value, list(one.headers)) for one in records]
                packed.setdefault(topic["name"], set()).update(batch.compression for batch in records.batches)
                if topic["name"].endswith("tx"):
                    assert all(batch.transactional for batch in records.batches)
    for codec in CODECS:
        rows = found[f"{peer}-{codec}"]
        assert sorted(rows, key=lambda row: row[1]) == sorted(ROWS, key=lambda row: row[1])  # of several partitions
        assert packed[f"{peer}-{codec}"] == {codec}
    assert found[f"{peer}-tx"] == [(None, b"in a transaction", [])]


def test_fetched_records(spoken: tuple[str, Relay]) -> None:
    """What a Fetch response holds is what was produced, under the offsets that the broker gave it."""
    peer, between = spoken
    found: dict[bytes, set[Any]] = {}
    for message in of(said(between), "Fetch", Side.SERVER):
        for topic in message.body["responses"]:
            for partition in topic["partitions"]:
                for one in partition["records"] or ():
                    place = (topic.get("topic", topic.get("topic_id")), partition["partition_index"], one.offset)
                    found.setdefault(one.value, set()).add(place)
    for _, value, _ in ROWS:
        assert len(found[value]) == len(CODECS)
    assert peer


def test_metadata(spoken: tuple[str, Relay]) -> None:
    peer, between = spoken
    messages = said(between)
    transaction = {"rd": "tx-1", "ak": "tx-2"}[peer]
    assert {one.metadata["kafka.transactional_id"] for one in of(messages, "EndTxn", Side.CLIENT)} == {transaction}
    assert {one.metadata["client_id"] for one in of(messages, "EndTxn", Side.CLIENT)} == {
        {"rd": "shop", "ak": "store"}[peer]
    }
    group = {"rd": "readers", "ak": "ak-readers"}[peer]
    for method in ("JoinGroup", "SyncGroup", "OffsetCommit"):
        assert {one.metadata["group"] for one in of(messages, method, Side.CLIENT)} == {group}, method
    produced = {topic for one in of(messages, "Produce", Side.CLIENT) for topic in one.metadata["topics"]}
    assert produced == {f"{peer}-{codec}" for codec in (*CODECS, "tx")}


@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
def test_tshark_sees_the_same_requests(spoken: tuple[str, Relay], tmp_path: Path) -> None:
    """API, version, correlation id and length of every request, connection by connection."""
    file = tmp_path / "kafka.pcap"
    ours: list[tuple[int, ...]] = []
    packets = []
    for number, connection in enumerate(spoken[1].connections):
        packets += _packets(connection, 40_000 + number)
        for message in decoded(connection):
            if message.side is Side.CLIENT:
                metadata = message.metadata
                ours.append(
                    (number, metadata["kafka.api_key"], metadata["kafka.api_version"], message.id, message.size - 4)
                )
    file.write_bytes(pcap(*packets))
    fields = ("tcp.stream", "kafka.api_key", "kafka.request.version", "kafka.correlation_id", "kafka.len")
    command = ["tshark", "-r", str(file), "-d", "tcp.port==9092,kafka", "-Y", "tcp.dstport==9092 && kafka"]
    command += ["-T", "fields", *[option for field in fields for option in ("-e", field)]]
    shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    theirs = []
    for line in shown.splitlines():  # a packet each, which may hold several requests
        stream, *columns = line.split("\t")
        rows = zip(*[map(int, column.split(",")) for column in columns], strict=True)
        theirs += [(int(stream), *row) for row in rows]
    assert len(ours) > 30
    assert theirs == ours


def _packets(connection: Connection, port: int) -> list[bytes]:
    """The connection as segments; nobody acknowledges anything."""
    sequence = {Side.CLIENT: 1, Side.SERVER: 1}
    packets = []
    for side, data in connection.turns:
        source, destination = (port, 9092) if side is Side.CLIENT else (9092, port)
        for start in range(0, len(data), 8192):
            piece = data[start : start + 8192]
            segment = tcp(piece, source=source, destination=destination, sequence=sequence[side])
            sequence[side] += len(piece)
            ends = ("10.0.0.1", "10.0.0.2") if side is Side.CLIENT else ("10.0.0.2", "10.0.0.1")
            packets.append(ethernet(ipv4(segment, source=ends[0], destination=ends[1])))
    return packets
