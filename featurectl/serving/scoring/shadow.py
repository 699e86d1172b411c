"""Shadow mode: the challenger scores what the champion has answered, beside the requests, and nobody sees it.

One request is scored at a time, by a thread of its own: a challenger that is slow fills the queue, and what does not
fit into it any more is left out and counted.
"""

from __future__ import annotations

import asyncio
import contextlib
import time

from featurectl.serving.context import ServerContext
from featurectl.serving.http.problems import Refused
from featurectl.serving.project.canary import CanaryAssignment
from featurectl.serving.scoring.score import PredictionRequest, score_rows
from featurectl.serving.scoring.version_rows import report_lacking
from featurectl.serving.shadow_queue import ShadowRequest
from featurectl.serving.thread import OneThread


class ShadowScorer:
    """Scores requests once more, by the challengers of canaries in shadow mode."""

    def __init__(self, context: ServerContext) -> None:
        self._context = context
        self._thread = OneThread("shadow")
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to score what waits."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Score no more; what waits is left out."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while True:
            await self._score(await self._context.shadow.next())

    async def _score(self, waiting: ShadowRequest) -> None:
        canary = waiting.canary
        assignment = CanaryAssignment(canary=canary.run.number, role="shadow", entities=waiting.entities)
        request = PredictionRequest(
            rows=waiting.rows,
            at=waiting.at,
            latest=waiting.latest,
            begin=time.perf_counter(),
            assignment=assignment,
            thread=self._thread,
        )
        try:
            self._context.log(await score_rows(self._context, canary.challenger, request))
        except Refused as refused:
            report_lacking(self._context, canary, request, refused)
        except Exception as error:  # noqa: BLE001 (whatever a challenger does, the next request is scored)
            self._context.journal.fault(error)
