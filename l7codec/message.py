"""The one kind of message every codec delivers and encodes."""

from __future__ import annotations

import base64
import enum
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

from .errors import BodyError

__all__ = [
    "NO_EDITS",
    "Edits",
    "Kind",
    "Message",
    "Metadata",
    "MetadataValue",
    "Side",
    "octets",
    "plain_name",
    "text_or_bytes",
    "to_dict",
]

MetadataValue: TypeAlias = "str | int | bool | tuple[str, ...]"
Metadata: TypeAlias = "dict[str, MetadataValue]"
Edits: TypeAlias = Mapping[str, Any]

NO_EDITS: Edits = {}


class Side(enum.StrEnum):
    """Who wrote the bytes. The client is the side that opened the connection."""

    CLIENT = "client"
    SERVER = "server"

    @property
    def other(self) -> Side:
        """The peer of this side."""
        return Side.SERVER if self is Side.CLIENT else Side.CLIENT


class Kind(enum.StrEnum):
    """What a message is to the conversation it belongs to."""

    REQUEST = "request"
    RESPONSE = "response"
    ONEWAY = "oneway"
    """Asks, and gets no answer."""
    PUSH = "push"
    """Sent without having been asked for."""
    HEARTBEAT = "heartbeat"
    PREFACE = "preface"
    """Speaks of the connection and comes before its protocol: a PROXY header."""
    PACKET = "packet"
    """One QUIC packet."""


# Set by the registry: finds a codec's `body` by the protocol's name. Messages know no codec, so that they pickle.
_read_body: Callable[[Message], Any] | None = None


class Message:
    """One message of any protocol. Read-only by convention: to change one, `encode` it with edits.

    `protocol`  "redis", "proxy", … · `kind`, `side`: what it is and who wrote it.
    `metadata`  what rules and people look at; keys and types are those of `l7codec.vocabulary`.
    `raw`       the exact bytes (less `missing` ones).
    `id`        what pairs a response with its request, or None where order does.
    `missing`   how many bytes of it the capture lacks; such a message cannot be encoded.
    `error`     what is wrong inside a well-framed message, or None.
    `request`   on a response that a Conversation has paired: the request. No part of equality.
    """

    __slots__ = (
        "_body",
        "_time_ns",
        "error",
        "id",
        "kind",
        "metadata",
        "missing",
        "protocol",
        "raw",
        "request",
        "side",
    )

    _body: Any  # not there until asked for
    _time_ns: int  # there only where a capture says when it saw the message complete

    def __init__(
        self,
        protocol: str,
        kind: Kind,
        side: Side,
        metadata: Metadata,
        raw: bytes,
        id: int | None = None,
        missing: int = 0,
        error: BodyError | None = None,
        request: Message | None = None,
    ) -> None:
        self.protocol = protocol
        self.kind = kind
        self.side = side
        self.metadata = metadata
        self.raw = raw
        self.id = id
        self.missing = missing
        self.error = error
        self.request = request

    @property
    def size(self) -> int:
        """Bytes on the wire, missing ones included."""
        return len(self.raw) + self.missing

    @property
    def body(self) -> Any:
        """The decoded payload: plain Python data, computed when first asked for.

        Raises BodyError, the same each time, where the payload is wrong or bytes of it are missing. Changing a body
        in place changes nothing else: `encode(message, {"body": value})` does.
        """
        try:
            body = self._body
        except AttributeError:
            body = self._body = self._read_body()
        if isinstance(body, BodyError):
            raise body.with_traceback(None)
        return body

    def _read_body(self) -> Any:
        if self.missing:
            return BodyError(self.protocol, len(self.raw), f"{self.missing} bytes of the message are missing")
        if _read_body is None:
            raise RuntimeError("import l7codec before reading a message's body")
        try:
            return _read_body(self)
        except BodyError as error:
            error.__context__ = None  # which would keep the frames it came from
            return error

    def __getstate__(self) -> tuple[None, dict[str, Any]]:
        """All but the body, which is computed again."""
        return None, {name: getattr(self, name) for name in self.__slots__ if not name.startswith("_")}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Message):
            return NotImplemented
        return (
            self.raw == other.raw
            and self.metadata == other.metadata
            and self.kind == other.kind
            and self.side == other.side
            and self.protocol == other.protocol
            and self.id == other.id
            and self.missing == other.missing
            and str(self.error) == str(other.error)
        )

    __hash__ = None  # type: ignore[assignment]  # metadata is a dict

    def _summary(self) -> Iterator[tuple[str, Any]]:
        yield "protocol", self.protocol
        yield "kind", str(self.kind)
        yield "side", str(self.side)
        yield "metadata", self.metadata
        if self.id is not None:
            yield "id", self.id
        yield "size", self.size
        if self.missing:
            yield "missing", self.missing
        if self.error is not None:
            yield "error", str(self.error)

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self._summary())
        return f"Message({shown if len(shown) <= 480 else shown[:480] + '…'})"

    def __rich_repr__(self) -> Iterator[tuple[str, Any]]:
        yield from self._summary()


def to_dict(message: Message, body: bool = False) -> dict[str, Any]:
    """The message as the JSON object that `decode --json` prints, less the columns that only a capture knows.

    Bytes, and text that is not valid UTF-8, become `{"$bytes": "<base64>"}`, so that every JSON reader takes it.
    With `body`, the payload is there under "body", or what is wrong with it under "error".
    """
    error = message.error
    row: dict[str, Any] = {
        "protocol": message.protocol,
        "kind": str(message.kind),
        "side": str(message.side),
        "id": message.id,
        "size": message.size,
        "error": None if error is None else plain_name(str(error)),
        "metadata": {plain_name(key): _plain(value) for key, value in message.metadata.items()},
    }
    if message.missing:
        row["missing"] = message.missing
    if body:
        try:
            row["body"] = _plain(message.body)
        except BodyError as bad:
            row["body"] = None
            row["error"] = row["error"] or plain_name(str(bad))
    return row


def plain_name(text: str) -> str:
    """A metadata name or an error's words; a header's name may hold bytes that are not UTF-8."""
    return octets(text).decode("utf-8", "backslashreplace")


def text_or_bytes(value: str) -> Any:
    """Text as JSON has it, or the mark for bytes that it cannot hold."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return _bytes(octets(value))
    return value


def octets(text: str) -> bytes:
    """The bytes that `text` was read from; or, where a payload had other lone surrogates, something like UTF-8."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def _bytes(value: bytes) -> Any:
    """Bytes that are UTF-8 text read as text would need a mark, too; they are always marked."""
    return {"$bytes": base64.b64encode(value).decode("ascii")}


def _float(value: float) -> Any:
    return value if math.isfinite(value) else {"$float": repr(value)}


_INT_BITS = 4096  # the interpreter refuses to write much longer numbers in decimal


def _plain(root: Any) -> Any:
    """`root` as JSON data. Works on a stack of its own: bodies may be nested as deep as Limits allow."""
    top: list[Any] = []
    todo: list[tuple[Any, Callable[[Any], None]]] = [(root, top.append)]
    while todo:
        value, put = todo.pop()
        if hasattr(value, "to_plain"):  # a protocol's own value class says how it reads
            plain = value.to_plain()
            if isinstance(plain, dict):
                _plain_row(plain, put, todo)
            else:
                todo.append((plain, put))
        elif value is None or isinstance(value, bool):
            put(value)
        elif isinstance(value, int):
            put(value if value.bit_length() <= _INT_BITS else {"$int": hex(value)})
        elif isinstance(value, str):
            put(text_or_bytes(value))
        elif isinstance(value, bytes | bytearray | memoryview):
            put(_bytes(bytes(value)))
        elif isinstance(value, float):
            put(_float(value))
        elif isinstance(value, dict):
            _plain_mapping(value, put, todo)
        else:  # list, tuple, or a lazy read-only Sequence
            items: list[Any] = [None] * len(value)
            put(items)
            todo.extend((item, _setter(items, index)) for index, item in enumerate(value))
    return top[0]


def _plain_mapping(value: dict[Any, Any], put: Callable[[Any], None], todo: list[Any]) -> None:
    names = [_name(key) for key in value]
    if None not in names and len(set(names)) == len(names):
        _plain_row(dict(zip(names, value.values(), strict=True)), put, todo)
    else:  # keys that JSON cannot have
        _plain_row({"$map": [[key, item] for key, item in value.items()]}, put, todo)


def _plain_row(value: dict[Any, Any], put: Callable[[Any], None], todo: list[Any]) -> None:
    row: dict[Any, Any] = dict.fromkeys(value)
    put(row)
    todo.extend((item, _setter(row, name)) for name, item in value.items())


def _name(key: Any) -> str | None:
    """A dict's key as a JSON name; None where that could be mistaken for another key, or for one of our marks."""
    if isinstance(key, bytes):
        try:
            key = key.decode()
        except UnicodeDecodeError:
            return None
    return key if isinstance(key, str) and key.isprintable() and not key.startswith("$") else None


def _setter(container: Any, key: Any) -> Callable[[Any], None]:
    def put(value: Any) -> None:
        container[key] = value

    return put
