"""What one does with values without thinking, for values that are graphs: compare, print, copy, pickle, JSON.

References make graphs of values: a list may hold itself, and thirty lists that each hold the next one twice are a
billion. Everything here visits a list, map or object once, on a stack of its own.
"""

from __future__ import annotations

import base64
import copy
import math
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, Final

from . import values as v
from .scalars import ClassDefinition, Date, JavaLong

SHOWN_CHARACTERS: Final = 2000
SHOWN_ITEMS: Final = 100
SHOWN_TEXT: Final = 200
PLAIN_DEPTH: Final = 256
"""JSON nests no deeper; what is below reads `{"$deep": true}`. Python's own encoder gives up at about 1,000 levels."""


def is_container(value: Any) -> bool:
    """Whether a value holds others, and is one of those that may be part of a graph."""
    return isinstance(value, list | dict | v.JavaObject | v.JavaMap)


def children(value: Any) -> list[Any]:
    """What a container holds; keys of maps too."""
    if isinstance(value, list):
        return value
    if isinstance(value, v.JavaObject):
        return value.values
    return [part for pair in value.items() for part in pair]


# -- equal ----------------------------------------------------------------------------------------------------------


def equal(left: Any, right: Any) -> bool:
    """Whether two graphs look the same from here, however they are shared inside.

    Two containers that were met as a pair are taken to be equal from then on, and so is whatever was found equal to
    either of them (Hopcroft and Karp's test of automata): there are fewer such steps than containers.
    """
    parents: dict[int, int] = {}

    def root(name: int) -> int:
        while (parent := parents.get(name, name)) != name:
            parents[name] = name = parents.get(parent, parent)
        return name

    todo = [(left, right)]
    while todo:
        one, other = todo.pop()
        if one is other:
            continue
        if not is_container(one) or not is_container(other):
            if is_container(one) or is_container(other) or one != other:
                return False
            continue
        first, second = root(id(one)), root(id(other))
        if first == second:
            continue
        parents[first] = second
        pairs = _parts(one, other)
        if pairs is None:
            return False
        todo.extend(pairs)
    return True


def _parts(one: Any, other: Any) -> list[tuple[Any, Any]] | None:
    """What must be equal for the two to be; None if they cannot be."""
    if isinstance(one, list):
        if not isinstance(other, list) or len(one) != len(other) or _type(one) != _type(other):
            return None
        return list(zip(one, other, strict=True))
    if isinstance(one, v.JavaObject):
        if not isinstance(other, v.JavaObject) or one.definition != other.definition:
            return None
        return list(zip(one.values, other.values, strict=True))
    if not isinstance(other, dict | v.JavaMap) or len(one) != len(other) or _type(one) != _type(other):
        return None
    first, second = _dict(one), _dict(other)
    if first is not None and second is not None:
        return [(first[key], second[key]) for key in first] if first.keys() == second.keys() else None
    return list(zip(children(one), children(other), strict=True))


def _type(value: Any) -> str | None:
    return value.type if isinstance(value, v.JavaList | v.JavaMap) else None


def _dict(value: Any) -> dict[Any, Any] | None:
    if isinstance(value, dict):
        return value
    if not all(isinstance(key, str | bytes) for key, _ in value.pairs):
        return None
    found = dict(value.pairs)
    return found if len(found) == len(value.pairs) else None


# -- show -----------------------------------------------------------------------------------------------------------


class _Said(str):
    """A piece of what is printed, not a value."""

    __slots__ = ()


class _Left:
    """Marks where a container ends, to know what is inside itself."""

    __slots__ = ("name",)

    def __init__(self, name: int) -> None:
        self.name = name


def show(root: Any) -> str:
    """What `repr` says: what is inside itself is `...`, and what is long ends in `…`."""
    said: list[str] = []
    length = 0
    inside: set[int] = set()
    todo: list[Any] = [root]
    while todo:
        value = todo.pop()
        if isinstance(value, _Left):
            inside.discard(value.name)
            continue
        if isinstance(value, _Said):
            piece = str(value)
        elif not is_container(value):
            piece = _leaf(value)
        elif id(value) in inside:
            piece = "..."
        else:
            inside.add(id(value))
            todo.append(_Left(id(value)))
            todo.extend(reversed(list(_pieces(value))))
            continue
        said.append(piece)
        length += len(piece)
        if length > SHOWN_CHARACTERS:
            said.append("…")
            break
    return "".join(said)


def _leaf(value: Any) -> str:
    if isinstance(value, str | bytes) and len(value) > SHOWN_TEXT:
        return repr(value[:SHOWN_TEXT]) + "…"
    return repr(value)


def _pieces(value: Any) -> Iterator[Any]:
    if isinstance(value, v.JavaObject):
        yield _Said(f"JavaObject({_leaf(value.class_name)}, ")
        yield from _entries(zip(value.definition.fields, value.values, strict=True))
        yield _Said(")")
    elif isinstance(value, list):
        typed = _type(value)
        yield _Said("[" if typed is None else "JavaList([")
        for place, item in enumerate(islice(value, SHOWN_ITEMS)):
            if place:
                yield _Said(", ")
            yield item
        yield _Said(", …" if len(value) > SHOWN_ITEMS else "")
        yield _Said("]" if typed is None else f"], {_leaf(typed)})")
    elif isinstance(value, dict):
        yield from _entries(iter(value.items()))
    else:
        yield _Said("JavaMap(")
        yield from _entries(iter(value.pairs))
        yield _Said(")" if value.type is None else f", {_leaf(value.type)})")


def _entries(pairs: Iterator[tuple[Any, Any]]) -> Iterator[Any]:
    yield _Said("{")
    for place, (key, item) in enumerate(islice(pairs, SHOWN_ITEMS)):
        if place:
            yield _Said(", ")
        yield key
        yield _Said(": ")
        yield item
    yield _Said(", …}" if next(pairs, None) is not None else "}")


# -- copy and pickle --------------------------------------------------------------------------------------------------

_ATOMS: Final = (type(None), bool, int, float, str, bytes, JavaLong, Date)


def _empty(value: Any) -> Any:
    """A container like `value`, with nothing in it."""
    if isinstance(value, v.JavaObject):
        return v.make_object(value.definition, [])
    if isinstance(value, v.JavaList):
        return v.JavaList((), value.type)
    if isinstance(value, v.JavaMap):
        return v.JavaMap((), value.type)
    return [] if isinstance(value, list) else {}


def _fill(value: Any, parts: list[Any]) -> None:
    if isinstance(value, list):
        value.extend(parts)
    elif isinstance(value, v.JavaObject):
        value.values.extend(parts)
    else:
        pairs = zip(parts[::2], parts[1::2], strict=True)
        if isinstance(value, dict):
            value.update(pairs)
        else:
            value.pairs.extend(pairs)


def deep_copy(root: Any, memo: dict[int, Any]) -> Any:
    """What `copy.deepcopy` gives."""
    found = []
    todo = [root]
    while todo:
        value = todo.pop()
        if id(value) not in memo:
            memo[id(value)] = _empty(value)
            found.append(value)
            todo.extend(part for part in children(value) if is_container(part))
    for value in found:
        parts = children(value)
        _fill(memo[id(value)], [part if type(part) in _ATOMS else copy.deepcopy(part, memo) for part in parts])
    return memo[id(root)]


Flat = list[tuple[Any, list[Any], dict[int, int]]]
"""Containers: an empty one, what it holds, and which of that are the containers of which number."""


def flatten(root: Any) -> Flat:
    """A graph without nesting, as pickle gets it."""
    numbers = {id(root): 0}
    order = [root]
    flat: Flat = []
    for value in order:  # which grows
        parts = list(children(value))
        links = {}
        for place, part in enumerate(parts):
            if is_container(part):
                if id(part) not in numbers:
                    numbers[id(part)] = len(order)
                    order.append(part)
                links[place] = numbers[id(part)]
                parts[place] = None
        flat.append((_kind(value), parts, links))
    return flat


def _kind(value: Any) -> Any:
    if isinstance(value, v.JavaObject):
        return value.definition
    if isinstance(value, v.JavaList | v.JavaMap):
        return ("list" if isinstance(value, list) else "map", value.type)
    return "list" if isinstance(value, list) else "map"


def rebuild(flat: Flat) -> Any:
    """The graph again."""
    made = [_of_kind(kind) for kind, _, _ in flat]
    for value, (_, parts, links) in zip(made, flat, strict=True):
        parts = list(parts)
        for place, number in links.items():
            parts[place] = made[number]
        _fill(value, parts)
    return made[0]


def _of_kind(kind: Any) -> Any:
    if isinstance(kind, ClassDefinition):
        return v.make_object(kind, [])
    if isinstance(kind, tuple):
        return v.JavaList((), kind[1]) if kind[0] == "list" else v.JavaMap((), kind[1])
    return [] if kind == "list" else {}


# -- JSON -------------------------------------------------------------------------------------------------------------


class Row(dict[str, Any]):
    """A JSON object with marks of ours (`$class`, `$ref`) among its names: it is meant so."""

    def to_plain(self) -> Row:
        """Itself."""
        return self


def to_plain(root: Any) -> Any:
    """Any value as JSON data.

    `{"$class": …}` with the fields; `{"$type": …, "$list": […]}` for a list with a type, `{"$type": …}` with the
    entries for a map with one; `{"$map": [[key, value], …]}` where keys are not names; `{"$bytes": base64}`,
    `{"$date": ms}`, `{"$float": "nan"}`. What comes more than once has an `"$id"` the first time, and is
    `{"$ref": id}` then.
    """
    again = _repeated(root)
    numbers: dict[int, int] = {}
    top: list[Any] = []
    todo: list[tuple[Any, Callable[[Any], None], int]] = [(root, top.append, 0)]
    while todo:
        value, put, depth = todo.pop()
        if not is_container(value):
            put(_plain_leaf(value))
            continue
        row = Row()
        if id(value) in numbers:
            put(Row({"$ref": numbers[id(value)]}))
            continue
        if depth >= PLAIN_DEPTH:
            put(Row({"$deep": True}))
            continue
        if id(value) in again:
            row["$id"] = numbers[id(value)] = len(numbers) + 1
        todo.extend(reversed(_plain_parts(value, row, put, depth + 1)))
    return top[0]


def _repeated(root: Any) -> set[int]:
    seen = {id(root)}
    again = set()
    todo = [root]
    while todo:
        value = todo.pop()
        if is_container(value):
            for part in children(value):
                if is_container(part):
                    if id(part) in seen:
                        again.add(id(part))
                    else:
                        seen.add(id(part))
                        todo.append(part)
    return again


Todo = list[tuple[Any, Callable[[Any], None], int]]


def _plain_parts(value: Any, row: Row, put: Callable[[Any], None], depth: int) -> Todo:
    typed = _type(value)
    if typed is not None:
        row["$type"] = _plain_leaf(typed)
    if isinstance(value, list):
        items: list[Any] = [None] * len(value)
        if row:
            row["$list"] = items
        put(row or items)
        return [(item, _setter(items, place), depth) for place, item in enumerate(value)]
    if isinstance(value, v.JavaObject):
        row["$class"] = _plain_leaf(value.class_name)
        pairs = value.fields
        other = "$fields"
    else:
        pairs = list(value.items())
        other = "$map"
    put(row)
    if all(_is_name(name) for name, _ in pairs) and len({name for name, _ in pairs}) == len(pairs):
        row.update((name, None) for name, _ in pairs)
        return [(part, _setter(row, name), depth) for name, part in pairs]
    entries: list[list[Any]] = [[None, None] for _ in pairs]
    row[other] = entries
    todo: Todo = []
    for entry, (name, part) in zip(entries, pairs, strict=True):
        todo.append((name, _setter(entry, 0), depth + 1))
        todo.append((part, _setter(entry, 1), depth + 1))
    return todo


def _is_name(name: Any) -> bool:
    return isinstance(name, str) and name.isprintable() and not name.startswith("$")


def _setter(container: Any, key: Any) -> Callable[[Any], None]:
    def put(value: Any) -> None:
        container[key] = value

    return put


def _plain_leaf(value: Any) -> Any:
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:  # a surrogate alone
            return _bytes(value.encode("utf-8", "surrogatepass"))
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        return _bytes(bytes(value))
    if isinstance(value, float) and not math.isfinite(value):
        return Row({"$float": repr(value)})
    if isinstance(value, Date):
        return Row(value.to_plain())
    return int(value) if isinstance(value, JavaLong) else value


def _bytes(value: bytes) -> Row:
    return Row({"$bytes": base64.b64encode(value).decode("ascii")})
