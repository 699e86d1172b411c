"""Distances of counts in bins, against those of the values themselves."""

from __future__ import annotations

import json
import math
import re

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from featurectl.models.profile.categories import CategoryTally, profile_categories
from featurectl.models.profile.numbers import NumberTally, Scratch, profile_numbers
from featurectl.models.profile.profile import ProfileTally, dump_profile, load_profile, take_profile
from featurectl.monitor.drift.compare import compare_profiles
from featurectl.monitor.drift.distances import category_distances, group_starts, number_distances
from featurectl.monitor.drift.limits import DriftLimits
from featurectl.monitor.drift.measure_drift import DriftTable
from featurectl.registry.state import BoundFeature
from featurectl.render.drift import drift_json, render_drift
from featurectl.render.drift_page import render_page
from tests.models.profile.columns import COLUMNS
from tests.monitor.drift import naive

MOVES = {
    "not moved": lambda values, _spread: values,
    "shifted": lambda values, spread: values + spread / 3,
    "wider": lambda values, _spread: values * 1.5,
    "turned round": lambda values, _spread: -values,
    "all above": lambda values, spread: values + 40 * spread + 1,
    "one value": lambda values, _spread: np.full(len(values), np.quantile(values, 0.3)),
    "another in part": lambda values, spread: np.where(np.arange(len(values)) % 5 == 0, values + 2 * spread, values),
}


def counted(before, after):
    """Return both sides in the bins of the first."""
    reference = profile_numbers(pl.Series(before))
    tally = NumberTally(reference.edges, reference.centre)
    tally.add(pl.Series(after), Scratch())
    return reference, tally.numbers()


@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize("name", COLUMNS)
@pytest.mark.parametrize("rows", [300, 20_000])
@pytest.mark.sample(35)
def test_distances_are_near_those_of_the_values(name, move, rows):
    draw = np.random.default_rng(7)
    before = COLUMNS[name](draw, 30_000)
    after = MOVES[move](COLUMNS[name](draw, rows), float(np.quantile(before, 0.9) - np.quantile(before, 0.1)))
    found = number_distances(*counted(before, after))
    assert found.ks == pytest.approx(naive.kolmogorov(before, after), abs=0.01)
    assert found.wasserstein == pytest.approx(naive.wasserstein(before, after), rel=0.02, abs=1e-9)


SOME = st.lists(st.one_of(st.floats(-1e6, 1e6), st.integers(-3, 3).map(float)), min_size=1, max_size=150)


@given(SOME, SOME)
def test_distances_of_any_few_values_are_those_of_the_values(before, after):
    found = number_distances(*counted(before, after))
    assert found.ks is not None
    assert found.wasserstein is not None
    assert found.ks <= naive.kolmogorov(before, after) + 1e-12
    assert found.wasserstein <= naive.wasserstein(before, after) * (1 + 1e-9) + 1e-6


@given(SOME)
def test_the_same_data_are_at_no_distance(values):
    found = number_distances(*counted(values, values))
    assert (found.psi, found.js, found.ks, found.wasserstein) == (0.0, 0.0, 0.0, 0.0)


COUNTS = st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=200)


@given(COUNTS, COUNTS)
def test_jensen_shannon_of_categories_is_symmetric_and_that_of_a_loop(before, after):
    every = [*before, *after]
    told = profile_categories(pl.Series(every))
    sides = []
    for side in (before, after):
        tally = CategoryTally(told.counts)
        tally.add(pl.Series(side))
        sides.append(tally.categories())
    there, back = category_distances(*sides), category_distances(*reversed(sides))
    values = sorted(told.counts)
    expected = naive.jensen_shannon(*([side.count(value) for value in values] for side in (before, after)))
    if all(before.count(value) for value in values) and all(after.count(value) for value in values):
        assert there.js == pytest.approx(back.js, abs=1e-9)
        assert there.js == pytest.approx(expected, abs=1e-6)
        assert there.psi == pytest.approx(back.psi)
    assert 0 <= there.js <= 1


def test_values_that_training_has_not_met_count_as_one_category():
    reference = profile_categories(pl.Series(["a"] * 50 + ["b"] * 50))
    tally = CategoryTally(reference.counts)
    tally.add(pl.Series(["a"] * 40 + ["new"] * 30 + ["newer"] * 30))
    found = category_distances(reference, tally.categories())
    assert found.js == pytest.approx(naive.jensen_shannon([50, 50, 0], [40, 0, 60]))
    assert found.psi > 2
    assert (found.ks, found.wasserstein, found.degrees) == (None, None, 2)


def test_a_constant_that_is_another_is_far():
    found = number_distances(*counted([0.5] * 500, [0.6] * 500))
    assert found.psi > 5
    assert (found.ks, found.js) == (1.0, 1.0)
    assert found.wasserstein == pytest.approx(0.1)


def test_infinite_values_have_no_wasserstein_distance():
    found = number_distances(*counted([1.0, 2.0, 3.0], [1.0, math.inf]))
    assert found.wasserstein is None
    assert found.ks == pytest.approx(0.5)


@pytest.mark.parametrize(
    "values", [[-1.7e308, 0.0, 1.7e308], [1e308, 1.7e308], [5e-324, 0.0], [math.inf], [None], [-math.inf, 1.0]]
)
def test_numbers_at_the_ends_of_what_a_float_tells_are_compared_and_drawn(values):
    inputs = [BoundFeature(name="x", dtype="float64", model_dtype="float64")]
    before = take_profile(inputs, pl.DataFrame({"x": values * 100}, schema={"x": pl.Float64}), np.full(200, 0.5))
    tally = ProfileTally(before)
    tally.add(pl.DataFrame({"x": [*values * 50, 1.5]}, schema={"x": pl.Float64}), pl.Series([0.5] * 200))
    rows = compare_profiles(("m", 1), load_profile(dump_profile(before)), tally.profile())
    told = DriftTable(model="m", version=1, where="of s", rows=rows, limits=DriftLimits())
    json.dumps(drift_json(told), allow_nan=False)
    assert "drift" in render_drift(told)
    assert "</html>" in render_page(told)


def test_names_and_categories_of_a_page_are_text_whatever_they_hold():
    inputs = [BoundFeature(name="x", dtype="string", model_dtype="category")]
    rows = pl.DataFrame({"x": ["<script>alert(1)</script>", "</title><b>"] * 60})
    reference = take_profile(inputs, rows, np.empty(0))
    found = compare_profiles(("<m>", 1), reference, reference)
    page = render_page(DriftTable(model="<m>", version=1, where="of <s>", rows=found, limits=DriftLimits()))
    assert not {"<script", "<b>", "<m>", "<s>"} & set(re.findall(r"<[^ />]+>?", page))
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


@pytest.mark.parametrize(("size", "nulls", "beyond"), [(120, 0, 0.0), (120, 100, None), (120, 40, None)])
def test_few_values_have_a_distance_but_none_beyond_chance(size, nulls, beyond):
    chance = np.random.default_rng(3)
    inputs = [BoundFeature(name="x", dtype="float64", model_dtype="float64", view="v", view_version=1, feature="x")]
    reference = take_profile(inputs, pl.DataFrame({"x": chance.normal(size=600)}), chance.normal(size=600))
    tally = ProfileTally(reference)
    values = [None] * nulls + chance.normal(size=size - nulls).tolist()
    tally.add(pl.DataFrame({"x": pl.Series(values, dtype=pl.Float64)}), pl.Series("score", [], dtype=pl.Float64))
    row = next(r for r in compare_profiles(("m", 1), reference, tally.profile()) if r.kind == "feature")
    assert (row.enough, (row.psi or 0) > 0, row.beyond.get("psi")) == (True, True, beyond)


def test_groups_are_of_a_tenth_and_a_value_of_many_rows_is_alone():
    counts = np.array([0, 4, 4, 4, 4, 40, 4, 4, 4, 16, 16, 0])
    assert group_starts(counts) == [0, 4, 5, 6, 9, 10, 11]


def test_what_chance_gives_is_the_mean_of_samples_of_one_distribution():
    draw = np.random.default_rng(11)
    before = profile_numbers(pl.Series(draw.normal(size=20_000)))
    found = []
    for _ in range(150):
        tally = NumberTally(before.edges, before.centre)
        tally.add(pl.Series(draw.normal(size=500)), Scratch())
        found.append(number_distances(before, tally.numbers()))
    for metric, by_chance in (("psi", "psi_chance"), ("ks", "ks_chance"), ("wasserstein", "wasserstein_chance")):
        mean = np.mean([getattr(item, metric) for item in found])
        assert mean == pytest.approx(getattr(found[0], by_chance), rel=0.15)
    assert np.mean([item.js**2 for item in found]) == pytest.approx(found[0].js_chance ** 2, rel=0.15)
