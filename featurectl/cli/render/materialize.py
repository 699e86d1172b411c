"""What `materialize` did, as people read it and as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from featurectl.cli.render.table import render_table
from featurectl.materialize import Materialized
from featurectl.push import PushResult
from featurectl.units import counted, format_count, format_instant, format_iso, plural


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewRun:
    """What was done for one view version, and in how many seconds; `pushed` is None when nothing was."""

    made: Materialized
    pushed: PushResult | None
    seconds: float


def describe_run(run: ViewRun) -> str:
    """Return one line of progress."""
    made = run.made
    what = "no new rows" if made.action == "nothing" else f"{counted(made.rows_read, 'row')} read"
    pushed = "" if run.pushed is None else f", {format_count(run.pushed.rows_sent)} pushed"
    return f"{made.view}@{made.version}: {what}{pushed} ({run.seconds:.1f} s)"


def render_runs(runs: Sequence[ViewRun]) -> str:
    """Return a table of what was done, what was dropped, and the totals."""
    if not runs:
        return "No feature view is applied yet: featurectl apply"
    head = ("view", "did", "rows read", "rows kept", "table", "pushed", "source up to")
    lines = render_table(head, [_cells(run) for run in runs])
    for run in runs:
        for reason, count in sorted(run.made.dropped.items()):
            label = f"{run.made.view}@{run.made.version}"
            lines.append(f"{label}: {count:,} {plural(count, 'row')} dropped: {reason}")
    actions = Counter(run.made.action for run in runs)
    written = sum(run.made.rows_written for run in runs)
    pushed = sum(run.pushed.rows_sent for run in runs if run.pushed)
    changed = len(runs) - actions["nothing"]
    rows = f"{written:,} {plural(written, 'row')} written, {pushed:,} online {plural(pushed, 'row')} sent"
    lines += ["", f"{changed} of {counted(len(runs), 'table')} changed, {rows}."]
    return "\n".join(lines)


def run_json(run: ViewRun) -> dict[str, object]:
    """Return what was done for one view version ready for JSON."""
    made, pushed = run.made, run.pushed
    return {
        "view": made.view,
        "version": made.version,
        "action": made.action,
        "rows_read": made.rows_read,
        "rows_written": made.rows_written,
        "dropped": dict(made.dropped),
        "table_version": made.table_version,
        "watermark": None if made.watermark is None else format_iso(made.watermark),
        "online_rows_sent": None if pushed is None else pushed.rows_sent,
        "online_keys": None if pushed is None else pushed.entities,
        "seconds": round(run.seconds, 3),
    }


def _cells(run: ViewRun) -> list[str]:
    made = run.made
    return [
        f"{made.view}@{made.version}",
        made.action,
        format_count(made.rows_read),
        format_count(made.rows_written),
        f"v{made.table_version}",
        "-" if run.pushed is None else format_count(run.pushed.rows_sent),
        "-" if made.watermark is None else format_instant(made.watermark),
    ]
