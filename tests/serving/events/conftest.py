"""A repository with a stream on every kind of broker, with an online store of the same kind where there is one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.serving.events.shop import EventShop

KINDS = [
    "sqlite",
    "redis_url",
    pytest.param("valkey_url", marks=pytest.mark.long),
    pytest.param("redis_cluster_url", marks=pytest.mark.long),
    pytest.param("kafka_url", marks=pytest.mark.long),
]


@pytest.fixture(params=KINDS)
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> EventShop:
    """The repository."""
    if request.param == "sqlite":
        return EventShop(tmp_path)
    url = request.getfixturevalue(request.param)
    return EventShop(tmp_path, streams=url) if request.param == "kafka_url" else EventShop(tmp_path, url, url)


@pytest.fixture
def file_shop(tmp_path: Path) -> EventShop:
    """The repository in files."""
    return EventShop(tmp_path)
