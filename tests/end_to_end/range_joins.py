"""The windows of the template as range joins in DuckDB, over the source files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import duckdb
import polars as pl

from tests.end_to_end.declared import Source, View, Window, airport_side

BLOCKS = 4  # rows meet moments by blocks of a quarter of the window, then to the microsecond
CLOCK_END = 10**16  # microseconds; both clocks lie below it, so that one number orders rows by both
AGGREGATES = {"mean": "avg({})", "max": "max({})", "count": "count(*)"}


class RangeJoins:
    """A database with the rows of a spine's file and the sources of a repository."""

    def __init__(self, root: Path, spine: Path, time: str) -> None:
        self._root = root
        self._database = duckdb.connect(config={"threads": 2})
        self._database.execute("set timezone = 'UTC'")
        rows = f"read_parquet('{spine}', file_row_number = true)"
        self._database.execute(f"create table asked as select *, epoch_us({time}) as t from {rows}")
        self._loaded: set[str] = set()

    def load(self, source: Source) -> None:
        """Copy a source into the database, repeats left out, with its clocks in microseconds."""
        if source.name in self._loaded:
            return
        self._loaded.add(source.name)
        select = "".join(f", {text} as {name}" for name, text in source.select.items())
        clocks = f"epoch_us({source.event_time}) as event_us, epoch_us({source.available_at}) as available_us"
        once = ""
        if source.dedup_key:
            once = f"qualify row_number() over (partition by {', '.join(source.dedup_key)} order by available_us) = 1"
        sql = f"select *, {clocks}{select} from '{self._root / source.path}' {once}"
        self._database.execute(f"create table {source.name} as {sql}")

    def answer(self, view: View, windows: Sequence[Window]) -> pl.DataFrame:
        """Return a column per window of one length, in the order of the spine."""
        length = windows[0].length_us
        assert all(window.length_us == length for window in windows)
        self.load(view.source)
        sql = _ever(view, windows) if length is None else _within(view, windows, length)
        return pl.DataFrame(self._database.sql(sql))


def spine_columns(view: View) -> dict[str, str]:
    """Return source column -> spine column for the keys of a view."""
    return {column: airport_side(view) if key == "airport" else key for key, column in view.join.items()}


def _within(view: View, windows: Sequence[Window], length: int) -> str:
    keys, block = spine_columns(view), length // BLOCKS
    return f"""
        with q as (
            select distinct {", ".join(keys.values())}, t,
                unnest(range((t - {length}) // {block}, t // {block} + 1)) as block
            from asked
        ),
        r as (select *, event_us // {block} as block from {view.source.name}),
        a as (
            select {", ".join(f"q.{name}" for name in keys.values())}, q.t, {_aggregates(windows)}
            from q join r on {_same(keys, "r", "q")} and q.block = r.block
            where r.event_us >= q.t - {length} and r.event_us < q.t and r.available_us <= q.t
            group by all
        )
        {_of_spine(keys, windows)}"""


def _ever(view: View, windows: Sequence[Window]) -> str:
    keys = spine_columns(view)
    return f"""
        with q as (select distinct {", ".join(keys.values())}, t from asked),
        a as (
            select {", ".join(f"q.{name}" for name in keys.values())}, q.t, {_aggregates(windows)}
            from q join {view.source.name} r on {_same(keys, "r", "q")}
            where r.event_us < q.t and r.available_us <= q.t
            group by all
        )
        {_of_spine(keys, windows)}"""


def _aggregates(windows: Sequence[Window]) -> str:
    return ", ".join(f"{_aggregate(window)} as {window.name}" for window in windows)


def _aggregate(window: Window) -> str:
    column = f"r.{window.column}"
    if window.op == "last":  # of the rows where it is not null
        return f"arg_max({column}, r.event_us::hugeint * {CLOCK_END} + r.available_us)"
    return AGGREGATES[window.op].format(f"{column}::double" if window.op == "mean" else column)


def _of_spine(keys: dict[str, str], windows: Sequence[Window]) -> str:
    """Every row of the spine: a count of no rows is 0, and null where a key is."""
    known = " and ".join(f"s.{name} is not null" for name in keys.values())
    columns = [
        f"case when {known} then coalesce(a.{w.name}, 0) end as {w.name}" if w.op == "count" else f"a.{w.name}"
        for w in windows
    ]
    same = " and ".join(f"s.{name} = a.{name}" for name in keys.values())
    return f"select {', '.join(columns)} from asked s left join a on {same} and s.t = a.t order by s.file_row_number"


def _same(keys: dict[str, str], rows: str, asked: str) -> str:
    return " and ".join(f"{rows}.{theirs} = {asked}.{ours}" for theirs, ours in keys.items())
