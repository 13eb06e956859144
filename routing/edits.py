"""Changes a rule makes to a message, and what they come to for one message.

A rule names a metadata key and a change; `apply` turns the changes into the plain mapping `encode(message, edits)`
takes: key to new value, None to remove. Bytes are counted in the UTF-8 form the wire has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from .text import to_bytes, to_text
from .view import MISSING, OPAQUE, View, normalise

__all__ = ["Change", "Copy", "Edit", "Reshape", "Set", "apply"]

Plain: TypeAlias = str | int | bool | tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Set:
    """The key gets this value; None removes it."""

    value: Plain

    def spell(self) -> Any:
        """As written in a rule."""
        return list(self.value) if isinstance(self.value, tuple) else self.value


@dataclass(frozen=True, slots=True)
class Copy:
    """The key gets the value of another; where that is missing, nothing changes."""

    key: str

    def spell(self) -> Any:
        """As written in a rule."""
        return {"copy": self.key}


@dataclass(frozen=True, slots=True)
class Reshape:
    """The text, or every element of a tuple, loses bytes in front and gains text around what is left.

    `cut` bytes go whatever they are (Redis prefix routes cut by length); `remove_prefix` goes where it stands.
    """

    cut: int = 0
    remove_prefix: str = ""
    add_prefix: str = ""
    add_suffix: str = ""

    def text(self, value: str) -> str:
        """The new form of one text."""
        value = value.removeprefix(self.remove_prefix)
        if self.cut:
            value = to_text(to_bytes(value)[self.cut :])
        return f"{self.add_prefix}{value}{self.add_suffix}"

    def spell(self) -> Any:
        """As written in a rule."""
        spelled = {
            "cut": self.cut,
            "remove_prefix": self.remove_prefix,
            "add_prefix": self.add_prefix,
            "add_suffix": self.add_suffix,
        }
        return {name: value for name, value in spelled.items() if value}


Change: TypeAlias = Set | Copy | Reshape


@dataclass(frozen=True, slots=True)
class Edit:
    """One change to one key."""

    key: str
    change: Change


def _reshaped(value: Any, reshape: Callable[[str], str]) -> Any:
    if type(value) is str:
        return reshape(value)
    return tuple(reshape(element) if type(element) is str else element for element in value)


def apply(edits: Iterable[Edit], view: View) -> Mapping[str, Any]:
    """What the edits come to for this message; a change of a missing or unreadable value is left out."""
    changed: dict[str, Any] = {}
    for edit in edits:
        change = edit.change
        if type(change) is Set:
            changed[edit.key] = change.value
            continue
        source = change.key if type(change) is Copy else edit.key
        value = changed[source] if source in changed else normalise(view.get(source))
        if value is None or value is MISSING or value is OPAQUE or (type(value) is tuple and OPAQUE in value):
            continue
        if type(change) is Copy:
            changed[edit.key] = value
        elif type(change) is Reshape and type(value) in (str, tuple):
            changed[edit.key] = _reshaped(value, change.text)
    return changed
