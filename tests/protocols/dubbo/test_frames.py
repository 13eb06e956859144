"""Frames, byte by byte: header, limits, events, errors, pairing, gaps, detection."""

from __future__ import annotations

import pytest

import l7codec
from l7codec import Conversation, Kind, LimitExceeded, Limits, Reason, RemoteProtocolError, Side, Stream, decode
from l7codec.codec import Answer, Confidence
from l7codec.protocols import dubbo
from tests.talk import Talk, client, server

CLIENT, SERVER = Side.CLIENT, Side.SERVER


def frame(flags: int, status: int, id: int, body: bytes) -> bytes:
    """Written out, so that the codec's own packer does not check itself."""
    return bytes([0xDA, 0xBB, flags, status]) + id.to_bytes(8, "big", signed=True) + len(body).to_bytes(4, "big") + body


# "2.0.2" "Orders" "1.0" "find" "I" 17 {"user": "ada"}
REQUEST = b"\x052.0.2\x06Orders\x031.0\x04find\x01I\xa1H\x04user\x03adaZ"
# value, "ok"
RESULT = b"\x91\x02ok"


def one(data: bytes, side: Side = CLIENT) -> l7codec.Message:
    (message,) = decode("dubbo", data, side)
    return message


def test_a_request():
    message = one(frame(0xC2, 0, -5, REQUEST))
    assert (message.kind, message.id, message.error) == (Kind.REQUEST, -5, None)
    assert message.metadata == {
        "dubbo.serialization": "hessian2",
        "dubbo.protocol_version": "2.0.2",
        "service": "Orders",
        "version": "1.0",
        "method": "find",
        "dubbo.parameter_types": ("int",),
        "header.user": "ada",
    }
    assert message.body == {
        "dubbo_version": "2.0.2",
        "path": "Orders",
        "version": "1.0",
        "method": "find",
        "descriptor": "I",
        "arguments": [17],
        "attachments": {"user": "ada"},
    }


def test_kinds_follow_the_flags_whoever_sends():
    for side in Side:
        assert one(frame(0x82, 0, 1, REQUEST), side).kind is Kind.ONEWAY
        assert one(frame(0xC2, 0, 1, REQUEST), side).kind is Kind.REQUEST
        assert one(frame(0x02, 20, 1, RESULT), side).kind is Kind.RESPONSE


@pytest.mark.parametrize(
    ("body", "event", "kind"),
    [(b"N", "heartbeat", "heartbeat"), (b"\x01R", "readonly", "push"), (b"\x01W", "writeable", "push")],
)
@pytest.mark.parametrize("flags", [0xE2, 0xA2, 0x22])
@pytest.mark.parametrize("side", Side)
def test_events_whatever_the_direction_says(body, event, kind, flags, side):
    message = one(frame(flags, 20, 3, body), side)
    assert message.metadata["dubbo.event"] == event
    assert message.kind == kind
    assert message.error is None


def test_an_event_that_java_refuses_to_look_at_is_an_error():
    message = one(frame(0xE2, 0, 3, b"\x0f" + b"x" * 15))
    assert message.error is not None
    assert one(frame(0xE2, 0, 3, b"\x0e" + b"x" * 14)).error is None
    assert one(frame(0xE2, 0, 3, b"")).error is not None


@pytest.mark.parametrize(("status", "name"), sorted(dubbo.STATUSES.items()))
def test_every_status_has_its_name(status, name):
    message = one(frame(0x02, status, 1, RESULT if status == 20 else b"\x04text"), SERVER)
    assert message.metadata["dubbo.status"] == status
    if status == 20:
        assert message.metadata["status"] == "ok"
    else:
        assert message.metadata["status"] == "error"
        assert (message.metadata["error.type"], message.metadata["error.message"]) == (name, "text")
        assert message.body == {"error": "text"}


def test_a_status_that_nobody_knows_is_an_error_too():
    message = one(frame(0x02, 7, 1, b"\x04text"), SERVER)
    assert (message.metadata["status"], message.metadata["error.type"]) == ("error", "7")


@pytest.mark.parametrize("number", range(32))
def test_every_serialization_is_framed_and_forwarded(number):
    data = frame(0xC0 | number, 0, 9, b"\x00\x01\x02")
    message = one(data)
    assert message.metadata["dubbo.serialization"] == dubbo.SERIALIZATIONS.get(number, str(number))
    assert l7codec.encode(message) == data
    assert one(l7codec.encode(message, {"id": 10})).id == 10
    if number not in (2, 6, 16, 23):
        assert message.error is None
        assert message.body == b"\x00\x01\x02"
        assert one(l7codec.encode(message, {"body": b"other"})).body == b"other"
        answer = one(dubbo.DubboCodec.reply(message, Reason.NO_ROUTE), SERVER)
        assert (answer.id, answer.metadata["dubbo.status"]) == (9, 60)


# -- wrong bytes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "at", "words"),
    [
        (b"\xda\xba", 1, "not Dubbo's magic"),
        (frame(0xC2, 0, 1, b"")[:12] + b"\xff\xff\xff\xff", 12, "a body of -1 bytes"),
        (b"\x00", 0, "nor text"),
        (b"ls\x01\n", 2, "a line of text with 01"),
        (b"\xff\x01", 1, "nor text"),
    ],
)
def test_wrong_framing_ends_the_stream_where_it_is_wrong(data, at, words):
    stream = Stream("dubbo", side=CLIENT)
    good = frame(0xC2, 0, 1, REQUEST)
    with pytest.raises(RemoteProtocolError, match=words) as caught:
        list(stream.receive_data(good + data))
    assert caught.value.offset == len(good) + at


def test_eight_megabytes_and_not_a_byte_more_before_they_come():
    head = frame(0xC2, 0, 1, b"")[:12]
    stream = Stream("dubbo", side=CLIENT)
    assert list(stream.receive_data(head + (8 * 1024 * 1024).to_bytes(4, "big"))) == []
    with pytest.raises(LimitExceeded) as caught:
        list(Stream("dubbo", side=CLIENT).receive_data(head + (8 * 1024 * 1024 + 1).to_bytes(4, "big")))
    assert caught.value.offset == 12
    more = Stream("dubbo", side=CLIENT, limits=Limits(message=100 << 20))
    assert list(more.receive_data(head + (50 << 20).to_bytes(4, "big"))) == []


HEAD = b"\x052.0.2\x06Orders\x00\x04find"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x05",
        b"\x90\x90",
        HEAD + b"\x07unknown",  # no descriptor
        HEAD + b"\x01I",  # no argument
        HEAD + b"\x01I\xa1\x04text",  # attachments that are no map
        HEAD + b"\x01IQ\x90",  # a reference to nothing
        HEAD + b"\x01I`",  # an object of no class
        HEAD + b"\x01IV\x90\x91",  # a list of no type
        HEAD + b"\x01IXI\x7f\xff\xff\xff",  # more elements than bytes
        HEAD + b"\x01IXI\xff\xff\xff\xff",  # fewer than none
        HEAD + b"\x01IC\x01aI\x7f\xff\xff\xff",
        HEAD + b"\x01I\x43\x01a\x91",
        HEAD + b"I\x7f\xff\xff\xff",  # so many arguments
        HEAD + b"\x00H\x04path\x91Z",  # a path that is no text
    ],
)
def test_a_good_frame_with_a_bad_payload_is_delivered(body):
    first, second = decode("dubbo", frame(0xC2, 0, 1, body) + frame(0xC2, 0, 2, REQUEST), CLIENT)
    assert first.error is not None
    assert 16 <= first.error.offset <= len(first.raw)
    assert (second.id, second.error) == (2, None)


def test_depth_and_shared_values_cost_no_more_than_their_bytes():
    deep = one(frame(0xC2, 0, 1, HEAD + b"\x12Ljava/lang/Object;" + b"y" * 5000 + b"\x90N"))
    assert deep.error is None  # to pass over it takes no stack
    with pytest.raises(l7codec.BodyError):
        _ = deep.body
    # a list in a list, and then the outer one again, seven times in a third list
    shared = one(frame(0xC2, 0, 1, HEAD + b"\x02II" + b"\x79\x79\x91" + b"\x7f" + b"Q\x90" * 7 + b"N"))
    assert shared.error is None
    assert [item is shared.body["arguments"][0] for item in shared.body["arguments"][1]] == [True] * 7
    # sixty levels of lists, each of which holds the one before seven times: 7^60 elements if it were written out
    levels = b"\x79" * 60 + b"\x90"
    again = (
        b"X" + b"\xc8\xf0" + b"".join(b"\x7f" + b"Q" + bytes([0x90 + n % 40]) * 1 + (b"Q\x90" * 6) for n in range(240))
    )
    bomb = one(frame(0xC2, 0, 1, HEAD + b"\x02II" + levels + again + b"N"))
    assert bomb.error is None
    assert len(str(l7codec.to_dict(bomb, body=True))) < 60 * len(bomb.raw)


# -- conversations ----------------------------------------------------------------------------------------------------


def test_both_sides_ask_and_are_answered_by_id():
    ask = dubbo.invocation("Orders", "find", [1], id=7)
    back = dubbo.invocation("Listener", "changed", ["x"], id=7, side=SERVER)
    (
        Talk("dubbo")
        >> client(ask)
        >> server(back)
        >> server(dubbo.result("late", id=8), dubbo.result("right", id=7))
        >> client(dubbo.result("heard", id=7, side=CLIENT))
        << [
            ("request", "find", None),
            ("request", "changed", None),
            ("response", "ok", None),
            ("response", "ok", 0),
            ("response", "ok", 1),
        ]
    )


def test_heartbeats_are_answered_by_heartbeats():
    conversation = Conversation("dubbo")
    [beat] = conversation.client.receive_data(dubbo.heartbeat(id=1).raw)
    assert list(conversation.pending) == [beat]
    [answer] = conversation.server.receive_data(dubbo.heartbeat(id=1, response=True).raw)
    assert answer.request is beat
    [alone] = conversation.client.receive_data(dubbo.heartbeat(id=2, oneway=True).raw)
    assert alone.metadata["dubbo.event"] == "heartbeat"
    [event] = conversation.server.receive_data(dubbo.readonly(id=3).raw)
    assert event.kind is Kind.PUSH
    assert conversation.idle


@pytest.mark.parametrize(("reason", "status"), [*zip(Reason, (60, 80, 100, 31, 70), strict=True)])
def test_replies(reason, status):
    conversation = Conversation("dubbo")
    [request] = conversation.client.receive_data(frame(0xC2, 0, -9, REQUEST))
    data = conversation.reply(request, reason, "in our words")
    assert data == frame(0x02, status, -9, b"\x0cin our words")
    assert conversation.idle


def test_what_has_no_answer():
    for message in (
        dubbo.invocation("Orders", "note", oneway=True),
        dubbo.heartbeat(),
        dubbo.readonly(),
        dubbo.result(1),
        one(b"ls\r\n"),
    ):
        assert dubbo.DubboCodec.reply(message, Reason.DENIED) is None
    error = RemoteProtocolError("dubbo", 0, "x")
    assert dubbo.DubboCodec.reply(None, error) is None
    assert dubbo.DubboCodec.reply(dubbo.invocation("Orders", "find"), error) is None


# -- gaps and detection -----------------------------------------------------------------------------------------------


def test_after_a_gap_the_next_header_that_can_be_one():
    good = frame(0xC2, 0, 1, REQUEST)
    not_one = b"\xda\xbb\xc1\x00" + bytes(12)  # a serialization that nobody knows
    stream = Stream("dubbo", side=CLIENT)
    assert list(stream.receive_data(good[:10])) == []
    assert list(stream.receive_gap(None)) == []
    found = list(stream.receive_data(b"the rest \xda" + not_one + b"\xda\xbb\xc2\x00" + b"\xff" * 12 + good))
    assert [message.raw for message in found] == [good]


def test_a_hole_leaves_the_metadata_before_it():
    good = frame(0xC2, 0, 1, REQUEST)
    stream = Stream("dubbo", side=CLIENT)
    assert list(stream.receive_data(good[: 16 + 6 + 7])) == []
    [message] = [*stream.receive_gap(4), *stream.receive_data(good[16 + 6 + 7 + 4 :])]
    assert message.missing == 4
    assert message.metadata["service"] == "Orders"
    assert "method" not in message.metadata
    assert message.error is not None


def test_sniff():
    sniff = dubbo.DubboCodec.sniff
    good = frame(0xC2, 0, 1, REQUEST)
    for side in Side:
        assert sniff(good, side) == (Answer.YES, Confidence.MAGIC)
        assert sniff(good[:15], side).answer is Answer.MORE
        assert sniff(frame(0xC1, 0, 1, b""), side).answer is Answer.NO  # a serialization that nobody knows
        assert sniff(b"\xda\xbb\xc2\x00" + b"\xff" * 12, side).answer is Answer.NO
        assert sniff(b"\xda\xba", side).answer is Answer.NO
    assert sniff(b"ls -l\r\n", CLIENT) == (Answer.YES, Confidence.HINT)
    assert sniff(b"invo", CLIENT).answer is Answer.MORE
    assert sniff(b"GET / HTTP/1.1\r\n", CLIENT).answer is Answer.NO
    assert sniff(b"set a b\r\n", CLIENT).answer is Answer.NO
    assert sniff(b"a: 1\r\ndubbo>", SERVER) == (Answer.YES, Confidence.TEXT)
    assert sniff(b"a: 1\r\n", SERVER).answer is Answer.MORE
    assert sniff(b"\x00", SERVER).answer is Answer.NO


def test_text_is_reported_as_text():
    messages = decode("dubbo", b"\xff\xfd\x06ls\r\n\r\n\x03" + frame(0xC2, 0, 1, REQUEST) + b"cd /\n", CLIENT)
    assert [message.metadata.get("dubbo.telnet") for message in messages] == [
        "control",
        "ls",
        "enter",
        "control",
        None,
        "cd",
    ]
    assert messages[1].body == "ls\r\n"
    with pytest.raises(l7codec.LocalProtocolError):
        l7codec.encode(messages[1], {"id": 1})
    printed = decode("dubbo", b"dubbo\r\ndubbo>a\r\ndubbo>", SERVER)
    assert [message.body for message in printed] == ["dubbo\r\n", "dubbo>", "a\r\n", "dubbo>"]


def test_a_line_has_a_limit():
    limit = dubbo.DubboCodec.default_limits.line
    assert len(decode("dubbo", b"x" * limit + b"\n", CLIENT)) == 1
    for data in (b"x" * (limit + 1), b"x" * (limit + 1) + b"\n"):
        with pytest.raises(LimitExceeded):
            list(Stream("dubbo", side=CLIENT).receive_data(data))
