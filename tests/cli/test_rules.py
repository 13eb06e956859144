"""`route`, `explain`, `check`, `convert`, run as processes. What is expected comes from the rules and the capture."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import yaml

import routing
from l7codec.cli.options import DIALECTS
from tests.capture.mesh import AWESOME, arguments, first_scenes, said

MESH = first_scenes()

NEW = """\
routes:
  - name: users
    match:
      attributes:
        protocol: redis
        method: {one_of: [GET, MGET]}
        keys: {any: {prefix: "user:"}}
    destinations: [{host: replica, subset: eu}]
  - name: scripts
    match: {attributes: {method: {prefix: EVAL}}}
    respond: deny
  - name: never
    match: {attributes: {method: SHUTDOWN}}
    respond: deny
  - name: others
    match: {attributes: {protocol: redis}}
    destinations: [{host: primary, port: 6379}]
"""
OLD = """\
routes:
  - name: users
    match: {attributes: {protocol: redis, method: GET, keys: {any: {prefix: "user:"}}}}
    destinations: [{host: replica, subset: eu}]
  - name: others
    match: {attributes: {protocol: redis}}
    destinations: [{host: primary, port: 6379}]
"""


@pytest.fixture
def write(tmp_path):
    def call(text: str, name: str = "rules.yaml") -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return call


def commands() -> list[list[bytes]]:
    """Every command that the applications in the capture say they sent."""
    return [
        arguments(request) for entry in said().values() if entry["protocol"] == "redis" for request in entry["requests"]
    ]


def rule_of(command: list[bytes]) -> str:
    """What the rules of NEW say, by hand."""
    name = command[0].upper()
    if name in (b"GET", b"MGET") and any(key.startswith(b"user:") for key in command[1:]):
        return "users"
    return "scripts" if name.startswith(b"EVAL") else "others"


EXPECTED = Counter(map(rule_of, commands()))


# -- route ------------------------------------------------------------------------------------------------------------


def test_every_request_is_decided(run, write):
    done = run("route", "--json", write(NEW), MESH)
    *rows, last = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0
    assert Counter(row["decision"]["route"] for row in rows) == EXPECTED
    for row in rows:
        assert row["kind"] == "request"
        decision = row["decision"]
        match decision["route"]:
            case "users":
                assert decision["destination"] == {"host": "replica", "subset": "eu", "port": None}
            case "scripts":
                assert (decision["destination"], decision["respond"]) == (None, "denied")
            case _:
                assert decision["destination"] == {"host": "primary", "subset": None, "port": 6379}
    summary = last["summary"]
    assert summary["requests"] == len(commands())
    assert summary["unmatched"] == 0
    assert {rule["rule"]: rule["hits"] for rule in summary["rules"]} == {**EXPECTED, "never": 0}
    assert [rule["rule"] for rule in summary["rules"]] == ["users", "scripts", "never", "others"]


def test_as_a_table(run, write):
    done = run("route", write(NEW), MESH)
    lines = done.stdout.splitlines()
    requests, counts = lines[: lines.index("")], lines[lines.index("") + 1 :]
    assert len(requests) == len(commands())
    assert "redis GET user:1  ⇒ users → replica/eu" in requests[4]
    assert [line.split() for line in counts[1:]] == [
        [str(EXPECTED["users"]), "0.", "users", "→", "replica/eu"],
        [str(EXPECTED["scripts"]), "1.", "scripts", "→", "answered:", "denied"],
        ["0", "2.", "never", "took", "none"],
        [str(EXPECTED["others"]), "3.", "others", "→", "primary:6379"],
    ]
    assert run("route", "--counts", write(NEW), MESH).stdout.splitlines() == counts


def test_what_no_rule_takes(run, write):
    rules = write(NEW.replace("{protocol: redis}}", "{protocol: awesome}}"))
    done = run("route", "--json", rules, MESH, "--codec", AWESOME)
    *rows, last = [json.loads(line) for line in done.stdout.splitlines()]
    assert sum(row["decision"] is None for row in rows) == last["summary"]["unmatched"] == EXPECTED["others"]
    rpc = sum(len(entry["requests"]) for entry in said().values() if entry["protocol"] == "awesome")
    assert last["summary"]["rules"][3]["hits"] == rpc  # the oneway among them
    assert f"{EXPECTED['others']:>8}  no rule" in run("route", "--counts", rules, MESH).stdout.splitlines()


def test_filters_choose_the_requests(run, write):
    done = run("route", "--json", "--counts", "--filter", "method=MGET", write(NEW), MESH)
    [summary] = [json.loads(line)["summary"] for line in done.stdout.splitlines()]
    assert summary["requests"] == sum(command[0] == b"MGET" for command in commands())


def test_what_would_move(run, write):
    done = run("route", "--json", "--against", write(OLD, "old.yaml"), write(NEW), MESH)
    *rows, last = [json.loads(line) for line in done.stdout.splitlines()]
    mget = sum(command[0] == b"MGET" for command in commands())
    moved = [row for row in rows if row["moved"]]
    assert len(rows) == len(commands())
    assert Counter(row["metadata"]["method"] for row in moved) == {"MGET": mget, "EVAL": 2, "EVALSHA": 2}
    found = {(move["from"], move["to"]): move["requests"] for move in last["summary"]["moved"]}
    assert found == {("primary:6379", "replica/eu"): mget, ("primary:6379", "answered: denied"): EXPECTED["scripts"]}
    frames = {move["to"]: move["frame"] for move in last["summary"]["moved"]}
    assert frames["replica/eu"] == next(row["frame"] for row in moved if row["metadata"]["method"] == "MGET")
    old, new = (routing.load(yaml.safe_load(text)) for text in (OLD, NEW))
    differences = {one["rule"]: one for one in last["summary"]["differences"]}
    assert set(differences) == {"users", "scripts", "never"}
    for one in differences.values():  # each witness shows what it is said to show
        before, after = old.match(one["witness"]), new.match(one["witness"])
        assert (before and before.route.name, after and after.route.name) == (one["before"], one["after"])
        assert before is None or after is None or before.destination != after.destination


def test_what_would_move_as_a_table(run, write):
    done = run("route", "--against", write(OLD, "old.yaml"), write(NEW), MESH)
    requests, _, moves = done.stdout.split("\n\n")
    assert len(requests.splitlines()) == 5
    assert "redis MGET user:1 user:2 user:3  primary:6379 ⇒ users → replica/eu" in requests
    assert moves.splitlines()[0].split()[:3] == ["5", "of", str(len(commands()))]
    assert "added never" in moves
    same = run("route", "--against", write(NEW, "old.yaml"), write(NEW), MESH).stdout
    assert same.rstrip().endswith(f"0 of {len(commands())} requests would be treated differently")


def test_a_new_name_moves_nothing(run, write):
    rules = write(NEW.replace("name: others", "name: rest"))
    done = run("route", "--json", "--counts", "--against", write(NEW, "old.yaml"), rules, MESH)
    summary = json.loads(done.stdout)["summary"]
    assert summary["moved"] == []
    assert {one["rule"]: one["witness"] for one in summary["differences"]} == {"others": None, "rest": None}


def test_weights_are_followed_and_drawn_alike(run, write):
    weighted = NEW.replace("[{host: primary, port: 6379}]", "[{host: a, weight: 3}, {host: b, weight: 1}]")
    rules, old = (
        write(weighted),
        write(weighted.replace("weight: 3", "weight: 30").replace("weight: 1}", "weight: 10}")),
    )
    first = run("route", "--json", "--against", old, rules, MESH).stdout
    assert first == run("route", "--json", "--against", old, rules, MESH).stdout
    summary = json.loads(first.splitlines()[-1])["summary"]
    assert summary["moved"] == []  # 30 to 10 is 3 to 1
    shares = summary["rules"][3]["destinations"]
    assert set(shares) == {"a", "b"}
    assert 0.6 < shares["a"] / EXPECTED["others"] < 0.9


def test_several_files(run, write):
    done = run("route", "--json", write(NEW), MESH, MESH)
    *rows, last = [json.loads(line) for line in done.stdout.splitlines()]
    assert {row["file"] for row in rows} == {str(MESH)}
    assert last["summary"]["requests"] == 2 * len(commands())


def test_a_capture_that_cannot_be_read(run, write, tmp_path):
    done = run("route", "--json", write(NEW), tmp_path / "none.pcap", MESH)
    assert done.returncode == 3
    assert json.loads(done.stdout.splitlines()[-1])["summary"]["requests"] == len(commands())


def test_standard_input_is_one_file(run, write):
    done = run("route", "--counts", write(NEW), "-", stdin=MESH.read_bytes())
    assert done.returncode == 0
    done = run("route", "-", MESH, stdin=NEW.encode())
    assert f"{EXPECTED['users']:>8}  0. users → replica/eu" in done.stdout
    assert run("route", "-", "-").returncode == 2


def test_a_capture_that_still_runs_is_ended_with_its_counts(command, write):
    with subprocess.Popen(
        [command, "route", str(write(NEW)), "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdin.write(MESH.read_bytes())
        process.stdin.flush()
        lines = [process.stdout.readline() for _ in commands()]  # they come at once
        assert b"redis CLIENT SETINFO" in lines[0]
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert f"{EXPECTED['users']:>8}  0. users → replica/eu" in rest.decode()
    assert b"Traceback" not in errors


def test_nobody_reads(command, write):
    files = " ".join([str(MESH)] * 30)
    shell = f"{command} route {write(NEW)} {files} | head -1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 141
    assert "Traceback" not in done.stderr


# -- explain ----------------------------------------------------------------------------------------------------------


def test_the_tree(run, write):
    done = run("explain", write(NEW), "--set", "protocol=redis", "--set", "method=GET", "--set", "keys=cart:1")
    assert done.returncode == 0
    assert (
        done.stdout
        == """\
✗ 0. users
   └─ keys: {any: {prefix: "user:"}}  but it is ["cart:1"]
✗ 1. scripts
   └─ method: {prefix: "EVAL"}  but it is "GET"
✗ 2. never
   └─ method: "SHUTDOWN"  but it is "GET"
✓ 3. others  ← takes it
   └─ → primary:6379
"""
    )


def test_alternatives_and_negations_are_branches(run, write):
    rules = write("""\
routes:
- name: a
  match:
    attributes: {service: shop}
    any_of:
    - attributes: {method: get}
    - attributes: {method: put, header.tier: gold}
    - any_of: [{attributes: {group: g}}, {attributes: {version: "2"}}]
    not: {attributes: {header.debug: {present: true}}}
  destinations: [{host: h}]
""")
    done = run("explain", rules, "--set", "service=shop", "--set", "method=put", "--set", "header.debug=1")
    assert (
        done.stdout
        == """\
✗ 0. a
   ├─ any_of: none of these holds
   │  ├─ method: "get"  but it is "put"
   │  ├─ header.tier: "gold"  but it is missing
   │  └─ any_of: none of these holds
   │     ├─ group: "g"  but it is missing
   │     └─ version: "2"  but it is missing
   └─ not: {attributes: {header.debug: {present: true}}}  but header.debug is "1"
no rule takes it
"""
    )


def test_rules_behind_the_winner(run, write):
    asked = ("explain", write(OLD), "--set", "method=GET", "--set", "keys=user:1", "--set", "protocol=redis")
    assert run(*asked).stdout.splitlines()[-1] == "… 1 rule behind it, not asked (--all shows them)"
    assert run(*asked, "--all").stdout.splitlines()[-1] == "✓ 1. others  would match, but comes later"


def test_explain_as_json(run, write):
    done = run("explain", "--json", write(NEW), "--set", "method=GET", "--set", "keys=user:1", "--set", "keys=b",
               "--set", "protocol=redis", "--set", "redis.slot=7", "--set", "redis.write=false", "--set", "size=9",
               "--set", "header.a=1", "--set", "header.b=1", "--set", "header.b=2")  # fmt: skip
    told = json.loads(done.stdout)
    assert told["message"] == {
        "method": "GET", "keys": ["user:1", "b"], "protocol": "redis", "redis.slot": 7, "redis.write": False, "size": 9,
        "header.a": "1", "header.b": ["1", "2"],
    }  # fmt: skip
    assert told["winner"] == "users"
    assert told["decision"]["destination"]["host"] == "replica"
    assert [rule["matched"] for rule in told["rules"]] == [True, False, False, True]


def test_chance(run, write):
    rules = write("routes: [{name: a, destinations: [{host: x, weight: 1}, {host: y, weight: 1}]}]")
    table = routing.load(yaml.safe_load(rules.read_text()))
    hosts = []
    for number in (1, 2, 3, 4, 2**64 - 1):
        told = json.loads(run("explain", "--json", rules, "--random", number).stdout)
        hosts.append(told["decision"]["destination"]["host"])
        assert hosts[-1] == table.match({}, random=number).destination.host
    assert set(hosts) == {"x", "y"}
    assert run("explain", rules, "--random", 2**64).returncode == 2


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("method", "write it as KEY=VALUE"),
        ("=x", "write it as KEY=VALUE"),
        ("redis.slot=x", "'redis.slot' is compared with integers"),
        ("redis.write=1", "'redis.write' is true or false"),
    ],
)
def test_values_that_cannot_be(run, write, setting, said):
    done = run("explain", write(NEW), "--set", setting)
    assert done.returncode == 2
    assert said in done.stderr


def test_a_key_has_one_value_unless_it_has_several(run, write):
    assert (
        "has one value, and 2 are given" in run("explain", write(NEW), "--set", "method=a", "--set", "method=b").stderr
    )
    done = run("explain", write(NEW), "--set", "methd=a")
    assert done.returncode == 0
    assert "warning: no message has 'methd'; did you mean 'method'?" in done.stderr


def test_control_characters_stay_harmless(run, write):
    rules = write('routes: [{name: "a\\e[1m", match: {attributes: {method: "\\e]0;x\\a"}}, respond: deny}]')
    for output in ((), ("--json",)):
        done = run("explain", rules, "--set", "method=\x1b[31m", *output)
        assert "\x1b" not in done.stdout
        assert "\x07" not in done.stdout
        done = run("check", rules, *output)
        assert "\x1b" not in done.stdout + done.stderr


def test_colours_on_a_terminal(command, write):
    from tests.cli.test_decode import in_terminal

    told = in_terminal([command, "explain", str(write(NEW)), "--set", "protocol=redis", "--set", "method=GET"])
    assert "\x1b[32m✓\x1b[0m" in told
    plain = in_terminal([command, "explain", str(write(NEW)), "--set", "protocol=redis"], {"NO_COLOR": "1"})
    assert "\x1b[32m" not in plain
    assert "takes it" in plain


# -- check ------------------------------------------------------------------------------------------------------------

WRONG = """\
routes:
- {name: all-gets, match: {attributes: {method: {prefix: GET}}}, destinations: [{host: a}]}
- {name: getrange, match: {attributes: {method: GETRANGE}}, destinations: [{host: b}]}
- {name: typo, match: {attributes: {mehtod: SET}}, destinations: [{host: c}]}
- {name: both, match: {all_of: [{attributes: {method: A}}, {attributes: {method: B}}]}, destinations: [{host: d}]}
- {name: edit, match: {attributes: {method: SET}}, destinations: [{host: e}], request_edits: {status: x}}
- {name: deny, match: {attributes: {method: DEL, keys: {prefix: "a"}}}, respond: deny}
"""


def test_findings(run, write):
    done = run("check", "--json", write(WRONG))
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    found = {row["rule"]: row for row in rows if row["kind"] != "overlap"}
    assert done.returncode == 1
    assert {rule: row["kind"] for rule, row in found.items()} == {
        "getrange": "shadowed", "typo": "unknown_attribute", "both": "contradiction", "edit": "impossible_edit",
        "deny": "implicit_quantifier",
    }  # fmt: skip
    assert found["getrange"]["others"] == ["all-gets"]
    assert found["getrange"]["witness"] == {"method": "GETRANGE"}
    assert "did you mean 'method'?" in found["typo"]["message"]
    assert done.stderr.endswith(f"rules.yaml: 6 rules, {len(rows)} findings\n")


def test_findings_for_people(run, write):
    done = run("check", write(WRONG))
    lines = done.stdout.splitlines()
    assert done.returncode == 1
    assert lines[0].startswith("shadowed getrange: 'all-gets' before it ")
    assert lines[1] == '    for example method="GETRANGE"'


def test_nothing_found(run, write):
    done = run("check", write(OLD))
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.endswith("rules.yaml: 2 rules, nothing found\n")


def test_edits_are_those_of_the_protocol(run, write):
    rules = write("routes: [{name: a, destinations: [{host: h}], request_edits: {keys: [x]}}]")
    assert run("check", rules).returncode == 0
    assert run("check", "--protocol", "redis", rules).returncode == 0
    done = run("check", "--protocol", "proxy", rules)
    assert done.returncode == 1
    assert "impossible_edit a: 'keys'" in done.stdout
    assert run("check", "--protocol", "rediss", rules).returncode == 2


def test_keys_of_a_declared_codec(run, write):
    rules = write("routes: [{name: a, match: {attributes: {awesome.code: 3}}, destinations: [{host: h}]}]")
    assert "unknown_attribute" in run("check", rules).stdout
    assert run("check", "--codec", AWESOME, rules).returncode == 0


# -- convert ----------------------------------------------------------------------------------------------------------

DUBBO = """\
apiVersion: metaprotocol.aeraki.io/v1alpha1
kind: MetaRouter
metadata: {name: orders}
spec:
  hosts: [org.apache.dubbo.samples.orders]
  routes:
  - name: v1
    match: {attributes: {interface: {exact: com.example.Orders}, method: {prefix: get}}}
    route: [{destination: {host: orders, subset: v1}}]
"""


def test_a_document_of_another_system(run, write):
    source = write(DUBBO, "router.yaml")
    done = run("convert", source, "--to", "l7codec")
    assert done.returncode == 0
    assert routing.load(yaml.safe_load(done.stdout)).routes == routing.load(yaml.safe_load(DUBBO)).routes
    done = run("convert", source, "--to", "aeraki", "--format", "json")
    assert routing.load(json.loads(done.stdout)).routes == routing.load(yaml.safe_load(DUBBO)).routes


def test_convert_to_envoy_dubbo(run, write):
    match = {"attributes": {"service": "com.example.Orders", "method": {"prefix": "get"}}}
    own = {"routes": [{"name": "v1", "match": match, "destinations": [{"host": "orders-v1"}]}]}
    done = run("convert", write(json.dumps(own), "own.json"), "--to", "envoy-dubbo")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)  # JSON, as it was written
    table = routing.load(document, "envoy-dubbo")
    assert table.match({"service": "com.example.Orders", "method": "getOrder"}).destination.host == "orders-v1"
    assert table.match({"service": "com.example.Orders", "method": "putOrder"}) is None
    back = run("convert", "--from", "envoy-dubbo", "-", "--to", "l7codec", stdin=done.stdout.encode())
    assert (
        routing.load(json.loads(back.stdout)).match({"service": "com.example.Orders", "method": "getOrder"}) is not None
    )


def test_quirks_are_warnings(run, write):
    done = run("convert", write(DUBBO.replace("{exact: com.example.Orders}", "{}")), "--to", "l7codec")
    notes = routing.load(yaml.safe_load(DUBBO.replace("{exact: com.example.Orders}", "{}"))).notes
    assert done.returncode == 0
    assert notes
    assert done.stderr.count("warning: ") == len(notes)


def test_what_cannot_be_said_is_an_error(run, write):
    done = run("convert", write(NEW), "--to", "envoy-thrift")
    assert (done.returncode, done.stdout) == (1, "")
    assert "as envoy-thrift: routes[1].respond: cannot be said in this dialect" in done.stderr
    assert "routes[2].respond" in done.stderr


def test_dialects(run, write):
    assert tuple(DIALECTS) == routing.DIALECTS
    told = run("convert", "--help").stdout
    assert all(name in told for name in routing.DIALECTS)
    assert run("convert", write(NEW), "--to", "envoy").returncode == 2
    assert run("check", write(NEW), "--dialect", "envoy").returncode == 2


# -- files of rules ---------------------------------------------------------------------------------------------------

COMMANDS = {
    "route": lambda rules: ("route", rules, MESH),
    "explain": lambda rules: ("explain", rules),
    "check": lambda rules: ("check", rules),
    "convert": lambda rules: ("convert", rules, "--to", "l7codec"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_mistake_at_once_with_its_path(run, write, name):
    rules = write("routes:\n- {name: a, match: {attributes: {method: {prefx: x}}}, destinations: []}\n- {nme: b}\n")
    done = run(*COMMANDS[name](rules))
    lines = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (1, "")
    assert all(line.startswith(f"l7codec: {rules}: routes[") for line in lines)
    assert any("routes[0].match.attributes.method.prefx: unknown key; did you mean 'prefix'?" in line for line in lines)
    assert any("routes[0].destinations" in line for line in lines)
    assert any("routes[1].nme: unknown key" in line for line in lines)


@pytest.mark.parametrize("name", COMMANDS)
def test_files_that_cannot_be_read(run, tmp_path, name):
    done = run(*COMMANDS[name](tmp_path / "none.yaml"))
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == f"l7codec: {tmp_path / 'none.yaml'}: No such file or directory\n"
    assert run(*COMMANDS[name](tmp_path)).returncode == 3


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("a.yaml", b"routes: [", "line 1, column"),
        ("a.yaml", b"", "is empty"),
        ("a.yaml", b"routes: []\n---\nroutes: []\n", "holds 2 documents; a table is one: split the file"),
        ("a.yaml", b"routes: []\nroutes: []\n", "line 2: 'routes' is there twice; see line 1"),
        ("a.json", b'{"routes": []', "line 1, column 14"),
        ("a.json", b'{"routes": [], "routes": []}', "'routes' is there twice in one object"),
        ("a.json", b"[" * 100_000, "is nested too deep"),
        ("a.yaml", b"routes: \xff", "byte 8: is not UTF-8"),
        ("a.yaml", b"- 1\n", "is a list"),
    ],
)
def test_files_that_are_no_rules(run, tmp_path, name, data, said):
    path = tmp_path / name
    path.write_bytes(data)
    done = run("check", path)
    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_json_and_a_byte_order_mark(run, tmp_path):
    path = tmp_path / "rules"  # no suffix: told by its first character
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(yaml.safe_load(OLD)).encode())
    assert run("check", path).returncode == 0
    assert run("check", "-", stdin=OLD.encode()).returncode == 0


def without(tmp_path: Path, module: str) -> dict[str, str]:
    """An environment in which a module cannot be imported."""
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / f"{module}.py").write_text(f"raise ImportError('{module} is not here')\n")
    return {"PYTHONPATH": str(hidden)}


def test_without_yaml(run, write, tmp_path):
    environment = without(tmp_path, "yaml")
    done = run("check", write(OLD), environment=environment)
    assert done.returncode == 2
    assert done.stderr == ("l7codec: YAML (JSON works without) needs the extra 'yaml': pip install 'l7codec[yaml]'\n")
    assert run("check", write(json.dumps(yaml.safe_load(OLD)), "a.json"), environment=environment).returncode == 0


def test_without_re2(run, write, tmp_path):
    rules = write("routes: [{name: a, match: {attributes: {method: {regex: a}}}, destinations: [{host: h}]}]")
    done = run("check", rules, environment=without(tmp_path, "re2"))
    assert done.returncode == 2
    assert "pip install 'l7codec[re2]'" in done.stderr


# -- whose routing ----------------------------------------------------------------------------------------------------


def test_another_routing_is_named_and_not_run(run, write, tmp_path):
    other = tmp_path / "path" / "routing.py"
    other.parent.mkdir()
    other.write_text("raise SystemExit('it was run')\n")
    environment = {"PYTHONPATH": str(other.parent)}
    for asked in (("check", write(OLD)), ("decode", "--filter", "method=GET", MESH)):
        done = run(*asked, environment=environment)
        assert done.returncode == 2
        assert f"'routing' is {other}, which shadows the package" in done.stderr
    assert run("decode", MESH, environment=environment).returncode == 0  # it needs no rules


def test_the_directory_one_stands_in(write, tmp_path):
    """`python -m` puts it first on the path."""
    other = tmp_path / "routing.py"
    other.write_text("def load(document):\n    return document\n")
    done = subprocess.run(
        [sys.executable, "-m", "l7codec", "check", str(write(OLD))],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False, env=dict(os.environ),
    )  # fmt: skip
    assert done.returncode == 2
    assert f"'routing' is {other}" in done.stderr


def test_rules_cost_nothing_where_there_are_none(command):
    """Commands that need no rules do not import them."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "l7codec", "decode", "--json", str(MESH)],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert " routing" not in done.stderr
    assert " yaml" not in done.stderr
