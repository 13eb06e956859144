"""kio and kafka-python, asked for one version of one message: what the benchmarks and the cross-checks share."""

from __future__ import annotations

import importlib
import io
import pkgutil
import warnings
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

__all__ = ["Peer", "kafka_python", "kio"]


class Peer(NamedTuple):
    """How a library reads a body into its object, and writes it; and that object's class."""

    read: Callable[[bytes], Any]
    write: Callable[[Any], bytes]
    type: Any


def kio(key: int, response: bool, version: int) -> Peer | None:
    """None where kio is not installed or has no such version."""
    try:
        from kio import index
        from kio.serial import entity_reader, entity_writer
    except ImportError:
        return None
    load = index.load_response_schema if response else index.load_request_schema
    try:
        entity = load(key, version)
    except index.KioIndexError:
        return None
    read_at, write_into = entity_reader(entity), entity_writer(entity)

    def read(data: bytes) -> Any:
        return read_at(data, 0)[0]

    def write(value: Any) -> bytes:
        out = io.BytesIO()
        write_into(out, value)
        return out.getvalue()

    return Peer(read, write, entity)


@cache
def _classes() -> dict[tuple[int, str], Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # it reads its schemas by importlib.resources.read_text
        try:
            from kafka.protocol.api_message import ApiMessage
        except ImportError:
            return {}
        return _find(ApiMessage)


def _find(base: Any) -> dict[tuple[int, str], Any]:
    found = {}
    for package in ("admin", "consumer", "metadata", "producer", "sasl"):
        module = importlib.import_module(f"kafka.protocol.{package}")
        names = [module.__name__]
        if hasattr(module, "__path__"):
            names += [f"{module.__name__}.{one.name}" for one in pkgutil.iter_modules(module.__path__)]
        for name in names:
            for one in vars(importlib.import_module(name)).values():
                if isinstance(one, type) and issubclass(one, base) and getattr(one, "_json", None):
                    found[one.API_KEY, one.type] = one
    return found


def kafka_python(key: int, response: bool, version: int) -> Peer | None:
    """None where kafka-python is not installed or has no such version."""
    message = _classes().get((key, "response" if response else "request"))
    if message is None or message.valid_versions is None:
        return None
    first, last = message.valid_versions
    if not first <= version <= last:
        return None

    def read(data: bytes) -> Any:
        return message.decode(data, version=version)

    def write(value: Any) -> bytes:
        value._header = None  # it does not set this itself when it decodes, and cannot encode without
        encoded: bytes = value.encode(version=version)
        return bytes(encoded)

    return Peer(read, write, message)
