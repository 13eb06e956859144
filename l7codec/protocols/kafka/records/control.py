"""Control records: what brokers write into a partition for their own and for consumers, not for applications.

The key is two int16, its version and the type; the value is a struct of its own for each type, its version first.
"""

from __future__ import annotations

import struct
from typing import Any

from ....errors import BodyError
from .batch import Record

__all__ = ["TYPES", "control", "control_type"]

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


_VALUES = {
    "abort": "EndTxnMarker",
    "commit": "EndTxnMarker",
    "leader_change": "LeaderChangeMessage",
    "snapshot_header": "SnapshotHeaderRecord",
    "snapshot_footer": "SnapshotFooterRecord",
    "kraft_version": "KRaftVersionRecord",
    "kraft_voters": "VotersRecord",
}


def control(record: Record) -> dict[str, Any]:
    """A control record as plain data: its `type`, and the fields of its value by the names in Kafka's schema.

    Of a type that Kafka has not given away there is the type alone. Raises BodyError where the value is wrong.
    """
    from ..bodies import read_data  # which needs records itself

    kind = control_type(record)
    shown: dict[str, Any] = {"type": kind}
    name = _VALUES.get(kind)
    if name is not None:
        if record.value is None:
            raise BodyError("kafka", 0, f"a control record of type {kind} without a value")
        version, fields = read_data(name, record.value)
        shown |= {"version": version, **fields}
    return shown
