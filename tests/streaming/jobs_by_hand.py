"""Jobs that are done beside when a test says so."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from featurectl.streaming.jobs_beside import BesideJob, run_at_once


@dataclass
class JobsByHand:
    """Jobs that are done when a test says so."""

    begun: list[tuple[BesideJob, Future[Any]]] = field(default_factory=list)

    def begin(self, job: BesideJob) -> Future[Any]:
        """Take note of a job."""
        self.begun.append((job, Future()))
        return self.begun[-1][1]

    def do_one(self) -> None:
        """Do the first that is left."""
        job, future = self.begun.pop(0)
        done = run_at_once(job)
        if error := done.exception():
            future.set_exception(error)
        else:
            future.set_result(done.result())
