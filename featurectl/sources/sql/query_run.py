"""A query of a source as it runs: the database opened to be read, what fails of it said."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from urllib.parse import quote
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, OperationalError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from featurectl.core.dataclass import dataclass
from featurectl.core.drivers import driver_fault, missing_driver
from featurectl.core.errors import DataError, FeaturectlError, StoreError
from featurectl.core.postgres import NO_ANSWER
from featurectl.core.secrets import hide_address_secrets
from featurectl.core.variables import shown_location
from featurectl.language.data_roots import NONE, DataRoots, ReadableFolders
from featurectl.language.definitions.source import Source
from featurectl.sources.begun_again import ConnectionCutError
from featurectl.sources.since import asks_since, with_since
from featurectl.sources.sql.connections import (
    chosen_driver,
    first_line,
    is_refused,
    let_only_read,
    was_interrupted,
    watch_connections,
)
from featurectl.sources.sql.postgres_times import lacked_time

CHUNK_ROWS: Final = 50_000
POSTGRES_SINCE: Final = "(current_setting('featurectl.since')::timestamptz)"  # no parameter: see decision 092
_SET_SINCE: Final = "select set_config('featurectl.since', cast(cast(:since as timestamptz) as text), true)"
_ALWAYS: Final = datetime(1, 1, 1, tzinfo=UTC)
_QUERY_ERRORS: Final = (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_READONLY)  # the query's fault, not the database's
_OTHER_COLON: Final = re.compile(r"(?<!:):(?!:|since\b)")  # SQLAlchemy would take `:a` for a parameter, in texts too


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlQueryRun:
    """The query of a source, to be run; the database is only read.

    In PostgreSQL the session's time zone is the source's, so that naive columns compare with `:since` as they are
    meant; in SQLite `:since` is a text, `2013-01-31 05:00:00.000000` on the source's clock.
    """

    source: Source
    root: Path
    url: str
    data_roots: DataRoots = NONE

    @property
    def where(self) -> str:
        """What errors call the query."""
        return f"source {self.source.name}, its query"

    @contextmanager
    def connected(self) -> Iterator[sa.Connection]:
        """Give a connection to the database that only reads; what fails of it until it ends is an error of the source.

        Raises:
            StoreError: FC605, the database can't be reached; `ConnectionCutError`, it could be, and then no more.
            DataError: FC501 there is no file of it, FC508 the query fails.
        """
        engine = self._engine()
        with self._failures(engine), self._opened(engine) as connection:
            if engine.dialect.name == "postgresql":
                zone = sa.text("select set_config('TimeZone', :zone, false)")
                connection.execute(zone, {"zone": self.source.timezone})
            if engine.dialect.name == "sqlite":
                let_only_read(connection)
            yield connection

    def _opened(self, engine: sa.Engine) -> sa.Connection:
        try:
            return engine.connect()
        except OperationalError:
            raise
        except SQLAlchemyError as error:  # a word of the URL that the driver does not know, say
            said = hide_address_secrets(first_line(error), self.url)
            message = f"source {self.source.name}: {self.shown} can't be opened: {said}"
            raise DataError(message, code="FC508") from error

    @contextmanager
    def executed(self, since: datetime | None) -> Iterator[sa.CursorResult[tuple[object, ...]]]:
        """Give the running query; `since` None asks from the year 1.

        Raises:
            StoreError, DataError: as `connected` does.
        """
        assert self.source.sql is not None
        with self.connected() as connection:
            text = self.source.sql.query
            wanted = {"since": self.since_value(since, connection.dialect.name)} if asks_since(text) else {}
            if wanted and connection.dialect.name == "postgresql":
                connection.execute(sa.text(_SET_SINCE), wanted)
                text, wanted = with_since(text, POSTGRES_SINCE), {}
            query = sa.text(_OTHER_COLON.sub(r"\:", text))
            options = {"stream_results": True, "max_row_buffer": CHUNK_ROWS}
            with connection.execute(query, wanted, execution_options=options) as result:
                yield result

    def since_value(self, since: datetime | None, dialect: str) -> object:
        """Return the value of `:since` in the form that a database of some dialect compares."""
        if dialect == "postgresql":
            return _ALWAYS if since is None else since
        local = (_ALWAYS if since is None else since.astimezone(ZoneInfo(self.source.timezone))).replace(tzinfo=None)
        return local.isoformat(" ", "microseconds") if dialect == "sqlite" else local

    def _engine(self) -> sa.Engine:
        try:
            url = chosen_driver(sa.make_url(self.url))
            if url.get_backend_name() == "sqlite":
                url = self._read_only(url)
            engine = sa.create_engine(url, poolclass=NullPool)
        except (NoSuchModuleError, ImportError) as error:  # before its base, ArgumentError
            what, hint = missing_driver(*_kind(self.url), error)
            message = f"source {self.source.name}: {self.shown}: {what}"
            raise StoreError(message, code="FC605", hint=hint) from error
        except (ArgumentError, ValueError) as error:
            raise DataError(f"source {self.source.name}: {self.shown} is no database URL", code="FC508") from error
        except FeaturectlError:
            raise
        except Exception as error:
            self._raise_crash(error, self.url.partition(":")[0])
            raise
        watch_connections(engine)
        if engine.dialect.name == "postgresql":
            sa.event.listen(engine, "handle_error", self._of_values)
        return engine

    def _of_values(self, failure: sa.engine.ExceptionContext) -> DataError | None:
        """Return the error of a value that the driver makes none of Python's of, where it is known which."""
        is_of_values = type(failure.original_exception).__name__ == "DataError"
        cursor = getattr(failure.execution_context, "cursor", None)
        return lacked_time(cursor, self.where) if is_of_values else None

    def database_file(self, path: str) -> Path:
        """Return the file of a database, which must lie where the source may read.

        Raises:
            DataError: FC501, there is none; FC535, it may not be read.
        """
        file = self.root / path
        readable = ReadableFolders(
            source=self.source.name, written=self.shown, root=self.root, roots=self.data_roots, database=True
        )
        readable.check(file)
        if not file.is_file():
            raise DataError(f"source {self.source.name}: {self.shown} has no database file", code="FC501")
        return file

    def _read_only(self, url: sa.URL) -> sa.URL:
        file = self.database_file(url.database or "")
        return url.set(database=f"file:{quote(str(file))}", query={"mode": "ro", "uri": "true"})

    @property
    def shown(self) -> str:
        """The URL as it stands in the repository's file, without secrets."""
        assert self.source.sql is not None
        return shown_location(self.source.sql.url)

    @contextmanager
    def _failures(self, engine: sa.Engine) -> Iterator[None]:
        try:
            yield
        except OperationalError as error:
            if was_interrupted(error):
                raise KeyboardInterrupt from None
            if getattr(error.orig, "sqlite_errorcode", None) in _QUERY_ERRORS:
                raise self._failed(error) from error
            cut = error.connection_invalidated and not first_line(error).startswith(NO_ANSWER)
            kind = ConnectionCutError if cut else StoreError
            raise kind(self.unreachable(first_line(error)), code="FC605") from error
        except SQLAlchemyError as error:
            raise self._failed(error) from error
        except FeaturectlError:
            raise
        except Exception as error:  # what a driver raises that is no error of a driver
            self._raise_crash(error, engine.dialect.driver, getattr(engine.dialect.dbapi, "__name__", ""))
            raise

    def unreachable(self, said: str) -> str:
        """Return the message that the database can't be reached, with what a driver said, without secrets."""
        return f"source {self.source.name}: {self.shown} can't be read: {hide_address_secrets(said, self.url)}"

    def _raise_crash(self, error: Exception, driver: str, module: str = "") -> None:
        """Raise what a driver has failed of; nothing for a fault of ours."""
        if fault := driver_fault(error, driver, {driver, module.partition(".")[0]} - {""}):
            hint = "a newer version of the driver may do"
            raise StoreError(self.unreachable(fault), code="FC605", hint=hint) from error

    def _failed(self, error: SQLAlchemyError) -> DataError:
        said = hide_address_secrets(first_line(error), self.url)
        reason = "it does something else than to read" if is_refused(error) else said
        return DataError(f"{self.where} fails: {reason}", code="FC508")


def _kind(url: str) -> tuple[str, str]:
    """Return the kind of database that a URL names, and the driver, "" by default."""
    kind, _, driver = url.partition(":")[0].partition("+")
    return kind, driver
