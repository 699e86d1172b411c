"""Drift, skew and checks, from the parts that measure them; each is loaded when an alert asks for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from featurectl.offline.runs import CheckRecord, read_runs

if TYPE_CHECKING:
    from featurectl.monitor.drift.compare import DriftRow
    from featurectl.monitor.drift.served import Logged
    from featurectl.monitor.verify.report import FeatureSkew
    from featurectl.monitor.verify.surroundings import Stores


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One figure of a feature of a model, of its score where `feature` is empty; None: too little to measure."""

    feature: str
    value: float | None
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedChecks:
    """How many checks of a view version failed at their last run by now, and which."""

    view: str
    version: int
    count: int
    cause: str


def drift_of(workspace: Logged, model: str, metric: str, since: datetime, until: datetime) -> list[Measured]:
    """Return how far each feature that was served lies from the champion's training, by one metric.

    Raises:
        FeaturectlError: it can't be measured.
    """
    from featurectl.monitor.drift.served import served_drift

    return [_drifted(row, metric) for row in served_drift(workspace, model, since, until)]


def _drifted(row: DriftRow, metric: str) -> Measured:
    feature = "" if row.kind == "score" else row.feature
    name = f"feature {feature}" if feature else "the score"
    told = f"{name} of {row.model}@{row.version}, {row.n:,} served against {row.n_reference:,} of the training"
    if not row.enough:
        return Measured(feature=feature, value=None, cause=f"{told}: too few")
    if metric == "null_rate":
        told += f": {100 * row.null_rate:.3g}% null against {100 * row.null_rate_reference:.3g}%"
        return Measured(feature=feature, value=row.null_rate, cause=f"{told}. {row.note}".removesuffix(". "))
    far = getattr(row, metric)
    beyond = next((left for name, left in row.beyond.items() if name == metric), None)
    if beyond is not None:  # few rows are apart by chance: that is no reason to wake anybody
        told += f": {metric} {far:.3g}, of which {far - beyond:.3g} may be chance"
    return Measured(feature=feature, value=beyond, cause=f"{told}. {row.note}".removesuffix(". "))


def skew_of(workspace: Stores, model: str, since: datetime, until: datetime) -> list[Measured]:
    """Return the share of the served values of each feature that are not those of the offline tables.

    Raises:
        FeaturectlError: it can't be measured.
    """
    from featurectl.monitor.verify.log import verify_log

    return [_skewed(row) for row in verify_log(workspace, model, since, until).features]


def _skewed(row: FeatureSkew) -> Measured:
    causes = ", ".join(f"{cause} {count:,}" for cause, count in sorted(row.causes.items(), key=lambda c: -c[1]))
    told = f"feature {row.feature} of {row.model}@{row.version}: {row.mismatched:,} of {row.compared:,} values differ"
    value = row.mismatched / row.compared if row.compared else None
    return Measured(feature=row.feature, value=value, cause=f"{told}: {causes}".removesuffix(": "))


def failed_checks(location: str, project: str, environment: str, since: datetime, now: datetime) -> list[FailedChecks]:
    """Return the checks of each view version that has run, by the last record of each check by now.

    Raises:
        FeaturectlError: the records can't be read.
    """
    last: dict[tuple[str, int], dict[tuple[str, str], CheckRecord]] = {}
    for run in read_runs(location, project, environment, since):
        if run.now > now:
            continue
        checks = last.setdefault((run.view, run.version), {})
        checks |= {(check.source_or_view, check.check): check for check in run.checks}
    return [_failed(view, version, list(checks.values())) for (view, version), checks in sorted(last.items())]


def _failed(view: str, version: int, checks: Sequence[CheckRecord]) -> FailedChecks:
    failed = [check for check in checks if not check.passed]
    told = [f"{c.source_or_view}: {c.check} ({c.severity}; {c.failed:,} of {c.rows:,} rows)" for c in failed]
    return FailedChecks(view=view, version=version, count=len(failed), cause="; ".join(told))
