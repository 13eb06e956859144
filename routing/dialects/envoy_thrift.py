"""Envoy's thrift_proxy: a `route_config`, or the filter's configuration that has one.

A multiplexed call has one name on the wire, ``service:method``; here it is the keys `service` and `method`. Headers
exist with the header transport only. A route whose `cluster_header` the message lacks is passed over.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..analysis import Finding
from ..conditions import ALWAYS, Attribute, Condition, Not, Present
from ..edits import Edit, Set
from ..predicates import Exact, Prefix
from ..rules import Destination, Mirror, Route, Share
from ..table import RouteTable
from .envoy import EnvoyReader, EnvoyWriter, join, paired, spread

__all__ = ["dump", "load"]

_FILTER = ("route_config", "stat_prefix", "transport", "protocol", "thrift_filters", "trds", "@type")
_ACTION = (
    "cluster",
    "cluster_header",
    "weighted_clusters",
    "metadata_match",
    "strip_service_name",
    "rate_limits",
    "request_mirror_policies",
)
_STRIP = Edit("service", Set(None))


def _key(name: str) -> str:
    return f"header.{name}"


def named(name: str) -> Condition:
    """The whole name of a call, as Envoy compares it."""
    service, colon, method = name.partition(":")
    if not colon:
        return join([Present("service", False), Attribute("method", Exact(name))])
    return join([Attribute("service", Exact(service)), Attribute("method", Exact(method))])


def serviced(name: str) -> Condition:
    """A service's name, with or without the colon that ends it."""
    service, _, rest = f"{name.removesuffix(':')}:".partition(":")
    of_service = Attribute("service", Exact(service))
    return join([of_service, Attribute("method", Prefix(rest))]) if rest else of_service


class _Reader(EnvoyReader):
    def __init__(self) -> None:
        super().__init__()
        self.notes: list[Finding] = []

    def match(self, value: Any, path: str) -> Condition:
        fields = self.mapping(value, path, ("method_name", "service_name", "invert", "headers"))
        kind = self.one_of(fields, path, ("method_name", "service_name"))
        name = self.text(fields[kind], f"{path}.{kind}", empty=True) if kind is not None else ""
        inverted = self.boolean(fields.get("invert", False), f"{path}.invert")
        if not name and inverted:
            self.wrong(f"{path}.invert", "inverts a wildcard, which Envoy refuses", "name a method or service")
        found: Condition = ALWAYS
        if name:
            found = named(name) if kind == "method_name" else serviced(name)
        headers = self.each(
            fields.get("headers", []), f"{path}.headers", lambda inner, at: self.header_matcher(inner, at, _key)
        )
        return join([Not(found) if inverted else found, *headers])

    def action(self, value: Any, path: str, name: str, match: Condition) -> Route:
        fields = self.mapping(value, path, _ACTION)
        self.refuse(fields, path, rate_limits="Envoy's rate limit actions have no counterpart here")
        labels = self.labels(fields["metadata_match"], f"{path}.metadata_match") if "metadata_match" in fields else ()
        kind = self.one_of(fields, path, ("cluster", "cluster_header", "weighted_clusters"))
        destinations: tuple[Destination, ...] = ()
        source = None
        if kind == "cluster":
            destinations = (Destination(self.text(fields[kind], f"{path}.{kind}"), labels=labels),)
        elif kind == "weighted_clusters":
            destinations = self.weighted_clusters(fields[kind], f"{path}.{kind}", labels, zero=False)
        elif kind == "cluster_header":
            source = _key(self.text(fields[kind], f"{path}.{kind}").lower())
            match = join([*spread(match), Present(source)])
        policies = self.each(
            fields.get("request_mirror_policies", []),
            f"{path}.request_mirror_policies",
            lambda inner, at: self.mirror_policy(inner, at, name),
        )
        strip = self.boolean(fields.get("strip_service_name", False), f"{path}.strip_service_name")
        return Route(
            name,
            match,
            destinations,
            source,
            mirrors=tuple(policies),
            request_edits=(_STRIP,) if strip else (),
            modulo=True,
        )

    def mirror_policy(self, value: Any, path: str, route: str) -> Mirror:
        fields = self.mapping(value, path, ("cluster", "runtime_fraction"))
        share = Share()
        if "runtime_fraction" in fields:
            given, key = self.runtime_fraction(fields["runtime_fraction"], f"{path}.runtime_fraction")
            if key is not None:
                share = given
            elif given.numerator < given.denominator:
                self.notes.append(
                    Finding(
                        "quirk",
                        route,
                        f"{path}: a mirror fraction without a runtime_key is ignored: everything is mirrored",
                    )
                )
        return Mirror(Destination(self.text(fields.get("cluster"), f"{path}.cluster")), share)

    def route(self, value: Any, path: str, number: int) -> Route:
        fields = self.mapping(value, path, ("match", "route"))
        name = f"routes[{number}]"
        self.begin_rule(name)
        return self.action(
            fields.get("route", {}), f"{path}.route", name, self.match(fields.get("match", {}), f"{path}.match")
        )


def load(document: Any) -> RouteTable:
    """Read a thrift_proxy configuration; raises ConfigError."""
    reader = _Reader()
    path = ""
    origin: dict[str, Any] = {"dialect": "envoy-thrift"}
    if isinstance(document, Mapping) and "route_config" in document:
        fields = reader.mapping(document, "", _FILTER)
        reader.refuse(fields, "", trds="tables that come by discovery are not in the document")
        origin.update({key: fields[key] for key in ("transport", "protocol") if key in fields})
        document, path = fields["route_config"], "route_config."
    config = reader.mapping(document, path.rstrip("."), ("name", "routes", "validate_clusters"))
    routes = [
        reader.route(inner, f"{path}routes[{number}]", number)
        for number, inner in enumerate(reader.sequence(config.get("routes", []), f"{path}routes"))
    ]
    origin.update({key: config[key] for key in ("name", "validate_clusters") if key in config})
    reader.problems.raise_if_any()
    return RouteTable(routes, origin=origin, notes=reader.notes)


def _call(parts: list[Condition]) -> tuple[dict[str, Any] | None, list[Condition]]:
    """The method or service the conditions name, and the conditions left over."""
    service = next((part for part in parts if isinstance(part, Attribute | Present) and part.key == "service"), None)
    method = next((part for part in parts if isinstance(part, Attribute) and part.key == "method"), None)
    rest = [part for part in parts if part is not service and part is not method]
    match service, method:
        case None, None:
            return {"method_name": ""}, rest
        case Attribute(predicate=Exact(str(name), False)), None:
            return {"service_name": name}, rest
        case Attribute(predicate=Exact(str(name), False)), Attribute(predicate=Exact(str(inner), False)):
            return {"method_name": f"{name}:{inner}"}, rest
        case Attribute(predicate=Exact(str(name), False)), Attribute(predicate=Prefix(str(inner), False)) if (
            inner.endswith(":")
        ):
            return {"service_name": f"{name}:{inner}"}, rest
        case ((None | Present(expected=False)), Attribute(predicate=Exact(str(inner), False))) if ":" not in inner:
            return ({"method_name": inner} if service is not None else None), rest
    return None, rest


def dump(table: RouteTable) -> dict[str, Any]:
    """Write a `route_config` for thrift_proxy; raises ConfigError."""
    writer = EnvoyWriter()
    routes: list[dict[str, Any]] = []
    for number, route in enumerate(table.routes):
        path = f"routes[{number}]"
        writer.only(route, path, "destination_from", "mirrors", "request_edits")
        if any(edit != _STRIP for edit in route.request_edits):
            writer.wrong(f"{path}.request_edits", "thrift_proxy can only remove the service", "write {service: null}")
        parts = spread(route.match)
        if route.destination_from is not None:
            parts = [part for part in parts if part != Present(route.destination_from)]
        inverted = next(
            (
                part
                for part in parts
                if isinstance(part, Not) and _call(spread(part.part))[1] == [] and spread(part.part)
            ),
            None,
        )
        call, rest = _call(spread(inverted.part)) if inverted is not None else _call(parts)
        if inverted is not None:
            rest = [part for part in parts if part is not inverted]
        if call is None:
            writer.wrong(
                f"{path}.match",
                "names calls in a way thrift_proxy cannot",
                "give a service, a service and method, or a method and service: {present: false}, all exact",
            )
            call = {"method_name": ""}
        match = {**call, **({"invert": True} if inverted is not None else {})}
        headers = [writer.header_matcher(part, f"{path}.match") for part in paired(rest)]
        if headers:
            match["headers"] = headers
        action = writer.clusters(route, path)
        if route.destination_from is not None:
            action["cluster_header"] = route.destination_from.removeprefix("header.")
        if route.request_edits:
            action["strip_service_name"] = True
        mirrors = writer.mirrors(route, path)
        for mirror in mirrors:
            if "runtime_fraction" in mirror:
                mirror["runtime_fraction"]["runtime_key"] = f"mirror.{route.name}"  # without one Envoy mirrors all
        if mirrors:
            action["request_mirror_policies"] = mirrors
        routes.append({"match": match, "route": action})
    writer.problems.raise_if_any()
    return {"name": table.origin.get("name", "routes"), "routes": routes}
