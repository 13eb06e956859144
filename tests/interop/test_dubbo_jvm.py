"""Real Dubbo, 3.3 and 2.7, as consumer and as provider: what we write it reads, what it writes we read.

    bash tests/interop/jvm/dubbo/run.sh

builds the Java programs with Maven and runs these tests. What the same programs said once is in tests/vectors/dubbo, so
that the ordinary tests see real bytes, too.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import l7codec
from l7codec import Conversation, Kind, Message, Reason, Side
from l7codec.hessian2 import JavaLong, JavaObject
from l7codec.protocols import dubbo
from tests.protocols.dubbo.recorded import Plain

from . import dubbo_peers as peers

pytestmark = [
    pytest.mark.jvm,
    pytest.mark.skipif(peers.missing(peers.NEW) is not None, reason=str(peers.missing(peers.NEW))),
    pytest.mark.skipif(peers.missing(peers.OLD) is not None, reason=str(peers.missing(peers.OLD))),
]

VERSIONS = (peers.NEW, peers.OLD)
SPOKEN = [
    (peers.NEW, "hessian2"),
    (peers.NEW, "fastjson2"),
    (peers.OLD, "hessian2"),
    (peers.OLD, "fastjson"),
    (peers.OLD, "gson"),
]


class Caller:
    """A connection to a provider, ours."""

    def __init__(self, port: int, serialization: str) -> None:
        self.socket = socket.create_connection((peers.HOST, port), peers.PATIENCE)
        self.conversation = Conversation("dubbo")
        self.options = {"serialization": serialization}
        self.id = 0

    def ask(self, message: Message) -> Message:
        self.socket.sendall(self.conversation.send(message))
        while True:
            data = self.socket.recv(65536)
            assert data, "the provider has closed the connection"
            for answer in self.conversation.server.receive_data(data):
                if answer.request is message:
                    return answer

    def call(self, method: str, *arguments: Any, **options: Any) -> Message:
        self.id += 1
        types = options.pop("types", None)
        return self.ask(
            dubbo.invocation(peers.SERVICE, method, arguments, types, id=self.id, **self.options, **options)
        )


@pytest.fixture(scope="module", params=SPOKEN, ids=lambda pair: "-".join(pair))
def caller(request: pytest.FixtureRequest) -> Iterator[Caller]:
    version, serialization = request.param
    with peers.provider(version, serialization) as (port, _):
        asking = Caller(port, serialization)
        yield asking
        asking.socket.close()


# -- our requests, a real provider ------------------------------------------------------------------------------------


def test_a_real_provider_answers_our_invocations(caller: Caller) -> None:
    for name in ("Ada", "größe 日本 😀", "x" * 40_000, ""):
        answer = caller.call("greet", name)
        assert answer.metadata["status"] == "ok", answer.metadata
        assert answer.body["value"] == f"null/null: hello {name}"
        assert answer.body["attachments"]["dubbo"] == "2.0.2"
    assert caller.call("greet", None, types=["java.lang.String"]).body["value"] == "null/null: hello null"
    assert caller.call("nothing").body["flag"] == 5
    assert caller.call("sum", [1, 2, 300000], types=["int[]"]).body["value"] == 300003
    listed = caller.call("list", 2, {"prefix": "p"}, types=["int", "java.util.Map"])
    assert len(listed.body["value"]) == 2


def test_a_real_provider_sees_our_version_group_and_attachments(caller: Caller) -> None:
    answer = caller.call("greet", "Ada", version="1.0")
    assert answer.body["value"] == "1.0/null: hello Ada"
    answer = caller.call("attachments", version="2.0", group="blue", attachments={"user": "ada", "größe": "日本"})
    seen = answer.body["value"]
    seen = dict(seen.fields) if isinstance(seen, JavaObject) else dict(seen.items())
    assert (seen["service"], seen["user"], seen["größe"]) == ("2.0/blue", "ada", "日本")


def test_a_real_provider_obeys_the_attachments_over_the_head(caller: Caller) -> None:
    """So that is what our metadata says."""
    caller.id += 1
    message = dubbo.invocation(
        peers.SERVICE,
        "greet",
        ["Ada"],
        id=caller.id,
        version="1.0",
        attachments={"version": "2.0", "group": "blue"},
        **caller.options,
    )
    assert message.metadata["version"] == "2.0"
    assert message.metadata["dubbo.conflict"] == ("version",)
    assert caller.ask(message).body["value"] == "2.0/blue: hello Ada"


@pytest.mark.parametrize("nothing", ["", "0.0.0", "*"])
def test_a_real_provider_takes_these_for_no_version(caller: Caller, nothing: str) -> None:
    message = dubbo.invocation(
        peers.SERVICE, "greet", ["Ada"], id=77, attachments={"version": nothing}, **caller.options
    )
    assert "version" not in message.metadata
    assert caller.ask(message).body["value"] == "null/null: hello Ada"


def test_a_real_provider_answers_our_heartbeat(caller: Caller) -> None:
    answer = caller.ask(dubbo.heartbeat(id=5, **caller.options))
    assert answer.kind == "heartbeat"


def test_what_a_real_provider_refuses_is_an_error(caller: Caller) -> None:
    answer = caller.call("greet", "Ada", version="9.9")
    assert answer.metadata["status"] == "error"
    assert answer.metadata["dubbo.status"] in (40, 70)
    thrown = caller.call("crash", "by hand")
    assert thrown.metadata["status"] == "error"
    if caller.options["serialization"] == "hessian2":
        assert thrown.metadata["error.type"] == "java.lang.IllegalStateException"
        assert thrown.metadata["error.message"] == "by hand"


def test_generic_calls_and_echo(caller: Caller) -> None:
    if caller.options["serialization"] == "gson":
        pytest.skip("Dubbo's own gson cannot read the arguments of a generic call")
    message = dubbo.generic(
        peers.SERVICE, "greet", ["Ada"], ["java.lang.String"], id=900, version="1.0", **caller.options
    )
    assert (message.metadata["method"], message.metadata["dubbo.generic"]) == ("greet", "$invoke")
    if caller.options["serialization"] != "fastjson2":  # which wants its own classes for both arrays
        assert caller.ask(message).body["value"] == "1.0/null: hello Ada"
    assert caller.call("$echo", "there?", types=["java.lang.Object"]).body["value"] == "there?"


def test_objects_of_ours_are_read_by_a_real_provider(caller: Caller) -> None:
    if caller.options["serialization"] != "hessian2":
        pytest.skip("objects are written by class in Hessian2 alone")
    order = JavaObject("org.example.orders.Order", {"id": JavaLong(5), "name": "one"})
    other = JavaObject("org.example.orders.Order", {"id": JavaLong(6), "name": "two"})
    types = ["org.example.orders.Order"] * 2
    assert caller.call("compare", order, order, types=types).body["value"] == "same"
    assert caller.call("compare", order, other, types=types).body["value"] == "different"
    answer = caller.call("reverse", b"\x00\x01\xff")
    assert answer.body["value"] == b"\xff\x01\x00"
    found = caller.call("find", JavaLong(17)).body["value"]
    assert found["parent"] is found


# -- a real consumer, our answers -------------------------------------------------------------------------------------


class Answering:
    """A provider of ours: `answer` says what each request gets."""

    def __init__(self, answer: Callable[[Message], bytes | None]) -> None:
        self.answer = answer
        self.errors: list[BaseException] = []
        self.listener = socket.create_server((peers.HOST, 0))
        self.port: int = self.listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                peer, _ = self.listener.accept()
                threading.Thread(target=self._talk, args=(peer,), daemon=True).start()

    def _talk(self, peer: socket.socket) -> None:
        conversation = Conversation("dubbo")
        try:
            with peer:
                while data := peer.recv(65536):
                    for message in conversation.client.receive_data(data):
                        if message.kind is Kind.HEARTBEAT:
                            beat = dubbo.heartbeat(
                                id=message.id or 0,
                                response=True,
                                serialization=str(message.metadata["dubbo.serialization"]),
                            )
                            peer.sendall(conversation.send(beat))
                        elif message.kind is Kind.REQUEST and (answer := self.answer(message)) is not None:
                            peer.sendall(answer)
        except OSError:
            pass  # the consumer is gone
        except BaseException as error:  # for the test, which is in another thread
            self.errors.append(error)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_real_consumer_understands_our_results_exceptions_and_refusals(version: str) -> None:
    def answer(message: Message) -> bytes | None:
        method, id = message.metadata["method"], message.id or 0
        if method == "greet":
            return dubbo.result(f"ours: {message.body['arguments'][0]}"[:40], id=id, attachments={"by": "us"}).raw
        if method == "nothing":
            return dubbo.result(None, id=id, attachments={}).raw
        if method == "find":
            order = JavaObject("org.example.orders.Order", {"id": JavaLong(3), "name": "ours", "parent": None})
            order["parent"] = order
            return dubbo.result(order, id=id).raw
        if method == "sum":
            return dubbo.result(41, id=id).raw
        if method == "fail":
            return dubbo.exception("org.example.orders.OrderException", "ours", {"code": 7}, id=id, attachments={}).raw
        if method == "crash":
            return dubbo.exception("java.lang.IllegalStateException", "ours, too", id=id).raw
        if method == "reverse":
            return dubbo.error(31, "ours took too long", id=id).raw
        return l7codec.registry.codec_class("dubbo").reply(message, Reason.DENIED, "not through this proxy")

    serving = Answering(answer)
    with peers.consumer(version, "hessian2", serving.port) as calls:
        by_method = {call["method"]: call for call in reversed(calls)}
    serving.listener.close()
    assert serving.errors == []
    assert by_method["greet"]["result"] == "ours: Ada"
    assert by_method["nothing"]["result"] is None
    assert by_method["find"]["result"]["fields"]["name"] == "ours"
    assert by_method["find"]["result"]["fields"]["parent"] == {"$same": 0}
    assert by_method["sum"]["result"] == 41
    assert (by_method["fail"]["exception"], by_method["fail"]["message"]) == (
        "org.example.orders.OrderException",
        "ours",
    )
    assert (by_method["crash"]["exception"], by_method["crash"]["message"]) == (
        "java.lang.IllegalStateException",
        "ours, too",
    )
    assert "ours took too long" in by_method["reverse"]["message"]
    assert by_method["list"]["exception"] == "org.apache.dubbo.rpc.RpcException"
    assert "not through this proxy" in by_method["list"]["message"]


# -- between them -----------------------------------------------------------------------------------------------------


class Proxy:
    """The change that a Relay makes: everything is decoded, and encoded again with edits."""

    def __init__(self, edits: Callable[[Message], dict[str, Any]]) -> None:
        self.edits = edits
        self.legs: dict[int, Conversation] = {}
        self.messages: list[Message] = []

    def __call__(self, number: int, side: str, data: bytes) -> bytes:
        conversation = self.legs.setdefault(number, Conversation("dubbo"))
        out = b""
        for message in conversation.stream(Side(side)).receive_data(data):
            self.messages.append(message)
            out += l7codec.encode(message, self.edits(message))
        return out


@pytest.mark.parametrize("version", VERSIONS)
def test_nothing_changes_between_them_without_edits(version: str) -> None:
    proxy = Proxy(lambda message: {})
    with (
        peers.provider(version, "hessian2") as (port, _),
        peers.relay(port, proxy) as relay,
        peers.consumer(version, "hessian2", relay.port) as calls,
    ):
        pass
    assert relay.errors == []
    asked = [one for one in proxy.messages if one.side is Side.CLIENT and one.kind in ("request", "oneway")]
    answers = {id(one.request): one for one in proxy.messages if one.kind == "response"}
    assert len(calls) == len(asked) >= 25
    for call, request in zip(calls, asked, strict=True):
        plain = Plain()
        assert plain.of(request.body["arguments"]) == call["arguments"]
        if "result" in call and call["method"] not in ("note", "attachments"):
            assert plain.of(answers[id(request)].body.get("value")) == call["result"]


@pytest.mark.parametrize("version", VERSIONS)
def test_edits_between_them_are_obeyed(version: str) -> None:
    def edits(message: Message) -> dict[str, Any]:
        if message.side is Side.SERVER:
            return {"header.through": "us"} if message.kind is Kind.RESPONSE and "attachments" in message.body else {}
        if message.kind is not Kind.REQUEST:
            return {}
        method = message.metadata["method"]
        if message.metadata.get("version") == "9.9":  # which no provider has
            return {"version": "2.0", "group": "blue"}
        if method == "attachments":
            return {"header.user": "grace", "header.added": "日本", "header.dubbo.tag": None}
        if method == "crash":
            return {"method": "greet"}
        if message.metadata.get("dubbo.generic") == "$invoke" and method == "compare":
            return {"service": peers.SERVICE, "header.added": "x" * 5000}
        if message.metadata.get("dubbo.generic") == "$invokeAsync":
            return {"version": "2.0", "group": "blue"}
        if method == "compare":  # both arguments are the same object, or of one class: tables stay right
            return {"header.added": "x"}
        return {}

    with (
        peers.provider(version, "hessian2") as (port, _),
        peers.relay(port, Proxy(edits)) as relay,
        peers.consumer(version, "hessian2", relay.port) as calls,
    ):
        pass
    assert relay.errors == []
    results = {(call["method"], str(call["arguments"])[:30], call["version"]): call for call in calls}
    by_method = {call["method"]: call for call in calls}
    (moved,) = [call for call in calls if call["version"] == "9.9"]
    assert moved["result"] == "2.0/blue: hello nobody"
    seen = by_method["attachments"]["result"]
    assert (seen["user"], seen["added"]) == ("grace", "日本")
    assert "dubbo.tag" not in seen
    assert by_method["crash"]["result"] == "null/null: hello by hand"
    assert by_method["$invokeAsync"]["result"] == "2.0/blue: hello Barbara"
    assert [call["result"] for call in calls if call["method"] == "compare"] == ["same", "different"]
    assert [call["result"] for call in calls if call["method"] == "$invoke"][1] in ("same", "different")
    assert len(results) >= 20
