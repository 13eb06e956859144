"""Any bytes as Hessian2 values: a value or one BodyError, and skipping agrees with reading."""

from __future__ import annotations

from tests.hessian2.laws import any_bytes

LONGEST = 4096  # bytes looked at: every value is also copied, pickled and printed


def test_one(data: bytes) -> None:
    """What a fuzzer calls with one input. It raises where something does not hold."""
    any_bytes(data[:LONGEST])
