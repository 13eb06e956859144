r"""Thrift: every transport and protocol, both directions.

    >>> import l7codec
    >>> from l7codec.protocols import thrift
    >>> [call] = l7codec.decode("thrift", b"\x80\1\0\1\0\0\0\3get\0\0\0\7\x0a\0\1\0\0\0\0\0\0\0\x2a\0")
    >>> call.metadata["method"], call.id, call.body
    ('get', 7, {1: ('i64', 42)})
    >>> thrift.translate(call, transport="framed", protocol="compact").raw.hex()
    '0000000a82210703676574165400'

The shape of a body is described in `values`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...buffer import ReceiveBuffer
from ...errors import LocalProtocolError, RemoteProtocolError
from ...message import Message, Side, octets
from . import build
from .codec import ThriftCodec
from .edit import translated
from .envelope import CALL, ONEWAY
from .values import Fields, Struct, StructLike

__all__ = ["Fields", "Struct", "ThriftCodec", "call", "exception", "oneway", "reply", "translate"]


def call(
    method: str,
    args: StructLike | None = None,
    *,
    service: str | None = None,
    id: int = 0,
    transport: str = "framed",
    protocol: str = "binary",
    headers: Mapping[str, Any] | None = None,
) -> Message:
    """A request: `args` by their ids, `{1: ("i64", 42)}`. Raises LocalProtocolError."""
    data = build.call_bytes(CALL, method, service, args or {}, id, transport, protocol, headers)
    return _message(Side.CLIENT, data, transport, protocol)


def oneway(
    method: str,
    args: StructLike | None = None,
    *,
    service: str | None = None,
    id: int = 0,
    transport: str = "framed",
    protocol: str = "binary",
    headers: Mapping[str, Any] | None = None,
) -> Message:
    """A request that has no reply. Raises LocalProtocolError."""
    data = build.call_bytes(ONEWAY, method, service, args or {}, id, transport, protocol, headers)
    return _message(Side.CLIENT, data, transport, protocol)


def reply(
    to: Message | str,
    result: Any = None,
    *,
    id: int = 0,
    transport: str = "framed",
    protocol: str = "binary",
    headers: Mapping[str, Any] | None = None,
) -> Message:
    """A reply to a request, in its transport and protocol and with its id; or, `to` a method, as the keywords say.

    `result` is a value with its type, `("i64", 42)`; a struct, `{1: ("struct", {…})}` for a declared exception; or
    None of a void function. Raises LocalProtocolError.
    """
    name, id, transport, protocol, header_id = _address(to, id, transport, protocol)
    data = build.reply_bytes(name, result, id, transport, protocol, headers, header_id)
    return _message(Side.SERVER, data, transport, protocol)


def exception(
    to: Message | str,
    type: int | str = "INTERNAL_ERROR",
    message: str = "",
    *,
    id: int = 0,
    transport: str = "framed",
    protocol: str = "binary",
    headers: Mapping[str, Any] | None = None,
) -> Message:
    """A TApplicationException that answers a request, as `reply` does. Raises LocalProtocolError."""
    name, id, transport, protocol, header_id = _address(to, id, transport, protocol)
    data = build.exception_bytes(name, type, message, id, transport, protocol, headers, header_id)
    return _message(Side.SERVER, data, transport, protocol)


def translate(message: Message, *, transport: str | None = None, protocol: str | None = None) -> Message:
    """The same message in another transport, or another protocol. Raises LocalProtocolError, BodyError.

    Headers go along where the other transport has some; else they are lost.
    """
    transport = transport or str(message.metadata.get("thrift.transport"))
    protocol = protocol or str(message.metadata.get("thrift.protocol"))
    return _message(message.side, translated(message, transport, protocol), transport, protocol)


def _address(to: Message | str, id: int, transport: str, protocol: str) -> tuple[bytes, int, str, str, int | None]:
    return build.address(to) if isinstance(to, Message) else (octets(to), id, transport, protocol, None)


def _message(side: Side, data: bytes, transport: str, protocol: str) -> Message:
    try:
        message = ThriftCodec(transport=transport, protocol=protocol).decode(side, ReceiveBuffer("thrift", data))
    except RemoteProtocolError as error:
        raise LocalProtocolError("thrift", error.offset, f"no peer would take it: {error.reason}") from None
    if message is None or message.error is not None:
        raise LocalProtocolError("thrift", 0, f"no peer would take it: {message and message.error}")
    return message
