"""What is public is there, and is what the documentation may name."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import l7codec
import routing

MODULES = [
    module.name
    for package in (l7codec, routing)
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
]


@pytest.mark.parametrize("name", ["l7codec", *MODULES])
def test_all_names_exist_once_and_sorted(name: str) -> None:
    module = importlib.import_module(name)
    names = getattr(module, "__all__", [])
    assert all(hasattr(module, one) for one in names)
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", [name for name in MODULES if name.count(".") == 1])
def test_what_a_module_defines_is_public_or_says_it_is_not(name: str) -> None:
    module = importlib.import_module(name)
    if not hasattr(module, "__all__"):
        return
    for one, value in vars(module).items():
        if getattr(value, "__module__", None) != name or one.startswith("_"):
            continue
        if inspect.isclass(value) or inspect.isfunction(value):
            assert one in module.__all__, f"{name}.{one}"


def test_the_top_level_is_small() -> None:
    assert len(l7codec.__all__) <= 25
    assert set(l7codec.__all__) <= set(dir(l7codec))


@pytest.mark.parametrize("name", l7codec.__all__)
def test_what_is_public_is_documented(name: str) -> None:
    value = getattr(l7codec, name)
    assert inspect.getdoc(value)
    if inspect.isclass(value):
        for member, function in vars(value).items():
            if not member.startswith("_") and (inspect.isfunction(function) or isinstance(function, property)):
                assert inspect.getdoc(getattr(value, member)), f"{name}.{member}"


def test_the_core_imports_nothing_but_the_standard_library() -> None:
    """And none of its slow or worldly parts, but `socket` for the text of addresses."""
    script = (
        "import sys; before = set(sys.modules); import l7codec; names = l7codec.registry._BUILTIN;"
        "[l7codec.registry.codec_class(name) for name in names];"
        "print(*sorted({m.split('.')[0] for m in set(sys.modules) - before}))"
    )
    command = [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(Path.cwd())!r}); {script}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    assert loaded <= set(sys.stdlib_module_names) | {"l7codec"}
    assert not loaded & {"asyncio", "subprocess", "urllib", "http", "ssl", "random", "logging"}


def test_no_public_name_is_shadowed_by_a_module() -> None:
    """Importing `l7codec.protocols` puts that module in the place of anything else of its name."""
    assert not set(l7codec.__all__) & {name.removeprefix("l7codec.") for name in MODULES}
