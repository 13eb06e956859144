"""A codec from the declaration of its header: for proprietary protocols, in about fifteen lines.

    import l7codec
    from construct import Bytes, Const, Int8ub, Int16ub, Int32ub, Struct, this
    from l7codec.declarative import HeaderCodec

    @l7codec.register
    class AwesomeRPC(HeaderCodec):
        name = "awesome"
        header = Struct("magic" / Const(b"AW"), "kind" / Int8ub, "id" / Int32ub, "service" / Int16ub, "total" / Int32ub)
        length = this.total                                  # of the whole message, header included
        kind = {0: "request", 1: "response", 2: "oneway"}
        metadata = {"service": lambda header, raw: raw[13 : 13 + header.service].decode()}

That gives framing, detection by the constants at the header's start, conversations, laws, capture and command line.
Every header must have one fixed size, known when the class is made; it is interpreted by `construct` at some 14 µs a
message, not compiled (construct's own documentation keeps compiled code away from untrusted data).

Needs the extra `declare`.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from .buffer import ReceiveBuffer
from .codec import NO, Answer, Codec, Confidence, Resync, Verdict
from .errors import BodyError, LocalProtocolError, MissingExtra, RemoteProtocolError
from .message import Edits, Kind, Message, Side
from .vocabulary import term

try:
    import construct
except ImportError as missing:
    raise MissingExtra("declare", "declaring a codec by its header") from missing

__all__ = ["HeaderCodec"]

_WRONG = Exception
"""What a declaration's own functions may raise over a peer's bytes: anything (struct.error, RecursionError, …)."""


class HeaderCodec(Codec):
    """Messages that begin with a header of fixed size, which says how long they are.

    A subclass declares, each as a function of the parsed header, a construct expression (`this.total`), or a constant:

    `header`    the `construct` structure. Constants at its start (`Const`) are what detection looks for.
    `length`    bytes of the whole message, header included.
    `kind`      a `Kind` or its name; or a mapping from the header's field `kind` to those. Requests and responses by
                side when it is left out.
    `id`        what pairs a response with its request; the header's field `id` when there is one. None: by order.
    `metadata`  key → function of (header, raw). Keys are the vocabulary's, or `<name>.…`; those need an entry in
                `vocabulary`. A function that returns None or "" leaves its key out; one that raises, or returns what
                is not the key's type, does so too and sets the message's `error`.
    `payload`   the body: a function of (header, payload bytes); the bytes themselves when it is left out. What
                `construct` parses comes as plain dicts and lists.

    A declaration that cannot be is a TypeError when the class is made.
    """

    header: ClassVar[Any]
    length: ClassVar[Any]
    kind: ClassVar[Any] = None
    id: ClassVar[Any] = None
    metadata: ClassVar[Mapping[str, Callable[[Any, bytes], Any]]] = {}
    payload: ClassVar[Callable[[Any, bytes], Any] | None] = None

    _size: ClassVar[int]
    _magic: ClassVar[bytes]
    _offsets: ClassVar[dict[str, int]]
    _types: ClassVar[dict[str, type]]

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for declared in ("length", "kind", "id", "payload"):
            function = cls.__dict__.get(declared)
            if callable(function):  # neither a method of the class nor, as `this.x` claims to be, an abstract one
                setattr(cls, declared, staticmethod(functools.partial(function)))
        if "header" in cls.__dict__:
            cls._read_header()
        if hasattr(cls, "_offsets"):
            cls._check()

    @classmethod
    def _read_header(cls) -> None:
        try:
            cls._size = int(cls.header.sizeof())
        except construct.SizeofError as error:
            raise TypeError(f"{cls.__name__}.header has no fixed size: {error}") from error
        cls._magic = b""
        cls._offsets = {}
        offset = 0
        for field in cls.header.subcons:
            constant = field.subcon if isinstance(field, construct.Renamed) else field
            if isinstance(constant, construct.Const) and len(cls._magic) == offset:
                cls._magic += constant.build(None)
            if field.name:
                cls._offsets[field.name] = offset
            offset += field.sizeof()
        if "id" not in cls.__dict__ and "id" in cls._offsets:
            cls.id = staticmethod(functools.partial(construct.this.id))

    @classmethod
    def _check(cls) -> None:
        if isinstance(cls.kind, Mapping):
            if "kind" not in cls._offsets:
                raise TypeError(f"{cls.__name__}.kind is a mapping, but the header has no field 'kind'")
            unknown = [kind for kind in cls.kind.values() if kind not in set(Kind)]
            if unknown:
                raise TypeError(f"{cls.__name__}.kind: {unknown[0]!r} is none of {', '.join(Kind)}")
        cls._types = {}
        for key in cls.metadata:
            known = term(key)
            if known is None and key not in cls.vocabulary:
                raise TypeError(f"{cls.__name__}.metadata: {key!r} is no key of the vocabulary, nor of `vocabulary`")
            cls._types[key] = cls.vocabulary[key] if known is None else known.type
        if "edits" not in cls.__dict__:
            settable = {"body": cls.length, "id": cls.id}
            cls.edits = frozenset(name for name, expression in settable.items() if cls._reads(expression) is not None)

    def decode(self, side: Side, buffer: ReceiveBuffer) -> Message | None:
        """Frame by the header's length; everything else is read once the whole message is there."""
        data, start, size = buffer.data, buffer.position, self._size
        magic = self._magic
        seen = data[start : start + len(magic)]
        if seen != magic:
            for index, (byte, expected) in enumerate(zip(seen, magic, strict=False)):
                if byte != expected:
                    raise buffer.fail(f"a message begins with {magic!r}", index)
            buffer.wait(len(seen) + 1)  # a wrong byte is an error as soon as it is there
            return None
        if len(data) - start < size:
            buffer.wait(size)
            return None
        header = self._header(buffer)
        try:
            total = int(_value(self.length, header))
        except _WRONG as error:
            raise buffer.fail(f"no length in the header: {_words(error)}") from None
        if total < size:
            raise buffer.fail(f"length {total} is shorter than the header, which has {size} bytes")
        if total > self.limits.message:
            raise buffer.exceed(f"length {total} is over the limit of {self.limits.message}")
        if len(data) - start < total:
            buffer.wait(total, counted=True)
            return None
        try:
            kind = self._kind(header, side)
            id = _value(self.id, header)
            id = None if id is None else int(id)
        except _WRONG as error:
            raise buffer.fail(f"bad header: {_words(error)}") from None
        hole = buffer.hole
        raw = buffer.take(total)
        message = Message(self.name, kind, side, {}, raw, id, buffer.missing)
        if hole is None:
            self._describe(message, header)
        else:
            message.error = BodyError(self.name, hole, f"{buffer.missing} bytes are missing")
        return message

    def _header(self, buffer: ReceiveBuffer) -> Any:
        start = buffer.position
        try:
            return self.header.parse(buffer.data[start : start + self._size])
        except _WRONG as error:
            raise buffer.fail(f"bad header: {_words(error)}") from None

    def _kind(self, header: Any, side: Side) -> Kind:
        if self.kind is None:
            return Kind.REQUEST if side is Side.CLIENT else Kind.RESPONSE
        if isinstance(self.kind, Mapping):
            known = self.kind.get(header.kind)
            if known is None:
                raise ValueError(f"unknown kind {header.kind!r}")
            return Kind(known)
        return Kind(_value(self.kind, header))

    def _describe(self, message: Message, header: Any) -> None:
        for key, read in self.metadata.items():
            try:
                value = read(header, message.raw)
            except _WRONG as error:
                message.error = BodyError(self.name, self._size, f"{key}: {_words(error)}")
                continue
            if isinstance(value, list):
                value = tuple(value)
            if value is None or value == "":
                continue
            wrong = self._wrong_value(key, value)
            if wrong:
                message.error = BodyError(self.name, self._size, f"{key}: {wrong}")
            else:
                message.metadata[key] = value

    def _wrong_value(self, key: str, value: Any) -> str:
        """Why metadata cannot hold `value` under `key`; nothing if it can."""
        expected = self._types[key]
        if isinstance(value, tuple) and expected in (tuple, object):
            if len(value) > self.limits.values:
                return f"{len(value)} values are over the limit of {self.limits.values}"
            return "" if all(isinstance(item, str) for item in value) else "a tuple of other things than text"
        fits = isinstance(value, str if expected is object else expected)
        if not fits or (isinstance(value, bool) and expected is not bool):
            return f"{type(value).__name__} is not {expected.__name__}"
        return ""

    @classmethod
    def body(cls, message: Message) -> Any:
        """What `payload` makes of the bytes behind the header."""
        rest = message.raw[cls._size :]
        if cls.payload is None:
            return rest
        try:
            return _plain(cls.payload(cls.header.parse(message.raw[: cls._size]), rest))
        except _WRONG as error:
            raise BodyError(cls.name, cls._size, _words(error)) from None

    @classmethod
    def message(cls, payload: bytes = b"", *, side: Side = Side.CLIENT, **fields: Any) -> Message:
        """A message from the header's fields and the payload; the length is filled in.

        Raises LocalProtocolError where the header cannot be built of them.
        """
        unknown = fields.keys() - cls._offsets.keys()
        if unknown:
            raise LocalProtocolError(cls.name, 0, f"the header has no field {min(unknown)!r}")
        length = cls._length_field()
        try:
            header = cls.header.build({length: 0, **fields})
        except _WRONG as error:
            raise LocalProtocolError(cls.name, 0, f"no header of these fields: {_words(error)}") from None
        try:
            message = cls().decode(side, ReceiveBuffer(cls.name, cls._join(header, payload)))
        except RemoteProtocolError as error:
            raise LocalProtocolError(cls.name, error.offset, error.reason) from None
        if message is None or message.size != cls._size + len(payload):
            raise LocalProtocolError(cls.name, 0, "the declared length is not that of the message")
        return message

    @classmethod
    def rewrite(cls, message: Message, edits: Edits) -> bytes:
        """Another payload or id; the header keeps its other bytes."""
        header, payload = message.raw[: cls._size], message.raw[cls._size :]
        if "id" in edits:
            header = cls._set(header, cls._field_of(cls.id, "id"), edits["id"])
        if "body" in edits:
            payload = b"" if edits["body"] is None else edits["body"]
            if not isinstance(payload, bytes):
                raise LocalProtocolError(cls.name, 0, f"a body is bytes, not {type(payload).__name__}")
        return cls._join(header, payload)

    @classmethod
    def sniff(cls, data: bytes, side: Side) -> Verdict:
        """By the constants at the header's start; without any, by a length that is not absurd."""
        if not cls._magic.startswith(data[: len(cls._magic)]):
            return NO
        if len(data) < cls._size:
            return Verdict(Answer.MORE)
        stream_start = ReceiveBuffer(cls.name, data)
        try:
            cls().decode(side, stream_start)
        except RemoteProtocolError:
            return NO
        return Verdict(Answer.YES, _CONFIDENCE[min(len(cls._magic), 4)])

    def resync(self, side: Side, data: bytes) -> Resync:
        """The next place where the constants at the header's start stand; there are none to look for without them."""
        magic = self._magic
        if len(magic) < _LEAST_MAGIC:
            return Resync(len(data), False)
        found = data.find(magic)
        if found >= 0:
            return Resync(found, True)
        kept = next((n for n in range(len(magic) - 1, 0, -1) if data.endswith(magic[:n])), 0)
        return Resync(len(data) - kept, False)

    # -- the length, backwards ----------------------------------------------------------------------------------

    @classmethod
    def _join(cls, header: bytes, payload: bytes) -> bytes:
        """Header and payload, with the length field set to fit: `length` is taken to be linear in that field."""
        field = cls._length_field()
        total = cls._size + len(payload)
        try:
            fixed, first = (int(_value(cls.length, cls.header.parse(cls._set(header, field, n)))) for n in (0, 1))
        except _WRONG as error:
            raise LocalProtocolError(cls.name, 0, f"no length: {_words(error)}") from None
        value, rest = divmod(total - fixed, first - fixed) if first != fixed else (0, 1)
        if rest:
            raise LocalProtocolError(cls.name, 0, f"a message of {total} bytes has no value of {field!r}")
        return cls._set(header, field, value) + payload

    @classmethod
    def _length_field(cls) -> str:
        return cls._field_of(cls.length, "length")

    @classmethod
    def _field_of(cls, expression: Any, what: str) -> str:
        """The one header field that a declared expression reads."""
        field = cls._reads(expression)
        if field is None:
            raise LocalProtocolError(cls.name, 0, f"cannot set the {what}: it is not read from one header field")
        return field

    @classmethod
    def _reads(cls, expression: Any) -> str | None:
        read = _Reads()
        with contextlib.suppress(_WRONG):  # only what it reads counts; a probe's value may well be out of range
            _value(expression, read)
        return read.names[0] if len(read.names) == 1 and read.names[0] in cls._offsets else None

    @classmethod
    def _set(cls, header: bytes, field: str, value: Any) -> bytes:
        start = cls._offsets[field]
        try:
            built: bytes = getattr(cls.header, field).build(value)
        except _WRONG as error:
            raise LocalProtocolError(cls.name, start, f"{field}: {_words(error)}") from None
        return header[:start] + built + header[start + len(built) :]


_LEAST_MAGIC = 2  # a single byte is found everywhere
_CONFIDENCE = (Confidence.HINT, Confidence.LENGTH, Confidence.LENGTH, Confidence.TEXT, Confidence.MAGIC)


class _Reads(dict[str, Any]):
    """A header that notes which of its fields are read, each of them 0."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __missing__(self, name: str) -> int:
        if name not in self.names:
            self.names.append(name)
        return 0

    __getattr__ = __missing__


def _value(declared: Any, header: Any) -> Any:
    return declared(header) if callable(declared) else declared


def _plain(value: Any) -> Any:
    """What construct parses, as plain data: its containers carry the stream they were read from."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items() if not (isinstance(key, str) and key[:1] == "_")}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


def _words(error: BaseException) -> str:
    """An exception in one line; construct's own texts begin with a path and end with advice."""
    lines = [line for line in str(error).splitlines() if line and not line.startswith("Error in path")]
    return lines[0] if lines else type(error).__name__
