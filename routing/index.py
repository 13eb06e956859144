"""The compiled table: every rule filed where only messages that can match it will look.

Each rule is filed under one cover of its match (see `access`), the one least used by the others. Buckets are tuples in
rule order, so a scan stops at the first rule that could not win any more; what the bucket has not settled is checked by
the rule's own test. A bucket that stays large is split again by the next attribute. Rules without a cover (a bare
`not`) are residual and scanned last.

Two questions are asked of every bucket: `rest` is what is left to check when the value looked up was a scalar, `full`
is the whole match, for tuples of several elements, of which only some are known to fit. `full` is rare: it is the
specification itself, `Condition.holds`, which need not be compiled.

An index is never changed once built: `replaced` copies the few dictionaries on the way to the rule, so that a table in
use by another thread stays as it was.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from .access import EXACT, NETWORK, PREFIX, PRESENT, RANGE, SUFFIX, Atom, Cover, covers
from .addresses import Network, read_address
from .conditions import All, Condition, Test, walk
from .text import ascii_lower, read_integer
from .view import MISSING, View, normalise

__all__ = [
    "Entry",
    "Index",
    "build",
    "entry_of",
]

NOTHING: Final = 1 << 62  # the position after every rule
_SPLIT: Final = 16  # a bucket larger than this is split by another attribute if that helps
_DEEPEST: Final = 6
_FEW_LENGTHS: Final = 10  # more distinct prefix lengths than this are searched by bisection


class Entry(NamedTuple):
    """One rule in one bucket."""

    position: int
    rest: Test | None  # None: nothing is left to check
    full: Test
    remaining: Condition  # what `rest` tests


Bucket: TypeAlias = "tuple[Entry, ...] | Index"


def _scan(bucket: tuple[Entry, ...], view: View, best: int, full: bool) -> int:
    for entry in bucket:
        position = entry[0]
        if position >= best:
            return best
        test = entry[2] if full else entry[1]
        if test is None or test(view):
            return position
    return best


def _search(bucket: Bucket, view: View, best: int, full: bool) -> int:
    if type(bucket) is tuple:
        return _scan(bucket, view, best, full)
    return bucket.search(view, best, full)  # type: ignore[union-attr]


def _entries(bucket: Bucket) -> Iterator[Entry]:
    if isinstance(bucket, Index):
        yield from bucket.entries()
    else:
        yield from bucket


def _first(bucket: Bucket) -> int:
    return bucket.first if isinstance(bucket, Index) else bucket[0].position


class _Affixes:
    """Buckets under prefixes of a text (suffixes are prefixes of the reversed text)."""

    __slots__ = ("_order", "_parents", "buckets", "by_length", "lengths")

    def __init__(self, buckets: dict[str, Bucket]) -> None:
        self.buckets = buckets
        self.lengths = sorted({len(text) for text in buckets})
        self.by_length = len(self.lengths) <= _FEW_LENGTHS
        self._order: list[str] = []
        self._parents: list[int] = []
        if not self.by_length:
            self._arrange()

    def _arrange(self) -> None:
        """Sort; each prefix points to the longest other one that is a prefix of it.

        All prefixes of a text are the text's left neighbour in the order or ancestors of it, because prefixes nest.
        """
        self._order = sorted(self.buckets)
        open_ones: list[int] = []
        for number, text in enumerate(self._order):
            while open_ones and not text.startswith(self._order[open_ones[-1]]):
                open_ones.pop()
            self._parents.append(open_ones[-1] if open_ones else -1)
            open_ones.append(number)

    def search(self, text: str, view: View, best: int, full: bool) -> int:
        if self.by_length:
            buckets = self.buckets
            for length in self.lengths:
                bucket = buckets.get(text[:length])
                if bucket is not None and len(text) >= length:
                    best = _search(bucket, view, best, full)
            return best
        number = bisect_right(self._order, text) - 1
        while number >= 0:
            if text.startswith(self._order[number]):
                best = _search(self.buckets[self._order[number]], view, best, full)
            number = self._parents[number]
        return best


class _Texts:
    """Buckets for strings, folded or as they are."""

    __slots__ = ("exact", "prefixes", "suffixes")

    def __init__(self) -> None:
        self.exact: dict[str, Bucket] = {}
        self.prefixes: _Affixes | None = None
        self.suffixes: _Affixes | None = None

    def search(self, text: str, view: View, best: int, full: bool) -> int:
        bucket = self.exact.get(text)
        if bucket is not None:
            best = _search(bucket, view, best, full)
        if self.prefixes is not None:
            best = self.prefixes.search(text, view, best, full)
        if self.suffixes is not None:
            best = self.suffixes.search(text[::-1], view, best, full)
        return best

    def affixes(self) -> bool:
        return self.prefixes is not None or self.suffixes is not None


class _Ranges:
    """Buckets under integer ranges: a segment tree, so that nested ranges cost n log n, not n squared."""

    __slots__ = ("_cuts", "_nodes", "_size", "buckets")

    def __init__(self, buckets: dict[tuple[float, float], Bucket]) -> None:
        self.buckets = buckets
        bounds = {bound for start, end in buckets if start < end for bound in (start, end)}
        self._cuts = sorted(bounds)
        self._size = len(self._cuts) + 1
        self._nodes: dict[int, list[Bucket]] = {}
        for (start, end), bucket in buckets.items():
            if start < end:
                low = bisect_left(self._cuts, start) + 1 + self._size
                high = bisect_left(self._cuts, end) + 1 + self._size
                while low < high:
                    if low & 1:
                        self._nodes.setdefault(low, []).append(bucket)
                        low += 1
                    if high & 1:
                        high -= 1
                        self._nodes.setdefault(high, []).append(bucket)
                    low >>= 1
                    high >>= 1
        for held in self._nodes.values():
            held.sort(key=_first)

    def search(self, number: int, view: View, best: int, full: bool) -> int:
        node = bisect_right(self._cuts, number) + self._size
        nodes = self._nodes
        while node:
            for bucket in nodes.get(node, ()):
                if _first(bucket) >= best:
                    break
                best = _search(bucket, view, best, full)
            node >>= 1
        return best


class _Networks:
    """Buckets under networks: one dictionary for each prefix length in use."""

    __slots__ = ("_shifts", "buckets")

    def __init__(self, buckets: dict[Network, Bucket]) -> None:
        self.buckets = buckets
        self._shifts = sorted({(network.width, network.width - network.bits) for network in buckets})

    def search(self, text: str, view: View, best: int, full: bool) -> int:
        address = read_address(text)
        if address is None:
            return best
        for width, shift in self._shifts:
            value = address.v4 if width == 32 else address.v6
            if value is not None:
                bucket = self.buckets.get(Network(width, width - shift, value >> shift << shift))
                if bucket is not None:
                    best = _search(bucket, view, best, full)
        return best


class _KeyIndex:
    """Everything filed under one attribute."""

    __slots__ = ("booleans", "first", "folded", "integers", "name", "networks", "present", "ranges",
                 "texts")  # fmt: skip

    def __init__(self, name: str) -> None:
        self.name = name
        self.texts = _Texts()
        self.folded: _Texts | None = None
        self.integers: dict[int, Bucket] = {}
        self.booleans: dict[bool, Bucket] = {}
        self.ranges: _Ranges | None = None
        self.networks: _Networks | None = None
        self.present: Bucket | None = None
        self.first = NOTHING

    def settle(self) -> None:
        """Recompute what follows from the buckets."""
        self.first = min((_first(bucket) for _, bucket in self.buckets()), default=NOTHING)

    def short_prefixes(self) -> tuple[dict[str, Bucket], Sequence[int], bool]:
        """Prefixes by length, their lengths, and whether a string has to be looked up nowhere else."""
        prefixes = self.texts.prefixes
        others = (self.folded, self.ranges, self.networks, self.present, self.texts.suffixes)
        simple = all(other is None for other in others) and (prefixes is None or prefixes.by_length)
        return (prefixes.buckets, prefixes.lengths, simple) if prefixes is not None else ({}, (), simple)

    def _shelf(self, atom: Atom) -> dict[Any, Bucket]:
        """The buckets of atoms of this kind; a new dictionary where there are none yet."""
        kind, texts = atom.kind, self.folded if atom.folded else self.texts
        affixes: _Affixes | _Ranges | _Networks | None = None
        if kind == EXACT:
            if atom.type is int:
                return self.integers
            if atom.type is bool:
                return self.booleans
            return texts.exact if texts is not None else {}
        if kind == RANGE:
            affixes = self.ranges
        elif kind == NETWORK:
            affixes = self.networks
        elif texts is not None:
            affixes = texts.prefixes if kind == PREFIX else texts.suffixes
        return affixes.buckets if affixes is not None else {}

    @staticmethod
    def _label(atom: Atom) -> Any:
        return atom.value[::-1] if atom.kind == SUFFIX else atom.value

    def get(self, atom: Atom) -> Bucket | None:
        """The bucket of an atom."""
        return self.present if atom.kind == PRESENT else self._shelf(atom).get(self._label(atom))

    def put(self, changes: dict[Atom, Bucket | None]) -> None:
        """Set or (None) drop buckets, copying every dictionary that changes; `settle` afterwards."""
        shelves: dict[tuple[int, bool, Any], dict[Any, Bucket]] = {}
        for atom, bucket in changes.items():
            if atom.kind == PRESENT:
                self.present = bucket
                continue
            place = (atom.kind, atom.folded, atom.type if atom.kind == EXACT else None)
            if place not in shelves:
                shelves[place] = dict(self._shelf(atom))
            if bucket is None:
                shelves[place].pop(self._label(atom), None)
            else:
                shelves[place][self._label(atom)] = bucket
        for (kind, folded, of_type), shelf in shelves.items():
            self._set(kind, folded, of_type, shelf)

    def _set(self, kind: int, folded: bool, of_type: Any, shelf: dict[Any, Bucket]) -> None:
        if kind == RANGE:
            self.ranges = _Ranges(shelf) if shelf else None
        elif kind == NETWORK:
            self.networks = _Networks(shelf) if shelf else None
        elif of_type is int:
            self.integers = shelf
        elif of_type is bool:
            self.booleans = shelf
        else:
            old = self.folded if folded else self.texts
            texts = _Texts()
            if old is not None:
                texts.exact, texts.prefixes, texts.suffixes = old.exact, old.prefixes, old.suffixes
            if kind == EXACT:
                texts.exact = shelf
            elif kind == PREFIX:
                texts.prefixes = _Affixes(shelf) if shelf else None
            else:
                texts.suffixes = _Affixes(shelf) if shelf else None
            if not folded:
                self.texts = texts
            else:
                self.folded = texts if texts.exact or texts.affixes() else None

    def copy(self) -> _KeyIndex:
        twin = _KeyIndex(self.name)
        for slot in self.__slots__:
            setattr(twin, slot, getattr(self, slot))
        return twin

    def buckets(self) -> Iterator[tuple[Any, Bucket]]:
        """Every bucket, with its label."""
        for texts in (self.texts, self.folded):
            if texts is not None:
                yield from texts.exact.items()
                for affixes in (texts.prefixes, texts.suffixes):
                    if affixes is not None:
                        yield from affixes.buckets.items()
        yield from self.integers.items()
        yield from self.booleans.items()
        if self.ranges is not None:
            yield from self.ranges.buckets.items()
        if self.networks is not None:
            yield from self.networks.buckets.items()
        if self.present is not None:
            yield None, self.present

    def search(self, value: Any, view: View, best: int, full: bool) -> int:
        """The best position for one raw metadata value."""
        kind = type(value)
        if kind is not str and kind is not int and kind is not bool:
            value = normalise(value)
            if value is MISSING:
                return best
            kind = type(value)
            if kind is tuple and len(value) == 1:  # every quantifier means the same for one element
                value = value[0]
                kind = type(value)
        if self.present is not None:
            # Presence settles the same for any value, but what is settled besides it may not be: ask everything.
            best = _search(self.present, view, best, full or kind is tuple)
        if kind is tuple:
            for element in value:
                best = self._search_scalar(element, view, best, True)
            return best
        return self._search_scalar(value, view, best, full)

    def _search_scalar(self, value: Any, view: View, best: int, full: bool) -> int:
        kind = type(value)
        if kind is str:
            best = self.texts.search(value, view, best, full)
            if self.folded is not None:
                best = self.folded.search(ascii_lower(value), view, best, full)
            if self.networks is not None:
                best = self.networks.search(value, view, best, full)
            if self.ranges is not None:
                number = read_integer(value)
                if number is not None:
                    best = self.ranges.search(number, view, best, full)
        elif kind is int:
            bucket = self.integers.get(value)
            if bucket is not None:
                best = _search(bucket, view, best, full)
            if self.ranges is not None:
                best = self.ranges.search(value, view, best, full)
        elif kind is bool:
            bucket = self.booleans.get(value)
            if bucket is not None:
                best = _search(bucket, view, best, full)
        return best


class Index:
    """Buckets by attribute, and the rules no attribute can find."""

    __slots__ = ("_depth", "_keys", "_probes", "first", "residual")

    def __init__(self, keys: dict[str, _KeyIndex], residual: tuple[Entry, ...], depth: int) -> None:
        self._keys = keys
        self._depth = depth
        self.residual = residual
        ordered = sorted(keys.values(), key=lambda key_index: key_index.first)
        self._probes = tuple(
            (key_index.first, key_index.name, key_index.texts.exact, *key_index.short_prefixes(), key_index)
            for key_index in ordered
            if key_index.first < NOTHING
        )
        firsts = [probe[0] for probe in self._probes] + [entry.position for entry in residual[:1]]
        self.first = min(firsts, default=NOTHING)

    def search(self, view: View, best: int, full: bool) -> int:
        """The position of the first matching rule if it is before `best`, else `best`."""
        for first, name, exact, prefixes, lengths, simple, key_index in self._probes:
            if first >= best:
                break
            value = view.get(name)
            if simple and type(value) is str:  # the commonest case, kept free of calls
                bucket = exact.get(value)
                if bucket is not None:
                    if type(bucket) is tuple:
                        for entry in bucket:
                            position = entry[0]
                            if position >= best:
                                break
                            test = entry[2] if full else entry[1]
                            if test is None or test(view):
                                best = position
                                break
                    else:
                        best = bucket.search(view, best, full)  # type: ignore[union-attr]
                for length in lengths:
                    bucket = prefixes.get(value[:length])
                    if bucket is not None and len(value) >= length:
                        best = _search(bucket, view, best, full)
            elif value is not None:
                best = key_index.search(value, view, best, full)
        if self.residual:
            return _scan(self.residual, view, best, full)
        return best

    def entries(self) -> Iterator[Entry]:
        """Every entry; a rule filed under several atoms comes as often."""
        yield from self.residual
        for key_index in self._keys.values():
            for _, bucket in key_index.buckets():
                yield from _entries(bucket)

    def replaced(self, position: int, old: Condition, new: Entry | None) -> Index:
        """This index with the rule at `position`, whose condition here was `old`, taken out and `new` filed instead."""
        return self._without(position, old)._with(new) if new is not None else self._without(position, old)

    def _without(self, position: int, old: Condition) -> Index:
        changes: dict[str, dict[Atom, Bucket | None]] = {}
        for atom in {atom for part in walk([old]) for cover in covers(part) for atom in cover.atoms}:
            key_index = self._keys.get(atom.name)
            bucket = key_index.get(atom) if key_index is not None else None
            if bucket is None:
                continue
            left: Bucket | None
            if isinstance(bucket, Index):
                # The nested index filed what this one had left to check: its atoms are among those of the match, too.
                left = bucket._without(position, old)
                left = left if left.first < NOTHING else None
            else:
                left = tuple(entry for entry in bucket if entry.position != position) or None
            changes.setdefault(atom.name, {})[atom] = left
        residual = tuple(entry for entry in self.residual if entry.position != position)
        return self._changed(changes, residual)

    def _with(self, entry: Entry) -> Index:
        cover = self._cheapest(covers(entry.remaining))
        if cover is None:
            residual = list(self.residual)
            insort(residual, _compiled(entry, entry.remaining), key=lambda held: held.position)
            return self._changed({}, tuple(residual))
        filed = _filed(entry, cover)
        changes: dict[str, dict[Atom, Bucket | None]] = {}
        for atom in cover.atoms:
            key_index = self._keys.get(atom.name)
            bucket = key_index.get(atom) if key_index is not None else None
            if isinstance(bucket, Index):
                grown: Bucket = bucket._with(filed)
            else:
                held = list(bucket or ())
                insort(held, filed, key=lambda one: one.position)
                grown = _bucket(held, self._depth)
            changes.setdefault(atom.name, {})[atom] = grown
        return self._changed(changes, self.residual)

    def _cheapest(self, choices: list[Cover]) -> Cover | None:
        def cost(cover: Cover) -> tuple[int, int]:
            held = 0
            for atom in cover.atoms:
                key_index = self._keys.get(atom.name)
                bucket = key_index.get(atom) if key_index is not None else None
                held += 0 if bucket is None else len(bucket) if isinstance(bucket, tuple) else _SPLIT
            return held, max(atom.kind for atom in cover.atoms)

        return min(choices, key=cost, default=None)

    def _changed(self, changes: dict[str, dict[Atom, Bucket | None]], residual: tuple[Entry, ...]) -> Index:
        keys = dict(self._keys)
        for name, atoms in changes.items():
            key_index = keys[name].copy() if name in keys else _KeyIndex(name)
            key_index.put(atoms)
            key_index.settle()
            keys[name] = key_index
        return Index(keys, residual, self._depth)


_NOTHING_LEFT: Final = All(())


def _without_part(condition: Condition, part: Condition) -> Condition:
    """The condition less one of its conjuncts, this very object."""
    if condition is part:
        return _NOTHING_LEFT
    if type(condition) is All:
        for number, inner in enumerate(condition.parts):
            rest = _without_part(inner, part)
            if rest is not inner:
                kept = () if rest is _NOTHING_LEFT else (rest,)
                left = (*condition.parts[:number], *kept, *condition.parts[number + 1 :])
                return left[0] if len(left) == 1 else All(left) if left else _NOTHING_LEFT
    return condition


def _filed(entry: Entry, cover: Cover) -> Entry:
    """The entry as it stands in the buckets of a cover: what the cover settles need not be checked again."""
    settled = cover.settled
    remaining = entry.remaining if settled is None else _without_part(entry.remaining, settled)
    return _compiled(entry, remaining)


def _compiled(entry: Entry, remaining: Condition) -> Entry:
    if remaining is entry.remaining and entry.rest is not None:
        return entry
    return Entry(entry.position, None if remaining == _NOTHING_LEFT else remaining.test(), entry.full, remaining)


def _bucket(entries: list[Entry], depth: int) -> Bucket:
    """A bucket in rule order, split by another attribute if it is large and that leaves less to scan."""
    if len(entries) <= _SPLIT or depth >= _DEEPEST:
        return tuple(entries)
    index = build(entries, depth + 1)
    return index if _longest(index) <= len(entries) // 2 else tuple(entries)


def _longest(index: Index) -> int:
    sizes = (
        _longest(bucket) if isinstance(bucket, Index) else len(bucket)
        for key_index in index._keys.values()
        for _, bucket in key_index.buckets()
    )
    return max([len(index.residual), *sizes])


def _chosen(choices: list[Cover], weight: Callable[[Atom], int]) -> Cover | None:
    return min(
        choices,
        key=lambda cover: (sum(map(weight, cover.atoms)), max(atom.kind for atom in cover.atoms), len(cover.atoms)),
        default=None,
    )


def build(entries: Iterable[Entry], depth: int = 0) -> Index:
    """File entries, given in rule order."""
    found = [(entry, covers(entry.remaining)) for entry in entries]
    uses: Counter[Atom] = Counter()
    ranges: Counter[str] = Counter()
    for _, choices in found:
        for cover in choices:
            uses.update(cover.atoms)
            ranges.update(atom.name for atom in cover.atoms if atom.kind == RANGE)

    def weight(atom: Atom) -> int:
        # Ranges overlap without being equal: take an eighth of them to be met by one value.
        return uses[atom] + (ranges[atom.name] >> 3 if atom.kind == RANGE else 0)

    buckets: dict[str, dict[Atom, list[Entry]]] = {}
    residual: list[Entry] = []
    for entry, choices in found:
        chosen = _chosen(choices, weight)
        if chosen is None:
            residual.append(_compiled(entry, entry.remaining))
            continue
        filed = _filed(entry, chosen)
        for atom in chosen.atoms:
            buckets.setdefault(atom.name, {}).setdefault(atom, []).append(filed)
    keys: dict[str, _KeyIndex] = {}
    for name, atoms in buckets.items():
        key_index = _KeyIndex(name)
        key_index.put({atom: _bucket(held, depth) for atom, held in atoms.items()})
        key_index.settle()
        keys[name] = key_index
    return Index(keys, tuple(residual), depth)


def entry_of(position: int, match: Condition) -> Entry:
    """A rule before it is filed anywhere."""
    return Entry(position, None, match.holds, match)
