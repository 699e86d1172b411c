"""Lists that nobody writes any more get shorter, and go; so do those of generations that nobody reads."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from featurectl.online.stream_state.base import Generation, ListAppend, ListsAsk, StreamSource
from featurectl.online.stream_state.compaction import PATIENCE_US
from featurectl.online.stream_state.head import no_head, pack_head
from featurectl.online.stream_state.layout import layout_of
from featurectl.streaming.compaction_queue import VERY_LONG
from featurectl.streaming.list_pass import ListPass
from featurectl.streaming.quiet_lists import QuietLists
from featurectl.streaming.rebuilds import Rebuilds, RebuiltStream
from featurectl.streaming.seed_events import SeededView
from featurectl.streaming.topics.base import TakeLimits
from tests.streaming.conveyor import SECOND, SOURCE, VIEWS
from tests.streaming.test_worker_failures import LIMIT_S, Stage

ALL_GONE_S = 2 * 3600  # copies of an event are told for an hour and more


LONG = [pytest.param(name, marks=pytest.mark.long) for name in ("redis_cluster_url", "postgres_url")]


@pytest.fixture(params=["sqlite", "redis_url", *LONG])
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


def test_a_pass_goes_on_with_what_another_worker_left(stage: Stage, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("featurectl.online.stream_sql.state._WALK_LISTS", 25)
    stage.step()
    entities = [b"s5:c%04d" % i for i in range(60)]
    for view in VIEWS:
        generation = stage.seeded(view)
        entry = ListAppend(generation=generation, entities=entities, elements=[no_head_of(view)] * len(entities))
        stage.worker.connection.lists.append([entry])
    stage.step(seconds=1)
    seen, passes, list_pass = 0, 0, ListPass()
    for steps in [3, 6, 1, 5, 1_000]:  # a worker each
        quiet = QuietLists(stage.worker.stream, stage.worker.compaction, list_pass=list_pass)
        for _, _ in zip(range(steps), quiet.go_over(), strict=False):
            pass
        seen, passes = seen + quiet.counts.seen, passes + quiet.counts.passes
    wanted = len(VIEWS) * len(entities)
    assert passes == 1
    assert wanted <= seen <= wanted + 4 * 20  # what was under way is seen again


def no_head_of(view: str) -> bytes:
    """An element that is whole and can't get shorter."""
    layout = layout_of(VIEWS[view])
    return pack_head(no_head(layout), layout)


def test_a_worker_that_ends_leaves_old_lists_to_the_next(stage: Stage, monkeypatch: pytest.MonkeyPatch):
    before = begun(stage)
    monkeypatch.setattr("featurectl.online.stream_sql.state._REMOVE_ELEMENTS", 100)
    monkeypatch.setattr("featurectl.online.redis.stream_state.SCAN_COUNT", 100)
    appends = ListAppend(generation=before, entities=[b"s5:c%04d" % i for i in range(1_500)], elements=[b"\1"] * 1_500)
    stage.worker.connection.lists.append([appends])
    stage.step(seconds=9)  # so that all is logged
    stream = RebuiltStream(place=stage.place, state=stage.state, partitions=lambda: stage.worker.start.names)
    rebuilds = EndedSoon(
        stream, stage.log, {"spend@1": SeededView(name="spend@1", view=VIEWS["spend@1"], source=SOURCE)}
    )
    rebuilds.want("spend@1")
    rebuilds.look()
    assert rebuilds.rebuilt == 1
    left = sum(map(len, stage.state.walk_lists(stage.place, before)))
    assert 0 < left <= 1_500  # what a server has of other tests may fill the first page
    assert go_over(stage)[2] == left
    assert sum(map(len, stage.state.walk_lists(stage.place, before))) == 0


class EndedSoon(Rebuilds):
    """Rebuilds that are to end when the first view has its new lists."""

    def _take_note(self, name: str, before: Generation | None) -> None:
        self.ends.set()
        super()._take_note(name, before)


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
