"""Codecs that the command line is told of: `--codec FILE.py` or `--codec package.module`."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

from ..codec import Codec
from ..errors import L7Error
from ..registry import register
from .errors import UsageError

__all__ = ["load_codecs"]


def load_codecs(references: Iterable[str]) -> None:
    """Run each file or import each module, and register every codec class that is defined in it.

    Raises UsageError where there is none, or where it cannot be loaded; MissingExtra passes through.
    """
    for reference in references:
        module = _load(reference)
        found = [
            value
            for value in vars(module).values()
            if inspect.isclass(value)
            and issubclass(value, Codec)
            and value.__module__ == module.__name__
            and isinstance(getattr(value, "name", None), str)
            and not inspect.isabstract(value)
        ]
        if not found:
            raise UsageError(f"--codec {reference}: no codec class is defined there")
        for codec in found:
            register(codec)


def _load(reference: str) -> ModuleType:
    try:
        if not reference.endswith(".py"):
            return importlib.import_module(reference)
        path = Path(reference)
        name = f"_l7codec_declared_{path.stem}"
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            raise UsageError(f"--codec {reference}: not a Python file")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    except (L7Error, UsageError):
        raise
    except Exception as error:  # whatever the file does at its top level
        raise UsageError(f"--codec {reference}: {type(error).__name__}: {error}") from error
    return module
