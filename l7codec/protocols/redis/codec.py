r"""Redis: RESP2 and RESP3, both directions, framed and described.

Specification: https://redis.io/docs/latest/develop/reference/protocol-spec/

    client    *3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n      or inline: SET k v\r\n
    server    +OK\r\n

This file turns bytes into messages and back: `scan` frames any of them, `batch` the plain ones many at a time, and
`session` knows what requests and responses mean to each other.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from ...buffer import ReceiveBuffer
from ...codec import NO, Answer, Codec, Confidence, Reason, Resync, Verdict
from ...errors import BodyError, LocalProtocolError, RemoteProtocolError
from ...limits import Limits
from ...message import Edits, Kind, Message, Metadata, Side
from ...pending import Pending
from .batch import Batch, plain_commands, plain_replies, read_command, still_needs
from .commands import CONTAINER, ONE_KEY, SPECS, Command, key_positions, lookup, slot, slot_positions
from .inline import split_words
from .pack import check_command, octets_of, pack
from .scan import Scan
from .session import SUBSCRIPTIONS, Session, describe_push
from .values import Attributed, Error, Push, octets, pack_value, read_value, text

__all__ = ["RedisCodec"]

CLIENT: Final = Side.CLIENT
REQUEST: Final = Kind.REQUEST
RESPONSE: Final = Kind.RESPONSE
ONEWAY: Final = Kind.ONEWAY
PUSH: Final = Kind.PUSH
HEARTBEAT: Final = Kind.HEARTBEAT

# Bytes split at CR LF in one go: so many that splitting pays, so few that the messages do not set off the garbage
# collector (which would go over all of them) and that little is wasted where the pieces fall out of step.
_WINDOW: Final = 1 << 16
_FIRST_WINDOW: Final = 1 << 12
_LEAST_WINDOW: Final = 1 << 10
_BATCH: Final = 256

_DEFAULT_LIMITS: Final = Limits(message=1 << 30)
"""redis-server's `client-query-buffer-limit` is 1 GB."""


class RedisCodec(Codec):
    """RESP on one connection; see the package's docstring for what messages carry."""

    name = "redis"
    ports = (6379, 16379, 26379)
    edits = frozenset({"body", "keys", "method", "redis.key_prefix", "redis.strip_prefix"})
    default_limits = _DEFAULT_LIMITS

    def __init__(self, limits: Limits | None = None) -> None:
        super().__init__(limits)
        self._scans = {side: Scan(self.limits) for side in Side}
        self._session = Session()
        # No message that fits into a window passes a limit: an element takes at least 4 bytes.
        self._window = min(_WINDOW, self.limits.message, self.limits.value, self.limits.line, 4 * self.limits.items)
        self._plain_most = min(_FIRST_WINDOW, self._window)
        self._windows = dict.fromkeys(Side, min(_FIRST_WINDOW, self._window))

    @property
    def resp(self) -> int:
        """The version of RESP in force for what the server sends: 2 until HELLO 3, or a type of RESP3's, is seen."""
        return self._session.resp

    @resp.setter
    def resp(self, version: int) -> None:
        self._session.resp = version

    # -- framing ------------------------------------------------------------------------------------------------

    def decode(self, side: Side, buffer: ReceiveBuffer) -> Message | None:
        """One command of the client's, or one value of the server's. Raises RemoteProtocolError."""
        if side is CLIENT or self._session.streaming:
            return self._decode_command(side, buffer)
        if self._session.transferring:
            return self._decode_transfer(side, buffer)
        if not buffer.held and (awaited := self._session.awaits(self.pending)):
            if buffer.data[buffer.position] == 10:
                return self._heartbeat(side, buffer)
            if awaited == "SYNC" and buffer.data[buffer.position] == 36:  # $: the data set is the answer
                self._session.begin_transfer()
                return self._decode_transfer(side, buffer)
        scan = self._scans[side]
        size = scan.reply(buffer)
        if size is None:
            return None
        if scan.resp3:
            scan.resp3 = False
            self._session.resp = 3
        hole = buffer.hole
        return self._reply(side, buffer.take(size), hole)

    def _decode_command(self, side: Side, buffer: ReceiveBuffer) -> Message | None:
        if buffer.held or buffer.data[buffer.position] == 42:  # *
            size = self._scans[side].command(buffer)
            if size is None:
                return None
            hole = buffer.hole
            raw = buffer.take(size)
            return self._command(side, arguments(raw, hole), raw, hole)
        return self._decode_inline(side, buffer)

    def _decode_inline(self, side: Side, buffer: ReceiveBuffer) -> Message | None:
        """A line of words. Longer ones than `Limits.line` are refused: redis-server does so while it waits for them."""
        data, start = buffer.data, buffer.position
        end = data.find(b"\n", start)
        if (end if end >= 0 else len(data)) - start > self.limits.line:
            raise buffer.exceed("too big inline request")
        if end < 0:
            buffer.wait(self.limits.line + 1, delimiter=b"\n")
            return None
        line = data[start:end].removesuffix(b"\r")
        if b"\0" in line:  # C ends a string there: redis-server would wait for the line's end for ever
            raise buffer.fail("NUL in an inline request", line.index(b"\0"))
        words = split_words(line)
        if words is None:
            raise buffer.fail("unbalanced quotes in request")
        if words and words[0].lower() in (b"post", b"host:"):  # a browser was made to talk to us
            raise buffer.fail("an HTTP request, which redis-server refuses to take for a command")
        if end == start and self._session.replicating:
            return self._heartbeat(side, buffer)
        return self._command(side, words, buffer.take(end + 1 - start))

    def _heartbeat(self, side: Side, buffer: ReceiveBuffer) -> Message:
        """A line feed, which replicas and masters send each other while they are busy."""
        metadata: Metadata = {"redis.replication": "stream"} if self._session.streaming else {}
        return Message("redis", HEARTBEAT, side, metadata, buffer.take(1))

    def _decode_transfer(self, side: Side, buffer: ReceiveBuffer) -> Message | None:
        if not buffer.held and buffer.data[buffer.position] == 10 and not self._session.begun:
            return self._heartbeat(side, buffer)
        found = self._session.next_piece(buffer)
        if found is None:
            return None
        size, part = found
        return Message("redis", PUSH, side, {"redis.replication": part}, buffer.take(size))

    def abandon(self, side: Side) -> None:
        """Start afresh behind a gap. A data set with a gap in it is over: commands can be recognised, it cannot."""
        self._scans[side].reset()
        if side is not CLIENT:
            self._session.abandon_transfer()

    def resync(self, side: Side, data: bytes) -> Resync:
        """Behind a CR LF, where a command's first two lines or a reply's first line stand."""
        if side is CLIENT or self._session.streaming:
            pattern, kept = _COMMAND_START, 48
        else:
            pattern, kept = _REPLY_START, 256
        found = pattern.search(data)
        if found:
            return Resync(found.end(), True)
        begun = data.find(b"\r", max(len(data) - kept, 0))  # what the rest of the pattern may yet come behind
        return Resync(len(data) if begun < 0 else begun, False)

    # -- many messages at once ----------------------------------------------------------------------------------

    def decode_batch(self, side: Side, buffer: ReceiveBuffer) -> Sequence[Message]:
        """The messages of one window of bytes, up to an unfinished or a wrong one."""
        session = self._session
        data, start = buffer.data, buffer.position
        commands = side is CLIENT or session.streaming
        if data[start] != 42 if commands else self._is_careful():  # an inline request need not end in CR LF
            return ()
        size = self._windows[side]
        batch = Batch(side, data, start, size)
        need, counted = 0, False
        while True:
            if commands:
                cut = batch.read_commands(REQUEST if side is CLIENT else ONEWAY, self._command)
            else:
                cut = batch.read_replies(session.resp, self.limits.depth, self._reply)
            position = batch.position
            if position == len(data) or (cut and (batch.stop < len(data) or len(data) - position >= _LEAST_WINDOW)):
                break
            if cut:
                need, counted = still_needs(data, position, self._window)
                if need:
                    break
            # Not as plain as that: frame this one message. The pieces behind it stay as they are.
            if commands and (found := read_command(data, position, batch.stop)):
                args, end = found
                batch.add(self._command(side, args, data[position:end]), end)
                continue
            part = ReceiveBuffer("redis", data)
            part.position = position
            resp = session.resp
            try:
                message = self.decode(side, part)
            except RemoteProtocolError:  # raised again when `decode` comes to it
                self._scans[side].reset()
                break
            if message is None:
                self._scans[side].reset()
                need = len(data) - position + 1
                break
            if session.resp != resp and batch.messages:  # RESP3 begins: what stands before it is paired as RESP2
                session.resp = resp
                break
            batch.add(message, part.position)
            if not message.raw.endswith(b"\r\n"):  # an inline request that ends in LF alone: the pieces are out of step
                size //= 2
                break
        messages = batch.messages
        if len(messages) > _BATCH:
            size //= 2
        elif len(messages) < _BATCH // 2 and batch.index >= len(batch.tokens):
            size *= 2
        self._windows[side] = min(max(size, _LEAST_WINDOW), self._window)
        if not messages:
            return ()
        buffer.take(batch.position - start)
        if need and len(data) - batch.position < _LEAST_WINDOW:
            buffer.wait(need, counted=counted)  # then it is one of the next batch
        if commands and side is not CLIENT:
            for message in messages:
                message.metadata["redis.replication"] = "stream"
        return messages

    def _is_careful(self) -> bool:
        """Whether what the server sends must be read one by one: a message may change how the next one is read."""
        if self._session.careful:
            if self.pending:
                return True
            self._session.careful = False
        return self._session.transferring

    def decode_plain(self, side: Side, data: bytes, pending: Pending) -> Sequence[Message]:
        """Commands with one key, and strings and short replies to such."""
        session = self._session
        if not session.ordinary or len(data) > self._plain_most:
            return ()
        if side is CLIENT:
            messages = plain_commands(data)
            paired = messages and pending.open_all(CLIENT, messages)
        else:
            messages = plain_replies(data, session.resp)
            paired = messages and pending.settle_all(side, messages)
        return messages if paired else ()

    # -- describing ---------------------------------------------------------------------------------------------

    def _command(self, side: Side, args: Sequence[bytes], raw: bytes, hole: int | None = None) -> Message:
        metadata: Metadata = {}
        error = None
        command = lookup(args)
        if command is None:
            if args and (name := _folded(args[0])):
                metadata["method"] = name
        else:
            metadata["method"] = command.name
            if command.shape == CONTAINER and len(args) > 1 and (name := _folded(args[1])):
                metadata["method"] = f"{command.name} {name}"
            if hole is None or (command.shape == ONE_KEY and len(args) > 1):
                error = self._keys(command, args, metadata)
            metadata["redis.write"] = command.may_write
        if side is not CLIENT:
            metadata["redis.replication"] = "stream"
        if hole is not None:
            error = BodyError("redis", hole, "bytes are missing from here on")
        kind = REQUEST if (args or hole is not None) and side is CLIENT else ONEWAY
        return Message("redis", kind, side, metadata, raw, None, 0, error)

    def _keys(self, command: Command, args: Sequence[bytes], metadata: Metadata) -> BodyError | None:
        error = None
        positions = key_positions(command, args)
        if len(positions) > self.limits.values:
            error = BodyError("redis", 0, f"{len(positions)} keys are over the limit of {self.limits.values}")
        elif positions:
            metadata["keys"] = tuple([text(args[position]) for position in positions])
        if command.shape == SPECS:
            positions = slot_positions(command, args)
        slots = {slot(args[position]) for position in positions}
        if len(slots) == 1:
            metadata["redis.slot"] = slots.pop()
        if command.pubsub and (channels := _channels(command.name, args)):
            if len(channels) > self.limits.values:
                error = BodyError("redis", 0, f"{len(channels)} channels are over the limit of {self.limits.values}")
            else:
                metadata["redis.channels"] = tuple([text(channel) for channel in channels])
        return error

    def _reply(self, side: Side, raw: bytes, hole: int | None = None) -> Message:
        metadata: Metadata = {"status": "ok", "redis.resp": self._session.resp}
        message = Message("redis", PUSH if raw[0] == 62 else RESPONSE, side, metadata, raw)
        if hole is not None:
            message.error = BodyError("redis", hole, "bytes are missing from here on")
        elif raw[0] in b"-!":
            _describe_error(message)
        elif raw[0] == 62:  # >
            describe_push(message, self.limits)
        elif raw[0] == 124:  # |
            self._describe_attributed(message)
        return message

    def _describe_attributed(self, message: Message) -> None:
        """By the value that has the attributes."""
        try:
            value = message.body
        except BodyError as error:
            message.error = error
            return
        while isinstance(value, Attributed):
            value = value.value
        if isinstance(value, Push):
            message.kind = PUSH
            describe_push(message, self.limits)
        elif isinstance(value, Error):
            _describe_error(message, str(value))

    # -- meaning ------------------------------------------------------------------------------------------------

    def pair(self, message: Message, pending: Pending) -> Message | None:
        """See `session`."""
        if message.side is CLIENT:
            self._session.request(message, pending)
            return None
        return self._session.response(message, pending, self.limits)

    def pair_all(self, messages: Sequence[Message], pending: Pending) -> bool:
        """See `session`."""
        if messages[0].side is CLIENT:
            return self._session.request_all(messages, pending)
        return self._session.response_all(messages, pending)

    @property
    def pinned(self) -> frozenset[str]:
        """Those that hold of `multi`, `watch`, `subscribe`, `monitor`, `reply` (CLIENT REPLY OFF), `replication`."""
        return self._session.pinned

    # -- one message --------------------------------------------------------------------------------------------

    @classmethod
    def body(cls, message: Message) -> Any:
        """A request's arguments, a list of bytes; a reply's value (see `values`); a piece of a data set, bytes."""
        part = message.metadata.get("redis.replication")
        if (part is not None and part != "stream") or message.kind is HEARTBEAT:
            return message.raw
        if message.side is CLIENT or part == "stream":
            return arguments(message.raw)
        return read_value(message.raw)

    @classmethod
    def rewrite(cls, message: Message, edits: Edits) -> bytes:
        """With another command, other keys, or another body altogether; an inline request becomes an array.

        Of a reply the body can be replaced; of an invalidation the keys, too. `keys` replaces every key, in order;
        `redis.key_prefix` is put before every key, `redis.strip_prefix` taken from those that have it; `method`
        replaces the command's words.
        """
        if message.metadata.get("redis.replication") not in (None, "stream"):
            raise LocalProtocolError("redis", 0, "a data set cannot be edited")
        if message.side is not CLIENT and "redis.replication" not in message.metadata:
            return _rewrite_reply(message, edits)
        args = arguments(message.raw)
        if "body" in edits:
            check_command(edits["body"])
            args = [octets_of(arg) for arg in edits["body"]]
        command = lookup(args)
        if edits.keys() - {"body", "method"}:
            _edit_keys(args, [] if command is None else key_positions(command, args), edits)
        if "method" in edits:
            if not isinstance(edits["method"], str) or not edits["method"]:
                raise LocalProtocolError("redis", 0, "a command has at least a name")
            container = command is not None and (command.shape == CONTAINER or " " in command.name)
            args[: 2 if container else 1] = octets(edits["method"]).split(b" ")
        return pack(args)

    @classmethod
    def reply(
        cls, request: Message | None, reason: Reason | RemoteProtocolError, text: str | None = None
    ) -> bytes | None:
        """An error reply, `-ERR …` or `-NOPERM …`; None for a request that has none.

        A peer's protocol error is answered as redis-server does before it closes the connection; an HTTP request,
        too, as redis-server does: not at all.
        """
        if request is not None and request.kind is not REQUEST:
            return None
        if isinstance(reason, RemoteProtocolError):
            if reason.reason.startswith("an HTTP request"):
                return None
            words = reason.reason.partition(": ")[0]  # the server's own; what a limit adds is for us
            line = f"ERR Protocol error: {text or words}"
        elif reason is Reason.DENIED:
            line = f"NOPERM {text or reason.value}"
        else:
            line = f"ERR {text or reason.value}"
        return b"-%b\r\n" % octets(line).replace(b"\r", b" ").replace(b"\n", b" ")

    @classmethod
    def sniff(cls, data: bytes, side: Side) -> Verdict:
        """A client by the first two lines of an array, or a known word; a server by a reply's first line."""
        pattern = _COMMAND_SNIFF if side is CLIENT else _REPLY_SNIFF
        found = pattern.match(data)
        if found is None:
            return NO
        if found["text"]:
            return Verdict(Answer.YES, Confidence.TEXT)
        if found["line"]:
            if side is not CLIENT:
                return Verdict(Answer.YES, Confidence.LENGTH)
            words = split_words(found["line"])
            return Verdict(Answer.YES, Confidence.HINT) if words and lookup(words) else NO
        return Verdict(Answer.MORE) if found.end() == len(data) else NO


def arguments(raw: bytes, hole: int | None = None) -> list[bytes]:
    """The arguments of a request, inline or not; those before `hole` where bytes are missing from there on."""
    if raw[:1] != b"*":
        return split_words(raw.removesuffix(b"\n").removesuffix(b"\r")) or []
    args = []
    position = raw.index(b"\n") + 1
    stop = len(raw) if hole is None else hole
    while position < stop:
        end = raw.find(b"\r\n", position, stop)
        if end < 0:
            break
        start = end + 2
        position = start + int(raw[position + 1 : end]) + 2
        if position > stop:
            break
        args.append(raw[start : position - 2])
    return args


def _folded(name: bytes) -> str:
    """A name in upper case, up to a NUL: that is where redis-server's comparison of names ends."""
    return text(name.partition(b"\0")[0].upper())


def _channels(method: str, args: Sequence[bytes]) -> Sequence[bytes]:
    if method in SUBSCRIPTIONS:
        return args[1:]
    return args[1:2] if method in ("PUBLISH", "SPUBLISH") else ()


def _edit_keys(args: list[Any], positions: Sequence[int], edits: Edits) -> None:
    """Write the keys that `edits` say in place of those at `positions`; an argument may be a key twice."""
    keys = edits.get("keys")
    if "keys" in edits and (keys is None or isinstance(keys, str | bytes) or len(keys) != len(positions)):
        raise LocalProtocolError("redis", 0, f"there are {len(positions)} keys, and as many must be given")
    prefix = octets_of(edits.get("redis.key_prefix") or b"")
    strip = octets_of(edits.get("redis.strip_prefix") or b"")
    written: dict[int, bytes] = {}
    for index, position in enumerate(positions):
        key = args[position] if keys is None else octets_of(keys[index])
        if written.setdefault(position, key) != key:
            raise LocalProtocolError("redis", 0, f"argument {position} is two keys at once and cannot become different")
    for position, key in written.items():
        args[position] = prefix + key.removeprefix(strip)


def _rewrite_reply(message: Message, edits: Edits) -> bytes:
    """With another body; an invalidation also with other keys."""
    resp = 3 if message.metadata.get("redis.resp") == 3 else 2
    if edits.keys() == {"body"}:
        return pack_value(edits["body"], resp)
    if "body" in edits or "method" in edits or message.metadata.get("redis.push") != "invalidate":
        raise LocalProtocolError("redis", 0, "of a reply only the body can be edited, of an invalidation also the keys")
    value = message.body
    if len(value) > 1 and isinstance(value[1], list) and all(isinstance(key, bytes) for key in value[1]):
        keys = value[1].copy()
        _edit_keys(keys, range(len(keys)), edits)
        return pack_value(Push([value[0], keys, *value[2:]]), resp)
    return message.raw


def _describe_error(message: Message, words: str | None = None) -> None:
    """Put an error reply's type and text into the metadata, and where a redirection leads."""
    raw, metadata = message.raw, message.metadata
    if words is None:
        words = text(raw[1:-2] if raw[0] == 45 else raw[raw.index(b"\n") + 1 : -2])
    metadata["status"] = "error"
    kind, _, reason = words.partition(" ")
    if kind:
        metadata["error.type"] = kind
    if reason:
        metadata["error.message"] = reason
    if kind in ("MOVED", "ASK") and (found := _REDIRECTION.fullmatch(reason)):
        metadata["redis.slot"] = int(found[1])
        metadata["redis.redirect"] = found[2]


_REDIRECTION: Final = re.compile(r"([0-9]{1,5}) (\S+)", re.ASCII)

# A command's or a reply's beginning. Where the data ends before it is certain, everything up to its end matches.
_COMMAND_SNIFF: Final = re.compile(
    rb"(?P<text>\*[1-9][0-9]{0,6}\r\n\$[0-9]{1,9}\r\n)"
    rb"|(?P<line>[A-Za-z][^\0\n]{0,511}\n)"
    rb"|\*(?:\Z|[1-9][0-9]{0,6}(?:\Z|\r(?:\Z|\n(?:\Z|\$(?:\Z|[0-9]{1,9}(?:\Z|\r\Z))))))"
    rb"|[A-Za-z][^\0\n]{0,511}\Z"
)
_REPLY_SNIFF: Final = re.compile(
    rb"(?P<text>[$*%~>!=|][0-9]{1,9}\r\n|[$*]-1\r\n|[$*~%]\?\r\n"
    rb"|-(?:ERR|NOAUTH|DENIED|LOADING|WRONGTYPE|MOVED|ASK) [ -~]*\r\n"
    rb"|\+(?:OK|PONG|QUEUED|FULLRESYNC [0-9a-f]{40} [0-9]+)\r\n)"
    rb"|(?P<line>[+-][^\0\r\n]{0,511}\r\n|:[+-]?[0-9]{1,19}\r\n|\([+-]?[0-9]{1,511}\r\n|_\r\n|#[tf]\r\n"
    rb"|,[-+.0-9einfaEINFA]{1,30}\r\n)"
    rb"|(?:[$*%~>!=|](?:-?\Z|-?[0-9]{1,9}\r?\Z)|[$*~%]\?\r?\Z|[+-][^\0\r\n]{0,511}\r?\Z|:[+-]?[0-9]{0,19}\r?\Z"
    rb"|\([+-]?[0-9]{0,511}\r?\Z|_\r?\Z|#[tf]?\r?\Z|,[-+.0-9einfaEINFA]{0,30}\r?\Z)"
)
_COMMAND_START: Final = re.compile(rb"\r\n(?=\*[1-9][0-9]{0,6}\r\n\$[0-9]{1,9}\r\n)")
_REPLY_START: Final = re.compile(
    rb"\r\n(?=[-+][ -~]{1,200}\r\n|:[+-]?[0-9]{1,19}\r\n|[$*%~>][0-9]{1,9}\r\n|[$*]-1\r\n)"
)
