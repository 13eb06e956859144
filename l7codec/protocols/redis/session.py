"""What Redis' requests and responses mean to each other: who is answered, and by how many messages.

Sources: https://redis.io/docs/latest/develop/pubsub/, https://redis.io/docs/latest/commands/client-reply/,
https://redis.io/docs/latest/commands/hello/, and redis-server itself, against which `tests/interop` holds this.

Responses come in the order of the requests, one each. The exceptions:

- In RESP2 a subscription gets one confirmation a channel, and messages are arrays that answer nothing.
- In RESP3 confirmations and messages are pushes, and a subscription has no other response.
- CLIENT REPLY OFF and SKIP: requests without responses.
- MONITOR: lines that answer nothing, between responses.
- PSYNC and SYNC: behind the response a data set, without CR LF at its end, and then a stream of commands.
- MULTI: what is queued takes effect when EXEC is answered, and subscriptions then put more values behind EXEC's array
  than it announces. CLIENT REPLY inside it puts fewer there: nobody can tell the framing then.

State that the server changes when it comes to a request (CLIENT REPLY, MULTI) is changed here when the request is
seen; state that depends on how it went (HELLO, subscriptions) when its response is.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from typing import Final

from ...buffer import ReceiveBuffer
from ...errors import BodyError
from ...limits import Limits
from ...message import Kind, Message, Side
from ...pending import Pending
from .replication import Replication
from .values import text

__all__ = ["Session", "describe_push"]

CLIENT: Final = Side.CLIENT

SUBSCRIPTIONS: Final = {
    # command: the first element of its confirmations, whether it adds, and what it adds to or takes from
    "SUBSCRIBE": ("subscribe", True, "channels"),
    "PSUBSCRIBE": ("psubscribe", True, "patterns"),
    "SSUBSCRIBE": ("ssubscribe", True, "shards"),
    "UNSUBSCRIBE": ("unsubscribe", False, "channels"),
    "PUNSUBSCRIBE": ("punsubscribe", False, "patterns"),
    "SUNSUBSCRIBE": ("sunsubscribe", False, "shards"),
}
_BY_WORD: Final = {word: command for command, (word, _, _) in SUBSCRIPTIONS.items()}
_CAREFUL: Final = frozenset(("HELLO", "RESET", "PSYNC", "SYNC"))
"""Requests whose response changes how what follows it is read."""

_FIRST_ELEMENT: Final = re.compile(rb"[*>][1-9][0-9]*\r\n(?:\$[0-9]+\r\n|\+)([a-z]{1,12})\r\n")
_RESP2_MESSAGE: Final = re.compile(rb"\*(?:3\r\n\$7\r\nmessage|4\r\n\$8\r\npmessage|3\r\n\$8\r\nsmessage)\r\n")
_MONITOR_LINE: Final = re.compile(rb"\+[0-9]{1,20}\.[0-9]{6} \[")


class Session:
    """What one connection has been told so far."""

    def __init__(self) -> None:
        self.resp = 2
        """The version of RESP in force for what the server sends."""
        self.careful = 0
        """How many outstanding requests may change how what the server sends is read."""
        self.streaming = False
        """The server is a master that sends commands now."""
        self._syncs = 0  # PSYNC and SYNC without a response yet
        self._transfer: Replication | None = None
        # CLIENT REPLY, by the flags redis-server keeps
        self._off = False
        self._skip_next = False
        self._skip = False
        # transactions, as the server comes to the requests
        self._multi = False
        self._watch = False
        self._queued: list[Message] = []  # of the open transaction, what matters when it is executed
        self._executing: deque[list[Message]] = deque()  # the same of those whose EXEC has no response yet
        self._surplus = 0  # values that follow EXEC's array and belong to it
        # subscriptions, as the server confirms them
        self._subscribed: dict[str, set[bytes]] = {"channels": set(), "patterns": set(), "shards": set()}
        self._counted: Message | None = None  # the UNSUBSCRIBE from everything whose confirmations are counted
        self._monitor = False

    @property
    def pinned(self) -> frozenset[str]:
        """Why the connection must not be shared."""
        reasons = {
            "multi": self._multi,
            "watch": self._watch,
            "subscribe": any(self._subscribed.values()),
            "monitor": self._monitor,
            "reply": self._off or self._skip,
            "replication": self.replicating,
        }
        return frozenset(reason for reason, holds in reasons.items() if holds)

    # -- replication --------------------------------------------------------------------------------------------

    @property
    def replicating(self) -> bool:
        """The client asked to be a replica."""
        return bool(self._syncs) or self._transfer is not None or self.streaming

    def transfers(self, pending: Pending | None, first: int) -> bool:
        """Whether a data set comes next from the server, whose next byte is `first`."""
        if self._transfer is None and self._syncs and first == 36 and pending is not None:  # $
            request = pending.first(CLIENT)
            if request is not None and request.metadata.get("method") == "SYNC":
                self._transfer = Replication()
        return self._transfer is not None

    def next_piece(self, buffer: ReceiveBuffer) -> tuple[int, str] | None:
        """The bytes of the data set's next message, and which part it is; None when more are needed."""
        assert self._transfer is not None  # `transfers` said so
        found = self._transfer.next(buffer)
        if self._transfer.done:
            self._transfer = None
            self.streaming = True
        return found

    def abandon_transfer(self) -> None:
        """Bytes of the data set are missing."""
        if self._transfer is not None:
            self._transfer = None
            self.streaming = True

    # -- requests -----------------------------------------------------------------------------------------------

    def request(self, message: Message, pending: Pending) -> None:
        """Take note of what the client sends."""
        method = message.metadata.get("method")
        if (method is None and message.kind is Kind.ONEWAY) or message.kind is Kind.HEARTBEAT:
            return  # an empty command, which the server passes over
        if self.streaming or self._transfer is not None:
            message.kind = Kind.ONEWAY
            return
        take = _REQUESTS.get(method) if isinstance(method, str) else None
        replies = 1 if take is None else take(self, message)
        if self._off or self._skip:
            replies = 0
            if method == "HELLO":
                self._hello(message)
        self._skip = self._skip_next
        self._skip_next = False
        if replies == 0:
            message.kind = Kind.ONEWAY
            if method in ("EXEC", "DISCARD"):
                self._executing.pop()
        elif method in _CAREFUL:
            self.careful += 1
        pending.open(message, replies)

    def _request_multi(self, message: Message) -> int:
        if len(message.body) == 1:
            self._multi = True
        return 1

    def _request_exec(self, message: Message) -> int:
        self._multi = self._watch = False
        self._executing.append(self._queued)
        self._queued = []
        return 1

    def _request_watch(self, message: Message) -> int:
        self._watch = self._watch or not self._multi
        return 1

    def _request_unwatch(self, message: Message) -> int:
        self._watch = self._watch and self._multi
        return 1

    def _request_reply(self, message: Message) -> int:
        args = message.body
        mode = args[2].lower() if len(args) == 3 else b""
        if self._multi:
            self._queued.append(message)
        elif mode == b"on":
            self._off = False
        elif mode == b"off":
            self._off = True
        elif mode == b"skip" and not self._off:
            self._skip_next = True
            return 0
        return 1

    def _request_subscription(self, message: Message) -> int:
        if self._multi:
            self._queued.append(message)
            return 1
        return max(len(message.body) - 1, 1)

    def _request_hello(self, message: Message) -> int:
        if self._multi:
            self._queued.append(message)
            self.careful += 1  # until EXEC is answered
        return 1

    def _request_reset(self, message: Message) -> int:
        self._off = self._skip_next = self._multi = self._watch = False
        self._drop_queued()
        return 1

    def _request_sync(self, message: Message) -> int:
        self._syncs += 1
        return 1

    def _request_replconf(self, message: Message) -> int:
        """A replica's acknowledgement is never answered, and neither is a master's demand for one."""
        args = message.body
        return 0 if len(args) > 1 and args[1].lower() in (b"ack", b"getack") else 1

    # -- responses ----------------------------------------------------------------------------------------------

    def response(self, message: Message, pending: Pending, limits: Limits) -> Message | None:
        """Take note of what the server sends; the request it answers."""
        if message.kind is Kind.HEARTBEAT or message.kind is Kind.ONEWAY:
            return None
        if "redis.replication" in message.metadata:
            return self._response_transfer(message, pending)
        if self._surplus:
            self._surplus -= 1
            message.kind = Kind.PUSH
            return None
        first = pending.first(CLIENT)
        method = None if first is None else first.metadata.get("method")
        start = message.raw[:1]
        if start == b"+":
            if self._monitor and _MONITOR_LINE.match(message.raw):
                _push(message, "monitor")
                return None
        elif start in (b"*", b">") and (method in SUBSCRIPTIONS or self._listening or start == b">"):
            word = _first_element(message.raw)
            if first is not None and isinstance(method, str) and method == _BY_WORD.get(word):
                return self._confirmation(message, first, pending)
            if start == b">":
                self._note(word, message)
                return None
            if self._listening and self.resp == 2 and _RESP2_MESSAGE.match(message.raw):
                message.kind = Kind.PUSH
                describe_push(message, limits)
                return None
        elif method in SUBSCRIPTIONS and start in (b"-", b"!"):
            pending.expect(CLIENT, 1)  # refused: one error, however many channels
        request = pending.settle(message)
        if request is not None:
            if method in _CAREFUL:
                self.careful -= 1
            done = _RESPONSES.get(method) if isinstance(method, str) else None
            if done is not None:
                done(self, request, message, pending)
        return request

    @property
    def _listening(self) -> bool:
        return any(self._subscribed.values())

    def _response_transfer(self, message: Message, pending: Pending) -> Message | None:
        first = pending.first(CLIENT)
        if message.metadata["redis.replication"] != "header" or first is None or first.metadata.get("method") != "SYNC":
            return None
        self._syncs -= 1
        self.careful -= 1
        message.kind = Kind.RESPONSE
        return pending.settle(message)

    def _confirmation(self, message: Message, request: Message, pending: Pending) -> Message | None:
        body = _body(message)
        if len(body) < 2:
            return pending.settle(message)
        _, adds, names = SUBSCRIPTIONS[str(request.metadata["method"])]
        subscribed = self._subscribed[names]
        if not adds and len(request.body) == 1 and self._counted is not request:
            self._counted = request  # from everything: one confirmation for each, or one that says there was nothing
            pending.expect(CLIENT, max(len(subscribed), 1))
        message.kind = Kind.RESPONSE
        if "status" not in message.metadata:
            message.metadata["status"] = "ok"
        self._change(adds, subscribed, body[1])
        return pending.settle(message)

    def _note(self, word: str, message: Message) -> None:
        """A push that answers nothing; the server may end a subscription itself, when a slot moves."""
        command = _BY_WORD.get(word)
        body = _body(message)
        if command is not None and len(body) > 1:
            _, adds, names = SUBSCRIPTIONS[command]
            self._change(adds, self._subscribed[names], body[1])

    @staticmethod
    def _change(adds: bool, subscribed: set[bytes], name: object) -> None:
        if isinstance(name, bytes):
            (subscribed.add if adds else subscribed.discard)(name)

    def _response_exec(self, request: Message, message: Message, pending: Pending) -> None:
        queued = self._executing.popleft() if self._executing else []
        executed = message.raw[:1] == b"*" and message.raw[:3] != b"*-1"
        for command in queued:
            method = str(command.metadata["method"])
            if method == "HELLO":
                self.careful -= 1
                if executed:
                    self._hello(command)
            elif executed and method in SUBSCRIPTIONS:
                _, adds, names = SUBSCRIPTIONS[method]
                subscribed = self._subscribed[names]
                channels = command.body[1:] or tuple(subscribed)
                self._surplus += max(len(channels) - 1, 0)
                for channel in channels:
                    self._change(adds, subscribed, channel)
            elif executed:  # CLIENT REPLY: which responses came cannot be told from here on
                pending.lose_order(message.side)

    def _drop_queued(self) -> None:
        self.careful -= sum(command.metadata["method"] == "HELLO" for command in self._queued)
        self._queued = []

    def _response_hello(self, request: Message, message: Message, pending: Pending) -> None:
        if message.raw[:1] in (b"*", b"%", b"|"):
            self._hello(request)
            message.metadata["redis.resp"] = self.resp

    def _hello(self, request: Message) -> None:
        args = request.body
        if len(args) > 1 and args[1] in (b"2", b"3"):
            self.resp = int(args[1])

    def _response_reset(self, request: Message, message: Message, pending: Pending) -> None:
        if message.raw[:1] == b"+":
            self.resp = 2
            message.metadata["redis.resp"] = 2
            self._monitor = False
            for names in self._subscribed.values():
                names.clear()

    def _response_monitor(self, request: Message, message: Message, pending: Pending) -> None:
        self._monitor = message.raw[:1] == b"+"

    def _response_sync(self, request: Message, message: Message, pending: Pending) -> None:
        self._syncs -= 1
        if message.raw.startswith(b"+FULLRESYNC"):
            self._transfer = Replication()
        elif message.raw.startswith(b"+CONTINUE"):
            self.streaming = True


_REQUESTS: Final[dict[str, Callable[[Session, Message], int]]] = {
    **dict.fromkeys(SUBSCRIPTIONS, Session._request_subscription),
    "CLIENT REPLY": Session._request_reply,
    "DISCARD": Session._request_exec,
    "EXEC": Session._request_exec,
    "HELLO": Session._request_hello,
    "MULTI": Session._request_multi,
    "PSYNC": Session._request_sync,
    "REPLCONF": Session._request_replconf,
    "RESET": Session._request_reset,
    "SYNC": Session._request_sync,
    "UNWATCH": Session._request_unwatch,
    "WATCH": Session._request_watch,
}
_RESPONSES: Final[dict[str, Callable[[Session, Message, Message, Pending], None]]] = {
    "DISCARD": Session._response_exec,
    "EXEC": Session._response_exec,
    "HELLO": Session._response_hello,
    "MONITOR": Session._response_monitor,
    "PSYNC": Session._response_sync,
    "RESET": Session._response_reset,
    "SYNC": Session._response_sync,
}


# -- pushes -----------------------------------------------------------------------------------------------------------


def describe_push(message: Message, limits: Limits) -> None:
    """Put into a push's metadata what it is, and the channels or keys it concerns."""
    metadata = message.metadata
    metadata.pop("status", None)
    body = _body(message)
    if not body or not isinstance(body[0], bytes | str):
        return
    word = body[0] if isinstance(body[0], str) else text(body[0])
    if word:
        metadata["redis.push"] = word
    names = body[1:2]
    if word == "pmessage":
        names = body[1:3]
    elif word == "invalidate":
        names = body[1] if len(body) > 1 and isinstance(body[1], list) else []
    key = "keys" if word == "invalidate" else "redis.channels"
    found = tuple([text(name) for name in names if isinstance(name, bytes)])
    if len(found) > limits.values:
        message.error = BodyError("redis", 0, f"{len(found)} {key} are over the limit of {limits.values}")
    elif found:
        metadata[key] = found


def _push(message: Message, word: str) -> None:
    message.kind = Kind.PUSH
    message.metadata.pop("status", None)
    message.metadata["redis.push"] = word


def _first_element(raw: bytes) -> str:
    found = _FIRST_ELEMENT.match(raw)
    return found[1].decode() if found else ""


def _body(message: Message) -> list[object]:
    """A message's elements; none where they cannot be read."""
    try:
        body = message.body
    except BodyError as error:
        message.error = error
        return []
    return body if isinstance(body, list) else []
