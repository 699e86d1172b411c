"""Rows that can't be read because their columns have other types than before, or went: errors name file and column."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

from featurectl.core.dtypes import FLOAT64, INT64, UNKNOWN, valueless_columns
from featurectl.core.errors import DataError, FeaturectlError
from featurectl.identity.facts.sources import expression_reads
from featurectl.identity.facts.views import read_columns
from featurectl.language.definitions.source import Source
from featurectl.language.definitions.view import FeatureView
from featurectl.language.resolve.transformed import transform_sources
from featurectl.offline.base import Coverage
from featurectl.operations.materialize.run import MaterializeRun
from featurectl.sources.base import SourceReader

_OF_TYPES: Final = ("FC502", "FC504")
_OF_COLUMNS: Final = "FC503"
_OF_FUNCTION: Final = ("FC521", "FC522")
_MOST_FILES: Final = 1_000
_SHOWN: Final = 3


@contextmanager
def naming_changed_types(
    run: MaterializeRun, coverage: Coverage | None, open_source: Callable[[Source], SourceReader]
) -> Iterator[None]:
    """Say in an error of rows which column of which file has another type than the view was made with, or is gone.

    Declared columns have none: there the error says what does not fit them. An error of a function stays what it is,
    with the columns that it is given in other types.
    """
    try:
        yield
    except DataError as error:
        source = run.view.source
        if error.code in _OF_FUNCTION and (given := _given_otherwise(run, coverage)):
            hint = "; ".join(text for text in (error.hint, given) if text)
            raise DataError(error.message, code=error.code, hint=hint) from error
        if error.code == _OF_COLUMNS and (gone := _gone(run, coverage)):
            raise _gone_error(run, gone, error, open_source) from error
        if error.code not in _OF_TYPES or source.columns_declared or not (changed := _changed(run, coverage)):
            raise
        name, (before, now) = min(changed.items())
        file = _file_of(run, (name, now), open_source)
        raise DataError(
            f"source {source.name}, {file}: column {name!r} is {now}, it was {before} before",
            code="FC504",
            hint=f"bring back the data as it was, {_declared(name, before, now)}or change what reads {name}: "
            f"{error.message}",
        ) from error


def _gone(run: MaterializeRun, coverage: Coverage | None) -> Mapping[str, str]:
    """Return the columns that the view reads and no file has any more, with the types that they had."""
    view = run.view
    if view.transform is not None or view.source.columns_declared:
        return {}
    try:
        columns = run.reader.columns()
    except DataError:
        return {}
    return _lacking(view, columns, {**(view.source.columns or {}), **(coverage.columns if coverage else {})})


def _lacking(view: FeatureView, columns: Mapping[str, str], before: Mapping[str, str]) -> Mapping[str, str]:
    """Return the columns that a view or its source reads that are there no more, with the types that they had."""
    before = {**before, **_registered(view)}
    made = {name for item in view.source.select for name in expression_reads(item.expression)}
    return {name: before[name] for name in read_columns(view) | made if name in before and name not in columns}


def _gone_error(
    run: MaterializeRun, gone: Mapping[str, str], error: DataError, open_source: Callable[[Source], SourceReader]
) -> DataError:
    """Return the error of a column that is gone, with the file and what reads it."""
    name, before = min(gone.items())
    file = _file_of(run, (name, None), open_source)
    was = "there" if before == UNKNOWN else before
    return DataError(
        f"source {run.view.source.name}, {file}: column {name!r} is gone, it was {was} before",
        code=error.code,
        hint=f"bring back the data as it was, or change what reads {name}: {error.message}",
    )


def _declared(name: str, before: str, now: str) -> str:
    """Return how a whole number that became a fraction is declared, "" of other changes."""
    declared = f"declare `columns:` of the source with {name}: float64, "
    return declared if (before, now) == (INT64, FLOAT64) else ""


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
        DataError: FC503 one is there no more; FC504 one has another: as the registered one its values would be cut, or
            no values.
    """
    if view.source.columns_declared:
        return
    if gone := _lacking(view, columns, {}):
        raise DataError(f"view {view.name} was applied with {min(gone)}, and it is there no more", code="FC503")
    if changed := _others(view, columns, _registered(view)):
        name, (before, now) = min(changed.items())
        raise DataError(f"view {view.name} was applied with {name} as {before}, and it is {now}", code="FC504")


def check_given_types(view: FeatureView, given: Sequence[tuple[Source, Mapping[str, str]]]) -> None:
    """See that keys and clocks of a transform, and what `select` of its sources reads, have their registered types.

    `given` are its sources with the columns that they have. What else a function is given is its own matter: what
    becomes of that has the types that the view declares.

    Raises:
        DataError: FC504, one has another.
    """
    for source, columns in given:
        read = read_columns(view) if source.name == view.source.name else frozenset()
        changed = {} if source.columns_declared else _changed_of(source, read, columns, _known(source))
        if changed:
            name, (before, now) = min(changed.items())
            message = f"source {source.name}: column {name!r} is {now}, view {view.name} was applied with {before}"
            hint = "bring back the data as it was; featurectl plan says what becomes of the view by what it is now"
            raise DataError(message, code="FC504", hint=hint)


def _given_otherwise(run: MaterializeRun, coverage: Coverage | None) -> str:
    """Return which columns of its sources a function is given in other types than before; "": none."""
    texts = []
    for number, (source, reader) in enumerate(zip(transform_sources(run.view), (run.reader, *run.others), strict=True)):
        if source.columns_declared:
            continue
        before = {**(coverage.columns if coverage and number == 0 else {}), **_known(source)}
        try:
            changed = _changed_of(source, before.keys(), reader.columns(), before)
        except DataError:
            continue
        texts += [f"{source.name}.{name} is {now}, it was {then}" for name, (then, now) in sorted(changed.items())]
    return ", ".join(texts[:_SHOWN])


def _registered(view: FeatureView) -> Mapping[str, str]:
    return _known(view.source)


def _known(source: Source) -> Mapping[str, str]:
    return {name: dtype for name, dtype in (source.columns or {}).items() if dtype != UNKNOWN}


def _others(view: FeatureView, columns: Mapping[str, str], before: Mapping[str, str]) -> Mapping[str, tuple[str, str]]:
    """Return the columns that a view reads that had other types before, with both."""
    return _changed_of(view.source, read_columns(view), columns, before)


def _changed_of(
    source: Source, read: Collection[str], columns: Mapping[str, str], before: Mapping[str, str]
) -> Mapping[str, tuple[str, str]]:
    """Return the columns of a source that are read, by others or its `select`, that had other types before."""
    made = {name for item in source.select for name in expression_reads(item.expression)}  # all is, whoever reads it
    valueless = valueless_columns(columns)
    return {
        name: (before[name], dtype)
        for name, dtype in columns.items()
        if (name in read or name in made) and before.get(name, dtype) != dtype and name not in valueless
    }


def _file_of(run: MaterializeRun, column: tuple[str, str | None], open_source: Callable[[Source], SourceReader]) -> str:
    """Return the first file in which a column has its type of now (None: is gone), else the path."""
    source, (name, dtype) = run.view.source, column
    if source.iceberg is not None:
        return source.place
    try:
        for part in [part for part in run.reader.parts() if part.stamp][:_MOST_FILES]:
            if open_source(replace(source, path=part.name)).columns().get(name) == dtype:
                return part.name
    except FeaturectlError:  # a name that is a pattern, say
        return source.path
    return source.place
