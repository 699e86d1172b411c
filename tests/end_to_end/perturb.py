"""Change everything in a source that nobody could have known at an instant T, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from tests.end_to_end.flights import SOURCES, Repository

AVAILABLE = "available_at"
TICK = timedelta(microseconds=1)
OWN_CLOCKS = {"arrivals": ["sched_dep_at", "arrived_at"], "departures": ["departed_at"], "weather": ["observed_at"]}
KEYS = {"flight_id", "carrier", "flight_no", "tailnum", "origin", "dest", AVAILABLE}
MOVED_DAYS, LATER_DAYS = 30, 3


@dataclass(frozen=True)
class Perturbed:
    """How many rows of a source were left alone, and what was done with the others."""

    visible: int
    deleted: int
    changed: int
    moved: int
    added: int


def perturb_sources(repository: Repository, at: datetime, seed: int) -> dict[str, Perturbed]:
    """Rewrite the files of all sources with two clocks; what is visible at `at` stays to the byte, in another order."""
    return {name: _perturb_file(repository, name, at, seed + i) for i, name in enumerate(SOURCES)}


def _perturb_file(repository: Repository, name: str, at: datetime, seed: int) -> Perturbed:
    rows, chance = repository.rows(name), np.random.default_rng(seed)
    hidden = (pl.col(AVAILABLE) > at) | (pl.col(SOURCES[name]) > at)
    visible, later = rows.filter(~hidden), rows.filter(hidden)
    lot = pl.Series(chance.random(later.height))
    deleted, changed, moved = (lot < 0.25), (lot >= 0.25) & (lot < 0.5), (lot >= 0.5) & (lot < 0.75)
    kept = later.filter(~deleted & ~changed & ~moved)
    into_past = _with_later_report(_move(later.filter(moved), name, at, chance), at, chance)
    added = _added(name, visible, at, chance)
    parts = [visible, kept, _with_other_values(later.filter(changed), chance), into_past, *added]
    whole = pl.concat(parts).sample(fraction=1.0, shuffle=True, seed=seed)
    whole.write_parquet(repository.data(name))
    counts = (visible.height, int(deleted.sum()), int(changed.sum()), int(moved.sum()))
    return Perturbed(*counts, added=sum(part.height for part in added))


def _added(name: str, visible: pl.DataFrame, at: datetime, chance: np.random.Generator) -> list[pl.DataFrame]:
    """Return new rows that are not known at `at`: of the past, repeats of known events, and those at `at` itself."""
    some = visible.sample(min(3000, visible.height), seed=int(chance.integers(1 << 30)))
    late = _with_later_report(_with_other_values(some, chance), at, chance)
    half = late.height // 2
    fresh, repeats = _with_new_ids(late.head(half), 1_000_000), late.tail(late.height - half)
    if name == "weather":
        return [fresh, repeats]
    # A row stamped `at` and known at once is no part of a window that ends there: [t - w, t).
    edge = _with_new_ids(_with_other_values(some.head(300), chance), 2_000_000)
    return [fresh, repeats, edge.with_columns(pl.lit(at).alias(SOURCES[name]), pl.lit(at).alias(AVAILABLE))]


def _with_other_values(rows: pl.DataFrame, chance: np.random.Generator) -> pl.DataFrame:
    """Return the rows with every measured value replaced, some by null."""
    names = [name for name, dtype in rows.schema.items() if name not in KEYS and dtype.is_numeric()]
    columns = [pl.Series(name, chance.integers(-400, 2000, rows.height)).cast(rows.schema[name]) for name in names]
    holes = [pl.Series(chance.random(rows.height) < 0.9) for _ in names]
    return rows.with_columns(
        pl.when(hole).then(column).alias(column.name) for column, hole in zip(columns, holes, strict=True)
    )


def _move(rows: pl.DataFrame, name: str, at: datetime, chance: np.random.Generator) -> pl.DataFrame:
    """Return the rows as events of the month before `at`."""
    ago = pl.Series(chance.integers(0, MOVED_DAYS * 86_400_000_000, rows.height)).cast(pl.Duration("us"))
    return rows.with_columns((pl.lit(at) - ago).alias(clock) for clock in OWN_CLOCKS[name])


def _with_later_report(rows: pl.DataFrame, at: datetime, chance: np.random.Generator) -> pl.DataFrame:
    """Return the rows as reported after `at`, some of them by a microsecond."""
    after = chance.integers(1, LATER_DAYS * 86_400_000_000, rows.height)
    after[::5] = 1
    return rows.with_columns((pl.lit(at) + pl.Series(after).cast(pl.Duration("us"))).alias(AVAILABLE))


def _with_new_ids(rows: pl.DataFrame, first: int) -> pl.DataFrame:
    if "flight_id" not in rows.columns:
        return rows
    return rows.with_columns(pl.int_range(first, first + rows.height, dtype=pl.Int32).alias("flight_id"))


def differing_cells(before: pl.DataFrame, after: pl.DataFrame, names: Sequence[str]) -> dict[str, int]:
    """Return, by column, in how many rows two frames differ, to the last bit."""
    found = {name: int(before[name].ne_missing(after[name]).sum()) for name in names}
    return {name: count for name, count in found.items() if count}
