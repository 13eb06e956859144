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
            if not self._input:
                self._input = self._read(_INPUT)
            if self._inflate.eof:
                self._input = self._input.lstrip(b"\0")  # members may be padded to a block size
                if not self._input:
                    more = self._read(_INPUT)
                    if not more:
                        return b""
                    self._input = more
                    continue
                self._inflate = zlib.decompressobj(_WBITS_GZIP)
            elif not self._input:
                raise EOFError("the gzip file is cut short")
            data = self._inflate.decompress(self._input, size)
            self._input = self._inflate.unused_data if self._inflate.eof else self._inflate.unconsumed_tail
            if data:
                return data
