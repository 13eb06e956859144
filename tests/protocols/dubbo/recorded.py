"""What real Dubbo programs said (tests/vectors/dubbo, made by scripts/record_dubbo.py), and how to compare with it."""

from __future__ import annotations

import base64
import json
from functools import cache
from pathlib import Path
from typing import Any

from l7codec import Conversation, Message, Side
from l7codec.hessian2 import Date, JavaLong, JavaMap, JavaObject

VECTORS = Path(__file__).resolve().parents[2] / "vectors" / "dubbo"
NAMES = sorted(path.stem for path in VECTORS.glob("*.json") if not path.stem.endswith("-tri"))


@cache
def recording(name: str) -> dict[str, Any]:
    return json.loads((VECTORS / f"{name}.json").read_text())


def pieces(name: str, connection: int = 1) -> list[tuple[Side, bytes]]:
    return [(Side(side), bytes.fromhex(data)) for number, side, data in recording(name)["wire"] if number == connection]


@cache
def heard(name: str, connection: int = 1) -> list[Message]:
    """All messages of a connection, paired."""
    conversation = Conversation("dubbo")
    messages: list[Message] = []
    for side, data in pieces(name, connection):
        messages.extend(conversation.stream(side).receive_data(data))
    assert conversation.idle
    return messages


def calls(name: str) -> list[tuple[dict[str, Any], Message, Message | None]]:
    """What the application says of each call, its request, and its response."""
    messages = heard(name)
    asked = [one for one in messages if one.side is Side.CLIENT and one.kind in ("request", "oneway")]
    said = recording(name)["calls"]
    assert len(asked) == len(said)
    answers = {id(one.request): one for one in messages if one.kind == "response"}
    return [(call, request, answers.get(id(request))) for call, request in zip(said, asked, strict=True)]


class Plain:
    """Values in the form in which Json.java prints them."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def of(self, value: Any) -> Any:
        if isinstance(value, JavaLong):
            return {"$long": int(value)}
        if isinstance(value, bytes):
            return {"$bytes": base64.b64encode(value).decode()}
        if isinstance(value, Date):
            return {"$date": value.milliseconds}
        if isinstance(value, JavaObject):
            return self.object(value)
        if isinstance(value, dict | JavaMap):
            return {name: self.of(item) for name, item in value.items()}
        if isinstance(value, list):
            return [self.of(item) for item in value]
        return value

    def object(self, value: JavaObject) -> Any:
        names = [name for name, _ in value.fields]
        if value.class_name == "java.math.BigDecimal":
            return {"$decimal": value["value"]}
        if names == ["name"]:
            return {"$enum": [value.class_name, value["name"]]}
        for number, known in enumerate(self.seen):
            if known is value:
                return {"$same": number}
        self.seen.append(value)
        return {"$object": value.class_name, "fields": {name: self.of(value[name]) for name in sorted(names)}}
