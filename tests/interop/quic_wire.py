"""aioquic's client and server over loopback, with a relay between them that notes every datagram, as a NAT sees it.

client ──▶ relay ══▶ server         noted: the leg of the relay's own address, which can change under the client
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aioquic.asyncio import QuicConnectionProtocol, connect, serve
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import HandshakeCompleted, QuicEvent, StreamDataReceived
from aioquic.quic.logger import QuicLogger
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.capture.build import ipv4, pcap_header, record, udp

HOST = "127.0.0.1"
PATIENCE = 15.0
Path_ = tuple[tuple[str, int], tuple[str, int]]


@dataclass
class Taken:
    """One datagram."""

    time_ns: int
    path: Path_
    data: bytes


@dataclass
class Session:
    """What went over the wire, and what both ends say of it."""

    taken: list[Taken] = field(default_factory=list)
    client: QuicLogger = field(default_factory=QuicLogger)
    server: QuicLogger = field(default_factory=QuicLogger)
    client_address: list[tuple[str, int]] = field(default_factory=list)
    server_address: tuple[str, int] = (HOST, 0)
    alpn: list[str | None] = field(default_factory=list)
    server_names: list[str | None] = field(default_factory=list)

    def sent(self, side: str) -> list[dict[str, Any]]:
        """The headers of the packets that an end says it has sent, in order."""
        log = self.client if side == "client" else self.server
        return [
            event["data"]["header"]
            for trace in log.to_dict()["traces"]
            for event in trace["events"]
            if event["name"].endswith("packet_sent")
        ]

    def write(self, path: Path) -> None:
        """As a capture file of IP packets."""
        packets = []
        for one in self.taken:
            (source, sport), (destination, dport) = one.path
            data = ipv4(udp(one.data, sport, dport), source, destination, 17)
            packets.append(record(data, one.time_ns, unit=1))
        path.write_bytes(pcap_header(magic=0xA1B23C4D, link=101) + b"".join(packets))


class _Leg(asyncio.DatagramProtocol):
    """One socket of the relay's."""

    def __init__(self, receive: Callable[[bytes, tuple[str, int]], None]) -> None:
        self._receive = receive

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, address: Any) -> None:
        self._receive(data, address[:2])


class Relay:
    """Passes datagrams on, and notes them."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._client: tuple[str, int] | None = None
        self._legs: list[_Leg] = []

    async def open(self) -> int:
        """Listen for the client; returns the port."""
        loop = asyncio.get_running_loop()
        _, self._near = await loop.create_datagram_endpoint(lambda: _Leg(self._from_client), (HOST, 0))
        await self.move()
        return self._near.transport.get_extra_info("sockname")[1]

    async def move(self) -> None:
        """Go on from another port: what the server sees when a NAT forgets, or a client moves."""
        loop = asyncio.get_running_loop()
        legs = self._legs

        def receive(data: bytes, address: tuple[str, int]) -> None:
            self._note((address, own), data)
            if self._client is not None:
                self._near.transport.sendto(data, self._client)

        _, leg = await loop.create_datagram_endpoint(lambda: _Leg(receive), (HOST, 0))
        own = leg.transport.get_extra_info("sockname")[:2]
        legs.append(leg)
        self._session.client_address.append(own)

    def _from_client(self, data: bytes, address: tuple[str, int]) -> None:
        self._client = address
        leg = self._legs[-1]
        server = self._session.server_address
        self._note((leg.transport.get_extra_info("sockname")[:2], server), data)
        leg.transport.sendto(data, server)

    def _note(self, path: Path_, data: bytes) -> None:
        self._session.taken.append(Taken(time.time_ns(), path, data))

    def close(self) -> None:
        for leg in (self._near, *self._legs):
            leg.transport.close()


class Echo(QuicConnectionProtocol):
    """Sends every stream back; notes what the handshake agreed on."""

    session: Session

    def quic_event_received(self, event: QuicEvent) -> None:
        if isinstance(event, HandshakeCompleted):
            self.session.alpn.append(event.alpn_protocol)
        elif isinstance(event, StreamDataReceived) and event.end_stream:
            self._quic.send_stream_data(event.stream_id, event.data[:20], end_stream=True)


def certificate(folder: Path, name: str = "orders.example") -> tuple[Path, Path]:
    """A self-signed certificate and its key, as PEM files."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return paths


@contextlib.asynccontextmanager
async def server(
    session: Session, folder: Path, *, retry: bool = False, **options: Any
) -> AsyncIterator[dict[bytes, Any]]:
    """aioquic's server; yields the session tickets that it has given out."""
    configuration = QuicConfiguration(
        is_client=False, alpn_protocols=["h3", "echo"], quic_logger=session.server, **options
    )
    configuration.load_cert_chain(*map(str, certificate(folder)))
    tickets: dict[bytes, Any] = {}

    class Noting(Echo):
        pass

    Noting.session = session
    listener = await serve(
        HOST,
        0,
        configuration=configuration,
        create_protocol=Noting,
        retry=retry,
        session_ticket_handler=lambda ticket: tickets.__setitem__(ticket.ticket, ticket),
        session_ticket_fetcher=tickets.get,
    )
    session.server_address = (HOST, listener._transport.get_extra_info("sockname")[1])
    try:
        yield tickets
    finally:
        listener.close()


async def ask(client: QuicConnectionProtocol, text: bytes = b"how are you") -> bytes:
    """One stream there and back."""
    reader, writer = await client.create_stream()
    writer.write(text)
    writer.write_eof()
    return await reader.read()


Talk = Callable[[QuicConnectionProtocol, Relay], Awaitable[None]]


async def _one(client: QuicConnectionProtocol, relay: Relay) -> None:
    assert await ask(client) == b"how are you"


def run(
    folder: Path,
    *,
    talk: Talk = _one,
    times: int = 1,
    early: bool = False,
    retry: bool = False,
    server_options: dict[str, Any] | None = None,
    **client_options: Any,
) -> Session:
    """A whole session. `times` connections one after the other; `early`: those behind the first send 0-RTT data."""

    async def main() -> Session:
        session = Session()
        async with server(session, folder, retry=retry, **(server_options or {})):
            tickets: list[Any] = []
            for _ in range(times):
                relay = Relay(session)
                port = await relay.open()
                options = {"alpn_protocols": ["h3"], "server_name": "orders.example", **client_options}
                configuration = QuicConfiguration(is_client=True, quic_logger=session.client, **options)
                configuration.verify_mode = 0
                resumes = early and bool(tickets)
                if resumes:
                    configuration.session_ticket = tickets[-1]
                async with connect(
                    HOST,
                    port,
                    configuration=configuration,
                    session_ticket_handler=tickets.append,
                    wait_connected=not resumes,
                ) as client:
                    if resumes:
                        assert await ask(client, b"early") == b"early"
                    await talk(client, relay)
                await asyncio.sleep(0.05)
                relay.close()
            await asyncio.sleep(0.05)
        return session

    with contextlib.closing(socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)):  # aioquic's client needs IPv6
        return asyncio.run(asyncio.wait_for(main(), PATIENCE))
