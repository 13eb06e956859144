"""What a process pays before its first Kafka message: milliseconds of CPU and megabytes of memory.

    python -m benchmarks.footprint

Each in processes of its own, the best of several; what the interpreter itself takes is left out.
"""

from __future__ import annotations

import subprocess
import sys

START = """
import resource, time
def memory():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()
before, began = memory(), time.process_time()
"""
END = """
print(1000 * (time.process_time() - began), (memory() - before) / 1e6)
"""

WAYS = {
    "l7codec": "import l7codec",
    "l7codec, and a Produce request built and read": """
from l7codec.protocols import kafka
kafka.request("Produce", {"topic_data": [{"name": "t"}]}, version=9).body
""",
    "kafka-python's ProduceRequest": """
import warnings
warnings.simplefilter("ignore")
from kafka.protocol.producer import ProduceRequest
ProduceRequest.decode(bytes.fromhex("00 ffff 00000000 01 00"), version=9)
""",
    "kio's ProduceRequest": """
from kio.schema.produce.v9.request import ProduceRequest
from kio.serial import entity_reader
entity_reader(ProduceRequest)(bytes.fromhex("00 ffff 00000000 01 00"), 0)
""",
}
ROUNDS = 7


def main() -> None:
    """Print a line for each."""
    for name, code in WAYS.items():
        found = []
        for _ in range(ROUNDS):
            done = subprocess.run(
                [sys.executable, "-c", START + code + END], capture_output=True, text=True, check=False
            )
            if done.returncode:
                break
            found.append([float(figure) for figure in done.stdout.split()])
        if found:
            milliseconds, megabytes = (min(column) for column in zip(*found, strict=True))
            print(f"{name:50}{milliseconds:8.1f} ms{megabytes:8.1f} MB")
        else:
            print(f"{name:50}not installed")


if __name__ == "__main__":
    main()
