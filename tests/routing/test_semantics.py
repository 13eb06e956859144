"""What rules mean, case by case; the expectations are the design's and Envoy's documented ones, written out by hand."""

from __future__ import annotations

import enum
from typing import Any

import pytest

import routing


def table(match: Any, **fields: Any) -> routing.RouteTable:
    return routing.load({"routes": [{"name": "r", "match": match, "destinations": [{"host": "h"}], **fields}]})


def taken(match: Any, metadata: Any, random: int = 0) -> bool:
    """Whether one rule takes a message, by the table and by the specification."""
    rules = table(match)
    fast, slow = rules.match(metadata, random), rules.match_linear(metadata, random)
    assert (fast is None) is (slow is None)
    assert (fast is None) is any(rule.failed for rule in rules.explain(metadata, random).rules)
    return fast is not None


CASES: list[tuple[Any, dict[str, Any], bool]] = [
    # exact: strict types
    ("a", {"k": "a"}, True),
    ("a", {"k": "A"}, False),
    (5, {"k": 5}, True),
    (5, {"k": "5"}, False),
    ("5", {"k": 5}, False),
    (1, {"k": True}, False),
    (True, {"k": 1}, False),
    (True, {"k": True}, True),
    (1, {"k": 1.0}, False),
    ("", {"k": ""}, True),
    ("", {}, False),
    ({"exact": "aB", "ignore_case": True}, {"k": "Ab"}, True),
    ({"exact": "É", "ignore_case": True}, {"k": "é"}, False),  # ASCII only
    ({"exact": "k", "ignore_case": True}, {"k": "\u212a"}, False),
    # one_of
    ({"one_of": ["a", 5]}, {"k": 5}, True),
    ({"one_of": ["a", 5]}, {"k": "5"}, False),
    # prefix, suffix, contains
    ({"prefix": "ab"}, {"k": "abc"}, True),
    ({"prefix": "ab"}, {"k": "a"}, False),
    ({"suffix": "bc"}, {"k": "abc"}, True),
    ({"contains": "b"}, {"k": "abc"}, True),
    ({"prefix": "5"}, {"k": 55}, False),
    ({"prefix": "AB", "ignore_case": True}, {"k": "abc"}, True),
    ({"prefix": "a", "suffix": "c"}, {"k": "abc"}, True),
    ({"prefix": "a", "suffix": "c"}, {"k": "abd"}, False),
    # glob: * any run, ? one, backslash makes either literal
    ({"glob": "*.example.com"}, {"k": "a.b.example.com"}, True),
    ({"glob": "*.example.com"}, {"k": "example.com"}, False),
    ({"glob": "a?c"}, {"k": "ac"}, False),
    ({"glob": "a*b*c"}, {"k": "a__b__bc"}, True),
    ({"glob": "\\*"}, {"k": "x"}, False),
    ({"glob": "\\*"}, {"k": "*"}, True),
    # ranges: start <= x < end; text as 64-bit integers with space, sign, zeros
    ({"range": {"start": 3, "end": 10}}, {"k": 3}, True),
    ({"range": {"start": 3, "end": 10}}, {"k": 10}, False),
    ({"range": {"start": 3, "end": 10}}, {"k": " +007 "}, True),
    ({"range": {"start": -5, "end": 0}}, {"k": "-1"}, True),
    ({"range": {"start": 0, "end": 10}}, {"k": "5x"}, False),
    ({"range": {"start": 0, "end": 10}}, {"k": "1.0"}, False),
    ({"range": {"start": 0, "end": 10}}, {"k": "0x5"}, False),
    ({"range": {"start": 0, "end": 10}}, {"k": "1_0"}, False),
    ({"range": {"start": 0, "end": 10}}, {"k": "٣"}, False),
    ({"range": {"start": 0, "end": 10}}, {"k": ""}, False),
    ({"range": {"start": 0}}, {"k": "9223372036854775807"}, True),
    ({"range": {"start": 0}}, {"k": "9223372036854775808"}, False),
    ({"range": {"start": 0}}, {"k": True}, False),
    # presence; an empty tuple is missing, an empty string is not
    ({"present": True}, {"k": ""}, True),
    ({"present": True}, {"k": ()}, False),
    ({"present": False}, {"k": ()}, True),
    ({"present": False}, {"k": None}, True),
    ({"present": True}, {"k": 1.5}, True),
    # networks; a mapped IPv4 address matches IPv4 ranges
    ({"cidr": ["10.0.0.0/8", "fd00::/8"]}, {"k": "10.9.8.7"}, True),
    ({"cidr": ["10.0.0.0/8", "fd00::/8"]}, {"k": "fd12::1"}, True),
    ({"cidr": "10.0.0.0/8"}, {"k": "::ffff:10.1.2.3"}, True),
    ({"cidr": "::/0"}, {"k": "10.1.2.3"}, False),
    ({"cidr": "fe80::/10"}, {"k": "fe80::1%eth0"}, True),
    ({"cidr": "10.0.0.0/8"}, {"k": "10.1"}, False),
    # tuples: every element unless `any` is said
    ({"prefix": "pay."}, {"k": ("pay.a", "pay.b")}, True),
    ({"prefix": "pay."}, {"k": ("pay.a", "x")}, False),
    ({"any": {"prefix": "pay."}}, {"k": ("x", "pay.a")}, True),
    ({"any": {"prefix": "pay."}}, {"k": ()}, False),
    ({"every": "a"}, {"k": ("a", "a")}, True),
    ({"any": {"prefix": "a", "suffix": "z"}}, {"k": ("ab", "bz")}, False),  # one element must satisfy both
    ({"first": "a"}, {"k": ("a", "b")}, True),
    ({"first": "b"}, {"k": ("a", "b")}, False),
    ({"joined": "a,b"}, {"k": ("a", "b")}, True),
    ({"any": "a"}, {"k": "a"}, True),
    ({"any": "a"}, {"k": ["b", "a"]}, True),  # JSON has lists
    # names of keys as on the wire, unless said
    ({"exact": "a", "ignore_name_case": True}, {"K": "a"}, True),
    ({"exact": "a"}, {"K": "a"}, False),
    ({"any": "b", "ignore_name_case": True}, {"K": "a", "k": ("b",)}, True),
]


@pytest.mark.parametrize(("predicate", "metadata", "expected"), CASES)
def test_attributes(predicate: Any, metadata: dict[str, Any], expected: bool) -> None:
    assert taken({"attributes": {"k": predicate}}, metadata) is expected


@pytest.mark.parametrize(("predicate", "metadata", "expected"), CASES)
def test_an_attribute_among_others_means_the_same(predicate: Any, metadata: dict[str, Any], expected: bool) -> None:
    """Behind many other rules, where the index decides instead of the chain of ifs."""
    rules = [
        {"name": f"x{n}", "match": {"attributes": {"other": f"v{n}", "k": predicate}}, "destinations": [{"host": "x"}]}
        for n in range(40)
    ]
    rules.append({"name": "r", "match": {"attributes": {"k": predicate}}, "destinations": [{"host": "h"}]})
    decision = routing.load({"routes": rules}).match(metadata)
    assert (decision is not None) is expected
    decision = routing.load({"routes": rules}).match({**metadata, "other": "v7"})
    assert (decision is not None and decision.route.name == "x7") is expected


@pytest.mark.skipif(not routing.regex.available(), reason="google-re2 is not installed")
@pytest.mark.parametrize(
    ("pattern", "value", "expected"),
    [
        ("gold|platinum", "gold", True),
        ("gold|platinum", "goldx", False),  # the whole value
        ("a$", "a\n", False),  # where Python's engine says yes
        (".", "é", True),  # UTF-8, one character
        (".", "\udce9", False),  # an undecodable byte is no character
        ({"pattern": "..", "encoding": "latin-1"}, "é", True),
        ("\\d", "٣", False),
        ("(?i)get", "GeT", True),
        ("", "", True),
        ("[[:alpha:]]+", "ab", True),
    ],
)
def test_regular_expressions(pattern: Any, value: str, expected: bool) -> None:
    assert taken({"attributes": {"k": {"regex": pattern}}}, {"k": value}) is expected


A, B = {"attributes": {"a": "1"}}, {"attributes": {"b": "1"}}


@pytest.mark.parametrize(
    ("match", "metadata", "expected"),
    [
        ({}, {}, True),
        ({"attributes": {}}, {"x": 1}, True),
        ({"not": A}, {}, True),  # the inner condition fails on the missing value, so `not` holds
        ({"not": A}, {"a": "1"}, False),
        ({"not": {}}, {}, False),
        ({"any_of": [A, B]}, {"b": "1"}, True),
        ({"any_of": [A, B]}, {}, False),
        ({"all_of": [A, {"not": B}]}, {"a": "1"}, True),
        ({"attributes": {"c": "1"}, "any_of": [A, B]}, {"b": "1"}, False),
        ({"any_of": [{"all_of": [A, B]}, {"not": {"any_of": [A, B]}}]}, {}, True),
        ({"any_of": [{"all_of": [A, B]}, {"not": {"any_of": [A, B]}}]}, {"a": "1"}, False),
    ],
)
def test_combinations(match: Any, metadata: dict[str, Any], expected: bool) -> None:
    assert taken(match, metadata) is expected


class Kind(enum.Enum):
    REQUEST = "request"


class Side(enum.IntEnum):
    CLIENT = 0


class Message:
    protocol, kind, side, id, size = "redis", Kind.REQUEST, Side.CLIENT, 7, 31

    def __init__(self, **metadata: Any) -> None:
        self.metadata = metadata


def test_a_rule_may_name_the_message_itself() -> None:
    match = {"attributes": {"protocol": "redis", "kind": "request", "side": "client", "id": 7,
                            "size": {"range": {"start": 1, "end": 100}}, "method": "GET"}}  # fmt: skip
    assert taken(match, Message(method="GET"))
    assert not taken(match, Message(method="SET"))
    assert not taken(match, {"method": "GET"})
    assert taken(match, {"method": "GET", "protocol": "redis", "kind": "request", "side": "client", "id": 7, "size": 5})


def test_the_first_rule_in_order_wins() -> None:
    rules = routing.load({"routes": [
        {"name": "one", "match": {"attributes": {"s": {"prefix": "a"}}}, "destinations": [{"host": "1"}]},
        {"name": "two", "match": {"attributes": {"s": "ab"}}, "destinations": [{"host": "2"}]}]})  # fmt: skip
    decision = rules.match({"s": "ab"})
    assert decision is not None
    assert (decision.index, decision.route.name) == (0, "one")


def test_fractions_follow_the_number_given() -> None:
    match = {"fraction": {"percent": 12.5}}
    hits = sum(taken(match, {}, random=number * 0x9E3779B97F4A7C15 % 2**64) for number in range(2000))
    assert 200 < hits < 300
    plain = {"fraction": {"numerator": 30, "denominator": 100, "random": "plain"}}
    assert [taken(plain, {}, random=number) for number in (0, 29, 30, 129, 130)] == [True, True, False, True, False]


def test_the_same_key_always_falls_on_the_same_side_of_a_threshold() -> None:
    match = {"consistent_hash": {"key": "header.user", "modulo": 100, "threshold": 40}}
    answers = [taken(match, {"header.user": f"u{number}"}) for number in range(500)]
    assert answers == [taken(match, {"header.user": f"u{number}"}, random=9) for number in range(500)]
    assert 250 < sum(answers) < 350
    assert not taken(match, {})
