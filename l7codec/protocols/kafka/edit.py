"""Edits: names and addresses replaced where they stand; all other bytes stay as they were received.

A generated walk marks the places in a body; what a sender wrote oddly but legally anywhere else is kept. Only `body`
writes a body anew.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any, Final, NamedTuple

from ...errors import BodyError, LocalProtocolError
from ...message import Edits, Kind, Message, Metadata, Side
from .bodies import body_at, read_struct, write_body
from .codec import KafkaCodec
from .generate import FAULTS, make_walker
from .layout import Item, data_layout, layout, name_of
from .plain import Wrong, varint, write_item
from .regex import enclosed
from .schema import (
    ANY_RESOURCE,
    API_NAMES,
    ENVELOPE,
    FIND_COORDINATOR,
    LIST_CONFIG_RESOURCES,
    RESOURCES,
    api,
    data_schema,
)

__all__ = ["rewrite"]

TOPIC: Final = "topic"
GROUP: Final = "group"
TRANSACTION: Final = "transactional_id"
HOST: Final = "host"
PORT: Final = "port"
TAG: Final = "tag"
RESOURCE: Final = "resource"
PATTERN: Final = "pattern"
TOPIC_REGEX: Final = "topic_regex"
TRANSACTION_REGEX: Final = "transactional_id_regex"
COORDINATOR: Final = "coordinator"
INSIDE: Final = "inside"

UPDATE_RAFT_VOTER: Final = 82
LITERAL: Final = 3
PREFIXED: Final = 4
"""Pattern types of ACLs (KIP-290)."""

SUBSCRIPTION: Final = "ConsumerProtocolSubscription"
ASSIGNMENT: Final = "ConsumerProtocolAssignment"
CONSUMER_BYTES: Final = {
    ("JoinGroup", False, "metadata"): SUBSCRIPTION,
    ("JoinGroup", True, "metadata"): SUBSCRIPTION,
    ("SyncGroup", False, "assignment"): ASSIGNMENT,
    ("SyncGroup", True, "assignment"): ASSIGNMENT,
    ("DescribeGroups", True, "member_metadata"): SUBSCRIPTION,
    ("DescribeGroups", True, "member_assignment"): ASSIGNMENT,
}
"""Bytes that hold a consumer's topics. Other protocols of groups (Kafka Connect's) put something else there."""

REGEXES: Final = {
    "subscribed_topic_regex": TOPIC_REGEX,
    "source_topic_regex": TOPIC_REGEX,
    "transactional_id_pattern": TRANSACTION_REGEX,
}
_NOT_BROKERS: Final = frozenset({"acls", "matching_acls", "user_endpoint"})
"""Where `host` is a client's, or an application's own."""


class Place(NamedTuple):
    """Something to be replaced: where it stands, what it is, and in which form."""

    what: str
    start: int
    end: int
    value: Any
    item: Item | None = None
    other: Any = None
    """Of a host: the broker's id; of a port: its host; of a tag: where its content begins; of a consumer's bytes: the
    group's protocol; of a resource: its type, then its pattern's type; of a pattern: its resource."""


class _Marker:
    """Writes down where something stands."""

    def __init__(self) -> None:
        self.names: dict[str, Any] = {"L": Place}

    def place(self, what: str, item: Item, other: str = "None") -> str:
        """The walker's line for it; `other`: the variable that holds what is noted beside it."""
        form = f"item_{len(self.names)}"
        self.names[form] = item
        return f'a(L("{what}",{{s}},p,{{x}},{form},{other}))'


class _Marks(_Marker):
    """Marks names and addresses."""

    enter_tag = 'a(L("tag",{m},{e},None,None,{p}))'

    def __init__(self, key: int, response: bool) -> None:
        super().__init__()
        self.key = key
        self.response = response

    def wants(self, item: Item, path: tuple[str, ...]) -> str | None:
        what = self.what(item, path)
        if what is None or what.endswith("="):
            return what and what + "{x}"
        if what == "type-behind":  # a resource whose type stands behind its name
            return "q[-1]=q[-1]._replace(other={x})"
        marked = self.place(what, item, _OTHER.get(what, "None"))
        return "host={x};" + marked if what == HOST else marked

    def what(self, item: Item, path: tuple[str, ...]) -> str | None:
        name = item.name
        if item.type == "string" and item.entity in (TOPIC, GROUP, TRANSACTION):
            return item.entity
        embedded = CONSUMER_BYTES.get((API_NAMES[self.key], self.response, name))
        if embedded is not None and item.type == "bytes":
            return embedded
        if name in REGEXES and item.type == "string":  # StreamsGroupHeartbeat has indexes of the same name
            return REGEXES[name]
        if name in ("resource_type", "resource_type_filter"):
            return "type-behind" if self.key == LIST_CONFIG_RESOURCES else "rt="
        if name in ("resource_name", "resource_name_filter"):
            return RESOURCE
        if name in ("pattern_type", "resource_pattern_type", "pattern_type_filter"):
            return PATTERN
        if name == "protocol_type" and len(path) < 3:
            return "pt="
        if self.key == FIND_COORDINATOR and name in ("key", "coordinator_keys"):
            return COORDINATOR
        if self.key == FIND_COORDINATOR and name == "key_type":
            return "kt="
        if self.key == ENVELOPE and name in ("request_data", "response_data"):
            return INSIDE
        return self.address(item, path) if self.response else None

    def address(self, item: Item, path: tuple[str, ...]) -> str | None:
        """What of a broker's address a response has here."""
        if not _NOT_BROKERS.isdisjoint(path):
            return None
        if item.name in ("node_id", "broker_id") and not item.array:
            return "node="
        if self.key == UPDATE_RAFT_VOTER and item.name == "leader_id":
            return "node="
        if item.name == "host" and item.type == "string":
            return HOST
        if item.name == "port" and item.type in ("int32", "uint16"):
            return PORT
        return None


_OTHER: Final = {HOST: "node", PORT: "host", RESOURCE: "rt", SUBSCRIPTION: "pt", ASSIGNMENT: "pt"}
"""What is noted beside a place: the variable that holds it."""


@cache
def _walker(key: int, version: int, response: bool) -> Callable[[bytes, int], tuple[list[Place], int]]:
    marks = _Marks(key, response)
    before = "q=[];a=q.append;rt=0;kt=0;node=-1;host='';pt=None"
    return make_walker(layout(key, response, version), marks, "d,p", before, "return q,kt", names=marks.names)


class _ConsumerMarks(_Marker):
    """Marks the topics in a consumer's subscription or assignment."""

    def wants(self, item: Item, path: tuple[str, ...]) -> str | None:
        return self.place(TOPIC, item) if item.name in ("topics", "topic") else None


@cache
def _consumer_walker(name: str, version: int) -> Callable[[bytes, int], list[Place]]:
    marks = _ConsumerMarks()
    return make_walker(data_layout(name, version), marks, "d,p", "q=[];a=q.append", "return q", names=marks.names)


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
            body = _replace(body, key, version, response, edits, message.request)
    except BodyError as error:
        raise LocalProtocolError("kafka", error.offset, error.reason) from None
    head = _rewrite_head(head, edits, response, response or api(key).request_header(version) > 0)
    return _frame(head + body)


_PLACED: Final = KafkaCodec.edits - {"body", "client_id", "id"}


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

    def __init__(self, key: int, version: int, response: bool, edits: Edits, request: Message | None) -> None:
        self.key = key
        self.response = response
        self.name = name_of(key, response, version)
        self.edits = edits
        self.request = request
        self.kind: int | None = 0  # of FindCoordinator's keys; None where nothing tells
        self.rename = edits.get("kafka.rename_topics") or {}
        self.brokers = edits.get("kafka.brokers") or {}
        for name, one in (("kafka.rename_topics", self.rename), ("kafka.brokers", self.brokers)):
            if not isinstance(one, Mapping):
                raise LocalProtocolError("kafka", 0, f"{name} needs a mapping, not {type(one).__name__}")
        for name in _TEXTS & edits.keys():
            if not isinstance(edits[name], str) and (edits[name] is not None or name == "group"):
                raise LocalProtocolError("kafka", 0, f"{name} needs text, not {type(edits[name]).__name__}")
        self.topics: list[Any] | None = None

    def expect(self, places: list[Place]) -> None:
        """Whether what `topics` and `group` give is what stands there. Raises LocalProtocolError."""
        if "topics" in self.edits:
            given = self.edits["topics"]
            if isinstance(given, str | bytes) or not isinstance(given, Iterable):
                raise LocalProtocolError("kafka", 0, f"topics needs several, not {given!r}")
            self.topics = list(given)
            count = sum(_count(place.value) for place in places if place.what == TOPIC)
            if count != len(self.topics):
                raise LocalProtocolError("kafka", 0, f"{self.name} names {count} topics, not {len(self.topics)}")
            self.topics.reverse()
        if "group" in self.edits and not any(
            place.what == GROUP or (place.what == COORDINATOR and self.kind != 1) for place in places
        ):
            raise LocalProtocolError("kafka", 0, f"{self.name} names no group")

    def new(self, place: Place) -> Any:
        """The value that takes a place's."""
        value = place.value
        if value is None:
            return None
        match place.what:
            case "topic" | "group" | "transactional_id":
                if isinstance(place.other, _Resource):
                    return self.resource(place.other)
                return _each(value, lambda name: self.named(name, place.what))
            case "resource":
                return self.same(value, (TOPIC, GROUP, TRANSACTION), "a name of any type of resource has no prefix")
            case "pattern":
                every = self.every(place.other)
                return value if every is None else every[1]
            case "coordinator":
                if self.kind == 2:
                    return _each(value, self.share_key)
                if self.kind is None:
                    return self.same(value, (GROUP, TRANSACTION), "what its keys are is said in the request")
                return _each(value, lambda name: self.named(name, TRANSACTION if self.kind == 1 else GROUP))
            case "topic_regex":
                return _each(value, lambda regex: self.regex(regex, TOPIC))
            case "transactional_id_regex":
                return self.regex(value, TRANSACTION)
            case "host":
                port, node = place.other
                return self.address(value, port, node)[0]
            case "port":
                host, node = place.other
                return self.address(host, value, node)[1]
            case "inside":
                return self.inside(value)
        return self.consumer(place)

    # Names.

    def named(self, name: str, what: str) -> str:
        if what == TOPIC:
            if self.topics is not None:
                new: str = self.topics.pop()
                return new
            name = self.rename.get(name, name)
            if not isinstance(name, str):
                raise LocalProtocolError("kafka", 0, f"a topic's name is text, not {type(name).__name__}")
        elif what == GROUP:
            name = self.edits.get("group", name)
        return self.prefixed(name, what)

    def prefixed(self, name: str, what: str) -> str:
        strip, prefix = self.prefixes(what)
        return prefix + name.removeprefix(strip)

    def same(self, name: Any, kinds: tuple[str, ...], why: str) -> Any:
        """What may be a name of several kinds, as it is. Raises LocalProtocolError where names of one are to change."""
        if (
            any(one for what in kinds for one in self.prefixes(what))
            or (TOPIC in kinds and self.rename)
            or (GROUP in kinds and "group" in self.edits)
        ):
            raise LocalProtocolError("kafka", 0, f"{self.name}: {why}")
        return name

    def prefixes(self, what: str) -> tuple[str, str]:
        """What is taken away from names, and what is put before them."""
        get = self.edits.get
        return get(f"kafka.strip_{what}_prefix") or "", get(f"kafka.{what}_prefix") or ""

    def share_key(self, key: str) -> str:
        """Of a share group's partition: group, topic id, partition. Groups may have colons in them, as Kafka has it."""
        group, *rest = key.rsplit(":", 2)
        return ":".join((self.named(group, GROUP), *rest))

    def regex(self, regex: str, what: str) -> str:
        """A regular expression that names must match as a whole (RE2): so a prefix goes before it."""
        strip, prefix = (re.escape(one) if one else "" for one in self.prefixes(what))
        if strip and regex.startswith(f"{strip}(?:") and regex.endswith(")"):
            inner = regex[len(strip) + 3 : -1]
            regex = regex if enclosed(inner) is None else inner
        if not prefix or not regex:
            return regex
        inside = enclosed(regex)
        if inside is None:
            raise LocalProtocolError("kafka", 0, f"{self.name}: no prefix can be put before {regex!r}")
        return f"{prefix}(?:{inside})"

    # Resources of ACLs and configurations.

    def resource(self, resource: _Resource) -> str:
        every = self.every(resource)
        if every is not None:
            return every[0]
        if resource.pattern == PREFIXED and self.topics is None:  # the beginning of names, none itself
            return self.prefixed(resource.name, resource.what)
        return self.named(resource.name, resource.what)

    def every(self, resource: _Resource) -> tuple[str, int] | None:
        """Name and pattern that take the place of those for all names: of all those with a prefix, and back."""
        name, what, pattern = resource
        strip, prefix = self.prefixes(what)
        if self.topics is not None or self.key not in _ACLS:
            return None
        if name == "*" and pattern != PREFIXED:
            if prefix and pattern is None:
                raise LocalProtocolError("kafka", 0, f"{self.name} cannot say: all {what}s with a prefix")
            return (prefix, PREFIXED) if prefix else None
        if pattern == PREFIXED and strip and name == strip:
            return (prefix, PREFIXED) if prefix else ("*", LITERAL)
        return None

    # Addresses.

    def address(self, host: str, port: int | None, node: int) -> tuple[Any, Any]:
        """Where a broker's clients are to go: elsewhere, or where they did."""
        new = self.brokers.get(node) if node >= 0 else None
        for name in (f"{host}:{port}", f"[{host}]:{port}"):
            if new is None and port is not None:
                new = self.brokers.get(name)
        if new is None:
            return host, port
        given = new
        if isinstance(new, str):
            name, _, number = new.rpartition(":")
            bare = name[1:-1] if name[:1] == "[" and name[-1:] == "]" else name
            new = (bare, int(number) if number.isdecimal() and len(number) < 6 else -1)
        match new:
            case (str(to), int(at)) if to and 0 <= at < 65536:
                return to, at
        raise LocalProtocolError("kafka", 0, f"{given!r} is no broker's address: host:port")

    # What is embedded.

    def consumer(self, place: Place) -> bytes:
        """A subscription or an assignment with other topics; anything else stays as it is."""
        data: bytes = place.value
        if not self.renames or place.other not in (None, "", "consumer"):
            return data
        version = int.from_bytes(data[:2], "big", signed=True)
        if len(data) < 2 or version < 0:
            return data
        newest = data_schema(place.what).versions.last
        try:
            places = _consumer_walker(place.what, min(version, newest))(data, 2)
        except FAULTS:  # not a consumer's
            return data
        return _put(data, places, self)

    @property
    def renames(self) -> bool:
        return bool(self.rename or any(self.prefixes(TOPIC))) and self.topics is None

    def inside(self, data: bytes) -> bytes:
        """What an Envelope holds (KIP-590), a request or its response without their size, with the same edits."""
        edits = {name: self.edits[name] for name in self.edits.keys() & _PLACED - {"topics", "group"}}
        if len(data) < 8 or not edits:
            return data
        request = _inside_request(self.request) if self.response else None
        head = data if request is None else request.raw[4:]
        if (self.response and request is None) or head[:2] == ENVELOPE.to_bytes(2, "big"):
            raise LocalProtocolError("kafka", 0, f"{self.name}: what is inside is not known")
        metadata: Metadata = {
            "kafka.api_key": int.from_bytes(head[:2], "big", signed=True),
            "kafka.api_version": int.from_bytes(head[2:4], "big", signed=True),
        }
        kind, side = (Kind.RESPONSE, Side.SERVER) if self.response else (Kind.REQUEST, Side.CLIENT)
        return rewrite(Message("kafka", kind, side, metadata, _frame(data), request=request), edits)[4:]


class _Resource(NamedTuple):
    """What an ACL or a configuration is of."""

    name: str
    what: str
    pattern: int | None


_ACLS: Final = frozenset({29, 30, 31})
_TEXTS: Final = _PLACED - {"topics", "kafka.rename_topics", "kafka.brokers"}


def _inside_request(envelope: Message | None) -> Message | None:
    """The request that an Envelope holds."""
    try:
        data = envelope.body["request_data"] if envelope is not None else b""
    except (BodyError, TypeError):
        return None
    if len(data) < 8:
        return None
    key, version = struct.unpack_from(">hh", data)
    metadata: Metadata = {"kafka.api_key": key, "kafka.api_version": version}
    return Message("kafka", Kind.REQUEST, Side.CLIENT, metadata, _frame(data))


def _count(value: Any) -> int:
    return 0 if value is None else len(value) if isinstance(value, list) else 1


def _each(value: Any, change: Callable[[str], str]) -> Any:
    return [change(one) for one in value] if isinstance(value, list) else change(value)


def _replace(body: bytes, key: int, version: int, response: bool, edits: Edits, request: Message | None) -> bytes:
    """The body with other names and addresses. Tagged fields around them get their new size."""
    change = _Change(key, version, response, edits, request)
    try:
        places, change.kind = _walker(key, version, response)(body, 0)
    except FAULTS:
        raise LocalProtocolError("kafka", 0, f"{change.name}: a wrong body can only be replaced") from None
    if key == FIND_COORDINATOR and response:  # which does not say what its keys are
        change.kind = _asked_kind(request)
    places = _linked(places)
    change.expect(places)
    return _put(body, places, change)


def _asked_kind(request: Message | None) -> int | None:
    """What FindCoordinator was asked for: 0 a group, 1 a transaction, 2 a share group; None where nobody knows."""
    try:
        body = None if request is None else request.body
    except BodyError:
        return None
    return body.get("key_type", 0) if isinstance(body, dict) else None


def _put(data: bytes, places: list[Place], change: _Change) -> bytes:
    """The data with what `change` makes of the places; what stands between and behind them stays."""
    parts: list[bytes] = []
    open_tags: list[tuple[Place, int]] = []  # and how many parts there were
    at = 0

    def close(until: int) -> None:
        nonlocal at
        while open_tags and open_tags[-1][0].end <= until:
            tag, start = open_tags.pop()
            parts.append(data[at : tag.end])
            at = tag.end
            content = b"".join(parts[start:])
            same = content == data[tag.other : tag.end]  # then its size stays as it was written
            parts[start:] = [data[tag.start : tag.end] if same else varint(len(content)) + content]

    for place in places:
        close(place.start)
        parts.append(data[at : place.start])
        if place.what == TAG:
            open_tags.append((place, len(parts)))
            at = place.other
            continue
        new = change.new(place)
        parts.append(data[place.start : place.end] if new == place.value else _written(place, new, change.name))
        at = place.end
    close(len(data))
    parts.append(data[at:])
    return b"".join(parts)


def _linked(places: list[Place]) -> list[Place]:
    """Places that follow each other know of each other: a host and its port, a resource and its pattern."""
    found: list[Place] = []
    for place, after in zip(places, [*places[1:], None], strict=False):
        last = found[-1] if found else None
        if place.what == HOST:
            port = after.value if after is not None and after.what == PORT else None
            found.append(place._replace(other=(port, place.other)))
        elif place.what == PORT:
            if last is not None and last.what == HOST:
                found.append(place._replace(other=(last.value, last.other[1])))
        elif place.what == RESOURCE:
            what = RESOURCES.get(place.other)
            if place.other == ANY_RESOURCE:
                found.append(place)
            elif what is not None:
                pattern = after.value if after is not None and after.what == PATTERN else None
                found.append(place._replace(what=what, other=_Resource(place.value, what, pattern)))
        elif place.what == PATTERN:
            if last is not None and isinstance(last.other, _Resource) and last.value is not None:
                found.append(place._replace(other=last.other))
        else:
            found.append(place)
    return found


def _written(place: Place, value: Any, name: str) -> bytes:
    assert place.item is not None
    parts: list[bytes] = []
    try:
        write_item(place.item, value, parts)
    except Wrong as wrong:
        raise LocalProtocolError("kafka", 0, f"{name}: {place.item.name}: {wrong}") from None
    return b"".join(parts)
