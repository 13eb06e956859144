"""Comparing two tables: what changed in the rules, and which messages go elsewhere because of it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from .analysis import outcome, reach
from .automata import Undecided
from .conditions import NEVER
from .loading import dump_route
from .rules import Route
from .solver import Requirement, Solver, Witness
from .table import RouteTable

__all__ = ["Difference", "diff"]

_MOST_TRIES: Final = 32
_MOST_PAIRS: Final = 2_000


@dataclass(frozen=True, slots=True)
class Difference:
    """One rule that differs.

    `kind`: added, removed, changed or moved. `fields` are those of a changed rule. `before` and `after` name the rules
    that take `witness` in the old and the new table (None: no rule does). Without a witness, `proven` says that no
    message is treated differently because of this rule; otherwise that could not be decided.
    """

    kind: str
    rule: str
    fields: tuple[str, ...] = ()
    witness: dict[str, Any] | None = None
    random: int | None = None
    before: str | None = None
    after: str | None = None
    proven: bool = True

    def to_dict(self) -> dict[str, Any]:
        """The difference as plain values."""
        return {
            "kind": self.kind,
            "rule": self.rule,
            "fields": list(self.fields),
            "witness": self.witness,
            "random": self.random,
            "before": self.before,
            "after": self.after,
            "proven": self.proven,
        }


def diff(old: RouteTable, new: RouteTable, vocabulary: Mapping[str, Any] | None = None) -> list[Difference]:
    """The rules that differ, by name, each with a message that is treated differently because of it if there is one."""
    solver = Solver(vocabulary)
    return [_judged(old, new, kind, name, fields, solver) for kind, name, fields in _changes(old, new)]


def _changes(old: RouteTable, new: RouteTable) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    before = {route.name: number for number, route in enumerate(old.routes)}
    after = {route.name: number for number, route in enumerate(new.routes)}
    for name in before:
        if name not in after:
            yield "removed", name, ()
    kept = [name for name in before if name in after]
    stayed = _in_order([after[name] for name in kept])
    for name, number in after.items():
        if name not in before:
            yield "added", name, ()
            continue
        was, now = dump_route(old.routes[before[name]]), dump_route(new.routes[number])
        fields = tuple(key for key in {**was, **now} if was.get(key) != now.get(key))
        if fields:
            yield "changed", name, fields
        if number not in stayed:
            yield "moved", name, ()


def _in_order(numbers: list[int]) -> set[int]:
    """A longest increasing subsequence: what is not in it has moved."""
    tails: list[int] = []
    ends: list[int] = []
    previous: list[int] = []
    for place, number in enumerate(numbers):
        at = bisect_left(tails, number)
        previous.append(ends[at - 1] if at else -1)
        tails[at : at + 1] = [number]
        ends[at : at + 1] = [place]
    found: set[int] = set()
    place = ends[-1] if ends else -1
    while place >= 0:
        found.add(numbers[place])
        place = previous[place]
    return found


def _judged(
    old: RouteTable, new: RouteTable, kind: str, name: str, fields: tuple[str, ...], solver: Solver
) -> Difference:
    proven = True
    for table, other in ((new, old), (old, new)):
        position = next((number for number, route in enumerate(table.routes) if route.name == name), None)
        if position is None:
            continue
        try:
            witness = _treated_differently(table, position, other, solver)
        except Undecided:
            proven = False
            continue
        if witness is not None:
            random = witness.random or 0
            before, after = old.match(witness.metadata, random), new.match(witness.metadata, random)
            return Difference(kind, name, fields, witness.metadata, witness.random,
                              None if before is None else before.route.name,
                              None if after is None else after.route.name)  # fmt: skip
    return Difference(kind, name, fields, proven=proven)


def _treated_differently(table: RouteTable, position: int, other: RouteTable, solver: Solver) -> Witness | None:
    """A message this rule takes and the other table does something else with; None if there is none."""
    wanted = outcome(table.routes[position])

    def differs(witness: Witness) -> bool:
        decision = other.match(witness.metadata, witness.random or 0)
        return bool(outcome(None if decision is None else decision.route) != wanted)

    # First the cheap way: leave out, one after the other, rules of the other table that do the same.
    avoided: list[Requirement] = []
    for _ in range(_MOST_TRIES):
        witness, _ = reach(table, position, solver, avoided)
        if witness is None:
            break
        if differs(witness):
            return witness
        decision = other.match(witness.metadata, witness.random or 0)
        avoided.append((decision.route.match if decision is not None else NEVER, False))
    # Then every rule of the other table that does something else, exactly.
    others: list[Route | None] = [*other.routes, None]
    if len(others) > _MOST_PAIRS:
        raise Undecided("too many rules to compare one by one")
    for number, route in enumerate(others):
        if outcome(route) == wanted:
            continue
        witness = _shared(table, position, other, number, solver)
        if witness is not None:
            return witness
    return None


def _shared(table: RouteTable, position: int, other: RouteTable, number: int, solver: Solver) -> Witness | None:
    """A message that lands on `position` here and on `number` there (past the end: on no rule)."""
    more: list[Requirement] = []
    if number < len(other.routes):
        more.append((other.routes[number].match, True))
    for _ in range(_MOST_PAIRS):
        witness, _ = reach(table, position, solver, more)
        if witness is None:
            return None
        decision = other.match(witness.metadata, witness.random or 0)
        if decision is None or decision.index >= number:
            return witness
        more.append((decision.route.match, False))
    raise Undecided("too many rules in the way")
