"""A small repository with a trained model, to be served: users and merchants, orders and profiles."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from featurectl.cli.main import main

NOW = datetime(2026, 1, 8, tzinfo=UTC)
USERS, MERCHANTS = 60, 8
FILES = {
    "featurectl.yaml": """
project: clicks
environments:
  dev: {registry: "sqlite:///r.db", offline: off, online: "${ONLINE:-sqlite:///on.db}", now: "2026-01-08T00:00:00Z"}
  logged: {registry: "sqlite:///r.db", offline: off, online: "${ONLINE:-sqlite:///on.db}",
           now: "2026-01-08T00:00:00Z", prediction_log: {sample: 1.0}}
""",
    "views.yaml": """
entities:
  - {name: user, keys: {user: int64}}
  - {name: pair, keys: {user: int64, merchant: string}}
sources:
  - {name: orders, path: orders.parquet, event_time: at}
  - {name: profiles, path: profiles.parquet, event_time: at}
  - {name: asks, path: asks.parquet, event_time: at}
feature_views:
  - name: spend
    entity: user
    source: orders
    aggregates:
      - {op: count, windows: [1d, 7d]}
      - {column: amount, op: [sum, max], windows: [7d]}
      - {column: merchant, op: last, windows: [lifetime], freshness: {error_after: 100d}}
    derived: [{name: mean_7d, expr: amount_sum_7d / count_7d, freshness: {error_after: 20d}}]
    freshness: {warn_after: 1d, error_after: 30d}
  - name: profile
    entity: user
    source: profiles
    ttl: 5d
    features: [{name: tier, default: none}, age, born, joined]
  - name: bond
    entity: pair
    source: orders
    aggregates: [{op: count, windows: [7d]}]
models:
  - name: click
    spine: {source: asks, time: at, label: {name: clicked}}
    features:
      - spend: [count_7d, amount_sum_7d, mean_7d]
      - {feature: "profile:tier", as: tier, type: category}
      - {feature: "profile:age", as: age}
      - {view: bond, features: [count_7d], prefix: bond_}
      - request: {hour: int64, price: float64}
      - derived: [{name: price_share, expr: price / amount_sum_7d}]
    missing: {no_row: warn, stale: warn, max_age: 2d}
    trainer:
      estimator: lightgbm.LGBMClassifier
      params: {n_estimators: 20, num_leaves: 7, min_child_samples: 5, n_jobs: 1, verbose: -1}
      validation: {split: time, fraction: 0.25}
    output: {name: p_click}
""",
}


def write_clicks(root: Path) -> Path:
    """Write the repository with its data, and return its folder."""
    root.mkdir(parents=True, exist_ok=True)
    for name, text in FILES.items():
        (root / name).write_text(text)
    chance = random.Random(5)

    def at(days: float) -> datetime:
        return NOW - timedelta(days=chance.random() * days)

    orders = [
        (chance.randrange(USERS), f"m{chance.randrange(MERCHANTS)}", at(12), round(chance.random() * 50, 2))
        for _ in range(900)
    ]
    profiles = [
        (user, at(9), chance.choice(["gold", "blue", None]), chance.randrange(18, 90), at(9).date(), at(99))
        for user in range(USERS - 6)
        for _ in range(2)
    ]
    asks = []
    for _ in range(600):
        user, price = chance.randrange(USERS), round(chance.random() * 30, 2)
        clicked = chance.random() < (0.7 if price < 12 else 0.2)
        asks.append((user, f"m{chance.randrange(MERCHANTS)}", at(6), chance.randrange(24), price, clicked))
    frames = {
        "orders": pl.DataFrame(orders, schema=["user", "merchant", "at", "amount"], orient="row"),
        "profiles": pl.DataFrame(profiles, schema=["user", "at", "tier", "age", "born", "joined"], orient="row"),
        "asks": pl.DataFrame(asks, schema=["user", "merchant", "at", "hour", "price", "clicked"], orient="row"),
    }
    for name, frame in frames.items():
        frame.sort("at").write_parquet(root / f"{name}.parquet")
    return root


def build_clicks(root: Path) -> Path:
    """Apply, materialize and train, and return the folder."""
    run(root, "apply", "--auto-approve")
    run(root, "materialize")
    run(root, "train", "click")
    return root


def run(root: Path, *words: str) -> None:
    """Run a command, which must succeed."""
    assert main([words[0], "-C", str(root), "-q", *words[1:]]) == 0, words


def request_rows(count: int, seed: int = 1) -> list[dict]:
    """Rows to be scored; of some users nobody has heard."""
    chance = random.Random(seed)
    return [
        {
            "user": chance.randrange(USERS + 5),
            "merchant": f"m{chance.randrange(MERCHANTS + 1)}",
            "hour": chance.randrange(24),
            "price": round(chance.random() * 30, 2),
        }
        for _ in range(count)
    ]
