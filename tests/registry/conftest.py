"""Both databases that a registry runs on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest

from featurectl.registry.sql import SqlRegistry

OpenRegistry = Callable[..., SqlRegistry]


@pytest.fixture(params=["sqlite", "postgresql"])
def registry_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a registry that does not exist yet."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgres_url"))
    return f"sqlite:///{tmp_path}/new/folder/registry.db"


@pytest.fixture
def open_registry(registry_url: str) -> Iterator[OpenRegistry]:
    """A function that opens the test's registry once more, with a clock of the test's own if it likes."""
    opened = []

    def open_one(clock: Callable[[], datetime] | None = None) -> SqlRegistry:
        opened.append(SqlRegistry(registry_url, clock=clock) if clock else SqlRegistry(registry_url))
        return opened[-1]

    yield open_one
    for registry in opened:
        registry.close()


@pytest.fixture
def registry(open_registry: OpenRegistry) -> SqlRegistry:
    """The test's registry."""
    return open_registry()
