"""Strategies for Redis: commands, replies of every type in both versions, and sessions."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from ..message import Kind, Message, Side
from ..protocols import redis
from ..stream import decode

_words = st.one_of(
    st.sampled_from((b"k", b"{user:1}:a", b"", b"\xff\r\n", b"*1\r\n$4\r\nPING\r\n")), st.binary(max_size=12)
)
_lines = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=12)
_integers = st.integers(-(2**63), 2**63 - 1)
_names = st.sampled_from(
    (b"GET", b"set", b"Mget", b"DEL", b"EVAL", b"XREAD", b"SORT", b"client", b"PING", b"ECHO", b"PUBLISH", b"no such")
)

# -- messages -------------------------------------------------------------------------------------------------------


def messages(side: Side) -> SearchStrategy[Message]:
    """Commands in both forms; replies of any type, in any form that is legal."""
    raw = _commands() if side is Side.CLIENT else _replies()
    return raw.map(lambda data: decode("redis", data, side)[0])


@st.composite
def _commands(draw: DrawFn) -> bytes:
    match draw(st.sampled_from(("array", "array", "inline", "quoted"))):
        case "array":
            return redis.pack([draw(_names), *draw(st.lists(_words, max_size=4))])
        case "inline":
            end = draw(st.sampled_from((b"\n", b"\r\n")))
            return draw(st.sampled_from((b"PING", b"  get  a", b"set a 'b\\'c' \"\\x00\\r\"", b""))) + end
        case _:
            return redis.inline(draw(_names), *draw(st.lists(_words, max_size=3))).raw


def _bulk(mark: bytes, data: bytes) -> bytes:
    return b"%b%d\r\n%b\r\n" % (mark, len(data), data)


def _aggregate(mark: bytes, items: list[bytes]) -> bytes:
    count = len(items) // 2 if mark in b"%|" else len(items)
    return b"%b%d\r\n" % (mark, count) + b"".join(items)


def _streamed(mark: bytes, items: list[bytes]) -> bytes:
    return mark + b"?\r\n" + b"".join(items) + b".\r\n"


def _streamed_string(pieces: list[bytes]) -> bytes:
    return b"$?\r\n" + b"".join(_bulk(b";", piece) for piece in pieces) + b";0\r\n"


def _pairs(values: SearchStrategy[bytes]) -> SearchStrategy[list[bytes]]:
    return st.lists(st.tuples(values, values), max_size=3).map(lambda pairs: [one for pair in pairs for one in pair])


_scalars = st.one_of(
    _lines.map(lambda line: b"+%b\r\n" % line.encode()),
    _lines.map(lambda line: b"-ERR %b\r\n" % line.encode()),
    st.sampled_from(
        (b"-MOVED 3999 127.0.0.1:6381\r\n", b"-ASK 7 [::1]:1\r\n", b"-\r\n", b"$-1\r\n", b"*-1\r\n", b"_\r\n")
    ),
    _integers.map(lambda number: b":%d\r\n" % number),
    st.sampled_from(
        (b":+7\r\n", b"#t\r\n", b"#f\r\n", b",inf\r\n", b",-inf\r\n", b",nan\r\n", b",1\r\n", b",-1.5e3\r\n")
    ),
    st.floats(allow_nan=False, allow_infinity=False).map(lambda number: b",%b\r\n" % repr(number).encode()),
    st.integers().map(lambda number: b"(%d\r\n" % number),
    _words.map(lambda data: _bulk(b"$", data)),
    _words.map(lambda data: _bulk(b"!", b"ERR " + data)),
    _words.map(lambda data: _bulk(b"=", b"txt:" + data)),
    st.lists(_words.filter(bool), max_size=3).map(_streamed_string),
)


def _nested(values: SearchStrategy[bytes]) -> SearchStrategy[bytes]:
    several = st.lists(values, max_size=4)
    return st.one_of(
        st.builds(_aggregate, st.sampled_from((b"*", b"~")), several),
        st.builds(_aggregate, st.just(b"%"), _pairs(values)),
        st.builds(_streamed, st.sampled_from((b"*", b"~")), several),
        st.builds(_streamed, st.just(b"%"), _pairs(values)),
        st.tuples(st.builds(_aggregate, st.just(b"|"), _pairs(values)), values).map(b"".join),
    )


def _push(items: list[bytes]) -> bytes:
    return _aggregate(b">", [b"+message\r\n", *items])


def _replies() -> SearchStrategy[bytes]:
    values = st.recursive(_scalars, _nested, max_leaves=8)
    return st.one_of(values, values, st.lists(_scalars, max_size=3).map(_push))


# -- values ---------------------------------------------------------------------------------------------------------


def values(side: Side) -> SearchStrategy[tuple[Message, Any]]:
    """A command and its arguments; a reply and its value."""
    return _command_values() if side is Side.CLIENT else _reply_values()


@st.composite
def _command_values(draw: DrawFn) -> tuple[Message, Any]:
    args = [draw(_names), *draw(st.lists(_words, max_size=4))]
    return (redis.command(*args) if draw(st.booleans()) else redis.inline(*args)), args


_simple = st.one_of(
    st.none(), _integers, st.binary(max_size=12), _lines, st.builds(redis.Error, st.just("ERR"), _lines)
)
_hashable = st.one_of(_integers, st.binary(max_size=6))


def _resp3(inner: SearchStrategy[Any]) -> SearchStrategy[Any]:
    several = st.lists(inner, max_size=3)
    return st.one_of(
        several,
        st.dictionaries(_hashable, inner, max_size=3),
        several.map(redis.Set),
        st.builds(redis.Attributed, st.dictionaries(_hashable, inner, min_size=1, max_size=2), inner),
    )


@st.composite
def _reply_values(draw: DrawFn) -> tuple[Message, Any]:
    if draw(st.booleans()):
        value = draw(st.recursive(_simple, lambda inner: st.lists(inner, max_size=3), max_leaves=6))
        return redis.reply(value), value
    scalars = st.one_of(
        _simple,
        st.booleans(),
        st.floats(),
        st.integers().map(redis.BigNumber),
        st.builds(redis.Verbatim, st.just("mkd"), st.binary(max_size=9)),
        st.builds(redis.Error, st.just("ERR"), st.text(max_size=9), st.just(True)),
    )
    value = draw(st.recursive(scalars, _resp3, max_leaves=6))
    raw = redis.reply(value, 3).raw
    return decode("redis", raw, Side.SERVER)[0], value  # what a connection's HELLO says is not in the bytes


# -- sessions -------------------------------------------------------------------------------------------------------


class _Session:
    """What a client and a server say, and who answers whom."""

    def __init__(self) -> None:
        self.said: list[Message] = []
        self.waiting: list[tuple[Message, list[bytes]]] = []  # requests, and the answers each of them still gets

    def ask(self, *args: bytes, answers: tuple[bytes, ...], kind: Kind = Kind.REQUEST) -> None:
        request = redis.command(*args)
        request.kind = kind
        self.said.append(request)
        if answers:
            self.waiting.append((request, list(answers)))

    def answer(self) -> None:
        if self.waiting:
            request, answers = self.waiting[0]
            self.hear(answers.pop(0), Kind.RESPONSE, request)
            if not answers:
                del self.waiting[0]

    def hear(self, raw: bytes, kind: Kind, request: Message | None = None) -> None:
        message = decode("redis", raw, Side.SERVER)[0]
        message.kind = kind
        message.request = request
        self.said.append(message)


@st.composite
def conversations(draw: DrawFn) -> list[Message]:
    """Pipelines; subscriptions that are confirmed for each channel; replies switched off; pushes anywhere."""
    session = _Session()
    resp3 = draw(st.booleans())
    mark = b">" if resp3 else b"*"
    if resp3:
        session.ask(b"HELLO", b"3", answers=(b"%1\r\n+proto\r\n:3\r\n",))
        session.answer()
    for _ in range(draw(st.integers(0, 10))):
        match draw(st.sampled_from(("ask", "ask", "answer", "answer", "answer", "skip", "push", "exec", "subscribe"))):
            case "ask":
                session.ask(
                    b"GET", draw(_words), answers=(draw(st.sampled_from((b"$1\r\nv\r\n", b"-ERR no\r\n", b"*0\r\n"))),)
                )
            case "answer":
                session.answer()
            case "skip":
                session.ask(b"CLIENT", b"REPLY", b"SKIP", answers=(), kind=Kind.ONEWAY)
                session.ask(b"DEL", b"a", answers=(), kind=Kind.ONEWAY)
            case "push" if resp3:
                session.hear(b">2\r\n+invalidate\r\n*0\r\n", Kind.PUSH)
            case "exec":
                session.ask(b"MULTI", answers=(b"+OK\r\n",))
                session.ask(b"INCR", b"a", answers=(b"+QUEUED\r\n",))
                session.ask(b"EXEC", answers=(b"*1\r\n:1\r\n",))
            case "subscribe" if resp3:
                names = draw(st.lists(st.sampled_from((b"one", b"two")), min_size=1, max_size=3))
                confirmed = (b"%b3\r\n+subscribe\r\n%b:1\r\n" % (mark, _bulk(b"$", name)) for name in names)
                session.ask(b"SUBSCRIBE", *names, answers=tuple(confirmed))
            case _:
                pass
    return session.said


# -- edits and extremes ---------------------------------------------------------------------------------------------


@st.composite
def edits(draw: DrawFn, message: Message) -> dict[str, Any]:
    """Other keys, as many of them; another body."""
    if message.kind not in (Kind.REQUEST, Kind.RESPONSE):
        return {}
    if message.side is not Side.CLIENT:
        return {"body": draw(st.one_of(_integers, st.binary(max_size=9)))} if draw(st.booleans()) else {}
    keys = message.metadata.get("keys")
    if isinstance(keys, tuple) and len(set(keys)) == len(keys) and draw(st.booleans()):
        return {"keys": tuple(draw(st.lists(st.text(max_size=5), min_size=len(keys), max_size=len(keys))))}
    return {"body": draw(st.lists(st.binary(max_size=5), min_size=1, max_size=3))} if draw(st.booleans()) else {}


def extremes(side: Side, size: int) -> list[bytes]:
    """Long strings, many elements, and values full of line ends."""
    if side is Side.CLIENT:
        return [
            redis.pack([b"SET", b"k", bytes(size)]),
            redis.pack([b"SET", b"k", b"\r\n" * (size // 2)]),
            redis.pack([b"MGET", *[b"k"] * (size // 7)]),
            b"GET " + b"k" * size + b"\r\n",
        ]
    return [
        _bulk(b"$", bytes(size)),
        _bulk(b"$", b"\r\n" * (size // 2)),
        _aggregate(b"*", [b":1\r\n"] * (size // 4)),
        _aggregate(b"*", [b"*2\r\n$1\r\na\r\n+b\r\n"] * (size // 15)),
        _streamed(b"*", [b"$1\r\na\r\n"] * (size // 7)),
        _streamed_string([b"abc"] * (size // 9)),
        b"+" + b"x" * size + b"\r\n",
        b"(" + b"7" * size + b"\r\n",
    ]


def hostile(side: Side) -> list[bytes]:
    """Lengths and depths that nothing stands behind."""
    lengths = [b"*1000000\r\n", b"*1048576\r\n$3\r\nSET\r\n", b"*2\r\n$3\r\nSET\r\n$536870912\r\nx", b"*2147483647\r\n"]
    if side is Side.CLIENT:
        return lengths
    more = [b"$536870912\r\nx", b"%1073741823\r\n", b"~2147483647\r\n:1\r\n", b">2147483647\r\n", b"|1000000\r\n"]
    return [*lengths, *more, b"*1\r\n" * 2000, b"*?\r\n" * 2000, b"|1\r\n" * 2000, b"$?\r\n;536870912\r\n"]
