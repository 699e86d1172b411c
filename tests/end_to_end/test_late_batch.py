"""Every day 5 % of the rows come a day late: a run a day gives the tables and the online values of one full run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from featurectl.language.definitions.json_form import load_view
from featurectl.operations.views import view_table
from featurectl.registry.applied import served_views
from featurectl.workspace.open import open_workspace
from tests.end_to_end.flights import Repository
from tests.end_to_end.served import read_online

FIRST, DAYS, A_DAY, CARDS = datetime(2026, 1, 1, tzinfo=UTC), 5, 1_000, 60
LATE_SHARE = 0.05
OBJECTS = """entities:
  - {name: card, keys: {card: int64}}
sources:
  - name: swipes
    path: data/*.parquet
    event_time: at
    available_at: known_at
    dedup_key: [id]
    columns: {id: int64, card: int64, at: timestamp, known_at: timestamp, amount: float64, place: string}
feature_views:
  - name: spend
    entity: card
    source: swipes
    aggregates:
      - {op: count, windows: [1h, 1d, 3d, lifetime]}
      - {column: amount, op: [sum, mean, max, stddev, last, median], windows: [1d, 3d]}
      - {column: place, op: [count_distinct, approx_count_distinct], windows: [1d]}
      - {column: place, op: [last_n, top_k], n: 3, windows: [2d]}
  - {name: last_swipe, entity: card, source: swipes, ttl: 2d, features: [amount, {name: place, fill: last_non_null}]}
"""
PROJECT = """project: cards
environments:
  dev: {registry: "sqlite:///r.db", offline: off, online: "sqlite:///on.db"}
"""


def swipes() -> pl.DataFrame:
    """Rows of all days, in order of their events; one in twenty is known a day after the others of its hour."""
    count = DAYS * A_DAY
    place = pl.int_range(count)
    gap = timedelta(days=1) / A_DAY
    late = pl.Series(range(count)).sample(int(count * LATE_SHARE), seed=5).to_list()
    return pl.select(
        place.alias("id"),
        (place * 7919 % CARDS).alias("card"),
        (pl.lit(FIRST) + place * gap).dt.cast_time_unit("us").alias("at"),
        pl.when(place.is_in(late)).then(timedelta(days=1)).otherwise(timedelta(minutes=5)).alias("behind"),
        pl.when(place % 11 != 0).then((place * 31 % 1000) * 0.25).alias("amount"),
        pl.when(place % 7 != 0).then(pl.format("place {}", place * 13 % 97)).alias("place"),
    ).with_columns((pl.col("at") + pl.col("behind")).alias("known_at"))


def midnight(day: int) -> datetime:
    return FIRST + timedelta(days=day)


def write_known(root: Path, rows: pl.DataFrame, day: int, layout: str) -> None:
    """Write what became known up to the end of a day: that day's in a file of its own, or all in one file."""
    begin = FIRST if layout == "one file that grows" else midnight(day - 1)
    name = "all" if layout == "one file that grows" else f"{day:02}"
    known = pl.col("known_at").is_between(begin, midnight(day), closed="right")
    rows.filter(known).drop("behind").sample(fraction=1.0, shuffle=True, seed=day).write_parquet(
        root / "data" / f"{name}.parquet"
    )


def new_repository(root: Path) -> Repository:
    (root / "data").mkdir(parents=True)
    (root / "featurectl.yaml").write_text(PROJECT)
    (root / "objects.yaml").write_text(OBJECTS)
    repository = Repository(root)
    repository.run("apply", "--auto-approve")
    return repository


def contents(repository: Repository, at: datetime) -> dict[str, tuple[pl.DataFrame, list[dict[str, object]]]]:
    """Return each view's table and the online values of all cards at an instant."""
    cards, found = [(card,) for card in range(CARDS)], {}
    with open_workspace(repository.root, None, at) as workspace:
        for item in served_views(workspace.state()):
            table = view_table(workspace.offline(), load_view(item.definition), item.version).read()
            found[item.name] = (table, read_online(workspace, item.name, cards, at))
    return found


@pytest.mark.long
@pytest.mark.parametrize("layout", ["a file a day", "one file that grows"])
@pytest.mark.sample(1)
def test_a_late_batch_taken_by_increments_is_what_one_full_run_gives(tmp_path, layout):
    rows, now = swipes(), midnight(DAYS)
    stepped, whole = (new_repository(tmp_path / name) for name in ("stepped", "whole"))
    late_ones = 0
    for day in range(1, DAYS + 1):
        write_known(stepped.root, rows, day, layout)
        write_known(whole.root, rows, day, layout)
        made = {v["view"]: v for v in stepped.run("materialize", "--as-of", midnight(day).isoformat())["views"]}
        assert {v["action"] for v in made.values()} == {"first" if day == 1 else "append"}
        known = pl.col("known_at").is_between(midnight(day - 1), midnight(day), closed="right")
        assert {v["rows_written"] for v in made.values()} == {rows.filter(known).height}
        # They had happened before the run before, which could not know them.
        late_ones += rows.filter(known & (pl.col("at") < midnight(day - 1) - timedelta(minutes=5))).height
    assert late_ones > 0.7 * LATE_SHARE * rows.height
    made = whole.run("materialize", "--full", "--as-of", now.isoformat())["views"]
    assert {v["action"] for v in made} == {"first"}
    found, expected = contents(stepped, now), contents(whole, now)
    for view, (table, values) in expected.items():
        assert found[view][0].equals(table), view
        assert found[view][1] == values, view
    assert table.height == rows.filter(pl.col("known_at") <= now).height
    counts = [card["count_3d"] for card in expected["spend"][1]]
    assert sum(counts) == rows.filter((pl.col("at") >= midnight(DAYS - 3)) & (pl.col("known_at") <= now)).height
