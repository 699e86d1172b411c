"""The rows of feature tests as tables, in the types of their columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Final

import polars as pl

from featurectl.dtypes import DATE, FLOAT64, TIMESTAMP, UNKNOWN, list_item
from featurectl.engines.base import Engine, Piece, Prepared
from featurectl.engines.polars.types import language_dtype, polars_dtype
from featurectl.errors import DataError
from featurectl.spec.definition import FeatureView
from featurectl.spec.typing import type_view
from featurectl.units import parse_instant

Rows = Sequence[Mapping[str, object]]
_EVER: Final = datetime(9999, 1, 1, tzinfo=UTC)


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
            self._views[key] = type_view(view, types)
        return self._views[key]


def view_table(engine: Engine, view: FeatureView, rows: Rows, typed: TypedViews) -> tuple[FeatureView, pl.DataFrame]:
    """Return a view with its types, and rows of its source in the form of its offline table.

    Raises:
        DataError: a value does not fit the column's type, or a part of the view does not fit the columns.
    """
    whole, prepared = prepare_table(engine, view, rows, typed)
    return whole, prepared.rows.of(0, 1)


def prepare_table(engine: Engine, view: FeatureView, rows: Rows, typed: TypedViews) -> tuple[FeatureView, Prepared]:
    """Return a view with its types, and rows of its source as the engine prepares them, with what it saw of them.

    Raises:
        DataError: a value does not fit the column's type, or a part of the view does not fit the columns.
    """
    table = source_rows(view, rows)
    whole = typed.of(view, table)
    return whole, engine.prepare([Piece(scan=table.lazy(), until=_EVER)], whole)


def source_rows(view: FeatureView, rows: Rows) -> pl.DataFrame:
    """Return the rows of a test as the view's source would give them.

    Columns left out are null; a left-out availability is event time + delay, of which a source with an
    `available_at` column has none. Where the types of the files are not known, a column has that of its values.
    """
    source = view.source
    types = known_types(view)
    for name in dict.fromkeys(name for row in rows for name in row):
        types.setdefault(name, UNKNOWN)
    if source.available_at is not None and source.event_time is not None:
        rows = [{source.available_at: row.get(source.event_time), **row} for row in rows]
    return table_of(rows, types)


def known_types(view: FeatureView) -> dict[str, str]:
    """Return the types of the source's columns, with those that the view alone fixes: clocks, keys of unknown type."""
    source, entity = view.source, view.entity
    columns = source.columns or {}
    keys = {view.join[key]: dtype for key, dtype in entity.keys.items()} if entity else {}
    types = {name: dtype for name, dtype in keys.items() if columns.get(name, UNKNOWN) == UNKNOWN}
    types |= {name: TIMESTAMP for name in (source.event_time, source.available_at) if name is not None}
    made = {item.name for item in source.select}
    return {**columns, **{name: dtype for name, dtype in types.items() if name not in made}}


def all_typed(view: FeatureView, rows: Iterable[Mapping[str, object]]) -> bool:
    """Return whether a view and rows of its source have the same types whatever the values are."""
    types = known_types(view)
    named = {name for row in rows for name in row}
    return named <= set(types) and UNKNOWN not in types.values() and all(f.dtype is not None for f in view.features)


def table_of(rows: Rows, types: Mapping[str, str]) -> pl.DataFrame:
    """Return rows as a table with a column for each type; an unknown type is that of the values.

    Raises:
        DataError: FC504, a value does not fit the column's type.
    """
    return pl.DataFrame([_column(name, [row.get(name) for row in rows], dtype) for name, dtype in types.items()])


def _column(name: str, values: Sequence[object], dtype: str) -> pl.Series:
    if dtype == UNKNOWN:
        series = pl.Series(name, values, strict=False)
        return series.cast(pl.Float64) if series.dtype == pl.Null else series
    try:
        return pl.Series(name, [_value(value, dtype) for value in values], dtype=polars_dtype(dtype), strict=True)
    except (TypeError, ValueError, pl.exceptions.PolarsError) as error:
        raise DataError(f"column {name} of a feature test is {dtype}: {values!r} does not fit", code="FC504") from error


def _value(value: object, dtype: str) -> object:
    if value is None:
        return None
    item = list_item(dtype)
    if item is not None and isinstance(value, list):
        return [_value(each, item) for each in value]
    if dtype == TIMESTAMP:
        instant = parse_instant(str(value))
        if instant is None:
            raise ValueError(value)
        return instant
    if dtype == DATE:
        return date.fromisoformat(str(value))
    if dtype == FLOAT64 and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return Decimal(str(value)) if dtype.startswith("decimal") else value
