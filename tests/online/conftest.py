"""Every online store that there is, as `store`; `open_again` opens the same one once more, as another process would."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from featurectl.online.all_stores import open_online
from featurectl.online.base import OnlineStore
from featurectl.online.sqlite.store import SqliteStore
from tests.online.page_store import dictionary

STORES = ["sqlite", "redis_url", "redis_tls_url", "valkey_url", "redis_cluster_url", "postgres_url", "dictionary"]


@pytest.fixture(params=STORES)
def open_again(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], OnlineStore]:
    """What opens the store of this test, in any thread; who opens it closes it."""
    if request.param == "sqlite":
        return lambda: SqliteStore(tmp_path / "deep" / "folder" / "online.db")
    if request.param == "dictionary":
        return dictionary()
    url = request.getfixturevalue(request.param)
    return lambda: open_online(url)


@pytest.fixture
def store(open_again: Callable[[], OnlineStore]) -> Iterator[OnlineStore]:
    """An online store."""
    with closing(open_again()) as made:
        yield made
