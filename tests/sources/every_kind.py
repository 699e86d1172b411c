"""The same rows written as every kind of source."""

# ruff: noqa: DTZ001  # times without a zone are what is tested

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import sqlalchemy as sa
from deltalake import write_deltalake

from featurectl.language.definitions.source import Source, SqlQuery

COLUMNS = {"id": "int64", "name": "string", "amount": "float64", "ok": "bool", "day": "date", "at": "timestamp"}
ROWS = [
    (1, "ä, b", 1.5, True, date(2024, 3, 9), datetime(2024, 3, 9, 5, 0, 0, 250_000)),
    (2, None, None, None, None, datetime(2024, 3, 10, 2, 30)),  # New York's clock skips it
    (2**62, "x", -0.25, False, date(1960, 1, 1), datetime(2024, 11, 3, 1, 30)),  # and shows this twice
]
UTC_TEXTS = ["2024-03-09 10:00:00.250000", "2024-03-10 07:30:00.000000", "2024-11-03 05:30:00.000000"]

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


def sqlite(root: Path, rows: Sequence[tuple], _: str) -> dict:
    columns = "id integer, name text, amount real, ok boolean, day text, at text"
    _fill(f"sqlite:///{root}/rows.db", columns, [(*row[:4], row[4] and str(row[4]), str(row[5])) for row in rows])
    return {"format": "sql", "sql": SqlQuery(url="sqlite:///rows.db", query="select * from t order by at")}


def postgres(_: Path, rows: Sequence[tuple], url: str) -> dict:
    _fill(url, "id bigint, name text, amount real, ok boolean, day date, at timestamp", rows)
    return {"format": "sql", "sql": SqlQuery(url=url, query="select * from t where at > :since order by at")}


def _fill(url: str, columns: str, rows: Sequence[tuple]) -> None:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    names = [column.split()[0] for column in columns.split(", ")]
    with engine.begin() as connection:
        connection.execute(sa.text(f"create table if not exists t ({columns})"))
        insert = sa.text(f"insert into t values ({', '.join(':' + name for name in names)})")
        for row in rows:
            connection.execute(insert, dict(zip(names, row, strict=True)))


KINDS: dict[str, Make] = {
    "parquet": parquet, "csv": csv, "ndjson": ndjson, "delta": delta, "sqlite": sqlite, "postgres": postgres,
}  # fmt: skip


def make_source(kind: str, root: Path, url: str, rows: Sequence[tuple] = ROWS, **keys: object) -> Source:
    """Return the definition of a source whose rows were written below `root` (or into the database)."""
    declared = {"columns": COLUMNS, "columns_declared": True}
    return Source(**{"name": "orders", **declared, **KINDS[kind](root, rows, url), **keys})
