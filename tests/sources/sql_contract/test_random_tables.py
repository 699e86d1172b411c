"""Random tables of each kind of database are those of the same rows in Parquet: cells, types, and order of ties."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from featurectl.language.definitions.source import Source
from featurectl.sources.open import open_source
from tests.seeds import seeds_from
from tests.sources.sql_contract.kinds import ARROW, DUCKDB, FILES, KINDS, MARIADB, MARKS, ROWS, SQLITE, URLS, Database
from tests.sources.sql_contract.test_continued import assert_same, make, tables

LETTERS = "aäZ€😀' \",;-_09"
ZONE = "Europe/Berlin"  # naive times fall into hours that it skips and repeats
COUNT = 120
HERE = (SQLITE, ARROW, ROWS, DUCKDB, MARIADB)
_SHORT = {ARROW: "postgres", ROWS: "postgres"}


@dataclass(frozen=True)
class Column:
    """A column of random values: its type in the language and in Polars, in each database, and how a value is drawn."""

    declared: str
    dtype: Any
    types: dict[str, str]
    draw: Callable[[random.Random], Any]


def text(drawn: random.Random) -> str:
    return "".join(drawn.choices(LETTERS, k=drawn.choice((0, 1, 5, 40))))


def moment(drawn: random.Random) -> datetime:
    """Return an instant, often near an hour that clocks skip or repeat."""
    begin = drawn.choice((datetime(1971, 1, 1), datetime(2024, 3, 31, 1), datetime(2024, 10, 27, 1)))  # noqa: DTZ001
    reach = 66 * 365 * 86_400 if begin.year == 1971 else 3 * 3600
    return begin + timedelta(seconds=drawn.randrange(reach), microseconds=drawn.choice((0, 1, 250_000, 999_999)))


def number(drawn: random.Random) -> float:
    return drawn.choice((drawn.random(), drawn.uniform(-1e300, 1e300), drawn.gauss(0, 1) * 1e-200, 0.0, 0.1, -1.5))


COLUMNS = {
    "i": Column("int64", pl.Int64, {"": "bigint"}, lambda d: d.choice((d.randrange(-(2**63), 2**63), d.randrange(9)))),
    "f": Column("float64", pl.Float64, {"": "double precision", DUCKDB: "double", SQLITE: "real"}, number),
    "d": Column("decimal(12,3)", pl.Decimal(12, 3), {"": "numeric(12,3)", SQLITE: "text"},
                lambda d: Decimal(d.randrange(-(10**12) + 1, 10**12)).scaleb(-3)),
    "s": Column("string", pl.String, {"": "text"}, text),
    "b": Column("bool", pl.Boolean, {"": "boolean"}, lambda d: d.random() < 0.5),
    "day": Column("date", pl.Date, {"": "date", SQLITE: "text"},
                  lambda d: date(1000, 1, 1) + timedelta(d.randrange(3_000_000))),
    "t": Column("timestamp", pl.Datetime("us"), {"": "timestamp", MARIADB: "datetime(6)", SQLITE: "text"}, moment),
    "z": Column("timestamp", pl.Datetime("us", "UTC"),
                {"": "timestamptz", MARIADB: "timestamp(6) null", SQLITE: "text"},
                lambda d: moment(d).replace(tzinfo=UTC)),
}  # fmt: skip
DECLARED = {name: column.declared for name, column in COLUMNS.items()}


def frame_of(seed: int) -> pl.DataFrame:
    """Return a random table; a row is numbered by `n`."""
    drawn = random.Random(seed)
    cells = {
        name: [None if drawn.random() < 0.15 else column.draw(drawn) for _ in range(COUNT)]
        for name, column in COLUMNS.items()
    }
    made = pl.DataFrame({name: pl.Series(values, dtype=COLUMNS[name].dtype) for name, values in cells.items()})
    return made.with_columns(pl.int_range(COUNT).alias("n"))


def literal(value: Any, kind: str, name: str) -> str:
    """Return a value as it is written in SQL."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(int(value)) if kind == SQLITE else str(value).lower()
    if isinstance(value, float):
        return f"{value!r}" if "e" in f"{value!r}" else f"{value!r}e0"
    if isinstance(value, datetime):
        zone = "+00:00" if name == "z" and kind != MARIADB else ""
        return f"'{value.replace(tzinfo=None).isoformat(' ', 'microseconds')}{zone}'"
    if isinstance(value, int):
        return f"({value + 1} - 1)" if value < 0 else str(value)  # the smallest one has no literal
    return "'" + str(value).replace("'", "''") + "'"


def fill(database: Database, frame: pl.DataFrame) -> None:
    """Put the rows of a frame into the table t."""
    kind = database.kind
    kinds = {name: column.types.get(_SHORT.get(kind, kind), column.types[""]) for name, column in COLUMNS.items()}
    written = ", ".join(f"{name} {kinds[name]}" for name in COLUMNS)
    rows = [[literal(value, kind, name) for name, value in row.items()] for row in frame.to_dicts()]
    values = ", ".join(f"({', '.join(row)})" for row in rows)
    database.run("drop table if exists t", f"create table t ({written}, n bigint)", f"insert into t values {values}")


@pytest.fixture(params=[pytest.param(kind, marks=MARKS.get(kind, [])) for kind in KINDS if kind in HERE])
def database(request, tmp_path, monkeypatch):
    url = "" if request.param in FILES else request.getfixturevalue(URLS.get(request.param, "postgres_url"))
    made = Database(request.param, tmp_path, url, monkeypatch)
    made.watch()
    return made


def of_parquet(database: Database, frame: pl.DataFrame, **keys: Any) -> pl.DataFrame:
    frame.write_parquet(database.root / "t.parquet")
    source = Source(name="orders", format="parquet", path="t.parquet", event_time=None, **keys)
    reader = open_source(source, database.root)
    return reader.scan(reader.parts()).collect()


@pytest.mark.parametrize("seed", [
    pytest.param(seed, marks=[] if seed == seeds_from(0, 1)[0] else pytest.mark.long) for seed in seeds_from(0, 4)
])  # fmt: skip
def test_a_random_table_is_that_of_the_same_rows_in_parquet(database, seed):
    frame = frame_of(seed)
    fill(database, frame)
    keys = {"columns": {**DECLARED, "n": "int64"}, "columns_declared": True, "timezone": ZONE}
    found = database.read("select * from t order by n", **keys)
    wanted = of_parquet(database, frame, **keys)
    assert found.schema == wanted.schema
    for name in wanted.columns:
        assert found[name].to_list() == wanted[name].to_list(), name
    if database.kind == SQLITE:  # which tells no types
        return
    told = {} if database.kind != MARIADB else {"columns": {"b": "bool"}}  # of which it has none
    assert {**database.reader("select * from t", timezone=ZONE).columns(), **told.get("columns", {})} == keys["columns"]


VIEW = """
entities: [{name: key, keys: {k: string}}]
sources:
  - name: s
    SOURCE
    columns: {k: string, at: timestamp, i: int64, f: float64, d: "decimal(12,3)", s: string, b: bool, day: date,
      z: timestamp}
    event_time: at
    tiebreak: [s, f]
    dedup_key: [k, at, i]
    lateness: 1h
feature_views:
  - {name: v, entity: key, source: s, features: [i, f, d, s, b, day, z]}
"""


@pytest.mark.long
def test_a_table_of_features_is_that_of_parquet_with_its_hashes(database, capsys, monkeypatch):
    frame, folder = frame_of(7), database.root
    at = "case when n < 60 then '2024-01-01 00:00:00' else '2024-01-01 00:00:01' end"
    time = at if database.kind == SQLITE else f"cast({at} as {'datetime' if database.kind == MARIADB else 'timestamp'})"
    columns = "i, f, d, s, b, day, z"
    query = f"select case when n % 3 = 0 then 'a' else 'b' end as k, {time} as at, {columns} from t where n <> 9"
    source = f'sql: {{url: "{FILES.get(database.kind, database.url)}", query: "{query}"}}'
    shop = make(folder / "sql", "", VIEW.replace("SOURCE", source), capsys, monkeypatch)
    database.root = shop.root
    fill(database, frame)
    shop.run("materialize")
    other = make(folder / "parquet", "", VIEW.replace("SOURCE", "path: t.parquet"), capsys, monkeypatch)
    first = pl.datetime(2024, 1, 1, 0, 0, 0)
    kept = frame.filter(pl.col("n") != 9).select(
        pl.when(pl.col("n") % 3 == 0).then(pl.lit("a")).otherwise(pl.lit("b")).alias("k"),
        pl.when(pl.col("n") < 60).then(first).otherwise(first + timedelta(seconds=1)).alias("at"),
        *columns.split(", "),
    )
    kept.write_parquet(other.root / "t.parquet")
    other.run("materialize")
    found, wanted = tables(shop.root), tables(other.root)
    assert_same(found, wanted)
    assert max(each.height for each in wanted.values()) > COUNT // 2
    assert any("tie_order" in each.columns for each in wanted.values())
