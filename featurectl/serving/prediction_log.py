"""The prediction log: what was asked, read and answered, as Parquet files, written beside the requests.

    <offline>/<project>/predictions/<env>/<model>/v<version>/<day>/<time>-<host>-<process>-<number>.parquet

A row is a prediction. Columns: `logged_at` (the clock), `time` (the instant of the features), `score` (null when it
failed), `error` (null when it did not), `fault` (of one that failed: whether that is the model's), `store_failed` (of
one that failed: whether the online store did), `given` (its row, as JSON), `latency_ms` of its request, `server` and
`request` (a number of that process); `canary`, `role` (champion, challenger, shadow) and `entity` (a hash of its keys)
of rows that a canary is judged by; the keys and request columns, as they were given, in their types, one named like a
column above as `request.NAME`; `feature.NAME` for each input of the model and `status.NAME` for each that was read;
`computed_at.VIEW@V`, the instant for which the values of a view are true. Columns of one model version have one type in
every file.
"""

from __future__ import annotations

import itertools
import os
import queue
import random
import secrets
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from featurectl.object_store import polars_options
from featurectl.online.given import reader_of
from featurectl.serving.bodies import ENCODER
from featurectl.serving.journal import Journal
from featurectl.serving.metrics import Metrics
from featurectl.serving.served import ServedModel

if TYPE_CHECKING:
    import polars as pl

    from featurectl.serving.canary import Seat
    from featurectl.serving.predict import Scored
    from featurectl.serving.server import Failed

EVERY_S: Final = 10.0
_ROWS_WAITING: Final = 100_000
_ROWS_A_FILE: Final = 50_000
_OWN: Final = (
    "logged_at",
    "time",
    "server",
    "request",
    "latency_ms",
    "score",
    "error",
    "fault",
    "store_failed",
    "given",
    "canary",
    "role",
    "entity",
    "age_us",
)
_COMPUTED: Final = "computed_at."  # a view: microseconds until they are written
_NUMBERS: Final = itertools.count(1)  # of the files of this process, whichever log writes them
_HOST: Final = "".join(c if c.isalnum() else "_" for c in socket.gethostname())


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedRows:
    """Rows of one request: a column each, and what is the same for all."""

    model: ServedModel
    columns: Mapping[str, Sequence[object]]
    count: int


class ParquetLog:
    """Keeps a share of the predictions; rows that find the queue full are left out and counted.

    A file is written when so many rows have come or `every_s` seconds have gone, whole or not at all.
    """

    def __init__(
        self, folder: str, sample: float, metrics: Metrics, journal: Journal, every_s: float = EVERY_S
    ) -> None:
        self._folder = folder
        self._sample = sample
        self._metrics = metrics
        self._journal = journal
        self._every_s = every_s
        self._random = random.Random(secrets.randbits(64))  # noqa: S311 (a sample, no secret)
        self._queue: queue.SimpleQueue[LoggedRows | None] = queue.SimpleQueue()
        self._waiting = 0
        self._lock = threading.Lock()
        self._server = f"{socket.gethostname()}:{os.getpid()}"
        self._requests = itertools.count(time.time_ns())  # of a process that is started again with the same number, too
        self._thread = threading.Thread(target=self._run, name="prediction log", daemon=True)
        self._thread.start()

    def offer(self, scored: Scored) -> None:
        """Take the rows of a request that was answered, or leave them out; never waits."""
        count = len(scored.scores)
        if self._is_taken(count, scored.seat):
            self._queue.put(LoggedRows(model=scored.model, columns=self._told(scored), count=count))

    def offer_failure(self, failed: Failed) -> None:
        """Take the rows of a request that failed, or leave them out."""
        count, given = failed.count, failed.given
        if self._is_taken(count, failed.seat):
            columns = self._common(count, failed.now, failed.latency_ms, failed.seat)
            columns |= {"error": [failed.error] * count, "fault": [failed.reason == "failed"] * count}
            columns["store_failed"] = [failed.reason == "store"] * count
            columns |= _readable(failed.model, given)
            rows = zip(*given.values(), strict=True)
            columns["given"] = [ENCODER.encode(dict(zip(given, row, strict=True))).decode() for row in rows]
            self._queue.put(LoggedRows(model=failed.model, columns=columns, count=count))

    def close(self) -> None:
        """Write what is there."""
        self._queue.put(None)
        self._thread.join()

    def _is_taken(self, count: int, seat: Seat | None) -> bool:
        """Return whether rows are kept: a share of them, and every one that a canary is judged by."""
        if seat is None and self._random.random() >= self._sample:
            return False
        with self._lock:
            if self._waiting + count > _ROWS_WAITING:
                self._metrics.log_rows.labels("dropped").inc(count)
                return False
            self._waiting += count
        return True

    def _common(self, count: int, at: datetime, latency_ms: float, seat: Seat | None) -> dict[str, Sequence[object]]:
        columns: dict[str, Sequence[object]] = {
            "server": [self._server] * count,
            "request": [next(self._requests)] * count,
        }
        columns |= {"logged_at": [datetime.now(UTC)] * count, "time": [at] * count, "latency_ms": [latency_ms] * count}
        if seat is not None:
            columns |= {"canary": [seat.canary] * count, "role": [seat.role] * count, "entity": seat.entities}
        return columns

    def _told(self, scored: Scored) -> dict[str, Sequence[object]]:
        columns = self._common(len(scored.scores), scored.found.now, scored.latency_ms, scored.seat)
        columns["score"] = scored.scores
        if scored.ages_us:
            columns["age_us"] = scored.ages_us
        columns |= _readable(scored.model, scored.given)
        columns |= {f"feature.{name}": values for name, values in scored.inputs.items()}
        for name, column in scored.found.columns.items():
            columns[f"status.{name}"] = column.statuses
            field = f"{_COMPUTED}{column.source.field}"
            if field not in columns:
                columns[field] = column.computed_us
        return columns

    def _run(self) -> None:
        """Gather rows and write them, until the end is told."""
        going = True
        while going:
            batch, rows, end = [], 0, time.monotonic() + self._every_s
            while rows < _ROWS_A_FILE:
                try:
                    item = self._queue.get(timeout=max(end - time.monotonic(), 0))
                except queue.Empty:
                    break
                if item is None:
                    going = False
                    break
                batch.append(item)
                rows += item.count
            self._write_all(batch)
            with self._lock:
                self._waiting -= rows

    def _write_all(self, batch: Sequence[LoggedRows]) -> None:
        by_model: dict[tuple[str, int], list[LoggedRows]] = {}
        for rows in batch:
            bound = rows.model.version
            by_model.setdefault((bound.model, bound.version), []).append(rows)
        for (model, version), some in by_model.items():
            count = sum(rows.count for rows in some)
            try:
                self._write(f"{model}/v{version}", some)
            except BaseException as error:  # noqa: BLE001 (of a disk, an object store, a panic of Polars: requests go on)
                self._metrics.log_rows.labels("failed").inc(count)
                told = f"{count:,} predictions of {model}@{version} could not be logged: {error}"
                self._journal.tell("log_failed", told, "error", model=model, version=version, rows=count)
            else:
                self._metrics.log_rows.labels("written").inc(count)

    def _write(self, below: str, some: Sequence[LoggedRows]) -> None:
        import polars as pl

        frame = pl.DataFrame([_series(some, name, dtype) for name, dtype in log_schema(some[0].model).items()])
        now = datetime.now(UTC)
        name = f"{now:%H%M%S}-{_HOST}-{os.getpid()}-{next(_NUMBERS)}.parquet"
        place = f"{self._folder.rstrip('/')}/{below}/{now:%Y-%m-%d}"
        _write_whole(frame, place, name)


def _series(some: Sequence[LoggedRows], name: str, dtype: pl.DataType) -> pl.Series:
    """Return a column of the rows of some requests, null where a request has none.

    All at once: a data frame for each request would take longer than the request.
    """
    import polars as pl

    values = [value for rows in some for value in rows.columns.get(name) or itertools.repeat(None, rows.count)]
    if name.startswith(_COMPUTED):
        return pl.Series(name, values, dtype=pl.Int64()).cast(dtype)
    return pl.Series(name, values, dtype=dtype, strict=False)


def log_schema(model: ServedModel) -> pl.Schema:
    """Return the columns of a model version's log."""
    import polars as pl

    from featurectl.engines.polars.types import polars_dtype

    instant, reader = pl.Datetime("us", "UTC"), model.reader
    schema: dict[str, pl.DataType] = {"logged_at": instant, "time": instant, "server": pl.String()}
    schema |= {"request": pl.Int64(), "latency_ms": pl.Float64()}
    schema |= {"score": pl.Float64(), "error": pl.String(), "fault": pl.Boolean()}
    schema |= {"store_failed": pl.Boolean(), "given": pl.String()}
    schema |= {"canary": pl.Int64(), "role": pl.String(), "entity": pl.Int64(), "age_us": pl.Int64()}
    asked = {**reader.features.key_types, **reader.request}
    schema |= {_column(name): polars_dtype(dtype) for name, dtype in asked.items()}
    schema |= {f"feature.{item.name}": polars_dtype(item.dtype) for item in model.version.inputs}
    schema |= {f"status.{name}": pl.String() for name in reader.features.names}
    schema |= {f"{_COMPUTED}{view.field}": instant for view in reader.features.views}
    return pl.Schema(schema)


def _readable(model: ServedModel, given: Mapping[str, Sequence[object]]) -> dict[str, Sequence[object]]:
    """Return keys and request columns in their types; null for a value that does not fit its own."""
    columns: dict[str, Sequence[object]] = {}
    for name, dtype in {**model.reader.features.key_types, **model.reader.request}.items():
        read = reader_of(dtype)
        columns[_column(name)] = [None if value is None else read(value) for value in given[name]]
    return columns


def _column(name: str) -> str:
    """Return the log's column for a key or a request column."""
    return f"request.{name}" if name in _OWN else name


def _write_whole(frame: pl.DataFrame, place: str, name: str) -> None:
    """Write a file that is there whole or not at all."""
    if "://" in place:  # an object store shows an object when it is whole
        frame.write_parquet(f"{place}/{name}", compression="zstd", storage_options=polars_options(place))
        return
    folder = Path(place)
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f".{name}.part"
    try:
        frame.write_parquet(part, compression="zstd")
        part.replace(folder / name)
    finally:
        part.unlink(missing_ok=True)
