"""What requests and responses say, and what edits make of it."""

from __future__ import annotations

from typing import Any

import pytest

import l7codec
from l7codec import LocalProtocolError, Message, Side, decode, encode
from l7codec.hessian2 import Date, JavaList, JavaLong, JavaMap, JavaObject, Reader
from l7codec.protocols import dubbo
from l7codec.protocols.dubbo.jsonb import JsonbValues, write_jsonb

from .test_frames import HEAD, frame, one

CLIENT, SERVER = Side.CLIENT, Side.SERVER
READ = ("hessian2", "fastjson", "fastjson2", "gson")
every_form = pytest.mark.parametrize("serialization", READ)


def again(message: Message, edits: dict[str, Any]) -> Message:
    (edited,) = decode("dubbo", encode(message, edits), message.side)
    assert edited.error is None
    return edited


# -- descriptors ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("descriptor", "types"),
    [
        ("", ()),
        (
            "Ljava/lang/String;[Ljava/lang/String;[Ljava/lang/Object;",
            ("java.lang.String", "java.lang.String[]", "java.lang.Object[]"),
        ),
        ("BCDFIJSZV", ("byte", "char", "double", "float", "int", "long", "short", "boolean", "void")),
        ("[[ILa/B$C;", ("int[][]", "a.B$C")),
    ],
)
def test_descriptors(descriptor, types):
    assert dubbo.parse(descriptor) == types
    assert dubbo.describe(types) == descriptor


@pytest.mark.parametrize("wrong", ["X", "L;", "Ljava", "[", "I;", "[" * 256 + "I", " I", "L[;"])
def test_what_is_no_descriptor(wrong):
    assert dubbo.parse(wrong) is None


@pytest.mark.parametrize("wrong", ["", "[]", "int[", "int]", "a;b", "int[]x", "a b"])
def test_what_is_no_type(wrong):
    with pytest.raises(ValueError, match="no Java type"):
        dubbo.describe([wrong])


# -- requests ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("head", "attachments", "version", "conflict"),
    [
        ("1.0", {}, "1.0", None),
        ("1.0", {"version": "1.0"}, "1.0", None),
        ("1.0", {"version": "2.0"}, "2.0", ("version",)),
        ("1.0", {"version": None}, None, ("version",)),
        ("1.0", {"version": ""}, None, ("version",)),
        ("0.0.0", {"version": ""}, None, None),
        (None, {"version": "*"}, None, None),
        ("", {"version": "1.0"}, "1.0", ("version",)),
    ],
)
def test_the_version_that_is_obeyed(head, attachments, version, conflict):
    message = dubbo.invocation("Orders", "find")
    body = {**message.body, "version": head, "attachments": attachments}
    edited = again(message, {"body": body})
    assert edited.metadata.get("version") == version
    assert edited.metadata.get("dubbo.conflict") == conflict


@every_form
def test_the_service_that_is_obeyed(serialization):
    message = dubbo.invocation("Orders", "find", attachments={"path": "Stock"}, serialization=serialization)
    assert message.metadata["service"] == "Stock"
    assert message.metadata["dubbo.conflict"] == ("path",)
    edited = again(message, {"service": "Bills", "version": "3.0", "group": "red"})
    assert edited.metadata["service"] == "Bills"
    assert (edited.metadata["version"], edited.metadata["group"]) == ("3.0", "red")
    assert "dubbo.conflict" not in edited.metadata
    assert (edited.body["path"], edited.body["version"]) == ("Bills", "3.0")
    assert edited.body["attachments"]["path"] == "Bills"
    assert edited.body["attachments"]["interface"] == "Bills"


@every_form
@pytest.mark.parametrize("outer", ["$invoke", "$invokeAsync"])
def test_generic_calls_are_seen_through(serialization, outer):
    if serialization in ("fastjson", "gson"):
        inner = [" \tfind\n ", ["long"], [17]]
        descriptor = "Ljava/lang/String;[Ljava/lang/String;[Ljava/lang/Object;"
        message = dubbo.invocation("Orders", outer, inner, descriptor, serialization=serialization)
    else:
        message = dubbo.generic("Orders", " \tfind\n ", [17], ["long"], outer=outer, serialization=serialization)
    assert message.error is None
    assert message.metadata["method"] == "find"
    assert message.metadata["dubbo.generic"] == outer
    assert message.metadata["dubbo.parameter_types"] == ("long",)
    edited = again(message, {"method": "other"})
    assert (edited.metadata["method"], edited.metadata["dubbo.generic"]) == ("other", outer)
    assert edited.body["method"] == outer
    assert list(edited.body["arguments"][2]) == [17]


@pytest.mark.parametrize("first", [17, None, "", "  ", ["find"]])
def test_a_generic_call_that_hides_its_method_otherwise_is_an_error(first):
    message = dubbo.generic("Orders", "find", [17], ["long"])
    body = message.body
    body["arguments"][0] = first
    (edited,) = decode("dubbo", encode(message, {"body": body}), CLIENT)
    assert edited.error is not None
    assert "method" not in edited.metadata


def test_echo_is_named():
    message = dubbo.invocation("Orders", "$echo", ["x"], ["java.lang.Object"])
    assert (message.metadata["method"], message.metadata["dubbo.generic"]) == ("$echo", "$echo")


def test_dubbox_writes_a_count():
    with_descriptor = one(frame(0xC2, 0, 1, HEAD + b"\x8f\x01I\xa1H\x04user\x03adaZ"))
    assert with_descriptor.error is None
    assert with_descriptor.metadata["dubbo.parameter_types"] == ("int",)
    assert with_descriptor.body["argument_count"] == -1
    assert again(with_descriptor, {"method": "other", "header.user": "bob"}).metadata["header.user"] == "bob"
    without = one(frame(0xC2, 0, 1, HEAD + b"\x92\xa1\x01xH\x04user\x03adaZ"))
    assert without.error is None
    assert without.body["arguments"] == [17, "x"]
    assert without.metadata["header.user"] == "ada"
    assert "dubbo.parameter_types" not in without.metadata
    assert encode(without, {"body": without.body}) == without.raw


def test_attachments_of_every_type():
    attachments = {"a": "x", "n": 7, "l": JavaLong(1 << 40), "t": True, "d": 0.5, "none": None, "list": [1], "e": ""}
    metadata = dubbo.invocation("Orders", "find", attachments=attachments).metadata
    found = {name: value for name, value in metadata.items() if name.startswith("header.")}
    assert {name: found.get(f"header.{name}") for name in attachments} == {
        "a": "x",
        "n": "7",
        "l": "1099511627776",
        "t": "true",
        "d": "0.5",
        "none": None,
        "list": None,
        "e": "",
    }


def test_a_name_that_comes_twice():
    """A Java map keeps the last: that is what counts for service, version and group."""
    twice = JavaMap([("user", "a"), ("version", "1.0"), ("user", "b"), ("version", "2.0"), (17, "x"), ("user", None)])
    message = dubbo.invocation("Orders", "find")
    message = again(message, {"body": {**message.body, "attachments": twice}})
    assert message.metadata["header.user"] == ("a", "b")
    assert message.metadata["version"] == "2.0"
    edited = again(message, {"header.user": "c"})
    assert edited.metadata["header.user"] == "c"
    assert edited.metadata["header.version"] == ("1.0", "2.0")
    assert list(again(message, {"version": "3.0"}).body["attachments"].items()).count(("version", "3.0")) == 1


def test_too_many_of_one_name_are_no_metadata():
    limit = l7codec.Limits().values
    many = JavaMap([("user", "a")] * (limit + 1) + [("other", "b")])
    message = dubbo.invocation("Orders", "find")
    (message,) = decode("dubbo", encode(message, {"body": {**message.body, "attachments": many}}), CLIENT)
    assert message.error is not None
    assert "header.user" not in message.metadata
    assert message.metadata["header.other"] == "b"


# -- edits ------------------------------------------------------------------------------------------------------------

ORDER = JavaObject("com.example.Order", {"id": JavaLong(1), "lines": ["a"], "parent": None})
ORDER["parent"] = ORDER


def test_arguments_keep_their_bytes_and_attachments_their_meaning():
    """An attachment that is an object of a class, and the very object, among the arguments."""
    message = dubbo.invocation("Orders", "store", [ORDER, [ORDER]], ["a.O", "java.util.List"], version="1.0")
    body = message.body
    shared = body["arguments"][0]
    other = JavaObject("com.example.Order", {"id": JavaLong(2), "lines": JavaList(["b"], "a.L"), "parent": None})
    body["attachments"] = {"shared": shared, "again": shared, "other": other, "user": "ada"}
    message = again(message, {"body": body})
    at = message.raw.index(b"C\x11com.example.Order")
    edited = again(message, {"header.user": "bob", "header.added": "x", "id": 99, "method": "keep"})
    before = message.raw[at : message.raw.index(b"\x06shared")]
    assert before[:-1] in edited.raw  # but for the map's tag
    assert edited.id == 99
    assert (edited.metadata["header.user"], edited.metadata["header.added"]) == ("bob", "x")
    found = edited.body["attachments"]
    assert found["shared"]["id"] == 1
    assert found["shared"]["parent"] is found["shared"] is found["again"]
    assert found["other"]["lines"].type == "a.L"
    first, second = edited.body["arguments"]
    assert first["parent"] is first is second[0]


def test_what_follows_the_attachments_stays():
    body = HEAD + b"\x00H\x04user\x03adaZ" + b"N" + b"\x04tail"
    message = one(frame(0xC2, 0, 1, body))
    assert message.error is None
    edited = again(message, {"header.user": "bob"})
    assert edited.raw.endswith(b"\x03bobZN\x04tail")
    assert one(frame(0xC2, 0, 1, body[:-6])).metadata["header.user"] == "ada"


def test_removing_what_is_not_there_and_adding_to_nothing():
    bare = one(frame(0xC2, 0, 1, HEAD + b"\x00"))
    assert bare.error is None
    assert again(bare, {"header.user": "ada", "group": "g"}).metadata["group"] == "g"
    null = one(frame(0xC2, 0, 1, HEAD + b"\x00N"))
    assert again(null, {"header.user": "ada"}).metadata["header.user"] == "ada"
    message = dubbo.invocation("Orders", "find", version="1.0", group="g", attachments={"user": "ada"})
    plain = again(message, {"version": None, "group": None, "header.user": None})
    assert not {"version", "group", "header.user"} & plain.metadata.keys()
    assert "dubbo.conflict" not in plain.metadata


@pytest.mark.parametrize(
    "edits",
    [
        {"id": 1 << 63},
        {"id": "1"},
        {"service": None},
        {"service": ""},
        {"method": None},
        {"version": 1},
        {"group": ""},
        {"header.user": 1},
        {"header.user": ("a", "b")},
        {"body": {}},
        {"body": b"bytes"},
        {"body": {"dubbo_version": 1, "path": "a", "version": "", "method": "m", "arguments": [], "attachments": {}}},
        {"dubbo.event": "x"},
        {"keys": ()},
    ],
)
def test_edits_that_cannot_be_made(edits):
    with pytest.raises(LocalProtocolError):
        encode(dubbo.invocation("Orders", "find", version="1.0"), edits)


def test_a_broken_request_is_not_edited_but_forwarded():
    message = one(frame(0xC2, 0, 1, HEAD + b"\x01IQ\x90"))
    assert encode(message) == message.raw
    assert one(encode(message, {"id": 2})).id == 2
    with pytest.raises(LocalProtocolError, match="cannot be edited"):
        encode(message, {"header.user": "x"})


# -- responses --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"\x91\x02ok", {"flag": 1, "value": "ok"}),
        (b"\x92", {"flag": 2}),
        (b"\x94\x02okH\x01a\x01bZ", {"flag": 4, "value": "ok", "attachments": {"a": "b"}}),
        (b"\x95N", {"flag": 5, "attachments": None}),
        (b"\x95HZN", {"flag": 5, "attachments": {}}),  # dubbo-go's null behind
    ],
)
def test_results(body, expected):
    message = one(frame(0x02, 20, 1, body), SERVER)
    assert message.error is None
    assert message.metadata["status"] == "ok"
    assert message.body == expected


@pytest.mark.parametrize("body", [b"", b"\x96", b"\x8f", b"\x02ok", b"\x94\x02ok", b"\x94\x02ok\x91", b"\x90"])
def test_what_is_no_result(body):
    assert one(frame(0x02, 20, 1, body), SERVER).error is not None


def test_envoy_writes_a_flag_before_the_text_of_an_error():
    message = one(frame(0x02, 60, 1, b"\x90\x04text"), SERVER)
    assert (message.error, message.metadata["error.message"]) == (None, "text")
    assert encode(message, {"body": message.body}) == message.raw


@every_form
def test_exceptions(serialization):
    message = dubbo.exception(
        "a.OutOfStock", "none left", {"code": 7}, id=1, serialization=serialization, attachments={}
    )
    assert (message.metadata["error.type"], message.metadata["error.message"]) == ("a.OutOfStock", "none left")
    assert message.body["flag"] == 3


def test_an_exception_without_a_text():
    metadata = dubbo.exception("java.lang.NullPointerException").metadata
    assert metadata["error.type"] == "java.lang.NullPointerException"
    assert "error.message" not in metadata


@every_form
def test_attachments_of_a_response(serialization):
    message = dubbo.result(["x"], id=1, attachments={"by": "us"}, serialization=serialization)
    edited = again(message, {"header.by": "them", "header.more": "x"})
    assert (edited.metadata["header.by"], edited.metadata["header.more"]) == ("them", "x")
    assert edited.body["value"] == ["x"]


@pytest.mark.parametrize(
    ("version", "takes"), [("2.0.2", True), ("2.0.99", True), ("2.5.3", False), ("2.0.1", False), (None, False)]
)
def test_who_knows_of_no_attachments_gets_none(version, takes):
    message = dubbo.result("x", id=1)
    message.request = dubbo.invocation("Orders", "find", id=1, protocol_version=version)
    assert encode(message, {"header.by": None}) == message.raw
    if takes:
        assert again(message, {"header.by": "us"}).body == {"flag": 4, "value": "x", "attachments": {"by": "us"}}
    else:
        with pytest.raises(LocalProtocolError, match="not known to take"):
            encode(message, {"header.by": "us"})


# -- the other serializations -----------------------------------------------------------------------------------------


@every_form
def test_every_edit_in_every_form(serialization):
    message = dubbo.invocation(
        "Orders", "find", ["größe", 17, {"a": [None]}], version="1.0", serialization=serialization
    )
    edited = again(
        message, {"service": "S", "method": "m", "version": "2", "group": "g", "header.größe": "日本", "id": 5}
    )
    metadata = edited.metadata
    assert [metadata[name] for name in ("service", "method", "version", "group")] == ["S", "m", "2", "g"]
    assert metadata["header.größe"] == "日本"
    assert edited.body["arguments"] == ["größe", 17, {"a": [None]}]


@pytest.mark.parametrize(
    "line", [b"{path:1}\n", b"[" * 500 + b"\n", b"'x'\n", b"1" * 5000 + b"\n", b"\xff\n", b'{"a":1}x\n', b"\n"]
)
def test_json_that_is_none_is_an_error(line):
    body = b'"2.0.2"\n"Orders"\n"1.0"\n"find"\n""\n'
    assert one(frame(0xC6, 0, 1, body + b'{"user":"ada"}')).metadata["header.user"] == "ada"
    assert one(frame(0xC6, 0, 1, (body + b'{"user":"ada"}').replace(b"\n", b"\r\n"))).metadata["header.user"] == "ada"
    assert one(frame(0xC6, 0, 1, body + line)).error is not None


def jsonb(data: bytes) -> Any:
    values = JsonbValues(len(data).to_bytes(4, "big") + data, 0, len(data) + 4, l7codec.Limits())
    return values.value()


@pytest.mark.parametrize(
    ("data", "value"),
    [
        ("af", None),
        ("b1", True),
        ("2f", 47),
        ("f0", -16),
        ("30 00", -2048),
        ("3f ff", 2047),
        ("40 00 00", -262144),
        ("47 ff ff", 262143),
        ("48 80 00 00 00", -(2**31)),
        ("bc ff fe", -2),
        ("bd 80", -128),
        ("d8", JavaLong(-8)),
        ("ef", JavaLong(15)),
        ("c8 00", JavaLong(-2048)),
        ("c0 00 00", JavaLong(-262144)),
        ("bf 00 00 00 01", JavaLong(1)),
        ("be 7f ff ff ff ff ff ff ff", JavaLong(2**63 - 1)),
        ("b5 3f d0 00 00 00 00 00 00", 0.25),
        ("b7 3e 80 00 00", 0.25),
        ("b2", 0.0),
        ("b4 e7", 7.0),
        ("b6 07", 7.0),
        ("49", ""),
        ("4b 61 62", "ab"),
        ("79 02 61 62", "ab"),
        ("7a 02 c3 a4", "ä"),
        ("7c 02 e4 00", "ä"),
        ("7d 02 00 e4", "ä"),
        ("7e 02 c4 e3", "你"),
        ("90 38 41", "A"),
        ("91 02 00 ff", b"\x00\xff"),
        ("ab 00 00 01 8b cf e5 68 7b", Date(1_700_000_000_123)),
        ("a9 07 e7 0b 0e", "2023-11-14"),
        ("a8 07 e7 0b 0e 16 0d 14 00", "2023-11-14T22:13:20"),
        ("93 4b 24 2e", {"$ref": "$."}),
        ("96 01 02", [1, 2]),
        ("a4 02 01 02", [1, 2]),
        ("94", []),
        ("a6 a5", {}),
        ("a6 4a 61 96 01 a6 a5 4a 62 02 a5", {"a": [1, {}], "b": 2}),
        ("a6 7f 4a 61 00 01 7f 4a 62 01 a6 7f 00 02 a5 a5", {"a": 1, "b": {"a": 2}}),
        ("92 4a 54 00 a6 4a 61 01 a5", JavaObject("T", {"a": 1})),
        ("92 4a 54 00 95 01", JavaList([1], "T")),
        ("b9 02 3c e2", JavaObject("java.math.BigDecimal", {"value": "12.50"})),
        ("b8 e7", JavaObject("java.math.BigDecimal", {"value": "7"})),
        ("bb 02 01 00", 256),
    ],
)
def test_jsonb(data, value):
    """From the table of tags in fastjson2's documentation, and its own dump."""
    found = jsonb(bytes.fromhex(data))
    assert type(found) is type(value)
    assert found == value


@pytest.mark.parametrize(
    "data",
    [
        "",
        "a6",
        "95",
        "4b 61",
        "a4 48 7f ff ff ff",
        "79 48 7f ff ff ff",
        "92 05 01",
        "7f 05",
        "00 00",
        "aa",
        "a5",
        "94 94",
    ],
)
def test_jsonb_that_is_none(data):
    with pytest.raises(l7codec.BodyError):
        jsonb(bytes.fromhex(data))


def test_jsonb_is_bounded():
    with pytest.raises(l7codec.BodyError, match="levels deep"):
        jsonb(b"\x95" * 500 + b"\xaf")
    with pytest.raises(l7codec.BodyError, match="integer of"):
        jsonb(b"\xbb\x3a\x01" + bytes(0x201))
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(LocalProtocolError, match="holds itself"):
        write_jsonb([loop])


def test_a_reader_of_our_own_sees_the_frame_that_we_write():
    """Built from the grammar: no helper of the codec takes part."""
    raw = dubbo.invocation("Orders", "find", [17], ["int"], id=1, attachments={"user": "ada"}).raw
    reader = Reader(raw, 16)
    head = [reader.string() for _ in range(5)]
    assert head == ["2.0.2", "Orders", "0.0.0", "find", "I"]
    assert reader.value() == 17
    assert reader.value() == {"path": "Orders", "interface": "Orders", "version": "0.0.0", "user": "ada"}
    assert reader.at_end
