"""Message and its JSON object."""

from __future__ import annotations

import copy
import json
import math
import pickle
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

import l7codec
from l7codec import BodyError, Kind, Message, Side, to_dict
from tests.toys import Parley, request, response


def message(**changes: Any) -> Message:
    made: dict[str, Any] = {
        "protocol": "parley", "kind": Kind.REQUEST, "side": Side.CLIENT, "metadata": {}, "raw": b"raw", **changes,
    }  # fmt: skip
    return Message(**made)


# -- attributes -------------------------------------------------------------------------------------------------------


def test_size_counts_what_is_missing() -> None:
    assert message(raw=b"abc", missing=4).size == 7


def test_sides() -> None:
    assert Side.CLIENT.other is Side.SERVER
    assert Side.SERVER.other is Side.CLIENT
    assert Side("client") is Side.CLIENT
    assert f"{Side.CLIENT} {Kind.REQUEST}" == "client request"


def test_equality_is_of_what_was_said_not_of_whom_it_answers() -> None:
    assert response(1) == response(1)
    answered = response(1)
    answered.request = request("get")
    assert answered == response(1)
    assert message() != "raw"


@pytest.mark.parametrize(
    "changes",
    [
        {"raw": b"other"},
        {"metadata": {"method": "x"}},
        {"kind": Kind.PUSH},
        {"side": Side.SERVER},
        {"protocol": "tally"},
        {"id": 1},
        {"missing": 1},
        {"error": BodyError("parley", 0, "wrong")},
    ],
)
def test_inequality(changes: dict[str, Any]) -> None:
    assert message(**changes) != message()


def test_a_message_has_no_hash() -> None:
    with pytest.raises(TypeError):
        hash(message())


# -- the body ---------------------------------------------------------------------------------------------------------


def test_the_body_is_computed_when_first_asked_for_and_once(monkeypatch: pytest.MonkeyPatch) -> None:
    computed = []
    monkeypatch.setattr(Parley, "body", classmethod(lambda cls, message: computed.append(1) or {"n": len(computed)}))
    asked = request("get")
    assert computed == []
    assert asked.body is asked.body
    assert computed == [1]


def test_a_bad_body_raises_the_same_error_each_time_and_keeps_no_frames() -> None:
    bad = response(1)
    bad.raw = bad.raw[:13]
    errors = []
    for _ in range(2):
        with pytest.raises(BodyError, match="parley: byte 13: an empty response") as caught:
            _ = bad.body
        errors.append(caught.value)
    assert errors[0] is errors[1]
    assert errors[0].__context__ is None


def test_a_bug_in_a_codec_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Parley, "body", classmethod(lambda cls, message: 1 // 0))
    with pytest.raises(ZeroDivisionError):
        _ = request("get").body


# -- pickling ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_pickling(protocol: int) -> None:
    answered = response(1, b"value")
    answered.request = request("get")
    answered.error = BodyError("parley", 3, "odd")
    _ = answered.body
    again = pickle.loads(pickle.dumps(answered, protocol))
    assert again == answered
    assert again.request == answered.request
    assert again.body == answered.body
    assert (again.error.protocol, again.error.offset, again.error.reason) == ("parley", 3, "odd")


def test_a_body_that_does_not_pickle_is_no_obstacle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Parley, "body", classmethod(lambda cls, message: {"view": memoryview(message.raw)}))
    asked = request("get")
    _ = asked.body
    assert pickle.loads(pickle.dumps(asked)).body == asked.body


def test_copies() -> None:
    asked = request("get")
    for again in (copy.copy(asked), copy.deepcopy(asked)):
        assert again == asked
        assert again.body == asked.body


def test_a_pickle_is_read_where_nothing_was_imported() -> None:
    """In another process the codec is found by the protocol's name alone."""
    asked = message(protocol="nobody-knows-it")
    script = f"import pickle; m = pickle.loads({pickle.dumps(asked)!r}); print(m.size)\ntry: m.body\n"
    script += "except Exception as e: print(type(e).__mro__[-4].__name__, e)"
    root = Path(l7codec.__file__).parent.parent
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=root)
    assert done.stdout.startswith("3\n"), done.stderr
    assert "no codec is named 'nobody-knows-it'" in done.stdout


# -- showing ----------------------------------------------------------------------------------------------------------


def test_repr_shows_what_matters_and_neither_bytes_nor_request() -> None:
    answered = response(7, b"secret" * 100)
    answered.request = request("get")
    assert repr(answered) == (
        "Message(protocol='parley', kind='response', side='server', metadata={'status': 'ok'}, id=7, size=614)"
    )
    assert "missing=3, error='parley: byte 0: odd'" in repr(
        message(missing=3, error=BodyError("parley", 0, "odd"), metadata={"method": "get"})
    )


def test_repr_is_elided() -> None:
    assert len(repr(message(metadata={"keys": ("k" * 100,) * 1000}))) < 500


def test_rich_repr() -> None:
    assert dict(request("get", id=3).__rich_repr__())["id"] == 3


# -- to_dict ----------------------------------------------------------------------------------------------------------


def test_to_dict() -> None:
    assert to_dict(request("get", b"\xff", id=3)) == {
        "protocol": "parley",
        "kind": "request",
        "side": "client",
        "id": 3,
        "size": 18,
        "error": None,
        "metadata": {"method": "get"},
    }
    assert to_dict(request("get", b"\xff"), body=True)["body"] == {"method": "get", "arguments": {"$bytes": "/w=="}}


def test_to_dict_tells_what_is_wrong_and_missing() -> None:
    bad = response(1)
    bad.raw = bad.raw[:13]
    assert to_dict(bad, body=True)["body"] is None
    assert to_dict(bad, body=True)["error"] == "parley: byte 13: an empty response"
    lacking = message(missing=4, error=BodyError("parley", 2, "a hole"))
    assert to_dict(lacking, body=True)["missing"] == 4
    assert to_dict(lacking, body=True)["error"] == "parley: byte 2: a hole"


class Lazy(Sequence[Any]):
    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: Any) -> Any:
        if not 0 <= index < 3:
            raise IndexError(index)
        return [index, b"\x00"]

    def __iter__(self) -> Iterator[Any]:
        return (self[index] for index in range(3))


class Own:
    def to_plain(self) -> Any:
        return {"own": [1]}


@pytest.mark.parametrize(
    ("body", "plain"),
    [
        (None, None),
        ([True, 1, -1.5, "text", ()], [True, 1, -1.5, "text", []]),
        (b"text", {"$bytes": "dGV4dA=="}),
        (bytearray(b"a"), {"$bytes": "YQ=="}),
        ("caf\udce9", {"$bytes": "Y2Fm6Q=="}),
        ("\ud800", {"$bytes": "7aCA"}),
        (math.inf, {"$float": "inf"}),
        ([-math.inf, math.nan], [{"$float": "-inf"}, {"$float": "nan"}]),
        ({"a": {"b": [b"c"]}}, {"a": {"b": [{"$bytes": "Yw=="}]}}),
        ({b"key": 1}, {"key": 1}),
        ({b"\xff": 1}, {"$map": [[{"$bytes": "/w=="}, 1]]}),
        ({b"k": 1, "k": 2}, {"$map": [[{"$bytes": "aw=="}, 1], ["k", 2]]}),
        ({1: 2}, {"$map": [[1, 2]]}),
        ({"$bytes": "a lie"}, {"$map": [["$bytes", "a lie"]]}),
        ({b"$map": []}, {"$map": [[{"$bytes": "JG1hcA=="}, []]]}),
        (Lazy(), [[0, {"$bytes": "AA=="}], [1, {"$bytes": "AA=="}], [2, {"$bytes": "AA=="}]]),
        (Own(), {"own": [1]}),
        (1 << 5000, {"$int": hex(1 << 5000)}),
    ],
)
def test_any_body_is_json(body: Any, plain: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Parley, "body", classmethod(lambda cls, message: body))
    row = to_dict(request("get"), body=True)
    assert row["body"] == plain
    assert json.loads(json.dumps(row, ensure_ascii=False, allow_nan=False).encode()) == row


def test_depth_is_no_obstacle(monkeypatch: pytest.MonkeyPatch) -> None:
    deep: Any = b""
    for _ in range(50_000):
        deep = [deep]
    monkeypatch.setattr(Parley, "body", classmethod(lambda cls, message: deep))
    plain = to_dict(request("get"), body=True)["body"]
    for _ in range(50_000):
        (plain,) = plain
    assert plain == {"$bytes": ""}


def test_metadata_that_is_not_text() -> None:
    odd = message(metadata={"header.\udcff": "\udcfe", "keys": ("a", "\udcff")})
    odd.error = BodyError("parley", 0, "what is \udcff")
    row = to_dict(odd)
    assert row["metadata"] == {"header.\\xff": {"$bytes": "/g=="}, "keys": ["a", {"$bytes": "/w=="}]}
    assert json.loads(json.dumps(row, ensure_ascii=False).encode()) == row
