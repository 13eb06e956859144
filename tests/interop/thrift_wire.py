"""A conversation of two real Thrift libraries, with a relay between them that keeps every byte; and what they say."""

from __future__ import annotations

import base64
import contextlib
import selectors
import socket
import threading
from collections.abc import Iterator
from typing import Any, NamedTuple

from l7codec import Side

from . import thrift_peers as peers
from .programs import PATIENCE
from .thrift_peers import Failed, Thrown

Recording = list[tuple[Side, bytes]]
"""What went over one connection, in order."""


@contextlib.contextmanager
def relay(upstream: int) -> Iterator[tuple[int, list[Recording]]]:
    """Stands before a server: its port, and a recording for each connection. It forwards before it looks at more."""
    listener = socket.create_server(("127.0.0.1", 0))
    stop, stopped = socket.socketpair()
    recordings: list[Recording] = []
    thread = threading.Thread(target=_forward, args=(listener, upstream, stopped, recordings), daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1], recordings
    finally:
        stop.close()
        thread.join(PATIENCE)
        listener.close()
        stopped.close()


def _forward(listener: socket.socket, upstream: int, stopped: socket.socket, recordings: list[Recording]) -> None:
    with selectors.DefaultSelector() as selector, contextlib.ExitStack() as held:
        selector.register(listener, selectors.EVENT_READ)
        selector.register(stopped, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is stopped:
                    return
                if key.fileobj is listener:
                    client = held.enter_context(listener.accept()[0])
                    server = held.enter_context(socket.create_connection(("127.0.0.1", upstream), PATIENCE))
                    recordings.append([])
                    selector.register(client, selectors.EVENT_READ, (server, Side.CLIENT, recordings[-1]))
                    selector.register(server, selectors.EVENT_READ, (client, Side.SERVER, recordings[-1]))
                    continue
                other, side, recording = key.data
                try:
                    data = key.fileobj.recv(1 << 16)  # type: ignore[union-attr]
                except ConnectionResetError:
                    data = b""
                with contextlib.suppress(OSError):  # the other end has gone
                    if data:
                        recording.append((side, data))
                        other.sendall(data)
                    else:
                        selector.unregister(key.fileobj)
                        other.shutdown(socket.SHUT_WR)


# -- what is said -----------------------------------------------------------------------------------------------------


class Call(NamedTuple):
    """A call, as the application makes it, and how it ends."""

    method: str
    arguments: dict[str, Any]
    outcome: Any = None
    """The result, or Thrown or Failed."""


POINT = {"x": -7, "y": 2**31 - 1}
ALL = {
    "yes": True,
    "no": False,
    "tiny": -128,
    "small": -32768,
    "medium": -(2**31),
    "large": -(2**63),
    "real": 0.1,
    "text": "größe 日本 🙂",
    "blob": bytes(range(256)),
    "numbers": [0, 1, -1, 63, 64, -64, -65, 2**31 - 1],
    "words": {"one"},
    "counts": {"": 0, "é": 2**63 - 1},
    "grid": [[1, 2], [], [-3]],
    "paths": {-5: [POINT, {"x": 0, "y": 0}], 0: []},
    "here": POINT,
    "color": 5,
    "maybe": "",
    "defaulted": 43,
    "shape": {"radius": 2.5},
    "flags": [True, False, True],
    "palette": {2},
    "painted": {1: {"name": "circle"}, 5: {"point": POINT}},
    "when_seen": 1_700_000_000_000,
    "blobs": [b"", b"\xff\xfe"],
    "nested": {"a": {"b": True, "c": False}},
    "far": 300,
}
SECRET = {"reason": "it is secret", "about": {"yes": True, "defaulted": 1}}
FEW = {"defaulted": 42}
LONG = {"defaulted": 1, "text": "x" * 20_000, "numbers": list(range(-300, 300)), "blob": bytes(5_000)}

CALLS = [
    Call("ping", {}),
    Call("add", {"left": 40, "right": 2}, 42),
    Call("echo", {"all": ALL}, ALL),
    Call("echo", {"all": FEW}, FEW),
    Call("echo", {"all": LONG}, LONG),
    Call("draw", {"shape": {"radius": 0.5}, "others": [{"name": "a"}, {"point": POINT}]}, {"name": "a"}),
    Call("find", {"what": "key"}, "found key"),
    Call("find", {"what": "nothing"}, Thrown("missing", {"what": "nothing", "code": 404})),
    Call(
        "find",
        {"what": "secret"},
        Thrown("refused", SECRET),
    ),
    Call("forget", {"id": 7}),
    Call("forget", {"id": -1}, Thrown("missing", {"what": "-1", "code": 0})),
    Call("note", {"text": "nobody answers", "level": 3}),
    Call("truth", {"one": True}, True),
    Call("truth", {"one": False}, False),
    Call("tiny", {"one": 127}, 127),
    Call("small", {"one": 32767}, 32767),
    Call("large", {"one": 2**63 - 1}, 2**63 - 1),
    Call("real", {"one": -1e308}, -1e308),
    Call("blob", {"one": b"\x80\x01\x00\x01"}, b"\x80\x01\x00\x01"),
    Call("unique", {"many": [4, 4]}, {4}),
    Call("places", {"known": {"a": POINT}}, {"a": POINT}),
    Call("nothing", {}),
    Call("light", {"wanted": 1}, 1),
    Call("fail", {"why": "on purpose"}, Failed(6, "on purpose")),
]


LESS = {name: value for name, value in ALL.items() if name not in ("grid", "painted")}
CALLS_IN_JSON = [Call("echo", {"all": LESS}, LESS) if call.outcome is ALL else call for call in CALLS]


def calls_between(*speakers: peers.Peer) -> list[Call]:
    """What these can say: thriftpy2's JSON fails on lists of lists, and on maps whose keys are of an enum."""
    poor = any(one.library == "thriftpy2" and one.dialect.protocol == "json" for one in speakers)
    return CALLS_IN_JSON if poor else CALLS


def handle(method: str, arguments: dict[str, Any]) -> Any:
    """The service Everything: does what CALLS expects."""
    known = (*CALLS, *CALLS_IN_JSON)
    found = next((call for call in known if (call.method, call.arguments) == (method, arguments)), None)
    assert found is not None, (method, arguments)
    if isinstance(found.outcome, Failed):
        raise RuntimeError(found.outcome.message)
    if isinstance(found.outcome, Thrown):
        raise found.outcome
    return found.outcome


def handle_other(method: str, arguments: dict[str, Any]) -> Any:
    """The service Other."""
    return arguments["left"] + arguments["right"] if method == "add" else len(arguments["data"])


HANDLERS = {"Everything": handle, "Other": handle_other}


def make(client: Any, call: Call) -> None:
    """Make a call, and see to it that it ends as it should: else the peers themselves are not to be trusted."""
    try:
        outcome = client.call(call.method, **call.arguments)
    except (Thrown, Failed) as error:
        assert isinstance(call.outcome, type(error)), (call, error)
        assert error.args == call.outcome.args, call
    else:
        assert outcome == call.outcome, call


# -- what that is in bytes, told by field ids -------------------------------------------------------------------------


def by_ids(value: Any, kind: peers.Type, json: bool = False) -> Any:
    """A value as a body without an IDL has it; written for these tests, from the type that the IDL gives.

    The JSON protocol has binary in base64, which without an IDL cannot be told from text.
    """
    name = TYPES[kind.code]
    if name == "struct":
        return {
            number: (full_name(inner), by_ids(value[field], inner, json))
            for number, (field, inner) in peers.fields(kind.of[0]).items()
            if field in value
        }
    if name in ("list", "set"):
        return [element(item, kind.of[0], json) for item in value]
    if name == "map":
        return [(element(key, kind.of[0], json), element(item, kind.of[1], json)) for key, item in value.items()]
    if isinstance(value, bytes):
        return base64.b64encode(value) if json else value
    return value.encode() if isinstance(value, str) else value


def element(value: Any, kind: peers.Type, json: bool) -> Any:
    found = by_ids(value, kind, json)
    return (full_name(kind), found) if kind.code in (13, 14, 15) else found


def full_name(kind: peers.Type) -> str:
    name = TYPES[kind.code]
    return f"{name}<{','.join(TYPES[inner.code] for inner in kind.of)}>" if kind.code in (13, 14, 15) else name


TYPES = {
    2: "bool", 3: "i8", 4: "double", 6: "i16", 8: "i32", 10: "i64", 11: "string", 12: "struct", 13: "map", 14: "set",
    15: "list", 18: "string",
}  # fmt: skip


def arguments_by_ids(call: Call, json: bool = False, service: str = "Everything") -> dict[int, Any]:
    struct = peers.arguments_of(getattr(peers.idl(), service), call.method)
    found: dict[int, Any] = by_ids(call.arguments, peers.Type(12, (struct,)), json)
    return found


def result_by_ids(call: Call, json: bool = False, service: str = "Everything") -> dict[int, Any]:
    struct = peers.result_of(getattr(peers.idl(), service), call.method)
    if isinstance(call.outcome, Thrown):
        values = {call.outcome.name: call.outcome.value}
    else:
        values = {} if call.outcome is None else {"success": call.outcome}
    found: dict[int, Any] = by_ids(values, peers.Type(12, (struct,)), json)
    return found


# -- what it is with names --------------------------------------------------------------------------------------------


def by_names(side: Side, call: Call, service: str = "Everything") -> dict[str, Any]:
    """What a body has to read like with the IDL."""
    found = getattr(peers.idl(), service)
    if side is Side.CLIENT:
        return {
            name: _named(call.arguments[name], kind)
            for name, kind in peers.fields(peers.arguments_of(found, call.method)).values()
            if name in call.arguments
        }
    kinds = dict(peers.fields(peers.result_of(found, call.method)).values())
    if isinstance(call.outcome, Thrown):
        return {call.outcome.name: _named(call.outcome.value, kinds[call.outcome.name])}
    return {} if call.outcome is None else {"success": _named(call.outcome, kinds["success"])}


def _named(value: Any, kind: peers.Type) -> Any:
    """Enums are named; sets are lists."""
    if kind.code == 8 and kind.of:
        return kind.of[0]._VALUES_TO_NAMES[value]
    if kind.code == 12:
        kinds = dict(peers.fields(kind.of[0]).values())
        return {name: _named(item, kinds[name]) for name, item in value.items()}
    if kind.code in (14, 15):
        return [_named(item, kind.of[0]) for item in value]
    if kind.code == 13:
        return {_named(key, kind.of[0]): _named(item, kind.of[1]) for key, item in value.items()}
    return value
