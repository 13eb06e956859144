"""What Java's two libraries wrote (`scripts/record_hessian2.py`): read, skipped, and written again byte for byte."""

from __future__ import annotations

from typing import Any

import pytest

from l7codec import hessian2
from l7codec.hessian2 import Reader, Writer
from tests.hessian2.words import check, vectors

LIBRARIES = ("lite", "caucho")
ROWS = [pytest.param(library, row, id=f"{library} {row['name']}") for library in LIBRARIES for row in vectors(library)]


def read(row: dict[str, Any]) -> tuple[Reader, list[Any]]:
    reader = Reader(row["data"])
    return reader, [reader.value() for _ in row["values"]]


@pytest.mark.parametrize(("library", "row"), ROWS)
def test_java_s_bytes(library: str, row: dict[str, Any]) -> None:
    reader, values = read(row)
    assert reader.at_end
    for value, words in zip(values, row["values"], strict=True):
        check(value, words)

    skipped = Reader(row["data"])
    for _ in values:
        skipped.skip()
    assert skipped.at_end
    assert skipped.context.marks() == reader.context.marks()

    writer = Writer()
    for value in values:
        writer.value(value)
    if library == "caucho" and isinstance(values[0], bytes) and len(values[0]) > 4093:
        # Caucho's chunks of a binary are twice as long as those of hessian-lite, which are ours.
        assert hessian2.loads(writer.bytes()) == values[0]
    else:
        assert writer.bytes() == row["data"]


@pytest.mark.parametrize(("library", "row"), ROWS)
def test_cut_short_anywhere(library: str, row: dict[str, Any]) -> None:
    """A value that is cut off is an error, in reading and in skipping."""
    data = row["data"]
    for end in {*range(min(len(data), 40)), *range(40, len(data), max(len(data) // 5, 97)), len(data) - 1}:
        for way in (Reader.value, Reader.skip):
            reader = Reader(data, end=end)
            with pytest.raises(hessian2.BodyError):
                for _ in row["values"]:
                    way(reader)


@pytest.mark.parametrize("library", LIBRARIES)
def test_references_to_what_was_skipped(library: str) -> None:
    (row,) = [row for row in vectors(library) if row["name"] == "references between values"]
    _, values = read(row)
    for last in range(len(values)):
        reader = Reader(row["data"])
        for _ in range(last):
            reader.skip()
        rest = [reader.value() for _ in values[last:]]
        assert rest == values[last:]
        assert reader.at_end


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_value_written_behind_others_stands_alone(library: str) -> None:
    (row,) = [row for row in vectors(library) if row["name"] == "references between values"]
    _, values = read(row)
    reader = Reader(row["data"])
    for _ in values[:-1]:
        reader.skip()
    start = reader.offset
    attachments = reader.value()
    behind = Reader(row["data"][:start])
    for _ in values[:-1]:
        behind.skip()
    writer = Writer(after=behind)
    writer.value({**dict(attachments.items()), "added": 1})
    edited = row["data"][:start] + writer.bytes()
    again = Reader(edited)
    assert [again.value() for _ in values[:-1]] == values[:-1]
    assert again.value() == {**dict(attachments.items()), "added": 1}
    assert again.at_end
    assert b"Things$Thing" not in writer.bytes()  # the class is known from before
