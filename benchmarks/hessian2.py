"""Hessian2 against python-hessian, which is written in Python, and hessian-codec, written in Rust.

What each contestant does with the same value, an order (or a page of them): text, numbers, a list of items, a map:

    ours             loads: JavaObjects, ints and longs apart, all tables and limits checked
    python-hessian   Parser: objects of classes that it makes up from the names it reads
    hessian-codec    loads: dicts

python-hessian writes Hessian 1 alone; rows "encode" compare with that. hessian-codec writes no objects.

Rows "skip" compare going past a value with reading it, and rows "arguments" what a router does with the body of a call
(the strings in front, past the arguments, the attachments) with reading all of it.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any

from l7codec import hessian2
from l7codec.hessian2 import JavaList, JavaLong, JavaObject, Reader, Writer

from .timing import Case

Run = Callable[[], object]


def cases(size: int = 10_000) -> Iterator[Case]:
    """Every case; without the packages, ours alone."""
    small, large = order(1, 3), page(11)
    for name, value in (("order", small), ("page of orders", large)):
        data = hessian2.dumps(value)
        shown = f"{name}, {len(data)} B"
        yield Case(f"decode {shown}", reading(data), readers(data), 1, targets=READING)
        yield Case(f"encode {shown}", writing(value), writers(value), 1, targets={"python-hessian": 4.0})
        yield Case(f"skip {shown}", skipping(data), {"decode": reading(data)}, 1)
    for name, value in (("text", ["x" * 30] * 130), ("ints", list(range(0, 40_000, 27))), ("records", records(150))):
        data = hessian2.dumps(value)
        yield Case(f"decode {name}, {len(data)} B", reading(data), readers(data), 1)
        yield Case(f"skip {name}, {len(data)} B", skipping(data), {"decode": reading(data)}, 1)
    body = call(large)
    yield Case(f"arguments {len(body)} B", routing(body), {"decode": whole(body)}, 1, targets={"decode": 2.0})


READING = {"python-hessian": 6.0, "hessian-codec": 1.0}


def order(number: int, items: int) -> JavaObject:
    """An order of an imaginary shop."""
    lines = [
        JavaObject("org.example.shop.Item", {"sku": f"SKU-{place:05d}", "quantity": place + 1, "price": place * 1.25})
        for place in range(items)
    ]
    return JavaObject(
        "org.example.shop.Order",
        {
            "id": JavaLong(20_231_114_000_000 + number),
            "customer": f"customer number {number}",
            "country": "DE",
            "email": f"customer{number}@shop.example.org",
            "paid": number % 2 == 0,
            "total": 1234.5 + number,
            "status": number % 5,
            "weight": 1_500 + number,
            "note": "leave it at the door, please" if number % 3 else None,
            "items": JavaList(lines, "java.util.ArrayList"),
            "extra": {"channel": "web", "campaign": f"autumn-{number}", "attempt": number},
        },
    )


def page(orders: int) -> JavaList:
    """Several orders."""
    return JavaList([order(number, 16) for number in range(orders)], "java.util.ArrayList")


def records(count: int) -> list[JavaObject]:
    """Objects of numbers and short text alone."""
    return [
        JavaObject("org.example.Point", {"x": number, "y": number * 3, "name": f"point {number}", "on": True})
        for number in range(count)
    ]


def call(argument: Any) -> bytes:
    """The body of a Dubbo request."""
    writer = Writer()
    for text in ("2.0.2", "org.example.shop.Orders", "1.0.0", "place", "Ljava/util/List;"):
        writer.value(text)
    writer.value(argument)
    writer.value({"path": "org.example.shop.Orders", "interface": "org.example.shop.Orders", "version": "1.0.0"})
    return writer.bytes()


# -- contestants --------------------------------------------------------------------------------------------------


def reading(data: bytes) -> Run:
    def run() -> str:
        return f"{type(hessian2.loads(data)).__name__}"

    return run


def skipping(data: bytes) -> Run:
    def run() -> str:
        reader = Reader(data)
        reader.skip()
        assert reader.at_end
        return ""

    return run


def routing(data: bytes) -> Run:
    def run() -> Any:
        reader = Reader(data)
        head = [reader.string() for _ in range(5)]
        reader.skip()
        return (head[1], reader.value())

    return run


def whole(data: bytes) -> Run:
    def run() -> Any:
        reader = Reader(data)
        values = [reader.value() for _ in range(7)]
        return (values[1], values[6])

    return run


def writing(value: Any) -> Run:
    return lambda: [hessian2.dumps(value)]


def readers(data: bytes) -> dict[str, Run]:
    """The peers that are installed, reading one value."""
    found: dict[str, Run] = {}
    try:
        from pyhessian.parser import Parser
    except ImportError:
        pass
    else:

        def python_hessian() -> Any:
            parser = Parser()
            parser.version = 2
            parser._stream = io.BytesIO(data)
            return [parser.read_object()]

        found["python-hessian"] = python_hessian
    try:
        import hessian_codec
    except ImportError:
        pass
    else:
        found["hessian-codec"] = lambda: [hessian_codec.loads(data)]
    return found


def writers(value: Any) -> dict[str, Run]:
    """The peer that is installed, writing one value of its own kind."""
    try:
        from pyhessian import encoder, protocol
        from pyhessian.data_types import long
    except ImportError:
        return {}

    def theirs(one: Any) -> Any:
        if isinstance(one, JavaObject):
            return protocol.object_factory(one.class_name, **{name: theirs(part) for name, part in one.fields})
        if isinstance(one, list):
            return [theirs(part) for part in one]
        return long(one) if isinstance(one, JavaLong) else one

    given = theirs(value)
    return {"python-hessian": lambda: [encoder.Encoder().encode(given)]}
