"""How fast `l7codec decode --json` is, against tshark, in one run: CPU seconds of whole processes, ratios printed.

    python benchmarks/decode.py [--megabytes 110] [--rounds 3] [--skip-json]

The goals: at least 2.5 times as fast as `tshark -T fields` with six fields and 10 times as `tshark -T json`; memory
flat when the file is twice as long; `--jobs 2` at least 1.5 times as fast by the clock on two idle cores.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.make_capture import write

FIELDS = ("frame.number", "frame.time_epoch", "tcp.stream", "ip.src", "ip.dst", "resp.bulk_string.value")


class Cost(NamedTuple):
    cpu: float
    wall: float
    megabytes: float
    """Peak resident memory."""
    lines: int


def cost(command: list[str]) -> Cost:
    """Run a command to its end, its output counted and thrown away; what it and its own children cost."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    lines = 0
    while data := process.stdout.read(1 << 20):
        lines += data.count(b"\n")
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return Cost(usage.ru_utime + usage.ru_stime, time.perf_counter() - start, usage.ru_maxrss / 1024, lines)


def ours(path: str, jobs: int = 1) -> list[str]:
    return [sys.executable, "-m", "l7codec", "decode", "--json", "--jobs", str(jobs), path]


def tshark(path: str, form: str) -> list[str]:
    command = ["tshark", "-r", path, "-d", "tcp.port==6379,resp", "-T", form]
    return command + [word for field in FIELDS for word in ("-e", field)] if form == "fields" else command


def best(costs: list[Cost]) -> Cost:
    return min(costs, key=lambda cost: cost.cpu)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=int, default=110)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--skip-json", action="store_true", help="tshark -T json takes its time")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        single, double = str(Path(folder, "one.pcap")), str(Path(folder, "two.pcap"))
        packets = write(single, arguments.megabytes)
        write(double, 2 * arguments.megabytes)
        print(f"{packets:,} packets, {Path(single).stat().st_size / 1e6:.0f} MB; load {os.getloadavg()[0]:.1f}")
        runs: dict[str, list[Cost]] = {"l7codec": [], "tshark -T fields": [], "--jobs 2": []}
        for _ in range(arguments.rounds):  # in turn, so that all of them share what the machine is doing
            runs["l7codec"].append(cost(ours(single)))
            runs["tshark -T fields"].append(cost(tshark(single, "fields")))
            runs["--jobs 2"].append(cost(ours(single, 2)))
        if not arguments.skip_json:
            runs["tshark -T json"] = [cost(tshark(single, "json"))]
        mine = best(runs["l7codec"])
        print(f"{'':20}{'CPU s':>8}{'clock s':>9}{'MB':>7}{'lines':>12}   CPU, times l7codec")
        for name, costs in runs.items():
            found = best(costs)
            print(
                f"{name:20}{found.cpu:8.2f}{found.wall:9.2f}{found.megabytes:7.0f}{found.lines:12,}"
                f"   {found.cpu / mine.cpu:.2f}"
            )
        clock = min(c.wall for c in runs["l7codec"]) / min(c.wall for c in runs["--jobs 2"])
        print(f"--jobs 2 by the clock: {clock:.2f} times one")
        print(f"peak memory: {mine.megabytes:.0f} MB, {cost(ours(double)).megabytes:.0f} MB for a file twice as long")


if __name__ == "__main__":
    main()
