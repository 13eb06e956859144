"""A proxy in front of a Kafka cluster that gives a tenant topics, groups and transactional ids of its own.

    python examples/kafka_proxy.py --tenant acme 127.0.0.1:9092=kafka-1:9092 127.0.0.1:9093=kafka-2:9092

A client that writes to `orders` through it writes to `acme.orders`, and never learns of that: requests get the prefix,
responses lose it. Brokers name their addresses in responses, and clients go there; so each broker has an address of the
proxy's, which takes the place of its own. Write the brokers' as they name themselves (`advertised.listeners`): a
broker that is not listed is reached past the proxy. All else, the record batches above all, passes through as the very
bytes that came. SASL tokens do, too.

One `Conversation` for each leg: the client's with the proxy, and the proxy's with the broker. What one leg receives,
the other sends.

- What cannot be read cannot be rewritten. So clients are offered no version that the library does not know; one that
  asks what there is in a newer version is told to ask again; and what is unreadable all the same ends the connection.
- Whoever reads slowly is waited for: nothing is read from one side while the other has not taken what came before.
- Where one side ends or fails, the other is closed, once it has taken what it was sent or has had its time for that:
  clients and brokers of Kafka know how to connect again.
- Names of other tenants show where a client asks for all topics or groups there are. Access lists at the brokers are
  what keeps tenants apart; this gives them names.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from l7codec import Conversation, L7Error, Message, Reason
from l7codec.protocols import kafka

Address = tuple[str, int]

CHUNK = 1 << 16
PATIENCE = 10.0
"""Seconds that a broker has to take a connection, and that each side has to take the last that it is sent."""


class TenantProxy:
    """Serves what the brokers have for one tenant: `brokers` says on which address which of them.

    `watch` is called with every request and response as it came.
    """

    def __init__(
        self, brokers: Mapping[Address, Address], tenant: str, watch: Callable[[Message], object] | None = None
    ) -> None:
        self.brokers = brokers
        self.watch = watch or (lambda message: None)
        names = ("topic", "group", "transactional_id")
        self._in: dict[str, Any] = {f"kafka.{name}_prefix": f"{tenant}." for name in names}
        self._out: dict[str, Any] = {f"kafka.strip_{name}_prefix": f"{tenant}." for name in names}
        self._servers: list[asyncio.Server] = []
        self._connections: set[asyncio.Task[None]] = set()
        self._stopped = False

    async def start(self) -> list[Address]:
        """Begin to listen; returns where, in the brokers' order. Port 0 is any that is free."""
        addresses: list[Address] = []
        for listen, broker in self.brokers.items():
            server = await asyncio.start_server(partial(self._serve, broker), *listen)
            self._servers.append(server)
            addresses.append((listen[0], server.sockets[0].getsockname()[1]))
        self._out["kafka.brokers"] = {
            f"{host}:{port}": own for (host, port), own in zip(self.brokers.values(), addresses, strict=True)
        }
        return addresses

    async def stop(self) -> None:
        """Close everything; returns when it is closed."""
        self._stopped = True
        for server in self._servers:
            server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        for server in self._servers:
            await server.wait_closed()

    async def _serve(self, broker: Address, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._stopped:  # accepted just before
            return await _close(writer)
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            async with asyncio.timeout(PATIENCE):
                from_broker, to_broker = await asyncio.open_connection(*broker)
            try:
                await self._relay(reader, writer, from_broker, to_broker)
            finally:
                await _close(to_broker)
        except* (OSError, L7Error) as errors:  # TimeoutError is an OSError
            for error in errors.exceptions:
                print(f"{broker[0]}:{broker[1]}: closed: {error}")
        except* asyncio.CancelledError:  # `stop`: the connection ends here, and so does the task
            writer.transport.abort()
        finally:
            self._connections.discard(task)
            await _close(writer)

    async def _relay(
        self,
        from_client: asyncio.StreamReader,
        to_client: asyncio.StreamWriter,
        from_broker: asyncio.StreamReader,
        to_broker: asyncio.StreamWriter,
    ) -> None:
        """Pass on both directions until the broker ends, or one of them fails. Then the other is cancelled."""
        down, up = Conversation("kafka"), Conversation("kafka")

        async def requests() -> None:
            while data := await from_client.read(CHUNK):
                for request in down.client.receive_data(data):
                    self.watch(request)
                    if _too_new(request):
                        to_client.write(down.reply(request, Reason.NO_ROUTE) or b"")
                        await to_client.drain()
                        continue
                    to_broker.write(up.send(request, self._request_edits(request)))
                await to_broker.drain()
            to_broker.write_eof()  # what was asked for may still be answered

        async def responses() -> None:
            while data := await from_broker.read(CHUNK):
                for response in up.server.receive_data(data):
                    self.watch(response)
                    to_client.write(down.send(response, self._response_edits(response)))
                await to_client.drain()

        async with asyncio.TaskGroup() as both:
            asking = both.create_task(requests())
            answering = both.create_task(responses())
            answering.add_done_callback(lambda _: asking.cancel())

    def _request_edits(self, request: Message) -> dict[str, Any]:
        return self._in if _readable(request) else {}

    def _response_edits(self, response: Message) -> dict[str, Any]:
        if not _readable(response):
            return {}
        if response.metadata["method"] == "ApiVersions":
            return {"body": response.body | {"api_keys": [*map(_offered, filter(_known, response.body["api_keys"]))]}}
        return self._out


def _readable(message: Message) -> bool:
    """Whether there is a body to edit; in SASL tokens there is none. Raises the error of what cannot be read.

    But for ApiVersions: a broker that does not know its version says so, some in a form of their own, and the client
    asks again.
    """
    if message.error is not None and message.metadata.get("method") != "ApiVersions":
        raise message.error
    return message.error is None and "kafka.api_key" in message.metadata


def _too_new(request: Message) -> bool:
    """Whether a client asks for the versions there are in a version that we do not know: the broker may know it."""
    metadata = request.metadata
    key = kafka.API_KEYS["ApiVersions"]
    return metadata.get("kafka.api_key") == key and metadata["kafka.api_version"] not in kafka.api(key).versions


def _known(offer: dict[str, Any]) -> bool:
    """Whether we know a version of an API that a broker offers."""
    key = offer["api_key"]
    return key in kafka.API_NAMES and offer["min_version"] <= kafka.api(key).versions.last


def _offered(offer: dict[str, Any]) -> dict[str, Any]:
    """The same API in no newer version than we know."""
    last = kafka.api(offer["api_key"]).versions.last
    return offer | {"max_version": min(offer["max_version"], last)}


async def _close(writer: asyncio.StreamWriter) -> None:
    """Once it has taken what is still to be sent; who does not take it in time, or is stopped, is cut off."""
    writer.close()
    try:
        async with asyncio.timeout(PATIENCE):
            await writer.wait_closed()
    except (OSError, asyncio.CancelledError):
        writer.transport.abort()


def _address(text: str) -> Address:
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


def _pair(text: str) -> tuple[Address, Address]:
    listen, _, broker = text.partition("=")
    return _address(listen), _address(broker)


async def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tenant", required=True)
    parser.add_argument("brokers", type=_pair, nargs="+", metavar="HOST:PORT=BROKER:PORT")
    options = parser.parse_args()
    stopped = asyncio.Event()
    with contextlib.suppress(NotImplementedError):  # on Windows, where KeyboardInterrupt ends this
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    proxy = TenantProxy(dict(options.brokers), options.tenant)
    for (host, port), broker in zip(await proxy.start(), proxy.brokers.values(), strict=True):
        print(f"{host}:{port}: {options.tenant}'s part of {broker[0]}:{broker[1]}", flush=True)
    await stopped.wait()
    await proxy.stop()


if __name__ == "__main__":
    asyncio.run(_main())
