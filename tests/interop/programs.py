"""The real programs these tests talk to: each starts on free loopback ports and is stopped again."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PATIENCE = 20.0
"""Seconds after which a program that does not answer has failed."""


def program(name: str) -> str:
    """Where a program is. Without it the test is skipped; in CI it fails."""
    found = shutil.which(name)
    if found is None:
        if "CI" in os.environ:
            pytest.fail(f"{name} is not installed: CI must run these tests")
        pytest.skip(f"{name} is not on PATH")
    return found


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(command: list[str], log: Path, ready: Callable[[], bool]) -> Iterator[subprocess.Popen[bytes]]:
    """A program, once it is ready."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + PATIENCE
        while not ready():
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"{command[0]} did not start: {log.read_text()[-2000:]}")
            time.sleep(0.02)
        yield process
    finally:
        process.terminate()
        process.wait(PATIENCE)


def listens(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(7) == b"+PONG\r\n"
    except OSError:
        return False


@contextmanager
def redis_server(directory: Path, *options: str) -> Iterator[int]:
    """The port of a fresh redis-server that saves nothing."""
    port = free_port()
    address = ["--bind", "127.0.0.1", "--port", str(port), "--enable-debug-command", "local"]
    command = [program("redis-server"), *address, "--save", "", "--dir", str(directory), *options]
    with running(command, directory / "redis.log", lambda: listens(port)):
        yield port
