"""Batches of a scan are all of its rows, in order, or an error."""

import polars as pl
import pytest

from featurectl.engines.batches import read_batches

ROWS = pl.DataFrame(
    {"n": range(5_000), "c": pl.Series(["a", "b", None, "c", ""] * 1_000, dtype=pl.Categorical), "l": [[1], []] * 2_500}
)


@pytest.fixture
def scan(tmp_path):
    ROWS.write_parquet(tmp_path / "rows.parquet", row_group_size=700)
    return pl.scan_parquet(tmp_path / "rows.parquet")


@pytest.mark.parametrize("rows", [1, 300, 9_999])
@pytest.mark.parametrize("most", [0, 1, 900, 5_000])
def test_batches_are_all_rows_in_their_order_and_none_is_empty(scan, rows, most):
    found = list(read_batches(scan.filter(pl.col("n") < most), rows if most < 5_000 else max(rows, 300)))
    assert pl.concat([ROWS.clear(), *found]).equals(ROWS.head(most))
    assert all(batch.height > 0 for batch in found)


@pytest.mark.parametrize("last", [4_999, 0])
def test_rows_that_a_panic_would_swallow_are_an_error(scan, last):
    far = pl.when(pl.col("n") == last).then(10**18).otherwise(0).cast(pl.Datetime("ms"))
    with pytest.raises(pl.exceptions.ComputeError, match="not all rows came"):
        list(read_batches(scan.with_columns(far.cast(pl.Datetime("us")).alias("at")), 300))
