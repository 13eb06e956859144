"""Strategies for the PROXY protocol: one header, by the client."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from ..message import Message, Side
from ..protocols.proxy_protocol import header, split_datagram, ssl_tlv

SIDES = (Side.CLIENT,)

_SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
_ports = st.integers(0, 0xFFFF)
_ascii = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=12)
_words = st.text(min_size=1, max_size=12)


def messages(side: Side) -> SearchStrategy[Message]:
    """Headers as `header` builds them, and such as only other senders write."""
    return st.one_of(values(side).map(lambda pair: pair[0]), _sealed(), _odd().map(lambda raw: split_datagram(raw)[0]))


def streams(side: Side) -> SearchStrategy[bytes]:
    """One good header: what follows would be another protocol's."""
    return messages(side).filter(lambda message: message.error is None).map(lambda message: message.raw)


def conversations() -> SearchStrategy[list[Message]]:
    """The header is all there is."""
    return messages(Side.CLIENT).map(lambda message: [message])


@st.composite
def values(draw: DrawFn, side: Side) -> tuple[Message, Any]:
    """Headers of both versions and all families, and the bodies that say the same."""
    version = draw(st.sampled_from((1, 2, 2, 2)))
    command = draw(st.sampled_from(("PROXY", "PROXY", "LOCAL"))) if version == 2 else "PROXY"
    ends: tuple[str, Any, Any] = ("unspec", None, None)
    if command == "PROXY":
        ends = draw(_ends(version))
    family, source, destination = ends
    transport = "unspec"
    if family != "unspec":
        transport = draw(st.sampled_from(("stream", "dgram"))) if version == 2 else "stream"
    given = draw(_vectors()) if version == 2 else []
    message = header(
        source,
        destination,
        version=version,
        command=command,
        transport=transport,
        tlvs=[one for one, _ in given],
    )
    body = {
        "version": version,
        "command": command,
        "family": family,
        "transport": transport,
        "source": source,
        "destination": destination,
        "ignored": b"",
        "tlvs": [expected for _, expected in given],
    }
    return message, body


def edits(message: Message) -> SearchStrategy[dict[str, Any]]:
    """Other addresses of the same family and other vectors, as the metadata then has them; or another body."""
    choices: dict[str, SearchStrategy[Any]] = {}
    body = message.body
    if isinstance(body["source"], tuple):
        addresses = _ipv4() if body["family"] == "inet" else _ipv6()
        choices |= {"source.address": addresses, "destination.address": addresses}
        choices |= {"source.port": _ports, "destination.port": _ports}
    elif isinstance(body["source"], str):
        paths = _paths().filter(bool)
        choices |= {"source.address": paths, "destination.address": paths}
    unused = body["command"] == "PROXY" and body["family"] == "unspec" and not body["ignored"]
    if body["version"] == 2 and (body["source"] is not None or unused):
        choices |= {
            "tls.sni": st.none() | _words,
            "tls.alpn": st.none() | st.lists(_ascii, min_size=1, max_size=3).map(tuple),
            "proxy.tlv.unique_id": st.none() | _words.filter(lambda text: len(text.encode()) <= 128),
            "proxy.tlv.netns": st.none() | _ascii,
            "proxy.tlv.crc32c": st.none() | st.just(True),
            "proxy.tlv.aws.vpce_id": st.none() | _ascii,
            "proxy.tlv.azure.link_id": st.none() | st.integers(0, 0xFFFFFFFF),
            "proxy.tlv.gcp.psc_connection_id": st.none() | st.integers(0, 2**64 - 1),
        }
    other = values(Side.CLIENT).map(lambda pair: {"body": pair[1]})
    return st.one_of(st.fixed_dictionaries({}, optional=choices), other) if choices else other


def extremes(side: Side, size: int) -> list[bytes]:
    """One long vector, many small ones, and SSL with many in it."""
    ends = ("192.0.2.1", 1), ("192.0.2.2", 2)
    count = size // 4
    many: list[tuple[int | str, Any]] = [(0xE5, b"x")] * count
    return [
        header(*ends, tlvs=[("noop", bytes(size))]).raw,
        header(*ends, tlvs=many).raw,
        header(*ends, tlvs=many, checksum=True).raw,
        header(*ends, tlvs=[("ssl", {"client": 1, "verify": 1, "tlvs": many})]).raw,
        header(*ends, tlvs=[("alpn", ["h2"] * count)]).raw,
    ]


def hostile(side: Side) -> list[bytes]:
    """The longest header announced, a vector that claims more than there is, a line that does not end."""
    return [
        _SIGNATURE + b"\x21\x11\xff\xff",
        _SIGNATURE + b"\x20\xff\xff\xff" + bytes(40),
        _frame(0x21, 0x11, bytes(12) + b"\x02\xff\xff"),
        _frame(0x21, 0x00, b"\x04\x00\x00" * 3000),
        b"PROXY UNKNOWN " + b"x" * 5000,
        b"PROXY TCP6 " + b"1:" * 5000,
    ]


# -- addresses --------------------------------------------------------------------------------------------------


def _ipv4() -> SearchStrategy[str]:
    return st.integers(0, 2**32 - 1).map(lambda number: str(IPv4Address(number)))


def _ipv6() -> SearchStrategy[str]:
    # the upper half is never zero: IPv4 addresses inside are written as such by some and not by others
    return st.integers(2**64, 2**128 - 1).map(lambda number: str(IPv6Address(number)))


def _paths() -> SearchStrategy[str]:
    path = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=25)
    return path | path.filter(bool).map(lambda name: "\0" + name)


def _ends(version: int) -> SearchStrategy[tuple[str, Any, Any]]:
    four, six = st.tuples(_ipv4(), _ports), st.tuples(_ipv6(), _ports)
    choices: list[SearchStrategy[tuple[str, Any, Any]]] = [
        st.tuples(st.just("inet"), four, four),
        st.tuples(st.just("inet6"), six, six),
        st.just(("unspec", None, None)),
    ]
    if version == 2:
        choices.append(st.tuples(st.just("unix"), _paths(), _paths()))
    return st.one_of(choices)


# -- vectors ----------------------------------------------------------------------------------------------------


def _alike(*names: Any, value: SearchStrategy[Any]) -> SearchStrategy[tuple[Any, Any]]:
    """Vectors that a body shows as they were given."""
    return st.tuples(st.sampled_from(names), value).map(lambda one: (one, one))


def _vectors() -> SearchStrategy[list[tuple[Any, Any]]]:
    """What `header` is given, and what the body says; each registered type once, any other as often as you like."""
    alpn = st.lists(_ascii, min_size=2, max_size=3).map(
        lambda names: (("alpn", names), ("alpn", _name_list([name.encode() for name in names])))
    )
    ssl = st.builds(
        lambda version, cn, sess, verify: (
            ssl_tlv(version=version, cn=cn, cert_conn=True, cert_sess=sess, verify=verify),
            ("ssl", {"client": 7 if sess else 3, "verify": verify, "tlvs": [("version", version), ("cn", cn)]}),
        ),
        _ascii,
        _words,
        st.booleans(),
        st.integers(0, 0xFFFFFFFF),
    )
    one = st.one_of(
        alpn,
        ssl,
        _alike("authority", value=_words),
        _alike("netns", value=_ascii),
        _alike("unique_id", value=st.binary(max_size=128)),
        _alike("noop", 0x07, 0x1F, 0xE5, 0xF0, 0xFF, value=st.binary(max_size=20)),
    )
    return st.lists(one, max_size=5, unique_by=lambda pair: pair[1][0] if isinstance(pair[1][0], str) else object())


def _name_list(names: list[bytes]) -> bytes:
    packed = b"".join(len(name).to_bytes(1, "big") + name for name in names)
    return len(packed).to_bytes(2, "big") + packed


@st.composite
def _sealed(draw: DrawFn) -> Message:
    """Headers with a checksum, and padded."""
    _, source, destination = draw(_ends(2))
    tlvs = [one for one, _ in draw(_vectors())]
    tlvs.insert(draw(st.integers(0, len(tlvs))), ("crc32c", None))
    return header(source, destination, tlvs=tlvs, align=draw(st.sampled_from((1, 2, 4, 16, 64))))


# -- what other senders write -----------------------------------------------------------------------------------


@st.composite
def _odd(draw: DrawFn) -> bytes:
    def address() -> bytes:
        text = str(IPv6Address(draw(st.integers(0, 2**128 - 1))))
        return draw(st.sampled_from((text.upper(), IPv6Address(text).exploded, f"::ffff:{draw(_ipv4())}"))).encode()

    match draw(st.integers(0, 5)):
        case 0:
            return b"PROXY TCP6 %b %b %d %d\r\n" % (address(), address(), draw(_ports), draw(_ports))
        case 1:
            text = draw(st.binary(max_size=91)).translate(None, b"\r\n")
            return b"PROXY UNKNOWN %b\r\n" % text
        case 2:  # LOCAL: any family, and anything for addresses and vectors
            return _frame(0x20, draw(st.integers(0, 0xFF)), draw(st.binary(max_size=60)))
        case 3:  # an unspecified family or transport, and no vectors to be found behind it
            protocol = draw(st.sampled_from((0x00, 0x01, 0x02, 0x10, 0x20, 0x30)))
            return _frame(0x21, protocol, b"\xff" * draw(st.integers(0, 40)))
        case 4:  # paths with something behind their NUL
            paths = draw(st.binary(min_size=216, max_size=216))
            return _frame(0x21, draw(st.sampled_from((0x31, 0x32))), paths)
        case _:  # repeated and damaged vectors
            kinds = draw(st.lists(st.sampled_from((1, 2, 5, 0x20, 0x30, 0xE0, 0xEA, 0xEE)), max_size=5))
            vectors = [
                bytes([kind, 0, len(value)]) + value for kind in kinds for value in [draw(st.binary(max_size=20))]
            ]
            return _frame(0x21, 0x11, draw(st.binary(min_size=12, max_size=12)) + b"".join(vectors))


def _frame(version_command: int, protocol: int, rest: bytes) -> bytes:
    return _SIGNATURE + bytes([version_command, protocol]) + len(rest).to_bytes(2, "big") + rest
