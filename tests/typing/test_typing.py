"""A user's type checker sees what `public.py` says."""

from __future__ import annotations

from pathlib import Path

from mypy import api


def test_public_types() -> None:
    here = Path(__file__).parent
    config = here.parent.parent / "pyproject.toml"
    arguments = ["--config-file", str(config), "--strict", "--cache-dir", str(config.parent / ".mypy_cache")]
    output, errors, status = api.run([*arguments, str(here / "public.py")])
    assert status == 0, output + errors


def test_the_package_says_that_it_is_typed() -> None:
    import l7codec
    import routing

    for package in (l7codec, routing):
        assert (Path(str(package.__file__)).parent / "py.typed").exists()
