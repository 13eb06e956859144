"""Values of rules and decisions as JSON, valid for every reader and harmless to every terminal."""

from __future__ import annotations

import json
from typing import Any

from ..message import plain_name, text_or_bytes
from .text import safe

__all__ = ["json_line", "worded"]


def json_line(value: Any) -> str:
    """`value` as one line of JSON. Text that is not UTF-8 becomes `{"$bytes": "<base64>"}`, as in messages."""
    return json.dumps(_plain(value)).replace("\x7f", "\\u007f")


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return text_or_bytes(value)
    if isinstance(value, dict):
        return {plain_name(str(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def worded(value: Any) -> str:
    """`value` on one line as YAML would have it, for people: `{prefix: "get"}`."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{safe(str(key))}: {worded(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(worded, value))}]"
    if isinstance(value, str):
        return safe(json.dumps(value, ensure_ascii=False))
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
