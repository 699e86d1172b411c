"""A repository with a model of several versions, for canaries: users with orders, scored by functions of the tests."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from benchmarks.canary.clients import Clients
from featurectl.cli.main import main
from featurectl.registry.state import State
from featurectl.workspace.open import open_workspace

NOW = datetime(2026, 1, 8, tzinfo=UTC)
USERS = 1_500
RATE = 300.0  # requests a second of the clients
VERSIONS = ("good", "better", "slow", "failing", "shifted", "blocking", "gaps")  # numbered from 1
NUMBER = {name: number for number, name in enumerate(VERSIONS, 1)}
ENVIRONMENTS = """
project: trial
environments:
  dev: {registry: "sqlite:///r.db", offline: off, online: "sqlite:///on.db", now: "2026-01-08T00:00:00Z",
        prediction_log: {sample: 0.01}}
  unlogged: {registry: "sqlite:///r.db", offline: off, online: "sqlite:///on.db", now: "2026-01-08T00:00:00Z"}
"""
VIEWS = """
entities: [{name: user, keys: {user: int64}}]
sources:
  - {name: orders, path: orders.parquet, event_time: at}
  - {name: asks, path: asks.parquet, event_time: at}
feature_views:
  - name: spend
    entity: user
    source: orders
    aggregates: [{op: count, windows: [30d]}, {column: amount, op: sum, windows: [30d]}]
"""
MODEL = """
models:
  - name: trial
    spine: {source: asks, time: at, label: {name: clicked}}
    features: [{spend: "*"}, {request: {price: float64}}]
    allow_pickle: true
    trainer: {estimator: "tests.serving.challengers:FUNCTION", validation: {split: time, fraction: 0.25}}
    canary: CANARY
"""
CANARY = (
    "{percent: 30, for: 2s, min_requests: 300, success: "
    "{latency_p99_ms: 1500, error_rate_percent: 0.5, freshness: 2h, score_psi: 0.25}}"
)


def write_model(root: Path, function: str = "good", canary: str | None = CANARY) -> None:
    """Write the model with another function or canary, and apply it."""
    text = MODEL.replace("FUNCTION", function).replace("CANARY", canary or "")
    (root / "models.yaml").write_text(text if canary else text.replace("    canary: \n", ""))
    run(root, "apply", "--auto-approve")


def build_trial(root: Path) -> Path:
    """Write the repository, apply, materialize and push it, train every version, and return its folder."""
    root.mkdir(parents=True)
    (root / "featurectl.yaml").write_text(ENVIRONMENTS)
    (root / "views.yaml").write_text(VIEWS)
    chance = random.Random(3)
    at = [NOW - timedelta(days=chance.random() * 9) for _ in range(USERS)]
    amounts = [round(chance.random() * 80, 2) for _ in range(USERS)]
    orders = {"user": range(USERS), "at": at, "amount": amounts}
    asks = {
        "user": range(200),
        "at": sorted(at[:200]),
        "price": [1.0, 2.0] * 100,
        "clicked": [True, False, False, True] * 50,
    }
    pl.DataFrame(orders).sort("at").write_parquet(root / "orders.parquet")
    pl.DataFrame(asks).write_parquet(root / "asks.parquet")
    write_model(root)
    run(root, "materialize")
    run(root, "push", "--env", "unlogged")
    for name in VERSIONS:
        write_model(root, name)
        run(root, "train", "trial")
    write_model(root)
    return root


def run(root: Path, *words: str, code: int = 0) -> None:
    """Run a command, which must end with a code."""
    assert main([*words, "-C", str(root), "-q"]) == code, words


def canary(root: Path, *words: str, code: int = 0) -> None:
    """Run a command of `models canary`."""
    run(root, "models", "canary", *words, code=code)


def status(root: Path, capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> dict:
    """Return what `models canary status` tells as JSON."""
    capsys.readouterr()
    canary(root, "status", "trial", "-o", "json", *words, code=code)
    return json.loads(capsys.readouterr().out)["result"]["canary"]


def state_of(root: Path) -> State:
    """The project as its registry has it."""
    with open_workspace(root, None, None, "unread") as workspace:
        return workspace.state()


def wait_until(is_so: Callable[[], bool], limit_s: float = 90.0) -> None:
    """Wait until something is so."""
    end = time.monotonic() + limit_s
    while not is_so():
        assert time.monotonic() < end, "it never became so"
        time.sleep(0.05)


def wait_for_end(root: Path, limit_s: float = 90.0) -> Any:
    """Wait until the newest canary has ended, and return it."""
    wait_until(lambda: state_of(root).canaries[-1].state != "running", limit_s)
    return state_of(root).canaries[-1]


def clients_of(url: str) -> Clients:
    """Clients that ask for one user each time, all of them in turn."""
    chance = random.Random(5)
    return Clients(
        url, "trial", [{"user": user, "price": round(chance.random() * 3, 2)} for user in range(USERS)], 4, RATE
    )
