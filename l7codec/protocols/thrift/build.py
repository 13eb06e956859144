"""Messages from values, refusals among them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...codec import Reason
from ...errors import LocalProtocolError, RemoteProtocolError
from ...message import Message, Side, octets
from .describe import APPLICATION_ERRORS
from .edit import check_pair, header_for, write_message
from .envelope import CALL, EXCEPTION, ONEWAY, REPLY, write_body, write_envelope
from .values import StructLike

__all__ = ["call_bytes", "exception_bytes", "refusal", "reply_bytes"]

Headers = Mapping[str, Any]

_BY_REASON = {Reason.NO_ROUTE: 1}  # UNKNOWN_METHOD, as Envoy answers; for all others INTERNAL_ERROR


def written(
    type: int,
    name: bytes,
    id: int,
    body: StructLike,
    transport: str,
    protocol: str,
    headers: Headers | None,
    header_id: int | None = None,
) -> bytes:
    """A message's bytes. Raises LocalProtocolError."""
    check_pair(transport, protocol)
    if headers and transport in ("unframed", "framed"):
        raise LocalProtocolError("thrift", 0, f"the transport {transport} has no headers")
    side = Side.CLIENT if type in (CALL, ONEWAY) else Side.SERVER
    pairs = [
        (octets(key), octets(item))
        for key, value in (headers or {}).items()
        for item in ([value] if isinstance(value, str) else value)
    ]
    payload = write_envelope(protocol, type, name, id) + write_body(body, protocol)
    header = header_for(transport, protocol, side, id if header_id is None else header_id, pairs)
    return write_message(transport, header, payload)


def call_bytes(
    type: int, method: str, service: str | None, args: StructLike, id: int, transport: str, protocol: str, headers: Any
) -> bytes:
    """A call or a oneway. Raises LocalProtocolError."""
    name = octets(method)
    if service is not None:
        if ":" in service or not service:
            raise LocalProtocolError("thrift", 0, f"a service's name is not empty and has no colon: {service!r:.40}")
        name = octets(service) + b":" + name
    return written(type, name, id, args, transport, protocol, headers)


def reply_bytes(
    name: bytes, result: Any, id: int, transport: str, protocol: str, headers: Any, header_id: int | None
) -> bytes:
    """A reply: `result` is a value with its type, a struct, or None. Raises LocalProtocolError."""
    body = {} if result is None else {0: result} if isinstance(result, tuple) else result
    return written(REPLY, name, id, body, transport, protocol, headers, header_id)


def exception_bytes(
    name: bytes,
    type: int | str,
    message: str,
    id: int,
    transport: str,
    protocol: str,
    headers: Any,
    header_id: int | None,
) -> bytes:
    """A TApplicationException. Raises LocalProtocolError."""
    if isinstance(type, str):
        if type not in APPLICATION_ERRORS:
            raise LocalProtocolError("thrift", 0, f"no TApplicationException is of the type {type!r}")
        type = APPLICATION_ERRORS.index(type)
    body = {1: ("string", octets(message)), 2: ("i32", type)}
    return written(EXCEPTION, name, id, body, transport, protocol, headers, header_id)


def address(request: Message) -> tuple[bytes, int, str, str, int | None]:
    """What answers a request: method, id, transport, protocol, the id in the transport's header."""
    said = request.metadata
    transport = str(said.get("thrift.transport", "framed"))
    protocol = str(said.get("thrift.protocol", "binary"))
    header_id = said.get("thrift.header_id")
    name = octets(str(said.get("method", "")))
    return name, request.id or 0, transport, protocol, header_id if isinstance(header_id, int) else None


def refusal(request: Message, reason: Reason | RemoteProtocolError, text: str | None) -> bytes:
    """A TApplicationException that answers `request`."""
    if isinstance(reason, RemoteProtocolError):
        type, words = 7, text or reason.reason  # PROTOCOL_ERROR
    else:
        type, words = _BY_REASON.get(reason, 6), text or reason.value
    name, id, transport, protocol, header_id = address(request)
    return exception_bytes(name, type, words, id, transport, protocol, None, header_id)
