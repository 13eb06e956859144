"""The one module of `capture` that touches files: it opens, and hands a `read(n)` function to the others."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Final, TypeAlias, cast

from .errors import CaptureError
from .gunzip import MAGIC as GZIP
from .gunzip import Gunzip
from .source import CHUNK, Source

__all__ = ["CapturePath", "open_source"]

CapturePath: TypeAlias = str | Path | BinaryIO
"""A path, "-" for standard input, or an open binary file."""

_FOREIGN: Final = {
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\xfd7zXZ\0": "xz",
    b"BZh": "bzip2",
    b"\x04\x22\x4d\x18": "lz4",
    b"PK\x03\x04": "zip",
}
_LONGEST_MAGIC: Final = 6


def open_source(path: CapturePath) -> Source:
    """Open a capture for reading; gzip is recognised by its magic bytes, whatever the name.

    The source closes the file; a file object given by the caller, and standard input, stay open. Raises CaptureError
    when the file cannot be opened or its first bytes cannot be read.
    """
    file, name, close = _open(path)
    try:
        head = file.read(CHUNK)
        while 0 < len(head) < _LONGEST_MAGIC and (more := file.read(CHUNK)):  # a pipe may give a byte at a time
            head += more
    except OSError as error:
        close()
        raise CaptureError(name, 0, error.strerror or str(error)) from error
    for magic, kind in _FOREIGN.items():
        if head.startswith(magic):
            close()
            raise CaptureError(name, 0, f"compressed with {kind}: decompress it first")
    read = _after(head, file.read)
    if head.startswith(GZIP):
        read = Gunzip(read).read
    return Source(name, read, close)


def _open(path: CapturePath) -> tuple[BinaryIO, str, Callable[[], None]]:
    if path == "-":
        return _live(sys.stdin.buffer), "standard input", _nothing
    if isinstance(path, (str, Path)):
        try:
            file = Path(path).open("rb", buffering=0)  # noqa: SIM115 - the reader closes it
        except (OSError, ValueError) as error:  # ValueError: a name with a NUL in it
            raise CaptureError(str(path), 0, getattr(error, "strerror", None) or str(error)) from error
        return cast(BinaryIO, file), str(path), file.close
    name: object = getattr(path, "name", None)
    return path, name if isinstance(name, str) else "file object", _nothing


def _nothing() -> None:
    """Leave the caller's file open."""


def _after(head: bytes, rest: Callable[[int], bytes]) -> Callable[[int], bytes]:
    """`read(n)` that gives `head` first: a pipe cannot be rewound."""

    def read(size: int) -> bytes:
        nonlocal head
        if head:
            data, head = head[:size], head[size:]
            return data
        return rest(size)

    return read


def _live(file: BinaryIO) -> BinaryIO:
    """What lies under a buffered file: that one gives what there is, instead of waiting until a read is complete."""
    raw: BinaryIO = getattr(file, "raw", file)
    return raw
