"""The model of RE2 used by the analysis and the index agrees with RE2 itself."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routing import regex, syntax
from routing.automata import Undecided, find_text
from routing.predicates import Contains, Exact, Glob, Predicate, Prefix, Range, Regex, Suffix

pytestmark = pytest.mark.skipif(not regex.available(), reason="no google-re2: pip install 'l7codec[re2]'")

PIECES = [
    "a",
    "b",
    "A",
    ".",
    "[ab]",
    "[^a]",
    "[a-c]",
    "\\d",
    "\\w",
    "\\S",
    "[[:upper:]]",
    "\\x61",
    "\\x{e9}",
    "é",
    "\\.",
    "(a|b)",
    "(?:ab|a)",
    "(?i:k)",
    "(?s:.)",
    "^",
    "$",
    "\\A",
    "\\z",
    "\\Qa.\\E",
    "(?P<n>a)",
    "[\\d-]",
    "[]a]",
    "(?i)s",
    "\\t",
    "x{0}",
    "[^\\W]",
]
REPEATS = ["", "", "", "*", "+", "?", "{2}", "{1,2}", "{0,}", "*?", "{x"]
TEXTS = [
    "",
    "a",
    "b",
    "ab",
    "aa",
    "abc",
    "A",
    "k",
    "K",
    "\u212a",
    "s",
    "\u017f",
    "é",
    "\n",
    "a\n",
    "1",
    "-",
    "]",
    ".",
    "a.",
    "\udce9",
    "a\udce9",
    "ba",
    "aab",
    "É",
    "\t",
    "x{x",
    "Ab",
]

patterns = st.lists(st.tuples(st.sampled_from(PIECES), st.sampled_from(REPEATS)).map("".join), max_size=4).map("".join)
alternatives = st.lists(patterns, min_size=1, max_size=3).map("|".join)


def compiled(pattern: str, encoding: str) -> Regex | None:
    try:
        return Regex(pattern, encoding)
    except regex.BadRegex:
        return None


@settings(max_examples=400, deadline=None)
@given(alternatives, st.sampled_from(["utf-8", "latin-1"]))
def test_the_model_accepts_what_re2_accepts(pattern: str, encoding: str) -> None:
    predicate = compiled(pattern, encoding)
    if predicate is None:
        return
    for text in TEXTS:
        try:
            found = find_text([predicate, Exact(text)], [])
        except Undecided:
            return
        assert (found is not None) is predicate.holds(text), text


@settings(max_examples=400, deadline=None)
@given(alternatives, st.sampled_from(["utf-8", "latin-1"]))
def test_whatever_matches_begins_with_a_leading_literal(pattern: str, encoding: str) -> None:
    predicate = compiled(pattern, encoding)
    if predicate is None:
        return
    try:
        literals = syntax.leading_literals(syntax.parse(pattern, encoding))
    except syntax.Unsupported:
        return
    for text in TEXTS:
        if predicate.holds(text):
            assert any(text == one.text if one.whole else text.startswith(one.text) for one in literals), literals


others = st.one_of(
    st.builds(Prefix, st.sampled_from(["a", "A", "é", "1"]), st.booleans()),
    st.builds(Suffix, st.sampled_from(["a", "b", "\udce9"]), st.booleans()),
    st.builds(Contains, st.sampled_from(["a", "bc"]), st.booleans()),
    st.builds(Glob, st.sampled_from(["a*", "?", "*b?"]), st.booleans()),
    st.builds(Range, st.integers(-120, 120), st.integers(-120, 1200)),
    alternatives.map(lambda pattern: compiled(pattern, "utf-8") or Exact("a")),
)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(others, min_size=1, max_size=2),
    st.lists(others, max_size=2),
    st.lists(st.sampled_from([*TEXTS, "-7", " 8"])),
)
def test_a_text_is_found_exactly_where_there_is_one(
    wanted: list[Predicate], unwanted: list[Predicate], texts: list[str]
) -> None:
    try:
        found = find_text(wanted, unwanted)
    except Undecided:
        return
    if found is not None:
        assert all(one.holds(found) for one in wanted)
        assert not any(one.holds(found) for one in unwanted)
    else:
        for text in TEXTS + texts:
            assert not (all(one.holds(text) for one in wanted) and not any(one.holds(text) for one in unwanted)), text


@pytest.mark.parametrize(
    "number", [-1000, -100, -11, -10, -1, 0, 1, 7, 9, 10, 11, 99, 100, 101, 999, 1000, 2**63 - 1, -(2**63)]
)
@pytest.mark.parametrize("bounds", [(0, 10), (-10, 11), (7, 101), (-100, -10), (None, 100), (99, None), (5, 5), (9, 3)])
def test_ranges_as_languages(number: int, bounds: tuple[int | None, int | None]) -> None:
    predicate = Range(*bounds)
    for text in (str(number), f" {number}", f"{number}\n", f"+{number}", f"{number:+05}", f"{number}x"):
        assert (find_text([predicate, Exact(text)], []) is not None) is predicate.holds(text), text
