"""Kafka's records: the batches and message sets that Produce requests and Fetch responses carry.

    from l7codec.protocols.kafka import records

    field = records.Records(data)             the exact bytes of a records field; nothing is read yet
    for batch in field.batches: ...           headers alone: compression, counts, producer; no record is touched
    for record in field: ...                  key, value, headers, timestamp, offset; decompressed batch by batch

    batch = records.batch([(b"key", b"value")], compression="gzip")
    batch.replace(records=[...])              written anew; all that is not edited keeps its bytes
    records.Records.join(batch, batch)        the field's bytes again, in `.data`

Every format there has been: batches (format 2, since 0.11), messages of format 1 and 0 with what is compressed inside
them. See `docs/protocols/kafka-records.md`.
"""

from __future__ import annotations

from .batch import Batch, Record, batch, message
from .control import control, control_type
from .field import Records

__all__ = ["Batch", "Record", "Records", "batch", "control", "control_type", "message"]
