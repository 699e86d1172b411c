"""What is logged leaves a topic once it is older than `retention` of the stream says."""

from __future__ import annotations

import time
from contextlib import closing

import pytest

from featurectl.cli.main import main
from featurectl.streaming.topics.all_topic_kinds import open_topics
from tests.streaming.session.swipes import OBJECTS, Swipes, emptied


def left(swipes):
    """How many messages the topic has."""
    with (
        swipes.workspace() as workspace,
        closing(open_topics(workspace.topic_url(workspace.repo.sources["swipes"]))) as of,
    ):
        return sum(
            of.unread("swipes", {number: each.begin for number, each in of.watermarks("swipes").items()}).values()
        )


@pytest.mark.long
@pytest.mark.parametrize("streams", ["sqlite", "redis"])
def test_what_is_logged_leaves_the_topic_after_its_retention(tmp_path, request, streams):
    url = "sqlite:///streams.db" if streams == "sqlite" else emptied(request.getfixturevalue("redis_url"))
    swipes = Swipes(root=tmp_path, streams=url)
    swipes.send(3)
    assert main(["-C", str(tmp_path), "stream", "run", "--once", "-q"]) == 0
    assert left(swipes) == 3  # it keeps them for seven days
    swipes.apply(OBJECTS.replace("{topic: swipes}", "{topic: swipes, retention: 1s}"))
    time.sleep(1.1)
    assert main(["-C", str(tmp_path), "stream", "run", "--once", "-q"]) == 0
    assert (left(swipes), swipes.logged()) == (0, 3)
    assert swipes.values() == {"amount_sum_1h": 103.0, "amount_count_1h": 4}
