"""What an erasure takes beside a rebuild: `python -m benchmarks.erasure [ROWS] [KEYS]`.

A view of so many rows of so many keys, materialized and pushed to SQLite. Then, each as a process of its own: what is
said before one key is erased (`--dry-run`), the erasure, an erasure of a key that has no rows, `--again` by the hashes
alone, and `materialize --full`, which is what one would do by hand once the source is clean.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import polars as pl

from benchmarks.pit.measure import run

_OBJECTS: Final = """
entities: [{name: key, keys: {k: string}}]
sources: [{name: events, path: events.parquet, event_time: at}]
feature_views:
  - name: v
    entity: key
    source: events
    aggregates: [{column: amount, op: sum, windows: [7d, 30d]}, {column: qty, op: mean, windows: [7d]}]
"""
_PROJECT: Final = """
project: bench
environments:
  dev: {registry: "sqlite:///r.db", offline: off, online: "sqlite:///on.db", now: 2025-01-01T00:00:00Z}
"""
_LIMIT_S: Final = 3_600
_BEGIN: Final = datetime(2024, 1, 1, tzinfo=UTC)


def main(rows: int, keys: int) -> None:
    """Print a line for each run."""
    with tempfile.TemporaryDirectory() as made:
        repo = Path(made)
        (repo / "featurectl.yaml").write_text(_PROJECT)
        (repo / "objects.yaml").write_text(_OBJECTS)
        _write_events(repo, rows, keys)
        for words in (["apply", "--auto-approve"], ["materialize"], ["push"]):
            run(["featurectl", *words], repo, _LIMIT_S)
        said = subprocess.run(
            [sys.executable, "-m", "featurectl", "erase", "key", "k=k7", "--dry-run", "-o", "json"],
            cwd=repo, check=True, capture_output=True, text=True,
        )  # fmt: skip
        size = json.loads(said.stdout)["result"]["bytes_rewritten"]
        table = sum(path.stat().st_size for path in (repo / "off").rglob("*.parquet"))
        print(f"{rows:,} rows, {keys:,} keys, table {table / 1e6:,.0f} MB, to rewrite {size / 1e6:,.1f} MB")
        print("| run | time | CPU | peak |\n|---|---|---|---|")
        _measure(repo, "what there is (--dry-run)", "erase", "key", "k=k7", "--dry-run")
        _measure(repo, "erase", "erase", "key", "k=k7")
        _measure(repo, "erase a key without rows", "erase", "key", "k=nobody")
        _measure(repo, "--again", "erase", "--again")
        _measure(repo, "materialize --full", "materialize", "--full")


def _write_events(repo: Path, rows: int, keys: int) -> None:
    number = pl.int_range(rows)
    frame = pl.select(
        k="k" + (number * 7_919 % keys).cast(pl.String),
        at=pl.lit(_BEGIN) + pl.duration(seconds=number * 300 * 86_400 // rows),
        amount=number * 0.25,
        qty=number % 97,
    )
    frame.write_parquet(repo / "events.parquet")


def _measure(repo: Path, what: str, *words: str) -> None:
    cost = run(["featurectl", *words], repo, _LIMIT_S)
    took = f"{cost.seconds:.2f} s | {cost.cpu_seconds:.2f} s | {cost.peak_mb:,.0f} MiB"
    print(f"| {what} | {cost.failed or took} |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("rows", type=int, nargs="?", default=5_000_000)
    parser.add_argument("keys", type=int, nargs="?", default=200_000)
    given = parser.parse_args()
    main(given.rows, given.keys)
