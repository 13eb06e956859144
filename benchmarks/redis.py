"""Redis against redis-py's parser and packer, which are written in Python, and hiredis, written in C.

What each contestant does with the same bytes, in the same chunks:

    ours        Stream.receive_data: a Message for each command or reply, with its metadata and its own bytes
    redis-py    _RESP2Parser on a socket that hands out the chunks: a value for each
    hiredis     Reader.feed and gets: a value for each

Neither peer keeps the message's bytes, or knows the command, its keys and its slot. Parsers of replies read requests
just as well: a request is an array of bulk strings.

Rows "framing alone" build no messages: `bare loop` does the least that finds the arguments of every command and checks
their lengths, and is the bound of what messages can cost; `Scan` is what frames whatever is not plain.

Rows "growth" compare one message in small pieces with four of a quarter of its size: ×1 is linear, ×0.25 quadratic (a
bit less than ×1 is what memory costs that no longer fits the processor's cache).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from l7codec import Conversation, Limits, Side, Stream
from l7codec.buffer import ReceiveBuffer
from l7codec.protocols.redis import pack, pack_pipeline
from l7codec.protocols.redis.scan import Scan

from .timing import Case

Chunks = list[bytes]
Run = Callable[[], object]

CHUNK = 16 * 1024
SEGMENT = 1448  # a TCP segment's payload over Ethernet
BIG = 1000  # bytes per message of `size` in the big ones: 10 MB by default


def cases(size: int = 10_000) -> Iterator[Case]:
    """Every case; without the packages, ours alone."""
    yield from _requests(size)
    yield from _replies(size)
    yield from _growth(size)
    yield from _encoding(size)
    yield from _conversations(size)


# -- requests -----------------------------------------------------------------------------------------------------


def _requests(size: int) -> Iterator[Case]:
    commands = sets(size)
    data = pack_pipeline(commands)
    chunks = cut(data, CHUNK)
    peers = parsers(chunks, size)
    framing = {name: run for name, run in peers.items() if name == "redis-py"}
    yield Case("request SET, framing alone, bare loop", bare_loop(chunks), framing, size)
    yield Case("request SET, framing alone, Scan", scan(chunks), framing, size)
    yield Case("request SET, 16 KB chunks", messages(chunks, Side.CLIENT), peers, size, 1.7)
    chunks = cut(data, SEGMENT)
    yield Case("request SET, 1448-byte chunks", messages(chunks, Side.CLIENT), parsers(chunks, size), size)
    data = pack_pipeline([mixed(number) for number in range(size)])
    chunks = cut(data, CHUNK)
    yield Case("request GET, HSET, DEL, MGET mixed", messages(chunks, Side.CLIENT), parsers(chunks, size), size)
    data = pack_pipeline([("SET", f"key:{number:08d}", "a\r\nb\r\n" * 8) for number in range(size)])
    chunks = cut(data, CHUNK)
    yield Case("request SET, CR LF in every value", messages(chunks, Side.CLIENT), parsers(chunks, size), size)
    few = max(size // 50, 4)
    chunks = cut(pack_pipeline(commands[:few]), 1)
    yield Case("request SET, one byte at a time", messages(chunks, Side.CLIENT), parsers(chunks, few), few)


def sets(size: int) -> list[tuple[str, str, str]]:
    """Commands as text."""
    return [("SET", f"key:{number:08d}", f"value-{number:040d}") for number in range(size)]


def mixed(number: int) -> tuple[str, ...]:
    key = f"user:{number:08d}"
    match number % 4:
        case 0:
            return ("GET", key)
        case 1:
            return ("HSET", key, "name", "somebody", "city", "somewhere")
        case 2:
            return ("DEL", key)
        case _:
            return ("MGET", key, f"{key}:name", f"{key}:city")


# -- replies ------------------------------------------------------------------------------------------------------


def _replies(size: int) -> Iterator[Case]:
    bulk = b"$64\r\n%b\r\n" % (b"x" * 64)
    for name, reply, goal in (
        ("64-byte bulk", bulk, 1.8),
        ("+OK", b"+OK\r\n", 1.4),
        (":123456", b":123456\r\n", None),
    ):
        chunks = cut(reply * size, CHUNK)
        yield Case(f"reply {name}", messages(chunks, Side.SERVER), parsers(chunks, size), size, goal)
    chunks = cut(bulk * size, SEGMENT)
    yield Case("reply 64-byte bulk, 1448-byte chunks", messages(chunks, Side.SERVER), parsers(chunks, size), size)
    few = max(size // 100, 4)
    array = b"*100\r\n" + b"".join(b"$16\r\nelement-%08d\r\n" % number for number in range(100))
    chunks = cut(array * few, CHUNK)
    yield Case("reply LRANGE of 100", messages(chunks, Side.SERVER), parsers(chunks, few), few)
    yield Case("reply LRANGE of 100, body read", bodies(chunks, Side.SERVER), parsers(chunks, few), few)
    nested = b"*4\r\n" + b"*2\r\n:1\r\n*3\r\n$1\r\na\r\n*0\r\n+x\r\n" * 4
    few = max(size // 4, 4)
    chunks = cut(nested * few, CHUNK)
    yield Case("reply nested arrays", messages(chunks, Side.SERVER), parsers(chunks, few), few)
    chunks = cut(b"$48\r\n%b\r\n" % (b"a\r\nb\r\n" * 8) * size, CHUNK)
    yield Case("reply bulk, CR LF in every value", messages(chunks, Side.SERVER), parsers(chunks, size), size)


# -- growth -------------------------------------------------------------------------------------------------------


def _growth(size: int) -> Iterator[Case]:
    big = size * BIG
    few = max(size // 5, 16)

    def bulk(length: int) -> bytes:
        return b"$%d\r\n%b\r\n" % (length, bytes(length))

    def array(length: int) -> bytes:
        count = length // len(b"$4\r\nabcd\r\n")
        return b"*%d\r\n" % count + b"$4\r\nabcd\r\n" * count

    def request(length: int) -> bytes:
        count = length // len(b"$4\r\nabcd\r\n")
        return b"*%d\r\n" % (count + 1) + b"$3\r\nDEL\r\n" + b"$4\r\nabcd\r\n" * count

    for name, make, side, length, piece in (
        ("one bulk", bulk, Side.SERVER, big, SEGMENT),
        ("one array", array, Side.SERVER, big, SEGMENT),
        ("one request", request, Side.CLIENT, big, SEGMENT),
        ("one bulk", bulk, Side.SERVER, few * 8, 1),
        ("one array", array, Side.SERVER, few * 8, 1),
    ):
        whole, quarter = cut(make(length), piece), cut(make(length // 4), piece)
        peers = {"four quarters": messages(quarter * 4, side)}
        shown = f"{length // 1_000_000} MB" if length >= 1_000_000 else f"{length // 1000} KB"
        yield Case(f"growth {name}, {shown}, pieces of {piece}", messages(whole, side), peers, 1, 0.4)


# -- encoding -----------------------------------------------------------------------------------------------------


def _encoding(size: int) -> Iterator[Case]:
    text = sets(size)
    data = [tuple([arg.encode() for arg in args]) for args in text]
    mixed_types = [("SET", key, number) for number, (_, key, _) in enumerate(text)]
    goals = {"redis-py": 8.0, "hiredis": 1.5}
    for name, commands, wanted in (
        ("text", text, goals),
        ("bytes", data, {}),
        ("text and numbers", mixed_types, {}),
    ):
        yield Case(f"encode SET pipeline, {name}", packing(commands), packers(commands), size, targets=wanted)
    yield Case("encode SET one by one, text", lambda: b"".join([pack(args) for args in text]), packers(text), size)


# -- conversations ------------------------------------------------------------------------------------------------


def _conversations(size: int) -> Iterator[Case]:
    """What pairing adds: the peer here is the same bytes through two Streams, which pair nothing."""
    requests = cut(pack_pipeline(sets(size)), CHUNK)
    replies = cut(b"+OK\r\n" * size, CHUNK)
    limits = Limits(pending=size)

    def alone() -> int:
        client, server = Stream("redis", Side.CLIENT), Stream("redis", Side.SERVER)
        count = 0
        for chunk in requests:
            count += len(list(client.receive_data(chunk)))
        for chunk in replies:
            count += len(list(server.receive_data(chunk)))
        return count

    def paired() -> int:
        conversation = Conversation("redis", limits=limits)
        count = 0
        for chunk in requests:
            count += len(list(conversation.client.receive_data(chunk)))
        for chunk in replies:
            count += len(list(conversation.server.receive_data(chunk)))
        assert conversation.idle
        return count

    yield Case("conversation, SET and +OK paired", paired, {"two Streams": alone}, size)


# -- contestants --------------------------------------------------------------------------------------------------


def cut(data: bytes, size: int) -> Chunks:
    return [data[start : start + size] for start in range(0, len(data), size)]


def messages(chunks: Chunks, side: Side) -> Run:
    def run() -> int:
        stream = Stream("redis", side)
        count = 0
        for chunk in chunks:
            for _ in stream.receive_data(chunk):
                count += 1
        return count

    return run


def bodies(chunks: Chunks, side: Side) -> Run:
    def run() -> int:
        stream = Stream("redis", side)
        count = 0
        for chunk in chunks:
            for message in stream.receive_data(chunk):
                count += message.body is not None
        return count

    return run


def scan(chunks: Chunks) -> Run:
    """Our framing, one message at a time, without messages."""

    def run() -> int:
        buffer = ReceiveBuffer("redis")
        scan = Scan(Limits())
        count = 0
        for chunk in chunks:
            buffer.append(chunk)
            while buffer.prepare():
                size = scan.command(buffer)
                if size is None:
                    break
                buffer.take(size)
                count += 1
        return count

    return run


def bare_loop(chunks: Chunks) -> Run:
    """The least that frames commands of strings without a CR LF, and checks every length."""
    counts = {b"*%d" % number: number for number in range(64)}
    sizes = {b"$%d" % number: number for number in range(512)}

    def run() -> int:
        rest = b""
        found = 0
        for chunk in chunks:
            data = rest + chunk
            tokens = data.split(b"\r\n")
            index = position = 0
            while index < len(tokens) - 1:
                stop = index + 1 + 2 * counts[tokens[index]]
                if stop >= len(tokens):
                    break
                end = position + len(tokens[index]) + 2
                for line, value in zip(tokens[index + 1 : stop : 2], tokens[index + 2 : stop : 2], strict=True):
                    if sizes[line] != len(value):
                        raise ValueError(line)
                    end += len(line) + len(value) + 4
                raw = data[position:end]
                found += bool(raw)
                index, position = stop, end
            rest = data[position:]
        return found

    return run


def parsers(chunks: Chunks, count: int) -> dict[str, Run]:
    """The peers that are installed, reading `count` values."""
    found: dict[str, Run] = {}
    try:
        from redis._parsers.resp2 import _RESP2Parser
        from redis._parsers.socket import SocketBuffer
    except ImportError:
        pass
    else:

        def redis_py() -> int:
            parser = _RESP2Parser(65536)
            parser._buffer = SocketBuffer(_Socket(chunks), 65536, None)
            read = parser.read_response
            for _ in range(count):
                read(disable_decoding=True)
            return count

        found["redis-py"] = redis_py
    try:
        from hiredis import Reader
    except ImportError:
        pass
    else:

        def hiredis() -> int:
            reader = Reader()
            seen = 0
            for chunk in chunks:
                reader.feed(chunk)
                while reader.gets() is not False:
                    seen += 1
            return seen

        found["hiredis"] = hiredis
    return found


class _Socket:
    """Hands out chunks, as a socket would."""

    def __init__(self, chunks: Chunks) -> None:
        self._chunks = iter(chunks)

    def recv(self, size: int) -> bytes:
        return next(self._chunks, b"")


def packing(commands: Sequence[Sequence[Any]]) -> Run:
    return lambda: pack_pipeline(commands)


def packers(commands: Sequence[Sequence[Any]]) -> dict[str, Run]:
    """The peers that are installed, each giving all commands' bytes in one piece."""
    found: dict[str, Run] = {}
    try:
        from redis.connection import Connection, PythonRespSerializer
    except ImportError:
        pass
    else:
        connection = Connection()
        connection._command_packer = PythonRespSerializer(connection._buffer_cutoff, connection.encoder.encode)
        found["redis-py"] = lambda: b"".join(connection.pack_commands(commands))
    try:
        from hiredis import pack_command
    except ImportError:
        pass
    else:
        tuples = [tuple(args) for args in commands]
        found["hiredis"] = lambda: b"".join([pack_command(args) for args in tuples])
    return found
