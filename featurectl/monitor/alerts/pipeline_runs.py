"""Runs of a pipeline that failed, or were killed, as an alert counts them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from featurectl.core.units import format_instant, parse_instant
from featurectl.monitor.alerts.subjects import matches
from featurectl.offline.pipeline_records import PipelineRecord, PipelineRecords
from featurectl.registry.state import State

_LONGEST: Final = timedelta(days=2)  # that a run goes on which ends in a window
_FAILED: Final = ("failed", "killed")


def pipelines_of(state: State, patterns: tuple[str, ...]) -> list[str]:
    """Return the applied pipelines that some names or patterns mean, by name."""
    names = {item.name for item in state.objects if item.kind == "pipeline" and item.current}
    return sorted(name for name in names if matches(name, patterns))


def failures_of(records: PipelineRecords, pipeline: str, since: datetime, now: datetime) -> tuple[int, str] | None:
    """Return how many runs ended with a failure in a window, and the cause of the last one; None: none has ended.

    One that was killed ended when something of it was last recorded. One that somebody has stopped says nothing.

    Raises:
        StoreError: FC603, the records can't be read.
    """
    runs = [run for run in records.since(pipeline, since - _LONGEST) if run.shown_state in ("succeeded", *_FAILED)]
    ended = [run for run in runs if (at := _ended(run)) is not None and since < at <= now]
    if not ended:
        return None
    failed = [run for run in ended if run.shown_state in _FAILED]
    return len(failed), _cause(failed[0]) if failed else ""


def _ended(run: PipelineRecord) -> datetime | None:
    """Return when a run ended, by what is recorded of it."""
    texts = [run.ended] if run.ended else [run.began, *(text for s in run.stages for text in (s.began, s.ended))]
    return max((at for text in texts if text and (at := parse_instant(text)) is not None), default=None)


def _cause(run: PipelineRecord) -> str:
    """Return what ended a run: the stages that failed with their last lines, and how to go on with it."""
    at = parse_instant(run.began)
    of = f"the run of {run.began if at is None else format_instant(at)}"
    again = f"featurectl pipeline run {run.pipeline} --resume --env {run.environment}"
    if run.shown_state == "killed":
        going = ", ".join(stage.name for stage in run.stages if stage.state == "running")
        return f"{of} was killed{f' at {going}' if going else ''}; go on with it: {again}"
    stages = [f"{s.name}: {_last_lines(s.cause) or 'it left no line'}" for s in run.stages if s.state == "failed"]
    return f"{of} failed; {'; '.join(stages)}; go on with it: {again}"


def _last_lines(cause: str) -> str:
    """Return the last two lines of a stage as one: `pipeline show` has more of them."""
    return "; ".join([line.strip() for line in cause.splitlines() if line.strip()][-2:])
