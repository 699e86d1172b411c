"""What is wrong with a view of a stream, by how far its workers are."""

from __future__ import annotations

from dataclasses import replace

import pytest

from featurectl.monitor.why import cause_of
from featurectl.streaming.status.facts import PartitionProgress, StreamStatus
from tests.monitor.test_why import FRESH, STALE, chain

NO_WORKER = (
    "no worker has brought events of the stream swipes online for 2 d: featurectl stream run swipes; "
    "featurectl stream status shows how far it is"
)


def workers(unread=0, readers=None):
    """How far workers on a stream are in its one partition."""
    progress = PartitionProgress(partition=0, begin=0, end=5_000, done=5_000 - unread, unread=unread)
    return StreamStatus(source="swipes", topic="swipes (sqlite:///s.db)", partitions=[progress], readers=readers)


CASES = {
    "a stream whose workers are behind": (
        replace(STALE, stream="swipes", workers=workers(unread=1_200, readers={"pod-1": [0], "pod-2": []})),
        "the workers on the stream swipes are behind: 1,200 events not taken: featurectl stream status swipes",
    ),
    "a stream that nobody works on": (
        replace(chain(online=48), stream="swipes", workers=workers(unread=1_200, readers={})),
        NO_WORKER,
    ),
    "a topic that hangs": (
        replace(FRESH, stream="swipes", workers=replace(workers(), failures={"topic": "no answer within 5 s"})),
        "the topic of swipes can't be read: no answer within 5 s",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_first_thing_that_is_wrong_is_told(name):
    found, cause = CASES[name]
    assert cause_of(found) == cause
