"""Records as lines that a person reads: requests, and beside each response what it answers and how long that took.

    time             frame conv  client               server           message
    11:22:33.123456      4    1  10.0.0.1:40112    →  10.0.0.2:6379    redis GET user:1
    11:22:33.123701      5    1  10.0.0.1:40112    ←  10.0.0.2:6379    redis ok · GET user:1        0.245 ms

The client stands on the left, whoever speaks; the arrow says who does. On a terminal `rich` colours the lines and cuts
them at its width; into a pipe they go whole and plain, without needing it.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple, TextIO

from ..capture import Record
from ..errors import BodyError, MissingExtra
from ..message import Kind, Side
from .text import describe, endpoint, safe, shown

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Row", "Table", "console", "row"]

_STYLES: Final = {
    "time": "dim",
    "frame": "dim",
    "request": "cyan",
    "ok": "green",
    "error": "bold red",
    "push": "magenta",
    "preface": "yellow",
    "other": "",
    "latency": "dim",
    "protocol": "bold",
}
_LONGEST_BODY: Final = 2000


class Row(NamedTuple):
    """One line in parts, all of them safe for a terminal; `tone` is how the message is meant."""

    time: str
    frame: int
    conversation: int
    client: str
    arrow: str
    server: str
    protocol: str
    text: str
    latency: str
    tone: str
    body: str


def row(record: Record, body: bool = False) -> Row:
    """The line of a record."""
    message = record.message
    from_client = message.side is Side.CLIENT
    client, server = (record.source, record.destination) if from_client else (record.destination, record.source)
    tone, text = _words(record)
    return Row(
        _clock(record.time_ns),
        record.frame,
        record.conversation,
        endpoint(client),
        "→" if from_client else "←",
        endpoint(server),
        safe(message.protocol),
        text,
        "" if record.latency_ns is None else f"{record.latency_ns / 1e6:,.3f} ms",
        tone,
        _body(record) if body else "",
    )


def _words(record: Record) -> tuple[str, str]:
    """How a message is meant, and what it says."""
    message = record.message
    metadata = message.metadata
    about = describe(metadata, message.protocol)
    kind = message.kind
    tone = str(kind) if kind in (Kind.REQUEST, Kind.PUSH, Kind.PREFACE) else "other"
    if kind is Kind.RESPONSE:
        status = metadata.get("status")
        tone = "error" if status == "error" else "ok"
        words = [shown(status) if status is not None else "response"]
        words += [shown(metadata[name], 100) for name in ("error.type", "error.message") if name in metadata]
        if message.request is not None:
            asked = describe(message.request.metadata, message.protocol)
            words.append(f"· {asked}" if asked else f"· {message.request.kind}")
        elif about:
            words.append(about)
        text = " ".join(words)
    elif kind is Kind.PUSH:
        text = " ".join(filter(None, ("push", shown(metadata.get("redis.push", "")), about)))
    elif kind is Kind.REQUEST:
        text = about or "request"
    elif kind is Kind.PACKET:
        text = about or "packet"
    else:
        text = f"{kind} {about}".rstrip()
    if message.missing:
        text += f" [{message.missing} bytes missing]"
    if message.error is not None:
        tone = "error"
        text += f" [{safe(str(message.error))}]"
    return tone, text


def _clock(nanoseconds: int) -> str:
    """Time of day in UTC; microseconds are enough for the eye."""
    second, rest = divmod(nanoseconds, 1_000_000_000)
    try:
        day = datetime.fromtimestamp(second, UTC)
    except (ValueError, OverflowError, OSError):  # a time stamp far beyond any calendar
        return str(second)
    return f"{day:%H:%M:%S}.{rest // 1000:06d}"


def _body(record: Record) -> str:
    try:
        text = safe(repr(record.message.body))
    except BodyError as error:
        text = safe(f"<{error}>")
    return text if len(text) <= _LONGEST_BODY else f"{text[:_LONGEST_BODY]}… {len(text)} characters in all"


class _Widths:
    """Columns that grow with what they hold, so that the first line need not know the last."""

    def __init__(self) -> None:
        self._widths = {"frame": 5, "conversation": 4, "client": 15, "server": 15}

    def pad(self, name: str, text: str, right: bool = False) -> str:
        width = self._widths[name] = max(self._widths[name], len(text))
        return text.rjust(width) if right else text.ljust(width)


class Table:
    """Writes rows to standard output."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = sys.stdout if stream is None else stream
        self._widths = _Widths()
        self._console = console(self._stream) if self._stream.isatty() else None

    def write(self, line: Row) -> None:
        """Print one row."""
        pad = self._widths.pad
        frame, number = pad("frame", str(line.frame), True), pad("conversation", str(line.conversation), True)
        ends = f"{pad('client', line.client)} {line.arrow} {pad('server', line.server)}"
        if self._console is None:
            latency = f"  {line.latency}" if line.latency else ""
            print(
                f"{line.time} {frame} {number}  {ends}  {line.protocol} {line.text}{latency}",
                file=self._stream,
            )
            if line.body:
                print(f"    {line.body}", file=self._stream)
            return
        self._coloured(self._console, line, frame, number, ends)

    @staticmethod
    def _coloured(console: Console, line: Row, frame: str, number: str, ends: str) -> None:
        from rich.text import Text

        text = Text(no_wrap=True, overflow="ellipsis")
        text.append(f"{line.time} ", _STYLES["time"])
        text.append(f"{frame} {number}  ", _STYLES["frame"])
        text.append(f"{ends}  ")
        text.append(f"{line.protocol} ", _STYLES["protocol"])
        text.append(line.text, _STYLES.get(line.tone, ""))
        if line.latency:
            text.append(f"  {line.latency}", _STYLES["latency"])
        console.print(text, crop=True)
        if line.body:
            console.print(Text(f"    {line.body}"), soft_wrap=False)


def console(stream: TextIO) -> Console:
    """What colours a terminal. Raises MissingExtra."""
    try:
        from rich.console import Console
    except ImportError as missing:
        raise MissingExtra("cli", "a table on a terminal (--json works without)") from missing
    return Console(file=stream, highlight=False, markup=False, emoji=False, no_color="NO_COLOR" in os.environ)
