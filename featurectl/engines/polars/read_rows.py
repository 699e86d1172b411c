"""Rows of pieces as they are read: which of them are of a piece, of its range, of a view; their hashes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import polars as pl

from featurectl.engines.base import Piece, RowStream
from featurectl.engines.batches import read_batches
from featurectl.engines.clocks import AVAILABLE, EVENT, HASH, Frame, clocked, select_columns, typed_tree
from featurectl.engines.row_keys import key_tests
from featurectl.expressions.polars import to_polars
from featurectl.language.definitions.source import Source
from featurectl.language.definitions.view import FeatureView
from featurectl.pit.hashing import hash_ties

NAMED = "\x00named"  # a hash of what names an event, the `dedup_key`
CLOCKED = pl.col(EVENT).is_not_null() & pl.col(AVAILABLE).is_not_null()


def united_schema(pieces: Sequence[Piece], source: Source) -> pl.Schema:
    """Return the columns of all pieces, with the types in which they can lie in one frame."""
    empty = [clocked(_no_rows(piece, source), source).collect() for piece in pieces]
    return pl.concat(empty, how="diagonal_relaxed").schema


def stream_of(piece: Piece, source: Source) -> RowStream | None:
    """Return the rows of a piece as they come; None: they are to be read whole, or more than once."""
    is_looked_at_before = in_range(piece) and not source.dedup_key
    return None if is_looked_at_before or piece.read_before is not None else piece.scan.stream()


def read_scans(piece: Piece, source: Source) -> Iterator[pl.LazyFrame]:
    """Give the rows of a piece's scan: all at once where they lie somewhere, else as they come."""
    stream = stream_of(piece, source)
    if stream is None:
        yield piece.scan.read()
        return
    yield from stream.frames


def _no_rows(piece: Piece, source: Source) -> pl.LazyFrame:
    stream = stream_of(piece, source)
    return piece.scan.read().limit(0) if stream is None else stream.empty


def fitted(frame: pl.DataFrame, schema: pl.Schema) -> pl.DataFrame:
    """Return a frame with the columns and types of a schema; what it lacks is null."""
    if frame.schema == schema:
        return frame
    columns = [
        pl.col(name).cast(dtype) if name in frame.columns else pl.lit(None, dtype=dtype).alias(name)
        for name, dtype in schema.items()
    ]
    return frame.select(columns)


def hashed(frame: pl.DataFrame, source: Source) -> pl.DataFrame:
    """Return rows with a hash of their own columns, and one of those of the `dedup_key`."""
    own = frame.select(c for c in frame.columns if not c.startswith("\x00"))
    frame = frame.with_columns(hash_ties(own).alias(HASH))
    if not source.dedup_key:
        return frame
    key = frame.select(source.dedup_key)  # a feature test names its own column in it
    whole = pl.all_horizontal(pl.col(name).is_not_null() for name in key.columns)
    return frame.with_columns(pl.when(whole).then(hash_ties(key)).alias(NAMED))


def of_view(rows: Frame, view: FeatureView) -> Frame:
    """Return the rows that a view takes, whenever they happened: those of its `where` that have a key that fits."""
    rows = select_columns(rows, view.source)
    if view.where is not None:
        rows = rows.filter(to_polars(typed_tree(view.where)))
    for test in key_tests(view).values():
        rows = rows.filter(test)
    return rows


def earlier_rows(piece: Piece, source: Source, schema: pl.Schema, at_once: int) -> Iterator[pl.DataFrame]:
    """Give the rows of a piece's scan from up to its beginning, hashed, so many at a time."""
    scan = clocked(piece.scan.read(), source).filter(CLOCKED & (pl.col(AVAILABLE) <= piece.after))
    for batch in read_batches(scan, at_once):
        yield hashed(fitted(batch, schema), source)


def in_range(piece: Piece) -> list[pl.Expr]:
    """Return what is true of rows in the piece's range of event times; rows without one are, so that they count."""
    ends = []
    if piece.since is not None:
        ends.append((pl.col(EVENT) >= piece.since).fill_null(value=True))
    if piece.before is not None:
        ends.append((pl.col(EVENT) < piece.before).fill_null(value=True))
    return ends


def for_table(piece: Piece) -> pl.Expr:
    """Return which rows of events go into the table."""
    inside = pl.all_horizontal(pl.lit(value=True), *in_range(piece))
    if piece.events is None:
        return inside
    return inside | pl.col(NAMED).is_in(piece.events.implode()).fill_null(value=False)


def wanted_rows(piece: Piece) -> pl.Expr:
    """Return which rows are of the piece; those without availability are, so that they can be counted."""
    available = pl.col(AVAILABLE)
    wanted = available <= piece.until
    if piece.after is not None:
        return wanted & (available > piece.after)
    return wanted.fill_null(value=True)
