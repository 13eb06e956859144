"""What messages carry, and what can be made of them: metadata, bodies, edits, constructors, replies, first bytes."""

from __future__ import annotations

import pickle

import pytest

from l7codec import (
    BodyError,
    Conversation,
    Limits,
    LocalProtocolError,
    Message,
    Reason,
    RemoteProtocolError,
    Side,
    Stream,
    decode,
    detect,
    encode,
)
from l7codec.codec import Answer, Confidence
from l7codec.protocols import redis
from l7codec.protocols.redis import RedisCodec

from .talk import CLIENT, ONEWAY, PUSH, REQUEST, RESPONSE, SERVER, read, split


def request(line: str) -> Message:
    (message,) = read(redis.pack(line.split(" ")), CLIENT)
    return message


def answer(data: bytes) -> Message:
    (message,) = read(data, SERVER)
    return message


class TestRequests:
    @pytest.mark.parametrize(
        ("line", "metadata"),
        [
            ("GET user:1", {"method": "GET", "keys": ("user:1",), "redis.slot": 10778, "redis.write": False}),
            ("get {user:1}.x", {"method": "GET", "keys": ("{user:1}.x",), "redis.slot": 10778, "redis.write": False}),
            ("SET k v", {"method": "SET", "keys": ("k",), "redis.slot": 7629, "redis.write": True}),
            ("MGET a b a", {"method": "MGET", "keys": ("a", "b", "a"), "redis.write": False}),
            (
                "MGET {a}1 {a}2",
                {"method": "MGET", "keys": ("{a}1", "{a}2"), "redis.slot": 15495, "redis.write": False},
            ),
            ("PING", {"method": "PING", "redis.write": False}),
            ("client list", {"method": "CLIENT LIST", "redis.write": False}),
            ("CLIENT frobnicate", {"method": "CLIENT FROBNICATE", "redis.write": False}),
            ("CLIENT", {"method": "CLIENT", "redis.write": False}),
            ("nope k", {"method": "NOPE"}),
            (
                "EVAL s 1 k",
                {"method": "EVAL", "keys": ("k",), "redis.slot": 7629, "redis.write": True},
            ),
            ("SUBSCRIBE a b", {"method": "SUBSCRIBE", "redis.write": False, "redis.channels": ("a", "b")}),
            ("PUBLISH a b", {"method": "PUBLISH", "redis.write": False, "redis.channels": ("a",)}),
            (
                "SPUBLISH a b",
                {"method": "SPUBLISH", "redis.write": False, "redis.channels": ("a",), "redis.slot": 15495},
            ),
            ("GET", {"method": "GET", "redis.write": False}),
        ],
    )
    def test_metadata(self, line, metadata):
        message = request(line)
        assert message.metadata == metadata
        assert message.kind is REQUEST
        assert (message.id, message.error, message.missing) == (None, None, 0)
        assert message.body == [word.encode() for word in line.split(" ")]

    def test_an_empty_name(self):
        (message,) = read(b"*1\r\n$0\r\n\r\n", CLIENT)
        assert (message.metadata, message.kind) == ({}, REQUEST)

    @pytest.mark.parametrize("data", [b"*0\r\n", b"*-1\r\n", b"\r\n", b" \n"])
    def test_an_empty_command_asks_nothing(self, data):
        (message,) = read(data, CLIENT)
        assert (message.metadata, message.kind, message.body) == ({}, ONEWAY, [])

    def test_names_end_at_a_nul(self):
        (message,) = read(redis.pack([b"nope\0x"]), CLIENT)
        assert message.metadata == {"method": "NOPE"}

    def test_text_that_is_no_utf_8(self):
        (message,) = read(redis.pack([b"GET", b"\xff\xfe"]), CLIENT)
        assert message.metadata["keys"] == ("\udcff\udcfe",)
        (message,) = read(redis.pack([b"MGET", b"\xff", b"a"]), CLIENT)
        assert message.metadata["keys"] == ("\udcff", "a")

    def test_too_many_keys(self):
        (message,) = read(redis.pack(["DEL", "{k}1", "{k}2", "{k}3"]), CLIENT, limits=Limits(values=2))
        assert "keys" not in message.metadata
        assert message.metadata["redis.slot"] == 7629
        assert message.error.reason == "3 keys are over the limit of 2"
        assert message.body[1:] == [b"{k}1", b"{k}2", b"{k}3"]

    def test_too_many_channels(self):
        (message,) = read(redis.pack(["SUBSCRIBE", "a", "b", "c"]), CLIENT, limits=Limits(values=2))
        assert "redis.channels" not in message.metadata
        assert message.error.reason == "3 channels are over the limit of 2"

    def test_pickles(self):
        message = request("SET k v")
        assert pickle.loads(pickle.dumps(message)).body == message.body


class TestReplies:
    @pytest.mark.parametrize(
        ("data", "metadata"),
        [
            (b"+OK\r\n", {"status": "ok", "redis.resp": 2}),
            (b"$-1\r\n", {"status": "ok", "redis.resp": 2}),
            (b"*1\r\n-ERR x\r\n", {"status": "ok", "redis.resp": 2}),
            (b"_\r\n", {"status": "ok", "redis.resp": 3}),
            (b"*?\r\n.\r\n", {"status": "ok", "redis.resp": 3}),
            (b"*1\r\n#t\r\n", {"status": "ok", "redis.resp": 3}),
            (
                b"-ERR no such key\r\n",
                {"status": "error", "redis.resp": 2, "error.type": "ERR", "error.message": "no such key"},
            ),
            (b"-ERR\r\n", {"status": "error", "redis.resp": 2, "error.type": "ERR"}),
            (b"-\r\n", {"status": "error", "redis.resp": 2}),
            (
                b"!10\r\nERR a\r\nb \xff\r\n",
                {"status": "error", "redis.resp": 3, "error.type": "ERR", "error.message": "a\r\nb \udcff"},
            ),
            (
                b"-MOVED 3999 127.0.0.1:6381\r\n",
                {
                    "status": "error",
                    "redis.resp": 2,
                    "error.type": "MOVED",
                    "error.message": "3999 127.0.0.1:6381",
                    "redis.slot": 3999,
                    "redis.redirect": "127.0.0.1:6381",
                },
            ),
            (
                b"-ASK 3999 :6381\r\n",
                {
                    "status": "error",
                    "redis.resp": 2,
                    "error.type": "ASK",
                    "error.message": "3999 :6381",
                    "redis.slot": 3999,
                    "redis.redirect": ":6381",
                },
            ),
            (
                b"-MOVED somewhere\r\n",
                {"status": "error", "redis.resp": 2, "error.type": "MOVED", "error.message": "somewhere"},
            ),
            (
                b"|1\r\n+a\r\n:1\r\n-ERR x\r\n",
                {"status": "error", "redis.resp": 3, "error.type": "ERR", "error.message": "x"},
            ),
            (b"|1\r\n+a\r\n:1\r\n+OK\r\n", {"status": "ok", "redis.resp": 3}),
        ],
    )
    def test_metadata(self, data, metadata):
        message = answer(data)
        assert message.metadata == metadata
        assert message.kind is RESPONSE

    @pytest.mark.parametrize(
        ("data", "metadata"),
        [
            (b">2\r\n+message\r\n$1\r\na\r\n", {"redis.push": "message", "redis.channels": ("a",)}),
            (
                b">4\r\n$8\r\npmessage\r\n$1\r\np\r\n$1\r\nc\r\n$1\r\nx\r\n",
                {"redis.push": "pmessage", "redis.channels": ("p", "c")},
            ),
            (b">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n", {"redis.push": "invalidate", "keys": ("k",)}),
            (b">2\r\n$10\r\ninvalidate\r\n_\r\n", {"redis.push": "invalidate"}),
            (b">0\r\n", {}),
            (b">1\r\n:1\r\n", {}),
            (b">1\r\n$0\r\n\r\n", {}),
            (b"|1\r\n+a\r\n:1\r\n>1\r\n+x\r\n", {"redis.push": "x"}),
        ],
    )
    def test_pushes(self, data, metadata):
        message = answer(data)
        assert message.metadata == {"redis.resp": 3, **metadata}
        assert message.kind is PUSH

    def test_a_push_that_cannot_be_read(self):
        message = answer(b">2\r\n+message\r\n:x\r\n")
        assert message.kind is PUSH
        assert isinstance(message.error, BodyError)
        message = answer(b"|1\r\n+a\r\n:x\r\n+OK\r\n")
        assert isinstance(message.error, BodyError)

    def test_too_many_keys(self):
        (message,) = read(b">2\r\n+invalidate\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n", SERVER, limits=Limits(values=1))
        assert message.metadata == {"redis.resp": 3, "redis.push": "invalidate"}
        assert message.error.reason == "2 keys are over the limit of 1"


class TestEncoding:
    @pytest.mark.parametrize("data", [b"get k\n", b'SET  k "a"\r\n', b"*1\r\n$4\r\nping\r\n", b"*0\r\n", b"\n"])
    def test_without_edits_the_very_bytes(self, data):
        (message,) = read(data, CLIENT)
        assert encode(message) == data

    @pytest.mark.parametrize(
        ("line", "edits", "result"),
        [
            ("GET k", {"keys": ("other",)}, "GET other"),
            ("MGET a b a", {"keys": ("x", "y", "z")}, "MGET x y z"),
            ("MGET a b", {"redis.key_prefix": "t:"}, "MGET t:a t:b"),
            ("MGET t:a b", {"redis.strip_prefix": "t:"}, "MGET a b"),
            ("GET t:a", {"redis.strip_prefix": "t:", "redis.key_prefix": "u:"}, "GET u:a"),
            ("GET a", {"keys": ("b",), "redis.key_prefix": "t:"}, "GET t:b"),
            ("PING", {"redis.key_prefix": "t:"}, "PING"),
            ("NOPE a", {"redis.key_prefix": "t:"}, "NOPE a"),
            ("GET a", {"redis.key_prefix": None}, "GET a"),
            ("ZUNIONSTORE d 2 a b WEIGHTS 1 2", {"redis.key_prefix": "t:"}, "ZUNIONSTORE t:d 2 t:a t:b WEIGHTS 1 2"),
            ("EVAL s 2 a b c", {"keys": ("x", "y")}, "EVAL s 2 x y c"),
            ("XREAD COUNT 1 STREAMS a b 0 0", {"redis.key_prefix": "t:"}, "XREAD COUNT 1 STREAMS t:a t:b 0 0"),
            ("FLUSHALL ASYNC", {"method": "PING"}, "PING ASYNC"),
            ("CLIENT LIST x", {"method": "CLIENT INFO"}, "CLIENT INFO x"),
            ("CLIENT LIST x", {"method": "PING"}, "PING x"),
            ("CLIENT NOPE x", {"method": "PING"}, "PING x"),
            ("GET a", {"method": "CLIENT LIST"}, "CLIENT LIST a"),
            ("GET a", {"body": ["DEL", "b", 5]}, "DEL b 5"),
            ("GET a", {"body": ["DEL", "b"], "redis.key_prefix": "t:", "method": "UNLINK"}, "UNLINK t:b"),
        ],
    )
    def test_edits(self, line, edits, result):
        assert encode(request(line), edits) == redis.pack(result.split(" "))

    def test_keys_need_not_be_text(self):
        message = request("GET k")
        assert encode(message, {"redis.key_prefix": b"\xff"}) == redis.pack([b"GET", b"\xffk"])
        assert encode(message, {"keys": (b"\xfe",)}) == redis.pack([b"GET", b"\xfe"])
        assert encode(message, {"keys": ("\udcfe",)}) == redis.pack([b"GET", b"\xfe"])

    def test_an_inline_request_becomes_an_array(self):
        (message,) = read(b"get 'a b'\r\n", CLIENT)
        assert encode(message, {"redis.key_prefix": "t:"}) == redis.pack([b"get", b"t:a b"])

    @pytest.mark.parametrize(
        "edits",
        [
            {"keys": ()},
            {"keys": None},
            {"keys": "k"},
            {"keys": ("a", "b")},
            {"method": None},
            {"method": ""},
            {"body": None},
            {"body": []},
            {"body": "GET k"},
            {"body": b"GET k"},
            {"body": [None]},
            {"body": [[]]},
            {"body": [True]},
            {"service": "x"},
            {"header.x": "y"},
            {"id": 1},
        ],
    )
    def test_edits_that_cannot_be(self, edits):
        with pytest.raises(LocalProtocolError):
            encode(request("GET k"), edits)

    def test_a_reply_s_body(self):
        assert encode(answer(b"+OK\r\n"), {"body": [1, None, b"a"]}) == b"*3\r\n:1\r\n$-1\r\n$1\r\na\r\n"
        assert encode(answer(b"_\r\n"), {"body": {"a": None}}) == b"%1\r\n+a\r\n_\r\n"
        assert encode(answer(b"+OK\r\n"), {"body": None}) == b"$-1\r\n"
        for edits in ({"keys": ()}, {"method": "GET"}, {"body": 1.5}, {"redis.key_prefix": "a"}):
            with pytest.raises(LocalProtocolError):
                encode(answer(b"+OK\r\n"), edits)

    def test_the_keys_of_an_invalidation(self):
        def invalidation(*keys):
            return redis.reply(redis.Push([b"invalidate", list(keys)]), 3).raw

        message = answer(invalidation(b"t:a", b"b"))
        assert encode(message, {"redis.strip_prefix": "t:"}) == invalidation(b"a", b"b")
        assert encode(message, {"keys": ("x", "y")}) == invalidation(b"x", b"y")
        assert encode(message, {"redis.key_prefix": "u:"}) == invalidation(b"u:t:a", b"u:b")
        everything = answer(b">2\r\n+invalidate\r\n_\r\n")
        assert encode(everything, {"redis.strip_prefix": "t:"}) == everything.raw
        for edits in ({"keys": ("x",)}, {"body": None, "keys": ()}, {"method": "x"}):
            with pytest.raises(LocalProtocolError):
                encode(message, edits)

    def test_a_message_that_lacks_bytes(self):
        stream = Stream("redis", CLIENT)
        list(stream.receive_data(b"*2\r\n$4\r\nECHO\r\n$9\r\nab"))
        list(stream.receive_gap(7))
        (message,) = stream.receive_data(b"\r\n")
        with pytest.raises(LocalProtocolError, match="lacks 7 bytes"):
            encode(message)


class TestConstructors:
    def test_command(self):
        message = redis.command("SET", b"k\xff", "é", 5, -1.5, bytearray(b"b"), memoryview(b"m"))
        assert message.body == [b"SET", b"k\xff", b"\xc3\xa9", b"5", b"-1.5", b"b", b"m"]
        assert message.metadata["keys"] == ("k\udcff",)
        assert (message.side, message.kind) == (CLIENT, REQUEST)

    @pytest.mark.parametrize("args", [(), (None,), ("SET", True), ("SET", ["a"]), ("SET", object())])
    def test_what_is_no_command(self, args):
        with pytest.raises(LocalProtocolError):
            redis.command(*args)

    def test_reply(self):
        message = redis.reply([b"a", redis.Error("ERR", "x")])
        assert (message.side, message.kind, message.raw) == (SERVER, RESPONSE, b"*2\r\n$1\r\na\r\n-ERR x\r\n")
        assert redis.reply(None, 3).metadata["redis.resp"] == 3
        assert redis.reply([], 3).metadata["redis.resp"] == 3
        assert redis.reply(redis.Push([b"message", b"a", b"b"]), 3).kind is PUSH
        assert redis.reply(redis.Error("MOVED", "1 h:1")).metadata["redis.redirect"] == "h:1"
        with pytest.raises(LocalProtocolError):
            redis.reply({})

    @pytest.mark.parametrize(
        "commands",
        [
            [],
            [("PING",)],
            [("SET", "k", "v"), ("GET", "k")],
            [("SET", "k", "é"), ("SET", b"\xff", 1), ["PING"]],
            [("SET", "k", "v" * 5000)],
            [("MGET", *"abcdefg")],
            [("SET", b"k", b"v" * 3)],
            [(b"SET", b"k", b"v" * 3000)] * 3,
        ],
    )
    def test_pipeline(self, commands):
        assert redis.pack_pipeline(commands) == b"".join(map(redis.pack, commands))
        assert redis.pack_pipeline(iter(commands)) == redis.pack_pipeline(commands)
        for one, message in zip(commands, decode("redis", redis.pack_pipeline(commands)), strict=True):
            texts = [arg if isinstance(arg, bytes) else str(arg).encode() for arg in one]
            assert message.body == texts

    @pytest.mark.parametrize("commands", [["PING"], [b"PING"], [()], [("PING",), ()], [("a", "b", "c"), "abc"], [[]]])
    def test_a_pipeline_of_what_is_no_command(self, commands):
        with pytest.raises(LocalProtocolError):
            redis.pack_pipeline(commands)


class TestReply:
    @pytest.mark.parametrize(
        ("reason", "data"),
        [
            (Reason.NO_ROUTE, b"-ERR no route for this request\r\n"),
            (Reason.NO_HEALTHY_UPSTREAM, b"-ERR no healthy upstream\r\n"),
            (Reason.OVER_LIMIT, b"-ERR over limit\r\n"),
            (Reason.TIMEOUT, b"-ERR upstream request timeout\r\n"),
            (Reason.DENIED, b"-NOPERM denied\r\n"),
        ],
    )
    def test_reasons(self, reason, data):
        assert RedisCodec.reply(request("GET k"), reason) == data
        assert RedisCodec.reply(None, reason) == data

    def test_text(self):
        assert RedisCodec.reply(request("GET k"), Reason.DENIED, "not\r\nyou") == b"-NOPERM not  you\r\n"

    def test_none_is_due(self):
        assert RedisCodec.reply(answer(b"+OK\r\n"), Reason.DENIED) is None
        (off,) = Conversation("redis").client.receive_data(redis.pack(["CLIENT", "REPLY", "OFF"]))
        assert RedisCodec.reply(off, Reason.DENIED) is None

    def test_a_protocol_error(self):
        error = RemoteProtocolError("redis", 5, "invalid bulk length")
        assert RedisCodec.reply(None, error) == b"-ERR Protocol error: invalid bulk length\r\n"


class TestFirstBytes:
    @pytest.mark.parametrize(
        ("side", "data", "confidence"),
        [
            (CLIENT, b"*1\r\n$4\r\nPING\r\n", Confidence.TEXT),
            (CLIENT, b"*3\r\n$3\r\n", Confidence.TEXT),
            (CLIENT, b"PING\r\n", Confidence.HINT),
            (CLIENT, b'set k "a b"\n', Confidence.HINT),
            (SERVER, b"+OK\r\n", Confidence.TEXT),
            (SERVER, b"-NOAUTH Authentication required.\r\n", Confidence.TEXT),
            (SERVER, b"$3\r\nfoo\r\n", Confidence.TEXT),
            (SERVER, b"%7\r\n", Confidence.TEXT),
            (SERVER, b"|1\r\n", Confidence.TEXT),
            (SERVER, b"$?\r\n", Confidence.TEXT),
            (SERVER, b"*?\r\n", Confidence.TEXT),
            (SERVER, b":1\r\n", Confidence.LENGTH),
            (SERVER, b"+hello\r\n", Confidence.LENGTH),
            (SERVER, b"(123\r\n", Confidence.LENGTH),
            (SERVER, b",1.5\r\n", Confidence.LENGTH),
            (SERVER, b"_\r\n", Confidence.LENGTH),
            (SERVER, b"#t\r\n", Confidence.LENGTH),
        ],
    )
    def test_yes(self, side, data, confidence):
        assert RedisCodec.sniff(data, side) == (Answer.YES, confidence)
        end = data.index(b"\n") + 1 if confidence is not Confidence.TEXT or side is SERVER else data.index(b"$") + 4
        for piece in range(1, end):
            assert RedisCodec.sniff(data[:piece], side).answer is Answer.MORE, data[:piece]

    @pytest.mark.parametrize(
        ("side", "data"),
        [
            (CLIENT, b"*x"),
            (CLIENT, b"*1\r\n:"),
            (CLIENT, b"EHLO example.com\r\n"),
            (CLIENT, b"PING \0"),
            (CLIENT, b"\x16\x03\x01"),
            (CLIENT, b"A" * 600),
            (CLIENT, b'PING "\r\n'),
            (SERVER, b"HTTP/1.1 200"),
            (SERVER, b"220 ready\r\n"),
            (SERVER, b"$x"),
            (SERVER, b"#x"),
            (SERVER, b"\0"),
        ],
    )
    def test_no(self, side, data):
        assert RedisCodec.sniff(data, side).answer is Answer.NO

    def test_detect(self):
        assert detect(redis.pack(["PING"])) == "redis"
        assert detect(b"PING\r\n", port=6379) == "redis"
        assert detect(b"PING\r\n") is None
        assert detect(b"+OK\r\n", side=SERVER) == "redis"


class TestGaps:
    def test_requests_are_found_again(self):
        stream = Stream("redis", CLIENT)
        list(stream.receive_data(redis.pack(["GET", "a"]) + b"*2\r\n$3\r\nGE"))
        list(stream.receive_gap(None))
        (found,) = stream.receive_data(b"xyz\r\n$1\r\nb\r\n" + redis.pack(["GET", "c"]))
        assert found.metadata["keys"] == ("c",)
        assert stream.skipped == len(b"*2\r\n$3\r\nGExyz\r\n$1\r\nb\r\n")

    @pytest.mark.parametrize(
        "reply", [b"+OK\r\n", b"-ERR x\r\n", b":1\r\n", b"$1\r\na\r\n", b"*1\r\n:1\r\n", b"$-1\r\n"]
    )
    def test_replies_are_found_again(self, reply):
        data = b"rest of a value\r\n" + reply
        for pieces in ([data], split(data)):
            stream = Stream("redis", SERVER)
            list(stream.receive_gap(None))
            (found,) = [message for piece in pieces for message in stream.receive_data(piece)]
            assert found.raw == reply

    @pytest.mark.parametrize("hole", range(1, 8))
    def test_a_value_with_a_hole(self, hole):
        """Counted through; the key before it is known."""
        stream = Stream("redis", CLIENT)
        start = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$10\r\n"
        list(stream.receive_data(start + b"ab"))
        list(stream.receive_gap(hole))
        (message,) = stream.receive_data(b"c" * (8 - hole) + b"\r\n")
        assert message.missing == hole
        assert message.size == len(start) + 12
        assert message.metadata == {"method": "SET", "redis.write": True, "keys": ("k",), "redis.slot": 7629}
        assert message.error.reason == "bytes are missing from here on"
        assert message.error.offset == len(start) + 2
        with pytest.raises(BodyError, match="missing"):
            message.body  # noqa: B018

    def test_a_hole_before_the_keys_are_known(self):
        stream = Stream("redis", CLIENT)
        list(stream.receive_data(b"*3\r\n$4\r\nMGET\r\n$3\r\na"))
        list(stream.receive_gap(1))
        (message,) = stream.receive_data(b"c\r\n$1\r\nb\r\n")
        assert message.metadata == {"method": "MGET", "redis.write": False}

    def test_a_hole_in_the_name(self):
        stream = Stream("redis", CLIENT)
        list(stream.receive_data(b"*2\r\n$3\r\nG"))
        list(stream.receive_gap(1))
        (message,) = stream.receive_data(b"T\r\n$1\r\nk\r\n")
        assert (message.metadata, message.kind) == ({}, REQUEST)

    def test_a_reply_with_a_hole(self):
        stream = Stream("redis", SERVER)
        list(stream.receive_data(b">3\r\n$7\r\nmess"))
        list(stream.receive_gap(3))
        (message,) = stream.receive_data(b"\r\n$1\r\na\r\n$1\r\nb\r\n")
        assert (message.metadata, message.missing) == ({"status": "ok", "redis.resp": 3}, 3)

    def test_behind_an_error(self):
        stream = Stream("redis", SERVER)
        with pytest.raises(RemoteProtocolError):
            list(stream.receive_data(b"+OK\r\nx\r\n+PONG\r\n"))
        assert [message.raw for message in stream.receive_gap(0)] == [b"+PONG\r\n"]


def test_the_version_can_be_told():
    codec = RedisCodec()
    assert codec.resp == 2
    codec.resp = 3
    stream = Stream(codec, Side.SERVER)
    (message,) = stream.receive_data(b"+OK\r\n")
    assert message.metadata["redis.resp"] == 3
