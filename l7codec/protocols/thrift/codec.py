"""Thrift, both directions, framed and described.

Specification: https://github.com/apache/thrift/tree/master/doc/specs

    unframed    message                                                80 01 …, 82 x1 …, [1,…
    framed      length: 4 | message
    header      length: 4 | 0F FF | …                                  see `header`
    ttheader    length: 4 | 10 00 | …                                  see `ttheader`
    twitter     length: 4 | RequestHeader or ResponseHeader | message  see `twitter`

Lengths do not count themselves. A connection is told apart by its first bytes: a message begins with a bit set that no
length has. Once the first message is there, both sides keep to messages with, or without, a length.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, Final

from ...buffer import ReceiveBuffer
from ...codec import Codec, Reason, Resync, Verdict
from ...errors import BodyError, RemoteProtocolError
from ...limits import Limits
from ...message import Edits, Kind, Message, Metadata, Side
from ...pending import Pending
from . import build, twitter
from .describe import describe, describe_headers, describe_opaque, kind_of, text, unreadable
from .edit import rewrite
from .envelope import EXCEPTION, PROTOCOLS, REPLY, Envelope, protocol_of, read_body
from .frame import DEPTH, TRANSPORTS, Opened, open_frame, open_message
from .header import Header
from .scan import Scan, scan_of
from .sniff import resync, sniff
from .ttheader import TTHeader
from .values import Fields, Struct

__all__ = ["ThriftCodec"]

_LENGTH: Final = struct.Struct(">I").unpack_from
_MAGICS: Final = {b"\x0f\xff": "header", b"\x10\x00": "ttheader"}
_LETTERS: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_")
_HTTP: Final = frozenset([b"GET ", b"POST", b"PUT ", b"HEAD", b"HTTP", b"DELE", b"OPTI", b"PATC", b"PRI "])

_FRAME_HEAD: Final = struct.Struct(">IHxBi").unpack_from
_ID: Final = struct.Struct(">i").unpack_from
_LEAST_FRAME: Final = 12
RESPONSE: Final = Kind.RESPONSE
_new: Final = object.__new__

_MOST_KNOWN: Final = 256
_LONGEST_KNOWN: Final = 128
"""How many beginnings of frames a connection remembers, and of names how long: a client may invent them."""

_DEFAULT_LIMITS: Final = Limits(message=100 * 1024 * 1024, depth=DEPTH)
"""As Apache Thrift's TConfiguration has them: DEFAULT_MAX_MESSAGE_SIZE and DEFAULT_RECURSION_DEPTH."""


class ThriftCodec(Codec):
    """Thrift on one connection; see the package's docstring for what messages carry.

    `transport` and `protocol` are found out from the bytes, or forced. `old_binary` admits the binary protocol as it
    was before it had versions: nothing marks it, so that it is taken only where it is asked for. `check_bodies` reads
    every body as it comes, which costs far more than framing, and puts what is wrong into the message's `error`:
    bytes behind the message in its frame, which some servers take for another call, are found only so.
    """

    name = "thrift"
    ports = (9090,)
    edits = frozenset({"body", "header.*", "id", "method", "service"})
    default_limits = _DEFAULT_LIMITS

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        transport: str | None = None,
        protocol: str | None = None,
        old_binary: bool = False,
        check_bodies: bool = False,
    ) -> None:
        super().__init__(limits)
        if transport is not None and transport not in TRANSPORTS:
            raise ValueError(f"no transport is named {transport!r}; known are {', '.join(TRANSPORTS)}")
        if protocol is not None and protocol not in PROTOCOLS:
            raise ValueError(f"no protocol is named {protocol!r}; known are {', '.join(PROTOCOLS)}")
        self._transport = transport
        self._protocol = protocol
        self._old = old_binary or protocol == "old_binary"
        self._check_bodies = check_bodies
        self._framed: bool | None = None if transport is None else transport != "unframed"
        self._scans: dict[Side, Scan | None] = dict.fromkeys(Side)
        self._upgrading = transport == "twitter"  # Finagle's headers have been asked for, or seen
        self._persistent: dict[Side, dict[bytes, bytes]] = {side: {} for side in Side}
        self._known: dict[bytes, tuple[Kind, Metadata]] = {}  # of plain frames, by the bytes from type to name

    # -- framing ------------------------------------------------------------------------------------------------

    def decode(self, side: Side, buffer: ReceiveBuffer) -> Message | None:
        """One message. Raises RemoteProtocolError."""
        scan = self._scans[side]
        if scan is None and not self._framed:
            protocol = self._begins(buffer)
            if protocol is None:
                return None
            if protocol:
                scan = self._scans[side] = scan_of(protocol, self.limits)
        return self._frame(side, buffer) if scan is None else self._unframed(side, buffer, scan)

    def _begins(self, buffer: ReceiveBuffer) -> str | None:
        """The protocol of a message that comes without a frame; "" where a length comes; None: too little is there."""
        data, start = buffer.data, buffer.position
        first = data[start]
        if first < 0x80 and first != 0x5B:
            return self._begins_with_length(buffer)
        if first not in (0x80, 0x82, 0x5B):
            raise buffer.fail(f"no message of Thrift's begins with {first:#04x}")
        if len(data) - start < 2:
            buffer.wait(2)
            return None
        protocol = protocol_of(data, start)
        if protocol is None or self._protocol not in (None, protocol):
            expected = f"the protocol {self._protocol}" if protocol else "any version of Thrift's protocols"
            raise buffer.fail(f"{data[start : start + 2].hex()} does not begin a message of {expected}", 1)
        self._framed = False
        return protocol

    def _begins_with_length(self, buffer: ReceiveBuffer) -> str | None:
        """As `_begins`, where the first byte may be a length's: of a frame, or of an old message's name."""
        data, start = buffer.data, buffer.position
        if self._framed is False:
            if self._old:
                return "old_binary"
            raise buffer.fail("no version of Thrift's protocols; the old binary protocol must be asked for")
        if not self._old:
            return ""
        if len(data) - start < 5:  # a name's first letter, or the length of a name in a frame
            buffer.wait(5)
            return None
        if data[start + 4] in _LETTERS and data[start : start + 4] not in _HTTP:
            self._framed = False
            return "old_binary"
        return ""

    def _frame(self, side: Side, buffer: ReceiveBuffer) -> Message | None:
        data, start = buffer.data, buffer.position
        there = len(data) - start
        if there < 4:
            buffer.wait(4)
            return None
        size = _LENGTH(data, start)[0]
        if data[start : start + 4] in _HTTP:
            raise buffer.fail("an HTTP message, not one of Thrift's")
        if size > self.limits.message:
            raise buffer.exceed(f"a frame of {size} bytes is over the limit of {self.limits.message}")
        if size < 2:
            raise buffer.fail(f"no message fits into a frame of {size} bytes")
        if there < 6:
            buffer.wait(6, counted=self._framed is True)
            return None
        transport = _MAGICS.get(data[start + 4 : start + 6])
        if transport is not None and size < 14:
            raise buffer.fail(f"no header fits into a frame of {size} bytes")
        if self._framed is None and transport is None and not self._is_first(buffer, size):
            return None
        if there < 4 + size:
            buffer.wait(4 + size, counted=True)
            return None
        self._framed = True
        if transport is None:
            transport = "framed"
            if self._upgrading and twitter.begins_with_header(data, start + 4):
                transport = "twitter"
        hole = buffer.hole
        message = self._message(side, buffer.take(4 + size), transport, None, hole)
        if self._transport not in (None, "twitter", transport) and message.error is None:
            reason = f"a message of the transport {transport}, where {self._transport} is spoken"
            message.error = BodyError("thrift", 4, reason)
        return message

    def decode_batch(self, side: Side, buffer: ReceiveBuffer) -> Sequence[Message]:
        """The plain frames that are there: calls and good replies in the strict binary or the compact protocol."""
        if not self._framed or self._upgrading or self._check_bodies:
            return ()
        if self._protocol is not None or self._transport not in (None, "framed"):
            return ()
        data = buffer.data
        start = pos = buffer.position
        end = len(data)
        most = self.limits.message
        known = self._known.get
        need = 0
        messages: list[Message] = []
        append = messages.append
        while end - pos >= _LEAST_FRAME:
            size, version, _, length = _FRAME_HEAD(data, pos)
            stop = pos + 4 + size
            if version == 0x8001:
                name_end = pos + 12 + length
                body = name_end + 4
            elif version & 0xFF1F == 0x8201 and data[pos + 6] < 128 and data[pos + 7] < 128:
                name_end = body = pos + 8 + data[pos + 7]
                length = 0
            else:
                break
            if size > most or length < 0 or body >= stop:
                break
            if stop > end:
                need = stop - pos
                break
            found = known(data[pos + 4 : name_end] if length else data[pos + 4 : pos + 6] + data[pos + 7 : name_end])
            if found is None:
                found = self._learn(data[pos:stop])
                if found is None:
                    break
            kind, metadata = found
            if kind is RESPONSE and data[body] and not (length and data[body + 1 : body + 3] == b"\0\0"):
                break  # not void, nor surely a value
            raw = data[pos:stop]
            # The same as Message(…), in two thirds of the time: no __init__ is called.
            message: Message = _new(Message)
            message.protocol = "thrift"
            message.kind = kind
            message.side = side
            message.metadata = metadata.copy()
            message.raw = raw
            message.id = _ID(data, name_end)[0] if length else data[pos + 6]
            message.missing = 0
            message.error = None
            message.request = None
            append(message)
            pos = stop
        if messages:
            buffer.advance(pos - start)
            if need:  # then it is one of the next batch
                buffer.wait(need, counted=True)
        return messages

    def _learn(self, raw: bytes) -> tuple[Kind, Metadata] | None:
        """What every frame says that begins as this one does, the id left out; None where that is not known."""
        opened = open_frame(raw, "framed")
        head = opened.head
        if head is None or head.type == EXCEPTION or not head.name or head.name == twitter.UPGRADE:
            return None
        if len(head.name) > _LONGEST_KNOWN:
            return None
        metadata: Metadata = {"thrift.transport": "framed"}
        if head.type == REPLY:
            metadata |= {"thrift.protocol": head.protocol, "thrift.type": "reply"}
            metadata |= {"method": text(head.name), "status": "ok"}
        else:
            describe(metadata, raw, head, self.limits.depth)
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        start = raw[4 : 12 + len(head.name)] if head.protocol == "binary" else raw[4:6] + raw[7 : 8 + len(head.name)]
        known = self._known[start] = kind_of(head.type), metadata
        return known

    def _is_first(self, buffer: ReceiveBuffer, size: int) -> bool:
        """Whether a message is in the connection's first frame; False when too little is there. Raises else."""
        data, start = buffer.data, buffer.position
        if protocol_of(data, start + 4) is not None or self._protocol == "json":
            return True
        if size >= 4 and len(data) - start < 8:
            buffer.wait(8)
            return False
        if twitter.begins_with_header(data, start + 4):
            self._upgrading = True
            return True
        if self._old:
            return True
        raise buffer.fail(
            f"neither a message of Thrift's nor a frame, of {size} bytes, that holds one; the old binary protocol "
            "must be asked for"
        )

    def _unframed(self, side: Side, buffer: ReceiveBuffer, scan: Scan) -> Message | None:
        size = scan.end(buffer)
        if size is None:
            return None
        self._scans[side] = None
        hole = buffer.hole
        return self._message(side, buffer.take(size), "unframed", scan.protocol, hole)

    def abandon(self, side: Side) -> None:
        """Forget a half-scanned message."""
        self._scans[side] = None

    # -- describing ---------------------------------------------------------------------------------------------

    def _message(self, side: Side, raw: bytes, transport: str, protocol: str | None, hole: int | None) -> Message:
        data = raw if hole is None else raw[:hole]
        opened = open_frame(data, transport, protocol or self._protocol, self._old)
        metadata: Metadata = {"thrift.transport": transport}
        wrong = opened.wrong
        own = opened.header
        id = None
        if own is not None:
            also = describe_headers(metadata, own, side, self._persistent[side], self.limits.values)
            wrong = wrong or also
            if isinstance(own, Header | TTHeader) and own.id:
                id = own.id
        head = opened.head
        if head is None:
            kind = unreadable(side)
            if isinstance(own, TTHeader) and opened.opaque:
                kind = describe_opaque(metadata, own, side)
            elif id is not None:  # a header that can be read, before a payload that cannot
                kind = Kind.REQUEST if side is Side.CLIENT else Kind.RESPONSE
        else:
            kind = kind_of(head.type)
            id = id or head.id
            wrong = describe(metadata, opened.data, head, self.limits.depth) or wrong
            if head.name == twitter.UPGRADE:
                self._upgrading = True
            if self._check_bodies and wrong is None and hole is None:
                wrong = _wrong_body(opened, head)
        if hole is not None:
            wrong = BodyError("thrift", hole, "bytes are missing from here on")
        return Message("thrift", kind, side, metadata, raw, id, 0, wrong)

    # -- meaning ------------------------------------------------------------------------------------------------

    def pair(self, message: Message, pending: Pending) -> Message | None:
        """By sequence id; in order, too, where a client gives all its requests the same one."""
        if message.kind is Kind.REQUEST:
            pending.open(message)
        elif message.kind is Kind.RESPONSE:
            return pending.settle(message)
        return None

    def resync(self, side: Side, data: bytes) -> Resync:
        """At the next bytes that look like a message's head, with a frame before it or not."""
        return resync(data, self._framed)

    # -- one message --------------------------------------------------------------------------------------------

    @classmethod
    def body(cls, message: Message) -> Any:
        """The arguments, the result, or the exception: a struct, see `values`.

        Of a payload that is no message of Thrift's, as Kitex' Protobuf is none, the bytes.
        """
        opened = open_message(message)
        if opened.wrong is not None:
            raise opened.wrong
        head = opened.head
        if head is None:
            return opened.data[opened.start :]
        return _read_whole(opened, head)

    @classmethod
    def rewrite(cls, message: Message, edits: Edits) -> bytes:
        """With another method, service, id, other headers, or another body.

        The transport must have headers to be given some. `service` None makes a call one without a service.
        """
        return rewrite(message, edits)

    @classmethod
    def reply(
        cls, request: Message | None, reason: Reason | RemoteProtocolError, text: str | None = None
    ) -> bytes | None:
        """A TApplicationException in the caller's own transport and protocol; None for what has no reply."""
        if request is None or request.kind is not Kind.REQUEST:
            return None
        return build.refusal(request, reason, text)

    @classmethod
    def sniff(cls, data: bytes, side: Side) -> Verdict:
        """By the versions of the protocols and the marks of the transports; old binary messages have none."""
        return sniff(data)


def _read_whole(opened: Opened, head: Envelope) -> Struct | Fields:
    """The struct behind a message's head, with which the payload ends. Raises BodyError."""
    body, end = read_body(opened.data, head.start, head.protocol, DEPTH)
    if end != len(opened.data):
        raise BodyError("thrift", end, f"{len(opened.data) - end} bytes behind the message")
    return body


def _wrong_body(opened: Opened, head: Envelope) -> BodyError | None:
    """What reading the body raises, if anything."""
    try:
        _read_whole(opened, head)
    except BodyError as error:
        return error.with_traceback(None)
    return None
