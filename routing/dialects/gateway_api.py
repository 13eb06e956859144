"""The Gateway API's HTTPRoute, GRPCRoute and TCPRoute, as far as metadata can say them.

Rules are put into the order the specification gives them (see `merging.gateway_precedence`), not the order written.
Each match of a rule is a rule of its own here, because precedence is a matter of matches. References to gateways are
kept, filters other than header changes and mirrors are refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..conditions import ANY, Attribute, Condition
from ..edits import Edit, Set
from ..errors import ConfigError, Problem
from ..merging import distinct, gateway_precedence
from ..predicates import Exact, Predicate, Prefix
from ..rules import Destination, Mirror, Route, Share
from ..table import RouteTable
from ..text import ascii_lower
from .envoy import join, spread
from .kubernetes import KubernetesReader, metadata_of

__all__ = ["dump", "load"]

_RULE = ("name", "matches", "filters", "backendRefs", "timeouts", "retry", "sessionPersistence")
_BACKEND = ("name", "namespace", "kind", "group", "port", "weight", "filters")


class _Reader(KubernetesReader):
    def value_of(self, value: Any, path: str) -> Predicate | None:
        """`{type, value}` of a header: Exact by default, or RegularExpression."""
        fields = self.mapping(value, path, ("name", "type", "value"))
        text = self.text(fields.get("value"), f"{path}.value")
        kind = fields.get("type", "Exact")
        if kind == "RegularExpression":
            return self.pattern(text, f"{path}.value")
        if kind != "Exact":
            self.wrong(f"{path}.type", "is not known", "write Exact or RegularExpression")
        return Exact(text)

    def headers(self, value: Any, path: str) -> list[Condition]:
        found: dict[str, Condition] = {}
        for number, inner in enumerate(self.sequence(value, path)):
            at = f"{path}[{number}]"
            name = self.text(inner.get("name") if isinstance(inner, Mapping) else None, f"{at}.name")
            predicate = self.value_of(inner, at)
            found.setdefault(ascii_lower(name), self.header(name, predicate))  # of equivalent names the first counts
        return list(found.values())

    def http_match(self, value: Any, path: str) -> Condition:
        fields = self.mapping(value, path, ("path", "headers", "method", "queryParams"))
        self.refuse(fields, path, queryParams="the query is not taken apart")
        parts: list[Condition] = []
        if "path" in fields:
            inner = self.mapping(fields["path"], f"{path}.path", ("type", "value"))
            text, kind = self.text(inner.get("value", "/"), f"{path}.path.value"), inner.get("type", "PathPrefix")
            if kind == "PathPrefix":
                found = self.path_prefix(text)
                parts += [] if found is None else [found]
            elif kind == "Exact":
                parts.append(Attribute("path", Exact(text)))
            elif kind == "RegularExpression":
                predicate = self.pattern(text, f"{path}.path.value")
                parts += [] if predicate is None else [Attribute("path", predicate)]
            else:
                self.wrong(f"{path}.path.type", "is not known", "write Exact, PathPrefix or RegularExpression")
        if "method" in fields:
            parts.append(Attribute("method", Exact(self.text(fields["method"], f"{path}.method"))))
        return join([*parts, *self.headers(fields.get("headers", []), f"{path}.headers")])

    def grpc_match(self, value: Any, path: str) -> Condition:
        fields = self.mapping(value, path, ("method", "headers"))
        parts: list[Condition] = []
        if "method" in fields:
            at = f"{path}.method"
            inner = self.mapping(fields["method"], at, ("type", "service", "method"))
            kind = inner.get("type", "Exact")
            if kind not in ("Exact", "RegularExpression"):
                self.wrong(f"{at}.type", "is not known", "write Exact or RegularExpression")
            for name in ("service", "method"):
                if name in inner:
                    text = self.text(inner[name], f"{at}.{name}")
                    regex = self.pattern(text, f"{at}.{name}") if kind == "RegularExpression" else Exact(text)
                    parts += [] if regex is None else [Attribute(name, regex)]
            if "service" not in inner and "method" not in inner:
                self.wrong(at, "names nothing", "write service or method")
        return join([*parts, *self.headers(fields.get("headers", []), f"{path}.headers")])

    def backend(self, value: Any, path: str) -> Destination:
        fields = self.mapping(value, path, _BACKEND)
        self.refuse(fields, path, filters="changes for one backend only cannot be said; make it a rule of its own")
        for name, usual in (("kind", "Service"), ("group", "")):
            if fields.get(name, usual) != usual:
                self.wrong(f"{path}.{name}", "is not a Service", "refer to a Service")
        host = self.text(fields.get("name"), f"{path}.name")
        if "namespace" in fields:
            host = f"{host}.{self.text(fields['namespace'], f'{path}.namespace')}"
        port = self.integer(fields["port"], f"{path}.port", 1, 65535) if "port" in fields else None
        return Destination(host, None, port, self.integer(fields.get("weight", 1), f"{path}.weight", 0, 1_000_000))

    def filters(self, value: Any, path: str) -> tuple[list[Edit], list[Edit], list[Mirror]]:
        sides: dict[str, list[Edit]] = {"RequestHeaderModifier": [], "ResponseHeaderModifier": []}
        mirrors: list[Mirror] = []
        for number, inner in enumerate(self.sequence(value, path)):
            at = f"{path}[{number}]"
            fields = self.mapping(inner, at)
            kind = fields.pop("type", None)
            if kind in sides:
                name = f"{kind[0].lower()}{kind[1:]}"
                change = self.mapping(fields.get(name, {}), f"{at}.{name}", ("set", "add", "remove"))
                self.refuse(change, f"{at}.{name}", add="a value cannot be added to what a message has; use set")
                for place, one in enumerate(self.sequence(change.get("set", []), f"{at}.{name}.set")):
                    here = f"{at}.{name}.set[{place}]"
                    pair = self.mapping(one, here, ("name", "value"))
                    text = self.text(pair.get("value"), f"{here}.value", empty=True)
                    sides[kind].append(Edit(f"header.{self.text(pair.get('name'), f'{here}.name')}", Set(text)))
                for name_gone in self.each(change.get("remove", []), f"{at}.{name}.remove", self.text):
                    sides[kind].append(Edit(f"header.{name_gone}", Set(None)))
            elif kind == "RequestMirror":
                one = self.mapping(
                    fields.get("requestMirror", {}), f"{at}.requestMirror", ("backendRef", "percent", "fraction")
                )
                share = Share()
                if "percent" in one:
                    share = self.percent(one["percent"], f"{at}.requestMirror.percent")
                elif "fraction" in one:
                    share = self.share(one["fraction"], f"{at}.requestMirror.fraction")
                mirrors.append(Mirror(self.backend(one.get("backendRef", {}), f"{at}.requestMirror.backendRef"), share))
            else:
                self.wrong(
                    f"{at}.type",
                    f"{kind!r} is not supported",
                    "RequestHeaderModifier, ResponseHeaderModifier and RequestMirror are",
                )
        return sides["RequestHeaderModifier"], sides["ResponseHeaderModifier"], mirrors

    def rules(self, value: Any, path: str, kind: str, hosts: list[Condition]) -> list[Route]:
        found: list[Route] = []
        for number, inner in enumerate(self.sequence(value, path)):
            at = f"{path}[{number}]"
            fields = self.mapping(inner, at, _RULE)
            self.refuse(
                fields,
                at,
                sessionPersistence="sessions are state, which a table has none of",
                retry="its codes are HTTP's; say retry in our own shape",
            )
            name = fields.get("name")
            rule = name if isinstance(name, str) and name else f"rules[{number}]"
            self.begin_rule(rule)
            destinations = self.check_sum(
                self.each(fields.get("backendRefs", []), f"{at}.backendRefs", self.backend), f"{at}.backendRefs"
            )
            if not destinations:
                self.wrong(f"{at}.backendRefs", "is empty", "name at least one backend")
            requests, responses, mirrors = self.filters(fields.get("filters", []), f"{at}.filters")
            timeout = None
            if "timeouts" in fields:
                inside = self.mapping(fields["timeouts"], f"{at}.timeouts", ("request", "backendRequest"))
                if "request" in inside:
                    timeout = self.duration(inside["request"], f"{at}.timeouts.request")
                self.refuse(inside, f"{at}.timeouts", backendRequest="say retry.per_try_timeout in our own shape")
            read = self.grpc_match if kind == "GRPCRoute" else self.http_match
            if kind == "TCPRoute" and "matches" in fields:
                self.wrong(f"{at}.matches", "is not part of a TCPRoute", "drop it")
            matches = self.each(fields.get("matches", []), f"{at}.matches", read) or [join([])]
            found += [
                Route(
                    rule,
                    join([*hosts, *spread(match)]),
                    destinations,
                    mirrors=tuple(mirrors),
                    request_edits=tuple(requests),
                    response_edits=tuple(responses),
                    timeout=timeout,
                    modulo=True,
                )
                for match in matches
            ]
        return found


def load(document: Any) -> RouteTable:
    """Read a route resource; raises ConfigError."""
    reader = _Reader()
    fields, spec = reader.resource(document)
    spec = reader.mapping(spec, "spec", ("parentRefs", "hostnames", "rules"))
    kind = fields.get("kind", "HTTPRoute")
    if kind not in ("HTTPRoute", "GRPCRoute", "TCPRoute"):
        reader.wrong("kind", f"{kind!r} is not known", "write HTTPRoute, GRPCRoute or TCPRoute")
    names = reader.each(spec.get("hostnames", []), "spec.hostnames", reader.text)
    if kind == "GRPCRoute" and names:
        reader.wrong("spec.hostnames", "stand beside services, which are the key `service` here", "drop the host names")
    hosts = reader.hostnames(names)
    routes = reader.rules(spec.get("rules", []), "spec.rules", str(kind), hosts)
    reader.problems.raise_if_any()
    order = gateway_precedence("path", "method")
    routes.sort(key=lambda route: (_grpc_rank(route.match) if kind == "GRPCRoute" else order(route.match)))
    origin = {"dialect": "gateway-api", "kind": kind, "metadata": metadata_of(fields), "hostnames": names}
    if "parentRefs" in spec:
        origin["parentRefs"] = spec["parentRefs"]
    return RouteTable(distinct(routes), origin=origin)


def _grpc_rank(condition: Condition) -> tuple[int, int, int]:
    """Most characters of the service, then of the method, then most headers."""
    size = {"service": 0, "method": 0}
    headers = 0
    for leaf in spread(condition):
        if isinstance(leaf, Attribute) and leaf.key in size and isinstance(leaf.predicate, Exact):
            size[leaf.key] = len(str(leaf.predicate.value))
        headers += getattr(leaf, "key", "").startswith("header.")
    return -size["service"], -size["method"], -headers


def _match(condition: Condition, hosts: list[Condition], path: str, problems: list[Problem]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for leaf in spread(condition):
        if leaf in hosts:
            continue
        prefix = _path_prefix(leaf)
        match leaf:
            case _ if prefix is not None:
                fields["path"] = {"type": "PathPrefix", "value": prefix}
            case Attribute("path", Exact(str(text), False)):
                fields["path"] = {"type": "Exact", "value": text}
            case Attribute("method", Exact(str(text), False)):
                fields["method"] = text
            case Attribute(key, Exact(str(text), False), quantifier) if key.startswith("header.") and (
                quantifier in ("", ANY)
            ):
                name = key.removeprefix("header.")
                fields.setdefault("headers", []).append({"type": "Exact", "name": name, "value": text})
            case _:
                problems.append(Problem(path, "is no exact path, path prefix, method or header", "simplify the rule"))
    return fields


def _path_prefix(leaf: Condition) -> str | None:
    """The prefix a pair of conditions made by `path_prefix` came from."""
    parts = leaf.children()
    match parts:
        case (Attribute("path", Exact(str(stem), False)), Attribute("path", Prefix(text, False))) if text == f"{stem}/":
            return stem
    return None


def dump(table: RouteTable) -> dict[str, Any]:
    """Write an HTTPRoute; raises ConfigError, also where the order of rules is not the specification's."""
    problems: list[Problem] = []
    origin = table.origin if table.origin.get("dialect") == "gateway-api" else {}
    names = origin.get("hostnames") or []
    hosts = KubernetesReader().hostnames(names)
    order = gateway_precedence("path", "method")
    ranks = [order(route.match) for route in table.routes]
    rules: list[dict[str, Any]] = []
    if origin.get("kind", "HTTPRoute") != "HTTPRoute":
        problems.append(Problem("", f"the table came from a {origin['kind']}", "only HTTPRoutes are written"))
    for number, route in enumerate(table.routes):
        path = f"routes[{number}]"
        if number and ranks[number] < ranks[number - 1]:
            problems.append(
                Problem(
                    path,
                    "would go before the rule above it by the precedence of the Gateway API",
                    "sort the rules, or make them disjoint",
                )
            )
        plain = Route(route.name, route.match, route.destinations, timeout=route.timeout, modulo=route.modulo)
        if plain != route or not route.destinations:
            problems.append(Problem(path, "does more than match, forward and time out", "say the rest elsewhere"))
        rule: dict[str, Any] = {"name": route.name}
        match = _match(route.match, hosts, f"{path}.match", problems)
        if match:
            rule["matches"] = [match]
        rule["backendRefs"] = [
            {
                "name": one.host,
                **({"port": one.port} if one.port else {}),
                **({"weight": one.weight} if len(route.destinations) > 1 else {}),
            }
            for one in route.destinations
        ]
        if route.timeout is not None:
            rule["timeouts"] = {"request": f"{route.timeout:g}s"}
        rules.append(rule)
    if problems:
        raise ConfigError(problems)
    spec: dict[str, Any] = {"hostnames": names} if names else {}
    if "parentRefs" in origin:
        spec["parentRefs"] = origin["parentRefs"]
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": origin.get("metadata") or {"name": "routes"},
        "spec": {**spec, "rules": rules},
    }
