"""The fuzz targets hold over their committed corpora, and over some changes to them."""

from __future__ import annotations

import importlib.util
import random
from pathlib import Path

import pytest

FUZZ = Path(__file__).resolve().parents[2] / "fuzz"


def target(name: str):
    spec = importlib.util.spec_from_file_location(f"fuzz_{name}", FUZZ / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.test_one


@pytest.mark.parametrize("name", ["capture_reader", "reassembler"])
def test_over_the_corpus(name):
    test_one = target(name)
    inputs = [path.read_bytes() for path in sorted((FUZZ / "corpus" / name).iterdir())]
    assert len(inputs) > 20
    values = random.Random(7)
    for data in inputs:
        test_one(data)
        for _ in range(5):
            changed = bytearray(data)
            for _ in range(values.choice((1, 2, 8))):
                changed[values.randrange(len(changed))] = values.choice((0, 1, 0xFF, values.randrange(256)))
            test_one(bytes(changed))


def test_the_reassembler_over_random_orders():
    test_one = target("reassembler")
    values = random.Random(11)
    for _ in range(1500):
        data = bytearray(values.randbytes(values.randrange(5, 300)))
        kinds, pauses = values.choice((1, 7, 0x3F, 0x49, 0xFF)), values.choice((0, 3, 255))
        for at in range(0, len(data) - 4, 5):
            data[at] &= kinds
            data[at + 1] &= 0x3F
            data[at + 4] &= pauses
        test_one(bytes(data))
