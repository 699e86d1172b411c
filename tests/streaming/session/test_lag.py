"""How far workers are in a topic, as it is told to those who watch."""

from __future__ import annotations

import json
import time
from contextlib import closing
from pathlib import Path

import pytest

from featurectl.cli.main import main
from featurectl.online.stream_state.base import StreamSource
from featurectl.streaming.lag import StreamLag, read_lag
from featurectl.streaming.topics.all_topic_kinds import open_topics
from tests.streaming.session.swipes import Swipes


def lag_of(swipes: Swipes) -> StreamLag:
    place = StreamSource(project="shop", env="dev", source="swipes")
    with swipes.workspace() as workspace:
        url = workspace.topic_url(workspace.repo.sources["swipes"])
        with closing(workspace.stream_state()) as state, closing(open_topics(url)) as broker:
            return read_lag(broker, "swipes", state, place)


@pytest.mark.long
def test_lag_is_what_no_worker_has_taken(tmp_path: Path):
    swipes = Swipes(root=tmp_path)
    swipes.send(7)
    found = lag_of(swipes)
    assert (found.asof_us, found.unread, found.readable) == (None, 7, frozenset())
    assert [of.applied_us for of in found.partitions] == [None] * 4
    assert main(["-C", str(tmp_path), "stream", "run", "--once", "-q"]) == 0
    swipes.send(2)
    swipes.send_texts("{", json.dumps({"swipe": "x"}), json.dumps({"swipe": 1}))
    found = lag_of(swipes)
    assert found.unread == 5
    assert found.readable == frozenset({"spend@1"})
    assert found.asof_us is not None
    assert 0 < time.time() - found.asof_us / 1e6 < 600
    assert found.asof_us == min(of.applied_us or 0 for of in found.partitions)
