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
UNSUPPORTED_VERSION: Final = 35
INVALID_REQUEST: Final = 42
TRANSACTION_DENIED: Final = 53
THROTTLED: Final = 89
SASL_FAILED: Final = 58
UNKNOWN: Final = -1

OVER_LIMIT_PAUSE: Final = 1000
"""Milliseconds that a client over its limit is told to pause: the length of a broker's quota window
(`quota.window.size.seconds`)."""

_SAME: Final = (
    frozenset({"partition", "partition_index", "index", "partition_indexes", "partitions"}),
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
    frozenset({"path", "log_dir"}),
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
    value = _Answer(code, words).struct(fields, asked)
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
    """What Kafka's clients take as it is meant: to go away, to try again, to look for another broker."""
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
    if reason is Reason.NO_HEALTHY_UPSTREAM:
        if by_group or by_transaction:
            return COORDINATOR_NOT_AVAILABLE
        return NOT_LEADER if method in ("Produce", "Fetch", "ListOffsets") else TIMED_OUT
    return THROTTLED if reason is Reason.OVER_LIMIT else TIMED_OUT


class _Answer:
    """Builds one response."""

    def __init__(self, code: int, text: str) -> None:
        self.code = code
        self.text = text

    def struct(self, fields: Struct, asked: Any) -> dict[str, Any]:
        """A struct that speaks of `asked`: a struct of the request, or one value of a list in it."""
        value = fields.fresh()
        for item in (*fields.fields, *fields.tags):
            if item.name.endswith("error_code") and item.type == "int16":
                value[item.name] = self.code
            elif item.name.endswith("error_message") and item.type == "string":
                value[item.name] = self.text if item.tag is None else value[item.name]
            elif item.array:
                if item.inner is not None and _has_code(item.inner):
                    value[item.name] = [self.struct(item.inner, one) for one in _list_for(item, asked)]
            elif item.inner is None and (found := _same(item, asked)) is not None:
                value[item.name] = found
        for name, none in _NOBODY.items():
            if name in value and value[name] == 0:
                value[name] = none
        return value


_NOBODY: Final = {
    "node_id": -1,
    "port": -1,
    "controller_id": -1,
    "base_offset": -1,
    "committed_offset": -1,
    "high_watermark": -1,
}
"""What brokers put where an error leaves nothing to say."""


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
