"""The values that plain Python data has no word for.

A list or map is a plain `list` or `dict` unless it has something to say that those cannot: a type, a key that no dict
takes, a reference to what is elsewhere, or great depth. Then it is a JavaList or JavaMap. These, and JavaObject, may be
parts of a graph: shared, or inside themselves. What one does with them without thinking (print, compare, copy, pickle,
JSON) takes no more than the graph is large, and no recursion; `graph` has how.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from . import graph
from .scalars import ClassDefinition, Date, JavaLong

__all__ = ["ClassDefinition", "Date", "JavaList", "JavaLong", "JavaMap", "JavaObject"]


class _Node:
    """What JavaObject, JavaList and JavaMap share."""

    __slots__ = ()

    __hash__ = None  # type: ignore[assignment]  # they can be changed

    def __eq__(self, other: object) -> bool:
        return graph.equal(self, other) if graph.is_container(other) else NotImplemented

    def __ne__(self, other: object) -> bool:  # list has one of its own
        return not graph.equal(self, other) if graph.is_container(other) else NotImplemented

    def __repr__(self) -> str:
        return graph.show(self)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return graph.rebuild, (graph.flatten(self),)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return graph.deep_copy(self, memo)

    def to_plain(self) -> Any:
        """For JSON: `{"$class": …}`, `{"$type": …, "$list": […]}`, `{"$ref": n}` for what has the `"$id": n`."""
        return graph.to_plain(self)


class JavaObject(_Node):
    """An object: the name of its class and the values of its fields, `obj["name"]`.

        JavaObject("com.example.User", {"name": "Ann", "age": 7})

    Everything that Java has no tag for comes as one: enums (a field `name`), BigDecimal (`value`), exceptions
    (`detailMessage`, `cause`, `stackTrace`), what java.time's handles hold; `hessian2.java` reads those.
    """

    __slots__ = ("definition", "values")

    definition: ClassDefinition
    values: list[Any]

    def __init__(self, class_name: str, fields: Mapping[str, Any] | Iterable[tuple[str, Any]] = ()) -> None:
        pairs = list(fields.items()) if isinstance(fields, Mapping) else list(fields)
        self.definition = ClassDefinition(class_name, [name for name, _ in pairs])
        self.values = [value for _, value in pairs]

    @property
    def class_name(self) -> str:
        """The class's full name, as Java's `Class.getName()`."""
        return self.definition.name

    @property
    def fields(self) -> list[tuple[str, Any]]:
        """All fields in order, as pairs of name and value."""
        return list(zip(self.definition.fields, self.values, strict=True))

    def get(self, name: str, default: Any = None) -> Any:
        """The field of this name, the last of several; `default` where there is none."""
        place = self.definition.places.get(name)
        return default if place is None else self.values[place]

    def __getitem__(self, name: str) -> Any:
        return self.values[self.definition.places[name]]

    def __setitem__(self, name: str, value: Any) -> None:
        """Change a field. Raises KeyError where the class has none of this name."""
        self.values[self.definition.places[name]] = value

    def __contains__(self, name: object) -> bool:
        return name in self.definition.places

    def __copy__(self) -> JavaObject:
        return make_object(self.definition, list(self.values))


def make_object(definition: ClassDefinition, values: list[Any]) -> JavaObject:
    """A JavaObject of a definition that is there already, around `values` itself."""
    new = JavaObject.__new__(JavaObject)
    new.definition = definition
    new.values = values
    return new


class JavaList(_Node, list[Any]):
    """A list with a `type`, `"java.util.LinkedList"` or `"[int"`; or without one, where it is part of a graph."""

    __slots__ = ("type",)

    type: str | None

    def __init__(self, items: Iterable[Any] = (), type: str | None = None) -> None:
        super().__init__(items)
        self.type = type

    def __copy__(self) -> JavaList:
        return JavaList(self, self.type)


class JavaMap(_Node):
    """A map as its entries in order, with a `type`, `"java.util.TreeMap"`; or without one, where no dict would do.

    Keys may be anything, unhashable or repeated, so that looking one up goes through the entries: `dict(m.items())`,
    where that can be, is for many.
    """

    __slots__ = ("pairs", "type")

    pairs: list[tuple[Any, Any]]
    type: str | None

    def __init__(self, entries: Mapping[Any, Any] | Iterable[tuple[Any, Any]] = (), type: str | None = None) -> None:
        self.pairs = list(entries.items()) if isinstance(entries, Mapping) else [(key, value) for key, value in entries]
        self.type = type

    def items(self) -> list[tuple[Any, Any]]:
        """The entries in order, as pairs."""
        return self.pairs

    def keys(self) -> list[Any]:
        """The keys in order."""
        return [key for key, _ in self.pairs]

    def values(self) -> list[Any]:
        """The values in order."""
        return [value for _, value in self.pairs]

    def get(self, key: Any, default: Any = None) -> Any:
        """The value of the last entry with this key: that is the one a Java map keeps."""
        for other, value in reversed(self.pairs):
            if other is key or other == key:
                return value
        return default

    def __getitem__(self, key: Any) -> Any:
        found = self.get(key, _MISSING)
        if found is _MISSING:
            raise KeyError(key)
        return found

    def __contains__(self, key: object) -> bool:
        return self.get(key, _MISSING) is not _MISSING

    def __iter__(self) -> Iterator[Any]:
        return iter(self.keys())

    def __len__(self) -> int:
        return len(self.pairs)

    def __copy__(self) -> JavaMap:
        return JavaMap(self.pairs, self.type)


_MISSING: Final = object()
Mapping.register(JavaMap)
