"""What was not known at T, or lies after it, has no part in any training row at or before T."""

from datetime import UTC, datetime

import polars as pl
import pytest

from tests.end_to_end.declared import read_views
from tests.end_to_end.flights import SOURCES, TIME, Repository
from tests.end_to_end.perturb import TICK, differing_cells, perturb_sources

AT = datetime(2013, 12, 7, 11, 15, tzinfo=UTC)


def perturbed_copy(repository: Repository, root, at, seed) -> Repository:
    """Return a copy of a repository whose tables were made again of perturbed files."""
    copy = repository.copy(root)
    counts = perturb_sources(copy, at, seed)
    assert min(c for done in counts.values() for c in (done.visible, done.deleted, done.changed, done.moved)) > 0
    made = copy.run("materialize", "--full", "--no-online")
    assert {view["action"] for view in made["views"]} == {"rebuild"}
    return copy


def moving_columns(repository: Repository) -> set[str]:
    """Return the columns of `everything` that come from sources with clocks."""
    views = read_views(repository.root).values()
    return {f"{v.name}__{f}" for v in views if v.source.name in SOURCES for f in v.features}


@pytest.fixture(scope="module")
def perturbed(flights, tmp_path_factory) -> Repository:
    """The flights, perturbed after AT."""
    return perturbed_copy(flights, tmp_path_factory.mktemp("perturbed") / "flights", AT, seed=AT.day)


def test_changing_all_that_was_not_known_at_t_changes_no_row_up_to_t(flights, perturbed, training_sets):
    check_rows(flights, training_sets, perturbed, AT)


@pytest.mark.parametrize(
    "at",
    [
        pytest.param(datetime(2013, 12, 2, 18, 0, tzinfo=UTC), marks=pytest.mark.stress, id="an hour"),
        pytest.param(None, id="a flight's moment"),
    ],
)
@pytest.mark.long
def test_no_more_does_it_at_other_instants(at, flights, training_sets, tmp_path):
    at = at or training_sets["everything"][TIME].sort()[training_sets["everything"].height // 2]
    check_rows(flights, training_sets, perturbed_copy(flights, tmp_path / "flights", at, seed=at.day), at)


def check_rows(flights, training_sets, copy, at):
    before, after = training_sets["everything"], copy.training_set("everything")
    assert after.columns == before.columns
    early = before[TIME] <= at
    assert early.sum() > 500
    assert differing_cells(before.filter(early), after.filter(early), before.columns) == {}
    # And it was no idle change: every column moves in rows after T.
    later = differing_cells(before.filter(~early), after.filter(~early), before.columns)
    assert set(later) == moving_columns(flights)


@pytest.mark.long
def test_rows_up_to_t_asked_alone_are_the_same(perturbed, training_sets):
    until = (AT + TICK).isoformat()
    for model, before in training_sets.items():
        early = before.filter(before[TIME] <= AT)
        assert perturbed.training_set(model, "--until", until).equals(early)


@pytest.mark.long
def test_a_row_that_was_known_does_matter(flights, training_sets, tmp_path):
    """One report of the past, changed by a minute, is seen by the flights of its carrier within the day."""
    copy = flights.copy(tmp_path / "flights")
    at, before = AT, training_sets["everything"]
    rows = copy.rows("arrivals")
    known = rows.filter((pl.col("available_at") < at) & (pl.col("carrier") == "UA")).sort("sched_dep_at")
    last = known["flight_id"][-1]
    changed = pl.when(pl.col("flight_id") == last).then(pl.col("arr_delay") + 1).otherwise(pl.col("arr_delay"))
    rows.with_columns(changed.alias("arr_delay")).write_parquet(copy.data("arrivals"))
    copy.run("materialize", "--full", "--no-online")
    after = copy.training_set("everything")
    moved = differing_cells(before, after, before.columns)
    assert moved["carrier_arrivals__arr_delay_mean_1d"] > 50
    assert {name.split("__")[0] for name in moved} <= {
        "carrier_arrivals", "origin_arrivals", "dest_arrivals", "route_arrivals", "flight_arrivals", "plane_arrivals"
    }  # fmt: skip
    touched = before[TIME].filter(
        before["carrier_arrivals__arr_delay_mean_1d"].ne_missing(after["carrier_arrivals__arr_delay_mean_1d"])
    )
    assert touched.min() >= known.filter(pl.col("flight_id") == last)["available_at"].min()
