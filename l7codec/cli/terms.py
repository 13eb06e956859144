"""What keys there are in metadata, and values for them written as text."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from ..message import MetadataValue
from ..registry import codecs
from ..vocabulary import types
from .errors import UsageError

__all__ = ["near", "type_of", "value_of", "vocabulary"]

OWN = {"protocol": str, "kind": str, "side": str, "id": int, "size": int}
"""What rules may ask of the message itself."""

_INTEGER = re.compile(r"[-+]?[0-9]{1,30}")
_WORDS = {"true": True, "false": False}


def vocabulary() -> dict[str, type]:
    """Every key and its type: the library's own, and those of the codecs that are registered."""
    found = dict(types())
    for codec in codecs():
        found.update(codec.vocabulary)
    return found


def type_of(key: str) -> type | None:
    """The type of a key's value (`object` for headers: text, or several texts); None where no message has the key."""
    known = vocabulary()
    if key.startswith("header.") and len(key) > len("header."):
        return known.get(key, known["header.*"])
    return None if key == "header.*" else known.get(key, OWN.get(key))


def near(key: str) -> str:
    """What the writer of an unknown key may have meant, as the end of a sentence."""
    close = difflib.get_close_matches(key, [*vocabulary(), *OWN], 1)
    return f"did you mean '{close[0]}'?" if close else "`l7codec protocols NAME` lists the keys of a protocol"


def scalar(key: str, text: str, kind: type | None) -> str | int | bool:
    """`text` as one value, or one element, of this key. Raises UsageError."""
    if kind is int:
        if not _INTEGER.fullmatch(text):
            raise UsageError(f"'{key}' is compared with integers, which {text!r} is not")
        return int(text)
    if kind is bool:
        if text not in _WORDS:
            raise UsageError(f"'{key}' is true or false, not {text!r}")
        return _WORDS[text]
    return text


def value_of(key: str, texts: Iterable[str]) -> MetadataValue:
    """The value that `texts` stand for, as messages have it: several make a tuple. Raises UsageError."""
    texts = tuple(texts)
    kind = type_of(key)
    if kind is tuple or (len(texts) > 1 and kind is object):
        return texts
    if len(texts) > 1:
        raise UsageError(f"'{key}' has one value, and {len(texts)} are given")
    return scalar(key, texts[0], kind)
