"""The command line: the one place that reads files, prints, and starts processes.

    l7codec decode FILE…      what was said: every message, requests paired with responses
    l7codec detect FILE…      which protocol each conversation speaks
    l7codec protocols         what can be decoded, and what is known of it
    l7codec route RULES FILE… where a table of rules would send every request
    l7codec explain RULES     why a message would go where it would go
    l7codec check RULES       rules that cannot work as they are written
    l7codec convert FILE      rules in another system's own form

Exit status: 0 fine · 1 malformed input or findings · 2 usage · 3 a file cannot be read. 130 after Ctrl-C, 141 where
nobody reads what is printed any more, as a shell reports it of any program.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from ..capture import CaptureError
from ..errors import MissingExtra, UnknownProtocol
from . import check, convert, decode, detect, explain, protocols, route
from .collector import calm_collector
from .errors import FileError, RulesError, UsageError
from .text import safe

__all__ = ["main"]

FINE, MALFORMED, USAGE, UNREADABLE = 0, 1, 2, 3
_INTERRUPTED, _NOBODY_READS = 130, 141

_COMMANDS = (decode, detect, protocols, route, explain, check, convert)

_EPILOG = """\
examples:
  l7codec decode traffic.pcapng                      a readable list, in colour on a terminal
  l7codec decode --json traffic.pcapng | jq .        one JSON object a line, for jq and friends
  tcpdump -i any -w - port 6379 | l7codec decode -   straight from a capture that is running
  l7codec detect traffic.pcapng                      what is in this file at all?
  l7codec route rules.yaml traffic.pcapng            where would every request go?
  l7codec check rules.yaml                           which rules cannot work as they are written?

exit status: 0 fine, 1 malformed input or findings, 2 usage, 3 a file cannot be read
"""


def _parser() -> argparse.ArgumentParser:
    from .. import __version__

    parser = argparse.ArgumentParser(
        prog="l7codec",
        description="From captured packets to the messages of layer-7 protocols, and where rules send them.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"l7codec {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in _COMMANDS:
        command.add_parser(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status. `argv` is without the program's name."""
    arguments = _parser().parse_args(argv)
    if argv is None:  # this is the program, and no other's collector is changed
        calm_collector()
    try:
        status: int = arguments.run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # What is still buffered has nowhere to go; without this the interpreter would complain about it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _NOBODY_READS
    except KeyboardInterrupt:
        return _INTERRUPTED
    except (UsageError, UnknownProtocol, MissingExtra) as error:
        return _complain(error, USAGE)
    except RulesError as error:
        for problem in error.problems:
            print(f"l7codec: {safe(problem)}", file=sys.stderr)
        return MALFORMED
    except (CaptureError, FileError) as error:
        return _complain(error, UNREADABLE)
    return status


def _complain(error: Exception, status: int) -> int:
    print(f"l7codec: {safe(str(error))}", file=sys.stderr)
    return status
