"""The whole error tree.

    L7Error
    ├── ProtocolError(protocol, offset, reason)
    │   ├── RemoteProtocolError       the peer's bytes are wrong
    │   │   ├── LimitExceeded         they ask for more than `Limits` allow
    │   │   └── TruncatedMessage      the stream ended inside a message
    │   └── LocalProtocolError        what we were asked to write cannot be written
    ├── BodyError(protocol, offset, reason)   one message's payload is wrong; framing goes on
    ├── CaptureError(path, offset, reason)    a file cannot be read, or is no capture
    ├── UnknownProtocol               no codec has this name (also a LookupError)
    └── MissingExtra                  an optional dependency is not installed (also an ImportError)

Nothing else leaves the library because of the bytes it was given. Any other exception is a bug in l7codec, or a
misuse of it that no peer can cause (a wrong argument type, say).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .message import Message

__all__ = [
    "BodyError",
    "CaptureError",
    "L7Error",
    "LimitExceeded",
    "LocalProtocolError",
    "MissingExtra",
    "ProtocolError",
    "RemoteProtocolError",
    "TruncatedMessage",
    "UnknownProtocol",
]


class L7Error(Exception):
    """Root of everything the library raises on purpose."""


class _Located(L7Error):
    """An error at one byte of one protocol."""

    def __init__(self, protocol: str, offset: int, reason: str) -> None:
        super().__init__(protocol, offset, reason)  # all three in args: that is what makes it pickle
        self.protocol = protocol
        self.offset = offset
        self.reason = reason
        self.messages: list[Message] = []

    def __str__(self) -> str:
        return f"{self.protocol}: byte {self.offset}: {self.reason}"

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self.protocol, self.offset, self.reason), {"messages": self.messages})


class ProtocolError(_Located):
    """Framing is wrong at `offset`, counted from the first byte of this direction, a preface included.

    `messages` holds the good messages before it where the error comes from the one-shot `l7codec.decode`.
    """


class RemoteProtocolError(ProtocolError):
    """The peer's bytes are wrong; the stream they came from cannot go on."""


class LimitExceeded(RemoteProtocolError):
    """The peer asks for more than `Limits` allow; raised at the length field, before anything is buffered."""


class TruncatedMessage(RemoteProtocolError):
    """The stream ended inside a message."""


class LocalProtocolError(ProtocolError):
    """What we were asked to write cannot be written; `offset` is 0 unless a byte of it is to blame."""


class BodyError(_Located):
    """One message's payload is wrong; `offset` counts from the first byte of that message."""


class CaptureError(L7Error):
    """The file cannot be opened, or is no capture file of a known kind; `offset` is where that was seen."""

    def __init__(self, path: str, offset: int, reason: str) -> None:
        super().__init__(path, offset, reason)  # all three in args: that is what makes it pickle
        self.path = path
        self.offset = offset
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path}: byte {self.offset}: {self.reason}"


class UnknownProtocol(L7Error, LookupError):
    """No codec is registered under this name."""


class MissingExtra(L7Error, ImportError):
    """An optional dependency is not installed; the text names the extra that brings it."""

    def __init__(self, extra: str, purpose: str) -> None:
        super().__init__(f"{purpose} needs the extra '{extra}': pip install 'l7codec[{extra}]'")
        self.extra = extra
        self.purpose = purpose

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self.extra, self.purpose))
