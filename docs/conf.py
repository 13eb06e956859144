"""Sphinx configuration. `python -m sphinx -W -b html docs docs/_build`; nothing is fetched from a network."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(HERE.parent))

import generate  # noqa: E402

import l7codec  # noqa: E402

generate.write(HERE / "_generated")

project = "l7codec"
author = "The l7codec developers"
copyright = "The l7codec developers"
release = version = l7codec.__version__

extensions = ["myst_parser"]
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3
exclude_patterns = ["_build", "_generated", "changes.d"]
html_theme = "furo"
html_title = f"l7codec {release}"
nitpicky = True
