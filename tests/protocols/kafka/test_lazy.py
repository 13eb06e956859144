"""Arrays of structs that are read when somebody looks: what was written comes back, whatever the shapes."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

import l7codec
from l7codec.protocols import kafka
from l7codec.protocols.kafka import bodies


@pytest.mark.parametrize("version", [0, 2])  # lengths in four bytes, and in one
@pytest.mark.parametrize("brokers", [[], [1], [1, 2, 3]])
@pytest.mark.parametrize("count", [1, 3, 4, 5, 100])
def test_elements_of_nothing_but_an_array(version: int, brokers: list[int], count: int) -> None:
    """From four elements of one shape on, they are read by code made for that shape; the shape may have no numbers."""
    topic = {"name": "t", "count": count, "assignments": [{"broker_ids": brokers}] * count}
    written = kafka.request("CreatePartitions", {"topics": [topic]}, version=version)
    (message,) = l7codec.decode("kafka", written.raw)
    (found,) = message.body["topics"]
    assert list(found["assignments"]) == topic["assignments"]


@pytest.fixture
def _restless() -> Iterator[None]:
    """Threads take turns at every step."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("_restless")
def test_threads_that_read_other_shapes() -> None:
    """The shape of the elements before is remembered for all: what one thread reads is no other's."""
    read = bodies.reader(3, True, 12, False)
    wrong: list[Any] = []

    def again_and_again(replicas: int) -> None:
        fields = {"error_code": 0, "leader_id": 1, "leader_epoch": 7, "isr_nodes": [1], "offline_replicas": []}
        replica_nodes = [*range(replicas)]
        partitions = [{**fields, "partition_index": index, "replica_nodes": replica_nodes} for index in range(4)]
        data = bodies.write_body(3, 12, True, {"topics": [{"name": "t", "partitions": partitions}]})
        for _ in range(20_000):
            (topic,) = read(data, 0)[0]["topics"]
            if topic["partitions"] != partitions:
                wrong.append(topic["partitions"])

    threads = [threading.Thread(target=again_and_again, args=(replicas,)) for replicas in (1, 2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
