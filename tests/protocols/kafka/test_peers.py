"""kio and kafka-python: for every API and version that they know, they read what we write and we what they write.

Values are compared under their names in objects of theirs, and written from such objects: see `peer_values`.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import settings

from benchmarks.kafka_peers import Peer, kafka_python, kio
from l7codec.protocols.kafka import API_NAMES, Records, api, bodies
from l7codec.protocols.kafka.layout import SIZES, Item, Struct, layout

from .peer_values import (
    Build,
    Read,
    comparable,
    kafka_python_build,
    kafka_python_read,
    kio_build,
    kio_fits,
    kio_read,
)

pytest.importorskip("kio")
pytest.importorskip("kafka", exc_type=ImportError)

ROUNDS = max(4, settings.default.max_examples // 25)
"""Values of each version; more where the profile is thorough."""

SHARE = {"kio": 604, "kafka-python": 478}
"""So many versions of messages each of them has, of our 736. Both are pinned in pyproject.toml."""


def versions(key: int) -> list[tuple[int, bool]]:
    span = api(key).versions
    return [(version, response) for version in range(span.first, span.last + 1) for response in (False, True)]


@pytest.mark.parametrize(("name", "peer_of"), [("kio", kio), ("kafka-python", kafka_python)])
def test_how_much_they_share_with_us(name: str, peer_of: Callable[[int, bool, int], Peer | None]) -> None:
    known = sum(peer_of(key, response, version) is not None for key in API_NAMES for version, response in versions(key))
    assert known == SHARE[name]


@pytest.mark.parametrize("key", API_NAMES)
def test_kio(key: int) -> None:
    chance = random.Random(key)
    for version, response in versions(key):
        peer = kio(key, response, version)
        for _ in range(0 if peer is None else ROUNDS):
            assert peer is not None
            fields = layout(key, response, version)
            value = kio_fits(struct_of(fields, chance), peer.type, fields)
            agree(peer, value, key, version, response, kio_read, kio_build)


@pytest.mark.parametrize("key", API_NAMES)
def test_kafka_python(key: int) -> None:
    chance = random.Random(key)
    for version, response in versions(key):
        peer = kafka_python(key, response, version)
        for _ in range(0 if peer is None else ROUNDS):
            assert peer is not None
            value = struct_of(layout(key, response, version), chance)
            if key == 18 and response:  # it takes any error for the sign of another version
                value["error_code"] = 0
            agree(peer, value, key, version, response, kafka_python_read, kafka_python_build)


def agree(peer: Peer, value: Any, key: int, version: int, response: bool, read: Read, build: Build) -> None:
    """They find under each name what we wrote; we find what they write of an object made from the same values."""
    fields = layout(key, response, version)
    written = bodies.write_body(key, version, response, value)
    theirs = peer.read(written)
    assert read(theirs, fields) == comparable(value)
    for found in (theirs, build(peer.type, value, fields, version)):
        again = peer.write(found)
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
