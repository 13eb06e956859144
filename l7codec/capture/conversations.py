"""Which protocol each conversation of a capture speaks, without decoding it: `read_conversations`."""

from __future__ import annotations

from collections.abc import Generator, Mapping

from ..codec import Answer, Confidence
from .files import CapturePath
from .flow import Flow, Piece
from .foreign import UNKNOWN, foreign_datagram
from .limits import DEFAULT_LIMITS, CaptureLimits
from .reader import CaptureReader
from .recognise import Choice, Found, Recognition
from .streams import StreamReader

__all__ = ["ConversationReader", "Spoken", "read_conversations"]


class Spoken:
    """A conversation that is over, and what was spoken in it."""

    __slots__ = (
        "client",
        "client_bytes",
        "conversation",
        "foreign",
        "frame",
        "preface",
        "protocol",
        "server",
        "server_bytes",
        "transport",
    )

    def __init__(self, flow: Flow) -> None:
        self.conversation = flow.number
        self.transport = flow.transport
        self.frame = flow.first_frame
        """The packet that opened it."""
        self.client = self.server = ("", 0)
        self.protocol: str | None = None
        """The codec that takes it, or None."""
        self.preface: str | None = None
        """The protocol of the preface before it, "proxy"."""
        self.foreign: str | None = None
        """Without a codec: the best name there is for it."""
        self.client_bytes = 0
        self.server_bytes = 0

    def __repr__(self) -> str:
        return f"<Spoken {self.conversation} {self.client} > {self.server}: {self.protocol or self.foreign}>"


class _Open:
    """A conversation that goes on."""

    __slots__ = ("flow", "found", "open", "recognition", "sizes")

    def __init__(self, flow: Flow, recognition: Recognition | None) -> None:
        self.flow = flow
        self.recognition = recognition
        self.found: Found | None = None
        self.sizes = [0, 0]
        self.open = 2


class ConversationReader(CaptureReader[Spoken]):
    """The conversations of a file, each when it is over."""

    def __init__(
        self,
        path: CapturePath,
        *,
        protocols: Mapping[int, str] | None = None,
        tunnels: bool = False,
        limits: CaptureLimits = DEFAULT_LIMITS,
    ) -> None:
        self._choice = Choice(protocols)
        self._streams = StreamReader(path, tunnels=tunnels, limits=limits)
        self._source = self._streams._source
        self._items = self._read()

    def _read(self) -> Generator[Spoken, None, None]:
        talks: dict[Flow, _Open] = {}
        for piece in self._streams:
            flow = piece.flow
            talk = talks.get(flow)
            if talk is None:
                tcp = flow.transport == "tcp"
                talk = talks[flow] = _Open(flow, Recognition(self._choice, flow) if tcp else None)
            talk.sizes[piece.half.index] += len(piece.data)
            if talk.recognition is not None:
                talk.found = talk.recognition.receive(piece)
                if talk.found is not None:
                    talk.recognition = None
            elif talk.found is None and piece.data and flow.transport == "udp":
                talk.found = self._datagram(piece)
            if piece.end is not None:
                talk.open -= 1
                if not talk.open:
                    yield _spoken(talks.pop(flow))

    def _datagram(self, piece: Piece) -> Found:
        ports = (piece.source[1], piece.destination[1])
        for port in ports:
            if port in self._choice.forced:
                return Found(self._choice.forced[port])
        best = None
        for codec in self._choice.datagrams:
            answer, confidence = codec.sniff(piece.data, piece.side)
            hinted = not set(ports).isdisjoint(codec.ports)
            if answer is Answer.YES and (confidence > Confidence.HINT or hinted):
                best = max(best or (confidence, codec.name), (confidence, codec.name))
        return Found(None, foreign_datagram(piece.data, ports)) if best is None else Found(best[1])


def _spoken(talk: _Open) -> Spoken:
    flow = talk.flow
    found = talk.found or Found(None, UNKNOWN)
    if found.turned:
        flow.turn()
    spoken = Spoken(flow)
    spoken.client, spoken.server = flow.endpoints[flow.client], flow.endpoints[1 - flow.client]
    spoken.client_bytes, spoken.server_bytes = talk.sizes[flow.client], talk.sizes[1 - flow.client]
    spoken.protocol, spoken.preface = found.protocol, found.preface
    spoken.foreign = None if found.protocol is not None else found.foreign
    return spoken


def read_conversations(
    path: CapturePath,
    *,
    protocols: Mapping[int, str] | None = None,
    tunnels: bool = False,
    limits: CaptureLimits = DEFAULT_LIMITS,
) -> ConversationReader:
    """Open a capture file and give its conversations, each when it is over, with the protocol it speaks.

    Parameters and errors as for `read_messages`.
    """
    return ConversationReader(path, protocols=protocols, tunnels=tunnels, limits=limits)
