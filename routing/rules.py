"""A rule as data: what it matches and what happens then.

Everything here is immutable and comparable, and holds no compiled state: `table.RouteTable` compiles, `loading` reads
and writes. Times are in seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from .conditions import ALWAYS, Condition
from .edits import Edit

__all__ = [
    "Abort",
    "Delay",
    "Descriptor",
    "Destination",
    "Fault",
    "GlobalRateLimit",
    "HashPolicy",
    "LimitCondition",
    "LocalRateLimit",
    "Mirror",
    "RateLimit",
    "Respond",
    "Retry",
    "Route",
    "Share",
    "TokenBucket",
    "freeze_labels",
]

MILLION: Final = 1_000_000
Labels: TypeAlias = tuple[tuple[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Share:
    """`numerator` in `denominator` of the messages a rule took; the default is all of them."""

    numerator: int = 100
    denominator: int = 100

    def selects(self, value: int) -> bool:
        """Whether a drawn 64-bit value falls into it."""
        return value % self.denominator < self.numerator


@dataclass(frozen=True, slots=True)
class Destination:
    """Where to send: for Envoy dialects `host` is the cluster's name.

    `labels` are what endpoints must carry (Envoy's `metadata_match`), as sorted pairs of name and plain value.
    """

    host: str
    subset: str | None = None
    port: int | None = None
    weight: int = 1
    labels: Labels = ()


@dataclass(frozen=True, slots=True)
class Mirror:
    """A copy to another place for a share of the messages that also satisfy `match`; answers to it are dropped."""

    destination: Destination
    share: Share = Share()
    match: Condition = ALWAYS


@dataclass(frozen=True, slots=True)
class HashPolicy:
    """Which keys consistent routing hashes, in order.

    `combine` is ``"rotate"`` (Envoy HTTP: repeated values sorted and chained, keys joined by ``rotl(h, 1) ^ next``,
    missing keys skipped, no hash where all are missing) or ``"sorted"`` (MetaProtocol: all values together, missing
    ones as empty text, sorted and chained, so that their order is lost). After a key of `terminal` that gave a hash,
    the rest is not looked at.
    """

    keys: tuple[str, ...]
    combine: str = "rotate"
    terminal: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Retry:
    """How often to try again after which outcomes; None leaves the number to the caller."""

    attempts: int | None = None
    per_try_timeout: float | None = None
    on: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Delay:
    """Wait `seconds` before forwarding a share of the messages."""

    seconds: float
    share: Share = Share()


@dataclass(frozen=True, slots=True)
class Abort:
    """Answer a share of the messages with an error instead of forwarding them."""

    status: int | str
    share: Share = Share()


@dataclass(frozen=True, slots=True)
class Fault:
    """Failures made on purpose."""

    delay: Delay | None = None
    abort: Abort | None = None


@dataclass(frozen=True, slots=True)
class Respond:
    """Answer without forwarding.

    `reason` is the word a codec's `reply` takes: ``denied``, ``no_route``, ``over_limit``, ``timeout``,
    ``no_healthy_upstream``, or ``answer`` for an ordinary answer with `text`.
    """

    reason: str
    text: str | None = None
    status: int | None = None


@dataclass(frozen=True, slots=True)
class Descriptor:
    """One entry of a rate-limit descriptor: a fixed `value`, or what stands under the metadata key `source`."""

    key: str
    value: str | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True)
class RateLimit:
    """Descriptors for a rate-limit service; one whose source is missing gives no descriptor at all, as in Envoy."""

    descriptors: tuple[Descriptor, ...]
    domain: str | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """One rule. Exactly one of `destinations`, `destination_from` and `respond` says what happens.

    `destination_from` names the metadata key whose (first) value is the host; a message without it gets a Decision
    without a destination. `modulo` says how weights are drawn: ``random % sum`` of the caller's number itself, as
    Envoy does, instead of a value derived for this use.
    """

    name: str
    match: Condition = ALWAYS
    destinations: tuple[Destination, ...] = ()
    destination_from: str | None = None
    respond: Respond | None = None
    mirrors: tuple[Mirror, ...] = ()
    request_edits: tuple[Edit, ...] = ()
    response_edits: tuple[Edit, ...] = ()
    hash_policy: HashPolicy | None = None
    timeout: float | None = None
    retry: Retry | None = None
    fault: Fault | None = None
    rate_limit: RateLimit | None = None
    modulo: bool = False


@dataclass(frozen=True, slots=True)
class TokenBucket:
    """At most `max_tokens`, of which `tokens_per_fill` come back every `fill_interval` seconds."""

    max_tokens: int
    fill_interval: float
    tokens_per_fill: int = 1


@dataclass(frozen=True, slots=True)
class LimitCondition:
    """A bucket of its own for the messages that satisfy `match`."""

    match: Condition
    bucket: TokenBucket


@dataclass(frozen=True, slots=True)
class LocalRateLimit:
    """The first condition that matches names the bucket; else the bucket of all others, if there is one."""

    bucket: TokenBucket | None = None
    conditions: tuple[LimitCondition, ...] = ()


@dataclass(frozen=True, slots=True)
class GlobalRateLimit:
    """Which messages a rate-limit service is asked about, and with which descriptors."""

    match: Condition
    limit: RateLimit
    service: str
    timeout: float | None = None
    deny_on_fail: bool = False


def freeze_labels(labels: Mapping[str, Any]) -> Labels:
    """Labels in the form `Destination` keeps."""
    return tuple(sorted(labels.items()))
