"""From a file to the messages in it: `read_messages`, which is what `l7codec decode` prints.

    pieces ─▶ Recognition ──▶ Conversation ─▶ Record
                   │              ▲  errors, gaps: noted, and decoding goes on behind them
                   ├─ held until decided, then replayed with their own times and frames
                   └────────────▶ counted by name where no codec takes them

    UDP    ─▶ Datagrams, one for each codec: a QUIC connection outlives its addresses

Nothing is kept of a conversation that is over but numbers, so that memory follows the open ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Final, TypeAlias

from ..codec import Answer, Confidence
from ..conversation import Conversation
from ..errors import ProtocolError, TruncatedMessage
from ..limits import Limits
from ..message import Message, Metadata, Side
from ..stream import Stream
from .datagrams import Observer
from .ends import Ends
from .errors import CaptureWarning
from .files import CapturePath
from .flow import Flow, Half, Piece
from .foreign import UNKNOWN, foreign_datagram, foreign_stream
from .limits import DEFAULT_LIMITS, CaptureLimits
from .reader import CaptureReader
from .recognise import Choice, Found, Recognition
from .streams import StreamReader
from .summary import Summary, Trouble

__all__ = ["Burst", "Ends", "MessageReader", "Record", "read_messages"]

CLIENT: Final = Side.CLIENT

_ERRORS_IN_A_ROW: Final = 8
"""After so many errors without a message between them a direction is given up: it is something else."""

_NAMING_PIECES: Final = 4  # of an unrecognised direction, that are looked at to give it a name


class Record:
    """A message and where in the capture it was found."""

    __slots__ = ("ends", "frame", "message", "time_ns")

    def __init__(self, message: Message, time_ns: int, frame: int, ends: Ends) -> None:
        self.message = message
        self.time_ns = time_ns
        """When the packet that completed it was captured, nanoseconds since 1970."""
        self.frame = frame
        """The number of that packet in the file, from 1."""
        self.ends = ends

    @property
    def conversation(self) -> int:
        """The number of its conversation, from 1 in the order of their first packets."""
        return self.ends.conversation

    @property
    def source(self) -> tuple[str, int]:
        """Address and port of its sender."""
        return self.ends.source

    @property
    def destination(self) -> tuple[str, int]:
        """Address and port of its receiver."""
        return self.ends.destination

    @property
    def time(self) -> Decimal:
        """`time_ns` in seconds, exactly."""
        return Decimal(self.time_ns).scaleb(-9)

    @property
    def latency_ns(self) -> int | None:
        """On a paired response: nanoseconds since its request, each taken when it was complete; else None."""
        request = self.message.request
        return None if request is None else self.time_ns - request._time_ns

    @property
    def latency(self) -> Decimal | None:
        """`latency_ns` in seconds, exactly; None where there is none."""
        latency = self.latency_ns
        return None if latency is None else Decimal(latency).scaleb(-9)

    def __repr__(self) -> str:
        return f"<Record conversation {self.conversation} frame {self.frame} at {self.time_ns}: {self.message!r}>"


Burst: TypeAlias = tuple[Sequence[Message], int, int, Ends]
"""(messages, time_ns, frame, ends): what one packet completed in one direction, one Record or several."""


class _Direction:
    """One direction of a conversation: where its bytes go."""

    __slots__ = ("ends", "errors", "leg", "looked", "name", "side", "talk")

    def __init__(self, talk: _Talk, ends: Ends, side: Side) -> None:
        self.talk = talk
        self.ends = ends
        self.side = side
        self.leg: Stream | None = None
        """Takes the bytes, once it is known what they are."""
        self.name = ""
        """Where they are counted when no leg takes them: a foreign protocol's name; "" while that is undecided."""
        self.looked = 0
        self.errors = 0
        """In a row, without a message between them."""


class _Talk:
    """What both directions of a conversation share."""

    __slots__ = ("conversation", "datagrams", "flow", "halves", "observer", "open", "recognition")

    def __init__(self, flow: Flow, recognition: Recognition | None) -> None:
        self.flow = flow
        self.recognition = recognition
        """While it is undecided what a TCP connection speaks."""
        self.datagrams = recognition is None
        self.observer: Observer | None = None
        """Whom its datagrams go to."""
        self.conversation: Conversation | None = None
        self.halves: dict[Half, _Direction] = {}
        self.open = 2


class MessageReader(CaptureReader[Record]):
    """The messages of a file, in capture order; what they came to is in `summary`."""

    def __init__(
        self,
        path: CapturePath,
        *,
        protocols: Mapping[int, str] | None = None,
        addresses: bool = False,
        tunnels: bool = False,
        limits: CaptureLimits = DEFAULT_LIMITS,
        message_limits: Limits | None = None,
        shard: tuple[int, int] | None = None,
    ) -> None:
        self._choice = Choice(protocols)
        self._streams = StreamReader(path, tunnels=tunnels, limits=limits, shard=shard)
        self._addresses = addresses
        self._limits = message_limits
        self._directions: dict[Half, _Direction] = {}
        self._summary = Summary()
        self._messages: Counter[str] = Counter()
        self._observers = {codec.name: Observer(codec, message_limits) for codec in self._choice.datagrams}
        self._bursts = self._read_bursts()
        self._items = self._read()

    def bursts(self) -> Iterator[Burst]:
        """The same in larger parts, which is quicker: draw from this or from the reader itself, not from both."""
        return self._bursts

    @property
    def streams(self) -> StreamReader:
        """The reader underneath."""
        return self._streams

    @property
    def summary(self) -> Summary:
        """Counts so far; complete when everything was read."""
        summary = self._summary
        summary.messages = Counter({name: count for name, count in self._messages.items() if count})
        summary.passed_over = self._streams.skipped
        summary.warnings = self.warnings
        spoken = [observer for name, observer in self._observers.items() if name in summary.messages]
        summary.notes = [observer.lacks for observer in spoken if observer.lacks]
        return summary

    @property
    def warnings(self) -> list[CaptureWarning]:
        """What was wrong with the file so far; empty when nothing was."""
        return self._streams.warnings

    @property
    def offset(self) -> int:
        """Bytes of the (decompressed) file that were read so far: for progress."""
        return self._streams.offset

    def close(self) -> None:
        """Close the file and give nothing more. Closing twice is fine."""
        self._items.close()
        self._bursts.close()
        self._streams.close()

    # -- the way of a piece -------------------------------------------------------------------------------------

    def _read(self) -> Generator[Record, None, None]:
        for messages, time_ns, frame, ends in self._bursts:
            for message in messages:
                yield Record(message, time_ns, frame, ends)

    def _read_bursts(self) -> Generator[Burst, None, None]:
        directions, counts = self._directions, self._messages
        for piece in self._streams:
            direction = directions.get(piece.half)
            if direction is None:
                direction = self._open(piece)
            leg = direction.leg
            if leg is None or piece.gap or direction.errors:
                yield from self._slow(direction, piece)
                continue
            data = piece.data
            if data:
                messages = leg.receive_now(data)
                if type(messages) is list:  # nearly every piece goes this way: what `_gather` does, written out
                    time_ns = piece.time_ns
                    for message in messages:
                        message._time_ns = time_ns
                    counts[message.protocol] += len(messages)
                    yield messages, time_ns, piece.frame, direction.ends
                else:
                    yield from self._gather(direction, piece, messages)
            if piece.end is not None:
                yield from self._end(direction, piece)

    def _slow(self, direction: _Direction, piece: Piece) -> Iterator[Burst]:
        """A piece with a gap, or one that no leg takes."""
        talk = direction.talk
        if talk.recognition is not None:
            found = talk.recognition.receive(piece)
            if found is not None:
                yield from self._decided(talk, talk.recognition, found)
            return
        leg = direction.leg
        if talk.datagrams:
            yield from self._datagram(direction, piece)
        elif leg is None:
            self._undecoded(direction, piece)
        else:
            if piece.gap:
                self._summary.gaps += 1
                self._summary.missing += piece.gap
                yield from self._gather(direction, piece, leg.receive_gap(piece.gap))
            if piece.data and direction.leg is not None:
                yield from self._gather(direction, piece, leg.receive_data(piece.data))
        if piece.end is not None:
            yield from self._end(direction, piece)

    def _open(self, piece: Piece) -> _Direction:
        """The directions of a conversation whose first piece this is; returns this piece's."""
        flow = piece.flow
        self._summary.conversations += 1
        tcp = flow.transport == "tcp"
        talk = _Talk(flow, Recognition(self._choice, flow) if tcp else None)
        first, second = flow.endpoints
        for half, source, destination in zip(flow.halves, (first, second), (second, first), strict=True):
            side = CLIENT if half.index == flow.client else Side.SERVER
            talk.halves[half] = _Direction(talk, Ends(flow.number, source, destination), side)
        self._directions.update(talk.halves)
        return self._directions[piece.half]

    def _undecoded(self, direction: _Direction, piece: Piece) -> None:
        """Bytes that nobody decodes; the first of them may still tell what they are."""
        if not piece.data:
            return
        if direction.name == UNKNOWN and direction.looked < _NAMING_PIECES:
            direction.looked += 1
            named = foreign_stream(piece.data, direction.side, piece.start_known)
            if named != UNKNOWN:
                for other in direction.talk.halves.values():
                    other.name = named if other.leg is None else other.name
        if direction.name:
            self._summary.unrecognised[direction.name] += len(piece.data)
        else:
            self._summary.skipped += len(piece.data)

    # -- what it speaks -----------------------------------------------------------------------------------------

    def _decided(self, talk: _Talk, recognition: Recognition, found: Found) -> Iterator[Burst]:
        """It is known what a conversation speaks: what was held so far goes there, with its own times."""
        pieces = recognition.pieces
        talk.recognition = None
        if found.turned:
            talk.flow.turn()
        for half, direction in talk.halves.items():
            direction.side = CLIENT if half.index == talk.flow.client else Side.SERVER
        if found.protocol is not None:
            self._converse(talk, found.protocol, found.preface)
        else:
            for direction in talk.halves.values():
                direction.name = found.foreign
            if found.preface is not None:
                pieces = yield from self._preface_alone(talk, found.preface, pieces)
        begun: set[Half] = set()
        for piece in pieces:
            direction = talk.halves[piece.half]
            if direction.leg is not None and piece.half not in begun and (piece.data or piece.gap):
                begun.add(piece.half)
                self._begin(direction, piece)
            yield from self._slow(direction, piece)

    def _converse(self, talk: _Talk, name: str, preface: str | None) -> None:
        connection: Metadata = {}
        endpoints = talk.flow.endpoints
        if self._addresses:
            (peer, port), (address, server_port) = endpoints[talk.flow.client], endpoints[1 - talk.flow.client]
            connection = {
                "peer.address": peer,
                "peer.port": port,
                "destination.address": address,
                "destination.port": server_port,
            }
        talk.conversation = Conversation(
            name, preface=preface, connection=connection, limits=self._limits, drop_oldest=True
        )
        for direction in talk.halves.values():
            direction.leg = talk.conversation.stream(direction.side)

    def _begin(self, direction: _Direction, piece: Piece) -> None:
        """The first bytes that are had of a direction; if they are not its first, a message may have begun before."""
        talk, leg = direction.talk, direction.leg
        if piece.start_known or leg is None or talk.conversation is None:
            return
        talk.conversation.pending.lose_order(CLIENT)
        if not piece.gap and leg.codec.sniff(piece.data, direction.side).answer is Answer.NO:
            leg.receive_gap(None)

    def _preface_alone(self, talk: _Talk, name: str, pieces: list[Piece]) -> Generator[Burst, None, list[Piece]]:
        """A preface before something that no codec takes: the record of it; returns the pieces behind it."""
        stream = Stream(name, CLIENT)
        done = False
        rest: list[Piece] = []
        for piece in pieces:
            if done or piece.side is not CLIENT or not piece.data:
                rest.append(piece)
                continue
            direction = talk.halves[piece.half]
            direction.leg = stream
            yield from self._gather(direction, piece, stream.receive_data(piece.data))
            direction.leg = None
            done = stream.codec.finished
            behind = stream.trailing_data if done else b""
            rest.append(Piece(piece.half, piece.time_ns, piece.frame, behind, 0, piece.end))
        return rest

    # -- datagrams ----------------------------------------------------------------------------------------------

    def _datagram(self, direction: _Direction, piece: Piece) -> Iterator[Burst]:
        """A datagram, or the end of the talk between two addresses."""
        talk, data = direction.talk, piece.data
        if not data:
            return
        if talk.observer is None:
            talk.observer = self._observer_of(direction, piece)
        if talk.observer is None:
            self._summary.unrecognised[direction.name] += len(data)
            return
        try:
            for message in talk.observer.receive(direction.ends, piece):
                self._messages[message.protocol] += 1
                message._time_ns = piece.time_ns
                yield [message], piece.time_ns, piece.frame, talk.observer.ends(direction.ends, message)
        except ProtocolError as error:
            if piece.missing:
                self._summary.gaps += 1
                self._summary.missing += piece.missing
            else:
                self._summary.note(Trouble(direction.ends.conversation, direction.side, piece.frame, error))

    def _observer_of(self, direction: _Direction, piece: Piece) -> Observer | None:
        """Who takes the datagrams of this talk, by one of its first; else its direction gets a name."""
        ports = (direction.ends.source[1], direction.ends.destination[1])
        for port in ports:
            if port in self._choice.forced:
                return self._observers.get(self._choice.forced[port])
        if direction.looked >= _NAMING_PIECES:
            return None
        direction.looked += 1
        for observer in self._observers.values():
            if observer.recognises(direction.ends, piece):
                return observer
        found: list[tuple[int, str]] = []
        for name, observer in self._observers.items():
            answer, confidence = observer.codec.sniff(piece.data, direction.side)
            hinted = not set(ports).isdisjoint(observer.codec.ports)
            if answer is Answer.YES and (confidence > Confidence.HINT or hinted):
                found.append((confidence, name))
        if found:
            return self._observers[max(found)[1]]
        if direction.name in ("", UNKNOWN):
            direction.name = foreign_datagram(piece.data, ports)
        return None

    # -- messages -----------------------------------------------------------------------------------------------

    def _gather(self, direction: _Direction, piece: Piece, messages: Iterable[Message] | None) -> Iterator[Burst]:
        """The messages that this piece completed, those behind errors included."""
        while messages is not None:
            found: list[Message] = []
            wrong: ProtocolError | None = None
            try:
                for message in messages:
                    message._time_ns = piece.time_ns
                    found.append(message)
            except ProtocolError as error:
                wrong = error
            if found:
                direction.errors = 0
                self._messages.update(message.protocol for message in found)
                yield found, piece.time_ns, piece.frame, direction.ends
            messages = None if wrong is None else self._behind(direction, piece, wrong)

    def _behind(self, direction: _Direction, piece: Piece, error: ProtocolError) -> Iterable[Message] | None:
        """Note an error; the messages behind it, or None where there have been too many errors."""
        leg = direction.leg
        if leg is None:
            return None
        self._summary.note(Trouble(direction.ends.conversation, direction.side, piece.frame, error))
        direction.errors += 1
        if direction.errors >= _ERRORS_IN_A_ROW:
            self._give_up(direction)
            return None
        return leg.receive_gap(0)

    def _give_up(self, direction: _Direction) -> None:
        leg = direction.leg
        if leg is not None:
            self._summary.skipped += leg.skipped + len(leg.trailing_data)
            direction.leg = None

    # -- ends ---------------------------------------------------------------------------------------------------

    def _end(self, direction: _Direction, piece: Piece) -> Iterator[Burst]:
        """A direction is over; behind the second one the conversation is forgotten."""
        talk = direction.talk
        leg = direction.leg
        if leg is not None:
            try:
                for message in leg.receive_eof():  # a codec may finish one only now
                    yield from self._gather(direction, piece, (message,))
            except TruncatedMessage:
                self._summary.unfinished += 1
            except ProtocolError as error:
                self._summary.note(Trouble(direction.ends.conversation, direction.side, piece.frame, error))
            self._summary.skipped += leg.skipped
            if leg.error is None:
                self._summary.skipped += len(leg.trailing_data)
        talk.open -= 1
        if talk.open:
            return
        if talk.conversation is not None:
            self._summary.unanswered += len(talk.conversation.pending)
            self._summary.dropped += talk.conversation.pending.dropped
        for half in talk.halves:
            self._directions.pop(half, None)


def read_messages(
    path: CapturePath,
    *,
    protocols: Mapping[int, str] | None = None,
    addresses: bool = False,
    tunnels: bool = False,
    limits: CaptureLimits = DEFAULT_LIMITS,
    message_limits: Limits | None = None,
    shard: tuple[int, int] | None = None,
) -> MessageReader:
    """Open a capture file and give its messages, requests paired with responses, in capture order.

    `path`, `tunnels`, `limits` and `shard` are as for `read_streams`; `message_limits` are those of the codecs.
    `protocols` maps a server's port to the name of what is spoken there, whatever it looks like. `addresses` puts
    `peer.address`, `destination.port` and so on into every message's metadata, as rules may want them; the record has
    them in any case.

    What a PROXY header says is believed here: a capture is read by its owner, and nobody is let in. Raises
    CaptureError at once when the file cannot be opened or is no capture, and UnknownProtocol. Wrong bytes raise
    nothing: `summary` counts them, and decoding goes on behind them where a message begins.
    """
    return MessageReader(
        path,
        protocols=protocols,
        addresses=addresses,
        tunnels=tunnels,
        limits=limits,
        message_limits=message_limits,
        shard=shard,
    )
