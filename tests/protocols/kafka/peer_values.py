"""Our bodies as objects of kio and kafka-python, and those as our bodies: field by field, under the fields' names.

By names, since two fields that change places in one's idea of a message would change them back when bytes alone are
compared.
"""

from __future__ import annotations

import dataclasses
import datetime
import typing
import uuid
from collections.abc import Callable, Collection
from typing import Any

from l7codec.protocols.kafka.layout import Item, Struct

Build = Callable[[Any, dict[str, Any], Struct, int], Any]
Read = Callable[[Any, Struct], dict[str, Any]]

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MILLISECOND = datetime.timedelta(milliseconds=1)


def items(fields: Struct) -> list[Item]:
    return [*fields.fields, *fields.tags]


_RENAMED = {
    # in Kafka, after the release that they are of
    "generation_id_or_member_epoch": "generation_id",
    "acceptable_recovery_lag_legacy": "acceptable_recovery_lag",
    # by them
    "kraft_version_feature": "k_raft_version_feature",
    "topic_authorized_operations": "authorized_operations",
    "cluster_authorized_operations": "authorized_operations",
}


def _name(item: Item, known: Collection[str], others: tuple[str, ...] = ()) -> str:
    for name in (item.name, *others, _RENAMED.get(item.name)):
        if name in known:
            return name
    raise AssertionError(f"no {item.name} among {list(known)}")


# -- kio: frozen dataclasses, one module a version ----------------------------------------------------------------


def kio_field(type_: Any, item: Item) -> dataclasses.Field[Any]:
    """The dataclass's own field: durations have lost their unit."""
    known = {one.name: one for one in dataclasses.fields(type_)}
    return known[_name(item, known, (item.name.removesuffix("_ms"), f"{item.name}_"))]


def kio_build(type_: Any, value: dict[str, Any], fields: Struct, version: int) -> Any:
    """An object of kio's class with our values."""
    given = {}
    for item in items(fields):
        field = kio_field(type_, item)
        one = value[item.name]
        if one is None and item.inner is not None and item.tag is not None and not item.nullable:
            one = item.inner.fresh()  # what is not sent is a struct of defaults there
        given[field.name] = _map(one, item, lambda one, item=item, field=field: _to_kio(one, item, field))
    assert len(given) == len(dataclasses.fields(type_)), type_
    return type_(**{name: tuple(one) if isinstance(one, list) else one for name, one in given.items()})


def _to_kio(value: Any, item: Item, field: dataclasses.Field[Any]) -> Any:
    if item.inner is not None:
        (inner,) = (one for one in _within(field.type) if dataclasses.is_dataclass(one))
        return kio_build(inner, value, item.inner, 0)
    match field.metadata.get("kafka_type"):
        case "error_code":
            from kio.schema.errors import ErrorCode

            return ErrorCode(value)
        case "timedelta_i32" | "timedelta_i64":
            return value * _MILLISECOND
        case "datetime_i64":
            return None if value == -1 else _EPOCH + value * _MILLISECOND
        case "uuid":
            return uuid.UUID(bytes=value) if any(value) else None
        case "records":
            return value.data
    return value


def kio_read(found: Any, fields: Struct) -> dict[str, Any]:
    """Our values from an object of kio's."""
    value = {}
    for item in items(fields):
        field = kio_field(type(found), item)
        value[item.name] = _map(getattr(found, field.name), item, lambda one, item=item: _from_kio(one, item))
    return value


def _from_kio(value: Any, item: Item) -> Any:
    if isinstance(value, datetime.timedelta):
        return value // _MILLISECOND
    if isinstance(value, datetime.datetime):
        return (value - _EPOCH) // _MILLISECOND
    if item.type == "int64" and value is None:
        return -1  # a moment that is none
    return _from(value, item, kio_read)


def _within(type_: Any) -> list[Any]:
    return [type_, *(inner for one in typing.get_args(type_) for inner in _within(one))]


def kio_fits(value: Any, type_: Any, fields: Struct) -> Any:
    """The value with what kio has no object for made another: unknown error codes, times before 1970.

    And after 2004: it counts seconds in a float, and loses a millisecond now and then.
    """
    fitted = {}
    for item in items(fields):
        field = kio_field(type_, item)
        fitted[item.name] = _map(value[item.name], item, lambda one, item=item, field=field: _fit(one, item, field))
    return fitted


def _fit(value: Any, item: Item, field: dataclasses.Field[Any]) -> Any:
    if item.inner is not None:
        (inner,) = (one for one in _within(field.type) if dataclasses.is_dataclass(one))
        return kio_fits(value, inner, item.inner)
    match field.metadata.get("kafka_type"):
        case "error_code":
            return value % 134 - 1  # it knows -1 to 132
        case "timedelta_i64":
            return value >> 16
        case "datetime_i64":
            return -1 if value % 4 == 0 and type(None) in _within(field.type) else abs(value) >> 23
    return value


# -- kafka-python: one class a message, with a version ------------------------------------------------------------


def kafka_python_build(type_: Any, value: dict[str, Any], fields: Struct, version: int) -> Any:
    """An object of kafka-python's class with our values."""
    known = type_.fields
    given = {}
    for item in items(fields):
        name = _name(item, known)
        field = known[name]
        if item.tag is not None and item.is_default(value[item.name]):
            continue  # not sent
        given[name] = _map(
            value[item.name], item, lambda one, item=item, field=field: _to_kafka_python(one, item, field, version)
        )
    return type_(version=version, **given)


def _to_kafka_python(value: Any, item: Item, field: Any, version: int) -> Any:
    if item.inner is not None:
        return kafka_python_build(field.data_class, value, item.inner, version)
    if item.type == "uuid":
        return uuid.UUID(bytes=value)
    if item.type == "records":
        return value.data
    if is_bits(field):
        return {bit for bit in range(32) if value & (1 << bit)}
    return value


def is_bits(field: Any) -> bool:
    """Whether it shows a number as the set of its bits."""
    return getattr(getattr(field, "_type", None), "__name__", "") == "BitField"


def kafka_python_read(found: Any, fields: Struct) -> dict[str, Any]:
    """Our values from an object of kafka-python's."""
    known = type(found).fields
    value = {}
    for item in items(fields):
        name = _name(item, known)
        one = getattr(found, name)
        if is_bits(known[name]):  # of no bits at all, and of the highest alone, it makes None
            bits = {31} if one is None else one
            value[item.name] = (sum(1 << bit for bit in bits) ^ 1 << 31) - (1 << 31)
        else:
            value[item.name] = _map(one, item, lambda one, item=item: _from(one, item, kafka_python_read))
    return value


# -- both ---------------------------------------------------------------------------------------------------------


def _map(value: Any, item: Item, change: Callable[[Any], Any]) -> Any:
    """Each element of an array, or the one value. Null stays null, but where it is an object's way to say a value."""
    if item.array:
        return None if value is None else [change(one) for one in value]
    if value is None and item.type not in ("uuid", "int64"):
        return None
    return change(value)


def _from(value: Any, item: Item, read: Callable[[Any, Struct], Any]) -> Any:
    """Our value from a peer's; `read` is for its objects."""
    if item.inner is not None:
        return _sent(None if value is None else read(value, item.inner), item)
    if item.type == "uuid":
        return bytes(16) if value is None else value.bytes
    return plain(value)


def _sent(value: Any, item: Item) -> Any:
    """A tagged struct of nothing but defaults is not sent: that is None to us, and such a struct to them."""
    return None if item.tag is not None and item.is_default(value) else value


def plain(value: Any) -> Any:
    """Numbers, text and bytes of Python's own types."""
    if isinstance(value, bool):
        return value
    for kind in (int, float, str):
        if isinstance(value, kind):
            return kind(value)
    return bytes(value) if isinstance(value, bytes | bytearray | memoryview) else value


def comparable(value: Any) -> Any:
    """Our body with records as their bytes."""
    if isinstance(value, dict):
        return {name: comparable(one) for name, one in value.items()}
    if isinstance(value, list):
        return [comparable(one) for one in value]
    return getattr(value, "data", value)
