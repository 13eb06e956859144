"""Toy protocols, codecs and strategies, that exercise what real protocols will need of the frame.

`parley`    paired by id; both sides ask; an accepted UPGRADE changes the framing of the client's direction alone
`roam`      over datagrams; a conversation is known by its connection id, whatever address it comes from
`awesome`   declared with construct: magic, ids
`tally`     declared without magic or ids: paired in order, never resynchronised
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from typing import Any

from construct import Const, Int8ub, Int16ub, Int32ub, Struct, this
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

import l7codec
from l7codec import Kind, Limits, LocalProtocolError, Message, Reason, RemoteProtocolError, Side, strategies
from l7codec.buffer import ReceiveBuffer
from l7codec.codec import NO, Answer, Codec, Confidence, DatagramCodec, Resync, Verdict
from l7codec.declarative import HeaderCodec
from l7codec.errors import BodyError
from l7codec.message import Edits, Metadata
from l7codec.pending import Pending

MAGIC = b"PRLY"
HEADER = struct.Struct(">4sBII")
KINDS = (Kind.REQUEST, Kind.RESPONSE, Kind.ONEWAY, Kind.HEARTBEAT)
CODES = {kind: code for code, kind in enumerate(KINDS)}
MAX_LINE = 12  # of a compact message's counts


@l7codec.register
class Parley(Codec):
    r"""Plain framing, both directions:

        "PRLY" | kind: 1 | id: 4 | length: 4 | payload

    A request's payload is `method NUL arguments`; a response's is 0 for ok or 1 for an error, and text. When the
    server answers the client's UPGRADE with ok, the client goes on with compact messages, all of them requests that
    are answered in order of their ids, which count from 1:

        "*" count "\n" { "$" length "\n" bytes }        the first element is the method
    """

    name = "parley"
    edits = frozenset({"body", "id", "method"})
    vocabulary = {"parley.compact": bool}
    default_limits = Limits(message=1 << 20, pending=100, items=1000)

    def __init__(self, limits: Limits | None = None) -> None:
        super().__init__(limits)
        self.compact = False
        self._count = 0  # of elements still to come of the compact message at hand; resumable
        self._first: bytes | None = None
        self._next_id = 0

    # -- framing --

    def decode(self, side: Side, buffer: ReceiveBuffer) -> Message | None:
        if self.compact and side is Side.CLIENT:
            return self._decode_compact(buffer)
        data, start = buffer.data, buffer.position
        seen = len(data) - start
        for index in range(min(seen, 4)):
            if data[start + index] != MAGIC[index]:
                raise buffer.fail("a message begins with PRLY", index)
        if seen < 13:
            buffer.wait(seen + 1 if seen < 4 else 13)
            return None
        _, code, id, length = HEADER.unpack_from(data, start)
        if code >= len(KINDS):
            raise buffer.fail(f"unknown kind {code}", 4)
        if 13 + length > self.limits.message:
            raise buffer.exceed(f"a payload of {length} bytes is over the limit", 9)
        if seen < 13 + length:
            buffer.wait(13 + length, counted=True)
            return None
        hole = buffer.hole
        return self._message(side, KINDS[code], id, buffer.take(13 + length), buffer.missing, hole)

    def _message(self, side: Side, kind: Kind, id: int, raw: bytes, missing: int, hole: int | None) -> Message:
        metadata: Metadata = {}
        message = Message(self.name, kind, side, metadata, raw, id, missing)
        if kind is Kind.HEARTBEAT:
            return message
        if kind is Kind.RESPONSE:
            if len(raw) > 13 and (hole is None or hole > 13):
                metadata["status"] = "error" if raw[13] else "ok"
            return message
        end = raw.find(b"\0", 13)
        if end < 0 or (hole is not None and hole <= end):
            message.error = BodyError(self.name, 13, "no method")
        else:
            metadata["method"] = raw[13:end].decode("utf-8", "surrogateescape")
        return message

    def decode_batch(self, side: Side, buffer: ReceiveBuffer) -> Sequence[Message]:
        if self.compact and side is Side.CLIENT:
            return ()
        batch: list[Message] = []
        data = buffer.data
        end = len(data)
        while end - buffer.position >= 13 and len(batch) < 100:
            magic, code, id, length = HEADER.unpack_from(data, buffer.position)
            if magic != MAGIC or code >= len(KINDS) or 13 + length > self.limits.message:
                break
            if buffer.position + 13 + length > end:
                break
            batch.append(self._message(side, KINDS[code], id, buffer.take(13 + length), 0, None))
        return batch

    def _decode_compact(self, buffer: ReceiveBuffer) -> Message | None:
        while self._first is None or self._count:
            data, start = buffer.data, buffer.position
            mark = b"*" if self._first is None and self._count == 0 else b"$"
            if len(data) - start and data[start : start + 1] != mark:
                raise buffer.fail(f"expected {mark!r}")
            end = data.find(b"\n", start, start + MAX_LINE)
            if end < 0:
                if len(data) - start >= MAX_LINE:
                    raise buffer.fail("a line that does not end", MAX_LINE - 1)
                buffer.wait(MAX_LINE if len(data) - start else 1, b"\n")  # a wrong first byte shows at once
                return None
            digits = data[start + 1 : end]
            if not digits.isdigit():
                raise buffer.fail("not a number", 1)
            number = int(digits)
            if mark == b"*":
                if not 0 < number <= self.limits.items:
                    raise buffer.exceed("too many elements, or none", 1)
                self._count = number
                buffer.hold(end + 1 - start)
                continue
            size = end + 1 - start + number
            if buffer.held + size > self.limits.message:
                raise buffer.exceed("an element over the limit", 1)
            if len(data) - start < size:
                buffer.wait(size, counted=True)
                return None
            if self._first is None:
                self._first = data[end + 1 : start + size]
            self._count -= 1
            buffer.hold(size)
        method = self._first.decode("utf-8", "surrogateescape")
        self.abandon(Side.CLIENT)
        hole = buffer.hole
        self._next_id += 1
        message = Message(self.name, Kind.REQUEST, Side.CLIENT, {"parley.compact": True}, b"", self._next_id)
        message.raw = buffer.take(0)
        message.missing = buffer.missing
        if hole is None and method:
            message.metadata["method"] = method
        return message

    def abandon(self, side: Side) -> None:
        if side is Side.CLIENT:
            self._count = 0
            self._first = None

    def resync(self, side: Side, data: bytes) -> Resync:
        if self.compact and side is Side.CLIENT:
            found = data.find(b"\n*")
            return Resync(found + 1, True) if found >= 0 else Resync(max(len(data) - 1, 0), False)
        found = data.find(MAGIC)
        if found >= 0:
            return Resync(found, True)
        kept = next((n for n in (3, 2, 1) if data.endswith(MAGIC[:n])), 0)
        return Resync(len(data) - kept, False)

    # -- the conversation --

    def pair(self, message: Message, pending: Pending) -> Message | None:
        request = super().pair(message, pending)
        if request is not None and request.metadata.get("method") == "UPGRADE" and request.side is Side.CLIENT:
            self.compact = self.compact or message.metadata.get("status") == "ok"
        return request

    @property
    def pinned(self) -> frozenset[str]:
        return frozenset({"compact"}) if self.compact else frozenset()

    # -- one message --

    @classmethod
    def body(cls, message: Message) -> Any:
        raw = message.raw
        if message.metadata.get("parley.compact"):
            return _elements(raw)
        if message.kind is Kind.HEARTBEAT:
            return None
        if message.kind is Kind.RESPONSE:
            if len(raw) == 13:
                raise BodyError(cls.name, 13, "an empty response")
            return {"ok": raw[13] == 0, "value": raw[14:]}
        method, nul, arguments = raw[13:].partition(b"\0")
        if not nul:
            raise BodyError(cls.name, 13, "no method")
        return {"method": method.decode("utf-8", "surrogateescape"), "arguments": arguments}

    @classmethod
    def rewrite(cls, message: Message, edits: Edits) -> bytes:
        if message.metadata.get("parley.compact") or message.kind in (Kind.HEARTBEAT, Kind.RESPONSE):
            raise LocalProtocolError(cls.name, 0, "only plain requests are edited")
        body = dict(message.body)
        body.update(edits.get("body") or {})
        if "method" in edits:
            body["method"] = edits["method"] or ""
        return request(
            body["method"], body["arguments"], edits.get("id", message.id), side=message.side, kind=message.kind
        ).raw

    @classmethod
    def reply(
        cls, request: Message | None, reason: Reason | RemoteProtocolError, text: str | None = None
    ) -> bytes | None:
        if request is None or request.kind is not Kind.REQUEST:
            return None
        return response(request.id or 0, text or str(reason), ok=False, side=request.side.other).raw

    @classmethod
    def sniff(cls, data: bytes, side: Side) -> Verdict:
        if data[:4] == MAGIC:
            return Verdict(Answer.YES, Confidence.MAGIC)
        return Verdict(Answer.MORE) if MAGIC.startswith(data[:4]) else NO


def _elements(raw: bytes) -> list[bytes]:
    position = raw.index(b"\n") + 1
    items = []
    while position < len(raw):
        end = raw.index(b"\n", position)
        length = int(raw[position + 1 : end])
        items.append(raw[end + 1 : end + 1 + length])
        position = end + 1 + length
    return items


def _plain(kind: Kind, id: int, payload: bytes, side: Side) -> Message:
    raw = HEADER.pack(MAGIC, CODES[kind], id, len(payload)) + payload
    message = Parley().decode(side, ReceiveBuffer("parley", raw))
    assert message is not None
    return message


def request(
    method: str, arguments: bytes = b"", id: int = 1, *, side: Side = Side.CLIENT, kind: Kind = Kind.REQUEST
) -> Message:
    return _plain(kind, id, method.encode("utf-8", "surrogateescape") + b"\0" + arguments, side)


def response(id: int, value: str | bytes = b"", *, ok: bool = True, side: Side = Side.SERVER) -> Message:
    return _plain(Kind.RESPONSE, id, bytes([not ok]) + (value.encode() if isinstance(value, str) else value), side)


def heartbeat(id: int = 0, side: Side = Side.CLIENT) -> Message:
    return _plain(Kind.HEARTBEAT, id, b"", side)


def compact(*items: bytes, id: int) -> Message:
    raw = b"*%d\n" % len(items) + b"".join(b"$%d\n%b" % (len(item), item) for item in items)
    metadata: Metadata = {"parley.compact": True}
    if items[0]:
        metadata["method"] = items[0].decode("utf-8", "surrogateescape")
    return Message("parley", Kind.REQUEST, Side.CLIENT, metadata, raw, id)


_names = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=8)
_ids = st.integers(0, 2**32 - 1)


class ParleyStrategies:
    @staticmethod
    def messages(side: Side) -> SearchStrategy[Message]:
        kinds = st.sampled_from((Kind.REQUEST, Kind.ONEWAY))
        return st.one_of(
            st.builds(request, _names, st.binary(max_size=40), _ids, side=st.just(side), kind=kinds),
            st.builds(response, _ids, st.binary(max_size=40), ok=st.booleans(), side=st.just(side)),
            st.builds(heartbeat, _ids, side=st.just(side)),
        )

    @staticmethod
    @st.composite
    def values(draw: DrawFn, side: Side) -> tuple[Message, Any]:
        if draw(st.booleans()):
            method, arguments = draw(_names), draw(st.binary(max_size=40))
            return request(method, arguments, draw(_ids), side=side), {"method": method, "arguments": arguments}
        ok, value = draw(st.booleans()), draw(st.binary(max_size=40))
        return response(draw(_ids), value, ok=ok, side=side), {"ok": ok, "value": value}

    @staticmethod
    @st.composite
    def conversations(draw: DrawFn) -> list[Message]:
        """Both sides ask; ids are used again; after an accepted UPGRADE the client speaks compactly."""
        said: list[Message] = []
        waiting: list[Message] = []
        upgraded = False
        count = 0
        for _ in range(draw(st.integers(0, 12))):
            side = draw(st.sampled_from(Side))
            theirs = [one for one in waiting if one.side is not side]
            if upgraded and side is Side.CLIENT:
                count += 1
                message = compact(*draw(st.lists(st.binary(max_size=6), min_size=1, max_size=3)), id=count)
                if any(one.id == count and one.side is side for one in waiting):
                    return said
                waiting.append(message)
            elif theirs and draw(st.booleans()):
                asked = draw(st.sampled_from(theirs))
                ok = draw(st.booleans())
                message = response(asked.id or 0, draw(st.binary(max_size=4)), ok=ok, side=side)
                message.request = asked
                waiting = [one for one in waiting if one is not asked]
                upgrade = asked.side is Side.CLIENT and asked.metadata.get("method") == "UPGRADE"
                upgraded = upgraded or (ok and upgrade)
            else:
                id = draw(st.integers(0, 50))
                if any(one.id == id and one.side is side for one in waiting):
                    continue
                message = request(draw(st.sampled_from(("get", "UPGRADE"))), b"", id, side=side)
                waiting.append(message)
            said.append(message)
        return said

    @staticmethod
    @st.composite
    def edits(draw: DrawFn, message: Message) -> dict[str, Any]:
        if message.kind not in (Kind.REQUEST, Kind.ONEWAY):
            return {}
        possible = {"method": _names, "id": _ids}
        return {name: draw(possible[name]) for name in draw(st.sets(st.sampled_from(sorted(possible))))}

    @staticmethod
    def extremes(side: Side, size: int) -> list[bytes]:
        return [request("big", bytes(size), side=side).raw]

    @staticmethod
    def hostile(side: Side) -> list[bytes]:
        return [HEADER.pack(MAGIC, 0, 1, length) + b"get" for length in (2**32 - 1, (1 << 20) - 13)]


strategies.register("parley", ParleyStrategies)


# -- datagrams ----------------------------------------------------------------------------------------------------

ROAM = struct.Struct(">2sBQIH")


@l7codec.register
class Roam(DatagramCodec):
    """Any number of frames in a datagram, all of one connection:

        "RM" | kind: 1 | connection id: 8 | request id: 4 | length: 2 | payload

    The client is who asks first. Either side's address may change; the connection id stays.
    """

    name = "roam"
    vocabulary = {"roam.moved": bool}
    default_limits = Limits(conversations=4, pending=8)

    def __init__(self, limits: Limits | None = None) -> None:
        super().__init__(limits)
        self._known: OrderedDict[int, tuple[int, dict[Side, Hashable]]] = OrderedDict()  # by connection id
        self._last = 0

    def decode_datagram(self, data: bytes, path: Hashable) -> list[Message]:
        frames = []
        position = 0
        while position < len(data):
            if len(data) - position < ROAM.size:
                raise RemoteProtocolError(self.name, position, "a frame is cut off")
            magic, code, connection, id, length = ROAM.unpack_from(data, position)
            if magic != b"RM" or code > 1:
                raise RemoteProtocolError(self.name, position, "no frame begins here")
            end = position + ROAM.size + length
            if end > len(data):
                raise RemoteProtocolError(self.name, position + 15, "longer than the datagram")
            if frames and connection != frames[0][1]:
                raise RemoteProtocolError(self.name, position + 3, "frames of two connections")
            frames.append((code, connection, id, data[position:end]))
            position = end
        if not frames:
            return []
        return self._messages(frames, path[0] if isinstance(path, tuple) else path)

    def _messages(self, frames: list[tuple[int, int, int, bytes]], source: Hashable) -> list[Message]:
        connection = frames[0][1]
        number, addresses = self._known.get(connection) or (0, {})
        if not number:
            self._last += 1
            number = self._last
            self._known[connection] = (number, addresses)
            if len(self._known) > self.limits.conversations:
                self._known.popitem(last=False)
        self._known.move_to_end(connection)
        messages = []
        for code, _, id, raw in frames:
            kind, side = ((Kind.REQUEST, Side.CLIENT), (Kind.RESPONSE, Side.SERVER))[code]
            moved = addresses.setdefault(side, source) != source
            addresses[side] = source
            messages.append(Message(self.name, kind, side, {"conversation": number, "roam.moved": moved}, raw, id))
        return messages

    def forget_conversation(self, conversation: int) -> None:
        for connection, (number, _) in self._known.items():
            if number == conversation:
                del self._known[connection]
                return

    @classmethod
    def body(cls, message: Message) -> bytes:
        return message.raw[ROAM.size :]

    @classmethod
    def sniff(cls, data: bytes, side: Side) -> Verdict:
        if data[:2] != b"RM"[: len(data)]:
            return NO
        return Verdict(Answer.YES, Confidence.LENGTH) if len(data) >= ROAM.size else Verdict(Answer.MORE)


def roam(code: int, connection: int, id: int, payload: bytes = b"") -> bytes:
    return ROAM.pack(b"RM", code, connection, id, len(payload)) + payload


class RoamStrategies:
    @staticmethod
    @st.composite
    def messages(draw: DrawFn, side: Side) -> Message:
        data = roam(side is Side.SERVER, draw(st.integers(0, 2**64 - 1)), draw(_ids), draw(st.binary(max_size=20)))
        (message,) = Roam().decode_datagram(data, ("here", "there"))
        return message


strategies.register("roam", RoamStrategies)


# -- declared -----------------------------------------------------------------------------------------------------


@l7codec.register
class AwesomeRPC(HeaderCodec):
    name = "awesome"
    header = Struct("magic" / Const(b"AW"), "kind" / Int8ub, "id" / Int32ub, "service" / Int16ub, "total" / Int32ub)
    length = this.total
    kind = {0: "request", 1: "response", 2: "oneway"}
    metadata = {"service": lambda header, raw: raw[13 : 13 + header.service].decode()}


@l7codec.register
class Tally(HeaderCodec):
    name = "tally"
    ports = (7070,)
    header = Struct("length" / Int16ub, "flag" / Int8ub)
    length = this.length + 2
    vocabulary = {"tally.flag": int}
    metadata = {"tally.flag": lambda header, raw: header.flag}
    payload = staticmethod(lambda header, payload: payload.decode())


class TallyStrategies:
    @staticmethod
    def messages(side: Side) -> SearchStrategy[Message]:
        return TallyStrategies.values(side).map(lambda pair: pair[0])

    @staticmethod
    @st.composite
    def values(draw: DrawFn, side: Side) -> tuple[Message, Any]:
        text = draw(st.text(max_size=12))
        return Tally.message(text.encode(), side=side, flag=draw(st.integers(0, 255))), text

    @staticmethod
    @st.composite
    def conversations(draw: DrawFn) -> list[Message]:
        """Pipelined: every response answers the oldest request."""
        said: list[Message] = []
        waiting: list[Message] = []
        for asks in draw(st.lists(st.booleans(), max_size=12)):
            if asks:
                said.append(draw(TallyStrategies.messages(Side.CLIENT)))
                waiting.append(said[-1])
            elif waiting:
                said.append(draw(TallyStrategies.messages(Side.SERVER)))
                said[-1].request = waiting.pop(0)
        return said


strategies.register("tally", TallyStrategies)
