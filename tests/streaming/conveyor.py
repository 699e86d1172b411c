"""Workers on real stores: random events of cards and shops, whoever works on them, and what answers have to say."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from random import Random

import polars as pl

from featurectl.core.errors import StoreError
from featurectl.core.units import from_us
from featurectl.language.definitions.entity import Entity
from featurectl.language.definitions.source import Check, NamedExpression, Source
from featurectl.language.definitions.view import Feature, FeatureView
from featurectl.offline.event_log import OFFSET, PARTITION, REJECTED, REJECTED_COLUMNS, STAMP, EventLog
from featurectl.online.decode.values import decoder
from featurectl.online.stream_state.base import ListsAsk, StreamSource
from featurectl.online.stream_state.layout import MARGIN_US, layout_of
from featurectl.online.stream_state.list_values import ListReader
from featurectl.online.stream_state.parsed_list import parse_list
from featurectl.online.stream_state.protocols import StreamState
from featurectl.streaming.jobs_beside import BesideJob, run_at_once
from featurectl.streaming.log_writer import LogWriter
from featurectl.streaming.partition_start import WorkerTopic, topic_ends
from featurectl.streaming.reset import ResettableStream, reset_stream
from featurectl.streaming.seed_events import SeededView
from featurectl.streaming.seeding import Seeding, can_seed
from featurectl.streaming.topics.base import TakeLimits, TopicBroker
from featurectl.streaming.worker import StreamWorker, WorkerStream
from featurectl.streaming.worker_pace import WorkerPace
from tests.definitions import COLUMNS as OTHER_COLUMNS
from tests.definitions import expression
from tests.streaming.truth import Answered, same, true_values

SECOND = 1_000_000
BEGIN = 1_790_000_000 * SECOND
PARTITIONS, CARDS, SHOPS = 3, 5, 3
COLUMNS = {"swipe": "int64", "card": "string", "shop": "string", "arr_delay": "float64", "at": "timestamp"}
SOURCE = Source(
    name="swipes",
    format="stream",
    event_time="at",
    columns=COLUMNS,
    dedup_key=("swipe",),
    checks=(Check(kind="between", column="arr_delay", low=-1000.0, high=1000.0),),
)
assert OTHER_COLUMNS["arr_delay"] == COLUMNS["arr_delay"]  # so that expressions over it are typed alike


def _feature(op: str, window_s: int | None, column: str | None = "arr_delay", n: int | None = None) -> Feature:
    types = {"count": "int64", "count_distinct": "int64", "last_n": "list(float64)"}
    return Feature(
        name=f"{op}_{window_s}",
        op=op,
        column=column,
        dtype=types.get(op, "float64"),
        window_us=None if window_s is None else window_s * SECOND,
        n=n,
    )


def _input(name: str) -> NamedExpression:
    tree = expression(name).tree if name in OTHER_COLUMNS else None
    return NamedExpression(name=name, expression=expression("arr_delay"), dtype=None if tree is None else tree.dtype)


CARD = Entity(name="card", keys={"card": "string"})
SHOP = Entity(name="shop", keys={"shop": "string"})
VIEWS = {
    "spend@1": FeatureView(
        name="spend", kind="event", entity=CARD, source=SOURCE, join={"card": "card"}, where=None,
        inputs=(_input("arr_delay"),),
        features=(
            _feature("count", 4, None), _feature("sum", 4), _feature("max", 9), _feature("last_n", 9, n=3),
            _feature("median", 4),
        ),
    ),
    "shops@1": FeatureView(
        name="shops", kind="event", entity=SHOP, source=SOURCE, join={"shop": "shop"},
        where=expression("arr_delay > 0"), inputs=(_input("arr_delay"),),
        features=(_feature("count", 6, None), _feature("mean", 6), _feature("max", None)),
    ),
    "newest@2": FeatureView(
        name="newest", kind="state", entity=CARD, source=SOURCE, join={"card": "card"}, where=None, ttl_us=5 * SECOND,
        inputs=(_input("arr_delay"),),
        features=(Feature(name="arr_delay", op="latest", column="arr_delay", dtype="float64"),),
    ),
}  # fmt: skip
LIMITS = TakeLimits(messages=40, timeout_s=0.0)


class LateJob(Future):
    """A job that is done some turns later, when whoever waits for it looks again, or asks for what came of it."""

    def __init__(self, random: Random, job: BesideJob) -> None:
        super().__init__()
        self._random, self._job = random, job

    def done(self) -> bool:
        if self._random.random() < 0.3:
            self._do()
        return super().done()

    def result(self, timeout: float | None = None) -> object:
        self._do()
        return super().result(timeout)

    def _do(self) -> None:
        if not super().done():
            found = run_at_once(self._job)
            if error := found.exception():
                self.set_exception(error)
            else:
                self.set_result(found.result())


@dataclass(kw_only=True)
class Conveyor:
    """A topic, workers, and readers; one thing after another, in an order that a seed decides."""

    random: Random
    broker: TopicBroker
    open_state: Callable[[Callable[[], int]], StreamState]
    folder: Path
    project: str = "shop"
    clock_us: int = BEGIN
    swipes: int = 0
    sent: Counter[str] = field(default_factory=Counter)
    answered: list[Answered] = field(default_factory=list)
    unanswered: int = 0
    switches: int = 0
    failures: int = 0
    remade: int = 0
    workers: list[StreamWorker] = field(default_factory=list)
    seedings: dict[str, Seeding] = field(default_factory=dict)
    recent: list[dict[str, object]] = field(default_factory=list)

    def __post_init__(self) -> None:
        # Without a `dedup_key` rows leave lists after seconds, with one after an hour.
        self.source = replace(SOURCE, dedup_key=self.random.choice([(), SOURCE.dedup_key]))
        self.views = {name: replace(view, source=self.source) for name, view in VIEWS.items()}
        self.broker.create("swipes", PARTITIONS)
        self.writer = self.broker.open_writer("swipes")
        self.state = self.open_state(lambda: self.clock_us)
        self.place = StreamSource(project=self.project, env="dev", source="swipes")
        self.log = EventLog(location=str(self.folder / "log"), columns=COLUMNS, shown="log")
        self.rejected = EventLog(location=str(self.folder / "rejected"), columns=REJECTED_COLUMNS, shown="rejected")
        self.workers = [self.worker() for _ in range(2)]
        self.owner = [0, 1, 0]
        for partition, owner in enumerate(self.owner):
            self.workers[owner].begin(partition)

    def worker(self) -> StreamWorker:
        """A worker that has nothing yet."""
        topic = WorkerTopic(
            state=lambda: self.broker.state("swipes"),
            watermarks=lambda: self.broker.watermarks("swipes"),
            reader=self.broker.open_reader("swipes"),
        )
        pace = WorkerPace(
            clock=lambda: self.clock_us / SECOND,
            wall_us=lambda: self.clock_us,
            log_every_s=2.0,
            beat_every_s=0.1,
            beside=run_at_once if self.random.random() < 0.5 else partial(LateJob, Random(self.random.random())),
        )
        stream = WorkerStream(source=self.source, views=self.views, place=self.place, state=self.state)
        made = StreamWorker(stream, topic, LogWriter(self.log, self.rejected), pace)
        made.compaction.long = self.random.choice([2, 5, 20])
        return made

    def close(self) -> None:
        """Give everything back."""
        for worker in self.workers:
            worker.close()
        self.writer.close()
        self.state.close()
        self.broker.close()

    def step(self) -> None:
        """Do one thing."""
        self.clock_us += self.random.randrange(SECOND // 10)
        dice = self.random.random()
        try:
            if dice < 0.3:
                self.send()
            elif dice < 0.6:
                self.random.choice(self.workers).step(LIMITS)
            elif dice < 0.9:
                self.read()
            elif dice < 0.93:
                self.move()
            else:
                self.seed()
        except StoreError:  # what a store that was replaced says once to each who uses it
            self.failures += 1

    def send(self) -> None:
        """Send some events: late, repeated, bad, tied and dated ahead."""
        for _ in range(self.random.randrange(1, 6)):
            event = self._event()
            key = None if self.random.random() < 0.1 else str(event.get("card")).encode()
            self.writer.send([(key, b"{" if "bad" in event else json.dumps(event).encode())])
        self.writer.flush()

    def _event(self) -> dict[str, object]:
        random = self.random
        if random.random() < 0.02:
            self.sent["bad"] += 1
            return random.choice(
                [{"bad": 1}, {"card": "c1"}, {"card": 7.5, "at": "x"}, self._new(5000.0), self._ahead()]
            )
        if self.recent and random.random() < 0.08:
            self.sent["repeated"] += 1
            return random.choice(self.recent[-30:])
        event = self._new(random.choice([None, -3.0, 1.5, random.random() * 100]))
        self.recent.append(event)
        return event

    def _new(self, amount: float | None) -> dict[str, object]:
        random = self.random
        late_us = random.choice([0, 0, 0, random.randrange(6 * SECOND), -random.randrange(SECOND)])
        self.sent["late" if late_us > 0 else "in time"] += 1
        self.swipes += 1
        at_us = self.clock_us - late_us
        at_us = at_us // SECOND * SECOND if random.random() < 0.3 else at_us
        return {
            "swipe": self.swipes if random.random() < 0.97 else None,
            "card": f"c{random.randrange(CARDS)}",
            "shop": random.choice([None, *(f"s{i}" for i in range(SHOPS))]),
            "arr_delay": amount,
            "at": from_us(at_us).isoformat(),
        }

    def _ahead(self) -> dict[str, object]:
        return {**self._new(1.0), "at": from_us(self.clock_us + 4000 * SECOND).isoformat()}

    def remake(self, removed: Callable[[], None]) -> None:
        """Make the topic again, and reset the stream; one worker hears of it, the other goes on as if it had not."""
        removed()
        self.broker.create("swipes", PARTITIONS)
        stream = ResettableStream(
            place=self.place,
            state=self.state,
            log=self.log,
            topic=lambda: self.broker.state("swipes"),
            watermarks=lambda: self.broker.watermarks("swipes"),
        )
        reset_stream(stream, wait=lambda _: None, patience_s=1.0)
        self.remade += 1
        number = self.random.randrange(len(self.workers))
        self._kill(number)
        for partition in range(PARTITIONS):
            self.owner[partition] = number
            self.workers[number].begin(partition)

    def _kill(self, number: int) -> None:
        """Have another worker in the place of one, which ends at once: what it had taken is not logged."""
        killed = self.workers[number]
        self.workers[number] = self.worker()
        killed.topic.reader.close()
        killed.connection.close()

    def move(self) -> None:
        """Give a partition to another worker, which the one of before does not hear; or kill a worker."""
        number = self.random.randrange(len(self.workers))
        if self.random.random() < 0.3:
            self._kill(number)
            for partition, owner in enumerate(self.owner):
                if owner == number:
                    self.workers[number].begin(partition)
            return
        partition = self.random.randrange(PARTITIONS)
        self.owner[partition] = number
        self.workers[number].begin(partition)

    def seed(self) -> None:
        """Begin with a new generation of a view, or go on with one."""
        connection = self.workers[0].connection
        state, opened = connection.register.read_state(), self.log.open()
        if not can_seed(state, opened, topic_ends(self.workers[0].topic)):
            return
        live = {name for name, of in state.views.items() if of.live is not None}
        missing = [name for name in VIEWS if name not in live and name not in self.seedings]
        if missing or (not self.seedings and self.random.random() < 0.2):
            name = self.random.choice(missing or [*VIEWS])
            seeded = SeededView(name=name, view=self.views[name], source=self.source)
            self.seedings[name] = Seeding(seeded, connection, self.log)
        for name, seeding in list(self.seedings.items()):
            found = seeding.step(connection)
            self.switches += found == "done"
            if found != "waits":
                del self.seedings[name]

    def read(self) -> None:
        """Read an entity in a view, at the instant that there is or a little before."""
        name = self.random.choice([*VIEWS])
        view = self.views[name]
        key = self._key(view)
        [answer] = self.state.read(self.place, [ListsAsk(view=name, entities=[f"s{len(key)}:{key}".encode()])])
        found = None if answer.lists is None else answer.lists[0]
        if found is None:
            self.unanswered += 1
            return
        layout = layout_of(view)
        parsed = parse_list(found.elements, layout, found.marks)
        at_us = max(answer.asof, parsed.head.asof_us) - self.random.choice([0, self.random.randrange(MARGIN_US)])
        values = ListReader(view.features, layout).answer(parsed, at_us).values
        if values is not None:
            values = {
                f.name: None if (value := values[f.name]) is None else decoder(f.dtype or "")(value)
                for f in view.features
            }
        self.answered.append(Answered(view=name, key=key, at_us=at_us, values=values))

    def _key(self, view: FeatureView) -> str:
        if view.entity is CARD:
            return f"c{self.random.randrange(CARDS)}"
        return f"s{self.random.randrange(SHOPS)}"

    def drain(self) -> None:
        """Let one worker finish alone."""
        worker = self.worker()
        self.workers.append(worker)
        for partition in range(PARTITIONS):
            worker.begin(partition)
        for _ in range(10_000):
            self.clock_us += SECOND // 10
            worker.step(LIMITS)
            ends = self.broker.watermarks("swipes")
            logged = {name: of for name, of in self.log.open().state.partitions.items() if not of.is_retired}
            if len(logged) == PARTITIONS and all(
                of.end == ends[int(name.split("/")[1].split("#")[0])].end for name, of in logged.items()
            ):
                return
        raise AssertionError(logged)

    def logged(self) -> list[dict[str, object]]:
        """The rows of the log."""
        opened = self.log.open()
        return pl.concat(self.log.read_rows(opened, [PARTITION, OFFSET, STAMP, REJECTED, *COLUMNS])).to_dicts()

    def _rejected_ones(self) -> Counter[tuple[str, int, str]]:
        """What the table of rejected events has, but for those whose topic was made again before the log had them."""
        ends = {name: of.end for name, of in self.log.open().state.partitions.items() if of.is_retired}
        frames = self.rejected.read_rows(self.rejected.open(), [PARTITION, OFFSET, REJECTED])
        rows = [row for frame in frames for row in frame.rows()]
        return Counter(row for row in rows if row[1] < ends.get(row[0], row[1] + 1))

    def wrong(self) -> tuple[list[str], int]:
        """What was answered and is not true, by the log alone; and how many values were compared.

        Answers in gaps that the log declares are left out.
        """
        rows, wrong, compared = self.logged(), list[str](), 0
        places = Counter((row[PARTITION], row[OFFSET]) for row in rows)
        wrong += [f"logged {count} times: {place}" for place, count in places.items() if count > 1]
        good = [row for row in rows if row[REJECTED] is None]
        markers = [(row[PARTITION], row[OFFSET], row[REJECTED]) for row in rows if row[REJECTED]]
        if Counter(markers) != self._rejected_ones():
            wrong.append("the table of rejected events has others than the log")
        gaps = self.log.open().state.gaps
        for answered in self.answered:
            if any(after < answered.at_us <= until for after, until in gaps):
                continue
            truth = true_values(good, answered, self.views[answered.view])
            compared += 1 if truth is None else len(truth)
            if not same(answered.values, truth):
                wrong.append(f"{answered} is {truth}")
        return wrong, compared
