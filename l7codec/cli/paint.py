"""Lines for people, made of pieces with a tone: coloured on a terminal, plain anywhere else."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, TextIO

from .table import console
from .text import safe

__all__ = ["Node", "Painter", "Piece"]

Piece = str | tuple[str, str]
"""Text, or text and its tone."""

_STYLES: Final = {
    "good": "green",
    "bad": "bold red",
    "name": "bold",
    "key": "cyan",
    "value": "yellow",
    "dim": "dim",
}


@dataclass(slots=True)
class Node:
    """A line of a tree, and the lines under it."""

    line: list[Piece]
    under: list[Node] = field(default_factory=list)


class Painter:
    """Writes to standard output; everything is escaped on its way."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = sys.stdout if stream is None else stream
        self._console = console(self._stream) if self._stream.isatty() else None

    def line(self, *pieces: Piece) -> None:
        """Print one line."""
        parts = [(piece, "") if isinstance(piece, str) else piece for piece in pieces]
        if self._console is None:
            print("".join(safe(text) for text, _ in parts), file=self._stream)
            return
        from rich.text import Text

        text = Text()
        for part, tone in parts:
            text.append(safe(part), _STYLES.get(tone, ""))
        self._console.print(text, soft_wrap=True)

    def tree(self, nodes: Iterable[Node]) -> None:
        """Print trees, one after the other."""
        for node in nodes:
            self.line(*node.line)
            for lead, under in _leads(node.under, "   "):
                self.line((lead, "dim"), *under.line)


def _leads(nodes: list[Node], indent: str) -> Iterator[tuple[str, Node]]:
    """Every node below, with what stands in front of it."""
    for place, node in enumerate(nodes):
        last = place == len(nodes) - 1
        yield f"{indent}{'└─' if last else '├─'} ", node
        yield from _leads(node.under, f"{indent}{'   ' if last else '│  '}")
