"""What holds for any value, any bytes, any order of reading and skipping."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from l7codec.errors import BodyError
from l7codec.hessian2 import Date, JavaList, JavaLong, JavaMap, JavaObject, Reader, Writer, dumps, loads
from l7codec.hessian2.graph import children, is_container
from l7codec.strategies import hessian2 as strategies
from l7codec.strategies import mutations
from tests.hessian2.laws import any_bytes, bounded, exact


@given(strategies.values())
def test_round_trip(value: Any) -> None:
    data = dumps(value)
    again = loads(data)
    exact(value, again)
    assert again == value
    assert (again != value) is False
    assert dumps(again) == data


@given(strategies.trees())
def test_a_tree_is_plain_data(value: Any) -> None:
    """Without references, a list is a list and a map a dict unless it has a type, or keys that no dict takes."""
    again = loads(dumps(value))
    todo = [(value, again)]
    while todo:
        one, two = todo.pop()
        if is_container(one):
            plain = isinstance(one, JavaMap) and one.type is None
            assert type(two) is type(one) or plain
            todo.extend(zip(children(one), children(two), strict=True))


@given(strategies.encodings())
def test_every_form_is_read(pair: tuple[Any, bytes]) -> None:
    value, data = pair
    exact(value, loads(data))
    reader = Reader(data)
    reader.skip()
    assert reader.at_end


@given(strategies.encodings(), st.data())
def test_any_bytes(pair: tuple[Any, bytes], data: st.DataObject) -> None:
    any_bytes(data.draw(mutations(pair[1]) | st.binary(max_size=60)))


@given(strategies.values())
def test_values_are_bounded(value: Any) -> None:
    bounded(loads(dumps(value)))  # a user's own list that holds itself is a plain list


@given(st.lists(strategies.values(), min_size=1, max_size=5), st.data())
def test_reading_behind_what_was_skipped(values: list[Any], data: st.DataObject) -> None:
    """Skipped or read, in any mixture: what is read then is the same, and shared the same way."""
    values.append(data.draw(st.lists(st.sampled_from(values), max_size=3)))  # refers back
    writer = Writer()
    for value in values:
        writer.value(value)
    body = writer.bytes()
    reader = Reader(body)
    found = []
    for value in values:
        if data.draw(st.booleans()):
            reader.skip()
        else:
            found.append((value, reader.value()))
    assert reader.at_end
    exact([one for one, _ in found], [two for _, two in found])


@given(st.lists(strategies.values(), min_size=1, max_size=4), strategies.values())
def test_a_value_put_behind_others(values: list[Any], last: Any) -> None:
    """What a Writer `after` a Reader writes can stand where that Reader stands."""
    writer = Writer()
    for value in values:
        writer.value(value)
    body = writer.bytes()
    reader = Reader(body)
    for _ in values:
        reader.skip()
    behind = Writer(after=reader)
    behind.value([last, values[0]])
    again = Reader(body + behind.bytes())
    for value in values:
        assert again.value() == value
    assert again.value() == [last, values[0]]


@given(strategies.texts(), st.integers(0, 255))
def test_strings_alone(text: str, after: int) -> None:
    """Whatever byte stands behind a string, one that looks like a part of it too."""
    data = dumps(text) + bytes([after])
    reader = Reader(data)
    assert reader.string() == text
    assert reader.offset == len(data) - 1
    reader = Reader(data)
    reader.skip()
    assert reader.offset == len(data) - 1


@pytest.mark.parametrize("number", range(len(strategies.hostile())))
def test_hostile(number: int) -> None:
    data = strategies.hostile()[number]
    for way in (Reader.value, Reader.skip):
        try:
            way(Reader(data))
        except BodyError as error:
            assert error.protocol == "hessian2"


def test_kinds() -> None:
    """The strategies give every kind of value there is."""
    seen: set[type] = set()

    @settings(max_examples=100, derandomize=True, database=None)
    @given(strategies.values())
    def look(value: Any) -> None:
        seen.add(type(value))
        if is_container(value):
            seen.update(map(type, children(value)))

    look()
    plain = {list, dict, type(None), bool, int, str, bytes, float}
    assert seen == plain | {JavaList, JavaMap, JavaObject, JavaLong, Date}
