"""Writes the starting corpora of fuzz/capture_reader.py and fuzz/reassembler.py from the cases of the tests.

python scripts/make_capture_corpus.py
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.capture.build import pcap  # noqa: E402
from tests.capture.test_dissect import FOUND, TUNNELS  # noqa: E402
from tests.capture.test_packets import FILES  # noqa: E402
from tests.capture.test_tcp import CASES  # noqa: E402

LARGEST = 1200  # bytes: small inputs are what a fuzzer learns from


def write(target: str, inputs: dict[str, bytes]) -> None:
    """One file for each input, named after its case."""
    folder = ROOT / "fuzz" / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in inputs.items():
        if len(data) <= LARGEST:
            (folder / "".join(c if c.isalnum() else "_" for c in name)).write_bytes(data)


def main() -> None:
    """Write both corpora."""
    files = {name: data for name, (data, _, _) in FILES.items()}
    files |= {name: pcap(data, link=link) for name, (link, data, _) in FOUND.items()}
    files |= {name: pcap(data, link=101) for name, (data, _) in TUNNELS.items()}
    files |= {name: talk.file() for name, (talk, _) in CASES.items()}
    write("capture_reader", files)
    values = random.Random(1)
    orders = {
        f"{n:02}": bytes(values.choice((0, 1, 6, 56, 72, 192, 193, 9)) for _ in range(5 * n)) for n in range(1, 24)
    }
    write("reassembler", orders)


if __name__ == "__main__":
    main()
