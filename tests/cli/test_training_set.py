"""`training-set` and `train` as they are run: labels over a horizon, outputs."""

from __future__ import annotations

import json
import os
from pathlib import Path

import polars as pl
import pytest

from featurectl.cli.main import main
from tests.bad_input.shop import PROJECT, Shop, copy_shop

OBJECTS = """entities:
  - {name: customer, keys: {customer: string}}
sources:
  - name: orders
    path: data/orders.csv
    event_time: ordered_at
    columns: {customer: string, ordered_at: timestamp, amount: float64}
  - {name: asks, path: data/asks.csv, event_time: at, columns: {customer: string, at: timestamp, n: int64}}
feature_views:
  - name: spend
    entity: customer
    source: orders
    refresh: 6h
    aggregates: [{op: count, windows: [1d]}, {column: amount, op: sum, windows: [1d]}]
  - {name: last_order, entity: customer, source: orders, features: [amount]}
models:
  - name: back
    spine:
      source: asks
      time: at
      label: {name: back, entity: customer, source: orders, op: count, horizon: 1d, expr: count > 0}
    features: [{spend: [count_1d, amount_sum_1d]}, {request: {n: int64}}]
    trainer: {estimator: lightgbm.LGBMClassifier, params: {n_estimators: 2, min_child_samples: 2, verbose: -1}}
"""
# Each customer orders at 10:00 of every other day; each is asked about at 09:00 and 12:00 of every day.
ORDERS = [f"{c},2026-01-{day:02}T10:00:00Z,{day}.5" for day in range(1, 8) for c in "abc" if (day + ord(c)) % 2]
ASKS = [f"{c},2026-01-{day:02}T{hour:02}:00:00Z,{day}" for day in range(1, 8) for hour in (9, 12) for c in "abc"]


@pytest.fixture(scope="session")
def asked(tmp_path_factory) -> Path:
    """The repository, applied and materialized."""
    root, before = tmp_path_factory.mktemp("asked"), Path.cwd()
    (root / "data").mkdir()
    (root / "featurectl.yaml").write_text(PROJECT)
    (root / "objects.yaml").write_text(OBJECTS)
    (root / "data/orders.csv").write_text("\n".join(["customer,ordered_at,amount", *ORDERS]) + "\n")
    (root / "data/asks.csv").write_text("\n".join(["customer,at,n", *ASKS]) + "\n")
    os.chdir(root)
    try:
        for argv in (["apply", "--auto-approve"], ["materialize"]):
            assert main(argv) == 0
    finally:
        os.chdir(before)
    return root


@pytest.fixture
def shop(asked, tmp_path, monkeypatch, capsys) -> Shop:
    root = copy_shop(asked, tmp_path / "shop")
    monkeypatch.chdir(root)
    return Shop(root, lambda: tuple(capsys.readouterr()))


def ran(shop: Shop, *argv: str):
    """Run a command that must succeed, and return what it did."""
    done = shop.run(*argv)
    assert done.code == 0, done.err
    return done


def manifest(name: str):
    return json.loads(Path(f"{name}.manifest.json").read_text())


def test_a_label_over_a_horizon_stands_last_and_the_manifest_counts_what_is_not_over_yet(shop):
    ran(shop, "training-set", "back", "--out", "o.parquet")
    rows = pl.read_parquet("o.parquet")
    assert rows.columns == ["customer", "at", "n", "count_1d", "amount_sum_1d", "back"]
    orders = pl.read_csv("data/orders.csv", try_parse_dates=True).rows()
    newest = max(at for _, at, _ in orders)
    for customer, at, _, _, _, back in rows.iter_rows():
        hours = [(other - at).total_seconds() / 3600 for key, other, _ in orders if key == customer]
        over = (newest - at).total_seconds() >= 24 * 3600
        assert back == (any(0 <= hour < 24 for hour in hours) if over else None), (customer, at)
    told = manifest("o.parquet")["label"]
    assert told == {
        "name": "back", "null": 9, "counts": {"true": 17, "false": 16}, "horizon": "1d", "immature": 9,
        "source": "orders", "watermark": "2026-01-07T10:00:00Z", "source_rows": told["source_rows"],
    }  # fmt: skip


def test_train_leaves_out_what_is_not_known_yet_and_what_looks_into_the_validation_period(shop):
    said = ran(shop, "train", "back", "-o", "json")
    version = json.loads(said.out)["result"]
    # 33 of 42 labels are known, until day 6, 09:00. The last quarter begins at day 5, 09:00: of the day before only
    # what was asked at 09:00 is decided by then.
    assert (version["rows_train"], version["rows_validation"]) == (3 * 2 * 3 + 3, 9)


def test_without_the_source_of_the_label_nothing_is_written(shop):
    (shop.root / "data/orders.csv").unlink()
    assert "error[FC501]" in shop.fails(1, "training-set", "back", "--out", "o.parquet")


def test_a_training_set_is_written_as_a_delta_table_that_keeps_its_older_versions(shop):
    ran(shop, "training-set", "back", "--out", "o.delta", "--until", "2026-01-03T00:00:00Z")
    ran(shop, "training-set", "back", "--out", "o.delta")
    ran(shop, "training-set", "back", "--out", "o.parquet")
    assert pl.read_delta("o.delta").equals(pl.read_parquet("o.parquet"))
    assert pl.read_delta("o.delta", version=0).height == 12
    assert manifest("o.delta")["file"]["sha256"] == manifest("o.parquet")["file"]["sha256"]
