"""How far reading has come, on standard error, where that is a terminal and the file long."""

from __future__ import annotations

import os
import sys
import time
from typing import Final, TextIO

from .text import safe, size

__all__ = ["Progress"]

_LONG: Final = 20_000_000  # bytes: about a second of work
_EVERY: Final = 0.2  # seconds


class Progress:
    """One line that is written over and over, and removed in the end."""

    def __init__(self, path: str, stream: TextIO | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._path = path
        self._total = _size(path)
        self._shown = False
        self._next = time.monotonic() + _EVERY
        self.wanted = self._stream.isatty() and (self._total is None or self._total > _LONG)
        """Whether anybody is to be told; then `update` is worth calling now and then."""

    def update(self, offset: int) -> None:
        """Reading has come to this offset."""
        now = time.monotonic()
        if not self.wanted or now < self._next:
            return
        self._next = now + _EVERY
        done = f"{min(offset / self._total, 1):4.0%} of {size(self._total)}" if self._total else size(offset)
        self._stream.write(f"\r\x1b[K{safe(self._path)}: {done}")
        self._stream.flush()
        self._shown = True

    def clear(self) -> None:
        """Leave the line as it was found."""
        if self._shown:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
            self._shown = False


def _size(path: str) -> int | None:
    """Bytes of the file; None where that says nothing about how much there is to read."""
    if path == "-":
        return None
    try:
        with open(path, "rb") as file:
            return None if file.read(2) == b"\x1f\x8b" else os.fstat(file.fileno()).st_size
    except OSError:
        return None
