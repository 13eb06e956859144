"""UDP in a capture: one `Datagrams` for each codec, since a QUIC connection outlives its addresses."""

from __future__ import annotations

from collections import OrderedDict

from ..codec import DatagramCodec
from ..conversation import Datagrams
from ..limits import Limits
from ..message import Message
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
        self._numbers: OrderedDict[int, int] = OrderedDict()  # the codec's conversation → the capture's

    def receive(self, ends: Ends, piece: Piece) -> list[Message]:
        """The messages of a datagram. Raises RemoteProtocolError."""
        messages = self._datagrams.receive_datagram(piece.data, (ends.source, ends.destination))
        if piece.missing and messages:  # cut by the snap length: its last packet is
            messages[-1].missing = piece.missing
        return messages

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
