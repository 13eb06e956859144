"""The installed command, run as a person would, in a process of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def command() -> str:
    """The console script that belongs to this interpreter."""
    found = shutil.which("l7codec", path=str(Path(sys.executable).parent))
    if found is None:
        pytest.fail("l7codec is not installed in this environment: pip install -e '.[test]'")
    return found


@pytest.fixture
def run(command):
    """Run the command; returns the finished process with its output as text."""

    def call(*arguments, stdin: bytes = b"", environment: dict[str, str] | None = None, text: bool = True):
        done = subprocess.run(
            [command, *map(str, arguments)],
            input=stdin,
            capture_output=True,
            timeout=120,
            check=False,
            env={**os.environ, **(environment or {})},
        )
        if text:
            done.stdout, done.stderr = done.stdout.decode(), done.stderr.decode()
        return done

    return call
