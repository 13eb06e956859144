"""Real clients with a real Apache Kafka broker, a proxy made of this library between them.

    python -m pytest -m jvm tests/interop/test_kafka_broker.py        needs java 17 and mvn

What applications sent must come back to them, through names and addresses rewritten on the way; and every message of it
must decode without an error.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from l7codec import Side

from .kafka_broker import HOST, VERSIONS, Ports, broker
from .kafka_proxied import Proxied, proxied

pytestmark = pytest.mark.jvm

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
PATIENCE = 30.0
ROWS = [
    (f"key-{index}".encode() if index % 3 else None, f"value {index} ".encode() * 20, [("h", b"x"), ("n", None)])
    for index in range(1, 21)
]
"""Each of them alone can be compressed: librdkafka leaves a batch that does not get smaller as it is."""


@pytest.fixture(scope="module", params=VERSIONS)
def ports(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ports]:
    with broker(tmp_path_factory.mktemp("kafka"), request.param) as running:
        yield running


@pytest.fixture
def through(ports: Ports) -> Iterator[Proxied]:
    with proxied(ports.plain) as found:
        yield found
        found.sound()


# -- librdkafka -------------------------------------------------------------------------------------------------------


def _confluent_consume(address: str, topic: str, count: int, **more: Any) -> list[Any]:
    from confluent_kafka import Consumer

    settings = {"bootstrap.servers": address, "group.id": f"group-{topic}", "auto.offset.reset": "earliest"}
    consumer = Consumer({**settings, **more})
    consumer.subscribe([topic])
    found: list[Any] = []
    try:
        while len(found) < count:
            for message in consumer.consume(count - len(found), PATIENCE):
                assert message.error() is None
                found.append((message.topic(), message.key(), message.value(), message.headers()))
        consumer.commit(asynchronous=False)
    finally:
        consumer.close()
    return found


@pytest.mark.parametrize("codec", CODECS)
def test_librdkafka_produces_and_consumes(through: Proxied, codec: str) -> None:
    from confluent_kafka import Producer

    address = through.address
    topic = f"rd-{codec}"
    producer = Producer({"bootstrap.servers": address, "compression.type": codec, "linger.ms": 50})
    for key, value, headers in ROWS:
        producer.produce(topic, value, key, headers=headers)
    assert producer.flush(PATIENCE) == 0
    found = _confluent_consume(address, topic, len(ROWS))
    assert found == [(topic, key, value, headers) for key, value, headers in ROWS]
    assert through.produced(codec) == ROWS


def test_librdkafka_transactions(through: Proxied) -> None:
    from confluent_kafka import Producer

    address = through.address
    producer = Producer({"bootstrap.servers": address, "transactional.id": "tx"})
    producer.init_transactions(PATIENCE)
    for end in (producer.abort_transaction, producer.commit_transaction):
        producer.begin_transaction()
        producer.produce("rd-tx", end.__name__.encode())
        producer.flush(PATIENCE)
        end(PATIENCE)
    found = _confluent_consume(address, "rd-tx", 1, **{"isolation.level": "read_committed"})
    assert [value for _, _, value, _ in found] == [b"commit_transaction"]
    assert through.transactions() == [("tx", False), ("tx", True)]
    assert through.markers() == ["abort", "commit"]


def test_librdkafka_in_a_group_that_the_broker_arranges(ports: Ports) -> None:
    """KIP-848: no JoinGroup, topics by their ids in heartbeats."""
    from confluent_kafka import Producer

    if ports.version < "4":
        pytest.skip("Kafka 3.9 knows ConsumerGroupHeartbeat 0 only, and librdkafka speaks 1")
    with proxied(ports.plain) as through:
        producer = Producer({"bootstrap.servers": through.address})
        producer.produce("rd-new-group", b"x")
        assert producer.flush(PATIENCE) == 0
        found = _confluent_consume(through.address, "rd-new-group", 1, **{"group.protocol": "consumer"})
        assert [(topic, value) for topic, _, value, _ in found] == [("rd-new-group", b"x")]
        through.sound()
    beats = [one for one in through.seen if one.metadata.get("method") == "ConsumerGroupHeartbeat"]
    asked = [one.metadata for one in beats if one.side is Side.CLIENT]
    assert {one["group"] for one in asked} == {"group-rd-new-group"}
    assert ("rd-new-group",) in [one.get("topics") for one in asked]
    assert not [one for one in through.seen if one.metadata.get("method") == "JoinGroup"]


def test_the_broker_sees_the_tenants_names(ports: Ports, through: Proxied) -> None:
    from confluent_kafka import Producer
    from confluent_kafka.admin import AdminClient

    address = through.address
    producer = Producer({"bootstrap.servers": address})
    producer.produce("orders", b"x")
    assert producer.flush(PATIENCE) == 0
    own, real = (AdminClient({"bootstrap.servers": one}) for one in (address, f"{HOST}:{ports.plain}"))
    assert "orders" in own.list_topics(timeout=PATIENCE).topics
    topics = real.list_topics(timeout=PATIENCE).topics
    assert "acme.orders" in topics
    assert "orders" not in topics
    (broker,) = own.list_topics(timeout=PATIENCE).brokers.values()
    assert f"{broker.host}:{broker.port}" == address
    _confluent_consume(address, "orders", 1)
    groups = [{one.group_id for one in admin.list_consumer_groups().result(PATIENCE).valid} for admin in (own, real)]
    assert "group-orders" in groups[0]
    assert "acme.group-orders" in groups[1]
    assert "group-orders" not in groups[1]


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256"])
def test_librdkafka_with_sasl(ports: Ports, mechanism: str) -> None:
    from confluent_kafka import Producer

    with proxied(ports.sasl) as proxy:
        login = {"sasl.mechanism": mechanism, "sasl.username": "alice", "sasl.password": "secret"}
        producer = Producer({"bootstrap.servers": proxy.address, "security.protocol": "SASL_PLAINTEXT", **login})
        producer.produce("rd-sasl", b"x")
        assert producer.flush(PATIENCE) == 0
        proxy.sound()
    said = [message.metadata for message in proxy.seen]
    assert any(one.get("kafka.mechanism") == mechanism for one in said)
    assert any(one.get("kafka.principal") == "alice" for one in said)
    assert "secret" not in str(said)


# -- kafka-python -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("codec", CODECS)
def test_kafka_python_produces_and_consumes(through: Proxied, codec: str) -> None:
    from kafka import KafkaConsumer, KafkaProducer

    address = through.address
    topic = f"kp-{codec}"
    producer = KafkaProducer(
        bootstrap_servers=address, compression_type=None if codec == "none" else codec, linger_ms=50
    )
    rows = [(key, value, [("h", b"x")]) for key, value, _ in ROWS]  # it writes no header without a value
    for key, value, headers in rows:
        producer.send(topic, value, key, headers=headers)
    producer.flush(PATIENCE)
    producer.close()
    settings = {"group_id": f"group-{topic}", "auto_offset_reset": "earliest"}
    consumer = KafkaConsumer(topic, bootstrap_servers=address, consumer_timeout_ms=PATIENCE * 1000, **settings)
    found = [(one.key, one.value, one.headers) for _, one in zip(rows, consumer, strict=False)]
    consumer.commit()
    consumer.close()
    assert [(key, value, list(headers)) for key, value, headers in found] == rows
    assert through.produced(codec) == rows


def test_kafka_python_transactions(through: Proxied) -> None:
    from kafka import KafkaConsumer, KafkaProducer

    producer = KafkaProducer(bootstrap_servers=through.address, transactional_id="kp-tx")
    producer.init_transactions()
    for end in (producer.abort_transaction, producer.commit_transaction):
        producer.begin_transaction()
        producer.send("kp-tx", end.__name__.encode()).get(PATIENCE)
        end()
    producer.close()
    settings = {"group_id": "kp-group", "auto_offset_reset": "earliest", "isolation_level": "read_committed"}
    consumer = KafkaConsumer(
        "kp-tx", bootstrap_servers=through.address, consumer_timeout_ms=PATIENCE * 1000, **settings
    )
    assert next(consumer).value == b"commit_transaction"
    consumer.close()
    assert through.transactions() == [("kp-tx", False), ("kp-tx", True)]
    assert through.markers() == ["abort", "commit"]


def test_kafka_python_with_sasl(ports: Ports) -> None:
    from kafka import KafkaProducer

    with proxied(ports.sasl) as proxy:
        login = {"sasl_mechanism": "SCRAM-SHA-256", "sasl_plain_username": "alice", "sasl_plain_password": "secret"}
        producer = KafkaProducer(bootstrap_servers=proxy.address, security_protocol="SASL_PLAINTEXT", **login)
        assert producer.send("kp-sasl", b"x").get(PATIENCE).topic == "kp-sasl"
        producer.close()
        proxy.sound()


# -- aiokafka ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("codec", CODECS)
def test_aiokafka_produces_and_consumes(through: Proxied, codec: str) -> None:
    from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

    address = through.address
    topic = f"ak-{codec}"

    async def talk() -> list[Any]:
        packed = None if codec == "none" else codec
        producer = AIOKafkaProducer(bootstrap_servers=address, compression_type=packed, linger_ms=50)
        await producer.start()
        sent = [await producer.send(topic, value, key, headers=headers) for key, value, headers in ROWS]
        await asyncio.gather(*sent)
        await producer.stop()
        settings = {"group_id": f"group-{topic}", "auto_offset_reset": "earliest"}
        consumer = AIOKafkaConsumer(topic, bootstrap_servers=address, **settings)
        await consumer.start()
        found = [await asyncio.wait_for(consumer.getone(), PATIENCE) for _ in ROWS]
        await consumer.commit()
        await consumer.stop()
        return found

    found = asyncio.run(talk())
    assert [(one.key, one.value, list(one.headers)) for one in found] == ROWS
    assert through.produced(codec) == ROWS


def test_aiokafka_transactions(through: Proxied) -> None:
    from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

    address = through.address

    async def talk() -> tuple[bytes, Any]:
        producer = AIOKafkaProducer(bootstrap_servers=address, transactional_id="ak-tx")
        await producer.start()
        await producer.begin_transaction()
        await producer.send_and_wait("ak-tx", b"aborted")
        await producer.abort_transaction()
        async with producer.transaction():
            await producer.send_and_wait("ak-tx", b"committed")
            await producer.send_offsets_to_transaction({TopicPartition("ak-tx", 0): 1}, "ak-group")
        await producer.stop()
        settings = {"auto_offset_reset": "earliest", "isolation_level": "read_committed", "group_id": "ak-other"}
        consumer = AIOKafkaConsumer("ak-tx", bootstrap_servers=address, **settings)
        await consumer.start()
        one = await asyncio.wait_for(consumer.getone(), PATIENCE)
        await consumer.stop()
        return one.value, one.topic

    assert asyncio.run(talk()) == (b"committed", "ak-tx")
    assert through.transactions() == [("ak-tx", False), ("ak-tx", True)]
    assert through.markers() == ["abort", "commit"]
    (offsets,) = [one for one in through.seen if one.metadata.get("method") == "TxnOffsetCommit" and not one.request]
    assert (offsets.metadata["group"], offsets.metadata["topics"]) == ("ak-group", ("ak-tx",))
