"""Timing shared by all benchmarks: contestants take turns, the best of many rounds counts, ratios are printed.

Figures of two runs must not be compared: other work on the machine changes both. Within one run, contestants alternate
round by round, so that what disturbs one disturbs the others.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple


class Case(NamedTuple):
    """One piece of work, ours and theirs."""

    name: str
    ours: Callable[[], object]
    peers: dict[str, Callable[[], object]]
    units: int = 1
    """Messages (or whatever the figure is given for) in one call."""
    target: float | None = None
    """How many times the first peer's speed we claim."""


class Result(NamedTuple):
    """Seconds for one unit, of each contestant."""

    case: Case
    ours: float
    peers: dict[str, float]

    def ratio(self, peer: str) -> float:
        """How many times faster ours is."""
        return self.peers[peer] / self.ours


def measure(case: Case, rounds: int = 7, seconds: float = 0.03) -> Result:
    """Best of `rounds`, each of about `seconds` for every contestant in turn."""
    contestants = {"": case.ours, **case.peers}
    loops = {name: _loops(function, seconds) for name, function in contestants.items()}
    best = dict.fromkeys(contestants, float("inf"))
    enabled = gc.isenabled()
    gc.disable()
    try:
        for _ in range(rounds):
            for name, function in contestants.items():
                best[name] = min(best[name], _time(function, loops[name]) / loops[name])
    finally:
        if enabled:
            gc.enable()
    ours = best.pop("") / case.units
    return Result(case, ours, {name: taken / case.units for name, taken in best.items()})


def _loops(function: Callable[[], object], seconds: float) -> int:
    loops = 1
    while True:
        taken = _time(function, loops)
        if taken >= seconds / 4:
            return max(1, round(loops * seconds / taken))
        loops *= 2 if taken * 10 > seconds / 4 else 10


def _time(function: Callable[[], object], loops: int) -> float:
    repeat = range(loops)
    started = time.perf_counter()
    for _ in repeat:
        function()
    return time.perf_counter() - started


def table(cases: Iterable[Case], rounds: int = 7) -> list[Result]:
    """Measure and print: microseconds a unit, and how many times faster than each peer. Returns the results."""
    results = []
    print(f"{'':44}{'µs':>10}")
    for case in cases:
        result = measure(case, rounds)
        results.append(result)
        peers = "".join(
            f"   ×{result.ratio(name):<6.2f}{name} ({taken * 1e6:.2f})" for name, taken in result.peers.items()
        )
        wanted = "" if case.target is None else f"   wanted ×{case.target:g}"
        print(f"{case.name:44}{result.ours * 1e6:10.2f}{peers}{wanted}", flush=True)
    return results


def missed(results: Iterable[Result]) -> list[str]:
    """The cases that did not reach their target."""
    return [
        f"{result.case.name}: ×{result.ratio(peer):.2f} {peer}, wanted ×{result.case.target:g}"
        for result in results
        if result.case.target is not None
        for peer in list(result.peers)[:1]
        if result.ratio(peer) < result.case.target
    ]
