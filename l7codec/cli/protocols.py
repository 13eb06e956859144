"""`l7codec protocols`: what can be decoded, and what is known of each message."""

from __future__ import annotations

import argparse
import json
from typing import Any

from ..codec import Codec, DatagramCodec
from ..registry import codec_class, codecs
from ..vocabulary import VOCABULARY
from .codecs import load_codecs

__all__ = ["add_parser"]

_DESCRIPTION = """\
List the protocols that can be decoded: the library's own, those of installed packages (entry points of the group
"l7codec.codecs"), and those of --codec. With a name: the metadata that messages of this protocol carry.
"""


def add_parser(commands: Any) -> None:
    """Add the subcommand."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "protocols",
        help="list the protocols, or what is known of one's messages",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="a protocol, to see its metadata")
    parser.add_argument("--codec", action="append", default=[], metavar="FILE.py", help="as for decode")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the list, or one protocol's metadata; returns the exit status. Raises UnknownProtocol."""
    load_codecs(arguments.codec)
    if arguments.name is None:
        for codec in codecs():
            print(json.dumps(_row(codec)) if arguments.json else _line(codec))
    else:
        for key, kind, meaning in _terms(codec_class(arguments.name)):
            row = {"key": key, "type": kind, "meaning": meaning}
            print(json.dumps(row) if arguments.json else f"{key:<28} {kind:<6} {meaning}")
    return 0


def _row(codec: type[Codec]) -> dict[str, Any]:
    return {
        "name": codec.name,
        "over": "datagrams" if issubclass(codec, DatagramCodec) else "a stream",
        "preface": codec.is_preface,
        "ports": list(codec.ports),
        "edits": sorted(codec.edits),
    }


def _line(codec: type[Codec]) -> str:
    row = _row(codec)
    words = ["comes before another protocol" if row["preface"] else f"over {row['over']}"]
    if row["ports"]:
        words.append(f"usual ports {', '.join(map(str, row['ports']))}")
    if row["edits"]:
        words.append(f"edits {', '.join(row['edits'])}")
    return f"{codec.name:<12} {'; '.join(words)}"


def _terms(codec: type[Codec]) -> list[tuple[str, str, str]]:
    own = [(key, kind.__name__, f"declared by {codec.__name__}") for key, kind in codec.vocabulary.items()]
    if codec.vocabulary or hasattr(codec, "metadata"):  # a declared codec names its keys itself
        declared = getattr(codec, "metadata", {})
        own += [
            (key, VOCABULARY[key].type.__name__, VOCABULARY[key].meaning)
            for key in declared
            if key in VOCABULARY and key not in codec.vocabulary
        ]
    return own + [
        (key, term.type.__name__, term.meaning) for key, term in VOCABULARY.items() if codec.name in term.protocols
    ]
