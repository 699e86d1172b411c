"""A turn of a worker that fails in one place leaves all others as they are."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl
import pytest

from featurectl.core.errors import StoreError
from featurectl.core.units import from_us
from featurectl.offline.event_log import REJECTED_COLUMNS, STAMP, EventLog, LoggedPartition, OpenedLog
from featurectl.online.all_stores import open_stream_state
from featurectl.online.stream_state.base import Generation, ListAppend, ListsAsk, StreamSource
from featurectl.streaming.jobs_beside import Beside, run_at_once
from featurectl.streaming.log_writer import LogWriter
from featurectl.streaming.partition_start import WorkerTopic
from featurectl.streaming.rebuilds import Rebuilds, RebuiltStream
from featurectl.streaming.seed_events import SeededView
from featurectl.streaming.seeding import Seeding, can_seed
from featurectl.streaming.topics.all_topic_kinds import open_topics
from featurectl.streaming.topics.base import Division, MessageDelivery, TakeLimits, Watermarks
from featurectl.streaming.topics.faults import RetentionError
from featurectl.streaming.worker import StreamWorker, WorkerStream
from featurectl.streaming.worker_pace import WorkerPace
from tests.streaming.conveyor import BEGIN, COLUMNS, SECOND, SOURCE, VIEWS

LIMIT_S = 120
LIMITS = TakeLimits(messages=10, timeout_s=0.0)
PLACE = StreamSource(project="shop", env="dev", source="swipes")


class FailingLog(EventLog):
    """A log that is away while it is told so."""

    fails: str = ""
    commits: int = 0
    refusals: int = 0  # how many commits were tried while it was away
    outruns: int = 0  # how many commits come second

    def open(self) -> OpenedLog:
        if self.fails == "open":
            raise StoreError("the log is away", code="FC603")
        return super().open()

    def commit(self, *given: object) -> bool:
        if self.fails:
            self.refusals += 1
            raise StoreError("the log is away", code="FC603")
        if self.outruns:
            self.outruns -= 1
            return False
        self.commits += 1
        return super().commit(*given)  # type: ignore[arg-type]


@dataclass(kw_only=True)
class Stage:
    """A worker that shares the partitions of a topic with others, and a clock that a test moves."""

    folder: Path
    clock_us: int = BEGIN
    most_unlogged: int = 1_000_000
    beat_every_s: float = 0.05
    partitions: int = 1
    store_url: str = ""
    place: StreamSource = PLACE
    reader: str = "one"
    beside: Beside = run_at_once

    def __post_init__(self) -> None:
        self.broker = open_topics(f"sqlite:///{self.folder / 'streams.db'}")
        self.broker.create("swipes", self.partitions)
        self.state = open_stream_state(
            self.store_url or f"sqlite:///{self.folder / 'online.db'}", clock=lambda: self.clock_us
        )
        self.log = FailingLog(location=str(self.folder / "log"), columns=COLUMNS, shown="log")
        self.rejected = EventLog(location=str(self.folder / "rejected"), columns=REJECTED_COLUMNS, shown="rejected")
        topic = WorkerTopic(
            state=lambda: self.broker.state("swipes"),
            watermarks=lambda: self.broker.watermarks("swipes"),
            reader=self.broker.open_reader(
                "swipes", Division(group="features", reader=self.reader) if self.reader else None
            ),
            trim=lambda below, before_us: self.broker.trim("swipes", below, before_us),
        )
        pace = WorkerPace(
            clock=lambda: self.clock_us / SECOND,
            wall_us=lambda: self.clock_us,
            most_unlogged=self.most_unlogged,
            beat_every_s=self.beat_every_s,
            beside=self.beside,
        )
        stream = WorkerStream(source=SOURCE, views=VIEWS, place=self.place, state=self.state)
        self.worker = StreamWorker(stream, topic, LogWriter(self.log, self.rejected), pace)

    def send(self, count: int) -> None:
        with closing(self.broker.open_writer("swipes")) as writer:
            for number in range(count):
                event = {"swipe": number, "card": "c1", "shop": "s1", "arr_delay": 1.0}
                at = from_us(self.clock_us).isoformat()
                writer.send([(b"c1", json.dumps({**event, "at": at}).encode())])
            writer.flush()

    def step(self, seconds: int = 0) -> int:
        self.clock_us += seconds * SECOND
        return self.worker.step(LIMITS)

    def seeded(self, name: str) -> Generation:
        """Give a view lists that are read."""
        connection = self.worker.connection
        seeding = Seeding(SeededView(name=name, view=VIEWS[name], source=SOURCE), connection, self.log)
        assert seeding.step(connection) == "done"
        return seeding.generation

    def elements(self, name: str, entity: bytes = b"s2:c1") -> int:
        [answer] = self.state.read(self.place, [ListsAsk(view=name, entities=[entity])])
        assert answer.lists is not None
        assert answer.lists[0] is not None
        return len(answer.lists[0].elements)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Callable[..., Stage]]:
    made: list[Stage] = []

    def make(**changes: object) -> Stage:
        made.append(Stage(folder=tmp_path, **changes))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for each in made:
        each.log.fails = ""
        each.worker.close()
        each.state.close()
        each.broker.close()


def test_a_partition_that_could_not_be_begun_is_begun_later(stage: Callable[..., Stage]):
    made = stage()
    made.send(3)
    made.log.fails = "open"
    with pytest.raises(StoreError, match="the log is away"):
        made.step()
    made.log.fails = ""
    assert [made.step(), made.step()] == [3, 0]


@pytest.mark.parametrize("fails", ["open", "commit"])
def test_what_waits_for_the_log_is_written_to_lists_once(stage: Callable[..., Stage], fails: str):
    made = stage()
    made.step()
    made.seeded("spend@1")
    made.send(4)
    assert made.step() == 4
    made.log.fails = fails
    with pytest.raises(StoreError, match="the log is away"):
        made.step(seconds=9)
    assert [made.step(), made.elements("spend@1")] == [0, 4]
    made.log.fails = ""
    made.step(seconds=9)
    assert (made.worker.unlogged, made.worker.counts.logged) == (0, 4)


def test_nothing_is_taken_while_too_much_waits_for_the_log(stage: Callable[..., Stage]):
    made = stage(most_unlogged=40)
    made.step()
    made.send(50)
    made.log.fails = "commit"
    assert [made.step(), made.step()] == [10, 10]
    for _ in range(5):
        with pytest.raises(StoreError, match="the log is away"):
            made.step()
    assert made.worker.unlogged == 20  # in two batches, each of which counts as 20 at least
    made.log.fails = ""
    assert [made.step(), made.worker.unlogged] == [10, 10]


def test_a_list_that_others_have_broken_keeps_no_other_from_compaction(stage: Callable[..., Stage]):
    made = stage()
    made.step()
    generation = made.seeded("spend@1")
    broken = ListAppend(generation=generation, entities=[b"s2:c0"], elements=[b"\1broken"])
    made.worker.connection.lists.append([broken])
    made.send(4)
    made.worker.compaction.add(generation, [b"s2:c0", b"s2:c1"])
    with pytest.raises(StoreError, match="a broken list"):
        made.step(seconds=9)
    assert (made.elements("spend@1"), len(made.worker.compaction)) == (1, 0)
    assert made.worker.counts.logged == 4
    assert made.step() == 0


def test_rebuilds_clean_up_with_the_file_that_the_worker_reads_with(stage: Callable[..., Stage]):
    made = stage()
    made.step()
    old = made.seeded("spend@1")
    made.send(3)
    made.step()
    stream = RebuiltStream(place=PLACE, state=made.state, partitions=lambda: made.worker.start.names)
    views = {"spend@1": SeededView(name="spend@1", view=VIEWS["spend@1"], source=SOURCE)}
    rebuilds = Rebuilds(stream, made.log, views)
    rebuilds.want("spend@1")
    made.worker.write_log()
    thread = threading.Thread(target=rebuilds.look)
    thread.start()
    thread.join()
    assert rebuilds.rebuilt == 1
    assert [*made.state.walk_lists(PLACE, old)] == []
    made.send(1)
    assert [made.step(), made.elements("spend@1")] == [1, 2]


def test_a_commit_that_came_second_is_tried_again_soon(stage: Callable[..., Stage]):
    made = stage()
    made.step()
    made.step(seconds=9)
    made.send(3)
    made.step()
    made.log.outruns = 1
    made.step(seconds=6)
    assert (made.worker.unlogged, made.worker.counts.logged) == (3, 0)
    made.step(seconds=1)
    assert (made.worker.unlogged, made.worker.counts.logged) == (0, 3)


def test_a_store_that_another_met_otherwise_is_met_anew_and_logged(stage: Callable[..., Stage], tmp_path: Path):
    made = stage()
    made.step()
    made.send(3)
    made.step()
    with closing(sqlite3.connect(tmp_path / "online.db")) as store:
        store.execute("update stream_sources set run = 'as from another machine'")
        store.commit()
    made.step(seconds=6)
    assert made.worker.counts.begun_anew == 1
    made.step(seconds=6)
    made.step(seconds=6)
    assert (made.worker.unlogged, made.log.rows(made.log.open())) == (0, 3)


def test_a_worker_that_ends_logs_what_it_has_though_others_come_first(stage: Callable[..., Stage]):
    made = stage()
    made.step()
    made.send(3)
    made.step()
    made.log.outruns = 2
    made.worker.close()
    assert made.worker.counts.logged == 3


def test_a_worker_that_ends_does_not_wait_for_a_rebuild(stage: Callable[..., Stage]):
    made = stage()
    made.step()
    made.step(seconds=9)
    history = pl.DataFrame({STAMP: [1], "swipe": [1], "card": ["c1"], "shop": ["s1"], "arr_delay": [1.0], "at": [1]})
    begun = threading.Event()

    def endless() -> Iterator[pl.DataFrame]:
        while True:
            begun.set()
            yield history.with_columns(pl.col(STAMP, "at").cast(pl.Datetime("us", "UTC")))

    views = {"spend@1": SeededView(name="spend@1", view=VIEWS["spend@1"], source=SOURCE, earlier=endless)}
    stream = RebuiltStream(place=PLACE, state=made.state, partitions=lambda: made.worker.start.names)
    rebuilds = Rebuilds(stream, made.log, views)
    rebuilds.start(lambda: True)
    assert begun.wait(LIMIT_S)
    closing_thread = threading.Thread(target=rebuilds.close, daemon=True)
    closing_thread.start()
    closing_thread.join(LIMIT_S)
    assert not closing_thread.is_alive()
    rebuilds.check()
    assert made.worker.connection.register.read_state().named() == []


def test_what_is_logged_and_old_leaves_the_topic(stage: Callable[..., Stage]):
    made = stage(clock_us=time.time_ns() // 1_000)
    made.step()
    made.send(8)
    made.step()
    made.step(seconds=9)
    assert (made.worker.counts.logged, made.broker.watermarks("swipes")[0].begin) == (8, 0)
    made.send(2)
    made.step()
    made.step(seconds=8 * 24 * 3600)
    assert made.broker.watermarks("swipes")[0] == Watermarks(begin=10, end=10)
    made.send(3)
    made.log.fails = "commit"
    made.step()
    with pytest.raises(StoreError, match="the log is away"):
        made.step(seconds=8 * 24 * 3600)
    assert made.broker.watermarks("swipes")[0] == Watermarks(begin=10, end=13)  # what is not logged stays
    other = stage(clock_us=made.clock_us, place=PLACE._replace(env="other"), reader="")
    other.worker.begin(0)
    assert (other.step(), made.worker.unlogged) == (3, 3)
    other.worker.topic.reader.seek(0, 4)
    with pytest.raises(RetentionError, match="at most 6 messages of topic swipes, partition 0 are gone"):
        other.worker.topic.reader.take(LIMITS)


def test_a_stream_without_events_is_logged_once_a_minute(stage: Callable[..., Stage]):
    made = stage()
    made.step()
    made.step(seconds=9)
    before = made.log.commits
    for _ in range(20):
        made.step(seconds=9)
    assert 2 <= made.log.commits - before <= 4


def test_a_worker_that_begins_after_a_loss_declares_it(stage: Callable[..., Stage]):
    made = stage()
    made.step()
    made.send(3)
    made.step()
    made.step(seconds=9)
    made.worker.close()
    made.state.close()
    for file in made.folder.glob("online.db*"):
        file.rename(file.with_name(f"lost-{file.name}"))
    other = stage(clock_us=made.clock_us + SECOND)
    other.step()
    other.step(seconds=9)
    [(after, until)] = other.log.open().state.gaps
    assert after < made.clock_us + SECOND <= until


def test_partitions_have_the_same_numbers_whoever_begins_first(stage: Callable[..., Stage]):
    made = stage(partitions=3)
    made.worker.begin(2)
    names = [of.name.split("#")[0] for of in made.worker.connection.register.read_state().partitions]
    assert names == ["swipes/0", "swipes/1", "swipes/2"]


@pytest.mark.parametrize(
    ("beat_every_s", "partitions", "wait_s"), [(0.01, 1, 0.01), (0.01, 20, 0.02), (0.05, 20, 0.05)]
)
def test_a_turn_waits_for_events_until_the_next_heartbeat(
    stage: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch, beat_every_s: float, partitions: int, wait_s: float
):
    made, waits = stage(beat_every_s=beat_every_s, partitions=partitions), list[float]()
    made.step()
    made.step(seconds=1)
    take = made.worker.topic.reader.take

    def watched(limits: TakeLimits) -> MessageDelivery:
        waits.append(limits.timeout_s)
        return take(limits)

    monkeypatch.setattr(made.worker.topic.reader, "take", watched)
    made.worker.step(TakeLimits(timeout_s=60))
    made.worker.step(TakeLimits(timeout_s=0.001))
    assert waits == pytest.approx([wait_s, 0.001])


def test_stores_say_how_often_a_heartbeat_may_come(tmp_path: Path):
    urls = [f"sqlite:///{tmp_path / 'online.db'}", "redis://127.0.0.1:1/0", "redis+cluster://127.0.0.1:1"]
    assert [open_stream_state(url).heartbeat_s for url in urls] == [0.05, 0.01, 0.01]


def test_many_partitions_are_begun_with_few_commits(stage: Callable[..., Stage]):
    made = stage(partitions=20)
    made.step()
    assert len(made.worker.readings) == len(made.log.open().state.partitions) == 20
    assert made.log.commits <= 2


def test_lists_are_not_seeded_without_a_partition_that_the_log_has(stage: Callable[..., Stage]):
    made = stage()
    made.step()
    opened = made.log.open()
    more = {**opened.state.partitions, "swipes/1#x": LoggedPartition(first=0, end=7, applied_us=1)}
    assert made.log.commit(opened, LogWriter(made.log, made.rejected).nothing(), replace(opened.state, partitions=more))
    connection = made.worker.connection
    seeding = Seeding(SeededView(name="spend@1", view=VIEWS["spend@1"], source=SOURCE), connection, made.log)
    assert seeding.step(connection) == "given up"
    assert seeding.generation not in connection.register.read_state().named()


def test_lists_are_seeded_once_all_partitions_are_worked_on(stage: Callable[..., Stage]):
    made = stage(partitions=2)
    made.worker.begin(0)
    register = made.worker.connection.register
    assert not can_seed(register.read_state(), made.log.open(), made.worker.start.names)
    made.step()
    assert can_seed(register.read_state(), made.log.open(), made.worker.start.names) is False
    made.step(seconds=1)
    assert can_seed(register.read_state(), made.log.open(), made.worker.start.names)
