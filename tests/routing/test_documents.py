"""Loading, dumping, comparing and merging: every error at once, and nothing lost."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import routing
from routing import regex
from routing.conditions import Condition
from routing.table import RouteTable
from tests.routing import generate


def rule(name: str, host: str = "h", **match: Any) -> dict[str, Any]:
    return {"name": name, "match": {"attributes": match}, "destinations": [{"host": host}]}


def problems(document: Any) -> dict[str, str]:
    with pytest.raises(routing.ConfigError) as caught:
        routing.load(document)
    assert pickle.loads(pickle.dumps(caught.value)).errors == caught.value.errors
    for problem in caught.value.errors:
        assert str(problem) in str(caught.value)
    return {problem.path: f"{problem.reason}; {problem.remedy}" for problem in caught.value.errors}


def test_every_error_at_once_with_its_path_and_remedy() -> None:
    found = problems({"routes": [
        {"nam": "a", "match": {"attributes": {
            "header.x": 5, "header.y": True, "p": {"prefix": ""}, "c": {"cidr": "10.0.0.1/8"}, "d": {}, "e": None,
            "f": {"ignore_case": True}, "g": {"exact": 5, "ignore_case": True}, "h": {"range": {}}, "i": 1.5,
            "j": {"range": {"start": "3"}}, "l": {"one_of": []}, "m": {"present": "yes"}, "n": {"any": {}},
        }, "any_of": [], "nt": {}}, "destinations": [{"host": "x", "weight": 0}]},
        {"name": "b"},
        {"name": "b", "destinations": [{"hots": "x", "port": 70000}], "respond": "deny", "timeout": float("nan")},
        {"name": "c", "destinations": [{"host": "x"}], "mirrors": [{"destination": {"host": "m"}, "percent": 101}]},
        7,
    ], "rules": []})  # fmt: skip
    assert found == {
        "rules": "unknown key; did you mean 'routes'?",
        "routes[0].nam": "unknown key; did you mean 'name'?",
        "routes[0].match.attributes.header.x": "is an integer, but headers have text; quote it: '5'",
        "routes[0].match.attributes.header.y": "is a boolean, but headers have text; quote it: 'true'",
        "routes[0].match.attributes.p.prefix": "is empty, which every text has; write {present: true} if that is meant",
        "routes[0].match.attributes.c.cidr":
            "is not a network; bits are set past the prefix length: write 10.0.0.0/8",
        "routes[0].match.attributes.d": "asks nothing; write {present: true} if any value will do",
        "routes[0].match.attributes.e": "is null; {present: false} asks for absence",
        "routes[0].match.attributes.f.ignore_case":
            "stands alone; write it beside one of exact, one_of, prefix, suffix, contains, glob",
        "routes[0].match.attributes.g.exact": "is an integer, which has no case; drop ignore_case",
        "routes[0].match.attributes.h.range": "has no bound; write {start: 3, end: 10}, meaning 3 <= x < 10",
        "routes[0].match.attributes.i": "is a number; write a string, integer or boolean",
        "routes[0].match.attributes.j.range.start":
            "is a string; write an integer from -9223372036854775808 to 9223372036854775807",
        "routes[0].match.attributes.l.one_of": "is empty; write at least one value",
        "routes[0].match.attributes.m.present": "is a string; write true or false",
        "routes[0].match.attributes.n.any": "asks nothing; write a predicate",
        "routes[0].match.any_of": "is empty; write at least one condition",
        "routes[0].match.nt": "unknown key; did you mean 'not'?",
        "routes[0].destinations": "the weights add up to 0, so none can be chosen; give one of them a weight",
        "routes[1]": "says nothing of what to do; write exactly one of destinations, destination_from, respond",
        "routes[2]":
            "says destinations and respond; write exactly one of destinations, destination_from, respond",
        "routes[2].name": "'b' is also the name of routes[1]; give each rule its own",
        "routes[2].destinations[0].hots": "unknown key; did you mean 'host'?",
        "routes[2].destinations[0]": "has no host; write {host: name}",
        "routes[2].destinations[0].port": "is out of bounds; write an integer from 1 to 65535",
        "routes[2].timeout": "is no duration; write a positive number of seconds",
        "routes[3].mirrors[0].percent": "is no percentage; write a number from 0 to 100",
        "routes[4]": "is an integer; write a mapping",
    }  # fmt: skip


@pytest.mark.skipif(not regex.available(), reason="google-re2 is not installed")
def test_a_bad_regex_names_its_path() -> None:
    document = {
        "routes": [rule("a"), rule("b", method={"regex": "(?=x)"}), rule("c", x={"regex": "a", "ignore_case": True})]
    }
    assert list(problems(document)) == [
        "routes[1].match.attributes.method.regex",
        "routes[2].match.attributes.x.ignore_case",
    ]


def test_without_re2_a_regex_rule_is_refused_in_one_clear_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(regex, "_re2", None)
    with pytest.raises(routing.MissingExtra, match=r"pip install 'l7codec\[re2\]'") as caught:
        routing.load({"routes": [rule("a", method={"regex": "x"})]})
    assert isinstance(caught.value, ImportError)
    assert isinstance(caught.value, routing.ConfigError)
    assert caught.value.errors[0].path == "routes[0].match.attributes.method.regex"
    with pytest.raises(routing.ConfigError) as mixed:  # where more is wrong, all of it is said
        routing.load({"routes": [rule("a", method={"regex": "x"}), {"name": "b"}]})
    assert len(mixed.value.errors) == 2


def nested(depth: int) -> Any:
    match: Any = {"attributes": {"a": "b"}}
    for _ in range(depth):
        match = {"not": match}
    return match


def test_depth_and_size_are_limited() -> None:
    routing.load({"routes": [{"name": "r", "match": nested(30), "destinations": [{"host": "h"}]}]})
    assert any("deep" in text for text in problems({"routes": [{**rule("r"), "match": nested(5000)}]}).values())
    endless: dict[str, Any] = {}
    endless["not"] = endless
    assert any("deep" in text for text in problems({"routes": [{**rule("r"), "match": endless}]}).values())
    laughing: Any = {"attributes": {"a": "b"}}
    for _ in range(28):
        laughing = {"any_of": [laughing, laughing]}
    assert any("conditions" in text for text in problems({"routes": [{**rule("r"), "match": laughing}]}).values())


@pytest.mark.parametrize("document", [None, 5, "x", [], {}, {"routes": None}, {"routes": {}}, {1: 2}])
def test_what_is_no_table(document: Any) -> None:
    assert problems(document)


plain = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(
                [
                    "name",
                    "match",
                    "attributes",
                    "any_of",
                    "all_of",
                    "not",
                    "destinations",
                    "host",
                    "weight",
                    "exact",
                    "range",
                    "prefix",
                    "any",
                    "regex",
                    "cidr",
                    "respond",
                    "mirrors",
                    "fraction",
                    "percent",
                    "consistent_hash",
                    "k",
                ]
            ),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(plain)
def test_any_document_gives_a_table_or_a_config_error(document: Any) -> None:
    for one in (document, {"routes": document}, {"routes": [document]}, {"routes": [{"match": document}]}):
        try:
            routing.load(one)
        except routing.ConfigError as error:
            assert error.errors


@settings(max_examples=200, deadline=None)
@given(generate.tables, st.lists(generate.messages, min_size=1, max_size=5), generate.randoms)
def test_a_table_is_written_and_read_without_loss(
    rules: list[routing.Route], messages: list[dict[str, Any]], random: int
) -> None:
    table = RouteTable(rules)
    try:
        document = routing.dump(table)
        again = routing.load(document)
    except routing.ConfigError as error:
        # Built in Python, a header may be compared with a number: a document may not say so.
        assert all("headers have text" in problem.reason for problem in error.errors)
        return
    assert routing.dump(again) == document
    for message in messages:
        one, two = table.match(message, random), again.match(message, random)
        assert (None if one is None else one.index) == (None if two is None else two.index)


def test_differences_come_with_a_message() -> None:
    old = routing.load({"routes": [rule("a", "x", s={"prefix": "a"}), rule("b", "y", s="b"), rule("c", "z", s="c")]})
    new = routing.load({"routes": [rule("c", "z", s="c"), rule("a", "x", s={"prefix": "ab"}), rule("d", "w", s="d")]})
    found = {(one.kind, one.rule): one for one in routing.diff(old, new)}
    assert set(found) == {("removed", "b"), ("changed", "a"), ("moved", "a"), ("added", "d")}
    for one in found.values():
        if one.witness is not None:
            before, after = old.match(one.witness), new.match(one.witness)
            assert one.before == (before.route.name if before else None)
            assert one.after == (after.route.name if after else None)
            assert one.before != one.after
    assert found["changed", "a"].fields == ("match",)
    assert found["changed", "a"].witness is not None
    assert (found["removed", "b"].before, found["removed", "b"].after) == ("b", None)
    assert (found["added", "d"].before, found["added", "d"].after) == (None, "d")


def test_moving_a_rule_among_rules_it_does_not_meet_changes_nothing() -> None:
    old = routing.load({"routes": [rule("a", "x", s="a"), rule("b", "y", s="b")]})
    new = routing.load({"routes": [rule("b", "y", s="b"), rule("a", "x", s="a")]})
    (one,) = routing.diff(old, new, {"s": str})
    assert (one.kind, one.witness, one.proven) == ("moved", None, True)


@settings(max_examples=80, deadline=None)
@given(st.lists(generate.conditions, max_size=4), st.lists(generate.conditions, max_size=4), generate.messages)
def test_tables_said_to_treat_messages_alike_do(
    first: list[Condition], second: list[Condition], message: dict[str, Any]
) -> None:
    old, new = RouteTable(generate.routes(first)), RouteTable(generate.routes(second))
    found = routing.diff(old, new)
    for one in found:
        if one.witness is not None:
            before, after = old.match(one.witness, one.random or 0), new.match(one.witness, one.random or 0)
            assert (before and before.destination) != (after and after.destination)
    if all(one.witness is None and one.proven for one in found):
        before, after = old.match(message), new.match(message)
        assert (before and before.destination) == (after and after.destination)


def test_merging() -> None:
    one = routing.load({"routes": [rule("a", "1", path={"prefix": "/"}), rule("b", "2", path="/x")]})
    two = routing.load({"routes": [rule("a", "3", path={"prefix": "/long"})]})
    assert [route.name for route in routing.merge([one, two]).routes] == ["a", "b", "a#2"]
    ordered = routing.merge([one, two], order="gateway-api")
    assert [route.destinations[0].host for route in ordered.routes] == ["2", "3", "1"]
    with pytest.raises(routing.ConfigError):
        routing.merge([one], order="other")


def test_an_explanation_says_what_was_seen() -> None:
    table = routing.load({"routes": [
        {"name": "r", "match": {"attributes": {"a": "1", "b": {"prefix": "x"}}, "not": {"attributes": {"c": "3"}}},
         "destinations": [{"host": "h"}]}]})  # fmt: skip
    explained = table.explain({"a": "2", "c": "3"})
    assert explained.winner is None
    assert [(one.path, one.predicate, one.seen) for one in explained.rules[0].failed] == [
        ("match.attributes.a", {"exact": "1"}, "2"),
        ("match.attributes.b", {"prefix": "x"}, None),
        ("match.not", {"not": {"attributes": {"c": "3"}}}, {"c": "3"}),
    ]
    assert table.explain({"a": "1", "b": "xy"}).winner == "r"
    assert "missing" in str(explained)


def test_a_match_alone_is_a_filter() -> None:
    holds = routing.matcher({"attributes": {"keys": {"any": {"prefix": "user:"}}}})
    assert [holds(message) for message in ({"keys": ("a", "user:1")}, {"keys": ("a",)}, {}, {"keys": 5})] == [
        True, False, False, False,
    ]  # fmt: skip
    with pytest.raises(routing.ConfigError) as caught:
        routing.matcher({"attributes": {"keys": {"prefx": "user:"}}}, path="--filter")
    assert caught.value.errors[0].path == "--filter.attributes.keys.prefx"


def test_public_names() -> None:
    assert all(hasattr(routing, name) for name in routing.__all__)
    assert len(routing.__all__) <= 20
