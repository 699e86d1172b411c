"""Sources that are queries to a database: SQLite and PostgreSQL, by a SQLAlchemy URL."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Final
from urllib.parse import quote
from zoneinfo import ZoneInfo

import polars as pl
import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, OperationalError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from featurectl.core.drivers import driver_fault, missing_driver
from featurectl.core.errors import DataError, FeaturectlError, StoreError
from featurectl.core.secrets import hide_address_secrets
from featurectl.core.variables import shown_location
from featurectl.language.data_roots import NONE, DataRoots, ReadableFolders
from featurectl.language.definitions.objects import Source
from featurectl.sources.base import SourcePart, Told
from featurectl.sources.enforce import (
    ExpectedColumns,
    apply_casts,
    check_named,
    check_values,
    declared_columns,
    found_columns,
)
from featurectl.sources.original_columns import beside_kept
from featurectl.sources.since import asks_since
from featurectl.sources.sql_connections import first_line, is_refused, let_only_read, was_interrupted, watch_connections
from featurectl.sources.sql_rows import Types, column_types, merge_chunks, rows_frame

_CHUNK_ROWS: Final = 50_000
_ALWAYS: Final = datetime(1, 1, 1, tzinfo=UTC)
_QUERY_ERRORS: Final = (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_READONLY)  # the query's fault, not the database's
_OTHER_COLON: Final = re.compile(r"(?<!:):(?!:|since\b)")  # SQLAlchemy would take `:a` for a parameter, in texts too


@dataclass(frozen=True, kw_only=True)
class SqlReader:
    """The rows of one query; it is run anew by each `scan`, and its rows are held in memory.

    A query without `:since` is one part whose stamp is not known. The database is only read. In PostgreSQL the
    session's time zone is the source's, so that naive columns compare with `:since` as they are meant; in SQLite
    `:since` is a text, `2013-01-31 05:00:00.000000` on the source's clock.
    """

    source: Source
    root: Path
    url: str
    told: Told | None = None
    data_roots: DataRoots = NONE

    def parts(self) -> tuple[SourcePart, ...]:
        """Return the query as the only part."""
        return (SourcePart(name="query", stamp=""),)

    @property
    def meant(self) -> str:
        """Empty: a query has no path."""
        return ""

    def columns(self) -> Mapping[str, str]:
        """Return the columns and types; without a declaration PostgreSQL tells them, SQLite must give all rows."""
        return self._columns

    def scan(
        self, parts: Sequence[SourcePart], since: datetime | None = None, required: Collection[str] = ()
    ) -> pl.LazyFrame:
        """Return the rows of the query; `:since` is the year 1 when `since` is None.

        Raises:
            StoreError: FC605, the database can't be reached.
            DataError: FC508 the query fails, FC503 a column is missing, FC504 a value or type does not fit.
        """
        del required  # rows of a query have the columns of all
        assert len(parts) == 1
        frame, schema = self._read(since)
        rows = frame.lazy()
        casts = self._shape(schema).casts(schema, self._where)
        check_values(rows, casts, self._where, told=self.told)
        return apply_casts(rows, casts)

    def scan_kept(self, parts: Sequence[SourcePart]) -> pl.LazyFrame:
        """Return the rows of `scan`, and beside them the columns as the database's driver gives them.

        Raises:
            StoreError, DataError: as `scan` does.
        """
        assert len(parts) == 1
        frame, schema = self._read(None)
        return beside_kept(self._shape(schema), frame.lazy(), schema, self._where, self.told)

    def _shape(self, schema: pl.Schema) -> ExpectedColumns:
        declared = declared_columns(self.source)
        columns = declared if declared is not None else found_columns(self.source, schema)
        check_named(self.source, columns, self._where)
        return ExpectedColumns(source=self.source, columns=columns)

    @property
    def _where(self) -> str:
        return f"source {self.source.name}, its query"

    @cached_property
    def _columns(self) -> Mapping[str, str]:
        declared = declared_columns(self.source)
        if declared is not None:
            return declared
        with self._executed(None) as result:
            types = self._types(result)
        told = {name: dtype for name, dtype in types.items() if dtype is not None}
        schema = pl.Schema(told) if len(told) == len(types) else self._read(None)[1]
        return found_columns(self.source, schema)

    def _read(self, since: datetime | None) -> tuple[pl.DataFrame, pl.Schema]:
        """Return the rows, and the types of their columns: Unknown for one that the language lacks, kept as texts."""
        with self._executed(since) as result:
            types = self._types(result)
            chunks = [rows_frame(rows, types, self._where) for rows in result.partitions(_CHUNK_ROWS)]
        frame = merge_chunks(chunks, types, self._where)
        return frame, pl.Schema({name: types[name] or dtype for name, dtype in frame.schema.items()})

    def _types(self, result: sa.CursorResult[tuple[object, ...]]) -> Types:
        names = list(result.keys())
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise DataError(f"{self._where} gives column {twice[0]!r} twice", code="FC508", hint="name it by `as`")
        return column_types(result)

    @contextmanager
    def _executed(self, since: datetime | None) -> Iterator[sa.CursorResult[tuple[object, ...]]]:
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
            options = {"stream_results": True, "max_row_buffer": _CHUNK_ROWS}
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
            message = f"source {self.source.name}: {self._shown} can't be read: {self._told(error)}"
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
        if told := driver_fault(error, driver, {driver, module.partition(".")[0]} - {""}):
            told = hide_address_secrets(told, self.url)
            message = f"source {self.source.name}: {self._shown} can't be read: {told}"
            raise StoreError(message, code="FC605", hint="a newer version of the driver may do") from error

    def _told(self, error: SQLAlchemyError) -> str:
        """Return what the driver says, without a secret of the URL."""
        return hide_address_secrets(first_line(error), self.url)

    def _failed(self, error: SQLAlchemyError) -> DataError:
        told = "it does something else than to read" if is_refused(error) else self._told(error)
        return DataError(f"{self._where} fails: {told}", code="FC508")


def _kind(url: str) -> tuple[str, str]:
    """Return the kind of database that a URL names, and the driver, "" by default."""
    kind, _, driver = url.partition(":")[0].partition("+")
    return kind, driver
