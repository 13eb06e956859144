"""What Redis tests are written with: vectors in every split, and conversations as transcripts.

talk(
    client("SUBSCRIBE a b"),
    server(array("subscribe", "a", 1), to="SUBSCRIBE a b"),
    server(array("subscribe", "b", 2), to="SUBSCRIBE a b"),
    server(array("message", "a", "hello")),
)
"""

from __future__ import annotations

from typing import Any, NamedTuple

from l7codec import Conversation, Kind, Message, ProtocolError, Side, Stream
from l7codec.protocols import redis

CLIENT, SERVER = Side.CLIENT, Side.SERVER
REQUEST, RESPONSE, ONEWAY, PUSH, HEARTBEAT = Kind.REQUEST, Kind.RESPONSE, Kind.ONEWAY, Kind.PUSH, Kind.HEARTBEAT


def split(data: bytes) -> list[bytes]:
    return [data[index : index + 1] for index in range(len(data))]


def read(data: bytes, side: Side, **options: Any) -> list[Message]:
    """The messages of `data`: the same whole, byte by byte, in threes, and with another message behind."""
    trailer = b"*1\r\n$4\r\nPING\r\n" if side is CLIENT else b"+OK\r\n"
    whole = _read([data], side, options)
    assert b"".join(message.raw for message in whole) == data
    assert _read(split(data), side, options) == whole
    assert _read([data[at : at + 3] for at in range(0, len(data), 3)], side, options) == whole
    trailed = _read([data + trailer], side, options)
    assert trailed[:-1] == whole
    assert trailed[-1].raw == trailer
    return whole


def _read(pieces: list[bytes], side: Side, options: dict[str, Any]) -> list[Message]:
    stream = Stream("redis", side, **options)
    messages = [message for piece in pieces for message in stream.receive_data(piece)]
    messages += stream.receive_eof()
    return messages


def wrong(data: bytes, side: Side, good: int = 0, **options: Any) -> ProtocolError:
    """The error in `data`, behind `good` messages: the same whole, byte by byte, and with more behind it."""
    errors = []
    for pieces in ([data], split(data), [data, b"\r\n"], split(data + b"$1\r\n")):
        stream = Stream("redis", side, **options)
        messages = []
        try:
            for piece in pieces:
                messages.extend(stream.receive_data(piece))
        except ProtocolError as error:
            errors.append(error)
        else:
            raise AssertionError(f"nothing wrong in {pieces}")
        assert len(messages) == good
    assert len({(type(error), error.offset, error.reason) for error in errors}) == 1, errors
    return errors[0]


def waits(data: bytes, side: Side, good: int = 0, **options: Any) -> None:
    """`data` ends inside a message, and nothing is wrong with it so far."""
    for pieces in ([data], split(data)):
        stream = Stream("redis", side, **options)
        messages = [message for piece in pieces for message in stream.receive_data(piece)]
        assert len(messages) == good
        assert not stream.at_boundary


class Turn(NamedTuple):
    side: Side
    data: bytes
    kinds: tuple[Kind, ...]
    to: str | None
    resp: int | None


def client(line: str | bytes, kind: Kind = REQUEST) -> Turn:
    """The client sends a command, written as a line of words, or bytes as they are."""
    data = line if isinstance(line, bytes) else redis.pack(line.split(" "))
    return Turn(CLIENT, data, (kind,), None, None)


def server(data: bytes | str, to: str | None = None, kind: Kind | None = None, resp: int | None = None) -> Turn:
    """The server sends one message: the answer `to` a request, else a push."""
    data = f"{data}\r\n".encode() if isinstance(data, str) else data
    return Turn(SERVER, data, (kind or (PUSH if to is None else RESPONSE),), to, resp)


def _texts(values: tuple[Any, ...]) -> list[Any]:
    return [
        value.encode() if isinstance(value, str) else _texts(tuple(value)) if isinstance(value, list) else value
        for value in values
    ]


def array(*values: Any) -> bytes:
    return redis.reply(_texts(values)).raw


def push(*values: Any) -> bytes:
    return redis.reply(redis.Push(_texts(values)), 3).raw


def talk(*turns: Turn, conversation: Conversation | None = None) -> Conversation:
    """Play a transcript, each turn whole and then each byte by byte; returns the conversation, as it stands then."""
    if conversation is not None:
        return _play(turns, conversation, whole=True)
    _play(turns, Conversation("redis"), whole=False)
    _play_ahead(turns)
    return _play(turns, Conversation("redis"), whole=True)


def _play(turns: tuple[Turn, ...], conversation: Conversation, *, whole: bool) -> Conversation:
    for turn in turns:
        pieces = [turn.data] if whole else split(turn.data)
        stream = conversation.stream(turn.side)
        heard = [message for piece in pieces for message in stream.receive_data(piece)]
        _check(turn, heard)
    return conversation


def _play_ahead(turns: tuple[Turn, ...]) -> None:
    """What one side says in a row comes in one piece."""
    conversation = Conversation("redis")
    waiting: list[Turn] = []
    for turn, following in zip(turns, (*turns[1:], None), strict=True):
        waiting.append(turn)
        if following is None or following.side is not turn.side:
            data = b"".join(one.data for one in waiting)
            heard = list(conversation.stream(turn.side).receive_data(data))
            for one in waiting:
                _check(one, [heard.pop(0)])
            assert not heard
            waiting = []


def _check(turn: Turn, heard: list[Message]) -> None:
    assert [message.kind for message in heard] == list(turn.kinds), (turn, heard)
    for message in heard:
        asked = None if message.request is None else b" ".join(message.request.body).decode()
        assert asked == turn.to, turn
        if turn.resp is not None:
            assert message.metadata["redis.resp"] == turn.resp
        assert message.kind is not PUSH or "status" not in message.metadata
