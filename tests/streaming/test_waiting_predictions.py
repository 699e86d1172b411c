"""A worker whose events wait for their predictions for long."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from featurectl.offline.event_log import OFFSET
from featurectl.online.stream_state.base import StampRange
from featurectl.streaming import logged_events
from featurectl.streaming.logged_events import TakenEvents, TakenRange, rejected_rows
from featurectl.streaming.predictions import NoPredictor, SettledBatch
from featurectl.streaming.read_events import RejectedEvent
from tests.streaming.conveyor import SECOND
from tests.streaming.test_worker_failures import PLACE, Stage


class NeverSettled(NoPredictor):
    """Events wait for it, as for a model that can't be loaded."""

    def step(self, *, is_last: bool = False) -> list[SettledBatch]:  # noqa: ARG002
        return []


class OneBehind(NoPredictor):
    """Settles what was offered before the newest batch: under steady traffic some event waits at any time."""

    def step(self, *, is_last: bool = False) -> list[SettledBatch]:  # noqa: ARG002
        settled, self._settled = self._settled[:-1], self._settled[-1:]
        return settled


def test_the_log_is_whole_up_to_the_first_event_that_waits(tmp_path: Path):
    made = Stage(folder=tmp_path)
    made.worker.predictor = OneBehind()
    made.step()
    for _ in range(3):
        for _ in range(6):
            made.send(2)
            made.step(seconds=1)
        state = made.log.open().state
        [logged] = state.partitions.values()
        waiting = made.worker.connection.register.read_stamps(0, logged.end, 100)
        assert logged.end > 0
        assert state.asof_us == waiting[0].stamp - 1
    made.state.close()
    made.broker.close()


def test_the_log_is_seldom_looked_at_while_predictions_are_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    made = Stage(folder=tmp_path, most_unlogged=40)
    made.worker.predictor = NeverSettled()
    made.step()
    made.send(50)
    written: list[bool] = []
    monkeypatch.setattr(made.worker.log, "commit", lambda *_, **__: written.append(True))
    assert [made.step() for _ in range(9)] == [10, 10, *[0] * 7]
    assert len(written) == 1
    made.step(seconds=1)
    assert (len(written), made.worker.unlogged) == (2, 20)
    made.state.close()
    made.broker.close()


def test_what_is_not_taken_is_not_said_to_be_in_answers(tmp_path: Path):
    made = Stage(folder=tmp_path, most_unlogged=40)
    made.worker.predictor = NeverSettled()
    made.step()
    for _ in range(2):
        made.send(1)
        made.step(seconds=1)
    made.send(1)
    for _ in range(3):
        assert made.step(seconds=10) == 0  # there is no room
    assert made.clock_us - made.state.read_poll(PLACE).asof >= 30 * SECOND
    made.state.close()
    made.broker.close()


def test_what_is_settled_of_much_that_waits_looks_at_the_oldest_alone(monkeypatch: pytest.MonkeyPatch):
    taken = TakenEvents()
    nothing = rejected_rows([], "swipes/0")
    for i in range(50):
        rows = pl.DataFrame({OFFSET: [2 * i, 2 * i + 1]})
        stamps = StampRange(first=2 * i, end=2 * i + 2, stamp=i)
        taken.add([TakenRange(range=stamps, rows=rows, rejected=nothing)])
    cut: list[int] = []
    with_unscored = logged_events._with_unscored  # noqa: SLF001

    def noted(of: TakenRange, unscored: pl.DataFrame) -> TakenRange:
        cut.append(of.range.first)
        return with_unscored(of, unscored)

    monkeypatch.setattr(logged_events, "_with_unscored", noted)
    late = [RejectedEvent(offset, 1, "too old", "", b"") for offset in (3, 4)]
    taken.settle(6, rejected_rows(late, "swipes/0"))
    assert [of.rejected[OFFSET].to_list() for of in list(taken.ranges)[:4]] == [[], [3], [4], []]
    assert (taken.settled, cut) == (6, [2, 4])
