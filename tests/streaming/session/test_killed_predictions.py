"""Workers that are killed at any moment: each event has its prediction, and repeats have the same id."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import pytest

from featurectl.core.errors import StoreError
from featurectl.offline.event_log import OFFSET, PARTITION, REJECTED
from featurectl.predicting.predictions import prediction_id
from featurectl.streaming.topics.all_topic_kinds import open_topics
from featurectl.streaming.topics.base import Record, TopicWriter
from tests.servers.kafka import kafka_server
from tests.servers.redis import redis_server
from tests.streaming.session.predicted import SCORES, PredictedSwipes
from tests.streaming.session.swipes import LIMIT_S

PARTITIONS = 4
OWN = ((0, 2, 3), (1, 3))  # two workers on one partition
KINDS = ("sqlite", "redis", "kafka")
_TAKEN_OVER_S = 60.0  # a lease ends after seconds


@dataclass(kw_only=True)
class Campaign:
    """Two runs on a topic of four partitions, which are killed again and again while events come."""

    swipes: PredictedSwipes
    broker_url: str
    divides: bool = True  # the broker divides the partitions; else each run has its own
    random: Random = field(default_factory=lambda: Random(1))
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    sent: int = 0
    bad: int = 0  # of those that were sent

    def start(self, mode: str, *own: int) -> subprocess.Popen[bytes]:
        root = str(self.swipes.root)
        words = ["featurectl", "-C", root, "stream", "run", *(["--once"] if mode == "once" else [])]
        if not self.divides:
            words = ["tests.streaming.session.owning_program", root, mode, *map(str, own)]
        with (self.swipes.root / "said").open("ab") as said:
            return subprocess.Popen([sys.executable, "-m", *words], stdout=said, stderr=said)

    def said(self) -> str:
        return (self.swipes.root / "said").read_text()[-3000:]

    def run(self, kills: int) -> None:
        """Send events, and kill a run now and then; then have one take what is left."""
        with self._running(*OWN) as writer:
            for _ in range(kills):
                self._send_for(writer, self.random.uniform(0.2, 5))
                number = self.random.randrange(len(self.processes))
                self.processes[number].kill()
                self.processes[number].wait()
                self.processes[number] = self.start("run", *OWN[number])

    def run_stopped(self, stops: int) -> list[bool]:
        """Send events, and stop a run now and then until the other one has predicted all; return whether it has.

        It can't where the one that is stopped has a file locked. Both go on then.
        """
        whole, has_all = tuple(range(PARTITIONS)), list[bool]()
        with self._running(whole, whole) as writer:
            for _ in range(stops):
                self._send_for(writer, self.random.uniform(0.2, 2))
                stopped = self.random.choice(self.processes)
                stopped.send_signal(signal.SIGSTOP)
                self._send_beside(writer, stopped)
                end = time.monotonic() + _TAKEN_OVER_S
                while not self._has_all() and time.monotonic() < end:
                    time.sleep(0.2)
                has_all.append(self._has_all())
                stopped.send_signal(signal.SIGCONT)
                self._send_for(writer, self.random.uniform(0.2, 1))
            for process in self.processes:
                process.send_signal(signal.SIGTERM)
            assert [process.wait(LIMIT_S) for process in self.processes] == [0, 0], self.said()
        return has_all

    def _has_all(self) -> bool:
        return self.swipes.predicted() == self.sent - self.bad

    @contextmanager
    def _running(self, *owns: tuple[int, ...]) -> Iterator[TopicWriter]:
        """Let runs work that predict, and kill them; then have one take what is left."""
        with closing(open_topics(self.broker_url)) as broker:
            for topic in ("swipes", SCORES):
                broker.create(topic, PARTITIONS)
            with closing(broker.open_writer("swipes")) as writer:
                self._send(writer)  # lists have to be made first
                self.processes = [self.start("run", *own) for own in owns]
                try:
                    self._wait_for_predictions(writer)
                    yield writer
                finally:
                    for process in self.processes:
                        process.kill()
                        process.wait()
        last = self.start("once", *range(PARTITIONS))
        try:
            assert last.wait(LIMIT_S) == 0, self.said()
        finally:
            last.kill()
            last.wait()

    def _wait_for_predictions(self, writer: TopicWriter) -> None:
        end = time.monotonic() + LIMIT_S
        while not self.swipes.predictions():
            assert time.monotonic() < end, self.said()
            self._send_for(writer, 0.2)

    def _send_for(self, writer: TopicWriter, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self._send(writer)
            time.sleep(0.03)

    def _send(self, writer: TopicWriter) -> None:
        _write(writer, self._events())

    def _send_beside(self, writer: TopicWriter, stopped: subprocess.Popen[bytes]) -> None:
        """Send events beside a process that is stopped; where it has the file of the topics locked it goes on first."""
        events = self._events()
        try:
            _write(writer, events)
        except StoreError:
            stopped.send_signal(signal.SIGCONT)
            _write(writer, events)

    def _events(self) -> list[Record]:
        return [self._event() for _ in range(self.random.randrange(1, 8))]

    def _event(self) -> Record:
        self.sent += 1
        if self.random.random() < 0.01:
            self.bad += 1
            return None, b"no event"
        event = {
            "swipe": self.sent,
            "card": f"c{self.random.randrange(40)}",
            "amount": self.random.randrange(100),
            "at": datetime.now(UTC).isoformat(),
        }
        return None, json.dumps(event).encode()

    def judge(self) -> tuple[int, int]:
        """See that each event has its prediction, and return how many there are and how many repeats."""
        with self.swipes.workspace() as workspace:
            log = workspace.event_log(workspace.repo.sources["swipes"])
            rows = [row for frame in log.read_rows(log.open(), [PARTITION, OFFSET, REJECTED]) for row in frame.rows()]
            assert {name: of.predicted for name, of in log.open().state.partitions.items() if of.predicted} == {}
        assert (len(rows), len({row[:2] for row in rows})) == (self.sent, self.sent)
        wanted = {prediction_id("fraud", "swipes", name, offset) for name, offset, why in rows if why is None}
        predictions = self.swipes.predictions()
        found = Counter(of["prediction_id"] for of in predictions)
        assert (len(wanted - set(found)), len(set(found) - wanted)) == (0, 0)
        assert {of["error"] for of in predictions} == {None}
        return len(found), len(predictions) - len(found)


def _write(writer: TopicWriter, events: list[Record]) -> None:
    writer.send(events)
    writer.flush()


@pytest.fixture(params=KINDS)
def campaign(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Campaign]:
    with ExitStack() as stack:
        urls: Sequence[str] = ("sqlite:///streams.db", "sqlite:///on.db")
        if request.param != "sqlite":
            store = stack.enter_context(redis_server()).url
            broker = (
                store if request.param == "redis" else f"{stack.enter_context(kafka_server()).url}?assignment=range"
            )
            urls = (broker, store)
        swipes = PredictedSwipes(root=tmp_path, streams=urls[0], online=urls[1])
        broker_url = f"sqlite:///{tmp_path / 'streams.db'}" if request.param == "sqlite" else urls[0]
        yield Campaign(swipes=swipes, broker_url=broker_url, divides=request.param != "kafka")


@pytest.mark.long
def test_killed_workers_predict_each_event(campaign: Campaign):
    campaign.run(kills=4)
    campaign.judge()


@pytest.mark.long
@pytest.mark.parametrize("campaign", ["redis"], indirect=True)
def test_a_stopped_worker_goes_on_after_another_took_over(campaign: Campaign):
    assert campaign.run_stopped(stops=2) == [True, True], campaign.said()
    campaign.judge()


@pytest.mark.stress
def test_workers_that_are_stopped_many_times_predict_each_event(campaign: Campaign):
    stopped = campaign.run_stopped(stops=15)
    predicted, repeats = campaign.judge()
    print(f"{predicted:,} events predicted, {repeats:,} predictions repeated, {stopped}")  # noqa: T201


@pytest.mark.stress
def test_workers_that_are_killed_many_times_predict_each_event(campaign: Campaign):
    campaign.run(kills=60)
    predicted, repeats = campaign.judge()
    print(f"{predicted:,} events predicted, {repeats:,} predictions repeated")  # noqa: T201
