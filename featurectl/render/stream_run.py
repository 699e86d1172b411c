"""What workers on streams did, as people read it and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from featurectl.core.units import counted, format_count
from featurectl.render.table import render_table
from featurectl.render.visible import in_one_line
from featurectl.streaming.session.source_report import SourceReport

_HEAD = ("stream", "events", "rejected", "logged", "views rebuilt")


def render_stream_run(reports: Sequence[SourceReport]) -> str:
    """Return a table of what was done for each source, and what there is to know beside."""
    rows = [(of.source, f"{of.events:,}", f"{of.rejected:,}", f"{of.logged:,}", f"{of.rebuilt:,}") for of in reports]
    lines = render_table(_HEAD, rows)
    for of in reports:
        if of.warned:
            lines.append(f"{of.source}: {counted(of.warned, 'event')} failed a check of severity warn")
        if of.unlogged:
            lines.append(f"{of.source}: {counted(of.unlogged, 'event')} not logged; the next worker takes what is left")
        if of.problem:
            lines.append(f"{of.source}: {in_one_line(of.problem)}")
    events, rejected = sum(of.events for of in reports), sum(of.rejected for of in reports)
    total = f"{counted(events, 'event')} taken of {counted(len(reports), 'stream')}, {rejected:,} rejected."
    return "\n".join([*lines, "", total])


def report_json(report: SourceReport) -> Mapping[str, object]:
    """Return what was done for a source as JSON."""
    return asdict(report)


def describe_progress(before: SourceReport | None, now: SourceReport, seconds: float) -> str:
    """Return a line about what was done in the last seconds, "" where nothing was.

    >>> describe_progress(None, SourceReport(source="swipes", events=5_000, rejected=2, logged=4_000), 10.0)
    'swipes: 5,000 events, 500 a second, 2 rejected, 4,000 logged'
    """
    if before == now:
        return ""
    rate = (now.events - (before.events if before else 0)) / seconds
    parts = [f"{format_count(now.events)} events", f"{format_count(round(rate))} a second"]
    parts += [f"{format_count(now.rejected)} rejected"] if now.rejected else []
    parts.append(f"{format_count(now.logged)} logged")
    return f"{now.source}: {', '.join(parts)}"
