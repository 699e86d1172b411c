"""What is said of the lists of a view goes from the online store with the lists."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from featurectl.cli.main import main
from featurectl.online.base import OnlineView, PushRecord
from featurectl.online.list_marks import marked_lists, write_list_mark
from featurectl.online.row_places import online_view
from tests.streaming.session.swipes import OBJECTS, Swipes, emptied
from tests.streaming.session.test_clean import WITHOUT

OTHER = """
  - name: sizes
    entity: card
    source: swipes
    aggregates: [{column: amount, op: max, windows: [1h]}]
"""


@pytest.fixture(params=["sqlite", "redis_url", "postgres_url"])
def swipes(tmp_path: Path, request: pytest.FixtureRequest) -> Swipes:
    """Two views of a stream, which a worker has brought online."""
    url = "sqlite:///on.db" if request.param == "sqlite" else request.getfixturevalue(request.param)
    made = Swipes(root=tmp_path, online=emptied(url) if "redis" in url else url, objects=OBJECTS + OTHER)
    made.send(2)
    work(made)
    return made


def work(swipes: Swipes) -> None:
    assert main(["-C", str(swipes.root), "stream", "run", "--once", "-q"]) == 0


def said_of(swipes: Swipes, *views: OnlineView) -> list[bool]:
    """Whether something is said of the lists of views: how clean they are, and that they are made anew."""
    with swipes.workspace() as workspace, closing(workspace.online_handle()) as store:
        places = [place for view in views for place in (marked_lists(view), rebuilt(view))]
        return [store.read_push_record(place) is not None for place in places]


def rebuilt(view: OnlineView) -> OnlineView:
    return replace(view, view=f"rebuild:{view.view}")


def say(swipes: Swipes) -> list[OnlineView]:
    """Say of the lists of both views what an erasure and a rebuild say, and return where the views would have rows."""
    now = datetime.now(UTC)
    record = PushRecord(computed_at=now, watermark=None, newest_event=None, table_version=0, entities=0)
    with swipes.workspace() as workspace, closing(workspace.online_handle()) as store:
        views = [online_view(workspace.repo.views[name], 1, "shop", "dev") for name in ("spend", "sizes")]
        for view in views:
            assert write_list_mark(store, view, 1, now)
            store.write_push_record(rebuilt(view), record)
    assert said_of(swipes, *views) == [True] * 4
    return views


def test_a_worker_forgets_what_is_said_of_a_view_that_is_gone(swipes: Swipes):
    views = say(swipes)
    swipes.apply(OBJECTS, "sizes")
    work(swipes)
    assert said_of(swipes, *views) == [True, True, False, False]
    assert swipes.values() == {"amount_sum_1h": 102.0, "amount_count_1h": 3}


def test_clean_forgets_what_is_said_of_views_of_a_stream_that_is_gone(swipes: Swipes):
    views = say(swipes)
    swipes.apply(WITHOUT, "swipes", "swipes_files", "spend", "sizes", "card")
    assert main(["-C", str(swipes.root), "clean", "--dry-run"]) == 0
    assert said_of(swipes, *views) == [True] * 4
    assert main(["-C", str(swipes.root), "clean"]) == 0
    assert said_of(swipes, *views) == [False] * 4
