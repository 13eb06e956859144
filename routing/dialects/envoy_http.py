"""Envoy's HTTP `route_config`, as far as metadata can say it: virtual hosts, paths, headers, clusters, mirrors.

The path is the key `path`, given by the caller without its query, as Envoy compares it. The host is `service`, in any
case and with its port. A virtual host that matches ends the search. Redirects, rewrites, query parameters, cookies and
anything that belongs to other filters are refused by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..conditions import ALWAYS, ANY, All, AnyOf, Attribute, Condition, Fraction, Not
from ..predicates import Exact, Predicate, Prefix, Suffix
from ..rules import Destination, HashPolicy, Mirror, Respond, Retry, Route, Share
from ..table import RouteTable
from ..text import ascii_lower
from .envoy import EnvoyReader, EnvoyWriter, join, paired, spread

__all__ = ["dump", "load"]

_MATCH = (
    "prefix",
    "path",
    "safe_regex",
    "path_separated_prefix",
    "case_sensitive",
    "runtime_fraction",
    "headers",
    "query_parameters",
    "cookies",
    "grpc",
    "tls_context",
    "dynamic_metadata",
    "connect_matcher",
    "path_match_policy",
    "filter_state",
)
_ACTION = (
    "cluster",
    "cluster_header",
    "weighted_clusters",
    "timeout",
    "retry_policy",
    "request_mirror_policies",
    "hash_policy",
    "metadata_match",
)
_PATHS = ("prefix", "path", "safe_regex", "path_separated_prefix")


def _key(name: str) -> str:
    """Pseudo-headers are keys of their own."""
    return {":authority": "service", "host": "service", ":method": "method", ":path": "path"}.get(
        ascii_lower(name), f"header.{name}"
    )


class _Reader(EnvoyReader):
    def path_of(self, fields: Mapping[str, Any], path: str) -> Condition:
        kind = self.one_of(fields, path, _PATHS)
        fold = not self.boolean(fields.get("case_sensitive", True), f"{path}.case_sensitive")
        if kind is None:
            return ALWAYS
        at = f"{path}.{kind}"
        if kind == "safe_regex":
            predicate = self.safe_regex(fields[kind], at)
            return ALWAYS if predicate is None else Attribute("path", predicate)
        text = self.text(fields[kind], at, empty=kind == "prefix")
        if kind == "prefix":
            return Attribute("path", Prefix(text, fold)) if text else ALWAYS
        if kind == "path":
            return Attribute("path", Exact(text, fold))
        if text.endswith("/"):
            self.wrong(at, "ends in a slash, which Envoy refuses", "drop it")
        return AnyOf((Attribute("path", Exact(text, fold)), Attribute("path", Prefix(f"{text}/", fold))))

    def match(self, value: Any, path: str) -> Condition:
        fields = self.mapping(value, path, _MATCH)
        self.refuse(
            fields,
            path,
            query_parameters="the query is not taken apart",
            cookies="cookies are not taken apart",
            grpc="match the header content-type",
            tls_context="match tls.* in our own shape",
            dynamic_metadata="filters make it",
            connect_matcher="CONNECT has no path",
            path_match_policy="templates are an extension",
            filter_state="filters make it",
        )
        parts = [self.path_of(fields, path)]
        for number, inner in enumerate(self.sequence(fields.get("headers", []), f"{path}.headers")):
            parts.append(self.header_matcher(inner, f"{path}.headers[{number}]", _key))
        if "runtime_fraction" in fields:
            share, key = self.runtime_fraction(fields["runtime_fraction"], f"{path}.runtime_fraction")
            if key is not None:
                self.wrong(f"{path}.runtime_fraction.runtime_key", "reads a runtime value", "write the fraction")
            parts.append(Fraction(share.numerator, share.denominator, None))
        return join([leaf for part in parts for leaf in spread(part)])

    def action(self, value: Any, path: str, name: str, match: Condition) -> Route:
        fields = self.mapping(value, path, _ACTION)
        labels = self.labels(fields["metadata_match"], f"{path}.metadata_match") if "metadata_match" in fields else ()
        kind = self.one_of(fields, path, ("cluster", "cluster_header", "weighted_clusters"))
        destinations: tuple[Destination, ...] = ()
        source = None
        if kind == "cluster":
            destinations = (Destination(self.text(fields[kind], f"{path}.{kind}"), labels=labels),)
        elif kind == "weighted_clusters":
            destinations = self.weighted_clusters(fields[kind], f"{path}.{kind}", labels, zero=True)
        elif kind == "cluster_header":
            source = _key(self.text(fields[kind], f"{path}.{kind}").lower())
        timeout = None
        if "timeout" in fields and fields["timeout"] != "0s":
            timeout = self.duration(fields["timeout"], f"{path}.timeout")
        mirrors = self.each(fields.get("request_mirror_policies", []), f"{path}.request_mirror_policies", self.policy)
        return Route(
            name,
            match,
            destinations,
            source,
            mirrors=tuple(mirrors),
            timeout=timeout,
            modulo=True,
            retry=self.retry_of(fields["retry_policy"], f"{path}.retry_policy") if "retry_policy" in fields else None,
            hash_policy=self.hashing(fields["hash_policy"], f"{path}.hash_policy") if "hash_policy" in fields else None,
        )

    def policy(self, value: Any, path: str) -> Mirror:
        fields = self.mapping(value, path, ("cluster", "runtime_fraction"))
        share = Share()
        if "runtime_fraction" in fields:
            share, _ = self.runtime_fraction(fields["runtime_fraction"], f"{path}.runtime_fraction")
        return Mirror(Destination(self.text(fields.get("cluster"), f"{path}.cluster")), share)

    def retry_of(self, value: Any, path: str) -> Retry:
        fields = self.mapping(value, path, ("retry_on", "num_retries", "per_try_timeout"))
        on = self.text(fields["retry_on"], f"{path}.retry_on") if "retry_on" in fields else ""
        return Retry(
            self.integer(fields.get("num_retries", 1), f"{path}.num_retries", 0, 1000),
            self.duration(fields["per_try_timeout"], f"{path}.per_try_timeout")
            if "per_try_timeout" in fields
            else None,
            tuple(one.strip() for one in on.split(",") if one.strip()),
        )

    def hashing(self, value: Any, path: str) -> HashPolicy:
        keys: list[str] = []
        terminal: set[str] = set()
        for number, inner in enumerate(self.sequence(value, path)):
            at = f"{path}[{number}]"
            fields = self.mapping(inner, at, ("header", "terminal"))
            header = self.mapping(fields.get("header", {}), f"{at}.header", ("header_name",))
            key = _key(self.text(header.get("header_name"), f"{at}.header.header_name").lower())
            keys.append(key)
            if self.boolean(fields.get("terminal", False), f"{at}.terminal"):
                terminal.add(key)
        return HashPolicy(tuple(keys), terminal=frozenset(terminal))

    def http_route(self, value: Any, path: str, name: str, host: Condition) -> Route:
        fields = self.mapping(value, path, ("name", "match", "route", "direct_response"))
        given = fields.get("name")
        name = f"{name}:{given}" if isinstance(given, str) and given else name
        self.begin_rule(name)
        match = join([*spread(host), *spread(self.match(fields.get("match", {}), f"{path}.match"))])
        if self.one_of(fields, path, ("route", "direct_response")) == "direct_response":
            at = f"{path}.direct_response"
            direct = self.mapping(fields["direct_response"], at, ("status", "body"))
            body = self.mapping(direct.get("body", {}), f"{at}.body", ("inline_string",))
            text = self.text(body["inline_string"], f"{at}.body.inline_string") if body else None
            status = self.integer(direct.get("status"), f"{at}.status", 200, 599)
            return Route(name, match, respond=Respond("answer", text, status))
        return self.action(fields.get("route", {}), f"{path}.route", name, match)


def _domain(domain: str) -> Condition:
    if domain == "*":
        return ALWAYS
    wild: Predicate
    if domain.startswith("*"):
        wild, rest = Suffix(domain[1:], True), domain[1:]
    elif domain.endswith("*"):
        wild, rest = Prefix(domain[:-1], True), domain[:-1]
    else:
        return Attribute("service", Exact(domain, True))
    return All((Attribute("service", wild), Not(Attribute("service", Exact(rest, True)))))


def _rank(domain: str) -> tuple[int, int]:
    if domain == "*":
        return 3, 0
    if domain.startswith("*"):
        return 1, -len(domain)
    return (2, -len(domain)) if domain.endswith("*") else (0, 0)


def load(document: Any) -> RouteTable:
    """Read a `route_config`; raises ConfigError."""
    reader = _Reader()
    path = ""
    if isinstance(document, Mapping) and "route_config" in document:
        document, path = reader.mapping(document, "", ("route_config",))["route_config"], "route_config."
    config = reader.mapping(document, path.rstrip("."), ("name", "virtual_hosts", "validate_clusters"))
    hosts: dict[str, tuple[str, str, list[Any]]] = {}
    for number, inner in enumerate(reader.sequence(config.get("virtual_hosts", []), f"{path}virtual_hosts")):
        at = f"{path}virtual_hosts[{number}]"
        fields = reader.mapping(inner, at, ("name", "domains", "routes"))
        name = reader.text(fields.get("name"), f"{at}.name")
        routes = reader.sequence(fields.get("routes", []), f"{at}.routes")
        for domain in reader.each(fields.get("domains", []), f"{at}.domains", reader.text):
            if ascii_lower(domain) in hosts:
                reader.wrong(f"{at}.domains", f"'{domain}' belongs to an earlier virtual host", "name each domain once")
            hosts[ascii_lower(domain)] = name, at, routes
    found: list[Route] = []
    for domain in sorted(hosts, key=_rank):
        name, at, routes = hosts[domain]
        host = _domain(domain)
        for number, inner in enumerate(routes):
            found.append(reader.http_route(inner, f"{at}.routes[{number}]", f"{name}/{domain}[{number}]", host))
        if domain != "*":
            found.append(Route(f"no route for {domain}", host, respond=Respond("no_route", status=404)))
    reader.problems.raise_if_any()
    return RouteTable(found, origin={"dialect": "envoy-http", "name": config.get("name", "routes")})


def dump(table: RouteTable) -> dict[str, Any]:
    """Write a `route_config` with one virtual host; raises ConfigError."""
    writer = EnvoyWriter()
    routes: list[dict[str, Any]] = []
    for number, route in enumerate(table.routes):
        path = f"routes[{number}]"
        writer.only(route, path, "mirrors", "timeout", "retry", "respond", "destination_from")
        match: dict[str, Any] = {}
        headers: list[Any] = []
        for leaf in paired(spread(route.match)):
            if isinstance(leaf, Attribute) and leaf.key == "path" and leaf.quantifier in ("", ANY) and not match:
                match = _path(leaf.predicate)
                if match:
                    continue
            headers.append(writer.header_matcher(leaf, f"{path}.match"))
        match = match or {"prefix": "/"}
        if headers:
            match["headers"] = headers
        entry: dict[str, Any] = {"name": route.name, "match": match}
        if route.respond is not None:
            entry["direct_response"] = {"status": route.respond.status or 403}
            if route.respond.text is not None:
                entry["direct_response"]["body"] = {"inline_string": route.respond.text}
        else:
            entry["route"] = _action(writer, route, path)
        routes.append(entry)
    writer.problems.raise_if_any()
    host = {"name": "all", "domains": ["*"], "routes": routes}
    return {"name": table.origin.get("name", "routes"), "virtual_hosts": [host]}


def _path(predicate: Predicate) -> dict[str, Any]:
    match predicate:
        case Exact(str(text), fold):
            return {"path": text, **({"case_sensitive": False} if fold else {})}
        case Prefix(text, fold):
            return {"prefix": text, **({"case_sensitive": False} if fold else {})}
    return {}


def _action(writer: EnvoyWriter, route: Route, path: str) -> dict[str, Any]:
    action = writer.clusters(route, path)
    if route.destination_from is not None:
        action["cluster_header"] = route.destination_from.removeprefix("header.")
    mirrors = writer.mirrors(route, path)
    if mirrors:
        action["request_mirror_policies"] = mirrors
    if route.timeout is not None:
        action["timeout"] = f"{route.timeout:g}s"
    if route.retry is not None:
        policy: dict[str, Any] = {"retry_on": ",".join(route.retry.on)} if route.retry.on else {}
        if route.retry.attempts is not None:
            policy["num_retries"] = route.retry.attempts
        if route.retry.per_try_timeout is not None:
            policy["per_try_timeout"] = f"{route.retry.per_try_timeout:g}s"
        action["retry_policy"] = policy
    return action
