"""A small Redis proxy, as a user of the library would write one; the tests run real clients through it.

It holds two Conversations a connection: `downstream` with the client, `upstream` with the server. Everything is
pipelined; what it answers itself waits for its turn.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from typing import Any

from l7codec import Conversation, Kind, Message, Reason, RemoteProtocolError
from l7codec.protocols import proxy_protocol, redis

Answer = Callable[[Message], Any]


class Proxy:
    """Forwards to one server; start it with `async with`."""

    def __init__(
        self,
        upstream: int,
        *,
        key_prefix: str | None = None,
        denied: frozenset[str] = frozenset(),
        answers: dict[str, Answer] | None = None,
        expect_header: bool = False,
        send_header: bool = False,
    ) -> None:
        self.upstream = upstream
        self.key_prefix = key_prefix
        self.denied = denied
        self.answers = answers or {}
        self.expect_header = expect_header
        self.send_header = send_header
        self.seen: list[Message] = []
        self.failures: list[BaseException] = []
        self.legs: list[tuple[Conversation, Conversation]] = []
        self._connections: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Proxy:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exception: object) -> None:
        self._server.close()
        await self._server.wait_closed()
        for connection in self._connections:  # whoever is still connected has been told enough
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        writers = [writer]
        address, port = writer.get_extra_info("peername")[:2]
        try:
            upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", self.upstream)
            writers.append(upstream_writer)
            link = _Link(self, writer, upstream_writer, {"peer.address": address, "peer.port": port})
            self.legs.append((link.downstream, link.upstream))
            if self.send_header:
                upstream_writer.write(proxy_protocol.header((address, port), ("127.0.0.1", self.port)).raw)
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(_pump(reader, link.from_client, upstream_writer))
                pumps.create_task(_pump(upstream_reader, link.from_server, writer))
        except* (ConnectionError, asyncio.CancelledError):  # the peer has gone, or the test is over
            pass
        except* BaseException as errors:  # for the test to look at
            self.failures.extend(errors.exceptions)
        finally:
            for one in writers:
                one.close()
                with contextlib.suppress(OSError):
                    await one.wait_closed()
            self._connections.discard(task)


async def _pump(reader: asyncio.StreamReader, take: Callable[[bytes], None], other: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 16):
        take(data)
        await other.drain()
    if other.can_write_eof():
        other.write_eof()


class _Link:
    """One client's connection and its connection to the server."""

    def __init__(
        self, proxy: Proxy, client: asyncio.StreamWriter, server: asyncio.StreamWriter, connection: dict[str, Any]
    ) -> None:
        self.proxy = proxy
        self.client = client
        self.server = server
        self.downstream = Conversation("redis", preface="proxy" if proxy.expect_header else None, connection=connection)
        self.upstream = Conversation("redis")
        self.own: deque[tuple[Message, Message | Reason]] = deque()  # answers that wait for their turn

    def from_client(self, data: bytes) -> None:
        try:
            for message in self.downstream.client.receive_data(data):
                if message.kind is not Kind.PREFACE:
                    self.proxy.seen.append(message)
                    self._forward(message)
        except RemoteProtocolError as error:
            self.client.write(self.downstream.reply(None, error) or b"")
            self.client.write_eof()
        self._answer()

    def _forward(self, message: Message) -> None:
        method = str(message.metadata.get("method"))
        if method in self.proxy.denied and message.kind is Kind.REQUEST:
            self.own.append((message, Reason.DENIED))
        elif method in self.proxy.answers and message.kind is Kind.REQUEST:
            self.own.append((message, redis.reply(self.proxy.answers[method](message))))
        else:
            edits = {}
            if self.proxy.key_prefix is not None and "keys" in message.metadata:
                edits["redis.key_prefix"] = self.proxy.key_prefix
            self.server.write(self.upstream.send(message, edits))

    def from_server(self, data: bytes) -> None:
        for message in self.upstream.server.receive_data(data):
            edits = {}
            if message.metadata.get("redis.push") == "invalidate" and self.proxy.key_prefix is not None:
                edits["redis.strip_prefix"] = self.proxy.key_prefix
            self.client.write(self.downstream.send(message, edits))
            self._answer()

    def _answer(self) -> None:
        """Give the answers of our own whose turn it is."""
        while self.own and next(iter(self.downstream.pending)) is self.own[0][0]:
            request, answer = self.own.popleft()
            if isinstance(answer, Message):
                answer.request = request
                self.client.write(self.downstream.send(answer))
            else:
                self.client.write(self.downstream.reply(request, answer) or b"")


__all__ = ["Answer", "Proxy"]
