"""What a process pays before its first Kafka message: milliseconds of CPU and megabytes of memory.

    python -m benchmarks.footprint

Each in processes of its own, the best of several; what the interpreter itself takes is left out. Bytecode is cached, as
it is where pip has installed a package.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

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
ROUNDS = 9


def measure(code: str) -> tuple[float, float] | None:
    """Milliseconds and megabytes; None where a peer is not installed."""
    found = []
    with tempfile.TemporaryDirectory() as cache:
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        environment["PYTHONPYCACHEPREFIX"] = cache
        for _ in range(1 + ROUNDS):  # the first fills the cache
            command = [sys.executable, "-c", START + code + END]
            done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
            if done.returncode:
                return None
            found.append([float(figure) for figure in done.stdout.split()])
    milliseconds, megabytes = (min(column) for column in zip(*found[1:], strict=True))
    return milliseconds, megabytes


def main() -> None:
    """Print a line for each."""
    for name, code in WAYS.items():
        taken = measure(code)
        print(f"{name:50}" + ("not installed" if taken is None else f"{taken[0]:8.1f} ms{taken[1]:8.1f} MB"))


if __name__ == "__main__":
    main()
