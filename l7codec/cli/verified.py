"""The package `routing`, once it is known to be ours.

Many programs have a `routing.py` of their own. One that stands earlier on the path than the package that came with
l7codec would be imported in its place, and what it then does is anybody's guess; so it is looked at first, and not run.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from .errors import UsageError

__all__ = ["routing", "verify"]


def verify() -> None:
    """Raise UsageError, naming the file, where `routing` is not the package that stands beside `l7codec`."""
    ours = Path(__file__).resolve().parents[2] / "routing" / "__init__.py"
    loaded = sys.modules.get("routing")
    spec = importlib.util.find_spec("routing") if loaded is None else loaded.__spec__
    found = None if spec is None else spec.origin
    if found is None:
        places = [] if spec is None else list(spec.submodule_search_locations or ())
        where = f"{places[0]} is found in its place" if places else "it is not there; install l7codec again"
        raise UsageError(f"the package 'routing' that comes with l7codec cannot be imported: {where}")
    if Path(found).resolve() != ours:
        raise UsageError(
            f"'routing' is {found}, which shadows the package of that name that comes with l7codec: rename that file, "
            "or run l7codec where it is not on the path"
        )


verify()

import routing  # noqa: E402  only now is it known which one this is
