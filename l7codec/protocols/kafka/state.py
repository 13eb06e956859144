"""What both directions of a connection know together: a SASL exchange under way, and what topic ids stand for."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

from ...errors import BodyError
from ...message import Message, Metadata, Side
from ...pending import Pending
from .lazy import Array
from .plain import uuid_text
from .schema import API_NAMES, SASL_HANDSHAKE, api

__all__ = ["Session"]

TEACHERS: Final = frozenset((3, 19, 20, 69, 75, 77, 90, 91, 92))
"""Responses that name topics beside their ids: Metadata, CreateTopics, DeleteTopics, ConsumerGroupDescribe,
DescribeTopicPartitions, ShareGroupDescribe, and those on the offsets of share groups."""

NAMES: Final = 100_000
"""Topic ids remembered; the ones learned first go first. Kafka's own advice is to stay far below so many topics in a
cluster. Stops a server that makes up ids."""

_ROUNDS: Final = {"PLAIN": 1, "SCRAM-SHA-256": 2, "SCRAM-SHA-512": 2}
"""Tokens that the client sends. Of other mechanisms only the next request shows that it has sent the last: OAUTHBEARER,
too, has a second one if the server refuses the first (RFC 7628, section 3.2.3). Of each the first one is certain."""


class Session:
    """The state of one connection."""

    __slots__ = ("begun", "handshake", "left", "mechanism", "names")

    def __init__(self) -> None:
        self.begun = False
        """Whether the client has said anything."""
        self.mechanism: str | None = None
        """Of the exchange of tokens without headers that is under way."""
        self.left = 0
        """Frames that are its tokens, whatever they look like."""
        self.handshake: int | None = None
        """The correlation id of the SaslHandshake v0 that has not been answered."""
        self.names: dict[str, str] = {}
        """What topic ids stand for."""

    # -- SASL ---------------------------------------------------------------------------------------------------

    def takes_token(self, raw: bytes) -> bool:
        """Whether a client's frame is a token."""
        if self.mechanism is None:
            # Clients before 0.10 begin with a GSSAPI token (RFC 2743: application 0), no API's key.
            return not self.begun and raw[4:5] == b"\x60" and int.from_bytes(raw[4:6], "big") not in API_NAMES
        return self.left > 0 or not _is_request(raw)

    def answers_token(self, pending: Pending) -> bool:
        """Whether a server's frame is a token: a client's token is the next to be answered."""
        return self.handshake is None and pending.first(Side.CLIENT) is not None

    def asked(self, message: Message) -> None:
        """A client's message, received or sent."""
        self.begun = True
        metadata = message.metadata
        if metadata.get("kafka.api_key") == SASL_HANDSHAKE and metadata.get("kafka.api_version") == 0:
            self.mechanism = str(metadata.get("kafka.mechanism", ""))
            self.left = _ROUNDS.get(self.mechanism, 1)
            self.handshake = message.id
        elif "kafka.sasl_token" in metadata:
            if self.mechanism is None:
                self.mechanism, self.left = "GSSAPI", 1
            self.left -= self.left > 0
            if self.left == 0 and self.mechanism in _ROUNDS:
                self.mechanism = None
        else:
            self.mechanism = None

    def answered(self, message: Message, request: Message | None) -> None:
        """A server's message, received or sent."""
        key = message.metadata.get("kafka.api_key")
        if key == SASL_HANDSHAKE and message.id == self.handshake:
            self.handshake = None
            if message.metadata.get("status") == "error":
                self.mechanism = None
        elif key in TEACHERS and "kafka.topic_ids" in message.metadata:
            self.learn(message)

    def forget_exchange(self) -> None:
        """Bytes are missing: tokens can no longer be told by their number."""
        self.mechanism = None
        self.handshake = None
        self.begun = True

    # -- topic ids ----------------------------------------------------------------------------------------------

    def learn(self, message: Message) -> None:
        """Remember which topics the ids in a response are of.

        The metadata does not tell: a topic that does not exist has no id, one that was deleted no name.
        """
        names = self.names
        try:
            names.update(_taught(message.body))
        except BodyError:  # the message's own error says so
            return
        for id in list(islice(names, max(len(names) - NAMES, 0))):  # one by one, each would look for the first anew
            del names[id]

    def name_topics(self, metadata: Metadata) -> None:
        """Put names beside ids, if all of them are known: half of the topics are none to decide on."""
        ids = metadata.get("kafka.topic_ids")
        if isinstance(ids, tuple) and self.names and "topics" not in metadata:
            names = [self.names.get(id) for id in ids]
            if None not in names:
                metadata["topics"] = tuple([name for name in names if name is not None])


def _taught(body: Any) -> Iterator[tuple[str, str]]:
    """The ids of topics, and the names beside them. The nesting is the schema's, never the data's."""
    if isinstance(body, dict):
        id = body.get("topic_id")
        if id is not None:  # no topic stands inside a topic
            name = body.get("name") or body.get("topic_name")
            if name and any(id):
                yield uuid_text(id), name
            return
        body = body.values()
    elif not isinstance(body, Array | list):
        return
    for inside in body:
        yield from _taught(inside)


def _is_request(raw: bytes) -> bool:
    """Whether a frame has a request's header."""
    key, version = int.from_bytes(raw[4:6], "big"), int.from_bytes(raw[6:8], "big")
    if len(raw) < 12 or key not in API_NAMES or version not in api(key).versions:
        return False
    length = int.from_bytes(raw[12:14], "big", signed=True)
    return not api(key).request_header(version) or (len(raw) >= 14 and -1 <= length <= len(raw) - 14)
