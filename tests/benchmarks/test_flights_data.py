"""What the committed tables of the flights template hold, and that the program makes them again."""

import polars as pl
import pytest

from benchmarks import flights_data
from featurectl.operations.init import template_folder

pytestmark = pytest.mark.long  # of programs that measure, not of the package

DATA = template_folder() / "flights" / "data"
ROWS = {
    "flights": 336_776,
    "departures": 328_521,
    "arrivals": 327_346,
    "weather": 26_115,
    "planes": 3_322,
    "airports": 103,
    "airlines": 16,
}


@pytest.fixture(scope="module")
def tables():
    return {name: pl.read_parquet(DATA / f"{name}.parquet") for name in ROWS}


def minutes_between(table: pl.DataFrame, early: str, late: str) -> pl.Series:
    return (table[late] - table[early]).dt.total_minutes()


def surplus(table: pl.DataFrame, *columns: str) -> float:
    return 1 - table.select(columns).unique().height / table.height


def test_the_tables_are_all_there_and_small(tables):
    assert {name: table.height for name, table in tables.items()} == ROWS
    assert sorted(path.stem for path in DATA.iterdir()) == sorted(ROWS)
    assert sum(path.stat().st_size for path in DATA.iterdir()) < 10_000_000


def test_the_program_makes_the_committed_tables_again(tables):
    made = flights_data.make_tables()
    assert sorted(made) == sorted(tables)
    assert [name for name, table in made.items() if not table.equals(tables[name])] == []


def test_every_time_is_an_instant_in_microseconds(tables):
    times = {dtype for table in tables.values() for dtype in table.dtypes if dtype.is_temporal()}
    assert times == {pl.Datetime("us", "UTC")}


def test_tables_are_sorted_by_time(tables):
    assert tables["flights"]["decided_at"].is_sorted()
    assert tables["flights"]["flight_id"].to_list() == list(range(ROWS["flights"]))
    assert tables["departures"]["departed_at"].is_sorted()
    assert tables["arrivals"]["sched_dep_at"].is_sorted()
    assert tables["weather"]["observed_at"].is_sorted()


def test_nulls_are_where_flights_did_not_land(tables):
    flights = tables["flights"]
    nulls = {name: count for name, count in flights.null_count().row(0, named=True).items() if count}
    assert nulls == {"tailnum": 2_512, "is_late": 8_255 + 1_175, "arr_delay": 8_255 + 1_175}
    assert flights.filter(pl.col("tailnum").is_null())["arr_delay"].null_count() == 2_512
    assert ROWS["flights"] - ROWS["departures"] == 8_255
    assert tables["arrivals"].null_count().sum_horizontal().item() == 0
    assert tables["departures"].null_count().sum_horizontal().item() == 0


def test_an_arrival_is_its_flight_and_its_schedule_plus_the_delay(tables):
    both = tables["arrivals"].join(tables["flights"], on="flight_id", suffix="_f", maintain_order="left")
    assert both.height == ROWS["arrivals"]
    for name in ("sched_dep_at", "carrier", "flight_no", "tailnum", "origin", "dest", "arr_delay"):
        assert both[name].equals(both[f"{name}_f"]), name
    assert minutes_between(both, "sched_arr_at", "arrived_at").equals(
        both["arr_delay"].cast(pl.Int64), null_equal=False
    )
    assert (both["is_late"] == (both["arr_delay"] > 15)).all()


def test_a_flight_is_scored_two_hours_before_it_is_to_leave(tables):
    assert minutes_between(tables["flights"], "decided_at", "sched_dep_at").unique().to_list() == [120]


def test_hour_and_weekday_are_those_of_new_yorks_clock(tables):
    flights = tables["flights"]
    local = flights["sched_dep_at"].dt.convert_time_zone("America/New_York")
    assert (local.dt.hour() == flights["hour"]).all()
    assert (local.dt.weekday() == flights["dow"]).all()
    assert (local.dt.date() != flights["sched_dep_at"].dt.date()).sum() == 38_444


def test_reports_come_late_by_the_minutes_that_the_readme_says(tables):
    departures = minutes_between(tables["departures"], "departed_at", "available_at")
    assert (departures.min(), departures.max()) == (2, 8)
    weather = minutes_between(tables["weather"], "observed_at", "available_at")
    assert (weather.min(), weather.max()) == (15, 25)
    arrivals = minutes_between(tables["arrivals"], "arrived_at", "available_at")
    prompt = arrivals.filter(arrivals < 60)
    assert (prompt.min(), prompt.max(), arrivals.max()) == (3, 12, 360)
    assert 0.019 < (arrivals >= 60).mean() < 0.021


def test_ties_are_everywhere(tables):
    assert 0.14 < surplus(tables["departures"], "origin", "departed_at") < 0.16
    assert 0.05 < surplus(tables["departures"], "carrier", "departed_at") < 0.07
    assert surplus(tables["arrivals"], "tailnum", "sched_dep_at") > 0


def test_weather_is_unique_in_utc_ends_early_and_has_no_impossible_wind(tables):
    weather = tables["weather"]
    assert weather.select("origin", "observed_at").is_unique().all()
    assert str(weather["observed_at"].max()) == "2013-12-30 23:00:00+00:00"
    assert weather["wind_speed"].max() < 50


def test_planes_and_airports_lack_some_that_fly(tables):
    flights = tables["flights"]
    flying = set(flights["tailnum"].drop_nulls())
    assert len(flying - set(tables["planes"]["tailnum"])) == 721
    ends = set(flights["origin"]) | set(flights["dest"])
    assert ends - set(tables["airports"]["airport"]) == {"BQN", "PSE", "SJU", "STT"}
    assert set(flights["carrier"]) == set(tables["airlines"]["carrier"])
    assert tables["planes"]["tailnum"].is_unique().all()
    assert tables["airports"]["airport"].is_unique().all()


def test_the_programs_own_writer_gives_back_what_it_was_given(tmp_path):
    table = pl.DataFrame({"name": ["a", None], "n": pl.Series([1, 2], dtype=pl.Int16)})
    size = flights_data.write_parquet(table, tmp_path / "t.parquet")
    assert size == (tmp_path / "t.parquet").stat().st_size
    assert pl.read_parquet(tmp_path / "t.parquet").equals(table)


def test_the_program_wants_one_folder(capsys):
    assert flights_data.main([]) == 64
    assert "usage" in capsys.readouterr().err
