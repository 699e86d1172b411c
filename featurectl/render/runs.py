"""Runs of materialize and push as people read them, and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from featurectl.core.units import format_instant, format_iso
from featurectl.offline.runs import RunRecord
from featurectl.render.table import render_table

_HEAD: Final = ("last run not done", "run", "as of", "what became of it")


def has_failed(run: RunRecord) -> bool:
    """Return whether a run has ended and not all was done."""
    return run.state == "ended" and not run.done


def run_line(run: RunRecord) -> str:
    """Return the error of a run that failed, what there is to say of one whose end is not on record; else nothing."""
    if run.state == "ended":
        return f"{run.error_code}: {run.error}" if run.error_code else run.error
    state = "running since" if run.state == "running" else "killed or still running since"
    where = f", process {run.process.pid} on {run.process.host}" if run.process else ""
    return f"{state} {format_instant(run.begun_at)}{where}"


def render_not_done(runs: Sequence[RunRecord]) -> str:
    """Return a table with a row per run."""
    return "\n".join(
        render_table(_HEAD, [[run.label, run.command, format_instant(run.now), run_line(run)] for run in runs])
    )


def run_json(run: RunRecord) -> dict[str, object]:
    """Return a run ready for JSON."""
    return {
        "at": format_iso(run.at),
        "now": format_iso(run.now),
        "command": run.command,
        "action": run.action or None,
        "rows": run.rows,
        "seconds": run.seconds,
        "state": run.state,
        "error": {"code": run.error_code, "message": run.error} if has_failed(run) else None,
    }
