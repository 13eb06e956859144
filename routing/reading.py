"""Reading untrusted documents: every problem at once, each with its path.

A document is what YAML or JSON gives: mappings, lists, strings, numbers, booleans, null. Nothing else is assumed of it;
references that contain themselves or multiply are stopped by the limits on depth and size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from math import isfinite
from typing import Any, Final, TypeVar

from .errors import Problems
from .rules import MILLION, Share

__all__ = ["DEEPEST", "MOST_CONDITIONS", "Reader", "kind_of", "quoted"]

T = TypeVar("T")

DEEPEST: Final = 32  # gRPC's proposal A101 stops matchers at 16; twice that leaves room for generated rules
MOST_CONDITIONS: Final = 10_000  # of one rule: what repeated YAML aliases multiply to is refused, not expanded


def kind_of(value: Any) -> str:
    """What a reader of YAML or JSON calls this value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int):
        return "an integer"
    if isinstance(value, float):
        return "a number"
    if isinstance(value, str):
        return "a string"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    return f"a {type(value).__name__}"


def quoted(value: Any) -> str:
    """What to write instead of a value that should have been a string."""
    if not isinstance(value, int | float):
        return "write a string"
    if isinstance(value, int) and abs(value) >> 128:  # Python refuses to print integers of thousands of digits
        return "quote it"
    return f"quote it: {str(value).lower()!r}"


class Reader:
    """Takes documents apart; what is wrong goes to `problems` and a neutral value comes back, so reading goes on."""

    def __init__(self, problems: Problems | None = None) -> None:
        self.problems = problems if problems is not None else Problems()

    def wrong(self, path: str, reason: str, remedy: str = "") -> None:
        """Note a problem."""
        self.problems.add(path, reason, remedy)

    def mapping(self, value: Any, path: str, known: Iterable[str] | None = None) -> dict[str, Any]:
        """A mapping with string keys, all of them among `known`."""
        # Nearly all are plain dictionaries with nothing unknown in them: the test of an abstract class is dear.
        if type(value) is not dict and not isinstance(value, Mapping):
            self.wrong(path, f"is {kind_of(value)}", "write a mapping")
            return {}
        names = None if known is None else tuple(known)
        found: dict[str, Any] = {}
        for key, inner in value.items():
            if not isinstance(key, str):
                self.wrong(f"{path}.{key!r}" if path else repr(key), f"the key is {kind_of(key)}", "quote it")
            elif names is not None and key not in names:
                near = get_close_matches(key, names, 1)
                remedy = f"did you mean '{near[0]}'?" if near else "one of " + ", ".join(names)
                self.wrong(f"{path}.{key}" if path else key, "unknown key", remedy)
            else:
                found[key] = inner
        return found

    def sequence(self, value: Any, path: str) -> list[Any]:
        """A list."""
        if isinstance(value, list | tuple):
            return list(value)
        self.wrong(path, f"is {kind_of(value)}", "write a list")
        return []

    def each(self, value: Any, path: str, read: Callable[[Any, str], T]) -> list[T]:
        """Every element of a list, read with its own path."""
        return [read(inner, f"{path}[{number}]") for number, inner in enumerate(self.sequence(value, path))]

    def text(self, value: Any, path: str, *, empty: bool = False) -> str:
        """A string; non-empty unless `empty`."""
        if not isinstance(value, str):
            self.wrong(path, f"is {kind_of(value)}", quoted(value))
            return ""
        if not value and not empty:
            self.wrong(path, "is empty", "write at least one character")
        return str(value)

    def boolean(self, value: Any, path: str) -> bool:
        """A boolean."""
        if not isinstance(value, bool):
            self.wrong(path, f"is {kind_of(value)}", "write true or false")
            return False
        return value

    def integer(self, value: Any, path: str, low: int, high: int) -> int:
        """An integer within bounds, both included."""
        if isinstance(value, bool) or not isinstance(value, int):
            self.wrong(path, f"is {kind_of(value)}", f"write an integer from {low} to {high}")
            return low
        if not low <= value <= high:
            self.wrong(path, "is out of bounds", f"write an integer from {low} to {high}")
            return low
        return int(value)

    def seconds(self, value: Any, path: str, *, zero: bool = False) -> float:
        """A duration in seconds: finite, and more than 0 unless `zero`."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.wrong(path, f"is {kind_of(value)}", "write a number of seconds")
            return 1.0
        try:
            number = float(value)
        except OverflowError:
            number = float("inf")
        if not isfinite(number) or number < 0 or (number == 0 and not zero):
            self.wrong(path, "is no duration", "write a positive number of seconds")
            return 1.0
        return number

    def percent(self, value: Any, path: str) -> Share:
        """A percentage as parts of a million."""
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 100:
            self.wrong(path, "is no percentage", "write a number from 0 to 100")
            return Share()
        parts = round(value * 10_000)
        if abs(value * 10_000 - parts) > 1e-6:
            self.wrong(path, "is finer than a millionth", "write at most four decimals")
        return Share() if parts == MILLION else Share(parts, MILLION)

    def share(self, value: Any, path: str) -> Share:
        """``{numerator, denominator}``."""
        fields = self.mapping(value, path, ("numerator", "denominator"))
        denominator = self.integer(fields.get("denominator", 100), f"{path}.denominator", 1, 1 << 32)
        numerator = self.integer(fields.get("numerator", 0), f"{path}.numerator", 0, 1 << 32)
        if "numerator" not in fields:
            self.wrong(path, "has no numerator", "write numerator and denominator")
        return Share(numerator, denominator)
