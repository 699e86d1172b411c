"""Records of workers' runs, beside those of `materialize` and `push`: one for each view version and day.

A record says that its run goes on, and is written anew every ten minutes, so that nobody takes a worker elsewhere for
dead. At midnight it is ended and another one begins: records are kept by days. That of a worker that was killed says so
to whoever reads it, until the next worker's goes on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Final

from featurectl.core.errors import FeaturectlError
from featurectl.offline.runs import STREAM_RUN, RunRecord, begun, write_run
from featurectl.streaming.jobs_beside import JobsBeside
from featurectl.streaming.session.applied_streams import AppliedStream
from featurectl.streaming.session.followed_streams import FollowedStreams
from featurectl.streaming.session.process_run import RunListener
from featurectl.streaming.session.source_report import SourceReport
from featurectl.workspace.workspace import Workspace

_AGAIN_S: Final = 600.0
_ENDS_S: Final = 1.0


class RunRecords:
    """A `RunListener` that keeps records of what it hears, and tells another one; of the thread that reports."""

    def __init__(self, workspace: Workspace, listener: RunListener) -> None:
        self._workspace, self._listener = workspace, listener
        self._jobs = JobsBeside("records")  # an offline store that hangs holds up nobody
        self._last: Future[object] | None = None
        self._registry = FollowedStreams(workspace)
        self._reports: Mapping[str, SourceReport] = {}
        self._open: dict[tuple[str, int], _OpenRecord] = {}
        self._recorded: set[str] = set()  # sources that have had a record
        self._has_warned = False
        self._due_s = 0.0

    def say(self, source: str, text: str) -> None:
        """Pass on what a person wants to know."""
        self._listener.say(source, text)

    def report(self, reports: Sequence[SourceReport]) -> None:
        """Take note of how far sources are."""
        self._listener.report(reports)
        has_new = any(of.has_begun and of.source not in self._reports for of in reports)
        self._reports = {of.source: of for of in reports if of.has_begun}
        if has_new or time.monotonic() >= self._due_s:
            self._due_s = time.monotonic() + _AGAIN_S
            self._write_open()

    def end(self, error: FeaturectlError | None = None, limit_s: float | None = None) -> None:
        """Say of all records that their runs have ended, and why where that was an error; wait so long for that."""
        for key in [*self._open]:
            self._end(key, error)
        if self._last is not None:
            with suppress(TimeoutError):
                self._last.result(limit_s)

    def _write_open(self) -> None:
        """Begin records of views that have none, end those of views that are gone, and write the others anew."""
        now = datetime.now(UTC)
        wanted = {(name, version): source for source, name, version in self._views()}
        for key, of in [*self._open.items()]:
            if key not in wanted or of.record.now.date() != now.date():
                self._end(key)
        for key, source in wanted.items():
            known = self._open.get(key)
            if known is None:
                before = self._events(source) if source in self._recorded else 0
                known = self._open[key] = _OpenRecord(self._workspace, key, source, before)
            self._write(known, replace(known.record, rows=self._events(source) - known.before))
        self._recorded |= set(wanted.values())

    def _views(self) -> Iterator[tuple[str, str, int]]:
        streams: Mapping[str, AppliedStream] = {}
        try:
            streams = self._registry.read()
        except FeaturectlError:  # the run goes on, and so do its records
            yield from ((of.source, *key) for key, of in self._open.items())
        for source, stream in streams.items():
            if source in self._reports:
                for label in stream.views:
                    name, _, version = label.partition("@")
                    yield source, name, int(version)

    def _events(self, source: str) -> int:
        return self._reports[source].events if source in self._reports else 0

    def _end(self, key: tuple[str, int], error: FeaturectlError | None = None) -> None:
        of = self._open.pop(key)
        ended = replace(
            of.record,
            rows=max(0, self._events(of.source) - of.before),
            action="stream",
            state="ended",
            process=None,
            error_code=error.code if error else "",
            error=error.message if error else "",
        )
        self._write(of, ended)

    def _write(self, of: _OpenRecord, record: RunRecord) -> None:
        record = replace(record, at=datetime.now(UTC), seconds=round(time.monotonic() - of.begun_s, 3))
        self._last = self._jobs.begin(partial(self._write_now, of, record))

    def _write_now(self, of: _OpenRecord, record: RunRecord) -> None:
        workspace = self._workspace
        try:
            where = workspace.offline_location(), workspace.project
            of.name = write_run(*where, record, name=of.name, forget=not of.name)
        except FeaturectlError as error:
            if not self._has_warned:
                self._has_warned = True
                self.say("records", f"the record of the run can't be written: {error.message}")


class _OpenRecord:
    """A record that goes on: `before` are the events of its source when it began."""

    def __init__(self, workspace: Workspace, view: tuple[str, int], source: str, before: int) -> None:
        self.source, self.before = source, before
        self.name, self.begun_s = "", time.monotonic()
        now = datetime.now(UTC)
        self.record = begun(
            RunRecord(
                at=now,
                now=now,
                environment=workspace.environment.name,
                command=STREAM_RUN,
                view=view[0],
                version=view[1],
                action="stream",
                rows=0,
                seconds=0,
            )
        )


@contextmanager
def recorded(
    workspace: Workspace, listener: RunListener, is_stopped: Callable[[], bool] = lambda: False
) -> Iterator[RunListener]:
    """Give a listener that keeps records of what it hears until this ends.

    Where the run was stopped, the last ones are waited for a moment alone.
    """
    records = RunRecords(workspace, listener)
    try:
        yield records
    except FeaturectlError as error:
        records.end(error, _limit_s(is_stopped))
        raise
    except BaseException as error:
        records.end(FeaturectlError(f"crashed: {type(error).__name__}"), _limit_s(is_stopped))
        raise
    records.end(limit_s=_limit_s(is_stopped))


def _limit_s(is_stopped: Callable[[], bool]) -> float | None:
    return _ENDS_S if is_stopped() else None
