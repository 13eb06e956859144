"""From capture files to streams: pcap and pcapng, packets, TCP put together.

    for packet in l7codec.capture.read_packets("mesh.pcapng"):
        print(packet.time_ns, packet.interface.name, len(packet.data), "of", packet.length)

    for piece in l7codec.capture.read_streams("mesh.pcapng"):
        print(piece.conversation, piece.side, piece.gap, piece.data, piece.end)

    files ─▶ source ─▶ pcap, pcapng ─▶ link ─▶ ip, fragments, tunnels ─▶ tcp, udp ─▶ Piece
                          └──────────────── fast ────────────────────┘

Only `files` touches files; everything else is arithmetic on bytes. Times are integer nanoseconds throughout.
"""

from __future__ import annotations

from .dissect import Segment
from .errors import CaptureError, CaptureWarning
from .flow import End, Flow, Piece
from .limits import CaptureLimits
from .packet import Interface, Packet
from .reader import PacketReader, read_packets
from .shard import flow_hash
from .streams import SegmentReader, StreamReader, read_segments, read_streams

__all__ = [
    "CaptureError",
    "CaptureLimits",
    "CaptureWarning",
    "End",
    "Flow",
    "Interface",
    "Packet",
    "PacketReader",
    "Piece",
    "Segment",
    "SegmentReader",
    "StreamReader",
    "flow_hash",
    "read_packets",
    "read_segments",
    "read_streams",
]
