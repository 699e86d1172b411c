"""Tables of features over Iceberg: whatever happened to the table, runs give what one run that reads all gives."""

from __future__ import annotations

import random
from dataclasses import replace

import polars as pl
import pytest

from featurectl.core.units import HOUR_US
from featurectl.language.definitions.source import IcebergName
from featurectl.operations.materialize.range import Range, backfill_view
from tests.definitions import ARRIVALS, DELAYS, LATEST
from tests.operations.materialize.test_range import ENGINE, job
from tests.operations.materialize.test_view import SCHEMA, at, run
from tests.seeds import seeds_from
from tests.sources.lake import NAME, Lake
from tests.sources.lake_changes import change_by_chance

TABLE = replace(ARRIVALS, format="iceberg", path="", iceberg=IcebergName(table=NAME, catalog="sqlite:///catalog.db"))
LATER = replace(TABLE, available_at=None, delay_us=2 * HOUR_US)
SOURCES = {"delay": LATER, "copies": replace(LATER, dedup_key=("arr_delay",)), "available_at": TABLE}


def rows(*known: tuple[str, float, int, int]) -> pl.DataFrame:
    """(carrier, delay, event hour, available hour) each."""
    data = [(carrier, "JFK", delay, at(event), at(seen)) for carrier, delay, event, seen in known]
    return pl.DataFrame(data, schema=SCHEMA, orient="row")


def play(lake: Lake, source, view, seed: int, steps: int) -> None:
    chance, now, number, seen = random.Random(seed), 5, 0, 0
    for step in range(steps):
        count = chance.randint(1, 3)
        if source.available_at:  # whoever writes keeps the promise: later than all that was read
            made = [(chance.choice("AB"), float(number + n), now, max(seen, now) + 1 + n) for n in range(count)]
        else:
            hours = [now + chance.randint(-5, 5) for _ in range(count)]
            made = [(chance.choice("AB"), float(number + n), hour, hour) for n, hour in enumerate(hours)]
            if source.dedup_key and number:
                made = [(carrier, float(chance.randint(0, number)), hour, hour) for carrier, _, hour, _ in made]
        done = change_by_chance(lake, chance, rows(*made), "arr_delay", keeps=bool(source.available_at))
        number += count * (done == "append")
        if chance.random() < 0.6:
            now += chance.randint(0, 4)
            _, table = run(lake.root, view, source, hour=now)
            if chance.random() < 0.2:
                backfill_view_of(lake, source, view, now)
            seen = now
            whole = run(lake.root, view, source, offline=f"whole{step}", hour=now)[1]
            assert table.read().equals(whole.read()), (seed, step, done)


def backfill_view_of(lake: Lake, source, view, now: int) -> None:
    """Compute a range of the table again from what was read: it has the same rows afterwards."""
    made = job(lake.root, view, source)
    if made.table.coverage() is not None and made.table.coverage().parts:
        backfill_view(ENGINE, made, Range(since=at(now - 6)))


@pytest.mark.parametrize(
    ("first", "count", "steps"),
    [pytest.param(0, 2, 10, marks=pytest.mark.long), pytest.param(50, 30, 20, marks=pytest.mark.stress)],
)
@pytest.mark.parametrize("kind", SOURCES)
def test_any_history_of_a_table_gives_the_features_of_one_whole_run(tmp_path, kind, first, count, steps):
    for number, seed in enumerate(seeds_from(first, first + count)):
        lake = Lake(tmp_path / str(seed))
        lake.root.mkdir()
        lake.create(rows())
        source = SOURCES[kind]
        play(lake, source, DELAYS if number % 2 else LATEST, seed, steps)
