"""Hypothesis profiles: quick by default, `ci` the same on every run, `thorough` on demand.

HYPOTHESIS_PROFILE=thorough python -m pytest
"""

from __future__ import annotations

import os
import shutil

import pytest
from hypothesis import HealthCheck, settings

_slow = [HealthCheck.too_slow, HealthCheck.data_too_large]

settings.register_profile("quick", max_examples=25, deadline=None, suppress_health_check=_slow)
settings.register_profile("ci", max_examples=50, deadline=None, derandomize=True, suppress_health_check=_slow)
settings.register_profile("thorough", max_examples=500, deadline=None, suppress_health_check=_slow)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "quick"))


@pytest.fixture
def needs_tshark() -> None:
    """Where checks must hold, a missing tshark is a failure."""
    if shutil.which("tshark") is None:
        if "CI" in os.environ:
            pytest.fail("tshark is not installed")
        pytest.skip("tshark is not installed: apt-get install tshark")
