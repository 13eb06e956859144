"""A conversation between two addresses, its two directions, and the pieces that come out of them.

Flow  conversation 3, tcp            Half 0 ── 10.0.0.1:40112 → 10.0.0.2:6379 ── Side.CLIENT
                                     Half 1 ── 10.0.0.2:6379 → 10.0.0.1:40112 ── Side.SERVER
"""

from __future__ import annotations

from enum import StrEnum
from functools import cached_property
from typing import Final

from ..addresses import ipv4_text, ipv6_text
from ..message import Side
from .dissect import TCP, Segment
from .intervals import Intervals

__all__ = ["NOTHING", "End", "Flow", "Half", "Piece", "reverse"]


class End(StrEnum):
    """Why a direction is over."""

    FIN = "fin"
    """Its sender said so."""
    RST = "rst"
    """Its sender, or its receiver, reset the connection."""
    REUSED = "reused"
    """A new connection took over its addresses and ports; its end was not captured."""
    TIMEOUT = "timeout"
    """Nothing was heard for `CaptureLimits.tcp_idle` or `udp_idle`."""
    EVICTED = "evicted"
    """More than `CaptureLimits.connections` were open, and this one had been quiet longest."""
    CAPTURE = "capture"
    """The capture ended; the connection may have gone on."""


def reverse(key: bytes) -> bytes:
    """The key of the other direction."""
    size = (len(key) - 4) >> 1
    return key[size:-4] + key[:size] + key[-2:] + key[-4:-2]


NOTHING: Final[Intervals[tuple[int, int]]] = Intervals()
"""What is pending where nothing is; never inserted into."""


class Half:
    """One direction of a flow: where its bytes stand. Positions are sequence numbers that do not wrap."""

    __slots__ = (
        "acked",
        "candidate",
        "cost",
        "ended",
        "first",
        "flow",
        "frame",
        "index",
        "key",
        "known",
        "limit",
        "peer",
        "pending",
        "plain",
        "position",
        "started",
        "time_ns",
    )

    peer: Half

    def __init__(self, flow: Flow, index: int, key: bytes) -> None:
        self.flow = flow
        self.index = index
        self.key = key
        self.started = False
        self.known = False
        """Whether its first byte is known: its SYN was seen."""
        self.ended = False
        self.plain = False
        """Whether the next segment in order needs no thought: nothing waits in either direction."""
        self.position = 0
        """The next byte expected."""
        self.first = 0
        """Where its first byte stands."""
        self.acked = -1
        """What its sender has acknowledged last, mod 2³²; −1 before."""
        self.limit: tuple[int, End, int, int] | None = None
        """Where it ends and how, once that is known, with the time and frame of the packet that said so."""
        self.pending: Intervals[tuple[int, int]] = NOTHING
        """Bytes behind a hole, each with the time and frame of its packet."""
        self.cost = 0
        """What of the total of held bytes is charged to it."""
        self.time_ns = 0
        self.frame = 0
        """The latest packet among those whose bytes were given out."""
        self.candidate: Segment | None = None
        """A segment that fits this connection badly and may begin a new one: the next ones tell."""


class Flow:
    """A TCP connection, or the datagrams between two UDP endpoints."""

    def __init__(self, number: int, transport: int, key: bytes, time_ns: int, frame: int) -> None:
        self.number = number
        """Counts conversations from 1, in the order of their first packets."""
        self.transport = "tcp" if transport == TCP else "udp"
        self.first_frame = frame
        """The packet that opened it: the same number however many workers share a file."""
        self.time_ns = time_ns
        """When its latest packet was captured."""
        self.frame = frame
        """The number of its latest packet."""
        self.certain = False
        """Whether the handshake told which side is the client."""
        self.closed = False
        """Whether it has given its last piece."""
        self.spoke = False
        """Whether it has given any."""
        self.client = 0
        self.over: End | None = None
        """Set when one side reset it: how the other side ends, too."""
        self.halves = (Half(self, 0, key), Half(self, 1, reverse(key)))
        self.halves[0].peer, self.halves[1].peer = self.halves[1], self.halves[0]
        if _rank(key[-4:-2]) < _rank(key[-2:]):
            self.client = 1

    def turn(self) -> None:
        """Swap client and server: for who finds out, from what was said, that the guess was wrong.

        Pieces that were given out already answer anew.
        """
        self.client = 1 - self.client

    @cached_property
    def endpoints(self) -> tuple[tuple[str, int], tuple[str, int]]:
        """Address and port of the sender of direction 0, and of direction 1."""
        key = self.halves[0].key
        size = (len(key) - 4) >> 1
        text = ipv4_text if size == 4 else ipv6_text
        source, destination = text(key[:size]), text(key[size:-4])
        return (source, int.from_bytes(key[-4:-2], "big")), (destination, int.from_bytes(key[-2:], "big"))

    def __repr__(self) -> str:
        (source, sport), (destination, dport) = self.endpoints
        return f"<Flow {self.number} {self.transport} {source} {sport} > {destination} {dport}>"


_WELL_KNOWN: Final = b"\x04\x00"  # below 1024
_EPHEMERAL: Final = b"\x80\x00"  # from 32768: Linux's ip_local_port_range; RFC 6335 has 49152


def _rank(port: bytes) -> int:
    """How unlike a server's port it is: 0 well known, 1 registered, 2 ephemeral."""
    return (port >= _WELL_KNOWN) + (port >= _EPHEMERAL)


class Piece:
    """Some bytes of one direction of a conversation, in order; or that some are missing; or that it is over.

    `gap` bytes are missing before `data`; `end` says that nothing follows in this direction. A conversation that has
    given any piece ends with one end piece for each of its two directions (both may have data or not).
    """

    __slots__ = ("data", "end", "frame", "gap", "half", "missing", "time_ns")

    def __init__(
        self, half: Half, time_ns: int, frame: int, data: bytes, gap: int = 0, end: End | None = None, missing: int = 0
    ) -> None:
        self.half = half
        self.time_ns = time_ns
        """Capture time of the packet that completed it: the latest of those that hold its bytes and, unless they are
        missing, the bytes before it."""
        self.frame = frame
        """The number of that packet in the file."""
        self.data = data
        self.gap = gap
        """Bytes missing before `data`: lost by the capture, or cut by its snap length."""
        self.end = end
        self.missing = missing
        """UDP: bytes of the datagram behind `data` that were cut by the snap length."""

    @property
    def flow(self) -> Flow:
        """The conversation it belongs to, which can be turned round."""
        return self.half.flow

    @property
    def conversation(self) -> int:
        """The conversation's number, from 1."""
        return self.half.flow.number

    @property
    def side(self) -> Side:
        """Who wrote it: as the handshake tells, else as the ports suggest (`flow.certain` says which)."""
        half = self.half
        return Side.CLIENT if half.index == half.flow.client else Side.SERVER

    @property
    def transport(self) -> str:
        """ "tcp" or "udp"."""
        return self.half.flow.transport

    @property
    def source(self) -> tuple[str, int]:
        """Address and port of the sender."""
        half = self.half
        return half.flow.endpoints[half.index]

    @property
    def destination(self) -> tuple[str, int]:
        """Address and port of the receiver."""
        half = self.half
        return half.flow.endpoints[1 - half.index]

    @property
    def start_known(self) -> bool:
        """Whether this direction is had from its first byte on (its SYN was seen); always so for UDP."""
        return self.half.known

    def __repr__(self) -> str:
        gap = f" gap {self.gap}" if self.gap else ""
        end = f" end {self.end}" if self.end else ""
        side = "client" if self.side is Side.CLIENT else "server"
        return (
            f"<Piece {self.transport} {self.conversation} {side} frame {self.frame}:{gap} {len(self.data)} bytes{end}>"
        )
