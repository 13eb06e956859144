"""`l7codec route`: where a table of rules would send every request of a capture."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final

from ..capture import CaptureError, MessageReader, Record
from ..message import Kind
from .check import witness
from .errors import UsageError
from .explain import destination_name
from .filters import FILTER_HELP, Filter, Wanted, add_filter
from .ndjson import Encoder
from .options import Reading, add_dialect, add_reading
from .paint import Painter, Piece
from .plain import json_line
from .progress import Progress
from .report import report
from .table import Table, row
from .text import plural, safe

__all__ = ["add_parser"]

_REQUESTS: Final = frozenset((Kind.REQUEST, Kind.ONEWAY))
_EFFECTS: Final = (
    "destination", "respond", "edits", "response_edits", "mirrors", "hash", "timeout", "retry", "delay", "abort",
    "descriptors",
)  # fmt: skip
_STEP: Final = 0xD1342543DE82EF95  # odd, so that no number comes twice
_MASK: Final = (1 << 64) - 1

_DESCRIPTION = """\
Decide on every request of a capture by a table of rules: each request with the rule that takes it and where it would
go, and at the end how many each rule took, which took none, and how many no rule wanted.

With --against OLD, only the requests that the two tables treat differently are shown, then what would move from where
to where, and in which rules the tables differ, each with a message that shows it if there is one.
"""

_EPILOG = """\
examples:
  l7codec route rules.yaml mesh.pcapng
  l7codec route --counts rules.yaml monday.pcapng tuesday.pcapng
  l7codec route --against rules.yaml new-rules.yaml mesh.pcapng
  l7codec route --json rules.yaml mesh.pcapng | jq -r '.decision.destination.host // empty' | sort | uniq -c

Weights and shares are chosen by a number of each request, by its place in the capture, so that a second run decides
the same, and both tables of --against draw the same. With --json there is an object for each request, as `decode
--json` prints it, with its "decision" (with --against, also the one "before", and what "moved"), and a last one with
a "summary".

"""


def add_parser(commands: Any) -> None:
    """Add the subcommand."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "route",
        help="show where a table of rules would send every request of a capture",
        description=_DESCRIPTION,
        epilog=_EPILOG + FILTER_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("rules", metavar="RULES", help='the table: a file of YAML or JSON; "-" is standard input')
    add_reading(parser)
    add_filter(parser, "requests")
    add_dialect(parser)
    parser.add_argument("--against", metavar="OLD", help="the table in force, to see what RULES would move")
    parser.add_argument("--counts", action="store_true", help="no line for each request, only what they come to")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Decide on each file's requests; returns the exit status. Raises RulesError and whatever reading rules does."""
    from .rules import load_table

    if [arguments.rules, arguments.against, *arguments.files].count("-") > 1:
        raise UsageError("standard input can only be one of the files")
    reading = replace(Reading.of(arguments), addresses=True)
    reading.load()
    wants = Filter.of(arguments.filter).wants
    table = load_table(arguments.rules, arguments.dialect)
    old = None if arguments.against is None else load_table(arguments.against, arguments.dialect)
    tally = _Tally(table, old)
    several = len(arguments.files) > 1
    output = _Json(arguments.counts, tally) if arguments.json else _Lines(arguments.counts, tally)
    status = 0
    try:
        for path in arguments.files:
            try:
                with reading.open(path) as reader:
                    _file(reader, path, wants, tally, output.begin(path, several))
            except CaptureError as error:
                print(f"l7codec: {safe(str(error))}", file=sys.stderr)
                status = 3
                continue
            report(reader.summary, path if several else None)
            if reader.summary.errors or reader.summary.warnings:
                status = max(status, 1)
    finally:  # after Ctrl-C, too: that is how a capture that still runs is ended
        output.end()
    return status


@dataclass(slots=True)
class _Fate:
    """What becomes of one request."""

    decision: Any
    before: Any = None
    moved: list[str] = field(default_factory=list)
    """What the old table's decision says otherwise."""


class _Tally:
    """The tables, and what they decided so far."""

    def __init__(self, table: Any, old: Any) -> None:
        self.table = table
        self.old = old
        self.requests = 0
        self.hits: Counter[int | None] = Counter()
        """By the rule's place; None: no rule."""
        self.destinations: dict[int | None, Counter[str]] = {}
        self.moves: Counter[tuple[str, str, tuple[str, ...]]] = Counter()
        """From where, to where, and what differs."""
        self.first: dict[tuple[str, str, tuple[str, ...]], int] = {}
        """The frame of the first request of each move."""

    def decide(self, record: Record) -> _Fate:
        """Decide on a request, and count it."""
        self.requests += 1
        random = self.requests * _STEP & _MASK
        decision = self.table.match(record.message, random)
        index = None if decision is None else decision.index
        self.hits[index] += 1
        self.destinations.setdefault(index, Counter())[destination_name(decision)] += 1
        fate = _Fate(decision)
        if self.old is not None:
            fate.before = self.old.match(record.message, random)
            fate.moved = _differences(fate.before, decision)
            if fate.moved:
                move = destination_name(fate.before), destination_name(decision), tuple(fate.moved)
                self.moves[move] += 1
                self.first.setdefault(move, record.frame)
        return fate

    def rules(self) -> Iterator[tuple[int, str, int, Counter[str]]]:
        """Each rule with its place, its hits, and where they went."""
        for index, route in enumerate(self.table.routes):
            yield index, route.name, self.hits[index], self.destinations.get(index, Counter())

    def differences(self) -> Any:
        """The rules in which the tables differ."""
        from .terms import vocabulary
        from .verified import routing

        return routing.diff(self.old, self.table, vocabulary())


def _differences(before: Any, after: Any) -> list[str]:
    """In what two decisions differ, apart from which rule made them."""
    if before is None or after is None:
        return [] if before is after else ["destination"]
    return [name for name in _EFFECTS if _effect(before, name) != _effect(after, name)]


def _effect(decision: Any, name: str) -> Any:
    value = getattr(decision, name)
    if name == "destination" and value is not None:
        return value.host, value.subset, value.port, value.labels  # how heavy it is does not matter once it is chosen
    return value


def _file(
    reader: MessageReader, path: str, wants: Wanted | None, tally: _Tally, write: Callable[[Record, _Fate], None]
) -> None:
    progress = Progress(path)
    try:
        for count, record in enumerate(reader):
            if progress.wanted and not count & 0x3FF:
                progress.update(reader.offset)
            message = record.message
            if message.kind in _REQUESTS and (wants is None or wants(message)):
                write(record, tally.decide(record))
    finally:
        progress.clear()


class _Json:
    """Writes lines of JSON."""

    def __init__(self, counts: bool, tally: _Tally) -> None:
        self._counts = counts
        self._tally = tally

    def begin(self, path: str, several: bool) -> Callable[[Record, _Fate], None]:
        if self._counts:
            return lambda record, fate: None
        encode = Encoder(file=path if several else None).line
        compared = self._tally.old is not None

        def write(record: Record, fate: _Fate) -> None:
            line = f'{encode(record)[:-2]}, "decision": {_decided(fate.decision)}'
            if compared:
                line += f', "before": {_decided(fate.before)}, "moved": {json_line(fate.moved)}'
            sys.stdout.write(line + "}\n")

        return write

    def end(self) -> None:
        tally = self._tally
        summary: dict[str, Any] = {
            "requests": tally.requests,
            "unmatched": tally.hits[None],
            "rules": [
                {"rule": name, "index": index, "hits": hits, "destinations": dict(destinations.most_common())}
                for index, name, hits, destinations in tally.rules()
            ],
        }
        if tally.old is not None:
            summary["moved"] = [
                {"from": move[0], "to": move[1], "what": list(move[2]), "requests": count, "frame": tally.first[move]}
                for move, count in tally.moves.most_common()
            ]
            summary["differences"] = [difference.to_dict() for difference in tally.differences()]
        print(json_line({"summary": summary}))


def _decided(decision: Any) -> str:
    return "null" if decision is None else json_line(decision.to_dict())


class _Lines:
    """Writes lines for people."""

    def __init__(self, counts: bool, tally: _Tally) -> None:
        self._counts = counts
        self._tally = tally
        self._table = Table()
        self._painter = Painter()

    def begin(self, path: str, several: bool) -> Callable[[Record, _Fate], None]:
        if self._counts:
            return lambda record, fate: None
        if several:
            self._painter.line(path, ":")
        live = path == "-"
        compared = self._tally.old is not None

        def write(record: Record, fate: _Fate) -> None:
            if compared and not fate.moved:
                return
            to = destination_name(fate.decision)
            if fate.decision is not None:
                to = f"{fate.decision.route.name} → {to}"
            if compared:
                to = f"{destination_name(fate.before)} ⇒ {to}"
            line = row(record)
            self._table.write(
                line._replace(text=f"{line.text}  ⇒ {safe(to)}" if not compared else f"{line.text}  {safe(to)}")
            )
            if live:
                sys.stdout.flush()

        return write

    def end(self) -> None:
        tally, line = self._tally, self._painter.line
        if not self._counts and tally.requests:
            line()
        width = max(8, len(f"{tally.requests:,}"))
        line((f"{'requests':>{width}}  rule", "dim"))
        for index, name, hits, destinations in tally.rules():
            count: Piece = (f"{hits:>{width},}", "good" if hits else "bad")
            line(count, f"  {index}. ", (name, "name"), *_where(destinations))
        if tally.hits[None]:
            line((f"{tally.hits[None]:>{width},}", "bad"), "  no rule")
        if tally.old is not None:
            self._moves(width)

    def _moves(self, width: int) -> None:
        tally, line = self._tally, self._painter.line
        moved = tally.moves.total()
        line()
        line((f"{moved:>{width},}", "name"), f" of {plural(tally.requests, 'request')} would be treated differently")
        for move, count in tally.moves.most_common():
            before, after, what = move
            more = [name for name in what if name not in ("destination", "respond")]
            told = f" ({', '.join(more)})" if more else ""
            line(f"{count:>{width},}", "  ", (before, "value"), " ⇒ ", (after, "value"), told,
                 (f"  first in frame {tally.first[move]}", "dim"))  # fmt: skip
        for difference in tally.differences():
            fields = f" in {', '.join(difference.fields)}" if difference.fields else ""
            said = (
                ""
                if difference.witness
                else ", which moves nothing"
                if difference.proven
                else ", undecided what it moves"
            )
            line((difference.kind, "key"), " ", (difference.rule, "name"), f"{fields}{said}")
            if difference.witness is not None:
                before, after = (
                    f"rule {name!r}" if name else "no rule" for name in (difference.before, difference.after)
                )
                line("    for example ", *witness(difference.witness, difference.random), f": {before} ⇒ {after}")


def _where(destinations: Counter[str]) -> list[Piece]:
    if not destinations:
        return [("  took none", "bad")]
    if len(destinations) == 1:
        return [" → ", *destinations]
    listed = ", ".join(f"{name} {count:,}" for name, count in destinations.most_common(8))
    return [" → ", listed, ", …" if len(destinations) > 8 else ""]
