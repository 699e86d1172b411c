"""The rivals' programs, each from the raw files to a written Parquet file, run as a process of its own."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import polars as pl

HOURS: Final = {"1h": 1, "1d": 24, "30d": 720}
OPS: Final = ("sum", "count", "min", "max")
TTL: Final = "7d"


def duckdb_range_join(folder: Path, out: Path, events: str) -> None:
    """Join each spine row with the events of its longest window, and aggregate with filters."""
    con = _duckdb(folder)
    on = " and ".join(f"e.{key} = s.{key}" for key in _keys(folder))
    picked = ", ".join(
        f"{op}(e.amount) filter (e.ts >= s.t - interval {hours} hour) as amount_{op}_{window}"
        for op in OPS
        for window, hours in HOURS.items()
    )
    known = " and e.known_at <= s.t" if _late(folder) else ""
    con.execute(
        f"""copy (
            with spine as (select *, row_number() over () as n from read_parquet('{folder}/spine.parquet'))
            select any_value(s.user) as user, any_value(s.t) as t, {picked}
            from spine s left join read_parquet('{events}') e
            on {on} and e.ts < s.t and e.ts >= s.t - interval 720 hour{known}
            group by s.n order by s.n
        ) to '{out}' (format parquet)"""
    )


def duckdb_frames(folder: Path, out: Path, events: str) -> None:
    """Lay events and spine into one table and take window frames over it; a spine row is after no event of its time."""
    con = _duckdb(folder)
    keys = ", ".join(_keys(folder))
    frames = ", ".join(
        f"w{w} as (partition by {keys} order by ts range between interval {h} hour preceding "
        "and interval 1 microsecond preceding)"
        for w, h in HOURS.items()
    )
    picked = ", ".join(f"{op}(amount) over w{w} as amount_{op}_{w}" for op in OPS for w in HOURS)
    named = ", ".join(f"amount_{op}_{w}" for op in OPS for w in HOURS)
    con.execute(
        f"""copy (
            select user, ts as t, {named} from (
                select *, {picked} from (
                    select {keys}, ts, amount, null::bigint as n from read_parquet('{events}') union all
                    select {keys}, t, null, row_number() over () from read_parquet('{folder}/spine.parquet'))
                window {frames})
            where n is not null order by n
        ) to '{out}' (format parquet)"""
    )


def polars_rolling(folder: Path, out: Path, events: str) -> None:
    """Rolling expressions over events and spine in one table."""
    keys = list(_keys(folder))
    spine = pl.scan_parquet(folder / "spine.parquet").with_row_index("n")
    both = pl.concat(
        [
            pl.scan_parquet(events).select(*keys, "ts", "amount", pl.lit(None, pl.UInt32).alias("n")),
            spine.select(*keys, pl.col("t").alias("ts"), pl.lit(None, pl.Float64).alias("amount"), "n"),
        ]
    ).sort(*keys, "ts")
    amount = pl.col("amount")
    columns = []
    for window, hours in HOURS.items():
        over = {"by": "ts", "window_size": f"{hours}h", "closed": "left"}
        counted = amount.is_not_null().cast(pl.Int64).rolling_sum_by(**over, min_samples=1).over(keys).fill_null(0)
        columns.append(counted.alias(f"amount_count_{window}"))
        for op in ("sum", "min", "max"):
            rolled = getattr(amount, f"rolling_{op}_by")(**over, min_samples=1).over(keys)
            columns.append(pl.when(counted > 0).then(rolled).alias(f"amount_{op}_{window}"))
    found = both.with_columns(columns).filter(pl.col("n").is_not_null()).sort("n")
    named = [f"amount_{op}_{w}" for op in OPS for w in HOURS]
    found.select("user", pl.col("ts").alias("t"), *named).sink_parquet(out)


def polars_asof(folder: Path, out: Path, events: str) -> None:
    """One `join_asof` a view, by key, within the ttl; the copy that was created last comes last."""
    joined = pl.scan_parquet(folder / "spine.parquet").with_row_index("n").sort("t")
    named = []
    for path in sorted(folder.glob(events)):
        features = [c for c in pl.read_parquet_schema(path) if c not in ("user", "ts", "created")]
        named += features
        states = pl.scan_parquet(path).sort("ts", "created").select("user", "ts", *features)
        joined = joined.join_asof(
            states, left_on="t", right_on="ts", by="user", strategy="backward", tolerance=TTL, check_sortedness=False
        ).drop("ts", strict=False)
    joined.sort("n").select("user", "t", *named).sink_parquet(out)


def polars_asof_own(folder: Path, out: Path, events: str) -> None:
    """Do the same from our own offline tables, which are sorted by key and time; the last of equal rows counts."""
    joined = pl.scan_parquet(folder / "spine.parquet").with_row_index("n").sort("t")
    named = []
    for table in sorted(Path(events).glob("v*")):
        states = pl.scan_parquet(table / "**" / "*.parquet", hive_partitioning=False)
        features = [c for c in states.collect_schema() if c.startswith("f")]
        named += features
        joined = joined.join_asof(
            states.select("user", "event_time", *features), left_on="t", right_on="event_time", by="user",
            strategy="backward", tolerance=TTL, check_sortedness=False,
        ).drop("event_time", strict=False)  # fmt: skip
    joined.sort("n").select("user", "t", *named).sink_parquet(out)


def polars_sorted_copy(folder: Path, out: Path, events: str) -> None:
    """Scan, sort by key and time, write: the least that materializing can be."""
    pl.scan_parquet(events).sort(*_keys(folder), "ts").sink_parquet(out, compression="zstd", compression_level=1)


def duckdb_flights(folder: Path, out: Path, events: str) -> None:
    """Give the template's model its features by plain SQL, windows by blocks of time; the tables' names are known."""
    from benchmarks.story import HONEST
    from benchmarks.story_features import all_columns, open_tables

    with open_tables(folder) as database:
        all_columns(database, HONEST).write_parquet(out)


PROGRAMS: Final[dict[str, Callable[[Path, Path, str], None]]] = {
    program.__name__: program
    for program in (
        duckdb_range_join,
        duckdb_frames,
        duckdb_flights,
        polars_rolling,
        polars_asof,
        polars_asof_own,
        polars_sorted_copy,
    )  # fmt: skip
}


def _duckdb(folder: Path):  # type: ignore[no-untyped-def] # noqa: ANN202 (its stubs do not know the type)
    import duckdb

    con = duckdb.connect()
    con.execute(f"set temp_directory = '{folder.parent / 'duckdb-temp'}'")
    con.execute("set threads = 2")
    return con


def _keys(folder: Path) -> tuple[str, ...]:
    columns = pl.read_parquet_schema(folder / "spine.parquet")
    return tuple(name for name in columns if name != "t")


def _late(folder: Path) -> bool:
    return "known_at" in pl.read_parquet_schema(next(folder.glob("events-*.parquet")))


if __name__ == "__main__":
    PROGRAMS[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4])
