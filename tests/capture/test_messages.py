"""From a capture to messages: the mesh capture against what its applications noted, and constructed cases."""

from __future__ import annotations

import io
import subprocess
from collections import defaultdict
from decimal import Decimal
from shutil import which

import pytest

import l7codec
from l7codec import Side, registry
from l7codec.capture import CaptureLimits, read_conversations, read_messages
from l7codec.errors import UnknownProtocol
from l7codec.protocols import proxy_protocol, redis

from .build import CLIENT, SECOND, SERVER, START, SYN, ethernet, ipv4, pcap_header, record, tcp, udp
from .mesh import MESH, REDIS, RELAY, RPC, WEB, arguments, awesome, said
from .talk import MILLISECOND, Talk

GET = b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"
VALUE = b"$5\r\nhello\r\n"


def read(talk: Talk, **options):
    """All records and the summary."""
    reader = read_messages(io.BytesIO(talk.file()), **options)
    return list(reader), reader.summary


def shown(records) -> list[str]:
    """Records in words: "1 c GET k", "1 s ok <- GET k 1"; the last number is the latency in milliseconds."""
    words = []
    for entry in records:
        message = entry.message
        word = [str(entry.conversation), message.side[0], str(message.metadata.get("method", message.kind))]
        word += message.metadata.get("keys", ())
        if message.request is not None:
            word += ["<-", message.request.metadata["method"], str(entry.latency_ns // MILLISECOND)]
        words.append(" ".join(word))
    return words


# -- the mesh capture, against what its applications noted ------------------------------------------------------------


@pytest.fixture(scope="module")
def mesh():
    """The records of each connection by the client's own port, the one that a PROXY header names; and the summary."""
    known = registry._codecs.copy()
    l7codec.register(awesome().AwesomeRPC)
    found = defaultdict(list)
    ports = {}
    with read_messages(MESH) as reader:
        for entry in reader:
            message = entry.message
            if message.protocol == "proxy":
                ports[entry.conversation] = message.metadata["source.port"]
            elif entry.conversation not in ports:
                ports[entry.conversation] = (entry.source if message.side is Side.CLIENT else entry.destination)[1]
            found[ports[entry.conversation]].append(entry)
        yield found, reader.summary
    registry._codecs.clear()
    registry._codecs.update(known)


def redis_connections():
    return [pytest.param(port, id=f"{entry['scene']}-{port}") for port, entry in said().items() if is_redis(entry)]


def is_redis(entry) -> bool:
    return entry["protocol"] == "redis"


@pytest.mark.parametrize("port", redis_connections())
def test_every_request_that_was_sent_is_there_in_order(mesh, port):
    records, _ = mesh
    requests = [entry.message for entry in records[port] if entry.message.side is Side.CLIENT]
    if said()[port]["server"] == "relay":
        preface = requests.pop(0)
        assert preface.kind == "preface"
        assert preface.metadata["source.port"] == port
        assert all(request.metadata["source.port"] == port for request in requests)
    assert [request.body for request in requests] == [arguments(request) for request in said()[port]["requests"]]


@pytest.mark.parametrize("port", redis_connections())
def test_every_reply_that_was_read_is_there_in_order(mesh, port):
    """EXEC's results are read one by one by redis-py, which notes them as one reply; pushes it notes as well."""
    records, _ = mesh
    replies = [entry.message for entry in records[port] if entry.message.side is Side.SERVER]
    # The last reply to an UNSUBSCRIBE or the like may not have been read when the application left.
    noted = said()[port]["replies"]
    assert len(replies) >= len(noted)
    for reply, note in zip(replies, noted, strict=False):
        expected = "error" if "error" in note else "ok"
        if reply.kind == "response":
            assert reply.metadata["status"] == expected, reply
        if expected == "error":
            text = f"{reply.metadata['error.type']} {reply.metadata['error.message']}"
            assert text.endswith(note["error"])  # redis-py takes some of the types' names off


@pytest.mark.parametrize("port", redis_connections())
def test_responses_answer_the_requests_in_order(mesh, port):
    """But for subscriptions, one response to each request, and each later than what it answers."""
    records, _ = mesh
    requests = [entry for entry in records[port] if entry.message.kind == "request"]
    answered = [entry for entry in records[port] if entry.message.kind == "response"]
    assert all(entry.message.request is not None for entry in answered)
    assert all(entry.latency_ns > 0 for entry in answered)
    first_answers = list({id(entry.message.request): entry.message.request for entry in answered}.values())
    assert first_answers == [entry.message for entry in requests]
    by_request = {id(entry.message): entry for entry in requests}
    for entry in answered:
        assert entry.time_ns - entry.latency_ns == by_request[id(entry.message.request)].time_ns


def test_a_declared_protocol_is_paired_by_id_out_of_order(mesh):
    records, _ = mesh
    [(port, note)] = [(port, entry) for port, entry in said().items() if entry["protocol"] == "awesome"]
    sent = [entry.message for entry in records[port] if entry.message.side is Side.CLIENT]
    got = [entry.message for entry in records[port] if entry.message.side is Side.SERVER]
    assert [
        {
            "id": message.id,
            "name": f"{message.metadata['service']}.{message.metadata['method']}",
            "payload": message.body,
        }
        for message in sent
    ] == note["requests"]
    assert [message.kind for message in sent] == ["request"] * 4 + ["oneway"]
    assert [{"id": message.id, "code": message.metadata["awesome.code"]} for message in got] == note["replies"]
    assert [message.request.id for message in got] == [message.id for message in got] == [4, 3, 2, 1]


def test_kafka_records_are_what_was_produced_and_consumed(mesh):
    """Of librdkafka and aiokafka, every compression: Produce requests as they were sent, Fetch responses as read."""
    records, _ = mesh
    [noted] = [entry for entry in said().values() if "produced" in entry]
    kafka = [entry.message for entries in records.values() for entry in entries if entry.message.protocol == "kafka"]
    assert {message.error for message in kafka} == {None}
    assert all(message.request is not None for message in kafka if message.side is Side.SERVER)
    for method, side, topics, partitions, expected in (
        ("Produce", Side.CLIENT, "topic_data", "partition_data", noted["produced"]),
        ("Fetch", Side.SERVER, "responses", "partitions", noted["consumed"]),
    ):
        found = defaultdict(list)
        for message in kafka:
            if message.side is side and message.metadata["method"] == method:
                for topic in message.body[topics]:
                    for partition in topic[partitions]:
                        found[name(topic, kafka)] += [(one.key, one.value) for one in partition["records"] or ()]
        assert {topic: rows for topic, rows in found.items() if rows} == {
            topic: [(key and key.encode(), value.encode()) for key, value in rows] for topic, rows in expected.items()
        }
    assert {message.metadata["client_id"] for message in kafka if "client_id" in message.metadata} >= {"shop", "packer"}


def name(topic, kafka) -> str:
    """A topic's name; where a Fetch has its id alone, the one that Metadata responses gave it."""
    if topic.get("topic") or topic.get("name"):
        return topic.get("topic") or topic["name"]
    known = [message.body["topics"] for message in kafka if message.side is Side.SERVER and "topics" in message.body]
    return next(one["name"] for topics in known for one in topics if one.get("topic_id") == topic["topic_id"])


def test_the_mesh_adds_up(mesh):
    records, summary = mesh
    notes = said().values()
    assert summary.conversations == len(notes)
    assert summary.messages["proxy"] == sum(entry["server"] == "relay" for entry in notes)
    assert summary.messages["awesome"] == sum(
        len(e["requests"]) + len(e["replies"]) for e in notes if e["server"] == "awesome"
    )
    assert sum(summary.messages.values()) == sum(map(len, records.values()))
    assert (summary.errors, summary.gaps, summary.skipped, summary.warnings) == (0, 0, 0, [])
    assert set(summary.unrecognised) == {"http/1"}


def test_conversations_are_named(mesh):
    names = {spoken.client[1]: spoken for spoken in read_conversations(MESH)}
    assert len(names) == len(said())
    for port, entry in said().items():
        if entry["server"] != "relay":
            assert (names[port].protocol or names[port].foreign) == entry["protocol"]
    through_proxy = [spoken for spoken in names.values() if spoken.preface == "proxy"]
    assert len(through_proxy) == sum(entry["server"] == "relay" for entry in said().values())
    assert {spoken.protocol for spoken in through_proxy} == {"redis"}


def bulk_strings(value) -> list[bytes]:
    """All strings in a value, in order."""
    if isinstance(value, list):
        return [string for item in value for string in bulk_strings(item)]
    return [value] if isinstance(value, bytes) else []


@pytest.mark.interop
@pytest.mark.skipif(which("tshark") is None, reason="tshark is not installed")
def test_tshark_sees_the_same_strings_in_the_same_frames(mesh):
    """Message by message, where its RESP dissector can follow: RESP2, and no PROXY header in the same segment."""
    records, _ = mesh
    fields = ("frame.number", "frame.time_epoch", "tcp.srcport", "resp.bulk_string.value", "resp.error")
    command = ["tshark", "-r", str(MESH), "-T", "fields", "-E", "aggregator=,", "-Y", "resp"]
    command += [word for port in (RELAY, REDIS) for word in ("-d", f"tcp.port=={port},resp")]
    command += [word for field in fields for word in ("-e", field)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    theirs = {int(line.split("\t")[0]): line.split("\t")[1:] for line in output.splitlines()}
    ours = defaultdict(list)
    resp3 = set()
    for port, entries in records.items():
        for entry in entries:
            ours[entry.frame].append(entry)
            if entry.message.protocol != "redis" or entry.message.metadata.get("redis.resp") == 3:
                resp3.add(entry.frame)
        assert port in said()
    compared = 0
    for frame, entries in ours.items():
        if frame in resp3 or any(not entry.message.raw.startswith((b"*", b"$", b"+", b":", b"-")) for entry in entries):
            continue
        time, port, strings, errors = theirs[frame]
        assert Decimal(time) == entries[0].time
        assert int(port) == entries[0].source[1]
        mine = [
            string for entry in entries if entry.message.raw[:1] in b"*$" for string in bulk_strings(entry.message.body)
        ]
        assert strings == ",".join(string.hex() for string in mine if string)  # it passes over empty ones
        assert errors == ",".join(
            entry.message.raw[1:-2].decode() for entry in entries if entry.message.raw[:1] == b"-"
        )
        compared += len(entries)
    assert compared > 150


# -- constructed ------------------------------------------------------------------------------------------------------


def test_a_record_knows_where_it_was_found():
    records, summary = read(Talk().handshake().c(GET).wait(0.002).s(VALUE))
    request, response = records
    assert (request.frame, response.frame) == (4, 5)
    assert (request.source, request.destination) == (CLIENT, SERVER)
    assert (response.source, response.destination) == (SERVER, CLIENT)
    assert request.time_ns == START + 4 * MILLISECOND
    assert request.time == Decimal(request.time_ns) / SECOND
    assert response.latency_ns == 3 * MILLISECOND
    assert response.latency == Decimal("0.003")
    assert request.latency is None
    assert summary.conversations == 1
    assert summary.messages == {"redis": 2}


def test_a_message_is_complete_with_its_last_packet():
    records, _ = read(Talk().handshake().c(GET[:5]).c(GET[5:]).s(VALUE[:3]).s(VALUE[3:]))
    assert [entry.frame for entry in records] == [5, 7]
    assert records[1].latency_ns == 2 * MILLISECOND


def test_what_was_held_until_the_protocol_was_known_keeps_its_times():
    """A declared length waits for the other side; here Redis is forced to wait by a first byte alone."""
    records, _ = read(Talk().handshake().c(GET[:1]).c(GET[1:3]).c(GET[3:] + GET).s(VALUE + VALUE))
    assert [(entry.frame, entry.time_ns - START) for entry in records] == [
        (6, 6 * MILLISECOND),
        (6, 6 * MILLISECOND),
        (7, 7 * MILLISECOND),
        (7, 7 * MILLISECOND),
    ]


def test_pipelined_requests_are_answered_in_order():
    set_ = redis.command("SET", "a", "1").raw
    talk = Talk().handshake().c(GET + set_).s(VALUE).s(b"+OK\r\n")
    assert shown(read(talk)[0]) == [
        "1 c GET k",
        "1 c SET a",
        "1 s response k <- GET 1".replace(" k ", " "),
        "1 s response <- SET 2",
    ]


def test_a_gap_is_told_and_decoding_goes_on():
    talk = Talk().handshake().c(GET).s(VALUE).c(GET, at=len(GET) + 100).s(VALUE).c(GET).s(VALUE).c(GET).s(VALUE)
    records, summary = read(talk)
    assert (summary.gaps, summary.missing) == (1, 100)
    assert summary.errors == 0
    assert shown(records)[:2] == ["1 c GET k", "1 s response <- GET 1"]
    assert shown(records)[-2:] == ["1 c GET k", "1 s response <- GET 1"]


def test_pairing_behind_a_gap_is_not_guessed():
    """A reply is lost: what comes next must not be taken for the answer to the wrong request."""
    other = redis.command("GET", "other").raw
    talk = Talk().handshake().c(GET + other)
    talk.s(VALUE, at=len(VALUE), ack=len(GET + other)).c(ack=2 * len(VALUE))
    records, _ = read(talk)
    responses = [entry for entry in records if entry.message.kind == "response"]
    assert all(entry.message.request is None and entry.latency_ns is None for entry in responses)


def test_the_middle_of_a_connection():
    """No handshake: the guess which side is the client rests on the ports."""
    records, summary = read(Talk().c(GET).s(VALUE))
    assert shown(records) == ["1 c GET k", "1 s response <- GET 1"]
    assert summary.skipped == 0


def test_the_middle_of_a_message():
    """Nothing tells what it is but the port; the first whole message is found."""
    records, summary = read(Talk().s(b"lf a value\r\n" + VALUE).c(GET).s(VALUE))
    assert "1 c GET k" in shown(records)
    assert summary.skipped > 0
    assert summary.errors == 0


def test_client_and_server_the_other_way_round():
    """Both ports say nothing and the handshake is missing, but only a server says +OK."""
    talk = Talk()
    talk.ports = {"c": 50_001, "s": 50_000}
    records, _ = read(talk.c(redis.command("SET", "k", "v").raw).s(b"+OK\r\n"))
    assert [(entry.source[1], entry.message.kind) for entry in records] == [(50_001, "request"), (50_000, "response")]
    talk = Talk()
    talk.ports = {"c": 50_000, "s": 50_001}
    records, _ = read(talk.c(redis.command("SET", "k", "v").raw).s(b"+OK\r\n"))
    assert [(entry.source[1], entry.message.kind) for entry in records] == [(50_000, "request"), (50_001, "response")]


def test_an_error_is_noted_and_decoding_goes_on():
    talk = Talk().handshake().c(GET).s(VALUE).c(b"*1\r\n!bad\r\n").c(b"x\r\n" + GET).c(GET).s(VALUE)
    records, summary = read(talk)
    assert summary.errors == 1
    [trouble] = summary.troubles
    assert (trouble.conversation, trouble.side, trouble.frame) == (1, Side.CLIENT, 6)
    assert "1 c GET k" in shown(records)[2:]


def test_a_direction_of_nothing_but_errors_is_given_up():
    talk = Talk().handshake().c(GET).s(VALUE)
    for _ in range(50):
        talk.c(b"\r\n*1\r\n$1\r\nxx")
    _, summary = read(talk)
    assert 0 < summary.errors <= 50
    assert summary.skipped > 0


def test_the_first_errors_are_kept_and_all_are_counted():
    talk = Talk().handshake().c(GET).s(VALUE)
    for _ in range(300):
        talk.c(b"*1\r\n$1\r\nxx\r\n" + GET + GET)
    _, summary = read(talk)
    assert summary.errors > 100
    assert len(summary.troubles) == 100


def test_a_message_that_never_ends_is_told():
    _, summary = read(Talk().handshake().c(GET).s(VALUE).c(GET[:9]))
    assert summary.unfinished == 1
    assert summary.errors == 0


def test_requests_without_an_answer_are_told():
    _, summary = read(Talk().handshake().c(GET + GET).s(VALUE))
    assert summary.unanswered == 1


def test_pending_requests_are_bounded():
    limits = l7codec.Limits(pending=10)
    talk = Talk().handshake()
    for _ in range(30):
        talk.c(GET)
    records, summary = read(talk, message_limits=limits)
    assert len(records) == 30
    assert summary.dropped == 20


def test_a_preface_is_found_and_believed():
    header = proxy_protocol.header(source=("192.0.2.1", 5000), destination=("198.51.100.1", 443)).raw
    for cut in (3, len(header), len(header) + 4):
        data = header + GET
        records, _ = read(Talk().handshake().c(data[:cut]).c(data[cut:]).s(VALUE))
        assert [entry.message.protocol for entry in records] == ["proxy", "redis", "redis"]
        assert records[1].message.metadata["source.address"] == "192.0.2.1"
        assert records[2].message.request is records[1].message


def test_a_preface_before_what_no_codec_takes():
    header = proxy_protocol.header(source=("192.0.2.1", 5000), destination=("198.51.100.1", 443)).raw
    hello = b"\x16\x03\x01\0\x05\x01\0\0\x01\0"
    records, summary = read(Talk().handshake().c(header + hello).s(b"\x16\x03\x03\0\x05\x02\0\0\x01\0"))
    assert [entry.message.protocol for entry in records] == ["proxy"]
    assert summary.unrecognised == {"tls": 20}


def test_a_preface_alone():
    header = proxy_protocol.header(source=("192.0.2.1", 5000), destination=("198.51.100.1", 443)).raw
    records, summary = read(Talk().handshake().c(header))
    assert [entry.message.protocol for entry in records] == ["proxy"]
    assert summary.unrecognised == {}


def test_a_port_can_be_forced():
    """Inline requests look like anything; who knows better says so."""
    talk = Talk()
    talk.ports = {"c": 50_001, "s": 7000}
    talk.handshake().c(b"GET k\r\n")
    assert read(talk)[0] == []
    records, _ = read(talk, protocols={7000: "redis"})
    assert shown(records) == ["1 c GET k"]


def test_a_forced_port_may_have_a_preface():
    header = proxy_protocol.header(source=("192.0.2.1", 5000), destination=("198.51.100.1", 443)).raw
    records, _ = read(Talk().handshake().c(header + b"GET k\r\n").s(VALUE), protocols={6379: "redis"})
    assert [entry.message.protocol for entry in records] == ["proxy", "redis", "redis"]


def test_an_unknown_protocol_is_refused_before_anything_is_read():
    with pytest.raises(UnknownProtocol, match="redis"):
        read_messages(io.BytesIO(Talk().file()), protocols={1: "rediss"})


def test_addresses_go_into_the_metadata_on_request():
    records, _ = read(Talk().handshake().c(GET), addresses=True)
    metadata = records[0].message.metadata
    assert (metadata["peer.address"], metadata["peer.port"]) == CLIENT
    assert (metadata["source.address"], metadata["source.port"]) == CLIENT
    assert (metadata["destination.address"], metadata["destination.port"]) == SERVER


@pytest.mark.parametrize(
    ("name", "client", "server"),
    [
        ("tls", b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03", b"\x16\x03\x03\0\x7a\x02\0\0\x76"),
        ("http/1", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"),
        ("http/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", b"\0\0\0\4\0\0\0\0\0"),
        ("ssh", b"SSH-2.0-OpenSSH_9.2\r\n", b"SSH-2.0-OpenSSH_9.2\r\n"),
        ("unknown", b"\x00\x01\x02nothing", b"\x00\x02\x01"),
    ],
)
@pytest.mark.parametrize("server_first", [False, True])
def test_what_is_not_ours_is_counted_by_name(name, client, server, server_first):
    talk = Talk().handshake()
    talk = talk.s(server).c(client) if server_first else talk.c(client).s(server)
    talk.c(b"\x17\x03\x03\0\x01x" * 3)
    records, summary = read(talk)
    assert records == []
    assert summary.unrecognised == {name: len(client) + len(server) + 18}


def test_datagrams_are_named_and_counted():
    quic = b"\xc3\0\0\0\1\x08" + bytes(30)
    dns = b"\x12\x34\x01\0\0\1\0\0\0\0\0\0\3foo\0\0\1\0\1"
    packets = [(quic, 40112, 443), (dns, 40113, 53), (b"hello", 40114, 8125)]
    file = pcap_header(magic=0xA1B23C4D) + b"".join(
        record(ethernet(ipv4(udp(data, source, port), protocol=17)), START + number, unit=1)
        for number, (data, source, port) in enumerate(packets)
    )
    reader = read_messages(io.BytesIO(file))
    assert list(reader) == []
    assert reader.summary.unrecognised == {"quic": len(quic), "dns": len(dns), "unknown": 5}
    assert reader.summary.conversations == 3


def test_nothing_is_kept_of_conversations_that_are_over():
    talk = Talk()
    for number in range(50):
        talk.ports = {"c": 40_000 + number, "s": 6379}
        talk.again().handshake().c(GET).s(VALUE).c(flags=1).s(flags=1).c()
    reader = read_messages(io.BytesIO(talk.file()))
    for entry in reader:
        assert entry.message.protocol == "redis"
        assert len(reader._directions) <= 2
    assert reader.summary.conversations == 50


def test_unrecognised_bytes_are_not_held():
    """What cannot be told stays undecided for 16 KiB at most."""
    talk = Talk().handshake()
    for _ in range(100):
        talk.c(b"\0" * 1000)
    reader = read_messages(io.BytesIO(talk.file()))
    assert list(reader) == []
    assert reader.summary.unrecognised == {"unknown": 100_000}


def test_shards_share_the_conversations():
    talk = Talk()
    for number in range(20):
        talk.ports = {"c": 40_000 + number, "s": 6379}
        talk.again().handshake().c(GET).s(VALUE)
    whole, _ = read(talk)
    parts = [read(talk, shard=(index, 3)) for index in range(3)]
    assert sum(len(records) for records, _ in parts) == len(whole)
    assert sorted(entry.frame for records, _ in parts for entry in records) == [entry.frame for entry in whole]
    assert sum(summary.conversations for _, summary in parts) == 20


def test_limits_reach_the_reader():
    talk = Talk()
    for number in range(20):
        talk.ports = {"c": 40_000 + number, "s": 6379}
        talk.again().handshake().c(GET)
    records, summary = read(talk, limits=CaptureLimits(connections=4))
    assert len(records) == 20
    assert summary.conversations == 20


def test_a_damaged_file_gives_what_was_before():
    reader = read_messages(io.BytesIO(Talk().handshake().c(GET).s(VALUE).c(GET).file()[:-7]))
    assert len(list(reader)) == 2
    assert len(reader.summary.warnings) == 1


def test_closing_ends_the_records():
    reader = read_messages(io.BytesIO(Talk().handshake().c(GET).s(VALUE).file()))
    next(reader)
    reader.close()
    assert list(reader) == []


def test_packets_without_tcp_or_udp_are_counted():
    file = pcap_header(magic=0xA1B23C4D) + record(ethernet(b"\0\1\x08\0", 0x0806), START, unit=1)
    reader = read_messages(io.BytesIO(file))
    assert list(reader) == []
    assert reader.summary.passed_over == {"ethertype 0x0806": 1}


def test_wrong_bytes_anywhere_raise_nothing():
    """Every byte of a short conversation is damaged in turn."""
    data = GET + redis.command("SET", "a", "b").raw
    for position in range(len(data)):
        damaged = data[:position] + bytes([data[position] ^ 0x55]) + data[position + 1 :]
        _, summary = read(Talk().handshake().c(damaged).s(VALUE + b"+OK\r\n").c(GET).s(VALUE))
        assert summary.conversations == 1


def test_a_syn_with_data_begins_a_conversation():
    packet = tcp(GET, 999, 0, SYN)
    file = pcap_header(magic=0xA1B23C4D) + record(ethernet(ipv4(packet)), START, unit=1)
    assert shown(read_messages(io.BytesIO(file))) == ["1 c GET k"]


def test_web_and_rpc_ports_are_those_of_the_script():
    ports = {entry["server"] for entry in said().values()}
    assert ports == {"relay", "redis", "awesome", "http", "kafka"}
    assert (RPC, WEB) == (26604, 26605)
