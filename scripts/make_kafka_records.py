"""Makes tests/protocols/kafka/vectors/records.json: batches and message sets as Kafka's real writers write them.

    python scripts/make_kafka_records.py            needs Maven and a JDK, and the extra `test`

    Java: Kafka's own classes (KafkaRecords.java), every format, compression and control record
    kafka-python, aiokafka: their builders, every format and compression
    librdkafka: what a producer sends to its mock cluster, which has no builder of its own to call

Each entry says who wrote it, what it is, the bytes, and whether the writer set times and offsets of its own. The
records in it are those of `given`: tests compute them anew, and hold what is decoded against them.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from l7codec import Side  # noqa: E402
from l7codec.crc32c import crc32c  # noqa: E402
from tests.interop.kafka_peers import mock_cluster, relay  # noqa: E402
from tests.protocols.kafka.vectors import COUNT, given  # noqa: E402

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
CLIENTS = "3.9.1"
"""The last of Kafka's clients that writes formats 0 and 1."""


def java() -> Iterator[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        jars = folder / "jars"
        (folder / "pom.xml").write_text(
            '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
            "<groupId>l7codec</groupId><artifactId>records</artifactId><version>1</version><packaging>pom</packaging>"
            "<dependencies><dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-clients</artifactId>"
            f"<version>{CLIENTS}</version></dependency></dependencies></project>"
        )
        copy = ["mvn", "-q", "-B", "dependency:copy-dependencies", "-DincludeScope=runtime"]
        subprocess.run([*copy, f"-DoutputDirectory={jars}"], cwd=folder, check=True)
        source = Path(__file__).with_name("KafkaRecords.java")
        subprocess.run(["javac", "-d", name, "-cp", f"{jars}/*", str(source)], check=True)
        command = ["java", "-cp", f"{name}:{jars}/*", "KafkaRecords"]
        lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    for line in lines.splitlines():
        what, data = line.rsplit(" ", 1)
        yield {"writer": "java", "what": what, "data": data}


def kafka_python() -> Iterator[dict[str, Any]]:
    from kafka.record.memory_records import MemoryRecordsBuilder

    for magic in (0, 1, 2):
        for number, codec in enumerate(CODECS if magic == 2 else CODECS[:4]):
            builder = MemoryRecordsBuilder(magic, number, 1 << 20)
            for key, value, headers, timestamp in given(magic):
                builder.append(timestamp if magic else None, key, value, list(headers))
            builder.close()
            yield _entry("kafka-python", magic, codec, builder.buffer())


def aiokafka() -> Iterator[dict[str, Any]]:
    from aiokafka.record.default_records import DefaultRecordBatchBuilder
    from aiokafka.record.legacy_records import LegacyRecordBatchBuilder

    for magic in (0, 1, 2):
        for number, codec in enumerate(CODECS[: 3 + magic]):  # lz4 came with format 1 for it, zstd with 2
            if magic == 2:
                builder = DefaultRecordBatchBuilder(
                    magic,
                    number,
                    is_transactional=0,
                    producer_id=-1,
                    producer_epoch=-1,
                    base_sequence=-1,
                    batch_size=1 << 20,
                )
            else:
                builder = LegacyRecordBatchBuilder(magic, number, 1 << 20)
            for index, (key, value, headers, timestamp) in enumerate(given(magic)):
                more = {"headers": list(headers)} if magic == 2 else {}
                builder.append(index, timestamp=timestamp if magic else None, key=key, value=value, **more)
            yield _entry("aiokafka", magic, codec, builder.build())


def librdkafka() -> Iterator[dict[str, Any]]:
    from confluent_kafka import Producer

    for codec in CODECS:
        with mock_cluster() as broker, relay(broker) as between:
            producer = Producer(
                {
                    "bootstrap.servers": f"127.0.0.1:{between.port}",
                    "compression.type": codec,
                    "linger.ms": 500,
                    "enable.idempotence": codec == "lz4",
                }
            )
            for key, value, headers, timestamp in given(2):
                producer.produce("t", value, key, headers=list(headers), timestamp=timestamp, partition=0)
            assert producer.flush(20) == 0
            del producer
            time.sleep(0.1)
            found = [batch for one in between.connections for batch in _batches(one.said(Side.CLIENT))]
        assert len(found) == 1, f"{len(found)} batches of librdkafka's with {codec}"
        yield _entry("librdkafka", 2, codec, found[0])


def _batches(data: bytes) -> Iterator[bytes]:
    """Batches of format 2 wherever they are in what a producer sent: where the length and the checksum fit."""
    for start in range(len(data) - 61):
        length = int.from_bytes(data[start + 8 : start + 12], "big")
        if data[start + 16] == 2 and 49 <= length <= len(data) - start - 12:
            batch = data[start : start + 12 + length]
            if crc32c(batch[21:]) == int.from_bytes(batch[17:21], "big"):
                yield batch


def _entry(writer: str, magic: int, codec: str, data: bytes | bytearray | memoryview) -> dict[str, Any]:
    what = f"batch {codec}" if magic == 2 else f"set {magic} {codec}"
    return {"writer": writer, "what": what, "data": bytes(data).hex()}


def main() -> None:
    entries = [*java(), *kafka_python(), *aiokafka(), *librdkafka()]
    target = ROOT / "tests" / "protocols" / "kafka" / "vectors" / "records.json"
    rows = ",\n".join(json.dumps(entry) for entry in entries)
    target.write_text(f"[\n{rows}\n]\n")
    print(f"{target.relative_to(ROOT)}: {len(entries)} entries of {COUNT} records, {target.stat().st_size} bytes")


if __name__ == "__main__":
    main()
