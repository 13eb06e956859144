"""Zero-I/O codecs for layer-7 protocols: bytes in, one kind of message out, and bytes again.

stream = l7codec.Stream("redis", side=l7codec.Side.CLIENT)
for message in stream.receive_data(chunk):
    print(message.metadata["method"], message.body)
"""

from __future__ import annotations

from .codec import Codec, Reason
from .conversation import Conversation, Datagrams
from .detection import Detector, detect
from .errors import (
    BodyError,
    L7Error,
    LimitExceeded,
    LocalProtocolError,
    MissingExtra,
    ProtocolError,
    RemoteProtocolError,
    TruncatedMessage,
)
from .limits import Limits
from .message import Kind, Message, Side, to_dict
from .registry import encode, protocol_names, register
from .stream import Stream, decode

__all__ = [
    "BodyError",
    "Codec",
    "Conversation",
    "Datagrams",
    "Detector",
    "Kind",
    "L7Error",
    "LimitExceeded",
    "Limits",
    "LocalProtocolError",
    "Message",
    "MissingExtra",
    "ProtocolError",
    "Reason",
    "RemoteProtocolError",
    "Side",
    "Stream",
    "TruncatedMessage",
    "decode",
    "detect",
    "encode",
    "protocol_names",
    "register",
    "to_dict",
]

__version__ = "0.1.0"
