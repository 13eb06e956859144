"""Protocol-agnostic route rules: data in, decisions out.

    table = routing.load(document)
    decision = table.match({"service": "com.example.Orders", "method": "getOrder"})

Works on any mapping of metadata, or any object that has one as `.metadata`. Imports nothing of l7codec, does no I/O and
reads no clock and no randomness: both are arguments.
"""

from __future__ import annotations

from .analysis import Finding
from .comparison import Difference, diff
from .decision import Decision
from .documents import DIALECTS, dump, load, matcher
from .errors import ConfigError, MissingExtra, Problem, RoutingError
from .explain import Explanation
from .merging import merge
from .policies import GlobalLimiter, LocalLimiter
from .rules import Destination, Route
from .table import RouteTable

__all__ = [
    "DIALECTS",
    "ConfigError",
    "Decision",
    "Destination",
    "Difference",
    "Explanation",
    "Finding",
    "GlobalLimiter",
    "LocalLimiter",
    "MissingExtra",
    "Problem",
    "Route",
    "RouteTable",
    "RoutingError",
    "diff",
    "dump",
    "load",
    "matcher",
    "merge",
]
