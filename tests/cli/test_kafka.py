"""Kafka on the command line: what it says of a capture is what tshark says of it, and what was done."""

from __future__ import annotations

import json
import re
import shutil
import subprocess

import pytest

from tests.capture.mesh import MESH

pytestmark = [pytest.mark.interop, pytest.mark.usefixtures("needs_tshark")]

PORT = 26610
TSHARK = shutil.which("tshark")


def tshark(shown: str, *fields: str) -> list[list[str]]:
    """Of each packet that the filter shows, what the fields say; several values are joined by `|`."""
    assert TSHARK is not None
    command = [TSHARK, "-n", "-r", str(MESH), "-d", f"tcp.port=={PORT},kafka", "-Y", shown, "-T", "fields"]
    command += ["-E", "aggregator=|", *[word for field in fields for word in ("-e", field)]]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [line.split("\t") for line in printed.splitlines()]


@pytest.fixture(scope="module")
def found(command):
    done = subprocess.run(
        [command, "decode", "--json", "--body", "--filter", "protocol=kafka", str(MESH)],
        capture_output=True,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_requests(found):
    """The packet in which each ends, its API, version, correlation id and length, and who asks."""
    theirs = []
    for frame, *columns in tshark(
        f"kafka && tcp.dstport=={PORT}",
        "frame.number",
        "kafka.api_key",
        "kafka.request.version",
        "kafka.correlation_id",
        "kafka.len",
        "kafka.client_id",
    ):
        theirs += [
            (int(frame), *map(int, row[:4]), row[4]) for row in zip(*[one.split("|") for one in columns], strict=True)
        ]
    ours = [
        (
            row["frame"],
            row["metadata"]["kafka.api_key"],
            row["metadata"]["kafka.api_version"],
            row["id"],
            row["size"] - 4,
            row["metadata"]["client_id"],
        )
        for row in found
        if row["kind"] in ("request", "oneway")
    ]
    assert len(ours) > 100
    assert ours == theirs


def test_responses(found):
    """The same of them, and which request each answers, where tshark finds one: it gives up at newer versions."""
    ours = [row for row in found if row["kind"] == "response"]
    theirs = []
    paired = 0
    times = {int(frame): time for frame, time in tshark("tcp", "frame.number", "frame.time_epoch")}
    for frame, ids, lengths, key, version, asked in tshark(
        f"kafka && tcp.srcport=={PORT}",
        "frame.number",
        "kafka.correlation_id",
        "kafka.len",
        "kafka.response_key",
        "kafka.response.version",
        "kafka.request_frame",
    ):
        rows = [*zip(map(int, ids.split("|")), map(int, lengths.split("|")), strict=True)]
        theirs += [(int(frame), *row) for row in rows]
        if asked and len(rows) == 1:
            (row,) = (one for one in ours if one["frame"] == int(frame))
            assert (row["metadata"]["kafka.api_key"], row["metadata"]["kafka.api_version"]) == (int(key), int(version))
            assert row["latency"] == pytest.approx(float(times[int(frame)]) - float(times[int(asked)]), abs=2e-6)
            paired += 1
    assert [(row["frame"], row["id"], row["size"] - 4) for row in ours] == theirs
    assert paired > 50


def test_topics_and_groups(found):
    """As many messages name each topic and group as tshark finds, in what it can read."""
    readable = {
        int(frame): (topics, groups)
        for frame, malformed, expert, ids, topics, groups in tshark(
            "kafka",
            "frame.number",
            "_ws.malformed",
            "_ws.expert",
            "kafka.correlation_id",
            "kafka.topic_name",
            "kafka.consumer_group",
        )
        if not malformed and not expert and "|" not in ids
    }
    checked = 0
    for row in found:
        if row["frame"] in readable:
            topics, groups = readable[row["frame"]]
            assert row["metadata"].get("topics", []) == [one for one in topics.split("|") if one]
            if row["metadata"]["method"] != "FindCoordinator":  # whose key tshark shows elsewhere
                assert row["metadata"].get("group", "") == groups
            checked += bool(topics or groups)
    assert checked > 20


def test_lines_name_groups_and_transactions(run):
    lines = run("decode", "--filter", "protocol=kafka", MESH).stdout.splitlines()
    assert any(line.endswith("kafka JoinGroup group packers") for line in lines)
    assert any(line.endswith("kafka EndTxn transaction till-1") for line in lines)


def test_route_counts_what_tshark_counts(run, tmp_path):
    rules = tmp_path / "rules.yaml"
    rules.write_text(
        "routes:\n"
        "- {name: produce, match: {attributes: {protocol: kafka, method: Produce}}, destinations: [{host: a}]}\n"
        "- {name: packers, match: {attributes: {protocol: kafka, group: packers}}, destinations: [{host: b}]}\n"
        "- {name: rest, match: {attributes: {protocol: kafka}}, destinations: [{host: c}]}\n"
    )
    done = run("route", rules, MESH)
    hits = {name: int(count) for count, name in re.findall(r"^ +(\d+)  \d\. (\w+)", done.stdout, re.MULTILINE)}
    assert list(hits) == ["produce", "packers", "rest"]
    keys = [key for (keys,) in tshark(f"kafka && tcp.dstport=={PORT}", "kafka.api_key") for key in keys.split("|")]
    assert hits["produce"] == keys.count("0")
    assert sum(hits.values()) == len(keys)
