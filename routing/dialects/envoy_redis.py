"""Envoy's redis_proxy: `prefix_routes`, or the filter's configuration that has them.

The longest prefix of the *first* key decides, so routes are put in that order. Envoy splits MGET, MSET, DEL, EXISTS,
TOUCH and UNLINK and decides for each key: ask the table once for each. A command without keys is routed as the key "".
What Envoy answers itself (PING, ECHO, TIME) never reaches a route there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..conditions import ALWAYS, FIRST, Attribute, Condition
from ..edits import Edit, Reshape
from ..predicates import Exact, Prefix
from ..rules import Destination, Mirror, Route, Share
from ..table import RouteTable
from ..text import ascii_lower, to_bytes
from .envoy import EnvoyReader, EnvoyWriter, join, spread

__all__ = ["dump", "load"]

_ROUTE = ("prefix", "remove_prefix", "cluster", "request_mirror_policy", "key_formatter", "read_command_policy")
_FILTER = (
    "prefix_routes",
    "stat_prefix",
    "settings",
    "@type",
    "latency_in_micros",
    "faults",
    "custom_commands",
    "downstream_auth_password",
    "downstream_auth_passwords",
    "downstream_auth_username",
    "external_auth_provider",
)
_READ = Attribute("redis.write", Exact(False))
_WRITE = Attribute("redis.write", Exact(True))


class _Reader(EnvoyReader):
    def routes_for(self, value: Any, path: str, fold: bool, name: str) -> tuple[str, list[Route]]:
        """The prefix, and one rule, or two where reads go elsewhere."""
        fields = self.mapping(value, path, _ROUTE)
        prefix = self.text(fields.get("prefix", ""), f"{path}.prefix", empty=True)
        match: Condition = Attribute("keys", Prefix(prefix, fold), FIRST) if prefix else ALWAYS
        edits = self.key_edits(fields, path, prefix)
        mirrors = tuple(
            self.each(fields.get("request_mirror_policy", []), f"{path}.request_mirror_policy", self.policy)
        )
        cluster = Destination(self.text(fields.get("cluster"), f"{path}.cluster"))
        found = [Route(name, match, (cluster,), mirrors=mirrors, request_edits=edits)]
        if "read_command_policy" in fields:
            policy = self.mapping(fields["read_command_policy"], f"{path}.read_command_policy", ("cluster",))
            readers = Destination(self.text(policy.get("cluster"), f"{path}.read_command_policy.cluster"))
            found.insert(
                0,
                Route(
                    f"{name} (reads)", join([*spread(match), _READ]), (readers,), mirrors=mirrors, request_edits=edits
                ),
            )
        return prefix, found

    def key_edits(self, fields: Mapping[str, Any], path: str, prefix: str) -> tuple[Edit, ...]:
        cut = len(to_bytes(prefix)) if self.boolean(fields.get("remove_prefix", False), f"{path}.remove_prefix") else 0
        before = after = ""
        if fields.get("key_formatter"):
            formatter = self.text(fields["key_formatter"], f"{path}.key_formatter")
            if formatter.count("%KEY%") != 1 or formatter.count("%") != 2:
                self.wrong(f"{path}.key_formatter", "is more than text around one %KEY%", "write it like {%KEY%}")
            before, _, after = formatter.partition("%KEY%")
        reshape = Reshape(cut, "", before, after)
        return (Edit("keys", reshape),) if reshape != Reshape() else ()

    def policy(self, value: Any, path: str) -> Mirror:
        fields = self.mapping(value, path, ("cluster", "runtime_fraction", "exclude_read_commands"))
        share = Share()
        if "runtime_fraction" in fields:
            share, _ = self.runtime_fraction(fields["runtime_fraction"], f"{path}.runtime_fraction")
        writes = self.boolean(fields.get("exclude_read_commands", False), f"{path}.exclude_read_commands")
        return Mirror(
            Destination(self.text(fields.get("cluster"), f"{path}.cluster")), share, _WRITE if writes else ALWAYS
        )


def load(document: Any) -> RouteTable:
    """Read a redis_proxy configuration; raises ConfigError."""
    reader = _Reader()
    path = ""
    if isinstance(document, Mapping) and "prefix_routes" in document:
        fields = reader.mapping(document, "", _FILTER)
        reader.refuse(
            fields,
            "",
            faults="a fault by command name is not a matter of prefixes",
            custom_commands="which commands are forwarded is not part of a table",
        )
        document, path = fields["prefix_routes"], "prefix_routes."
    config = reader.mapping(document, path.rstrip("."), ("routes", "case_insensitive", "catch_all_route"))
    fold = reader.boolean(config.get("case_insensitive", False), f"{path}case_insensitive")
    found: dict[str, list[Route]] = {}
    for number, inner in enumerate(reader.sequence(config.get("routes", []), f"{path}routes")):
        prefix, routes = reader.routes_for(inner, f"{path}routes[{number}]", fold, f"routes[{number}]")
        folded = ascii_lower(prefix) if fold else prefix
        if folded in found:
            reader.wrong(
                f"{path}routes[{number}].prefix", f"'{prefix}' stands there already", "give each route its own"
            )
        found[folded] = routes
    ordered = [route for prefix in sorted(found, key=len, reverse=True) for route in found[prefix]]
    if "catch_all_route" in config:
        _, last = reader.routes_for(config["catch_all_route"], f"{path}catch_all_route", fold, "catch_all_route")
        # Its prefix only says how much of a key is cut: it takes whatever no prefix takes.
        ordered += [
            Route(
                route.name,
                join([part for part in spread(route.match) if part == _READ]),
                route.destinations,
                mirrors=route.mirrors,
                request_edits=route.request_edits,
            )
            for route in last
        ]
    reader.problems.raise_if_any()
    return RouteTable(ordered, origin={"dialect": "envoy-redis"})


def _prefix(parts: list[Condition]) -> tuple[str, bool, bool] | None:
    """The prefix, whether it ignores case, and whether only reads are meant; None for any other condition."""
    match parts:
        case []:
            return "", False, False
        case [Attribute("keys", Prefix(text, fold), quantifier, False)] if quantifier == FIRST:
            return text, fold, False
        case [*rest, last] if last == _READ:
            inner = _prefix(rest)
            return None if inner is None else (inner[0], inner[1], True)
    return None


def dump(table: RouteTable) -> dict[str, Any]:
    """Write `prefix_routes`; raises ConfigError."""
    writer = EnvoyWriter()
    routes: dict[str, dict[str, Any]] = {}
    folds: set[bool] = set()
    readers: dict[str, str] = {}
    longest: list[int] = []
    for number, route in enumerate(table.routes):
        path = f"routes[{number}]"
        writer.only(route, path, "mirrors", "request_edits")
        found = _prefix(spread(route.match))
        if found is None or len(route.destinations) != 1:
            writer.wrong(
                f"{path}.match",
                "is not a prefix of the first key with one destination",
                "write keys: {first: {prefix: ...}} and one destination",
            )
            continue
        prefix, fold, reads = found
        if prefix:
            folds.add(fold)
        if longest and len(prefix) > longest[-1]:
            writer.wrong(
                f"{path}.match", "stands behind a shorter prefix, which Envoy would not prefer", "sort by length"
            )
        longest.append(len(prefix))
        if reads:
            readers[prefix] = route.destinations[0].host
            continue
        if prefix in routes:
            writer.wrong(f"{path}.match", "has the prefix of an earlier rule", "give each rule its own")
        fields: dict[str, Any] = {"cluster": route.destinations[0].host}
        if prefix:
            fields["prefix"] = prefix
        fields.update(_formatted(route, prefix, fields, writer, path))
        mirrors = [_mirror(mirror, writer, f"{path}.mirrors[{at}]") for at, mirror in enumerate(route.mirrors)]
        if mirrors:
            fields["request_mirror_policy"] = mirrors
        routes[prefix] = fields
    for prefix, cluster in readers.items():
        if prefix in routes:
            routes[prefix]["read_command_policy"] = {"cluster": cluster}
        else:
            writer.wrong("routes", f"only reads are routed under the prefix {prefix!r}", "route the writes, too")
    if len(folds) > 1:
        writer.wrong("routes", "some prefixes ignore case and some do not", "make them alike")
    writer.problems.raise_if_any()
    document: dict[str, Any] = {"routes": [fields for prefix, fields in routes.items() if prefix]}
    if True in folds:
        document["case_insensitive"] = True
    if "" in routes:
        document["catch_all_route"] = routes[""]
    return document


def _formatted(route: Route, prefix: str, fields: dict[str, Any], writer: EnvoyWriter, path: str) -> dict[str, Any]:
    if not route.request_edits:
        return {}
    match route.request_edits:
        case (Edit("keys", Reshape(cut, "", before, after)),):
            found: dict[str, Any] = {}
            if cut:
                found["remove_prefix"] = True
                if not prefix and "prefix" not in fields:
                    found["prefix"] = "x" * cut  # on a catch-all route only its length counts
                elif cut != len(to_bytes(prefix)):
                    writer.wrong(f"{path}.request_edits", "cuts something else than the prefix", "cut its length")
            if before or after:
                found["key_formatter"] = f"{before}%KEY%{after}"
            return found
    writer.wrong(f"{path}.request_edits", "are not a change of keys redis_proxy can make", "cut the prefix or add text")
    return {}


def _mirror(mirror: Mirror, writer: EnvoyWriter, path: str) -> dict[str, Any]:
    plain = Mirror(mirror.destination, mirror.share)
    fields = writer.mirror(plain if mirror.match == _WRITE else mirror, path)
    return {**fields, "exclude_read_commands": True} if mirror.match == _WRITE else fields
