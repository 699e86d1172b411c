"""Lists that nobody writes any more get shorter, and go; so do those of generations that nobody reads."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from featurectl.online.stream_state.base import Generation, ListAppend, ListsAsk, StreamSource
from featurectl.online.stream_state.compaction import PATIENCE_US
from featurectl.streaming.compaction_queue import VERY_LONG
from featurectl.streaming.quiet_lists import QuietLists
from featurectl.streaming.topics.base import TakeLimits
from tests.streaming.conveyor import SECOND
from tests.streaming.test_worker_failures import LIMIT_S, Stage

ALL_GONE_S = 2 * 3600  # copies of an event are told for an hour and more


@pytest.fixture(params=["sqlite", "redis_url", pytest.param("redis_cluster_url", marks=pytest.mark.long)])
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    url = "" if request.param == "sqlite" else request.getfixturevalue(request.param)
    place = StreamSource(project=f"shop{time.time_ns()}", env="dev", source="swipes")
    made = Stage(folder=tmp_path, store_url=url, place=place)
    yield made
    made.worker.close()
    made.state.close()
    made.broker.close()


def elements(stage: Stage) -> int:
    [answer] = stage.state.read(stage.place, [ListsAsk(view="spend@1", entities=[b"s2:c1"])])
    assert answer.lists is not None
    assert answer.lists[0] is not None
    return len(answer.lists[0].elements)


def go_over(stage: Stage) -> tuple[int, int, int]:
    """Go over all lists, and return how many were seen, compacted and swept."""
    quiet = QuietLists(stage.worker.stream, stage.worker.compaction)
    for _ in quiet.go_over():
        pass
    assert (quiet.counts.passes, quiet.problem) == (1, None)
    return quiet.counts.seen, quiet.counts.compacted, quiet.counts.swept


def begun(stage: Stage) -> Generation:
    stage.step()
    return stage.seeded("spend@1")


def test_a_quiet_list_is_compacted_once_then_trimmed_then_removed(stage: Stage):
    begun(stage)
    stage.send(5)
    stage.step()
    stage.step(seconds=1)
    assert elements(stage) == 5
    assert go_over(stage) == (1, 1, 0)
    assert elements(stage) == 1
    stage.step(seconds=1)
    assert go_over(stage) == (1, 0, 0)  # nothing is gained by it
    stage.step(seconds=ALL_GONE_S)
    assert go_over(stage) == (1, 1, 0)
    assert elements(stage) == 1  # for who reads as of before
    assert go_over(stage) == (1, 0, 0)
    stage.step(seconds=PATIENCE_US // SECOND + 1)
    assert go_over(stage) == (1, 1, 0)
    assert (elements(stage), go_over(stage)) == (0, (0, 0, 0))


def test_lists_of_generations_that_nobody_names_are_removed(stage: Stage):
    live = begun(stage)
    connection = stage.worker.connection
    lost = Generation(view="spend@1", id="f00")
    connection.generations.add(lost)
    appends = [ListAppend(generation=of, entities=[b"s2:c1", b"s2:c2"], elements=[b"\1", b"\1"]) for of in [lost]]
    connection.lists.append(appends)
    connection.generations.drop(lost)
    stage.send(1)
    stage.step()
    stage.step(seconds=1)
    assert go_over(stage) == (1, 0, 2)
    assert sum(map(len, stage.state.walk_lists(stage.place, lost))) == 0
    assert sum(map(len, stage.state.walk_lists(stage.place, live))) == 1


@pytest.mark.long
def test_it_is_done_by_a_thread_that_ends_at_once(stage: Stage):
    begun(stage)
    stage.send(5)
    stage.step()
    stage.step(seconds=1)
    quiet = QuietLists(stage.worker.stream, stage.worker.compaction)
    quiet.start(lambda: True)
    end = time.monotonic() + LIMIT_S
    while not quiet.counts.passes:
        quiet.check()
        assert time.monotonic() < end
        time.sleep(0.02)
    begun_s = time.monotonic()
    quiet.close()
    assert time.monotonic() - begun_s < LIMIT_S  # the next pass comes after minutes
    assert (elements(stage), quiet.counts.compacted) == (1, 1)
    assert "quiet lists" not in {thread.name for thread in threading.enumerate()}


@pytest.mark.long
def test_a_very_long_list_is_left_to_the_thread(stage: Stage):
    begun(stage)
    stage.send(VERY_LONG + 10)
    taken = 0
    while taken < VERY_LONG + 10:
        taken += stage.worker.step(TakeLimits(messages=VERY_LONG + 10, timeout_s=0.0))
    stage.step(seconds=1)
    assert (elements(stage), stage.worker.counts.compacted) == (VERY_LONG + 10, 0)
    quiet = QuietLists(stage.worker.stream, stage.worker.compaction)
    assert (quiet.compact_long(), quiet.compact_long(), elements(stage)) == (1, 0, 1)


def test_a_list_that_can_not_be_read_is_told_of_once(stage: Stage):
    begun(stage)
    stage.send(5)
    stage.step()
    [generation] = stage.worker.connection.register.read_state().named()
    stage.worker.connection.lists.append([ListAppend(generation=generation, entities=[b"s2:c1"], elements=[b"\1"])])
    told: list[str] = []
    quiet = QuietLists(stage.worker.stream, stage.worker.compaction, lambda error: told.append(error.code))
    quiet.ends.wait = lambda timeout=None: False  # type: ignore[method-assign]  # noqa: ARG005
    for _ in range(2):
        quiet._pass(lambda: True)  # noqa: SLF001
        quiet._tell()  # noqa: SLF001
    assert told == ["FC610"]
