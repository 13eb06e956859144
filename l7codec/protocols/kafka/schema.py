"""The schema table, read: what a message holds in which version.

A line of the table, here one of three fields, in the notation that `schema_table` explains:

    "0-13 9+ transactional_id string 3+ ?3+ =null @transactional_id ; acks int16 ; topic_data [] { name string 0-12 }"

A message's line is parsed when it is first needed; importing this costs no more than loading the lines.
Guide: https://kafka.apache.org/protocol and the comments of Apache Kafka's own `common/message/README.md`.
"""

from __future__ import annotations

from functools import cache
from typing import Final, NamedTuple

from .schema_table import APIS, DATA

__all__ = ["API_KEYS", "API_NAMES", "Api", "Field", "Range", "Schema", "api", "data_schema", "parse"]

MAX_VERSION: Final = 32767


class Range(NamedTuple):
    """Versions from `first` to `last`; `last` is MAX_VERSION for an open end, below `first` for none at all."""

    first: int
    last: int

    def __contains__(self, version: object) -> bool:
        return isinstance(version, int) and self.first <= version <= self.last

    def __str__(self) -> str:
        if self.last < self.first:
            return "none"
        if self.last == MAX_VERSION:
            return f"{self.first}+"
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"

    @classmethod
    def read(cls, text: str) -> Range:
        """`3+`, `0-12`, `7` or `none`."""
        if text == "none":
            return NO_VERSIONS
        if text.endswith("+"):
            return cls(int(text[:-1]), MAX_VERSION)
        first, _, last = text.partition("-")
        return cls(int(first), int(last or first))


NO_VERSIONS: Final = Range(0, -1)
ALL_VERSIONS: Final = Range(0, MAX_VERSION)


class Field:
    """One field of a struct, in all versions."""

    __slots__ = ("array", "default", "entity", "fields", "ignorable", "legacy", "name", "nullable", "tag", "tagged",
                 "type", "versions")  # fmt: skip

    def __init__(self, name: str, type_: str, versions: Range) -> None:
        self.name = name
        self.array = type_.startswith("[]")
        self.type = type_.removeprefix("[]") or "struct"
        """int8 … int64, uint16, bool, float64, string, bytes, uuid, records, or struct; of an array its elements'."""
        self.versions = versions
        self.nullable = NO_VERSIONS
        self.tag: int | None = None
        self.tagged = NO_VERSIONS
        self.default: str | None = None
        """As written; None where the type's own default holds: 0, false, empty."""
        self.ignorable = False
        """May be left out where the version lacks it, whatever its value."""
        self.entity = ""
        self.legacy = False
        """Never in compact form: the client id of a header."""
        self.fields: tuple[Field, ...] = ()


class Schema(NamedTuple):
    """A message, or a struct that is embedded in one."""

    name: str
    versions: Range
    flexible: Range
    fields: tuple[Field, ...]


class Api(NamedTuple):
    """A request and its response."""

    key: int
    name: str
    versions: Range
    flexible: Range
    request: Schema
    response: Schema

    def request_header(self, version: int) -> int:
        """The request's header version: 2 where flexible, else 1; 0, which has no client id, for one old message."""
        if self.key == CONTROLLED_SHUTDOWN and version == 0:
            return 0
        return 2 if version in self.flexible else 1

    def response_header(self, version: int) -> int:
        """The response's header version: 1 where flexible, but 0 for ApiVersions (KIP-511)."""
        return 1 if version in self.flexible and self.key != API_VERSIONS else 0


METADATA: Final = 3
CONTROLLED_SHUTDOWN: Final = 7
FIND_COORDINATOR: Final = 10
SASL_HANDSHAKE: Final = 17
API_VERSIONS: Final = 18
ENVELOPE: Final = 58
LIST_CONFIG_RESOURCES: Final = 74

ANY_RESOURCE: Final = 1
RESOURCES: Final = {2: "topic", 3: "group", 5: "transactional_id", 32: "group"}
"""What the resource types of ACLs (ResourceType) and of configurations (ConfigResource) name; topics are 2 in both."""

API_NAMES: Final[dict[int, str]] = {key: line.split(" ", 1)[0] for key, line in APIS.items()}
API_KEYS: Final[dict[str, int]] = {name: key for key, name in API_NAMES.items()}


@cache
def api(key: int) -> Api:
    """The API of this key. Raises KeyError."""
    head, request, response = APIS[key].split(" | ")
    name, versions, flexible = head.split(" ")
    valid, compact = Range.read(versions), Range.read(flexible)
    return Api(
        key,
        name,
        valid,
        compact,
        Schema(f"{name}Request", valid, compact, parse(request)),
        Schema(f"{name}Response", valid, compact, parse(response)),
    )


@cache
def data_schema(name: str) -> Schema:
    """One of the structs that messages carry as bytes, or a header. Raises KeyError."""
    head, fields = DATA[name].split(" | ")
    versions, flexible = head.split(" ")
    return Schema(name, Range.read(versions), Range.read(flexible), parse(fields))


def parse(text: str) -> tuple[Field, ...]:
    """The fields of a line. It is our own table that is read: nesting is as deep as Kafka's schemas are."""
    tokens = text.split()
    fields, _ = _fields(tokens, 0, ALL_VERSIONS)
    return fields


def _fields(tokens: list[str], at: int, outer: Range) -> tuple[tuple[Field, ...], int]:
    found: list[Field] = []
    while at < len(tokens) and tokens[at] != "}":
        if tokens[at] == ";":
            at += 1
            continue
        field = Field(tokens[at], tokens[at + 1], outer)
        at += 2
        while at < len(tokens) and (mark := tokens[at]) not in (";", "{", "}"):
            at += 1
            match mark[0]:
                case "?":
                    field.nullable = Range.read(mark[1:]) if mark[1:] else field.versions
                case "=":
                    field.default = mark[1:]
                case "#":
                    tag, _, versions = mark[1:].partition(":")
                    field.tag = int(tag)
                    field.tagged = Range.read(versions) if versions else field.versions
                case "~":
                    field.ignorable = True
                case "@":
                    field.entity = mark[1:]
                case "!":
                    field.legacy = True
                case _:
                    field.versions = Range.read(mark)
        if at < len(tokens) and tokens[at] == "{":
            field.fields, at = _fields(tokens, at + 1, field.versions)
            at += 1
        found.append(field)
    return tuple(found), at
