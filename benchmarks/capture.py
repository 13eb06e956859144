"""How fast captures are read, against dpkt, in one run: CPU seconds, best of several, ratios printed.

    pip install dpkt && python benchmarks/capture.py [--megabytes 150] [--rounds 3]

The goals: reading to TCP payload at least 12 times dpkt; memory flat when the file is twice as long.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import dpkt
from make_capture import write

from l7codec.capture import read_packets, read_segments, read_streams


def dpkt_reader(file):
    """dpkt's own reader for the kind of file."""
    return dpkt.pcapng.Reader(file) if file.name.endswith("ng") else dpkt.pcap.Reader(file)


def dpkt_packets(path: str) -> int:
    with open(path, "rb") as file:
        return sum(len(data) for _, data in dpkt_reader(file))


def dpkt_payload(path: str) -> int:
    size = 0
    with open(path, "rb") as file:
        for _, data in dpkt_reader(file):
            ip = dpkt.ethernet.Ethernet(data).data
            if isinstance(ip, dpkt.ip.IP) and isinstance(ip.data, dpkt.tcp.TCP):
                size += len(ip.data.data)
    return size


def our_packets(path: str) -> int:
    return sum(len(packet.data) for packet in read_packets(path))


def our_payload(path: str) -> int:
    size = 0
    for segment in read_segments(path):
        size += len(segment[7])
    return size


def our_streams(path: str) -> int:
    size = 0
    for piece in read_streams(path):
        size += len(piece.data)
    return size


def cpu(task: Callable[[str], int], path: str) -> tuple[float, int]:
    start = time.process_time()
    result = task(path)
    return time.process_time() - start, result


def compare(path: str, packets: int, rounds: int) -> None:
    """Each task in turn, so that all of them share what the machine is doing."""
    tasks = (dpkt_packets, our_packets, dpkt_payload, our_payload, our_streams)
    best = dict.fromkeys(tasks, float("inf"))
    results: dict[Callable[[str], int], int] = {}
    for _ in range(rounds):
        for task in tasks:
            seconds, results[task] = cpu(task, path)
            best[task] = min(best[task], seconds)
    assert results[dpkt_packets] == results[our_packets]
    assert results[dpkt_payload] == results[our_payload]
    print(f"{'':28}{'CPU s':>8}{'kpkt/s':>9}{'MB/s':>8}   times dpkt to the same point")
    megabytes = Path(path).stat().st_size / 1e6
    for name, task, base in (
        ("dpkt, packets", dpkt_packets, dpkt_packets),
        ("l7codec, packets", our_packets, dpkt_packets),
        ("dpkt, to TCP payload", dpkt_payload, dpkt_payload),
        ("l7codec, to TCP payload", our_payload, dpkt_payload),
        ("l7codec, TCP put together", our_streams, dpkt_payload),
    ):
        seconds = best[task]
        rates = f"{packets / seconds / 1e3:9.0f}{megabytes / seconds:8.0f}"
        print(f"{name:28}{seconds:8.2f}{rates}   {best[base] / seconds:.1f}")


def peak(path: str) -> int:
    """Peak memory in MB of a fresh process that puts all streams of the file together."""
    command = [sys.executable, __file__, "--streams-of", path]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout) // 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=int, default=150)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--streams-of", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.streams_of:
        our_streams(arguments.streams_of)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
        return
    with tempfile.TemporaryDirectory() as folder:
        for name in ("big.pcap", "big.pcapng"):
            path = str(Path(folder, name))
            packets = write(path, arguments.megabytes, name.endswith("ng"))
            print(f"{name}: {packets} packets, {Path(path).stat().st_size / 1e6:.0f} MB")
            compare(path, packets, arguments.rounds)
        single, double = str(Path(folder, "big.pcap")), str(Path(folder, "double.pcap"))
        write(double, 2 * arguments.megabytes)
        print(f"peak memory: {peak(single)} MB, {peak(double)} MB for a file twice as long")


if __name__ == "__main__":
    main()
