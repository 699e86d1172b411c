"""The features of the template's model `late_arrival` in plain SQL on DuckDB, without featurectl.

Written apart from featurectl's engine so that either can be checked against the other. A `Question` says at which
moment the features are asked for and what is visible then, which is all that the ways to get them wrong differ in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import duckdb
import polars as pl

HOUR_US = 3_600_000_000
DAY_H = 24
BLOCKS = 4  # a window is matched by blocks of a quarter of its length, then to the microsecond
TABLES = ("flights", "departures", "arrivals", "weather", "planes", "airports")

ORIGIN, DEST, TAIL = {"origin": "origin"}, {"dest": "dest"}, {"tailnum": "tailnum"}
CARRIER, ROUTE = {"carrier": "carrier"}, {"origin": "origin", "dest": "dest"}
FLIGHT = {"carrier": "carrier", "flight_no": "flight_no"}
LATE, LEFT_LATE = "avg((r.arr_delay > 15)::int)", "avg((r.dep_delay > 15)::int)"
DELAY, DEP_DELAY = "avg(r.arr_delay)", "avg(r.dep_delay)"

REQUEST = ("carrier", "origin", "dest", "hour", "dow", "distance")


@dataclass(frozen=True)
class Question:
    """When features are read (the flight's `time`), and how old they are then.

    `hours_ago`: windows and look-ups were last answered so long before the reading, as in a store that nobody pushes
    to. `honest`: only what had been reported by then is seen.
    """

    time: str = "decided_at"
    hours_ago: int = 0
    honest: bool = True

    @property
    def age_us(self) -> int:
        """How old an answer is when it is read."""
        return self.hours_ago * HOUR_US

    @property
    def instant(self) -> str:
        """The moment of the answer in microseconds, as SQL over `flights`."""
        return f"(epoch_us({self.time}) - {self.age_us})"


@dataclass(frozen=True)
class Window:
    """Aggregates over the rows of one entity in the `hours` before a moment; `keys`: column of flights -> of rows."""

    rows: str
    keys: Mapping[str, str]
    hours: int
    columns: Mapping[str, str]


@dataclass(frozen=True)
class Last:
    """Values of the last row of one entity before a moment, however long ago."""

    rows: str
    keys: Mapping[str, str]
    columns: Mapping[str, str]


EVENT_TIME = {"arrivals": "sched_dep_at", "departures": "departed_at"}

WINDOWS = (
    Window("arrivals", CARRIER, 6, {"carrier_arr_delay_mean_6h": DELAY}),
    Window("arrivals", CARRIER, DAY_H, {"carrier_arr_delay_mean_1d": DELAY, "carrier_late_rate_1d": LATE}),
    Window("arrivals", CARRIER, 7 * DAY_H, {"carrier_arr_delay_mean_7d": DELAY}),
    Window("departures", CARRIER, 3, {"carrier_dep_delay_mean_3h": DEP_DELAY, "carrier_left_late_rate_3h": LEFT_LATE}),
    Window("departures", ORIGIN, 1, {"origin_dep_delay_mean_1h": DEP_DELAY, "origin_left_late_rate_1h": LEFT_LATE}),
    Window(
        "departures",
        ORIGIN,
        3,
        {"origin_count_3h": "count(*)", "origin_dep_delay_mean_3h": DEP_DELAY, "origin_left_late_rate_3h": LEFT_LATE},
    ),
    Window("departures", ORIGIN, DAY_H, {"origin_dep_delay_max_1d": "max(r.dep_delay)"}),
    Window("arrivals", ORIGIN, 6, {"origin_arr_delay_mean_6h": DELAY}),
    Window("arrivals", DEST, 6, {"dest_arr_delay_mean_6h": DELAY}),
    Window("arrivals", DEST, DAY_H, {"dest_arr_delay_mean_1d": DELAY}),
    Window("arrivals", ROUTE, DAY_H, {"route_arr_delay_mean_1d": DELAY}),
    Window("arrivals", ROUTE, 28 * DAY_H, {"route_arr_delay_mean_28d": DELAY, "route_late_rate_28d": LATE}),
    Window("arrivals", FLIGHT, 7 * DAY_H, {"flight_arr_delay_mean_7d": DELAY}),
    Window("arrivals", FLIGHT, 28 * DAY_H, {"flight_arr_delay_mean_28d": DELAY, "flight_late_rate_28d": LATE}),
    Window("arrivals", TAIL, DAY_H, {"plane_arr_delay_mean_1d": DELAY}),
    Window("departures", TAIL, 6, {"plane_dep_delay_mean_6h": DEP_DELAY}),
)
LAST = (
    Last("arrivals", FLIGHT, {"flight_arr_delay_last_lifetime": "r.arr_delay"}),
    Last("arrivals", TAIL, {"plane_landed_us": "epoch_us(r.arrived_at)"}),
    Last("departures", TAIL, {"plane_left_us": "epoch_us(r.departed_at)"}),
)
WEATHER_TTL_H = 3
WEATHER = {
    "temp": "r.temp",
    "humid": "r.humid",
    "wind_dir": "r.wind_dir",
    "wind_kmh": "r.wind_speed * 1.609344",
    "precip": "r.precip",
    "pressure": "r.pressure",
    "visib": "r.visib",
    "dew_gap": "r.temp - r.dewp",
}

# In the order of the template's model.
FEATURES = (
    "carrier_arr_delay_mean_6h", "carrier_arr_delay_mean_1d", "carrier_late_rate_1d", "carrier_delay_trend",
    "carrier_dep_delay_mean_3h", "carrier_left_late_rate_3h",
    "origin_count_3h", "origin_dep_delay_mean_1h", "origin_dep_delay_mean_3h", "origin_dep_delay_max_1d",
    "origin_left_late_rate_1h", "origin_left_late_rate_3h", "origin_arr_delay_mean_6h",
    "dest_arr_delay_mean_6h", "dest_arr_delay_mean_1d",
    "route_arr_delay_mean_1d", "route_arr_delay_mean_28d", "route_late_rate_28d",
    "flight_arr_delay_mean_7d", "flight_arr_delay_mean_28d", "flight_late_rate_28d", "flight_arr_delay_last_lifetime",
    "plane_arr_delay_mean_1d", "plane_hours_since_landing", "plane_dep_delay_mean_6h", "plane_hours_since_departure",
    "temp", "humid", "wind_dir", "wind_kmh", "precip", "pressure", "visib", "dew_gap",
    "built", "seats", "engine", "origin_alt", "dest_alt",
    "origin_trend", "flight_vs_carrier",
)  # fmt: skip


def open_tables(folder: Path) -> duckdb.DuckDBPyConnection:
    """Return a database that holds the template's tables."""
    database = duckdb.connect(config={"threads": 2})
    database.execute("set timezone = 'UTC'")
    for name in TABLES:
        database.execute(f"create table {name} as from '{folder / name}.parquet'")
    return database


def all_columns(database: duckdb.DuckDBPyConnection, question: Question) -> pl.DataFrame:
    """Return one row a flight, in order of flight_id: the spine's columns, then FEATURES."""
    parts = [query(database, window_sql(window, question)) for window in WINDOWS]
    parts += [query(database, last_sql(last, question)) for last in LAST]
    parts += [query(database, weather_sql(question)), query(database, facts_sql())]
    spine = query(database, f"select *, epoch_us({question.time}) as asof_us from flights order by flight_id")
    wide = pl.concat([spine, *parts], how="horizontal")
    return wide.with_columns(derived()).select(*spine.columns[:-1], *FEATURES)


def query(database: duckdb.DuckDBPyConnection, sql: str) -> pl.DataFrame:
    """Return a query's rows."""
    return pl.DataFrame(database.sql(sql))


def derived() -> list[pl.Expr]:
    """Return the features that are computed from others, null where one of those is."""
    mean_1d = pl.col("carrier_arr_delay_mean_1d")
    asof = pl.col("asof_us")
    return [
        (mean_1d - pl.col("carrier_arr_delay_mean_7d")).alias("carrier_delay_trend"),
        ((asof - pl.col("plane_landed_us")) / HOUR_US).alias("plane_hours_since_landing"),
        ((asof - pl.col("plane_left_us")) / HOUR_US).alias("plane_hours_since_departure"),
        (pl.col("origin_dep_delay_mean_1h") - pl.col("origin_dep_delay_mean_3h")).alias("origin_trend"),
        (pl.col("flight_arr_delay_mean_28d") - mean_1d).alias("flight_vs_carrier"),
    ]


def window_sql(window: Window, question: Question) -> str:
    """Return the SQL of a window: rows of the same keys with `t - w <= event time < t`, each moment answered once.

    `count` of no rows is 0 and everything else null; all is null where a key of the flight is.
    """
    length = window.hours * HOUR_US
    block = length // BLOCKS
    names, same = ", ".join(window.keys), equal(window.keys, "q", "r")
    aggregates = ", ".join(f"{sql} as {name}" for name, sql in window.columns.items())
    columns = ", ".join(or_zero(name, sql, window.keys) for name, sql in window.columns.items())
    return f"""
        with asked as (select distinct {names}, {question.instant} as t from flights),
        q as (select *, unnest(range((t - {length}) // {block}, t // {block} + 1)) as block from asked),
        r as ({clocks_sql(window.rows, EVENT_TIME[window.rows], block)}),
        answers as (
            select {", ".join(f"q.{name}" for name in window.keys)}, q.t, {aggregates}
            from q join r on {same} and q.block = r.block
            where r.event_us >= q.t - {length} and r.event_us < q.t {reported(question)}
            group by all
        )
        select {columns}
        from flights f
        left join answers a on {equal({key: key for key in window.keys}, "f", "a")} and a.t = {question.instant}
        order by f.flight_id"""


def or_zero(name: str, sql: str, keys: Mapping[str, str]) -> str:
    """Return a column of the answers, 0 for a count without rows."""
    if not sql.startswith("count("):
        return f"a.{name}"
    known = " and ".join(f"f.{key} is not null" for key in keys)
    return f"case when {known} then coalesce(a.{name}, 0) end as {name}"


def last_sql(last: Last, question: Question) -> str:
    """Return the SQL of the last non-null value: by event time, then by the report, among rows before t."""
    values = ", ".join(f"arg_max({sql}, (r.event_us, r.available_us)) as {name}" for name, sql in last.columns.items())
    return f"""
        with r as ({clocks_sql(last.rows, EVENT_TIME[last.rows], DAY_H * HOUR_US)}),
        asked as (select flight_id, {", ".join(last.keys)}, {question.instant} as t from flights),
        answers as (
            select q.flight_id, {values} from asked q join r on {equal(last.keys, "q", "r")}
            where r.event_us < q.t {reported(question)} group by q.flight_id
        )
        select {", ".join(f"a.{name}" for name in last.columns)}
        from flights f left join answers a using (flight_id) order by f.flight_id"""


def weather_sql(question: Question) -> str:
    """Return the SQL of the latest observation with `t - ttl <= observed_at <= t`; its nulls stay null.

    `ttl` is checked when the value is read: the older the answer, the less of it is left.
    """
    ttl = WEATHER_TTL_H * HOUR_US
    values = ", ".join(f"arg_max_null({sql}, r.event_us) as {name}" for name, sql in WEATHER.items())
    return f"""
        with asked as (select distinct origin, {question.instant} as t from flights),
        q as (select *, unnest(range((t - {ttl}) // {ttl}, t // {ttl} + 1)) as block from asked),
        r as ({clocks_sql("weather", "observed_at", ttl)}),
        answers as (
            select q.origin, q.t, {values} from q join r on q.origin = r.origin and q.block = r.block
            where r.event_us between q.t + {question.age_us} - {ttl} and q.t {reported(question)} group by all
        )
        select {", ".join(f"a.{name}" for name in WEATHER)}
        from flights f left join answers a on f.origin = a.origin and a.t = {question.instant} order by f.flight_id"""


def facts_sql() -> str:
    """Return the SQL of what is true always: the plane, and the airports at both ends."""
    return """
        select p.built, p.seats, coalesce(p.engine, 'unknown') as engine, o.alt as origin_alt, d.alt as dest_alt
        from flights f left join planes p on f.tailnum = p.tailnum
        left join airports o on f.origin = o.airport left join airports d on f.dest = d.airport
        order by f.flight_id"""


def clocks_sql(rows: str, event_time: str, block: int) -> str:
    """Return the SQL of a table with its two clocks in microseconds and the block of its event time."""
    event = f"epoch_us({event_time})"
    clocks = f"{event} as event_us, epoch_us(available_at) as available_us, {event} // {block} as block"
    return f"select *, {clocks} from {rows}"


def reported(question: Question) -> str:
    """Return the condition that a row had been reported by the moment: what a naive join leaves out."""
    return "and r.available_us <= q.t" if question.honest else ""


def equal(keys: Mapping[str, str], left: str, right: str) -> str:
    """Return the SQL condition that the keys agree."""
    return " and ".join(f"{left}.{a} = {right}.{b}" for a, b in keys.items())
