"""A generated repository to be served: 15 features of a user in 3 views, a model of 200 trees, 1 M rows to be pushed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

NOW: Final = "2026-01-08T00:00:00Z"
_NOW_US: Final = int(datetime(2026, 1, 8, tzinfo=timezone.utc).timestamp() * 1e6)
_DAY_US: Final = 86_400_000_000
_INSTANT: Final = pl.Datetime("us", "UTC")
STATES: Final = {f"v{view}": [f"f{view}_{i}" for i in range(5)] for view in range(2)}
EVENTS: Final = ["count_7d", "amount_sum_7d", "amount_min_7d", "amount_max_7d", "amount_mean_7d"]
FEATURES: Final = [*(f"{view}:{name}" for view, names in STATES.items() for name in names),
                   *(f"spend:{name}" for name in EVENTS)]  # fmt: skip
BULK_FEATURES: Final = [f"b{i}" for i in range(15)]

_YAML: Final = """
project: bench
environments:
  dev: {registry: "sqlite:///r.db", offline: off, online: "${ONLINE:-sqlite:///online.db}", now: "NOW"}
entities:
  - {name: user, keys: {user: int64}}
  - {name: item, keys: {item: int64}}
sources:
  - {name: v0, path: data/v0.parquet, event_time: ts}
  - {name: v1, path: data/v1.parquet, event_time: ts}
  - {name: orders, path: data/orders.parquet, event_time: ts}
  - {name: bulk, path: data/bulk.parquet, event_time: ts}
  - {name: asks, path: data/asks.parquet, event_time: ts}
feature_views:
  - {name: v0, entity: user, source: v0, ttl: 30d, features: V0}
  - {name: v1, entity: user, source: v1, features: V1}
  - name: spend
    entity: user
    source: orders
    aggregates:
      - {op: count, windows: [7d]}
      - {column: amount, op: [sum, min, max, mean], windows: [7d]}
  - {name: bulk, entity: item, source: bulk, features: BULK}
models:
  - name: m
    spine: {source: asks, time: ts, label: {name: label}}
    features: [{v0: "*"}, {v1: "*"}, {spend: "*"}]
    trainer:
      estimator: lightgbm.LGBMClassifier
      params: {n_estimators: 200, num_leaves: 31, n_jobs: 2, verbose: -1, random_state: 1}
    output: {name: score}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is generated: entities of the views that are read, rows to train on, rows of the view that is pushed."""

    users: int = 100_000
    asks: int = 20_000
    bulk: int = 1_000_000


def write_repository(folder: Path, size: Size) -> None:
    """Write, apply, materialize and train the repository, unless it is there."""
    done = folder / "done.json"
    wanted = json.dumps([size.users, size.asks, size.bulk, _YAML])
    if done.exists() and done.read_text() == wanted:
        return
    assert not folder.exists() or not any(folder.iterdir()), f"{folder} holds something else: remove it"
    (folder / "data").mkdir(parents=True)
    named = {"V0": STATES["v0"], "V1": STATES["v1"], "BULK": BULK_FEATURES}
    text = _YAML.replace("NOW", NOW)
    for word, names in named.items():
        text = text.replace(word, json.dumps(names))
    head, _, rest = text.partition("entities:\n")
    (folder / "featurectl.yaml").write_text(head)
    (folder / "all.yaml").write_text("entities:\n" + rest)
    _write_data(folder / "data", size)
    for words in (["apply", "--auto-approve"], ["materialize"], ["train", "m"]):
        run(folder, "", *words)
    done.write_text(wanted)


def run(folder: Path, online: str, *words: str) -> None:
    """Run a command of featurectl, which must succeed; `online` is the URL of the online store."""
    environ = dict(os.environ) | ({"ONLINE": online} if online else {})
    command = [sys.executable, "-m", "featurectl", words[0], "-C", str(folder), "-q", *words[1:]]
    subprocess.run(command, env=environ, check=True, stdout=sys.stderr)


def _write_data(folder: Path, size: Size) -> None:
    random = np.random.default_rng(7)
    users = np.arange(size.users)
    for view, names in STATES.items():
        _write_state(folder / f"{view}.parquet", random, "user", users, names)
    _write_state(folder / "bulk.parquet", random, "item", np.arange(size.bulk), BULK_FEATURES)
    orders = np.concatenate([users, random.integers(0, size.users, 4 * size.users)])
    ts = np.sort(_NOW_US - random.integers(1, 7 * _DAY_US, len(orders)))
    amounts = random.gamma(2.0, 20.0, len(orders)).round(2)
    frame = pl.DataFrame({"user": random.permutation(orders), "ts": ts, "amount": amounts})
    frame.with_columns(pl.col("ts").cast(_INSTANT)).write_parquet(folder / "orders.parquet")
    asked = random.integers(0, size.users, size.asks)
    ts = np.sort(_NOW_US - random.integers(1, _DAY_US, size.asks))
    label = (asked % 7 < 3) ^ (random.random(size.asks) < 0.2)
    frame = pl.DataFrame({"user": asked, "ts": ts, "label": label})
    frame.with_columns(pl.col("ts").cast(_INSTANT)).write_parquet(folder / "asks.parquet")


def _write_state(path: Path, random: np.random.Generator, key: str, keys: np.ndarray, names: list[str]) -> None:
    columns = {key: keys, "ts": _NOW_US - random.integers(2 * _DAY_US, 9 * _DAY_US, len(keys))}
    columns |= {name: random.normal(size=len(keys)) + keys % 7 for name in names}
    pl.DataFrame(columns).with_columns(pl.col("ts").cast(_INSTANT)).write_parquet(path)
