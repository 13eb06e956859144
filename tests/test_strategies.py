"""The public strategies: what they promise, and the ways to bring one's own."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from construct import Int8ub, Struct, this
from hypothesis import HealthCheck, find, given, settings
from hypothesis import strategies as st

import l7codec
from l7codec import Message, MissingExtra, Side, strategies
from l7codec.declarative import HeaderCodec
from l7codec.errors import UnknownProtocol
from tests.test_registry import install
from tests.toys import Parley, request


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(l7codec.registry, "_codecs", dict(l7codec.registry._codecs))
    monkeypatch.setattr(strategies, "_registered", dict(strategies._registered))


def first(strategy: st.SearchStrategy[Any], holds: Any = lambda value: True) -> Any:
    enough = settings(database=None, max_examples=20_000, suppress_health_check=list(HealthCheck))
    return find(strategy, holds, settings=enough)


@given(st.binary(max_size=30).flatmap(lambda data: st.tuples(st.just(data), strategies.chunks(data))))
def test_chunks_are_the_whole(drawn: tuple[bytes, list[bytes]]) -> None:
    data, pieces = drawn
    assert b"".join(pieces) == data


@pytest.mark.parametrize("pieces", [[b"abc"], [b"a", b"b", b"c"], [b"ab", b"c"], [b"abc", b""]])
def test_chunks_are_of_every_kind(pieces: list[bytes]) -> None:
    assert first(strategies.chunks(b"abc"), lambda found: found == pieces) == pieces


@pytest.mark.parametrize("mutant", [b"", b"abc", b"abcc", b"abcxd", b"aac", b"abb", b"abcabc"])
def test_mutations_are_of_every_kind(mutant: bytes) -> None:
    assert first(strategies.mutations(b"abc"), lambda found: len(found) == len(mutant)) is not None


def test_messages_are_of_the_side_that_was_asked_for() -> None:
    for side in Side:
        assert first(strategies.messages("parley", side)).side is side
        assert first(strategies.messages("parley"), lambda message, side=side: message.side is side)


def test_a_side_that_never_speaks() -> None:
    assert strategies.sides("proxy") == (Side.CLIENT,)
    assert first(strategies.streams("proxy", Side.SERVER)) == b""


@settings(max_examples=20)
@given(st.from_type(Message))
def test_hypothesis_knows_messages(message: Message) -> None:
    assert isinstance(message, Message)
    assert message.protocol in l7codec.protocol_names()


@pytest.mark.parametrize("first_import", ["l7codec.strategies", "hypothesis"])
def test_either_may_be_imported_first(first_import: str) -> None:
    script = f"import {first_import}, l7codec, hypothesis.strategies as st; st.from_type(l7codec.Message).validate()"
    root = Path(l7codec.__file__).parent.parent
    command = [sys.executable, "-W", "error", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=root)
    assert done.returncode == 0, done.stderr


def test_without_hypothesis(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    monkeypatch.delitem(sys.modules, "l7codec.strategies")
    with pytest.raises(MissingExtra, match=r"pip install 'l7codec\[hypothesis\]'"):
        importlib.import_module("l7codec.strategies")


# -- one's own --------------------------------------------------------------------------------------------------------


class Mine(Parley):
    name = "mine"


def test_nobody_knows_strategies_for_a_codec_without_any() -> None:
    l7codec.register(Mine)
    with pytest.raises(UnknownProtocol, match="no strategies for 'mine'; l7codec.strategies.register adds them"):
        strategies.messages("mine")
    with pytest.raises(UnknownProtocol, match="no codec is named 'nobodys'"):
        strategies.messages("nobodys")


def test_register_with_nothing_but_messages() -> None:
    l7codec.register(Mine)
    strategies.register("mine", SimpleNamespace(messages=lambda side: st.just(request("get", side=side))))
    raw = request("get").raw
    assert first(strategies.messages("mine", Side.CLIENT)).raw == raw
    assert first(strategies.values("mine", Side.CLIENT))[1] == {"method": "get", "arguments": b""}
    assert strategies.extremes("mine", Side.CLIENT, 100) == []
    assert strategies.hostile("mine", Side.CLIENT) == []
    assert first(strategies.edits("mine", request("get"))) == {}
    assert first(strategies.streams("mine", Side.SERVER), bool) == raw


def test_what_is_registered_must_give_messages() -> None:
    with pytest.raises(TypeError, match="need a function messages"):
        strategies.register("mine", SimpleNamespace())


def test_an_installed_package_brings_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    l7codec.register(Mine)
    install(tmp_path, "mine", "[l7codec.strategies]\nmine = made_up_strategies\n")
    (tmp_path / "made_up_strategies.py").write_text(
        "from tests.toys import ParleyStrategies\nmessages = ParleyStrategies.messages\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert first(strategies.messages("mine")).raw


def test_a_declared_codec_needs_none() -> None:
    class Declared(HeaderCodec):
        name = "declared"
        header = Struct("kind" / Int8ub, "length" / Int8ub)
        length = this.length
        kind = {1: "push", 7: "oneway"}

    l7codec.register(Declared)
    assert {first(strategies.messages("declared"), lambda m, k=kind: m.kind == k).kind for kind in ("push", "oneway")}
    assert first(strategies.messages("declared"), lambda message: len(message.body) > 2)


def test_a_declared_codec_whose_length_cannot_be_set_has_none() -> None:
    class Fixed(HeaderCodec):
        name = "fixed"
        header = Struct("one" / Int8ub, "two" / Int8ub)
        length = lambda header: header.one + header.two + 2  # noqa: E731

    l7codec.register(Fixed)
    with pytest.raises(UnknownProtocol, match="no strategies for 'fixed'"):
        strategies.messages("fixed")
