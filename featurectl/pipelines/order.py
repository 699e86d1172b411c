"""Which stages of a pipeline run, and in which order."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from graphlib import TopologicalSorter

from featurectl.core.errors import UsageError
from featurectl.core.nearest import did_you_mean
from featurectl.language.definitions.pipelines import Pipeline, PipelineStage


def in_order(pipeline: Pipeline) -> list[PipelineStage]:
    """Return the stages, each after those that it needs, else in the order of the file."""
    place = {stage.name: at for at, stage in enumerate(pipeline.stages)}
    sorter = TopologicalSorter({stage.name: stage.needs for stage in pipeline.stages})
    sorter.prepare()
    ordered: list[PipelineStage] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready(), key=place.__getitem__)
        ordered += [pipeline.stages[place[name]] for name in ready]
        sorter.done(*ready)
    return ordered


def chosen_stages(pipeline: Pipeline, since: str | None, only: Sequence[str]) -> list[PipelineStage]:
    """Return the stages that run: all; with `since` that one and what needs it; with `only` these alone.

    Raises:
        UsageError: the pipeline has no such stage.
    """
    known = [stage.name for stage in pipeline.stages]
    for name in (*([since] if since else []), *only):
        if name not in known:
            hint = did_you_mean(name, known) or f"stages: {', '.join(known)}"
            raise UsageError(f"pipeline {pipeline.name} has no stage {name!r}", hint=hint)
    chosen = set(known)
    if since:
        chosen = {since, *_after(pipeline, since)}
    if only:
        chosen &= set(only)
    return [stage for stage in in_order(pipeline) if stage.name in chosen]


def _after(pipeline: Pipeline, name: str) -> set[str]:
    """Return the stages that need one, be it by others."""
    found: set[str] = set()
    for stage in in_order(pipeline):
        if name in stage.needs or found & set(stage.needs):
            found.add(stage.name)
    return found


def ready_stages(stages: Iterable[PipelineStage], done: Collection[str], begun: Collection[str]) -> list[PipelineStage]:
    """Return the stages that have not begun, and whose needs among these stages are done."""
    waiting = list(stages)
    names = {stage.name for stage in waiting}
    return [s for s in waiting if s.name not in begun and all(n in done or n not in names for n in s.needs)]
