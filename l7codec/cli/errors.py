"""What a user of the command line can get wrong."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["FileError", "RulesError", "UsageError"]


class UsageError(Exception):
    """The command line asks for something that cannot be; the text says what to do instead."""


class FileError(Exception):
    """A file of rules cannot be read."""


class RulesError(Exception):
    """A file of rules was read, and what it says is wrong; `problems` has every mistake found, one line each."""

    def __init__(self, path: str, problems: Iterable[str]) -> None:
        self.problems = [f"{path}: {problem}" for problem in problems]
        super().__init__("\n".join(self.problems))
