"""What an online store says of the lists of views of streams, beside the lists: it goes with them."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing

from featurectl.language.definitions.json_form import load_untyped_view
from featurectl.online.list_marks import forget_lists
from featurectl.online.row_places import online_view
from featurectl.registry.state import ObjectVersion
from featurectl.workspace.workspace import Workspace


def forget_lists_of(workspace: Workspace, views: Iterable[ObjectVersion]) -> None:
    """Remove what is said of the lists of view versions that are gone: how clean they are, and who makes them anew.

    Raises:
        StoreError: the store can't be used.
    """
    with closing(workspace.online_handle()) as store:
        for item in views:
            view = load_untyped_view(item.definition)
            forget_lists(store, online_view(view, item.version, workspace.project, workspace.environment.name))
