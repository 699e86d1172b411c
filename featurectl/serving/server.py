"""One process of a server: what it serves, how it reads, what it counts."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from featurectl.core.errors import FeaturectlError
from featurectl.core.units import instant_us
from featurectl.online.base import AsyncRowReader
from featurectl.online.features import FeatureReader, ReadView
from featurectl.online.pushed import Pushed
from featurectl.registry.state import State
from featurectl.serving.canary import CanaryAssignment
from featurectl.serving.following import Follower
from featurectl.serving.journal import Journal
from featurectl.serving.metrics import Metrics
from featurectl.serving.predict import PredictionRequest, Reason, ScoredRequest
from featurectl.serving.problems import Refused, refusal
from featurectl.serving.reading import Features
from featurectl.serving.requests import Turns
from featurectl.serving.served_project import ServedModel, ServedProject
from featurectl.serving.settings import ServeSettings
from featurectl.serving.shadow import Shadow


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
    seat: CanaryAssignment | None


class PredictionSink(Protocol):
    """Where predictions are kept."""

    def offer(self, scored: ScoredRequest) -> None:
        """Take rows that were scored, or leave them out; never waits."""

    def offer_failure(self, failed: Failed) -> None:
        """Take rows that could not be scored."""

    def close(self) -> None:
        """Write what is there."""


class ProjectSource(Protocol):
    """Where a server's project comes from."""

    @property
    def environment(self) -> str:
        """The name of the environment."""

    def state(self) -> State:
        """Return the project as the registry has it.

        Raises:
            FeaturectlError: it can't be read, or knows nothing of the project any more.
        """

    def load(self, state: State, pushed: Pushed, before: ServedProject | None) -> ServedProject:
        """Return a project of which these view versions were pushed, its models loaded."""

    def judge(self, failures: Mapping[str, str]) -> bool:
        """Judge the running canaries, and return whether one has ended.

        `failures` says of which versions this process could load none, and why: a challenger of them is rolled back.
        """


class Server:
    """The state of one process; requests see what is served when they begin, whatever is loaded meanwhile."""

    def __init__(  # noqa: PLR0913, PLR0917
        self,
        settings: ServeSettings,
        source: ProjectSource,
        store: AsyncRowReader,
        now: datetime | None,
        open_log: Callable[[Metrics, Journal], PredictionSink] | None = None,
        journal: Journal | None = None,
    ) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.journal = journal or Journal()
        self.turns = Turns()
        self.features = Features(store, self.metrics, now)
        self.started_s = time.monotonic()
        self.name = f"{socket.gethostname()}:{os.getpid()}"
        self._log = open_log(self.metrics, self.journal) if open_log else None
        self.shadow = Shadow(self)
        self.follower = Follower(self, source)

    @property
    def served(self) -> ServedProject:
        """What is served.

        Raises:
            Refused: 503, it is not loaded yet.
        """
        if self.follower.served is None:
            raise Refused(503, f"not ready yet: {self.follower.starting}")
        return self.follower.served

    def start(self) -> None:
        """Begin to load what is served, to follow the registry and the pushes, and to judge canaries."""
        self.follower.start()

    async def stop(self) -> None:
        """Stop to follow, write what is to be logged, close the store."""
        await self.follower.stop()
        await self.shadow.stop()
        if self._log is not None:
            await asyncio.to_thread(self._log.close)
        await self.features.store.close()
        self.journal.tell("stopped", "what was under way is answered")

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

    def log(self, scored: ScoredRequest) -> None:
        """Offer rows that were scored to the prediction log."""
        self._count(scored.model, scored.seat, "answered", scored.latency_ms)
        if self._log is not None:
            self._log.offer(scored)

    def log_failure(
        self,
        model: ServedModel,
        asked: PredictionRequest,
        given: Mapping[str, Sequence[object]],
        error: str,
        reason: Reason,
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

    def _count(self, model: ServedModel, seat: CanaryAssignment | None, result: str, latency_ms: float) -> None:
        name = model.version.model
        if seat is None or seat.role != "shadow":
            self.metrics.count_prediction(name, result, latency_ms / 1e3)
        if seat is not None:
            told = "refused" if result == "store" else result  # no fault of either side
            self.metrics.canary.labels(name, str(model.version.version), seat.role, told).inc()

    def stale_views(self, reader: FeatureReader, now: datetime) -> frozenset[str]:
        """Return the views of a reader that are older than their own SLA's `error_after`."""
        return frozenset(view.field for view in reader.views if self.is_late(view, now))

    def is_late(self, view: ReadView, now: datetime) -> bool:
        """Return whether a view is older than its own SLA's `error_after`, or has one and was never pushed."""
        limit = view.view.freshness.error_after_us if view.view.freshness else None
        return limit is not None and self._is_older(view, now, limit)

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

    def _is_older(self, view: ReadView, now: datetime, most_us: int) -> bool:
        if view.view.source.static:
            return False
        age = self.age_us(view, now)
        return age > most_us if age is not None else self.features.pushes.record(view) is None
