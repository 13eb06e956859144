"""Reading and writing by the layout, one field after the other: slowly, and with errors that say what is wrong where.

What `generate` makes does the same much faster and knows only that something is wrong; then this is asked. The tests
compare the two.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any, Final

from .layout import FORMATS, SIZES, TAGGED_FIELDS, ZERO_UUID, Item, Struct
from .records import Records
from .schema import Field

__all__ = ["Wrong", "read", "read_varint", "uuid_bytes", "uuid_text", "varint", "write", "write_item", "write_tags"]

MAX_STRING: Final = 32767
"""Bytes of a string, in compact form too: Kafka's generated readers refuse longer ones."""
MAX_VARINT: Final = 2**32 - 1
"""Kafka's own reader drops higher bits without a word: it would take tag 2**32 + 1 for tag 1."""


class Wrong(ValueError):
    """What is wrong, in which field, at which byte."""

    def __init__(self, reason: str, path: str = "", offset: int = 0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.path = path
        self.offset = offset

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}" if self.path else self.reason


# -- reading --------------------------------------------------------------------------------------------------------


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """An unsigned varint of at most 32 bits in at most 5 bytes, and where it ends. Raises Wrong."""
    value = shift = 0
    for place in range(at, at + 5):
        if place >= len(data):
            raise Wrong("the bytes end inside a varint", offset=len(data))
        byte = data[place]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if value > MAX_VARINT:
                raise Wrong("a varint of more than 32 bits", offset=at)
            return value, place + 1
        shift += 7
    raise Wrong("a varint of more than 5 bytes", offset=at)


def read(fields: Struct, data: bytes, at: int = 0, keep: bool = True) -> tuple[dict[str, Any], int]:
    """The struct at `at`, and where it ends. Raises Wrong. The nesting is the schema's, never the data's.

    `keep=False`: only to find out what is wrong. Elements and unknown tagged fields are forgotten once they are read:
    as dicts, two bytes of a hostile frame take some three hundred.
    """
    value: dict[str, Any] = {}
    for item in fields.fields:
        value[item.name], at = _named(item, data, at, keep)
    if fields.flexible:
        at = _read_tags(fields, value, data, at, keep)
    return value, at


def _named(item: Item, data: bytes, at: int, keep: bool) -> tuple[Any, int]:
    try:
        return _read_item(item, data, at, keep)
    except Wrong as wrong:
        wrong.path = item.name + (wrong.path if wrong.path.startswith("[") else f".{wrong.path}" if wrong.path else "")
        raise


def _read_tags(fields: Struct, value: dict[str, Any], data: bytes, at: int, keep: bool) -> int:
    for item in fields.tags:
        value[item.name] = item.fresh()
    known = {item.tag: item for item in fields.tags}
    unknown: dict[int, bytes] = {}
    count, at = read_varint(data, at)
    last = -1
    for _ in range(count):
        start = at
        tag, at = read_varint(data, at)
        if tag <= last:
            raise Wrong(f"tag {tag} behind tag {last}: tags ascend", offset=start)
        last = tag
        size, at = read_varint(data, at)
        end = at + size
        if end > len(data):
            raise Wrong(f"tag {tag} announces {size} bytes, {len(data) - at} are left", offset=start)
        one = known.get(tag)
        if one is None:
            if keep:
                unknown[tag] = data[at:end]
        else:
            value[one.name], stop = _named(one, data, at, keep)
            if stop != end:
                raise Wrong(f"tag {tag} announces {size} bytes and holds {stop - at}", one.name, start)
        at = end
    if unknown:
        value[TAGGED_FIELDS] = unknown
    return at


def _read_item(item: Item, data: bytes, at: int, keep: bool) -> tuple[Any, int]:
    if item.array:
        start = at
        count, at = _read_length(item, data, at, "i")
        if count is None:
            return None, at
        if count > len(data) - at:
            raise Wrong(f"{count} elements are announced, {len(data) - at} bytes are left", offset=start)
        values = []
        for index in range(count):
            try:
                value, at = _read_one(item, data, at, keep)
            except Wrong as wrong:
                dot = "." if wrong.path and not wrong.path.startswith("[") else ""
                wrong.path = f"[{index}]{dot}{wrong.path}"
                raise
            if keep:
                values.append(value)
        return values, at
    if item.inner is not None and item.nullable:
        if at >= len(data):
            raise Wrong("the bytes end", offset=len(data))
        if data[at] > 127:
            return None, at + 1
        at += 1
    return _read_one(item, data, at, keep, item.nullable)


def _read_one(item: Item, data: bytes, at: int, keep: bool, nullable: bool = False) -> tuple[Any, int]:
    if item.inner is not None:
        return read(item.inner, data, at, keep)
    size = SIZES.get(item.type)
    if size is not None:
        if at + size > len(data):
            raise Wrong(f"{item.type} takes {size} bytes, {len(data) - at} are left", offset=at)
        return struct.unpack_from(">" + FORMATS[item.type], data, at)[0], at + size
    start = at
    length, at = _read_length(item, data, at, "h" if item.type == "string" else "i", nullable)
    if length is None:
        return None, at
    if item.type == "string" and length > MAX_STRING:
        raise Wrong(f"a string of {length} bytes", offset=start)
    if length > len(data) - at:
        raise Wrong(f"{length} bytes are announced, {len(data) - at} are left", offset=start)
    value = data[at : at + length]
    if item.type == "string":
        return value.decode("utf-8", "surrogateescape"), at + length
    return Records(value) if item.type == "records" else value, at + length


def _read_length(item: Item, data: bytes, at: int, form: str, nullable: bool | None = None) -> tuple[int | None, int]:
    start = at
    if item.compact:
        length, at = read_varint(data, at)
        length -= 1
    else:
        size = 2 if form == "h" else 4
        if at + size > len(data):
            raise Wrong(f"a length takes {size} bytes, {len(data) - at} are left", offset=at)
        (length,) = struct.unpack_from(">" + form, data, at)
        at += size
    if length < -1:
        raise Wrong(f"a length of {length}", offset=start)
    if length == -1:
        if item.nullable if nullable is None else nullable:
            return None, at
        raise Wrong("null, which is not allowed here", offset=start)
    return length, at


# -- writing --------------------------------------------------------------------------------------------------------


def varint(value: int) -> bytes:
    """An unsigned varint."""
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    found.append(value)
    return bytes(found)


def write(fields: Struct, value: Any) -> bytes:
    """The struct's bytes. What `value` does not name has its default. Raises Wrong."""
    parts: list[bytes] = []
    _write(fields, value, parts)
    return b"".join(parts)


def _write(fields: Struct, value: Any, parts: list[bytes]) -> None:
    if not isinstance(value, Mapping):
        raise Wrong(f"a mapping of fields is needed, not {type(value).__name__}")
    _check_names(fields, value)
    for item in fields.fields:
        _write_named(item, value[item.name] if item.name in value else item.fresh(True), parts)
    if fields.flexible:
        _write_tags(fields, value, parts)


def _check_names(fields: Struct, value: Mapping[str, Any]) -> None:
    """A field that another version has may be named if it may be dropped, or is what it would be without."""
    names = set(fields.names)
    for name, one in value.items():
        if name in names or (name == TAGGED_FIELDS and (fields.flexible or not one)):
            continue
        other = next((field for field in fields.all_fields if field.name == name), None)
        if other is None:
            reason = "unknown tagged fields need a flexible version" if name == TAGGED_FIELDS else "no such field"
            raise Wrong(reason, str(name))
        if not other.ignorable and not _is_default(other, one):
            raise Wrong(f"version {fields.version} lacks this field: {other.versions} has it", name)


def _is_default(field: Field, value: Any) -> bool:
    version = field.versions.first
    item = Item(field, version, True)
    return item.is_default(value) or (item.nullable and value is None)


def write_tags(fields: Struct, value: Mapping[str, Any]) -> bytes:
    """What stands behind a struct's other fields. Raises Wrong."""
    parts: list[bytes] = []
    _write_tags(fields, value, parts)
    return b"".join(parts)


def _write_tags(fields: Struct, value: Mapping[str, Any], parts: list[bytes]) -> None:
    tagged: dict[int, bytes] = {}
    for item in fields.tags:
        if item.name in value and not item.is_default(value[item.name]):
            inner: list[bytes] = []
            _write_named(item, value[item.name], inner)
            tagged[item.tag or 0] = b"".join(inner)
    unknown = value.get(TAGGED_FIELDS) or {}
    if not isinstance(unknown, Mapping):
        raise Wrong("a mapping from tag to bytes is needed", TAGGED_FIELDS)
    known = {item.tag: item.name for item in fields.tags}
    for tag, content in unknown.items():
        if not isinstance(tag, int) or isinstance(tag, bool) or not 0 <= tag <= MAX_VARINT:
            raise Wrong(f"{tag!r} is no tag", TAGGED_FIELDS)
        if tag in known:
            raise Wrong(f"tag {tag} is the field {known[tag]}", TAGGED_FIELDS)
        if not isinstance(content, bytes):
            raise Wrong(f"tag {tag} needs bytes, not {type(content).__name__}", TAGGED_FIELDS)
        tagged[tag] = content
    parts.append(varint(len(tagged)))
    for tag, content in sorted(tagged.items()):
        parts += (varint(tag), varint(len(content)), content)


def _write_named(item: Item, value: Any, parts: list[bytes]) -> None:
    try:
        write_item(item, value, parts)
    except Wrong as wrong:
        wrong.path = item.name + (wrong.path if wrong.path.startswith("[") else f".{wrong.path}" if wrong.path else "")
        raise


def write_item(item: Item, value: Any, parts: list[bytes]) -> None:
    """Append a field's bytes. Raises Wrong."""
    if item.array:
        if value is None or isinstance(value, str | bytes | Mapping) or not hasattr(value, "__len__"):
            if value is not None or not item.nullable:
                raise Wrong("null, which is not allowed here" if value is None else f"a list is needed, not {value!r}")
            parts.append(_length(item, -1, "i"))
            return
        parts.append(_length(item, len(value), "i"))
        for index, one in enumerate(value):
            try:
                _write_one(item, one, False, parts)
            except Wrong as wrong:
                dot = "." if wrong.path and not wrong.path.startswith("[") else ""
                wrong.path = f"[{index}]{dot}{wrong.path}"
                raise
        return
    if item.inner is not None and item.nullable:
        parts.append(b"\xff" if value is None else b"\x01")
        if value is None:
            return
    _write_one(item, value, item.nullable, parts)


def _write_one(item: Item, value: Any, nullable: bool, parts: list[bytes]) -> None:
    if item.inner is not None:
        _write(item.inner, value, parts)
        return
    if item.type in SIZES:
        parts.append(_fixed(item.type, value))
        return
    form = "h" if item.type == "string" else "i"
    if value is None:
        if not nullable:
            raise Wrong("null, which is not allowed here")
        parts.append(_length(item, -1, form))
        return
    data = _content(item.type, value)
    parts += (_length(item, len(data), form), data)


def _content(type_: str, value: Any) -> bytes:
    if type_ == "string":
        if not isinstance(value, str):
            raise Wrong(f"text is needed, not {type(value).__name__}")
        try:
            data = value.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:
            raise Wrong("text that cannot be written as UTF-8") from None
        if len(data) > MAX_STRING:
            raise Wrong(f"a string of {len(data)} bytes; {MAX_STRING} are the most")
        return data
    if type_ == "records" and isinstance(value, Records):
        return value.data
    if not isinstance(value, bytes | bytearray | memoryview):
        raise Wrong(f"bytes are needed, not {type(value).__name__}")
    return bytes(value)


def _fixed(type_: str, value: Any) -> bytes:
    if type_ == "uuid":
        return uuid_bytes(value)
    if type_ == "bool":
        if not isinstance(value, bool):
            raise Wrong(f"True or False is needed, not {value!r}")
    elif type_ == "float64":
        if not isinstance(value, int | float):
            raise Wrong(f"a number is needed, not {value!r}")
    elif not isinstance(value, int):
        raise Wrong(f"a whole number is needed, not {value!r}")
    try:
        return struct.pack(">" + FORMATS[type_], value)
    except (struct.error, OverflowError):
        raise Wrong(f"{value} does not fit into {type_}") from None


def _length(item: Item, length: int, form: str) -> bytes:
    if item.compact:
        return varint(length + 1)
    return struct.pack(">" + form, length)


# -- topic ids ------------------------------------------------------------------------------------------------------


def uuid_text(value: bytes) -> str:
    """A UUID as Kafka prints it: 22 letters of URL-safe base64."""
    from binascii import b2a_base64

    return b2a_base64(value, newline=False)[:22].translate(_TO_URL).decode("ascii")


def uuid_bytes(value: Any) -> bytes:
    """A UUID from its 16 bytes or the text that Kafka prints. Raises Wrong."""
    from binascii import Error, a2b_base64

    if value is None:
        return ZERO_UUID
    if isinstance(value, str):
        try:
            value = a2b_base64(value.encode("ascii").translate(_FROM_URL) + b"==")
        except (Error, UnicodeEncodeError):
            value = b""
    if not isinstance(value, bytes) or len(value) != 16:
        raise Wrong("a UUID is 16 bytes, or 22 letters as Kafka prints it")
    return value


_TO_URL: Final = bytes.maketrans(b"+/", b"-_")
_FROM_URL: Final = bytes.maketrans(b"-_", b"+/")
