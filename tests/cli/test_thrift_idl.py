"""`l7codec decode --thrift-idl`, run as a process: names in bodies, and what can be wrong with the files."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from l7codec.protocols import thrift
from tests.capture.talk import Talk

CAPTURES = Path(__file__).resolve().parents[2] / "docs" / "captures"
CAPTURE, IDL = CAPTURES / "thrift.pcapng", CAPTURES / "everything.thrift"


def bodies(done) -> list:
    return [json.loads(line)["body"] for line in done.stdout.splitlines()]


@pytest.fixture
def capture(tmp_path):
    """A capture of these calls."""

    def write(*calls) -> Path:
        talk = Talk()
        talk.ports = {"c": 50_001, "s": 9090}
        talk.handshake()
        for call in calls:
            talk.c(call.raw)
        path = tmp_path / "calls.pcap"
        path.write_bytes(io.BytesIO(talk.file()).getvalue())
        return path

    return write


def test_what_the_applications_said(run):
    done = run("decode", "--json", "--body", "--thrift-idl", IDL, CAPTURE)
    assert done.returncode == 0
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert all(row["error"] is None for row in rows)
    noted = json.loads(CAPTURE.with_suffix(".json").read_text())
    for port, entry in noted.items():
        sent = [row["body"] for row in rows if row["source"].endswith(f":{port}")]
        assert sent == [request["body"] for request in entry["requests"]]
        got = [row["body"] for row in rows if row["destination"].endswith(f":{port}")]
        assert [body for body in got if "message" not in body] == [
            reply["body"] for reply in entry["replies"] if "body" in reply
        ]


@pytest.mark.parametrize("options", [("--json", "--body"), ("--body",), ("--json",)])
def test_jobs_give_the_identical_output(run, options):
    one = run("decode", *options, "--thrift-idl", IDL, CAPTURE)
    assert one.stdout == run("decode", *options, "--thrift-idl", IDL, "--jobs", 2, CAPTURE).stdout


def test_without_it_bodies_are_by_ids(run):
    done = run("decode", "--json", "--body", "--filter", "method=add", "--filter", "kind=request", CAPTURE)
    assert {"1": {"i32": 40}, "2": {"i32": 2}} in bodies(done)


def test_declared_exceptions_can_be_asked_for_by_name(run):
    filters = ("--filter", "error.type=Missing")
    noted = json.loads(CAPTURE.with_suffix(".json").read_text()).values()
    thrown = [reply for entry in noted for reply in entry["replies"] if reply.get("thrown") == "missing"]
    done = run("decode", "--json", "--body", "--thrift-idl", IDL, *filters, CAPTURE)
    assert bodies(done) == [reply["body"] for reply in thrown]
    assert run("decode", "--json", *filters, CAPTURE).stdout == ""


def test_several_files(run, tmp_path, capture):
    (tmp_path / "a.thrift").write_text("service A { void first(1: i32 one) }")
    (tmp_path / "b.thrift").write_text("service B { void second(1: i32 two) }")
    path = capture(*(thrift.call(name, {1: ("i32", 5)}) for name in ("first", "second", "third")))
    options = [word for name in "ab" for word in ("--thrift-idl", tmp_path / f"{name}.thrift")]
    assert bodies(run("decode", "--json", "--body", *options, path)) == [{"one": 5}, {"two": 5}, {"1": {"i32": 5}}]


def test_files_of_one_name_are_kept_apart(run, tmp_path, capture):
    """thriftpy2 alone takes the second `common.thrift` for the first."""
    for name, field in (("a", "left"), ("b", "right")):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "common.thrift").write_text(f"struct P {{ 1: i32 {field} }}")
        (folder / "x.thrift").write_text(f'include "common.thrift"\nservice S{name} {{ void {name}(1: common.P p) }}')
    path = capture(*(thrift.call(name, {1: ("struct", {1: ("i32", 1)})}) for name in "ab"))
    options = [word for name in "ab" for word in ("--thrift-idl", tmp_path / name / "x.thrift")]
    found = bodies(run("decode", "--json", "--body", *options, path))
    assert found == [{"p": {"left": 1}}, {"p": {"right": 1}}]


def test_includes_up_and_down_and_uuid(run, tmp_path, capture):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "y.thrift").write_text(
        'include "../base.thrift"\ntypedef uuid Id\nstruct Y { 1: Id id 2: base.B b }'
    )
    (tmp_path / "base.thrift").write_text("struct B { 1: list<uuid> ids }")
    (tmp_path / "x.thrift").write_text('// uuid\ninclude "sub/y.thrift"\nservice S { uuid f(1: y.Y y) }')
    id = "00112233-4455-6677-8899-aabbccddeeff"
    body = {1: ("struct", {1: ("uuid", id), 2: ("struct", {1: ("list<uuid>", [id])})})}
    done = run("decode", "--json", "--body", "--thrift-idl", tmp_path / "x.thrift", capture(thrift.call("f", body)))
    assert bodies(done) == [{"y": {"id": id, "b": {"ids": [id]}}}]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("struct X { 1: i32 when }", "Cannot use reserved language keyword: 'when' at line 1"),
        ("struct X { 1: Nope n }", "No type found: 'Nope', at line 1"),
        ('include "gone.thrift"', "Couldn't include thrift gone.thrift"),
        ('// a\ninclude "x.thrift"', "Dead including on "),
        ("struct X {", "Grammar error at EOF of the file"),
        ("service A extends B {}", "Can't find service 'B'"),
        ("struct X {}\nstruct X {}", "'X' type is already defined"),
        ("&&", "Illegal character"),
        ("service A {} const A B = 3", ""),
    ],
)
def test_a_file_that_is_wrong(run, tmp_path, text, reason):
    path = tmp_path / "x.thrift"
    path.write_text(text)
    done = run("decode", "--thrift-idl", path, CAPTURE)
    assert (done.returncode, done.stdout) == (2, "")
    [line] = done.stderr.splitlines()
    assert line.startswith(f"l7codec: --thrift-idl {path}: {reason}")
    assert "/tmp" not in line.replace(str(path), "").replace(str(tmp_path), "")


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.mkdir()])
def test_a_file_that_cannot_be_read(run, tmp_path, make):
    path = tmp_path / "x.thrift"
    make(path)
    done = run("decode", "--thrift-idl", path, CAPTURE)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith(f"l7codec: {path}: ")


def test_a_file_that_is_no_text(run, tmp_path):
    path = tmp_path / "x.thrift"
    path.write_bytes(b"struct \xff")
    done = run("decode", "--thrift-idl", path, CAPTURE)
    assert done.returncode == 2
    assert "is not UTF-8: invalid start byte at byte 7" in done.stderr


def test_without_the_extra(run, tmp_path):
    (tmp_path / "thriftpy2").mkdir()
    (tmp_path / "thriftpy2" / "__init__.py").write_text("raise ImportError('not here')\n")
    environment = {"PYTHONPATH": str(tmp_path)}
    done = run("decode", "--thrift-idl", IDL, CAPTURE, environment=environment)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == ("l7codec: --thrift-idl needs the extra 'thrift-idl': pip install 'l7codec[thrift-idl]'\n")
    assert run("decode", "--body", CAPTURE, environment=environment).returncode == 0
