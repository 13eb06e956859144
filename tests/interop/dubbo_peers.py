"""Real Apache Dubbo, from `tests/interop/jvm/dubbo`: providers, consumers, and a relay between them that looks on."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

JVM = Path(__file__).with_name("jvm") / "dubbo"
NEW, OLD = "3.3.6", "2.7.23"
HOST = "127.0.0.1"
PATIENCE = 60.0
SERVICE = "org.example.orders.Orders"

_OPTIONS = [
    *(
        option
        for package in ("lang", "math", "time", "util")
        for option in ("--add-opens", f"java.base/java.{package}=ALL-UNNAMED")
    ),
    "-Ddubbo.application.serialize-check-status=DISABLE",
    "-Ddubbo.application.register-mode=interface",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Xshare:auto",
    "-XX:TieredStopAtLevel=1",
]


def missing(version: str = NEW) -> str | None:
    """Why the Java peers cannot run, if they cannot."""
    if shutil.which("java") is None:
        return "no java"
    if not (JVM / "target" / version / "classpath").exists():
        return "the Java peers are not built: bash tests/interop/jvm/dubbo/run.sh"
    return None


def free_port() -> int:
    with socket.create_server((HOST, 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def _command(version: str, program: str, *arguments: str) -> list[str]:
    target = JVM / "target" / version
    classpath = f"{target / 'classes'}:{(target / 'classpath').read_text().strip()}"
    return ["java", *_OPTIONS, "-cp", classpath, f"org.example.orders.{program}", *arguments]


class Program:
    """A Java program: its lines, and its end."""

    def __init__(self, *command: str) -> None:
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    def line(self) -> str:
        """The next line; "" at the end."""
        assert self.process.stdout is not None
        timer = threading.Timer(PATIENCE, self.process.kill)
        timer.start()
        try:
            return self.process.stdout.readline().rstrip("\n")
        finally:
            timer.cancel()

    def stop(self) -> None:
        """End its standard input, and wait for it to end as it likes."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


@contextlib.contextmanager
def provider(version: str, serialization: str, protocol: str = "dubbo") -> Iterator[tuple[int, Program]]:
    """A provider and its port."""
    port = free_port()
    program = Program(*_command(version, "Provider", str(port), serialization, protocol))
    try:
        while (line := program.line()) != "READY":
            assert line or program.process.poll() is None, "the provider did not start"
        yield port, program
    finally:
        if program.process.poll() is None:
            program.stop()


@contextlib.contextmanager
def consumer(version: str, serialization: str, port: int, protocol: str = "dubbo") -> Iterator[list[dict[str, Any]]]:
    """What a consumer says of the calls that it made; it lives on, with its connection, until the end."""
    program = Program(*_command(version, "Consumer", str(port), serialization, protocol))
    calls: list[dict[str, Any]] = []
    try:
        while (line := program.line()) not in ("DONE", ""):
            if line.startswith("{"):
                calls.append(json.loads(line))
        yield calls
    finally:
        program.stop()


Change = Callable[[int, str, bytes], bytes]


class Relay:
    """Between consumers and a provider. Notes what comes, and may change it: `change(connection, side, data)`."""

    def __init__(self, port: int, change: Change | None = None) -> None:
        self.wire: list[tuple[int, str, bytes]] = []
        self.errors: list[BaseException] = []
        self._change = change
        self._target = port
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server((HOST, 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed
            number = 0
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection((HOST, self._target), PATIENCE)
                number += 1
                for side, source, target in (("client", client, server), ("server", server, client)):
                    thread = threading.Thread(target=self._copy, args=(number, side, source, target), daemon=True)
                    thread.start()
                    self._threads.append(thread)

    def _copy(self, number: int, side: str, source: socket.socket, target: socket.socket) -> None:
        try:
            while data := self._receive(source):
                with self._lock:  # what one side sends is noted before the other can have seen it
                    self.wire.append((number, side, data))
                    if self._change is not None:
                        data = self._change(number, side, data)
                target.sendall(data)
        except OSError:
            pass  # the other side is gone: so is this one
        except BaseException as error:  # for the test, which is in another thread
            self.errors.append(error)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    @staticmethod
    def _receive(source: socket.socket) -> bytes:
        try:
            return source.recv(65536)
        except ConnectionResetError:
            return b""

    def close(self) -> None:
        self._listener.close()
        for thread in self._threads:
            thread.join(PATIENCE)


@contextlib.contextmanager
def relay(port: int, change: Change | None = None) -> Iterator[Relay]:
    """A relay to the provider at this port."""
    running = Relay(port, change)
    try:
        yield running
    finally:
        running.close()


def converse(port: int, *lines: bytes) -> bytes:
    """What a provider prints for lines that a person types, one after the other."""
    printed = b""
    with socket.create_connection((HOST, port), PATIENCE) as connection:
        for line in lines:
            connection.sendall(line)
            part = b""
            while not part.endswith(b"dubbo>"):
                received = connection.recv(65536)
                assert received, printed
                part += received
            printed += part
    return printed
