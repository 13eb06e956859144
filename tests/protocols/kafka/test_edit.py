"""Edits and error responses, over every API where that can be said of all."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import l7codec
from l7codec import Conversation, LocalProtocolError, Message, Reason, Side, encode
from l7codec.protocols import kafka
from l7codec.protocols.kafka.regex import enclosed
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


def asked(name: str, body: Any, version: int, answer: Any, edits: dict[str, Any]) -> Any:
    """The body of the answer to a request, with edits."""
    request = kafka.request(name, body, version=version)
    response = heard(request, kafka.response(name, answer, version=version).raw)
    return heard(request, encode(response, edits)).body


def test_coordinators_are_named_back_by_what_was_asked_for() -> None:
    """A response has keys, and does not say of what."""
    edits = {"kafka.strip_group_prefix": "g.", "kafka.strip_transactional_id_prefix": "t."}
    share = "t.g:AAAAAAAAAAAAAAAAAAAAAQ:0"
    for version in (4, 5, 6):
        for kind, key, expected in ((0, "g.a", "a"), (1, "t.a", "a"), (1, "g.a", "g.a"), (2, "g." + share, share)):
            body = {"coordinator_keys": [key], "key_type": kind}
            found = asked("FindCoordinator", body, version, {"coordinators": [{"key": key}]}, edits)
            assert found["coordinators"][0]["key"] == expected


def test_a_share_partition_s_key_is_read_from_its_end() -> None:
    """Groups may have colons in them: `SharePartitionKey` of Kafka."""
    key = "a:b:AAAAAAAAAAAAAAAAAAAAAQ:0"
    request = kafka.request("FindCoordinator", {"coordinator_keys": [key], "key_type": 2}, version=6)
    assert request.metadata["group"] == "a:b"
    again = one(encode(request, {"kafka.group_prefix": "g.", "group": "c"}))
    assert again.body["coordinator_keys"] == ["g.c:AAAAAAAAAAAAAAAAAAAAAQ:0"]


def test_another_group_for_whoever_looks_for_its_coordinator() -> None:
    for version in (0, 1, 3):
        assert one(encode(kafka.request("FindCoordinator", {"key": "a"}, version=version), {"group": "b"})).body[
            "key"
        ] == ("b")
    with pytest.raises(LocalProtocolError, match="names no group"):
        encode(kafka.request("FindCoordinator", {"key": "a", "key_type": 1}, version=3), {"group": "b"})


LITERAL, PREFIXED = 3, 4
ANY, MATCH = 1, 2


@pytest.mark.parametrize(
    ("given", "becomes"),
    [
        (("orders", LITERAL), ("x.orders", LITERAL)),
        (("ord", PREFIXED), ("x.ord", PREFIXED)),
        (("*", LITERAL), ("x.", PREFIXED)),  # all topics: all of this tenant's
        (("*", PREFIXED), ("x.*", PREFIXED)),
    ],
)
def test_all_topics_of_an_access_list_are_all_with_the_prefix(given: Any, becomes: Any) -> None:
    resource = {"resource_type": 2, "resource_name": given[0]}
    for version in (1, 2, 3):
        body = {"creations": [{**resource, "resource_pattern_type": given[1]}, {"resource_type": 3}]}
        (first, second) = one(encode(kafka.request("CreateAcls", body, version=version), PREFIX)).body["creations"]
        assert (first["resource_name"], first["resource_pattern_type"]) == becomes
        assert (second["resource_name"], second["resource_pattern_type"]) == ("", LITERAL)
        for name, there, back in (
            ("DescribeAcls", lambda acl: {"resources": [acl]}, lambda body: body["resources"][0]),
            (
                "DeleteAcls",
                lambda acl: {"filter_results": [{"matching_acls": [acl]}]},
                lambda body: body["filter_results"][0]["matching_acls"][0],
            ),
        ):
            acl = {"resource_type": 2, "resource_name": becomes[0], "pattern_type": becomes[1]}
            found = back(asked(name, {}, version, there(acl), {"kafka.strip_topic_prefix": "x."}))
            assert (found["resource_name"], found["pattern_type"]) == given


PREFIX = {"kafka.topic_prefix": "x."}


def test_filters_of_access_lists() -> None:
    for pattern in (ANY, MATCH, LITERAL):
        body = {"resource_type_filter": 2, "resource_name_filter": "*", "pattern_type_filter": pattern}
        found = one(encode(kafka.request("DescribeAcls", body, version=2), PREFIX)).body
        assert (found["resource_name_filter"], found["pattern_type_filter"]) == ("x.", PREFIXED)
    none = kafka.request("DescribeAcls", {**body, "resource_name_filter": None}, version=2)
    assert encode(none, PREFIX) == none.raw
    oldest = {"creations": [{"resource_type": 2, "resource_name": "*"}]}
    with pytest.raises(LocalProtocolError, match="CreateAcls request v0 cannot say: all topics with a prefix"):
        encode(kafka.request("CreateAcls", oldest, version=0), PREFIX)


def test_a_prefix_of_an_access_list_is_no_topic_to_rename() -> None:
    resource = {"resource_type": 2, "resource_name": "a"}
    body = {"creations": [{**resource, "resource_pattern_type": pattern} for pattern in (LITERAL, PREFIXED)]}
    again = one(encode(kafka.request("CreateAcls", body, version=3), {"kafka.rename_topics": {"a": "b"}}))
    assert [one["resource_name"] for one in again.body["creations"]] == ["b", "a"]
    again = one(encode(kafka.request("CreateAcls", body, version=3), {"topics": ("c", "d")}))
    assert again.metadata["topics"] == ("c", "d")


def test_resources_whose_type_stands_behind_them() -> None:
    listed = [
        {"resource_name": "x.a", "resource_type": 2},
        {"resource_name": "x.a", "resource_type": 4},
        {"resource_name": "x.a", "resource_type": 32},
    ]
    edits = {"kafka.strip_topic_prefix": "x.", "kafka.strip_group_prefix": "x"}
    found = asked("ListConfigResources", {}, 1, {"config_resources": listed}, edits)
    assert [one["resource_name"] for one in found["config_resources"]] == ["a", "x.a", ".a"]
    listed = [{"resource_name": "x.a"}]  # of version 0: telemetry subscriptions alone
    assert asked("ListConfigResources", {}, 0, {"config_resources": listed}, edits)["config_resources"] == listed


@given(st.text("()[]^|.*:?\\\\QEx-ab", max_size=12), st.text("ab.xQ)", max_size=6))
def test_a_regular_expression_stays_behind_its_prefix(regex: str, name: str) -> None:
    """RE2, which brokers use, never finds a topic that lacks the prefix; and finds those behind it that it did."""
    re2 = pytest.importorskip("re2")
    options = re2.Options()
    options.log_errors = False
    body = {"group_id": "g", "subscribed_topic_regex": regex}
    request = kafka.request("ConsumerGroupHeartbeat", body, version=1)
    try:
        alone = re2.compile(regex, options)
    except re2.error:
        alone = None
    try:
        prefixed = one(encode(request, {"kafka.topic_prefix": "x.)"})).body["subscribed_topic_regex"]
    except LocalProtocolError:
        assert alone is None or "^" in regex or "\\" in regex
        return
    try:
        both = re2.compile(prefixed, options)
    except re2.error:
        assert alone is None
        return
    if regex:
        assert both.fullmatch(name) is None or name.startswith("x.)")
        assert alone is not None
        assert (both.fullmatch("x.)" + name) is None) == (alone.fullmatch(name) is None)
    if "^" in regex:  # an anchor is not put there again
        return
    again = one(encode(one(encode(request, {"kafka.topic_prefix": "x.)"})), {"kafka.strip_topic_prefix": "x.)"}))
    assert again.raw == request.raw


def test_no_expression_gets_out_of_its_prefix() -> None:
    for regex in ("a)|(?:.*", "a\\", "[a", "[]", "(a", "\\Qa)|(.*", "(^a)", "^*a", "\\Aa", "a|b^"):
        body = {"group_id": "g", "subscribed_topic_regex": regex}
        with pytest.raises(LocalProtocolError, match="no prefix can be put before"):
            encode(kafka.request("ConsumerGroupHeartbeat", body, version=1), PREFIX)


class Searched(str):
    """Text that counts the characters that were looked through."""

    looked = 0

    def find(self, what: str, start: int = 0) -> int:  # type: ignore[override]  # as the code under test calls it
        found = super().find(what, start)
        Searched.looked += (len(self) if found < 0 else found) - start
        return found

    def index(self, what: str, start: int = 0) -> int:  # type: ignore[override]
        found = self.find(what, start)
        assert found >= 0
        return found


@pytest.mark.parametrize("end", ["", "a]", ":]a]"])
def test_classes_that_do_not_end_are_looked_for_once(end: str) -> None:
    """Looking for the end of each anew, 32 kB took half a second; StreamsGroupHeartbeat has room for thousands."""
    Searched.looked = 0
    regex = Searched("[" + "[:" * 16_000 + end)
    assert (enclosed(regex) is not None) is bool(end)
    assert Searched.looked <= len(regex)


def test_anchors_stand_behind_no_prefix() -> None:
    body = {"group_id": "g", "subscribed_topic_regex": "^a.*$|^b[^]|)]|[[:alpha:]^]"}
    again = one(encode(kafka.request("ConsumerGroupHeartbeat", body, version=1), PREFIX))
    assert again.body["subscribed_topic_regex"] == r"x\.(?:a.*$|b[^]|)]|[[:alpha:]^])"


def test_a_consumer_s_bytes_of_a_newer_version_keep_what_is_behind() -> None:
    """KIP-429: what a reader does not know it passes over. By hand: version 9, topics, no user data, and more."""
    data = bytes.fromhex("0009 00000001 0001 61 ffffffff 00000001 0001 61 00000000 00000005 ffff beef")
    expected = bytes.fromhex("0009 00000001 0003 782e61 ffffffff 00000001 0003 782e61 00000000 00000005 ffff beef")
    for protocol, becomes in (("consumer", expected), ("connect", data)):
        body = {"protocol_type": protocol, "protocols": [{"name": "range", "metadata": data}]}
        again = one(encode(kafka.request("JoinGroup", body, version=5), PREFIX))
        assert again.body["protocols"][0]["metadata"] == becomes


def test_the_request_in_an_envelope_and_its_response() -> None:
    inner = kafka.request("CreateTopics", {"topics": [{"name": "a"}]}, version=7, id=3, client_id="c")
    envelope = kafka.request("Envelope", {"request_data": inner.raw[4:], "client_host_address": b"\x7f\0\0\1"})
    again = one(encode(envelope, PREFIX))
    assert again.metadata["topics"] == ("x.a",)
    assert again.body["request_data"] == encode(inner, PREFIX)[4:]
    answer = kafka.response("CreateTopics", {"topics": [{"name": "x.a"}]}, version=7, id=3)
    expected = kafka.response("CreateTopics", {"topics": [{"name": "a"}]}, version=7, id=3)
    edits = {"kafka.strip_topic_prefix": "x."}
    response = heard(again, kafka.response("Envelope", {"response_data": answer.raw[4:]}).raw)
    assert heard(again, encode(response, edits)).body["response_data"] == expected.raw[4:]
    response.request = None
    with pytest.raises(LocalProtocolError, match="what is inside is not known"):
        encode(response, edits)
    within = kafka.request("Envelope", {"request_data": envelope.raw[4:]})
    with pytest.raises(LocalProtocolError, match="what is inside is not known"):
        encode(within, PREFIX)


@pytest.mark.parametrize(
    "edits",
    [
        {"kafka.topic_prefix": 5},
        {"kafka.strip_group_prefix": b"x"},
        {"kafka.transactional_id_prefix": ["x"]},
        {"kafka.rename_topics": ["a"]},
        {"kafka.rename_topics": {"a": None}},
        {"kafka.brokers": "b:1"},
        {"topics": 5},
        {"topics": "a"},
        {"topics": (5,)},
        {"group": None},
        {"group": 5},
        {"client_id": 5},
        {"id": "5"},
        {"kafka.topic_prefix": "x" * 32767},
        {"kafka.topic_prefix": "\ud800"},
    ],
)
def test_edits_of_the_wrong_kind(edits: dict[str, Any]) -> None:
    body = {"group_id": "g", "topics": [{"name": "a"}]}
    with pytest.raises(LocalProtocolError):
        encode(kafka.request("OffsetCommit", body, version=8), edits)


def test_all_but_the_name_stays_however_oddly_it_was_written() -> None:
    """Metadata v9: lengths and counts in more bytes than they need, unknown tags, bytes behind the body."""
    head = "0003 0009 00000001 0001 63 8100 07 8200 beef"  # a tag in the header
    body = "8200 {name} 8100 63 01 ff  01 00 02 00 8100 05 8000 cafe"
    raw, expected = (
        bytes.fromhex(f"{len(data):08x}") + data
        for data in (bytes.fromhex((head + body).format(name=name)) for name in ("8280 00 61", "04 782e61"))
    )
    message = one(raw)
    assert message.metadata["topics"] == ("a",)
    assert encode(message, PREFIX) == expected
    assert encode(message, {"kafka.rename_topics": {"b": "c"}}) == raw


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


def test_addresses_of_ipv6() -> None:
    """A field of a response has them without brackets, as `advertised.listeners` loses them."""
    body = {"brokers": [{"node_id": 1, "host": "::1", "port": 9092}]}
    for to in ({"[::1]:9092": "[fd00::7]:9093"}, {"::1:9092": ("fd00::7", 9093)}):
        (found,) = responded("Metadata", body, 5, {"kafka.brokers": to}).body["brokers"]
        assert (found["host"], found["port"]) == ("fd00::7", 9093)


def test_hosts_that_are_no_brokers_stay() -> None:
    to = {"kafka.brokers": {"h:1": "proxy:2", -1: "proxy:3", 0: "proxy:4"}}
    acl = {"resources": [{"resource_type": 2, "acls": [{"host": "h"}]}]}
    assert responded("DescribeAcls", acl, 3, to).body["resources"][0]["acls"][0]["host"] == "h"
    endpoint = {"partitions_by_user_endpoint": [{"user_endpoint": {"host": "h", "port": 1}}]}
    answer = responded("StreamsGroupHeartbeat", endpoint, 0, to)
    assert answer.body["partitions_by_user_endpoint"][0]["user_endpoint"] == {"host": "h", "port": 1}
    nobody = {"node_id": -1, "host": "", "port": -1, "error_code": 15}
    assert responded("FindCoordinator", nobody, 3, to).body["host"] == ""


def test_leaders_of_controllers() -> None:
    leader = {"current_leader": {"leader_id": 1, "host": "c1", "port": 9093}}
    found = responded("UpdateRaftVoter", leader, 0, {"kafka.brokers": {1: "proxy:2"}}).body["current_leader"]
    assert (found["leader_id"], found["host"], found["port"]) == (1, "proxy", 2)
    nodes = {"nodes": [{"node_id": 1, "listeners": [{"name": "C", "host": "c1", "port": 9093}] * 2}]}
    found = responded("DescribeQuorum", nodes, 2, {"kafka.brokers": {1: "proxy:2"}}).body["nodes"][0]["listeners"]
    assert [(one["host"], one["port"]) for one in found] == [("proxy", 2)] * 2


def test_a_broker_s_address_that_is_none() -> None:
    for to in ("nowhere", "host:port", "h:123456", 7, ":9092", "h:70000", ("h", "9"), ("h", 2**40), ("h",)):
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


@pytest.mark.parametrize(
    "edits", [{"kafka.group_prefix": "p."}, {"kafka.strip_transactional_id_prefix": "p."}, {"group": "g"}]
)
def test_keys_of_coordinators_are_not_guessed(edits: dict[str, Any]) -> None:
    """A response says no more than the key; without its request it may be a group or a transaction."""
    message = kafka.response("FindCoordinator", {"coordinators": [{"key": "p.k", "host": "b", "port": 1}]}, version=4)
    with pytest.raises(LocalProtocolError, match="FindCoordinator response v4: what its keys are"):
        encode(message, edits)
    assert b"broker" in encode(message, {"kafka.brokers": {"b:1": "broker:1"}, "kafka.strip_topic_prefix": "p."})


@pytest.mark.parametrize(("name", "filters"), [("DescribeAcls", False), ("DeleteAcls", True)])
def test_a_name_of_any_type_of_resource_gets_no_prefix(name: str, filters: bool) -> None:
    """ResourceType 1 asks for topics, groups and transactions of this name; prefixed for one, it would be for all."""
    asked: dict[str, Any] = {"resource_type_filter": 1, "resource_name_filter": "orders", "pattern_type_filter": 3}
    message = kafka.request(name, {"filters": [asked]} if filters else asked, version=3)
    for edits in ({"kafka.topic_prefix": "x."}, {"kafka.group_prefix": "x."}, {"kafka.rename_topics": {"a": "b"}}):
        with pytest.raises(LocalProtocolError, match="any type"):
            encode(message, edits)
    asked["resource_name_filter"] = None
    every = kafka.request(name, {"filters": [asked]} if filters else asked, version=3)
    assert encode(every, {"kafka.topic_prefix": "x."}) == every.raw
