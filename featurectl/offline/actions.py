"""The data files of a version of a table, as its log has them."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Literal

import polars as pl
from deltalake import DeltaTable
from deltalake.transaction import RemoveAction

from featurectl.offline.files import BUCKET
from featurectl.pit.questions import EVENT_TIME


def files_of(table: DeltaTable) -> pl.DataFrame:
    """Return a row a data file: path, size_bytes, num_records, `partition.bucket`, and statistics of columns."""
    return pl.DataFrame(table.get_add_actions(flatten=True))


def paths_of(table: DeltaTable, bucket: int | None) -> list[str]:
    """Return the paths of the data files of a bucket, or of all."""
    files = files_of(table)
    chosen = files if bucket is None else files.filter(pl.col(f"partition.{BUCKET}") == bucket)
    return chosen["path"].to_list()


def event_end(files: pl.DataFrame, side: Literal["min", "max"]) -> datetime | None:
    """Return the least or greatest event time of all files; None when the log has none."""
    name = f"{side}.{EVENT_TIME}"
    if name not in files.columns:
        return None
    found = files[name].min() if side == "min" else files[name].max()
    return found if isinstance(found, datetime) else None


def removals(files: pl.DataFrame, bucket: int) -> list[RemoveAction]:
    """Return what takes the files of a bucket out of a table."""
    now = int(time.time() * 1000)
    return [
        RemoveAction(path, data_change=True, deletion_timestamp=now, size=size, partition_values={BUCKET: str(bucket)})
        for path, size in files.select("path", "size_bytes").rows()
    ]


def full_buckets(files: pl.DataFrame, most: int) -> dict[int, pl.DataFrame]:
    """Return the files of each bucket that has more than so many."""
    by_bucket = files.partition_by(f"partition.{BUCKET}", as_dict=True)
    return {int(key[0]): of for key, of in by_bucket.items() if of.height > most}
