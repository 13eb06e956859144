"""Datagrams: many conversations through one observer, under changing addresses, in bounded memory."""

from __future__ import annotations

import pytest

from l7codec import Datagrams, Limits, LocalProtocolError, RemoteProtocolError
from tests.toys import Roam, roam

HOME, ROAD, SERVER = ("192.0.2.1", 1000), ("198.51.100.9", 77), ("203.0.113.1", 443)
ASK, ANSWER = 0, 1


def test_a_conversation_outlives_an_address() -> None:
    observer = Datagrams("roam")
    (asked,) = observer.receive_datagram(roam(ASK, 5, 1), (HOME, SERVER))
    (again,) = observer.receive_datagram(roam(ASK, 5, 2), (ROAD, SERVER))
    (answered,) = observer.receive_datagram(roam(ANSWER, 5, 1), (SERVER, ROAD))
    assert asked.metadata["conversation"] == again.metadata["conversation"] == answered.metadata["conversation"] == 1
    assert (asked.metadata["roam.moved"], again.metadata["roam.moved"]) == (False, True)
    assert answered.request is asked
    assert [*observer.pending(1)] == [again]


def test_equal_ids_of_two_conversations_are_two_requests() -> None:
    observer = Datagrams("roam")
    (one,) = observer.receive_datagram(roam(ASK, 5, 1), (HOME, SERVER))
    (two,) = observer.receive_datagram(roam(ASK, 6, 1), (HOME, SERVER))
    (answered,) = observer.receive_datagram(roam(ANSWER, 6, 1), (SERVER, HOME))
    assert answered.request is two
    assert [*observer.pending(1)] == [one]


def test_several_messages_in_a_datagram() -> None:
    observer = Datagrams("roam")
    messages = observer.receive_datagram(roam(ASK, 5, 1) + roam(ASK, 5, 2, b"x"), (HOME, SERVER))
    assert [(message.id, message.body) for message in messages] == [(1, b""), (2, b"x")]
    assert observer.receive_datagram(b"", (HOME, SERVER)) == []
    assert observer.datagrams == 2


def test_a_bad_datagram_changes_nothing() -> None:
    observer = Datagrams("roam")
    (asked,) = observer.receive_datagram(roam(ASK, 5, 1), (HOME, SERVER))
    for bad in (b"RM", roam(ANSWER, 5, 1) + b"junk", roam(ANSWER, 5, 1)[:-1] + b"\xff"):
        with pytest.raises(RemoteProtocolError):
            observer.receive_datagram(bad, (SERVER, HOME))
    (answered,) = observer.receive_datagram(roam(ANSWER, 5, 1), (SERVER, HOME))
    assert answered.request is asked


def test_the_conversation_longest_silent_goes_first() -> None:
    observer = Datagrams(Roam, Limits(conversations=2))
    first = observer.receive_datagram(roam(ASK, 5, 1), (HOME, SERVER))[0].metadata["conversation"]
    second = observer.receive_datagram(roam(ASK, 6, 1), (HOME, SERVER))[0].metadata["conversation"]
    observer.receive_datagram(roam(ASK, 5, 2), (HOME, SERVER))
    observer.receive_datagram(roam(ASK, 7, 1), (HOME, SERVER))
    assert len(observer.pending(second)) == 0
    assert len(observer.pending(first)) == 2
    (late,) = observer.receive_datagram(roam(ANSWER, 6, 1), (SERVER, HOME))
    assert late.request is None
    assert late.metadata["conversation"] not in (first, second)


def test_asking_for_what_is_not_followed_changes_nothing() -> None:
    observer = Datagrams(Roam, Limits(conversations=2))
    for connection in (5, 6):
        observer.receive_datagram(roam(ASK, connection, 1), (HOME, SERVER))
    for number in range(100, 110):
        assert len(observer.pending(number)) == 0
    assert [len(observer.pending(number)) for number in (1, 2)] == [1, 1]


def test_memory_is_bounded_however_many_come() -> None:
    observer = Datagrams(Roam, Limits(conversations=3, pending=2))
    for connection in range(500):
        for id in range(4):
            observer.receive_datagram(roam(ASK, connection, id), (connection, SERVER))
    assert len(observer._pending) == 3
    assert len(observer._codec._known) == 3
    assert [len(pending) for pending in observer._pending.values()] == [2, 2, 2]


def test_a_stream_protocol_has_no_datagrams() -> None:
    with pytest.raises(LocalProtocolError, match="runs over a stream"):
        Datagrams("parley")
