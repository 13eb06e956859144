"""Names for Thrift bodies, from an IDL.

    {1: ("i64", 42), 2: ("i32", 1), 9: ("string", b"new")}      what the bytes say
    {"id": 42, "color": "RED", 9: ("string", b"new")}           the same, read by `get(1: i64 id, 2: Color color)`

Specification: https://thrift.apache.org/docs/idl

thriftpy2 reads `.thrift` files, and an `Idl` is made from what it has read; nothing here opens a file. With
`l7codec.register(idl.codec())` every Thrift body in this process reads like the IDL; `idl.body(message)` reads one.

What a field is called changes nothing about what it is: one that the IDL does not know, or that comes with another
type than it says, stays under its id, with the type that it has on the wire. So a body with names holds all that the
body by ids holds, and `encode` takes either, or a mixture.

    declared                    reads as
    bool, i8 … i64, double      bool, int, float
    string                      str; bytes that are no UTF-8 are kept (surrogateescape)
    binary                      bytes
    an enum                     the name; a number that has none, as the number
    struct, union, exception    a `Named`: a dict by field name
    list, set                   list
    map                         dict; a list of (key, value) if a key is repeated, or keys are structs or containers

A result is a struct as well: `{"success": …}`, `{}` of a void method, or a declared exception under its name. Defaults
and `required` are the receiver's business: nothing is added, nothing refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ...errors import BodyError, LocalProtocolError
from ...message import Edits, Kind, Message
from ...pending import Pending
from .codec import ThriftCodec
from .declared import APPLICATION_EXCEPTION, Method, Service, StructType, services_of
from .naming import Named, name_struct, type_struct, unnamed
from .values import Struct, StructLike

__all__ = ["Idl", "Method", "Named", "Service"]


class Idl:
    """What `.thrift` files declare: `Idl(thriftpy2.load("orders.thrift"), …)`, with all that they include.

    `services` narrows it to those that the traffic is of: see `method`.
    """

    def __init__(self, *modules: Any, services: Iterable[str] | None = None) -> None:
        """Raises LocalProtocolError if one of `services` is not declared, or a module is none of thriftpy2's."""
        self.services: Mapping[str, Service] = services_of(modules)
        if services is not None:
            self.services = {name: self._service(name) for name in services}

    def codec(self) -> type[ThriftCodec]:
        """ThriftCodec, whose bodies have the names of this IDL. `l7codec.register` it.

        In a conversation, a declared exception's name is the `error.type` of the reply that holds it.

        A message's body is found by the protocol's name, so that messages pickle; that is why one process has one IDL
        in force. Where there are several, leave ThriftCodec in place and ask each for `idl.body(message)`.
        """
        idl = self

        class NamingThriftCodec(ThriftCodec):
            """Thrift, with names."""

            def pair(self, message: Message, pending: Pending) -> Message | None:
                request = super().pair(message, pending)
                name = idl.exception(message, request)
                if name is not None:
                    message.metadata["error.type"] = name
                return request

            @classmethod
            def body(cls, message: Message) -> Any:
                return idl.body(message)

            @classmethod
            def rewrite(cls, message: Message, edits: Edits) -> bytes:
                return super().rewrite(message, idl.edits(message, edits))

        return NamingThriftCodec

    # -- ids to names -------------------------------------------------------------------------------------------

    def body(self, message: Message) -> Named | StructLike:
        """The body of `message` with names; by ids where the IDL does not tell what it is. Raises BodyError."""
        body: StructLike = ThriftCodec.body(message)
        struct = self._struct(message)
        if struct is None or not isinstance(body, Struct):
            return body
        return name_struct(struct, body, _json(message))

    def exception(self, message: Message, request: Message | None = None) -> str | None:
        """The name of the declared exception that `message` is; None of any other message."""
        field = message.metadata.get("thrift.exception_field")
        method = None if field is None else self.method(message, request)
        if method is None or not isinstance(field, int) or field not in method.result.by_id:
            return None
        struct = method.result.by_id[field].type.struct
        return None if struct is None else struct.name

    def method(self, message: Message, request: Message | None = None) -> Method | None:
        """The method that `message` calls or answers; None where the IDL has none or does not tell which.

        Where the call names a service that is declared, that one is asked, else all of them. Of several different
        methods of one name that is taken under which the fewest fields stay without a name; if two are alike in that,
        none is. A reply is read as its `request` is, by default that with which a Conversation has paired it.
        """
        asked = request or message.request or message
        name = asked.metadata.get("method")
        service = self.services.get(str(asked.metadata.get("service")))
        if service is not None:
            return service.methods.get(str(name))
        found = {id(method): method for one in self.services.values() if (method := one.methods.get(str(name)))}
        several = list(found.values())
        if len(several) < 2:
            return several[0] if several else None
        return _closest(several, asked)

    def _struct(self, message: Message) -> StructType | None:
        if _is_application_exception(message):
            return APPLICATION_EXCEPTION
        method = self.method(message)
        if method is None:
            return None
        return method.result if message.kind is Kind.RESPONSE else method.arguments

    # -- names to ids -------------------------------------------------------------------------------------------

    def arguments(self, service: str, method: str, values: Mapping[Any, Any], *, protocol: str = "binary") -> Struct:
        """The arguments of a method as `thrift.call` takes them, for this protocol: JSON has binary in base64.

        Raises LocalProtocolError where they do not fit.
        """
        return type_struct(self._method(service, method).arguments, values, protocol == "json")

    def result(self, service: str, method: str, values: Mapping[Any, Any], *, protocol: str = "binary") -> Struct:
        """A result, `{"success": …}` or a declared exception by its name, as `thrift.reply` takes it."""
        return type_struct(self._method(service, method).result, values, protocol == "json")

    def edits(self, message: Message, edits: Edits) -> Edits:
        """`edits` for `encode`, in which the body may have names. Raises LocalProtocolError where they do not fit.

        A body with names that comes with a new method or service has the names of that one.
        """
        values = edits.get("body")
        if not isinstance(values, Mapping) or not any(isinstance(key, str) for key in values):
            return edits
        struct = self._struct(message) if edits.keys().isdisjoint(("method", "service")) else self._new(message, edits)
        if struct is None:
            name = message.metadata.get("method")
            raise LocalProtocolError(
                "thrift", 0, f"the IDL does not tell what the names in a body of {name!r} stand for"
            )
        return {**edits, "body": type_struct(struct, values, _json(message))}

    def _new(self, message: Message, edits: Edits) -> StructType | None:
        """What the body of a message is that is to call something else."""
        metadata = message.metadata.copy()
        for name in ("method", "service"):
            if name in edits:
                metadata.pop(name, None)
                if edits[name] is not None:
                    metadata[name] = edits[name]
        turned = Message(message.protocol, message.kind, message.side, metadata, message.raw, message.id)
        return self._struct(turned)

    def _service(self, name: str) -> Service:
        found = self.services.get(name)
        if found is None:
            known = ", ".join(self.services) or "none"
            raise LocalProtocolError("thrift", 0, f"the IDL has no service {name!r}; it has {known}")
        return found

    def _method(self, service: str, method: str) -> Method:
        found = self._service(service).methods.get(method)
        if found is None:
            raise LocalProtocolError("thrift", 0, f"{service} has no method {method!r}")
        return found


def _closest(methods: list[Method], message: Message) -> Method | None:
    """Of different methods the one that explains most of a message's outermost fields; None if two do,
    unless they are declared alike."""
    try:
        body = ThriftCodec.body(message)
    except BodyError:  # of the request that is answered: its bytes tell nothing
        return None
    answers = message.kind is Kind.RESPONSE
    strange = [unnamed(one.result if answers else one.arguments, body, _json(message)) for one in methods]
    best = [one for one, count in zip(methods, strange, strict=True) if count == min(strange)]
    same = all(_layout(one) == _layout(best[0]) for one in best)
    return best[0] if same else None


def _layout(method: Method) -> Any:
    return method.arguments.by_id, method.result.by_id


def _is_application_exception(message: Message) -> bool:
    return message.metadata.get("thrift.type") == "exception"


def _json(message: Message) -> bool:
    return message.metadata.get("thrift.protocol") == "json"
