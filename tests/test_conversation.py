"""Conversation: who answers whom, what a proxy does, prefaces, and what a gap does to order."""

from __future__ import annotations

from typing import Any

import pytest

import l7codec
from l7codec import (
    Conversation,
    Kind,
    LimitExceeded,
    Limits,
    LocalProtocolError,
    Message,
    Reason,
    RemoteProtocolError,
    Side,
)
from tests.talk import Talk, client, gap, heard, server
from tests.test_stream import Greeting
from tests.toys import AwesomeRPC, Parley, Tally, compact, heartbeat, request, response


@pytest.fixture(autouse=True)
def _registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(l7codec.registry, "_codecs", dict(l7codec.registry._codecs))


def ask(text: str = "?") -> Message:
    return Tally.message(text.encode(), flag=0)


def answer(text: str = "!", to: Message | None = None) -> Message:
    message = Tally.message(text.encode(), side=Side.SERVER, flag=0)
    message.request = to
    return message


# -- pairing --------------------------------------------------------------------------------------------------------


def test_by_id_in_any_order() -> None:
    (
        Talk("parley")
        >> client(request("one", id=1), request("two", id=2))
        << [heard("request", "one"), heard("request", "two")]
        >> server(response(2), response(1, ok=False), response(3))
        << [heard("response", "ok", 1), heard("response", "error", 0), heard("response", "ok")]
    )


def test_the_server_asks_too() -> None:
    (
        Talk("parley")
        >> client(request("get", id=1))
        >> server(request("who are you", id=1, side=Side.SERVER))
        << [heard("request", "get"), heard("request", "who are you")]
        >> client(response(1, side=Side.CLIENT))
        << [heard("response", "ok", 1)]
        >> server(response(1))
        << [heard("response", "ok", 0)]
    )


def test_in_order() -> None:
    (
        Talk("tally")
        >> client(ask("1"), ask("2"))
        >> server(answer(), answer(), answer())
        << [
            heard("request"),
            heard("request"),
            heard("response", None, 0),
            heard("response", None, 1),
            heard("response"),
        ]
    )


def test_what_asks_nothing_waits_for_nothing() -> None:
    talk = Talk("parley") >> client(heartbeat(5), request("log", id=6, kind=Kind.ONEWAY))
    talk << [heard("heartbeat"), heard("oneway", "log")]
    assert len(talk.conversation.pending) == 0


def test_one_direction_changes_the_framing_of_the_other() -> None:
    (
        Talk("parley")
        >> client(request("UPGRADE", id=9))
        >> server(response(9))
        >> client(compact(b"get", b"k\n$1", id=1), compact(b"put", id=2))
        >> server(response(2), response(1))
        << [
            heard("request", "UPGRADE"),
            heard("response", "ok", 0),
            heard("request", "get"),
            heard("request", "put"),
            heard("response", "ok", 3),
            heard("response", "ok", 2),
        ]
    )


def test_a_refused_change_changes_nothing() -> None:
    (
        Talk("parley")
        >> client(request("UPGRADE", id=9))
        >> server(response(9, ok=False))
        >> client(request("get", id=1))
        << [heard("request", "UPGRADE"), heard("response", "error", 0), heard("request", "get")]
    )


def test_bytes_are_decoded_in_the_order_in_which_they_came() -> None:
    """Nobody iterates before all is there: the client's new framing must still wait for the server's word."""
    conversation = Conversation("parley")
    iterators = [
        conversation.client.receive_data(request("UPGRADE", id=9).raw),
        conversation.server.receive_data(response(9).raw),
        conversation.client.receive_data(compact(b"get", id=1).raw),
        conversation.server.receive_data(response(1).raw),
    ]
    messages = [message for iterator in reversed(iterators) for message in iterator]
    assert sorted(str(message.metadata.get("method", "")) for message in messages) == ["", "", "UPGRADE", "get"]
    assert all(message.request for message in messages if message.kind is Kind.RESPONSE)


def test_an_unseen_error_of_one_side_does_not_hold_up_the_other() -> None:
    conversation = Conversation("parley")
    conversation.client.receive_data(request("get", id=1).raw + b"bad")
    (message,) = conversation.server.receive_data(response(1).raw)
    assert message.request is not None
    client_messages = conversation.client.messages()
    assert next(client_messages).metadata["method"] == "get"
    with pytest.raises(RemoteProtocolError):
        next(client_messages)


# -- connection and preface -----------------------------------------------------------------------------------------


def test_every_message_carries_the_connection() -> None:
    conversation = Conversation("parley", connection={"peer.address": "192.0.2.1", "peer.port": 5})
    (asked,) = conversation.client.receive_data(request("get").raw)
    (answered,) = conversation.server.receive_data(response(1).raw)
    for message in (asked, answered):
        assert message.metadata["peer.address"] == "192.0.2.1"
        assert message.metadata["source.address"] == "192.0.2.1"
        assert message.metadata["source.port"] == 5


def test_a_preface_says_who_the_source_is() -> None:
    conversation = Conversation("parley", preface=Greeting, connection={"peer.address": "192.0.2.1"})
    preface, asked = conversation.client.receive_data(b"\x02hi\xff" + request("get").raw)
    assert preface.kind is Kind.PREFACE
    assert preface.metadata["peer.address"] == "192.0.2.1"
    (answered,) = conversation.server.receive_data(response(1).raw)
    for message in (asked, answered):
        assert message.metadata["source.address"] == "hi"
        assert message.metadata["peer.address"] == "192.0.2.1"
    assert answered.request is asked


def test_a_preface_in_pieces() -> None:
    conversation = Conversation("parley", preface=Greeting)
    data = b"\x02hi\xff" + request("get").raw
    messages = [message for byte in data for message in conversation.client.receive_data(bytes([byte]))]
    assert [message.protocol for message in messages] == ["greeting", "parley"]


def test_a_preface_must_come_first() -> None:
    conversation = Conversation("parley", preface=Greeting)
    with pytest.raises(RemoteProtocolError) as caught:
        list(conversation.client.receive_data(b"\xc8"))
    assert caught.value.protocol == "greeting"


def test_a_preface_nobody_asked_for_is_not_believed() -> None:
    with pytest.raises(RemoteProtocolError):
        list(Conversation("parley").client.receive_data(b"\x02hi\xff"))


def test_offsets_count_the_preface() -> None:
    conversation = Conversation("parley", preface=Greeting)
    with pytest.raises(RemoteProtocolError) as caught:
        list(conversation.client.receive_data(b"\x02hi\xffPRLX"))
    assert (caught.value.protocol, caught.value.offset) == ("parley", 7)


# -- a proxy's leg --------------------------------------------------------------------------------------------------


def test_what_is_sent_counts_as_if_received() -> None:
    upstream = Conversation("parley")
    asked = request("get", id=7)
    assert upstream.send(asked) == asked.raw
    assert [*upstream.pending] == [asked]
    (answered,) = upstream.server.receive_data(response(7).raw)
    assert answered.request is asked
    assert upstream.idle


def test_a_request_sent_with_edits_is_still_the_one_that_is_answered() -> None:
    downstream, upstream = Conversation("parley"), Conversation("parley")
    (asked,) = downstream.client.receive_data(request("get", b"x", id=7).raw)
    assert upstream.send(asked, {"id": 99, "method": "fetch"}) == request("fetch", b"x", 99).raw
    (answered,) = upstream.server.receive_data(response(99).raw)
    assert answered.request is asked
    assert downstream.send(response(7)) == response(7).raw
    assert downstream.idle
    assert upstream.idle


def test_state_follows_what_is_sent() -> None:
    downstream = Conversation("parley")
    list(downstream.client.receive_data(request("UPGRADE", id=7).raw))
    downstream.send(response(7))
    (message,) = downstream.client.receive_data(compact(b"get", id=1).raw)
    assert message.metadata["method"] == "get"


def test_an_answer_of_our_own() -> None:
    downstream = Conversation("parley")
    (asked,) = downstream.client.receive_data(request("get", id=7).raw)
    data = downstream.reply(asked, Reason.NO_ROUTE)
    assert data == response(7, "no route for this request", ok=False).raw
    assert downstream.idle
    assert downstream.reply(heartbeat(), Reason.DENIED) is None


def test_an_answer_of_our_own_words() -> None:
    downstream = Conversation("parley")
    (asked,) = downstream.client.receive_data(request("get", id=7).raw)
    assert downstream.reply(asked, Reason.DENIED, "not you") == response(7, "not you", ok=False).raw


def test_forget() -> None:
    conversation = Conversation("parley")
    (asked,) = conversation.client.receive_data(request("get", id=7).raw)
    assert conversation.forget(asked)
    assert not conversation.forget(asked)
    (answered,) = conversation.server.receive_data(response(7).raw)
    assert answered.request is None


def test_responses_go_in_the_order_of_the_requests() -> None:
    downstream = Conversation("tally")
    first, second = downstream.client.receive_data(ask("1").raw + ask("2").raw)
    with pytest.raises(LocalProtocolError, match="answer an earlier request"):
        downstream.send(answer(to=second))
    downstream.send(answer(to=first))
    downstream.send(answer(to=second))
    assert downstream.idle


def test_a_late_answer_is_not_given_to_another_request() -> None:
    """The proxy has answered for the first itself (a timeout, say) when the upstream's answer comes at last."""
    downstream = Conversation("tally")
    first, second = downstream.client.receive_data(ask("1").raw + ask("2").raw)
    downstream.send(answer("timeout", to=first))
    with pytest.raises(LocalProtocolError, match="has had its answer"):
        downstream.send(answer("late", to=first))
    assert [*downstream.pending] == [second]


def test_what_goes_elsewhere() -> None:
    with pytest.raises(LocalProtocolError, match="a tally message cannot go here"):
        Conversation("parley").send(ask())


def test_an_edit_no_peer_would_take() -> None:
    conversation = Conversation("awesome", limits=Limits(message=50))
    with pytest.raises(LocalProtocolError, match="no peer would take it"):
        conversation.send(AwesomeRPC.message(b"", kind=0, id=1, service=0), {"body": bytes(100)})
    assert conversation.idle


class Doubling(Parley):
    name = "doubling"

    @classmethod
    def rewrite(cls, message: Message, edits: Any) -> bytes:
        return message.raw * 2


def test_an_edit_that_makes_two_of_one() -> None:
    conversation = Conversation(Doubling)
    (message,) = conversation.client.receive_data(request("get").raw)
    assert conversation.forget(message)
    with pytest.raises(LocalProtocolError, match="not one whole message"):
        conversation.send(message, {"id": 1})
    assert conversation.idle


def test_too_many_at_once() -> None:
    conversation = Conversation("parley", limits=Limits(pending=2))
    conversation.send(request("1", id=1))
    conversation.send(request("2", id=2))
    with pytest.raises(LimitExceeded):
        conversation.send(request("3", id=3))


@pytest.mark.parametrize("pieces", [1, 1000])
def test_too_many_received_is_an_error_at_its_place(pieces: int) -> None:
    """Messages before it are delivered first, and it takes nothing away from `trailing_data`."""
    conversation = Conversation("parley", limits=Limits(pending=2))
    several = [request(str(id), id=id).raw for id in range(5)]
    data = b"".join(several)
    messages = []
    with pytest.raises(LimitExceeded) as caught:
        for start in range(0, len(data), pieces):
            messages += list(conversation.client.receive_data(data[start : start + pieces]))
    if pieces == 1000:  # `list` has lost what came before the error; the stream has not
        messages = list(conversation.pending)
    assert [message.raw for message in messages] == several[:2]
    assert caught.value.offset == len(several[0] + several[1])
    assert conversation.client.offset == caught.value.offset
    assert conversation.client.trailing_data.startswith(several[2])


def test_messages_of_a_batch_come_before_its_error() -> None:
    conversation = Conversation("parley", limits=Limits(pending=2))
    iterator = conversation.client.receive_data(b"".join(request(str(id), id=id).raw for id in range(5)))
    assert [next(iterator).id, next(iterator).id] == [0, 1]
    with pytest.raises(LimitExceeded):
        next(iterator)


def test_a_capture_drops_the_oldest_and_says_so() -> None:
    conversation = Conversation("parley", limits=Limits(pending=2), drop_oldest=True)
    messages = list(conversation.client.receive_data(b"".join(request(str(id), id=id).raw for id in range(5))))
    assert len(messages) == 5
    assert [message.id for message in conversation.pending] == [3, 4]
    assert conversation.pending.dropped == 3


# -- idle and pinned --------------------------------------------------------------------------------------------------


def test_idle() -> None:
    conversation = Conversation("parley")
    assert conversation.idle
    iterator = conversation.client.receive_data(request("get").raw[:5])
    assert not conversation.idle  # unfinished
    list(iterator)
    conversation.client.receive_data(request("get").raw[5:])
    assert not conversation.idle  # undelivered
    list(conversation.client.messages())
    assert not conversation.idle  # pending
    list(conversation.server.receive_data(response(1).raw))
    assert conversation.idle
    with pytest.raises(RemoteProtocolError):
        list(conversation.server.receive_data(b"bad"))
    assert not conversation.idle


def test_pinned() -> None:
    talk = Talk("parley") >> client(request("UPGRADE", id=1)) >> server(response(1))
    assert talk.conversation.pinned == {"compact"}
    assert not talk.conversation.idle


def test_not_idle_while_responses_may_be_in_flight() -> None:
    talk = Talk(Ordered) >> client(ask("1"), ask("2")) >> gap(Side.SERVER) >> server(b"\0" * 4, answer())
    assert len(talk.conversation.pending) == 0
    assert not talk.conversation.idle
    talk >> server(answer()) >> client(ask("3")) >> server(answer())
    assert talk.conversation.idle


# -- gaps -------------------------------------------------------------------------------------------------------------


class Ordered(Tally):
    """Tally with a start that can be found again: four zero bytes come before every message, after a gap."""

    name = "ordered"

    def resync(self, side: Side, data: bytes) -> Any:
        found = data.find(b"\0\0\0\0")
        return l7codec.codec.Resync(found + 4 if found >= 0 else max(len(data) - 3, 0), found >= 0)


START = b"\0\0\0\0"


def test_after_a_gap_of_the_server_responses_are_not_paired_until_all_that_were_owed_have_come() -> None:
    (
        Talk(Ordered)
        >> client(ask("1"), ask("2"))
        << [heard("request"), heard("request")]
        >> gap(Side.SERVER)
        >> server(START, answer(), answer())
        << [heard("response"), heard("response")]
        >> client(ask("3"))
        >> server(answer())
        << [heard("request"), heard("response", None, 4)]
    )


def test_after_a_gap_of_a_pipelining_client_responses_are_never_paired_again() -> None:
    talk = Talk(Ordered) >> client(ask("1"), ask("2")) >> gap(Side.CLIENT) >> client(START, ask("4"))
    talk >> server(answer(), answer(), answer(), answer()) >> client(ask("5")) >> server(answer())
    assert all(message.request is None for message in talk.messages)


def test_after_a_gap_of_a_client_that_never_pipelined_its_next_request_is_paired() -> None:
    (
        Talk(Ordered)
        >> client(ask("1"))
        >> server(answer())
        << [heard("request"), heard("response", None, 0)]
        >> gap(Side.CLIENT)
        >> server(answer())
        << [heard("response")]
        >> client(START, ask("3"))
        >> server(answer())
        << [heard("request"), heard("response", None, 3)]
    )


def test_a_hole_that_is_counted_through_does_not_shift_the_pairing() -> None:
    (
        Talk("tally")
        >> client(ask("123456").raw[:-3])
        >> gap(Side.CLIENT, 3)
        >> client(ask("2"))
        >> server(answer(), answer())
        << [heard("request"), heard("request"), heard("response", None, 0), heard("response", None, 1)]
    )


def test_an_error_stops_pairing_in_order() -> None:
    talk = Talk("tally") >> client(ask("1"))
    with pytest.raises(RemoteProtocolError):
        talk >> client(b"\0\0\0")
    talk >> server(answer())
    assert talk.messages[-1].request is None
    assert not talk.conversation.idle


def test_a_gap_does_not_disturb_pairing_by_id() -> None:
    (
        Talk("parley")
        >> client(request("one", id=1))
        >> gap(Side.CLIENT, 100)
        >> gap(Side.SERVER)
        >> server(response(1))
        << [heard("request", "one"), heard("response", "ok", 0)]
    )


def test_a_codec_serves_one_connection() -> None:
    codec = Parley()
    conversation = Conversation(codec)
    assert codec.pending is conversation.pending


def test_nothing_is_written_into_a_message_that_has_begun() -> None:
    """It would break that message on the wire, and the scan that is halfway through it."""
    reply = b"*30\r\n" + b"$1\r\na\r\n" * 30
    (ping,) = l7codec.decode("redis", b"*1\r\n$4\r\nPING\r\n")
    conversation = Conversation("redis")
    (asked,) = conversation.client.receive_data(ping.raw)
    assert list(conversation.server.receive_data(reply[:100])) == []
    with pytest.raises(LocalProtocolError, match="into the middle"):
        conversation.reply(asked, l7codec.Reason.TIMEOUT)
    assert list(conversation.client.receive_data(reply[:100])) == []
    with pytest.raises(LocalProtocolError, match="into the middle"):
        conversation.send(ping, {"method": "ECHO"})
    (answer,) = conversation.server.receive_data(reply[100:])
    assert answer.raw == reply and answer.request is asked
    (command,) = conversation.client.receive_data(reply[100:])
    assert command.raw == reply
