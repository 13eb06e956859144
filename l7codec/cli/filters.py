"""`--filter`: the predicates of rules in a little language for one line.

    keys^=user:        is       {attributes: {keys: {prefix: "user:"}}}
    any:keys^=user:    is       {attributes: {keys: {any: {prefix: "user:"}}}}
    !method=GET        is       {not: {attributes: {method: GET}}}

What it says is what a rule with the same predicate says, missing and several values included, for it is handed to
`routing` as such a rule's match.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ..message import Message
from .errors import UsageError
from .terms import near, scalar, type_of

__all__ = ["FILTER_HELP", "Filter", "Wanted", "add_filter"]

Wanted = Callable[[Message], bool]

FILTER_HELP: Final = """\
filters take the predicates of rules; of several, all must hold:
  method=GET                is exactly             method!=GET            is not, or is missing
  keys^=user:               begins with            keys$=:name            ends with
  keys*=session             contains               keys?=user:*:name      * any run of characters, ? one
  keys~=user:[0-9]+         all of it matches the regular expression (RE2; needs the extra 're2')
  method:=GET,MGET          one of                 source.address@=10.0.0.0/8,fd00::/8   in a network
  size>=1000                and <= < >             header.debug           is there
In front of any of them, "!" says that it must not hold. In front of a key, "nocase:" takes no notice of the case of
A to Z, and "any:", "every:", "first:", "joined:" say which of several values must fit: every one unless said.
  any:keys^=user:           MGET user:1 cart:1, too
  {"any_of": [{"attributes": {"method": "GET"}}, {"attributes": {"size": {"range": {"start": 1000}}}}]}
A filter that begins with "{" is a rule's whole match, as JSON. Besides metadata there are protocol, kind (request,
response, …), side (client, server), id and size. Each message is asked by itself: a response has no method.
"""

_EXPRESSION: Final = re.compile(
    r"(?P<key>[^\s=<>!]+?)(?:(?P<operator>!=|\^=|\$=|\*=|\?=|~=|:=|@=|<=|>=|=|<|>)(?P<value>.*))?", re.DOTALL
)
_MODIFIER: Final = re.compile(r"(any|every|first|joined|nocase):(.*)", re.DOTALL)
_TEXT: Final = {"^=": "prefix", "$=": "suffix", "*=": "contains", "?=": "glob", "~=": "regex"}
_BOUNDS: Final = {">=": ("start", 0), ">": ("start", 1), "<": ("end", 0), "<=": ("end", 1)}
_ADDRESSES: Final = frozenset(
    f"{end}.{part}" for end in ("peer", "source", "destination") for part in ("address", "port")
)


def add_filter(parser: argparse.ArgumentParser, what: str) -> None:
    """The option; `FILTER_HELP` goes into the subcommand's epilog."""
    parser.add_argument(
        "--filter",
        action="append",
        default=[],
        metavar="EXPRESSION",
        help=f"only {what} for which this holds, such as method=GET; several must all hold (see below)",
    )


@dataclass(frozen=True, slots=True)
class Filter:
    """All filters of a command line; `expressions` make the same one in another process."""

    expressions: tuple[str, ...] = ()
    wants: Wanted | None = None
    """Whether a message is wanted; None where every one is."""
    addresses: bool = False
    """Whether it asks for the connection's addresses, which messages have in their metadata only on request."""

    @classmethod
    def of(cls, expressions: Sequence[str]) -> Filter:
        """Read each expression. Raises UsageError, MissingExtra."""
        if not expressions:
            return cls()
        from .verified import routing

        matches = [_checked(expression) for expression in expressions]
        names = {name for match in matches for name in _names(match)}
        return cls(tuple(expressions), routing.matcher({"all_of": matches}), not _ADDRESSES.isdisjoint(names))


def _checked(expression: str) -> dict[str, Any]:
    """The match that an expression stands for, which `routing` takes and messages can satisfy."""
    from .verified import routing

    match = _match(expression)
    try:
        routing.matcher(match)
    except routing.ConfigError as error:
        raise UsageError(f"--filter {expression}: {_reasons(error.errors, expression.startswith('{'))}") from error
    for key in _names(match):
        if type_of(key) is None:
            raise UsageError(f"--filter {expression}: no message has '{key}'; {near(key)}")
    return match


def _reasons(problems: Iterable[Any], paths: bool) -> str:
    """What is wrong with a match; where in it only if the user wrote it as one."""
    if paths:
        return "; ".join(map(str, problems))
    return "; ".join(f"{problem.reason}{problem.remedy and f'; {problem.remedy}'}" for problem in problems)


def _match(expression: str) -> dict[str, Any]:
    """What an expression stands for. Raises UsageError where it cannot be read."""
    plain = expression.removeprefix("!")
    try:
        match = _document(plain) if plain.startswith("{") else _simple(plain)
    except UsageError as error:
        raise UsageError(f"--filter {expression}: {error}") from error
    return {"not": match} if plain != expression else match


def _document(expression: str) -> dict[str, Any]:
    try:
        match: dict[str, Any] = json.loads(expression)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"is not JSON: {error}") from error
    return match


def _simple(expression: str) -> dict[str, Any]:
    found = _EXPRESSION.fullmatch(expression)
    if found is None:
        raise UsageError("write it as KEY=VALUE, such as method=GET")
    key, operator, value = found["key"], found["operator"], found["value"]
    quantifier, fold = "", False
    while modifier := _MODIFIER.fullmatch(key):
        if modifier[1] == "nocase":
            fold = True
        elif quantifier:
            raise UsageError(f"says both {quantifier}: and {modifier[1]}:")
        else:
            quantifier = modifier[1]
        key = modifier[2]
    if operator is None:
        if quantifier or fold:
            raise UsageError("asks nothing of the value; write a comparison behind the key")
        return {"attributes": {key: {"present": True}}}
    predicate = _predicate(key, operator, value)
    if fold:
        predicate["ignore_case"] = True
    match = {"attributes": {key: {quantifier: predicate} if quantifier else predicate}}
    return {"not": match} if operator == "!=" else match


def _predicate(key: str, operator: str, value: str) -> dict[str, Any]:
    kind = type_of(key)
    if operator in ("=", "!="):
        return {"exact": scalar(key, value, kind)}
    if operator == ":=":
        return {"one_of": [scalar(key, one, kind) for one in value.split(",")]}
    if operator in _BOUNDS:
        if kind is bool:
            raise UsageError(f"'{key}' is true or false: write {key}=true")
        bound, more = _BOUNDS[operator]
        return {"range": {bound: int(scalar(key, value, int)) + more}}
    if kind in (int, bool):
        raise UsageError(
            f"'{key}' is {'an integer' if kind is int else 'true or false'}, which {operator} cannot compare"
        )
    if operator == "@=":
        return {"cidr": value.split(",")}
    return {_TEXT[operator]: value}


def _names(match: Any) -> Iterator[str]:
    """Every key that a match asks for."""
    yield from match.get("attributes", ())
    for name in ("all_of", "any_of"):
        for inner in match.get(name, ()):
            yield from _names(inner)
    if "not" in match:
        yield from _names(match["not"])
