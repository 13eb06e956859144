"""Error responses: each thing asked about is answered, under its own name, with a code that clients know there.

What clients do with a code is in Kafka's own `FetchCollector`, `ConsumerCoordinator` and `AbstractCoordinator`, and in
librdkafka's `rd_kafka_err_action`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from benchmarks.kafka_peers import kafka_python, kio
from l7codec import Conversation, Message, Reason, RemoteProtocolError
from l7codec.protocols import kafka
from l7codec.protocols.kafka import API_KEYS, API_NAMES, api
from l7codec.protocols.kafka.bodies import body_at
from l7codec.protocols.kafka.layout import Item, Struct, layout


def answered(request: Message, reason: Reason | RemoteProtocolError) -> Message:
    """The reply, read as the answer to the request."""
    conversation = Conversation("kafka")
    (asked,) = conversation.client.receive_data(request.raw)
    data = conversation.reply(asked, reason, "no")
    assert data is not None
    again = Conversation("kafka")
    list(again.client.receive_data(request.raw))
    (answer,) = again.server.receive_data(data)
    assert isinstance(answer, Message)
    return answer


def numbered(fields: Struct, numbers: Iterator[int]) -> dict[str, Any]:
    """A request with two of each list, and every name and number its own."""

    def one(item: Item) -> Any:
        number = next(numbers)
        if item.inner is not None:
            return numbered(item.inner, numbers)
        if item.type == "string":
            return f"n{number}"
        if item.type == "uuid":
            return number.to_bytes(16, "big")
        return number % 100 if item.type.startswith("int") else item.fresh()

    value = fields.fresh()
    for item in fields.fields:
        value[item.name] = [one(item), one(item)] if item.array else one(item)
    return value


TOPICS = {"name", "topic", "topic_name", "topic_names", "topics", "topic_id"}
PARTITIONS = {"partition", "partitions", "partition_index", "partition_indexes", "partition_id", "index"}


def partitions_of(value: Any, topic: Any = None) -> Iterator[tuple[Any, int]]:
    """Topic and number of every partition that a body names."""
    if not isinstance(value, dict):
        return
    topic = next((one for name, one in value.items() if name in TOPICS and isinstance(one, str | bytes) and one), topic)
    for name, one in value.items():
        if isinstance(one, int) and name in PARTITIONS:
            yield topic, one
        elif not isinstance(one, str | bytes | int | float | dict | kafka.Records) and one is not None:
            for inner in one:
                if isinstance(inner, int) and name in PARTITIONS:
                    yield topic, inner
                else:
                    yield from partitions_of(inner, topic)


BY_PARTITION = (
    "Produce", "Fetch", "ListOffsets", "StopReplica", "OffsetCommit", "OffsetFetch", "DeleteRecords",
    "OffsetForLeaderEpoch", "AddPartitionsToTxn", "WriteTxnMarkers", "TxnOffsetCommit", "AlterReplicaLogDirs",
    "ElectLeaders", "AlterPartitionReassignments", "OffsetDelete", "DescribeProducers", "ShareFetch",
    "ShareAcknowledge", "InitializeShareGroupState", "ReadShareGroupState", "WriteShareGroupState",
    "DeleteShareGroupState", "ReadShareGroupStateSummary", "DescribeShareGroupOffsets", "AlterShareGroupOffsets",
    "Vote", "AlterPartition", "FetchSnapshot", "AssignReplicasToDirs",
)  # fmt: skip
ASIDE = {"forgotten_topics_data"}  # named in a request, and not asked about


@pytest.mark.parametrize("name", BY_PARTITION)
def test_every_partition_is_answered_and_no_other(name: str) -> None:
    key = API_KEYS[name]
    for version in range(api(key).versions.first, api(key).versions.last + 1):
        body = numbered(layout(key, False, version), iter(range(1, 1000)))
        request = kafka.request(name, {**body, **({"acks": 1} if key == 0 else {})}, version=version)
        asked = {name: one for name, one in request.body.items() if name not in ASIDE}
        for reason in (Reason.DENIED, Reason.TIMEOUT):
            found = list(partitions_of(answered(request, reason).body))
            assert sorted(found, key=repr) == sorted(partitions_of(asked), key=repr), (name, version)


def codes(value: Any) -> set[int]:
    """All error codes in a body."""
    if isinstance(value, dict):
        own = {one for name, one in value.items() if name.endswith("error_code")}
        return own.union(*map(codes, value.values()))
    if isinstance(value, str | bytes | int | float | kafka.Records) or value is None:
        return set()
    return set().union(*map(codes, value))


@pytest.mark.parametrize("peer_of", [kio, kafka_python])
def test_peers_read_every_reply(peer_of: Any) -> None:
    pytest.importorskip("kio")
    pytest.importorskip("kafka", exc_type=ImportError)
    read = 0
    for key in API_NAMES:
        for version in range(api(key).versions.first, api(key).versions.last + 1):
            peer = peer_of(key, True, version)
            if peer is None or (key == 18 and peer_of is kafka_python):  # which takes any error for version 0
                continue
            body = numbered(layout(key, False, version), iter(range(1, 1000)))
            request = kafka.request(key, {**body, **({"acks": 1} if key == 0 else {})}, version=version)
            for reason in (*Reason, RemoteProtocolError("kafka", 0, "wrong")):
                raw = answered(request, reason).raw
                peer.read(raw[body_at(raw, key, version, True) :])
                read += 1
    assert read > 1000


def test_a_topic_that_is_denied_is_no_failure_of_the_whole() -> None:
    """Java's consumer reads no partition of a Fetch or OffsetFetch whose whole has an error."""
    topic = {"topic": "a", "partitions": [{"partition": 0}]}
    for version in range(7, 13):
        answer = answered(kafka.request("Fetch", {"topics": [topic]}, version=version), Reason.DENIED).body
        assert answer["error_code"] == 0
        assert answer["responses"][0]["partitions"][0]["error_code"] == 29
    incremental = answered(kafka.request("Fetch", {"session_id": 9}, version=12), Reason.DENIED)
    assert incremental.metadata["status"] == "error"
    body = {"group_id": "g", "topics": [{"name": "a", "partition_indexes": [0]}]}
    for version in range(2, 8):
        answer = answered(kafka.request("OffsetFetch", body, version=version), Reason.DENIED).body
        assert (answer["error_code"], answer["topics"][0]["partitions"][0]["error_code"]) == (0, 29)
        everything = kafka.request("OffsetFetch", {"group_id": "g", "topics": None}, version=version)
        assert answered(everything, Reason.DENIED).body["error_code"] == 30


AGAIN = {
    "Produce": {6, 7},
    "Fetch": {6},
    "ListOffsets": {6, 7},
    **dict.fromkeys(
        ("JoinGroup", "SyncGroup", "Heartbeat", "LeaveGroup", "OffsetCommit", "OffsetFetch"), frozenset({15})
    ),
    **dict.fromkeys(
        ("FindCoordinator", "AddOffsetsToTxn", "EndTxn", "TxnOffsetCommit", "AddPartitionsToTxn"), frozenset({15})
    ),
}
"""The codes after which clients try again, where they know no others: 6 NOT_LEADER_OR_FOLLOWER, 7 REQUEST_TIMED_OUT,
15 COORDINATOR_NOT_AVAILABLE."""


@pytest.mark.parametrize("reason", [Reason.NO_HEALTHY_UPSTREAM, Reason.TIMEOUT, Reason.OVER_LIMIT])
@pytest.mark.parametrize("name", AGAIN)
def test_what_passes_is_said_so_that_clients_try_again(name: str, reason: Reason) -> None:
    key = API_KEYS[name]
    for version in range(api(key).versions.first, api(key).versions.last + 1):
        body = numbered(layout(key, False, version), iter(range(1, 1000)))
        request = kafka.request(name, {**body, **({"acks": 1} if key == 0 else {})}, version=version)
        assert codes(answered(request, reason).body) - {0} <= AGAIN[name]


def test_there_are_no_records_but_there_is_the_field() -> None:
    """By hand, version 4: where the records' size were -1, librdkafka would give up the whole response."""
    request = kafka.request("Fetch", {"topics": [{"topic": "t", "partitions": [{"partition": 7}]}]}, version=4, id=1)
    assert answered(request, Reason.DENIED).raw == bytes.fromhex(
        "00000031 00000001 00000000 00000001 0001 74 00000001 00000007 001d ffffffffffffffff ffffffffffffffff"
        "00000000 00000000".replace(" ", "")
    )
    for version in range(18):
        topic = {"partitions": [{"partition": 0}]}
        (found,) = answered(kafka.request("Fetch", {"topics": [topic]}, version=version), Reason.TIMEOUT).body[
            "responses"
        ]
        assert found["partitions"][0]["records"] == kafka.Records(b"")


def test_a_transactional_producer_looks_for_another_leader() -> None:
    body = {"transactional_id": "t", "acks": -1, "topic_data": [{"name": "a", "partition_data": [{"index": 0}]}]}
    for version in range(3, 13):
        answer = answered(kafka.request("Produce", body, version=version), Reason.NO_HEALTHY_UPSTREAM)
        assert answer.metadata["error.type"] == "NOT_LEADER_OR_FOLLOWER"


def test_replies_of_an_odd_shape() -> None:
    entity = [{"entity_type": "user", "entity_name": "u"}, {"entity_type": "client-id", "entity_name": None}]
    body: dict[str, Any] = {"entries": [{"entity": entity, "ops": []}]}
    for version in (0, 1):  # Java's client looks its future up by the whole entity
        answer = answered(kafka.request("AlterClientQuotas", body, version=version), Reason.DENIED).body
        assert list(answer["entries"][0]["entity"]) == entity
    body = {"deletions": [{"name": "a", "mechanism": 1}], "upsertions": [{"name": name} for name in ("a", "b")]}
    users = answered(kafka.request("AlterUserScramCredentials", body), Reason.DENIED).body["results"]
    assert [one["user"] for one in users] == ["a", "b"]
    answer = answered(kafka.request("DescribeTopicPartitions", {"topics": [{"name": "a"}]}), Reason.DENIED).body
    assert answer["next_cursor"] is None  # else clients ask on
    logs = {"topics": [{"topic": "a", "partitions": [0, 1]}, {"topic": "b", "partitions": [0]}]}
    assert len(answered(kafka.request("DescribeLogDirs", logs, version=1), Reason.DENIED).body["results"]) == 1
    assert not answered(kafka.request("DescribeLogDirs", logs, version=4), Reason.DENIED).body["results"]
    producer = {"transactional_id": "t", "producer_id": 5, "producer_epoch": 1}
    answer = answered(kafka.request("InitProducerId", producer, version=5), Reason.DENIED).body
    assert (answer["producer_id"], answer["producer_epoch"]) == (-1, -1)


def test_who_waits_for_nothing_gets_nothing() -> None:
    for version in range(14):
        request = kafka.request("Produce", {"acks": 0}, version=version)
        assert kafka.KafkaCodec.reply(request, Reason.DENIED) is None
