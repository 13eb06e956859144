"""Messages from nothing."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

from ...errors import LocalProtocolError
from ...message import Kind, Message, Side
from .bodies import write_body
from .codec import PRODUCE, describe_request, describe_response
from .layout import TAGGED_FIELDS, data_layout
from .plain import Wrong, write_tags
from .schema import API_KEYS, API_NAMES, api

__all__ = ["find_api", "request", "response"]

VALUES = 10_000


def find_api(name: str | int, version: int | None) -> tuple[int, int]:
    """Key and version; the newest where none is given. Raises LocalProtocolError."""
    key = API_KEYS.get(name, -1) if isinstance(name, str) else name
    if key not in API_NAMES:
        raise LocalProtocolError("kafka", 0, f"there is no API {name!r}")
    versions = api(key).versions
    if version is None:
        version = versions.last
    if version not in versions:
        reason = f"{API_NAMES[key]} has versions {versions.first} to {versions.last}, not {version}"
        raise LocalProtocolError("kafka", 0, reason)
    return key, version


def request(
    name: str | int,
    body: Any = None,
    *,
    version: int | None = None,
    id: int = 0,
    client_id: str | None = None,
    header_tags: Mapping[int, bytes] | None = None,
) -> Message:
    """A request by its API's name or key; in the newest version where none is given.

    What the body does not name has its default; `header_tags` are tagged fields of the header. Raises
    LocalProtocolError.
    """
    key, version = find_api(name, version)
    content = write_body(key, version, False, {} if body is None else body)
    data = frame_request(key, version, id, client_id, content, header_tags)
    message = Message("kafka", Kind.REQUEST, Side.CLIENT, {}, data)
    message.error, _ = describe_request(message, VALUES)
    if key == PRODUCE and message.metadata.get("kafka.acks") == 0:
        message.kind = Kind.ONEWAY
    return message


def response(
    name: str | int,
    body: Any = None,
    *,
    version: int | None = None,
    id: int = 0,
    header_tags: Mapping[int, bytes] | None = None,
) -> Message:
    """A response, as `request` makes a request. Raises LocalProtocolError."""
    key, version = find_api(name, version)
    data = frame_response(key, version, id, write_body(key, version, True, {} if body is None else body), header_tags)
    message = Message("kafka", Kind.RESPONSE, Side.SERVER, {}, data, id)
    message.error = describe_response(message, key, version, VALUES)
    return message


def frame_request(
    key: int, version: int, id: int, client_id: str | None, body: bytes, tags: Mapping[int, bytes] | None = None
) -> bytes:
    """Size and header before a request's body. Raises LocalProtocolError."""
    header = api(key).request_header(version)
    behind = _header_tags("RequestHeader", header, tags)
    try:
        name = b"" if client_id is None else client_id.encode("utf-8", "surrogateescape")
        head = struct.pack(">hhi", key, version, id)
        if header:
            head += struct.pack(">h", -1 if client_id is None else len(name)) + name
        return struct.pack(">i", len(head) + len(behind) + len(body)) + head + behind + body
    except (struct.error, UnicodeEncodeError, AttributeError) as error:
        raise LocalProtocolError("kafka", 0, f"the header cannot be written: {error}") from None


def frame_response(key: int, version: int, id: int, body: bytes, tags: Mapping[int, bytes] | None = None) -> bytes:
    """Size and header before a response's body. Raises LocalProtocolError."""
    behind = _header_tags("ResponseHeader", api(key).response_header(version), tags)
    try:
        return struct.pack(">ii", 4 + len(behind) + len(body), id) + behind + body
    except struct.error as error:
        raise LocalProtocolError("kafka", 0, f"the header cannot be written: {error}") from None


def _header_tags(kind: str, version: int, tags: Mapping[int, bytes] | None) -> bytes:
    """The tagged fields of a header. Raises LocalProtocolError."""
    fields = data_layout(kind, version)
    if not fields.flexible:
        if tags:
            raise LocalProtocolError("kafka", 0, f"{kind} v{version} has no tagged fields")
        return b""
    try:
        return write_tags(fields, {TAGGED_FIELDS: tags or {}})
    except Wrong as wrong:
        raise LocalProtocolError("kafka", 0, f"{kind} v{version}: {wrong}") from None
