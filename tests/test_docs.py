"""Every example on every page is executed, and the pages build.

In Markdown, fenced blocks of `python` run in order, in one namespace a page: those with `>>>` as doctests, others as
they are. Blocks of `console` are commands behind `$`, and what they print; those that begin with `python` or `printf`
are run. Blocks of `text` are only shown.

`python -m tests.test_docs` puts what the commands print now into the pages, where it differs.
"""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
import shlex
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import l7codec
from l7codec import registry, strategies

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
PAGES = [page for page in PAGES if not {"_build", "_generated"} & set(page.parts)]
BLOCK = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMANDS = ("python ", "printf ", "l7codec ")
LANGUAGES = {"", "python", "console", "text", "toml", "yaml"}

OPTIONS = doctest.ELLIPSIS


def blocks(page: Path) -> list[tuple[int, str, str]]:
    """Line, language and text of each fenced block; `{include}` and its kin have no language."""
    text = page.read_text(encoding="utf-8")
    return [(text.count("\n", 0, found.start()) + 2, found[1], found[2]) for found in BLOCK.finditer(text)]


def run_doctest(code: str, names: dict[str, Any], name: str, file: str, line: int) -> None:
    test = doctest.DocTestParser().get_doctest(code, names, name, file, line - 1)
    test.globs = names
    runner = doctest.DocTestRunner(optionflags=OPTIONS, verbose=False)
    said: list[str] = []
    runner.run(test, out=said.append, clear_globs=False)
    assert runner.failures == 0, "".join(said)


def execute(page: Path) -> dict[str, Any]:
    """Run a page's Python; returns the names it leaves."""
    names: dict[str, Any] = {"__name__": f"docs_{page.stem.replace('-', '_')}"}
    module = ModuleType(names["__name__"])
    module.__dict__.update(names)
    sys.modules[names["__name__"]] = module  # classes defined on the page pickle
    names = module.__dict__
    for line, language, code in blocks(page):
        assert language in LANGUAGES, f"{page}:{line}: what is a block of {language!r}?"
        if language == "python" and ">>>" in code:
            run_doctest(code, names, page.stem, str(page), line)
        elif language == "python":
            exec(compile("\n" * (line - 1) + code, str(page), "exec"), names)
    return names


@pytest.fixture
def own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a page registers is gone behind it."""
    monkeypatch.setattr(registry, "_codecs", registry._codecs.copy())
    monkeypatch.setattr(strategies, "_registered", strategies._registered.copy())


@pytest.mark.usefixtures("own_registry")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_python_on_pages(page: Path) -> None:
    """A page's own tests are run, too: those of `add-a-protocol` put its codecs under the laws."""
    names = execute(page)
    for name, test in list(names.items()):
        if name.startswith("test_"):
            test()


def console(page: Path) -> list[tuple[str, str]]:
    """Each command on a page, and what it prints."""
    found = []
    for _, language, text in blocks(page):
        if language == "console":
            for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
                command, _, output = part.partition("\n")
                found.append((command, output))
    return found


COMMANDS_ON_PAGES = [
    pytest.param(command, output, id=f"{page.name}: {command}"[:60])
    for page in PAGES
    for command, output in console(page)
    if command.startswith(COMMANDS) and output and "| jq" not in command  # those are run by tests/cli, where jq is
]


def run(command: str) -> subprocess.CompletedProcess[str]:
    shell = re.sub(r"(?<!\S)(?<!-m )l7codec(?=\s)", "python -m l7codec", command)
    shell = re.sub(r"(?<!\S)python(?=\s)", shlex.quote(sys.executable), shell)
    return subprocess.run(["bash", "-c", shell], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize(("command", "output"), COMMANDS_ON_PAGES)
def test_commands_on_pages(command: str, output: str) -> None:
    done = run(command)
    assert doctest.OutputChecker().check_output(output, done.stdout, OPTIONS), done.stdout + done.stderr


MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(l7codec.__path__, "l7codec.")
    if not module.name.endswith("__main__")
)


@pytest.mark.parametrize("name", MODULES)
def test_docstrings_of(name: str) -> None:
    module = importlib.import_module(name)
    runner = doctest.DocTestRunner(optionflags=OPTIONS, verbose=False)
    said: list[str] = []
    for test in doctest.DocTestFinder(exclude_empty=True).find(module):
        runner.run(test, out=said.append)
    assert runner.failures == 0, "".join(said)


def test_the_pages_build(tmp_path: Path) -> None:
    for needed in ("sphinx", "furo", "myst_parser"):
        pytest.importorskip(needed)
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", "docs", str(tmp_path / "html")]
    done = subprocess.run(
        [*command, "-d", str(tmp_path / "trees")], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_page_is_reached() -> None:
    """A page that no table of contents names is a page that nobody finds."""
    docs = ROOT / "docs"
    listed = {docs / "index.md"}
    for page in docs.rglob("*.md"):
        for tree in re.findall(r"```\{toctree\}\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
            for line in tree.splitlines():
                if line and not line.startswith(":"):
                    listed.add((page.parent / f"{line}.md").resolve())
    assert {page for page in PAGES if docs in page.parents and "changes.d" not in page.parts} <= listed


def renew() -> None:
    """Put what the commands print now into the pages."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for command, output in console(page):
            if command.startswith(COMMANDS) and output:
                done = run(command)
                if not doctest.OutputChecker().check_output(output, done.stdout, OPTIONS):
                    print(f"{page.relative_to(ROOT)}: {command}\n{done.stderr}", end="")
                    text = text.replace(f"$ {command}\n{output}", f"$ {command}\n{done.stdout}")
        page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    renew()
