"""Timing shared by all benchmarks: contestants take turns, round after round, and ratios are printed.

Figures of two runs must not be compared: other work on the machine changes both. Within one run, contestants alternate
round by round, so that what disturbs one disturbs the others; and what is counted is the time of this process alone. A
ratio is the median of the rounds' own ratios: a processor that changes its speed between two rounds changes none of
them, whereas the best time of each contestant may be of another speed. The times that are shown are the best ones.
The garbage collector runs, as it does in the programs that use the library.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterable
from statistics import median
from typing import Any, NamedTuple

ROUNDS = 15
ENOUGH = 4.0
LEAST_ROUNDS = 2
"""After so many seconds, and so many rounds, a case is not measured again."""


class Case(NamedTuple):
    """One piece of work, ours and theirs. All contestants return the same number or the same bytes: the tests look."""

    name: str
    ours: Callable[[], object]
    peers: dict[str, Callable[[], object]]
    units: int = 1
    """Messages (or whatever the figure is given for) in one call."""
    target: float | None = None
    """How many times the first peer's speed we claim."""
    targets: dict[str, float] = {}  # noqa: RUF012  a NamedTuple's default; nobody changes it
    """The same for peers by name."""

    def goals(self) -> dict[str, float]:
        """The claims, by peer; of those peers that are installed."""
        first = {} if self.target is None else dict.fromkeys(list(self.peers)[:1], self.target)
        return {**first, **{name: goal for name, goal in self.targets.items() if name in self.peers}}


class Result(NamedTuple):
    """Seconds for one unit, of each contestant, the best; and how many times faster ours is, the median."""

    case: Case
    ours: float
    peers: dict[str, float]
    ratios: dict[str, float]

    def ratio(self, peer: str) -> float:
        """How many times faster ours is."""
        return self.ratios[peer]

    def row(self) -> dict[str, Any]:
        """For JSON."""
        goals = self.case.goals()
        peers = [
            {
                "name": name,
                "microseconds": round(taken * 1e6, 4),
                "ratio": round(self.ratio(name), 3),
                "goal": goals.get(name),
                "met": None if name not in goals else self.ratio(name) >= goals[name],
            }
            for name, taken in self.peers.items()
        ]
        return {"name": self.case.name, "microseconds": round(self.ours * 1e6, 4), "peers": peers}


def measure(case: Case, rounds: int = ROUNDS, seconds: float = 0.02) -> Result:
    """`rounds`, each of about `seconds` for every contestant in turn."""
    contestants = {"": case.ours, **case.peers}
    loops = {name: _loops(function, seconds) for name, function in contestants.items()}
    taken: dict[str, list[float]] = {name: [] for name in contestants}
    started = time.process_time()
    gc.collect()
    gc.freeze()
    try:
        for number in range(rounds):
            if number >= LEAST_ROUNDS and time.process_time() - started > ENOUGH:
                break
            for name, function in contestants.items():
                taken[name].append(_time(function, loops[name]) / loops[name])
    finally:
        gc.unfreeze()
    ours = taken.pop("")
    peers = {name: min(theirs) / case.units for name, theirs in taken.items()}
    ratios = {name: median(one / own for one, own in zip(theirs, ours, strict=True)) for name, theirs in taken.items()}
    return Result(case, min(ours) / case.units, peers, ratios)


def _loops(function: Callable[[], object], seconds: float) -> int:
    loops = 1
    while True:
        taken = _time(function, loops)
        if taken >= seconds / 4:
            return max(1, round(loops * seconds / taken))
        loops *= 2 if taken * 10 > seconds / 4 else 10


def _time(function: Callable[[], object], loops: int) -> float:
    repeat = range(loops)
    started = time.process_time()
    for _ in repeat:
        function()
    return time.process_time() - started


def heading() -> str:
    """The table's first line."""
    return f"{'':50}{'µs':>9}   how many times faster than (its µs), goal"


def line(result: Result) -> str:
    """One row: microseconds a unit, and how many times faster than each peer."""
    goals = result.case.goals()
    peers = []
    for name, taken in result.peers.items():
        goal = f", goal ×{goals[name]:g}" if name in goals else ""
        peers.append(f"×{result.ratio(name):.2f} {name} ({taken * 1e6:.2f}){goal}")
    return f"{result.case.name:50}{result.ours * 1e6:9.2f}   {'; '.join(peers)}".rstrip()


MARKDOWN_HEADING = "| row | µs | times as fast as |\n| --- | ---: | --- |"


def markdown(result: Result) -> str:
    """The same as a row of a table in Markdown."""
    goals = result.case.goals()
    peers = [
        f"×{result.ratio(name):.2f} {name}" + (f", goal ×{goals[name]:g}" if name in goals else "")
        for name in result.peers
    ]
    return f"| `{result.case.name}` | {result.ours * 1e6:,.2f} | {'; '.join(peers)} |"


def missed(results: Iterable[Result]) -> list[str]:
    """The cases that did not reach their goal."""
    return [
        f"{result.case.name}: ×{result.ratio(peer):.2f} {peer}, goal ×{goal:g}"
        for result in results
        for peer, goal in result.case.goals().items()
        if result.ratio(peer) < goal
    ]
