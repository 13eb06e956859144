"""What a response says: how it went, and its body.

    status 20     flag · value or exception · attachments
                  0 exception, 1 value, 2 null; 3, 4, 5 the same with attachments
    any other     a string; Envoy writes a flag before it, for which Java's reader takes it

A provider sends attachments to who asked in protocol version 2.0.2 to 2.0.99 (`Version.isSupportResponseAttachment`);
older consumers do not know the flags.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from ...errors import BodyError, LocalProtocolError
from ...hessian2 import JavaMap, JavaObject
from ...limits import Limits
from ...message import Edits, Message, Metadata
from .forms import Values, open_values, write_values, writer_after
from .frame import OK, STATUSES
from .request import add_attachments, changed, entries, header_changes

__all__ = ["WITH_ATTACHMENTS", "body_of", "describe", "edit", "takes_attachments", "write"]

EXCEPTION, VALUE, NULL = range(3)
WITH_ATTACHMENTS: Final = 3
_NAMES: Final = ("exception", "value", "null")
_NEW: Final = re.compile(r"2\.0\.(?:[2-9]|[1-9][0-9])", re.ASCII)


def _flag(values: Values) -> int:
    at = values.offset
    flag = values.integer()
    if flag is None or not 0 <= flag <= NULL + WITH_ATTACHMENTS:
        raise BodyError("dubbo", at, "a response begins with a flag from 0 to 5")
    return flag


def describe(metadata: Metadata, status: int, values: Values, limits: Limits) -> None:
    """Put into `metadata` how it went, and the attachments. Raises BodyError."""
    if status != OK:
        metadata["status"] = "error"
        metadata["error.type"] = STATUSES.get(status, str(status))
        values.integer()
        if not values.at_end and (text := values.string()):
            metadata["error.message"] = text
        return
    metadata["status"] = "ok"
    flag = _flag(values)
    kind = flag % WITH_ATTACHMENTS
    if kind == EXCEPTION:
        metadata["status"] = "error"
        _describe_exception(metadata, values.value())
    if flag < WITH_ATTACHMENTS:
        return
    if kind == VALUE:
        values.skip()
    at = values.offset
    add_attachments(metadata, entries(values.value(), at), limits, at)


def _describe_exception(metadata: Metadata, thrown: Any) -> None:
    """An exception's class and text: an object in Hessian and JSONB; gson wraps it; fastjson writes no class."""
    name = message = None
    if isinstance(thrown, JavaObject):
        name, message = thrown.class_name, thrown.get("detailMessage")
        if message is None:
            message = thrown.get("message")
    elif isinstance(thrown, dict):
        inner = thrown.get("exception")
        name = thrown.get("@type", thrown.get("clazz"))
        fields = inner if isinstance(inner, dict) else thrown
        message = fields.get("detailMessage", fields.get("message"))
    elif isinstance(thrown, str):
        message = thrown
    if isinstance(name, str) and name:
        metadata["error.type"] = name
    if isinstance(message, str) and message:
        metadata["error.message"] = message


def body_of(status: int, values: Values) -> dict[str, Any]:
    """All of it: the flag and what it announces, or the error."""
    if status != OK:
        stray = values.integer()
        error = {} if stray is None else {"flag": stray}
        return {**error, "error": None if values.at_end else values.string()}
    flag = _flag(values)
    body: dict[str, Any] = {"flag": flag}
    kind = flag % WITH_ATTACHMENTS
    if kind != NULL:
        body[_NAMES[kind]] = values.value()
    if flag >= WITH_ATTACHMENTS:
        at = values.offset
        body["attachments"] = values.value()
        entries(body["attachments"], at)
    return body


def write(serialization: str, status: int, body: Mapping[str, Any]) -> bytes:
    """A response's body from what `body_of` gives. Raises LocalProtocolError."""
    if status != OK:
        error = body.get("error")
        if not isinstance(error, str | None):
            raise LocalProtocolError("dubbo", 0, "an error is text")
        return write_values(serialization, [*([body["flag"]] if "flag" in body else []), error])
    flag = body.get("flag")
    if type(flag) is not int or not 0 <= flag <= NULL + WITH_ATTACHMENTS:
        raise LocalProtocolError("dubbo", 0, "a response has a flag from 0 to 5")
    kind = flag % WITH_ATTACHMENTS
    values: list[Any] = [flag]
    if kind != NULL:
        if _NAMES[kind] not in body:
            raise LocalProtocolError("dubbo", 0, f"flag {flag} announces {_NAMES[kind]!r}")
        values.append(body[_NAMES[kind]])
    if flag >= WITH_ATTACHMENTS:
        attachments = body.get("attachments")
        if attachments is not None and not isinstance(attachments, dict | JavaMap):
            raise LocalProtocolError("dubbo", 0, "attachments are a map or None")
        values.append(attachments)
    return write_values(serialization, values)


def takes_attachments(request: Message | None) -> bool:
    """Whether the consumer that sent this understands a response with attachments."""
    version = None if request is None else request.metadata.get("dubbo.protocol_version")
    return isinstance(version, str) and _NEW.fullmatch(version) is not None


def edit(serialization: str, raw: bytes, start: int, limits: Limits, edits: Edits, request: Message | None) -> bytes:
    """The body with attachments set and removed; what comes before keeps its bytes. Raises BodyError."""
    changes = header_changes(edits)
    values = open_values(serialization, raw, start, len(raw), limits)
    flag = _flag(values)
    begin = values.offset
    if flag % WITH_ATTACHMENTS != NULL:
        values.skip()
    at = values.offset
    head = raw[start:begin]
    before = None
    if flag < WITH_ATTACHMENTS:
        if all(value is None for value in changes.values()):
            return raw[start:]
        if not takes_attachments(request):
            raise LocalProtocolError("dubbo", 0, "the consumer is not known to take attachments in a response")
        head = write_values(serialization, [flag + WITH_ATTACHMENTS])
    write = writer_after(serialization, values)
    if flag >= WITH_ATTACHMENTS:
        before = values.value()
    behind = []
    while not values.at_end:
        behind.append(values.value())
    return head + raw[begin:at] + write([changed(before, entries(before, at), changes), *behind])
