"""Any bytes as a records field: records, or a BodyError that says where; nothing else, and no more than is allowed."""

from __future__ import annotations

from l7codec import BodyError
from l7codec.message import _plain
from l7codec.protocols.kafka.records import Records

LIMIT = 1 << 16


def test_one(data: bytes) -> None:
    """What a fuzzer calls with one input."""
    field = Records(data, limit=LIMIT)
    _plain(field)
    read = []
    try:
        batches = field.batches
    except BodyError as error:
        located(error, data)
        return
    assert b"".join([one.raw for one in batches]) + field.partial == data
    for one in batches:
        one.crc_valid  # noqa: B018  that it can be computed
        moved = one.replace(base_offset=0)
        assert moved.raw[8:] == one.raw[8:] or one.magic == 2
    try:
        for record in field:
            read.append(record)
    except BodyError as error:
        located(error, data)
    assert sum(len(one.key or b"") + len(one.value or b"") for one in read) <= len(data) + LIMIT


def located(error: BodyError, data: bytes) -> None:
    """An error has a place in the data and a reason."""
    assert 0 <= error.offset <= len(data)
    assert error.reason
