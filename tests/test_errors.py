"""The error tree is what its docstring says, and its errors travel."""

from __future__ import annotations

import copy
import pickle
import re
from typing import Any

import pytest

from l7codec import errors
from l7codec.errors import (
    BodyError,
    L7Error,
    LimitExceeded,
    LocalProtocolError,
    MissingExtra,
    ProtocolError,
    RemoteProtocolError,
    TruncatedMessage,
    UnknownProtocol,
)
from tests.toys import request

LOCATED = [ProtocolError, RemoteProtocolError, LimitExceeded, TruncatedMessage, LocalProtocolError, BodyError]


def test_the_tree_is_the_docstring() -> None:
    parents: list[tuple[int, str]] = [(4, "L7Error")]
    seen = {"L7Error"}
    for line in (errors.__doc__ or "").splitlines():
        found = re.match(r"([ │]*)[├└]── (\w+)", line)
        if found:
            indent, name = len(found[1]) + 4, found[2]
            while parents[-1][0] >= indent:
                parents.pop()
            assert issubclass(getattr(errors, name), getattr(errors, parents[-1][1])), name
            parents.append((indent, name))
            seen.add(name)
    assert seen == set(errors.__all__)


def test_all_is_everything() -> None:
    classes = {name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, L7Error)}
    assert classes - {"_Located"} == set(errors.__all__)


@pytest.mark.parametrize("kind", LOCATED)
def test_located_errors_travel(kind: Any) -> None:
    error = kind("redis", 7, "not a number")
    error.messages = [request("get")]
    assert str(error) == "redis: byte 7: not a number"
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(again) is kind
        assert (again.protocol, again.offset, again.reason, again.messages) == (
            "redis",
            7,
            "not a number",
            error.messages,
        )


def test_a_payload_is_no_framing() -> None:
    assert not issubclass(BodyError, ProtocolError)


def test_a_missing_extra_names_it() -> None:
    error = MissingExtra("declare", "declaring a codec")
    assert str(error) == "declaring a codec needs the extra 'declare': pip install 'l7codec[declare]'"
    assert isinstance(error, ImportError)
    again = pickle.loads(pickle.dumps(error))
    assert (again.extra, again.purpose, str(again)) == ("declare", "declaring a codec", str(error))


def test_an_unknown_protocol_is_a_failed_lookup() -> None:
    assert issubclass(UnknownProtocol, LookupError)
