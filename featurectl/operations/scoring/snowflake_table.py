"""Scores as a table of Snowflake: rows go to a stage as Parquet, and into the table in one transaction."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Final

import polars as pl
import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError

from featurectl.core.drivers import missing_driver
from featurectl.core.errors import StoreError, UsageError
from featurectl.core.secrets import hide_address_secrets
from featurectl.core.temporary_folders import temporary_folder
from featurectl.core.variables import shown_location
from featurectl.operations.outputs.frames import Frames
from featurectl.sources.sql.snowflake_address import SnowflakeAddress, snowflake_address
from featurectl.sources.sql.snowflake_columns import kept_name, quoted
from featurectl.sources.sql.snowflake_server import is_of_query, said
from featurectl.sources.sql.snowflake_session import MODULES, SnowflakeSession

_TYPES: Final[Mapping[type[pl.DataType], str]] = {
    pl.Boolean: "boolean", pl.Float32: "float", pl.Float64: "float", pl.String: "varchar", pl.Categorical: "varchar",
    pl.Enum: "varchar", pl.Binary: "binary", pl.Date: "date", pl.Null: "varchar",
}  # fmt: skip
_COPY: Final = (
    "file_format = (type = parquet use_logical_type = true binary_as_text = false) "
    "match_by_column_name = case_sensitive on_error = abort_statement"
)
_NO_TABLE: Final = 2003  # the code of Snowflake for an object that is not there, or may not be seen


@dataclass(frozen=True, kw_only=True)
class SnowflakeDestination:
    """A table, with what it was made of in `TABLE_manifest`; `name` may be `SCHEMA.TABLE`."""

    url: str
    name: str
    address: SnowflakeAddress

    @property
    def shown(self) -> str:
        """The table with its URL, without user, password and query."""
        return f"{self.name} of {shown_location(self.url)}"

    def check(self) -> None:
        """See that Snowflake lets in who the URL names."""
        with self._connected():
            pass

    def check_columns(self, schema: pl.Schema) -> None:
        """See that Snowflake can hold the columns, and that a table that is there has these and no others."""
        with self._connected() as session:
            self._check(session, schema)

    def write(self, frames: Frames, manifest: Mapping[str, object]) -> None:
        """Put the rows in the place of those of the table, and the manifest in that of the one beside it.

        All rows lie in a stage of this session before the transaction begins, so it takes as long as Snowflake needs.
        """
        rows, manifests = _quoted(self.name), _quoted(f"{self.name}_manifest")
        columns = ", ".join(f"{quoted(kept_name(name))} {_type(dtype)}" for name, dtype in frames.schema.items())
        stage = _quoted(f"{self.name}_{secrets.token_hex(8)}")
        with self._connected() as session:
            self._check(session, frames.schema)
            session.run(f"create temporary stage {stage}")
            has_rows = _put(session, stage, frames)
            session.run(f"create table if not exists {rows} ({columns})")
            session.run(f"create table if not exists {manifests} ({quoted(kept_name('manifest'))} varchar)")
            with _transaction(session):
                session.run(f"delete from {rows}")
                session.run(f"delete from {manifests}")
                if has_rows:
                    session.run(f"copy into {rows} from @{stage} {_COPY}")
                document = json.dumps(manifest, default=str, ensure_ascii=False)
                session.run(f"insert into {manifests} select ?", (document,))

    def _check(self, session: SnowflakeSession, schema: pl.Schema) -> None:
        kept = [kept_name(column) for column in schema]
        for column, dtype in schema.items():
            if _type(dtype) is None:
                hint = "write Parquet: --out NAME.parquet"
                raise UsageError(f"--out {self.shown}: column {column!r} is {dtype}, which it can't hold", hint=hint)
            if kept.count(kept_name(column)) > 1:
                message = f"--out {self.shown}: column {kept_name(column)} is there twice where names have no quotes"
                raise UsageError(message, hint="rename one in the spine")
        self._check_there(session, self.name, kept)
        self._check_there(session, f"{self.name}_manifest", [kept_name("manifest")])

    def _check_there(self, session: SnowflakeSession, name: str, wanted: list[str]) -> None:
        """See that a table has some columns, if it is there."""
        try:
            found = session.describe(f"select * from {_quoted(name)}").names
        except Exception as error:
            if getattr(error, "vendor_code", None) == _NO_TABLE:
                return
            raise
        if others := sorted({*found} ^ {*wanted}):
            hint = "name another table, or drop this one"
            message = f"--out {self.shown}: table {name} is there with other columns: {', '.join(others)}"
            raise UsageError(message, hint=hint)

    @contextmanager
    def _connected(self) -> Iterator[SnowflakeSession]:
        try:
            for module in MODULES:
                import_module(module)
        except ImportError as error:
            what, hint = missing_driver("snowflake", "", error)
            raise StoreError(f"--out {self.shown}: {what}", code="FC605", hint=hint) from error
        from adbc_driver_snowflake import dbapi

        session = SnowflakeSession(address=self.address, unreachable=self._unwritten)
        try:
            session.open()
            yield session
        except (dbapi.Error, OSError) as error:
            if is_of_query(error):
                raise UsageError(self._unwritten(said(error)).message) from error
            raise self._unwritten(said(error)) from error
        finally:
            session.close()

    def _unwritten(self, what: str) -> StoreError:
        message = f"{self.shown} can't be written: {hide_address_secrets(what, self.url)}"
        return StoreError(message, code="FC605")


def open_snowflake_table(out: str) -> SnowflakeDestination:
    """Return the table that a URL names: `snowflake://USER@ACCOUNT/DATABASE/SCHEMA?table=NAME`.

    Raises:
        UsageError: it is no URL, or names no table.
    """
    shown = shown_location(out)
    try:
        url = sa.make_url(out)
        name = url.query.get("table")
        if not isinstance(name, str) or not all(name.split(".")):
            raise UsageError(f"--out {shown}: into which table?", hint="?table=scores")
        plain = url.difference_update_query(["table"]).render_as_string(hide_password=False)
        address = snowflake_address(plain, "UTC", Path)
    except ArgumentError as error:
        raise UsageError("--out is no database URL", hint="snowflake://USER@ACCOUNT/DB/SCHEMA?table=NAME") from error
    except OSError as error:
        message = f"--out {shown}: its private_key_file {error.filename} can't be read: {error.strerror}"
        raise UsageError(message) from error
    except ValueError as error:
        raise UsageError(f"--out {shown}: {error}") from error
    return SnowflakeDestination(url=out, name=name, address=address)


def _quoted(name: str) -> str:
    return ".".join(quoted(kept_name(part)) for part in name.split("."))


def _put(session: SnowflakeSession, stage: str, frames: Frames) -> bool:
    """Put rows into a stage, a file for each frame, of which one lies here; return whether there are rows."""
    from pyarrow import parquet

    number = 0
    with temporary_folder("scores") as folder:
        for frame in frames.read():
            if frame.height:
                file = folder / f"{number:06}.parquet"
                parquet.write_table(_as_kept(frame).to_arrow(), file, compression="snappy")
                session.run(f"put 'file://{file}' @{stage} auto_compress = false")
                file.unlink()
                number += 1
    return number > 0


def _as_kept(frame: pl.DataFrame) -> pl.DataFrame:
    """Return rows in the types of Snowflake that Parquet has, under the names that it keeps."""
    casts = {
        name: pl.Decimal(20, 0) if isinstance(dtype, pl.UInt64) else pl.String()
        for name, dtype in frame.schema.items()
        if isinstance(dtype, pl.UInt64 | pl.Categorical | pl.Enum | pl.Null)
    }
    cast = frame.cast(pl.Schema(casts)) if casts else frame
    return cast.rename({name: kept_name(name) for name in frame.columns})


@contextmanager
def _transaction(session: SnowflakeSession) -> Iterator[None]:
    session.run("begin transaction")
    try:
        yield
        session.run("commit")
    except BaseException:
        with suppress(Exception):
            session.run("rollback")
        raise


def _type(dtype: pl.DataType) -> str | None:
    """Return the type of Snowflake that holds every value of a type, or None."""
    if isinstance(dtype, pl.Datetime):
        return None if dtype.time_unit == "ns" else f"timestamp_{'tz' if dtype.time_zone else 'ntz'}(6)"
    if isinstance(dtype, pl.Decimal):
        return f"number({dtype.precision}, {dtype.scale})"
    if dtype.is_integer() and not isinstance(dtype, pl.Int128 | pl.UInt128):
        return "number(38, 0)"
    return _TYPES.get(type(dtype))
