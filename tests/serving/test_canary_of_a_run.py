"""Which version `models canary start MODEL` means in a run of a pipeline, and what it says of another's canary."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

from featurectl.cli.main import main
from tests.serving.trial import CANARY, NUMBER, canary, run, state_of, wait_until, write_model

NEWEST = max(NUMBER.values())
ENDLESS = CANARY.replace("2s", "9h")
ANYTHING = "{percent: 50, for: 1s, min_requests: 0, success: {}}"
RELEASE = """
pipelines:
  - name: release
    stages:
      - {name: train, run: train trial}
      - {name: canary, run: models canary start trial --allow-pickle --wait --every 0.2s, needs: [train]}
"""


@pytest.fixture
def by_run(monkeypatch):
    """Says which run the commands that follow belong to."""
    return lambda name: monkeypatch.setenv("FEATURECTL_RUN_ID", name)


@pytest.mark.long
def test_a_model_alone_is_the_version_that_this_run_has_trained(own_trial, by_run, capsys):
    write_model(own_trial, "better", canary=ANYTHING)
    for name in ("release/1", "nightly/1"):
        by_run(name)
        run(own_trial, "train", "trial", "--again")
    by_run("release/1")
    capsys.readouterr()
    assert main(["models", "canary", "start", "trial", "--allow-pickle", "--wait", "-C", str(own_trial)]) == 0
    said = f"trial version {NEWEST + 1} is of this run; version {NEWEST + 2} is newer, and not meant"
    assert said in capsys.readouterr().err
    assert state_of(own_trial).aliases["trial", "champion"] == NEWEST + 1
    by_run("by hand")  # which has trained none
    canary(own_trial, "start", "trial", "--allow-pickle")
    assert state_of(own_trial).aliases["trial", "challenger"] == NEWEST + 2


@pytest.mark.long
def test_a_version_of_a_run_that_is_retired_is_not_replaced_by_another(own_trial, by_run, capsys):
    by_run("release/1")
    run(own_trial, "train", "trial", "--again")
    run(own_trial, "models", "retire", f"trial@{NEWEST + 1}")
    capsys.readouterr()
    canary(own_trial, "start", "trial", code=64)
    assert f"model trial version {NEWEST + 1} is retired" in capsys.readouterr().err
    canary(own_trial, "start", f"trial@{NUMBER['better']}", "--allow-pickle")  # whose number is said


def test_a_run_is_named_by_one_line_of_text(own_trial, by_run, capsys):
    by_run("x" * 1001)
    canary(own_trial, "start", "trial", code=64)
    assert "FEATURECTL_RUN_ID names no run: at most 1,000 printable characters in one line" in capsys.readouterr().err


def test_of_another_version_that_is_tried_it_says_how_to_go_on(own_trial, capsys):
    """Exit code 75: the same command is right as soon as that canary is over."""
    write_model(own_trial, canary=ENDLESS)
    canary(own_trial, "start", "trial@2", "--allow-pickle")
    capsys.readouterr()
    canary(own_trial, "start", "trial@3", "--wait", "--allow-pickle", code=75)
    err = capsys.readouterr().err
    assert "a canary of model trial is running: version 2 beside version 1, in dev" in err
    assert "featurectl models canary abort trial --env dev ends it" in err
    assert main(["models", "canary", "start", "trial@3", "-o", "json", "-C", str(own_trial)]) == 75
    assert json.loads(capsys.readouterr().out)["exit_code"] == 75
    assert [item.challenger for item in state_of(own_trial).canaries] == [2]


@pytest.mark.long
def test_a_resumed_release_waits_for_the_canary_of_its_own_version(own_trial):
    (own_trial / "release.yaml").write_text(RELEASE)
    write_model(own_trial, "better", canary=ENDLESS)
    words = ["pipeline", "run", "release", "-C", str(own_trial)]
    with subprocess.Popen([sys.executable, "-m", "featurectl", *words], stdout=-1, stderr=-1, text=True) as process:
        wait_until(lambda: state_of(own_trial).running_canary("trial") is not None)
        os.kill(process.pid, signal.SIGINT)
        said = process.communicate(timeout=60)[1]
        assert process.returncode == 130
    assert f"canary | interrupted: the canary of trial version {NEWEST + 1} goes on" in said
    assert "canary | end it: featurectl models canary abort trial --env dev" in said
    assert "stopped; featurectl pipeline run release --resume --env dev goes on with it" in said
    run(own_trial, "train", "trial", "--again")  # by somebody else, meanwhile
    with subprocess.Popen(
        [sys.executable, "-m", "featurectl", *words, "--resume"], stdout=-1, stderr=-1, text=True
    ) as process:
        assert process.stderr is not None
        said = next(line for line in process.stderr if " of 300 requests" in line)
        canary(own_trial, "promote", "trial")
        process.communicate(timeout=60)
        assert process.returncode == 0
    assert f"trial version {NEWEST + 1}: " in said
    assert state_of(own_trial).aliases["trial", "champion"] == NEWEST + 1
    assert [item.challenger for item in state_of(own_trial).canaries] == [NEWEST + 1]
