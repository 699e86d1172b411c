"""The rows of a bucket some at a time, as a push reads them."""

from __future__ import annotations

import polars as pl
import pytest
from deltalake import DeltaTable
from polars.testing import assert_frame_equal

from featurectl.core.errors import DataError, StoreError
from featurectl.offline.base import Coverage
from featurectl.offline.delta import DeltaStore
from featurectl.offline.rows import FrameRows
from tests.offline.table_rows import KEYS, table_rows

SOME = [*KEYS, "event_time"]


@pytest.fixture(params=["folder", "s3", pytest.param("azure", marks=pytest.mark.guests)])
def table(request, tmp_path):
    place = tmp_path if request.param == "folder" else request.getfixturevalue(request.param).location()
    return DeltaStore(str(place), "flights").table("delays", 1, KEYS)


@pytest.mark.sample(4)
@pytest.mark.parametrize(("rows", "parts"), [(3, 4), (5, 2), (1_000, 1)])
def test_parts_of_a_file_are_its_rows_in_order(table, monkeypatch, rows, parts):
    monkeypatch.setattr("featurectl.offline.read_files.ROW_GROUP", rows)
    table.append(FrameRows(table_rows(10), KEYS), Coverage())
    found = list(table.parts(0, 0))
    assert (len(found), max(part.height for part in found)) == (parts, min(rows, 10))
    assert_frame_equal(pl.concat(found), table.read(bucket=0))
    assert_frame_equal(pl.concat(table.parts(0, columns=SOME)), table.read(bucket=0).select(SOME))


@pytest.mark.sample(3)
@pytest.mark.parametrize("compacted", [False, True], ids=["ours", "of another tool"])
def test_rows_that_are_not_one_file_of_ours_are_one_part(table, monkeypatch, compacted):
    monkeypatch.setattr("featurectl.offline.read_files.ROW_GROUP", 3)
    for start in (40, 0):
        table.append(FrameRows(table_rows(10, start=start), KEYS), Coverage())
    if compacted:
        DeltaTable(table.location).optimize.compact()
    [found] = table.parts(0)
    assert_frame_equal(found, table.read())


def test_a_table_without_rows_is_one_part_and_one_that_is_not_there_none(table):
    with pytest.raises(DataError, match="no offline table"):
        list(table.parts(0))
    table.append(FrameRows(table_rows(0), KEYS), Coverage())
    [found] = table.parts(0)
    assert_frame_equal(found, table.read())


def test_a_file_that_is_gone_is_told_as_a_table_that_is_broken(tmp_path):
    table = DeltaStore(str(tmp_path), "flights").table("delays", 1, KEYS)
    table.append(FrameRows(table_rows(10), KEYS), Coverage())
    for path in tmp_path.rglob("*.parquet"):
        path.unlink()
    with pytest.raises(StoreError, match="can't be read"):
        list(table.parts(0))
