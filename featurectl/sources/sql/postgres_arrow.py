"""A query to PostgreSQL that ADBC runs, in a thread of its own: its COPY, as Arrow."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from contextlib import closing, suppress
from dataclasses import field
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from featurectl.core.dataclass import dataclass
from featurectl.core.errors import DataError, StoreError
from featurectl.core.postgres import NO_ANSWER
from featurectl.sources.begun_again import ConnectionCutError
from featurectl.sources.sql.connections import probe_seconds
from featurectl.sources.sql.postgres_address import libpq_address, refused
from featurectl.sources.sql.postgres_types import DescribedQuery, read_postgres
from featurectl.sources.sql.query_run import SqlQueryRun
from featurectl.sources.sql.read_ahead import SilenceWatch, read_ahead

if TYPE_CHECKING:
    import pyarrow as pa

_SETTINGS: Final = (
    "select set_config('TimeZone', $1, true), set_config('featurectl.since', $2, true), "
    "set_config('client_encoding', 'UTF8', true)"
)
_SAID: Final = re.compile(r"[A-Z]+:  ([^\n]+)")  # as PostgreSQL writes an error behind its severity
_TYPE: Final = b"POSTGRESQL:type"
BATCH_BYTES: Final = 8 * 2**20  # of rows that are fetched at once; three such are held
_BATCH_BYTES: Final = "adbc.postgresql.batch_size_hint_bytes"
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
    _cursors: list[Any] = field(default_factory=list)

    def begin(self) -> Generator[pl.DataFrame] | None:
        """Return the rows as they come; None where ADBC can't begin the query.

        Raises:
            StoreError: FC605, the database does not answer.
        """
        address = libpq_address(self.query.url)
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
                raise DataError(f"{self.query.where} fails: {error.said}", code="FC508") from error

    def _frame(self, batch: pa.RecordBatch) -> pl.DataFrame:
        columns = []
        for (name, kind), array in zip(self.described.arrow.items(), batch.columns, strict=True):
            dtype = self.described.types[name]
            assert dtype is not None
            columns.append(read_postgres(name, array, kind, dtype, self.query.where))
        return pl.DataFrame(columns)

    def _batches(self, address: str) -> Iterator[pa.RecordBatch | None]:
        """Yield None once the query has begun, then its batches; all calls of the driver are made here."""
        from adbc_driver_postgresql import dbapi

        try:
            connection = dbapi.connect(address, autocommit=True)
        except dbapi.Error as error:
            raise _NotBegunError from error
        with connection, connection.cursor() as cursor:
            self._cursors.append(cursor)
            reader = self._begun(cursor)
            yield None
            try:
                yield from reader
            except (dbapi.Error, OSError) as error:
                raise _broken(error, connection) from error

    def _begun(self, cursor: Any) -> pa.RecordBatchReader:
        from adbc_driver_postgresql import dbapi

        try:
            cursor.execute("begin read only")
            cursor.execute(_SETTINGS, (self.query.source.timezone, self.described.since))
            cursor.fetchall()
            cursor.adbc_statement.set_options(**{_BATCH_BYTES: str(BATCH_BYTES)})
            # the driver puts COPY (...) around it: a comment at its end must not hold the bracket
            cursor.execute(self.described.text + "\n")
            reader: pa.RecordBatchReader = cursor.fetch_record_batch()
        except (dbapi.Error, OSError) as error:
            raise _NotBegunError from error
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
        for cursor in self._cursors:
            with suppress(Exception):
                cursor.adbc_cancel()


def _broken(error: Exception, connection: Any) -> _BrokenError:
    """Return what failed; the connection tells by an answer whether it was cut, in whatever language errors come."""
    text = str(error)
    said = _SAID.search(text)
    first = said[1] if said else (text.strip().splitlines() or [type(error).__name__])[0]
    try:
        with connection.cursor() as cursor:
            cursor.execute("rollback")
    except Exception:  # noqa: BLE001  # whatever it is, it does not answer
        return _BrokenError(first, is_cut=True)
    return _BrokenError(first, is_cut=False)
