"""What workers have done and how far they are, in the text format of Prometheus; nothing holds a key of an entity."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from featurectl.core.dataclass import dataclass
from featurectl.streaming.session.source_report import SourceReport
from featurectl.streaming.session.stream_watch import WatchedStream
from featurectl.streaming.session.worker_health import view_ages

_SECOND_US: Final = 1_000_000
_Labels = Mapping[str, str]
_COUNTS: Final[Mapping[str, tuple[str, str]]] = {
    "events": ("events", "Events that were written to the lists of views."),
    "late_events": ("late", "Events that came more than a minute after they happened."),
    "warned_events": ("warned", "Events that failed a check of severity warn."),
    "logged_events": ("logged", "Events that were written to the log, rejected ones among them."),
    "compacted_lists": ("compacted", "Lists that were compacted."),
    "rebuilt_views": ("rebuilt", "Views whose lists were made anew."),
    "begun_anew": ("begun_anew", "How often partitions were begun anew, after a loss of the store."),
    "reloads": ("reloads", "How often other definitions were taken up."),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunMetrics:
    """What there is to show: what was done, how far streams are, and the time, in both clocks."""

    project: str
    environment: str
    reports: Sequence[SourceReport]
    watched: Mapping[str, WatchedStream]
    now_us: int
    registry_problem: str = ""


def render_worker_metrics(run: RunMetrics) -> str:
    """Return the metrics of a run; of what is not known there is none: it is no zero."""
    return "".join(f"{line}\n" for line in _lines(run))


def _lines(run: RunMetrics) -> Iterator[str]:
    where = {"project": run.project, "environment": run.environment}
    for name, (field, text) in _COUNTS.items():
        found = [({**where, "source": of.source}, float(getattr(of, field))) for of in run.reports]
        yield from _metric(f"{name}_total", "counter", text, found)
    rejected = [
        ({**where, "source": of.source, "reason": reason}, float(count))
        for of in run.reports
        for reason, count in sorted(of.reasons.items())
    ]
    yield from _metric("rejected_events_total", "counter", "Events that count for nothing, by why.", rejected)
    for name, text, values in _gauges(run):
        yield from _metric(name, "gauge", text, [({**where, **labels}, value) for labels, value in values])


_Values = list[tuple[_Labels, float]]


def _gauges(run: RunMetrics) -> Iterator[tuple[str, str, _Values]]:
    yield from _of_processes(run)
    yield from _of_streams(run)
    yield "registry_followed", "1 while the registry can be read.", [({}, float(not run.registry_problem))]


def _of_processes(run: RunMetrics) -> Iterator[tuple[str, str, _Values]]:
    def of_each(value: Callable[[SourceReport], float]) -> _Values:
        return [({"source": of.source}, float(value(of))) for of in run.reports]

    now_s = run.now_us / _SECOND_US
    logged = {of.source: of.logged_at_s for of in run.reports if of.logged_at_s}
    yield "unlogged_events", "Events that were taken and wait for the log.", of_each(lambda of: of.unlogged)
    yield (
        "since_logged_seconds",
        "How long ago the log had all that was taken.",
        [({"source": name}, max(0.0, now_s - at_s)) for name, at_s in logged.items()],
    )
    yield "partitions", "How many partitions these workers have.", of_each(lambda of: len(of.partitions))
    yield (
        "problem",
        "1 while turns fail, as the store, the broker or the log is away.",
        of_each(lambda of: bool(of.problem)),
    )
    yield "lists_problem", "1 while lists of views can't be made.", of_each(lambda of: bool(of.lists_problem))


def _of_streams(run: RunMetrics) -> Iterator[tuple[str, str, _Values]]:
    lags = {name: of.lag for name, of in run.watched.items() if of.lag is not None}
    parts = [
        ({"source": name, "partition": str(of.partition)}, of) for name, lag in lags.items() for of in lag.partitions
    ]
    yield "lag_events", "Events of a partition that no worker has taken.", [(of, float(p.unread)) for of, p in parts]
    yield (
        "lag_seconds",
        "How long ago all events of a partition were in answers.",
        [(of, _since(p.applied_us, run.now_us)) for of, p in parts if p.applied_us],
    )
    yield (
        "asof_age_seconds",
        "How long ago all events of a stream were in answers.",
        [({"source": name}, _since(lag.asof_us, run.now_us)) for name, lag in lags.items() if lag.asof_us],
    )
    ages = [age for of in run.watched.values() for age in view_ages(of, run.now_us)]
    yield (
        "view_readable",
        "1 for a view version whose lists can be read.",
        [({"view": age.view, "version": str(age.version)}, float(age.age_us is not None)) for age in ages],
    )


def _since(instant_us: int, now_us: int) -> float:
    return max(0, now_us - instant_us) / _SECOND_US


def _metric(name: str, kind: str, text: str, values: Sequence[tuple[_Labels, float]]) -> Iterator[str]:
    if not values:
        return
    whole = f"featurectl_stream_{name}"
    yield f"# HELP {whole} {text}"
    yield f"# TYPE {whole} {kind}"
    for labels, value in values:
        shown = ",".join(f'{label}="{_escaped(of)}"' for label, of in labels.items())
        yield f"{whole}{{{shown}}} {value:.15g}"


def _escaped(text: str) -> str:
    r"""Return a label as the format has it.

    >>> _escaped('a"b')
    'a\\"b'
    """
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
