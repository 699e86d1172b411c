"""Values in bins by a grid, against a search among the edges."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from featurectl.models.profile import bins
from featurectl.models.profile.bins import Bins
from featurectl.models.profile.edges import FINE, choose_edges
from featurectl.models.profile.grid import equal_cells, growing_cells
from tests.models.profile.columns import COLUMNS

FLOATS = st.floats(allow_nan=False, allow_infinity=False)
ROUND = st.integers(-20, 20).map(lambda n: n / 4)
GRIDS = [equal_cells, growing_cells]


def plain(edges, values, away):
    """Return counts and sums of bins by a search, which for small lists is what a loop finds."""
    places = edges.searchsorted(values)
    return [np.bincount(places, weights, minlength=len(edges) + 1) for weights in (np.ones(len(values)), away)]


@pytest.fixture
def always_by_grid(monkeypatch):
    monkeypatch.setattr(bins, "_FEW", 0)


@pytest.mark.usefixtures("always_by_grid")
@given(st.lists(st.one_of(FLOATS, ROUND), min_size=1, max_size=60), st.lists(st.one_of(FLOATS, ROUND), max_size=60))
def test_counts_and_sums_are_those_of_a_loop(edges, values):
    with np.errstate(over="ignore"):
        edges = np.unique(np.array([*edges, *np.nextafter(edges[: len(edges) // 2], -np.inf)]))
    edges = edges[np.isfinite(edges)]
    with np.errstate(over="ignore"):
        values = np.array([*values, *edges, *np.nextafter(edges, np.inf)])
        values = values[np.isfinite(values)]
        away = np.clip(values, -1e9, 1e9)  # so that sums are finite
        found = Bins(edges, 0.0).tally(values, away, np.empty(len(values)))
    expected = [sum(edge < value for edge in edges.tolist()) for value in values.tolist()]
    assert found.counts.tolist() == [expected.count(place) for place in range(len(edges) + 1)]


@pytest.mark.parametrize("name", COLUMNS)
@pytest.mark.parametrize("moved", [0.0, 0.4, -3.0])
def test_bins_of_a_distribution_are_those_of_a_search(name, moved):
    reference = COLUMNS[name](np.random.default_rng(1), 20_000)
    edges = choose_edges(reference)
    centre = float(edges[len(edges) // 2])
    values = COLUMNS[name](np.random.default_rng(2), 30_000) + moved * np.abs(reference).mean()
    counts = plain(edges, reference, reference)[0].astype(np.int64)
    found = Bins(edges, centre, counts).tally(values, values - centre, np.empty(len(values)))
    expected = plain(edges, values, values - centre)
    assert found.counts.tolist() == expected[0].tolist()
    assert np.allclose(found.sums, expected[1], rtol=1e-9, atol=1e-9 * np.abs(values - centre).sum())


@pytest.mark.parametrize("way", ["plain", "aided", "every"])
@pytest.mark.parametrize("name", COLUMNS)
def test_each_way_to_tally_gives_the_same(name, way, monkeypatch):
    monkeypatch.setattr(bins._Spread, "judge", lambda *_: (0.0, way))  # noqa: SLF001  # both ways to bin, whichever it would take
    values = COLUMNS[name](np.random.default_rng(3), 10_000)
    edges = choose_edges(values)
    found = Bins(edges, 1.0).tally(values, values - 1.0, np.empty(len(values)))
    expected = plain(edges, values, values - 1.0)
    assert found.counts.tolist() == expected[0].tolist()
    assert np.allclose(found.sums, expected[1], rtol=1e-9, atol=1e-9 * np.abs(values - 1.0).sum())


@given(
    st.lists(st.floats(1e-300, 1e300), min_size=2, max_size=2), st.lists(FLOATS, max_size=50), st.sampled_from(GRIDS)
)
def test_no_smaller_value_is_in_a_higher_cell(ends, values, make):
    grid = make(min(ends), max(ends))
    ordered = np.sort(np.array([*values, *ends]))
    cells = grid.cells(ordered, np.empty(len(ordered))).tolist()
    assert all(one <= other for one, other in itertools.pairwise(cells))
    assert 0 <= cells[0] <= cells[-1] < bins.CELLS


@pytest.mark.parametrize("name", COLUMNS)
def test_a_bin_holds_little_unless_it_is_one_value(name):
    values = COLUMNS[name](np.random.default_rng(1), 150_000)
    edges = choose_edges(values)
    places = edges.searchsorted(values)
    for place in range(len(edges) + 1):
        inside = values[places == place]
        assert len(inside) < len(values) * 1.5 / FINE or inside.min() == inside.max()
