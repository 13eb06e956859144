"""A window that slides over the bytes of a file.

    file     ......................................................
    window              [---------------------------]
                        ^ base       ^ base + position

Readers work with offsets inside `window`, which is immutable `bytes` and small enough to stay in a processor cache:
slices of it cost no more than slices of a memory map, and memory stays flat however long the file is. Nothing here
opens anything: bytes come from a `read(n)` function.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from .errors import CaptureError, CaptureWarning

__all__ = ["CHUNK", "Source"]

CHUNK: Final = 1 << 16
"""Bytes asked for at a time; 64 KiB measured fastest (larger windows fall out of the L2 cache)."""

MAX_WARNINGS: Final = 100
"""Kinds of warnings kept for a file; there are fewer than that, but some quote a number from the file."""


class Source:
    """The bytes of one capture file, and what was found wrong with it."""

    __slots__ = ("_close", "_ended", "_read", "base", "name", "position", "warnings", "window")

    def __init__(self, name: str, read: Callable[[int], bytes], close: Callable[[], None]) -> None:
        """`close` is called once or more often: at the end of the file, or when nobody reads on."""
        self.name = name
        self.window = b""
        self.position = 0
        self.base = 0
        self.warnings: list[CaptureWarning] = []
        self._read = read
        self._close = close
        self._ended = False

    @property
    def offset(self) -> int:
        """Where in the file reading stands."""
        return self.base + self.position

    @property
    def remaining(self) -> int:
        """Bytes in the window from the position on."""
        return len(self.window) - self.position

    def ensure(self, need: int) -> bool:
        """Make `need` bytes available from the position on; False when the file ends before.

        The window may be replaced, and then starts at the position.
        """
        have = len(self.window) - self.position
        if have >= need:
            return True
        parts = [self.window[self.position :]]
        while have < need and not self._ended:
            # A pipe gives what it has: parts are joined once, so that a big block stays linear.
            data = self._next(max(CHUNK, need - have))
            parts.append(data)
            have += len(data)
        self.base += self.position
        self.position = 0
        self.window = b"".join(parts)
        return have >= need

    def _next(self, size: int) -> bytes:
        try:
            data = self._read(size)
        except (OSError, EOFError, zlib.error) as error:
            # What came before stays good: the packets in it are delivered, and this is said once.
            self.warn(0, f"reading failed: {error}", self.base + len(self.window))
            data = b""
        if not data:
            self._ended = True
            self._close()
        return data

    def close(self) -> None:
        """Nothing more is read; the window is empty."""
        self.base = self.offset
        self.position = 0
        self.window = b""
        self._ended = True
        self._close()

    def warn(self, frame: int, reason: str, offset: int | None = None) -> None:
        """Note that something is wrong at `offset` (default: here); a reason that is known already is only counted."""
        for index, known in enumerate(self.warnings):
            if known.reason == reason:
                self.warnings[index] = replace(known, count=known.count + 1)
                return
        if len(self.warnings) < MAX_WARNINGS:
            self.warnings.append(CaptureWarning(self.name, self.offset if offset is None else offset, frame, reason))

    def stop(self, frame: int, reason: str) -> None:
        """Note the damage at the position, and read no further."""
        self.warn(frame, reason)
        self.close()

    def refuse(self, reason: str) -> CaptureError:
        """The error that says that this is no file we can read; closes it."""
        self._close()
        return CaptureError(self.name, self.offset, reason)
