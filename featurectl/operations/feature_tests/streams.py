"""Rows of a stream in tests: stamped, in the order in which they are written, without repeats and rejected ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

import polars as pl

from featurectl.core.dtypes import INT64, TIMESTAMP
from featurectl.core.units import parse_instant
from featurectl.engines.clocks import AVAILABLE, EVENT, clocked, select_columns, typed_tree
from featurectl.expressions.polars import to_polars
from featurectl.language.definitions.source import Check, Source
from featurectl.language.definitions.stream import MOST_AHEAD_US, STAMP
from featurectl.language.definitions.view import FeatureView
from featurectl.language.stream_reach import repeat_reach_us
from featurectl.pit.repeats import find_repeats

_OFFSET: Final = "\x00offset"  # the engine hides such names from hashes of rows


def stamped_view(view: FeatureView) -> FeatureView:
    """Return a view of a stream as one of rows that say when a worker took them, and that came one after the other.

    Any other view is returned as it is. A row of one test follows those of others, whose keys are not its own.
    """
    source = view.source
    if not source.is_stream or source.available_at is not None:
        return view
    columns = {**(source.columns or {}), STAMP: TIMESTAMP, _OFFSET: INT64}
    tiebreak = (*source.tiebreak, _OFFSET)
    return replace(view, source=replace(source, columns=columns, available_at=STAMP, tiebreak=tiebreak))


def in_order(rows: Iterable[Mapping[str, object]]) -> list[Mapping[str, object]]:
    """Return rows with the place of each among them, as the offsets of a partition would number them."""
    return [{**row, _OFFSET: number} for number, row in enumerate(rows)]


def counted_events(view: FeatureView, table: pl.DataFrame) -> tuple[FeatureView, pl.DataFrame]:
    """Return a stamped view, and those of its source's events that count: no repeats, and none that is rejected.

    The repeats are looked for among the events of an entity that the view takes, so the view names none any more.
    """
    source = view.source
    events = select_columns(clocked(table.lazy(), source), source).collect()
    events = events.filter(_accepted(source, events.schema))
    if view.where is not None:
        events = events.filter(to_polars(typed_tree(view.where)))
    counted = events[_OFFSET]
    if source.dedup_key:
        by = [*view.join.values(), *source.dedup_key]
        counted = events.filter(~find_repeats(events, by, [AVAILABLE, _OFFSET], repeat_reach_us(view)))[_OFFSET]
    kept = table.filter(pl.col(_OFFSET).is_in(counted.implode()))
    return replace(view, source=replace(source, dedup_key=())), kept


def _accepted(source: Source, schema: pl.Schema) -> pl.Expr:
    """Return which events a worker would take: dated at most an hour ahead, and without a failed check."""
    ahead_us = (pl.col(EVENT) - pl.col(AVAILABLE)).dt.total_microseconds()
    right = [(ahead_us <= MOST_AHEAD_US).fill_null(value=True)]
    right += [_passes(check, schema) for check in source.checks if check.severity == "error"]
    return pl.all_horizontal(right)


def _passes(check: Check, schema: pl.Schema) -> pl.Expr:
    """Return whether each event passes a check, which looks at one event; a null passes all but `not_null`."""
    assert check.column is not None, f"{check.kind} looks at many rows"
    column = pl.col(check.column)
    match check.kind:
        case "not_null":
            return column.is_not_null()
        case "between":
            return column.is_between(check.low, check.high).fill_null(value=True)
        case "matches":
            return column.str.contains(f"^(?:{check.text})$").fill_null(value=True)
        case _:
            return column.is_in(_listed(check, schema[check.column]).implode()).fill_null(value=True)


def _listed(check: Check, dtype: pl.DataType) -> pl.Series:
    """Return the values of a list in the type of its column; files keep times and dates as texts."""
    if isinstance(dtype, pl.Datetime):
        return pl.Series([parse_instant(str(value)) for value in check.values]).cast(dtype)
    if dtype == pl.Date:
        return pl.Series(map(str, check.values), dtype=pl.String).str.to_date("%Y-%m-%d")
    return pl.Series(check.values, strict=False).cast(dtype, strict=False)
