"""What happens to an Iceberg table by chance: appends, compactions, deletes, expiry, roll-backs, new columns."""

from __future__ import annotations

import random

import polars as pl
from pyiceberg.types import LongType

from tests.sources.lake import Lake

EXTRA = "extra"  # the column that comes some day


def change_by_chance(lake: Lake, chance: random.Random, rows: pl.DataFrame, column: str, *, keeps: bool = False) -> str:
    """Do one thing to a table and return what it was; an append adds `rows`.

    `column` has the numbers by which rows are deleted. `keeps`: no row that is there goes.
    """
    files, has_extra = lake.files(), EXTRA in lake.table.schema().column_names
    choices = (
        ["append"] * 5
        + ["rewrite"] * 3 * (len(files) > 1 and not has_extra)
        + ["expire"]
        + ["evolve"] * (not has_extra)
    )
    choices += ["cut", "delete", "roll back"] * (bool(files) and not keeps)
    done = chance.choice(choices)
    match done:
        case "append":
            lake.append(rows.with_columns(pl.lit(1, pl.Int64).alias(EXTRA)) if has_extra else rows)
        case "rewrite":
            lake.rewrite(chance.sample(files, chance.randint(1, len(files))))
        case "expire":
            lake.expire(chance.randint(1, 4), parents=chance.random() < 0.5)
        case "cut":
            lake.delete(f"{column} >= {chance.randint(0, 40)}")
        case "delete":
            lake.delete(f"{column} = {chance.randint(0, 40)}")
        case "roll back":
            current = lake.table.current_snapshot()
            parent = current.parent_snapshot_id if current else None
            if parent is not None and lake.table.snapshot_by_id(parent) is not None:
                lake.roll_back()
        case _ if chance.random() < 0.2:
            with lake.table.update_schema() as changed:
                changed.add_column(EXTRA, LongType())
    return done
