"""The prediction log: what was asked, read and answered, as Parquet files, written beside the requests.

    <offline>/<project>/predictions/<env>/<model>/v<version>/<day>/<time>-<host>-<process>-<number>.parquet

A row is a prediction. Columns: `logged_at` (the clock), `time` (the instant of the features), `known_at` (up to when
what was available counts, and `prediction_id`, of a prediction on an event; else null), `score` (null when it
failed), `error` (null when it did not), `fault` (of one that failed: whether that is the model's), `store_failed` (of
one that failed: whether the online store did), `given` (its row, as JSON), `latency_ms` of its request, `server` and
`request` (a number of that process); `canary`, `role` (champion, challenger, shadow) and `entity` (a hash of its keys)
of rows that a canary is judged by; the keys and request columns, as they were given, in their types, one named like a
column above as `request.NAME`; `feature.NAME` for each input of the model and `status.NAME` for each that was read;
`computed_at.VIEW@V`, the instant for which the values of a view are true. Columns of one model version have one type in
every file.
"""

from __future__ import annotations

import io
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
from typing import TYPE_CHECKING, Final

from featurectl.core.host import HOST
from featurectl.core.units import from_us
from featurectl.offline.open_plain_files import open_loose
from featurectl.offline.plain_files import LooseFiles
from featurectl.online.client.coerce import reader_of
from featurectl.operations.prediction_log.place import LOGGED_EVERY_S
from featurectl.serving.http.bodies import ENCODER
from featurectl.serving.journal import Journal
from featurectl.serving.log.records import FailedRequest, LoggedEvents, ScoredRequest
from featurectl.serving.log.room import LogLimits, LogRoom
from featurectl.serving.metrics import Metrics
from featurectl.serving.project.canary import CanaryAssignment
from featurectl.serving.project.served_model import ServedModel

if TYPE_CHECKING:
    import polars as pl

_ROWS_WAITING: Final = 100_000
_ROWS_A_FILE: Final = 50_000
_BYTES_WAITING: Final = 64 << 20
_BYTES_A_FILE: Final = 16 << 20
_A_ROW: Final = 500  # bytes of what every row has
_A_VALUE: Final = 40
_OWN: Final = (
    "logged_at",
    "time",
    "known_at",
    "prediction_id",
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


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedRows:
    """Rows of one request: a column each, and what is the same for all."""

    model: ServedModel
    columns: Mapping[str, Sequence[object]]
    count: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPolicy:
    """Where predictions are logged, which share of them, within which limits, and how often a file is written."""

    folder: str
    sample: float
    limits: LogLimits
    every_s: float = LOGGED_EVERY_S


class ParquetLog:
    """Keeps a share of the predictions; rows that find the queue full, or the log, are left out and counted.

    A file is written when so many rows or bytes have come or `every_s` seconds have gone, whole or not at all. What
    waits is bounded in rows and in bytes, what is written by the `limits` of the policy.
    """

    def __init__(self, policy: LogPolicy, metrics: Metrics, journal: Journal) -> None:
        self._folder = policy.folder
        self._limits = policy.limits
        self._sample = policy.sample
        self._metrics = metrics
        self._journal = journal
        self._every_s = policy.every_s
        self._random = random.Random(secrets.randbits(64))  # noqa: S311 (a sample, no secret)
        self._queue: queue.SimpleQueue[LoggedRows | None] = queue.SimpleQueue()
        self._waiting = 0
        self._waiting_bytes = 0
        self._lock = threading.Lock()
        self._place: tuple[LooseFiles, LogRoom] | None = None
        self._server = f"{socket.gethostname()}:{os.getpid()}"
        self._requests = itertools.count(time.time_ns())  # of a process that is started again with the same number, too
        self._thread = threading.Thread(target=self._run, name="prediction log", daemon=True)
        self._thread.start()

    def offer(self, scored: ScoredRequest) -> None:
        """Take the rows of a request that was answered, or leave them out; never waits."""
        count = len(scored.scores)
        size = _size(scored.given, count, len(scored.inputs) + len(scored.found.columns))
        if self._is_taken(count, size, scored.assignment):
            self._queue.put(LoggedRows(model=scored.model, columns=self._columns(scored), count=count, size=size))

    def offer_failure(self, failed: FailedRequest) -> None:
        """Take the rows of a request that failed, or leave them out."""
        count, given = failed.count, failed.given
        size = 2 * _size(given, count, 0)
        if self._is_taken(count, size, failed.assignment):
            columns = self._common(count, failed.now, failed.latency_ms, failed.assignment)
            columns |= self._of_events(failed.events)
            columns |= {"error": [failed.error] * count, "fault": [failed.reason == "failed"] * count}
            columns["store_failed"] = [failed.reason == "store"] * count
            columns |= _readable(failed.model, given)
            rows = zip(*given.values(), strict=True)
            columns["given"] = [ENCODER.encode(dict(zip(given, row, strict=True))).decode() for row in rows]
            self._queue.put(LoggedRows(model=failed.model, columns=columns, count=count, size=size))

    def close(self) -> None:
        """Write what is there."""
        self._queue.put(None)
        self._thread.join()

    def _is_taken(self, count: int, size: int, assignment: CanaryAssignment | None) -> bool:
        """Return whether rows are kept: a share of them, and every one that a canary is judged by."""
        if assignment is None and self._random.random() >= self._sample:
            return False
        with self._lock:
            if self._waiting + count > _ROWS_WAITING or self._waiting_bytes + size > _BYTES_WAITING:
                self._metrics.log_rows.labels("dropped").inc(count)
                return False
            self._wait(count, size)
        return True

    def _wait(self, count: int, size: int) -> None:
        self._waiting += count
        self._waiting_bytes += size
        self._metrics.log_waiting_rows.set(self._waiting)
        self._metrics.log_waiting_bytes.set(self._waiting_bytes)

    def _common(
        self, count: int, at: datetime, latency_ms: float, assignment: CanaryAssignment | None
    ) -> dict[str, Sequence[object]]:
        columns: dict[str, Sequence[object]] = {
            "server": [self._server] * count,
            "request": [next(self._requests)] * count,
        }
        columns |= {"logged_at": [datetime.now(UTC)] * count, "time": [at] * count, "latency_ms": [latency_ms] * count}
        if assignment is not None:
            columns |= {
                "canary": [assignment.canary] * count,
                "role": [assignment.role] * count,
                "entity": assignment.entities,
            }
        return columns

    def _of_events(self, events: LoggedEvents | None) -> dict[str, Sequence[object]]:
        """Return what stands of rows that are events, in place of what is the same for all rows of a request."""
        if events is None:
            return {}
        return {
            "time": [*map(from_us, events.times)],
            "known_at": [*map(from_us, events.known)],
            "prediction_id": events.ids,
            "latency_ms": events.latencies_ms,
            "request": [next(self._requests) for _ in events.ids],
        }

    def _columns(self, scored: ScoredRequest) -> dict[str, Sequence[object]]:
        columns = self._common(len(scored.scores), scored.found.now, scored.latency_ms, scored.assignment)
        columns |= self._of_events(scored.events)
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
        """Gather rows and write them, until the log is closed."""
        going = True
        while going:
            batch, rows, size, end = [], 0, 0, time.monotonic() + self._every_s
            while rows < _ROWS_A_FILE and size < _BYTES_A_FILE:
                try:
                    item = self._queue.get(timeout=max(end - time.monotonic(), 0))
                except queue.Empty:
                    break
                if item is None:
                    going = False
                    break
                batch.append(item)
                rows += item.count
                size += item.size
            self._write_all(batch)
            with self._lock:
                self._wait(-rows, -size)

    def _write_all(self, batch: Sequence[LoggedRows]) -> None:
        by_model: dict[tuple[str, int], list[LoggedRows]] = {}
        for rows in batch:
            bound = rows.model.version
            by_model.setdefault((bound.model, bound.version), []).append(rows)
        for (model, version), some in by_model.items():
            count = sum(rows.count for rows in some)
            try:
                result = self._write(f"{model}/v{version}", some)
            except BaseException as error:  # noqa: BLE001 (of a disk, an object store, a panic of Polars: requests go on)
                self._metrics.log_rows.labels("failed").inc(count)
                message, label = f"predictions of {model}@{version} could not be logged: {error}", f"{model}@{version}"
                self._journal.begin("log_failed", message, of=label, model=model, version=version, rows=count)
            else:
                self._metrics.log_rows.labels(result).inc(count)
                if result == "written":
                    self._journal.end("log_failed", "log_written", f"{model}@{version}")

    def _write(self, below: str, some: Sequence[LoggedRows]) -> str:
        """Write a file, and return what became of its rows: written, or dropped as the log is full."""
        import polars as pl

        frame = pl.DataFrame([_series(some, name, dtype) for name, dtype in log_schema(some[0].model).items()])
        now = datetime.now(UTC)
        name = f"{now:%H%M%S}-{HOST}-{os.getpid()}-{next(_NUMBERS)}.parquet"
        content = io.BytesIO()
        frame.write_parquet(content, compression="zstd")
        return self._keep(f"{below}/{now:%Y-%m-%d}/{name}", content.getvalue())

    def _keep(self, path: str, content: bytes) -> str:
        """Write a file that is there whole or not at all, where there is room for it."""
        files, room = self._opened()
        removed = room.make(len(content))
        self._metrics.log_removed.inc(removed.files)
        if not room.has_room(len(content)):
            message = f"the prediction log has no room: {room.size:,} of {self._limits.max_bytes:,} bytes"
            self._journal.begin("log_full", message)
            return "dropped"
        files.write(path, content)
        room.add(len(content))
        self._metrics.log_bytes.set(room.size)
        self._journal.end("log_full", "log_has_room")
        return "written"

    def _opened(self) -> tuple[LooseFiles, LogRoom]:
        if self._place is None:
            files = open_loose(self._folder)
            self._place = files, LogRoom(files, self._limits, lambda: datetime.now(UTC))
        return self._place


def _size(given: Mapping[str, Sequence[object]], count: int, columns: int) -> int:
    """Return about how many bytes rows take while they wait: what comes from outside counts by its length."""
    texts = sum(map(_length, itertools.chain.from_iterable(given.values())))
    return texts + count * (_A_ROW + (len(given) + columns) * _A_VALUE)


def _length(value: object) -> int:
    """Return how long the text is that a value has in the log, where that is not bounded by its kind."""
    if isinstance(value, str):
        return len(value)
    return value.bit_length() // 3 if isinstance(value, int) else 0  # of thousands of digits, as JSON may have them


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

    from featurectl.core.frames.types import polars_dtype

    instant, reader = pl.Datetime("us", "UTC"), model.reader
    schema: dict[str, pl.DataType] = {"logged_at": instant, "time": instant, "server": pl.String()}
    schema |= {"request": pl.Int64(), "latency_ms": pl.Float64()}
    schema |= {"known_at": instant, "prediction_id": pl.String()}
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
