"""Every header, as its specification draws it: what is read, and which bytes are a packet's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l7codec import LocalProtocolError, Reason, RemoteProtocolError, Side, detect, encode, strategies
from l7codec.protocols import quic
from l7codec.protocols.quic import QuicCodec
from l7codec.protocols.quic.versions import name_of
from l7codec.strategies import quic as packets

from .observer import DOWN, UP, V1, V2, octets, one, types

ID, OTHER = bytes(range(8)), bytes(range(8, 16))
PAYLOAD = bytes(range(100, 140))


@pytest.mark.parametrize("version", [V1, V2, 0x709A50C4, 0xFF00001D, 0xFACEB002])
@pytest.mark.parametrize("kind", ["initial", "0rtt", "handshake"])
def test_long_headers(version: int, kind: str) -> None:
    message = one(QuicCodec(), quic.long_packet(kind, ID, OTHER, PAYLOAD, version=version, low_bits=3))
    assert message.metadata["quic.packet_type"] == kind
    assert message.metadata["quic.version"] == version
    assert message.metadata["quic.dcid"] == ID.hex()
    assert message.metadata["quic.scid"] == OTHER.hex()
    assert message.body["payload"] == PAYLOAD


def test_the_type_bits_of_version_2() -> None:
    """RFC 9369 section 3.2: Initial 01, 0-RTT 10, Handshake 11, Retry 00."""
    head = V2.to_bytes(4, "big") + bytes([8]) + ID + b"\0"
    for bits, kind, rest in ((1, "initial", b"\0\x04abcd"), (2, "0rtt", b"\x04abcd"), (3, "handshake", b"\x04abcd")):
        assert types([one(QuicCodec(), bytes([0xC0 | bits << 4]) + head + rest)]) == [kind]
    assert types([one(QuicCodec(), b"\xc0" + head + b"token" + bytes(16))]) == ["retry"]


@pytest.mark.parametrize(
    ("number", "name"),
    [
        (1, "v1"),
        (V2, "v2"),
        (0xFF00001D, "draft-29"),
        (0xFF000005, "draft-05"),
        (0x0A1A2A3A, "grease-0x0a1a2a3a"),
        (0x51303433, "Q043"),
        (0x54303531, "T051"),
        (0xDEADBEEF, "0xdeadbeef"),
    ],
)
def test_names_of_versions(number: int, name: str) -> None:
    assert name_of(number) == name


def test_a_version_that_nobody_knows() -> None:
    """RFC 8999: version and ids, whose length may be up to 255 there, and nothing else."""
    long_id = bytes(255)
    data = b"\xf0\xde\xad\xbe\xef" + b"\xff" + long_id + b"\x03abc" + b"anything"
    message = one(QuicCodec(), data)
    assert message.metadata["quic.packet_type"] == "unknown"
    assert message.metadata["quic.version_name"] == "0xdeadbeef"
    assert message.metadata["quic.dcid"] == long_id.hex()
    assert message.body["payload"] == b"anything"
    assert message.error is None


def test_version_negotiation() -> None:
    data = octets("ea00000000089aac5a49ba87a84908f92f4336fa951ba14547471600000001")
    message = one(QuicCodec(), data, DOWN)
    assert message.side is Side.SERVER
    assert message.metadata["quic.supported_versions"] == ("0x45474716", "v1")
    assert message.body["supported_versions"] == [0x45474716, 1]
    assert "quic.fixed_bit" not in one(QuicCodec(), b"\x80" + data[1:], DOWN).metadata
    with pytest.raises(RemoteProtocolError, match="no multiple of 4"):
        QuicCodec().decode_datagram(data + b"x", DOWN)


def test_a_retry_of_an_old_draft_names_the_id_it_answers() -> None:
    codec = QuicCodec()
    one(codec, quic.initial(ID, OTHER, b"\1\0\0\1x", version=0xFF000017))
    message = one(codec, quic.retry(OTHER, b"new", b"token", odcid=ID, version=0xFF000017), DOWN)
    assert message.metadata["quic.odcid"] == ID.hex()
    assert message.metadata["quic.retry_valid"] is True


def test_coalesced_packets() -> None:
    first = quic.long_packet("initial", ID, OTHER, PAYLOAD).raw
    second = quic.long_packet("handshake", ID, OTHER, PAYLOAD).raw
    third = quic.short_packet(ID, PAYLOAD).raw
    messages = QuicCodec().decode_datagram(first + second + third, UP)
    assert types(messages) == ["initial", "handshake", "1rtt"]
    assert [message.raw for message in messages] == [first, second, third]
    assert all(message.metadata["quic.coalesced"] for message in messages)
    assert len({message.metadata["conversation"] for message in messages}) == 1


@pytest.mark.parametrize(
    "tail",
    [
        bytes(100),
        b"\x3f" + bytes(50),
        quic.long_packet("handshake", OTHER, ID, PAYLOAD).raw,  # RFC 9000 section 12.2: another id is to be ignored
        quic.short_packet(OTHER, PAYLOAD).raw,
        b"\x40" + ID,  # shorter than any packet
        quic.version_negotiation(ID, OTHER).raw,
    ],
    ids=["zeros", "no header", "another id", "another id, short", "too short", "negotiation"],
)
def test_what_stands_behind_is_no_packet(tail: bytes) -> None:
    first = quic.long_packet("handshake", ID, OTHER, PAYLOAD).raw
    messages = QuicCodec().decode_datagram(first + tail, UP)
    assert types(messages) == ["handshake", "trailing"]
    assert messages[1].raw == tail
    assert messages[1].error is None


def test_a_packet_behind_that_is_cut_off_is_told() -> None:
    first = quic.long_packet("handshake", ID, OTHER, PAYLOAD).raw
    messages = QuicCodec().decode_datagram(first + first[:-1], UP)
    assert types(messages) == ["handshake", "trailing"]
    assert str(messages[1].error) == "quic: byte 23: a length of 40 bytes, past the datagram's end"


def test_a_greased_bit() -> None:
    """RFC 9287: the fixed bit may be clear, in long headers and, to an id that is known, in short ones."""
    raw = quic.long_packet("handshake", ID, OTHER, PAYLOAD).raw
    short = quic.short_packet(ID, PAYLOAD).raw
    codec = QuicCodec()
    message = one(codec, bytes([raw[0] & 0xBF]) + raw[1:])
    assert message.metadata["quic.fixed_bit"] is False
    messages = codec.decode_datagram(raw + bytes([short[0] & 0xBF]) + short[1:], UP)
    assert types(messages) == ["handshake", "1rtt"]
    assert messages[1].metadata["quic.fixed_bit"] is False
    assert one(codec, bytes([short[0] & 0xBF]) + short[1:]).metadata["quic.fixed_bit"] is False
    with pytest.raises(RemoteProtocolError, match="nothing is known here"):
        QuicCodec().decode_datagram(bytes([short[0] & 0xBF]) + short[1:], UP)


@pytest.mark.parametrize("written_as", [V1, 0xFF00001D])
def test_a_reserved_version_is_read_as_what_it_is(written_as: int) -> None:
    """Who makes a server negotiate sends a real Initial under a version that no server has."""
    hello = quic.client_hello("example.com")
    built = quic.initial(ID, OTHER, hello, version=written_as)
    keys = quic.protection.initial_keys(quic.versions.version_of(written_as), ID, Side.CLIENT)
    plain = quic.frames.crypto_frame(0, hello).ljust(1100, b"\0")
    head = b"\xc1" + b"\x1a\x2a\x3a\x4a" + b"\x08" + ID + b"\x08" + OTHER + b"\0" + b"\x44\x5e" + b"\0\0"
    raw = quic.protection.seal(head, 2, 0, plain, keys)
    message = one(QuicCodec(), raw)
    assert message.metadata["quic.version_name"] == "grease-0x1a2a3a4a"
    assert message.metadata["tls.sni"] == built.metadata["tls.sni"] == "example.com"
    assert message.body["client_hello"]["server_name"] == "example.com"


def test_a_reserved_version_laid_out_otherwise() -> None:
    message = one(QuicCodec(), b"\xc0\x0a\x0a\x0a\x0a\x02ab\x02cd" + b"\xff" * 20)
    assert types([message]) == ["unknown"]


# -- Google's --------------------------------------------------------------------------------------------------------


def test_google_public_header() -> None:
    codec = QuicCodec()
    asked = one(codec, b"\x0d" + ID + b"Q043" + b"\x01" + bytes(40))
    assert asked.metadata["quic.packet_type"] == "gquic"
    assert asked.metadata["quic.version_name"] == "Q043"
    assert asked.metadata["quic.dcid"] == ID.hex()
    answered = one(codec, b"\x08" + ID + b"\x01" + bytes(12), DOWN)
    assert (answered.side, answered.metadata["conversation"]) == (Side.SERVER, 1)
    without_id = one(codec, b"\x00\x02" + bytes(40), DOWN)
    assert types([without_id]) == ["gquic"]
    reset = one(codec, b"\x0a" + ID + b"PRST" + bytes(20), DOWN)
    assert reset.metadata["conversation"] == 1
    with pytest.raises(RemoteProtocolError):
        one(QuicCodec(), b"\x08" + ID + b"\x01" + bytes(12))


@pytest.mark.parametrize("name", ["Q044", "Q046"])
def test_google_with_lengths_in_nibbles(name: str) -> None:
    message = one(QuicCodec(), b"\xff" + name.encode() + b"\x50" + ID + b"\0\0\0\1" + bytes(30))
    assert message.metadata["quic.version_name"] == name
    assert (message.metadata["quic.dcid"], message.metadata["quic.scid"]) == (ID.hex(), "")
    message = one(QuicCodec(), b"\xff" + name.encode() + b"\x05" + ID + b"\0\0\0\1" + bytes(30))
    assert (message.metadata["quic.dcid"], message.metadata["quic.scid"]) == ("", ID.hex())


@pytest.mark.parametrize("name", ["Q050", "T050", "T051"])
def test_google_with_the_header_of_today(name: str) -> None:
    message = one(QuicCodec(), b"\xc3" + name.encode() + b"\x08" + ID + b"\0" + b"\0\x40\x20" + bytes(32))
    assert message.metadata["quic.version_name"] == name
    assert message.metadata["quic.packet_type"] == "initial"


# -- errors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "offset", "reason"),
    [
        (b"\xc0", 0, "cut off"),
        (b"\xc0\0\0\0\1\x08" + ID, 0, "cut off"),
        (b"\xc0\0\0\0\1\x08" + ID + b"\x08" + OTHER[:-1], 0, "cut off"),
        (b"\xc0\0\0\0\1\x15" + bytes(21) + b"\0\0\x04abcd", 5, "a connection id of 21 bytes"),
        (b"\xc0\0\0\0\1\x00\x15" + bytes(21) + b"\0\x04abcd", 6, "a connection id of 21 bytes"),
        (b"\xc0\0\0\0\1\0\0\x7f\xff" + bytes(9), 7, "a token of 16383 bytes"),
        (b"\xc0\0\0\0\1\0\0" + b"\xff" * 8 + bytes(9), 7, "a token of 4611686018427387903 bytes"),
        (b"\xc0\0\0\0\1\0\0\0\x05abcd", 8, "a length of 5 bytes"),
        (b"\xe0\0\0\0\1\0\0\xc0", 0, "cut off"),
        (b"\xf0\0\0\0\1\0\0" + bytes(15), 7, "too short for its integrity tag"),
        (b"\x40" + bytes(19), 0, "20 bytes are fewer than any packet"),
    ],
)
def test_what_does_not_hold_together(data: bytes, offset: int, reason: str) -> None:
    with pytest.raises(RemoteProtocolError, match=reason) as caught:
        QuicCodec().decode_datagram(data, UP)
    assert caught.value.offset == offset


def test_an_empty_datagram_has_no_packets() -> None:
    assert QuicCodec().decode_datagram(b"", UP) == []


# -- building --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "call",
    [
        lambda: quic.long_packet("retry", ID, ID, b""),
        lambda: quic.long_packet("handshake", ID, ID, b"x", token=b"t"),
        lambda: quic.long_packet("handshake", bytes(21), ID, PAYLOAD),
        lambda: quic.long_packet("handshake", ID, ID, PAYLOAD, version=0xDEADBEEF),
        lambda: quic.long_packet("initial", ID, ID, PAYLOAD, low_bits=16),
        lambda: quic.initial(ID, b"", b"x", version=0x51303530),
        lambda: quic.initial(ID, b"", b"x", side=Side.SERVER),
        lambda: quic.initial(ID, b"", b"x", number_size=5),
        lambda: quic.short_packet(ID, b"x"),
        lambda: quic.short_packet(ID, PAYLOAD, low_bits=32),
        lambda: quic.retry(ID, OTHER, b"", odcid=ID),
        lambda: quic.retry(ID, OTHER, b"t", odcid=OTHER),
        lambda: quic.retry(ID, OTHER, b"t", odcid=ID, version=0x51303530),
        lambda: quic.version_negotiation(ID, bytes(256)),
        lambda: quic.version_negotiation(ID, ID, bits=128),
        lambda: quic.client_hello("x" * 70000),
        lambda: quic.transport_parameter("max_everything"),
        lambda: QuicCodec(connection_id=21),
        lambda: QuicCodec(reset_tokens=[b"short"]),
    ],
)
def test_what_cannot_be_built(call) -> None:
    with pytest.raises(LocalProtocolError):
        call()


def test_no_edit_can_be_made() -> None:
    message = quic.initial(ID, OTHER, quic.client_hello("a.example"))
    with pytest.raises(LocalProtocolError, match="quic has no edit 'quic.dcid'"):
        encode(message, {"quic.dcid": "00"})


# -- answers ---------------------------------------------------------------------------------------------------------


def answer(request, reason=Reason.DENIED, text=None):
    """What an observer who saw the request makes of the answer."""
    codec = QuicCodec()
    one(codec, request)
    data = QuicCodec.reply(request, reason, text)
    return None if data is None else one(codec, data, DOWN)


def test_a_refusal_is_one_that_the_client_can_read() -> None:
    request = quic.initial(ID, OTHER, quic.client_hello("a.example"))
    message = answer(request, Reason.NO_ROUTE)
    assert message.metadata["quic.dcid"] == OTHER.hex()
    assert message.metadata["error.type"] == "CONNECTION_REFUSED"
    assert message.metadata["error.message"] == "no route for this request"
    assert answer(request, Reason.DENIED, "go away").metadata["error.message"] == "go away"
    broken = RemoteProtocolError("quic", 0, "nonsense")
    assert answer(request, broken).metadata["error.type"] == "PROTOCOL_VIOLATION"


@pytest.mark.parametrize("version", [V1, V2, 0xFF00001D])
def test_a_retry_when_over_the_limit(version: int) -> None:
    request = quic.initial(ID, OTHER, quic.client_hello("a.example"), version=version)
    message = answer(request, Reason.OVER_LIMIT, "the token")
    assert message.metadata["quic.packet_type"] == "retry"
    assert message.metadata["quic.retry_valid"] is True
    assert message.body["token"] == b"the token"
    again = quic.initial(ID, OTHER, quic.client_hello("a.example"), token=b"the token", version=version)
    assert answer(again, Reason.OVER_LIMIT, "the token").metadata["error.type"] == "INVALID_TOKEN"


def test_version_negotiation_to_who_speaks_another() -> None:
    request = one(QuicCodec(), b"\xc0\xde\xad\xbe\xef\x08" + ID + b"\x08" + OTHER + bytes(1200))
    message = answer(request)
    assert message.metadata["quic.supported_versions"] == ("v1", "v2")
    assert (message.metadata["quic.dcid"], message.metadata["quic.scid"]) == (OTHER.hex(), ID.hex())
    short = one(QuicCodec(), b"\xc0\xde\xad\xbe\xef\x08" + ID + b"\x08" + OTHER + bytes(100))
    assert answer(short) is None  # RFC 9000 section 6.1


def test_an_answer_is_no_amplifier() -> None:
    """RFC 9000 section 8.1: at most three times what came; and nothing to what no client has sent."""
    small = quic.initial(ID, OTHER, b"x", offset=9, size=0)
    for reason, text in ((Reason.DENIED, "w" * 500), (Reason.OVER_LIMIT, "t" * 20), (Reason.NO_ROUTE, None)):
        data = QuicCodec.reply(small, reason, text)
        assert data is not None
        assert len(data) <= 3 * small.size
    assert QuicCodec.reply(small, Reason.OVER_LIMIT, "t" * 500) is None
    fake = one(QuicCodec(), quic.long_packet("initial", ID, OTHER, bytes(1100)))
    assert QuicCodec.reply(fake, Reason.DENIED) is None


def test_no_answer_where_none_is_due() -> None:
    assert QuicCodec.reply(None, Reason.DENIED) is None
    for request in (
        quic.short_packet(ID, PAYLOAD),
        quic.long_packet("handshake", ID, OTHER, PAYLOAD),
        quic.version_negotiation(ID, OTHER),
        quic.initial(ID, OTHER, b"", frames=b"\1", odcid=ID, side=Side.SERVER),
    ):
        assert QuicCodec.reply(request, Reason.DENIED) is None


# -- detection -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (quic.initial(ID, OTHER, b"\1").raw, "quic"),
        (quic.version_negotiation(ID, OTHER).raw, "quic"),
        (b"\x0d" + ID + b"Q043" + bytes(40), "quic"),
        (b"\xc0\xff\0\0\x05" + b"\x08" + ID + bytes(30), "quic"),
        (b"\xc0\xde\xad\xbe\xef\x08" + ID + b"\x08" + OTHER + bytes(1200), None),
        (b"\xc0\0\0\0\1" + bytes([200]) * 40, None),
        (quic.short_packet(ID, PAYLOAD).raw, None),  # on no port that is known for it
    ],
)
def test_detection(data: bytes, found: str | None) -> None:
    assert detect(data, protocols=["quic"]) == found


def test_a_short_header_counts_on_a_known_port() -> None:
    assert detect(quic.short_packet(ID, PAYLOAD).raw, port=443, protocols=["quic"]) == "quic"


# -- any datagram ----------------------------------------------------------------------------------------------------


@given(st.sampled_from(Side).flatmap(packets.datagrams))
def test_any_datagram_is_given_back(data: bytes) -> None:
    messages = QuicCodec().decode_datagram(data, UP)
    assert b"".join(map(encode, messages)) == data
    assert all(message.error is None for message in messages)
    assert types(messages).count("trailing") <= 1


@given(st.sampled_from(Side).flatmap(packets.datagrams).flatmap(strategies.mutations), st.booleans())
def test_a_damaged_datagram_is_given_back_or_refused(data: bytes, known: bool) -> None:
    codec = QuicCodec()
    if known:
        codec.decode_datagram(quic.long_packet("handshake", ID, OTHER, PAYLOAD).raw, UP)
    try:
        messages = codec.decode_datagram(data, UP)
    except RemoteProtocolError as error:
        assert 0 <= error.offset <= len(data)
    else:
        assert b"".join(map(encode, messages)) == data
