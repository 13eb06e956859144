"""`--filter`: each expression of the little language is the predicate of rules it is said to be."""

from __future__ import annotations

import json
import pickle

import pytest

import routing
from l7codec.cli import filters
from l7codec.cli.errors import UsageError
from l7codec.cli.filters import Filter
from l7codec.message import Kind, Message, Side
from tests.capture.mesh import AWESOME, MESH, arguments, said

SAYS = {
    "method=GET": {"attributes": {"method": {"exact": "GET"}}},
    "method!=GET": {"not": {"attributes": {"method": {"exact": "GET"}}}},
    "!method=GET": {"not": {"attributes": {"method": {"exact": "GET"}}}},
    "keys^=user:": {"attributes": {"keys": {"prefix": "user:"}}},
    "any:keys^=user:": {"attributes": {"keys": {"any": {"prefix": "user:"}}}},
    "every:keys$=:name": {"attributes": {"keys": {"every": {"suffix": ":name"}}}},
    "first:keys*==": {"attributes": {"keys": {"first": {"contains": "="}}}},
    "joined:header.via=a,b": {"attributes": {"header.via": {"joined": {"exact": "a,b"}}}},
    "nocase:method=get": {"attributes": {"method": {"exact": "get", "ignore_case": True}}},
    "nocase:any:keys?=*:NAME": {"attributes": {"keys": {"any": {"glob": "*:NAME", "ignore_case": True}}}},
    "keys~=user:[0-9]+": {"attributes": {"keys": {"regex": "user:[0-9]+"}}},
    "method:=GET,MGET": {"attributes": {"method": {"one_of": ["GET", "MGET"]}}},
    "redis.slot:=1,2": {"attributes": {"redis.slot": {"one_of": [1, 2]}}},
    "redis.slot=42": {"attributes": {"redis.slot": {"exact": 42}}},
    "redis.write=true": {"attributes": {"redis.write": {"exact": True}}},
    "source.address@=10.0.0.0/8,fd00::/8": {"attributes": {"source.address": {"cidr": ["10.0.0.0/8", "fd00::/8"]}}},
    "size>=1000": {"attributes": {"size": {"range": {"start": 1000}}}},
    "size>1000": {"attributes": {"size": {"range": {"start": 1001}}}},
    "size<1000": {"attributes": {"size": {"range": {"end": 1000}}}},
    "size<=-1": {"attributes": {"size": {"range": {"end": 0}}}},
    "header.debug": {"attributes": {"header.debug": {"present": True}}},
    "!header.debug": {"not": {"attributes": {"header.debug": {"present": True}}}},
    "header.x-a.b_c~=": {"attributes": {"header.x-a.b_c": {"regex": ""}}},
    "error.message= two words": {"attributes": {"error.message": {"exact": " two words"}}},
    "header.n>=5": {"attributes": {"header.n": {"range": {"start": 5}}}},
}


@pytest.mark.parametrize("expression", SAYS)
def test_what_an_expression_says(expression):
    assert filters._match(expression) == SAYS[expression]
    routing.matcher(SAYS[expression])
    assert Filter.of([expression]).wants is not None


def test_a_match_of_rules_is_taken_as_it_is():
    match = {"any_of": [{"attributes": {"method": "GET"}}, {"attributes": {"size": {"range": {"start": 1000}}}}]}
    assert filters._match(json.dumps(match)) == match
    assert filters._match("!" + json.dumps(match)) == {"not": match}


def message(**metadata) -> Message:
    named = {key.replace("__", "."): value for key, value in metadata.items()}
    return Message("redis", Kind.REQUEST, Side.CLIENT, named, b"12345", id=7)


@pytest.mark.parametrize(
    ("expression", "wants"),
    [
        ("kind=request", True),
        ("kind=response", False),
        ("side=client", True),
        ("protocol=redis", True),
        ("id=7", True),
        ("size>=5", True),
        ("size>5", False),
        ("method!=GET", True),  # it is missing
        ("redis.write=false", True),
        ("redis.write=true", False),
        ("keys^=user:", False),  # every one unless said
        ("any:keys^=user:", True),
        ("first:keys^=user:", True),
        ("first:keys^=cart:", False),
        ("keys", True),
        ("!keys", False),
    ],
)
def test_messages_are_asked_as_rules_ask(expression, wants):
    one = message(keys=("user:1", "cart:1"), redis__write=False)
    assert Filter.of([expression]).wants(one) is wants


def test_several_must_all_hold():
    wants = Filter.of(["method=GET", "size>=5"]).wants
    assert wants(message(method="GET"))
    assert not wants(message(method="SET"))


def test_no_filter_wants_everything_and_asks_nothing():
    assert Filter.of([]) == Filter((), None, False)


def test_expressions_make_the_same_filter_elsewhere():
    one = Filter.of(["method=GET", "source.port>1"])
    again = Filter.of(pickle.loads(pickle.dumps(one.expressions)))
    assert again.expressions == one.expressions
    assert again.addresses is one.addresses is True


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("methd=GET", "no message has 'methd'; did you mean 'method'?"),
        ("zzz=1", "no message has 'zzz'; `l7codec protocols NAME` lists"),
        ('{"attributes": {"methd": "x"}}', "no message has 'methd'"),
        ('{"any_of": [{"not": {"attributes": {"kys": "x"}}}]}', "no message has 'kys'"),
        ('{"attributes": {"size": {"rang": 1}}}', "match.attributes.size.rang: unknown key; did you mean 'range'?"),
        ("{", "is not JSON"),
        ("", "write it as KEY=VALUE"),
        ("=x", "write it as KEY=VALUE"),
        ("!", "write it as KEY=VALUE"),
        ("redis.slot=x", "'redis.slot' is compared with integers"),
        ("redis.write=yes", "'redis.write' is true or false, not 'yes'"),
        ("redis.write>1", "'redis.write' is true or false"),
        ("redis.slot^=1", "'redis.slot' is an integer, which ^= cannot compare"),
        ("size>=99999999999999999999", "size>="),
        ("any:every:keys=a", "says both any: and every:"),
        ("any:keys", "asks nothing of the value"),
        ("keys^=", "is empty"),
        ("keys~=(", "is not an RE2 regular expression"),
        ("source.address@=10.0.0.1/8", "write 10.0.0.0/8"),
    ],
)
def test_mistakes_are_named(expression, said):
    with pytest.raises(UsageError) as caught:
        Filter.of([expression])
    assert str(caught.value).startswith(f"--filter {expression}: ")
    assert said in str(caught.value)


# -- on a capture -----------------------------------------------------------------------------------------------------


def sent(*names: bytes) -> int:
    """How many commands of these names the applications say they sent."""
    return sum(
        arguments(request)[0].upper() in names
        for entry in said().values()
        if entry["protocol"] == "redis"
        for request in entry["requests"]
    )


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_decode_prints_what_is_wanted(run, jobs):
    done = run("decode", "--json", "--jobs", jobs, "--filter", "method:=GET,SET", "--filter", "kind=request", MESH)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0
    assert len(rows) == sent(b"GET", b"SET")
    assert {row["metadata"]["method"] for row in rows} == {"GET", "SET"}
    assert done.stderr == run("decode", "--json", "--jobs", jobs, MESH).stderr  # the summary is of the whole capture


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_so_does_the_table(run, jobs):
    done = run("decode", "--jobs", jobs, "--filter", "any:keys^=user:", "--filter", "method=GET", MESH)
    keys = [
        arguments(request)[1]
        for entry in said().values()
        if entry["protocol"] == "redis"
        for request in entry["requests"]
        if arguments(request)[0] == b"GET" and arguments(request)[1].startswith(b"user:")
    ]
    assert [line.rpartition(" ")[2].encode() for line in done.stdout.splitlines()] == keys


def test_addresses_are_there_for_filters_that_ask(run):
    port = next(port for port, entry in said().items() if entry["scene"] == "by_hand")
    done = run("decode", "--json", "--filter", f"source.port={port}", "--filter", "kind=request", MESH)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["metadata"]["method"] for row in rows] == [
        arguments(request)[0].decode() for request in said()[port]["requests"]
    ]
    assert {row["metadata"]["source.port"] for row in rows} == {port}


def test_keys_of_a_declared_codec_are_known(run):
    asked = ("decode", "--json", "--filter", "awesome.code>=1", MESH)
    assert "no message has 'awesome.code'" in run(*asked).stderr
    done = run(*asked, "--codec", AWESOME)
    assert [json.loads(line)["metadata"]["status"] for line in done.stdout.splitlines()] == ["error"]


def test_a_wrong_filter_is_a_wrong_usage(run):
    done = run("decode", "--filter", "methd=\x1b[1m", MESH)
    assert (done.returncode, done.stdout) == (2, "")
    assert "\\x1b[1m" in done.stderr
    assert "\x1b" not in done.stderr


def test_the_help_teaches_the_language(run):
    told = run("decode", "--help").stdout
    assert filters.FILTER_HELP.strip() in told
    assert filters.FILTER_HELP.strip() in run("route", "--help").stdout
    for operator in ("=", "!=", "^=", "$=", "*=", "?=", "~=", ":=", "@=", ">="):
        assert operator in told
