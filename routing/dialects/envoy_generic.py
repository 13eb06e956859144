"""Envoy's generic_proxy: virtual hosts and the unified matcher (https://www.envoyproxy.io, "Unified matcher").

A matcher tree is read as the flat list of rules it stands for: every way to an action, in the order they are tried,
with all conditions on the way. An input sees a repeated value joined by commas; property names keep their case. A
virtual host that matches ends the search, so its rules are followed by one that answers "no route".

With the Dubbo codec, host and path are the interface and properties the attachments.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ..conditions import ALWAYS, JOINED, All, AnyOf, Attribute, Condition, Fraction, HashThreshold, Not
from ..predicates import Both, Cidr, Exact, OneOf, Predicate, Prefix, Suffix
from ..reading import DEEPEST
from ..rules import Destination, Respond, Retry, Route
from ..table import RouteTable
from .envoy import EnvoyReader, EnvoyWriter, join, spread

__all__ = ["dump", "load"]

_G: Final = "type.googleapis.com/envoy.extensions.filters.network.generic_proxy"
_INPUTS: Final = {
    "HostMatchInput": "service",
    "PathMatchInput": "service",
    "ServiceMatchInput": "service",
    "MethodMatchInput": "method",
}
_FILTER: Final = (
    "stat_prefix",
    "codec_config",
    "generic_rds",
    "route_config",
    "filters",
    "tracing",
    "access_log",
    "@type",
)
_CONSISTENT_HASHING: Final = (
    "type.googleapis.com/envoy.extensions.matching.input_matchers.consistent_hashing.v3.ConsistentHashing"
)
_STOP: Final = Respond("no_route")


class _Reader(EnvoyReader):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[Route] = []
        self._names: dict[str, int] = {}

    def typed(self, value: Any, path: str) -> tuple[str, dict[str, Any], str]:
        """The last part of a typed extension's type, its fields, and their path."""
        fields = self.mapping(value, path, ("name", "typed_config"))
        at = f"{path}.typed_config"
        inner = self.mapping(fields.get("typed_config", {}), at)
        kind = inner.pop("@type", "")
        return (kind if isinstance(kind, str) else "").rpartition(".")[2], inner, at

    def input(self, value: Any, path: str) -> str | None:
        """The metadata key an input reads; None, noted, for an unknown one. ``""`` is the whole request."""
        kind, fields, at = self.typed(value, path)
        if kind == "RequestMatchInput":
            return ""
        if kind == "PropertyMatchInput":
            return f"header.{self.text(fields.get('property_name'), f'{at}.property_name')}"
        if kind not in _INPUTS:
            known = ", ".join([*_INPUTS, "PropertyMatchInput", "RequestMatchInput"])
            self.wrong(
                f"{at}.@type", f"is {kind or 'missing'}, which reads nothing a message has here", f"one of {known}"
            )
            return None
        return _INPUTS[kind]

    def matcher(self, value: Any, path: str, way: Condition, depth: int) -> None:
        """Append the rules of a matcher, in the order it tries them, each behind the conditions on the way."""
        self._count(path, depth)
        if depth > DEEPEST:
            return
        fields = self.mapping(value, path, ("matcher_list", "matcher_tree", "on_no_match"))
        given = [name for name in ("matcher_list", "matcher_tree") if name in fields]
        if len(given) > 1:
            self.wrong(path, "has both matcher_list and matcher_tree", "write one of them")
        if given == ["matcher_list"]:
            at = f"{path}.matcher_list"
            entries = self.mapping(fields["matcher_list"], at, ("matchers",))
            for number, inner in enumerate(self.sequence(entries.get("matchers", []), f"{at}.matchers")):
                here = f"{at}.matchers[{number}]"
                one = self.mapping(inner, here, ("predicate", "on_match"))
                found = self.unified(one.get("predicate", {}), f"{here}.predicate", 0)
                self.on_match(one.get("on_match", {}), f"{here}.on_match", join([*spread(way), *spread(found)]), depth)
        elif given:
            self.tree(fields["matcher_tree"], f"{path}.matcher_tree", way, depth)
        if "on_no_match" in fields:
            self.on_match(fields["on_no_match"], f"{path}.on_no_match", way, depth)

    def tree(self, value: Any, path: str, way: Condition, depth: int) -> None:
        fields = self.mapping(value, path, ("input", "exact_match_map", "prefix_match_map", "custom_match"))
        self.refuse(fields, path, custom_match="write exact_match_map, prefix_match_map or a matcher list")
        key = self.input(fields.get("input", {}), f"{path}.input")
        kind = self.one_of(fields, path, ("exact_match_map", "prefix_match_map"))
        if key == "":
            self.wrong(f"{path}.input", "is the whole request, which is no text", "write another input")
        if key is None or kind is None:
            return
        entries = self.mapping(
            self.mapping(fields[kind], f"{path}.{kind}", ("map",)).get("map", {}), f"{path}.{kind}.map"
        )
        names = sorted(entries, key=len, reverse=True) if kind == "prefix_match_map" else list(entries)
        for name in names:  # a longer prefix first; after a miss inside it, the shorter ones
            predicate: Predicate = Exact(name) if kind == "exact_match_map" else Prefix(name)
            here = join([*spread(way), Attribute(key, predicate, JOINED)])
            self.on_match(entries[name], f"{path}.{kind}.map.{name}", here, depth)

    def on_match(self, value: Any, path: str, way: Condition, depth: int) -> None:
        fields = self.mapping(value, path, ("action", "matcher", "keep_matching"))
        self.refuse(fields, path, keep_matching="Envoy refuses it for routes")
        kind = self.one_of(fields, path, ("action", "matcher"))
        if kind == "matcher":
            self.matcher(fields[kind], f"{path}.matcher", way, depth + 1)
        elif kind == "action":
            self.action(fields[kind], f"{path}.action", way)

    def action(self, value: Any, path: str, way: Condition) -> None:
        kind, fields, at = self.typed(value, path)
        if kind != "RouteAction":
            self.wrong(f"{at}.@type", f"is {kind or 'missing'}, which is no route", "write RouteAction")
            return
        names = ("name", "cluster", "weighted_clusters", "metadata", "per_filter_config", "timeout", "retry_policy")
        fields = self.mapping(fields, at, names)
        self.refuse(
            fields,
            at,
            weighted_clusters="Envoy accepts and ignores it: no request would arrive anywhere",
            per_filter_config="filters are not part of a table",
            metadata="it is only read by filters and logs",
        )
        retry = None
        if "retry_policy" in fields:
            policy = self.mapping(fields["retry_policy"], f"{at}.retry_policy", ("num_retries",))
            retry = Retry(self.integer(policy.get("num_retries", 1), f"{at}.retry_policy.num_retries", 0, 1000))
        timeout = None
        if "timeout" in fields and fields["timeout"] != "0s":
            timeout = self.duration(fields["timeout"], f"{at}.timeout")
        name = fields.get("name") if isinstance(fields.get("name"), str) and fields.get("name") else "route"
        cluster = Destination(self.text(fields.get("cluster"), f"{at}.cluster"))
        self.found.append(Route(self.unique(str(name)), way, (cluster,), timeout=timeout, retry=retry))

    def unique(self, name: str) -> str:
        """The name, with a number where it occurs again."""
        number = self._names[name] = self._names.get(name, 0) + 1
        return name if number == 1 else f"{name}#{number}"

    def unified(self, value: Any, path: str, depth: int) -> Condition:
        """A predicate of a matcher list."""
        self._count(path, depth)
        if depth > DEEPEST:
            return ALWAYS
        kinds = ("single_predicate", "and_matcher", "or_matcher", "not_matcher")
        fields = self.mapping(value, path, kinds)
        kind = self.one_of(fields, path, kinds)
        if kind is None:
            return ALWAYS
        at = f"{path}.{kind}"
        if kind == "single_predicate":
            return self.single(fields[kind], at)
        if kind == "not_matcher":
            return Not(self.unified(fields[kind], at, depth + 1))
        inner = self.mapping(fields[kind], at, ("predicate",)).get("predicate", [])
        parts = self.each(inner, f"{at}.predicate", lambda one, here: self.unified(one, here, depth + 1))
        if len(parts) < 2:
            self.wrong(f"{at}.predicate", "has fewer than two predicates, which Envoy refuses", "write two or more")
        return AnyOf(tuple(parts)) if kind == "or_matcher" else join([leaf for part in parts for leaf in spread(part)])

    def single(self, value: Any, path: str) -> Condition:
        fields = self.mapping(value, path, ("input", "value_match", "custom_match"))
        key = self.input(fields.get("input", {}), f"{path}.input")
        kind = self.one_of(fields, path, ("value_match", "custom_match"))
        if kind == "custom_match":
            return self.custom(fields[kind], f"{path}.custom_match", key)
        if kind is None or key is None:
            return ALWAYS
        if key == "":
            self.wrong(f"{path}.value_match", "compares text with the whole request", "write a custom_match")
            return ALWAYS
        predicate = self.string_matcher(fields[kind], f"{path}.{kind}", limited=False)
        return ALWAYS if predicate is None else Attribute(key, predicate, JOINED)

    def custom(self, value: Any, path: str, key: str | None) -> Condition:
        kind, fields, at = self.typed(value, path)
        if kind == "RuntimeFraction":
            one = self.mapping(fields, at, ("runtime_fraction", "seed"))
            self.wrong(
                f"{at}.runtime_fraction", "hashes by a seed of Envoy's own", "use ConsistentHashing"
            ) if one else None
            return ALWAYS
        if key is None:
            return ALWAYS
        if kind == "RequestMatcher" and key == "":
            return self.request(fields, at)
        if kind == "ConsistentHashing" and key:
            one = self.mapping(fields, at, ("threshold", "modulo", "seed"))
            top = (1 << 32) - 1
            return HashThreshold(
                key,
                self.integer(one.get("modulo"), f"{at}.modulo", 1, top),
                self.integer(one.get("threshold", 0), f"{at}.threshold", 0, top),
                self.integer(one.get("seed", 0), f"{at}.seed", 0, (1 << 64) - 1),
            )
        if kind == "Ip" and key:
            one = self.mapping(fields, at, ("cidr_ranges", "stat_prefix"))
            networks = self.each(one.get("cidr_ranges", []), f"{at}.cidr_ranges", self.cidr_range)
            return Attribute(key, Cidr(tuple(network for network in networks if network is not None)), JOINED)
        self.wrong(
            f"{at}.@type",
            f"{kind or 'nothing'} does not go with this input",
            "write RequestMatcher on RequestMatchInput, or ConsistentHashing or Ip on a text",
        )
        return ALWAYS

    def cidr_range(self, value: Any, path: str) -> Any:
        fields = self.mapping(value, path, ("address_prefix", "prefix_len"))
        length = fields.get("prefix_len", 0)
        length = length.get("value", 0) if isinstance(length, Mapping) else length
        return self.network(f"{self.text(fields.get('address_prefix'), f'{path}.address_prefix')}/{length}", path)

    def request(self, value: Mapping[str, Any], path: str) -> Condition:
        """A RequestMatcher: all of its parts must fit."""
        fields = self.mapping(value, path, ("host", "path", "method", "properties"))
        parts: list[Condition] = []
        for name, key in (("host", "service"), ("path", "service"), ("method", "method")):
            if name in fields:
                predicate = self.string_matcher(fields[name], f"{path}.{name}", limited=False)
                if predicate is not None:
                    parts.append(Attribute(key, predicate, JOINED))
        for number, inner in enumerate(self.sequence(fields.get("properties", []), f"{path}.properties")):
            at = f"{path}.properties[{number}]"
            one = self.mapping(inner, at, ("name", "string_match"))
            predicate = self.string_matcher(one.get("string_match", {}), f"{at}.string_match", limited=False)
            if predicate is not None:
                parts.append(Attribute(f"header.{self.text(one.get('name'), f'{at}.name')}", predicate, JOINED))
        return join(parts)

    def hosts(self, value: Any, path: str) -> list[str]:
        found = self.each(value, path, self.text)
        if not found:
            self.wrong(path, "is empty", "name at least one host")
        return found


def _host_rank(host: str) -> tuple[int, int]:
    """Exact names, then the longest suffix, then the longest prefix, then everything."""
    if host == "*":
        return 3, 0
    if host.startswith("*"):
        return 1, -len(host)
    return (2, -len(host)) if host.endswith("*") else (0, 0)


def _host(host: str) -> Condition:
    """A host pattern; the wildcard stands for at least one character."""
    if host == "*":
        return ALWAYS
    if host.startswith("*"):
        rest: Predicate = Suffix(host[1:])
    elif host.endswith("*"):
        rest = Prefix(host[:-1])
    else:
        return Attribute("service", Exact(host), JOINED)
    whole = Exact(host.strip("*"))
    return All((Attribute("service", rest, JOINED), Not(Attribute("service", whole, JOINED))))


def load(document: Any) -> RouteTable:
    """Read a generic_proxy configuration or its `route_config`; raises ConfigError."""
    reader = _Reader()
    reader.begin_rule("route_config")
    path = ""
    if isinstance(document, Mapping) and "route_config" in document:
        fields = reader.mapping(document, "", _FILTER)
        reader.refuse(fields, "", generic_rds="tables that come by discovery are not in the document")
        document, path = fields["route_config"], "route_config."
    config = reader.mapping(document, path.rstrip("."), ("name", "virtual_hosts", "routes"))
    hosts: dict[str, tuple[int, Any]] = {}
    for number, inner in enumerate(reader.sequence(config.get("virtual_hosts", []), f"{path}virtual_hosts")):
        at = f"{path}virtual_hosts[{number}]"
        one = reader.mapping(inner, at, ("name", "hosts", "routes"))
        for host in reader.hosts(one.get("hosts", []), f"{at}.hosts"):
            if host in hosts:
                reader.wrong(f"{at}.hosts", f"'{host}' belongs to an earlier virtual host", "name each host once")
            hosts[host] = number, one.get("routes", {})
    if "routes" in config and "*" in hosts:
        reader.wrong(f"{path}routes", "stand beside a virtual host for '*', which Envoy refuses", "keep one of them")
    for host in sorted(hosts, key=_host_rank):
        number, routes = hosts[host]
        way = _host(host)
        reader.matcher(routes, f"{path}virtual_hosts[{number}].routes", way, 0)
        if host != "*":
            reader.found.append(Route(reader.unique(f"no route for {host}"), way, respond=_STOP))
    if "routes" in config:
        reader.matcher(config["routes"], f"{path}routes", ALWAYS, 0)
    reader.problems.raise_if_any()
    return RouteTable(reader.found, origin={"dialect": "envoy-generic", "name": config.get("name", "routes")})


class _Writer(EnvoyWriter):
    def predicate(self, condition: Condition, path: str) -> dict[str, Any]:
        match condition:
            case Not(part):
                return {"not_matcher": self.predicate(part, path)}
            case All(parts) | AnyOf(parts) if len(parts) > 1:
                inner = [self.predicate(part, path) for part in parts]
                return {("and_matcher" if isinstance(condition, All) else "or_matcher"): {"predicate": inner}}
            case All((part,)) | AnyOf((part,)):
                return self.predicate(part, path)
            case Attribute(key, predicate, quantifier, fold):
                if fold or quantifier not in ("", JOINED):
                    self.wrong(
                        path,
                        f"asks {quantifier or 'any case'} of '{key}', where Envoy compares the joined value",
                        "write joined",
                    )
                return self._value(key, predicate, path)
            case HashThreshold(key, modulo, threshold, seed, _):
                config = {"@type": _CONSISTENT_HASHING, "modulo": modulo, "threshold": threshold, "seed": seed}
                custom = {"name": "hash", "typed_config": config}
                return {"single_predicate": {"input": self.input(key, path), "custom_match": custom}}
            case Fraction():
                self.wrong(path, "draws from a random number, which Envoy's matchers do not", "use consistent_hash")
            case _:
                self.wrong(path, "is not something Envoy's matchers can say", "compare a value")
        return {}

    def _value(self, key: str, predicate: Predicate, path: str) -> dict[str, Any]:
        match predicate:
            case Both(parts) if len(parts) > 1:
                return {"and_matcher": {"predicate": [self._value(key, part, path) for part in parts]}}
            case OneOf(values, fold) if len(values) > 1:
                return {"or_matcher": {"predicate": [self._value(key, Exact(value, fold), path) for value in values]}}
            case OneOf((value,), fold):
                return self._value(key, Exact(value, fold), path)
        matcher = self.string_matcher(predicate, path)
        if matcher is not None and "safe_regex" in matcher:
            matcher["safe_regex"]["google_re2"] = {}
        return {"single_predicate": {"input": self.input(key, path), "value_match": matcher or {}}}

    def input(self, key: str, path: str) -> dict[str, Any]:
        if key.startswith("header."):
            config = {"@type": f"{_G}.matcher.v3.PropertyMatchInput", "property_name": key.removeprefix("header.")}
        elif key in ("service", "method"):
            kind = "HostMatchInput" if key == "service" else "MethodMatchInput"
            config = {"@type": f"{_G}.matcher.v3.{kind}"}
        else:
            self.wrong(path, f"matches '{key}', which generic_proxy does not have", "match service, method or header.*")
            config = {}
        return {"name": key, "typed_config": config}


def dump(table: RouteTable) -> dict[str, Any]:
    """Write a `route_config` with one matcher list; raises ConfigError."""
    writer = _Writer()
    matchers: list[dict[str, Any]] = []
    otherwise: dict[str, Any] | None = None
    for number, route in enumerate(table.routes):
        path = f"routes[{number}]"
        writer.only(route, path, "timeout", "retry")
        if len(route.destinations) != 1:
            writer.wrong(f"{path}.destinations", "is not one cluster, all generic_proxy can route to", "name one")
            continue
        config: dict[str, Any] = {
            "@type": f"{_G}.action.v3.RouteAction",
            "name": route.name,
            **writer.clusters(route, path),
        }
        if route.timeout is not None:
            config["timeout"] = f"{route.timeout:g}s"
        if route.retry is not None:
            config["retry_policy"] = {} if route.retry.attempts is None else {"num_retries": route.retry.attempts}
        action = {"action": {"name": route.name, "typed_config": config}}
        if otherwise is not None:
            continue  # behind a rule for everything nothing is reached, in Envoy as here
        if route.match == ALWAYS:
            otherwise = action
            continue
        predicate = writer.predicate(route.match, f"{path}.match")
        matchers.append({"predicate": predicate, "on_match": action})
    writer.problems.raise_if_any()
    routes: dict[str, Any] = {"matcher_list": {"matchers": matchers}} if matchers else {}
    if otherwise is not None:
        routes["on_no_match"] = otherwise
    return {"name": table.origin.get("name", "routes"), "routes": routes}
