"""Values that hold no others: longs, dates, and what a class definition says."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from typing import Any, Final, Self


class JavaLong(int):
    """A Java long. An int in every respect; written, it stays a long."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"JavaLong({int(self)})"

    __str__ = int.__repr__


_EPOCH: Final = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MILLISECOND: Final = datetime.timedelta(milliseconds=1)


class Date:
    """A java.util.Date: `milliseconds` since 1970 in UTC, any that 64 bits hold; Python's own end at the year 9999."""

    __slots__ = ("milliseconds",)

    def __init__(self, milliseconds: int) -> None:
        self.milliseconds = milliseconds

    @classmethod
    def from_datetime(cls, moment: datetime.datetime) -> Self:
        """From a datetime with a time zone; what is finer than a millisecond is cut off, towards the past.

        Raises ValueError for a datetime without a time zone.
        """
        if moment.tzinfo is None:
            raise ValueError("a datetime without a time zone is no moment")
        return cls((moment - _EPOCH) // _MILLISECOND)

    def to_datetime(self) -> datetime.datetime:
        """In UTC. Raises OverflowError where Python has no such year."""
        return _EPOCH + self.milliseconds * _MILLISECOND

    def __eq__(self, other: object) -> bool:
        return self.milliseconds == other.milliseconds if isinstance(other, Date) else NotImplemented

    def __lt__(self, other: Date) -> bool:
        return self.milliseconds < other.milliseconds

    def __hash__(self) -> int:
        return hash((Date, self.milliseconds))

    def __repr__(self) -> str:
        return f"Date({self.milliseconds})"

    def to_plain(self) -> Any:
        """For JSON."""
        return {"$date": self.milliseconds}


class ClassDefinition:
    """A class as its definition in the bytes says: its name, and its fields' names in order.

    A name may be there twice: a private field, and another of the same name in a class above. Read-only.
    """

    __slots__ = ("_places", "fields", "name")

    def __init__(self, name: str, fields: Iterable[str]) -> None:
        self.name = name
        self.fields = tuple(fields)
        self._places: dict[str, int] | None = None

    @property
    def places(self) -> dict[str, int]:
        """Field name to place; of several, the last, which is the one that Java keeps."""
        places = self._places
        if places is None:
            places = self._places = {}
            for place, name in enumerate(self.fields):
                places[name] = place
        return places

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ClassDefinition):
            return NotImplemented
        return self.name == other.name and self.fields == other.fields

    def __hash__(self) -> int:
        return hash((self.name, self.fields))

    def __repr__(self) -> str:
        return f"ClassDefinition({self.name!r}, {self.fields!r})"
