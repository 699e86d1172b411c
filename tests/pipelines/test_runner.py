"""Stages as processes: order, timeouts, retries, ends."""

from __future__ import annotations

import os
import signal
import threading
import time
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest

from featurectl.core.stop_request import StopRequest
from featurectl.language.definitions.pipelines import PipelineStage, Resources
from featurectl.offline.pipeline_records import StageRecord
from featurectl.pipelines.machine import Machine
from featurectl.pipelines.room import MachineRoom
from featurectl.pipelines.runner import PipelineRunner, RunPlace
from featurectl.pipelines.stage_commands import RunArguments
from featurectl.pipelines.stage_run import RunFolder, Tether
from tests.pipelines.commands import NotedReport, names, program_commands


def stage(name, *needs, **said):
    return PipelineStage(name=name, run="push", needs=needs, **said)


@pytest.fixture
def run(tmp_path):
    """Run stages in a folder where `NAME.do` says what a stage does; give the runner, which has run."""
    life, keep = os.pipe()
    lock = os.open(tmp_path / "lock", os.O_CREAT | os.O_RDWR)
    folder = tmp_path / "run"
    folder.mkdir()
    arguments = RunArguments(root=tmp_path, environment="dev", clock=datetime.now(UTC))
    place = RunPlace(
        arguments=arguments,
        folder=RunFolder(path=folder),
        tether=Tether(life=life, lock=lock, grace_s=0.5),
        commands=program_commands(tmp_path),
    )

    def go(*stages, done=None, stop=None, most=8):
        report = NotedReport()
        made = PipelineRunner(
            stages, done or {}, place, MachineRoom(Machine(cpu=8, memory_bytes=1 << 33), most), report
        )
        made.report = report
        made.closed = []
        made.ended = lambda record: made.closed.append((record.name, record.state))
        made.run(stop or StopRequest())
        return made

    yield go
    for descriptor in (life, keep, lock):
        os.close(descriptor)


def states(made):
    return {name: record.state for name, record in made.records.items()}


def is_there(pid):
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_stages_run_in_order_and_what_they_write_is_kept_and_shown(run, tmp_path):
    made = run(stage("a"), stage("b", "a"), stage("c", "b"))
    assert states(made) == {"a": "succeeded", "b": "succeeded", "c": "succeeded"}
    assert names(tmp_path / "done") == ["a", "b", "c"]
    assert made.report.lines == ["a | a works", "b | b works", "c | c works"]
    assert (tmp_path / "run" / "b.1.log").read_text() == "b works\n"
    assert made.closed == [("a", "succeeded"), ("b", "succeeded"), ("c", "succeeded")]


def test_a_failure_skips_what_needs_it_and_nothing_else(run, tmp_path):
    (tmp_path / "a.do").write_text("exit:1")
    made = run(stage("a"), stage("b", "a"), stage("c", "b"), stage("d"), stage("e", "d"))
    assert states(made) == {"a": "failed", "b": "skipped", "c": "skipped", "d": "succeeded", "e": "succeeded"}
    assert made.records["a"].exit_code == 1
    assert made.records["a"].cause.splitlines()[-1] == "what went wrong"
    assert made.records["c"].cause == "b did not succeed"


@pytest.mark.sample(2)
@pytest.mark.parametrize(("code", "tries"), [(75, 2), (69, 2), (1, 1), (64, 1)])
def test_only_failures_that_can_pass_are_tried_again(run, tmp_path, code, tries):
    (tmp_path / "a.do").write_text(f"once:{code}")
    made = run(stage("a", retries=2))
    assert made.records["a"].attempts == tries
    assert states(made) == {"a": "succeeded" if tries > 1 else "failed"}


@pytest.mark.long
def test_retries_end(run, tmp_path):
    (tmp_path / "a.do").write_text("exit:75")
    made = run(stage("a", retries=2))
    assert (made.records["a"].state, made.records["a"].attempts) == ("failed", 3)
    assert sum("tried again" in text for text in made.report.said) == 2


def test_a_stage_that_takes_too_long_is_ended_with_all_its_processes(run, tmp_path):
    (tmp_path / "a.do").write_text("child deaf sleep:600")
    began = time.monotonic()
    made = run(stage("a", timeout_us=3_000_000))
    assert time.monotonic() - began < 60
    record = made.records["a"]
    assert (record.state, record.timed_out, record.exit_code) == ("failed", True, -9)
    assert "a: ended by its timeout" in made.report.said[-1]
    pid = int((tmp_path / "begun").read_text().split()[1])
    assert not is_there(pid)
    assert not [p for p in processes() if "left-child" in p]


def processes():
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            found.append((process / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue
    return found


def test_a_child_that_a_stage_leaves_is_ended_with_it(run, tmp_path):
    (tmp_path / "a.do").write_text("child")
    assert states(run(stage("a"))) == {"a": "succeeded"}
    assert not [p for p in processes() if "left-child" in p]


def test_stages_run_side_by_side_as_far_as_is_asked_for(run, tmp_path):
    for name in "abc":
        (tmp_path / f"{name}.do").write_text("sleep:0.4")
    made = run(stage("a"), stage("b"), stage("c"))
    began = [made.records[name].began for name in "abc"]
    assert max(began) < min(made.records[name].ended for name in "abc")
    made = run(stage("a"), stage("b"), stage("c"), most=1)
    spans = sorted((made.records[name].began, made.records[name].ended) for name in "abc")
    assert all(first[1] <= second[0] for first, second in pairwise(spans))


def test_parts_of_a_stage_run_at_once_and_all_must_succeed(run, tmp_path):
    made = run(stage("a", resources=Resources(replicas=3)))
    assert (states(made), names(tmp_path / "done")) == ({"a": "succeeded"}, ["a", "a", "a"])
    (tmp_path / "b.do").write_text("once:1 sleep:600")
    assert states(run(stage("b", resources=Resources(replicas=2)))) == {"b": "failed"}


def test_a_stop_ends_all_stages_and_begins_none(run, tmp_path):
    (tmp_path / "a.do").write_text("sleep:600")
    stop = StopRequest()

    def ask():
        while not (tmp_path / "begun").exists():
            time.sleep(0.05)
        stop.set()

    thread = threading.Thread(target=ask)
    thread.start()
    made = run(stage("a"), stage("b", "a"), stop=stop)
    thread.join()
    assert states(made) == {"a": "stopped", "b": "stopped"}
    assert names(tmp_path / "begun") == ["a"]
    assert made.closed == []


def test_what_is_done_is_not_run_again(run, tmp_path):
    done = {"a": StageRecord(name="a", state="succeeded", attempts=1)}
    made = run(stage("a"), stage("b", "a"), done=done)
    assert (names(tmp_path / "done"), states(made)) == (["b"], {"a": "succeeded", "b": "succeeded"})


def test_a_result_of_any_attempt_says_that_a_stage_succeeded(tmp_path):
    folder = RunFolder(path=tmp_path)
    assert not folder.has_succeeded("a", 1)
    folder.result("a", 1).write_text("75\n")
    folder.result("ab", 1).write_text("0\n")
    assert not folder.has_succeeded("a", 1)
    folder.result("a", 2).write_text("0\n")
    assert folder.has_succeeded("a", 1)
    folder.result("p", 1, 1).write_text("0\n")
    assert not folder.has_succeeded("p", 2)
    folder.result("p", 1, 2).write_text("0\n")
    assert folder.has_succeeded("p", 2)


def test_a_stage_that_can_not_be_started_has_failed_and_says_why(run, tmp_path):
    (tmp_path / "run" / "a.1.log").mkdir()
    made = run(stage("a"), stage("b", "a"), stage("c"))
    assert states(made) == {"a": "failed", "b": "skipped", "c": "succeeded"}
    assert made.records["a"].cause == "Is a directory"
    assert made.closed[0] == ("a", "failed")


def test_a_killed_guard_takes_its_stage_with_it(run, tmp_path):
    (tmp_path / "a.do").write_text("sleep:600")

    def kill():
        while not (tmp_path / "begun").exists():
            time.sleep(0.05)
        pid = int((tmp_path / "begun").read_text().split()[1])
        guard = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        os.kill(guard, signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    made = run(stage("a"))
    thread.join()
    assert (made.records["a"].state, made.records["a"].exit_code) == ("failed", -9)
    pid = int((tmp_path / "begun").read_text().split()[1])
    end = time.monotonic() + 10
    while is_there(pid):
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_result_that_can_not_be_written_is_no_failure(run, tmp_path):
    (tmp_path / "run" / "a.1.exit.half").mkdir()
    (tmp_path / "b.do").write_text("exit:75")
    (tmp_path / "run" / "b.1.exit.half").mkdir()
    made = run(stage("a"), stage("b"))
    assert states(made) == {"a": "succeeded", "b": "failed"}
    assert made.records["b"].exit_code == 75


def test_the_last_words_of_a_stage_that_is_stopped_are_heard(run, tmp_path):
    """As they say what goes on without it, like a canary."""
    (tmp_path / "a.do").write_text("last:goes-on sleep:60")
    stop = StopRequest()
    timer = threading.Thread(target=_stop_when, args=(stop, tmp_path / "run" / "a.1.log", "a works"))
    timer.start()
    runner = run(stage("a"), stop=stop)
    timer.join()
    assert runner.records["a"].state == "stopped"
    assert runner.report.notes == ["a | goes-on"]
    assert runner.report.lines == ["a | a works"]


def _stop_when(stop, log, text):
    while not log.exists() or text not in log.read_text():
        time.sleep(0.02)
    time.sleep(0.3)
    stop.set()
