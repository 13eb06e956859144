"""What Kafka's real writers wrote. `records.json` is made by scripts/make_kafka_records.py."""

from __future__ import annotations

COUNT = 12
HEADER = tuple[str, bytes | None]
Given = tuple[bytes | None, bytes | None, tuple[HEADER, ...], int]


def given(magic: int) -> list[Given]:
    """Key, value, headers and timestamp of the records that every writer was given; KafkaRecords.java has the same."""
    return [
        (
            None if index % 3 == 0 else f"key-{index}".encode(),
            None if index % 4 == 3 else f"value-{index} ".encode() * (index * 5),
            (("h", f"x{index}".encode()), ("größe", None)) if index % 2 and magic == 2 else (),
            1_700_000_000_000 + index * 997 if magic else -1,
        )
        for index in range(COUNT)
    ]
