"""What workers have done and how far they are, in the text format of Prometheus; nothing holds a key of an entity."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from featurectl.online.future_pushes import is_ahead
from featurectl.streaming.predictions import PredictionCounts
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
    erased = [({**where, "source": of.source}, float(of.erased)) for of in run.reports]
    yield from _metric("erased_events_total", "counter", "Events of erased keys, left out.", erased)
    left_out = [
        ({**where, "source": of.source, "view": view}, float(count))
        for of in run.reports
        for view, count in sorted(of.null_keys.items())
    ]
    yield from _metric("null_key_events_total", "counter", "Events that a view left out: a null key.", left_out)
    yield from _predictions(run, where)
    for name, text, values in _gauges(run):
        yield from _metric(name, "gauge", text, [({**where, **labels}, value) for labels, value in values])


_ANSWERS: Final = ("answered", "failed", "refused")  # of whoever was asked, as `serve` counts its requests
_REQUESTS: Final = "featurectl_prediction_request"  # what the metrics of `serve` are called, and their rules ask for


def _predictions(run: RunMetrics, where: _Labels) -> Iterator[str]:
    """Give what was predicted on events, by model: as requests of `serve`, and what is of events alone."""
    found = [({**where, "source": of.source, "model": one.model}, one) for of in run.reports for one in of.predictions]
    results = [
        ({**labels, "result": result}, float(count))
        for labels, one in found
        for result, count in sorted(one.results.items())
    ]
    asked = [each for each in results if each[0]["result"] in _ANSWERS]
    others = [each for each in results if each[0]["result"] not in _ANSWERS]
    yield from _of_name(f"{_REQUESTS}s_total", "counter", "Events that a model was asked about.", asked)
    if timed := [(labels, one) for labels, one in found if one.latency_s]:
        yield from _histogram(f"{_REQUESTS}_duration_seconds", "From sending an event to its prediction.", timed)
    yield from _metric("unpredicted_events_total", "counter", "Events without a prediction, by why.", others)
    early = [(labels, float(one.early)) for labels, one in found]
    yield from _metric("early_predictions_total", "counter", "Predictions made before all events could be read.", early)
    waiting = [(labels, float(one.waiting)) for labels, one in found]
    yield from _metric("waiting_predictions", "gauge", "Events that wait for a prediction.", waiting)
    problems = [(labels, float(bool(one.problem))) for labels, one in found]
    yield from _metric("predictions_problem", "gauge", "1 while a model can't predict events.", problems)


def _histogram(name: str, text: str, found: Sequence[tuple[_Labels, PredictionCounts]]) -> Iterator[str]:
    yield f"# HELP {name} {text}"
    yield f"# TYPE {name} histogram"
    for labels, each in found:
        for bound, count in each.latency_s.items():
            shown = {**labels, "le": "+Inf" if math.isinf(bound) else f"{bound:g}"}
            yield f"{name}_bucket{_shown(shown)} {count}"
        yield f"{name}_sum{_shown(labels)} {each.latency_sum_s:.15g}"
        yield f"{name}_count{_shown(labels)} {max(each.latency_s.values())}"


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
        [(of, _age(p.applied_us, run.now_us)) for of, p in parts if p.applied_us],
    )
    yield (
        "asof_age_seconds",
        "How long ago all events of a stream were in answers; infinite where that lies ahead of this clock.",
        [({"source": name}, _age(lag.asof_us, run.now_us)) for name, lag in lags.items() if lag.asof_us],
    )
    yield (
        "asof_ahead_seconds",
        "How far answers of a stream lie ahead of this clock, as the online store's is ahead or was.",
        [({"source": name}, _since(run.now_us, lag.asof_us)) for name, lag in lags.items() if lag.asof_us],
    )
    ages = [age for of in run.watched.values() for age in view_ages(of, run.now_us)]
    yield (
        "view_readable",
        "1 for a view version whose lists can be read.",
        [({"view": age.view, "version": str(age.version)}, float(age.is_readable)) for age in ages],
    )


def _age(instant_us: int, now_us: int) -> float:
    """Return how long ago an instant was: infinite where it lies ahead, so that no bound calls it fresh."""
    return math.inf if is_ahead(instant_us, now_us) else _since(instant_us, now_us)


def _since(instant_us: int, now_us: int) -> float:
    return max(0, now_us - instant_us) / _SECOND_US


def _metric(name: str, kind: str, text: str, values: Sequence[tuple[_Labels, float]]) -> Iterator[str]:
    yield from _of_name(f"featurectl_stream_{name}", kind, text, values)


def _of_name(name: str, kind: str, text: str, values: Sequence[tuple[_Labels, float]]) -> Iterator[str]:
    if not values:
        return
    yield f"# HELP {name} {text}"
    yield f"# TYPE {name} {kind}"
    for labels, value in values:
        yield f"{name}{_shown(labels)} " + ("+Inf" if value == math.inf else f"{value:.15g}")


def _shown(labels: _Labels) -> str:
    """Return labels as the format has them."""
    shown = ",".join(f'{label}="{_escaped(of)}"' for label, of in labels.items())
    return f"{{{shown}}}"


def _escaped(text: str) -> str:
    r"""Return a label as the format has it.

    >>> _escaped('a"b')
    'a\\"b'
    """
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
