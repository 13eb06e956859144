"""The records of a batch of format 2, from bytes and to bytes. See RecordBatch in Kafka's protocol guide.

    length varint · attributes int8 · timestamp delta varlong · offset delta varint · key length varint, key ·
    value length varint, value · header count varint · headers: key length varint, key, value length varint, value

The numbers are zigzag varints: where the lowest bit is set they are negative, and 1 is −1, which stands for null. This
is hot, so that numbers of one byte (no bit of 129 is set: neither negative nor longer) and of two are read in place.
A length that lies is found where the fields do not end where their record does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

from ....message import octets
from .varint import SHORT, WireError, read_varint, read_varlong, varint

__all__ = ["SHORTEST", "Failure", "Headers", "Row", "read_rows", "write_rows"]

Headers: TypeAlias = "tuple[tuple[str, bytes | None], ...]"
Row: TypeAlias = "tuple[bytes | None, bytes | None, Headers, int, int]"
"""Key, value, headers, timestamp, offset."""
Failure: TypeAlias = Callable[[int, str], Exception]
"""Makes an error of a position and a reason."""

SHORTEST = 7
"""Bytes of a record without anything in it."""


def read_rows(data: bytes, count: int, base_offset: int, base_timestamp: int, fail: Failure) -> Iterator[Row]:
    """The `count` records that `data` is. Raises what `fail` makes of a position and a reason."""
    size = len(data)
    start = position = 0
    try:
        for _ in range(count):
            start = position
            number = data[position]
            if number < 128:
                stop = position + 1 + (number >> 1)
                position += 2  # and over the attributes, of which none are defined
            elif (high := data[position + 1]) < 128:
                stop = position + 2 + (number >> 1 & 63 | high << 6)
                position += 3
            else:
                number, position = read_varint(data, position)
                stop = position + (number >> 1)
                position += 1
            if number & 1 or stop > size:
                raise WireError(start, "a record's length is not possible here")
            number = data[position]
            if not number & 129:
                timestamp = base_timestamp + (number >> 1)
                position += 1
            elif not number & 1 and (high := data[position + 1]) < 128:
                timestamp = base_timestamp + (number >> 1 & 63 | high << 6)
                position += 2
            else:
                number, position = read_varlong(data, position)
                timestamp = base_timestamp + (number >> 1 ^ -(number & 1))
            number = data[position]
            if not number & 129:
                offset = base_offset + (number >> 1)
                position += 1
            elif not number & 1 and (high := data[position + 1]) < 128:
                offset = base_offset + (number >> 1 & 63 | high << 6)
                position += 2
            else:
                number, position = read_varint(data, position)
                offset = base_offset + (number >> 1 ^ -(number & 1))
            number = data[position]
            if not number & 129:
                end = position + 1 + (number >> 1)
                key: bytes | None = data[position + 1 : end]
            else:
                key, end = _field(data, position)
            position = end
            number = data[position]
            if not number & 129:
                end = position + 1 + (number >> 1)
                value: bytes | None = data[position + 1 : end]
            elif not number & 1 and (high := data[position + 1]) < 128:
                end = position + 2 + (number >> 1 & 63 | high << 6)
                value = data[position + 2 : end]
            else:
                value, end = _field(data, position)
            headers: Headers = ()
            if data[end]:
                headers, position = _read_headers(data, end, stop)
            else:
                position = end + 1
            if position != stop:
                raise WireError(start, "a record's fields do not end where the record does")
            yield key, value, headers, timestamp, offset
        if position != size:
            raise WireError(position, f"{size - position} bytes are left over behind the last record")
    except WireError as error:
        raise fail(error.position, error.reason) from None
    except IndexError:
        raise fail(start, "a record ends early") from None


def _field(data: bytes, position: int) -> tuple[bytes | None, int]:
    """A key or value of any length, and where it ends: behind `data` perhaps, which the record's end tells."""
    number, start = read_varint(data, position)
    if number == 1:
        return None, start
    if number & 1:
        raise WireError(position, f"a length of {number >> 1 ^ -1}")
    end = start + (number >> 1)
    return data[start:end], end


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
_PLAIN = b"\x00"  # attributes
_NONE = b"\x00"  # headers


def write_rows(rows: Iterable[Row], base_offset: int, base_timestamp: int) -> bytes:
    """Records as `read_rows` takes them. Numbers that SHORT has are looked up in place."""
    short, size = SHORT, len(SHORT)
    parts: list[bytes] = []
    append = parts.append
    for key, value, headers, timestamp, offset in rows:
        twice = timestamp - base_timestamp << 1
        when = short[twice] if 0 <= twice < size else varint(twice >> 1)
        twice = offset - base_offset << 1
        where = short[twice] if 0 <= twice < size else varint(twice >> 1)
        if key is None:
            key_length, key = _NULL, b""
        else:
            twice = len(key) << 1
            key_length = short[twice] if twice < size else varint(twice >> 1)
        if value is None:
            value_length, value = _NULL, b""
        else:
            twice = len(value) << 1
            value_length = short[twice] if twice < size else varint(twice >> 1)
        more = _write_headers(headers) if headers else _NONE
        record = b"".join((_PLAIN, when, where, key_length, key, value_length, value, more))
        twice = len(record) << 1
        append(short[twice] if twice < size else varint(twice >> 1))
        append(record)
    return b"".join(parts)


def _write_headers(headers: Headers) -> bytes:
    parts = [varint(len(headers))]
    for name, content in headers:
        encoded = octets(name)
        parts += (varint(len(encoded)), encoded)
        parts += (_NULL,) if content is None else (varint(len(content)), content)
    return b"".join(parts)
