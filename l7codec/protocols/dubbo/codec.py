"""Dubbo: frames, or lines that people type. See `frame` for the header, `request` and `response` for bodies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ...buffer import ReceiveBuffer
from ...codec import NO, Answer, Codec, Confidence, Reason, Resync, Verdict
from ...errors import BodyError, LocalProtocolError, RemoteProtocolError
from ...limits import Limits
from ...message import Edits, Kind, Message, Metadata, Side
from ...pending import Pending
from . import request, response
from .forms import READ, open_values, write_values
from .frame import (
    EVENT,
    HEADER,
    HEADER_SIZE,
    MAGIC,
    OK,
    REQUEST,
    SERIALIZATION_IDS,
    SERIALIZATION_MASK,
    SERIALIZATIONS,
    STATUSES,
    TWO_WAY,
    pack,
)
from .telnet import decode_text, is_command, looks_printed

__all__ = ["DubboCodec", "flags_of", "is_text"]

CLIENT: Final = Side.CLIENT

_DEFAULT_LIMITS: Final = Limits(message=HEADER_SIZE + 8 * 1024 * 1024)
"""Dubbo's `payload`: 8 MB. Its own codec refuses more as soon as it has the header."""

_EVENTS: Final = {None: "heartbeat", "R": "readonly", "W": "writeable", "H": "mock"}
_EVENT_SIZE: Final = 15
"""Bytes that an event may have: `deserialization.event.size`. Stops a deserializer from being fed through events."""

_REASONS: Final = {
    Reason.NO_ROUTE: 60,
    Reason.NO_HEALTHY_UPSTREAM: 80,
    Reason.OVER_LIMIT: 100,
    Reason.TIMEOUT: 31,
    Reason.DENIED: 70,
}


class DubboCodec(Codec):
    """Dubbo on one connection; see the package's docstring for what messages carry."""

    name = "dubbo"
    ports = (20880,)
    edits = frozenset({"body", "group", "header.*", "id", "method", "service", "version"})
    default_limits = _DEFAULT_LIMITS

    # -- framing ------------------------------------------------------------------------------------------------

    def decode(self, side: Side, buffer: ReceiveBuffer) -> Message | None:
        """One frame, or one line of text. Raises RemoteProtocolError."""
        data, start = buffer.data, buffer.position
        have = len(data) - start
        if data[start] != 0xDA:
            return decode_text(side, buffer, self.limits.line)
        if have < HEADER_SIZE:
            if have > 1 and data[start + 1] != 0xBB:
                raise buffer.fail(f"not Dubbo's magic, da bb: da {data[start + 1]:02x}", 1)
            buffer.wait(HEADER_SIZE if have > 1 else 2)  # not counted: without its length nothing can be
            return None
        magic, flags, status, id, length = HEADER.unpack_from(data, start)
        if magic != MAGIC:
            raise buffer.fail(f"not Dubbo's magic, da bb: da {data[start + 1]:02x}", 1)
        if length < 0:
            raise buffer.fail(f"a body of {length} bytes", 12)
        size = HEADER_SIZE + length
        if size > self.limits.message:
            raise buffer.exceed(f"a message of {size} bytes; the limit is {self.limits.message}", 12)
        if have < size:
            buffer.wait(size, counted=True)
            return None
        hole = buffer.hole
        return self._message(side, flags, status, id, buffer.take(size), hole)

    def _message(self, side: Side, flags: int, status: int, id: int, raw: bytes, hole: int | None) -> Message:
        serialization = SERIALIZATIONS.get(flags & SERIALIZATION_MASK) or str(flags & SERIALIZATION_MASK)
        metadata: Metadata = {"dubbo.serialization": serialization}
        kind = Kind.RESPONSE
        if flags & REQUEST:
            kind = Kind.REQUEST if flags & TWO_WAY else Kind.ONEWAY
        else:
            metadata["dubbo.status"] = status
        message = Message("dubbo", kind, side, metadata, raw, id)
        if flags & EVENT:
            self._describe_event(message, flags, serialization, hole)
        else:
            try:
                self._describe(message, flags, status, serialization, len(raw) if hole is None else hole)
            except BodyError as error:
                message.error = error
        if hole is not None:
            message.error = BodyError("dubbo", hole, "bytes are missing from here on")
        return message

    def _describe(self, message: Message, flags: int, status: int, serialization: str, end: int) -> None:
        if serialization not in READ:
            if not flags & REQUEST:
                message.metadata["status"] = "ok" if status == OK else "error"
                if status != OK:
                    message.metadata["error.type"] = STATUSES.get(status, str(status))
            return
        values = open_values(serialization, message.raw, HEADER_SIZE, end, self.limits)
        if flags & REQUEST:
            request.describe(message.metadata, values, self.limits)
        else:
            response.describe(message.metadata, status, values, self.limits)

    def _describe_event(self, message: Message, flags: int, serialization: str, hole: int | None) -> None:
        """Null is a heartbeat, whoever sends it; on shutdown a provider sends "R", as a request, to its consumers."""
        metadata = message.metadata
        answered = not flags & REQUEST or bool(flags & TWO_WAY)
        message.kind = Kind.HEARTBEAT if answered else Kind.PUSH
        if serialization not in READ or hole is not None:
            return
        raw = message.raw
        if len(raw) - HEADER_SIZE > _EVENT_SIZE:
            message.error = BodyError("dubbo", HEADER_SIZE, f"an event of {len(raw) - HEADER_SIZE} bytes")
            return
        try:
            event = open_values(serialization, raw, HEADER_SIZE, len(raw), self.limits).string()
        except BodyError as error:
            message.error = error
            return
        metadata["dubbo.event"] = _EVENTS.get(event, event) or "heartbeat"
        message.kind = Kind.HEARTBEAT if event is None else Kind.PUSH

    def pair(self, message: Message, pending: Pending) -> Message | None:
        """By id, for each asking side: a provider calls back. A heartbeat that asks is answered by one."""
        kind = message.kind
        if kind is Kind.HEARTBEAT and len(message.raw) >= HEADER_SIZE:
            flags = message.raw[2]
            if flags & REQUEST:
                pending.open(message, 1 if flags & TWO_WAY else 0)
                return None
            return pending.settle(message)
        return super().pair(message, pending)

    def resync(self, side: Side, data: bytes) -> Resync:
        """At a header that can be one: the magic, a known serialization, a length within the limit."""
        position = 0
        while (position := data.find(b"\xda\xbb", position)) >= 0:
            if len(data) - position < HEADER_SIZE:
                return Resync(position, False)
            if _plausible(data, position, self.limits.message):
                return Resync(position, True)
            position += 1
        return Resync(len(data) - data.endswith(b"\xda"), False)

    # -- one message --------------------------------------------------------------------------------------------

    @classmethod
    def body(cls, message: Message) -> Any:
        """A request's or response's parts as a dict; bytes where the serialization is not read; a line as text."""
        raw = message.raw
        if is_text(raw):
            return raw.decode("utf-8", "surrogateescape")
        _, flags, status, _, _ = HEADER.unpack_from(raw)
        serialization = SERIALIZATIONS.get(flags & SERIALIZATION_MASK, "")
        if serialization not in READ:
            return raw[HEADER_SIZE:]
        values = open_values(serialization, raw, HEADER_SIZE, len(raw), cls.default_limits)
        if flags & EVENT:
            if len(raw) - HEADER_SIZE > _EVENT_SIZE:
                raise BodyError("dubbo", HEADER_SIZE, f"an event of {len(raw) - HEADER_SIZE} bytes")
            return {"event": values.string()}
        return request.body_of(values) if flags & REQUEST else response.body_of(status, values)

    @classmethod
    def rewrite(cls, message: Message, edits: Edits) -> bytes:
        """With another id, service, method, version or group, attachments set and removed, or another body.

        Arguments and results keep their bytes, but for the name of a generic call's method, which is an argument.
        """
        raw = message.raw
        if is_text(raw):
            raise LocalProtocolError("dubbo", 0, "a line of text cannot be edited")
        _, flags, status, id, _ = HEADER.unpack_from(raw)
        if "id" in edits:
            id = _checked_id(edits["id"])
        body = raw[HEADER_SIZE:]
        if "body" in edits:
            body = _written(flags, status, edits["body"])
        rest = {name: value for name, value in edits.items() if name not in ("id", "body")}
        if rest:
            body = cls._edited(flags, status, body, rest, message.request)
        if HEADER_SIZE + len(body) > 1 << 31:
            raise LocalProtocolError("dubbo", 0, "a body of more than 2 GB")
        return pack(flags, status, id, body)

    @classmethod
    def _edited(cls, flags: int, status: int, body: bytes, edits: Edits, asked: Message | None) -> bytes:
        serialization = SERIALIZATIONS.get(flags & SERIALIZATION_MASK, "")
        if flags & EVENT or serialization not in READ:
            reason = "an event" if flags & EVENT else "a body that is not read"
            raise LocalProtocolError("dubbo", 0, f"{reason} has nothing to edit but the id and the whole body")
        try:
            if flags & REQUEST:
                return request.edit(serialization, body, 0, cls.default_limits, edits)
            wrong = [name for name in edits if not name.startswith("header.")]
            if wrong or status != OK:
                raise LocalProtocolError("dubbo", 0, f"this response has no {', '.join(wrong or edits)}")
            return response.edit(serialization, body, 0, cls.default_limits, edits, asked)
        except BodyError as error:
            raise LocalProtocolError("dubbo", HEADER_SIZE + error.offset, f"cannot be edited: {error.reason}") from None

    @classmethod
    def reply(
        cls, request: Message | None, reason: Reason | RemoteProtocolError, text: str | None = None
    ) -> bytes | None:
        """A response whose status is an error; None for what has none: one-way requests, events, text.

        Who wrote wrong bytes gets none either: there is no request whose id it could carry.
        """
        if request is None or request.kind is not Kind.REQUEST or isinstance(reason, RemoteProtocolError):
            return None
        serialization = SERIALIZATIONS.get(request.raw[2] & SERIALIZATION_MASK, "")
        if serialization not in READ:
            serialization = "hessian2"  # which every Dubbo has; errors are read by the response's own flags
        body = write_values(serialization, [text or reason.value])
        return pack(SERIALIZATION_IDS[serialization], _REASONS[reason], request.id or 0, body)

    @classmethod
    def sniff(cls, data: bytes, side: Side) -> Verdict:
        """By the magic and a header that can be one; text by a command's word, or by the prompt behind an answer."""
        if data[:2] == b"\xda\xbb"[: len(data)] and data:
            if len(data) < HEADER_SIZE:
                return Verdict(Answer.MORE)
            plausible = _plausible(data, 0, cls.default_limits.message)
            return Verdict(Answer.YES, Confidence.MAGIC) if plausible else NO
        typed = is_command(data) if side is CLIENT else looks_printed(data)
        if typed is None:
            return Verdict(Answer.MORE)
        return Verdict(Answer.YES, Confidence.HINT if side is CLIENT else Confidence.TEXT) if typed else NO


def is_text(raw: bytes) -> bool:
    """Whether a message is a line that a person typed, or text printed for one."""
    return raw[0] != 0xDA


def flags_of(serialization: str) -> int:
    """The number of a serialization. Raises LocalProtocolError."""
    number = SERIALIZATION_IDS.get(serialization)
    if number is None:
        raise LocalProtocolError("dubbo", 0, f"no serialization is named {serialization!r}")
    return number


def _plausible(data: bytes, position: int, limit: int) -> bool:
    _, flags, status, _, length = HEADER.unpack_from(data, position)
    if flags & SERIALIZATION_MASK not in SERIALIZATIONS or not 0 <= length <= limit - HEADER_SIZE:
        return False
    return bool(flags & REQUEST) or status in STATUSES


def _checked_id(id: Any) -> int:
    if type(id) is not int or not -(1 << 63) <= id < 1 << 63:
        raise LocalProtocolError("dubbo", 0, "an id is an int of 64 bits")
    return id


def _written(flags: int, status: int, body: Any) -> bytes:
    serialization = SERIALIZATIONS.get(flags & SERIALIZATION_MASK, "")
    if serialization not in READ:
        if not isinstance(body, bytes | bytearray | memoryview):
            raise LocalProtocolError("dubbo", 0, "a body that is not read is written as bytes")
        return bytes(body)
    if not isinstance(body, Mapping):
        raise LocalProtocolError("dubbo", 0, "a body is a mapping")
    if flags & EVENT:
        return write_values(serialization, [body.get("event")])
    if flags & REQUEST:
        return request.write(serialization, body)
    return response.write(serialization, status, body)
