"""Measure everything, or what is named, and print one table.

    python -m benchmarks                 all of it
    python -m benchmarks redis.reply     cases whose name contains this
    python -m benchmarks --list          names alone
    python -m benchmarks --json          one object a line: name, microseconds, peers, goal, met

Exit status: 1 where a case misses its goal.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version

from . import decisions, declared, dubbo, hessian2, kafka, kafka_records, proxy, quic, redis, thrift
from .timing import MARKDOWN_HEADING, ROUNDS, Case, heading, line, markdown, measure, missed

SIZE = 10_000
PACKAGES = (
    "redis",
    "hiredis",
    "thriftpy2",
    "thrift",
    "python-hessian",
    "hessian-codec",
    "kio",
    "kafka-python",
    "aiokafka",
    "aioquic",
    "scapy",
    "proxy-protocol",
    "construct",
)
MODULES = {
    "redis": redis,
    "thrift": thrift,
    "dubbo": dubbo,
    "hessian2": hessian2,
    "kafka": kafka,
    "kafka_records": kafka_records,
    "quic": quic,
    "proxy": proxy,
    "declared": declared,
    "decisions": decisions,
}


def cases(size: int = SIZE) -> Iterator[Case]:
    """Every case of every module, its name after the module's."""
    for name, module in MODULES.items():
        for case in module.cases(size):
            yield case._replace(name=f"{name}.{case.name}")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Ratios to other libraries, from one run")
    parser.add_argument("names", nargs="*", help="parts of the names of the cases to run; all without any")
    parser.add_argument("--list", action="store_true", help="print the names of the cases")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--markdown", action="store_true", help="a table in Markdown")
    parser.add_argument("--size", type=int, default=SIZE, help=f"messages in one call ({SIZE})")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"so many rounds ({ROUNDS})")
    options = parser.parse_args(arguments)
    chosen = [
        case for case in cases(options.size) if not options.names or any(name in case.name for name in options.names)
    ]
    if options.list:
        print(*[case.name for case in chosen], sep="\n")
        return 0
    if not chosen:
        parser.error("no case has such a name")
    if not options.json:
        print(f"Python {platform.python_version()}; {', '.join(_versions())}\n")
        print(MARKDOWN_HEADING if options.markdown else heading())
    results = []
    for case in chosen:
        result = measure(case, options.rounds)
        results.append(result)
        show = markdown if options.markdown else line
        print(json.dumps(result.row()) if options.json else show(result), flush=True)
    late = missed(results)
    if late and not options.json:
        print("\nmissed:", *late, sep="\n  ")
    return int(bool(late))


def _versions() -> Iterator[str]:
    for package in PACKAGES:
        try:
            yield f"{package} {version(package)}"
        except PackageNotFoundError:
            yield f"no {package}"


if __name__ == "__main__":
    sys.exit(main())
