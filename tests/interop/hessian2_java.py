"""Java's Hessian libraries, from `tests/interop/jvm/hessian2`: Dubbo's hessian-lite, and Caucho's own."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

HERE = Path(__file__).with_name("jvm") / "hessian2"
LIBRARIES = ("lite", "caucho")
PATIENCE = 120.0

_OPENED = ("lang", "math", "time", "util", "util.concurrent.atomic")
_OPTIONS = [
    *(option for name in _OPENED for option in ("--add-opens", f"java.base/java.{name}=ALL-UNNAMED")),
    "-Xshare:auto",
    "-XX:TieredStopAtLevel=1",
]


def missing() -> str | None:
    """Why the Java peer cannot run, if it cannot."""
    if shutil.which("java") is None:
        return "no java"
    if not (HERE / "target" / "classpath").exists():
        return "the Java peer is not built: bash tests/interop/jvm/hessian2/run.sh"
    return None


def _run(*arguments: str, text: str = "") -> list[str]:
    target = HERE / "target"
    classpath = f"{target / 'classes'}:{(target / 'classpath').read_text().strip()}"
    command = ["java", *_OPTIONS, "-cp", classpath, "org.example.hessian.Main", *arguments]
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.splitlines()


def record() -> list[dict[str, Any]]:
    """Every sample of `Samples.java` as each library writes it."""
    return [json.loads(line) for line in _run("record")]


def echo(library: str, datas: Iterable[bytes]) -> list[tuple[bytes | None, Any]]:
    """For each value: as the library writes it again, and in words; or None, and what the library said."""
    lines = _run("echo", library.upper(), text="".join(f"{data.hex()}\n" for data in datas))
    found: list[tuple[bytes | None, Any]] = []
    for line in lines:
        first, _, words = line.partition("\t")
        found.append((None if first == "error" else bytes.fromhex(first), json.loads(words)))
    return found
