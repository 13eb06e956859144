"""gzip, RFC 1952 (https://www.rfc-editor.org/rfc/rfc1952): members one after another, decompressed as they are read.

    +------+------+----+-----+-------+-----+----+ optional +============+-------+-------+
    | 0x1f | 0x8b | CM | FLG | MTIME | XFL | OS |  fields  |  deflate   | CRC32 | ISIZE |  next member ...
    +------+------+----+-----+-------+-----+----+          +============+-------+-------+

The output of one read is bounded, so a small file that expands a million times costs time, never memory.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Final

__all__ = ["MAGIC", "Gunzip"]

MAGIC: Final = b"\x1f\x8b"
_WBITS_GZIP: Final = 31
_INPUT: Final = 1 << 16


class Gunzip:
    """A `read(n)` over another one that gives gzip."""

    __slots__ = ("_inflate", "_input", "_read")

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read
        self._inflate = zlib.decompressobj(_WBITS_GZIP)
        self._input = b""

    def read(self, size: int) -> bytes:
        """Up to `size` bytes, b"" at the end; EOFError when it stops inside a member, zlib.error when it is damaged."""
        while True:
            data = self._input or self._read(_INPUT)
            if not data:
                if self._inflate.eof:
                    return b""
                raise EOFError("the gzip file is cut short")
            if self._inflate.eof:
                self._input = data.lstrip(b"\0")  # members may be padded to a block size
                if self._input:
                    self._inflate = zlib.decompressobj(_WBITS_GZIP)
                continue
            found = self._inflate.decompress(data, size)
            self._input = self._inflate.unconsumed_tail or self._inflate.unused_data  # the latter behind a member
            if found:
                return found
