"""`--thrift-idl FILE`: `.thrift` files, read by thriftpy2, give Thrift bodies their names.

thriftpy2 gets copies of the files, for two reasons. It remembers what it has read by the names of modules, so that two
files called `common.thrift` could be taken for each other: here every reading has names of its own. And it has no
`uuid`, which the copies declare.
"""

from __future__ import annotations

import itertools
import os
import re
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from ..errors import MissingExtra
from ..registry import register
from .errors import FileError, UsageError

__all__ = ["load_idl"]

_INCLUDE: Final = re.compile(r"""^([ \t]*include[ \t]+)(["'])([^"'\n]+)\2""", re.MULTILINE)
_readings: Final = itertools.count(1)


def load_idl(paths: Sequence[str]) -> None:
    """Let Thrift bodies read as these files say, in this process.

    Raises FileError for a file that cannot be read, UsageError for one that is wrong, MissingExtra without thriftpy2.
    """
    if not paths:
        return
    from ..protocols.thrift.idl import Idl

    register(Idl(*map(_load, paths)).codec())


def _load(path: str) -> Any:
    try:
        from thriftpy2.parser import ThriftParserError, parse
    except ImportError as missing:
        raise MissingExtra("thrift-idl", "--thrift-idl") from missing
    with tempfile.TemporaryDirectory() as folder:
        copies = _copy(Path(path), Path(folder))
        root = copies[Path(path).resolve()]
        try:
            return parse(str(root), module_name=f"_l7codec_{next(_readings)}.{root.stem}_thrift")
        except (ThriftParserError, AssertionError, LookupError, TypeError, AttributeError) as error:
            # It means to raise the first; the others come up where a name leads to something else than is expected.
            originals = {str(copy): str(original) for original, copy in copies.items()}
            reason = re.sub(
                rf"{re.escape(folder)}[^\s'\"]*",
                lambda found: originals.get(os.path.normpath(found[0]), found[0]),
                str(error) or type(error).__name__,
            )
            raise UsageError(f"--thrift-idl {path}: {reason}") from error


def _copy(path: Path, folder: Path) -> dict[Path, Path]:
    """Copies of a file and of all that it includes; where the copy of each one is."""
    from ..protocols.thrift.declared import with_uuid

    copies: dict[Path, Path] = {}

    def place(file: Path) -> Path:
        if file not in copies:
            # A name decides what an included file's types are called; the folder keeps equal names apart.
            copies[file] = folder / str(len(copies)) / file.name
            waiting.append(file)
        return copies[file]

    waiting: list[Path] = []
    place(path.resolve())
    for file in waiting:
        text = _read(file)

        def elsewhere(found: re.Match[str], file: Path = file) -> str:
            included = _find(found[3], (file.parent, Path.cwd()))
            if included is None:
                return found[0]  # thriftpy2 says so, if it is no comment
            return f'{found[1]}"../{place(included).parent.name}/{included.name}"'

        text = _INCLUDE.sub(elsewhere, text)
        copies[file].parent.mkdir()
        copies[file].write_text(with_uuid(text), encoding="utf-8")
    return copies


def _find(name: str, folders: Iterable[Path]) -> Path | None:
    return next((found for folder in folders if (found := (folder / name).resolve()).is_file()), None)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise FileError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"--thrift-idl {path}: is not UTF-8: {error.reason} at byte {error.start}") from error
