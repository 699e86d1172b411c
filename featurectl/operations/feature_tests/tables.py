"""The rows of feature tests as tables, in the types of their columns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Final

import polars as pl

from featurectl.core.dtypes import DATE, FLOAT64, STRING, TIMESTAMP, UNKNOWN, list_item
from featurectl.core.errors import DataError
from featurectl.core.frames.types import language_dtype, polars_dtype
from featurectl.core.units import parse_local_instant
from featurectl.engines.base import Engine, FrameScan, Piece, Prepared
from featurectl.expressions.check import expression_columns
from featurectl.language.definitions.source import Source
from featurectl.language.definitions.view import FeatureView
from featurectl.language.typing.registered import type_source, type_view
from featurectl.language.typing.sources import type_check_source
from featurectl.operations.feature_tests.streams import counted_events, in_order, stamped_view

WrittenRows = Sequence[Mapping[str, object]]
_EVER: Final = datetime(9999, 1, 1, tzinfo=UTC)
_TIME: Final = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}")


class TypedViews:
    """Views whose types are not known from files, with those of a test's values; made once for the same types."""

    def __init__(self) -> None:
        self._views: dict[tuple[object, ...], FeatureView] = {}

    def of(self, view: FeatureView, rows: pl.DataFrame) -> FeatureView:
        """Return a view with every feature typed, for rows of its source."""
        if all(feature.dtype is not None for feature in view.features):
            return view
        key = (view.name, *rows.schema.items())
        if key not in self._views:
            types = {name: language_dtype(dtype) or UNKNOWN for name, dtype in rows.schema.items()}
            self._views[key] = _typed(view, types)
        return self._views[key]


def _typed(view: FeatureView, types: Mapping[str, str]) -> FeatureView:
    """Return a view typed by the columns of its source; what `select` makes for others may not fit, and is left out.

    Raises:
        DataError: what the view reads does not fit the columns.
    """
    source, read = view.source, view_columns(view)
    wrong = {issue.part[1] for issue in type_check_source(source, types)[1] if issue.part[0] == "select"}
    select = tuple(item for item in source.select if item.name in read or item.name not in wrong)
    return type_view(replace(view, source=type_source(replace(source, select=select), types)), types)


def view_columns(view: FeatureView) -> set[str]:
    """Return the columns that a view reads of its source, `select` in place: of keys, clocks and expressions."""
    source = view.source
    texts = [item.expression.text for item in view.inputs] + ([view.where.text] if view.where else [])
    clocks = {source.event_time, source.available_at, *source.tiebreak, *source.dedup_key} - {None}
    return {*view.join.values(), *filter(None, clocks), *(n for text in texts for n in expression_columns(text))}


def view_table(
    engine: Engine, view: FeatureView, rows: WrittenRows, typed: TypedViews
) -> tuple[FeatureView, pl.DataFrame]:
    """Return a view with its types, and rows of its source in the form of its offline table.

    Raises:
        DataError: a value does not fit the column's type, or a part of the view does not fit the columns.
    """
    whole, prepared = prepare_table(engine, view, rows, typed)
    return whole, prepared.rows.of(0, 1)


def prepare_table(
    engine: Engine, view: FeatureView, rows: WrittenRows, typed: TypedViews
) -> tuple[FeatureView, Prepared]:
    """Return a view with its types, and rows of its source as the engine prepares them, with what it saw of them.

    Raises:
        DataError: a value does not fit the column's type, or a part of the view does not fit the columns.
    """
    stamped = stamped_view(view)
    table = source_rows(stamped, in_order(rows) if stamped.source.is_stream else rows)
    whole = typed.of(stamped, table)
    if whole.source.is_stream:
        whole, table = counted_events(whole, table)
    return whole, engine.prepare([Piece(scan=FrameScan(rows=table.lazy()), until=_EVER)], whole)


def source_rows(view: FeatureView, rows: WrittenRows) -> pl.DataFrame:
    """Return the rows of a test as the view's source would give them.

    Columns left out are null; a left-out availability is event time + delay, of which a source with an
    `available_at` column has none. Where the types of the files are not known, a column has that of its values.
    """
    types = known_types(view)
    return rows_of_source(view.source, rows, {**dict.fromkeys(_needed(view), UNKNOWN), **types})


def rows_of_source(source: Source, rows: WrittenRows, types: Mapping[str, str]) -> pl.DataFrame:
    """Return the rows of a test as `source_rows` does, with the columns of the types and all that the rows have."""
    types = {**types, **{name: UNKNOWN for row in rows for name in row if name not in types}}
    if not source.has_times:  # JSON: a text stays one
        texts = {name for row in rows for name, value in row.items() if isinstance(value, str)}
        types |= {name: STRING for name in texts if types[name] == UNKNOWN}
    if source.available_at is not None and source.event_time is not None:
        rows = [{source.available_at: row.get(source.event_time), **row} for row in rows]
    return table_of(rows, types, source.timezone)


def _needed(view: FeatureView) -> list[str]:
    """Return the columns of a source's files that a view reads, before `select`."""
    made = {item.name: item.expression.text for item in view.source.select}
    read = view_columns(view)
    below = {name for item in read & made.keys() for name in expression_columns(made[item])}
    return sorted((read - made.keys()) | below)


def known_types(view: FeatureView) -> dict[str, str]:
    """Return the types of the source's columns, with those that the view alone fixes: clocks, keys of unknown type."""
    return column_types(view.source, {view.join[key]: dtype for key, dtype in view.key_types.items()})


def column_types(source: Source, keys: Mapping[str, str]) -> dict[str, str]:
    """Return the types of a source's columns; those of clocks, and of keys where the files don't say, are fixed."""
    columns = source.columns or {}
    types = {name: dtype for name, dtype in keys.items() if columns.get(name, UNKNOWN) == UNKNOWN}
    types |= {name: TIMESTAMP for name in (source.event_time, source.available_at) if name is not None}
    made = {item.name for item in source.select}
    return {**columns, **{name: dtype for name, dtype in types.items() if name not in made}}


def all_typed(view: FeatureView, rows: Iterable[Mapping[str, object]]) -> bool:
    """Return whether a view and rows of its source have the same types whatever the values are."""
    types = known_types(stamped_view(view))
    named = {name for row in rows for name in row}
    return named <= set(types) and UNKNOWN not in types.values() and all(f.dtype is not None for f in view.features)


def table_of(rows: WrittenRows, types: Mapping[str, str], timezone: str) -> pl.DataFrame:
    """Return rows as a table with a column for each type; an unknown type is that of the values.

    A time without an offset is of the time zone.

    Raises:
        DataError: FC504, a value does not fit the column's type.
    """
    columns = {name: [row.get(name) for row in rows] for name in types}
    return pl.DataFrame([_column(name, columns[name], dtype, timezone) for name, dtype in types.items()])


def _column(name: str, values: Sequence[object], dtype: str, timezone: str) -> pl.Series:
    if dtype == UNKNOWN:
        return _untold(name, values, timezone)
    try:
        typed = [_value(value, dtype, timezone) for value in values]
        return pl.Series(name, typed, dtype=polars_dtype(dtype), strict=True)
    except (TypeError, ValueError, pl.exceptions.PolarsError) as error:
        raise DataError(f"column {name} of a feature test is {dtype}: {values!r} does not fit", code="FC504") from error


def _untold(name: str, values: Sequence[object], timezone: str) -> pl.Series:
    """Return values as a column of the type that they have: texts that all show a time, as times; none, as numbers."""
    if any(value is not None for value in values) and all(value is None or _shows_time(value) for value in values):
        return _column(name, values, TIMESTAMP, timezone)
    series = pl.Series(name, values, strict=False)
    if series.dtype == pl.Null:
        return series.cast(pl.Float64)
    if language_dtype(series.dtype) is None:
        raise DataError(f"column {name} of a feature test: {values!r} have no type of the language", code="FC504")
    return series


def _shows_time(value: object) -> bool:
    return isinstance(value, str) and _TIME.match(value) is not None and parse_local_instant(value, "UTC") is not None


def _value(value: object, dtype: str, timezone: str) -> object:
    if value is None:
        return None
    item = list_item(dtype)
    if item is not None and isinstance(value, list):
        return [_value(each, item, timezone) for each in value]
    if dtype == TIMESTAMP:
        instant = parse_local_instant(str(value), timezone)
        if instant is None:
            raise ValueError(value)
        return instant
    if dtype == DATE:
        return date.fromisoformat(str(value))
    if dtype == FLOAT64 and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return Decimal(str(value)) if dtype.startswith("decimal") else value
