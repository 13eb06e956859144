"""What a method takes, as the class file format writes it: `Ljava/lang/String;[I` is `("java.lang.String", "int[]")`.

https://docs.oracle.com/javase/specs/jvms/se17/html/jvms-4.html#jvms-4.3.2
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

__all__ = ["describe", "parse"]

_PRIMITIVES: Final = {
    "B": "byte",
    "C": "char",
    "D": "double",
    "F": "float",
    "I": "int",
    "J": "long",
    "S": "short",
    "V": "void",
    "Z": "boolean",
}
_LETTERS: Final = {name: letter for letter, name in _PRIMITIVES.items()}
_TYPE: Final = re.compile(r"(\[{0,255})(?:([BCDFIJSVZ])|L([^;\[]+);)")  # at most 255 dimensions, section 4.3.2


def parse(descriptor: str) -> tuple[str, ...] | None:
    """The types as Java's source writes them; None for what is no descriptor."""
    types = []
    position = 0
    while position < len(descriptor):
        found = _TYPE.match(descriptor, position)
        if found is None:
            return None
        position = found.end()
        name = _PRIMITIVES[found[2]] if found[2] else found[3].replace("/", ".")
        types.append(name + "[]" * len(found[1]))
    return tuple(types)


def describe(types: Iterable[str]) -> str:
    """The descriptor of these types. Raises ValueError for what names none."""
    parts = []
    for name in types:
        element = name.rstrip("[]")
        dimensions, odd = divmod(len(name) - len(element), 2)
        if odd or name != element + "[]" * dimensions or not element or set(element) & set(";/[ "):
            raise ValueError(f"{name!r} is no Java type")
        letter = _LETTERS.get(element)
        parts.append("[" * dimensions + (letter or f"L{element.replace('.', '/')};"))
    return "".join(parts)
