"""What Redis' requests and responses mean to each other: who is answered, and by how many messages.

Sources: https://redis.io/docs/latest/develop/pubsub/, https://redis.io/docs/latest/commands/client-reply/,
https://redis.io/docs/latest/commands/hello/, and redis-server itself, against which `tests/interop` holds this.

Responses come in the order of the requests, one each. The exceptions:

- In RESP2 a subscription gets one confirmation a channel, and messages are arrays that answer nothing.
- In RESP3 confirmations and messages are pushes, and a subscription has no other response.
- CLIENT REPLY OFF and SKIP: requests without responses; yet confirmations of subscriptions come.
- MONITOR: lines that answer nothing, between responses; asked for twice, it is answered once.
- PSYNC and SYNC: behind the response a data set, without CR LF at its end, and then a stream of commands.
- MULTI: what is queued takes effect when EXEC is answered. EXEC's array announces one value a command; where more
  come (a subscription to many channels, a message in between), the last of them stand behind the array and answer
  EXEC, too. CLIENT REPLY inside it puts fewer there: nobody can tell the framing then.

What the client does to its requests' having responses at all (CLIENT REPLY, and MULTI, which defers it) is kept here
as the requests are seen; everything else as the responses show how it went.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

from ...buffer import ReceiveBuffer
from ...errors import BodyError
from ...limits import Limits
from ...message import Kind, Message, Side
from ...pending import Pending
from .replication import Replication
from .values import Attributed, Error, Push, text

__all__ = ["SUBSCRIPTIONS", "Session", "describe_push"]

CLIENT: Final = Side.CLIENT
SERVER: Final = Side.SERVER
REQUEST: Final = Kind.REQUEST
RESPONSE: Final = Kind.RESPONSE
PUSH: Final = Kind.PUSH

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
_SYNCS: Final = ("PSYNC", "SYNC")
_CAREFUL: Final = frozenset(("HELLO", "RESET", *_SYNCS))
"""Requests whose response changes how what follows it is read."""
_PASSED_OVER: Final = frozenset(("AUTH", "HELLO", "MONITOR", *_SYNCS))
"""Requests that redis-server sometimes passes over without a response."""
_QUEUED_MATTERS: Final = frozenset(("HELLO", "CLIENT REPLY", "REPLCONF", *SUBSCRIPTIONS))

_FIRST_ELEMENT: Final = re.compile(rb"\*[1-9][0-9]*\r\n(?:\$[0-9]+\r\n|\+)([a-z]{1,12})\r\n")
_RESP2_MESSAGE: Final = re.compile(rb"\*(?:3\r\n\$7\r\nmessage|4\r\n\$8\r\npmessage|3\r\n\$8\r\nsmessage)\r\n")
_MONITOR_LINE: Final = re.compile(rb"\+[0-9]{1,20}\.[0-9]{6} \[")


class Session:
    """What one connection has been told so far."""

    def __init__(self) -> None:
        self.resp = 2
        """The version of RESP in force for what the server sends."""
        self.careful = False
        """Among the requests that are pending, one may change how what the server sends is read."""
        self.streaming = False
        """The server is a master that sends commands now."""
        self._transfer: Replication | None = None
        # CLIENT REPLY, by the flags redis-server keeps
        self._off = False
        self._skip_next = False
        self._skip = False
        # transactions
        self._multi: Message | None = None  # the request that opened the present one
        self._watch = False
        self._queued: list[tuple[int, Message]] = []  # what matters when it is executed, and its place
        self._places = 0  # how many requests are queued
        self._executed: Message | None = None  # the EXEC whose array has come, but not all the values behind it
        # subscriptions, as the server confirms them
        self._subscribed: dict[str, set[bytes]] = {"channels": set(), "patterns": set(), "shards": set()}
        self._counted: Message | None = None  # the UNSUBSCRIBE from everything whose confirmations are counted
        self._unasked = False  # confirmations may come that no pending request waits for
        self._monitor = False
        self.ordinary = True
        """No request pending is out of the ordinary, and none that was changed what follows it: each is answered by
        one message, in order, and what the server sends answers requests."""

    @property
    def pinned(self) -> frozenset[str]:
        """Why the connection must not be shared."""
        reasons = {
            "multi": self._multi is not None,
            "watch": self._watch,
            "subscribe": self._listening,
            "monitor": self._monitor,
            "reply": self._off or self._skip,
            "replication": self.replicating,
        }
        return frozenset(reason for reason, holds in reasons.items() if holds)

    # -- replication --------------------------------------------------------------------------------------------

    @property
    def replicating(self) -> bool:
        """The server sends its data set or commands, or has agreed to."""
        return self._transfer is not None or self.streaming

    @property
    def transferring(self) -> bool:
        """A data set has been announced, and is not over."""
        return self._transfer is not None

    @property
    def begun(self) -> bool:
        """The data set's first line has been read: line feeds are bytes of it now."""
        return self._transfer is not None and self._transfer.begun

    def awaits(self, pending: Pending | None) -> str | None:
        """PSYNC or SYNC if that is answered next: line feeds may come first."""
        if not self.careful or pending is None:
            return None
        method = _method(pending.first(CLIENT))
        return method if method in _SYNCS else None

    def begin_transfer(self) -> None:
        """A data set comes next."""
        self._transfer = Replication()

    def next_piece(self, buffer: ReceiveBuffer) -> tuple[int, str] | None:
        """The bytes of the data set's next message, and which part it is; None when more are needed."""
        assert self._transfer is not None  # `transferring` said so
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

    def request_all(self, messages: Sequence[Message], pending: Pending) -> bool:
        """`request` for each, where all is ordinary; else False, and nothing is done."""
        if not self.ordinary:
            return False
        for message in messages:
            if message.kind is not REQUEST or message.metadata.get("method") in _SPECIAL or message.missing:
                return False
        return pending.open_all(CLIENT, messages)

    def response_all(self, messages: Sequence[Message], pending: Pending) -> bool:
        """`response` for each, where all is ordinary; else False, and nothing is done."""
        if not self.ordinary:
            return False
        lost = not pending.in_order
        for message in messages:
            if message.kind is not RESPONSE or message.raw == b"+QUEUED\r\n":
                return False
            if lost and message.raw[0] == 42:  # *: it may confirm what was not seen
                return False
        return pending.settle_all(SERVER, messages)

    def request(self, message: Message, pending: Pending) -> None:
        """Take note of what the client sends."""
        if message.kind is Kind.HEARTBEAT:
            return
        method = message.metadata.get("method")
        if method is None and message.kind is Kind.ONEWAY:
            return  # an empty command, which the server passes over; in Redis 7.0 and Valkey it also ends a SKIP
        if self.replicating:
            message.kind = Kind.ONEWAY
            return
        take = _REQUESTS.get(method) if isinstance(method, str) else None
        if message.missing and (take is not None or method in (None, "CLIENT")):
            pending.lose_order(CLIENT)  # whether it has a response, and how many, stands in what is missing
            return
        replies = 1 if take is None else take(self, message)
        if self._off or self._skip:
            replies = 0
            unseen = _UNSEEN.get(method) if isinstance(method, str) else None
            if unseen is not None:
                unseen(self, message)
        self._skip = self._skip_next
        self._skip_next = False
        if replies == 0:
            message.kind = Kind.ONEWAY
        elif method in _CAREFUL:
            self.careful = True
        if method in _SPECIAL:
            self.ordinary = False
        pending.open(message, replies)

    def _request_multi(self, message: Message) -> int:
        if len(message.body) == 1 and self._multi is None:
            self._multi = message
        return 1

    def _request_exec(self, message: Message) -> int:
        self._watch = self._watch and self._multi is None
        self._multi = None
        if any(_method(command) == "HELLO" for _, command in self._queued):
            self.careful = True
        return 1

    def _request_watch(self, message: Message) -> int:
        self._watch = self._watch or self._multi is None
        return 1

    def _request_unwatch(self, message: Message) -> int:
        self._watch = self._watch and self._multi is not None
        return 1

    def _request_reply(self, message: Message) -> int:
        if self._multi is None and not (self._listening and self.resp == 2):  # else it is queued or refused
            return self._change_replies(message)
        return 1

    def _change_replies(self, message: Message) -> int:
        args = message.body
        mode = args[2].lower() if len(args) == 3 else b""
        if mode == b"on":
            self._off = self._skip = False
        elif mode == b"off":
            self._off = True
        elif mode == b"skip" and not self._off:
            self._skip_next = True
            return 0
        return 1

    def _request_subscription(self, message: Message) -> int:
        return max(len(message.body) - 1, 1)

    def _request_monitor(self, message: Message) -> int:
        return 0 if self._monitor else 1

    def _request_reset(self, message: Message) -> int:
        if len(message.body) == 1:
            self._off = self._watch = False
            self._multi = None
        return 1

    def _request_replconf(self, message: Message) -> int:
        """A replica's acknowledgement is never answered, and neither is a demand for one."""
        return 0 if self._multi is None and _acknowledges(message) else 1

    # What takes effect although nobody sees the response.

    def _unseen_hello(self, message: Message) -> None:
        if self._multi is None:
            self._hello(message)

    def _unseen_monitor(self, message: Message) -> None:
        self._monitor = self._monitor or self._multi is None

    def _unseen_reset(self, message: Message) -> None:
        if len(message.body) == 1:
            self._reset()

    def _unseen_subscription(self, message: Message) -> None:
        self._unasked = True

    # -- responses ----------------------------------------------------------------------------------------------

    def response(self, message: Message, pending: Pending, limits: Limits) -> Message | None:
        """Take note of what the server sends; the request it answers."""
        request = self._response(message, pending, limits)
        if not pending:
            self.ordinary = not (
                self._off
                or self._skip
                or self._skip_next
                or self._multi is not None
                or self._places
                or self._unasked
                or self._monitor
                or self.replicating
                or self._listening
            )
        elif self._places or self._listening:
            self.ordinary = False  # what brought that about was not seen
        return request

    def _response(self, message: Message, pending: Pending, limits: Limits) -> Message | None:
        if message.kind is Kind.HEARTBEAT or message.kind is Kind.ONEWAY:
            return None
        if "redis.replication" in message.metadata:
            return self._response_transfer(message, pending)
        first = pending.first(CLIENT)
        method = _method(first)
        while first is not None and method in _PASSED_OVER and self._passes_over(method, message):
            pending.close(first)
            first = pending.first(CLIENT)
            method = _method(first)
        if message.missing and (method in SUBSCRIPTIONS or method in _RESPONSES):
            pending.lose_order(SERVER)  # what it says is needed, and is missing
            return None
        start = message.raw[:1]
        if message.kind is PUSH or start == b">":  # what another leg has paired comes as a response
            message.kind = PUSH
            if first is not None and self._confirms(message, first, method):
                return self._confirmation(message, first, pending)
            self._note(message, pending)
            return None
        if start == b"+":
            if self._monitor and _MONITOR_LINE.match(message.raw):
                message.kind = PUSH
                del message.metadata["status"]
                message.metadata["redis.push"] = "monitor"
                return None
            if message.raw == b"+QUEUED\r\n" and first is not None:
                self._queue(first, method, pending)
                return pending.settle(message)
            if method in SUBSCRIPTIONS:
                pending.expect(CLIENT, 1)
        elif start == b"*" and self._confirms_or_tells(message, method, pending):
            describe_push(message, limits)
            if first is not None and self._confirms(message, first, method):
                return self._confirmation(message, first, pending)
            message.kind = PUSH
            self._note(message, pending)
            return None
        elif start in (b"-", b"!") and method in SUBSCRIPTIONS:
            pending.expect(CLIENT, 1)  # refused: one error, however many channels
        if first is None:
            if self._off:  # CLIENT REPLY OFF was refused, and what else is under way nobody counted
                self._off = False
                pending.lose_order(CLIENT)
        elif first is not self._executed:
            done = _RESPONSES.get(method) if method is not None else None
            if done is not None:
                done(self, first, message, pending)
        return pending.settle(message)

    def _passes_over(self, method: str | None, message: Message) -> bool:
        """Whether the server has passed over the oldest request: `message` cannot be its answer.

        On a connection that gets MONITOR's lines it does so with requests for more. Redis 8.2 does not answer an
        AUTH or HELLO with a wrong password while answers to earlier requests are still on their way out.
        """
        start = message.raw[:1]
        if message.kind is PUSH or start == b">" or message.raw == b"+QUEUED\r\n":
            return False
        if method == "AUTH":
            return message.raw != b"+OK\r\n" and (start != b"-" or message.metadata.get("error.type") == "NOAUTH")
        if method == "HELLO":
            return start not in (b"*", b"%", b"-")
        return self._monitor and not _MONITOR_LINE.match(message.raw)

    @property
    def _listening(self) -> bool:
        return any(self._subscribed.values())

    def _confirms_or_tells(self, message: Message, method: str | None, pending: Pending) -> bool:
        """Whether an array is what RESP2 has for a push."""
        if self.resp != 2:
            return False
        lost = not pending.in_order
        if method in SUBSCRIPTIONS or self._listening or self._unasked or lost:
            found = _FIRST_ELEMENT.match(message.raw)
            if found is not None and found[1].decode() in _BY_WORD:
                return True
        # With nothing pending it can answer nothing: what subscribed to it was not seen.
        unasked = self._listening or self._unasked or lost or not pending
        return unasked and _RESP2_MESSAGE.match(message.raw) is not None

    def _response_transfer(self, message: Message, pending: Pending) -> Message | None:
        if message.metadata["redis.replication"] != "header" or _method(pending.first(CLIENT)) != "SYNC":
            return None
        message.kind = Kind.RESPONSE
        return pending.settle(message)

    def _confirms(self, message: Message, request: Message, method: str | None) -> bool:
        """Whether a push is the confirmation that `request` is answered by."""
        if request is self._executed:
            return _word(message) in _BY_WORD
        return method in SUBSCRIPTIONS and _word(message) == SUBSCRIPTIONS[method][0]

    def _confirmation(self, message: Message, request: Message, pending: Pending) -> Message | None:
        message.kind = Kind.RESPONSE
        message.metadata["status"] = "ok"
        if request is not self._executed:  # else it was counted when the array came
            _, adds, names = SUBSCRIPTIONS[str(request.metadata["method"])]
            subscribed = self._subscribed[names]
            if not adds and len(request.body) == 1 and self._counted is not request:
                self._counted = request  # from everything: one for each, or one that says there was nothing
                pending.expect(CLIENT, max(len(subscribed), 1))
            _change(adds, subscribed, message)
        return pending.settle(message)

    def _note(self, message: Message, pending: Pending) -> None:
        """A push that answers nothing; the server may end a subscription itself, when a slot moves."""
        command = _BY_WORD.get(_word(message))
        if command is not None:
            _, adds, names = SUBSCRIPTIONS[command]
            if not adds or self._unasked or not pending.in_order:
                _change(adds, self._subscribed[names], message)

    def _queue(self, request: Message, method: str | None, pending: Pending) -> None:
        pending.expect(CLIENT, 1)
        if method in _QUEUED_MATTERS:
            self._queued.append((self._places, request))
        self._places += 1

    def _unqueue(self) -> list[tuple[int, Message]]:
        queued = self._queued
        self._queued = []
        self._places = 0
        return queued

    def _response_multi(self, request: Message, message: Message, pending: Pending) -> None:
        if message.raw[:1] == b"+":
            self._unqueue()
        elif self._multi is request:
            self._multi = None

    def _response_exec(self, request: Message, message: Message, pending: Pending) -> None:
        queued = self._unqueue()
        if message.raw[:1] != b"*" or message.raw[:3] == b"*-1":
            return
        if not queued and not self._listening and b"\r\n>" not in message.raw:
            return
        values = _elements(message)
        heard = self._listening or any(_method(command) in SUBSCRIPTIONS for _, command in queued)
        own = [value for value in values if not (_is_push(value) or (heard and self.resp == 2 and _is_message(value)))]
        more = 0  # values beyond one for each command
        for place, command in queued:
            method = str(command.metadata["method"])
            if method == "HELLO":
                if place + more >= len(own) or not isinstance(own[place + more], Error):
                    self._hello(command)
            elif method in SUBSCRIPTIONS:
                more += self._execute_subscription(method, command.body[1:]) - 1
            elif method == "CLIENT REPLY":
                self._change_replies(command)
                pending.lose_order(SERVER)
            elif _acknowledges(command):
                pending.lose_order(SERVER)
        more += len(values) - len(own)
        if more and pending.in_order:
            self._executed = request
            pending.expect(CLIENT, 1 + more)

    def _execute_subscription(self, method: str, channels: list[bytes]) -> int:
        """The number of confirmations."""
        _, adds, names = SUBSCRIPTIONS[method]
        subscribed = self._subscribed[names]
        if adds:
            subscribed.update(channels)
        else:
            channels = channels or list(subscribed)
            subscribed.difference_update(channels)
        return max(len(channels), 1)

    def _response_discard(self, request: Message, message: Message, pending: Pending) -> None:
        self._unqueue()

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
            self._reset()
            message.metadata["redis.resp"] = 2

    def _reset(self) -> None:
        self.resp = 2
        self._monitor = self._unasked = False
        self._unqueue()
        for names in self._subscribed.values():
            names.clear()

    def _response_monitor(self, request: Message, message: Message, pending: Pending) -> None:
        self._monitor = message.raw[:1] == b"+"

    def _response_sync(self, request: Message, message: Message, pending: Pending) -> None:
        if message.raw.startswith(b"+FULLRESYNC"):
            self._transfer = Replication()
        elif message.raw.startswith(b"+CONTINUE"):
            self.streaming = True


_REQUESTS: Final[dict[str, Callable[[Session, Message], int]]] = {
    **dict.fromkeys(SUBSCRIPTIONS, Session._request_subscription),
    "CLIENT REPLY": Session._request_reply,
    "DISCARD": Session._request_exec,
    "EXEC": Session._request_exec,
    "MONITOR": Session._request_monitor,
    "MULTI": Session._request_multi,
    "REPLCONF": Session._request_replconf,
    "RESET": Session._request_reset,
    "UNWATCH": Session._request_unwatch,
    "WATCH": Session._request_watch,
}
_SPECIAL: Final = frozenset((*_REQUESTS, *_CAREFUL, *_PASSED_OVER))
"""Requests that change something for others, or that are not answered by one message each."""
_UNSEEN: Final[dict[str, Callable[[Session, Message], None]]] = {
    **dict.fromkeys(SUBSCRIPTIONS, Session._unseen_subscription),
    "HELLO": Session._unseen_hello,
    "MONITOR": Session._unseen_monitor,
    "RESET": Session._unseen_reset,
}
_RESPONSES: Final[dict[str, Callable[[Session, Message, Message, Pending], None]]] = {
    "DISCARD": Session._response_discard,
    "EXEC": Session._response_exec,
    "HELLO": Session._response_hello,
    "MONITOR": Session._response_monitor,
    "MULTI": Session._response_multi,
    "PSYNC": Session._response_sync,
    "RESET": Session._response_reset,
    "SYNC": Session._response_sync,
}


def _method(request: Message | None) -> str | None:
    method = None if request is None else request.metadata.get("method")
    return method if isinstance(method, str) else None


def _acknowledges(message: Message) -> bool:
    """Whether a REPLCONF comes to an option that ends it without a response."""
    args = message.body
    if len(args) % 2 == 0:
        return False  # an error of syntax
    for option in args[1::2]:
        if option.lower() in (b"ack", b"getack"):
            return True
        if option.lower() not in (b"capa", b"ip-address", b"listening-port", b"version"):
            return False
    return False


def _is_push(value: object) -> bool:
    return isinstance(value, Push) and not (value and isinstance(value[0], bytes) and text(value[0]) in _BY_WORD)


def _is_message(value: object) -> bool:
    return isinstance(value, list) and len(value) > 2 and value[0] in (b"message", b"pmessage", b"smessage")


# -- pushes -----------------------------------------------------------------------------------------------------------


def describe_push(message: Message, limits: Limits) -> None:
    """Put into a push's metadata what it is, and the channels or keys it concerns."""
    metadata = message.metadata
    metadata.pop("status", None)
    body = _elements(message)
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


def _word(message: Message) -> str:
    """What kind of push it is."""
    return str(message.metadata.get("redis.push", ""))


def _change(adds: bool, subscribed: set[bytes], confirmation: Message) -> None:
    elements = _elements(confirmation)
    if len(elements) > 1 and isinstance(name := elements[1], bytes):
        (subscribed.add if adds else subscribed.discard)(name)


def _elements(message: Message) -> list[object]:
    """A message's elements; none where they cannot be read."""
    try:
        value = message.body
    except BodyError as error:
        message.error = message.error or error
        return []
    while isinstance(value, Attributed):
        value = value.value
    return value if isinstance(value, list) else []
