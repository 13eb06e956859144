"""Records what real Apache Dubbo programs say to each other, in tests/vectors/dubbo.

    bash tests/interop/jvm/dubbo/run.sh --build        needs a JDK and Maven
    python scripts/record_dubbo.py

A file a version and serialization: `calls`, what the consumer's application gave to Dubbo and got from it, by its own
account; `wire`, what went over each connection, pieces in order. Everything runs on the loopback interface.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.interop import dubbo_peers as peers  # noqa: E402

VECTORS = ROOT / "tests" / "vectors" / "dubbo"
RUNS = (
    (peers.NEW, "hessian2", "dubbo"),
    (peers.NEW, "fastjson2", "dubbo"),
    (peers.NEW, "hessian2", "tri"),
    (peers.OLD, "hessian2", "dubbo"),
    (peers.OLD, "fastjson", "dubbo"),
    (peers.OLD, "gson", "dubbo"),
)
TYPED = {
    peers.NEW: (b"status -l\r\n", b"ls\r\n", b"\r\n"),
    peers.OLD: (
        b"ls\r\n",
        b"ls -l org.example.orders.Orders\r\n",
        b'invoke org.example.orders.Orders.greet("Ada")\r\n',
        b"cd org.example.orders.Orders\r\n",
        b"invoke sum([1, 2, 3])\r\n",
        b"nosuch\r\n",
    ),
}


def record(version: str, serialization: str, protocol: str) -> dict[str, Any]:
    """One consumer's calls, and the provider's shutdown."""
    with (
        peers.provider(version, serialization, protocol) as (port, program),
        peers.relay(port) as relay,
        peers.consumer(version, serialization, relay.port, protocol) as calls,
    ):
        if protocol == "dubbo":
            peers.converse(relay.port, *TYPED[version])
        program.stop()  # it says so to its consumers first
        time.sleep(1)
    wire = [[number, side, data.hex()] for number, side, data in relay.wire]
    return {"dubbo": version, "serialization": serialization, "protocol": protocol, "calls": calls, "wire": wire}


def main() -> None:
    """Write all of them, or those whose name holds an argument."""
    VECTORS.mkdir(parents=True, exist_ok=True)
    for version, serialization, protocol in RUNS:
        name = f"{version}-{serialization if protocol == 'dubbo' else protocol}"
        if len(sys.argv) > 1 and not any(word in name for word in sys.argv[1:]):
            continue
        found = record(version, serialization, protocol)
        (VECTORS / f"{name}.json").write_text(json.dumps(found, indent=0) + "\n")
        print(f"{name}: {len(found['calls'])} calls, {len(found['wire'])} pieces")


if __name__ == "__main__":
    main()
