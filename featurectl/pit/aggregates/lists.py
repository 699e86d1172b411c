"""Lists out of values laid end to end."""

from __future__ import annotations

import numpy as np
import polars as pl

from featurectl.pit.arrays import Ints


def lists_of(values: pl.Series, sizes: Ints) -> pl.Series:
    """Return one list a place: the next `sizes[i]` values in order, empty where the size is 0.

    >>> lists_of(pl.Series([7, 8, 9]), np.array([2, 0, 1])).to_list()
    [[7, 8], [], [9]]
    """
    owner = np.repeat(np.arange(len(sizes)), sizes)
    flat = pl.DataFrame({"owner": owner, "value": values})
    lists = flat.group_by("owner", maintain_order=True).agg("value")["value"]
    some = sizes > 0
    place = np.where(some, np.cumsum(some) - 1, len(lists))
    return lists.append(pl.Series("value", [[]], dtype=lists.dtype)).gather(place)
