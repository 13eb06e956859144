"""Stream: one direction of one connection, bytes in, messages out."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from .buffer import ReceiveBuffer
from .codec import Codec
from .errors import ProtocolError, TruncatedMessage
from .limits import Limits
from .message import Message, Side
from .registry import create

__all__ = ["Stream", "decode"]

_RESYNC_WINDOW = 1 << 16  # bytes looked at in one go for a message's start after a gap


class Stream:
    """Decodes what one side of one connection sends, alone. Where framing depends on the other side, as after Redis'
    PSYNC, use a `Conversation`.

    `receive_data` and its kin take something in at once and return an iterator. The position lives here, not in the
    iterator: any number of them draw from one sequence, and an abandoned one loses nothing.

    Errors are raised at their place in that sequence, after every good message before them, and stay: each later
    iterator raises the same one again. Only `receive_gap` goes on behind an error.

    Alone, a preface such as a PROXY header is the only message; the bytes that follow it stay in `trailing_data`.
    """

    def __init__(self, codec: str | type[Codec] | Codec, side: Side, *, limits: Limits | None = None) -> None:
        codec = create(codec, limits)
        self.side = Side(side)
        self.error: ProtocolError | None = None
        """What ended the stream, once every message before it has been decoded."""
        self.skipped = 0
        """Bytes dropped after gaps and errors because no message could be made of them."""
        self._buffer = ReceiveBuffer(codec.name)
        self._decoded: deque[Message] = deque()  # and not yet drawn
        self._dropped = 0  # bytes received behind the error
        self._ended = False
        self._resyncing = False
        self._quiet = True  # nothing can be decoded until something more is received
        self._plain = False  # nothing is held, awaited, undrawn or wrong: the next piece begins a message
        self._use(codec)

    def _use(self, codec: Codec) -> None:
        self.codec = codec
        self._buffer.protocol = codec.name
        batches = type(codec).decode_batch is not Codec.decode_batch and not codec.is_preface
        self._decode_batch = codec.decode_batch if batches else None
        self._plain = False
        self._finished = codec.is_preface and codec.finished

    # -- bytes in -----------------------------------------------------------------------------------------------

    def receive_data(self, data: bytes | bytearray | memoryview) -> Iterator[Message]:
        """Take in bytes; iterate over the messages they complete. An empty piece says nothing, not the end.

        Raises RemoteProtocolError, while iterating, where the bytes are wrong. Bytes behind an error are dropped.
        """
        self._before()
        self._plain = False
        if data and self.error is None:
            if self._ended:
                raise RuntimeError("receive_data after receive_eof")
            self._buffer.append(bytes(data))
            self._quiet = False
        elif data:
            self._dropped += len(data)
        return self.messages()

    def receive_now(self, data: bytes) -> Iterable[Message]:
        """`receive_data` for who draws everything at once: what is not drawn of the result may be lost.

        Where pieces hold whole messages, as most captured ones do, it costs a fraction.
        """
        buffer, decode = self._buffer, self._decode_batch
        if (
            decode is None
            or not buffer.empty
            or not data
            or self._resyncing
            or self._decoded
            or self._ended
            or self.error
        ):
            return self.receive_data(data)
        self._before()
        buffer.append(data)
        batch = decode(self.side, buffer)
        if batch:
            try:
                self._observe(batch)
            except ProtocolError as error:
                self._plain = False
                self._stop(error)
                return self.messages()
            if buffer.spent:
                self._plain = True
                return batch
        self._plain = self._quiet = False
        return chain(batch, self.messages()) if batch else self.messages()

    def receive_eof(self) -> Iterator[Message]:
        """The side has closed; iterate over the messages left. Raises TruncatedMessage if it closed inside one."""
        self._before()
        self._plain = False
        self._ended = True
        self._quiet = False
        return self.messages()

    def receive_gap(self, count: int | None = None) -> Iterator[Message]:
        """`count` bytes are missing here; None: nobody knows how many.

        Inside a stretch of known length the hole is counted through, and the message comes with `missing` set. Else
        decoding goes on at the next place that looks like a message's start; what was dropped adds to `skipped`.
        A gap, of 0 bytes too, also leaves an error behind, whether or not anybody has seen it. What was received
        behind the error is lost, so give the gap as soon as the error is there.
        """
        if count is not None and count < 0:
            raise ValueError("a gap of fewer than no bytes")
        self._before()
        self._plain = False
        self._drain()
        self._quiet = False
        lacking = 0 if count is None else count
        wanted = 0 if count is None else self._buffer.wanted
        if self.error is not None:
            again = self._leave_error()
            if count == 0 and not self._dropped:
                return self.messages()
            while again:  # another one, on the way to the gap
                again = self._leave_error()
            self.skipped += self._dropped
            lacking += self._dropped
            self._dropped = 0
        elif count is not None and lacking <= wanted:
            self._buffer.append_hole(lacking)
            self._drain()
            return self.messages()
        elif wanted:  # the stretch ends inside the hole; a message that ends with the stretch is whole but for it
            self._buffer.append_hole(wanted)
            self._drain()
            lacking -= wanted
        self._lose(self._buffer.available)
        self._buffer.pass_over(lacking)
        return self.messages()

    def messages(self) -> Iterator[Message]:
        """The messages that are ready, without new bytes. Raises as `receive_data` does."""
        decoded = self._decoded
        draw = decoded.popleft
        while True:
            while decoded:
                yield draw()
            if self._quiet:
                return
            try:
                if not self._advance():
                    return
            except ProtocolError:
                if not decoded:  # else it is raised again behind the messages that came before it
                    raise

    @property
    def trailing_data(self) -> bytes:
        """The bytes that no message has taken, from a wrong byte on or from the start of an unfinished message."""
        return self._buffer.trailing_data

    @property
    def offset(self) -> int:
        """How many bytes of this direction messages have taken (or gaps have swallowed)."""
        return self._buffer.offset - self._buffer.held

    @property
    def at_boundary(self) -> bool:
        """Between two messages: nothing received is unfinished."""
        return self._finished or not (self._buffer.available or self._buffer.held or self._resyncing)

    # -- the driver ---------------------------------------------------------------------------------------------

    def _advance(self) -> bool:
        """Decode at least one message; False when bytes are lacking. Raises what ends the stream."""
        if self.error is not None:
            raise self.error.with_traceback(None)
        if self._finished:
            return False
        buffer = self._buffer
        codec = self.codec
        try:
            while (not self._resyncing or self._resync()) and buffer.prepare():
                if self._decode_batch is not None and buffer.pure:
                    batch = self._decode_batch(self.side, buffer)
                    if batch:
                        self._deliver(batch)
                        self._quiet = buffer.spent and not self._ended
                        return True
                message = codec.decode(self.side, buffer)
                if message is not None:
                    message.missing = buffer.missing
                    self._finished = codec.is_preface and codec.finished
                    self._deliver((message,))
                    self._quiet = buffer.spent and not self._ended
                    return True
                buffer.stall()
            if self._ended and not self._resyncing and not self.at_boundary:
                reason = f"the stream ended {buffer.available + buffer.held} bytes into a message"
                raise TruncatedMessage(buffer.protocol, buffer.offset + buffer.available, reason)
        except ProtocolError as error:
            self._stop(error)
            raise
        self._quiet = True
        return False

    def _stop(self, error: ProtocolError) -> None:
        """An error ends the stream."""
        self.error = error
        self._quiet = False

    def _deliver(self, messages: Sequence[Message]) -> None:
        """Put decoded messages where iterators draw them."""
        self._observe(messages)
        self._decoded.extend(messages)

    def _observe(self, messages: Sequence[Message]) -> None:
        """Called with messages as soon as they are decoded; may raise what ends the stream."""

    def _before(self) -> None:
        """Called before anything is taken in."""

    @property
    def _failed(self) -> bool:
        return self.error is not None

    def _drain(self) -> None:
        """Decode everything that is complete, and keep it for iterators to draw."""
        try:
            while not self._quiet and self._advance():
                pass
        except ProtocolError:
            pass  # `error` keeps it, for whoever draws

    def _leave_error(self) -> bool:
        """Go on behind the error: whatever starts at the wrong byte, a message it is not. Whether another came up."""
        self.error = None
        self._lose(1)
        self._drain()
        return self._failed

    def _lose(self, count: int) -> None:
        """Drop the unfinished message as far as it is held, and `count` bytes more; go on where one may start."""
        buffer = self._buffer
        self._quiet = False
        buffer.join()
        self.skipped += buffer.skip(min(count, buffer.available))
        self.codec.abandon(self.side)
        self._resyncing = True

    def _resync(self) -> bool:
        """Drop bytes up to the next place where a message may start; False when it is not in sight."""
        buffer = self._buffer
        while True:
            buffer.join()
            window = buffer.data[buffer.position : buffer.position + _RESYNC_WINDOW]
            if not window:
                return False
            skip, found = self.codec.resync(self.side, window)
            if skip == 0 and not found and len(window) == _RESYNC_WINDOW:
                skip = _RESYNC_WINDOW // 2  # nothing is begun that long before it can be told
            self.skipped += buffer.skip(skip)
            if found:
                self._resyncing = False
                return True
            if skip == 0:
                return False


def decode(
    codec: str | type[Codec] | Codec,
    data: bytes | bytearray | memoryview,
    side: Side = Side.CLIENT,
    limits: Limits | None = None,
) -> list[Message]:
    """The messages in `data`, all that `side` sent; of a preface, such as a PROXY header, that one and no more.

    Raises RemoteProtocolError where it is wrong, TruncatedMessage where it ends inside a message; the error's
    `messages` are the good ones before it. Of a preface, the header alone: what follows it is another protocol's.
    """
    stream = Stream(codec, side, limits=limits)
    stream.receive_data(data)
    messages: list[Message] = []
    try:
        messages.extend(stream.receive_eof())
    except ProtocolError as error:
        error.messages = messages
        raise
    return messages
