"""The columns that a source declares, enforced on one file or query; without a declaration, those it has."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import polars as pl

from featurectl.core import dtypes
from featurectl.core.dtypes import TypedColumns, untyped_columns
from featurectl.core.errors import DataError
from featurectl.core.frames.types import language_dtype
from featurectl.core.units import plural
from featurectl.expressions.check import needed_columns
from featurectl.language.definitions.separator import separator_hint
from featurectl.language.definitions.source import Source
from featurectl.language.definitions.timestamp_format import formats_of
from featurectl.language.typing.sources import time_hint
from featurectl.sources.base import NONE_REQUIRED, OnNaive, RequiredColumns
from featurectl.sources.casts import Cast, CastRules, plan_cast, shown_value
from featurectl.sources.failures import reading

UNTYPED: Final = "take out of it what is needed before: a column of its own, or a query (`sql:`)"
_EPOCH: Final = re.compile(r"'?-?[0-9]{9,}'?")  # a whole number that may be seconds since 1970, as an error shows it
_WHOLE_FRACTION: Final = re.compile(r"-?[0-9]+\.0*")
_NULLS: Final = frozenset(
    ("", "na", "n/a", "nan", "null", "none", "nil", "-", "--", "?", ".", "\\n", "#n/a", "missing")
)
LineOf = Callable[[int], int | None]  # the line of a file in which a row (from 0) begins


@dataclass(frozen=True, slots=True, kw_only=True)
class RowPlaces:
    """Where rows that are checked are: in lines of a CSV file (`line_of`), or behind so many rows of a query."""

    line_of: LineOf | None = None
    before: int = 0

    def place(self, row: int) -> str:
        """Return what a row is called, by its number from 0 among those that are checked."""
        line = None if self.line_of is None else self.line_of(row)
        return f"at row {self.before + row + 1:,}" if line is None else f"in line {line:,}"


FIRST_ROWS: Final = RowPlaces()
KEPT: Final = "\x00kept "  # before the name of a column as it is in its source


def reading_of(source: Source) -> CastRules:
    """Return how the source's texts and clocks are read."""
    form = source.csv_options.timestamp_format if source.csv_options else None
    return CastRules(timezone=source.timezone, nan=source.nan, timestamp_format=form)


def declared_columns(source: Source) -> dict[str, str] | None:
    """Return the source's declared columns as they are given to its readers, or None when it declares none.

    The clocks come out as timestamps whatever the declared spelling is: a date is its midnight in `timezone`.
    """
    if not source.columns_declared or source.columns is None:
        return None
    return with_clocks(source, source.columns)


def with_clocks(source: Source, columns: Mapping[str, str]) -> dict[str, str]:
    """Return the columns with those of the source's clocks as timestamps."""
    clocks = {source.event_time, source.available_at}
    return {name: dtypes.TIMESTAMP if name in clocks else dtype for name, dtype in columns.items()}


def found_columns(source: Source, schema: pl.Schema) -> dict[str, str]:
    """Return the columns of a file that have a type in the language, with it; clocks are timestamps."""
    clocks = {source.event_time, source.available_at}
    types = {name: dtypes.TIMESTAMP if name in clocks else language_dtype(dtype) for name, dtype in schema.items()}
    typed = {name: dtype for name, dtype in types.items() if dtype is not None}
    return TypedColumns(typed, {name: _kind(dtype) for name, dtype in schema.items() if name not in typed})


def _kind(dtype: pl.DataType) -> str:
    """Return what a column is called whose type the language lacks."""
    if isinstance(dtype, pl.List | pl.Array):
        inner = dtype.inner
        return f"list of {_kind(inner if isinstance(inner, pl.DataType) else inner())}"
    return type(dtype).__name__.lower()


def typed_schemas(schemas: Sequence[pl.Schema]) -> list[pl.Schema]:
    """Return the schemas of files without the columns that hold only nulls there and have a type in another file."""
    typed = {name for schema in schemas for name, dtype in schema.items() if not isinstance(dtype, pl.Null)}
    return [
        pl.Schema(
            {name: dtype for name, dtype in schema.items() if name not in typed or not isinstance(dtype, pl.Null)}
        )
        for schema in schemas
    ]


def seen_columns(source: Source, schema: pl.Schema) -> dict[str, str]:
    """Return the columns as `found_columns`, but a clock that can't be read as a timestamp with its own type."""
    columns = found_columns(source, schema)
    for name in columns.keys() & {source.event_time, source.available_at}:
        dtype = language_dtype(schema[name])
        if dtype is not None and plan_cast(name, schema[name], dtypes.TIMESTAMP, reading_of(source)) is None:
            columns[name] = dtype
    return columns


def check_named(source: Source, columns: Mapping[str, str], where: str) -> None:
    """See that the columns exist that the source's own keys name.

    Raises:
        DataError: FC503, one does not.
    """
    made = {item.name for item in source.select}
    for key, names in (
        ("event_time", (source.event_time,)),
        ("available_at", (source.available_at,)),
        ("tiebreak", source.tiebreak),
        ("dedup_key", source.dedup_key),
    ):
        for name in names:
            if name is not None and name not in columns and name not in made:
                raise _not_there(name, key, columns, where)


def with_clocks_required(source: Source, required: RequiredColumns) -> RequiredColumns:
    """Return required columns with those without which a source has no rows, or has them again.

    In place of one that `select` makes stand the columns without any of which it is null.
    """
    named = {source.event_time, source.available_at, *source.dedup_key, *required.keys}
    made = {item.name: needed_columns(item.expression.text) for item in source.select}
    read = [made.get(name, frozenset((name,))) for name in named if name is not None]
    return replace(required, keys=frozenset().union(*read))


def _not_there(name: str, key: str, columns: Mapping[str, str], where: str) -> DataError:
    kind = untyped_columns(columns).get(name)
    if kind is not None:
        message = f"{where}: column {name!r}, which `{key}` names, is {kind}, which the language has no type for"
        return DataError(message, code="FC504", hint=UNTYPED)
    hint = separator_hint(columns) or "columns: " + ", ".join(sorted(columns))
    return DataError(f"{where} has no column {name!r}, which `{key}` names", code="FC503", hint=hint)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedColumns:
    """The columns that every file of a source must give, with their types (None: as they are in the file).

    `optional` ones, which other files have, are null in one that lacks them, unless they are `required`.
    """

    source: Source
    columns: Mapping[str, str | None]
    optional: Collection[str] = ()
    required: RequiredColumns = NONE_REQUIRED

    def casts(self, schema: pl.Schema, where: str) -> list[Cast]:
        """Return how the columns of a file become the source's.

        Raises:
            DataError: FC503 the file lacks a column, FC504 a column's type can't become the source's.
        """
        reading_ = reading_of(self.source)
        return [self._cast(name, want, schema, (where, reading_)) for name, want in self.columns.items()]

    def _named_by(self, name: str) -> str:
        """Return which key of the source names a column, where one does, or that it is one of an entity."""
        source = self.source
        keys = (
            ("event_time", (source.event_time,)),
            ("available_at", (source.available_at,)),
            ("dedup_key", source.dedup_key),
        )
        named = [f", which `{key}` names" for key, columns in keys if name in columns]
        made = {item.name: needed_columns(item.expression.text) for item in source.select}
        named += [f", of which `{key}` is made" for key, of in keys if any(name in made.get(c or "", ()) for c in of)]
        return named[0] if named else ", an entity key" * (name in self.required.keys)

    def _lacking(self, name: str, schema: pl.Schema, where: str) -> DataError:
        hint = separator_hint(schema) or "columns: " + ", ".join(sorted(schema))
        if name in self.optional:
            way_out = "`featurectl materialize --full` takes it for null here"
            all_lost = "its rows are none without it: write the file anew with it, or take it away"
            hint += f"; other files have it, and {all_lost if name in self.required.keys else way_out}"
        return DataError(f"{where} has no column {name!r}{self._named_by(name)}", code="FC503", hint=hint)

    def _cast(self, name: str, want: str | None, schema: pl.Schema, context: tuple[str, CastRules]) -> Cast:
        where, reading_ = context
        if name not in schema:
            if name in self.optional and name not in (*self.required.keys, *self.required.others):
                return Cast(name=name, dtype=want, value=pl.lit(None, dtype=pl.Null))
            raise self._lacking(name, schema, where)
        if want is None:
            return Cast(name=name, dtype=None, value=pl.col(name))
        cast = plan_cast(name, schema[name], want, reading_)
        if cast is None:
            have = language_dtype(schema[name]) or str(schema[name])
            message = f"{where}: column {name!r} is {have} and can't be read as {want}"
            raise DataError(message, code="FC504", hint=_epoch_hint(name, have, want))
        return cast


def check_values(
    frame: pl.LazyFrame,
    casts: Sequence[Cast],
    where: str,
    *,
    places: RowPlaces = FIRST_ROWS,
    on_naive: OnNaive | None = None,
) -> None:
    """Read the columns whose values may not fit, and nothing else, to see that they do.

    All columns of a CSV file, whose lines are known, are read, to see that no line has more fields than there are
    columns. `on_naive` is given the columns that hold a timestamp without a time zone.

    Raises:
        DataError: FC504 with the column, the number of bad values, the first bad row (from 1; of a CSV file its line)
            and its value; FC502, the rows can't be read.
    """
    lossy = [(cast, cast.bad) for cast in casts if cast.bad is not None]
    clocks = [(cast.name, cast.naive) for cast in casts if on_naive and isinstance(cast.naive, pl.Expr)]
    asked = [bad.sum().alias(str(i)) for i, (_, bad) in enumerate(lossy)]
    asked += [naive.any().alias(f"naive {i}") for i, (_, naive) in enumerate(clocks)]
    if places.line_of is not None:
        asked.append(pl.sum_horizontal(pl.all().null_count()).alias("nulls"))
    counts: Sequence[int] = ()
    if asked:
        with reading(where):
            counts = frame.select(asked).collect(engine="streaming").row(0)
    for count, (cast, bad) in zip(counts[: len(lossy)], lossy, strict=True):
        if count:
            raise _misfit(frame, (cast, bad, count), where, places)
    if on_naive:
        found = dict(zip([name for name, _ in clocks], counts[len(lossy) :], strict=False))
        for cast in casts:
            if cast.naive is True or found.get(cast.name):
                on_naive(cast.name)


def _misfit(frame: pl.LazyFrame, misfit: tuple[Cast, pl.Expr, int], where: str, places: RowPlaces) -> DataError:
    cast, bad, count = misfit
    first = frame.with_row_index("\x00row").filter(bad).select("\x00row", cast.name).head(1).collect()
    row, value = first["\x00row"][0], shown_value(first[cast.name], 0)
    return DataError(
        f"{where}: column {cast.name!r} has {count:,} {plural(count, 'value')} that can't be read "
        f"as {cast.dtype}; first {places.place(row)}: {value}",
        code="FC504",
        hint=_value_hint(cast, value, of_csv=places.line_of is not None),
    )


def _value_hint(cast: Cast, value: str, *, of_csv: bool) -> str:
    """Return how times that are written like a value are read, "" where nobody knows."""
    if of_csv and cast.dtype == dtypes.TIMESTAMP and (forms := formats_of(value.strip("'"))):
        written = " or ".join(f'{{timestamp_format: "{form}"}}' for form in forms)
        return f"of the source, say how its times are written: csv: {written}"
    if of_csv and value.strip("'").strip().lower() in _NULLS:
        return f"where that is how nulls are written, say so of the source: csv: {{null_values: [{value}]}}"
    if cast.dtype == dtypes.INT64 and _WHOLE_FRACTION.fullmatch(value.strip("'")):
        return f"declare {cast.name}: float64: so pandas writes a column of whole numbers in which some are missing"
    return _epoch_hint(cast.name, dtypes.INT64 if _EPOCH.fullmatch(value) else dtypes.STRING, cast.dtype)


def _epoch_hint(name: str, have: str, want: str | None) -> str:
    """Return how numbers become the times that are wanted, "" where it is not that."""
    if want != dtypes.TIMESTAMP or have not in (dtypes.INT64, dtypes.FLOAT64):
        return ""
    return f"{time_hint(name, have)}; where `columns:` says its type, that is {have}"


def enforce_rows(
    rows: pl.LazyFrame, shape: ExpectedColumns, schema: pl.Schema, where: str, on_naive: OnNaive | None
) -> pl.LazyFrame:
    """Return rows of one schema in the columns and types of a shape, once their values are seen to fit.

    Raises:
        DataError: FC503 a column is missing, FC504 a value or type does not fit, FC502 the rows can't be read.
    """
    casts = shape.casts(schema, where)
    check_values(rows, casts, where, on_naive=on_naive)
    return apply_casts(rows, casts)


def apply_casts(frame: pl.LazyFrame, casts: Sequence[Cast], kept: Sequence[Cast] = ()) -> pl.LazyFrame:
    """Return the rows in the source's columns and types; beside them those of `kept`, named KEPT and their name."""
    columns = {cast.name: cast.column for cast in casts} | {KEPT + cast.name: cast.column for cast in kept}
    if any(column.meta.root_names() for column in columns.values()):
        return frame.select(column.alias(name) for name, column in columns.items())
    # Constants alone would be one row, however many the frame has.
    return frame.with_row_index("\x00row").with_columns(**columns).select(list(columns))
