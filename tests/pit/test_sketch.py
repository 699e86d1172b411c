"""approx_count_distinct: exact for few values, near for many, a function of the set of values alone."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from featurectl.pit.hyperloglog import EXACT_VALUES
from featurectl.pit.naive import aggregate_naively
from featurectl.pit.questions import WindowQuestion
from tests.pit.frames import ask, rows_of

QUESTION = WindowQuestion(name="x", op="approx_count_distinct", column="v", window_us=None)


def distinct(values, dtype=None) -> int:
    rows = rows_of(list(enumerate(values)), dtype=dtype)
    (found,) = ask(rows, [len(values)], "approx_count_distinct")
    return found


@pytest.mark.parametrize("count", [1, EXACT_VALUES - 1, EXACT_VALUES])
def test_few_values_are_counted(count):
    assert distinct([f"value {i % count}" for i in range(count + 500)]) == count


@pytest.mark.parametrize("count", [EXACT_VALUES + 1, 3_000, 20_000, 100_000])
@pytest.mark.sample(2)
def test_many_values_are_near_their_number_without_a_bias(count):
    errors = [distinct(range(seed * 10**9, seed * 10**9 + count)) / count - 1 for seed in range(1, 9)]
    assert max(map(abs, errors)) < 4 * 0.01625
    assert abs(np.mean(errors)) < 3 * 0.01625 / len(errors) ** 0.5


def test_the_estimate_depends_on_neither_order_repeats_nor_other_keys():
    values = [f"v{i}" for i in range(5_000)]
    shuffled = np.random.default_rng(1).permutation(values * 2).tolist()
    assert distinct(values) == distinct(shuffled) == aggregate_naively(QUESTION, values)
    beside = pl.concat([rows_of([(1, "v3"), (2, "w")], key="a"), rows_of(list(enumerate(values)))])
    assert ask(beside, [5_000], "approx_count_distinct") == [distinct(values)]


def test_the_estimate_of_known_values_never_changes():
    """A stored value must be found again by any later version."""
    assert distinct(range(10_000)) == PINNED["int64"]
    assert distinct([f"v{i}" for i in range(10_000)]) == PINNED["string"]


PINNED = {"int64": 10_055, "string": 10_078}
