"""A commit to the log that goes on beside a worker's turns: what waits for disks and buckets is done in a thread."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from concurrent.futures import Future
from typing import Any

from featurectl.core.dataclass import dataclass

BesideJob = Callable[[], object]
Beside = Callable[[BesideJob], "Future[Any]"]  # begins a job, and returns at once
CommitJobs = Generator[BesideJob, Any, "LogCommit | None"]  # between its jobs it uses what is the worker's


@dataclass(frozen=True, slots=True, kw_only=True)
class LogCommit:
    """What a commit has brought: the first offset of each partition that is not logged now, and how many rows."""

    ends: Mapping[str, int]
    rows: int


def run_at_once(job: BesideJob) -> Future[Any]:
    """Do a job here and now."""
    done: Future[Any] = Future()
    try:
        done.set_result(job())
    except Exception as error:  # noqa: BLE001 (whoever asks for the result gets it)
        done.set_exception(error)
    return done


class CommitBeside:
    """One commit at a time: its jobs are done beside, one after another, and what lies between them in `go_on`."""

    def __init__(self, beside: Beside) -> None:
        self._beside = beside
        self._jobs: CommitJobs | None = None
        self._job: Future[Any] | None = None
        self.commit: LogCommit | None = None  # what the last one has brought; None: another commit came between

    @property
    def is_under_way(self) -> bool:
        """Whether a commit was begun that has not come to its end."""
        return self._jobs is not None

    def begin(self, jobs: CommitJobs) -> None:
        """Begin a commit; the one before has come to its end, or was let go."""
        assert not self.is_under_way
        self._jobs, self._job = jobs, None

    def go_on(self, *, to_the_end: bool = False) -> bool:
        """Go on as far as is possible without waiting, or `to_the_end`; return whether the commit is at its end.

        Raises:
            StoreError: it failed, and is let go.
        """
        while self._jobs is not None:
            if self._job is not None and not self._job.done() and not to_the_end:
                return False
            try:
                job = next(self._jobs) if self._job is None else self._jobs.send(self._job.result())
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
