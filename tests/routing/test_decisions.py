"""What follows from a decision, and the policies beside it."""

from __future__ import annotations

import importlib.util
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import routing
from routing.hashing import combine, fast_xxh64, xxh64, xxh64_chain
from routing.rules import LocalRateLimit, TokenBucket


def decide(metadata: dict[str, Any], random: int = 1, hash_: int | None = None, **fields: Any) -> routing.Decision:
    document = {"routes": [{"name": "r", "destinations": [{"host": "h"}], **fields}]}
    if {"respond", "destination_from"} & set(fields):
        del document["routes"][0]["destinations"]
    decision = routing.load(document).match(metadata, random=random, hash=hash_)
    assert decision is not None
    return decision


def spread_of(count: int) -> list[int]:
    return [number * 0xD1B54A32D192ED03 % 2**64 for number in range(count)]


def host(decision: routing.Decision) -> str | None:
    return None if decision.destination is None else decision.destination.host


WEIGHTED = [{"host": "a", "weight": 80}, {"host": "b", "weight": 20}, {"host": "never", "weight": 0}]


def test_weights() -> None:
    hosts = [host(decide({}, number, destinations=WEIGHTED)) for number in spread_of(2000)]
    assert 1500 < hosts.count("a") < 1700
    assert hosts.count("never") == 0
    assert host(decide({}, 5, destinations=WEIGHTED)) == host(decide({}, 5, destinations=WEIGHTED))


def test_weights_as_envoy_draws_them() -> None:
    hosts = [
        host(decide({}, number, destinations=WEIGHTED, weighting="modulo")) for number in (0, 79, 80, 99, 100, 180)
    ]
    assert hosts == ["a", "a", "b", "b", "a", "b"]


def test_a_mirror_does_not_always_take_the_same_side_of_the_weights() -> None:
    mirrors = [{"destination": {"host": "m"}, "percent": 5.0}]
    decisions = [decide({}, number, destinations=WEIGHTED, mirrors=mirrors) for number in spread_of(4000)]
    mirrored = [host(decision) for decision in decisions if decision.mirrors]
    assert 140 < len(mirrored) < 260
    assert 0.1 < mirrored.count("b") / len(mirrored) < 0.3


def test_mirrors_may_have_a_condition() -> None:
    mirrors = [{"destination": {"host": "m"}, "match": {"attributes": {"redis.write": True}}}]
    assert decide({"redis.write": True}, mirrors=mirrors).mirrors == (routing.Destination("m"),)
    assert decide({"redis.write": False}, mirrors=mirrors).mirrors == ()


def test_a_destination_may_come_from_the_message() -> None:
    assert host(decide({"header.to": ("x", "y")}, destination_from="header.to")) == "x"
    assert decide({}, destination_from="header.to").destination is None


def test_edits() -> None:
    decision = decide(
        {"keys": ("u:é", "x"), "service": "s", "header.a": "1"},
        request_edits={
            "header.set": "v", "header.gone": None, "keys": {"remove_prefix": "u:", "add_prefix": "p:"},
            "header.copy": {"copy": "service"}, "header.none": {"copy": "missing"}, "method": {"add_suffix": "x"},
        },
        response_edits={"header.from": {"copy": "header.a"}},
    )  # fmt: skip
    assert decision.edits == {"header.set": "v", "header.gone": None, "keys": ("p:é", "p:x"), "header.copy": "s"}
    assert decision.response_edits == {"header.from": "1"}
    assert decide({"keys": ("é1",)}, request_edits={"keys": {"cut": 2}}).edits == {"keys": ("1",)}


def test_faults_answers_retries_and_descriptors() -> None:
    decision = decide(
        {"header.user": "u"},
        fault={"delay": {"seconds": 2, "percent": 0}, "abort": {"status": 503}},
        retry={"attempts": 2, "on": ["reset"]},
        timeout=1.5,
        rate_limit={"descriptors": [{"key": "user", "source": "header.user"}, {"key": "k", "value": "v"}]},
    )
    assert decision.delay is None
    assert decision.abort is not None
    assert (decision.abort.status, decision.timeout) == (503, 1.5)
    assert decision.retry is not None
    assert (decision.retry.attempts, decision.retry.on) == (2, ("reset",))
    assert decision.descriptors == (("user", "u"), ("k", "v"))
    denied = decide({}, respond="deny")
    assert denied.respond is not None
    assert (denied.respond.reason, denied.destination) == ("denied", None)
    assert decide({}, rate_limit={"descriptors": [{"key": "user", "source": "header.user"}]}).descriptors == ()


# XXH64 vectors of the reference implementation's own sanity test and of its documentation.
@pytest.mark.parametrize(
    ("data", "seed", "digest"),
    [
        (b"", 0, 0xEF46DB3751D8E999),
        (b"a", 0, 0xD24EC4F1A98C6E5B),
        (b"abc", 0, 0x44BC2CF5AD770999),
        (b"", 1, 0xD5AFBA1336A3BE4B),
        (b"Call me Ishmael. Some years ago--never mind how long precisely-", 0, 0x02A2E85470D6FD96),
    ],
)
def test_xxh64(data: bytes, seed: int, digest: int) -> None:
    assert xxh64(data, seed) == digest
    assert fast_xxh64(data, seed) == digest


@pytest.mark.skipif(importlib.util.find_spec("xxhash") is None, reason="no xxhash: pip install 'l7codec[xxhash]'")
@given(st.binary(max_size=200), st.integers(0, 2**64 - 1))
def test_xxh64_equals_the_library(data: bytes, seed: int) -> None:
    import xxhash

    assert xxh64(data, seed) == xxhash.xxh64_intdigest(data, seed)


def test_hash_policies() -> None:
    one, two = fast_xxh64(b"a", 0), fast_xxh64(b"b", 0)
    metadata = {"header.x": "a", "header.y": "b", "header.z": ("b", "a")}
    assert decide(metadata, hash_policy=["header.x"]).hash == one
    assert decide(metadata, hash_policy=["header.x", "none", "header.y"]).hash == combine(one, two)
    assert decide(metadata, hash_policy=[{"key": "header.x", "terminal": True}, "header.y"]).hash == one
    assert decide(metadata, hash_policy=["header.z"]).hash == xxh64_chain([b"a", b"b"])  # repeated values are sorted
    assert decide(metadata, hash_policy=["none"]).hash is None
    assert decide(metadata, hash_=5, hash_policy=["header.x"]).hash == 5
    # MetaProtocol: missing as empty text, all values sorted, so their order is lost
    swapped = {"keys": ["header.y", "none", "header.x"], "combine": "sorted"}
    assert decide(metadata, hash_policy=swapped).hash == xxh64_chain([b"", b"a", b"b"])


def test_token_buckets_fill_in_whole_intervals() -> None:
    limiter = routing.LocalLimiter(LocalRateLimit(TokenBucket(2, 10.0, 1)))
    assert [limiter.allow({}, now) for now in (0, 0, 0, 9.9, 10, 10, 25, 25)] == [
        True, True, False, False, True, False, True, False,
    ]  # fmt: skip
    assert limiter.allow({}, 1) is False  # a clock that goes backwards fills nothing
    assert [limiter.allow({}, now) for now in (1000, 1000, 1000)] == [True, True, False]  # never more than it holds


def test_the_first_condition_names_the_bucket() -> None:
    table = routing.load(
        {
            "routes": [],
            "local_rate_limit": {
                "bucket": {"max_tokens": 1, "fill_interval": 60},
                "conditions": [
                    {"match": {"attributes": {"method": "hi"}}, "bucket": {"max_tokens": 2, "fill_interval": 60}}
                ],
            },
        }
    )
    assert table.local_rate_limit is not None
    limiter = routing.LocalLimiter(table.local_rate_limit)
    assert [limiter.allow({"method": "hi"}, 0) for _ in range(3)] == [True, True, False]
    assert [limiter.allow({"method": "x"}, 0) for _ in range(2)] == [True, False]


def test_tables_and_their_rules_pickle() -> None:
    table = routing.load({"routes": [{"name": "r", "match": {"attributes": {"k": {"prefix": "a"}}},
                                      "destinations": [{"host": "h"}]}]})  # fmt: skip
    twin = pickle.loads(pickle.dumps(table))
    assert twin == table
    assert twin.match({"k": "ab"}) == table.match({"k": "ab"})
