"""Bodies of JSON text, a value a line: what `fastjson` and `gson` write.

A line ends as Java's `BufferedReader.readLine` has it: LF, CR, or CR LF; the last one may lack it. The text is strict
JSON here; fastjson's reader also takes unquoted names and single quotes, which its writer never sends: an error, since
who cannot be read must not be routed on half a metadata.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any, Final

from ...errors import BodyError, LocalProtocolError
from .separate import Separate

__all__ = ["JsonLines", "write_lines"]

_LINE_END: Final = re.compile(rb"\r\n|\n|\r")
_STRING: Final = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_BRACKET: Final = re.compile(r"[\[\]{}]")
_INTEGER: Final = re.compile(rb"-?[0-9]{1,10}")


class JsonLines(Separate):
    """The values of one body, one after the other."""

    __slots__ = ()

    def _line(self) -> tuple[int, int]:
        """Where the line at hand ends, and where the next begins."""
        if self.at_end:
            raise BodyError("dubbo", self._end, "the body ends before the value")
        found = _LINE_END.search(self._data, self.offset, self._end)
        return (self._end, self._end) if found is None else found.span()

    def skip(self) -> None:
        """Go past the next value."""
        self.offset = self._line()[1]

    def value(self) -> Any:
        """Read the next value. Raises BodyError."""
        end, after = self._line()
        start = self.offset
        text = self._data[start:end].decode("utf-8", "surrogateescape")
        if _deeper(text, self._limits.depth):
            raise BodyError("dubbo", start, f"JSON more than {self._limits.depth} levels deep")
        try:
            value = json.loads(text)
        except ValueError as error:  # a number of thousands of digits, too
            raise BodyError("dubbo", start, f"no JSON: {error}") from None
        self.offset = after
        return value

    def string(self) -> str | None:
        """Read the next value, which must be text or null."""
        start = self.offset
        return self._text(self.value(), start)

    def integer(self) -> int | None:
        """Read the next value if it is a small int; else None, and it stays."""
        if self.at_end:
            return None
        end, after = self._line()
        if _INTEGER.fullmatch(self._data, self.offset, end) is None:
            return None
        value = int(self._data[self.offset : end])
        self.offset = after
        return value


def _deeper(text: str, depth: int) -> bool:
    """Whether brackets are nested deeper than that: the standard library's reader recurses."""
    if text.count("[") + text.count("{") <= depth:
        return False
    level = 0
    for bracket in _BRACKET.findall(_STRING.sub("", text)):
        level += 1 if bracket in "[{" else -1
        if level > depth:
            return True
    return False


def write_lines(values: Iterable[Any]) -> bytes:
    """Values as lines. Raises LocalProtocolError for what JSON has no form for."""
    lines = []
    for value in values:
        try:
            text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
            try:
                line = text.encode("utf-8", "surrogateescape")
            except UnicodeEncodeError:  # a lone surrogate
                line = json.dumps(value, separators=(",", ":")).encode("ascii")
        except (TypeError, ValueError, RecursionError) as error:
            raise LocalProtocolError("dubbo", 0, f"a value that JSON cannot hold: {error}") from None
        lines.append(line + b"\n")
    return b"".join(lines)
