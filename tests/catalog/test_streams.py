"""Streams as `list`, `show` and `lineage` tell of them."""

from dataclasses import replace

import pytest

from featurectl.catalog.facts import facts_of
from featurectl.catalog.lineage import lineage_of
from featurectl.catalog.objects import AppliedObjects, ObjectName
from featurectl.catalog.summaries import summarize
from featurectl.language.definitions.stream import Stream
from tests.definitions import ARRIVALS, CARRIER, DELAYS
from tests.plan.states import state_of

TOPIC = Stream(
    topic="arrivals_live", format="avro", schema="{}", schema_path="a.avsc", key=("carrier",), url="redis://u:pw@host/0"
)
LIVE = replace(ARRIVALS, name="live", format="stream", path="", available_at=None, stream=TOPIC, history=ARRIVALS)


@pytest.fixture
def objects():
    """What is applied: a view of a stream with a history."""
    return AppliedObjects(state=state_of(CARRIER, ARRIVALS, LIVE, replace(DELAYS, source=LIVE)))


def test_a_stream_is_shown_with_its_topic_and_its_history(objects):
    found = {item.name: item for item in summarize(objects, ["source"])}
    assert (found["live"].type, found["live"].definition) == ("stream", "topic: arrivals_live")
    facts = facts_of(objects, found["live"])
    shown = {"topic", "events", "partition key", "url", "history", "available at"}
    assert {label: text for label, text in facts.items() if label in shown} == {
        "topic": "arrivals_live",
        "events": "avro of a.avsc",
        "partition key": "carrier",
        "url": "redis://host/0",
        "history": "arrivals",
        "available at": "when a worker took the event",
    }
    assert "path" not in facts


def test_the_lineage_of_a_stream_reaches_its_history(objects):
    live, history = ObjectName("source", "live"), ObjectName("source", "arrivals")
    view = ObjectName("view", "delays")
    assert (history, live) in lineage_of(objects, view).edges
    assert {live, view} < set(lineage_of(objects, history).nodes)
    feature = ObjectName("feature", "delays:count_1d")
    assert lineage_of(objects, feature).made_of(feature) == [history, live]
