"""Rows that leave a table do so in the commit in which others come to it, and no other file is written anew."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from featurectl.offline.base import Coverage
from featurectl.offline.removed_rows import row_columns, without_rows
from featurectl.offline.rows import FrameRows
from tests.offline.table_rows import KEYS, as_table, table_rows
from tests.offline.test_delta import EMPTY, Marked, files_of, located, open_table

place = pytest.fixture(params=["folder", "s3"])(located)
COPIES = st.lists(st.integers(0, 9), max_size=30)


def rows_of(places: list[int]) -> pl.DataFrame:
    return table_rows(10)[places]


def naive_without(rows: pl.DataFrame, gone: pl.DataFrame) -> pl.DataFrame:
    left = gone.select(row_columns(list(KEYS))).rows()
    stays = []
    for row in rows.select(row_columns(list(KEYS))).rows():
        stays.append(row not in left)
        if row in left:
            left.remove(row)
    return rows.filter(pl.Series(stays, dtype=pl.Boolean))


@pytest.mark.long
@given(st.lists(COPIES, min_size=1, max_size=4), COPIES)
def test_rows_go_as_often_as_they_are_said_to_over_all_frames(frames, gone):
    frames = [rows_of(sorted(places)) for places in frames]
    found = list(without_rows(iter(frames), rows_of(gone), list(KEYS)))
    assert [frame.height for frame in found] or not frames
    assert_frame_equal(pl.concat(found), naive_without(pl.concat(frames), rows_of(gone)))


@pytest.mark.long
@settings(max_examples=20, deadline=None)
@given(st.lists(COPIES, min_size=1, max_size=5), COPIES, st.integers(10, 20))
def test_rows_of_many_files_go_and_others_come(tmp_path_factory, runs, gone, added):
    table = open_table(tmp_path_factory.mktemp("table"), rows_per_bucket=7, files_per_bucket=3)
    for places in runs:
        table.append(FrameRows(rows_of(places), KEYS), EMPTY)
    before, new = table.read(), table_rows(added, start=100)
    table.append(FrameRows(new, KEYS), EMPTY, FrameRows(rows_of(gone), KEYS))
    assert_frame_equal(table.read(), as_table(naive_without(before, rows_of(gone)), new))
    assert table.statistics().rows == table.read().height


@pytest.mark.long
def test_the_last_row_of_a_file_takes_the_file_with_it(place):
    table, rows = open_table(place), table_rows(5)
    table.append(FrameRows(rows, KEYS), EMPTY)
    table.append(FrameRows(table_rows(3, start=50), KEYS), EMPTY)
    table.append(FrameRows(rows.clear(), KEYS), Coverage(parts={"a": "1"}), FrameRows(rows, KEYS))
    assert_frame_equal(table.read(), as_table(table_rows(3, start=50)))
    assert (table.statistics().files, table.coverage().parts) == (1, {"a": "1"})
    assert_frame_equal(table.read(version=1), as_table(rows, table_rows(3, start=50)))


def test_blocks_since_an_instant_are_read_of_the_files_that_have_them(tmp_path):
    table = open_table(tmp_path)
    table.append(FrameRows(table_rows(10), KEYS), EMPTY)
    (old,) = files_of(tmp_path)
    table.append(FrameRows(table_rows(10, start=5_000_000), KEYS), EMPTY)
    since = table_rows(10, start=5_000_000)["event_time"].sort()[4]
    old.unlink()
    found = pl.concat(table.blocks(1, 100, ["event_time"], since))
    assert found["event_time"].sort().to_list() == [since.replace(microsecond=i) for i in range(4, 10)]


def test_a_run_that_is_ended_while_rows_go_leaves_the_old_version(tmp_path):
    table, rows = open_table(tmp_path, rows_per_bucket=5), table_rows(40)
    table.append(FrameRows(rows, KEYS), EMPTY)
    new = table_rows(9, start=90)
    with pytest.raises(KeyboardInterrupt):
        table.append(Marked(new, KEYS, fails_at=5), EMPTY, FrameRows(rows.head(20), KEYS))
    table = open_table(tmp_path, rows_per_bucket=5)
    assert (table.version(), table.read().height) == (0, 40)
    table.append(Marked(new, KEYS), EMPTY, FrameRows(rows.head(7), KEYS))  # other rows go than would have
    assert_frame_equal(table.read(), as_table(rows.tail(33), new))
