"""Conversations as transcripts.

    Talk("parley") >> client(request("get")) << [asked("get")] >> server(response(1)) << [answer(to=0)]

`>>` says something; `<<` gives what must have been heard since the last `<<`, as (kind, method or status, place of the
request among all messages heard, or None).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from l7codec import Conversation, Message, Side, encode

Said = tuple[Side, bytes | int | None]
Heard = tuple[str, Any, int | None]


def _bytes(parts: tuple[Message | bytes, ...]) -> bytes:
    return b"".join(part if isinstance(part, bytes) else encode(part) for part in parts)


def client(*parts: Message | bytes) -> Said:
    return Side.CLIENT, _bytes(parts)


def server(*parts: Message | bytes) -> Said:
    return Side.SERVER, _bytes(parts)


def gap(side: Side, count: int | None = None) -> Said:
    return side, count


def heard(kind: str, what: Any = None, to: int | None = None) -> Heard:
    return kind, what, to


class Talk:
    """A Conversation that notes all that it delivers."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.conversation = Conversation(*arguments, **options)
        self.messages: list[Message] = []
        self._checked = 0

    def __rshift__(self, said: Said) -> Talk:
        side, data = said
        stream = self.conversation.stream(side)
        iterator = stream.receive_data(data) if isinstance(data, bytes) else stream.receive_gap(data)
        self.messages.extend(iterator)
        return self

    def __lshift__(self, expected: Iterable[Heard]) -> Talk:
        new = self.messages[self._checked :]
        self._checked = len(self.messages)
        assert [self._shown(message) for message in new] == list(expected)
        return self

    def _shown(self, message: Message) -> Heard:
        place = None
        if message.request is not None:
            (place,) = (index for index, one in enumerate(self.messages) if one is message.request)
        what = message.metadata.get("method", message.metadata.get("status"))
        return str(message.kind), what, place
