"""The records of a batch of format 2, from bytes and to bytes. See RecordBatch in Kafka's protocol guide.

    length varint · attributes int8 · timestamp delta varlong · offset delta varint · key length varint, key ·
    value length varint, value · header count varint · headers: key length varint, key, value length varint, value

The numbers are zigzag varints: an odd first byte is a negative number, 1 is −1, which stands for null. This is hot, so
that numbers of one byte are read in place.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeAlias

from ....message import octets
from .varint import WireError, read_varint, read_varlong, varint

__all__ = ["SHORTEST", "Headers", "Row", "read_rows", "write_rows"]

Headers: TypeAlias = "tuple[tuple[str, bytes | None], ...]"
Row: TypeAlias = "tuple[bytes | None, bytes | None, Headers, int, int]"
"""Key, value, headers, timestamp, offset."""

SHORTEST = 7
"""Bytes of a record without anything in it."""


def read_rows(
    data: bytes, position: int, count: int, base_offset: int, base_timestamp: int, append_time: int | None
) -> Iterator[Row]:
    """The `count` records from `position` on, which must end where `data` does. Raises WireError.

    `append_time` is the timestamp of all of them where the broker has set it.
    """
    size = len(data)
    start = position
    try:
        for _ in range(count):
            start = position
            number = data[position]
            position += 1
            if number > 127:
                high = data[position]
                if high < 128:
                    number = number & 127 | high << 7
                    position += 1
                else:
                    number, position = read_varint(data, position - 1)
            stop = position + (number >> 1)
            if number & 1 or stop > size:
                raise WireError(start, _bad_length(number, size - position))
            position += 1  # attributes: none are defined
            number = data[position]
            position += 1
            if number > 127:
                number, position = read_varlong(data, position - 1)
            timestamp = base_timestamp + (number >> 1 ^ -(number & 1))
            number = data[position]
            position += 1
            if number > 127:
                number, position = read_varint(data, position - 1)
            offset = base_offset + (number >> 1 ^ -(number & 1))
            number = data[position]
            position += 1
            if number == 1:
                key = None
            else:
                if number > 127:
                    number, position = read_varint(data, position - 1)
                if number & 1:
                    raise WireError(position, _bad_length(number, stop - position))
                end = position + (number >> 1)
                key = data[position:end]
                position = end
            number = data[position]
            position += 1
            if number == 1:
                value = None
            else:
                if number > 127:
                    high = data[position]
                    if high < 128:
                        number = number & 127 | high << 7
                        position += 1
                    else:
                        number, position = read_varint(data, position - 1)
                if number & 1:
                    raise WireError(position, _bad_length(number, stop - position))
                end = position + (number >> 1)
                value = data[position:end]
                position = end
            headers: Headers = ()
            if data[position]:
                headers, position = _read_headers(data, position, stop)
            else:
                position += 1
            if position != stop:
                raise WireError(start, "a record's fields do not end where the record does")
            yield key, value, headers, timestamp if append_time is None else append_time, offset
    except IndexError:
        raise WireError(start, "a record ends early") from None
    if position != size:
        raise WireError(position, f"{size - position} bytes are left over behind the last record")


def _bad_length(number: int, left: int) -> str:
    length = number >> 1 ^ -(number & 1)
    return f"a length of {length}" if length < 0 else f"a record of {length} bytes where {left} are left"


def _read_headers(data: bytes, position: int, stop: int) -> tuple[Headers, int]:
    number, position = read_varint(data, position)
    if number & 1 or number > stop - position:  # two bytes a header, and the number is twice the count
        raise WireError(position, f"{number >> 1 ^ -(number & 1)} headers in {max(stop - position, 0)} bytes")
    headers: list[tuple[str, bytes | None]] = []
    for _ in range(number >> 1):
        number, position = read_varint(data, position)
        end = position + (number >> 1)
        if number & 1 or end > stop:
            raise WireError(position, f"a header's name has a length of {number >> 1 ^ -(number & 1)}")
        name = data[position:end].decode("utf-8", "surrogateescape")
        number, position = read_varint(data, end)
        if number == 1:
            headers.append((name, None))
            continue
        end = position + (number >> 1)
        if number & 1 or end > stop:
            raise WireError(position, f"a header's value has a length of {number >> 1 ^ -(number & 1)}")
        headers.append((name, data[position:end]))
        position = end
    return tuple(headers), position


_NULL = varint(-1)
_PLAIN = b"\x00"


def write_rows(rows: Iterable[Row], base_offset: int, base_timestamp: int) -> bytes:
    """Records as `read_rows` takes them."""
    parts: list[bytes] = []
    for key, value, headers, timestamp, offset in rows:
        fields = [_PLAIN, varint(timestamp - base_timestamp), varint(offset - base_offset)]
        fields += (_NULL,) if key is None else (varint(len(key)), key)
        fields += (_NULL,) if value is None else (varint(len(value)), value)
        fields.append(varint(len(headers)))
        for name, content in headers:
            encoded = octets(name)
            fields += (varint(len(encoded)), encoded)
            fields += (_NULL,) if content is None else (varint(len(content)), content)
        record = b"".join(fields)
        parts += (varint(len(record)), record)
    return b"".join(parts)
