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
from featurectl.core.secrets import hide_address_secrets
from featurectl.core.variables import shown_location
from featurectl.language.data_roots import NONE, DataRoots, ReadableFolders
from featurectl.language.definitions.source import Source
from featurectl.sources.since import asks_since
from featurectl.sources.sql_connections import first_line, is_refused, let_only_read, was_interrupted, watch_connections

CHUNK_ROWS: Final = 50_000
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
    def executed(self, since: datetime | None) -> Iterator[sa.CursorResult[tuple[object, ...]]]:
        """Give the running query; `since` None asks from the year 1.

        Raises:
            StoreError: FC605, the database can't be reached.
            DataError: FC501 there is no file of it, FC508 the query fails.
        """
        assert self.source.sql is not None
        engine = self._engine()
        with self._failures(engine), engine.connect() as connection:
            if engine.dialect.name == "postgresql":
                zone = sa.text("select set_config('TimeZone', :zone, false)")
                connection.execute(zone, {"zone": self.source.timezone})
            if engine.dialect.name == "sqlite":
                let_only_read(connection)
            text = self.source.sql.query
            query = sa.text(_OTHER_COLON.sub(r"\:", text))
            wanted = {"since": self._since(since, engine.dialect.name)} if asks_since(text) else {}
            options = {"stream_results": True, "max_row_buffer": CHUNK_ROWS}
            with connection.execute(query, wanted, execution_options=options) as result:
                yield result

    def _since(self, since: datetime | None, dialect: str) -> object:
        """Return the value of `:since` in the form that the database compares."""
        if dialect == "postgresql":
            return _ALWAYS if since is None else since
        local = (_ALWAYS if since is None else since.astimezone(ZoneInfo(self.source.timezone))).replace(tzinfo=None)
        return local.isoformat(" ", "microseconds") if dialect == "sqlite" else local

    def _engine(self) -> sa.Engine:
        try:
            url = sa.make_url(self.url)
            if url.get_backend_name() == "sqlite":
                url = self._read_only(url)
            engine = sa.create_engine(url, poolclass=NullPool)
        except (NoSuchModuleError, ImportError) as error:  # before its base, ArgumentError
            what, hint = missing_driver(*_kind(self.url), error)
            message = f"source {self.source.name}: {self._shown}: {what}"
            raise StoreError(message, code="FC605", hint=hint) from error
        except (ArgumentError, ValueError) as error:
            raise DataError(f"source {self.source.name}: {self._shown} is no database URL", code="FC508") from error
        except FeaturectlError:
            raise
        except Exception as error:
            self._raise_crash(error, self.url.partition(":")[0])
            raise
        watch_connections(engine)
        return engine

    def _read_only(self, url: sa.URL) -> sa.URL:
        file = self.root / (url.database or "")
        readable = ReadableFolders(
            source=self.source.name, written=self._shown, root=self.root, roots=self.data_roots, database=True
        )
        readable.check(file)
        if not file.is_file():
            raise DataError(f"source {self.source.name}: {self._shown} has no database file", code="FC501")
        return url.set(database=f"file:{quote(str(file))}", query={"mode": "ro", "uri": "true"})

    @property
    def _shown(self) -> str:
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
            message = f"source {self.source.name}: {self._shown} can't be read: {self._driver_message(error)}"
            raise StoreError(message, code="FC605") from error
        except SQLAlchemyError as error:
            raise self._failed(error) from error
        except FeaturectlError:
            raise
        except Exception as error:  # what a driver raises that is no error of a driver
            self._raise_crash(error, engine.dialect.driver, getattr(engine.dialect.dbapi, "__name__", ""))
            raise

    def _raise_crash(self, error: Exception, driver: str, module: str = "") -> None:
        """Raise what a driver has failed of; nothing for a fault of ours."""
        if fault := driver_fault(error, driver, {driver, module.partition(".")[0]} - {""}):
            fault = hide_address_secrets(fault, self.url)
            message = f"source {self.source.name}: {self._shown} can't be read: {fault}"
            raise StoreError(message, code="FC605", hint="a newer version of the driver may do") from error

    def _driver_message(self, error: SQLAlchemyError) -> str:
        """Return what the driver says, without a secret of the URL."""
        return hide_address_secrets(first_line(error), self.url)

    def _failed(self, error: SQLAlchemyError) -> DataError:
        reason = "it does something else than to read" if is_refused(error) else self._driver_message(error)
        return DataError(f"{self.where} fails: {reason}", code="FC508")


def _kind(url: str) -> tuple[str, str]:
    """Return the kind of database that a URL names, and the driver, "" by default."""
    kind, _, driver = url.partition(":")[0].partition("+")
    return kind, driver
