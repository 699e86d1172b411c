"""Pipelines and their runs, in tables and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

from featurectl.core.units import format_age, format_instant, format_iso, parse_instant
from featurectl.language.definitions.json_form import dump_definition
from featurectl.render.page import PageTable, page_text
from featurectl.render.table import NarrowForm

if TYPE_CHECKING:
    from featurectl.offline.pipeline_records import PipelineRecord, StageRecord
    from featurectl.pipelines.overview import PipelinePage

_CUT: Final = NarrowForm(last="cut")
_NONE: Final = "-"
_MICROSECONDS: Final = 1_000_000


def render_pipeline_run(run: PipelineRecord) -> str:
    """Return a table of the stages of a run, and what they failed of."""
    rows = [_stage_row(run, stage) for stage in run.stages]
    after = f" after {_length(run.began, run.ended)}" if run.ended else ""
    last = f"Pipeline {run.pipeline} {run.shown_state}{after}, as of {_now_of(run)}."
    causes = [part for stage in run.stages if stage.state == "failed" for part in _cause(stage)]
    hint = (
        [f"featurectl pipeline run {run.pipeline} --resume --env {run.environment} goes on with it"]
        if run.shown_state in ("failed", "killed", "stopped")
        else []
    )
    return page_text([[PageTable(head=("stage", "state", "tries", "time", ""), rows=rows)], causes, [last, *hint]])


def _now_of(run: PipelineRecord) -> str:
    return run.as_of or run.clock


def _stage_row(run: PipelineRecord, stage: StageRecord) -> list[str]:
    said = stage.cause if stage.state == "skipped" else ""
    if stage.state == "failed":
        said = "timeout" if stage.timed_out else f"exit code {stage.exit_code}"
        said = "not started" if stage.exit_code is None else said
    state = "killed" if run.shown_state == "killed" and stage.state == "running" else stage.state
    return [stage.name, state, str(stage.attempts or _NONE), _length(stage.began, stage.ended), said]


def _cause(stage: StageRecord) -> list[str]:
    return [f"{stage.name}: its last lines, of {stage.log}", *(f"  {line}" for line in stage.cause.splitlines())]


def _length(began: str, ended: str) -> str:
    first, last = parse_instant(began), parse_instant(ended)
    if first is None or last is None:
        return _NONE
    return format_age(max(round((last - first).total_seconds() * _MICROSECONDS), 0))


def render_pipeline_list(pages: Sequence[PipelinePage]) -> str:
    """Return a table of pipelines, and a last line with their count."""
    if not pages:
        return "No pipeline is applied: declare `pipelines:`, then featurectl apply"
    rows = []
    for page in pages:
        last = page.runs[0] if page.runs else None
        rows.append(
            [
                page.pipeline.name,
                page.pipeline.schedule or _NONE,
                format_instant(page.due[0]) if page.due else _NONE,
                f"{last.shown_state} {_shown(last.began)}" if last else "never ran",
                ", ".join(stage.name for stage in page.stages),
            ]
        )
    head = ("pipeline", "schedule (UTC)", "due next", "last run", "stages")
    return page_text([[PageTable(head=head, rows=rows, narrow=_CUT)]])


def _shown(text: str) -> str:
    instant = parse_instant(text)
    return format_instant(instant) if instant else text


def render_pipeline_page(page: PipelinePage) -> str:
    """Return a page about a pipeline: what it says, its stages, its runs, and the stages of the last one."""
    pipeline = page.pipeline
    due = ", ".join(map(format_instant, page.due))
    schedule = (
        f"schedule {pipeline.schedule} (UTC), due {due}" if pipeline.schedule else "no schedule: it is run by hand"
    )
    stages = [[stage.name, ", ".join(stage.needs) or _NONE, stage.run] for stage in page.stages]
    runs = [
        [_shown(run.began), run.shown_state, _length(run.began, run.ended), _now_of(run), run.who] for run in page.runs
    ]
    blocks: list[list[str | PageTable]] = [
        [f"pipeline {pipeline.name}", *([pipeline.about.description] if pipeline.about.description else []), schedule],
        [PageTable(head=("stage", "needs", "runs"), rows=stages, narrow=_CUT)],
    ]
    if not runs:
        return page_text([*blocks, ["It never ran in this environment."]])
    blocks.append([PageTable(head=("began", "state", "time", "as of", "who"), rows=runs)])
    return f"{page_text(blocks)}\n\nThe last run:\n\n{render_pipeline_run(page.runs[0])}"


def pipeline_run_json(run: PipelineRecord) -> dict[str, object]:
    """Return a run for machines."""
    document = asdict(run)
    return {**{key: document[key] for key in document if key != "process"}, "state": run.shown_state}


def pipeline_list_json(pages: Sequence[PipelinePage]) -> list[dict[str, object]]:
    """Return pipelines for machines."""
    return [pipeline_page_json(page) for page in pages]


def pipeline_page_json(page: PipelinePage) -> dict[str, object]:
    """Return a pipeline for machines, with its definition, its last runs and the next times."""
    return {
        "name": page.pipeline.name,
        "definition": dump_definition(page.pipeline),
        "due": [format_iso(time) for time in page.due],
        "runs": [pipeline_run_json(run) for run in page.runs],
    }
