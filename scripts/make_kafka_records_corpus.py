"""Writes the starting corpus of fuzz/kafka_records.py: what real writers wrote, as far as it is short.

python scripts/make_kafka_records_corpus.py
"""

from __future__ import annotations

import json
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LARGEST = 600  # bytes: small inputs are what a fuzzer learns from


def main() -> None:
    folder = ROOT / "fuzz" / "corpus" / "kafka_records"
    folder.mkdir(parents=True, exist_ok=True)
    vectors = ROOT / "tests" / "protocols" / "kafka" / "vectors" / "records.json"
    for entry in json.loads(vectors.read_text()):
        data = bytes.fromhex(entry["data"])
        if len(data) <= LARGEST:
            (folder / f"{entry['writer']}_{entry['what']}".replace(" ", "_")).write_bytes(data)


if __name__ == "__main__":
    main()
