"""Kafka's messages, decoded and encoded, against kio (its decoder is written in Rust) and kafka-python.

A frame becomes a Message with its metadata, or a body becomes values: `lazy` leaves arrays of structs unread, as
`Message.body` does; `eager` reads everything, as the peers do.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Any

from l7codec import Side, Stream
from l7codec.protocols.kafka import request
from l7codec.protocols.kafka.bodies import reader, write_body, writer

from .kafka_peers import kafka_python, kio
from .timing import Case

MANY = 64


def api_versions() -> dict[str, Any]:
    keys = [{"api_key": key, "min_version": 0, "max_version": key % 14} for key in range(60)]
    features = [{"name": "metadata.version", "min_version": 1, "max_version": 25}]
    return {"api_keys": keys, "supported_features": features, "finalized_features_epoch": 77}


def metadata(topics: int, partitions: int) -> dict[str, Any]:
    brokers = [{"node_id": node, "host": f"broker-{node}.example.com", "port": 9092, "rack": "a"} for node in range(3)]
    return {
        "brokers": brokers,
        "cluster_id": "MkU3OEVBNTcwNTJENDM2Qg",
        "controller_id": 1,
        "topics": [
            {
                "name": f"orders.{number}",
                "partitions": [
                    {
                        "partition_index": index,
                        "leader_id": index % 3,
                        "leader_epoch": 4,
                        "replica_nodes": [0, 1, 2],
                        "isr_nodes": [0, 1, 2],
                        "offline_replicas": [],
                    }
                    for index in range(partitions)
                ],
            }
            for number in range(topics)
        ],
    }


def produce(size: int) -> dict[str, Any]:
    partition = {"index": 3, "records": bytes(size)}
    return {"acks": -1, "timeout_ms": 30000, "topic_data": [{"name": "orders", "partition_data": [partition]}]}


def fetch(size: int, partitions: int) -> dict[str, Any]:
    parts = [
        {"partition_index": index, "high_watermark": 1000, "last_stable_offset": 1000, "records": bytes(size)}
        for index in range(partitions)
    ]
    return {"session_id": 5, "responses": [{"topic_id": bytes(range(16)), "partitions": parts}]}


def cases(size: int = 1) -> Iterator[Case]:
    """Every case; without peers, ours alone. One message is one message: `size` changes nothing."""
    yield from _frames()
    for name, key, response, version, value, lazy, eager, write in (
        ("ApiVersions 3 response", 18, True, 3, api_versions(), 2.0, None, 3.0),
        ("Metadata 12 response, 5 topics", 3, True, 12, metadata(5, 3), None, 3.0, 3.0),
        ("Metadata 12 response, 100 topics", 3, True, 12, metadata(100, 12), 2.0, 3.0, 3.0),
        ("Metadata 5 response, 100 topics", 3, True, 5, metadata(100, 12), None, None, None),
        ("Produce 9 request, 12 KB", 0, False, 9, produce(12_000), None, 2.0, 3.0),
        ("Fetch 13 response, 71 KB", 1, True, 13, fetch(17_750, 4), None, 2.0, 3.0),
    ):
        data = write_body(key, version, response, value)
        theirs = {"kio": kio(key, response, version), "kafka-python": kafka_python(key, response, version)}
        peers = {peer: one for peer, one in theirs.items() if one is not None}
        reading = {peer: _reading(one.read, data) for peer, one in peers.items()}
        for way, goals in (
            ("lazy", {} if lazy is None else {"kio": lazy}),
            ("eager", {} if eager is None else {"kafka-python": eager}),
        ):
            ours = _ours(reader(key, response, version, way == "lazy"), data)
            yield Case(f"{way} {name}", ours, reading, 1, targets=goals)
        full = reader(key, response, version, False)(data, 0)[0]
        writing = {peer: _writing(one.write, one.read(data)) for peer, one in peers.items()}
        goals = {} if write is None else dict.fromkeys(("kio", "kafka-python"), write)
        yield Case(f"encode {name}", _written(writer(key, response, version), full), writing, 1, targets=goals)


def _frames() -> Iterator[Case]:
    for name, payload in (("12 KB", 12_000), ("300 bytes", 300)):
        one = request("Produce", produce(payload), version=9, id=7, client_id="producer-1").raw
        data = one * MANY

        def stream(data: bytes = data) -> int:
            return sum(1 for _ in Stream("kafka", Side.CLIENT).receive_data(data))

        goals = {"kafka-python": 4.0, "kio": 0.65} if payload > 1000 else {"kafka-python": 4.0}
        yield Case(f"frame to message, Produce 9, {name}", stream, _framing(one), MANY, targets=goals)


def _framing(one: bytes) -> dict[str, Callable[[], object]]:
    """Whole request frames, header and body."""
    found: dict[str, Callable[[], object]] = {}
    data = one * MANY
    size = len(one)
    body = kio(0, False, 9)
    if body is not None:
        from kio.schema.produce.v9.request import ProduceRequest
        from kio.schema.request_header.v2.header import RequestHeader
        from kio.serial import entity_reader

        read_header, read_body = entity_reader(RequestHeader), entity_reader(ProduceRequest)

        def with_kio() -> int:
            count = 0
            for at in range(0, len(data), size):
                (length,) = struct.unpack_from(">i", data, at)
                frame = data[at + 4 : at + 4 + length]
                _, taken = read_header(frame, 0)
                read_body(frame, taken)
                count += 1
            return count

        found["kio"] = with_kio
    if kafka_python(0, False, 9) is not None:
        from kafka.protocol.producer import ProduceRequest as Theirs

        def with_kafka_python() -> int:
            count = 0
            for at in range(0, len(data), size):
                (length,) = struct.unpack_from(">i", data, at)
                Theirs.decode(data[at : at + 4 + length], version=9, header=True, framed=True)
                count += 1
            return count

        found["kafka-python"] = with_kafka_python
    return found


def _ours(read: Callable[[bytes, int], Any], data: bytes) -> Callable[[], object]:
    return lambda: read(data, 0) and 1


def _reading(read: Callable[[bytes], Any], data: bytes) -> Callable[[], object]:
    return lambda: read(data) and 1


def _written(write: Callable[[Any, Callable[[bytes], None]], None], value: Any) -> Callable[[], object]:
    def run() -> bytes:
        parts: list[bytes] = []
        write(value, parts.append)
        return b"".join(parts)

    return run


def _writing(write: Callable[[Any], bytes], value: Any) -> Callable[[], object]:
    return lambda: write(value)
