"""Records as JSON, one object a line: quick, exact, and valid for every reader.

Times are written from integer nanoseconds, never through a float. Everything that is not ASCII is escaped, so that
nothing from the wire can do anything to a terminal. Metadata is written by templates (half the time of `json.dumps`)
unless it holds text that is not UTF-8, which only the result tells (a lone surrogate, `\\udc..`).
"""

from __future__ import annotations

import json
import json.encoder
from collections.abc import Callable, Sequence
from typing import Any, Final

from ..capture import Ends, Record
from ..message import Message, MetadataValue, to_dict
from .text import endpoint

__all__ = ["NUMBER", "Encoder", "seconds"]

NUMBER = "\0"
"""Stands for the conversation's number where it is not yet known: JSON cannot hold this character."""

_REMEMBERED = 8192  # directions whose part of the line is kept ready
_PATIENCE = 1000
_NANO = 1_000_000_000


_quoted: Callable[[str], str] = json.encoder.encode_basestring_ascii  # in C where there is one


class _Shape:
    """The JSON of metadata that has certain keys; and the last of it, since replies are often all alike."""

    __slots__ = ("_text", "patience", "values", "written")

    def __init__(self, keys: tuple[str, ...]) -> None:
        places = ", ".join(f"{_quoted(key)}: %s".replace("%s", "\0").replace("%", "%%") for key in keys)
        self._text = "{" + places.replace("\0", "%s") + "}"
        self.values: tuple[MetadataValue, ...] | None = None
        """Those that `written` was made of."""
        self.written = ""
        self.patience = _PATIENCE
        """How often more to remember what is written: where values are never alike it is a waste of time."""

    def write(self, values: tuple[MetadataValue, ...]) -> str:
        """The JSON with these values."""
        return self._text % tuple([_WRITERS[type(value)](value) for value in values])

    def remember(self, values: tuple[MetadataValue, ...], written: str) -> None:
        """Keep what was written, but for what equals something that is written otherwise: 1 is True."""
        self.patience -= 1
        if 0 not in values and 1 not in values:
            self.values, self.written = values, written


class _Shapes(dict[tuple[str, ...], _Shape]):
    """By the keys; few sets of keys make up all traffic."""

    def __missing__(self, keys: tuple[str, ...]) -> _Shape:
        if len(self) >= _REMEMBERED:  # header names are the sender's to invent
            self.clear()
        shape = self[keys] = _Shape(keys)
        return shape


def _texts(values: tuple[str, ...]) -> str:
    return f"[{_quoted(values[0])}]" if len(values) == 1 else f"[{', '.join(map(_quoted, values))}]"


class _Writers(dict[type, Callable[[Any], str]]):
    """How values are written, by their type."""

    def __missing__(self, kind: type) -> Callable[[Any], str]:
        return next(write for known, write in self.items() if issubclass(kind, known))  # an enumeration's member, say


_WRITERS: Final = _Writers({str: _quoted, bool: {True: "true", False: "false"}.__getitem__, int: str, tuple: _texts})


def seconds(nanoseconds: int) -> str:
    """Nanoseconds as seconds, exactly, with six decimals or, where needed, nine."""
    if nanoseconds < 0:
        return "-" + seconds(-nanoseconds)
    whole, rest = divmod(nanoseconds, _NANO)
    text = f"{whole}.{rest:09d}"
    return text[:-3] if text.endswith("000") else text


class Encoder:
    """Makes the lines of one capture."""

    def __init__(self, *, body: bool = False, file: str | None = None, numbered: bool = True) -> None:
        """`body` adds the payloads, `file` a column with the file's name. `numbered=False` leaves `NUMBER` in the
        place of the conversation's number.
        """
        self._body = body
        self._start = '{"time": ' if file is None else f'{{"file": {_harmless(json.dumps(file))}, "time": '
        self._numbered = numbered
        self._heads: dict[Ends, dict[tuple[str, str], str]] = {}
        self._second = -1
        self._seconds = ""
        self._shapes = _Shapes()

    def line(self, record: Record) -> str:
        """One record, with the line's end."""
        return self.lines([record.message], record.time_ns, record.frame, record.ends)[0]

    def lines(self, messages: Sequence[Message], time_ns: int, frame: int, ends: Ends) -> list[str]:
        """What one packet completed, as `capture.Burst` has it: a line for each message, with its end."""
        heads = self._heads.get(ends)
        if heads is None:
            heads = self._new_heads(ends)
        second = time_ns // _NANO
        if second != self._second:
            self._second, self._seconds = second, f"{self._start}{second}."
        rest = time_ns - second * _NANO
        micro = rest // 1000
        fraction = f"{micro:06d}" if micro * 1000 == rest else f"{rest:09d}"
        place = f"{self._seconds}{fraction}" if second >= 0 else f"{self._start}{seconds(time_ns)}"
        place = f'{place}, "frame": {frame}'
        shapes, plain = self._shapes, not self._body
        lines: list[str] = []
        for message in messages:
            tag = message.protocol, message.kind
            head = heads.get(tag)
            if head is None:
                head = heads[tag] = self._head(ends, *tag)
            known = message.metadata
            shape = shapes[tuple(known)]
            values = tuple(known.values())
            if values == shape.values:
                metadata = shape.written
            else:
                metadata = shape.write(values)
                if "\\ud" in metadata or "\x7f" in metadata:
                    metadata = _harmless(json.dumps(to_dict(message)["metadata"]))
                elif shape.patience:
                    shape.remember(values, metadata)
            request = message.request
            if request is None:
                between = "null"
            else:
                latency = time_ns - request._time_ns
                micro = latency // 1000
                if not 0 <= latency < _NANO:
                    between = seconds(latency)
                else:
                    between = f"0.{micro:06d}" if micro * 1000 == latency else f"0.{latency:09d}"
            if plain and message.id is None and message.error is None and not message.missing:
                lines.append(
                    f'{place}{head}null, "size": {len(message.raw)}, '
                    f'"latency": {between}, "error": null, "metadata": {metadata}}}\n'
                )
            else:
                lines.append(self._rarer(message, place + head, between, metadata))
        return lines

    def _rarer(self, message: Message, start: str, between: str, metadata: str) -> str:
        """The same for messages that have an id, an error or bytes missing, and with bodies."""
        error = None if message.error is None else str(message.error)
        body = ""
        if self._body:
            row = to_dict(message, body=True)
            error = row["error"]
            body = _harmless(f', "body": {json.dumps(row["body"])}')
        words = "null" if error is None else _harmless(json.dumps(error.encode("utf-8", "backslashreplace").decode()))
        missing = f', "missing": {message.missing}' if message.missing else ""
        return (
            f'{start}{"null" if message.id is None else message.id}, "size": {message.size}, '
            f'"latency": {between}, "error": {words}{missing}, "metadata": {metadata}{body}}}\n'
        )

    def _new_heads(self, ends: Ends) -> dict[tuple[str, str], str]:
        if len(self._heads) >= _REMEMBERED:
            self._heads.clear()
        heads: dict[tuple[str, str], str] = {}
        self._heads[ends] = heads
        return heads

    def _head(self, ends: Ends, protocol: str, kind: str) -> str:
        """What is the same for all messages of one kind in one direction."""
        number = ends.conversation if self._numbered else NUMBER
        source, destination = json.dumps(endpoint(ends.source)), json.dumps(endpoint(ends.destination))
        return (
            f', "conversation": {number}, "source": {source}, "destination": {destination}, '
            f'"protocol": {json.dumps(protocol)}, "kind": "{kind}", "id": '
        )


def _harmless(text: str) -> str:
    """JSON without the one control character that it does not escape."""
    return text.replace("\x7f", "\\u007f")
