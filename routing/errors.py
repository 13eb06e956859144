"""What goes wrong while a rule table is read or changed.

    RoutingError
    └── ConfigError          rules are wrong: every problem at once in `.errors`, each with path, reason and remedy
        └── MissingExtra     the rules are right, but need an optional package (also an ImportError)

Nothing here is raised by matching: `RouteTable.match` and `explain` are total over all metadata.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

__all__ = ["ConfigError", "MissingExtra", "Problem", "Problems", "RoutingError"]


class RoutingError(Exception):
    """Root of everything `routing` raises on purpose."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a document: where, why, and what would be right."""

    path: str
    reason: str
    remedy: str = ""

    def __str__(self) -> str:
        text = f"{self.path}: {self.reason}" if self.path else self.reason
        return f"{text}; {self.remedy}" if self.remedy else text


class ConfigError(RoutingError, ValueError):
    """A table cannot be built; `errors` holds every problem found, in document order.

    A table that failed to load changes nothing: there is no half-built table to keep.
    """

    def __init__(self, errors: Iterable[Problem]) -> None:
        self.errors: tuple[Problem, ...] = tuple(errors)
        super().__init__(self.errors)

    @property
    def where(self) -> str:
        """The path of the first problem."""
        return self.errors[0].path if self.errors else ""

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.errors)

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self.errors,))


class MissingExtra(ConfigError, ImportError):
    """The rules are right but need an optional package; the text names the extra that brings it."""

    # ImportError's own attributes stay None: no import failed in the reader's code, a rule asked for more.


class Problems:
    """Collects problems while a document is read, so that all of them are reported together."""

    def __init__(self) -> None:
        self.found: list[Problem] = []
        self._missing_only = True

    def add(self, path: str, reason: str, remedy: str = "") -> None:
        """Note that what stands at `path` is wrong."""
        self.found.append(Problem(path, reason, remedy))
        self._missing_only = False

    def add_missing(self, path: str, reason: str, remedy: str) -> None:
        """Note that what stands at `path` needs an optional package."""
        self.found.append(Problem(path, reason, remedy))

    def merge(self, prefix: str, errors: Iterable[Problem]) -> None:
        """Take over the problems of a part that was read by itself."""
        for problem in errors:
            self.add(f"{prefix}{problem.path}", problem.reason, problem.remedy)

    def raise_if_any(self) -> None:
        """Raise what was found; MissingExtra only where nothing else is wrong."""
        if self.found:
            raise (MissingExtra if self._missing_only else ConfigError)(self.found)
