"""Features for requests: read within the time that the store has, counted, and distinguished from bad input."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from featurectl.core.errors import FeaturectlError, StoreError
from featurectl.online.client.feature_columns import FeatureColumns, KeyRows
from featurectl.online.client.feature_reader import FeatureReader
from featurectl.online.client.push_cache import Pushes
from featurectl.online.client.read_steps import read_columns_async
from featurectl.online.future_pushes import latest_at
from featurectl.online.read import Status
from featurectl.online.stream_state.protocols import AsyncStreamReader
from featurectl.serving.http.problems import Refused, refusal
from featurectl.serving.metrics import Metrics
from featurectl.serving.pushed_views import check_pushed


class Features:
    """Reads features for all requests of a process; `now` None is the clock."""

    def __init__(self, store: AsyncStreamReader, metrics: Metrics, now: datetime | None) -> None:
        self.store = store
        self.pushes = Pushes()
        self._metrics = metrics
        self._now = now
        self._present = metrics.values.labels("PRESENT")

    def now(self, asked: datetime | None = None) -> datetime:
        """Return the instant of a request in UTC: the one asked for, else the server's, else the clock's.

        Raises:
            Refused: 400, the one asked for lies outside the years 1 to 9999 there.
        """
        if asked is None:
            return self._now or datetime.now(UTC)
        try:
            return asked.astimezone(UTC)
        except OverflowError as error:
            raise Refused(400, f"time: {asked.isoformat()} lies outside the years 1 to 9999 in UTC") from error

    def latest(self, asked: datetime | None = None) -> datetime | None:
        """Return up to when what was pushed counts, where now is the clock's: that may be behind who pushes."""
        return None if asked is not None or self._now is not None else latest_at(datetime.now(UTC))

    async def read(self, reader: FeatureReader, rows: KeyRows) -> FeatureColumns:
        """Return the features of some rows.

        Raises:
            Refused: 400 the keys do not fit, 503 the store fails, has nothing of a view, or only what is of the future.
        """
        begin = time.perf_counter()
        try:
            found = await read_columns_async(self.store, reader, self.pushes, rows)
            check_pushed(self.pushes, reader, rows.latest)
        except FeaturectlError as error:
            if isinstance(error, StoreError):
                self._metrics.store_errors.inc()
            raise refusal(error) from error
        finally:
            self._metrics.store_seconds.observe(time.perf_counter() - begin)
        self._count(found)
        return found

    def _count(self, found: FeatureColumns) -> None:
        """Count the values by status; most are present, and those are seen at a glance."""
        if found.is_present:
            self._present.inc(found.count * len(found.columns))
            return
        counts: dict[Status, int] = {}
        present, whole = 0, None  # statuses of which all are so, which columns share
        for column in found.columns.values():
            statuses = column.statuses
            if statuses is whole:
                present += found.count
            elif (of := statuses.count("PRESENT")) == found.count:
                present, whole = present + of, statuses
            else:
                for status in {*statuses}:
                    counts[status] = counts.get(status, 0) + statuses.count(status)
        self._present.inc(present + counts.pop("PRESENT", 0))
        for status, count in counts.items():
            self._metrics.values.labels(status).inc(count)
