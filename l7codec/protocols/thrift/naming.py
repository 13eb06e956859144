"""Bodies by field ids to bodies by names and back; what the IDL does not explain keeps its id and its wire type.

A declared type decides about a whole field: a list that says `list<i32>` and comes as `list<i64>` stays as it came.
Only inside a struct each field is judged by itself again. Structs can be nested as deeply as a sender likes, and are
worked off from a list; containers in containers only as deeply as the IDL writes them.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, TypeAlias

from ...errors import LocalProtocolError
from .declared import Enum, Field, StructType, Type
from .values import Fields, Struct, StructLike, fields_of, plain_struct

__all__ = ["Named", "name_struct", "type_struct", "unnamed"]


class Named(dict["str | int", Any]):
    """A struct by the names of its fields; what the IDL does not explain is under its id, as `(type, value)`."""

    __slots__ = ()

    def to_plain(self) -> Any:
        """For JSON: `{"id": 42, "9": {"string": "new"}}`."""
        row: dict[str, Any] = {}
        for key, value in self.items():
            if isinstance(key, str):
                row[key] = value
            else:
                row.update(plain_struct({key: value}))
        return row


_ToName: TypeAlias = "list[tuple[StructType, StructLike, Named]]"
_ToType: TypeAlias = "list[tuple[StructType, Mapping[Any, Any], Struct]]"


# -- ids to names -----------------------------------------------------------------------------------------------------


def name_struct(struct: StructType, body: StructLike, json: bool = False) -> Named:
    """`body` with the names of `struct`. In the JSON protocol (`json`) binary is written in base64."""
    top = Named()
    todo: _ToName = [(struct, body, top)]
    while todo:
        struct, body, out = todo.pop()
        for number, (wire, value) in fields_of(body):
            field = struct.by_id.get(number)
            if field is not None and _fits(field.type, wire, value, json):
                out[field.name] = _named(field.type, value, json, todo)
            else:
                out[number] = (wire, value)
    return top


def unnamed(struct: StructType, body: StructLike, json: bool = False) -> int:
    """How many of the outermost fields stay without a name."""
    count = 0
    for number, (wire, value) in fields_of(body):
        field = struct.by_id.get(number)
        if field is None or not _fits(field.type, wire, value, json):
            count += 1
    return count


def _fits(type: Type, wire: str, value: Any, json: bool) -> bool:
    """Whether the bytes have the type that the IDL says."""
    if wire != type.wire:
        return wire == "map<0,0>" and type.wire.startswith("map<")  # an empty map says no more in the compact protocol
    if type.binary and json:
        return _from_base64(value) is not None
    if not type.elements:
        return not isinstance(value, Fields)  # a struct that repeats a field has no names
    if len(type.elements) == 1:
        return _elements_fit(type.elements[0], value, json)
    key, item = type.elements
    return _elements_fit(key, (one for one, _ in value), json) and _elements_fit(item, (one for _, one in value), json)


def _elements_fit(type: Type, values: Iterable[Any], json: bool) -> bool:
    if type.elements:
        return all(_fits(type, wire, value, json) for wire, value in values)
    if type.binary and json:
        return all(_from_base64(value) is not None for value in values)
    return type.struct is None or not any(isinstance(value, Fields) for value in values)


def _named(type: Type, value: Any, json: bool, todo: _ToName) -> Any:
    if type.elements:
        return _named_container(type, value, json, todo)
    if type.struct is not None:
        out = Named()
        todo.append((type.struct, value, out))
        return out
    if type.enum is not None:
        return type.enum.names.get(value, value)
    if type.wire != "string":
        return value
    if type.binary:
        return _from_base64(value) if json else value
    return value.decode("utf-8", "surrogateescape")


def _named_container(type: Type, value: Any, json: bool, todo: _ToName) -> Any:
    if len(type.elements) == 1:
        return _named_elements(type.elements[0], value, json, todo)
    keys = _named_elements(type.elements[0], [key for key, _ in value], json, todo)
    items = _named_elements(type.elements[1], [item for _, item in value], json, todo)
    pairs = list(zip(keys, items, strict=True))
    if type.elements[0].elements or type.elements[0].struct is not None:
        return pairs
    found = dict(pairs)
    return found if len(found) == len(pairs) else pairs


def _named_elements(type: Type, values: Iterable[Any], json: bool, todo: _ToName) -> list[Any]:
    if type.elements:
        return [_named_container(type, value, json, todo) for _, value in values]
    return [_named(type, value, json, todo) for value in values]


def _from_base64(value: bytes) -> bytes | None:
    """Apache's Java library writes no padding."""
    try:
        return base64.b64decode(value + b"=" * (-len(value) % 4), validate=True)
    except binascii.Error:
        return None


# -- names to ids -----------------------------------------------------------------------------------------------------


def type_struct(struct: StructType, values: Mapping[Any, Any], json: bool = False) -> Struct:
    """A body by names as one by ids, in the same order; a field whose value is None is left out.

    Raises LocalProtocolError for a name that is not declared and a value that is not of the declared type.
    """
    top = Struct()
    todo: _ToType = [(struct, values, top)]
    while todo:
        struct, values, out = todo.pop()
        for key, value in values.items():
            if not isinstance(key, str):
                out[key] = value
                continue
            field = struct.by_name.get(key)
            if field is None:
                known = ", ".join(struct.by_name) or "no fields"
                raise LocalProtocolError("thrift", 0, f"{struct.name} has no field {key!r}; it has {known}")
            if value is not None:
                out[field.id] = (field.type.wire, _Typing(struct, field, json, todo).value(field.type, value))
    return top


_BITS: Final = {"i8": 8, "i16": 16, "i32": 32, "i64": 64}


class _Typing:
    """Turns the values of one field."""

    __slots__ = ("_field", "_json", "_struct", "_todo")

    def __init__(self, struct: StructType, field: Field, json: bool, todo: _ToType) -> None:
        self._struct = struct
        self._field = field
        self._json = json
        self._todo = todo

    def value(self, type: Type, value: Any) -> Any:
        if type.elements:
            return self._container(type, value)
        if type.struct is not None:
            return self._nested(type.struct, value)
        if type.enum is not None and isinstance(value, str):
            return self._number(type.enum, value)
        if type.wire in _BITS:
            if isinstance(value, bool) or not isinstance(value, int):
                raise self._wrong(type, value)
            if not -(1 << _BITS[type.wire] - 1) <= value < 1 << _BITS[type.wire] - 1:
                raise self._wrong(type, value)
            return value
        if type.wire == "bool":
            if not isinstance(value, bool):
                raise self._wrong(type, value)
            return value
        if type.wire in ("double", "float"):
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise self._wrong(type, value)
            try:
                return float(value)
            except OverflowError:
                raise self._wrong(type, value) from None
        if type.wire == "uuid":
            if not isinstance(value, str):
                raise self._wrong(type, value)
            return value
        if type.wire == "string":
            return self._string(type, value)
        raise self._open()

    def _string(self, type: Type, value: Any) -> bytes:
        if isinstance(value, str):
            value = value.encode("utf-8", "surrogateescape")
        elif not isinstance(value, bytes | bytearray | memoryview):
            raise self._wrong(type, value)
        return base64.b64encode(value) if type.binary and self._json else bytes(value)

    def _number(self, enum: Enum, name: str) -> int:
        number = enum.numbers.get(name)
        if number is None:
            known = ", ".join(enum.numbers)
            raise self._error(f"{enum.name} has no value {name!r}; it has {known}")
        return number

    def _nested(self, struct: StructType, value: Any) -> Any:
        if isinstance(value, Fields):
            return value
        if not isinstance(value, Mapping):
            raise self._error(f"{struct.name} is a struct, not {value!r:.60}")
        out = Struct()
        self._todo.append((struct, value, out))
        return out

    def _container(self, type: Type, value: Any) -> list[Any]:
        if isinstance(value, str | bytes | bytearray | memoryview) or not isinstance(value, Iterable):
            raise self._wrong(type, value)
        if not all(one.wire for one in type.elements):
            raise self._open()
        if len(type.elements) == 1:
            return [self._element(type.elements[0], item) for item in value]
        key, item = type.elements
        return [(self._element(key, one), self._element(item, other)) for one, other in self._pairs(type, value)]

    def _element(self, type: Type, value: Any) -> Any:
        typed = self.value(type, value)
        return (type.wire, typed) if type.elements else typed

    def _pairs(self, type: Type, value: Any) -> Iterator[tuple[Any, Any]]:
        for pair in value.items() if isinstance(value, Mapping) else value:
            if not isinstance(pair, tuple | list) or len(pair) != 2:
                raise self._wrong(type, value)
            yield pair[0], pair[1]

    def _wrong(self, type: Type, value: Any) -> LocalProtocolError:
        name = type.enum.name if type.enum is not None else "binary" if type.binary else type.wire
        return self._error(f"{value!r:.60} is no {name}")

    def _open(self) -> LocalProtocolError:
        return self._error("thriftpy2 has not found out the type; give the field by its id")

    def _error(self, reason: str) -> LocalProtocolError:
        return LocalProtocolError("thrift", 0, f"{self._struct.name}.{self._field.name}: {reason}")
