"""Records: what is built is read, what is read is kept, what is wrong is said, and nothing takes what it promises."""

from __future__ import annotations

import builtins
import copy
import gzip
import json
import pickle
import struct
import tracemalloc
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz import kafka_records as fuzz_target
from l7codec import BodyError, Conversation, LocalProtocolError, MissingExtra, encode
from l7codec.crc32c import crc32c
from l7codec.message import _plain
from l7codec.protocols import kafka as protocol
from l7codec.protocols.kafka import records as kafka
from l7codec.protocols.kafka.records import Batch, Record, Records, batch, compression, control, control_type, message
from l7codec.protocols.kafka.records.compression import _xxh32
from l7codec.protocols.kafka.records.message_set import write_message, write_messages
from l7codec.protocols.kafka.records.varint import WireError, read_varint, read_varlong, varint
from l7codec.strategies import kafka_records as strategies

CODECS = compression.NAMES


def sealed(data: bytes) -> bytes:
    """A batch with its length and checksum put right."""
    data = data[:8] + struct.pack(">i", len(data) - 12) + data[12:]
    return data[:17] + struct.pack(">I", crc32c(data[21:])) + data[21:]


def with_rows(rows: bytes, count: int, attributes: int = 0) -> Batch:
    empty = batch([], count=count).raw
    return Batch(sealed(empty[:21] + struct.pack(">h", attributes) + empty[23:] + rows))


def reason(data: bytes | Records | Batch) -> str:
    with pytest.raises(BodyError) as caught:
        list(Records(data) if isinstance(data, bytes) else data)
    return str(caught.value)


# -- round trips ------------------------------------------------------------------------------------------------------


@given(strategies.records(), st.sampled_from(CODECS))
def test_batches_hold_what_was_put_in(rows: list[Record], codec: str) -> None:
    built = batch(rows, compression=codec)
    assert list(built) == rows
    assert list(built.rows()) == rows
    assert built.crc_valid
    assert (built.count, built.compression, built.magic) == (len(rows), codec, 2)
    assert built.max_timestamp == max((row.timestamp for row in rows), default=-1)
    assert (built.base_offset, built.last_offset) == ((rows[0].offset, rows[-1].offset) if rows else (0, 0))
    assert Batch(built.raw) == built


@given(st.data(), st.sampled_from(CODECS[:4]), st.sampled_from((0, 1)))
def test_messages_hold_what_was_put_in(data: st.DataObject, codec: str, magic: int) -> None:
    rows = data.draw(strategies.records(magic, 1, 1 if codec == "none" else 6))
    built = message(rows, magic=magic, compression=codec)
    assert list(built) == rows
    assert built.crc_valid
    assert (built.magic, built.compression, built.count) == (magic, codec, 1 if codec == "none" else -1)


@given(strategies.fields())
def test_fields_keep_their_bytes(field: Records) -> None:
    assert Records.join(*field.batches).data + field.partial == field.data == bytes(field)
    assert [one.raw for one in field.headers()] == [one.raw for one in field.batches]
    expected = [record for one in field.batches if not one.control for record in one]
    assert list(field) == expected
    field.verify()
    assert pickle.loads(pickle.dumps(field)) == copy.deepcopy(field) == field
    assert [pickle.loads(pickle.dumps(one)) for one in field.batches] == list(field.batches)
    json.dumps(_plain(field))


@given(strategies.batches(), strategies.records())
def test_edits_change_what_they_name(old: Batch, rows: list[Record]) -> None:
    moved = old.replace(base_offset=7, partition_leader_epoch=3)
    assert moved.raw[16:] == old.raw[16:]  # not even the checksum: it begins behind them
    fenced = old.replace(producer_epoch=9, transactional=True)
    assert (fenced.producer_epoch, fenced.transactional, fenced.raw[61:]) == (9, True, old.raw[61:])
    fenced.verify()
    other = old.replace(records=[row._replace(offset=-1) for row in rows])
    other.verify()
    assert [row[:3] for row in other] == [row[:3] for row in rows]
    kept = ("compression", "transactional", "control", "log_append_time", "producer_id", "producer_epoch")
    assert [getattr(other, name) for name in kept] == [getattr(old, name) for name in kept]
    again = old.replace(compression="gzip")
    assert (again.compression, list(again)) == ("gzip", list(old))
    assert again.header() == {**old.header(), "compression": "gzip", "size": again.size, "crc": again.crc}


@given(strategies.messages())
def test_edits_of_messages(old: Batch) -> None:
    assert old.replace(base_offset=99).raw[8:] == old.raw[8:]
    again = old.replace(compression="gzip")
    assert [row[1] for row in again] == [row[1] for row in old]
    again.verify()
    with pytest.raises(LocalProtocolError, match="has no field 'producer_id'"):
        old.replace(producer_id=3)


@given(st.integers(-(2**31), 2**31 - 1))
def test_varints(number: int) -> None:
    data = varint(number)
    zigzag, end = read_varint(data, 0)
    assert (zigzag >> 1 ^ -(zigzag & 1), end) == (number, len(data))
    assert read_varlong(data, 0)[0] == zigzag


@given(strategies.broken())
def test_any_bytes_give_records_or_a_body_error(data: bytes) -> None:
    fuzz_target.test_one(data)


@pytest.mark.parametrize("codec", CODECS)
def test_another_compression_moves_records_as_the_same_one_does(codec: str) -> None:
    """Offsets and timestamps are deltas: whoever moves the base moves them all, compressed anew or not."""
    old = batch([(b"a", b"1", (), 1000), (b"b", b"2", (), 1005)], base_offset=1000, compression="gzip")
    for fields in ({"base_offset": 500}, {"base_timestamp": 5, "max_timestamp": 10}, {"producer_id": 7}):
        moved, packed = old.replace(**fields), old.replace(compression=codec, **fields)
        assert list(packed) == list(moved)
        assert (packed.compression, packed.crc_valid) == (codec, True)
        assert {**packed.header(), "size": 0, "crc": 0, "compression": ""} == {
            **moved.header(), "size": 0, "crc": 0, "compression": "",
        }  # fmt: skip
    assert [record.offset for record in old.replace(compression=codec, base_offset=500)] == [500, 501]
    empty = batch([], base_offset=9, last_offset_delta=3, count=0, compression="gzip")  # what compaction leaves
    assert empty.replace(compression=codec).last_offset == 12


def test_nothing_is_decompressed_until_a_record_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not by framing, metadata, bodies, edits of names, headers of batches, or checksums."""
    field = Records.join(*(batch([(b"k", b"v")], compression=codec) for codec in CODECS))
    topic = {"name": "a", "partition_data": [{"index": 0, "records": field}]}
    fetched = {"topic": "a", "partitions": [{"records": field}]}
    produce = protocol.request("Produce", {"acks": -1, "topic_data": [topic]}, version=9).raw
    fetch = protocol.response("Fetch", {"responses": [fetched]}, version=11).raw

    def refuse(*_: object) -> bytes:
        raise AssertionError("decompressed")

    monkeypatch.setattr(compression, "decompress", refuse)
    conversation = Conversation("kafka")
    (asked,) = conversation.client.receive_data(produce)
    assert encode(asked, {"kafka.topic_prefix": "x."}).count(field.data) == 1
    (partition,) = asked.body["topic_data"][0]["partition_data"]
    assert [one.compression for one in partition["records"].headers()] == list(CODECS)
    partition["records"].verify()
    conversation = Conversation("kafka")
    list(conversation.client.receive_data(protocol.request("Fetch", version=11).raw))
    (answer,) = conversation.server.receive_data(fetch)
    again = answer.body["responses"][0]["partitions"][0]["records"]
    assert len(again.batches) == len(CODECS)
    rows = iter(again)
    assert next(rows).value == b"v"  # of the first, which is not compressed
    with pytest.raises(AssertionError, match="decompressed"):
        next(rows)


def test_lz4_and_zstd_as_others_may_write_them() -> None:
    """Linked blocks, checksums, sizes in the frame or none, several frames, frames to be skipped."""
    import lz4.frame

    content = b"hello world" * 20_000
    for options in (
        {"block_linked": True, "block_size": lz4.frame.BLOCKSIZE_MAX64KB},
        {"block_linked": False, "store_size": False},
        {"content_checksum": True, "block_checksum": True},
    ):
        assert compression.decompress(compression.LZ4, lz4.frame.compress(content, **options), 2**20) == content
    import cramjam

    packer = cramjam.zstd.Compressor()
    packer.compress(content)
    frame = bytes(packer.finish())  # without its size
    skipped = bytes.fromhex("502a4d18 04000000 61626364")
    assert compression.decompress(compression.ZSTD, skipped + frame * 2, 2**20) == content * 2


def test_offsets_follow_one_another() -> None:
    rows = list(batch([(b"a",), (b"b", b"x", (), 5, 40), (b"c",)], base_offset=10))
    assert [(row.key, row.offset) for row in rows] == [(b"a", 10), (b"b", 40), (b"c", 41)]


def test_mixed_formats_in_one_field() -> None:
    field = Records.join(
        message([(b"0", b"v")], magic=0, base_offset=1),
        message([(b"1",), (b"2",)], magic=1, compression="gzip", base_offset=2),
        batch([(b"3",), (b"4",)], compression="gzip", base_offset=4),
    )
    assert [(row.key, row.offset) for row in field] == [(b"0", 1), (b"1", 2), (b"2", 3), (b"3", 4), (b"4", 5)]
    assert [one.magic for one in field.batches] == [0, 1, 2]


def test_inner_offsets_of_format_1_relative_absolute_and_not_set() -> None:
    rows = [(None, b"a", (), 5, 0), (None, b"b", (), 5, 1), (None, b"c", (), 5, 4)]
    for base, outer, expected in ((0, 104, [100, 101, 104]), (-100, 104, [100, 101, 104]), (0, 0, [0, 1, 4])):
        inner = gzip.compress(write_messages(rows, 1, base))
        assert [row.offset for row in Batch(write_message(1, outer, 1, 5, None, inner))] == expected


def test_iterating_is_lazy() -> None:
    good = batch([(b"k",)] * 3).raw
    rows = iter(Records(good + with_rows(b"\xff", 1).raw))
    assert [next(rows).key for _ in range(3)] == [b"k"] * 3
    with pytest.raises(BodyError):
        next(rows)


def test_a_partial_batch_is_kept_and_left_out() -> None:
    whole = batch([(b"k", b"v")])
    for end in range(whole.size):
        field = Records(whole.raw + whole.raw[:end])
        assert len(list(field)) == 1
        assert field.partial == whole.raw[:end]


def test_a_wrong_checksum_is_told_when_asked() -> None:
    for one in (batch([(b"k", b"v")]), message([(b"k", b"v")])):
        data = one.raw.replace(b"v", b"w")
        assert [row.key for row in Records(data)] == [b"k"]
        assert not Batch(data).crc_valid
        with pytest.raises(BodyError, match="checksum is wrong"):
            Records(data).verify()


def test_as_plain_data() -> None:
    field = Records.join(
        batch([(b"k", None, (("h", b"x"),), 5)], producer_id=1, producer_epoch=0, delete_horizon=4),
        batch([(b"\0\0\0\1", b"\0\0\0\0\0\0")], control=True),
        message([(None, b"v")]),
    )
    shown = Records(field.data + b"tail").to_plain()
    assert shown["partial"] == b"tail"
    first, second, third = shown["batches"]
    headers = [{"key": "h", "value": b"x"}]
    assert first["records"] == [{"offset": 0, "timestamp": 5, "key": b"k", "value": None, "headers": headers}]
    assert (first["delete_horizon"], first["producer_id"]) == (4, 1)
    assert second["records"][0]["control"] == {"type": "commit", "version": 0, "coordinator_epoch": 0}
    assert "producer_id" not in third
    bad = Records(with_rows(b"\xff", 1).raw).to_plain()["batches"][0]
    assert bad["records"] is None
    assert "1 records in 1 bytes" in bad["error"]
    assert "no record format 9" in Records(bytes(16) + b"\x09").to_plain()["error"]


def test_values_compare_and_show_themselves() -> None:
    one = batch([(b"k",)])
    assert one == Batch(one.raw)
    assert hash(one) == hash(Batch(one.raw))
    assert one != one.raw
    field = Records(one.raw)
    assert (field == Records.join(one), field != one.raw, hash(field) == hash(Records.join(one))) == (True, True, True)
    assert (bool(field), bool(Records(b""))) == (True, False)
    assert repr(field) == f"Records({one.size} bytes)"
    assert repr(one).startswith("Batch(magic=2, base_offset=0, size=")
    assert bytes(one) == one.raw


def test_control_types() -> None:
    assert control_type(Record()) == control_type(Record(b"\0")) == control_type(Record(b"\0\0\0\x63")) == "unknown"
    assert control_type(Record(b"\0\0\0\0")) == "abort"
    assert control(Record(b"\0\0\0\x63", b"x")) == {"type": "unknown"}
    for value in (None, b"", b"\0\0", b"\xff\xff\0\0\0\0"):
        bad = Record(b"\0\0\0\1", value)
        with pytest.raises(BodyError):
            control(bad)
        shown = Records.join(batch([bad], control=True)).to_plain()["batches"][0]["records"][0]
        assert "control" not in shown
        assert "kafka: byte" in shown["error"]


# -- what cannot be built ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: batch([], compression="brotli"), "no compression is named 'brotli'"),
        (lambda: batch([], producer_id=2**63), "a field does not fit"),
        (lambda: batch([], producer_epoch=2**15), "a field does not fit"),
        (lambda: batch([("text",)]), "a record cannot be written"),
        (lambda: batch([(b"k", b"v", (("h", "text"),))]), "a record cannot be written"),
        (lambda: batch([(b"k",)], compression="gzip", level=99), "gzip"),
        (lambda: batch([]).replace(magic=1), "a batch has no field 'magic'"),
        (lambda: message([], compression="gzip"), "0 records in one message"),
        (lambda: message([(b"a",), (b"b",)]), "2 records in one message"),
        (lambda: message([(b"a",)], magic=2), "messages have format 0 or 1, not 2"),
        (lambda: message([(b"a", b"", (("h", None),))]), "have no headers"),
        (lambda: message([(b"a",)], compression="zstd"), "zstd came with format 2"),
        (lambda: message([(b"a", b"", (), 5)], magic=0), "have no timestamp"),
        (lambda: message([(b"a", b"", (), 5, 2**63)]), "a record cannot be written"),
    ],
)
def test_what_cannot_be_built(build: Any, words: str) -> None:
    with pytest.raises(LocalProtocolError, match=words):
        build()


def test_a_batch_is_one_whole_batch() -> None:
    data = batch([(b"k",)]).raw
    for wrong in (b"", data[:-1], data + b"x"):
        with pytest.raises(BodyError, match="not one whole batch"):
            Batch(wrong)


# -- hostile input ----------------------------------------------------------------------------------------------------

ROW = b"\x0c\x00\x00\x00\x01\x01\x00"  # a record with nothing in it


@pytest.mark.parametrize(
    ("rows", "count", "words"),
    [
        (ROW, -1, "-1 records in 7 bytes"),
        (ROW, 2, "2 records in 7 bytes"),
        (ROW, 2**31 - 1, "2147483647 records in 7 bytes"),
        (ROW + b"x", 1, "1 bytes are left over"),
        (b"\x0b" + ROW[1:], 1, "a record's length is not possible"),
        (b"\x0e" + ROW[1:], 1, "a record's length is not possible"),
        (b"\x0a" + ROW[1:], 1, "do not end where the record does"),
        (b"\xff\xff\xff\xff\xff\xff\xff", 1, "more than 32 bits"),
        (b"\xfe\xff\xff\xff\x1f\0\0\0", 1, "more than 32 bits"),
        (b"\x1a\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 1, "more than 64 bits"),
        (b"\x0c\0\0\0\x03\x01\0", 1, "a length of -2"),
        (b"\x0c\0\0\0\x01\x05\0", 1, "a length of -3"),
        (b"\x0c\0\0\0\x01\x7e\0", 1, "ends early"),
        (b"\x0c\0\0\0\x7e\x01\0", 1, "ends early"),
        (b"\x12\0\0\0\x01\x01\x01\0\0\0", 1, "-1 headers"),
        (b"\x12\0\0\0\x01\x01\x7e\0\0\0", 1, "63 headers in 3 bytes"),
        (b"\x12\0\0\0\x01\x01\x02\x01\x01\0", 1, "a header's name has a length of -1"),
        (b"\x12\0\0\0\x01\x01\x02\x00\x03\0", 1, "a header's value has a length of -2"),
        (b"\x12\0\0\0\x01\x01\x02\x10\x01\0", 1, "a header's name has a length of 8"),
    ],
)
def test_wrong_records(rows: bytes, count: int, words: str) -> None:
    assert words in reason(with_rows(rows, count))
    packed = with_rows(zlib.compress(rows, wbits=31), count, attributes=1)
    assert words in reason(packed)


def test_overlong_but_legal_varints_are_read() -> None:
    long_length = b"\x9c\x80\x80\x80\x00" + b"\x00\x80\x80\x80\x80\x00\x80\x00\x81\x00\x81\x00\x00"[:14]
    rows = list(with_rows(b"\x9a\x80\x80\x80\x00" + long_length[5:], 1))
    assert rows == [Record(None, None, (), -1, 0)]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (bytes(8) + struct.pack(">i", -1) + bytes(4) + b"\2", "a batch of format 2 with a length of -1"),
        (bytes(8) + struct.pack(">i", 48) + bytes(4) + b"\2", "with a length of 48"),
        (bytes(8) + struct.pack(">i", 13) + bytes(4) + b"\0", "with a length of 13"),
        (bytes(8) + struct.pack(">i", 21) + bytes(4) + b"\1", "with a length of 21"),
        (bytes(16) + b"\3", "no record format 3"),
        (bytes(16) + b"\xff", "no record format 255"),
    ],
)
def test_wrong_headers(data: bytes, words: str) -> None:
    assert words in reason(data + bytes(100))
    before = batch([(b"k",)]).raw
    with pytest.raises(BodyError) as caught:
        Records(before + data + bytes(100), start=1000).batches  # noqa: B018
    assert caught.value.offset >= 1000 + len(before)


def test_where_errors_are() -> None:
    one = with_rows(ROW + b"\x0b" + ROW[1:], 2)
    with pytest.raises(BodyError) as caught:
        list(Records(one.raw, start=100))
    assert caught.value.offset == 100 + 61 + 7


def test_wrong_messages() -> None:
    whole = message([(b"k", b"v")]).raw
    for at, words in ((26, "a field of"), (31, "a field of")):
        bad = whole[:at] + struct.pack(">i", 1000) + whole[at + 4 :]
        assert words in reason(bad)
        bad = whole[:at] + struct.pack(">i", -2) + whole[at + 4 :]
        assert "a field of -2 bytes" in reason(bad)
    longer = whole[:8] + struct.pack(">i", len(whole) - 11) + whole[12:] + b"x"
    assert "left over behind a message" in reason(longer)


def _wrapping(inner: bytes, magic: int = 1) -> bytes:
    return write_message(magic, 5, 1, -1, None, gzip.compress(inner))


def test_wrong_inner_messages() -> None:
    inner = write_message(1, 0, 0, -1, None, b"v")
    assert "without a value" in reason(write_message(1, 5, 1, -1, None, None))
    assert "without messages" in reason(_wrapping(b""))
    assert "ends early" in reason(_wrapping(inner + b"x"))
    assert "a message of" in reason(_wrapping(inner[:-1]))
    assert "format 0 inside a compressed one of format 1" in reason(_wrapping(write_message(0, 0, 0, -1, None, b"v")))


def test_compression_is_not_nested() -> None:
    """Kafka's own readers refuse it; each level would multiply what a byte stands for."""
    data = write_message(1, 0, 0, -1, None, bytes(1000))
    for _ in range(50):
        data = _wrapping(data)
    assert "a compressed message inside a compressed one" in reason(data)


def test_unknown_compression() -> None:
    for number in (5, 6, 7):
        one = with_rows(b"x" * 20, 1, attributes=number)
        assert one.compression == "unknown"
        assert f"no compression number {number}" in reason(one)


@pytest.mark.parametrize("codec", CODECS[1:])
def test_bombs_are_refused_without_the_memory_they_promise(codec: str) -> None:
    bomb = compression.compress(compression.number(codec), bytes(64 << 20))
    field = Records(with_rows(bomb, 1, attributes=compression.number(codec)).raw, limit=1 << 20)
    tracemalloc.start()
    try:
        assert "more than the 1048576 bytes" in reason(field)
        assert tracemalloc.get_traced_memory()[1] < (8 << 20) + len(field.data)
    finally:
        tracemalloc.stop()


def test_the_limit_is_for_the_whole_field() -> None:
    one = batch([(None, bytes(1000))], compression="gzip")
    assert len(list(Records(one.raw * 3, limit=4000))) == 3
    assert "may be decompressed" in reason(Records(one.raw * 5, limit=4000))


@pytest.mark.parametrize("codec", CODECS[1:])
def test_the_limit_is_exact(codec: str) -> None:
    number = compression.number(codec)
    for size in (0, 1, 100_000):
        packed = compression.compress(number, bytes(size))
        assert compression.decompress(number, packed, size) == bytes(size)
        if size:
            with pytest.raises(compression.CompressionError):
                compression.decompress(number, packed, size - 1)


@pytest.mark.parametrize("codec", CODECS[1:])
@given(data=st.binary(max_size=40))
def test_compressed_rubbish(codec: str, data: bytes) -> None:
    number = compression.number(codec)
    for magic in (0, 2):
        for rubbish in (data, compression.compress(number, b"x" * 50)[: len(data)] + data, b"\x82SNAPPY\0" + data):
            try:
                compression.decompress(number, rubbish, 1 << 16, magic)
            except compression.CompressionError as error:
                assert str(error)


def test_promises_of_snappy_and_zstd() -> None:
    for promise in (b"\xff\xff\xff\xff\x0f\0", b"\x82SNAPPY\0" + bytes(8) + b"\0\0\0\6\xff\xff\xff\xff\x0f\0"):
        with pytest.raises(compression.CompressionError):
            compression.decompress(compression.SNAPPY, promise, 1 << 30)
    with pytest.raises(compression.CompressionError, match="cannot hold the 1048575 they promise"):
        compression.decompress(compression.SNAPPY, b"\xff\xff\x3f\0", 1 << 30)
    with pytest.raises(compression.CompressionError, match="a block is longer"):
        compression.decompress(compression.SNAPPY, b"\x82SNAPPY\0" + bytes(8) + b"\xff\xff\xff\xff", 1 << 30)
    window_of_gigabytes = bytes.fromhex("28b52ffd 00 a8 010000")
    with pytest.raises(compression.CompressionError, match="memory"):
        compression.decompress(compression.ZSTD, window_of_gigabytes, 1 << 30)


def test_gzip_of_many_members() -> None:
    member = gzip.compress(b"")
    many = member * 20_000 + gzip.compress(b"end")
    assert compression.decompress(compression.GZIP, many, 100) == b"end"
    with pytest.raises(compression.CompressionError, match="ends early"):
        compression.decompress(compression.GZIP, many[:-1], 100)
    with pytest.raises(compression.CompressionError, match="gzip"):
        compression.decompress(compression.GZIP, many + b"rubbish", 100)


def test_xxh32() -> None:
    """Vectors of python-xxhash 3.4, for the lengths that headers have, and longer."""
    import xxhash

    for length in range(40):
        data = bytes(range(length))
        assert _xxh32(data) == xxhash.xxh32_intdigest(data)


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    one = batch([(b"k",)], compression="zstd")
    plain = batch([(b"k",)], compression="gzip")
    importing = builtins.__import__

    def without(name: str, *arguments: Any, **options: Any) -> Any:
        if name == "cramjam":
            raise ImportError(name)
        return importing(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    assert len(list(plain)) == 1
    with pytest.raises(MissingExtra, match=r"zstd compression needs the extra 'kafka': pip install 'l7codec\[kafka\]'"):
        list(one)
    shown = Records(one.raw).to_plain()["batches"][0]
    assert (shown["compression"], shown["records"]) == ("zstd", None)
    assert "needs the extra 'kafka'" in shown["error"]
    with pytest.raises(MissingExtra):
        batch([(b"k",)], compression="lz4")


def test_errors_of_numbers() -> None:
    with pytest.raises(WireError):
        read_varint(b"\xff\xff\xff\xff\xff\x01", 0)
    assert kafka.__all__ == sorted(kafka.__all__, key=lambda name: (name.islower(), name))
