"""A repository whose features are renamed again and again, read through what `import featurectl` gives."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

import featurectl

PROJECT = """
project: PROJECT
environments:
  dev: {registry: "sqlite:///r.db", offline: off, online: "${ONLINE:-sqlite:///on.db}", now: 2026-01-08T00:00:00Z}
  prod: {registry: "sqlite:///p/r.db", offline: p/off, online: "sqlite:///p/on.db", now: 2026-01-08T00:00:00Z}
"""
SOURCES = """
entities: [{name: user, keys: {user: int64}}]
sources:
  - {name: orders, path: orders.csv, event_time: at, columns: {user: int64, at: timestamp, amount: float64, shop: string}}
feature_views:
"""  # noqa: E501  # lines of a file or a screen
EVENTS = """
  - name: payments
    entity: user
    source: orders
    aggregates:
      - {name: spend, op: sum, column: amount, windows: [7d, 1d]}
      - {name: big, op: count, column: amount, where: amount > 5, windows: [7d]}
    derived: [{name: ratio, expr: spend_7d / big_7d}]
"""
LATEST = """
  - name: latest
    entity: user
    source: orders
    features: [{name: total, expr: amount * 2}, {name: place, expr: shop}]
"""
MODEL = """
models:
  - name: m
    spine: {source: orders, time: at, label: {name: dear, expr: amount > 6}}
    features: [{payments: [spend_7d, ratio]}, {feature: "latest:total"}]
    trainer: {estimator: lightgbm.LGBMClassifier,
              params: {n_estimators: 5, num_threads: 1, verbose: -1, min_child_samples: 2}}
"""
RENAMED = (
    ("{name: spend,", "{name: paid, aliases: [spend],"),
    ("{name: big,", "{name: large, aliases: [big],"),
    ("{name: ratio, expr: spend_7d / big_7d}", "{name: share, aliases: [ratio], expr: paid_7d / large_7d}"),
    ("{name: total,", "{name: double, aliases: [total],"),
)
NAMES = {"spend_7d": "paid_7d", "spend_1d": "paid_1d", "big_7d": "large_7d", "ratio": "share", "total": "double"}
USERS = 5
SPINE = pl.DataFrame({"user": range(USERS), "event_time": ["2026-01-07T12:00:00Z"] * USERS}).with_columns(
    pl.col("event_time").str.to_datetime(time_zone="UTC")
)


class RenamedShop:
    """The repository of a folder."""

    def __init__(self, root: Path, objects: str, project: str = "shop") -> None:
        self.root = root
        rows = [f"{i % 4},2026-01-0{1 + i % 7}T0{i % 10}:00:00Z,{1 + i * 7 % 11},s{i % 3}" for i in range(60)]
        root.mkdir(parents=True, exist_ok=True)
        (root / "orders.csv").write_text("\n".join(["user,at,amount,shop", *rows]) + "\n")
        (root / "featurectl.yaml").write_text(PROJECT.replace("PROJECT", project))
        self.write(objects)

    def write(self, objects: str) -> None:
        """Write all objects but entities and sources."""
        (self.root / "o.yaml").write_text(SOURCES + objects)

    def change(self, *pairs: tuple[str, str]) -> None:
        """Replace texts of the objects that stand there once."""
        text = (self.root / "o.yaml").read_text()
        for old, new in pairs:
            assert text.count(old) == 1, (old, text)
            text = text.replace(old, new)
        (self.root / "o.yaml").write_text(text)

    def project(self, env: str = "dev") -> Any:
        """Return the project as callers of Python have it."""
        return featurectl.open_project(self.root, env)

    def bring_up(self, env: str = "dev") -> Any:
        """Apply and materialize; return the project."""
        project = self.project(env)
        project.apply(allow_breaking=[])
        project.materialize()
        return project

    def plan(self) -> Mapping[str, Any]:
        """Return the changes of the plan by the names of their objects."""
        changes = self.project().plan().plan.to_json()["changes"]
        return {change["name"]: change for change in changes}

    def tables(self) -> dict[str, int]:
        """Return every file of the offline tables, with the time of its last change."""
        files = (path for path in (self.root / "off").rglob("*") if path.is_file() and "runs" not in path.parts)
        return {str(path.relative_to(self.root)): path.stat().st_mtime_ns for path in files}

    def values(self, *features: str, env: str = "dev") -> dict[str, list[Any]]:
        """Return features of a training set, without a word on old names."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            rows = self.project(env).training_set(features=features, spine=SPINE).rows
        return {name: values for name, values in rows.to_dict(as_series=False).items() if name not in SPINE.columns}

    def online(self, view: str) -> dict[str, Any]:
        """Return the online values of a view, rows that nobody has included."""
        found = self.project().get(view, SPINE.select("user"))
        return {name: values for name, values in found.to_dict(as_series=False).items() if name != "user"}
