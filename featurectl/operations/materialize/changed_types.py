"""Rows that can't be read because their columns have other types than before: told by the source and the column."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from featurectl.core.dtypes import UNKNOWN
from featurectl.core.errors import DataError
from featurectl.identity.facts.sources import expression_reads
from featurectl.identity.facts.views import read_columns
from featurectl.offline.base import Coverage
from featurectl.operations.materialize.run import MaterializeRun

_OF_TYPES: Final = ("FC502", "FC504")


@contextmanager
def naming_changed_types(run: MaterializeRun, coverage: Coverage | None) -> Iterator[None]:
    """Say in an error of rows which column of the source has another type than the view, or its table, was made with.

    Declared columns have none: there the error says what does not fit them.
    """
    try:
        yield
    except DataError as error:
        source = run.view.source
        if error.code not in _OF_TYPES or source.columns_declared or not (changed := _changed(run, coverage)):
            raise
        name, (before, now) = min(changed.items())
        raise DataError(
            f"source {source.name}, {source.path or 'its query'}: column {name!r} is {now}, it was {before} before",
            code="FC504",
            hint=f"bring back the data as it was, or change what reads {name}: {error.message}",
        ) from error


def _changed(run: MaterializeRun, coverage: Coverage | None) -> Mapping[str, tuple[str, str]]:
    """Return the columns that the view reads whose types are others now, with both."""
    try:
        columns = run.reader.columns()
    except DataError:
        return {}
    known = {name: dtype for name, dtype in (run.view.source.columns or {}).items() if dtype != UNKNOWN}
    before = {**(coverage.columns if coverage else {}), **known}
    made = {name for item in run.view.source.select for name in expression_reads(item.expression)}
    read = read_columns(run.view) | made  # all of `select` is made, whoever reads it
    return {
        name: (before[name], dtype)
        for name, dtype in columns.items()
        if name in read and before.get(name, dtype) != dtype
    }
