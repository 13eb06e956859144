"""Each benchmark runs once, small; contestants must have done the same work. Nothing here looks at a clock."""

from __future__ import annotations

import json

import pytest

from benchmarks.__main__ import cases, main
from benchmarks.timing import Case

SMALL = 40


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
