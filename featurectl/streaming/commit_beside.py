"""A commit to the log that goes on beside a worker's turns: what waits for disks and buckets is done in a thread."""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Final

from featurectl.core.errors import NoAnswerError
from featurectl.streaming.jobs_beside import Beside, BesideJob

_SILENT_S: Final = 15.0  # a commit that takes longer is said to hang: most take less than one
_HINT: Final = "does the offline store answer?"
CommitJobs = Generator[BesideJob, Any, "LogCommit | None"]  # between its jobs it uses what is the worker's


@dataclass(frozen=True, slots=True, kw_only=True)
class LogCommit:
    """What a commit has brought: the first offset of each partition that is not logged now, and how many rows."""

    ends: Mapping[str, int]
    rows: int


class CommitBeside:
    """One commit at a time: its jobs are done beside, one after another, and what lies between them in `go_on`."""

    def __init__(self, beside: Beside) -> None:
        self._beside = beside
        self._jobs: CommitJobs | None = None
        self._job: Future[Any] | None = None
        self._begun_s = 0.0
        self.commit: LogCommit | None = None  # what the last one has brought; None: another commit came between

    @property
    def is_under_way(self) -> bool:
        """Whether a commit was begun that has not come to its end."""
        return self._jobs is not None

    def begin(self, jobs: CommitJobs) -> None:
        """Begin a commit; the one before has come to its end, or was let go."""
        assert not self.is_under_way
        self._jobs, self._job, self._begun_s = jobs, None, time.monotonic()

    @property
    def problem(self) -> NoAnswerError | None:
        """That the one which is under way has been so for long; None: there is nothing to be said."""
        if self._jobs is None or time.monotonic() - self._begun_s < _SILENT_S:
            return None
        return NoAnswerError(f"a commit to the log has been under way for more than {_SILENT_S:g} s", hint=_HINT)

    def go_on(self, until_s: float | None = None) -> bool:
        """Go on as far as is possible without waiting; return whether the commit is at its end.

        Args:
            until_s: Until when it is waited for, by `time.monotonic`; infinite: to its end.

        Raises:
            NoAnswerError: it was waited for in vain, and is let go.
            StoreError: it failed, and is let go.
        """
        while self._jobs is not None:
            if self._job is not None and until_s is None and not self._job.done():
                return False
            try:
                job = next(self._jobs) if self._job is None else self._jobs.send(_result(self._job, until_s))
            except StopIteration as end:
                self.let_go()
                self.commit = end.value
                return True
            except BaseException:
                self.let_go()
                raise
            self._job = self._beside(job)
        return False

    def let_go(self) -> None:
        """Ask no more what comes of it: a job that was begun is done all the same."""
        self._jobs = self._job = None


def _result(job: Future[Any], until_s: float | None) -> object:
    """Return what a job has brought, which is waited for until an instant, None: it is done.

    Raises:
        NoAnswerError: it is not done by then.
    """
    left_s = None if until_s is None or math.isinf(until_s) else max(until_s - time.monotonic(), 0.0)
    try:
        return job.result(left_s)
    except TimeoutError:
        if job.done():  # it is the job's own
            raise
        raise NoAnswerError("a commit to the log has not come to its end in time", hint=_HINT) from None
