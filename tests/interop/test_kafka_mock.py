"""Real clients with librdkafka's mock cluster: what went over the wire, decoded, is what the applications said.

Each client writes rows in every compression, commits one transaction and aborts another, reads the rows in a group and
commits; all of it goes through a relay that keeps the bytes. kafka-python is told that the broker is of version 2.3:
the mock answers a newer ApiVersions request in a form that it cannot read.
"""

from __future__ import annotations

import asyncio
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from l7codec import Conversation, Message, Side, encode
from l7codec.protocols.kafka import Records, read_data
from tests.capture.build import ethernet, ipv4, pcap, tcp

from .kafka_peers import HOST, Connection, Relay, mock_cluster, relay

pytestmark = pytest.mark.interop

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
PATIENCE = 20.0
ROWS = [
    (f"key-{index}".encode() if index % 3 else None, f"value {index} ".encode() * 20, [("h", b"x"), ("n", None)])
    for index in range(1, 13)
]
"""Each of them alone can be compressed: librdkafka leaves a batch that does not get smaller as it is."""

PLAIN_ROWS = [(key, value, [("h", b"x")]) for key, value, _ in ROWS]
"""For kafka-python, which writes no header without a value."""

KEPT, DROPPED = b"in a transaction", b"in a transaction that was aborted"


@dataclass
class Told:
    """What a client's application did, and what the client told it."""

    name: str
    rows: list[Any]
    between: Relay
    acknowledged: dict[tuple[str, bytes], tuple[int, int]] = field(default_factory=dict)
    """Topic and value to the partition and the offset that the broker gave."""
    consumed: dict[tuple[str, int, int], Any] = field(default_factory=dict)
    """Topic, partition and offset to key, value and headers. A group that rebalances may read a record twice."""
    committed: dict[tuple[str, int], int] = field(default_factory=dict)

    @property
    def topics(self) -> dict[str, str]:
        """Compression to topic."""
        return {codec: f"{self.name}-{codec}" for codec in CODECS}

    @property
    def count(self) -> int:
        return len(CODECS) * len(self.rows)

    @property
    def transactions(self) -> str:
        return f"{self.name}-tx"

    @property
    def group(self) -> str:
        return f"{self.name}-readers"


@pytest.fixture(scope="module")
def cluster() -> Iterator[int]:
    with mock_cluster() as port:
        yield port


def librdkafka(told: Told) -> None:
    from confluent_kafka import Consumer, Producer

    common = {"bootstrap.servers": f"{HOST}:{told.between.port}"}

    def delivered(error: Any, message: Any) -> None:
        assert error is None
        told.acknowledged[message.topic(), message.value()] = message.partition(), message.offset()

    for codec, topic in told.topics.items():
        producer = Producer({**common, "compression.type": codec, "linger.ms": 50})
        for key, value, headers in told.rows:
            producer.produce(topic, value, key, headers=headers, on_delivery=delivered)
        assert producer.flush(PATIENCE) == 0
    producer = Producer({**common, "transactional.id": told.transactions, "client.id": told.name})
    producer.init_transactions(PATIENCE)
    for value, end in ((KEPT, producer.commit_transaction), (DROPPED, producer.abort_transaction)):
        producer.begin_transaction()
        producer.produce(told.transactions, value)
        assert producer.flush(PATIENCE) == 0
        end(PATIENCE)
    settings = {"group.id": told.group, "auto.offset.reset": "earliest", "session.timeout.ms": 6000}
    consumer = Consumer({**common, "enable.auto.commit": False, **settings})
    consumer.subscribe([*told.topics.values()])
    while len(told.consumed) < told.count:
        messages = consumer.consume(told.count - len(told.consumed), PATIENCE)
        assert messages
        for one in messages:
            assert one.error() is None
            told.consumed[one.topic(), one.partition(), one.offset()] = one.key(), one.value(), one.headers()
    for one in consumer.commit(asynchronous=False):
        if one.offset >= 0:
            told.committed[one.topic, one.partition] = one.offset
    consumer.close()


def aiokafka(told: Told) -> None:
    from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

    address = f"{HOST}:{told.between.port}"

    async def talk() -> None:
        for codec, topic in told.topics.items():
            packed = None if codec == "none" else codec
            producer = AIOKafkaProducer(bootstrap_servers=address, compression_type=packed, linger_ms=50)
            await producer.start()
            sent = [await producer.send(topic, value, key, headers=headers) for key, value, headers in told.rows]
            for (_, value, _), one in zip(told.rows, await asyncio.gather(*sent), strict=True):
                told.acknowledged[topic, value] = one.partition, one.offset
            await producer.stop()
        producer = AIOKafkaProducer(bootstrap_servers=address, transactional_id=told.transactions, client_id=told.name)
        await producer.start()
        for value, end in ((KEPT, producer.commit_transaction), (DROPPED, producer.abort_transaction)):
            await producer.begin_transaction()
            await producer.send_and_wait(told.transactions, value)
            await end()
        await producer.stop()
        settings = {"group_id": told.group, "auto_offset_reset": "earliest", "enable_auto_commit": False}
        consumer = AIOKafkaConsumer(*told.topics.values(), bootstrap_servers=address, **settings)
        await consumer.start()
        while len(told.consumed) < told.count:
            one = await asyncio.wait_for(consumer.getone(), PATIENCE)
            told.consumed[one.topic, one.partition, one.offset] = one.key, one.value, list(one.headers)
        places = {partition: await consumer.position(partition) for partition in consumer.assignment()}
        await consumer.commit(places)
        told.committed.update({(one.topic, one.partition): offset for one, offset in places.items()})
        await consumer.stop()

    asyncio.run(talk())


def kafka_python(told: Told) -> None:
    from kafka import KafkaConsumer, KafkaProducer

    known: dict[str, Any] = {"bootstrap_servers": f"{HOST}:{told.between.port}", "api_version": (2, 3)}
    for codec, topic in told.topics.items():
        packed = None if codec == "none" else codec
        producer = KafkaProducer(compression_type=packed, linger_ms=50, **known)
        sent = [producer.send(topic, value, key, headers=headers) for key, value, headers in told.rows]
        for (_, value, _), future in zip(told.rows, sent, strict=True):
            one = future.get(PATIENCE)
            told.acknowledged[topic, value] = one.partition, one.offset
        producer.close()
    producer = KafkaProducer(transactional_id=told.transactions, client_id=told.name, **known)
    producer.init_transactions()
    for value, end in ((KEPT, producer.commit_transaction), (DROPPED, producer.abort_transaction)):
        producer.begin_transaction()
        producer.send(told.transactions, value).get(PATIENCE)
        end()
    producer.close()
    settings = {"group_id": told.group, "auto_offset_reset": "earliest", "enable_auto_commit": False}
    consumer = KafkaConsumer(*told.topics.values(), consumer_timeout_ms=PATIENCE * 1000, **settings, **known)
    for one in consumer:
        told.consumed[one.topic, one.partition, one.offset] = one.key, one.value, list(one.headers)
        if len(told.consumed) == told.count:
            break
    consumer.commit()
    for partition in consumer.assignment():
        told.committed[partition.topic, partition.partition] = consumer.committed(partition)
    consumer.close()


CLIENTS: dict[str, tuple[Callable[[Told], None], list[Any]]] = {
    "librdkafka": (librdkafka, ROWS),
    "old librdkafka": (librdkafka, ROWS),
    "aiokafka": (aiokafka, ROWS),
    "kafka-python": (kafka_python, PLAIN_ROWS),
}


@pytest.fixture(scope="module", params=CLIENTS)
def told(request: pytest.FixtureRequest, cluster: int) -> Told:
    """One client's whole conversation with the mock."""
    run, rows = CLIENTS[request.param]
    with relay(cluster, old=request.param.startswith("old")) as between:
        one = Told(request.param.replace(" ", "-"), rows, between)
        run(one)
    return one


def decoded(connection: Connection) -> list[Message]:
    conversation = Conversation("kafka")
    return [message for side, data in connection.turns for message in conversation.stream(side).receive_data(data)]


def said(told: Told) -> list[Message]:
    return [message for connection in told.between.connections for message in decoded(connection)]


def of(messages: list[Message], method: str, side: Side) -> list[Message]:
    return [message for message in messages if message.side is side and message.metadata.get("method") == method]


def test_every_byte_is_in_a_message(told: Told) -> None:
    for connection in told.between.connections:
        messages = decoded(connection)
        for side in Side:
            assert b"".join(encode(one) for one in messages if one.side is side) == connection.said(side)


def test_every_message_decodes_and_is_paired(told: Told) -> None:
    for message in said(told):
        if message.side is Side.SERVER:
            assert message.request is not None
            if message.error is not None:  # what the mock answers to a version of ApiVersions that it does not know
                assert message.metadata["method"] == "ApiVersions"
                assert message.metadata["kafka.error_code"] == 35
                continue
        assert message.error is None
        assert message.body is not None


def test_produced_records(told: Told) -> None:
    """What applications gave to `send` is what the Produce requests hold."""
    found: dict[str, list[Any]] = {}
    packed: dict[str, set[str]] = {}
    for message in of(said(told), "Produce", Side.CLIENT):
        for topic in message.body["topic_data"]:
            for partition in topic["partition_data"]:
                records = partition["records"]
                assert isinstance(records, Records)
                records.verify()
                rows = found.setdefault(topic["name"], [])
                rows += [(one.key, one.value, list(one.headers)) for one in records]
                packed.setdefault(topic["name"], set()).update(batch.compression for batch in records.batches)
    for codec, topic in told.topics.items():
        assert sorted(found[topic], key=by_value) == sorted(told.rows, key=by_value)  # of several partitions
        assert packed[topic] == {codec}
    assert found[told.transactions] == [(None, KEPT, []), (None, DROPPED, [])]


def by_value(row: Any) -> bytes:
    value: bytes = row[1]
    return value


def test_produce_responses(told: Told) -> None:
    """The offset that a response gives to a batch is what the client tells the application of its records."""
    found = {}
    for message in of(said(told), "Produce", Side.SERVER):
        assert message.metadata["status"] == "ok"
        given = {
            (topic["name"], partition["index"]): partition["base_offset"]
            for topic in message.body["responses"]
            for partition in topic["partition_responses"]
        }
        for topic in message.request.body["topic_data"]:
            for partition in topic["partition_data"]:
                place = topic["name"], partition["index"]
                for number, one in enumerate(partition["records"]):
                    found[topic["name"], one.value] = partition["index"], given[place] + number
    assert told.acknowledged
    assert {key: found[key] for key in told.acknowledged} == told.acknowledged


def test_fetched_records(told: Told) -> None:
    """What Fetch responses hold is what consumers gave the application, and that is what was produced."""
    messages = said(told)
    found = {}
    packed: dict[str, set[str]] = {}
    for message in of(messages, "Fetch", Side.SERVER):
        for topic in message.body["responses"]:
            name = topic["topic"] if "topic" in topic else names(messages)[topic["topic_id"]]
            for partition in topic["partitions"]:
                records = partition["records"] or Records(b"")
                records.verify()
                for one in records:
                    place = name, partition["partition_index"], one.offset
                    found[place] = one.key, one.value, list(one.headers)
                packed.setdefault(name, set()).update(batch.compression for batch in records.batches)
    assert found == told.consumed
    for codec, topic in told.topics.items():
        rows = [row for (name, _, _), row in told.consumed.items() if name == topic]
        assert sorted(rows, key=by_value) == sorted(told.rows, key=by_value)
        assert packed[topic] == {codec}
    places = {(topic, row[1]): (index, offset) for (topic, index, offset), row in told.consumed.items()}
    assert places == told.acknowledged


def names(messages: list[Message]) -> dict[bytes, str]:
    """Ids of topics to their names, as Metadata responses say."""
    return {
        topic["topic_id"]: topic["name"]
        for message in of(messages, "Metadata", Side.SERVER)
        for topic in message.body["topics"]
        if "topic_id" in topic
    }


def test_groups(told: Told) -> None:
    """Who joins, for which topics, what is assigned to it, and the offsets that are committed."""
    messages = said(told)
    for method in ("JoinGroup", "SyncGroup", "OffsetCommit", "LeaveGroup"):
        assert {one.metadata["group"] for one in of(messages, method, Side.CLIENT)} == {told.group}, method
    topics = sorted(told.topics.values())
    for message in of(messages, "JoinGroup", Side.CLIENT):
        for protocol in message.body["protocols"]:
            assert sorted(read_data("ConsumerProtocolSubscription", protocol["metadata"])[1]["topics"]) == topics
    assigned = [
        (topic["topic"], index)
        for message in of(messages, "SyncGroup", Side.SERVER)
        if message.body["assignment"]
        for topic in read_data("ConsumerProtocolAssignment", message.body["assignment"])[1]["assigned_partitions"]
        for index in topic["partitions"]
    ]
    assert {topic for topic, _ in assigned} == set(topics)
    assert {(topic, index) for topic, index, _ in told.consumed} <= set(assigned)
    committed = {
        (topic["name"], partition["partition_index"]): partition["committed_offset"]
        for message in of(messages, "OffsetCommit", Side.CLIENT)
        for topic in message.body["topics"]
        for partition in topic["partitions"]
    }
    ends: Counter[tuple[str, int]] = Counter()
    for topic, index, offset in told.consumed:
        ends[topic, index] = max(ends[topic, index], offset + 1)
    assert {place: committed[place] for place in ends} == ends
    assert {place: told.committed[place] for place in ends} == ends


def test_transactions(told: Told) -> None:
    """One is committed and one aborted, both under the id, by the producer whose id the batches bear."""
    messages = said(told)
    ends = of(messages, "EndTxn", Side.CLIENT)
    assert [one.body["committed"] for one in ends] == [True, False]
    for method in ("EndTxn", "AddPartitionsToTxn"):
        asked = of(messages, method, Side.CLIENT)
        assert {one.metadata["kafka.transactional_id"] for one in asked} == {told.transactions}, method
        assert {one.metadata["client_id"] for one in asked} == {told.name}, method
    for one in of(messages, "AddPartitionsToTxn", Side.CLIENT):
        assert one.metadata["topics"] == (told.transactions,)
    (given,) = {
        one.body["producer_id"]
        for one in of(messages, "InitProducerId", Side.SERVER)
        if one.request.metadata.get("kafka.transactional_id") == told.transactions
    }
    batches = [
        batch
        for message in of(messages, "Produce", Side.CLIENT)
        if message.metadata.get("kafka.transactional_id") == told.transactions
        for topic in message.body["topic_data"]
        for partition in topic["partition_data"]
        for batch in partition["records"].batches
    ]
    assert [(batch.transactional, batch.producer_id) for batch in batches] == [(True, given)] * 2


def test_metadata_of_produced_topics(told: Told) -> None:
    produced = {topic for one in of(said(told), "Produce", Side.CLIENT) for topic in one.metadata["topics"]}
    assert produced == {*told.topics.values(), told.transactions}


# -- and what tshark says of it ---------------------------------------------------------------------------------------


def tshark(file: Path, shown: str, fields: tuple[str, ...]) -> list[list[list[str]]]:
    """Of each packet that the filter shows, what each field says, as often as it is there."""
    command = ["tshark", "-n", "-r", str(file), "-d", "tcp.port==9092,kafka", "-Y", shown, "-T", "fields"]
    command += ["-E", "aggregator=|", *[option for one in fields for option in ("-e", one)]]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [[column.split("|") if column else [] for column in line.split("\t")] for line in printed.splitlines()]


@pytest.mark.usefixtures("needs_tshark")
def test_tshark_sees_the_same_requests(told: Told, tmp_path: Path) -> None:
    """API, version, correlation id and length of every request, connection by connection, in pieces as they came."""
    file = tmp_path / "kafka.pcap"
    ours: list[tuple[int, ...]] = []
    packets = []
    for number, connection in enumerate(told.between.connections):
        packets += _packets(connection.turns, 40_000 + number)
        for message in decoded(connection):
            if message.side is Side.CLIENT:
                metadata = message.metadata
                ours.append(
                    (number, metadata["kafka.api_key"], metadata["kafka.api_version"], message.id, message.size - 4)
                )
    file.write_bytes(pcap(*packets))
    fields = ("tcp.stream", "kafka.api_key", "kafka.request.version", "kafka.correlation_id", "kafka.len")
    theirs = []
    for (stream,), *columns in tshark(file, "tcp.dstport==9092 && kafka", fields):
        rows = zip(*[map(int, column) for column in columns], strict=True)  # a packet may hold several requests
        theirs += [(int(stream), *row) for row in rows]
    assert len(ours) > 30
    assert theirs == ours


@pytest.mark.usefixtures("needs_tshark")
def test_tshark_reads_the_same_in_them(told: Told, tmp_path: Path) -> None:
    """Topics, groups, transactions, batches and records of every message that this tshark can read to its end.

    Each message is a packet here, so that it is known which values are whose.
    """
    file = tmp_path / "kafka.pcap"
    messages: list[Message] = []
    packets = []
    for number, connection in enumerate(told.between.connections):
        spoken = decoded(connection)
        messages += spoken
        packets += _packets([(one.side, one.raw) for one in spoken], 40_000 + number, piece=1 << 16)
    assert len(packets) == len(messages)
    file.write_bytes(pcap(*packets))
    fields = ("frame.number", "_ws.malformed", "_ws.expert", "kafka.correlation_id", "kafka.client_id")
    fields += ("kafka.topic_name", "kafka.consumer_group", "kafka.transactional_id", "kafka.coordinator_key")
    fields += ("kafka.batch_codec", "kafka.batch_crc", "kafka.message_key", "kafka.message_value")
    checked: Counter[tuple[str, Side]] = Counter()
    for (frame,), malformed, expert, ids, clients, topics, *columns in tshark(file, "kafka", fields):
        groups, transactions, coordinators, *batches = columns
        message = messages[int(frame) - 1]
        if malformed or expert or message.error is not None:
            continue
        metadata = message.metadata
        assert [message.id] == [int(one) for one in ids]
        assert said_in(clients) == told_by(metadata, "client_id")
        assert tuple(topics) == metadata.get("topics", ())
        assert said_in(groups + transactions + coordinators) == told_by(metadata, "group", "kafka.transactional_id")
        assert batches == batches_of(message)
        checked[str(metadata["method"]), message.side] += 1
    assert checked["EndTxn", Side.CLIENT] == 2
    if told.name != "librdkafka":  # tshark 4.0 knows neither Produce 10 nor Fetch 16
        assert checked["Produce", Side.CLIENT] >= len(CODECS) + 2
        assert checked["Fetch", Side.SERVER]


def said_in(found: list[str]) -> list[str]:
    return [one for one in found if one != "[ Null ]"]


def told_by(metadata: Mapping[str, object], *keys: str) -> list[object]:
    return [metadata[key] for key in keys if key in metadata]


def batches_of(message: Message) -> list[list[str]]:
    """Compressions and checksums of the batches in a message, keys and values of the records, as tshark prints them."""
    places = {"Produce": ("topic_data", "partition_data"), "Fetch": ("responses", "partitions")}
    method, batches = str(message.metadata["method"]), []
    if (method, message.side) in (("Produce", Side.CLIENT), ("Fetch", Side.SERVER)):
        topics, partitions = places[method]
        for topic in message.body[topics]:
            for partition in topic[partitions]:
                batches += partition["records"].batches if partition["records"] else []
    records = [one for batch in batches for one in batch]
    return [
        [str(CODECS.index(batch.compression)) for batch in batches],
        [f"0x{batch.crc:08x}" for batch in batches],
        ["<MISSING>" if one.key is None else one.key.hex() for one in records],
        ["<MISSING>" if one.value is None else one.value.hex() for one in records],
    ]


def _packets(turns: list[tuple[Side, bytes]], port: int, piece: int = 8192) -> list[bytes]:
    """What was said as segments; nobody acknowledges anything."""
    sequence = {Side.CLIENT: 1, Side.SERVER: 1}
    packets = []
    for side, data in turns:
        source, destination = (port, 9092) if side is Side.CLIENT else (9092, port)
        for start in range(0, len(data), piece):
            payload = data[start : start + piece]
            segment = tcp(payload, source=source, destination=destination, sequence=sequence[side])
            sequence[side] += len(payload)
            ends = ("10.0.0.1", "10.0.0.2") if side is Side.CLIENT else ("10.0.0.2", "10.0.0.1")
            packets.append(ethernet(ipv4(segment, source=ends[0], destination=ends[1])))
    return packets
