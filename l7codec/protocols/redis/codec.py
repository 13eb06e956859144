r"""Redis: RESP2 and RESP3, both directions, framed and described.

Specification: https://redis.io/docs/latest/develop/reference/protocol-spec/

    client    *3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n      or inline: SET k v\r\n
    server    +OK\r\n

This file turns bytes into messages and back; `session` knows what requests and responses mean to each other.

Almost all traffic is small commands and small replies. `decode_batch` splits a window of bytes at CR LF once and reads
those off the pieces; a value that holds a CR LF itself, or anything rarer, is framed by `Scan`, which alone decides
what is right and wrong.
"""

from __future__ import annotations

import re
from binascii import crc_hqx
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, Final

from ...buffer import ReceiveBuffer
from ...codec import NO, Answer, Codec, Confidence, Reason, Resync, Verdict
from ...errors import BodyError, LocalProtocolError, RemoteProtocolError
from ...limits import Limits
from ...message import Edits, Kind, Message, Metadata, Side
from ...pending import Pending
from .commands import COMMANDS, CONTAINER, ONE_KEY, SPECS, Command, key_positions, lookup, slot, slot_positions
from .inline import split_words
from .scan import Scan
from .session import SUBSCRIPTIONS, Session, describe_push
from .values import Attributed, Error, Push, octets, pack_value, read_value, text

__all__ = ["RedisCodec", "pack", "pack_pipeline"]

CLIENT: Final = Side.CLIENT
REQUEST: Final = Kind.REQUEST
RESPONSE: Final = Kind.RESPONSE
ONEWAY: Final = Kind.ONEWAY
PUSH: Final = Kind.PUSH
HEARTBEAT: Final = Kind.HEARTBEAT

# To look for a number in bytes takes a tenth of the time that looking for bytes does.
_CR: Final = 13
_LF: Final = 10
_BRACE: Final = 123

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
        streaming = self._session.streaming
        data, start = buffer.data, buffer.position
        if side is CLIENT or streaming:
            if data[start] != 42:  # an inline request: its end need not be a CR LF
                return ()
            read, commands = self._batch_commands, True
        else:
            if self._is_careful():
                return ()
            read, commands = self._batch_replies, False
        size = self._windows[side]
        window = data if len(data) <= size and not start else data[start : start + size]
        tokens = window.split(b"\r\n")
        tokens.pop()  # behind the last CR LF: the beginning of what has not come yet
        messages: list[Message] = []
        index, position = 0, start
        need = 0
        counted = False
        while True:
            index, position, cut = read(side, tokens, index, data, position, messages)
            if cut and (start + len(window) < len(data) or len(data) - position >= _LEAST_WINDOW):
                break
            if position == len(data):
                break
            if cut:
                need, counted = _still_needs(data, position, self._window)
                if need:
                    break
            # Not as plain as that: frame this one message. The pieces behind it stay as they are.
            if commands and (found := _read_command(data, position, start + len(window))):
                args, end = found
                messages.append(self._command(side, args, data[position:end]))
                index += data.count(b"\r\n", position, end)
                position = end
                continue
            part = ReceiveBuffer("redis", data)
            part.position = position
            try:
                message = self.decode(side, part)
            except RemoteProtocolError:  # raised again when `decode` comes to it
                self._scans[side].reset()
                break
            if message is None:
                self._scans[side].reset()
                need = len(data) - position + 1
                break
            messages.append(message)
            index += data.count(b"\r\n", position, part.position)
            position = part.position
            if not message.raw.endswith(b"\r\n"):  # an inline request that ends in LF alone: the pieces are out of step
                size //= 2
                break
        if len(messages) > _BATCH:
            size //= 2
        elif len(messages) < _BATCH // 2 and index >= len(tokens):
            size *= 2
        self._windows[side] = min(max(size, _LEAST_WINDOW), self._window)
        if not messages:
            return ()
        buffer.take(position - start)
        if need and len(data) - position < _LEAST_WINDOW:
            buffer.wait(need, counted=counted)  # then it is one of the next batch
        if side is not CLIENT and streaming:
            for message in messages:
                message.metadata["redis.replication"] = "stream"
        return messages

    def _batch_commands(
        self, side: Side, tokens: list[bytes], index: int, data: bytes, position: int, messages: list[Message]
    ) -> tuple[int, int, bool]:
        """Read plain commands off `tokens`; index and position of the first that is not, and whether it is cut off."""
        kind = REQUEST if side is CLIENT else ONEWAY
        total = len(tokens)
        append = messages.append
        spans = _SPANS
        while index < total:
            head = tokens[index]
            count = _COUNTS[head]
            stop = index + 1 + 2 * count
            if count == 0:
                return index, position, False
            if stop > total:
                return index, position, True
            # Two and three arguments are most of all traffic; unrolled, they take half the time.
            if count == 3:
                _, line, name, key_line, key, value_line, value = tokens[index:stop]
                span, key_span, value_span = spans[line], spans[key_line], spans[value_line]
                if (
                    span != len(line) + len(name) + 4
                    or key_span != len(key_line) + len(key) + 4
                    or value_span != len(value_line) + len(value) + 4
                ):
                    return index, position, False
                end = position + 4 + span + key_span + value_span
            elif count == 2:
                _, line, name, key_line, key = tokens[index:stop]
                span, key_span = spans[line], spans[key_line]
                if span != len(line) + len(name) + 4 or key_span != len(key_line) + len(key) + 4:
                    return index, position, False
                end = position + 4 + span + key_span
            else:
                end = position + len(head) + 2
                for line, value in zip(tokens[index + 1 : stop : 2], tokens[index + 2 : stop : 2], strict=True):
                    span = spans[line]
                    if span != len(line) + len(value) + 4:
                        return index, position, False
                    end += span
                name = tokens[index + 2]
                key = tokens[index + 4] if count > 1 else b""
            known = _ONE_KEY.get(name)
            if known is not None and count > 1:
                try:
                    key_text = key.decode()
                except UnicodeDecodeError:
                    key_text = key.decode("utf-8", "surrogateescape")
                metadata: Metadata = {
                    "method": known[0],
                    "keys": (key_text,),
                    "redis.slot": slot(key) if _BRACE in key else crc_hqx(key, 0) & 0x3FFF,
                    "redis.write": known[1],
                }
                append(_plain(kind, side, metadata, data[position:end]))
            else:
                append(self._command(side, tokens[index + 2 : stop : 2], data[position:end]))
            index, position = stop, end
        return index, position, True

    def _batch_replies(
        self, side: Side, tokens: list[bytes], index: int, data: bytes, position: int, messages: list[Message]
    ) -> tuple[int, int, bool]:
        """The same for replies: short ones, strings, numbers, arrays of them."""
        ok: Metadata = {"status": "ok", "redis.resp": self._session.resp}
        described, append = ok.copy, messages.append
        size_of, short = _STRINGS.get, _SHORT_REPLIES.get
        start = position
        pieces = iter(tokens[index:] if index else tokens)
        try:
            for head in pieces:
                string = size_of(head)
                if string is not None:
                    size, span = string
                    end = position + span
                    if size != len(next(pieces)) and not _skip(pieces, data, position + len(head) + 2, end):
                        break
                    append(_plain(RESPONSE, side, described(), data[position:end]))
                    position = end
                    continue
                raw = short(head)
                if raw is not None:
                    append(_plain(RESPONSE, side, described(), raw))
                    position += len(raw)
                    continue
                kind = head[:1]
                if kind in _LINE:
                    if _LF in head or _CR in head:
                        break
                    end = position + len(head) + 2
                    if kind == b"-":
                        append(self._reply(side, data[position:end]))
                        position = end
                        continue
                else:
                    end = _end_of_values(head, pieces, data, position, self.limits.depth)
                    if end < 0:
                        break
                append(_plain(RESPONSE, side, described(), data[position:end]))
                position = end
            else:
                return len(tokens), position, True
        except StopIteration:  # inside a message
            return len(tokens), position, True
        return index + data.count(b"\r\n", start, position), position, False

    def _is_careful(self) -> bool:
        """Whether what the server sends must be read one by one: a message may change how the next one is read."""
        if self._session.careful:
            if self.pending:
                return True
            self._session.careful = False
        return self._session.transferring

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
            _check_command(edits["body"])
            args = [_octets(arg) for arg in edits["body"]]
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


def _read_command(data: bytes, position: int, stop: int) -> tuple[list[bytes], int] | None:
    """The arguments of the command at `position`, and where it ends; None where that takes a closer look."""
    line_end = data.find(b"\r\n", position, stop)
    count = _COUNTS[data[position:line_end]] if line_end > 0 else 0
    args = []
    position = line_end + 2
    for _ in range(count):
        line_end = data.find(b"\r\n", position, stop)
        span = _SPANS[data[position:line_end]] if line_end > 0 else 0
        position += span
        if not span or position > stop or data[position - 2 : position] != b"\r\n":
            return None
        args.append(data[line_end + 2 : position - 2])
    return (args, position) if count else None


def _plain(kind: Kind, side: Side, metadata: Metadata, raw: bytes) -> Message:
    """The same as `Message("redis", kind, side, metadata, raw)`, in two thirds of the time: no `__init__` is called."""
    message: Message = _new(Message)
    message.protocol = "redis"
    message.kind = kind
    message.side = side
    message.metadata = metadata
    message.raw = raw
    message.id = None
    message.missing = 0
    message.error = None
    message.request = None
    return message


_new: Final = object.__new__


def _still_needs(data: bytes, start: int, window: int) -> tuple[int, bool]:
    """How many bytes the unfinished message at `start` has at least, and whether all of them are known to be its own.

    0 for whatever is not a string or an array of strings, or may be wrong or over a limit, which `window` is not.
    """
    position = start
    left = 1
    while left:
        line_end = data.find(b"\n", position)
        if line_end < 0:
            return (len(data) - start + 1, False) if len(data) - position < window else (0, False)
        line = data[position : line_end - 1]
        span = _SPANS[line]
        if data[line_end - 1] != 13 or not (span or position == start):
            break
        if span:
            position += span
            left -= 1
        else:
            left = _COUNTS[line]
            position = line_end + 1
        if position - start + 8 * left > window:
            break
        if position > len(data):
            return position - start, True
        if data[position - 2 : position] != b"\r\n":
            break
    return 0, False


def _end_of_values(head: bytes, pieces: Iterator[bytes], data: bytes, position: int, depth: int) -> int:
    """Where the string or array ends whose first line `head` begins at `position`; -1 where that takes a closer look.

    Raises StopIteration where it is cut off.
    """
    size_of = _STRINGS.get
    left = 1  # values still to come
    arrays = 0
    for line in chain((head,), pieces):
        string = size_of(line)
        if string is not None or (string := _size_and_span(line)):
            size, span = string
            position += span
            if size != len(next(pieces)) and not _skip(pieces, data, position - size - 2, position):
                return -1
        else:
            count = _COUNTS[line]
            if count:
                arrays += 1
                if arrays >= depth:  # too deep, perhaps
                    return -1
                left += count
            elif line not in _SHORT_REPLIES and (line[:1] not in _LINE or _LF in line or _CR in line):
                return -1
            position += len(line) + 2
        left -= 1
        if not left:
            return position
    raise StopIteration


def _size_and_span(line: bytes) -> tuple[int, int] | None:
    span = _SPANS[line]
    return (span - len(line) - 4, span) if span else None


def _skip(pieces: Iterator[bytes], data: bytes, start: int, end: int) -> bool:
    """Skip what is left of a string's pieces, the first of which is taken; False if it does not end in CR LF.

    It stands, with the CR LF behind it, between `start` and `end`. Raises StopIteration where it is cut off.
    """
    if end > len(data):
        raise StopIteration
    if data[end - 2 : end] != b"\r\n":
        return False
    for _ in range(data.count(b"\r\n", start, end) - 1):
        next(pieces)
    return True


def pack(args: Iterable[Any]) -> bytes:
    """One command's bytes. Strings are written as UTF-8, numbers as Redis' clients write them."""
    return pack_pipeline((tuple(args),))


def pack_pipeline(requests: Iterable[Sequence[Any]]) -> bytes:
    """The bytes of many commands, each a sequence of arguments.

    Raises LocalProtocolError for an argument that is neither bytes, text nor a number, and for a command without any.
    """
    commands = requests if isinstance(requests, list | tuple) else list(requests)
    if commands and commands[0] and type(commands[0][0]) is str:
        try:
            # Most are text, and ASCII: then characters are bytes, and all of it is encoded in one go.
            joined = _join_text(commands)
        except (TypeError, KeyError):  # bytes or numbers among them, or a long string
            return _join_bytes(commands)
        if joined.isascii():
            return joined.encode()
    return _join_bytes(commands)


def _join_text(commands: Sequence[Sequence[str]]) -> str:
    parts: list[str] = []
    heads: dict[str, str] = {}
    lengths = _TEXT_LENGTHS
    for args in commands:
        count = len(args)
        if count == 3 and type(args) is not str:
            name, key, value = args
            head = heads.get(name)
            if head is None:  # few names, many commands
                head = heads[name] = "\r\n".join(("*3", lengths[len(name)], name))
            parts += (head, lengths[len(key)], key, lengths[len(value)], value)
        else:
            _check_command(args)
            parts.append(f"*{count}")
            for arg in args:
                parts += (lengths[len(arg)], arg)
    parts.append("")
    return "\r\n".join(parts)


def _join_bytes(commands: Sequence[Sequence[Any]]) -> bytes:
    parts: list[bytes] = []
    lengths = _LENGTHS
    for args in commands:
        count = len(args)
        if count == 3 and type(args) is tuple:
            name, key, value = args
            if type(name) is type(key) is type(value) is bytes:
                name_size, key_size, size = len(name), len(key), len(value)
                if name_size < _SHORT and key_size < _SHORT and size < _SHORT:
                    parts += (b"*3", lengths[name_size], name, lengths[key_size], key, lengths[size], value)
                    continue
        _check_command(args)
        parts.append(b"*%d" % count)
        for arg in args:
            data = arg if type(arg) is bytes else _octets(arg)
            size = len(data)
            parts += (lengths[size] if size < _SHORT else b"$%d" % size, data)
    parts.append(b"")
    return b"\r\n".join(parts)


def _check_command(args: Sequence[Any]) -> None:
    if not args or isinstance(args, str | bytes):
        raise LocalProtocolError("redis", 0, f"{args!r} is no sequence of arguments")


def _octets(arg: Any) -> bytes:
    if type(arg) is str:
        return arg.encode("utf-8", "surrogateescape")
    if type(arg) is int:
        return b"%d" % arg
    if isinstance(arg, bytes):
        return arg
    if isinstance(arg, str):
        return octets(arg)
    if isinstance(arg, bytearray | memoryview):
        return bytes(arg)
    if isinstance(arg, int | float) and not isinstance(arg, bool):
        return repr(arg).encode()
    raise LocalProtocolError("redis", 0, f"an argument is bytes, text or a number, not {type(arg).__name__}")


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
    prefix = _octets(edits.get("redis.key_prefix") or b"")
    strip = _octets(edits.get("redis.strip_prefix") or b"")
    written: dict[int, bytes] = {}
    for index, position in enumerate(positions):
        key = args[position] if keys is None else _octets(keys[index])
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


class _Counts(dict[bytes, int]):
    """How many values follow a line that opens an array; 0 for any other line."""

    def __missing__(self, line: bytes) -> int:
        return int(line[1:]) if _COUNT.fullmatch(line) else 0


class _Spans(dict[bytes, int]):
    """How many bytes a string takes with its first line and both CR LF, by that line; 0 for any other line."""

    def __missing__(self, line: bytes) -> int:
        return int(line[1:]) + len(line) + 4 if _SIZE.fullmatch(line) else 0


_COUNT: Final = re.compile(rb"\*[1-9][0-9]{0,5}")
_SIZE: Final = re.compile(rb"\$(?:0|[1-9][0-9]{0,5})")
_ONE_KEY: Final = {name: (known.name, known.may_write) for name, known in COMMANDS.items() if known.shape == ONE_KEY}
_COUNTS: Final = _Counts({b"*%d" % count: count for count in range(1, 65)})
_STRINGS: Final = {b"$%d" % size: (size, size + len(b"$%d" % size) + 4) for size in range(512)}
_SPANS: Final = _Spans({b"$%d" % size: size + len(b"$%d" % size) + 4 for size in range(512)})
_SHORT_REPLIES: Final = {
    line: line + b"\r\n"
    for line in (b"+OK", b"+QUEUED", b"+PONG", b"$-1", b"*-1", b"*0", *(b":%d" % number for number in range(256)))
}
_LINE: Final = frozenset((b"+", b":", b"-"))
_SHORT: Final = 1024  # strings shorter than this have their first line ready
_LENGTHS: Final = [b"$%d" % size for size in range(_SHORT)]
_TEXT_LENGTHS: Final = {size: f"${size}" for size in range(_SHORT)}
