"""Messages written: from parts, and anew with edits. What an edit does not name keeps its bytes."""

from __future__ import annotations

import copy
import struct
from typing import Any, Final

from ...errors import BodyError, LocalProtocolError
from ...message import Edits, Message, Side, octets
from . import binary, twitter
from .envelope import CALL, ONEWAY, PROTOCOLS, Envelope, read_body, write_body, write_envelope
from .frame import DEPTH, TRANSPORTS, Opened, open_message
from .header import PROTOCOL_IDS as HEADER_IDS
from .header import Header, deflate, write_header
from .ttheader import PROTOCOL_IDS as TTHEADER_IDS
from .ttheader import TTHeader, write_ttheader
from .values import Struct

__all__ = ["check_pair", "header_for", "rewrite", "translated", "write_message"]

_LENGTH: Final = struct.Struct(">I").pack


def check_pair(transport: str, protocol: str) -> None:
    """Refuse a transport and a protocol that do not go together. Raises LocalProtocolError."""
    if transport not in TRANSPORTS:
        raise LocalProtocolError("thrift", 0, f"no transport is named {transport!r}; known are {', '.join(TRANSPORTS)}")
    if protocol not in PROTOCOLS:
        raise LocalProtocolError("thrift", 0, f"no protocol is named {protocol!r}; known are {', '.join(PROTOCOLS)}")
    carried = {"header": HEADER_IDS, "ttheader": TTHEADER_IDS, "twitter": {"binary": 0}}.get(transport)
    if carried is not None and protocol not in carried:
        raise LocalProtocolError("thrift", 0, f"the transport {transport} does not carry the protocol {protocol}")


def write_message(
    transport: str, header: Header | TTHeader | Struct | None, payload: bytes, framed: bool = False
) -> bytes:
    """A whole message from what its transport puts around it, and the message itself. Raises LocalProtocolError."""
    if transport == "unframed":
        return payload
    if isinstance(header, Header):
        return write_header(header, deflate(header, payload))
    if isinstance(header, TTHeader):
        return write_ttheader(header, _LENGTH(len(payload)) + payload if framed else payload)
    if header is not None:
        payload = binary.write_struct(header) + payload
    return _LENGTH(len(payload)) + payload


def rewrite(message: Message, edits: Edits) -> bytes:
    """The message's bytes with `edits`. Raises LocalProtocolError."""
    opened = open_message(message)
    if "id" in edits:
        _check_id(edits["id"])
    if opened.wrong is not None:
        raise LocalProtocolError("thrift", opened.wrong.offset, f"a message that is wrong: {opened.wrong.reason}")
    headers = {name[7:]: value for name, value in edits.items() if name.startswith("header.")}
    if headers:
        _edit_headers(message, opened, headers)
    payload = _edit_payload(opened, edits)
    if "id" in edits and isinstance(opened.header, Header | TTHeader) and (opened.header.id or opened.head is None):
        opened.header.id = edits["id"]
    header = opened.header
    if isinstance(header, Header) and payload is None:
        return write_header(header, message.raw[header.start :])
    if isinstance(header, TTHeader) and payload is None:
        return write_ttheader(header, message.raw[header.start :])
    if payload is None:
        payload = opened.data[opened.start :]
    if isinstance(header, Struct) and not headers:  # its very bytes
        inner = message.raw[4 : opened.start] + payload
        return _LENGTH(len(inner)) + inner
    return write_message(opened.transport, header, payload, opened.framed)


def _check_id(id: Any) -> None:
    if not isinstance(id, int) or isinstance(id, bool) or not -(2**31) <= id < 2**31:
        raise LocalProtocolError("thrift", 0, f"a sequence id is a number of 32 bits, not {id!r:.40}")


def _edit_payload(opened: Opened, edits: Edits) -> bytes | None:
    """The message with another name, id or body; None where `edits` name none of them."""
    head = opened.head
    if not edits.keys() & {"method", "service", "id", "body"}:
        return None
    if head is None:
        if edits.keys() & {"method", "service", "body"}:
            raise LocalProtocolError("thrift", 0, "the payload is no message of Thrift's; its headers can be edited")
        return None
    rest = opened.data[head.start :]
    if "body" in edits:
        rest = write_body(edits["body"], head.protocol)
    name = _edit_name(head, edits)
    id = edits.get("id", head.id)
    start = opened.data[opened.start : head.start]
    if name != head.name or id != head.id:
        start = write_envelope(head.protocol, head.type, name, id)
    return start + rest


def _edit_name(head: Envelope, edits: Edits) -> bytes:
    if not edits.keys() & {"method", "service"}:
        return head.name
    service, colon, method = head.name.partition(b":")
    if not colon or head.type not in (CALL, ONEWAY):
        service, method = b"", head.name
    if "method" in edits:
        method = _text(edits["method"], "method")
    if "service" in edits:
        if head.type not in (CALL, ONEWAY):
            raise LocalProtocolError("thrift", 0, "replies do not name a service")
        service = _text(edits["service"], "service")
    if b":" in service:
        raise LocalProtocolError("thrift", 0, "a service's name ends at its first colon")
    if not service and b":" in method and head.type in (CALL, ONEWAY):
        raise LocalProtocolError("thrift", 0, "a method's name with a colon needs a service before it")
    return service + b":" + method if service else method


def _text(value: Any, what: str) -> bytes:
    if value is None:
        return b""
    if not isinstance(value, str):
        raise LocalProtocolError("thrift", 0, f"a {what} is text, not {value!r:.40}")
    return octets(value)


def _edit_headers(message: Message, opened: Opened, headers: dict[str, Any]) -> None:
    """Set and remove headers where the message's transport has its own."""
    header = opened.header
    if header is None:
        raise LocalProtocolError("thrift", 0, f"the transport {opened.transport} has no headers")
    if isinstance(header, Struct):
        contexts = twitter.contexts_of(header, message.side)
        opened.header = twitter.with_contexts(header, message.side, _with_edits(contexts, headers))
        return
    changed = copy.copy(header)
    if isinstance(changed, Header):
        for name, value in headers.items():
            key = octets(name)
            inherited = f"header.{name}" in message.metadata and all(
                key != known for known, _ in changed.headers + changed.persistent
            )
            if value is None and inherited:
                raise LocalProtocolError("thrift", 0, f"{name!r} was sent before, for all messages that follow")
        changed.persistent = [
            pair for pair in changed.persistent if pair[0].decode("utf-8", "surrogateescape") not in headers
        ]
    changed.headers = _with_edits(changed.headers, headers)
    opened.header = changed


def _with_edits(pairs: list[tuple[bytes, bytes]], edits: dict[str, Any]) -> list[tuple[bytes, bytes]]:
    """Each header that is set stands where it stood, else at the end."""
    left = {octets(name): value for name, value in edits.items()}
    result = []
    for name, value in pairs:
        if name not in left and name.decode("utf-8", "surrogateescape") not in edits:
            result.append((name, value))
        elif left.get(name) is not None:
            result += [(name, item) for item in _values(left.pop(name))]
    for name, value in left.items():
        if value is not None:
            result += [(name, item) for item in _values(value)]
    return result


def _values(value: Any) -> list[bytes]:
    found = [value] if isinstance(value, str) else value
    if not isinstance(found, list | tuple) or not all(isinstance(item, str) for item in found):
        raise LocalProtocolError("thrift", 0, f"a header is text, or several: {value!r:.40}")
    return [octets(item) for item in found]


def translated(message: Message, transport: str, protocol: str) -> bytes:
    """The same message in another transport and protocol. Raises LocalProtocolError, BodyError."""
    check_pair(transport, protocol)
    opened = open_message(message)
    if opened.wrong is not None:
        raise opened.wrong
    head = opened.head
    if head is None:
        raise LocalProtocolError("thrift", 0, "the payload is no message of Thrift's")
    payload = opened.data[opened.start :]
    if protocol != head.protocol:
        body, end = read_body(opened.data, head.start, head.protocol, DEPTH)
        if end != len(opened.data):
            raise BodyError("thrift", end, f"{len(opened.data) - end} bytes behind the message")
        payload = write_envelope(protocol, head.type, head.name, head.id) + write_body(body, protocol)
    pairs = _headers_of(message, opened)
    before = opened.header
    id = before.id if isinstance(before, Header | TTHeader) else head.id
    header = header_for(transport, protocol, message.side, id, pairs, before)
    return write_message(transport, header, payload)


def _headers_of(message: Message, opened: Opened) -> list[tuple[bytes, bytes]]:
    header = opened.header
    if isinstance(header, Struct):
        return twitter.contexts_of(header, message.side)
    pairs = []
    for key, value in message.metadata.items():  # those that were sent before among them
        if key.startswith("header."):
            pairs += [(octets(key[7:]), octets(item)) for item in ([value] if isinstance(value, str) else value)]  # type: ignore[union-attr]
    return pairs


def header_for(
    transport: str,
    protocol: str,
    side: Side,
    id: int,
    pairs: list[tuple[bytes, bytes]],
    before: Header | TTHeader | Struct | None = None,
) -> Header | TTHeader | Struct | None:
    """What a transport puts before a message; what only it can say is taken over from `before`."""
    if transport == "header":
        header = Header(HEADER_IDS[protocol], id)
        header.headers = pairs
        return header
    if transport == "ttheader":
        tt = TTHeader(TTHEADER_IDS[protocol], id)
        if isinstance(before, TTHeader):
            tt.flags, tt.numbered, tt.token = before.flags, before.numbered, before.token
        tt.headers = pairs
        return tt
    if transport == "twitter":
        empty = twitter.header() if side is Side.CLIENT else Struct()
        return twitter.with_contexts(before if isinstance(before, Struct) else empty, side, pairs)
    return None
