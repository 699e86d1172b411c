"""One process of a server: what it serves, how it reads, what it counts; it follows the registry."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
import time
import traceback
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from featurectl.errors import FeaturectlError
from featurectl.online.base import AsyncRowReader
from featurectl.online.drive import learn_pushes
from featurectl.online.features import FeatureReader, ReadView
from featurectl.serving.canary import Seat
from featurectl.serving.metrics import Metrics
from featurectl.serving.predict import Asked, Reason, Scored
from featurectl.serving.problems import Refused, refusal
from featurectl.serving.reading import Features
from featurectl.serving.served import Served, ServedModel
from featurectl.serving.settings import ServeSettings
from featurectl.serving.shadow import Shadow
from featurectl.units import instant_us


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """Rows that could not be scored: what was given, as of when, why, and by whose fault."""

    model: ServedModel
    given: Mapping[str, Sequence[object]]
    count: int
    now: datetime
    error: str
    reason: Reason
    latency_ms: float
    seat: Seat | None


class PredictionLog(Protocol):
    """Where predictions are kept."""

    def offer(self, scored: Scored) -> None:
        """Take rows that were scored, or leave them out; never waits."""

    def offer_failure(self, failed: Failed) -> None:
        """Take rows that could not be scored."""

    def close(self) -> None:
        """Write what is there."""


class Source(Protocol):
    """Where a server's project comes from."""

    def serial(self) -> int:
        """Return the number of the registry's last change.

        Raises:
            FeaturectlError: it can't be read, or knows nothing of the project any more.
        """

    def load(self, before: Served | None) -> Served:
        """Return the project as it is registered now, its models loaded."""

    def judge(self, failures: Mapping[str, str]) -> bool:
        """Judge the running canaries, and return whether one has ended.

        `failures` says of which versions this process could load none, and why: a challenger of them is rolled back.
        """


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
        self.behind = ""  # why the registry could not be followed, if it could not
        self.name = f"{socket.gethostname()}:{os.getpid()}"
        self._source = source
        self._log = open_log(self.metrics) if open_log else None
        self.shadow = Shadow(self)
        self._tasks: list[asyncio.Task[None]] = []
        self._following = asyncio.Lock()
        self._show_models()

    def start(self) -> None:
        """Begin to follow the registry and the pushes, and to judge canaries."""
        loop = asyncio.get_running_loop()
        self._tasks.append(loop.create_task(_forever(self._judge, self.settings.judge_s, self.settings.judge_s)))
        for follow in (self._follow_registry, self._follow_pushes):
            self._tasks.append(loop.create_task(_forever(follow, self.settings.reload_s)))

    async def stop(self) -> None:
        """Stop to follow, write what is to be logged, close the store."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.shadow.stop()
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
        except FeaturectlError as error:
            raise refusal(error) from error
        if found is not None:
            return found
        loaded = await asyncio.to_thread(served.fetch, name, which)
        if isinstance(loaded, str):
            raise Refused(503, loaded)
        return loaded

    def signature(self, begin: float) -> dict[str, object]:
        """Return what every answer ends with."""
        return {"latency_ms": round((time.perf_counter() - begin) * 1e3, 3), "server_name": self.name}

    def log(self, scored: Scored) -> None:
        """Offer rows that were scored to the prediction log."""
        self._count(scored.model, scored.seat, "answered", scored.latency_ms)
        if self._log is not None:
            self._log.offer(scored)

    def log_failure(
        self, model: ServedModel, asked: Asked, given: Mapping[str, Sequence[object]], error: str, reason: Reason
    ) -> None:
        """Offer rows that could not be scored to the prediction log."""
        latency_ms = (time.perf_counter() - asked.begin) * 1e3
        self._count(model, asked.seat, reason, latency_ms)
        if self._log is None:
            return
        failed = Failed(
            model=model,
            given=given,
            count=len(asked.rows),
            now=self.features.now(asked.at),
            error=error,
            reason=reason,
            latency_ms=latency_ms,
            seat=asked.seat,
        )
        self._log.offer_failure(failed)

    def _count(self, model: ServedModel, seat: Seat | None, result: str, latency_ms: float) -> None:
        name = model.version.model
        if seat is None or seat.role != "shadow":
            self.metrics.count_prediction(name, result, latency_ms / 1e3)
        if seat is not None:
            told = "refused" if result == "store" else result  # no fault of either side
            self.metrics.canary.labels(name, str(model.version.version), seat.role, told).inc()

    def stale_views(self, reader: FeatureReader, now: datetime) -> frozenset[str]:
        """Return the views of a reader that are older than their own SLA's `error_after`."""
        return frozenset(view.field for view in reader.views if self._is_late(view, now))

    def late_views(self, now: datetime) -> list[str]:
        """Return all views that are served and are older than their own SLA's `error_after`."""
        return [view.field for view in self.served.catalog.views() if self._is_late(view, now)]

    def views_older_than(self, reader: FeatureReader, now: datetime, most_us: int) -> frozenset[str]:
        """Return the views of a reader that stand on rows older than so many microseconds, or were never pushed."""
        return frozenset(view.field for view in reader.views if self._is_older(view, now, most_us))

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
        return limit is not None and self._is_older(view, now, limit)

    def _is_older(self, view: ReadView, now: datetime, most_us: int) -> bool:
        if view.view.source.static:
            return False
        age = self.age_us(view, now)
        return age > most_us if age is not None else self.features.pushes.record(view) is None

    async def _follow_registry(self) -> None:
        """Serve what was applied, trained or promoted since; requests under way end with what they began with.

        One look after the other: of two at once, that which began first could end last.
        """
        async with self._following:
            await self._look_at_registry()

    async def _look_at_registry(self) -> None:
        try:
            if await asyncio.to_thread(self._source.serial) == self.served.catalog.state.serial:
                self.behind = ""
                if await asyncio.to_thread(self.served.reach_again):
                    self._show_models()
                return
            self.served = await asyncio.to_thread(self._source.load, self.served)
        except Exception as error:  # noqa: BLE001 (whatever fails, what is served goes on being served)
            self.metrics.reloads.labels("failed").inc()
            told = error.message if isinstance(error, FeaturectlError) else repr(error)
            if told != self.behind:
                sys.stderr.write(f"the registry can't be followed: {told}\n")
            self.behind = told
            return
        self.behind = ""
        self.metrics.reloads.labels("done").inc()
        self._show_models()

    async def _judge(self) -> None:
        """Judge the canaries that run; when one has ended, serve what that means at once."""
        served = self.served
        if any(run.state == "running" for run in served.catalog.state.canaries):
            try:
                ended = await asyncio.to_thread(self._source.judge, served.failures)
            except FeaturectlError as error:
                sys.stderr.write(f"a canary can't be judged: {error.message}\n")
            else:
                await (self._follow_registry() if ended else asyncio.sleep(0))

    async def _follow_pushes(self) -> None:
        views, now = self.served.catalog.views(), self.features.now()
        with contextlib.suppress(FeaturectlError):  # whoever reads is told
            await learn_pushes(self.features.store, self.features.pushes, views)
        for view in views:
            age = self.age_us(view, now)
            if age is not None:
                self.metrics.view_age.labels(view.online.view, str(view.online.version)).set(age / 1e6)

    def _show_models(self) -> None:
        shown = {}
        for (model, alias), number in self.served.catalog.state.aliases.items():
            shown[model, str(number), alias] = int((model, number) in self.served.models)
        self.metrics.show_models(shown)
        for failure, reason in sorted(self.served.failures.items()):
            sys.stderr.write(f"model {failure} is not served: {reason}\n")


async def _forever(step: Callable[[], Awaitable[None]], every_s: float, first_s: float = 0.0) -> None:
    await asyncio.sleep(first_s)
    while True:
        try:
            await step()
        except Exception:  # noqa: BLE001 (a fault of ours in one look must not end all later ones)
            traceback.print_exc(file=sys.stderr)
        await asyncio.sleep(every_s)


async def ready_problems(server: Server) -> Sequence[str]:
    """Return why a server is not ready; nothing when it is."""
    now, views = server.features.now(), server.served.catalog.views()
    problems = [f"registry: {server.behind}"] if server.behind else []
    try:
        await learn_pushes(server.features.store, server.features.pushes, views, fresh_s=0.0)
    except FeaturectlError as error:
        return [*problems, f"online store: {error.message}"]
    problems += [f"model {model}: {reason}" for model, reason in sorted(server.served.failures.items())]
    never = [view.field for view in views if server.features.pushes.record(view) is None]
    problems += [f"view {field} was never pushed" for field in never]
    return problems + [
        f"view {field} is older than its error_after" for field in server.late_views(now) if field not in never
    ]
