"""What the prediction log says of requests: latencies, errors, failures of the online store.

A row of the log is a prediction; all rows of a request come together, and each event is a request. What counts is
`time`, the instant of the features, which moves with `--as-of` of a server; of an event when it was predicted. Rows
that a canary is judged by are all there, of the others a share: each stands for as many as were left out. Shadow scores
are no answers and do not count.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import polars as pl

from featurectl.operations.prediction_log.event_columns import ANSWERED, answered_at
from featurectl.operations.prediction_log.log_files import PredictionLogFiles, read_batches

_ROWS: Final = pl.Schema(
    {
        **ANSWERED, "server": pl.String(), "request": pl.Int64(), "latency_ms": pl.Float64(),
        "fault": pl.Boolean(), "store_failed": pl.Boolean(), "error": pl.String(),
        "canary": pl.Int64(), "role": pl.String(),
    }
)  # fmt: skip
_OF_STORE: Final = "online store"  # said by every error of one, in files without the column `store_failed`


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestWindow:
    """The time that is looked at: after `since`, and not after `until`."""

    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Requests:
    """The requests of a model in a window: `latency_ms`, `fault`, `store` (the store failed), `error`, `weight`."""

    frame: pl.DataFrame

    @property
    def count(self) -> float:
        """How many there were, those that were not kept too."""
        return float(self.frame["weight"].sum())

    def latency_us(self, quantile: float) -> float | None:
        """Return the latency that a share of the requests has at most; None without requests."""
        if self.frame.is_empty():
            return None
        ordered = self.frame.sort("latency_ms")
        reached = ordered.filter(pl.col("weight").cum_sum() >= quantile * self.count * (1 - 1e-12))
        return float(reached["latency_ms"][0]) * 1000

    def error_rate(self) -> float | None:
        """Return the share that failed by the model's fault; None without requests."""
        return float(self.frame.filter("fault")["weight"].sum()) / self.count if self.count else None

    def store_errors(self) -> float:
        """Return how many failed because the online store did."""
        return float(self.frame.filter("store")["weight"].sum())

    def last_error(self, which: str) -> str:
        """Return the newest error of those that `fault` or `store` is true of; "" without one."""
        found = self.frame.filter(which).sort("time")["error"]
        return str(found[-1]) if len(found) else ""


def read_requests(log: PredictionLogFiles, window: RequestWindow, sample: float, *, moved: bool = False) -> Requests:
    """Return the requests for a model, whichever version answered.

    A file that was written before the window holds nothing of it, unless now is moved (`moved`).

    Raises:
        StoreError: FC603, a file can't be read.
    """
    files = log.files(since=None if moved else window.since)
    inside = (pl.col("time") > window.since) & (pl.col("time") <= window.until)
    found = read_batches(files, _ROWS, lambda rows: rows.with_columns(time=answered_at()).filter(inside))
    rows = pl.concat([pl.DataFrame(schema=_ROWS), *found])
    alone = pl.col("role").is_null() | (pl.col("role") != "shadow")
    weight = pl.when(pl.col("canary").is_null().any()).then(1 / sample).otherwise(1.0)
    requests = (
        rows.filter(alone)
        .group_by("server", "request")
        .agg(
            pl.col("time").max(),
            pl.col("latency_ms").max(),
            (pl.col("fault").fill_null(value=False)).any(),
            pl.col("store_failed").any(ignore_nulls=False),
            pl.col("error").drop_nulls().first(),
            weight.alias("weight"),
        )
    )
    said = pl.col("error").fill_null("").str.contains(_OF_STORE, literal=True) & ~pl.col("fault")
    return Requests(frame=requests.with_columns(pl.col("store_failed").fill_null(said).alias("store")))
