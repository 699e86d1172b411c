"""A repository with two environments: `dev` in its own folder, `prod` where variables say."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from featurectl.cli.main import main

NOW = "2026-01-08T00:00:00Z"
PROJECT = f"""project: shop
environments:
  dev:
    registry: sqlite:///.featurectl/registry.db
    offline: .featurectl/offline
    online: sqlite:///.featurectl/online.db
    now: {NOW}
    data_roots: [..]
  prod:
    registry: ${{REGISTRY_URL}}
    offline: ${{OFFLINE_STORE}}/tables
    online: ${{ONLINE_URL}}
    now: {NOW}
    data_roots: [..]
"""
OBJECTS = """entities:
  - {name: customer, keys: {customer: string}}
sources:
  - name: orders
    path: ${DATA_FOLDER:-data}/orders.csv
    event_time: ordered_at
    columns: {customer: string, ordered_at: timestamp, amount: float64}
  - name: visits
    sql: {url: "${WAREHOUSE_URL}", query: "select customer, seen_at, pages from visits"}
    event_time: seen_at
    columns: {customer: string, seen_at: timestamp, pages: int64}
  - {name: asks, path: data/asks.csv, event_time: at, columns: {customer: string, at: timestamp, paid: bool}}
feature_views:
  - name: spend
    entity: customer
    source: orders
    aggregates: [{op: count, windows: [7d]}, {column: amount, op: sum, windows: [7d]}]
  - {name: last_visit, entity: customer, source: visits, features: [pages]}
models:
  - name: pays
    spine: {source: asks, time: at, label: {name: paid}}
    features: [{spend: [count_7d, amount_sum_7d]}, {last_visit: [pages]}]
    trainer: {estimator: lightgbm.LGBMClassifier, params: {n_estimators: 2, min_child_samples: 2, verbose: -1}}
tests:
  - name: an order counts from its own moment
    view: spend
    rows: [{customer: a, ordered_at: 2026-01-01T00:00:00Z, amount: 2}]
    spine: [{customer: a, time: 2026-01-01T00:00:01Z}]
    expect: [{count_7d: 1, amount_sum_7d: 2.0}]
"""
ORDERS = "".join(f"{'abc'[i % 3]},2026-01-0{1 + i // 6}T{10 + i % 6}:00:00Z,{i}.5\n" for i in range(36))
ASKS = "".join(f"{'abc'[i % 3]},2026-01-0{2 + i // 8}T09:00:00Z,{'true' if i % 2 else 'false'}\n" for i in range(40))
VISITS = [(c, f"2026-01-0{d}T08:00:00Z", d) for c in "abc" for d in range(1, 8)]


@dataclass(frozen=True)
class Ran:
    """What a command printed on each stream, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def result(self) -> dict[str, object]:
        """The result of a command that was asked for JSON."""
        return json.loads(self.out)["result"]


@dataclass
class Repository:
    """A repository, and the environment variables that its commands see beside those of a plain shell."""

    root: Path
    variables: Mapping[str, str] = field(default_factory=dict)

    def run(self, *argv: str) -> Ran:
        """Run one command in the repository's folder."""
        out, err = io.StringIO(), io.StringIO()
        with (
            _environ(self.variables),
            contextlib.chdir(self.root),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            code = main(list(argv))
        return Ran(code, out.getvalue(), err.getvalue())

    def done(self, *argv: str) -> Ran:
        """Run one command that must succeed."""
        ran = self.run(*argv)
        assert ran.code == 0, (argv, ran)
        return ran

    def change(self, old: str, new: str, name: str = "objects.yaml") -> None:
        """Change the text of a file."""
        text = (self.root / name).read_text()
        assert old in text
        (self.root / name).write_text(text.replace(old, new))


NAMES = ("REGISTRY_URL", "OFFLINE_STORE", "ONLINE_URL", "WAREHOUSE_URL", "DATA_FOLDER")


@contextlib.contextmanager
def _environ(variables: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    for name in NAMES:
        os.environ.pop(name, None)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def write_repository(root: Path) -> Path:
    """Write the repository's files and return its folder."""
    (root / "data").mkdir(parents=True)
    (root / "featurectl.yaml").write_text(PROJECT)
    (root / "objects.yaml").write_text(OBJECTS)
    (root / "data" / "orders.csv").write_text(f"customer,ordered_at,amount\n{ORDERS}")
    (root / "data" / "asks.csv").write_text(f"customer,at,paid\n{ASKS}")
    return root


def write_warehouse(path: Path) -> str:
    """Write the database of the visits and return its URL."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.execute("create table visits (customer text, seen_at text, pages integer)")
        database.executemany("insert into visits values (?, ?, ?)", VISITS)
    return f"sqlite:///{path}"
