"""The time rule says in one line which rows answer for an instant."""

from dataclasses import replace

import pytest

from featurectl.core.units import DAY_US, HOUR_US
from featurectl.language.definitions.stream import Stream
from featurectl.render.time_rule import render_time_rules, time_rule
from tests.definitions import ARRIVALS, COUNT, DELAYS, LATEST

DELAYED = replace(ARRIVALS, available_at=None, delay_us=HOUR_US)
PLAIN = replace(ARRIVALS, available_at=None)
STREAM = replace(PLAIN, format="stream", stream=Stream(topic="arrivals"))
STATIC = replace(PLAIN, event_time=None)
LIFETIME = replace(COUNT, window_us=None)
OFFSET = replace(COUNT, offset_us=7 * DAY_US)


@pytest.mark.parametrize(
    ("view", "rule"),
    [
        (DELAYS, "all rows with t - window <= event_time < t and known_at <= t; windows 1d, 7d"),
        (
            replace(DELAYS, closed="right", source=DELAYED, features=(COUNT, LIFETIME, OFFSET)),
            "all rows with t - window < event_time <= t and at + 1h <= t; windows 1d, 1d ending 7d ago, lifetime",
        ),
        (
            replace(DELAYS, hop_us=HOUR_US // 4),
            (
                "all rows with floor(t - window, 15m) <= event_time < t and known_at <= t; "
                "windows 1d, 7d, each less than 15m longer"
            ),
        ),
        (
            replace(DELAYS, hop_us=HOUR_US, features=(LIFETIME,)),
            "all rows with floor(t - window, 1h) <= event_time < t and known_at <= t; windows lifetime",
        ),
        (replace(LATEST, ttl_us=3 * HOUR_US), "the latest row with t - 3h <= event_time <= t and known_at <= t"),
        (replace(LATEST, ttl_us=None, source=PLAIN), "the latest row with event_time <= t and known from at on"),
        (replace(LATEST, source=STATIC), "the row of the key, true and known at every t"),
        (
            replace(DELAYS, source=STREAM),
            (
                "all rows with t - window <= event_time < t and taken by a worker up to t; "
                "windows 1d, 7d, exact at any t"
            ),
        ),
        (
            replace(DELAYS, source=STREAM, hop_us=HOUR_US),
            (
                "all rows with floor(t - window, 1h) <= event_time < t and taken by a worker up to t; "
                "windows 1d, 7d, each less than 1h longer"
            ),
        ),
        (replace(LATEST, source=STREAM), "the latest row with t - 3h <= event_time <= t and taken by a worker up to t"),
    ],
)
def test_a_rule_names_the_clocks_and_the_ends(view, rule):
    assert time_rule(view) == rule


def test_rules_line_up_by_name():
    lines = render_time_rules([LATEST, DELAYS]).splitlines()
    assert [line[:10] for line in lines[1:]] == ["  delays  ", "  latest  "]
