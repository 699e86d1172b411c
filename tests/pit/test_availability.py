"""Rows count from the instant at which they were known."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from featurectl.core.errors import StoreError
from featurectl.pit.availability import layers, sights
from featurectl.pit.keys import arrange, find_probes, order_spine
from featurectl.pit.lookup import answer_states, find_states
from featurectl.pit.naive import states_naively, windows_naively
from featurectl.pit.questions import AVAILABLE_AT, EVENT_TIME, TIE_ORDER, StateQuestion, WindowQuestion
from featurectl.pit.windows import answer_windows, find_windows
from tests.pit.frames import ask, instants, rows_of, spine_of
from tests.pit.test_against_naive import compare


def late_rows(count, lateness, *, key="k", seed=1) -> pl.DataFrame:
    """Rows of one key at random times, each known after a lateness drawn from `lateness`."""
    rng = np.random.default_rng(seed)
    times = np.sort(rng.integers(0, 10 * count, count))
    return pl.DataFrame(
        {
            "k": [key] * count,
            EVENT_TIME: instants(times),
            AVAILABLE_AT: instants(times + rng.choice(lateness, count)),
            TIE_ORDER: np.arange(count),
            "v": rng.normal(size=count),
            "i": rng.integers(0, 9, count),
        }
    )


def stretches(rows, times):
    table = arrange(rows, ["k"])
    probes = find_probes(table, order_spine(spine_of(times), ["k"], "t"))
    return [(layer, *(layer.stretches(probes) or ([], []))) for layer in layers(table)]


def test_a_row_counts_from_the_instant_it_is_known():
    assert ask(rows_of([(5, 1)], known=[8]), [7, 8, 9], "count") == [0, 1, 1]


def test_a_row_known_out_of_order_counts_from_its_own_instant():
    rows = rows_of([(1, 1), (2, 2), (3, 4)], known=[20, 10, 30])
    assert ask(rows, [9, 10, 19, 20, 29, 30], "sum") == [None, 2, 2, 3, 3, 7]


def test_availability_is_compared_with_t_also_when_the_window_is_shifted():
    rows = rows_of([(1, 1), (2, 2), (9, 4)], known=[1, 10, 9])
    assert ask(rows, [9, 10], "sum", offset=5) == [1, 3]


def test_a_row_known_before_it_happens_still_waits_for_its_event_time():
    rows = rows_of([(10, 1), (20, 2)], known=[0, 5])
    assert ask(rows, [10, 11, 20, 21], "sum") == [None, 1, 1, 3]
    assert ask(rows, [10], "sum", closed="right") == [1]


@pytest.mark.parametrize("lateness", [[0], [7], [-7]])
def test_a_constant_delay_moves_the_range_and_leaves_nothing_to_look_at(lateness):
    ((layer, settled, possible),) = stretches(late_rows(500, lateness), range(0, 5000, 50))
    assert layer.delay == max(lateness[0], 0)
    assert settled == possible == []


@pytest.mark.parametrize("delay", [0, 7, 300])
@pytest.mark.parametrize("closed", ["left", "right", "both", "none"])
@pytest.mark.sample(4)
def test_rows_with_a_declared_delay_need_neither_availability_nor_ties(delay, closed):
    rows = late_rows(800, [delay])
    spine = spine_of(range(-10, 9_000, 45))
    questions = [
        WindowQuestion(name=f"{op}{window}{offset}", op=op, column="v", window_us=window, offset_us=offset)
        for op in ("sum", "last", "max", "count_distinct")
        for window in (40, 1_000, None)
        for offset in (0, 5, 400)
    ]
    bare, ordered = arrange(rows.drop(AVAILABLE_AT, TIE_ORDER), ["k"], delay), order_spine(spine, ["k"], "t")
    windows = answer_windows(rows, spine, keys=["k"], time="t", questions=questions, closed=closed)
    assert_frame_equal(find_windows(bare, ordered, questions, closed=closed).spread(), windows, check_exact=True)
    states = [StateQuestion(name="v", column="v"), StateQuestion(name="f", column="i", fill_last=True)]
    for ttl in (None, 0, 25):
        latest = answer_states(rows, spine, keys=["k"], time="t", questions=states, ttl_us=ttl).values
        assert_frame_equal(find_states(bare, ordered, states, ttl).found.spread(), latest, check_exact=True)


def test_rows_without_their_ties_are_refused_when_they_are_not_in_order():
    rows = late_rows(100, [0]).drop(AVAILABLE_AT, TIE_ORDER)
    with pytest.raises(StoreError, match="not in order"):
        arrange(rows.reverse(), ["k"])


def test_rows_known_in_order_leave_nothing_to_look_at():
    rows = rows_of([(i, i) for i in range(500)], known=[i // 100 * 100 + 100 for i in range(500)])
    ((layer, settled, possible),) = stretches(rows, range(0, 700, 7))
    assert layer.delay is None
    assert settled.tolist() == possible.tolist()


def test_in_every_layer_but_the_last_at_most_64_rows_are_looked_at():
    found = stretches(late_rows(20_000, [*range(100), 5000, 50_000]), range(0, 260_000, 500))
    assert len(found) > 1
    for _, settled, possible in found[:-1]:
        assert 0 < (possible - settled).max() <= 64
    assert sum(len(layer.available) for layer, _, _ in found) == 20_000


def test_the_batches_of_probes_are_bounded_in_rows_to_look_at(monkeypatch):
    monkeypatch.setattr("featurectl.pit.availability.CHUNK_ROWS", 100)
    rows = late_rows(1_000, range(200))
    table = arrange(rows, ["k"])
    probes = find_probes(table, order_spine(spine_of(range(0, 11_000, 100)), ["k"], "t"))
    batches = list(sights(layers(table), probes))
    assert len(batches) > 5
    assert sum(len(batch[0].time) for batch in batches) == 110
    for batch in batches:
        looked_at = sum(int((sight.stretches[1] - sight.stretches[0]).sum()) for sight in batch)
        assert looked_at <= 100 or len(batch[0].time) == 1


@pytest.mark.parametrize("lateness", [[0, 3, 900], [*range(2000)], [0] * 99 + [20_000]], ids=["few", "wide", "rare"])
@pytest.mark.sample(1)
def test_many_late_rows_are_answered_as_by_looking_at_each(lateness):
    rows = late_rows(800, lateness)
    spine = spine_of(range(-10, 9_000, 450))
    questions = [
        WindowQuestion(name=f"{op}_{column}_{window}", op=op, column=column, window_us=window, n=3, q=0.9)
        for op in ("count", "sum", "max", "var", "first", "last", "last_n", "percentile", "count_distinct", "top_k")
        for column in (("i",) if op in {"count_distinct", "top_k"} else ("v",))
        for window in (None, 3_000)
    ]
    asked = {"keys": ["k"], "time": "t"}
    answers = answer_windows(rows, spine, questions=questions, **asked)
    compare(answers.to_dicts(), windows_naively(rows.to_dicts(), spine.to_dicts(), questions=questions, **asked))
    states = {"questions": [StateQuestion(name="v", column="v")], "ttl_us": 1_000, **asked}
    latest = answer_states(rows, spine, **states)
    got = latest.values.with_columns(event_time=latest.event_time, available_at=latest.available_at)
    compare(got.to_dicts(), states_naively(rows.to_dicts(), spine.to_dicts(), **states))


@pytest.mark.parametrize("lateness", [[0], [40], [*range(50), 4_000]])
def test_other_entities_and_other_spine_rows_never_change_a_bit(lateness):
    """The other entity is late enough to make layers of its own."""
    mine = late_rows(3_000, lateness, key="m")
    others = [late_rows(2_000, [0, 500, 20_000], key=key, seed=seed) for key, seed in (("a", 2), ("z", 3))]
    times = list(range(0, 36_000, 250))
    questions = [
        WindowQuestion(name=f"{op}{window}", op=op, column="v", window_us=window)
        for op in ("sum", "mean", "var")
        for window in (700, 20_000, None)
    ]
    asked = {"keys": ["k"], "time": "t", "questions": questions}
    alone = answer_windows(mine, spine_of(times, key="m"), **asked)
    crowd = pl.concat([spine_of([t + 3, t, t], key=key) for t in times for key in "amz"])
    beside = answer_windows(pl.concat([others[0], mine, others[1]]), crowd, **asked)
    of_mine = beside.filter((crowd["k"] == "m") & crowd["t"].is_in(instants(times).implode()))
    for name in alone.columns:
        twice = np.repeat(alone[name].fill_null(-1.0).to_numpy(), 2)
        assert of_mine[name].fill_null(-1.0).to_numpy().tobytes() == twice.tobytes()
