"""When a value that was served equals one that was computed."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import polars as pl

from featurectl.core.dtypes import FLOAT64
from featurectl.language.definitions.view import FeatureView

TOLERANCE: Final = 1e-12  # relative, of what is added up in any order
_EXACT: Final = ("latest", "first", "last", "min", "max", "count", "count_distinct", "approx_count_distinct")


def loose_features(view: FeatureView) -> frozenset[str]:
    """Return the features whose values depend on the order of additions: sums and means, and what is made of them."""
    stored = {f.name for f in view.features if f.dtype == FLOAT64 and f.op not in _EXACT}
    return frozenset(stored | {d.name for d in view.derived if d.dtype in (FLOAT64, None)})


def differing(served: pl.Series, computed: pl.Series, *, tolerance: float) -> pl.Series:
    """Return whether values differ, row for row: two nulls are equal, two NaN too.

    Floats may be `tolerance` apart, relative to the greater of both; 0 wants them equal. A value of another type that
    can't be one of the served type (another version of a view may give it) differs.

    >>> differing(pl.Series([1.0, None, 2.0]), pl.Series([1.0 + 1e-15, None, None]), tolerance=1e-12).to_list()
    [False, False, True]
    """
    other = _as_served(computed, served.dtype)
    lost = other.is_null() & computed.is_not_null()
    exact = served.ne_missing(other) | lost
    if tolerance <= 0 or not served.dtype.is_float() or not exact.any():
        return exact
    both = pl.DataFrame([served.alias("served"), other.alias("other")])
    size = pl.max_horizontal(pl.col("served").abs(), pl.col("other").abs())
    near = ((pl.col("served") - pl.col("other")).abs() <= tolerance * size) & size.is_finite()
    return exact & ~both.select(near.fill_null(value=False)).to_series()


def _as_served(computed: pl.Series, dtype: pl.DataType) -> pl.Series:
    """Return values in a type, null where they can't be."""
    try:
        return computed.cast(dtype, strict=False)
    except (pl.exceptions.InvalidOperationError, pl.exceptions.ComputeError):
        return pl.Series([None] * len(computed), dtype=dtype)


def compare(served: pl.DataFrame, computed: pl.DataFrame, loose: Collection[str], tolerance: float) -> pl.DataFrame:
    """Return for each column that both have whether its values differ; `loose` names those with a tolerance."""
    return pl.DataFrame(
        [
            differing(served[name], computed[name], tolerance=tolerance if name in loose else 0.0).alias(name)
            for name in served.columns
            if name in computed.columns
        ]
    )
