"""A worker runs through times when its store hangs, is killed and comes back empty; nothing is lost."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest

from featurectl.core.errors import StoreError
from featurectl.core.units import from_us
from featurectl.offline.event_log import OFFSET
from featurectl.online.all_stores import open_stream_state
from featurectl.online.stream_state.base import ListsAsk, StreamSource
from featurectl.online.stream_state.layout import layout_of
from featurectl.online.stream_state.list_values import ListReader
from featurectl.online.stream_state.parsed_list import parse_list
from featurectl.online.stream_state.protocols import StreamState
from featurectl.streaming import quiet_lists
from featurectl.streaming.log_writer import LogWriter
from featurectl.streaming.partition_start import WorkerTopic
from featurectl.streaming.rebuilds import Rebuilds, RebuiltStream
from featurectl.streaming.run import RunOptions, run_worker
from featurectl.streaming.seed_events import SeededView
from featurectl.streaming.seeding import Seeding
from featurectl.streaming.topics.all_topic_kinds import open_topics
from featurectl.streaming.topics.base import TakeLimits, TopicBroker
from featurectl.streaming.topics.faults import RetentionError
from featurectl.streaming.worker import StreamWorker, WorkerStream
from featurectl.streaming.worker_pace import WorkerPace
from tests.servers.redis import redis_server
from tests.streaming.conveyor import COLUMNS, SOURCE, VIEWS
from tests.streaming.test_worker_failures import FailingLog
from tests.streaming.worker_program import log_in, rejected_in, wall_us

PLACE = StreamSource(project="shop", env="dev", source="swipes")
LIMIT_S = 120


@dataclass(kw_only=True)
class Run:
    """A worker in a thread, on a topic in a file."""

    store_url: str
    folder: Path
    told: list[StoreError | None] = field(default_factory=list)
    fault: BaseException | None = None
    stop: threading.Event = field(default_factory=threading.Event)
    sent: int = 0

    def __post_init__(self) -> None:
        self.topics_url = f"sqlite:///{self.folder / 'streams.db'}"
        self.log = log_in(str(self.folder))
        with closing(open_topics(self.topics_url)) as broker:
            broker.create("swipes", 2)

    def work(self, *, once: bool = False) -> None:
        """Run a worker until it is told to stop."""
        with closing(open_topics(self.topics_url)) as broker, closing(open_stream_state(self.store_url)) as state:
            worker = self._worker(broker, state)
            seeded = {name: SeededView(name=name, view=view, source=SOURCE) for name, view in VIEWS.items()}
            stream = RebuiltStream(place=PLACE, state=state, partitions=lambda: worker.start.names)
            options = RunOptions(
                limits=TakeLimits(timeout_s=0.01), clock=time.monotonic, on_problem=self.told.append, once=once
            )
            for partition in range(2):
                worker.begin(partition)
            run_worker(worker, Rebuilds(stream, self.log, seeded), self.stop, options)

    def _worker(self, broker: TopicBroker, state: StreamState) -> StreamWorker:
        topic = WorkerTopic(
            state=lambda: broker.state("swipes"),
            watermarks=lambda: broker.watermarks("swipes"),
            reader=broker.open_reader("swipes"),
        )
        return StreamWorker(
            WorkerStream(source=SOURCE, views=VIEWS, place=PLACE, state=state),
            topic,
            LogWriter(self.log, rejected_in(str(self.folder))),
            WorkerPace(clock=time.monotonic, wall_us=wall_us, log_every_s=0.2),
        )

    @contextmanager
    def running(self) -> Iterator[None]:
        """Let a worker run in a thread of its own."""

        def run() -> None:
            try:
                self.work()
            except BaseException as error:  # noqa: BLE001 (the test looks at it)
                self.fault = error

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield
        finally:
            self.stop.set()
            thread.join(LIMIT_S)
        assert not thread.is_alive()

    def send(self, count: int, keys: Sequence[bytes | None] = (None,)) -> None:
        with closing(open_topics(self.topics_url)) as broker, closing(broker.open_writer("swipes")) as writer:
            for number in range(self.sent, self.sent + count):
                event = {
                    "swipe": number, "card": "c1", "shop": "s1", "arr_delay": 1.0, "at": from_us(wall_us()).isoformat(),
                }  # fmt: skip
                writer.send([(keys[number % len(keys)], json.dumps(event).encode())])
            writer.flush()
        self.sent += count

    def logged(self) -> int:
        return sum(frame.height for frame in self.log.read_rows(self.log.open(), [OFFSET]))

    def largest(self) -> object:
        """How many events of the card are in its windows of all time, as a reader is answered; None: it is not."""
        with closing(open_stream_state(self.store_url)) as state:
            try:
                [answer] = state.read(PLACE, [ListsAsk(view="shops@1", entities=[b"s2:s1"])])
            except StoreError:
                return None
        found = None if answer.lists is None else answer.lists[0]
        if found is None:
            return None
        layout, view = layout_of(VIEWS["shops@1"]), VIEWS["shops@1"]
        values = ListReader(view.features, layout).answer(parse_list(found.elements, layout), answer.asof).values
        return None if values is None else values["max_None"]


def wait_for(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + LIMIT_S
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(store_url=f"sqlite:///{tmp_path / 'online.db'}", folder=tmp_path)


def test_a_worker_that_runs_once_ends_when_all_is_logged(run: Run):
    run.send(30)
    run.work(once=True)
    assert (run.logged(), run.largest(), run.told) == (30, 1.0, [])
    run.send(5)
    run.work(once=True)
    assert run.logged() == 35


@contextmanager
def making_lists(run: Run) -> Iterator[Callable[[], None]]:
    """Have lists of a view made beside those that are read, by somebody else; gives what has them read."""
    view = SeededView(name="spend@1", view=VIEWS["spend@1"], source=SOURCE)
    with closing(open_stream_state(run.store_url)) as state, closing(state.connect(PLACE)) as connection:
        seeding = Seeding(view, connection, run.log)

        def finish() -> None:
            wait_for(lambda: run.logged() == run.sent)
            assert seeding.step(connection) == "done"

        yield finish


def elements(run: Run) -> int:
    """How many elements the list of the card has."""
    with closing(open_stream_state(run.store_url)) as state:
        [answer] = state.read(PLACE, [ListsAsk(view="spend@1", entities=[b"s2:c1"])])
    assert answer.lists is not None
    assert answer.lists[0] is not None
    return len(answer.lists[0].elements)


@pytest.mark.long
def test_a_worker_that_runs_once_compacts_what_others_make_meanwhile(run: Run):
    run.send(1)
    run.work(once=True)
    run.send(60)
    with making_lists(run) as finish, ThreadPoolExecutor() as threads:
        ran = threads.submit(run.work, once=True)
        finish()
        ran.result()
    assert elements(run) == 1


@pytest.mark.long
def test_long_lists_are_compacted_soon_after_they_are_read(run: Run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(quiet_lists, "_FIRST_PASS_S", 2 * LIMIT_S)  # which would find them
    run.send(1)
    run.work(once=True)
    with making_lists(run) as finish, run.running():
        run.send(60)
        finish()
        wait_for(lambda: elements(run) == 1)
    assert run.fault is None


def test_a_worker_that_was_outrun_by_retention_says_what_is_lost(run: Run):
    run.send(40)
    run.work(once=True)
    run.send(20, keys=[b"c%d" % number for number in range(10)])  # of both partitions
    with closing(open_topics(run.topics_url)) as broker:
        marks = broker.watermarks("swipes")
        broker.trim("swipes", {partition: of.end for partition, of in marks.items()})
    run.send(1)
    with pytest.raises(RetentionError, match=r"messages of topic swipes, partition [01] are gone") as raised:
        run.work(once=True)
    [other] = {0, 1} - {raised.value.partition}
    assert re.search(rf"; so are messages of partition {other} \(at most \d+\)$", raised.value.message)
    assert run.logged() == 40


@pytest.mark.long
def test_a_store_that_hangs_or_comes_back_empty_costs_nothing(tmp_path: Path):
    with ExitStack() as stack:
        server = stack.enter_context(redis_server())
        run = Run(store_url=f"{server.url}?socket_timeout=1", folder=tmp_path)
        stack.enter_context(run.running())
        run.send(50)
        wait_for(lambda: run.logged() == 50 and run.largest() == 1.0)
        with server.paused():
            run.send(20)
            wait_for(lambda: run.told != [])
        wait_for(lambda: run.logged() == 70 and run.told[-1] is None)
        told = len(run.told)
        server.kill()
        run.send(10)
        wait_for(lambda: len(run.told) > told and run.told[-1] is not None)
        server.start()
        wait_for(lambda: run.logged() == 80 and run.largest() == 1.0 and run.told[-1] is None)
        assert run.fault is None
    said = [None if error is None else error.message for error in run.told]
    assert all(one != other for one, other in pairwise(said))  # each reason once


@pytest.mark.long
def test_a_log_that_can_not_be_written_is_said_once_until_it_can(tmp_path: Path):
    run = Run(store_url=f"sqlite:///{tmp_path / 'online.db'}", folder=tmp_path)
    run.log = log = FailingLog(location=str(tmp_path / "log"), columns=COLUMNS, shown="log")
    with run.running():
        run.send(3)
        wait_for(lambda: run.logged() == 3)
        log.fails = "commit"
        run.send(2)
        wait_for(lambda: run.told != [])
        wait_for(lambda: log.refusals >= 5)  # and turns between them go well
        log.fails = ""
        wait_for(lambda: run.logged() == 5 and run.told[-1] is None)
    assert [None if error is None else error.message for error in run.told] == ["the log is away", None]
