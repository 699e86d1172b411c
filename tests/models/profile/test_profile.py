"""Profiles of models: of categories, and as files."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from featurectl.core.errors import DataError
from featurectl.models.profile import categories
from featurectl.models.profile.categories import MOST, CategoryTally, profile_categories
from featurectl.models.profile.profile import ProfileTally, dump_profile, load_profile, take_profile
from featurectl.registry.state import BoundFeature

VALUES = st.lists(st.one_of(st.none(), st.integers(0, 300).map(str)), max_size=400)
INPUTS = [
    BoundFeature(name="score", dtype="float64", model_dtype="float64"),
    BoundFeature(name="kind", dtype="string", model_dtype="category"),
    BoundFeature(name="on", dtype="bool", model_dtype="category"),
]
ROWS = pl.DataFrame({"score": [1.5, None, 3.0], "kind": ["b", None, "b"], "on": [True, False, True]})


@given(VALUES, VALUES, st.integers(0, 400))
def test_categories_are_counted_as_by_a_loop_in_any_split(reference, window, cut):
    told = profile_categories(pl.Series(reference, dtype=pl.String))
    ranked = sorted(Counter(v for v in reference if v is not None).items(), key=lambda item: (-item[1], item[0]))
    assert dict(told.counts) == dict(ranked[:MOST])
    assert (told.others, told.nulls) == (sum(n for _, n in ranked[MOST:]), reference.count(None))
    tally = CategoryTally(told.counts)
    for part in (window[:cut], window[cut:]):
        tally.add(pl.Series(part, dtype=pl.String))
    found = tally.categories()
    assert dict(found.counts) == {value: window.count(value) for value in told.counts}
    assert (found.rows, found.nulls) == (len(window), window.count(None))


@given(VALUES, VALUES)
def test_texts_in_slots_are_counted_as_by_a_loop(reference, window):
    told = profile_categories(pl.Series(reference, dtype=pl.String))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(categories, "_FEW", 0)
        patched.setattr(categories, "_AT_ONCE", 150)
        tally = CategoryTally(told.counts)
        tally.add(pl.Series([*window, "", "0 ", None], dtype=pl.String))
    found = tally.categories()
    assert dict(found.counts) == {value: window.count(value) for value in told.counts}
    assert (found.rows, found.nulls) == (len(window) + 3, window.count(None) + 1)


def test_a_feature_may_have_the_name_of_the_score():
    taken = take_profile(INPUTS, ROWS, np.array([0.1, 0.2]))
    assert [(c.name, c.kind, c.values.rows) for c in taken.columns] == [
        ("score", "feature", 3), ("kind", "feature", 3), ("on", "feature", 3), ("score", "score", 2),
    ]  # fmt: skip
    assert taken.columns[2].values.counts == {"true": 2, "false": 1}


def test_a_profile_is_read_back_and_the_same_rows_are_the_same_bytes():
    taken = take_profile(INPUTS, ROWS, np.array([0.1, 0.2]))
    content = dump_profile(taken)
    assert content == dump_profile(take_profile(INPUTS, ROWS, np.array([0.1, 0.2])))
    assert dump_profile(load_profile(content)) == content


def test_a_profile_of_another_version_is_refused():
    content = dump_profile(take_profile(INPUTS, ROWS, np.array([0.1, 0.2])))
    with pytest.raises(DataError, match="the profile is of schema version 2, this featurectl reads 1"):
        load_profile(content.replace(b'"schema_version":1', b'"schema_version":2'))


def test_the_rows_of_a_profile_counted_again_are_the_profile():
    taken = take_profile(INPUTS, ROWS, np.array([0.1, 0.2]))
    tally = ProfileTally(taken)
    tally.add(ROWS[:1], pl.Series([0.1]))
    tally.add(ROWS[1:], pl.Series([0.2]))
    assert dump_profile(tally.profile()) == re.sub(
        rb'"distinct":\d+,', b"", re.sub(rb'"stddev":[^,]+', b'"stddev":null', dump_profile(taken))
    )
