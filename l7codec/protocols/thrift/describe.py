"""A message's metadata, from its payload: the head, and of a reply the first field."""

from __future__ import annotations

import struct
from typing import Final

from ...errors import BodyError
from ...message import Kind, Metadata, Side
from . import compact, twitter
from .envelope import CALL, EXCEPTION, ONEWAY, REPLY, TYPE_NAMES, Envelope, read_body
from .header import TRANSFORMS, Header
from .ttheader import KEYS, STREAMING, TTHeader
from .values import Fields, Struct

__all__ = ["APPLICATION_ERRORS", "describe", "describe_headers", "kind_of", "text", "unreadable"]

APPLICATION_ERRORS: Final = (
    "UNKNOWN",
    "UNKNOWN_METHOD",
    "INVALID_MESSAGE_TYPE",
    "WRONG_METHOD_NAME",
    "BAD_SEQUENCE_ID",
    "MISSING_RESULT",
    "INTERNAL_ERROR",
    "PROTOCOL_ERROR",
    "INVALID_TRANSFORM",
    "INVALID_PROTOCOL",
    "UNSUPPORTED_CLIENT_TYPE",
    "LOADSHEDDING",
    "TIMEOUT",
    "INJECTED_FAILURE",
    "CHECKSUM_MISMATCH",
    "INTERRUPTION",
)
"""The types of a TApplicationException; those behind the eleventh are fbthrift's."""

_KINDS: Final = (Kind.ONEWAY, Kind.REQUEST, Kind.RESPONSE, Kind.RESPONSE, Kind.ONEWAY)
_FIELD: Final = struct.Struct(">Bh").unpack_from


def text(data: bytes) -> str:
    """Bytes from the wire as text; nothing is lost, nothing raises."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("utf-8", "surrogateescape")


def kind_of(type: int) -> Kind:
    """What a message of this type is to a conversation."""
    return _KINDS[type]


def unreadable(side: Side) -> Kind:
    """What a message is whose head cannot be read: nothing is known to answer it, or to be answered by it."""
    return Kind.ONEWAY if side is Side.CLIENT else Kind.RESPONSE


def describe(metadata: Metadata, data: bytes, head: Envelope, depth: int) -> BodyError | None:
    """Put into `metadata` what a message in `data` says; what is wrong with that."""
    name = head.name
    metadata["thrift.protocol"] = head.protocol
    metadata["thrift.type"] = TYPE_NAMES[head.type]
    if head.type in (CALL, ONEWAY):
        service, colon, method = name.partition(b":")
        if not colon:
            service, method = b"", name
        if service:
            metadata["service"] = text(service)
        if method:
            metadata["method"] = text(method)
        return None
    if name:
        metadata["method"] = text(name)
    return _describe_reply(metadata, data, head, depth)


def _describe_reply(metadata: Metadata, data: bytes, head: Envelope, depth: int) -> BodyError | None:
    """A reply's status. Its result is one field: 0 the value, any other a declared exception, none nothing at all."""
    if head.type == REPLY:
        try:
            id = _first_field(data, head, depth)
        except (IndexError, struct.error):
            return BodyError("thrift", len(data), "the payload ends inside the result")
        except BodyError as error:
            return error
        if id is None or id == 0:
            metadata["status"] = "ok"
            return None
    try:
        body, _ = read_body(data, head.start, head.protocol, depth)
    except BodyError as error:
        metadata["status"] = "error"
        return error
    if isinstance(body, Fields):
        body = Struct(body)
    if head.type == EXCEPTION:
        _describe_exception(metadata, body)
    elif 0 in body:  # a value after all, which is what a client takes
        metadata["status"] = "ok"
    else:
        metadata["status"] = "error"
        metadata["thrift.exception_field"] = next(iter(body))
    return None


def _first_field(data: bytes, head: Envelope, depth: int) -> int | None:
    """The id of the result's first field; None where it has none."""
    if head.protocol in ("binary", "old_binary"):
        if data[head.start] == 0:
            return None
        id: int = _FIELD(data, head.start)[1]
        return id
    if head.protocol == "json":
        body, _ = read_body(data, head.start, "json", depth)
        return next(iter(Struct(body)), None)
    first = data[head.start]
    if first == 0:
        return None
    if first > 15:
        return first >> 4
    return compact.zigzag(compact.read_varint(data, head.start + 1, 16)[0])


def _describe_exception(metadata: Metadata, body: Struct) -> None:
    """A TApplicationException, `{1: message, 2: type}`."""
    metadata["status"] = "error"
    type, code = body.get(2, ("", None))
    if type == "i32":
        known = 0 <= code < len(APPLICATION_ERRORS)
        metadata["error.type"] = APPLICATION_ERRORS[code] if known else str(code)
    type, message = body.get(1, ("", None))
    if type == "string" and message:
        metadata["error.message"] = text(message)


# -- what transports say ----------------------------------------------------------------------------------------------

_MOST_PERSISTENT: Final = 1 << 20
"""Bytes of headers that one side may have us remember for a connection; its peer would refuse far fewer."""


def describe_headers(
    metadata: Metadata, header: Header | TTHeader | Struct, side: Side, persistent: dict[bytes, bytes], limit: int
) -> BodyError | None:
    """Put into `metadata` what a transport's own header says; what is wrong with that.

    `persistent` are the headers that this side has sent for all that follow, and is changed.
    """
    error = None
    if isinstance(header, Header):
        error = _describe_header(metadata, header, persistent)
        pairs = [*persistent.items(), *header.headers] if persistent else header.headers
        if persistent and header.headers:  # this message's own hide those
            own = {name for name, _ in header.headers}
            pairs = [pair for pair in persistent.items() if pair[0] not in own] + header.headers
    elif isinstance(header, TTHeader):
        _describe_ttheader(metadata, header)
        pairs = header.headers
    else:
        twitter.describe_header(metadata, header, side)
        pairs = twitter.contexts_of(header, side)
    if len(pairs) > limit:
        return BodyError("thrift", 0, f"{len(pairs)} headers are over the limit of {limit}")
    repeated: dict[str, list[str]] = {}  # tuples that grow one by one would take the square of the time
    for name, value in pairs:
        key = f"header.{text(name)}"
        if key in metadata:
            repeated.setdefault(key, [str(metadata[key])]).append(text(value))
        else:
            metadata[key] = text(value)
    for key, values in repeated.items():
        metadata[key] = tuple(values)
    return error


def _describe_header(metadata: Metadata, header: Header, persistent: dict[bytes, bytes]) -> BodyError | None:
    metadata["thrift.header_id"] = header.id
    if header.flags:
        metadata["thrift.flags"] = header.flags
    if header.transforms:
        if len(header.transforms) > 16:
            return BodyError("thrift", 14, f"{len(header.transforms)} transforms of one payload")
        names = [TRANSFORMS[id] if id < len(TRANSFORMS) else str(id) for id in header.transforms]
        metadata["thrift.transforms"] = tuple(names)
    if header.persistent:
        size = sum(len(name) + len(value) for name, value in header.persistent)
        if size + sum(len(name) + len(value) for name, value in persistent.items()) > _MOST_PERSISTENT:
            return BodyError("thrift", 14, f"persistent headers of more than {_MOST_PERSISTENT} bytes")
        persistent.update(header.persistent)
    return None


def _describe_ttheader(metadata: Metadata, header: TTHeader) -> None:
    metadata["thrift.header_id"] = header.id
    if header.flags:
        metadata["thrift.flags"] = header.flags
    if header.token is not None:
        metadata["thrift.acl_token"] = text(header.token)
    others = []
    for key, value in header.numbered:
        name = KEYS.get(key)
        if name is None:
            others.append(f"{key}={text(value)}")
        elif value:
            metadata[f"thrift.{name}"] = text(value)
    if others:
        metadata["thrift.numbered_headers"] = tuple(others)


def describe_opaque(metadata: Metadata, header: TTHeader, side: Side) -> Kind:
    """What a frame is whose payload is no message of Thrift's: Protobuf, or a piece of a stream. Its header says."""
    method = metadata.get("thrift.to_method")
    if method is not None:
        metadata["method"] = method
    if header.flags & STREAMING:
        return Kind.ONEWAY if side is Side.CLIENT else Kind.PUSH
    return Kind.REQUEST if side is Side.CLIENT else Kind.RESPONSE
