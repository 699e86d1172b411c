"""A commit to the log goes on beside a worker's turns, and comes to the same as one that is waited for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from featurectl.core.errors import NoAnswerError, StoreError
from featurectl.offline.event_log import OFFSET, REJECTED
from featurectl.streaming import commit_beside
from featurectl.streaming.commit_beside import CommitBeside, CommitJobs, LogCommit
from featurectl.streaming.jobs_beside import BesideJob, JobsBeside, run_at_once
from featurectl.streaming.predictions import NoPredictor, OfferedBatch, SettledBatch
from featurectl.streaming.read_events import RejectedEvent
from featurectl.streaming.rebuilds import Rebuilds, RebuiltStream
from featurectl.streaming.run import RunOptions, run_worker
from tests.streaming.conveyor import SECOND
from tests.streaming.jobs_by_hand import JobsByHand
from tests.streaming.test_worker_failures import LIMITS, PLACE, Stage


class UnblockedLater(NoPredictor):
    """Waits for lists, which the log is written for; later it settles all, and has no prediction for one event."""

    def __init__(self) -> None:
        super().__init__()
        self.offered: list[OfferedBatch] = []
        self.is_free = False

    def offer(self, batch: OfferedBatch) -> None:
        self.offered.append(batch)

    @property
    def is_blocked(self) -> bool:
        return not self.is_free

    @property
    def is_settled(self) -> bool:
        return not self.offered

    def step(self, *, is_last: bool = False) -> list[SettledBatch]:  # noqa: ARG002
        if not self.is_free:
            return []
        offered, self.offered = self.offered, []
        return [
            SettledBatch(
                of.messages.partition,
                of.messages.end,
                [RejectedEvent(of.messages.first, of.events[0].available_us, "model m: too old", "", b"{}")],
            )
            for of in offered
        ]


@pytest.fixture
def jobs() -> JobsByHand:
    return JobsByHand()


@pytest.fixture
def stage(tmp_path: Path, jobs: JobsByHand):
    made = Stage(folder=tmp_path, beside=jobs.begin)
    yield made
    made.state.close()
    made.broker.close()


def two_jobs(done: list[str]) -> CommitJobs:
    def job(name: str) -> int:
        done.append(name)
        return len(done)

    first = yield lambda: job("first")
    second = yield lambda: job(f"second, after {first}")
    return LogCommit(ends={}, rows=second)


def test_a_commit_goes_on_as_its_jobs_are_done(jobs: JobsByHand):
    done: list[str] = []
    commit = CommitBeside(jobs.begin)
    assert not commit.go_on()
    commit.begin(two_jobs(done))
    for _ in range(2):
        assert not commit.go_on()
        assert not commit.go_on()
        assert len(jobs.begun) == 1
        jobs.do_one()
    assert commit.go_on()
    assert (commit.commit, done) == (LogCommit(ends={}, rows=2), ["first", "second, after 1"])
    assert not commit.is_under_way
    commit.begin(two_jobs(done))
    commit.go_on()
    commit.let_go()
    jobs.do_one()
    assert not commit.go_on()


def test_a_commit_that_fails_is_let_go():
    def fails() -> object:
        raise StoreError("the log is away")

    def jobs() -> CommitJobs:
        yield fails
        return None

    commit = CommitBeside(run_at_once)
    commit.begin(jobs())
    with pytest.raises(StoreError, match="the log is away"):
        commit.go_on()
    assert not commit.is_under_way


def logged(stage: Stage) -> int:
    return stage.log.rows(stage.log.open())


def do_all(jobs: JobsByHand, step: Callable[[], object]) -> None:
    """Let the commit that is under way come to its end."""
    while jobs.begun:
        jobs.do_one()
        step()


def test_turns_go_on_while_the_log_is_written(stage: Stage, jobs: JobsByHand):
    stage.step()
    stage.send(5)
    assert stage.step(seconds=6) == 5  # more is logged after each 5 s
    for _ in range(3):
        stage.send(5)
        assert stage.step(seconds=6) == 5
    assert len(jobs.begun) == 1  # and no other commit is begun
    assert stage.clock_us - stage.state.read_poll(stage.place).asof < 1_000_000
    assert logged(stage) == 0
    do_all(jobs, stage.step)
    assert logged(stage) == 5  # what came meanwhile goes with the next
    stage.step(seconds=6)
    do_all(jobs, stage.step)
    assert logged(stage) == 20
    assert stage.worker.unlogged == 0


def test_a_log_that_fails_beside_fails_a_turn_and_is_tried_again(stage: Stage, jobs: JobsByHand):
    stage.step()
    stage.send(5)
    stage.step(seconds=6)
    stage.log.fails = "commit"
    with pytest.raises(StoreError, match="the log is away"):
        do_all(jobs, stage.step)
    assert stage.worker.log_fails
    stage.log.fails = ""
    stage.step(seconds=6)
    do_all(jobs, stage.step)
    assert (logged(stage), stage.worker.log_fails) == (5, False)


def test_an_event_without_a_prediction_is_told_whenever_that_is_known(stage: Stage, jobs: JobsByHand):
    predictor = stage.worker.predictor = UnblockedLater()
    stage.step()
    stage.send(5)
    stage.step(seconds=6)
    jobs.do_one()  # the log was opened
    stage.step()
    predictor.is_free = True  # what is logged now was chosen before
    stage.step()
    do_all(jobs, stage.step)
    stage.step(seconds=6)
    do_all(jobs, stage.step)
    rows = pl.concat(stage.rejected.read_rows(stage.rejected.open(), [OFFSET, REJECTED]))
    assert (logged(stage), rows[REJECTED].to_list()) == (5, ["model m: too old"])


def test_the_last_commit_waits_for_the_one_that_is_under_way(tmp_path: Path):
    late: list[Future[Any]] = []

    class WhenAsked(Future):
        def __init__(self, job: BesideJob) -> None:
            super().__init__()
            self.job = job
            late.append(self)

        def result(self, timeout: float | None = None) -> object:  # noqa: ARG002
            return self.job()

    made = Stage(folder=tmp_path, beside=WhenAsked)
    made.step()
    made.send(5)
    made.step(seconds=6)
    made.send(5)
    made.step()
    assert len(late) == 1
    made.worker.close()
    assert logged(made) == 10
    made.state.close()
    made.broker.close()


LIMIT_S = 120


@dataclass
class Passing:
    """Has a second go by before each turn, and what a worker waits for after it; at the end the log is there again."""

    stage: Stage
    turns: int
    waits: list[float] = field(default_factory=list)

    def is_set(self) -> bool:
        self.turns -= 1
        self.stage.clock_us += SECOND
        if self.turns <= 0:
            self.stage.log.fails = ""
        return self.turns <= 0

    def wait(self, timeout: float) -> bool:
        self.waits.append(timeout)
        self.stage.clock_us += round(timeout * SECOND)
        return False


def test_a_log_that_is_away_for_long_does_not_keep_turns_from_going_on(tmp_path: Path):
    made = Stage(folder=tmp_path)
    made.step()
    made.log.fails = "commit"
    made.send(5)
    passing = Passing(made, turns=100)
    told: list[StoreError | None] = []
    options = RunOptions(limits=LIMITS, clock=lambda: made.clock_us / SECOND, on_problem=told.append)
    stream = RebuiltStream(place=PLACE, state=made.state, partitions=lambda: made.worker.start.names)
    run_worker(made.worker, Rebuilds(stream, made.log, {}), passing, options)
    assert len(passing.waits) > 10
    assert max(passing.waits) == 0
    assert [error and error.message for error in told] == ["the log is away"]
    assert made.log.rows(made.log.open()) == 5
    made.state.close()
    made.broker.close()


def test_jobs_beside_are_done_in_their_order_whatever_they_raise():
    jobs, gate, done = JobsBeside("test"), threading.Event(), list[int]()

    def job(number: int) -> int:
        assert gate.wait(LIMIT_S)
        done.append(number)
        return 1 // number

    begun = [jobs.begin(partial(job, number)) for number in range(20)]
    assert not any(of.done() for of in begun)
    gate.set()
    assert isinstance(begun[0].exception(LIMIT_S), ZeroDivisionError)
    assert [of.result(LIMIT_S) for of in begun[1:]] == [1, *[0] * 18]
    assert done == [*range(20)]
    assert jobs.begin(lambda: 7).result(LIMIT_S) == 7  # by another thread


def test_a_worker_that_is_stopped_waits_for_a_hanging_log_but_once(stage: Stage, jobs: JobsByHand):
    stage.step()
    stage.send(5)
    stage.step(seconds=6)
    assert (len(jobs.begun), stage.worker.logging.problem) == (1, None)
    with pytest.raises(NoAnswerError, match="a commit to the log has not come to its end in time"):
        stage.worker.close(0.01)
    assert len(jobs.begun) == 1  # and nothing else was begun
    assert logged(stage) == 0


def test_a_commit_that_is_under_way_for_long_is_told(stage: Stage, jobs: JobsByHand, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(commit_beside, "_SILENT_S", 0.0)
    told: list[StoreError | None] = []
    options = RunOptions(limits=LIMITS, clock=lambda: stage.clock_us / SECOND, on_problem=told.append)
    stream = RebuiltStream(place=PLACE, state=stage.state, partitions=lambda: stage.worker.start.names)

    class Stop:
        turns = 0

        def is_set(self) -> bool:
            self.turns += 1
            stage.clock_us += 2 * SECOND
            if self.turns == 10:
                assert [str(error) for error in told] == [
                    "a commit to the log has been under way for more than 0 s\n  = does the offline store answer?"
                ]
            if self.turns >= 10 and jobs.begun:
                jobs.do_one()
            return self.turns >= 10 and told[-1] is None

        def wait(self, timeout: float) -> bool:
            raise AssertionError(timeout)

    stage.send(5)
    monkeypatch.setattr(stage.worker, "close", lambda _: None)
    run_worker(stage.worker, Rebuilds(stream, stage.log, {}), Stop(), options)
    assert (told[1], logged(stage)) == (None, 5)
