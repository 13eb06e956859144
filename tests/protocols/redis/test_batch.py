"""Many messages at once: exactly what comes one by one, whatever the bytes."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l7codec import Limits, Message, ProtocolError, Side, Stream, strategies
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


LIMITS = (
    None,
    Limits(message=2000),
    Limits(value=100),
    Limits(items=2),
    Limits(depth=1),
    Limits(depth=2),
    Limits(line=20),
    Limits(values=1),
)


class Traffic:
    """Random requests and replies, dense in what is hard to read by lines."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def value(self) -> bytes:
        count = self.random.randrange
        plain = [b"", b"a", b"\r\n", b"a\r\n", b"\r\nx", b"\r", b"\n", b"$3\r\nfoo\r\n", b"\xff\xfe"]
        return self.random.choice([*plain, b"x" * count(70), b"a\r\nb\r\n" * count(9), b"y" * count(3000)])

    def command(self) -> bytes:
        name = self.random.choice([b"SET", b"GET", b"DEL", b"mget", b"HSET", b"FOO", b"CLIENT", b"PUBLISH", b""])
        args = [name, *[self.value() for _ in range(self.random.choice([0, 1, 1, 2, 2, 2, 3, 5]))]]
        return b"*%d\r\n" % len(args) + b"".join(bulk(arg) for arg in args)

    def reply(self, depth: int = 0) -> bytes:
        pick = self.random.randrange(12 if depth < 4 else 8)
        if pick < 2:
            return bulk(self.value())
        if pick < 4:
            return self.random.choice([b"+OK\r\n", b":%d\r\n" % self.random.randrange(-(10**6), 10**6)])
        if pick < 8:
            lines = [b"$-1\r\n", b"*-1\r\n", b"*0\r\n", b"+\r\n", b"+hello there\r\n", b"-ERR no\r\n", b"$1\r\nx\r\n"]
            resp3 = [b"_\r\n", b"#t\r\n", b",1.5\r\n", b"(123\r\n", b"=5\r\ntxt:a\r\n", b"!3\r\nERR\r\n"]
            return self.random.choice(lines * 2 + resp3)
        count = self.random.randrange(4)
        mark = self.random.choice([b"*", b"*", b"*", b">", b"~"])
        return mark + b"%d\r\n" % count + b"".join(self.reply(depth + 1) for _ in range(count))

    def damaged(self, data: bytes) -> bytes:
        wrong = bytearray(data)
        for _ in range(self.random.choice([0, 0, 0, 1, 2])):
            place = self.random.randrange(len(wrong))
            match self.random.randrange(3):
                case 0:
                    wrong[place] = self.random.choice(b"\r\n$*:+1209-x")
                case 1:
                    del wrong[place : place + self.random.randrange(4)]
                case _:
                    wrong[place:place] = self.random.choice([b"\r\n", b"\r", b"\n", b"*1\r\n", b"$1\r\n"])
            if not wrong:
                break
        return bytes(wrong)

    def pieces(self, data: bytes) -> list[bytes]:
        cuts = sorted(self.random.randrange(len(data) + 1) for _ in range(self.random.choice([0, 1, 5, 30])))
        return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]


def bulk(value: bytes) -> bytes:
    return b"$%d\r\n%b\r\n" % (len(value), value)


@pytest.mark.parametrize("seed", range(20))
def test_a_batch_is_one_message_at_a_time(seed: int) -> None:
    traffic = Traffic(seed)
    for _ in range(40):
        side = traffic.random.choice(list(Side))
        say = traffic.command if side is Side.CLIENT else traffic.reply
        data = traffic.damaged(b"".join(say() for _ in range(traffic.random.randrange(1, 40))))
        limits = traffic.random.choice(LIMITS)
        assert outcome(side, traffic.pieces(data), limits) == outcome(side, [data], limits, batches=False)


def test_a_message_made_in_a_batch_lacks_nothing() -> None:
    stream = Stream("redis", Side.SERVER)
    for message in stream.receive_data(b"+OK\r\n$1\r\na\r\n:1000\r\n*1\r\n:1\r\n-ERR\r\n"):
        own = {name: getattr(message, name) for name in Message.__slots__ if name[0] != "_"}
        made = Message(message.protocol, message.kind, message.side, message.metadata, message.raw)
        assert own == {name: getattr(made, name) for name in Message.__slots__ if name[0] != "_"}


@pytest.mark.parametrize("lead", [b"", b"*1\r\n$4\r\nPING\r\n"])
def test_a_gap_in_a_string_is_counted_through_behind_a_batch(lead: bytes) -> None:
    stream = Stream("redis", Side.CLIENT)
    list(stream.receive_data(lead + b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$10\r\n01"))
    list(stream.receive_gap(6))
    [message] = stream.receive_data(b"89\r\n")
    assert message.missing == 6
    assert message.metadata["keys"] == ("k",)


def test_a_verbatim_string_cut_behind_a_batch_leaves_nothing_behind() -> None:
    message = b"*2\r\n$?\r\n;5\r\nabcde\r\n;0\r\n=5\r\ntxt:a\r\n"
    stream = Stream("redis", Side.SERVER)
    data = b"+OK\r\n" + message * 2
    cut = data.index(b"txt:") + 2
    assert len(list(stream.receive_data(data[:cut])) + list(stream.receive_data(data[cut:]))) == 3
