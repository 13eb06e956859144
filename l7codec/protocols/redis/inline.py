r"""Inline commands: a line of words, as typed by a person.

As redis-server reads them (`sdssplitargs`): words stand between blanks; `"…"` knows `\n \r \t \b \a \xHH`, and any other
character behind a backslash stands for itself; `'…'` knows only `\'`. A quote may open inside a word (`a"b c"` is one
word, `ab c`); behind a closing one comes a blank or the end of the line. Outside quotes a backslash is a backslash.
"""

from __future__ import annotations

import re

__all__ = ["UNBALANCED", "join_words", "split_words"]

UNBALANCED = "unbalanced quotes in request"

# A word's pieces: plain, double-quoted, single-quoted.
_PIECE = re.compile(
    rb"""([^\s\0"']+)|"((?:[^"\\]|\\.)*+)"(?=[\s\0]|\Z)|'((?:[^'\\]|\\(?!')|\\')*+)'(?=[\s\0]|\Z)""", re.DOTALL
)
