"""Metadata, without reading bodies: generated functions that look at the few fields rules ask for and skip the rest.

A skim goes to the end of the body, past the last field it needs, and skipping checks lengths as reading does: a message
without an error has a body that can be read.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from .generate import make_walker
from .layout import ZERO_UUID, Item, Struct, layout
from .plain import uuid_text
from .schema import ANY_RESOURCE, FIND_COORDINATOR, LIST_CONFIG_RESOURCES, METADATA, RESOURCES, api

__all__ = ["Skim", "principal_of", "skim_request", "skim_response"]

Skim = Callable[[bytes, int, dict[str, Any], int], "str | None"]
"""`(frame, body's start, metadata to add to, limit of a tuple)`; gives what passes the limit, or None."""

_LISTS: Final = {"topic": "tp", "group": "gr", "transactional_id": "tx"}
_RESOURCE: Final = "if {x} is not None:\n" + "\n".join(
    f" if rt in{(ANY_RESOURCE, *(type_ for type_, one in RESOURCES.items() if one == what))}:{several}.append({{x}})"
    for what, several in _LISTS.items()
)
"""A filter for resources of any type with a name may mean a topic, a group and a transaction."""
_TOPIC_RESOURCE: Final = "if rt==2 and {x} is not None:tp.append({x})"

_PLAIN: Final = {
    ("acks",): 'm["kafka.acks"]={x}',
    ("mechanism",): 'm["kafka.mechanism"]={x}',
    ("client_software_name",): 'if {x}:m["kafka.client_software_name"]={x}',
    ("client_software_version",): 'if {x}:m["kafka.client_software_version"]={x}',
    ("auth_bytes",): "P({x},m)",
    ("replica_id",): 'if {x}>=0:m["kafka.replica_id"]={x}',
    ("replica_state", "replica_id"): 'if {x}>=0:m["kafka.replica_id"]={x}',
}


class _Request:
    """What a request's skim looks at."""

    def __init__(self, key: int) -> None:
        self.key = key

    def wants(self, item: Item, path: tuple[str, ...]) -> str | None:
        plain = _PLAIN.get(path)
        if plain is not None:
            return plain
        found = _topics(item)
        if found is not None:
            return found
        if item.entity in ("group", "transactional_id") and item.type == "string":
            several = "gr" if item.entity == "group" else "tx"
            if item.array:
                return f"{several}+={{x}} or ()"
            if len(path) > 1:
                return f"if {{x}} is not None:{several}.append({{x}})"
            name = "group" if item.entity == "group" else "kafka.transactional_id"
            return f'if {{x}} is not None:m["{name}"]={{x}}'
        if item.name in ("resource_type", "resource_type_filter"):
            return "rt={x}"
        if item.name in ("resource_name", "resource_name_filter"):
            return _RESOURCE
        if self.key == FIND_COORDINATOR:
            return {"key": "ck=[{x}]", "coordinator_keys": "ck={x}", "key_type": "kt={x}"}.get(item.name)
        return None


def _topics(item: Item) -> str | None:
    if item.entity == "topic" and item.type == "string":
        if not item.array and not item.nullable:
            return "tp.append({x})"
        return "tp+={x} or ()" if item.array else "if {x} is not None:tp.append({x})"
    if item.type == "uuid" and item.name in ("topic_id", "topic_ids"):
        return "ti+={x} or ()" if item.array else "if {x}!=Z:ti.append({x})"
    return None


class _Response:
    """What a response's skim looks at: topics, the first error code that is one, its text, throttling."""

    def __init__(self, key: int) -> None:
        self.key = key

    def wants(self, item: Item, path: tuple[str, ...]) -> str | None:
        if self.key == METADATA and len(path) > 2:  # a partition without a leader is no failure of the request
            return None
        if item.name.endswith("error_code") and item.type == "int16" and not item.array and item.tag is None:
            return "if {x} and not er:er={x}"
        if path == ("throttle_time_ms",):
            return 'if {x}:m["kafka.throttle_time_ms"]={x}'
        if path == ("error_message",):
            return 'if {x}:m["error.message"]={x}'
        if self.key == LIST_CONFIG_RESOURCES:  # the type stands behind the name
            return {"resource_name": "rn={x}", "resource_type": "if {x}==2:tp.append(rn)"}.get(item.name)
        if item.name == "resource_type":
            return "rt={x}"
        if item.name == "resource_name":
            return _TOPIC_RESOURCE
        return _topics(item)


_TUPLES: Final = (
    ("tp", "topics", "tuple(tp)"),
    ("ti", "kafka.topic_ids", "tuple([U(i) for i in ti])"),
    ("gr", "kafka.groups", "tuple(gr)"),
    ("tx", "kafka.transactional_ids", "tuple(tx)"),
)


def _store(lists: list[str]) -> str:
    """Code that puts collected lists into the metadata."""
    lines = []
    for variable, key, made in _TUPLES:
        if variable in lists:
            lines.append(f"if {variable}:")
            lines.append(f' if len({variable})<=L:m["{key}"]={made}')
            lines.append(f" else:return'{{}} {key} are over the limit of {{}}'.format(len({variable}),L)")
    return "\n".join(lines) + "\n"


_COORDINATOR: Final = """\
if kt==0:gr+=ck
elif kt==1:tx+=ck
elif kt==2:gr+=[k.rsplit(":",2)[0] for k in ck]
"""
_STATUS: Final = """\
if er:
 m["status"]="error"
 m["kafka.error_code"]=er
 n=N(er)
 if n:m["error.type"]=n
else:m["status"]="ok"
"""


def skim_request(key: int, version: int) -> Skim:
    """The skim of a request, from behind the client id on."""
    visitor = _Request(key)
    after = ""
    if key == FIND_COORDINATOR:
        after = _COORDINATOR
    return _skim(key, version, False, visitor, after)


def skim_response(key: int, version: int) -> Skim:
    """The skim of a response, from behind the correlation id on."""
    return _skim(key, version, True, _Response(key), _STATUS)


def _skim(key: int, version: int, response: bool, visitor: _Request | _Response, after: str) -> Skim:
    fields = layout(key, response, version)
    known = api(key)
    header = known.response_header(version) == 1 if response else known.request_header(version) == 2
    done = _actions(fields, visitor, ()) + after
    lists = [name for name in ("tp", "ti", "gr", "tx") if re.search(rf"\b{name}\b", done)]
    before = [";".join(f"{name}=[]" for name in lists)] if lists else []
    before += [f"{name}=0" for name in ("rt", "kt", "er") if re.search(rf"\b{name}\b", done)]
    if re.search(r"\bck\b", done):
        before.append("ck=[]")
    if "gr" in lists:
        after += 'if len(gr)==1:m["group"]=gr[0]\n'
    if "tx" in lists:
        after += 'if len(tx)==1:m["kafka.transactional_id"]=tx[0]\n'
    after += _store(lists)
    return make_walker(fields, visitor, "d,p,m,L", "\n".join(before), after, header, _NAMES)


def _actions(fields: Struct, visitor: _Request | _Response, path: tuple[str, ...]) -> str:
    """All that a visitor does in a struct."""
    text = ""
    for item in (*fields.fields, *fields.tags):
        inside = (*path, item.name)
        action = visitor.wants(item, inside)
        if action is not None:
            text += action + "\n"
        elif item.inner is not None:
            text += _actions(item.inner, visitor, inside)
    return text


def error_name(code: int) -> str | None:
    """What Kafka calls an error code."""
    from .error_table import ERRORS

    return ERRORS.get(code)


def principal_of(token: bytes, metadata: dict[str, Any]) -> None:
    """Who a SASL token says it is from: PLAIN (RFC 4616), SCRAM (RFC 5802), OAUTHBEARER's (RFC 7628) authzid.

    What follows the name, a password or a proof, is not looked at.
    """
    name = b""
    if token[:2] in (b"n,", b"y,", b"p="):  # a GS2 header
        fields = token.split(b",", 3)
        if len(fields) > 2 and fields[2].startswith(b"n="):
            name = fields[2][2:].replace(b"=2C", b",").replace(b"=3D", b"=")
        elif len(fields) > 1 and fields[1].startswith(b"a="):
            name = fields[1][2:]
    elif token.count(b"\0") == 2:
        try:
            token.decode()
        except UnicodeDecodeError:  # PLAIN is text: a mechanism of bytes, GSSAPI, may have two zeros as well
            return
        name = token.split(b"\0", 2)[1]
    if name:
        metadata["kafka.principal"] = name.decode("utf-8", "surrogateescape")


_NAMES: Final = {"Z": ZERO_UUID, "U": uuid_text, "P": principal_of, "N": error_name, "tuple": tuple}
