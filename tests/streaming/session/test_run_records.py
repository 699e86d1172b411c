"""What is on record of workers' runs: that they began, that they go on, how they ended, and what is said of them."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from featurectl.cli.main import main
from featurectl.monitor.why import failed_runs
from featurectl.offline.runs import RunRecord, read_runs
from featurectl.streaming.session import run_records
from featurectl.streaming.session.run_records import recorded
from featurectl.streaming.session.source_report import SourceReport
from tests.streaming.session.running import Running
from tests.streaming.session.swipes import LIMIT_S, Swipes, wait_for
from tests.streaming.session.test_processes import said, started


def records(swipes: Swipes) -> list[RunRecord]:
    since = datetime.now(UTC) - timedelta(days=3)
    return [*read_runs(str(swipes.root / "off"), "shop", "dev", since, unended=True)]


@pytest.mark.long
def test_a_run_is_on_record_with_what_it_took(tmp_path: Path):
    swipes = Swipes(root=tmp_path)
    swipes.send(3)
    assert main(["-C", str(tmp_path), "stream", "run", "--once", "-q"]) == 0
    [found] = records(swipes)
    assert (found.command, found.label, found.rows, found.action, found.done) == (
        "stream run", "spend@1", 3, "stream", True,
    )  # fmt: skip


def test_a_record_goes_on_and_is_of_one_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    swipes = Swipes(root=tmp_path)
    (tmp_path / "off").mkdir(exist_ok=True)
    monkeypatch.setattr(run_records, "_AGAIN_S", 0.0)
    with swipes.workspace() as workspace, recorded(workspace, Running()) as heard:
        heard.report([SourceReport(source="swipes")])
        assert records(swipes) == []
        heard.report([SourceReport(source="swipes", has_begun=True, events=4)])
        heard.report([SourceReport(source="swipes", has_begun=True, events=9)])
        wait_for(lambda: [of.rows for of in records(swipes)] == [9])  # they are written beside
        [found] = records(swipes)
        assert (found.state, found.done, failed_runs([found])) == ("running", True, [])
        run = heard._open["spend", 1]  # type: ignore[attr-defined]  # noqa: SLF001
        run.record = replace(run.record, now=run.record.now - timedelta(days=1))  # begun yesterday
        heard.report([SourceReport(source="swipes", has_begun=True, events=10)])
        heard.report([SourceReport(source="swipes", has_begun=True, events=16)])
    ended = [of for of in records(swipes) if of.state == "ended"]
    assert sorted(of.rows for of in ended) == [6, 10]


@pytest.mark.long
def test_a_worker_that_was_killed_has_failed_until_the_next_one_works(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    swipes = Swipes(root=tmp_path)
    swipes.send(2)
    assert main(["-C", str(tmp_path), "materialize", "-q"]) == 0
    with started(swipes) as process:
        wait_for(lambda: swipes.logged() == 2 and any(of.state == "running" for of in records(swipes)))
        os.kill(process.pid, signal.SIGKILL)
        process.wait(LIMIT_S)
    [killed] = [of for of in records(swipes) if of.command == "stream run"]
    assert "killed: process" in killed.error
    assert len(failed_runs(records(swipes))) == 1
    with started(swipes) as process:
        wait_for(lambda: any(of.state == "running" for of in records(swipes)))
        assert failed_runs(records(swipes)) == []
        capsys.readouterr()
        main(["-C", str(tmp_path), "why", "spend"])
        assert "running since" in capsys.readouterr().out
        process.terminate()
        assert process.wait(LIMIT_S) == 0, said(swipes)
    assert [of.done for of in records(swipes) if of.command == "stream run"] == [False, True]


@pytest.mark.long
def test_a_run_that_ends_by_an_error_says_so(tmp_path: Path):
    swipes = Swipes(root=tmp_path)
    swipes.send(1)
    (tmp_path / "history.csv").unlink()
    assert main(["-C", str(tmp_path), "stream", "run", "--once", "-q"]) == 1
    [found] = records(swipes)
    assert (found.done, found.error_code) == (False, "FC501")
    assert json.loads(next((tmp_path / "off").rglob("runs/**/*.json")).read_text())["rows"] == 1
