"""Every limit is there for a reason that it tells."""

from __future__ import annotations

import ast
import inspect
import itertools

import pytest

from l7codec import Limits, limits
from l7codec.registry import codecs


def test_every_limit_is_documented() -> None:
    (declared,) = [node for node in ast.parse(inspect.getsource(limits)).body if isinstance(node, ast.ClassDef)]
    body = declared.body
    for node, following in itertools.pairwise(body):
        if isinstance(node, ast.AnnAssign):
            documented = isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant)
            assert documented, ast.unparse(node)


def test_limits_do_not_change() -> None:
    with pytest.raises(AttributeError):
        Limits().message = 1  # type: ignore[misc]


def test_a_codec_starts_from_its_own() -> None:
    for codec in codecs():
        assert codec().limits is codec.default_limits
        assert codec(Limits(message=5)).limits.message == 5
