"""The capture of Thrift traffic against what its applications noted, and against tshark; losses, and detection."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
from collections import defaultdict
from functools import cache
from pathlib import Path

import pytest
import thriftpy2

import l7codec
from l7codec import Kind, Side, registry, to_dict
from l7codec.capture import Record, read_messages
from l7codec.protocols import thrift
from l7codec.protocols.thrift.idl import Idl

from .talk import Talk

ROOT = Path(__file__).resolve().parents[2]
CAPTURE = ROOT / "docs" / "captures" / "thrift.pcapng"
IDL = CAPTURE.with_name("everything.thrift")
FRAMED, ANY, JSON = 26606, 26607, 26608


@cache
def said() -> dict[int, dict]:
    """By the client's own port: what each application noted of its connection."""
    noted = json.loads(CAPTURE.with_suffix(".json").read_text())
    return {int(port): entry for port, entry in noted.items()}


@pytest.fixture(scope="module")
def records():
    """The records of each connection by the client's own port, bodies with the names of the IDL."""
    known = registry._codecs.copy()
    l7codec.register(Idl(thriftpy2.load(str(IDL))).codec())
    found: dict[int, list[Record]] = defaultdict(list)
    with read_messages(CAPTURE) as reader:
        for entry in reader:
            found[(entry.source if entry.message.side is Side.CLIENT else entry.destination)[1]].append(entry)
        assert not reader.summary.troubles
        assert not reader.summary.unrecognised
    yield found
    registry._codecs.clear()
    registry._codecs.update(known)


def connections():
    return [pytest.param(port, id=f"{entry['scene']}-{port}") for port, entry in said().items()]


@pytest.mark.parametrize("port", connections())
def test_every_call_that_was_made_is_there_in_order(records, port):
    found = []
    for entry in records[port]:
        message = entry.message
        if message.side is Side.CLIENT:
            names = {name: message.metadata[name] for name in ("service", "method") if name in message.metadata}
            found.append({**names, "body": to_dict(message, body=True)["body"]})
            assert message.kind is (Kind.ONEWAY if message.metadata["method"] == "note" else Kind.REQUEST)
    assert found == said()[port]["requests"]


@pytest.mark.parametrize("port", connections())
def test_every_reply_that_was_read_is_there_in_order(records, port):
    """And answers the call before it: these clients wait, and give every call the same id."""
    asked, found = None, []
    for entry in records[port]:
        message = entry.message
        if message.side is Side.CLIENT:
            asked = message
            continue
        assert message.request is asked
        assert entry.latency_ns > 0
        metadata = message.metadata
        body = to_dict(message, body=True)["body"]
        if metadata["thrift.type"] == "exception":
            assert body == {"message": metadata["error.message"], "type": metadata["error.type"]}
            found.append({"error": metadata["error.message"]})
        elif metadata["status"] == "error":
            found.append({"thrown": next(iter(body)), "body": body})
        else:
            found.append({"body": body})
    assert found == said()[port]["replies"]


def test_dialects_are_told_apart(records):
    dialects = {
        port: {(entry.message.metadata["thrift.transport"], entry.message.metadata["thrift.protocol"]) for entry in one}
        for port, one in records.items()
    }
    assert all(len(found) == 1 for found in dialects.values())
    by_server = defaultdict(list)
    for port, found in dialects.items():
        by_server[said()[port]["server"]] += found
    assert by_server == {
        "thrift": [("framed", "binary")],
        "thrift_any": [("header", "compact"), ("header", "binary"), ("unframed", "compact"), ("unframed", "binary")],
        "thrift_json": [("unframed", "json")],
    }


def test_headers_come_with_the_first_call_of_their_client(records):
    """Apache's transport sends them once, and then no more."""
    port = next(port for port, entry in said().items() if entry["scene"] == "thrift_mixed")
    metadata = [entry.message.metadata for entry in records[port] if entry.message.side is Side.CLIENT]
    assert (metadata[0]["header.user"], metadata[0]["header.trace"]) == ("Ada", "4711")
    assert not any("header.user" in one for one in metadata[1:])


# -- tshark -----------------------------------------------------------------------------------------------------------


@pytest.mark.interop
def test_tshark_sees_the_same_messages():
    """It knows neither headers nor JSON; and takes bytes for a frame, too, that are none."""
    tshark = shutil.which("tshark")
    if tshark is None:
        if "CI" in os.environ:
            pytest.fail("tshark is not installed")
        pytest.skip("tshark is not installed: apt-get install tshark")
    ours = defaultdict(list)
    with read_messages(CAPTURE) as reader:
        for entry in reader:
            metadata = entry.message.metadata
            if metadata["thrift.transport"] in ("framed", "unframed") and metadata["thrift.protocol"] != "json":
                name = metadata["method"]
                if "service" in metadata:
                    name = f"{metadata['service']}:{name}"
                kind = ("call", "reply", "exception", "oneway").index(metadata["thrift.type"]) + 1
                ours[entry.frame].append((kind, name, entry.message.id))
    wanted = [word for name in ("frame.number", "mtype", "method", "seq_id") for word in ("-e", name)]
    wanted = [word if word in ("-e", "frame.number") else f"thrift.{word}" for word in wanted]
    ports = [word for port in (FRAMED, ANY) for word in ("-d", f"tcp.port=={port},thrift")]
    command = [tshark, "-n", "-r", str(CAPTURE), *ports, "-Y", "thrift", "-T", "fields", *wanted]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    theirs = {}
    for line in done.stdout.splitlines():
        frame, kinds, names, ids = line.split("\t")
        if int(frame) in ours:
            theirs[int(frame)] = list(
                zip(
                    [int(kind, 16) for kind in kinds.split(",")],
                    names.split(","),
                    map(int, ids.split(",")),
                    strict=True,
                )
            )
    assert theirs == ours


# -- losses and detection ---------------------------------------------------------------------------------------------


def read(talk: Talk, **options):
    reader = read_messages(io.BytesIO(talk.file()), **options)
    return list(reader), reader.summary


def on_port(port: int = 7777) -> Talk:
    talk = Talk()
    talk.ports = {"c": 50_001, "s": port}
    return talk


def call(number: int, transport: str, protocol: str = "binary"):
    request = thrift.call("get", {1: ("string", b"k" * 40)}, id=number, transport=transport, protocol=protocol)
    return request.raw, thrift.reply(request, ("i32", number)).raw


def shown(records) -> list[str]:
    return [
        f"{entry.message.side[0]} {entry.message.id}" + (" <-" if entry.message.request is not None else "")
        for entry in records
    ]


TRANSPORTS = ["framed", "unframed", "header", "ttheader"]


@pytest.mark.parametrize("protocol", ["binary", "compact"])
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_connection_that_is_seen_from_its_middle(transport, protocol):
    """It begins with the end of a request that nobody has seen the beginning of."""
    talk = on_port()
    first, answer = call(1, transport, protocol)
    talk.c(first[-30:]).s(answer)
    for number in (2, 3):
        request, response = call(number, transport, protocol)
        talk.c(request).s(response)
    records, summary = read(talk, protocols={7777: "thrift"})
    assert shown(records)[-4:] == ["c 2", "s 2 <-", "c 3", "s 3 <-"]
    assert summary.messages["thrift"] == len(records)


@pytest.mark.parametrize("protocol", ["binary", "compact"])
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_hole_in_the_middle(transport, protocol):
    """What lies behind it is found again and paired by its id; the message with the hole is told, or left out."""
    talk = on_port().handshake()
    for number in (1, 2, 3, 4):
        request, response = call(number, transport, protocol)
        if number == 2:
            talk.c(request[:20])
            talk.next["c"] += len(request) - 20
            talk.s(response)
        else:
            talk.c(request).s(response)
    records, _ = read(talk)
    assert shown(records)[:2] == ["c 1", "s 1 <-"]
    assert shown(records)[-4:] == ["c 3", "s 3 <-", "c 4", "s 4 <-"]
    lost = [entry.message for entry in records if entry.message.missing]
    if transport == "unframed":
        assert lost == []  # without a length nobody knows where it would have ended
    else:
        [message] = lost
        assert message.size == len(call(2, transport, protocol)[0])


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("server_first", [False, True])
def test_found_on_any_port(transport, server_first):
    talk = on_port().handshake()
    request, response = call(1, transport)
    talk = talk.s(response).c(request) if server_first else talk.c(request).s(response)
    records, summary = read(talk)
    assert {entry.message.protocol for entry in records} == {"thrift"}
    assert summary.unrecognised == {}


@pytest.mark.parametrize(
    "other", [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\0\x01\0", b"*1\r\n$4\r\nPING\r\n", b"[]"]
)
def test_others_are_not_taken_for_it(other):
    records, _ = read(on_port().handshake().c(other).s(b"\0\0\0\x05hello"))
    assert not any(entry.message.protocol == "thrift" for entry in records)
