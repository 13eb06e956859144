"""PROXY headers, parsed and built, against the `proxy-protocol` package.

Ours gives a Message with its metadata, from the one-shot `split_datagram`, or from a new `Stream` for each header; the
package gives a result object, which is asked for what our metadata holds (it decodes it then). It verifies checksums
only where the `crc32c` package, written in C, is installed; without it, its rows with a checksum are of less work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.util import find_spec

from l7codec import Side, Stream
from l7codec.protocols.proxy_protocol import header, split_datagram, ssl_tlv

from .timing import Case

SOURCE, DESTINATION = ("192.0.2.1", 56324), ("198.51.100.7", 443)
SOURCE6, DESTINATION6 = ("2001:db8::1", 56324), ("2001:db8::7:443", 443)
TLVS = [
    ("alpn", "h2"),
    ("authority", "orders.example.com"),
    ("unique_id", "4fe8bd1e-7c31-4d2b-9d0c-1ff0a3c7b1aa"),
    ssl_tlv(version="TLSv1.3", cn="client.example.com", cipher="TLS_AES_256_GCM_SHA384", cert_conn=True, verify=0),
]


def through_stream(raw: bytes) -> Callable[[], object]:
    def run() -> object:
        return next(Stream("proxy", Side.CLIENT).receive_data(raw))

    return run


def at_once(raw: bytes) -> Callable[[], object]:
    def run() -> object:
        return split_datagram(raw)

    return run


def cases(size: int = 1) -> Iterator[Case]:
    """Every case; without the package, ours alone. A header is one message: `size` changes nothing."""
    for name, raw in (
        ("v1 TCP4", header(SOURCE, DESTINATION, version=1).raw),
        ("v1 TCP6", header(SOURCE6, DESTINATION6, version=1).raw),
        ("v2 IPv4", header(SOURCE, DESTINATION).raw),
        ("v2 IPv6", header(SOURCE6, DESTINATION6).raw),
        ("v2 IPv4, 4 TLVs", header(SOURCE, DESTINATION, tlvs=TLVS).raw),
        ("v2 IPv4, CRC32C", header(SOURCE, DESTINATION, checksum=True).raw),
        ("v2 IPv4, 4 TLVs, CRC32C", header(SOURCE, DESTINATION, tlvs=[*TLVS[:2], ("crc32c", None), *TLVS[2:]]).raw),
    ):
        peers = _parsing(raw)
        summed = "CRC32C" in name  # byte by byte in Python against C, or against nothing
        target = None if summed and (len(raw) > 40 or find_spec("crc32c") is None) else 2.5
        yield Case(f"parse {name} ({len(raw)} bytes)", at_once(raw), peers, 1, target)
        yield Case(f"parse {name} ({len(raw)} bytes), Stream", through_stream(raw), peers, 1, None)
    for version in (1, 2):
        summed = version == 2 and find_spec("crc32c") is not None  # then the package adds a checksum unasked

        def build(version: int = version, summed: bool = summed) -> object:
            return header(SOURCE, DESTINATION, version=version, checksum=summed).raw

        yield Case(f"build v{version} IPv4", build, _building(version))


def _parsing(raw: bytes) -> dict[str, Callable[[], object]]:
    try:
        from proxyprotocol import ProxyProtocolChecksumError
        from proxyprotocol.detect import ProxyProtocolDetect
    except ImportError:
        return {}
    detect = ProxyProtocolDetect()

    def run() -> object:
        result = detect.unpack(raw)
        tlv = result.tlv
        if not tlv:
            return result.peername, result.sockname
        ssl = tlv.ssl
        flags = ssl.has_ssl, ssl.has_cert_conn, ssl.has_cert_sess, ssl.verify, ssl.verified
        texts = ssl.version, ssl.cn, ssl.cipher, tlv.alpn, tlv.authority, tlv.unique_id
        return result.peername, result.sockname, flags, texts

    try:
        run()
    except ProxyProtocolChecksumError:  # it sums its own rewriting of the header, not the header
        return {}
    return {"proxy-protocol": run}


def _building(version: int) -> dict[str, Callable[[], object]]:
    try:
        from ipaddress import IPv4Address
        from socket import SOCK_STREAM

        from proxyprotocol.result import ProxyResultIPv4
        from proxyprotocol.v1 import ProxyProtocolV1
        from proxyprotocol.v2 import ProxyProtocolV2
    except ImportError:
        return {}
    codec = ProxyProtocolV1() if version == 1 else ProxyProtocolV2()

    def run() -> object:
        ends = ((IPv4Address(address), port) for address, port in (SOURCE, DESTINATION))
        return codec.pack(ProxyResultIPv4(*ends, protocol=SOCK_STREAM))

    return {"proxy-protocol": run}
