"""The template of flights with its sources in databases and in Iceberg gives the training set of its files."""

from __future__ import annotations

from pathlib import Path

import duckdb
import polars as pl
import psycopg
import pytest
from pyiceberg.catalog.sql import SqlCatalog

from featurectl.operations.outputs.frames import frames_of
from featurectl.operations.scoring.destination import open_destination
from tests.servers.mariadb import started_mariadb
from tests.servers.snowflake import PASSWORD, run_statements
from tests.sources.flights_elsewhere import TABLES, queries, same_training_set

TYPES = {
    pl.String: "text", pl.Int8: "smallint", pl.Int16: "smallint", pl.Int32: "integer", pl.Float64: "double precision",
    pl.Boolean: "boolean", pl.Datetime: "timestamptz",
}  # fmt: skip


@pytest.mark.long
def test_flights_in_postgres_give_the_training_set_of_files(tmp_path, postgres_url):
    def write(name: str, rows: pl.DataFrame) -> None:
        columns = ", ".join(f"{column} {TYPES[dtype.base_type()]}" for column, dtype in rows.schema.items())
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            connection.execute(f"create table if not exists {name} ({columns})")
            with connection.cursor().copy(f"copy {name} from stdin") as copy:
                for row in rows.iter_rows():
                    copy.write_row(row)

    same_training_set(tmp_path, write, queries(postgres_url))


@pytest.mark.long
@pytest.mark.guests
def test_flights_in_mariadb_give_the_training_set_of_files(tmp_path):
    kinds = {**TYPES, pl.String: "varchar(200)", pl.Float64: "double", pl.Datetime: "timestamp(6) null"}
    with started_mariadb() as server, server.database() as url:

        def write(name: str, rows: pl.DataFrame) -> None:
            columns = ", ".join(f"{column} {kinds[dtype.base_type()]}" for column, dtype in rows.schema.items())
            marks = ", ".join(["%s"] * rows.width)
            with server.connect(url.rpartition("/")[2]) as connection, connection.cursor() as cursor:
                cursor.execute("set time_zone = '+00:00'")
                cursor.execute(f"create table if not exists {name} ({columns})")
                for part in rows.iter_slices(20_000):
                    cursor.executemany(f"insert into {name} values ({marks})", part.rows())

        same_training_set(tmp_path, write, queries(url))


@pytest.mark.long
def test_flights_in_duckdb_give_the_training_set_of_files(tmp_path):
    place = tmp_path / "elsewhere" / "flights.duckdb"

    def write(name: str, rows: pl.DataFrame) -> None:
        with duckdb.connect(place) as connection:
            connection.execute("set TimeZone = 'UTC'")
            connection.register("given", rows.to_arrow())
            connection.execute(f"create table if not exists {name} as select * from given limit 0")
            connection.execute(f"insert into {name} select * from given")

    same_training_set(tmp_path, write, queries("duckdb:///flights.duckdb", "cast(:since as timestamp)"))


@pytest.mark.long
def test_flights_in_iceberg_give_the_training_set_of_files(tmp_path):
    root: Path = tmp_path / "elsewhere"

    def write(name: str, rows: pl.DataFrame) -> None:
        with SqlCatalog("lake", uri=f"sqlite:///{root}/lake.db", warehouse=f"file://{root}/lake") as catalog:
            catalog.create_namespace_if_not_exists("air")
            table = catalog.create_table_if_not_exists(f"air.{name}", schema=rows.to_arrow().schema)
            for part in (rows.head(rows.height // 3), rows.slice(rows.height // 3)):
                table.append(part.to_arrow())

    places = {name: {"iceberg": {"catalog": "sqlite:///lake.db", "table": f"air.{name}"}} for name in TABLES}
    same_training_set(tmp_path, write, places)


@pytest.mark.guests
def test_flights_in_snowflake_give_the_training_set_of_files(tmp_path, snowflake_url, monkeypatch):
    def write(name: str, rows: pl.DataFrame) -> None:
        given = f"given_{name}"
        open_destination(f"{snowflake_url}&table={given}", "rows").write(frames_of(rows), {})
        run_statements(
            snowflake_url,
            f"create table if not exists {name} as select * from {given} where 1 = 0",
            f"insert into {name} select * from {given}",
        )

    monkeypatch.setenv("SNOWFLAKE_PASSWORD", PASSWORD)
    same_training_set(tmp_path, write, queries(snowflake_url.replace(PASSWORD, "${SNOWFLAKE_PASSWORD}")))
