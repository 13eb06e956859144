"""Hypothesis strategies for the messages, bytes and conversations of every protocol.

    from hypothesis import given
    from l7codec import Side, strategies

    @given(strategies.messages("redis", Side.CLIENT))
    def test_my_rules(message): ...

How a protocol brings its own. The file `l7codec/strategies/<protocol's name>.py` of a protocol of the library, or a
module of an installed package that an entry point of the group `l7codec.strategies` names
(`awesome = "awesome_rpc.strategies"`), holds functions of the names below; only `messages` is required. A program
registers such a module, or any object that has them, with `register(name, module)`. A codec declared with
`l7codec.declarative` needs none: its header says enough.

    SIDES = (Side.CLIENT,)          who writes messages of the protocol; both when it is left out

    def messages(side) -> SearchStrategy[Message]
        Messages that `side` may send, built by the protocol's constructors (or read from bytes that are legal but odd:
        what encoders do not write, decoders must still keep byte for byte). Each stands alone: a new codec takes it as
        the first of its side, and whole.

    def streams(side) -> SearchStrategy[bytes]
        What one side may send, several messages; a list of `messages(side)`, joined, when it is left out. For
        protocols where a message changes how the next one is framed.

    def values(side) -> SearchStrategy[tuple[Message, Any]]
        A message built from values, and the `body` that it must decode to. The expectation must be the values
        themselves, not what a decoder made of them. When it is left out, law 4 compares `messages` alone.

    def conversations() -> SearchStrategy[list[Message]]
        What both sides send, in order. Every response's `request` is the very message of the list that it answers, or
        None: that is what pairing must find. When it is left out: `messages` of both sides in any order, paired as
        `Codec.pair` does unless it is overridden.

    def edits(message) -> SearchStrategy[dict[str, Any]]
        Edits that the protocol can make to this message; no edits when it is left out.

    def extremes(side, size) -> list[bytes]
        Single whole messages of about `size` bytes, one for each way to be big: one long string, many small elements,
        many lines. Law 5 counts what they cost in small pieces.

    def hostile(side) -> list[bytes]
        Beginnings that promise far more than they hold. Law 5 watches the memory that they take.

Needs the extra `hypothesis`.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from ..codec import Codec
from ..errors import MissingExtra, UnknownProtocol
from ..message import Kind, Message, Side
from ..registry import codec_class
from ..stream import decode
from ._hook import _hypothesis_setup_hook as _hypothesis_setup_hook  # before hypothesis, which asks for it at once

try:
    from hypothesis import strategies as st
    from hypothesis.strategies import DrawFn, SearchStrategy
except ImportError as missing:
    raise MissingExtra("hypothesis", "generating messages") from missing

__all__ = [
    "ENTRY_POINT_GROUP",
    "chunks",
    "conversations",
    "edits",
    "extremes",
    "hostile",
    "messages",
    "mutations",
    "register",
    "sides",
    "streams",
    "values",
]

ENTRY_POINT_GROUP = "l7codec.strategies"
"""A package brings strategies for its codec by an entry point of this group that has the codec's name."""

_registered: dict[str, Any] = {}


def register(protocol: str, source: Any) -> None:
    """Make `source`, a module or any object with the functions named above, the strategies of `protocol`."""
    if not callable(getattr(source, "messages", None)):
        raise TypeError(f"strategies of {protocol!r} need a function messages(side)")
    _registered[protocol] = source


def sides(protocol: str) -> tuple[Side, ...]:
    """Who writes messages of a protocol. Raises UnknownProtocol as `messages` does."""
    return _sides(_source(protocol))


def messages(protocol: str, side: Side | None = None) -> SearchStrategy[Message]:
    """Messages of a protocol that `side` may send; without a side: that anyone may send.

    Raises UnknownProtocol where there are no strategies for this name.
    """
    source = _source(protocol)
    writers = _sides(source) if side is None else (Side(side),)
    return st.one_of([source.messages(one) for one in writers])


def streams(protocol: str, side: Side) -> SearchStrategy[bytes]:
    """The bytes of several messages that one side sends. Raises UnknownProtocol as `messages` does."""
    source = _source(protocol)
    side = Side(side)
    if side not in _sides(source):
        return st.just(b"")
    own: Callable[[Side], SearchStrategy[bytes]] | None = getattr(source, "streams", None)
    if own is not None:
        return own(side)
    return st.lists(messages(protocol, side), max_size=6).map(_join)


def values(protocol: str, side: Side) -> SearchStrategy[tuple[Message, Any]]:
    """A message built from values, and the body that it must decode to. Raises UnknownProtocol as `messages` does.

    For a protocol that does not say: its messages and their own bodies.
    """
    source = _source(protocol)
    own: Callable[[Side], SearchStrategy[tuple[Message, Any]]] | None = getattr(source, "values", None)
    if own is not None:
        return own(Side(side))
    return messages(protocol, side).map(lambda message: (message, message.body))


def conversations(protocol: str) -> SearchStrategy[list[Message]]:
    """What both sides of one connection send, in order; the `request` of a response is in the list.

    Raises UnknownProtocol as `messages` does.
    """
    source = _source(protocol)
    own: Callable[[], SearchStrategy[list[Message]]] | None = getattr(source, "conversations", None)
    return own() if own is not None else _conversation(protocol)


def extremes(protocol: str, side: Side, size: int) -> list[bytes]:
    """Single messages of about `size` bytes, one for each way to be big. Raises UnknownProtocol as `messages` does."""
    own: Callable[[Side, int], list[bytes]] | None = getattr(_source(protocol), "extremes", None)
    return own(Side(side), size) if own is not None else []


def hostile(protocol: str, side: Side) -> list[bytes]:
    """Beginnings that promise far more than they hold. Raises UnknownProtocol as `messages` does."""
    own: Callable[[Side], list[bytes]] | None = getattr(_source(protocol), "hostile", None)
    return own(Side(side)) if own is not None else []


def edits(protocol: str, message: Message) -> SearchStrategy[dict[str, Any]]:
    """Edits that can be made to `message`. Raises UnknownProtocol as `messages` does."""
    own: Callable[[Message], SearchStrategy[dict[str, Any]]] | None = getattr(_source(protocol), "edits", None)
    return own(message) if own is not None else st.just({})


@st.composite
def chunks(draw: DrawFn, data: bytes) -> list[bytes]:
    """`data` in pieces, as a transport may deliver it: whole, byte by byte, or split anywhere; some may be empty."""
    way = draw(st.sampled_from(("anywhere", "whole", "bytes")))
    if way == "whole":
        return [data]
    if way == "bytes":
        return [data[index : index + 1] for index in range(len(data))]
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=8)))
    return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]


@st.composite
def mutations(draw: DrawFn, data: bytes) -> bytes:
    """`data` with a few faults: bytes changed, left out, put in, repeated, or missing at the end."""
    result = bytearray(data)
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(result)))
        end = min(start + draw(st.integers(0, 8)), len(result))
        match draw(st.sampled_from(("change", "remove", "insert", "repeat", "cut", "flip"))):
            case "change":
                result[start:end] = draw(st.binary(min_size=end - start, max_size=end - start))
            case "remove":
                del result[start:end]
            case "insert":
                result[start:start] = draw(st.binary(min_size=1, max_size=8))
            case "repeat":
                result[end:end] = result[start:end]
            case "cut":
                del result[start:]
            case _:
                if start < len(result):
                    result[start] ^= 1 << draw(st.integers(0, 7))
    return bytes(result)


# -- where they come from ---------------------------------------------------------------------------------------


def _source(protocol: str) -> Any:
    found = _registered.get(protocol)
    if found is None:
        found = _shipped(protocol) or _installed(protocol) or _declared(codec_class(protocol))
        if found is None:
            raise UnknownProtocol(f"there are no strategies for {protocol!r}; l7codec.strategies.register adds them")
        register(protocol, found)
    return found


def _shipped(protocol: str) -> Any:
    name = f"{__name__}.{protocol}"
    if not protocol.isidentifier() or importlib.util.find_spec(name) is None:
        return None
    return importlib.import_module(name)


def _installed(protocol: str) -> Any:
    from importlib.metadata import entry_points

    for point in entry_points(group=ENTRY_POINT_GROUP, name=protocol):
        return point.load()
    return None


def _declared(codec: type[Codec]) -> Any:
    try:
        from ..declarative import HeaderCodec
    except MissingExtra:
        return None
    if not (issubclass(codec, HeaderCodec) and codec.can_edit("body")):  # a header that cannot be made to fit
        return None
    from . import _header

    return SimpleNamespace(messages=lambda side: _header.messages(codec, side))


def _sides(source: Any) -> tuple[Side, ...]:
    sides: tuple[Side, ...] = getattr(source, "SIDES", tuple(Side))
    return sides


def _join(several: list[Message]) -> bytes:
    return b"".join(codec_class(message.protocol).encode(message) for message in several)


@st.composite
def _conversation(draw: DrawFn, protocol: str) -> list[Message]:
    """Requests and responses in any order, paired by id, else in order."""
    codec = codec_class(protocol)
    said = []
    waiting: list[Message] = []
    for message in draw(st.lists(messages(protocol), max_size=8)):
        if message.kind is Kind.RESPONSE:
            asked = [one for one in waiting if one.side is not message.side]
            if asked and message.id is not None and codec.can_edit("id") and draw(st.booleans()):
                (message,) = decode(codec, codec.encode(message, {"id": draw(st.sampled_from(asked)).id}), message.side)
            message.request = next((one for one in asked if one.id == message.id), None)
            waiting = [one for one in waiting if one is not message.request]
        elif message.kind is Kind.REQUEST:
            waiting.append(message)
        said.append(message)
    return said
