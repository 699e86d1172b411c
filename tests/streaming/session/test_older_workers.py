"""What a worker of an older version logs, which notes nothing of predictions, is predicted by a later one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from featurectl.offline import event_log
from featurectl.offline.event_log import EventLog, LoggedPartition
from featurectl.streaming.log_writer import LogWriter
from featurectl.streaming.session.process_run import ProcessRun, StreamRunRequest
from tests.streaming.session.predicted import PredictedSwipes, run_once
from tests.streaming.session.running import Running

COLUMNS = {"card": "string"}


def work_as_older(patch: pytest.MonkeyPatch) -> None:
    """Have logs be read and written without a note of predictions, as before there were any."""
    patch.setattr(event_log, "PREDICTED", "not known to others: ")


def test_a_commit_that_notes_nothing_of_predictions_keeps_what_was_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    log = EventLog(location=str(tmp_path / "log"), columns=COLUMNS, shown="log")
    nothing = LogWriter(log, log).nothing()

    def ends() -> Mapping[str, int]:
        return {name: of.predicted_end for name, of in log.open().state.partitions.items()}

    def commit(**of_parts: tuple[int, int | None]) -> Mapping[str, int]:
        opened = log.open()
        partitions = {
            name: LoggedPartition(first=0, end=end, applied_us=1, predicted=predicted)
            for name, (end, predicted) in of_parts.items()
        }
        assert log.commit(opened, nothing, replace(opened.state, partitions=partitions))
        return ends()

    with monkeypatch.context() as older:
        work_as_older(older)
        assert commit(a=(5, None), b=(5, None)) == {"a": 5, "b": 5}  # nothing was ever predicted
    assert commit(a=(6, None), b=(7, 6), c=(3, 0)) == {"a": 6, "b": 6, "c": 0}
    with monkeypatch.context() as older:
        work_as_older(older)
        commit(a=(8, None), b=(9, None), c=(4, None), d=(2, None))
    assert ends() == {"a": 6, "b": 6, "c": 0, "d": 2}
    assert commit(a=(8, None), b=(9, 7), c=(4, None), d=(2, None)) == {"a": 8, "b": 7, "c": 4, "d": 2}


@pytest.mark.long
def test_what_an_older_worker_logs_is_predicted_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    swipes = PredictedSwipes(root=tmp_path)
    swipes.send(3)
    run_once(swipes)
    assert swipes.predicted() == 3
    swipes.send(4)
    with monkeypatch.context() as older, swipes.workspace() as workspace:
        work_as_older(older)
        found = Running()
        ProcessRun(workspace, StreamRunRequest(once=True), found).run(found.stop)
    assert (swipes.predicted(), swipes.logged()) == (3, 7)
    swipes.send(2)
    run_once(swipes)
    assert (len(swipes.predictions()), swipes.predicted(), swipes.logged()) == (9, 9, 9)
