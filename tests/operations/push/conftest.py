"""An online store of each kind, as `store`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from featurectl.online.all_stores import open_online
from featurectl.online.base import OnlineStore


@pytest.fixture(params=["sqlite", "redis", "postgres", pytest.param("dynamodb", marks=pytest.mark.long)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OnlineStore]:
    """A file, then servers."""
    is_file = request.param == "sqlite"
    url = f"sqlite:///{tmp_path / 'online.db'}" if is_file else request.getfixturevalue(f"{request.param}_url")
    with closing(open_online(url)) as made:
        yield made
