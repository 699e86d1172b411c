"""Runs of pipelines as an alert counts them, and a run that fails until somebody hears of it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from featurectl.cli.main import main
from featurectl.core.host import HOST
from featurectl.core.units import format_iso
from featurectl.monitor.alerts.pipeline_runs import failures_of
from featurectl.offline.pipeline_records import PipelineRecord, PipelineRecords, StageRecord
from featurectl.offline.process import this_process
from tests.pipelines.repository import write_repository

NOW = datetime(2026, 3, 5, 12, tzinfo=UTC)
DAY = NOW - timedelta(days=1)
GONE = replace(this_process(), pid=2**22 - 3)
PIPELINES = """
pipelines:
  - name: nightly
    stages: [{name: set, run: training-set --features spend:amount_sum_7d --spine spine.csv --out set.parquet}]
"""
ALERT = """
alerts: [{name: runs, when: pipeline_failures > 0 in 1d, severity: critical, notify: [file], pipelines: [nightly]}]
"""


@pytest.fixture
def records(tmp_path):
    return PipelineRecords(location=str(tmp_path), project="shop", environment="prod")


def write(records, began, state, *, ended=None, stages=()):
    text = format_iso(began)
    record = PipelineRecord(
        id=f"{began:%Y%m%dT%H%M%S%f}-{HOST}-1",
        pipeline="nightly",
        environment="prod",
        clock="2014-01-01T12:00:00Z",  # as of an environment whose now stands still
        state="running" if state == "killed" else state,
        began=text,
        ended="" if ended is None else format_iso(ended),
        process=GONE if state == "killed" else this_process(),
        stages=stages,
    )
    records.write(record)


def test_runs_that_failed_or_were_killed_count_and_no_others(records):
    hours = [NOW - timedelta(hours=number) for number in range(1, 8)]
    assert failures_of(records, "nightly", DAY, NOW) is None
    write(records, hours[6], "stopped", ended=hours[5])
    write(records, hours[5], "running")
    assert failures_of(records, "nightly", DAY, NOW) is None
    failed = StageRecord(name="score", state="failed", exit_code=1, cause="rows 12\nwrite\n\nno disk\n")
    write(records, hours[4], "failed", ended=hours[3], stages=(failed, StageRecord(name="after", state="skipped")))
    going = StageRecord(name="train", state="running", began=format_iso(hours[2]))
    of, again = "the run of 2026-03-05 07:00 failed", "featurectl pipeline run nightly --resume --env prod"
    assert failures_of(records, "nightly", DAY, NOW) == (1, f"{of}; score: write; no disk; go on with it: {again}")
    write(records, hours[2], "killed", stages=(going,))
    write(records, hours[1], "succeeded", ended=hours[0])
    count, cause = failures_of(records, "nightly", DAY, NOW)
    assert (count, cause.partition(";")[0]) == (2, "the run of 2026-03-05 09:00 was killed at train")


def test_a_run_is_of_the_window_in_which_it_ended(records):
    write(records, DAY - timedelta(hours=3), "failed", ended=DAY + timedelta(hours=1))
    assert failures_of(records, "nightly", DAY, NOW)[0] == 1
    assert failures_of(records, "nightly", DAY + timedelta(hours=2), NOW) is None
    write(records, NOW - timedelta(hours=2), "succeeded", ended=NOW - timedelta(hours=1))
    assert failures_of(records, "nightly", DAY + timedelta(hours=2), NOW) == (0, "")
    assert failures_of(records, "nightly", DAY, NOW - timedelta(hours=1, minutes=1))[0] == 1


@pytest.mark.long
def test_a_run_that_fails_is_told_with_its_last_lines_and_what_to_run(tmp_path, monkeypatch, capsys):
    write_repository(tmp_path, PIPELINES + ALERT)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "spine.csv").write_text("nothing\n")
    capsys.readouterr()
    assert main(["monitor", "check", "-o", "json", "-q"]) == 0
    assert main(["pipeline", "run", "nightly", "-q"]) == 1
    capsys.readouterr()
    main(["monitor", "check", "-o", "json", "-q"])
    messages = [json.loads(line) for line in (tmp_path / "told.jsonl").read_text().splitlines()]
    (message,) = [one for one in messages if one.get("alert") == "runs"]
    assert (message["subject"], message["kind"]) == ("pipeline:nightly", "firing")
    assert "set: " in message["cause"]
    assert "featurectl pipeline run nightly --resume --env" in message["cause"]


@pytest.mark.long
def test_no_run_fails_because_one_before_it_has(tmp_path, monkeypatch, capsys):
    """Its own `monitor check` tells of it and goes on; by hand and from cron the alert counts as any other."""
    check = "\n      - {name: check, run: monitor check, needs: [set]}\n"
    write_repository(
        tmp_path, PIPELINES.replace("[{name: set", "\n      - {name: set").replace("}]", f"}}{check}") + ALERT
    )
    monkeypatch.chdir(tmp_path)
    assert main(["pipeline", "run", "nightly", "-q"]) == 1  # without a spine
    (tmp_path / "spine.csv").write_text("customer,event_time\nann,2026-01-03T00:00:00Z\n")
    assert main(["materialize", "-q"]) == 0
    capsys.readouterr()
    assert main(["pipeline", "run", "nightly"]) == 0
    said = capsys.readouterr().err
    assert "1 alert with 1 subject: 1 firing" in said
    assert "check | runs (pipeline:nightly) fires, and fails no stage: else a run would fail for one before it" in said
    assert "pipeline:nightly" in (tmp_path / "told.jsonl").read_text()
    assert main(["monitor", "check", "-q"]) == 1


@pytest.mark.long
def test_where_now_stands_still_runs_up_to_the_real_now_count(tmp_path, monkeypatch, capsys):
    write_repository(tmp_path, PIPELINES + ALERT.replace("severity: critical", "severity: info"))
    monkeypatch.chdir(tmp_path)
    project = tmp_path / "featurectl.yaml"
    project.write_text(project.read_text().replace('db"}', 'db", now: 2026-01-05T00:00:00Z}'))
    (tmp_path / "spine.csv").write_text("nothing\n")
    assert main(["pipeline", "run", "nightly", "-q"]) == 1
    capsys.readouterr()
    assert main(["monitor", "check", "-q"]) == 0  # it is told, and ends no run by that
    assert "1 alert with 1 subject: 1 firing" in capsys.readouterr().out
    assert "pipeline:nightly" in (tmp_path / "told.jsonl").read_text()
