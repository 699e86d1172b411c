"""Repeats of events, held against a look at each pair of copies."""

from datetime import UTC, datetime, timedelta

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from featurectl.pit.repeats import find_repeats
from tests.seeds import examples

START = datetime(2026, 1, 1, tzinfo=UTC)
EVENTS = st.lists(
    st.tuples(st.sampled_from(["a", "b", None]), st.sampled_from([1, 2, None]), st.integers(0, 30)), max_size=20
)


def one_by_one(events, reach_us):
    found = []
    for place, (key, name, stamp) in enumerate(events):
        copies = [
            (other, at)
            for at, (other_key, other_name, other) in enumerate(events)
            if (other_key, other_name) == (key, name) and None not in (key, name) and (other, at) < (stamp, place)
        ]
        found.append(bool(copies) and (stamp - max(copies)[0] <= reach_us))
    return found


@given(events=EVENTS, reach_us=st.sampled_from([0, 1, 5, 30]))
@settings(max_examples=examples(60, 200), deadline=None)
def test_repeats_are_copies_within_the_reach_of_the_copy_before(events, reach_us):
    schema = {"key": pl.String, "name": pl.Int64, "at": pl.Datetime("us", "UTC"), "offset": pl.Int64}
    rows = [
        (key, name, START + timedelta(microseconds=stamp), place) for place, (key, name, stamp) in enumerate(events)
    ]
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    found = find_repeats(frame, ["key", "name", "name"], ["at", "offset"], reach_us)
    assert found.to_list() == one_by_one(events, reach_us)
