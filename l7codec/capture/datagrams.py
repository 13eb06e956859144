"""UDP in a capture: one `Datagrams` for each codec, since a QUIC connection outlives its addresses."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

from ..codec import DatagramCodec
from ..conversation import Datagrams
from ..limits import Limits
from ..message import Kind, Message
from .ends import Ends
from .flow import Piece

__all__ = ["Observer"]


class Observer:
    """All datagrams of one protocol in a capture."""

    def __init__(self, codec: type[DatagramCodec], limits: Limits | None) -> None:
        self.codec = codec
        created = codec(limits=limits)
        self._codec = created
        self._datagrams = Datagrams(created)
        self._bound = created.limits.conversations
        self._times: OrderedDict[int, int] = OrderedDict()  # of requests, by `id()` of the message
        self._numbers: OrderedDict[int, int] = OrderedDict()  # the codec's conversation → the capture's

    def receive(self, ends: Ends, piece: Piece) -> Iterator[tuple[Message, int | None]]:
        """The messages of a datagram, each with its latency in nanoseconds. Raises RemoteProtocolError."""
        messages = self._datagrams.receive_datagram(piece.data, (ends.source, ends.destination))
        if piece.missing and messages:  # cut by the snap length: its last packet is
            messages[-1].missing = piece.missing
        for message in messages:
            latency = None
            if message.request is not None:
                sent = self._times.get(id(message.request))
                latency = None if sent is None else piece.time_ns - sent
            elif message.kind is Kind.REQUEST:
                self._times[id(message)] = piece.time_ns
                if len(self._times) > self._bound:
                    self._times.popitem(last=False)
            yield message, latency

    @property
    def lacks(self) -> str | None:
        """What its codec cannot read for want of an extra."""
        return self._codec.lacks

    def recognises(self, ends: Ends, piece: Piece) -> bool:
        """Whether a datagram between addresses that are new goes on with a conversation that is followed."""
        return self._codec.recognises(piece.data, (ends.source, ends.destination))

    def ends(self, ends: Ends, message: Message) -> Ends:
        """The ends of a message: its conversation keeps the number of the addresses it was first seen between."""
        number = message.metadata.get("conversation")
        if not isinstance(number, int):
            return ends
        first = self._numbers.setdefault(number, ends.conversation)
        if len(self._numbers) > self._bound:
            self._numbers.popitem(last=False)
        return ends if first == ends.conversation else Ends(first, ends.source, ends.destination)
