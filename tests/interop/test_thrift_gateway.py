"""Bytes that we write, read by Apache Thrift's library and by thriftpy2; and both talking through a gateway of ours.

    client ── its dialect ──▶ gateway ── translate ──▶ another dialect ── server

Clients and servers know nothing of it: every call has to end as it ends without.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from thrift.transport.TTransport import TMemoryBuffer

from l7codec import Conversation, Kind, Message, Reason, Side, encode
from l7codec.protocols import thrift
from l7codec.protocols.thrift.idl import Idl

from . import thrift_peers as peers
from .programs import PATIENCE
from .thrift_peers import Dialect, Failed, Peer, Thrown
from .thrift_wire import CALLS, HANDLERS, arguments_by_ids, by_names, calls_between, make, relay, result_by_ids

pytestmark = pytest.mark.interop

APACHE = Peer("apache", "pure", Dialect("framed", "binary"))


@contextlib.contextmanager
def listening(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """A port where one connection is served."""
    problems: list[BaseException] = []

    def accept() -> None:
        try:
            with listener.accept()[0] as connected:
                connected.settimeout(PATIENCE)
                serve(connected)
        except BaseException as error:  # raised where the test can see it
            problems.append(error)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(PATIENCE)
    if problems:
        raise problems[0]


@contextlib.contextmanager
def connection(port: int) -> Iterator[tuple[socket.socket, Conversation]]:
    """A client made of the codec alone."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as connected:
        yield connected, Conversation("thrift")


def dialect_of(peer: Peer) -> dict[str, str]:
    return {"transport": peer.dialect.transport, "protocol": peer.dialect.protocol}


def answering(answer: Callable[[Message], bytes | None]) -> Callable[[socket.socket], None]:
    """A server made of the codec alone."""

    def serve(connected: socket.socket) -> None:
        conversation = Conversation("thrift")
        while data := connected.recv(1 << 16):
            for request in conversation.client.receive_data(data):
                written = answer(request)
                if written is not None:
                    connected.sendall(written)

    return serve


# -- we are the client ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("peer", peers.PEERS, ids=str)
def test_a_real_server_reads_what_we_write(peer):
    """By ids and, with the IDL, by names; what it answers is what it answers its own clients."""
    idl = Idl(peers.idl())
    json = peer.dialect.protocol == "json"
    with peers.server(peer, HANDLERS) as port, connection(port) as (connected, conversation):
        for number, call in enumerate(calls_between(peer)):
            write = thrift.oneway if call.method == "note" else thrift.call
            if number % 2:
                body = arguments_by_ids(call, json)
            else:
                values = by_names(Side.CLIENT, call)
                body = idl.arguments("Everything", call.method, values, protocol=peer.dialect.protocol)
            request = write(call.method, body, id=number, **dialect_of(peer))
            connected.sendall(conversation.send(request))
            if call.method == "note":
                continue
            response = _response(connected, conversation)
            assert response.request is request
            assert response.id == number
            if isinstance(call.outcome, Failed):
                assert response.metadata["error.message"] == call.outcome.message
            else:
                assert response.body == result_by_ids(call, json)
                assert idl.body(response) == by_names(Side.SERVER, call)


def _response(connected: socket.socket, conversation: Conversation) -> Message:
    while True:
        data = connected.recv(1 << 16)
        assert data, "the server has closed"
        for message in conversation.server.receive_data(data):
            return message


# -- we are the server ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("peer", peers.PEERS, ids=str)
def test_a_real_client_reads_what_we_write(peer):
    json = peer.dialect.protocol == "json"
    calls = calls_between(peer)

    def answer(request: Message) -> bytes | None:
        if request.kind is Kind.ONEWAY:
            return None
        said = (request.metadata["method"], request.body)
        [call] = [one for one in calls if (one.method, arguments_by_ids(one, json)) == said]
        if isinstance(call.outcome, Failed):
            return encode(thrift.exception(request, call.outcome.type, call.outcome.message))
        return encode(thrift.reply(request, result_by_ids(call, json)))

    with listening(answering(answer)) as port, peers.client(port, peer) as talk:
        for call in calls:
            make(talk, call)


@pytest.mark.parametrize("reason", Reason)
@pytest.mark.parametrize("peer", peers.PEERS, ids=str)
def test_a_real_client_takes_our_refusal_for_an_application_exception(peer, reason):
    refuse = answering(lambda request: thrift.ThriftCodec.reply(request, reason))
    with listening(refuse) as port, peers.client(port, peer) as talk:
        talk.call("note", text="a oneway is not answered", level=1)
        for method in ("ping", "nothing"):
            with pytest.raises(Failed) as refused:
                talk.call(method)
            assert reason.value in refused.value.message


# -- we stand between -------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def gateway(upstream: int, dialect: Dialect) -> Iterator[int]:
    """Translates every message into `dialect` and the answers back, with sequence ids of its own in between."""

    def serve(connected: socket.socket) -> None:
        inside, outside = Conversation("thrift"), Conversation("thrift")
        with socket.create_connection(("127.0.0.1", upstream), PATIENCE) as server:
            number = 1000
            while data := connected.recv(1 << 16):
                for asked in inside.client.receive_data(data):
                    number += 1
                    turned = thrift.translate(asked, transport=dialect.transport, protocol=dialect.protocol)
                    server.sendall(outside.send(turned, {"id": number}))
                    if asked.kind is Kind.ONEWAY:
                        continue
                    answer = _response(server, outside)
                    assert answer.request is turned
                    back = thrift.translate(
                        answer,
                        transport=asked.metadata["thrift.transport"],
                        protocol=asked.metadata["thrift.protocol"],
                    )
                    connected.sendall(encode(back, {"id": asked.id}))

    with listening(serve) as port:
        yield port


BINARY_AND_COMPACT = [peer for peer in peers.PEERS if peer.dialect.protocol != "json"]
APACHES = {peer.dialect: peer for peer in peers.PEERS if peer.library == "apache"}


def _different() -> list[Any]:
    """Not JSON: binary is text in base64 there, which only an IDL can tell."""
    asking = [one for one in BINARY_AND_COMPACT if one in APACHES.values() or one.library == "thriftpy2"]
    return [
        pytest.param(client, server, id=f"{client}-to-{server}")
        for client in asking
        for server in APACHES.values()
        if client.dialect != server.dialect and server.dialect.protocol != "json"
    ]


@pytest.mark.parametrize(("client", "server"), _different())
def test_peers_of_different_dialects_understand_each_other(client, server):
    with (
        peers.server(server, HANDLERS) as port,
        gateway(port, server.dialect) as front,
        peers.client(front, client) as talk,
    ):
        for call in CALLS:
            make(talk, call)


@pytest.mark.parametrize("dialect", [one for one in APACHES if one.protocol != "json"], ids=str)
def test_json_is_understood_where_no_binary_is_meant(dialect):
    client, server = APACHES[Dialect("framed", "json")], APACHES[dialect]
    with (
        peers.server(server, HANDLERS) as port,
        gateway(port, dialect) as front,
        peers.client(front, client) as talk,
    ):
        for call in CALLS:
            if "blob" not in f"{call.method} {call.arguments}":
                make(talk, call)


# -- multiplexed services, methods that nobody has, headers -----------------------------------------------------------


@pytest.mark.parametrize("peer", peers.PEERS, ids=str)
def test_multiplexed_services(peer):
    """Both services have a method `add`; replies do not say whose."""
    idl = Idl(peers.idl())
    with (
        peers.server(peer, HANDLERS, multiplexed=True) as port,
        relay(port) as (front, recordings),
    ):
        with peers.client(front, peer, multiplexed=True) as talk:
            assert talk.call("add", left=40, right=2) == 42
        with peers.client(front, peer, "Other", multiplexed=True) as talk:
            assert talk.call("add", left="a", right="b") == "ab"
    found = []
    for recording in recordings:
        conversation = Conversation("thrift")
        for side, data in recording:
            for message in conversation.stream(side).receive_data(data):
                found.append((message.metadata.get("service"), message.metadata["method"], idl.body(message)))
    assert found == [
        ("Everything", "add", {"left": 40, "right": 2}),
        (None, "add", {"success": 42}),
        ("Other", "add", {"left": "a", "right": "b"}),
        (None, "add", {"success": "ab"}),
    ]


@pytest.mark.parametrize("peer", peers.PEERS, ids=str)
def test_a_multiplexer_is_told_the_service_by_an_edit(peer):
    """What a proxy does for clients that know nothing of services."""
    with peers.server(peer, HANDLERS, multiplexed=True) as port, connection(port) as (connected, conversation):
        request = thrift.call("sum", {1: ("string", b"a"), 2: ("string", b"b")}, id=5, **dialect_of(peer))
        connected.sendall(conversation.send(request, {"service": "Other", "method": "add", "id": 9}))
        response = _response(connected, conversation)
        assert response.request is request
        assert (response.id, response.body) == (9, {0: ("string", b"ab")})


@pytest.mark.parametrize("peer", peers.PEERS, ids=str)
def test_methods_that_nobody_has(peer):
    with peers.server(peer, HANDLERS) as port, connection(port) as (connected, conversation):
        for number in range(2):
            request = thrift.call("nobody", {1: ("i32", 1)}, id=number, **dialect_of(peer))
            connected.sendall(conversation.send(request))
            response = _response(connected, conversation)
            assert response.request is request
            assert (response.metadata["status"], response.metadata["error.type"]) == ("error", "UNKNOWN_METHOD")


@pytest.mark.parametrize("protocol", ["binary", "compact"])
@pytest.mark.parametrize("zlib", [False, True])
def test_headers(protocol, zlib):
    peer = Peer("apache", "fast", Dialect("header", protocol, zlib))
    headers = {b"user": "Ada ü".encode(), b"trace": b"\xff\x00"}
    with (
        peers.server(peer, HANDLERS) as port,
        relay(port) as (front, recordings),
        peers.client(front, peer, headers=headers) as talk,
    ):
        talk.call("ping")
    [recording] = recordings
    [(_, data), *_] = recording
    [request] = Conversation("thrift").client.receive_data(data)
    assert {name: value for name, value in request.metadata.items() if name.startswith("header.")} == {
        "header.user": "Ada ü",
        "header.trace": "\udcff\0",
    }


@pytest.mark.parametrize("protocol", ["binary", "compact"])
def test_headers_that_we_write_are_read_by_apache(protocol):
    """The headers of a call, edited, in front of a payload that keeps its bytes."""
    request = thrift.call("ping", transport="header", protocol=protocol, headers={"user": "Ada", "gone": "x"})
    edited = encode(request, {"header.user": "Grace", "header.gone": None, "header.new": "ü" * 300})
    reader = peers.apache_protocol(TMemoryBuffer(edited), Peer("apache", "fast", Dialect("header", protocol)))
    assert reader.readMessageBegin() == ("ping", 1, 0)
    assert reader.get_headers() == {b"user": b"Grace", b"new": ("ü" * 300).encode()}


@pytest.mark.parametrize("outcome", [call.outcome for call in CALLS if isinstance(call.outcome, Thrown)], ids=repr)
def test_declared_exceptions_by_name(outcome):
    """What we throw by its name is caught by its class."""
    idl = Idl(peers.idl())
    method = "find"

    def answer(request: Message) -> bytes:
        return encode(thrift.reply(request, idl.result("Everything", method, {outcome.name: outcome.value})))

    with listening(answering(answer)) as port, peers.client(port, APACHE) as talk, pytest.raises(Thrown) as thrown:
        talk.call(method, what="x")
    assert thrown.value.args == outcome.args
