"""Finagle's Thrift: a struct before each message, once both sides have agreed on it.

Specification: https://github.com/twitter/finagle/blob/develop/finagle-thrift/src/main/thrift/tracing.thrift

    length: 4 | RequestHeader (from the server: ResponseHeader) | message       all in the binary protocol

    RequestHeader   1 trace_id  2 span_id  3 parent_span_id  5 sampled  6 client_id {1 name}  7 flags
                    8 contexts [{1 key, 2 value}]  9 dest  10 delegations [{1 src, 2 dst}]  11 trace_id_high
    ResponseHeader  1 contexts [{1 key, 2 value}]

The client asks for it by calling the method `__can__finagle__trace__v3__`; a server that can answers with a reply.
"""

from __future__ import annotations

from typing import Any, Final

from ...message import Metadata, Side
from .values import Struct, TypedValue

__all__ = ["UPGRADE", "begins_with_header", "contexts_of", "describe_header", "header", "with_contexts"]

UPGRADE: Final = b"__can__finagle__trace__v3__"

_STARTS: Final = (b"\n\0\1", b"\0\x80\1", b"\x0f\0\1\x0c")
"""A trace_id; no field at all, and the message; contexts."""


def begins_with_header(data: bytes, start: int) -> bool:
    """Whether a RequestHeader or a ResponseHeader, and not a message, stands at `start`."""
    return data.startswith(_STARTS, start)


def contexts_of(header: Struct, side: Side) -> list[tuple[bytes, bytes]]:
    """What the application put into the header."""
    found = header.get(8 if side is Side.CLIENT else 1)
    if found is None or found[0] != "list<struct>":
        return []
    return [(_string(entry, 1) or b"", _string(entry, 2) or b"") for entry in map(dict, found[1])]


def with_contexts(header: Struct, side: Side, contexts: list[tuple[bytes, bytes]]) -> Struct:
    """The header with other contexts; its other fields stay."""
    id = 8 if side is Side.CLIENT else 1
    entries: list[Any] = [{1: ("string", key), 2: ("string", value)} for key, value in contexts]
    changed = Struct(header)
    if entries:
        changed[id] = ("list<struct>", entries)
    else:
        changed.pop(id, None)
    return changed


def header(trace_id: int = 0, span_id: int = 0) -> Struct:
    """A RequestHeader; the two ids are required."""
    return Struct({1: ("i64", trace_id), 2: ("i64", span_id)})


def describe_header(metadata: Metadata, header: Struct, side: Side) -> None:
    """Put into `metadata` what a RequestHeader says beside contexts."""
    if side is not Side.CLIENT:
        return
    trace = _number(header, 1)
    if trace is not None:
        high = _number(header, 11)
        metadata["thrift.trace_id"] = _hex(trace) if high is None else _hex(high) + _hex(trace)
    for id, key in ((2, "thrift.span_id"), (3, "thrift.parent_span_id")):
        number = _number(header, id)
        if number is not None:
            metadata[key] = _hex(number)
    type, sampled = header.get(5, ("", None))
    if type == "bool":
        metadata["thrift.sampled"] = sampled
    type, client = header.get(6, ("", None))
    name = _string(dict(client), 1) if type == "struct" else None
    if name:
        metadata["client_id"] = name.decode("utf-8", "surrogateescape")
    dest = _string(header, 9)
    if dest:
        metadata["thrift.dest"] = dest.decode("utf-8", "surrogateescape")


def _number(struct: Any, id: int) -> int | None:
    found: TypedValue | None = struct.get(id)
    return found[1] if found is not None and found[0] == "i64" else None


def _string(struct: Any, id: int) -> bytes | None:
    found: TypedValue | None = struct.get(id)
    return found[1] if found is not None and found[0] == "string" else None


def _hex(number: int) -> str:
    return f"{number & 0xFFFFFFFFFFFFFFFF:016x}"
