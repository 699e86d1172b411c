"""What can be read online of a workspace's project."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from featurectl.core.errors import DataError, FeaturectlError

if TYPE_CHECKING:
    from featurectl.online.client.project_schema import ProjectSchema
    from featurectl.online.client.pushed_versions import Pushed
    from featurectl.registry.state import ObjectVersion, State
    from featurectl.workspace.workspace import Workspace


def read_online_schema(
    workspace: Workspace, views: Iterable[str] | None = None, state: State | None = None
) -> ProjectSchema:
    """Return what can be read online of the project as the registry knows it now; of some views alone, if named.

    `state`: what the registry knows, where somebody has read it.

    Raises:
        StoreError: the registry can't be read, or the online store, where it has to say what was pushed.
    """
    from featurectl.online.client.pushed_versions import unsure_places

    state = state or workspace.state()
    places = unsure_places(state, views)
    pushed = _last_pushes(workspace, state, places) if places else {}
    return online_schema(workspace, state, pushed)


def _last_pushes(workspace: Workspace, state: State, places: Sequence[tuple[str, int]]) -> Pushed:
    from featurectl.online.client.pushed_versions import read_pushed

    return read_pushed(workspace.online(), workspace.stream_reader, state, workspace.environment.name, places)


def online_schema(workspace: Workspace, state: State, pushed: Pushed) -> ProjectSchema:
    """Return what can be read online of a project of which these view versions were pushed.

    The offline store is looked at only for a view that an older version of featurectl pushed, without its types.
    """
    from featurectl.online.base import PushRecord
    from featurectl.online.client.project_schema import ProjectSchema
    from featurectl.online.client.pushed_versions import is_typed

    columns: dict[tuple[str, int], Mapping[str, str] | FeaturectlError] = {}
    for (name, version), record in pushed.items():
        registered = state.view(name, version)
        kept = not isinstance(record, PushRecord) or record.columns
        if registered is not None and not kept and not is_typed(registered):
            columns[name, version] = _source_columns(workspace, registered)
    return ProjectSchema(state, workspace.environment.name, pushed, columns)


def _source_columns(workspace: Workspace, registered: ObjectVersion) -> Mapping[str, str] | FeaturectlError:
    """Return the columns of a view's source with their types, as its offline table knows them, or why it can't."""
    from featurectl.language.definitions.json_form import load_view

    view = load_view(registered.definition)
    try:
        coverage = workspace.offline().table(view.name, registered.version, view.key_types).coverage()
    except FeaturectlError as error:
        return error
    none = DataError(f"feature view {view.name}@{registered.version} has no offline table", code="FC510")
    return none if coverage is None else coverage.columns
