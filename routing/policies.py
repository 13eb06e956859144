"""Policies that keep state between messages, with the clock as an argument: nothing here reads one.

`now` is any clock in seconds that does not go backwards (a monotonic clock, or a capture's time stamps); one that does
go backwards fills nothing and raises nothing. Objects are not thread-safe: each is one counter, held by one owner.
"""

from __future__ import annotations

from typing import Any

from .conditions import Fraction, walk
from .decision import descriptors_of
from .rules import GlobalRateLimit, LocalRateLimit, TokenBucket
from .table import DEFAULT_RANDOM
from .view import Lens

__all__ = ["Bucket", "GlobalLimiter", "LocalLimiter"]


class Bucket:
    """A token bucket that starts full and is filled in whole intervals, as Envoy's is."""

    __slots__ = ("_filled", "config", "tokens")

    def __init__(self, config: TokenBucket) -> None:
        self.config = config
        self.tokens = config.max_tokens
        self._filled: float | None = None

    def take(self, now: float) -> bool:
        """Take one token at this time; False where there is none."""
        if self._filled is None:
            self._filled = now
        intervals = int((now - self._filled) / self.config.fill_interval) if now > self._filled else 0
        if intervals:
            self._filled += intervals * self.config.fill_interval
            self.tokens = min(self.config.max_tokens, self.tokens + intervals * self.config.tokens_per_fill)
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


class LocalLimiter:
    """MetaRouter's `localRateLimit`: the first condition that matches names the bucket.

    A message no condition matches takes from the common bucket, or passes where there is none.
    """

    def __init__(self, config: LocalRateLimit) -> None:
        self.config = config
        self._common = None if config.bucket is None else Bucket(config.bucket)
        self._own = tuple((condition.match, Bucket(condition.bucket)) for condition in config.conditions)
        conditions = list(walk(condition.match for condition in config.conditions))
        names = [name for name in (getattr(condition, "name", None) for condition in conditions) if name is not None]
        self._lens = Lens(names, any(type(condition) is Fraction for condition in conditions))

    def allow(self, message: Any, now: float, random: int = DEFAULT_RANDOM) -> bool:
        """Whether the message may pass at this time; takes a token if so."""
        view = self._lens.look(message, random)
        for match, bucket in self._own:
            if match.holds(view):
                return bucket.take(now)
        return self._common is None or self._common.take(now)


class GlobalLimiter:
    """Which messages a rate-limit service is to be asked about."""

    def __init__(self, config: GlobalRateLimit) -> None:
        self.config = config
        conditions = list(walk([config.match]))
        names = [name for name in (getattr(condition, "name", None) for condition in conditions) if name is not None]
        names.extend(one.source for one in config.limit.descriptors if one.source is not None)
        self._lens = Lens(names, any(type(condition) is Fraction for condition in conditions))

    def descriptors(self, message: Any, random: int = DEFAULT_RANDOM) -> tuple[tuple[str, str], ...]:
        """The entries to send; empty where the service need not be asked."""
        view = self._lens.look(message, random)
        return descriptors_of(self.config.limit, view) if self.config.match.holds(view) else ()
