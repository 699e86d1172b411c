"""Read values of entities of a view by its offline table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from featurectl.engines.all_engines import open_engine
from featurectl.online.read import Answer, ViewReader
from featurectl.online.row_places import online_view
from featurectl.operations.push import read_offline
from featurectl.operations.views import BoundView, bind_view
from featurectl.registry.applied import registered_view

if TYPE_CHECKING:
    from featurectl.online.base import KeyValue
    from featurectl.workspace.workspace import Workspace


def bound_version(workspace: Workspace, name: str, number: int | None) -> BoundView:
    """Return a version of a view with its table: the newest, where none is named.

    Raises:
        UsageError: there is no such view or version.
        DataError: FC510, it was never materialized.
        StoreError: a store can't be read.
    """
    return bind_view(workspace.offline(), registered_view(workspace.applied_state(), name, number))


def read_offline_rows(
    workspace: Workspace, bound: BoundView, entities: Sequence[Sequence[KeyValue | None]]
) -> list[Answer]:
    """Return the values of entities as of now, in order, as they would be online if they were pushed now.

    An entity is its keys in the view's order; one of which a key is null has no values.

    Raises:
        StoreError: the table can't be read.
    """
    where = online_view(bound.view, bound.version, workspace.project, workspace.environment.name)
    reader, engine = ViewReader(bound.view, where), open_engine(workspace.environment)

    def answer(keys: Sequence[KeyValue | None]) -> Answer:
        entity = {name: key for name, key in zip(bound.view.key_types, keys, strict=True) if key is not None}
        is_whole = len(entity) == len(keys)
        row = read_offline(engine, bound.view, bound.table, entity, workspace.now) if is_whole else None
        return reader.answer(row, workspace.now, pushed=workspace.now, null_key=not is_whole)

    return [answer(keys) for keys in entities]
