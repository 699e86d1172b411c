"""What a process has done for a source since it began, as it tells those who ask."""

from __future__ import annotations

from collections.abc import Iterable

from featurectl.core.dataclass import dataclass
from featurectl.streaming.worker import WorkerCounts


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceReport:
    """What was done for a source by one process, or by all of them together.

    `events` were written to the lists, `rejected` were no events, `logged` counts both; `unlogged` wait for the log.
    `problem` is why the last turn failed, "" where turns go on. `partitions` are those that are worked on.
    """

    source: str
    events: int = 0
    rejected: int = 0
    warned: int = 0
    logged: int = 0
    unlogged: int = 0
    compacted: int = 0
    rebuilt: int = 0
    begun_anew: int = 0
    reloads: int = 0
    partitions: tuple[int, ...] = ()
    problem: str = ""


_COUNTS = ("events", "rejected", "warned", "logged", "compacted", "begun_anew")
_SUMS = (*_COUNTS, "unlogged", "rebuilt", "reloads")


def counted_with(before: WorkerCounts, counts: WorkerCounts) -> WorkerCounts:
    """Return what a worker has counted with what those before it had."""
    return WorkerCounts(**{name: getattr(before, name) + getattr(counts, name) for name in _COUNTS})


def united_reports(reports: Iterable[SourceReport]) -> list[SourceReport]:
    """Return one report for each source, of what all processes have told of it; by name.

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
    partitions = tuple(sorted({each for report in reports for each in report.partitions}))
    problem = next((report.problem for report in reports if report.problem), "")
    return SourceReport(source=source, **sums, partitions=partitions, problem=problem)
