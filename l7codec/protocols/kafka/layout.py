"""One version of a message, laid out: which fields stand on the wire, in which order, how.

https://kafka.apache.org/protocol#protocol_types; compact forms and tagged fields are KIP-482's.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from .schema import API_NAMES, Field, Range, Schema, api, data_schema

__all__ = ["FORMATS", "SIZES", "TAGGED_FIELDS", "Item", "Struct", "data_layout", "layout", "name_of"]

TAGGED_FIELDS: Final = "_tagged_fields"
"""Where a struct keeps tagged fields that no schema knows: a dict from tag to bytes, there only if there are any."""

FORMATS: Final = {
    "bool": "?",
    "int8": "b",
    "int16": "h",
    "uint16": "H",
    "int32": "i",
    "uint32": "I",
    "int64": "q",
    "float64": "d",
    "uuid": "16s",
}
SIZES: Final = {
    "bool": 1, "int8": 1, "int16": 2, "uint16": 2, "int32": 4, "uint32": 4, "int64": 8, "float64": 8, "uuid": 16,
}  # fmt: skip
ZERO_UUID: Final = bytes(16)


class Item:
    """One field of a struct in one version."""

    __slots__ = ("array", "compact", "default", "entity", "inner", "name", "nullable", "tag", "type")

    def __init__(self, field: Field, version: int, flexible: bool) -> None:
        self.name = field.name
        self.type = field.type
        self.array = field.array
        self.compact = flexible and not field.legacy
        self.nullable = version in field.nullable
        self.entity = field.entity or ("group" if field.name == "group_id" else "")
        """What it names. Kafka's definitions of share groups' states forget to say that `group_id` is a group."""
        self.tag = field.tag if version in field.tagged else None
        self.inner = Struct(field.fields, version, flexible) if field.fields else None
        self.default = self._default(field.default)

    def _default(self, text: str | None) -> Any:
        if text == "null" and self.nullable:
            return None
        if self.array:
            return []
        match self.type:
            case "bool":
                return text == "true"
            case "float64":
                return float(text or 0)
            case "uuid":
                return ZERO_UUID
            case "string":
                return text if text and text != "null" else ""
            case "bytes":
                return b""
            case "records":
                return None if self.nullable else b""
            case "struct":
                return None  # made anew by `fresh`: nobody may share what can be changed
        return int(text or 0)

    @property
    def fixed(self) -> bool:
        """Whether it always takes as many bytes."""
        return not self.array and self.type in SIZES

    def fresh(self, null: bool = False) -> Any:
        """The value that stands for an absent one; of a tagged struct None, which no struct that was sent is."""
        if self.array and self.default is not None:
            return []
        if self.inner is not None and not self.array and self.tag is None and not (self.nullable and null):
            return self.inner.fresh()
        return self.default

    def is_default(self, value: Any) -> bool:
        """Whether a tagged field with this value is left out."""
        if self.array:
            return value is None if self.default is None else value is not None and len(value) == 0
        if self.inner is not None:
            return value is None or (isinstance(value, dict) and self.inner.is_default(value))
        return bool(value == self.default) and type(value) is type(self.default)


class Struct:
    """The fields of a message, or of a struct in it, in one version."""

    __slots__ = ("all_fields", "fields", "flexible", "tags", "version")

    def __init__(self, fields: tuple[Field, ...], version: int, flexible: bool) -> None:
        present = [Item(field, version, flexible) for field in fields if version in field.versions]
        self.version = version
        self.flexible = flexible
        self.fields = [item for item in present if item.tag is None]
        self.tags = sorted((item for item in present if item.tag is not None), key=lambda item: item.tag or 0)
        self.all_fields = fields
        """In any version: what a value may name though this version lacks it."""

    @property
    def names(self) -> list[str]:
        """The fields' names, those of tagged ones last."""
        return [item.name for item in (*self.fields, *self.tags)]

    def fresh(self) -> dict[str, Any]:
        """A struct of defaults."""
        return {item.name: item.fresh() for item in (*self.fields, *self.tags)}

    def is_default(self, value: dict[str, Any]) -> bool:
        """Whether nothing in a struct says more than its absence would."""
        known = {item.name: item for item in (*self.fields, *self.tags)}
        return not value.get(TAGGED_FIELDS) and all(
            name in known and known[name].is_default(one) for name, one in value.items() if name != TAGGED_FIELDS
        )


@cache
def layout(key: int, response: bool, version: int) -> Struct:
    """The body of a request or response. Raises KeyError for an API, ValueError for a version that does not exist."""
    known = api(key)
    return _layout(known.response if response else known.request, version)


@cache
def data_layout(name: str, version: int) -> Struct:
    """A struct that messages or records carry as bytes. Raises KeyError and ValueError as `layout` does."""
    return _layout(data_schema(name), version)


def _layout(schema: Schema, version: int) -> Struct:
    if version not in schema.versions:
        raise ValueError(f"{schema.name} has no version {version}: {_spoken(schema.versions)}")
    return Struct(schema.fields, version, version in schema.flexible)


def _spoken(versions: Range) -> str:
    if versions.first == versions.last:
        return f"only {versions.first} exists"
    return f"versions {versions.first} to {versions.last} exist"


def name_of(key: int, response: bool, version: int) -> str:
    """What errors call a message: `Fetch response v13`."""
    return f"{API_NAMES.get(key, f'API {key}')} {'response' if response else 'request'} v{version}"
