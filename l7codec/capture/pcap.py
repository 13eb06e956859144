"""Classic pcap files: https://www.ietf.org/archive/id/draft-ietf-opsawg-pcap-04.html (pcap-savefile(5)).

    file header, 24 bytes, in the byte order of the machine that wrote it
    +--------+---------+---------+------+------+-------------+--------------------------------+
    | magic  | major 2 | minor 4 |  0   |  0   | snap length | FCS (4) R F (2) … link type 16 |
    +--------+---------+---------+------+------+-------------+--------------------------------+
       u32       u16       u16     u32    u32        u32                   u32

    record
    +---------+----------------+------------+----------------+ modified (Kuznetzov) only +~~~~~~~~~~~~+
    | seconds | micro- or nano |  captured  | length on wire | ifindex | proto | type | 0 | captured   |
    +---------+----------------+------------+----------------+   u32      u16     u8   u8 +~~~~~~~~~~~~+

Seconds count unsigned, so that files last until 2106. The time zone field is passed over, as every reader does.
"""

from __future__ import annotations

import struct
from typing import Final

from .packet import Interface, Packet
from .source import Source

__all__ = ["MAGICS", "PcapReader"]

_MICRO: Final = 0xA1B2C3D4
_NANO: Final = 0xA1B23C4D
_MODIFIED: Final = 0xA1B2CD34

MAGICS: Final[dict[bytes, tuple[str, int, int]]] = {
    struct.pack(order + "I", magic): (order, factor, size)
    for order in "<>"
    for magic, factor, size in ((_MICRO, 1000, 16), (_NANO, 1, 16), (_MODIFIED, 1000, 24))
}
"""The first four bytes of a file → byte order, nanoseconds per unit of the fraction, size of a record header."""

_HEADER_SIZE: Final = 24
_OLD_MAJOR: Final = 543  # written by one early version; libpcap reads it as 2
_LAST_SWAPPED_MINOR: Final = 3  # up to 2.2 the lengths were swapped, in 2.3 they may be: libpcap sf-pcap.c

MAX_CAPTURED: Final = 262_144
"""Bytes a record may hold when the file header does not say more: libpcap's MAXIMUM_SNAPLEN. A damaged length of
2³¹ must not make us read the rest of the file into memory."""

MAX_SNAP_LENGTH: Final = 128 << 20
"""The largest snap length believed: libpcap's bound for any link type (USB and D-Bus captures)."""


class PcapReader:
    """Gives the packets of one file, in file order."""

    __slots__ = (
        "_record",
        "factor",
        "frame",
        "header_size",
        "interface",
        "max_captured",
        "minor",
        "order",
        "source",
        "swapped",
    )

    def __init__(self, source: Source) -> None:
        """Read the file header. Raises CaptureError where it is none."""
        self.source = source
        self.frame = 0
        if not source.ensure(_HEADER_SIZE):
            raise source.refuse("the file ends inside the pcap file header")
        self.order, self.factor, self.header_size = MAGICS[source.window[:4]]
        major, self.minor, _, _, snap_length, network = struct.unpack_from(self.order + "HHIIII", source.window, 4)
        if major not in {2, _OLD_MAJOR}:
            raise source.refuse(f"pcap version {major}.{self.minor} is not known")
        source.position = _HEADER_SIZE
        self.interface = Interface(
            0, network & 0xFFFF, snap_length, ticks=1_000_000_000 // self.factor
        )  # the upper half of `network` holds flags and the length of a frame check sequence
        self.max_captured = max(MAX_CAPTURED, snap_length if snap_length <= MAX_SNAP_LENGTH else 0)
        self.swapped = self.minor <= _LAST_SWAPPED_MINOR
        """Whether the lengths of a record are, or may be, the other way round."""
        self._record = struct.Struct(self.order + "IIII")

    def next(self) -> Packet | None:
        """The next packet, None at the end of the file or where damage begins (see the source's `warnings`)."""
        source = self.source
        size = self.header_size
        if not source.ensure(size):
            if source.remaining:
                source.stop(self.frame, f"the file ends inside a record header, {source.remaining} bytes of {size}")
            return None
        seconds, fraction, captured, length = self._record.unpack_from(source.window, source.position)
        if self.minor < _LAST_SWAPPED_MINOR or (self.minor == _LAST_SWAPPED_MINOR and captured > length):
            captured, length = length, captured
        if captured > self.max_captured:
            source.stop(self.frame, f"damaged: a record claims {captured} bytes, more than {self.max_captured}")
            return None
        if not source.ensure(size + captured):
            have = source.remaining - size
            source.stop(self.frame, f"the file ends inside a packet, {have} bytes of {captured}")
            return None
        start = source.position + size
        source.position = end = start + captured
        self.frame += 1
        time_ns = seconds * 1_000_000_000 + fraction * self.factor
        return Packet(time_ns, self.frame, self.interface, source.window[start:end], length)
