"""Shadow mode: the challenger scores what the champion has answered, beside the requests, and nobody sees it.

One request is scored at a time, by a thread of its own: a challenger that is slow fills the queue, and what does not
fit into it any more is left out and counted.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from featurectl.serving.canary import CanaryAssignment, ServedCanary
from featurectl.serving.predict import PredictionRequest, score_rows
from featurectl.serving.problems import Refused
from featurectl.serving.thread import OneThread
from featurectl.serving.version_rows import Rows, report_lacking

if TYPE_CHECKING:
    from featurectl.serving.server import Server

_WAITING: Final = 256  # requests


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    canary: ServedCanary
    rows: Rows
    entities: Sequence[int]
    at: datetime


class Shadow:
    """Scores requests once more, by the challengers of canaries in shadow mode."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._jobs: asyncio.Queue[_Job] = asyncio.Queue(_WAITING)
        self._thread = OneThread("shadow")
        self._task: asyncio.Task[None] | None = None

    def offer(self, canary: ServedCanary, rows: Rows, entities: Sequence[int], at: datetime) -> None:
        """Take a request that the champion has answered, or leave it out; never waits."""
        try:
            self._jobs.put_nowait(_Job(canary=canary, rows=rows, entities=entities, at=at))
        except asyncio.QueueFull:
            run = canary.run
            self._server.metrics.canary.labels(run.model, str(run.challenger), "shadow", "dropped").inc()
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Score no more; what waits is left out."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while True:
            job = await self._jobs.get()
            seat = CanaryAssignment(canary=job.canary.run.number, role="shadow", entities=job.entities)
            asked = PredictionRequest(
                rows=job.rows, at=job.at, begin=time.perf_counter(), seat=seat, thread=self._thread
            )
            try:
                self._server.log(await score_rows(self._server, job.canary.challenger, asked))
            except Refused as refused:
                report_lacking(self._server, job.canary, asked, refused)
            except Exception as error:  # noqa: BLE001 (whatever a challenger does, the next request is scored)
                self._server.journal.fault(error)
