"""Spines with two clocks, by hand: windows end at the time, and rows count that were available when it was asked."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from featurectl.pit.lookup import answer_states
from featurectl.pit.naive import states_naively, windows_naively
from featurectl.pit.questions import StateQuestion, WindowQuestion
from featurectl.pit.windows import answer_windows
from tests.pit.frames import instants

# Rows of one key: when they happened, when they were available, and what they hold.
ROWS = [(10, 10, 1.0), (20, 35, 2.0), (30, 31, 4.0), (40, 90, 8.0)]
SUM = WindowQuestion(name="sum", op="sum", column="x", window_us=25)
STATE = StateQuestion(name="x", column="x")
# The time, when it was asked, the sum over (t - 25, t) with `closed: left`, and the latest value.
ASKED = [
    (30, 30, 1.0, 1.0),  # the row of 20 comes at 35, that of 30 at 31
    (30, 31, 1.0, 4.0),  # that of 30 is known by now: a state has it, a window that ends before 30 has not
    (30, 35, 3.0, 4.0),  # so is that of 20, though it came later than the one of 30
    (41, 89, 6.0, 4.0),  # the row of 40 is known at 90
    (41, 90, 14.0, 8.0),
    (41, 10**6, 14.0, 8.0),  # nothing that happened later counts, however late it is asked
    (31, 30, 1.0, 1.0),  # asked before its own time, at which the row of 30 was known: as at 30
    (60, 12, 1.0, 1.0),  # the window of 12 is (-13, 12), that of 60 would have none of it
    (5, 100, None, None),
    (None, 50, None, None),
    (50, None, None, None),
]


def frames() -> tuple[pl.DataFrame, pl.DataFrame]:
    events, available, values = zip(*ROWS, strict=True)
    rows = pl.DataFrame(
        {"k": [7] * len(ROWS), "event_time": instants(events), "available_at": instants(available),
         "tie_order": list(range(len(ROWS))), "x": values},
    )  # fmt: skip
    spine = pl.DataFrame(
        {"k": [7] * len(ASKED), "t": instants(at for at, *_ in ASKED), "known": instants(at for _, at, *_ in ASKED)}
    )
    return rows, spine


def test_windows_end_at_the_time_and_see_what_was_known_later():
    rows, spine = frames()
    asked: dict[str, Any] = {"keys": ["k"], "time": "t", "known": "known", "questions": [SUM]}
    expected = [total for *_, total, _ in ASKED]
    assert answer_windows(rows, spine, **asked)["sum"].to_list() == expected
    assert [row["sum"] for row in windows_naively(rows.to_dicts(), spine.to_dicts(), **asked)] == expected


def test_states_are_those_that_were_true_at_the_time_and_known_later():
    rows, spine = frames()
    asked: dict[str, Any] = {"keys": ["k"], "time": "t", "known": "known", "questions": [STATE], "ttl_us": None}
    expected = [value for *_, value in ASKED]
    assert answer_states(rows, spine, **asked).values["x"].to_list() == expected
    assert [row["x"] for row in states_naively(rows.to_dicts(), spine.to_dicts(), **asked)] == expected


@pytest.mark.parametrize("delay", [0, 5])
def test_without_it_and_with_the_time_itself_answers_are_the_same(delay: int):
    rows, spine = frames()
    rows = rows.with_columns(available_at=pl.col("event_time") + pl.duration(microseconds=delay))
    spine = spine.with_columns(known=pl.col("t"))
    asked: dict[str, Any] = {"keys": ["k"], "time": "t", "questions": [SUM]}
    assert answer_windows(rows, spine, known="known", **asked).equals(answer_windows(rows, spine, **asked))


def test_rows_of_one_delay_are_seen_so_much_later():
    rows, spine = frames()
    rows = rows.with_columns(available_at=pl.col("event_time") + pl.duration(microseconds=5))
    spine = pl.DataFrame({"k": [7, 7, 7], "t": instants([41, 41, 26]), "known": instants([44, 45, 40])})
    asked: dict[str, Any] = {"keys": ["k"], "time": "t", "known": "known", "questions": [SUM]}
    assert answer_windows(rows, spine, **asked)["sum"].to_list() == [6.0, 14.0, 3.0]
