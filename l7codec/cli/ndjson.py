"""Records as JSON, one object a line: quick, exact, and valid for every reader.

Times are written from integer nanoseconds, never through a float. Everything that is not ASCII is escaped, so that
nothing from the wire can do anything to a terminal. Metadata is written by templates (half the time of `json.dumps`)
unless it holds text that is not UTF-8, which only the result tells (a lone surrogate, `\\udc..`).
"""

from __future__ import annotations

import json
import json.encoder
from collections.abc import Callable

from ..capture import Ends, Record
from ..message import MetadataValue, to_dict
from .text import endpoint

__all__ = ["NUMBER", "Encoder", "seconds"]

NUMBER = "\0"
"""Stands for the conversation's number where it is not yet known: JSON cannot hold this character."""

_REMEMBERED = 8192  # directions whose part of the line is kept ready
_NANO = 1_000_000_000


_quoted: Callable[[str], str] = json.encoder.encode_basestring_ascii  # in C where there is one


class _Shapes(dict[tuple[str, ...], str]):
    """The JSON of metadata by its keys: text with a place for each value. Few sets of keys make up all traffic."""

    def __missing__(self, keys: tuple[str, ...]) -> str:
        places = ", ".join(f"{_quoted(key)}: %s".replace("%s", "\0").replace("%", "%%") for key in keys)
        shape = "{" + places.replace("\0", "%s") + "}"
        if len(self) >= _REMEMBERED:  # header names are the sender's to invent
            self.clear()
        self[keys] = shape
        return shape


def _value(value: MetadataValue) -> str:
    """One value of metadata: text, a whole number, a truth, or several texts."""
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, tuple):
        return f"[{_quoted(value[0])}]" if len(value) == 1 else f"[{', '.join(map(_quoted, value))}]"
    if value is True:
        return "true"
    return "false" if value is False else str(value)


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
        self._time_ns = -1
        self._time = ""
        self._shapes = _Shapes()

    def line(self, record: Record) -> str:
        """One record, with the line's end."""
        message = record.message
        ends = record.ends
        heads = self._heads.get(ends)
        if heads is None:
            heads = self._new_heads(ends)
        tag = (message.protocol, message.kind)
        head = heads.get(tag)
        if head is None:
            head = heads[tag] = self._head(ends, *tag)
        time_ns = record.time_ns
        if time_ns != self._time_ns:
            self._time_ns, self._time = time_ns, _time(time_ns)
        known = message.metadata
        metadata = self._shapes[tuple(known)] % tuple(map(_value, known.values()))
        if "\\ud" in metadata or "\x7f" in metadata:
            metadata = _harmless(json.dumps(to_dict(message)["metadata"]))
        latency = record.latency_ns
        if latency is None:
            between = "null"
        elif 0 <= latency < _NANO:
            between = f"0.{latency:09d}"
            if between.endswith("000"):
                between = between[:-3]
        else:
            between = seconds(latency)
        if message.id is None and message.error is None and not message.missing and not self._body:
            return (
                f'{self._start}{self._time}, "frame": {record.frame}{head}null, "size": {len(message.raw)}, '
                f'"latency": {between}, "error": null, "metadata": {metadata}}}\n'
            )
        return self._rarer(record, head, between, metadata)

    def _rarer(self, record: Record, head: str, between: str, metadata: str) -> str:
        """The same for messages that have an id, an error or bytes missing, and with bodies."""
        message = record.message
        error = None if message.error is None else str(message.error)
        body = ""
        if self._body:
            row = to_dict(message, body=True)
            error = row["error"]
            body = _harmless(f', "body": {json.dumps(row["body"])}')
        words = "null" if error is None else _harmless(json.dumps(error.encode("utf-8", "backslashreplace").decode()))
        missing = f', "missing": {message.missing}' if message.missing else ""
        return (
            f'{self._start}{self._time}, "frame": {record.frame}{head}{"null" if message.id is None else message.id}, '
            f'"size": {message.size}, "latency": {between}, "error": {words}{missing}, "metadata": {metadata}{body}}}\n'
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


def _time(time_ns: int) -> str:
    text = str(time_ns)
    if len(text) < 10:
        return seconds(time_ns)
    return f"{text[:-9]}.{text[-9:-3]}" if text.endswith("000") else f"{text[:-9]}.{text[-9:]}"


def _harmless(text: str) -> str:
    """JSON without the one control character that it does not escape."""
    return text.replace("\x7f", "\\u007f")
