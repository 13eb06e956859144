"""Regular expressions that name topics or transactions, as brokers match them: whole names, in RE2's syntax.

Syntax: https://github.com/google/re2/wiki/Syntax
"""

from __future__ import annotations

__all__ = ["enclosed"]


def enclosed(regex: str) -> str | None:
    """A regular expression that may stand in parentheses behind a prefix; None if there is none that means the same.

    Its own parentheses must be closed, and none may end the one around it. An anchor at the beginning of an alternative
    is left out: it would stand behind the prefix. Anchors elsewhere, and quoting, are not looked through.
    """
    depth = position = 0
    size = len(regex)
    kept: list[str] = []
    first = True  # at the beginning of an alternative
    last_named = regex.rfind(":]")  # looked for once: a sender may begin any number of named classes and end none
    while position < size:
        start = position
        letter = regex[position]
        position += 1
        if letter == "^":
            if not first or regex[position : position + 1] in ("*", "+", "?", "{"):
                return None
            continue
        first = letter == "|" and depth == 0
        if letter == "\\":
            if regex[position : position + 1] in ("Q", "A", "b", "B", ""):
                return None
            position += 1
        elif letter == "[":
            position = _behind_class(regex, position, last_named)
        elif letter == "(":
            depth += 1
        elif letter == ")":
            depth -= 1
            if depth < 0:
                return None
        if position > size:
            return None
        kept.append(regex[start:position])
    return "".join(kept) if depth == 0 else None


def _behind_class(regex: str, position: int, last_named: int) -> int:
    """Where a class of characters ends; behind everything if it does not."""
    position += regex[position : position + 1] == "^"
    position += regex[position : position + 1] == "]"  # the first one stands for itself
    while regex[position : position + 1] not in ("]", ""):
        if regex[position : position + 2] == "[:" and position + 2 <= last_named:
            position = regex.index(":]", position + 2) + 2
        else:
            position += 2 if regex[position] == "\\" else 1
    return position + 1
