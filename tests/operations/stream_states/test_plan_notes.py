"""What `plan` says of the states of streams."""

from dataclasses import replace

import pytest

from featurectl.core.units import MINUTE_US
from featurectl.operations.stream_states.event_counts import EventCounts
from featurectl.operations.stream_states.plan_notes import state_notes
from tests.definitions import with_feature, with_source
from tests.operations.stream_states.test_event_counts import VIEW

FEW = EventCounts(
    window_us=7 * 24 * 60 * MINUTE_US, events=12_000_000, entities=1_000_000, middle=12, most_of_999=300, greatest=4_096
)
MANY = replace(FEW, greatest=90_112, one_in=4)


def test_the_memory_of_a_state_is_told_with_its_events():
    (found,) = state_notes(VIEW, FEW)
    assert found == (
        "12 events of an entity in 7d (99.9 %: 300, greatest: 4,096) at the end of arrivals: the state of 1.0 M "
        "entities takes about 324.0 MB"
    )


def test_where_an_entity_has_many_a_hop_is_advised():
    some, advice = state_notes(VIEW, MANY)
    assert "greatest: 90,112, of one in 4)" in some
    assert advice == (
        "an answer of an entity reads all of its 90,112 events: `hop: 6h` keeps steps in their place, with windows "
        "less than 6h longer"
    )
    hopping = replace(VIEW, hop_us=5 * MINUTE_US)
    assert len(list(state_notes(hopping, MANY))) == 1


@pytest.mark.parametrize(
    ("view", "told"),
    [
        (with_source(VIEW, dedup_key=("at",)), "needs a source without `dedup_key`"),
        (with_feature(VIEW, "count_1d", op="median"), "and goes without median"),
        (with_feature(VIEW, "count_1d", offset_us=5), "`hop: 6h` keeps steps"),
        (with_feature(VIEW, "count_1d", window_us=3), "windows as short as these have no `hop`"),
    ],
)
def test_advice_says_what_a_hop_would_need(view, told):
    *_, advice = state_notes(view, MANY)
    assert told in advice
