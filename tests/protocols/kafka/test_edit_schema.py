"""Edits over every field of every version: what the schema says names a topic, a group, a transaction, is reached."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import l7codec
from l7codec import Conversation, LocalProtocolError, Message, Side, encode
from l7codec.protocols import kafka
from l7codec.protocols.kafka import API_NAMES, api
from l7codec.protocols.kafka.layout import Item, Struct, layout
from l7codec.strategies import kafka as drawn

MESSAGES = [
    (key, version, response)
    for key in API_NAMES
    for version in range(api(key).versions.first, api(key).versions.last + 1)
    for response in (False, True)
]

# By name, whatever the schema's own marks are: our marks must not be both question and answer.
TOPICS = {
    "Produce.topic_data.name",
    "Produce.responses.name",
    "ListOffsets.topics.name",
    "OffsetCommit.topics.name",
    "Metadata.topics.name",
    "OffsetFetch.topics.name",
    "OffsetFetch.groups.topics.name",
    "CreateTopics.topics.name",
    "DeleteTopics.topics.name",
    "DeleteTopics.responses.name",
    "DeleteRecords.topics.name",
    "AddPartitionsToTxn.v3_and_below_topics.name",
    "AddPartitionsToTxn.transactions.topics.name",
    "AddPartitionsToTxn.results_by_topic_v3_and_below.name",
    "AddPartitionsToTxn.results_by_transaction.topic_results.name",
    "StopReplica.topics.name",
    "WriteTxnMarkers.markers.topics.name",
    "TxnOffsetCommit.topics.name",
    "AlterReplicaLogDirs.dirs.topics.name",
    "DescribeLogDirs.results.topics.name",
    "CreatePartitions.topics.name",
    "CreatePartitions.results.name",
    "AlterPartitionReassignments.topics.name",
    "AlterPartitionReassignments.responses.name",
    "ListPartitionReassignments.topics.name",
    "OffsetDelete.topics.name",
    "FetchSnapshot.topics.name",
    "DescribeProducers.topics.name",
    "DescribeTopicPartitions.topics.name",
    "StreamsGroupHeartbeat.topology.subtopologies.state_changelog_topics.name",
    "StreamsGroupHeartbeat.topology.subtopologies.repartition_source_topics.name",
    "StreamsGroupDescribe.groups.topology.subtopologies.state_changelog_topics.name",
    "StreamsGroupDescribe.groups.topology.subtopologies.repartition_source_topics.name",
}
TOPIC_FIELDS = {
    "topic", "topics", "topic_name", "topic_names", "subscribed_topic_names", "source_topics", "sink_topic",
    "repartition_sink_topics",
}  # fmt: skip
GROUP_FIELDS = {"group_id", "group_ids", "groups_names", "groups"}
TRANSACTION_FIELDS = {"transactional_id", "transactional_ids", "v3_and_below_transactional_id"}

REGEXES = {
    "subscribed_topic_regex": "topic regex",
    "source_topic_regex": "topic regex",
    "transactional_id_pattern": "transactional_id regex",
}


def what_is(item: Item, path: str) -> str | None:
    """What a text field names, by its name alone."""
    if item.type != "string":
        return None
    if item.name in REGEXES:
        return REGEXES[item.name]
    if item.name in TOPIC_FIELDS or path in TOPICS:
        return "topic"
    if item.name in GROUP_FIELDS:
        return "group"
    return "transactional_id" if item.name in TRANSACTION_FIELDS else None


def filled(fields: Struct, path: str, names: Iterator[str], seen: dict[str, list[str]]) -> dict[str, Any]:
    """A struct with a name of its own in each text; `seen` gathers by what they name."""
    value = fields.fresh()
    for item in (*fields.fields, *fields.tags):
        where = f"{path}.{item.name}"
        if item.inner is not None:
            one = [filled(item.inner, where, names, seen) for _ in range(2 if item.array else 1)]
            value[item.name] = one if item.array else one[0]
        elif item.type == "string":
            texts = [next(names) for _ in range(2 if item.array else 1)]
            seen.setdefault(what_is(item, where) or "", []).extend(texts)
            value[item.name] = texts if item.array else texts[0]
        elif item.array:
            value[item.name] = [{"uuid": bytes(16), "bytes": b"", "bool": True}.get(item.type, 1)]
    return value


def texts_of(value: Any) -> Iterator[str]:
    """All texts in a body, in order."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from texts_of(one)
    elif not isinstance(value, bytes | int | float | kafka.Records) and value is not None:
        for one in value:
            yield from texts_of(one)


def message_of(key: int, version: int, response: bool) -> tuple[Message, dict[str, list[str]]]:
    seen: dict[str, list[str]] = {}
    names = (f"n{number}" for number in range(10_000))
    body = filled(layout(key, response, version), API_NAMES[key], names, seen)
    if response:
        message = kafka.response(key, body, version=version)
        message.request = kafka.request(key, version=version)  # FindCoordinator's says that its keys are groups'
        return message, seen
    return kafka.request(key, {**body, **({"acks": 1} if key == 0 else {})}, version=version), seen


def read(message: Message, raw: bytes) -> Any:
    """The body that a peer would read."""
    key, version = message.metadata["kafka.api_key"], message.metadata["kafka.api_version"]
    assert isinstance(key, int)
    assert isinstance(version, int)
    return framed(key, version, message.side is Side.SERVER, raw).body


@pytest.mark.parametrize("what", ["topic", "group", "transactional_id"])
def test_every_name_gets_a_prefix_and_nothing_else_does(what: str) -> None:
    prefix = "x" * 130  # so long that compact lengths take more bytes
    reached = set()
    for key, version, response in MESSAGES:
        message, seen = message_of(key, version, response)
        raw = encode(message, {f"kafka.{what}_prefix": prefix})
        wanted, regexes = set(seen.get(what, ())), set(seen.get(f"{what} regex", ()))
        before, after = list(texts_of(message.body)), list(texts_of(read(message, raw)))
        if API_NAMES[key] == "FindCoordinator" and what == "group":  # its keys are groups' where nothing else is said
            wanted |= {text for text in before if text not in after}
        assert after == [
            prefix + text if text in wanted else f"{prefix}(?:{text})" if text in regexes else text for text in before
        ], (API_NAMES[key], version, response)
        reached |= {API_NAMES[key]} if wanted else set()
    assert len(reached) > {"topic": 40, "group": 25, "transactional_id": 7}[what]


def test_what_is_put_before_and_taken_away_again_leaves_no_byte_changed() -> None:
    """With tagged fields that nobody knows in every struct, and bytes behind the body."""
    names = ("topic", "group", "transactional_id")
    for key, version, response in MESSAGES:
        fields = layout(key, response, version)
        body = with_unknown_tags(fields, filled(fields, API_NAMES[key], (f"n{number}" for number in range(10_000)), {}))
        body.update({"acks": 1} if key == 0 and not response else {})
        written = (kafka.response if response else kafka.request)(key, body, version=version).raw + b"behind"
        message = framed(key, version, response, len(written[4:]).to_bytes(4, "big") + written[4:])
        longer = encode(message, {f"kafka.{name}_prefix": "x" * 130 for name in names})
        again = framed(key, version, response, longer)
        assert encode(again, {f"kafka.strip_{name}_prefix": "x" * 130 for name in names}) == message.raw, (
            API_NAMES[key],
            version,
            response,
        )


@pytest.mark.parametrize("key", API_NAMES)
def test_whatever_a_body_holds_it_is_edited_or_refused(key: int) -> None:
    edits: dict[str, Any] = {f"kafka.{name}_prefix": "x." for name in ("topic", "group", "transactional_id")}
    edits |= {"kafka.rename_topics": {"": "y"}, "kafka.brokers": {0: ("host", 1), ":0": "host:2"}, "client_id": "c"}

    @settings(max_examples=3 * (api(key).versions.last + 1), database=None)
    @given(st.data())
    def check(data: st.DataObject) -> None:
        version = data.draw(st.integers(api(key).versions.first, api(key).versions.last))
        response = data.draw(st.booleans())
        body = data.draw(drawn.bodies(key, version, response))
        message = (kafka.response if response else kafka.request)(key, body, version=version)
        asked = {name: edits[name] for name in data.draw(st.sets(st.sampled_from(sorted(edits))))}
        if response or not api(key).request_header(version):
            asked.pop("client_id", None)
        try:
            raw = encode(message, asked)
        except LocalProtocolError:
            return
        if not (key == 0 and not response and body["acks"] == 0):
            assert framed(key, version, response, raw).error is None

    check()


def framed(key: int, version: int, response: bool, raw: bytes) -> Message:
    """A message of these bytes, as a Conversation has it."""
    if not response:
        (request,) = l7codec.decode("kafka", raw)
        assert isinstance(request, Message)
        return request
    conversation = Conversation("kafka")
    list(conversation.client.receive_data(kafka.request(key, {"acks": 1} if key == 0 else {}, version=version).raw))
    (answer,) = conversation.server.receive_data(raw)
    assert isinstance(answer, Message)
    return answer


def with_unknown_tags(fields: Struct, value: dict[str, Any]) -> dict[str, Any]:
    """The same with a tagged field in each struct that no version has."""
    for item in (*fields.fields, *fields.tags):
        if item.inner is not None:
            for one in value[item.name] if item.array else [value[item.name]]:
                with_unknown_tags(item.inner, one)
    if fields.flexible:
        value["_tagged_fields"] = {99: b"kept"}
    return value


def test_metadata_names_every_topic_group_and_transaction() -> None:
    for key, version, response in MESSAGES:
        message, seen = message_of(key, version, response)
        metadata = message.metadata
        assert sorted(metadata.get("topics", ())) == sorted(seen.get("topic", ())), (API_NAMES[key], version, response)
        if response or API_NAMES[key] == "FindCoordinator":
            continue
        for what, one, several in (
            ("group", "group", "kafka.groups"),
            ("transactional_id", "kafka.transactional_id", "kafka.transactional_ids"),
        ):
            named = {*metadata.get(several, ()), *([metadata[one]] if one in metadata else [])}
            assert named == set(seen.get(what, ())), (API_NAMES[key], version)
