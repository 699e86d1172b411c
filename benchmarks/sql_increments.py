"""What increments of a query by event time take: `python -m benchmarks.sql_increments [ROWS] [--memory SIZE]`.

A table of so many rows of a PostgreSQL that is started here, with a `lateness` of an hour; then a run without new rows,
one with a thousand, and one with a thousand of which two that were read are gone. Each is a process of its own.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import psycopg

from benchmarks.pit.measure import run
from tests.servers.postgres import started_postgres

_ROWS: Final = """
select g::bigint as id, 'k' || g % 100000 as k, timestamptz '2024-01-01' + g * interval '1 second' as at,
  g * 0.25::double precision as amount, (g % 100000 * 0.01)::numeric(12, 2) as price, (g % 97)::int as qty,
  'a text of some length ' || g % 1000 as note, g % 3 = 0 as ok
from generate_series({}, {}) g
"""
_OBJECTS: Final = """
entities: [{name: key, keys: {k: string}}]
sources: [{name: events, event_time: at, dedup_key: [id], lateness: 1h, sql: {url: "URL", query: "QUERY"}}]
feature_views:
  - {name: v, entity: key, source: events, online: false, features: [id, amount, price, qty, note, ok]}
"""
_QUERY: Final = "select * from events where at >= :since"
_PROJECT: Final = """
project: bench
environments:
  dev: {registry: "sqlite:///r.db", offline: off, online: "sqlite:///on.db", now: 2030-01-01T00:00:00Z}
"""
_LIMIT_S: Final = 3_600
_NEW: Final = 1_000


def main(rows: int, memory: str) -> None:
    """Print a line for each run."""
    print("| run | time | CPU | peak |\n|---|---|---|---|")
    with started_postgres() as server, tempfile.TemporaryDirectory() as made:
        repo = Path(made)
        (repo / "featurectl.yaml").write_text(_PROJECT)
        (repo / "objects.yaml").write_text(_OBJECTS.replace("URL", server.url).replace("QUERY", _QUERY))
        _run(server.url, f"create unlogged table events as {_ROWS.format(1, rows)}", "create index on events(at)")
        run(["featurectl", "apply", "--auto-approve"], repo, _LIMIT_S)
        _measure(repo, "first", memory)
        _measure(repo, "nothing new", memory)
        _run(server.url, f"insert into events {_ROWS.format(rows + 1, rows + _NEW)}")
        _measure(repo, f"{_NEW:,} new", memory)
        gone = f"delete from events where id in ({rows - 5}, {rows + 5})"
        _run(server.url, gone, f"insert into events {_ROWS.format(rows + _NEW + 1, rows + 2 * _NEW)}")
        _measure(repo, f"{_NEW:,} new, 2 gone", memory)


def _run(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def _measure(repo: Path, what: str, memory: str) -> None:
    limit: Sequence[str] = ["--memory", memory] if memory else []
    cost = run(["featurectl", "materialize", *limit], repo, _LIMIT_S)
    took = f"{cost.seconds:.2f} s | {cost.cpu_seconds:.2f} s | {cost.peak_mb:,.0f} MiB"
    print(f"| {what} | {cost.failed or took} |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("rows", type=int, nargs="?", default=3_000_000)
    parser.add_argument("--memory", default="512MiB")
    given = parser.parse_args()
    main(given.rows, given.memory)
