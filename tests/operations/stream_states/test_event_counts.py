"""Events an entity at the end of a history, held against a count of one row after another."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import ceil

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from featurectl.core.units import DAY_US, HOUR_US
from featurectl.language.definitions.stream import Stream
from featurectl.operations.stream_states.event_counts import EventCounts, count_events
from featurectl.operations.stream_states.sizes import event_bytes, longest_window_us, most_steps, state_bytes
from tests.definitions import ARRIVALS, DELAYS, with_feature
from tests.seeds import examples

LIVE = replace(
    ARRIVALS, name="live", format="stream", path="", available_at=None, stream=Stream(topic="a"), history=ARRIVALS
)
VIEW = replace(DELAYS, source=LIVE)
START = datetime(2026, 1, 1, tzinfo=UTC)
SCHEMA = {
    "carrier": pl.String, "origin": pl.String, "arr_delay": pl.Float64,
    "at": pl.Datetime("us", "UTC"), "known_at": pl.Datetime("us", "UTC"),
}  # fmt: skip
ROWS = st.lists(
    st.tuples(
        st.sampled_from(["AA", "AA", "B6", "UA", None]),
        st.sampled_from([1.0, 20.0, None]),
        st.one_of(st.none(), st.sampled_from([0, 1, 30, 168, 169, 200])),
        st.booleans(),
    ),
    max_size=40,
)


def frame(rows):
    return pl.DataFrame(
        [
            (carrier, "JFK", delay, hour if hour is None else START + timedelta(hours=hour), START if known else None)
            for carrier, delay, hour, known in rows
        ],
        schema=SCHEMA,
        orient="row",
    )


def naively(rows):
    """The same by the definition: of rows that a view takes, in (newest - 7d, newest]."""
    taken = [(c, hour) for c, delay, hour, known in rows if None not in (c, delay, hour) and known]
    if not taken:
        return None
    newest = max(hour for _, hour in taken)
    counts = sorted(Counter(c for c, hour in taken if hour > newest - 24 * 7).values())

    def at(share):
        return next(count for count in counts if sum(c <= count for c in counts) >= ceil(share * len(counts)))

    return EventCounts(
        window_us=7 * DAY_US,
        events=sum(counts),
        entities=len(counts),
        middle=at(0.5),
        most_of_999=at(0.999),
        greatest=max(counts),
    )


@given(rows=ROWS)
@settings(max_examples=examples(40), deadline=None)
def test_events_are_counted_as_one_by_one(rows):
    assert longest_window_us(VIEW) == 7 * DAY_US
    assert count_events(frame(rows).lazy(), ARRIVALS, VIEW) == naively(rows)


def test_of_many_entities_one_in_so_many_is_counted():
    hours = [(f"c{number}", 1.0, 1, True) for number in range(4_000) for _ in range(1 + number % 2)]
    found = count_events(frame(hours).lazy(), ARRIVALS, VIEW, most_entities=1_000)
    assert found is not None
    assert found.one_in in (4, 5)
    assert 3_400 < found.entities < 4_600
    assert 5_000 < found.events < 7_000
    assert (found.greatest, found.most_of_999) == (2, 2)


def test_a_view_without_entity_is_one_and_lifetimes_are_not_counted():
    rows = frame([("AA", 1.0, hour, True) for hour in range(5)]).lazy()
    everyone = replace(VIEW, entity=None, join={})
    found = count_events(rows, ARRIVALS, everyone)
    assert found is not None
    assert (found.entities, found.middle, found.greatest) == (1, 5, 5)
    lifetimes = replace(VIEW, features=tuple(replace(f, window_us=None) for f in VIEW.features))
    assert count_events(rows, ARRIVALS, lifetimes) is None


def test_an_event_of_a_float_takes_16_bytes_and_24_with_a_hash():
    one = replace(VIEW, inputs=VIEW.inputs[:1], source=replace(LIVE, dedup_key=()))
    assert [item.dtype for item in one.inputs] == ["float64"]
    assert event_bytes(one) == 16
    keyed = replace(one, source=replace(LIVE, dedup_key=("at",)))
    assert event_bytes(keyed) == 24
    assert state_bytes(one, 300) == 120 + 300 * 16
    assert state_bytes(keyed, 3_000, 10) == 10 * 120 + 3_000 * 24


def test_a_state_with_a_hop_is_bounded_by_its_steps():
    hops = replace(VIEW, hop_us=6 * HOUR_US, source=replace(LIVE, dedup_key=()))
    assert most_steps(hops) == 29
    assert state_bytes(hops, 10**9) == state_bytes(hops, 29)
    assert state_bytes(hops, 10**9, 2) == 2 * state_bytes(hops, 29)
    assert longest_window_us(with_feature(hops, "count_1d", offset_us=8 * DAY_US)) == 9 * DAY_US
