"""Arrays of structs that are read when somebody looks: what was written comes back, whatever the shapes."""

from __future__ import annotations

import pytest

import l7codec
from l7codec.protocols import kafka


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
