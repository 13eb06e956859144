"""Control records: what brokers write into a partition for their own and for consumers, not for applications.

The key is two int16, its version and the type; the value follows a schema of its own for each type.
"""

from __future__ import annotations

import struct

from .batch import Record

__all__ = ["TYPES", "control_type"]

TYPES = {
    0: "abort",
    1: "commit",
    2: "leader_change",
    3: "snapshot_header",
    4: "snapshot_footer",
    5: "kraft_version",
    6: "kraft_voters",
}
"""ControlRecordType in Kafka's sources: 0 and 1 end a transaction, the others are of KRaft's metadata log."""

_KEY = struct.Struct(">hh")


def control_type(record: Record) -> str:
    """What a control record says; `unknown` where Kafka has not given its number away."""
    key = record.key
    if key is None or len(key) < _KEY.size:
        return "unknown"
    return TYPES.get(_KEY.unpack_from(key)[1], "unknown")
