"""An applied repository in which each kind of object is, with two versions of a view and one of a model."""

from __future__ import annotations

from pathlib import Path

from featurectl.cli.main import main
from tests.prepared import make_once

NOW = "2026-01-20T00:00:00Z"
PROJECT = f"""
project: shop
environments:
  dev: {{registry: "sqlite:///r.db", offline: off, online: "sqlite:///on.db", now: {NOW}}}
"""
OBJECTS = """
entities:
  - {name: customer, keys: {customer: string}, description: Who buys., owner: ana@example.com, tags: [people]}
  - {name: customer_day, keys: {customer: string, day: date}}
sources:
  - name: orders
    description: One row an order.
    path: orders.csv
    event_time: ordered_at
    columns: {customer: string, day: date, ordered_at: timestamp, status: string, amount: float64}
    freshness: {warn_after: 1h, error_after: 6h}
    checks: [{column: customer, not_null: true}]
feature_views:
  - name: spend
    description: What a customer spends.
    entity: customer
    source: orders
    where: WHERE
    aggregates:
      - {op: count, windows: [7d], description: How many orders.}
      - {column: amount, op: [sum, mean], windows: [7d, lifetime]}
      - {column: amount, op: percentile, q: 0.9, windows: [3d], offset: 1d, where: status = 'paid', name: high}
    derived: [{name: per_order, expr: amount_sum_7d / count_7d}]
    freshness: {warn_after: 1d, error_after: 2d}
    refresh: 1h
    owner: growth@example.com
    tags: [money]
  - name: last_order
    entity: customer_day
    source: orders
    ttl: 2d
    features: [{name: amount, default: 0}, status, {name: at, expr: ordered_at}]
  - {name: history, entity: customer, source: orders, online: false, features: [amount]}
models:
  - name: big
    description: Will the next order be a big one?
    spine: {source: orders, time: ordered_at, label: {name: is_big, expr: amount > 20}}
    features:
      - {feature: "spend:per_order"}
      - {feature: "spend:count_7d", as: n}
      - {feature: "history:amount", as: before}
    trainer:
      estimator: lightgbm.LGBMClassifier
      params: {n_estimators: 5, num_threads: 1, verbose: -1, min_child_samples: 2}
      validation: {split: time, fraction: 0.25}
    gates: {max_model_size_mb: 10}
    owner: growth@example.com
pipelines:
  - name: nightly
    schedule: "0 3 * * *"
    description: Features, then a model.
    stages:
      - {name: features, run: materialize spend, on_failure: [ops]}
      - {name: train, run: train big, needs: [features]}
    tags: [money]
deployments:
  - {name: inference, run: serve, replicas: {min: 2, max: 5, cpu: 0.7}, resources: {cpu: 2, memory: 2Gi}}
alerts:
  - {name: old_spend, when: "freshness > 1d", severity: warning, notify: [ops], views: [spend]}
notifiers:
  - {name: ops, slack: "https://hooks.slack.com/services/T0/B0/secret"}
"""
CUSTOMERS = 7
ORDERS = 60


def write_files(root: Path, where: str = "amount >= 0") -> None:
    """Write the repository's files and its rows."""
    rows = [
        f"c{i % CUSTOMERS},2026-01-{1 + i // 5:02},2026-01-{1 + i // 5:02}T{i % 20:02}:00:00Z,"
        f"{'paid' if i % 3 else 'open'},{'' if i % 11 == 10 else f'{i * 0.7:.2f}'}"
        for i in range(ORDERS)
    ]
    (root / "orders.csv").write_text("\n".join(["customer,day,ordered_at,status,amount", *rows]) + "\n")
    (root / "featurectl.yaml").write_text(PROJECT)
    (root / "objects.yaml").write_text(OBJECTS.replace("WHERE", where))


def make_shop(root: Path) -> None:
    """Make a shop that is trained and materialized, or copy the one that was made."""
    make_once(PROJECT + OBJECTS, root, lambda: build_shop(root))


def build_shop(root: Path) -> None:
    """Apply it, materialize it and train its model; then another version of `spend` is applied, and materialized."""
    write_files(root)
    run(root, "apply", "--auto-approve")
    run(root, "materialize")
    run(root, "train", "big")
    write_files(root, "amount >= 1")
    run(root, "apply", "--auto-approve", "--allow-breaking", "spend")
    run(root, "materialize")


def run(root: Path, *words: str) -> None:
    """Run a command of the repository, which has to end well."""
    assert main([*words, "-q", "-C", str(root)]) == 0, words
