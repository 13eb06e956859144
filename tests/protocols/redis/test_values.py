"""RESP values: the specification's examples, read and written."""

from __future__ import annotations

import json
import math
import pickle

import pytest

from l7codec import BodyError, LocalProtocolError, to_dict
from l7codec.protocols import redis
from l7codec.protocols.redis import (
    NULL_ARRAY,
    Attributed,
    BigNumber,
    Error,
    Pairs,
    Push,
    Set,
    Streamed,
    Verbatim,
    pack_value,
    read_value,
)

from .talk import SERVER, read

# https://redis.io/docs/latest/develop/reference/protocol-spec/ and RESP3.md
VECTORS = [
    (b"+OK\r\n", "OK"),
    (b"+\r\n", ""),
    (b"-Error message\r\n", Error("Error", "message")),
    (b"-ERR unknown command 'asdf'\r\n", Error("ERR", "unknown command 'asdf'")),
    (b"-\r\n", Error("")),
    (b"-ONE\r\n", Error("ONE")),
    (b":0\r\n", 0),
    (b":1000\r\n", 1000),
    (b":9223372036854775807\r\n", 2**63 - 1),
    (b":-9223372036854775808\r\n", -(2**63)),
    (b"$5\r\nhello\r\n", b"hello"),
    (b"$0\r\n\r\n", b""),
    (b"$2\r\n\r\n\r\n", b"\r\n"),
    (b"*0\r\n", []),
    (b"*2\r\n$5\r\nhello\r\n$5\r\nworld\r\n", [b"hello", b"world"]),
    (b"*5\r\n:1\r\n:2\r\n:3\r\n:4\r\n$5\r\nhello\r\n", [1, 2, 3, 4, b"hello"]),
    (b"*2\r\n*3\r\n:1\r\n:2\r\n:3\r\n*2\r\n+Hello\r\n-World\r\n", [[1, 2, 3], ["Hello", Error("World")]]),
    (b"#t\r\n", True),
    (b"#f\r\n", False),
    (b",1.23\r\n", 1.23),
    (b",inf\r\n", math.inf),
    (b",-inf\r\n", -math.inf),
    (b"(3492890328409238509324850943850943825024385\r\n", BigNumber("3492890328409238509324850943850943825024385")),
    (b"!21\r\nSYNTAX invalid syntax\r\n", Error("SYNTAX", "invalid syntax", blob=True)),
    (b"=15\r\ntxt:Some string\r\n", Verbatim("txt", b"Some string")),
    (b"=4\r\nmkd:\r\n", Verbatim("mkd", b"")),
    (b"%2\r\n+first\r\n:1\r\n+second\r\n:2\r\n", {"first": 1, "second": 2}),
    (b"%0\r\n", {}),
    (b"~3\r\n+orange\r\n+apple\r\n#t\r\n", Set(["orange", "apple", True])),
    (b">4\r\n+pubsub\r\n+message\r\n+somechannel\r\n+this is the message\r\n",
     Push(["pubsub", "message", "somechannel", "this is the message"])),
    (b"|1\r\n+key-popularity\r\n%2\r\n$1\r\na\r\n,0.1923\r\n$1\r\nb\r\n,0.0012\r\n*2\r\n:2039123\r\n:9543892\r\n",
     Attributed({"key-popularity": {b"a": 0.1923, b"b": 0.0012}}, [2039123, 9543892])),
    (b"*3\r\n:1\r\n:2\r\n|1\r\n+ttl\r\n:3600\r\n:3\r\n", [1, 2, Attributed({"ttl": 3600}, 3)]),
    (b"|0\r\n|0\r\n:1\r\n", Attributed({}, Attributed({}, 1))),
]  # fmt: skip

READ_ONLY = [
    (b"$-1\r\n", None),
    (b"*-1\r\n", None),
    (b"_\r\n", None),
    (b"*3\r\n$-1\r\n*-1\r\n_\r\n", [None, None, None]),
    (b":+5\r\n", 5),
    (b":007\r\n", 7),
    (b",10\r\n", 10.0),
    (b",.5\r\n", 0.5),
    (b",1.\r\n", 1.0),
    (b",1E-3\r\n", 0.001),
    (b",INF\r\n", math.inf),
    (b"$?\r\n;4\r\nHell\r\n;5\r\no wor\r\n;1\r\nd\r\n;0\r\n", b"Hello word"),
    (b"$?\r\n;0\r\n", b""),
    (b"*?\r\n:1\r\n:2\r\n:3\r\n.\r\n", [1, 2, 3]),
    (b"~?\r\n.\r\n", Set()),
    (b"%?\r\n+a\r\n:1\r\n+b\r\n:2\r\n.\r\n", {"a": 1, "b": 2}),
    (b"*?\r\n*?\r\n.\r\n%?\r\n$?\r\n;1\r\na\r\n;0\r\n|1\r\n+x\r\n:1\r\n:2\r\n.\r\n.\r\n",
     [[], {b"a": Attributed({"x": 1}, 2)}]),
    (b"%2\r\n+a\r\n:1\r\n+a\r\n:2\r\n", Pairs([("a", 1), ("a", 2)])),
    (b"%2\r\n:1\r\n+a\r\n#t\r\n+b\r\n", Pairs([(1, "a"), (True, "b")])),
    (b"%1\r\n*0\r\n:1\r\n", Pairs([([], 1)])),
    (b"%1\r\n|1\r\n+a\r\n:1\r\n:2\r\n:3\r\n", Pairs([(Attributed({"a": 1}, 2), 3)])),
]  # fmt: skip


def same(one, other):
    return one == other and type(one) is type(other)


@pytest.mark.parametrize(("wire", "value"), VECTORS + READ_ONLY)
def test_read(wire, value):
    (message,) = read(wire, SERVER)
    assert same(message.body, value)
    assert same(read_value(wire), value)


@pytest.mark.parametrize(("wire", "value"), VECTORS)
def test_write(wire, value):
    written = pack_value(value, 3)
    assert written == wire
    assert same(read_value(written), value)


@pytest.mark.parametrize("wire", [b",nan\r\n", b",-nan\r\n", b",NaN\r\n"])
def test_nan(wire):
    assert math.isnan(read_value(wire))
    assert pack_value(read_value(wire), 3) == b",nan\r\n"


@pytest.mark.parametrize(
    ("wire", "at", "reason"),
    [
        (b": 5\r\n", 0, "' 5' is not an integer of 64 bits"),
        (b":1_0\r\n", 0, "not an integer"),
        (b":9223372036854775808\r\n", 0, "not an integer of 64 bits"),
        (b":\r\n", 0, "not an integer"),
        (b"*2\r\n:1\r\n:x\r\n", 8, "not an integer"),
        (b"#true\r\n", 0, "is not t or f"),
        (b"_x\r\n", 0, "is not nothing"),
        (b",0x1p3\r\n", 0, "not a double"),
        (b",1_0\r\n", 0, "not a double"),
        (b", 1\r\n", 0, "not a double"),
        (b",\r\n", 0, "not a double"),
        (b",infinity\r\n", 0, "not a double"),
        (b"(12a\r\n", 0, "not a big number"),
        (b"(\r\n", 0, "not a big number"),
    ],
)
def test_a_line_that_is_not_what_its_type_says(wire, at, reason):
    """Framing does not suffer: the message is delivered, and its body says what is wrong."""
    (message,) = read(wire, SERVER)
    with pytest.raises(BodyError, match=reason) as caught:
        message.body  # noqa: B018
    assert caught.value.offset == at + 1
    with pytest.raises(BodyError) as again:
        message.body  # noqa: B018
    assert again.value is caught.value


class TestWriting:
    @pytest.mark.parametrize(
        ("value", "resp2", "resp3"),
        [
            (None, b"$-1\r\n", b"_\r\n"),
            (NULL_ARRAY, b"*-1\r\n", b"*-1\r\n"),
            (True, b":1\r\n", b"#t\r\n"),
            (False, b":0\r\n", b"#f\r\n"),
            ((1, b"a"), b"*2\r\n:1\r\n$1\r\na\r\n", b"*2\r\n:1\r\n$1\r\na\r\n"),
            (bytearray(b"a"), b"$1\r\na\r\n", b"$1\r\na\r\n"),
            (memoryview(b"a"), b"$1\r\na\r\n", b"$1\r\na\r\n"),
            ("é", b"+\xc3\xa9\r\n", b"+\xc3\xa9\r\n"),
        ],
    )
    def test_both_versions(self, value, resp2, resp3):
        assert pack_value(value) == resp2
        assert pack_value(value, 3) == resp3

    @pytest.mark.parametrize(
        "value", [1.5, {}, Set(), {1}, Push(), Pairs(), BigNumber(1), Verbatim("txt", b""), Attributed({}, 1),
                  Streamed([]), Error("ERR", "", blob=True), [[{}]]],
    )  # fmt: skip
    def test_resp2_has_no_form(self, value):
        with pytest.raises(LocalProtocolError, match="RESP2 has no form"):
            pack_value(value)

    @pytest.mark.parametrize(
        "value",
        [object(), 1j, 2**63, -(2**63) - 1, "a\r\nb", "a\n", Error("ERR", "a\nb"), BigNumber("x"), BigNumber(""),
         Verbatim("text", b""), Streamed(Push()), Streamed(1), Streamed("text"), [object()]],
    )  # fmt: skip
    def test_no_form_at_all(self, value):
        with pytest.raises(LocalProtocolError):
            pack_value(value, 3)

    @pytest.mark.parametrize(
        ("value", "wire"),
        [
            (Streamed(b"Hello word", (4, 5)), b"$?\r\n;4\r\nHell\r\n;5\r\no wor\r\n;1\r\nd\r\n;0\r\n"),
            (Streamed(b""), b"$?\r\n;0\r\n"),
            (Streamed(b"ab"), b"$?\r\n;2\r\nab\r\n;0\r\n"),
            (Streamed([1, Streamed([])]), b"*?\r\n:1\r\n*?\r\n.\r\n.\r\n"),
            (Streamed(Set([1])), b"~?\r\n:1\r\n.\r\n"),
            (Streamed({1: 2}), b"%?\r\n:1\r\n:2\r\n.\r\n"),
            (Streamed(Pairs([(1, 2), (1, 3)])), b"%?\r\n:1\r\n:2\r\n:1\r\n:3\r\n.\r\n"),
            (frozenset([1]), b"~1\r\n:1\r\n"),
            (1e16, b",1e+16\r\n"),
        ],
    )
    def test_forms_of_resp3(self, value, wire):
        assert pack_value(value, 3) == wire
        read(wire, SERVER)

    def test_deep(self):
        value = []
        for _ in range(100_000):
            value = [value]
        assert pack_value(value) == b"*1\r\n" * 100_000 + b"*0\r\n"

    def test_a_reply_that_nobody_would_take(self):
        value = []
        for _ in range(200):
            value = [value]
        with pytest.raises(LocalProtocolError, match="no peer would take it: nested deeper"):
            redis.reply(value)


class TestClasses:
    def test_equality(self):
        assert Error("ERR", "a") == Error.from_text("ERR a")
        assert Error("ERR", "a") != Error("ERR", "a", blob=True)
        assert Error("ERR") != "ERR"
        assert BigNumber(5) == BigNumber("5")
        assert len({Error("ERR"), Error("ERR"), BigNumber(1), Verbatim("txt", b"a")}) == 3

    def test_text(self):
        assert str(Error("ERR", "a b")) == "ERR a b"
        assert str(Error("ERR")) == "ERR"
        assert repr(Verbatim("txt", b"a")) == "Verbatim('txt', b'a')"
        assert repr(NULL_ARRAY) == "NULL_ARRAY"

    def test_big_numbers_are_kept_as_text(self):
        digits = "9" * 10_000  # more than int() converts unasked
        assert read_value(f"({digits}\r\n".encode()) == BigNumber(digits)
        assert int(BigNumber("-12")) == -12
        with pytest.raises(ValueError, match="4300"):
            int(BigNumber(digits))

    @pytest.mark.parametrize(("wire", "value"), VECTORS)
    def test_pickle(self, wire, value):
        assert pickle.loads(pickle.dumps(value)) == value

    def test_json(self):
        wire = b"*9\r\n+t\r\n$1\r\n\xff\r\n-ERR x\r\n(7\r\n=5\r\ntxt:a\r\n~1\r\n:1\r\n%1\r\n*0\r\n:1\r\n"
        wire += b"|1\r\n+a\r\n,inf\r\n_\r\n>1\r\n+p\r\n"
        (message,) = read(wire, SERVER)
        row = to_dict(message, body=True)["body"]
        assert json.loads(json.dumps(row, allow_nan=False)) == row
        assert row[2:5] == [{"$error": "ERR x"}, {"$big": "7"}, {"$verbatim": "txt", "text": row[4]["text"]}]
        assert row[5] == {"$set": [1]}
        assert row[6] == {"$map": [[[], 1]]}
        assert row[8] == {"$push": ["p"]}
