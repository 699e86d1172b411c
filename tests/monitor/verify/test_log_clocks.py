"""As of when a row of the prediction log was answered: requests, and events, of each kind of view."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import polars as pl

from featurectl.language.definitions.source import Source
from featurectl.language.definitions.view import FeatureView
from featurectl.monitor.verify.log_clocks import RowClocks, row_clocks

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
MINUTE, INSTANT = timedelta(minutes=1), pl.Datetime("us", "UTC")
PUSHED = FeatureView(
    name="v",
    kind="event",
    entity=None,
    source=Source(name="files", format="csv"),
    join={},
    where=None,
    inputs=(),
    features=(),
)
STREAM = replace(PUSHED, source=Source(name="swipes", format="stream"))


def asked(view: FeatureView, pushed: list[datetime], *, events: bool = True) -> RowClocks:
    """The clocks of a request, and of an event that came 20 minutes late."""
    times, known = [AT, AT - 20 * MINUTE], [None, AT]
    log = pl.DataFrame({"time": times, "known_at": known}, schema={"time": INSTANT, "known_at": INSTANT})
    return row_clocks(view, log if events else log.drop("known_at"), pl.Series(pushed, dtype=INSTANT))


def test_a_stream_is_asked_as_of_the_events_time_and_what_was_known():
    for view in (STREAM, replace(STREAM, kind="state")):
        found = asked(view, [AT - MINUTE, AT])
        assert found.known is not None
        assert (found.at.to_list(), found.known.to_list()) == ([AT - MINUTE, AT - 20 * MINUTE], [AT - MINUTE, AT])
        assert (found.read_at.to_list(), found.is_event.to_list()) == ([AT, AT], [False, True])


def test_windows_that_were_pushed_are_those_of_their_push():
    found = asked(PUSHED, [AT - MINUTE, AT - 2 * MINUTE])
    assert (found.at.to_list(), found.known) == ([AT - MINUTE, AT - 2 * MINUTE], None)
    assert found.read_at.to_list() == [AT, AT]


def test_a_state_that_was_pushed_is_the_newest_by_when_it_was_read():
    view = replace(PUSHED, kind="state")
    found = asked(view, [AT - MINUTE, AT - MINUTE])
    assert found.known is not None
    assert (found.at.to_list(), found.known.to_list()) == ([AT, AT - 20 * MINUTE], [AT, AT])
    later = asked(view, [AT - MINUTE, AT + MINUTE]).known
    assert later is not None
    assert later.to_list() == [AT, AT + MINUTE]


def test_a_log_without_events_has_one_clock():
    for view in (STREAM, PUSHED, replace(PUSHED, kind="state")):
        found = asked(view, [AT, AT], events=False)
        assert (found.known, found.is_event.any()) == (None, False)
