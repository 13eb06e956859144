"""Initials: hellos in one piece and in many, what is in them, and what is wrong in them."""

from __future__ import annotations

import hashlib
import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from l7codec import BodyError, MissingExtra, Reason, RemoteProtocolError, Side, strategies
from l7codec.protocols import quic
from l7codec.protocols.quic import ClientHello, QuicCodec, ServerHello, protection
from l7codec.protocols.quic.frames import ERRORS, close_frame, crypto_frame, error_name, frames, skim
from l7codec.protocols.quic.handshake import LONGEST, PIECES, CryptoStream
from l7codec.strategies import quic as packets

from .observer import DOWN, UP, V1, V2, octets, one

ID, OURS, THEIRS = b"a first id", b"the client", b"the server"
HELLO = quic.client_hello("orders.example", ["h3", "hq-29"], session_id=b"s" * 32)


def initial(crypto: bytes = b"", offset: int = 0, **options):
    return quic.initial(ID, OURS, crypto, offset=offset, **options)


# -- put together ---------------------------------------------------------------------------------------------------


def test_over_several_packets_in_any_order() -> None:
    cuts = [0, 10, 11, 60, 100, len(HELLO)]
    pieces = [(start, HELLO[start:end]) for start, end in itertools.pairwise(cuts)]
    for seed in range(20):
        codec = QuicCodec()
        order = pieces.copy()
        random.Random(seed).shuffle(order)
        found = [one(codec, initial(data, at, number=number)) for number, (at, data) in enumerate(order)]
        assert ["tls.sni" in message.metadata for message in found] == [False] * 4 + [True]
        assert codec.handshake(1)["tls.sni"] == "orders.example"


def test_several_frames_in_one_packet_with_others_between() -> None:
    """As Chrome sends it."""
    payload = b"".join(
        [
            b"\1",
            crypto_frame(50, HELLO[50:]),
            bytes(7),
            b"\2\5\0\0\5",
            crypto_frame(0, HELLO[:20]),
            b"\1\1",
            crypto_frame(10, HELLO[10:70]),
        ]
    )
    message = one(QuicCodec(), initial(frames=payload))
    assert message.metadata["tls.alpn"] == ("h3", "hq-29")
    kinds = [frame["type"] for frame in message.body["frames"]]
    assert kinds == ["ping", "crypto", "padding", "ack", "crypto", "ping", "ping", "crypto", "padding"]


@settings(max_examples=60)
@given(packets.handshakes())
def test_any_client_hello_in_any_pieces(flight: list[bytes]) -> None:
    codec = QuicCodec()
    found = [message for data in flight for message in codec.decode_datagram(data, UP)]
    assert all(message.metadata["quic.opened"] for message in found)
    assert all(message.error is None for message in found)
    assert sum("tls.ja4" in message.metadata for message in found) == 1


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 30)), max_size=25), st.binary(min_size=90, max_size=90))
def test_the_first_bytes_for_a_place_count(parts: list[tuple[int, int]], data: bytes) -> None:
    """Against a plain model: an array, written where it is empty."""
    stream = CryptoStream()
    model: list[int | None] = [None] * 100
    for number, (offset, size) in enumerate(parts):
        piece = bytes((byte + number) & 0xFF for byte in data[offset : offset + size])
        stream.receive(offset, piece)
        for at, byte in enumerate(piece, offset):
            if model[at] is None:
                model[at] = byte
    ready = model[: model.index(None)]
    assert list(stream._ready) == ready
    assert stream.held == sum(byte is not None for byte in model)


def test_a_handshake_has_bounds() -> None:
    stream = CryptoStream()
    for offset in range(1, 2 * PIECES + 5, 2):
        stream.receive(offset, b"x")
    assert stream.lost == f"a handshake in more than {PIECES} pieces at once"
    assert stream.held == 0
    stream = CryptoStream()
    stream.receive(LONGEST - 1, b"xx")
    assert stream.lost == f"a handshake of more than {LONGEST} bytes"
    message = one(QuicCodec(), initial(b"\1\xff\xff\xff"))
    assert str(message.error) == f"quic: byte 0: a handshake message of 16777215 bytes, over the limit of {LONGEST}"


def test_a_second_client_hello() -> None:
    """RFC 8446 section 4.1.4: the server may ask for another, and both go on in the same CRYPTO streams."""
    codec = QuicCodec()
    retry = quic.server_hello(random=octets("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c"))
    second = quic.client_hello("orders.example", ["h3"], groups=[0x17])
    server = {"odcid": ID, "side": Side.SERVER}
    assert one(codec, initial(HELLO)).metadata["tls.sni"] == "orders.example"
    asked = one(codec, quic.initial(OURS, THEIRS, retry, **server), DOWN)
    assert asked.metadata["tls.hello_retry"] is True
    again = one(codec, quic.initial(THEIRS, OURS, second, odcid=ID, offset=len(HELLO), number=1))
    assert again.metadata["tls.alpn"] == ("h3",)
    done = quic.initial(OURS, THEIRS, quic.server_hello(), offset=len(retry), number=1, **server)
    assert one(codec, done, DOWN).metadata["tls.group"] == "x25519"


def test_nothing_is_opened_behind_the_hello_unless_asked() -> None:
    acknowledgement = initial(frames=b"\2\0\0\0\0", number=1)
    for follow in (False, True):
        codec = QuicCodec(follow=follow)
        one(codec, initial(HELLO))
        assert ("quic.opened" in one(codec, acknowledgement).metadata) is follow


def test_packet_numbers_are_whole() -> None:
    codec = QuicCodec(follow=True)
    for number in (0, 200, 300, 70_000, 2**20):
        message = one(codec, initial(b"x", 100, number=number, number_size=4))
        assert message.metadata["quic.packet_number"] == number
    message = one(codec, initial(b"x", 100, number=2**20 + 5, number_size=1))
    assert message.metadata["quic.packet_number"] == 2**20 + 5
    assert message.body["packet_number"] == 2**20 + 5


def test_peek() -> None:
    """One datagram, and nothing kept; the same as a codec reads."""
    for version in (V1, V2, 0xFF00001D):
        hello = quic.peek(initial(HELLO, version=version).raw)
        assert hello is not None
        assert (hello.server_name, hello.alpn) == ("orders.example", ("h3", "hq-29"))
    shuffled = b"".join(crypto_frame(at, HELLO[at : at + 20]) for at in reversed(range(0, len(HELLO), 20)))
    shuffled_hello = quic.peek(initial(frames=shuffled).raw)
    assert shuffled_hello is not None
    assert shuffled_hello.data == HELLO
    for nothing in (
        b"",
        initial(HELLO[:50]).raw,
        quic.short_packet(ID, bytes(40)).raw,
        quic.long_packet("handshake", ID, OURS, bytes(40)).raw,
        quic.long_packet("initial", ID, OURS, bytes(40)).raw,
        quic.initial(b"short", OURS, HELLO).raw,
        quic.version_negotiation(OURS, ID).raw,
    ):
        assert quic.peek(nothing) is None
    with pytest.raises(RemoteProtocolError):
        quic.peek(initial(HELLO).raw[:100])
    for wrong in (initial(frames=b"\x08", size=60), initial(b"\2\0\0\1x"), initial(b"\1\xff\xff\xff")):
        with pytest.raises(BodyError):
            quic.peek(wrong.raw)


# -- what is wrong --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"\x06\0\x40\xff" + bytes(10), "a frame that runs over"),
        (b"\x08\0\0\0", "a frame of type 0x08, which no Initial may hold"),
        (b"\x1c\0\0\x3f" + b"x" * 20, "a frame that runs over"),
        (b"\2\5\0\x3f\0", "a frame that runs over"),
        (crypto_frame(0, b"\2\0\0\1x"), "a handshake message of type 2, where a hello must come"),
        (crypto_frame(0, b"\1\0\0\1x"), "a handshake message that does not hold together"),
    ],
)
def test_a_payload_that_is_wrong(payload: bytes, reason: str) -> None:
    size = 40 if payload[0] not in (0x06, 0x1C, 2) else 0
    message = one(QuicCodec(), initial(frames=payload, size=size))
    assert message.metadata["quic.opened"] is True
    assert reason in str(message.error)


def test_every_cut_of_a_hello_is_told() -> None:
    """Whole by its own length, and broken inside."""
    for end in range(4, len(HELLO)):
        cut = b"\1" + (end - 4).to_bytes(3, "big") + HELLO[4:end]
        message = one(QuicCodec(), initial(cut))
        if cut.endswith(b"\1\0"):  # up to the compression methods: TLS 1.2 knew ClientHellos without extensions
            assert "tls.sni" not in message.metadata
            continue
        assert message.error is not None, end
        assert not any(key.startswith("tls.") for key in message.metadata)


def extended(*extensions: tuple[int, bytes]) -> bytes:
    return quic.client_hello("a.example", ["h3"], extensions=extensions)


@pytest.mark.parametrize(
    ("hello", "reason"),
    [
        (extended((16, b"\0\3\2h2")), "extension 16 comes twice"),
        (extended((0x2B, b"\3\3\4")), "extension 43 comes twice"),
        (quic.client_hello(None, extensions=[(0, b"\0\0\x08\0\0\1a\0\0\1b")]), "does not hold together"),
        (quic.client_hello(None, extensions=[(0, b"\0\x08\0\0\1a\0\0\1b")]), "two host names"),
        (quic.client_hello(None, versions=[], extensions=[(0x2B, b"\3\3\4\3")]), "does not hold together"),
        (quic.client_hello(None, transport_parameters=[(1, 5), (1, 6)]), "transport parameter 1 comes twice"),
        (quic.client_hello(None, transport_parameters=[(1, b"\xc0\0")]), "transport parameter 1 is no number"),
        (quic.client_hello(None, transport_parameters=[(4, b"")]), "transport parameter 4 is no number"),
    ],
)
def test_a_client_hello_that_no_server_takes(hello: bytes, reason: str) -> None:
    """Who writes a thing twice must not have one read here and the other there."""
    message = one(QuicCodec(), initial(hello))
    assert reason in str(message.error)
    assert not any(key.startswith("tls.") for key in message.metadata)


def test_what_does_not_open_is_marked() -> None:
    good = initial(HELLO).raw
    for fake in (good[:-1] + bytes([good[-1] ^ 1]), quic.long_packet("initial", ID, OURS, bytes(1100)).raw):
        codec = QuicCodec()
        message = one(codec, fake)
        assert message.metadata["quic.opened"] is False
        assert message.error is None
        assert message.body["payload"]
        assert one(codec, good).metadata["tls.sni"] == "orders.example"


def test_a_fake_one_on_a_path_does_not_disturb_the_true_one() -> None:
    codec = QuicCodec()
    one(codec, initial(HELLO[:50]))
    fake = one(codec, quic.long_packet("initial", b"something else", OURS, bytes(1100)))
    assert fake.metadata["quic.opened"] is False
    assert one(codec, initial(HELLO[50:], 50, number=1)).metadata["tls.sni"] == "orders.example"


# -- what is in a hello -----------------------------------------------------------------------------------------------


def test_transport_parameters() -> None:
    name = quic.transport_parameter
    given = [
        (name("max_idle_timeout"), 30_000),
        (name("initial_max_data"), 2**40),
        (name("grease_quic_bit"), b""),
        (name("initial_source_connection_id"), OURS),
        (0x11, V1.to_bytes(4, "big") + V2.to_bytes(4, "big") + V1.to_bytes(4, "big") + b"\x0a\x1a\x2a\x3a"),
        (27, b"reserved"),
    ]
    message = one(QuicCodec(), initial(quic.client_hello("a.example", transport_parameters=given)))
    assert message.metadata["quic.tp.max_idle_timeout"] == 30_000
    assert message.metadata["quic.tp.initial_max_data"] == 2**40
    assert message.metadata["quic.tp.grease_quic_bit"] is True
    assert message.metadata["quic.available_versions"] == ("v2", "v1", "grease-0x0a1a2a3a")
    read = message.body["client_hello"]["transport_parameters"]
    assert [number for number, _ in read] == [number for number, _ in given]
    assert dict(read)[27] == b"reserved"


def test_an_encrypted_client_hello_marks_the_outer_name() -> None:
    message = one(QuicCodec(), initial(extended((0xFE0D, b"\0" * 30))))
    assert message.metadata["tls.ech"] is True
    assert message.metadata["tls.sni"] == "a.example"
    assert "tls.ech" not in one(QuicCodec(), initial(HELLO)).metadata


def test_names_that_are_no_text() -> None:
    message = one(QuicCodec(), initial(quic.client_hello("\udcff.example", ["\udcfeh3"])))
    assert message.metadata["tls.sni"].encode("utf-8", "surrogateescape") == b"\xff.example"
    assert message.metadata["tls.alpn"] == ("\udcfeh3",)


def test_the_published_fingerprint() -> None:
    """The worked example of the JA4 technical details: ciphers, extensions and signature algorithms of Chrome."""
    ciphers = "1301 1302 1303 c02b c02f c02c c030 cca9 cca8 c013 c014 009c 009d 002f 0035"
    kinds = "001b 0000 0033 0010 4469 0017 002d 000d 0005 0023 0012 002b ff01 000b 000a 0015"
    algorithms = "0403 0804 0401 0503 0805 0501 0806 0601"
    contents = {
        "0000": octets("0009000006612e74657374"),
        "0010": octets("000c02683208687474702f312e31"),
        "002b": octets("060a0a03040303"),
        "000d": b"\0\x10" + octets(algorithms),
        "000b": b"\1\0",
        "000a": b"\0\2\0\x1d",
        "0033": b"",
    }
    numbers = ["0a0a", *kinds.split(), "1a1a"]  # values that mean nothing do not count
    extensions = [(int(kind, 16), contents.get(kind, b"")) for kind in numbers]
    hello = quic.client_hello(
        None,
        versions=[],
        groups=[],
        signature_algorithms=[],
        ciphers=[0x2A2A, *(int(cipher, 16) for cipher in ciphers.split())],
        extensions=extensions,
    )
    hello = hello.replace(octets("00390000"), b"", 1)  # over TCP there are no transport parameters
    body = hello[4:]
    size = len(body)
    start = 2 + 32 + 1 + 2 + 32 + 2
    body = body[:start] + (size - start - 2).to_bytes(2, "big") + body[start + 2 :]
    read = ClientHello(b"\1" + size.to_bytes(3, "big") + body)
    assert read.ja4 == "q13d1516h2_8daaf6152771_e5627efa2ab1"


def test_ja3_leaves_out_what_means_nothing() -> None:
    hello = ClientHello(quic.client_hello(None, ciphers=[0x1301, 0x0A0A], groups=[0x1D, 0x2A2A], versions=[0x0304]))
    assert hello.ja3 == "771,4865,10-13-43-57,29,"
    message = one(QuicCodec(), initial(hello.data))
    digest = hashlib.md5(hello.ja3.encode(), usedforsecurity=False).hexdigest()
    assert message.body["client_hello"]["ja3_hash"] == digest


def test_a_server_hello() -> None:
    read = ServerHello(quic.server_hello(cipher=0x1399, version=0x0304, group=0x11EC))
    assert read.metadata() == {"tls.version": "TLSv1.3", "tls.cipher": "0x1399", "tls.group": "X25519MLKEM768"}
    assert read.to_plain()["selected_group"] == 0x11EC


def test_a_connection_that_is_refused() -> None:
    codec = QuicCodec()
    one(codec, initial(HELLO))
    refused = quic.initial(OURS, THEIRS, frames=close_frame(0x128, b"bad"), odcid=ID, side=Side.SERVER)
    message = one(codec, refused, DOWN)
    assert message.metadata["quic.error_code"] == 0x128
    assert message.metadata["error.type"] == "CRYPTO_ERROR alert 40"
    assert message.metadata["error.message"] == "bad"


def test_names_of_errors() -> None:
    assert error_name(2) == ERRORS[2] == "CONNECTION_REFUSED"
    assert error_name(0x200) == "0x200"


@given(st.binary(max_size=60))
def test_frames_are_read_the_same_both_ways(payload: bytes) -> None:
    crypto, _, error = skim(payload)
    try:
        found = frames(payload)
    except quic.body.BodyError as wrong:
        assert error is None or str(wrong) == str(error)
    else:
        assert error is None
        cut = next((at for at, frame in enumerate(found) if frame["type"] == "connection_close"), len(found))
        assert crypto == [(one["offset"], one["data"]) for one in found[:cut] if one["type"] == "crypto"]


# -- without cryptography ---------------------------------------------------------------------------------------------


def test_without_the_extra_what_is_clear_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    sent, retried = initial(HELLO), quic.retry(OURS, THEIRS, b"token", odcid=ID)
    monkeypatch.setattr(protection, "_cryptography", lambda: None)
    codec = QuicCodec()
    message = one(codec, sent.raw)
    assert message.metadata["quic.dcid"] == ID.hex()
    assert "quic.opened" not in message.metadata
    assert "payload" in message.body
    answer = one(codec, retried.raw, DOWN)
    assert answer.metadata["conversation"] == 1
    assert "quic.retry_valid" not in answer.metadata
    again = one(codec, quic.long_packet("initial", THEIRS, OURS, bytes(40), token=b"token"))
    assert again.metadata["conversation"] == 1
    assert codec.lacks is not None and codec.lacks.endswith("pip install 'l7codec[quic]'")
    with pytest.raises(MissingExtra):
        QuicCodec.reply(message, Reason.DENIED)
    with pytest.raises(MissingExtra, match=r"l7codec\[quic\]"):
        initial(HELLO)
    with pytest.raises(MissingExtra):
        quic.ServerIds(0, server_id=4, nonce=4, key=bytes(16))
    assert quic.ServerIds(0, server_id=4, nonce=4).decode(b"\0abcdxxxx") == b"abcd"


def test_with_the_extra_nothing_is_lacking() -> None:
    assert QuicCodec().lacks is None


def test_strategies_reach_every_type() -> None:
    from hypothesis import find

    for side, kind in ((Side.CLIENT, "0rtt"), (Side.SERVER, "retry"), (Side.SERVER, "version_negotiation")):
        chosen = find(
            strategies.messages("quic", side),
            lambda message, kind=kind: message.metadata["quic.packet_type"] == kind,
            settings=settings(database=None, max_examples=2000),
        )
        assert chosen.side is side
