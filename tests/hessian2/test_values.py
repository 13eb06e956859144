"""The values themselves; and what is wrong, each with its place."""

from __future__ import annotations

import copy
import datetime
import enum
import json
import pickle
import sys
from collections.abc import Mapping
from typing import Any

import pytest

from l7codec import Limits, LocalProtocolError, hessian2
from l7codec.errors import BodyError
from l7codec.hessian2 import (
    ClassDefinition,
    Date,
    JavaList,
    JavaLong,
    JavaMap,
    JavaObject,
    Reader,
    Writer,
    dumps,
    loads,
)
from l7codec.hessian2.read import DICT_NUMBERS, PLAIN_DEPTH

# -- the specification's examples -------------------------------------------------------------------------------------

EXAMPLES: list[tuple[str, Any]] = [
    ("20", b""),
    ("23 01 02 03", b"\x01\x02\x03"),
    ("4a 00 00 00 d0 4b 92 84 b8", Date(894_621_091_000)),
    ("4b 00 e3 83 8f", Date(894_621_060_000)),
    ("5b", 0.0),
    ("5c", 1.0),
    ("5d 00", 0.0),
    ("5d 80", -128.0),
    ("5d 7f", 127.0),
    ("5e 00 00", 0.0),
    ("5e 80 00", -32768.0),
    ("5e 7f ff", 32767.0),
    ("44 40 28 80 00 00 00 00 00", 12.25),
    ("90", 0),
    ("80", -16),
    ("bf", 47),
    ("c8 00", 0),
    ("c0 00", -2048),
    ("c7 00", -256),
    ("cf ff", 2047),
    ("d4 00 00", 0),
    ("d0 00 00", -262144),
    ("d7 ff ff", 262143),
    ("49 00 00 00 00", 0),
    ("49 00 00 01 2c", 300),
    ("e0", JavaLong(0)),
    ("d8", JavaLong(-8)),
    ("ef", JavaLong(15)),
    ("f8 00", JavaLong(0)),
    ("f0 00", JavaLong(-2048)),
    ("f7 00", JavaLong(-256)),
    ("ff ff", JavaLong(2047)),
    ("3c 00 00", JavaLong(0)),
    ("38 00 00", JavaLong(-262144)),
    ("3f ff ff", JavaLong(262143)),
    ("59 00 00 00 00", JavaLong(0)),
    ("4c 00 00 00 00 00 00 01 2c", JavaLong(300)),
    ("00", ""),
    ("05 68 65 6c 6c 6f", "hello"),
    ("01 c3 83", "\u00c3"),
    ("53 00 05 68 65 6c 6c 6f", "hello"),
    ("52 00 07 68 65 6c 6c 6f 2c 20 05 77 6f 72 6c 64", "hello, world"),
    ("57 90 91 5a", [0, 1]),
    ("72 04 5b 69 6e 74 90 91", JavaList([0, 1], "[int")),
    ("56 04 5b 69 6e 74 92 90 91", JavaList([0, 1], "[int")),
    ("4d 03 43 61 72 05 63 6f 6c 6f 72 04 61 71 75 61 5a", JavaMap({"color": "aqua"}, "Car")),
    ("48 91 03 66 65 65 a0 03 66 69 65 5a", {1: "fee", 16: "fie"}),
    (
        "43 03 43 61 72 92 05 63 6f 6c 6f 72 05 6d 6f 64 65 6c 4f 90 03 72 65 64 08 63 6f 72 76 65 74 74 65",
        JavaObject("Car", {"color": "red", "model": "corvette"}),
    ),
]


@pytest.mark.parametrize(("digits", "value"), EXAMPLES)
def test_the_specification_s_examples(digits: str, value: Any) -> None:
    found = loads(bytes.fromhex(digits))
    assert found == value
    assert type(found) is type(value)


def test_the_specification_s_linked_list() -> None:
    """A LinkedList of one element whose tail is the list itself."""
    data = (
        bytes.fromhex("43 0a") + b"LinkedList" + bytes.fromhex("92 04") + b"head\x04tail" + bytes.fromhex("60 91 51 90")
    )
    node = loads(data)
    assert node["head"] == 1
    assert node["tail"] is node


# -- values -----------------------------------------------------------------------------------------------------------


def test_objects() -> None:
    user = JavaObject("User", [("name", "above"), ("age", 7), ("name", "below")])
    assert user["name"] == user.get("name") == "below"  # as Java
    assert user.get("none", 1) == 1
    assert "age" in user
    assert "none" not in user
    with pytest.raises(KeyError):
        user["none"]
    with pytest.raises(KeyError):
        user["none"] = 1
    user["age"] = 8
    assert user.fields == [("name", "above"), ("age", 8), ("name", "below")]
    assert repr(user) == "JavaObject('User', {'name': 'above', 'age': 8, 'name': 'below'})"
    twin = copy.copy(user)
    twin["age"] = 9
    assert user["age"] == 8
    assert user != twin
    assert user != "User"
    assert loads(dumps(user)).fields == user.fields
    assert hessian2.to_plain(user) == {"$class": "User", "$fields": [["name", "above"], ["age", 8], ["name", "below"]]}
    assert repr(user.definition) == "ClassDefinition('User', ('name', 'age', 'name'))"
    assert user.definition != "User"


def test_maps() -> None:
    odd = JavaMap([([1], "list"), ("a", 1), ("a", 2)])
    assert odd["a"] == 2  # the last, as Java
    assert odd[[1]] == "list"
    assert odd.get("b") is None
    with pytest.raises(KeyError):
        odd["b"]
    assert len(odd) == 3
    assert list(odd) == odd.keys() == [[1], "a", "a"]
    assert odd.values() == ["list", 1, 2]
    assert isinstance(odd, Mapping)
    assert repr(JavaMap({"a": 1}, "T")) == "JavaMap({'a': 1}, 'T')"
    assert copy.copy(odd) == odd
    assert JavaMap({"a": 1, "b": 2}) == {"b": 2, "a": 1}
    assert JavaMap({"a": 1}, "T") != {"a": 1}
    assert JavaMap({"a": 1}) != {"a": 2}
    assert JavaMap({1: 1}) != {2: 1}
    assert loads(dumps(odd)) == odd
    assert hessian2.to_plain(odd) == {"$map": [[[1], "list"], ["a", 1], ["a", 2]]}
    assert hessian2.to_plain(JavaMap({"a": 1}, "T")) == {"$type": "T", "a": 1}
    match odd:
        case {"a": found}:
            assert found == 2
        case _:
            pytest.fail("no mapping")


def test_lists() -> None:
    typed = JavaList([1, "a"], "java.util.LinkedList")
    assert repr(typed) == "JavaList([1, 'a'], 'java.util.LinkedList')"
    assert repr(JavaList([1])) == "[1]"
    assert JavaList([1]) == [1]
    assert JavaList([1]) == [1]
    assert typed != [1, "a"]
    assert copy.copy(typed) == typed
    assert hessian2.to_plain(typed) == {"$type": "java.util.LinkedList", "$list": [1, "a"]}
    assert loads(dumps((1, 2))) == [1, 2]


def test_keys_that_are_one_in_python() -> None:
    entries = [(1, "int"), (JavaLong(1), "long"), (True, "bool"), (1.0, "double")]
    found = loads(dumps(JavaMap(entries)))
    assert [(type(key), value) for key, value in found.items()] == [(type(key), value) for key, value in entries]


def test_a_map_of_many_numbers_is_no_dict() -> None:
    few = dict.fromkeys(range(DICT_NUMBERS))
    assert type(loads(dumps(few))) is dict
    assert type(loads(dumps({**few, -1: None}))) is JavaMap
    assert type(loads(dumps({str(number): None for number in range(2 * DICT_NUMBERS)}))) is dict


def test_longs() -> None:
    assert repr(JavaLong(7)) == "JavaLong(7)"
    assert f"{JavaLong(7)}" == str(JavaLong(7)) == "7"
    assert json.dumps(hessian2.to_plain([JavaLong(7)])) == "[7]"
    assert pickle.loads(pickle.dumps(JavaLong(7))) == 7


def test_dates() -> None:
    moment = datetime.datetime(2024, 2, 29, 12, 0, 0, 123_999, tzinfo=datetime.timezone(datetime.timedelta(hours=8)))
    date = Date.from_datetime(moment)
    assert date.milliseconds == 1_709_179_200_123
    assert date.to_datetime() == moment.replace(microsecond=123_000)
    assert loads(dumps(moment)) == date
    assert Date(1) < Date(2)
    assert {Date(1): 1}[Date(1)] == 1
    assert Date(1) != 1
    assert hessian2.to_plain(date) == {"$date": 1_709_179_200_123}
    with pytest.raises(OverflowError):
        Date(2**62).to_datetime()
    with pytest.raises(LocalProtocolError, match="without a time zone"):
        dumps(moment.replace(tzinfo=None))
    with pytest.raises(LocalProtocolError, match="more than 64 bits"):
        dumps(Date(2**63))


def test_json_of_what_json_has_no_word_for() -> None:
    value = [b"\xff", "\ud800", float("nan"), {"$x": 1}, {1: 2}, Date(5), None, True, "张"]
    assert json.loads(json.dumps(hessian2.to_plain(value))) == [
        {"$bytes": "/w=="},
        {"$bytes": "7aCA"},
        {"$float": "nan"},
        {"$map": [["$x", 1]]},
        {"$map": [[1, 2]]},
        {"$date": 5},
        None,
        True,
        "张",
    ]


class Number(enum.IntEnum):
    SEVEN = 7


class Text(str):
    __slots__ = ()


def test_subclasses_are_written_as_what_they_are() -> None:
    assert loads(dumps([Number.SEVEN, Text("x"), bytearray(b"y"), memoryview(b"z")])) == [7, "x", b"y", b"z"]
    assert type(loads(dumps(2**40))) is JavaLong


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, object(), {1, 2}, 1j])
def test_what_has_no_form(value: Any) -> None:
    with pytest.raises(LocalProtocolError):
        dumps([value])


def test_a_zero_keeps_its_sign() -> None:
    assert str(loads(dumps(-0.0))) == "-0.0"
    assert dumps(0.0) == b"\x5b"


# -- graphs -----------------------------------------------------------------------------------------------------------


def test_what_holds_a_reference_is_no_plain_list_and_nothing_else_is() -> None:
    shared: list[Any] = ["shared"]
    found = loads(dumps([shared, [1], {"k": shared}, {"k": 1}]))
    assert [type(part) for part in (found, *found)] == [JavaList, list, list, JavaMap, dict]
    assert found[2]["k"] is found[0]


def test_a_map_of_itself() -> None:
    loop: dict[str, Any] = {}
    loop["me"] = loop
    found = loads(dumps(loop))
    assert found["me"] is found
    assert repr(found) == "JavaMap({'me': ...})"
    assert found == loads(dumps(loop))
    assert hessian2.to_plain(found) == {"$id": 1, "me": {"$ref": 1}}


def test_equal_however_it_is_shared() -> None:
    """Two cycles of other lengths look the same from inside; one that differs somewhere does not."""
    one = loads(b"\x79Q\x90")
    two = loads(b"\x79\x79Q\x90")
    assert one == two
    assert one != loads(b"\x7a\x90Q\x90")
    assert one != [[[]]]


def test_deep_by_references() -> None:
    """[[], [the one before], [the one before], …]: two levels in the bytes, as many as one likes in memory."""
    count = 20_000
    chain = Writer()
    parts: list[Any] = [[]]
    for _ in range(count):
        parts.append([parts[-1]])
    chain.value(parts)
    value = loads(chain.bytes())
    last = value[-1]
    assert len(repr(last)) < 5000
    assert last == loads(chain.bytes())[-1]
    assert copy.deepcopy(last) == last
    assert pickle.loads(pickle.dumps(last)) == last
    assert "$deep" in json.dumps(hessian2.to_plain(last))
    assert len(dumps(last)) == count + 1


def test_depth() -> None:
    for levels in (1, PLAIN_DEPTH, PLAIN_DEPTH + 1, 128):
        value = loads(b"\x79" * levels + b"N")
        depth = 0
        while value is not None:
            value = value[0]
            depth += 1
        assert depth == levels
    with pytest.raises(BodyError, match=r"byte 129: values nested more than 128 levels deep"):
        loads(b"\x79" * 129 + b"N")
    with pytest.raises(BodyError, match="more than 2 levels"):
        loads(b"HN\x79\x79N", limits=Limits(depth=2))
    Reader(b"\x79" * 129 + b"N").skip()


def test_very_deep_where_it_is_allowed() -> None:
    levels = 10 * sys.getrecursionlimit()
    for data in (
        b"\x79" * levels + b"N",
        b"HN" * levels + b"N" + b"Z" * levels,
        b"C\x01A\x91\x01x" + b"`" * levels + b"N",
    ):
        value = loads(data, limits=Limits(depth=levels))
        assert len(repr(value)) < 5000
        assert value == loads(data, limits=Limits(depth=levels))
        assert copy.deepcopy(value) == pickle.loads(pickle.dumps(value)) == value
        json.dumps(hessian2.to_plain(value))
        assert dumps(value) == data


# -- what is wrong ----------------------------------------------------------------------------------------------------

WRONG = [
    (b"", 0, "goes on behind the last byte"),
    (b"\x05abc", 4, "goes on behind the last byte"),
    (b"I\x00\x00", 3, "goes on behind the last byte"),
    (b"\x91\x91", 1, "1 bytes after the value"),
    (b"@", 0, "no value begins with tag 40"),
    (b"\x79E", 1, "no value begins with tag 45"),
    (b"G", 0, "no value begins with tag 47"),
    (b"P", 0, "no value begins with tag 50"),
    (b"Z", 0, "an end mark where a value is due"),
    (b"\x7a\x90Z", 2, "an end mark where a value is due"),
    (b"H\x90Z", 2, "a map ends behind a key"),
    (b"M\x01T\x90Z", 4, "a map ends behind a key"),
    (b"Q\x90", 0, "reference 0 of 0"),
    (b"\x79Q\x8f", 1, "reference -1 of 1"),
    (b"`", 0, "class 0 of 0"),
    (b"O\x8f", 0, "class -1 of 0"),
    (b"M\x90Z", 1, "type 0 of 0"),
    (b"U\x8fZ", 1, "type -1 of 0"),
    (b"M\x4eZ", 1, "an int is due, not tag 4e"),
    (b"X\xbf", 1, "47 elements in 0 bytes"),
    (b"X\x8f", 1, "-1 elements in 0 bytes"),
    (b"C\x01A\xbf", 3, "47 fields in 0 bytes"),
    (b"C\x91", 1, "a string is due, not tag 91"),
    (b"R\x00\x01a\x91", 4, "a string is due, not tag 91"),
    (b"A\x00\x01a\x91", 4, "the rest of a binary is due, not tag 91"),
    (b"\x01\xff", 1, "four bytes where one unit is left"),
    (b"\x01\x80\x80\x80\x80\x80", 1, "not UTF-8"),
    (b"\x01\xc0\x80", 1, "not UTF-8"),
    (b"\x02\xc3aa", 1, "not UTF-8"),
    (b"\x02a\xf0\x9f\x98\x80", 1, "four bytes where one unit is left"),
]


@pytest.mark.parametrize(("data", "offset", "reason"), WRONG)
def test_wrong_bytes(data: bytes, offset: int, reason: str) -> None:
    with pytest.raises(BodyError, match=reason) as raised:
        loads(data)
    assert raised.value.protocol == "hessian2"
    assert raised.value.offset == offset


def test_offsets_and_protocol_of_a_reader() -> None:
    reader = Reader(b"head\x91@tail", 4, 6, protocol="dubbo")
    assert reader.value() == 1
    with pytest.raises(BodyError, match=r"^dubbo: byte 5: no value begins with tag 40$"):
        reader.value()
    with pytest.raises(BodyError, match=r"^dubbo: byte 5: a string is due, not tag 40$"):
        reader.string()


def test_more_elements_than_the_limit() -> None:
    with pytest.raises(BodyError, match="9 elements; the limit is 8"):
        loads(b"X\x99" + b"N" * 9, limits=Limits(items=8))


def test_strings_of_a_header() -> None:
    for text in ("", "abc", "张", "x" * 40, "é" * 2000, None):
        reader = Reader(dumps(text) + b"N")
        assert reader.string() == text
        assert reader.offset == len(dumps(text))


def test_a_class_may_be_defined_again() -> None:
    data = b"\x7aC\x01A\x91\x01x\x60\x91C\x01A\x92\x01x\x01y\x61\x92\x93"
    assert loads(data) == [JavaObject("A", {"x": 1}), JavaObject("A", {"x": 2, "y": 3})]
    assert dumps(loads(data)) == data
    assert ClassDefinition("A", ["x"]) != ClassDefinition("A", ["x", "y"])


def test_a_class_of_a_high_number() -> None:
    """Object 16 has no tag of its own; 70, which would be next, begins a list."""
    definitions = b"".join(b"C" + dumps(f"A{number}") + b"\x91\x01x" for number in range(17))
    found = loads(b"\x7b" + definitions + b"O\xa0\x91" + b"p\x02[a" + b"O\xa0\x92")
    first, empty, last = found
    assert (first.class_name, first["x"], last["x"]) == ("A16", 1, 2)
    assert empty == JavaList((), "[a")


def test_objects_of_one_class_in_a_row() -> None:
    """The next one may lack its bytes, or have a field that is no short one."""
    head = b"C\x01A\x92\x01x\x01y"
    found = loads(b"\x7b" + head + b"\x60\x91\x92\x60\x93\x79\x94\x60\x95\x02\xc3\xa9\xc3\xa9")
    assert [one.values for one in found] == [[1, 2], [3, [4]], [5, "éé"]]
    for size in range(1, 5):
        with pytest.raises(BodyError):
            loads((b"\x7b" + head + b"\x60\x91\x92\x60\x93\x94\x60\x95\x96")[:-size])
