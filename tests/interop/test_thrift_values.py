"""Values of every type, nested as they come, written by one side and read by the other: ours and Apache's protocols.

Apache's protocols are driven by hand here, as its compiler's output drives them, so that no IDL is needed.
"""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from thrift.protocol.TBinaryProtocol import TBinaryProtocol
from thrift.protocol.TCompactProtocol import TCompactProtocol
from thrift.protocol.TJSONProtocol import TJSONProtocol
from thrift.transport.TTransport import TMemoryBuffer

from l7codec.protocols.thrift.envelope import read_body, write_body
from l7codec.protocols.thrift.values import NAMES, parse_type

pytestmark = pytest.mark.interop

PROTOCOLS = {"binary": TBinaryProtocol, "compact": TCompactProtocol, "json": TJSONProtocol}
WRITERS = {
    "bool": "writeBool", "i8": "writeByte", "i16": "writeI16", "i32": "writeI32", "i64": "writeI64",
    "double": "writeDouble", "string": "writeBinary", "uuid": "writeUuid",
}  # fmt: skip


def write(protocol: Any, name: str, value: Any) -> None:
    _, first, second = parse_type(name)
    if name == "struct":
        protocol.writeStructBegin("")
        for number, (inner, held) in value.items():
            protocol.writeFieldBegin("", parse_type(inner)[0], number)
            write(protocol, inner, held)
            protocol.writeFieldEnd()
        protocol.writeFieldStop()
        protocol.writeStructEnd()
    elif name.startswith("map"):
        protocol.writeMapBegin(first, second, len(value))
        for key, item in value:
            write_element(protocol, first, key)
            write_element(protocol, second, item)
        protocol.writeMapEnd()
    elif name.startswith(("list", "set")):
        kind = "List" if name.startswith("list") else "Set"
        getattr(protocol, f"write{kind}Begin")(first, len(value))
        for item in value:
            write_element(protocol, first, item)
        getattr(protocol, f"write{kind}End")()
    else:
        if name == "string" and isinstance(protocol, TJSONProtocol):
            protocol.writeString(value.decode())
            return
        getattr(protocol, WRITERS[name])(uuid.UUID(value) if name == "uuid" else value)


def write_element(protocol: Any, code: int, value: Any) -> None:
    if NAMES[code] in ("list", "set", "map"):
        write(protocol, *value)
    else:
        write(protocol, NAMES[code], value)


READERS = {name: writer.replace("write", "read") for name, writer in WRITERS.items()}


def read(protocol: Any, code: int) -> tuple[str, Any]:
    name = NAMES[code]
    if name == "struct":
        return name, read_struct(protocol)
    if name == "map":
        key, value, size = protocol.readMapBegin()
        pairs = [(read_element(protocol, key), read_element(protocol, value)) for _ in range(size)]
        protocol.readMapEnd()
        return f"map<{NAMES.get(key, key)},{NAMES.get(value, value)}>", pairs
    if name in ("list", "set"):
        kind = name.capitalize()
        element, size = getattr(protocol, f"read{kind}Begin")()
        items = [read_element(protocol, element) for _ in range(size)]
        getattr(protocol, f"read{kind}End")()
        return f"{name}<{NAMES.get(element, element)}>", items
    if name == "string" and isinstance(protocol, TJSONProtocol):
        return name, protocol.readString().encode()
    value = getattr(protocol, READERS[name])()
    return name, str(value) if name == "uuid" else value


def read_element(protocol: Any, code: int) -> Any:
    found = read(protocol, code)
    return found if NAMES[code] in ("list", "set", "map") else found[1]


def read_struct(protocol: Any) -> dict[int, Any]:
    protocol.readStructBegin()
    found = {}
    while True:
        _, code, number = protocol.readFieldBegin()
        if code == 0:
            break
        found[number] = read(protocol, code)
        protocol.readFieldEnd()
    protocol.readStructEnd()
    return found


def integers(bits: int) -> st.SearchStrategy[int]:
    return st.one_of(st.integers(-3, 70), st.integers(-(1 << bits - 1), (1 << bits - 1) - 1))


def scalars(text: bool) -> dict[str, st.SearchStrategy[Any]]:
    """Without infinities in JSON: Apache's Python library writes them as `inf`, which no reader of JSON takes."""
    letters = st.text(st.characters(exclude_categories=["Cs"]), max_size=6).map(str.encode)
    return {
        "bool": st.booleans(),
        "i8": integers(8),
        "i16": integers(16),
        "i32": integers(32),
        "i64": integers(64),
        "double": st.floats(allow_nan=False, allow_infinity=not text),
        "string": letters if text else st.one_of(letters, st.binary(max_size=6)),
        "uuid": st.uuids().map(str),
    }


def typed(text: bool) -> st.SearchStrategy[tuple[str, Any]]:
    """A type and a value of it. JSON's keys are text: containers and structs cannot be."""
    plain = scalars(text)

    def larger(inner: st.SearchStrategy[tuple[str, Any]]) -> st.SearchStrategy[tuple[str, Any]]:
        structs = st.dictionaries(st.integers(-3, 40) | integers(16), inner, max_size=3)

        def elements(name: str) -> st.SearchStrategy[Any]:
            if name in plain:
                return plain[name]
            if name == "struct":
                return structs
            return inner.filter(lambda one: one[0].startswith(f"{name}<"))

        names = st.sampled_from([*plain, "struct", "list"])
        keys = st.sampled_from([*plain] if text else [*plain, "struct"])
        lists = names.flatmap(lambda name: st.lists(elements(name), max_size=3).map(lambda v: (f"list<{name}>", v)))
        sets = names.flatmap(lambda name: st.lists(elements(name), max_size=3).map(lambda v: (f"set<{name}>", v)))

        def mapped(kinds: tuple[str, str]) -> st.SearchStrategy[tuple[str, Any]]:
            key, value = kinds
            pairs = st.tuples(elements(key), elements(value))
            unique = (lambda pair: repr(pair[0])) if text else None
            return st.lists(pairs, max_size=3, unique_by=unique).map(lambda v: (f"map<{key},{value}>", v))

        return st.one_of(structs.map(lambda v: ("struct", v)), lists, sets, st.tuples(keys, names).flatmap(mapped))

    leaves = st.sampled_from([*plain]).flatmap(lambda name: plain[name].map(lambda value: (name, value)))
    lists_of_lists = leaves.map(lambda one: (f"list<{one[0]}>", [one[1]]))
    return st.recursive(leaves | lists_of_lists, larger, max_leaves=6)


def bodies(protocol: str) -> st.SearchStrategy[dict[int, Any]]:
    return st.dictionaries(st.integers(0, 20) | integers(16), typed(protocol == "json"), max_size=4)


def without_types_of_empty_maps(value: Any) -> Any:
    """The compact protocol does not write them."""
    match value:
        case dict():
            return {key: without_types_of_empty_maps(item) for key, item in value.items()}
        case (str() as name, []) if name.startswith("map<"):
            return "map", []
        case tuple() | list():
            return [without_types_of_empty_maps(item) for item in value]
    return value


@pytest.mark.parametrize("protocol", PROTOCOLS)
@given(st.data())
def test_we_read_what_apache_writes(protocol, data):
    body = data.draw(bodies(protocol))
    transport = TMemoryBuffer()
    write(PROTOCOLS[protocol](transport), "struct", body)
    written = transport.getvalue() + (b"]" if protocol == "json" else b"")
    found, end = read_body(written, 0, protocol, 64)
    assert end == len(written)
    assert without_types_of_empty_maps(found) == without_types_of_empty_maps(body)
    # Of JSON there are many spellings; and elements that are bools have two codes in the compact protocol.
    if protocol == "binary" or (protocol == "compact" and "bool" not in repr(body)):
        assert write_body(found, protocol) == written


@pytest.mark.parametrize("protocol", PROTOCOLS)
@given(st.data())
def test_apache_reads_what_we_write(protocol, data):
    body = data.draw(bodies(protocol))
    written = write_body(body, protocol)
    found = read_struct(PROTOCOLS[protocol](TMemoryBuffer(written)))
    assert without_types_of_empty_maps(found) == without_types_of_empty_maps(body)
