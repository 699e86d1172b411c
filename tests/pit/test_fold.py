"""Folds of ranges against numpy's own reduction of each."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featurectl.pit.arrays import running_total
from featurectl.pit.fold import MomentsFold, Pyramid, UfuncFold
from featurectl.pit.keys import Groups
from tests.pit.test_against_naive import QUIET


def groups_of(sizes) -> Groups:
    offsets = running_total(np.asarray(sizes, np.int64))
    return Groups(starts=offsets[:-1], ends=offsets[1:])


def ranges_in(groups, rng, count):
    """Random non-empty ranges, each inside one group that has rows."""
    full = np.flatnonzero(groups.ends > groups.starts)
    group = rng.choice(full, count)
    a = rng.integers(groups.starts[group], groups.ends[group])
    b = rng.integers(groups.starts[group], groups.ends[group])
    return np.minimum(a, b), np.maximum(a, b) + 1, group


SIZES = [[1], [127, 128, 129, 130], [5_000], [0, 3, 20_000, 0, 70], [64] * 40, [9_000, 1, 9_000]]


@pytest.mark.parametrize("ufunc", [np.add, np.minimum, np.maximum])
@pytest.mark.parametrize("sizes", SIZES)
def test_a_fold_is_the_reduction_of_its_range(ufunc, sizes):
    rng, groups = np.random.default_rng(7), groups_of(sizes)
    values = rng.integers(-1000, 1000, sum(sizes))
    lo, hi, group = ranges_in(groups, rng, 400)
    (found,) = Pyramid(UfuncFold(ufunc), (values,), groups).answer(lo, hi, group)
    assert found.tolist() == [ufunc.reduce(values[a:b]) for a, b in zip(lo, hi, strict=True)]


@given(st.lists(st.integers(0, 700), min_size=1, max_size=5), st.integers(0, 2**32))
@settings(QUIET, max_examples=60)
def test_folds_of_random_groups_are_reductions(sizes, seed):
    if sum(sizes) == 0:
        return
    rng, groups = np.random.default_rng(seed), groups_of(sizes)
    values = rng.normal(size=sum(sizes))
    lo, hi, group = ranges_in(groups, rng, 50)
    (found,) = Pyramid(UfuncFold(np.add), (values,), groups).answer(lo, hi, group)
    assert np.allclose(found, [values[a:b].sum() for a, b in zip(lo, hi, strict=True)], rtol=1e-12, atol=1e-11)


def test_moments_of_a_long_range_are_those_of_its_rows():
    rng, groups = np.random.default_rng(3), groups_of([30_000, 10])
    values = rng.normal(1e6, 1.0, 30_010)
    lo, hi, group = ranges_in(groups, rng, 200)
    state = (np.ones(len(values)), values, np.zeros(len(values)))
    count, mean, apart = Pyramid(MomentsFold(), state, groups).answer(lo, hi, group)
    assert count.tolist() == (hi - lo).tolist()
    assert np.allclose(mean, [values[a:b].mean() for a, b in zip(lo, hi, strict=True)], rtol=1e-14)
    assert np.allclose(apart / count, [values[a:b].var() for a, b in zip(lo, hi, strict=True)], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("before", [0, 1, 63, 64, 1000])
def test_other_groups_never_change_a_bit_of_a_float_sum(before):
    rng = np.random.default_rng(11)
    mine, others = rng.normal(size=9_000), rng.normal(size=before)
    alone, beside = groups_of([9_000]), groups_of([before, 9_000, 5])
    lo, hi, _ = ranges_in(alone, rng, 300)
    zero = np.zeros(300, np.int64)
    for fold, more in ((UfuncFold(np.add), False), (MomentsFold(), True)):

        def state(values, more=more):
            return (np.ones(len(values)), values, np.zeros(len(values))) if more else (values,)

        first = Pyramid(fold, state(mine), alone).answer(lo, hi, zero)
        every = np.concatenate([others, mine, np.ones(5)])
        second = Pyramid(fold, state(every), beside).answer(lo + before, hi + before, zero + 1)
        assert all(a.tobytes() == b.tobytes() for a, b in zip(first, second, strict=True))


def test_other_questions_never_change_a_bit_of_a_float_sum():
    rng, groups = np.random.default_rng(12), groups_of([5_000])
    values = rng.normal(size=5_000)
    lo, hi, group = ranges_in(groups, rng, 300)
    pyramid = Pyramid(UfuncFold(np.add), (values,), groups)
    (together,) = pyramid.answer(lo, hi, group)
    alone = [pyramid.answer(lo[i : i + 1], hi[i : i + 1], group[i : i + 1])[0][0] for i in range(300)]
    assert together.tobytes() == np.array(alone).tobytes()


def test_a_hot_group_costs_no_more_than_its_tiles():
    """A range of a million rows reads 126 of them at each level at most."""
    read = []

    class Counted(UfuncFold):
        def reduce(self, state, lo, hi):
            read.append(int((hi - lo).sum()))
            return super().reduce(state, lo, hi)

    groups = groups_of([1_000_000])
    pyramid = Pyramid(Counted(np.add), (np.ones(1_000_000),), groups)
    one, every = np.array([1]), np.array([999_999])
    pyramid.answer(one, every, np.array([0]))
    made, read[:] = sum(read), []
    (found,) = pyramid.answer(one, every, np.array([0]))
    assert found.tolist() == [999_998.0]
    assert made > 1_000_000 > 4 * 128 > sum(read)
