"""A repository whose online store and prediction log are to be spoiled: late orders, ties, windows' ends, a ttl."""

from __future__ import annotations

import json
import random
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from starlette.testclient import TestClient

from featurectl.cli.main import main
from featurectl.serving.process.start import open_app
from featurectl.serving.settings import ServeSettings
from tests.monitor.verify.injections import DAY, HOUR, NOW

USERS = 40
PROJECT = """
project: verified
environments:
  dev: {registry: "sqlite:///r.db", offline: off, online: "${ONLINE:-sqlite:///on.db}", now: "2026-01-08T00:00:00Z",
        prediction_log: {sample: 1.0}}
"""
VIEWS = """
entities: [{name: user, keys: {user: int64}}]
sources:
  - {name: orders, path: orders.parquet, event_time: at, available_at: seen}
  - {name: profiles, path: profiles.parquet, event_time: at}
  - {name: asks, path: asks.parquet, event_time: at}
feature_views:
  - name: spend
    entity: user
    source: orders
    refresh: 1d
    WHERE
    aggregates:
      - {op: count, windows: [1d, 7d]}
      - {column: amount, op: [sum, max], windows: [7d]}
  - {name: profile, entity: user, source: profiles, ttl: 5d, features: [{name: tier, default: none}, age]}
models:
  - name: buy
    spine: {source: asks, time: at, label: {name: bought}}
    features:
      - spend: [count_1d, count_7d, amount_sum_7d, amount_max_7d]
      - {feature: "profile:tier", as: tier, type: category}
      - {feature: "profile:age", as: age}
      - request: {hour: int64}
      - derived: [{name: share, expr: amount_max_7d / amount_sum_7d}]
    trainer:
      estimator: lightgbm.LGBMClassifier
      params: {n_estimators: 5, num_leaves: 4, min_child_samples: 5, n_jobs: 1, verbose: -1}
      validation: {split: time, fraction: 0.25}
"""
SECOND = "where: amount > 10"


def run(root: Path, *words: str, code: int = 0) -> None:
    """Run a command, which must end with a code."""
    assert main([words[0], "-C", str(root), "-q", *words[1:]]) == code, words


def verified(root: Path, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, Any]:
    """Run `verify`, and return its exit code and its result."""
    capsys.readouterr()
    code = main(["verify", "-C", str(root), "-q", "-o", "json", *words])
    document = json.loads(capsys.readouterr().out)
    assert document["exit_code"] == code
    return code, document["result"]


def write_shop(root: Path, seed: int = 4) -> Path:
    """Write the repository with its data, and return its folder."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "featurectl.yaml").write_text(PROJECT)
    (root / "views.yaml").write_text(VIEWS.replace("    WHERE\n", ""))
    chance = random.Random(seed)

    def at(days: float) -> timedelta:
        return timedelta(microseconds=chance.randrange(int(days * 86_400_000_000)))

    orders = []
    for _ in range(900):
        happened = NOW - at(12)
        known = happened + (timedelta(hours=chance.randrange(25, 60)) if chance.random() < 0.15 else at(0.02))
        orders.append((chance.randrange(USERS), happened, known, chance.randrange(1, 60)))
    for user in range(0, USERS, 2):  # at the very ends of windows
        orders += [(user, NOW - length, NOW - length, chance.randrange(1, 60)) for length in (DAY, 7 * DAY)]
    profiles = []
    for user in range(USERS - 4):
        when = NOW - at(9)
        profiles += [(user, when, chance.choice(["gold", "blue", None]), chance.randrange(18, 90)) for _ in range(2)]
        profiles.append((user, NOW - 9 * DAY - HOUR, "old", 17))
    asks = [(chance.randrange(USERS), NOW - at(5), chance.randrange(24), chance.random() < 0.4) for _ in range(300)]
    columns = {
        "orders": (orders, ["user", "at", "seen", "amount"]),
        "profiles": (profiles, ["user", "at", "tier", "age"]),
        "asks": (asks, ["user", "at", "hour", "bought"]),
    }
    for name, (rows, schema) in columns.items():
        pl.DataFrame(rows, schema=schema, orient="row").sort("at").write_parquet(root / f"{name}.parquet")  # type: ignore[arg-type]
    return root


def build_shop(root: Path) -> Path:
    """Apply, push as of a day before and as of now, train on the first version of `spend`; then there is a second."""
    run(root, "apply", "--auto-approve")
    run(root, "materialize", "--as-of", (NOW - DAY).isoformat())
    run(root, "materialize")
    run(root, "train", "buy")
    (root / "views.yaml").write_text(VIEWS.replace("WHERE", SECOND))
    run(root, "apply", "--auto-approve", "--allow-breaking", "spend")
    run(root, "materialize")
    return root


def request_rows(count: int, seed: int = 1) -> list[dict]:
    """Rows to be scored; of some users nobody has heard."""
    chance = random.Random(seed)
    return [{"user": chance.randrange(USERS + 3), "hour": chance.randrange(24)} for _ in range(count)]


def serve_rows(root: Path, rows: list[dict], **body: object) -> None:
    """Ask a server over the repository for scores, a request for every ten rows, and let it write its log."""
    with TestClient(open_app(ServeSettings(root=str(root), timeout_s=20.0))) as client:
        for start in range(0, len(rows), 10):
            answer = client.post("/v1/predict/buy", json={"rows": rows[start : start + 10], **body})
            assert answer.status_code == 200, answer.text
    for file in log_folder(root).rglob("[0-9]*.parquet"):  # the next server of this process counts its files anew
        file.rename(file.with_name(f"served-{uuid.uuid4()}.parquet"))


def log_folder(root: Path) -> Path:
    """Return where the predictions are."""
    return root / "off" / "verified" / "predictions" / "dev" / "buy"
