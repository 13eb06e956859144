"""Generated readers, writers and walks against the plain ones, over every version of every message."""

from __future__ import annotations

import pickle
import struct
import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import l7codec
from l7codec import BodyError, LocalProtocolError, strategies
from l7codec.protocols import kafka
from l7codec.protocols.kafka import bodies, plain
from l7codec.protocols.kafka.build import frame_request, frame_response
from l7codec.protocols.kafka.generate import FAULTS, make_reader, make_writer
from l7codec.protocols.kafka.layout import data_layout, layout
from l7codec.protocols.kafka.schema import API_NAMES, api, data_schema
from l7codec.protocols.kafka.schema_table import DATA
from l7codec.strategies import kafka as drawn

EVERY = [
    (key, response, version)
    for key in API_NAMES
    for version in range(api(key).versions.first, api(key).versions.last + 1)
    for response in (False, True)
]


def whole(value: Any) -> Any:
    """With every lazy array read."""
    if isinstance(value, dict):
        return {name: whole(one) for name, one in value.items()}
    if isinstance(value, kafka.Array | list):
        return [whole(one) for one in value]
    return value


def outcome(read: Any, data: bytes) -> Any:
    """What a reader gives; "wrong" where it gives nothing."""
    try:
        value, end = read(data, 0)
        return repr(whole(value)), end
    except UnicodeDecodeError:
        return "text"
    except FAULTS:
        return "wrong"


def test_all_of_them_are_there() -> None:
    assert len(API_NAMES) == 95
    assert len(EVERY) == 736


@pytest.mark.parametrize("key", API_NAMES)
def test_every_version_round_trips(key: int) -> None:
    """Of values drawn once for each version: fast and plain read and write the same."""

    @settings(max_examples=2, database=None, derandomize=True)
    @given(st.data())
    def check(data: st.DataObject) -> None:
        for version in range(api(key).versions.first, api(key).versions.last + 1):
            for response in (False, True):
                fields = layout(key, response, version)
                value = data.draw(drawn.bodies(key, version, response))
                written = plain.write(fields, value)
                assert bodies.write_body(key, version, response, value) == written
                assert plain.read(fields, written) == (value, len(written))
                for lazy in (False, True):
                    read, end = bodies.reader(key, response, version, lazy)(written, 0)
                    assert whole(read) == value
                    assert end == len(written)

    check()


@settings(max_examples=300)
@given(st.sampled_from(EVERY), st.data())
def test_what_is_wrong_is_wrong_for_all(which: tuple[int, bool, int], data: st.DataObject) -> None:
    key, response, version = which
    written = plain.write(layout(key, response, version), data.draw(drawn.bodies(key, version, response)))
    changed = data.draw(strategies.mutations(written))
    truth = outcome(lambda one, at: plain.read(layout(key, response, version), one, at), changed)
    for lazy in (False, True):
        found = outcome(bodies.reader(key, response, version, lazy), changed)
        assert found in (truth, "text")


@settings(max_examples=100)
@given(st.sampled_from(EVERY), st.data())
def test_the_fast_writer_writes_what_the_fast_reader_read(which: tuple[int, bool, int], data: st.DataObject) -> None:
    """No detour by `plain`, but for tagged fields that nobody knows."""
    key, response, version = which
    value = data.draw(drawn.bodies(key, version, response))
    written = plain.write(layout(key, response, version), value)
    parts: list[bytes] = []
    try:
        make_writer(layout(key, response, version))(value, parts.append)
    except FAULTS:
        assert "_tagged_fields" in repr(value)
    else:
        assert b"".join(parts) == written


@pytest.mark.parametrize("name", sorted(DATA))
def test_data_schemas_round_trip(name: str) -> None:
    versions = data_schema(name).versions
    for version in range(versions.first, versions.last + 1):
        fields = data_layout(name, version)
        value = fields.fresh()
        written = plain.write(fields, value)
        assert plain.read(fields, written) == (value, len(written))
        assert make_reader(fields, lazy=False)(written, 0) == (value, len(written))


# -- what is wrong, where -------------------------------------------------------------------------------------------


def fetch(data: str) -> str:
    """What is wrong with a Fetch request of version 12, or of another, whose body these bytes are."""
    with pytest.raises(BodyError) as caught:
        bodies.read_struct(bytes.fromhex(data), 1, 12, False, 0)
    return f"{caught.value.offset} {caught.value.reason}"


HEAD = "ffffffff 00000000 00000000 00000000 00 00000000 00000000"


@pytest.mark.parametrize(
    ("data", "error"),
    [
        ("ffff", "0 Fetch request v12: replica_id: int32 takes 4 bytes, 2 are left"),
        (HEAD + "00", "25 Fetch request v12: topics: null, which is not allowed here"),
        (HEAD + "ff ff ff ff 07", "25 Fetch request v12: topics: 2147483646 elements are announced, 0 bytes are left"),
        (HEAD + "ff ff ff ff ff 07", "25 Fetch request v12: topics: a varint of more than 5 bytes"),
        (HEAD + "ff", "26 Fetch request v12: topics: the bytes end inside a varint"),
        (HEAD + "02 05 61", "26 Fetch request v12: topics[0].topic: 4 bytes are announced, 1 are left"),
        (HEAD + "02 02 61 02 0000",
         "29 Fetch request v12: topics[0].partitions[0].partition: int32 takes 4 bytes, 2 are left"),
        (HEAD + "01 01 01 02 05 00 05 00", "31 Fetch request v12: tag 5 behind tag 5: tags ascend"),
        (HEAD + "01 01 01 01 05 09 00", "29 Fetch request v12: tag 5 announces 9 bytes, 1 are left"),
        (HEAD + "01 01 01 01 00 03 02 61 62", "29 Fetch request v12: cluster_id: tag 0 announces 3 bytes and holds 2"),
    ],
)  # fmt: skip
def test_errors_say_what_and_where(data: str, error: str) -> None:
    assert fetch(data) == error


# Lengths, counts and tags are 32 bits (KIP-482: UNSIGNED_VARINT). Kafka's reader drops higher bits without a word.


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (HEAD + "80 80 80 80 10", "25 Fetch request v12: topics: a varint of more than 32 bits"),
        (HEAD + "01 01 01 01 80 80 80 80 10 00", "29 Fetch request v12: a varint of more than 32 bits"),
    ],
)
def test_a_varint_of_more_than_32_bits(data: str, error: str) -> None:
    """The second would be tag 0, the cluster's id, for a broker."""
    assert fetch(data) == error


def test_the_highest_tag_is_read_and_written() -> None:
    data = bytes.fromhex(HEAD + "01 01 01 01 ff ff ff ff 0f 02 61 62")
    for lazy in (False, True):
        body, end = bodies.read_struct(data, 1, 12, False, 0, lazy)
        assert (body["_tagged_fields"], end) == ({2**32 - 1: b"ab"}, len(data))
        assert bodies.write_body(1, 12, False, body) == data
    with pytest.raises(LocalProtocolError, match="4294967296 is no tag"):
        bodies.write_body(1, 12, False, {"_tagged_fields": {2**32: b""}})


@settings(max_examples=200)
@given(st.sampled_from(EVERY), st.data())
def test_a_message_without_an_error_has_a_body(which: tuple[int, bool, int], data: st.DataObject) -> None:
    """What is wrong is said when the message is delivered, wherever it stands, and again when the body is read."""
    key, response, version = which
    written = plain.write(layout(key, response, version), data.draw(drawn.bodies(key, version, response)))
    changed = data.draw(strategies.mutations(written))
    ask = frame_request(key, version, 1, "c", b"" if response else changed)
    if response:
        conversation = l7codec.Conversation("kafka")
        list(conversation.client.receive_data(ask))
        (message,) = conversation.server.receive_data(frame_response(key, version, 1, changed))
    else:
        (message,) = l7codec.decode("kafka", ask)
    if "kafka.undecoded" in message.metadata or message.metadata["kafka.api_version"] != version:
        return  # acks=0 was asked for, or ApiVersions fell back
    try:
        message.body  # noqa: B018
    except BodyError as error:
        assert str(message.error) == str(error)
        assert f" v{version}: " in str(error)
    else:
        assert message.error is None


def test_finding_out_what_is_wrong_takes_no_memory() -> None:
    """Many topics without a letter, of two bytes each, and then a boolean that is missing."""
    data = frame_request(3, 4, 1, None, struct.pack(">i", 50_000) + bytes(100_000))
    tracemalloc.start()
    try:
        (message,) = l7codec.decode("kafka", data)
        with pytest.raises(BodyError, match="allow_auto_topic_creation: bool takes 1 bytes, 0 are left"):
            message.body  # noqa: B018
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 15 * len(data)


def test_negative_lengths() -> None:
    with pytest.raises(BodyError, match=r"byte 0: Metadata request v0: topics: a length of -2"):
        bodies.read_struct(b"\xff\xff\xff\xfe", 3, 0, False, 0)
    with pytest.raises(BodyError, match=r"topics\[0\]\.name: null, which is not allowed here"):
        bodies.read_struct(b"\0\0\0\1\xff\xff", 3, 0, False, 0)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"topics": 5}, "topics: a list is needed, not 5"),
        ({"topics": [{"name": None}]}, r"topics\[0\]\.name: null, which is not allowed here"),
        ({"topics": [{"name": b"x"}]}, r"topics\[0\]\.name: text is needed, not bytes"),
        ({"topics": [{"name": "x" * 40_000}]}, r"topics\[0\]\.name: a string of 40000 bytes; 32767 are the most"),
        ({"topic": []}, "topic: no such field"),
        ({"topics": [], "allow_auto_topic_creation": 1}, "allow_auto_topic_creation: True or False is needed, not 1"),
        ({"topics": [], "include_topic_authorized_operations": True}, "version 5 lacks this field: 8\\+ has it"),
        ({"topics": [], "_tagged_fields": {1: b""}}, "unknown tagged fields need a flexible version"),
        (5, "a mapping of fields is needed, not int"),
    ],
)
def test_what_cannot_be_written(body: Any, error: str) -> None:
    with pytest.raises(LocalProtocolError, match=f"Metadata request v5: (.*: )?{error}$"):
        bodies.write_body(3, 5, False, body)


def test_numbers_that_do_not_fit() -> None:
    with pytest.raises(LocalProtocolError, match="timeout_ms: 2147483648 does not fit into int32"):
        bodies.write_body(0, 9, False, {"timeout_ms": 2**31})
    with pytest.raises(LocalProtocolError, match="topic_id: a UUID is 16 bytes, or 22 letters"):
        bodies.write_body(3, 12, False, {"topics": [{"topic_id": "short"}]})


def test_a_field_that_a_version_lacks_may_be_dropped_if_it_is_ignorable_or_says_nothing() -> None:
    assert bodies.write_body(3, 5, False, {"topics": [], "include_topic_authorized_operations": False})
    assert bodies.write_body(1, 4, False, {"session_epoch": 7})  # ignorable


def test_uuids_are_bytes_or_text() -> None:
    text = "AAAAAAAAAAAAAAAAAAAAAQ"
    value = bytes(15) + b"\1"
    assert kafka.uuid_text(value) == text
    assert kafka.uuid_bytes(text) == value
    both = [bodies.write_body(3, 12, False, {"topics": [{"topic_id": one, "name": None}]}) for one in (value, text)]
    assert both[0] == both[1]


def test_text_that_is_not_utf8_is_kept() -> None:
    data = b"\0\0\0\1\0\2a\xff"
    value, _ = bodies.read_struct(data, 3, 0, False, 0)
    assert list(value["topics"]) == [{"name": "a\udcff"}]
    assert bodies.write_body(3, 0, False, value) == data


def test_lazy_arrays_are_read_only_sequences() -> None:
    message = kafka.request("Metadata", {"topics": [{"name": "a"}, {"name": "b"}]}, version=5)
    topics = message.body["topics"]
    assert len(topics) == 2
    assert topics == [{"name": "a"}, {"name": "b"}]
    assert topics[1] == {"name": "b"}
    assert [one["name"] for one in topics] == ["a", "b"]
    assert not hasattr(topics, "append")
    assert pickle.loads(pickle.dumps(topics)) == topics
    match message.body:
        case {"topics": [{"name": first}, *_]}:
            assert first == "a"
        case _:
            raise AssertionError("a lazy array matches as a sequence does")


def test_arrays_of_unlike_elements() -> None:
    """Partitions of a Metadata response, some of which have fewer replicas: none of the shortcuts holds."""
    for version in (5, 12):
        partitions = [
            {"partition_index": index, "replica_nodes": [1] * (index % 3), "isr_nodes": list(range(index % 2 * 130))}
            for index in range(9)
        ]
        written = bodies.write_body(3, version, True, {"topics": [{"name": "t", "partitions": partitions}]})
        truth, _ = plain.read(layout(3, True, version), written)
        for lazy in (False, True):
            assert whole(bodies.reader(3, True, version, lazy)(written, 0)[0]) == truth


@pytest.mark.parametrize("version", [5, 12])
@pytest.mark.parametrize("odd", range(4))
def test_one_unlike_element_among_alike_ones(version: int, odd: int) -> None:
    """As long as the others, with other arrays in it: read behind arrays that taught the shape of the others."""
    for lengths in ((2, 1), (3, 0), (0, 3), (1, 1)):
        partitions = [
            {
                "error_code": 0,
                "partition_index": index,
                "leader_id": 1,
                **({"leader_epoch": 7} if version >= 7 else {}),
                "replica_nodes": list(range(lengths[0] if index == odd else 1)),
                "isr_nodes": list(range(lengths[1] if index == odd else 2)),
                "offline_replicas": [],
            }
            for index in range(4)
        ]
        alike = [partitions[odd - 1]] * 4
        topics = [{"name": "t", "partitions": one} for one in (alike, partitions, alike)]
        written = bodies.write_body(3, version, True, {"topics": topics})
        for lazy in (False, True):
            body = whole(bodies.reader(3, True, version, lazy)(written, 0)[0])
            assert [topic["partitions"] for topic in body["topics"]] == [alike, partitions, alike]


@pytest.mark.parametrize("aborted", ["00", "01", "8000", "8100", "02" + "00" * 17, "8200" + "00" * 17, "9000", "03"])
def test_an_array_that_may_be_null_and_what_stands_behind_it(aborted: str) -> None:
    """Null, empty, and one element, their lengths in one byte and in two; more than there are; and cut off."""
    head = bytes.fromhex("00000000 0000 00000000 02") + bytes(16) + b"\x02" + bytes(30)
    data = head + bytes.fromhex(aborted + "0000002a 04 616263 00 00 00")
    fields = layout(1, True, 13)
    for end in range(len(data) + 1):
        expected = outcome(lambda cut, at: plain.read(fields, cut, at), data[:end])
        for lazy in (False, True):
            assert outcome(make_reader(fields, lazy), data[:end]) == expected, end
    if aborted[:2] not in ("90", "03"):
        (partition,) = plain.read(fields, data)[0]["responses"][0]["partitions"]
        assert (partition["preferred_read_replica"], partition["records"].data) == (42, b"abc")


def test_defaults_of_tagged_fields_are_every_struct_s_own() -> None:
    first, second = (bodies.reader(18, True, 3, False)(bytes.fromhex("0000 01 00000000 00"), 0)[0] for _ in range(2))
    first["supported_features"].append("changed")
    assert second["supported_features"] == []


def test_shapes_that_a_sender_invents_are_not_all_compiled() -> None:
    from l7codec.protocols.kafka.lazy import _MOST_SHAPES, Shapes

    shapes = Shapes.of(layout(3, True, 12).fields[4].inner.fields[4].inner)  # type: ignore[union-attr, arg-type]
    assert shapes is not None
    for count in range(200):
        partition = {"replica_nodes": [1] * (count % 14), "isr_nodes": [1] * (count // 14), "offline_replicas": []}
        written = plain.write(layout(3, True, 12).fields[4].inner.fields[4].inner, partition)  # type: ignore
        found, _ = shapes.read(written * 4, 0, 4)
        assert (
            found is None or found == [plain.read(layout(3, True, 12).fields[4].inner.fields[4].inner, written)[0]] * 4
        )  # type: ignore
    assert shapes._readers <= _MOST_SHAPES
    assert len(shapes._shapes) <= 4 * _MOST_SHAPES


def test_a_struct_that_counts_its_version_as_its_first_field() -> None:
    """KRaftVersionRecord of KIP-853: int16 version, int16 kraft.version, tagged fields."""
    data = bytes.fromhex("0000 0001 00")
    assert kafka.read_data("KRaftVersionRecord", data) == (0, {"version": 0, "kraft_version": 1})
    assert kafka.write_data("KRaftVersionRecord", 0, {"kraft_version": 1}) == data
    with pytest.raises(LocalProtocolError, match="KRaftVersionRecord v0"):
        kafka.write_data("KRaftVersionRecord", 0, 5)


def test_embedded_structs_stand_behind_their_version() -> None:
    value = {"topics": ["a"], "user_data": None, "owned_partitions": []}
    data = kafka.write_data("ConsumerProtocolSubscription", 1, value)
    assert kafka.read_data("ConsumerProtocolSubscription", data) == (1, value)
    assert kafka.read_data("ConsumerProtocolSubscription", data + b"more") == (1, value)
    with pytest.raises(BodyError, match="ConsumerProtocolSubscription has no version -1"):
        kafka.read_data("ConsumerProtocolSubscription", b"\xff\xff")
    with pytest.raises(LocalProtocolError, match="has no version -1: versions 0 to 3 exist"):
        kafka.write_data("ConsumerProtocolSubscription", -1, {})


def test_structs_of_nothing_but_empty_lists() -> None:
    """CreatePartitions v1 by hand: three assignments, none of which names a broker."""
    body = bytes.fromhex("00000001 0001 61 00000004 00000003 00000000 00000000 00000000 00000000 00")
    head = bytes.fromhex("0025 0001 00000007 ffff")
    (message,) = l7codec.decode("kafka", (len(head) + len(body)).to_bytes(4, "big") + head + body)
    (topic,) = message.body["topics"]
    assert list(topic["assignments"]) == [{"broker_ids": []}] * 3
