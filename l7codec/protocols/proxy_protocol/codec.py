"""The header itself: framing, metadata, body; see the package's docstring for the wire."""

from __future__ import annotations

import re
import struct
import sys
from typing import Any, Final, TypeAlias

from ...addresses import ipv4_text, ipv6_bytes, ipv6_text
from ...buffer import ReceiveBuffer
from ...codec import NO, Answer, Codec, Confidence, Verdict
from ...errors import BodyError, TruncatedMessage
from ...limits import Limits
from ...message import Edits, Kind, Message, Metadata, Side
from . import tlv

__all__ = [
    "COMMANDS",
    "FAMILIES",
    "LINE_MAX",
    "SIGNATURE",
    "SIZES",
    "TRANSPORTS",
    "Endpoint",
    "Header",
    "ProxyCodec",
    "read",
    "split_datagram",
    "unix_path",
]

SIGNATURE: Final = b"\r\n\r\n\x00\r\nQUIT\n"
LINE_MAX: Final = 107  # section 2.1: the longest line of version 1, CRLF included

COMMANDS: Final = ("LOCAL", "PROXY")  # low half of byte 13
FAMILIES: Final = ("unspec", "inet", "inet6", "unix")  # high half of byte 14
TRANSPORTS: Final = ("unspec", "stream", "dgram")  # low half of byte 14
SIZES: Final = (0, 12, 36, 216)  # bytes of addresses, by family

_OPENINGS = (SIGNATURE, b"PROXY TCP4 ", b"PROXY TCP6 ", b"PROXY UNKNOWN ", b"PROXY UNKNOWN\r")

_OCTET = rb"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4 = rb"%b\.%b\.%b\.%b" % (_OCTET, _OCTET, _OCTET, _OCTET)
_IPV6 = rb"[0-9A-Fa-f:.]{2,45}"  # which of these are addresses is inet_pton's to say
_PORT = rb"(?:0|[1-9][0-9]{0,4})"
_LINE = rb"PROXY %b (%b) (%b) (%b) (%b)\r\n"
_TCP4 = re.compile(_LINE % (b"TCP4", _IPV4, _IPV4, _PORT, _PORT)).match
_TCP6 = re.compile(_LINE % (b"TCP6", _IPV6, _IPV6, _PORT, _PORT)).match
_UNKNOWN = re.compile(rb"PROXY UNKNOWN(?: [^\r\n]*)?\r\n").fullmatch
_FIELD = re.compile(rb"[^ \r\n]*").match

_HEAD = struct.Struct("!12xBBH")
_INET = struct.Struct("!4s4sHH")
_INET6 = struct.Struct("!16s16sHH")

_READERS = {  # byte 14 of headers whose addresses are to be used
    0x11: ("inet", "stream", _INET, ipv4_text),
    0x12: ("inet", "dgram", _INET, ipv4_text),
    0x21: ("inet6", "stream", _INET6, ipv6_text),
    0x22: ("inet6", "dgram", _INET6, ipv6_text),
}

Endpoint: TypeAlias = "tuple[str, int] | str | None"
"""An address and a port, the path of a Unix socket ("" if it has none), or nothing."""

_CLIENT = Side.CLIENT
_PREFACE = Kind.PREFACE
_YES = Verdict(Answer.YES, Confidence.MAGIC)
_MORE = Verdict(Answer.MORE)


class ProxyCodec(Codec):
    """The PROXY protocol, versions 1 and 2: one header, before anything else that a client sends.

    After it the codec is `finished`, and takes nothing more: `Conversation(…, preface="proxy")` hands what follows to
    the protocol inside, and a `Stream` of its own has it in `trailing_data`.
    """

    name = "proxy"
    is_preface = True
    edits = frozenset(
        {"source.address", "source.port", "destination.address", "destination.port", "body", *tlv.EDITS},
    )

    def __init__(self, limits: Limits | None = None) -> None:
        super().__init__(limits)
        self._finished = False

    @property
    def finished(self) -> bool:
        """Whether the header has been read."""
        return self._finished

    def decode(self, side: Side, buffer: ReceiveBuffer) -> Message | None:
        """The header (sections 2.1 and 2.2); None where the bytes so far may become one.

        Raises RemoteProtocolError at the first byte that cannot belong to a header, or at the first byte of a field
        that is wrong as a whole.
        """
        if side is not _CLIENT:
            raise buffer.fail("only the side that opened the connection sends a PROXY header")
        if self._finished:
            buffer.wait(sys.maxsize)
            return None
        data = buffer.data
        start = buffer.position
        if data.startswith(SIGNATURE, start):
            return self._version_2(buffer)
        match = _TCP4(data, start)
        if match is not None:
            source, destination, source_port, destination_port = match.groups()
            port, other_port = int(source_port), int(destination_port)
            if port <= 0xFFFF and other_port <= 0xFFFF:
                metadata: Metadata = {
                    "proxy.version": 1,
                    "proxy.command": "PROXY",
                    "proxy.family": "inet",
                    "proxy.transport": "stream",
                    "source.address": source.decode(),  # canonical as it stands: no other spelling is allowed
                    "source.port": port,
                    "destination.address": destination.decode(),
                    "destination.port": other_port,
                }
                return self._deliver(buffer, match.end() - start, metadata)
        return self._version_1(buffer) if _opening(buffer) else None

    def _deliver(
        self, buffer: ReceiveBuffer, size: int, metadata: Metadata, error: tuple[int, str] | None = None
    ) -> Message:
        self._finished = True
        raw = buffer.take(size)
        bad = None if error is None else BodyError("proxy", *error)
        return Message("proxy", _PREFACE, _CLIENT, metadata, raw, None, 0, bad)

    def _version_1(self, buffer: ReceiveBuffer) -> Message | None:
        data, start = buffer.data, buffer.position
        end = data.find(b"\n", start, start + LINE_MAX)
        if end < 0 and len(data) - start < LINE_MAX:
            buffer.wait(LINE_MAX, b"\n")  # nothing is decoded before the line is whole
            return None
        line = data[start : start + LINE_MAX] if end < 0 else data[start : end + 1]
        metadata: Metadata = {"proxy.version": 1, "proxy.command": "PROXY"}
        if _UNKNOWN(line):
            metadata["proxy.family"] = metadata["proxy.transport"] = "unspec"
        else:
            fault = _line_fault(line)
            if fault is not None:
                raise buffer.fail(fault[1], fault[0])
            _, _, source, destination, port, other_port = line[:-2].split(b" ")
            metadata["proxy.family"] = "inet6"
            metadata["proxy.transport"] = "stream"
            metadata["source.address"] = ipv6_text(ipv6_bytes(source.decode()))
            metadata["source.port"] = int(port)
            metadata["destination.address"] = ipv6_text(ipv6_bytes(destination.decode()))
            metadata["destination.port"] = int(other_port)
        return self._deliver(buffer, len(line), metadata)

    def _version_2(self, buffer: ReceiveBuffer) -> Message | None:
        data, start = buffer.data, buffer.position
        there = len(data) - start
        if there < 16:
            fault = _head_fault(data[start:])
            if fault is not None:
                raise buffer.fail(fault[1], fault[0])
            buffer.wait(there + 1)  # a wrong byte is told as soon as it is there
            return None
        version_command, protocol, length = _HEAD.unpack_from(data, start)
        reader = _READERS.get(protocol) if version_command == 0x21 else None
        if reader is None or length < reader[2].size:
            fault = _head_fault(data[start : start + 16])
            if fault is not None:
                raise buffer.fail(fault[1], fault[0])
        size = 16 + length
        if size > self.limits.message:
            raise buffer.exceed(f"a header of {size} bytes is over the limit of {self.limits.message}", 14)
        if there < size:
            buffer.wait(size, counted=True)
            return None
        hole = buffer.hole
        if reader is None or (hole is not None and hole < 16 + reader[2].size):
            return self._other(buffer, size)
        family, transport, block, text = reader
        source, destination, port, other_port = block.unpack_from(data, start + 16)
        metadata: Metadata = {
            "proxy.version": 2,
            "proxy.command": "PROXY",
            "proxy.family": family,
            "proxy.transport": transport,
            "source.address": text(source),
            "source.port": port,
            "destination.address": text(destination),
            "destination.port": other_port,
        }
        if length == block.size or hole is not None:
            return self._deliver(buffer, size, metadata)
        header = Header(data[start : start + size])
        return self._deliver(buffer, size, metadata, self._describe(buffer, header, metadata))

    def _other(self, buffer: ReceiveBuffer, size: int) -> Message:
        """A header that is LOCAL, or over AF_UNIX, or without addresses: unused, or missing from the capture."""
        header = Header(buffer.data[buffer.position : buffer.position + size])
        metadata: Metadata = {"proxy.version": 2, "proxy.command": header.command}
        if buffer.hole is not None:
            return self._deliver(buffer, size, metadata)
        if header.command == "LOCAL":
            return self._deliver(buffer, size, metadata, header.local_fault())
        metadata["proxy.family"] = FAMILIES[header.protocol >> 4]
        metadata["proxy.transport"] = TRANSPORTS[header.protocol & 0xF]
        if header.used:
            for key, path in (("source.address", header.block[:108]), ("destination.address", header.block[108:])):
                text = unix_path(path)
                if text:
                    metadata[key] = text
        return self._deliver(buffer, size, metadata, self._describe(buffer, header, metadata))

    def _describe(self, buffer: ReceiveBuffer, header: Header, metadata: Metadata) -> tuple[int, str] | None:
        try:
            tlvs = header.tlvs()
            if tlv.verify(header.raw, tlvs, header.start):
                metadata["proxy.tlv.crc32c"] = True
        except tlv.VectorError as bad:
            raise buffer.fail(bad.reason, bad.at) from None
        return tlv.describe(tlvs, header.start, metadata, self.limits.values)

    @classmethod
    def body(cls, message: Message) -> dict[str, Any]:
        """What the header says: the very arguments with which `header` builds it.

        `version`, `command`, `family`, `transport` · `source`, `destination`: (address, port), a path, or None ·
        `ignored`: bytes that receivers must not look at · `tlvs`: [(name or number, value), …], in order.
        """
        return read(message.raw)

    @classmethod
    def rewrite(cls, message: Message, edits: Edits) -> bytes:
        """The header with other addresses or vectors; its length and checksum (if it has one) follow."""
        from .build import rewritten  # it builds messages by this codec

        return rewritten(message.raw, edits)

    @classmethod
    def sniff(cls, data: bytes, side: Side) -> Verdict:
        """Whether a client's first bytes begin a header. To believe it is another matter: see `Conversation`."""
        if side is not _CLIENT:
            return NO
        for opening in _OPENINGS:
            if data.startswith(opening):
                return _YES
            if opening.startswith(data):
                return _MORE
        return NO


def _opening(buffer: ReceiveBuffer) -> bool:
    """Whether the buffer begins as version 1 does; False: it may. Raises RemoteProtocolError if it cannot."""
    data, start = buffer.data, buffer.position
    seen = data[start : start + 14]
    fitting = 0
    for opening in _OPENINGS:
        common = 0
        for byte, expected in zip(seen, opening, strict=False):
            if byte != expected:
                break
            common += 1
        if common == len(opening):
            return True
        if common == len(seen):
            buffer.wait(len(seen) + 1)
            return False
        fitting = max(fitting, common)
    reason = "begins neither with the signature of version 2 nor with 'PROXY ' and TCP4, TCP6 or UNKNOWN"
    raise buffer.fail(f"a PROXY header must come here, and this {reason}", fitting)


def _line_fault(line: bytes) -> tuple[int, str] | None:
    """What is wrong with a line of version 1, and where; None if it is good. For TCP4 only told of bad ones."""
    if line.startswith(b"PROXY UNKNOWN"):
        return _ending_fault(line, min(at for at in (line.find(b"\r"), line.find(b"\n"), len(line)) if at >= 0))
    at = 11
    for name, good in (
        ("source address", _address_good),
        ("destination address", _address_good),
        ("source port", _port_good),
        ("destination port", _port_good),
    ):
        end = _end_of_field(line, at)
        field = line[at:end]
        if not good(field, line[9:10]):
            return at, f"{field!r} is no {name} for {line[6:10].decode()}"
        at = end
        if name != "destination port" and at < len(line):
            if line[at : at + 1] != b" ":
                return at, f"one space must follow the {name}"
            at += 1
    return _ending_fault(line, at)


def _ending_fault(line: bytes, at: int) -> tuple[int, str] | None:
    if at + 2 > LINE_MAX or at == len(line):
        return LINE_MAX - 1, f"no CRLF within {LINE_MAX} bytes"
    if line[at : at + 1] != b"\r":
        return at, "the line must end in CRLF"
    if line[at + 1 :] != b"\n":
        return at + 1, "the line must end in CRLF"
    return None


def _end_of_field(line: bytes, at: int) -> int:
    match = _FIELD(line, at)
    return match.end() if match else at


def _address_good(field: bytes, family: bytes) -> bool:
    if family == b"4":
        return re.fullmatch(_IPV4, field) is not None
    if re.fullmatch(_IPV6, field) is None:
        return False
    try:
        ipv6_bytes(field.decode())
    except ValueError:
        return False
    return True


def _port_good(field: bytes, family: bytes) -> bool:
    return re.fullmatch(_PORT, field) is not None and int(field) <= 0xFFFF


def _head_fault(head: bytes) -> tuple[int, str] | None:
    """What is wrong with the first bytes, up to 16, of a version 2 header, and where."""
    if len(head) > 12:
        if head[12] >> 4 != 2:
            return 12, f"version {head[12] >> 4} behind the signature of version 2"
        if head[12] & 0xF > 1:
            return 12, f"command {head[12] & 0xF} is neither LOCAL nor PROXY"
    if len(head) > 13 and head[12] == 0x21:  # LOCAL: the family is ignored
        family, transport = head[13] >> 4, head[13] & 0xF
        if family >= len(FAMILIES):
            return 13, f"address family {family} is not defined"
        if transport >= len(TRANSPORTS):
            return 13, f"transport protocol {transport} is not defined"
        if len(head) == 16 and transport:
            length = int.from_bytes(head[14:16], "big")
            if length < SIZES[family]:
                return 14, f"{length} bytes are too few for {FAMILIES[family]} addresses, which take {SIZES[family]}"
    return None


class Header:
    """A whole version 2 header, taken apart."""

    __slots__ = ("block", "command", "protocol", "raw", "start", "used")

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self.command = COMMANDS[raw[12] & 0xF]
        self.protocol = raw[13]
        family, transport = raw[13] >> 4, raw[13] & 0xF
        self.used = self.command == "PROXY" and family != 0 and transport != 0
        """Whether a receiver goes by the addresses."""
        defined = family < len(FAMILIES) and transport < len(TRANSPORTS)
        start = 16 + SIZES[family] if defined else len(raw)
        if not self.used:
            start = _where_vectors_begin(raw, start)
        self.start = start
        """Where the vectors begin."""
        self.block = raw[16:start]
        """The addresses, or what stands in their place."""

    def tlvs(self) -> list[tlv.TLV]:
        """The vectors. Raises VectorError where one runs over the header's end."""
        return tlv.split(self.raw, self.start, len(self.raw))

    def local_fault(self) -> tuple[int, str] | None:
        """A checksum that is wrong: of a LOCAL header, which must be accepted, that is told and no more."""
        try:
            tlv.verify(self.raw, self.tlvs(), self.start)
        except tlv.VectorError as bad:
            return bad.at, bad.reason
        return None


def _where_vectors_begin(raw: bytes, start: int) -> int:
    """`start`, if vectors can begin there in a header whose addresses are ignored; else its end.

    What is to be ignored may be anything, of any length: it is not wrong for not being vectors.
    """
    if start > len(raw):
        return len(raw)
    try:
        tlv.split(raw, start, len(raw))
    except tlv.VectorError:
        return len(raw)
    return start


def unix_path(block: bytes) -> str:
    """The path in a field of 108 bytes: up to the first NUL, as the kernel reads it; "" for an unnamed socket.

    An abstract name begins with a NUL, and only NULs at its end are no part of it.
    """
    name = block.rstrip(b"\0")
    if name and name[0]:
        name = name.partition(b"\0")[0]
    return name.decode("utf-8", "surrogateescape")


def read(raw: bytes) -> dict[str, Any]:
    """The body of a whole header that `decode` has accepted."""
    if raw.startswith(b"P"):
        return _read_line(raw)
    header = Header(raw)
    family, transport = header.protocol >> 4, header.protocol & 0xF
    source, destination = _endpoints(header) if header.used else (None, None)
    return {
        "version": 2,
        "command": header.command,
        "family": FAMILIES[family] if family < len(FAMILIES) else family,
        "transport": TRANSPORTS[transport] if transport < len(TRANSPORTS) else transport,
        "source": source,
        "destination": destination,
        "ignored": b"" if header.used else header.block,
        "tlvs": tlv.decoded(header.tlvs()),
    }


def _endpoints(header: Header) -> tuple[Endpoint, Endpoint]:
    reader = _READERS.get(header.protocol)
    if reader is None:
        return unix_path(header.block[:108]), unix_path(header.block[108:])
    _, _, block, text = reader
    source, destination, port, other_port = block.unpack(header.block)
    return (text(source), port), (text(destination), other_port)


def _read_line(raw: bytes) -> dict[str, Any]:
    body: dict[str, Any] = {
        "version": 1,
        "command": "PROXY",
        "family": "unspec",
        "transport": "unspec",
        "source": None,
        "destination": None,
        "ignored": b"",
        "tlvs": [],
    }
    if raw.startswith(b"PROXY UNKNOWN"):
        body["ignored"] = raw[13:-2]
        return body
    _, _, source, destination, port, other_port = raw[:-2].decode().split(" ")
    six = raw[9:10] == b"6"
    body["family"] = "inet6" if six else "inet"
    body["transport"] = "stream"
    body["source"] = (ipv6_text(ipv6_bytes(source)) if six else source, int(port))
    body["destination"] = (ipv6_text(ipv6_bytes(destination)) if six else destination, int(other_port))
    return body


def split_datagram(data: bytes | bytearray | memoryview, limits: Limits | None = None) -> tuple[Message, bytes]:
    """The header of one datagram and what it carries behind it: over UDP, every datagram has a header of its own.

    Raises RemoteProtocolError where it has none, TruncatedMessage where the header is not whole.
    """
    data = bytes(data)
    buffer = ReceiveBuffer("proxy", data)
    message = ProxyCodec(limits).decode(_CLIENT, buffer) if data else None
    if message is None:
        raise TruncatedMessage("proxy", len(data), f"the datagram ends {len(data)} bytes into a PROXY header")
    return message, data[message.size :]
