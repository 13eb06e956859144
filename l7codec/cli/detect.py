"""`l7codec detect`: which protocol each conversation of a capture speaks."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from typing import Any

from ..capture import CaptureError, ConversationReader, Spoken, read_conversations
from .options import Reading, add_reading
from .progress import Progress
from .text import endpoint, plural, safe, size

__all__ = ["add_parser"]

_DESCRIPTION = """\
Print each conversation of a capture with the protocol it speaks, told by its first bytes; a port is a hint and proves
nothing. What cannot be decoded is named where it can be: tls, http/1, http/2, ssh, dns.
"""


def add_parser(commands: Any) -> None:
    """Add the subcommand."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "detect",
        help="print which protocol each conversation in a capture speaks",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_reading(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object a line instead of a table")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Look at each file; returns the exit status."""
    reading = Reading.of(arguments)
    reading.load()
    status = 0
    several = len(arguments.files) > 1
    for path in arguments.files:
        try:
            with read_conversations(path, protocols=reading.protocols, tunnels=reading.tunnels) as reader:
                found = _read(reader, Progress(path))
        except CaptureError as error:
            print(f"l7codec: {safe(str(error))}", file=sys.stderr)
            status = 3
            continue
        if several and not arguments.json:
            print(f"{safe(path)}:")
        for spoken in found:
            print(json.dumps(_json(spoken, path if several else None)) if arguments.json else _line(spoken))
        sys.stdout.flush()
        for warning in reader.warnings:
            print(f"warning: {safe(str(warning))}", file=sys.stderr)
            status = max(status, 1)
        _summarise(found, path if several else None)
    return status


def _read(reader: ConversationReader, progress: Progress) -> list[Spoken]:
    """All conversations, in the order in which they began; a few hundred bytes of memory for each."""
    found: list[Spoken] = []
    for spoken in reader:
        found.append(spoken)
        progress.update(reader.offset)
    progress.clear()
    return sorted(found, key=lambda spoken: spoken.conversation)


def _name(spoken: Spoken) -> str:
    name = spoken.protocol or spoken.foreign or "unknown"
    return f"{spoken.preface} + {name}" if spoken.preface else name


def _line(spoken: Spoken) -> str:
    ends = f"{endpoint(spoken.client):<21} → {endpoint(spoken.server):<21}"
    name = f"{_name(spoken)}{'' if spoken.protocol else ' (not decoded)'}"
    sizes = f"{size(spoken.client_bytes)} →, ← {size(spoken.server_bytes)}"
    return f"{spoken.conversation:>5}  {spoken.transport}  {ends}  {name:<24}  {sizes}"


def _json(spoken: Spoken, file: str | None) -> dict[str, Any]:
    row = {
        "conversation": spoken.conversation,
        "frame": spoken.frame,
        "transport": spoken.transport,
        "client": endpoint(spoken.client),
        "server": endpoint(spoken.server),
        "protocol": spoken.protocol,
        "preface": spoken.preface,
        "foreign": spoken.foreign,
        "client_bytes": spoken.client_bytes,
        "server_bytes": spoken.server_bytes,
    }
    return row if file is None else {"file": file, **row}


def _summarise(found: list[Spoken], file: str | None) -> None:
    names = Counter(_name(spoken) for spoken in found)
    listed = ", ".join(f"{name} {count:,}" for name, count in names.most_common())
    prefix = "" if file is None else f"{file}: "
    print(safe(f"{prefix}{plural(len(found), 'conversation')}{': ' if listed else ''}{listed}"), file=sys.stderr)
