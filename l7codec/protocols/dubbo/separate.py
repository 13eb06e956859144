"""What the serializations share whose values stand alone, one after the other, without tables across a body."""

from __future__ import annotations

from typing import Any

from ...errors import BodyError
from ...limits import Limits

__all__ = ["Separate"]


class Separate:
    """Where reading stands in a body."""

    __slots__ = ("_data", "_end", "_limits", "offset")

    references = 0
    """No value refers to another one."""

    def __init__(self, data: bytes, start: int, end: int, limits: Limits) -> None:
        self._data = data
        self._end = end
        self._limits = limits
        self.offset = start

    @property
    def at_end(self) -> bool:
        """Whether all has been read."""
        return self.offset >= self._end

    @staticmethod
    def _text(value: Any, start: int) -> str | None:
        if value is None or isinstance(value, str):
            return value
        raise BodyError("dubbo", start, "a string is due")
