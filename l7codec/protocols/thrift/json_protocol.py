"""The JSON protocol (TJSONProtocol), which has no specification but its implementations.

Reference: https://github.com/apache/thrift/blob/master/lib/cpp/src/thrift/protocol/TJSONProtocol.h

    message    [1,"name",type,sequence id,struct]
    struct     {"field id":{"type":value},…}
    bool       1 or 0                     double     a number, "NaN", "Infinity" or "-Infinity"
    list, set  ["type",count,value,…]     map        ["key type","value type",count,{key:value,…}]

A map's keys are strings, whatever their type. Binary is base64 in a string, and nothing tells it from text: both are
read as the bytes of the string as it stands. Bytes that are not text are written as base64.
"""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Callable
from typing import Any, Final, NoReturn

from ...errors import BodyError, LocalProtocolError
from .binary import repeat
from .values import (
    CODES,
    LIST_NAMES,
    NAMES,
    SET_NAMES,
    Fields,
    Struct,
    StructLike,
    container_codes,
    fields_of,
    map_name,
    read_uuid,
    write_bytes,
    write_checked,
    write_uuid,
)

__all__ = ["read_head", "read_struct", "write_head", "write_struct"]

_WORDS: Final = {
    2: "tf",
    3: "i8",
    4: "dbl",
    6: "i16",
    8: "i32",
    10: "i64",
    11: "str",
    12: "rec",
    13: "map",
    14: "set",
    15: "lst",
    16: "uid",
    19: "flt",
}
_CODES: Final = {word: code for code, word in _WORDS.items()}
_BITS: Final = {3: 7, 6: 15, 8: 31, 10: 63}
_ODD_DOUBLES: Final = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_HEAD: Final = re.compile(
    rb'\s*\[\s*1\s*,\s*("(?:[^"\\]|\\.)*+")\s*,\s*([0-9]{1,3})\s*,\s*(-?[0-9]{1,10})\s*,\s*', re.DOTALL
)
_BRACKET_OR_STRING: Final = re.compile(rb'[\[{\]}]|"(?:[^"\\]|\\.)*+"?', re.DOTALL)
_NUMBER: Final = re.compile(r"-?[0-9]{1,20}")


class _Object(list[tuple[str, Any]]):
    """A JSON object as it stands: names may repeat."""


# Apache's Python library writes control characters as they are, which JSON forbids: `strict` would refuse them.
_LOADER: Final = json.JSONDecoder(
    object_pairs_hook=_Object, parse_constant=lambda word: _bad(f"{word} is no number"), strict=False
)


def _bad(reason: str) -> NoReturn:
    raise ValueError(reason)


def read_head(data: bytes, start: int) -> tuple[int, bytes, int, int]:
    """Type, name and id of the message at `start`, and where its struct begins. Raises BodyError."""
    found = _HEAD.match(data, start)
    if found is None:
        raise BodyError("thrift", start, "not the head of a message in the JSON protocol")
    try:
        name = json.loads(found[1], strict=False).encode()
    except (ValueError, UnicodeError):
        raise BodyError("thrift", start, "the method's name is not a JSON string") from None
    id = int(found[3])
    if not -(2**31) <= id < 2**31:
        raise BodyError("thrift", start, f"a sequence id has 32 bits, {id} more")
    return int(found[2]), name, id, found.end()


def read_struct(data: bytes, start: int, depth: int) -> tuple[Struct | Fields, int]:
    """The struct at `start`, and where the message ends. Raises BodyError."""
    try:
        _check_depth(data, start, 2 * depth)
        text = data[start:].decode()
        found, end = _LOADER.raw_decode(text)
        tail = text[end:].lstrip()
        if tail[:1] != "]":
            _bad("no ']' where the message should end")
        fields = _Reader(depth).struct(found, 0)
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise BodyError("thrift", start, f"not a struct of the JSON protocol: {error}") from None
    return (Struct(fields) if type(fields) is dict else fields), len(data) - len(tail[1:].encode())


def _check_depth(data: bytes, start: int, limit: int) -> None:
    """Python's own reader recurses: refuse here what is nested too deeply."""
    depth = 0
    for found in _BRACKET_OR_STRING.finditer(data, start):
        byte = data[found.start()]
        if byte in b"[{":
            depth += 1
            if depth > limit:
                _bad(f"nested deeper than the limit of {limit // 2}")
        elif byte != 34:
            depth -= 1
            if depth < 0:
                return


class _Reader:
    """Turns what Python's reader makes of JSON into values. It recurses, no deeper than `depth`."""

    def __init__(self, depth: int) -> None:
        self.depth = depth

    def struct(self, found: Any, level: int) -> Any:
        if not isinstance(found, _Object):
            _bad("a struct is an object")
        if level >= self.depth:
            _bad(f"nested deeper than the limit of {self.depth}")
        fields: Any = {}
        for name, typed in found:
            if not _NUMBER.fullmatch(name) or not -32768 <= int(name) <= 32767:
                _bad(f"{name!r:.40} is no field id")
            if not isinstance(typed, _Object) or len(typed) != 1:
                _bad("a field is an object with one name, its type")
            word, item = typed[0]
            code = self.code(word)
            value = self.value(code, item, level + 1)
            if not 13 <= code <= 15:
                value = (NAMES[code], value)
            id = int(name)
            if id in fields:
                fields = repeat(fields, id, value)
            else:
                fields[id] = value
        return fields if type(fields) is dict else Fields(fields)

    def code(self, word: Any) -> int:
        code = _CODES.get(word)
        if code is None:
            _bad(f"{word!r:.40} is no type")
        return code

    def value(self, code: int, item: Any, level: int) -> Any:
        bits = _BITS.get(code)
        if bits is not None:
            if type(item) is not int or not -(1 << bits) <= item < 1 << bits:
                _bad(f"{item!r:.40} is no {NAMES[code]}")
            return item
        if code == 11:
            if type(item) is not str:
                _bad(f"{item!r:.40} is no string")
            return item.encode()
        if code == 12:
            return self.struct(item, level)
        if code == 2:
            if item not in (0, 1) or type(item) is float:
                _bad(f"{item!r:.40} is no bool")
            return bool(item)
        if code in (4, 19):
            if type(item) is str:
                if item not in _ODD_DOUBLES:
                    _bad(f"{item!r:.40} is no double")
                return _ODD_DOUBLES[item]
            if type(item) not in (int, float):
                _bad(f"{item!r:.40} is no double")
            return float(item)
        if code == 16:
            if type(item) is not str:
                _bad(f"{item!r:.40} is no uuid")
            try:
                return read_uuid(write_uuid(item), 0)
            except LocalProtocolError as error:
                _bad(error.reason)
        return self.container(code, item, level)

    def container(self, code: int, items: Any, level: int) -> tuple[str, list[Any]]:
        if level >= self.depth:
            _bad(f"nested deeper than the limit of {self.depth}")
        if type(items) is not list:
            _bad(f"a {NAMES[code]} is an array")
        if code == 13:
            return self.map(items, level)
        if len(items) < 2 or items[1] != len(items) - 2:
            _bad(f"a {NAMES[code]} does not have as many elements as it says")
        inner = self.code(items[0])
        name = LIST_NAMES[inner] if code == 15 else SET_NAMES[inner]
        return name, [self.value(inner, item, level + 1) for item in items[2:]]

    def map(self, items: list[Any], level: int) -> tuple[str, list[Any]]:
        if len(items) != 4 or not isinstance(items[3], _Object) or items[2] != len(items[3]):
            _bad("a map is two types, a count, and an object with as many entries")
        key, inner = self.code(items[0]), self.code(items[1])
        entries = [(self.key(key, name), self.value(inner, item, level + 1)) for name, item in items[3]]
        return map_name(key, inner), entries

    def key(self, code: int, name: str) -> Any:
        if code in _BITS or code == 2:
            if not _NUMBER.fullmatch(name):
                _bad(f"{name!r:.40} is no {NAMES[code]}")
            return self.value(code, int(name), 0)
        if code in (4, 19):
            return _ODD_DOUBLES[name] if name in _ODD_DOUBLES else float(name)
        if 12 <= code <= 15:
            _bad(f"JSON has no keys that are a {NAMES[code]}")
        return self.value(code, name, 0)


# -- writing ----------------------------------------------------------------------------------------------------------


def write_head(type: int, name: bytes, id: int) -> bytes:
    """All that stands before a message's struct."""
    return b"[1,%b,%d,%d," % (_string(name), type, id)


def write_struct(value: StructLike) -> bytes:
    """A struct. Raises LocalProtocolError for what is not of the shape that `values` describes, and for odd keys."""
    return write_checked(_write_struct, value)


def _write_struct(fields: StructLike, put: Callable[[bytes], None]) -> None:
    comma = b""
    put(b"{")
    for id, (type, value) in fields_of(fields):
        code = CODES.get(type)
        if code is None or 13 <= code <= 15:
            codes = container_codes(type)
            put(b'%b"%d":{"%b":' % (comma, _integer(6, id), _WORDS[codes[0]].encode()))
            _write_container(codes, value, put)
        else:
            put(b'%b"%d":{"%b":' % (comma, _integer(6, id), _WORDS[code].encode()))
            _write_value(code, value, put)
        put(b"}")
        comma = b","
    put(b"}")


def _write_value(code: int, value: Any, put: Callable[[bytes], None]) -> None:
    if code == 12:
        _write_struct(value, put)
    elif 13 <= code <= 15:
        type, values = value
        _write_container(container_codes(type), values, put)
    else:
        put(_scalar(code, value))


def _write_container(codes: tuple[int, int, int], values: Any, put: Callable[[bytes], None]) -> None:
    kind, code, item_code = codes
    count = len(values)
    if kind == 13:
        put(b'["%b","%b",%d,{' % (_word(code, count), _word(item_code, count), count))
        comma = b""
        for key, item in values:
            put(comma + _key(code, key) + b":")
            _write_value(item_code, item, put)
            comma = b","
        put(b"}]")
        return
    put(b'["%b",%d' % (_word(code, count), count))
    for value in values:
        put(b",")
        _write_value(code, value, put)
    put(b"]")


def _word(code: int, count: int) -> bytes:
    """A type's name; an empty container may have types that are none."""
    word = _WORDS.get(code) if count else _WORDS.get(code, "str")
    if word is None:
        raise LocalProtocolError("thrift", 0, f"no type has the code {code}")
    return word.encode()


def _key(code: int, value: Any) -> bytes:
    if 12 <= code <= 15:
        raise LocalProtocolError("thrift", 0, f"the JSON protocol has no keys that are a {NAMES[code]}")
    text = _scalar(code, value)
    return text if text[:1] == b'"' else b'"%b"' % text


def _scalar(code: int, value: Any) -> bytes:
    if code in _BITS:
        return b"%d" % _integer(code, value)
    if code == 11:
        return _string(write_bytes(value))
    if code == 2:
        return b"1" if value else b"0"
    if code == 16:
        return b'"%b"' % read_uuid(write_uuid(value), 0).encode()
    number = float(value)
    if math.isfinite(number):
        return repr(number).encode()
    return b'"NaN"' if math.isnan(number) else b'"Infinity"' if number > 0 else b'"-Infinity"'


def _integer(code: int, value: Any) -> int:
    bits = _BITS[code]
    if isinstance(value, float) or not -(1 << bits) <= value < 1 << bits:
        raise LocalProtocolError("thrift", 0, f"{value!r:.40} does not fit into an {NAMES[code]}")
    return int(value)


def _string(value: bytes) -> bytes:
    try:
        return json.dumps(value.decode(), ensure_ascii=False).encode()
    except UnicodeDecodeError:
        return b'"%b"' % base64.b64encode(value)
