"""What may be chance: against sums and counts that are made the long way."""

from __future__ import annotations

import math
import random
from collections import Counter

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from featurectl.monitor.canary.score_distance import score_psi
from featurectl.monitor.significance import DOUBT, is_beyond, is_far


def naive_is_beyond(count, of, share):
    tail = sum(math.comb(of, k) * share**k * (1 - share) ** (of - k) for k in range(count, of + 1))
    return count > of * share and tail < DOUBT


@given(st.integers(1, 300), st.floats(0, 1), st.floats(0.0005, 0.9))
def test_a_count_is_beyond_a_share_exactly_when_the_binomial_tail_is_small(of, part, share):
    count = round(of * part)
    assert is_beyond(count, of, share) == naive_is_beyond(count, of, share)


def test_many_requests_are_no_trouble():
    assert not is_beyond(10_000, 1_000_000, 0.01)
    assert not is_beyond(10_300, 1_000_000, 0.01)
    assert is_beyond(10_500, 1_000_000, 0.01)
    assert is_beyond(1_000_000, 1_000_000, 0.001)


@pytest.mark.parametrize(("share", "is_so"), [(0.0, True), (1.0, False)])
def test_shares_of_nothing_and_of_all(share, is_so):
    assert is_beyond(1, 50, share) is is_so
    assert is_beyond(0, 50, share) is False


def naive_psi(champion, challenger):
    """PSI by a loop over scores; a bin is known by the bounds that are below it."""
    ordered = sorted(champion)
    edges = sorted({ordered[_nearest(i * (len(ordered) - 1) / 10)] for i in range(11)})
    bounds = []
    for edge in edges:
        near = min((abs(edge - other) for other in edges if other != edge), default=0.0) / 20
        near = max(near, 1e-9 * abs(edge), 5e-324 if edge else 2.3e-308)
        bounds += [edge - near, edge + near]

    def binned(scores):
        return Counter(sum(bound < s for bound in bounds) for s in scores)

    expected, found = binned(champion), binned(challenger)
    bins = expected.keys() | found.keys()
    total = 0.0
    for place in bins:
        p = (expected[place] + 0.5) / (len(champion) + 0.5 * len(bins))
        q = (found[place] + 0.5) / (len(challenger) + 0.5 * len(bins))
        total += (q - p) * math.log(q / p)
    return total, (len(bins) - 1) * (1 / len(champion) + 1 / len(challenger))


def _nearest(place):
    return math.floor(place + 0.5)


@given(
    st.lists(st.integers(0, 30).map(lambda n: n / 8), min_size=1, max_size=120),
    st.lists(st.integers(0, 40).map(lambda n: n / 8), min_size=1, max_size=120),
)
def test_psi_is_that_of_a_loop_over_the_scores(champion, challenger):
    psi, chance = score_psi(pl.Series(champion), pl.Series(challenger))
    assert (psi, chance) == pytest.approx(naive_psi(champion, challenger))


def test_psi_is_near_its_chance_for_equal_scores_and_far_for_others():
    draw = random.Random(1)
    for _ in range(50):
        champion = pl.Series([draw.betavariate(2, 5) for _ in range(2_000)])
        same = pl.Series([draw.betavariate(2, 5) for _ in range(500)])
        psi, chance = score_psi(champion, same)
        assert psi < 2.5 * chance
        assert not is_far(psi, chance, 20, 0.0)
        psi, chance = score_psi(champion, pl.Series([s**2 for s in same]))
        assert psi > 1
        assert is_far(psi, chance, 20, 0.2)


def test_scores_of_one_value_are_told_apart():
    """A constant has all its deciles in one place; another constant is on either side of it."""
    for other in (0.4, 0.6):
        assert score_psi(pl.Series([0.5] * 500), pl.Series([other] * 500))[0] > 5
    assert score_psi(pl.Series([0.5] * 500), pl.Series([0.5] * 500))[0] == 0


@pytest.mark.parametrize(("away", "far"), [(1e-6, False), (0.001, False), (0.05, True)])
def test_a_value_that_most_entities_share_may_differ_a_little(away, far):
    """As of entities that nobody knows: without this, another rounding of their score is another world."""
    draw = random.Random(2)
    some = [draw.betavariate(2, 5) for _ in range(600)]
    champion, challenger = pl.Series([*some[:300], *[0.25] * 700]), pl.Series([*some[300:], *[0.25 + away] * 700])
    psi, chance = score_psi(champion, challenger)
    assert is_far(psi, chance, 20, 0.2) is far
    assert far or psi < 0.2


def test_scores_of_two_values_in_other_shares_are_told_apart():
    champion, challenger = pl.Series([0.0] * 900 + [1.0] * 100), pl.Series([0.0] * 600 + [1.0] * 400)
    p, q = (0.9, 0.1), (0.6, 0.4)
    expected = sum((b - a) * math.log(b / a) for a, b in zip(p, q, strict=True))
    assert score_psi(champion, challenger)[0] == pytest.approx(expected, rel=0.02)
