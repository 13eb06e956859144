"""Why each rule did or did not match one message."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from .conditions import All, AnyOf, Attribute, Condition, Fraction, HashThreshold, Not, Present, walk
from .loading import dump_condition, spell_attribute
from .rules import Route
from .view import MISSING, OPAQUE, RANDOM, View, normalise

__all__ = ["Explanation", "Failure", "RuleExplanation", "explain"]


@dataclass(frozen=True, slots=True)
class Failure:
    """One condition that did not hold: where it stands in the rule, what it asks, and the value seen.

    `seen` is None where the attribute was missing; for a `not`, it is a mapping of what the inner condition looked at.
    """

    path: str
    predicate: dict[str, Any]
    seen: Any

    def __str__(self) -> str:
        seen = "missing" if self.seen is None else repr(self.seen)
        return f"{self.path}: {self.predicate} does not hold for {seen}"


@dataclass(frozen=True, slots=True)
class RuleExplanation:
    """One rule's answer; `failed` is empty where it matched."""

    index: int
    name: str
    matched: bool
    failed: tuple[Failure, ...] = ()


@dataclass(frozen=True, slots=True)
class Explanation:
    """`winner` is the name of the first rule that matched, or None."""

    winner: str | None
    rules: tuple[RuleExplanation, ...] = field(default=())

    def __str__(self) -> str:
        lines: list[str] = []
        for rule in self.rules:
            mark = "✓" if rule.matched else "✗"
            won = "  ← takes it" if rule.name == self.winner else ""
            lines.append(f"{mark} {rule.index}. {rule.name}{won}")
            lines.extend(f"    {failure}" for failure in rule.failed)
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """The explanation as plain values."""
        return {
            "winner": self.winner,
            "rules": [
                {
                    "index": rule.index,
                    "name": rule.name,
                    "matched": rule.matched,
                    "failed": [
                        {"path": failure.path, "predicate": failure.predicate, "seen": failure.seen}
                        for failure in rule.failed
                    ],
                }
                for rule in self.rules
            ],
        }


def explain(routes: Iterable[Route], view: View) -> Explanation:
    """Evaluate every rule as the specification does, keeping what failed."""
    rules: list[RuleExplanation] = []
    winner: str | None = None
    for index, route in enumerate(routes):
        failed = tuple(_failures(route.match, view, "match"))
        if not failed and winner is None:
            winner = route.name
        rules.append(RuleExplanation(index, route.name, not failed, failed))
    return Explanation(winner, tuple(rules))


def _seen(name: str, view: View) -> Any:
    value = normalise(view.get(name))
    if value is MISSING:
        return None
    if value is OPAQUE:
        return f"<{type(view.get(name)).__name__}>"
    return tuple("<opaque>" if one is OPAQUE else one for one in value) if type(value) is tuple else value


def _failures(condition: Condition, view: View, path: str) -> list[Failure]:
    """What did not hold; an empty list exactly where the condition holds."""
    match condition:
        case All(parts):
            many = sum(not isinstance(part, Attribute | Present) for part in parts) > 1
            return [
                failure
                for number, part in enumerate(parts)
                for failure in _failures(part, view, f"{path}.all_of[{number}]" if many and _nested(part) else path)
            ]
        case AnyOf(parts):
            found: list[Failure] = []
            for number, part in enumerate(parts):
                failed = _failures(part, view, f"{path}.any_of[{number}]")
                if not failed:
                    return []
                found.extend(failed)
            return found or [Failure(f"{path}.any_of", {"any_of": []}, None)]
        case Not(part):
            if not part.holds(view):
                return []
            names = {getattr(inner, "key", ""): getattr(inner, "name", None) for inner in walk([part])}
            seen = {key: _seen(name, view) for key, name in names.items() if name is not None}
            return [Failure(f"{path}.not", {"not": dump_condition(part)}, seen)]
    if condition.holds(view):
        return []
    match condition:
        case Attribute(key) | Present(key):
            return [Failure(f"{path}.attributes.{key}", spell_attribute(condition), _seen(condition.name, view))]
        case Fraction():
            return [Failure(f"{path}.fraction", dump_condition(condition), view.get(RANDOM))]
        case HashThreshold():
            return [Failure(f"{path}.consistent_hash", dump_condition(condition), _seen(condition.name, view))]
    return [Failure(path, dump_condition(condition), None)]


def _nested(condition: Condition) -> bool:
    return not isinstance(condition, Attribute | Present)
