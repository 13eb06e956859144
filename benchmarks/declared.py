"""What the frame costs, and a declared codec: a header of 16 bytes, read by `struct` and by `construct`.

bare loop       struct.unpack_from and a slice, nothing else: the bound
by hand         a Codec of a few lines on `struct`, through Stream, Message and metadata
declared        the same header as a HeaderCodec, interpreted by construct
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from l7codec import Codec, Kind, Message, MissingExtra, Side, Stream, register
from l7codec.buffer import ReceiveBuffer
from l7codec.codec import NO, Verdict

from .timing import Case

HEADER = struct.Struct("!2sBBIII")
PAYLOAD = bytes(200)


@register
class ByHand(Codec):
    """The least that a codec does."""

    name = "benchmark-struct"

    def decode(self, side: Side, buffer: ReceiveBuffer) -> Message | None:
        data, start = buffer.data, buffer.position
        if len(data) - start < HEADER.size:
            buffer.wait(HEADER.size)
            return None
        _, _, _, id, method, total = HEADER.unpack_from(data, start)
        if total < HEADER.size:
            raise buffer.fail("too short")
        if total > self.limits.message:
            raise buffer.exceed("too long")
        if len(data) - start < total:
            buffer.wait(total, counted=True)
            return None
        return Message(self.name, Kind.REQUEST, side, {"method": f"{method}"}, buffer.take(total), id)

    @classmethod
    def body(cls, message: Message) -> Any:
        return message.raw[HEADER.size :]

    @classmethod
    def sniff(cls, data: bytes, side: Side) -> Verdict:
        return NO


def cases(size: int = 10_000) -> Iterator[Case]:
    """Every case; `construct` is an extra."""
    data = b"".join(
        HEADER.pack(b"BM", 1, 0, number, number % 7, HEADER.size + len(PAYLOAD)) + PAYLOAD for number in range(size)
    )
    chunks = [data[start : start + 65536] for start in range(0, len(data), 65536)]
    bare = {"bare loop": _bare_loop(chunks)}
    yield Case("codec by hand, 216-byte messages", _messages(ByHand, chunks), bare, size)
    try:
        codec = _declare()
    except MissingExtra:
        return
    few = max(size // 20, 4)
    chunks = [data[: few * (HEADER.size + len(PAYLOAD))]]
    peers = {"bare loop": _bare_loop(chunks), "by hand": _messages(ByHand, chunks)}
    yield Case("codec declared, 216-byte messages", _messages(codec, chunks), peers, few)


@cache  # a name belongs to one class
def _declare() -> type[Codec]:
    import construct

    from l7codec.declarative import HeaderCodec

    class Declared(HeaderCodec):
        name = "benchmark-declared"
        header = construct.Struct(
            "magic" / construct.Const(b"BM"),
            "kind" / construct.Int8ub,
            "spare" / construct.Int8ub,
            "id" / construct.Int32ub,
            "method" / construct.Int32ub,
            "total" / construct.Int32ub,
        )
        length = construct.this.total
        kind = Kind.REQUEST
        metadata = {"method": lambda header, raw: f"{header.method}"}  # noqa: RUF012

    return register(Declared)


def _messages(codec: type[Codec], chunks: list[bytes]) -> Callable[[], object]:
    def run() -> int:
        stream = Stream(codec, Side.CLIENT)
        count = 0
        for chunk in chunks:
            for _ in stream.receive_data(chunk):
                count += 1
        return count

    return run


def _bare_loop(chunks: list[bytes]) -> Callable[[], object]:
    def run() -> int:
        rest = b""
        found = 0
        for chunk in chunks:
            data = rest + chunk
            position = 0
            while len(data) - position >= HEADER.size:
                total = HEADER.unpack_from(data, position)[5]
                if len(data) - position < total:
                    break
                raw = data[position : position + total]
                found += bool(raw)
                position += total
            rest = data[position:]
        return found

    return run
