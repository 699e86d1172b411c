"""Lists of a stream's view answer as pushed rows do: statuses, defaults, derived features, instants."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from featurectl.core.errors import DataError
from featurectl.core.units import from_us
from featurectl.online.base import OnlineView
from featurectl.online.read import Answer
from featurectl.online.stream_state.answers import StreamViewReader
from featurectl.online.stream_state.base import EntityList
from featurectl.online.stream_state.compaction import AppliedInstants, compact
from featurectl.online.stream_state.layout import layout_of
from featurectl.online.stream_state.record import EventRecord, pack_record
from tests.definitions import ARRIVALS, COUNT, DELAYS, LATEST

ASOF = 1_790_000_000_000_000
NOW = from_us(ASOF + 500_000)
AHEAD = EventRecord(0, 1, ASOF + 600_000_000, ASOF - 1, 0, (), (5.0, True))  # in time, but dated ten minutes later
STREAM = replace(ARRIVALS, format="stream", available_at=None)
EVENTS, STATES = replace(DELAYS, source=STREAM), replace(LATEST, source=STREAM)


def reader_of(view, layout=None) -> StreamViewReader:
    features = {feature.name: feature.dtype or "" for feature in view.features}
    online = OnlineView(
        project="p", env="dev", view=view.name, version=3, keys={"carrier": "string"}, features=features,
        versioned_by="event" if view.kind == "state" else "computed",
    )  # fmt: skip
    return StreamViewReader(view, online, layout or layout_of(view))


def list_of(view, *events: tuple[int, tuple[object, ...]]) -> EntityList:
    layout = layout_of(view)
    records = [
        EventRecord(0, place, ASOF - ago, ASOF - ago + 1, 0, (), values) for place, (ago, values) in enumerate(events)
    ]
    return EntityList(elements=[pack_record(record, layout) for record in records], marks=None)


def shown(answer: Answer) -> dict[str, tuple[object, str, bool]]:
    return {name: (of.value, of.status, of.defaulted) for name, of in answer.values.items()}


def test_an_event_view_answers_as_of_the_register():
    answer = reader_of(EVENTS).answer(list_of(EVENTS, (9_000_000, (30.0, True)), (5_000_000, (None, None))), ASOF, NOW)
    assert shown(answer) == {
        "arr_delay_mean_7d": (30.0, "PRESENT", False),
        "count_1d": (2, "PRESENT", False),
        "late_rate_1d": (1.0, "PRESENT", False),
        "trend": (15.0, "PRESENT", False),
    }
    assert (answer.version, answer.asof, answer.computed_at, answer.read_at) == (3, from_us(ASOF), from_us(ASOF), NOW)
    assert (answer.event_time, answer.age_us) == (from_us(ASOF - 5_000_000), 5_500_000)


@pytest.mark.parametrize(("nan", "mean"), [("null", None), ("keep", float("inf"))])
def test_a_sum_that_overflows_is_null_unless_the_source_keeps_such(nan, mean):
    view = replace(EVENTS, source=replace(STREAM, nan=nan))
    reader, found = reader_of(view), list_of(view, (9_000_000, (1e308, True)), (5_000_000, (1e308, None)))
    assert reader.answer(found, ASOF, NOW).values["arr_delay_mean_7d"].value == mean
    alone, together = reader.values(found, ASOF), reader.values_of_many([found] * 8, ASOF)
    assert alone is not None
    assert mean in alone.values
    assert together == [alone] * 8


def test_an_entity_without_a_list_has_no_events():
    answer = reader_of(EVENTS).answer(EntityList(elements=[], marks=None), ASOF, NOW)
    assert shown(answer)["count_1d"] == (0, "NOT_FOUND", False)
    assert shown(answer)["arr_delay_mean_7d"] == (None, "NOT_FOUND", False)
    assert (answer.event_time, answer.asof) == (None, from_us(ASOF))


def test_an_answer_is_as_of_a_head_that_is_ahead_of_the_register():
    found = list_of(EVENTS, (9_000_000, (30.0, True)))
    later = AppliedInstants(applied_us={0: ASOF + 7}, asof_us=ASOF + 7, clock_us=ASOF + 7)
    head = compact(found.elements, layout_of(EVENTS), later).head
    answer = reader_of(EVENTS).answer(EntityList(elements=[head], marks=None), ASOF, NOW)
    assert answer.asof == from_us(ASOF + 7)


def test_an_event_that_is_dated_ahead_hides_no_older_one():
    layout, long_ago = layout_of(EVENTS), 30 * 86_400_000_000
    found = list_of(EVENTS, (long_ago, (30.0, True)))
    found = found._replace(elements=[*found.elements, pack_record(AHEAD, layout)])
    before = reader_of(EVENTS).answer(found, ASOF, NOW)
    head = compact(found.elements, layout, AppliedInstants(applied_us={0: ASOF}, asof_us=ASOF, clock_us=ASOF)).head
    after = reader_of(EVENTS).answer(EntityList(elements=[head], marks=None), ASOF, NOW)
    assert (shown(after), after.event_time) == (shown(before), before.event_time)
    assert after.event_time == from_us(ASOF - long_ago)


def test_events_that_are_folded_count_before_the_newest_event():
    ever = replace(COUNT, name="count_ever", window_us=None)
    view = replace(EVENTS, features=(ever,), derived=())
    found = list_of(view, (30 * 86_400_000_000, (30.0, True)), (1_000_000, (5.0, True)))
    applied = AppliedInstants(applied_us={0: ASOF}, asof_us=ASOF, clock_us=ASOF)
    head = compact(found.elements, layout_of(view), applied).head
    answer = reader_of(view).answer(EntityList(elements=[head], marks=None), ASOF, asked=from_us(ASOF - 1_500_000))
    assert shown(answer) == {"count_ever": (1, "PRESENT", False)}


def test_a_state_view_answers_the_newest_row():
    found = list_of(STATES, (9_000_000, (30.0, 0.5)), (5_000_000, (None, 0.25)))
    answer = reader_of(STATES).answer(found, ASOF, NOW)
    assert shown(answer) == {"arr_delay": (1.5, "NULL", True), "hours": (0.25, "PRESENT", False)}
    assert (answer.asof, answer.read_at) == (from_us(ASOF), NOW)


def test_a_state_that_is_too_old_is_none():
    old_us = (STATES.ttl_us or 0) + 1
    answer = reader_of(STATES).answer(list_of(STATES, (old_us, (30.0, 0.5))), ASOF, NOW)
    assert shown(answer) == {"arr_delay": (1.5, "NOT_FOUND", True), "hours": (None, "NOT_FOUND", False)}


def test_a_feature_that_the_lists_do_not_have_yet_is_not_zero():
    month = replace(COUNT, name="count_30d", window_us=30 * 86_400_000_000)
    wider = replace(EVENTS, features=(*EVENTS.features, month))
    reader = reader_of(wider, layout_of(EVENTS))
    for found in (list_of(EVENTS, (9_000_000, (30.0, True))), EntityList(elements=[], marks=None)):
        assert shown(reader.answer(found, ASOF, NOW))["count_30d"] == (None, "NOT_FOUND", False)
    reader.check(["count_1d", "trend"])
    with pytest.raises(
        DataError, match=f"feature count_30d of view {wider.name}@3 is not online yet: no worker"
    ) as told:
        reader.check(["count_1d", "count_30d"])
    assert told.value.code == "FC550"


def test_what_is_derived_of_a_feature_that_lists_lack_is_lacking_too():
    layout = replace(layout_of(EVENTS), span_us=86_400_000_000)
    [trend] = EVENTS.derived
    assert trend.expression.text == "arr_delay_mean_7d / count_1d"
    assert reader_of(EVENTS, layout).lacking == ("arr_delay_mean_7d", "trend")
    assert reader_of(EVENTS).lacking == ()


def test_a_list_that_a_master_lost_has_no_answer():
    [none, some] = reader_of(EVENTS).answers([None, EntityList(elements=[], marks=None)], ASOF, NOW)
    assert (none, some is None) == (None, False)


@pytest.mark.parametrize("view", [EVENTS, STATES])
def test_a_key_with_a_null_has_no_value(view):
    answer = reader_of(view).unknown(ASOF, NOW + timedelta(seconds=1))
    assert {of.status for of in answer.values.values()} == {"NOT_FOUND"}
    assert {of.value for of in answer.values.values()} <= {None, 1.5}
