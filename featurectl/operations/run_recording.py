"""Keep a record of what became of a view in `materialize` and `push`."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self

from featurectl.core.errors import FeaturectlError, NoAnswerError
from featurectl.core.units import format_iso

if TYPE_CHECKING:
    from collections.abc import Sequence

    from featurectl.core.progress import Progress
    from featurectl.engines.base import CheckResult
    from featurectl.offline.runs import CheckRecord, RunRecord
    from featurectl.registry.state import ObjectVersion
    from featurectl.workspace.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOutcome:
    """What became of a view version in a run."""

    action: str
    rows: int
    error: FeaturectlError | None
    checks: Sequence[CheckResult] = ()
    gaps: Sequence[tuple[datetime, datetime]] = ()


class Recording:
    """The record of a run of a view version: written when it begins, and replaced when it ends.

    Where that of its end can't be written that is a warning, and the run is what it is. A run that ends by an interrupt
    or a fault of ours has failed.
    """

    def __init__(self, workspace: Workspace, item: ObjectVersion, command: str, progress: Progress) -> None:
        from featurectl.offline.runs import RunRecord, begun

        self._workspace, self._progress = workspace, progress
        self._begin, self._name, self._over = time.perf_counter(), "", False
        self._unanswered = False  # the place of the record
        self._record = RunRecord(
            at=datetime.now(UTC),
            now=workspace.now,
            environment=workspace.environment.name,
            command=command,
            view=item.name,
            version=item.version,
            action="",
            rows=0,
            seconds=0,
        )
        self._write(begun(self._record))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if error is not None and not self._over:
            interrupted = isinstance(error, KeyboardInterrupt)
            self._end(replace(self._record, error="interrupted" if interrupted else f"crashed: {type(error).__name__}"))

    @property
    def seconds(self) -> float:
        """How long the run has taken so far."""
        return time.perf_counter() - self._begin

    def end(self, outcome: RunOutcome) -> None:
        """Write what became of it."""
        error = outcome.error
        self._unanswered = isinstance(error, NoAnswerError)
        ended = replace(
            self._record,
            action=outcome.action,
            rows=outcome.rows,
            error_code=error.code if error else "",
            error=error.message if error else "",
            checks=_checks(outcome),
            gaps=tuple((format_iso(after), format_iso(until)) for after, until in outcome.gaps),
        )
        self._end(ended)

    def _end(self, record: RunRecord) -> None:
        self._over = True
        if record.error_code == "FC603" and self._unanswered:
            return
        self._write(replace(record, at=datetime.now(UTC), seconds=round(self.seconds, 3)))

    def _write(self, record: RunRecord) -> None:
        from featurectl.offline.runs import write_run

        workspace = self._workspace
        try:
            where = workspace.offline_location(), workspace.project
            self._name = write_run(*where, record, name=self._name, forget=workspace.clock is not None)
        except NoAnswerError:
            if not self._over:  # it would not take the rows of the run either
                raise
        except FeaturectlError as caught:
            if self._over:  # that it began may not be on record, as the folder is not there yet, and its end be
                self._progress.done(f"warning: the record of {record.label} can't be written: {caught.message}")


def _checks(outcome: RunOutcome) -> tuple[CheckRecord, ...]:
    """Return what came of the checks: of a run that they have failed, the error holds it."""
    from featurectl.offline.runs import CheckRecord
    from featurectl.operations.materialize.check_results import FailedChecksError

    found = outcome.error.checks if isinstance(outcome.error, FailedChecksError) else outcome.checks
    return tuple(
        CheckRecord(
            source_or_view=check.of,
            check=check.label,
            severity=check.severity,
            failed=check.failed,
            rows=check.rows,
            passed=check.passed,
        )
        for check in found
    )
