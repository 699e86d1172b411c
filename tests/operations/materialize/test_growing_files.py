"""Rows that a file got after it was read: late ones are counted, and those that changed or went are found."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featurectl.engines.base import SAME_AS_READ, TOO_LATE
from featurectl.engines.polars.engine import PolarsEngine
from featurectl.offline.base import Coverage
from featurectl.operations.materialize.range import Range, backfill_view
from featurectl.operations.materialize.rows import TableRows
from featurectl.operations.materialize.table_increment import Materialized, materialize_view
from tests.definitions import DELAYS, LATEST
from tests.operations.materialize.test_range import ONCE, job
from tests.operations.materialize.test_view import FILES, SCHEMA, at, values, write
from tests.seeds import examples

ENGINE = PolarsEngine(1 << 30, 1)
ROWS = [("A", 1.0, 1, 2), ("B", 2.0, 5, 6), ("A", 3.0, 7, 50)]  # the last is known at hour 50
LATE = ("B", 4.0, 3, 4)
TABLE = replace(FILES, format="delta", path="t")


def run(root, view=LATEST, hour=10, offline="offline", **more) -> tuple[Materialized, Coverage]:
    made = materialize_view(ENGINE, job(root, view, offline=offline), at(hour), **more)
    coverage = job(root, view, offline=offline).table.coverage()
    assert coverage is not None
    return made, coverage


def test_late_rows_of_a_file_that_grew_count_once_until_they_are_taken(tmp_path):
    write(tmp_path, "1.parquet", *ROWS)
    made, _ = run(tmp_path, hour=6)
    assert (made.action, made.held_rows, made.events_until) == ("first", 1, None)
    write(tmp_path, "1.parquet", *ROWS, LATE)
    made, coverage = run(tmp_path)
    assert (made.action, made.dropped, made.late_since) == ("nothing", {TOO_LATE: 1}, at(3))
    assert run(tmp_path)[0].dropped == {}
    write(tmp_path, "1.parquet", *ROWS, LATE, ("A", 5.0, 8, 9))
    made, coverage = run(tmp_path, hour=60)
    assert (made.action, made.dropped, made.rows_written, made.held_rows) == ("append", {}, 2, 0)
    assert (coverage.dropped, coverage.late_events) == ({TOO_LATE: 1}, (at(3), at(3)))
    backfill_view(ENGINE, job(tmp_path), Range(since=at(3)))
    assert values(job(tmp_path).table) == [1.0, 3.0, 5.0, 4.0, 2.0]
    assert job(tmp_path).table.coverage().dropped == {}
    write(tmp_path, "1.parquet", *ROWS, LATE, ("A", 5.0, 8, 9), LATE, ("B", 6.0, 70, 60))
    made, _ = run(tmp_path, hour=60)
    assert (made.dropped, made.events_until) == ({SAME_AS_READ: 1}, at(70))


def test_rows_that_the_table_has_are_no_late_ones_when_they_come_again(tmp_path, monkeypatch):
    monkeypatch.setattr("featurectl.engines.polars.late_rows._AT_ONCE", 1)  # the table is looked through each time
    write(tmp_path, "1.parquet", *ROWS)
    run(tmp_path)
    write(tmp_path, "1.parquet", *ROWS, ROWS[0], ROWS[1])
    made, coverage = run(tmp_path)
    assert (made.action, made.dropped, made.late_since) == ("nothing", {SAME_AS_READ: 2}, None)
    assert coverage.late_events is None
    write(tmp_path, "2.parquet", ROWS[0], LATE)
    made, _ = run(tmp_path)
    assert (made.dropped, made.late_since) == ({SAME_AS_READ: 1, TOO_LATE: 1}, at(3))


def test_only_rows_that_the_view_would_have_taken_are_late(tmp_path):
    write(tmp_path, "1.parquet", *ROWS)
    run(tmp_path, DELAYS, since=at(2))
    outside, of_no_one, left_out, known_never = ("A", 1.0, 1, 2), (None, 1.0, 3, 4), ("A", None, 3, 4), LATE
    write(tmp_path, "1.parquet", *ROWS, outside, of_no_one, left_out, LATE, known_never)
    path = tmp_path / "data" / "1.parquet"
    rows = pl.read_parquet(path)
    rows.with_columns(known_at=pl.when(pl.int_range(pl.len()) < 7).then("known_at")).write_parquet(path)
    assert run(tmp_path, DELAYS)[0].dropped == {TOO_LATE: 1}


@pytest.mark.long
def test_a_late_copy_of_an_event_is_none_unless_it_was_known_first(tmp_path):
    def run_once():
        return materialize_view(ENGINE, job(tmp_path, source=ONCE), at(20)).dropped

    read = [("A", 1.0, 5, 6), ("B", 2.0, 5, 9)]  # one event a delay
    write(tmp_path, "1.parquet", *read)
    run_once()
    copies, earlier, new = [("A", 1.0, 5, 6), ("B", 2.0, 4, 9)], ("B", 2.0, 7, 8), [("C", 3.0, 5, 8)] * 2
    write(tmp_path, "1.parquet", *read, copies[0])
    assert run_once() == {}
    write(tmp_path, "2.parquet", *copies, earlier, *new)
    assert run_once() == {TOO_LATE: 2}
    backfill_view(ENGINE, job(tmp_path, source=ONCE), Range(since=at(1)))
    table = job(tmp_path, source=ONCE).table
    assert (values(table), table.read()["event_time"].to_list()) == ([1.0, 2.0, 3.0], [at(5), at(7), at(5)])


CHANGES = {
    "gone": ([ROWS[0], ROWS[2]], True),
    "changed": ([ROWS[0], ("B", 2.5, 5, 6), ROWS[2]], True),
    "in another order": ([ROWS[1], ROWS[0], ROWS[2]], False),
    "changed before it was known": ([ROWS[0], ROWS[1], ("A", 3.5, 7, 50)], False),
}


@pytest.mark.sample(1)
@pytest.mark.parametrize("case", CHANGES)
def test_rows_that_changed_after_they_were_read_are_found(tmp_path, case):
    rows, is_changed = CHANGES[case]
    write(tmp_path, "1.parquet", *ROWS)
    run(tmp_path)
    write(tmp_path, "1.parquet", *rows)
    for _ in range(2):
        made, coverage = run(tmp_path)
        assert made.changed_parts == coverage.changed_parts == (("data/1.parquet",) if is_changed else ())
        assert (made.action, made.dropped) == ("nothing", {})
    assert made.changed_since == (at(5) if is_changed else None)
    backfill_view(ENGINE, job(tmp_path), Range(since=at(6)))
    assert job(tmp_path).table.coverage().changed_parts == made.changed_parts
    backfill_view(ENGINE, job(tmp_path), Range(since=at(5)))
    assert job(tmp_path).table.coverage().changed_parts == ()
    assert values(job(tmp_path).table) == [row[1] for row in sorted(rows) if row[3] <= 6]
    assert run(tmp_path, full=True)[0].changed_parts == ()


def test_a_file_that_is_emptied_as_a_rotating_log_has_not_changed(tmp_path):
    for rows in (ROWS[:2], [], [("A", 4.0, 20, 21)]):
        write(tmp_path, "1.parquet", *rows)
        made, _ = run(tmp_path, hour=30)
        assert (made.changed_parts, made.dropped) == ((), {})
    assert values(job(tmp_path).table) == [1.0, 4.0, 2.0]


@pytest.mark.long
def test_a_delta_table_that_is_written_again_has_no_late_rows_by_that(tmp_path):
    def write_version(*rows, mode):
        data = [(c, "JFK", d, at(e), at(a)) for c, d, e, a in rows]
        pl.DataFrame(data, schema=SCHEMA, orient="row").write_delta(tmp_path / "t", mode=mode)

    def run_on():
        run = job(tmp_path, source=TABLE)
        return materialize_view(ENGINE, run, at(20)), run.table.coverage()

    write_version(*ROWS[:1], mode="append")
    write_version(ROWS[1], mode="append")
    run_on()
    new = ("A", 5.0, 8, 9)
    write_version(ROWS[1], ROWS[0], new, mode="overwrite")
    made, _ = run_on()
    assert (made.action, made.rows_written, made.dropped, made.changed_parts) == ("append", 1, {}, ())
    write_version(LATE, mode="append")
    assert run_on()[0].dropped == {TOO_LATE: 1}
    write_version(ROWS[0], new, LATE, mode="overwrite")
    made, coverage = run_on()
    assert (made.dropped, len(made.changed_parts)) == ({}, 1)
    assert coverage.dropped == {TOO_LATE: 1}
    for mode, hour in [("overwrite", 11), ("append", 12), ("overwrite", 12)]:  # of files that are gone none is named
        write_version(("B", 6.0, 10, hour), mode=mode)
        _, coverage = run_on()
        assert len(coverage.changed_parts) == 1
    write_version(("B", 6.0, 10, 12), mode="overwrite")
    made, _ = run_on()
    assert set(made.changed_parts) == {part.name for part in job(tmp_path, source=TABLE).reader.parts()}


def test_a_table_of_before_rows_were_counted_says_nothing_once(tmp_path):
    write(tmp_path, "1.parquet", *ROWS)
    _, coverage = run(tmp_path)
    table = job(tmp_path).table
    table.replace(TableRows(table, LATEST.keys), replace(coverage, part_rows={}))
    write(tmp_path, "1.parquet", ROWS[0], ROWS[2], LATE, LATE)
    assert run(tmp_path)[0].dropped == {}
    write(tmp_path, "1.parquet", ROWS[0], ROWS[2], LATE, LATE, LATE)
    made, coverage = run(tmp_path)
    assert (made.dropped, made.changed_parts) == ({TOO_LATE: 1}, ())


ROW = st.tuples(
    st.sampled_from(["A", "B", None]), st.sampled_from([1.0, 2.0, None]), st.integers(0, 9), st.integers(0, 12)
)
STEPS = st.lists(st.tuples(st.sampled_from("ab"), st.lists(ROW, max_size=4), st.integers(0, 3)), min_size=2, max_size=4)


@pytest.mark.long
@settings(deadline=None, max_examples=examples(4))
@given(STEPS, st.sampled_from([LATEST, DELAYS]), st.sampled_from([None, at(3)]))
def test_what_a_table_lacks_of_files_that_grow_is_counted(tmp_path_factory, steps, view, since):
    root, hour = tmp_path_factory.mktemp("steps"), 0
    files: dict[str, list[tuple[object, ...]]] = {"a": [], "b": []}
    for number, (name, rows, hours) in enumerate(steps):
        files[name] += [(*row[:3], max(row[2:])) for row in rows]
        write(root, f"{name}.parquet", *files[name])
        hour += hours
        made, coverage = run(root, view, hour, since=since if number == 0 else None)
    run(root, view, hour, offline="whole", since=since)
    there, whole = (job(root, view, offline=name).table.statistics().rows for name in ("offline", "whole"))
    left_out = coverage.dropped.get(TOO_LATE, 0) + coverage.dropped.get(SAME_AS_READ, 0)
    assert (whole - there, coverage.changed_parts) == (left_out, ())
    assert made.held_rows == sum(row[3] > hour for rows in files.values() for row in rows)
