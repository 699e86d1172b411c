"""The latest row as of t."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest

from featurectl.pit.lookup import answer_states
from featurectl.pit.questions import ALWAYS_US, StateQuestion
from tests.pit.frames import instants, rows_of, spine_of

V = StateQuestion(name="v", column="v")
FILLED = StateQuestion(name="filled", column="v", fill_last=True)


def look(rows, spine, *, ttl=None, questions=(V,), keys=("k",)):
    return answer_states(rows, spine, keys=keys, time="t", questions=questions, ttl_us=ttl)


def test_a_row_is_true_from_its_own_instant_until_the_next():
    assert look(rows_of([(5, "a"), (9, "b")]), spine_of([4, 5, 8, 9])).values["v"].to_list() == [None, "a", "a", "b"]


def test_a_ttl_ends_with_its_last_instant_and_age_is_from_the_latest_row():
    answer = look(rows_of([(5, "a"), (9, "b")]), spine_of([8, 9, 12, 13]), ttl=3)
    assert answer.values["v"].to_list() == ["a", "b", "b", None]
    assert answer.event_time.to_list() == instants([5, 9, 9, None]).to_list()


def test_a_ttl_of_zero_sees_only_rows_of_this_instant():
    assert look(rows_of([(5, "a")]), spine_of([5, 6]), ttl=0).values["v"].to_list() == ["a", None]


def test_of_rows_at_one_event_time_the_last_available_at_t_wins():
    rows = rows_of([(5, "first"), (5, "late")], known=[5, 8])
    answer = look(rows, spine_of([5, 7, 8]))
    assert answer.values["v"].to_list() == ["first", "first", "late"]
    assert answer.available_at.to_list() == instants([5, 5, 8]).to_list()


def test_of_rows_known_at_one_instant_the_tie_order_decides():
    rows = rows_of([(5, "a"), (5, "b")])
    assert look(rows.reverse(), spine_of([5])).values["v"].to_list() == ["b"]


def test_a_late_row_about_the_past_does_not_replace_a_newer_one():
    rows = rows_of([(1, "old"), (5, "new")], known=[9, 5])
    assert look(rows, spine_of([6, 9])).values["v"].to_list() == ["new", "new"]


def test_a_null_value_is_the_answer_unless_the_feature_fills():
    rows = rows_of([(1, "a"), (5, None)])
    answer = look(rows, spine_of([4, 5, 9]), questions=[V, FILLED])
    assert answer.values.rows() == [("a", "a"), (None, "a"), (None, "a")]
    assert answer.event_time.to_list() == instants([1, 5, 5]).to_list()


def test_a_filled_value_expires_too():
    answer = look(rows_of([(1, "a"), (5, None)]), spine_of([5, 8, 9]), questions=[FILLED], ttl=4)
    assert answer.values["filled"].to_list() == ["a", None, None]
    assert answer.event_time.to_list() == instants([5, 5, 5]).to_list()


def test_static_rows_are_true_at_every_instant():
    rows = rows_of([(ALWAYS_US, 7)])
    answer = look(rows, spine_of([ALWAYS_US, 0, 2**58]))
    assert answer.values["v"].to_list() == [7, 7, 7]
    assert answer.event_time.to_list() == [datetime(1, 1, 1, tzinfo=UTC)] * 3


@pytest.mark.parametrize(("key", "t"), [(None, 9), ("never seen", 9), ("k", None)])
def test_a_null_key_a_stranger_and_a_null_time_have_no_row(key, t):
    answer = look(rows_of([(5, "a")]), spine_of([t], key=key))
    assert (answer.values["v"].to_list(), answer.event_time.to_list(), answer.available_at.to_list()) == ([None],) * 3


def test_columns_keep_their_types_when_there_is_nothing():
    answer = look(rows_of([], dtype=pl.List(pl.Int64)), spine_of([]), questions=[V, FILLED])
    assert dict(answer.values.schema) == {"v": pl.List(pl.Int64), "filled": pl.List(pl.Int64)}
    assert answer.event_time.dtype == pl.Datetime("us", "UTC")
    assert look(rows_of([], dtype=pl.Int64), spine_of([5])).values["v"].to_list() == [None]


def test_without_keys_everyone_reads_the_same_rows():
    rows = rows_of([(5, "a"), (9, "b")]).drop("k")
    assert look(rows, spine_of([9, 6, 1]), keys=()).values["v"].to_list() == ["b", "a", None]


def test_no_question_still_tells_which_row_answered():
    answer = look(rows_of([(5, "a")]), spine_of([9, 1]), questions=[])
    assert answer.values.shape == (2, 0)
    assert answer.event_time.to_list() == instants([5, None]).to_list()
