"""Aeraki's MetaRouter (`metaprotocol.aeraki.io`), as its data plane answers.

`interface` is `service` here and `method` is `method`; every other attribute is a key the codec carries, so it becomes
``header.<name>`` (for Thrift and Dubbo; keys that are metadata keys already, with a dot in them, are kept). Names are
compared in any case, the last of two that fold to one wins.

What the product does differently from what a document seems to say is done here, too, and noted as a quirk:
an attribute without a predicate is dropped (alone, the rule then matches everything), a mirror of 0 % mirrors
everything, hosts beyond the first are ignored, the weight of an only destination means nothing, a global rate limit
with an empty match limits nothing and its timeout is not obeyed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..analysis import Finding
from ..conditions import ALWAYS, ANY, DEFAULT, NEVER, Attribute, Condition
from ..edits import Edit, Set
from ..merging import distinct
from ..predicates import Exact, Predicate, Prefix, Regex
from ..regex import LATIN1
from ..rules import (
    MILLION,
    Descriptor,
    Destination,
    GlobalRateLimit,
    LimitCondition,
    LocalRateLimit,
    Mirror,
    RateLimit,
    Route,
    Share,
    TokenBucket,
)
from ..table import RouteTable
from ..text import ascii_lower
from .envoy import EnvoyReader, EnvoyWriter, join, spread
from .kubernetes import istio_destination

__all__ = ["dump", "load"]

API_VERSION = "metaprotocol.aeraki.io/v1alpha1"
_KEYS = {"interface": "service", "method": "method", "service": "service"}
_ROUTE = (
    "name",
    "match",
    "route",
    "mirror",
    "mirrorPercentage",
    "mirror_percentage",
    "requestMutation",
    "responseMutation",
)
_SPEC = ("hosts", "gateways", "exportTo", "routes", "localRateLimit", "globalRateLimit")


def key_of(name: str) -> str:
    """The metadata key of an attribute."""
    return _KEYS.get(ascii_lower(name), name if "." in name else f"header.{name}")


def name_of(key: str) -> str:
    """The attribute of a metadata key."""
    return "interface" if key == "service" else key.removeprefix("header.")


class _Reader(EnvoyReader):
    def __init__(self) -> None:
        super().__init__()
        self.notes: list[Finding] = []

    def quirk(self, rule: str, message: str) -> None:
        self.notes.append(Finding("quirk", rule, message))

    def attributes_match(self, value: Any, path: str, rule: str) -> Condition:
        fields = self.mapping(value, path, ("attributes",))
        given = self.mapping(fields.get("attributes", {}), f"{path}.attributes")
        last: dict[str, tuple[str, Any]] = {}
        for name, inner in given.items():
            if ascii_lower(name) in last:
                self.quirk(rule, f"{path}.attributes.{name} replaces one that differs only in case")
            last[ascii_lower(name)] = name, inner
        found: list[Condition] = []
        for name, inner in last.values():
            at = f"{path}.attributes.{name}"
            one = self.mapping(inner, at, ("exact", "prefix", "regex"))
            if not one:
                everything = " and the rule matches everything" if len(last) == 1 else ""
                self.quirk(rule, f"{at} says nothing, so it is dropped{everything}; write regex: .+ for any value")
                continue
            kind = self.one_of(one, at, ("exact", "prefix", "regex"))
            predicate: Predicate | None = None
            if kind == "regex":
                pattern = self.text(one["regex"], f"{at}.regex")
                if pattern == "*":
                    self.wrong(f"{at}.regex", "is '*', which the webhook refuses", "write .* for any value")
                elif pattern:
                    predicate = self.regex(pattern, f"{at}.regex", LATIN1)
            elif kind is not None:
                predicate = self.plain(kind, one[kind], f"{at}.{kind}", False)
            if predicate is not None:
                key = key_of(name)
                found.append(Attribute(key, predicate, ANY, key.startswith("header.")))
        return join(found)

    def destinations_of(self, value: Any, path: str, rule: str) -> tuple[Destination, ...]:
        found: list[Destination] = []
        entries = self.sequence(value, path)
        for number, inner in enumerate(entries):
            at = f"{path}[{number}]"
            one = self.mapping(inner, at, ("destination", "weight"))
            weight = self.integer(one.get("weight", 0), f"{at}.weight", 0, (1 << 32) - 1)
            if len(entries) == 1:
                if weight not in (0, 100):
                    self.quirk(rule, f"{at}.weight means nothing for an only destination")
                weight = 1
            found.append(istio_destination(self, one.get("destination", {}), f"{at}.destination", weight))
        if not found:
            self.wrong(path, "is empty", "write at least one destination")
        self.check_weights(tuple(found), path)
        total = sum(destination.weight for destination in found)
        if len(found) > 1 and total not in (0, 100):
            self.quirk(rule, f"{path}: the weights add up to {total}; the webhook wants 100, the data plane does not")
        return tuple(found)

    def mirror_of(self, fields: Mapping[str, Any], path: str, rule: str) -> tuple[Mirror, ...]:
        name = "mirror_percentage" if "mirror_percentage" in fields else "mirrorPercentage"
        if "mirror" not in fields:
            return ()
        share = Share()
        if name in fields:
            at = f"{path}.{name}.value"
            percent = self.mapping(fields[name], f"{path}.{name}", ("value",)).get("value", 0)
            if isinstance(percent, bool) or not isinstance(percent, int | float) or not 0 <= percent <= 100:
                self.wrong(at, "is no percentage", "write a number from 0 to 100")
            elif percent == 0:
                self.quirk(rule, f"{at} is 0, which mirrors everything; drop the mirror instead")
            else:
                parts = int(percent * 10_000)  # Aeraki truncates to millionths
                share = Share() if parts == MILLION else Share(parts, MILLION)
        return (Mirror(istio_destination(self, fields["mirror"], f"{path}.mirror"), share),)

    def mutations(self, value: Any, path: str) -> tuple[Edit, ...]:
        found: dict[str, Edit] = {}
        for number, inner in enumerate(self.sequence(value, path)):
            at = f"{path}[{number}]"
            one = self.mapping(inner, at, ("key", "value"))
            key = key_of(self.text(one.get("key"), f"{at}.key"))
            found[key] = Edit(key, Set(self.text(one.get("value", ""), f"{at}.value", empty=True)))  # the last one wins
        return tuple(found.values())

    def meta_route(self, value: Any, path: str, number: int) -> Route:
        fields = self.mapping(value, path, _ROUTE)
        name = fields.get("name")
        rule = name if isinstance(name, str) and name else f"routes[{number}]"
        self.begin_rule(rule)
        return Route(
            rule,
            self.attributes_match(fields.get("match", {}), f"{path}.match", rule),
            self.destinations_of(fields.get("route", []), f"{path}.route", rule),
            mirrors=self.mirror_of(fields, path, rule),
            request_edits=self.mutations(fields.get("requestMutation", []), f"{path}.requestMutation"),
            response_edits=self.mutations(fields.get("responseMutation", []), f"{path}.responseMutation"),
            modulo=True,
        )

    def token_bucket(self, value: Any, path: str) -> TokenBucket:
        fields = self.mapping(value, path, ("maxTokens", "tokensPerFill", "fillInterval"))
        interval = self.duration(fields.get("fillInterval"), f"{path}.fillInterval")
        if interval < 0.05:
            self.wrong(f"{path}.fillInterval", "is below the 50ms Envoy allows", "write 0.05s or more")
        top = (1 << 32) - 1
        return TokenBucket(
            self.integer(fields.get("maxTokens"), f"{path}.maxTokens", 1, top),
            interval,
            self.integer(fields.get("tokensPerFill", 1), f"{path}.tokensPerFill", 1, top),
        )

    def local_limit(self, value: Any, path: str) -> LocalRateLimit:
        fields = self.mapping(value, path, ("tokenBucket", "conditions"))
        conditions: list[LimitCondition] = []
        for number, inner in enumerate(self.sequence(fields.get("conditions", []), f"{path}.conditions")):
            at = f"{path}.conditions[{number}]"
            one = self.mapping(inner, at, ("match", "tokenBucket"))
            match = self.attributes_match(one.get("match", {}), f"{at}.match", at)
            conditions.append(LimitCondition(match, self.token_bucket(one.get("tokenBucket"), f"{at}.tokenBucket")))
        bucket = self.token_bucket(fields["tokenBucket"], f"{path}.tokenBucket") if "tokenBucket" in fields else None
        if bucket is None and not conditions:
            self.wrong(path, "limits nothing", "write tokenBucket or conditions")
        return LocalRateLimit(bucket, tuple(conditions))

    def global_limit(self, value: Any, path: str) -> GlobalRateLimit:
        names = ("domain", "rateLimitService", "requestTimeout", "denyOnFail", "match", "descriptors")
        fields = self.mapping(value, path, names)
        match = self.attributes_match(fields.get("match", {}), f"{path}.match", path)
        if match == ALWAYS:
            self.quirk(path, f"{path}.match is empty, which limits nothing, though the documentation says everything")
            match = NEVER
        timeout = None
        if "requestTimeout" in fields:
            text = fields["requestTimeout"]
            if isinstance(text, str) and text.endswith("ms") and text[:-2].isascii() and text[:-2].isdigit():
                text = f"{int(text[:-2][:9]) / 1000:g}s"
            timeout = self.duration(text, f"{path}.requestTimeout")
            self.quirk(path, f"{path}.requestTimeout is not obeyed by the data plane")
        descriptors: list[Descriptor] = []
        for number, inner in enumerate(self.sequence(fields.get("descriptors", []), f"{path}.descriptors")):
            at = f"{path}.descriptors[{number}]"
            one = self.mapping(inner, at, ("property", "descriptorKey"))
            source = key_of(self.text(one.get("property"), f"{at}.property"))
            descriptors.append(Descriptor(self.text(one.get("descriptorKey"), f"{at}.descriptorKey"), source=source))
        return GlobalRateLimit(
            match,
            RateLimit(
                tuple(descriptors), self.text(fields["domain"], f"{path}.domain") if "domain" in fields else None
            ),
            self.text(fields.get("rateLimitService"), f"{path}.rateLimitService"),
            timeout,
            self.boolean(fields.get("denyOnFail", False), f"{path}.denyOnFail"),
        )


def load(document: Any) -> RouteTable:
    """Read a MetaRouter resource; raises ConfigError."""
    reader = _Reader()
    fields = reader.mapping(document, "", ("apiVersion", "kind", "metadata", "spec", "status"))
    meta = reader.mapping(fields.get("metadata", {}), "metadata")
    spec = reader.mapping(fields.get("spec", {}), "spec", _SPEC)
    hosts = reader.each(spec.get("hosts", []), "spec.hosts", reader.text)
    if not hosts:
        reader.wrong("spec.hosts", "is empty", "name the service")
    elif len(hosts) > 1:
        reader.quirk("spec.hosts", f"only the first host is used: {', '.join(hosts[1:])} are ignored")
    origin: dict[str, Any] = {"dialect": "aeraki", "metadata": dict(meta), "hosts": hosts}
    for name in ("gateways", "exportTo"):
        if name in spec:
            origin[name] = reader.each(spec[name], f"spec.{name}", reader.text)
    routes = [
        reader.meta_route(inner, f"spec.routes[{number}]", number)
        for number, inner in enumerate(reader.sequence(spec.get("routes", []), "spec.routes"))
    ]
    local = reader.local_limit(spec["localRateLimit"], "spec.localRateLimit") if "localRateLimit" in spec else None
    remote = reader.global_limit(spec["globalRateLimit"], "spec.globalRateLimit") if "globalRateLimit" in spec else None
    reader.problems.raise_if_any()
    return RouteTable(
        distinct(routes), local_rate_limit=local, global_rate_limit=remote, origin=origin, notes=reader.notes
    )


class _Writer(EnvoyWriter):
    def match(self, condition: Condition, path: str) -> dict[str, Any]:
        attributes: dict[str, Any] = {}
        for leaf in spread(condition):
            spelled = self.attribute(leaf, path)
            if spelled is not None and isinstance(leaf, Attribute):
                name = name_of(leaf.key)
                if ascii_lower(name) in map(ascii_lower, attributes):
                    self.wrong(
                        f"{path}.attributes.{name}", "is asked twice, where a MetaRouter keeps the last", "ask once"
                    )
                attributes[name] = spelled
        return {"attributes": attributes} if attributes else {}

    def attribute(self, leaf: Condition, path: str) -> dict[str, Any] | None:
        match leaf:
            case Attribute(predicate=predicate, quantifier=quantifier) if quantifier in (ANY, DEFAULT):
                match predicate:
                    case Exact(str(text), False):
                        return {"exact": text}
                    case Prefix(text, False):
                        return {"prefix": text}
                    case Regex(pattern):
                        return {"regex": pattern}
        self.wrong(path, "is not exact, prefix or regex on attributes that must all hold", "split or simplify the rule")
        return None

    def destination(self, destination: Destination) -> dict[str, Any]:
        fields: dict[str, Any] = {"host": destination.host}
        if destination.subset is not None:
            fields["subset"] = destination.subset
        if destination.port is not None:
            fields["port"] = {"number": destination.port}
        return fields

    def mutations(self, edits: tuple[Edit, ...], path: str) -> list[dict[str, str]]:
        found: list[dict[str, str]] = []
        for edit in edits:
            if isinstance(edit.change, Set) and isinstance(edit.change.value, str):
                found.append({"key": name_of(edit.key), "value": edit.change.value})
            else:
                self.wrong(f"{path}.{edit.key}", "is not a text to set, all a MetaRouter can do", "set a text")
        return found

    def route(self, route: Route, path: str) -> dict[str, Any]:
        self.only(route, path, "mirrors", "request_edits", "response_edits")
        fields: dict[str, Any] = {"name": route.name}
        match = self.match(route.match, f"{path}.match")
        if match:
            fields["match"] = match
        fields["route"] = [
            {"destination": self.destination(one), **({"weight": one.weight} if len(route.destinations) > 1 else {})}
            for one in route.destinations
        ]
        if len(route.mirrors) > 1 or any(mirror.match != ALWAYS for mirror in route.mirrors):
            self.wrong(f"{path}.mirrors", "a MetaRouter has one mirror for all messages", "keep one")
        elif route.mirrors:
            mirror = route.mirrors[0]
            fields["mirror"] = self.destination(mirror.destination)
            percent = mirror.share.numerator * 100 / mirror.share.denominator
            if not percent:
                self.wrong(
                    f"{path}.mirrors[0].percent", "is 0, which a MetaRouter takes for everything", "drop the mirror"
                )
            fields["mirrorPercentage"] = {"value": percent}
        for name, edits in (("requestMutation", route.request_edits), ("responseMutation", route.response_edits)):
            if edits:
                fields[name] = self.mutations(edits, f"{path}.{name}")
        return fields

    def bucket(self, bucket: TokenBucket) -> dict[str, Any]:
        return {
            "maxTokens": bucket.max_tokens,
            "tokensPerFill": bucket.tokens_per_fill,
            "fillInterval": f"{bucket.fill_interval:g}s",
        }


def dump(table: RouteTable) -> dict[str, Any]:
    """Write a MetaRouter resource; raises ConfigError."""
    writer = _Writer()
    origin = table.origin if table.origin.get("dialect") == "aeraki" else {}
    hosts = (
        origin.get("hosts") or list(dict.fromkeys(one.host for route in table.routes for one in route.destinations))[:1]
    )
    spec: dict[str, Any] = {"hosts": hosts}
    for name in ("gateways", "exportTo"):
        if name in origin:
            spec[name] = origin[name]
    spec["routes"] = [writer.route(route, f"routes[{number}]") for number, route in enumerate(table.routes)]
    local, remote = table.local_rate_limit, table.global_rate_limit
    if local is not None:
        limits: dict[str, Any] = {} if local.bucket is None else {"tokenBucket": writer.bucket(local.bucket)}
        if local.conditions:
            limits["conditions"] = [
                {
                    "match": writer.match(one.match, f"local_rate_limit.conditions[{number}].match"),
                    "tokenBucket": writer.bucket(one.bucket),
                }
                for number, one in enumerate(local.conditions)
            ]
        spec["localRateLimit"] = limits
    if remote is not None:
        asked: dict[str, Any] = {"rateLimitService": remote.service, "denyOnFail": remote.deny_on_fail}
        if remote.limit.domain is not None:
            asked["domain"] = remote.limit.domain
        if remote.timeout is not None:
            asked["requestTimeout"] = f"{remote.timeout:g}s"
        if remote.match == ALWAYS:
            writer.wrong("global_rate_limit.match", "is empty, which a MetaRouter takes for nothing", "match something")
        asked["match"] = {} if remote.match == NEVER else writer.match(remote.match, "global_rate_limit.match")
        asked["descriptors"] = [
            {"property": name_of(one.source or ""), "descriptorKey": one.key} for one in remote.limit.descriptors
        ]
        if any(one.source is None for one in remote.limit.descriptors):
            writer.wrong(
                "global_rate_limit.descriptors", "have fixed values, which a MetaRouter cannot say", "name a key"
            )
        spec["globalRateLimit"] = asked
    writer.problems.raise_if_any()
    return {
        "apiVersion": API_VERSION,
        "kind": "MetaRouter",
        "metadata": origin.get("metadata", {"name": "routes"}),
        "spec": spec,
    }
