"""`l7codec detect` and `l7codec protocols`, run as processes."""

from __future__ import annotations

import json

from tests.capture.mesh import AWESOME, MESH, said


def test_every_conversation_gets_a_line(run):
    done = run("detect", MESH)
    lines = done.stdout.splitlines()
    assert done.returncode == 0
    assert [int(line.split()[0]) for line in lines] == list(range(1, len(said()) + 1))
    assert "proxy + redis" in lines[0]
    assert sum("http/1 (not decoded)" in line for line in lines) == 1
    assert done.stderr.startswith(f"{len(said())} conversations: ")
    relayed = sum(entry["server"] == "relay" for entry in said().values())
    assert f" proxy + redis {relayed}," in done.stderr


def test_as_json(run):
    done = run("detect", "--json", "--codec", AWESOME, MESH)
    found = {int(row["client"].rpartition(":")[2]): row for row in map(json.loads, done.stdout.splitlines())}
    for port, entry in said().items():
        if entry["server"] != "relay":
            assert (found[port]["protocol"] or found[port]["foreign"]) == entry["protocol"]
    assert sum(row["preface"] == "proxy" for row in found.values()) == sum(
        entry["server"] == "relay" for entry in said().values()
    )


def test_what_cannot_be_read(run, tmp_path):
    assert run("detect", tmp_path / "nothing.pcap").returncode == 3
    data = MESH.read_bytes()
    path = tmp_path / "cut.pcapng"
    path.write_bytes(data[:50_000])
    done = run("detect", path)
    assert done.returncode == 1
    assert "warning: " in done.stderr


def test_the_list_of_protocols(run):
    names = [line.split()[0] for line in run("protocols").stdout.splitlines()]
    assert {"dubbo", "kafka", "proxy", "quic", "redis", "thrift"} <= set(names)
    assert names == sorted(names)
    more = run("protocols", "--codec", AWESOME, "--json").stdout
    assert {row["name"]: row["over"] for row in map(json.loads, more.splitlines())}["awesome"] == "a stream"


def test_the_metadata_of_one(run):
    lines = run("protocols", "redis").stdout.splitlines()
    assert any(line.startswith("redis.slot ") and " int " in line for line in lines)
    rows = [json.loads(line) for line in run("protocols", "--json", "--codec", AWESOME, "awesome").stdout.splitlines()]
    assert {"awesome.code", "service", "method", "status"} <= {row["key"] for row in rows}


def test_one_that_is_not_there(run):
    done = run("protocols", "rediss")
    assert done.returncode == 2
    assert "did you mean 'redis'?" in done.stderr
