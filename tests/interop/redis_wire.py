"""Connections to a real redis-server on which every byte of both directions also goes to a Conversation."""

from __future__ import annotations

import selectors
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from l7codec import Conversation, Message, Side
from l7codec.protocols import redis

from .programs import PATIENCE


def lines(script: str) -> bytes:
    """The commands of a script, `;` between them and blanks between their words."""
    return b"".join(redis.pack(line.split(" ")) for line in script.split(";"))


class Wire:
    """One connection, as a client has it. `messages` is all that went over it."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self.conversation = Conversation("redis")
        self.messages: list[Message] = []
        self.received = bytearray()
        self._marks = 0

    def send(self, data: bytes) -> list[Message]:
        self.socket.sendall(data)
        return self._note(Side.CLIENT, data)

    def receive(self) -> bytes:
        """What comes next; nothing if the server has closed."""
        try:
            data = self.socket.recv(1 << 16)
        except ConnectionResetError:
            data = b""
        self.received += data
        self._note(Side.SERVER, data)
        return data

    def until(self, end: bytes) -> bytes:
        """All that has come, when it ends so."""
        while not self.received.endswith(end):
            assert self.receive(), f"closed after {bytes(self.received)!r}"
        return bytes(self.received)

    def until_closed(self) -> bytes:
        while self.receive():
            pass
        return bytes(self.received)

    def run(self, data: bytes) -> list[str]:
        """Send commands and, last, a PING of its own kind; what came before its answer, each with what it answers."""
        self._marks += 1
        mark = f"mark-{self._marks}"
        start = len(self.messages)
        self.send(data + redis.pack(["PING", mark]))
        self.until(f"{mark}\r\n".encode())
        told = [shown(message) for message in self.messages[start:] if message.side is Side.SERVER]
        assert told.pop() == f"response to PING {mark}"
        return told

    def close(self) -> None:
        self.socket.close()

    def _note(self, side: Side, data: bytes) -> list[Message]:
        heard = list(self.conversation.stream(side).receive_data(data))
        self.messages += heard
        return heard


def shown(message: Message) -> str:
    """A message of the server's: its kind, and what it answers or which push it is."""
    if message.request is not None:
        return f"{message.kind} to {b' '.join(message.request.body).decode(errors='replace')}"
    return f"{message.kind} {message.metadata.get('redis.push', '')}".rstrip()


@contextmanager
def wire(port: int) -> Iterator[Wire]:
    connection = Wire(port)
    try:
        yield connection
    finally:
        connection.close()


class Tap:
    """Listens in on connections to a server: a client connects to `port` instead of the server's."""

    def __init__(self, port: int) -> None:
        self._upstream = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.heard: list[tuple[Conversation, list[Message]]] = []
        self.failure: BaseException | None = None
        self._stop, self._stopped = socket.socketpair()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Tap:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop.close()
        self._thread.join(PATIENCE)
        self._stopped.close()
        if self.failure is not None:
            raise self.failure

    def _run(self) -> None:
        try:
            self._forward()
        except BaseException as error:  # raised where the test can see it
            self.failure = error

    def _forward(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            selector.register(self._stopped, selectors.EVENT_READ)
            sockets: list[socket.socket] = [self._listener]
            while True:
                for key, _ in selector.select():
                    if key.fileobj is self._stopped:
                        for one in sockets:
                            one.close()
                        return
                    if key.fileobj is self._listener:
                        sockets += self._accept(selector)
                    else:
                        self._pass_on(selector, key)

    def _accept(self, selector: selectors.BaseSelector) -> Sequence[socket.socket]:
        client, _ = self._listener.accept()
        server = socket.create_connection(("127.0.0.1", self._upstream), PATIENCE)
        conversation, messages = Conversation("redis"), []
        self.heard.append((conversation, messages))
        selector.register(client, selectors.EVENT_READ, (server, conversation.client, messages))
        selector.register(server, selectors.EVENT_READ, (client, conversation.server, messages))
        return client, server

    def _pass_on(self, selector: selectors.BaseSelector, key: selectors.SelectorKey) -> None:
        other, stream, messages = key.data
        try:
            data = key.fileobj.recv(1 << 16)  # type: ignore[union-attr]
        except ConnectionResetError:
            data = b""
        messages.extend(stream.receive_data(data) if data else stream.receive_eof())
        if data:
            other.sendall(data)
        else:
            selector.unregister(key.fileobj)
            other.shutdown(socket.SHUT_WR)
