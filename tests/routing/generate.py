"""Hypothesis strategies for rules and messages that meet: a small world in which everything overlaps."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from routing.addresses import read_network
from routing.conditions import (
    ANY,
    DEFAULT,
    EVERY,
    FIRST,
    JOINED,
    All,
    AnyOf,
    Attribute,
    Condition,
    Fraction,
    HashThreshold,
    Not,
    Present,
)
from routing.predicates import Both, Cidr, Contains, Exact, Glob, OneOf, Predicate, Prefix, Range, Regex, Suffix
from routing.regex import available
from routing.rules import Destination, Route

KEYS = ["service", "method", "header.x", "header.X", "keys", "n"]
TEXTS = [
    "",
    "a",
    "b",
    "ab",
    "A",
    "aB",
    "abc",
    "a,b",
    "b,a",
    "7",
    " +07 ",
    "12",
    "-3",
    "é",
    "a\n",
    "\udce9",
    "10.0.0.1",
    "::ffff:10.0.0.1",
    "fd00::1",
    "ſ",
]
PATTERNS = [
    "a.*",
    "a|b",
    "[a-c]+",
    "(?i)AB?",
    "a^b",
    "ab{0,2}c?",
    "\\d+",
    ".",
    "a\\.b|abc",
    "[^a]*",
    "(ab|a)(c|b)?",
    "abc.*",
    "\\Qa.\\E?b",
    "",
]

texts = st.sampled_from(TEXTS)
filled = st.sampled_from([text for text in TEXTS if text])
integers = st.integers(-4, 13)
scalars = st.one_of(texts, integers, st.booleans())
bounds = st.one_of(st.none(), integers)
networks = st.sampled_from(["10.0.0.0/8", "10.0.0.1", "fd00::/8", "::/0", "0.0.0.0/0", "::ffff:10.0.0.0/104"])


def patterns() -> st.SearchStrategy[Predicate]:
    if not available():
        return st.builds(Exact, texts)
    return st.builds(Regex, st.sampled_from(PATTERNS), st.sampled_from(["utf-8", "utf-8", "latin-1"]))


predicates: st.SearchStrategy[Predicate] = st.recursive(
    st.one_of(
        st.builds(Exact, scalars),
        st.builds(Exact, filled, st.booleans()),
        st.builds(OneOf, st.lists(scalars, min_size=1, max_size=3).map(tuple)),
        st.builds(OneOf, st.lists(texts, min_size=1, max_size=3).map(tuple), st.just(True)),
        st.builds(Prefix, filled, st.booleans()),
        st.builds(Suffix, filled, st.booleans()),
        st.builds(Contains, filled, st.booleans()),
        st.builds(Glob, st.sampled_from(["*", "a*", "*b", "?", "a?c", "a*c", "\\**", "?*", "ab"]), st.booleans()),
        st.builds(Range, bounds, integers),
        st.builds(Range, integers, bounds),
        st.builds(Cidr, st.lists(networks.map(read_network), min_size=1, max_size=2).map(tuple)),
        patterns(),
    ),
    lambda inner: st.builds(Both, st.lists(inner, min_size=1, max_size=2).map(tuple)),
    max_leaves=3,
)
keys = st.sampled_from(KEYS)
leaves: st.SearchStrategy[Condition] = st.one_of(
    st.builds(
        Attribute,
        keys,
        predicates,
        st.sampled_from([DEFAULT, EVERY, ANY, FIRST, JOINED]),
        st.sampled_from([False, False, True]),
    ),
    st.builds(Present, keys, st.booleans(), st.booleans()),
    st.builds(Fraction, st.integers(0, 4), st.just(4), st.sampled_from([None, 1, 2])),
    st.builds(HashThreshold, keys, st.just(4), st.integers(0, 4), st.integers(0, 1), st.booleans()),
)
conditions: st.SearchStrategy[Condition] = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(All, st.lists(inner, max_size=3).map(tuple)),
        st.builds(AnyOf, st.lists(inner, max_size=3).map(tuple)),
        st.builds(Not, inner),
    ),
    max_leaves=6,
)
messages: st.SearchStrategy[dict[str, Any]] = st.dictionaries(
    keys,
    st.one_of(texts, integers, st.booleans(), st.lists(texts, max_size=3).map(tuple), st.none()),
    max_size=5,
)
randoms = st.integers(0, (1 << 64) - 1)


def routes(matches: list[Condition]) -> list[Route]:
    return [
        Route(name=f"r{number}", match=match, destinations=(Destination(f"c{number}"),))
        for number, match in enumerate(matches)
    ]


tables = st.lists(conditions, max_size=12).map(routes)
