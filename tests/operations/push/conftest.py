"""An online store of each kind, as `store`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from featurectl.online.base import OnlineStore
from featurectl.online.redis.store import RedisStore
from featurectl.online.sqlite.store import SqliteStore


@pytest.fixture(params=["sqlite", "redis"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OnlineStore]:
    """A file, then a server."""
    is_file = request.param == "sqlite"
    with closing(
        SqliteStore(tmp_path / "online.db") if is_file else RedisStore(request.getfixturevalue("redis_url"))
    ) as made:
        yield made
