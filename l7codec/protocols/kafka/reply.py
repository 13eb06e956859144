"""Error responses as each API defines them, in the version that was asked in.

Most have an error code for everything that was asked about: one for each partition of each topic, or group, or
resource. Clients look for theirs among them, so a response is built after the request: its lists are matched with the
request's lists, and what names a thing there names it here. Where a request names nothing, and its API has no error
code for the whole, the response is empty: a client that gets none waits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from ...codec import Reason
from ...errors import BodyError, RemoteProtocolError
from ...message import Kind, Message
from .bodies import write_body
from .build import frame_response
from .codec import UNSUPPORTED_VERSION
from .layout import Item, Struct, layout
from .schema import API_NAMES, API_VERSIONS, api

__all__ = ["reply"]

UNKNOWN_TOPIC: Final = 3
NOT_LEADER: Final = 6
TIMED_OUT: Final = 7
COORDINATOR_NOT_AVAILABLE: Final = 15
TOPIC_DENIED: Final = 29
GROUP_DENIED: Final = 30
CLUSTER_DENIED: Final = 31
INVALID_REQUEST: Final = 42
TRANSACTION_DENIED: Final = 53
THROTTLED: Final = 89
SASL_FAILED: Final = 58
UNKNOWN: Final = -1

OVER_LIMIT_PAUSE: Final = 1000
"""Milliseconds that a client over its limit is told to pause: the length of a broker's quota window
(`quota.window.size.seconds`)."""

_SAME: Final = (
    frozenset({"partition", "partition_index", "partition_id", "index", "partition_indexes", "partitions"}),
    frozenset({"name", "topic", "topic_name", "topics", "topic_names"}),
    frozenset({"topic_id", "topic_ids"}),
    frozenset({"group_id", "groups", "group_ids", "groups_names"}),
    frozenset({"transactional_id", "transactional_ids"}),
    frozenset({"key", "coordinator_keys"}),
    frozenset({"member_id"}),
    frozenset({"group_instance_id"}),
    frozenset({"resource_type"}),
    frozenset({"resource_name"}),
    frozenset({"producer_id"}),
    frozenset({"user", "users", "name"}),
    frozenset({"feature", "name"}),
    frozenset({"id"}),
)
"""Names under which requests and responses speak of the same thing."""


def reply(request: Message | None, reason: Reason | RemoteProtocolError, text: str | None = None) -> bytes | None:
    """The error response to a request; None where none is due: brokers close the
    connection after what they cannot read."""
    if request is None or request.kind is not Kind.REQUEST or request.id is None:
        return None
    key, version = request.metadata.get("kafka.api_key"), request.metadata.get("kafka.api_version")
    if not isinstance(key, int) or not isinstance(version, int) or key not in API_NAMES:
        return None
    if version not in api(key).versions:
        return _fallback(request.id) if key == API_VERSIONS else None
    try:
        asked = request.body
    except BodyError:
        asked = {}
    code = error_code(request.metadata, reason)
    words = text or (reason.reason if isinstance(reason, RemoteProtocolError) else reason.value)
    fields = layout(key, True, version)
    answer = _Answer(code, words)
    odd = _ODD.get(API_NAMES[key])
    if odd is not None:
        answer.rows = odd(asked, "error_code" in fields.names)
    value = answer.struct(fields, asked)
    if "producer_id" in value:  # a new one was asked for
        value["producer_id"] = -1
    if reason is Reason.OVER_LIMIT and "throttle_time_ms" in value:
        value["throttle_time_ms"] = OVER_LIMIT_PAUSE
    return frame_response(key, version, request.id, write_body(key, version, True, value))


def _fallback(id: int) -> bytes:
    """To a version of ApiVersions that nobody knows: version 0, naming the versions that there are (KIP-511)."""
    versions = api(API_VERSIONS).versions
    keys = [{"api_key": API_VERSIONS, "min_version": versions.first, "max_version": versions.last}]
    return frame_response(
        API_VERSIONS, 0, id, write_body(API_VERSIONS, 0, True, {"error_code": UNSUPPORTED_VERSION, "api_keys": keys})
    )


def error_code(metadata: Mapping[str, Any], reason: Reason | RemoteProtocolError) -> int:
    """What Kafka's clients take as it is meant: to go away, to try again, to look for another broker.

    Of what is to be tried again each API knows a few codes only; with others, Java's client throws what ends the
    application, and librdkafka gives a message up.
    """
    method = metadata.get("method", "")
    if isinstance(reason, RemoteProtocolError):
        return INVALID_REQUEST
    if method in ("SaslHandshake", "SaslAuthenticate"):
        return SASL_FAILED
    by_group = "group" in metadata or "kafka.groups" in metadata
    by_transaction = "kafka.transactional_id" in metadata or "kafka.transactional_ids" in metadata
    by_topic = "topics" in metadata or "kafka.topic_ids" in metadata
    if reason is Reason.DENIED:
        if by_topic:
            return TOPIC_DENIED
        return GROUP_DENIED if by_group else TRANSACTION_DENIED if by_transaction else CLUSTER_DENIED
    if reason is Reason.NO_ROUTE:
        if by_topic:
            return UNKNOWN_TOPIC
        return COORDINATOR_NOT_AVAILABLE if by_group or by_transaction else UNKNOWN
    if method in ("Produce", "ListOffsets", "Fetch"):
        return TIMED_OUT if reason is Reason.TIMEOUT and method != "Fetch" else NOT_LEADER
    if by_group or by_transaction:
        return COORDINATOR_NOT_AVAILABLE
    return THROTTLED if reason is Reason.OVER_LIMIT else TIMED_OUT


OF_TOPICS: Final = frozenset({UNKNOWN_TOPIC, NOT_LEADER, TOPIC_DENIED})
"""What is said of topics and partitions, and not of the whole or of a group as well where these are listed: a client
that is told that the whole has failed looks at none of them, and never learns which topic it may not use."""


class _Answer:
    """Builds one response."""

    def __init__(self, code: int, text: str) -> None:
        self.code = code
        self.text = text
        self.rows: list[Any] | None = None
        """What the response's first list answers, where that is none of the request's lists."""

    def struct(self, fields: Struct, asked: Any) -> dict[str, Any]:
        """A struct that speaks of `asked`: a struct of the request, or one value of a list in it."""
        value = fields.fresh()
        inside = False
        for item in (*fields.fields, *fields.tags):
            if item.array:
                if item.inner is not None and _has_code(item.inner):
                    rows, self.rows = self.rows, None
                    if rows is None:
                        rows = list(_list_for(item, asked))
                    value[item.name] = [self.struct(item.inner, one) for one in rows]
                    inside = inside or bool(rows)
                elif item.name == ENTITY and isinstance(asked, Mapping):
                    value[item.name] = list(asked.get(ENTITY, ()))
            elif item.inner is not None:
                if item.nullable:
                    value[item.name] = None
                elif item.name == "current_leader" and item.tag is None:
                    value[item.name] = {"leader_id": -1, "leader_epoch": -1}
            elif item.type == "records":  # empty, as brokers have it: librdkafka cannot read null
                value[item.name] = b""
            elif (found := _same(item, asked)) is not None:
                value[item.name] = found
        told = inside and self.code in OF_TOPICS
        for item in fields.fields:
            if item.name.endswith("error_code") and item.type == "int16":
                value[item.name] = 0 if told else self.code
            elif item.name.endswith("error_message") and item.type == "string" and not told:
                value[item.name] = self.text
        for name, none in _NOBODY.items():
            if name in value and value[name] == 0:
                value[name] = none
        return value


ENTITY: Final = "entity"
"""A client quota's: a list of names that, all of them together, are what the quota is of."""


_NOBODY: Final = {
    "node_id": -1,
    "port": -1,
    "controller_id": -1,
    "base_offset": -1,
    "committed_offset": -1,
    "high_watermark": -1,
    "low_watermark": -1,
    "producer_epoch": -1,
}
"""What brokers put where an error leaves nothing to say."""


def _replica_rows(asked: Any, whole: bool) -> list[Any]:
    """StopReplica's partitions, each with its topic: in three forms, the newest last."""
    rows = list(asked.get("ungrouped_partitions", ()))
    for topic in asked.get("topics", ()):
        rows += [{"topic_name": topic["name"], "partition_index": one} for one in topic["partition_indexes"]]
    for topic in asked.get("topic_states", ()):
        rows += [{**one, "topic_name": topic["topic_name"]} for one in topic["partition_states"]]
    return rows


def _directory_rows(asked: Any, whole: bool) -> list[Any]:
    """AlterReplicaLogDirs' topics, out of their directories."""
    return [topic for directory in asked.get("dirs", ()) for topic in directory["topics"]]


def _user_rows(asked: Any, whole: bool) -> list[Any]:
    """Every user of AlterUserScramCredentials once, whatever happens to how many credentials."""
    both = (*asked.get("deletions", ()), *asked.get("upsertions", ()))
    return list({one["name"]: {"user": one["name"]} for one in both}.values())


def _log_rows(asked: Any, whole: bool) -> list[Any]:
    """DescribeLogDirs' answer is by directories, which nobody knows: one where only that can bear the error."""
    return [] if whole else [{}]


_ODD: Final = {
    "StopReplica": _replica_rows,
    "AlterReplicaLogDirs": _directory_rows,
    "AlterUserScramCredentials": _user_rows,
    "DescribeLogDirs": _log_rows,
}


def _has_code(fields: Struct) -> bool:
    """Whether an error code stands in a struct or in a list of it."""
    return any(
        item.name.endswith("error_code") or (item.inner is not None and _has_code(item.inner)) for item in fields.fields
    )


def _list_for(item: Item, asked: Any) -> Iterable[Any]:
    """The list of the request that a response's list answers: the one whose elements are named alike."""
    if not isinstance(asked, Mapping):
        return ()
    assert item.inner is not None
    best: Iterable[Any] = ()
    lists = []
    most = 0
    wanted = set(item.inner.names)
    for name, value in asked.items():
        if isinstance(value, str | bytes | Mapping) or not hasattr(value, "__len__") or not value:
            continue
        if not hasattr(value, "__getitem__"):
            continue
        lists.append(value)
        names = set(value[0]) if isinstance(value[0], Mapping) else {name}
        score = sum(1 for group in _SAME if group & names and group & wanted)
        score = 2 * score + (name == item.name)
        if score > most:
            most, best = score, value
    if most > 1:
        return best
    return lists[0] if len(lists) == 1 else ()  # results without names: in the order of what was asked


def _same(item: Item, asked: Any) -> Any:
    """What the request calls the thing that a field of the response names."""
    if not isinstance(asked, Mapping):
        fits = {str: "string", int: "int32", bytes: "uuid"}.get(type(asked))
        named = any(item.name in group for group in _SAME)
        return asked if named and fits == item.type else None
    names = next((group for group in _SAME if item.name in group), None)
    if names is None:
        return None
    for name in (item.name, *sorted(names)):
        found = asked.get(name)
        if isinstance(found, str | int | bytes) and not isinstance(found, bool):
            return found if _fits(item, found) else None
    return None


def _fits(item: Item, value: Any) -> bool:
    if item.type == "string":
        return isinstance(value, str)
    if item.type == "uuid":
        return isinstance(value, bytes) and len(value) == 16
    return item.type.startswith(("int", "uint")) and isinstance(value, int)
