"""Redis: requests in arrays and on lines, replies of every type and form, conversations of every kind."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from ..message import Kind, Message, Side
from ..protocols import redis
from ..protocols.redis.commands import COMMANDS, key_positions, lookup
from ..protocols.redis.values import octets, pack_value, text
from ..stream import decode

__all__ = ["conversations", "edits", "extremes", "hostile", "messages", "streams", "values"]

_UNANSWERED = frozenset(("CLIENT", "REPLCONF"))  # or not always: by their arguments
_ORDINARY = sorted(name for name in COMMANDS if name.isupper() and name.decode() not in _UNANSWERED)

_DATA = st.one_of(
    st.binary(max_size=12),
    st.sampled_from([b"", b"\r\n", b"a\r\nb", b"$3\r\nx", b"{a}k", b"key:{7}:x", b"STORE", b"2", b"\xff\x00", b" '\""]),
)
_LINE = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=12).map(str.encode)


# -- requests ---------------------------------------------------------------------------------------------------------


def _names() -> SearchStrategy[bytes]:
    """Any of them; the strategy's representation does not name them all."""
    return st.integers(0, len(_ORDINARY) - 1).map(_ordinary)


def _ordinary(number: int) -> bytes:
    return _ORDINARY[number]


def _arguments() -> SearchStrategy[list[bytes]]:
    name = _names().flatmap(lambda name: st.sampled_from([name, name.lower(), name.title()]))
    return st.tuples(st.one_of(name, name, st.binary(max_size=8)), st.lists(_DATA, max_size=5)).map(_flat)


def _flat(parts: tuple[bytes, list[bytes]]) -> list[bytes]:
    return [parts[0], *parts[1]]


@st.composite
def _lines(draw: DrawFn) -> bytes:
    """An inline request that begins with a word everybody knows, quoted in one of the ways there are."""
    words = [draw(_names()), *draw(st.lists(st.binary(max_size=6), max_size=4))]
    parts = [words[0], *(draw(st.sampled_from(_spellings(word))) for word in words[1:])]
    blanks = st.sampled_from([b" ", b"  ", b"\t", b" \x0b", b" \x0c "])
    line = parts[0] + b"".join(draw(blanks) + part for part in parts[1:])
    return line + draw(st.sampled_from([b"\r\n", b"\n", b" \r\n"]))


def _spellings(word: bytes) -> list[bytes]:
    double = b"".join(b"\\x%02X" % byte if byte < 32 or byte in b'"\\' else bytes((byte,)) for byte in word)
    found = [b'"' + double + b'"', b'"' + b"".join(b"\\x%02x" % byte for byte in word) + b'"']
    if word and not set(word) & set(b"\0\r\n\\"):
        found.append(b"'" + word.replace(b"'", b"\\'") + b"'")
        if not set(word) & set(b" \t\x0b\x0c\"'"):
            found.append(word)
    return found


def _requests() -> SearchStrategy[Message]:
    packed = _arguments().map(lambda args: redis.command(*args))
    return st.one_of(packed, packed, _lines().map(_request))


def _request(data: bytes) -> Message:
    return decode("redis", data, Side.CLIENT)[0]


# -- replies ----------------------------------------------------------------------------------------------------------

_INTEGERS = st.one_of(st.integers(-9, 300), st.integers(-(2**63), 2**63 - 1))
_ERRORS = st.builds(
    lambda kind, reason, blob: redis.Error(kind, reason, blob),
    st.sampled_from(["ERR", "WRONGTYPE", "MOVED", "NOAUTH", "EXECABORT", "LOADING", "ASK"]),
    st.one_of(st.sampled_from(["", "no such key", "3999 127.0.0.1:6381", "1 :6379"]), _LINE.map(text)),
    st.booleans(),
)
_PLAIN_ERRORS = _ERRORS.map(lambda error: redis.Error(error.type, error.message))
_SCALARS_2 = st.one_of(
    st.none(),
    st.sampled_from(["OK", "PONG", "QUEUED"]),
    _LINE.map(text),
    _DATA,
    _INTEGERS,
    _PLAIN_ERRORS,
    st.just(redis.NULL_ARRAY),
)
_SCALARS_3 = st.one_of(
    _SCALARS_2.filter(lambda value: value is not redis.NULL_ARRAY),
    st.booleans(),
    st.floats(allow_nan=True),
    st.integers().map(redis.BigNumber),
    _ERRORS,
    st.builds(redis.Verbatim, st.sampled_from(["txt", "mkd"]), st.binary(max_size=9)),
)


def _resp2() -> SearchStrategy[Any]:
    return st.recursive(_SCALARS_2, lambda inner: st.lists(inner, max_size=4), max_leaves=8)


def _resp3() -> SearchStrategy[Any]:
    return st.recursive(_SCALARS_3, _aggregates, max_leaves=8)


def _aggregates(inner: SearchStrategy[Any]) -> SearchStrategy[Any]:
    some = st.lists(inner, max_size=4)
    names = st.one_of(_DATA, _LINE.map(text), st.integers(0, 99))
    return st.one_of(
        some,
        some.map(redis.Set),
        st.dictionaries(names, inner, max_size=3),
        st.lists(st.tuples(inner, inner), max_size=2).map(lambda pairs: redis.Pairs([([], None), *pairs])),
        st.builds(redis.Attributed, st.dictionaries(names, inner, max_size=2), inner),
        st.builds(redis.Streamed, st.binary(max_size=9), st.lists(st.integers(1, 4), max_size=3).map(tuple)),
        some.map(redis.Streamed),
        some.map(lambda items: redis.Streamed(redis.Set(items))),
        st.dictionaries(names, inner, max_size=3).map(redis.Streamed),
    )


def _pushes() -> SearchStrategy[redis.Push]:
    return st.one_of(
        st.builds(lambda name, data: redis.Push([b"message", name, data]), _DATA, _DATA),
        st.builds(lambda name, data: redis.Push([b"pmessage", b"*", name, data]), _DATA, _DATA),
        st.lists(_DATA, max_size=3).map(lambda keys: redis.Push([b"invalidate", keys])),
        st.just(redis.Push([b"invalidate", None])),
    )


def _replies() -> SearchStrategy[Message]:
    return st.one_of(
        _resp2().map(redis.reply),
        _resp3().map(_in_resp3),
        _pushes().map(_in_resp3),
        st.sampled_from(_ODD_REPLIES).map(_reply),
    )


def _in_resp3(value: Any) -> Message:
    """As the first of its side: what has no type of RESP3 in it is taken for RESP2."""
    return _reply(pack_value(value, 3))


def _reply(data: bytes) -> Message:
    return decode("redis", data, Side.SERVER)[0]


_ODD_REPLIES = [
    b":+5\r\n",
    b":007\r\n",
    b":-0\r\n",
    b",1e3\r\n",
    b",-NAN\r\n",
    b",+inf\r\n",
    b",.5\r\n",
    b"(+12345678901234567890\r\n",
    b"$-1\r\n",
    b"*-1\r\n",
    b"_\r\n",
    b"-\r\n",
    b"+\r\n",
    b"!0\r\n\r\n",
    b"%2\r\n+a\r\n:1\r\n+a\r\n:2\r\n",
    b"%1\r\n*0\r\n:1\r\n",
    b"|1\r\n+ttl\r\n:60\r\n|0\r\n$1\r\nx\r\n",
    b"*2\r\n|1\r\n+a\r\n+b\r\n:1\r\n:2\r\n",
    b"$?\r\n;4\r\nHell\r\n;1\r\no\r\n;0\r\n",
    b"*?\r\n:1\r\n*?\r\n.\r\n.\r\n",
    b"%?\r\n$?\r\n;1\r\na\r\n;0\r\n~?\r\n.\r\n.\r\n",
    b"*3\r\n$-1\r\n*-1\r\n_\r\n",
]


# -- what a protocol brings -------------------------------------------------------------------------------------------


def messages(side: Side) -> SearchStrategy[Message]:
    """Requests with a name, or replies of one type or another."""
    return _requests() if side is Side.CLIENT else _replies()


def streams(side: Side) -> SearchStrategy[bytes]:
    """Messages, and from the client what it may send beside them: empty commands of every form, and a subscription."""
    one = messages(side).map(lambda message: message.raw)
    if side is Side.CLIENT:
        empty = st.sampled_from([b"\r\n", b"\n", b"  \r\n", b"*0\r\n", b"*-1\r\n", b"*-2147483649\r\n"])
        more = st.sampled_from([redis.pack(["SUBSCRIBE", "a", "b"]), redis.pack(["CLIENT", "REPLY", "OFF"])])
        one = st.one_of(one, one, empty, more)
    return st.lists(one, max_size=6).map(b"".join)


def values(side: Side) -> SearchStrategy[tuple[Message, Any]]:
    """A message built from values, and those values as they are read again."""
    if side is Side.CLIENT:
        typed = st.lists(st.one_of(_DATA, _LINE.map(text), st.integers(), st.floats()), max_size=4)
        return st.one_of(
            _arguments().map(lambda args: (redis.command(*args), args)),
            st.tuples(_names(), typed).map(_typed_request),
            st.tuples(_names(), st.lists(st.binary(max_size=9), max_size=3)).map(
                lambda parts: (redis.inline(*_flat(parts)), _flat(parts))
            ),
        )
    return st.one_of(
        _resp2().map(lambda value: (redis.reply(value), _as_read(value))),
        st.one_of(_resp3(), _pushes()).map(lambda value: (_in_resp3(value), _as_read(value))),
    )


def _typed_request(parts: tuple[bytes, list[Any]]) -> tuple[Message, list[bytes]]:
    name, args = parts
    return redis.command(name, *args), [name, *map(_argument, args)]


def _argument(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    return octets(value) if isinstance(value, str) else repr(value).encode()


def _as_read(value: Any) -> Any:
    """What is for writing only, as a reader gives it."""
    if value is redis.NULL_ARRAY:
        return None
    if isinstance(value, redis.Streamed):
        return _as_read(value.value)
    if isinstance(value, redis.Attributed):
        return redis.Attributed(_as_read(value.attributes), _as_read(value.value))
    if isinstance(value, redis.Pairs):
        return redis.Pairs([(_as_read(key), _as_read(item)) for key, item in value])
    if isinstance(value, dict):
        return {key: _as_read(item) for key, item in value.items()}
    if isinstance(value, list):
        return type(value)([_as_read(item) for item in value])
    return value


def edits(message: Message) -> SearchStrategy[dict[str, Any]]:
    """Other keys, another name, another body; of a reply another body."""
    if message.side is Side.SERVER:
        if message.kind is Kind.PUSH or message.metadata["redis.resp"] == 3:
            return st.just({})
        return st.one_of(st.just({}), st.fixed_dictionaries({"body": st.lists(_INTEGERS, max_size=3)}))
    if message.kind is not Kind.REQUEST:
        return st.just({})
    choices: list[SearchStrategy[dict[str, Any]]] = [
        st.just({}),
        st.fixed_dictionaries({"body": st.tuples(_names(), st.lists(_DATA, max_size=3)).map(_flat)}),
    ]
    keys = message.metadata.get("keys", ())
    command = lookup(message.body)
    positions = [] if command is None else key_positions(command, message.body)
    if isinstance(keys, tuple) and keys and len(set(positions)) == len(positions):
        another = st.sampled_from(["a", "{b}c", "k" * 20, "é"])
        choices.append(st.fixed_dictionaries({"keys": st.tuples(*[another] * len(keys))}))
        choices.append(st.just({"redis.key_prefix": "tenant:"}))
    return st.one_of(choices)


def extremes(side: Side, size: int) -> list[bytes]:
    """One long string, many short ones, many that hold what looks like a line's end, one long line."""
    count = size // 8
    crlf = b"\r\n" * (size // 2)
    if side is Side.CLIENT:
        return [
            redis.pack([b"SET", b"k", b"v" * size]),
            redis.pack([b"SADD", b"k", *[b"m"] * count]),
            redis.pack([b"SET", b"k", crlf]),
            redis.pack([b"SADD", b"k", *[b"\r\n"] * count]),
            b"SADD k" + b" m" * (size // 2) + b"\r\n",
        ]
    return [
        b"$%d\r\n%b\r\n" % (size, b"v" * size),
        b"$%d\r\n%b\r\n" % (2 * (size // 2), crlf),
        b"+" + b"a" * size + b"\r\n",
        b"*%d\r\n" % count + b":1\r\n" * count,
        b"*%d\r\n" % count + b"$2\r\n\r\n\r\n" * count,
        b"%%%d\r\n" % count + b"+k\r\n#t\r\n" * count,
        b"*?\r\n" + b":1\r\n" * count + b".\r\n",
        b"$?\r\n" + b";1\r\nx\r\n" * count + b";0\r\n",
        b"%" + b"1\r\n*0\r\n+" + b"a" * size + b"\r\n",
    ]


def hostile(side: Side) -> list[bytes]:
    """Counts and lengths that nothing follows, and depth that nothing ends."""
    if side is Side.CLIENT:
        return [
            b"*2147483647\r\n",
            b"*1000000\r\n$3\r\nSET\r\n",
            b"*1\r\n$536870912\r\nx",
            b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$500000000\r\n",
            b"G" * 70_000,
            b'"' + b"\\x" * 30_000 + b"\r\n",
            b"*1\r\n" * 1000,
        ]
    return [
        b"*2147483647\r\n",
        b"%1000000000\r\n",
        b"$536870912\r\n",
        b"=536870912\r\ntxt:",
        b"*1\r\n" * 1000,
        b"|1\r\n" * 1000,
        b"*?\r\n" * 1000,
        b"*?\r\n" + b"$?\r\n;1\r\nx\r\n" * 100,
        b"*100000000\r\n" * 50,
    ]


# -- conversations ----------------------------------------------------------------------------------------------------

_HELLO = {b"server": b"redis", b"version": b"7.0.15", b"proto": 3, b"mode": b"standalone", b"modules": []}


_ALLOWED = (b"PING", b"RESET", b"SUBSCRIBE", b"UNSUBSCRIBE")


class _Server:
    """As much of a server as decides who is answered: it says what it says, and to which request."""

    def __init__(self, draw: DrawFn) -> None:
        self.draw = draw
        self.said: list[Message] = []
        self.waiting: list[Message] = []
        self.resp = 2
        self.channels: list[bytes] = []

    def ask(self, *args: bytes) -> None:
        """The client sends a request."""
        request = redis.command(*args)
        self.said.append(request)
        self.waiting.append(request)

    def say(self, value: Any, request: Message | None = None, kind: Kind = Kind.RESPONSE) -> None:
        """The server sends a value."""
        message = redis.reply(value, self.resp)
        message.request = request
        message.kind = kind
        self.said.append(message)

    def tell(self, *items: Any) -> Any:
        """Confirmations and messages: pushes where there are any."""
        return redis.Push(items) if self.resp == 3 else list(items)

    def answer(self) -> None:
        """The oldest request gets all its answers."""
        request = self.waiting.pop(0)
        args = request.body
        name = args[0]
        if self.resp == 2 and self.channels and name not in _ALLOWED:
            self.say(redis.Error("ERR", f"Can't execute '{name.decode().lower()}'"), request)
        elif name == b"HELLO":
            self.resp = int(args[1])
            fields = {**_HELLO, b"proto": self.resp}
            self.say(fields if self.resp == 3 else [item for pair in fields.items() for item in pair], request)
        elif name == b"RESET":
            self.say("RESET", request)
            self.resp = 2
            self.channels = []
        elif name == b"SUBSCRIBE":
            for channel in args[1:]:
                if channel not in self.channels:
                    self.channels.append(channel)
                self.say(self.tell(b"subscribe", channel, len(self.channels)), request)
        elif name == b"UNSUBSCRIBE":
            for channel in args[1:] or self.channels[:] or [None]:
                if channel in self.channels:
                    self.channels.remove(channel)
                self.say(self.tell(b"unsubscribe", channel, len(self.channels)), request)
        elif name == b"PING" and self.resp == 2 and self.channels:
            self.say([b"pong", b""], request)
        else:
            self.say(self.draw(_resp3() if self.resp == 3 else _resp2()), request)

    def publish(self) -> None:
        """A message, if anybody listens."""
        if self.channels:
            channel = self.draw(st.sampled_from(self.channels))
            self.say(self.tell(b"message", channel, self.draw(_DATA)), None, Kind.PUSH)


_ASKED = [
    (b"GET", b"k"),
    (b"LRANGE", b"l", b"0", b"-1"),
    (b"PING",),
    (b"HELLO", b"2"),
    (b"HELLO", b"3"),
    (b"RESET",),
    (b"SUBSCRIBE", b"a", b"b"),
    (b"SUBSCRIBE", b"c"),
    (b"UNSUBSCRIBE", b"a"),
    (b"UNSUBSCRIBE",),
]


@st.composite
def _conversation(draw: DrawFn) -> list[Message]:
    server = _Server(draw)
    for _ in range(draw(st.integers(0, 12))):
        step = draw(st.sampled_from(["ask", "ask", "answer", "answer", "publish"]))
        if step == "ask":
            server.ask(*draw(st.sampled_from(_ASKED)))
        elif step == "answer" and server.waiting:
            server.answer()
        elif step == "publish":
            server.publish()
    return server.said


def conversations() -> SearchStrategy[list[Message]]:
    """Requests pipelined and answered in order, in both versions, with subscriptions and messages in between."""
    return _conversation()
