"""Features for requests: read within the time that the store has, counted, and distinguished from bad input."""

from __future__ import annotations

import time
from collections import Counter
from datetime import UTC, datetime

from featurectl.core.errors import DataError, FeaturectlError, StoreError
from featurectl.online.client.feature_columns import FeatureColumns, KeyRows
from featurectl.online.client.feature_reader import FeatureReader
from featurectl.online.client.push_cache import Pushes, far_ahead, hint_when_ahead
from featurectl.online.client.pushed_versions import hint_to_push
from featurectl.online.client.read_steps import read_columns_async
from featurectl.online.future_pushes import latest_at
from featurectl.online.stream_state.protocols import AsyncStreamReader
from featurectl.serving.http.problems import Refused, refusal
from featurectl.serving.metrics import Metrics


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
            self._check_pushed(reader, rows.latest)
        except FeaturectlError as error:
            if isinstance(error, StoreError):
                self._metrics.store_errors.inc()
            raise refusal(error) from error
        finally:
            self._metrics.store_seconds.observe(time.perf_counter() - begin)
        self._count(found)
        return found

    def _check_pushed(self, reader: FeatureReader, latest: datetime | None) -> None:
        """Refuse to say of everybody that there is no row: of a store that lost all, nobody would see that.

        Nor of one whose rows are of later than `latest`, be it by the clock of this machine or by who pushed.

        Raises:
            DataError: FC511, the store has no push of a view: there was none, or it was lost; FC527, it is of later.
        """
        for view in reader.row_views:
            record = self.pushes.record(view)
            if latest is not None and view.online.versioned_by == "computed" and (far := far_ahead(record, latest)):
                raise DataError(f"view {view.field} was pushed as of {far}", code="FC527", hint=hint_when_ahead(view))
            if record is None:
                message = (
                    f"the online store has no push of view {view.field}: it was never pushed, or the store was emptied"
                )
                raise DataError(message, code="FC511", hint=hint_to_push(view.online.view))

    def _count(self, found: FeatureColumns) -> None:
        """Count the values by status; most are present, and those are seen at a glance."""
        if found.is_present:
            self._present.inc(len(found.columns))
            return
        present = 0
        for column in found.columns.values():
            present += column.statuses.count("PRESENT")
        self._present.inc(present)
        if present == found.count * len(found.columns):
            return
        statuses: Counter[str] = Counter()
        for column in found.columns.values():
            statuses.update(column.statuses)
        for status, count in statuses.items():
            if status != "PRESENT":
                self._metrics.values.labels(status).inc(count)
