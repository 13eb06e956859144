"""When a rule matches: conditions over a view of one message.

`holds` of each node is the specification of matching and the oracle the compiled table is tested against: read it to
know what a rule means.

A missing attribute (an empty tuple counts as missing) fails every attribute condition but ``present: false``; under
`Not` it is the inner condition that fails, so `Not` holds. Every way another system answers otherwise is built from
these nodes, not from hidden modes: Envoy's inverted header, say, is ``All(Present(k), Not(Attribute(k, …, "any")))``.
"""
# ruff: noqa: D102 - what an override means is said where the method is introduced

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from .hashing import draw, fast_xxh64
from .predicates import Predicate
from .text import to_bytes
from .view import MISSING, OPAQUE, RANDOM, View, lookup_name, normalise

__all__ = [
    "ALWAYS", "ANY", "DEFAULT", "EVERY", "FIRST", "JOINED", "NEVER", "All", "AnyOf", "Attribute", "Condition",
    "Fraction", "HashThreshold", "Not", "Present", "Test", "walk",
]  # fmt: skip

Test: TypeAlias = Callable[[View], bool]

DEFAULT: Final = ""  # what a rule that says nothing means: every; kept apart so that `check` can ask for a decision
EVERY: Final = "every"
ANY: Final = "any"
FIRST: Final = "first"
JOINED: Final = "joined"


class Condition:
    """A node of a rule's match tree: immutable, hashable, comparable."""

    __slots__ = ()

    def holds(self, view: View) -> bool:
        """Whether the message satisfies it: the specification."""
        raise NotImplementedError

    def test(self) -> Test:
        """The same as one function, built for speed."""
        raise NotImplementedError

    def children(self) -> tuple[Condition, ...]:
        """The conditions directly inside."""
        return ()


@dataclass(frozen=True, slots=True)
class All(Condition):
    """Every part holds; an empty one always does."""

    parts: tuple[Condition, ...] = ()

    def holds(self, view: View) -> bool:
        return all(part.holds(view) for part in self.parts)

    def test(self) -> Test:
        tests = tuple(part.test() for part in self.parts)
        if len(tests) == 1:
            return tests[0]
        if len(tests) == 2:
            first, second = tests
            return lambda view: first(view) and second(view)

        def every(view: View) -> bool:
            for test in tests:  # noqa: SIM110 - a generator costs as much as two of these tests
                if not test(view):
                    return False
            return True

        return every

    def children(self) -> tuple[Condition, ...]:
        return self.parts


@dataclass(frozen=True, slots=True)
class AnyOf(Condition):
    """At least one part holds; an empty one never does."""

    parts: tuple[Condition, ...]

    def holds(self, view: View) -> bool:
        return any(part.holds(view) for part in self.parts)

    def test(self) -> Test:
        tests = tuple(part.test() for part in self.parts)

        def some(view: View) -> bool:
            for test in tests:  # noqa: SIM110 - as above
                if test(view):
                    return True
            return False

        return some

    def children(self) -> tuple[Condition, ...]:
        return self.parts


@dataclass(frozen=True, slots=True)
class Not(Condition):
    """The part does not hold."""

    part: Condition

    def holds(self, view: View) -> bool:
        return not self.part.holds(view)

    def test(self) -> Test:
        inner = self.part.test()
        return lambda view: not inner(view)

    def children(self) -> tuple[Condition, ...]:
        return (self.part,)


ALWAYS: Final = All(())
NEVER: Final = Not(ALWAYS)


@dataclass(frozen=True, slots=True)
class Present(Condition):
    """The attribute has a value, or (`expected` False) has none. `fold`: any ASCII case of the key will do."""

    key: str
    expected: bool = True
    fold: bool = False

    @property
    def name(self) -> str:
        """The lookup name in a view."""
        return lookup_name(self.key, self.fold, False)

    def holds(self, view: View) -> bool:
        return (normalise(view.get(self.name)) is not MISSING) is self.expected

    def test(self) -> Test:
        name, expected = self.name, self.expected

        def present(view: View) -> bool:
            value = view.get(name)
            return (type(value) is str or normalise(value) is not MISSING) is expected

        return present


@dataclass(frozen=True, slots=True)
class Attribute(Condition):
    """A predicate on the value or values under one key.

    `quantifier`: EVERY (DEFAULT means the same) or ANY element of a tuple, its FIRST, or the string JOINED from all of
    them with commas, as Envoy's matcher API does. A scalar is a tuple of one. A missing value fails them all.
    """

    key: str
    predicate: Predicate
    quantifier: str = DEFAULT
    fold: bool = False

    @property
    def name(self) -> str:
        """The lookup name in a view."""
        return lookup_name(self.key, self.fold, self.quantifier == JOINED)

    def holds(self, view: View) -> bool:
        return self.value_holds(normalise(view.get(self.name)))

    def value_holds(self, value: Any) -> bool:
        """The same for a normalised value."""
        if value is MISSING:
            return False
        elements = value if type(value) is tuple else (value,)
        answers = (element is not OPAQUE and self.predicate.holds(element) for element in elements)
        if self.quantifier == ANY:
            return any(answers)
        if self.quantifier == FIRST:
            return next(answers)
        return all(answers)

    def test(self) -> Test:
        name, on_text, on_value = self.name, self.predicate.text_test(), self.value_holds

        def holds(view: View) -> bool:
            value = view.get(name)
            if type(value) is str:
                return on_text(value)
            return value is not None and on_value(normalise(value))

        return holds


@dataclass(frozen=True, slots=True)
class Fraction(Condition):
    """`numerator` of `denominator` messages, by the caller's random number.

    Each `use` (an integer) draws a value of its own from it; None takes ``random % denominator`` itself, as Envoy's
    runtime fractions do.
    """

    numerator: int
    denominator: int = 100
    use: int | None = 0

    def selects(self, random: int) -> bool:
        """Whether this random number falls into the fraction."""
        value = random if self.use is None else draw(random, self.use)
        return value % self.denominator < self.numerator

    def holds(self, view: View) -> bool:
        return self.selects(view[RANDOM])

    def test(self) -> Test:
        return self.holds


@dataclass(frozen=True, slots=True)
class HashThreshold(Condition):
    """``XXH64(value, seed) % modulo >= threshold``: the same key always gets the same answer.

    A repeated value is hashed as it is joined with commas; a missing one fails. Integers hash as their decimal text.
    """

    key: str
    modulo: int
    threshold: int
    seed: int = 0
    fold: bool = False

    @property
    def name(self) -> str:
        """The lookup name in a view."""
        return lookup_name(self.key, self.fold, True)

    def holds(self, view: View) -> bool:
        value = normalise(view.get(self.name))
        if value is MISSING or value is OPAQUE or type(value) is bool:
            return False
        try:
            text = str(value)
        except ValueError:  # an integer of more digits than Python prints
            return False
        return fast_xxh64(to_bytes(text), self.seed) % self.modulo >= self.threshold

    def test(self) -> Test:
        return self.holds


def walk(roots: Iterable[Condition]) -> Iterator[Condition]:
    """Every condition in these trees, without recursion."""
    pending = list(roots)
    while pending:
        condition = pending.pop()
        yield condition
        pending.extend(condition.children())
