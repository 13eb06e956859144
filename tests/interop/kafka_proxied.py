"""The proxy of `examples/kafka_proxy.py`, run beside a test."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from l7codec import Message, Side
from l7codec.protocols.kafka.records import control_type

_PATIENCE = 30.0
EXAMPLE = Path(__file__).parents[2] / "examples" / "kafka_proxy.py"
HOST = "127.0.0.1"


def example() -> Any:
    """The example as a module: it is no part of a package."""
    if "kafka_proxy" not in sys.modules:
        spec = importlib.util.spec_from_file_location("kafka_proxy", EXAMPLE)
        assert spec is not None
        assert spec.loader is not None
        sys.modules["kafka_proxy"] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules["kafka_proxy"]


def free_ports(count: int) -> list[int]:
    """So many ports that nobody listens on."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.create_server((HOST, 0))) for _ in range(count)]
        return [probe.getsockname()[1] for probe in probes]


class Proxied:
    """A running proxy: where clients find it, and what has passed through it."""

    def __init__(self, addresses: list[tuple[str, int]], seen: list[Message]) -> None:
        self.addresses = [f"{host}:{port}" for host, port in addresses]
        self.address = self.addresses[0]
        self.seen = seen

    def sound(self) -> None:
        """Every message decodes, every response has its request, and every body can be read."""
        assert self.seen
        for message in self.seen:
            assert message.error is None, message
            assert message.body is not None
            if message.side is Side.SERVER:
                assert message.request is not None, message

    def produced(self, codec: str) -> list[Any]:
        """Key, value and headers of the records of all Produce requests, which are of this compression."""
        batches = [batch for records in self._fields("Produce", Side.CLIENT) for batch in records.batches]
        assert {batch.compression for batch in batches} == {codec}
        assert all(batch.crc_valid for batch in batches)
        return [(one.key, one.value, list(one.headers)) for batch in batches for one in batch]

    def transactions(self) -> list[tuple[object, bool]]:
        """How transactions ended: the id as the client knows it, and whether it was committed."""
        ends = [one for one in self.seen if one.metadata.get("method") == "EndTxn" and one.side is Side.CLIENT]
        return [(one.metadata["kafka.transactional_id"], one.body["committed"]) for one in ends]

    def markers(self) -> list[str]:
        """What the broker wrote at the ends of transactions, as consumers fetched it."""
        found = {}
        for records in self._fields("Fetch", Side.SERVER):
            for batch in records.batches:
                if batch.control:
                    found[batch.producer_id, batch.base_offset] = [control_type(one) for one in batch]
        return [kind for _, kinds in sorted(found.items()) for kind in kinds]

    def _fields(self, method: str, side: Side) -> Iterator[Any]:
        """The `records` fields of Produce requests or Fetch responses."""
        topics, partitions = {"Produce": ("topic_data", "partition_data"), "Fetch": ("responses", "partitions")}[method]
        for message in self.seen:
            if message.metadata.get("method") == method and message.side is side:
                for topic in message.body[topics]:
                    for partition in topic[partitions]:
                        if partition["records"]:
                            yield partition["records"]


@contextlib.contextmanager
def proxied(*ports: int, tenant: str = "acme") -> Iterator[Proxied]:
    """A proxy before brokers on these ports, in a thread of its own."""
    seen: list[Message] = []
    brokers = {(HOST, own): (HOST, port) for own, port in zip(free_ports(len(ports)), ports, strict=True)}
    proxy = example().TenantProxy(brokers, tenant, seen.append)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        addresses = asyncio.run_coroutine_threadsafe(proxy.start(), loop).result(_PATIENCE)
        yield Proxied(addresses, seen)
    finally:
        asyncio.run_coroutine_threadsafe(proxy.stop(), loop).result(_PATIENCE)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(_PATIENCE)
        loop.close()
