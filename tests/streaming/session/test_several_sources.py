"""Several sources in one process: each has a thread, and an error of one ends all in order."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from featurectl.streaming.topics.all_topic_kinds import open_topics
from featurectl.streaming.topics.first_use import open_topic
from tests.streaming.session.swipes import LIMIT_S, OBJECTS, Swipes, wait_for
from tests.streaming.session.test_processes import said, started

OTHER = """  - name: visits
    stream: {topic: visits, url: "sqlite:///other.db"}
    columns: {visit: int64, card: string, at: timestamp}
    event_time: at
"""
BOTH = OBJECTS.replace("feature_views:\n", f"{OTHER}feature_views:\n") + (
    "  - {name: visited, entity: card, source: visits, aggregates: [{op: count, windows: [1h]}]}\n"
)


def send_visits(root: Path, count: int) -> None:
    url = f"sqlite:///{root / 'other.db'}"
    with closing(open_topics(url)) as broker:
        open_topic(broker, url, "visits")
        with closing(broker.open_writer("visits")) as writer:
            at = datetime.now(UTC).isoformat()
            writer.send([(None, json.dumps({"visit": n, "card": "c1", "at": at}).encode()) for n in range(count)])
            writer.flush()


@pytest.mark.long
def test_a_source_that_can_not_go_on_ends_all_in_order(tmp_path: Path):
    swipes = Swipes(root=tmp_path, objects=BOTH)
    swipes.send(3)
    send_visits(tmp_path, 5)
    with started(swipes) as process:
        wait_for(lambda: swipes.values() == {"amount_sum_1h": 103.0, "amount_count_1h": 4})
        wait_for(lambda: "swipes: views spend@1" in said(swipes) and "visits: views visited@1" in said(swipes))
        swipes.send(4)
        wait_for(lambda: (swipes.values() or {}).get("amount_count_1h") == 8)
        for file in tmp_path.glob("other.db*"):
            file.unlink(missing_ok=True)
        assert process.wait(LIMIT_S) == 69, said(swipes)
    assert "error[FC60" in said(swipes)
    assert swipes.logged() == 7
