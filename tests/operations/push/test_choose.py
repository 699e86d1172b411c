"""A table's rows are cut between keys, never inside one."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featurectl.operations.push.choose_entities import cut_between_keys, whole_keys
from tests.seeds import examples

KEYS = st.lists(st.tuples(st.integers(-3, 3), st.sampled_from(["", "a", "b", "é"]), st.booleans()), max_size=40)


def made(keys):
    schema = {"n": pl.Int64, "s": pl.String, "y": pl.Boolean}
    return pl.DataFrame(keys, schema=schema, orient="row").with_row_index("row")


@settings(max_examples=examples(25, 200), deadline=None)
@given(KEYS, st.integers(1, 12))
def test_rows_in_order_are_cut_into_parts_with_all_rows_of_their_keys(keys, size):
    rows = made(sorted(keys))
    parts = list(cut_between_keys(rows, ["n", "s", "y"], size))
    assert pl.concat(parts).equals(rows)
    groups = [set(part.select("n", "s", "y").iter_rows()) for part in parts]
    assert len(set().union(*groups)) == sum(map(len, groups))
    assert all(part.height >= size for part in parts[:-1])
    longest = max((keys.count(key) for key in keys), default=0)
    assert all(part.height < size + longest for part in parts)


@pytest.mark.parametrize(
    "keys", [[(1, "b", True), (1, "a", True), (2, "b", True)], [(2, "a", True)] * 3 + [(1, "a", True)]]
)
def test_rows_that_are_not_in_order_stay_together(keys):
    rows = made(keys)
    assert [part.height for part in cut_between_keys(rows, ["n", "s", "y"], 1)] == [rows.height]


def test_rows_without_keys_stay_together():
    rows = made([(1, "a", True)] * 9)
    assert [part.height for part in cut_between_keys(rows, [], 2)] == [9]


@settings(max_examples=examples(25, 200), deadline=None)
@given(KEYS, st.integers(1, 12))
def test_blocks_of_rows_are_cut_anew_where_keys_end(keys, size):
    rows = made(sorted(keys))
    blocks = [rows[begin : begin + size] for begin in range(0, max(rows.height, 1), size)]
    parts = list(whole_keys(blocks, ["n", "s", "y"]))
    assert pl.concat(parts).equals(rows)
    groups = [set(part.select("n", "s", "y").iter_rows()) for part in parts]
    assert len(set().union(*groups)) == sum(map(len, groups))
    assert len(list(whole_keys(blocks, []))) == 1
    if len(set(keys)) > 2 * size:
        assert len(parts) > 1
