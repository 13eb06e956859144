"""What a capture file holds: packets, each taken at one interface."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Interface", "Packet"]


@dataclass(frozen=True, slots=True)
class Interface:
    """Where packets were captured. A classic pcap file has one, number 0 without a name.

    `link_type` is a LINKTYPE_ number (https://www.tcpdump.org/linktypes.html); `snap_length` the most bytes kept of a
    packet, 0 for all; `number` counts in its section. The clock: `ticks` units a second, `offset` seconds to add.
    """

    number: int
    link_type: int
    snap_length: int = 0
    name: str | None = None
    description: str | None = None
    ticks: int = 1_000_000
    offset: int = 0

    def time_ns(self, units: int) -> int:
        """Nanoseconds since 1970 for a time stamp in this interface's units, rounded down."""
        return units * 1_000_000_000 // self.ticks + self.offset * 1_000_000_000


class Packet:
    """One captured packet."""

    __slots__ = ("data", "frame", "interface", "length", "time_ns")

    def __init__(self, time_ns: int, frame: int, interface: Interface, data: bytes, length: int) -> None:
        self.time_ns = time_ns
        """When it was captured, nanoseconds since 1970; 0 where the file does not say (simple packet blocks)."""
        self.frame = frame
        """Its number in the file, from 1."""
        self.interface = interface
        self.data = data
        """The bytes that were captured, from the link layer on."""
        self.length = length
        """How long it was on the wire: more than `len(data)` where the snap length cut it."""

    @property
    def link_type(self) -> int:
        """The LINKTYPE_ number that says how to read `data`."""
        return self.interface.link_type

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Packet):
            return NotImplemented
        return (self.time_ns, self.frame, self.interface, self.data, self.length) == (
            other.time_ns,
            other.frame,
            other.interface,
            other.data,
            other.length,
        )

    __hash__ = None  # type: ignore[assignment]  # equality by value, and slots can be written

    def __repr__(self) -> str:
        cut = "" if len(self.data) == self.length else f" of {self.length}"
        return f"<Packet {self.frame} at {self.time_ns}: {len(self.data)}{cut} bytes, link type {self.link_type}>"
