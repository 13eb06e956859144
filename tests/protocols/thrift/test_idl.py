"""Names for Thrift bodies: what an IDL explains, what it does not, and the way back."""

from __future__ import annotations

import contextlib
import io
import pickle
from collections.abc import Iterator
from typing import Any

import pytest
import thriftpy2
from hypothesis import given
from hypothesis import strategies as st

import l7codec
from l7codec import BodyError, Conversation, LocalProtocolError, Message, Side, registry, strategies
from l7codec.protocols import thrift
from l7codec.protocols.thrift import Fields, Struct, ThriftCodec
from l7codec.protocols.thrift.declared import Enum, Field, StructType, Type, with_uuid
from l7codec.protocols.thrift.envelope import CALL, EXCEPTION, REPLY, write_body, write_envelope
from l7codec.protocols.thrift.idl import Idl, Named
from l7codec.protocols.thrift.naming import name_struct, type_struct, unnamed
from tests import laws

IDL = """
typedef i64 Id
enum Color { RED = 1, GREEN, BLUE = 7, AZURE = 7 }
struct Point { 1: i32 x, 2: optional i32 y = 5 }
typedef list<Point> Path
union Shape { 1: Point point, 2: double radius }
struct Tree { 1: string name, 2: list<Tree> trees, 3: Tree left }
exception Gone { 1: string why, 2: Color color }
const i32 UNUSED = 3

service Base { Color turn(1: Color color) }
service Orders extends Base {
    string get(1: Id id, 2: Color color, 3: binary key) throws (1: Gone gone, 2: Gone lost)
    void put(1: map<string, Shape> shapes, 2: set<Color> colors, 3: map<Point, Color> odd, 4: Path path)
    Tree plant(1: Tree tree, 2: map<i32, list<Shape>> many)
    oneway void note(1: string text)
}
service Stock {
    i32 get(1: Id id, 2: i32 amount)
    i32 count(1: string name)
}
service Depot { i32 count(1: string title) }
service Copy { i32 count(1: string name) }
service Lists {
    void all(1: list<bool> a, 2: list<i8> b, 3: list<i16> c, 4: list<double> d, 5: list<list<list<string>>> e)
    uuid same(1: uuid one, 2: list<uuid> more)
}
"""


def load(text: str, name: str) -> Any:
    return thriftpy2.load_fp(io.StringIO(with_uuid(text)), f"{name}_thrift")


@pytest.fixture(scope="module")
def module():
    return load(IDL, "test_idl")


@pytest.fixture(scope="module")
def idl(module):
    return Idl(module)


def message(name: str, body: Any, kind: int = CALL, protocol: str = "binary") -> Message:
    raw = write_envelope(protocol, kind, name.encode(), 0) + write_body(body, protocol)
    [found] = l7codec.decode("thrift", raw, Side.CLIENT if kind == CALL else Side.SERVER)
    assert found.error is None
    return found


def paired(name: str, asked: Any, answer: Any, kind: int = REPLY) -> Message:
    conversation = Conversation("thrift")
    [_] = conversation.client.receive_data(message(name, asked).raw)
    [response] = conversation.server.receive_data(message(name.rpartition(":")[2], answer, kind).raw)
    return response


GET = {1: ("i64", 42), 2: ("i32", 7), 3: ("string", b"\xff")}


class TestNames:
    @pytest.mark.parametrize("protocol", ["binary", "compact"])
    @pytest.mark.parametrize(
        ("name", "body", "expected"),
        [
            ("Orders:get", GET, {"id": 42, "color": "AZURE", "key": b"\xff"}),
            ("Orders:get", {}, {}),
            ("turn", {1: ("i32", 2)}, {"color": "GREEN"}),
            (
                "put",
                {
                    1: ("map<string,struct>", [(b"a", {2: ("double", 1.5)}), (b"b", {1: ("struct", {1: ("i32", 1)})})]),
                    2: ("set<i32>", [2, 1, 99]),
                    3: ("map<struct,i32>", [({1: ("i32", 3)}, 1)]),
                    4: ("list<struct>", [{1: ("i32", 1), 2: ("i32", 2)}, {}]),
                },
                {
                    "shapes": {"a": {"radius": 1.5}, "b": {"point": {"x": 1}}},
                    "colors": ["GREEN", "RED", 99],
                    "odd": [({"x": 3}, "RED")],
                    "path": [{"x": 1, "y": 2}, {}],
                },
            ),
            ("put", {1: ("map<string,struct>", [])}, {"shapes": {}}),
            (
                "plant",
                {
                    1: ("struct", {1: ("string", b"a"), 3: ("struct", {2: ("list<struct>", [{}])})}),
                    2: ("map<i32,list>", [(1, ("list<struct>", [{2: ("double", 0.0)}])), (2, ("list<struct>", []))]),
                },
                {"tree": {"name": "a", "left": {"trees": [{}]}}, "many": {1: [{"radius": 0.0}], 2: []}},
            ),
            (
                "all",
                {
                    1: ("list<bool>", [True]),
                    2: ("list<i8>", [-1]),
                    3: ("list<i16>", [2]),
                    4: ("list<double>", [0.5]),
                    5: ("list<list>", [("list<list>", [("list<string>", [b"x"])]), ("list<list>", [])]),
                },
                {"a": [True], "b": [-1], "c": [2], "d": [0.5], "e": [[["x"]], []]},
            ),
            (
                "same",
                {1: ("uuid", "00112233-4455-6677-8899-aabbccddeeff"), 2: ("list<uuid>", [])},
                {"one": "00112233-4455-6677-8899-aabbccddeeff", "more": []},
            ),
        ],
    )
    def test_arguments_and_back(self, idl, protocol, name, body, expected):
        call = message(name, body, protocol=protocol)
        named = idl.body(call)
        assert named == expected
        assert idl.edits(call, {"body": named}) == {"body": body}

    @pytest.mark.parametrize(
        ("body", "expected"),
        [
            ({0: ("string", b"v")}, {"success": "v"}),
            ({1: ("struct", {1: ("string", b"no"), 2: ("i32", 1)})}, {"gone": {"why": "no", "color": "RED"}}),
            ({2: ("struct", {})}, {"lost": {}}),
            ({}, {}),
            ({5: ("struct", {1: ("i32", 1)})}, {5: ("struct", {1: ("i32", 1)})}),
        ],
    )
    def test_results(self, idl, body, expected):
        response = paired("Orders:get", GET, body)
        assert idl.body(response) == expected
        assert idl.edits(response, {"body": expected}) == {"body": body}

    def test_an_application_exception_needs_no_idl(self):
        response = paired("nobody", {}, {1: ("string", b"who?"), 2: ("i32", 1)}, EXCEPTION)
        assert Idl().body(response) == {"message": "who?", "type": "UNKNOWN_METHOD"}

    def test_text_that_is_no_utf_8_is_kept(self, idl):
        call = message("note", {1: ("string", b"\xffx")})
        assert idl.body(call) == {"text": "\udcffx"}
        assert idl.edits(call, {"body": {"text": "\udcffx"}}) == {"body": {1: ("string", b"\xffx")}}

    def test_binary_is_base64_in_json(self, idl):
        call = message("Orders:get", {1: ("i64", 1), 3: ("string", b"/w")}, protocol="json")
        assert idl.body(call) == {"id": 1, "key": b"\xff"}
        assert idl.edits(call, {"body": {"key": b"\xff"}}) == {"body": {3: ("string", b"/w==")}}
        odd = message("Orders:get", {3: ("string", b"not base64")}, protocol="json")
        assert idl.body(odd) == {3: ("string", b"not base64")}

    def test_depth_is_the_codec_s_business_and_not_the_interpreter_s(self, idl):
        body: dict[int, Any] = {}
        for _ in range(60):
            body = {3: ("struct", body)}
        deep = idl.body(message("plant", {1: ("struct", body)}))["tree"]
        for _ in range(60):
            deep = deep["left"]
        assert deep == {}
        for _ in range(5000):
            body = {3: ("struct", body)}
        assert isinstance(idl.arguments("Orders", "plant", {1: ("struct", body)}), Struct)


class TestDisagreement:
    """What the bytes say is never hidden."""

    @pytest.mark.parametrize(
        ("name", "body", "expected"),
        [
            ("Orders:get", {9: ("string", b"new"), 1: ("i64", 1)}, {9: ("string", b"new"), "id": 1}),
            ("Orders:get", {1: ("i32", 1)}, {1: ("i32", 1)}),
            ("Orders:get", {3: ("uuid", "00112233-4455-6677-8899-aabbccddeeff")}, None),
            ("Orders:get", {-1: ("bool", True)}, None),
            ("put", {1: ("map<string,i32>", [(b"a", 1)]), 2: ("set<i64>", [1]), 4: ("set<struct>", [])}, None),
            ("plant", {2: ("map<i32,list>", [(1, ("list<i32>", [1]))])}, None),
            ("all", {5: ("list<list>", [("list<list>", [("list<i32>", [1])])])}, None),
            ("plant", {1: ("struct", {1: ("i32", 1), 3: ("struct", {7: ("i8", 1)})})},
             {"tree": {1: ("i32", 1), "left": {7: ("i8", 1)}}}),
            ("nobody", {1: ("i32", 1)}, None),
            ("Orders:nobody", {1: ("i32", 1)}, None),
        ],
    )  # fmt: skip
    def test_stays_by_id(self, idl, name, body, expected):
        call = message(name, body)
        named = idl.body(call)
        assert named == (body if expected is None else expected)
        assert idl.edits(call, {"body": named})["body"] == body

    def test_repeated_fields(self, idl):
        twice = Fields([(1, ("i64", 1)), (1, ("i64", 2))])
        assert idl.body(message("Orders:get", twice)) == twice
        inner = {1: ("struct", Fields([(1, ("string", b"a")), (1, ("string", b"b"))]))}
        assert idl.body(message("plant", inner)) == inner
        many = {4: ("list<struct>", [{}, Fields([(1, ("i32", 1)), (1, ("i32", 2))])])}
        assert idl.body(message("put", many)) == many

    def test_repeated_keys(self, idl):
        call = message("put", {1: ("map<string,struct>", [(b"a", {}), (b"a", {2: ("double", 1.0)})])})
        assert idl.body(call) == {"shapes": [("a", {}), ("a", {"radius": 1.0})]}
        assert idl.edits(call, {"body": idl.body(call)}) == {"body": call.body}

    def test_json_has_names_and_ids(self, idl):
        assert isinstance(idl.body(message("Orders:get", GET)), Named)
        codec = Idl.codec(idl)
        known = registry._codecs.copy()
        try:
            l7codec.register(codec)
            call = message("Orders:get", {1: ("i64", 1), 9: ("list<i32>", [1]), 3: ("string", b"\xff")})
            row = l7codec.to_dict(call, body=True)
        finally:
            registry._codecs.clear()
            registry._codecs.update(known)
        assert row["body"] == {"id": 1, "9": {"list<i32>": [1]}, "key": {"$bytes": "/w=="}}


class TestWhichMethod:
    def test_a_service_that_is_named_settles_it(self, idl):
        assert idl.body(message("Stock:get", {1: ("i64", 1), 2: ("i32", 7)})) == {"id": 1, "amount": 7}
        assert idl.body(message("Orders:get", {1: ("i64", 1), 2: ("i32", 7)})) == {"id": 1, "color": "AZURE"}

    def test_an_inherited_method_is_one_method(self, idl):
        assert idl.method(message("turn", {})) is idl.services["Base"].methods["turn"]
        assert idl.method(message("Orders:turn", {})) is idl.services["Base"].methods["turn"]

    def test_the_one_that_explains_more(self, idl):
        assert idl.body(message("get", GET)) == {"id": 42, "color": "AZURE", "key": b"\xff"}

    def test_two_that_explain_as_much(self, idl):
        body = {1: ("i64", 1), 2: ("i32", 1)}
        assert idl.method(message("get", body)) is None
        assert idl.body(message("get", body)) == body
        assert idl.body(message("count", {1: ("string", b"x")})) == {1: ("string", b"x")}

    def test_two_that_are_alike(self, module):
        idl = Idl(module, services=["Stock", "Copy"])
        assert idl.body(message("count", {1: ("string", b"x")})) == {"name": "x"}

    def test_services_narrow_it(self, module):
        idl = Idl(module, services=["Stock"])
        assert idl.body(message("get", {1: ("i64", 1), 2: ("i32", 7)})) == {"id": 1, "amount": 7}
        assert list(idl.services) == ["Stock"]

    def test_a_service_of_another_name_than_in_the_idl(self, idl):
        """Servers register a service under any name they like."""
        assert idl.body(message("plants:plant", {1: ("struct", {})})) == {"tree": {}}

    def test_a_reply_goes_by_its_request(self, idl):
        assert idl.body(paired("Stock:get", {}, {0: ("i32", 1)})) == {"success": 1}
        assert idl.body(paired("Orders:get", {}, {0: ("i32", 1)})) == {0: ("i32", 1)}
        assert idl.body(paired("get", GET, {0: ("string", b"1")})) == {"success": "1"}

    def test_a_reply_to_what_cannot_be_read(self, idl):
        conversation = Conversation("thrift")
        bad = bytearray(thrift.call("get", {1: ("i64", 1)}).raw)
        bad[-12] = 99  # no type
        [request] = conversation.client.receive_data(bytes(bad))
        assert request.metadata["method"] == "get"
        [response] = conversation.server.receive_data(thrift.reply("get", ("i32", 1)).raw)
        assert response.request is request
        assert idl.body(response) == {0: ("i32", 1)}

    def test_a_reply_alone(self, idl):
        assert idl.body(message("get", {0: ("i32", 1)}, REPLY)) == {"success": 1}
        assert idl.body(message("plant", {0: ("struct", {})}, REPLY)) == {"success": {}}

    def test_included_files_belong_to_it(self, tmp_path):
        (tmp_path / "base.thrift").write_text("struct P { 1: i32 x } service Base { P get(1: P p) }")
        (tmp_path / "main.thrift").write_text('include "base.thrift"\nservice Main extends base.Base {}')
        idl = Idl(thriftpy2.load(str(tmp_path / "main.thrift")))
        assert list(idl.services) == ["Main", "Base"]
        assert idl.body(message("Main:get", {1: ("struct", {1: ("i32", 3)})})) == {"p": {"x": 3}}


class TestCodec:
    @pytest.fixture(autouse=True)
    def _in_force(self, idl, monkeypatch):
        monkeypatch.setattr(registry, "_codecs", registry._codecs.copy())
        l7codec.register(idl.codec())

    def test_bodies_read_like_the_idl_and_encode_takes_them_back(self):
        call = message("Orders:get", GET)
        assert call.body == {"id": 42, "color": "AZURE", "key": b"\xff"}
        edited = l7codec.encode(call, {"body": {**call.body, "color": "RED", "id": 43}})
        [again] = l7codec.decode("thrift", edited)
        assert again.body == {"id": 43, "color": "RED", "key": b"\xff"}
        assert ThriftCodec.body(again) == {1: ("i64", 43), 2: ("i32", 1), 3: ("string", b"\xff")}
        assert l7codec.encode(call) == call.raw
        assert l7codec.encode(call, {"body": call.body}) == call.raw

    def test_a_declared_exception_s_name_is_the_error_s_type(self):
        gone = {2: ("struct", {1: ("string", b"no")})}
        response = paired("Orders:get", GET, gone)
        assert (response.metadata["status"], response.metadata["error.type"]) == ("error", "Gone")
        assert response.body == {"lost": {"why": "no"}}
        for name, body in (("Orders:get", {7: ("struct", {})}), ("Orders:get", {0: ("string", b"")}), ("nobody", gone)):
            assert "error.type" not in paired(name, GET, body).metadata
        failed = paired("Orders:get", GET, {2: ("i32", 6)}, EXCEPTION)
        assert failed.metadata["error.type"] == "INTERNAL_ERROR"

    def test_by_ids_still_goes(self):
        call = message("Orders:get", GET)
        assert l7codec.encode(call, {"body": ThriftCodec.body(call)}) == call.raw
        assert l7codec.encode(call, {"body": {1: ("i64", 42), "color": 7, 3: ("string", b"\xff")}}) == call.raw

    def test_a_body_for_another_method(self):
        call = message("Orders:get", GET)
        edits = {"service": "Stock", "body": {"id": 1, "amount": 2}}
        [again] = l7codec.decode("thrift", l7codec.encode(call, edits))
        assert again.metadata["service"] == "Stock"
        assert again.body == {"id": 1, "amount": 2}

    def test_messages_pickle(self):
        call = message("Orders:get", GET)
        assert pickle.loads(pickle.dumps(call)).body == call.body

    @pytest.mark.parametrize(
        ("body", "reason"),
        [
            ({"nope": 1}, "get_args has no field 'nope'; it has id, color, key"),
            ({"id": "1"}, "get_args.id: '1' is no i64"),
            ({"id": True}, "get_args.id: True is no i64"),
            ({"id": 1 << 63}, "get_args.id: 9223372036854775808 is no i64"),
            ({"color": "MAUVE"}, "Color has no value 'MAUVE'; it has RED, GREEN, BLUE, AZURE"),
            ({"color": 1.5}, "1.5 is no Color"),
            ({"key": 5}, "get_args.key: 5 is no binary"),
        ],
    )
    def test_what_does_not_fit_is_refused(self, body, reason):
        with pytest.raises(LocalProtocolError, match=reason.replace("(", "\\(")):
            l7codec.encode(message("Orders:get", GET), {"body": body})

    @pytest.mark.parametrize(
        ("method", "body", "reason"),
        [
            ("put", {"shapes": 1}, "1 is no map<string,struct>"),
            ("put", {"shapes": [("a",)]}, "is no map"),
            ("put", {"shapes": {"a": 1}}, "Shape is a struct, not 1"),
            ("put", {"path": "abc"}, "'abc' is no list<struct>"),
            ("all", {"a": [1]}, "1 is no bool"),
            ("all", {"d": [10**400]}, "is no double"),
            ("all", {"d": ["x"]}, "'x' is no double"),
            ("same", {"one": 1}, "1 is no uuid"),
            ("nobody", {"a": 1}, "does not tell what the names in a body of 'nobody' stand for"),
            ("count", {"name": "x"}, "does not tell"),
        ],
    )
    def test_nor_is_anything_nested(self, method, body, reason):
        with pytest.raises(LocalProtocolError, match=reason):
            l7codec.encode(message(method, {1: ("string", b"x")} if method == "count" else {}), {"body": body})


def test_bodies_from_nothing(idl):
    assert idl.arguments("Orders", "get", {"id": 1, "color": "RED", "key": None}) == {1: ("i64", 1), 2: ("i32", 1)}
    assert idl.result("Orders", "get", {"gone": {"why": "x"}}) == {1: ("struct", {1: ("string", b"x")})}
    with pytest.raises(LocalProtocolError, match="no service 'Nope'; it has Orders"):
        Idl(load("service Orders {}", "only")).arguments("Nope", "get", {})
    with pytest.raises(LocalProtocolError, match="Orders has no method 'nope'"):
        idl.arguments("Orders", "nope", {})


def test_what_is_no_idl():
    with pytest.raises(LocalProtocolError, match="an IDL is a module that thriftpy2 has loaded, not 'orders.thrift'"):
        Idl("orders.thrift")
    with pytest.raises(LocalProtocolError, match="no service 'X'; it has none"):
        Idl(services=["X"])


def test_a_type_that_thriftpy2_leaves_open_hides_nothing():
    """It does so in typedefs of containers of what is declared later."""
    idl = Idl(
        load("typedef list<Late> Lates\nstruct Late {1: i32 x}\nservice S { void f(1: Lates l, 2: i32 n) }", "open")
    )
    body = {1: ("list<struct>", [{1: ("i32", 1)}]), 2: ("i32", 2)}
    call = message("f", body)
    assert idl.body(call) == {1: body[1], "n": 2}
    assert idl.edits(call, {"body": idl.body(call)}) == {"body": body}
    with pytest.raises(LocalProtocolError, match="thriftpy2 has not found out the type"):
        idl.edits(call, {"body": {"l": []}})


def test_uuid_is_declared_only_where_it_is_a_type():
    for text in ("struct S { 1: i32 a } // uuid", 'const string A = "uuid"', "// uuid\n", ""):
        assert with_uuid(text) == text
    text = '# enum uuid\ninclude "uuid.thrift"\n/* struct\n */ namespace py x\nunion U { 1: uuid id }'
    assert with_uuid(text) == text.replace("union U", "struct uuid {} union U")


# -- any body under any declaration -----------------------------------------------------------------------------------

COLORS = Enum("Color", {0: "NONE", 1: "RED", 7: "AZURE"}, {"NONE": 0, "RED": 1, "BLUE": 7, "AZURE": 7})
OTHERS = [
    Type("bool"),
    Type("i32"),
    Type("string"),
    Type("struct", struct=StructType("Empty")),
    Type("list<i32>"),
    Type(""),
]


@st.composite
def declared(draw: st.DrawFn, wire: str, value: Any) -> Type:
    """A type for a value: the one that it has, as the IDL may have put it, or another."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.sampled_from(OTHERS))
    base, _, inner = wire.partition("<")
    if base == "map":
        key, item = inner[:-1].split(",")
        first, second = value[0] if value else (None, None)
        return container("map", draw(element(key, first)), draw(element(item, second)))
    if inner:
        return container(base, draw(element(inner[:-1], value[0] if value else None)))
    if base == "struct":
        struct = StructType("S")
        for number, (type, held) in value if isinstance(value, Fields) else value.items():
            if draw(st.integers(0, 4)):
                struct.add(Field(number, f"f{number}", draw(declared(type, held))))
        return Type(wire, struct=struct)
    if base == "i32" and draw(st.booleans()):
        return Type(wire, enum=COLORS)
    return Type(wire, binary=base == "string" and draw(st.booleans()))


def container(name: str, *elements: Type) -> Type:
    return Type(f"{name}<{','.join(one.wire.partition('<')[0] for one in elements)}>", elements)


def element(wire: str, value: Any) -> st.SearchStrategy[Type]:
    if wire in ("list", "set", "map"):
        return st.just(Type(f"{wire}<>")) if value is None else declared(*value)
    return st.just(Type(wire)) if value is None and wire == "struct" else declared(wire, value)


@given(st.sampled_from(Side).flatmap(lambda side: strategies.messages("thrift", side)), st.data())
def test_names_lose_nothing(message, data):
    try:
        body = ThriftCodec.body(message)
    except BodyError:
        return
    if not isinstance(body, Struct):
        return
    struct = data.draw(declared("struct", body)).struct
    if struct is None:
        return
    json = message.metadata["thrift.protocol"] == "json"
    named = name_struct(struct, body, json)
    assert unnamed(struct, body, json) == sum(isinstance(key, int) for key in named)
    l7codec.message._plain(named)
    if not json:  # where base64 may come without its padding
        assert repr(untyped(type_struct(struct, named))) == repr(untyped(body))


@contextlib.contextmanager
def in_force(idl: Idl) -> Iterator[None]:
    known = registry._codecs.copy()
    try:
        l7codec.register(idl.codec())
        yield
    finally:
        registry._codecs.clear()
        registry._codecs.update(known)


DECLARED = " ".join(f"i32 {name}(1: i32 one, 2: string two) throws (1: X x)" for name in ("get", "put", "ping"))


@given(strategies.conversations("thrift"), st.data())
def test_a_codec_with_names_keeps_the_laws(said, data):
    """The methods of the strategies are declared, and few of their arguments."""
    with in_force(Idl(load(f"exception X {{ 1: i32 y }} service S {{ {DECLARED} }}", "laws"))):
        laws.pairs("thrift", said)
        for message in said:
            laws.sound(registry.codec_class("thrift"), message)
            laws.edited(message, data.draw(strategies.edits("thrift", message)))


def untyped(value: Any) -> Any:
    """Without the types of empty maps, which the compact protocol does not write."""
    match value:
        case dict():
            return {key: untyped(item) for key, item in value.items()}
        case (str() as name, []) if name.startswith("map<"):
            return "map", []
        case Fields():
            return value
        case tuple() | list():
            return [untyped(item) for item in value]
    return value
