"""The vocabulary is complete and of one mind."""

from __future__ import annotations

import re

import pytest

import l7codec
from l7codec.vocabulary import VOCABULARY, term, types


@pytest.mark.parametrize("key", VOCABULARY)
def test_every_term(key: str) -> None:
    entry = VOCABULARY[key]
    assert re.fullmatch(r"[a-z][a-z0-9_]*(\.[a-z0-9_]+)*(\.\*)?", key)
    assert entry.type in (str, int, bool, tuple) or key == "header.*"
    assert entry.meaning
    assert not entry.meaning.endswith(".")
    assert set(entry.protocols) <= set(l7codec.registry._BUILTIN)


def test_a_protocols_own_keys_bear_its_name() -> None:
    for key, entry in VOCABULARY.items():
        owner = key.partition(".")[0]
        if owner in l7codec.registry._BUILTIN:
            assert entry.protocols == (owner,), key


def test_every_header_is_a_term() -> None:
    assert term("header.x-tier") is VOCABULARY["header.*"]
    assert term("header.") is VOCABULARY["header.*"]
    assert term("method") is VOCABULARY["method"]
    assert term("nothing") is None


def test_types() -> None:
    assert types()["keys"] is tuple
    assert types().keys() == VOCABULARY.keys()
