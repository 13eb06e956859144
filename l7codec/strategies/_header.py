"""Messages of a codec that `l7codec.declarative` makes from its header: the declaration says enough."""

from __future__ import annotations

import construct
from hypothesis import assume
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from ..buffer import ReceiveBuffer
from ..declarative import HeaderCodec
from ..errors import ProtocolError
from ..message import Message, Side

__all__ = ["messages"]


def messages(codec: type[HeaderCodec], side: Side) -> SearchStrategy[Message]:
    """Any header with its constants in place, a kind that is declared, and a length that fits any payload."""
    return _message(codec, Side(side))


@st.composite
def _message(draw: DrawFn, codec: type[HeaderCodec], side: Side) -> Message:
    drawn = draw(st.one_of(st.just(bytes(codec._size)), st.binary(min_size=codec._size, max_size=codec._size)))
    kind = draw(st.sampled_from(sorted(codec.kind))) if isinstance(codec.kind, dict) else None
    payload = draw(st.binary(max_size=40))
    # Where a field has a value that does not suit, all of them are 0: to filter would leave too few messages.
    message = _build(codec, side, drawn, kind, payload) or _build(codec, side, bytes(codec._size), kind, payload)
    assume(message is not None)
    assert message is not None
    return message


def _build(codec: type[HeaderCodec], side: Side, drawn: bytes, kind: int | None, payload: bytes) -> Message | None:
    """The message with this header but for its constants, kind and length; None where it is not a good one."""
    header = bytearray(drawn)
    offset = 0
    for field in codec.header.subcons:
        constant = field.subcon if isinstance(field, construct.Renamed) else field
        if isinstance(constant, construct.Const):
            value = constant.build(None)
            header[offset : offset + len(value)] = value
        offset += field.sizeof()
    fixed = bytes(header)
    try:
        if kind is not None:
            fixed = codec._set(fixed, "kind", kind)
        message = codec().decode(side, ReceiveBuffer(codec.name, codec._join(fixed, payload)))
    except ProtocolError:
        return None
    return message if message is not None and message.error is None else None
