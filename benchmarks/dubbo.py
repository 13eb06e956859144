"""Dubbo: what it costs to frame a request and know where it goes, against decoding all of it, and against struct alone.

Rows "frame and metadata": `Stream.receive_data` gives a Message with service, method, version, group and attachments;
its arguments are passed over. The peer, "decoded whole", reads its body as well: arguments as Python values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from l7codec import Message, Side, Stream, encode
from l7codec.hessian2 import JavaLong, JavaObject
from l7codec.protocols import dubbo

from .timing import Case

ATTACHMENTS = {"user": "ada", "dubbo.tag": "canary", "timeout": "3000"}
LARGE = 4096  # bytes of arguments, about


def cases(size: int = 10_000) -> Iterator[Case]:
    """Every case."""
    few = max(size // 20, 4)
    for name, message, goal in (
        ("a small request", small(), None),
        ("4 kB of arguments, objects", objects(LARGE), 3.0),
        ("4 kB of arguments, maps of numbers and text", plain(LARGE, nested=False), 3.0),
        ("4 kB of arguments, maps with lists in them", plain(LARGE), None),
        ("4 kB of arguments, fastjson2", plain(LARGE, "fastjson2"), None),
        ("4 kB of arguments, fastjson", plain(LARGE, "fastjson"), None),
    ):
        peers = {"decoded whole": decode(message, few, whole=True)}
        yield Case(f"frame and metadata, {name}", decode(message, few, whole=False), peers, few, goal)
    message = objects(LARGE)
    edited = {"body written anew": edits(message, few, {"body": message.body})}
    yield Case("edit of an attachment, 4 kB of arguments", edits(message, few, {"header.user": "bob"}), edited, few)
    yield Case("edit of the id", edits(message, few, {"id": 7}), {}, few)


def small() -> Message:
    return dubbo.invocation("com.example.Orders", "find", [JavaLong(17)], version="1.0", attachments=ATTACHMENTS)


def objects(size: int) -> Message:
    """Orders with lines, as a list of value objects goes over the wire."""
    orders: list[Any] = []
    message = small()
    while len(message.raw) < size:
        number = len(orders)
        fields = {"id": JavaLong(number), "name": f"order {number}", "price": number * 1.25, "open": True, "count": 3}
        orders.append(JavaObject("com.example.Order", fields))
        message = dubbo.invocation("com.example.Orders", "store", [orders], version="1.0", attachments=ATTACHMENTS)
    return message


def plain(size: int, serialization: str = "hessian2", *, nested: bool = True) -> Message:
    """Maps of numbers and text, and of short lists: those are what costs most to pass over."""
    rows: list[Any] = []
    message = small()
    while len(message.raw) < size:
        number = len(rows)
        row = {"id": number, "name": f"row {number}", "ratio": number / 7, "tags": ["a", "b"], "parent": None}
        rows.append(row if nested else {**row, "tags": "a b"})
        message = dubbo.invocation(
            "com.example.Orders", "store", [rows], attachments=ATTACHMENTS, serialization=serialization
        )
    return message


def decode(message: Message, count: int, *, whole: bool) -> Callable[[], object]:
    data = message.raw

    def run() -> int:
        stream = Stream("dubbo", Side.CLIENT)
        found = 0
        for _ in range(count):
            for one in stream.receive_data(data):
                found += one.metadata["method"] is not None
                if whole:
                    found += one.body is None
        return found

    return run


def edits(message: Message, count: int, wanted: dict[str, Any]) -> Callable[[], object]:
    def run() -> int:
        return sum(len(encode(message, wanted)) > 0 for _ in range(count))

    return run
