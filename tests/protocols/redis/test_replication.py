"""What a master sends: both forms of a data set, split at every byte, and the commands behind."""

from __future__ import annotations

import random

import pytest

from l7codec import Conversation, LocalProtocolError, ProtocolError, Side, Stream, encode
from l7codec.protocols import redis
from l7codec.protocols.redis.replication import PIECE

from .talk import HEARTBEAT, ONEWAY, PUSH, RESPONSE, client, server, split, talk

FULL = b"+FULLRESYNC " + b"0123456789abcdef" * 2 + b"01234567 1000\r\n"
MARK = b"8f3a" * 10
# looks like everything but what it is
DATA = b"\n\nREDIS0011\xfa+OK\r\n$5\r\n8f3a8f3\r\n*1\r\n$4\r\nPING\r\n\n$3\r\n-ERR\r\n" + MARK[:39] + b"\n\xff"
COUNTED = b"$%d\r\n%b" % (len(DATA), DATA)
MARKED = b"$EOF:" + MARK + b"\r\n" + DATA + MARK
COMMANDS = redis.pack(["SELECT", 0]) + redis.pack(["SET", "k", "v"]) + b"\n" + redis.pack(["PING"])


def replica(*pieces: bytes, ask=("PSYNC", "?", -1)):
    """A conversation in which these pieces answered PSYNC, and the server's messages."""
    conversation = Conversation("redis")
    list(conversation.client.receive_data(redis.pack(ask)))
    return conversation, [message for piece in pieces for message in conversation.server.receive_data(piece)]


def told(messages):
    return [(message.kind, message.metadata.get("redis.replication"), message.raw) for message in messages]


def expected(first, form):
    counted = form is COUNTED
    rdb = [(PUSH, "header", form[: form.index(b"\n") + 1]), (PUSH, "rdb", DATA)]
    if not counted:
        rdb.append((PUSH, "end", MARK))
    select, set_, lf, ping = (
        (ONEWAY, "stream", redis.pack(["SELECT", 0])),
        (ONEWAY, "stream", redis.pack(["SET", "k", "v"])),
        (HEARTBEAT, "stream", b"\n"),
        (ONEWAY, "stream", redis.pack(["PING"])),
    )
    return [*first, *rdb, select, set_, lf, ping]


@pytest.mark.parametrize("form", [COUNTED, MARKED], ids=["counted", "marked"])
@pytest.mark.parametrize("waiting", [b"", b"\n", b"\n\n\n"])
class TestFull:
    def data(self, form, waiting):
        return waiting + FULL + waiting + form + COMMANDS

    def first(self, waiting):
        beats = [(HEARTBEAT, None, b"\n")] * len(waiting)
        return [*beats, (RESPONSE, None, FULL), *beats]

    def test_whole(self, form, waiting):
        conversation, messages = replica(self.data(form, waiting))
        assert told(messages) == expected(self.first(waiting), form)
        answer = next(message for message in messages if message.kind is RESPONSE)
        assert answer.request.body == [b"PSYNC", b"?", b"-1"]
        assert b"".join(map(encode, messages)) == self.data(form, waiting)
        assert conversation.pinned == {"replication"}
        assert not conversation.pending

    def test_byte_by_byte(self, form, waiting):
        _, messages = replica(*split(self.data(form, waiting)))
        assert told(messages) == expected(self.first(waiting), form)

    def test_split_at_every_byte(self, form, waiting):
        data = self.data(form, waiting)
        right = expected(self.first(waiting), form)
        for at in range(len(data)):
            assert told(replica(data[:at], data[at:])[1]) == right, at

    def test_bodies(self, form, waiting):
        _, messages = replica(self.data(form, waiting))
        bodies = {message.metadata.get("redis.replication"): message.body for message in messages[:-3]}
        assert bodies["rdb"] == DATA
        assert bodies["header"] == form[: form.index(b"\n") + 1]
        assert messages[-3].body == [b"SET", b"k", b"v"]
        assert messages[-3].metadata["keys"] == ("k",)
        assert messages[-2].body == b"\n"


@pytest.mark.parametrize("extra", [-1, 0, 1, 39, 40, PIECE])
@pytest.mark.parametrize("counted", [True, False])
def test_big_data_sets_come_in_pieces(extra, counted):
    """The same pieces however they are cut on the wire; line feeds at their edges are data."""
    data = bytearray(random.Random(extra).randbytes(2 * PIECE + extra))
    for at in (0, PIECE, len(data) - 1):
        data[at] = 10
    data = bytes(data)
    form = b"$%d\r\n%b" % (len(data), data) if counted else b"$EOF:" + MARK + b"\r\n" + data + MARK
    whole = FULL + form + COMMANDS
    messages = told(replica(whole)[1])
    pieces = [raw for _, part, raw in messages if part == "rdb"]
    assert b"".join(pieces) == data
    assert [len(piece) for piece in pieces[:-1]] == [PIECE] * (len(pieces) - 1)
    for size in (1000, 4096, 65_000, PIECE + 7):
        cut = (whole[at : at + size] for at in range(0, len(whole), size))
        assert told(replica(*cut)[1]) == messages


def test_a_mark_of_one_character_repeated():
    mark = b"a" * 40
    for tail in (b"", b"a", b"a" * 39):
        data = b"b" * 50 + tail
        form = b"$EOF:" + mark + b"\r\n" + data + mark
        for pieces in ([form], split(form)):
            _, messages = replica(FULL, *pieces)
            assert b"".join(raw for _, part, raw in told(messages) if part in ("rdb", "end")) == data[:50] + mark
            if tail:  # the mark is found where it first stands
                break


def test_an_empty_data_set():
    _, messages = replica(FULL + b"$0\r\n" + COMMANDS)
    assert told(messages)[1:3] == [(PUSH, "header", b"$0\r\n"), (ONEWAY, "stream", redis.pack(["SELECT", 0]))]
    _, messages = replica(FULL + b"$EOF:" + MARK + b"\r\n" + MARK + COMMANDS)
    assert [part for _, part, _ in told(messages)[:4]] == [None, "header", "end", "stream"]


@pytest.mark.parametrize("answer", [b"+CONTINUE\r\n", b"+CONTINUE 0123456789abcdef0123456789abcdef01234567\r\n"])
def test_partial(answer):
    for pieces in ([answer + COMMANDS], split(answer + COMMANDS)):
        conversation, messages = replica(*pieces, ask=("PSYNC", "abc", 1000))
        assert told(messages)[0] == (RESPONSE, None, answer)
        assert {part for _, part, _ in told(messages)[1:]} == {"stream"}
        assert conversation.pinned == {"replication"}


@pytest.mark.parametrize("form", [COUNTED, MARKED])
def test_sync(form):
    """Its answer is the data set."""
    for pieces in ([b"\n" + form + COMMANDS], split(b"\n" + form + COMMANDS)):
        conversation, messages = replica(*pieces, ask=("SYNC",))
        assert told(messages)[:3] == [
            (HEARTBEAT, None, b"\n"),
            (RESPONSE, "header", form[: form.index(b"\n") + 1]),
            (PUSH, "rdb", DATA),
        ]
        assert messages[1].request.body == [b"SYNC"]
        assert not conversation.pending


def test_refused():
    talk(
        client("PSYNC ? -1"),
        client("SYNC"),
        client("GET k"),
        server("-NOMASTERLINK no", "PSYNC ? -1"),
        server("-ERR no", "SYNC"),
        server(b"$3\r\nabc\r\n", "GET k"),
    )


def test_a_script_that_merely_prints_it():
    """Only the answer to PSYNC begins a data set."""
    printed = FULL[:-2].decode()
    talk(
        client("EVAL x 0"),
        client("GET k"),
        client("PSYNC ? -1"),
        server(printed, "EVAL x 0"),
        server(b"$2\r\nab\r\n", "GET k"),
        server("-ERR no", "PSYNC ? -1"),
        client("GET k"),
        server(b"$2\r\nab\r\n", "GET k"),
    )


def test_a_pipeline_before_it():
    conversation = Conversation("redis")
    list(conversation.client.receive_data(redis.pack(["REPLCONF", "capa", "eof"]) + redis.pack(["PSYNC", "?", -1])))
    messages = list(conversation.server.receive_data(b"+OK\r\n" + FULL + MARKED + COMMANDS))
    assert [message.request and message.request.metadata["method"] for message in messages[:2]] == ["REPLCONF", "PSYNC"]
    assert told(messages)[-1] == (ONEWAY, "stream", redis.pack(["PING"]))


def test_what_the_replica_says():
    conversation, _ = replica(FULL + COUNTED)
    ack, beat, other = conversation.client.receive_data(
        redis.pack(["REPLCONF", "ACK", 5]) + b"\n" + redis.pack(["GET", "k"])
    )
    assert (ack.kind, beat.kind, other.kind) == (ONEWAY, HEARTBEAT, ONEWAY)
    assert "redis.replication" not in ack.metadata  # the master sends the stream
    (ask,) = conversation.server.receive_data(redis.pack(["REPLCONF", "GETACK", "*"]))
    assert ask.kind is ONEWAY
    assert not conversation.pending


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"$x\r\n", "a data set begins with"),
        (b"$01\r\n", "a data set begins with"),
        (b"+OK\r\n", "a data set begins with"),
        (b"$5\n", "a data set begins with"),
        (b"$EOF:abc\r\n", "a data set begins with"),
        (b"$EOF:" + b"a" * 50, "first line is too long"),
    ],
)
def test_wrong(data, reason):
    for pieces in ([FULL + data], split(FULL + data)):
        with pytest.raises(ProtocolError, match=reason) as caught:
            replica(*pieces)
        assert caught.value.offset == len(FULL)


class TestGaps:
    def test_inside_a_counted_data_set(self):
        """Counted through: the piece lacks bytes, the commands behind it are whole."""
        conversation, _ = replica(FULL + b"$20\r\nabcde")
        assert not list(conversation.server.receive_gap(10))
        messages = list(conversation.server.receive_data(b"fghij" + COMMANDS))
        assert (messages[0].raw, messages[0].missing) == (b"abcdefghij", 10)
        assert told(messages)[1] == (ONEWAY, "stream", redis.pack(["SELECT", 0]))

    def test_inside_a_marked_one(self):
        """Nobody knows where it ends: commands can be recognised."""
        conversation, _ = replica(FULL + b"$EOF:" + MARK + b"\r\nabcde")
        list(conversation.server.receive_gap(10))
        messages = list(conversation.server.receive_data(b"fghij\r\n" + COMMANDS))
        assert told(messages)[0] == (ONEWAY, "stream", redis.pack(["SELECT", 0]))


def test_a_data_set_cannot_be_edited():
    _, messages = replica(FULL + COUNTED + COMMANDS)
    with pytest.raises(LocalProtocolError, match="a data set cannot be edited"):
        encode(messages[1], {"body": b""})
    assert encode(messages[4], {"redis.key_prefix": "a:"}) == redis.pack(["SET", "a:k", "v"])


def test_a_proxy_passes_it_on():
    """What one leg receives, the other sends, and both know where they are."""
    upstream, messages = replica(FULL + MARKED + COMMANDS)
    downstream = Conversation("redis")
    list(downstream.client.receive_data(redis.pack(["PSYNC", "?", -1])))
    for message in messages:
        message.request = next(iter(downstream.pending), None) if message.kind is RESPONSE else None
    sent = b"".join(downstream.send(message) for message in messages)
    assert sent == FULL + MARKED + COMMANDS
    assert downstream.pinned == upstream.pinned == {"replication"}


def test_read_alone_nobody_knows():
    """A Stream has not seen PSYNC: a data set is no string."""
    with pytest.raises(ProtocolError):
        list(Stream("redis", Side.SERVER).receive_data(FULL + COUNTED + COMMANDS))
