"""Kafka: any API in any version, by the schemas; what is legal but odd; conversations with SASL tokens in them."""

from __future__ import annotations

import struct
from functools import cache
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from ..message import Kind, Message, Side
from ..protocols.kafka import API_NAMES, Records, api, batch, request, response
from ..protocols.kafka.layout import TAGGED_FIELDS, Item, Struct, layout

_CLIENT = Side.CLIENT
_SASL_HANDSHAKE = 17

_texts = st.text(st.characters(codec="utf-8"), max_size=8)
_ids = st.integers(-(2**31), 2**31 - 1)
_clients = st.none() | st.text(st.characters(codec="utf-8"), max_size=12)
_rows = st.lists(st.tuples(st.none() | st.binary(max_size=4), st.none() | st.binary(max_size=8)), max_size=2)
_batches = st.builds(lambda rows, codec: batch(rows, compression=codec).raw, _rows, st.sampled_from(("none", "gzip")))
_numbers = {
    "int8": st.integers(-(2**7), 2**7 - 1),
    "int16": st.integers(-(2**15), 2**15 - 1),
    "uint16": st.integers(0, 2**16 - 1),
    "int32": st.integers(-(2**31), 2**31 - 1),
    "uint32": st.integers(0, 2**32 - 1),
    "int64": st.integers(-(2**63), 2**63 - 1),
    "float64": st.floats(allow_nan=False),
    "bool": st.booleans(),
    "uuid": st.binary(min_size=16, max_size=16),
    "string": _texts | st.text(st.characters(codec="ascii"), min_size=120, max_size=140),
    "bytes": st.binary(max_size=8),
    "records": st.builds(lambda field, tail: Records(field + tail), st.just(b"") | _batches, st.binary(max_size=8)),
}
_unknown = st.dictionaries(st.integers(100, 20_000), st.binary(max_size=5), min_size=1, max_size=2)

_versions = sorted(
    (key, version) for key in API_NAMES for version in range(api(key).versions.first, api(key).versions.last + 1)
)


def messages(side: Side) -> SearchStrategy[Message]:
    """Requests of any API; responses, of which a codec that has not seen the request knows no more than the id."""
    if side is _CLIENT:
        return st.one_of(_requests(), _odd())
    return _responses().map(lambda one: _undecoded(one.raw))


def values(side: Side) -> SearchStrategy[tuple[Message, Any]]:
    """Messages with all fields given."""
    if side is _CLIENT:
        return _values()
    return _responses().map(lambda one: (_undecoded(one.raw), one.raw[8:]))


def bodies(key: int, version: int, response: bool) -> SearchStrategy[dict[str, Any]]:
    """Bodies of one version of a request or response, every field given."""
    return _struct(layout(key, response, version))


@st.composite
def conversations(draw: DrawFn) -> list[Message]:
    """Requests, and responses to some; before them, now and then, SASL tokens; among them what none asked for."""
    said = draw(st.just([]) | _exchanges().map(list))
    waiting: list[Message] = []
    for _ in range(draw(st.integers(0, 6))):
        turn = draw(st.integers(0, 9))
        if turn == 0:
            said.append(_undecoded(draw(_responses()).raw))
            said[-1].request = _take(waiting, said[-1].id)
        elif waiting and turn < 6:
            asked = draw(st.sampled_from(waiting))
            said.append(draw(_answers(asked)))
            said[-1].request = _take(waiting, asked.id)
        else:
            said.append(draw(_requests(conversing=True)))
            if said[-1].kind is Kind.REQUEST:
                waiting.append(said[-1])
    return said


def edits(message: Message) -> SearchStrategy[dict[str, Any]]:
    """Another id, client, body; other topics, as many as there were."""
    choices: dict[str, SearchStrategy[Any]] = {"id": _ids}
    if "kafka.undecoded" in message.metadata:
        choices["body"] = st.binary(max_size=8)
        return st.fixed_dictionaries({}, optional=choices)
    key, version = message.metadata["kafka.api_key"], message.metadata["kafka.api_version"]
    assert isinstance(key, int)
    assert isinstance(version, int)
    topics = message.metadata.get("topics")
    if isinstance(topics, tuple) and API_NAMES[key] != "Envelope":
        choices["topics"] = st.lists(_texts, min_size=len(topics), max_size=len(topics)).map(tuple)
    if api(key).request_header(version):
        choices["client_id"] = st.none() | st.text(st.characters(codec="utf-8"), min_size=1, max_size=9)
    elsewhere: SearchStrategy[dict[str, Any]] = st.fixed_dictionaries({}, optional=choices)
    if key == 0:  # another value of acks makes another kind of message
        return elsewhere
    return elsewhere | bodies(key, version, False).map(lambda body: {"body": body})


def extremes(side: Side, size: int) -> list[bytes]:
    """A big batch, many topics, many partitions, a long client id."""
    if side is not _CLIENT:
        return [
            response("Fetch", _fetched(bytes(size)), version=5).raw,
            response("SaslAuthenticate", version=0).raw * 1,
        ]
    topics = [{"name": f"topic-{number:06d}", "partition_data": []} for number in range(size // 20)]
    parts = [{"index": number, "records": b"12345678"} for number in range(size // 16)]
    return [
        request(
            "Produce", {"acks": 1, "topic_data": [_produced([{"index": 0, "records": bytes(size)}])]}, version=9
        ).raw,
        request("Produce", {"acks": 1, "topic_data": topics}, version=3).raw,
        request("Produce", {"acks": 1, "topic_data": [_produced(parts)]}, version=9).raw,
        request("Heartbeat", {"group_id": "g" * min(size, 30_000)}, version=0, client_id="c" * min(size, 30_000)).raw,
    ]


def hostile(side: Side) -> list[bytes]:
    """Sizes and counts that promise more than there is."""
    head = struct.pack(">hhih", 0, 9, 1, -1) + b"\0"
    return [
        b"\x06\x3f\xff\xff" + bytes(40),
        b"\x7f\xff\xff\xff",
        b"\xff\xff\xff\xff",
        _frame(head + b"\0\0\1\0\0\0\0" + b"\xff\xff\xff\xff\x07" + bytes(20)),
        _frame(head + b"\0\0\1\0\0\0\0" + b"\2" + b"\xff\xff\xff\xff\x07"),
        _frame(struct.pack(">hhih", 3, 1, 1, -1) + b"\x7f\xff\xff\xff" + bytes(20)),
        _frame(struct.pack(">hhih", 1, 4, 1, -1) + bytes(17) + b"\x7f\xff\xff\xff" + bytes(9)),
        _frame(struct.pack(">hhih", 18, 3, 1, -1) + b"\xff\xff\xff\xff\x0f" * 3),
    ]


# -- messages ---------------------------------------------------------------------------------------------------


@st.composite
def _values(draw: DrawFn, conversing: bool = False) -> tuple[Message, Any]:
    key, version = draw(st.sampled_from(_versions))
    if conversing and (key, version) == (_SASL_HANDSHAKE, 0):  # what follows it are tokens
        version = 1
    body = draw(bodies(key, version, False))
    client = draw(_clients) if api(key).request_header(version) else None
    id = draw(st.integers(0, 3) if conversing else _ids)
    return request(key, body, version=version, id=id, client_id=client), body


def _requests(conversing: bool = False) -> SearchStrategy[Message]:
    return _values(conversing).map(lambda pair: pair[0])


@st.composite
def _responses(draw: DrawFn) -> Message:
    key, version = draw(st.sampled_from(_versions))
    return response(key, draw(bodies(key, version, True)), version=version, id=draw(_ids))


@st.composite
def _answers(draw: DrawFn, asked: Message) -> Message:
    key, version = asked.metadata["kafka.api_key"], asked.metadata["kafka.api_version"]
    assert isinstance(key, int)
    assert isinstance(version, int)
    assert asked.id is not None
    return response(key, draw(bodies(key, version, True)), version=version, id=asked.id)


@st.composite
def _odd(draw: DrawFn) -> Message:
    """What no encoder of ours writes: tagged fields in the header, lengths in two bytes, something behind the body."""
    from ..stream import decode

    name = draw(_texts.filter(lambda text: len(text.encode()) < 100)).encode()
    length = bytes([(len(name) + 1) | 0x80, 0]) if draw(st.booleans()) else bytes([len(name) + 1])
    tags = b"\1\5\3abc" if draw(st.booleans()) else b"\0"
    body = length + name + b"\0\0\0\7" + b"\x81\0" + b"\0" + b"\1\7\2xy" + draw(st.binary(max_size=4))
    frame = _frame(struct.pack(">hhih", 12, 4, draw(_ids), 2) + b"me" + tags + body)
    (message,) = decode("kafka", frame, _CLIENT)
    return message


@st.composite
def _exchanges(draw: DrawFn) -> list[Message]:
    """SaslHandshake v0 and the tokens behind it."""
    mechanism = draw(st.sampled_from(("PLAIN", "SCRAM-SHA-256", "OTHER")))
    ask = request("SaslHandshake", {"mechanism": mechanism}, version=0, id=draw(st.integers(0, 3)))
    code = draw(st.sampled_from((0, 33)))
    answer = response("SaslHandshake", {"error_code": code, "mechanisms": ["PLAIN"]}, version=0, id=ask.id or 0)
    answer.request = ask
    if code:
        return [ask, answer]
    said = [ask, answer]
    for number in range({"PLAIN": 1, "SCRAM-SHA-256": 2}.get(mechanism, 3)):
        token = b"n,,n=alice,r=1" if mechanism != "PLAIN" else b"\0alice\0secret"
        sent = _token(_CLIENT, b"\xff" * number + token)
        said += [sent, _token(Side.SERVER, draw(st.binary(max_size=6)))]
        said[-1].request = sent
    return said


def _token(side: Side, token: bytes) -> Message:
    kind = Kind.REQUEST if side is _CLIENT else Kind.RESPONSE
    return Message("kafka", kind, side, {"method": "SaslAuthenticate", "kafka.sasl_token": True}, _frame(token))


def _undecoded(raw: bytes) -> Message:
    id = int.from_bytes(raw[4:8], "big", signed=True)
    return Message("kafka", Kind.RESPONSE, Side.SERVER, {"kafka.undecoded": True}, raw, id)


def _take(waiting: list[Message], id: int | None) -> Message | None:
    """The request that waits longest under this id."""
    found = next((one for one in waiting if one.id == id), None)
    if found is not None:
        waiting[:] = [one for one in waiting if one is not found]
    return found


def _frame(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def _produced(partitions: list[dict[str, Any]]) -> dict[str, Any]:
    return {"name": "t", "partition_data": partitions}


def _fetched(records: bytes) -> dict[str, Any]:
    return {"responses": [{"topic": "t", "partitions": [{"records": records}]}]}


# -- bodies by the schema ---------------------------------------------------------------------------------------


@cache
def _struct(fields: Struct) -> SearchStrategy[dict[str, Any]]:
    known = {item.name: _value(item) for item in fields.fields}
    known.update({item.name: _tagged(item) for item in fields.tags})
    whole: SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(known)
    if not fields.flexible:
        return whole
    tagged = st.tuples(whole, _unknown).map(lambda pair: {**pair[0], TAGGED_FIELDS: pair[1]})
    return st.one_of(whole, whole, whole, tagged)


def _value(item: Item) -> SearchStrategy[Any]:
    one: SearchStrategy[Any] = _numbers[item.type] if item.inner is None else _struct(item.inner)
    if item.array:
        alike = one.flatmap(lambda value: st.integers(4, 5).map(lambda count: [value] * count))
        one = st.lists(one, max_size=2) | alike
    return st.none() | one if item.nullable else one


def _tagged(item: Item) -> SearchStrategy[Any]:
    """What is not sent is its default; a struct of nothing but defaults is not sent, and comes back as None."""
    sent = _value(item).map(lambda value: item.fresh() if item.is_default(value) else value)
    return st.builds(item.fresh) | sent
