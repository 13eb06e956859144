"""What an IDL declares, as plain data that pickles: services, methods, structs, enums, types.

Specification: https://thrift.apache.org/docs/idl

thriftpy2 is the one that reads `.thrift` files. `services_of` takes over what is in the modules that it makes of them;
it is not imported for that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any, Final, NamedTuple

from ...errors import LocalProtocolError
from .describe import APPLICATION_ERRORS

__all__ = [
    "APPLICATION_EXCEPTION",
    "Enum",
    "Field",
    "Method",
    "Service",
    "StructType",
    "Type",
    "services_of",
    "with_uuid",
]


class Enum(NamedTuple):
    """An enum: numbers to names, and back. Several names may have one number."""

    name: str
    names: Mapping[int, str]
    numbers: Mapping[str, int]


class Field(NamedTuple):
    """A field of a struct."""

    id: int
    name: str
    type: Type


class StructType:
    """A struct, union or exception; the arguments or the result of a method. It may hold itself."""

    __slots__ = ("by_id", "by_name", "name")

    def __init__(self, name: str, *fields: Field) -> None:
        self.name = name
        self.by_id: dict[int, Field] = {}
        self.by_name: dict[str, Field] = {}
        for field in fields:
            self.add(field)

    def add(self, field: Field) -> None:
        """One more field."""
        self.by_id[field.id] = field
        self.by_name[field.name] = field

    def __repr__(self) -> str:  # no more than the names: it may hold itself
        return f"StructType({self.name!r}: {', '.join(self.by_name)})"


class Type(NamedTuple):
    """A type, typedefs followed: what it is on the wire, and what the wire does not say."""

    wire: str
    """As in `values`: "i32", "string", "list<i32>", "map<string,struct>", …"""
    elements: tuple[Type, ...] = ()
    """Of a list or set its one, of a map keys and values."""
    struct: StructType | None = None
    enum: Enum | None = None
    binary: bool = False
    """A string that is no text."""


class Method(NamedTuple):
    """A method of a service."""

    name: str
    arguments: StructType
    result: StructType
    """0 is success, unless the method is void; declared exceptions are there under their ids."""
    oneway: bool


class Service(NamedTuple):
    """A service with all its methods, those that it inherits included."""

    name: str
    methods: Mapping[str, Method]


_I32: Final = Type("i32")
_STRING: Final = Type("string")
_UUID: Final = "uuid"
"""A type that thriftpy2 does not have: an empty struct of this name stands for it."""

# thriftpy2's TType. Its own numbers for kinds of strings never go on the wire.
_BASE: Final[Mapping[int, Type]] = {
    2: Type("bool"),
    3: Type("i8"),
    4: Type("double"),
    6: Type("i16"),
    8: _I32,
    10: Type("i64"),
    11: _STRING,
    16: _STRING,
    17: _STRING,
    18: Type("string", binary=True),
}
_UNRESOLVED: Final = Type("")
"""thriftpy2 leaves some types open that are used before their definition, in typedefs of containers. No bytes fit."""
_STRUCT, _MAP, _SET, _LIST = 12, 13, 14, 15

_REASON: Final = Enum(
    "TApplicationExceptionType",
    dict(enumerate(APPLICATION_ERRORS)),
    {name: number for number, name in enumerate(APPLICATION_ERRORS)},
)

APPLICATION_EXCEPTION: Final = StructType(
    "TApplicationException", Field(1, "message", _STRING), Field(2, "type", Type("i32", enum=_REASON))
)
"""What no IDL declares, since every server may send it."""


_SKIPPED: Final = re.compile(r"""/\*.*?\*/|(?://|\#)[^\n]*|"[^"\n]*"|'[^'\n]*'""", re.DOTALL)
_DEFINITION: Final = re.compile(r"\b(?:const|typedef|enum|struct|union|exception|service)\b")


def with_uuid(text: str) -> str:
    """The text of a `.thrift` file, where the type `uuid` occurs in it, so that thriftpy2 takes it all the same.

    It is declared before the first definition. Line numbers stay as they are.
    """
    code = _SKIPPED.sub(lambda found: " " * len(found[0]), text)  # comments and literals say nothing
    first = _DEFINITION.search(code)
    if first is None or not re.search(rf"\b{_UUID}\b", code):
        return text
    return f"{text[: first.start()]}struct {_UUID} {{}} {text[first.start() :]}"


def services_of(modules: Sequence[Any]) -> dict[str, Service]:
    """The services of modules that thriftpy2 has loaded, by name, and of what they include.

    The first of a name counts: what a file declares itself comes before what it includes. Raises LocalProtocolError
    for what is no such module.
    """
    reader = _Reader()
    found: dict[str, Service] = {}
    for module in _with_includes(modules):
        for service in module.__thrift_meta__["services"] if hasattr(module, "__thrift_meta__") else ():
            if service.__name__ not in found:
                found[service.__name__] = reader.service(service)
    reader.finish()
    return found


def _with_includes(modules: Sequence[Any]) -> Iterator[Any]:
    """The modules and what they include, each once, the nearest first."""
    seen: set[int] = set()
    waiting = list(modules)
    for module in waiting:
        if not (isinstance(module, ModuleType) and hasattr(module, "__thrift_file__")):
            raise LocalProtocolError("thrift", 0, f"an IDL is a module that thriftpy2 has loaded, not {module!r:.80}")
        if id(module) not in seen:
            seen.add(id(module))
            yield module
            waiting.extend(getattr(module, "__thrift_meta__", {}).get("includes", ()))


class _Reader:
    """Takes over thriftpy2's classes, each once. Structs are filled in afterwards: they may hold themselves."""

    def __init__(self) -> None:
        self._structs: dict[int, StructType] = {}
        self._enums: dict[int, Enum] = {}
        self._methods: dict[int, Method] = {}
        self._waiting: list[tuple[StructType, Any]] = []

    def service(self, service: Any) -> Service:
        return Service(service.__name__, {name: self._method(service, name) for name in service.thrift_services})

    def _method(self, service: Any, name: str) -> Method:
        result = getattr(service, f"{name}_result")  # an inherited method's is that of the service that declares it
        found = self._methods.get(id(result))
        if found is None:
            arguments = self._struct(getattr(service, f"{name}_args"))
            found = self._methods[id(result)] = Method(name, arguments, self._struct(result), bool(result.oneway))
        return found

    def _struct(self, payload: Any) -> StructType:
        found = self._structs.get(id(payload))
        if found is None:
            found = self._structs[id(payload)] = StructType(payload.__name__)
            self._waiting.append((found, payload))
        return found

    def finish(self) -> None:
        """Fill in the fields of every struct."""
        while self._waiting:
            struct, payload = self._waiting.pop()
            for number in sorted(payload.thrift_spec):
                code, name, *more = payload.thrift_spec[number]  # the last of `more` is whether it is required
                struct.add(Field(number, name, self._type(code, more[0] if len(more) == 2 else None)))

    def _type(self, code: int, more: Any) -> Type:
        if code == _STRUCT:
            if more.__name__ == _UUID and not more.thrift_spec:
                return Type("uuid")
            return Type("struct", struct=self._struct(more))
        if code in (_LIST, _SET):
            element = self._element(more)
            return Type(f"{'list' if code == _LIST else 'set'}<{_base(element)}>", (element,))
        if code == _MAP:
            key, value = self._element(more[0]), self._element(more[1])
            return Type(f"map<{_base(key)},{_base(value)}>", (key, value))
        if more is not None:
            return Type("i32", enum=self._enum(more))
        return _BASE.get(code, _UNRESOLVED)

    def _element(self, form: Any) -> Type:
        return self._type(*form) if isinstance(form, tuple) else self._type(form, None)

    def _enum(self, enum: Any) -> Enum:
        found = self._enums.get(id(enum))
        if found is None:
            found = Enum(enum.__name__, dict(enum._VALUES_TO_NAMES), dict(enum._NAMES_TO_VALUES))
            self._enums[id(enum)] = found
        return found


def _base(type: Type) -> str:
    """What stands for a type inside `<>`."""
    return type.wire.partition("<")[0]
