"""The header itself: framing, metadata, body; see the package's docstring for the wire."""

from __future__ import annotations

import re
import struct
import sys
from typing import Any, Final, NamedTuple, TypeAlias

from ...addresses import ipv4_text, ipv6_bytes, ipv6_text
from ...buffer import ReceiveBuffer
from ...codec import NO, Answer, Codec, Confidence, Verdict
from ...errors import BodyError, LimitExceeded, RemoteProtocolError, TruncatedMessage
from ...limits import DEFAULT_LIMITS, Limits
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
_TCP = re.compile(
    rb"PROXY TCP(?:4 (%b) (%b)|6 (%b) (%b)) (%b) (%b)\r\n" % (_IPV4, _IPV4, _IPV6, _IPV6, _PORT, _PORT)
).match
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
        try:
            found = _parse(buffer.data, buffer.position, self.limits, buffer.hole)
        except _Wrong as wrong:
            raise (buffer.exceed if wrong.limit else buffer.fail)(wrong.reason, wrong.at) from None
        if isinstance(found, _Lacking):
            buffer.wait(*found)
            return None
        size, metadata, error = found
        self._finished = True
        return Message("proxy", _PREFACE, _CLIENT, metadata, buffer.take(size), None, 0, error)

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


class _Lacking(NamedTuple):
    """What is still to come of a header: the arguments of `ReceiveBuffer.wait`."""

    need: int
    delimiter: bytes = b""
    counted: bool = False


class _Wrong(Exception):
    """No header. Never leaves the module."""

    def __init__(self, at: int, reason: str, limit: bool = False) -> None:
        super().__init__(at, reason)
        self.at = at
        self.reason = reason
        self.limit = limit


_Parsed: TypeAlias = "tuple[int, Metadata, BodyError | None]"
"""A header: its size, what it says, what is wrong in its TLVs."""


def _parse(data: bytes, start: int, limits: Limits, hole: int | None = None) -> _Parsed | _Lacking:
    """The header that begins at `start`. Raises _Wrong, with an offset from there."""
    if data.startswith(SIGNATURE, start):
        return _binary(data, start, limits, hole)
    match = _TCP(data, start)
    if match is None or match.end() - start > LINE_MAX:
        return _odd_line(data, start)
    source, destination, source6, destination6, source_port, destination_port = match.groups()
    port, other_port = int(source_port), int(destination_port)
    if port > 0xFFFF or other_port > 0xFFFF:
        return _odd_line(data, start)
    if source:  # canonical as it stands: no other spelling is allowed
        family, address, other = "inet", source.decode(), destination.decode()
    else:
        try:
            family, address = "inet6", ipv6_text(ipv6_bytes(source6.decode()))
            other = ipv6_text(ipv6_bytes(destination6.decode()))
        except ValueError:
            return _odd_line(data, start)
    metadata: Metadata = {
        "proxy.version": 1,
        "proxy.command": "PROXY",
        "proxy.family": family,
        "proxy.transport": "stream",
        "source.address": address,
        "source.port": port,
        "destination.address": other,
        "destination.port": other_port,
    }
    return match.end() - start, metadata, None


def _odd_line(data: bytes, start: int) -> _Parsed | _Lacking:
    """A line that is unfinished, wrong, or UNKNOWN."""
    lacking = _opening(data[start : start + 14])
    if lacking is not None:
        return lacking
    end = data.find(b"\n", start, start + LINE_MAX)
    if end < 0 and len(data) - start < LINE_MAX:
        return _Lacking(LINE_MAX, b"\n")  # nothing is decoded before the line is whole
    line = data[start : start + LINE_MAX] if end < 0 else data[start : end + 1]
    if not _UNKNOWN(line):
        raise _Wrong(*_line_fault(line))
    metadata: Metadata = {
        "proxy.version": 1,
        "proxy.command": "PROXY",
        "proxy.family": "unspec",
        "proxy.transport": "unspec",
    }
    return len(line), metadata, None


def _opening(seen: bytes) -> _Lacking | None:
    """None if `seen` begins as a line does; what it lacks if it may yet. Raises _Wrong if it cannot be a header."""
    fitting = 0
    for opening in _OPENINGS:
        common = 0
        for byte, expected in zip(seen, opening, strict=False):
            if byte != expected:
                break
            common += 1
        if common == len(opening):
            return None
        if common == len(seen):
            return _Lacking(len(seen) + 1)
        fitting = max(fitting, common)
    reason = "begins neither with the signature of version 2 nor with 'PROXY ' and TCP4, TCP6 or UNKNOWN"
    raise _Wrong(fitting, f"a PROXY header must come here, and this {reason}")


def _binary(data: bytes, start: int, limits: Limits, hole: int | None) -> _Parsed | _Lacking:
    there = len(data) - start
    if there < 16:
        _check_head(data[start:])
        return _Lacking(there + 1)  # a wrong byte is told as soon as it is there
    version_command, protocol, length = _HEAD.unpack_from(data, start)
    reader = _READERS.get(protocol) if version_command == 0x21 else None
    if reader is None or length < reader[2].size:
        _check_head(data[start : start + 16])
    size = 16 + length
    if size > limits.message:
        raise _Wrong(14, f"a header of {size} bytes is over the limit of {limits.message}", limit=True)
    if there < size:
        return _Lacking(size, b"", True)
    if reader is None or (hole is not None and hole < 16 + reader[2].size):
        return _other(data[start : start + size], limits, hole)
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
        return size, metadata, None
    return size, metadata, _vectors(data[start : start + size], 16 + block.size, metadata, limits)


def _other(raw: bytes, limits: Limits, hole: int | None) -> _Parsed:
    """A header that is LOCAL, or over AF_UNIX, or without addresses: unused, or missing from the capture."""
    header = Header(raw)
    metadata: Metadata = {"proxy.version": 2, "proxy.command": header.command}
    if hole is not None:
        return len(raw), metadata, None
    if header.command == "LOCAL":
        return len(raw), metadata, header.local_fault()
    metadata["proxy.family"] = FAMILIES[header.protocol >> 4]
    metadata["proxy.transport"] = TRANSPORTS[header.protocol & 0xF]
    if header.used:
        for key, path in (("source.address", header.block[:108]), ("destination.address", header.block[108:])):
            text = unix_path(path)
            if text:
                metadata[key] = text
    return len(raw), metadata, _vectors(raw, header.start, metadata, limits)


def _vectors(raw: bytes, start: int, metadata: Metadata, limits: Limits) -> BodyError | None:
    """Put what the TLVs say into `metadata`. Raises _Wrong for their framing and their checksum."""
    try:
        tlvs = tlv.split(raw, start, len(raw))
        if tlv.verify(raw, tlvs, start):
            metadata["proxy.tlv.crc32c"] = True
    except tlv.VectorError as bad:
        raise _Wrong(bad.at, bad.reason) from None
    fault = tlv.describe(tlvs, start, metadata, limits.values)
    return None if fault is None else BodyError("proxy", *fault)


def _line_fault(line: bytes) -> tuple[int, str]:
    """What is wrong with a line of version 1, and where."""
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


def _ending_fault(line: bytes, at: int) -> tuple[int, str]:
    if at + 2 > LINE_MAX:
        return LINE_MAX - 1, f"no CRLF within {LINE_MAX} bytes"
    return at + (line[at : at + 1] == b"\r"), "the line must end in CRLF"


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


def _check_head(head: bytes) -> None:
    """Raises _Wrong for the first wrong byte among the first, up to 16, of a version 2 header."""
    if len(head) > 12:
        if head[12] >> 4 != 2:
            raise _Wrong(12, f"version {head[12] >> 4} behind the signature of version 2")
        if head[12] & 0xF > 1:
            raise _Wrong(12, f"command {head[12] & 0xF} is neither LOCAL nor PROXY")
    if len(head) > 13 and head[12] == 0x21:  # LOCAL: the family is ignored
        family, transport = head[13] >> 4, head[13] & 0xF
        if family >= len(FAMILIES):
            raise _Wrong(13, f"address family {family} is not defined")
        if transport >= len(TRANSPORTS):
            raise _Wrong(13, f"transport protocol {transport} is not defined")
        if len(head) == 16 and transport:
            length = int.from_bytes(head[14:16], "big")
            if length < SIZES[family]:
                needed = f"{FAMILIES[family]} addresses, which take {SIZES[family]}"
                raise _Wrong(14, f"{length} bytes are too few for {needed}")


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

    def local_fault(self) -> BodyError | None:
        """A checksum that is wrong: of a LOCAL header, which must be accepted, that is told and no more."""
        try:
            tlv.verify(self.raw, self.tlvs(), self.start)
        except tlv.VectorError as bad:
            return BodyError("proxy", bad.at, bad.reason)
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
    try:
        found = _parse(data, 0, limits or DEFAULT_LIMITS)
    except _Wrong as wrong:
        raise (LimitExceeded if wrong.limit else RemoteProtocolError)("proxy", wrong.at, wrong.reason) from None
    if isinstance(found, _Lacking):
        raise TruncatedMessage("proxy", len(data), f"the datagram ends {len(data)} bytes into a PROXY header")
    size, metadata, error = found
    return Message("proxy", _PREFACE, _CLIENT, metadata, data[:size], None, 0, error), data[size:]
