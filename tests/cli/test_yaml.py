"""Rules in YAML: the types of YAML 1.2, nothing said twice, and text that stays text on the way out and in."""

from __future__ import annotations

import math

import pytest
import yaml as pyyaml
from hypothesis import given
from hypothesis import strategies as st

from l7codec.cli import yaml

# https://yaml.org/spec/1.2.2/#1032-tag-resolution, and what YAML 1.1 made of the rest
CORE = {
    "true": True, "True": True, "FALSE": False, "null": None, "~": None, "Null": None,
    "0": 0, "010": 10, "+12": 12, "-7": -7, "0o17": 15, "0x1F": 31,
    "1.5": 1.5, "1e3": 1000.0, ".5": 0.5, "-.inf": -math.inf,
    "on": "on", "off": "off", "yes": "yes", "no": "no", "y": "y", "n": "n", "On": "On", "NO": "NO",
    "1:30": "1:30", "1_000": "1_000", "0b11": "0b11", "2024-01-01": "2024-01-01", "=": "=", "<<": "<<",
    "user:1": "user:1", "tRUE": "tRUE",
}  # fmt: skip


@pytest.mark.parametrize("text", CORE)
def test_types_of_scalars(text):
    [document] = yaml.read(f"- {text}\n")
    assert document == [CORE[text]]
    assert type(document[0]) is type(CORE[text])


def test_on_is_a_word_even_as_a_key():
    assert yaml.read("retry: {attempts: 3, on: [5xx]}") == [{"retry": {"attempts": 3, "on": ["5xx"]}}]


def test_anchors_and_merges():
    text = "base: &b {host: a, weight: 1}\nother: {<<: *b, weight: 2}\n"
    assert yaml.read(text) == [{"base": {"host": "a", "weight": 1}, "other": {"host": "a", "weight": 2}}]


def test_documents():
    assert yaml.read("---\na: 1\n---\n---\nb: 2\n") == [{"a": 1}, {"b": 2}]
    assert yaml.read("# nothing\n") == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("routes:\n- name: a\n  match: {}\n  name: b\n", "line 4: 'name' is there twice; see line 2"),
        ("a: [1, 2\nb: 3\n", "line 2, column"),
        ("a: !!python/object/apply:os.system [echo]\n", "could not determine a constructor"),
        ("a: \x00", "unacceptable character"),
        ("[" * 5000, "nested too deep"),
        ("a: " + "1" * 5000, "line 1: "),
    ],
)
def test_what_is_wrong_is_told(text, said):
    with pytest.raises(yaml.SyntaxProblem, match=said.replace("[", r"\[")):
        yaml.read(text)


texts = st.one_of(
    st.sampled_from(
        [*CORE, "", " ", "a: b", "- a", "#", "0o8", "1e", "!x", "&x", "*x", "\u2028", "a\nb", "\t", "'", '"']
    ),
    st.text(st.characters(exclude_categories=("Cs",)), max_size=8),
)
scalars = st.one_of(texts, st.none(), st.booleans(), st.integers(-(2**64), 2**64), st.floats(allow_nan=False))
documents = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=10
)


@given(st.dictionaries(texts, documents, max_size=3))
def test_what_is_written_reads_the_same(document):
    assert yaml.read(yaml.write(document)) == [document]


@given(st.lists(texts, max_size=5))
def test_text_is_text_for_readers_of_yaml_1_1_too(values):
    assert pyyaml.safe_load(yaml.write({"values": values})) == {"values": values}
