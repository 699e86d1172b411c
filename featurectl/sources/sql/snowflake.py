"""Queries to Snowflake, read as Arrow by ADBC: described first, and run when rows are wanted."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from importlib.util import find_spec
from typing import Final

import polars as pl

from featurectl.core.errors import DataError, StoreError
from featurectl.sources.begun_again import ConnectionCutError
from featurectl.sources.since import count_since, with_since
from featurectl.sources.sql.by_rows import run_by_rows
from featurectl.sources.sql.query_run import SqlQueryRun
from featurectl.sources.sql.rows import Types
from featurectl.sources.sql.running_query import RunningQuery
from featurectl.sources.sql.snowflake_address import SnowflakeAddress, UnknownParameterError, snowflake_address
from featurectl.sources.sql.snowflake_columns import SnowflakeColumn, described_columns, snowflake_frame
from featurectl.sources.sql.snowflake_server import is_of_query, said
from featurectl.sources.sql.snowflake_session import MODULES, SnowflakeSession

BATCH_ROWS: Final = 50_000
_SINCE: Final = "cast(? as timestamp_ntz)"
_COMMENT: Final = r"--[^\n]*|//[^\n]*|/\*.*?\*/"
_FIRST: Final = re.compile(rf"(?:\s|{_COMMENT})*(\(|\w*)", re.DOTALL)
_TEXT: Final = re.compile(rf"({_COMMENT})|'(?:[^'\\]|\\.|'')*'|\"(?:[^\"]|\"\")*\"|\$\$.*?\$\$", re.DOTALL)
_READING: Final = ("select", "with", "values", "(")


@contextmanager
def run_in_snowflake(query: SqlQueryRun, since: datetime | None) -> Iterator[RunningQuery]:
    """Give the running query; see `drivers.running`. URLs with parameters of another driver are read by its rows."""
    address = _address(query) if all(find_spec(name) for name in MODULES) else None
    if address is None:
        with run_by_rows(query, since) as rows:
            yield rows
        return
    run = SnowflakeRun(query=query, address=address, since=str(query.since_value(since, "snowflake")))
    try:
        with closing(run.frames(run.describe())) as frames:
            yield RunningQuery(types=run.types, frames=frames)
    finally:
        run.close()


def _address(query: SqlQueryRun) -> SnowflakeAddress | None:
    """Return what the driver is opened with; None where a dialect of SQLAlchemy knows the URL better."""
    if not query.url.startswith("snowflake://"):
        return None
    at = f"source {query.source.name}: {query.shown}"
    try:
        return snowflake_address(query.url, query.source.timezone, query.root.joinpath)
    except UnknownParameterError as error:
        if find_spec("snowflake") and find_spec("snowflake.sqlalchemy"):
            return None
        raise DataError(f"{at}: {error}", code="FC508") from error
    except OSError as error:
        message = f"{at}: its private_key_file {error.filename} can't be read: {error.strerror}"
        raise StoreError(message, code="FC605") from error
    except ValueError as error:
        raise DataError(f"{at}: {error}", code="FC508") from error


def check_reads(text: str, where: str) -> None:
    """See that a query is one statement, which begins as one that only reads: Snowflake has no transactions for that.

    Raises:
        DataError: FC508, it is not.
    """
    first = _FIRST.match(text)
    begin = first[1] if first is not None else ""
    if begin.lower() not in _READING:
        message = f"{where} fails: it does something else than to read: it begins with {begin!r}"
        raise DataError(message, code="FC508", hint="begin it with select, with or values")
    if is_more_than_one(text):
        raise DataError(f"{where} fails: it is more than one statement", code="FC508")


def is_more_than_one(text: str) -> bool:
    """Return whether something but comments stands behind a semicolon that is in no text.

    >>> is_more_than_one("select ';'; -- the end"), is_more_than_one("select 1; delete from t")
    (False, True)
    """
    bare = _TEXT.sub(lambda found: " " if found[1] else "x", text)
    return bool(bare.partition(";")[2].replace(";", "").strip())


@dataclass(frozen=True, kw_only=True)
class SnowflakeRun:
    """The query of a source in a session of its own; `since` is bound to it."""

    query: SqlQueryRun
    address: SnowflakeAddress
    since: str

    def describe(self) -> list[SnowflakeColumn]:
        """Return the columns of the query, which does not run.

        Raises:
            StoreError: FC605, the database can't be reached.
            DataError: FC508, the query fails, or does something else than to read.
        """
        check_reads(self._text, self.query.where)
        with self._failures(opening=True):
            self._session.open()
        with self._failures():
            schema = self._session.describe(self._text)
        columns = described_columns(schema, self.query.source, self.query.where)
        self.types.update(snowflake_frame(schema.empty_table(), columns, self.query.where).schema)
        return columns

    @cached_property
    def types(self) -> Types:
        """The types of the columns, once they are described."""
        return {}

    def frames(self, columns: list[SnowflakeColumn]) -> Generator[pl.DataFrame]:
        """Yield the rows as they come; the query begins to run."""
        assert self.query.source.sql is not None
        values = (self.since,) * count_since(self.query.source.sql.query)
        before = 0
        batches = self._session.ahead(self._session.batches(self._text, values))
        with self._failures(), closing(batches):  # type: ignore[type-var]  # a generator
            for batch in batches:
                if batch.schema.names != [column.original for column in columns]:
                    message = self.query.unreachable("its columns changed while it was begun")
                    raise ConnectionCutError(message, code="FC605")
                for begin in range(0, batch.num_rows, BATCH_ROWS):
                    piece = batch.slice(begin, BATCH_ROWS)
                    yield self._as_described(snowflake_frame(piece, columns, self.query.where, before))
                    before += piece.num_rows

    def close(self) -> None:
        """End the session."""
        self._session.close()

    @cached_property
    def _session(self) -> SnowflakeSession:
        def unreachable(what: str) -> StoreError:
            return StoreError(self.query.unreachable(what), code="FC605")

        return SnowflakeSession(address=self.address, unreachable=unreachable)

    def _as_described(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return rows in the types that were described: Arrow of rows may have a narrower one."""
        wanted = {name: dtype for name, dtype in self.types.items() if dtype not in (None, frame.schema[name])}
        return frame.cast(pl.Schema(wanted)) if wanted else frame

    @contextmanager
    def _failures(self, *, opening: bool = False) -> Iterator[None]:
        """Let what the driver fails of be an error of the source."""
        from adbc_driver_snowflake import dbapi

        try:
            yield
        except (dbapi.Error, OSError) as error:
            message = self.query.unreachable(said(error))
            if opening:
                raise StoreError(message, code="FC605") from error
            if is_of_query(error):
                raise self.query.failed(said(error)) from error
            raise ConnectionCutError(message, code="FC605") from error

    @property
    def _text(self) -> str:
        assert self.query.source.sql is not None
        return with_since(self.query.source.sql.query, _SINCE)
