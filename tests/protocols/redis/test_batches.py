"""A batch gives exactly what one message at a time gives: of right bytes and wrong ones, in any pieces and limits."""

from __future__ import annotations

import random

import pytest

from l7codec import Limits, Message, ProtocolError, Side, Stream
from l7codec.protocols.redis import RedisCodec

Outcome = tuple[list[Message], "tuple[type[ProtocolError], int, str] | None"]

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


class OneByOne(RedisCodec):
    def decode_batch(self, side, buffer):
        return ()


def run(codec: RedisCodec, pieces: list[bytes], side: Side) -> Outcome:
    stream = Stream("redis", side)
    stream._use(codec)
    messages: list[Message] = []
    try:
        for piece in pieces:
            for message in stream.receive_data(piece):
                messages.append(message)
        for message in stream.receive_eof():
            messages.append(message)
    except ProtocolError as error:
        return messages, (type(error), error.offset, error.reason)
    return messages, None


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
        in_batches = run(RedisCodec(limits), traffic.pieces(data), side)
        assert in_batches == run(OneByOne(limits), [data], side)


def test_a_message_made_in_a_batch_lacks_nothing() -> None:
    stream = Stream("redis", Side.SERVER)
    for message in stream.receive_data(b"+OK\r\n$1\r\na\r\n:1000\r\n*1\r\n:1\r\n-ERR\r\n"):
        own = {name: getattr(message, name) for name in Message.__slots__ if name != "_body"}
        made = Message(message.protocol, message.kind, message.side, message.metadata, message.raw)
        assert own == {name: getattr(made, name) for name in Message.__slots__ if name != "_body"}


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
