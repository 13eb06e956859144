"""Each benchmark runs once, small; contestants must have done the same work. Nothing here looks at a clock."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from benchmarks.__main__ import cases, main
from benchmarks.timing import Case

SMALL = 40
ROOT = Path(__file__).parent.parent


def rows(page: str, heading: str) -> list[list[str]]:
    """The cells of the first table behind a heading: its rows end at the first line that is none."""
    text = (ROOT / page).read_text(encoding="utf-8").split(heading, 1)[1]
    (table, *_) = re.findall(r"(?:^\|.*\|\n)+", text, re.MULTILINE)
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table.splitlines()[2:]]


def test_published_rows_exist() -> None:
    """What the table of docs/performance.md shows is what `python -m benchmarks` prints; some names tell a size."""
    shown = {row[0].strip("`") for row in rows("docs/performance.md", "# Performance")}
    assert len(shown) > 100
    assert {name for name in shown if ".growth" not in name} <= {case.name for case in cases(SMALL)}


def test_figures_of_the_readme_are_of_the_published_run() -> None:
    published = {name.strip("`"): ratios for name, _, ratios in rows("docs/performance.md", "# Performance")}
    told = rows("README.md", "## Speed")
    assert len(told) > 10
    for _, against, figure, name in told:
        peers = dict(re.findall(r"×([\d.]+) ([^,;]+)", published[name.strip("`")]))
        first = re.match(r"[\w-]+", against)
        assert first is not None
        named = [ratio for ratio, peer in peers.items() if peer.startswith(first[0]) or against == f"the same {peer}"]
        assert any(abs(float(figure) - float(ratio)) < 0.051 for ratio in named), (name, against, peers)


@pytest.mark.parametrize("case", list(cases(SMALL)), ids=lambda case: case.name)
def test_contestants_do_the_same(case: Case) -> None:
    ours = case.ours()
    for name, peer in case.peers.items():
        theirs = peer()
        if "growth" in case.name:  # one message against four of a quarter of its size
            assert theirs == 4 * ours, name
        elif isinstance(ours, bytes | int):
            assert theirs == ours, name


def test_names_are_unique() -> None:
    names = [case.name for case in cases(SMALL)]
    assert len(set(names)) == len(names)


def test_table_and_json(capsys: pytest.CaptureFixture[str]) -> None:
    main(["redis.encode SET pipeline, text", "--size", "4", "--rounds", "1"])
    assert "redis.encode SET pipeline, text" in capsys.readouterr().out
    main(["reply +OK", "--size", "4", "--rounds", "1", "--json"])
    row = json.loads(capsys.readouterr().out)
    assert row["name"] == "redis.reply +OK"
    assert row["peers"][0]["goal"] == 1.4
    main(["reply +OK", "--size", "4", "--rounds", "1", "--markdown"])
    assert "| `redis.reply +OK` | " in capsys.readouterr().out
    assert main(["--list", "growth"]) == 0
    with pytest.raises(SystemExit):
        main(["no such case"])
