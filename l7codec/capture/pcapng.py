"""pcapng files: https://www.ietf.org/archive/id/draft-ietf-opsawg-pcapng-02.html

    block                                                          options, at the end of most blocks
    +------+--------------+~~~~~~~~~~~~~~~~~~~~+--------------+    +------+--------+~~~~~~~~~~~~~~~~+
    | type | total length |        body        | total length |    | code | length | value, padded  |
    +------+--------------+~~~~~~~~~~~~~~~~~~~~+--------------+    +------+--------+~~~~~~~~~~~~~~~~+
      u32        u32         multiple of 4           u32              u16     u16     multiple of 4

    section header   0a0d0d0a  | byte order magic 1a2b3c4d | major 1 | minor | section length u64 | options
    interface             1    | link type u16 | 0 | snap length | options: name 2, description 3,
                                                                    tsresol 9, tsoffset 14
    enhanced packet       6    | interface | time high | time low | captured | length | data | options
    simple packet         3    | length | data
    packet (obsolete)     2    | interface u16 | drops u16 | time high | time low | captured | length | data | options

A file is one or more sections, each with its own byte order and its own interfaces. Blocks of any other type are
passed over, as the specification demands.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

from .packet import Interface, Packet
from .source import Source

__all__ = ["MAGIC", "MAX_BLOCK", "PcapngReader"]

MAGIC: Final = b"\x0a\x0d\x0d\x0a"
"""The type of a section header block reads the same in both byte orders."""

_SECTION: Final = 0x0A0D0D0A
_INTERFACE: Final = 1
_PACKET: Final = 2
_SIMPLE: Final = 3
_ENHANCED: Final = 6

_ORDERS: Final = {b"\x4d\x3c\x2b\x1a": "<", b"\x1a\x2b\x3c\x4d": ">"}

_END: Final = 0
_NAME: Final = 2
_DESCRIPTION: Final = 3
_RESOLUTION: Final = 9
_OFFSET: Final = 14

_FRAME: Final = 12  # type, length and length again
_SECTION_FIXED: Final = 16
_INTERFACE_FIXED: Final = 8
_PACKET_FIXED: Final = 20

MAX_BLOCK: Final = 16 << 20
"""Bytes of a block: libpcap's INITIAL_MAX_BLOCKSIZE and Wireshark's MAX_BLOCK_SIZE. A damaged length must not make us
read the rest of the file into memory."""

MAX_INTERFACES: Final = 65_536
"""Interfaces of a section: what the obsolete packet block can name. Attack: a file of nothing but interface blocks."""


class PcapngReader:
    """Gives the packets of one file, in file order."""

    __slots__ = ("frame", "interfaces", "order", "source")

    def __init__(self, source: Source) -> None:
        """Read the first section header. Raises CaptureError where it is none."""
        self.source = source
        self.frame = 0
        self.order = "<"
        self.interfaces: list[Interface] = []
        if not source.ensure(_FRAME + _SECTION_FIXED):
            raise source.refuse("the file ends inside the pcapng section header")
        reason = self._section()
        if reason:
            raise source.refuse(reason)

    def next(self) -> Packet | None:
        """The next packet, None at the end of the file or where damage begins (see the source's `warnings`)."""
        source = self.source
        while source.ensure(_FRAME):
            window = source.window
            position = source.position
            if window[position : position + 4] == MAGIC:
                reason = self._section() if source.ensure(_FRAME + _SECTION_FIXED) else "a section header is cut short"
                if reason:
                    self._stop(reason)
                    return None
                continue
            kind, total = struct.unpack_from(self.order + "II", window, position)
            if not self._whole(total):
                return None
            body = source.window[source.position + 8 : source.position + total - 4]
            packet = self._block(kind, body)
            source.position += total
            if packet is not None:
                return packet
        if source.remaining:
            self._stop(f"the file ends inside a block header, {source.remaining} bytes of {_FRAME}")
        return None

    def _stop(self, reason: str) -> None:
        self.source.stop(self.frame, reason)

    def _whole(self, total: int) -> bool:
        """Whether the block at the position is framed as it must be and there to its end; if not, it is said why."""
        source = self.source
        if total < _FRAME or total % 4 or total > MAX_BLOCK:
            self._stop(f"damaged: a block of {total} bytes")
        elif not source.ensure(total):
            self._stop(f"the file ends inside a block, {source.remaining} bytes of {total}")
        else:
            (again,) = struct.unpack_from(self.order + "I", source.window, source.position + total - 4)
            if again == total:
                return True
            self._stop(f"damaged: a block begins with length {total} and ends with {again}")
        return False

    def _section(self) -> str | None:
        """Begin the section whose header is at the position; returns what is wrong with it."""
        source = self.source
        order = _ORDERS.get(source.window[source.position + 8 : source.position + 12])
        if order is None:
            return "damaged: a section header without its byte order magic"
        self.order = order
        total, _, major, minor = struct.unpack_from(order + "IIHH", source.window, source.position + 4)
        if major != 1:
            return f"pcapng version {major}.{minor} is not known"
        if total < _FRAME + _SECTION_FIXED or total % 4 or total > MAX_BLOCK:
            return f"damaged: a section header of {total} bytes"
        if not source.ensure(total):
            return f"the file ends inside a section header, {source.remaining} bytes of {total}"
        (again,) = struct.unpack_from(order + "I", source.window, source.position + total - 4)
        if again != total:
            return f"damaged: a section header begins with length {total} and ends with {again}"
        source.position += total
        self.interfaces = []
        return None

    def _block(self, kind: int, body: bytes) -> Packet | None:
        order = self.order
        if kind == _ENHANCED and len(body) >= _PACKET_FIXED:
            number, high, low, captured, length = struct.unpack_from(order + "IIIII", body)
            return self._packet(number, (high << 32) | low, captured, length, body[_PACKET_FIXED:])
        if kind == _PACKET and len(body) >= _PACKET_FIXED:
            number, _, high, low, captured, length = struct.unpack_from(order + "HHIIII", body)
            return self._packet(number, (high << 32) | low, captured, length, body[_PACKET_FIXED:])
        if kind == _SIMPLE and len(body) >= 4:
            (length,) = struct.unpack_from(order + "I", body)
            snap_length = self.interfaces[0].snap_length if self.interfaces else 0
            captured = min(length, snap_length or length, len(body) - 4)
            return self._packet(0, None, captured, length, body[4:])
        if kind == _INTERFACE and len(body) >= _INTERFACE_FIXED:
            self._interface(body)
        elif kind in {_ENHANCED, _PACKET, _SIMPLE, _INTERFACE}:
            self.source.warn(self.frame, f"damaged: a block of type {kind} is too short; passed over")
        return None

    def _packet(self, number: int, units: int | None, captured: int, length: int, rest: bytes) -> Packet | None:
        self.frame += 1  # a packet that cannot be read keeps its number, so that later ones keep theirs
        if number >= len(self.interfaces):
            self.source.warn(self.frame - 1, f"a packet names interface {number}, which is not declared; passed over")
            return None
        if captured > len(rest):
            self.source.warn(self.frame - 1, "damaged: a packet is longer than its block; passed over")
            return None
        interface = self.interfaces[number]
        time_ns = 0 if units is None else interface.time_ns(units)
        return Packet(time_ns, self.frame, interface, rest[:captured], length)

    def _interface(self, body: bytes) -> None:
        if len(self.interfaces) >= MAX_INTERFACES:
            self.source.warn(self.frame, f"more than {MAX_INTERFACES} interfaces; passed over")
            return
        link_type, _, snap_length = struct.unpack_from(self.order + "HHI", body)
        name = description = None
        ticks, offset = 1_000_000, 0
        for code, value in self._options(body, _INTERFACE_FIXED):
            if code == _NAME:
                name = _text(value)
            elif code == _DESCRIPTION:
                description = _text(value)
            elif code == _RESOLUTION and len(value) == 1:
                exponent = value[0] & 0x7F
                ticks = 1 << exponent if value[0] & 0x80 else 10**exponent
            elif code == _OFFSET and len(value) == 8:
                (offset,) = struct.unpack(self.order + "q", value)
            elif code in {_RESOLUTION, _OFFSET}:
                self.source.warn(self.frame, f"damaged: interface option {code} of {len(value)} bytes; passed over")
        number = len(self.interfaces)
        self.interfaces.append(Interface(number, link_type, snap_length, name, description, ticks, offset))

    def _options(self, body: bytes, position: int) -> Iterator[tuple[int, bytes]]:
        """The options from `position` on, up to the end mark or to the first that does not fit."""
        while position + 4 <= len(body):
            code, size = struct.unpack_from(self.order + "HH", body, position)
            position += 4
            if code == _END:
                return
            if position + size > len(body):
                self.source.warn(self.frame, f"damaged: option {code} is longer than its block; passed over")
                return
            yield code, body[position : position + size]
            position += (size + 3) & ~3


def _text(value: bytes) -> str:
    return value.rstrip(b"\0").decode("utf-8", "surrogateescape")
