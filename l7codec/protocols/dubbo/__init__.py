r"""Dubbo, the protocol of Apache Dubbo's port 20880: requests, responses, events, and what people type there.

    >>> import l7codec
    >>> from l7codec.protocols import dubbo
    >>> request = dubbo.invocation("com.example.Orders", "find", [17], ["int"], version="1.0", id=1)
    >>> request.metadata["service"], request.metadata["method"], request.metadata["dubbo.parameter_types"]
    ('com.example.Orders', 'find', ('int',))
    >>> request.body["arguments"]
    [17]

A request's body is a dict of dubbo_version, path, version, method, descriptor, arguments and attachments. A response's
has its flag, and value, exception or neither, and attachments; one whose status is not 20 has the error's text under
error. An event has what it is under event. Bodies in serializations that are not read are bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...buffer import ReceiveBuffer
from ...errors import LocalProtocolError, RemoteProtocolError
from ...hessian2 import Date, JavaList, JavaLong, JavaMap, JavaObject
from ...message import Message, Side
from . import request as _request
from . import response as _response
from .codec import DubboCodec, flags_of
from .descriptor import describe, parse
from .forms import write_values
from .frame import EVENT, OK, REQUEST, SERIALIZATIONS, STATUSES, TWO_WAY, pack

__all__ = [
    "SERIALIZATIONS",
    "STATUSES",
    "Date",
    "DubboCodec",
    "JavaList",
    "JavaLong",
    "JavaMap",
    "JavaObject",
    "describe",
    "error",
    "exception",
    "generic",
    "heartbeat",
    "invocation",
    "parse",
    "readonly",
    "result",
]

PROTOCOL_VERSION = "2.0.2"
"""What Dubbo 2.7 and 3 call their protocol."""


def invocation(
    service: str,
    method: str,
    arguments: Sequence[Any] = (),
    types: Sequence[str] | str | None = None,
    *,
    version: str | None = None,
    group: str | None = None,
    attachments: Mapping[str, Any] | None = None,
    id: int = 0,
    oneway: bool = False,
    serialization: str = "hessian2",
    protocol_version: str | None = PROTOCOL_VERSION,
    side: Side = Side.CLIENT,
) -> Message:
    """A request. `types` are Java's names of the parameters, or a descriptor; else they are those of the values.

    What the provider looks at stands in both places, as Dubbo 3 writes it. Raises LocalProtocolError.
    """
    if isinstance(types, str):
        descriptor = types
    else:
        names = [_type_of(value) for value in arguments] if types is None else types
        try:
            descriptor = describe(names)
        except ValueError as wrong:
            raise LocalProtocolError("dubbo", 0, str(wrong)) from None
    sent: dict[str, Any] = {"path": service, "interface": service, "version": version or "0.0.0"}
    if group is not None:
        sent["group"] = group
    body = {
        "dubbo_version": protocol_version,
        "path": service,
        "version": version or "0.0.0",
        "method": method,
        "descriptor": descriptor,
        "arguments": list(arguments),
        "attachments": {**sent, **(attachments or {})},
    }
    flags = REQUEST | (0 if oneway else TWO_WAY) | flags_of(serialization)
    return _message(side, pack(flags, 0, _id(id), _request.write(serialization, body)))


def generic(
    service: str,
    method: str,
    arguments: Sequence[Any] = (),
    types: Sequence[str] = (),
    *,
    attachments: Mapping[str, Any] | None = None,
    outer: str = "$invoke",
    **options: Any,
) -> Message:
    """A generic call, as of a gateway that knows no classes: `$invoke` with the method's name among its arguments."""
    inner = [method, JavaList(types, "[string"), JavaList(arguments, "[object")]
    sent = {"generic": "true", **(attachments or {})}
    return invocation(service, outer, inner, _request.GENERIC_DESCRIPTOR, attachments=sent, **options)


def result(
    value: Any,
    *,
    id: int = 0,
    attachments: Mapping[str, Any] | None = None,
    serialization: str = "hessian2",
    side: Side = Side.SERVER,
) -> Message:
    """A response with a value, or None. With attachments, {} among them, it is one for protocol version 2.0.2."""
    flag = _response.NULL if value is None else _response.VALUE
    return _response_message({"flag": flag, "value": value}, id, attachments, serialization, side)


def exception(
    class_name: str,
    message: str | None = None,
    fields: Mapping[str, Any] | None = None,
    *,
    id: int = 0,
    attachments: Mapping[str, Any] | None = None,
    serialization: str = "hessian2",
    side: Side = Side.SERVER,
) -> Message:
    """A response with an exception of this class, which the consumer throws; `fields` are those that it has more.

    In JSON text Dubbo writes exceptions in ways that its own readers do not all understand; use `error` there.
    """
    thrown = {"detailMessage": message, "stackTrace": JavaList([], "[java.lang.StackTraceElement"), **(fields or {})}
    value: Any = JavaObject(class_name, thrown)
    if serialization in ("fastjson", "gson"):
        value = {"clazz": class_name, "exception": {"detailMessage": message, **(fields or {})}}
    return _response_message({"flag": _response.EXCEPTION, "exception": value}, id, attachments, serialization, side)


def error(status: int, text: str, *, id: int = 0, serialization: str = "hessian2", side: Side = Side.SERVER) -> Message:
    """A response whose status is not 20: what went wrong before or around the method. See STATUSES."""
    if status == OK or not 0 <= status <= 255:
        raise LocalProtocolError("dubbo", 0, f"{status} is no error's status")
    return _message(side, pack(flags_of(serialization), status, _id(id), write_values(serialization, [text])))


def heartbeat(
    *,
    id: int = 0,
    response: bool = False,
    oneway: bool = False,
    serialization: str = "hessian2",
    side: Side | None = None,
) -> Message:
    """A heartbeat, or with `response` what answers one. By default the client asks."""
    flags = EVENT if response else EVENT | REQUEST | (0 if oneway else TWO_WAY)
    body = write_values(serialization, [None])
    who = side or (Side.SERVER if response else Side.CLIENT)
    return _message(who, pack(flags | flags_of(serialization), OK if response else 0, _id(id), body))


def readonly(*, id: int = 0, serialization: str = "hessian2", side: Side = Side.SERVER) -> Message:
    """What a provider that shuts down tells its consumers: send nothing more."""
    body = write_values(serialization, ["R"])
    return _message(side, pack(EVENT | REQUEST | flags_of(serialization), 0, _id(id), body))


def _response_message(
    body: dict[str, Any], id: int, attachments: Mapping[str, Any] | None, serialization: str, side: Side
) -> Message:
    if attachments is not None:
        body = {**body, "flag": body["flag"] + _response.WITH_ATTACHMENTS, "attachments": dict(attachments)}
    written = _response.write(serialization, OK, body)
    return _message(side, pack(flags_of(serialization), OK, _id(id), written))


def _id(id: int) -> int:
    if not -(1 << 63) <= id < 1 << 63:
        raise LocalProtocolError("dubbo", 0, "an id is an int of 64 bits")
    return id


def _type_of(value: Any) -> str:
    """The type that a Java method most likely declares for such a value."""
    if isinstance(value, JavaObject):
        return value.class_name
    if isinstance(value, JavaList | JavaMap) and value.type and "." in value.type and not value.type.startswith("["):
        return value.type
    for kind, name in _TYPES:
        if isinstance(value, kind):
            return name
    return "java.lang.Object"


_TYPES: Sequence[tuple[Any, str]] = (
    (bool, "boolean"),
    (str, "java.lang.String"),
    (JavaLong, "long"),
    (int, "int"),
    (float, "double"),
    (bytes, "byte[]"),
    (Date, "java.util.Date"),
    (list, "java.util.List"),
    ((dict, JavaMap), "java.util.Map"),
)


def _message(side: Side, data: bytes) -> Message:
    try:
        message = DubboCodec().decode(side, ReceiveBuffer("dubbo", data))
    except RemoteProtocolError as wrong:
        raise LocalProtocolError("dubbo", wrong.offset, f"no peer would take it: {wrong.reason}") from None
    if message is None:
        raise LocalProtocolError("dubbo", 0, "a frame that is written is whole")
    return message
