"""Entities whose values are too old, counted in one pass and one at a time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from featurectl.core.units import HOUR_US
from featurectl.expressions.tree import Expression
from featurectl.language.definitions.about import Freshness
from featurectl.language.definitions.entity import Entity
from featurectl.language.definitions.source import NamedExpression, Source
from featurectl.language.definitions.view import Feature, FeatureView
from featurectl.monitor import entities
from featurectl.monitor.entities import StaleEntities, count_stale

NOW = datetime(2026, 1, 10, tzinfo=UTC)
SOURCE = Source(name="s", format="csv", path="s.csv", event_time="at", columns={"k": "string", "at": "timestamp"})
VIEW = FeatureView(
    name="v",
    kind="state",
    entity=Entity(name="k", keys={"k": "string"}),
    source=SOURCE,
    join={"k": "k"},
    where=None,
    inputs=(NamedExpression(name="x", expression=Expression("x")),),
    features=(Feature(name="x", op="latest", column="x", dtype="float64"),),
    derived=(),
)
SCHEMA = {"k": pl.String, "event_time": pl.Datetime("us", "UTC"), "available_at": pl.Datetime("us", "UTC")}


@dataclass(frozen=True)
class Blocks:
    """A table that gives its rows in blocks of some rows."""

    rows: pl.DataFrame

    def version(self):
        return 0

    def blocks(self, version, rows, columns):  # noqa: ARG002  # of the protocol
        yield from (frame.select(columns) for frame in self.rows.iter_slices(rows))


def hours(number):
    return NOW - timedelta(hours=number)


def frame(rows):
    return pl.DataFrame([(k, hours(event), hours(known)) for k, event, known in rows], schema=SCHEMA, orient="row")


def by_hand(view, rows, until, keyed):
    """The definition, an entity at a time."""
    newest = {}
    for k, event, known in rows:
        if hours(event) <= until and hours(known) <= until:
            key = k if keyed else ""
            newest[key] = max(newest.get(key, (hours(event), hours(known))), (hours(event), hours(known)))
    bound = view.freshness.error_after_us if view.freshness else None
    stale = 0
    for event, known in newest.values():
        expired = view.ttl_us is not None and NOW - event > timedelta(microseconds=view.ttl_us)
        late = bound is not None and NOW - known > timedelta(microseconds=bound)
        stale += expired or late
    return StaleEntities(entities=len(newest), stale=stale)


ROWS = st.lists(st.tuples(st.sampled_from("abcd"), st.integers(-3, 30), st.integers(-3, 30)), max_size=30)
BOUND = st.none() | st.integers(1, 25)


@given(ROWS, BOUND, BOUND, st.integers(0, 10), st.booleans(), st.integers(1, 7))
def test_stale_entities_are_those_that_an_entity_at_a_time_finds(rows, ttl, sla, pushed, keyed, block):  # noqa: PLR0913, PLR0917  # fixtures and the columns of its table
    freshness = Freshness(error_after_us=sla * HOUR_US) if sla else None
    view = replace(VIEW, ttl_us=ttl * HOUR_US if ttl else None, freshness=freshness)
    view = view if keyed else replace(view, entity=None, join={})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(entities, "_ROWS", block)
        found = count_stale(view, Blocks(frame(rows)), hours(pushed), NOW)
    wanted = by_hand(view, rows, hours(pushed), keyed) if ttl or sla else None
    assert found == wanted


def test_what_has_no_bound_no_clock_or_windows_is_not_counted():
    table = Blocks(frame([("a", 100, 100)]))
    bound = replace(VIEW, ttl_us=HOUR_US)
    assert count_stale(bound, table, None, NOW) == StaleEntities(entities=1, stale=1)
    assert count_stale(VIEW, table, None, NOW) is None
    assert count_stale(replace(bound, kind="event"), table, None, NOW) is None
    assert count_stale(replace(bound, source=replace(SOURCE, event_time=None)), table, None, NOW) is None


def test_a_value_as_old_as_its_ttl_is_still_served():
    view = replace(VIEW, ttl_us=5 * HOUR_US)
    assert count_stale(view, Blocks(frame([("a", 5, 0), ("b", 6, 0)])), NOW, NOW) == StaleEntities(entities=2, stale=1)
