"""Take values of a column by place."""

from __future__ import annotations

import polars as pl


def pick(values: pl.Series, places: pl.Series) -> pl.Series:
    """Return the value at each place, null where the place is null.

    >>> pick(pl.Series(["a", "b"]), pl.Series([1, None])).to_list()
    ['b', None]
    >>> pick(pl.Series([], dtype=pl.String), pl.Series([None], dtype=pl.Int64)).to_list()
    [None]
    """
    # Polars checks bounds before nulls, so that an empty column has no place for them.
    return values.gather(places) if len(values) else values.clear(len(places))
