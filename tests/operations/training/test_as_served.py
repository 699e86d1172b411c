"""`--as-served`: what the online store would have answered, had it been refreshed as its views declare."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

import polars as pl
import pytest

from featurectl.core.errors import UsageError
from featurectl.core.units import HOUR_US, instant_us
from featurectl.engines.base import ViewBuckets
from featurectl.engines.polars.engine import PolarsEngine
from featurectl.language.definitions.model import FeatureInput
from featurectl.online.sqlite.store import SqliteStore
from featurectl.operations.push import push_view
from featurectl.operations.training.as_served import check_refresh, refreshed_at
from featurectl.operations.training.join import join_features
from featurectl.operations.training.spine import SpineRows
from tests.end_to_end.test_online_equals_offline import ENTITIES, INPUTS, VIEWS, online, some_rows
from tests.online.views import UTC_US, at, event_view, latest, push_request, state_view, table, window
from tests.pit.frames import instants


@dataclass(frozen=True)
class Rows:
    """A view over a table in memory, asked for its exact values or for those that were served."""

    view: object
    table: object
    as_served: bool

    def pruned(self, features):  # noqa: ARG002  # of the protocol
        buckets = self.table.buckets()
        return ViewBuckets(view=self.view, buckets=buckets, read=lambda _: self.table.read())


def trained(view, rows, times, *, as_served, keys=ENTITIES):
    """Return every feature of a training set that asks for every entity at each instant, row by row."""
    frame = pl.DataFrame({"customer": [key for _ in times for key in keys], "t": [t for t in times for _ in keys]})
    frame = frame.with_columns(pl.col("t").cast(UTC_US))
    spine = SpineRows(rows=frame, own=frame, time=frame["t"], time_column="t", origin="s")
    names = [f.name for f in view.features] + [d.name for d in view.derived]
    inputs = [
        FeatureInput(name=n, view=view.name, feature=n, join={"customer": "customer"}, dtype=None, model_dtype=None)
        for n in names
    ]
    bound = {view.name: Rows(replace(view), rows, as_served)}
    return join_features(PolarsEngine(1), spine, inputs, bound).rows()


def history(seed):
    chance = random.Random(seed)
    return chance, [row for hour in range(-12, 24, 3) for row in some_rows(chance, hour)]


@pytest.mark.parametrize("kind", VIEWS)
@pytest.mark.sample(1)
def test_what_is_read_after_a_push_at_a_refresh_is_the_value_as_served(kind, tmp_path):
    """One table that knows the future too: the push takes what was true and known at its instant."""
    refresh_h = 3
    view = replace(VIEWS[kind], refresh_us=refresh_h * HOUR_US)
    for seed in range(1):
        chance, rows = history(seed)
        made, store = table(view, rows, INPUTS, buckets=1), SqliteStore(tmp_path / f"{seed}.db")
        for hour in range(0, 24, refresh_h):
            push_view(push_request(store, view, made, hour, "p"))
            for read_at in (at(hour), at(hour + chance.uniform(0, 2.99)), at(hour + 2.99)):
                served = trained(view, made, [read_at], as_served=True)
                assert online(store, view, read_at) == served, f"seed {seed}, hour {hour}, {read_at}"
        store.close()


@pytest.mark.sample(3)
@pytest.mark.parametrize("kind", VIEWS)
def test_a_view_that_is_refreshed_at_every_microsecond_serves_exact_values(kind):
    view = replace(VIEWS[kind], refresh_us=1)
    for seed in range(4):
        chance, rows = history(seed)
        made = table(view, rows, INPUTS, buckets=1)
        times = [at(chance.uniform(-12, 30)) for _ in range(6)] + [at(hour) for hour in range(-6, 24, 5)]
        assert trained(view, made, times, as_served=True) == trained(view, made, times, as_served=False)


def test_an_event_view_serves_its_last_refresh_and_a_state_what_was_known():
    count = replace(event_view([window("n", "count", 3, "int64", None)]), refresh_us=2 * HOUR_US)
    rows = [("a", 1, 1, {"amount": 1, "city": None}), ("a", 2.5, 2.5, {"amount": 2, "city": None})]
    made = table(count, rows, INPUTS, buckets=1)
    times = [at(hour) for hour in (1.9, 2, 3.9, 4, 4.5, 6)]
    assert trained(count, made, times, as_served=True, keys=["a"]) == [(0,), (1,), (1,), (2,), (2,), (0,)]
    state = replace(state_view([latest("amount", "int64")], ttl_h=3), refresh_us=2 * HOUR_US)
    made = table(state, rows, INPUTS, buckets=1)
    times = [at(hour) for hour in (1.9, 2, 3.9, 4, 5.5, 5.6)]
    served = [(None,), (1,), (1,), (2,), (2,), (None,)]  # known at 4 only; too old after 5.5
    assert trained(state, made, times, as_served=True, keys=["a"]) == served


def test_a_filled_feature_expires_with_the_row_that_filled_it():
    view = replace(state_view([latest("amount", "int64", fill_last=True)], ttl_h=4), refresh_us=HOUR_US)
    rows = [("a", 0, 0, {"amount": 7, "city": None}), ("a", 3, 3, {"amount": None, "city": None})]
    made = table(view, rows, INPUTS, buckets=1)
    times = [at(3.5), at(4), at(4.5)]
    assert trained(view, made, times, as_served=True, keys=["a"]) == [(7,), (7,), (None,)]


def test_the_schedule_begins_at_1970_and_goes_back_from_there():
    view = replace(event_view([window("n", "count", 3, "int64", None)]), refresh_us=10)
    times = instants([-11, -10, -1, 0, 9, 10, None])
    found = refreshed_at(view, times)
    assert [None if t is None else instant_us(t) for t in found] == [-20, -10, -10, 0, 0, 10, None]
    assert found.dtype == times.dtype


def test_a_view_without_a_schedule_is_refused_unless_its_source_is_static():
    view = state_view([latest("amount", "int64")])
    with pytest.raises(UsageError, match=f"view {view.name} declares no `refresh`"):
        check_refresh([view])
    static = replace(view, source=replace(view.source, event_time=None))
    check_refresh([static, replace(view, refresh_us=1)])
