"""Writes the starting corpus of the fuzz target `hessian2`, from what Java wrote and from the hostile strategies.

python scripts/make_hessian2_corpus.py
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from l7codec.strategies.hessian2 import hostile  # noqa: E402
from tests.hessian2.words import vectors  # noqa: E402

LARGEST = 250  # bytes: small inputs are what a fuzzer learns from


def main() -> None:
    """Write it."""
    datas = hostile() + [row["data"] for library in ("lite", "caucho") for row in vectors(library)]
    folder = ROOT / "fuzz" / "corpus" / "hessian2"
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    chosen = sorted({data for data in datas if len(data) <= LARGEST})
    for data in chosen[::2]:
        (folder / hashlib.sha256(data).hexdigest()[:12]).write_bytes(data)


if __name__ == "__main__":
    main()
