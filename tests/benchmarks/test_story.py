"""The tutorial's features in SQL against the same in plain Python, and against the template's model."""

from datetime import timedelta
from statistics import fmean

import polars as pl
import pytest
import yaml

from benchmarks.story import HONEST, NAIVE, STALE, split_by_time, without_features
from benchmarks.story_features import FEATURES, REQUEST, Question, all_columns, open_tables
from featurectl.operations.init import template_folder

pytestmark = pytest.mark.long  # of programs that measure, not of the package

TEMPLATE = template_folder() / "flights"
H = timedelta(hours=1)
FROM, TO = (
    pl.datetime(2013, 2, 7, time_zone="UTC"),
    pl.datetime(2013, 2, 12, time_zone="UTC"),
)  # the storm of 8 February


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A folder with five days of the template's tables."""
    folder = tmp_path_factory.mktemp("tables")
    time = {"flights": "decided_at", "departures": "departed_at", "arrivals": "sched_dep_at", "weather": "observed_at"}
    for name in ("flights", "departures", "arrivals", "weather", "planes", "airports"):
        rows = pl.read_parquet(TEMPLATE / "data" / f"{name}.parquet")
        if name in time:
            rows = rows.filter(pl.col(time[name]).is_between(FROM, TO))
        rows.write_parquet(folder / f"{name}.parquet")
    return folder


@pytest.fixture(scope="module")
def database(small):
    with open_tables(small) as opened:
        yield opened


def by_hand(flight: dict, tables: dict[str, list[dict]], question: Question) -> dict[str, object]:
    """Return some features of a flight: every rule of time written out as a loop."""
    read = flight[question.time]
    t = read - question.hours_ago * H

    def rows(table, event, hours, **keys):
        return [
            row
            for row in tables[table]
            if t - hours * H <= row[event] < t
            and (row["available_at"] <= t or not question.honest)
            and all(row[name] == value is not None for name, value in keys.items())
        ]

    def mean(found, column):
        return fmean(row[column] for row in found) if found else None

    carrier = rows("arrivals", "sched_dep_at", 24, carrier=flight["carrier"])
    origin = rows("departures", "departed_at", 3, origin=flight["origin"])
    plane = rows("arrivals", "sched_dep_at", 9_999, tailnum=flight["tailnum"])
    landed = max(plane, key=lambda row: (row["sched_dep_at"], row["available_at"]))["arrived_at"] if plane else None
    seen = [
        row
        for row in tables["weather"]
        if row["origin"] == flight["origin"]
        and read - 3 * H <= row["observed_at"] <= t
        and (row["available_at"] <= t or not question.honest)
    ]
    weather = max(seen, key=lambda row: row["observed_at"]) if seen else {"temp": None, "pressure": None}
    return {
        "carrier_arr_delay_mean_1d": mean(carrier, "arr_delay"),
        "carrier_late_rate_1d": fmean(row["arr_delay"] > 15 for row in carrier) if carrier else None,
        "origin_count_3h": len(origin),
        "origin_dep_delay_mean_3h": mean(origin, "dep_delay"),
        "plane_arr_delay_mean_1d": mean(rows("arrivals", "sched_dep_at", 24, tailnum=flight["tailnum"]), "arr_delay"),
        "plane_hours_since_landing": (read - landed) / H if landed else None,
        "temp": weather["temp"],
        "pressure": weather["pressure"],
    }


@pytest.mark.parametrize("question", [HONEST, NAIVE, STALE], ids=["honest", "naive", "stale"])
def test_the_sql_agrees_with_loops_over_all_rows(question, small, database):
    tables = {
        name: pl.read_parquet(small / f"{name}.parquet").to_dicts() for name in ("arrivals", "departures", "weather")
    }
    answers = all_columns(database, question)
    picked = (
        answers.sample(30, seed=3, shuffle=True).to_dicts()
        + answers.filter(pl.col("tailnum").is_null()).head(5).to_dicts()
    )
    for flight in picked:
        expected = by_hand(flight, tables, question)
        assert {name: flight[name] for name in expected} == pytest.approx(expected, abs=1e-9, nan_ok=True), flight


def test_every_flight_is_answered_once_and_in_order(small, database):
    flights = pl.read_parquet(small / "flights.parquet")
    answers = all_columns(database, HONEST)
    assert answers.columns == [*flights.columns, *FEATURES]
    assert answers.select(flights.columns).equals(flights)


def test_the_features_are_those_of_the_templates_model():
    model = yaml.safe_load((TEMPLATE / "models" / "late_arrival.yaml").read_text())["models"][0]
    names = []
    for item in model["features"]:
        if "view" in item:
            names += [item["prefix"] + name if "prefix" in item else name for name in item["features"]]
        elif "feature" in item:
            names.append(item["as"])
        elif "request" in item:
            assert tuple(item["request"]) == REQUEST
        elif "derived" in item:
            names += [derived["name"] for derived in item["derived"]]
        else:
            ((_, features),) = item.items()
            names += features
    assert tuple(names) == FEATURES


def test_the_split_leaves_out_unlabelled_flights_and_parts_no_instant():
    moments = [f"2013-01-0{day}T08:00:00" for day in (1, 2, 3, 3, 4, 5)]
    late = [True, False, True, False, None, None]
    flights = pl.DataFrame({"decided_at": moments, "is_late": late}).with_columns(
        pl.col("decided_at").str.to_datetime()
    )
    split = split_by_time(flights)
    assert split.train.tolist() == [True, True, False, False, False, False]
    assert split.test.tolist() == [False, False, True, True, False, False]


def test_a_dead_store_answers_null_and_the_models_default():
    rows = pl.DataFrame({name: [1.0] for name in FEATURES if name != "engine"} | {"engine": ["Turbo-jet"]})
    dead = without_features(rows)
    assert dead["engine"].to_list() == ["unknown"]
    assert dead.drop("engine").null_count().sum_horizontal().item() == len(FEATURES) - 1
