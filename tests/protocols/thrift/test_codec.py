"""What messages carry, and what can be made of them: transports, metadata, edits, translation, replies, first bytes."""

from __future__ import annotations

import struct
import zlib

import pytest

from l7codec import (
    BodyError,
    Conversation,
    Kind,
    LimitExceeded,
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
from l7codec.protocols import thrift
from l7codec.protocols.thrift import ThriftCodec
from l7codec.protocols.thrift.binary import write_struct

CLIENT, SERVER = Side.CLIENT, Side.SERVER

# The specification's own layout, written out: a call of add(1: 10) with the sequence id 7.
STRICT = bytes.fromhex("80010001 00000003 616464 00000007  08 0001 0000000a 00")
OLD = bytes.fromhex("00000003 616464 01 00000007  08 0001 0000000a 00")
COMPACT = bytes.fromhex("82 21 07 03 616464  15 14 00")
JSON = b'[1,"add",1,7,{"1":{"i32":10}}]'
BODY = {1: ("i32", 10)}


def framed(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def header(payload: bytes, protocol: int = 0, infos: str = "", transforms: str = "00", id: int = 0) -> bytes:
    block = bytes((protocol,)) + bytes.fromhex(transforms + infos)
    block += bytes(-len(block) % 4)
    return framed(struct.pack(">HHIH", 0x0FFF, 0, id, len(block) // 4) + block + payload)


def ttheader(payload: bytes, protocol: int = 0, infos: str = "", flags: int = 0, id: int = 7) -> bytes:
    block = bytes((protocol, 0)) + bytes.fromhex(infos)
    block += bytes(-len(block) % 4)
    return framed(struct.pack(">HHIH", 0x1000, flags, id, len(block) // 4) + block + payload)


def one(data: bytes, side: Side = CLIENT) -> Message:
    (message,) = decode("thrift", data, side)
    return message


class TestTransports:
    @pytest.mark.parametrize(
        ("data", "transport", "protocol"),
        [
            (STRICT, "unframed", "binary"),
            (COMPACT, "unframed", "compact"),
            (JSON, "unframed", "json"),
            (framed(STRICT), "framed", "binary"),
            (framed(COMPACT), "framed", "compact"),
            (framed(JSON), "framed", "json"),
            (header(STRICT), "header", "binary"),
            (header(COMPACT, 2), "header", "compact"),
            (header(JSON, 1), "header", "json"),
            (header(zlib.compress(STRICT), transforms="0101"), "header", "binary"),
            (header(zlib.compress(zlib.compress(STRICT)), transforms="020101"), "header", "binary"),
            (ttheader(STRICT), "ttheader", "binary"),
            (ttheader(COMPACT, 2), "ttheader", "compact"),
            (ttheader(framed(STRICT)), "ttheader", "binary"),
            (
                framed(bytes.fromhex("0a 0001 0000000000000001 0a 0002 0000000000000002 00") + STRICT),
                "twitter",
                "binary",
            ),
        ],
    )
    def test_told_apart(self, data: bytes, transport: str, protocol: str) -> None:
        message = one(data)
        assert message.kind is Kind.REQUEST
        assert (message.metadata["thrift.transport"], message.metadata["thrift.protocol"]) == (transport, protocol)
        assert (message.metadata["method"], message.id, message.error) == ("add", 7, None)
        assert message.body == BODY
        assert detect(data) in ("thrift", "need more")
        stream = Stream("thrift", CLIENT)
        assert [found for byte in data for found in stream.receive_data(bytes((byte,)))] == [message]

    def test_the_old_binary_protocol_must_be_asked_for(self) -> None:
        for data in (OLD, framed(OLD)):
            with pytest.raises(RemoteProtocolError, match="must be asked for"):
                decode("thrift", data)
            (message,) = decode(ThriftCodec(old_binary=True), data)
            assert message.metadata["thrift.protocol"] == "old_binary"
            assert (message.metadata["method"], message.id, message.body) == ("add", 7, BODY)
            assert encode(message, {"id": 8})[-12:-8] == b"\0\0\0\x08"

    def test_an_old_message_that_looks_like_a_frame(self) -> None:
        """Its name is a strict message: who takes both forms reads another call than we do, if we may guess."""
        name = STRICT
        trap = struct.pack(">I", len(name)) + name + b"\1\0\0\0\1\0"
        with pytest.raises(RemoteProtocolError):
            decode(ThriftCodec(transport="unframed"), trap)
        stream = Stream("thrift", CLIENT)
        assert [m.metadata["thrift.transport"] for m in stream.receive_data(STRICT)] == ["unframed"]
        with pytest.raises(RemoteProtocolError, match="must be asked for"):
            list(stream.receive_data(trap))

    def test_both_sides_keep_to_frames_or_to_none(self) -> None:
        conversation = Conversation("thrift")
        list(conversation.client.receive_data(framed(STRICT)))
        with pytest.raises(LimitExceeded):
            list(conversation.server.receive_data(STRICT))

    def test_forced(self) -> None:
        with pytest.raises(RemoteProtocolError):
            decode(ThriftCodec(transport="unframed"), framed(STRICT))
        with pytest.raises(RemoteProtocolError, match="protocol compact"):
            decode(ThriftCodec(protocol="compact"), STRICT)
        (message,) = decode(ThriftCodec(transport="framed"), header(STRICT))
        assert "where framed is spoken" in str(message.error)
        with pytest.raises(ValueError, match="no transport"):
            ThriftCodec(transport="boxed")
        with pytest.raises(ValueError, match="no protocol"):
            ThriftCodec(protocol="dense")

    @pytest.mark.parametrize(
        ("data", "reason"),
        [
            (b"GET / HTTP/1.1\r\n", "HTTP"),
            (b"\xff\0", "begins with 0xff"),
            (b"\x80\2", "8002"),
            (b"\0\0\0\0", "0 bytes"),
            (b"\0\0\0\x09hello wor", "neither a message"),
            (b"\x80\1\0\x09\0\0\0\1", "type 9"),
            (b"\x80\1\0\1\xff\xff\xff\xff", "length of -1"),
            (STRICT[:15] + b"\x09\0\1", "no type has the code 9"),
            (STRICT[:15] + b"\x0f\0\1\x08\xff\xff\xff\xff", "count of -1"),
            (COMPACT[:7] + b"\x16" + b"\xff" * 10, "64 bits"),
            (COMPACT[:7] + b"\x1e", "no type"),
            (b'[1,"a",1,0,{]', "closes what"),
        ],
    )
    def test_wrong(self, data: bytes, reason: str) -> None:
        with pytest.raises(RemoteProtocolError, match=reason):
            decode("thrift", data)

    def test_a_good_frame_of_something_else_is_delivered(self) -> None:
        first, second, third = decode("thrift", framed(STRICT) + framed(b"hello") + framed(STRICT))
        assert (first.error, third.error) == (None, None)
        assert second.kind is Kind.ONEWAY
        assert isinstance(second.error, BodyError)
        with pytest.raises(BodyError):
            second.body  # noqa: B018
        with pytest.raises(LocalProtocolError):
            encode(second, {"method": "x"})


class TestHeaders:
    def test_of_theader(self) -> None:
        message = one(header(STRICT, infos="01 02 01 61 01 62 01 63 00", id=9))
        assert message.metadata["header.a"] == "b"
        assert message.metadata["header.c"] == ""
        assert (message.id, message.metadata["thrift.header_id"]) == (9, 9)

    def test_a_repeated_name_is_a_tuple(self) -> None:
        assert one(header(STRICT, infos="01 02 01 61 01 62 01 61 01 63")).metadata["header.a"] == ("b", "c")

    def test_persistent_headers_hold_for_the_connection(self) -> None:
        stream = Stream("thrift", CLIENT)
        data = header(STRICT, infos="02 01 01 61 01 62") + header(STRICT) + header(STRICT, infos="01 01 01 61 01 63")
        first, second, third = stream.receive_data(data)
        assert [m.metadata["header.a"] for m in (first, second, third)] == ["b", "b", "c"]
        assert encode(second, {"header.a": "x"}).count(b"\1\1\1a\1x") == 1
        with pytest.raises(LocalProtocolError, match="sent before"):
            encode(second, {"header.a": None})

    def test_persistent_headers_are_bounded(self) -> None:
        stream = Stream("thrift", CLIENT)
        found = []
        for number in range(32):
            block = b"\0\0\2\1\1" + bytes((65 + number,)) + b"\xff\xff\3" + b"a" * 0xFFFF
            block += bytes(-len(block) % 4)
            data = framed(struct.pack(">HHIH", 0x0FFF, 0, 0, len(block) // 4) + block + STRICT)
            found += stream.receive_data(data)
        assert [m.error is None for m in found] == [True] * 16 + [False] * 16

    @pytest.mark.parametrize(("transform", "name"), [("05", "zstd"), ("03", "snappy"), ("4d", "unknown")])
    def test_unknown_transforms_are_named(self, transform: str, name: str) -> None:
        message = one(header(b"whatever", transforms="01" + transform, infos="01 01 01 61 01 62", id=5))
        assert name in str(message.error)
        assert message.metadata["header.a"] == "b"
        assert (message.id, message.kind) == (5, Kind.REQUEST)

    def test_a_bomb(self) -> None:
        data = header(zlib.compress(bytes(50_000_000), 9), transforms="0101")
        assert len(data) < 60_000
        message = one(data)
        assert "inflates to more" in str(message.error)

    def test_bytes_that_do_not_inflate(self) -> None:
        assert "does not inflate" in str(one(header(b"xyz", transforms="0101")).error)
        assert "ends early" in str(one(header(zlib.compress(STRICT)[:-6], transforms="0101")).error)

    @pytest.mark.parametrize(
        "data",
        [
            framed(struct.pack(">HHIH", 0x0FFF, 0, 0, 99) + bytes(8)),
            header(STRICT, infos="01 7f"),
            header(STRICT, infos="01 01 7f"),
            header(STRICT, transforms="ffff7f"),
            ttheader(STRICT, infos="01 0005"),
            ttheader(STRICT, infos="77"),
            ttheader(STRICT, infos="01 0001 00ff"),
        ],
    )
    def test_headers_that_do_not_fit(self, data: bytes) -> None:
        data = struct.pack(">I", len(data) - 4) + data[4:]
        assert one(data).error is not None

    def test_of_ttheader(self) -> None:
        infos = "10 0002 0006 0004 73686f70 0063 0001 78 01 0001 0004 74696572 0004 676f6c64 11 0003 746f6b"
        message = one(ttheader(STRICT, infos=infos))
        assert message.metadata["thrift.to_service"] == "shop"
        assert message.metadata["thrift.numbered_headers"] == ("99=x",)
        assert message.metadata["header.tier"] == "gold"
        assert message.metadata["thrift.acl_token"] == "tok"
        again = one(encode(message, {"header.tier": None, "header.x": "y", "id": 9}))
        assert (again.id, again.metadata["thrift.header_id"], again.metadata["header.x"]) == (9, 9, "y")
        assert again.metadata["thrift.to_service"] == "shop"
        assert "header.tier" not in again.metadata
        assert again.body == BODY

    def test_of_a_stream_and_of_protobuf(self) -> None:
        message = one(ttheader(b"\x0a\x01x", 4, infos="10 0001 0009 0003 616464"))
        assert (message.kind, message.metadata["method"], message.body) == (Kind.REQUEST, "add", b"\x0a\x01x")
        assert one(ttheader(b"", 0x10, flags=2)).kind is Kind.ONEWAY
        assert one(ttheader(b"", 0x10, flags=2), SERVER).kind is Kind.PUSH

    def test_finagle(self) -> None:
        conversation = Conversation("thrift")
        ask = thrift.call("__can__finagle__trace__v3__", id=-1)
        (asked,) = conversation.client.receive_data(ask.raw)
        (agreed,) = conversation.server.receive_data(thrift.reply(ask).raw)
        assert agreed.request is asked
        request = thrift.call("add", BODY, id=3, transport="twitter", headers={"tenant": "t"})
        (heard,) = conversation.client.receive_data(request.raw)
        assert heard.metadata["thrift.transport"] == "twitter"
        assert heard.metadata["header.tenant"] == "t"
        assert heard.metadata["thrift.trace_id"] == "0" * 16
        (answer,) = conversation.server.receive_data(thrift.reply(heard, ("i32", 1)).raw)
        assert answer.request is heard
        assert answer.body == {0: ("i32", 1)}

    def test_finagle_header_in_full(self) -> None:
        fields = {
            1: ("i64", 1),
            2: ("i64", 2),
            3: ("i64", -1),
            5: ("bool", True),
            6: ("struct", {1: ("string", b"me")}),
            9: ("string", b"/s/shop"),
            11: ("i64", 5),
        }
        payload = write_struct(fields) + STRICT
        assert one(framed(payload)).metadata == {
            "thrift.transport": "twitter",
            "thrift.trace_id": f"{5:016x}{1:016x}",
            "thrift.span_id": f"{2:016x}",
            "thrift.parent_span_id": "f" * 16,
            "thrift.sampled": True,
            "client_id": "me",
            "thrift.dest": "/s/shop",
            "thrift.protocol": "binary",
            "thrift.type": "call",
            "method": "add",
        }


class TestReplies:
    @pytest.mark.parametrize("protocol", ["binary", "compact", "json"])
    @pytest.mark.parametrize(
        ("result", "said"),
        [
            (None, {"status": "ok"}),
            (("i32", 5), {"status": "ok"}),
            ({1: ("struct", {1: ("string", b"no")})}, {"status": "error", "thrift.exception_field": 1}),
            ({2: ("struct", {}), 0: ("i32", 1)}, {"status": "ok"}),
        ],
    )
    def test_status(self, protocol: str, result: object, said: dict[str, object]) -> None:
        for transport in ("framed", "unframed"):
            message = thrift.reply("add", result, transport=transport, protocol=protocol)
            known = {
                "thrift.transport": transport,
                "thrift.protocol": protocol,
                "thrift.type": "reply",
                "method": "add",
            }
            assert message.metadata == {**known, **said}

    def test_in_a_batch_as_alone(self) -> None:
        replies = [thrift.reply("a", r).raw for r in (None, ("i32", 5), {1: ("struct", {})}, {-256: ("i8", 1)})]
        replies.append(thrift.exception("a", 6, "x").raw)
        together = decode("thrift", b"".join([*replies, *replies]), SERVER)
        assert together == [one(data, SERVER) for data in replies] * 2

    def test_exceptions(self) -> None:
        message = thrift.exception("add", "INTERNAL_ERROR", "boom", id=3)
        assert message.metadata["error.type"] == "INTERNAL_ERROR"
        assert message.metadata["error.message"] == "boom"
        assert thrift.exception("add", 99).metadata["error.type"] == "99"
        with pytest.raises(LocalProtocolError):
            thrift.exception("add", "NO_SUCH")

    @pytest.mark.parametrize(
        "data",
        [STRICT, COMPACT, JSON, framed(STRICT), header(COMPACT, 2, id=4), ttheader(STRICT)],
        ids=["strict", "compact", "json", "framed", "header", "ttheader"],
    )
    def test_refusals_come_as_the_caller_speaks(self, data: bytes) -> None:
        conversation = Conversation("thrift")
        (request,) = conversation.client.receive_data(data)
        answer = one(conversation.reply(request, Reason.NO_ROUTE) or b"", SERVER)
        for key in ("thrift.transport", "thrift.protocol"):
            assert answer.metadata[key] == request.metadata[key]
        assert answer.metadata["error.type"] == "UNKNOWN_METHOD"
        assert answer.id == request.id
        assert conversation.idle

    def test_a_oneway_is_not_answered(self) -> None:
        request = thrift.oneway("add")
        assert request.kind is Kind.ONEWAY
        assert ThriftCodec.reply(request, Reason.DENIED) is None

    def test_multiplexed(self) -> None:
        request = thrift.call("add", service="Shop")
        assert (request.metadata["service"], request.metadata["method"]) == ("Shop", "add")
        answer = one(ThriftCodec.reply(request, Reason.TIMEOUT) or b"", SERVER)
        assert answer.metadata["method"] == "add"
        assert "service" not in answer.metadata


class TestEdits:
    @pytest.mark.parametrize("data", [STRICT, framed(COMPACT), header(STRICT, id=7), ttheader(framed(STRICT)), JSON])
    def test_the_payload_keeps_its_bytes(self, data: bytes) -> None:
        message = one(data)
        changed = encode(message, {"service": "Shop", "method": "sum", "id": 70_000})
        again = one(changed)
        assert (again.metadata["service"], again.metadata["method"], again.id) == ("Shop", "sum", 70_000)
        assert again.body == BODY
        back = one(encode(again, {"service": None, "method": "add", "id": 7}))
        assert back.raw == data

    def test_in_a_deflated_payload(self) -> None:
        message = one(header(zlib.compress(STRICT), transforms="0101"))
        again = one(encode(message, {"method": "sum"}))
        assert (again.metadata["method"], again.metadata["thrift.transforms"]) == ("sum", ("zlib",))

    def test_odd_bytes_stay(self) -> None:
        data = bytes.fromhex("8001ff01 00000001 61 00000007 02 0001 05 00")  # a third byte, and a true that is 5
        assert encode(one(data), {"id": 8}).endswith(bytes.fromhex("02 0001 05 00"))

    @pytest.mark.parametrize(
        "edits",
        [
            {"header.a": "b"},
            {"id": 2**31},
            {"id": "7"},
            {"service": "a:b"},
            {"method": "a:b"},
            {"method": 7},
            {"body": {1: ("i32", 2**31)}},
            {"body": {1: ("nonsense", 1)}},
            {"body": [1, 2]},
            {"body": None},
            {"keys": ()},
        ],
    )
    def test_refused(self, edits: dict[str, object]) -> None:
        with pytest.raises(LocalProtocolError):
            encode(one(framed(STRICT)), edits)


class TestTranslation:
    @pytest.mark.parametrize("to", ["unframed", "framed", "header", "ttheader", "twitter"])
    @pytest.mark.parametrize("protocol", ["binary", "compact", "json"])
    def test_everything_to_everything(self, to: str, protocol: str) -> None:
        for data in (STRICT, framed(COMPACT), JSON, header(STRICT, infos="01 01 01 61 01 62"), ttheader(STRICT)):
            message = one(data)
            if (to, protocol) in (("ttheader", "json"), ("twitter", "json"), ("twitter", "compact")):
                with pytest.raises(LocalProtocolError, match="does not carry"):
                    thrift.translate(message, transport=to, protocol=protocol)
                continue
            again = thrift.translate(message, transport=to, protocol=protocol)
            assert (again.body, again.id, again.metadata["method"]) == (BODY, 7, "add")
            if "header.a" in message.metadata and to not in ("unframed", "framed"):
                assert again.metadata["header.a"] == "b"

    def test_to_the_very_bytes(self) -> None:
        message = one(STRICT)
        assert thrift.translate(message, protocol="compact").raw == COMPACT
        assert thrift.translate(message, protocol="json").raw == JSON
        assert thrift.translate(message, protocol="old_binary").raw == OLD

    def test_bytes_that_are_no_text_become_base64_in_json(self) -> None:
        message = thrift.call("a", {1: ("string", b"\xff")})
        assert thrift.translate(message, protocol="json").body == {1: ("string", b"/w==")}


class TestPairing:
    def test_by_id_and_in_order(self) -> None:
        for ids, order in (((1, 2, 3), (2, 0, 1)), ((0, 0, 0), (0, 1, 2))):
            conversation = Conversation("thrift")
            calls = [thrift.call("m", id=id) for id in ids]
            heard = list(conversation.client.receive_data(b"".join(call.raw for call in calls)))
            assert not list(conversation.client.receive_data(b""))
            for place in order:
                (answer,) = conversation.server.receive_data(thrift.reply(calls[place]).raw)
                assert answer.request is heard[place]

    def test_a_oneway_opens_nothing(self) -> None:
        conversation = Conversation("thrift")
        list(conversation.client.receive_data(thrift.oneway("m").raw))
        assert conversation.idle


class TestAttacks:
    """Sizes are judged by what is there, or by the limit; depth does not reach Python's stack."""

    @pytest.mark.parametrize("transport", ["framed", "unframed"])
    @pytest.mark.parametrize(
        "tail",
        [
            "0f0001 0c 7fffffff",  # a list of 2**31-1 structs
            "0f0001 02 7fffffff",
            "0d0001 0b0b 7fffffff",
            "0f0001 01 7fffffff",  # of elements that take no bytes
            "0f0001 00 00000001",
            "0b0001 7fffffff",
            "0b0001 80000000",
            "0c0001" * 70,
            "0f0001" + "0f00000001" * 70,
        ],
    )
    def test_binary(self, tail: str, transport: str) -> None:
        self.check(STRICT[:15] + bytes.fromhex(tail), transport)

    @pytest.mark.parametrize("transport", ["framed", "unframed"])
    @pytest.mark.parametrize(
        "tail",
        ["19fcffffffff07", "19f1ffffffff07", "1bffffffff0711", "18ffffffff07", "19f0ffffffff07", "1c" * 70, "19" * 70],
    )
    def test_compact(self, tail: str, transport: str) -> None:
        self.check(COMPACT[:7] + bytes.fromhex(tail), transport)

    @pytest.mark.parametrize("transport", ["framed", "unframed"])
    def test_json(self, transport: str) -> None:
        self.check(b'[1,"a",1,0,' + b'{"1":{"rec":' * 70, transport)
        self.check(b'[1,"a",1,0,{"1":{"lst":["i32",' + b"9" * 5000 + b"]}}]", transport, waits=True)

    def check(self, data: bytes, transport: str, waits: bool = False) -> None:
        if transport == "framed":
            message = one(framed(data))
            with pytest.raises(BodyError):
                message.body  # noqa: B018
            return
        try:
            found = decode("thrift", data)
        except RemoteProtocolError:
            return
        assert waits
        with pytest.raises(BodyError):
            found[0].body  # noqa: B018

    def test_limits_of_a_message_without_a_frame(self) -> None:
        limits = Limits(message=100, depth=64)
        for protocol in ("binary", "compact", "json"):
            for body in (
                {1: ("string", b"x" * 200)},
                {1: ("list<i32>", [1 << 20] * 80)},
                dict.fromkeys(range(1, 80), ("i32", 1 << 20)),
                {1: ("list<string>", [b"abc"] * 60)},
            ):
                data = thrift.call("m", body, transport="unframed", protocol=protocol).raw
                with pytest.raises(LimitExceeded) as caught:
                    decode("thrift", data, limits=limits)
                stream = Stream("thrift", CLIENT, limits=limits)
                with pytest.raises(LimitExceeded) as again:
                    for byte in data:
                        list(stream.receive_data(bytes((byte,))))
                assert again.value.args == caught.value.args

    def test_bytes_behind_a_message_in_its_frame(self) -> None:
        """Apache's servers would take them for the next message."""
        message = one(framed(STRICT + STRICT))
        with pytest.raises(BodyError, match="23 bytes behind"):
            message.body  # noqa: B018

    def test_bodies_are_checked_where_that_is_asked_for(self) -> None:
        codec = ThriftCodec(check_bodies=True)
        good, long, short, last = decode(
            codec, framed(STRICT) + framed(STRICT + STRICT) + framed(STRICT[:-3]) + framed(STRICT)
        )
        assert "23 bytes behind" in str(long.error)
        assert "ends inside" in str(short.error)
        assert (good.error, last.error) == (None, None)
        assert [m.kind for m in (good, long, short, last)] == [Kind.REQUEST] * 4

    def test_an_invented_name_for_each_call_is_not_remembered(self) -> None:
        codec = ThriftCodec()
        stream = Stream(codec, CLIENT)
        data = b"".join(thrift.call(f"m{number}").raw for number in range(1000))
        assert len(list(stream.receive_data(data))) == 1000
        assert len(codec._known) <= 256


class TestGaps:
    def test_a_message_is_found_again(self) -> None:
        for data in (framed(STRICT), STRICT, JSON, header(STRICT), ttheader(STRICT), COMPACT):
            stream = Stream("thrift", CLIENT)
            (first,) = stream.receive_data(data)
            assert not list(stream.receive_data(data[:9]))
            found = [*stream.receive_gap(None), *stream.receive_data(b"junk" + data * 2)]
            assert found[-1] == first

    def test_a_hole_in_the_payload(self) -> None:
        data = framed(STRICT)
        stream = Stream("thrift", CLIENT)
        assert not list(stream.receive_data(data[:20]))
        assert not list(stream.receive_gap(2))
        (message,) = stream.receive_data(data[22:])
        assert (message.metadata["method"], message.missing) == ("add", 2)
        assert "missing" in str(message.error)


class TestDetection:
    @pytest.mark.parametrize(
        "data", [STRICT, JSON, framed(STRICT), framed(JSON)], ids=["strict", "json", "framed strict", "framed json"]
    )
    def test_certain(self, data: bytes) -> None:
        assert detect(data) == "thrift"

    @pytest.mark.parametrize("data", [COMPACT, framed(COMPACT), header(STRICT), ttheader(STRICT)])
    def test_likely(self, data: bytes) -> None:
        assert detect(data, protocols=["thrift"]) == "thrift"
        assert ThriftCodec.sniff(data, CLIENT).confidence == 2

    @pytest.mark.parametrize("data", [OLD, b"GET / HTTP", b"*1\r\n", b"\x16\3\1\2\0\1"])
    def test_others(self, data: bytes) -> None:
        assert detect(data, protocols=["thrift"]) is None
