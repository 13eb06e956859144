"""What redis-server really sends, and that every byte of it is framed, named and paired as it is meant.

The order of messages where versions of the server differ (whether EXEC holds a push back, say) is left open: then only
that everything is answered and that the last answer is the last request's.
"""

from __future__ import annotations

import contextlib
import math
import random
import socket

import pytest
import redis as client_library

from l7codec import Conversation, Kind, ProtocolError, RemoteProtocolError, Side, Stream
from l7codec.codec import Codec
from l7codec.protocols import redis
from l7codec.protocols.redis import RedisCodec
from l7codec.protocols.redis.inline import join_words, split_words

from .redis_wire import Tap, lines, wire

pytestmark = pytest.mark.interop


@pytest.fixture
def talk(redis_port):
    with wire(redis_port) as connection:
        yield connection
    with wire(redis_port) as connection:
        connection.run(lines("FLUSHALL;CONFIG RESETSTAT"))


def told(script):
    """Expectations, written as the scripts are: `to X` for a response, `! x` for a push."""
    if not script:
        return []
    return [f"push {one[2:]}" if one.startswith("! ") else f"response to {one}" for one in script.split(";")]


class TestPairing:
    @pytest.mark.parametrize(
        ("script", "expected"),
        [
            ("SET k v;GET k;NOPE;GET", "SET k v;GET k;NOPE;GET"),
            ("SUBSCRIBE a b;PING;UNSUBSCRIBE", "SUBSCRIBE a b;SUBSCRIBE a b;PING;UNSUBSCRIBE;UNSUBSCRIBE"),
            ("SUBSCRIBE a a;GET k", "SUBSCRIBE a a;SUBSCRIBE a a;GET k"),
            ("UNSUBSCRIBE;PUNSUBSCRIBE;SUNSUBSCRIBE", "UNSUBSCRIBE;PUNSUBSCRIBE;SUNSUBSCRIBE"),
            ("UNSUBSCRIBE x y", "UNSUBSCRIBE x y;UNSUBSCRIBE x y"),
            ("PSUBSCRIBE p q;SSUBSCRIBE s", "PSUBSCRIBE p q;PSUBSCRIBE p q;SSUBSCRIBE s"),
            ("PSUBSCRIBE p q;PUNSUBSCRIBE", "PSUBSCRIBE p q;PSUBSCRIBE p q;PUNSUBSCRIBE;PUNSUBSCRIBE"),
            ("SUBSCRIBE a;MULTI;SUBSCRIBE b c;PING", "SUBSCRIBE a;MULTI;SUBSCRIBE b c;SUBSCRIBE b c;PING"),
            ("SUBSCRIBE a;HELLO 3;PING x;RESET;PING y", "SUBSCRIBE a;HELLO 3;PING x;RESET;PING y"),
            ("HELLO 3;SUBSCRIBE a b;GET k", "HELLO 3;SUBSCRIBE a b;SUBSCRIBE a b;GET k"),
            ("HELLO 3;SUBSCRIBE a;UNSUBSCRIBE;UNSUBSCRIBE;GET k", "HELLO 3;SUBSCRIBE a;UNSUBSCRIBE;UNSUBSCRIBE;GET k"),
            ("HELLO 3;SUBSCRIBE a;HELLO 2;PING x;GET k", "HELLO 3;SUBSCRIBE a;HELLO 2;PING x;GET k"),
            ("MULTI;GET k;EXEC", "MULTI;GET k;EXEC"),
            ("MULTI;SUBSCRIBE c d;PING x;EXEC", "MULTI;SUBSCRIBE c d;PING x;EXEC;EXEC"),
            ("MULTI;SUBSCRIBE c d;PING x;EXEC;PING y", "MULTI;SUBSCRIBE c d;PING x;EXEC;EXEC;PING y"),
            ("HELLO 3;MULTI;SUBSCRIBE c d;PING x;EXEC;PING y", "HELLO 3;MULTI;SUBSCRIBE c d;PING x;EXEC;EXEC;PING y"),
            ("SUBSCRIBE a b;RESET;MULTI;UNSUBSCRIBE;EXEC", "SUBSCRIBE a b;SUBSCRIBE a b;RESET;MULTI;UNSUBSCRIBE;EXEC"),
            (
                "HELLO 3;SUBSCRIBE a b;MULTI;UNSUBSCRIBE;PING x;EXEC",
                "HELLO 3;SUBSCRIBE a b;SUBSCRIBE a b;MULTI;UNSUBSCRIBE;PING x;EXEC;EXEC",
            ),
            ("MULTI;UNSUBSCRIBE;EXEC", "MULTI;UNSUBSCRIBE;EXEC"),
            ("MULTI;NOPE;SUBSCRIBE a b;EXEC", "MULTI;NOPE;SUBSCRIBE a b;EXEC"),
            ("MULTI;SUBSCRIBE a b;DISCARD", "MULTI;SUBSCRIBE a b;DISCARD"),
            ("MULTI;MULTI;EXEC x;PING x;EXEC", "MULTI;MULTI;EXEC x;PING x;EXEC"),
            ("MULTI x;EXEC;DISCARD", "MULTI x;EXEC;DISCARD"),
            ("WATCH k;MULTI;WATCH j;UNWATCH;EXEC", "WATCH k;MULTI;WATCH j;UNWATCH;EXEC"),
            ("MULTI;MONITOR;EXEC", "MULTI;MONITOR;EXEC"),
            ("MULTI;PSYNC ? -1;EXEC", "MULTI;PSYNC ? -1;EXEC"),
            ("MULTI;RESET", "MULTI;RESET"),
            ("CLIENT REPLY SKIP;GET k", ""),
            ("CLIENT REPLY SKIP;CLIENT REPLY SKIP;GET k;GET j", "GET j"),
            ("CLIENT REPLY SKIP;CLIENT REPLY ON", "CLIENT REPLY ON"),
            ("CLIENT REPLY SKIP;RESET", ""),
            ("CLIENT REPLY SKIP;MULTI;GET k;EXEC", "GET k;EXEC"),
            ("CLIENT REPLY OFF;GET k;CLIENT REPLY SKIP;CLIENT REPLY ON;GET j", "CLIENT REPLY ON;GET j"),
            ("CLIENT REPLY OFF;NOPE;RESET;GET j", "RESET;GET j"),
            ("CLIENT REPLY OFF;RESET x;CLIENT REPLY ON", "CLIENT REPLY ON"),
            ("CLIENT REPLY;CLIENT REPLY MAYBE", "CLIENT REPLY;CLIENT REPLY MAYBE"),
            ("CLIENT REPLY OFF;SUBSCRIBE a b;RESET", "! subscribe;! subscribe;RESET"),
            ("CLIENT REPLY SKIP;SUBSCRIBE a b;PING x", "! subscribe;! subscribe;PING x"),
            ("HELLO 3;CLIENT REPLY OFF;SUBSCRIBE a;CLIENT REPLY ON", "HELLO 3;! subscribe;CLIENT REPLY ON"),
            ("CLIENT REPLY OFF;MULTI;SUBSCRIBE a;EXEC;RESET", "! subscribe;RESET"),
            ("CLIENT REPLY SKIP;HELLO 3;PING x", "PING x"),
            ("REPLCONF ACK 1;REPLCONF GETACK *;REPLCONF capa x ACK 1;REPLCONF ACK 1 FACK 2", ""),
            ("REPLCONF ACK;REPLCONF nope 1 ACK 2", "REPLCONF ACK;REPLCONF nope 1 ACK 2"),
            (
                "HELLO 3;CLIENT TRACKING on;GET k;SET k v;PING",
                "HELLO 3;CLIENT TRACKING on;GET k;SET k v;! invalidate;PING",
            ),
        ],
    )  # fmt: skip
    def test_script(self, talk, script, expected):
        assert talk.run(lines(script)) == told(expected)
        assert not talk.conversation.pending

    @pytest.mark.parametrize(
        "script",
        [
            "HELLO 3;SUBSCRIBE a;PUBLISH a x;PING y",
            "MULTI;SUBSCRIBE c;PUBLISH c hi;PING x;EXEC;PING y",
            "HELLO 3;SUBSCRIBE c;MULTI;PUBLISH c hi;PUBLISH c ho;PING x;EXEC;PING y",
            "HELLO 3;MULTI;SUBSCRIBE c d;PUBLISH c hi;PING x;EXEC;PING y",
            "HELLO 3;SUBSCRIBE c d;MULTI;UNSUBSCRIBE;SUBSCRIBE e f;PUBLISH f hi;PING x;EXEC;PING y",
            "HELLO 3;CLIENT TRACKING on;GET k;MULTI;SET k v;PING x;EXEC;FLUSHALL;PING y",
            "HELLO 3;MULTI;DEBUG PROTOCOL push;DEBUG PROTOCOL attrib;PING x;EXEC;PING y",
            "HELLO 3;MULTI;DEBUG PROTOCOL push;EXEC;GET k;PING y",
        ],
    )
    def test_pushes_among_responses(self, talk, script):
        """Redis 7.0 puts them among a transaction's values and counts them; 8 keeps them back."""
        order = [one for one in talk.run(lines(script)) if not one.startswith("push ")]
        asked = told(script)
        assert list(dict.fromkeys(order)) == asked
        assert not talk.conversation.pending

    @pytest.mark.parametrize("proto", [2, 3])
    def test_messages_of_others(self, talk, redis_port, proto):
        talk.run(lines(f"HELLO {proto};SUBSCRIBE a;PSUBSCRIBE a*;SSUBSCRIBE s"))
        with wire(redis_port) as other:
            other.run(lines("PUBLISH a hello;SPUBLISH s there"))
        talk.until(b"there\r\n")
        pushes = [message for message in talk.messages if message.kind is Kind.PUSH]
        assert [push.metadata["redis.push"] for push in pushes] == ["message", "pmessage", "smessage"]
        assert [push.metadata["redis.channels"] for push in pushes] == [("a",), ("a*", "a"), ("s",)]
        assert talk.conversation.pinned == {"subscribe"}

    @pytest.mark.parametrize("hello", ["", "HELLO 3;"])
    def test_monitor(self, talk, hello):
        answers = talk.run(lines(f"{hello}MONITOR;MONITOR;PING x;GET k;RESET;GET k"))
        assert [one for one in answers if one != "push monitor"] == told(f"{hello}MONITOR;PING x;GET k;RESET;GET k")
        assert "push monitor" in answers
        assert talk.conversation.idle

    def test_monitor_unseen(self, talk):
        answers = talk.run(lines("CLIENT REPLY SKIP;MONITOR;PING x;RESET"))
        assert [one for one in answers if one != "push monitor"] == told("PING x;RESET")

    def test_hello_refused(self, talk):
        talk.run(lines("HELLO 4;HELLO 3 SETNAME;HELLO 2 AUTH nobody x;GET k"))
        assert {message.metadata["redis.resp"] for message in talk.messages if message.side is Side.SERVER} == {2}

    def test_hello_in_a_transaction(self, talk):
        talk.run(lines("MULTI;HELLO 4;PING;EXEC;GET k;MULTI;HELLO 3;EXEC;GET k"))
        versions = [message.metadata["redis.resp"] for message in talk.messages if message.side is Side.SERVER]
        assert versions[-1] == 3
        assert versions.index(3) == len(versions) - 3  # EXEC's own array has a map in it

    def test_quit(self, talk):
        talk.send(lines("MULTI;QUIT;PING"))
        talk.until_closed()
        assert [message.raw for message in talk.messages if message.side is Side.SERVER] == [b"+OK\r\n"] * 2

    def test_a_script_that_prints_anything(self, talk):
        printed = ["FULLRESYNC " + "0" * 40 + " 0", "CONTINUE", "QUEUED", "1700000000.000001 [0 x] y", "RESET"]
        data = b"".join(redis.pack(["EVAL", f"return redis.status_reply('{one}')", 0]) for one in printed)
        answers = talk.run(data + redis.pack(["EVAL", "return {'message','a','b'}", 0]) + lines("GET k"))
        assert len(answers) == len(printed) + 2
        assert all(one.startswith("response to") for one in answers)
        assert talk.conversation.idle


class TestTypes:
    """DEBUG PROTOCOL gives every type there is."""

    @pytest.mark.parametrize(
        ("name", "proto", "body"),
        [
            ("string", 2, b"Hello World"),
            ("integer", 2, 12345),
            ("double", 2, b"3.141"),
            ("double", 3, 3.141),
            ("null", 2, None),
            ("null", 3, None),
            ("array", 2, [0, 1, 2]),
            ("set", 2, [0, 1, 2]),
            ("set", 3, redis.Set([0, 1, 2])),
            ("map", 2, [0, 0, 1, 1, 2, 0]),
            ("map", 3, {0: False, 1: True, 2: False}),
            ("verbatim", 2, b"This is a verbatim\nstring"),
            ("verbatim", 3, redis.Verbatim("txt", b"This is a verbatim\nstring")),
            ("true", 2, 1),
            ("true", 3, True),
            ("false", 3, False),
            ("bignum", 2, b"1234567999999999999999999999999999999"),
            ("bignum", 3, redis.BigNumber("1234567999999999999999999999999999999")),
            (
                "attrib",
                3,
                redis.Attributed({b"key-popularity": [b"key:123", 90]}, b"Some real reply following the attribute"),
            ),
        ],
    )
    def test_body(self, talk, name, proto, body):
        talk.run(lines(f"HELLO {proto};DEBUG PROTOCOL {name}"))
        reply = talk.messages[-2]
        assert reply.body == body
        assert type(reply.body) is type(body)
        assert redis.pack_value(reply.body, proto) == reply.raw

    def test_push(self, talk):
        answers = talk.run(lines("HELLO 3;DEBUG PROTOCOL push"))
        assert sorted(answers[1:]) == ["push server-cpu-usage", "response to DEBUG PROTOCOL push"]

    @pytest.mark.parametrize("proto", [2, 3])
    def test_real_replies(self, talk, proto):
        """Every reply is read, and written again to what reads the same."""
        script = (
            f"HELLO {proto};ZADD z 1.5 a inf b -inf c;ZRANGE z 0 -1 WITHSCORES;HSET h f v g w;HGETALL h;SADD s 1 2;"
            "SMEMBERS s;XADD x 1-1 f v;XRANGE x - +;XREAD STREAMS x 0;COMMAND;COMMAND DOCS GET;INFO;CLIENT LIST;"
            "CONFIG GET *;ACL GETUSER default;MEMORY STATS;LATENCY HISTOGRAM;GEOADD g 1 1 m;GEOPOS g m n;LPOS l x;"
            "OBJECT HELP;SCAN 0;SLOWLOG GET;FUNCTION STATS;CLIENT TRACKINGINFO;ROLE;INCRBYFLOAT f 1.5"
        )
        answers = talk.run(lines(script))
        assert answers == told(script)
        for message in talk.messages:
            assert message.error is None
            if message.side is Side.SERVER:
                assert redis.read_value(redis.pack_value(message.body, proto)) == message.body

    def test_infinities(self, talk):
        talk.run(lines("HELLO 3;ZADD z inf a -inf b;ZSCORE z a;ZSCORE z b"))
        assert [message.body for message in talk.messages[-3:-1]] == [math.inf, -math.inf]


class TestReplication:
    VALUES = {f"k{n}".encode(): random.Random(n).randbytes(100_000) + b"\n\r\n$5\r\n+OK\r\n" for n in range(8)}

    def _sync(self, talk, port, request):
        """Replicate up to a command that another client sends meanwhile."""
        with wire(port) as other:
            other.run(b"".join(redis.pack(["SET", key, value]) for key, value in self.VALUES.items()))
            talk.send(request)
            while talk.conversation.pinned != {"replication"}:
                assert talk.receive()
            other.run(lines("SET after sync"))
        talk.socket.settimeout(0.1)
        for _ in range(200):
            if talk.received.endswith(b"sync\r\n"):
                break
            try:
                assert talk.receive()
            except (
                TimeoutError
            ):  # after a data set with a mark the master goes on when it is told to, and not too early
                (ack,) = talk.send(lines("REPLCONF ACK 0"))
                assert ack.kind is Kind.ONEWAY
        else:
            pytest.fail("the master sends no commands")
        return [message for message in talk.messages if message.side is Side.SERVER]

    @pytest.mark.parametrize("diskless", ["yes", "no"])
    @pytest.mark.parametrize("capability", ["capa eof", "capa psync2"])
    def test_full(self, talk, redis_port, diskless, capability):
        with wire(redis_port) as other:
            other.run(lines(f"CONFIG SET repl-diskless-sync {diskless} repl-diskless-sync-delay 0"))
        talk.run(lines(f"REPLCONF {capability}"))
        said = self._sync(talk, redis_port, lines("PSYNC ? -1"))
        assert b"".join(message.raw for message in said) == talk.received
        (answer,) = [message for message in said if message.request and message.request.body[0] == b"PSYNC"]
        assert answer.body.startswith("FULLRESYNC ")
        parts = [message.metadata.get("redis.replication") for message in said]
        header = said[parts.index("header")]
        assert (header.raw[:5] == b"$EOF:") == (diskless == "yes" and capability == "capa eof")
        data = b"".join(message.raw for message, part in zip(said, parts, strict=True) if part == "rdb")
        assert data.startswith(b"REDIS0")
        if header.raw[:5] == b"$EOF:":
            assert said[parts.index("end")].raw == header.raw[5:-2]
        else:
            assert len(data) == int(header.raw[1:])
        last = said[-1]
        assert (last.kind, last.metadata["redis.replication"]) == (Kind.ONEWAY, "stream")
        assert last.body == [b"SET", b"after", b"sync"]
        assert last.metadata["keys"] == ("after",)
        (ack,) = talk.send(lines("REPLCONF ACK 10"))
        assert ack.kind is Kind.ONEWAY
        assert talk.conversation.pinned == {"replication"}
        assert not talk.conversation.pending

    def test_sync(self, talk, redis_port):
        said = self._sync(talk, redis_port, lines("SYNC"))
        header = next(message for message in said if message.metadata.get("redis.replication") == "header")
        assert header.kind is Kind.RESPONSE
        assert header.request.body == [b"SYNC"]
        assert said[-1].body == [b"SET", b"after", b"sync"]

    def test_partial(self, talk, redis_port):
        with wire(redis_port) as first:
            answer = next(m for m in self._sync(first, redis_port, lines("PSYNC ? -1")) if m.request)
            _, identity, offset = answer.body.split(" ")
        talk.send(lines(f"PSYNC {identity} {int(offset) + 1}"))
        talk.until(b"sync\r\n")
        said = [message for message in talk.messages if message.side is Side.SERVER]
        assert said[0].body.startswith("CONTINUE")
        assert said[0].request.body[0] == b"PSYNC"
        assert {message.metadata["redis.replication"] for message in said[1:]} == {"stream"}

    def test_a_real_replica(self, redis_port, tmp_path):
        """Another redis-server replicates through a tap."""
        from .programs import redis_server

        with Tap(redis_port) as tap, redis_server(tmp_path, "--replicaof", f"127.0.0.1 {tap.port}") as port:
            with wire(redis_port) as master, wire(port) as replica:
                master.run(lines("SET marker here;WAIT 1 20000"))
                replica.run(lines("GET marker"))
                assert replica.messages[-2].body == b"here"
                assert replica.messages[-2].request.body == [b"GET", b"marker"]
            conversations = list(tap.heard)
            assert any("replication" in conversation.pinned for conversation, _ in conversations)
            for conversation, messages in conversations:
                assert conversation.client.error is conversation.server.error is None
                assert all(m.request is not None for m in messages if m.kind is Kind.RESPONSE)


class TestInline:
    def ask(self, port, line):
        """What the server makes of a line, or its error."""
        with wire(port) as connection:
            connection.socket.sendall(b'EVAL "return ARGV" 0 ' + line + b"\r\n" + redis.pack(["QUIT"]))
            data = b""
            with contextlib.suppress(ConnectionResetError):
                while piece := connection.socket.recv(1 << 16):
                    data += piece
            return data

    def test_random_lines(self, redis_port):
        dice = random.Random(20240611)
        pieces = [b" ", b" ", b"a", b"b c", b'"', b'"', b"'", b"'", b"\\", b"\\x", b"\\x4a", b"\\n", b"\\'", b'\\"']
        pieces += [b"\t", b"\x0b", b"\x0c", b"\r", b"\xff", b"0", b"\\\\", b"\\xZZ", b"\x1f", b"\\b", b'""', b"''"]
        both = 0
        for _ in range(600):
            line = b"".join(dice.choices(pieces, k=dice.randrange(1, 12)))
            words = split_words(line)
            data = self.ask(redis_port, line)
            if words is None:
                assert data == b"-ERR Protocol error: unbalanced quotes in request\r\n", line
                both += 1
            else:
                assert data == redis.reply(words).raw + b"+OK\r\n", line
        assert 100 < both < 500

    def test_written_lines(self, redis_port):
        dice = random.Random(7)
        for _ in range(100):
            words = [dice.randbytes(dice.randrange(5)) for _ in range(dice.randrange(6))]
            assert self.ask(redis_port, join_words(words)) == redis.reply(words).raw + b"+OK\r\n"

    @pytest.mark.parametrize("end", [b"\n", b"\r\n"])
    def test_ends(self, talk, end):
        assert talk.run(b"PING" + end + end + b"  PING  x" + end) == told("PING;PING x")


class TestErrors:
    """The server says what is wrong and closes; we say the same at the same place."""

    @pytest.mark.parametrize(
        "data",
        [
            b"*x\r\n",
            b"*\r\n",
            b"* 1\r\n",
            b"*1 \r\n",
            b"*+1\r\n",
            b"*01\r\n",
            b"*-0\r\n",
            b"*2147483648\r\n",
            b"*99999999999999999999\r\n",
            b"*1\r\n\r\n",
            b"*1\r\n:4\r\n",
            b"*1\r\nPING\r\n",
            b"*1\r\n'4\r\n",
            b"*1\r\n\\4\r\n",
            b"*1\r\n$\r\n",
            b"*1\r\n$-1\r\n",
            b"*1\r\n$+4\r\n",
            b"*1\r\n$04\r\n",
            b"*1\r\n$4x\r\n",
            b"*2\r\n$4\r\nECHO\r\n$-0\r\n",
            b"*1\r\n$9223372036854775808\r\n",
            b'ECHO "a\r\n',
            b"ECHO 'a'b\r\n",
            b'ECHO "a\\"\r\n',
            b"*1" + b"0" * 70_000,
            b"*1\r\n$" + b"1" * 70_000,
            b"A" * 70_000,
        ],
    )
    def test_same_words(self, redis_port, data):
        ours = self.error(b"*1\r\n$4\r\nPING\r\n" + data)
        with socket.create_connection(("127.0.0.1", redis_port), 20) as connection:
            connection.sendall(b"*1\r\n$4\r\nPING\r\n")
            assert connection.recv(100) == b"+PONG\r\n"
            connection.sendall(data)
            theirs = b""
            with contextlib.suppress(ConnectionResetError):
                while piece := connection.recv(1000):
                    theirs += piece
        assert RedisCodec.reply(None, ours) == theirs
        assert ours.offset >= 14

    def error(self, data) -> RemoteProtocolError:
        stream = Stream("redis", Side.CLIENT)
        assert len(list(stream.receive_data(data[:14]))) == 1
        with pytest.raises(RemoteProtocolError) as caught:
            list(stream.receive_data(data[14:]))
        return caught.value

    @pytest.mark.parametrize("over", [1, 0])
    def test_the_longest_string(self, redis_port, over):
        data = b"*1\r\n$%d\r\n" % (512 * 1024 * 1024 + over)
        stream = Stream("redis", Side.CLIENT)
        with wire(redis_port) as connection:
            if over:
                with pytest.raises(RemoteProtocolError, match="invalid bulk length"):
                    list(stream.receive_data(data))
                connection.socket.sendall(data)
                assert connection.socket.recv(100) == b"-ERR Protocol error: invalid bulk length\r\n"
            else:
                assert not list(stream.receive_data(data))

    @pytest.mark.parametrize("data", [b"POST / HTTP/1.1\r\n", b"Host: example.com\r\n", b"'hOsT:'\r\n"])
    def test_http_is_refused_without_a_word(self, redis_port, data):
        with socket.create_connection(("127.0.0.1", redis_port), 20) as connection:
            connection.sendall(data)
            assert connection.recv(100) == b""
        stream = Stream("redis", Side.CLIENT)
        with pytest.raises(RemoteProtocolError) as caught:
            list(stream.receive_data(data))
        assert RedisCodec.reply(None, caught.value) is None

    @pytest.mark.parametrize("data", [b"*0\r\n", b"*-1\r\n", b"*-9999999999\r\n", b"\r\n", b"\n", b" \t \r\n"])
    def test_passed_over(self, talk, data):
        assert talk.run(data * 3) == []

    @pytest.mark.parametrize("data", [b"$4\r\n", b"+OK\r\n", b"%1\r\n", b"-x\r\n", b"\r\r\n"])
    def test_no_array_is_a_line_of_words(self, talk, data):
        assert len(talk.run(data)) == (0 if data == b"\r\r\n" else 1)


class TestClientLibrary:
    """redis-py talks to the server; we listen in."""

    @pytest.mark.parametrize("protocol", [2, 3])
    def test_workload(self, redis_port, protocol):
        with Tap(redis_port) as tap:
            client = client_library.Redis(port=tap.port, protocol=protocol)
            client.flushall()
            client.set("k", b"\r\n" * 100)
            assert client.get("k") == b"\r\n" * 100
            with client.pipeline() as pipeline:
                pipeline.set("a", 1).incr("a").lrange("l", 0, -1).hset("h", mapping={"f": "v"}).hgetall("h")
                assert pipeline.execute() == [True, 2, [], 1, {b"f": b"v"}]
            with client.pipeline(transaction=False) as pipeline:
                for n in range(500):
                    pipeline.set(f"key:{n}", "x" * n)
                assert all(pipeline.execute())
            listener = client.pubsub()
            listener.subscribe("news", "weather")
            listener.psubscribe("n*")
            client.publish("news", "hello")
            seen = [listener.get_message(timeout=20) for _ in range(5)]
            assert [one["type"] for one in seen] == ["subscribe", "subscribe", "psubscribe", "message", "pmessage"]
            listener.unsubscribe()
            assert {listener.get_message(timeout=20)["channel"] for _ in range(2)} == {b"news", b"weather"}
            listener.close()
            with client.monitor() as monitor:
                client.get("k")
                assert monitor.next_command()["command"] in ("GET k", "MONITOR")
            client.close()
        requests = 0
        for conversation, messages in tap.heard:
            assert conversation.client.error is conversation.server.error is None
            assert not conversation.pending
            for message in messages:
                assert message.error is None
                assert message.kind is not Kind.RESPONSE or message.request is not None
                requests += message.kind is Kind.REQUEST
        assert requests > 510


def test_a_codec_is_a_codec():
    assert issubclass(RedisCodec, Codec)
    with pytest.raises(ProtocolError):
        list(Conversation("redis").client.receive_data(b"*x\r\n"))
