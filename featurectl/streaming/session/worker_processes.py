"""Several processes that share the partitions of the streams, and the one that has started them.

A process that was killed is replaced, with a word; an error of one ends all, in order. When the first is gone, whatever
ended it, the others end as they do at SIGTERM.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Final

from featurectl.core.errors import CheckFailedError, DataError, FeaturectlError, StoreError, TryAgainError, UsageError
from featurectl.core.stop_request import StopRequest
from featurectl.streaming.run import StopSignal
from featurectl.streaming.session.process_run import ProcessRun, RunListener, StreamRunRequest
from featurectl.streaming.session.source_report import SourceReport, united_reports
from featurectl.workspace.open import open_workspace

_TICK_S: Final = 0.1
_REPORT_S: Final = 0.5
_SOON_S: Final = 30.0  # a process that dies so soon after its start was not killed by chance
_MOST_DEATHS: Final = 3  # so soon, one after another
_TERMINATED: Final = 128 + signal.SIGTERM
_KINDS: Final[tuple[type, ...]] = (UsageError, DataError, CheckFailedError, TryAgainError, StoreError)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspacePlace:
    """Where a process finds the workspace: the repository's root, and the name of the environment."""

    root: Path
    env: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessMessage:
    """What a process tells the first one: a line about a source, how far it is, or that it has ended, and why."""

    source: str = ""
    text: str = ""
    reports: tuple[SourceReport, ...] = ()
    has_ended: bool = False
    error: tuple[int, str, str, str] | None = None  # the place in `_KINDS`, the message, the code, the hint
    fault: str = ""  # a traceback


class WorkerProcess:
    """One process, what it has reported, and when it was started."""

    def __init__(self, number: int, place: WorkspacePlace, request: StreamRunRequest) -> None:
        context = multiprocessing.get_context("spawn")
        self.number = number
        self.pipe, theirs = context.Pipe(duplex=False)
        self.process = context.Process(target=_work, args=(place, request, theirs), name=f"worker {number}")
        with _uninterrupted():
            self.process.start()
        theirs.close()
        self.begun_s = time.monotonic()
        self.reports: tuple[SourceReport, ...] = ()
        self.has_ended = False

    def messages(self) -> Iterator[ProcessMessage]:
        """Yield the messages that it has sent since the last time."""
        with suppress(EOFError, OSError):
            while self.pipe.poll():
                message: ProcessMessage = self.pipe.recv()
                self.reports = message.reports or self.reports
                self.has_ended |= message.has_ended
                yield message

    def end(self) -> None:
        """Have it end in order."""
        if self.process.is_alive():
            self.process.terminate()


class ProcessGroup:
    """The processes of a run; `run` is for the main thread."""

    def __init__(self, place: WorkspacePlace, request: StreamRunRequest, count: int, listener: RunListener) -> None:
        self._place, self._request, self._count, self._listener = place, request, count, listener
        self._processes: list[WorkerProcess] = []
        self._of_dead: list[SourceReport] = []
        self._said: dict[str, str] = {}
        self._deaths = 0
        self._error: Exception | None = None

    def run(self, stop: StopSignal) -> Sequence[SourceReport]:
        """Work until stopped, with `once` until all have ended, and return what was done.

        Raises:
            FeaturectlError: that of the first process that had one; the others were ended in order.
            StoreError: processes die soon after their start, again and again.
        """
        self._processes = [self._started(number) for number in range(self._count)]
        try:
            while self._error is None and not stop.is_set() and not all(one.has_ended for one in self._processes):
                wait([one.pipe for one in self._processes if not one.has_ended], _TICK_S)
                self._look()
        finally:
            self._end_all()
        if self._error is not None:
            raise self._error
        return self._reports()

    def _started(self, number: int) -> WorkerProcess:
        return WorkerProcess(number, self._place, self._request)

    def _reports(self) -> Sequence[SourceReport]:
        return united_reports([*self._of_dead, *(report for one in self._processes for report in one.reports)])

    def _look(self) -> None:
        for place, one in enumerate(self._processes):
            was_alive = one.process.is_alive()
            for message in one.messages():
                self._hear(message)
            if not was_alive and not one.has_ended:
                self._replace(place, one)
        self._listener.report(self._reports())

    def _hear(self, message: ProcessMessage) -> None:
        if message.text and self._said.get(message.source) != message.text:  # all say the same of most things
            self._said[message.source] = message.text
            self._listener.say(message.source, message.text)
        if self._error is None and message.error is not None:
            kind, text, code, hint = message.error
            self._error = _KINDS[kind](text, code=code, hint=hint)
        elif self._error is None and message.fault:
            self._error = RuntimeError(message.fault)

    def _replace(self, place: int, dead: WorkerProcess) -> None:
        is_soon = time.monotonic() - dead.begun_s < _SOON_S
        self._deaths = self._deaths + 1 if is_soon else 0
        how = _end_of(dead.process.exitcode or 0)
        if self._deaths >= _MOST_DEATHS:
            self._error = StoreError(
                f"worker process {dead.process.pid} {how}, the third one that died soon after its start",
                hint="the system's log may say why: memory, mostly",
            )
            return
        self._listener.say("workers", f"process {dead.process.pid} {how}: another one takes its place")
        self._of_dead += [_without_partitions(report) for report in dead.reports]
        self._processes[place] = self._started(dead.number)

    def _end_all(self) -> None:
        for one in self._processes:
            one.end()
        for one in self._processes:
            while one.process.is_alive():
                wait([one.pipe, one.process.sentinel], _TICK_S)
                for message in one.messages():
                    self._hear(message)
                self._listener.report(self._reports())
            one.process.join()
            for message in one.messages():
                self._hear(message)
            one.pipe.close()


class _PipeListener:
    """Tells the first process; when that is gone, nobody."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe, self._lock = pipe, threading.Lock()
        self._reported_s = 0.0

    def tell(self, message: ProcessMessage) -> None:
        with self._lock, suppress(OSError):
            self._pipe.send(message)

    def say(self, source: str, text: str) -> None:
        self.tell(ProcessMessage(source=source, text=text))

    def report(self, reports: Sequence[SourceReport]) -> None:
        if time.monotonic() - self._reported_s >= _REPORT_S:
            self._reported_s = time.monotonic()
            self.tell(ProcessMessage(reports=tuple(reports)))


def _work(place: WorkspacePlace, request: StreamRunRequest, pipe: Connection) -> None:
    """Work in the process that was started."""
    stop, listener = StopRequest(), _PipeListener(pipe)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.set())
    if (parent := multiprocessing.parent_process()) is not None:
        threading.Thread(target=_stop_after, args=(parent, stop), daemon=True).start()
    try:
        with open_workspace(place.root, place.env, None, "project file") as workspace:
            reports = ProcessRun(workspace, request, listener).run(stop)
        listener.tell(ProcessMessage(reports=tuple(reports), has_ended=True))
    except FeaturectlError as error:
        kinds = [_KINDS.index(kind) for kind in type(error).__mro__ if kind in _KINDS]
        failure = (kinds[0] if kinds else len(_KINDS) - 1, error.message, error.code, error.hint)
        listener.tell(ProcessMessage(has_ended=True, error=failure))
    except Exception:  # noqa: BLE001 (a fault of ours, which the first process raises)
        listener.tell(ProcessMessage(has_ended=True, fault=traceback.format_exc()))
    pipe.close()


def _stop_after(parent: BaseProcess, stop: StopRequest) -> None:
    """Have this process end in order when the first one is gone; at once where it ended before this one had."""
    parent.join()
    if stop.is_set():
        os._exit(_TERMINATED)
    stop.set()


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Have what is started meanwhile ignore Ctrl-C, which a terminal sends to all: the first one ends the others."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _without_partitions(report: SourceReport) -> SourceReport:
    predictions = tuple(replace(each, waiting=0, problem="") for each in report.predictions)
    return replace(report, partitions=(), unlogged=0, problem="", predictions=predictions)


def _end_of(code: int) -> str:
    """Return how a process ended.

    >>> _end_of(-9), _end_of(3)
    ('was killed by SIGKILL', 'ended with exit code 3')
    """
    if code >= 0:
        return f"ended with exit code {code}"
    names = {number.value: number.name for number in signal.Signals}
    return f"was killed by {names.get(-code, f'signal {-code}')}"
