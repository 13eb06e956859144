"""Conversations: followed by connection ids first and addresses second, and what cannot be known."""

from __future__ import annotations

import pytest

from l7codec import Datagrams, LimitExceeded, Limits, LocalProtocolError, Side
from l7codec.protocols import quic
from l7codec.protocols.quic import QuicCodec, ServerIds
from l7codec.protocols.quic.connections import _PATHS

from .observer import CLIENT, DOWN, DOWN_MOVED, MOVED, SERVER, UP, UP_MOVED, V1, V2, octets, one

ID, OURS, THEIRS, NEW = b"a first id", b"the client", b"the server", b"unheard of"
HELLO = quic.client_hello("orders.example", ["h3"])
PAYLOAD = bytes(40)


def shake(codec: QuicCodec, ours: bytes = OURS, theirs: bytes = THEIRS, first: bytes = ID, up=UP, down=DOWN) -> None:
    """A handshake between two that have these ids."""
    one(codec, quic.initial(first, ours, HELLO), up)
    one(codec, quic.initial(ours, theirs, quic.server_hello(), odcid=first, side=Side.SERVER), down)
    one(codec, quic.long_packet("handshake", theirs, ours, PAYLOAD), up)


def seen(codec: QuicCodec, dcid: bytes, path: object) -> tuple[object, str, bool]:
    """Conversation and side of a packet with a short header; whether only its path tells."""
    message = one(codec, quic.short_packet(dcid, PAYLOAD), path)
    return message.metadata["conversation"], str(message.side), message.metadata.get("quic.by_path", False)


def test_ids_are_learnt_from_the_handshake() -> None:
    codec = QuicCodec()
    shake(codec)
    assert seen(codec, THEIRS, UP) == (1, "client", False)
    assert seen(codec, OURS, DOWN) == (1, "server", False)


@pytest.mark.parametrize("length", [1, 4, 7, 8, 20])
def test_ids_of_any_length(length: int) -> None:
    ours, theirs = b"c" * length, b"s" * length
    codec = QuicCodec()
    shake(codec, ours, theirs)
    assert seen(codec, theirs, UP) == (1, "client", False)
    assert seen(codec, theirs, UP_MOVED) == (1, "client", False)
    assert seen(codec, ours, DOWN_MOVED) == (1, "server", False)


def test_clients_without_an_id() -> None:
    """As Chrome: what the server sends is known by its addresses, which the client keeps."""
    codec = QuicCodec()
    shake(codec, ours=b"")
    assert seen(codec, b"", DOWN) == (1, "server", False)
    assert seen(codec, THEIRS, UP_MOVED) == (1, "client", False)
    assert seen(codec, b"", DOWN_MOVED) == (1, "server", False)


def test_a_moved_client() -> None:
    codec = QuicCodec()
    shake(codec)
    assert seen(codec, THEIRS, UP_MOVED) == (1, "client", False)
    assert seen(codec, OURS, DOWN_MOVED) == (1, "server", False)


def test_an_id_that_nobody_has_seen() -> None:
    codec = QuicCodec()
    shake(codec)
    assert seen(codec, NEW, UP) == (1, "client", True)
    assert seen(codec, NEW, UP_MOVED) == (2, "client", True)  # a server is where it was: it is a client that sends
    assert seen(codec, NEW, DOWN_MOVED) == (2, "server", True)


def test_two_connections_on_one_path() -> None:
    """A client may hold several from one port: ids tell them apart."""
    codec = QuicCodec()
    shake(codec)
    shake(codec, b"client two", b"server two", b"first  two")
    for _ in range(2):
        assert seen(codec, THEIRS, UP) == (1, "client", False)
        assert seen(codec, b"server two", UP) == (2, "client", False)
        assert seen(codec, OURS, DOWN) == (1, "server", False)


def test_a_port_used_again() -> None:
    """By a client without ids: its new first id opens under its own keys."""
    codec = QuicCodec()
    shake(codec, ours=b"")
    message = one(codec, quic.initial(b"first  two", b"", HELLO))
    assert message.metadata["conversation"] == 2
    assert message.metadata["tls.sni"] == "orders.example"


def test_short_ids_count_with_their_address() -> None:
    """One byte is enough for a small server; two of them are not one."""
    codec = QuicCodec()
    other = ("203.0.113.2", 443)
    shake(codec, ours=b"", theirs=b"\1")
    shake(codec, b"", b"\1", b"first  two", up=(MOVED, other), down=(other, MOVED))
    third = ("192.0.2.77", 5)
    assert seen(codec, b"\1", (third, SERVER)) == (1, "client", False)
    assert seen(codec, b"\1", (third, other)) == (2, "client", False)


def test_nobody_takes_an_id_over() -> None:
    codec = QuicCodec()
    shake(codec)
    attacker = ("192.0.2.66", 6)
    one(codec, quic.initial(b"an attack!", THEIRS, HELLO), (attacker, SERVER))
    assert seen(codec, THEIRS, UP_MOVED) == (1, "client", False)


def test_both_sides_with_the_same_id() -> None:
    codec = QuicCodec()
    shake(codec, b"same same", b"same same")
    assert seen(codec, b"same same", UP) == (1, "client", False)
    assert seen(codec, b"same same", DOWN) == (1, "server", False)


def test_one_side_alone_is_captured() -> None:
    """The client takes the server's id, which was not seen: its own id stays."""
    codec = QuicCodec()
    one(codec, quic.initial(ID, OURS, HELLO))
    again = one(codec, quic.initial(THEIRS, OURS, frames=b"\1", odcid=ID, number=1))
    assert again.metadata["conversation"] == 1
    assert one(codec, quic.long_packet("handshake", THEIRS, OURS, PAYLOAD)).metadata["conversation"] == 1
    codec = QuicCodec()
    one(codec, quic.initial(ID, b"", HELLO[:40]))
    rest = one(codec, quic.initial(THEIRS, b"", HELLO[40:], offset=40, odcid=ID, number=1))
    assert rest.metadata["tls.sni"] == "orders.example"


def test_a_capture_that_begins_in_the_middle() -> None:
    codec = QuicCodec()
    message = one(codec, quic.initial(OURS, THEIRS, quic.server_hello(), odcid=ID, side=Side.SERVER), DOWN)
    assert message.side is Side.SERVER  # by its port
    assert message.metadata["quic.side_guessed"] is True
    assert "quic.opened" not in message.metadata  # nothing to open it with
    retry = quic.retry(OURS, THEIRS, b"token", odcid=ID)
    codec = QuicCodec()
    ports = (("192.0.2.1", 1), ("192.0.2.2", 50_000))
    assert one(codec, quic.long_packet("handshake", THEIRS, OURS, PAYLOAD), ports).side is Side.SERVER
    back = one(codec, retry, (ports[1], ports[0]))  # a Retry is the server's, whatever was guessed
    assert (back.side, "quic.side_guessed" in back.metadata) == (Side.SERVER, False)
    assert one(codec, quic.long_packet("handshake", THEIRS, OURS, PAYLOAD), ports).side is Side.CLIENT


def test_a_known_length() -> None:
    """Who issues the ids knows how long they are; what follows is followed by them."""
    codec = QuicCodec(connection_id=len(NEW))
    message = one(codec, quic.short_packet(NEW, PAYLOAD))
    assert message.metadata["quic.dcid"] == NEW.hex()
    assert seen(codec, NEW, UP_MOVED)[0] == 1
    by_function = QuicCodec(connection_id=lambda data: data[1] if data[1] < 20 else None)
    assert one(by_function, quic.short_packet(b"\3ab", PAYLOAD)).metadata["quic.dcid"] == b"\3ab".hex()
    assert "quic.dcid" not in one(by_function, b"\x40\xff" + PAYLOAD, UP_MOVED).metadata


def test_a_retry_counts_once_and_only_if_it_is_right() -> None:
    codec = QuicCodec()
    one(codec, quic.initial(ID, OURS, HELLO))
    forged = quic.retry(OURS, b"the forger", b"token", odcid=b"not the id")
    assert one(codec, forged, DOWN).metadata["quic.retry_valid"] is False
    assert one(codec, quic.retry(OURS, THEIRS, b"token", odcid=ID), DOWN).metadata["quic.retry_valid"] is True
    second = quic.retry(OURS, b"the second", b"token", odcid=THEIRS)
    assert one(codec, second, DOWN).metadata["quic.retry_valid"] is False
    answer = quic.initial(OURS, b"server now", quic.server_hello(), odcid=THEIRS, side=Side.SERVER)
    assert one(codec, answer, DOWN).metadata["tls.cipher"] == "TLS_AES_128_GCM_SHA256"


def test_versions_change_under_way() -> None:
    """After a negotiation the client may keep its id; RFC 9368: a server may answer in another version at once."""
    codec = QuicCodec()
    one(codec, quic.initial(ID, OURS, HELLO, version=V2))
    one(codec, quic.version_negotiation(OURS, ID, [V1]), DOWN)
    assert one(codec, quic.initial(ID, OURS, HELLO)).metadata["tls.sni"] == "orders.example"
    codec = QuicCodec()
    one(codec, quic.initial(ID, OURS, HELLO))
    answer = quic.initial(OURS, THEIRS, quic.server_hello(), odcid=ID, version=V2, side=Side.SERVER)
    assert one(codec, answer, DOWN).metadata["tls.version"] == "TLSv1.3"


def test_a_stateless_reset() -> None:
    token = bytes(range(100, 116))
    reset = b"\x5a" + bytes(range(30)) + token
    codec = QuicCodec(reset_tokens=[token])
    shake(codec)
    message = one(codec, reset, DOWN)
    assert message.metadata["quic.packet_type"] == "stateless_reset"
    assert message.metadata["conversation"] == 1
    plain = QuicCodec()
    shake(plain)
    looks = one(plain, reset, DOWN)
    assert (looks.metadata["quic.packet_type"], looks.metadata["quic.by_path"]) == ("1rtt", True)


def test_the_fast_way_and_the_plain_way_agree() -> None:
    """The second of two equal datagrams takes the fast way; a codec that has not seen the first takes the plain one."""
    server_ids = ServerIds(0, server_id=3, nonce=4)
    for data in (
        quic.long_packet("handshake", THEIRS, OURS, PAYLOAD).raw,
        quic.long_packet("0rtt", THEIRS, OURS, PAYLOAD, low_bits=7).raw,
        quic.short_packet(THEIRS, PAYLOAD).raw,
        quic.short_packet(THEIRS, PAYLOAD, spin=True).raw,
        quic.short_packet(NEW, PAYLOAD).raw,
        quic.long_packet("handshake", THEIRS, OURS, PAYLOAD, version=V2).raw,
    ):
        codec, plain = QuicCodec(servers=[server_ids]), QuicCodec(servers=[server_ids])
        shake(codec)
        shake(plain)
        first = one(plain, data)
        for _ in range(3):
            assert one(codec, data) == first
        ends = [data[:end] for end in range(len(data))]
        for cut in ends:
            outcomes = []
            fresh = QuicCodec(servers=[server_ids])
            shake(fresh)
            for observer in (codec, fresh):
                try:
                    outcomes.append([message.metadata for message in observer.decode_datagram(cut, UP)])
                except quic.codec.RemoteProtocolError as error:
                    outcomes.append(str(error))
            assert outcomes[0] == outcomes[1]


# -- bounds -----------------------------------------------------------------------------------------------------------


def entries(codec: QuicCodec) -> tuple[int, ...]:
    table = codec._table
    return (
        len(table.connections),
        len(table.ways),
        len(table._ids),
        len(table._listening),
        len(table._holding),
        sum(len(connection.ids) + len(connection.paths) for connection in table.connections.values()),
    )


def test_what_is_kept_is_bounded() -> None:
    observer = QuicCodec(Limits(conversations=10))
    for number in range(500):
        id = number.to_bytes(8, "big")
        path = (("10.0.0.1", number % 60_000), SERVER)
        one(observer, quic.initial(id, b"c" + id, HELLO[:50], size=0), path)
        one(observer, quic.short_packet(b"s" + id, PAYLOAD), (("10.9.9.9", number), SERVER))
    connections, ways, ids, listening, holding, _ = entries(observer)
    assert connections == 10
    assert ways == 20
    assert ids <= 20
    assert listening <= 20
    assert holding <= 10
    for number in list(observer._table.connections):
        observer.forget_conversation(number)
    assert entries(observer) == (0, 0, 0, 0, 0, 0)
    assert observer._table.held == 0
    assert observer._table.longest_first == ()


def test_a_connection_that_moves_for_ever_and_invents_ids() -> None:
    codec = QuicCodec()
    shake(codec)
    for number in range(300):
        path = (("10.1.1.1", number), SERVER)
        one(codec, quic.long_packet("handshake", THEIRS, b"id %d" % number, PAYLOAD), path)
    _, ways, ids, *_ = entries(codec)
    assert ways <= _PATHS
    assert ids <= 32
    assert {message.metadata["conversation"] for message in codec.decode_datagram(b"\x40" + THEIRS + PAYLOAD, UP)} == {
        1
    }


def test_unfinished_handshakes_are_bounded_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quic.connections, "HELD", 300)
    codec = QuicCodec()
    for number in range(10):
        id = b"first %02d" % number
        one(codec, quic.initial(id, b"", HELLO[:60], size=0), ((CLIENT[0], number), SERVER))
        assert codec._table.held <= 300
        assert codec._table.held == sum(connection.held for connection in codec._table.connections.values())
    late = one(codec, quic.initial(b"first 00", b"", HELLO[60:], offset=60, number=1), ((CLIENT[0], 0), SERVER))
    assert "too many unfinished handshakes" in str(late.error)


def test_what_a_connection_has_said_is_bounded() -> None:
    codec = QuicCodec()
    names = [f"{number}{'x' * 200}" for number in range(60)]
    hello = quic.client_hello("a.example", names)
    assert len(hello) > quic.initials.KEPT
    for number, start in enumerate(range(0, len(hello), 1000)):
        message = one(codec, quic.initial(ID, OURS, hello[start : start + 1000], offset=start, number=number))
    assert message.metadata["tls.alpn"] == tuple(names)
    assert codec.handshake(1) == {}


def test_lengths_that_no_short_header_has_are_not_tried() -> None:
    codec = QuicCodec()
    for length in range(1, 256):
        one(codec, b"\xc0\xde\xad\xbe\xef" + bytes([length]) + bytes([length]) * length + b"\0" + bytes(30))
    assert len(codec._table.longest_first) <= 20


def test_packets_are_not_kept_as_requests() -> None:
    observer = Datagrams(QuicCodec())
    observer.receive_datagram(quic.initial(ID, OURS, HELLO).raw, UP)
    assert len(observer._pending) == 0


def test_keys_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quic.initials, "KEYS", 5)
    codec = QuicCodec()
    for number in range(20):
        one(codec, quic.initial(b"first %02d" % number, b"", HELLO), ((CLIENT[0], number), SERVER))
    assert len(codec._opener._keys) == 5


def test_too_many_versions_are_not_cut_short() -> None:
    message = one(QuicCodec(Limits(values=3)), quic.version_negotiation(OURS, ID, [1, 2, 3, 4]), DOWN)
    assert "quic.supported_versions" not in message.metadata
    assert "4 versions, over the limit of 3" in str(message.error)
    hello = quic.client_hello("a.example", ["a", "b", "c", "d"])
    message = one(QuicCodec(Limits(values=3)), quic.initial(ID, OURS, hello))
    assert "tls.alpn" not in message.metadata
    assert message.error is not None and not isinstance(message.error, LimitExceeded)


# -- QUIC-LB ----------------------------------------------------------------------------------------------------------

KEY = octets("8f95f09245765f80256934e50c66207f")
CONFIGS = [
    ServerIds(0, server_id=3, nonce=4),
    ServerIds(1, server_id=8, nonce=8, key=KEY),
    ServerIds(2, server_id=3, nonce=6, key=KEY, length_in_first_octet=True),
]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: f"config {config.config}")
def test_the_server_is_read_from_ids(config: ServerIds) -> None:
    server = bytes(range(config.server_id))
    id = config.encode(server, bytes(config.nonce), extra=b"w")
    codec = QuicCodec(servers=CONFIGS, connection_id=len(id))
    shake(codec, theirs=id)
    for data in (quic.short_packet(id, PAYLOAD), quic.long_packet("handshake", id, OURS, PAYLOAD)):
        message = one(codec, data)
        assert message.metadata["quic.server_id"] == server.hex()
        assert message.metadata["quic.lb_config"] == config.config
    assert "quic.server_id" not in one(codec, quic.short_packet(OURS, PAYLOAD), DOWN).metadata
    stranger = one(QuicCodec(servers=CONFIGS, connection_id=len(id)), quic.short_packet(id, PAYLOAD))
    assert stranger.metadata["quic.server_id"] == server.hex()


def test_ids_that_name_no_server() -> None:
    codec = QuicCodec(servers=CONFIGS, connection_id=8)
    made_up = CONFIGS[0].encode(b"abc", b"nonc")
    assert "quic.server_id" not in one(codec, quic.initial(made_up, OURS, HELLO)).metadata  # the client's own choice
    for id in (b"\xff" + bytes(7), b"\x80" + bytes(7)):  # unroutable; of no configuration
        assert "quic.server_id" not in one(codec, quic.short_packet(id, PAYLOAD), UP_MOVED).metadata


@pytest.mark.parametrize("server", range(1, 15))
def test_what_is_encoded_is_decoded(server: int) -> None:
    for nonce in range(4, 20 - server):
        for key in (None, KEY):
            config = ServerIds(3, server_id=server, nonce=nonce, key=key)
            named = bytes(range(200, 200 + server))
            assert config.decode(config.encode(named, bytes(range(nonce)))) == named


@pytest.mark.parametrize(
    "make",
    [
        lambda: ServerIds(7, server_id=4, nonce=4),
        lambda: ServerIds(0, server_id=0, nonce=4),
        lambda: ServerIds(0, server_id=4, nonce=3),
        lambda: ServerIds(0, server_id=10, nonce=10),
        lambda: ServerIds(0, server_id=4, nonce=4, key=b"short"),
        lambda: CONFIGS[0].encode(b"abcd", b"nonc"),
        lambda: CONFIGS[0].encode(b"abc", b"nonc", low_bits=32),
        lambda: CONFIGS[0].encode(b"abc", b"nonc", extra=bytes(13)),
        lambda: QuicCodec(servers=[CONFIGS[0], CONFIGS[0]]),
    ],
)
def test_configurations_that_cannot_be(make) -> None:
    with pytest.raises(LocalProtocolError):
        make()
