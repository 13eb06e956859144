"""Records: what a `records` field holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = ["Records"]


class Records(Sequence[Any]):
    """The record batches of one partition, as bytes."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data

    def __len__(self) -> int:
        return 0

    def __getitem__(self, index: Any) -> Any:
        raise IndexError(index)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Records) and self.data == other.data

    __hash__ = None  # type: ignore[assignment]

    def to_plain(self) -> Any:
        return self.data
