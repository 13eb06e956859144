"""Batch: one entry of a records field, read as far as its header; Record; and how both are built.

A batch of format 2 begins with 61 bytes (RecordBatch in Kafka's protocol guide):

    base offset int64 · length int32 · partition leader epoch int32 · magic int8 · crc int32 · attributes int16 ·
    last offset delta int32 · base timestamp int64 · max timestamp int64 · producer id int64 · producer epoch int16 ·
    base sequence int32 · record count int32

Attributes: 0–2 compression, 3 the timestamp is the broker's (LogAppendTime), 4 transactional, 5 control, 6 the base
timestamp is a delete horizon (KIP-534). The checksum is CRC32C of all behind it. In formats 0 and 1 every message
stands for itself, and one that is compressed for those inside it; here it is a batch, too.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, NamedTuple

from ....crc32c import crc32c
from ....errors import BodyError, LocalProtocolError, MissingExtra
from . import compression as codecs
from .message_set import HEAD, least_size, read_inner, read_message, write_message, write_messages
from .rows import SHORTEST, Headers, Row, read_rows, write_rows
from .varint import WireError

__all__ = ["DECOMPRESSED", "Batch", "Record", "as_record", "batch", "message", "read_batch"]

DECOMPRESSED = 128 * 1024 * 1024
"""Bytes that one records field may hold once decompressed. librdkafka refuses what is larger than a whole message may
be (`receive.message.max.bytes`, 100 MB; a message has 128 MiB here). Stops a batch of a few kilobytes that unpacks to
gigabytes."""

HEADER = struct.Struct(">qiibIhiqqqhii")
_BEHIND_CRC = 21
_ROWS = 61
_LEAST = HEADER.size - 12  # of `length`

_CODEC = 7
_APPEND_TIME = 8
_TRANSACTIONAL = 16
_CONTROL = 32
_DELETE_HORIZON = 64


class Record(NamedTuple):
    """One record. A plain tuple of the same fields, or of the first few of them, does as well where records are given.

    `timestamp` in milliseconds since 1970; −1: there is none, as Kafka writes it. `offset` −1: the one that follows.
    """

    key: bytes | None = None
    value: bytes | None = None
    headers: Headers = ()
    timestamp: int = -1
    offset: int = -1


as_record: Callable[[Row], Record] = partial(tuple.__new__, Record)


class Batch:
    """One batch, or one message of formats 0 and 1. Iterating over it gives its records, decompressed when asked for.

    The header's fields have Kafka's own names. What format 0 and 1 lack has the value that stands for nothing, −1;
    their `base_offset` is the one they bear, for a compressed message of format 1 that of the last message in it, and
    `count` is then −1: only decompressing tells.
    """

    __slots__ = (
        "_at",
        "_data",
        "_end",
        "_limit",
        "_start",
        "attributes",
        "base_offset",
        "base_sequence",
        "base_timestamp",
        "count",
        "crc",
        "last_offset_delta",
        "length",
        "magic",
        "max_timestamp",
        "partition_leader_epoch",
        "producer_epoch",
        "producer_id",
    )

    base_offset: int
    length: int
    partition_leader_epoch: int
    magic: int
    crc: int
    attributes: int
    last_offset_delta: int
    base_timestamp: int
    max_timestamp: int
    producer_id: int
    producer_epoch: int
    base_sequence: int
    count: int
    _data: bytes
    _start: int
    _end: int
    _at: int
    _limit: int

    def __init__(self, data: bytes) -> None:
        """The one batch that `data` is. Raises BodyError."""
        found = read_batch(data, 0, 0, DECOMPRESSED)
        if found is None or found._end != len(data):
            raise BodyError("kafka", 0 if found is None else found._end, "these bytes are not one whole batch")
        for name in self.__slots__:
            setattr(self, name, getattr(found, name))

    # -- the header -----------------------------------------------------------------------------------------------

    @property
    def compression(self) -> str:
        """`none`, `gzip`, `snappy`, `lz4`, `zstd`; `unknown` for numbers that Kafka has not given away."""
        number = self.attributes & _CODEC
        return codecs.NAMES[number] if number < len(codecs.NAMES) else "unknown"

    @property
    def log_append_time(self) -> bool:
        """Whether the broker has set the timestamp of all records, to `max_timestamp`."""
        return bool(self.attributes & _APPEND_TIME)

    @property
    def transactional(self) -> bool:
        """Whether it is part of a transaction."""
        return self.magic > 1 and bool(self.attributes & _TRANSACTIONAL)

    @property
    def control(self) -> bool:
        """Whether it holds a control record, which is not for applications: `control` reads it."""
        return self.magic > 1 and bool(self.attributes & _CONTROL)

    @property
    def delete_horizon(self) -> int | None:
        """When a compacted topic may forget its tombstones and markers, in milliseconds since 1970 (KIP-534)."""
        return self.base_timestamp if self.magic > 1 and self.attributes & _DELETE_HORIZON else None

    @property
    def last_offset(self) -> int:
        """The offset of the last record there was; compaction may have taken it away."""
        return self.base_offset + self.last_offset_delta

    # -- the bytes ------------------------------------------------------------------------------------------------

    @property
    def raw(self) -> bytes:
        """All of its bytes."""
        return self._data[self._start : self._end]

    def __bytes__(self) -> bytes:
        return self.raw

    @property
    def size(self) -> int:
        """How many they are."""
        return self._end - self._start

    @property
    def crc_valid(self) -> bool:
        """Whether the checksum is right; computed each time it is asked for."""
        if self.magic > 1:
            return crc32c(self._data[self._start + _BEHIND_CRC : self._end]) == self.crc
        return zlib.crc32(self._data[self._start + 16 : self._end]) == self.crc

    def verify(self) -> None:
        """Raise BodyError where the checksum is wrong."""
        if not self.crc_valid:
            raise self._wrong("the batch's checksum is wrong" if self.magic > 1 else "the message's checksum is wrong")

    # -- the records ----------------------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[Record]:
        """Its records. Raises BodyError where they are wrong, MissingExtra where the codec is not installed."""
        return map(as_record, self.rows())

    def rows(self) -> Iterator[Row]:
        """The same as plain tuples, `(key, value, headers, timestamp, offset)`, which is faster."""
        return self.open(self._limit)[0]

    def open(self, limit: int) -> tuple[Iterator[Row], int]:
        """`rows`, and how many bytes (`limit` at most) had to be decompressed for them."""
        codec = self.attributes & _CODEC
        if self.magic > 1:
            data = self._data[self._start + _ROWS : self._end]
            if codec:
                data = self._decompress(codec, data, limit)
            if self.count < 0 or self.count * SHORTEST > len(data):
                raise self._wrong(f"{self.count} records in {len(data)} bytes")
            fail = self._wrong_inside if codec else self._wrong_row
            rows = read_rows(data, self.count, self.base_offset, self.base_timestamp, fail)
            timestamp = self.max_timestamp
        else:
            try:
                timestamp, key, value = read_message(self._data, self._start, self._end, self.magic)
            except WireError as error:
                raise self._wrong(error.reason, error.position - self._start) from None
            if not codec:
                return iter([(key, value, (), timestamp, self.base_offset)]), 0
            if value is None:
                raise self._wrong("a compressed message without a value")
            data = self._decompress(codec, value, limit)
            rows = read_inner(data, self.magic, self.base_offset, self._wrong_inside)
        if self.attributes & _APPEND_TIME and self.magic:
            rows = ((key, value, headers, timestamp, offset) for key, value, headers, _, offset in rows)
        return rows, len(data) if codec else 0

    def _decompress(self, codec: int, data: bytes, limit: int) -> bytes:
        try:
            return codecs.decompress(codec, data, limit, self.magic)
        except codecs.CompressionError as error:
            raise self._wrong(str(error)) from None

    def _wrong(self, reason: str, position: int = 0) -> BodyError:
        return BodyError("kafka", self._at + self._start + position, reason)

    def _wrong_row(self, position: int, reason: str) -> BodyError:
        return self._wrong(reason, _ROWS + position)

    def _wrong_inside(self, position: int, reason: str) -> BodyError:
        return self._wrong(f"byte {position} of what was compressed: {reason}")

    # -- edits ----------------------------------------------------------------------------------------------------

    def replace(
        self,
        *,
        records: Iterable[Record | tuple[Any, ...]] | None = None,
        compression: str | None = None,
        level: int | None = None,
        **fields: Any,
    ) -> Batch:
        """A batch with other fields, other records, or both; the checksum follows.

        Without `records` and `compression` the records' bytes stay as they are. Fields are those of `batch`, and
        besides `count` and `last_offset_delta`, should they be meant to lie. Raises LocalProtocolError; BodyError
        where what is to be compressed anew cannot be decompressed; MissingExtra.
        """
        if self.magic < 2:
            return self._replace_message(records, compression, level, fields)
        return _replace_batch(self, records, compression, level, fields)

    def _replace_message(
        self,
        records: Iterable[Record | tuple[Any, ...]] | None,
        compression: str | None,
        level: int | None,
        fields: dict[str, Any],
    ) -> Batch:
        unknown = fields.keys() - {"log_append_time", "base_offset"}
        if unknown:
            raise _refused(f"a message of format {self.magic} has no field {min(unknown)!r}")
        if records is None and compression is None and "log_append_time" not in fields:
            offset = fields.get("base_offset", self.base_offset)
            return Batch(struct.pack(">q", offset) + self.raw[8:])
        return message(
            list(self) if records is None else records,
            magic=self.magic,
            compression=self.compression if compression is None else compression,
            level=level,
            **{"log_append_time": self.log_append_time, **fields},
        )

    # -- as data --------------------------------------------------------------------------------------------------

    def header(self) -> dict[str, Any]:
        """The header as plain data."""
        fields: dict[str, Any] = {"magic": self.magic, "base_offset": self.base_offset, "size": self.size}
        fields |= {"crc": self.crc, "compression": self.compression, "log_append_time": self.log_append_time}
        if self.magic > 1:
            fields |= {"transactional": self.transactional, "control": self.control}
            fields |= {name: getattr(self, name) for name in _SHOWN}
            if self.delete_horizon is not None:
                fields["delete_horizon"] = self.delete_horizon
        return fields

    def __eq__(self, other: object) -> bool:
        return self.raw == other.raw if isinstance(other, Batch) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.raw)

    def __reduce__(self) -> tuple[Any, ...]:
        return (Batch, (self.raw,))

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self.header().items())
        return f"Batch({shown})"


_SHOWN = (
    "partition_leader_epoch",
    "last_offset_delta",
    "base_timestamp",
    "max_timestamp",
    "producer_id",
    "producer_epoch",
    "base_sequence",
    "count",
)


def read_batch(data: bytes, start: int, at: int, limit: int) -> Batch | None:
    """The batch that begins at `start`; None where it is not all there. Raises BodyError.

    `at` is where `data` begins in the message that errors are counted in.
    """
    left = len(data) - start
    if left < 17:  # where the format stands
        return None
    length = int.from_bytes(data[start + 8 : start + 12], "big", signed=True)
    magic = data[start + 16]
    if magic > 2:
        raise BodyError("kafka", at + start + 16, f"there is no record format {magic}")
    if length < (_LEAST if magic == 2 else least_size(magic)):
        raise BodyError("kafka", at + start + 8, f"a batch of format {magic} with a length of {length}")
    if length > left - 12:
        return None
    batch = Batch.__new__(Batch)
    batch._data = data
    batch._start = start
    batch._end = start + 12 + length
    batch._at = at
    batch._limit = limit
    if magic == 2:
        (
            batch.base_offset,
            batch.length,
            batch.partition_leader_epoch,
            batch.magic,
            batch.crc,
            batch.attributes,
            batch.last_offset_delta,
            batch.base_timestamp,
            batch.max_timestamp,
            batch.producer_id,
            batch.producer_epoch,
            batch.base_sequence,
            batch.count,
        ) = HEADER.unpack_from(data, start)
        return batch
    batch.base_offset, batch.length, batch.crc, batch.magic, batch.attributes = HEAD.unpack_from(data, start)
    batch.partition_leader_epoch = batch.producer_id = batch.producer_epoch = batch.base_sequence = -1
    batch.last_offset_delta = 0
    timestamp = int.from_bytes(data[start + 18 : start + 26], "big", signed=True) if magic else -1
    batch.base_timestamp = batch.max_timestamp = timestamp
    batch.count = -1 if batch.attributes & _CODEC else 1
    return batch


# -- building ---------------------------------------------------------------------------------------------------------


def batch(
    records: Iterable[Record | tuple[Any, ...]],
    *,
    compression: str = "none",
    level: int | None = None,
    base_offset: int | None = None,
    base_timestamp: int | None = None,
    max_timestamp: int | None = None,
    partition_leader_epoch: int = -1,
    producer_id: int = -1,
    producer_epoch: int = -1,
    base_sequence: int = -1,
    transactional: bool = False,
    control: bool = False,
    log_append_time: bool = False,
    delete_horizon: int | None = None,
    last_offset_delta: int | None = None,
    count: int | None = None,
) -> Batch:
    """A batch of format 2.

    Records without an offset follow the one before them, the first is at `base_offset` (0). The timestamps' bounds are
    the records' own unless given; with `log_append_time`, `max_timestamp` is the time of all of them. `level` is the
    compression's. Raises LocalProtocolError for what the format cannot hold, MissingExtra.
    """
    rows = _rows(records, base_offset)
    if base_offset is None:
        base_offset = rows[0][4] if rows else 0
    times = [row[3] for row in rows]
    if delete_horizon is not None:
        base_timestamp = delete_horizon
    elif base_timestamp is None:
        base_timestamp = times[0] if times else -1
    attributes = _number(compression)
    for flag, on in (
        (_APPEND_TIME, log_append_time),
        (_TRANSACTIONAL, transactional),
        (_CONTROL, control),
        (_DELETE_HORIZON, delete_horizon is not None),
    ):
        attributes |= flag if on else 0
    if last_offset_delta is None:
        last_offset_delta = max((row[4] for row in rows), default=base_offset) - base_offset
    content = _compressed(attributes & _CODEC, _checked(write_rows, rows, base_offset, base_timestamp), 2, level)
    return _seal(
        base_offset,
        partition_leader_epoch,
        attributes,
        last_offset_delta,
        base_timestamp,
        max(times, default=-1) if max_timestamp is None else max_timestamp,
        producer_id,
        producer_epoch,
        base_sequence,
        len(rows) if count is None else count,
        content,
    )


def message(
    records: Iterable[Record | tuple[Any, ...]] | Record,
    *,
    magic: int = 1,
    compression: str = "none",
    level: int | None = None,
    base_offset: int | None = None,
    log_append_time: bool = False,
) -> Batch:
    """A message of format 0 or 1: one record, or as many as one likes where they are compressed.

    `Records.join` makes a message set of several. Raises LocalProtocolError for what the format cannot hold.
    """
    rows = _rows([records] if isinstance(records, Record) else records, base_offset)
    codec = _number(compression)
    if magic not in (0, 1):
        raise _refused(f"messages have format 0 or 1, not {magic}")
    if not rows or (len(rows) > 1 and not codec):
        raise _refused(f"{len(rows)} records in one message; only a compressed one holds several, and none holds none")
    if any(row[2] for row in rows):
        raise _refused(f"records of format {magic} have no headers")
    if codec == codecs.ZSTD:
        raise _refused("zstd came with format 2")
    if magic == 0 and (log_append_time or any(row[3] != -1 for row in rows)):
        raise _refused("messages of format 0 have no timestamp")
    attributes = codec | (_APPEND_TIME if log_append_time else 0)
    key, value, _, timestamp, offset = rows[-1]
    if codec:
        first = rows[0][4] if magic else 0  # what offsets inside count from
        key, value = None, _compressed(codec, _checked(write_messages, rows, magic, first), magic, level)
        timestamp = max(row[3] for row in rows)
    return Batch(_checked(write_message, magic, offset, attributes, timestamp, key, value))


def _replace_batch(
    old: Batch,
    records: Iterable[Record | tuple[Any, ...]] | None,
    compression: str | None,
    level: int | None,
    fields: dict[str, Any],
) -> Batch:
    unknown = fields.keys() - _FIELDS
    if unknown:
        raise _refused(f"a batch has no field {min(unknown)!r}")
    kept: dict[str, Any] = {name: getattr(old, name) for name in _FIELDS}
    if records is not None:
        rows = _rows(records, fields.get("base_offset", old.base_offset))
        del kept["count"]
        highest = max((row[4] for row in rows), default=old.base_offset)
        kept["last_offset_delta"] = max(old.last_offset_delta, highest - old.base_offset)
        if not old.log_append_time:
            del kept["max_timestamp"]
        kept["compression"] = old.compression if compression is None else compression
        return batch(rows, level=level, **{**kept, **fields})
    codec, content = old.attributes & _CODEC, old.raw[_ROWS:]
    if compression is not None:  # what is compressed stays, bit by bit: only the records' own bytes are packed anew
        if codec:
            content = old._decompress(codec, content, old._limit)
        codec = _number(compression)
        content = _compressed(codec, content, 2, level)
    new = {**kept, **fields}
    attributes = old.attributes & ~(_CODEC | _APPEND_TIME | _TRANSACTIONAL | _CONTROL | _DELETE_HORIZON) | codec
    for flag, name in (
        (_APPEND_TIME, "log_append_time"),
        (_TRANSACTIONAL, "transactional"),
        (_CONTROL, "control"),
    ):
        attributes |= flag if new[name] else 0
    horizon = new["delete_horizon"]
    if horizon is not None:
        attributes |= _DELETE_HORIZON
    return _seal(
        new["base_offset"],
        new["partition_leader_epoch"],
        attributes,
        new["last_offset_delta"],
        new["base_timestamp"] if horizon is None else horizon,
        new["max_timestamp"],
        new["producer_id"],
        new["producer_epoch"],
        new["base_sequence"],
        new["count"],
        content,
    )


_FIELDS = frozenset(_SHOWN) | {"base_offset", "transactional", "control", "log_append_time", "delete_horizon"}
_TAIL = struct.Struct(">hiqqqhii")  # from the attributes on


def _seal(base_offset: int, partition_leader_epoch: int, *fields: Any) -> Batch:
    """A batch of these fields, its length and checksum computed."""
    *head, content = fields
    try:
        tail = _TAIL.pack(*head) + content
        start = struct.pack(">qiibI", base_offset, len(tail) + 9, partition_leader_epoch, 2, crc32c(tail))
    except struct.error as error:
        raise _refused(f"a field does not fit: {error}") from None
    return Batch(start + tail)


def _rows(records: Iterable[Record | tuple[Any, ...]], base_offset: int | None) -> list[Row]:
    """Records with all their fields; those without an offset get the next one."""
    rows: list[Row] = []
    following = 0 if base_offset is None else base_offset
    for given in records:
        key, value, headers, timestamp, offset = given if len(given) == 5 else (*given, *_DEFAULTS[len(given) :])
        if offset == -1:
            offset = following
        following = offset + 1
        rows.append((key, value, headers, timestamp, offset))
    return rows


_DEFAULTS: tuple[Any, ...] = tuple(Record())


def _number(compression: str) -> int:
    try:
        return codecs.number(compression)
    except ValueError as error:
        raise _refused(str(error)) from None


def _compressed(codec: int, data: bytes, magic: int, level: int | None) -> bytes:
    if not codec:
        return data
    try:
        return codecs.compress(codec, data, magic, level)
    except MissingExtra:
        raise
    except Exception as error:  # whatever the package makes of a level that it does not have
        raise _refused(f"{codecs.NAMES[codec]}: {error}") from None


def _checked(write: Callable[..., bytes], *arguments: Any) -> bytes:
    try:
        return write(*arguments)
    except (struct.error, OverflowError, TypeError, AttributeError) as error:
        raise _refused(f"a record cannot be written: {error}") from None


def _refused(reason: str) -> LocalProtocolError:
    return LocalProtocolError("kafka", 0, reason)
