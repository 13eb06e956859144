"""What can be wrong with a capture file.

A file that cannot be read at all, or is no capture, raises `CaptureError` when it is opened. A file that is damaged
somewhere inside raises nothing: all packets before the damage are delivered, and one `CaptureWarning` in the reader's
`warnings` says where and what.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import CaptureError

__all__ = ["CaptureError", "CaptureWarning"]


@dataclass(frozen=True, slots=True)
class CaptureWarning:
    """Something in the file is wrong, and reading went on without it or stopped there.

    `offset` counts bytes of the (decompressed) file; `frame` is the number of the last packet before it, 0 when there
    was none; `count` says how often the same reason came up (only its first place is kept).
    """

    path: str
    offset: int
    frame: int
    reason: str
    count: int = 1

    def __str__(self) -> str:
        times = f" ({self.count} times)" if self.count > 1 else ""
        return f"{self.path}: byte {self.offset}, after frame {self.frame}: {self.reason}{times}"
