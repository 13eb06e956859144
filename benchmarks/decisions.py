"""Roads not taken, beside those that were: the evidence of docs/decisions. Ours is what was decided."""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Callable, Iterator
from typing import Any

from l7codec import Kind, Limits, Message, Side, Stream
from l7codec.buffer import ReceiveBuffer
from l7codec.protocols.redis import RedisCodec, pack_pipeline
from l7codec.protocols.redis.scan import Scan

from .redis import CHUNK, SEGMENT, Chunks, cut, messages, sets
from .timing import Case

FRAME = struct.Struct("!I")
SIZE = 216


def cases(size: int = 10_000) -> Iterator[Case]:
    """Every case."""
    frames = cut((FRAME.pack(SIZE) + bytes(SIZE - 4)) * size, 1 << 16)
    peers = {"consumed bytearray": _by_bytearray(frames), "our ReceiveBuffer": _by_buffer(frames)}
    yield Case("immutable bytes and a position", _by_position(frames), peers, size)
    big = cut(FRAME.pack(size * 250) + bytes(size * 250 - 4), SEGMENT)
    yield Case("one big message, pieces set aside", _by_buffer(big), {"joined each time": _joined(big)}, 1)
    array = cut(b"*%d\r\n" % (size // 10) + b"$4\r\nabcd\r\n" * (size // 10), 64)
    yield Case("array in 64-byte pieces, resumed", _scan(array, False), {"from its start again": _scan(array, True)}, 1)
    for name, data, side in (
        ("SET pipeline", pack_pipeline(sets(size)), Side.CLIENT),
        ("+OK replies", b"+OK\r\n" * size, Side.SERVER),
    ):
        chunks = cut(data, CHUNK)
        yield Case(f"{name}, in batches", messages(chunks, side), {"one at a time": _one_by_one(chunks, side)}, size)
    peers = {"frozen dataclass": _made(_Frozen, size), "slots dataclass": _made(_Slots, size)}
    yield Case("making a Message", _made(Message, size), peers, size)
    array = b"*100\r\n" + b"$16\r\n0123456789abcdef\r\n" * 100
    chunks = cut(array * max(size // 100, 1), CHUNK)
    yield Case(
        "array reply, body not read", messages(chunks, Side.SERVER), {"read": _bodies(chunks)}, max(size // 100, 1)
    )


def _by_buffer(chunks: Chunks) -> Callable[[], object]:
    def run() -> int:
        buffer = ReceiveBuffer("frames")
        found = 0
        for chunk in chunks:
            buffer.append(chunk)
            while buffer.prepare():
                data, start = buffer.data, buffer.position
                if len(data) - start < 4:
                    buffer.wait(4)
                    break
                (size,) = FRAME.unpack_from(data, start)
                if len(data) - start < size:
                    buffer.wait(size)
                    break
                found += len(buffer.take(size))
        return found

    return run


def _by_position(chunks: Chunks) -> Callable[[], object]:
    def run() -> int:
        rest = b""
        found = 0
        for chunk in chunks:
            data = rest + chunk
            position = 0
            while len(data) - position >= 4:
                (size,) = FRAME.unpack_from(data, position)
                if len(data) - position < size:
                    break
                found += len(data[position : position + size])
                position += size
            rest = data[position:]
        return found

    return run


def _by_bytearray(chunks: Chunks) -> Callable[[], object]:
    def run() -> int:
        data = bytearray()
        found = 0
        for chunk in chunks:
            data += chunk
            while len(data) >= 4:
                (size,) = FRAME.unpack_from(data)
                if len(data) < size:
                    break
                found += len(bytes(data[:size]))
                del data[:size]
        return found

    return run


def _joined(chunks: Chunks) -> Callable[[], object]:
    def run() -> int:
        data = b""
        found = 0
        for chunk in chunks:
            data += chunk
            view = memoryview(data)  # keeps the interpreter from growing the string in place, as any reference does
            if len(view) >= 4 and len(view) >= FRAME.unpack_from(view)[0]:
                found += len(data)
                data = b""
        return found

    return run


def _scan(chunks: Chunks, restart: bool) -> Callable[[], object]:
    def run() -> int:
        buffer = ReceiveBuffer("redis")
        scan = Scan(Limits())
        found = 0
        seen = b""
        for chunk in chunks:
            if restart:
                seen += chunk
                buffer = ReceiveBuffer("redis", seen)
                scan.reset()
            else:
                buffer.append(chunk)
            if buffer.prepare():
                size = scan.reply(buffer)
                if size is not None:
                    found += len(buffer.take(size))
        return found

    return run


def _one_by_one(chunks: Chunks, side: Side) -> Callable[[], object]:
    def run() -> int:
        stream = Stream("redis", side)
        stream._decode_batch = None
        count = 0
        for chunk in chunks:
            for _ in stream.receive_data(chunk):
                count += 1
        return count

    return run


def _bodies(chunks: Chunks) -> Callable[[], object]:
    def run() -> int:
        stream = Stream(RedisCodec, Side.SERVER)
        count = 0
        for chunk in chunks:
            for message in stream.receive_data(chunk):
                count += message.body is not None
        return count

    return run


@dataclasses.dataclass(slots=True)
class _Slots:
    protocol: str
    kind: Kind
    side: Side
    metadata: dict[str, Any]
    raw: bytes
    id: int | None = None
    missing: int = 0
    error: Exception | None = None
    request: Any = None


@dataclasses.dataclass(frozen=True, slots=True)
class _Frozen:
    protocol: str
    kind: Kind
    side: Side
    metadata: dict[str, Any]
    raw: bytes
    id: int | None = None
    missing: int = 0
    error: Exception | None = None
    request: Any = None


def _made(kind: Any, count: int) -> Callable[[], object]:
    request, client, metadata, raw = Kind.REQUEST, Side.CLIENT, {"method": "GET"}, b"GET k\r\n"

    def run() -> int:
        for _ in range(count):
            kind("redis", request, client, metadata, raw)
        return count

    return run
