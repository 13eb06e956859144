"""Findings are exact and every witness replays; undecided is said, never passed over."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import routing
from routing.analysis import KINDS
from routing.automata import Undecided
from routing.conditions import Condition
from routing.solver import Solver, types_of
from routing.table import RouteTable
from tests.routing import generate

VOCABULARY = {"service": str, "method": str, "n": int, "keys": tuple, "header.<name>": (str, tuple), "flag": bool}


def table(*matches: Any, **fields: Any) -> RouteTable:
    return routing.load(
        {
            "routes": [
                {"name": f"r{number}", "match": match, "destinations": [{"host": f"c{number}"}], **fields}
                for number, match in enumerate(matches)
            ]
        }
    )


def attributes(**named: Any) -> dict[str, Any]:
    return {"attributes": named}


def found(rules: RouteTable, vocabulary: Any = None, **more: Any) -> list[tuple[str, str, tuple[str, ...]]]:
    findings = rules.check(vocabulary, **more)
    replay(rules, findings)
    return [(finding.kind, finding.rule, finding.others) for finding in findings if finding.kind != "overlap"]


def replay(rules: RouteTable, findings: list[routing.Finding]) -> None:
    """Every witness shows what its finding says."""
    for finding in findings:
        assert finding.kind in KINDS
        if finding.witness is None:
            continue
        random = finding.random or 0
        decision = rules.match(finding.witness, random)
        if finding.kind in ("shadowed", "unreachable", "duplicate"):
            assert rules.matches_rule(rules.position(finding.rule), finding.witness, random)
            assert decision is not None
            assert decision.index < rules.position(finding.rule)
        elif finding.kind == "overlap":
            assert rules.matches_rule(rules.position(finding.rule), finding.witness, random)
            assert rules.matches_rule(rules.position(finding.others[0]), finding.witness, random)
        elif finding.kind == "implicit_quantifier":
            (value,) = finding.witness.values()
            assert not rules.matches_rule(rules.position(finding.rule), finding.witness, random)
            assert any(
                rules.matches_rule(rules.position(finding.rule), {key: one}, random)
                for key in finding.witness
                for one in value
            )


def test_one_earlier_rule_shadows() -> None:
    assert found(table(attributes(service={"prefix": "a"}), attributes(service="ab"))) == [("shadowed", "r1", ("r0",))]


def test_a_union_of_earlier_rules_shadows_where_the_type_is_known() -> None:
    rules = table(
        attributes(n={"range": {"start": 0, "end": 5}}),
        attributes(n={"range": {"start": 5, "end": 9}}),
        attributes(n={"range": {"start": 2, "end": 8}}),
    )
    assert found(rules, VOCABULARY) == [("unreachable", "r2", ("r0", "r1"))]
    # Without a vocabulary the value may be a tuple with one element in each range, which reaches the last rule.
    assert found(rules) == []


def test_presence_and_absence_together_take_everything() -> None:
    rules = table(attributes(method={"present": True}), attributes(method={"present": False}), {})
    assert found(rules) == [("unreachable", "r2", ("r0", "r1"))]


def test_a_missing_value_escapes_a_rule_and_its_negation_does_not() -> None:
    rules = table(attributes(service="a"), {"not": attributes(service="a")}, attributes(method="m"))
    assert ("unreachable", "r2", ("r0", "r1")) in found(rules)


def test_duplicates_are_found_whatever_the_order_of_conditions() -> None:
    rules = table(attributes(service="a", method="b"), attributes(method="b", service="a"))
    assert found(rules) == [("duplicate", "r1", ("r0",))]


@pytest.mark.parametrize(
    "match",
    [
        {"all_of": [attributes(service="a"), attributes(service="b")]},
        {"attributes": {"service": "a"}, "not": attributes(service={"prefix": "a"})},
        attributes(service={"exact": "abc", "suffix": "b"}),
        attributes(service={"present": False, "prefix": "a"}),
        attributes(service={"prefix": "a", "cidr": "10.0.0.0/8"}),
    ],
)
def test_contradictions(match: Any) -> None:
    kinds = {kind for kind, _, _ in found(table(match))}
    assert kinds & {"contradiction", "impossible", "undecided"}


@pytest.mark.parametrize(
    ("predicate", "kind"),
    [
        ({"range": {"start": 9, "end": 3}}, "impossible"),
        ({"range": {"start": 3, "end": 3}}, "impossible"),
        ({"all_of": [{"exact": "a"}, {"exact": "b"}]}, "impossible"),
        ({"prefix": "5", "range": {"start": 600, "end": 700}}, "impossible"),
        ({"prefix": "6", "range": {"start": 600, "end": 700}}, None),
    ],
)
def test_predicates_nothing_satisfies(predicate: Any, kind: str | None) -> None:
    assert [one for one, _, _ in found(table(attributes(service=predicate)))] == ([] if kind is None else [kind])


needs_re2 = pytest.mark.skipif(not routing.regex.available(), reason="google-re2 is not installed")


@needs_re2
@pytest.mark.parametrize(
    ("first", "second", "kinds"),
    [
        ({"regex": "[a-c]+"}, {"regex": "[ab]+"}, ["shadowed"]),
        ({"regex": "[ab]+"}, {"regex": "[a-c]+"}, []),
        ({"regex": ".*"}, {"prefix": "x"}, []),  # the value x\n is not matched by .*
        ({"regex": "(?s).*"}, {"prefix": "x"}, []),  # nor is an undecodable byte
        ({"prefix": "x"}, {"regex": "x(y|z)*"}, ["shadowed"]),
        ({"regex": "(?i)get"}, {"one_of": ["GET", "gEt"]}, ["shadowed"]),
        ({"glob": "a*z"}, {"regex": "abc+z"}, ["shadowed"]),
        ({"regex": "a^b"}, {"exact": "a"}, ["impossible"]),
        ({"regex": "[0-9]+"}, {"range": {"start": 0, "end": 100}}, []),  # " 7" is in the range
        ({"regex": "\\s*[+-]?[0-9]+\\s*"}, {"range": {"start": 0, "end": 100}}, []),  # RE2's \s has no \v
        ({"regex": "[\\s\\v]*[+-]?[0-9]+[\\s\\v]*"}, {"range": {"start": 0, "end": 100}}, ["shadowed"]),
    ],
)
def test_regular_expressions_are_compared_exactly(first: Any, second: Any, kinds: list[str]) -> None:
    rules = table(attributes(service=first), attributes(service=second))
    assert [kind for kind, _, _ in found(rules, VOCABULARY)] == kinds


@needs_re2
def test_what_cannot_be_decided_is_said() -> None:
    rules = table(attributes(service={"regex": r"\bword\b.*"}), attributes(service={"regex": r"x\bword.*"}))
    assert ("undecided", "r1", ()) in found(rules)


def test_the_vocabulary_is_held_against_the_rules() -> None:
    rules = table(attributes(servce="a"), attributes(**{"header.x": "1"}), attributes(kind="request"))
    findings = rules.check(VOCABULARY)
    assert [(finding.kind, finding.rule) for finding in findings if finding.kind != "overlap"] == [
        ("unknown_attribute", "r0")
    ]
    assert "did you mean 'service'?" in findings[0].message


class Term(NamedTuple):
    type: type
    meaning: str


def test_a_vocabulary_may_have_types_names_or_records() -> None:
    rules = table(attributes(n="five"), attributes(n=5))
    for kind in (int, "int", (int, str), Term(int, "a number")):
        kinds = [one for one, _, _ in found(rules, {"n": kind})]
        assert kinds == ([] if kind == (int, str) else ["contradiction"])
    assert types_of({"header.*": Term(object, "")}, "header.x") == {"str", "tuple"}
    assert types_of({"header.<name>": str}, "header.x") == {"str"}
    assert types_of({"n": int}, "m") is None


def test_a_value_of_the_wrong_type_can_never_match() -> None:
    assert [kind for kind, _, _ in found(table(attributes(n="five")), VOCABULARY)] == ["contradiction"]


def test_edits_the_protocol_cannot_make() -> None:
    rules = table({}, request_edits={"header.x": "1", "methud": "m"})
    assert [kind for kind, _, _ in found(rules, edits=("header.*", "method"))] == ["impossible_edit"]


def test_weights_that_choose_nothing() -> None:
    rules = routing.load(
        {
            "routes": [
                {
                    "name": "r",
                    "destinations": [{"host": "a"}, {"host": "b", "weight": 0}],
                    "mirrors": [{"destination": {"host": "m"}, "percent": 0}],
                }
            ]
        }
    )
    assert [kind for kind, _, _ in found(rules)] == ["unchosen_weight", "unchosen_weight"]


@pytest.mark.parametrize(
    ("predicate", "kinds"),
    [({"prefix": "admin:"}, ["implicit_quantifier"]), ({"any": {"prefix": "admin:"}}, []), ({"every": "x"}, [])],
)
def test_a_refusal_by_several_values_must_say_any_or_every(predicate: Any, kinds: list[str]) -> None:
    document = {"routes": [{"name": "r", "match": {"attributes": {"keys": predicate}}, "respond": "deny"}]}
    assert [kind for kind, _, _ in found(routing.load(document))] == kinds


def test_the_specific_before_the_general_is_no_overlap() -> None:
    assert table(attributes(service="ab"), attributes(service={"prefix": "a"}), {}).check() == []


def test_a_partial_overlap_with_another_destination() -> None:
    rules = table(attributes(service={"prefix": "a"}), attributes(method="m"))
    (finding,) = rules.check()
    assert (finding.kind, finding.rule, finding.others) == ("overlap", "r1", ("r0",))
    replay(rules, [finding])


def test_fractions_come_with_the_number_that_shows_them() -> None:
    rules = table(
        {"attributes": {"service": "a"}, "fraction": {"percent": 50}}, attributes(service="a"), attributes(service="a")
    )
    assert found(rules) == [("duplicate", "r2", ("r1",))]


def test_a_large_table_is_checked_in_seconds() -> None:
    rules = table(
        *({"attributes": {"service": f"s{number}", "method": {"prefix": "get"}}} for number in range(3000)), {}
    )
    assert rules.check() == []


@settings(max_examples=150, deadline=None)
@given(generate.tables, st.lists(generate.messages, min_size=1, max_size=8), generate.randoms)
def test_no_message_reaches_a_rule_said_to_be_unreachable(
    rules: list[routing.Route], messages: list[dict[str, Any]], random: int
) -> None:
    built = RouteTable(rules)
    findings = built.check()
    replay(built, findings)
    dead = {
        finding.rule
        for finding in findings
        if finding.kind in ("shadowed", "unreachable", "duplicate", "contradiction")
    }
    for message in messages:
        decision = built.match(message, random)
        assert decision is None or decision.route.name not in dead


@settings(max_examples=300, deadline=None)
@given(generate.conditions, generate.conditions, generate.messages, generate.randoms)
def test_the_solver_never_denies_a_message_that_exists(
    wanted: Condition, unwanted: Condition, message: dict[str, Any], random: int
) -> None:
    """A message found by chance is a counterexample to "there is none"."""
    try:
        witness = Solver().solve([(wanted, True), (unwanted, False)])
    except Undecided:
        return
    built = RouteTable(generate.routes([wanted, unwanted]))
    if witness is not None:
        assert built.matches_rule(0, witness.metadata, witness.random or 0)
        assert not built.matches_rule(1, witness.metadata, witness.random or 0)
    else:
        assert not (built.matches_rule(0, message, random) and not built.matches_rule(1, message, random))
