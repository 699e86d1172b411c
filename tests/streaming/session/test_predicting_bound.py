"""A worker whose events wait for predictions takes no more than it has room for, and goes on when they are made."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest

from featurectl.cli.main import main
from featurectl.predicting import followed_models
from featurectl.streaming.session import stream_session
from featurectl.streaming.session.lent_reader import LentReader
from featurectl.streaming.session.worker_health import check_workers
from featurectl.streaming.topics.base import MessageDelivery, TakeLimits
from featurectl.streaming.worker_pace import WorkerPace
from tests.streaming.session import rules
from tests.streaming.session.predicted import PredictedSwipes, of_rule, predicting
from tests.streaming.session.swipes import wait_for
from tests.streaming.session.test_lag import lag_of


@pytest.mark.long
def test_a_worker_without_room_stays_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    asked, take, right = list[int](), LentReader.take, rules.by_amount

    def counted(reader: LentReader, limits: TakeLimits) -> MessageDelivery:
        asked.append(1)
        return take(reader, limits)

    monkeypatch.setattr(LentReader, "take", counted)
    monkeypatch.setattr(stream_session, "WorkerPace", partial(WorkerPace, most_unlogged=60))
    monkeypatch.setattr(followed_models, "FOLLOW_S", 0.2)
    monkeypatch.setattr(followed_models, "_LONGEST_WAIT_S", 0.2)
    swipes = PredictedSwipes(root=tmp_path, objects=of_rule("by_amount"))
    monkeypatch.setattr(rules, "by_amount", lambda matrix: matrix[:, 2] * 0)  # its golden rows fail
    with predicting(swipes) as found:
        swipes.send(1)
        wait_for(lambda: swipes.values() is not None and found.has_said("can't be had"))
        swipes.send(100)
        wait_for(lambda: found.reports[0].events == 101)
        swipes.send(200)
        begin = len(asked)
        wait_for(lambda: len(asked) > begin + 50)  # who does not ask for long is taken for dead by others
        assert (found.reports[0].events, lag_of(swipes).unread) == (101, 200)
        [counts] = found.reports[0].predictions
        assert (counts.waiting, "can't be had" in counts.problem) == (101, True)
        assert "events are not predicted by fraud" in check_workers(found.reports, ["swipes"], "").problems[0]
        capsys.readouterr()
        main(["-C", str(tmp_path), "stream", "status", "-o", "json"])
        [status] = json.loads(capsys.readouterr().out)["result"]["streams"]
        assert [*status["workers"].values()] == [[0, 1, 2, 3]]
        asof = lag_of(swipes).asof_us
        wait_for(lambda: len(asked) > begin + 80)
        assert lag_of(swipes).asof_us == asof  # what is not taken is not said to be in answers
        monkeypatch.setattr(rules, "by_amount", right)
        wait_for(lambda: swipes.predicted() == swipes.sent)
    assert (len(swipes.predictions()), swipes.logged(), lag_of(swipes).unread) == (301, 301, 0)
