"""What Istio's and the Gateway API's documents have in common, as far as metadata can say it.

Their matches speak of HTTP. A path is the key `path`, an HTTP method `method`, an authority or host `service`, headers
are ``header.<name>`` in any case of the name; of a repeated header any value will do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..conditions import ANY, AnyOf, Attribute, Condition, Present
from ..predicates import Exact, Predicate, Prefix, Suffix
from ..regex import LATIN1
from ..rules import Destination
from .envoy import EnvoyReader

__all__ = ["KubernetesReader", "istio_destination", "metadata_of"]


def metadata_of(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Name and namespace, for writing the document back."""
    meta = fields.get("metadata")
    return dict(meta) if isinstance(meta, Mapping) else {}


class KubernetesReader(EnvoyReader):
    """Reads resources."""

    def resource(self, document: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """A resource's fields, and its spec (which may also stand alone)."""
        if isinstance(document, Mapping) and "spec" not in document and "kind" not in document:
            return {}, self.mapping(document, "spec")
        fields = self.mapping(document, "", ("apiVersion", "kind", "metadata", "spec", "status"))
        return fields, self.mapping(fields.get("spec", {}), "spec")

    def hostname(self, pattern: str) -> Condition | None:
        """A host name or ``*.suffix``, compared in any case; None for every host."""
        if pattern == "*":
            return None
        predicate: Predicate = Suffix(pattern[1:], True) if pattern.startswith("*") else Exact(pattern, True)
        return Attribute("service", predicate, ANY)

    def hostnames(self, patterns: list[str]) -> list[Condition]:
        """One condition for several host names; none where every host will do."""
        found = [self.hostname(pattern) for pattern in patterns]
        if not found or None in found:
            return []
        known = [one for one in found if one is not None]
        return [known[0] if len(known) == 1 else AnyOf(tuple(known))]

    def header(self, name: str, predicate: Predicate | None) -> Condition:
        """A header with a value, or with any."""
        key = f"header.{name}"
        return Present(key, True, True) if predicate is None else Attribute(key, predicate, ANY, True)

    def pattern(self, value: Any, path: str) -> Predicate | None:
        """A regular expression, as Envoy runs it."""
        return self.regex(self.text(value, path), path, LATIN1)

    def segments(self, value: str) -> Predicate | None:
        """A path prefix by segments: ``/api`` takes ``/api`` and ``/api/x``, not ``/apix``; None takes everything."""
        stem = value.rstrip("/")
        return Prefix(f"{stem}/") if stem else None

    def path_prefix(self, value: str) -> Condition | None:
        """The condition of a path prefix by segments."""
        predicate = self.segments(value)
        if predicate is None:
            return None
        return AnyOf((Attribute("path", Exact(value.rstrip("/"))), Attribute("path", predicate)))

    def check_sum(self, found: list[Destination], path: str) -> tuple[Destination, ...]:
        """Destinations, some of which can be chosen."""
        self.check_weights(tuple(found), path)
        return tuple(found)


def istio_destination(reader: EnvoyReader, value: Any, path: str, weight: int = 1) -> Destination:
    """An Istio `Destination`, which MetaRouter takes over as it is: host, subset, port."""
    fields = reader.mapping(value, path, ("host", "subset", "port"))
    port = None
    if "port" in fields:
        number = reader.mapping(fields["port"], f"{path}.port", ("number",))
        port = reader.integer(number.get("number"), f"{path}.port.number", 1, 65535)
    subset = reader.text(fields["subset"], f"{path}.subset") if fields.get("subset") else None
    return Destination(reader.text(fields.get("host"), f"{path}.host"), subset, port, weight)
