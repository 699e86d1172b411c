"""Long ranges, a bit of the values at a time: what numpy finds in each, and not its cost."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from featurectl.pit import levels
from featurectl.pit.levels import BitRanges, bits_of, count_below, select
from tests.pit.frames import ask, rows_of, spine_of
from tests.pit.test_against_naive import QUIET

RANGES = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=8)
VALUES = st.lists(st.integers(0, 9), min_size=30, max_size=30)


def ends(ranges):
    return np.array([min(r) for r in ranges]), np.array([max(r) for r in ranges])


@given(VALUES, VALUES, RANGES, st.randoms())
@QUIET
def test_a_place_in_two_ranges_is_that_in_their_sorted_values(first, second, ranges, chance):
    one, two = np.array(first), np.array(second)
    (lo, hi), other = ends(ranges), [chance.randrange(31) for _ in ranges]
    low, high = np.minimum(lo, other), np.maximum(lo, other)
    every = [sorted([*one[a:b], *two[c:d]]) for a, b, c, d in zip(lo, hi, low, high, strict=True)]
    place = np.array([chance.randrange(len(found)) if found else 0 for found in every])
    found = select([BitRanges(one, lo, hi), BitRanges(two, low, high)], place, bits_of(9))
    assert [f for f, e in zip(found.tolist(), every, strict=True) if e] == [
        e[p] for e, p in zip(every, place.tolist(), strict=True) if e
    ]


@given(VALUES, RANGES, st.lists(st.integers(0, 12), min_size=8, max_size=8))
@QUIET
def test_the_values_below_a_bound_are_counted(values, ranges, bounds):
    (lo, hi), bound = ends(ranges), np.array(bounds[: len(ranges)])
    found = count_below(BitRanges(np.array(values), lo, hi), bound, bits_of(12))
    assert found.tolist() == [sum(v < b for v in values[a:c]) for a, b, c in zip(lo, bound, hi, strict=True)]


@pytest.mark.parametrize(("op", "how"), [("count_distinct", {}), ("percentile", {"q": 0.3}), ("median", {})])
@pytest.mark.parametrize("window", [None, 4_500])
@pytest.mark.parametrize("late", [0, 300])
@pytest.mark.sample(1)
def test_a_hot_key_gives_the_same_either_way(op, how, window, late, monkeypatch):
    rng = np.random.default_rng(5)
    values = [None if v == 7 else v for v in rng.integers(0, 300, 3_000).tolist()]
    known = (np.arange(3_000) * 3 + rng.integers(0, late + 1, 3_000)).tolist()
    rows = rows_of([(3 * i, v) for i, v in enumerate(values)], known=known)
    spine = spine_of(rng.integers(0, 9_500, 900).tolist())
    found = ask(rows, spine, op, window=window, **how)
    monkeypatch.setattr(levels, "MANY_ROWS", 10**12)
    assert found == ask(rows, spine, op, window=window, **how)
