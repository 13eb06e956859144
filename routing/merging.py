"""Joining several tables into one, in a defined order."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, Final

from .conditions import All, AnyOf, Attribute, Condition, Present
from .errors import ConfigError, Problem
from .predicates import Exact, Glob, Predicate, Prefix, Regex
from .rules import Route
from .table import RouteTable

__all__ = [
    "distinct",
    "gateway_precedence",
    "merge",
]

ORDERS: Final = ("given", "gateway-api")


def merge(
    tables: Iterable[RouteTable], *, order: str = "given", path: str = "path", method: str = "method"
) -> RouteTable:
    """One table of the rules of several.

    `order`: ``given`` keeps the tables one after the other; ``gateway-api`` sorts all rules by the precedence of the
    Gateway API (exact path, longest path prefix, method, most headers), ties in the order given, which should be by
    age and name; `path` and `method` name the metadata keys that stand for an HTTP path and method. A name that occurs
    again gets a number (``name#2``).

    Raises ConfigError where two tables limit rates, for one table cannot say which of them is meant.
    """
    tables = list(tables)
    if order not in ORDERS:
        raise ConfigError([Problem("order", f"{order!r} is not known", "one of " + ", ".join(ORDERS))])
    errors = [
        Problem(name, "more than one of the tables has it", "merge the limits first")
        for name in ("local_rate_limit", "global_rate_limit")
        if sum(getattr(table, name) is not None for table in tables) > 1
    ]
    if errors:
        raise ConfigError(errors)
    routes = [route for table in tables for route in table.routes]
    if order == "gateway-api":
        rank = gateway_precedence(path, method)
        routes.sort(key=lambda route: rank(route.match))
    return RouteTable(
        distinct(routes),
        local_rate_limit=next((table.local_rate_limit for table in tables if table.local_rate_limit), None),
        global_rate_limit=next((table.global_rate_limit for table in tables if table.global_rate_limit), None),
        notes=[note for table in tables for note in table.notes],
    )


def distinct(routes: Iterable[Route]) -> list[Route]:
    """The rules with a number added to every name that occurs again."""
    seen: set[str] = set()
    found: list[Route] = []
    for route in routes:
        name, number = route.name, 1
        while name in seen:
            number += 1
            name = f"{route.name}#{number}"
        seen.add(name)
        found.append(route if name == route.name else replace(route, name=name))
    return found


def _conjuncts(condition: Condition) -> list[Attribute | Present]:
    """The comparisons that must all hold; alternatives on one key count as the last, a segment prefix as its prefix."""
    if isinstance(condition, All):
        return [leaf for part in condition.parts for leaf in _conjuncts(part)]
    if isinstance(condition, AnyOf):
        leaves = [part for part in condition.parts if isinstance(part, Attribute)]
        return (
            list(leaves[-1:]) if len({leaf.key for leaf in leaves}) == 1 and len(leaves) == len(condition.parts) else []
        )
    return [condition] if isinstance(condition, Attribute | Present) else []


def gateway_precedence(path: str, method: str) -> Callable[[Condition], Any]:
    """A sort key: lower is matched first.

    https://gateway-api.sigs.k8s.io/reference/spec/#httprouterule: exact path, then the longest prefix, then a method,
    then most headers. Where regular expressions stand is left to implementations: here between the exact and the
    prefixes, as Envoy Gateway has them.
    """

    def rank(condition: Condition) -> Any:
        leaves = _conjuncts(condition)
        paths = [leaf.predicate for leaf in leaves if isinstance(leaf, Attribute) and leaf.key == path]
        kind, length = min((_path_rank(predicate) for predicate in paths), default=(3, 0))
        methods = any(leaf.key == method for leaf in leaves)
        headers = len({leaf.key.lower() for leaf in leaves if leaf.key.startswith("header.")})
        return (kind, -length, not methods, -headers)

    return rank


def _path_rank(predicate: Predicate) -> tuple[int, int]:
    match predicate:
        case Exact(value):
            return 0, len(value) if isinstance(value, str) else 0
        case Regex(pattern):
            return 1, len(pattern)
        case Prefix(text):
            return 2, len(text)
        case Glob(pattern):
            return 2, len(pattern.rstrip("*"))
    return 3, 0
