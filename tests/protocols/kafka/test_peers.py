"""kio and kafka-python: for every API and version that they know, they read what we write and we what they write."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from benchmarks.kafka_peers import Peer, kafka_python, kio
from l7codec.protocols.kafka import API_NAMES, Records, api, bodies
from l7codec.protocols.kafka.layout import SIZES, Item, Struct, layout

pytest.importorskip("kio")
pytest.importorskip("kafka", exc_type=ImportError)

SHARE = {"kio": 600, "kafka-python": 475}
"""At least so many versions of messages each of them has."""


def versions(key: int) -> list[tuple[int, bool]]:
    span = api(key).versions
    return [(version, response) for version in range(span.first, span.last + 1) for response in (False, True)]


@pytest.mark.parametrize(("name", "peer_of"), [("kio", kio), ("kafka-python", kafka_python)])
def test_how_much_they_share_with_us(name: str, peer_of: Callable[[int, bool, int], Peer | None]) -> None:
    known = sum(peer_of(key, response, version) is not None for key in API_NAMES for version, response in versions(key))
    assert known >= SHARE[name]


@pytest.mark.parametrize("key", API_NAMES)
@pytest.mark.parametrize(("name", "peer_of"), [("kio", kio), ("kafka-python", kafka_python)])
def test_they_read_and_write_the_same(name: str, peer_of: Callable[[int, bool, int], Peer | None], key: int) -> None:
    chance = random.Random(key)
    for version, response in versions(key):
        peer = peer_of(key, response, version)
        for _ in range(0 if peer is None else 3):
            assert peer is not None
            value = tame(struct_of(layout(key, response, version), chance))
            if key == 18 and response:  # kafka-python takes any error for the sign of another version
                value["error_code"] = 0
            written = bodies.write_body(key, version, response, value)
            again = peer.write(peer.read(written))
            assert bodies.read_struct(again, key, version, response, 0, lazy=False) == (value, len(again))


def struct_of(fields: Struct, chance: random.Random) -> dict[str, Any]:
    """Any value of a struct. Seeded, not drawn: a thousand versions are a lot to draw for."""
    value = {item.name: value_of(item, chance) for item in fields.fields}
    for item in fields.tags:
        found = value_of(item, chance)
        value[item.name] = item.fresh() if item.is_default(found) or chance.random() < 0.5 else found
    return value


def value_of(item: Item, chance: random.Random) -> Any:
    if item.nullable and chance.random() < 0.2:
        return None
    if item.array:
        return [one_of(item, chance) for _ in range(chance.choice((0, 1, 2, 5)))]
    return one_of(item, chance)


def one_of(item: Item, chance: random.Random) -> Any:
    if item.inner is not None:
        return struct_of(item.inner, chance)
    match item.type:
        case "bool":
            return chance.random() < 0.5
        case "string":
            return "".join(chance.choices("abc\u00e9\u2603", k=chance.choice((0, 1, 5, 200))))
        case "bytes":
            return chance.randbytes(chance.choice((0, 1, 300)))
        case "records":
            return Records(chance.randbytes(chance.choice((1, 300))))
        case "uuid":
            return chance.randbytes(16)
        case "float64":
            return chance.random()
    low, high = (
        (0, 2**16) if item.type == "uint16" else (-(2 ** (8 * SIZES[item.type] - 1)), 2 ** (8 * SIZES[item.type] - 1))
    )
    return chance.randrange(low, high)


def tame(value: Any, name: str = "") -> Any:
    """What both have a value for: kio makes durations, moments and enumerations of numbers."""
    if isinstance(value, dict):
        return {one: tame(inner, one) for one, inner in value.items()}
    if isinstance(value, list):
        return [tame(one, name) for one in value]
    if isinstance(value, int) and not isinstance(value, bool):
        if name.endswith(("error_code", "config_error_code")):
            return abs(value) % 100
        if name.endswith("_ms") or "timestamp" in name or "timeout" in name:
            return abs(value) % 1_000_000
    return value
