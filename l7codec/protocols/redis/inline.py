r"""Inline commands: a line of words, as typed by a person.

As redis-server reads them (`sdssplitargs`): words stand between blanks; `"…"` knows `\n \r \t \b \a \xHH`, and any
other character behind a backslash stands for itself; `'…'` knows only `\'`. A quote may open inside a word (`a"b c"`
is one word, `ab c`); behind a closing one comes a blank or the end of the line. Outside quotes a backslash is one.
"""

from __future__ import annotations

import re

__all__ = ["join_words", "split_words"]

_BLANKS = re.compile(rb"[ \t\n\r\v\f]*")
_PLAIN = re.compile(rb"[^ \t\n\r\"']*")  # form feeds and vertical tabs stand between words, yet do not end one
_DOUBLE_QUOTED = re.compile(rb'"((?:[^"\\]|\\.)*+)"(?=[ \t\n\r\v\f]|\Z)', re.DOTALL)
_SINGLE_QUOTED = re.compile(rb"'((?:[^'\\]|\\'|\\(?!'))*+)'(?=[ \t\n\r\v\f]|\Z)")
_ESCAPE = re.compile(rb"\\(?:x([0-9a-fA-F]{2})|(.))", re.DOTALL)
_ESCAPED = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"a": b"\a"}
_NEEDS_QUOTES = re.compile(rb"[^!#-&(-~]|\\")


def split_words(line: bytes) -> list[bytes] | None:
    """The words of a line; None where redis-server finds the quotes unbalanced."""
    words = []
    position = _blanks_end(line, 0)
    while position < len(line):
        plain = _PLAIN.match(line, position)
        assert plain is not None  # it matches the empty string, too
        word = plain[0]
        position = plain.end()
        quote = line[position : position + 1]
        if quote == b'"':
            quoted = _DOUBLE_QUOTED.match(line, position)
        elif quote == b"'":
            quoted = _SINGLE_QUOTED.match(line, position)
        else:
            words.append(word)
            position = _blanks_end(line, position)
            continue
        if quoted is None:
            return None
        text = quoted[1]
        word += _ESCAPE.sub(_unescape, text) if quote == b'"' else text.replace(b"\\'", b"'")
        words.append(word)
        position = _blanks_end(line, quoted.end())
    return words


def join_words(words: list[bytes]) -> bytes:
    """A line that `split_words` takes apart again."""
    return b" ".join(_quote(word) if not word or _NEEDS_QUOTES.search(word) else word for word in words)


def _blanks_end(line: bytes, position: int) -> int:
    blanks = _BLANKS.match(line, position)
    assert blanks is not None  # it matches the empty string, too
    return blanks.end()


def _unescape(escape: re.Match[bytes]) -> bytes:
    if escape[1]:
        return bytes.fromhex(escape[1].decode())
    return _ESCAPED.get(escape[2], escape[2])


def _quote(word: bytes) -> bytes:
    escaped = [b"\\x%02x" % byte if not 32 <= byte < 127 or byte in b'"\\' else bytes((byte,)) for byte in word]
    return b'"' + b"".join(escaped) + b'"'
