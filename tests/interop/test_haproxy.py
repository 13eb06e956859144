"""The real haproxy: what it sends is what it was told, and what we build it takes for what we said."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from l7codec import RemoteProtocolError, Side, Stream
from l7codec.message import Message
from l7codec.protocols.proxy_protocol import header, split_datagram, ssl_tlv

pytestmark = pytest.mark.interop

WAIT = 10.0

# haproxy takes a line only whole: the long ones are put together from here
TLS = "ssl verify optional crt-ignore-err all ca-ignore-err all alpn h2,http/1.1"
TLS_OPTIONS = "ssl,cert-cn,ssl-cipher,cert-key,cert-sig,crc32c,authority,unique-id"
SEEN = "%[src] %[src_port] %[dst] %[dst_port]|%[fc_pp_authority]|%[fc_pp_unique_id]|"

CONFIG = """
global
    maxconn 100
    unix-bind mode 700
defaults
    mode tcp
    timeout connect 5s
    timeout client 5s
    timeout server 5s

frontend v1
    bind 127.0.0.1:{v1}
    bind unix@{directory}/v1.sock
    default_backend v1
backend v1
    server s 127.0.0.1:{server} send-proxy

frontend v2
    bind 127.0.0.1:{v2}
    bind unix@{directory}/v2.sock
    default_backend v2
backend v2
    server s 127.0.0.1:{server} send-proxy-v2

frontend options
    bind 127.0.0.1:{options}
    unique-id-format id-%cp
    default_backend options
backend options
    server s 127.0.0.1:{server} send-proxy-v2 proxy-v2-options crc32c,unique-id

frontend no_tls
    bind 127.0.0.1:{no_tls}
    default_backend ssl
frontend tls
    bind 127.0.0.1:{tls} {TLS} crt {directory}/server.pem ca-file {directory}/known.pem
    unique-id-format id-%cp
    default_backend ssl
backend ssl
    server s 127.0.0.1:{server} send-proxy-v2-ssl-cn proxy-v2-options {TLS_OPTIONS}

backend checks
    server s 127.0.0.1:{checks} send-proxy-v2 check check-send-proxy inter 200ms

frontend accept
    mode http
    bind 127.0.0.1:{accept} accept-proxy
    http-request return status 200 content-type text/plain lf-string "{SEEN}"
"""


class Haproxy:
    """A running haproxy, what listens behind it, and the certificates it was given."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.server = _listen()
        self.checks = _listen()
        names = ("v1", "v2", "options", "no_tls", "tls", "accept")
        reserved = {name: _listen() for name in names}
        self.ports: dict[str, int] = {name: taken.getsockname()[1] for name, taken in reserved.items()}
        for taken in reserved.values():
            taken.close()
        for name, subject in (("server", "orders.example"), ("known", "known client"), ("stranger", "a stranger")):
            _certificate(directory / f"{name}.pem", subject)
        config = directory / "haproxy.cfg"
        config.write_text(
            CONFIG.format(
                directory=directory,
                server=self.server.getsockname()[1],
                checks=self.checks.getsockname()[1],
                TLS=TLS,
                TLS_OPTIONS=TLS_OPTIONS,
                SEEN=SEEN,
                **self.ports,
            )
        )
        self.log = (directory / "haproxy.log").open("wb")
        self.process = subprocess.Popen(
            ["haproxy", "-db", "-f", str(config)], stdout=self.log, stderr=subprocess.STDOUT
        )
        self._wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + WAIT
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.ports["accept"]), 1).close()
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    self.stop()
                    pytest.fail(f"haproxy did not start:\n{(self.directory / 'haproxy.log').read_text()}")
                time.sleep(0.05)
            else:
                return

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(WAIT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()
        self.server.close()
        self.checks.close()

    def connect(self, name: str) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.ports[name]), WAIT)

    def sent(self, client: socket.socket) -> Message:
        """The header that haproxy puts before what `client` says, which must follow it untouched."""
        client.sendall(b"hello")
        with self.server.accept()[0] as connection:
            return _first(connection, b"hello")

    def tells(self, raw: bytes) -> str | None:
        """What haproxy thinks of a connection that begins so; None if it hangs up."""
        with self.connect("accept") as client:
            try:
                client.sendall(raw + b"GET / HTTP/1.0\r\n\r\n")
                answer = b"".join(iter(lambda: client.recv(4096), b""))
            except ConnectionError:  # what it did not read makes of its hanging up a reset
                return None
        return answer.partition(b"\r\n\r\n")[2].decode() or None


def _listen() -> socket.socket:
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(WAIT)
    return listener


def _certificate(path: Path, subject: str) -> None:
    key = path.with_suffix(".key")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-sha256", "-nodes", "-days", "2"]
    command += ["-subj", f"/CN={subject}", "-keyout", str(key), "-out", str(path)]
    subprocess.run(command, check=True, capture_output=True)
    path.write_bytes(path.read_bytes() + key.read_bytes())


def _first(connection: socket.socket, rest: bytes) -> Message:
    """The header a connection begins with; `rest` must follow. Any chunking that the kernel chooses."""
    connection.settimeout(WAIT)
    stream = Stream("proxy", Side.CLIENT)
    messages: list[Message] = []
    while not messages or len(stream.trailing_data) < len(rest):
        data = connection.recv(7)
        assert data, "haproxy closed too early"
        messages += stream.receive_data(data)
    assert stream.trailing_data == rest
    (message,) = messages
    assert message.error is None
    return message


@pytest.fixture(scope="module")
def haproxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Haproxy]:
    for program in ("haproxy", "openssl"):
        if shutil.which(program) is None:
            if os.environ.get("CI"):
                pytest.fail(f"{program} is not installed, and CI must have it")
            pytest.skip(f"{program} is not installed")
    running = Haproxy(tmp_path_factory.mktemp("haproxy"))
    yield running
    running.stop()


def addresses(client: socket.socket) -> dict[str, Any]:
    (source, port), (destination, other) = client.getsockname(), client.getpeername()
    return {
        "source.address": source,
        "source.port": port,
        "destination.address": destination,
        "destination.port": other,
    }


def picked(message: Message, keys: Any) -> dict[str, Any]:
    return {key: message.metadata.get(key) for key in keys}


# -- what haproxy sends -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "version"), [("v1", 1), ("v2", 2)])
def test_addresses(haproxy: Haproxy, name: str, version: int) -> None:
    with haproxy.connect(name) as client:
        message = haproxy.sent(client)
        wanted = {**addresses(client), "proxy.version": version, "proxy.family": "inet", "proxy.transport": "stream"}
    assert picked(message, wanted) == wanted
    ends = message.body["source"], message.body["destination"]
    assert header(*ends, version=version).raw == message.raw, "we build what it builds"


@pytest.mark.parametrize(("name", "version"), [("v1", 1), ("v2", 2)])
def test_clients_of_a_unix_socket(haproxy: Haproxy, name: str, version: int) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(haproxy.directory / f"{name}.sock"))
        message = haproxy.sent(client)
    assert message.metadata["proxy.version"] == version
    assert "source.address" not in message.metadata
    assert header(**message.body) == message


def test_checksum_and_unique_id(haproxy: Haproxy) -> None:
    with haproxy.connect("options") as client:
        message = haproxy.sent(client)
        wanted = {
            **addresses(client),
            "proxy.tlv.crc32c": True,
            "proxy.tlv.unique_id": f"id-{client.getsockname()[1]}",
        }
    assert picked(message, wanted) == wanted
    assert header(**message.body) == message


def test_without_tls_nothing_is_verified(haproxy: Haproxy) -> None:
    """haproxy sends the vector with client=0 and verify=0."""
    with haproxy.connect("no_tls") as client:
        message = haproxy.sent(client)
    wanted = {
        "proxy.tlv.ssl.client_ssl": False,
        "proxy.tlv.ssl.client_cert_conn": False,
        "proxy.tlv.ssl.verify": 0,
        "proxy.tlv.ssl.verified": False,
        "proxy.tlv.crc32c": True,
    }
    assert picked(message, wanted) == wanted


@pytest.mark.parametrize("who", ["known", "stranger", None])
def test_tls(haproxy: Haproxy, who: str | None) -> None:
    context = ssl.create_default_context(cafile=str(haproxy.directory / "server.pem"))
    context.check_hostname = False
    context.set_alpn_protocols(["h2"])
    if who is not None:
        context.load_cert_chain(haproxy.directory / f"{who}.pem")
    with context.wrap_socket(haproxy.connect("tls"), server_hostname="orders.example") as client:
        message = haproxy.sent(client)
        cipher, version, _ = client.cipher() or ("", "", 0)
        wanted = {
            **addresses(client),
            "tls.sni": "orders.example",
            "tls.alpn": ("h2",),
            "proxy.tlv.crc32c": True,
            "proxy.tlv.unique_id": f"id-{client.getsockname()[1]}",
            "proxy.tlv.ssl.client_ssl": True,
            "proxy.tlv.ssl.client_cert_conn": who is not None,
            "proxy.tlv.ssl.verified": who == "known",
            "proxy.tlv.ssl.version": version,
            "proxy.tlv.ssl.cipher": cipher,
            "proxy.tlv.ssl.cn": {"known": "known client", "stranger": "a stranger", None: None}[who],
            "proxy.tlv.ssl.key_alg": "RSA2048",
            "proxy.tlv.ssl.sig_alg": "RSA-SHA256",
        }
    assert picked(message, wanted) == wanted
    assert (message.metadata["proxy.tlv.ssl.verify"] == 0) == (who != "stranger")
    assert header(**message.body) == message


def test_health_checks_are_local(haproxy: Haproxy) -> None:
    with haproxy.checks.accept()[0] as connection:
        message = _first(connection, b"")
    assert message.metadata == {"proxy.version": 2, "proxy.command": "LOCAL"}


# -- what haproxy receives --------------------------------------------------------------------------------------

FOUR = ("203.0.113.9", 40001), ("198.51.100.7", 443)
SIX = ("2001:db8::9", 40001), ("2001:db8::7", 443)
TOLD_FOUR = "203.0.113.9 40001 198.51.100.7 443"
TOLD_SIX = "2001:db8::9 40001 2001:db8::7 443"


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (header(*FOUR, version=1), f"{TOLD_FOUR}|||"),
        (header(*SIX, version=1), f"{TOLD_SIX}|||"),
        (header(*FOUR), f"{TOLD_FOUR}|||"),
        (header(*SIX), f"{TOLD_SIX}|||"),
        (header(*FOUR, checksum=True, align=64), f"{TOLD_FOUR}|||"),
        (
            header(
                *SIX,
                tlvs=[
                    ("noop", b"pad"),
                    (0xE5, b"ours"),
                    ("authority", "orders.example"),
                    ssl_tlv(version="TLSv1.3", cn="me", cert_conn=True, verify=0),
                    ("crc32c", None),
                    ("unique_id", "42"),
                    ("aws.vpce_id", "vpce-1"),
                ],
            ),
            f"{TOLD_SIX}|orders.example|42|",
        ),
    ],
)
def test_haproxy_reads_what_we_build(haproxy: Haproxy, message: Message, told: str) -> None:
    assert haproxy.tells(message.raw) == told


@pytest.mark.parametrize(
    "message", [header(command="LOCAL"), header(command="LOCAL", checksum=True), header(version=1)]
)
def test_haproxy_keeps_the_peer_without_addresses(haproxy: Haproxy, message: Message) -> None:
    told = haproxy.tells(message.raw)
    assert told is not None
    source, _, destination, port = told.partition("|")[0].split()
    assert (source, destination, port) == ("127.0.0.1", "127.0.0.1", str(haproxy.ports["accept"]))


def _wrong_checksum(raw: bytes) -> bytes:
    at = raw.index(b"\x03\x00\x04") + 3
    return raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]


@pytest.mark.parametrize(
    "raw",
    [
        _wrong_checksum(header(*FOUR, checksum=True).raw),
        header(*FOUR, tlvs=[("authority", "orders.example")]).raw.replace(b"\x02\x00\x0e", b"\x02\x00\x0f"),
        b"PROXY TCP4 203.0.113.9 198.51.100.7 40001\r\n",
        b"PROXY TCP4 203.0.113.9 198.51.100.7 +80 443\r\n",
        b"PROXY TCP4 203.0.113.9\x00 198.51.100.7 80 443\r\n",
        b"PROXY TCP6 fe80::1%lo ::1 80 443\r\n",
        b"PROXY TCP6 203.0.113.9 198.51.100.7 80 443\r\n",
        b"PROXY TCP4 203.0.113.9 198.51.100.7 80 443\r\r\n",
        b"PROXY TCP4 203.0.113.9 198.51.100.7 80 443\n",
        b"PROXY UNKNOWN" + b" " * 93 + b"\r\n",
        header(*FOUR).raw.replace(b"QUIT\n\x21", b"QUIT\n\x11"),
        header(*FOUR).raw.replace(b"QUIT\n\x21", b"QUIT\n\x22"),
        header(*FOUR).raw.replace(b"QUIT\n\x21\x11", b"QUIT\n\x21\x13"),
        header(*FOUR).raw.replace(b"\x00\x0c", b"\x00\x0b"),
        b"",
    ],
)
def test_both_refuse(haproxy: Haproxy, raw: bytes) -> None:
    # a header cut short swallows what follows it, in both
    data = raw + b"GET / HTTP/1.0\r\n\r\n"
    with pytest.raises(RemoteProtocolError):
        split_datagram(data)
    assert haproxy.tells(raw) is None


# (bytes, what we say: the source or None for an error, what haproxy 2.6 says)
DIFFERENT: list[tuple[bytes, str | None, str | None]] = [
    # version 1: haproxy reads numbers without checking their range
    (b"PROXY TCP4 1.2.3.256 198.51.100.7 1 2\r\n", None, "1.2.4.0 1"),
    (b"PROXY TCP4 1.2.3 198.51.100.7 1 2\r\n", None, "1.2.3.0 1"),
    (b"PROXY TCP4 203.0.113.9 198.51.100.7 65537 2\r\n", None, "203.0.113.9 1"),
    (b"PROXY TCP4 203.0.113.9 198.51.100.7 4294967376 2\r\n", None, "203.0.113.9 80"),
    (b"PROXY TCP4 203.0.113.9 198.51.100.7 080 2\r\n", None, "203.0.113.9 80"),
    # … and does not ignore what follows UNKNOWN
    (b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", "peer", None),
    # version 2: it takes TCP alone, though the specification would have it fall back to the peer's addresses
    (header(*FOUR, transport="dgram").raw, "203.0.113.9 40001", None),
    (header("/a", "/b").raw, "/a", None),
    (header().raw, "peer", None),
]


@pytest.mark.parametrize(("raw", "ours", "theirs"), DIFFERENT, ids=[repr(raw)[2:60] for raw, _, _ in DIFFERENT])
def test_known_differences(haproxy: Haproxy, raw: bytes, ours: str | None, theirs: str | None) -> None:
    """Those that docs/protocols/proxy.md names: another release may have ended one."""
    try:
        metadata = split_datagram(raw)[0].metadata
    except RemoteProtocolError:
        said = None
    else:
        said = f"{metadata.get('source.address', 'peer')} {metadata.get('source.port', '')}".strip()
    assert said == ours
    if _version() != "2.6":
        pytest.skip("the differences were recorded with haproxy 2.6")
    told = haproxy.tells(raw)
    assert (None if told is None else " ".join(told.split()[:2])) == theirs


def _version() -> str:
    shown = subprocess.run(["haproxy", "-v"], check=True, capture_output=True, text=True).stdout
    return ".".join(shown.split()[2].split(".")[:2])
