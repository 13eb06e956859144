"""Kafka's record batches: headers alone, records to tuples, building, checksums; against kafka-python, aiokafka, kio.

aiokafka's reader is compiled (Cython), ours and the others' are Python. Each gives its own kind of record.
"""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Callable, Iterator
from typing import Any

from l7codec.crc32c import pure_crc32c
from l7codec.protocols.kafka.records import Records, batch

from .timing import Case

COUNT = 100
ROWS = [(b"key-%05d" % index, bytes(90), (), 1_700_000_000_000 + index) for index in range(COUNT)]


def _installed(*names: str) -> bool:
    return all(importlib.util.find_spec(name) is not None for name in names)


def cases(size: int = 1) -> Iterator[Case]:
    """Every case; a batch has 100 records, `size` changes nothing."""
    plain = batch(ROWS).raw
    yield Case(f"headers of a batch of {COUNT}", _headers(plain), _reading(plain), 1, 20)
    for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
        raw = batch(ROWS, compression=codec).raw
        name = f"records of a batch of {COUNT} to tuples, {codec}"
        yield Case(name, _tuples(raw), _reading(raw), 1, 3 if codec == "none" else None)
    yield Case(f"records of a batch of {COUNT} to Record", _records(plain), _reading(plain))
    yield Case(f"build a batch of {COUNT}", lambda: len(batch(ROWS).raw), _building())
    for length in (1_000, 12_000, 1_000_000):
        data = bytes(range(256)) * (length // 256 + 1)
        yield Case(f"crc32c of {length} bytes, in Python", _sum(data[:length]), _summing(data[:length]))


def _headers(raw: bytes) -> Callable[[], object]:
    return lambda: sum(one.count for one in Records(raw).batches)


def _tuples(raw: bytes) -> Callable[[], object]:
    return lambda: sum([len(list(one.rows())) for one in Records(raw).batches])


def _records(raw: bytes) -> Callable[[], object]:
    return lambda: len(list(Records(raw)))


def _sum(data: bytes) -> Callable[[], object]:
    return lambda: pure_crc32c(data)


def _reading(raw: bytes) -> dict[str, Callable[[], object]]:
    peers: dict[str, Callable[[], object]] = {}
    if _installed("kafka"):
        from kafka.errors import UnsupportedCodecError
        from kafka.record import MemoryRecords as KafkaPython

        with contextlib.suppress(UnsupportedCodecError):  # it wants a package for each compression
            _through(KafkaPython, raw)()
            peers["kafka-python"] = _through(KafkaPython, raw)
    if _installed("aiokafka"):
        from aiokafka.record.memory_records import MemoryRecords as Aiokafka

        peers["aiokafka"] = _through(Aiokafka, raw)
    if _installed("kio") and not raw[22] & 7:  # it does not decompress
        from kio.records.readers import read_batch

        peers["kio"] = lambda: len(read_batch(raw, 0)[0].records)
    return peers


def _through(reader: Any, raw: bytes) -> Callable[[], object]:
    def run() -> object:
        found = []
        records = reader(raw)
        while (one := records.next_batch()) is not None:
            found += list(one)
        return len(found)

    return run


def _building() -> dict[str, Callable[[], object]]:
    if not _installed("kafka"):
        return {}
    from kafka.record.memory_records import MemoryRecordsBuilder

    def run() -> object:
        builder = MemoryRecordsBuilder(2, 0, 1 << 20)
        for key, value, headers, timestamp in ROWS:
            builder.append(timestamp, key, value, list(headers))
        builder.close()
        return len(builder.buffer())

    return {"kafka-python": run}


def _summing(data: bytes) -> dict[str, Callable[[], object]]:
    peers: dict[str, Callable[[], object]] = {}
    if _installed("kafka"):
        from kafka.record._crc32c import crc as table

        peers["kafka-python's fallback"] = lambda: table(data)
    if _installed("crc32c"):
        import crc32c

        peers["crc32c, in C"] = lambda: crc32c.crc32c(data)
    return peers
