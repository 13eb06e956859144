"""Istio's VirtualService: its `http` and `tcp` routes, as far as metadata can say them.

A route's matches are alternatives, the conditions of one match must all hold; the first route that matches wins. A
header with an empty match (``{}``) asks for presence. `sourceLabels`, `sourceNamespace` and `gateways` choose the proxy
a rule is given to, not the message: such documents are refused, as are redirects and rewrites.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..conditions import ALWAYS, ANY, All, AnyOf, Attribute, Condition, Not, Present
from ..edits import Edit, Set
from ..merging import distinct
from ..predicates import Cidr, Exact, Predicate, Prefix, Regex
from ..rules import Abort, Delay, Destination, Fault, Mirror, Respond, Retry, Route, Share
from ..table import RouteTable
from .envoy import EnvoyWriter, join, paired, spread
from .kubernetes import KubernetesReader, istio_destination, metadata_of

__all__ = ["dump", "load"]

_SPEC = ("hosts", "gateways", "http", "tcp", "exportTo", "tls")
_HTTP = (
    "name",
    "match",
    "route",
    "directResponse",
    "timeout",
    "retries",
    "fault",
    "mirror",
    "mirrors",
    "mirrorPercentage",
    "headers",
    "redirect",
    "rewrite",
    "delegate",
    "corsPolicy",
    "mirrorPercent",
)
_MATCH = (
    "name",
    "uri",
    "scheme",
    "method",
    "authority",
    "headers",
    "port",
    "sourceLabels",
    "gateways",
    "queryParams",
    "ignoreUriCase",
    "withoutHeaders",
    "sourceNamespace",
    "statPrefix",
)
_CONFIGURES = "it chooses proxies, not messages; write one table for each"


class _Reader(KubernetesReader):
    def istio_string(self, value: Any, path: str, fold: bool = False) -> Predicate | None:
        """A StringMatch; None for an empty one, which asks for presence."""
        fields = self.mapping(value, path, ("exact", "prefix", "regex"))
        if not fields:
            return None
        kind = self.one_of(fields, path, ("exact", "prefix", "regex"))
        if kind == "regex":
            return self.pattern(fields[kind], f"{path}.regex")
        return self.plain(kind, fields[kind], f"{path}.{kind}", fold) if kind else None

    def http_match(self, value: Any, path: str) -> Condition:
        fields = self.mapping(value, path, _MATCH)
        self.refuse(
            fields,
            path,
            sourceLabels=_CONFIGURES,
            sourceNamespace=_CONFIGURES,
            gateways=_CONFIGURES,
            scheme="no metadata key has it",
            queryParams="the query is not taken apart",
            port="the listening port is not part of a message; match destination.port",
        )
        parts: list[Condition] = []
        fold = self.boolean(fields.get("ignoreUriCase", False), f"{path}.ignoreUriCase")
        for name, key in (("uri", "path"), ("method", "method"), ("authority", "service")):
            if name in fields:
                predicate = self.istio_string(fields[name], f"{path}.{name}", fold and name == "uri")
                parts.append(Present(key) if predicate is None else Attribute(key, predicate, ANY))
        for name, inner in self.mapping(fields.get("headers", {}), f"{path}.headers").items():
            parts.append(self.header(name, self.istio_string(inner, f"{path}.headers.{name}")))
        for name, inner in self.mapping(fields.get("withoutHeaders", {}), f"{path}.withoutHeaders").items():
            parts.append(Not(self.header(name, self.istio_string(inner, f"{path}.withoutHeaders.{name}"))))
        return join(parts)

    def tcp_match(self, value: Any, path: str) -> Condition:
        fields = self.mapping(
            value, path, ("destinationSubnets", "port", "sourceLabels", "gateways", "sourceNamespace")
        )
        self.refuse(fields, path, sourceLabels=_CONFIGURES, sourceNamespace=_CONFIGURES, gateways=_CONFIGURES)
        parts: list[Condition] = []
        if "destinationSubnets" in fields:
            networks = self.each(fields["destinationSubnets"], f"{path}.destinationSubnets", self.network)
            parts.append(Attribute("destination.address", Cidr(tuple(one for one in networks if one is not None))))
        if "port" in fields:
            port = self.integer(fields["port"], f"{path}.port", 1, 65535)
            parts.append(Attribute("destination.port", Exact(port)))
        return join(parts)

    def weighted(self, value: Any, path: str) -> tuple[Destination, ...]:
        found: list[Destination] = []
        entries = self.sequence(value, path)
        for number, inner in enumerate(entries):
            at = f"{path}[{number}]"
            one = self.mapping(inner, at, ("destination", "weight", "headers"))
            self.refuse(one, at, headers="changes for one destination only cannot be said; make it a route of its own")
            weight = self.integer(one.get("weight", 0), f"{at}.weight", 0, (1 << 32) - 1) if len(entries) > 1 else 1
            found.append(istio_destination(self, one.get("destination", {}), f"{at}.destination", weight))
        return self.check_sum(found, path)

    def part(self, value: Any, path: str) -> Share:
        """A Percent; without one, all."""
        if value is None:
            return Share()
        fields = self.mapping(value, path, ("value",))
        return self.percent(fields.get("value", 0), f"{path}.value")

    def fault_of(self, value: Any, path: str) -> Fault:
        fields = self.mapping(value, path, ("delay", "abort"))
        delay = abort = None
        if "delay" in fields:
            inner = self.mapping(fields["delay"], f"{path}.delay", ("fixedDelay", "percentage"))
            share = self.part(inner.get("percentage"), f"{path}.delay.percentage")
            delay = Delay(self.duration(inner.get("fixedDelay"), f"{path}.delay.fixedDelay"), share)
        if "abort" in fields:
            inner = self.mapping(fields["abort"], f"{path}.abort", ("httpStatus", "grpcStatus", "percentage"))
            kind = self.one_of(inner, f"{path}.abort", ("httpStatus", "grpcStatus"))
            status: int | str = ""
            if kind == "httpStatus":
                status = self.integer(inner[kind], f"{path}.abort.httpStatus", 200, 599)
            elif kind == "grpcStatus":
                status = self.text(inner[kind], f"{path}.abort.grpcStatus")
            abort = Abort(status, self.part(inner.get("percentage"), f"{path}.abort.percentage"))
        return Fault(delay, abort)

    def header_edits(self, value: Any, path: str) -> tuple[Edit, ...]:
        fields = self.mapping(value, path, ("set", "add", "remove"))
        self.refuse(fields, path, add="a value cannot be added to what a message has; use set")
        given = self.mapping(fields.get("set", {}), f"{path}.set")
        edits = [
            Edit(f"header.{name}", Set(self.text(inner, f"{path}.set.{name}", empty=True)))
            for name, inner in given.items()
        ]
        names = self.each(fields.get("remove", []), f"{path}.remove", self.text)
        return (*edits, *(Edit(f"header.{name}", Set(None)) for name in names))

    def http_route(self, value: Any, path: str, number: int, hosts: list[Condition]) -> Route:
        fields = self.mapping(value, path, _HTTP)
        self.refuse(
            fields,
            path,
            redirect="a redirect is no route",
            rewrite="set header edits instead",
            delegate="merge the tables instead",
            corsPolicy="it is no matter of routes",
            mirrorPercent="it was replaced by mirrorPercentage",
        )
        name = fields.get("name")
        rule = name if isinstance(name, str) and name else f"http[{number}]"
        self.begin_rule(rule)
        matches = self.each(fields.get("match", []), f"{path}.match", self.http_match)
        headers = self.mapping(fields.get("headers", {}), f"{path}.headers", ("request", "response"))
        respond: Respond | None = None
        destinations: tuple[Destination, ...] = ()
        if "directResponse" in fields:
            direct = self.mapping(fields["directResponse"], f"{path}.directResponse", ("status", "body"))
            body = self.mapping(direct.get("body", {}), f"{path}.directResponse.body", ("string",))
            respond = Respond(
                "answer",
                self.text(body["string"], f"{path}.directResponse.body.string") if body else None,
                self.integer(direct.get("status"), f"{path}.directResponse.status", 200, 599),
            )
        else:
            destinations = self.weighted(fields.get("route", []), f"{path}.route")
            if not destinations:
                self.wrong(f"{path}.route", "is empty", "write at least one destination")
        return Route(
            rule,
            _either(matches, hosts),
            destinations,
            respond=respond,
            mirrors=self.mirrors_of(fields, path),
            request_edits=self.header_edits(headers.get("request", {}), f"{path}.headers.request"),
            response_edits=self.header_edits(headers.get("response", {}), f"{path}.headers.response"),
            timeout=self.duration(fields["timeout"], f"{path}.timeout") if "timeout" in fields else None,
            retry=self.retry_of(fields["retries"], f"{path}.retries") if "retries" in fields else None,
            fault=self.fault_of(fields["fault"], f"{path}.fault") if "fault" in fields else None,
            modulo=True,
        )

    def mirrors_of(self, fields: Mapping[str, Any], path: str) -> tuple[Mirror, ...]:
        found: list[Mirror] = []
        if "mirror" in fields:
            share = self.part(fields.get("mirrorPercentage"), f"{path}.mirrorPercentage")
            found.append(Mirror(istio_destination(self, fields["mirror"], f"{path}.mirror"), share))
        for number, inner in enumerate(self.sequence(fields.get("mirrors", []), f"{path}.mirrors")):
            at = f"{path}.mirrors[{number}]"
            one = self.mapping(inner, at, ("destination", "percentage"))
            share = self.part(one.get("percentage"), f"{at}.percentage")
            found.append(Mirror(istio_destination(self, one.get("destination", {}), f"{at}.destination"), share))
        return tuple(found)

    def retry_of(self, value: Any, path: str) -> Retry:
        fields = self.mapping(value, path, ("attempts", "perTryTimeout", "retryOn"))
        on = self.text(fields["retryOn"], f"{path}.retryOn") if "retryOn" in fields else ""
        return Retry(
            self.integer(fields.get("attempts"), f"{path}.attempts", 0, 1000) if "attempts" in fields else None,
            self.duration(fields["perTryTimeout"], f"{path}.perTryTimeout") if "perTryTimeout" in fields else None,
            tuple(one.strip() for one in on.split(",") if one.strip()),
        )


def _either(matches: list[Condition], hosts: list[Condition]) -> Condition:
    if not matches:
        return join(hosts)
    return join([*hosts, *(spread(matches[0]) if len(matches) == 1 else [AnyOf(tuple(matches))])])


def load(document: Any) -> RouteTable:
    """Read a VirtualService; raises ConfigError."""
    reader = _Reader()
    fields, spec = reader.resource(document)
    spec = reader.mapping(spec, "spec", _SPEC)
    reader.refuse(spec, "spec", tls="a TLS route has no messages; match tls.sni in our own shape")
    names = reader.each(spec.get("hosts", []), "spec.hosts", reader.text)
    hosts = reader.hostnames(names)
    routes = [
        reader.http_route(inner, f"spec.http[{number}]", number, hosts)
        for number, inner in enumerate(reader.sequence(spec.get("http", []), "spec.http"))
    ]
    for number, inner in enumerate(reader.sequence(spec.get("tcp", []), "spec.tcp")):
        at = f"spec.tcp[{number}]"
        one = reader.mapping(inner, at, ("match", "route"))
        matches = reader.each(one.get("match", []), f"{at}.match", reader.tcp_match)
        found = reader.weighted(one.get("route", []), f"{at}.route")
        routes.append(Route(f"tcp[{number}]", _either(matches, []), found, modulo=True))
    reader.problems.raise_if_any()
    origin = {"dialect": "istio", "metadata": metadata_of(fields), "hosts": names}
    origin.update({name: spec[name] for name in ("gateways", "exportTo") if name in spec})
    return RouteTable(distinct(routes), origin=origin)


class _Writer(EnvoyWriter):
    def string(self, predicate: Predicate, path: str) -> dict[str, Any]:
        match predicate:
            case Exact(str(text), False):
                return {"exact": text}
            case Prefix(text, False):
                return {"prefix": text}
            case Regex(pattern):
                return {"regex": pattern}
        self.wrong(path, f"Istio has no match for {predicate.spell()}", "use exact, prefix or regex")
        return {}

    def one_match(self, condition: Condition, hosts: list[Condition], path: str) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        for leaf in paired([part for part in spread(condition) if part not in hosts]):
            inner = leaf.part if isinstance(leaf, Not) else leaf
            where = "withoutHeaders" if isinstance(leaf, Not) else "headers"
            match inner:
                case Attribute(key, predicate, quantifier) if quantifier in (ANY, ""):
                    spelled = self.string(predicate, path)
                case Present(key, True):
                    spelled = {}
                case _:
                    self.wrong(path, "is not a comparison of one value Istio knows", "simplify the rule")
                    continue
            if key.startswith("header."):
                fields.setdefault(where, {})[key.removeprefix("header.")] = spelled
            elif where == "headers" and key in ("path", "method", "service"):
                fields[{"path": "uri", "service": "authority"}.get(key, key)] = spelled
            else:
                self.wrong(path, f"matches '{key}', which Istio cannot", "match path, method, service or header.*")
        return fields

    def host(self, destination: Destination) -> dict[str, Any]:
        fields: dict[str, Any] = {"host": destination.host}
        if destination.subset is not None:
            fields["subset"] = destination.subset
        if destination.port is not None:
            fields["port"] = {"number": destination.port}
        return fields

    def part(self, share: Share) -> dict[str, Any]:
        return {} if share == Share() else {"percentage": {"value": share.numerator * 100 / share.denominator}}

    def route(self, route: Route, hosts: list[Condition], path: str) -> dict[str, Any]:
        self.only(route, path, "mirrors", "timeout", "retry", "request_edits", "response_edits", "fault")
        fields: dict[str, Any] = {"name": route.name}
        parts = [part for part in spread(route.match) if part not in hosts]
        alternatives = parts[0].parts if len(parts) == 1 and isinstance(parts[0], AnyOf) else (All(tuple(parts)),)
        if parts:
            fields["match"] = [self.one_match(one, hosts, f"{path}.match") for one in alternatives]
        fields["route"] = [
            {
                "destination": self.host(one),
                **({"weight": one.weight} if len(route.destinations) > 1 else {}),
            }
            for one in route.destinations
        ]
        if route.timeout is not None:
            fields["timeout"] = f"{route.timeout:g}s"
        if route.retry is not None:
            retries: dict[str, Any] = {}
            if route.retry.attempts is not None:
                retries["attempts"] = route.retry.attempts
            if route.retry.per_try_timeout is not None:
                retries["perTryTimeout"] = f"{route.retry.per_try_timeout:g}s"
            if route.retry.on:
                retries["retryOn"] = ",".join(route.retry.on)
            fields["retries"] = retries
        if route.mirrors:
            if any(mirror.match != ALWAYS for mirror in route.mirrors):
                self.wrong(f"{path}.mirrors", "have conditions of their own, which Istio cannot say", "mirror all")
            fields["mirrors"] = [
                {"destination": self.host(one.destination), **self.part(one.share)} for one in route.mirrors
            ]
        headers = {
            name: found
            for name, found in (
                ("request", self.edits(route.request_edits, path)),
                ("response", self.edits(route.response_edits, path)),
            )
            if found
        }
        if headers:
            fields["headers"] = headers
        if route.fault is not None:
            fields["fault"] = self.fault(route.fault)
        return fields

    def fault(self, fault: Fault) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        if fault.delay is not None:
            fields["delay"] = {"fixedDelay": f"{fault.delay.seconds:g}s", **self.part(fault.delay.share)}
        if fault.abort is not None:
            kind = "httpStatus" if isinstance(fault.abort.status, int) else "grpcStatus"
            fields["abort"] = {kind: fault.abort.status, **self.part(fault.abort.share)}
        return fields

    def edits(self, edits: tuple[Edit, ...], path: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for edit in edits:
            name = edit.key.removeprefix("header.")
            if name == edit.key or not isinstance(edit.change, Set) or not isinstance(edit.change.value, str | None):
                self.wrong(f"{path}.{edit.key}", "is no header set or removed", "set or remove header.*")
            elif edit.change.value is None:
                found.setdefault("remove", []).append(name)
            else:
                found.setdefault("set", {})[name] = edit.change.value
        return found


def dump(table: RouteTable) -> dict[str, Any]:
    """Write a VirtualService with HTTP routes; raises ConfigError."""
    writer = _Writer()
    origin = table.origin if table.origin.get("dialect") == "istio" else {}
    names = origin.get("hosts") or ["*"]
    hosts = KubernetesReader().hostnames(names)
    routes = [writer.route(route, hosts, f"routes[{number}]") for number, route in enumerate(table.routes)]
    writer.problems.raise_if_any()
    extra = {name: origin[name] for name in ("gateways", "exportTo") if name in origin}
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": origin.get("metadata") or {"name": "routes"},
        "spec": {"hosts": names, **extra, "http": routes},
    }
