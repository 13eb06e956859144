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
    header = bytearray(
        draw(st.one_of(st.just(bytes(codec._size)), st.binary(min_size=codec._size, max_size=codec._size)))
    )
    offset = 0
    for field in codec.header.subcons:
        constant = field.subcon if isinstance(field, construct.Renamed) else field
        if isinstance(constant, construct.Const):
            value = constant.build(None)
            header[offset : offset + len(value)] = value
        offset += field.sizeof()
    fixed = bytes(header)
    try:
        if isinstance(codec.kind, dict):
            fixed = codec._set(fixed, "kind", draw(st.sampled_from(sorted(codec.kind))))
        raw = codec._join(fixed, draw(st.binary(max_size=40)))
        message = codec().decode(side, ReceiveBuffer(codec.name, raw))
    except ProtocolError:  # a field that not every value suits
        message = None
    assume(message is not None and message.error is None)
    assert message is not None
    return message
