"""Envoy's dubbo_proxy: a `multiple_route_config` (or the filter's configuration that has one).

Tables are tried in order, the next one where no route of a table matched, so all routes in a row mean the same.
`params_match` looks at arguments, which are not metadata: a document that uses it is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..conditions import ALWAYS, DEFAULT, All, AnyOf, Attribute, Condition, Not, Present
from ..predicates import Both, Exact, Glob, Predicate, Prefix, Suffix
from ..rules import Destination, Route
from ..table import RouteTable
from .envoy import EnvoyReader, EnvoyWriter, join, paired, spread

__all__ = ["dump", "load"]

_FILTER = (
    "multiple_route_config",
    "stat_prefix",
    "protocol_type",
    "serialization_type",
    "dubbo_filters",
    "route_config",
    "drds",
    "@type",
)
_TABLE = ("name", "interface", "group", "version", "routes")


def _key(name: str) -> str:
    return f"header.{name}"


def interface(pattern: str) -> Condition:
    """`*`, `*x` and `x*` are wildcards for at least one character; a star elsewhere is itself."""
    if pattern == "*":
        return ALWAYS
    if not pattern:
        return AnyOf((Present("service", False), Attribute("service", Exact(""))))
    if pattern.startswith("*"):
        return All((Attribute("service", Suffix(pattern[1:])), Not(Attribute("service", Exact(pattern[1:])))))
    if pattern.endswith("*"):
        return All((Attribute("service", Prefix(pattern[:-1])), Not(Attribute("service", Exact(pattern[:-1])))))
    return Attribute("service", Exact(pattern))


class _Reader(EnvoyReader):
    def match(self, value: Any, path: str) -> Condition:
        fields = self.mapping(value, path, ("method", "headers"))
        method = self.mapping(fields.get("method", {}), f"{path}.method", ("name", "params_match"))
        if method.get("params_match"):
            self.wrong(
                f"{path}.method.params_match",
                "looks at arguments, which are not metadata",
                "match an attachment instead",
            )
        if "name" not in method:
            self.wrong(
                f"{path}.method.name", "is missing, and Envoy matches nothing without one", "write a string matcher"
            )
        predicate = self.string_matcher(method["name"], f"{path}.method.name") if "name" in method else None
        found: list[Condition] = []
        if predicate is not None:
            found.append(Attribute("method", predicate))
            if predicate.holds(""):  # Envoy: a request without a method matches no route
                found.append(Not(Attribute("method", Exact(""))))
        found += self.each(
            fields.get("headers", []), f"{path}.headers", lambda inner, at: self.header_matcher(inner, at, _key)
        )
        return join(found)

    def route(self, value: Any, path: str, number: int) -> Route:
        fields = self.mapping(value, path, ("match", "route"))
        name = f"routes[{number}]"
        self.begin_rule(name)
        match = self.match(fields.get("match", {}), f"{path}.match")
        at = f"{path}.route"
        action = self.mapping(fields.get("route", {}), at, ("cluster", "weighted_clusters", "metadata_match"))
        labels = self.labels(action["metadata_match"], f"{at}.metadata_match") if "metadata_match" in action else ()
        kind = self.one_of(action, at, ("cluster", "weighted_clusters"))
        destinations: tuple[Destination, ...] = ()
        if kind == "cluster":
            destinations = (Destination(self.text(action[kind], f"{at}.{kind}"), labels=labels),)
        elif kind == "weighted_clusters":
            destinations = self.weighted_clusters(action[kind], f"{at}.{kind}", labels, zero=True)
        return Route(name, match, destinations, modulo=True)

    def table(self, value: Any, path: str, routes: list[Route]) -> None:
        fields = self.mapping(value, path, _TABLE)
        scope = [interface(self.text(fields.get("interface", ""), f"{path}.interface", empty=True))]
        for name in ("group", "version"):
            wanted = self.text(fields.get(name, ""), f"{path}.{name}", empty=True)
            if wanted:
                scope.append(Attribute(name, Exact(wanted)))
        for number, inner in enumerate(self.sequence(fields.get("routes", []), f"{path}.routes")):
            route = self.route(inner, f"{path}.routes[{number}]", len(routes))
            match = join([leaf for part in (*scope, route.match) for leaf in spread(part)])
            routes.append(Route(route.name, match, route.destinations, modulo=True))


def load(document: Any) -> RouteTable:
    """Read a dubbo_proxy configuration; raises ConfigError."""
    reader = _Reader()
    origin: dict[str, Any] = {"dialect": "envoy-dubbo"}
    path = "route_config"
    tables: Any = document
    if isinstance(document, Mapping) and ("multiple_route_config" in document or "stat_prefix" in document):
        fields = reader.mapping(document, "", _FILTER)
        reader.refuse(fields, "", drds="tables that come by discovery are not in the document")
        tables = fields.get("route_config", [])
        if "multiple_route_config" in fields:
            path = "multiple_route_config.route_config"
            multiple = reader.mapping(
                fields["multiple_route_config"], "multiple_route_config", ("name", "route_config")
            )
            origin.update({key: multiple[key] for key in ("name",) if key in multiple})
            tables = multiple.get("route_config", [])
    elif isinstance(document, Mapping):
        multiple = reader.mapping(document, "", ("name", "route_config"))
        origin.update({key: multiple[key] for key in ("name",) if key in multiple})
        tables = multiple.get("route_config", [])
    routes: list[Route] = []
    for number, inner in enumerate(reader.sequence(tables, path)):
        reader.table(inner, f"{path}[{number}]", routes)
    reader.problems.raise_if_any()
    return RouteTable(routes, origin=origin)


def _wildcard(parts: list[Condition]) -> tuple[str | None, list[Condition]]:
    """The interface pattern the conditions ask for, and the conditions left over."""
    mine = [part for part in parts if _about(part) == "service"]
    rest = [part for part in parts if part not in mine]
    match mine:
        case []:
            return "*", rest
        case [Attribute(predicate=Exact(str(name), False))] if name and "*" not in (name[0], name[-1]):
            return name, rest
        case [Attribute(predicate=Prefix(text, False)), Not(Attribute(predicate=Exact(other, False)))] if text == other:
            return f"{text}*", rest
        case [Attribute(predicate=Suffix(text, False)), Not(Attribute(predicate=Exact(other, False)))] if text == other:
            return f"*{text}", rest
        case [AnyOf((Present("service", False), Attribute("service", Exact("", False))))]:
            return "", rest
    return None, rest


def _about(condition: Condition) -> str | None:
    """The key a condition on one key asks about."""
    match condition:
        case Attribute(key) | Present(key):
            return key
        case Not(part):
            return _about(part)
        case AnyOf(parts):
            keys = {_about(part) for part in parts}
            return keys.pop() if len(keys) == 1 else None
    return None


def _method(parts: list[Condition]) -> tuple[Predicate | None, list[Condition]]:
    mine = [part for part in parts if _about(part) == "method"]
    rest = [part for part in parts if part not in mine]
    match mine:
        case [Attribute(predicate=predicate, quantifier=quantifier)] if quantifier == DEFAULT and not isinstance(
            predicate, Both | Glob
        ):
            return predicate, rest
        case [Attribute(predicate=predicate), Not(Attribute(predicate=Exact("", False)))]:
            return predicate, rest
    return None, rest


def dump(table: RouteTable) -> dict[str, Any]:
    """Write a `multiple_route_config`, one table for each run of routes of one interface; raises ConfigError."""
    writer = EnvoyWriter()
    tables: list[dict[str, Any]] = []
    for number, route in enumerate(table.routes):
        path = f"routes[{number}]"
        writer.only(route, path)
        pattern, rest = _wildcard(spread(route.match))
        if pattern is None:
            writer.wrong(f"{path}.match", "names services in a way dubbo_proxy cannot", "write one exact service")
        scope: dict[str, Any] = {"interface": pattern}
        for name in ("group", "version"):
            mine = [part for part in rest if _about(part) == name]
            rest = [part for part in rest if part not in mine]
            match mine:
                case []:
                    continue
                case [Attribute(predicate=Exact(str(wanted), False))] if wanted:
                    scope[name] = wanted
                case _:
                    writer.wrong(f"{path}.match", f"asks more of {name} than one exact value", "write it exactly")
        predicate, rest = _method(rest)
        if predicate is None:
            writer.wrong(f"{path}.match", "names methods in a way dubbo_proxy cannot", "write one predicate on method")
        matcher = writer.string_matcher(predicate, f"{path}.match.attributes.method") if predicate is not None else None
        match: dict[str, Any] = {"method": {"name": matcher}}
        headers = [writer.header_matcher(part, f"{path}.match") for part in paired(rest)]
        if headers:
            match["headers"] = headers
        entry = {"match": match, "route": writer.clusters(route, path)}
        if tables and all(tables[-1].get(name) == scope.get(name) for name in ("interface", "group", "version")):
            tables[-1]["routes"].append(entry)
        else:
            tables.append({"name": f"table{len(tables)}", **scope, "routes": [entry]})
    writer.problems.raise_if_any()
    return {"name": table.origin.get("name", "routes"), "route_config": tables}
