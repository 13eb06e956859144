"""Values of rules and decisions as JSON, valid for every reader and harmless to every terminal."""

from __future__ import annotations

import base64
import json
from typing import Any

from .text import safe

__all__ = ["json_line", "worded"]


def json_line(value: Any) -> str:
    """`value` as one line of JSON. Text that is not UTF-8 becomes `{"$bytes": "<base64>"}`, as in messages."""
    return json.dumps(_plain(value)).replace("\x7f", "\\u007f")


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            return {"$bytes": base64.b64encode(_octets(value)).decode("ascii")}
        return value
    if isinstance(value, dict):
        return {_octets(str(key)).decode("utf-8", "backslashreplace"): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _octets(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def worded(value: Any) -> str:
    """`value` on one line as YAML would have it, for people: `{prefix: "get"}`."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{safe(str(key))}: {worded(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(worded, value))}]"
    if isinstance(value, str):
        return safe(json.dumps(value, ensure_ascii=False))
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
