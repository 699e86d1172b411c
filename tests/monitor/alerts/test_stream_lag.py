"""Alerts on `stream_lag`: how old what is read online is, whoever works on the stream or does not."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from featurectl.cli.main import main
from featurectl.monitor.alerts.observation import Observation
from featurectl.monitor.alerts.stream_lags import stream_lag
from featurectl.streaming.session.applied_streams import applied_streams
from tests.streaming.session.swipes import OBJECTS, Swipes

ALERTED = OBJECTS + (
    "alerts: [{name: behind, when: stream_lag > 30s, severity: critical, notify: [file]}]\n"
    "notifiers: [{name: file, command: 'tee -a told.jsonl'}]\n"
)


def lag_after(swipes: Swipes, later: timedelta = timedelta()) -> Observation:
    with swipes.workspace() as workspace:
        state = workspace.state()
        later_on = replace(workspace, now=workspace.now + later)
        return stream_lag(later_on, state, applied_streams(state)["swipes"])


def checked(swipes: Swipes, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[dict[str, object]]]:
    capsys.readouterr()
    code = main(["-C", str(swipes.root), "monitor", "check", "-o", "json"])
    return code, json.loads(capsys.readouterr().out)["result"]["alerts"]


@pytest.mark.long
def test_a_stream_is_as_old_as_its_asof_or_since_it_was_applied(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    swipes = Swipes(root=tmp_path, objects=ALERTED)
    found = lag_after(swipes)
    assert (found.subject, found.value, "nothing was sent yet" in found.cause) == ("source:swipes", None, True)
    assert main(["-C", str(tmp_path), "monitor", "check", "-q"]) == 0
    swipes.send(2)
    found = lag_after(swipes, timedelta(minutes=5))
    assert (found.value or 0) > 300e6
    assert found.cause == "2 events wait in the topic, and no worker has begun with it"
    assert main(["-C", str(tmp_path), "stream", "run", "--once", "-q"]) == 0
    found = lag_after(swipes)
    assert (found.value or 60e6) < 30e6
    assert checked(swipes, capsys)[0] == 0
    swipes.send(1)
    found = lag_after(swipes, timedelta(minutes=2))
    assert (found.value or 0) > 120e6
    assert found.cause.startswith("1 event waits in the topic")


@pytest.mark.long
def test_an_alert_fires_and_names_the_source(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    swipes = Swipes(root=tmp_path, objects=ALERTED.replace("> 30s", "> 1ms"))
    swipes.send(2)
    code, _ = checked(swipes, capsys)
    assert code == 1
    [told] = (tmp_path / "told.jsonl").read_text().splitlines()
    assert '"subject": "source:swipes"' in told
    assert "2 events wait in the topic" in told


def test_the_rule_for_prometheus_is_of_the_workers(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    swipes = Swipes(root=tmp_path, objects=ALERTED)
    capsys.readouterr()
    assert main(["-C", str(swipes.root), "monitor", "rules"]) == 0
    said = capsys.readouterr().out
    where = 'project="shop", environment="dev"'
    assert f"featurectl_stream_asof_age_seconds{{{where}}} > 30" in said
