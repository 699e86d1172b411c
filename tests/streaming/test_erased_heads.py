"""A head without erased rows is what it would be had they never come, as far as it has rows; tiles before go whole."""

from __future__ import annotations

from random import Random

import pytest

from featurectl.core.units import from_us
from featurectl.online.stream_state.compaction import fold
from featurectl.online.stream_state.head import no_head, pack_head, unpack_head
from featurectl.online.stream_state.layout import layout_of
from featurectl.streaming.erased_lists import cleaned_head
from tests.online.stream_state.events import Stream, random_view
from tests.seeds import seeds_from


@pytest.mark.parametrize("seed", seeds_from(0, 60))
@pytest.mark.sample(15)
def test_a_cleaned_head_has_the_later_rows_alone(seed: int):
    random = Random(seed)
    view = random_view(random)
    layout = layout_of(view)
    stream = Stream(random=random, layout=layout, view=view, share_of_copies=0.0)
    for _ in range(random.randrange(1, 25)):
        stream.claim()
    records = [stream.record(event) for event in stream.events]
    until_us = random.choice(records).available_us - random.randrange(2)
    later = [record for record in records if min(record.event_us, record.available_us) > until_us]
    head = unpack_head(pack_head(fold(no_head(layout), records, stream.clock_us, layout), layout), layout)
    found = cleaned_head(head, layout, from_us(until_us), whole=True)
    assert (found.asof_us, found.frontier, found.lifetime) == (head.asof_us, head.frontier, None)
    assert cleaned_head(found, layout, from_us(until_us), whole=True) is found
    wanted = fold(no_head(layout), later, stream.clock_us, layout)
    if layout.hop_us is not None:
        assert all(number * layout.hop_us > until_us for number in found.tiles.numbers)
        assert {*found.tiles.numbers} <= {*wanted.tiles.numbers}
    elif layout.kind == "event":
        assert [*found.rows.event_us] == [*wanted.rows.event_us]
        assert [*found.rows.available_us] == [*wanted.rows.available_us]
    else:  # of a state an older row may be gone for a newer one that was erased
        assert {*found.rows.event_us} <= {record.event_us for record in later}
    assert unpack_head(pack_head(found, layout), layout).rows.height == found.rows.height
