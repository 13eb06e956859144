"""Stream: the position in one sequence, errors at their place, gaps."""

from __future__ import annotations

from typing import Any

import pytest

import l7codec
from l7codec import (
    Codec,
    Kind,
    LimitExceeded,
    Limits,
    Message,
    ProtocolError,
    RemoteProtocolError,
    Side,
    Stream,
    TruncatedMessage,
    decode,
)
from l7codec.buffer import ReceiveBuffer
from l7codec.codec import NO, Verdict
from tests import toys
from tests.toys import request

ONE = request("one").raw
TWO = request("two", b"arguments").raw
THREE = request("three").raw
BAD = b"PRLX"


def parley(limits: Limits | None = None) -> Stream:
    return Stream("parley", Side.CLIENT, limits=limits)


def methods(messages: Any) -> list[Any]:
    return [message.metadata.get("method") for message in messages]


# -- one sequence ---------------------------------------------------------------------------------------------------


def test_messages_come_when_they_are_whole() -> None:
    stream = parley()
    assert methods(stream.receive_data(ONE + TWO[:5])) == ["one"]
    assert stream.trailing_data == TWO[:5]
    assert stream.offset == len(ONE)
    assert not stream.at_boundary
    assert methods(stream.receive_data(TWO[5:])) == ["two"]
    assert stream.trailing_data == b""
    assert stream.offset == len(ONE + TWO)
    assert stream.at_boundary


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_buffer_will_do_and_may_change_afterwards(kind: Any) -> None:
    stream = parley()
    data = bytearray(ONE)
    iterator = stream.receive_data(kind(data))
    data[:] = bytes(len(data))
    assert methods(iterator) == ["one"]


def test_data_is_taken_in_before_anybody_iterates() -> None:
    stream = parley()
    stream.receive_data(ONE[:7])
    stream.receive_data(ONE[7:])
    assert methods(stream.messages()) == ["one"]


def test_an_abandoned_iterator_loses_nothing() -> None:
    stream = parley()
    assert next(stream.receive_data(ONE + TWO + THREE)).metadata["method"] == "one"
    assert methods(stream.messages()) == ["two", "three"]


def test_iterators_draw_from_one_sequence() -> None:
    stream = parley()
    first = stream.receive_data(ONE + TWO)
    second = stream.receive_data(THREE)
    assert next(second).metadata["method"] == "one"
    assert next(first).metadata["method"] == "two"
    assert next(second).metadata["method"] == "three"
    assert next(first, None) is None
    assert next(second, None) is None


def test_an_empty_piece_is_not_the_end() -> None:
    stream = parley()
    assert list(stream.receive_data(ONE[:3])) == []
    assert list(stream.receive_data(b"")) == []
    assert methods(stream.receive_data(ONE[3:])) == ["one"]


# -- errors ---------------------------------------------------------------------------------------------------------


def test_an_error_comes_after_every_good_message_and_stays() -> None:
    stream = parley()
    seen = []
    with pytest.raises(RemoteProtocolError) as caught:
        for message in stream.receive_data(ONE + TWO + BAD + THREE):
            seen.append(message)
    assert methods(seen) == ["one", "two"]
    assert caught.value.offset == len(ONE + TWO) + 3
    assert stream.error is caught.value
    for iterator in (stream.messages(), stream.receive_data(ONE), stream.receive_eof()):
        with pytest.raises(RemoteProtocolError) as again:
            next(iterator)
        assert again.value is caught.value
    assert stream.trailing_data == BAD + THREE


def test_a_limit_is_judged_at_the_length_field() -> None:
    stream = parley(Limits(message=20))
    with pytest.raises(LimitExceeded) as caught:
        list(stream.receive_data(request("a long method").raw[:13]))
    assert caught.value.offset == 9


def test_the_end_inside_a_message() -> None:
    stream = parley()
    with pytest.raises(TruncatedMessage) as caught:
        list(stream.receive_data(ONE + TWO[:-1]))
        list(stream.receive_eof())
    assert caught.value.offset == len(ONE + TWO) - 1
    assert stream.trailing_data == TWO[:-1]


def test_the_end_between_messages() -> None:
    stream = parley()
    stream.receive_data(ONE)
    assert methods(stream.receive_eof()) == ["one"]
    assert list(stream.receive_eof()) == []
    with pytest.raises(RuntimeError, match="after receive_eof"):
        stream.receive_data(TWO)


# -- one shot -------------------------------------------------------------------------------------------------------


def test_decode() -> None:
    assert methods(decode("parley", ONE + TWO)) == ["one", "two"]
    assert decode(toys.Parley, bytearray(ONE), Side.SERVER)[0].side is Side.SERVER


@pytest.mark.parametrize(("data", "kind"), [(ONE + BAD, RemoteProtocolError), (ONE + TWO[:-1], TruncatedMessage)])
def test_the_error_of_decode_carries_the_good_messages(data: bytes, kind: type[ProtocolError]) -> None:
    with pytest.raises(kind) as caught:
        decode("parley", data)
    assert methods(caught.value.messages) == ["one"]


# -- gaps -----------------------------------------------------------------------------------------------------------


def test_a_hole_in_a_stretch_of_known_length_is_counted_through() -> None:
    stream = parley()
    list(stream.receive_data(TWO[:-6]))
    assert list(stream.receive_gap(4)) == []
    (message,) = stream.receive_data(TWO[-2:])
    assert message.missing == 4
    assert message.size == len(TWO)
    assert message.raw == TWO[:-6] + TWO[-2:]
    assert message.metadata["method"] == "two"
    assert stream.skipped == 0
    assert methods(stream.receive_data(ONE)) == ["one"]
    with pytest.raises(l7codec.BodyError, match="4 bytes of the message are missing"):
        _ = message.body
    with pytest.raises(l7codec.LocalProtocolError, match="lacks 4 bytes"):
        l7codec.encode(message)


def test_several_holes_in_one_message() -> None:
    stream = parley()
    list(stream.receive_data(TWO[:-8]))
    list(stream.receive_gap(2))
    list(stream.receive_data(TWO[-6:-4]))
    list(stream.receive_gap(1))
    (message,) = stream.receive_data(TWO[-3:])
    assert message.raw == TWO[:-8] + TWO[-6:-4] + TWO[-3:]
    assert message.missing == 3
    assert stream.offset == len(TWO)


def test_a_hole_that_ends_a_message() -> None:
    stream = parley()
    list(stream.receive_data(TWO[:-2]))
    (message,) = stream.receive_gap(2)
    assert (message.raw, message.missing) == (TWO[:-2], 2)
    assert stream.at_boundary
    assert methods(stream.receive_data(ONE)) == ["one"]


def test_a_hole_that_goes_on_into_the_next_message() -> None:
    stream = parley()
    list(stream.receive_data(TWO[:-2]))
    (message,) = stream.receive_gap(2 + 3)
    assert message.missing == 2
    assert methods(stream.receive_data(ONE[3:] + THREE)) == ["three"]
    assert stream.skipped == len(ONE) - 3
    assert stream.offset == len(TWO + ONE + THREE)


def test_a_gap_of_unknown_length_drops_the_unfinished_message() -> None:
    stream = parley()
    list(stream.receive_data(TWO[:-2]))
    assert list(stream.receive_gap()) == []
    assert methods(stream.receive_data(b"rest of something" + ONE)) == ["one"]
    assert stream.skipped == len(TWO) - 2 + len(b"rest of something")


def test_a_gap_at_the_start() -> None:
    stream = parley()
    assert list(stream.receive_gap(1000)) == []
    assert stream.offset == 1000
    assert methods(stream.receive_data(ONE[2:])) == []
    assert methods(stream.receive_data(TWO)) == ["two"]
    assert stream.offset == 1000 + len(ONE[2:] + TWO)


@pytest.mark.parametrize("count", [0, 3, None])
def test_a_start_that_comes_in_pieces_is_found_after_a_gap(count: int | None) -> None:
    stream = parley()
    with pytest.raises(RemoteProtocolError):
        list(stream.receive_data(BAD))
    list(stream.receive_gap(count))
    found = []
    for index in range(len(TWO)):
        found += stream.receive_data(TWO[index : index + 1])
    assert methods(found) == ["two"]
    assert stream.skipped == len(BAD)


def test_the_end_while_looking_for_a_start_is_no_error() -> None:
    stream = parley()
    list(stream.receive_gap(5))
    list(stream.receive_data(b"nothing to see PRL"))
    assert list(stream.receive_eof()) == []
    assert stream.trailing_data == b"PRL"


def test_no_gap() -> None:
    stream = parley()
    list(stream.receive_data(ONE[:4]))
    assert list(stream.receive_gap(0)) == []
    assert methods(stream.receive_data(ONE[4:])) == ["one"]


def test_fewer_than_no_bytes() -> None:
    with pytest.raises(ValueError, match="fewer"):
        parley().receive_gap(-1)


def test_messages_before_a_gap_are_kept_for_who_has_not_looked() -> None:
    stream = parley()
    stream.receive_data(ONE + TWO[:3])
    stream.receive_gap(7)
    stream.receive_data(b"???" + THREE)
    assert methods(stream.messages()) == ["one", "three"]


def test_a_gap_of_nothing_leaves_an_error_behind() -> None:
    stream = parley()
    with pytest.raises(RemoteProtocolError) as caught:
        list(stream.receive_data(ONE + BAD + TWO))
    assert methods(stream.receive_gap(0)) == ["two"]
    assert stream.error is None
    assert stream.skipped == len(BAD)
    with pytest.raises(RemoteProtocolError) as second:
        list(stream.receive_data(BAD))
    assert second.value.offset == len(ONE + BAD + TWO) + 3
    assert caught.value.offset == len(ONE) + 3


def test_each_error_behind_the_first_is_raised_as_well() -> None:
    stream = parley()
    wrong_kind = toys.HEADER.pack(b"PRLY", 9, 1, 0)
    with pytest.raises(RemoteProtocolError):
        list(stream.receive_data(BAD + wrong_kind + ONE))
    with pytest.raises(RemoteProtocolError, match="unknown kind 9"):
        list(stream.receive_gap(0))
    assert methods(stream.receive_gap(0)) == ["one"]


def test_bytes_received_behind_an_error_are_counted_as_lost() -> None:
    stream = parley()
    with pytest.raises(RemoteProtocolError):
        list(stream.receive_data(ONE + BAD))
    for lost in (TWO, THREE[:5]):
        with pytest.raises(RemoteProtocolError):
            list(stream.receive_data(lost))
    assert list(stream.receive_gap(0)) == []
    assert methods(stream.receive_data(THREE[5:] + ONE)) == ["one"]
    assert stream.skipped == len(BAD + TWO + THREE)
    assert stream.offset == len(ONE + BAD + TWO + THREE + ONE)


def test_a_gap_goes_on_behind_errors_on_the_way_to_it() -> None:
    wrong_kind = toys.HEADER.pack(b"PRLY", 9, 1, 0)
    stream = parley()
    with pytest.raises(RemoteProtocolError):
        list(stream.receive_data(BAD + wrong_kind))
    assert methods(stream.receive_gap(50)) == []
    assert methods(stream.receive_data(ONE)) == ["one"]
    assert stream.offset == len(BAD + wrong_kind) + 50 + len(ONE)


class Marked(Codec):
    """A length, as many bytes, and an end mark: an error can come behind a hole."""

    name = "marked"

    def decode(self, side: Side, buffer: ReceiveBuffer) -> Message | None:
        start, data = buffer.position, buffer.data
        if data[start] > 99:
            raise buffer.fail("not a length")
        size = data[start] + 2
        if len(data) - start < size - 1:
            buffer.wait(size - 1, counted=True)
            return None
        if len(data) - start < size:
            buffer.wait(size)
            return None
        if data[start + size - 1] != 255:
            raise buffer.fail("no mark", size - 1)
        return Message(self.name, Kind.ONEWAY, side, {}, buffer.take(size))

    def resync(self, side: Side, data: bytes) -> Any:
        found = data.find(b"\xff")
        return l7codec.codec.Resync(found + 1 if found >= 0 else len(data), found >= 0)

    @classmethod
    def body(cls, message: Message) -> bytes:
        return message.raw[1:-1]

    @classmethod
    def sniff(cls, data: bytes, side: Side) -> Verdict:
        return NO


def test_the_filler_of_a_hole_is_never_taken_for_bytes() -> None:
    stream = Stream(Marked, Side.CLIENT)
    list(stream.receive_data(b"\x04a"))
    list(stream.receive_gap(2))
    with pytest.raises(RemoteProtocolError, match="no mark") as caught:
        list(stream.receive_data(b"d-"))
    assert caught.value.offset == 5
    assert stream.trailing_data == b"\x04ad-"
    assert list(stream.receive_gap(0)) == []
    assert stream.skipped + len(stream.trailing_data) == 4
    (message,) = stream.receive_data(b"\xff\x01a\xff")
    assert message.raw == b"\x01a\xff"
    assert stream.offset == 10


class Zero(Marked):
    """Takes every zero byte for a start."""

    name = "zero"

    def resync(self, side: Side, data: bytes) -> Any:
        found = data.find(b"\0")
        return l7codec.codec.Resync(found if found >= 0 else len(data), found >= 0)


def test_no_message_starts_in_the_filler_of_a_hole() -> None:
    stream = Stream(Zero, Side.CLIENT)
    list(stream.receive_data(b"\x04a"))
    list(stream.receive_gap(2))
    with pytest.raises(RemoteProtocolError, match="no mark"):
        list(stream.receive_data(b"d-"))
    assert list(stream.receive_gap(0)) == []
    (message,) = stream.receive_data(b"\0\xff")
    assert message.raw == b"\0\xff"
    assert (stream.skipped, stream.offset) == (4, 8)


class Lost(Marked):
    """Never finds a start, nor says that there is none."""

    name = "lost"

    def resync(self, side: Side, data: bytes) -> Any:
        return l7codec.codec.Resync(0, False)


def test_looking_for_a_start_holds_no_more_than_a_window() -> None:
    stream = Stream(Lost, Side.CLIENT)
    stream.receive_gap()
    for _ in range(20):
        assert list(stream.receive_data(bytes(50_000))) == []
    assert len(stream.trailing_data) <= 1 << 16
    assert stream.skipped + len(stream.trailing_data) == 1_000_000


class Silent(Marked):
    """Forgets to say what it waits for."""

    name = "silent"

    def decode(self, side: Side, buffer: ReceiveBuffer) -> Message | None:
        size = buffer.data[buffer.position] + 1
        if len(buffer.data) - buffer.position < size:
            return None
        return Message(self.name, Kind.ONEWAY, side, {}, buffer.take(size))


def test_a_codec_that_waits_without_a_word_does_not_hang() -> None:
    stream = Stream(Silent, Side.CLIENT)
    raws = [message.raw for byte in b"\x02ab\x01c" for message in stream.receive_data(bytes([byte]))]
    assert raws == [b"\x02ab", b"\x01c"]


class Greeting(Marked):
    """A preface: one message, and something else follows."""

    name = "greeting"
    is_preface = True

    def __init__(self, limits: Limits | None = None) -> None:
        super().__init__(limits)
        self._done = False

    @property
    def finished(self) -> bool:
        return self._done

    def decode(self, side: Side, buffer: ReceiveBuffer) -> Message | None:
        message = super().decode(side, buffer)
        if message is not None:
            self._done = True
            message.kind = Kind.PREFACE
            message.metadata["source.address"] = message.raw[1:-1].decode()
        return message


@pytest.fixture(autouse=True)
def _registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(l7codec.registry, "_codecs", dict(l7codec.registry._codecs))


def test_a_preface_alone_leaves_what_follows() -> None:
    stream = Stream(Greeting, Side.CLIENT)
    (message,) = stream.receive_data(b"\x02hi\xffPRLY")
    assert message.kind is Kind.PREFACE
    assert list(stream.receive_data(b"and more")) == []
    assert stream.trailing_data == b"PRLYand more"
    assert list(stream.receive_eof()) == []
    assert [message.raw for message in decode(Greeting, b"\x02hi\xff\xfe")] == [b"\x02hi\xff"]


def test_nothing_goes_over_a_stream_that_belongs_into_datagrams() -> None:
    with pytest.raises(RemoteProtocolError, match="runs over datagrams"):
        list(Stream("roam", Side.CLIENT).receive_data(b"RM"))


def test_limits_belong_to_the_codec() -> None:
    with pytest.raises(ValueError, match="limits belong to the codec"):
        Stream(toys.Parley(), Side.CLIENT, limits=Limits())


def test_many_tiny_pieces_of_a_big_message_are_copied_once() -> None:
    """Counted, not timed: how often the buffer is joined."""

    class Joins(ReceiveBuffer):
        joins = 0

        def join(self) -> None:
            Joins.joins += bool(self._tail)
            super().join()

    stream = parley()
    stream._buffer = Joins("parley")
    big = request("big", bytes(100_000)).raw
    messages = []
    for start in range(0, len(big), 10):
        messages += stream.receive_data(big[start : start + 10])
    assert [message.raw for message in messages] == [big]
    assert Joins.joins <= 3
