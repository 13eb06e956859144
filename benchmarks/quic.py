"""QUIC packets against aioquic and scapy: headers, Initials opened, and the server name of new connections.

Ours gives Messages with metadata, each put down to its conversation. aioquic's `pull_quic_header` gives the header
alone; its `CryptoPair` derives keys and opens, and looks at nothing that is inside. scapy's QUIC layer reads the header
and opens nothing. `pip install '.[benchmark]'` brings scapy.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from l7codec import Datagrams, Side
from l7codec.protocols import quic
from l7codec.protocols.quic import QuicCodec, ServerIds
from l7codec.protocols.quic.protection import initial_keys, unseal
from l7codec.protocols.quic.tls import ClientHello
from l7codec.protocols.quic.versions import version_of

from .timing import Case

Run = Callable[[], object]

ID, OURS = bytes(range(8)), bytes(range(8, 16))
PATH = (("192.0.2.1", 40000), ("203.0.113.1", 443))
PAYLOAD = bytes(1100)
KEY = bytes(range(16))

PARAMETERS = [(1, 30_000), (4, 2**24), (5, 2**20), (6, 2**20), (7, 2**20), (8, 100), (9, 100), (14, 8), (15, OURS)]
HELLO = quic.client_hello(
    "orders.example.com",
    ["h3", "h3-29"],
    transport_parameters=PARAMETERS,
    extensions=[(0x33, b"\0\x24\0\x1d\0\x20" + bytes(32)), (0x2D, b"\1\1")],
)


def cases(size: int = 10_000) -> Iterator[Case]:
    """Every case; of the peers, those that are installed."""
    handshake = quic.long_packet("handshake", ID, OURS, PAYLOAD).raw
    short = quic.short_packet(ID, PAYLOAD).raw
    coalesced = quic.long_packet("handshake", ID, OURS, bytes(60)).raw + short
    few = max(size // 10, 4)
    for name, data in (("long", handshake), ("short", short)):
        peers = _headers(data, few)
        yield Case(
            f"header {name}, to a message", decoding(data, few), peers, few, None, {"aioquic": 1.0, "scapy": 20.0}
        )
    yield Case("header short, through Datagrams", observing(short, few), _headers(short, few, slow=False), few)
    yield Case("header two packets in a datagram", decoding(coalesced, few), {}, 2 * few)
    yield from _initials(max(size // 100, 4))
    for name, config in (
        ("plain", ServerIds(0, server_id=4, nonce=4)),
        ("one block", ServerIds(0, server_id=8, nonce=8, key=KEY)),
        ("four passes", ServerIds(0, server_id=4, nonce=5, key=KEY)),
    ):
        id = config.encode(bytes(config.server_id), bytes(config.nonce))
        yield Case(f"server id, {name}", naming(config, id, few), {}, few)


def _initials(count: int) -> Iterator[Case]:
    """Opening with keys that are known, and the whole way from a new connection's first datagram to its server name."""
    ids = [number.to_bytes(8, "big") for number in range(count)]
    packets = [quic.initial(id, b"client" + id, HELLO).raw for id in ids]  # each client has an id of its own
    yield Case(
        "Initial opened, keys known", opening(packets[0], ids[0], count), _open(packets[0], ids[0], count), count, 1.0
    )
    peers = _derive_and_open(ids, packets)
    yield Case("Initial new, to server name and ALPN, peek", peeking(packets), peers, count, 1.0)
    yield Case("Initial new, to server name and ALPN, followed", reading(packets, details=False), peers, count)
    yield Case("Initial new, with JA4 and parameters, followed", reading(packets, details=True), peers, count)
    fakes = [quic.long_packet("initial", id, b"client" + id, PAYLOAD).raw for id in ids]
    yield Case(
        "Initial fake, which does not open", reading(fakes, details=True), {"a true one": reading(packets)}, count, 1.0
    )
    yield Case("ClientHello, to metadata", lambda: [ClientHello(HELLO).metadata(100) for _ in range(count)], {}, count)


# -- contestants --------------------------------------------------------------------------------------------------


def decoding(data: bytes, count: int) -> Run:
    def run() -> int:
        codec = QuicCodec(connection_id=len(ID))
        decode = codec.decode_datagram
        for _ in range(count):
            decode(data, PATH)
        return count

    return run


def observing(data: bytes, count: int) -> Run:
    def run() -> int:
        receive = Datagrams(QuicCodec(connection_id=len(ID))).receive_datagram
        for _ in range(count):
            receive(data, PATH)
        return count

    return run


def reading(packets: list[bytes], details: bool = True) -> Run:
    """Each packet is a connection's first, from an address of its own."""
    paths = [(("192.0.2.1", number), ("203.0.113.1", 443)) for number in range(len(packets))]

    def run() -> int:
        decode = QuicCodec(details=details).decode_datagram
        for data, path in zip(packets, paths, strict=True):
            decode(data, path)
        return len(packets)

    return run


def peeking(packets: list[bytes]) -> Run:
    def run() -> int:
        for data in packets:
            hello = quic.peek(data)
            assert hello is not None
            assert hello.server_name
            assert hello.alpn
        return len(packets)

    return run


def opening(data: bytes, id: bytes, count: int) -> Run:
    keys = initial_keys(version_of(1), id, Side.CLIENT)
    header = quic.header.long_header(data)

    def run() -> int:
        for _ in range(count):
            assert unseal(data, 0, header.number, header.end, keys, -1)
        return count

    return run


def naming(config: ServerIds, id: bytes, count: int) -> Run:
    def run() -> int:
        for _ in range(count):
            config.decode(id)
        return count

    return run


def _headers(data: bytes, count: int, slow: bool = True) -> dict[str, Run]:
    found: dict[str, Run] = {}
    with contextlib.suppress(ImportError):
        from aioquic.buffer import Buffer
        from aioquic.quic.packet import pull_quic_header

        def aioquic() -> int:
            for _ in range(count):
                pull_quic_header(Buffer(data=data), host_cid_length=len(ID))
            return count

        found["aioquic"] = aioquic
    if slow:
        with contextlib.suppress(ImportError):
            from scapy.layers.quic import QUIC

            def scapy() -> int:
                for _ in range(count):
                    QUIC(data)
                return count

            found["scapy"] = scapy
    return found


def _open(data: bytes, id: bytes, count: int) -> dict[str, Run]:
    try:
        from aioquic.quic.crypto import CryptoPair
    except ImportError:
        return {}
    pair = CryptoPair()
    pair.setup_initial(id, is_client=False, version=1)
    offset = quic.header.long_header(data).number

    def run() -> int:
        for _ in range(count):
            pair.decrypt_packet(data, offset, 0)
        return count

    return {"aioquic": run}


def _derive_and_open(ids: list[bytes], packets: list[bytes]) -> dict[str, Run]:
    try:
        from aioquic.quic.crypto import CryptoPair
    except ImportError:
        return {}
    offset = quic.header.long_header(packets[0]).number

    def run() -> int:
        for id, data in zip(ids, packets, strict=True):
            pair = CryptoPair()
            pair.setup_initial(id, is_client=False, version=1)
            pair.decrypt_packet(data, offset, 0)
        return len(packets)

    return {"aioquic, keys and opening alone": run}
