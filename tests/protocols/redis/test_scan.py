"""Where messages end: framing alone, its errors with redis-server's words, and its limits."""

from __future__ import annotations

import pytest

from l7codec import LimitExceeded, Limits, RemoteProtocolError, Stream
from l7codec.limits import DEFAULT_LIMITS

from .talk import CLIENT, SERVER, read, waits, wrong


def limits(**changed):
    return Limits(**changed)


class TestRequests:
    @pytest.mark.parametrize(
        ("data", "body"),
        [
            (b"*1\r\n$4\r\nPING\r\n", [b"PING"]),
            (b"*2\r\n$4\r\nECHO\r\n$0\r\n\r\n", [b"ECHO", b""]),
            (b"*2\r\n$4\r\nECHO\r\n$4\r\n\r\n$1\r\n", [b"ECHO", b"\r\n$1"]),
            (b"*1\r\n$2\r\n\r\n\r\n", [b"\r\n"]),
            (b"*0\r\n", []),
            (b"*-1\r\n", []),
            (b"*-2147483649\r\n", []),
            (b"*-9223372036854775808\r\n", []),
            (b"*1\r\n$0\r\n\r\n", [b""]),
        ],
    )
    def test_good(self, data, body):
        (message,) = read(data, CLIENT)
        assert message.body == body

    @pytest.mark.parametrize(
        ("data", "at", "reason"),
        [
            (b"*x\r\n", 0, "invalid multibulk length"),
            (b"*\r\n", 0, "invalid multibulk length"),
            (b"*01\r\n", 0, "invalid multibulk length"),
            (b"*+1\r\n", 0, "invalid multibulk length"),
            (b"* 1\r\n", 0, "invalid multibulk length"),
            (b"*-0\r\n", 0, "invalid multibulk length"),
            (b"*1_0\r\n", 0, "invalid multibulk length"),
            ("*١\r\n".encode(), 0, "invalid multibulk length"),
            (b"*2147483648\r\n", 0, "invalid multibulk length"),
            (b"*-9223372036854775809\r\n", 0, "invalid multibulk length"),
            (b"*1\r\n:1\r\n", 4, "expected '$', got ':'"),
            (b"*1\r\n'1\r\n", 4, "expected '$', got '''"),
            (b"*1\r\n\xff1\r\n", 4, r"expected '$', got '\xff'"),
            (b"*1\r\n\r\n", 4, "expected '$', got ' '"),
            (b"*2\r\n$1\r\na\r\n+b\r\n", 11, "expected '$', got '+'"),
            (b"*1\r\n$\r\n", 4, "invalid bulk length"),
            (b"*1\r\n$-1\r\n", 4, "invalid bulk length"),
            (b"*1\r\n$01\r\n", 4, "invalid bulk length"),
            (b"*1\r\n$?\r\n", 4, "invalid bulk length"),
            (b"*1\r\n$1x\r\n", 4, "invalid bulk length"),
            # stricter than redis-server: length and string end in CR LF, nothing else
            (b"*1\n", 2, "LF without CR"),
            (b"*1\r\n$1\na\r\n", 6, "LF without CR"),
            (b"*1\rX$4\rXPING\r\n", 2, "CR without LF"),
            (b"*1\r\n$1\r\naXX", 9, "a string is not followed by CR LF"),
            (b"*1\r\n$1\r\na\r\r", 9, "a string is not followed by CR LF"),
        ],
    )
    def test_wrong(self, data, at, reason):
        error = wrong(data, CLIENT)
        assert (error.offset, error.reason) == (at, reason)
        assert type(error) is RemoteProtocolError
        behind = wrong(b"PING\r\n*1\r\n$4\r\nPING\r\n" + data, CLIENT, good=2)
        assert (behind.offset, behind.reason) == (at + 20, reason)

    @pytest.mark.parametrize(
        "data",
        [b"*", b"*1", b"*1\r", b"*1\r\n", b"*1\r\n$", b"*1\r\n$4\r\nPIN", b"*1\r\n$4\r\nPING\r", b"*99999999\r\n"],
    )
    def test_unfinished(self, data):
        waits(data, CLIENT)
        waits(b"*1\r\n$4\r\nPING\r\n" + data, CLIENT, good=1)

    @pytest.mark.parametrize(
        ("data", "at", "reason"),
        [
            (b"*" + b"1" * 65_536, 0, "too big mbulk count string"),
            (b"*1\r\n$" + b"1" * 65_536, 4, "too big bulk count string"),
            (b"A" * 65_537, 0, "too big inline request"),
            (b"*1\r\n$536870913\r\n", 4, "invalid bulk length: 536870913 is over the limit of 536870912"),
            # redis-server waits for this one until its query buffer is full
            (b"*2147483647\r\n", 0, "a message of 12884901895 bytes or more is over the limit of 1073741824"),
        ],
    )
    def test_limits_of_redis_server(self, data, at, reason):
        stream = Stream("redis", CLIENT)
        with pytest.raises(LimitExceeded) as caught:
            list(stream.receive_data(data))
        assert (caught.value.offset, caught.value.reason) == (at, reason)

    def test_the_longest_string(self):
        waits(b"*1\r\n$536870912\r\n", CLIENT)

    @pytest.mark.parametrize(
        ("changed", "data", "reason"),
        [
            ({"items": 2}, b"*3\r\n", "invalid multibulk length"),
            ({"value": 3}, b"*1\r\n$4\r\n", "invalid bulk length"),
            ({"message": 30}, b"*8\r\n", "a message of 52 bytes or more is over the limit of 30"),
            ({"message": 30}, b"*2\r\n$1\r\na\r\n$20\r\n", "over the limit of 30"),
            ({"line": 4}, b"PINGS", "too big inline request"),
            ({"line": 4}, b"PINGS\r\n", "too big inline request"),
        ],
    )
    def test_limits(self, changed, data, reason):
        error = wrong(data, CLIENT, limits=limits(**changed))
        assert isinstance(error, LimitExceeded)
        assert reason in error.reason

    @pytest.mark.parametrize(
        ("changed", "data"),
        [
            ({"items": 2}, b"*2\r\n$1\r\na\r\n$1\r\nb\r\n"),
            ({"value": 4}, b"*1\r\n$4\r\nPING\r\n"),
            ({"message": 14}, b"*1\r\n$4\r\nPING\r\n"),
        ],
    )
    def test_just_within_limits(self, changed, data):
        read(data, CLIENT, limits=limits(**changed))


class TestReplies:
    @pytest.mark.parametrize(
        ("data", "at", "reason"),
        [
            (b"\r\n", 0, "an empty line where a type is expected"),
            (b"x\r\n", 0, "expected a type, got 'x'"),
            (b"\xff\r\n", 0, r"expected a type, got '\xff'"),
            (b"$-2\r\n", 0, "invalid bulk length"),
            (b"!-1\r\n", 0, "invalid bulk length"),
            (b"$05\r\n", 0, "invalid bulk length"),
            (b"=3\r\n", 0, "invalid bulk length"),
            (b"=4\r\nabcd\r\n", 4, "a verbatim string does not begin with its format"),
            (b"*-2\r\n", 0, "invalid multibulk length"),
            (b"%-1\r\n", 0, "invalid multibulk length"),
            (b">?\r\n", 0, "invalid multibulk length"),
            (b"|?\r\n", 0, "invalid multibulk length"),
            (b"*1\r\nx\r\n", 4, "expected a type, got 'x'"),
            (b".\r\n", 0, "an end mark where a value is expected"),
            (b"*1\r\n.\r\n", 4, "an end mark where a value is expected"),
            (b"%?\r\n+a\r\n.\r\n", 8, "an end mark where a value is expected"),
            (b"*?\r\n|1\r\n.\r\n", 8, "an end mark where a value is expected"),
            (b";1\r\n", 0, "expected a type, got ';'"),
            (b"$?\r\n:1\r\n", 4, "expected ';', got ':'"),
            (b"$?\r\n;x\r\n", 4, "invalid length of a streamed string's piece"),
            (b"$?\r\n;1\r\na\n\n", 9, "a string is not followed by CR LF"),
            (b"+a\n", 2, "LF without CR"),
            (b"+a\rb\r\n", 2, "CR without LF"),
            (b"\n", 0, "LF without CR"),
        ],
    )
    def test_wrong(self, data, at, reason):
        error = wrong(data, SERVER)
        assert (error.offset, error.reason) == (at, reason)
        behind = wrong(b"+OK\r\n$1\r\na\r\n" + data, SERVER, good=2)
        assert (behind.offset, behind.reason) == (at + 12, reason)

    @pytest.mark.parametrize(
        "data", [b"*2\r\n:1\r\n", b"$?\r\n;1\r\na\r\n", b"*?\r\n", b"|1\r\n+a\r\n:1\r\n", b"%1\r\n:1\r\n"]
    )
    def test_unfinished(self, data):
        waits(data, SERVER)

    @pytest.mark.parametrize("opening", [b"*1\r\n", b"*?\r\n", b"~1\r\n", b"%1\r\n:1\r\n", b"|0\r\n"])
    def test_depth(self, opening):
        """Attributes nest what they speak of, too."""
        deepest = DEFAULT_LIMITS.depth
        levels = deepest if opening != b"|0\r\n" else deepest // 2
        waits(opening * (levels - 1), SERVER)
        error = wrong(opening * (2 * deepest), SERVER)
        assert isinstance(error, LimitExceeded)
        assert error.reason == f"nested deeper than the limit of {deepest}"

    @pytest.mark.parametrize(
        ("changed", "data", "reason"),
        [
            ({"items": 2}, b"*3\r\n", "3 elements are over the limit of 2"),
            ({"items": 2}, b"%3\r\n", "3 elements are over the limit of 2"),
            ({"value": 3}, b"$4\r\n", "invalid bulk length"),
            ({"value": 3}, b"+OKAY\r\n", "the line is too long"),
            ({"line": 3}, b":1000\r\n", "the line is too long"),
            ({"message": 20}, b"*7\r\n", "over the limit of 20"),
            ({"message": 20}, b"%4\r\n", "over the limit of 20"),
            ({"message": 20}, b"$20\r\n", "over the limit of 20"),
            ({"message": 20}, b"*?\r\n" + b":1\r\n" * 5, "more than the limit of 20"),
            ({"message": 20}, b"*3\r\n+aaaa\r\n+aaaa\r\n+aaaa\r\n", "more than the limit of 20"),
            ({"message": 20}, b"$?\r\n;4\r\naaaa\r\n;4\r\n", "over the limit of 20"),
            ({"message": 20}, b"+" + b"a" * 30 + b"\r\n", "more than the limit of 20"),
        ],
    )
    def test_limits(self, changed, data, reason):
        error = wrong(data, SERVER, limits=limits(**changed))
        assert isinstance(error, LimitExceeded)
        assert reason in error.reason

    def test_lines_of_any_length(self):
        """MONITOR shows whole values, and a script's error may be any length."""
        for kind in (b"+", b"-", b"("):
            (message,) = read(kind + b"1" * 70_000 + b"\r\n", SERVER)
            assert message.size == 70_003
        assert wrong(b":" + b"1" * 70_000, SERVER).reason == "the line is too long"
