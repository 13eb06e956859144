"""The compiled table answers as the specification does: `match` equals `match_linear`, always."""

from __future__ import annotations

import random as randomness
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import routing
from routing.conditions import All, Attribute, Condition, Not
from routing.index import NOTHING
from routing.predicates import Exact, Prefix, Range
from routing.table import RouteTable
from tests.routing import generate


def index_of(decision: routing.Decision | None) -> int | None:
    return None if decision is None else decision.index


@settings(max_examples=250, deadline=None)
@given(generate.tables, st.lists(generate.messages, min_size=1, max_size=8), generate.randoms)
def test_match_equals_the_specification(
    rules: list[routing.Route], messages: list[dict[str, Any]], random: int
) -> None:
    table = RouteTable(rules)
    for message in messages:
        expected = index_of(table.match_linear(message, random))
        assert index_of(table.match(message, random)) == expected
        # Small tables answer by a generated function: ask the index behind it, too.
        found = table._index.search(table._lens.look(message, random), NOTHING, False)
        assert (None if found == NOTHING else found) == expected


@settings(max_examples=120, deadline=None)
@given(generate.tables, generate.conditions, st.integers(0, 11), st.lists(generate.messages, min_size=1, max_size=6))
def test_replacing_a_rule_equals_building_the_table_anew(
    rules: list[routing.Route], match: Condition, which: int, messages: list[dict[str, Any]]
) -> None:
    if not rules:
        return
    which %= len(rules)
    table = RouteTable(rules)
    route = generate.routes([match])[0]
    changed = table.replace(which, routing.Route(name="new", match=route.match, destinations=route.destinations))
    again = changed.replace("new", rules[which])
    for message in messages:
        assert index_of(changed.match(message)) == index_of(changed.match_linear(message))
        assert index_of(again.match(message)) == index_of(table.match(message))


@settings(max_examples=300, deadline=None)
@given(generate.conditions, generate.messages, generate.randoms)
def test_the_fast_test_of_a_condition_equals_its_specification(
    condition: Condition, message: dict[str, Any], random: int
) -> None:
    table = RouteTable(generate.routes([condition]))
    view = table._lens.look(message, random)
    assert condition.test()(view) == condition.holds(view)


HOSTILE: list[Any] = [
    None,
    1.5,
    float("nan"),
    b"a",
    [],
    {},
    set(),
    object(),
    ("a", None),
    ("a", ("b",)),
    [1, "a", b"x"],
    10**5000,
    -(10**5000),
    "\ud800",
    "x" * 100_000,
    ("a",) * 1000,
    True,
    type,
    lambda: None,
    "9" * 10_000,
    " " * 10_000 + "7",
    "%",
    ":" * 50,
]


@settings(max_examples=30, deadline=None)
@given(generate.tables)
def test_no_value_makes_matching_raise(rules: list[routing.Route]) -> None:
    table = RouteTable(rules)
    for value in HOSTILE:
        for key in generate.KEYS:
            message = {key: value, "header.x": value}
            assert index_of(table.match(message)) == index_of(table.match_linear(message))
            table.explain(message)


def rules_of(matches: list[Condition]) -> RouteTable:
    return RouteTable(generate.routes(matches))


def compare(table: RouteTable, messages: list[dict[str, Any]]) -> None:
    for message in messages:
        assert index_of(table.match(message)) == index_of(table.match_linear(message)), message


def test_many_nested_prefixes() -> None:
    """Every length from 1 to 300: more than are kept by length, so bisection finds them."""
    table = rules_of(
        [Attribute("s", Prefix("a" * length)) for length in range(300, 0, -1)]
        + [Attribute("s", Prefix("ab" * length)) for length in range(1, 60)]
    )
    texts = ["a" * length for length in range(0, 310, 7)] + ["ab" * 30 + "x", "aab", "b", "", "a" * 299 + "b"]
    compare(table, [{"s": text} for text in texts])


def test_nested_and_crossing_ranges() -> None:
    rnd = randomness.Random(5)
    ranges = [Range(number, 2000 - number) for number in range(200)]
    ranges += [Range(low := rnd.randrange(-50, 2050), low + rnd.randrange(-3, 90)) for _ in range(300)]
    ranges += [Range(None, 3), Range(1990, None)]
    rnd.shuffle(ranges)
    table = rules_of([Attribute("n", one) for one in ranges])
    compare(
        table, [{"n": number} for number in range(-60, 2110, 13)] + [{"n": str(number)} for number in range(0, 99, 7)]
    )


def test_thousands_of_rules_under_one_value_are_split_by_the_next_attribute() -> None:
    pairs = [(one, two) for one in range(60) for two in range(60)]
    randomness.Random(1).shuffle(pairs)
    table = rules_of([All((Attribute("s", Exact(f"s{one}")), Attribute("m", Exact(f"m{two}")))) for one, two in pairs])
    assert index_of(table.match({"s": "s7", "m": "m9"})) == pairs.index((7, 9))
    compare(table, [{"s": f"s{n % 61}", "m": f"m{n % 59}"} for n in range(0, 4000, 97)])
    compare(table, [{"s": (f"s{n % 61}",), "m": ("m1", f"m{n % 59}")} for n in range(0, 4000, 397)])


def test_only_negations() -> None:
    table = rules_of([Not(Attribute("s", Exact(f"v{number}"))) for number in range(200)])
    compare(table, [{"s": "v0"}, {"s": "v1"}, {}])


def test_an_atom_shared_by_settled_and_unsettled_rules() -> None:
    table = rules_of(
        [
            All((Attribute("s", Exact("a")), Attribute("m", Exact("x")))),
            Attribute("s", Exact("a")),
            All((Attribute("s", Exact("a")), Attribute("m", Exact("y")))),
        ]
    )
    assert [index_of(table.match({"s": "a", "m": m})) for m in ("x", "y")] == [0, 1]
    assert index_of(table.match({"s": ("a", "b")})) is None  # every element must match
    assert index_of(table.match({"s": ("a", "a")})) == 1


@pytest.mark.skipif(not routing.regex.available(), reason="google-re2 is not installed")
def test_replacement_leaves_the_old_table_as_it_was() -> None:
    table = routing.load(
        {
            "routes": [
                {
                    "name": f"r{number}",
                    "match": {"attributes": {"s": {"regex": f"svc{number}[.].*"}}},
                    "destinations": [{"host": "a"}],
                }
                for number in range(40)
            ]
        }
    )
    new = table.replace(
        "r7", routing.Route(name="r7", match=Attribute("s", Exact("other")), destinations=table.routes[0].destinations)
    )
    assert index_of(table.match({"s": "svc7.x"})) == 7
    assert new.match({"s": "svc7.x"}) is None
    assert index_of(new.match({"s": "other"})) == 7
