"""Thrift against thriftpy2, its Cython decoder and its Python one, and Apache Thrift's Python library without C.

What each contestant does with the same call, of a list of 1 or of 20 books (some 550 bytes and 8 KB):

    ours, framed         Stream.receive_data: a Message for each call, with its metadata and its own bytes
    ours, body           the whole payload as values, by field id and with their types
    thriftpy2, cython    the arguments as objects, read by C; without the frame, which is read for it
    thriftpy2, apache    the arguments as objects, read by Python

The peers know the IDL, and make an object of each struct; we keep the types of the wire instead.

Rows "growth" compare one message in small pieces with four of a quarter of its size: ×1 is linear, ×0.25 quadratic.
"""

from __future__ import annotations

import importlib.util
import io
import struct
from collections.abc import Callable, Iterator
from typing import Any

from l7codec import Side, Stream
from l7codec.protocols import thrift
from l7codec.protocols.thrift import binary, compact

from .timing import Case

Run = Callable[[], object]

CHUNK = 64 * 1024
IDL = """
struct Author { 1: string name, 2: i32 born, 3: list<string> aliases }
struct Book {
  1: string title, 2: i64 isbn, 3: double price, 4: bool stock, 5: list<Author> authors, 6: map<string, i32> ratings,
  7: list<i32> pages, 8: i16 shelf, 9: string blurb
}
service Shop { void put(1: list<Book> books, 2: string token) }
"""


def book(number: int) -> dict[int, Any]:
    authors = [
        {1: ("string", b"Ann Onymous"), 2: ("i32", 1970), 3: ("list<string>", [b"AA", b"Annie"])},
        {1: ("string", b"Bob Builder"), 2: ("i32", 1980), 3: ("list<string>", [])},
    ]
    return {
        1: ("string", b"The Book %d" % number),
        2: ("i64", 9780000000000 + number),
        3: ("double", 12.5),
        4: ("bool", True),
        5: ("list<struct>", authors),
        6: ("map<string,i32>", [(b"good", 5), (b"bad", 1), (b"so so", 3)]),
        7: ("list<i32>", list(range(1, 30))),
        8: ("i16", 3),
        9: ("string", b"A tale of two bytes, and what they meant to each other."),
    }


def arguments(count: int) -> dict[int, Any]:
    return {1: ("list<struct>", [book(number) for number in range(count)]), 2: ("string", b"token")}


def cases(size: int = 10_000) -> Iterator[Case]:
    """Every case; without the packages, ours alone."""
    for count, goal in ((1, 3.5), (20, 30.0)):
        name = f"{count} book" + "s" * (count > 1)
        few = max(size // (10 * count), 4)
        yield from _framing(name, count, few, goal)
        yield from _bodies(name, count, few)
    yield from _growth(size)


def _framing(name: str, count: int, few: int, goal: float) -> Iterator[Case]:
    for protocol in ("binary", "compact"):
        call = thrift.call("put", arguments(count), id=7, protocol=protocol)
        wanted = {"thriftpy2 cython": goal} if protocol == "binary" else {}
        peers = {key: run for key, run in readers(protocol, call.raw[4:], few).items() if "cython" in key}
        yield Case(f"framed call, {protocol}, {name}", messages(call.raw * few), peers, few, targets=wanted)
    for transport in ("unframed", "header", "ttheader"):
        call = thrift.call("put", arguments(count), id=7, transport=transport)
        peers = {
            key: run for key, run in readers("binary", call.raw[-len(_bare(count)) :], few).items() if "cython" in key
        }
        yield Case(f"{transport} call, binary, {name}", messages(call.raw * few), peers, few)


def _bare(count: int) -> bytes:
    return thrift.call("put", arguments(count), id=7, transport="unframed").raw


def _bodies(name: str, count: int, few: int) -> Iterator[Case]:
    body = arguments(count)
    for protocol, module in (("binary", binary), ("compact", compact)):
        payload = thrift.call("put", body, id=7, transport="unframed", protocol=protocol).raw
        start = len(payload) - len(module.write_struct(body))
        peers = readers(protocol, payload, few)
        slow = {key: 2.5 for key in peers if "cython" not in key}
        yield Case(f"body read, {protocol}, {name}", reading(module, payload, start, few), peers, few, targets=slow)
        peers = writers(protocol, count, few)
        slow = {key: 4.0 for key in peers if "cython" not in key}
        yield Case(f"body written, {protocol}, {name}", writing(module, body, few), peers, few, targets=slow)


def _growth(size: int) -> Iterator[Case]:
    for protocol, name, length in (
        ("binary", "list<struct>", size * 1000),
        ("binary", "list<string>", size * 1000),
        ("compact", "list<i64>", size * 1000),
    ):

        def make(length: int, protocol: str = protocol, name: str = name) -> bytes:
            items: dict[str, list[Any]] = {
                "list<struct>": [{1: ("i32", 5), 2: ("string", b"abcd")}] * (length // 20),
                "list<string>": [b"abcdefgh"] * (length // 12),
                "list<i64>": [1 << 20] * (length // 4),
            }
            return thrift.call("put", {1: (name, items[name])}, transport="unframed", protocol=protocol).raw

        whole, quarter = cut(make(length), 64), cut(make(length // 4), 64)
        shown = f"{length // 1_000_000} MB" if length >= 1_000_000 else f"{length // 1000} KB"
        title = f"growth unframed {name}, {protocol}, {shown}, pieces of 64"
        yield Case(title, pieces(whole), {"four quarters": pieces(quarter * 4)}, 1, 0.4)


# -- contestants ------------------------------------------------------------------------------------------------------


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


def pieces(chunks: list[bytes]) -> Run:
    def run() -> int:
        stream = Stream("thrift", Side.CLIENT)
        count = 0
        for chunk in chunks:
            for _ in stream.receive_data(chunk):
                count += 1
        return count

    return run


def messages(data: bytes) -> Run:
    return pieces(cut(data, CHUNK))


def reading(module: Any, payload: bytes, start: int, count: int) -> Run:
    def run() -> int:
        read = module.read_struct
        for _ in range(count):
            read(payload, start, 64)
        return count

    return run


def writing(module: Any, body: Any, count: int) -> Run:
    def run() -> int:
        write = module.write_struct
        for _ in range(count):
            write(body)
        return count

    return run


def readers(protocol: str, payload: bytes, count: int) -> dict[str, Run]:
    """The peers that are installed, each reading the call `count` times."""
    found: dict[str, Run] = {}
    if importlib.util.find_spec("thriftpy2"):
        shop, kinds = _thriftpy2()
        for name, (make, memory) in kinds[protocol].items():
            found[name] = _thriftpy2_reading(shop, make, memory, payload, count)
    if importlib.util.find_spec("thrift"):
        found["apache"] = _apache_reading(protocol, payload, count)
    return found


def writers(protocol: str, count: int, times: int) -> dict[str, Run]:
    """The peers that are installed, each writing the arguments `times` times."""
    found: dict[str, Run] = {}
    if importlib.util.find_spec("thriftpy2"):
        shop, kinds = _thriftpy2()
        payload = thrift.call("put", arguments(count), transport="unframed").raw
        for name, (make, memory) in kinds[protocol].items():
            found[name] = _thriftpy2_writing(shop, make, memory, payload, times)
    if importlib.util.find_spec("thrift"):
        found["apache"] = _apache_writing(protocol, count, times)
    return found


def _thriftpy2() -> tuple[Any, dict[str, dict[str, Any]]]:
    import thriftpy2
    from thriftpy2.protocol.binary import TBinaryProtocol
    from thriftpy2.protocol.compact import TCompactProtocol
    from thriftpy2.transport import TMemoryBuffer

    shop = thriftpy2.load_fp(io.StringIO(IDL), module_name="bench_shop_thrift").Shop
    kinds: dict[str, dict[str, Any]] = {
        "binary": {"thriftpy2": (TBinaryProtocol, TMemoryBuffer)},
        "compact": {"thriftpy2": (TCompactProtocol, TMemoryBuffer)},
    }
    try:
        from thriftpy2.protocol.cybin import TCyBinaryProtocol
        from thriftpy2.transport.memory import TCyMemoryBuffer
    except ImportError:
        pass
    else:
        kinds["binary"]["thriftpy2 cython"] = (TCyBinaryProtocol, TCyMemoryBuffer)
    return shop, kinds


def _thriftpy2_reading(shop: Any, make: Any, memory: Any, payload: bytes, count: int) -> Run:
    def run() -> int:
        for _ in range(count):
            protocol = make(memory(payload))
            protocol.read_message_begin()
            shop.put_args().read(protocol)
        return count

    return run


def _thriftpy2_writing(shop: Any, make: Any, memory: Any, payload: bytes, count: int) -> Run:
    from thriftpy2.protocol.binary import TBinaryProtocol
    from thriftpy2.transport import TMemoryBuffer

    args = shop.put_args()
    source = TBinaryProtocol(TMemoryBuffer(payload))
    source.read_message_begin()
    args.read(source)

    def run() -> int:
        for _ in range(count):
            args.write(make(memory()))
        return count

    return run


# Apache Thrift's library reads and writes what its compiler's classes tell it to: a `thrift_spec`, as here.


def _apache() -> tuple[Any, Any]:
    from thrift.Thrift import TType

    class Author:
        pass

    class Book:
        pass

    class Put:
        pass

    author = [
        None,
        (1, TType.STRING, "name", "UTF8", None),
        (2, TType.I32, "born", None, None),
        (3, TType.LIST, "aliases", (TType.STRING, "UTF8", False), None),
    ]
    Author.thrift_spec = tuple(author)  # type: ignore[attr-defined]
    Book.thrift_spec = (  # type: ignore[attr-defined]
        None,
        (1, TType.STRING, "title", "UTF8", None),
        (2, TType.I64, "isbn", None, None),
        (3, TType.DOUBLE, "price", None, None),
        (4, TType.BOOL, "stock", None, None),
        (5, TType.LIST, "authors", (TType.STRUCT, [Author, Author.thrift_spec], False), None),  # type: ignore[attr-defined]
        (6, TType.MAP, "ratings", (TType.STRING, "UTF8", TType.I32, None, False), None),
        (7, TType.LIST, "pages", (TType.I32, None, False), None),
        (8, TType.I16, "shelf", None, None),
        (9, TType.STRING, "blurb", "UTF8", None),
    )
    Put.thrift_spec = (  # type: ignore[attr-defined]
        None,
        (1, TType.LIST, "books", (TType.STRUCT, [Book, Book.thrift_spec], False), None),  # type: ignore[attr-defined]
        (2, TType.STRING, "token", "UTF8", None),
    )
    for kind in (Author, Book, Put):
        kind.read = _read_by_spec  # type: ignore[attr-defined]
        kind.write = _write_by_spec  # type: ignore[attr-defined]
    return Put, (Author, Book)


def _read_by_spec(self: Any, protocol: Any) -> None:
    protocol.readStruct(self, self.thrift_spec)


def _write_by_spec(self: Any, protocol: Any) -> None:
    protocol.writeStruct(self, self.thrift_spec)


def _apache_protocol(protocol: str, data: bytes | None) -> Any:
    from thrift.protocol.TBinaryProtocol import TBinaryProtocol
    from thrift.protocol.TCompactProtocol import TCompactProtocol
    from thrift.transport.TTransport import TMemoryBuffer

    return (TBinaryProtocol if protocol == "binary" else TCompactProtocol)(TMemoryBuffer(data))


def _apache_reading(protocol: str, payload: bytes, count: int) -> Run:
    put, _ = _apache()

    def run() -> int:
        for _ in range(count):
            source = _apache_protocol(protocol, payload)
            source.readMessageBegin()
            put().read(source)
        return count

    return run


def _apache_writing(protocol: str, books: int, count: int) -> Run:
    put, _ = _apache()
    args = put()
    source = _apache_protocol("binary", struct.pack(">i", 0) + binary.write_struct(arguments(books)))
    source.readI32()
    args.read(source)

    def run() -> int:
        for _ in range(count):
            args.write(_apache_protocol(protocol, None))
        return count

    return run
