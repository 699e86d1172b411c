"""Rows that can't be read because their columns have other types than before: told by the source and the column."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

from featurectl.core.dtypes import UNKNOWN
from featurectl.core.errors import DataError, FeaturectlError
from featurectl.identity.facts.sources import expression_reads
from featurectl.identity.facts.views import read_columns
from featurectl.language.definitions.source import Source
from featurectl.language.definitions.view import FeatureView
from featurectl.offline.base import Coverage
from featurectl.operations.materialize.run import MaterializeRun
from featurectl.sources.base import SourceReader

_OF_TYPES: Final = ("FC502", "FC504")
_MOST_FILES: Final = 1_000


@contextmanager
def naming_changed_types(
    run: MaterializeRun, coverage: Coverage | None, open_source: Callable[[Source], SourceReader]
) -> Iterator[None]:
    """Say in an error of rows which column of which file has another type than the view, or its table, was made with.

    Declared columns have none: there the error says what does not fit them.
    """
    try:
        yield
    except DataError as error:
        source = run.view.source
        if error.code not in _OF_TYPES or source.columns_declared or not (changed := _changed(run, coverage)):
            raise
        name, (before, now) = min(changed.items())
        file = _file_of(run, (name, now), open_source)
        raise DataError(
            f"source {source.name}, {file}: column {name!r} is {now}, it was {before} before",
            code="FC504",
            hint=f"bring back the data as it was, or change what reads {name}: {error.message}",
        ) from error


def _changed(run: MaterializeRun, coverage: Coverage | None) -> Mapping[str, tuple[str, str]]:
    """Return the columns that the view reads of other types now, with both; nobody knows what a function reads."""
    if run.view.transform is not None:
        return {}
    try:
        columns = run.reader.columns()
    except DataError:
        return {}
    return _others(run.view, columns, {**(coverage.columns if coverage else {}), **_registered(run.view)})


def check_registered_types(view: FeatureView, columns: Mapping[str, str]) -> None:
    """See that the columns of a source that a view reads have the types that it was registered with, if any.

    Raises:
        DataError: FC504, one has another: as the registered one its values would be cut, or no values.
    """
    if view.source.columns_declared or not (changed := _others(view, columns, _registered(view))):
        return
    name, (before, now) = min(changed.items())
    raise DataError(f"view {view.name} was applied with {name} as {before}, and it is {now}", code="FC504")


def _registered(view: FeatureView) -> Mapping[str, str]:
    return {name: dtype for name, dtype in (view.source.columns or {}).items() if dtype != UNKNOWN}


def _others(view: FeatureView, columns: Mapping[str, str], before: Mapping[str, str]) -> Mapping[str, tuple[str, str]]:
    """Return the columns that a view reads that had other types before, with both."""
    made = {name for item in view.source.select for name in expression_reads(item.expression)}
    read = read_columns(view) | made  # all of `select` is made, whoever reads it
    return {
        name: (before[name], dtype)
        for name, dtype in columns.items()
        if name in read and before.get(name, dtype) != dtype
    }


def _file_of(run: MaterializeRun, column: tuple[str, str], open_source: Callable[[Source], SourceReader]) -> str:
    """Return the first file in which a column has the type that it has by now; the path where no one alone has it."""
    source, (name, dtype) = run.view.source, column
    try:
        for part in [part for part in run.reader.parts() if part.stamp][:_MOST_FILES]:
            if open_source(replace(source, path=part.name)).columns().get(name) == dtype:
                return part.name
    except FeaturectlError:  # a name that is a pattern, say
        return source.path
    return source.path or "its query"
