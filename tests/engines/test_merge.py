"""Sorted files merged block by block: the rows of all of them in order, whatever lies in which file."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from featurectl.engines.merge import is_sorted_file, merge_sorted, sorted_runs
from featurectl.engines.shuffle import Shuffle, ShuffledRows
from featurectl.pit.order import row_order

COLUMNS = ["key", "event_time", "available_at", "tie_order", "value"]
ORDER = row_order(["key"], COLUMNS)


def drawn(rows, seed=1, keys=40):
    random = np.random.default_rng(seed)
    time = pl.Series(random.integers(0, 50, rows)).cast(pl.Datetime("us", "UTC"))
    return pl.DataFrame(
        {
            "key": random.integers(0, keys, rows),
            "event_time": time,
            "available_at": time,
            "tie_order": random.permutation(rows),
            "value": random.normal(size=rows),
        }
    )


@pytest.mark.parametrize("sizes", [[150], [150, 1, 0, 90], [12] * 30])
@pytest.mark.parametrize("rows", [1, 20, 10_000])
@pytest.mark.sample(3)
def test_merged_files_are_the_rows_of_all_in_order(tmp_path, sizes, rows):
    frames = [drawn(size, seed) for seed, size in enumerate(sizes)]
    paths = sorted_runs(frames, ORDER, tmp_path)
    found = pl.concat(merge_sorted(paths, COLUMNS, ORDER, rows))
    # Rows of two files may share all of their order; their values tell whether each is there.
    wanted = pl.concat(frames).sort(ORDER)
    assert found.select(ORDER).equals(wanted.select(ORDER))
    assert found.sort([*ORDER, "value"]).equals(wanted.sort([*ORDER, "value"]))


def test_files_one_after_the_other_are_given_in_that_order(tmp_path):
    whole = drawn(900).sort(ORDER)
    paths = sorted_runs([whole[600:], whole[:200], whole[200:600]], ORDER, tmp_path)
    assert pl.concat(merge_sorted(paths, COLUMNS, ORDER, 90)).equals(whole)


def test_a_file_is_in_order_when_its_blocks_and_their_seams_are(tmp_path):
    whole, path = drawn(100).sort(ORDER), str(tmp_path / "f.parquet")
    whole.write_parquet(path)
    assert is_sorted_file(path, ORDER, 7)
    pl.concat([whole[49:], whole[:49]]).write_parquet(path)
    assert not is_sorted_file(path, ORDER, 51)


@pytest.mark.parametrize("in_order", [True, False])
@pytest.mark.sample(1)
def test_a_bucket_that_outgrows_its_share_has_the_same_rows_in_pieces(tmp_path, in_order):
    new, old = drawn(3_000), drawn(800, 2).with_columns(pl.col("tie_order") + 10_000)
    numbers = iter(range(100))

    def folder():
        made = tmp_path / str(next(numbers))
        made.mkdir()
        return made

    rows = ShuffledRows(Shuffle(columns=("key",), memory_bytes=8_000, folder=folder), ["key"], (0, 0))
    for start in range(0, new.height, 300):
        rows.shuffle.add(new[start : start + 300])
    file = tmp_path / "old.parquet"
    (old.sort(ORDER) if in_order else old).write_parquet(file)
    pieces = list(rows.in_order(0, 1, [str(file)]))
    assert len(pieces) > 2
    assert pl.concat(pieces).equals(pl.concat([new, old]).sort(ORDER))
