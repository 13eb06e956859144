"""Checked by mypy --strict, never run: what a user's type checker makes of the public names."""

from collections.abc import Iterator
from typing import Any, Literal, assert_type

import l7codec
from l7codec import (
    Conversation,
    Datagrams,
    Detector,
    Kind,
    L7Error,
    Limits,
    Message,
    MissingExtra,
    ProtocolError,
    Reason,
    Side,
    Stream,
)
from l7codec.codec import Codec
from l7codec.message import MetadataValue
from l7codec.pending import Pending

stream = Stream("redis", Side.CLIENT, limits=Limits(message=10))
assert_type(stream.receive_data(b""), Iterator[Message])
assert_type(stream.receive_data(bytearray()), Iterator[Message])
assert_type(stream.receive_data(memoryview(b"")), Iterator[Message])
assert_type(stream.receive_gap(), Iterator[Message])
assert_type(stream.receive_eof(), Iterator[Message])
assert_type(stream.messages(), Iterator[Message])
assert_type(stream.trailing_data, bytes)
assert_type(stream.error, ProtocolError | None)

for message in stream.messages():
    assert_type(message.metadata["method"], MetadataValue)
    assert_type(message.kind, Kind)
    assert_type(message.id, int | None)
    assert_type(message.body, Any)
    assert_type(message.request, Message | None)
    assert_type(l7codec.encode(message), bytes)
    assert_type(l7codec.encode(message, {"keys": ("a",)}), bytes)
    assert_type(l7codec.to_dict(message, body=True), dict[str, Any])

conversation = Conversation("redis", preface="proxy", connection={"peer.port": 5}, drop_oldest=True)
one: Stream = conversation.client
assert_type(conversation.stream(Side.SERVER), Stream)
assert_type(conversation.send(message, {"method": "GET"}), bytes)
assert_type(conversation.reply(message, Reason.DENIED), bytes | None)
assert_type(conversation.forget(message), bool)
assert_type(conversation.pending, Pending)
assert_type(conversation.pinned, frozenset[str])
assert_type(conversation.idle, bool)

assert_type(Datagrams("quic").receive_datagram(b"", ("a", "b")), list[Message])
assert_type(l7codec.decode("redis", b"", side=Side.SERVER), list[Message])
assert_type(l7codec.detect(b""), str | Literal["need more"] | None)
assert_type(Detector(port=6379).receive_data(Side.CLIENT, b""), str | None)
assert_type(l7codec.protocol_names(), list[str])


@l7codec.register
class Mine(l7codec.Codec): ...


assert_type(l7codec.registry.codec_class("mine"), type[Codec])

try:
    l7codec.decode("redis", b"")
except ProtocolError as error:
    assert_type(error.messages, list[Message])
    assert_type(error.offset, int)
except (MissingExtra, L7Error) as other:
    assert_type(other, MissingExtra | L7Error)

Stream("redis")  # type: ignore[call-arg]
Stream("redis", Side.CLIENT).receive_data("text")  # type: ignore[arg-type]
message.metadata["keys"] = ["a"]  # type: ignore[assignment]
