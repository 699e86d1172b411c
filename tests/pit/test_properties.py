"""What must hold of every answer, whatever the data.

Of the five properties of point-in-time joins, 1 to 3 are the kernel's. The fourth (online equals offline) is here
in the form that concerns it: only rows available at t matter. The fifth (`dedup_key`) is an engine's: tests/engines.
"""

from __future__ import annotations

from contextlib import nullcontext
from datetime import timedelta

import numpy as np
import polars as pl
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from featurectl.pit.lookup import answer_states
from featurectl.pit.questions import AVAILABLE_AT, EVENT_TIME, WindowQuestion
from featurectl.pit.windows import answer_windows
from tests.pit.cases import Case, cases
from tests.pit.frames import INSTANT, SmallPieces, ask, rows_of
from tests.pit.test_against_naive import QUIET, compare
from tests.seeds import examples


def answers(case: Case, rows: pl.DataFrame, spine: pl.DataFrame) -> list[dict[str, object]]:
    windows = answer_windows(rows, spine, questions=case.windows, closed=case.closed, hop_us=case.hop_us, **case.asked)  # type: ignore[arg-type]
    states = answer_states(rows, spine, questions=case.states, ttl_us=case.ttl_us, **case.asked)
    return pl.concat(
        [windows, states.values, pl.DataFrame({"event": states.event_time, "available": states.available_at})],
        how="horizontal",
    ).to_dicts()


@given(cases(), st.randoms(use_true_random=False))
@settings(QUIET, max_examples=examples(4, 20))
def test_an_answer_is_independent_of_other_spine_rows_and_of_any_order(case, random):
    expected = answers(case, case.rows, case.spine)
    order = list(range(case.spine.height)) * 2
    random.shuffle(order)
    turned = list(range(case.rows.height))
    random.shuffle(turned)
    shuffled = case.rows[turned]
    for pieces in (nullcontext(), SmallPieces()):
        with pieces:
            compare(answers(case, shuffled, case.spine[order]), [expected[i] for i in order])
            if case.spine.height:
                compare(answers(case, shuffled, case.spine[:1]), expected[:1])


@given(cases(), st.randoms(use_true_random=False))
@settings(QUIET, max_examples=examples(3, 15))
def test_rows_that_are_not_visible_at_t_change_nothing(case, random):
    """Removed, with each other's values, or added: rows that happen or are known after t."""
    spine = case.spine.drop_nulls([name for name in ("t", "known") if name in case.spine.columns])[:1]
    assume(spine.height)
    known = spine["known"][0] if "known" in spine.columns else spine["t"][0]
    t = min(spine["t"][0], known)
    visible = case.rows.filter((pl.col(EVENT_TIME) <= t) & (pl.col(AVAILABLE_AT) <= known))
    expected = answers(case, case.rows, spine)
    compare(answers(case, visible, spine), expected)
    hidden = case.rows.filter((pl.col(EVENT_TIME) > t) | (pl.col(AVAILABLE_AT) > known))
    values = [name for name in hidden.columns if name not in {*case.keys, EVENT_TIME, AVAILABLE_AT}]
    order = list(range(hidden.height))
    random.shuffle(order)
    perturbed = hidden.with_columns(hidden.select(values)[order])
    compare(answers(case, pl.concat([visible, perturbed]), spine), expected)
    unknown = pl.lit(known + timedelta(microseconds=1)).cast(INSTANT)
    after = pl.lit(t + timedelta(microseconds=1)).cast(INSTANT)
    late, coming = case.rows.with_columns(unknown.alias(AVAILABLE_AT)), case.rows.with_columns(after.alias(EVENT_TIME))
    compare(answers(case, pl.concat([late, case.rows, coming]), spine), expected)


@given(cases(), st.randoms(use_true_random=False))
@settings(QUIET, max_examples=examples(4, 20))
def test_rows_and_questions_of_other_keys_change_nothing(case, random):
    """Rows of other keys are removed, or there are more of them, and more is asked."""
    assume(case.keys)
    spine = case.spine.drop_nulls()[:1]
    assume(spine.height)
    expected = answers(case, case.rows, spine)
    mine = case.rows.join(spine, on=case.keys, how="semi", maintain_order="left")
    compare(answers(case, mine, spine), expected)
    others = case.rows.join(spine, on=case.keys, how="anti", maintain_order="left")
    moved = others.with_columns(pl.col(EVENT_TIME) - timedelta(microseconds=random.randint(0, 5)))
    again = pl.concat([others, moved, mine, others])
    compare(answers(case, again, pl.concat([case.spine, spine]))[-1:], expected)


# How the answers of two windows side by side, the older one first, make that of both; a window with none has none.
MERGES = {
    "count": sum,
    "sum": sum,
    "min": min,
    "max": max,
    "any": any,
    "all": all,
    "first": lambda parts: parts[0],
    "last": lambda parts: parts[-1],
    "first_n": lambda parts: [value for part in parts for value in part][:3],
    "last_n": lambda parts: [value for part in parts for value in part][-3:],
}


@given(
    st.lists(st.tuples(st.integers(0, 300), st.sampled_from([None, 1, 2, 5, -3])), max_size=300),
    st.integers(1, 200), st.integers(1, 200), st.integers(0, 300),
)  # fmt: skip
@settings(QUIET, max_examples=examples(10, 25))
def test_a_window_is_the_merge_of_its_two_parts(events, a, b, t):
    rows, b = rows_of(sorted(events, key=lambda event: event[0]), dtype=pl.Int64), min(a, b)
    truths = rows.with_columns(v=pl.col("v") > 1)
    for op, merged in MERGES.items():
        asked = {"rows": truths if op in ("any", "all") else rows, "times": [t], "op": op, "n": 3}
        (whole,) = ask(**asked, window=a)
        (new,) = ask(**asked, window=b)
        (old,) = ask(**asked, window=a - b, offset=b) if a > b else (None,)
        parts = [part for part in (old, new) if part is not None]
        assert whole == (merged(parts) if parts else None), op


@given(st.lists(st.integers(0, 100), max_size=80), st.integers(1, 30), st.sampled_from(["left", "right"]))
@settings(QUIET, max_examples=20)
def test_tiles_side_by_side_hold_each_row_once(times, width, closed):
    rows = rows_of([(time, 1) for time in sorted(times)], dtype=pl.Int64)
    ends = list(range(0, 101 + width, width))
    tiles = ask(rows, ends, "count", window=width, closed=closed)
    assert sum(tiles) == len(times)
    assert ask(rows, ends, "count", closed=closed) == np.cumsum(tiles).tolist()


@given(st.lists(st.integers(-100, 100), max_size=40), st.integers(-100, 100), st.integers(1, 50), st.integers(1, 30))
@settings(QUIET, max_examples=20)
def test_a_hop_lengthens_a_window_by_less_than_a_hop(times, t, window, hop):
    rows = rows_of([(time, 1) for time in sorted(times)], dtype=pl.Int64)
    (counted,) = ask(rows, [t], "count", window=window, hop_us=hop)
    tail = (t - window) - (t - window) % hop
    assert counted == sum(tail <= time < t for time in times)
    assert t - window - hop < tail <= t - window


def test_a_question_does_not_depend_on_the_others_asked_with_it():
    rows = rows_of([(i, float(i % 7) / 3) for i in range(1000)])
    question = WindowQuestion(name="x", op="sum", column="v", window_us=500)
    other = WindowQuestion(name="y", op="sum", column="v", window_us=3)
    spine = pl.DataFrame({"k": ["k"], "t": rows[EVENT_TIME][-1:]})
    asked = {"keys": ["k"], "time": "t"}
    alone = answer_windows(rows, spine, questions=[question], **asked)["x"]
    beside = answer_windows(rows, spine, questions=[other, question], **asked)["x"]
    assert alone.to_list() == beside.to_list()
