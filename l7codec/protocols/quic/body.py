"""A packet's fields as plain data, computed from its bytes and what its metadata says of its connection."""

from __future__ import annotations

from typing import Any

from ...errors import BodyError, RemoteProtocolError
from ...message import Message
from . import protection
from .frames import frames
from .header import NEGOTIATED, Header, long_header, versions
from .tls import CLIENT_HELLO, SERVER_HELLO, ClientHello, ServerHello
from .versions import DRAFT_29, GREASE, V1, version_of

__all__ = ["read"]


def read(message: Message) -> dict[str, Any]:
    """The body of a packet. Raises BodyError."""
    raw, metadata = message.raw, message.metadata
    kind = metadata.get("quic.packet_type")
    if message.missing or not raw[:1] or kind in ("trailing", "gquic", "stateless_reset"):
        return {"packet_type": kind, "payload": raw}
    if not raw[0] & 0x80:
        dcid = metadata.get("quic.dcid")
        length = len(dcid) // 2 if isinstance(dcid, str) else None
        fields: dict[str, Any] = {"packet_type": kind, "spin": bool(raw[0] & 0x20)}
        if length is not None:
            fields["dcid"] = raw[1 : 1 + length]
        return {**fields, "payload": raw[1 + (length or 0) :]}
    try:
        header = long_header(raw)
    except RemoteProtocolError as wrong:
        raise BodyError("quic", wrong.offset, wrong.reason) from None
    fields = {"packet_type": header.type, "version": header.version, "dcid": header.dcid, "scid": header.scid}
    if header.type == NEGOTIATED:
        return {**fields, "supported_versions": versions(raw, header)}
    if header.type == "retry":
        fields["token"] = raw[slice(*header.token)]
        if version_of(header.version).inline_odcid:
            return {**fields, "original_dcid": raw[header.number + 1 : header.token[0]]}
        return {**fields, "integrity_tag": raw[header.number : header.end]}
    if header.type == "initial":
        fields["token"] = raw[slice(*header.token)]
        opened = _opened(message, header)
        if opened is not None:
            return {**fields, **_content(*opened)}
    return {**fields, "payload": raw[header.number : header.end]}


def _opened(message: Message, header: Header) -> tuple[int, bytes] | None:
    """Number and payload of an Initial that was opened once: the metadata says by which id."""
    key_id, number = message.metadata.get("quic.odcid"), message.metadata.get("quic.packet_number")
    if not isinstance(key_id, str) or not isinstance(number, int):
        return None
    version = version_of(header.version)
    for candidate in (version_of(V1), version_of(DRAFT_29)) if version is GREASE else (version,):
        keys = protection.initial_keys(candidate, bytes.fromhex(key_id), message.side)
        opened = protection.unseal(message.raw, 0, header.number, header.end, keys, number - 1)
        if opened is not None:
            return opened
    return None


def _content(number: int, payload: bytes) -> dict[str, Any]:
    found = frames(payload)
    content: dict[str, Any] = {"packet_number": number, "frames": found}
    for frame in found:
        data = frame.get("data", b"")
        if frame["type"] == "crypto" and not frame["offset"] and len(data) >= 4:
            whole = data[: 4 + int.from_bytes(data[1:4], "big")]
            if len(whole) == 4 + int.from_bytes(data[1:4], "big"):
                content.update(_hello(whole))
    return content


def _hello(data: bytes) -> dict[str, Any]:
    """A hello that one frame holds whole. Raises BodyError."""
    if data[0] == CLIENT_HELLO:
        return {"client_hello": ClientHello(data).to_plain()}
    if data[0] == SERVER_HELLO:
        return {"server_hello": ServerHello(data).to_plain()}
    return {}
