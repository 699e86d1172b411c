"""Whether workers can work, and whether what they keep online is as fresh as it promises: two questions.

A worker that can't reach the store, the broker or the log is not ready. How old answers are is a matter of freshness:
the events may have stopped, or others than this worker may be behind.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from featurectl.core.units import format_age
from featurectl.online.future_pushes import tell_ahead
from featurectl.streaming.session.source_report import SourceReport
from featurectl.streaming.session.stream_watch import WatchedStream

_SECOND_US: Final = 1_000_000
_UNSEEN_S: Final = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerVerdict:
    """What keeps workers from being what was asked, and what there is to know beside."""

    problems: Sequence[str] = ()
    warnings: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamViewAge:
    """How old the values of a view version are; None: they can't be read, or `ahead` says how far they lie ahead."""

    view: str
    version: int
    age_us: int | None
    is_readable: bool
    ahead: str = ""


def check_workers(reports: Sequence[SourceReport], sources: Sequence[str], registry_problem: str) -> WorkerVerdict:
    """Return whether all sources are worked on: their topics, the store and the log could be used at the last turn.

    >>> check_workers([SourceReport(source="a", has_begun=True)], ["a", "b"], "").problems
    ['source b: work on it has not begun']
    """
    known = {of.source: of for of in reports if of.has_begun}
    problems = [f"source {name}: work on it has not begun" for name in sources if name not in known]
    problems += [f"source {of.source}: {of.problem}" for of in known.values() if of.problem]
    problems += [
        f"source {of.source}: events are not predicted by {each.model or 'any model'}: {each.problem}"
        for of in known.values()
        for each in of.predictions
        if each.problem
    ]
    warnings = [f"registry: {registry_problem}"] if registry_problem else []
    warnings += [
        f"source {of.source}: lists of its views can't be made: {of.lists_problem}"
        for of in known.values()
        if of.lists_problem
    ]
    return WorkerVerdict(problems=problems, warnings=warnings)


def check_fresh(watched: Mapping[str, WatchedStream], now_us: int, now_s: float) -> WorkerVerdict:
    """Return which views can't be read, lie ahead of now, or are older than their `error_after`.

    That of their source is theirs where they have none.
    """
    problems: list[str] = []
    for name, of in watched.items():
        if of.lag is None:
            problems.append(f"source {name}: {of.problem}")
        elif now_s - of.looked_s > _UNSEEN_S:
            problems.append(f"source {name}: nobody has seen how far it is for {now_s - of.looked_s:.0f} s")
        else:
            problems += _late(of, now_us)
    return WorkerVerdict(problems=problems)


def _late(of: WatchedStream, now_us: int) -> Iterator[str]:
    for age in view_ages(of, now_us):
        label = f"{age.view}@{age.version}"
        sla = of.stream.views[label].freshness or of.stream.source.freshness
        most_us = None if sla is None else sla.error_after_us
        if not age.is_readable:
            yield f"view {label} can't be read: its lists are not made"
        elif age.age_us is None:
            yield f"view {label} is {age.ahead}"
        elif most_us is not None and age.age_us > most_us:
            yield f"view {label} is {format_age(age.age_us)} old, and its error_after is {format_age(most_us)}"


def view_ages(of: WatchedStream, now_us: int) -> list[StreamViewAge]:
    """Return how long ago the values of each view of a stream were true."""
    asof_us = None if of.lag is None else of.lag.asof_us
    found = []
    for label in of.stream.views:
        name, _, version = label.partition("@")
        is_there = of.lag is not None and label in of.lag.readable and asof_us is not None
        ahead = "" if asof_us is None else tell_ahead(asof_us, now_us)
        age_us = None if asof_us is None or ahead or not is_there else max(0, now_us - asof_us)
        found.append(StreamViewAge(view=name, version=int(version), age_us=age_us, is_readable=is_there, ahead=ahead))
    return found
