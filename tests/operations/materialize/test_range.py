"""A range of event times is computed again from what was read; a retention drops what is too old."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featurectl.core.errors import DataError, UsageError
from featurectl.core.units import HOUR_US
from featurectl.engines.polars.engine import PolarsEngine
from featurectl.offline.base import Coverage
from featurectl.offline.delta import DeltaStore
from featurectl.operations.materialize.dry_run import plan_view
from featurectl.operations.materialize.range import Range, backfill_view, check_range, expire_rows
from featurectl.operations.materialize.run import MaterializeRun
from featurectl.operations.materialize.table_increment import materialize_view
from featurectl.sources.open import open_source
from tests.definitions import LATEST
from tests.operations.materialize.test_view import DELAY_ALONE, FILES, at, values, write
from tests.seeds import examples

ENGINE = PolarsEngine(1 << 30, 1)


def job(root, view=LATEST, source=FILES, offline="offline"):
    view = replace(view, source=source)
    table = DeltaStore(str(root / offline), "p").table(view.name, 1, view.entity.keys)
    return MaterializeRun(view=view, version=1, reader=open_source(source, root), table=table)


def test_a_table_begins_where_it_was_asked_to_and_stays_so(tmp_path):
    write(tmp_path, "1.parquet", ("A", 1.0, 1, 2), ("A", 2.0, 5, 6))
    materialize_view(ENGINE, job(tmp_path), at(99), since=at(3))
    run = job(tmp_path)
    assert (values(run.table), run.table.coverage().since) == ([2.0], at(3))
    write(tmp_path, "2.parquet", ("A", 3.0, 2, 7), ("A", 4.0, 6, 8))
    materialize_view(ENGINE, job(tmp_path), at(99))
    assert values(run.table) == [2.0, 4.0]
    assert materialize_view(ENGINE, job(tmp_path), at(99)).action == "nothing"


def test_an_earlier_beginning_is_filled_in_and_a_gap_is_refused(tmp_path):
    write(tmp_path, "1.parquet", ("A", 1.0, 1, 2), ("A", 2.0, 5, 6), ("A", 3.0, 9, 9))
    materialize_view(ENGINE, job(tmp_path), at(99), since=at(8))
    run = job(tmp_path)
    first = run.table.coverage().rebuild_id
    with pytest.raises(UsageError, match="between it and 2024-01-01T08:00:00Z"):
        check_range("latest", run.table.coverage(), Range(since=at(1), until=at(7)))
    check_range("latest", run.table.coverage(), Range(since=at(4), until=at(8)))
    made = backfill_view(ENGINE, run, Range(since=at(4), until=at(8)))
    assert (made.action, made.rows_read) == ("backfill", 1)
    coverage = run.table.coverage()
    assert (values(run.table), coverage.since, coverage.rebuild_id == first) == ([2.0, 3.0], at(4), False)
    backfill_view(ENGINE, run, Range(until=at(4)))
    assert (values(run.table), run.table.coverage().since) == ([1.0, 2.0, 3.0], None)
    assert materialize_view(ENGINE, job(tmp_path), at(99)).action == "nothing"


ONCE = replace(FILES, dedup_key=("arr_delay",))


@pytest.mark.parametrize("asked", [Range(since=at(2), until=at(5)), Range(since=at(7)), Range(until=at(5)), Range()])
@pytest.mark.sample(1)
def test_a_first_copy_that_came_late_replaces_the_other_around_the_range(tmp_path, asked):
    write(tmp_path, "1.parquet", ("A", 1.0, 8, 10), ("B", 2.0, 9, 11))
    materialize_view(ENGINE, job(tmp_path, source=ONCE), at(50))
    write(tmp_path, "2.parquet", ("A", 1.0, 3, 4))
    materialize_view(ENGINE, job(tmp_path, source=ONCE), at(51))
    run = job(tmp_path, source=ONCE)
    assert run.table.read()["event_time"].to_list() == [at(8), at(9)]
    backfill_view(ENGINE, run, asked)
    materialize_view(ENGINE, job(tmp_path, source=ONCE, offline="whole"), at(51))
    assert run.table.read().equals(job(tmp_path, source=ONCE, offline="whole").table.read())
    assert run.table.read()["event_time"].to_list() == [at(3), at(9)]


def test_rows_that_came_too_late_for_an_increment_are_taken_by_a_backfill(tmp_path):
    write(tmp_path, "1.parquet", ("A", 1.0, 5, 6))
    materialize_view(ENGINE, job(tmp_path), at(99))
    write(tmp_path, "2.parquet", ("A", 2.0, 3, 4), ("A", 9.0, 20, 4))
    assert materialize_view(ENGINE, job(tmp_path), at(99)).dropped == {"known before the watermark": 2}
    backfill_view(ENGINE, job(tmp_path), Range(since=at(2), until=at(5)))
    assert values(job(tmp_path).table) == [2.0, 1.0]


def test_a_part_that_is_gone_is_not_computed_again(tmp_path):
    write(tmp_path, "1.parquet", ("A", 1.0, 5, 6))
    write(tmp_path, "2.parquet", ("A", 2.0, 6, 6))
    materialize_view(ENGINE, job(tmp_path), at(99))
    (tmp_path / "data" / "1.parquet").unlink()
    with pytest.raises(DataError, match=r"data/1.parquet .* is gone; .* would lose 1 row of .*, which no other"):
        backfill_view(ENGINE, job(tmp_path), Range(since=at(1)))
    assert values(job(tmp_path).table) == [1.0, 2.0]
    write(tmp_path, "2.parquet", ("A", 3.0, 6, 6))
    backfill_view(ENGINE, job(tmp_path), Range(since=at(6)))
    assert values(job(tmp_path).table) == [1.0, 3.0]
    write(tmp_path, "2.parquet", ("A", 1.0, 5, 6), ("A", 4.0, 6, 6))
    backfill_view(ENGINE, job(tmp_path), Range(since=at(1)))
    assert values(job(tmp_path).table) == [1.0, 4.0]


def test_a_column_that_a_backfill_left_out_is_not_looked_for_again(tmp_path):
    write(tmp_path, "1.parquet", ("A", 1.0, 1, 2))
    materialize_view(ENGINE, job(tmp_path), at(99))
    backfill_view(ENGINE, job(tmp_path, DELAY_ALONE), Range(since=at(0)))
    assert "hours" not in job(tmp_path).table.read().columns
    write(tmp_path, "2.parquet", ("A", 2.0, 3, 4))
    assert materialize_view(ENGINE, job(tmp_path, DELAY_ALONE), at(99)).action == "append"
    assert values(job(tmp_path).table) == [1.0, 2.0]


def test_a_column_that_a_backfill_left_out_is_made_anew_when_read_again(tmp_path):
    write(tmp_path, "1.parquet", ("A", 60.0, 1, 2))
    materialize_view(ENGINE, job(tmp_path), at(99))
    backfill_view(ENGINE, job(tmp_path, DELAY_ALONE), Range(since=at(0)))
    assert materialize_view(ENGINE, job(tmp_path), at(99)).action == "rebuild"
    assert job(tmp_path).table.read()["hours"].to_list() == [1.0]


def test_late_rows_from_before_the_beginning_are_not_taken_twice(tmp_path):
    old = [("A", 1.0, 1, 20), ("B", 2.0, 10, 10)]
    write(tmp_path, "1.parquet", *old)
    assert materialize_view(ENGINE, job(tmp_path), at(99), since=at(9)).watermark == at(20)
    backfill_view(ENGINE, job(tmp_path), Range(since=at(0)))
    write(tmp_path, "1.parquet", *old, ("B", 5.0, 40, 40))
    materialize_view(ENGINE, job(tmp_path), at(99))
    assert values(job(tmp_path).table) == [1.0, 2.0, 5.0]


def test_rows_before_the_beginning_that_are_not_known_yet_come_later(tmp_path):
    source = replace(FILES, available_at=None, delay_us=10 * HOUR_US)
    write(tmp_path, "1.parquet", ("A", 1.0, 1, 1), ("B", 2.0, 10, 10))
    materialize_view(ENGINE, job(tmp_path, source=source), at(15), since=at(12))
    backfill_view(ENGINE, job(tmp_path, source=source), Range(since=at(0)))
    assert values(job(tmp_path).table) == [1.0]
    materialize_view(ENGINE, job(tmp_path, source=source), at(25))
    assert values(job(tmp_path).table) == [1.0, 2.0]


def test_a_backfill_at_an_earlier_now_leaves_new_rows_to_an_increment(tmp_path):
    write(tmp_path, "1.parquet", ("A", 1.0, 1, 2))
    materialize_view(ENGINE, job(tmp_path), at(50))
    write(tmp_path, "1.parquet", ("A", 1.0, 1, 2), ("B", 2.0, 3, 10))
    assert materialize_view(ENGINE, job(tmp_path), at(40)).action == "nothing"
    backfill_view(ENGINE, job(tmp_path), Range(since=at(0)))
    materialize_view(ENGINE, job(tmp_path), at(60))
    assert values(job(tmp_path).table) == [1.0, 2.0]


def test_a_range_needs_a_table_to_end_in():
    with pytest.raises(UsageError, match="latest has no table yet"):
        check_range("latest", None, Range(until=at(1)))
    check_range("latest", None, Range(since=at(1)))
    check_range("latest", Coverage(), Range(since=at(1), until=at(2)))


ROWS = st.lists(st.tuples(st.sampled_from("AB"), st.integers(0, 9), st.integers(0, 9), st.integers(0, 2)), max_size=12)


@pytest.mark.long
@settings(max_examples=examples(3, 30))
@given(ROWS, st.integers(0, 9), st.none() | st.integers(0, 9), st.integers(0, 9))
def test_a_beginning_and_a_backfill_give_the_rows_of_one_run(tmp_path_factory, drawn, begin, since, until):
    root = tmp_path_factory.mktemp("range")
    source = replace(FILES, dedup_key=("carrier", "arr_delay"))
    write(root, "1.parquet", ("C", 50.0, 5, 5), *[(c, float(d), e, e + late) for c, d, e, late in drawn])
    whole = job(root, source=source, offline="whole")
    materialize_view(ENGINE, whole, at(99))
    run = job(root, source=source)
    materialize_view(ENGINE, run, at(99), since=at(begin))
    asked = Range(since=None if since is None else at(since), until=at(max(until, begin)))
    backfill_view(ENGINE, run, asked)
    first = None if since is None else min(at(since), at(begin))
    expected = whole.table.read()
    assert run.table.read().equals(expected if first is None else expected.filter(expected["event_time"] >= first))


def test_rows_older_than_the_retention_go_once_a_tenth_of_it_is_over(tmp_path):
    view = replace(LATEST, ttl_us=None, retention_us=10 * HOUR_US)
    write(tmp_path, "1.parquet", ("A", 1.0, 0, 0), ("A", 2.0, 5, 5), ("A", 3.0, 10, 10))
    run = job(tmp_path, view)
    materialize_view(ENGINE, run, at(10))
    assert values(run.table) == [1.0, 2.0, 3.0]
    assert expire_rows(run, at(11)) is None
    first = run.table.coverage().rebuild_id
    assert expire_rows(run, at(11) + timedelta(minutes=1)) == 1
    coverage = run.table.coverage()
    assert (values(run.table), coverage.since) == ([2.0, 3.0], at(1) + timedelta(minutes=1))
    assert coverage.rebuild_id != first
    assert expire_rows(run, at(12)) is None
    assert run.table.read(version=0).height == 3
    materialize_view(ENGINE, job(tmp_path, view, offline="new"), at(16))
    assert values(job(tmp_path, view, offline="new").table) == [3.0]


def test_a_dry_run_says_what_would_be_done_and_why_and_reads_nothing(tmp_path):
    write(tmp_path, "1.parquet", ("A", 1.0, 5, 6))

    def planned(**more):
        made = plan_view(job(tmp_path), at(99), **more)
        return made.action, made.reason, made.parts_read, made.parts

    assert planned() == ("first", "it has no table yet", 1, 1)
    assert job(tmp_path).table.version() is None
    materialize_view(ENGINE, job(tmp_path), at(98))
    assert planned() == ("nothing", "no new rows", 0, 1)
    assert planned(full=True) == ("rebuild", "--full", 1, 1)
    assert planned(asked=Range(since=at(1))) == ("backfill", "a range was asked for", 1, 1)
    write(tmp_path, "1.parquet", ("A", 1.0, 5, 6), ("A", 1.0, 5, 100))
    assert planned() == ("append", "a file changed: rows of it may be new", 1, 1)
    write(tmp_path, "2.parquet", ("A", 1.0, 5, 6))
    assert planned() == ("append", "new rows", 2, 2)
    assert job(tmp_path).table.version() == 0
    materialize_view(ENGINE, job(tmp_path), at(98))
    assert planned() == ("append", "rows were later than the last run: they may be known now", 1, 2)
