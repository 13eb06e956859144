"""RE2 patterns as trees, for the index and the analysis. Matching itself is always RE2's (`routing.regex`).

Syntax: https://github.com/google/re2/wiki/Syntax. What is not understood here (word boundaries, Unicode categories,
multi-line anchors, folding beyond ASCII) raises `Unsupported`: such a pattern still matches as RE2 says, but is filed
without a literal and analysed as "undecided". Only patterns RE2 has accepted may be given: errors are not diagnosed.

In ``latin-1`` mode the alphabet is bytes and the pattern is taken byte by byte, as RE2 does; in ``utf-8`` mode it is
code points without surrogates, because an undecodable byte (a surrogate in metadata) matches nothing, not even ``.``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple, NoReturn, TypeAlias

from .regex import LATIN1
from .text import to_bytes

__all__ = ["Alternatives", "Anchor", "Chars", "Literal", "Node", "Repeat", "Sequence", "Unsupported", "invert",
           "leading_literals", "parse", "union"]  # fmt: skip

Ranges: TypeAlias = tuple[tuple[int, int], ...]

MOST_LITERALS: Final = 16
_LONGEST_LITERAL: Final = 64
_DEEPEST: Final = 100
_TOP: Final = 0x10FFFF
_VALID: Final[Ranges] = ((0, 0xD7FF), (0xE000, _TOP))
_BYTES: Final[Ranges] = ((0, 0xFF),)
_DIGIT: Final[Ranges] = ((48, 57),)
_WORD: Final[Ranges] = ((48, 57), (65, 90), (95, 95), (97, 122))
_SPACE: Final[Ranges] = ((9, 10), (12, 13), (32, 32))  # RE2's \s has no \v
_PERL: Final = {"d": _DIGIT, "w": _WORD, "s": _SPACE}
_POSIX: Final[dict[str, Ranges]] = {
    "alnum": ((48, 57), (65, 90), (97, 122)),
    "alpha": ((65, 90), (97, 122)),
    "ascii": ((0, 127),),
    "blank": ((9, 9), (32, 32)),
    "cntrl": ((0, 31), (127, 127)),
    "digit": _DIGIT,
    "graph": ((33, 126),),
    "lower": ((97, 122),),
    "print": ((32, 126),),
    "punct": ((33, 47), (58, 64), (91, 96), (123, 126)),
    "space": ((9, 13), (32, 32)),
    "upper": ((65, 90),),
    "word": _WORD,
    "xdigit": ((48, 57), (65, 70), (97, 102)),
}
_ESCAPES: Final = {"a": 7, "f": 12, "t": 9, "n": 10, "r": 13, "v": 11}
# Simple case folding reaches two letters outside ASCII: K (KELVIN SIGN) and the long s.
_FOLDS: Final = {ord("k"): 0x212A, ord("s"): 0x17F}


class Unsupported(Exception):
    """The pattern uses something this module does not model; never leaves `routing`."""


@dataclass(frozen=True, slots=True)
class Chars:
    """One character out of these inclusive ranges; none if there are none."""

    ranges: Ranges


@dataclass(frozen=True, slots=True)
class Sequence:
    """One after the other; an empty one is the empty string."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Alternatives:
    """One of these."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """`least` to `most` times (None: any number)."""

    part: Node
    least: int
    most: int | None


@dataclass(frozen=True, slots=True)
class Anchor:
    """The start (True) or the end of the text; nothing in between is one without the multi-line flag."""

    start: bool


Node: TypeAlias = Chars | Sequence | Alternatives | Repeat | Anchor
_EMPTY: Final = Sequence(())


def union(ranges: list[tuple[int, int]]) -> Ranges:
    """Sorted, merged ranges."""
    merged: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return tuple(merged)


def invert(ranges: Ranges, universe: Ranges) -> Ranges:
    """What is in `universe` but not in `ranges`; both sorted and merged."""
    left: list[tuple[int, int]] = []
    for low, high in universe:
        at = low
        for start, end in ranges:
            if end < at or start > high:
                continue
            if start > at:
                left.append((at, start - 1))
            at = end + 1
        if at <= high:
            left.append((at, high))
    return tuple(left)


class _Parser:
    def __init__(self, pattern: str, encoding: str) -> None:
        self.bytes = encoding == LATIN1
        self.universe = _BYTES if self.bytes else _VALID
        self.text = to_bytes(pattern).decode("latin-1") if self.bytes else pattern
        self.at = 0
        self.depth = 0
        self.fold = self.dot_all = self.swap = False

    def unsupported(self, what: str) -> NoReturn:
        raise Unsupported(what)

    def peek(self, text: str) -> bool:
        return self.text.startswith(text, self.at)

    def take(self, text: str) -> bool:
        if self.peek(text):
            self.at += len(text)
            return True
        return False

    def next(self) -> str:
        if self.at >= len(self.text):
            self.unsupported("pattern ends early")
        self.at += 1
        return self.text[self.at - 1]

    def until(self, end: str) -> str:
        stop = self.text.find(end, self.at)
        if stop < 0:
            self.unsupported("pattern ends early")
        found = self.text[self.at : stop]
        self.at = stop + len(end)
        return found

    def alternatives(self) -> Node:
        self.depth += 1
        if self.depth > _DEEPEST:
            self.unsupported("nested too deeply")
        saved = (self.fold, self.dot_all, self.swap)
        branches = [self.sequence()]
        while self.take("|"):
            branches.append(self.sequence())
        self.fold, self.dot_all, self.swap = saved
        self.depth -= 1
        return branches[0] if len(branches) == 1 else Alternatives(tuple(branches))

    def sequence(self) -> Node:
        parts: list[Node] = []
        while self.at < len(self.text) and not self.peek("|") and not self.peek(")"):
            if self.take("\\Q"):
                end = self.text.find("\\E", self.at)
                literal = self.text[self.at :] if end < 0 else self.text[self.at : end]
                self.at = len(self.text) if end < 0 else end + 2
                parts.extend(self.character(ord(one)) for one in literal)
            else:
                parts.append(self.atom())
            if parts:
                parts[-1] = self.repeated(parts[-1])
        return parts[0] if len(parts) == 1 else Sequence(tuple(parts))

    def repeated(self, node: Node) -> Node:
        while True:
            if self.take("*"):
                bounds: tuple[int, int | None] = (0, None)
            elif self.take("+"):
                bounds = (1, None)
            elif self.take("?"):
                bounds = (0, 1)
            elif self.peek("{") and (counted := self.counted()) is not None:
                bounds = counted
            else:
                return node
            self.take("?")  # laziness changes captures, never whether the whole value matches
            node = Repeat(node, *bounds)

    def counted(self) -> tuple[int, int | None] | None:
        end = self.text.find("}", self.at)
        low, comma, high = self.text[self.at + 1 : max(end, 0)].partition(",")
        if end < 0 or not (low.isascii() and low.isdigit()) or not (high == "" or (high.isascii() and high.isdigit())):
            return None  # a brace that counts nothing is a literal
        self.at = end + 1
        return int(low), (int(high) if high else None) if comma else int(low)

    def atom(self) -> Node:
        character = self.next()
        if character == "(":
            return self.group()
        if character == "[":
            return self.bracket()
        if character == ".":
            universe = self.universe
            return Chars(universe if self.dot_all else invert(((10, 10),), universe))
        if character in "^$":
            return Anchor(character == "^")
        if character == "\\":
            return self.escape()
        return self.character(ord(character))

    def group(self) -> Node:
        saved = (self.fold, self.dot_all, self.swap)
        if self.take("?"):
            if self.take("P<") or self.take("<"):
                self.until(">")
            elif self.flags():
                return _EMPTY  # flags for the rest of the enclosing group
        node = self.alternatives()
        if not self.take(")"):
            self.unsupported("group is not closed")
        self.fold, self.dot_all, self.swap = saved
        return node

    def flags(self) -> bool:
        """Read ``i-s:`` or ``i)``; True for the second, which has no group of its own."""
        value = True
        while True:
            flag = self.next()
            if flag == "-":
                value = False
            elif flag == "i":
                self.fold = value
            elif flag == "s":
                self.dot_all = value
            elif flag == "U":
                self.swap = value
            elif flag in ":)":
                return flag == ")"
            else:  # m, or nothing RE2 knows
                self.unsupported(f"flag {flag}")

    def character(self, code: int) -> Chars:
        return Chars(self.folded([(code, code)]))

    def folded(self, ranges: list[tuple[int, int]]) -> Ranges:
        if self.fold:
            extra: list[tuple[int, int]] = []
            for low, high in ranges:
                if high > 127:
                    self.unsupported("case folding beyond ASCII")
                for offset, start, end in ((32, 65, 90), (-32, 97, 122)):
                    first, last = max(low, start), min(high, end)
                    if first <= last:
                        extra.append((first + offset, last + offset))
            if not self.bytes:
                for letter, other in _FOLDS.items():
                    if any(low <= letter <= high for low, high in ranges + extra):
                        extra.append((other, other))
            ranges = ranges + extra
        return union(ranges)

    def named(self, ranges: Ranges, inverted: bool) -> Ranges:
        """A named class: RE2 folds it first and inverts then, so that ``(?i)\\w`` has the KELVIN SIGN."""
        found = self.folded(list(ranges))
        return invert(found, self.universe) if inverted else found

    def escape(self) -> Node:
        character = self.next()
        if character.lower() in _PERL:
            return Chars(self.named(_PERL[character.lower()], character.isupper()))
        if character in "Az":
            return Anchor(character == "A")
        return self.character(self.escaped(character))

    def escaped(self, character: str) -> int:
        if character in _ESCAPES:
            return _ESCAPES[character]
        if character == "x":
            return int(self.until("}") if self.take("{") else self.next() + self.next(), 16)
        if character == "C" or (character.isascii() and (character.isalpha() or character == "0")):
            self.unsupported(f"escape \\{character}")
        if character.isdigit():
            self.unsupported("octal escape")
        return ord(character)

    def bracket(self) -> Node:
        negated = self.take("^")
        ranges: list[tuple[int, int]] = []
        first = True
        while first or not self.peek("]"):
            first = False
            if self.take("[:"):
                inverted = self.take("^")
                ranges.extend(self.named(_POSIX[self.until(":]")], inverted))
                continue
            if self.peek("\\") and self.text[self.at + 1 : self.at + 2].lower() in _PERL:
                kind = self.text[self.at + 1]
                self.at += 2
                ranges.extend(self.named(_PERL[kind.lower()], kind.isupper()))
                continue
            low = high = self.member()
            if self.peek("-") and self.text[self.at + 1 : self.at + 2] not in ("]", ""):
                self.at += 1
                high = self.member()
            ranges.extend(self.folded([(low, high)]))
        self.take("]")
        found = union(ranges)
        return Chars(invert(found, self.universe) if negated else _within(found, self.universe))

    def member(self) -> int:
        character = self.next()
        if character != "\\":
            return ord(character)
        character = self.next()
        if character in "pP":
            self.unsupported("Unicode categories")
        return self.escaped(character)


def _within(ranges: Ranges, universe: Ranges) -> Ranges:
    return invert(invert(ranges, universe), universe)


@lru_cache(maxsize=1024)
def parse(pattern: str, encoding: str) -> Node:
    """The tree of a pattern that RE2 has accepted; raises Unsupported."""
    parser = _Parser(pattern, encoding)
    try:
        node = parser.alternatives()
    except (KeyError, ValueError) as error:
        raise Unsupported(str(error)) from error
    if parser.at != len(parser.text):
        raise Unsupported("unbalanced group")
    return node


class Literal(NamedTuple):
    """Text a match begins with; `whole`: and nothing follows."""

    text: str
    whole: bool


def leading_literals(node: Node) -> list[Literal]:
    """A set of literals of which every matching value is, or begins with, one; at most MOST_LITERALS.

    ASCII only, so that the answer is the same for bytes and code points. ``Literal("", False)`` says nothing.
    """
    return _literals(node) if not _has_anchor(node) else [Literal("", False)]


def _has_anchor(node: Node) -> bool:
    match node:
        case Anchor():
            return True
        case Sequence(parts) | Alternatives(parts):
            return any(_has_anchor(part) for part in parts)
        case Repeat(part):
            return _has_anchor(part)
    return False


def _literals(node: Node) -> list[Literal]:
    unknown = [Literal("", False)]
    match node:
        case Chars(ranges):
            size = sum(high - low + 1 for low, high in ranges)
            if not 0 < size <= 4 or ranges[-1][1] > 127:
                return unknown
            return [Literal(chr(code), True) for low, high in ranges for code in range(low, high + 1)]
        case Sequence(parts):
            found = [Literal("", True)]
            for part in parts:
                found = _extended(found, part)
                if not any(literal.whole for literal in found):
                    break
            return found
        case Alternatives(parts):
            joined = [literal for part in parts for literal in _literals(part)]
            return list(dict.fromkeys(joined)) if len(joined) <= MOST_LITERALS else unknown
        case Repeat(part, least, most):
            if least == most == 1:
                return _literals(part)
            if least == 0:
                return unknown
            return [Literal(text, False) for text, _ in _literals(part)]
    return unknown


def _extended(found: list[Literal], part: Node) -> list[Literal]:
    """The literals with what `part` adds, or closed where it adds too many."""
    more = _literals(part)
    longer = [
        Literal(one.text + two.text, two.whole) if one.whole else one
        for one in found
        for two in (more if one.whole else more[:1])
    ]
    if len(longer) > MOST_LITERALS or any(len(literal.text) > _LONGEST_LITERAL for literal in longer):
        return [Literal(one.text, False) for one in found]
    return list(dict.fromkeys(longer))
