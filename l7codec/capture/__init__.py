"""From capture files to messages: pcap and pcapng, packets, TCP put together, protocols recognised.

    for record in l7codec.capture.read_messages("mesh.pcapng"):
        print(record.time_ns, record.source, record.message.metadata, record.latency)

    for packet in l7codec.capture.read_packets("mesh.pcapng"):
        print(packet.time_ns, packet.interface.name, len(packet.data), "of", packet.length)

    for piece in l7codec.capture.read_streams("mesh.pcapng"):
        print(piece.conversation, piece.side, piece.gap, piece.data, piece.end)

    files ─▶ source ─▶ pcap, pcapng ─▶ link ─▶ ip, fragments, tunnels ─▶ tcp, udp ─▶ Piece
                          └──────────────── fast ────────────────────┘

Only `files` touches files; everything else is arithmetic on bytes. Times are integer nanoseconds throughout.
"""

from __future__ import annotations

from .conversations import ConversationReader, Spoken, read_conversations
from .dissect import Segment
from .ends import Ends
from .errors import CaptureError, CaptureWarning
from .flow import End, Flow, Piece
from .limits import CaptureLimits
from .messages import Burst, MessageReader, Record, read_messages
from .packet import Interface, Packet
from .reader import PacketReader, read_packets
from .shard import flow_hash
from .streams import SegmentReader, StreamReader, read_segments, read_streams
from .summary import Summary, Trouble

__all__ = [
    "Burst",
    "CaptureError",
    "CaptureLimits",
    "CaptureWarning",
    "ConversationReader",
    "End",
    "Ends",
    "Flow",
    "Interface",
    "MessageReader",
    "Packet",
    "PacketReader",
    "Piece",
    "Record",
    "Segment",
    "SegmentReader",
    "Spoken",
    "StreamReader",
    "Summary",
    "Trouble",
    "flow_hash",
    "read_conversations",
    "read_messages",
    "read_packets",
    "read_segments",
    "read_streams",
]
