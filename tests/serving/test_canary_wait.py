"""`models canary start --wait`: how it ends, who judges, what it waits for."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from featurectl.api.project import open_project
from featurectl.cli.main import main
from featurectl.core.errors import StoreError
from featurectl.language.definitions.gates import CanarySuccess
from featurectl.monitor.canary.figures import Figures, SideFigures
from featurectl.monitor.canary.lifecycle import look_at
from featurectl.monitor.canary.wait import CanaryWait, judgement_line
from featurectl.registry.state import CanaryRun
from featurectl.workspace.open import open_workspace
from tests.serving.process import running
from tests.serving.trial import CANARY, NUMBER, canary, clients_of, run, state_of, wait_until, write_model

GOOD, BETTER, SHIFTED = NUMBER["good"], NUMBER["better"], NUMBER["shifted"]
OPTIONS = ("--allow-pickle", "--timeout", "20", "--store-timeout", "10", "--reload", "0.2")
EVERY = ("--every", "0.2")
ENDLESS = CANARY.replace("2s", "9h")
ANYTHING = "{percent: 50, for: 1s, min_requests: 0, success: {}}"


class Heard:
    """A progress that keeps its lines."""

    def __init__(self):
        self.lines = []

    def start(self, label):
        pass

    def advance(self, *far):
        pass

    def done(self, text):
        self.lines += [text] if text else []


class Clock:
    """A clock that stands still until somebody waits."""

    def __init__(self, *events):
        self.at = datetime.now(UTC)
        self.waits = []
        self._events = list(events)

    def now(self):
        return self.at

    def pause(self, seconds):
        self.waits.append(seconds)
        self.at += timedelta(seconds=seconds)
        if self._events:
            self._events.pop(0)()


@pytest.fixture
def waited(own_trial):
    """Waits for the canary of a version on a clock; gives how it ended, and the lines that were said."""

    def wait(spec, clock, *, every_s=600.0, patched=None, within=None):
        write_model(own_trial, canary=spec)
        canary(own_trial, "start", f"trial@{BETTER}")
        heard, begun = Heard(), state_of(own_trial).canaries[-1]
        with open_workspace(own_trial, None, None, "unread") as workspace:
            if patched:
                patched(workspace)
            waiting = CanaryWait(
                workspace=workspace, every_s=every_s, progress=heard, pause=clock.pause, now=clock.now, within=within
            )
            return waiting.wait(begun), heard.lines

    return wait


def test_nobody_but_the_wait_has_to_judge(waited, own_trial):
    clock = Clock()
    ended, lines = waited(ANYTHING.replace("1s", "25m"), clock)
    assert (ended.state, clock.waits) == ("promoted", [600.0] * 3)
    assert state_of(own_trial).aliases["trial", "champion"] == BETTER
    assert [line.rpartition("; ")[2] for line in lines] == ["25 min left", "15 min left", "5 min left"]
    assert lines[0] == "trial version 2: 0 of 0 requests; no request for it is in the log of dev yet; 25 min left"


def test_a_line_says_what_does_not_hold_yet_and_what_is_left():
    sides = {name: SideFigures(version=number, requests=20) for number, name in ((1, "champion"), (2, "challenger"))}
    began = datetime.now(UTC)
    begun = CanaryRun(
        model="trial", number=1, champion=1, challenger=2, environment="dev", percent=30, for_us=900_000_000,
        min_requests=300, success=CanarySuccess(latency_p99_ms=1500, error_rate_percent=1), started_at=began,
    )  # fmt: skip
    found = look_at(begun, SimpleNamespace(figures=lambda: Figures(**sides)), began)
    line = judgement_line(found, began + timedelta(minutes=10))
    assert line == "trial version 2: 20 of 300 requests; latency_p99_ms no request (asked: at most 1500); 5 min left"


def test_a_canary_that_is_not_over_within_its_time_is_aborted_and_says_why(waited, own_trial):
    clock = Clock()
    ended, lines = waited(CANARY.replace("2s", "15m"), clock, within=timedelta(minutes=35))
    assert (ended.state, clock.waits) == ("aborted", [600.0] * 4)
    why = "its time is over; it waits for requests: 0 of 300"
    line = "trial version 2: 0 of 300 requests; no request for it is in the log of dev yet"
    assert re.fullmatch(rf"{line}; 1[45] min left; aborted in 3[45] min unless it is over by then", lines[0])
    assert re.fullmatch(rf"{line}; {why}; aborted in [45] min unless it is over by then", lines[-1])
    asked = "nobody has asked for trial in dev: is featurectl serve running there?"
    assert ended.reason == f"not over within 35m: {why}; {asked}"
    assert state_of(own_trial).aliases == {("trial", "champion"): 1}


def test_a_canary_that_ends_just_then_ends_as_it_does(waited):
    ended, _ = waited(ANYTHING.replace("1s", "10m"), Clock(), within=timedelta(minutes=10))
    assert ended.state == "promoted"


def test_the_end_by_another_judge_is_the_end(waited, own_trial):
    ended, _ = waited(ENDLESS, Clock(lambda: canary(own_trial, "promote", "trial")))
    assert (ended.state, ended.reason.startswith("by ")) == ("promoted", True)


def test_a_canary_whose_champion_was_replaced_is_aborted(waited, own_trial):
    ended, _ = waited(ENDLESS, Clock(lambda: run(own_trial, "models", "promote", "trial@3", "--allow-pickle")))
    assert ended.state == "aborted"
    assert "the champion is version 3 by now" in ended.reason


def test_a_registry_that_is_away_is_waited_for_and_named_once(waited, own_trial):
    path, away = own_trial / "r.db", own_trial / "away.db"
    clock = Clock(lambda: None, lambda: None, lambda: away.rename(path), lambda: canary(own_trial, "abort", "trial"))

    def taken(workspace):
        real, calls = workspace.state, []

        def state():
            calls.append(0)
            if not path.exists():
                raise StoreError("the registry is away", code="FC601")
            return real()

        object.__setattr__(workspace, "state", state)
        path.rename(away)

    ended, lines = waited(ENDLESS, clock, patched=taken)
    assert ended.state == "aborted"
    assert [line for line in lines if "away" in line] == [
        "warning: it can't be judged, and is waited for: the registry is away"
    ]


def test_the_command_ends_with_0_when_the_version_is_promoted(own_trial, capsys):
    write_model(own_trial, canary=ANYTHING)
    capsys.readouterr()
    assert main(["models", "canary", "start", f"trial@{BETTER}", "--wait", *EVERY, "-C", str(own_trial)]) == 0
    told = capsys.readouterr()
    assert "\npromoted " in told.out
    assert "trial version 2: 0 of 0 requests; " in told.err


def test_the_command_ends_with_1_when_it_is_aborted(own_trial, capsys):
    write_model(own_trial, canary=ENDLESS)
    thread = threading.Thread(target=_abort_when_it_runs, args=[own_trial])
    thread.start()
    canary(own_trial, "start", f"trial@{BETTER}", "--wait", *EVERY, code=1)
    thread.join()
    assert "\naborted " in capsys.readouterr().out


def _abort_when_it_runs(root):
    wait_until(lambda: state_of(root).running_canary("trial") is not None)
    with open_workspace(root, None, None, "unread") as workspace:
        from featurectl.monitor.canary.lifecycle import end_running

        end_running(workspace, "trial", "aborted", "test")


def test_the_newest_version_is_meant_by_the_name_of_the_model_alone(own_trial):
    write_model(own_trial, canary=ANYTHING)
    canary(own_trial, "start", "trial", "--wait", *EVERY)
    assert state_of(own_trial).canaries[-1].challenger == max(NUMBER.values())


def test_a_canary_of_that_version_that_runs_is_waited_for(own_trial, capsys):
    write_model(own_trial, canary=ANYTHING)
    canary(own_trial, "start", f"trial@{BETTER}")
    canary(own_trial, "start", f"trial@{BETTER}", "--wait", *EVERY)
    assert [item.state for item in state_of(own_trial).canaries] == ["promoted"]
    canary(own_trial, "start", f"trial@{BETTER}", "--wait", *EVERY)  # a retry after its end
    assert [item.state for item in state_of(own_trial).canaries] == ["promoted"]
    assert "\npromoted " in capsys.readouterr().out


@pytest.mark.long
def test_the_command_aborts_what_is_not_over_within_a_time(own_trial, capsys):
    write_model(own_trial, canary=ENDLESS)
    capsys.readouterr()
    words = ["models", "canary", "start", f"trial@{BETTER}", "--wait", *EVERY, "--within", "1s", "-C", str(own_trial)]
    assert main(words) == 1
    said = capsys.readouterr()
    assert ": not over within 1s: 8 h 59 min left; nobody has asked for trial in dev" in said.out
    assert "it is aborted before it can be over: let --within be longer than its `for`" in said.err
    assert main(words) == 1  # it stands in no one's way


def test_who_ends_the_wait_is_told_how_to_wait_again_as_long(own_trial, capsys, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    write_model(own_trial, canary=ENDLESS)
    monkeypatch.setattr(CanaryWait, "wait", interrupted)
    canary(own_trial, "start", f"trial@{BETTER}", "--wait", "--within", "2h", code=130)
    again = f"featurectl models canary start trial@{BETTER} --wait --within 2h --env dev"
    out = capsys.readouterr().out
    assert f"wait for it again: {again}\n" in out
    assert "end it: featurectl models canary abort trial --env dev\n" in out


def test_a_version_that_is_the_champion_anyway_needs_no_canary(own_trial, capsys):
    run(own_trial, "models", "promote", f"trial@{max(NUMBER.values())}", "--allow-pickle")
    before, newest = state_of(own_trial), max(NUMBER.values())
    capsys.readouterr()
    canary(own_trial, "start", "trial", "--wait", *EVERY)
    assert capsys.readouterr().out == f"trial version {newest} is the champion already: it needs no canary.\n"
    found = open_project(own_trial, progress=False).models.canary.start("trial", wait=True, within="1h")
    assert (found.run, found.champion, found.gates) == (None, newest, ())
    assert repr(found) == f"version {newest} is the champion already: it needs no canary."
    assert state_of(own_trial) == before


def test_a_project_in_python_waits_for_the_end(own_trial):
    write_model(own_trial, canary=ANYTHING)
    found = open_project(own_trial, progress=False).models.canary.start(f"trial@{BETTER}", wait=True, every="1s")
    assert found.run.state == "promoted"
    assert "\npromoted " in repr(found)


def test_a_canary_of_another_version_or_share_is_not_waited_for(own_trial, capsys):
    write_model(own_trial, canary=ENDLESS)
    canary(own_trial, "start", f"trial@{BETTER}")
    canary(own_trial, "start", "trial@3", "--wait", code=75)
    assert "a canary of model trial is running: version 2 beside version 1, in dev" in capsys.readouterr().err
    canary(own_trial, "start", f"trial@{BETTER}", "--wait", "--percent", "5", code=75)
    assert "version 2 beside version 1, in dev, for 30% of the entities, not 5" in capsys.readouterr().err


@pytest.mark.long
def test_a_version_that_was_rolled_back_is_tried_again(own_trial):
    write_model(own_trial, canary=ANYTHING)
    canary(own_trial, "start", f"trial@{BETTER}")
    canary(own_trial, "abort", "trial")
    canary(own_trial, "start", f"trial@{BETTER}", "--wait", *EVERY)
    assert [item.state for item in state_of(own_trial).canaries] == ["aborted", "promoted"]


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.sample(1)
def test_a_signal_ends_the_wait_and_not_the_canary(own_trial, number):
    write_model(own_trial, canary=ENDLESS)
    words = ["models", "canary", "start", f"trial@{BETTER}", "--wait", "--every", "1h", "-C", str(own_trial)]
    process = subprocess.Popen(
        [sys.executable, "-m", "featurectl", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    wait_until(lambda: state_of(own_trial).running_canary("trial") is not None)
    assert "0 of 300 requests" in process.stderr.readline() + process.stderr.readline()
    os.kill(process.pid, number)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "the canary of trial version 2 goes on" in out
    assert f"models canary start trial@{BETTER} --wait --env dev" in out
    assert state_of(own_trial).running_canary("trial") is not None


@pytest.mark.long
@pytest.mark.parametrize(("challenger", "code"), [("better", 0), ("shifted", 1)])
def test_with_a_server_and_clients_it_ends_as_the_figures_say(own_trial, challenger, code, capsys):
    write_model(own_trial)
    with running(own_trial, *OPTIONS, "--judge", "1h") as server, clients_of(server.url) as clients:
        wait_until(lambda: clients.answered_by(GOOD) > 20)
        began = time.monotonic()
        canary(own_trial, "start", f"trial@{NUMBER[challenger]}", "--wait", *EVERY, code=code)
        assert time.monotonic() - began < 90
    ended = state_of(own_trial).canaries[-1]
    assert ended.state == ("rolled_back" if code else "promoted")
    assert ended.figures["challenger"]["requests"] >= 100
    assert ended.state.replace("_", " ") in capsys.readouterr().out
