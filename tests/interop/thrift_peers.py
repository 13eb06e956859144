"""Apache Thrift's library and thriftpy2 as clients and as servers, over every transport and protocol that they have.

Both take the service from docs/captures/everything.thrift: thriftpy2 reads it, and Apache's classes are made from what
it read, with `TBase`, as the compiler's `py:dynamic` does. What goes in and comes out is plain data in both: structs
are dicts by field name, enums integers, a declared exception is `Thrown`.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import thriftpy2
import thriftpy2.protocol as py2_protocol
import thriftpy2.protocol.binary as py2_binary
import thriftpy2.thrift as py2
import thriftpy2.transport as py2_transport
from thrift import Thrift, TMultiplexedProcessor
from thrift.protocol import TBinaryProtocol, TCompactProtocol, THeaderProtocol, TJSONProtocol, TMultiplexedProtocol
from thrift.protocol.TBase import TBase, TExceptionBase
from thrift.transport import TSocket, TTransport
from thrift.transport.THeaderTransport import THeaderClientType, THeaderSubprotocolID, THeaderTransformID
from thriftpy2.transport import framed as py2_framed

from .programs import PATIENCE

IDL = Path(__file__).resolve().parents[2] / "docs" / "captures"


@cache
def idl() -> Any:
    """What thriftpy2 read."""
    return thriftpy2.load(str(IDL / "everything.thrift"))


class Thrown(Exception):
    """A call that ends with a declared exception: the name of its field in the result, and its own fields."""

    def __init__(self, name: str, value: dict[str, Any]) -> None:
        super().__init__(name, value)
        self.name = name
        self.value = value


class Failed(Exception):
    """A call that ends with a TApplicationException."""

    def __init__(self, type: int, message: str | None) -> None:
        super().__init__(type, message)
        self.type = type
        self.message = message


class Dialect(NamedTuple):
    """What goes over the wire: which transport and which protocol."""

    transport: str
    protocol: str
    zlib: bool = False


class Peer(NamedTuple):
    """A library in one of its builds, speaking a dialect."""

    library: str
    build: str
    dialect: Dialect

    def __str__(self) -> str:
        zlib = "-zlib" if self.dialect.zlib else ""
        return f"{self.library}-{self.build}-{self.dialect.transport}-{self.dialect.protocol}{zlib}"


_PLAIN = [Dialect(transport, protocol) for transport in ("unframed", "framed") for protocol in ("binary", "compact")]
_JSON = [Dialect(transport, "json") for transport in ("unframed", "framed")]
_HEADER = [Dialect("header", protocol, zlib) for protocol in ("binary", "compact") for zlib in (False, True)]

PEERS = [
    *(Peer("apache", build, dialect) for build in ("pure", "fast") for dialect in _PLAIN),
    *(Peer("apache", "pure", dialect) for dialect in _JSON),
    *(Peer("apache", "fast", dialect) for dialect in _HEADER),
    *(Peer("thriftpy2", "pure", dialect) for dialect in (*_PLAIN, *_JSON)),
    *(Peer("thriftpy2", "fast", dialect) for dialect in _PLAIN if dialect.protocol == "binary"),
]
"""THeader is Apache's alone, and always accelerated; thriftpy2 has its quick reader and writer for binary only."""


# -- one kind of value for both ---------------------------------------------------------------------------------------


class Type(NamedTuple):
    """A type of the IDL. `of`: the element types of a container, or the class of a struct or an enum."""

    code: int
    of: tuple[Any, ...] = ()


def type_of(code: int, more: Any) -> Type:
    """From the form in which thriftpy2 keeps types."""
    if code == py2.TType.STRUCT:
        return Type(code, (more,))
    if code in (py2.TType.LIST, py2.TType.SET):
        return Type(code, (_inner(more),))
    if code == py2.TType.MAP:
        return Type(code, (_inner(more[0]), _inner(more[1])))
    return Type(code) if more is None else Type(code, (more,))


def _inner(form: Any) -> Type:
    return type_of(*form) if isinstance(form, tuple) else Type(form)


def fields(struct: type) -> dict[int, tuple[str, Type]]:
    """A struct's fields in the order of their ids: name and type."""
    spec = struct.thrift_spec  # type: ignore[attr-defined]
    found = {}
    for number in sorted(spec):
        code, name, *more, _ = spec[number]
        found[number] = (name, type_of(code, more[0] if more else None))
    return found


def build(value: Any, kind: Type, make: Callable[[type], type]) -> Any:
    """Plain data as a library wants it; `make` gives its class for a struct."""
    if kind.code == py2.TType.STRUCT:
        struct = kind.of[0]
        made = make(struct)()
        for name, inner in fields(struct).values():
            setattr(made, name, build(value[name], inner, make) if name in value else None)
        return made
    if kind.code == py2.TType.LIST:
        return [build(item, kind.of[0], make) for item in value]
    if kind.code == py2.TType.SET:
        return {build(item, kind.of[0], make) for item in value}
    if kind.code == py2.TType.MAP:
        key, item = kind.of
        return {build(one, key, make): build(other, item, make) for one, other in value.items()}
    return value


def plain(value: Any, kind: Type) -> Any:
    """What a library read as plain data; a field that is not set is not there."""
    if kind.code == py2.TType.STRUCT:
        found = {}
        for name, inner in fields(kind.of[0]).values():
            held = getattr(value, name)
            if held is not None:
                found[name] = plain(held, inner)
        return found
    if kind.code == py2.TType.LIST:
        return [plain(item, kind.of[0]) for item in value]
    if kind.code == py2.TType.SET:
        return {plain(item, kind.of[0]) for item in value}
    if kind.code == py2.TType.MAP:
        key, item = kind.of
        return {plain(one, key): plain(other, item) for one, other in value.items()}
    return value


def arguments_of(service: Any, method: str) -> type:
    return getattr(service, f"{method}_args")  # type: ignore[no-any-return]


def result_of(service: Any, method: str) -> type:
    return getattr(service, f"{method}_result")  # type: ignore[no-any-return]


Handler = Callable[[str, dict[str, Any]], Any]
"""What a service does: the method and its arguments, and what comes back; it may raise Thrown or anything else."""


# -- Apache -----------------------------------------------------------------------------------------------------------


@cache
def apache(struct: type) -> type:
    """The class that stands for this struct in Apache's library."""
    known = fields(struct)
    names = tuple(name for name, _ in known.values())
    base = TExceptionBase if issubclass(struct, py2.TException) else TBase
    made = type(struct.__name__, (base,), {"__slots__": names, "__init__": _unset, "__hash__": object.__hash__})
    spec: list[Any] = [None] * (max(known, default=-1) + 1)
    made.thrift_spec = spec  # type: ignore[attr-defined]  # a struct may hold itself
    for number, (name, kind) in known.items():
        spec[number] = (number, _code(kind), name, _more(kind), None)
    made.thrift_spec = tuple(spec)  # type: ignore[attr-defined]
    return made


def _unset(self: Any) -> None:
    for name in self.__slots__:
        setattr(self, name, None)


def _code(kind: Type) -> int:
    return 11 if kind.code == py2.TType.BINARY else kind.code


def _more(kind: Type) -> Any:
    if kind.code == py2.TType.STRING:
        return "UTF8"
    if kind.code == py2.TType.BINARY:
        return "BINARY"
    if kind.code == py2.TType.STRUCT:
        made = apache(kind.of[0])
        return [made, made.thrift_spec]  # type: ignore[attr-defined]
    if kind.code in (py2.TType.LIST, py2.TType.SET):
        return (_code(kind.of[0]), _more(kind.of[0]), False)
    if kind.code == py2.TType.MAP:
        key, item = kind.of
        return (_code(key), _more(key), _code(item), _more(item), False)
    return None


class _ApacheClient:
    def __init__(self, protocol: Any, service: Any) -> None:
        self.protocol = protocol
        self._service = service

    def call(self, method: str, **arguments: Any) -> Any:
        struct = arguments_of(self._service, method)
        result = result_of(self._service, method)
        kind = Thrift.TMessageType.ONEWAY if result.oneway else Thrift.TMessageType.CALL  # type: ignore[attr-defined]
        self.protocol.writeMessageBegin(method, kind, 0)  # as generated clients do: always 0
        build(arguments, Type(py2.TType.STRUCT, (struct,)), apache).write(self.protocol)
        self.protocol.writeMessageEnd()
        self.protocol.trans.flush()
        return None if result.oneway else self._answer(result)  # type: ignore[attr-defined]

    def _answer(self, result: type) -> Any:
        _, kind, _ = self.protocol.readMessageBegin()
        if kind == Thrift.TMessageType.EXCEPTION:
            error = Thrift.TApplicationException()
            error.read(self.protocol)
            self.protocol.readMessageEnd()
            raise Failed(error.type, error.message)
        made = apache(result)()
        made.read(self.protocol)
        self.protocol.readMessageEnd()
        return _outcome(plain(made, Type(py2.TType.STRUCT, (result,))))


def _outcome(result: dict[str, Any]) -> Any:
    for name, value in result.items():
        if name != "success":
            raise Thrown(name, value)
    return result.get("success")


class _ApacheProcessor(Thrift.TProcessor):
    def __init__(self, service: Any, handle: Handler) -> None:
        self._service = service
        self._handle = handle

    def process(self, reader: Any, writer: Any) -> None:
        method, _, sequence = reader.readMessageBegin()
        if method not in self._service.thrift_services:
            reader.skip(Thrift.TType.STRUCT)
            reader.readMessageEnd()
            unknown = Thrift.TApplicationException.UNKNOWN_METHOD
            self._write(writer, method, 3, sequence, Thrift.TApplicationException(unknown, f"no method {method}"))
            return
        struct, result = arguments_of(self._service, method), result_of(self._service, method)
        arguments = apache(struct)()
        arguments.read(reader)
        reader.readMessageEnd()
        kind = Type(py2.TType.STRUCT, (result,))
        try:
            value = self._handle(method, plain(arguments, Type(py2.TType.STRUCT, (struct,))))
            answer = build({} if value is None else {"success": value}, kind, apache)
        except Thrown as thrown:
            answer = build({thrown.name: thrown.value}, kind, apache)
        except Exception as error:  # what a handler does not declare: generated processors answer so
            internal = Thrift.TApplicationException(Thrift.TApplicationException.INTERNAL_ERROR, str(error))
            self._write(writer, method, 3, sequence, internal)
            return
        if not result.oneway:  # type: ignore[attr-defined]
            self._write(writer, method, 2, sequence, answer)

    @staticmethod
    def _write(writer: Any, method: str, kind: int, sequence: int, answer: Any) -> None:
        writer.writeMessageBegin(method, kind, sequence)
        answer.write(writer)
        writer.writeMessageEnd()
        writer.trans.flush()


_APACHE_PROTOCOLS = {
    ("binary", "pure"): TBinaryProtocol.TBinaryProtocol,
    ("binary", "fast"): lambda transport: TBinaryProtocol.TBinaryProtocolAccelerated(transport, fallback=False),
    ("compact", "pure"): TCompactProtocol.TCompactProtocol,
    ("compact", "fast"): lambda transport: TCompactProtocol.TCompactProtocolAccelerated(transport, fallback=False),
    ("json", "pure"): TJSONProtocol.TJSONProtocol,
}
_EVERY_CLIENT = (
    THeaderClientType.HEADERS,
    THeaderClientType.FRAMED_BINARY,
    THeaderClientType.UNFRAMED_BINARY,
    THeaderClientType.FRAMED_COMPACT,
    THeaderClientType.UNFRAMED_COMPACT,
)


def apache_protocol(transport: Any, peer: Peer, headers: Mapping[bytes, bytes] | None = None) -> Any:
    """Apache's protocol of this dialect over a transport of its own."""
    _, protocol, zlib = peer.dialect
    if peer.dialect.transport == "header":
        number = THeaderSubprotocolID.COMPACT if protocol == "compact" else THeaderSubprotocolID.BINARY
        made = THeaderProtocol.THeaderProtocol(transport, _EVERY_CLIENT, number)
        if zlib:
            made.add_transform(THeaderTransformID.ZLIB)
        for name, value in (headers or {}).items():
            made.set_header(name, value)
        return made
    framed = peer.dialect.transport == "framed"
    inner = (TTransport.TFramedTransport if framed else TTransport.TBufferedTransport)(transport)
    return _APACHE_PROTOCOLS[protocol, peer.build](inner)


def apache_socket(connected: socket.socket) -> Any:
    made = TSocket.TSocket()
    made.setHandle(connected)
    return made


# -- thriftpy2 --------------------------------------------------------------------------------------------------------


class _Py2Client:
    def __init__(self, protocol: Any, service: Any, peer: Peer) -> None:
        self.protocol = protocol
        self._service = service
        self._peer = peer
        self._client = py2.TClient(service, protocol)

    def call(self, method: str, **arguments: Any) -> Any:
        struct, result = arguments_of(self._service, method), result_of(self._service, method)
        made = build(arguments, Type(py2.TType.STRUCT, (struct,)), lambda one: one)
        _next_message(self._peer, self.protocol)
        given = {name: value for name, value in vars(made).items() if value is not None}
        try:
            value = self._client._req(method, **given)
        except py2.TApplicationException as error:
            raise Failed(error.type, error.message) from None
        except py2.TException as error:
            for name, kind in fields(result).values():
                if kind.of and isinstance(error, kind.of[0]):
                    raise Thrown(name, plain(error, kind)) from None
            raise
        kinds = dict(fields(result).values())
        return None if value is None else plain(value, kinds["success"])


class _Py2Handler:
    """Methods as thriftpy2 looks for them."""

    def __init__(self, service: Any, handle: Handler) -> None:
        self._service = service
        self._handle = handle

    def __getattr__(self, method: str) -> Callable[..., Any]:
        struct, result = arguments_of(self._service, method), result_of(self._service, method)

        def call(*values: Any) -> Any:
            made = struct()
            for (code, name, *_), value in zip(struct.thrift_spec.values(), values, strict=True):  # type: ignore[attr-defined]
                assert code
                setattr(made, name, value)
            kinds = dict(fields(result).values())
            try:
                value = self._handle(method, plain(made, Type(py2.TType.STRUCT, (struct,))))
            except Thrown as thrown:
                raise build(thrown.value, kinds[thrown.name], lambda one: one) from None
            except Failed as failed:
                raise py2.TApplicationException(failed.type, failed.message) from None
            except Exception as error:  # by itself it would close the connection without a word
                internal = py2.TApplicationException.INTERNAL_ERROR
                raise py2.TApplicationException(internal, str(error)) from error
            return None if value is None else build(value, kinds["success"], lambda one: one)

        return call


_PY2_PROTOCOLS = {
    ("binary", "pure"): py2_binary.TBinaryProtocol,
    ("binary", "fast"): py2_protocol.TCyBinaryProtocol,
    ("compact", "pure"): py2_protocol.TCompactProtocol,
    ("json", "pure"): py2_protocol.TApacheJSONProtocol,
}


def py2_protocol_of(transport: Any, peer: Peer) -> Any:
    """thriftpy2's protocol of this dialect over a transport of its own."""
    framed = peer.dialect.transport == "framed"
    if peer.build == "fast":
        inner: Any = (py2_transport.TCyFramedTransport if framed else py2_transport.TCyBufferedTransport)(transport)
    elif framed:
        inner = py2_framed.TFramedTransport(transport)
    else:
        inner = py2_transport.buffered.TBufferedTransport(transport)
    return _PY2_PROTOCOLS[peer.dialect.protocol, peer.build](inner)


def py2_socket(connected: socket.socket) -> Any:
    made = py2_transport.TSocket()
    made.set_handle(connected)
    return made


# -- clients and servers ----------------------------------------------------------------------------------------------


@contextlib.contextmanager
def client(
    port: int, peer: Peer, service: str = "Everything", *, multiplexed: bool = False, headers: Any = None
) -> Iterator[Any]:
    """A client of this library and dialect: `call(method, **arguments)`; `port` is its own."""
    found = getattr(idl(), service)
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as connected:
        if peer.library == "apache":
            protocol = apache_protocol(apache_socket(connected), peer, headers)
            if multiplexed:
                protocol = TMultiplexedProtocol.TMultiplexedProtocol(protocol, service)
            made: Any = _ApacheClient(protocol, found)
        else:
            protocol = py2_protocol_of(py2_socket(connected), peer)
            if multiplexed:
                protocol = py2_protocol.TMultiplexedProtocol(protocol, service)
            made = _Py2Client(protocol, found, peer)
        made.port = connected.getsockname()[1]
        yield made


@contextlib.contextmanager
def server(peer: Peer, handlers: Mapping[str, Handler], *, multiplexed: bool = False, port: int = 0) -> Iterator[int]:
    """The port of a server of this library and dialect; `handlers` by the service's name."""
    make = _apache_processor if peer.library == "apache" else _py2_processor
    processor = make(handlers, multiplexed)
    problems: list[BaseException] = []
    threads: list[threading.Thread] = []
    listener = socket.create_server(("127.0.0.1", port))

    def serve(connected: socket.socket) -> None:
        try:
            with connected:
                _serve(connected, peer, processor)
        except BaseException as error:  # raised where the test can see it
            problems.append(error)

    def accept() -> None:
        with contextlib.suppress(OSError):  # closed: the test is over
            while True:
                connected, _ = listener.accept()
                threads.append(threading.Thread(target=serve, args=(connected,), daemon=True))
                threads[-1].start()

    accepting = threading.Thread(target=accept, daemon=True)
    accepting.start()
    try:
        yield listener.getsockname()[1]
    finally:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        accepting.join(PATIENCE)
        for thread in threads:
            thread.join(PATIENCE)
    if problems:
        raise problems[0]


def _serve(connected: socket.socket, peer: Peer, processor: Any) -> None:
    if peer.library == "apache":
        protocol = apache_protocol(apache_socket(connected), peer)
        with contextlib.suppress(TTransport.TTransportException, EOFError):  # the client has left
            while True:
                processor.process(protocol, protocol)
    else:
        protocol = py2_protocol_of(py2_socket(connected), peer)
        with contextlib.suppress(py2_transport.TTransportException):
            while True:
                processor.process(protocol, protocol)
                _next_message(peer, protocol)


def _next_message(peer: Peer, protocol: Any) -> None:
    """thriftpy2's JSON protocol is for one message; what it has read must be taken from it before it reads another."""
    if peer.library == "thriftpy2" and peer.dialect.protocol == "json":
        protocol._req = None


def _apache_processor(handlers: Mapping[str, Handler], multiplexed: bool) -> Any:
    made = {name: _ApacheProcessor(getattr(idl(), name), handle) for name, handle in handlers.items()}
    if not multiplexed:
        return next(iter(made.values()))
    several = TMultiplexedProcessor.TMultiplexedProcessor()
    for name, one in made.items():
        several.registerProcessor(name, one)
    return several


def _py2_processor(handlers: Mapping[str, Handler], multiplexed: bool) -> Any:
    made = {}
    for name, handle in handlers.items():
        service = getattr(idl(), name)
        made[name] = py2.TProcessor(service, _Py2Handler(service, handle))
    if not multiplexed:
        return next(iter(made.values()))
    several = py2.TMultiplexedProcessor()
    for name, one in made.items():
        several.register_processor(name, one)
    return several
