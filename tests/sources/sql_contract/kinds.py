"""Every kind of SQL source: how its database is filled, and which driver reads it."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
import sqlalchemy as sa

from featurectl.language.definitions.source import Source, SqlQuery
from featurectl.sources.original_columns import split_kept
from featurectl.sources.sql import drivers, postgres_arrow
from featurectl.sources.sql.connections import chosen_driver
from featurectl.sources.sql.reader import SqlReader
from tests.servers.bigquery import run_in_bigquery
from tests.servers.snowflake import run_statements
from tests.sources.sql_contract.googlesql import googlesql

ROWS, ARROW, SQLITE, DUCKDB, MARIADB = "postgres by rows", "postgres", "sqlite", "duckdb", "mariadb"
SNOWFLAKE, BIGQUERY = "snowflake", "bigquery"
KINDS = (SQLITE, ARROW, ROWS, DUCKDB, MARIADB, SNOWFLAKE, BIGQUERY)
GUESTS = (MARIADB, SNOWFLAKE, BIGQUERY)  # whose servers need more than wheels of the tests
MARKS = {ROWS: [pytest.mark.long], **{each: [pytest.mark.guests] for each in GUESTS}}
URLS = {each: f"{each}_url" for each in GUESTS}  # the fixtures of those that are no files and no PostgreSQL
FILES = {SQLITE: "sqlite:///rows.db", DUCKDB: "duckdb:///rows.duckdb"}


@dataclass
class Database:
    """A database of some kind, and how queries to it are read."""

    kind: str
    root: Path
    url: str
    monkeypatch: pytest.MonkeyPatch
    arrow: list[bool] = field(default_factory=list)  # of each query of this test, whether ADBC began it

    def run(self, *statements: str) -> None:
        """Run statements, each in a transaction of its own."""
        if self.kind == DUCKDB:
            with duckdb.connect(self.root / "rows.duckdb") as connection:
                for statement in statements:
                    connection.execute(statement)
            return
        if self.kind == SNOWFLAKE:
            run_statements(self.url, *statements)
            return
        if self.kind == BIGQUERY:
            run_in_bigquery(self.url, *map(googlesql, statements))
            return
        url = f"sqlite:///{self.root}/rows.db" if self.kind == SQLITE else self.url
        engine = sa.create_engine(chosen_driver(sa.make_url(url)), poolclass=sa.NullPool)
        for statement in statements:
            with engine.begin() as connection:
                connection.exec_driver_sql(statement)

    def source(self, query: str, **keys: object) -> Source:
        """Return a source that is a query."""
        query = googlesql(query) if self.kind == BIGQUERY else query
        sql = SqlQuery(url=FILES.get(self.kind, self.url), query=query)
        wanted: dict[str, Any] = {"name": "orders", "format": "sql", "sql": sql, "event_time": None, **keys}
        return Source(**wanted)

    def reader(self, query: str, **keys: object) -> SqlReader:
        """Return the reader of a query."""
        source = self.source(query, **keys)
        assert source.sql is not None
        return SqlReader(source=source, root=self.root, url=source.sql.url)

    def read(self, query: str, since: datetime | None = None, **keys: object) -> pl.DataFrame:
        """Return the rows of a query, as they come from its driver in the language's types."""
        reader = self.reader(query, **keys)
        return reader.scan(reader.parts(), since).collect()

    def raw(self, query: str) -> pl.DataFrame:
        """Return the rows of a query as its driver gives them, beside the language's types."""
        reader = self.reader(query)
        columns = reader.scan_kept(reader.parts()).collect()
        return split_kept(columns)[1]

    @contextmanager
    def by_rows(self) -> Iterator[None]:
        """Let queries be read by rows of SQLAlchemy, as they were before there were other drivers."""
        with self.monkeypatch.context() as patched:
            patched.setattr(drivers, "DRIVERS", {})
            yield

    def watch(self) -> None:
        """See which driver is used."""
        begin = postgres_arrow.ArrowRun.begin

        def seen(run: postgres_arrow.ArrowRun) -> Generator[pl.DataFrame] | None:
            frames = begin(run)
            self.arrow.append(frames is not None)
            return frames

        self.monkeypatch.setattr(postgres_arrow.ArrowRun, "begin", seen)
        if self.kind == ROWS:
            self.monkeypatch.setattr(drivers, "DRIVERS", {})

    def was_read_as(self, *, arrow: bool) -> None:
        """See that the query before was read as Arrow, or by rows."""
        assert (self.arrow[-1:] == [True]) == arrow
        self.arrow.clear()


def postgres_database(root: Path, url: str, monkeypatch: pytest.MonkeyPatch, kind: str = ARROW) -> Database:
    """Return a PostgreSQL whose queries are read as Arrow, or by rows."""
    made = Database(kind, root, url, monkeypatch)
    made.watch()
    return made


def values(*texts: str) -> str:
    """Return a query whose columns are a, b, c ... with one value each."""
    return "select " + ", ".join(f"{text} as {'abcdefghijklmnopqrstuvwxyz'[i]}" for i, text in enumerate(texts))


def same(one: pl.DataFrame, other: pl.DataFrame) -> bool:
    """Return whether frames are equal in names, types and cells."""
    return one.schema == other.schema and one.equals(other, null_equal=True)


def rows_of(frame: pl.DataFrame) -> Sequence[tuple]:
    """Return the rows of a frame."""
    return frame.rows()
