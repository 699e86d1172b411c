"""How a workspace does: the ages of its sources and views, what was not done, and its checks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from featurectl.core.errors import StoreError
from featurectl.core.units import format_instant
from featurectl.monitor.health import check_results, look, recorded_runs, runs_seen
from featurectl.monitor.restored_places import restored_places
from featurectl.monitor.sizes import stored_sizes
from featurectl.monitor.why import failed_runs
from featurectl.workspace.older_registry import older_registry

if TYPE_CHECKING:
    from featurectl.monitor.checks import CheckHistory
    from featurectl.monitor.freshness import FreshnessRow
    from featurectl.monitor.sizes import StoredSize
    from featurectl.offline.runs import RunRecord
    from featurectl.workspace.workspace import Workspace

_BACK: Final = timedelta(days=30)
_RUNS_BACK: Final = timedelta(days=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusRequest:
    """What is looked at beside the ages: entities and runs that were not done (`details`), and the room of stores."""

    details: bool = False
    sizes: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusReport:
    """Ages as of `now`; of runs the last of each view by each command, where it is not done.

    `unread` says why no runs can be read, "" where they can. `erasures` counts those that were begun and not finished:
    some of what was to go may be there still. `restored` are places that may have erased rows again. `older_registry`
    says that the registry knows less of what was erased than the online store.
    """

    now: datetime
    rows: Sequence[FreshnessRow]
    runs: Sequence[RunRecord]
    unread: str
    sizes: Sequence[StoredSize]
    erasures: int = 0
    restored: tuple[str, ...] = ()
    older_registry: str = ""

    @property
    def is_broken(self) -> bool:
        """Whether a source or view is past its `error_after`, can't be seen, or was not kept up the last time."""
        return any(row.verdict in ("STALE", "ERROR") for row in self.rows)

    def without_ages(self) -> object:
        """Return what of it is not the time that goes by."""
        return [_without_age(row) for row in self.rows], self.runs


@dataclass(frozen=True, slots=True, kw_only=True)
class ChecksReport:
    """The checks of what is applied, with what they came to until `now`."""

    now: datetime
    checks: Sequence[CheckHistory]

    @property
    def has_failed(self) -> bool:
        """Whether one of severity error failed the last time."""
        return any(history.failing and history.severity == "error" for history in self.checks)


def read_status(workspace: Workspace, request: StatusRequest) -> StatusReport:
    """Return the ages of sources and views against their SLAs.

    Raises:
        CheckFailedError: nothing is applied.
        StoreError: the registry can't be read.
    """
    state = workspace.applied_state()
    rows = look(workspace, state, entities=request.details)
    runs, unread = runs_seen(workspace, _RUNS_BACK)
    rows = [with_failed_run(row, runs) for row in rows]
    answers = _is_answering(rows)
    sizes = stored_sizes(workspace, workspace.state()) if rows and request.sizes else ()
    return StatusReport(
        now=workspace.now,
        rows=rows,
        runs=not_done(runs) if request.details else [],
        unread=unread,
        sizes=sizes,
        erasures=sum(item.done_at is None for item in state.erasures.tombstones),
        restored=restored_places(workspace, state, online=answers),
        older_registry=_older_registry(workspace) if answers else "",
    )


def _is_answering(rows: Sequence[FreshnessRow]) -> bool:
    """Return whether the stores have answered for all views: one that did not is not waited for once more."""
    from featurectl.monitor.status import NOT_MATERIALIZED, NOT_ONLINE, NOT_PUSHED

    usual = (NOT_MATERIALIZED, NOT_ONLINE, NOT_PUSHED)
    return not any(row.kind == "view" and row.error and not row.error.startswith(usual) for row in rows)


def _older_registry(workspace: Workspace) -> str:
    try:
        return older_registry(workspace)
    except StoreError:  # which every command says that needs it
        return ""


def read_checks(workspace: Workspace) -> ChecksReport:
    """Return the checks of the data, with what they came to in 30 days.

    Raises:
        CheckFailedError: nothing is applied.
        StoreError: the registry or the records of runs can't be read.
    """
    found = check_results(workspace, workspace.applied_state(), recorded_runs(workspace, _BACK))
    return ChecksReport(now=workspace.now, checks=found)


def with_failed_run(row: FreshnessRow, runs: Sequence[RunRecord]) -> FreshnessRow:
    """Return the row of a view with the run of it that has failed, if none was done since: an error, however new it is.

    What is served stays as it was, so that its age is good until the next rows ought to be there. Of what was computed
    as of the future the row says already what ends that.
    """
    failed = failed_runs(
        [run for run in runs if row.kind == "view" and (run.view, run.version) == (row.name, row.version)]
    )
    if not failed or row.future:
        return row
    first, last = failed[0], failed[-1]
    code = f" ({last.error_code})" if last.error_code else ""
    said = f"{last.command} has failed since {format_instant(first.now)}{code}: featurectl why {row.name}"
    verdict = row.verdict if row.verdict == "STALE" else "ERROR"
    note = row.note if row.error else ", ".join(text for text in (said, row.note) if text)
    return replace(row, verdict=verdict, failed_run=said, note=note)


def not_done(runs: Sequence[RunRecord]) -> list[RunRecord]:
    """Return of runs in their order the last one of each view version by each command, where it is not done."""
    last = {(run.view, run.version, run.command): run for run in runs}
    return [run for _, run in sorted(last.items()) if not run.done]


def _without_age(row: FreshnessRow) -> object:
    """Return what of a row is not the time that goes by."""
    counts = (row.rows, row.online_keys, row.entities, row.stale_entities)
    clocks = (row.last_event, row.last_available, row.computed_at)
    return row.kind, row.label, row.verdict, counts, clocks, row.error, row.note
