"""How the rules see a message: normalised values under lookup names.

A rule may name metadata keys, the message's own `protocol`, `kind`, `side`, `id` and `size`, a header by any case of
its name, or the comma-joined form of a repeated header (how Envoy's matcher API sees one). The last two get lookup
names of their own, so that matching stays one dictionary access per attribute.

Nothing a message holds makes this raise: values of unknown types are *opaque*, there but equal to nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any, Final, TypeAlias

from .predicates import Scalar
from .text import ascii_lower

__all__ = ["MISSING", "OPAQUE", "OWN_FIELDS", "RANDOM", "Lens", "Value", "View", "lookup_name", "normalise"]


class _Marker:
    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


MISSING: Final = _Marker("missing")
OPAQUE: Final = _Marker("opaque")
Value: TypeAlias = Any  # Scalar | tuple[Scalar | OPAQUE, ...] | MISSING | OPAQUE
View: TypeAlias = Mapping[str, Any]

OWN_FIELDS: Final = ("protocol", "kind", "side", "id", "size")
RANDOM: Final = "\0random"  # no metadata key starts with a NUL
_FOLDED, _JOINED, _FOLDED_JOINED = "\0f", "\0j", "\0b"


def _scalar(value: Any) -> Scalar | _Marker:
    kind = type(value)
    if kind is str or kind is int or kind is bool:
        return value  # type: ignore[no-any-return]
    # Subclasses (a StrEnum, an IntEnum) become what they are made of; type() cannot be lied to, isinstance can.
    if issubclass(kind, str):
        return str.__str__(value)
    if issubclass(kind, int):
        return int.__int__(value)
    return OPAQUE


def normalise(value: Any) -> Value:
    """A metadata value as rules see it: a scalar, a non-empty tuple of scalars, MISSING or OPAQUE.

    None and an empty tuple are missing. A list, which JSON makes of a tuple, is a tuple.
    """
    kind = type(value)
    if kind is str or kind is int or kind is bool:
        return value
    if value is None:
        return MISSING
    if issubclass(kind, tuple):
        return tuple(map(_scalar, tuple.__iter__(value))) or MISSING
    if issubclass(kind, list):
        return tuple(map(_scalar, list.__iter__(value))) or MISSING
    return _scalar(value)


def lookup_name(key: str, fold: bool, joined: bool) -> str:
    """Where the value an attribute asks for stands in a view."""
    if fold:
        return (_FOLDED_JOINED if joined else _FOLDED) + ascii_lower(key)
    return _JOINED + key if joined else key


def _own(message: Any, name: str) -> Any:
    value = getattr(message, name, None)
    if isinstance(value, Enum):
        return value.value if type(value.value) is str else value.name.lower()
    return value


def _elements(values: Iterable[Any]) -> list[Any]:
    found: list[Any] = []
    for value in values:
        normal = normalise(value)
        if type(normal) is tuple:
            found.extend(normal)
        elif normal is not MISSING:
            found.append(normal)
    return found


def _join(elements: list[Any]) -> Any:
    if len(elements) == 1:
        return elements[0]
    return ",".join(elements) if all(type(element) is str for element in elements) else OPAQUE


class Lens:
    """What one table needs to see; made once, used for every message."""

    __slots__ = ("_folded", "_joined", "_names", "_own", "_random", "plain")

    def __init__(self, names: Iterable[str], random: bool) -> None:
        """`names` are lookup names as `lookup_name` makes them; `random`: the rules draw from the random number.

        `plain` then says that a mapping needs nothing added to be a view of itself.
        """
        names = self._names = frozenset(names)
        self._own = tuple(name for name in OWN_FIELDS if name in names)
        self._joined = tuple(name[2:] for name in names if name.startswith(_JOINED))
        self._folded: dict[str, list[str]] = {}
        for name in names:
            if name.startswith((_FOLDED, _FOLDED_JOINED)):
                self._folded.setdefault(name[2:], []).append(name)
        self._random = random
        self.plain = not (self._joined or self._folded or random)

    def widened(self, names: Iterable[str], random: bool) -> Lens:
        """A lens that sees these names, too."""
        more = frozenset(names)
        if more <= self._names and (self._random or not random):
            return self
        return Lens(self._names | more, self._random or random)

    def look(self, message: Any, random: int) -> View:
        """The view of one message, or of a plain mapping; shares the mapping where nothing has to be added."""
        if type(message) is dict:
            metadata: Mapping[str, Any] = message
            own: tuple[str, ...] = ()
        else:
            found = getattr(message, "metadata", None)
            metadata, own = (message, ()) if found is None else (found, self._own)
        if self.plain and not own:
            return metadata
        view: dict[str, Any] = dict(metadata)
        for name in own:
            view[name] = _own(message, name)
        for key in self._joined:
            elements = _elements((view.get(key),))
            if elements:
                view[_JOINED + key] = _join(elements)
        if self._folded:
            self._fold(metadata, view)
        if self._random:
            view[RANDOM] = random
        return view

    def _fold(self, metadata: Mapping[str, Any], view: dict[str, Any]) -> None:
        same: dict[str, list[Any]] = {}
        for key, value in metadata.items():
            if type(key) is str and ascii_lower(key) in self._folded:
                same.setdefault(ascii_lower(key), []).append(value)
        for folded, values in same.items():
            elements = _elements(values)
            if elements:
                for name in self._folded[folded]:
                    joined = name.startswith(_FOLDED_JOINED)
                    view[name] = _join(elements) if joined or len(elements) == 1 else tuple(elements)
