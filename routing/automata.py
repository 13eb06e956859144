"""Finding a text that some patterns match and others do not, or proving that there is none.

Every string predicate is a regular language. Each becomes a nondeterministic automaton; their product is explored
breadth first, subsets built on the way, so the first text found is a shortest one. Exploration is bounded: past the
bound the answer is `Undecided`, never a guess.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence as Sequenced
from itertools import pairwise
from typing import Final, TypeAlias

from .predicates import Both, Cidr, Contains, Exact, Glob, OneOf, Predicate, Prefix, Range, Regex, Suffix
from .regex import LATIN1
from .syntax import Alternatives, Anchor, Chars, Node, Repeat, Sequence, Unsupported, parse, union
from .text import INT64_MAX, INT64_MIN, to_bytes, to_text

__all__ = ["Undecided", "find_text"]

_MOST_STATES: Final = 4_000  # of one automaton
_MOST_SUBSETS: Final = 2_000  # of the product
Ranges: TypeAlias = tuple[tuple[int, int], ...]

# What a metadata string may hold: code points, and the escapes of undecodable bytes.
_TEXT: Final[Ranges] = ((0, 0xD7FF), (0xDC80, 0xDCFF), (0xE000, 0x10FFFF))
_BYTES: Final[Ranges] = ((0, 0xFF),)
_PREFERRED: Final = "axm0A-._ !"


class Undecided(Exception):
    """Too large to decide, or outside what is modelled; never leaves `routing`."""


class _Automaton:
    """Thompson's construction; state 0 is the start, `accept` the only end."""

    def __init__(self, node: Node) -> None:
        self.free: list[list[int]] = [[]]
        self.at_start: list[list[int]] = [[]]
        self.at_end: list[list[int]] = [[]]
        self.edges: list[list[tuple[Ranges, int]]] = [[]]
        self.accept = self._build(node, 0)

    def _state(self) -> int:
        if len(self.free) >= _MOST_STATES:
            raise Undecided("a pattern has too many states")
        for table in (self.free, self.at_start, self.at_end):
            table.append([])
        self.edges.append([])
        return len(self.free) - 1

    def _build(self, node: Node, start: int) -> int:
        """Add the automaton of `node` behind `start`; the state it ends in."""
        match node:
            case Chars(ranges):
                end = self._state()
                self.edges[start].append((ranges, end))
                return end
            case Anchor(at_start):
                end = self._state()
                (self.at_start if at_start else self.at_end)[start].append(end)
                return end
            case Sequence(parts):
                for part in parts:
                    start = self._build(part, start)
                return start
            case Alternatives(parts):
                end = self._state()
                for part in parts:
                    branch = self._state()
                    self.free[start].append(branch)
                    self.free[self._build(part, branch)].append(end)
                return end
            case Repeat(part, least, most):
                for _ in range(least):
                    start = self._build(part, start)
                if most is None:
                    loop, end = self._state(), self._state()
                    self.free[start] += [loop, end]
                    self.free[self._build(part, loop)] += [loop, end]
                    return end
                end = self._state()
                for _ in range(most - least):
                    self.free[start].append(end)
                    start = self._build(part, start)
                self.free[start].append(end)
                return end

    def closure(self, states: Sequenced[int] | frozenset[int], start: bool, end: bool) -> frozenset[int]:
        """Everything reachable without a character."""
        found, pending = set(states), list(states)
        while pending:
            state = pending.pop()
            following = list(self.free[state])
            if start:
                following += self.at_start[state]
            if end:
                following += self.at_end[state]
            for other in following:
                if other not in found:
                    found.add(other)
                    pending.append(other)
        return frozenset(found)

    def step(self, states: frozenset[int], code: int) -> frozenset[int]:
        moved = {
            target
            for state in states
            for ranges, target in self.edges[state]
            if any(low <= code <= high for low, high in ranges)
        }
        return self.closure(frozenset(moved), False, False)

    def accepts(self, states: frozenset[int], start: bool) -> bool:
        return self.accept in self.closure(states, start, True)


def _any_text(universe: Ranges) -> Node:
    return Repeat(Chars(universe), 0, None)


def _literal(text: str, fold: bool) -> list[Node]:
    parts: list[Node] = []
    for character in text:
        codes = {ord(character)}
        if fold and character.isascii():
            codes |= {ord(character.lower()), ord(character.upper())}
        parts.append(Chars(union([(code, code) for code in codes])))
    return parts


def _digits(low: str, high: str) -> Node:
    """Numbers of one length between two of that length, both included."""
    if not low:
        return Sequence(())
    if low == "0" * len(low) and high == "9" * len(high):  # without this the two outer branches double at every digit
        return Repeat(Chars(((48, 57),)), len(low), len(low))
    first, last = ord(low[0]), ord(high[0])
    if first == last:
        return Sequence((Chars(((first, first),)), _digits(low[1:], high[1:])))
    rest = len(low) - 1
    branches: list[Node] = [Sequence((Chars(((first, first),)), _digits(low[1:], "9" * rest)))]
    if last - first > 1:
        branches.append(Sequence((Chars(((first + 1, last - 1),)), Repeat(Chars(((48, 57),)), rest, rest))))
    branches.append(Sequence((Chars(((last, last),)), _digits("0" * rest, high[1:]))))
    return Alternatives(tuple(branches))


def _magnitudes(low: int, high: int) -> list[Node]:
    """Numbers without leading zeros from `low` to `high`, both included and not negative."""
    found: list[Node] = []
    for length in range(len(str(low)), len(str(high)) + 1):
        first = max(low, 10 ** (length - 1) if length > 1 else 0)
        last = min(high, 10**length - 1)
        found.append(_digits(str(first), str(last)))
    return found


def _integers(predicate: Range) -> Node:
    """Texts `read_integer` reads as a number in the range."""
    low = INT64_MIN if predicate.start is None else max(predicate.start, INT64_MIN)
    high = INT64_MAX if predicate.end is None else min(predicate.end - 1, INT64_MAX)
    space: Node = Repeat(Chars(((9, 13), (32, 32))), 0, None)
    zeros: Node = Repeat(Chars(((48, 48),)), 0, None)
    branches: list[Node] = []
    if low <= high and high >= 0:
        plus: Node = Repeat(Chars(((43, 43),)), 0, 1)
        branches.append(Sequence((plus, zeros, Alternatives(tuple(_magnitudes(max(low, 0), high))))))
    if low <= high and low <= 0:
        minus: Node = Chars(((45, 45),))
        branches.append(Sequence((minus, zeros, Alternatives(tuple(_magnitudes(max(-high, 0), -low))))))
    return Sequence((space, Alternatives(tuple(branches)), space)) if branches else Chars(())


def _node(predicate: Predicate, as_bytes: bool) -> Node:
    """The language of a predicate's texts, over bytes or code points."""
    universe = _BYTES if as_bytes else _TEXT
    rest = _any_text(universe)

    def literal(text: str, fold: bool) -> list[Node]:
        return _literal(to_bytes(text).decode("latin-1") if as_bytes else text, fold)

    match predicate:
        case Exact(value, fold):
            return Sequence(tuple(literal(value, fold))) if isinstance(value, str) else Chars(())
        case OneOf(values, fold):
            texts = [value for value in values if isinstance(value, str)]
            return Alternatives(tuple(Sequence(tuple(literal(text, fold))) for text in texts)) if texts else Chars(())
        case Prefix(text, fold):
            return Sequence((*literal(text, fold), rest))
        case Suffix(text, fold):
            return Sequence((rest, *literal(text, fold)))
        case Contains(text, fold):
            return Sequence((rest, *literal(text, fold), rest))
        case Glob(_, fold):
            parts: list[Node] = []
            for token in predicate.tokens():
                if token == "" and as_bytes:
                    raise Undecided("a glob's ? beside a byte pattern")
                parts.extend([rest] if token is None else [Chars(universe)] if token == "" else literal(token, fold))
            return Sequence(tuple(parts))
        case Range():
            return _integers(predicate)
        case Regex(pattern, encoding):
            if as_bytes and encoding != LATIN1 and not pattern.isascii():
                raise Undecided("patterns of different encodings")
            if as_bytes and encoding != LATIN1:
                return _narrow(parse(pattern, encoding))
            return parse(pattern, encoding)
    raise Undecided(f"{type(predicate).__name__} is not a pattern")


def _narrow(node: Node) -> Node:
    """A code-point pattern over bytes; only where every class is ASCII, for one character beyond is several bytes."""
    match node:
        case Chars(ranges):
            if ranges and ranges[-1][1] > 127:
                raise Undecided("patterns of different encodings")
        case Sequence(parts) | Alternatives(parts):
            for part in parts:
                _narrow(part)
        case Repeat(part):
            _narrow(part)
    return node


def _alphabet(automata: list[_Automaton], universe: Ranges) -> list[int]:
    """One code for every class of characters no automaton tells apart, the pleasant ones first."""
    cuts = {low for low, _ in universe} | {high + 1 for _, high in universe}
    for automaton in automata:
        for edges in automaton.edges:
            for ranges, _ in edges:
                for low, high in ranges:
                    cuts |= {low, high + 1}
    ordered = sorted(cuts)
    codes: list[int] = []
    for low, end in pairwise(ordered):
        if any(start <= low <= last for start, last in universe):
            nice = next((ord(one) for one in _PREFERRED if low <= ord(one) < end), None)
            codes.append(nice if nice is not None else next((c for c in range(low, min(end, 127)) if c > 32), low))
    return sorted(codes, key=lambda code: (not 33 <= code < 127, code))


def _is_latin1(predicate: Predicate) -> bool:
    if isinstance(predicate, Both):
        return any(_is_latin1(part) for part in predicate.parts)
    return isinstance(predicate, Regex) and predicate.encoding == LATIN1


def find_text(wanted: list[Predicate], unwanted: list[Predicate]) -> str | None:
    """A shortest text for which all of `wanted` and none of `unwanted` hold; None if there is none.

    Raises Undecided. Neither list may hold `Both` or `Cidr`.
    """
    every = [*wanted, *unwanted]
    if any(isinstance(predicate, Both | Cidr) for predicate in every):
        raise Undecided("not a pattern")
    as_bytes = any(map(_is_latin1, every))
    try:
        automata = [_Automaton(_node(predicate, as_bytes)) for predicate in every]
    except (Unsupported, RecursionError) as error:
        raise Undecided(str(error)) from error
    universe = _BYTES if as_bytes else _TEXT
    alphabet = _alphabet(automata, universe)
    first = tuple(automaton.closure((0,), True, False) for automaton in automata)

    def good(states: tuple[frozenset[int], ...], start: bool) -> bool:
        return all(
            automaton.accepts(held, start) is (number < len(wanted))
            for number, (automaton, held) in enumerate(zip(automata, states, strict=True))
        )

    def finish(codes: list[int]) -> str:
        text = "".join(map(chr, codes))
        return to_text(text.encode("latin-1")) if as_bytes else text

    seen: dict[tuple[frozenset[int], ...], tuple[tuple[frozenset[int], ...], int] | None] = {first: None}
    if good(first, True):
        return ""
    pending = deque([first])
    # The empty text has been judged; from here on nothing stands at the start any more.
    while pending:
        states = pending.popleft()
        for code in alphabet:
            moved = tuple(automaton.step(held, code) for automaton, held in zip(automata, states, strict=True))
            if moved in seen or any(not moved[number] for number in range(len(wanted))):
                continue
            seen[moved] = (states, code)
            if good(moved, False):
                codes: list[int] = []
                at: tuple[frozenset[int], ...] = moved
                while (step := seen[at]) is not None:
                    at = step[0]
                    codes.append(step[1])
                return finish(codes[::-1])
            if len(seen) > _MOST_SUBSETS:
                raise Undecided("the patterns together have too many states")
            pending.append(moved)
    return None
