"""Records as Java, kafka-python, aiokafka and librdkafka write them; and ours, as these and kio read them."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from l7codec.protocols.kafka.records import Batch, Record, Records, batch, control, control_type, message

from .vectors import COUNT, given

ENTRIES = json.loads((Path(__file__).parent / "vectors" / "records.json").read_text())
CODECS = ("none", "gzip", "snappy", "lz4", "zstd")


def _name(entry: dict[str, Any]) -> str:
    return f"{entry['writer']}: {entry['what']}"


DATA = [entry for entry in ENTRIES if not entry["what"].startswith("control")]
ORDINARY = [entry for entry in DATA if entry["what"].split()[-1] in CODECS]
CONTROL = {
    entry["what"].removeprefix("control "): bytes.fromhex(entry["data"]) for entry in ENTRIES if entry not in DATA
}


def by_name(name: str) -> Records:
    return next(Records(bytes.fromhex(entry["data"])) for entry in ENTRIES if _name(entry) == name)


def test_every_writer_and_format_is_there() -> None:
    found = {(entry["writer"], entry["what"]) for entry in ENTRIES}
    for codec in CODECS:
        assert {
            ("java", f"batch {codec}"),
            ("kafka-python", f"batch {codec}"),
            ("librdkafka", f"batch {codec}"),
        } <= found
    for codec in CODECS[:4]:
        assert {("java", f"set 0 {codec}"), ("java", f"set 1 {codec}"), ("kafka-python", f"set 0 {codec}")} <= found


@pytest.mark.parametrize("entry", ORDINARY, ids=_name)
def test_what_writers_wrote(entry: dict[str, Any]) -> None:
    what = entry["what"].split()
    magic = 2 if what[0] == "batch" else int(what[1])
    records = Records(bytes.fromhex(entry["data"]))
    base = 1000 if entry["writer"] == "java" else 0
    expected = [
        Record(key, value, headers, timestamp, base + index)
        for index, (key, value, headers, timestamp) in enumerate(given(magic))
    ]
    assert list(records) == expected
    records.verify()
    assert {one.compression for one in records.batches} == {what[-1]}
    assert {one.magic for one in records.batches} == {magic}
    assert Records.join(*records.batches) == records
    assert records.partial == b""


@pytest.mark.parametrize("entry", ENTRIES, ids=_name)
def test_they_keep_their_bytes(entry: dict[str, Any]) -> None:
    records = Records(bytes.fromhex(entry["data"]))
    for one in records.batches:
        moved = one.replace(base_offset=one.base_offset + 77)
        assert moved.raw[8:] == one.raw[8:]
        assert moved.replace(base_offset=one.base_offset) == one
        if one.magic == 2:
            assert one.replace() == one
            again = one.replace(producer_id=9, transactional=False)
            assert again.raw[61:] == one.raw[61:]
            again.verify()


def test_append_time() -> None:
    for name in ("java: batch append time", "java: set 1 append time"):
        records = by_name(name)
        assert {record.timestamp for record in records} == {1_700_000_009_999}
        assert records.batches[0].log_append_time
        assert len(list(records)) == COUNT


def test_transactional() -> None:
    [one] = by_name("java: batch transactional").batches
    assert (one.transactional, one.control) == (True, False)
    assert (one.producer_id, one.producer_epoch, one.base_sequence, one.partition_leader_epoch) == (4711, 3, 12, 8)
    assert one.count == COUNT


def test_what_compaction_leaves() -> None:
    [one] = by_name("java: batch compacted").batches
    assert [record.offset for record in one] == [1000 + index for index in range(COUNT) if index % 5]
    assert (one.base_offset, one.last_offset, one.count) == (1000, 1011, 9)
    assert one.delete_horizon == 1_700_000_008_000  # the tombstones' time to go
    times = [timestamp for index, (_, _, _, timestamp) in enumerate(given(2)) if index % 5]
    assert [record.timestamp for record in one] == times
    [none] = by_name("java: batch empty").batches
    assert (list(none), none.count, none.last_offset) == ([], 0, 1011)


def test_control_records() -> None:
    assert {control_type(next(iter(Batch(data)))) for data in CONTROL.values()} == {
        "commit", "abort", "leader_change", "snapshot_header", "snapshot_footer", "kraft_version", "kraft_voters",
    }  # fmt: skip
    for name, data in CONTROL.items():
        records = Records(data)
        assert list(records) == []  # none of an application's business
        [one] = records.batches
        assert one.control
        [shown] = records.to_plain()["batches"]
        [record] = shown["records"]
        assert record["control"]["type"] == ("commit" if name == "delete horizon" else name.lower())


def test_values_of_control_records() -> None:
    """As KafkaRecords.java has set them."""
    found = {name: control(next(iter(Batch(data)))) for name, data in CONTROL.items()}
    assert found["COMMIT"] == {"type": "commit", "version": 0, "coordinator_epoch": 9}
    assert found["ABORT"] == {"type": "abort", "version": 0, "coordinator_epoch": 9}
    assert found["LEADER_CHANGE"]["leader_id"] == 1
    assert [voter["voter_id"] for voter in found["LEADER_CHANGE"]["voters"]] == [1]
    assert found["SNAPSHOT_HEADER"]["last_contained_log_timestamp"] == 1_700_000_005_000
    assert found["SNAPSHOT_FOOTER"]["version"] == 0
    assert found["KRAFT_VERSION"]["kraft_version"] == 1
    assert [voter["voter_id"] for voter in found["KRAFT_VOTERS"]["voters"]] == [1]


def test_delete_horizon_of_a_marker() -> None:
    assert Batch(CONTROL["delete horizon"]).delete_horizon == 1_700_000_008_000


def test_broken_lz4_header_checksum_of_format_0() -> None:
    """KAFKA-3160: readers of format 0 ignore it, writers write it wrong; later formats have it right."""
    [old] = by_name("java: set 0 lz4").batches
    assert len(list(old)) == COUNT
    frame = list(message([(None, b"x")], magic=0, compression="lz4")._data[26:33])
    right = list(message([(None, b"x")], magic=1, compression="lz4")._data[34:41])
    assert frame[:6] == right[:6]
    assert frame[6] != right[6]


def test_snappy_of_librdkafka_is_raw() -> None:
    [raw] = by_name("librdkafka: batch snappy").batches
    [framed] = by_name("java: batch snappy").batches
    assert not raw.raw[61:].startswith(b"\x82SNAPPY\0")
    assert framed.raw[61:].startswith(b"\x82SNAPPY\0")
    little_endian = framed.raw[:69] + b"\1\0\0\0\1\0\0\0" + framed.raw[77:]  # as Redpanda writes its version
    assert list(Batch(little_endian)) == list(framed)


# -- the other direction: what we write, others read ------------------------------------------------------------------


@pytest.mark.parametrize(("magic", "codec"), [(m, codec) for m in (0, 1, 2) for codec in CODECS[: 5 if m == 2 else 4]])
def test_kafka_python_and_aiokafka_read_ours(magic: int, codec: str) -> None:
    from aiokafka.record.memory_records import MemoryRecords as AioRecords
    from kafka.record import MemoryRecords

    rows = given(magic)
    if magic == 2:
        data = batch(rows, compression=codec, base_offset=50).raw
    elif codec == "none":
        one_by_one = [message([row], magic=magic, base_offset=50 + index) for index, row in enumerate(rows)]
        data = Records.join(*one_by_one).data
    else:
        data = message(rows, magic=magic, compression=codec, base_offset=50).raw
    for reader in (MemoryRecords, AioRecords):
        if reader is AioRecords and magic == 0 and codec == "lz4":
            continue  # which it refuses
        theirs = []
        found = reader(data)
        while (one := found.next_batch()) is not None:
            assert one.validate_crc()
            theirs += [
                (r.key, r.value, tuple(r.headers), -1 if r.timestamp is None else r.timestamp, r.offset) for r in one
            ]
        assert theirs == list(Records(data))


def test_kio_both_ways() -> None:
    """It neither decompresses nor keeps milliseconds: what it can say goes both ways."""
    from kio.records.readers import read_batch
    from kio.records.schema import NewRecordBatch
    from kio.records.writers import write_new_batch
    from kio.static.primitive import i16, i32, i64

    rows = [
        (key, value, headers, 1_700_000_000_000 + 1000 * index)
        for index, (key, value, headers, _) in enumerate(given(2))
    ]
    ours = batch(rows, base_offset=50, producer_id=5, producer_epoch=1, base_sequence=2)
    theirs, size = read_batch(ours.raw, 0)
    assert size == ours.size
    assert (theirs.base_offset, theirs.producer_id, theirs.crc) == (50, 5, ours.crc)
    assert [(r.key, r.value, r.offset) for r in theirs.records] == [(r.key, r.value, r.offset) for r in ours]
    written = io.BytesIO()
    new = NewRecordBatch(
        producer_id=i64(5),
        producer_epoch=i16(1),
        partition_leader_epoch=i32(-1),
        base_sequence=i32(2),
        records=theirs.records,
        attributes=i16(0),
    )
    write_new_batch(written, new)
    assert written.getvalue() == ours.raw


@pytest.mark.parametrize("codec", CODECS)
def test_append_time_and_idempotent_producers_as_others_see_them(codec: str) -> None:
    from aiokafka.record.memory_records import MemoryRecords as AioRecords
    from kafka.record import MemoryRecords

    rows: list[Any] = [(b"k", None, (("h", None), ("h", b"")), 1000), (None, b"", (), 900)]
    data = batch(
        rows,
        compression=codec,
        log_append_time=True,
        max_timestamp=77_000,
        producer_id=2**40,
        producer_epoch=3,
        base_sequence=9,
        transactional=True,
    ).raw
    for reader in (MemoryRecords, AioRecords):
        found = reader(data).next_batch()
        assert (found.producer_id, found.producer_epoch, found.base_sequence) == (2**40, 3, 9)
        assert found.is_transactional
        assert not found.is_control_batch
        assert [(r.key, r.value, tuple(r.headers), r.timestamp, r.timestamp_type) for r in found] == [
            (b"k", None, (("h", None), ("h", b"")), 77_000, 1),
            (None, b"", (), 77_000, 1),
        ]
