"""Real Dubbo's bytes against what the applications say that they sent and got."""

from __future__ import annotations

import json

import pytest

import l7codec
from l7codec import Conversation, Side, Stream
from l7codec.registry import codec_class
from tests import laws

from .recorded import NAMES, Plain, calls, heard, pieces, recording

every_recording = pytest.mark.parametrize("name", NAMES)
GENERIC = {"$invoke", "$invokeAsync", "$echo"}


def test_there_are_recordings_of_old_and_new_dubbo_in_every_serialization_that_is_read():
    assert NAMES == ["2.7.23-fastjson", "2.7.23-gson", "2.7.23-hessian2", "3.3.6-fastjson2", "3.3.6-hessian2"]


@every_recording
def test_the_metadata_is_what_the_application_asked_for(name):
    for call, request, _ in calls(name):
        metadata = request.metadata
        assert request.error is None
        assert metadata["service"] == call["service"]
        assert metadata.get("version") == call["version"]
        assert metadata.get("group") == call["group"]
        outer, arguments = call["method"], call["arguments"]
        assert metadata["method"] == (arguments[0] if outer in ("$invoke", "$invokeAsync") else outer)
        assert metadata.get("dubbo.generic") == (outer if outer in GENERIC else None)
        assert metadata["dubbo.serialization"] == recording(name)["serialization"]
        assert metadata["dubbo.protocol_version"] == "2.0.2"
        assert "dubbo.conflict" not in metadata
        for header, value in call["attachments"].items():
            assert metadata[f"header.{header}"] == value
        assert request.kind == ("oneway" if outer == "note" else "request")


@every_recording
def test_types_are_those_of_the_method_that_is_called(name):
    types = {call["method"]: request.metadata["dubbo.parameter_types"] for call, request, _ in calls(name)}
    assert types["greet"] == ("java.lang.String",)
    assert types["sum"] == ("int[]",)
    assert types["list"] == ("int", "java.util.Map")
    assert types["reverse"] == ("byte[]",)
    assert types["nothing"] == ()
    if "$invokeAsync" in types:
        assert types["$invokeAsync"] == ("java.lang.String",)


@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith("hessian2")])
def test_every_argument_and_result_is_what_the_application_had(name):
    compared = 0
    for call, request, response in calls(name):
        plain = Plain()
        assert plain.of(request.body["arguments"]) == call["arguments"]
        if response is not None and response.metadata["status"] == "ok" and call["method"] != "attachments":
            assert plain.of(response.body.get("value")) == call["result"]
            compared += 1
    assert compared >= 18


@every_recording
def test_results_that_are_text_and_numbers_are_the_same_in_every_serialization(name):
    found = {
        json.dumps([call["method"], call["arguments"]]): (response.body.get("value"), call["result"])
        for call, _, response in calls(name)
        if response is not None and isinstance(call.get("result"), str | int)
    }
    assert len(found) >= 10
    assert all(ours == theirs for ours, theirs in found.values())


@every_recording
def test_exceptions_have_their_class_and_text(name):
    by_method = {call["method"]: (call, response) for call, _, response in calls(name)}
    for method in ("fail", "crash"):
        call, response = by_method[method]
        assert response is not None
        metadata = response.metadata
        assert metadata["status"] == "error"
        if name.endswith("hessian2"):
            assert (metadata["error.type"], metadata["error.message"]) == (call["exception"], call["message"])
        elif name == "3.3.6-fastjson2":  # the reader of its own loses one message; it shortens what is in java.lang
            assert call["exception"].endswith(metadata["error.type"])
            assert metadata["error.message"] == {"fail": "out of stock", "crash": "by hand"}[method]


@every_recording
def test_what_no_provider_has_is_an_error_response(name):
    response = next(answer for call, _, answer in calls(name) if call["version"] == "9.9")
    assert response is not None
    assert response.metadata["status"] == "error"
    assert response.metadata["dubbo.status"] in (40, 70)
    assert response.metadata["error.type"] in ("BAD_REQUEST", "SERVICE_ERROR")
    assert response.metadata["error.message"] == response.body["error"]


@every_recording
def test_heartbeats_are_answered_and_the_shutdown_is_announced(name):
    beats = [one for one in heard(name) if one.kind == "heartbeat"]
    assert len(beats) >= 4
    assert {one.metadata["dubbo.event"] for one in beats} == {"heartbeat"}
    assert all((one.request is not None) == (one.side is Side.SERVER) for one in beats)
    assert all(one.body == {"event": None} for one in beats)


@pytest.mark.parametrize("name", ["2.7.23-hessian2", "3.3.6-hessian2"])
def test_the_provider_asks_too(name):
    (asked,) = [one for one in heard(name) if one.side is Side.SERVER and one.kind == "request"]
    assert asked.metadata["service"] == "org.example.orders.Listener"
    assert asked.metadata["method"] == "changed"
    assert asked.body["arguments"] == ["stock has changed"]
    (answer,) = [one for one in heard(name) if one.side is Side.CLIENT and one.kind == "response"]
    assert answer.request is asked
    assert answer.body["value"] == "heard stock has changed"


def test_a_provider_that_shuts_down_says_so():
    events = [one for name in NAMES for one in heard(name) if one.metadata.get("dubbo.event") == "readonly"]
    assert events
    assert all(one.kind == "push" and one.side is Side.SERVER and one.body == {"event": "R"} for one in events)


@every_recording
def test_every_byte_comes_back_however_it_came(name):
    for side in Side:
        data = b"".join(piece for who, piece in pieces(name) if who is side)
        laws.chunk_invariant("dubbo", side, data[:3000], [data[:1000], data[1000:3000]])
        messages = list(Stream("dubbo", side).receive_data(data))
        assert b"".join(map(l7codec.encode, messages)) == data
        for message in messages:
            laws.sound(codec_class("dubbo"), message)


@every_recording
def test_what_is_read_and_written_again_says_the_same(name):
    """Not always the same bytes: Java does not always write the shortest form."""
    for message in heard(name):
        if message.kind in ("request", "response") and message.metadata["dubbo.serialization"] != "fastjson2":
            (again,) = l7codec.decode("dubbo", l7codec.encode(message, {"body": message.body}), message.side)
            assert again.metadata == message.metadata
            assert laws.plain(again.body) == laws.plain(message.body) or laws.body_or_error(
                again
            ) == laws.body_or_error(message)


@every_recording
def test_what_people_type_is_told_from_frames(name):
    messages = heard(name, 2)
    assert {one.kind for one in messages} == {"oneway", "push"}
    typed = [one.metadata["dubbo.telnet"] for one in messages if one.side is Side.CLIENT]
    printed = [one.metadata["dubbo.telnet"] for one in messages if one.side is Side.SERVER]
    assert set(printed) == {"output", "prompt"}
    assert printed.count("prompt") == len(typed)
    if name.startswith("2."):
        assert typed == ["ls", "ls", "invoke", "cd", "invoke", "nosuch"]
        calls_ = [one.metadata for one in messages if one.metadata["dubbo.telnet"] == "invoke"]
        assert [(one.get("service"), one["method"]) for one in calls_] == [
            ("org.example.orders.Orders", "greet"),
            (None, "sum"),
        ]
        assert any(one.body.startswith('result: "2.0/blue: hello Ada"') for one in messages)


@every_recording
def test_detection_knows_it(name):
    for connection in (1, 2):
        detector = l7codec.Detector(port=20880)
        for side, data in pieces(name, connection):
            detector.receive_data(side, data)
        assert detector.result == "dubbo"
    first = pieces(name)[0]
    assert l7codec.detect(first[1], side=first[0]) == "dubbo"


def test_a_conversation_that_is_cut_goes_on_behind_the_gap():
    spoken = pieces("3.3.6-hessian2")
    conversation = Conversation("dubbo")
    server = b"".join(data for side, data in spoken if side is Side.SERVER)
    found = list(conversation.server.receive_data(server[:400]))
    found += conversation.server.receive_gap(None)
    found += conversation.server.receive_data(server[700:])
    assert len(found) > 30
    assert conversation.server.error is None
