"""The checks of the data over time: what each came to in the runs that are on record."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from featurectl.offline.runs import CheckRecord, RunRecord
from featurectl.spec.definition import Check, FeatureView
from featurectl.spec.transformed import transform_sources


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """A check that is applied, of `of` ("source arrivals")."""

    of: str
    check: Check


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResultAt:
    """What a check came to in a run of a view version as of `now`."""

    now: datetime
    view: str
    version: int
    result: CheckRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckHistory:
    """A check and its results, the oldest first; empty: no run on record has looked.

    A check that passed over no rows says nothing: what it found before still stands.
    """

    of: str
    label: str
    severity: str
    results: tuple[CheckResultAt, ...] = ()

    @property
    def last(self) -> CheckResultAt | None:
        """Its newest result that says something; where none does, the newest."""
        telling = (at for at in reversed(self.results) if at.result.rows or not at.result.passed)
        return next(telling, self.results[-1] if self.results else None)

    @property
    def failing(self) -> bool:
        """True when it failed the last time."""
        return self.last is not None and not self.last.result.passed


def declared_checks(views: Iterable[FeatureView]) -> list[Declared]:
    """Return the checks of views and of the sources that they read, each once: by source or view, then as written."""
    found: dict[tuple[str, str], Declared] = {}
    for view in views:
        parts = [(f"source {source.name}", source.checks) for source in transform_sources(view)]
        for of, checks in [*parts, (f"feature view {view.name}", view.checks)]:
            for check in checks:
                found.setdefault((of, check.label), Declared(of=of, check=check))
    return sorted(found.values(), key=lambda d: d.of)


def check_histories(declared: Sequence[Declared], runs: Sequence[RunRecord], now: datetime) -> list[CheckHistory]:
    """Return the results of checks in runs, given by their now, of which none is later than `now`.

    A source's check is looked at by the runs of all views that read it: each is a result.
    """
    by_check: dict[tuple[str, str], list[CheckResultAt]] = {}
    for run in runs:
        for result in run.checks if run.now <= now else ():
            at = CheckResultAt(now=run.now, view=run.view, version=run.version, result=result)
            by_check.setdefault((result.source_or_view, result.check), []).append(at)
    return [
        CheckHistory(
            of=item.of,
            label=item.check.label,
            severity=item.check.severity,
            results=tuple(by_check.get((item.of, item.check.label), ())),
        )
        for item in declared
    ]


def histories_of(
    views: Sequence[tuple[FeatureView, int]], runs: Sequence[RunRecord], now: datetime
) -> list[list[CheckHistory]]:
    """Return for each view version the results of its checks, of its own runs, and of the checks of its sources."""
    every = check_histories(declared_checks(view for view, _ in views), runs, now)
    found = {(history.of, history.label): history for history in every}
    return [[_of_version(found, item, *of) for item in declared_checks([of[0]])] for of in views]


def _of_version(
    found: Mapping[tuple[str, str], CheckHistory], item: Declared, view: FeatureView, version: int
) -> CheckHistory:
    history, own = found[item.of, item.check.label], item.of == f"feature view {view.name}"
    results = tuple(at for at in history.results if not own or at.version == version)
    return replace(history, severity=item.check.severity, results=results)


def failing_checks(histories: Iterable[CheckHistory], severity: str | None = None) -> int:
    """Return how many checks, of one severity or of any, failed the last time."""
    return sum(h.failing and severity in (None, h.severity) for h in histories)
