"""Rules that cannot work as they are written, each with a message that shows it.

The question behind most findings is exact: is there a message that this rule would take and no earlier rule does? The
answer is found by trying: take a message the rule wants, ask the compiled table who gets it; if it is an earlier rule,
look for a message that one does not want, and so on. Either a message reaches the rule, or what stands in its way is
proved to cover it. What cannot be decided is reported as undecided, never as fine.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final

from .automata import Undecided
from .conditions import DEFAULT, All, Attribute, Condition, Fraction, HashThreshold, Present, walk
from .loading import spell_attribute
from .predicates import Exact
from .rules import Route
from .solver import Requirement, Solver, Witness, types_of
from .text import ascii_lower

if TYPE_CHECKING:
    from .table import RouteTable

__all__ = ["KINDS", "Finding", "check", "outcome", "reach"]

KINDS: Final = {
    "unreachable": "earlier rules together take every message this rule wants",
    "shadowed": "one earlier rule takes every message this rule wants",
    "duplicate": "an earlier rule has the same match",
    "contradiction": "no message can satisfy the rule's own conditions",
    "impossible": "a predicate nothing can satisfy: an empty range, a regex that cannot match",
    "overlap": "two rules want some of the same messages, neither all of the other's, and send them elsewhere",
    "unknown_attribute": "an attribute the vocabulary does not have",
    "impossible_edit": "an edit the protocol cannot make",
    "unchosen_weight": "a destination, mirror or share nothing is ever sent to",
    "implicit_quantifier": "a rule that refuses by an attribute of several values and does not say any or every",
    "quirk": "the imported document means something else than it seems to say",
    "undecided": "a question that could not be decided",
}

_MOST_ROUNDS: Final = 256  # earlier rules taken into account for one rule
_MOST_PAIRS: Final = 50_000  # of rules looked at for overlaps
_TUPLES: Final = ("keys", "topics", "tls.alpn", "kafka.topic_ids")
_OWN: Final = ("protocol", "kind", "side", "id", "size")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found.

    `rule` names the rule, `others` the ones that stand in its way. `witness` is the metadata of a message that shows
    the finding, None where none can exist; `random` the number to give to `match` with it, None where any will do.
    """

    kind: str
    rule: str
    message: str
    others: tuple[str, ...] = ()
    witness: dict[str, Any] | None = None
    random: int | None = None

    def __str__(self) -> str:
        shown = "" if self.witness is None else f" (for example {self.witness})"
        return f"{self.kind}: {self.rule}: {self.message}{shown}"

    def to_dict(self) -> dict[str, Any]:
        """The finding as plain values."""
        return {
            "kind": self.kind,
            "rule": self.rule,
            "message": self.message,
            "others": list(self.others),
            "witness": self.witness,
            "random": self.random,
        }


def outcome(route: Route | None) -> Any:
    """What a rule does, apart from its name and match: equal outcomes make no difference to a message."""
    if route is None:
        return None
    return (
        route.destinations, route.destination_from, route.respond, route.mirrors, route.request_edits,
        route.response_edits, route.hash_policy, route.timeout, route.retry, route.fault, route.rate_limit,
        route.modulo,
    )  # fmt: skip


def reach(
    table: RouteTable, position: int, solver: Solver, more: Iterable[Requirement] = ()
) -> tuple[Witness | None, list[int]]:
    """A message that lands on this rule and meets `more`, or None and the earlier rules that together prevent it.

    Raises Undecided.
    """
    requirements: list[Requirement] = [(table.routes[position].match, True), *more]
    blockers: list[int] = []
    for _ in range(_MOST_ROUNDS):
        witness = solver.solve(requirements)
        if witness is None:
            return None, blockers
        decision = table.match(witness.metadata, witness.random or 0)
        if decision is None or decision.index >= position:
            return witness, blockers
        blockers.append(decision.index)
        requirements.append((table.routes[decision.index].match, False))
    raise Undecided(f"more than {_MOST_ROUNDS} earlier rules take part of its messages")


def _needed(table: RouteTable, position: int, blockers: list[int], solver: Solver) -> list[int]:
    """A smallest part of the blockers that still covers the rule: one of them if one alone does."""
    match = table.routes[position].match
    for blocker in blockers:
        if solver.solve([(match, True), (table.routes[blocker].match, False)]) is None:
            return [blocker]
    needed = list(blockers)
    for blocker in blockers if len(blockers) <= 16 else ():
        fewer = [other for other in needed if other != blocker]
        if solver.solve([(match, True), *((table.routes[other].match, False) for other in fewer)]) is None:
            needed = fewer
    return sorted(needed)


def _canonical(condition: Condition) -> Any:
    """Equal for conditions that differ only in the order and nesting of their conjuncts."""
    if isinstance(condition, All):
        parts: set[Any] = set()
        for part in condition.parts:
            inner = _canonical(part)
            parts |= inner if isinstance(inner, frozenset) else {inner}
        return next(iter(parts)) if len(parts) == 1 else frozenset(parts)
    return condition


class _Checker:
    def __init__(self, table: RouteTable, vocabulary: Mapping[str, Any] | None, edits: Iterable[str] | None) -> None:
        self.table = table
        self.vocabulary = vocabulary
        self.edits = None if edits is None else list(edits)
        self.solver = Solver(vocabulary)
        self.found: list[Finding] = list(table.notes)
        self.dead: set[int] = set()

    def add(
        self, kind: str, rule: Route, message: str, others: Iterable[int] = (), witness: Witness | None = None
    ) -> None:
        names = tuple(self.table.routes[other].name for other in others)
        metadata = None if witness is None else witness.metadata
        self.found.append(
            Finding(kind, rule.name, message, names, metadata, None if witness is None else witness.random)
        )

    def run(self) -> list[Finding]:
        seen: dict[Any, int] = {}
        for position, route in enumerate(self.table.routes):
            self.attributes(route)
            self.actions(route)
            impossible = self.impossible(route)
            same = seen.setdefault(_canonical(route.match), position)
            try:
                self.reachable(position, route, same, impossible)
            except Undecided as error:
                self.add("undecided", route, f"whether any message reaches it: {error}")
        self.overlaps()
        return self.found

    def reachable(self, position: int, route: Route, same: int, impossible: bool) -> None:
        witness, blockers = reach(self.table, position, self.solver)
        if witness is not None:
            return
        self.dead.add(position)
        if not blockers:
            if not impossible:
                self.add("contradiction", route, "its conditions exclude each other, so nothing can match")
            return
        example = self.solver.solve([(route.match, True)])
        if same < position and same not in self.dead:
            self.add("duplicate", route, f"matches exactly what '{self.table.routes[same].name}' before it does",
                     [same], example)  # fmt: skip
            return
        needed = _needed(self.table, position, blockers, self.solver)
        names = ", ".join(f"'{self.table.routes[other].name}'" for other in needed)
        if len(needed) == 1:
            self.add("shadowed", route, f"{names} before it takes all its messages", needed, example)
        else:
            self.add("unreachable", route, f"{names} before it together take all its messages", needed, example)

    # -- one rule by itself -------------------------------------------------------------------------------------------

    def attributes(self, route: Route) -> None:
        named: set[str] = set()
        for leaf in walk([route.match, *(mirror.match for mirror in route.mirrors)]):
            if isinstance(leaf, Attribute | Present | HashThreshold) and leaf.key not in named:
                named.add(leaf.key)
                self.known(route, leaf.key, "matches")
            if isinstance(leaf, Attribute):
                self.quantifier(route, leaf)
        for key in route.hash_policy.keys if route.hash_policy else ():
            self.known(route, key, "hashes")
        if route.destination_from is not None:
            self.known(route, route.destination_from, "takes its destination from")

    def known(self, route: Route, key: str, verb: str) -> None:
        vocabulary = self.vocabulary
        if vocabulary is None or types_of(vocabulary, key) is not None:
            return
        near = get_close_matches(key, [*vocabulary, *_OWN], 1)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        self.add("unknown_attribute", route, f"{verb} '{key}', which no message has{hint}")

    def quantifier(self, route: Route, leaf: Attribute) -> None:
        """A refusal that asks every value to fit is dodged by adding one that does not."""
        if route.respond is None or route.respond.reason == "answer" or leaf.quantifier != DEFAULT:
            return
        types = types_of(self.vocabulary, leaf.key)
        several = "tuple" in types if self.vocabulary is not None and types is not None else (
            leaf.key in _TUPLES or leaf.key.startswith("header.")
        )  # fmt: skip
        if not several:
            return
        try:
            inside = self.solver.solve([(leaf, True)])
            outside = self.solver.solve([(leaf, False), (Present(leaf.key, True, leaf.fold), True)])
        except Undecided:
            inside = outside = None
        witness = None
        if inside is not None and outside is not None:
            pair = tuple(
                value[0] if isinstance(value, tuple) else value
                for value in (inside.metadata[leaf.key], outside.metadata[leaf.key])
            )
            witness = Witness({leaf.key: pair}) if all(isinstance(value, str) for value in pair) else None
        self.add("implicit_quantifier", route,
                 f"refuses by '{leaf.key}', which may have several values, all of which must fit as it is written: "
                 f"say any or every", witness=witness)  # fmt: skip

    def impossible(self, route: Route) -> bool:
        found = False
        for leaf in walk([route.match]):
            if isinstance(leaf, Attribute) and not isinstance(leaf.predicate, Exact):
                try:
                    if self.solver.solve([(leaf, True)]) is None:
                        found = True
                        self.add("impossible", route, f"nothing satisfies {leaf.key}: {spell_attribute(leaf)}")
                except Undecided as error:
                    self.add("undecided", route, f"whether {leaf.key}: {spell_attribute(leaf)} can match: {error}")
            elif isinstance(leaf, Fraction) and leaf.numerator <= 0:
                self.add("unchosen_weight", route, "takes 0 % of its messages")
        return found

    def actions(self, route: Route) -> None:
        if len(route.destinations) > 1:
            for number, destination in enumerate(route.destinations):
                if destination.weight == 0:
                    self.add("unchosen_weight", route,
                             f"destinations[{number}] ({destination.host}) has weight 0")  # fmt: skip
        for number, mirror in enumerate(route.mirrors):
            if mirror.share.numerator <= 0:
                self.add("unchosen_weight", route, f"mirrors[{number}] ({mirror.destination.host}) gets 0 %")
        if self.edits is not None:
            for edit in (*route.request_edits, *route.response_edits):
                if not any(_covers(name, edit.key) for name in self.edits):
                    near = get_close_matches(edit.key, self.edits, 1)
                    hint = f"; did you mean '{near[0]}'?" if near else ""
                    self.add("impossible_edit", route, f"'{edit.key}' cannot be rewritten in this protocol{hint}")

    # -- pairs of rules -----------------------------------------------------------------------------------------------

    def overlaps(self) -> None:
        looked = 0
        for first, second in self.pairs():
            looked += 1
            if looked > _MOST_PAIRS:
                last = self.table.routes[second]
                self.add(
                    "undecided", last, f"overlaps beyond the first {_MOST_PAIRS} pairs of rules were not looked for"
                )
                return
            one, two = self.table.routes[first], self.table.routes[second]
            if outcome(one) == outcome(two):
                continue
            try:
                self.overlap(first, second)
            except Undecided as error:
                self.add("undecided", two, f"whether it overlaps '{one.name}': {error}", [first])

    def overlap(self, first: int, second: int) -> None:
        one, two = self.table.routes[first], self.table.routes[second]
        both = self.solver.solve([(one.match, True), (two.match, True)])
        if both is None:
            return
        # The specific before the general is how tables are written; only partial overlaps are worth a word.
        if self.solver.solve([(one.match, True), (two.match, False)]) is None:
            return
        self.add("overlap", two, f"'{one.name}' before it takes some of its messages and sends them elsewhere",
                 [first], both)  # fmt: skip

    def pairs(self) -> Iterator[tuple[int, int]]:
        """Pairs of live rules that are not told apart by one attribute's exact value."""
        keys: dict[str, int] = defaultdict(int)
        exacts: list[dict[str, Any]] = []
        for route in self.table.routes:
            exact = _exact_values(route.match)
            exacts.append(exact)
            for key in exact:
                keys[key] += 1
        best = max(keys, key=lambda key: keys[key], default=None)
        groups: dict[Any, list[int]] = defaultdict(list)
        for position, exact in enumerate(exacts):
            if position not in self.dead and self.table.routes[position].match != All(()):
                groups[exact.get(best, "\0any") if best is not None else "\0any"].append(position)
        free = groups.pop("\0any", [])
        for group in groups.values():
            for number, second in enumerate(group):
                for first in group[:number]:
                    yield first, second
                for other in free:
                    yield min(other, second), max(other, second)
        for number, second in enumerate(free):
            for first in free[:number]:
                yield first, second


def _exact_values(condition: Condition) -> dict[str, Any]:
    """Attributes every message of a rule has with one exact value, whatever else holds."""
    parts = condition.parts if isinstance(condition, All) else (condition,)
    return {
        part.name: (type(part.predicate.value), part.predicate.value)
        for part in parts
        if isinstance(part, Attribute)
        and isinstance(part.predicate, Exact)
        and not part.predicate.ignore_case
        and part.quantifier in (DEFAULT, "every")
        and not part.fold
    }


def _covers(pattern: str, key: str) -> bool:
    if pattern.endswith(("*", ">")):
        return key.startswith(pattern[:-1] if pattern.endswith("*") else pattern.partition("<")[0])
    return ascii_lower(pattern) == ascii_lower(key)


def check(
    table: RouteTable, vocabulary: Mapping[str, Any] | None = None, *, edits: Iterable[str] | None = None
) -> list[Finding]:
    """Everything found about a table, in rule order, imported quirks first.

    `vocabulary` maps metadata keys (``header.<name>`` and ``header.*`` are patterns) to their types, and makes messages
    of other types and keys impossible; without one, any key may have any type, headers text. `edits` names what the
    protocol can rewrite.
    """
    return _Checker(table, vocabulary, edits).run()
