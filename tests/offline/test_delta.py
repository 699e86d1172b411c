from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import duckdb
import polars as pl
import pytest
from deltalake import DeltaTable
from polars.testing import assert_frame_equal

from featurectl.core.errors import DataError, StoreError, TryAgainError
from featurectl.core.units import from_us
from featurectl.offline.base import Coverage, TableStatistics
from featurectl.offline.delta import DeltaStore
from featurectl.offline.rows import FrameRows
from featurectl.pit.hashing import bucket_of
from tests.offline.table_rows import INSTANT, KEYS, as_table, table_rows

EMPTY = Coverage()


def open_table(root, **sizes):
    return DeltaStore(str(root), "flights", **sizes).table("delays", 1, KEYS)


def located(request, tmp_path):
    """Where tables are: a folder, and real object stores."""
    return tmp_path if request.param == "folder" else request.getfixturevalue(request.param).location()


place = pytest.fixture(params=["folder", "s3", pytest.param("azure", marks=pytest.mark.guests)])(located)
one_place = pytest.fixture(
    params=["folder", pytest.param("s3", marks=pytest.mark.long), pytest.param("azure", marks=pytest.mark.guests)]
)(located)


def files_of(root):
    return sorted((root / "flights" / "delays" / "v1").rglob("*.parquet"))


def test_a_table_that_was_never_written_is_empty(tmp_path):
    table = open_table(tmp_path)
    assert table.version() is None
    assert table.coverage() is None
    assert table.buckets() == 1
    assert table.statistics() == TableStatistics(rows=0, size_bytes=0, files=0)
    assert not (tmp_path / "flights").exists()
    with pytest.raises(DataError) as caught:
        table.read()
    assert caught.value.code == "FC510"


def test_a_table_that_was_never_written_has_no_history(place):
    assert open_table(place).history() == []


def test_rows_come_back_sorted_with_their_types(place):
    rows = table_rows(50)
    assert open_table(place).append(FrameRows(rows, KEYS), EMPTY) == 0
    assert_frame_equal(open_table(place).read(), as_table(rows))


def test_appends_are_merged_and_older_versions_stay_readable(place):
    first, second = table_rows(50), table_rows(30, start=20)
    table = open_table(place)
    assert [table.append(FrameRows(first, KEYS), EMPTY), table.append(FrameRows(second, KEYS), EMPTY)] == [0, 1]
    assert_frame_equal(table.read(), as_table(first, second))
    assert_frame_equal(table.read(version=0), as_table(first))
    assert table.replace(FrameRows(table_rows(5), KEYS), EMPTY) == 2
    assert_frame_equal(table.read(), as_table(table_rows(5)))
    assert_frame_equal(table.read(version=1), as_table(first, second))


def test_coverage_travels_with_the_rows(place):
    coverage = Coverage(
        parts={"data/a.parquet": "12:7", "data/ä.parquet": ""},
        held=("data/a.parquet",),
        watermark=datetime(2013, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        newest_event=datetime(1, 1, 1, tzinfo=UTC),
        now=datetime(2014, 1, 1, tzinfo=UTC),
        dropped={"null key": 3},
        inputs={"delay": "float64"},
        columns={"delay": "float64", "id": "int64"},
    )
    table = open_table(place)
    table.append(FrameRows(table_rows(5), KEYS), coverage)
    assert open_table(place).coverage() == coverage
    table.append(FrameRows(table_rows(0), KEYS), Coverage(parts={"b": "1"}))
    assert open_table(place).coverage() == Coverage(parts={"b": "1"})
    assert table.version() == 1
    assert table.statistics().rows == 5
    table.append(FrameRows(table_rows(2, start=70), KEYS), Coverage())
    assert [table.statistics(version).rows for version in (None, 2, 1)] == [7, 7, 5]
    assert table.history() == [(0, coverage), (1, Coverage(parts={"b": "1"})), (2, Coverage())]


def test_a_table_of_buckets_finds_each_key_in_its_own(one_place):
    rows = table_rows(100)
    table = open_table(one_place, rows_per_bucket=20)
    table.append(FrameRows(rows, KEYS), EMPTY)
    assert table.buckets() == 8
    parts = [table.read(bucket=bucket) for bucket in range(8)]
    assert sum(part.height for part in parts) == 100
    for bucket, part in enumerate(parts):
        assert bucket_of(part.select(list(KEYS)), 8).unique().to_list() in ([], [bucket])
        assert_frame_equal(part, as_table(part))
    assert_frame_equal(table.read(), as_table(rows))
    table.append(FrameRows(table_rows(60, start=500), KEYS), EMPTY)
    assert sum(table.read(bucket=bucket).height for bucket in range(8)) == 160


def test_the_number_of_buckets_changes_only_by_a_rewrite(one_place):
    table = open_table(one_place, rows_per_bucket=10)
    table.append(FrameRows(table_rows(5), KEYS), EMPTY)
    table.append(FrameRows(table_rows(100), KEYS), EMPTY)
    assert table.buckets() == 1
    table.replace(FrameRows(table_rows(100), KEYS), EMPTY)
    assert table.buckets() == 16
    assert table.buckets(version=0) == 1


def test_an_overfull_bucket_is_compacted_and_no_row_changes(one_place):
    table = open_table(one_place, files_per_bucket=3)
    frames = [table_rows(10, start=100 * i) for i in range(6)]
    files = []
    for i, frame in enumerate(frames):
        table.append(FrameRows(frame, KEYS), Coverage(parts={str(i): "x"}))
        files.append(table.statistics().files)
    assert files == [1, 2, 3, 4, 1, 2]
    assert_frame_equal(table.read(), as_table(*frames))
    assert (table.coverage().parts, table.statistics().rows) == ({"5": "x"}, 60)
    assert [table.read(version=v).height for v in range(6)] == [10, 20, 30, 40, 50, 60]


@dataclass(frozen=True)
class Marked(FrameRows):
    """Rows that can be told from others; they count how often they are asked, and fail at a bucket."""

    asked: list[int] = field(default_factory=list)
    fails_at: int = -1

    @property
    def mark(self) -> str:
        return str(self.frame.hash_rows().sum())

    def of(self, bucket: int, buckets: int) -> pl.DataFrame:
        if bucket == self.fails_at:
            raise KeyboardInterrupt
        self.asked.append(bucket)
        return FrameRows.of(self, bucket, buckets)


def test_a_run_that_was_ended_goes_on_at_the_bucket_that_it_had_come_to(tmp_path):
    rows = table_rows(100)
    with pytest.raises(KeyboardInterrupt):
        open_table(tmp_path, rows_per_bucket=20).append(Marked(rows, tuple(KEYS), fails_at=5), EMPTY)
    table = open_table(tmp_path, rows_per_bucket=20)
    assert table.version() is None
    written = len(files_of(tmp_path))
    assert written >= 3
    broken = files_of(tmp_path)[0]
    broken.write_bytes(broken.read_bytes()[:-20])
    again = Marked(rows, tuple(KEYS))
    table.append(again, EMPTY)
    assert_frame_equal(table.read(), as_table(rows))
    assert set(again.asked) >= {5, 6, 7, int(broken.parent.name.removeprefix("bucket="))}
    assert len([b for b in again.asked if b < 5]) < 5
    other = Marked(table_rows(90, start=7), tuple(KEYS))
    table.replace(other, EMPTY)
    assert_frame_equal(table.read(), as_table(other.frame))
    assert len(other.asked) == table.buckets()


def test_rows_come_in_any_number_of_buckets_and_no_other_bucket_is_read(tmp_path):
    rows = table_rows(200)
    table = open_table(tmp_path, rows_per_bucket=50)
    table.append(FrameRows(rows, KEYS), EMPTY)
    assert table.buckets() == 4
    for buckets in (1, 2, 4, 8, 16):
        for bucket in range(buckets):
            wanted = rows.filter(bucket_of(rows.select(*KEYS), buckets) == bucket)
            assert_frame_equal(table.of(bucket, buckets), as_table(wanted))
    for path in files_of(tmp_path):
        if not path.parent.name.endswith(("=1", "=3")):
            path.unlink()
    assert_frame_equal(table.of(5, 8), as_table(rows.filter(bucket_of(rows.select(*KEYS), 8) == 5)))
    assert_frame_equal(table.of(1, 2), as_table(rows.filter(bucket_of(rows.select(*KEYS), 2) == 1)))


def test_a_table_outgrows_its_buckets_once_they_are_many_times_too_large(place):
    table = open_table(place, rows_per_bucket=20)
    assert not table.takes(FrameRows(table_rows(1), KEYS))
    table.append(FrameRows(table_rows(30), KEYS), EMPTY)
    assert table.buckets() == 2
    assert [table.outgrown(rows) for rows in (0, 50, 51, 500)] == [False, False, True, True]
    assert table.takes(FrameRows(table_rows(1), KEYS))
    assert not table.takes(FrameRows(table_rows(1, late=pl.col("delay") > 1), KEYS))


def test_no_feature_of_delta_is_used_that_old_readers_lack(one_place):
    table = open_table(one_place, rows_per_bucket=5, files_per_bucket=1)
    for i in range(3):
        table.append(FrameRows(table_rows(20, start=i), KEYS), EMPTY)
    table.replace(FrameRows(table_rows(20, fare=pl.lit(1.5).cast(pl.Decimal(10, 2))), KEYS), EMPTY)
    protocol = DeltaTable(table.location).protocol()
    assert (protocol.min_reader_version, protocol.min_writer_version) == (1, 2)


def test_a_new_column_comes_by_a_rewrite(place):
    table = open_table(place)
    table.append(FrameRows(table_rows(10), KEYS), EMPTY)
    wider = table_rows(10, late=pl.col("delay") > 1)
    with pytest.raises(
        DataError, match=r"column 'late' of the offline table .* is None, in the new rows it is Boolean"
    ):
        table.append(FrameRows(wider, KEYS), EMPTY)
    table.replace(FrameRows(wider, KEYS), EMPTY)
    assert_frame_equal(table.read(), as_table(wider))


def test_a_column_of_another_type_is_refused_and_nothing_is_written(place):
    table = open_table(place)
    table.append(FrameRows(table_rows(10), KEYS), EMPTY)
    with pytest.raises(DataError, match=r"column 'delay' .* is Float64, in the new rows it is String") as caught:
        table.append(FrameRows(table_rows(10, delay=pl.lit("x")), KEYS), EMPTY)
    assert caught.value.code == "FC504"
    assert table.version() == 0


def test_a_view_without_keys_has_one_bucket(tmp_path):
    rows = table_rows(30).drop("carrier", "number")
    table = DeltaStore(str(tmp_path), "flights", rows_per_bucket=5).table("network", 2, {})
    table.append(FrameRows(rows, []), EMPTY)
    assert table.buckets() == 1
    assert table.location.endswith("/flights/network/v2")
    assert_frame_equal(table.read(bucket=0), rows.sort("event_time", "available_at", "tie_order"))


def test_the_instant_of_static_rows_survives(place):
    always = pl.lit(datetime(1, 1, 1, tzinfo=UTC)).cast(INSTANT)
    rows = table_rows(5, event_time=always, available_at=always)
    table = open_table(place)
    table.append(FrameRows(rows, KEYS), EMPTY)
    assert table.read()["event_time"].unique().to_list() == [datetime(1, 1, 1, tzinfo=UTC)]


def test_two_runs_from_one_coverage_do_not_add_the_same_rows_twice(one_place):
    open_table(one_place).append(FrameRows(table_rows(10), KEYS), EMPTY)
    one, other = open_table(one_place), open_table(one_place)
    assert one.coverage() == other.coverage() == EMPTY
    one.append(FrameRows(table_rows(5, start=50), KEYS), EMPTY)
    with pytest.raises(TryAgainError, match="was written by another run"):
        other.append(FrameRows(table_rows(5, start=50), KEYS), EMPTY)
    assert one.read().height == 15
    other.coverage()
    other.append(FrameRows(table_rows(1, start=90), KEYS), EMPTY)
    assert one.read().height == 16


def test_a_run_does_not_replace_rows_that_it_has_not_seen(one_place):
    open_table(one_place).append(FrameRows(table_rows(10), KEYS), EMPTY)
    one, other = open_table(one_place), open_table(one_place)
    assert one.coverage() == other.coverage() == EMPTY
    one.append(FrameRows(table_rows(5, start=50), KEYS), EMPTY)
    with pytest.raises(TryAgainError, match="was written by another run"):
        other.replace(FrameRows(table_rows(3), KEYS), EMPTY)
    other.coverage()
    other.replace(FrameRows(table_rows(3), KEYS), EMPTY)
    assert one.read().height == 3


def test_two_first_runs_do_not_add_the_same_rows_twice(place):
    one, other = open_table(place), open_table(place)
    assert one.coverage() is other.coverage() is None
    one.append(FrameRows(table_rows(10), KEYS), EMPTY)
    with pytest.raises(TryAgainError):
        other.append(FrameRows(table_rows(10), KEYS), EMPTY)


def test_a_crash_before_the_commit_leaves_the_old_version(tmp_path):
    table = open_table(tmp_path)
    table.append(FrameRows(table_rows(10), KEYS), Coverage(parts={"a": "1"}))
    stray = files_of(tmp_path)[0].with_name("part-of-a-run-that-died.parquet")
    table_rows(99).write_parquet(stray)
    assert_frame_equal(open_table(tmp_path).read(), as_table(table_rows(10)))
    assert open_table(tmp_path).statistics().files == 1
    table.append(FrameRows(table_rows(1, start=70), KEYS), Coverage(parts={"b": "1"}))
    assert table.read().height == 11


@pytest.mark.parametrize("compacted", [False, True], ids=["ours", "of another tool"])
def test_columns_alone_are_read_in_the_order_of_all(one_place, compacted):
    table = open_table(one_place)
    some = [*KEYS, "event_time"]
    for start in (0, 40, 20):
        table.append(FrameRows(table_rows(10, start=start), KEYS), EMPTY)
        assert_frame_equal(table.read(columns=some).select(some), table.read().select(some))
    assert table.read(version=0, columns=some).columns == some
    if compacted:
        DeltaTable(table.location).optimize.compact()
        assert table.statistics().files == 1
        assert_frame_equal(table.read(columns=some).select(some), table.read(version=2).select(some))


def test_a_commit_of_another_tool_hides_no_coverage(place):
    table = open_table(place)
    coverage = Coverage(parts={"a": "1"}, now=from_us(5))
    table.append(FrameRows(table_rows(10), KEYS), EMPTY)
    table.append(FrameRows(table_rows(10, start=40), KEYS), coverage)
    DeltaTable(table.location).optimize.compact()
    assert table.version() == 2
    assert table.coverage() == coverage
    assert table.history() == [(0, EMPTY), (1, coverage)]
    assert_frame_equal(table.read(), as_table(table_rows(10), table_rows(10, start=40)))


def test_a_delta_table_of_someone_else_is_refused(place):
    table = open_table(place)
    table_rows(3).write_delta(table.location)
    with pytest.raises(StoreError, match="was not written by featurectl"):
        table.coverage()


def test_a_folder_that_can_not_be_written_is_a_store_error(tmp_path):
    (tmp_path / "file").write_text("")
    table = open_table(tmp_path / "file")
    assert table.coverage() is None
    with pytest.raises(StoreError, match=r"the offline table .* can't be written") as caught:
        table.append(FrameRows(table_rows(3), KEYS), EMPTY)
    assert caught.value.code == "FC603"


def test_a_missing_data_file_and_a_broken_log_are_store_errors(tmp_path):
    table = open_table(tmp_path)
    table.append(FrameRows(table_rows(3), KEYS), EMPTY)
    files_of(tmp_path)[0].unlink()
    with pytest.raises(StoreError, match="can't be read"):
        table.read()
    (next((tmp_path / "flights").rglob("*.json"))).write_text("{")
    with pytest.raises(StoreError, match="can't be read"):
        open_table(tmp_path).version()
    with pytest.raises(StoreError, match="can't be read"):
        open_table(tmp_path).append(FrameRows(table_rows(3), KEYS), EMPTY)


def test_a_handle_sees_what_others_write_after_it_has_looked(place):
    table, other = open_table(place), open_table(place)
    assert table.version() is None
    for number, rows in enumerate((3, 6, 9)):
        other.append(FrameRows(table_rows(3), KEYS), replace(EMPTY, parts={"a": str(number)}))
        assert table.version() == number
        assert table.statistics().rows == rows
        found = table.coverage()
        assert found is not None
        assert found.parts == {"a": str(number)}


def test_polars_and_duckdb_read_the_tables(tmp_path):
    rows = table_rows(40)
    table = open_table(tmp_path, rows_per_bucket=10)
    table.append(FrameRows(rows, KEYS), EMPTY)
    assert_frame_equal(as_table(pl.read_delta(table.location).drop("bucket")), as_table(rows))
    files = f"{table.location}/**/*.parquet"
    query = "select count(*), sum(delay), epoch_us(min(event_time)), count(distinct bucket) from read_parquet($1)"
    with duckdb.connect() as connection:
        found = connection.execute(query, [files]).fetchone()
    assert found == (40, rows["delay"].sum(), 0, len(list((tmp_path / "flights/delays/v1").glob("bucket=*"))))


def test_a_vacuum_removes_what_no_version_needs_but_those_that_are_kept(tmp_path):
    table = open_table(tmp_path, vacuum_hours=0)
    frames = [table_rows(10 + i, start=100 * i) for i in range(4)]
    for frame in frames:
        table.replace(FrameRows(frame, KEYS), EMPTY)
    orphan = tmp_path / "flights" / "delays" / "v1" / "bucket=0" / "part-of-a-run-that-was-ended-0.parquet"
    half = orphan.with_name(f"{orphan.name}.0a1b2c3d.part")
    for path in (orphan, half):
        path.write_bytes(b"PAR1")
    assert table.vacuum([1, 99]) == 4  # of versions 0 and 2, and those that were never committed
    assert not orphan.exists()
    assert not half.exists()
    assert_frame_equal(table.read(), as_table(frames[3]))
    assert_frame_equal(table.read(version=1), as_table(frames[1]))
    with pytest.raises(StoreError):
        table.read(version=0)
    newest = table.version()
    assert table.vacuum([1]) == 0
    assert table.version() == newest
    assert (table.coverage(), table.buckets()) == (EMPTY, 1)
    table.append(FrameRows(table_rows(5, start=900), KEYS), EMPTY)
    assert table.statistics().rows == 18


def test_what_was_removed_in_the_last_week_is_left(tmp_path):
    table = open_table(tmp_path)
    table.replace(FrameRows(table_rows(10), KEYS), EMPTY)
    table.replace(FrameRows(table_rows(11), KEYS), EMPTY)
    assert table.vacuum([]) == 0
    assert table.read(version=0).height == 10
    assert open_table(tmp_path / "nothing").vacuum([]) == 0
