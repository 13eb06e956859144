"""Finding a message for which some conditions hold and others do not, or proving that there is none.

Conditions are taken apart into literals (one attribute condition, wanted or unwanted), branching where there is a
choice. Attributes are independent, so a set of literals is satisfiable if each attribute's are, by a missing value, a
text, an integer, a boolean or a tuple of texts. Texts are found among obvious candidates or else by automata.

Three answers: a message (checked against the specification before it is given), None, or `Undecided`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, product
from typing import Any, Final, TypeAlias

from .automata import Undecided, find_text
from .conditions import (
    ANY,
    FIRST,
    JOINED,
    All,
    AnyOf,
    Attribute,
    Condition,
    Fraction,
    HashThreshold,
    Not,
    Present,
    walk,
)
from .hashing import draw
from .predicates import Both, Cidr, Contains, Exact, Glob, OneOf, Predicate, Prefix, Range, Scalar, Suffix
from .text import INT64_MIN, ascii_lower
from .view import MISSING, Lens

__all__ = ["ALL_TYPES", "Requirement", "Solver", "Types", "Witness", "types_of"]

Requirement: TypeAlias = tuple[Condition, bool]
Literal: TypeAlias = tuple[Condition, bool]
Signed: TypeAlias = tuple[Predicate, bool]
Types: TypeAlias = frozenset[str]

ALL_TYPES: Final[Types] = frozenset({"str", "int", "bool", "tuple"})
_MOST_STEPS: Final = 20_000
_MOST_RANDOMS: Final = 4_096
_MOST_BRANCHES: Final = 256  # of predicates inside one element


@dataclass(frozen=True, slots=True)
class Witness:
    """A message as metadata, and the random number where the rules draw from one."""

    metadata: dict[str, Any]
    random: int | None = None


def types_of(vocabulary: Mapping[str, Any] | None, key: str) -> Types | None:
    """The types a vocabulary gives a key, all of them without one; None where it does not have the key.

    A vocabulary's keys may end in ``<name>`` or ``*``, and its values are types or their names.
    """
    if vocabulary is None:
        return frozenset({"str", "tuple"}) if key.startswith("header.") else ALL_TYPES
    if key in vocabulary:
        return _types(vocabulary[key])
    text_only: Types = frozenset({"str", "tuple"}) if key.startswith("header.") else ALL_TYPES
    for pattern, kind in vocabulary.items():
        head = pattern.partition("<")[0] if pattern.endswith(">") else pattern[:-1] if pattern.endswith("*") else None
        if head is not None and key.startswith(head) and len(key) > len(head):
            return _types(kind) & text_only
    return {"protocol": frozenset({"str"}), "kind": frozenset({"str"}), "side": frozenset({"str"}),
            "id": frozenset({"str", "int"}), "size": frozenset({"int"})}.get(key)  # fmt: skip


def _types(kind: Any) -> Types:
    """The types one entry of a vocabulary allows: a type, its name, several of them, or a record with a `type`."""
    if isinstance(kind, set | frozenset | list) or (isinstance(kind, tuple) and not hasattr(kind, "type")):
        return frozenset(chain.from_iterable(_types(one) for one in kind))
    kind = kind if isinstance(kind, type | str) else getattr(kind, "type", kind)
    name = kind.__name__ if isinstance(kind, type) else str(kind).partition("[")[0]
    return frozenset({name}) if name in ALL_TYPES else ALL_TYPES


def _holds(predicates: Iterable[Signed], value: Scalar) -> bool:
    return all(predicate.holds(value) is sign for predicate, sign in predicates)


def _split(predicates: list[Signed]) -> Iterator[list[Signed]]:
    """The same without `Both`: a wanted one is all its parts, an unwanted one is one branch for each."""
    options: list[list[list[Signed]]] = []
    for predicate, sign in predicates:
        if not isinstance(predicate, Both):
            options.append([[(predicate, sign)]])
        elif sign:
            options.append(list(_split([(part, True) for part in predicate.parts])))
        else:
            options.append([one for part in predicate.parts for one in _split([(part, False)])])
    for count, choice in enumerate(product(*options)):
        if count >= _MOST_BRANCHES:
            raise Undecided("too many alternatives inside one attribute")
        yield list(chain.from_iterable(choice))


def _candidates(wanted: list[Predicate]) -> Iterator[str]:
    """Texts worth trying before anything is proved."""
    head = max((one.text for one in wanted if isinstance(one, Prefix)), key=len, default="")
    tail = max((one.text for one in wanted if isinstance(one, Suffix)), key=len, default="")
    middle = "".join(one.text for one in wanted if isinstance(one, Contains))
    for one in wanted:
        if isinstance(one, Glob):
            yield one.pattern.replace("*", "").replace("?", "a")
        elif isinstance(one, Range):
            low = INT64_MIN if one.start is None else one.start
            yield from (str(number) for number in (max(low, 0), low, low + 1))
    for filler in ("", "a", "zz", "x1"):
        yield head + filler + middle + tail


def _text(predicates: list[Signed]) -> str | None:
    """A text for signed predicates without `Both`."""
    wanted = [predicate for predicate, sign in predicates if sign]
    for one in wanted:
        if isinstance(one, Exact | OneOf) and not one.ignore_case:
            values = (one.value,) if isinstance(one, Exact) else one.values
            return next((text for text in values if isinstance(text, str) and _holds(predicates, text)), None)
    for candidate in _candidates(wanted):
        if _holds(predicates, candidate):
            return candidate
    if any(isinstance(predicate, Cidr) for predicate, _ in predicates):
        return _address(predicates)
    return find_text(wanted, [predicate for predicate, sign in predicates if not sign])


def _address(predicates: list[Signed]) -> str | None:
    """A text where some predicates are networks: addresses at the borders of every network, and other texts."""
    import ipaddress

    cidrs = [(predicate, sign) for predicate, sign in predicates if isinstance(predicate, Cidr)]
    others = [(predicate, sign) for predicate, sign in predicates if not isinstance(predicate, Cidr)]
    for predicate, _ in cidrs:
        for network in predicate.networks:
            top = (1 << network.width) - 1
            for number in {network.base, network.last, max(network.base - 1, 0), min(network.last + 1, top)}:
                if network.width == 32:
                    texts = [str(ipaddress.IPv4Address(number)), f"::ffff:{ipaddress.IPv4Address(number)}"]
                else:
                    texts = [str(ipaddress.IPv6Address(number))]
                for spelled in texts:
                    if _holds(predicates, spelled):
                        return spelled
    if not any(sign for _, sign in cidrs):
        text = find_text([one for one, sign in others if sign], [one for one, sign in others if not sign])
        if text is None or _holds(predicates, text):
            return text
        raise Undecided("networks beside other patterns")
    if others:
        raise Undecided("networks beside other patterns")
    # Memberships change only at borders, and every border was tried, plain and mapped.
    return None


def _integer(predicates: list[Signed]) -> int | None:
    """An integer: truth changes only at exact values and bounds, so trying around them decides."""
    numbers = {0}
    for predicate, _ in predicates:
        for leaf in _leaves(predicate):
            if isinstance(leaf, Exact) and type(leaf.value) is int:
                numbers.add(leaf.value)
            elif isinstance(leaf, OneOf):
                numbers.update(value for value in leaf.values if type(value) is int)
            elif isinstance(leaf, Range):
                numbers.update(bound for bound in (leaf.start, leaf.end) if bound is not None)
    near = sorted(
        {number + step for number in numbers for step in (-1, 0, 1)}, key=lambda number: (abs(number), number)
    )
    return next((number for number in near if _holds(predicates, number)), None)


def _leaves(predicate: Predicate) -> Iterator[Predicate]:
    if isinstance(predicate, Both):
        for part in predicate.parts:
            yield from _leaves(part)
    else:
        yield predicate


class _Doubt:
    """Remembers that some way was not decided while others are still tried."""

    def __init__(self) -> None:
        self.reason: str | None = None

    def settle(self) -> None:
        if self.reason is not None:
            raise Undecided(self.reason)


def _element(predicates: list[Signed]) -> str | None:
    """A text for signed predicates."""
    doubt = _Doubt()
    for branch in _split(predicates):
        try:
            text = _text(branch)
        except Undecided as error:
            doubt.reason = str(error)
            continue
        if text is not None:
            return text
    doubt.settle()
    return None


def _tuple(literals: list[tuple[Attribute, bool]]) -> tuple[str, ...] | None:
    """A tuple of texts, where a single value will not do."""
    universal: list[Signed] = []
    first: list[Signed] = []
    some: list[Signed] = []
    for leaf, sign in literals:
        if leaf.quantifier == FIRST:
            first.append((leaf.predicate, sign))
        elif leaf.quantifier == JOINED:
            raise Undecided("a joined value beside its elements")
        elif (leaf.quantifier == ANY) is sign:
            some.append((leaf.predicate, sign))
        else:
            universal.append((leaf.predicate, sign))
    head = _element(universal + first)
    if head is None:
        return None
    found = [head]
    for one in some:
        text = _element([*universal, one])
        if text is None:
            return None
        found.append(text)
    return tuple(found)


def _value(literals: frozenset[Literal], types: Types) -> Any:
    """A value for the literals of one attribute (MISSING counts); None if there is none."""
    leaves = [(leaf, sign) for leaf, sign in literals if isinstance(leaf, Attribute)]
    hashes = [(leaf, sign) for leaf, sign in literals if isinstance(leaf, HashThreshold)]
    presence = {leaf.expected is sign for leaf, sign in literals if isinstance(leaf, Present)}
    needed = True in presence or any(sign for _, sign in (*leaves, *hashes))
    if not needed:
        return MISSING
    if False in presence:
        return None
    if hashes:
        return _hashed(leaves, hashes)
    predicates = [(leaf.predicate, sign) for leaf, sign in leaves]
    doubt = _Doubt()
    for kind in ("str", "int", "bool"):
        if kind not in types and not (kind == "str" and "tuple" in types):
            continue
        try:
            value = _scalar(kind, predicates)
        except Undecided as error:
            doubt.reason = str(error)
            continue
        if value is not None:
            return value if kind in types else (value,)
    if "tuple" in types and {leaf.quantifier for leaf, _ in leaves} not in ({JOINED}, {FIRST}):
        try:
            several = _tuple(leaves)
        except Undecided as error:
            doubt.reason = str(error)
        else:
            if several is not None:
                return several
    doubt.settle()
    return None


def _scalar(kind: str, predicates: list[Signed]) -> Scalar | None:
    if kind == "str":
        return _element(predicates)
    if kind == "int":
        return _integer(predicates)
    return next((value for value in (True, False) if _holds(predicates, value)), None)


def _hashed(leaves: list[tuple[Attribute, bool]], hashes: list[tuple[HashThreshold, bool]]) -> Any:
    """A text whose hash is as wanted: looked for among many, or among the few the predicates allow."""
    if any(sign and leaf.threshold >= leaf.modulo for leaf, sign in hashes):
        return None
    pool = [f"user{number}" for number in range(2048)]
    found = _element([(leaf.predicate, sign) for leaf, sign in leaves])
    if found is None:
        return None
    for text in (found, *pool, *(found + one for one in pool)):
        literals: tuple[tuple[Attribute | HashThreshold, bool], ...] = (*leaves, *hashes)
        views = {leaf.name: text for leaf, _ in literals}
        if all(leaf.holds(views) is sign for leaf, sign in literals):
            return text
    raise Undecided("a hash of a constrained value")


@dataclass(slots=True)
class Solver:
    """Answers for one vocabulary; remembers what it has worked out about attributes."""

    vocabulary: Mapping[str, Any] | None = None
    _known: dict[tuple[str, frozenset[Literal]], Any] = field(default_factory=dict)

    def solve(self, requirements: list[Requirement]) -> Witness | None:
        """A message for which each condition holds or not as required; None if there is none. Raises Undecided."""
        lens = _lens(requirements)
        folded = {
            ascii_lower(getattr(leaf, "key", ""))
            for leaf in walk(condition for condition, _ in requirements)
            if getattr(leaf, "fold", False)
        }
        doubt = _Doubt()
        stack: list[tuple[list[Requirement], dict[str, frozenset[Literal]]]] = [(list(requirements), {})]
        steps = 0
        while stack:
            steps += 1
            if steps > _MOST_STEPS:
                raise Undecided("too many combinations")
            pending, literals = stack.pop()
            choices: list[list[Requirement]] = []
            fits = self._expand(pending, literals, choices, folded, doubt)
            if not fits:
                continue
            if choices:
                choices.sort(key=len)
                rest = [(AnyOf(tuple(_positive(one) for one in choice)), True) for choice in choices[1:]]
                for one in reversed(choices[0]):
                    stack.append(([one, *rest], dict(literals)))
                continue
            try:
                witness = self._message(literals)
            except Undecided as error:
                doubt.reason = str(error)
                continue
            checked = _checked(requirements, witness, lens)
            if checked is not None:
                return checked
            doubt.reason = "a message was found that does not stand the test"
        doubt.settle()
        return None

    def _expand(
        self,
        pending: list[Requirement],
        literals: dict[str, frozenset[Literal]],
        choices: list[list[Requirement]],
        folded: set[str],
        doubt: _Doubt,
    ) -> bool:
        """Take conditions apart as far as there is no choice; False where they contradict each other."""
        while pending:
            condition, sign = pending.pop()
            match condition:
                case Not(part):
                    pending.append((part, not sign))
                case All(parts) | AnyOf(parts):
                    inner = [(part, sign) for part in parts]
                    if isinstance(condition, All) is sign or len(inner) == 1:
                        pending.extend(inner)
                    elif not inner:
                        return False
                    else:
                        choices.append(inner)
                case Fraction(numerator, denominator):
                    if (numerator <= 0) if sign else (numerator >= denominator):
                        return False
                    held = literals.get("\0", frozenset())
                    if (condition, not sign) in held:
                        return False
                    literals["\0"] = held | {(condition, sign)}
                case Attribute() | Present() | HashThreshold():
                    name = ascii_lower(condition.key) if ascii_lower(condition.key) in folded else condition.key
                    literals[name] = literals.get(name, frozenset()) | {(condition, sign)}
                    try:
                        if self._attribute(name, literals[name]) is None:
                            return False
                    except Undecided as error:
                        doubt.reason = str(error)
                        return False
        return True

    def _attribute(self, name: str, literals: frozenset[Literal]) -> Any:
        known = (name, literals)
        if known not in self._known:
            types = types_of(self.vocabulary, name) or ALL_TYPES
            self._known[known] = _value(literals, types)
        value = self._known[known]
        spellings = {(leaf.fold, "" if leaf.fold else leaf.key) for leaf, _ in literals}  # type: ignore[attr-defined]
        if value is None and len(spellings) > 1:
            # One key was looked for; two that differ in case, or one of another case, might still do.
            raise Undecided("one header under names of different case")
        return value

    def _message(self, literals: dict[str, frozenset[Literal]]) -> Witness:
        metadata: dict[str, Any] = {}
        for name, held in literals.items():
            if name == "\0":
                continue
            value = self._attribute(name, held)
            if value is not MISSING:
                exact = next((leaf.key for leaf, _ in held if not leaf.fold), name)  # type: ignore[attr-defined]
                metadata[exact] = value
        return Witness(metadata, 0 if "\0" in literals else None)


def _positive(requirement: Requirement) -> Condition:
    condition, sign = requirement
    return condition if sign else Not(condition)


def _lens(requirements: list[Requirement]) -> Lens:
    conditions = list(walk(condition for condition, _ in requirements))
    names = [name for name in (getattr(condition, "name", None) for condition in conditions) if name is not None]
    return Lens(names, any(isinstance(condition, Fraction) for condition in conditions))


def _checked(requirements: list[Requirement], witness: Witness, lens: Lens) -> Witness | None:
    """The witness, with a random number that fits, if the specification agrees; else None."""

    def stands(random: int) -> bool:
        view = lens.look(witness.metadata, random)
        return all(condition.holds(view) is sign for condition, sign in requirements)

    if witness.random is None:
        return witness if stands(0) else None
    for number in range(_MOST_RANDOMS):
        random = draw(number, 1)
        if stands(random):
            return Witness(witness.metadata, random)
    return None
