"""What a process has done for a source since it began, as it tells those who ask."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from featurectl.streaming.predictions import PredictionCounts, united_counts
from featurectl.streaming.worker_counts import WorkerCounts


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceReport:
    """What was done for a source by one process, or by all of them together.

    `events` were written to the lists; what was not logged is written again when a partition is begun anew, and counts
    again. Those that were `late` came more than a minute after they happened. `rejected` were no events, `reasons` says
    of which kinds. `erased` were of erased keys, and left out of all. `null_keys` are by view those that it left out,
    as a part of its entity's key is null. `logged` counts both, once, and `unlogged` wait for the log, which last had
    all at `logged_at_s`, by the wall (0.0: never). `partitions` are those that are worked on.

    `predictions` are those on the events, by model.

    `has_begun`: the topic and the store could be used. `problem` is why the last turn failed, "" where turns go on,
    `lists_problem` why lists can't be made.
    """

    source: str
    events: int = 0
    late: int = 0
    rejected: int = 0
    erased: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)
    null_keys: Mapping[str, int] = field(default_factory=dict)
    warned: int = 0
    logged: int = 0
    unlogged: int = 0
    compacted: int = 0
    rebuilt: int = 0
    begun_anew: int = 0
    reloads: int = 0
    logged_at_s: float = 0.0
    has_begun: bool = False
    partitions: tuple[int, ...] = ()
    problem: str = ""
    lists_problem: str = ""
    predictions: tuple[PredictionCounts, ...] = ()


_COUNTS = ("events", "late", "rejected", "erased", "warned", "logged", "compacted", "begun_anew")
_SUMS = (*_COUNTS, "unlogged", "rebuilt", "reloads")


def counted_with(before: WorkerCounts, counts: WorkerCounts) -> WorkerCounts:
    """Return what a worker has counted with what those before it had."""
    sums = {name: getattr(before, name) + getattr(counts, name) for name in _COUNTS}
    reasons = before.reasons + Counter(dict(counts.reasons))  # a copy at once: the worker goes on in its thread
    null_keys = before.null_keys + Counter(dict(counts.null_keys))
    return WorkerCounts(
        **sums, reasons=reasons, null_keys=null_keys, logged_at_s=max(before.logged_at_s, counts.logged_at_s)
    )


def united_reports(reports: Iterable[SourceReport]) -> list[SourceReport]:
    """Return one report for each source, of what all processes have reported of it; by name.

    >>> [one] = united_reports([SourceReport(source="a", events=2), SourceReport(source="a", events=3, problem="x")])
    >>> one.events, one.problem
    (5, 'x')
    """
    by_source: dict[str, list[SourceReport]] = {}
    for report in reports:
        by_source.setdefault(report.source, []).append(report)
    return [_united(name, found) for name, found in sorted(by_source.items())]


def _united(source: str, reports: list[SourceReport]) -> SourceReport:
    sums = {name: sum(getattr(report, name) for report in reports) for name in _SUMS}
    reasons = sum((Counter(report.reasons) for report in reports), Counter[str]())
    null_keys = sum((Counter(report.null_keys) for report in reports), Counter[str]())
    return SourceReport(
        source=source,
        **sums,
        reasons=dict(sorted(reasons.items())),
        null_keys=dict(sorted(null_keys.items())),
        logged_at_s=min((report.logged_at_s for report in reports if report.partitions), default=0.0),
        has_begun=all(report.has_begun for report in reports),
        partitions=tuple(sorted({each for report in reports for each in report.partitions})),
        problem=next((report.problem for report in reports if report.problem), ""),
        lists_problem=next((report.lists_problem for report in reports if report.lists_problem), ""),
        predictions=tuple(united_counts(each for report in reports for each in report.predictions)),
    )
