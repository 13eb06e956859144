"""`l7codec explain`: why a message would go where it would go."""

from __future__ import annotations

import argparse
import re
import sys
from typing import Any, Final

from ..message import MetadataValue
from .codecs import load_codecs
from .errors import UsageError
from .options import add_dialect
from .paint import Node, Painter, Piece
from .plain import json_line, worded
from .text import plural, safe

__all__ = ["add_parser"]

_DESCRIPTION = """\
Describe a message by its metadata, and see for each rule whether it matches, and if not, which condition did not hold
on which value.
"""

_EPILOG = """\
examples:
  l7codec explain rules.yaml --set service=com.example.Orders --set method=getOrder --set header.tier=gold
  l7codec explain rules.yaml --set keys=user:1 --set keys=user:2     a key of several values, or a repeated header
  l7codec explain rules.yaml --set protocol=redis --set kind=request --set size=5000

Values take the type that the key has: `--set redis.slot=42` is an integer, `--set redis.write=true` a boolean.
"""

_WORD: Final = re.compile(r"\.(all_of|any_of)\[(\d+)\]")


def add_parser(commands: Any) -> None:
    """Add the subcommand."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "explain",
        help="say for each rule why it does or does not match a message",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("rules", metavar="RULES", help='a file of YAML or JSON; "-" is standard input')
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="the message has this; given again with the same key, it has several values",
    )
    parser.add_argument(
        "--random",
        type=int,
        metavar="N",
        help="the number that weights and shares are chosen by, 0 to 2**64 - 1 (default: a fixed one)",
    )
    add_dialect(parser)
    parser.add_argument("--codec", action="append", default=[], metavar="FILE.py", help="as for decode")
    parser.add_argument("--all", action="store_true", help="show the rules behind the one that takes it, too")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a tree")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Explain one message; returns the exit status. Raises RulesError and whatever reading the file does."""
    from .rules import load_table

    load_codecs(arguments.codec)
    message = _message(arguments.set)
    if arguments.random is not None and not 0 <= arguments.random < 1 << 64:
        raise UsageError("--random: 0 to 2**64 - 1")
    table = load_table(arguments.rules, arguments.dialect)
    chance = {} if arguments.random is None else {"random": arguments.random}
    explanation = table.explain(message, **chance)
    decision = table.match(message, **chance)
    if arguments.json:
        decided = None if decision is None else decision.to_dict()
        print(json_line({"message": message, **explanation.to_dict(), "decision": decided}))
        return 0
    painter = Painter()
    rules = explanation.rules
    if decision is not None and not arguments.all:
        rules = rules[: decision.index + 1]
    for rule in rules:
        wins = decision is not None and rule.index == decision.index
        mark: Piece = ("✓", "good") if rule.matched else ("✗", "bad")
        line: list[Piece] = [mark, f" {rule.index}. ", (rule.name, "name" if wins else "")]
        if wins:
            line.append(("  ← takes it", "good"))
        elif rule.matched:
            line.append(("  would match, but comes later", "dim"))
        under = _outcome(decision) if wins else _conditions(rule.failed)
        painter.tree([Node(line, under)])
    behind = len(explanation.rules) - len(rules)
    if behind:
        painter.line((f"… {plural(behind, 'rule')} behind it, not asked (--all shows them)", "dim"))
    if decision is None:
        painter.line(("no rule takes it", "bad"))
    return 0


def _message(settings: list[str]) -> dict[str, MetadataValue]:
    """The metadata that `--set` options describe. Raises UsageError."""
    from .terms import near, type_of, value_of

    texts: dict[str, list[str]] = {}
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not key or not equals:
            raise UsageError(f"--set {setting}: write it as KEY=VALUE")
        texts.setdefault(key, []).append(text)
    for key in texts:
        if type_of(key) is None:  # rules of other systems may ask for what none of our codecs knows
            print(safe(f"warning: no message has '{key}'; {near(key)}"), file=sys.stderr)
    return {key: value_of(key, values) for key, values in texts.items()}


def _outcome(decision: Any) -> list[Node]:
    """What the rule does, leaving out what it does not say."""
    found = [Node([("→ ", "good"), (destination_name(decision), "name")])]
    for name, value in decision.to_dict().items():
        if name not in ("route", "index", "destination", "respond") and value not in (None, {}, []):
            found.append(Node([(name, "key"), ": ", (worded(value), "value")]))
    return found


def destination_name(decision: Any) -> str:
    """Where a decision sends a message, in a few words; also for None, which is no decision."""
    if decision is None:
        return "no rule"
    if decision.respond is not None:
        return f"answered: {decision.respond.reason}"
    destination = decision.destination
    if destination is None:
        return f"nowhere: {decision.route.destination_from} is missing"
    subset = "" if destination.subset is None else f"/{destination.subset}"
    port = "" if destination.port is None else f":{destination.port}"
    return f"{destination.host}{subset}{port}"


def _conditions(failures: Any) -> list[Node]:
    """What did not hold, alternatives under one line. `all_of` is what a rule is anyway, and has no line."""
    top: list[Node] = []
    groups: dict[str, Node] = {}
    for failure in failures:
        path = "match"
        rest = failure.path[len(path) :]
        place = top
        while word := _WORD.match(rest):
            rest = rest[word.end() :]
            if word[1] == "any_of":
                group = groups.get(f"{path}.any_of")
                if group is None:
                    group = groups[f"{path}.any_of"] = Node([("any_of", "key"), ": none of these holds"])
                    place.append(group)
                either = groups.get(path + word[0])
                if either is None:
                    either = groups[path + word[0]] = Node([])
                    group.under.append(either)
                place = either.under
            path += word[0]
        place.append(Node(_failure(rest, failure)))
    for group in groups.values():
        for node in group.under:
            if not node.line and len(node.under) == 1:
                node.line, node.under = node.under[0].line, node.under[0].under
            elif not node.line:
                node.line = ["all of"]
    return top


def _failure(rest: str, failure: Any) -> list[Piece]:
    """One condition that did not hold; `rest` is its path inside the innermost group."""
    if rest.startswith(".attributes."):
        seen = "missing" if failure.seen is None else worded(failure.seen)
        asked = failure.predicate
        if list(asked) == ["exact"]:
            asked = asked["exact"]
        return [(rest[len(".attributes.") :], "key"), f": {worded(asked)}", ("  but it is ", "dim"), (seen, "value")]
    line: list[Piece] = [worded(failure.predicate)[1:-1]]
    if rest == ".not":
        seen = ", ".join(
            f"{key} is {'missing' if value is None else worded(value)}" for key, value in failure.seen.items()
        )
        return [*line, ("  but ", "dim"), (seen, "value")] if seen else [*line, ("  but that holds", "dim")]
    return [
        *line,
        ("  but not for ", "dim"),
        ("a missing value" if failure.seen is None else worded(failure.seen), "value"),
    ]
