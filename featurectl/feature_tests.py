"""Unit tests of features: rows of a source in, values of a view's features out; no store, no registry."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal

import polars as pl

from featurectl.dtypes import DATE, TIMESTAMP, UNKNOWN
from featurectl.engines.base import Engine, Piece, Table
from featurectl.engines.polars.types import language_dtype, polars_dtype
from featurectl.errors import DataError
from featurectl.spec.definition import FeatureTest, FeatureView
from featurectl.spec.place import Place
from featurectl.spec.typing import type_view
from featurectl.units import format_iso, parse_instant

_TIME = "time"
_EVER = datetime(9999, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A value that is not as expected; `row` counts the spine's rows from 1."""

    row: int
    column: str
    expected: object
    found: object


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureTestResult:
    """A feature test that ran: it passed when there are no differences."""

    name: str
    view: str
    place: Place
    differences: tuple[Difference, ...]


def run_feature_test(engine: Engine, test: FeatureTest) -> FeatureTestResult:
    """Return what came of a test; floats agree to 1e-9 relative, everything else exactly.

    Raises:
        DataError: FC504, a value of the test does not fit the column's type.
    """
    rows = source_rows(test.view, test.rows)
    view = _typed(test.view, rows)
    prepared = engine.prepare([Piece(scan=rows.lazy(), until=_EVER)], view)
    spine = spine_rows(view, test.spine)
    table = Table(view=view, buckets=1, read=lambda _: prepared.rows)
    values = engine.finish(engine.answer(table, spine, _TIME), view, spine[_TIME], {})
    differences = [
        Difference(row=i + 1, column=column, expected=expected, found=values[column][i])
        for i, wanted in enumerate(test.expect)
        for column, expected in wanted.items()
        if not _agree(expected, values[column][i])
    ]
    return FeatureTestResult(name=test.name, view=view.name, place=test.place, differences=tuple(differences))


def source_rows(view: FeatureView, rows: Sequence[Mapping[str, object]]) -> pl.DataFrame:
    """Return the rows of a test as the view's source would give them.

    Columns left out are null; a left-out availability is event time + delay, of which a source with an
    `available_at` column has none. Where the types of the files are not known, a column has that of its values.
    """
    source = view.source
    types = {**(source.columns or {}), **_needed_types(view)}
    for name in dict.fromkeys(name for row in rows for name in row):
        types.setdefault(name, UNKNOWN)
    if source.available_at is not None and source.event_time is not None:
        rows = [{source.available_at: row.get(source.event_time), **row} for row in rows]
    return pl.DataFrame([_column(name, [row.get(name) for row in rows], dtype) for name, dtype in types.items()])


def _needed_types(view: FeatureView) -> dict[str, str]:
    """Return the types of the source's columns that the view alone fixes: clocks, and keys of unknown type."""
    source, entity = view.source, view.entity
    columns = source.columns or {}
    keys = {view.join[key]: dtype for key, dtype in entity.keys.items()} if entity else {}
    types = {name: dtype for name, dtype in keys.items() if columns.get(name, UNKNOWN) == UNKNOWN}
    types |= {name: TIMESTAMP for name in (source.event_time, source.available_at) if name is not None}
    made = {item.name for item in source.select}
    return {name: dtype for name, dtype in types.items() if name not in made}


def spine_rows(view: FeatureView, rows: Sequence[Mapping[str, object]]) -> pl.DataFrame:
    """Return the spine of a test: the view's entity keys and `time`."""
    types = {**(view.entity.keys if view.entity else {}), _TIME: TIMESTAMP}
    return pl.DataFrame([_column(name, [row.get(name) for row in rows], dtype) for name, dtype in types.items()])


def _typed(view: FeatureView, rows: pl.DataFrame) -> FeatureView:
    if all(feature.dtype is not None for feature in view.features):
        return view
    return type_view(view, {name: language_dtype(dtype) or UNKNOWN for name, dtype in rows.schema.items()})


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
    if dtype == TIMESTAMP:
        instant = parse_instant(str(value))
        if instant is None:
            raise ValueError(value)
        return instant
    if dtype == DATE:
        return date.fromisoformat(str(value))
    if dtype == "float64" and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return Decimal(str(value)) if dtype.startswith("decimal") else value


def _agree(expected: object, found: object) -> bool:
    if isinstance(found, pl.Series):
        found = found.to_list()
    if isinstance(expected, list | tuple) and isinstance(found, list):
        return len(expected) == len(found) and all(map(_agree, expected, found))
    if isinstance(found, datetime) and expected is not None:
        return parse_instant(str(expected)) == found
    if isinstance(found, date) and expected is not None:
        return str(expected) == found.isoformat()
    if isinstance(found, float | Decimal) and isinstance(expected, int | float) and not isinstance(expected, bool):
        return math.isclose(float(found), float(expected), rel_tol=1e-9, abs_tol=1e-12)
    return type(expected) is type(found) and expected == found


def show_value(value: object) -> str:
    """Return a value as a test file would write it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return format_iso(value)
    if isinstance(value, pl.Series):
        return "[" + ", ".join(show_value(item) for item in value) + "]"
    return str(value)
