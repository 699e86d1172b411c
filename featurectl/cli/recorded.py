"""Keep a record of what became of a view in `materialize` and `push`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from featurectl.cli.call import Call
    from featurectl.engines.base import CheckResult
    from featurectl.errors import FeaturectlError
    from featurectl.offline.runs import CheckRecord
    from featurectl.open import Workspace
    from featurectl.registry.state import ObjectVersion


@dataclass(frozen=True, slots=True, kw_only=True)
class Became:
    """What became of a view version in a run."""

    action: str
    rows: int
    seconds: float
    error: FeaturectlError | None
    checks: Sequence[CheckResult] = ()


def record_run(call: Call, workspace: Workspace, item: ObjectVersion, became: Became) -> None:
    """Write the record of a run; where it can't be written that is told, and the run is what it was."""
    from featurectl.offline.runs import RunRecord, write_run

    error = became.error
    record = RunRecord(
        at=datetime.now(UTC),
        now=workspace.now,
        environment=workspace.environment.name,
        command=call.command,
        view=item.name,
        version=item.version,
        action=became.action,
        rows=became.rows,
        seconds=round(became.seconds, 3),
        error_code=error.code if error else "",
        error=error.message if error else "",
        checks=_checks(became),
    )
    try:
        write_run(workspace.offline_location(), workspace.project, record, forget=workspace.clock is not None)
    except OSError as caught:
        reason = caught.strerror or str(caught)
        call.progress.done(f"warning: the record of {record.label} can't be written: {reason}")


def _checks(became: Became) -> tuple[CheckRecord, ...]:
    """Return what came of the checks: of a run that they have failed, the error holds it."""
    from featurectl.materialize.checked import FailedChecksError
    from featurectl.offline.runs import CheckRecord

    found = became.error.checks if isinstance(became.error, FailedChecksError) else became.checks
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
