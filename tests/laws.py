"""The laws that every codec keeps; `test_laws.py` runs them over all there are.

1. Lossless         re-encoded messages and `trailing_data` are the input, byte for byte, up to an error
2. Chunk-invariant  the same messages, error and offset however the input is split
3. Total            any bytes at all give messages, "need more" or an L7Error
4. Round trip       a message built from values decodes to the same values
5. Bounded          memory and pending never pass the Limits; work is linear in the bytes
6. Inert            no I/O, no clock, no randomness, no global state; keys and types of the vocabulary only

Each function takes what one case needs and raises AssertionError where the law is broken. A third party's codec is
put under them by registering it, and its strategies if it has any, before `test_laws.py` asks for all protocols.
"""

from __future__ import annotations

import json
import pickle
import sys
import tracemalloc
from collections.abc import Callable, Iterable, Sequence
from types import FrameType
from typing import Any, NamedTuple

from l7codec import (
    BodyError,
    Codec,
    Conversation,
    Datagrams,
    Kind,
    L7Error,
    LocalProtocolError,
    Message,
    ProtocolError,
    Reason,
    RemoteProtocolError,
    Side,
    Stream,
    decode,
    detect,
    encode,
    to_dict,
)
from l7codec.buffer import ReceiveBuffer
from l7codec.codec import Answer, DatagramCodec
from l7codec.registry import codec_class, create
from l7codec.vocabulary import VOCABULARY, term

Error = tuple[type[ProtocolError], int, str]


class Outcome(NamedTuple):
    """All that a user of a Stream sees of it."""

    messages: list[Message]
    error: Error | None
    offset: int
    trailing: bytes


def located(error: ProtocolError | None) -> Error | None:
    return None if error is None else (type(error), error.offset, error.reason)


def run(protocol: str, side: Side, pieces: Iterable[bytes], *, eof: bool = False) -> Outcome:
    """What a Stream makes of the pieces."""
    stream = Stream(protocol, side)
    messages: list[Message] = []
    try:
        for piece in pieces:
            messages.extend(stream.receive_data(piece))
        if eof:
            messages.extend(stream.receive_eof())
    except ProtocolError as error:
        assert error is stream.error
        messages.extend(_stay(stream, error))
    return Outcome(messages, located(stream.error), stream.offset, stream.trailing_data)


def _stay(stream: Stream, error: ProtocolError) -> list[Message]:
    """An error is the end of the sequence, and is raised again by whoever looks."""
    for _ in range(2):
        try:
            list(stream.messages())
        except ProtocolError as again:
            assert again is error
        else:
            raise AssertionError("an error did not stay")
    return []


def split(data: bytes) -> list[bytes]:
    return [data[index : index + 1] for index in range(len(data))]


# -- 1 --------------------------------------------------------------------------------------------------------------


def lossless(protocol: str, side: Side, pieces: Sequence[bytes]) -> None:
    outcome = run(protocol, side, pieces)
    data = b"".join(pieces)
    again = b"".join(encode(message) for message in outcome.messages)
    assert len(again) == outcome.offset
    if outcome.error is None:
        assert again + outcome.trailing == data
    else:  # pieces behind an error are not looked at
        assert data.startswith(again + outcome.trailing)
        assert outcome.error[1] <= len(data)


# -- 2 --------------------------------------------------------------------------------------------------------------


def chunk_invariant(protocol: str, side: Side, data: bytes, pieces: Sequence[bytes]) -> None:
    for eof in (False, True):
        whole = run(protocol, side, [data], eof=eof)
        for several in (pieces, split(data)):
            outcome = run(protocol, side, several, eof=eof)
            assert outcome.messages == whole.messages
            assert outcome.error == whole.error
            assert outcome.offset == whole.offset
            if whole.error is None:
                assert outcome.trailing == whole.trailing


Spoken = list[tuple[Side, bytes]]


class Heard(NamedTuple):
    """All that a user of a Conversation sees of it. A request is told by its place among the messages of its side."""

    messages: dict[Side, list[Message]]
    requests: dict[Side, list[int | None]]
    errors: dict[Side, Error | None]
    pending: list[Message]
    idle: bool


def listen(
    protocol: str,
    spoken: Spoken,
    *,
    lazily: bool = False,
    now: bool = False,
    singly: bool = False,
    preface: str | None = None,
) -> Heard:
    """What a Conversation makes of what both sides say.

    `lazily`: nobody iterates before all is said. `now`: by `receive_now`. `singly`: paired by `pair` alone.
    """
    codec = create(protocol)
    if singly:
        codec.pair_all = lambda messages, pending: False  # type: ignore[method-assign]
    conversation = Conversation(codec, preface=preface)
    messages: dict[Side, list[Message]] = {side: [] for side in Side}
    iterators = []

    def draw(side: Side, iterator: Iterable[Message]) -> None:
        try:
            messages[side].extend(iterator)
        except ProtocolError as error:
            assert error is conversation.stream(side).error

    for side, data in spoken:
        stream = conversation.stream(side)
        iterator = stream.receive_now(data) if now else stream.receive_data(data)
        if lazily:
            iterators.append((side, iterator))
        else:
            draw(side, iterator)
    for side, iterator in iterators:
        draw(side, iterator)
    requests = {side: [_place(message.request, messages[side.other]) for message in messages[side]] for side in Side}
    errors = {side: located(conversation.stream(side).error) for side in Side}
    return Heard(messages, requests, errors, list(conversation.pending), conversation.idle)


def _place(request: Message | None, messages: list[Message]) -> int | None:
    if request is None:
        return None
    (place,) = (index for index, message in enumerate(messages) if message is request)
    return place


def conversation_invariant(protocol: str, spoken: Spoken, pieces: Spoken, preface: str | None = None) -> None:
    whole = listen(protocol, spoken, preface=preface)
    single = [(side, byte) for side, data in spoken for byte in split(data)]
    assert listen(protocol, spoken, preface=preface, lazily=True) == whole
    assert listen(protocol, pieces, preface=preface) == whole
    assert listen(protocol, pieces, preface=preface, lazily=True) == whole
    assert listen(protocol, single, preface=preface) == whole
    assert listen(protocol, spoken, preface=preface, singly=True) == whole
    assert listen(protocol, spoken, preface=preface, now=True) == whole
    assert listen(protocol, pieces, preface=preface, now=True) == whole
    assert listen(protocol, single, preface=preface, now=True) == whole


def pairs(protocol: str, said: Sequence[Message]) -> None:
    """A Conversation finds the requests that the strategy says the responses answer."""
    conversation = Conversation(protocol)
    found: dict[int, Message] = {}
    for message in said:
        (heard,) = conversation.stream(message.side).receive_data(encode(message))
        found[id(message)] = heard
        assert heard.raw == message.raw
        assert heard.kind is message.kind
        assert heard.id == message.id
        assert heard.request is (None if message.request is None else found[id(message.request)])


# -- 3 --------------------------------------------------------------------------------------------------------------


def total(protocol: str, side: Side, data: bytes) -> None:
    """Nothing but an L7Error leaves, whatever a user does with what the bytes gave."""
    codec = codec_class(protocol)
    try:
        messages = decode(protocol, data, side)
    except ProtocolError as error:
        messages = error.messages
        assert isinstance(error, RemoteProtocolError)
        assert pickle.loads(pickle.dumps(error)).args == error.args
        assert str(error) and 0 <= error.offset <= len(data)
        answers(codec, None, error)
    for message in messages:
        sound(codec, message)
    for one in Side:
        verdict = codec.sniff(data, one)
        assert isinstance(verdict.answer, Answer)
        detect(data, side=one)


def sound(codec: type[Codec], message: Message) -> None:
    """One message, used in every way there is."""
    lawful(codec, message)
    body_or_error(message)
    if message.missing:
        try:
            encode(message)
        except LocalProtocolError:
            pass
        else:
            raise AssertionError("a message that lacks bytes was encoded")
    else:
        assert encode(message) == message.raw
    row = to_dict(message, body=True)
    assert json.loads(json.dumps(row, ensure_ascii=False, allow_nan=False).encode()) == row
    repr(message)
    copy = pickle.loads(pickle.dumps(message))
    assert copy == message
    assert body_or_error(copy) == body_or_error(message)
    for reason in Reason:
        answers(codec, message, reason)


def body_or_error(message: Message) -> Any:
    """The body in a form that compares (a NaN equals nothing), or the error's text; the same each time."""
    try:
        first = message.body
    except BodyError as error:
        try:
            message.body  # noqa: B018
        except BodyError as again:
            assert again is error
        return str(error)
    assert message.body is first
    return to_dict(message, body=True)["body"]


def answers(codec: type[Codec], message: Message | None, reason: Any) -> None:
    data = codec.reply(message, reason)
    assert data is None or isinstance(data, bytes)
    if data is None or message is None:
        return
    if issubclass(codec, DatagramCodec):  # an answer is a datagram that the asking side takes
        for answer in Datagrams(codec).receive_datagram(data, ("there", "here")):
            assert answer.kind is not Kind.REQUEST
            assert answer.error is None
    else:
        for answer in decode(codec, data, message.side.other):
            assert answer.kind is Kind.RESPONSE
            assert answer.id == message.id


def survives_gaps(protocol: str, side: Side, steps: Sequence[bytes | int | None]) -> None:
    """Bytes, gaps of known (int) and unknown (None) length, and errors left behind: every byte is accounted for."""
    stream = Stream(protocol, side)
    messages: list[Message] = []
    real = 0
    missing = 0

    def go_on(iterator: Iterable[Message]) -> None:
        for _ in range(len(steps) + sum(len(step) for step in steps if isinstance(step, bytes)) + 2):
            try:
                messages.extend(iterator)
            except ProtocolError as error:
                assert isinstance(error, RemoteProtocolError)
                iterator = stream.receive_gap(0)
            else:
                return
        raise AssertionError("gaps do not get past an error")

    for step in steps:
        if isinstance(step, bytes):
            real += len(step)
            go_on(stream.receive_data(step))
        else:
            missing += step or 0
            go_on(stream.receive_gap(step))
    codec = codec_class(protocol)
    for message in messages:
        sound(codec, message)
    held = len(stream.trailing_data)
    assert sum(len(message.raw) for message in messages) + stream.skipped + held == real
    assert 0 <= real + missing - stream.offset - held <= missing


def survives_gaps_on_both_sides(protocol: str, steps: Sequence[tuple[Side, bytes | int | None]]) -> None:
    """The same in a Conversation. What is paired is a request of the other side, and came before."""
    conversation = Conversation(protocol)
    heard: list[Message] = []
    for side, step in steps:
        stream = conversation.stream(side)
        iterator = stream.receive_data(step) if isinstance(step, bytes) else stream.receive_gap(step)
        while True:
            try:
                heard.extend(iterator)
            except ProtocolError as error:
                assert isinstance(error, RemoteProtocolError)
                iterator = stream.receive_gap(0)
            else:
                break
    codec = codec_class(protocol)
    for place, message in enumerate(heard):
        sound(codec, message)
        request = message.request
        assert request is None or any(request is earlier for earlier in heard[:place])
        assert request is None or request.side is message.side.other
    assert isinstance(conversation.idle, bool)
    assert len(conversation.pending) == len(list(conversation.pending))


def counts_through(protocol: str, side: Side, data: bytes, start: int, count: int, piece: int) -> None:
    """A hole inside a stretch of known length costs nothing but its bytes."""
    whole = run(protocol, side, [data])
    stream = Stream(protocol, side)
    messages: list[Message] = []
    for at in range(0, start, piece):
        messages.extend(stream.receive_data(data[at : min(at + piece, start)]))
    if stream._buffer.wanted < count:
        return
    messages.extend(stream.receive_gap(count))
    for at in range(start + count, len(data), piece):
        messages.extend(stream.receive_data(data[at : at + piece]))
    assert stream.skipped == 0
    assert stream.offset == whole.offset
    assert [message.size for message in messages] == [message.size for message in whole.messages]
    assert sum(message.missing for message in messages) == count
    for message, unharmed in zip(messages, whole.messages, strict=True):
        sound(codec_class(protocol), message)
        if not message.missing:
            assert message == unharmed


# -- 4 --------------------------------------------------------------------------------------------------------------


def round_trip(message: Message, body: Any) -> None:
    (again,) = decode(message.protocol, encode(message), message.side)
    assert again == message
    assert again.error is None
    assert plain(again.body) == plain(body)


def plain(value: Any) -> Any:
    """A value in a form that compares: types apart (1, 1.0 and True are three things), NaN equal to itself."""
    if isinstance(value, dict):
        return {(type(key).__name__, key): plain(item) for key, item in value.items()}
    if isinstance(value, bytes | str | None):
        return value
    if isinstance(value, Sequence):
        return [plain(item) for item in value]
    return type(value).__name__, repr(value)


def edited(message: Message, edits: dict[str, Any]) -> None:
    """What an edit names changes, and nothing else that the edits do not name."""
    (again,) = decode(message.protocol, encode(message, edits), message.side)
    assert again.kind is message.kind
    for name in VOCABULARY.keys() & message.metadata.keys() - edits.keys():
        if not edits:
            assert again.metadata[name] == message.metadata[name]
    for name, value in edits.items():
        if name == "id":
            assert again.id == value
        elif name == "body":
            assert plain(again.body) == plain(value)
        elif term(name) is not None:
            assert again.metadata.get(name) == value
    if not edits:
        assert again.raw == message.raw


# -- 5 --------------------------------------------------------------------------------------------------------------


def bounded_memory(protocol: str, side: Side, data: bytes, pieces: Sequence[bytes]) -> None:
    """What the bytes promise takes no memory before it comes."""
    for several in ([data], pieces):
        tracemalloc.start()
        try:
            stream = Stream(protocol, side)
            try:
                for piece in several:
                    for _ in stream.receive_data(piece):
                        pass
            except ProtocolError:
                pass
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 150_000 + 200 * len(data), f"{peak} bytes for {len(data)}"


class Measured(bytes):
    """Bytes that count what is copied out of them and searched in them."""

    work = 0

    def __getitem__(self, key: Any) -> Any:
        value = super().__getitem__(key)
        Measured.work += 1 if isinstance(value, int) else len(value)
        return value

    def find(self, sub: Any, start: Any = None, end: Any = None) -> int:
        return self._seek(super().find, sub, start, end)

    def index(self, sub: Any, start: Any = None, end: Any = None) -> int:
        return self._seek(super().index, sub, start, end)

    def _seek(self, seek: Callable[..., int], sub: Any, start: Any, end: Any) -> int:
        begin = slice(start, end).indices(len(self))[0]
        stop = slice(start, end).indices(len(self))[1]
        try:
            found = seek(sub, begin, stop)
        except ValueError:
            Measured.work += max(stop - begin, 0)
            raise
        Measured.work += (found if found >= 0 else max(stop, begin)) - begin + 1
        return found

    def split(self, *arguments: Any) -> list[bytes]:  # type: ignore[override]
        Measured.work += len(self)
        return super().split(*arguments)

    def __contains__(self, item: Any) -> bool:
        Measured.work += len(self)
        return super().__contains__(item)


class MeasuredBuffer(ReceiveBuffer):
    """A ReceiveBuffer whose data counts the work done on it."""

    __slots__ = ()

    def append(self, chunk: bytes) -> None:
        super().append(chunk)
        self._wrap()

    def join(self) -> None:
        if self._tail:
            Measured.work += self.available
        super().join()
        self._wrap()

    def hold(self, count: int) -> None:
        Measured.work += count
        super().hold(count)

    def take(self, count: int) -> bytes:
        Measured.work += count + self.held
        return super().take(count)

    def _wrap(self) -> None:
        if type(self.data) is not Measured:
            self.data = Measured(self.data)


def work(protocol: str, side: Side, pieces: Iterable[bytes]) -> int:
    """Bytes copied and searched, and Python instructions executed, to decode the pieces. Every run counts the same."""
    stream = Stream(protocol, side)
    stream._buffer = MeasuredBuffer(stream._buffer.protocol)
    Measured.work = 0
    instructions = 0

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal instructions
        if "l7codec" not in frame.f_code.co_filename and "toys" not in frame.f_code.co_filename:
            return None
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        instructions += 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        for piece in pieces:
            for _ in stream.receive_data(piece):
                pass
    finally:
        sys.settrace(before)
    return instructions + Measured.work


def linear(protocol: str, side: Side, small: bytes, large: bytes, piece: int) -> None:
    """`large` is `small` several times over, or a bigger one of its kind: the work grows no faster than the bytes."""

    def cost(data: bytes) -> int:
        return work(protocol, side, (data[at : at + piece] for at in range(0, len(data), piece)))

    factor = len(large) / len(small)
    first, second = cost(small), cost(large)
    assert second <= 1.3 * factor * first + 2000, f"{len(small)} bytes: {first}; {len(large)} bytes: {second}"


# -- 6 --------------------------------------------------------------------------------------------------------------


def lawful(codec: type[Codec], message: Message) -> None:
    """Types as documented, and metadata of the vocabulary alone."""
    assert message.protocol == codec.name
    assert type(message.kind) is Kind
    assert type(message.side) is Side
    assert type(message.raw) is bytes
    assert message.id is None or type(message.id) is int
    assert message.size == len(message.raw) + message.missing > 0
    assert message.error is None or isinstance(message.error, BodyError)
    for key, value in message.metadata.items():
        known = term(key)
        expected = codec.vocabulary[key] if known is None else known.type
        if known is not None and codec.__module__.startswith("l7codec.protocols."):
            assert codec.name in known.protocols or key.startswith("header."), key
        if expected is object:
            assert type(value) in (str, tuple)
        elif expected is str:
            assert isinstance(value, str)
        else:
            assert type(value) is expected, (key, value)
        if isinstance(value, tuple):
            assert all(isinstance(item, str) for item in value)


def is_stream(protocol: str) -> bool:
    return not issubclass(codec_class(protocol), DatagramCodec)


def only_l7_errors(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except L7Error as error:
        return error
