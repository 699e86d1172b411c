"""A pipeline runs once at a time: what the second run does, by hand and on a schedule."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys

import pytest

from featurectl.cli.main import main
from featurectl.registry.base import lock_holder
from featurectl.workspace.open import open_workspace
from tests.pipelines.repository import write_repository

PIPELINES = "pipelines: [{name: nightly, stages: [{name: look, run: version}]}]\n"
HOLDER = lock_holder("ana@other", "featurectl pipeline run nightly")
# Begins a run that goes on until its input ends, in a process of its own.
RUNNING = """
import sys
from featurectl.cli.main import main
from featurectl.pipelines import run_pipeline
def hang(*_):
    print("runs", flush=True)
    sys.stdin.read()
    sys.exit(7)
run_pipeline._run = hang
main(["pipeline", "run", "nightly", "-q"])
"""


@pytest.fixture
def shop(tmp_path, monkeypatch):
    write_repository(tmp_path, PIPELINES)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def running():
    """A run of the pipeline in another process of this machine."""
    with subprocess.Popen([sys.executable, "-c", RUNNING], stdin=-1, stdout=-1, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "runs\n"
        yield process


@pytest.fixture
def leased(shop):
    """A run of the pipeline on another machine."""
    with open_workspace(shop, None, None, "unread") as workspace:
        workspace.registry().leases().take("shop/pipelines/dev/nightly", HOLDER, "abc123")


@pytest.mark.long
@pytest.mark.usefixtures("shop")
def test_a_run_of_this_machine_is_named_at_once(running, capsys, monkeypatch):
    """It is not waited for: the second one would begin all anew when the first one is over."""
    monkeypatch.setattr("featurectl.pipelines.lease._WAIT_S", 600.0)
    capsys.readouterr()
    assert main(["pipeline", "run", "nightly"]) == 75
    err = capsys.readouterr().err
    assert "pipeline nightly is run by " in err
    assert f", pid {running.pid}, featurectl pipeline run nightly, since 20" in err
    assert "featurectl pipeline show nightly --env dev tells how far it is" in err
    assert "waiting" not in err


@pytest.mark.long
def test_stages_of_a_killed_run_are_waited_for(shop, running, capsys, monkeypatch):
    lock = os.open(shop / ".featurectl/pipelines/dev/nightly/lock", os.O_RDWR)
    running.kill()
    running.wait()
    fcntl.flock(lock, fcntl.LOCK_EX)  # as a guard goes on to hold it
    monkeypatch.setattr("featurectl.pipelines.lease._WAIT_S", 0.5)
    capsys.readouterr()
    assert main(["pipeline", "run", "nightly"]) == 75
    err = capsys.readouterr().err
    assert "waiting for the stages of a run that was killed" in err
    assert "stages that a killed run of pipeline nightly has left go on on this machine" in err
    os.close(lock)
    assert main(["pipeline", "run", "nightly", "-q"]) == 0  # the lease of the killed one is taken over


@pytest.mark.long
@pytest.mark.sample(1)
@pytest.mark.parametrize("where", ["running", "leased"])
@pytest.mark.usefixtures("shop")
def test_on_a_schedule_a_run_is_left_out_and_says_so(request, where, capsys):
    request.getfixturevalue(where)
    capsys.readouterr()
    assert main(["pipeline", "run", "nightly", "--if-free"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("Pipeline nightly is left out: pipeline nightly is run by ")
    assert main(["pipeline", "run", "nightly", "--if-free", "-o", "json"]) == 0
    result = json.loads(capsys.readouterr().out)["result"]
    assert (result["run"], result["left_out"].startswith("pipeline nightly is run by ")) == (None, True)


@pytest.mark.usefixtures("shop")
def test_what_is_free_runs_on_a_schedule_as_by_hand(capsys):
    capsys.readouterr()
    assert main(["pipeline", "run", "nightly", "--if-free", "-o", "json"]) == 0
    result = json.loads(capsys.readouterr().out)["result"]
    assert (result["run"]["state"], result["left_out"]) == ("succeeded", "")


def test_a_lock_that_is_no_run_is_a_failure_on_a_schedule_too(shop, capsys, monkeypatch):
    """Somebody who holds the registry for ever would stop all runs without a word."""
    monkeypatch.setattr("featurectl.registry.database.BUSY_LIMIT_S", 0.2)
    hold = "import sqlite3, sys; c = sqlite3.connect('r.db', isolation_level=None); c.execute('begin immediate')"
    code = f"{hold}; print('holds', flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=-1, stdout=-1, cwd=shop, text=True) as other:
        assert other.stdout is not None
        other.stdout.readline()
        capsys.readouterr()
        assert main(["pipeline", "run", "nightly", "--if-free"]) == 75
        assert f"is held by process {other.pid}" in capsys.readouterr().err
