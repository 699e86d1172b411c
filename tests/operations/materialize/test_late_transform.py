"""Late rows of a transform's sources are counted and told of until they are taken, and changed files are named."""

from __future__ import annotations

from dataclasses import replace

import pytest

from featurectl.engines.base import SAME_AS_READ, TOO_LATE
from featurectl.engines.polars.engine import PolarsEngine
from featurectl.operations.materialize.transform import materialize_transform
from tests.operations.materialize.test_transform import (
    KNOWN,
    a_job,
    a_view,
    at,
    write,
)

EACH = """
import polars as pl


def each(known):
    return known.with_columns(x=pl.col("v"))
"""
ROWS = [("a", 1, 0, 1), ("a", 2, 9, 10), ("b", 3, 19, 20)]


def of_each(lookback_h=6, **source):
    view = a_view(EACH, "each", others=(), lookback_h=lookback_h, types={"x": "int64"})
    return replace(view, source=replace(view.source, **source))


def run(root, view, hour=99, **more):
    job = a_job(root, view)
    made = materialize_transform(PolarsEngine(1), job, at(hour), **more)
    return made, job.table.coverage()


def values(root, view):
    return sorted(a_job(root, view).table.read()["x"])


@pytest.mark.sample(1)
@pytest.mark.parametrize("lookback_h", [None, 6])
def test_late_rows_are_told_of_until_they_are_taken(tmp_path, lookback_h):
    view = of_each(lookback_h)
    write(tmp_path, "known", "1.parquet", ROWS)
    run(tmp_path, view)
    write(tmp_path, "known", "2.parquet", [("c", 4, 4, 5), ("c", 5, 15, 16)])
    made, coverage = run(tmp_path, view)
    assert (made.action, made.dropped, made.late_since) == ("nothing", {TOO_LATE: 2}, at(4))
    assert (coverage.dropped, coverage.late_events) == ({TOO_LATE: 2}, (at(4), at(15)))
    before = a_job(tmp_path, view).table.version()
    assert run(tmp_path, view)[0].dropped == {}
    assert a_job(tmp_path, view).table.version() == before
    made, coverage = run(tmp_path, view, since=made.late_since)
    assert (made.action, coverage.dropped, coverage.late_events) == ("backfill", {}, None)
    assert values(tmp_path, view) == [1, 2, 3, 4, 5]


def test_a_run_that_computes_late_rows_does_not_call_them_late(tmp_path):
    delayed = replace(KNOWN, name="other", path="other/*.parquet")
    text = EACH.replace("(known)", "(known, other)").replace("known.with", "pl.concat([known, other]).with")
    view = a_view(text, "each", others=(delayed,), lookback_h=6, types={"x": "int64"})
    write(tmp_path, "known", "1.parquet", ROWS)
    write(tmp_path, "other", "1.parquet", [("o", 6, 1, 2)])
    run(tmp_path, view)
    write(tmp_path, "known", "2.parquet", [("c", 4, 4, 5), ("c", 5, 15, 16)])
    write(tmp_path, "other", "2.parquet", [("o", 7, 10, 11)])  # new: all known at 11 or later is computed again
    made, coverage = run(tmp_path, view)
    assert (made.action, made.dropped, made.late_since) == ("append", {TOO_LATE: 1}, at(4))
    assert values(tmp_path, view) == [1, 2, 3, 5, 6, 7]
    made, coverage = run(tmp_path, view, full=True)
    assert (made.dropped, coverage.dropped) == ({}, {})
    assert values(tmp_path, view) == [1, 2, 3, 4, 5, 6, 7]


def test_without_a_lookback_new_rows_take_late_ones_too(tmp_path):
    view = of_each(None)
    write(tmp_path, "known", "1.parquet", ROWS)
    run(tmp_path, view)
    late = ("c", 4, 4, 5)
    write(tmp_path, "known", "1.parquet", [*ROWS, late])
    assert run(tmp_path, view)[1].dropped == {TOO_LATE: 1}
    write(tmp_path, "known", "1.parquet", [*ROWS, late, ("c", 6, 29, 30), ("d", 8, 3, 4)])
    made, coverage = run(tmp_path, view)
    assert (made.action, made.dropped, coverage.dropped, coverage.late_events) == ("rebuild", {}, {}, None)
    assert values(tmp_path, view) == [1, 2, 3, 4, 6, 8]


def test_files_that_changed_are_named_and_a_cut_is_no_change(tmp_path):
    view = of_each()
    write(tmp_path, "known", "1.parquet", ROWS)
    run(tmp_path, view)
    write(tmp_path, "known", "1.parquet", [*ROWS[1:], ("c", 6, 29, 30)])
    made, coverage = run(tmp_path, view)
    assert (made.action, made.dropped, coverage.changed_parts) == ("append", {}, ())
    write(tmp_path, "known", "1.parquet", [ROWS[1], ("b", 7, 19, 20), ("c", 6, 29, 30)])
    made, coverage = run(tmp_path, view)
    assert (made.action, made.dropped, made.changed_parts) == ("nothing", {}, ("known/known/1.parquet",))
    assert made.changed_since == at(19)
    made, coverage = run(tmp_path, view, since=made.changed_since)
    assert (made.changed_parts, coverage.changed_events) == ((), None)
    assert values(tmp_path, view) == [1, 2, 6, 7]


def test_late_rows_in_the_middle_of_a_file_are_counted(tmp_path):
    view = of_each()
    write(tmp_path, "known", "1.parquet", ROWS)
    run(tmp_path, view)
    write(tmp_path, "known", "1.parquet", [ROWS[0], ("c", 4, 4, 5), *ROWS[1:]])
    made, coverage = run(tmp_path, view)
    assert (made.dropped, made.late_since, coverage.changed_parts) == ({TOO_LATE: 1}, at(4), ())


def test_rows_that_were_read_are_no_late_ones_when_they_come_again(tmp_path):
    view = of_each()
    write(tmp_path, "known", "1.parquet", ROWS)
    run(tmp_path, view)
    write(tmp_path, "known", "1.parquet", [*ROWS, ROWS[1]])
    write(tmp_path, "known", "2.parquet", [ROWS[0], ("c", 4, 4, 5)])
    assert run(tmp_path, view)[0].dropped == {SAME_AS_READ: 2, TOO_LATE: 1}


def test_a_late_copy_of_an_event_counts_where_it_was_known_first(tmp_path):
    view = of_each(dedup_key=("v",))
    write(tmp_path, "known", "1.parquet", ROWS)
    write(tmp_path, "known", "2.parquet", [("a", 9, 0, 1)])
    run(tmp_path, view)
    write(tmp_path, "known", "2.parquet", [("a", 9, 0, 1), ROWS[1], ("b", 3, 19, 19.5), ("a", 9, 0, 3)])
    write(tmp_path, "known", "3.parquet", [("n", 12, 2, 3), ("n", 12, 2, 4)])
    made, _ = run(tmp_path, view)
    assert (made.dropped, made.late_since) == ({TOO_LATE: 2}, at(2))


def test_rows_that_become_known_later_stay_when_late_ones_are_noted(tmp_path):
    view = of_each()
    write(tmp_path, "known", "1.parquet", ROWS)
    run(tmp_path, view)
    write(tmp_path, "known", "2.parquet", [("c", 4, 4, 5), ("c", 5, 15, 200)])
    made, _ = run(tmp_path, view)
    assert (made.dropped, made.held_rows) == ({TOO_LATE: 1}, 1)
    run(tmp_path, view, hour=300)
    assert values(tmp_path, view) == [1, 2, 3, 5]


def test_an_event_that_was_known_before_it_happened_is_taken_from_then_on(tmp_path):
    view = of_each()
    write(tmp_path, "known", "1.parquet", ROWS)
    run(tmp_path, view)
    write(tmp_path, "known", "2.parquet", [("c", 4, 12, 5)])
    made, _ = run(tmp_path, view)
    assert made.late_since == at(5)
    run(tmp_path, view, since=at(5))
    assert values(tmp_path, view) == [1, 2, 3, 4]
