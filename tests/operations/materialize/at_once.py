"""A repository for runs at once, and a run that stops before the commit."""

from __future__ import annotations

import contextlib
import io
import sqlite3
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from featurectl.cli.main import main
from featurectl.language.definitions.json_form import load_view
from featurectl.offline.delta import ViewTable
from featurectl.operations.views import view_table
from featurectl.registry.applied import served_views
from featurectl.workspace.open import open_workspace

NOW = datetime(2026, 1, 31, tzinfo=UTC)
FILES = {
    "featurectl.yaml": """project: shop
environments:
  dev: {registry: "sqlite:///r.db", offline: off, online: "sqlite:///on.db", now: 2026-01-31T00:00:00Z}
""",
    "views.yaml": """entities:
  - {name: customer, keys: {customer: int64}}
sources:
  - name: orders
    path: data/*.parquet
    event_time: at
    available_at: known_at
    columns: {customer: int64, at: timestamp, known_at: timestamp, amount: float64}
feature_views:
  - name: spend
    entity: customer
    source: orders
    aggregates: [{op: count, windows: [7d, lifetime]}, {column: amount, op: [sum, last], windows: [30d]}]
""",
}
ROWS, CUSTOMERS = 3_000, 40


def write_repository(root: Path) -> Path:
    """Write the repository with one file of orders, apply it, and return its folder."""
    (root / "data").mkdir(parents=True)
    for name, text in FILES.items():
        (root / name).write_text(text)
    write_orders(root, 0)
    with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
        assert main(["apply", "--auto-approve", "-C", str(root)]) == 0
    return root


def write_orders(root: Path, number: int) -> None:
    """Write one more file of orders: of all days up to its own, known on its own."""
    place, day = pl.int_range(ROWS, eager=True), datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=number)
    known = pl.lit(day + timedelta(hours=20)).cast(pl.Datetime("us", "UTC"))
    frame = pl.DataFrame({"place": place}).select(
        (pl.col("place") * 7919 % CUSTOMERS).alias("customer"),
        (known - pl.duration(minutes=pl.col("place") * (number + 1))).alias("at"),
        known.alias("known_at"),
        (pl.col("place") * 0.25 + number).alias("amount"),
    )
    frame.write_parquet(root / "data" / f"{number:02}.parquet")


def table_of(root: Path) -> pl.DataFrame:
    """Return the rows of the view's offline table."""
    with open_workspace(root, None, NOW) as workspace:
        (item,) = served_views(workspace.state())
        return view_table(workspace.offline(), load_view(item.definition), item.version).read()


def online_rows(root: Path) -> list[tuple[str, bytes, bytes]]:
    """Return every row of the online store as it lies there: its view, its key, and its values with their clocks."""
    with contextlib.closing(sqlite3.connect(root / "on.db")) as store:
        return store.execute(
            "select v.view, entity, row from rows r join views v on r.view = v.id order by 1, 2"
        ).fetchall()


def materialize_slowly(root: str) -> int:
    """Run `featurectl materialize`: before it commits say so, and wait for a line. Return its exit code."""
    log = ViewTable._log  # noqa: SLF001  # stops between two steps of a commit

    def log_when_told(self: ViewTable, *args: object) -> int:
        print("ready", flush=True)  # noqa: T201  # the test waits for this line
        sys.stdin.readline()
        return log(self, *args)  # type: ignore[arg-type]

    ViewTable._log = log_when_told  # type: ignore[method-assign,assignment]  # noqa: SLF001  # stops between two steps of a commit
    return main(["materialize", "-C", root])
