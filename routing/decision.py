"""What a table decided about one message."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .edits import apply
from .hashing import combine, draw, fast_xxh64, xxh64_chain
from .rules import Abort, Delay, Destination, HashPolicy, Mirror, RateLimit, Respond, Retry, Route, Share
from .text import to_bytes
from .view import MISSING, OPAQUE, View, normalise

__all__ = [
    "Decision",
    "descriptors_of",
    "hash_of",
]

# Every use of the random number has a number of its own; those of fractions in matches start beyond.
_USE_WEIGHTS, _USE_DELAY, _USE_ABORT, _USE_MIRROR = 1, 2, 3, 16


def _texts(view: View, key: str) -> list[bytes]:
    value = normalise(view.get(key))
    if value is MISSING or value is OPAQUE:
        return []
    elements = value if type(value) is tuple else (value,)
    return [to_bytes(element) for element in elements if type(element) is str]


def hash_of(policy: HashPolicy, view: View) -> int | None:
    """The 64-bit hash a policy gives for a message, or None where it has nothing to hash."""
    if policy.combine == "sorted":
        values = [(_texts(view, key) or [b""])[0] for key in policy.keys]
        return xxh64_chain(sorted(values)) if values else None
    digest: int | None = None
    for key in policy.keys:
        values = sorted(_texts(view, key))
        if values:
            digest = combine(digest, fast_xxh64(values[0], 0) if len(values) == 1 else xxh64_chain(values))
            if key in policy.terminal:
                break
    return digest


class Decision:
    """Which rule took a message and what follows from it.

    Made in half a microsecond: only `route` and `index` are known at once, everything else is computed when asked
    for, from the message and the random number given to `match`, so asking twice gives the same answer.
    """

    __slots__ = ("_hash", "_random", "_view", "index", "route")

    def __init__(self, route: Route, index: int, view: View, random: int, hash: int | None) -> None:
        self.route = route
        self.index = index
        self._view = view
        self._random = random
        self._hash = hash

    def __repr__(self) -> str:
        return f"<Decision {self.route.name!r} index={self.index} destination={self.destination}>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Decision):
            return NotImplemented
        return self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]

    def _share(self, share: Share, use: int) -> bool:
        if share.numerator >= share.denominator:
            return True
        return share.selects(draw(self._random, use))

    @property
    def destination(self) -> Destination | None:
        """Where to send it; None where the rule answers itself or the key that names the host is missing."""
        route = self.route
        destinations = route.destinations
        if len(destinations) == 1:
            return destinations[0]
        if not destinations:
            if route.destination_from is None:
                return None
            value = normalise(self._view.get(route.destination_from))
            if type(value) is tuple:
                value = value[0]
            return Destination(value) if type(value) is str else None
        point = (self._random if route.modulo else draw(self._random, _USE_WEIGHTS)) % sum(
            destination.weight for destination in destinations
        )
        for destination in destinations[:-1]:
            point -= destination.weight
            if point < 0:
                return destination
        return destinations[-1]

    @property
    def respond(self) -> Respond | None:
        """The answer to give instead of forwarding."""
        return self.route.respond

    @property
    def edits(self) -> Mapping[str, Any]:
        """Changes to the request, as `encode` takes them."""
        return apply(self.route.request_edits, self._view) if self.route.request_edits else {}

    @property
    def response_edits(self) -> Mapping[str, Any]:
        """Changes to the response, as `encode` takes them; values copied from a key are the request's."""
        return apply(self.route.response_edits, self._view) if self.route.response_edits else {}

    @property
    def mirrors(self) -> tuple[Destination, ...]:
        """Where copies go this time."""
        return tuple(
            mirror.destination
            for number, mirror in enumerate(self.route.mirrors)
            if self._share(mirror.share, _USE_MIRROR + number) and self._mirrored(mirror)
        )

    def _mirrored(self, mirror: Mirror) -> bool:
        return mirror.match.holds(self._view)

    @property
    def hash(self) -> int | None:
        """The hash given to `match`, or else the one the rule's hash policy gives; None where there is none."""
        if self._hash is not None or self.route.hash_policy is None:
            return self._hash
        return hash_of(self.route.hash_policy, self._view)

    @property
    def timeout(self) -> float | None:
        """Seconds to wait for the answer."""
        return self.route.timeout

    @property
    def retry(self) -> Retry | None:
        """When to try again."""
        return self.route.retry

    @property
    def delay(self) -> Delay | None:
        """The delay to inject this time."""
        found = self.route.fault.delay if self.route.fault else None
        return found if found is not None and self._share(found.share, _USE_DELAY) else None

    @property
    def abort(self) -> Abort | None:
        """The error to answer with this time, on purpose."""
        found = self.route.fault.abort if self.route.fault else None
        return found if found is not None and self._share(found.share, _USE_ABORT) else None

    @property
    def descriptors(self) -> tuple[tuple[str, str], ...]:
        """The entries to ask a rate-limit service about; empty where the rule has none or one has no value."""
        limit: RateLimit | None = self.route.rate_limit
        return descriptors_of(limit, self._view) if limit is not None else ()

    def to_dict(self) -> dict[str, Any]:
        """Everything decided, as plain values."""
        destination = self.destination
        return {
            "route": self.route.name,
            "index": self.index,
            "destination": None if destination is None else _plain(destination),
            "respond": None if self.respond is None else self.respond.reason,
            "edits": dict(self.edits),
            "response_edits": dict(self.response_edits),
            "mirrors": [_plain(mirror) for mirror in self.mirrors],
            "hash": self.hash,
            "timeout": self.timeout,
            "delay": None if self.delay is None else self.delay.seconds,
            "abort": None if self.abort is None else self.abort.status,
            "descriptors": [list(entry) for entry in self.descriptors],
        }


def _plain(destination: Destination) -> dict[str, Any]:
    return {"host": destination.host, "subset": destination.subset, "port": destination.port}


def descriptors_of(limit: RateLimit, view: View) -> tuple[tuple[str, str], ...]:
    """The entries of one limit for a message; empty where one of them has no value, as Envoy sends none then."""
    found: list[tuple[str, str]] = []
    for descriptor in limit.descriptors:
        if descriptor.source is None:
            found.append((descriptor.key, descriptor.value or ""))
            continue
        value = normalise(view.get(descriptor.source))
        if type(value) is tuple:
            value = value[0]
        if value is MISSING or value is OPAQUE:
            return ()
        found.append((descriptor.key, value if type(value) is str else str(value).lower()))
    return tuple(found)
