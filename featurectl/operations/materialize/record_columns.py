"""What the data says of the columns of a view's sources, kept in the registry where the files say no types."""

from __future__ import annotations

from typing import TYPE_CHECKING

from featurectl.core.dtypes import UNKNOWN
from featurectl.core.errors import StoreError
from featurectl.language.resolve.transformed import transform_sources
from featurectl.registry.base import seen_place
from featurectl.workspace.plain_registry import keep_view_columns

if TYPE_CHECKING:
    from collections.abc import Mapping

    from featurectl.core.progress import Progress
    from featurectl.language.definitions.source import Source
    from featurectl.language.definitions.view import FeatureView
    from featurectl.operations.materialize.run import MaterializeRun
    from featurectl.registry.base import SeenColumns
    from featurectl.workspace.workspace import Workspace


def columns_seen(run: MaterializeRun, of_table: Mapping[str, str]) -> SeenColumns:
    """Return the columns of the sources of a run's view whose types its definition does not say.

    They are those that its table was made with; of a transform, which is given all of them, those that were read.
    """
    view = run.view
    if view.transform is None:
        return {(view.name, run.version): of_table} if of_table and not _is_typed(view) else {}
    sources = zip(transform_sources(view), (run.reader, *run.others), strict=True)
    return {
        (seen_place(view.name, source.name if number else ""), run.version): reader.columns()
        for number, (source, reader) in enumerate(sources)
        if not _says_types(source)
    }


def record_columns(workspace: Workspace, seen: SeenColumns, known: SeenColumns, progress: Progress) -> None:
    """Keep the types of columns, unless they are `known` to the registry, for who looks at the registry alone.

    That this fails is a warning: the table is what it is.
    """
    for (place, version), columns in seen.items():
        if known.get((place, version)) == columns:
            continue
        try:
            keep_view_columns(workspace, {(place, version): columns})
        except StoreError as error:
            progress.done(f"warning: the types of {place}@{version} are not kept: {error.message}")


def _is_typed(view: FeatureView) -> bool:
    known = view.source.columns or {}
    return UNKNOWN not in known.values() and all(feature.dtype is not None for feature in view.features)


def _says_types(source: Source) -> bool:
    return source.columns is not None and UNKNOWN not in source.columns.values()
