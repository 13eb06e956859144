"""ReceiveBuffer against the plainest model there is: all bytes in one list, and where messages end."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from l7codec import LimitExceeded, RemoteProtocolError
from l7codec.buffer import ReceiveBuffer


class Model(RuleBasedStateMachine):
    """A codec that takes any number of bytes for a message, at any time, in any steps."""

    def __init__(self) -> None:
        super().__init__()
        self.buffer = ReceiveBuffer("toy", offset=7)
        self.bytes: list[int | None] = []  # received and not taken; None for one that is missing
        self.held = 0
        self.offset = 7  # of the present message
        self.counted = 0  # bytes still to come that belong to the message, as the codec has said

    @rule(chunk=st.binary(max_size=20))
    def append(self, chunk: bytes) -> None:
        self.buffer.append(chunk)
        self.bytes += chunk
        self.counted = max(self.counted - len(chunk), 0)

    @rule(need=st.integers(1, 30))
    def wait(self, need: int) -> None:
        rest = len(self.bytes) - self.held
        self.buffer.join()
        self.buffer.wait(need, counted=True)
        self.counted = max(need - rest, 1)
        assert self.buffer.wanted == self.counted
        assert not self.buffer.prepare()

    @precondition(lambda self: self.counted)
    @rule(data=st.data())
    def append_hole(self, data: st.DataObject) -> None:
        count = data.draw(st.integers(0, self.counted))
        self.buffer.append_hole(count)
        self.bytes += [None] * count
        self.counted -= count

    @precondition(lambda self: not self.counted)
    @rule(data=st.data())
    def hold(self, data: st.DataObject) -> None:
        if self.buffer.prepare():
            count = data.draw(st.integers(0, len(self.buffer.data) - self.buffer.position))
            self.buffer.hold(count)
            self.held += count

    @precondition(lambda self: not self.counted)
    @rule(data=st.data())
    def take(self, data: st.DataObject) -> None:
        if self.buffer.prepare():
            count = data.draw(st.integers(0, len(self.buffer.data) - self.buffer.position))
            if None in self.bytes[self.held + count :]:
                return  # a codec never ends a message inside the stretch that it has counted
            raw = self.buffer.take(count)
            message = self._remove(self.held + count)
            assert raw == bytes(byte for byte in message if byte is not None)
            assert self.buffer.missing == message.count(None)

    @rule(data=st.data())
    def skip(self, data: st.DataObject) -> None:
        self.buffer.join()
        count = data.draw(st.integers(0, len(self.bytes) - self.held))
        dropped = self.buffer.skip(count)
        count += self.held
        if None in self.bytes:  # never into filler, nor in front of it
            count = max(count, len(self.bytes) - self.bytes[::-1].index(None))
        assert dropped == sum(byte is not None for byte in self._remove(count))
        self.counted = 0

    def _remove(self, count: int) -> list[int | None]:
        message, self.bytes = self.bytes[:count], self.bytes[count:]
        self.offset += count
        self.held = 0
        return message

    @invariant()
    def agrees(self) -> None:
        buffer = self.buffer
        assert buffer.available + buffer.held == len(self.bytes)
        assert buffer.held == self.held
        assert buffer.offset == self.offset + self.held
        assert buffer.trailing_data == bytes(byte for byte in self.bytes if byte is not None)
        assert buffer.hole == (self.bytes.index(None) if None in self.bytes else None)
        assert buffer.pure == (not self.held and None not in self.bytes)


TestModel = Model.TestCase


def test_a_wait_is_over_when_enough_is_there() -> None:
    buffer = ReceiveBuffer("toy")
    buffer.append(b"ab")
    assert buffer.prepare()
    buffer.wait(4)
    buffer.append(b"c")
    assert not buffer.prepare()
    buffer.append(b"d")
    assert buffer.prepare()
    assert buffer.data[buffer.position :] == b"abcd"


def test_a_delimiter_ends_a_wait_early_and_only_then() -> None:
    buffer = ReceiveBuffer("toy", b"ab")
    buffer.wait(100, delimiter=b"\n")
    for piece in (b"c", b"", b"d"):
        buffer.append(piece)
        assert not buffer.prepare()
    buffer.append(b"e\nf")
    assert buffer.prepare()
    assert buffer.data[buffer.position :] == b"abcde\nf"
    buffer.wait(100, delimiter=b"\n")  # the one that has been seen does not count again
    assert not buffer.prepare()


def test_a_delimiter_that_came_before_the_wait_counts() -> None:
    buffer = ReceiveBuffer("toy", b"abcd")
    assert buffer.prepare()
    buffer.append(b"c\n")  # not joined yet: decode works on b"abcd"
    buffer.wait(100, delimiter=b"\n")
    assert buffer.prepare()


def test_errors_are_located_in_the_stream() -> None:
    buffer = ReceiveBuffer("toy", b"abcdef", offset=100)
    buffer.take(2)
    error = buffer.fail("no", 3)
    assert type(error) is RemoteProtocolError
    assert (error.protocol, error.offset, error.reason) == ("toy", 105, "no")
    assert type(buffer.exceed("too long")) is LimitExceeded
    assert buffer.exceed("too long").offset == 102


@pytest.mark.parametrize("leftover", [0, 10])
def test_a_buffer_at_rest_holds_no_big_message(leftover: int) -> None:
    buffer = ReceiveBuffer("toy")
    buffer.append(bytes(100_000) + b"x" * leftover)
    assert buffer.prepare()
    buffer.take(100_000)
    if leftover:
        buffer.wait(1000)
    assert not buffer.prepare()
    assert len(buffer.data) == leftover
    assert buffer.offset == 100_000
    buffer.append(bytes(1000))
    assert buffer.prepare()
    assert buffer.trailing_data == b"x" * leftover + bytes(1000)


def test_what_was_taken_can_be_given_back() -> None:
    buffer = ReceiveBuffer("toy")
    buffer.append(b"abc")
    buffer.prepare()
    buffer.hold(1)
    assert buffer.take(1) == b"ab"
    buffer.give_back(b"ab")
    assert (buffer.offset, buffer.trailing_data) == (0, b"abc")


def test_only_the_bytes_from_a_hole_to_its_end_are_left_out() -> None:
    buffer = ReceiveBuffer("toy", b"ab")
    buffer.wait(10, counted=True)
    buffer.append_hole(3)
    buffer.append(b"fg")
    buffer.append_hole(2)
    buffer.append(b"j")
    assert buffer.prepare()
    assert buffer.hole == 2
    assert buffer.take(10) == b"abfgj"
    assert buffer.missing == 5
    assert buffer.offset == 10
    buffer.append(b"k")
    assert buffer.hole is None
    assert buffer.take(1) == b"k"
    assert buffer.missing == 0
