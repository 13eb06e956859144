"""aioquic's client and server over loopback: what is decoded against what both ends say, and against tshark."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aioquic.asyncio import QuicConnectionProtocol

from l7codec import Message, Side, encode
from l7codec.protocols.quic import QuicCodec

from .programs import program
from .quic_wire import Relay, Session, ask, run

pytestmark = [pytest.mark.interop, pytest.mark.filterwarnings("ignore::ResourceWarning")]

V1, V2 = 1, 0x6B3343CF
LARGE = ["h3", *(f"{number}{'x' * 200}" for number in range(8))]


async def rebind(client: QuicConnectionProtocol, relay: Relay) -> None:
    """The client comes from another port, under the same connection ids: a NAT forgot it."""
    await ask(client)
    await relay.move()
    assert await ask(client, b"after") == b"after"


async def migrate(client: QuicConnectionProtocol, relay: Relay) -> None:
    """The client takes another id that nobody on the path has seen; then it moves, and takes one more."""
    await ask(client)
    client.change_connection_id()
    await ask(client, b"another id")
    client.change_connection_id()
    await relay.move()
    assert await ask(client, b"moved") == b"moved"


CASES: dict[str, dict[str, Any]] = {
    "v1": {},
    "v2": {"supported_versions": [V2]},
    "retry": {"retry": True},
    "retry v2": {"retry": True, "supported_versions": [V2]},
    "negotiation": {
        "original_version": V2,
        "supported_versions": [V2, V1],
        "server_options": {"supported_versions": [V1]},
    },
    "0-RTT": {"times": 2, "early": True},
    "large ClientHello": {"alpn_protocols": LARGE},
    "rebinding": {"talk": rebind},
    "migration": {"talk": migrate},
}


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Session]:
    """Each case is played once."""
    played: dict[str, Session] = {}

    def play(name: str) -> Session:
        if name not in played:
            played[name] = run(tmp_path_factory.mktemp("quic"), **CASES[name])
        return played[name]

    return play


def observe(session: Session, **options: Any) -> list[Message]:
    """The packets, in order; every datagram is given back byte for byte."""
    codec = QuicCodec(**options)
    found: list[Message] = []
    for taken in session.taken:
        messages = codec.decode_datagram(taken.data, taken.path)
        assert b"".join(map(encode, messages)) == taken.data
        found += [message for message in messages if message.metadata["quic.packet_type"] != "trailing"]
    assert all(message.error is None for message in found)
    return found


every_case = pytest.mark.parametrize("name", CASES)


@every_case
def test_what_both_ends_say(name: str, session: Callable[[str], Session]) -> None:
    """Types, ids and, in Initials, packet numbers, of every packet that was sent, by each side in its order."""
    played = session(name)
    found = observe(played, follow=True)
    for side in Side:
        said = [_said(header) for header in played.sent(str(side))]
        seen = [_seen(message) for message in found if message.side is side and not _stateless(message)]
        assert len(seen) == len(said)
        for ours, theirs in zip(seen, said, strict=True):
            assert all(ours[key] == theirs[key] for key in ours.keys() & theirs.keys()), (ours, theirs)


def _stateless(message: Message) -> bool:
    """What aioquic's server sends before there is a connection, and so does not log."""
    return message.metadata["quic.packet_type"] in ("retry", "version_negotiation")


def _said(header: dict[str, Any]) -> dict[str, Any]:
    kind = {"0RTT": "0rtt", "1RTT": "1rtt"}.get(header["packet_type"], header["packet_type"])
    said = {"type": kind, "dcid": header.get("dcid")}
    if kind not in ("1rtt",):
        said["scid"] = header.get("scid")
    if kind == "initial":
        said["number"] = header["packet_number"]
    return {key: value for key, value in said.items() if value is not None}


def _seen(message: Message) -> dict[str, Any]:
    metadata = message.metadata
    named = {
        "type": "quic.packet_type",
        "dcid": "quic.dcid",
        "scid": "quic.scid",
        "number": "quic.packet_number",
    }
    return {name: metadata[key] for name, key in named.items() if key in metadata}


@every_case
def test_what_the_handshake_says(name: str, session: Callable[[str], Session]) -> None:
    played = session(name)
    found = observe(played)
    hellos = [message for message in found if "tls.ja4" in message.metadata]
    assert hellos
    for hello in hellos:
        assert hello.side is Side.CLIENT
        assert hello.metadata["tls.sni"] == "orders.example"
        assert hello.metadata["tls.alpn"] == tuple(CASES[name].get("alpn_protocols", ["h3"]))
        assert hello.metadata["quic.tp.max_idle_timeout"] == 60_000
    answers = [message for message in found if "tls.cipher" in message.metadata]
    assert len(answers) == CASES[name].get("times", 1)
    assert all(answer.side is Side.SERVER for answer in answers)
    assert all(answer.metadata["tls.version"] == "TLSv1.3" for answer in answers)
    assert played.alpn == ["h3"] * CASES[name].get("times", 1)  # which nobody on the path can see


def test_version_2(session: Callable[[str], Session]) -> None:
    found = observe(session("v2"))
    assert {message.metadata["quic.version"] for message in found if "quic.version" in message.metadata} == {V2}


@pytest.mark.parametrize("name", ["retry", "retry v2"])
def test_retry(name: str, session: Callable[[str], Session]) -> None:
    found = observe(session(name))
    (retry,) = [message for message in found if message.metadata["quic.packet_type"] == "retry"]
    assert retry.metadata["quic.retry_valid"] is True
    assert {message.metadata["conversation"] for message in found} == {1}
    with_token = [
        message for message in found if message.side is Side.CLIENT and "quic.token_length" in message.metadata
    ]
    assert {message.body["token"] for message in with_token} == {retry.body["token"]}


def test_version_negotiation(session: Callable[[str], Session]) -> None:
    found = observe(session("negotiation"))
    (negotiation,) = [one for one in found if one.metadata["quic.packet_type"] == "version_negotiation"]
    assert negotiation.side is Side.SERVER
    assert "v1" in negotiation.metadata["quic.supported_versions"]
    assert {message.metadata["conversation"] for message in found} == {1}
    hellos = [message.metadata["quic.version_name"] for message in found if "tls.sni" in message.metadata]
    assert hellos == ["v2", "v1"]


def test_early_data(session: Callable[[str], Session]) -> None:
    found = observe(session("0-RTT"))
    assert [
        message.metadata["conversation"] for message in found if message.metadata["quic.packet_type"] == "0rtt"
    ] == [2]
    assert [message.metadata["conversation"] for message in found if "tls.early_data" in message.metadata] == [2]


def test_a_client_hello_in_two_packets(session: Callable[[str], Session]) -> None:
    found = observe(session("large ClientHello"))
    initials = [message for message in found if message.side is Side.CLIENT and message.metadata.get("quic.opened")]
    assert ["tls.sni" in message.metadata for message in initials[:2]] == [False, True]


def test_rebinding_is_followed_whole(session: Callable[[str], Session]) -> None:
    played = session("rebinding")
    assert len({taken.path for taken in played.taken}) == 4
    found = observe(played)
    assert {message.metadata["conversation"] for message in found} == {1}
    assert not any("quic.side_guessed" in message.metadata for message in found)


def test_migration_is_followed_as_far_as_ids_allow(session: Callable[[str], Session]) -> None:
    """An id that was issued under encryption, on a path that was never seen: nobody can tell whose it is."""
    played = session("migration")
    first, second = played.client_address
    codec = QuicCodec()
    conversations: dict[tuple[str, int], set[object]] = {first: set(), second: set()}
    for taken in played.taken:
        for message in codec.decode_datagram(taken.data, taken.path):
            client = taken.path[0] if message.side is Side.CLIENT else taken.path[1]
            if client in conversations:
                conversations[client].add(message.metadata["conversation"])
    assert conversations[first] == {1}
    assert conversations[second] == {2}
    marked = [message for message in observe(played) if message.metadata.get("quic.by_path")]
    assert {message.metadata["conversation"] for message in marked} == {1, 2}


def test_migration_between_known_servers(session: Callable[[str], Session]) -> None:
    """Who knows how long its servers' ids are reads them on any path."""
    found = observe(session("migration"), connection_id=8)
    assert all("quic.dcid" in message.metadata for message in found if message.side is Side.CLIENT)


# -- tshark -----------------------------------------------------------------------------------------------------------


def tshark(path: Path, *names: str) -> list[list[str]]:
    command = [program("tshark"), "-n", "-r", str(path), "-T", "fields", "-E", "occurrence=a", "-E", "aggregator=;"]
    command += [word for name in names for word in ("-e", name)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return [line.split("\t") for line in done.stdout.splitlines()]


TYPES = {V1: ("initial", "0rtt", "handshake", "retry"), V2: ("retry", "initial", "0rtt", "handshake")}


@every_case
def test_tshark_sees_the_same(name: str, session: Callable[[str], Session], tmp_path: Path) -> None:
    """Versions, types, ids and packet numbers of all long headers; server name, protocols, JA3."""
    played = session(name)
    path = tmp_path / "quic.pcap"
    played.write(path)
    rows = tshark(
        path,
        "quic.version",
        "quic.long.packet_type",
        "quic.long.packet_type_v2",
        "quic.scid",
        "quic.packet_number",
        "tls.handshake.extensions_server_name",
        "tls.handshake.extensions_alpn_str",
        "tls.handshake.ja3",
    )
    assert len(rows) == len(played.taken)
    codec = QuicCodec(follow=True)
    compared = 0
    for taken, row in zip(played.taken, rows, strict=True):
        versions, kinds, kinds2, scids, numbers, names, protocols, ja3 = (
            field.split(";") if field else [] for field in row
        )
        messages = codec.decode_datagram(taken.data, taken.path)
        long = [message for message in messages if "quic.version" in message.metadata]
        assert [int(version, 16) for version in versions] == [message.metadata["quic.version"] for message in long]
        table = TYPES[V2] if kinds2 else TYPES[V1]
        typed = [message.metadata["quic.packet_type"] for message in long if message.metadata["quic.version"]]
        assert [table[int(kind)] for kind in kinds2 or kinds] == typed
        assert scids == [message.metadata["quic.scid"] for message in long]
        opened = [message for message in long if "quic.packet_number" in message.metadata]
        if name == "negotiation" and V1 in {message.metadata["quic.version"] for message in long}:
            continue  # the client keeps its id in another version: tshark stays with the old keys, and opens no more
        assert [int(number) for number in numbers] == [message.metadata["quic.packet_number"] for message in opened]
        hellos = [message for message in long if "tls.sni" in message.metadata]
        assert names == [message.metadata["tls.sni"] for message in hellos]
        if name != "large ClientHello":  # whose hello is in no single frame: the body is of one packet
            for hello, fingerprint in zip(hellos, ja3, strict=False):
                assert hello.body["client_hello"]["ja3_hash"] == fingerprint
                text = hello.body["client_hello"]["ja3"].encode()
                assert hashlib.md5(text, usedforsecurity=False).hexdigest() == fingerprint
        assert protocols == [protocol for message in hellos for protocol in message.metadata["tls.alpn"]]
        compared += len(long)
    assert compared
