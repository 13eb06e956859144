"""Servers that the tests of one module share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .programs import redis_server


@pytest.fixture(scope="module")
def redis_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A redis-server of the module's own."""
    with redis_server(tmp_path_factory.mktemp("redis")) as port:
        yield port
