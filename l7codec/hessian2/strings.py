"""Text as Hessian writes it: lengths in UTF-16 units, each unit of a surrogate pair as three bytes.

http://hessian.caucho.com/doc/hessian-serialization.html##string

Java writes a character outside the Basic Multilingual Plane as two surrogates of three bytes each ("CESU-8"), other
languages as four bytes of UTF-8; its length is two either way. A surrogate may also stand alone. All three are read.
"""

from __future__ import annotations

import codecs
import re
from typing import Final

CONTINUATION: Final = bytes(range(0x80, 0xC0))
_FOUR: Final = re.compile(rb"[\xf0-\xff]")
_SURROGATES: Final = re.compile("[\ud800-\udfff]")
_UTF16: Final = codecs.lookup("utf-16-le")  # now: its first use loads a module
_ASTRAL: Final = re.compile("[\U00010000-\U0010ffff]")


def text_end(data: bytes, start: int, units: int) -> int:
    """Where `units` UTF-16 units of text end. Raises ValueError where they cannot, IndexError where `data` ends first.

    The bytes after a string may look like continuation bytes (small ints do): only lead bytes count. Each step looks at
    as many bytes as there are units to go, which never is too many; at least a third of them go away.
    """
    if not units:
        return start
    position = start
    most = start + 3 * units
    left = units
    while left > 0:
        window = data[position : position + left]
        if position > most:
            raise ValueError("text that is not UTF-8")
        if len(window) < left:
            raise IndexError
        position += left
        if window.isascii():
            return position
        left -= len(window.translate(None, CONTINUATION)) + len(_FOUR.findall(window))
    if left < 0:
        raise ValueError("a character of four bytes where one unit is left")
    last = position - 1
    while last >= start and 0x80 <= data[last] < 0xC0:
        last -= 1
    if last < start:
        raise ValueError("text that is not UTF-8")
    lead = data[last]
    end = last + (1 if lead < 0x80 else 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4)
    if end < position:
        raise ValueError("text that is not UTF-8")
    if end > len(data):
        raise IndexError
    return end


def decode(raw: bytes) -> str:
    """Text from its bytes. Raises ValueError for what is no text at all."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return join_pairs(raw.decode("utf-8", "surrogatepass"))


def join_pairs(text: str) -> str:
    """Surrogate pairs as the characters that they are; a surrogate alone stays."""
    return _UTF16.decode(_UTF16.encode(text, "surrogatepass")[0], "surrogatepass")[0]


def has_surrogates(text: str) -> bool:
    """Whether text from pieces may have pairs to join."""
    return _SURROGATES.search(text) is not None


def units_of(text: str) -> int:
    """Length in UTF-16 units."""
    return len(text) if text.isascii() else len(text) + len(_ASTRAL.findall(text))


def encode(text: str) -> bytes:
    """Bytes as Java writes them."""
    try:
        raw = text.encode()
    except UnicodeEncodeError:
        raw = b""  # a surrogate alone
    if raw and _FOUR.search(raw) is None:
        return raw
    return split_pairs(text).encode("utf-8", "surrogatepass")


def split_pairs(text: str) -> str:
    """Each character outside the Basic Multilingual Plane as its two surrogates."""
    return _ASTRAL.sub(_pair, text)


def _pair(match: re.Match[str]) -> str:
    point = ord(match[0]) - 0x10000
    return chr(0xD800 | point >> 10) + chr(0xDC00 | point & 0x3FF)
