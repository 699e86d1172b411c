"""`featurectl models canary`: what it refuses, what it tells, what it does."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest

from featurectl.cli.main import main
from featurectl.workspace.open import open_workspace
from tests.serving.trial import NUMBER, build_trial, canary, run, state_of, status, write_model

BETTER = NUMBER["better"]


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    return build_trial(tmp_path_factory.mktemp("canary") / "repo")


@pytest.fixture
def root(made, tmp_path):
    return shutil.copytree(made, tmp_path / "repo")


def refused(root, capsys, *words, code=64):
    """The error of a command of the group, which changes nothing."""
    before = state_of(root)
    capsys.readouterr()
    assert main(["models", "canary", *words, "-C", str(root)]) == code
    assert state_of(root) == before
    return capsys.readouterr().err


@pytest.mark.long
def test_a_canary_is_started_for_the_share_of_the_model_or_of_the_command(root, capsys):
    canary(root, "start", "trial@2")
    out = capsys.readouterr().out
    assert "trial version 2 for 30% of the entities beside version 1, since " in out
    assert "for 2s: featurectl models canary status trial --env dev" in out
    found = state_of(root)
    assert found.aliases == {("trial", "champion"): 1, ("trial", "challenger"): 2}
    assert (found.canaries[0].percent, found.canaries[0].min_requests) == (30, 300)
    assert found.canaries[0].success.score_psi == 0.25
    canary(root, "abort", "trial")
    canary(root, "start", "trial@3", "--percent", "0")
    assert "trial version 3 in the shadow of version 1" in capsys.readouterr().out
    assert [item.percent for item in state_of(root).canaries] == [30, 0]


@pytest.mark.long
def test_a_version_that_fails_a_gate_of_now_gets_no_canary(root, capsys):
    path = root / "models.yaml"
    path.write_text(path.read_text().replace("    canary:", "    gates: {max_model_size_mb: 0.000001}\n    canary:", 1))
    run(root, "apply", "--auto-approve", "-q")
    before = state_of(root)
    capsys.readouterr()
    assert main(["models", "canary", "start", "trial@2", "--allow-pickle", "-C", str(root)]) == 1
    out = capsys.readouterr().out
    assert "max_model_size_mb" in out
    assert out.endswith("trial@2 fails 1 gate: no canary is begun.\n")
    assert state_of(root) == before


@pytest.mark.long
def test_the_canary_is_the_one_that_was_applied_not_the_one_of_the_file(root):
    path = root / "models.yaml"
    path.write_text(path.read_text().replace("percent: 30", "percent: 60"))
    canary(root, "start", "trial@2")
    assert state_of(root).canaries[0].percent == 30


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("start", "trial@"), "trial@: which version?"),
        (("start", "trial@2", "--wait", "--every", "soon"), "--every 'soon' is no length of time"),
        (("start", "trial@2", "--within", "2h"), "--within is how long --wait waits"),
        (("start", "trial@2", "--wait", "--within", "soon"), "--within 'soon' is no length of time"),
        (("start", "trial@2", "--wait", "--env", "unlogged"),
         "environment unlogged has no prediction log, which a canary is judged by"),
        (("start", "trail@2"), "no model 'trail' is applied in project trial"),
        (("start", "trial@99"), "model trial has no version '99'"),
        (("start", "trial@challenger"), "model trial has no version 'challenger'"),
        (("start", "trial@1"), "trial version 1 is the champion itself"),
        (("start", "trial@2", "--percent", "100.5"), "100.5 is no share in percent"),
        (("start", "trial@2", "--percent", "-1"), "-1 is no share in percent"),
        (("start", "trial@2", "--percent", "nan"), "nan is no share in percent"),
        (("start", "trial@2", "--percent", "100"), "with 100 percent nobody is left"),
        (("start", "trial@2", "--env", "unlogged"),
         "environment unlogged has no prediction log, which a canary is judged by"),
        (("status", "trail"), "no model 'trail' is applied"),
        (("promote", "trial"), "no canary of model trial is running"),
        (("abort", "trial"), "no canary of model trial is running"),
        (("abort", "trail"), "no model 'trail' is applied"),
    ],
)  # fmt: skip
def test_what_can_t_be_is_refused_with_what_to_do(root, capsys, words, told):
    error = refused(root, capsys, *words)
    assert told in error
    assert "  = " in error


def test_a_second_one_is_refused(root, capsys):
    canary(root, "start", "trial@2")
    said = refused(root, capsys, "start", "trial@3", code=75)
    assert "a canary of model trial is running: version 2 beside version 1, in dev" in said


def test_a_rejected_version_is_refused(root, capsys):
    with open_workspace(root, None, None, "unread") as workspace:
        version = workspace.state().model_version("trial", 2)
        number = workspace.registry().write_model_version("trial", replace(version, status="rejected"), []).version
    assert f"version {number} was rejected by its gates" in refused(root, capsys, "start", f"trial@{number}")


def test_a_model_without_a_canary_is_refused(root, capsys):
    write_model(root, canary=None)
    assert "model trial has no `canary:` as it is applied" in refused(root, capsys, "start", "trial@2")


def test_a_sample_of_nothing_is_no_log(root, capsys):
    path = root / "featurectl.yaml"
    path.write_text(path.read_text().replace("sample: 0.01", "sample: 0"))
    assert "has no prediction log" in refused(root, capsys, "start", "trial@2")


def test_a_canary_is_judged_where_it_is_served(root, capsys):
    canary(root, "start", "trial@2")
    told = "the canary of model trial is served by environment dev, not unlogged"
    for command in ("status", "promote", "abort"):
        assert told in refused(root, capsys, command, "trial", "--env", "unlogged")


def test_the_status_tells_of_both_sides_and_of_the_end(root, capsys):
    assert status(root, capsys) is None
    canary(root, "start", "trial@2")
    found = status(root, capsys)
    assert (found["state"], found["challenger"], found["figures"]["challenger"]["requests"]) == ("running", 2, 0)
    assert [item["name"] for item in found["figures"]["criteria"]] == [
        "latency_p99_ms", "error_rate_percent", "freshness", "score_psi",
    ]  # fmt: skip
    assert status(root, capsys, "--judge")["state"] == "running"
    canary(root, "abort", "trial")
    assert "aborted" in capsys.readouterr().out
    found = status(root, capsys)
    assert (found["state"], found["decided_at"] is not None) == ("aborted", True)
    capsys.readouterr()
    canary(root, "status", "trial")
    assert "\naborted 2" in capsys.readouterr().out


def test_a_canary_is_promoted_by_hand_with_an_entry_of_the_history(root, capsys):
    canary(root, "start", f"trial@{BETTER}")
    canary(root, "promote", "trial")
    assert state_of(root).aliases == {("trial", "champion"): BETTER, ("trial", "previous"): 1}
    capsys.readouterr()
    run(root, "history")
    lines = capsys.readouterr().out.splitlines()
    assert "models canary promote: trial v2 canary promoted: by " in lines[1]
    assert "models canary start: trial v2 as a canary for 30% of the entities, challenger -> v2" in lines[2]


def test_a_judge_of_cron_exits_1_when_it_rolls_back(root, capsys, monkeypatch):
    canary(root, "start", f"trial@{BETTER}")

    monkeypatch.setattr("featurectl.monitor.canary.lifecycle.judge_figures", _broken)
    assert status(root, capsys, "--judge", code=1)["state"] == "rolled_back"
    assert status(root, capsys)["reason"] == "nothing works"


def _broken(*_):
    from featurectl.monitor.canary.verdict import CanaryVerdict

    return CanaryVerdict(state="rolled_back", reason="nothing works")
