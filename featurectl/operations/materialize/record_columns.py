"""What a table says of its source's columns, kept in the registry where the files say no types."""

from __future__ import annotations

from typing import TYPE_CHECKING

from featurectl.core.dtypes import UNKNOWN
from featurectl.core.errors import StoreError
from featurectl.workspace.plain_registry import list_view_columns

if TYPE_CHECKING:
    from collections.abc import Mapping

    from featurectl.core.progress import Progress
    from featurectl.language.definitions.view import FeatureView
    from featurectl.workspace.workspace import Workspace


def record_columns(
    workspace: Workspace, view: FeatureView, version: int, columns: Mapping[str, str], progress: Progress
) -> None:
    """Keep the types of a view version whose definition does not say them, for who looks at the registry alone.

    That this fails is a warning: the table is what it is.
    """
    if not columns or _is_typed(view):
        return
    place = (view.name, version)
    try:
        if list_view_columns(workspace).get(place) != columns:
            workspace.registry().write_view_columns(workspace.project, {place: columns})
    except StoreError as error:
        progress.done(f"warning: the types of {view.name}@{version} are not kept: {error.message}")


def _is_typed(view: FeatureView) -> bool:
    known = view.source.columns or {}
    return UNKNOWN not in known.values() and all(feature.dtype is not None for feature in view.features)
