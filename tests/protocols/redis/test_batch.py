"""Many messages at once: exactly what comes one by one, whatever the bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l7codec import Limits, ProtocolError, Side, Stream, strategies
from l7codec.protocols import redis

from .talk import CLIENT, SERVER


def outcome(side, pieces, limits, batches=True):
    """What a Stream makes of the pieces; without batches: one message at a time."""
    stream = Stream("redis", side, limits=limits)
    if not batches:
        stream._decode_batch = None
    messages = []
    try:
        for piece in pieces:
            messages.extend(stream.receive_data(piece))
        messages.extend(stream.receive_eof())
    except ProtocolError as error:
        return messages, (type(error), error.offset, error.reason), stream.offset
    return messages, None, stream.offset


def cut(data, size):
    return [data[at : at + size] for at in range(0, len(data), size)]


def compare(side, data, sizes=(1 << 20, 1000), limits=None):
    right = outcome(side, [data], limits, batches=False)
    for size in sizes:
        assert outcome(side, cut(data, size), limits) == right
    return right


VALUES = [
    b"",
    b"v",
    b"\r\n",
    b"\r",
    b"\n",
    b"a\r\nb",
    b"\r\n\r\n",
    b"$1\r\nx",
    b"*1\r\n$4\r\nPING",
    b"+OK\r\n",
    b"x" * 600,
]
NAMES = [b"SET", b"get", b"GeT", b"MGET", b"PING", b"CLIENT", b"NOPE", b"EVAL", b"SUBSCRIBE", b"\xff"]
COMMANDS = st.tuples(st.sampled_from(NAMES), st.lists(st.sampled_from(VALUES), max_size=5)).map(
    lambda parts: redis.pack([parts[0], *parts[1]])
)
LINES = st.sampled_from(
    [b"PING\n", b"PING\r\n", b"\n", b"\r\n", b"SET k 'a b'\n", b"*0\r\n", b"*-1\r\n", b"PING\r\r\n"]
)
WRONG = st.sampled_from(
    [b"*x\r\n", b"*1\r\n:1\r\n", b"*1\r\n$1\r\nxx", b"*1\n", b"$", b"*1\r\n$3\r\nab", b"\0\n", b"'\r\n", b"\r"]
)
REPLIES = st.one_of(
    st.sampled_from(VALUES).map(lambda value: b"$%d\r\n%b\r\n" % (len(value), value)),
    st.lists(st.sampled_from(VALUES), max_size=4).map(lambda values: redis.reply(values).raw),
    st.sampled_from(
        [b"+OK\r\n", b":1\r\n", b":-12345\r\n", b"$-1\r\n", b"*-1\r\n", b"*0\r\n", b"-ERR x\r\n", b"+\r\n"]
    ),
    st.sampled_from([b"_\r\n", b"%1\r\n+a\r\n:1\r\n", b">2\r\n+message\r\n+a\r\n", b"*2\r\n$1\r\na\r\n+b\r\n"]),
    st.just(b"*2\r\n*1\r\n:1\r\n$-1\r\n"),
)
WRONG_REPLIES = st.sampled_from(
    [b"x\r\n", b"$1\r\naXX", b"+a\n", b"+a\rb\r\n", b"*1\r\nx\r\n", b"$05\r\n", b"*1", b":1\r", b"*1\r\n$2\r\na"]
)


@given(
    st.lists(st.one_of(COMMANDS, COMMANDS, COMMANDS, LINES), max_size=40), st.one_of(st.just(b""), WRONG), st.booleans()
)
def test_requests(several, end, twice):
    data = b"".join(several) * (1 + twice) + end
    compare(CLIENT, data, (1 << 20, 100, 7))


@given(st.lists(REPLIES, max_size=40), st.one_of(st.just(b""), WRONG_REPLIES))
def test_replies(several, end):
    compare(SERVER, b"".join(several) + end, (1 << 20, 100, 7))


@given(st.data(), st.sampled_from(list(Side)))
def test_anything(data, side):
    good = b"".join(data.draw(st.lists(strategies.streams("redis", side), max_size=4)))
    for one in (good, data.draw(strategies.mutations(good))):
        compare(side, one, (1 << 20, 11))


@pytest.mark.parametrize("size", [1, 100, 5000])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_lines_among_arrays(size, end):
    """An LF alone puts the pieces out of step with the bytes."""
    part = redis.pack(["SET", "k", "v\r\n"]) + b"PING" + end + redis.pack(["GET", "k"]) * 20
    messages, error, _ = compare(CLIENT, part * 60, (1 << 20, 1448, 61))
    assert (len(messages), error) == (22 * 60, None)


class TestWindows:
    """Bytes are split a window at a time, of 1 to 64 KB; where one ends must not be seen."""

    @pytest.mark.parametrize("size", range(3900, 4200, 23))
    def test_a_message_over_the_first_one_s_end(self, size):
        data = redis.pack(["SET", "k", "v" * size]) + redis.pack(["GET", "k"]) * 3
        compare(CLIENT, data)
        compare(SERVER, b"$%d\r\n%b\r\n" % (size, b"v" * size) + b"+OK\r\n" * 3)

    @pytest.mark.parametrize("value", [b"v" * 40_000, b"\r\n" * 40_000, b"v" * 70_000, b"v\r\n" * 50_000])
    def test_bigger_than_any(self, value):
        compare(CLIENT, (redis.pack(["SET", "k", value]) + redis.pack(["PING"])) * 4, (1 << 20, 16_384))
        compare(SERVER, (b"$%d\r\n%b\r\n" % (len(value), value) + b"+OK\r\n") * 4, (1 << 20, 16_384))

    def test_many_small_ones(self):
        compare(CLIENT, redis.pack(["PING"]) * 20_000, (1 << 20, 65_536, 1000))
        compare(SERVER, b":1\r\n" * 50_000, (1 << 20, 65_536, 1000))

    def test_an_error_in_a_later_one(self):
        good = redis.pack(["SET", "k", "v"]) * 5000
        messages, error, _ = compare(CLIENT, good + b"*1\r\n+\r\n", (1 << 20, 16_384))
        assert len(messages) == 5000
        assert error[1:] == (len(good) + 4, "expected '$', got '+'")


@pytest.mark.parametrize(
    "limits",
    [
        Limits(value=3),
        Limits(items=2),
        Limits(line=10),
        Limits(message=40),
        Limits(depth=1),
        Limits(values=1),
        Limits(depth=0),
    ],
)
def test_limits_hold_in_batches(limits):
    commands = [["PING"], ["GET", "abcd"], ["MGET", "a", "b"], ["SET", "k", "v" * 50]]
    requests = [*map(redis.pack, commands), b"PING PING PING\r\n"]
    replies = [b"+OK\r\n", b"$4\r\nabcd\r\n", b"*3\r\n:1\r\n:2\r\n:3\r\n", b"*1\r\n*1\r\n:1\r\n", b":12345678901\r\n"]
    replies.append(b"$50\r\n" + b"x" * 50 + b"\r\n")
    for side, messages in ((CLIENT, requests), (SERVER, replies)):
        for at in range(len(messages)):
            compare(side, messages[0] + b"".join(messages[at:]), limits=limits)
