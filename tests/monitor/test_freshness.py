"""Ages against SLAs, and the table that people read."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from featurectl.core.units import HOUR_US, MINUTE_US
from featurectl.language.definitions.about import Freshness
from featurectl.language.definitions.source import Source
from featurectl.language.definitions.view import Feature, FeatureView
from featurectl.monitor.freshness import FreshnessRow, age_at, judge_age, rows_of_features, with_worst_sla
from featurectl.render.status import render_ages, render_status, status_json

NOW = datetime(2026, 11, 24, 13, 0, tzinfo=UTC)
SLA = Freshness(warn_after_us=HOUR_US, error_after_us=6 * HOUR_US)


@pytest.mark.parametrize(
    ("age_us", "freshness", "expected"),
    [
        (HOUR_US, SLA, ("OK", 0)),
        (HOUR_US + 1, SLA, ("WARN", 1)),
        (6 * HOUR_US, SLA, ("WARN", 5 * HOUR_US)),
        (6 * HOUR_US + 1, SLA, ("STALE", 1)),
        (10 * HOUR_US, Freshness(warn_after_us=HOUR_US), ("WARN", 9 * HOUR_US)),
        (10 * HOUR_US, Freshness(error_after_us=HOUR_US), ("STALE", 9 * HOUR_US)),
        (10 * HOUR_US, None, ("OK", 0)),
        (None, SLA, ("OK", 0)),
    ],
)
def test_a_bound_itself_still_holds(age_us, freshness, expected):
    assert judge_age(age_us, freshness) == expected


VIEW = FeatureView(
    name="spend", kind="state", entity=None, source=Source(name="s", format="csv", columns={}), join={}, where=None,
    inputs=(), freshness=SLA,
    features=(
        Feature(name="slow", op="latest", column="a", dtype="int64", freshness=Freshness(error_after_us=24 * HOUR_US)),
        Feature(name="fast", op="latest", column="b", dtype="int64", freshness=Freshness(warn_after_us=MINUTE_US)),
        Feature(name="none", op="latest", column="d", dtype="int64", freshness=Freshness()),
        Feature(name="plain", op="latest", column="c", dtype="int64"),
    ),
)  # fmt: skip


@given(st.none() | st.integers(0, 48 * HOUR_US))
def test_a_feature_is_judged_by_its_own_sla_and_by_the_age_of_its_view(age_us):
    verdict, over_us = judge_age(age_us, SLA)
    row = FreshnessRow(kind="view", name="spend", version=3, verdict=verdict, over_us=over_us, age_us=age_us)
    found = {part.name: part for part in rows_of_features(row, VIEW)}
    assert set(found) == {"spend:slow", "spend:fast", "spend:none"}
    age = age_us or 0
    assert found["spend:slow"].verdict == ("STALE" if age > 24 * HOUR_US else "OK")
    assert found["spend:fast"].verdict == ("WARN" if age > MINUTE_US else "OK")
    assert found["spend:none"].verdict == "OK"
    assert {part.label for part in found.values()} == {"spend@3:slow", "spend@3:fast", "spend@3:none"}
    grave = ("OK", "WARN", "STALE")
    worst = max([verdict, *(part.verdict for part in found.values())], key=grave.index)
    assert with_worst_sla(row, VIEW).verdict == worst


def test_features_of_a_view_that_can_t_be_looked_at_have_no_rows():
    row = FreshnessRow(kind="view", name="spend", version=3, verdict="ERROR", error="gone")
    assert (rows_of_features(row, VIEW), with_worst_sla(row, VIEW)) == ([], row)


def test_features_that_break_their_own_sla_are_shown_and_all_on_request():
    row = FreshnessRow(
        kind="view", name="spend", version=3, verdict="OK", freshness=SLA, age_us=30 * MINUTE_US, last_event=NOW
    )
    rows = [row, *rows_of_features(row, VIEW)]
    assert render_status(rows).splitlines() == [
        "view    last event        age     SLA (warn/error)  state  version  rows  online keys  computed",
        "spend   2026-11-24 13:00  30 min  1h / 6h           OK     3        -     -            -",
        "  fast  2026-11-24 13:00  30 min  1m / -            WARN   3        -     -            -         +29 min over",
        "",
        "1 ok, 1 warn.",
    ]
    whole = render_status(rows, verbose=True).splitlines()
    assert [line.split()[0] for line in whole[1:5]] == ["spend", "slow", "fast", "none"]
    assert whole[-1] == "3 ok, 1 warn."
    document = status_json(rows[2], NOW)
    assert (document["kind"], document["name"], document["state"]) == ("feature", "spend:fast", "WARN")
    assert (document["warn_after_seconds"], document["age_seconds"]) == (60.0, 1800.0)


def test_an_age_is_counted_from_now():
    assert age_at(NOW, datetime(2026, 11, 24, 12, 41, tzinfo=UTC)) == 19 * MINUTE_US
    assert age_at(NOW, None) is None


GOLDEN = """\
view               last event        age         SLA (warn/error)  state  version  rows   online keys  computed
customer_spend     2026-11-24 12:41  19 min      1h / 6h           OK     2        1.2 M  84,201       2026-11-24 12:45
customer_sessions  2026-11-24 03:02  9 h 58 min  1h / 6h           STALE  1        310 k  79,020       2026-11-24 03:10  +3 h 58 min over
customer_old       2026-11-20 03:02  4 d 10 h    -                 OK     1        5      -            2026-11-21 01:00
facts              -                 -           - / 6h            OK     1        103    103          2026-11-24 12:45
orders (source)    -                 -           30m / 2h          ERROR  file not found: data/orders.parquet

3 ok, 1 stale, 1 error."""  # noqa: E501  # lines of a file or a screen


def rows():
    def at(*parts):
        return datetime(2026, 11, *parts, tzinfo=UTC)

    return [
        FreshnessRow(
            kind="view", name="customer_spend", verdict="OK", freshness=SLA, last_event=at(24, 12, 41),
            age_us=19 * MINUTE_US, version=2, rows=1_200_000, online_keys=84_201, computed_at=at(24, 12, 45),
        ),
        FreshnessRow(
            kind="view", name="customer_sessions", verdict="STALE", freshness=SLA, last_event=at(24, 3, 2),
            age_us=9 * HOUR_US + 58 * MINUTE_US, over_us=3 * HOUR_US + 58 * MINUTE_US, version=1, rows=310_000,
            online_keys=79_020, computed_at=at(24, 3, 10),
        ),
        FreshnessRow(
            kind="view", name="customer_old", verdict="OK", last_event=at(20, 3, 2), age_us=106 * HOUR_US, version=1,
            rows=5, computed_at=at(21, 1, 0),
        ),
        FreshnessRow(
            kind="view", name="facts", verdict="OK", freshness=Freshness(error_after_us=6 * HOUR_US), version=1,
            rows=103, online_keys=103, computed_at=at(24, 12, 45),
        ),
        FreshnessRow(
            kind="source", name="orders", verdict="ERROR",
            freshness=Freshness(warn_after_us=30 * MINUTE_US, error_after_us=2 * HOUR_US),
            error="file not found: data/orders.parquet",
        ),
    ]  # fmt: skip


def test_status_is_drawn_as_the_reference_draws_it():
    assert render_status(rows()) == GOLDEN


def test_json_has_ages_in_seconds_and_the_error():
    stale, error = (status_json(rows()[number], NOW) for number in (1, 4))
    assert (stale["age_seconds"], stale["over_seconds"]) == (35_880.0, 14_280.0)
    assert (stale["event_age_seconds"], stale["computed_age_seconds"]) == (35_880.0, 35_400.0)
    assert (error["state"], error["error"]) == ("ERROR", "file not found: data/orders.parquet")


AGES = """\
view             newest event  newest available  computed  stale entities
spend            1 h           30 min            10 min    3 of 8 (37.5%)
none             -             -                 -         0 of 0
orders (source)  1 h           30 min            -         -"""


def test_three_ages_are_drawn_with_the_share_of_stale_entities():
    clocks = {"last_event": datetime(2026, 11, 24, 12, 0, tzinfo=UTC)}
    clocks["last_available"] = datetime(2026, 11, 24, 12, 30, tzinfo=UTC)
    computed = datetime(2026, 11, 24, 12, 50, tzinfo=UTC)
    shown = [
        FreshnessRow(
            kind="view", name="spend", verdict="OK", computed_at=computed, entities=8, stale_entities=3, **clocks
        ),
        FreshnessRow(kind="view", name="none", verdict="OK", entities=0, stale_entities=0),
        FreshnessRow(kind="source", name="orders", verdict="OK", **clocks),
    ]
    assert render_ages(shown, NOW) == AGES
    assert [status_json(row, NOW)["stale_share"] for row in shown] == [0.375, None, None]
