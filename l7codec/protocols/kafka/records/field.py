"""Records: a records field of a Produce request or Fetch response, as its bytes until more is asked of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ....errors import BodyError, L7Error
from .batch import DECOMPRESSED, Batch, Record, as_record, read_batch
from .control import control

__all__ = ["Records"]

SHOWN = 16 * 1024 * 1024
"""Bytes that `to_plain` decompresses for one field: as JSON they take some fifty times as much."""


class Records:
    """The records of one partition, read-only, made from the exact bytes of the field.

    Iterating gives the records that an application would get: those of control batches are left out, and so is a last
    batch that a Fetch response has cut off. `start` is where the bytes begin in their message, for errors; `limit` is
    how many bytes may come out of decompressing. Reading raises BodyError, and MissingExtra where the extra `kafka` is
    needed.
    """

    __slots__ = ("_batches", "_partial", "_start", "data", "limit")

    _batches: tuple[Batch, ...]  # not there until asked for
    _partial: bytes

    def __init__(self, data: bytes, start: int = 0, limit: int = DECOMPRESSED) -> None:
        self.data = bytes(data)
        self.limit = limit
        self._start = start

    @classmethod
    def join(cls, *batches: Batch) -> Records:
        """The field that holds these batches."""
        return cls(b"".join([batch.raw for batch in batches]))

    def __iter__(self) -> Iterator[Record]:
        """Every record, from batch to batch: nothing is decompressed before its turn."""
        limit = self.limit
        for batch in self._scan():
            if not batch.control:
                rows, taken = batch.open(limit)
                limit -= taken
                yield from map(as_record, rows)

    def headers(self) -> Iterator[Batch]:
        """The batches one by one, as `batches` has them all."""
        return self._scan()

    def _scan(self) -> Iterator[Batch]:
        position = 0
        data, start, limit = self.data, self._start, self.limit
        while (batch := read_batch(data, position, start, limit)) is not None:
            position = batch._end
            yield batch

    @property
    def batches(self) -> tuple[Batch, ...]:
        """The batches, and the messages of formats 0 and 1, as their headers have them. Raises BodyError."""
        try:
            return self._batches
        except AttributeError:
            self._batches = tuple(self._scan())
            return self._batches

    @property
    def partial(self) -> bytes:
        """What is there of a last batch that is cut off: brokers send as many bytes as were asked for."""
        batches = self.batches
        return self.data[batches[-1]._end :] if batches else self.data

    def verify(self) -> None:
        """Raise BodyError at the first batch whose checksum is wrong."""
        for batch in self._scan():
            batch.verify()

    def to_plain(self) -> dict[str, Any]:
        """All of it as plain data, for JSON. What cannot be read says why under "error"; nothing is raised."""
        batches: list[dict[str, Any]] = []
        shown: dict[str, Any] = {"batches": batches}
        limit = min(SHOWN, self.limit)
        position = 0
        try:
            for batch in self._scan():
                position = batch._end
                row = batch.header()
                batches.append(row)
                try:
                    rows, taken = batch.open(limit)
                    limit -= taken
                    row["records"] = [_plain(record, batch.control) for record in map(as_record, rows)]
                except L7Error as error:
                    row["records"] = None
                    row["error"] = str(error)
        except L7Error as error:
            shown["error"] = str(error)
        if position < len(self.data):
            shown["partial"] = self.data[position:]
        return shown

    def __eq__(self, other: object) -> bool:
        return self.data == other.data if isinstance(other, Records) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.data)

    def __bytes__(self) -> bytes:
        return self.data

    def __bool__(self) -> bool:
        return bool(self.data)

    def __reduce__(self) -> tuple[Any, ...]:
        return (Records, (self.data, self._start, self.limit))

    def __repr__(self) -> str:
        return f"Records({len(self.data)} bytes)"


def _plain(record: Record, in_control: bool) -> dict[str, Any]:
    row: dict[str, Any] = {"offset": record.offset, "timestamp": record.timestamp}
    if in_control:
        try:
            row["control"] = control(record)
        except BodyError as error:
            row["error"] = str(error)
    row |= {"key": record.key, "value": record.value}
    if record.headers:
        row["headers"] = [{"key": name, "value": value} for name, value in record.headers]
    return row
