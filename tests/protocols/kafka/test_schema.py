"""The table of schemas, against what others publish of Kafka's message definitions."""

from __future__ import annotations

import json
import runpy
import shutil
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path
from typing import Any

import pytest

from l7codec.protocols.kafka.error_table import ERRORS, RETRIABLE
from l7codec.protocols.kafka.schema import API_NAMES, Field, Range, api, data_schema, parse
from l7codec.protocols.kafka.schema_table import APIS, DATA

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = ROOT / "scripts" / "update_kafka_schemas.py"


def script(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True, check=False)


def test_the_notation() -> None:
    (field,) = parse("topics [] 1+ ?2+ ~ { name string 1-3 ?3+ =null @topic ; epoch int64 4+ =-1 #0:5+ }")
    assert (field.name, field.array, field.type, field.ignorable) == ("topics", True, "struct", True)
    assert (str(field.versions), str(field.nullable)) == ("1+", "2+")
    name, epoch = field.fields
    assert (str(name.versions), name.default, name.entity) == ("1-3", "null", "topic")
    assert (epoch.tag, str(epoch.tagged), epoch.default) == (0, "5+", "-1")
    assert [str(Range.read(text)) for text in ("3+", "0-12", "7", "none")] == ["3+", "0-12", "7", "none"]


def test_every_line_can_be_read() -> None:
    assert len(APIS) == 95
    assert all(_sound(one) for key in APIS for one in (*api(key).request.fields, *api(key).response.fields))
    assert all(_sound(one) for name in DATA for one in data_schema(name).fields)


def _sound(field: Field) -> bool:
    known = {"bool", "int8", "int16", "uint16", "int32", "int64", "float64", "string", "bytes", "uuid", "records"}
    return (field.type in known) != bool(field.fields) and all(_sound(one) for one in field.fields)


def test_header_versions() -> None:
    assert [api(0).request_header(version) for version in (8, 9)] == [1, 2]
    assert [api(0).response_header(version) for version in (8, 9)] == [0, 1]
    assert [api(18).response_header(version) for version in (0, 3, 5)] == [0, 0, 0]
    assert [api(7).request_header(version) for version in (0, 1, 3)] == [0, 1, 2]


def test_errors() -> None:
    assert (ERRORS[-1], ERRORS[0], ERRORS[35]) == ("UNKNOWN_SERVER_ERROR", "NONE", "UNSUPPORTED_VERSION")
    assert sorted(ERRORS) == list(range(-1, max(ERRORS) + 1))
    assert 7 in RETRIABLE
    assert 29 not in RETRIABLE


def test_error_names_are_those_of_kafka_python() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        errors = pytest.importorskip("kafka.errors", exc_type=ImportError)
    known = {
        one.errno: (one.message, one.retriable)
        for one in vars(errors).values()
        if isinstance(one, type) and issubclass(one, errors.BrokerResponseError) and isinstance(one.errno, int)
    }
    shared = known.keys() & ERRORS.keys()
    assert len(shared) > 80
    unlike = {code: known[code][0] for code in shared if known[code][0] != ERRORS[code]}
    assert unlike.keys() <= _OLD_NAMES, unlike


_OLD_NAMES = {-1, 0, 6, 10, 14, 15, 16, 17, 39}
"""Codes that it calls as Kafka did before it renamed them, or in its own way."""


@pytest.fixture(scope="module")
def definitions() -> Path:
    """Kafka 4.3's own files for what clients use, which kafka-python ships."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        package = pytest.importorskip("kafka.protocol.schemas", exc_type=ImportError)
    return Path(next(iter(package.__path__))) / "resources"


def test_the_table_holds_what_kafka_s_own_files_say(definitions: Path) -> None:
    """Every version of every message that they define is laid out in the table as they have it."""
    names = runpy.run_path(str(SCRIPT))
    ours = names["read_table"]()
    compared = 0
    for name, theirs in names["read_release"](definitions).items():
        for version in theirs["versions"]:
            compared += 1
            assert laid_out(ours[name]["fields"], version) == laid_out(theirs["fields"], version), (name, version)
    assert compared > 480


def laid_out(fields: list[dict[str, Any]], version: int) -> list[Any]:
    return [
        (
            _RENAMED.get(one["name"], one["name"]),
            one["type"],
            version in one["nullable"],
            one["tag"] if version in one["tagged"] else None,
            one["default"],
            laid_out(one["fields"], version),
        )
        for one in fields
        if version in one["versions"]
    ]


_RENAMED = {"generation_id_or_member_epoch": "generation_id"}
"""In place, since 4.3."""


def test_a_field_that_a_release_adds_is_taken_up(tmp_path: Path) -> None:
    """The next release is one command: a new version of Heartbeat, in a file as Kafka writes them."""
    heartbeat: dict[str, Any] = {
        "apiKey": 12,
        "type": "request",
        "name": "HeartbeatRequest",
        "validVersions": "3-5",  # and what it has dropped is kept
        "flexibleVersions": "4+",
        "fields": [
            {"name": "GroupId", "type": "string", "versions": "0+", "entityType": "groupId"},
            {"name": "GenerationId", "type": "int32", "versions": "0+"},
            {"name": "MemberId", "type": "string", "versions": "0+"},
            {
                "name": "GroupInstanceId",
                "type": "string",
                "versions": "3+",
                "nullableVersions": "3+",
                "default": "null",
            },
            {"name": "Mood", "type": "int8", "versions": "5+", "default": "-1", "ignorable": True},
        ],
    }
    response = {
        **heartbeat,
        "type": "response",
        "name": "HeartbeatResponse",
        "fields": [
            {"name": "ThrottleTimeMs", "type": "int32", "versions": "1+", "ignorable": True},
            {"name": "ErrorCode", "type": "int16", "versions": "0+"},
        ],
    }
    release = tmp_path / "4.9.0"
    release.mkdir()
    (release / "HeartbeatRequest.json").write_text("// a comment\n" + json.dumps(heartbeat))
    (release / "HeartbeatResponse.json").write_text(json.dumps(response))
    done = script("--into", str(tmp_path), str(release))
    assert done.returncode == 0, done.stderr
    lines = (tmp_path / "schema_table.py").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith('    12: "'))
    assert "Heartbeat 0-5 4+ |" in line
    assert any(one.endswith(", 4.4.0, 4.9.0.") for one in lines)
    assert "; mood int8 5+ =-1 ~ |" in line
    assert "instance_id string 3+ ? =null" in line
    assert script("--check", str(release)).returncode == 1


def test_a_directory_is_as_good_as_a_jar(definitions: Path, tmp_path: Path) -> None:
    """A directory of the files, a checkout that has them in their place, and a jar give the same table."""
    checkout = tmp_path / "kafka"
    place = checkout / "clients" / "src" / "main" / "resources" / "common" / "message"
    shutil.copytree(definitions, place)
    elsewhere = checkout / "group-coordinator" / "src" / "main" / "resources" / "common" / "message"
    elsewhere.mkdir(parents=True)
    (elsewhere / "GroupMetadataKey.json").write_text('{"type": "data", "name": "GroupMetadataKey"}')
    (checkout / "gradle.properties").write_text("group=org.apache.kafka\nversion=4.3.1\nscalaVersion=2.13.18\n")
    jar = tmp_path / "kafka-clients-4.3.1.jar"
    with zipfile.ZipFile(jar, "w") as archive:
        for file in definitions.glob("*.json"):
            archive.write(file, f"common/message/{file.name}")
    names = runpy.run_path(str(SCRIPT))
    tables = {
        names["write_schemas"](names["merge_releases"]([names["read_release"](path)]), names["release_name"](path))
        for path in (place, checkout, jar)
    }
    assert len(tables) == 1
    assert "message definitions of Kafka 4.3.1.\n" in tables.pop()
    done = script("--fresh", "--into", str(tmp_path), str(checkout))
    assert done.stdout == "schema_table.py written\n", done.stderr


def test_what_is_no_release(tmp_path: Path) -> None:
    assert f"{tmp_path / 'x.jar'}: there is no such file" in script("--check", str(tmp_path / "x.jar")).stderr
    assert f"{tmp_path}: no message definitions" in script("--check", str(tmp_path)).stderr
    (tmp_path / "package.json").write_text('{"name": "x"}')
    assert (
        "package.json: not a message definition: KeyError('validVersions')" in script("--check", str(tmp_path)).stderr
    )


@pytest.mark.jvm
def test_the_tables_are_those_of_the_releases_they_came_from() -> None:
    """Downloads six `kafka-clients` jars from Maven Central; error codes take a JDK's javap."""
    done = script("--check", "--fetch", "--fresh")
    assert done.returncode == 0, done.stdout + done.stderr


def test_names_are_those_of_the_keys() -> None:
    assert [API_NAMES[key] for key in (0, 1, 3, 18, 58)] == ["Produce", "Fetch", "Metadata", "ApiVersions", "Envelope"]
