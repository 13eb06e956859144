"""Files of rules: read, and made into tables."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import MissingExtra
from .errors import FileError, RulesError, UsageError
from .verified import routing

__all__ = ["Document", "as_yaml", "load_table", "read_document", "table_of"]


class Document(NamedTuple):
    """What a file says, and whether it says so in "json" or "yaml"."""

    value: Any
    format: str


def load_table(path: str, dialect: str | None = None) -> routing.RouteTable:
    """The table in a file. Raises FileError, RulesError and MissingExtra."""
    return table_of(read_document(path).value, path, dialect)


def table_of(document: Any, path: str, dialect: str | None) -> routing.RouteTable:
    """The table that a document says. Raises RulesError with every mistake, MissingExtra."""
    try:
        return routing.load(document, dialect)
    except routing.MissingExtra as error:
        more = f" (and {len(error.errors) - 1} more)" if len(error.errors) > 1 else ""
        raise UsageError(f"{path}: {error.errors[0]}{more}") from error
    except routing.ConfigError as error:
        raise RulesError(path, map(str, error.errors)) from error


def read_document(path: str) -> Document:
    """What a file of JSON or YAML says; "-" is standard input. Raises FileError, RulesError and MissingExtra.

    JSON is YAML, too, so that only what is no JSON asks for PyYAML.
    """
    try:
        data = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
    except OSError as error:
        raise FileError(f"{path}: {error.strerror}") from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RulesError(path, [f"byte {error.start}: is not UTF-8"]) from error
    if _is_json(path, text):
        return Document(_json(path, text), "json")
    return Document(_yaml(path, text), "yaml")


def _is_json(path: str, text: str) -> bool:
    """By the file's name, or else by its first character."""
    suffix = Path(path).suffix.lower()
    return suffix == ".json" or (suffix not in (".yaml", ".yml") and text.lstrip()[:1] == "{")


def _json(path: str, text: str) -> Any:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise RulesError(path, [f"{twice!r} is there twice in one object"])
        return found

    try:
        return json.loads(text, object_pairs_hook=once)
    except json.JSONDecodeError as error:
        raise RulesError(path, [f"line {error.lineno}, column {error.colno}: {error.msg}"]) from error
    except (RecursionError, ValueError) as error:
        raise RulesError(path, [str(error) if isinstance(error, ValueError) else "is nested too deep"]) from error


def _yaml(path: str, text: str) -> Any:
    yaml = _reader()
    try:
        documents = yaml.read(text)
    except yaml.SyntaxProblem as error:
        raise RulesError(path, [str(error)]) from error
    if len(documents) != 1:
        many = "is empty" if not documents else f"holds {len(documents)} documents; a table is one: split the file"
        raise RulesError(path, [many])
    return documents[0]


def _reader() -> Any:
    try:
        from . import yaml
    except ImportError as missing:
        raise MissingExtra("yaml", "YAML (JSON works without)") from missing
    return yaml


def as_yaml(document: Any) -> str:
    """The document as YAML. Raises MissingExtra."""
    return str(_reader().write(document))
