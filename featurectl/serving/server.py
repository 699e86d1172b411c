"""One process of a server: what it serves, how it reads, what it counts; it follows the registry."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from featurectl.errors import FeaturectlError
from featurectl.online.base import AsyncRowReader
from featurectl.online.drive import learn_pushes
from featurectl.online.features import FeatureReader, KeyRows, ReadView
from featurectl.serving.metrics import Metrics
from featurectl.serving.predict import Scored
from featurectl.serving.problems import Refused, refusal
from featurectl.serving.reading import Features
from featurectl.serving.served import Served, ServedModel
from featurectl.serving.settings import ServeSettings
from featurectl.units import instant_us


class PredictionLog(Protocol):
    """Where predictions are kept."""

    def offer(self, scored: Scored, latency_ms: float) -> None:
        """Take rows that were scored, or leave them out; never waits."""

    def offer_failure(
        self, model: ServedModel, given: Mapping[str, Sequence[object]], asked: tuple[int, datetime, str]
    ) -> None:
        """Take rows that could not be scored: how many, the instant asked for, and why."""

    def close(self) -> None:
        """Write what is there."""


class Source(Protocol):
    """Where a server's project comes from."""

    def serial(self) -> int:
        """Return the number of the registry's last change."""

    def load(self, before: Served | None) -> Served:
        """Return the project as it is registered now, its models loaded."""


class Server:
    """The state of one process; requests see what is served when they begin, whatever is loaded meanwhile."""

    def __init__(
        self,
        settings: ServeSettings,
        source: Source,
        store: AsyncRowReader,
        now: datetime | None,
        open_log: Callable[[Metrics], PredictionLog] | None = None,
    ) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.features = Features(store, self.metrics, now)
        self.served = source.load(None)
        self.started_s = time.monotonic()
        self.name = f"{socket.gethostname()}:{os.getpid()}"
        self._source = source
        self._log = open_log(self.metrics) if open_log else None
        self._tasks: list[asyncio.Task[None]] = []
        self._show_models()

    def start(self) -> None:
        """Begin to follow the registry and the pushes."""
        loop = asyncio.get_running_loop()
        for follow in (self._follow_registry, self._follow_pushes):
            self._tasks.append(loop.create_task(_forever(follow, self.settings.reload_s)))

    async def stop(self) -> None:
        """Stop to follow, write what is to be logged, close the store."""
        for task in self._tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        if self._log is not None:
            await asyncio.to_thread(self._log.close)
        await self.features.store.close()

    async def model(self, name: str, which: str) -> ServedModel:
        """Return a version of a model by number or alias, loaded when it was not.

        Raises:
            Refused: 404 there is none, 503 it can't be loaded.
        """
        served = self.served
        try:
            found = served.find(name, which)
            return found if found is not None else await asyncio.to_thread(served.fetch, name, which)
        except FeaturectlError as error:
            refused = refusal(error)
            if refused.status == 400:  # the model is at fault, not the request
                refused.status = 503
            raise refused from error

    def signature(self, begin: float) -> dict[str, object]:
        """Return what every answer ends with."""
        return {"latency_ms": round((time.perf_counter() - begin) * 1e3, 3), "server_name": self.name}

    def log(self, scored: Scored, begin: float) -> None:
        """Offer rows that were scored to the prediction log."""
        if self._log is not None:
            self._log.offer(scored, (time.perf_counter() - begin) * 1e3)

    def log_failure(self, model: ServedModel, rows: KeyRows, refused: Refused) -> None:
        """Offer rows that could not be scored to the prediction log."""
        if self._log is not None:
            self._log.offer_failure(model, rows.keys, (rows.count, rows.now, refused.detail))

    def stale_views(self, reader: FeatureReader, now: datetime) -> frozenset[str]:
        """Return the views of a reader that are older than their own SLA's `error_after`."""
        return frozenset(view.field for view in reader.views if self._is_late(view, now))

    def late_views(self, now: datetime) -> list[str]:
        """Return all views that are served and are older than their own SLA's `error_after`."""
        return [view.field for view in self.served.catalog.views() if self._is_late(view, now)]

    def views_older_than(self, reader: FeatureReader, now: datetime, most_us: int) -> frozenset[str]:
        """Return the views of a reader that stand on rows older than so many microseconds."""
        ages = {view.field: self.age_us(view, now) for view in reader.views}
        return frozenset(field for field, age in ages.items() if age is not None and age > most_us)

    def age_us(self, view: ReadView, now: datetime) -> int | None:
        """Return how long before now the newest row became available that a view's values stand on.

        None where nothing was pushed, and for a static source, whose rows are always true.
        """
        record = self.features.pushes.record(view)
        if record is None or record.watermark is None or view.view.source.static:
            return None
        return instant_us(now) - instant_us(record.watermark)

    def _is_late(self, view: ReadView, now: datetime) -> bool:
        limit = view.view.freshness.error_after_us if view.view.freshness else None
        if limit is None:
            return False
        age = self.age_us(view, now)
        return age is not None and age > limit

    async def _follow_registry(self) -> None:
        """Serve what was applied, trained or promoted since; requests under way end with what they began with."""
        try:
            if await asyncio.to_thread(self._source.serial) == self.served.catalog.state.serial:
                return
            self.served = await asyncio.to_thread(self._source.load, self.served)
        except FeaturectlError as error:  # what is served goes on being served
            self.metrics.reloads.labels("failed").inc()
            sys.stderr.write(f"the registry can't be read: {error.message}\n")
            return
        self.metrics.reloads.labels("done").inc()
        self._show_models()

    async def _follow_pushes(self) -> None:
        views = self.served.catalog.views()
        try:
            await learn_pushes(self.features.store, self.features.pushes, views)
        except FeaturectlError:  # whoever reads is told
            return
        now = self.features.now()
        for view in views:
            age = self.age_us(view, now)
            if age is not None:
                self.metrics.view_age.labels(view.online.view, str(view.online.version)).set(age / 1e6)

    def _show_models(self) -> None:
        self.metrics.models.clear()
        for (model, alias), number in self.served.catalog.state.aliases.items():
            loaded = (model, number) in self.served.models
            self.metrics.models.labels(model, str(number), alias).set(int(loaded))
        for failure, reason in sorted(self.served.failures.items()):
            sys.stderr.write(f"model {failure} is not served: {reason}\n")


async def _forever(step: Callable[[], object], every_s: float) -> None:
    while True:
        made = step()
        assert asyncio.iscoroutine(made)
        await made
        await asyncio.sleep(every_s)


def ready_problems(server: Server, store_error: str, now: datetime) -> Sequence[str]:
    """Return why a server is not ready; nothing when it is."""
    problems = [f"online store: {store_error}"] if store_error else []
    problems += [f"model {model}: {reason}" for model, reason in sorted(server.served.failures.items())]
    return problems + [f"view {field} is older than its error_after" for field in server.late_views(now)]
