"""Edits: names and addresses replaced where they stand; all other bytes stay as they were received.

A generated walk marks the places in a body; what a sender wrote oddly but legally anywhere else is kept. Only `body`
writes a body anew.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final, NamedTuple

from ...errors import BodyError, LocalProtocolError
from ...message import Edits, Message, Side
from .bodies import body_at, read_data, read_struct, write_body, write_data
from .generate import FAULTS, make_walker
from .layout import Item, layout, name_of
from .plain import Wrong, varint, write_item
from .schema import API_NAMES, api

__all__ = ["rewrite"]

TOPIC: Final = "topic"
GROUP: Final = "group"
TRANSACTION: Final = "transactional_id"
HOST: Final = "host"
PORT: Final = "port"
TAG: Final = "tag"
SUBSCRIPTION: Final = "ConsumerProtocolSubscription"
ASSIGNMENT: Final = "ConsumerProtocolAssignment"
COORDINATOR: Final = "coordinator"

FIND_COORDINATOR: Final = 10
CONSUMER_BYTES: Final = {
    ("JoinGroup", False, "metadata"): SUBSCRIPTION,
    ("JoinGroup", True, "metadata"): SUBSCRIPTION,
    ("SyncGroup", False, "assignment"): ASSIGNMENT,
    ("SyncGroup", True, "assignment"): ASSIGNMENT,
    ("DescribeGroups", True, "member_metadata"): SUBSCRIPTION,
    ("DescribeGroups", True, "member_assignment"): ASSIGNMENT,
}
"""Bytes that hold a consumer's topics. Other protocols of groups (Kafka Connect's) put something else there."""


class Place(NamedTuple):
    """Something to be replaced: where it stands, what it is, and in which form."""

    what: str
    start: int
    end: int
    value: Any
    item: Item | None = None
    other: Any = None
    """Of a host: the broker's id; of a port: its host; of a tag: where its content begins."""


class _Marks:
    """Marks names and addresses."""

    enter_tag = 'a(L("tag",{m},{e},None,None,{p}))'

    def __init__(self, key: int, response: bool) -> None:
        self.key = key
        self.response = response
        self.names: dict[str, Any] = {"L": Place}

    def wants(self, item: Item, path: tuple[str, ...]) -> str | None:
        what = self.what(item, path)
        if what is None:
            return None
        if what in ("node=", "rt=", "kt="):
            return what + "{x}"
        form = f"item_{len(self.names)}"
        self.names[form] = item
        if what == HOST:
            return f'host={{x}};a(L("host",{{s}},p,{{x}},{form},node))'
        if what == PORT:
            return f'a(L("port",{{s}},p,{{x}},{form},host))'
        if what == "resource":
            mark = f'a(L("{{}}",{{{{s}}}},p,{{{{x}}}},{form}))'
            return (
                f"if rt==2:{mark.format(TOPIC)}\n"
                f"elif rt==3 or rt==32:{mark.format(GROUP)}\n"
                f"elif rt==5:{mark.format(TRANSACTION)}"
            )
        return f'a(L("{what}",{{s}},p,{{x}},{form}))'

    def what(self, item: Item, path: tuple[str, ...]) -> str | None:
        if item.type == "string" and item.entity in (TOPIC, GROUP, TRANSACTION):
            return item.entity
        embedded = CONSUMER_BYTES.get((API_NAMES[self.key], self.response, item.name))
        if embedded is not None and item.type == "bytes":
            return embedded
        if item.name in ("resource_type", "resource_type_filter"):
            return "rt="
        if item.name in ("resource_name", "resource_name_filter"):
            return "resource"
        if self.key == FIND_COORDINATOR and item.name in ("key", "coordinator_keys"):
            return COORDINATOR
        if self.key == FIND_COORDINATOR and item.name == "key_type":
            return "kt="
        if self.response and item.name in ("node_id", "broker_id") and not item.array:
            return "node="
        if self.response and item.name == "host" and item.type == "string":
            return HOST
        if self.response and item.name == "port" and item.type in ("int32", "uint16"):
            return PORT
        return None


@cache
def _walker(key: int, version: int, response: bool) -> Callable[[bytes, int], tuple[list[Place], int]]:
    marks = _Marks(key, response)
    return make_walker(
        layout(key, response, version), marks, "d,p", "q=[];a=q.append;rt=0;kt=0;node=-1;host=''", "return q,kt",
        names=marks.names,
    )  # fmt: skip


# -- the edits ------------------------------------------------------------------------------------------------------


def rewrite(message: Message, edits: Edits) -> bytes:
    """The message's bytes with `edits`. Raises LocalProtocolError."""
    raw, metadata = message.raw, message.metadata
    if "kafka.sasl_token" in metadata or "kafka.undecoded" in metadata:
        return _rewrite_undecoded(message, edits)
    key, version = metadata.get("kafka.api_key"), metadata.get("kafka.api_version")
    response = message.side is Side.SERVER
    if not isinstance(key, int) or not isinstance(version, int) or key not in API_NAMES:
        raise LocalProtocolError("kafka", 0, "a message that cannot be read cannot be edited")
    if version not in api(key).versions:
        raise LocalProtocolError("kafka", 0, f"{name_of(key, response, version)} does not exist: it cannot be edited")
    try:
        at = body_at(raw, key, version, response)
        head, body = raw[4:at], raw[at:]
        if "body" in edits:
            trailing = _trailing(raw, key, version, response, at)
            body = write_body(key, version, response, edits["body"]) + trailing
        if edits.keys() & _PLACED:
            body = _replace(body, key, version, response, edits)
    except BodyError as error:
        raise LocalProtocolError("kafka", error.offset, error.reason) from None
    head = _rewrite_head(head, edits, response, response or api(key).request_header(version) > 0)
    return _frame(head + body)


_PLACED: Final = frozenset(
    {
        "topics",
        "group",
        "kafka.rename_topics",
        "kafka.brokers",
        "kafka.topic_prefix",
        "kafka.strip_topic_prefix",
        "kafka.group_prefix",
        "kafka.strip_group_prefix",
        "kafka.transactional_id_prefix",
        "kafka.strip_transactional_id_prefix",
    }
)


def _trailing(raw: bytes, key: int, version: int, response: bool, at: int) -> bytes:
    """What stands behind the old body; nothing where that cannot be told."""
    try:
        return raw[read_struct(raw, key, version, response, at)[1] :]
    except BodyError:  # the new body takes the place of one that was wrong
        return b""


def _frame(data: bytes) -> bytes:
    if len(data) > 2**31 - 1:
        raise LocalProtocolError("kafka", 0, f"{len(data)} bytes are more than a size can say")
    return len(data).to_bytes(4, "big") + data


def _rewrite_undecoded(message: Message, edits: Edits) -> bytes:
    """A token, or a response that cannot be read: its bytes, and its correlation id if it has one."""
    if edits.keys() - {"body", "id"} or ("id" in edits and message.id is None):
        raise LocalProtocolError("kafka", 0, "of bytes that cannot be read only `body`, and the id, can be edited")
    at = 4 if message.id is None else 8
    body = edits.get("body", message.raw[at:])
    if not isinstance(body, bytes):
        raise LocalProtocolError("kafka", 0, f"bytes are needed, not {type(body).__name__}")
    return _frame(_rewrite_head(message.raw[4:at], edits, True, False) + body)


def _rewrite_head(head: bytes, edits: Edits, response: bool, has_client: bool) -> bytes:
    """Correlation id and client id; the tagged fields behind them stay."""
    if "id" in edits:
        try:
            id = struct.pack(">i", edits["id"])
        except struct.error:
            raise LocalProtocolError("kafka", 0, f"{edits['id']!r} is no correlation id") from None
        head = id + head[4:] if response else head[:4] + id + head[8:]
    if "client_id" in edits:
        if response or not has_client:
            raise LocalProtocolError("kafka", 0, "this message has no client id")
        length = int.from_bytes(head[8:10], "big", signed=True)
        client = edits["client_id"]
        if client is None:
            new = b"\xff\xff"
        elif isinstance(client, str) and len(name := _octets(client)) <= 32767:
            new = len(name).to_bytes(2, "big") + name
        else:
            raise LocalProtocolError("kafka", 0, f"{client!r} is no client id")
        head = head[:8] + new + head[10 + max(length, 0) :]
    return head


def _octets(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise LocalProtocolError("kafka", 0, "text that cannot be written as UTF-8") from None


# -- places ---------------------------------------------------------------------------------------------------------


class _Change:
    """What becomes of the places."""

    def __init__(self, key: int, version: int, response: bool, edits: Edits, places: list[Place], kind: int) -> None:
        self.name = name_of(key, response, version)
        self.edits = edits
        self.kind = kind
        self.rename = edits.get("kafka.rename_topics") or {}
        self.brokers = edits.get("kafka.brokers") or {}
        for name, one in (("kafka.rename_topics", self.rename), ("kafka.brokers", self.brokers)):
            if not isinstance(one, Mapping):
                raise LocalProtocolError("kafka", 0, f"{name} needs a mapping, not {type(one).__name__}")
        self.topics: list[Any] | None = None
        if "topics" in edits:
            self.topics = list(edits["topics"] or ())
            count = sum(_count(place.value) for place in places if place.what == TOPIC)
            if count != len(self.topics):
                raise LocalProtocolError("kafka", 0, f"{self.name} names {count} topics, not {len(self.topics)}")
            self.topics.reverse()
        if "group" in edits and not any(place.what == GROUP for place in places):
            raise LocalProtocolError("kafka", 0, f"{self.name} names no group")

    def new(self, place: Place) -> Any:
        """The value that takes a place's."""
        match place.what:
            case "topic":
                return _each(place.value, self.topic)
            case "group":
                return _each(place.value, self.group)
            case "transactional_id":
                return _each(place.value, lambda name: self.prefixed(name, "transactional_id"))
            case "coordinator":
                if self.kind == 2:  # a share group's partition: group, topic id, partition
                    return _each(place.value, self.share_group)
                what = "group" if self.kind == 0 else "transactional_id"
                return _each(place.value, lambda name: self.prefixed(name, what))
            case "host":
                return self.host(place)
            case "port":
                return self.port(place)
        return self.consumer(place)

    def topic(self, name: str) -> str:
        if self.topics is not None:
            new: str = self.topics.pop()
            return new
        return self.prefixed(str(self.rename.get(name, name)), "topic")

    def group(self, name: str) -> str:
        return self.prefixed(self.edits.get("group", name), "group")

    def share_group(self, name: str) -> str:
        group, colon, rest = name.partition(":")
        return self.prefixed(group, "group") + colon + rest

    def prefixed(self, name: str, what: str) -> str:
        strip = self.edits.get(f"kafka.strip_{what}_prefix")
        if strip:
            name = name.removeprefix(strip)
        prefix = self.edits.get(f"kafka.{what}_prefix")
        return prefix + name if prefix else name

    def address(self, host: str, port: int | None, node: int) -> tuple[str, int] | None:
        """Where a broker's clients are to go instead."""
        new = self.brokers.get(node) if node >= 0 else None
        if new is None and port is not None:
            new = self.brokers.get(f"{host}:{port}")
        if new is None:
            return None
        if isinstance(new, str):
            name, colon, number = new.rpartition(":")
            if colon and number.isdecimal() and len(number) < 6:
                return name, int(number)
        elif isinstance(new, tuple) and len(new) == 2:
            return new
        raise LocalProtocolError("kafka", 0, f"{new!r} is no broker's address: host:port")

    def host(self, place: Place) -> Any:
        port, node = place.other
        found = self.address(place.value, port, node)
        return place.value if found is None else found[0]

    def port(self, place: Place) -> Any:
        host, node = place.other
        found = self.address(host, place.value, node)
        return place.value if found is None else found[1]

    def consumer(self, place: Place) -> Any:
        """A subscription or an assignment with other topics; anything else stays as it is."""
        if not self.renames:
            return place.value
        try:
            version, value = read_data(place.what, place.value)
            if write_data(place.what, version, value) != place.value:  # more than we know stands there
                return place.value
        except (BodyError, LocalProtocolError):  # not a consumer's
            return place.value
        if "topics" in value:
            value["topics"] = [self.topic(name) for name in value["topics"]]
        for name in ("owned_partitions", "assigned_partitions"):
            for one in value.get(name, ()):
                one["topic"] = self.topic(one["topic"])
        return write_data(place.what, version, value)

    @property
    def renames(self) -> bool:
        prefixes = self.edits.get("kafka.topic_prefix") or self.edits.get("kafka.strip_topic_prefix")
        return bool(self.rename or prefixes) and self.topics is None


def _count(value: Any) -> int:
    return 0 if value is None else len(value) if isinstance(value, list) else 1


def _each(value: Any, change: Callable[[str], str]) -> Any:
    if value is None:
        return None
    return [change(one) for one in value] if isinstance(value, list) else change(value)


def _replace(body: bytes, key: int, version: int, response: bool, edits: Edits) -> bytes:
    """The body with other names and addresses. Tagged fields around them get their new size."""
    try:
        places, kind = _walker(key, version, response)(body, 0)
    except FAULTS:
        raise LocalProtocolError(
            "kafka", 0, f"{name_of(key, response, version)}: a wrong body can only be replaced"
        ) from None
    places = _with_addresses(places)
    change = _Change(key, version, response, edits, places, kind)
    parts: list[bytes] = []
    open_tags: list[tuple[Place, int]] = []  # and how many parts there were
    at = 0

    def close(until: int) -> None:
        nonlocal at
        while open_tags and open_tags[-1][0].end <= until:
            tag, start = open_tags.pop()
            parts.append(body[at : tag.end])
            at = tag.end
            content = b"".join(parts[start:])
            parts[start:] = [varint(len(content)) + content if content != body[tag.other : tag.end]
                             else body[tag.start : tag.end]]  # fmt: skip

    for place in places:
        close(place.start)
        parts.append(body[at : place.start])
        if place.what == TAG:
            open_tags.append((place, len(parts)))
            at = place.other
            continue
        new = change.new(place)
        parts.append(body[place.start : place.end] if new == place.value else _written(place, new, change.name))
        at = place.end
    close(len(body))
    parts.append(body[at:])
    return b"".join(parts)


def _with_addresses(places: list[Place]) -> list[Place]:
    """Hosts know their port and broker, ports their host and broker: they follow each other."""
    found = list(places)
    for index, place in enumerate(places):
        if place.what == HOST:
            follows = index + 1 < len(places) and places[index + 1].what == PORT
            port = places[index + 1].value if follows else None
            found[index] = place._replace(other=(port, place.other))
            if follows:
                found[index + 1] = places[index + 1]._replace(other=(place.value, place.other))
    return [place for place in found if place.what != PORT or isinstance(place.other, tuple)]


def _written(place: Place, value: Any, name: str) -> bytes:
    assert place.item is not None
    parts: list[bytes] = []
    try:
        write_item(place.item, value, parts)
    except Wrong as wrong:
        raise LocalProtocolError("kafka", 0, f"{name}: {place.item.name}: {wrong}") from None
    return b"".join(parts)
