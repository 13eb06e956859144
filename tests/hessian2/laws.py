"""What holds for any value and any bytes; the tests and the fuzz target call it."""

from __future__ import annotations

import copy
import json
import math
import pickle
from typing import Any

from l7codec import hessian2
from l7codec.errors import BodyError
from l7codec.hessian2 import JavaMap, JavaObject, Reader, dumps
from l7codec.hessian2.graph import children, is_container


def exact(value: Any, other: Any) -> None:
    """Equal, of the same types (but for what a reference makes of a list or dict), and shared alike."""
    partners: dict[int, Any] = {}
    todo = [(value, other)]
    while todo:
        one, two = todo.pop()
        if not is_container(one):
            assert type(one) is type(two), (one, two)
            assert one == two
            assert not isinstance(one, float) or str(one) == str(two)  # the sign of a zero
            continue
        assert isinstance(two, (list,) if isinstance(one, list) else (dict, JavaMap, JavaObject))
        assert getattr(one, "type", None) == getattr(two, "type", None)
        if id(one) in partners:
            assert partners[id(one)] is two
            continue
        partners[id(one)] = two
        if isinstance(one, JavaObject):
            assert one.definition == two.definition
        todo.extend(zip(children(one), children(two), strict=True))


def any_bytes(data: bytes) -> None:
    """A value or a BodyError; and where reading succeeds, skipping agrees in the end and in the tables."""
    reader, skipper = Reader(data), Reader(data)
    while not reader.at_end:
        start = reader.offset
        try:
            value = reader.value()
        except BodyError as error:
            assert 0 <= error.offset <= len(data)
            assert reader.offset == start
            try:
                reader.value()
            except BodyError as again:
                assert str(again) == str(error)
                return
            raise AssertionError("the second time there is a value") from error
        skipper.skip()
        assert skipper.offset == reader.offset
        assert skipper.context.marks() == reader.context.marks()
        assert skipper.context.types == reader.context.types
        assert skipper.context.classes == reader.context.classes
        bounded(value)


def bounded(value: Any) -> None:
    """What one does with a value without thinking."""
    assert len(repr(value)) < 100_000
    json.dumps(hessian2.to_plain(value))
    twin = pickle.loads(pickle.dumps(value))
    third = copy.deepcopy(value)
    if not has_nan(value):
        assert twin == value
        assert third == value
    assert dumps(twin) == dumps(third) == dumps(value)


def has_nan(value: Any) -> bool:
    """Whether something in it is not equal to itself."""
    seen = set()
    todo = [value]
    while todo:
        one = todo.pop()
        if is_container(one) and id(one) not in seen:
            seen.add(id(one))
            todo.extend(children(one))
        elif isinstance(one, float) and math.isnan(one):
            return True
    return False
