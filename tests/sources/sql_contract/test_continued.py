"""A table begun by rows of SQLAlchemy that goes on by another driver is the one that this driver makes alone."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import psycopg
import pytest

from featurectl.sources.sql import drivers
from tests.model_shop import PROJECT, Shop

TYPES = """
a smallint, b integer, c real, d numeric(9,3), e numeric, f uuid, g jsonb, h date, i bool, j text, l mood
"""
VIEW = """
entities: [{name: key, keys: {k: string}}]
sources:
  - name: s
    sql: {url: "URL", query: "select k, at, known, a, b, c, d, e, f, g::text as g, h, i, j, l
      from t where KNOWN >= :since"}
    columns: {k: string, at: timestamp, known: timestamp, a: int64, b: int64, c: float64, d: "decimal(9,3)", e: float64,
      f: string, g: string, h: date, i: bool, j: string, l: string}
    event_time: at
    available_at: KNOWN
    tiebreak: [j, c]
    timezone: Europe/Berlin
    CLOCKS
feature_views:
  - {name: v, entity: key, source: s, features: [a, b, c, d, e, f, g, h, i, j, l]}
"""
INSERT = """
insert into t select 'k' || n % 7, timestamp '2026-01-01 00:00' + n / 3 * interval '1 minute',
  timestamptz '2026-01-02 00:00Z' + n * interval '1 minute', n % 100, nullif(n, 5), n * 0.1, n * 0.001,
  n / 7.0, ('00000000-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid, jsonb_build_object('n', n, 'ä', 1.10),
  date '2026-01-01' + n % 9, n % 2 = 0, repeat('x', n % 5), (array['low', 'high'])[1 + n % 2]::mood
from generate_series({}, {}) n
"""


def tables(root: Path) -> dict[str, pl.DataFrame]:
    """Return the rows of each offline table with all their columns, sorted."""
    logs = sorted(root.glob("off/**/_delta_log"))
    assert logs
    found = {str(log.parent.relative_to(root)): pl.read_delta(str(log.parent)) for log in logs}
    return {name: frame.sort(frame.columns) for name, frame in found.items()}


def make(root: Path, url: str, text: str, capsys, monkeypatch) -> Shop:
    root.mkdir()
    monkeypatch.chdir(root)
    (root / "featurectl.yaml").write_text(PROJECT)
    (root / "o.yaml").write_text(text.replace("URL", url))
    shop = Shop(root, capsys)
    shop.run("apply", "--auto-approve")
    return shop


@pytest.mark.parametrize("clocks", [
    pytest.param(("known", ""), id="available"),
    pytest.param(("at", "lateness: 1h\n    dedup_key: [k, at, j]"), id="lateness", marks=pytest.mark.long),
])  # fmt: skip
def test_a_table_goes_on_by_another_driver(tmp_path, postgres_url, capsys, monkeypatch, clocks):
    known, lines = clocks
    text = VIEW.replace("KNOWN", known).replace("CLOCKS", lines)
    if known == "at":
        text = text.replace("    available_at: at\n", "")
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("create type mood as enum ('low', 'high')")
        connection.execute(f"create table t (k text, at timestamp, known timestamptz, {TYPES})")
        connection.execute(INSERT.format(1, 500))
        begun = make(tmp_path / "begun", postgres_url, text, capsys, monkeypatch)
        with monkeypatch.context() as patched:
            patched.setattr(drivers, "DRIVERS", {})
            begun.run("materialize")
        alone = make(tmp_path / "alone", postgres_url, text, capsys, monkeypatch)
        alone.run("materialize")
        assert_same(tables(begun.root), tables(alone.root))
        connection.execute(INSERT.format(490, 700))
        for shop in (begun, alone):
            monkeypatch.chdir(shop.root)
            shop.run("materialize")
        assert_same(tables(begun.root), tables(alone.root))
        assert max(frame.height for frame in tables(alone.root).values()) >= 700


def assert_same(one: dict[str, pl.DataFrame], other: dict[str, pl.DataFrame]) -> None:
    assert one.keys() == other.keys()
    for name, frame in one.items():
        assert frame.schema == other[name].schema
        assert frame.equals(other[name], null_equal=True), name
