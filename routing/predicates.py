"""What a rule may ask of one value.

A predicate looks at one *scalar*: a str, an int or a bool, compared strictly by type (True is not 1, 5 is not "5").
How a predicate meets an attribute that has several values, or none, is `conditions.Attribute`'s business.

`holds` is the specification, written to be read; `text_test` gives the same answer for strings as one fast function.
Every predicate also says how it is spelled in a rule (`spell`) and is hashable, so that rules can be compared.
"""
# ruff: noqa: D102 - what an override means is said where the method is introduced

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeAlias

from .addresses import Network, read_address
from .regex import UTF8, compile_regex
from .text import ascii_lower, read_integer

__all__ = [
    "Both", "Cidr", "Contains", "Exact", "Glob", "OneOf", "Predicate", "Prefix", "Range", "Regex", "Scalar", "Suffix",
    "TextTest",
]  # fmt: skip

Scalar: TypeAlias = str | int | bool
TextTest: TypeAlias = Callable[[str], bool]


class Predicate:
    """One question about one scalar."""

    __slots__ = ()

    def holds(self, value: Scalar) -> bool:
        """Whether the value satisfies it; `value` has exactly the type str, int or bool."""
        raise NotImplementedError

    def text_test(self) -> TextTest:
        """The same as `holds` for strings only, as a function of its own."""
        return self.holds

    def spell(self) -> dict[str, Any]:
        """As written in a rule."""
        raise NotImplementedError


def _cased(spelled: dict[str, Any], ignore_case: bool) -> dict[str, Any]:
    return {**spelled, "ignore_case": True} if ignore_case else spelled


@dataclass(frozen=True, slots=True)
class Exact(Predicate):
    """Equal, type included. `ignore_case` folds ASCII letters."""

    value: Scalar
    ignore_case: bool = False
    # 1 == True in Python: the type takes part in comparing two predicates
    _type: type = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_type", type(self.value))

    def holds(self, value: Scalar) -> bool:
        if type(value) is not self._type:
            return False
        if self.ignore_case and isinstance(value, str) and isinstance(self.value, str):
            return ascii_lower(value) == ascii_lower(self.value)
        return value == self.value

    def text_test(self) -> TextTest:
        expected = self.value
        if not isinstance(expected, str):
            return lambda value: False
        if self.ignore_case:
            expected = ascii_lower(expected)
            return lambda value: ascii_lower(value) == expected
        return lambda value: value == expected

    def spell(self) -> dict[str, Any]:
        return _cased({"exact": self.value}, self.ignore_case)


@dataclass(frozen=True, slots=True)
class OneOf(Predicate):
    """Equal to one of several, types included."""

    values: tuple[Scalar, ...]
    ignore_case: bool = False
    _types: tuple[type, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_types", tuple(map(type, self.values)))

    def holds(self, value: Scalar) -> bool:
        return any(Exact(one, self.ignore_case).holds(value) for one in self.values)

    def text_test(self) -> TextTest:
        if self.ignore_case:
            folded = frozenset(ascii_lower(one) for one in self.values if isinstance(one, str))
            return lambda value: ascii_lower(value) in folded
        return frozenset(one for one in self.values if isinstance(one, str)).__contains__

    def spell(self) -> dict[str, Any]:
        return _cased({"one_of": list(self.values)}, self.ignore_case)


@dataclass(frozen=True, slots=True)
class _Part(Predicate):
    """Has `text` in a certain place."""

    text: str
    ignore_case: bool = False

    word: ClassVar[str]
    """How it is spelled."""
    test: ClassVar[Callable[[str, str], bool]]
    """Whether the first string has the second in that place."""

    def holds(self, value: Scalar) -> bool:
        return type(value) is str and self.text_test()(value)

    def text_test(self) -> TextTest:
        text, test = self.text, type(self).test
        if self.ignore_case:
            text = ascii_lower(text)
            return lambda value: test(ascii_lower(value), text)
        return lambda value: test(value, text)

    def spell(self) -> dict[str, Any]:
        return _cased({self.word: self.text}, self.ignore_case)


class Prefix(_Part):
    """Starts with `text`."""

    __slots__ = ()
    word = "prefix"
    test = str.startswith


class Suffix(_Part):
    """Ends with `text`."""

    __slots__ = ()
    word = "suffix"
    test = str.endswith


class Contains(_Part):
    """Has `text` somewhere inside."""

    __slots__ = ()
    word = "contains"
    test = operator.contains


@dataclass(frozen=True, slots=True)
class Glob(Predicate):
    """Matches a pattern in which ``*`` is any run of characters, ``?`` any one, and a backslash makes one literal."""

    pattern: str
    ignore_case: bool = False

    def tokens(self) -> list[str | None]:
        """The pattern as single characters; None stands for ``*`` and an empty string for ``?``."""
        found: list[str | None] = []
        characters = iter(ascii_lower(self.pattern) if self.ignore_case else self.pattern)
        for character in characters:
            if character == "\\":
                found.append(next(characters, "\\"))
            elif character == "*":
                if not found or found[-1] is not None:
                    found.append(None)
            else:
                found.append("" if character == "?" else character)
        return found

    def holds(self, value: Scalar) -> bool:
        return type(value) is str and self.text_test()(value)

    def text_test(self) -> TextTest:
        tokens, fold = self.tokens(), self.ignore_case

        def matches(value: str) -> bool:
            # Going back to the last star only is enough, and keeps hostile values at most quadratic.
            if fold:
                value = ascii_lower(value)
            at = position = 0
            star = mark = -1
            while position < len(value):
                token = tokens[at] if at < len(tokens) else "\0none"
                if token is None:
                    star, mark = at, position
                    at += 1
                elif token in ("", value[position]):
                    at += 1
                    position += 1
                elif star >= 0:
                    mark += 1
                    at, position = star + 1, mark
                else:
                    return False
            return all(token is None for token in tokens[at:])

        return matches

    def spell(self) -> dict[str, Any]:
        return _cased({"glob": self.pattern}, self.ignore_case)


@dataclass(frozen=True, slots=True)
class Regex(Predicate):
    """The whole value matches an RE2 pattern; see `routing.regex` for `encoding`.

    Made from rules by `load`, which compiles it once; making one raises `regex.BadRegex` for a bad pattern.
    """

    pattern: str
    encoding: str = UTF8
    _test: TextTest = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_test", compile_regex(self.pattern, self.encoding))

    def holds(self, value: Scalar) -> bool:
        return type(value) is str and self._test(value)

    def text_test(self) -> TextTest:
        return self._test

    def spell(self) -> dict[str, Any]:
        if self.encoding == UTF8:
            return {"regex": self.pattern}
        return {"regex": {"pattern": self.pattern, "encoding": self.encoding}}

    def __reduce__(self) -> tuple[Any, ...]:  # a compiled program does not pickle
        return (Regex, (self.pattern, self.encoding))


@dataclass(frozen=True, slots=True)
class Range(Predicate):
    """``start <= value < end``; None is unbounded. Strings are read as `text.read_integer` says, or fail."""

    start: int | None
    end: int | None

    def _inside(self, number: int) -> bool:
        return (self.start is None or self.start <= number) and (self.end is None or number < self.end)

    def holds(self, value: Scalar) -> bool:
        if type(value) is int:
            return self._inside(value)
        if type(value) is not str:
            return False
        number = read_integer(value)
        return number is not None and self._inside(number)

    def spell(self) -> dict[str, Any]:
        bounds = {"start": self.start, "end": self.end}
        return {"range": {name: bound for name, bound in bounds.items() if bound is not None}}


@dataclass(frozen=True, slots=True)
class Cidr(Predicate):
    """The value is the text of an IP address in one of these networks."""

    networks: tuple[Network, ...]

    def holds(self, value: Scalar) -> bool:
        if type(value) is not str:
            return False
        address = read_address(value)
        return address is not None and any(network.holds(address) for network in self.networks)

    def spell(self) -> dict[str, Any]:
        spelled = [str(network) for network in self.networks]
        return {"cidr": spelled[0] if len(spelled) == 1 else spelled}


@dataclass(frozen=True, slots=True)
class Both(Predicate):
    """Several predicates that must all hold for the same value."""

    parts: tuple[Predicate, ...]

    def holds(self, value: Scalar) -> bool:
        return all(part.holds(value) for part in self.parts)

    def text_test(self) -> TextTest:
        tests = tuple(part.text_test() for part in self.parts)
        if len(tests) == 2:
            first, second = tests
            return lambda value: first(value) and second(value)
        return lambda value: all(test(value) for test in tests)

    def spell(self) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        for part in self.parts:
            merged.update(part.spell())
        return merged
