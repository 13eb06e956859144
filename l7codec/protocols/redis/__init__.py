r"""Redis: RESP2 and RESP3, both directions.

    >>> import l7codec
    >>> from l7codec.protocols import redis
    >>> [request] = l7codec.decode("redis", b"*2\r\n$3\r\nGET\r\n$6\r\nuser:1\r\n")
    >>> request.metadata
    {'method': 'GET', 'keys': ('user:1',), 'redis.slot': 10778, 'redis.write': False}
    >>> l7codec.encode(request, {"redis.key_prefix": "tenant:"})
    b'*2\r\n$3\r\nGET\r\n$13\r\ntenant:user:1\r\n'

A request's body is its arguments, a list of bytes. A reply's body is its value, see `values`.
"""

from __future__ import annotations

from typing import Any

from ...buffer import ReceiveBuffer
from ...errors import LocalProtocolError, RemoteProtocolError
from ...message import Message, Side
from .codec import RedisCodec
from .inline import join_words
from .pack import pack, pack_pipeline
from .values import (
    NULL_ARRAY,
    Attributed,
    BigNumber,
    Error,
    Pairs,
    Push,
    Set,
    Streamed,
    Verbatim,
    pack_value,
    read_value,
)

__all__ = [
    "NULL_ARRAY",
    "Attributed",
    "BigNumber",
    "Error",
    "Pairs",
    "Push",
    "RedisCodec",
    "Set",
    "Streamed",
    "Verbatim",
    "command",
    "inline",
    "pack",
    "pack_pipeline",
    "pack_value",
    "read_value",
    "reply",
]


def command(*args: Any) -> Message:
    """A request: the command's name and its arguments, bytes, text or numbers. Raises LocalProtocolError."""
    return _message(Side.CLIENT, pack(args))


def inline(*words: bytes | str) -> Message:
    """A request as a person would type it. Raises LocalProtocolError where it would not fit on a line."""
    if not words:
        raise LocalProtocolError("redis", 0, "a command has at least a name")
    data = join_words([word if isinstance(word, bytes) else word.encode("utf-8", "surrogateescape") for word in words])
    return _message(Side.CLIENT, data + b"\r\n")


def reply(value: Any, resp: int = 2) -> Message:
    """A response or a push, from a value in Python (see `values`), in this version of RESP.

    Raises LocalProtocolError for a value that has no form in it.
    """
    return _message(Side.SERVER, pack_value(value, resp), resp)


def _message(side: Side, data: bytes, resp: int = 2) -> Message:
    codec = RedisCodec()
    codec.resp = resp
    try:
        message = codec.decode(side, ReceiveBuffer("redis", data))
    except RemoteProtocolError as error:
        raise LocalProtocolError("redis", error.offset, f"no peer would take it: {error.reason}") from None
    if message is None:
        raise LocalProtocolError("redis", 0, "a value that is written is whole")
    return message
