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
from typing import Any, Final

from ...buffer import ReceiveBuffer
from ...codec import NO, Answer, Codec, Confidence, Reason, Resync, Verdict
from ...errors import BodyError, LocalProtocolError, RemoteProtocolError
from ...limits import Limits
from ...message import Edits, Kind, Message, Metadata, Side
from ...pending import Pending
from .describe import describe, kind_of, unreadable
from .envelope import PROTOCOLS, protocol_of, read_body, read_envelope
from .scan import BinaryScan, CompactScan, JsonScan, Scan

__all__ = ["ThriftCodec"]

_LENGTH: Final = struct.Struct(">I").unpack_from

_DEFAULT_LIMITS: Final = Limits(message=100 * 1024 * 1024, depth=64)
"""As Apache Thrift's TConfiguration has them: DEFAULT_MAX_MESSAGE_SIZE and DEFAULT_RECURSION_DEPTH."""

TRANSPORTS: Final = ("unframed", "framed", "header", "ttheader", "twitter")


class ThriftCodec(Codec):
    """Thrift on one connection; see the package's docstring for what messages carry.

    `transport` and `protocol` are found out from the bytes, or forced. `old_binary` admits the binary protocol as it
    was before it had versions: nothing marks it, so that it is taken only where it is asked for.
    """

    name = "thrift"
    ports = (9090,)
    default_limits = _DEFAULT_LIMITS

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        transport: str | None = None,
        protocol: str | None = None,
        old_binary: bool = False,
    ) -> None:
        super().__init__(limits)
        if transport is not None and transport not in TRANSPORTS:
            raise ValueError(f"no transport is named {transport!r}; known are {', '.join(TRANSPORTS)}")
        if protocol is not None and protocol not in PROTOCOLS:
            raise ValueError(f"no protocol is named {protocol!r}; known are {', '.join(PROTOCOLS)}")
        self._transport = transport
        self._protocol = protocol
        self._old = old_binary or protocol == "old_binary"
        self._framed: bool | None = None if transport is None else transport != "unframed"
        self._scans: dict[Side, Scan | None] = dict.fromkeys(Side)

    def decode(self, side: Side, buffer: ReceiveBuffer) -> Message | None:
        """One message. Raises RemoteProtocolError."""
        scan = self._scans[side]
        if scan is not None:
            return self._unframed(side, buffer, scan)
        data, start = buffer.data, buffer.position
        if self._framed is None or not self._framed:
            protocol = self._begins(buffer)
            if protocol is None:
                return None
            if protocol:
                scan = self._scans[side] = _scan(protocol, self.limits)
                return self._unframed(side, buffer, scan)
        if len(data) - start < 4:
            buffer.wait(4)
            return None
        size = _LENGTH(data, start)[0]
        if size > self.limits.message:
            raise buffer.exceed(f"a frame of {size} bytes is over the limit of {self.limits.message}")
        if size == 0:
            raise buffer.fail("a frame of no bytes")
        if self._framed is None and not self._is_frame(buffer, size):
            return None
        if len(data) - start < 4 + size:
            buffer.wait(4 + size, counted=True)
            return None
        self._framed = True
        hole = buffer.hole
        return self._message(side, buffer.take(4 + size), "framed", 4, hole)

    def _begins(self, buffer: ReceiveBuffer) -> str | None:
        """The protocol of a message that begins without a frame; "" where a length comes; None: too little is there."""
        data, start = buffer.data, buffer.position
        first = data[start]
        if first < 0x80 and first != 0x5B:
            if self._framed is False:
                raise buffer.fail("no message of Thrift's begins so; one in the old binary protocol must be asked for")
            return ""
        if first not in (0x80, 0x82, 0x5B):
            raise buffer.fail(f"no message of Thrift's begins with {first:#04x}")
        if len(data) - start < 2:
            buffer.wait(2)
            return None
        protocol = protocol_of(data, start)
        if protocol is None:
            raise buffer.fail(f"no version of Thrift's protocols begins with {data[start : start + 2].hex()}", 1)
        self._framed = False
        return protocol

    def _is_frame(self, buffer: ReceiveBuffer, size: int) -> bool:
        """Whether a message of Thrift's is in the first frame; False when too little is there. Raises else."""
        data, start = buffer.data, buffer.position
        if len(data) - start < 6:
            buffer.wait(6)
            return False
        if protocol_of(data, start + 4) is None:
            raise buffer.fail(
                f"a length of {size}, or no length at all: no message of Thrift's follows. Not Thrift, or the old "
                "binary protocol, which must be asked for",
            )
        return True

    def _unframed(self, side: Side, buffer: ReceiveBuffer, scan: Scan) -> Message | None:
        size = scan.end(buffer)
        if size is None:
            return None
        self._scans[side] = None
        hole = buffer.hole
        return self._message(side, buffer.take(size), "unframed", 0, hole)

    def _message(self, side: Side, raw: bytes, transport: str, start: int, hole: int | None) -> Message:
        metadata: Metadata = {"thrift.transport": transport}
        protocol = protocol_of(raw, start) or "binary"
        data = raw if hole is None else raw[:hole]
        try:
            head = read_envelope(data, start, protocol)
        except BodyError as error:
            return Message("thrift", unreadable(side), side, metadata, raw, None, 0, error)
        wrong = describe(metadata, data, head, self.limits.depth)
        if hole is not None:
            wrong = BodyError("thrift", hole, "bytes are missing from here on")
        return Message("thrift", kind_of(head.type), side, metadata, raw, head.id, 0, wrong)

    def abandon(self, side: Side) -> None:
        """Forget a half-scanned message."""
        self._scans[side] = None

    @classmethod
    def body(cls, message: Message) -> Any:
        """The arguments, the result, or the exception: a struct, see `values`."""
        transport = message.metadata.get("thrift.transport")
        start = 0 if transport == "unframed" else 4
        protocol = message.metadata.get("thrift.protocol")
        if not isinstance(protocol, str):
            raise message.error or BodyError("thrift", 0, "no message of Thrift's")
        head = read_envelope(message.raw, start, protocol)
        body, end = read_body(message.raw, head.start, protocol, cls.default_limits.depth)
        if end != len(message.raw):
            raise BodyError("thrift", end, f"{len(message.raw) - end} bytes behind the message")
        return body

    @classmethod
    def sniff(cls, data: bytes, side: Side) -> Verdict:
        """By the versions of the protocols."""
        if protocol_of(data, 0):
            return Verdict(Answer.YES, Confidence.MAGIC)
        if len(data) < 6:
            return Verdict(Answer.MORE)
        return Verdict(Answer.YES, Confidence.MAGIC) if protocol_of(data, 4) else NO


def _scan(protocol: str, limits: Limits) -> Scan:
    if protocol in ("binary", "old_binary"):
        return BinaryScan(limits, protocol == "old_binary")
    if protocol == "json":
        return JsonScan(limits)
    return CompactScan(limits, 1 if protocol == "compact" else 2)
