"""The checks of the data over time: what each came to in the runs that are on record."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from featurectl.language.definitions.source import Check
from featurectl.language.definitions.view import FeatureView
from featurectl.language.resolve.transformed import transform_sources
from featurectl.offline.runs import CheckRecord, RunRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class AppliedCheck:
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

    A check that passed over no rows says nothing: what it found before still stands. A view's own check has a last
    result of each version, a source's has one.
    """

    of: str
    label: str
    severity: str
    results: tuple[CheckResultAt, ...] = ()

    @property
    def last(self) -> CheckResultAt | None:
        """Its newest result that says something; where none does, the newest. Of several versions, one that failed."""
        newest: dict[int, CheckResultAt] = {}
        for at in self.results:
            of = at.version if self.of == _named(at.view) else 0
            if of not in newest or _says(at) or not _says(newest[of]):
                newest[of] = at
        return max(newest.values(), key=lambda at: (not at.result.passed, at.now), default=None)

    @property
    def source(self) -> str:
        """The source that it is a check of; "": it is one of a view."""
        return self.of.removeprefix("source ") if self.of.startswith("source ") else ""

    @property
    def failing(self) -> bool:
        """True when it failed the last time."""
        return self.last is not None and not self.last.result.passed


def _named(view: str) -> str:
    return f"feature view {view}"


def _says(at: CheckResultAt) -> bool:
    return bool(at.result.rows) or not at.result.passed


def declared_checks(views: Iterable[FeatureView]) -> list[AppliedCheck]:
    """Return the checks of views and of the sources that they read, each once: by source or view, then as written."""
    found: dict[tuple[str, str], AppliedCheck] = {}
    for view in views:
        parts = [(f"source {source.name}", source.checks) for source in transform_sources(view)]
        for of, checks in [*parts, (_named(view.name), view.checks)]:
            for check in checks:
                found.setdefault((of, check.label), AppliedCheck(of=of, check=check))
    return sorted(found.values(), key=lambda d: d.of)


def check_histories(
    views: Sequence[tuple[FeatureView, int]], runs: Sequence[RunRecord], now: datetime
) -> list[CheckHistory]:
    """Return the results of the checks of view versions, and of their sources, in runs as of no later than `now`.

    A source's check is looked at by the runs of all views that read it, a view's own by those of these versions. `runs`
    are given by their now. Of a check that several versions have, the form of the first counts.
    """
    return _histories(views, _by_check(runs, now))


def histories_of(
    views: Sequence[tuple[FeatureView, int]], runs: Sequence[RunRecord], now: datetime
) -> list[list[CheckHistory]]:
    """Return for each view version the results of its checks, as `check_histories` gives them of it alone."""
    found = _by_check(runs, now)
    return [_histories([of], found) for of in views]


def _by_check(runs: Sequence[RunRecord], now: datetime) -> Mapping[tuple[str, str], Sequence[CheckResultAt]]:
    found: dict[tuple[str, str], list[CheckResultAt]] = {}
    for run in runs:
        for result in run.checks if run.now <= now else ():
            at = CheckResultAt(now=run.now, view=run.view, version=run.version, result=result)
            found.setdefault((result.source_or_view, result.check), []).append(at)
    return found


def _histories(
    views: Sequence[tuple[FeatureView, int]], found: Mapping[tuple[str, str], Sequence[CheckResultAt]]
) -> list[CheckHistory]:
    versions = {(_named(view.name), version) for view, version in views}
    own = {of for of, _ in versions}
    made = []
    for item in declared_checks(view for view, _ in views):
        every = found.get((item.of, item.check.label), ())
        results = tuple(at for at in every if item.of not in own or (item.of, at.version) in versions)
        made.append(CheckHistory(of=item.of, label=item.check.label, severity=item.check.severity, results=results))
    return made
