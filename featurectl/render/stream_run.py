"""What workers on streams did, as people read it and as JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from featurectl.core.units import counted, format_count
from featurectl.render.table import render_table
from featurectl.render.visible import in_one_line
from featurectl.streaming.predictions import PredictionCounts
from featurectl.streaming.reset import ResetPartition, StreamReset
from featurectl.streaming.session.rebuild_views import RebuiltView
from featurectl.streaming.session.source_report import SourceReport

_HEAD = ("stream", "events", "rejected", "logged", "views rebuilt")


def render_stream_run(reports: Sequence[SourceReport]) -> str:
    """Return a table of what was done for each source, and what there is to know beside."""
    rows = [(of.source, f"{of.events:,}", f"{of.rejected:,}", f"{of.logged:,}", f"{of.rebuilt:,}") for of in reports]
    lines = render_table(_HEAD, rows)
    for of in reports:
        if of.warned:
            lines.append(f"{of.source}: {counted(of.warned, 'event')} failed a check of severity warn")
        if of.erased:
            lines.append(f"{of.source}: {counted(of.erased, 'event')} of erased keys left out")
        for view, count in of.null_keys.items():
            lines.append(f"{of.source}: {counted(count, 'event')} left out of {view}: a null key")
        lines += [f"{of.source}: {_predicted(each)}" for each in of.predictions]
        if of.unlogged:
            lines.append(f"{of.source}: {counted(of.unlogged, 'event')} not logged; the next worker takes what is left")
        if of.problem:
            lines.append(f"{of.source}: {in_one_line(of.problem)}")
    events, rejected = sum(of.events for of in reports), sum(of.rejected for of in reports)
    total = f"{counted(events, 'event')} taken of {counted(len(reports), 'stream')}, {rejected:,} rejected."
    return "\n".join([*lines, "", total])


def report_json(report: SourceReport) -> Mapping[str, object]:
    """Return what was done for a source as JSON."""
    predictions = [
        {
            "model": each.model,
            "results": dict(each.results),
            "early": each.early,
            "waiting": each.waiting,
            "p50_within_s": _finite(each.within_s(0.5)),
            "p99_within_s": _finite(each.within_s(0.99)),
            "problem": each.problem,
        }
        for each in report.predictions
    ]
    return asdict(report) | {"predictions": predictions}


_WORDS: Mapping[str, str] = {
    "answered": "predicted",
    "failed": "failed",
    "refused": "refused",
    "too_old": "too old",
    "too_large": "too large to be sent",
    "left_out": "left out by `where`",
    "shadow_dropped": "not asked of the challenger",
}


def _predicted(counts: PredictionCounts) -> str:
    """Return what was done for a model, in a line.

    >>> _predicted(PredictionCounts(model="m", results={"answered": 9, "too_old": 1}, latency_s={0.04: 9}))
    'm: 9 events predicted, 1 too old; half of them within 0.04 s, 99 % within 0.04 s'
    >>> _predicted(PredictionCounts(model="m", results={"answered": 9}, latency_s={2.5: 8, math.inf: 9}))
    'm: 9 events predicted; half of them within 2.5 s, less than 99 % within 2.5 s'
    """
    results = {word: counts.results.get(result, 0) for result, word in _WORDS.items()}
    parts = [f"{counted(results.pop('predicted'), 'event')} predicted"]
    parts += [f"{count:,} {word}" for word, count in results.items() if count]
    parts += [f"{counts.waiting:,} wait"] if counts.waiting else []
    line = f"{counts.model or 'models'}: {', '.join(parts)}"
    half, most = counts.within_s(0.5), counts.within_s(0.99)
    if half is not None and most is not None:
        line += f"; {_within('half of them', half, counts)}, {_within('99 %', most, counts)}"
    return f"{line}; {in_one_line(counts.problem)}" if counts.problem else line


def _within(share: str, bound_s: float, counts: PredictionCounts) -> str:
    if math.isfinite(bound_s):
        return f"{share} within {bound_s:g} s"
    return f"less than {share} within {max(filter(math.isfinite, counts.latency_s), default=0.0):g} s"


def _finite(bound: float | None) -> float | None:
    return None if bound is None or math.isinf(bound) else bound


def render_rebuilt(rebuilt: Sequence[RebuiltView]) -> str:
    """Return a line for each view whose lists were made anew."""
    return "\n".join(f"{view.view}: lists made anew in {view.seconds:.1f} s" for view in rebuilt)


def render_reset(source: str, reset: StreamReset) -> str:
    """Return what a reset did: what was lost, and what begins now."""
    if reset.passes:
        lines = [
            f"{in_one_line(of.name)}: what lay from offset {of.logged:,} to before {of.taken:,} is gone, and in no log"
            for of in reset.retired
        ]
        lines.append(f"{source}: {counted(len(reset.begun), 'partition')} passed it. What was logged stays.")
    else:
        lines = [
            f"{in_one_line(of.name)}: {_taken(of, reset)} taken and are in no log" for of in reset.retired if of.lost
        ]
        before, now = counted(len(reset.retired), "partition"), counted(len(reset.begun), "partition")
        lines.append(f"{source}: {before} of before retired, {now} begin. What was logged stays.")
    if reset.rebuilds:
        lines.append("Workers make all lists anew from the log; until then there are no answers.")
    return "\n".join(lines)


def _taken(of: ResetPartition, reset: StreamReset) -> str:
    if not reset.offsets_are_times:
        return f"{of.lost:,} offsets were"
    return f"some events between offsets {of.logged:,} and {of.taken:,} (nothing tells how many) were"


def reset_json(reset: StreamReset) -> Mapping[str, object]:
    """Return what a reset did as JSON; `lost` is null where there are lost events that nothing counts."""
    unknown = reset.offsets_are_times
    retired = [{**asdict(of), "lost": None if unknown and of.lost else of.lost} for of in reset.retired]
    return {"retired": retired, "begun": list(reset.begun), "rebuilds": reset.rebuilds}


def describe_progress(before: SourceReport | None, now: SourceReport, seconds: float) -> str:
    """Return a line about what was done in the last seconds, "" where nothing was.

    >>> describe_progress(None, SourceReport(source="swipes", events=5_000, rejected=2, logged=4_000), 10.0)
    'swipes: 5,000 events, 500 a second, 2 rejected, 4,000 logged'
    """
    if before == now:
        return ""
    rate = (now.events - (before.events if before else 0)) / seconds
    shown = format_count(round(rate)) if rate >= 1 else "less than 1"
    parts = [f"{format_count(now.events)} events", f"{shown} a second"]
    parts += [f"{format_count(now.rejected)} rejected"] if now.rejected else []
    predicted = sum(each.results.get("answered", 0) for each in now.predictions)
    parts += [f"{format_count(predicted)} predicted"] if now.predictions else []
    parts.append(f"{format_count(now.logged)} logged")
    return f"{now.source}: {', '.join(parts)}"
