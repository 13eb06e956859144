"""`l7codec check`: rules that cannot work as they are written."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from ..registry import codec_class, codecs
from .codecs import load_codecs
from .options import add_dialect
from .paint import Painter, Piece
from .plain import json_line, worded
from .text import plural, safe

__all__ = ["add_parser"]

_DESCRIPTION = """\
Read a table of rules and print what cannot work as it is written: rules that earlier ones leave nothing for, alone or
together, conditions that exclude each other, attributes that no message has, edits that no protocol can make, weights
that are never chosen, refusals that one more value dodges, and what could not be decided. Nothing is guessed; every
finding that can have one comes with a message that shows it.

A file that is no table at all is told every mistake in it, each with its path, on standard error.
"""

_EPILOG = """\
examples:
  l7codec check rules.yaml
  l7codec check --protocol redis rules.yaml                rules that only Redis messages will meet
  l7codec check --dialect envoy-dubbo routes.yaml
  l7codec check --json rules.yaml | jq -r '[.kind, .rule] | @tsv'

exit status: 0 nothing found, 1 findings or mistakes, 2 usage, 3 the file cannot be read
"""


def add_parser(commands: Any) -> None:
    """Add the subcommand."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "check",
        help="find rules that cannot work as they are written",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("rules", metavar="RULES", help='a file of YAML or JSON; "-" is standard input')
    add_dialect(parser)
    parser.add_argument(
        "--protocol",
        action="append",
        default=[],
        metavar="NAME",
        help="the messages will be of this protocol, so edits must be ones it can make; may be given several times "
        "(default: any)",
    )
    parser.add_argument("--codec", action="append", default=[], metavar="FILE.py", help="as for decode")
    parser.add_argument("--json", action="store_true", help="one JSON object a line for each finding")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Check a table; returns the exit status. Raises RulesError and whatever reading the file does."""
    from .rules import load_table
    from .terms import vocabulary

    load_codecs(arguments.codec)
    protocols = [codec_class(name) for name in arguments.protocol] or codecs()
    table = load_table(arguments.rules, arguments.dialect)
    findings = table.check(vocabulary(), edits={edit for codec in protocols for edit in codec.edits})
    painter = None if arguments.json else Painter()
    for finding in findings:
        if painter is None:
            print(json_line(finding.to_dict()))
        else:
            painter.line((finding.kind, "bad"), " ", (finding.rule, "name"), f": {finding.message}")
            if finding.witness is not None:
                painter.line("    for example ", *witness(finding.witness, finding.random))
    sys.stdout.flush()
    said = plural(len(findings), "finding") if findings else "nothing found"
    print(safe(f"{arguments.rules}: {plural(len(table), 'rule')}, {said}"), file=sys.stderr)
    return 1 if findings else 0


def witness(metadata: dict[str, Any], random: int | None) -> list[Piece]:
    """A message that shows something."""
    pieces: list[Piece] = []
    for key, value in metadata.items():
        pieces += [(f"{key}", "key"), "=", (worded(value), "value"), " "]
    if random is not None:
        pieces += [("random", "key"), "=", (str(random), "value"), " "]
    return pieces[:-1] or ["a message without any metadata"]
