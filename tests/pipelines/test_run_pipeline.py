"""`featurectl pipeline`: runs that are applied, one at a time, gone on with, recorded and told."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import signal
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from featurectl.cli.main import main
from featurectl.offline.process import Process
from featurectl.offline.runs import read_runs
from featurectl.pipelines.applied import records_of
from featurectl.registry.base import lock_holder
from featurectl.workspace.open import open_workspace
from tests.pipelines.kills import kill_and_resume
from tests.pipelines.repository import write_repository

PIPELINES = """
pipelines:
  - name: nightly
    schedule: "0 */6 * * *"
    description: Features, then their values online.
    stages:
      - {name: features, run: materialize --no-online, on_success: [file]}
      - {name: sync, run: push, needs: [features], timeout: 5m}
      - {name: look, run: status, needs: [sync]}
  - name: broken
    stages:
      - name: set
        run: training-set --features spend:amount_sum_7d --spine spine.csv --out set.parquet
        on_failure: [file]
      - {name: after, run: version, needs: [set]}
      - {name: beside, run: version}
  - name: hanging
    stages:
      - {name: set, run: apply --auto-approve --lock-timeout 10m}
      - {name: after, run: version, needs: [set]}
      - {name: beside, run: version}
"""
COMMAND = [sys.executable, "-m", "featurectl", "pipeline", "run"]


@pytest.fixture
def shop(tmp_path, monkeypatch):
    write_repository(tmp_path, PIPELINES)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def made(shop):
    """Give a shop whose tables are made."""
    assert main(["materialize", "-q"]) == 0
    return shop


@pytest.fixture
def locked(shop):
    """Hold the lock of a shop that has something to apply; return its release."""
    (shop / "objects.yaml").write_text((shop / "objects.yaml").read_text().replace("{name: customer,", CHANGED))
    with open_workspace(shop, None, None, "unread") as workspace, ExitStack() as held:
        held.enter_context(workspace.registry().lock("shop", "ana@host"))
        yield held.close


CHANGED = "{name: customer, description: Who buys.,"


def begun(*words):
    """Start the pipeline whose first stage hangs, and return the process when it does."""
    process = subprocess.Popen([*COMMAND, "hanging", *words], stdout=-1, stderr=-1, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if "beside: succeeded" in line:
            break
    return process


def said(capsys, *words, code=0):
    """Run a command that answers in JSON, and return its result."""
    capsys.readouterr()
    assert main([*words, "-o", "json", "-q"]) == code
    return json.loads(capsys.readouterr().out)["result"]


def stages(run):
    return {stage["name"]: stage["state"] for stage in run["stages"]}


def told(shop):
    return [json.loads(line) for line in (shop / "told.jsonl").read_text().splitlines()]


def test_a_pipeline_runs_to_its_end(shop, capsys):
    run = said(capsys, "pipeline", "run", "nightly")["run"]
    assert stages(run) == {"features": "succeeded", "sync": "succeeded", "look": "succeeded"}
    assert (run["state"], run["environment"], run["as_of"]) == ("succeeded", "dev", "")
    assert said(capsys, "get", "spend", "customer=ann")["features"] is not None
    (message,) = told(shop)
    assert (message["kind"], message["alert"], message["subject"]) == ("succeeded", "nightly", "features")
    assert message["title"] == "SUCCEEDED: stage features of pipeline nightly in dev"


@pytest.mark.long
def test_all_stages_take_the_start_of_the_run_as_now(shop, capsys):
    run = said(capsys, "pipeline", "run", "nightly")["run"]
    with open_workspace(shop, None, None, "unread") as workspace:
        day = datetime.now(UTC) - timedelta(days=1)
        found = read_runs(workspace.offline_location(), workspace.project, "dev", day)
    assert {item.command for item in found} == {"materialize", "push"}
    assert {item.now.isoformat().replace("+00:00", "Z") for item in found} == {run["clock"]}


@pytest.mark.long
def test_an_as_of_reaches_the_stages_that_have_one(shop, capsys):
    run = said(capsys, "pipeline", "run", "nightly", "--as-of", "2026-01-02T00:00:00Z")["run"]
    assert (run["as_of"], run["state"]) == ("2026-01-02T00:00:00Z", "succeeded")
    with open_workspace(shop, None, None, "unread") as workspace:
        found = read_runs(workspace.offline_location(), workspace.project, "dev", datetime(2026, 1, 1, tzinfo=UTC))
    assert {item.now for item in found} == {datetime(2026, 1, 2, tzinfo=UTC)}


@pytest.mark.long
def test_a_failure_is_told_skips_what_needs_it_and_is_gone_on_with(made, capsys):
    run = said(capsys, "pipeline", "run", "broken", code=1)["run"]
    assert stages(run) == {"set": "failed", "after": "skipped", "beside": "succeeded"}
    (message,) = told(made)
    assert (message["kind"], message["severity"], message["condition"]) == ("failed", "critical", "exit code 64")
    assert message["look"] == "featurectl pipeline run broken --resume --env dev"
    assert "spine.csv" in message["cause"]
    (made / "spine.csv").write_text("customer,event_time\nann,2026-01-03T00:00:00Z\n")
    again = said(capsys, "pipeline", "run", "broken", "--resume")["run"]
    assert stages(again) == {"set": "succeeded", "after": "succeeded", "beside": "succeeded"}
    assert (again["clock"], again["first"]) == (run["clock"], run["id"])
    before, after = ({s["name"]: s["ended"] for s in r["stages"]} for r in (run, again))
    assert before["beside"] == after["beside"]
    capsys.readouterr()
    assert main(["pipeline", "run", "broken", "--resume"]) == 64
    assert "there is no run of pipeline broken to go on with: the last" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["nightl"], "no pipeline 'nightl' is applied"),
        (["nightly", "--only", "syn"], "pipeline nightly has no stage 'syn'"),
        (["nightly", "--from", "nothing"], "pipeline nightly has no stage 'nothing'"),
        (["nightly", "--resume"], "there is no run of pipeline nightly to go on with: it never ran"),
        (["nightly", "--resume", "--only", "sync"], "--resume goes on with a run as it is"),
        (["nightly", "--from", "sync", "--only", "look"], "--from and --only choose stages in two ways"),
        (["nightly", "--max-parallel", "0"], "--max-parallel"),
        (["nightly", "--as-of", "soon"], "'soon' is not an instant"),
    ],
)
def test_what_can_not_be_run_is_said_before_anything_runs(shop, capsys, words, error):
    capsys.readouterr()
    assert main(["pipeline", "run", *words]) == 64
    assert error in capsys.readouterr().err
    assert not (shop / ".featurectl" / "pipelines").exists()


@pytest.mark.long
@pytest.mark.usefixtures("shop")
def test_only_some_stages_may_run(capsys):
    run = said(capsys, "pipeline", "run", "nightly", "--only", "features")["run"]
    assert stages(run) == {"features": "succeeded"}
    run = said(capsys, "pipeline", "run", "nightly", "--from", "sync")["run"]
    assert stages(run) == {"sync": "succeeded", "look": "succeeded"}


@pytest.mark.long
def test_a_pipeline_runs_once_at_a_time_wherever_it_is_started(shop, capsys):
    with open_workspace(shop, None, None, "unread") as workspace:
        leases = workspace.registry().leases()
        leases.take("shop/pipelines/dev/nightly", lock_holder("ana@other", "featurectl pipeline run nightly"), "abc123")
        capsys.readouterr()
        assert main(["pipeline", "run", "nightly", "-q"]) == 75
        err = capsys.readouterr().err
        assert "pipeline nightly is run by ana@other, pid" in err
        assert "featurectl unlock abc123" in err
        assert main(["pipeline", "run", "nightly", "-q", "--env", "prod"]) == 0  # another environment is another run
        assert main(["unlock", "abc123", "-q"]) == 0
        assert main(["pipeline", "run", "nightly", "-q"]) == 0


def test_a_lease_that_was_taken_away_ends_the_run(shop):
    with open_workspace(shop, None, None, "unread") as workspace:
        leases = workspace.registry().leases()
        leases.take("shop/pipelines/dev/p", "ana", "one")
        assert leases.renew("shop/pipelines/dev/p", "one") == ""
        leases.end("shop/pipelines/dev/p", "one")
        assert leases.renew("shop/pipelines/dev/p", "one") == "it was taken away"
        leases.take("shop/pipelines/dev/p", "bob", "two")
        assert leases.renew("shop/pipelines/dev/p", "one") == "bob has it"
        leases.take("shop/pipelines/dev/p", "ana", "three", dead=["two"])
        assert leases.renew("shop/pipelines/dev/p", "three") == ""


@pytest.mark.long
@pytest.mark.usefixtures("made")
def test_runs_are_listed_and_shown(capsys):
    assert main(["pipeline", "list"]) == 0
    assert "never ran" in capsys.readouterr().out
    said(capsys, "pipeline", "run", "broken", code=1)
    said(capsys, "pipeline", "run", "nightly")
    listed = {item["name"]: item for item in said(capsys, "pipeline", "list")["pipelines"]}
    assert [run["state"] for run in listed["broken"]["runs"]] == ["failed"]
    assert len(listed["nightly"]["due"]) == 3
    assert listed["broken"]["due"] == []
    capsys.readouterr()
    assert main(["pipeline", "show", "broken"]) == 0
    page = capsys.readouterr().out
    assert re.search(r"^set +failed +1 +\S.* exit code 64$", page, re.MULTILINE)
    assert "error: spine spine.csv: no such file" in page
    assert main(["pipeline", "show", "nightl"]) == 64


@pytest.mark.long
def test_a_stage_that_hangs_is_ended_by_ctrl_c_and_the_run_is_gone_on_with(shop, locked, capsys):
    with begun() as process:
        process.send_signal(signal.SIGINT)
        process.communicate()
        assert process.wait(60) == 130
    with open_workspace(shop, None, None, "unread") as workspace:
        (record,) = records_of(workspace).last("hanging")
    assert {stage.name: stage.state for stage in record.stages} == {
        "set": "stopped", "after": "stopped", "beside": "succeeded",
    }  # fmt: skip
    locked()
    assert said(capsys, "pipeline", "run", "hanging", "--resume")["run"]["state"] == "succeeded"


@pytest.mark.long
@pytest.mark.usefixtures("locked")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_that_ends_a_run_is_its_exit_code(number, code):
    """As of a process that knows no signal: a scheduler tells it from Ctrl-C, and may try again."""
    with begun("-o", "json") as process:
        process.send_signal(number)
        ended = json.loads(process.communicate()[0])["result"]
        assert process.wait(60) == code
    assert (ended["run"]["state"], ended["error"]["message"]) == ("stopped", f"ended by {number.name}")
    assert ended["error"]["hint"] == "featurectl pipeline run hanging --resume --env dev"


def test_who_waits_in_vain_for_a_killed_run_is_sent_to_its_pipeline(shop, capsys, monkeypatch):
    monkeypatch.setattr("featurectl.pipelines.lease._WAIT_S", 0.1)
    folder = shop / ".featurectl/pipelines/dev/nightly"
    folder.mkdir(parents=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        capsys.readouterr()
        assert main(["pipeline", "run", "nightly"]) == 75
    assert "featurectl pipeline show nightly --env dev tells which" in capsys.readouterr().err


@pytest.mark.long
def test_a_notifier_that_can_not_be_reached_is_a_warning(shop, capsys):
    (shop / "objects.yaml").write_text((shop / "objects.yaml").read_text().replace("tee -a told.jsonl", "false"))
    assert main(["apply", "--auto-approve", "-q"]) == 0
    capsys.readouterr()
    assert main(["pipeline", "run", "nightly", "--only", "features"]) == 0
    assert "warning: notifier file was not notified of features" in capsys.readouterr().err


@pytest.mark.long
def test_a_notifier_that_hangs_holds_no_stage_up(shop, capsys, monkeypatch):
    monkeypatch.setattr("featurectl.pipelines.notify.TOTAL_S", 1.5)
    (shop / "objects.yaml").write_text((shop / "objects.yaml").read_text().replace("tee -a told.jsonl", "sleep 5"))
    assert main(["apply", "--auto-approve", "-q"]) == 0
    capsys.readouterr()
    assert main(["pipeline", "run", "nightly"]) == 0
    err = capsys.readouterr().err
    assert "notifier file was not notified of features: " in err or "a notifier has not answered" in err


def test_a_folder_that_can_not_be_made_is_said_before_anything_runs(shop, capsys):
    (shop / ".featurectl").mkdir(exist_ok=True)
    (shop / ".featurectl" / "pipelines").write_text("")
    capsys.readouterr()
    assert main(["pipeline", "run", "nightly"]) == 64
    assert "can't be made: Not a directory" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("where", "name"), [(os, "open"), (Path, "write_text"), (Path, "mkdir")], ids=["lock", "lease", "folder"]
)
@pytest.mark.usefixtures("shop")
def test_a_disk_that_is_full_is_no_fault_of_featurectl(capsys, monkeypatch, where, name):
    plain = getattr(where, name)

    def refuse(path: str | Path, *more: object, **options: object) -> object:
        if "pipelines/dev/nightly" in str(path):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return plain(path, *more, **options)

    monkeypatch.setattr(where, name, refuse)
    capsys.readouterr()
    assert main(["pipeline", "run", "nightly"]) == 69
    err = capsys.readouterr().err
    assert "pipelines/dev/nightly" in err
    assert "No space left on device" in err or "the disk is full" in err
    assert "make room on the disk" in err


@pytest.mark.long
def test_a_run_of_another_definition_is_not_gone_on_with(shop, capsys):
    said(capsys, "pipeline", "run", "broken", code=1)
    (shop / "pipelines.yaml").write_text(PIPELINES.replace("{name: beside,", "{name: aside,"))
    assert main(["apply", "--auto-approve", "-q"]) == 0
    capsys.readouterr()
    assert main(["pipeline", "run", "broken", "--resume"]) == 64
    assert "pipeline broken was changed since its last run" in capsys.readouterr().err


@pytest.mark.long
def test_a_stage_whose_end_is_on_no_record_but_in_a_file_is_done(shop, capsys):
    run = said(capsys, "pipeline", "run", "broken", code=1)["run"]
    with open_workspace(shop, None, None, "unread") as workspace:
        records = records_of(workspace)
        (record,) = records.last("broken")
        lagging = tuple(replace(stage, state="waiting", ended="") for stage in record.stages)
        records.write(replace(record, state="running", stages=lagging, process=replace(record.process, began="0")))
        assert records.last("broken")[0].shown_state == "killed"
    again = said(capsys, "pipeline", "run", "broken", "--resume", code=1)["run"]
    attempts = {stage["name"]: stage["attempts"] for stage in again["stages"]}
    assert (attempts["beside"], run["clock"]) == (1, again["clock"])
    assert not (shop / ".featurectl/pipelines/dev/broken" / again["id"] / "beside.1.log").exists()


@pytest.mark.long
def test_a_run_behind_one_of_a_clock_that_was_ahead_is_the_last(shop, capsys):
    said(capsys, "pipeline", "run", "broken", code=1)
    with open_workspace(shop, None, None, "unread") as workspace:
        records = records_of(workspace)
        (record,) = records.last("broken")
        records.write(replace(record, id="20990101T000000000000-elsewhere-1", state="succeeded"))
        run = said(capsys, "pipeline", "run", "broken", code=1)["run"]
        assert [each.id for each in records.last("broken")] == [run["id"]]


@pytest.mark.long
def test_a_run_elsewhere_of_which_nothing_comes_is_killed(shop, capsys):
    said(capsys, "pipeline", "run", "broken", code=1)
    with open_workspace(shop, None, None, "unread") as workspace:
        (record,) = records_of(workspace).last("broken")
    elsewhere = replace(record, state="running", process=Process(host="elsewhere", pid=7))
    assert record.seen
    assert elsewhere.shown_state == "running"
    silent = replace(elsewhere, seen=(datetime.now(UTC) - timedelta(minutes=6)).isoformat())
    assert silent.shown_state == "killed"


@pytest.mark.long
@pytest.mark.parametrize("count", [1, pytest.param(30, marks=pytest.mark.long)])
def test_a_killed_run_is_gone_on_with_and_no_stage_runs_twice(tmp_path, count):
    """The runner is killed at any moment: its stages end with it, and the next run begins only then."""
    kill_and_resume(tmp_path, count)


@pytest.mark.long
@pytest.mark.parametrize("count", [20])
def test_a_killed_run_in_parts_with_killed_guards_is_gone_on_with(tmp_path, count):
    """The store of its records is slow, one stage has parts, and guards of stages are killed before the runner is."""
    assert kill_and_resume(tmp_path, count, rough=True) > 0
