"""How much of a capture may be held in memory at once: every default with its precedent and the attack it stops.

All times are capture time, taken from the packets and never from a clock, so that a file gives the same answer
whenever and however fast it is read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["DEFAULT_LIMITS", "CaptureLimits"]

_SECOND: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class CaptureLimits:
    """Bounds of the stream reader; memory is at most about `connections` × 1 KiB + `held` + `fragments`.

    Passing one never raises: the oldest is given up, which its last piece (or `skipped`) says.
    """

    connections: int = 65_536
    """TCP connections, and as many UDP address pairs; over it the least recently used sixteenth is ended as EVICTED.
    Linux: nf_conntrack_max 65,536 on a 4 GB machine. Attack: a port scan in the capture."""

    lingering: int = 4_096
    """Closed TCP connections kept to recognise late retransmissions. Linux: tcp_max_tw_buckets, 4,096 upwards.
    Attack: connection churn."""

    tcp_idle: int = 3_600 * _SECOND
    """Nanoseconds without a packet after which a TCP connection is ended as TIMEOUT.
    Suricata: `flow-timeouts: tcp: established: 3600`."""

    udp_idle: int = 300 * _SECOND
    """The same for a UDP address pair. Suricata: `flow-timeouts: udp: established: 300`."""

    tcp_linger: int = 60 * _SECOND
    """How long a closed connection is remembered. Linux: TCP_TIMEWAIT_LEN, 60 s."""

    hole_bytes: int = 1 << 20
    """Bytes held behind a hole in one direction; over it the hole is given up and reported as a gap.
    Suricata: `stream.reassembly.depth: 1mb`. Attack: a hole that never fills in front of a flood."""

    hole_time: int = 10 * _SECOND
    """Nanoseconds a hole may stay open when no acknowledgement tells that it never will be filled (one-sided
    captures): five doublings of Linux's TCP_RTO_MIN (0.2 + 0.4 + 0.8 + 1.6 + 3.2 s) fit in it."""

    held: int = 64 << 20
    """Bytes held behind holes by all connections together; over it the oldest hole is given up.
    Suricata: `stream.memcap: 64mb`. Attack: one small hole in each of very many connections."""

    fragments: int = 4 << 20
    """Bytes of unfinished IP datagrams; over it the oldest are dropped and counted in `skipped`.
    Linux: net.ipv4.ipfrag_high_thresh, 4 MiB. Attack: first fragments without an end."""

    fragment_time: int = 30 * _SECOND
    """Nanoseconds an unfinished IP datagram is kept. Linux: net.ipv4.ipfrag_time, 30 s."""


DEFAULT_LIMITS: Final = CaptureLimits()
