"""`l7codec convert`: rules in another system's own form."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from .errors import RulesError
from .options import DIALECTS, add_dialect
from .text import safe

__all__ = ["add_parser"]

_DESCRIPTION = """\
Read rules that are written for one system and write them for another. The written table answers every message as the
one that was read does. What the other system cannot say is an error that names it, for each rule and field: nothing is
left out.
"""

_EPILOG = f"""\
dialects:
{chr(10).join(f"  {name:<14} {meaning}" for name, meaning in DIALECTS.items())}

examples:
  l7codec convert metarouter.yaml --to envoy-dubbo
  l7codec convert --from envoy-thrift routes.json --to l7codec --format yaml

exit status: 0 converted, 1 the rules are wrong or cannot be said so, 2 usage, 3 the file cannot be read
"""


def add_parser(commands: Any) -> None:
    """Add the subcommand."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "convert",
        help="write rules in another system's own form",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("rules", metavar="FILE", help='a file of YAML or JSON; "-" is standard input')
    parser.add_argument("--to", required=True, choices=DIALECTS, metavar="DIALECT", help="what to write")
    add_dialect(parser, "--from")
    parser.add_argument("--format", choices=("yaml", "json"), help="how to write it (default: as the file is written)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the converted table; returns the exit status. Raises RulesError and whatever reading the file does."""
    from .rules import as_yaml, read_document, table_of
    from .verified import routing

    document = read_document(arguments.rules)
    table = table_of(document.value, arguments.rules, arguments.dialect)
    try:
        written = routing.dump(table, arguments.to)
    except routing.ConfigError as error:
        raise RulesError(f"{arguments.rules}: as {arguments.to}", dict.fromkeys(map(str, error.errors))) from error
    if (arguments.format or document.format) == "json":
        print(json.dumps(written, indent=2).replace("\x7f", "\\u007f"))
    else:
        print(as_yaml(written), end="")
    for note in table.notes:
        print(f"warning: {safe(f'{note.rule}: {note.message}')}", file=sys.stderr)
    return 0
