"""A project with a view of each way of materializing, whose sources are written file by file.

A row of a source is of a person and a place; views of people, of places of people, and of all rows are made of them.
"""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from featurectl.cli.main import main
from featurectl.language.definitions.json_form import load_view
from featurectl.operations.views import view_table
from featurectl.registry.applied import served_views
from featurectl.workspace.open import open_workspace

T0 = datetime(2026, 1, 1, tzinfo=UTC)
PEOPLE = ("ann-1e7", "bob-2f8", "cal-3a9")
Row = dict[str, Any]
PROJECT = """
project: shop
environments:
  dev: {registry: "sqlite:///r.db", offline: off, online: "sqlite:///on.db"}
"""
OBJECTS = """
entities:
  - {name: person, keys: {person: string}}
  - {name: visit, keys: {person: string, place: int64}}
sources:
  - name: grows
    path: grows/*.csv
    event_time: at
    available_at: known
    columns: COLUMNS
  - name: named
    path: grows/*.csv
    event_time: at
    available_at: known
    dedup_key: [id]
    columns: COLUMNS
  - {name: replaced, path: whole.csv, event_time: at, columns: COLUMNS}
  - {name: facts, path: facts.csv, columns: {who: string, paid: float64}}
  - name: asked
    event_time: at
    available_at: known
    sql: {url: "sqlite:///source.db", query: "select * from visits where known >= :since"}
    columns: COLUMNS
feature_views:
  - {name: spend, entity: person, source: grows, aggregates: [{column: paid, op: sum, windows: [7d]}]}
  - {name: visits, entity: visit, source: named, aggregates: [{op: count, windows: [7d]}]}
  - {name: last, entity: person, source: grows, features: [paid]}
  - {name: whole, entity: person, source: replaced, features: [paid]}
  - {name: fixed, entity: person, source: facts, join: {person: who}, features: [paid]}
  - {name: rows_of_query, entity: visit, source: asked, aggregates: [{op: count, windows: [7d]}]}
  - {name: anyone, source: grows, aggregates: [{op: count, windows: [7d]}]}
  - name: made
    entity: person
    source: [grows, facts]
    transform: "made.py:made"
    features: [{name: seen, type: int64}]
  - name: recent
    entity: person
    source: [grows, facts]
    transform: "made.py:made"
    lookback: 2d
    features: [{name: seen, type: int64}]
"""
COLUMNS = "{id: int64, person: string, place: int64, at: timestamp, known: timestamp, paid: float64}"
MADE = '''
"""How many rows of a person there are by each, and how many facts."""

import polars as pl


def made(grows, facts):
    known = facts.select(person="who").with_columns(fact=1)
    seen = grows.sort("person", "available_at", "event_time", "id").with_columns(seen=pl.lit(1, dtype=pl.Int64))
    return seen.join(known, on="person", how="left").select("person", "event_time", "available_at", "seen")
'''


def random_rows(count: int, rng: random.Random, first: int) -> list[Row]:
    """Return rows that become known within two days from a day on; some are copies of the one before."""
    rows: list[Row] = []
    for number in range(count):
        known = T0 + timedelta(days=first, minutes=rng.randrange(2880))
        if rows and rng.random() < 0.2:
            rows.append({**rows[-1], "known": max(rows[-1]["known"], known)})
            continue
        rows.append({
            "id": first * 100 + number, "person": rng.choice(PEOPLE), "place": rng.randrange(3),
            "at": known - timedelta(minutes=rng.randrange(300)), "known": known, "paid": rng.randrange(100) / 4,
        })  # fmt: skip
    return rows


def make_project(root: Path) -> None:
    """Write and apply a project whose sources are empty yet."""
    root.mkdir(exist_ok=True)
    for name, text in {
        "featurectl.yaml": PROJECT,
        "objects.yaml": OBJECTS.replace("COLUMNS", COLUMNS),
        "made.py": MADE,
    }.items():
        (root / name).write_text(text.lstrip("\n") if name.endswith("py") else text)


def write_sources(root: Path, files: Sequence[list[Row]], kept: Callable[[Row], bool] = lambda _: True) -> None:
    """Write the files of the sources, with the rows that are kept of each."""
    (root / "grows").mkdir(exist_ok=True)
    schema: dict[str, Any] = {"id": pl.Int64, "person": pl.String, "place": pl.Int64, "at": pl.Datetime("us", "UTC"),
              "known": pl.Datetime("us", "UTC"), "paid": pl.Float64}  # fmt: skip
    rows = [[row for row in some if kept(row)] for some in files]
    for number, some in enumerate(rows):
        pl.DataFrame(some, schema=schema).write_csv(root / "grows" / f"{number}.csv", datetime_format="%+")
    every = [row for some in rows for row in some]
    pl.DataFrame(every, schema=schema).write_csv(root / "whole.csv", datetime_format="%+")
    facts = [{"who": person, "paid": float(n)} for n, person in enumerate(PEOPLE)]
    facts = [row for row in facts if kept({"person": row["who"], "place": None, "at": None, "known": None})]
    text = pl.DataFrame(facts, schema={"who": pl.String, "paid": pl.Float64}).write_csv()
    if not (root / "facts.csv").exists():
        (root / "facts.csv").write_text(text)
    with closing(sqlite3.connect(root / "source.db")) as store:
        store.execute("drop table if exists visits")
        store.execute("create table visits (id int, person text, place int, at text, known text, paid real)")
        store.executemany("insert into visits values (?, ?, ?, ?, ?, ?)", [
            (r["id"], r["person"], r["place"], r["at"].isoformat(sep=" ")[:19], r["known"].isoformat(sep=" ")[:19],
             r["paid"]) for r in every])  # fmt: skip
        store.commit()


def run(root: Path, *words: str, code: int = 0) -> None:
    """Run a command in a project."""
    assert main([*words, "-C", str(root), "-q"]) == code, words


def tables(root: Path) -> dict[str, pl.DataFrame]:
    """Return the rows of all tables as they lie there: nothing that is known as erased is left out."""
    with open_workspace(root, None, None) as workspace:
        found = {}
        for item in served_views(workspace.state()):
            table = view_table(workspace.offline(), load_view(item.definition), item.version)
            table.known_erasures = None  # type: ignore[attr-defined]  # of what lies there, not of what is read
            found[item.name] = table.read()
        return found
