"""Scores as a table of PostgreSQL or SQLite: all rows in one transaction."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import polars as pl
import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, OperationalError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from featurectl.core.drivers import driver_fault, missing_driver
from featurectl.core.errors import FeaturectlError, StoreError, UsageError
from featurectl.core.secrets import hide_address_secrets
from featurectl.core.variables import shown_location
from featurectl.language.syntax.own_files import why_no_output
from featurectl.operations.outputs.frames import Frames
from featurectl.sources.sql.connections import chosen_driver, first_line, watch_connections

_ROWS: Final = 10_000
_TYPES: Final[Mapping[type[pl.DataType], type[sa.types.TypeEngine[Any]]]] = {
    pl.Boolean: sa.Boolean, pl.Int8: sa.SmallInteger, pl.Int16: sa.SmallInteger, pl.Int32: sa.Integer,
    pl.Int64: sa.BigInteger, pl.UInt8: sa.SmallInteger, pl.UInt16: sa.Integer, pl.UInt32: sa.BigInteger,
    pl.Float32: sa.Double, pl.Float64: sa.Double, pl.String: sa.Text, pl.Categorical: sa.Text, pl.Enum: sa.Text,
    pl.Binary: sa.LargeBinary, pl.Date: sa.Date, pl.Null: sa.Text,
}  # fmt: skip
_NUMBERS: Final = (sa.Numeric, sa.Float)
_TAKERS: Final[Mapping[type[sa.types.TypeEngine[Any]], tuple[type[sa.types.TypeEngine[Any]], ...]]] = {
    sa.Boolean: (sa.Boolean,), sa.Integer: (sa.Integer, *_NUMBERS), sa.Numeric: _NUMBERS, sa.Float: _NUMBERS,
    sa.Text: (sa.String,), sa.LargeBinary: (sa.LargeBinary,), sa.Date: (sa.Date, sa.DateTime),
    sa.DateTime: (sa.DateTime,),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class SqlDestination:
    """A table, with what it was made of in `TABLE_manifest`; `name` may be `SCHEMA.TABLE`."""

    url: sa.URL
    name: str
    address: str

    @property
    def shown(self) -> str:
        """The table with its URL, without user, password and query."""
        return f"{self.name} of {shown_location(self.address)}"

    def check(self) -> None:
        """See that the database can be reached."""
        with self._connected():
            pass

    def check_columns(self, schema: pl.Schema) -> None:
        """See that a database can hold the columns, and that a table that is there has these and no others."""
        for column, dtype in schema.items():
            if _sql_type(dtype) is None:
                hint = "write Parquet: --out NAME.parquet"
                raise UsageError(f"--out {self.shown}: column {column!r} is {dtype}, which it can't hold", hint=hint)
        with self._connected() as connection:
            for table in self._tables(schema):
                self._is_there(connection, table)

    def write(self, frames: Frames, manifest: Mapping[str, object]) -> None:
        """Put the rows in the place of those of the table, and the manifest in that of the one beside it."""
        rows, manifests = self._tables(frames.schema)
        with self._connected() as connection:
            _begin(connection)
            for table in (rows, manifests):
                self._prepare(connection, table)
            for frame in frames.read():
                for piece in frame.iter_slices(_ROWS):
                    if piece.height:
                        connection.execute(sa.insert(rows), piece.to_dicts())
            document = json.dumps(manifest, default=str, ensure_ascii=False)
            connection.execute(sa.insert(manifests), {"manifest": document})
            connection.commit()

    def _tables(self, schema: pl.Schema) -> tuple[sa.Table, sa.Table]:
        rows = self._table(self.name, {name: _sql_type(dtype) for name, dtype in schema.items()})
        return rows, self._table(f"{self.name}_manifest", {"manifest": sa.Text()})

    def _table(self, name: str, columns: Mapping[str, sa.types.TypeEngine[Any] | None]) -> sa.Table:
        schema, _, bare = name.rpartition(".")
        typed = [sa.Column(column, dtype) for column, dtype in columns.items() if dtype is not None]
        return sa.Table(bare, sa.MetaData(), *typed, schema=schema or None)

    def _prepare(self, connection: sa.Connection, table: sa.Table) -> None:
        """Make a table, or empty the one that is there, which others read, and do not write, until it is full again."""
        if not self._is_there(connection, table):
            table.create(connection)
            return
        if connection.dialect.name == "postgresql":
            named = connection.dialect.identifier_preparer.format_table(table)
            connection.execute(sa.text(f"LOCK TABLE {named} IN EXCLUSIVE MODE"))
        connection.execute(sa.delete(table))

    def _is_there(self, connection: sa.Connection, table: sa.Table) -> bool:
        """Return whether there is a table; it has to have the same columns then."""
        inspector = sa.inspect(connection)
        if not inspector.has_table(table.name, schema=table.schema):
            return False
        have = {str(column["name"]): column["type"] for column in inspector.get_columns(table.name, table.schema)}
        others = sorted(have.keys() ^ table.columns.keys())
        if not others and connection.dialect.name != "sqlite":  # whose columns hold values of any type
            others = [
                f"{column.name} is {have[column.name].compile(connection.dialect)}, "
                f"and gets {column.type.compile(connection.dialect)}"
                for column in table.columns
                if not _takes(have[column.name], column.type)
            ]
        if others:
            message = f"--out {self.shown}: table {table.name} is there with other columns: {', '.join(others)}"
            raise UsageError(message, hint="name another table, or drop this one")
        return True

    def _without_secrets(self, error: SQLAlchemyError) -> str:
        """Return what the driver says, without a secret of the URL."""
        return hide_address_secrets(first_line(error), self.address)

    @contextmanager
    def _connected(self) -> Iterator[sa.Connection]:
        _check_links(self.url)
        try:
            engine = sa.create_engine(self.url, poolclass=NullPool)
            watch_connections(engine)
            with engine.connect() as connection:
                yield connection
        except (NoSuchModuleError, ImportError) as error:
            kind, _, driver = self.url.drivername.partition("+")
            what, hint = missing_driver(kind, driver, error)
            raise StoreError(f"--out {self.shown}: {what}", code="FC605", hint=hint) from error
        except OperationalError as error:
            raise StoreError(f"{self.shown} can't be written: {self._without_secrets(error)}", code="FC605") from error
        except SQLAlchemyError as error:
            raise UsageError(f"{self.shown} can't be written: {self._without_secrets(error)}") from error
        except FeaturectlError:
            raise
        except Exception as error:  # what a driver raises that is no error of a driver
            driver = self.url.drivername.partition("+")[2] or self.url.drivername
            if reason := driver_fault(error, driver, {driver, self._module()}):
                reason = hide_address_secrets(reason, self.address)
                raise StoreError(f"{self.shown} can't be written: {reason}", code="FC605") from error
            raise

    def _module(self) -> str:
        """Return the first part of the name of the driver's module."""
        dbapi = self.url.get_dialect().import_dbapi()
        return getattr(dbapi, "__name__", "").partition(".")[0]


def open_table(out: str) -> SqlDestination:
    """Return the table that a URL names: `postgresql://HOST/DB?table=NAME`, `sqlite:///FILE?table=NAME`.

    Raises:
        UsageError: it is no URL, or names no table.
    """
    try:
        url = sa.make_url(out)
    except (ArgumentError, ValueError) as error:
        raise UsageError("--out is no database URL", hint="postgresql://HOST/DB?table=NAME") from error
    name = url.query.get("table")
    if not isinstance(name, str) or not name.strip("."):
        raise UsageError(f"--out {shown_location(out)}: into which table?", hint="?table=scores")
    return SqlDestination(url=chosen_driver(url.difference_update_query(["table"])), name=name, address=out)


def _check_links(url: sa.URL) -> None:
    """Refuse a file of SQLite, or one that it writes beside it, behind a link of a repository that leads out of it."""
    if url.get_backend_name() != "sqlite" or not url.database:
        return
    name = url.database
    if name.startswith("file:"):
        name = unquote(urlsplit(name).path)
    for beside in ("", "-journal", "-wal", "-shm"):
        if reason := why_no_output(Path(f"{name}{beside}")):
            raise UsageError(f"{name} is not written: {reason}", hint="remove the link, or name another file")


def _begin(connection: sa.Connection) -> None:
    """Begin the transaction: SQLite's driver would begin it only behind the making of tables."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _takes(have: sa.types.TypeEngine[Any], given: sa.types.TypeEngine[Any]) -> bool:
    """Return whether a column takes the values of a type, as far as it has room for each: as numbers, texts, times."""
    have = getattr(have, "data_type", have)  # of a domain
    if isinstance(have, sa.Enum):
        return False
    return any(isinstance(given, kind) and isinstance(have, takers) for kind, takers in _TAKERS.items())


def _sql_type(dtype: pl.DataType) -> sa.types.TypeEngine[Any] | None:
    """Return the type of a database that holds every value of a type, or None."""
    if isinstance(dtype, pl.Datetime):
        return None if dtype.time_unit == "ns" else sa.DateTime(timezone=dtype.time_zone is not None)
    if isinstance(dtype, pl.Decimal):
        return sa.Numeric(dtype.precision, dtype.scale)
    if isinstance(dtype, pl.UInt64):
        return sa.Numeric(20, 0)
    found = _TYPES.get(type(dtype))
    return None if found is None else found()
