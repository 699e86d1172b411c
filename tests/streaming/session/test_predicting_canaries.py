"""A challenger on events: an entity has the version that `serve` gives it, and workers alone end the canary."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from featurectl.operations.prediction_log.place import predictions_folder
from featurectl.predicting import followed_models
from featurectl.serving.process.source import WorkspaceSource
from featurectl.workspace.open import open_workspace
from tests.streaming.session import rules
from tests.streaming.session.predicted import PredictedSwipes, of_rule, predicting
from tests.streaming.session.swipes import wait_for

CANARY = (
    "    canary: {percent: 30, for: 2s, min_requests: 60, success: {latency_p99_ms: 600000, error_rate_percent: 2}}\n"
)
CARDS = [f"c{number}" for number in range(40)]


def trained(root: Path, lasts: str = "2s") -> PredictedSwipes:
    """A project with two versions, of which the first is the champion."""
    first, second = (of_rule(rule) + CANARY.replace("for: 2s", f"for: {lasts}") for rule in ("by_amount", "by_count"))
    swipes = PredictedSwipes(root=root, objects=first)
    swipes.apply(second)
    swipes.run("train", "fraud", "-q", "--allow-pickle")
    return swipes


def start(swipes: PredictedSwipes, percent: int) -> None:
    swipes.run("models", "canary", "start", "fraud@2", "--percent", str(percent), "--allow-pickle", "-q")


def send(swipes: PredictedSwipes) -> None:
    swipes.send_texts(*[swipes.event(card=card, amount=50.0) for card in CARDS])


def logged_predictions(swipes: PredictedSwipes) -> pl.DataFrame:
    with swipes.workspace() as workspace:
        files = [*Path(predictions_folder(workspace)).rglob("*.parquet")]
    return pl.concat([pl.read_parquet(file) for file in files], how="diagonal_relaxed")


@pytest.mark.long
@pytest.mark.parametrize("percent", [30, 0])
def test_entities_have_the_version_that_serve_gives_them(tmp_path: Path, percent: int):
    swipes = trained(tmp_path, lasts="9h")
    start(swipes, percent)
    with predicting(swipes):
        for _ in range(3):
            send(swipes)
        wait_for(lambda: swipes.predicted() == swipes.sent)
    with open_workspace(tmp_path, None, None, "unread") as workspace:
        source = WorkspaceSource(workspace, allow_pickle=True)
        served = source.load(source.state(), {}, None).canaries["fraud"]
    shares = {card: served.takes(served.entity({"card": card, "amount": 1.0})) for card in CARDS}
    assert {1 + shares[str(of["card"])] == of["version"] for of in swipes.predictions()} == {True}
    assert len(set(shares.values())) == (2 if percent else 1)
    log = logged_predictions(swipes)
    roles = {*log.select("card", "role").unique().rows()}
    answered = {(card, "challenger" if shares[card] else "champion") for card in CARDS}
    assert roles == answered | (set() if percent else {(card, "shadow") for card in CARDS})


@pytest.mark.long
@pytest.mark.parametrize("end", ["promoted", "rolled_back", "not loaded"])
def test_workers_alone_end_a_canary(tmp_path: Path, end: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(followed_models, "JUDGE_S", 1.0)
    monkeypatch.setattr(followed_models, "FOLLOW_S", 0.5)
    swipes = trained(tmp_path)
    start(swipes, 50)
    if end == "rolled_back":
        monkeypatch.setattr(rules, "FAILS", True)
    if end == "not loaded":
        monkeypatch.setattr(rules, "by_count", lambda matrix: matrix[:, 0] * 0)

    def has_ended() -> bool:
        send(swipes)
        with swipes.workspace() as workspace:
            return workspace.state().canaries[-1].state != "running"

    with predicting(swipes) as found:
        wait_for(has_ended)
        with swipes.workspace() as workspace:
            [run] = workspace.state().canaries
        champion = 2 if end == "promoted" else 1
        assert (run.state, run.model) == ("promoted" if end == "promoted" else "rolled_back", "fraud"), found.said

        def are_the_champions() -> bool:
            before = swipes.sent
            send(swipes)
            wait_for(lambda: swipes.predicted() == swipes.sent)
            return {of["version"] for of in swipes.predictions() if int(str(of["offset"])) >= before} == {champion}

        wait_for(are_the_champions)
    assert swipes.predicted() == swipes.sent
