"""Inline requests: redis-server's quoting. `tests/interop` compares random lines with the server's own reading."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l7codec import LocalProtocolError, RemoteProtocolError, Stream
from l7codec.protocols import redis
from l7codec.protocols.redis.inline import join_words, split_words

from .talk import CLIENT, ONEWAY, REQUEST, read, waits, wrong


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"", []),
        (b" \t\x0b\x0c ", []),
        (b"PING", [b"PING"]),
        (b"  SET  k\tv ", [b"SET", b"k", b"v"]),
        (b'SET k "a b"', [b"SET", b"k", b"a b"]),
        (b"SET k 'a b'", [b"SET", b"k", b"a b"]),
        (b'a"b c"', [b"ab c"]),
        (b"a'b c'", [b"ab c"]),
        (b'""', [b""]),
        (b"'' \"\"", [b"", b""]),
        (rb'"\n\r\t\b\a\\\"\x4a\x4A\q"', [b'\n\r\t\b\a\\"JJq']),
        (rb'"\xZZ\x4"', [b"xZZx4"]),
        (rb"'\n\'\\a'", [rb"\n'\\a"]),
        (rb"a\nb", [rb"a\nb"]),
        (b"'\"'", [b'"']),
        (b'"\'"', [b"'"]),
        (b"a\x0bb c\x0c", [b"a\x0bb", b"c\x0c"]),
        (b"\xff\xfe", [b"\xff\xfe"]),
        (b"$4", [b"$4"]),
        (b"+OK", [b"+OK"]),
        (b"a\rb", [b"a", b"b"]),
    ],
)
def test_words(line, words):
    assert split_words(line) == words


@pytest.mark.parametrize(
    "line", [b'"', b"'", b'"a', b"'a", b'"a"b', b"'a'b", b'"a""b"', b"'a'\"b\"", b'"a\\"', b"'a\\'", b'a"', b'"\\x4"a']
)
def test_unbalanced(line):
    assert split_words(line) is None
    error = wrong(b"ECHO " + line + b"\r\n", CLIENT)
    assert error.reason == "unbalanced quotes in request"
    assert error.offset == 0


@given(st.lists(st.binary(max_size=8)))
def test_round_trip(words):
    assert split_words(join_words(words)) == words


@given(st.binary(max_size=40))
def test_total(line):
    words = split_words(line)
    assert words is None or split_words(join_words(words)) == words


@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
def test_ends(end):
    message, empty, blank = read(b"GET k" + end + end + b"  " + end, CLIENT)
    assert (message.body, message.metadata["keys"]) == ([b"GET", b"k"], ("k",))
    assert (message.kind, empty.kind, blank.kind) == (REQUEST, ONEWAY, ONEWAY)
    assert empty.metadata == {}


@pytest.mark.parametrize("line", [b"$4", b"+OK", b"%1", b"-x", b"?"])
def test_no_array_is_a_line(line):
    (message,) = read(line + b"\r\n", CLIENT)
    assert message.metadata == {"method": line.decode().upper()}


def test_one_cr_belongs_to_the_end():
    (message,) = read(b"PING\r\r\n", CLIENT)
    assert message.body == [b"PING"]


def test_a_nul_would_stall_the_server():
    error = wrong(b"PING a\0b\r\n", CLIENT)
    assert (error.offset, error.reason) == (6, "NUL in an inline request")
    waits(b"PING a\0b", CLIENT)


@pytest.mark.parametrize("line", [b"POST / HTTP/1.1", b"host: x", b"'PoSt'"])
def test_a_browser_is_not_a_client(line):
    with pytest.raises(RemoteProtocolError, match="an HTTP request") as caught:
        list(Stream("redis", CLIENT).receive_data(line + b"\r\n"))
    assert redis.RedisCodec.reply(None, caught.value) is None


class TestConstructor:
    def test_as_typed(self):
        message = redis.inline("SET", "k", b"a b\xff")
        assert message.raw == b'SET k "a b\\xff"\r\n'
        assert message.body == [b"SET", b"k", b"a b\xff"]
        assert message.metadata["keys"] == ("k",)

    @pytest.mark.parametrize("words", [(), ("POST", "/"), ("x" * 70_000,)])
    def test_what_would_not_fit(self, words):
        with pytest.raises(LocalProtocolError):
            redis.inline(*words)
