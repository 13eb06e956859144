"""The codecs' fuzz targets hold over their committed corpora, and can find something."""

from __future__ import annotations

import gc
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest

import l7codec
from fuzz import driver
from fuzz.codecs import target
from l7codec import Message, Side
from l7codec.buffer import ReceiveBuffer
from tests import laws
from tests.toys import Parley, request

ROOT = Path(__file__).parent.parent
TARGETS = sorted({path.name for path in driver.CORPUS.iterdir()} | set(l7codec.registry._BUILTIN))


@pytest.mark.parametrize("name", TARGETS)
def test_every_target_holds_over_its_corpus(name: str) -> None:
    assert driver.replay(name) >= 10


@pytest.mark.parametrize("name", TARGETS)
def test_inputs_leave_no_memory_behind(name: str) -> None:
    """However often they come. An exception that is raised again, say, collects every frame it is raised in."""
    driver.replay(name)  # tables are made, code is generated
    tracemalloc.start()
    try:
        held = []
        for _ in range(3):
            driver.replay(name)
            gc.collect()
            held.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert held[2] - held[1] < 16_384, held


@pytest.mark.parametrize("name", [name for name in sorted(l7codec.registry._BUILTIN) if laws.is_stream(name)])
def test_a_corpus_has_every_kind_of_input(name: str) -> None:
    kinds = {path.read_bytes()[0] for path in driver.inputs(name)}
    assert kinds >= {0, 2, 4}


@pytest.mark.parametrize("name", ["parley", "awesome", "tally", "roam"])
def test_a_codec_needs_no_target_of_its_own(name: str) -> None:
    test_one = driver.load(name)
    for data in (b"", b"\0", b"\0junk", b"\2\4junk\4more", b"\4\2ju\3\2nk\xff"):
        test_one(data)


def test_a_broken_law_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    class Greedy(Parley):
        name = "greedy"

        def decode(self, side: Side, buffer: ReceiveBuffer) -> Message | None:
            if len(buffer.data) - buffer.position > 20:  # depends on what happens to be there
                raise buffer.fail("too much at once")
            return super().decode(side, buffer)

    monkeypatch.setattr(l7codec.registry, "_codecs", {**l7codec.registry._codecs, "greedy": Greedy})
    test_one = target("greedy")
    with pytest.raises(AssertionError):
        test_one(b"\0" + b"PRLX" * 10)
    with pytest.raises(AssertionError):
        test_one(b"\2\x12" + request("get", b"x").raw + b"\0\x40" + request("get", bytes(47)).raw)


def test_the_command() -> None:
    command = [sys.executable, "-m", "fuzz"]
    done = subprocess.run([*command, "proxy", "--replay"], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("proxy: ")
    done = subprocess.run([*command, "nobody"], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 2
    assert "no target is named 'nobody'; there are" in done.stderr
