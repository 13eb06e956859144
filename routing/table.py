"""The compiled rule table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from .chain import ASK_INDEX, MOST_RULES, chain
from .conditions import Condition, Fraction, walk
from .decision import Decision
from .errors import Problems
from .index import NOTHING, build, entry_of
from .loading import dump_table_parts
from .reading import DEEPEST, MOST_CONDITIONS
from .rules import GlobalRateLimit, LocalRateLimit, Route
from .view import Lens

if TYPE_CHECKING:
    from .analysis import Finding
    from .explain import Explanation

__all__ = ["DEFAULT_RANDOM", "RouteTable"]

DEFAULT_RANDOM = 0x9E3779B97F4A7C15


def _names(routes: Iterable[Route]) -> tuple[set[str], bool]:
    """Every lookup name the rules use, and whether a match draws from the random number."""
    names: set[str] = set()
    random = False
    for route in routes:
        for root in (route.match, *(mirror.match for mirror in route.mirrors)):
            for condition in walk([root]):
                name = getattr(condition, "name", None)
                if name is not None:
                    names.add(name)
                elif type(condition) is Fraction:
                    random = True
        if route.destination_from is not None:
            names.add(route.destination_from)
        if route.hash_policy is not None:
            names.update(route.hash_policy.keys)
        if route.rate_limit is not None:
            names.update(one.source for one in route.rate_limit.descriptors if one.source is not None)
        for edit in (*route.request_edits, *route.response_edits):
            names.add(edit.key)
            names.add(getattr(edit.change, "key", edit.key))
    return names, random


def _depth(condition: Condition) -> tuple[int, int]:
    """How deep and how large a tree is, without recursion and no further than the limits."""
    level, deep, count = [condition], 0, 0
    while level and deep <= DEEPEST + 1 and count <= MOST_CONDITIONS:
        count += len(level)
        level = [child for parent in level for child in parent.children()]
        deep += 1
    return deep, count


def _check(routes: tuple[Route, ...]) -> None:
    """What a document's reader makes sure of, for rules built in Python."""
    problems = Problems()
    seen: dict[str, int] = {}
    for number, route in enumerate(routes):
        path = f"routes[{number}]"
        deep, count = _depth(route.match)
        if deep > DEEPEST + 1:
            problems.add(f"{path}.match", f"is nested more than {DEEPEST} deep", "write it flatter")
        if count > MOST_CONDITIONS:
            problems.add(f"{path}.match", f"has more than {MOST_CONDITIONS} conditions", "split the rule")
        if route.name in seen:
            problems.add(f"{path}.name", f"'{route.name}' is also the name of routes[{seen[route.name]}]",
                         "give each rule its own")  # fmt: skip
        seen.setdefault(route.name, number)
        ways = bool(route.destinations), route.destination_from is not None, route.respond is not None
        if sum(ways) != 1:
            problems.add(path, "needs exactly one of destinations, destination_from, respond", "give one of them")
        if route.destinations and sum(destination.weight for destination in route.destinations) <= 0:
            problems.add(f"{path}.destinations", "the weights add up to 0", "give one of them a weight")
    problems.raise_if_any()


class RouteTable:
    """Rules in order, compiled; the first that matches a message wins.

    Made by `load`, or from `Route` objects. A table never changes: `replace` gives a new one that shares all it can.
    Raises ConfigError for rules that cannot work.

    `origin` is what a dialect keeps for writing the document back (hosts, names); `notes` are findings made while
    importing, which `check` repeats.
    """

    __slots__ = ("_chain", "_index", "_lens", "global_rate_limit", "local_rate_limit", "notes", "origin", "routes")

    def __init__(
        self,
        routes: Iterable[Route],
        *,
        local_rate_limit: LocalRateLimit | None = None,
        global_rate_limit: GlobalRateLimit | None = None,
        origin: Mapping[str, Any] | None = None,
        notes: Iterable[Finding] = (),
    ) -> None:
        self.routes = tuple(routes)
        _check(self.routes)
        self.local_rate_limit = local_rate_limit
        self.global_rate_limit = global_rate_limit
        self.origin: Mapping[str, Any] = origin or {}
        self.notes = tuple(notes)
        names, random = _names(self.routes)
        self._lens = Lens(names, random)
        self._index = build(entry_of(position, route.match) for position, route in enumerate(self.routes))
        self._chain = chain((route.match for route in self.routes), NOTHING) if len(self) <= MOST_RULES else None

    def __len__(self) -> int:
        return len(self.routes)

    def __repr__(self) -> str:
        return f"<RouteTable of {len(self.routes)} routes>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RouteTable):
            return NotImplemented
        return (
            self.routes == other.routes
            and self.local_rate_limit == other.local_rate_limit
            and self.global_rate_limit == other.global_rate_limit
            and self.origin == other.origin
        )

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple[Any, ...]:  # compiled functions do not pickle; the rules do
        return (_rebuilt, (self.routes, self.local_rate_limit, self.global_rate_limit, self.origin, self.notes))

    def match(
        self,
        message: Any,
        random: int = DEFAULT_RANDOM,
        hash: int | None = None,
    ) -> Decision | None:
        """Decide on a message, or on a plain mapping of metadata; None where no rule matches.

        `random` is a 64-bit integer all random choices follow from; `hash` stands in for the one a hash policy would
        compute. Never raises, whatever the values in the metadata are.
        """
        lens = self._lens
        view = message if lens.plain and type(message) is dict else lens.look(message, random)
        position = ASK_INDEX if self._chain is None else self._chain(view)
        if position == ASK_INDEX:
            position = self._index.search(view, NOTHING, False)
        if position == NOTHING:
            return None
        return Decision(self.routes[position], position, view, random, hash)

    def match_linear(
        self,
        message: Any,
        random: int = DEFAULT_RANDOM,
        hash: int | None = None,
    ) -> Decision | None:
        """The specification `match` must equal: every rule in order, each condition as its class says."""
        view = self._lens.look(message, random)
        for position, route in enumerate(self.routes):
            if route.match.holds(view):
                return Decision(route, position, view, random, hash)
        return None

    def explain(self, message: Any, random: int = DEFAULT_RANDOM) -> Explanation:
        """Say for every rule why it did or did not match, with the values seen."""
        from .explain import explain  # the analysis modules are not needed for matching

        return explain(self.routes, self._lens.look(message, random))

    def check(self, vocabulary: Mapping[str, Any] | None = None, *, edits: Any = None) -> list[Finding]:
        """Find rules that cannot work as they are written; see `analysis.check`."""
        from .analysis import check

        return check(self, vocabulary, edits=edits)

    def replace(self, which: str | int, route: Route) -> RouteTable:
        """A table with one rule, named or by position, exchanged; the rest of the index is shared, not rebuilt.

        Raises KeyError or IndexError where there is no such rule, ConfigError where the new one is wrong.
        """
        position = self.position(which) if isinstance(which, str) else range(len(self.routes))[which]
        old = self.routes[position]
        if route.name != old.name and any(other.name == route.name for other in self.routes):
            problems = Problems()
            problems.add("name", f"'{route.name}' is also the name of another rule", "give each rule its own")
            problems.raise_if_any()
        _check((route,))
        twin = RouteTable.__new__(RouteTable)
        twin.routes = (*self.routes[:position], route, *self.routes[position + 1 :])
        twin.local_rate_limit, twin.global_rate_limit = self.local_rate_limit, self.global_rate_limit
        twin.origin, twin.notes = self.origin, self.notes
        twin._lens = self._lens.widened(*_names((route,)))
        twin._chain = chain((one.match for one in twin.routes), NOTHING) if len(twin) <= MOST_RULES else None
        twin._index = self._index.replaced(position, old.match, entry_of(position, route.match))
        return twin

    def position(self, name: str) -> int:
        """Where the rule of this name stands; KeyError if there is none."""
        for position, route in enumerate(self.routes):
            if route.name == name:
                return position
        raise KeyError(name)

    def to_dict(self) -> dict[str, Any]:
        """The table in our own shape, as `load` reads it."""
        fields = dump_table_parts(self.routes, self.local_rate_limit, self.global_rate_limit)
        return {**fields, "origin": dict(self.origin)} if self.origin else fields

    def matches_rule(self, position: int, message: Any, random: int = DEFAULT_RANDOM) -> bool:
        """Whether the rule at this position would take the message if it stood alone."""
        return self.routes[position].match.holds(self._lens.look(message, random))


def _rebuilt(
    routes: tuple[Route, ...],
    local: LocalRateLimit | None,
    remote: GlobalRateLimit | None,
    origin: Mapping[str, Any],
    notes: tuple[Finding, ...],
) -> RouteTable:
    return RouteTable(routes, local_rate_limit=local, global_rate_limit=remote, origin=origin, notes=notes)
