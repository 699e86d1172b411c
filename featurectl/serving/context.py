"""What all requests of a process share: what it serves, how it reads, what it counts, where it writes."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from featurectl.core.errors import FeaturectlError
from featurectl.serving.http.problems import Refused, refusal
from featurectl.serving.http.requests import Turns
from featurectl.serving.journal import Journal
from featurectl.serving.log.records import FailedRequest, PredictionSink, ScoredRequest
from featurectl.serving.metrics import Metrics
from featurectl.serving.project.canary import CanaryAssignment
from featurectl.serving.project.served_model import ServedModel
from featurectl.serving.project.served_project import ServedProject
from featurectl.serving.settings import ServeSettings
from featurectl.serving.shadow_queue import ShadowQueue
from featurectl.serving.timed_store_reads import Features

if TYPE_CHECKING:
    from featurectl.serving.events import EventRequests  # which loads what streams need


@dataclass(slots=True, kw_only=True)
class ServingStatus:
    """What is served at the moment; who follows the registry and the store writes it, all others read.

    `project` is None until all of it is loaded; `starting` says what it waits for then. `registry_error` says why the
    registry could not be followed the last time, `store_error` why the online store could not be read. `begun` are the
    views of streams (`spend@1`) of which it had lists when it was read, be they read yet or being made. `is_ending`:
    the server has been told to stop.
    """

    project: ServedProject | None = None
    starting: str = "models are being loaded"
    registry_error: str = ""
    store_error: str = ""
    begun: frozenset[str] = frozenset()
    is_ending: bool = False
    is_known: asyncio.Event = field(default_factory=asyncio.Event)  # the project is loaded, or why it is not


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerContext:
    """The state of one process; requests see what is served when they begin, whatever is loaded meanwhile.

    `predictions` None: none are logged; `events` None: none are taken.
    """

    settings: ServeSettings
    environment: str
    metrics: Metrics
    journal: Journal
    features: Features
    predictions: PredictionSink | None = None
    events: EventRequests | None = None
    status: ServingStatus = field(default_factory=ServingStatus)
    turns: Turns = field(default_factory=Turns)
    shadow: ShadowQueue = field(default_factory=ShadowQueue)
    name: str = field(default_factory=lambda: f"{socket.gethostname()}:{os.getpid()}")
    started_s: float = field(default_factory=time.monotonic)

    @property
    def project(self) -> ServedProject:
        """What is served.

        Raises:
            Refused: 503, it is not loaded yet.
        """
        if self.status.project is None:
            raise Refused(503, f"not ready yet: {self.status.starting}")
        return self.status.project

    async def model(self, name: str, which: str) -> ServedModel:
        """Return a version of a model by number or alias, loaded when it was not.

        Raises:
            Refused: 404 there is none, 503 it can't be loaded.
        """
        project = self.project
        try:
            found = project.find(name, which)
        except FeaturectlError as error:
            raise refusal(error) from error
        if found is not None:
            return found
        loaded = await asyncio.to_thread(project.fetch, name, which)
        if isinstance(loaded, str):
            raise Refused(503, loaded)
        return loaded

    def signature(self, begin: float) -> dict[str, object]:
        """Return what every answer ends with."""
        return {"latency_ms": round((time.perf_counter() - begin) * 1e3, 3), "server_name": self.name}

    def log(self, scored: ScoredRequest) -> None:
        """Offer rows that were scored to the prediction log."""
        self._count(scored.model, scored.assignment, "answered", scored.latency_ms)
        if self.predictions is not None:
            self.predictions.offer(scored)

    def log_failure(self, failed: FailedRequest) -> None:
        """Offer rows that could not be scored to the prediction log."""
        self._count(failed.model, failed.assignment, failed.reason, failed.latency_ms)
        if self.predictions is not None:
            self.predictions.offer_failure(failed)

    def _count(self, model: ServedModel, assignment: CanaryAssignment | None, result: str, latency_ms: float) -> None:
        name = model.version.model
        if assignment is None or assignment.role != "shadow":
            self.metrics.count_prediction(name, result, latency_ms / 1e3)
        if assignment is not None:
            fault = "refused" if result == "store" else result  # no fault of either side
            self.metrics.canary.labels(name, str(model.version.version), assignment.role, fault).inc()
