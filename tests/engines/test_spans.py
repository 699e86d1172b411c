"""Rows in spans of time: the same however they came, however wide the spans are; kept in a commit as they are."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from featurectl.engines.spans import (
    ALL_OF_TIME,
    MOST,
    WIDTHS_US,
    PartRows,
    SpanRows,
    Spans,
    microseconds,
    rows_without_hashes,
)
from featurectl.offline.base import Coverage
from featurectl.offline.part_rows import dump_part_rows, load_part_rows
from tests.seeds import examples

UNKNOWN = (None, None)
FAR = 4_000_000_000_000_000
ROWS = st.lists(st.tuples(st.integers(-FAR, FAR) | st.integers(0, 10_000_000), st.integers(-(2**63), 2**63 - 1)))


def spans_of(*batches):
    found = Spans()
    for rows in batches:
        clock = pl.Series([at for at, _ in rows], dtype=pl.Datetime("us", "UTC"))
        found = found.with_rows(clock, pl.Series([number for _, number in rows], dtype=pl.Int64))
    return found


def naive(rows, level):
    found = defaultdict(list)
    for at, number in rows:
        found[at // WIDTHS_US[level] if WIDTHS_US[level] else 0].append(number)
    return {i: SpanRows(len(numbers), sum(numbers) % 2**64) for i, numbers in found.items()}


@settings(deadline=None, max_examples=examples(25))
@given(ROWS, st.integers(0, 20), st.integers(1, MOST))
def test_spans_hold_what_lies_in_them_and_are_as_narrow_as_may_be(rows, cut, most):
    whole, parts = spans_of(rows), spans_of(rows[:cut], rows[cut:])
    assert whole == parts == spans_of(rows[:cut]).plus(spans_of(rows[cut:])).within(MOST)
    assert whole.first == min((at for at, _ in rows), default=None)
    for found, bound in ((whole, MOST), (whole.within(most), most)):
        assert found.rows == naive(rows, found.level)
        assert len(found.rows) <= bound
        assert found.level == 0 or len(naive(rows, found.level - 1)) > bound


@settings(deadline=None, max_examples=examples(25))
@given(ROWS, ROWS)
def test_a_commit_gives_back_the_rows_of_parts(some, others):
    rows = PartRows(events=spans_of(some).left_out({0: 1}), known=spans_of(others))
    more = {
        "c": rows,
        "a": PartRows(counted=False),
        "d": rows_without_hashes(5, UNKNOWN, UNKNOWN),
        "e": PartRows(),
    }
    coverage = Coverage(parts=dict.fromkeys("ebdca", "1"), part_rows=more)
    assert load_part_rows(dump_part_rows(coverage), coverage.parts) == more


def test_rows_that_were_counted_in_another_way_are_not_counted():
    assert load_part_rows({"a": [3, 1, 2]}, {"a": "1"}) == {}
    assert load_part_rows("", {"a": "1"}) == {}


def test_rows_that_nobody_hashed_leave_a_sum_unknown():
    both = spans_of([(5, 7)]).plus(rows_without_hashes(2, UNKNOWN, UNKNOWN).events)
    assert (both.level, both.first, dict(both.rows)) == (ALL_OF_TIME, None, {0: SpanRows(3, None)})


def test_of_rows_that_nobody_hashed_both_ends_are_known():
    first, last = (datetime.fromisoformat(text) for text in ("2026-01-01T05:00:00Z", "2026-01-02T04:59:59.5Z"))
    rows = rows_without_hashes(7, (first, last), (first, None))
    assert (rows.count, rows.events.first, rows.known.first) == (7, microseconds(first), microseconds(first))
    assert rows.events.last == datetime.fromisoformat("2026-01-02T04:59:59.999999Z")
    assert rows.known.last > last
    assert rows_without_hashes(0, UNKNOWN, UNKNOWN).events.last is None
