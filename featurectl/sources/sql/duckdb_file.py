"""Queries to a DuckDB file, read as Arrow by DuckDB itself, which reaches nothing but that file."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import polars as pl
import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError

from featurectl.core.errors import DataError, StoreError
from featurectl.engines.spill import spill_folder
from featurectl.sources.since import asks_since, with_since
from featurectl.sources.sql.arrow_columns import arrow_frame
from featurectl.sources.sql.by_rows import run_by_rows
from featurectl.sources.sql.query_run import NOT_READING, SqlQueryRun, first_line
from featurectl.sources.sql.read_ahead import SilenceWatch, read_ahead
from featurectl.sources.sql.running_query import RunningQuery, check_named_once

if TYPE_CHECKING:
    import duckdb

BATCH_ROWS: Final = 50_000
_CONFIG: Final[dict[str, str | bool | int | float | list[str]]] = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "memory_limit": "256MB",  # what is more of a sort or a join goes to files
}
_ACCESS: Final = "access_mode"
_TO_READ: Final = ("read_only", "automatic", "")
_FOR_EVER_S: Final = 3_600.0  # it is in this process: there is nobody to ask whether it goes on


@contextmanager
def run_in_duckdb(query: SqlQueryRun, since: datetime | None) -> Iterator[RunningQuery]:
    """Give the running query; see `drivers.running`. URLs that name no file, or options, are read by rows."""
    try:
        url = sa.make_url(query.url)
    except ArgumentError:
        url = None
    if url is not None and url.drivername.partition("+")[0] == "duckdb" and _is_file(url.database):
        url = _to_read(query, url)
        query = replace(query, url=url.render_as_string(hide_password=False))
    if url is None or url.drivername != "duckdb" or set(url.query) - {_ACCESS} or not _is_file(url.database):
        with run_by_rows(query, since) as rows:
            yield rows
        return
    file = query.database_file(url.database or "")
    with _opened(query, file) as connection:
        run = _DuckdbRun(query=query, connection=connection, since=query.since_value(since, "duckdb"))
        frames = run.frames()
        try:
            yield RunningQuery(types=run.types(), frames=frames)
        finally:
            frames.close()


def _to_read(query: SqlQueryRun, url: sa.URL) -> sa.URL:
    """Return the URL of a file with the option that has it opened to be read only; no other driver would ask for it.

    Raises:
        DataError: FC508, it asks for another access.
    """
    asked = [str(value) for name, value in url.normalized_query.items() if name.lower() == _ACCESS for value in value]
    if any(value.lower() not in _TO_READ for value in asked):
        message = f"source {query.source.name}: {query.shown}: a source is only read, never {_ACCESS}={asked[-1]}"
        raise DataError(message, code="FC508", hint=f"leave {_ACCESS} out")
    others = [name for name in url.query if name.lower() == _ACCESS]
    return url.difference_update_query(others).update_query_dict({_ACCESS: "read_only"})


def _is_file(database: str | None) -> bool:
    return bool(database) and not str(database).startswith((":memory:", "md:", "motherduck:"))


@contextmanager
def _opened(query: SqlQueryRun, file: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    try:
        import_module("pyarrow")  # DuckDB gives its Arrow in it
        import duckdb
    except ImportError as error:
        raise query.without_driver(error) from error
    spill = spill_folder(query.root)
    with suppress(OSError):  # a query that needs it says that it is not there
        spill.mkdir(parents=True, exist_ok=True)
    config = {**_CONFIG, "temp_directory": str(spill / "duckdb")}
    try:
        connection = duckdb.connect(str(file), read_only=True, config=config)
    except duckdb.Error as error:
        raise StoreError(query.unreachable(first_line(error)), code="FC605") from error
    with closing(connection):
        try:
            connection.execute("set TimeZone = ?", [query.source.timezone])
            connection.execute("set lock_configuration = true")
            yield connection
        except duckdb.Error as error:
            raise query.failed(first_line(error)) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class _DuckdbRun:
    """A query to an open file; `since` is bound to it by its name."""

    query: SqlQueryRun
    connection: duckdb.DuckDBPyConnection
    since: object

    def types(self) -> dict[str, pl.DataType | None]:
        """Return the types of the columns, of which no row is read."""
        import duckdb

        statements = self.connection.extract_statements(self._text)
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            raise self.query.failed(NOT_READING)
        relation = self._relation()
        check_named_once(relation.columns, self.query.where)
        none = arrow_frame(relation.limit(0).to_arrow_table(), self._kinds(relation), self.query.where)
        return dict(none.schema)

    def frames(self) -> Generator[pl.DataFrame]:
        """Yield the rows as they come."""
        watch = SilenceWatch(silent_s=_FOR_EVER_S, probe=lambda: None, cancel=self.connection.interrupt)
        kinds = self._kinds(self._relation())
        batches = read_ahead(self._batches(), watch)
        with closing(batches):  # type: ignore[type-var]  # a generator
            for batch in batches:
                yield arrow_frame(batch, kinds, self.query.where)

    def _batches(self) -> Iterator[Any]:
        yield from self._relation().to_arrow_reader(BATCH_ROWS)

    def _relation(self) -> Any:
        """Return the query as DuckDB understands it: it runs when rows are wanted."""
        return self.connection.sql(self._text, params=self._values)

    @staticmethod
    def _kinds(relation: Any) -> list[str]:
        return [str(kind) for kind in relation.types]

    @property
    def _text(self) -> str:
        assert self.query.source.sql is not None
        return with_since(self.query.source.sql.query, "$since")

    @property
    def _values(self) -> dict[str, object] | None:
        assert self.query.source.sql is not None
        return {"since": self.since} if asks_since(self.query.source.sql.query) else None
