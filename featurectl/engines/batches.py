"""The rows of a scan, some at a time, all of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import polars as pl

_END: Final = "\x00end"


def read_batches(scan: pl.LazyFrame, rows: int) -> Iterator[pl.DataFrame]:
    """Give the rows of a scan in their order, so many at a time.

    Where one of its threads panics, as on a time that no calendar holds, Polars lets the batches end as if that were
    all. So there is a row of ours behind the others, which has to come.

    Raises:
        ComputeError: it has not come.
    """
    marked = [scan.with_columns(pl.lit(value=False).alias(_END)), pl.LazyFrame({_END: [True]})]
    ended = False
    for batch in pl.concat(marked, how="diagonal").collect_batches(
        chunk_size=rows, maintain_order=True, engine="streaming"
    ):
        ended = batch.height > 0 and bool(batch[_END][-1])
        found = batch.drop(_END).head(batch.height - ended)
        if found.height:
            yield found
    if not ended:
        raise pl.exceptions.ComputeError("a thread of Polars panicked, so that not all rows came")
