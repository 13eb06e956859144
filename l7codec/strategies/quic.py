"""Strategies for QUIC: packets of every type, in every version whose headers are known, and what Initials hold.

A message is one packet. `datagrams` gives several in one, as they are coalesced. Where Initials can be opened (extra
`quic`), they are built protected; else they hold any bytes.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from ..message import Message, Side
from ..protocols import quic
from ..protocols.quic import protection
from ..protocols.quic.frames import close_frame

VERSIONS = (1, 0x6B3343CF, 0x709A50C4, 0xFF00001D, 0xFF00001B, 0xFF000017, 0xFACEB002)
_OPENS = protection.available()

_ids = st.binary(max_size=20)
_first_ids = st.binary(min_size=8, max_size=20)
_protected = st.binary(min_size=20, max_size=60)
_versions = st.sampled_from(VERSIONS)
_u16 = st.integers(0, 0xFFFF)
_names = st.text(st.characters(codec="ascii", min_codepoint=0x21), min_size=1, max_size=12)


def messages(side: Side) -> SearchStrategy[Message]:
    """Packets that a codec which has seen nothing else knows to be of `side`, where anything tells."""
    common: list[SearchStrategy[Message]] = [
        st.builds(
            quic.long_packet,
            st.just("handshake"),
            _ids,
            _ids,
            _protected,
            version=_versions,
            low_bits=st.integers(0, 15),
            side=st.just(side),
        ),
        st.builds(quic.short_packet, _ids, _protected, spin=st.booleans(), side=st.just(side)),
    ]
    if side is Side.CLIENT:
        common.append(st.builds(quic.long_packet, st.just("0rtt"), _first_ids, _ids, _protected, version=_versions))
    return st.one_of(values(side).map(lambda pair: pair[0]), *common)


@st.composite
def values(draw: DrawFn, side: Side) -> tuple[Message, Any]:
    """Packets that say everything about themselves, and their bodies."""
    version = draw(_versions)
    dcid, scid = draw(_first_ids), draw(_ids)
    if side is Side.SERVER and draw(st.booleans()):
        supported = draw(st.lists(st.integers(1, 0xFFFF_FFFF), max_size=5))
        message = quic.version_negotiation(dcid, scid, supported, bits=draw(st.integers(0, 127)))
        named = {"version": 0, "dcid": dcid, "scid": scid}
        return message, {"packet_type": "version_negotiation", **named, "supported_versions": supported}
    token = draw(st.binary(max_size=30))
    named = {"version": version, "dcid": dcid, "scid": scid, "token": token}
    if side is Side.SERVER:
        return _retry(draw, version, dcid, scid)
    if not _OPENS or draw(st.integers(0, 4)) == 0:
        payload = draw(st.binary(max_size=60))
        message = quic.long_packet("initial", dcid, scid, payload, version=version, token=token)
        return message, {"packet_type": "initial", **named, "payload": payload}
    frames: list[dict[str, Any]]
    number = draw(st.integers(0, 300))
    if draw(st.booleans()):
        code, reason = draw(st.integers(0, 2**62 - 1)), draw(st.text(max_size=9))
        message = quic.initial(
            dcid,
            scid,
            version=version,
            token=token,
            number=number,
            size=0,
            frames=close_frame(code, reason.encode(), 6),
        )
        frames = [{"type": "connection_close", "error_code": code, "frame_type": 6, "reason": reason}]
    else:
        offset, data = draw(st.integers(1, 60_000)), draw(st.binary(min_size=3, max_size=40))
        message = quic.initial(dcid, scid, data, version=version, token=token, number=number, size=0, offset=offset)
        frames = [{"type": "crypto", "offset": offset, "data": data}]
    return message, {"packet_type": "initial", **named, "packet_number": number, "frames": frames}


def _retry(draw: DrawFn, version: int, dcid: bytes, scid: bytes) -> tuple[Message, Any]:
    token = draw(st.binary(min_size=1, max_size=30))
    odcid = draw(_first_ids.filter(lambda id: id != scid))
    named = {"version": version, "dcid": dcid, "scid": scid, "token": token}
    if version == 0xFF000017 or not _OPENS:  # the drafts whose Retry has no tag
        message = quic.retry(dcid, scid, token, odcid=odcid, version=0xFF000017)
        named["version"] = 0xFF000017
        return message, {"packet_type": "retry", **named, "original_dcid": odcid}
    message = quic.retry(dcid, scid, token, odcid=odcid, version=version)
    return message, {"packet_type": "retry", **named, "integrity_tag": message.raw[-16:]}


@st.composite
def hellos(draw: DrawFn) -> bytes:
    """ClientHellos as handshake messages."""
    numbers = st.lists(_u16, max_size=6)
    parameters = st.dictionaries(st.integers(0, 2**14), st.integers(0, 2**62 - 1), max_size=5)
    return quic.client_hello(
        draw(st.none() | _names),
        draw(st.lists(_names, max_size=3)),
        versions=draw(numbers),
        ciphers=draw(numbers),
        groups=draw(numbers),
        signature_algorithms=draw(numbers),
        transport_parameters=list(draw(parameters).items()),
        random=draw(st.binary(min_size=32, max_size=32)),
    )


@st.composite
def handshakes(draw: DrawFn) -> list[bytes]:
    """A client's first flight: the datagrams that bear one ClientHello, in pieces, in any order. Needs `quic`."""
    hello = draw(hellos())
    dcid, scid = draw(_first_ids), draw(_ids)
    cuts = sorted(draw(st.lists(st.integers(1, len(hello) - 1), max_size=4, unique=True)))
    pieces = [(start, hello[start:end]) for start, end in zip([0, *cuts], [*cuts, len(hello)], strict=True)]
    return [
        quic.initial(dcid, scid, data, offset=start, number=number, size=0).raw
        for number, (start, data) in enumerate(draw(st.permutations(pieces)))
    ]


@st.composite
def datagrams(draw: DrawFn, side: Side) -> bytes:
    """Packets of one connection in one datagram: long ones to the same id, then a short one, then padding."""
    dcid, scid = draw(_first_ids), draw(_ids)
    kinds = draw(st.lists(st.sampled_from(("initial", "handshake")), min_size=1, max_size=3))
    raw = b"".join(quic.long_packet(kind, dcid, scid, draw(_protected), side=side).raw for kind in kinds)
    if draw(st.booleans()):
        return raw + quic.short_packet(dcid, draw(_protected), side=side).raw
    return raw + bytes(draw(st.integers(0, 9)))
