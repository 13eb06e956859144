"""Packets from their parts, each as a Message of its own; and what a server answers to a client's first packet."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Final

from ...codec import Reason
from ...errors import LocalProtocolError, RemoteProtocolError
from ...message import Message, Side
from . import protection, tls
from . import transport_parameters as parameters
from .frames import close_frame, crypto_frame
from .header import MAX_ID, TAG, long_header
from .versions import V1, V2, Layout, version_of
from .wire import pack_varint

__all__ = [
    "answer",
    "client_hello",
    "initial",
    "long_packet",
    "retry",
    "server_hello",
    "short_packet",
    "transport_parameter",
    "version_negotiation",
]

SUPPORTED: Final = (V1, V2)
"""What a Version Negotiation of ours lists."""

DATAGRAM: Final = 1200
"""Bytes of the datagram that a client's Initial must come in (RFC 9000 section 14.1)."""

_CLIENT: Final = Side.CLIENT
_PATHS: Final = {Side.CLIENT: ("client", "server"), Side.SERVER: ("server", "client")}


def _message(raw: bytes, side: Side) -> Message:
    """What a codec that sees nothing else makes of a packet, but for the side, which is known here."""
    from .codec import QuicCodec  # it answers by this module

    try:
        found = QuicCodec(connection_id=None).decode_datagram(raw, _PATHS[side])
    except RemoteProtocolError as error:
        raise LocalProtocolError("quic", error.offset, f"no peer would take it: {error.reason}") from None
    message = found[0]
    if len(found) > 1:
        raise LocalProtocolError("quic", len(message.raw), "what was built is not one packet")
    if message.metadata.pop("quic.side_guessed", None) or message.side is not side:
        message.side = side
    return message


def _ids(version: int, dcid: bytes, scid: bytes) -> bytes:
    most = 255 if version_of(version).layout == Layout.INVARIANT else MAX_ID
    for id in (dcid, scid):
        if len(id) > most:
            raise LocalProtocolError("quic", 0, f"a connection id of {len(id)} bytes, over the limit of {most}")
    return version.to_bytes(4, "big") + bytes([len(dcid)]) + dcid + bytes([len(scid)]) + scid


def _first_byte(version: int, kind: str, low: int) -> int:
    types = version_of(version).types
    if kind not in types or version_of(version).layout not in (Layout.FULL, Layout.LENIENT):
        raise LocalProtocolError("quic", 0, f"version 0x{version:08x} has no packets of type {kind!r}")
    return 0xC0 | types.index(kind) << 4 | low


def long_packet(
    kind: str,
    dcid: bytes,
    scid: bytes,
    payload: bytes,
    *,
    version: int = V1,
    token: bytes = b"",
    low_bits: int = 0,
    side: Side = _CLIENT,
) -> Message:
    """A packet of type "initial", "0rtt" or "handshake" whose packet number and payload are protected already.

    `low_bits` are the protected bits of the first byte. Raises LocalProtocolError.
    """
    if kind == "retry" or not 0 <= low_bits < 16:
        raise LocalProtocolError("quic", 0, "a Retry has no payload" if kind == "retry" else "low_bits is 0 to 15")
    if token and kind != "initial":
        raise LocalProtocolError("quic", 0, f"a packet of type {kind!r} has no token")
    head = bytes([_first_byte(version, kind, low_bits)]) + _ids(version, dcid, scid)
    if kind == "initial":
        head += pack_varint(len(token)) + token
    return _message(head + pack_varint(len(payload), 2) + payload, side)


def initial(
    dcid: bytes,
    scid: bytes = b"",
    crypto: bytes = b"",
    *,
    version: int = V1,
    token: bytes = b"",
    number: int = 0,
    number_size: int = 2,
    offset: int = 0,
    frames: bytes | None = None,
    odcid: bytes | None = None,
    size: int | None = None,
    side: Side = _CLIENT,
) -> Message:
    """A protected Initial (RFC 9001 section 5) that holds `crypto` at `offset` of the handshake, or `frames` as given.

    `odcid` is the id that the keys come from: a client's first `dcid`, so that only others need it. With `size`, the
    packet is padded to that many bytes; a client's is padded to 1,200 without it. Raises LocalProtocolError,
    MissingExtra.
    """
    if not 1 <= number_size <= 4 or number < 0:
        raise LocalProtocolError("quic", 0, "a packet number takes 1 to 4 bytes")
    if odcid is None and side is not _CLIENT:
        raise LocalProtocolError("quic", 0, "a server's Initial needs odcid, the client's first destination id")
    known = version_of(version)
    if not known.salt:
        raise LocalProtocolError("quic", 0, f"Initials of version 0x{version:08x} cannot be protected")
    payload = crypto_frame(offset, crypto) if frames is None else frames
    head = bytes([_first_byte(version, "initial", number_size - 1)]) + _ids(version, dcid, scid)
    head += pack_varint(len(token)) + token
    wanted = DATAGRAM if size is None and side is _CLIENT else size or 0
    least = max(4 - number_size, wanted - len(head) - 2 - number_size - TAG)  # header protection needs a sample
    payload = payload.ljust(least, b"\0")
    head += pack_varint(number_size + len(payload) + TAG, 2)
    head += (number & ((1 << number_size * 8) - 1)).to_bytes(number_size, "big")
    keys = protection.initial_keys(known, dcid if odcid is None else odcid, side)
    raw = protection.seal(head, number_size, number, payload, keys)
    message = _message(raw, side)
    if odcid is not None:
        message.metadata.pop("quic.opened", None)
    return message


def short_packet(
    dcid: bytes, payload: bytes, *, spin: bool = False, low_bits: int = 0, side: Side = _CLIENT
) -> Message:
    """A packet with a short header (RFC 9000 section 17.3.1), protected already. Raises LocalProtocolError."""
    from .codec import QuicCodec

    if not 0 <= low_bits < 32:
        raise LocalProtocolError("quic", 0, "low_bits is 0 to 31")
    raw = bytes([0x40 | spin << 5 | low_bits]) + dcid + payload
    try:
        (message,) = QuicCodec(connection_id=len(dcid)).decode_datagram(raw, _PATHS[side])
    except RemoteProtocolError as error:
        raise LocalProtocolError("quic", error.offset, f"no peer would take it: {error.reason}") from None
    del message.metadata["quic.side_guessed"]
    message.side = side
    return message


def version_negotiation(dcid: bytes, scid: bytes, supported: Iterable[int] = SUPPORTED, *, bits: int = 0x40) -> Message:
    """A Version Negotiation (RFC 8999 section 6): `dcid` is the client's `scid`, and the other way round.

    `bits` are the seven that mean nothing. Raises LocalProtocolError.
    """
    if not 0 <= bits < 0x80:
        raise LocalProtocolError("quic", 0, "bits is 0 to 127")
    head = bytes([0x80 | bits]) + _ids(0, dcid, scid)
    return _message(head + b"".join(version.to_bytes(4, "big") for version in supported), Side.SERVER)


def retry(dcid: bytes, scid: bytes, token: bytes, *, odcid: bytes, version: int = V1, low_bits: int = 0) -> Message:
    """A Retry with its integrity tag (RFC 9000 section 17.2.5): `odcid` is the id that the client's Initial went to.

    Raises LocalProtocolError, MissingExtra.
    """
    known = version_of(version)
    if not token or scid == odcid:  # RFC 9000: a client discards both
        raise LocalProtocolError("quic", 0, "a Retry needs a token, and an id other than the client's own choice")
    head = bytes([_first_byte(version, "retry", low_bits)]) + _ids(version, dcid, scid)
    if known.inline_odcid:
        return _message(head + bytes([len(odcid)]) + odcid + token, Side.SERVER)
    if not known.retry_key:
        raise LocalProtocolError("quic", 0, f"a Retry of version 0x{version:08x} cannot be sealed")
    packet = head + token
    return _message(packet + protection.retry_tag(known, odcid, packet), Side.SERVER)


# -- TLS ----------------------------------------------------------------------------------------------------------


def client_hello(
    server_name: str | None = None,
    alpn: Sequence[str] = (),
    *,
    versions: Sequence[int] = (0x0304,),
    ciphers: Sequence[int] = (0x1301, 0x1302, 0x1303),
    groups: Sequence[int] = (0x001D, 0x0017),
    signature_algorithms: Sequence[int] = (0x0403, 0x0804, 0x0401),
    transport_parameters: Sequence[tuple[int, bytes | int]] = (),
    extensions: Sequence[tuple[int, bytes]] = (),
    random: bytes = bytes(32),
    session_id: bytes = b"",
) -> bytes:
    """A ClientHello as a handshake message. Without a key share it is for probes and tests: a server would ask again.

    `extensions` come last, as numbers and bytes. Raises LocalProtocolError.
    """
    listed: list[tuple[int, bytes]] = []
    if server_name is not None:
        name = _vector(b"\0" + _vector(server_name.encode("utf-8", "surrogateescape"), 2), 2)
        listed.append((tls.SERVER_NAME, name))
    if groups:
        listed.append((tls.GROUPS, _vector(_numbers(groups), 2)))
    if alpn:
        names = b"".join(_vector(name.encode("utf-8", "surrogateescape"), 1) for name in alpn)
        listed.append((tls.ALPN, _vector(names, 2)))
    if signature_algorithms:
        listed.append((tls.SIGNATURE_ALGORITHMS, _vector(_numbers(signature_algorithms), 2)))
    if versions:
        listed.append((tls.SUPPORTED_VERSIONS, _vector(_numbers(versions), 1)))
    listed.append((tls.PARAMETERS, parameters.pack(transport_parameters)))
    listed += extensions
    head = b"\x03\x03" + random + _vector(session_id, 1) + _vector(_numbers(ciphers), 2) + b"\x01\x00"
    return b"\x01" + _vector(head + _extensions(listed), 3)


def server_hello(
    *,
    cipher: int = 0x1301,
    version: int = 0x0304,
    group: int | None = 0x001D,
    random: bytes = bytes(32),
    key: bytes = bytes(32),
    session_id: bytes = b"",
) -> bytes:
    """A ServerHello as a handshake message. Raises LocalProtocolError."""
    listed = [(tls.SUPPORTED_VERSIONS, _numbers([version]))]
    if group is not None:
        listed.append((tls.KEY_SHARE, _numbers([group]) + _vector(key, 2)))
    head = b"\x03\x03" + random + _vector(session_id, 1) + _numbers([cipher]) + b"\x00"
    return b"\x02" + _vector(head + _extensions(listed), 3)


def transport_parameter(name: str) -> int:
    """The number of a transport parameter, by its name in RFC 9000. Raises LocalProtocolError."""
    for table in (parameters.INTEGERS, parameters.FLAGS, parameters.IDS):
        for number, known in table.items():
            if known == name:
                return number
    raise LocalProtocolError("quic", 0, f"no transport parameter is named {name!r}")


def _extensions(listed: Iterable[tuple[int, bytes]]) -> bytes:
    return _vector(b"".join(_numbers([kind]) + _vector(data, 2) for kind, data in listed), 2)


def _numbers(numbers: Sequence[int]) -> bytes:
    return b"".join([number.to_bytes(2, "big") for number in numbers])


def _vector(data: bytes, size: int) -> bytes:
    try:
        return len(data).to_bytes(size, "big") + data
    except OverflowError:
        raise LocalProtocolError("quic", 0, f"{len(data)} bytes do not fit a length of {size}") from None


# -- answers ------------------------------------------------------------------------------------------------------

_AMPLIFIED: Final = 3
"""How many times the bytes received may be sent to an address that has proved nothing (RFC 9000 section 8.1)."""

_REFUSED: Final = 0x02
_INVALID_TOKEN: Final = 0x0B
_ERROR_CODES: Final = {Reason.TIMEOUT: 0x01}


def answer(request: Message, reason: Reason | RemoteProtocolError, text: str | None) -> bytes | None:
    """What a server sends back to a client's Initial; None where it must or should keep silent.

    To a version that nobody knows, and to a reserved one: Version Negotiation. When over the limit, and given a token
    in `text`: Retry. Else an Initial with CONNECTION_CLOSE, which no client needs any state of the server's to read.
    Raises MissingExtra.
    """
    kind = request.metadata.get("quic.packet_type")
    if request.side is not _CLIENT or request.missing or kind not in ("initial", "unknown"):
        return None
    if request.metadata.get("quic.opened") is False:  # no client's: a server would drop it
        return None
    try:
        header = long_header(request.raw)
    except RemoteProtocolError:
        return None
    version = version_of(header.version)
    if version.layout != Layout.FULL:
        if version.layout == Layout.NIBBLES or request.size < DATAGRAM:
            return None  # RFC 9000 section 6.1: a short datagram gets no answer, which would be an amplifier's
        return version_negotiation(header.scid, header.dcid).raw
    if kind != "initial":
        return None
    token = b"" if text is None else text.encode("utf-8", "surrogateescape")
    if reason is Reason.OVER_LIMIT and token and not header.token[1]:
        # Nothing here may draw a random id: this one is as hard to foretell as the token is.
        scid = hashlib.sha256(b"l7codec retry" + header.dcid + token).digest()[:8]
        raw = retry(header.scid, scid, token, odcid=header.dcid, version=header.version).raw
        return raw if len(raw) <= _AMPLIFIED * request.size else None
    words = reason.reason if isinstance(reason, RemoteProtocolError) else text or reason.value
    code = _ERROR_CODES.get(reason, _REFUSED) if isinstance(reason, Reason) else 0x0A
    if reason is Reason.OVER_LIMIT and token:
        code, words = _INVALID_TOKEN, reason.value
    room = min(200, _AMPLIFIED * request.size - 100)  # an Initial's header, its tag, and the frame without words
    frame = close_frame(code, words.encode("utf-8", "surrogateescape")[: max(room, 0)])
    key_id = request.metadata.get("quic.odcid")
    odcid = bytes.fromhex(key_id) if isinstance(key_id, str) else header.dcid
    return initial(
        header.scid,
        header.dcid,
        frames=frame,
        odcid=odcid,
        version=header.version,
        side=Side.SERVER,
    ).raw
