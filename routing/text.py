"""Text as the wire means it: ASCII case, integers, and the bytes behind a string.

Metadata strings are UTF-8 decoded with `surrogateescape`, so a string stands for exactly one sequence of bytes.
Case folds ASCII letters only, as every header and Redis comparison of Envoy does: folding beyond ASCII changes lengths
and depends on a language the wire does not name.
"""

from __future__ import annotations

__all__ = ["ascii_lower", "read_integer", "to_bytes", "to_text"]

_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}
_SPACES = " \t\n\v\f\r"
_MOST_DIGITS = 19  # of a 64-bit integer; int() would refuse more than 4,300 digits with an error of its own
INT64_MIN = -(1 << 63)
INT64_MAX = (1 << 63) - 1


def ascii_lower(text: str) -> str:
    """Fold A-Z to a-z and leave everything else alone."""
    return text.lower() if text.isascii() else text.translate(_LOWER)


def read_integer(text: str) -> int | None:
    """Read a 64-bit integer as Envoy's `range_match` does, or give None.

    Surrounding ASCII space, one sign and leading zeros are allowed; ``5x``, ``1.0``, ``0x5``, ``1_0``, an empty string
    and anything beyond 64 bits are not integers.
    """
    text = text.strip(_SPACES)
    digits = text[1:] if text[:1] in ("+", "-") else text
    if not digits.isascii() or not digits.isdigit():
        return None
    digits = digits.lstrip("0") or "0"
    if len(digits) > _MOST_DIGITS:
        return None
    number = -int(digits) if text[0] == "-" else int(digits)
    return number if INT64_MIN <= number <= INT64_MAX else None


def to_bytes(text: str) -> bytes:
    """The bytes a metadata string stands for; total, even for a lone surrogate no wire can have produced."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def to_text(data: bytes) -> str:
    """The metadata string that stands for these bytes."""
    return data.decode("utf-8", "surrogateescape")
