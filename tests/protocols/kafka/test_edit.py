"""Edits and error responses, over every API where that can be said of all."""

from __future__ import annotations

from typing import Any

import pytest

import l7codec
from l7codec import Conversation, LocalProtocolError, Message, Reason, Side, encode
from l7codec.protocols import kafka
from l7codec.protocols.kafka.schema import API_NAMES, api
from tests import laws

VERSIONS = [
    (key, version) for key in API_NAMES for version in range(api(key).versions.first, api(key).versions.last + 1)
]


def one(data: bytes) -> Message:
    (message,) = l7codec.decode("kafka", data)
    return message


def heard(request: Message, response: bytes) -> Message:
    """A response, read as the answer to a request."""
    conversation = Conversation("kafka")
    list(conversation.client.receive_data(request.raw))
    (answer,) = conversation.server.receive_data(response)
    return answer


def responded(name: str, body: Any, version: int, edits: dict[str, Any]) -> Message:
    """A response with edits."""
    request = kafka.request(name, {"acks": 1} if name == "Produce" else {}, version=version)
    return heard(request, encode(heard(request, kafka.response(name, body, version=version).raw), edits))


# -- the header -----------------------------------------------------------------------------------------------------


def test_id_and_client() -> None:
    for version in (1, 9):  # with and without tagged fields in the header
        message = kafka.request("Metadata", {"topics": [{"name": "t"}]}, version=version, id=1, client_id="old")
        again = one(encode(message, {"id": 5, "client_id": "newer"}))
        assert (again.id, again.metadata["client_id"], again.body) == (5, "newer", message.body)
        again = one(encode(message, {"client_id": None}))
        assert "client_id" not in again.metadata
    with pytest.raises(LocalProtocolError, match="no client id"):
        encode(kafka.request("ControlledShutdown", version=0), {"client_id": "x"})
    with pytest.raises(LocalProtocolError, match="no correlation id"):
        encode(message, {"id": 2**31})


def test_tagged_fields_of_the_header_stay() -> None:
    raw = bytes.fromhex("00000013 000c 0004 00000001 0001 63 01 05 01 ff 01 00000001 01 00 00"[:])
    raw = len(raw[4:]).to_bytes(4, "big") + raw[4:]
    again = encode(one(raw), {"client_id": "dd"})
    assert bytes.fromhex("0002 6464 01 05 01 ff") in again


# -- topics, groups -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [0, 3, 8, 9, 12])
def test_topics_of_produce_are_renamed_both_ways(version: int) -> None:
    batch = [{"index": 0, "records": b"abc"}]
    body = {"topic_data": [{"name": "orders", "partition_data": batch}, {"name": "other", "partition_data": batch}]}
    request = kafka.request("Produce", body, version=version, client_id="c")
    again = one(encode(request, {"kafka.rename_topics": {"orders": "tenant." + "o" * 200}}))
    assert again.metadata["topics"] == ("tenant." + "o" * 200, "other")
    assert again.body["topic_data"][0]["partition_data"] == request.body["topic_data"][0]["partition_data"]
    answer = responded("Produce", {"responses": [{"name": "t.a"}]}, version, {"kafka.strip_topic_prefix": "t."})
    assert answer.metadata["topics"] == ("a",)


def test_topics_inside_a_consumer_s_subscription() -> None:
    data = kafka.write_data(
        "ConsumerProtocolSubscription", 1, {"topics": ["a", "b"], "owned_partitions": [{"topic": "a"}]}
    )
    body = {"protocol_type": "consumer", "protocols": [{"name": "range", "metadata": data}]}
    again = one(encode(kafka.request("JoinGroup", body, version=5), {"kafka.topic_prefix": "x."}))
    version, value = kafka.read_data("ConsumerProtocolSubscription", again.body["protocols"][0]["metadata"])
    assert version == 1
    assert value["topics"] == ["x.a", "x.b"]
    assert value["owned_partitions"][0]["topic"] == "x.a"
    assigned = kafka.write_data("ConsumerProtocolAssignment", 0, {"assigned_partitions": [{"topic": "x.a"}]})
    answer = responded("SyncGroup", {"assignment": assigned}, 3, {"kafka.strip_topic_prefix": "x."})
    _, value = kafka.read_data("ConsumerProtocolAssignment", answer.body["assignment"])
    assert value["assigned_partitions"][0]["topic"] == "a"


def test_what_another_protocol_puts_there_is_left_alone() -> None:
    for data in (b"", b"\0", b"\xff\xff", b"\0\1connect's own", bytes(40)):
        body = {"protocol_type": "connect", "protocols": [{"name": "default", "metadata": data}]}
        request = kafka.request("JoinGroup", body, version=5)
        assert encode(request, {"kafka.topic_prefix": "x."}) == request.raw


def test_groups_and_transactional_ids_get_a_prefix() -> None:
    edits = {"kafka.group_prefix": "g.", "kafka.transactional_id_prefix": "t."}
    body: dict[str, Any] = {"group_id": "a", "transactional_id": "b", "topics": []}
    again = one(encode(kafka.request("TxnOffsetCommit", body, version=3), edits))
    assert (again.metadata["group"], again.metadata["kafka.transactional_id"]) == ("g.a", "t.b")
    for kind, expected in ((0, "g.k"), (1, "t.k")):
        for version in (1, 3):
            again = one(
                encode(kafka.request("FindCoordinator", {"key": "k", "key_type": kind}, version=version), edits)
            )
            assert again.body["key"] == expected
        again = one(
            encode(kafka.request("FindCoordinator", {"coordinator_keys": ["k"], "key_type": kind}, version=4), edits)
        )
        assert again.body["coordinator_keys"] == [expected]
    answer = responded("DescribeGroups", {"groups": [{"group_id": "g.a"}]}, 5, {"kafka.strip_group_prefix": "g."})
    assert answer.body["groups"][0]["group_id"] == "a"


def test_other_topics_by_their_places() -> None:
    request = kafka.request("DeleteTopics", {"topic_names": ["a", "b"]}, version=3)
    assert one(encode(request, {"topics": ("c", "d")})).metadata["topics"] == ("c", "d")
    with pytest.raises(LocalProtocolError, match="DeleteTopics request v3 names 2 topics, not 1"):
        encode(request, {"topics": ("c",)})
    with pytest.raises(LocalProtocolError, match="DeleteTopics request v3 names no group"):
        encode(request, {"group": "g"})
    assert (
        one(encode(kafka.request("Heartbeat", {"group_id": "a"}, version=4), {"group": "b"})).metadata["group"] == "b"
    )


# -- brokers --------------------------------------------------------------------------------------------------------

ENDPOINTS = {"node_id": 1, "host": "broker-1", "port": 9092}


@pytest.mark.parametrize(
    ("name", "version", "body", "where"),
    [
        *(("Metadata", version, {"brokers": [ENDPOINTS]}, "brokers") for version in (0, 1, 5, 9, 13)),
        ("FindCoordinator", 0, ENDPOINTS, None),
        ("FindCoordinator", 3, ENDPOINTS, None),
        ("FindCoordinator", 4, {"coordinators": [{**ENDPOINTS, "key": "g"}]}, "coordinators"),
        ("DescribeCluster", 1, {"brokers": [{"broker_id": 1, "host": "broker-1", "port": 9092}]}, "brokers"),
        ("Produce", 10, {"node_endpoints": [ENDPOINTS]}, "node_endpoints"),
        ("Fetch", 16, {"node_endpoints": [ENDPOINTS]}, "node_endpoints"),
        ("ShareFetch", 1, {"node_endpoints": [ENDPOINTS]}, "node_endpoints"),
    ],
)
def test_brokers_get_other_addresses(name: str, version: int, body: Any, where: str | None) -> None:
    for to, host, port in (
        ({1: "proxy.example.com:19092"}, "proxy.example.com", 19092),
        ({"broker-1:9092": ("p" * 150, 1)}, "p" * 150, 1),
        ({2: "elsewhere:1"}, "broker-1", 9092),
    ):
        answer = responded(name, body, version, {"kafka.brokers": to})
        assert answer.error is None
        found = answer.body if where is None else answer.body[where][0]
        assert (found["host"], found["port"]) == (host, port)


def test_a_broker_s_address_that_is_none() -> None:
    for to in ("nowhere", "host:port", "h:123456", 7):
        with pytest.raises(LocalProtocolError, match="is no broker's address"):
            responded("Metadata", {"brokers": [ENDPOINTS]}, 5, {"kafka.brokers": {1: to}})


# -- all of them ----------------------------------------------------------------------------------------------------


def test_edits_that_find_nothing_change_no_byte() -> None:
    edits = {"kafka.rename_topics": {"no": "such"}, "kafka.brokers": {99: "a:1"}, "kafka.strip_group_prefix": "zzz"}
    for key, version in VERSIONS:
        request = kafka.request(key, version=version)
        assert encode(request, edits) == request.raw
        response = kafka.response(key, version=version)
        assert encode(response, edits) == response.raw


def test_a_prefix_reaches_every_topic_that_metadata_names() -> None:
    """For every API: what `topics` holds is what the edit reaches."""
    reached = set()
    for key, version in VERSIONS:
        request = kafka.request(key, _one_of_each(key, version), version=version)
        topics = request.metadata.get("topics")
        if not isinstance(topics, tuple):
            continue
        again = one(encode(request, {"kafka.topic_prefix": "x."}))
        if API_NAMES[key] != "Envelope":
            assert again.metadata["topics"] == tuple([f"x.{name}" for name in topics])
            reached.add(API_NAMES[key])
    assert {
        "Produce",
        "Fetch",
        "Metadata",
        "OffsetCommit",
        "TxnOffsetCommit",
        "DescribeConfigs",
        "CreateAcls",
    } <= reached


def _one_of_each(key: int, version: int) -> dict[str, Any]:
    from l7codec.protocols.kafka.layout import Struct, layout

    def fill(fields: Struct) -> dict[str, Any]:
        value = fields.fresh()
        for item in fields.fields:
            if item.array:
                value[item.name] = [fill(item.inner)] if item.inner is not None else []
                if item.inner is None:
                    value[item.name] = ["name"] if item.type == "string" else [1] if item.type == "int32" else []
            elif item.type == "string":
                value[item.name] = "name"
            elif item.name.startswith("resource_type"):
                value[item.name] = 2
        return value

    return fill(layout(key, False, version))


@pytest.mark.parametrize("reason", Reason)
def test_every_request_has_an_error_response(reason: Reason) -> None:
    """Right in form for all of them; and where the request names something, an error is in it."""
    for key, version in VERSIONS:
        request = kafka.request(
            key, {**_one_of_each(key, version), **({"acks": 1} if key == 0 else {})}, version=version, id=6
        )
        conversation = Conversation("kafka")
        (asked,) = conversation.client.receive_data(request.raw)
        data = conversation.reply(asked, reason, "no")
        assert data is not None
        answer = heard(request, data)
        assert answer.error is None
        assert answer.metadata["kafka.api_version"] == version
        assert answer.metadata["status"] == "error", (API_NAMES[key], version)
        laws.body_or_error(answer)
        if (key, version) != (17, 0):
            assert conversation.idle


def test_produce_denied() -> None:
    body = {"acks": 1, "topic_data": [{"name": "a", "partition_data": [{"index": 0}, {"index": 4}]}]}
    request = kafka.request("Produce", body, version=9)
    data = kafka.KafkaCodec.reply(request, Reason.DENIED, "no")
    assert data is not None
    (topic,) = heard(request, data).body["responses"]
    assert topic["name"] == "a"
    assert [(one["index"], one["error_code"], one["error_message"]) for one in topic["partition_responses"]] == [
        (0, 29, "no"),
        (4, 29, "no"),
    ]


@pytest.mark.parametrize(
    ("name", "version", "body", "expected"),
    [
        (
            "Fetch",
            5,
            {"topics": [{"topic": "a", "partitions": [{"partition": 3}]}]},
            lambda body: body["responses"][0]["topic"] == "a"
            and body["responses"][0]["partitions"][0]["partition_index"] == 3,
        ),
        (
            "Fetch",
            13,
            {"topics": [{"topic_id": bytes(range(16)), "partitions": [{"partition": 3}]}]},
            lambda body: body["responses"][0]["topic_id"] == bytes(range(16)),
        ),
        (
            "OffsetFetch",
            8,
            {"groups": [{"group_id": "g", "topics": [{"name": "t", "partition_indexes": [1, 2]}]}]},
            lambda body: [one["partition_index"] for one in body["groups"][0]["topics"][0]["partitions"]] == [1, 2],
        ),
        ("FindCoordinator", 4, {"coordinator_keys": ["g"]}, lambda body: body["coordinators"][0]["key"] == "g"),
        ("DeleteTopics", 4, {"topic_names": ["t"]}, lambda body: body["responses"][0]["name"] == "t"),
        ("DescribeGroups", 4, {"groups": ["g"]}, lambda body: body["groups"][0]["group_id"] == "g"),
        ("Metadata", 9, {"topics": [{"name": "t"}]}, lambda body: body["topics"][0]["error_code"] == 29),
        ("CreateTopics", 5, {"topics": [{"name": "t"}]}, lambda body: body["topics"][0]["error_message"] == "no"),
        (
            "DescribeConfigs",
            4,
            {"resources": [{"resource_type": 2, "resource_name": "t"}]},
            lambda body: body["results"][0]["resource_name"] == "t",
        ),
        ("Heartbeat", 4, {"group_id": "g"}, lambda body: body["error_code"] == 30),
        ("InitProducerId", 4, {"transactional_id": "t"}, lambda body: body["error_code"] == 53),
        ("ListGroups", 4, {}, lambda body: body["error_code"] == 31),
    ],
)
def test_denied(name: str, version: int, body: Any, expected: Any) -> None:
    request = kafka.request(name, body, version=version)
    data = kafka.KafkaCodec.reply(request, Reason.DENIED, "no")
    assert data is not None
    assert expected(heard(request, data).body)


def test_over_the_limit_is_a_pause() -> None:
    request = kafka.request("Fetch", version=7)
    data = kafka.KafkaCodec.reply(request, Reason.OVER_LIMIT)
    assert data is not None
    assert heard(request, data).metadata["kafka.throttle_time_ms"] == 1000


def test_a_version_that_does_not_exist() -> None:
    raw = bytes.fromhex("0000000b 0012 0009 00000007 0001 63")
    data = kafka.KafkaCodec.reply(one(raw), Reason.DENIED)
    assert data == bytes.fromhex("00000010 00000007 0023 00000001 0012 0000 0005")
    assert kafka.KafkaCodec.reply(one(bytes.fromhex("0000000b 0003 0063 00000007 0001 63")), Reason.DENIED) is None


def test_bytes_that_cannot_be_read_are_edited_as_bytes() -> None:
    (message,) = l7codec.decode("kafka", kafka.response("Heartbeat", version=0, id=4).raw, Side.SERVER)
    assert encode(message, {"id": 9, "body": b"ab"}) == bytes.fromhex("00000006 00000009 6162")
    with pytest.raises(LocalProtocolError, match="only `body`, and the id, can be edited"):
        encode(message, {"kafka.brokers": {1: "a:1"}})
