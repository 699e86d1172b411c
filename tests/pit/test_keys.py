"""Rows in order, runs of keys, and the search for instants."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from featurectl.pit import ranges
from featurectl.pit.arrays import running_total
from featurectl.pit.keys import Groups, arrange, find_probes, order_spine
from featurectl.pit.questions import AVAILABLE_AT, EVENT_TIME, TIE_ORDER, WindowQuestion
from featurectl.pit.ranges import Times, greatest_so_far, least_from_here
from featurectl.pit.windows import answer_windows
from tests.pit.frames import ask, instants, rows_of, spine_of

FAR = 250_000_000_000_000_000  # microseconds: 7,900 years
EPOCH, MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)


def groups_of(sizes) -> Groups:
    offsets = running_total(np.asarray(sizes, np.int64))
    return Groups(starts=offsets[:-1], ends=offsets[1:])


def table_of(columns, times) -> pl.DataFrame:
    frame = pl.DataFrame(columns).with_columns(instants(times).alias(EVENT_TIME), instants(times).alias(AVAILABLE_AT))
    return frame.with_row_index(TIE_ORDER).with_columns(pl.col(TIE_ORDER).cast(pl.Int64), v=pl.lit(1))


def test_sorted_rows_are_used_as_they_are():
    rows = table_of({"k": ["a", "a", "b"]}, [1, 1, 0])
    assert arrange(rows, ["k"]).frame is rows


@pytest.mark.parametrize("place", [EVENT_TIME, AVAILABLE_AT, TIE_ORDER, "k"])
def test_rows_out_of_order_in_any_column_are_sorted(place):
    rows = pl.DataFrame(
        {"k": ["a"] * 3, EVENT_TIME: instants([1] * 3), AVAILABLE_AT: instants([1] * 3), TIE_ORDER: [0] * 3}
    )
    turned = ["b", "a", "b"] if place == "k" else [2, 1, 3] if place == TIE_ORDER else instants([2, 1, 3])
    rows = rows.with_columns(pl.Series(place, turned))
    assert_frame_equal(arrange(rows, ["k"]).frame, rows.sort("k", EVENT_TIME, AVAILABLE_AT, TIE_ORDER))


def test_the_runs_of_a_composite_key_end_where_any_key_changes():
    rows = table_of({"k": [1, 1, 1, 2], "l": ["x", "x", "y", "y"]}, [0, 1, 0, 0])
    table = arrange(rows, ["k", "l"])
    assert table.groups.starts.tolist() == [0, 2, 3, 4]
    assert table.groups.ends.tolist() == [2, 3, 4, 4]
    assert table.distinct.rows() == [(1, "x"), (1, "y"), (2, "y")]


def test_a_spine_key_finds_its_run_and_a_stranger_the_empty_one():
    rows = table_of({"k": [1, 1, 2], "l": ["x", "y", "y"]}, [0, 0, 0])
    spine = pl.DataFrame(
        {"k": [2, 1, 9, None, 1, 1], "l": ["y", "x", "x", "x", None, "x"], "t": instants([3, 2, 1, 0, 0, None])}
    )
    probes = find_probes(arrange(rows, ["k", "l"]), order_spine(spine, ["k", "l"], "t"))
    assert probes.group.tolist() == [0, 2, 3]
    assert probes.time.tolist() == [2, 3, 1]
    assert probes.place.to_list() == [1, 0, 2, None, None, None]


def test_without_keys_every_spine_row_asks_all_rows():
    rows = rows_of([(1, 1), (5, 2), (9, 4)]).drop("k")
    question = WindowQuestion(name="s", op="sum", column="v", window_us=None)
    answer = answer_windows(rows, spine_of([6, 0, 10]), keys=[], time="t", questions=[question])
    assert answer["s"].to_list() == [3, None, 7]
    empty = answer_windows(rows.clear(), spine_of([6]), keys=[], time="t", questions=[question])
    assert empty["s"].to_list() == [None]


@pytest.mark.parametrize(("keys", "unseen"), [
    ([True, False], None),
    (["", "ä"], "a"),
    ([date(2024, 1, 1), date(1960, 1, 1)], date(2024, 1, 2)),
    ([2**62, -(2**62)], 0),
])  # fmt: skip
def test_keys_of_every_type_match_by_value(keys, unseen):
    rows = pl.concat(
        [rows_of([(1, 1)]).with_columns(k=pl.lit(keys[0])), rows_of([(1, 2)]).with_columns(k=pl.lit(keys[1]))]
    )
    spine = pl.DataFrame({"k": [keys[1], keys[0], unseen], "t": instants([5, 5, 5])})
    assert ask(rows, spine, "sum") == [2, 1, None]


def test_a_null_spine_time_gives_null_features():
    assert ask(rows_of([(1, 1)]), [None, 5], "count") == [None, 1]


@pytest.mark.parametrize("most", [2**62, 100, 1])
def test_a_search_counts_the_rows_of_its_own_group(most, monkeypatch):
    """Of 43 instants under eight groups 100 numbers have room for steps of four; one number for a step of them all."""
    monkeypatch.setattr(ranges, "_MOST", most)
    rng, groups = np.random.default_rng(5), groups_of([0, 5, 1, 300, 0, 17, 0])
    values = np.concatenate([np.sort(rng.integers(-20, 20, n)) for n in groups.ends - groups.starts])
    times = Times(values, groups)
    group, instant = rng.integers(0, 7, 500), rng.integers(-25, 25, 500)
    for side in ("left", "right"):
        own = [
            np.searchsorted(values[groups.starts[g] : groups.ends[g]], t, side=side)
            for g, t in zip(group, instant, strict=True)
        ]
        assert times.count(group, instant, side).tolist() == (groups.starts[group] + own).tolist()


def test_the_greatest_so_far_and_the_least_from_here_restart_in_each_group():
    groups, values = groups_of([3, 0, 2]), np.array([5, 1, 7, 2, -9])
    assert greatest_so_far(values, groups).tolist() == [5, 5, 7, 2, 2]
    assert least_from_here(values, groups).tolist() == [1, 1, 7, -9, -9]
    assert greatest_so_far(values[:0], groups_of([0])).tolist() == []


def test_times_over_millennia_under_many_keys_are_more_than_63_bits():
    keys = [f"k{i:03}" for i in range(100)]
    rows = pl.concat([rows_of([(-FAR // 5, 1), (0, 2), (FAR, 4)], key=key) for key in keys])
    spine = pl.concat([spine_of([FAR + 1, 0, 1, FAR], key=key) for key in reversed(keys)])
    assert ask(rows, spine, "sum") == [7, 1, 3, 3] * 100
    late = rows.with_columns(pl.col(AVAILABLE_AT) + pl.duration(microseconds=pl.col("v") % 3))
    assert ask(late, spine, "sum") == [7, 1, 1, 3] * 100
    assert ask(rows, spine, "sum", window=1) == [4, None, 2, None] * 100


def test_instants_far_outside_the_rows_are_found():
    assert ask(rows_of([(0, 1)]), [2**62, -(2**62)], "count") == [1, 0]


def test_a_search_over_all_of_int64():
    rows = rows_of([(-(2**62), 1), (2**62, 2)])
    assert ask(rows, [-(2**62), 0, 2**62, 2**62 + 5], "count") == [0, 1, 1, 2]


MILLENNIA = -62_135_596_800_000_000, 253_402_300_799_999_999  # years 1 to 9999
KEYS = {
    "numbers": lambda rng, n: [rng.integers(-50, 50, n)],
    "far apart": lambda rng, n: [rng.choice([-(2**63), 2**63 - 1, 0, 5], n)],
    "far, but in reach": lambda rng, n: [rng.choice([-(2**61), 2**61, 0, 5], n)],
    "texts": lambda rng, n: [rng.choice(["b", "", "ä", "a"], n)],
    "two": lambda rng, n: [rng.integers(0, 9, n), rng.choice(["x", "y"], n)],
    "none": lambda _rng, _n: [],
}


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("height", [0, 1, 50, 2_500])
@pytest.mark.parametrize("holes", [True, False])
@pytest.mark.parametrize("times", [(-99, 99), MILLENNIA])
def test_a_spine_is_in_order_of_its_keys_and_times(kind, height, holes, times):
    rng = np.random.default_rng(7)
    columns = {f"k{i}": pl.Series(values) for i, values in enumerate(KEYS[kind](rng, height))}
    spine = pl.DataFrame({**columns, "t": instants(rng.integers(*times, height))})
    if holes:
        spine = spine.select(pl.when(pl.Series(rng.random(height) < 0.9)).then(pl.col(name)) for name in spine.columns)
    keys = list(columns)
    found = order_spine(spine, keys, "t")
    rows = [(*found.distinct.row(code), at) for code, at in zip(found.code.tolist(), found.time.tolist(), strict=True)]
    asking = [(*row[:-1], (row[-1] - EPOCH) // MICROSECOND) for row in spine.rows() if None not in row]
    assert rows == sorted(asking)
    assert found.distinct.rows() == sorted({row[:-1] for row in asking}) or not keys
    whole = [None if None in row else (*row[:-1], (row[-1] - EPOCH) // MICROSECOND) for row in spine.rows()]
    assert [None if place is None else rows[place] for place in found.place.to_list()] == whole
    assert sorted(place for place in found.place.to_list() if place is not None) == list(range(len(rows)))
