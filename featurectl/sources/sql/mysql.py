"""Queries to MySQL and MariaDB, read by rows of PyMySQL as they come: the server holds back what is not fetched."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import polars as pl
import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError

from featurectl.core import postgres
from featurectl.core.errors import StoreError
from featurectl.core.postgres import NO_ANSWER, probe_seconds
from featurectl.sources.begun_again import ConnectionCutError
from featurectl.sources.since import asks_since, with_since
from featurectl.sources.sql.by_rows import run_by_rows
from featurectl.sources.sql.by_sqlalchemy import connected
from featurectl.sources.sql.connections import chosen_driver
from featurectl.sources.sql.mysql_types import MysqlColumn, column_types, described_columns, mysql_frame
from featurectl.sources.sql.query_run import NOT_READING, SqlQueryRun
from featurectl.sources.sql.read_ahead import SilenceWatch, read_ahead
from featurectl.sources.sql.running_query import RunningQuery, check_named_once

if TYPE_CHECKING:
    from pymysql.connections import Connection
    from pymysql.cursors import SSCursor

CHUNK_ROWS: Final = 20_000
_SETTINGS: Final = ("set session time_zone = '+00:00'", "set session transaction read only", "start transaction")
_CUT: Final = (1053, 1927, 2006, 2013, 2055, 4031)  # it is shut down, killed, gone, lost, closed for it did nothing
_NOT_NOW: Final = (1040, 1203, 1205, 1213, 1317, 1969, 3024)  # too many of them, locked, interrupted, took too long


@contextmanager
def run_in_mysql(query: SqlQueryRun, since: datetime | None) -> Iterator[RunningQuery]:
    """Give the running query; see `drivers.running`. URLs that name another driver than PyMySQL are read by rows."""
    if not _is_pymysql(query.url):
        with run_by_rows(query, since) as rows:
            yield rows
        return
    run = _MysqlRun(query=query, since=since)
    columns = run.columns()
    if not columns:
        raise query.failed(NOT_READING)
    check_named_once([column.name for column in columns], query.where)
    frames = run.frames(columns)
    try:
        yield RunningQuery(types=column_types(columns), frames=frames)
    finally:
        frames.close()


def _is_pymysql(url: str) -> bool:
    try:
        return chosen_driver(sa.make_url(url)).drivername.endswith("+pymysql")
    except (ArgumentError, ValueError):
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class _MysqlRun:
    """The query of a source, asked in one transaction that only reads; all calls of the driver are made in threads."""

    query: SqlQueryRun
    since: datetime | None
    _sessions: list[int] = field(default_factory=list)  # numbers that the server has given to connections

    def columns(self) -> Sequence[MysqlColumn]:
        """Return the columns of the query, of which the server gives no row."""
        with closing(self._watched(self._described())) as found:
            return next(found)

    def frames(self, columns: Sequence[MysqlColumn]) -> Generator[pl.DataFrame]:
        """Yield the rows as they come; the query runs when the first are wanted."""
        types = column_types(columns)
        with closing(self._watched(self._rows(columns))) as batches:
            for rows in batches:
                yield mysql_frame(rows, types, self.query.where)

    def _watched(self, steps: Iterator[Any]) -> Generator[Any]:
        watch = SilenceWatch(silent_s=probe_seconds(), probe=self._probe, cancel=self._cancel)
        return read_ahead(steps, watch)  # type: ignore[return-value]  # a generator

    def _described(self) -> Iterator[Sequence[MysqlColumn]]:
        with self._asked("set session sql_select_limit = 0", self.query.since_value(None, "mysql")) as cursor:
            yield _columns(cursor)

    def _rows(self, columns: Sequence[MysqlColumn]) -> Iterator[Sequence[Sequence[Any]]]:
        with self._asked("set session sql_select_limit = default", self._moment(columns)) as cursor:
            if _columns(cursor) != list(columns):
                raise ConnectionCutError(self.query.unreachable("its columns changed while it was begun"), code="FC605")
            while rows := cursor.fetchmany(CHUNK_ROWS):
                yield rows

    def _moment(self, columns: Sequence[MysqlColumn]) -> object:
        """Return `:since` as the column of times is that the source has: TIMESTAMP in UTC, DATETIME on its clock."""
        source = self.query.source
        clock = source.available_at or source.event_time
        if self.since is not None and any(column.is_instant and column.name == clock for column in columns):
            return self.since.astimezone(UTC).replace(tzinfo=None)
        return self.query.since_value(self.since, "mysql")

    @contextmanager
    def _asked(self, setting: str, since: object) -> Iterator[SSCursor]:
        """Give the cursor of the query as it runs; what is not fetched of it is left to the server."""
        assert self.query.source.sql is not None
        text = self.query.source.sql.query
        values = {"since": since} if asks_since(text) else None
        if values is not None:  # PyMySQL looks for its own marks then, and only then
            text = with_since(text.replace("%", "%%"), "%(since)s")
        from pymysql.cursors import SSCursor

        with connected(self.query) as connection:
            opened: Any = connection.connection.dbapi_connection
            self._sessions.append(opened.thread_id())
            opened.decoders = {}  # values stay the texts that they come as
            cursor = SSCursor(opened)
            try:
                with self._said():
                    for statement in (*_SETTINGS, setting):
                        opened.query(statement)
                    cursor.execute(text, values)
                    yield cursor
            finally:
                _leave(cursor)
                connection.invalidate()

    @contextmanager
    def _said(self) -> Iterator[None]:
        """Let what the server says while the query runs be an error of the source."""
        import pymysql

        try:
            yield
        except pymysql.Error as error:
            number, said = (*error.args, "", "")[:2]
            if number in _CUT:
                raise ConnectionCutError(self.query.unreachable(str(said)), code="FC605") from error
            if number in _NOT_NOW:
                raise StoreError(self.query.unreachable(str(said)), code="FC605") from error
            raise self.query.failed(str(said or error)) from error

    def _probe(self) -> None:
        """See whether a server that gives nothing takes another connection."""
        import pymysql

        try:
            self._connect().close()
        except pymysql.Error as error:
            said = str((*error.args, "", "")[1] or error)
            message = f"{NO_ANSWER} {probe_seconds():g} s, nor a new connection: {said}"
            raise StoreError(self.query.unreachable(message), code="FC605") from error

    def _cancel(self) -> None:
        """End the queries in the server, which goes on with them else until it has rows to send."""
        with suppress(Exception), self._connect() as connection:
            for number in self._sessions:
                with suppress(Exception):
                    connection.query(f"kill {number}")

    def _connect(self) -> Connection[Any]:
        """Return a connection that waits for no answer for long."""
        import pymysql

        url = chosen_driver(sa.make_url(self.query.url))
        arguments, options = url.get_dialect()().create_connect_args(url)
        limits = {"connect_timeout": postgres.CONNECT_S, "read_timeout": postgres.CONNECT_S}
        return pymysql.connect(*arguments, **{**options, **limits})


def _columns(cursor: Any) -> list[MysqlColumn]:
    """Return the columns of a result; PyMySQL's own description lacks their character sets and flags."""
    return described_columns(getattr(cursor._result, "fields", None) or [])  # noqa: SLF001


def _leave(cursor: Any) -> None:
    """Leave a result where it is: closing its cursor would fetch all that is left of it."""
    if (result := cursor._result) is not None:  # noqa: SLF001
        result.unbuffered_active, result.connection = False, None
    cursor.connection = None
