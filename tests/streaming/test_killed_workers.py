"""Workers that are killed at any moment lose nothing, and double nothing; what is read meanwhile is true."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest

from featurectl.offline.event_log import OFFSET, PARTITION, REJECTED, STAMP
from featurectl.online.all_stores import open_stream_state
from featurectl.online.decode.values import decoder
from featurectl.online.stream_state.base import ListsAsk, StreamSource
from featurectl.online.stream_state.layout import layout_of
from featurectl.online.stream_state.list_values import ListReader
from featurectl.online.stream_state.parsed_list import parse_list
from featurectl.streaming.topics.all_topic_kinds import open_topics
from tests.streaming.conveyor import CARD, CARDS, COLUMNS, SHOPS, VIEWS
from tests.streaming.random_events import random_event
from tests.streaming.truth import Answered, same, true_values
from tests.streaming.worker_program import log_in, rejected_in

_numbers = itertools.count()
PARTITIONS = 4
LIMIT_S = 300  # a machine may be slow
OWN = ((0, 2, 3), (1, 3))  # two workers on one partition


@dataclass(kw_only=True)
class Campaign:
    """Two workers on a topic, which are killed again and again while events come and answers are read."""

    broker_url: str
    store_url: str
    folder: Path
    random: Random
    own: Sequence[Sequence[int]] = OWN
    divides: bool = True  # the broker divides the partitions; else each worker has its own
    topic: str = field(default_factory=lambda: f"swipes{next(_numbers)}x{time.time_ns() % 10**9}")
    processes: list[subprocess.Popen[str]] = field(default_factory=list)
    answered: list[Answered] = field(default_factory=list)
    unanswered: int = 0
    kills: int = 0
    sent: int = 0
    at_end: Callable[[], None] = lambda: None

    def start(self, mode: str, *own: int) -> subprocess.Popen[str]:
        arguments = [self.broker_url, self.store_url, str(self.folder), self.topic, mode]
        if not self.divides:
            arguments += map(str, own)
        with (self.folder / "workers.log").open("a") as told:
            return subprocess.Popen(
                [sys.executable, "-m", "tests.streaming.worker_program", *arguments],
                stdout=told,
                stderr=told,
                text=True,
                env={**os.environ, **self.environment(own)},
            )

    def environment(self, own: Sequence[int]) -> Mapping[str, str]:  # noqa: ARG002
        """What is further in the environment of the worker of some partitions."""
        return {}

    def run(self, kills: int) -> None:
        """Send and read, and kill a worker now and then."""
        with (
            closing(open_topics(self.broker_url)) as broker,
            closing(open_stream_state(self.store_url)) as state,
        ):
            broker.create(self.topic, PARTITIONS)
            self.processes = [self.start("run", *own) for own in self.own]
            try:
                with closing(broker.open_writer(self.topic)) as writer:
                    writer.send([(None, b"{")])  # at least one that is rejected
                    end = time.monotonic() + LIMIT_S
                    while {of.view for of in self.answered} != {*VIEWS}:
                        assert time.monotonic() < end, (self.folder / "workers.log").read_text()[-3000:]
                        self._turn(writer, state)
                    self.unanswered = 0  # how long two workers take to begin says nothing of their answers
                    while self.kills < kills:
                        self._kill_after(writer, state, self.random.uniform(0.1, 4))
            finally:
                self.at_end()
                for process in self.processes:
                    process.kill()
                    process.wait()
        last = self.start("once", *range(PARTITIONS))
        try:
            assert last.wait(LIMIT_S) == 0, (self.folder / "workers.log").read_text()[-3000:]
        finally:
            last.kill()
            last.wait()

    def _kill_after(self, writer, state, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self._turn(writer, state)
        number = self.random.randrange(len(self.processes))
        self.processes[number].kill()
        self.processes[number].wait()
        self.processes[number] = self.start("run", *self.own[number])
        self.kills += 1

    def _turn(self, writer, state) -> None:
        writer.send([random_event(self.random) for _ in range(self.random.randrange(1, 8))])
        self.sent = writer.flush()
        for _ in range(4):
            self._read(state)
        time.sleep(0.01)

    def _read(self, state) -> None:
        name = self.random.choice([*VIEWS])
        view = VIEWS[name]
        key = f"c{self.random.randrange(CARDS)}" if view.entity is CARD else f"s{self.random.randrange(SHOPS)}"
        place = StreamSource(project=self.topic, env="dev", source="swipes")
        [answer] = state.read(place, [ListsAsk(view=name, entities=[f"s{len(key)}:{key}".encode()])])
        found = None if answer.lists is None else answer.lists[0]
        if found is None:
            self.unanswered += 1
            return
        layout = layout_of(view)
        parsed = parse_list(found.elements, layout, found.marks)
        at_us = max(answer.asof, parsed.head.asof_us)
        values = ListReader(view.features, layout).answer(parsed, at_us).values
        if values is not None:
            values = {
                f.name: None if (value := values[f.name]) is None else decoder(f.dtype or "")(value)
                for f in view.features
            }
        self.answered.append(Answered(view=name, key=key, at_us=at_us, values=values))

    def judge(self) -> tuple[int, int]:
        """See that each message is in the log once, and that all answers are what the log says.

        Answers in gaps that the log declares are left out. Return how many were compared, of a sample, and left out.
        """
        log = log_in(str(self.folder))
        columns = [PARTITION, OFFSET, STAMP, REJECTED, *COLUMNS]
        rows = [row for frame in log.read_rows(log.open(), columns) for row in frame.to_dicts()]
        places = Counter((row[PARTITION], row[OFFSET]) for row in rows)
        assert (len(rows), max(places.values())) == (self.sent, 1)
        rejected = rejected_in(str(self.folder))
        told = rejected.read_rows(rejected.open(), [PARTITION, OFFSET, REJECTED])
        markers = [(row[PARTITION], row[OFFSET], row[REJECTED]) for row in rows if row[REJECTED]]
        assert Counter(row for frame in told for row in frame.rows()) == Counter(markers)
        assert len(markers) > 0
        good = [row for row in rows if row[REJECTED] is None]
        gaps = log.open().state.gaps
        outside = [each for each in self.answered if not any(a < each.at_us <= b for a, b in gaps)]
        asked = self.random.sample(outside, min(400, len(outside)))
        wrong = [
            (answered, truth)
            for answered in asked
            if not same(answered.values, truth := true_values(good, answered, VIEWS[answered.view]))
        ]
        assert wrong == []
        assert len(self.answered) > self.unanswered
        return len(asked), len(self.answered) - len(outside)


KINDS = {
    "sqlite": ("sqlite", "sqlite"),
    "redis": ("redis", "redis"),
    "kafka": ("kafka", "redis"),
    "postgres": ("sqlite", "postgres"),
}


@pytest.fixture(params=KINDS)
def campaign(request: pytest.FixtureRequest, tmp_path: Path) -> Campaign:
    broker, store = KINDS[request.param]
    urls = {"sqlite": f"sqlite:///{tmp_path / 'streams.db'}", "store": f"sqlite:///{tmp_path / 'online.db'}"}
    server_url = "" if store == "sqlite" else request.getfixturevalue(f"{store}_url")
    store_url = urls["store"] if store == "sqlite" else server_url
    broker_url = {"sqlite": urls["sqlite"], "redis": server_url}.get(broker, "")
    if broker == "kafka":
        broker_url = f"{request.getfixturevalue('kafka_url')}?assignment=range"
    divides = broker != "kafka"  # the broker of the tests waits for ever for a member that was killed
    return Campaign(broker_url=broker_url, store_url=store_url, folder=tmp_path, random=Random(1), divides=divides)


@pytest.mark.long
def test_killed_workers_lose_and_double_nothing(campaign: Campaign):
    campaign.run(kills=4)
    campaign.judge()


@pytest.mark.stress
def test_workers_that_are_killed_many_times_lose_and_double_nothing(campaign: Campaign):
    campaign.run(kills=200)
    campaign.judge()
