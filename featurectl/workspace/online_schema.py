"""What can be read online of a workspace's project."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from featurectl.online.client.project_schema import ProjectSchema
    from featurectl.online.client.pushed_versions import Pushed
    from featurectl.registry.state import State
    from featurectl.workspace.workspace import Workspace


def read_online_schema(
    workspace: Workspace, views: Iterable[str] | None = None, state: State | None = None
) -> ProjectSchema:
    """Return what can be read online of the project as the registry knows it now; of some views alone, if named.

    `state`: what the registry knows, where somebody has read it.

    Raises:
        StoreError: the registry can't be read, or the online store, where it has to say what was pushed.
    """
    from featurectl.online.client.project_schema import ProjectSchema
    from featurectl.online.client.pushed_versions import unsure_places

    state = state or workspace.state()
    places = unsure_places(state, views)
    pushed = _last_pushes(workspace, state, places) if places else {}
    return ProjectSchema(state, workspace.environment.name, pushed)


def _last_pushes(workspace: Workspace, state: State, places: Sequence[tuple[str, int]]) -> Pushed:
    from featurectl.online.client.pushed_versions import read_pushed

    return read_pushed(workspace.online(), workspace.stream_reader, state, workspace.environment.name, places)
