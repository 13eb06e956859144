"""Codecs declared by their header."""

from __future__ import annotations

import importlib
import json
import pickle
import struct
import sys
import zlib
from typing import Any

import pytest
from construct import Array, Byte, Bytes, Const, Enum, Float32b, GreedyBytes, Int8ub, Int16ub, Int32ub, Struct, this

import l7codec
from l7codec import (
    BodyError,
    Kind,
    LimitExceeded,
    Limits,
    LocalProtocolError,
    MissingExtra,
    RemoteProtocolError,
    Side,
    Stream,
    decode,
    encode,
    to_dict,
)
from l7codec.declarative import HeaderCodec
from tests.laws import split
from tests.toys import AwesomeRPC, Tally


@pytest.fixture(autouse=True)
def _registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(l7codec.registry, "_codecs", dict(l7codec.registry._codecs))


def declare(**members: Any) -> type[HeaderCodec]:
    """A codec with these members, and a header of a length and a kind where they name none."""
    header = Struct("kind" / Int8ub, "length" / Int16ub)
    codec = type("Declared", (HeaderCodec,), {"name": "declared", "header": header, "length": this.length, **members})
    return l7codec.register(codec)


def frame(payload: bytes = b"", kind: int = 0) -> bytes:
    return struct.pack(">BH", kind, 3 + len(payload)) + payload


# -- what a declaration gives -----------------------------------------------------------------------------------------


def test_the_example() -> None:
    # "AW" | kind | id | length of service | total | service, arguments
    data = bytes.fromhex("4157 00 0000002a 0006 00000015") + b"orders" + b"\x01\x02"
    (message,) = decode("awesome", data)
    assert (message.kind, message.id, message.metadata) == (Kind.REQUEST, 42, {"service": "orders"})
    assert message.body == b"orders\x01\x02"
    assert encode(message) == data
    assert encode(message, {"id": 43, "body": b"x"}) == bytes.fromhex("4157 00 0000002b 0006 0000000e") + b"x"


def test_built_from_fields() -> None:
    message = AwesomeRPC.message(b"orders", side=Side.SERVER, kind=1, id=7, service=6)
    assert message.raw == bytes.fromhex("4157 01 00000007 0006 00000013") + b"orders"
    assert (message.side, message.kind, message.id) == (Side.SERVER, Kind.RESPONSE, 7)


def test_the_length_may_be_computed_from_its_field() -> None:
    message = Tally.message(b"abc", flag=9)
    assert message.raw == b"\x00\x04\x09abc"
    assert message.body == "abc"
    assert encode(message, {"body": b""}) == b"\x00\x01\x09"


def test_without_a_declared_kind_the_client_asks() -> None:
    assert decode("tally", Tally.message(flag=0).raw)[0].kind is Kind.REQUEST
    assert decode("tally", Tally.message(flag=0).raw, Side.SERVER)[0].kind is Kind.RESPONSE


@pytest.mark.parametrize("kind", [Kind.PUSH, "push", lambda header: "push"])
def test_ways_to_say_the_kind(kind: Any) -> None:
    declare(kind=kind)
    assert decode("declared", frame())[0].kind is Kind.PUSH


def test_an_id_may_be_absent_from_some_messages() -> None:
    declare(id=lambda header: header.kind or None)
    assert [message.id for message in decode("declared", frame(kind=0) + frame(kind=5))] == [None, 5]


def test_an_heir_may_change_a_part() -> None:
    class Heir(Tally):
        name = "heir"
        length = lambda header: header.length + 3  # noqa: E731
        payload = lambda header, payload: payload.upper()  # noqa: E731

    (message,) = decode(Heir, b"\x00\x01\x00a")
    assert message.body == b"A"


# -- what is wrong ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"X", b"AX", b"AWAW", b"AW" + bytes(11), b"AW\x07" + bytes(6) + b"\0\0\0\x0d"])
def test_an_error_does_not_depend_on_the_pieces(data: bytes) -> None:
    def outcome(pieces: list[bytes]) -> Any:
        stream = Stream("awesome", Side.CLIENT)
        try:
            for piece in pieces:
                list(stream.receive_data(piece))
        except RemoteProtocolError:
            return type(stream.error), str(stream.error)
        return None

    assert outcome([data]) == outcome(split(data))


def test_a_wrong_constant_is_located() -> None:
    with pytest.raises(RemoteProtocolError, match="begins with b'AW'") as caught:
        decode("awesome", b"A?")
    assert caught.value.offset == 1


def test_a_length_shorter_than_the_header() -> None:
    with pytest.raises(RemoteProtocolError, match="length 12 is shorter than the header, which has 13"):
        decode("awesome", AwesomeRPC.message(kind=0, id=1, service=0).raw[:-1] + b"\x0c")


def test_a_length_over_the_limit() -> None:
    with pytest.raises(LimitExceeded, match="length 20 is over the limit of 19"):
        decode("awesome", AwesomeRPC.message(b"orders!", kind=0, id=1, service=0).raw[:13], limits=Limits(message=19))


def test_an_unknown_kind() -> None:
    with pytest.raises(RemoteProtocolError, match="unknown kind 9"):
        decode("awesome", AwesomeRPC.message(kind=0, id=1, service=0).raw.replace(b"AW\0", b"AW\x09"))


def failing(error: Exception) -> Any:
    def fail(*_: Any) -> Any:
        raise error

    return fail


ERRORS = [struct.error("short"), zlib.error("bad"), KeyError("k"), RecursionError("deep"), AssertionError(), OSError()]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("part", ["length", "kind", "id"])
def test_whatever_a_declared_function_raises_is_the_peers_fault(error: Exception, part: str) -> None:
    declare(**{part: failing(error)})
    with pytest.raises(RemoteProtocolError):
        decode("declared", frame())


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_bad_metadata_and_payload_do_not_end_the_stream(error: Exception) -> None:
    declare(
        metadata={"service": failing(error), "method": lambda header, raw: "get"},
        payload=failing(error),
    )
    first, second = decode("declared", frame(b"abc") + frame())
    assert first.metadata == second.metadata == {"method": "get"}
    assert isinstance(first.error, BodyError)
    with pytest.raises(BodyError):
        _ = first.body


@pytest.mark.parametrize(
    ("key", "value", "why"),
    [
        ("service", b"orders", "bytes is not str"),
        ("service", 7, "int is not str"),
        ("service", ("a",), "tuple is not str"),
        ("peer.port", True, "bool is not int"),
        ("peer.port", 1.5, "float is not int"),
        ("keys", "k", "str is not tuple"),
        ("keys", [b"k"], "other things than text"),
        ("header.x", 7, "int is not object"),
        ("keys", ["k"] * 4, "4 values are over the limit of 3"),
        ("declared.x", "no", "str is not int"),
    ],
)
def test_metadata_of_the_wrong_type_is_left_out_and_told(key: str, value: Any, why: str) -> None:
    declare(metadata={key: lambda header, raw: value}, vocabulary={"declared.x": int})
    (message,) = decode("declared", frame(), limits=Limits(values=3))
    assert message.metadata == {}
    assert why in str(message.error)


@pytest.mark.parametrize(
    ("key", "value"),
    [("service", "s"), ("peer.port", 5), ("redis.write", True), ("keys", ["a", "b"]), ("header.x", "v")],
)
def test_metadata_of_the_right_type(key: str, value: Any) -> None:
    declare(metadata={key: lambda header, raw: value})
    (message,) = decode("declared", frame())
    assert message.metadata == {key: tuple(value) if isinstance(value, list) else value}
    assert message.error is None


@pytest.mark.parametrize("value", [None, ""])
def test_what_is_not_there_is_absent(value: Any) -> None:
    declare(metadata={"service": lambda header, raw: value})
    (message,) = decode("declared", frame())
    assert message.metadata == {}
    assert message.error is None


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ({"header": Struct("rest" / GreedyBytes)}, "has no fixed size"),
        ({"metadata": {"declared.x": len}}, "'declared.x' is no key of the vocabulary"),
        ({"kind": {0: "question"}}, "'question' is none of"),
        ({"kind": {0: "request"}, "header": Struct("length" / Int16ub)}, "no field 'kind'"),
    ],
)
def test_a_declaration_that_cannot_be(members: dict[str, Any], why: str) -> None:
    with pytest.raises(TypeError, match=why):
        declare(**members)


# -- payloads that construct parses -----------------------------------------------------------------------------------

POINT = Struct("colour" / Enum(Byte, red=1), "xy" / Array(2, Struct("v" / Int8ub)))


def test_what_construct_parses_is_plain_data() -> None:
    declare(payload=lambda header, payload: POINT.parse(payload))
    (message,) = decode("declared", frame(b"\x01\x07\x08"))
    assert message.body == {"colour": "red", "xy": [{"v": 7}, {"v": 8}]}
    assert type(message.body) is dict
    assert type(message.body["xy"]) is list
    assert json.loads(json.dumps(to_dict(message, body=True)))["body"]["xy"] == [{"v": 7}, {"v": 8}]
    assert pickle.loads(pickle.dumps(message)).body == message.body


def test_a_payload_of_json() -> None:
    declare(payload=lambda header, payload: json.loads(payload))
    good, odd, bad, deep = decode("declared", b"".join(map(frame, (b'{"a": 1}', rb'"\ud800"', b"{", b"[" * 60_000))))
    assert good.body == {"a": 1}
    json.dumps(to_dict(odd, body=True), ensure_ascii=False).encode()
    for message in (bad, deep):
        with pytest.raises(BodyError):
            _ = message.body


# -- writing ----------------------------------------------------------------------------------------------------------


def test_fields_that_cannot_be_built() -> None:
    for fields in ({}, {"flag": 300}, {"flag": "x"}, {"flag": 1, "flak": 2}):
        with pytest.raises(LocalProtocolError):
            Tally.message(b"", **fields)
    with pytest.raises(LocalProtocolError, match="unknown kind 7"):
        AwesomeRPC.message(kind=7, id=1, service=0)
    with pytest.raises(LocalProtocolError, match="length"):
        Tally.message(bytes(70_000), flag=1)


def test_edits_that_cannot_be_made() -> None:
    message = AwesomeRPC.message(kind=0, id=1, service=0)
    for edits in ({"id": -1}, {"id": None}, {"id": "x"}, {"body": "text"}, {"service": "x"}):
        with pytest.raises(LocalProtocolError):
            encode(message, edits)
    assert encode(message, {"body": None}) == message.raw


def test_only_what_can_be_set_is_an_edit() -> None:
    assert AwesomeRPC.edits == {"body", "id"}
    assert Tally.edits == {"body"}
    assert declare(length=lambda header: 3 + header.kind * 2 + header.length).edits == set()
    assert declare(length=3, id=this.kind).edits == {"id"}


def test_a_length_in_steps() -> None:
    codec = declare(header=Struct("words" / Int8ub), length=this.words * 4 + 4)
    (message,) = decode("declared", b"\x00abc\x01abcdefg")[:1]
    assert encode(message, {"body": bytes(7)}) == b"\x01" + bytes(7)
    with pytest.raises(LocalProtocolError, match="a message of 9 bytes has no value of 'words'"):
        encode(message, {"body": bytes(8)})
    assert codec.edits == {"body"}


def test_other_bytes_of_the_header_are_kept() -> None:
    declare(header=Struct("odd" / Float32b, "pad" / Bytes(2), "length" / Int16ub))
    data = b"\x7f\xc0\x00\x01??\x00\x0aab"
    (message,) = decode("declared", data)
    assert encode(message, {"body": b"x"}) == b"\x7f\xc0\x00\x01??\x00\x09x"


# -- gaps and detection -----------------------------------------------------------------------------------------------


def test_a_hole_in_the_payload() -> None:
    data = AwesomeRPC.message(b"orders" + bytes(10), kind=0, id=5, service=6).raw
    stream = Stream("awesome", Side.CLIENT)
    list(stream.receive_data(data[:15]))
    list(stream.receive_gap(4))
    (message,) = stream.receive_data(data[19:])
    assert (message.id, message.missing, message.metadata) == (5, 4, {})
    assert "4 bytes are missing" in str(message.error)


def test_without_magic_nothing_is_found_again() -> None:
    stream = Stream("tally", Side.CLIENT)
    list(stream.receive_gap(1))
    assert list(stream.receive_data(Tally.message(flag=1).raw * 5)) == []
    assert stream.skipped == 15


def test_magic_is_more_than_one_byte() -> None:
    declare(header=Struct("magic" / Const(b"!"), "length" / Int16ub))
    stream = Stream("declared", Side.CLIENT)
    list(stream.receive_gap())
    assert list(stream.receive_data(b"!\x00\x03" * 2)) == []


def test_constants_in_a_row_are_one_magic() -> None:
    header = Struct(Const(b"AB"), "version" / Const(1, Int16ub), "length" / Int32ub, Const(b"Z"))
    codec = declare(header=header)
    data = b"AB\x00\x01\x00\x00\x00\x09Z"
    assert l7codec.detect(data, protocols=["declared"]) == "declared"
    assert codec.sniff(b"AB\x00\x02", Side.CLIENT).answer == "no"
    with pytest.raises(RemoteProtocolError):
        decode("declared", data[:-1] + b"Y")


def test_without_construct(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "construct", None)
    monkeypatch.delitem(sys.modules, "l7codec.declarative")
    with pytest.raises(MissingExtra, match=r"pip install 'l7codec\[declare\]'"):
        importlib.import_module("l7codec.declarative")
