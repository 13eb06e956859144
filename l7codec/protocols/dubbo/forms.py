"""The serializations that are read: one way to go through a body, whatever its values are written in."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, Protocol

from ...errors import BodyError
from ...hessian2 import Reader, Writer
from ...limits import Limits
from .jsonb import JsonbValues, write_jsonb
from .jsonlines import JsonLines, write_lines

__all__ = ["READ", "Values", "open_values", "texts", "write_values", "writer_after"]

READ = frozenset(("hessian2", "fastjson", "fastjson2", "gson"))
"""Every other serialization is opaque: framed, routed on what the header says, and forwarded."""


class Values(Protocol):
    """The values of one body, one after the other. Everything raises BodyError."""

    offset: int

    @property
    def at_end(self) -> bool:
        """Whether all has been read."""

    @property
    def references(self) -> int:
        """How many references to earlier values were met."""

    def string(self) -> str | None:
        """The next value, text or null."""

    def value(self) -> Any:
        """The next value."""

    def skip(self) -> None:
        """Go past the next value."""

    def integer(self) -> int | None:
        """The next value if it is an int; else None, and it stays."""


class _Hessian(Reader):
    """Hessian2, a value after the other; all share the tables."""

    __slots__ = ("_raw",)

    def __init__(self, data: bytes, start: int, end: int, limits: Limits) -> None:
        super().__init__(data, start, end, limits, "dubbo")
        self._raw = data

    def integer(self) -> int | None:
        """The next value if it is an int; else None, and it stays."""
        tag = self._raw[self.offset] if not self.at_end else 0
        if not (0x80 <= tag < 0xD8 or tag == 0x49):
            return None
        return int(self.value())


def texts(values: Values) -> list[tuple[Any, Any]] | None:
    """The entries of the map at hand if all of them are plain text, as attachments mostly are; else None.

    The last look at these values: it leaves them where they are, and the tables as they were. It takes a third of the
    time that reading the map does, `python -m benchmarks "dubbo.frame and metadata, a small request"`.
    """
    if not isinstance(values, _Hessian):
        return None
    data, text, end = values._raw, values.context.text, values.context.end
    position = values.offset
    if position >= end or data[position] != _MAP:
        return None
    position += 1
    found: list[str] = []
    append = found.append
    try:
        while (size := data[position]) != _END:
            if size < 0x20:
                position += 1
            elif 0x30 <= size < 0x34:
                size = (size - 0x30 << 8) + data[position + 1]
                position += 2
            else:
                return None
            item = text[position : position + size]
            if not item.isascii():
                return None
            append(item)
            position += size
    except IndexError:
        return None
    if position >= end or len(found) & 1:
        return None
    return list(zip(found[::2], found[1::2], strict=True))


_MAP: Final = 0x48
_END: Final = 0x5A


def open_values(serialization: str, data: bytes, start: int, end: int, limits: Limits) -> Values:
    """The values in `data` from `start` to `end`."""
    if serialization == "hessian2":
        return _Hessian(data, start, end, limits)
    if serialization == "fastjson2":
        return JsonbValues(data, start, end, limits)
    if serialization in READ:
        return JsonLines(data, start, end, limits)
    raise BodyError("dubbo", start, f"{serialization} is not decoded")


def write_values(serialization: str, values: Iterable[Any]) -> bytes:
    """The bytes of values at a body's beginning. Raises LocalProtocolError for what there is no form for."""
    return writer_after(serialization, None)(values)


def writer_after(serialization: str, values: Values | None) -> Callable[[Iterable[Any]], bytes]:
    """What writes values that are to stand where `values` now is: behind all that it has gone through."""
    if serialization == "fastjson2":
        return write_jsonb
    if serialization in ("fastjson", "gson"):
        return write_lines
    writer = Writer(values) if isinstance(values, _Hessian) else Writer()

    def write(several: Iterable[Any]) -> bytes:
        for value in several:
            writer.value(value)
        return writer.bytes()

    return write
