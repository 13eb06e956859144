"""Writes tests/vectors/hessian2: what Java's two libraries write for the values of `Samples.java`, and those in words.

bash tests/interop/jvm/hessian2/run.sh --build && python scripts/record_hessian2.py

One JSON object a line: the sample's name, the bytes (in hexadecimal digits, or compressed and in base64 where they are
many), and each value in words, see `Words.java`. The same versions write the same files, whatever the JDK's stack
traces: the samples set their own.
"""

from __future__ import annotations

import base64
import json
import sys
import zlib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.interop.hessian2_java import record  # noqa: E402

LONG = 2000


def main() -> None:
    folder = ROOT / "tests" / "vectors" / "hessian2"
    folder.mkdir(parents=True, exist_ok=True)
    lines: dict[str, list[str]] = {}
    for row in record():
        library = row.pop("library")
        data = bytes.fromhex(row["data"])
        if len(data) > LONG:
            row["data"] = "zlib:" + base64.b64encode(zlib.compress(data, 9)).decode("ascii")
        lines.setdefault(library, []).append(json.dumps(row, ensure_ascii=True))
    for library, rows in lines.items():
        (folder / f"{library}.json").write_text("[\n" + ",\n".join(rows) + "\n]\n", encoding="utf-8")
        print(f"{library}: {len(rows)} samples")


if __name__ == "__main__":
    main()
