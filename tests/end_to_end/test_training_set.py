"""A training set has the spine's rows, and in each the features that a naive reading of the files gives."""

import polars as pl
import pytest

from featurectl.workspace.open import open_workspace
from tests.end_to_end.checks import (
    MODELS,
    against_oracle,
    against_range_joins,
    against_spine,
    ambiguous_rows,
    different,
    draw_rows,
    expected_columns,
)
from tests.end_to_end.declared import read_views
from tests.end_to_end.flights import SPINE, TIME

SEED, ROWS = 2013, 80


@pytest.mark.parametrize("model", MODELS)
def test_a_training_set_has_a_row_per_spine_row_in_order_with_its_columns(model, flights, training_sets):
    found = against_spine(flights, model, training_sets[model])
    assert different(found) == {}
    spine = flights.rows(SPINE)
    assert not spine["decided_at"].is_sorted()
    assert spine.is_duplicated().sum() >= 50


@pytest.mark.parametrize("model", MODELS)
def test_a_training_set_has_the_columns_that_the_files_declare(model, flights, training_sets):
    assert training_sets[model].columns == expected_columns(flights, model)


def test_equal_rows_of_the_spine_have_equal_features(training_sets):
    made = training_sets["everything"]
    assert made.n_unique() == made["flight_id"].n_unique() < made.height


def test_every_feature_of_random_rows_is_what_the_naive_oracle_says(flights, training_sets):
    made = training_sets
    found = against_oracle(flights, made, draw_rows(made["everything"].height, ROWS, SEED))
    assert different(found) == {}
    assert sum(item.cells for item in found.values()) == ROWS * (47 + 47)


@pytest.mark.usefixtures("flights")
def test_the_rows_for_the_oracle_have_nulls_and_values_in_every_column(training_sets):
    made = training_sets["everything"]
    drawn = made[draw_rows(made.height, ROWS, SEED)]
    features = [name for name in drawn.columns if "__" in name]
    assert [name for name in features if drawn[name].is_null().all() or drawn[name].n_unique() < 2] == []
    assert drawn["plane_arrivals__arr_delay_mean_1d"].null_count() > ROWS / 10
    # Weather of every fourth hour, known for three: some of the rows are asked at the last instant that has a value.
    last = (drawn[TIME].dt.hour() % 4 == 3) & (drawn[TIME].dt.minute() == 0)
    assert last.sum() > 0
    assert drawn.filter(last)["airport_weather__temp"].null_count() == 0
    assert drawn["airport_weather__temp"].null_count() > ROWS / 10


def test_a_landing_that_is_reported_again_counts_once(flights):
    rows = flights.rows("arrivals")
    assert rows.height - rows["flight_id"].n_unique() == 1500
    with open_workspace(flights.root, None, None) as workspace:
        table = workspace.offline().table("carrier_arrivals", 1, {"carrier": "string"})
        assert table.read().height == rows["flight_id"].n_unique()
        assert table.coverage().dropped == {"repeated": 1500}


@pytest.mark.long
def test_no_latest_row_of_the_template_is_a_matter_of_the_order_of_ties(flights):
    assert {name: count for name, count in ambiguous_rows(flights).items() if count} == {}


@pytest.mark.long
def test_every_window_is_what_a_range_join_says(flights, training_sets):
    found = against_range_joins(flights, training_sets["everything"])
    assert different(found) == {}
    assert set(found) == {f"{v.name}__{w.name}" for v in read_views(flights.root).values() for w in v.windows}


@pytest.mark.long
def test_a_wrong_cell_is_found(flights, training_sets):
    """The comparisons can fail: one value is moved by a millionth, one is taken away, one column by a row."""
    made = training_sets["everything"]
    mean, count = "carrier_arrivals__arr_delay_mean_7d", "route_arrivals__count_28d"
    nudged = pl.when(pl.int_range(pl.len()) == 5).then(pl.col(mean) + 1e-6).otherwise(pl.col(mean))
    gone = pl.when(pl.int_range(pl.len()) == 7).then(None).otherwise(pl.col(count))
    wrong = made.with_columns(nudged.alias(mean), gone.alias(count), pl.col("distance").shift(1))
    assert different(against_range_joins(flights, wrong)) == {mean: 1, count: 1}
    oracle = against_oracle(flights, {"everything": wrong}, [4, 5, 6, 7])
    assert different(oracle) == {("everything", mean): 1, ("everything", count): 1}
    assert set(different(against_spine(flights, "everything", wrong))) == {"distance"}


@pytest.mark.stress
def test_every_feature_of_2000_rows_of_the_year_is_that_of_the_oracle(all_flights, all_training_sets):
    found = against_oracle(all_flights, all_training_sets, draw_rows(336_776, 2000, SEED))
    assert different(found) == {}
    assert {name: count for name, count in ambiguous_rows(all_flights).items() if count} == {}


@pytest.mark.stress
def test_every_window_of_the_year_is_what_a_range_join_says(all_flights, all_training_sets):
    assert different(against_range_joins(all_flights, all_training_sets["everything"])) == {}
    for model, made in all_training_sets.items():
        assert different(against_spine(all_flights, model, made)) == {}
