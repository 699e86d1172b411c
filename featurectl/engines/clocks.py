"""A source's rows as its definition has them: their clocks beside their columns, without repeats, with `select`."""

from __future__ import annotations

from typing import Final, TypeVar

import polars as pl

from featurectl.core.errors import DataError
from featurectl.core.frames.timestamps import INSTANT
from featurectl.core.frames.types import finite
from featurectl.expressions.polars import to_polars
from featurectl.expressions.tree import Expression, ExpressionNode
from featurectl.language.definitions.source import NamedExpression, Source
from featurectl.pit.questions import ALWAYS_US

Frame = TypeVar("Frame", pl.DataFrame, pl.LazyFrame)

# The clocks stand beside the source's own columns under names that no source column can have.
EVENT, AVAILABLE, HASH = "\x00event", "\x00available", "\x00hash"
COPY_ORDER: Final = (AVAILABLE, EVENT, HASH)  # of several copies of an event the first in this order counts


def clocked(scan: pl.LazyFrame, source: Source) -> pl.LazyFrame:
    """Return the scan with its clocks beside its columns; floats that are not finite are null, unless it keeps them."""
    schema = scan.collect_schema()
    if source.nan == "null":
        floats = [name for name, dtype in schema.items() if dtype.is_float()]
        scan = scan.with_columns(finite(pl.col(name)).alias(name) for name in floats) if floats else scan
    if source.event_time is None:
        always = pl.lit(ALWAYS_US).cast(INSTANT)
        return scan.with_columns(always.alias(EVENT), always.alias(AVAILABLE))
    event = _instant(source, source.event_time, schema)
    if source.available_at is not None:
        available = _instant(source, source.available_at, schema)
    else:
        available = event + pl.duration(microseconds=source.delay_us or 0, time_unit="us")
    return scan.with_columns(event.alias(EVENT), available.alias(AVAILABLE))


def drop_repeats(frame: pl.DataFrame, source: Source) -> pl.DataFrame:
    """Return the frame without repeats of one event: the copy that was available first stays, null equals nothing."""
    key = list(source.dedup_key)
    whole = pl.all_horizontal(pl.col(k).is_not_null() for k in key)
    return frame.sort(COPY_ORDER).filter(~whole | pl.struct(key).is_first_distinct())


def select_columns(frame: Frame, source: Source) -> Frame:
    """Return the rows with the source's `select` columns, each of which sees the source's own columns."""
    return frame.with_columns(named_column(item) for item in source.select) if source.select else frame


def _instant(source: Source, column: str, schema: pl.Schema) -> pl.Expr:
    for item in source.select:
        if item.name == column:  # it may hide a column of the files; it is computed from those, not from others
            return named_column(item).cast(INSTANT)
    dtype = schema.get(column)
    if dtype is None:
        raise DataError(f"source {source.name} has no column {column!r}", code="FC503")
    if dtype == pl.Date or isinstance(dtype, pl.Datetime):
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
