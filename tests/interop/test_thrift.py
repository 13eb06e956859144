"""What Apache Thrift's library and thriftpy2 really say to each other, against what their applications meant.

Every pair of peers that speaks a dialect holds one conversation through a relay that keeps the bytes; all that is told
of them is compared with what the applications gave to their libraries and got from them.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from l7codec import Conversation, Kind, Message, Side
from l7codec.detection import Detector
from l7codec.protocols.thrift.idl import Idl

from . import thrift_peers as peers
from .thrift_peers import Failed, Peer, Thrown
from .thrift_wire import (
    HANDLERS,
    Call,
    Recording,
    arguments_by_ids,
    by_names,
    calls_between,
    make,
    relay,
    result_by_ids,
)

pytestmark = pytest.mark.interop


def pairs() -> list[Any]:
    """Client and server of one dialect; a header server also takes and answers those without headers."""
    found = [(client, server) for client in peers.PEERS for server in peers.PEERS if client.dialect == server.dialect]
    anyone = Peer("apache", "fast", peers.Dialect("header", "binary"))
    plain = [one for one in peers.PEERS if one.dialect.transport != "header" and one.dialect.protocol != "json"]
    found += [(client, anyone) for client in plain if client.build == "pure"]
    return [pytest.param(client, server, id=f"{client}-to-{server.library}-{server.build}") for client, server in found]


@cache
def recorded(client: Peer, server: Peer) -> Recording:
    """A conversation with every kind of call, in order."""
    with (
        peers.server(server, HANDLERS) as port,
        relay(port) as (front, recordings),
        peers.client(front, client) as talk,
    ):
        for call in calls_between(client, server):
            make(talk, call)
    [recording] = recordings
    return recording


def decoded(recording: Recording) -> list[Message]:
    conversation = Conversation("thrift")
    messages: list[Message] = []
    for side, data in recording:
        messages += conversation.stream(side).receive_data(data)
    assert not conversation.pending
    for side in Side:
        messages += conversation.stream(side).receive_eof()
        whole = b"".join(data for one, data in recording if one is side)
        assert b"".join(message.raw for message in messages if message.side is side) == whole
    return messages


def expected(calls: list[Call]) -> list[tuple[Side, Call]]:
    """Who speaks for which call: oneways are not answered."""
    return [(side, call) for call in calls for side in Side if side is Side.CLIENT or call.method != "note"]


@pytest.mark.parametrize(("client", "server"), pairs())
def test_every_message_is_what_the_application_meant(client, server):
    messages = decoded(recorded(client, server))
    spoken = expected(calls_between(client, server))
    assert len(messages) == len(spoken)
    for message, (side, call) in zip(messages, spoken, strict=True):
        assert message.error is None
        assert (message.side, message.metadata["method"]) == (side, call.method)
        assert "service" not in message.metadata
        assert message.metadata["thrift.protocol"] == client.dialect.protocol
        assert message.metadata["thrift.transport"] == client.dialect.transport
        assert message.body == body_of(side, call, client.dialect.protocol == "json"), call
        if side is Side.CLIENT:
            oneway = call.method == "note"
            assert message.kind is (Kind.ONEWAY if oneway else Kind.REQUEST)
            assert message.metadata["thrift.type"] == ("oneway" if oneway else "call")


def body_of(side: Side, call: Call, json: bool) -> Any:
    if side is Side.CLIENT:
        return arguments_by_ids(call, json)
    if isinstance(call.outcome, Failed):
        return {1: ("string", str(call.outcome.message).encode()), 2: ("i32", call.outcome.type)}
    return result_by_ids(call, json)


@pytest.mark.parametrize(("client", "server"), pairs())
def test_every_response_says_how_it_went_and_what_it_answers(client, server):
    messages = decoded(recorded(client, server))
    asked = None
    for message, (side, call) in zip(messages, expected(calls_between(client, server)), strict=True):
        if side is Side.CLIENT:
            asked = message
            continue
        assert message.request is asked
        metadata = message.metadata
        assert metadata["status"] == ("error" if isinstance(call.outcome, Thrown | Failed) else "ok")
        if isinstance(call.outcome, Failed):
            assert metadata["thrift.type"] == "exception"
            assert (metadata["error.type"], metadata["error.message"]) == ("INTERNAL_ERROR", call.outcome.message)
        elif isinstance(call.outcome, Thrown):
            [field] = result_by_ids(call)
            assert metadata["thrift.exception_field"] == field
        else:
            assert not {"error.type", "error.message", "thrift.exception_field"} & metadata.keys()


@pytest.mark.parametrize(("client", "server"), pairs())
def test_with_the_idl_every_body_has_the_names_of_the_application(client, server):
    idl = Idl(peers.idl())
    for message, (side, call) in zip(
        decoded(recorded(client, server)), expected(calls_between(client, server)), strict=True
    ):
        if isinstance(call.outcome, Failed) and side is Side.SERVER:
            assert idl.body(message) == {"message": call.outcome.message, "type": "INTERNAL_ERROR"}
            continue
        body = idl.body(message)
        assert body == by_names(side, call), call
        assert idl.edits(message, {"body": body})["body"] == message.body


@pytest.mark.parametrize("peer", peers.PEERS, ids=str)
def test_the_dialect_is_recognised(peer):
    detector = Detector()
    for side, data in recorded(peer, peer):
        detector.receive_data(side, data)
    assert detector.result == "thrift"
