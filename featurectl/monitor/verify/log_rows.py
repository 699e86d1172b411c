"""The prediction log of a model version, read in batches of bounded size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import polars as pl

from featurectl.operations.prediction_log.event_columns import answered_at
from featurectl.operations.prediction_log.log_files import LogFile, read_batches, read_schema

BATCH_ROWS: Final = 100_000
TIME: Final = "time"
LOGGED: Final = "logged_at"
ERROR: Final = "error"
KNOWN: Final = "known_at"  # of predictions on events
_REQUEST: Final = "request"
_WHICH: Final = ("server", _REQUEST)
_SHARES: Final = 1 << 32


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSelection:
    """Which rows of a log are read: `since` <= `clock` < `until` (None: no end), and a share of the requests.

    `clock` is the instant of the features, of an event that of its prediction, or that of the request: they differ
    where a server runs at an instant.
    """

    clock: str = TIME
    since: datetime | None = None
    until: datetime | None = None
    sample: float = 1.0


def read_log(files: Sequence[LogFile], columns: Sequence[str], chosen: LogSelection) -> Iterator[pl.DataFrame]:
    """Yield some columns of the chosen rows of files, about 100,000 rows at a time, and `time` and `error`.

    Columns that the newest file lacks are left out; those that another lacks are null there.

    Raises:
        StoreError: FC603, a file can't be read.
    """
    if not files:
        return
    there = read_schema(files[-1])
    schema = {name: there[name] for name in (TIME, LOGGED, ERROR, *_WHICH, *columns) if name in there}
    kept = [name for name in dict.fromkeys([TIME, ERROR, *columns]) if name in there]
    waiting: list[pl.DataFrame] = []
    is_of_events = {KNOWN, LOGGED} <= schema.keys() and chosen.clock == TIME
    clock = answered_at() if is_of_events else pl.col(chosen.clock)
    for batch in read_batches(files, schema, lambda rows: _chosen(rows, chosen, clock).select(kept)):
        for rows in batch.iter_slices(BATCH_ROWS):
            waiting.append(rows)
            if sum(frame.height for frame in waiting) >= BATCH_ROWS:
                yield pl.concat(waiting)
                waiting = []
    if waiting:
        yield pl.concat(waiting)


def _chosen(rows: pl.LazyFrame, chosen: LogSelection, clock: pl.Expr) -> pl.LazyFrame:
    if chosen.since is not None:
        rows = rows.filter(clock >= chosen.since)
    if chosen.until is not None:
        rows = rows.filter(clock < chosen.until)
    if chosen.sample < 1:
        rows = rows.filter(pl.struct(_WHICH).hash(seed=0) % _SHARES < int(chosen.sample * _SHARES))
    return rows


def key_column(log: pl.DataFrame, name: str) -> pl.Series:
    """Return a key as the log has it: one that is named like a column of its own stands under another name."""
    other = f"{_REQUEST}.{name}"
    return log[other] if other in log.columns else log[name]
