"""The types of a view's source: by its data, and where that has no values by what is known of it already."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from featurectl.core.dtypes import UNKNOWN, valueless_columns
from featurectl.core.errors import DataError
from featurectl.identity.facts.sources import expression_reads
from featurectl.identity.facts.views import read_columns
from featurectl.language.definitions.source import Source
from featurectl.language.definitions.view import FeatureView
from featurectl.language.typing.registered import type_source, type_view
from featurectl.offline.base import Coverage
from featurectl.operations.materialize.changed_types import check_registered_types
from featurectl.operations.materialize.run import MaterializeRun
from featurectl.sources.base import SourceReader


def typed_view(run: MaterializeRun) -> tuple[FeatureView, Mapping[str, str]]:
    """Return the view with every type known, and the columns that its source has.

    Raises:
        DataError: the source's `select`, its clocks or the view do not fit the columns, or no row says their types.
    """
    columns = run.reader.columns()
    check_registered_types(run.view, columns)
    known = run.view.source.columns or {}
    if known and UNKNOWN not in known.values():
        return run.view, columns
    _check_known(run.view, columns)
    source = type_source(run.view.source, columns)
    return type_view(replace(run.view, source=source), columns), columns


def _check_known(view: FeatureView, columns: Mapping[str, str]) -> None:
    """See that files without a row are not the only ones to say the types of what a view reads.

    Raises:
        DataError: FC504, they are.
    """
    source, valueless = view.source, valueless_columns(columns)
    if not valueless or columns.keys() - valueless - {source.event_time, source.available_at, *view.key_columns}:
        return
    made = {name for item in source.select for name in expression_reads(item.expression)}
    read = (read_columns(view) | made) & set(valueless) - {source.event_time, source.available_at}
    if read:
        raise DataError(
            f"source {source.name} has no row yet: nothing says of which type {min(read)!r} is",
            code="FC504",
            hint="declare `columns:` of the source, or materialize when there are rows",
        )


def with_known_types(
    run: MaterializeRun, coverage: Coverage | None, open_source: Callable[[Source], SourceReader]
) -> MaterializeRun:
    """Return a run whose source takes columns that have no values now for those of its table, or of its keys."""
    source = run.view.source
    if run.view.transform is not None or source.columns_declared or source.csv_options is None:
        return run
    keys = {run.view.join.get(key, key): dtype for key, dtype in run.view.key_types.items()}
    registered = {name: dtype for name, dtype in (source.columns or {}).items() if dtype != UNKNOWN}
    known = {**keys, **(coverage.columns if coverage is not None else {}), **registered}
    return replace(run, reader=open_source(replace(source, columns=known)))
