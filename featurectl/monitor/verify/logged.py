"""The prediction log of a model version, read in batches of bounded size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import polars as pl

from featurectl.errors import StoreError, UsageError

BATCH_ROWS: Final = 100_000
TIME: Final = "time"
ERROR: Final = "error"
_REQUEST: Final = "request"
_SHARES: Final = 1 << 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Which rows of a log are read: `since` <= time < `until` (None: no end), and a share of the requests."""

    since: datetime | None = None
    until: datetime | None = None
    sample: float = 1.0


def log_versions(folder: Path) -> list[int]:
    """Return the versions of a model that have a log; `folder` is that of the model."""
    names = [place.name for place in folder.glob("v*") if place.is_dir()]
    return sorted(int(name[1:]) for name in names if name[1:].isdigit())


def read_log(folder: Path, columns: Sequence[str], chosen: Chosen) -> Iterator[pl.DataFrame]:
    """Yield some columns of the chosen rows of a version's log, about 100,000 rows at a time, and `time` and `error`.

    Columns that a file lacks are null. `folder` is that of the version.

    Raises:
        StoreError: FC603, a file can't be read.
    """
    waiting: list[pl.DataFrame] = []
    for file in sorted(folder.glob("????-??-??/[!.]*.parquet")):
        for rows in _read(file, columns, chosen).iter_slices(BATCH_ROWS):
            waiting.append(rows)
            if sum(frame.height for frame in waiting) >= BATCH_ROWS:
                yield pl.concat(waiting, how="diagonal_relaxed")
                waiting = []
    if waiting:
        yield pl.concat(waiting, how="diagonal_relaxed")


def _read(file: Path, columns: Sequence[str], chosen: Chosen) -> pl.DataFrame:
    try:
        scan = pl.scan_parquet(file)
        there = scan.collect_schema().names()
        if chosen.since is not None:
            scan = scan.filter(pl.col(TIME) >= chosen.since)
        if chosen.until is not None:
            scan = scan.filter(pl.col(TIME) < chosen.until)
        if chosen.sample < 1:
            drawn = pl.struct("server", _REQUEST).hash(seed=0) % _SHARES
            scan = scan.filter(drawn < int(chosen.sample * _SHARES))
        return scan.select(name for name in dict.fromkeys([TIME, ERROR, *columns]) if name in there).collect()
    except (OSError, pl.exceptions.PolarsError) as error:
        raise StoreError(f"the prediction log can't be read: {file.name}: {error}", code="FC603") from error


def key_column(log: pl.DataFrame, name: str) -> pl.Series:
    """Return a key as the log has it: one that is named like a column of its own stands under another name."""
    other = f"{_REQUEST}.{name}"
    return log[other] if other in log.columns else log[name]


def log_location(location: str, project: str, environment: str) -> Path:
    """Return the folder of an environment's prediction log.

    Raises:
        UsageError: it is in an object store.
    """
    if "://" in location:
        told = (
            f"the prediction log of environment {environment} is in an object store: only one in a folder is replayed"
        )
        raise UsageError(told, hint="featurectl verify --store compares the online store with the tables")
    return Path(location) / project / "predictions" / environment
