"""Each event counts once around the cut between history and stream, however far apart clocks are."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl
import pytest

from featurectl.core.frames.timestamps import INSTANT
from featurectl.core.units import from_us, instant_us
from featurectl.engines.polars.engine import PolarsEngine
from featurectl.language.definitions.stream import STAMP as KNOWN
from featurectl.language.definitions.view import Feature, FeatureView
from featurectl.offline.delta import DeltaStore
from featurectl.offline.event_log import REJECTED_COLUMNS, STAMP, EventLog
from featurectl.online.all_stores import open_stream_state
from featurectl.online.stream_state.base import KnownStamps, ListsAsk, StreamSource
from featurectl.online.stream_state.layout import layout_of
from featurectl.online.stream_state.list_values import ListReader
from featurectl.online.stream_state.parsed_list import parse_list
from featurectl.operations.materialize.run import MaterializeRun
from featurectl.operations.materialize.streams import materialize_stream
from featurectl.sources.open import open_source
from featurectl.streaming.log_writer import LogWriter
from featurectl.streaming.partition_start import WorkerTopic
from featurectl.streaming.seed_events import SeededView
from featurectl.streaming.seeding import Seeding
from featurectl.streaming.topics.all_topic_kinds import open_topics
from featurectl.streaming.topics.base import TakeLimits
from featurectl.streaming.worker import StreamWorker, WorkerStream
from featurectl.streaming.worker_pace import WorkerPace
from featurectl.workspace.event_reader import EventSourceReader, earlier_rows
from tests.streaming.conveyor import BEGIN, CARD, COLUMNS, SECOND
from tests.streaming.conveyor import SOURCE as REPEATED
from tests.streaming.test_worker_failures import Stage

APART_US = 300 * SECOND
LIMIT_S = 120
LIMITS = TakeLimits(messages=100, timeout_s=0.0)
EVERY_S = 60
LOGGED_S = 600
HISTORY = replace(
    REPEATED,
    name="swipes_files",
    format="parquet",
    path="history.parquet",
    columns={**COLUMNS, "known_at": "timestamp"},
    available_at="known_at",
    dedup_key=(),
    checks=(),
)
SOURCE = replace(REPEATED, dedup_key=(), checks=(), history=HISTORY)
COUNTED = FeatureView(
    name="counted", kind="event", entity=CARD, source=SOURCE, join={"card": "card"}, where=None, inputs=(),
    features=(Feature(name="count", op="count", column=None, dtype="int64", window_us=7200 * SECOND),),
)  # fmt: skip
NAME = "counted@1"


@dataclass(kw_only=True)
class Exported:
    """Events of a card, all of which are exported to files, and those from an instant on are sent, too."""

    folder: Path
    url: str
    apart_us: int
    clock_us: int = BEGIN - SECOND
    place: StreamSource

    def __post_init__(self) -> None:
        self.broker = open_topics(f"sqlite:///{self.folder / 'streams.db'}")
        self.broker.create("swipes", 2)
        self.state = open_stream_state(self.url, clock=lambda: self.clock_us)
        self.log = EventLog(location=str(self.folder / "log"), columns=COLUMNS, shown="log")
        times = range(BEGIN - 1200 * SECOND, BEGIN + 1200 * SECOND, EVERY_S * SECOND)
        self.events = [
            {"swipe": n, "card": "c1", "shop": "s1", "arr_delay": 1.0, "at": at} for n, at in enumerate(times)
        ]
        rows = pl.DataFrame(self.events).with_columns(pl.col("at").cast(INSTANT))
        rows.with_columns(known_at="at").write_parquet(self.folder / "history.parquet")

    def worker(self) -> StreamWorker:
        """A worker on a host whose clock is another than the store's."""
        topic = WorkerTopic(
            state=lambda: self.broker.state("swipes"),
            watermarks=lambda: self.broker.watermarks("swipes"),
            reader=self.broker.open_reader("swipes"),
        )
        pace = WorkerPace(
            clock=lambda: self.clock_us / SECOND, wall_us=lambda: self.clock_us + self.apart_us, log_every_s=LOGGED_S
        )
        stream = WorkerStream(source=SOURCE, views={NAME: COUNTED}, place=self.place, state=self.state)
        rejected = EventLog(location=str(self.folder / "rejected"), columns=REJECTED_COLUMNS, shown="rejected")
        return StreamWorker(stream, topic, LogWriter(self.log, rejected), pace)

    def run(self, worker: StreamWorker) -> None:
        """Have a worker take events as they happen, and log them."""
        for partition in range(2):
            worker.begin(partition)
        worker.step(LIMITS)
        with closing(self.broker.open_writer("swipes")) as writer:
            for event in self.events:
                if (at := int(str(event["at"]))) >= BEGIN:
                    self.clock_us = at
                    writer.send([(None, json.dumps({**event, "at": from_us(at).isoformat()}).encode())])
                    writer.flush()
                    assert worker.step(LIMITS) == 1
        for _ in range(2):
            self.clock_us += 2 * LOGGED_S * SECOND
            worker.step(LIMITS)

    def reader(self) -> EventSourceReader:
        return EventSourceReader(source=SOURCE, log=self.log, history=open_source(HISTORY, self.folder))

    def offline(self) -> list[int]:
        """The events in the table that training sets are made of."""
        view = replace(COUNTED, inputs=())
        table = DeltaStore(str(self.folder / "offline"), "shop").table(view.name, 1, view.key_types)
        run = MaterializeRun(view=view, version=1, reader=self.reader(), table=table)
        materialize_stream(PolarsEngine(1 << 26), run, from_us(self.clock_us))
        return sorted(at.timestamp() for at in table.read()["event_time"])

    def online(self, worker: StreamWorker) -> object:
        """What lists that are made anew say."""

        def earlier() -> Iterator[pl.DataFrame]:
            reader = self.reader()
            rows = earlier_rows(reader, reader.look(from_us(self.clock_us)))
            assert rows is not None
            yield rows.rename({KNOWN: STAMP}).collect()

        seeded = SeededView(name=NAME, view=COUNTED, source=SOURCE, earlier=earlier)
        assert Seeding(seeded, worker.connection, self.log).step(worker.connection) == "done"
        [answer] = self.state.read(self.place, [ListsAsk(view=NAME, entities=[b"s2:c1"])])
        assert answer.lists is not None
        assert answer.lists[0] is not None
        layout = layout_of(COUNTED)
        parsed = parse_list(answer.lists[0].elements, layout, answer.lists[0].marks)
        values = ListReader(COUNTED.features, layout).answer(parsed, answer.asof).values
        assert values is not None
        return values["count"]


@pytest.fixture
def exported(tmp_path: Path, redis_url: str) -> Iterator[Callable[..., Exported]]:
    place = StreamSource(project=f"cut{time.time_ns()}", env="dev", source="swipes")
    urls = {"sqlite": f"sqlite:///{tmp_path / 'online.db'}", "redis": redis_url}
    with ExitStack() as stack:

        def make(store: str, apart_us: int) -> Exported:
            made = Exported(folder=tmp_path, url=urls[store], apart_us=apart_us, place=place)
            stack.callback(made.broker.close)
            stack.callback(made.state.close)
            return made

        yield make


@pytest.mark.parametrize(
    ("store", "apart_us"),
    [
        ("sqlite", -APART_US),
        ("redis", APART_US),
        pytest.param("sqlite", APART_US, marks=pytest.mark.long),
        pytest.param("redis", -APART_US, marks=pytest.mark.long),
    ],
)
def test_each_event_counts_once(exported: Callable[..., Exported], store: str, apart_us: int):
    made = exported(store, apart_us)
    with closing(made.worker()) as worker:
        made.run(worker)
        wanted = [int(str(event["at"])) / SECOND for event in made.events]
        assert made.offline() == wanted
        assert made.online(worker) == len(wanted)


def test_no_stamp_is_before_the_cut_where_the_clock_is_set_back(tmp_path: Path):
    made = Stage(folder=tmp_path)
    with closing(made.broker), closing(made.state), closing(made.worker):
        made.step()
        cut_us = made.log.open().state.cut_us
        made.clock_us -= APART_US
        made.send(2)
        assert made.step() == 2
        made.step(seconds=APART_US // SECOND + 9)
        assert stamps_of(made) == [cut_us]


def test_a_log_keeps_its_cut_beside_a_new_register(tmp_path: Path):
    made = Stage(folder=tmp_path)
    with closing(made.broker), closing(made.state), closing(made.worker):
        made.step()
        cut_us = made.log.open().state.cut_us
    for file in tmp_path.glob("online.db*"):
        file.unlink()
    other = Stage(folder=tmp_path, clock_us=BEGIN - APART_US, reader="")
    with closing(other.broker), closing(other.state), closing(other.worker):
        other.send(2)
        other.worker.begin(0)
        assert other.step() == 2
        other.step(seconds=9)
        assert other.log.open().state.cut_us == cut_us
        assert stamps_of(other) == [cut_us]


def test_a_new_log_is_cut_before_what_was_stamped_already(tmp_path: Path):
    made = Stage(folder=tmp_path)
    with closing(made.broker), closing(made.state), closing(made.worker.connection):  # as one that is killed
        made.step()
        made.send(2)
        assert made.step() == 2
    shutil.rmtree(tmp_path / "log")
    other = Stage(folder=tmp_path, clock_us=BEGIN + APART_US, reader="")
    with closing(other.broker), closing(other.state), closing(other.worker):
        other.worker.begin(0)
        other.step()
        other.step(seconds=9)
        assert stamps_of(other) == [other.log.open().state.cut_us]
        assert stamps_of(other)[0] < BEGIN + SECOND


def stamps_of(made: Stage) -> list[int]:
    """The stamps in the log."""
    rows = pl.concat(made.log.read_rows(made.log.open(), [STAMP]))
    return sorted({instant_us(at) for at in rows[STAMP]})


@pytest.mark.parametrize("store", ["sqlite", pytest.param("redis", marks=pytest.mark.long)])
def test_workers_that_begin_at_once_agree_on_the_cut(exported: Callable[..., Exported], store: str):
    made = exported(store, APART_US)
    begun = threading.Barrier(4)

    def begin(ahead_us: int) -> tuple[int, int]:
        """The cut that a worker sees when it has begun, and the stamp of its first batch."""
        state = open_stream_state(made.url, clock=lambda: BEGIN + ahead_us)
        with closing(state), closing(state.connect(made.place)) as connection:
            number = connection.register.add_partition(f"swipes/{ahead_us}")
            [of] = [each for each in connection.register.read_state().partitions if each.number == number]
            begun.wait(LIMIT_S)
            opened = LogWriter(made.log, made.log).begin([of], connection.register)
            claim = connection.register.claim(number, 0, 3, KnownStamps())
            assert claim is not None
            assert opened.state.cut_us is not None
            return opened.state.cut_us, claim.stamps[0].stamp

    with ThreadPoolExecutor(4) as pool:  # clocks of a store that was moved, say, or was set back and on
        found = list(pool.map(begin, [0, APART_US, -APART_US, SECOND]))
    [cut_us] = {cut_us for cut_us, _ in found}
    assert min(stamp for _, stamp in found) >= cut_us
    assert made.log.open().state.cut_us == cut_us
    assert len(made.log.open().state.partitions) == 4
