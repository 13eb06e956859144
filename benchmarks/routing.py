"""What a decision costs, against the linear table, a hand-written chain of ifs, and itself at other sizes.

Run as ``python -m benchmarks.routing``. Every ratio is of two numbers from this run; absolute numbers are for
orientation only. Random choices are seeded, answers are compared before anything is timed.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import routing
from routing.conditions import ALWAYS
from routing.regex import available
from routing.rules import Destination, Route

Row = tuple[str, float, str, str]  # what, figure, unit, what it should be
Metadata = dict[str, Any]


def exact_and_prefix(count: int) -> tuple[dict[str, Any], list[Metadata]]:
    """Rules on an exact service, or an exact service and method, or a service prefix; messages that hit them."""
    rnd = random.Random(1)
    routes: list[dict[str, Any]] = []
    messages: list[Metadata] = []
    for number in range(count):
        kind = number % 3
        service = f"com.acme.s{rnd.randrange(10**6):06}"
        match: dict[str, Any] = {"service": service}
        if kind == 1:
            match["method"] = f"m{rnd.randrange(20)}"
        elif kind == 2:
            match = {"service": {"prefix": f"{service}."}}
        routes.append({"name": str(number), "match": {"attributes": match}, "destinations": [{"host": f"c{number}"}]})
        if len(messages) < 2000:
            method = match.get("method", "get")
            messages.append({"service": f"{service}.x" if kind == 2 else service, "method": method})
    return {"routes": routes}, messages


def mixed(count: int) -> tuple[dict[str, Any], list[Metadata]]:
    """40 % exact pairs, 30 % prefixes with a header, 20 % regular expressions, 10 % ranges."""
    rnd = random.Random(2)
    routes = []
    for number in range(count):
        kind = rnd.random()
        match: dict[str, Any]
        if kind < 0.4:
            match = {"service": f"com.acme.S{number % max(1, count // 3)}", "method": f"m{rnd.randrange(50)}"}
        elif kind < 0.7:
            match = {"service": {"prefix": f"org.p{rnd.randrange(count)}."}, "header.tier": rnd.choice("abc")}
        elif kind < 0.9 and available():
            match = {"service": {"regex": f"net\\.r{number}\\.[a-z]+"}}
        else:
            start = rnd.randrange(10**6)
            match = {"header.user": {"range": {"start": start, "end": start + rnd.randrange(1, 50)}}}
        routes.append({"name": str(number), "match": {"attributes": match}, "destinations": [{"host": f"c{number}"}]})
    messages = []
    for _ in range(2000):
        message: Metadata = {"method": f"m{rnd.randrange(50)}", "header.tier": rnd.choice("abcd")}
        number = rnd.randrange(count)
        message["service"] = rnd.choice(
            [f"com.acme.S{number % max(1, count // 3)}", f"org.p{number}.x", f"net.r{number}.abc", "none"]
        )
        if rnd.random() < 0.5:
            message["header.user"] = str(rnd.randrange(10**6))
        messages.append(message)
    return {"routes": routes}, messages


def chain_document() -> tuple[dict[str, Any], list[Metadata]]:
    """Ten rules such as people write by hand."""
    spelled: list[dict[str, Any]] = [
        {"service": "orders", "method": {"prefix": "get"}},
        {"service": "orders", "method": {"prefix": "list"}},
        {"service": "orders"},
        {"service": "users", "header.tier": "gold"},
        {"service": "users", "header.tier": "silver"},
        {"service": "users", "method": "login"},
        {"service": "users"},
        {"service": {"prefix": "internal."}, "method": "health"},
        {"service": {"prefix": "internal."}},
        {},
    ]
    routes = [
        {"name": f"r{number}", "match": {"attributes": match}, "destinations": [{"host": f"c{number}"}]}
        for number, match in enumerate(spelled)
    ]
    rnd = random.Random(3)
    messages = [
        {
            "service": rnd.choice(["orders", "users", "internal.a", "other"]),
            "method": rnd.choice(["getOne", "listAll", "login", "health", "put"]),
            "header.tier": rnd.choice(["gold", "silver", "none"]),
        }
        for _ in range(2000)
    ]
    return {"routes": routes}, messages


def chain(metadata: Metadata, hosts: list[Destination]) -> Destination:
    """The same ten rules as a person would write them in Python."""
    service = metadata.get("service", "")
    method = metadata.get("method", "")
    if service == "orders" and method.startswith("get"):
        return hosts[0]
    if service == "orders" and method.startswith("list"):
        return hosts[1]
    if service == "orders":
        return hosts[2]
    if service == "users" and metadata.get("header.tier") == "gold":
        return hosts[3]
    if service == "users" and metadata.get("header.tier") == "silver":
        return hosts[4]
    if service == "users" and method == "login":
        return hosts[5]
    if service == "users":
        return hosts[6]
    if service.startswith("internal.") and method == "health":
        return hosts[7]
    if service.startswith("internal."):
        return hosts[8]
    return hosts[9]


def timed(*works: tuple[Callable[[Any], Any], list[Any]], repeat: int = 9) -> list[float]:
    """Microseconds an item for each work, the best of several passes, the works taking turns.

    Taking turns and keeping the best is what makes ratios hold on a machine that is shared.
    """
    best = [float("inf")] * len(works)
    for _ in range(repeat):
        for number, (work, items) in enumerate(works):
            start = time.perf_counter()
            for item in items:
                work(item)
            best[number] = min(best[number], (time.perf_counter() - start) / len(items) * 1e6)
    return best


def linear(table: routing.RouteTable) -> Callable[[Metadata], int | None]:
    """Every rule in order, each as the fastest function it has: what a table without an index would do."""
    tests = [route.match.test() if route.match != ALWAYS else None for route in table.routes]

    def match(metadata: Metadata) -> int | None:
        for position, test in enumerate(tests):
            if test is None or test(metadata):
                return position
        return None

    return match


def agree(table: routing.RouteTable, other: Callable[[Metadata], int | None], messages: Iterable[Metadata]) -> None:
    for message in messages:
        decision = table.match(message)
        if (None if decision is None else decision.index) != other(message):
            raise AssertionError(f"the table and the linear one differ on {message}")


def sizes() -> Iterator[Row]:
    """Exact and prefix rules: the cost does not grow with the table."""
    counts = (10, 1000, 100_000)
    works = []
    for count in counts:
        document, messages = exact_and_prefix(count)
        table = routing.load(document)
        agree(table, linear(table), messages[:20])
        works.append((table.match, (messages * (2000 // len(messages) + 1))[:2000]))
    costs = timed(*works, repeat=25)
    for count, cost in zip(counts, costs, strict=True):
        yield f"exact and prefix, {count:,} rules", cost, "µs", ""
    yield "exact and prefix, 100,000 rules : 10 rules", costs[-1] / costs[0], "×", "at most 2"


def mixtures() -> Iterator[Row]:
    """Mixed rules against linear evaluation, and building."""
    for count in (1000, 100_000):
        document, messages = mixed(count)
        start = time.perf_counter()
        table = routing.load(document)
        built = time.perf_counter() - start
        slow = linear(table)
        agree(table, slow, messages[:20])
        fast_cost, slow_cost = timed((table.match, messages), (slow, messages[: max(20, 20_000 // count)]), repeat=3)
        yield f"mixed, {count:,} rules: index", fast_cost, "µs", ""
        yield f"mixed, {count:,} rules: linear", slow_cost, "µs", ""
        yield (
            f"mixed, {count:,} rules: linear : index",
            slow_cost / fast_cost,
            "×",
            "at least 200" if count > 1000 else "",
        )
    yield "mixed, 100,000 rules: load", built, "s", "under 10"
    old = table.routes[count // 2]
    route = Route(old.name, table.routes[7].match, old.destinations)
    start = time.perf_counter()
    table.replace(count // 2, route)
    replaced = time.perf_counter() - start
    yield "mixed, 100,000 rules: replace one", replaced * 1000, "ms", ""
    yield "mixed, 100,000 rules: load : replace", built / replaced, "×", ""


def by_hand() -> Iterator[Row]:
    """Ten rules against ifs: until the index is known, and until the destination is."""
    document, messages = chain_document()
    table = routing.load(document)
    hosts = [route.destinations[0] for route in table.routes]

    def decide(metadata: Metadata) -> Destination | None:
        decision = table.match(metadata)
        return None if decision is None else decision.destination

    for message in messages:
        if decide(message) is not chain(message, hosts):
            raise AssertionError(f"the table and the chain differ on {message}")
    bare, cost, whole = timed(
        (lambda metadata: chain(metadata, hosts), messages), (table.match, messages), (decide, messages), repeat=25
    )
    yield "ten rules: hand-written ifs", bare, "µs", ""
    yield "ten rules: match", cost, "µs", ""
    yield "ten rules: match : ifs", cost / bare, "×", "at most 3"
    yield "ten rules: match and destination : ifs", whole / bare, "×", ""


def checking() -> Iterator[Row]:
    """The exact analysis of a table without findings."""
    document, _ = exact_and_prefix(3000)
    table = routing.load(document)
    start = time.perf_counter()
    table.check()
    yield "check of 3,000 rules", time.perf_counter() - start, "s", ""


def cases() -> list[Callable[[], Iterator[Row]]]:
    """Every benchmark of this file."""
    return [by_hand, sizes, mixtures, checking]


def main() -> int:
    """Print the table."""
    print(f"{'routing, Python ' + sys.version.split()[0]:<52} {'figure':>10}      wanted")
    for case in cases():
        for what, figure, unit, wanted in case():
            print(f"{what:<52} {figure:>10.2f} {unit:<4} {wanted}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
