"""YAML as rule files mean it: the core schema of YAML 1.2, read by PyYAML's safe loader.

PyYAML follows YAML 1.1, where `on`, `no` and `yes` are booleans, `010` is eight, `1:30` is ninety and `2024-01-01` a
date. In a table of rules these are words somebody compares with, so that only `true`, `false`, `null` and numbers that
look like numbers are anything but text here (https://yaml.org/spec/1.2.2/#103-core-schema). A key that is there twice
is an error: one of the two would be lost without a word.
"""

from __future__ import annotations

import re
from typing import Any, Final

import yaml

__all__ = ["SyntaxProblem", "read", "write"]

_BOOL: Final = "tag:yaml.org,2002:bool", re.compile(r"true|True|TRUE|false|False|FALSE"), "tTfF"
_INT: Final = "tag:yaml.org,2002:int", re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+"), "-+0123456789"
_FLOAT: Final = (
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"),
    "-+0123456789.",
)
_NULL: Final = "tag:yaml.org,2002:null", re.compile(r"~|null|Null|NULL|"), ["~", "n", "N", ""]
_MERGE: Final = "tag:yaml.org,2002:merge", re.compile(r"<<"), "<"
_CORE: Final = (_BOOL, _INT, _FLOAT, _NULL, _MERGE)

_LINE_ENDS: Final = frozenset("\r\x85\u2028\u2029")


class SyntaxProblem(Exception):
    """The text is no YAML, or says one thing twice."""


class _Loader(yaml.SafeLoader):
    """The safe loader with the types of YAML 1.2, which refuses repeated keys."""

    yaml_implicit_resolvers: Any = {}  # nothing of YAML 1.1  # noqa: RUF012

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """A mapping; its keys are compared before `<<` brings in others."""
        seen: dict[str, yaml.Mark] = {}
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value != "<<":
                if key.value in seen:
                    place = f"line {key.start_mark.line + 1}"
                    raise SyntaxProblem(f"{place}: {key.value!r} is there twice; see line {seen[key.value].line + 1}")
                seen[key.value] = key.start_mark
        return super().construct_mapping(node, deep)

    def construct_integer(self, node: yaml.ScalarNode) -> int:
        """`010` is ten, `0o10` eight."""
        text = self.construct_scalar(node)
        base = {"0o": 8, "0x": 16}.get(text[:2], 10)
        try:
            return int(text, base)
        except ValueError as error:  # more digits than the interpreter reads
            raise SyntaxProblem(f"line {node.start_mark.line + 1}: {error}") from error

    def construct_word(self, node: yaml.ScalarNode) -> str:
        """`<<` where it is no key."""
        return str(self.construct_scalar(node))


class _Dumper(yaml.SafeDumper):
    """Quotes whatever a reader of YAML 1.1 or 1.2 might take for something other than text."""

    def ignore_aliases(self, data: Any) -> bool:
        """Nobody reads `&id001` gladly."""
        return True

    def represent_text(self, text: str) -> yaml.ScalarNode:
        """Text; what YAML counts as a line's end would come back as a space, and is escaped."""
        special = not _LINE_ENDS.isdisjoint(text)
        return self.represent_scalar("tag:yaml.org,2002:str", text, style='"' if special else None)


for _tag, _pattern, _first in _CORE:
    whole = re.compile(rf"(?:{_pattern.pattern})\Z")
    _Loader.add_implicit_resolver(_tag, whole, list(_first))
    _Dumper.add_implicit_resolver(_tag, whole, list(_first))
_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_integer)
_Loader.add_constructor("tag:yaml.org,2002:merge", _Loader.construct_word)
_Dumper.add_representer(str, _Dumper.represent_text)


def read(text: str) -> list[Any]:
    """The documents in `text`, empty ones left out. Raises SyntaxProblem."""
    try:
        return [document for document in yaml.load_all(text, _Loader) if document is not None]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise SyntaxProblem(f"{place}{error.problem or error.context}") from error
    except yaml.YAMLError as error:
        raise SyntaxProblem(str(error)) from error
    except RecursionError as error:
        raise SyntaxProblem("is nested too deep") from error


def write(document: Any) -> str:
    """The document as YAML, its keys in their order."""
    return str(yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100))
