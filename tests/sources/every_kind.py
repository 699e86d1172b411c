"""The same rows written as every kind of source."""

# ruff: noqa: DTZ001  # times without a zone are what is tested

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa
from deltalake import write_deltalake
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.table import Table

from featurectl.language.definitions.source import IcebergName, Source, SqlQuery
from tests.servers.bigquery import run_in_bigquery
from tests.servers.snowflake import run_statements

COLUMNS = {"id": "int64", "name": "string", "amount": "float64", "ok": "bool", "day": "date", "at": "timestamp"}
ROWS = [
    (1, "ä, b", 1.5, True, date(2024, 3, 9), datetime(2024, 3, 9, 5, 0, 0, 250_000)),
    (2, None, None, None, None, datetime(2024, 3, 10, 2, 30)),  # New York's clock skips it
    (2**62, "x", -0.25, False, date(1960, 1, 1), datetime(2024, 11, 3, 1, 30)),  # and shows this twice
]
UTC_TEXTS = ["2024-03-09 10:00:00.250000", "2024-03-10 07:30:00.000000", "2024-11-03 05:30:00.000000"]

ICEBERG = IcebergName(table="shop.orders", catalog="sqlite:///catalog.db")
Make = Callable[[Path, Sequence[tuple], str], dict]


def frame(rows: Sequence[tuple]) -> pl.DataFrame:
    schema: dict[str, Any] = {
        "id": pl.Int64, "name": pl.String, "amount": pl.Float64, "ok": pl.Boolean, "day": pl.Date,
        "at": pl.Datetime("us"),
    }  # fmt: skip
    return pl.DataFrame(rows, schema=schema, orient="row")


def parquet(root: Path, rows: Sequence[tuple], _: str) -> dict:
    frame(rows).write_parquet(root / "rows.parquet")
    return {"format": "parquet", "path": "rows.parquet"}


def csv(root: Path, rows: Sequence[tuple], _: str) -> dict:
    frame(rows).write_csv(root / "rows.csv", datetime_format="%Y-%m-%dT%H:%M:%S%.6f")
    return {"format": "csv", "path": "rows.csv"}


def ndjson(root: Path, rows: Sequence[tuple], _: str) -> dict:
    lines = [
        json.dumps({k: str(v) if isinstance(v, date) else v for k, v in row.items() if v is not None})
        for row in frame(rows).to_dicts()
    ]
    (root / "rows.ndjson").write_text("".join(line + "\n" for line in lines))
    return {"format": "ndjson", "path": "rows.ndjson"}


def delta(root: Path, rows: Sequence[tuple], _: str) -> dict:
    for start in range(len(rows)):
        write_deltalake(root / "table", frame(rows[start : start + 1]), mode="append", partition_by=["ok"])
    return {"format": "delta", "path": "table"}


def iceberg(root: Path, rows: Sequence[tuple], _: str) -> dict:
    table = iceberg_table(root)
    for start in range(len(rows)):
        table.append(frame(rows[start : start + 1]).to_arrow())
    return {"format": "iceberg", "iceberg": ICEBERG}


def iceberg_table(root: Path, schema: pl.DataFrame | None = None) -> Table:
    """Return the table of a catalog below a folder, made where it is not there, with the columns of a frame."""
    name, columns = ICEBERG.table, frame([]) if schema is None else schema
    catalog = SqlCatalog("lake", uri=f"sqlite:///{root}/catalog.db", warehouse=f"file://{root}/lake")
    catalog.create_namespace_if_not_exists("shop")
    table = catalog.create_table_if_not_exists(name, schema=columns.to_arrow().schema)
    catalog.close()
    return table


def sqlite(root: Path, rows: Sequence[tuple], _: str) -> dict:
    columns = "id integer, name text, amount real, ok boolean, day text, at text"
    _fill(f"sqlite:///{root}/rows.db", columns, [(*row[:4], row[4] and str(row[4]), str(row[5])) for row in rows])
    return {"format": "sql", "sql": SqlQuery(url="sqlite:///rows.db", query="select * from t order by at")}


def postgres(_: Path, rows: Sequence[tuple], url: str) -> dict:
    _fill(url, "id bigint, name text, amount real, ok boolean, day date, at timestamp", rows)
    return {"format": "sql", "sql": SqlQuery(url=url, query="select * from t where at > :since order by at")}


def snowflake(_: Path, rows: Sequence[tuple], url: str) -> dict:
    run_statements(
        url,
        'create table if not exists t (id int, name varchar, amount float, ok boolean, day date, "AT" timestamp_ntz)',
        *(f"insert into t select {', '.join(map(_literal, row))}" for row in rows),
    )
    return {"format": "sql", "sql": SqlQuery(url=url, query='select * from t where "AT" > :since order by "AT"')}


def bigquery(_: Path, rows: Sequence[tuple], url: str) -> dict:
    run_in_bigquery(
        url,
        "create table if not exists t (id int64, name string, amount float64, ok bool, day date, at datetime)",
        *(f"insert into t values ({', '.join(map(_literal, row))})" for row in rows),
    )
    return {"format": "sql", "sql": SqlQuery(url=url, query="select * from t where at > datetime(:since) order by at")}


def _literal(value: object) -> str:
    return "null" if value is None else str(value) if isinstance(value, int | float) else f"'{value}'"


def _fill(url: str, columns: str, rows: Sequence[tuple]) -> None:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    names = [column.split()[0] for column in columns.split(", ")]
    with engine.begin() as connection:
        connection.execute(sa.text(f"create table if not exists t ({columns})"))
        insert = sa.text(f"insert into t values ({', '.join(':' + name for name in names)})")
        for row in rows:
            connection.execute(insert, dict(zip(names, row, strict=True)))


KINDS: dict[str, Make] = {
    "parquet": parquet, "csv": csv, "ndjson": ndjson, "delta": delta, "iceberg": iceberg, "sqlite": sqlite,
    "postgres": postgres,
}  # fmt: skip
GUESTS: dict[str, Make] = {"snowflake": snowflake, "bigquery": bigquery}
ALL_KINDS = [*KINDS, *(pytest.param(kind, marks=pytest.mark.guests) for kind in GUESTS)]


def make_source(kind: str, root: Path, url: str, rows: Sequence[tuple] = ROWS, **keys: object) -> Source:
    """Return the definition of a source whose rows were written below `root` (or into the database)."""
    declared = {"columns": COLUMNS, "columns_declared": True}
    return Source(**{"name": "orders", **declared, **(KINDS | GUESTS)[kind](root, rows, url), **keys})


def url_of(request: pytest.FixtureRequest) -> str:
    """Return the URL of the database of a kind that is the parameter of a fixture; PostgreSQL's for those without."""
    url: str = request.getfixturevalue(f"{request.param if request.param in GUESTS else 'postgres'}_url")
    return url
