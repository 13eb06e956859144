"""PROXY protocol 1 and 2: https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt, whose sections are cited.

Every vector is read whole, byte by byte, and with another protocol's bytes behind it (`read`).
"""

from __future__ import annotations

import pickle
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import l7codec
from l7codec import BodyError, Conversation, Kind, Limits, LocalProtocolError, RemoteProtocolError, Side, Stream
from l7codec.buffer import ReceiveBuffer
from l7codec.codec import NO, Answer, Codec, Confidence, Verdict
from l7codec.crc32c import crc32c
from l7codec.errors import LimitExceeded, TruncatedMessage
from l7codec.message import Message
from l7codec.protocols import proxy_protocol
from l7codec.protocols.proxy_protocol import header, split_datagram, ssl_tlv

SIGNATURE = bytes.fromhex("0D0A0D0A 00 0D0A 51554954 0A")
INNER = b"\x00GET / HTTP/1.1\r\n\r\n"

CLIENT, SERVER = ("192.0.2.1", 56324), ("198.51.100.7", 443)
IPV4 = bytes.fromhex(
    "C0000201 C6336407"  # 192.0.2.1, 198.51.100.7
    "DC04 01BB"  # 56324, 443
)
IPV6 = bytes.fromhex("20010DB8 00000000 00000000 00000001  20010DB8 00000000 00000000 00000007  DC04 01BB")
ADDRESSES = {
    "source.address": "192.0.2.1",
    "source.port": 56324,
    "destination.address": "198.51.100.7",
    "destination.port": 443,
}


def frame(rest: bytes = b"", protocol: int = 0x11, version_command: int = 0x21) -> bytes:
    """A version 2 header with these bytes behind the sixteenth."""
    return SIGNATURE + struct.pack("!BBH", version_command, protocol, len(rest)) + rest


def vector(kind: int, value: bytes = b"") -> bytes:
    return struct.pack("!BH", kind, len(value)) + value


def outcome(pieces: list[bytes], limits: Limits | None = None) -> tuple[list[Message], str | None, bytes]:
    """Messages, error, and what is left when bytes come in these pieces."""
    stream = Stream("proxy", Side.CLIENT, limits=limits)
    messages: list[Message] = []
    try:
        for piece in pieces:
            messages += stream.receive_data(piece)
    except RemoteProtocolError as error:
        return messages, str(error), b""
    return messages, None, stream.trailing_data


def bytewise(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


def read(raw: bytes) -> Message:
    """The header that `raw` is, however it comes."""
    (message,), error, rest = outcome([raw])
    assert error is None
    assert rest == b""
    assert message.kind is Kind.PREFACE
    assert message.raw == raw == l7codec.encode(message)
    assert outcome(bytewise(raw)) == ([message], None, b"")
    assert outcome([raw + INNER]) == outcome(bytewise(raw + INNER)) == ([message], None, INNER)
    assert split_datagram(raw + INNER) == (message, INNER)
    for size in range(len(raw)):
        assert outcome([raw[:size]]) == ([], None, raw[:size]), "every prefix is incomplete"
    assert pickle.loads(pickle.dumps(message)) == message
    return message


def refused(raw: bytes) -> tuple[int, str]:
    """Offset and reason of the error that `raw` is, however it comes."""
    messages, error, _ = outcome([raw])
    assert (messages, error, b"") == outcome(bytewise(raw)) == outcome([raw + INNER])
    assert not messages
    assert error is not None
    with pytest.raises(RemoteProtocolError) as caught:
        split_datagram(raw)
    assert str(caught.value) == error
    return caught.value.offset, caught.value.reason


# -- version 1 (section 2.1) ------------------------------------------------------------------------------------


def test_line_of_the_specification():
    message = read(b"PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n")
    assert message.metadata == {
        "proxy.version": 1,
        "proxy.command": "PROXY",
        "proxy.family": "inet",
        "proxy.transport": "stream",
        "source.address": "192.168.0.1",
        "source.port": 56324,
        "destination.address": "192.168.0.11",
        "destination.port": 443,
    }
    assert message.body == {
        "version": 1,
        "command": "PROXY",
        "family": "inet",
        "transport": "stream",
        "source": ("192.168.0.1", 56324),
        "destination": ("192.168.0.11", 443),
        "ignored": b"",
        "tlvs": [],
    }


@pytest.mark.parametrize(
    ("address", "canonical"),
    [
        ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("2001:DB8::1", "2001:db8::1"),  # either case
        ("2001:0db8:0000:0000:0000:0000:0000:0001", "2001:db8::1"),
        ("::", "::"),
        ("::1", "::1"),
        ("1::", "1::"),
        ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.1"),  # as haproxy writes a mapped address
    ],
)
def test_ipv6_lines(address: str, canonical: str):
    message = read(f"PROXY TCP6 {address} ::2 0 65535\r\n".encode())
    assert message.metadata["source.address"] == canonical
    assert message.metadata["destination.address"] == "::2"
    assert message.metadata["source.port"] == 0
    assert message.metadata["destination.port"] == 65535
    assert message.metadata["proxy.family"] == "inet6"
    assert message.body["source"] == (canonical, 0)


@pytest.mark.parametrize("address", ["0.0.0.0", "255.255.255.255", "224.0.0.1", "10.9.99.100"])
def test_ipv4_lines(address: str):
    assert read(f"PROXY TCP4 {address} {address} 0 65535\r\n".encode()).metadata["source.address"] == address


@pytest.mark.parametrize(
    "ignored",
    [
        b"",
        b" ",
        b" ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535",  # 107 bytes
        b" \x00\xff\t anything",
        b"    ",  # what the PyPI package writes
    ],
)
def test_unknown_ignores_the_rest_of_the_line(ignored: bytes):
    message = read(b"PROXY UNKNOWN" + ignored + b"\r\n")
    assert message.metadata == {
        "proxy.version": 1,
        "proxy.command": "PROXY",
        "proxy.family": "unspec",
        "proxy.transport": "unspec",
    }
    assert message.body["ignored"] == ignored
    assert header(**message.body) == message


# (bytes, offset of the error, why the specification has it so)
BAD_LINES: list[tuple[bytes, int, str]] = [
    (b"PROXY TCP4 256.0.0.1 192.0.2.1 1 2\r\n", 11, "four integers from 0 to 255"),
    (b"PROXY TCP4 999.0.0.1 192.0.2.1 1 2\r\n", 11, "four integers from 0 to 255"),
    (b"PROXY TCP4 1.2.3 192.0.2.1 1 2\r\n", 11, "exactly four integers; haproxy reads 1.2.3.0"),
    (b"PROXY TCP4 1.2.3.4.5 192.0.2.1 1 2\r\n", 11, "exactly four integers"),
    (b"PROXY TCP4 1.2.3.256 192.0.2.1 1 2\r\n", 11, "four integers from 0 to 255; haproxy reads 1.2.4.0"),
    (b"PROXY TCP4 1.2.3.04 192.0.2.1 1 2\r\n", 11, "no heading zeroes"),
    (b"PROXY TCP4 0x1.2.3.4 192.0.2.1 1 2\r\n", 11, "decimal"),
    (b"PROXY TCP4 1.2.3.4 5.6.7.8 65536 2\r\n", 27, "a port is up to 65535; haproxy wraps"),
    (b"PROXY TCP4 1.2.3.4 5.6.7.8 1 65536\r\n", 29, "a port is up to 65535"),
    (b"PROXY TCP4 1.2.3.4 5.6.7.8 4294967376 2\r\n", 27, "a port is up to 65535; haproxy reads 80"),
    (b"PROXY TCP4 1.2.3.4 5.6.7.8  2\r\n", 27, "a port has digits; haproxy reads 0"),
    (b"PROXY TCP4 1.2.3.4 5.6.7.8 1 \r\n", 29, "a port has digits"),
    (b"PROXY TCP4 1.2.3.4 5.6.7.8 080 2\r\n", 27, "no heading zeroes; most receivers take it"),
    (b"PROXY TCP4 1.2.3.4 5.6.7.8 +80 2\r\n", 27, "digits only; Envoy takes it"),
    (b"PROXY TCP4 1.2.3.4 5.6.7.8 8_0 2\r\n", 27, "digits only; the PyPI package takes it"),
    (b"PROXY TCP4 1.2.3.4 5.6.7.8 -1 2\r\n", 27, "digits only"),
    ("PROXY TCP4 1.2.3.4 5.6.7.8 ٣ 2\r\n".encode(), 27, "US-ASCII digits"),
    (b"PROXY TCP4 1.2.3.4\x00 5.6.7.8 1 2\r\n", 11, "Envoy reads up to the NUL"),
    (b"PROXY TCP4 1.2.3.4 5.6.7.8\x0b1 2\r\n", 19, "one space, not a vertical tab"),
    (b"PROXY TCP4 1.2.3.4\t5.6.7.8 1 2\r\n", 11, "one space, not a tab"),
    (b"PROXY TCP4  1.2.3.4 5.6.7.8 1 2\r\n", 11, "exactly one space"),
    (b"PROXY  TCP4 1.2.3.4 5.6.7.8 1 2\r\n", 6, "exactly one space"),
    (b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2 \r\n", 30, "CRLF follows the port at once"),
    (b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n", 30, "CRLF follows the port at once"),
    (b"PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n", 28, "two ports"),
    (b"PROXY TCP4\r\n", 10, "addresses follow TCP4"),
    (b"PROXY TCP4 \r\n", 11, "addresses follow TCP4"),
    (b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\r\n", 31, "CRLF; Envoy takes CR CR LF"),
    (b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n", 30, "no lone LF"),
    (b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n\r\n", 30, "no lone LF; Envoy takes LF CR LF"),
    (b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\rX\n", 31, "no lone CR"),
    (b"PROXY TCP4 1.2.3.4\n5.6.7.8 1 2\r\n", 18, "no lone LF"),
    (b"PROXY TCP4 ::1 ::2 1 2\r\n", 11, "the family dictates the format"),
    (b"PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n", 11, "the family dictates the format; nginx takes it"),
    (b"PROXY TCP6 fe80::1%eth0 ::2 1 2\r\n", 11, "128 bits and no zone; the PyPI package takes it"),
    (b"PROXY TCP6 1::2::3 ::2 1 2\r\n", 11, "one double colon"),
    (b"PROXY TCP6 1:2:3:4:5:6:7 ::2 1 2\r\n", 11, "exactly 128 bits"),
    (b"PROXY TCP6 1:2:3:4:5:6:7:8:9 ::2 1 2\r\n", 11, "exactly 128 bits"),
    (b"PROXY TCP6 ::12345 ::2 1 2\r\n", 11, "up to four digits"),
    (b"PROXY TCP6 ::1 ::ffff:1.2.3.256 1 2\r\n", 15, "an address inside must be one"),
    (b"PROXY TCP6 [::1] ::2 1 2\r\n", 11, "no brackets"),
    (b"PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n", 7, "version 1 has TCP4, TCP6 and UNKNOWN"),
    (b"PROXY tcp4 1.2.3.4 5.6.7.8 1 2\r\n", 6, "upper case"),
    (b"PROXY UNKNOWNED\r\n", 13, "a space or the end follows UNKNOWN"),
    (b"PROXY UNKNOWN\n", 13, "no lone LF"),
    (b"PROXY UNKNOWN a\n\r\n", 15, "no lone LF"),
    (b"PROXY UNKNOWN a\rb\r\n", 16, "no lone CR"),
    (b"PROXY UNKNOWN\r\r\n", 14, "no lone CR"),
    (b"PROXY UNKNOWN " + b"x" * 92 + b"\r\n", 106, "108 bytes: CRLF within 107; Envoy and the PyPI package take it"),
    (b"PROXY UNKNOWN " + b"x" * 200, 106, "CRLF within 107"),
    (b"PROXY TCP4 " + b"1" * 200, 11, "no address begins so"),
    (b"proxy TCP4 1.2.3.4 5.6.7.8 1 2\r\n", 0, "upper case"),
    (b"GET / HTTP/1.1\r\n\r\n", 0, "the header comes first"),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 2, "the header comes first"),
    (b"\x16\x03\x01\x02\x00\x01", 0, "the header comes first"),
    (b"\r\nPROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n", 2, "nothing before it"),
]


@pytest.mark.parametrize(("raw", "offset", "why"), BAD_LINES, ids=[repr(raw)[2:50] for raw, _, _ in BAD_LINES])
def test_bad_lines(raw: bytes, offset: int, why: str):
    assert refused(raw)[0] == offset, why


def test_a_line_of_107_bytes_is_the_longest():
    address = b"1111:2222:3333:4444:5555:6666:11.11.11.11"
    fits = b"PROXY TCP6 %b %b 65535 6553\r\n" % (address, address)
    assert len(fits) == 107
    assert read(fits).metadata["destination.port"] == 6553
    assert refused(fits[:-2] + b"5\r\n") == (106, "no CRLF within 107 bytes")
    assert refused(fits[:60] + b"5" * 47)[0] == 53  # no address goes on so
    assert refused(b"PROXY TCP6 %b " % (address + b"11") + b"1" * 60)[0] == 11
    mapped = b"PROXY TCP6 ::1 ::2 1 "
    assert refused(mapped + b"1" * (107 - len(mapped)))[0] == len(mapped)


# -- version 2 (section 2.2) ------------------------------------------------------------------------------------


def test_tcp_over_ipv4():
    message = read(frame(IPV4))
    assert message.metadata == {
        "proxy.version": 2,
        "proxy.command": "PROXY",
        "proxy.family": "inet",
        "proxy.transport": "stream",
        **ADDRESSES,
    }
    assert message.body["source"] == CLIENT
    assert message.body["destination"] == SERVER
    assert message.error is None


@pytest.mark.parametrize(
    ("protocol", "block", "family", "transport"),
    [
        (0x11, IPV4, "inet", "stream"),
        (0x12, IPV4, "inet", "dgram"),
        (0x21, IPV6, "inet6", "stream"),
        (0x22, IPV6, "inet6", "dgram"),
    ],
)
def test_internet_families(protocol: int, block: bytes, family: str, transport: str):
    message = read(frame(block, protocol))
    assert (message.metadata["proxy.family"], message.metadata["proxy.transport"]) == (family, transport)
    assert message.metadata["source.address"] == ("192.0.2.1" if family == "inet" else "2001:db8::1")
    assert message.metadata["destination.port"] == 443
    assert (message.body["family"], message.body["transport"]) == (family, transport)


@pytest.mark.parametrize(("protocol", "transport"), [(0x31, "stream"), (0x32, "dgram")])
def test_unix_sockets(protocol: int, transport: str):
    paths = b"/run/client.sock".ljust(108, b"\0") + b"\0abstract\0x".ljust(108, b"\0")
    message = read(frame(paths, protocol))
    assert message.metadata == {
        "proxy.version": 2,
        "proxy.command": "PROXY",
        "proxy.family": "unix",
        "proxy.transport": transport,
        "source.address": "/run/client.sock",
        "destination.address": "\0abstract\0x",
    }
    assert message.body["source"] == "/run/client.sock"


def test_unix_paths_end_at_their_nul_or_at_108_bytes_and_may_be_missing():
    message = read(frame(b"/a\0left over".ljust(108, b"\0") + b"/" * 108, 0x31))
    assert message.metadata["source.address"] == "/a"
    assert message.metadata["destination.address"] == "/" * 108
    unnamed = read(frame(bytes(216), 0x31))
    assert not unnamed.metadata.keys() & {"source.address", "destination.address"}
    assert (unnamed.body["source"], unnamed.body["destination"]) == ("", "")
    assert read(frame(b"/\xff".ljust(216, b"\0"), 0x31)).metadata["source.address"] == "/\udcff"


@pytest.mark.parametrize("protocol", [0x00, 0x11, 0x21, 0x31, 0x13, 0x4F, 0xFF])
@pytest.mark.parametrize("rest", [b"", IPV4, b"\x01", bytes(300), vector(2, b"sni")])
def test_local_is_skipped_whatever_it_holds(protocol: int, rest: bytes):
    """ "the receiver must accept … and discard the protocol block including the family which is ignored"."""
    message = read(frame(rest, protocol, 0x20))
    assert message.metadata == {"proxy.version": 2, "proxy.command": "LOCAL"}
    assert message.error is None
    body = message.body
    assert (body["source"], body["destination"]) == (None, None)
    assert header(**body) == message


def test_local_health_check_of_an_aws_load_balancer():
    raw = bytes.fromhex(
        "0D0A0D0A 000D0A51 5549540A"  # signature
        "20 00 0007"  # LOCAL, unspecified, 7 bytes
        "03 0004 A9B87E8F"  # CRC32C
    )
    message = read(raw)
    assert message.error is None
    assert message.body["tlvs"] == [("crc32c", bytes.fromhex("A9B87E8F"))]
    wrong = read(raw[:-1] + b"\x8e")  # must be accepted all the same
    assert wrong.metadata == message.metadata
    assert wrong.error is not None
    assert wrong.error.offset == 19


@pytest.mark.parametrize("protocol", [0x00, 0x01, 0x02, 0x10, 0x20, 0x30])
def test_unspecified_protocols_are_accepted_without_addresses(protocol: int):
    message = read(frame(b"\xffwhatever", protocol))
    assert message.metadata.keys() == {"proxy.version", "proxy.command", "proxy.family", "proxy.transport"}
    assert message.body["ignored"] == b"\xffwhatever"
    assert header(**message.body) == message


def test_vectors_behind_unspecified_addresses():
    """As haproxy sends for the client of a Unix socket."""
    message = read(frame(vector(2, b"example.com"), 0x00))
    assert message.metadata["tls.sni"] == "example.com"
    behind = read(frame(IPV4 + vector(2, b"example.com"), 0x10))
    assert behind.metadata["tls.sni"] == "example.com"
    assert "source.address" not in behind.metadata
    assert behind.body["ignored"] == IPV4


@pytest.mark.parametrize(
    ("raw", "offset"),
    [
        (SIGNATURE[:4] + b"\x01", 4),
        (SIGNATURE[:11] + b"\r", 11),
        (SIGNATURE + b"\x11", 12),  # version 1
        (SIGNATURE + b"\x31", 12),
        (SIGNATURE + b"\x01", 12),
        *((SIGNATURE + bytes([0x20 | command]), 12) for command in range(2, 16)),  # unassigned: drop
        *((SIGNATURE + bytes([0x21, protocol]), 13) for protocol in (0x03, 0x13, 0x1F, 0x23, 0x33, 0x40, 0x41, 0xFF)),
        (frame(b"", 0x11), 14),
        (frame(IPV4[:-1], 0x12), 14),
        (frame(IPV6[:-1], 0x21), 14),
        (frame(IPV4, 0x22), 14),
        (frame(bytes(215), 0x31), 14),
    ],
)
def test_bad_frames(raw: bytes, offset: int):
    assert refused(raw)[0] == offset


def test_too_short_for_the_family_is_told_at_byte_16():
    assert outcome([frame(b"", 0x31)[:15]])[1] is None
    assert refused(frame(bytes(99), 0x31)[:16])[0] == 14


def test_the_longest_header_is_not_allocated_before_it_comes():
    longest = frame(IPV4 + vector(4, bytes(65535 - 15)))
    assert len(longest) == 65551
    assert outcome([longest[:16]]) == ([], None, longest[:16])
    (message,), error, rest = outcome([longest[:16], *(longest[at : at + 100] for at in range(16, 65551, 100)), b"x"])
    assert (message.raw, error, rest) == (longest, None, b"x")


def test_limits_judge_the_length_field():
    stream = Stream("proxy", Side.CLIENT, limits=Limits(message=536))  # the smallest segment's size
    with pytest.raises(LimitExceeded) as caught:
        list(stream.receive_data(frame(IPV4 + bytes(600))[:16]))
    assert caught.value.offset == 14
    with pytest.raises(LimitExceeded):
        split_datagram(frame(IPV4 + vector(4, bytes(600))), Limits(message=536))


@given(st.binary(max_size=60), st.sampled_from([b"", SIGNATURE, SIGNATURE + b"\x21\x11", b"PROXY ", b"PROXY TCP6 "]))
def test_any_bytes_at_all(rest: bytes, start: bytes):
    assert outcome([start + rest]) == outcome(bytewise(start + rest))


# -- TLVs (sections 2.2.1 to 2.2.8) -----------------------------------------------------------------------------


def tlv_message(*vectors: bytes) -> Message:
    return read(frame(IPV4 + b"".join(vectors)))


def tlv_metadata(*vectors: bytes) -> dict[str, Any]:
    message = tlv_message(*vectors)
    assert message.error is None
    return {key: value for key, value in message.metadata.items() if key.startswith(("tls.", "proxy.tlv."))}


@pytest.mark.parametrize(
    ("vectors", "metadata"),
    [
        ([vector(0x01, b"h2")], {"tls.alpn": ("h2",)}),
        ([vector(0x01, b"\x00\x0c\x02h2\x08http/1.1")], {"tls.alpn": ("h2", "http/1.1")}),  # RFC 7301, 3.1
        ([vector(0x01, b"\x00\x03\x02h2")], {"tls.alpn": ("h2",)}),
        ([vector(0x01, b"\x00\x03\x03h2")], {"tls.alpn": ("\0\x03\x03h2",)}),  # no list: a name then
        ([vector(0x01, b"\x00\x03\x00\x01h")], {"tls.alpn": ("\0\x03\0\x01h",)}),
        ([vector(0x02, "bücher.example".encode())], {"tls.sni": "bücher.example"}),
        ([vector(0x04), vector(0x04, b"padding")], {}),
        ([vector(0x05, b"4fe8-\xff")], {"proxy.tlv.unique_id": "4fe8-\udcff"}),
        ([vector(0x05, b"u" * 128)], {"proxy.tlv.unique_id": "u" * 128}),
        ([vector(0x30, b"blue")], {"proxy.tlv.netns": "blue"}),
        ([vector(0xE0, b"\x00\x01\x02\x03\x04\x05\x06\x07")], {"proxy.tlv.gcp.psc_connection_id": 0x0001020304050607}),
        ([vector(0xEA, b"\x01vpce-08d2bf15fac5001c9")], {"proxy.tlv.aws.vpce_id": "vpce-08d2bf15fac5001c9"}),
        ([vector(0xEE, b"\x01\x2a\x00\x00\x10")], {"proxy.tlv.azure.link_id": 0x1000002A}),  # little-endian
        ([vector(0xE0, b"ours"), vector(0xEA, b"\x02x"), vector(0xEA, b"\x01"), vector(0xEE, b"\x01")], {}),
        ([vector(0x21, b"TLSv1.3")], {}),  # a sub-type stands for nothing outside SSL
        ([vector(0x02), vector(0x01), vector(0x05), vector(0x30)], {}),  # nothing there
        ([vector(0x02, b"a"), vector(0x02, b"a")], {"tls.sni": "a"}),
    ],
)
def test_what_vectors_say(vectors: list[bytes], metadata: dict[str, Any]):
    assert tlv_metadata(*vectors) == metadata


def test_unknown_vectors_keep_their_order_and_duplicates():
    vectors = [vector(0xE5, b"1"), vector(0x07, b"2"), vector(0xE5, b"3"), vector(0xF8), vector(0x04, b"\0")]
    message = tlv_message(*vectors)
    assert message.error is None
    assert message.body["tlvs"] == [(0xE5, b"1"), (0x07, b"2"), (0xE5, b"3"), (0xF8, b""), ("noop", b"\0")]
    assert header(**message.body) == message


def ssl_value(client: int, verify: int, *vectors: bytes) -> bytes:
    return struct.pack("!BI", client, verify) + b"".join(vectors)


def test_ssl():
    certificate = b"0\x82"
    value = ssl_value(
        0x07,
        0,
        vector(0x21, b"TLSv1.3"),
        vector(0x22, "Jürgen".encode()),
        vector(0x23, b"TLS_AES_256_GCM_SHA384"),
        vector(0x24, b"RSA-SHA256"),
        vector(0x25, b"RSA2048"),
        vector(0x26, b"X25519MLKEM768"),
        vector(0x27, b"rsa_pss_rsae_sha256"),
        vector(0x28, certificate),
        vector(0x2F, b"\xff"),
    )
    assert tlv_metadata(vector(0x20, value)) == {
        "proxy.tlv.ssl.client_ssl": True,
        "proxy.tlv.ssl.client_cert_conn": True,
        "proxy.tlv.ssl.client_cert_sess": True,
        "proxy.tlv.ssl.verify": 0,
        "proxy.tlv.ssl.verified": True,
        "proxy.tlv.ssl.version": "TLSv1.3",
        "proxy.tlv.ssl.cn": "Jürgen",
        "proxy.tlv.ssl.cipher": "TLS_AES_256_GCM_SHA384",
        "proxy.tlv.ssl.sig_alg": "RSA-SHA256",
        "proxy.tlv.ssl.key_alg": "RSA2048",
        "proxy.tlv.ssl.group": "X25519MLKEM768",
        "proxy.tlv.ssl.sig_scheme": "rsa_pss_rsae_sha256",
    }
    message = tlv_message(vector(0x20, value))
    (ssl,) = message.body["tlvs"]
    assert ssl[1]["tlvs"][0] == ("version", "TLSv1.3")
    assert ssl[1]["tlvs"][-2:] == [("client_cert", certificate), (0x2F, b"\xff")]
    assert header(**message.body) == message


@pytest.mark.parametrize(
    ("client", "verify", "verified"),
    [
        (0x00, 0, False),  # haproxy, of a client without TLS
        (0x01, 0, False),  # TLS, but no certificate
        (0x03, 0, True),
        (0x05, 0, True),
        (0x07, 0, True),
        (0x07, 18, False),  # X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT
        (0x06, 0, False),  # a certificate without TLS is none
    ],
)
def test_verified_says_that_a_certificate_was(client: int, verify: int, verified: bool):
    metadata = tlv_metadata(vector(0x20, ssl_value(client, verify)))
    assert metadata["proxy.tlv.ssl.verified"] is verified
    assert metadata["proxy.tlv.ssl.verify"] == verify


@pytest.mark.parametrize(
    ("vectors", "offset", "kept"),
    [
        ([vector(0x05, b"u" * 129)], 29, {}),
        ([vector(0x02, b"ex\xff")], 28, {"tls.sni": "ex\udcff"}),  # text is lossless
        ([vector(0x30, "ü".encode())], 28, {"proxy.tlv.netns": "ü"}),
        ([vector(0x20, b"\x01\x00\x00\x00")], 31, {}),
        ([vector(0x20, ssl_value(1, 0, b"\x21\x00\x09TLS"))], 37, {}),
        ([vector(0x02, b"a"), vector(0x02, b"b")], 32, {}),  # which of them counts, receivers do not agree
        ([vector(0x02, b"a"), vector(0x02)], 32, {}),
        ([vector(0x02), vector(0x02, b"a")], 31, {}),
        ([vector(0x01, b"h2"), vector(0x01, b"h3")], 33, {}),
        ([vector(0x20, ssl_value(7, 0)), vector(0x20, ssl_value(7, 1))], 36, {}),
        ([vector(0x20, b"\x01"), vector(0x20, ssl_value(7, 0))], 31, {}),
        ([vector(0xEA, b"\x01a"), vector(0xEA, b"\x01b"), vector(0x30, b"n")], 33, {"proxy.tlv.netns": "n"}),
    ],
)
def test_bad_values_are_told_and_the_header_is_good(vectors: list[bytes], offset: int, kept: dict[str, Any]):
    message = tlv_message(*vectors)
    assert isinstance(message.error, BodyError)
    assert message.error.offset == offset
    assert {key: value for key, value in message.metadata.items() if key.startswith(("tls.", "proxy.tlv."))} == kept
    assert message.metadata["source.address"] == "192.0.2.1"
    assert b"".join(vectors) in message.raw
    assert len(message.body["tlvs"]) == len(vectors)


@pytest.mark.parametrize(
    ("inner", "offset", "kept"),
    [
        ([vector(0x21, b"TLS\xff")], 36, {"proxy.tlv.ssl.version": "TLS\udcff"}),
        ([vector(0x22, b"me"), vector(0x22, b"you")], 41, {}),
        ([vector(0x22), vector(0x23, b"AES")], None, {"proxy.tlv.ssl.cipher": "AES"}),
    ],
)
def test_bad_values_inside_ssl(inner: list[bytes], offset: int | None, kept: dict[str, Any]):
    one = vector(0x20, ssl_value(1, 1, *inner))
    message = tlv_message(one, one)  # the same twice is no contradiction
    assert (None if message.error is None else message.error.offset) == offset
    texts = {"proxy.tlv.ssl.version", "proxy.tlv.ssl.cn", "proxy.tlv.ssl.cipher"} & message.metadata.keys()
    assert {key: message.metadata[key] for key in texts} == kept
    assert message.metadata["proxy.tlv.ssl.client_ssl"] is True


def test_a_damaged_ssl_vector_stays_bytes():
    assert tlv_message(vector(0x20, b"\x01")).body["tlvs"] == [("ssl", b"\x01")]


def test_too_many_protocols_leave_no_key():
    names = b"\x01a" * 11
    raw = frame(IPV4 + vector(0x01, len(names).to_bytes(2, "big") + names))
    (message,), error, _ = outcome([raw], Limits(values=10))
    assert error is None
    assert "tls.alpn" not in message.metadata
    assert message.error is not None


@pytest.mark.parametrize(
    ("rest", "offset"),
    [
        (b"\x02", 28),
        (b"\x02\x00", 28),
        (b"\x02\x00\x01", 29),
        (b"\x02\xff\xffx", 29),
        (vector(4) + b"\x02\x00\x02x", 32),
    ],
)
def test_vectors_that_run_over_the_end_end_the_stream(rest: bytes, offset: int):
    assert refused(frame(IPV4 + rest))[0] == offset


# -- the checksum (section 2.2.3) -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "checksum"),
    [  # RFC 3720, appendix B.4
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(range(31, -1, -1)), 0x113FDB5C),
        (
            bytes.fromhex(
                "01C00000 00000000 00000000 00000000 14000000 00000400 00000014 00000018 28000000 00000000 02000000"
                "00000000"
            ),
            0xD9963A56,
        ),
        (b"123456789", 0xE3069283),  # the check value of the catalogues
        (b"", 0),
    ],
)
def test_crc32c(data: bytes, checksum: int):
    assert crc32c(data) == checksum
    assert crc32c(data[5:], crc32c(data[:5])) == checksum


def sealed(*vectors: bytes) -> bytes:
    raw = frame(IPV4 + b"".join(vectors))
    return raw.replace(bytes.fromhex("03000400000000"), bytes.fromhex("030004") + crc32c(raw).to_bytes(4, "big"))


@pytest.mark.parametrize(
    "vectors",
    [
        [vector(3, bytes(4))],
        [vector(2, b"a"), vector(3, bytes(4)), vector(0xEA, b"\x01vpce")],
        [vector(0xEA, b"\x01vpce"), vector(3, bytes(4))],  # the order stays: AWS puts it last
    ],
)
def test_a_checksum_is_verified_where_there_is_one(vectors: list[bytes]):
    raw = sealed(*vectors)
    assert read(raw).metadata["proxy.tlv.crc32c"] is True
    at = raw.index(b"\x03\x00\x04") + 3
    for damaged in (16, 27, at, at + 3):
        changed = bytearray(raw)
        changed[damaged] ^= 0x40
        offset, reason = refused(bytes(changed))
        assert offset == at
        assert "CRC32C" in reason


def test_a_checksum_of_another_size_and_a_second_one_are_refused():
    assert refused(frame(IPV4 + vector(3, bytes(3))))[0] == 29
    assert refused(frame(IPV4 + vector(3, bytes(4)) + vector(3, bytes(4))))[0] == 35


# -- sides, and the end -----------------------------------------------------------------------------------------


def test_the_server_sends_none():
    with pytest.raises(RemoteProtocolError) as caught:
        list(Stream("proxy", Side.SERVER).receive_data(frame(IPV4)))
    assert caught.value.offset == 0


def test_a_stream_that_ends_inside_a_header():
    stream = Stream("proxy", Side.CLIENT)
    assert not list(stream.receive_data(b"PROXY TCP4 1.2"))
    with pytest.raises(TruncatedMessage):
        list(stream.receive_eof())
    for part in (b"", b"PROXY", frame(IPV4)[:20]):
        with pytest.raises(TruncatedMessage):
            split_datagram(part)


def test_what_follows_stays_where_it_is_however_much_comes():
    stream = Stream("proxy", Side.CLIENT)
    (message,) = stream.receive_data(frame(IPV4))
    assert stream.codec.finished
    for piece in (b"a" * 100, b"b", b"c" * 70_000):
        assert not list(stream.receive_data(piece))
    assert len(stream.trailing_data) == 70_101
    assert stream.offset == message.size == 28


def test_missing_bytes_of_a_capture():
    raw = frame(IPV4 + vector(2, b"example.com"))
    stream = Stream("proxy", Side.CLIENT)
    list(stream.receive_data(raw[:30]))
    (message,) = [*stream.receive_gap(4), *stream.receive_data(raw[34:])]
    assert message.missing == 4
    assert message.metadata["source.address"] == "192.0.2.1"
    assert "tls.sni" not in message.metadata
    with pytest.raises(LocalProtocolError):
        l7codec.encode(message)
    stream = Stream("proxy", Side.CLIENT)
    list(stream.receive_data(raw[:18]))
    (message,) = [*stream.receive_gap(2), *stream.receive_data(raw[20:])]
    assert "source.address" not in message.metadata
    with pytest.raises(BodyError):
        _ = message.body


def test_there_is_no_reply():
    request = header(CLIENT, SERVER)
    assert proxy_protocol.ProxyCodec.reply(request, l7codec.Reason.DENIED) is None


@pytest.mark.parametrize(
    ("data", "side", "verdict"),
    [
        (frame(IPV4), Side.CLIENT, Verdict(Answer.YES, Confidence.MAGIC)),
        (b"PROXY TCP4 1", Side.CLIENT, Verdict(Answer.YES, Confidence.MAGIC)),
        (b"PROXY UNKNOWN\r\n", Side.CLIENT, Verdict(Answer.YES, Confidence.MAGIC)),
        (b"\r\n\r\n", Side.CLIENT, Verdict(Answer.MORE)),
        (b"PROXY ", Side.CLIENT, Verdict(Answer.MORE)),
        (b"PROXY TCP9", Side.CLIENT, NO),
        (b"\r\n\r\nGET", Side.CLIENT, NO),
        (frame(IPV4), Side.SERVER, NO),
    ],
)
def test_sniff(data: bytes, side: Side, verdict: Verdict):
    assert proxy_protocol.ProxyCodec.sniff(data, side) == verdict


def test_detection():
    assert l7codec.detect(frame(IPV4)) == "proxy"


# -- building ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "raw"),
    [
        (header(CLIENT, SERVER), frame(IPV4)),
        (header(list(CLIENT), list(SERVER)), frame(IPV4)),
        (header(CLIENT, SERVER, transport="dgram"), frame(IPV4, 0x12)),
        (header(("2001:DB8::1", 56324), ("2001:db8::7", 443)), frame(IPV6, 0x21)),
        (header("/a", "\0b"), frame(b"/a".ljust(108, b"\0") + b"\0b".ljust(108, b"\0"), 0x31)),
        (header("", "/" * 108, transport="dgram"), frame(bytes(108) + b"/" * 108, 0x32)),
        (header(), frame(b"", 0x00)),
        (header(command="LOCAL"), frame(b"", 0x00, 0x20)),
        (header(command="LOCAL", tlvs=[(0xE5, "x")]), frame(vector(0xE5, b"x"), 0x00, 0x20)),
        (header(CLIENT, SERVER, version=1), b"PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n"),
        (header(("2001:DB8:0::1", 0), ("::", 65535), version=1), b"PROXY TCP6 2001:db8::1 :: 0 65535\r\n"),
        (header(version=1), b"PROXY UNKNOWN\r\n"),
        (header(version=1, ignored=b" why"), b"PROXY UNKNOWN why\r\n"),
        (header(CLIENT, SERVER, align=64), frame(IPV4 + vector(4, bytes(33)))),
        (header(CLIENT, SERVER, align=30), frame(IPV4 + vector(4, bytes(29)))),  # 2 bytes are too few for a TLV
        (header(CLIENT, SERVER, align=28), frame(IPV4)),
        (header(CLIENT, SERVER, tlvs=[("crc32c", None), (2, "a")]), sealed(vector(3, bytes(4)), vector(2, b"a"))),
        (
            header(CLIENT, SERVER, tlvs=[(2, "a"), (3, None)], checksum=True),
            sealed(vector(2, b"a"), vector(3, bytes(4))),
        ),
        (header(CLIENT, SERVER, tlvs=[(2, "a")], checksum=True), sealed(vector(3, bytes(4)), vector(2, b"a"))),
        (
            header(
                CLIENT,
                SERVER,
                tlvs=[
                    ("alpn", "h2"),
                    ("alpn", ["h2"]),
                    ("authority", "bücher.example"),
                    ("unique_id", b"\xff"),
                    ("netns", "blue"),
                    ("gcp.psc_connection_id", 1),
                    ("aws.vpce_id", "vpce-1"),
                    ("azure.link_id", 42),
                    (0x00, b"\x00"),
                ],
            ),
            frame(
                IPV4
                + vector(1, b"h2")
                + vector(1, b"h2")
                + vector(2, "bücher.example".encode())
                + vector(5, b"\xff")
                + vector(0x30, b"blue")
                + vector(0xE0, b"\0\0\0\0\0\0\0\x01")
                + vector(0xEA, b"\x01vpce-1")
                + vector(0xEE, b"\x01\x2a\0\0\0")
                + vector(0, b"\0")
            ),
        ),
        (
            header(CLIENT, SERVER, tlvs=[ssl_tlv(version="TLSv1.2", cn="me", cert_conn=True, verify=0)]),
            frame(IPV4 + vector(0x20, ssl_value(3, 0, vector(0x21, b"TLSv1.2"), vector(0x22, b"me")))),
        ),
        (
            header(CLIENT, SERVER, tlvs=[ssl_tlv(client_ssl=False)]),
            frame(IPV4 + vector(0x20, ssl_value(0, 1))),
        ),
    ],
)
def test_headers_are_built(message: Message, raw: bytes):
    assert message.raw == raw
    assert read(raw) == message
    assert header(**message.body) == message


@pytest.mark.parametrize(
    "arguments",
    [
        {"version": 3},
        {"version": 0},
        {"command": "HELLO"},
        {"command": ["PROXY"]},
        {"source": CLIENT},
        {"destination": SERVER},
        {"source": CLIENT, "destination": ("::1", 1)},
        {"source": CLIENT, "destination": "/run/x"},
        {"source": ("192.0.2.256", 1), "destination": SERVER},
        {"source": ("192.0.2.1\0", 1), "destination": SERVER},
        {"source": ("192.0.2.01", 1), "destination": SERVER},
        {"source": ("fe80::1%eth0", 1), "destination": ("::1", 1)},
        {"source": ("localhost", 1), "destination": SERVER},
        {"source": ("\udcff", 1), "destination": SERVER},
        {"source": (b"192.0.2.1", 1), "destination": SERVER},
        {"source": ("192.0.2.1", 65536), "destination": SERVER},
        {"source": ("192.0.2.1", -1), "destination": SERVER},
        {"source": ("192.0.2.1", True), "destination": SERVER},
        {"source": ("192.0.2.1", "80"), "destination": SERVER},
        {"source": ("192.0.2.1",), "destination": SERVER},
        {"source": 1, "destination": SERVER},
        {"source": "/" * 109, "destination": ""},
        {"source": "/a\0b", "destination": ""},
        {"source": "/a\0", "destination": ""},
        {"source": "\ud800", "destination": ""},
        {"source": CLIENT, "destination": SERVER, "command": "LOCAL"},
        {"source": CLIENT, "destination": SERVER, "transport": "unspec"},
        {"source": CLIENT, "destination": SERVER, "transport": "tcp"},
        {"source": CLIENT, "destination": SERVER, "family": "inet6"},
        {"source": CLIENT, "destination": SERVER, "ignored": b"x"},
        {"family": "inet", "transport": "stream"},
        {"family": "ipv4"},
        {"family": 4},
        {"family": 16, "command": "LOCAL"},
        {"transport": 3},
        {"ignored": "text"},
        {"ignored": b"\xff", "tlvs": [(0xE5, b"")]},
        {"family": "inet", "command": "LOCAL", "tlvs": [(0xE5, b"")]},
        {"version": 1, "command": "LOCAL"},
        {"version": 1, "tlvs": [(4, b"")]},
        {"version": 1, "checksum": True},
        {"version": 1, "align": 2},
        {"version": 1, "source": "/a", "destination": "/b"},
        {"version": 1, "source": CLIENT, "destination": SERVER, "transport": "dgram"},
        {"version": 1, "source": CLIENT, "destination": SERVER, "family": "inet6"},
        {"version": 1, "source": CLIENT, "destination": SERVER, "ignored": b" x"},
        {"version": 1, "transport": "stream"},
        {"version": 1, "ignored": b"x"},
        {"version": 1, "ignored": b" x\n"},
        {"version": 1, "ignored": b" " * 93},
        {"align": 0},
        {"align": 2.5},
        {"tlvs": 5},
        {"tlvs": [5]},
        {"tlvs": [(1, 2, 3)]},
        {"tlvs": [(256, b"")]},
        {"tlvs": [(-1, b"")]},
        {"tlvs": [(True, b"")]},
        {"tlvs": [("sni", "a")]},
        {"tlvs": [(None, "a")]},
        {"tlvs": [("authority", None)]},
        {"tlvs": [("authority", b"\xff")]},
        {"tlvs": [("authority", "\ud800")]},
        {"tlvs": [("authority", "a"), ("authority", "b")]},
        {"tlvs": [("alpn", [])]},
        {"tlvs": [("alpn", [""])]},
        {"tlvs": [("alpn", ["x" * 256])]},
        {"tlvs": [("alpn", ["x" * 255] * 300)]},
        {"tlvs": [("unique_id", "u" * 129)]},
        {"tlvs": [("netns", "ü")]},
        {"tlvs": [("crc32c", None), ("crc32c", None)]},
        {"tlvs": [("noop", bytes(65536))]},
        {"tlvs": [("noop", bytes(65535))]},
        {"tlvs": [("ssl", b"\x01")]},
        {"tlvs": [("ssl", {})]},
        {"tlvs": [("ssl", {"client": 256, "verify": 0, "tlvs": []})]},
        {"tlvs": [("ssl", {"client": 0, "verify": -1, "tlvs": []})]},
        {"tlvs": [("ssl", {"client": 0, "verify": 0, "tlvs": [("sni", "a")]})]},
        {"tlvs": [("ssl", {"client": 0, "verify": 0, "tlvs": 5})]},
        {"tlvs": [("aws.vpce_id", "")]},
        {"tlvs": [("aws.vpce_id", "ü")]},
        {"tlvs": [("azure.link_id", 2**32)]},
        {"tlvs": [("azure.link_id", "1")]},
        {"tlvs": [("gcp.psc_connection_id", 2**64)]},
    ],
)
def test_what_cannot_be_built(arguments: dict[str, Any]):
    with pytest.raises(LocalProtocolError):
        header(**arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        {},  # TLS has a version
        {"client_ssl": False, "version": "TLSv1.3"},
        {"client_ssl": False, "cert_conn": True, "verify": 0},
        {"version": "TLSv1.3", "cert_conn": True},  # was it verified?
        {"version": "TLSv1.3", "verify": 0},  # what was?
        {"version": "TLSv1.3", "cn": "me"},
        {"version": "TLSv1.3", "client_cert": b"0"},
    ],
)
def test_ssl_vectors_must_be_consistent(arguments: dict[str, Any]):
    with pytest.raises(LocalProtocolError):
        ssl_tlv(**arguments)


# -- edits ------------------------------------------------------------------------------------------------------


def edited(message: Message, edits: dict[str, Any]) -> Message:
    return read(l7codec.encode(message, edits))


FULL = header(
    CLIENT,
    SERVER,
    tlvs=[(0xE5, b"1"), ("authority", "a.example"), ("crc32c", None), (0xE5, b"2"), ("aws.vpce_id", "vpce-1")],
)


@pytest.mark.parametrize(
    ("edits", "metadata"),
    [
        ({"source.address": "203.0.113.9"}, {"source.address": "203.0.113.9", "source.port": 56324}),
        ({"source.port": 1, "destination.port": 2}, {"source.port": 1, "destination.port": 2}),
        (
            {"source.address": "::1", "destination.address": "::2"},
            {"proxy.family": "inet6", "source.address": "::1", "source.port": 56324},
        ),
        ({"tls.sni": "longer.example.com"}, {"tls.sni": "longer.example.com"}),
        ({"tls.sni": None}, {"tls.sni": None}),
        ({"tls.alpn": ("h2", "http/1.1")}, {"tls.alpn": ("h2", "http/1.1")}),
        ({"proxy.tlv.unique_id": "42"}, {"proxy.tlv.unique_id": "42"}),
        ({"proxy.tlv.aws.vpce_id": "vpce-2"}, {"proxy.tlv.aws.vpce_id": "vpce-2"}),
        ({"proxy.tlv.azure.link_id": 7}, {"proxy.tlv.azure.link_id": 7, "proxy.tlv.aws.vpce_id": "vpce-1"}),
        ({"proxy.tlv.ssl": ssl_tlv(version="TLSv1.3")[1]}, {"proxy.tlv.ssl.version": "TLSv1.3"}),
    ],
)
def test_edits_write_what_they_name_and_the_checksum_follows(edits: dict[str, Any], metadata: dict[str, Any]):
    message = edited(FULL, edits)
    assert {key: message.metadata.get(key) for key in metadata} == metadata
    assert message.metadata["proxy.tlv.crc32c"] is True
    custom = [value for kind, value in message.body["tlvs"] if kind == 0xE5]
    assert custom == [b"1", b"2"]


def test_a_vector_is_replaced_in_its_place_and_added_at_the_end():
    names = [kind for kind, _ in edited(FULL, {"tls.sni": "b", "proxy.tlv.netns": "n"}).body["tlvs"]]
    assert names == [0xE5, "authority", "crc32c", 0xE5, 0xEA, "netns"]


def test_the_checksum_is_taken_out_and_put_in():
    without = edited(FULL, {"proxy.tlv.crc32c": None})
    assert "proxy.tlv.crc32c" not in without.metadata
    assert edited(FULL, {"proxy.tlv.crc32c": False}) == without
    assert edited(without, {"proxy.tlv.crc32c": True}).metadata["proxy.tlv.crc32c"] is True


def test_others_of_the_kind_go_and_faults_elsewhere_stay():
    message = read(frame(IPV4 + vector(2, b"a") + vector(5, b"u" * 129) + vector(2, b"b") + vector(0xEA, b"\x02")))
    assert message.error is not None
    mended = edited(message, {"tls.sni": "c", "proxy.tlv.aws.vpce_id": "vpce-1"})
    assert mended.body["tlvs"] == [
        ("authority", "c"),
        ("unique_id", b"u" * 129),
        (0xEA, b"\x02"),
        (0xEA, b"\x01vpce-1"),
    ]


def test_the_body_as_an_edit():
    body = {**FULL.body, "source": ("203.0.113.9", 1)}
    assert edited(FULL, {"body": body}).metadata["source.address"] == "203.0.113.9"
    assert edited(FULL, {"body": body, "tls.sni": "b"}).metadata["tls.sni"] == "b"
    version_1 = {**body, "version": 1, "tlvs": []}
    assert l7codec.encode(FULL, {"body": version_1}) == b"PROXY TCP4 203.0.113.9 198.51.100.7 1 443\r\n"


def test_edits_of_version_1_keep_the_spelling_of_the_rest():
    message = read(b"PROXY TCP6 2001:DB8::1 2001:0DB8::2 1 2\r\n")
    assert edited(message, {"source.port": 9}).raw == b"PROXY TCP6 2001:DB8::1 2001:0DB8::2 9 2\r\n"
    assert edited(message, {"destination.address": "::FFFF"}).raw == b"PROXY TCP6 2001:DB8::1 ::ffff 1 2\r\n"
    assert edited(message, {"destination.port": 8}).raw == b"PROXY TCP6 2001:DB8::1 2001:0DB8::2 1 8\r\n"
    four = {"source.address": "1.2.3.4", "destination.address": "5.6.7.8"}
    assert edited(message, four).raw == b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n"
    long = "1111:2222:3333:4444:5555:6666:111.111.111.111"
    crowded = read(f"PROXY TCP6 {long} ::1 1 2\r\n".encode())
    crowd = {"destination.address": "1111:2222:3333:4444:5555:6666:7777:8888", "source.port": 65535}
    assert len(edited(crowded, {**crowd, "destination.port": 65535}).raw) <= 107


def test_edits_of_unix_paths_keep_the_other_path_whole():
    raw = frame(b"/a\0left over".ljust(108, b"\0") + b"/b".ljust(108, b"\0"), 0x31)
    message = edited(read(raw), {"destination.address": "/c"})
    assert message.raw == raw.replace(b"/b", b"/c")
    assert edited(message, {"source.address": "/d"}).metadata["source.address"] == "/d"


@pytest.mark.parametrize(
    ("message", "edits"),
    [
        (FULL, {"source.address": None}),
        (FULL, {"source.address": "::1"}),
        (FULL, {"source.port": None}),
        (FULL, {"source.port": "80"}),
        (FULL, {"method": "x"}),
        (FULL, {"tls.sni": b"\xff"}),
        (FULL, {"tls.sni": 5}),
        (FULL, {"proxy.tlv.unique_id": "u" * 129}),
        (FULL, {"proxy.tlv.ssl": {"client": 1}}),
        (FULL, {"body": None}),
        (FULL, {"body": {"versions": 2}}),
        (FULL, {"proxy.tlv.unique_id": "u", "tls.alpn": ["x" * 250] * 258, "proxy.tlv.netns": "n" * 65535}),
        (header("/a", "/b"), {"source.port": 80}),
        (header("/a", "/b"), {"source.address": None}),
        (header("/a", "/b"), {"source.address": 5}),
        (header(), {"source.address": "192.0.2.1"}),
        (header(command="LOCAL"), {"source.address": "192.0.2.1"}),
        (header(command="LOCAL", ignored=b"\xff"), {"tls.sni": "a"}),
        (header(command="LOCAL", family=9), {"tls.sni": "a"}),
        (header(version=1), {"source.address": "192.0.2.1"}),
        (header(CLIENT, SERVER, version=1), {"tls.sni": "a"}),
        (header(CLIENT, SERVER, version=1), {"source.address": "::1"}),
        (header(CLIENT, SERVER, version=1), {"source.address": "/a"}),
    ],
)
def test_edits_that_cannot_be_made(message: Message, edits: dict[str, Any]):
    with pytest.raises(LocalProtocolError):
        l7codec.encode(message, edits)


def test_removing_what_is_not_there_changes_nothing():
    for message in (header(CLIENT, SERVER), header(), header(command="LOCAL", ignored=b"\xff")):
        assert l7codec.encode(message, {"tls.sni": None, "proxy.tlv.crc32c": False}) == message.raw


# -- before another protocol ------------------------------------------------------------------------------------


class Lines(Codec):
    """A request a line; an answer a line."""

    name = "proxy_test_lines"

    def decode(self, side: Side, buffer: ReceiveBuffer) -> Message | None:
        end = buffer.data.find(b"\n", buffer.position)
        if end < 0:
            buffer.wait(1, b"\n")
            return None
        if buffer.data[buffer.position] == ord("!"):
            raise buffer.fail("no line begins so")
        kind = Kind.REQUEST if side is Side.CLIENT else Kind.RESPONSE
        return Message(self.name, kind, side, {}, buffer.take(end + 1 - buffer.position))

    @classmethod
    def body(cls, message: Message) -> bytes:
        return message.raw

    @classmethod
    def sniff(cls, data: bytes, side: Side) -> Verdict:
        return NO


PEER = {"peer.address": "10.0.0.1", "peer.port": 4000}


def behind_proxy() -> Conversation:
    return Conversation(Lines, preface="proxy", connection=PEER)


@pytest.mark.parametrize("pieces", [lambda data: [data], bytewise], ids=["whole", "byte by byte"])
def test_every_later_message_carries_what_the_header_said(pieces: Any):
    conversation = behind_proxy()
    raw = header(CLIENT, SERVER, tlvs=[("authority", "a.example"), ("unique_id", "42")]).raw
    preface, first, second = (
        message for piece in pieces(raw + b"one\ntwo\n") for message in conversation.client.receive_data(piece)
    )
    (answer,) = conversation.server.receive_data(b"1\n")
    assert preface.kind is Kind.PREFACE
    said = {**PEER, **ADDRESSES, "tls.sni": "a.example", "proxy.tlv.unique_id": "42", "proxy.command": "PROXY"}
    for message in (preface, first, second, answer):
        assert {key: message.metadata[key] for key in said} == said
    assert answer.request is first
    assert list(conversation.pending) == [second]


@pytest.mark.parametrize("local", [header(command="LOCAL"), header(), header(version=1)])
def test_without_addresses_the_peer_keeps_its_own(local: Message):
    conversation = behind_proxy()
    _, message = conversation.client.receive_data(local.raw + b"one\n")
    assert message.metadata["source.address"] == message.metadata["peer.address"] == "10.0.0.1"
    assert message.metadata["source.port"] == 4000


def test_a_path_does_not_get_the_port_of_another_endpoint():
    connection = {**PEER, "destination.address": "10.0.0.2", "destination.port": 6379}
    conversation = Conversation(Lines, preface="proxy", connection=connection)
    raw = header("/run/client.sock", "/run/server.sock").raw
    for message in conversation.client.receive_data(raw + b"one\n"):
        assert message.metadata["source.address"] == "/run/client.sock"
        assert message.metadata["destination.address"] == "/run/server.sock"
        assert not {"source.port", "destination.port"} & message.metadata.keys()
        assert message.metadata["peer.port"] == PEER["peer.port"]


def test_offsets_count_the_header():
    conversation = behind_proxy()
    stream = conversation.client.receive_data(frame(IPV4) + b"one\n!two\n")
    assert [next(stream).kind, next(stream).kind] == [Kind.PREFACE, Kind.REQUEST]
    with pytest.raises(RemoteProtocolError) as caught:
        next(stream)
    assert (caught.value.protocol, caught.value.offset) == (Lines.name, 28 + 4)


def test_a_client_without_header_is_refused_and_one_without_being_asked_too():
    with pytest.raises(RemoteProtocolError) as caught:
        list(behind_proxy().client.receive_data(b"one\n"))
    assert (caught.value.protocol, caught.value.offset) == ("proxy", 0)
    conversation = Conversation(Lines, connection=PEER)
    (message,) = conversation.client.receive_data(header(CLIENT, SERVER, version=1).raw)
    assert message.protocol == Lines.name, "nobody asked for a header: it is a line like any other"
    assert message.metadata["source.address"] == "10.0.0.1"


def test_the_header_comes_once():
    conversation = behind_proxy()
    assert len(list(conversation.client.receive_data(frame(IPV4)))) == 1
    _, second = [None, *conversation.client.receive_data(header(CLIENT, SERVER, version=1).raw)]
    assert second is not None
    assert second.protocol == Lines.name


def test_a_header_sent_to_the_upstream():
    upstream = Conversation(Lines, preface="proxy", connection={"peer.address": "10.0.0.9", "peer.port": 7})
    message = header(CLIENT, SERVER, checksum=True)
    assert upstream.send(message) == message.raw
    request = Message(Lines.name, Kind.REQUEST, Side.CLIENT, {}, b"one\n")
    assert upstream.send(request) == b"one\n"
    (answer,) = upstream.server.receive_data(b"1\n")
    assert answer.request is request
    assert answer.metadata["source.address"] == "192.0.2.1"
    with pytest.raises(LocalProtocolError):
        upstream.send(message)  # a second one


def test_a_header_sent_on_with_edits():
    upstream = behind_proxy()
    sent = upstream.send(header(CLIENT, SERVER, checksum=True), {"source.address": "203.0.113.9"})
    assert read(sent).metadata["source.address"] == "203.0.113.9"
    upstream.send(Message(Lines.name, Kind.REQUEST, Side.CLIENT, {}, b"one\n"))
    (answer,) = upstream.server.receive_data(b"1\n")
    assert answer.metadata["source.address"] == "203.0.113.9"


def test_to_dict():
    row = l7codec.to_dict(FULL, body=True)
    assert row["kind"] == "preface"
    assert row["body"]["source"] == ["192.0.2.1", 56324]
    assert row["body"]["tlvs"][1] == ["authority", "a.example"]
