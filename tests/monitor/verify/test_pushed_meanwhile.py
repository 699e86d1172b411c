"""What `--store` says of a view that is being pushed while it looks."""

from __future__ import annotations

from contextlib import closing

import pytest

from featurectl.core.errors import TryAgainError
from featurectl.monitor.verify.compare_store import verify_store
from featurectl.online.sqlite.store import SqliteStore
from featurectl.workspace.open import open_workspace
from tests.monitor.verify.injections import DAY, HOUR, NOW, open_bytes
from tests.monitor.verify.shop import run


def compare(root, view="spend", version=1):
    with open_workspace(root, None, None, "unread") as workspace:
        state = workspace.state()
        return verify_store(workspace, state, state.view(view, version))


@pytest.fixture
def under_way(shop):
    """The repository, with a push under way: a part of the rows is of a later instant, the record is of before."""
    with closing(open_bytes(f"sqlite:///{shop}/on.db")) as store:
        before = store.rows()
    old = (shop / "on.db").read_bytes()
    run(shop, "push", "spend", "--as-of", (NOW + DAY).isoformat())
    with closing(open_bytes(f"sqlite:///{shop}/on.db")) as store:
        after = store.rows()
    (shop / "on.db").write_bytes(old)
    with closing(open_bytes(f"sqlite:///{shop}/on.db")) as store:
        for key in sorted(before)[::2]:
            store.put(key, after[key])
        store.add(b"i2:77", after[min(before)])  # of an entity that came meanwhile
    return shop


@pytest.mark.long
def test_rows_of_a_push_that_is_under_way_are_no_differences(under_way):
    found = compare(under_way)
    assert (found.differences, found.entities, found.of) == (0, 20, 40)
    assert found.note == "21 rows are newer than the last push: not compared"


@pytest.fixture
def meanwhile(monkeypatch):
    """Let something happen once the rows are looked at."""

    def happens(what):
        walk = SqliteStore.walk

        def walked(self, *args):
            what()
            return walk(self, *args)

        monkeypatch.setattr(SqliteStore, "walk", walked)

    return happens


def test_a_later_push_that_ends_meanwhile_spoils_nothing(shop, meanwhile):
    meanwhile(lambda: run(shop, "push", "spend", "--as-of", (NOW + HOUR).isoformat()))
    assert compare(shop).differences == 0


def test_a_table_rebuilt_and_pushed_meanwhile_is_to_be_compared_again(shop, meanwhile):
    meanwhile(lambda: run(shop, "materialize", "spend", "--full"))
    with pytest.raises(TryAgainError, match="spend@1 was pushed while it was compared; run it again"):
        compare(shop)
