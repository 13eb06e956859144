"""Codec: what a protocol implements, and all that the rest of the library knows of it.

One instance serves one connection, both directions: framing often depends on the other side. `decode` frames a message
and reads its metadata; `pair` sees every message in the order of the conversation, received or sent, and is where the
state that one direction changes for the other lives. The class methods need only the message.
"""

from __future__ import annotations

import abc
import enum
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

from .buffer import ReceiveBuffer
from .errors import LocalProtocolError, RemoteProtocolError
from .limits import DEFAULT_LIMITS, Limits
from .message import NO_EDITS, Edits, Kind, Message, Side
from .pending import Pending

__all__ = ["NO", "Answer", "Codec", "Confidence", "DatagramCodec", "Reason", "Resync", "Verdict"]


class Reason(enum.StrEnum):
    """Why a proxy answers a request itself."""

    NO_ROUTE = "no route for this request"
    NO_HEALTHY_UPSTREAM = "no healthy upstream"
    OVER_LIMIT = "over limit"
    TIMEOUT = "upstream request timeout"
    DENIED = "denied"


class Confidence(enum.IntEnum):
    """How much a codec's "yes" to the first bytes is worth."""

    HINT = 1
    """Almost anything looks like this: believed only where the port suggests it."""
    LENGTH = 2
    """A length that fits what follows: tentative until the other side confirms it."""
    TEXT = 3
    """The protocol's own words."""
    MAGIC = 4
    """Several fixed bytes."""


class Answer(enum.StrEnum):
    """What a codec says to the first bytes of one side."""

    YES = "yes"
    NO = "no"
    MORE = "need more"


class Verdict(NamedTuple):
    """An answer, and for "yes" how much it is worth."""

    answer: Answer
    confidence: Confidence = Confidence.HINT


NO = Verdict(Answer.NO)


class Resync(NamedTuple):
    """Where a stream may go on after a gap: drop `skip` bytes; a message starts there if `found`."""

    skip: int
    found: bool


class Codec(abc.ABC):
    """One protocol on one connection.

    A subclass sets `name` and implements `decode`, `body` and `sniff`; `rewrite` and `reply` if it can be edited and
    answered; `pair` if responses are paired otherwise than by id or in order; `resync` if a message's start can be
    recognised in the middle of a stream.
    """

    name: ClassVar[str]
    ports: ClassVar[tuple[int, ...]] = ()
    """Where servers of it usually listen; detection takes a port as a hint, never as proof."""
    is_preface: ClassVar[bool] = False
    """Whether it opens a connection for another protocol; then `finished` says when it is over."""
    edits: ClassVar[frozenset[str]] = frozenset()
    """Names that `encode` can rewrite; "header.*" stands for every header."""
    vocabulary: ClassVar[Mapping[str, type]] = {}
    """Metadata keys of its own, `<name>.…`, where the protocol is not one of the library's."""
    default_limits: ClassVar[Limits] = DEFAULT_LIMITS

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or self.default_limits
        self.pending: Pending | None = None
        """Of the conversation this codec serves; None where one direction is read alone."""

    # -- one connection -----------------------------------------------------------------------------------------

    @abc.abstractmethod
    def decode(self, side: Side, buffer: ReceiveBuffer) -> Message | None:
        """The next message of `side`, taken from `buffer`; None when bytes are lacking, after `buffer.wait`.

        Raises RemoteProtocolError (by `buffer.fail`, `buffer.exceed`) where framing is wrong. What is wrong inside a
        good frame goes into the message's `error`.
        """

    def decode_batch(self, side: Side, buffer: ReceiveBuffer) -> Sequence[Message]:
        """As many messages as come cheaply, exactly those that `decode` would give; () leaves it to `decode`.

        Stops before a byte that is wrong and before a message that `pair` could change the framing of.
        """
        return ()

    def decode_plain(self, side: Side, data: bytes, pending: Pending) -> Sequence[Message]:
        """A piece of `side` that begins with a message: what `decode` and `pair` make of it, where that is simple.

        That is so where it holds whole messages, plain ones, and nothing else, as most pieces of a capture do. () and
        everything as it was: leave it to the others. A list, for speed alone.
        """
        return ()

    def pair(self, message: Message, pending: Pending) -> Message | None:
        """Take note of a message, received or sent, in the order of the conversation; the request that it answers.

        Opens and settles `pending`, and completes what the request alone can tell of a response. By default each side
        may ask, and is answered by id where messages carry one, else in order.
        """
        if message.kind is Kind.REQUEST:
            pending.open(message)
        elif message.kind is Kind.RESPONSE:
            return pending.settle(message)
        return None

    def pair_all(self, messages: Sequence[Message], pending: Pending) -> bool:
        """`pair` each of these messages of one side, and set the requests that they answer; for speed alone.

        False, and everything as it was, where that takes a closer look.
        """
        return False

    def resync(self, side: Side, data: bytes) -> Resync:
        """After a gap: where in `data` a message may start. By default nowhere that can be recognised."""
        return Resync(len(data), False)

    def abandon(self, side: Side) -> None:  # noqa: B027  most codecs remember nothing between two pieces
        """Forget a half-read message of `side`, the rest of which is missing."""

    @property
    def finished(self) -> bool:
        """True after a preface: what follows is another protocol."""
        return False

    @property
    def pinned(self) -> frozenset[str]:
        """Why the connection must not be shared between clients now; empty when it may be."""
        return frozenset()

    # -- one message --------------------------------------------------------------------------------------------

    @classmethod
    def can_edit(cls, name: str) -> bool:
        """Whether `encode` takes an edit of this name."""
        return name in cls.edits or (name.startswith("header.") and "header.*" in cls.edits)

    @classmethod
    def encode(cls, message: Message, edits: Edits = NO_EDITS) -> bytes:
        """The message's bytes: the very ones received, but for what `edits` name. None removes.

        Raises LocalProtocolError for an edit that the protocol cannot make and for a message that lacks bytes.
        """
        if message.missing:
            raise LocalProtocolError(cls.name, 0, f"the message lacks {message.missing} bytes")
        if not edits:
            return message.raw
        for name in edits:
            if not cls.can_edit(name):
                raise LocalProtocolError(cls.name, 0, f"{cls.name} has no edit {name!r}")
        return cls.rewrite(message, edits)

    @classmethod
    def rewrite(cls, message: Message, edits: Edits) -> bytes:
        """The message's bytes with `edits`, each of which is one of this codec's."""
        raise LocalProtocolError(cls.name, 0, f"{cls.name} messages cannot be edited")

    @classmethod
    @abc.abstractmethod
    def body(cls, message: Message) -> Any:
        """The payload as plain Python data. Raises BodyError."""

    @classmethod
    def reply(
        cls, request: Message | None, reason: Reason | RemoteProtocolError, text: str | None = None
    ) -> bytes | None:
        """An error response that a real client understands, or None where none is due.

        `text` replaces the reason's own words. A RemoteProtocolError answers the peer whose bytes were wrong.
        """
        return None

    @classmethod
    @abc.abstractmethod
    def sniff(cls, data: bytes, side: Side) -> Verdict:
        """Whether a connection on which `side` first sent `data` speaks this protocol."""


class DatagramCodec(Codec):
    """A protocol over datagrams. One instance serves one observation point: addresses change under a conversation.

    The codec names the conversation of each message in its metadata, under "conversation".
    """

    @abc.abstractmethod
    def decode_datagram(self, data: bytes, path: Hashable) -> list[Message]:
        """The messages of one datagram; `path` is where it came from and went to, `(source, destination)`.

        Raises RemoteProtocolError; a bad datagram changes nothing for those that follow.
        """

    def recognises(self, data: bytes, path: Hashable) -> bool:
        """Whether a datagram on a path that is new belongs to a conversation that is followed: addresses change."""
        return False

    @property
    def lacks(self) -> str | None:
        """What cannot be read here for want of an extra, in one sentence; None where nothing is."""
        return None

    @abc.abstractmethod
    def forget_conversation(self, conversation: int) -> None:
        """Drop what is known of a conversation: it is over, or there are too many."""

    def decode(self, side: Side, buffer: ReceiveBuffer) -> Message | None:
        """A stream has no datagram boundaries to decode by."""
        raise buffer.fail(f"{self.name} runs over datagrams, not over a stream")
