"""The database below a registry: connections, transactions, its schema, and its errors as ours."""

from __future__ import annotations

import logging
import sqlite3
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Dialect, Engine, create_engine, event, insert, inspect, select, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, OperationalError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from featurectl.core.disk_room import hint_of, open_crowded, sqlite_failure
from featurectl.core.drivers import driver_fault, missing_driver
from featurectl.core.errors import BusyStoreError, FeaturectlError, StoreError, UsageError
from featurectl.core.postgres import connect_limited
from featurectl.core.secrets import hide_address_secrets
from featurectl.registry import tables
from featurectl.registry.steps import DEVELOPMENT, HEAD, KNOWN
from featurectl.registry.waiting import OTHERS, Patience, backend_of, file_holder, said_after, session_holders

CONNECT_LIMIT_S: Final = 5
BUSY_LIMIT_S: Final = 30  # how long a transaction waits for another's
ANSWER_LIMIT_S: Final = 40  # for any answer: a server that waits for another transaction says it before
_WRITER_LIMITS: Final = ("lock_timeout", "idle_in_transaction_session_timeout")
_MIGRATION_LOCK: Final = 7_310_582_946  # any number, the same in every process
_KINDS: Final = ("sqlite", "postgresql", "postgres")
_BUSY_NAMES: Final = ("SQLITE_BUSY", "SQLITE_LOCKED")
_LOCK_NOT_AVAILABLE: Final = "55P03"  # of PostgreSQL
_CROWDED: Final = "crowded"  # of a connection: it holds its file for itself
_MODULES: Final = {"psycopg": ("psycopg_binary", "psycopg_c"), "pysqlite": ("sqlite3",)}  # beside one of its own name
_DRIVERS: Final = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}


class Database:
    """One database of a registry. Every method raises `StoreError`, which calls the database by `shown`.

    A server that is silent for longer than `patience` has, or a file that another holds, is not waited for.
    """

    def __init__(self, url: str, shown: str, patience: Patience) -> None:
        self._url = _parse(url, shown)
        self._address = url
        self._name = shown
        self._patience = patience
        self._engine: Engine | None = None
        self._ready = False

    @contextmanager
    def reading(self) -> Iterator[Connection | None]:
        """Give a connection that sees one moment of the database; None where there is no registry yet."""
        if not self._may_hold_one():
            yield None
            return
        with self._errors(), self._connection().connect() as connection:
            _begin(connection, writing=False)
            yield connection if self._revision(connection) else None

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Give a connection whose transaction is committed at the end, or undone by an error.

        The database, its folder and its tables are made or brought up to date first.
        """
        with self._errors():
            if not self._ready:
                self._prepare()
                self._ready = True
            with self._transaction() as connection:
                yield connection

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        """Give a connection whose transaction is committed at the end; for whom it waits is said after a second."""
        backends: list[int] = []
        with (
            said_after(lambda: self._holder(backends), self._patience.say) as is_begun,
            self._connection().begin() as connection,
        ):
            if (backend := backend_of(connection)) is not None:
                backends.append(backend)
            _begin(connection, writing=True)
            if not backends:  # a file waits for nothing more; a session may wait for rows
                is_begun()
            yield connection

    def _holder(self, backends: Sequence[int]) -> str:
        """Return for whom a transaction waits, and how long it does; "": for nobody."""
        file = self._file()
        who = file_holder(file) if file else "".join(session_holders(self._connection(), each) for each in backends)
        limit_s = self._patience.limit_s or BUSY_LIMIT_S
        return f"registry {self._name} is held by {who}: waiting for {limit_s:g} s at most" if who else ""

    def _busy(self) -> BusyStoreError:
        """Return the error of who has waited for another's transaction in vain."""
        file, limit_s = self._file(), self._patience.limit_s or BUSY_LIMIT_S
        who = file_holder(file) if file else OTHERS
        text = f"registry {self._name} is held by {who}, which was waited for: {limit_s:g} s"
        return BusyStoreError(text, code="FC601", hint="run it again when that process is done")

    def close(self) -> None:
        """Give back the connections."""
        if self._engine:
            self._engine.dispose()
            self._engine = None

    def _connection(self) -> Engine:
        if self._engine is None:
            self._engine = _open_engine(self._url, self._patience.limit_s)
        return self._engine

    def _file(self) -> Path | None:
        """Return the file of an SQLite database."""
        if self._url.get_backend_name() != "sqlite":
            return None
        if not self._url.database or self._url.database == ":memory:":
            raise UsageError(f"registry {self._name} has no file", hint="write it like sqlite:///folder/registry.db")
        return Path(self._url.database)

    def _may_hold_one(self) -> bool:
        """Return False where there can't be a registry yet: the database's file is not there."""
        with self._errors():
            file = self._file()
            return file is None or _is_there(file)

    def _prepare(self) -> None:
        if file := self._file():
            _is_there(file)
            file.parent.mkdir(parents=True, exist_ok=True)
            # Two that do this to a new file at once don't wait for each other: one fails, and the other's work holds.
            with suppress(OperationalError), self._connection().connect() as connection:
                connection.exec_driver_sql("pragma journal_mode = wal")
        with self._transaction() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text("select pg_advisory_xact_lock(:number)"), {"number": _MIGRATION_LOCK})
            if (revision := self._revision(connection)) != HEAD:
                _migrate(connection, revision)

    def _revision(self, connection: Connection) -> str | None:
        """Return the step that the schema has reached; None when it has no tables of ours."""
        if not inspect(connection).has_table("alembic_version"):
            return None
        revision = connection.execute(text("select version_num from alembic_version")).scalar_one_or_none()
        if revision in DEVELOPMENT:
            raise StoreError(
                f"registry {self._name} was written by a development version of featurectl, which no version reads",
                code="FC604",
                hint="name another database in featurectl.yaml, or move this one away; then: featurectl apply",
            )
        if revision is not None and revision not in KNOWN:
            raise StoreError(
                f"registry {self._name} was made by a newer featurectl (schema {revision}, this one knows {HEAD})",
                code="FC604",
                hint="install the version that made it",
            )
        return None if revision is None else str(revision)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (SQLAlchemyError, OSError) as error:
            cause = getattr(error, "orig", None) or error
            if _is_busy(cause):
                raise self._busy() from error
            said = sqlite_failure(cause) if isinstance(cause, sqlite3.Error | OSError) else str(cause)
            reason = hide_address_secrets((said.strip().splitlines() or [type(error).__name__])[0], self._address)
            hint = hint_of(cause)
            raise StoreError(f"registry {self._name} can't be used: {reason}", code="FC601", hint=hint) from error
        except FeaturectlError:
            raise
        except Exception as error:  # what a driver raises that is no error of a driver
            driver = self._url.get_driver_name()
            if fault := driver_fault(error, driver, {driver, *_MODULES.get(driver, ())}):
                raise StoreError(
                    f"registry {self._name} can't be used: {hide_address_secrets(fault, self._address)}", code="FC601"
                ) from error
            raise


def _is_busy(error: BaseException) -> bool:
    """Return whether another transaction is in the way."""
    name, state = getattr(error, "sqlite_errorname", ""), getattr(error, "sqlstate", None)
    return name.startswith(_BUSY_NAMES) or state == _LOCK_NOT_AVAILABLE


def _is_there(file: Path) -> bool:
    """Return whether a file is there.

    Raises:
        OSError: it can't be known, or it could never be made: what should be a folder above it is a file.
    """
    try:
        file.stat()
    except FileNotFoundError:
        return False
    except NotADirectoryError as error:
        above = next(folder for folder in file.parents if folder.exists())
        raise NotADirectoryError(f"{above} is a file, not a folder") from error
    return True


def _parse(url: str, shown: str) -> URL:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # a port that is no number
        raise UsageError(
            f"registry {shown or repr(shown)} is no URL",
            hint="write it like sqlite:///folder/registry.db or postgresql://...",
        ) from None
    kind = parsed.get_backend_name()
    if kind not in _KINDS:
        raise UsageError(f"no registry of kind {kind!r}", hint="registries: sqlite:///, postgresql://")
    return parsed.set(drivername=_DRIVERS.get(parsed.drivername, parsed.drivername))


def _open_engine(url: URL, wait_s: float | None = None) -> Engine:
    logging.getLogger("sqlalchemy").addHandler(logging.NullHandler())  # else it draws the traceback of a Ctrl-C
    try:
        if url.get_backend_name() != "sqlite":
            engine = create_engine(url, connect_args={"connect_timeout": wait_s or CONNECT_LIMIT_S})
            event.listen(engine, "do_connect", partial(_connect_limited, wait_s or ANSWER_LIMIT_S))
            return engine
        engine = create_engine(url, connect_args={"timeout": wait_s or BUSY_LIMIT_S, "isolation_level": None})
    except NoSuchModuleError:
        raise UsageError(f"no registry driver {url.drivername!r}", hint="write postgresql:// or sqlite:///") from None
    except ImportError as error:
        what, hint = missing_driver(url.get_backend_name(), "", error)
        raise UsageError(f"registry: {what}", hint=hint) from None
    event.listen(engine, "do_connect", _connect_file)
    event.listen(engine, "checkin", _close_crowded)
    event.listen(engine, "connect", lambda connection, _: connection.execute("pragma foreign_keys = on"))
    return engine


def _connect_file(_: Dialect, record: ConnectionPoolEntry, args: Sequence[Any], options: Mapping[str, Any]) -> object:
    connection, crowded = open_crowded(lambda: sqlite3.connect(*args, **options))
    record.info[_CROWDED] = crowded
    return connection


def _close_crowded(_: object, record: ConnectionPoolEntry) -> None:
    """Let no connection wait for its next use that keeps all others out of the file."""
    if record.info.get(_CROWDED):
        record.invalidate()


def _connect_limited(
    answer_s: float, dialect: Dialect, _: object, args: Sequence[Any], options: Mapping[str, Any]
) -> object:
    """Open a connection on which nothing waits for ever; None, to open it as usual, by a driver that is not ours."""
    return connect_limited(args, options, answer_s) if dialect.driver == "psycopg" else None


def _begin(connection: Connection, *, writing: bool) -> None:
    """Open the transaction on the server: SQLite's write lock is taken now, a reader sees one moment.

    A writer waits for another as long as SQLite's does, and does not keep others waiting when its machine is gone.
    """
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("begin immediate" if writing else "begin")
    elif writing:
        limits = (f"set_config('{name}', '{BUSY_LIMIT_S}s', true)" for name in _WRITER_LIMITS)
        connection.exec_driver_sql(f"select {', '.join(limits)}")
    else:
        connection.exec_driver_sql("set transaction isolation level repeatable read, read only")


def _migrate(connection: Connection, revision: str | None) -> None:
    from featurectl.registry.migrations.upgrade import upgrade  # Alembic is slow to import and rarely needed

    upgrade(connection, revision)
    if revision is None:
        connection.execute(insert(tables.registry).values(id=str(uuid.uuid4())))


def registry_id(connection: Connection) -> str:
    """Return which registry this is."""
    return str(connection.execute(select(tables.registry.c.id)).scalar_one())
