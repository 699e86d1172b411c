"""A query to PostgreSQL that ADBC runs, in a thread of its own: its COPY, as Arrow.

The driver is called by its own interface: that of the DB-API imports the datasets of pyarrow, and so pandas. So does
pyarrow where it makes an array of values of Python; Polars makes the one that there is.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import polars as pl

from featurectl.core.errors import StoreError
from featurectl.core.postgres import NO_ANSWER, probe_seconds
from featurectl.sources.begun_again import ConnectionCutError
from featurectl.sources.sql.postgres_address import refused
from featurectl.sources.sql.postgres_types import DescribedQuery, read_postgres
from featurectl.sources.sql.query_run import SqlQueryRun
from featurectl.sources.sql.read_ahead import SilenceWatch, read_ahead

if TYPE_CHECKING:
    import pyarrow as pa
    from adbc_driver_manager import AdbcConnection, AdbcStatement

_SETTINGS: Final = (
    "select set_config('TimeZone', $1, true), set_config('featurectl.since', $2, true), "
    "set_config('client_encoding', 'UTF8', true)"
)
_SAID: Final = re.compile(r"[A-Z]+:  ([^\n]+)")  # as PostgreSQL writes an error behind its severity
_TYPE: Final = b"POSTGRESQL:type"
BATCH_BYTES: Final = 8 * 2**20  # of rows that are fetched at once; three such are held
_SIZE_OPTION: Final = "adbc.postgresql.batch_size_hint_bytes"
_MODIFIER: Final = b"POSTGRESQL:typmod"


class _NotBegunError(Exception):
    """ADBC can't begin the query, or has other columns than PostgreSQL has described."""


class _BrokenError(Exception):
    """What ADBC fails of while it gives rows, and whether its connection is of no use any more."""

    def __init__(self, said: str, *, is_cut: bool) -> None:
        super().__init__(said)
        self.said = said
        self.is_cut = is_cut


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrowRun:
    """The query of a source, read by ADBC in one transaction that only reads.

    `:since` is a setting of that transaction: with a parameter the driver would hold the whole result in memory.
    """

    query: SqlQueryRun
    described: DescribedQuery
    _statements: list[AdbcStatement] = field(default_factory=list)

    def begin(self) -> Generator[pl.DataFrame] | None:
        """Return the rows as they come; None where ADBC can't begin the query.

        Raises:
            StoreError: FC605, the database does not answer.
        """
        address = self.described.address
        watch = SilenceWatch(silent_s=probe_seconds(), probe=lambda: self._probe(address), cancel=self._cancel)
        batches = read_ahead(self._batches(address), watch)
        try:
            next(batches)
        except _NotBegunError:
            return None
        return self._frames(batches)

    def _frames(self, batches: Iterator[pa.RecordBatch | None]) -> Generator[pl.DataFrame]:
        with closing(batches):  # type: ignore[type-var]  # a generator
            try:
                for batch in batches:
                    if batch is not None:
                        yield self._frame(batch)
            except _BrokenError as error:
                if error.is_cut:
                    raise ConnectionCutError(self.query.unreachable(error.said), code="FC605") from error
                raise self.query.failed(error.said) from error

    def _frame(self, batch: pa.RecordBatch) -> pl.DataFrame:
        columns = []
        for (name, kind), array in zip(self.described.arrow.items(), batch.columns, strict=True):
            dtype = self.described.types[name]
            assert dtype is not None
            columns.append(read_postgres(name, array, kind, dtype, self.query.where))
        return pl.DataFrame(columns)

    def _batches(self, address: str) -> Iterator[pa.RecordBatch | None]:
        """Yield None once the query has begun, then its batches; all calls of the driver are made here."""
        from adbc_driver_manager import AdbcConnection, AdbcStatement, Error
        from adbc_driver_postgresql import connect

        with ExitStack() as opened:
            try:
                database = opened.enter_context(connect(address))
                connection = opened.enter_context(AdbcConnection(database))
                statement = opened.enter_context(AdbcStatement(connection))
                self._statements.append(statement)
                reader = opened.enter_context(self._begun(statement))
            except (Error, OSError) as error:
                raise _NotBegunError from error
            yield None
            try:
                yield from reader
            except (Error, OSError) as error:
                raise _broken(error, connection) from error

    def _begun(self, statement: AdbcStatement) -> pa.RecordBatchReader:
        import pyarrow as pa

        _read(statement, "begin read only").read_all()
        given = pl.DataFrame({"zone": [self.query.source.timezone], "since": [self.described.since]})
        statement.set_sql_query(_SETTINGS)
        statement.prepare()
        statement.bind(given.to_arrow(compat_level=pl.CompatLevel.oldest()).to_batches()[0])
        pa.RecordBatchReader.from_stream(statement.execute_query()[0]).read_all()
        statement.set_options(**{_SIZE_OPTION: str(BATCH_BYTES)})
        # the driver puts COPY (...) around it: a comment at its end must not hold the bracket, nor a semicolon end it
        reader = _read(statement, self.described.text.rstrip("; \t\r\n") + "\n")
        if not self._is_as_described(reader.schema):
            raise _NotBegunError
        return reader

    def _is_as_described(self, schema: pa.Schema) -> bool:
        """Return whether the columns are those that PostgreSQL described: they may have changed since."""
        described = self.described.arrow
        if schema.names != list(described):
            return False
        found = [field_.metadata or {} for field_ in schema]
        return all(
            (not kind.name or metadata.get(_TYPE, b"").decode() == kind.name)
            and (not kind.modifier or metadata.get(_MODIFIER, b"").decode() == kind.modifier)
            for kind, metadata in zip(described.values(), found, strict=True)
        )

    def _probe(self, address: str) -> None:
        """See whether a server that gives nothing takes another connection."""
        if said := refused(address):
            message = f"{NO_ANSWER} {probe_seconds():g} s, nor a new connection: {said}"
            raise StoreError(self.query.unreachable(message), code="FC605")

    def _cancel(self) -> None:
        for statement in self._statements:
            with suppress(Exception):
                statement.cancel()


def _read(statement: AdbcStatement, text: str) -> pa.RecordBatchReader:
    import pyarrow as pa

    statement.set_sql_query(text)
    return pa.RecordBatchReader.from_stream(statement.execute_query()[0])


def _broken(error: Exception, connection: AdbcConnection) -> _BrokenError:
    """Return what failed; the connection tells by an answer whether it was cut, in whatever language errors come."""
    text = str(error)
    said = _SAID.search(text)
    first = said[1] if said else (text.strip().splitlines() or [type(error).__name__])[0]
    from adbc_driver_manager import AdbcStatement

    try:
        with AdbcStatement(connection) as statement:
            _read(statement, "rollback").read_all()
    except Exception:  # noqa: BLE001  # whatever it is, it does not answer
        return _BrokenError(first, is_cut=True)
    return _BrokenError(first, is_cut=False)
