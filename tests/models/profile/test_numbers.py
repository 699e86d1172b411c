"""Columns of numbers in bins, against searches and sums that are made the plain way."""

from __future__ import annotations

import itertools
import json
import math
import statistics
import sys

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from featurectl.models.profile.numbers import NumberTally, Scratch, load_numbers, numbers_json, profile_numbers
from tests.models.profile.columns import COLUMNS

SCRATCH = Scratch()
# The least float of all has no edge below it.
ANY = st.one_of(
    st.none(), st.floats().filter(lambda value: value != -sys.float_info.max), st.integers(-5, 5).map(float)
)


@given(st.lists(ANY, max_size=60), st.lists(ANY, max_size=200), st.lists(st.integers(0, 200), max_size=5))
def test_batches_of_any_split_give_the_counts_of_all_at_once(reference, window, cuts):
    told = profile_numbers(pl.Series(reference, dtype=pl.Float64))
    rows = pl.Series(window, dtype=pl.Float64)
    whole, parts = (NumberTally(told.edges, told.centre) for _ in range(2))
    whole.add(rows, SCRATCH)
    bounds = [0, *sorted(min(cut, len(rows)) for cut in cuts), len(rows)]
    for start, end in itertools.pairwise(bounds):
        parts.add(rows[start:end], SCRATCH)
    once, merged = whole.numbers(), parts.numbers()
    assert once.counts.tolist() == merged.counts.tolist()
    assert (once.nulls, once.infinite, once.least, once.greatest) == (
        merged.nulls, merged.infinite, merged.least, merged.greatest,
    )  # fmt: skip
    scale = sum(abs(v) for v in window if v is not None and math.isfinite(v)) + abs(told.centre) * len(window)
    if math.isfinite(scale):
        assert np.allclose(once.sums, merged.sums, rtol=0, atol=1e-9 * scale + 1e-300)


@pytest.mark.parametrize("name", COLUMNS)
def test_batches_that_a_grid_counts_and_small_ones_add_up_to_the_same(name):
    draw = np.random.default_rng(5)
    told = profile_numbers(pl.Series(COLUMNS[name](draw, 20_000)))
    rows = pl.Series([*COLUMNS[name](draw, 30_000), math.nan, math.inf, -math.inf, None], strict=False)
    tallies = []
    for cuts in ([], [9_000, 9_100, 20_000], range(50, 30_000, 3_000)):
        tally = NumberTally(told.edges, told.centre, told.counts)
        for start, end in itertools.pairwise([0, *cuts, len(rows)]):
            tally.add(rows[start:end], SCRATCH)
        tallies.append(tally.numbers())
    first = tallies[0]
    for other in tallies[1:]:
        assert other.counts.tolist() == first.counts.tolist()
        assert (other.nulls, other.infinite, other.least, other.greatest) == (2, 2, first.least, first.greatest)
        assert np.allclose(other.sums, first.sums, rtol=1e-12, atol=1e-12 * np.abs(first.sums).max())


@given(st.lists(ANY, min_size=1, max_size=80))
def test_counts_nulls_and_ends_are_those_of_a_loop(values):
    told = profile_numbers(pl.Series(values, dtype=pl.Float64))
    known = [v for v in values if v is not None and not math.isnan(v)]
    finite = [v for v in known if math.isfinite(v)]
    assert (told.rows, told.nulls, told.known) == (len(values), len(values) - len(known), len(known))
    assert told.infinite == len(known) - len(finite)
    assert (told.least, told.greatest) == (min(finite, default=math.inf), max(finite, default=-math.inf))
    assert told.outside == (told.infinite if finite else 0)


def test_mean_and_deviation_are_those_of_the_finite_values():
    values = [1_700_000_000_000_000 + n * n for n in range(1000)]
    told = profile_numbers(pl.Series([*values, None, math.inf, math.nan], dtype=pl.Float64))
    assert told.mean == pytest.approx(statistics.fmean(values), rel=1e-15)
    assert told.stddev == pytest.approx(statistics.pstdev(map(float, values)), rel=1e-9)


@pytest.mark.parametrize("dtype", [pl.Boolean, pl.Int64, pl.Float64, pl.Decimal(9, 2)])
def test_every_type_of_a_number_is_counted(dtype):
    told = profile_numbers(pl.Series([0, 1, 1, None]).cast(dtype))
    assert (told.nulls, told.mean) == (1, pytest.approx(2 / 3))


@given(st.lists(ANY, max_size=40))
def test_a_column_is_read_back_from_json(values):
    told = profile_numbers(pl.Series(values, dtype=pl.Float64))
    read = load_numbers(json.loads(json.dumps(numbers_json(told), allow_nan=False)))
    assert read.edges.tolist() == told.edges.tolist()
    assert read.counts.tolist() == told.counts.tolist()
    assert np.where(np.isfinite(told.sums), told.sums, 0).tolist() == np.nan_to_num(read.sums, nan=0).tolist()
    assert (read.nulls, read.least, read.greatest) == (told.nulls, told.least, told.greatest)
