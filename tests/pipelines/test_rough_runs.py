"""Runs of pipelines under what goes wrong on machines: clocks, notifiers, stages that don't end, others beside them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from featurectl.cli.main import main
from featurectl.core.stop_request import StopRequest
from featurectl.core.units import parse_instant
from featurectl.pipelines.applied import records_of
from featurectl.pipelines.machine import this_machine
from featurectl.pipelines.overview import look_at
from featurectl.pipelines.run_pipeline import run_pipeline
from featurectl.pipelines.run_plan import RunRequest
from featurectl.workspace.open import open_workspace
from tests.pipelines.commands import NotedReport, program_commands
from tests.pipelines.kills import children
from tests.pipelines.repository import OBJECTS, write_repository

TWO = """
pipelines:
  - name: p
    schedule: "0 */6 * * *"
    stages:
      - {name: a, run: version}
      - {name: b, run: version, needs: [a]}
"""
CLOCKS = ("ends", "run_plan", "runner", "record_writer", "overview")
HARNESS = Path(__file__).with_name("harness_program.py")


class Clock:
    """What the modules of a run take for the clock: set by a test, and going on from there."""

    ahead = timedelta()

    def put_into(self, monkeypatch):
        clock = self

        class Moved(datetime):
            @classmethod
            def now(cls, tz=None):
                return datetime.now(tz) + clock.ahead

        for name in CLOCKS:
            monkeypatch.setattr(f"featurectl.pipelines.{name}.datetime", Moved)


class MovesClock(NotedReport):
    """Moves a clock when a text is said."""

    def __init__(self, clock, text, ahead):
        super().__init__()
        self._clock, self._text, self._to = clock, text, ahead

    def changed(self, stage, text):
        super().changed(stage, text)
        if f"{stage.name}: {text}".startswith(self._text):
            self._clock.ahead = self._to


@pytest.fixture
def shop(tmp_path):
    write_repository(tmp_path, TWO)
    (tmp_path / "a.do").write_text("sleep:0.3")
    return tmp_path


def run(shop, report=None, stop=None, pipeline="p"):
    with open_workspace(shop, None, None, "unread") as workspace:
        request = RunRequest(name=pipeline)
        return run_pipeline(workspace, request, report or NotedReport(), stop or StopRequest(), program_commands(shop))


def length_s(item):
    return (parse_instant(item.ended) - parse_instant(item.began)).total_seconds()


@pytest.mark.long
def test_a_clock_that_is_set_back_during_a_run_makes_no_time_negative(shop, monkeypatch):
    clock = Clock()
    clock.put_into(monkeypatch)
    first = run(shop, MovesClock(clock, "a: version", -timedelta(hours=1)))
    second = run(shop)
    assert (first.state, second.state) == ("succeeded", "succeeded")
    assert second.id > first.id
    for item in (first, *first.stages, second, *second.stages):
        assert 0 < length_s(item) < 60
    assert first.stage("a").began > first.stage("b").began  # an hour before, by the clock
    assert length_s(first.stage("a")) >= 0.3
    with open_workspace(shop, None, None, "unread") as workspace:
        assert [each.id for each in records_of(workspace).last("p", 5)] == [second.id, first.id]


@pytest.mark.sample(1)
@pytest.mark.parametrize("at", ["2026-10-25T00:59:59.9+00:00", "2026-03-29T00:59:59.9+00:00"])
def test_a_change_to_or_from_summer_time_changes_nothing_of_a_run(shop, monkeypatch, at):
    """The hour that comes twice in Berlin, or not at all, begins while the run goes on."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        clock = Clock()
        clock.put_into(monkeypatch)
        clock.ahead = datetime.fromisoformat(at) - datetime.now(UTC)
        ran = run(shop)
        with open_workspace(shop, None, None, "unread") as workspace:
            page = look_at(workspace, "p", 3)
    finally:
        monkeypatch.undo()
        time.tzset()
    assert ran.state == "succeeded"
    assert all(0 < length_s(item) < 60 for item in (ran, *ran.stages))
    assert ran.stage("a").ended[:13].endswith("T01")
    assert [f"{due:%H:%M}" for due in page.due] == ["06:00", "12:00", "18:00"]
    assert page.runs[0].id == ran.id


@pytest.mark.long
def test_a_notifier_that_hangs_delays_no_stage(shop, monkeypatch):
    monkeypatch.setattr("featurectl.pipelines.notify.TOTAL_S", 3.0)
    hanging = OBJECTS.replace("tee -a told.jsonl", "sleep 60")
    (shop / "objects.yaml").write_text(hanging)
    tells = TWO.replace("{name: a, run: version}", "{name: a, run: version, on_success: [file]}")
    (shop / "pipelines.yaml").write_text(tells)
    assert main(["apply", "--auto-approve", "-q", "-C", str(shop)]) == 0
    report, began = NotedReport(), time.monotonic()
    ran = run(shop, report)
    took = time.monotonic() - began
    assert ran.state == "succeeded"
    gap = parse_instant(ran.stage("b").began) - parse_instant(ran.stage("a").ended)
    assert gap.total_seconds() < 1.5
    assert 2.0 < took < 30
    assert any("notifier" in note for note in report.notes)


@pytest.mark.long
def test_a_stage_that_is_deaf_to_term_is_killed_when_the_run_is_stopped(shop):
    (shop / "a.do").write_text("child deaf sleep:600")
    stop = StopRequest()

    class StopsAtWork(NotedReport):
        def wrote(self, stage, line):
            super().wrote(stage, line)
            time.sleep(0.5)  # it becomes deaf behind its first line
            stop.set()

    began = time.monotonic()
    ran = run(shop, StopsAtWork(), stop)
    assert (ran.state, [stage.state for stage in ran.stages]) == ("stopped", ["stopped", "stopped"])
    assert 9 < time.monotonic() - began < 60  # TERM, and KILL ten seconds later
    assert children(shop) == []


@pytest.mark.long
def test_two_pipelines_at_once_share_the_processors_of_the_machine(tmp_path):
    cores = this_machine().cpu
    stages = "".join(
        f"      - {{name: {name}, run: version, resources: {{cpu: {cores:g}}}}}\n" for name in ("a", "b", "c")
    )
    write_repository(tmp_path, f"pipelines:\n  - name: p\n    stages:\n{stages}  - name: q\n    stages:\n{stages}")
    for name in "abc":
        (tmp_path / f"{name}.do").write_text("sleep:0.3")
    (tmp_path / "tmp").mkdir()
    environ = {**os.environ, "TMPDIR": str(tmp_path / "tmp")}  # where the ledger is
    words = [sys.executable, str(HARNESS), str(tmp_path), "begin"]
    runs = [subprocess.Popen([*words, name], env=environ, stdout=subprocess.DEVNULL) for name in "pq"]
    assert [process.wait(120) for process in runs] == [0, 0]
    with open_workspace(tmp_path, None, None, "unread") as workspace:
        records = [records_of(workspace).last(name)[0] for name in "pq"]
    spans = sorted((stage.began, stage.ended) for record in records for stage in record.stages)
    assert len(spans) == 6
    assert all(before[1] <= after[0] for before, after in pairwise(spans))
    assert records[0].began < records[1].ended
    assert records[1].began < records[0].ended
