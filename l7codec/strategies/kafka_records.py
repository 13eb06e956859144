"""Strategies for Kafka's records: records fields of every format, batches, messages, and the records in them.

    @given(kafka_records.fields())
    def test_my_filter(records): ...

Needs the extra `hypothesis`, and for the compressions other than gzip the extra `kafka`.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from ..protocols.kafka.records import Batch, Record, Records, batch, message

__all__ = ["batches", "broken", "control_batches", "fields", "messages", "records"]

_CODECS = ("none", "gzip", "snappy", "lz4", "zstd") if find_spec("cramjam") else ("none", "gzip")
_INT64 = 2**63 - 1
_BYTES = st.one_of(
    st.none(), st.binary(max_size=12), st.integers(0, 300).map(bytes), st.sampled_from([b"", b"x" * 63, b"x" * 64])
)
_TIMES = st.one_of(st.just(-1), st.integers(1_600_000_000_000, 1_800_000_000_000), st.integers(0, 2**62))
_OFFSETS = st.one_of(st.integers(0, 1000), st.integers(0, 2**62))
_NAMES = st.text(st.characters(codec="utf-8"), max_size=6)
_HEADERS = st.lists(st.tuples(_NAMES, st.none() | st.binary(max_size=8)), max_size=3).map(tuple)


@st.composite
def records(draw: DrawFn, magic: int = 2, min_size: int = 0, max_size: int = 6) -> list[Record]:
    """Records whose offsets ascend, with what their format can hold: headers from format 2 on, times from 1 on."""
    offset = draw(_OFFSETS)
    result = []
    for _ in range(draw(st.integers(min_size, max_size))):
        headers = draw(_HEADERS) if magic == 2 and draw(st.booleans()) else ()
        result.append(Record(draw(_BYTES), draw(_BYTES), headers, draw(_TIMES) if magic else -1, offset))
        offset += draw(st.sampled_from((1, 1, 1, 2, 64, 9000)))
    return result


@st.composite
def batches(draw: DrawFn) -> Batch:
    """Batches of format 2: every compression and attribute, producers with and without an id, also empty ones."""
    given = draw(records())
    more: dict[str, Any] = {}
    if draw(st.booleans()):
        more = {"producer_id": draw(st.integers(0, _INT64)), "producer_epoch": draw(st.integers(0, 2**15 - 1))}
        more["base_sequence"] = draw(st.integers(0, 2**31 - 1))
    if draw(st.integers(0, 4)) == 0:
        more["delete_horizon"] = draw(st.integers(0, 2**62))
    return batch(
        given,
        compression=draw(st.sampled_from(_CODECS)),
        partition_leader_epoch=draw(st.integers(-1, 1000)),
        transactional=bool(more) and draw(st.booleans()),
        log_append_time=draw(st.booleans()),
        max_timestamp=draw(st.none() | st.integers(0, 2**62)),
        **more,
    )


@st.composite
def control_batches(draw: DrawFn) -> Batch:
    """Batches that end a transaction (EndTxnMarker, version 0)."""
    kind = draw(st.integers(0, 1))
    marker = Record(
        key=b"\0\0" + kind.to_bytes(2, "big"),
        value=b"\0\0" + draw(st.integers(0, 2**31 - 1)).to_bytes(4, "big"),
        timestamp=draw(_TIMES),
        offset=draw(_OFFSETS),
    )
    return batch([marker], transactional=True, control=True, producer_id=draw(st.integers(0, 2**40)), producer_epoch=0)


@st.composite
def messages(draw: DrawFn, magic: int | None = None) -> Batch:
    """Messages of format 0 and 1, alone or several of them compressed in one."""
    chosen = draw(st.sampled_from((0, 1))) if magic is None else magic
    codec = draw(st.sampled_from([codec for codec in _CODECS if codec != "zstd"]))
    given = draw(records(chosen, 1, 1 if codec == "none" else 5))
    return message(given, magic=chosen, compression=codec, log_append_time=bool(chosen) and draw(st.booleans()))


@st.composite
def fields(draw: DrawFn) -> Records:
    """Whole records fields: batches of all formats mixed, and sometimes the beginning of one that is cut off."""
    parts = draw(st.lists(st.one_of(batches(), batches(), messages(), control_batches()), max_size=4))
    whole = Records.join(*parts)
    if draw(st.booleans()):
        return whole
    last = draw(st.one_of(batches(), messages())).raw
    return Records(whole.data + last[: draw(st.integers(0, len(last) - 1))])


def broken() -> SearchStrategy[bytes]:
    """A field with a few faults."""
    from . import mutations

    return fields().flatmap(lambda field: mutations(field.data))
