"""Bodies of messages, read and written."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from ...errors import BodyError, LocalProtocolError
from ...message import Message, Side
from .generate import FAULTS, make_reader, make_writer
from .layout import Struct, data_layout, layout, name_of
from .plain import Wrong, read, read_varint, write
from .schema import API_NAMES, api

__all__ = [
    "body_at",
    "header",
    "read_body",
    "read_data",
    "read_struct",
    "trailing_data",
    "write_body",
    "write_data",
    "wrong_body",
]


@cache
def reader(key: int, response: bool, version: int, lazy: bool) -> Callable[[bytes, int], tuple[Any, int]]:
    """The generated reader of one version of a message."""
    return make_reader(layout(key, response, version), lazy)


@cache
def writer(key: int, response: bool, version: int) -> Callable[[Any, Callable[[bytes], None]], None]:
    """The generated writer of one version of a message."""
    return make_writer(layout(key, response, version))


def read_body(message: Message) -> Any:
    """See KafkaCodec.body. Raises BodyError."""
    raw, metadata = message.raw, message.metadata
    if "kafka.sasl_token" in metadata:
        return raw[4:]
    if "kafka.undecoded" in metadata:
        return raw[8:] if message.id is not None else raw[4:]
    key, version = metadata.get("kafka.api_key"), metadata.get("kafka.api_version")
    response = message.side is Side.SERVER
    if not isinstance(key, int) or not isinstance(version, int) or key not in API_NAMES:
        raise message.error or BodyError("kafka", 4, "no request's header")
    if version not in api(key).versions:
        raise message.error or BodyError("kafka", 6, f"{name_of(key, response, version)} does not exist")
    return read_struct(raw, key, version, response, body_at(raw, key, version, response))[0]


def read_struct(
    raw: bytes, key: int, version: int, response: bool, at: int, lazy: bool = True
) -> tuple[dict[str, Any], int]:
    """The body at `at`, and where it ends. Raises BodyError."""
    try:
        return reader(key, response, version, lazy)(raw, at)
    except UnicodeDecodeError:  # good text may hold anything: `plain` reads what the fast way does not
        pass
    except FAULTS:
        _find_wrong(raw, key, version, response, at)
    try:
        return read(layout(key, response, version), raw, at)
    except Wrong as wrong:
        raise located(wrong, name_of(key, response, version)) from None


def _find_wrong(raw: bytes, key: int, version: int, response: bool, at: int) -> None:
    """Raises BodyError."""
    try:
        read(layout(key, response, version), raw, at, keep=False)
    except Wrong as wrong:
        raise located(wrong, name_of(key, response, version)) from None


def located(wrong: Wrong, name: str) -> BodyError:
    """API, version, field, offset."""
    return BodyError("kafka", wrong.offset, f"{name}: {wrong}")


def wrong_body(raw: bytes, key: int, version: int, response: bool, at: int) -> BodyError | None:
    """What is wrong in a message that a skim could not go through."""
    try:
        if _header_version(key, version, response) == (1 if response else 2):
            at = _skip_tags(raw, at, name_of(key, response, version))
        _find_wrong(raw, key, version, response, at)
    except BodyError as error:
        return error
    return None


def _header_version(key: int, version: int, response: bool) -> int:
    known = api(key)
    return known.response_header(version) if response else known.request_header(version)


def body_at(raw: bytes, key: int, version: int, response: bool) -> int:
    """Where a message's body begins. Raises BodyError."""
    header = _header_version(key, version, response)
    if response:
        return _skip_tags(raw, 8, name_of(key, True, version)) if header else 8
    if not header:
        return 12
    length = int.from_bytes(raw[12:14], "big", signed=True)
    at = 14 + max(length, 0)
    if length < -1 or len(raw) < at:
        raise BodyError("kafka", 12, f"a client id of {length} bytes, {len(raw) - 14} are left")
    return _skip_tags(raw, at, name_of(key, False, version)) if header == 2 else at


def _skip_tags(raw: bytes, at: int, name: str) -> int:
    """Behind the tagged fields of a header, none of which is known."""
    try:
        count, at = read_varint(raw, at)
        last = -1
        for _ in range(count):
            start = at
            tag, at = read_varint(raw, at)
            size, at = read_varint(raw, at)
            if tag <= last:
                raise Wrong(f"tag {tag} behind tag {last}: tags ascend", offset=start)
            if size > len(raw) - at:
                raise Wrong(f"tag {tag} announces {size} bytes, {len(raw) - at} are left", offset=start)
            last = tag
            at += size
    except Wrong as wrong:
        wrong.path = "header"
        raise located(wrong, name) from None
    return at


def header(message: Message) -> dict[str, Any]:
    """The header's fields by their names in Kafka's schema; tagged ones, none of which Kafka has named yet, included.

    Raises BodyError, also for a SASL token, which has none. Of a response whose request was not seen it is the id.
    """
    raw, metadata = message.raw, message.metadata
    key, version = metadata.get("kafka.api_key"), metadata.get("kafka.api_version")
    response = message.side is Side.SERVER
    number = None
    if isinstance(key, int) and isinstance(version, int) and key in API_NAMES and version in api(key).versions:
        number = _header_version(key, version, response)
    elif response and "kafka.sasl_token" not in metadata:
        number = 0
    if number is None:
        raise message.error or BodyError("kafka", 4, "no header")
    kind = "ResponseHeader" if response else "RequestHeader"
    try:
        return read(data_layout(kind, number), raw, 4)[0]
    except Wrong as wrong:
        raise located(wrong, kind) from None


def trailing_data(message: Message) -> bytes:
    """What a frame holds behind its body; some brokers send more than the version has. Raises BodyError."""
    key, version = message.metadata.get("kafka.api_key"), message.metadata.get("kafka.api_version")
    if not isinstance(key, int) or not isinstance(version, int) or not isinstance(message.body, dict):
        return b""
    response = message.side is Side.SERVER
    raw = message.raw
    return raw[read_struct(raw, key, version, response, body_at(raw, key, version, response))[1] :]


def write_body(key: int, version: int, response: bool, value: Any) -> bytes:
    """A body's bytes. What `value` does not name has its default. Raises LocalProtocolError."""
    parts: list[bytes] = []
    try:
        writer(key, response, version)(value, parts.append)
        return b"".join(parts)
    except FAULTS:
        pass
    try:
        return write(layout(key, response, version), value)
    except Wrong as wrong:
        raise LocalProtocolError("kafka", 0, f"{name_of(key, response, version)}: {wrong}") from None


# -- what messages and records carry as bytes -----------------------------------------------------------------------


def read_data(name: str, data: bytes) -> tuple[int, dict[str, Any]]:
    """The version and fields of an embedded struct that its version precedes: a consumer's subscription, say.

    Some, such as LeaderChangeMessage, count the version as their first field. Bytes behind it are let pass, as Kafka
    does, and a newer version is read as the newest known. Raises BodyError.
    """
    version = int.from_bytes(data[:2], "big", signed=True)
    try:
        if len(data) < 2 or version < 0:
            raise Wrong(f"{name} has no version {version}")
        fields = _newest(name, version)
        return version, read(fields, data, 0 if _has_version(fields) else 2)[0]
    except Wrong as wrong:
        raise located(wrong, name) from None


def _has_version(fields: Struct) -> bool:
    """Whether a struct's version is its own first field."""
    return fields.names[0] == "version"


def _newest(name: str, version: int) -> Struct:
    from .schema import data_schema

    return data_layout(name, min(version, data_schema(name).versions.last))


def write_data(name: str, version: int, value: Any) -> bytes:
    """An embedded struct and its version, as `read_data` reads them. Raises LocalProtocolError."""
    try:
        fields = data_layout(name, version)
        if _has_version(fields):
            return write(fields, {**value, "version": version})
        data = write(fields, value)
        return version.to_bytes(2, "big") + data
    except (Wrong, ValueError, TypeError) as wrong:
        raise LocalProtocolError("kafka", 0, f"{name} v{version}: {wrong}") from None
