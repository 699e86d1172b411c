"""A small repository with pipelines, applied."""

from __future__ import annotations

from pathlib import Path

from featurectl.cli.main import main

PROJECT = """project: shop
environments:
  dev: {registry: "sqlite:///r.db", offline: off, online: "sqlite:///on.db"}
  prod: {registry: "sqlite:///r.db", offline: off2, online: "sqlite:///on2.db"}
"""
OBJECTS = """
entities: [{name: customer, keys: {customer: string}}]
sources: [{name: orders, path: orders.csv, event_time: at, columns: {customer: string, at: timestamp, amount: float64}}]
feature_views:
  - {name: spend, entity: customer, source: orders, aggregates: [{op: sum, column: amount, windows: [7d]}]}
notifiers: [{name: file, command: "tee -a told.jsonl"}]
"""
ORDERS = "customer,at,amount\nann,2026-01-01T10:00:00Z,3\nbob,2026-01-02T10:00:00Z,4\n"


def write_repository(root: Path, pipelines: str) -> None:
    """Write a shop with pipelines, and apply it."""
    root.mkdir(exist_ok=True)
    (root / "featurectl.yaml").write_text(PROJECT)
    (root / "objects.yaml").write_text(OBJECTS)
    (root / "pipelines.yaml").write_text(pipelines)
    (root / "orders.csv").write_text(ORDERS)
    for env in ("dev", "prod"):
        assert main(["apply", "--auto-approve", "-q", "-C", str(root), "--env", env]) == 0
