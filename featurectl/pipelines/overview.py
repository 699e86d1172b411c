"""What there is to see of pipelines: their stages, their last runs, when they are due."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from featurectl.language.definitions.pipelines import Pipeline, PipelineStage
from featurectl.language.definitions.schedule import next_times
from featurectl.offline.pipeline_records import PipelineRecord
from featurectl.pipelines.applied import applied_pipelines, find_pipeline, records_of
from featurectl.pipelines.order import in_order

if TYPE_CHECKING:
    from featurectl.workspace.workspace import Workspace

_NEXT: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelinePage:
    """A pipeline with its stages in order, its last runs, the newest first, and the next times that it is due."""

    pipeline: Pipeline
    stages: tuple[PipelineStage, ...]
    runs: tuple[PipelineRecord, ...]
    due: tuple[datetime, ...]


def look_at(workspace: Workspace, name: str, count: int) -> PipelinePage:
    """Return what there is to see of an applied pipeline.

    Raises:
        UsageError: none of that name is applied.
        CheckFailedError: nothing is applied. StoreError: the registry or the records can't be read.
    """
    return _page(workspace, find_pipeline(workspace.applied_state(), name), count)


def list_runs(workspace: Workspace) -> list[PipelinePage]:
    """Return what there is to see of each applied pipeline, with its last run.

    Raises:
        CheckFailedError: nothing is applied. StoreError: the registry or the records can't be read.
    """
    return [_page(workspace, pipeline, 1) for pipeline in applied_pipelines(workspace.applied_state())]


def _page(workspace: Workspace, pipeline: Pipeline, count: int) -> PipelinePage:
    due = next_times(pipeline.schedule, datetime.now(UTC), _NEXT) if pipeline.schedule else []
    return PipelinePage(
        pipeline=pipeline,
        stages=tuple(in_order(pipeline)),
        runs=tuple(records_of(workspace).last(pipeline.name, count)),
        due=tuple(due),
    )
