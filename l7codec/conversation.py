"""Conversation: both directions of one connection, requests paired with responses. Datagrams: many, over datagrams."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Final

from .buffer import ReceiveBuffer
from .codec import Codec, DatagramCodec, Reason
from .errors import LimitExceeded, LocalProtocolError, ProtocolError, RemoteProtocolError
from .limits import Limits
from .message import NO_EDITS, Edits, Kind, Message, Metadata, MetadataValue, Side
from .pending import Pending
from .registry import create
from .stream import Stream

__all__ = ["Conversation", "Datagrams"]

_PACKET: Final = Kind.PACKET


class _Leg(Stream):
    """One side of a Conversation: what it decodes is paired at once, in the order in which it was received."""

    other: _Leg

    def __init__(self, conversation: Conversation, codec: Codec, side: Side) -> None:
        self._conversation = conversation
        super().__init__(codec, side)

    def _use(self, codec: Codec) -> None:
        super()._use(codec)
        self._decode_plain = codec.decode_plain
        self._pending = self._conversation._pending

    def receive_now(self, data: bytes) -> Iterable[Message]:
        """See `Stream`."""
        if self._plain and self.other._quiet:
            messages = self._decode_plain(self.side, data, self._pending)
            if messages:
                self._buffer.pass_over(len(data))
                if self._conversation._connection:
                    for message in messages:
                        message.metadata.update(self._conversation._connection)
                return messages
        return super().receive_now(data)

    def _before(self) -> None:
        # What the other side still holds was received earlier: it is decoded before this side goes on.
        if not self.other._quiet:
            self.other._drain()

    def _observe(self, messages: Sequence[Message]) -> None:
        self._conversation._received(self, messages)

    def _lose(self, count: int) -> None:
        super()._lose(count)
        self._conversation._pending.lose_order(self.side)

    def _stop(self, error: ProtocolError) -> None:
        super()._stop(error)
        self._conversation._pending.lose_order(self.side)


class Conversation:
    """Both directions of one connection, for a proxy's leg as much as for an observer.

    Give `client` and `server` what each side sends, in the order it comes; each response's `request` is the message
    it answers. What this program itself writes on the connection goes through `send` (or `reply`), which gives the
    bytes and keeps account of them as if they had been received. A proxy holds one Conversation for each leg.

    `connection` is metadata of the connection itself, put into every message: `peer.address`, `peer.port`, and so on.
    `source.address` and `source.port` are the peer's unless a PROXY header says otherwise.

    `preface="proxy"` demands a PROXY header from the client first, and believes it. Without it a PROXY header is just
    wrong bytes: its specification forbids guessing, since any client could forge an address. Ask for it only where
    every client is a trusted proxy.

    `drop_oldest` gives up the oldest request when too many are pending, instead of raising LimitExceeded: for
    captures, where nobody is to be refused.
    """

    def __init__(
        self,
        codec: str | type[Codec] | Codec,
        *,
        preface: str | type[Codec] | Codec | None = None,
        connection: Mapping[str, MetadataValue] | None = None,
        limits: Limits | None = None,
        drop_oldest: bool = False,
    ) -> None:
        self._codec = create(codec, limits)
        self._preface = None if preface is None else create(preface, limits)
        self._connection = _with_source(dict(connection or {}))
        self._pending = Pending(self._codec.limits.pending, drop_oldest)
        self._codec.pending = self._pending
        self.client = _Leg(self, self._preface or self._codec, Side.CLIENT)
        """What the client sends."""
        self.server = _Leg(self, self._codec, Side.SERVER)
        """What the server sends."""
        self.client.other, self.server.other = self.server, self.client

    def stream(self, side: Side) -> Stream:
        """`client` or `server`."""
        return self.client if side is Side.CLIENT else self.server

    # -- what this program writes -------------------------------------------------------------------------------

    def send(self, message: Message, edits: Edits = NO_EDITS) -> bytes:
        """The bytes of `message` with `edits`, to be written on this connection now, on `message.side`'s behalf.

        Pending requests are opened and settled as if the bytes had been received. A request sent with edits is still
        the `request` of its response. Raises LocalProtocolError where it cannot be written, or where the protocol
        answers in order and an earlier request is still unanswered, or where that side has begun a message that has
        been received in part; LimitExceeded when too many requests are pending.
        """
        codec = self.stream(message.side).codec
        if message.protocol != codec.name:
            raise LocalProtocolError(codec.name, 0, f"a {message.protocol} message cannot go here")
        self.stream(message.side.other)._drain()
        self._check_place(message.side)
        if message.kind is Kind.RESPONSE and message.request is not None:
            self._check_turn(message.request)
        data = codec.encode(message, edits)
        if codec is self._preface:
            self._begin(_decode(codec, data, message.side))
        else:
            self._pending.origin = message
            try:
                codec.pair(_decode(codec, data, message.side) if edits else message, self._pending)
            finally:
                self._pending.origin = None
        return data

    def reply(
        self, request: Message | None, reason: Reason | RemoteProtocolError, text: str | None = None
    ) -> bytes | None:
        """The bytes of an error response to `request`, to be written now; None where none is due.

        Keeps account of it as `send` does. `text` replaces the reason's own words. Without a request it answers the
        connection as a whole, as after a RemoteProtocolError.
        """
        data = self._codec.reply(request, reason, text)
        if data is not None and request is not None:
            self.stream(request.side)._drain()
            self._check_place(request.side.other)
            self._check_turn(request)
            self._codec.pair(_decode(self._codec, data, request.side.other), self._pending)
        return data

    def forget(self, request: Message) -> bool:
        """Wait no longer for an answer to `request`, which was never forwarded; False if it was not pending."""
        return self._pending.close(request)

    def _check_place(self, side: Side) -> None:
        """Refuse to write into a message of which a part has been received: it would break that, and its decoding."""
        stream = self.stream(side)
        stream._drain()
        if stream.error is None and not stream.at_boundary:
            reason = f"this would go into the middle of a message that the {side} has begun"
            raise LocalProtocolError(stream.codec.name, 0, reason)

    def _check_turn(self, request: Message) -> None:
        if not self._pending.is_next(request):
            reason = "this would answer an earlier request, or one that has had its answer"
            raise LocalProtocolError(self._codec.name, 0, reason)

    # -- what was received --------------------------------------------------------------------------------------

    def _received(self, leg: _Leg, messages: Sequence[Message]) -> None:
        if leg.codec is self._preface:
            self._begin(messages[0])
            return
        pending = self._pending
        pair = self._codec.pair
        connection = self._connection
        calm = pending.in_order
        if not connection and self._codec.pair_all(messages, pending):
            return
        for index, message in enumerate(messages):
            if connection:
                message.metadata.update(connection)
            if not calm and self.stream(leg.side.other).at_boundary:
                pending.find_order(message.kind is Kind.REQUEST)
            try:
                request = pair(message, pending)
            except LimitExceeded as error:
                leg._decoded.extend(messages[:index])
                leg._buffer.give_back(b"".join([late.raw for late in messages[index:]]))
                raise LimitExceeded(error.protocol, leg.offset, error.reason) from None
            if request is not None:
                message.request = pending.asked(request)

    def _begin(self, preface: Message) -> None:
        """The preface is there: what it says of the connection goes into every later message."""
        said = preface.metadata
        known = self._connection
        if any(key in said for key in _ENDPOINTS):  # a path has no port: the connection's own would be a stranger's
            known = {key: value for key, value in known.items() if key not in _ENDPOINTS}
        said.update({**known, **said})
        self._connection = said.copy()
        if self.client.codec.finished:
            self.client._use(self._codec)

    # -- what a proxy or a pool asks ----------------------------------------------------------------------------

    @property
    def pending(self) -> Pending:
        """The requests that wait for a response, each asking side's oldest first."""
        return self._pending

    @property
    def pinned(self) -> frozenset[str]:
        """Why the connection must not be shared now (`multi`, `watch`, `subscribe`, `monitor`, …); empty: it may be."""
        return self._codec.pinned

    @property
    def idle(self) -> bool:
        """Nothing is pending, unfinished, undelivered, wrong or pinned: the connection can be reused or closed."""
        return not (
            self._pending
            or not self._pending.in_order
            or self.pinned
            or any(leg.error is not None or leg._decoded or not leg.at_boundary for leg in (self.client, self.server))
        )


class Datagrams:
    """What one observation point sees of a protocol over datagrams, requests paired in each conversation.

    Every message's metadata says under "conversation" which one it belongs to; addresses may change under it. At most
    `Limits.conversations` are followed; the one longest silent is given up first.
    """

    def __init__(self, codec: str | type[Codec] | Codec, limits: Limits | None = None) -> None:
        created = create(codec, limits)
        if not isinstance(created, DatagramCodec):
            raise LocalProtocolError(created.name, 0, f"{created.name} runs over a stream, not over datagrams")
        self._codec = created
        self._pending: OrderedDict[int, Pending] = OrderedDict()
        self.datagrams = 0
        """How many datagrams were received."""

    def receive_datagram(self, data: bytes | bytearray | memoryview, path: Hashable) -> list[Message]:
        """The messages of one datagram that went along `path`, `(source, destination)`.

        Raises RemoteProtocolError; a bad datagram changes nothing for those that follow.
        """
        self.datagrams += 1
        messages = self._codec.decode_datagram(bytes(data), path)
        for message in messages:
            if message.kind is _PACKET:  # asks nothing, answers nothing: the codec alone follows its conversation
                continue
            number = message.metadata.get("conversation")
            if isinstance(number, int):
                message.request = self._codec.pair(message, self._of(number))
        return messages

    def pending(self, conversation: int) -> Pending:
        """The requests of one conversation that wait for a response; none where it is not, or no longer, followed."""
        known = self._pending.get(conversation)
        return Pending(self._codec.limits.pending) if known is None else known

    def _of(self, number: int) -> Pending:
        pending = self._pending.get(number)
        if pending is None:
            pending = self._pending[number] = Pending(self._codec.limits.pending, drop_oldest=True)
            if len(self._pending) > self._codec.limits.conversations:
                oldest, _ = self._pending.popitem(last=False)
                self._codec.forget_conversation(oldest)
        else:
            self._pending.move_to_end(number)
        return pending


_ENDPOINTS = ("source.address", "source.port", "destination.address", "destination.port")


def _with_source(connection: Metadata) -> Metadata:
    for name in ("address", "port"):
        if f"peer.{name}" in connection:
            connection.setdefault(f"source.{name}", connection[f"peer.{name}"])
    return connection


def _decode(codec: Codec, data: bytes, side: Side) -> Message:
    """What `codec` makes of bytes that it has itself encoded."""
    try:
        message = codec.decode(side, ReceiveBuffer(codec.name, data))
    except RemoteProtocolError as error:
        codec.abandon(side)
        raise LocalProtocolError(codec.name, error.offset, f"no peer would take it: {error.reason}") from None
    if message is None or len(message.raw) != len(data):
        codec.abandon(side)
        raise LocalProtocolError(codec.name, 0, "what was encoded is not one whole message")
    return message
