"""Source rows -> rows of a view's offline table: nan, clocks, repeats, `select`, `where`, keys, inputs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import polars as pl

from featurectl.engines.base import Piece, Prepared
from featurectl.engines.polars.hashing import hash_rows
from featurectl.engines.polars.timestamps import INSTANT
from featurectl.errors import DataError
from featurectl.expressions.polars import to_polars
from featurectl.expressions.tree import Expression, Node
from featurectl.pit.order import row_order, sort_rows
from featurectl.pit.questions import ALWAYS_US, AVAILABLE_AT, EVENT_TIME, TIE, TIE_ORDER
from featurectl.spec.definition import FeatureView, NamedExpression, Source

# The clocks stand beside the source's own columns under names that no source column can have.
_EVENT, _AVAILABLE, _HASH = "\x00event", "\x00available", "\x00hash"


def prepare_rows(pieces: Sequence[Piece], view: FeatureView, seen: Sequence[Piece] = ()) -> Prepared:
    """Return the rows of the pieces in the form of the view's offline table, sorted by key, time and ties.

    The order of the steps is the language's: read, dedup, `select`, `where`, keys. Rows without event time,
    availability or key are dropped and counted.
    """
    source = view.source
    scans = [(clocked(piece.scan, source), piece) for piece in pieces]
    later = tuple(_count(scan.filter(pl.col(_AVAILABLE) > piece.until)) for scan, piece in scans)
    frame = pl.concat([_within(scan, piece) for scan, piece in scans], how="diagonal_relaxed").collect()
    dropped = _too_late(scans)
    read = frame.height
    for column, reason in ((_EVENT, "null event_time"), (_AVAILABLE, "null available_at")):
        frame = _drop(frame, pl.col(column).is_not_null(), reason, dropped)
    watermark, newest = _greatest(frame, _AVAILABLE, source), _greatest(frame, _EVENT, source)
    frame = frame.with_columns(hash_rows(_own(frame)).alias(_HASH))
    frame = drop_repeats(frame, source, seen, dropped)
    frame = select_columns(frame, source)
    if view.where is not None:
        frame = frame.filter(to_polars(_tree(view.where)))
    keys = [view.join[key] for key in view.keys]
    if keys:
        frame = _drop(frame, pl.all_horizontal(pl.col(k).is_not_null() for k in keys), "null key", dropped)
    return Prepared(
        rows=_table_rows(frame, view),
        rows_read=read,
        held_back=later,
        watermark=watermark,
        newest_event=newest,
        dropped=dropped,
    )


def clocked(scan: pl.LazyFrame, source: Source) -> pl.LazyFrame:
    """Return the scan with its clocks beside its columns, and with NaN as null unless the source keeps it."""
    schema = scan.collect_schema()
    if source.nan == "null":
        floats = [name for name, dtype in schema.items() if dtype.is_float()]
        scan = scan.with_columns(pl.col(floats).fill_nan(None)) if floats else scan
    if source.event_time is None:
        always = pl.lit(ALWAYS_US).cast(INSTANT)
        return scan.with_columns(always.alias(_EVENT), always.alias(_AVAILABLE))
    event = _instant(source, source.event_time, schema)
    if source.available_at is not None:
        available = _instant(source, source.available_at, schema)
    else:
        available = event + pl.duration(microseconds=source.delay_us or 0, time_unit="us")
    return scan.with_columns(event.alias(_EVENT), available.alias(_AVAILABLE))


def newest_row(scan: pl.LazyFrame, source: Source, now: datetime) -> tuple[datetime | None, datetime | None]:
    """Return the greatest event time until `now` and the greatest availability of the rows available at `now`.

    None where there is none.
    """
    if source.static:
        return None, None
    seen = clocked(scan, source).filter(pl.col(_AVAILABLE) <= now)
    happened = pl.col(_EVENT).filter(pl.col(_EVENT) <= now)
    found = seen.select(happened.max(), pl.col(_AVAILABLE).max()).collect().row(0)
    return found[0], found[1]


def drop_repeats(frame: pl.DataFrame, source: Source, seen: Sequence[Piece], dropped: dict[str, int]) -> pl.DataFrame:
    """Return the frame without repeats of one event: the copy that was available first stays, null equals nothing."""
    key = list(source.dedup_key)
    if not key:
        return frame
    before = frame.height
    order = [_AVAILABLE, _EVENT, _HASH]
    whole = pl.all_horizontal(pl.col(k).is_not_null() for k in key)
    frame = frame.sort(order).filter(~whole | pl.struct(key).is_first_distinct())
    for piece in seen:
        known = _within(clocked(piece.scan, source), piece).select(key).unique().collect()
        frame = frame.join(known, on=key, how="anti", nulls_equal=False, maintain_order="left")
    if before > frame.height:
        dropped["repeated"] = before - frame.height
    return frame


def select_columns(frame: pl.DataFrame, source: Source) -> pl.DataFrame:
    """Return the frame with the source's `select` columns, each of which sees the source's own columns."""
    return frame.with_columns(_named(item) for item in source.select) if source.select else frame


def _table_rows(frame: pl.DataFrame, view: FeatureView) -> pl.DataFrame:
    keys = [pl.col(view.join[key]).alias(key) for key in view.keys]
    ties = [pl.col(column).alias(TIE.format(i)) for i, column in enumerate(view.source.tiebreak)]
    clocks = [pl.col(_EVENT).alias(EVENT_TIME), pl.col(_AVAILABLE).alias(AVAILABLE_AT)]
    taken = {*view.keys, EVENT_TIME, AVAILABLE_AT}
    inputs = [_named(item) for item in view.inputs if item.name not in taken]
    rows = frame.select(*keys, *clocks, *ties, pl.col(_HASH).alias(TIE_ORDER), *inputs)
    return sort_rows(rows, row_order(view.keys, rows.columns))


def _within(scan: pl.LazyFrame, piece: Piece) -> pl.LazyFrame:
    """Rows of the piece; those without availability stay, so that they can be counted."""
    available = pl.col(_AVAILABLE)
    wanted = available <= piece.until
    if piece.after is not None:
        wanted &= available > piece.after
    else:
        wanted = wanted.fill_null(value=True)
    return scan.filter(wanted)


def _instant(source: Source, column: str, schema: pl.Schema) -> pl.Expr:
    for item in source.select:
        if item.name == column:  # it may hide a column of the files; it is computed from those, not from others
            return _named(item).cast(INSTANT)
    dtype = schema.get(column)
    if dtype is None:
        raise DataError(f"source {source.name} has no column {column!r}", code="FC503")
    if dtype == pl.Date or isinstance(dtype, pl.Datetime):
        return pl.col(column).cast(INSTANT)
    raise DataError(
        f"source {source.name}: column {column!r} is {dtype}, a clock must be a timestamp or a date", code="FC504"
    )


def _own(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.select(sorted(c for c in frame.columns if not c.startswith("\x00")))


def _drop(frame: pl.DataFrame, keep: pl.Expr, reason: str, dropped: dict[str, int]) -> pl.DataFrame:
    kept = frame.filter(keep)
    if kept.height < frame.height:
        dropped[reason] = frame.height - kept.height
    return kept


def _greatest(frame: pl.DataFrame, column: str, source: Source) -> datetime | None:
    if source.static or frame.is_empty():
        return None
    value = frame[column].max()
    assert value is None or isinstance(value, datetime)
    return value


def _too_late(scans: Sequence[tuple[pl.LazyFrame, Piece]]) -> dict[str, int]:
    """Count the rows of fresh pieces that were known before the watermark, and so are not taken."""
    fresh = [scan.filter(pl.col(_AVAILABLE) <= piece.after) for scan, piece in scans if piece.fresh and piece.after]
    count = sum(map(_count, fresh))
    return {"known before the watermark": count} if count else {}


def _count(scan: pl.LazyFrame) -> int:
    return int(scan.select(pl.len()).collect().item())


def _named(item: NamedExpression) -> pl.Expr:
    return to_polars(_tree(item.expression)).alias(item.name)


def _tree(expression: Expression) -> Node:
    assert expression.tree is not None, f"untyped expression {expression.text!r}"
    return expression.tree
