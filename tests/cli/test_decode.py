"""`l7codec decode`, run as a process: what it prints, where, and how it ends."""

from __future__ import annotations

import base64
import contextlib
import gzip
import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path

import pytest

from l7codec.protocols import redis
from tests.capture.mesh import AWESOME, MESH, REDIS, arguments, said
from tests.capture.talk import Talk

GET = redis.command("GET", "user:1").raw


@pytest.fixture
def capture(tmp_path):
    """Write a conversation to a file."""

    def write(talk: Talk, name: str = "talk.pcap"):
        path = tmp_path / name
        path.write_bytes(talk.file())
        return path

    return write


def rows(done) -> list[dict]:
    return [json.loads(line, parse_float=Decimal) for line in done.stdout.splitlines()]


def in_terminal(command: list[str], environment: dict[str, str] | None = None) -> str:
    """What the command writes to a terminal, standard error included."""
    master, slave = pty.openpty()
    variables = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    variables.update({"TERM": "xterm-256color", "COLUMNS": "200", **(environment or {})})
    process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=variables)
    os.close(slave)
    output = b""
    with contextlib.suppress(OSError):  # EIO: the other end is closed
        while data := os.read(master, 65536):
            output += data
    os.close(master)
    assert process.wait() == 0
    return output.decode()


# -- JSON -------------------------------------------------------------------------------------------------------------


def test_the_columns_are_those_of_the_design_in_their_order(run):
    first = rows(run("decode", "--json", MESH))[1]
    assert list(first) == [
        "time", "frame", "conversation", "source", "destination", "protocol", "kind", "id", "size", "latency", "error",
        "metadata",
    ]  # fmt: skip


def test_every_request_that_was_sent_is_printed(run):
    done = run("decode", "--json", "--body", "--protocol", f"{REDIS}=redis", MESH)
    assert done.returncode == 0
    for port, entry in said().items():
        if entry["protocol"] == "redis" and entry["server"] == "redis":
            bodies = [row["body"] for row in rows(done) if row["source"].endswith(f":{port}")]
            expected = [
                [{"$bytes": base64.b64encode(word).decode()} for word in arguments(r)] for r in entry["requests"]
            ]
            assert bodies == expected


def test_latency_is_the_difference_of_two_printed_times_exactly(run):
    waiting: dict[int, list[Decimal]] = {}
    checked = 0
    for row in rows(run("decode", "--json", MESH)):
        if row["metadata"].get("method") in ("SUBSCRIBE", "UNSUBSCRIBE", "PSUBSCRIBE"):
            break
        queue = waiting.setdefault(row["conversation"], [])
        if row["kind"] == "request":
            assert row["latency"] is None
            queue.append(row["time"])
        elif row["kind"] == "response":
            assert row["latency"] == row["time"] - queue.pop(0)
            checked += 1
    assert checked > 50


def test_times_are_exact_to_the_nanosecond(run, capture):
    talk = Talk().handshake().c(GET)
    assert rows(run("decode", "--json", capture(talk)))[0]["time"] == Decimal("1700000000.127456789")


def test_bytes_that_are_no_text_are_marked(run):
    done = run("decode", "--json", MESH)
    keys = [row["metadata"]["keys"] for row in rows(done) if "keys" in row["metadata"]]
    assert [{"$bytes": base64.b64encode(b"\xff\xfe-key").decode()}] in keys
    assert ["größe:日本"] in keys


def questions() -> list:
    """The commands with jq on the page about captures, and the answers it gives."""
    page = (Path(__file__).resolve().parents[2] / "docs" / "capture.md").read_text()
    return re.findall(r"```console\n\$ l7codec ([^\n]*\| jq [^\n]*)\n(.*?)```", page, re.DOTALL)


@pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not installed")
@pytest.mark.parametrize(("question", "answer"), questions())
def test_the_questions_of_the_page_are_answered_as_it_says(command, question, answer):
    done = subprocess.run(
        ["bash", "-c", f"{command} {question}"], cwd=MESH.parents[2], capture_output=True, text=True, check=True
    )
    assert done.stdout == answer


# -- the table --------------------------------------------------------------------------------------------------------


def test_a_response_is_shown_beside_its_request(run, capture):
    done = run("decode", capture(Talk().handshake().c(GET).s(b"$2\r\nhi\r\n").c(GET).s(b"-ERR no\r\n")))
    lines = done.stdout.splitlines()
    assert lines[0].endswith("10.0.0.1:40112  → 10.0.0.2:6379    redis GET user:1")
    assert lines[1].endswith("10.0.0.1:40112  ← 10.0.0.2:6379    redis ok · GET user:1  1.000 ms")
    assert lines[3].endswith("redis error ERR no · GET user:1  1.000 ms")


def test_control_characters_are_escaped_in_the_table(run):
    assert "GET \\x1b]0;title\\x07" in run("decode", MESH).stdout


def test_a_terminal_gets_colours(command):
    output = in_terminal([command, "decode", str(MESH)])
    assert "\x1b[" in output
    assert "user:1" in output
    assert "\x1b]0;" not in output


def test_no_color_is_respected(command):
    output = in_terminal([command, "decode", str(MESH)], {"NO_COLOR": "1"})
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]", output)
    assert "user:1" in output


def test_without_rich_a_table_says_what_to_install_and_json_works(command, run, tmp_path):
    (tmp_path / "rich").mkdir()
    (tmp_path / "rich" / "__init__.py").write_text("raise ImportError('no rich here')\n")
    environment = {"PYTHONPATH": str(tmp_path)}
    assert run("decode", "--json", MESH, environment=environment).returncode == 0
    assert run("decode", MESH, environment=environment).returncode == 0  # into a pipe there is nothing to colour
    master, slave = pty.openpty()
    done = subprocess.run(
        [command, "decode", str(MESH)],
        check=False,
        stdout=slave,
        stderr=subprocess.PIPE,
        env={**os.environ, **environment},
    )
    os.close(slave)
    os.close(master)
    assert done.returncode == 2
    assert "pip install 'l7codec[cli]'" in done.stderr.decode()


# -- the summary ------------------------------------------------------------------------------------------------------


def test_the_summary_is_on_standard_error(run):
    done = run("decode", MESH)
    [line] = done.stderr.splitlines()
    assert line.startswith(f"{len(said())} conversations · ")
    assert "0 errors" in line
    assert "http/1 202 bytes" in line
    assert "conversations · " not in done.stdout


def test_a_declared_protocol_is_decoded_when_it_is_given(run):
    unknown, known = run("decode", "--json", MESH), run("decode", "--json", "--codec", AWESOME, MESH)
    assert "unknown" in unknown.stderr
    assert "unknown" not in known.stderr
    assert {row["protocol"] for row in rows(known)} == {"proxy", "redis", "awesome", "kafka"}


def test_kafka_bodies_show_their_records(run):
    done = run("decode", "--json", "--body", "--filter", "method=Produce", "--filter", "kind=request", MESH)
    found = [
        record
        for row in rows(done)
        for topic in row["body"]["topic_data"]
        for partition in topic["partition_data"]
        for batch in partition["records"]["batches"]
        for record in batch["records"]
    ]
    [noted] = [entry["produced"] for entry in said().values() if "produced" in entry]
    values = [base64.b64decode(record["value"]["$bytes"]).decode() for record in found]
    assert sorted(values) == sorted(value for sent in noted.values() for _, value in sent)


# -- jobs -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [("--json",), (), ("--json", "--body")])
def test_jobs_give_the_identical_output(run, options):
    one = run("decode", "--codec", AWESOME, *options, MESH)
    for jobs in ("2", "3"):
        many = run("decode", "--codec", AWESOME, "--jobs", jobs, *options, MESH)
        assert many.stdout == one.stdout
        assert many.stderr == one.stderr
        assert many.returncode == one.returncode


def test_jobs_give_the_identical_output_with_losses_and_errors(run, capture):
    """Many connections at a time, some with gaps, errors, and ends that were not captured."""
    talk = Talk()
    states = {}
    for step in range(40):
        for number in range(12):
            talk.ports = {"c": 40_000 + number, "s": 6379}
            talk.next = states.setdefault(number, {"c": 0, "s": 0})
            if step == 0:
                talk.handshake()
            elif number == 3 and step == 20:
                talk.c(b"*1\r\n!\r\n")
            elif number == 5 and step % 10 == 5:
                talk.c(GET, at=talk.next["c"] + len(GET))
            else:
                talk.c(GET * (1 + number % 3)).s(b"$1\r\nx\r\n" * (1 + number % 3))
    path = capture(talk)
    one = run("decode", "--json", path)
    assert one.returncode == 1
    for jobs in ("2", "5"):
        many = run("decode", "--json", "--jobs", jobs, path)
        assert many.stdout == one.stdout
        assert many.stderr == one.stderr
        assert many.returncode == 1


# -- files and exit status --------------------------------------------------------------------------------------------


def test_standard_input_and_gzip(run, tmp_path):
    expected = run("decode", "--json", MESH).stdout
    assert run("decode", "--json", "-", stdin=MESH.read_bytes()).stdout == expected
    packed = tmp_path / "mesh.pcapng.gz"
    packed.write_bytes(gzip.compress(MESH.read_bytes()))
    assert run("decode", "--json", packed).stdout == expected


def test_a_truncated_file_gives_everything_before_and_one_warning(run, tmp_path):
    data = MESH.read_bytes()
    path = tmp_path / "cut.pcapng"
    path.write_bytes(data[: len(data) * 2 // 3])
    done = run("decode", "--json", path)
    assert done.returncode == 1
    assert sum(line.startswith("warning: ") for line in done.stderr.splitlines()) == 1
    whole = run("decode", "--json", MESH).stdout
    assert len(done.stdout) > 1000
    assert whole.startswith(done.stdout)


def test_errors_in_what_was_said_end_with_1(run, capture):
    done = run("decode", "--json", capture(Talk().handshake().c(GET).c(b"*1\r\n!bad\r\n")))
    assert done.returncode == 1
    assert "error: frame 5, conversation 1, client: redis: byte 29" in done.stderr
    assert "1 error" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("decode",),
        ("nothing",),
        ("decode", "--protocol", "6379", MESH),
        ("decode", "--protocol", "0=redis", MESH),
        ("decode", "--protocol", "6379=rediss", MESH),
        ("decode", "--codec", "nowhere.py", MESH),
        ("decode", "--codec", __file__, MESH),
        ("decode", "--jobs", "0", MESH),
        ("decode", "--jobs", "2", "-"),
    ],
)
def test_wrong_usage_ends_with_2_and_a_sentence(run, arguments):
    done = run(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert "l7codec" in done.stderr


@pytest.mark.parametrize("content", [None, b"", b"not a capture"])
@pytest.mark.parametrize("jobs", [(), ("--jobs", "2")])
def test_what_cannot_be_read_ends_with_3_and_a_sentence(run, tmp_path, content, jobs):
    path = tmp_path / "file\x1b[31m.pcap"
    if content is not None:
        path.write_bytes(content)
    done = run("decode", *jobs, path)
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    [line] = done.stderr.splitlines()
    assert line.startswith("l7codec: ")
    assert "\x1b" not in line


def test_one_unreadable_file_does_not_hide_the_others(run, capture):
    good = capture(Talk().handshake().c(GET))
    done = run("decode", "--json", "/nowhere.pcap", good)
    assert done.returncode == 3
    assert [row["file"] for row in rows(done)] == [str(good)]


# -- ends that come from outside --------------------------------------------------------------------------------------


@pytest.mark.parametrize("jobs", [(), ("--jobs", "2")])
@pytest.mark.parametrize("options", [(), ("--json",)])
def test_nobody_reads_on(command, capture, options, jobs):
    """As in `l7codec decode … | head -1`."""
    talk = Talk().handshake()
    for _ in range(5000):
        talk.c(GET).s(b"$1\r\nx\r\n")
    process = subprocess.Popen(
        [command, "decode", *options, *jobs, str(capture(talk))], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 141


def test_a_capture_that_is_still_running_is_printed_as_it_comes_and_ended_by_ctrl_c(command):
    process = subprocess.Popen(
        [command, "decode", "--json", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdin.write(Talk().handshake().c(GET).s(b"$1\r\nx\r\n").file())
    process.stdin.flush()
    lines = [process.stdout.readline(), process.stdout.readline()]
    assert [json.loads(line)["kind"] for line in lines] == ["request", "response"]
    assert not select.select([process.stdout], [], [], 0)[0]
    time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate()
    assert process.returncode == 130
    assert output == b""
    assert b"Traceback" not in errors
    assert b"2 messages" in errors


def test_python_m_works(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "l7codec", "--version"], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert done.stdout.startswith("l7codec ")


def test_help_teaches(run):
    for options, words in (
        (("--help",), ("decode", "detect", "protocols", "exit status")),
        (("decode", "--help"), ("--json", "PORT=NAME", "--jobs", "jq", "awesome.py")),
        (("detect", "--help"), ("tls", "--json")),
    ):
        done = run(*options)
        assert done.returncode == 0
        assert all(word in done.stdout for word in words)
