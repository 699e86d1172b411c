"""A source's rows as its definition has them: their clocks beside their columns, without repeats, with `select`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeVar

import polars as pl

from featurectl.core.dtypes import DATE
from featurectl.core.errors import DataError
from featurectl.core.frames.timestamps import INSTANT, midnights
from featurectl.core.frames.types import finite
from featurectl.expressions.polars import to_polars
from featurectl.expressions.tree import Expression, ExpressionNode
from featurectl.language.definitions.source import NamedExpression, Source
from featurectl.pit.order import tie_columns
from featurectl.pit.questions import ALWAYS_US, AVAILABLE_AT, EVENT_TIME, TIE, TIE_ORDER

Frame = TypeVar("Frame", pl.DataFrame, pl.LazyFrame)

# The clocks stand beside the source's own columns under names that no source column can have.
EVENT, AVAILABLE, HASH = "\x00event", "\x00available", "\x00hash"
_TIED: Final = f"\x00{TIE}"  # the `tiebreak` columns of a source with a `dedup_key`
CLOCKS: Final = (AVAILABLE, EVENT)


def clocked(scan: pl.LazyFrame, source: Source) -> pl.LazyFrame:
    """Return the scan with its clocks beside its columns; floats that are not finite are null, unless it keeps them."""
    schema = scan.collect_schema()
    if source.nan == "null":
        floats = [name for name, dtype in schema.items() if dtype.is_float()]
        scan = scan.with_columns(finite(pl.col(name)).alias(name) for name in floats) if floats else scan
    scan = _with_ties(scan, source)
    if source.event_time is None:
        always = pl.lit(ALWAYS_US).cast(INSTANT)
        return scan.with_columns(always.alias(EVENT), always.alias(AVAILABLE))
    event = _instant(source, source.event_time, schema)
    if source.available_at is not None:
        available = _instant(source, source.available_at, schema)
    else:
        available = event + pl.duration(microseconds=source.delay_us or 0, time_unit="us")
    return scan.with_columns(event.alias(EVENT), available.alias(AVAILABLE))


def copy_order(source: Source) -> tuple[str, ...]:
    """Return the columns by which copies of an event are ordered.

    The first one counts: that was available first, of these the first to happen, the one with the greatest `tiebreak`.
    """
    return (*CLOCKS, *map(_TIED.format, range(len(source.tiebreak) if source.dedup_key else 0)), HASH)


def sort_copies(frame: pl.DataFrame, order: Sequence[str]) -> pl.DataFrame:
    """Return rows in the order of copies; a null in a `tiebreak` column is greatest, as it is in a table."""
    return frame.sort(order, descending=[name not in (*CLOCKS, HASH) for name in order])


def as_read(rows: pl.DataFrame) -> pl.DataFrame:
    """Return what tells copies of rows of a table by the names that it has in rows that are read."""
    ties = {name: f"\x00{name}" for name in tie_columns(rows.columns)}
    return rows.rename({EVENT_TIME: EVENT, AVAILABLE_AT: AVAILABLE, TIE_ORDER: HASH, **ties})


def drop_repeats(frame: pl.DataFrame, source: Source) -> pl.DataFrame:
    """Return the frame without repeats of one event: the first in the order of copies stays, null equals nothing."""
    return split_repeats(frame, source)[0]


def split_repeats(frame: pl.DataFrame, source: Source) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the rows of a frame that count, and the repeats of them."""
    key = list(source.dedup_key)
    whole = pl.all_horizontal(pl.col(k).is_not_null() for k in key)
    rows = sort_copies(frame, copy_order(source))
    counts = rows.select(~whole | pl.struct(key).is_first_distinct()).to_series()
    return rows.filter(counts), rows.filter(~counts)


def select_columns(frame: Frame, source: Source) -> Frame:
    """Return the rows with the source's `select` columns, each of which sees the source's own columns."""
    return frame.with_columns(named_column(item) for item in source.select) if source.select else frame


def _with_ties(scan: pl.LazyFrame, source: Source) -> pl.LazyFrame:
    """Add to the rows of a source with a `dedup_key` what its `tiebreak` names, by which copies are distinguished."""
    if not source.dedup_key:
        return scan
    made = {item.name: named_column(item) for item in source.select}
    ties = [made.get(name, pl.col(name)).alias(_TIED.format(i)) for i, name in enumerate(source.tiebreak)]
    return scan.with_columns(ties) if ties else scan


def _instant(source: Source, column: str, schema: pl.Schema) -> pl.Expr:
    for item in source.select:
        if item.name == column:  # it may hide a column of the files; it is computed from those, not from others
            made = named_column(item)
            return midnights(made, source.timezone) if item.dtype == DATE else made.cast(INSTANT)
    dtype = schema.get(column)
    if dtype is None:
        raise DataError(f"source {source.name} has no column {column!r}", code="FC503")
    if dtype == pl.Date:
        return midnights(pl.col(column), source.timezone)
    if isinstance(dtype, pl.Datetime):
        return pl.col(column).cast(INSTANT)
    raise DataError(
        f"source {source.name}: column {column!r} is {dtype}, a clock must be a timestamp or a date", code="FC504"
    )


def named_column(item: NamedExpression) -> pl.Expr:
    """Return the column of an item of `select` or of a view's inputs, by its name."""
    return to_polars(typed_tree(item.expression)).alias(item.name)


def typed_tree(expression: Expression) -> ExpressionNode:
    """Return the tree of an expression of a typed definition."""
    assert expression.tree is not None, f"untyped expression {expression.text!r}"
    return expression.tree
