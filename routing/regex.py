"""Regular expressions: RE2 only, whole value, on bytes.

The standard library's engine is never run on traffic: ``(a+)+`` against 26 characters takes it seconds, and its syntax
differs from what Envoy and Istio accept (lookaround, ``\\Z``, possessive quantifiers). google-re2 is Envoy's own engine
and linear in the value.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from .text import to_bytes

__all__ = ["BadRegex", "available", "compile_regex", "program_size"]

UTF8 = "utf-8"
LATIN1 = "latin-1"


class BadRegex(ValueError):
    """RE2 refuses the pattern; the text is RE2's reason."""


def _import() -> Any:
    try:
        return importlib.import_module("re2")
    except ImportError:  # the caller decides: a table with regex rules is refused with MissingExtra
        return None


_re2 = _import()


def available() -> bool:
    """Whether google-re2 is installed."""
    return _re2 is not None


def _program(pattern: str, encoding: str) -> Any:
    options = _re2.Options()
    options.log_errors = False  # RE2 would write to standard error by itself
    options.never_capture = True
    if encoding == LATIN1:
        options.encoding = _re2.Options.Encoding.LATIN1
    try:
        return _re2.compile(to_bytes(pattern), options)
    except _re2.error as error:
        reason = error.args[0] if error.args else "refused"
        raise BadRegex(reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)) from error


@lru_cache(maxsize=1024)
def program_size(pattern: str, encoding: str) -> int:
    """RE2's program size, which Envoy limits to 100 in most places."""
    return int(_program(pattern, encoding).programsize)


def compile_regex(pattern: str, encoding: str) -> Callable[[str], bool]:
    """A function that says whether a whole value matches.

    `encoding` says what RE2 takes the value's bytes for: ``utf-8``, or ``latin-1`` as Envoy's HTTP and RPC matchers do
    (there ``.`` is one byte, so it does not match ``é``). Raises BadRegex.
    """
    fullmatch = _program(pattern, encoding).fullmatch

    def matches(text: str) -> bool:
        return fullmatch(to_bytes(text)) is not None

    return matches
