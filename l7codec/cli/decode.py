"""`l7codec decode`: what was said, message by message."""

from __future__ import annotations

import argparse
import functools
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from ..capture import Burst, CaptureError, Ends, Record, Summary
from ..message import Message
from .errors import UsageError
from .filters import FILTER_HELP, Filter, Wanted, add_filter
from .jobs import LARGE, RUN, Job, run_jobs
from .ndjson import NUMBER, Encoder
from .options import Reading, add_reading
from .progress import Progress
from .report import report
from .table import Row, Table, row
from .text import safe

__all__ = ["add_parser"]

_BATCH: Final = 512  # lines written at once
_NUMBER: Final = NUMBER.encode()

_DESCRIPTION = """\
Print every message of a capture in the order in which the messages were complete. TCP is put together first, each
conversation's protocol is recognised by what it says, PROXY headers are looked through, and responses are shown
beside the requests they answer, with the time between the two.

What is missing from the capture, wrong by its protocol, or not recognised is told at the end, on standard error.
"""

_EPILOG = """\
examples:
  l7codec decode mesh.pcapng
  l7codec decode --json mesh.pcapng | jq -r 'select(.latency > 0.01) | [.latency, .source] | @tsv'
  l7codec decode --protocol 7000=redis --protocol 7001=redis cluster.pcap
  l7codec decode --codec awesome.py mesh.pcapng      with a protocol that you have declared yourself
  l7codec decode --json --body --thrift-idl orders.thrift mesh.pcapng
  l7codec decode --json --jobs 4 big.pcap > big.ndjson
  l7codec decode --filter method=GET --filter 'keys^=user:' mesh.pcapng

"""


def add_parser(commands: Any) -> None:
    """Add the subcommand."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "decode",
        help="print the messages in a capture, requests paired with responses",
        description=_DESCRIPTION,
        epilog=_EPILOG + FILTER_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_reading(parser)
    add_filter(parser, "messages")
    parser.add_argument("--json", action="store_true", help="one JSON object a line instead of a table")
    parser.add_argument("--body", action="store_true", help="show what the messages carry, too")
    parser.add_argument(
        "--thrift-idl",
        action="append",
        default=[],
        metavar="FILE.thrift",
        help="show the bodies of Thrift messages with the names that this file declares; may be given several times",
    )
    parser.add_argument(
        "--jobs",
        type=int,
        default=1,
        metavar="N",
        help="share the work between N processes; the output is the same (default: 1)",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Decode each file; returns the exit status."""
    reading = replace(Reading.of(arguments), thrift_idl=tuple(arguments.thrift_idl))
    reading.load()
    chosen = Filter.of(arguments.filter)
    reading = replace(reading, addresses=chosen.addresses)
    if arguments.jobs < 1:
        raise UsageError("--jobs: at least 1")
    if arguments.jobs > 1 and "-" in arguments.files:
        raise UsageError("--jobs: standard input cannot be read more than once; save it to a file first")
    several = len(arguments.files) > 1
    output = _Json(arguments.body, chosen) if arguments.json else _Lines(arguments.body, chosen)
    status = 0
    for path in arguments.files:
        try:
            summary = _decode(reading, path, arguments.jobs, output, several)
        except CaptureError as error:
            print(f"l7codec: {safe(str(error))}", file=sys.stderr)
            status = 3
            continue
        report(summary, path if several else None)
        if summary.errors or summary.warnings:
            status = max(status, 1)
    return status


class _Json:
    """Writes lines of JSON."""

    def __init__(self, body: bool, chosen: Filter) -> None:
        self._body = body
        self._chosen = chosen
        self._out = sys.stdout.buffer
        self._lines: list[str] = []
        self._most = _BATCH
        self.run = RUN

    def begin(self, path: str, several: bool) -> Job:
        self._most = 1 if path == "-" else _BATCH  # who pipes a capture in that still runs wants to see it
        self.run = 1 if path == "-" else RUN
        return _only(self._chosen.wants, Encoder(body=self._body, file=path if several else None).lines)

    def job(self, path: str, several: bool) -> Callable[[], Job]:
        return functools.partial(_json_job, self._body, path if several else None, self._chosen.expressions)

    def write(self, lines: list[str]) -> None:
        self._lines += lines
        if len(self._lines) >= self._most:
            self.flush()

    def write_all(self, items: Sequence[tuple[int, bytes]]) -> None:
        """What workers have made: each with the number to fill in."""
        digits = {number: b"%d" % number for number, _ in items}
        self._out.write(b"".join([made.replace(_NUMBER, digits[number]) for number, made in items]))
        self._out.flush()

    def flush(self) -> None:
        if self._lines:
            data = "".join(self._lines).encode("ascii")
            self._lines.clear()
            self._out.write(data)
            self._out.flush()


class _Lines:
    """Writes lines for people."""

    def __init__(self, body: bool, chosen: Filter) -> None:
        self._body = body
        self._chosen = chosen
        self._table = Table()
        self._live = False
        self.run = RUN

    def begin(self, path: str, several: bool) -> Job:
        self._live = path == "-"
        self.run = 1 if self._live else RUN
        if several:
            print(f"{safe(path)}:")
        return _only(self._chosen.wants, functools.partial(_rows, self._body))

    def job(self, path: str, several: bool) -> Callable[[], Job]:
        self.begin(path, several)
        return functools.partial(_row_job, self._body, self._chosen.expressions)

    def write(self, lines: list[Row]) -> None:
        for line in lines:
            self._table.write(line)
        if self._live:
            sys.stdout.flush()

    def write_all(self, items: Sequence[tuple[int, list[Row]]]) -> None:
        """What workers have made: each with the number to fill in."""
        for number, lines in items:
            self.write([line._replace(conversation=number) for line in lines])

    def flush(self) -> None:
        sys.stdout.flush()


def _json_job(body: bool, file: str | None, filters: tuple[str, ...]) -> Job:
    lines = Encoder(body=body, file=file, numbered=False).lines

    def make(messages: Sequence[Message], time_ns: int, frame: int, ends: Ends) -> bytes:
        return "".join(lines(messages, time_ns, frame, ends)).encode("ascii")

    return _only(Filter.of(filters).wants, make)


def _row_job(body: bool, filters: tuple[str, ...]) -> Job:
    return _only(Filter.of(filters).wants, functools.partial(_rows, body))


def _rows(body: bool, messages: Sequence[Message], time_ns: int, frame: int, ends: Ends) -> list[Row]:
    return [row(Record(message, time_ns, frame, ends), body=body) for message in messages]


def _only(wants: Wanted | None, job: Job) -> Job:
    """The job, for the messages that are wanted."""
    if wants is None:
        return job

    def wanted(messages: Sequence[Message], time_ns: int, frame: int, ends: Ends) -> Any:
        messages = [message for message in messages if wants(message)]
        return job(messages, time_ns, frame, ends) if messages else []

    return wanted


def _decode(reading: Reading, path: str, jobs: int, output: _Json | _Lines, several: bool) -> Summary:
    """Write one file's messages; returns what they came to. Raises CaptureError."""
    progress = Progress(path)
    try:
        if jobs > 1:
            return _together(run_jobs(reading, path, jobs, output.job(path, several), progress.update), output)
        return _alone(reading, path, output, several, progress)
    finally:
        progress.clear()


def _alone(reading: Reading, path: str, output: Any, several: bool, progress: Progress) -> Summary:
    with reading.open(path) as reader:
        job, write = output.begin(path, several), output.write
        bursts: Iterable[Burst] = reader.bursts()
        if progress.wanted:
            bursts = _watched(bursts, lambda: progress.update(reader.offset))
        run: deque[Burst] = deque()
        most = output.run

        def finish() -> None:
            while run:
                write(job(*run.popleft()))

        try:
            for burst in bursts:
                run.append(burst)
                if len(run) >= most or len(burst[0][0].raw) > LARGE:
                    finish()
            finish()
        except CaptureError:
            finish()
            raise
        except KeyboardInterrupt:
            with suppress(BrokenPipeError):
                finish()
                output.flush()
            progress.clear()
            report(reader.summary)
            raise
        output.flush()
        return reader.summary


def _together(items: Iterator[list[tuple[int, Any]] | Summary], output: Any) -> Summary:
    summary = Summary()
    for item in items:
        if isinstance(item, Summary):
            summary = item
        else:
            output.write_all(item)
    output.flush()
    return summary


def _watched(bursts: Iterable[Burst], update: Callable[[], None]) -> Iterator[Burst]:
    for count, burst in enumerate(bursts):
        if not count & 0x3FF:
            update()
        yield burst
