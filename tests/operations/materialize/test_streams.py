"""Tables of views of streams: history up to the cut, the log after it, each event once, in however many runs."""

from datetime import timedelta
from pathlib import Path
from random import Random

import pytest

from featurectl.language.definitions.view import FeatureView
from featurectl.offline.base import OfflineTable
from tests.operations.materialize.event_streams import NEWEST, SPEND, CardStream
from tests.seeds import seeds_from
from tests.tombstones import erased, tombstone


def rows_of(table: OfflineTable) -> list[tuple[object, ...]]:
    names = ["card", "event_time", "available_at", "tie_0", "tie_order", "cents", "swipe"]
    return sorted(table.read().select(names).rows(), key=repr)


def expected(stream: CardStream, view: FeatureView) -> list[tuple[object, ...]]:
    return sorted((tuple(row.values()) for row in stream.expected(view)), key=repr)


def play(stream: CardStream, views: list[FeatureView], steps: int) -> None:
    """Let events come and be logged, and materialize now and then."""
    random = stream.random
    if random.random() < 0.8:
        stream.add_history(random.randrange(1, 30))
        if random.random() < 0.5:
            stream.materialize(random.choice(views))
    stream.begin()
    for _ in range(steps):
        dice = random.random()
        if dice < 0.6:
            stream.take(random.randrange(1, 6))
        elif dice < 0.85:
            stream.commit(random.sample([*stream.ends], random.randrange(1, stream.partitions + 1)))
        else:
            stream.materialize(random.choice(views))


@pytest.mark.sample(1)
@pytest.mark.parametrize("seed", seeds_from(0, 6))
def test_runs_that_come_as_events_do_give_what_one_run_gives(tmp_path: Path, seed: int):
    memory = 1 if seed % 3 == 1 else 1 << 26
    stream = CardStream(folder=tmp_path, random=Random(seed), dedup=seed % 2 == 0, memory_bytes=memory)
    views = [SPEND, NEWEST]
    play(stream, views, 60)
    for view in views:
        stream.materialize(view)
        _, stepwise = stream.materialize(view)
        _, whole = stream.materialize(view, "whole")
        assert rows_of(whole) == expected(stream, view)
        assert stepwise.read().equals(whole.read())


@pytest.mark.long
@pytest.mark.sample(1)
@pytest.mark.parametrize("seed", seeds_from(20, 26))
def test_events_of_an_erased_key_stay_away_in_however_many_runs(tmp_path: Path, seed: int):
    stream = CardStream(folder=tmp_path, random=Random(seed), dedup=seed % 2 == 0)
    views = [SPEND, NEWEST]
    play(stream, views, 40)
    stream.erasures = erased(tombstone("card", ["card"], ["c1"], stream.now + timedelta(days=999)))
    for _ in range(20):
        stream.take(3)
    stream.commit([*stream.ends])
    for view in views:
        stream.materialize(view)
        again, stepwise = stream.materialize(view)
        assert again.action == "nothing"
        assert rows_of(stepwise) == [row for row in expected(stream, view) if row[0] != "c1"]
        made, whole = stream.materialize(view, full=True)
        assert made.dropped["erased"] > 0
        assert rows_of(whole) == rows_of(stepwise)
