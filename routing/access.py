"""Which values a message must have for a rule to match: the rule's possible places in the index.

An *atom* is a necessary look of one attribute: key K is exactly "x", starts with "pay.", lies in [3, 10), is there at
all. A *cover* of a condition is a set of atoms of which at least one is true whenever the condition is. A rule filed
under every atom of one of its covers is found by every message it matches; whether it does match is then checked.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import inf
from typing import Any, Final, NamedTuple

from . import syntax
from .conditions import All, AnyOf, Attribute, Condition, HashThreshold, Present
from .predicates import Both, Cidr, Contains, Exact, Glob, OneOf, Predicate, Prefix, Range, Regex, Suffix
from .text import ascii_lower

__all__ = ["EXACT", "NETWORK", "PREFIX", "PRESENT", "RANGE", "SUFFIX", "Atom", "Cover", "covers"]

# Kinds of atoms, the most selective first: ties in rarity go to the lower one.
EXACT: Final = 0
PREFIX: Final = 1
SUFFIX: Final = 2
NETWORK: Final = 3
RANGE: Final = 4
PRESENT: Final = 5

_MOST_ATOMS = 4096  # of one cover: beyond, filing costs more than checking


class Atom(NamedTuple):
    """`folded`: the value is compared in lower case. `type` keeps 1, "1" and True apart."""

    kind: int
    name: str
    folded: bool
    value: Any
    type: Any = str


@dataclass(slots=True)
class Cover:
    """Atoms, and the part of the condition that one of them being true for a scalar has settled (None: no part)."""

    atoms: tuple[Atom, ...]
    settled: Condition | None


def _text_atoms(kind: int, name: str, text: str, fold: bool) -> tuple[Atom, ...]:
    if not text:
        return (Atom(PRESENT, name, False, None),)
    return (Atom(kind, name, fold, ascii_lower(text) if fold else text),)


def _predicate_atoms(name: str, predicate: Predicate) -> tuple[tuple[Atom, ...], bool]:
    """Atoms of one predicate, and whether one of them being true for a scalar means that the predicate holds."""
    present = (Atom(PRESENT, name, False, None),)
    match predicate:
        case Exact(value, ignore_case):
            fold = ignore_case and isinstance(value, str)
            return (Atom(EXACT, name, fold, ascii_lower(str(value)) if fold else value, type(value)),), True
        case OneOf(values, ignore_case):
            if not values or len(values) > _MOST_ATOMS:
                return present, False
            found = [_predicate_atoms(name, Exact(value, ignore_case))[0][0] for value in values]
            return tuple(dict.fromkeys(found)), True
        case Prefix(text, ignore_case):
            return _text_atoms(PREFIX, name, text, ignore_case), bool(text)
        case Suffix(text, ignore_case):
            return _text_atoms(SUFFIX, name, text, ignore_case), bool(text)
        case Contains():
            return present, False
        case Glob(_, ignore_case):
            return _glob_atoms(name, predicate.tokens(), ignore_case), False
        case Regex(pattern, encoding):
            return _regex_atoms(name, pattern, encoding) or present, False
        case Range(start, end):
            low = -inf if start is None else start  # metadata integers have no size limit
            high = inf if end is None else end
            return (Atom(RANGE, name, False, (low, high)),), True
        case Cidr(networks):
            return tuple(Atom(NETWORK, name, False, network) for network in networks), True
        case Both(parts):
            choices = [_predicate_atoms(name, part)[0] for part in parts]
            return min(choices, key=lambda atoms: (atoms[0].kind, len(atoms))), False
    return present, False


def _glob_atoms(name: str, tokens: list[str | None], fold: bool) -> tuple[Atom, ...]:
    head = 0
    while head < len(tokens) and tokens[head]:
        head += 1
    if head == len(tokens):
        text = "".join(token for token in tokens if token)
        return (Atom(EXACT, name, fold, text),)
    tail = len(tokens)
    while tokens[tail - 1]:
        tail -= 1
    before = "".join(token for token in tokens[:head] if token)
    after = "".join(token for token in tokens[tail:] if token)
    if before or not after:
        return _text_atoms(PREFIX, name, before, fold)
    return _text_atoms(SUFFIX, name, after, fold)


# A run of plain characters and escaped dots that nothing after it repeats, counts or makes optional.
_HEAD: Final = re.compile(r"(?:(?:[A-Za-z0-9_/:@-]|\\\.|\[\.\])(?![*?{+]))+")


def _regex_atoms(name: str, pattern: str, encoding: str) -> tuple[Atom, ...]:
    if "|" not in pattern and (head := _HEAD.match(pattern)) is not None and len(head[0]) >= 3:
        # Most rules begin like this, and taking the pattern apart costs thirty times as much as this look.
        return (Atom(PREFIX, name, False, head[0].replace("[.]", ".").replace("\\.", ".")),)
    try:
        literals = syntax.leading_literals(syntax.parse(pattern, encoding))
    except syntax.Unsupported:
        return ()
    if any(not literal.text and not literal.whole for literal in literals):
        return ()
    return tuple(Atom(EXACT if literal.whole else PREFIX, name, False, literal.text) for literal in literals)


def covers(condition: Condition) -> list[Cover]:
    """Every cover worth considering; none where the condition can hold without any value (a `Not`, say)."""
    match condition:
        case Present(_, expected, _):
            if expected:
                return [Cover((Atom(PRESENT, condition.name, False, None),), condition)]
        case HashThreshold():
            return [Cover((Atom(PRESENT, condition.name, False, None),), None)]
        case Attribute(_, predicate, _, _):
            atoms, settled = _predicate_atoms(condition.name, predicate)
            return [Cover(atoms, condition if settled else None)] if atoms else []
        case All(parts):
            return [cover for part in parts for cover in covers(part)]
        case AnyOf(parts):
            return _union(parts)
    return []


def _union(parts: tuple[Condition, ...]) -> list[Cover]:
    """One cover that takes the most selective cover of each part."""
    atoms: dict[Atom, None] = {}
    for part in parts:
        choices = covers(part)
        if not choices:
            return []
        best = min(choices, key=lambda cover: (max(atom.kind for atom in cover.atoms), len(cover.atoms)))
        atoms.update(dict.fromkeys(best.atoms))
    return [Cover(tuple(atoms), None)] if 0 < len(atoms) <= _MOST_ATOMS else []
