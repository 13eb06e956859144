"""A proxy in front of a Kafka broker that gives each tenant topics, groups and transactional ids of its own.

    python examples/kafka_proxy.py --listen 127.0.0.1:9092 --broker 127.0.0.1:19092 --tenant acme

A client that writes to `orders` through it writes to `acme.orders`, and never learns of that: requests get the prefix,
responses lose it. Brokers name their addresses in responses, and clients go there; so these are replaced by the proxy's
own. All else, the record batches above all, passes through as the very bytes that came. SASL tokens do, too.

One `Conversation` for each leg: the client's with the proxy, and the proxy's with the broker. What one leg receives,
the other sends. It serves a cluster of one broker; a larger one needs a port for each.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
from typing import Any

from l7codec import Conversation, Message, ProtocolError

Address = tuple[str, int]


class TenantProxy:
    """Serves on `listen` what the broker at `broker` has for one tenant."""

    def __init__(self, broker: Address, tenant: str, listen: Address = ("127.0.0.1", 0)) -> None:
        self.broker = broker
        self.listen = listen
        self.prefix = f"{tenant}."
        self.seen: list[Message] = []
        """Requests and responses in the order they came, for whoever wants to look."""
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self) -> Address:
        """Begin to listen; returns where."""
        self._server = await asyncio.start_server(self._serve, *self.listen)
        address: Address = self._server.sockets[0].getsockname()[:2]
        prefix, (host, port) = self.prefix, self.broker
        names = ("topic", "group", "transactional_id")
        self._in = {f"kafka.{name}_prefix": prefix for name in names}
        self._out: dict[str, Any] = {f"kafka.strip_{name}_prefix": prefix for name in names}
        self._out["kafka.brokers"] = {f"{host}:{port}": f"{address[0]}:{address[1]}"}
        return address

    async def stop(self) -> None:
        """Close everything."""
        self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            await self._relay(reader, writer)
        except (OSError, ProtocolError) as error:
            print(f"closed: {error}")
        except asyncio.CancelledError:  # `stop`: the connection ends here, and so does the task
            pass
        finally:
            self._connections.discard(task)
            await _close(writer)

    async def _relay(self, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        from_broker, to_broker = await asyncio.open_connection(*self.broker)
        down, up = Conversation("kafka"), Conversation("kafka")

        async def requests() -> None:
            while data := await from_client.read(1 << 16):
                for request in down.client.receive_data(data):
                    self.seen.append(request)
                    to_broker.write(up.send(request, self._in if readable(request) else {}))
                await to_broker.drain()
            to_broker.write_eof()

        async def responses() -> None:
            while data := await from_broker.read(1 << 16):
                for response in up.server.receive_data(data):
                    self.seen.append(response)
                    to_client.write(down.send(response, self._out if readable(response) else {}))
                await to_client.drain()

        asking = asyncio.create_task(requests())
        try:
            await responses()
        finally:
            asking.cancel()
            with contextlib.suppress(asyncio.CancelledError, OSError, ProtocolError):
                await asking
            await _close(to_broker)


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


def readable(message: Message) -> bool:
    """Whether there is anything to edit: not in SASL tokens, nor in what is of a version that nobody knows."""
    metadata = message.metadata
    return message.error is None and "kafka.api_key" in metadata and "kafka.sasl_token" not in metadata


def _address(text: str) -> Address:
    host, _, port = text.rpartition(":")
    return host, int(port)


async def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--listen", type=_address, default=("127.0.0.1", 9092))
    parser.add_argument("--broker", type=_address, required=True)
    parser.add_argument("--tenant", required=True)
    options = parser.parse_args()
    proxy = TenantProxy(options.broker, options.tenant, options.listen)
    host, port = await proxy.start()
    print(f"{host}:{port}: topics of {options.tenant}")
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main())
