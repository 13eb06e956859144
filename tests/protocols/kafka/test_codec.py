"""Frames, conversations and metadata. Bytes in hex are of real clients, or put together by hand from the guide."""

from __future__ import annotations

import struct
import subprocess
import sys
from typing import Any

import pytest

import l7codec
from l7codec import BodyError, Conversation, Kind, LimitExceeded, Limits, LocalProtocolError, Message, Reason, Side
from l7codec.protocols import kafka
from tests import laws


def frame(key: int, version: int, id: int, client: bytes | None, body: bytes) -> bytes:
    """A request, put together by hand."""
    name = b"\xff\xff" if client is None else struct.pack(">h", len(client)) + client
    data = struct.pack(">hhi", key, version, id) + name + body
    return struct.pack(">i", len(data)) + data


def one(data: bytes, side: Side = Side.CLIENT) -> Message:
    (message,) = l7codec.decode("kafka", data, side)
    return message


def ask_and_answer(request: Message, response: bytes, conversation: Conversation | None = None) -> Message:
    conversation = conversation or Conversation("kafka")
    (asked,) = conversation.client.receive_data(request.raw)
    (answer,) = conversation.server.receive_data(response)
    assert answer.request is (asked if asked.kind is Kind.REQUEST else None)
    laws.sound(kafka.KafkaCodec, answer)
    return answer


# -- requests -------------------------------------------------------------------------------------------------------


def test_a_request_by_hand() -> None:
    """Produce v3: transactional id, acks, timeout, one topic with one partition."""
    body = bytes.fromhex("000374786e ffff 00007530 00000001 0006 6f7264657273 00000001 00000002 00000003 616263")
    message = one(frame(0, 3, 77, b"shop", body))
    assert message.metadata == {
        "method": "Produce",
        "client_id": "shop",
        "kafka.api_key": 0,
        "kafka.api_version": 3,
        "kafka.transactional_id": "txn",
        "kafka.acks": -1,
        "topics": ("orders",),
    }
    assert (message.id, message.kind) == (77, Kind.REQUEST)
    assert message.body == {
        "transactional_id": "txn",
        "acks": -1,
        "timeout_ms": 30000,
        "topic_data": [{"name": "orders", "partition_data": [{"index": 2, "records": kafka.Records(b"abc")}]}],
    }


def test_a_real_client_s_first_request() -> None:
    """ApiVersions v3 of librdkafka 2.x: header version 2, whose client id is not in compact form."""
    body = bytes.fromhex("00 0b 6c696272646b61666b61 06 322e362e30 00")
    message = one(frame(18, 3, 1, b"rdkafka", body))
    assert message.metadata["kafka.client_software_name"] == "librdkafka"
    assert message.metadata["kafka.client_software_version"] == "2.6.0"
    assert message.body == {"client_software_name": "librdkafka", "client_software_version": "2.6.0"}


def test_the_oldest_header_has_no_client_id() -> None:
    message = one(bytes.fromhex("0000000c 0007 0000 00000005 00000003"))
    assert message.metadata == {"method": "ControlledShutdown", "kafka.api_key": 7, "kafka.api_version": 0}
    assert message.body == {"broker_id": 3}
    assert kafka.request("ControlledShutdown", {"broker_id": 3}, version=0, id=5) == message


_TOPIC_RESOURCE = {"resource_type": 2, "resource_name": "orders"}


@pytest.mark.parametrize(
    ("name", "body", "version", "said"),
    [
        ("FindCoordinator", {"key": "g"}, 0, {"kafka.groups": ("g",), "group": "g"}),
        ("FindCoordinator", {"key": "t", "key_type": 1}, 2, {"kafka.transactional_id": "t"}),
        ("FindCoordinator", {"coordinator_keys": ["a", "b"], "key_type": 0}, 4, {"kafka.groups": ("a", "b")}),
        ("FindCoordinator", {"coordinator_keys": ["s:id:0"], "key_type": 2}, 6, {"group": "s"}),
        ("OffsetFetch", {"group_id": "g", "topics": [{"name": "t"}]}, 2, {"group": "g", "topics": ("t",)}),
        ("OffsetFetch", {"groups": [{"group_id": "g", "topics": [{"name": "t"}]}]}, 8, {"group": "g"}),
        ("DeleteGroups", {"groups_names": ["g", "h"]}, 1, {"kafka.groups": ("g", "h")}),
        ("DeleteTopics", {"topic_names": ["a", "b"]}, 3, {"topics": ("a", "b")}),
        ("Heartbeat", {"group_id": "g"}, 4, {"group": "g"}),
        ("InitProducerId", {"transactional_id": "t"}, 4, {"kafka.transactional_id": "t"}),
        (
            "DescribeConfigs",
            {"resources": [{"resource_type": 2, "resource_name": "t"}, {"resource_type": 4, "resource_name": "1"}]},
            4,
            {"topics": ("t",)},
        ),
        ("CreateAcls", {"creations": [{"resource_type": 3, "resource_name": "g"}]}, 3, {"group": "g"}),
        (  # a filter of any type, ResourceType 1
            "DescribeAcls",
            {"resource_type_filter": 1, "resource_name_filter": "n"},
            3,
            {"topics": ("n",), "group": "n", "kafka.transactional_id": "n"},
        ),
        ("SaslHandshake", {"mechanism": "PLAIN"}, 1, {"kafka.mechanism": "PLAIN"}),
        ("SaslAuthenticate", {"auth_bytes": b"\0alice\0secret"}, 2, {"kafka.principal": "alice"}),
        ("SaslAuthenticate", {"auth_bytes": b"admin\0alice\0secret"}, 2, {"kafka.principal": "alice"}),
        ("SaslAuthenticate", {"auth_bytes": b"n,,n=al=2Cice,r=nonce"}, 2, {"kafka.principal": "al,ice"}),
        ("SaslAuthenticate", {"auth_bytes": b"n,a=bob,\x01auth=Bearer x\x01\x01"}, 2, {"kafka.principal": "bob"}),
        ("Fetch", {"replica_id": 3}, 11, {"kafka.replica_id": 3}),
        ("Fetch", {"replica_state": {"replica_id": 3}}, 15, {"kafka.replica_id": 3}),
    ],
)
def test_metadata(name: str, body: Any, version: int, said: dict[str, Any]) -> None:
    message = kafka.request(name, body, version=version)
    assert said.items() <= message.metadata.items()
    assert "secret" not in repr(message.metadata)
    assert one(message.raw) == message


@pytest.mark.parametrize(
    ("name", "version", "body"),
    [
        ("DescribeConfigs", 4, {"results": [{"resource_type": 4, "resource_name": "1"}, _TOPIC_RESOURCE]}),
        ("IncrementalAlterConfigs", 1, {"responses": [_TOPIC_RESOURCE]}),
        (
            "ListConfigResources",
            1,
            {"config_resources": [{"resource_name": "m"}, _TOPIC_RESOURCE]},
        ),
        ("DescribeAcls", 3, {"resources": [{"resource_type": 3, "resource_name": "g"}, _TOPIC_RESOURCE]}),
        ("DeleteAcls", 3, {"filter_results": [{"matching_acls": [_TOPIC_RESOURCE]}]}),
    ],
)
def test_topics_among_the_resources_of_a_response(name: str, version: int, body: Any) -> None:
    assert kafka.response(name, body, version=version).metadata["topics"] == ("orders",)


@pytest.mark.parametrize(
    "token",
    [
        bytes.fromhex("60 82 00 0d 06 09 2a 86 48 86 f7 12 01 02 02 01 00"),  # Kerberos (RFC 4121): two zeros, no text
        bytes.fromhex("05 04 05 ff 00 0c 00 ff 20 41"),
    ],
)
def test_a_token_of_bytes_names_no_principal(token: bytes) -> None:
    assert "kafka.principal" not in kafka.request("SaslAuthenticate", {"auth_bytes": token}, version=2).metadata


def test_a_consumer_s_fetch_has_no_replica() -> None:
    for version in (4, 11, 15):
        assert "kafka.replica_id" not in kafka.request("Fetch", version=version).metadata


def test_two_groups_are_no_group() -> None:
    """A rule on `group` must not take one of them for all."""
    message = kafka.request("DescribeGroups", {"groups": ["a", "b"]}, version=5)
    assert "group" not in message.metadata
    assert message.metadata["kafka.groups"] == ("a", "b")


def test_too_many_topics_are_none() -> None:
    message = kafka.request("Metadata", {"topics": [{"name": f"t{n}"} for n in range(10_001)]}, version=5)
    assert "topics" not in message.metadata
    assert str(message.error) == "kafka: byte 0: 10001 topics are over the limit of 10000"
    assert len(message.body["topics"]) == 10_001


def test_the_newest_version_is_the_default() -> None:
    assert kafka.request("Produce").metadata["kafka.api_version"] == 13
    with pytest.raises(LocalProtocolError, match="Produce has versions 0 to 13, not 14"):
        kafka.request("Produce", version=14)
    with pytest.raises(LocalProtocolError, match="there is no API 'Product'"):
        kafka.request("Product")


def test_an_envelope_is_what_is_in_it() -> None:
    inner = kafka.request("CreateTopics", {"topics": [{"name": "t"}]}, version=5, client_id="shop").raw[4:]
    principal = kafka.write_data("DefaultPrincipalData", 0, {"type": "User", "name": "alice"})
    message = kafka.request("Envelope", {"request_data": inner, "request_principal": principal}, version=0)
    assert message.metadata["method"] == "Envelope"
    assert message.metadata["kafka.envelope.method"] == "CreateTopics"
    assert message.metadata["topics"] == ("t",)
    assert message.metadata["kafka.principal"] == "User:alice"
    assert one(message.raw) == message
    nested = kafka.request("Envelope", {"request_data": message.raw[4:]}, version=0)
    assert "kafka.envelope.method" not in nested.metadata


def test_the_answer_to_an_envelope_is_what_is_in_it() -> None:
    """The broker passes the inner response on: CreateTopics v5, correlation id 9, topic t with error 29, by hand."""
    inner = kafka.request("CreateTopics", {"topics": [{"name": "t"}]}, version=5, id=9).raw[4:]
    asked = kafka.request("Envelope", {"request_data": inner}, version=0, id=1)
    created = bytes.fromhex("00000009 00 00000000 02 02 74 001d 00 ffffffff ffff 00 00 00")
    body = bytes([len(created) + 1]) + created + b"\0\0\0"
    answer = ask_and_answer(asked, struct.pack(">ii", 5 + len(body), 1) + b"\0" + body)
    assert answer.metadata == {
        "method": "Envelope",
        "kafka.api_key": 58,
        "kafka.api_version": 0,
        "kafka.envelope.method": "CreateTopics",
        "status": "error",
        "kafka.error_code": 29,
        "error.type": "TOPIC_AUTHORIZATION_FAILED",
        "topics": ("t",),
    }
    assert answer.body["response_data"] == created


def test_an_envelope_that_was_refused_or_holds_nothing_readable() -> None:
    inner = kafka.request("CreateTopics", version=5).raw[4:]
    for data, said, error in (
        (inner, None, "CLUSTER_AUTHORIZATION_FAILED"),
        (inner, b"", None),
        (b"\0\x13\0\x63" + inner[4:], bytes(4), None),
        (b"\0:\0\0" + inner[4:], bytes(8), None),
        (b"", bytes(8), None),
    ):
        asked = kafka.request("Envelope", {"request_data": data}, version=0)
        body = {"response_data": said, "error_code": 31 if error else 0}
        answer = ask_and_answer(asked, kafka.response("Envelope", body, version=0).raw)
        assert answer.metadata["status"] == ("error" if error else "ok")
        assert answer.metadata.get("error.type") == error
        assert "kafka.envelope.method" not in answer.metadata


# -- framing --------------------------------------------------------------------------------------------------------


def test_a_size_below_nothing() -> None:
    with pytest.raises(l7codec.RemoteProtocolError, match="byte 0: a size of -1"):
        l7codec.decode("kafka", b"\xff\xff\xff\xff")


def test_a_size_over_the_limit_is_refused_before_its_bytes() -> None:
    stream = l7codec.Stream("kafka", Side.CLIENT, limits=Limits(message=1000))
    with pytest.raises(LimitExceeded, match="a size of 997 is over the limit of 996"):
        list(stream.receive_data(struct.pack(">i", 997)))


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"\0\0\0\3abc", "byte 4: 3 bytes have no room for a request's header"),
        (frame(200, 0, 1, None, b""), "byte 4: there is no API 200: they go from 0 to 94"),
        (frame(0, 40, 1, None, b""), "byte 6: Produce request v40 does not exist: versions 0 to 13 do"),
        (frame(18, 9, 1, b"x", b""), "byte 6: ApiVersions request v9 does not exist: versions 0 to 5 do"),
        (frame(3, 0, 1, None, b"\0\0\0\5"), "Metadata request v0: topics: 5 elements are announced, 0 bytes are left"),
        (bytes.fromhex("0000000a 0003 0000 00000001 7fff"), "byte 12: a client id of 32767 bytes, 0 are left"),
    ],
)
def test_a_wrong_message_is_delivered_and_the_stream_goes_on(data: bytes, error: str) -> None:
    good = kafka.request("Heartbeat", version=1, id=3)
    bad, after = l7codec.decode("kafka", data + good.raw)
    assert error in str(bad.error)
    assert bad.raw == data
    assert after == good
    with pytest.raises(BodyError):
        bad.body  # noqa: B018
    laws.sound(kafka.KafkaCodec, bad)


def test_trailing_bytes_are_kept() -> None:
    message = one(frame(12, 0, 1, None, bytes.fromhex("0001 67 00000001 0001 6d") + b"more"))
    assert message.error is None
    assert message.body == {"group_id": "g", "generation_id": 1, "member_id": "m"}
    assert kafka.trailing_data(message) == b"more"
    assert l7codec.encode(message, {"id": 2}).endswith(b"more")
    assert kafka.trailing_data(one(l7codec.encode(message, {"body": {"group_id": "other"}}))) == b"more"


def test_tagged_fields_of_headers_are_kept() -> None:
    """Heartbeat v4, whose headers have a tag 3 that nobody knows."""
    request = one(bytes.fromhex("0000001b 000c 0004 00000007 0002 6d65 01 03 02 6162 02 67 00000001 02 6d 00 00"))
    assert request.error is None
    assert kafka.header(request) == {
        "request_api_key": 12,
        "request_api_version": 4,
        "correlation_id": 7,
        "client_id": "me",
        "_tagged_fields": {3: b"ab"},
    }
    body = {"group_id": "g", "generation_id": 1, "member_id": "m"}
    tags = {3: b"ab"}
    assert kafka.request("Heartbeat", body, version=4, id=7, client_id="me", header_tags=tags) == request
    answer = bytes.fromhex("00000010 00000007 01 03 02 6162 00000000 0000 00")
    heard = ask_and_answer(request, answer)
    assert kafka.header(heard) == {"correlation_id": 7, "_tagged_fields": {3: b"ab"}}
    assert kafka.response("Heartbeat", version=4, id=7, header_tags=tags).raw == answer
    with pytest.raises(LocalProtocolError, match="RequestHeader v1 has no tagged fields"):
        kafka.request("Heartbeat", version=3, header_tags=tags)
    with pytest.raises(LocalProtocolError, match="ResponseHeader v0 has no tagged fields"):
        kafka.response("ApiVersions", version=4, header_tags=tags)
    with pytest.raises(LocalProtocolError, match="RequestHeader v2: _tagged_fields: -1 is no tag"):
        kafka.request("Heartbeat", version=4, header_tags={-1: b""})


@pytest.mark.parametrize("wrong", [*({"client_id": one} for one in ("\ud800", 5, "c" * 32768)), {"id": 2**31}])
def test_headers_that_cannot_be_written(wrong: dict[str, Any]) -> None:
    with pytest.raises(LocalProtocolError, match="the header cannot be written"):
        kafka.request("Metadata", version=9, **wrong)


def test_headers_of_what_cannot_be_read() -> None:
    (unasked,) = Conversation("kafka").server.receive_data(struct.pack(">ii", 4, 5))
    assert kafka.header(unasked) == {"correlation_id": 5}
    (short,) = Conversation("kafka").server.receive_data(b"\0\0\0\2ab")
    with pytest.raises(BodyError, match="ResponseHeader: correlation_id: int32 takes 4 bytes, 2 are left"):
        kafka.header(short)
    with pytest.raises(BodyError, match="there is no API 200"):
        kafka.header(one(frame(200, 0, 1, None, b"")))


# -- responses ------------------------------------------------------------------------------------------------------


def test_a_response_is_read_by_its_request() -> None:
    request = kafka.request("Metadata", version=0, id=9)
    body = bytes.fromhex("00000001 00000001 0001 62 00002384 00000001 0005 0001 74 00000000")
    answer = ask_and_answer(request, struct.pack(">ii", 4 + len(body), 9) + body)
    assert answer.metadata == {
        "method": "Metadata",
        "kafka.api_key": 3,
        "kafka.api_version": 0,
        "status": "error",
        "kafka.error_code": 5,
        "error.type": "LEADER_NOT_AVAILABLE",
        "topics": ("t",),
    }
    assert answer.body == {
        "brokers": [{"node_id": 1, "host": "b", "port": 9092}],
        "topics": [{"error_code": 5, "name": "t", "partitions": []}],
    }


def test_a_response_nobody_asked_for_says_so() -> None:
    response = kafka.response("Heartbeat", version=0, id=4)
    (answer,) = Conversation("kafka").server.receive_data(response.raw)
    assert answer.metadata == {"kafka.undecoded": True}
    assert answer.body == response.raw[8:]
    assert (answer.id, answer.request, answer.error) == (4, None, None)


def test_responses_in_another_order_and_ids_used_twice() -> None:
    conversation = Conversation("kafka")
    asked = [
        kafka.request(name, version=0, id=id) for name, id in (("Heartbeat", 1), ("ListGroups", 1), ("Metadata", 2))
    ]
    heard = list(conversation.client.receive_data(b"".join(one.raw for one in asked)))
    said = [
        kafka.response(name, version=0, id=id) for name, id in (("Metadata", 2), ("Heartbeat", 1), ("ListGroups", 1))
    ]
    answers = list(conversation.server.receive_data(b"".join(one.raw for one in said)))
    assert [answer.metadata["method"] for answer in answers] == ["Metadata", "Heartbeat", "ListGroups"]
    assert [answer.request for answer in answers] == [heard[2], heard[0], heard[1]]
    assert conversation.idle


def test_the_answer_to_a_request_that_was_dropped_is_not_read_as_another_s() -> None:
    """A client that gives every request the same id is answered in order, the dropped request first."""
    conversation = Conversation("kafka", limits=Limits(pending=2), drop_oldest=True)
    for name in ("Metadata", "ListGroups", "Heartbeat"):
        list(conversation.client.receive_data(kafka.request(name, version=0).raw))
    said = [kafka.response(name, version=0).raw for name in ("Metadata", "ListGroups", "Heartbeat")]
    answers = list(conversation.server.receive_data(b"".join(said)))
    assert [answer.metadata.get("method") for answer in answers] == [None, "ListGroups", "Heartbeat"]
    assert answers[0].metadata == {"kafka.undecoded": True}


def test_nobody_answers_produce_without_acks() -> None:
    conversation = Conversation("kafka")
    (message,) = conversation.client.receive_data(kafka.request("Produce", {"acks": 0}, version=3).raw)
    assert message.kind is Kind.ONEWAY
    assert conversation.idle
    assert conversation.reply(message, Reason.DENIED) is None


def test_a_throttled_client() -> None:
    answer = ask_and_answer(
        kafka.request("Heartbeat", version=4), kafka.response("Heartbeat", {"throttle_time_ms": 250}, version=4).raw
    )
    assert answer.metadata["kafka.throttle_time_ms"] == 250
    assert answer.metadata["status"] == "ok"


def test_a_response_too_short_for_its_id() -> None:
    (answer,) = Conversation("kafka").server.receive_data(b"\0\0\0\2ab")
    assert str(answer.error) == "kafka: byte 4: 2 bytes have no room for a response's header"
    assert (answer.id, answer.body, answer.metadata) == (None, b"ab", {"kafka.undecoded": True})


# ApiVersions is answered in version 0 by a broker that does not know the version asked for (KIP-511).


def test_the_fallback_of_api_versions() -> None:
    body = bytes.fromhex("0023 00000001 0012 0000 0003")
    answer = ask_and_answer(kafka.request("ApiVersions", version=4, id=1), struct.pack(">ii", 4 + len(body), 1) + body)
    assert answer.metadata["kafka.api_version"] == 0
    assert answer.metadata["error.type"] == "UNSUPPORTED_VERSION"
    assert answer.body == {"error_code": 35, "api_keys": [{"api_key": 18, "min_version": 0, "max_version": 3}]}


def test_the_fallback_to_a_version_that_does_not_exist() -> None:
    request = one(frame(18, 9, 1, b"x", b""))
    body = bytes.fromhex("0023 00000001 0012 0000 0005")
    answer = ask_and_answer(request, struct.pack(">ii", 4 + len(body), 1) + body)
    assert answer.body["error_code"] == 35


def test_an_error_in_the_version_asked_for_is_no_fallback() -> None:
    response = kafka.response("ApiVersions", {"error_code": 42}, version=3, id=1)
    answer = ask_and_answer(kafka.request("ApiVersions", version=3, id=1), response.raw)
    assert answer.metadata["kafka.api_version"] == 3


def test_the_hybrid_that_librdkafka_s_mock_sends() -> None:
    """Error 35 and a body of no version: the error is kept, and what is wrong is said."""
    body = bytes.fromhex("0023 00000002 0012 0000 0003 00 00")
    request = kafka.request("ApiVersions", version=3, id=1)
    answer = ask_and_answer(request, struct.pack(">ii", 4 + len(body), 1) + body)
    assert answer.metadata["error.type"] == "UNSUPPORTED_VERSION"
    assert answer.error is not None


def test_what_stands_behind_error_35_is_not_taken_for_a_pause() -> None:
    """The bytes of librdkafka's mock: read as version 3, the key of the API stands where the pause does."""
    body = bytes.fromhex("0023 01 0012 0000 0002 00000000")
    answer = ask_and_answer(kafka.request("ApiVersions", version=3, id=1), struct.pack(">ii", 4 + len(body), 1) + body)
    assert answer.metadata["error.type"] == "UNSUPPORTED_VERSION"
    assert "kafka.throttle_time_ms" not in answer.metadata


def test_the_hybrid_in_answer_to_a_version_that_does_not_exist() -> None:
    body = bytes.fromhex("0023 00000002 0012 0000 0003 00 00")
    answer = ask_and_answer(one(frame(18, 9, 1, b"x", b"")), struct.pack(">ii", 4 + len(body), 1) + body)
    assert answer.metadata["error.type"] == "UNSUPPORTED_VERSION"
    assert answer.metadata["kafka.undecoded"] is True
    assert answer.body == body


# -- topic ids ------------------------------------------------------------------------------------------------------

ID = bytes(range(16))


def taught(version: int = 12) -> Conversation:
    conversation = Conversation("kafka")
    body = {"topics": [{"name": "orders", "topic_id": ID}, {"name": "gone", "error_code": 3}]}
    ask_and_answer(
        kafka.request("Metadata", version=version), kafka.response("Metadata", body, version=version).raw, conversation
    )
    return conversation


def test_ids_of_topics_become_names() -> None:
    conversation = taught()
    request = kafka.request("Fetch", {"topics": [{"topic_id": ID}]}, version=13)
    assert request.metadata["kafka.topic_ids"] == (kafka.uuid_text(ID),)
    assert "topics" not in request.metadata
    (heard,) = conversation.client.receive_data(request.raw)
    assert heard.metadata["topics"] == ("orders",)
    (answer,) = conversation.server.receive_data(
        kafka.response("Fetch", {"responses": [{"topic_id": ID}]}, version=13).raw
    )
    assert answer.metadata["topics"] == ("orders",)


def test_half_of_the_names_are_none() -> None:
    request = kafka.request("Fetch", {"topics": [{"topic_id": ID}, {"topic_id": bytes(15) + b"\1"}]}, version=13)
    (heard,) = taught().client.receive_data(request.raw)
    assert "topics" not in heard.metadata


def test_a_name_is_learned_from_beside_its_id_alone() -> None:
    """As many names as ids, but of different topics: one has no name (UNKNOWN_TOPIC_ID), the other no id."""
    conversation = Conversation("kafka")
    topics = [{"name": None, "topic_id": ID, "error_code": 100}, {"name": "orders", "error_code": 3}]
    answer = kafka.response("Metadata", {"topics": topics}, version=12)
    ask_and_answer(kafka.request("Metadata", version=12), answer.raw, conversation)
    (heard,) = conversation.client.receive_data(kafka.request("Fetch", {"topics": [{"topic_id": ID}]}, version=13).raw)
    assert "topics" not in heard.metadata


@pytest.mark.parametrize(
    ("name", "version", "body"),
    [
        ("DeleteTopics", 6, {"responses": [{"name": "orders", "topic_id": ID}]}),
        ("DescribeTopicPartitions", 0, {"topics": [{"name": "orders", "topic_id": ID}]}),
        ("DescribeShareGroupOffsets", 0, {"groups": [{"topics": [{"topic_name": "orders", "topic_id": ID}]}]}),
        ("AlterShareGroupOffsets", 0, {"responses": [{"topic_name": "orders", "topic_id": ID}]}),
        ("DeleteShareGroupOffsets", 0, {"responses": [{"topic_name": "orders", "topic_id": ID}]}),
        (
            "ConsumerGroupDescribe",
            0,
            {
                "groups": [
                    {
                        "members": [
                            {
                                "subscribed_topic_names": ["other", "orders"],
                                "assignment": {"topic_partitions": [{"topic_name": "orders", "topic_id": ID}]},
                            }
                        ]
                    }
                ]
            },
        ),
    ],
)
def test_all_responses_that_have_both_teach(name: str, version: int, body: Any) -> None:
    conversation = Conversation("kafka")
    ask_and_answer(kafka.request(name, version=version), kafka.response(name, body, version=version).raw, conversation)
    (heard,) = conversation.client.receive_data(kafka.request("Fetch", {"topics": [{"topic_id": ID}]}, version=13).raw)
    assert heard.metadata["topics"] == ("orders",)


def test_names_are_learned_from_what_is_sent_too() -> None:
    """A proxy's leg to the client sees the response only as something to be sent."""
    conversation = Conversation("kafka")
    list(conversation.client.receive_data(kafka.request("CreateTopics", version=7).raw))
    body = {"topics": [{"name": "orders", "topic_id": ID}]}
    conversation.send(kafka.response("CreateTopics", body, version=7))
    (heard,) = conversation.client.receive_data(kafka.request("Fetch", {"topics": [{"topic_id": ID}]}, version=13).raw)
    assert heard.metadata["topics"] == ("orders",)


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    from l7codec.protocols.kafka import state

    monkeypatch.setattr(state, "NAMES", 5)
    session = state.Session()
    for number in range(20):
        body = {"topics": [{"name": f"t{number}", "topic_id": bytes(15) + bytes([number + 1])}]}
        session.answered(kafka.response("Metadata", body, version=12), None)
    assert list(session.names.values()) == [f"t{number}" for number in range(15, 20)]


def test_what_was_learned_first_is_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    from l7codec.protocols.kafka import state

    monkeypatch.setattr(state, "NAMES", 3)
    session = state.Session()
    for numbers in ((1, 2), (3, 4, 5, 6), (7,)):
        topics = [{"name": f"t{number}", "topic_id": bytes(15) + bytes([number])} for number in numbers]
        session.answered(kafka.response("Metadata", {"topics": topics}, version=12), None)
    assert list(session.names.values()) == ["t5", "t6", "t7"]


def test_an_id_without_a_name_is_not_given_the_next_one_s() -> None:
    """As many names as ids: a topic that was deleted, and one that does not exist."""
    topics = [{"name": None, "topic_id": bytes(15) + b"x"}, {"name": "orders", "topic_id": bytes(16)}]
    conversation = Conversation("kafka")
    ask_and_answer(
        kafka.request("Metadata", version=12),
        kafka.response("Metadata", {"topics": topics}, version=12).raw,
        conversation,
    )
    deleted = {"topics": [{"topic_id": bytes(15) + b"x"}]}
    (message,) = conversation.client.receive_data(kafka.request("Fetch", deleted, version=13).raw)
    assert "topics" not in message.metadata


# -- SASL -----------------------------------------------------------------------------------------------------------


def token(data: bytes) -> bytes:
    return struct.pack(">i", len(data)) + data


def handshake(mechanism: str, code: int = 0) -> Conversation:
    conversation = Conversation("kafka")
    (asked,) = conversation.client.receive_data(kafka.request("SaslHandshake", {"mechanism": mechanism}, version=0).raw)
    assert asked.metadata["kafka.mechanism"] == mechanism
    (answer,) = conversation.server.receive_data(kafka.response("SaslHandshake", {"error_code": code}, version=0).raw)
    assert answer.request is asked
    return conversation


def test_a_token_of_plain() -> None:
    """The user's name begins like the key of an API: only the handshake tells what it is."""
    conversation = handshake("PLAIN")
    assert conversation.pinned == {"sasl"}
    (sent,) = conversation.client.receive_data(token(b"\0\x0calice\0secret"))
    assert sent.metadata["method"] == "SaslAuthenticate"
    assert sent.metadata["kafka.sasl_token"] is True
    assert "secret" not in repr(sent.metadata)
    (answer,) = conversation.server.receive_data(token(b""))
    assert answer.request is sent
    assert answer.body == b""
    (after,) = conversation.client.receive_data(kafka.request("Metadata", version=1, id=2).raw)
    assert after.metadata["method"] == "Metadata"
    assert conversation.pinned == frozenset()


def test_tokens_of_scram() -> None:
    conversation = handshake("SCRAM-SHA-256")
    for sent, principal in ((b"n,,n=alice,r=1", "alice"), (b"c=biws,r=12,p=proof", None)):
        (message,) = conversation.client.receive_data(token(sent))
        assert message.metadata.get("kafka.principal") == principal
        (answer,) = conversation.server.receive_data(token(b"r=12"))
        assert answer.request is message
    (after,) = conversation.client.receive_data(kafka.request("Metadata", version=1, id=2).raw)
    assert after.metadata["method"] == "Metadata"


def test_a_mechanism_that_nobody_knows_ends_with_a_request() -> None:
    conversation = handshake("GSSAPI")
    for number in range(4):
        (message,) = conversation.client.receive_data(token(b"\x60\x82" + bytes([number])))
        assert message.metadata["kafka.sasl_token"] is True
        list(conversation.server.receive_data(token(b"\x60")))
    (after,) = conversation.client.receive_data(kafka.request("Metadata", version=1, id=2).raw)
    assert after.metadata["method"] == "Metadata"


def test_a_refused_token_of_oauthbearer_is_followed_by_another() -> None:
    """RFC 7628, section 3.2.3: the client answers the server's error with one byte 01."""
    conversation = handshake("OAUTHBEARER")
    for sent, said in ((b"n,,\1auth=Bearer x\1\1", b'{"status":"invalid_token"}'), (b"\1", b"")):
        (message,) = conversation.client.receive_data(token(sent))
        assert (message.body, message.error) == (sent, None)
        (answer,) = conversation.server.receive_data(token(said))
        assert answer.request is message
    assert conversation.pinned == {"sasl"}
    (after,) = conversation.client.receive_data(kafka.request("Metadata", version=1, id=2).raw)
    assert after.metadata["method"] == "Metadata"
    assert conversation.pinned == frozenset()


def test_the_first_token_is_one_whatever_it_looks_like() -> None:
    conversation = handshake("CUSTOM")
    looks = kafka.request("Metadata", version=1, id=2).raw
    heard = [message for _ in range(2) for message in conversation.client.receive_data(looks)]
    assert [message.metadata["method"] for message in heard] == ["SaslAuthenticate", "Metadata"]


def test_a_request_that_looks_like_a_token_of_0_9() -> None:
    """Only the first frame of a connection may be one."""
    conversation = Conversation("kafka")
    list(conversation.client.receive_data(kafka.request("Metadata", version=1, id=2).raw))
    (heard,) = conversation.client.receive_data(frame(0x6000, 0, 3, None, b""))
    assert "there is no API 24576" in str(heard.error)
    assert conversation.pinned == frozenset()


def test_a_refused_handshake() -> None:
    conversation = handshake("PLAIN", code=33)
    (after,) = conversation.client.receive_data(kafka.request("Metadata", version=1, id=2).raw)
    assert after.metadata["method"] == "Metadata"


def test_clients_of_0_9_begin_with_a_token() -> None:
    conversation = Conversation("kafka")
    (sent,) = conversation.client.receive_data(token(b"\x60\x82\1\2"))
    (answer,) = conversation.server.receive_data(token(b"\x60"))
    assert answer.request is sent
    (after,) = conversation.client.receive_data(kafka.request("Metadata", version=0).raw)
    assert after.metadata["method"] == "Metadata"


# -- detection, resynchronisation -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        bytes(64),
        b"GET / HTTP/1.1\r\n\r\n",
        b"*1\r\n$4\r\nPING\r\n",
        b"\0\0\0\x15\x80\1\0\1\0\0\0\4ping\0\0\0\1\0",
        b"\xda\xbb\x20\0" + bytes(12),
        b"\x16\3\1\0\x9a\1\0",
        struct.pack(">ihhih", 20, 3, 99, 1, 4) + b"name",
        struct.pack(">ihhih", 20, 3, 1, 1, 4) + b"\1\2\3\4",
    ],
)
def test_what_is_not_kafka(data: bytes) -> None:
    assert l7codec.detect(data, protocols=["kafka"], port=9092) is None


def test_what_is_kafka() -> None:
    named = kafka.request("ApiVersions", version=3, client_id="rdkafka").raw
    assert l7codec.detect(named) == "kafka"
    nameless = kafka.request("Metadata", version=1).raw
    detector = l7codec.detection.Detector()
    detector.receive_data(Side.CLIENT, nameless)
    assert detector.receive_data(Side.SERVER, kafka.response("Metadata", version=1).raw) == "kafka"


def test_the_way_back_after_a_gap() -> None:
    stream = l7codec.Stream("kafka", Side.CLIENT)
    good = kafka.request("Heartbeat", {"group_id": "g"}, version=1, id=3, client_id="c").raw
    list(stream.receive_gap())
    assert [message.raw for message in stream.receive_data(b"some records' rest\0\0" + good)] == [good]


# -- cost -----------------------------------------------------------------------------------------------------------


def test_importing_it_is_cheap() -> None:
    """No peer, no extra, no table read: `python -m benchmarks.footprint` prints what a process pays."""
    script = (
        "import sys, tracemalloc; import l7codec; tracemalloc.start();"
        "from l7codec.protocols import kafka;"
        "kafka.request('Produce', {}, version=9).body; print(tracemalloc.get_traced_memory()[1]);"
        "print(*sorted(set(sys.modules) & {'crc32c', 'cramjam', 'json', 'uuid', 'dataclasses', 'logging'}))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    memory, _, modules = done.stdout.partition("\n")
    assert int(memory) < 6_000_000
    assert not {"crc32c", "cramjam", "logging"} & set(modules.split())
