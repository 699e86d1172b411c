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

STORES = ["sqlite", "redis_url", "redis_tls_url", "valkey_url", "redis_cluster_url", "postgres_url", "dynamodb_url",
          "dictionary"]  # fmt: skip


SLOW = "dynamodb_url"  # its server takes some hundred rows a second
OFTEN = {
    "test_new_entities_are_counted_among_known_ones",
    "test_of_two_states_the_one_that_was_true_last_then_known_last_stays",
    "test_only_the_named_entities_are_kept_and_what_was_computed_later",
    "test_the_record_of_the_newest_push_is_kept",
}  # asked of it in `make test`, too


@pytest.hookimpl(tryfirst=True)  # before -m chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave most of what is asked of every store to `make long` where the store is slow."""
    for item in items:
        if f"[{SLOW}" in item.name and item.name.partition("[")[0] not in OFTEN:
            item.add_marker(pytest.mark.long)


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
