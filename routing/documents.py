"""`load` and `dump`: rule documents of every dialect."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any, Final

from .errors import ConfigError, Problem
from .loading import TABLE_KEYS, RuleReader
from .rules import Respond, Route
from .table import RouteTable

__all__ = ["DIALECTS", "dump", "load", "matcher"]

OWN: Final = "l7codec"
_MODULES: Final = {
    "aeraki": "aeraki",
    "envoy-thrift": "envoy_thrift",
    "envoy-dubbo": "envoy_dubbo",
    "envoy-redis": "envoy_redis",
    "envoy-generic": "envoy_generic",
    "envoy-http": "envoy_http",
    "istio": "istio",
    "gateway-api": "gateway_api",
}
DIALECTS: Final = (OWN, *_MODULES)
# Documents that say what they are; the version after the slash does not change the fields read here.
_KINDS: Final = {
    ("metaprotocol.aeraki.io", "MetaRouter"): "aeraki",
    ("networking.istio.io", "VirtualService"): "istio",
    ("gateway.networking.k8s.io", "HTTPRoute"): "gateway-api",
    ("gateway.networking.k8s.io", "GRPCRoute"): "gateway-api",
    ("gateway.networking.k8s.io", "TCPRoute"): "gateway-api",
}


def load(document: Any, dialect: str | None = None) -> RouteTable:
    """Read a rule document: a mapping as YAML or JSON gives it.

    Without `dialect`, a document with `apiVersion` and `kind` finds its own, any other is in our own shape. Raises
    ConfigError with every problem of the document, MissingExtra where only an optional package is missing.
    """
    if dialect is None:
        dialect = _recognised(document)
    if dialect == OWN:
        return _load_own(document)
    if dialect not in _MODULES:
        raise ConfigError([Problem("", f"no dialect is called {dialect!r}", "one of " + ", ".join(DIALECTS))])
    table: RouteTable = importlib.import_module(f".dialects.{_MODULES[dialect]}", __package__).load(document)
    return table


def dump(table: RouteTable, dialect: str | None = None) -> dict[str, Any]:
    """Write a table as a document of a dialect (our own by default).

    Raises ConfigError, naming every rule and field, where the dialect cannot say what the table does: nothing is
    dropped or bent on the way.
    """
    if dialect in (None, OWN):
        return table.to_dict()
    if dialect not in _MODULES:
        raise ConfigError([Problem("", f"no dialect is called {dialect!r}", "one of " + ", ".join(DIALECTS))])
    document: dict[str, Any] = importlib.import_module(f".dialects.{_MODULES[dialect]}", __package__).dump(table)
    return document


def matcher(match: Any, path: str = "match") -> Callable[[Any], bool]:
    """A function that says whether a message satisfies a `match` mapping as rules have it: a filter.

    The function takes a message or a mapping and never raises. Raises ConfigError, with paths that begin with `path`.
    """
    reader = RuleReader()
    reader.begin_rule(path)
    condition = reader.condition(match, path)
    reader.problems.raise_if_any()
    table = RouteTable([Route("match", condition, respond=Respond("answer"))])
    return lambda message: table.match(message) is not None


def _recognised(document: Any) -> str:
    if not isinstance(document, Mapping) or "apiVersion" not in document or "kind" not in document:
        return OWN
    version, kind = document["apiVersion"], document["kind"]
    if isinstance(version, str) and isinstance(kind, str):
        dialect = _KINDS.get((version.partition("/")[0], kind))
        if dialect is not None:
            return dialect
    known = ", ".join(sorted(kind for _, kind in _KINDS))
    raise ConfigError([Problem("kind", f"{version!r} {kind!r} is not known", f"one of {known}, or name the dialect")])


def _load_own(document: Any) -> RouteTable:
    reader = RuleReader()
    fields = reader.mapping(document, "", TABLE_KEYS)
    if "routes" not in fields and isinstance(document, Mapping):
        reader.wrong("routes", "is missing", "write a list of rules")
    routes = reader.routes(fields.get("routes", []), "routes")
    local = remote = None
    if "local_rate_limit" in fields:
        local = reader.local_rate_limit(fields["local_rate_limit"], "local_rate_limit")
    if "global_rate_limit" in fields:
        remote = reader.global_rate_limit(fields["global_rate_limit"], "global_rate_limit")
    origin = reader.mapping(fields["origin"], "origin") if "origin" in fields else {}
    reader.problems.raise_if_any()
    return RouteTable(routes, local_rate_limit=local, global_rate_limit=remote, origin=origin)
