"""Runs a fuzz target: coverage-guided where atheris is installed, else over the inputs of its corpus.

python -m fuzz redis                        every codec's name is a target, and every file here with a `test_one`
python -m fuzz redis --replay               the corpus alone, as the tests do
python -m fuzz redis -- -max_total_time=60  what follows goes to libFuzzer
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path

__all__ = ["CORPUS", "inputs", "load", "main", "names", "replay"]

HERE = Path(__file__).parent
CORPUS = HERE / "corpus"
_OURS = {"__init__", "__main__", "codecs", "driver"}

Target = Callable[[bytes], object]


def names() -> list[str]:
    """All targets there are."""
    import l7codec

    files = {path.stem for path in HERE.glob("*.py")} - _OURS
    return sorted(files | set(l7codec.protocol_names()))


def load(name: str) -> Target:
    """The target of this name. Raises KeyError if there is none."""
    if name not in names():
        raise KeyError(name)
    if (HERE / f"{name}.py").exists():
        test_one: Target = importlib.import_module(f"fuzz.{name}").test_one
        return test_one
    from fuzz.codecs import target

    return target(name)


def inputs(name: str) -> list[Path]:
    """The corpus of a target."""
    return sorted(path for path in (CORPUS / name).glob("*") if path.is_file())


def replay(name: str) -> int:
    """Give every input of the corpus to the target; how many there were."""
    test_one = load(name)
    paths = inputs(name)
    for path in paths:
        try:
            test_one(path.read_bytes())
        except BaseException as error:
            error.add_note(f"in {path}")
            raise
    return len(paths)


def _fuzz(name: str, arguments: list[str]) -> None:
    import atheris

    with atheris.instrument_imports(include=["l7codec", "fuzz", "tests"]):
        test_one = load(name)
    (CORPUS / name).mkdir(parents=True, exist_ok=True)
    # New inputs go to a directory that is not committed; the corpus is read alone.
    found = HERE / "found" / name
    found.mkdir(parents=True, exist_ok=True)
    atheris.Setup([f"fuzz {name}", *arguments, str(found), str(CORPUS / name)], test_one)
    atheris.Fuzz()


def main(arguments: list[str] | None = None) -> int:
    """The command. 0: nothing found; 2: there is no such target."""
    given = sys.argv[1:] if arguments is None else arguments
    end = given.index("--") if "--" in given else len(given)
    given, more = given[:end], given[end + 1 :]
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__, formatter_class=plain)
    parser.add_argument("name", help="a target")
    parser.add_argument("--replay", action="store_true", help="only over the corpus")
    options = parser.parse_args(given)
    if options.name not in names():
        print(f"no target is named {options.name!r}; there are {', '.join(names())}", file=sys.stderr)
        return 2
    if options.replay or importlib.util.find_spec("atheris") is None:
        print(f"{options.name}: {replay(options.name)} inputs, nothing found")
        return 0
    _fuzz(options.name, more)
    return 0
