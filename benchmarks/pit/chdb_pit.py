"""ClickHouse in a process: as-of look-ups and windows, run by an environment that has `chdb` (CHDB_PYTHON names it)."""

from __future__ import annotations

import sys
from pathlib import Path

WINDOWS = {"1h": 1, "1d": 24, "30d": 720}
OPS = ("sum", "count", "min", "max")
TTL_DAYS = 7
_WRITTEN = "into outfile '{out}' truncate format Parquet settings output_format_parquet_compression_method='zstd'"


def asof(folder: Path, out: Path) -> str:
    """Return an ASOF join a view, within the ttl; the copy that was created last is taken, as the work asks."""
    sources = sorted(folder.glob("state-*.parquet"))
    joins, picked = [], []
    for number, path in enumerate(sources):
        names = [f"f{number}_{i}" for i in range(5)]
        last = ", ".join(f"argMax({name}, created) as {name}" for name in names)
        joins.append(
            f"asof left join (select user, ts, {last} from file('{path}', Parquet) group by user, ts) as e{number} "
            f"on s.user = e{number}.user and s.t >= e{number}.ts"
        )
        fresh = f"e{number}.ts >= s.t - interval {TTL_DAYS} day"
        picked += [f"if({fresh}, e{number}.{name}, null) as {name}" for name in names]
    spine = f"(select *, rowNumberInAllBlocks() as n from file('{folder}/spine.parquet', Parquet)) as s"
    columns = ", ".join(picked)
    return f"select s.user as user, s.t as t, {columns} from {spine} {' '.join(joins)} order by s.n {_written(out)}"


def windows(folder: Path, out: Path) -> str:
    """Return a join of each spine row with the events of its key, aggregated with conditions."""
    picked = []
    for op in OPS:
        for window, hours in WINDOWS.items():
            inside = f"e.ts < s.t and e.ts >= s.t - interval {hours} hour"
            call = f"countIf({inside})" if op == "count" else f"{op}OrNullIf(e.amount, {inside})"
            picked.append(f"{call} as amount_{op}_{window}")
    spine = f"(select *, rowNumberInAllBlocks() as n from file('{folder}/spine.parquet', Parquet)) as s"
    events = f"file('{folder}/events-*.parquet', Parquet) as e"
    columns = ", ".join(picked)
    return (
        f"select any(s.user) as user, any(s.t) as t, {columns} from {spine} left join {events} on s.user = e.user "
        f"group by s.n order by s.n {_written(out)}"
    )


def _written(out: Path) -> str:
    return _WRITTEN.replace("{out}", str(out)) + ", max_threads=2, session_timezone='UTC'"


QUERIES = {"asof": asof, "windows": windows}


if __name__ == "__main__":
    import chdb

    chdb.query(QUERIES[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3])))
