"""Dubbo: invocations and their answers in every serialization that is read, opaque ones, events, typed lines."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from ..hessian2 import JavaLong
from ..message import Kind, Message, Side
from ..protocols import dubbo
from ..protocols.dubbo.forms import READ, write_values
from ..protocols.dubbo.frame import EVENT, HEADER_SIZE, OK, REQUEST, SERIALIZATION_IDS, TWO_WAY, pack
from ..protocols.dubbo.request import GENERIC_DESCRIPTOR
from ..stream import decode

__all__ = ["conversations", "edits", "extremes", "hostile", "messages", "values"]

_IDS = st.one_of(st.integers(0, 3), st.integers(-(2**63), 2**63 - 1))
_SERIALIZATIONS = st.sampled_from(["hessian2", "hessian2", "hessian2", *sorted(READ)])
_SERVICES = st.sampled_from(["com.example.Orders", "org.example.Größe", "Orders", "web/com.example.Orders"])
_METHODS = st.sampled_from(["find", "greet", "größe", "list", "$echo"])
_VERSIONS = st.sampled_from([None, "1.0", "2.0.0", "0.0.0"])
_TEXT = st.text(max_size=8)
_TYPES = ["java.lang.String", "int", "long[]", "java.util.Map", "com.example.Order[][]", "boolean"]
_OPAQUE = sorted(set(SERIALIZATION_IDS) - READ)
_NAMES = st.one_of(st.sampled_from(["user", "dubbo.tag", "timeout", "größe"]), st.text(min_size=1, max_size=6))


def _data(serialization: str) -> SearchStrategy[Any]:
    """Values that the serialization holds as they are."""
    leaves: list[SearchStrategy[Any]] = [
        st.none(),
        st.booleans(),
        st.integers(-(2**31), 2**31 - 1),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(max_size=40),
    ]
    if serialization not in ("fastjson", "gson"):
        leaves += [st.binary(max_size=40), st.integers(-(2**63), 2**63 - 1).map(JavaLong)]
    return st.recursive(
        st.one_of(leaves),
        lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(_TEXT, inner, max_size=4)),
        max_leaves=8,
    )


def _attachments(serialization: str) -> SearchStrategy[dict[str, Any]]:
    data = st.one_of(_TEXT, _TEXT, _data(serialization))
    names = _NAMES.filter(lambda name: name not in ("path", "version", "group", "interface"))
    return st.dictionaries(names, data, max_size=4)


@st.composite
def _invocations(draw: DrawFn, side: Side) -> tuple[Message, Any]:
    serialization = draw(_SERIALIZATIONS)
    types = draw(st.lists(st.sampled_from(_TYPES), max_size=3))
    arguments = [draw(_data(serialization)) for _ in types]
    service, method, version = draw(_SERVICES), draw(_METHODS), draw(_VERSIONS)
    group = draw(st.sampled_from([None, "blue"]))
    attachments = draw(_attachments(serialization))
    message = dubbo.invocation(
        service,
        method,
        arguments,
        types,
        version=version,
        group=group,
        attachments=attachments,
        id=draw(_IDS),
        oneway=draw(st.integers(0, 3)) == 0,
        serialization=serialization,
        side=side,
    )
    sent = {"path": service, "interface": service, "version": version or "0.0.0"}
    return message, {
        "dubbo_version": "2.0.2",
        "path": service,
        "version": version or "0.0.0",
        "method": method,
        "descriptor": dubbo.describe(types),
        "arguments": arguments,
        "attachments": {**sent, **({} if group is None else {"group": group}), **attachments},
    }


@st.composite
def _answers(draw: DrawFn, side: Side) -> tuple[Message, Any]:
    serialization, id = draw(_SERIALIZATIONS), draw(_IDS)
    attachments = draw(st.one_of(st.none(), _attachments(serialization)))
    extra = {} if attachments is None else {"attachments": attachments}
    if draw(st.integers(0, 3)) == 0:
        text = draw(_TEXT)
        status = draw(st.sampled_from([*sorted(set(dubbo.STATUSES) - {OK}), 7]))
        return dubbo.error(status, text, id=id, serialization=serialization, side=side), {"error": text}
    value = draw(_data(serialization))
    flag = (2 if value is None else 1) + (0 if attachments is None else 3)
    body = {"flag": flag, **({} if value is None else {"value": value}), **extra}
    return dubbo.result(value, id=id, serialization=serialization, attachments=attachments, side=side), body


@st.composite
def _unusual(draw: DrawFn, side: Side) -> Message:
    """What our constructors do not write: other places, forms and orders that are legal all the same."""
    kind = draw(st.sampled_from(("conflict", "dubbox", "bare", "behind", "opaque", "unknown", "generic", "exception")))
    id = draw(_IDS)
    if kind == "opaque":
        flags = (
            draw(st.sampled_from([REQUEST | TWO_WAY, REQUEST, 0])) | SERIALIZATION_IDS[draw(st.sampled_from(_OPAQUE))]
        )
        return _one(side, pack(flags, draw(st.sampled_from([0, OK, 60])), id, draw(st.binary(max_size=30))))
    if kind == "unknown":
        return _one(
            side, pack(REQUEST | TWO_WAY | draw(st.sampled_from([0, 1, 5, 30])), 0, id, draw(st.binary(max_size=9)))
        )
    serialization = draw(_SERIALIZATIONS)
    if kind == "exception":
        name = draw(st.sampled_from(["java.lang.RuntimeException", "com.example.Größe"]))
        return dubbo.exception(name, draw(st.one_of(st.none(), _TEXT)), id=id, serialization=serialization, side=side)
    if kind == "generic":
        outer = draw(st.sampled_from(["$invoke", "$invokeAsync"]))
        inner = ["find", ["java.lang.String"], [draw(_TEXT)]]
        return dubbo.invocation(
            draw(_SERVICES), outer, inner, GENERIC_DESCRIPTOR, id=id, serialization=serialization, side=side
        )
    parts: list[Any] = ["2.0.2", draw(_SERVICES), draw(st.sampled_from(["", None, "1.0"])), "find"]
    if kind == "dubbox":
        parts.append(-1)
    parts += ["Ljava/lang/String;", draw(_TEXT)]
    if kind == "conflict":
        parts.append({"path": draw(_SERVICES), "version": draw(st.sampled_from(["1.0", "9.9", None]))})
    elif kind != "bare":
        parts.append(draw(st.one_of(st.none(), _attachments(serialization))))
    if kind == "behind":
        parts.append(None)
    body = write_values(serialization, parts)
    return _one(side, pack(REQUEST | TWO_WAY | SERIALIZATION_IDS[serialization], 0, id, body))


@st.composite
def _events(draw: DrawFn, side: Side) -> Message:
    serialization, id = draw(_SERIALIZATIONS), draw(_IDS)
    event = draw(st.sampled_from([None, None, "R", "W", "H", "X"]))
    body = write_values(serialization, [event])
    flags = EVENT | draw(st.sampled_from([REQUEST, REQUEST | TWO_WAY, 0])) | SERIALIZATION_IDS[serialization]
    return _one(side, pack(flags, 0 if flags & REQUEST else OK, id, body))


def _lines(side: Side) -> SearchStrategy[Message]:
    if side is Side.SERVER:
        printed = [
            b"dubbo>",
            b"PROVIDER:\r\n",
            b"\r\n",
            b"|a|\n",
            b'result: "\xe6\x97\xa5"\r\n',
            b"dub\r\n",
            b"elapsed: 0 ms.\n",
        ]
        return st.sampled_from(printed).map(lambda line: _one(side, line))
    typed = [
        b"ls\r\n",
        b"ls -l com.example.Orders\n",
        b"invoke com.example.Orders.find(17)\r\n",
        b'invoke find("\xe6\x97\xa5")\n',
        b"\r\n",
        b"\x03",
        b"\xff\xf4",
        b"\xff\xfd\x06",
        b"l\x08s\n",
    ]
    return st.sampled_from(typed).map(lambda line: _one(side, line))


def _one(side: Side, data: bytes) -> Message:
    (message,) = decode("dubbo", data, side)
    return message


def values(side: Side) -> SearchStrategy[tuple[Message, Any]]:
    """Invocations and answers: either side may ask."""
    return st.one_of(_invocations(side), _answers(side))


def messages(side: Side) -> SearchStrategy[Message]:
    """Any."""
    built = values(side).map(lambda pair: pair[0])
    return st.one_of(built, built, _unusual(side), _events(side), _lines(side))


@st.composite
def conversations(draw: DrawFn) -> list[Message]:
    """Both sides ask, in any order, and are answered by id, heartbeats by heartbeats."""
    said: list[Message] = []
    waiting: list[Message] = []
    anyone = st.one_of([messages(side) for side in Side])
    for message in draw(st.lists(anyone, max_size=8)):
        heartbeat = message.kind is Kind.HEARTBEAT
        asks = bool(message.raw[2] & REQUEST) if heartbeat else message.kind is Kind.REQUEST
        if message.kind is Kind.RESPONSE or (heartbeat and not asks):
            asked = [one for one in waiting if one.side is not message.side]
            if asked and bool(draw(st.booleans())):
                id = draw(st.sampled_from(asked)).id
                message = _one(message.side, dubbo.DubboCodec.encode(message, {"id": id}))
            message.request = next((one for one in asked if one.id == message.id), None)
            waiting = [one for one in waiting if one is not message.request]
        elif asks and (not heartbeat or message.raw[2] & TWO_WAY):
            waiting.append(message)
        said.append(message)
    return said


def edits(message: Message) -> SearchStrategy[dict[str, Any]]:
    """An id; of a request that is read whole, what names the method, and attachments."""
    optional: dict[str, SearchStrategy[Any]] = {}
    raw = message.raw
    if raw[0] == 0xDA:
        optional["id"] = _IDS
        serialization = message.metadata["dubbo.serialization"]
        event = bool(raw[2] & EVENT)
        if not event and serialization in READ:
            if raw[2] & REQUEST:
                optional["service"] = st.sampled_from(["com.example.Other", "größe"])
                optional["method"] = st.sampled_from(["other", "größe"])
                optional["version"] = st.sampled_from(["7.0", None])
                optional["group"] = st.sampled_from(["green", None])
            if raw[2] & REQUEST or "attachments" in message.body:
                optional["header.user"] = st.one_of(st.none(), _TEXT)
                optional["header.added"] = _TEXT
        elif serialization not in READ:
            optional["body"] = st.binary(max_size=9)
    return st.fixed_dictionaries({}, optional=optional)


def extremes(side: Side, size: int) -> list[bytes]:
    """One long argument, many small ones, many attachments, a deep one; a long line; bytes that nobody reads."""
    found = [pack(REQUEST | SERIALIZATION_IDS["kryo"], 0, 1, bytes(size)), b"ls " + b"x" * size + b"\n"]
    for serialization in sorted(READ):
        flags = {"serialization": serialization, "side": side}
        for arguments in (
            ["x" * size],
            [[7] * (size // 3)],
            [["ab" * 5] * (size // 12)],
            [{str(n): n for n in range(size // 8)}],
        ):
            found.append(dubbo.invocation("Orders", "find", arguments, ["java.lang.Object"], **flags).raw)  # type: ignore[arg-type]
        many = {f"name{number:04d}": "value" for number in range(size // 16)}
        found.append(dubbo.invocation("Orders", "find", attachments=many, **flags).raw)  # type: ignore[arg-type]
        found.append(dubbo.result(["x"] * (size // 2), **flags).raw)  # type: ignore[arg-type]
    if size < 60_000:
        return found
    return [data for data in found if data[0] == 0xDA]  # a line has a limit of its own


def hostile(side: Side) -> list[bytes]:
    """Promises: a long body, and inside a frame long strings, lists, class definitions, references."""
    head = b"\x052.0.2\x06Orders\x00\x04find\x12Ljava/lang/Object;"
    bodies = [
        head + b"S\xff\xff",
        head + b"V\x04[intI\x7f\xff\xff\xff",
        head + b"XI\x7f\xff\xff\xff",
        head + b"C\x01aI\x7f\xff\xff\xff",
        head + b"B\xff\xff",
        head + b"QI\x7f\xff\xff\xff",
        head + b"OI\x7f\xff\xff\xff",
        head + b"W" * 200,
        head + b"H" * 200,
        head + b"C\x01a\x90" * 60,
        b"\x052.0.2\x06Orders\x00\x04findI\x7f\xff\xff\xff",
    ]
    found = [pack(REQUEST | TWO_WAY | 2, 0, 1, body) for body in bodies]
    found.append(pack(REQUEST | 23, 0, 1, b"\x7f\xff\xff\xff\x49"))
    found.append(pack(REQUEST | 23, 0, 1, b"\x00\x00\x00\x06\xa4\x48\x7f\xff\xff\xff"))
    found.append(pack(REQUEST | 6, 0, 1, b"[" * 300 + b"\n"))
    found.append(pack(REQUEST | 2, 0, 1, b"")[:12] + (8 * 1024 * 1024).to_bytes(4, "big") + bytes(HEADER_SIZE))
    return found
