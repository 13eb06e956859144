"""Real clients with a real Apache Kafka broker, a proxy made of this library between them.

    python -m pytest -m jvm tests/interop/test_kafka_broker.py        needs java 17 and mvn

What applications sent must come back to them, through names and addresses rewritten on the way; and every message of it
must decode without an error.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from l7codec import Message, Side

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))
from kafka_proxy import TenantProxy

from .kafka_broker import HOST, VERSIONS, Ports, broker

pytestmark = pytest.mark.jvm

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
PATIENCE = 30.0
ROWS = [
    (f"key-{index}".encode() if index % 3 else None, f"value {index} ".encode() * index, [("h", b"x"), ("n", None)])
    for index in range(1, 21)
]


@pytest.fixture(scope="module", params=VERSIONS)
def ports(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ports]:
    with broker(tmp_path_factory.mktemp("kafka"), request.param) as running:
        yield running


@contextlib.contextmanager
def proxied(port: int) -> Iterator[tuple[str, TenantProxy]]:
    """The address of a proxy before the broker, in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    proxy = TenantProxy((HOST, port), "acme")
    try:
        host, own = asyncio.run_coroutine_threadsafe(proxy.start(), loop).result(PATIENCE)
        yield f"{host}:{own}", proxy
    finally:
        asyncio.run_coroutine_threadsafe(proxy.stop(), loop).result(PATIENCE)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(PATIENCE)
        loop.close()


@pytest.fixture
def through(ports: Ports) -> Iterator[tuple[str, TenantProxy]]:
    with proxied(ports.plain) as found:
        yield found
        sound(found[1].seen)


def sound(seen: list[Message]) -> None:
    """Every message decodes, every response has its request, and what was produced can be read."""
    assert seen
    for message in seen:
        assert message.error is None, message
        assert message.body is not None
        if message.side is Side.SERVER:
            assert message.request is not None, message


def produced(seen: list[Message]) -> list[Any]:
    """The records of all Produce requests, as our codec reads them."""
    found = []
    for message in seen:
        if message.metadata.get("method") == "Produce" and message.side is Side.CLIENT:
            for topic in message.body["topic_data"]:
                for partition in topic["partition_data"]:
                    partition["records"].verify()
                    found += list(partition["records"])
    return found


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
def test_librdkafka_produces_and_consumes(through: tuple[str, TenantProxy], codec: str) -> None:
    from confluent_kafka import Producer

    address, proxy = through
    topic = f"rd-{codec}"
    producer = Producer({"bootstrap.servers": address, "compression.type": codec, "linger.ms": 50})
    for key, value, headers in ROWS:
        producer.produce(topic, value, key, headers=headers)
    assert producer.flush(PATIENCE) == 0
    found = _confluent_consume(address, topic, len(ROWS))
    assert found == [(topic, key, value, headers) for key, value, headers in ROWS]
    records = produced(proxy.seen)
    assert [(one.key, one.value, list(one.headers)) for one in records] == ROWS


def test_librdkafka_transactions(through: tuple[str, TenantProxy]) -> None:
    from confluent_kafka import Producer

    address, proxy = through
    producer = Producer({"bootstrap.servers": address, "transactional.id": "tx"})
    producer.init_transactions(PATIENCE)
    for end in (producer.abort_transaction, producer.commit_transaction):
        producer.begin_transaction()
        producer.produce("rd-tx", end.__name__.encode())
        producer.flush(PATIENCE)
        end(PATIENCE)
    found = _confluent_consume(address, "rd-tx", 1, **{"isolation.level": "read_committed"})
    assert [value for _, _, value, _ in found] == [b"commit_transaction"]
    ids = {message.metadata.get("kafka.transactional_id") for message in proxy.seen if message.side is Side.CLIENT}
    assert "tx" in ids


def test_the_broker_sees_the_tenants_names(ports: Ports, through: tuple[str, TenantProxy]) -> None:
    from confluent_kafka import Producer
    from confluent_kafka.admin import AdminClient

    address, _ = through
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


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256"])
def test_librdkafka_with_sasl(ports: Ports, mechanism: str) -> None:
    from confluent_kafka import Producer

    with proxied(ports.sasl) as (address, proxy):
        login = {"sasl.mechanism": mechanism, "sasl.username": "alice", "sasl.password": "secret"}
        producer = Producer({"bootstrap.servers": address, "security.protocol": "SASL_PLAINTEXT", **login})
        producer.produce("rd-sasl", b"x")
        assert producer.flush(PATIENCE) == 0
        sound(proxy.seen)
    said = [message.metadata for message in proxy.seen]
    assert any(one.get("kafka.mechanism") == mechanism for one in said)
    assert any(one.get("kafka.principal") == "alice" for one in said)
    assert "secret" not in str(said)


# -- kafka-python -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("codec", CODECS)
def test_kafka_python_produces_and_consumes(through: tuple[str, TenantProxy], codec: str) -> None:
    from kafka import KafkaConsumer, KafkaProducer

    address, proxy = through
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
    assert [(one.key, one.value, list(one.headers)) for one in produced(proxy.seen)] == rows


def test_kafka_python_with_sasl(ports: Ports) -> None:
    from kafka import KafkaProducer

    with proxied(ports.sasl) as (address, proxy):
        login = {"sasl_mechanism": "SCRAM-SHA-256", "sasl_plain_username": "alice", "sasl_plain_password": "secret"}
        producer = KafkaProducer(bootstrap_servers=address, security_protocol="SASL_PLAINTEXT", **login)
        assert producer.send("kp-sasl", b"x").get(PATIENCE).topic == "kp-sasl"
        producer.close()
        sound(proxy.seen)


# -- aiokafka ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("codec", CODECS)
def test_aiokafka_produces_and_consumes(through: tuple[str, TenantProxy], codec: str) -> None:
    from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

    address, proxy = through
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
    assert [(one.key, one.value, list(one.headers)) for one in produced(proxy.seen)] == ROWS


def test_aiokafka_transactions(through: tuple[str, TenantProxy]) -> None:
    from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

    address, _ = through

    async def talk() -> tuple[bytes, Any]:
        producer = AIOKafkaProducer(bootstrap_servers=address, transactional_id="ak-tx")
        await producer.start()
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
