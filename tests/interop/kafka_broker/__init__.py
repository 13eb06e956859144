"""A real Apache Kafka broker from Maven Central, in KRaft mode, alone: `with broker(folder) as ports: ...`.

Maven copies the broker and what it needs into `build/kafka/<version>` once. It listens without authentication, and with
SASL PLAIN and SCRAM for the user alice, whose password is `secret`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

VERSIONS = ("4.1.1", "3.9.1")
"""The newest, and the last that speaks the versions that 4.0 removed."""

HOST = "127.0.0.1"
_HERE = Path(__file__).parent
_BUILD = _HERE.parents[2] / "build" / "kafka"
_PATIENCE = 60.0
_CLUSTER = "Rl9HbTRvUnVUNnlWR0w0Uw"  # any 16 bytes in base64

_PROPERTIES = """
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller}
listeners=PLAINTEXT://{host}:{plain},SASL_PLAINTEXT://{host}:{sasl},CONTROLLER://{host}:{controller}
advertised.listeners=PLAINTEXT://{host}:{plain},SASL_PLAINTEXT://{host}:{sasl}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT
inter.broker.listener.name=PLAINTEXT
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256
listener.name.sasl_plaintext.plain.sasl.jaas.config={security}.plain.PlainLoginModule required user_alice="secret";
listener.name.sasl_plaintext.scram-sha-256.sasl.jaas.config={security}.scram.ScramLoginModule required;
log.dirs={folder}/data
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
group.initial.rebalance.delay.ms=0
num.partitions=1
"""


class Ports(NamedTuple):
    """Where the broker listens, and its version."""

    plain: int
    sasl: int
    controller: int
    version: str


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        if "CI" in os.environ:
            pytest.fail(f"{name} is not installed: whoever asks for -m jvm must have it")
        pytest.skip(f"{name} is not on PATH")
    return found


def jars(version: str) -> Path:
    """The folder of the broker's jars, fetched if it is not there."""
    folder = _BUILD / version
    done = folder / "complete"
    if not done.exists():
        command = [_program("mvn"), "-q", "-B", "-f", str(_HERE / "pom.xml"), f"-Dkafka.version={version}"]
        options = ["-DincludeScope=runtime", f"-DoutputDirectory={folder}"]
        subprocess.run([*command, "dependency:copy-dependencies", *options], check=True)
        done.touch()
    return folder


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.create_server((HOST, 0))) for _ in range(count)]
        return [probe.getsockname()[1] for probe in probes]


@contextlib.contextmanager
def broker(folder: Path, version: str = VERSIONS[0]) -> Iterator[Ports]:
    """A fresh broker, once it takes connections."""
    ports = Ports(*_free_ports(3), version)
    security = "org.apache.kafka.common.security"
    properties = folder / "server.properties"
    properties.write_text(_PROPERTIES.format(host=HOST, folder=folder, security=security, **ports._asdict()))
    java = [_program("java"), "-Xmx512m", "-XX:TieredStopAtLevel=1", "-cp", f"{jars(version)}/*"]
    user = ["--add-scram", "SCRAM-SHA-256=[name=alice,password=secret]"]
    form = [*java, "kafka.tools.StorageTool", "format", "-t", _CLUSTER, "-c", str(properties), *user]
    subprocess.run(form, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    log = folder / "broker.log"
    with log.open("wb") as output:
        process = subprocess.Popen([*java, "kafka.Kafka", str(properties)], stdout=output, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + _PATIENCE
        while not (_listens(ports.plain) and _listens(ports.sasl)):
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"the broker did not start: {log.read_text()[-2000:]}")
            time.sleep(0.1)
        yield ports
    finally:
        process.kill()  # nothing of it is kept
        process.wait(_PATIENCE)


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((HOST, port), 1):
        return True
    return False
