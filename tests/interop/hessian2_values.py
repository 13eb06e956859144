"""Thousands of random values, the same in every run, of the kinds that a peer knows."""

from __future__ import annotations

import random
from typing import Any

from l7codec.hessian2 import Date, JavaList, JavaLong, JavaMap, JavaObject

ALPHABETS = ("abc XYZ 019", "éüß", "張三李四", "a張é😀")
WORDS = ("name", "id", "items", "note", "状态", "x")


class Values:
    """A source of values. `kinds`: of `null bool int long double string binary date list map object typed shared`."""

    def __init__(self, seed: int, kinds: str) -> None:
        self.random = random.Random(seed)
        self.kinds = kinds.split()
        self.leaves = [kind for kind in self.kinds if kind not in ("list", "map", "object", "typed", "shared")]
        self.made: list[Any] = []

    def some(self, count: int) -> list[Any]:
        """So many."""
        found = []
        for _ in range(count):
            self.made = []
            found.append(self.one(4))
        return found

    def one(self, depth: int) -> Any:
        """One, of at most so many levels."""
        kind = self.random.choice(self.kinds if depth else self.leaves)
        return getattr(self, kind)(depth)

    def null(self, depth: int) -> Any:
        return None

    def bool(self, depth: int) -> Any:
        return self.random.random() < 0.5

    def int(self, depth: int) -> Any:
        return self.random.randrange(-(1 << 31), 1 << 31) >> self.random.randrange(32)

    def long(self, depth: int) -> Any:
        return JavaLong(self.random.randrange(-(1 << 63), 1 << 63) >> self.random.randrange(64))

    def double(self, depth: int) -> Any:
        return self.random.choice(
            (self.random.uniform(-1e6, 1e6), self.random.randrange(-40_000, 40_000) / 8, self.random.random() * 1e-200)
        )

    def string(self, depth: int) -> Any:
        size = self.random.choice((0, 1, 5, 31, 32, 200, 1023, 1024, self.random.randrange(3000)))
        return "".join(self.random.choices(self.random.choice(ALPHABETS), k=size if depth < 2 else min(size, 40)))

    def binary(self, depth: int) -> Any:
        return self.random.randbytes(self.random.choice((0, 1, 15, 16, 300, 1023, 1024, 5000)))

    def date(self, depth: int) -> Any:
        unit = self.random.choice((1, 60_000))
        return Date(self.random.randrange(0, 4_000_000_000_000) // unit * unit)

    def list(self, depth: int) -> Any:
        return self._keep([self.one(depth - 1) for _ in range(self.random.choice((0, 1, 3, 7, 8, 12)))])

    def map(self, depth: int) -> Any:
        return self._keep({word: self.one(depth - 1) for word in self.random.sample(WORDS, self.random.randrange(5))})

    def object(self, depth: int) -> Any:
        fields = [(name, self.one(depth - 1)) for name in "abc"]
        return self._keep(JavaObject("org.example.hessian.Things$Thing", fields))

    def typed(self, depth: int) -> Any:
        if self.random.random() < 0.5:
            return self._keep(JavaList(self.list(depth), "java.util.LinkedList"))
        entries = self.map(depth).items()
        return self._keep(JavaMap(entries, "java.util.LinkedHashMap"))

    def shared(self, depth: int) -> Any:
        return self.random.choice(self.made) if self.made else None

    def _keep(self, value: Any) -> Any:
        self.made.append(value)
        return value
