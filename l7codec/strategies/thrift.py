"""Strategies for Thrift; see the package's docstring for what each function is for."""

from __future__ import annotations

import struct
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from ..message import Kind, Message, Side, octets
from ..protocols import thrift
from ..protocols.thrift.edit import write_message
from ..protocols.thrift.envelope import write_body, write_envelope
from ..protocols.thrift.header import Header
from ..protocols.thrift.twitter import UPGRADE
from ..stream import decode

_GROUPS = (
    (("unframed", "binary"), ("unframed", "compact"), ("unframed", "compact2"), ("unframed", "json")),
    (
        ("framed", "binary"),
        ("framed", "compact"),
        ("framed", "compact2"),
        ("framed", "json"),
        ("header", "binary"),
        ("header", "compact"),
        ("header", "json"),
        ("ttheader", "binary"),
        ("ttheader", "compact"),
    ),
    (("twitter", "binary"),),
)
"""Transports and protocols, those together that one connection may mix."""

_NAMES = st.sampled_from(["get", "put", "ping", "a.b", "löschen", "x" * 40])
_IDS = st.one_of(st.integers(0, 300), st.integers(-(2**31), 2**31 - 1))
_TEXT = st.text(st.characters(codec="utf-8"), max_size=8)

# -- bodies -----------------------------------------------------------------------------------------------------------

_SCALARS: dict[str, SearchStrategy[Any]] = {
    "bool": st.booleans(),
    "i8": st.integers(-128, 127),
    "i16": st.integers(-(2**15), 2**15 - 1),
    "i32": st.one_of(st.integers(-70, 70), st.integers(-(2**31), 2**31 - 1)),
    "i64": st.one_of(st.integers(-70, 70), st.integers(-(2**63), 2**63 - 1)),
    "double": st.floats(allow_nan=False),
    "uuid": st.uuids().map(str),
    "float": st.floats(allow_nan=False, width=32),
}
_HOLDERS = ("struct", "list", "set", "map")


@st.composite
def _struct(draw: DrawFn, protocol: str, depth: int) -> dict[int, tuple[str, Any]]:
    ids = draw(st.lists(st.one_of(st.integers(-2, 20), st.integers(-(2**15), 2**15 - 1)), max_size=4, unique=True))
    fields: dict[int, tuple[str, Any]] = {}
    for id in ids:
        type = draw(_types(protocol, depth))
        value = draw(_value(type, protocol, depth - 1))
        fields[id] = value if type in ("list", "set", "map") else (type, value)
    return fields


def _types(protocol: str, depth: int, key: bool = False) -> SearchStrategy[str]:
    names = ["string", "string", *_SCALARS]
    if protocol == "compact":
        names.remove("float")
    if protocol == "compact2":
        names.remove("uuid")
    if depth > 0 and not (key and protocol == "json"):
        names += _HOLDERS
    return st.sampled_from(names)


def _value(type: str, protocol: str, depth: int) -> SearchStrategy[Any]:
    if type == "string":
        return _TEXT.map(octets) if protocol == "json" else st.binary(max_size=8)
    if type == "struct":
        return _struct(protocol, depth)
    return _container(type, protocol, depth) if type in _HOLDERS else _SCALARS[type]


@st.composite
def _container(draw: DrawFn, kind: str, protocol: str, depth: int) -> tuple[str, list[Any]]:
    size = draw(st.sampled_from([0, 1, 2, 3, 17]))
    item = draw(_types(protocol, depth))
    one = _value(item, protocol, depth - 1)
    if kind != "map":
        return f"{kind}<{item}>", draw(st.lists(one, min_size=size, max_size=size))
    if size == 0:  # the compact protocol keeps no types, the JSON protocol needs some
        return ("map<string,i32>" if protocol == "json" else "map<0,0>"), []
    key = draw(_types(protocol, depth, key=True))
    pair = st.tuples(_value(key, protocol, depth - 1), one)
    return f"map<{key},{item}>", draw(st.lists(pair, min_size=size, max_size=size))


# -- messages ---------------------------------------------------------------------------------------------------------


def _headers(transport: str) -> SearchStrategy[dict[str, Any] | None]:
    if transport not in ("header", "ttheader", "twitter"):
        return st.none()
    value = st.one_of(_TEXT, st.lists(_TEXT, min_size=2, max_size=3))
    return st.dictionaries(st.sampled_from(["tier", "user-id", "é"]), value, max_size=3)


@st.composite
def _with_body(draw: DrawFn, side: Side, pairs: tuple[tuple[str, str], ...]) -> tuple[Message, Any]:
    transport, protocol = draw(st.sampled_from(pairs))
    headers = draw(_headers(transport))
    id = draw(_IDS)
    name = draw(_NAMES)
    body: Any = draw(_struct(protocol, 2))
    if side is Side.CLIENT:
        build = draw(st.sampled_from([thrift.call, thrift.call, thrift.oneway]))
        service = draw(st.sampled_from([None, "Shop"]))
        message = build(name, body, service=service, id=id, transport=transport, protocol=protocol, headers=headers)
    elif draw(st.integers(0, 4)) == 0:
        text = draw(_TEXT)
        message = thrift.exception(name, 6, text, id=id, transport=transport, protocol=protocol, headers=headers)
        body = {1: ("string", octets(text)), 2: ("i32", 6)}
    else:
        message = thrift.reply(name, body, id=id, transport=transport, protocol=protocol, headers=headers)
    return message, body


@st.composite
def _deflated(draw: DrawFn, side: Side) -> Message:
    """In THeader, with headers for the connection, and perhaps compressed."""
    header = Header(0, draw(_IDS), draw(st.integers(0, 3)))
    header.transforms = [1] * draw(st.integers(0, 2))
    header.persistent = [(b"tenant", octets(draw(_TEXT)))]
    type = 1 if side is Side.CLIENT else 2
    payload = write_envelope("binary", type, b"get", draw(_IDS)) + write_body(draw(_struct("binary", 1)), "binary")
    return decode("thrift", write_message("header", header, payload), side)[0]


def _of(side: Side, pairs: tuple[tuple[str, str], ...]) -> SearchStrategy[Message]:
    found = _with_body(side, pairs).map(lambda pair: pair[0])
    odd = [_read(data, side) for data in _ODD[side] if (data[0] >= 0x80) == (pairs is _GROUPS[0])]
    if pairs is _GROUPS[2]:
        return found
    if pairs is _GROUPS[1]:
        return st.one_of(found, found, _deflated(side), st.sampled_from(odd))
    return st.one_of(found, found, st.sampled_from(odd))


def _read(data: bytes, side: Side) -> Message:
    return decode("thrift", data, side)[0]


_CLIENT_ODD = [
    bytes.fromhex("80010a01 00000003 676574 00000001 0b0001 00000001 61 080001 00000002 080001 00000003 00"),
    bytes.fromhex("8221 8500 83 00 676574 05 8200 0e 00"),  # numbers that are longer than they need be, and an id
    bytes.fromhex("80010004 00000000 ffffffff 0d0001 0000 00000000 0f0002 00 00000000 00"),
    bytes.fromhex("0000001e 1000 0000 00000007 0002 00 00 00000000 0000 80010001 00000001 61 00000007 00"),
    bytes.fromhex("00000022 1000 0000 00000007 0002 00 00 00000000 0000 0000000e 80010001 00000001 61 00000007 00"),
    bytes.fromhex("00000018 1000 0002 00000007 0003 10 00 10 0001 0009 0003 676574 00 00"),
    bytes.fromhex("0000001b 0fff 0000 00000000 0001 02 00 07 00 8221 00 03 676574 05 02 0e 00"),
]
_SERVER_ODD = [
    bytes.fromhex("80010002 00000003 676574 00000001 0b0001 00000001 61 080000 00000002 00"),
    bytes.fromhex("8241 00 03 676574 0c 02 00 00"),
    bytes.fromhex("0000001e 1000 0000 00000007 0002 00 00 11 0001 78 0000 80010002 00000001 61 00000007 00"),
    bytes.fromhex("0000001b 0fff 0000 00000000 0001 02 00 00 00 8241 00 03 676574 05 00 0e 00"),
]
_ODD = {
    Side.CLIENT: [data if data[0] else struct.pack(">I", len(data) - 4) + data[4:] for data in _CLIENT_ODD],
    Side.SERVER: [data if data[0] else struct.pack(">I", len(data) - 4) + data[4:] for data in _SERVER_ODD],
}
"""What encoders do not write: a field twice, long numbers, types of no elements, frames in frames, unknown infos."""


# -- what a protocol brings -------------------------------------------------------------------------------------------


def messages(side: Side) -> SearchStrategy[Message]:
    """Calls and oneways, or replies and exceptions, in every transport and protocol."""
    return st.one_of([_of(side, pairs) for pairs in _GROUPS])


def streams(side: Side) -> SearchStrategy[bytes]:
    """Messages that one connection may carry: all with a length before them, or all without."""
    many = [st.lists(_of(side, pairs).map(lambda message: message.raw), max_size=6) for pairs in _GROUPS]
    return st.one_of(many).map(b"".join)


def values(side: Side) -> SearchStrategy[tuple[Message, Any]]:
    """A message built from values, and its body."""
    return st.one_of([_with_body(side, pairs) for pairs in _GROUPS])


def edits(message: Message) -> SearchStrategy[dict[str, Any]]:
    """Another name, id or body; other headers where there are some."""
    if "thrift.type" not in message.metadata:
        return st.just({})
    protocol = str(message.metadata["thrift.protocol"])
    choices: dict[str, SearchStrategy[Any]] = {
        "method": st.sampled_from(["find", "é"]),
        "id": _IDS,
        "body": _struct(protocol, 1),
    }
    if message.side is Side.CLIENT:
        choices["service"] = st.sampled_from(["Store", None])
    if message.metadata["thrift.transport"] in ("header", "ttheader", "twitter"):
        value = st.one_of(st.none(), _TEXT, st.lists(_TEXT, min_size=2, max_size=2).map(tuple))
        choices["header.tier"] = value
        choices["header.new"] = value
    if message.kind is Kind.RESPONSE:
        del choices["body"]
    return st.fixed_dictionaries({}, optional=choices)


def extremes(side: Side, size: int) -> list[bytes]:
    """One long string, many small elements of each kind, deep nesting, a long name; with a frame and without."""
    build: Any = thrift.call if side is Side.CLIENT else thrift.reply
    id = 1 if side is Side.CLIENT else 0
    text = ("string", b"v" * size)
    structs = ("list<struct>", [{1: ("i32", 5)}] * (size // 8))
    unframed: list[tuple[str, Any]] = [
        ("binary", {id: text}),
        ("binary", {id: structs}),
        ("binary", {id: ("map<string,i64>", [(b"k", 1)] * (size // 13))}),
        ("binary", {id: ("list<list>", [("list<string>", [b"ab"])] * (size // 11))}),
        ("compact", {id: structs}),
        ("compact", {id: ("list<i32>", list(range(-60, 60)) * (size // 120))}),
        ("compact", {id + number: ("bool", True) for number in range(min(size, 30_000))}),
        ("json", {id: ("string", b'"' * (size // 2))}),
    ]
    found = [build("get", body, transport="unframed", protocol=protocol).raw for protocol, body in unframed]
    found.append(build("n" * size, {}, transport="unframed").raw)
    found.append(build("get", {id: text}).raw)
    found.append(build("get", {id: text}, transport="twitter").raw)
    headers = {f"h{number}": "v" for number in range(min(size // 8, 5000))}
    found += [build("get", {}, transport=transport, headers=headers).raw for transport in ("header", "ttheader")]
    return found


def hostile(side: Side) -> list[bytes]:
    """Counts and lengths that nothing follows, and depth that nothing ends."""
    type = 1 if side is Side.CLIENT else 2
    strict = struct.pack(">HBBI", 0x8001, 0, type, 1) + b"m" + bytes(4)
    compact = bytes((0x82, type << 5 | 1, 0, 1)) + b"m"
    return [
        strict + bytes.fromhex("0f0001 0c 05f00000"),
        strict + bytes.fromhex("0f0001 02 7fffffff"),
        strict + bytes.fromhex("0b0001 05000000") + b"x",
        strict + bytes.fromhex("0c0001") * 1000,
        strict + bytes.fromhex("0f0001 0f 00000001") + bytes.fromhex("0f 00000001") * 1000,
        strict + bytes.fromhex("0f0001 01 00ffffff"),
        compact + bytes.fromhex("19 fc ffffff1f"),
        compact + bytes.fromhex("19 f1 ffffff1f"),
        compact + bytes.fromhex("1b ffffff1f 11"),
        compact + bytes.fromhex("18 ffffff1f") + b"x",
        compact + b"\x1c" * 1000,
        compact + b"\x19" + b"\x19" * 1000,
        compact + b"\x16" + b"\xff" * 1000,
        b"[1," + b"[" * 1000,
        b'[1,"m",1,0,{"1":{"str":"' + b"\\" * 999,
        struct.pack(">I", 100 * 1024 * 1024) + strict,
        struct.pack(">I", 40_000_000) + bytes.fromhex("0fff 0000 00000000 ffff"),
        bytes.fromhex("0000000e 0fff 0000 00000000 0001 00 ff ff 7f"),
    ]


# -- conversations ----------------------------------------------------------------------------------------------------


@st.composite
def _conversation(draw: DrawFn, pairs: tuple[tuple[str, str], ...]) -> list[Message]:
    """Calls and oneways, with ids of their own or all with one; answered by id, or in order."""
    said: list[Message] = []
    waiting: list[Message] = []
    one_id = draw(st.booleans())
    transport, protocol = draw(st.sampled_from(pairs))
    if transport == "twitter":
        ask = thrift.call(UPGRADE.decode(), id=-1)
        answer = thrift.reply(ask)
        answer.request = ask
        said += [ask, answer]
    for number in range(draw(st.integers(0, 8))):
        answering: bool = draw(st.booleans())
        if waiting and answering:
            asked = waiting.pop(0 if one_id else draw(st.integers(0, len(waiting) - 1)))
            result = draw(st.sampled_from([None, ("i32", 1), {1: ("struct", {1: ("string", b"no")})}]))
            answer = thrift.reply(asked, result) if draw(st.integers(0, 3)) else thrift.exception(asked, 1, "what?")
            answer.request = asked
            said.append(answer)
        else:
            ask_by = draw(st.sampled_from([thrift.call, thrift.call, thrift.oneway]))
            body = draw(_struct(protocol, 1))
            asked = ask_by(draw(_NAMES), body, id=0 if one_id else number + 1, transport=transport, protocol=protocol)
            said.append(asked)
            if asked.kind is Kind.REQUEST:
                waiting.append(asked)
    return said


def conversations() -> SearchStrategy[list[Message]]:
    """Calls answered by id or in order, in every transport; Finagle's headers once they are agreed on."""
    return st.one_of([_conversation(pairs) for pairs in _GROUPS])
