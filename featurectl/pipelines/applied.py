"""Pipelines that are applied, and where the records of their runs are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from featurectl.language.definitions.json_form import load_pipeline
from featurectl.language.definitions.pipelines import Pipeline
from featurectl.offline.pipeline_records import PipelineRecords
from featurectl.registry.applied import not_applied

if TYPE_CHECKING:
    from featurectl.registry.state import State
    from featurectl.workspace.workspace import Workspace


def find_pipeline(state: State, name: str) -> Pipeline:
    """Return an applied pipeline by its name.

    Raises:
        UsageError: none of that name is applied.
    """
    found = state.current("pipeline", name)
    if found is None:
        raise not_applied(state, "pipeline", name)
    return load_pipeline(found.definition)


def applied_pipelines(state: State) -> list[Pipeline]:
    """Return all applied pipelines, by name."""
    found = [item for item in state.objects if item.kind == "pipeline" and item.current]
    return [load_pipeline(item.definition) for item in sorted(found, key=lambda item: item.name)]


def records_of(workspace: Workspace) -> PipelineRecords:
    """Return the records of the runs of pipelines of a workspace's environment."""
    return PipelineRecords(
        location=workspace.offline_location(), project=workspace.project, environment=workspace.environment.name
    )
