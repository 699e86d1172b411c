"""Drift, skew, checks and runs, from the parts that measure them; what is slow to load is when an alert asks for it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from featurectl.core.units import counted, format_instant, plural
from featurectl.monitor.alerts.observation import RootCause
from featurectl.monitor.checks import CheckHistory, histories_of
from featurectl.monitor.status import ServedView
from featurectl.monitor.why import source_of_failure
from featurectl.offline.runs import RunRecord

if TYPE_CHECKING:
    from featurectl.monitor.drift.compare import DriftRow
    from featurectl.monitor.verify.report import FeatureSkew
    from featurectl.workspace.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureFigure:
    """One figure of a feature of a model, of its score where `feature` is empty; None: too little to measure."""

    feature: str
    value: float | None
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureCount:
    """How many checks, or runs, of a view version failed, and which; `root_causes` by source, if one is at fault."""

    view: str
    version: int
    count: int
    cause: str
    root_causes: tuple[RootCause, ...] = ()


def drift_of(workspace: Workspace, model: str, since: datetime, until: datetime) -> Sequence[DriftRow]:
    """Return how far each feature that was served lies from the champion's training, by every metric.

    Raises:
        FeaturectlError: it can't be measured.
    """
    from featurectl.monitor.drift.logged_window import served_drift

    return served_drift(workspace, model, since, until)


def drifted(row: DriftRow, metric: str) -> FeatureFigure:
    """Return one metric of a feature's drift, less what may be chance."""
    feature = "" if row.kind == "score" else row.feature
    name = f"feature {feature}" if feature else "the score"
    cause = f"{name} of {row.model}@{row.version}, {row.n:,} served against {row.n_reference:,} of the training"
    if not row.enough:
        return FeatureFigure(feature=feature, value=None, cause=f"{cause}: too few")
    if metric == "null_rate":
        cause += f": {100 * row.null_rate:.3g}% null against {100 * row.null_rate_reference:.3g}%"
        return FeatureFigure(feature=feature, value=row.null_rate, cause=f"{cause}. {row.note}".removesuffix(". "))
    far = getattr(row, metric)
    beyond = next((left for name, left in row.beyond.items() if name == metric), None)
    if beyond is not None:  # few rows are apart by chance: that is no reason to wake anybody
        cause += f": {metric} {far:.3g}, of which {far - beyond:.3g} may be chance"
    return FeatureFigure(feature=feature, value=beyond, cause=f"{cause}. {row.note}".removesuffix(". "))


def skew_of(workspace: Workspace, model: str, since: datetime, until: datetime) -> list[FeatureFigure]:
    """Return the share of the served values of each feature that are not those of the offline tables.

    Raises:
        FeaturectlError: it can't be measured.
    """
    from featurectl.monitor.verify.log_rows import LogSelection
    from featurectl.monitor.verify.replay_log import verify_log

    return [_skewed(row) for row in verify_log(workspace, model, LogSelection(since=since, until=until)).features]


def _skewed(row: FeatureSkew) -> FeatureFigure:
    causes = ", ".join(f"{cause} {count:,}" for cause, count in sorted(row.causes.items(), key=lambda c: -c[1]))
    of_values = f"{row.compared:,} {plural(row.compared, 'value')} {plural(row.mismatched, 'differs', 'differ')}"
    cause = f"feature {row.feature} of {row.model}@{row.version}: {row.mismatched:,} of {of_values}"
    value = row.mismatched / row.compared if row.compared else None
    return FeatureFigure(feature=row.feature, value=value, cause=f"{cause}: {causes}".removesuffix(": "))


def failed_checks(views: Iterable[ServedView], runs: Sequence[RunRecord], now: datetime) -> list[FailureCount]:
    """Return how many checks of each view version failed the last time, as `status --checks` tells it.

    A view version whose checks no run has looked at is left out.
    """
    served = list(views)
    found = zip(served, histories_of([(item.view, item.version) for item in served], runs, now), strict=True)
    return [_failed(*of) for of in found if not of[1] or any(history.results for history in of[1])]


def _failed(served: ServedView, histories: Sequence[CheckHistory]) -> FailureCount:
    own = f"view:{served.view.name}@{served.version}"
    failures: dict[str, list[str]] = {}
    for history in histories:
        if history.failing and history.last is not None:
            result = history.last.result
            of_rows = f"{result.failed:,} of {result.rows:,} {plural(result.rows, 'row')}"
            text = f"{history.of}: {history.label} ({history.severity}; {of_rows})"
            failures.setdefault(f"source:{history.source}" if history.source else own, []).append(text)
    texts = [text for of in failures.values() for text in of]
    return FailureCount(
        view=served.view.name,
        version=served.version,
        count=len(texts),
        cause="; ".join(texts),
        root_causes=tuple(RootCause(name=name, text="; ".join(of)) for name, of in failures.items()),
    )


def failed_runs(views: Iterable[ServedView], runs: Sequence[RunRecord]) -> list[FailureCount]:
    """Return how many runs of each view version failed, with the newest error; one that has not run is left out."""
    of: dict[tuple[str, int], list[RunRecord]] = {(served.view.name, served.version): [] for served in views}
    for run in runs:
        of.get((run.view, run.version), []).append(run)
    return [_not_done(some) for some in of.values() if some]


def _not_done(runs: Sequence[RunRecord]) -> FailureCount:
    failed = [run for run in runs if not run.done]
    cause, source = f"{len(failed)} of {counted(len(runs), 'run')} failed", ""
    if failed:
        last = failed[-1]
        error = f"{last.error_code} {last.error}".strip()
        cause += f"; the last: {last.command} of {last.label} as of {format_instant(last.now)}: {error}"
        source = source_of_failure(last)
    root_causes = (RootCause(name=f"source:{source}", text=cause),) if source else ()
    return FailureCount(
        view=runs[-1].view, version=runs[-1].version, count=len(failed), cause=cause, root_causes=root_causes
    )
